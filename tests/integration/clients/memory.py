"""Rejected uploads take no memory, however large they are."""

import collections
import contextlib
import pathlib
import re
import resource
import socket

from harness import KIB, MIB, Failure, Skipped, case, example, expect, zeros
from slow import HEAD, answer
from uploads import FRAMINGS, REJECTION, curl

ROOM = 4 * MIB


def in_status(server, name: str) -> int:
    """What the kernel says of its memory, in bytes."""
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)[1]) * KIB


def peak(server) -> int:
    """The most memory that the server has had resident so far, in bytes."""
    return in_status(server, "VmHWM")


def grown(server, before: int, what: str) -> str:
    """By how much its peak has grown; that is no more than there is room for."""
    grown = peak(server) - before
    if grown > ROOM:
        raise Failure(f"{what}: grew by {grown // KIB} KiB")
    return f"grew by {grown // KIB} KiB"


def growth(name: str, size: int, framing: str, answers: tuple[str, ...]) -> str:
    with example(name) as server, zeros(KIB) as small, zeros(size) as file:
        # The first request of all needs some.
        expect(curl(server.url, framing, small, "-H", "Expect:"), f"1.1 {REJECTION}", name)
        before = peak(server)
        answer = curl(server.url, framing, file, "-H", "Expect:")
        if not answer.startswith(answers):
            raise Failure(f"{name}: expected one of {answers}, saw {answer!r}")
        return grown(server, before, name)


RECEIVED = (f"1.1 {REJECTION}",)
# Of a body beyond the bound no more is read than what is there: to a client that sends on, the
# close may come before the answer that announces it.
RECEIVED_OR_NOT = (*RECEIVED, "exit code 55: ", "exit code 56: ")

for framing in FRAMINGS:

    @case(f"memory-1g-{framing}", "curl")
    def _(framing=framing):
        return growth("hyper", 1024 * MIB, framing, RECEIVED_OR_NOT)

    @case(f"memory-60m-{framing}", "curl")
    def _(framing=framing):
        return growth("hyper", 60 * MIB, framing, RECEIVED)


CONNECTIONS = 9900
# What each is to take at most: an idle one takes 17 KiB, hyper's buffers above all, and a waiting one
# 22 KiB; 26 KiB if the 16 KiB come in one piece, for hyper makes its buffer larger then.
PER_CONNECTION = 25 * KIB
# What a client sends of its 1 MiB before it stalls, a part of it at a time: none is to be idle so
# long meanwhile that it is answered.
PARTS = 4
PART = bytes(4 * KIB)


def resident(server) -> int:
    """The memory that the server has resident now, in bytes."""
    return in_status(server, "VmRSS")


def has_answer(client: socket.socket) -> bool:
    try:
        return bool(client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


@case("memory-connections", seconds=180)
def _():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 100:
        raise Skipped(f"no more than {hard} files may be open, but there are {CONNECTIONS} clients")
    # For the server, too.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with contextlib.ExitStack() as clients, example("hyper") as server:
            # The first request of all needs some.
            with zeros(MIB) as file:
                expect(curl(server.url, "declared", file), f"1.1 {REJECTION}", "one")
            before = resident(server)
            stalled = [
                clients.enter_context(socket.create_connection(server.address))
                for _ in range(CONNECTIONS)
            ]
            head = HEAD.format(f"Content-Length: {MIB}").encode()
            for part in [head + PART] + [PART] * (PARTS - 1):
                for client in stalled:
                    client.sendall(part)
                server.read_all()
            grown = resident(server) - before
            early = sum(map(has_answer, stalled))
            expect(early, 0, "clients that were answered before all were there")
            answers = collections.Counter(map(answer, stalled))
            expect(dict(answers), {REJECTION: CONNECTIONS}, "answers")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    each = grown / CONNECTIONS / KIB
    if each * KIB > PER_CONNECTION:
        raise Failure(f"{each:.1f} KiB a connection")
    return f"{each:.1f} KiB a connection, all {CONNECTIONS} answered {REJECTION}"
