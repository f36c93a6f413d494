"""Rejected uploads take no memory, however large they are."""

import pathlib
import re

from harness import KIB, MIB, Failure, case, example, expect, zeros
from uploads import FRAMINGS, REJECTION, curl

ROOM = 4 * MIB


def peak(server) -> int:
    """The most memory that the server has had resident so far, in bytes."""
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1]) * KIB


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
