"""Clients that send slowly, or no more: they are answered, and keep no server from stopping."""

import concurrent.futures
import contextlib
import functools
import select
import socket
import subprocess
import time
from dataclasses import dataclass

from harness import HERE, Server, case, example, expect, process
from uploads import REJECTION

HEAD = "DELETE / HTTP/1.1\r\nHost: site\r\n{}\r\n\r\n"


@dataclass
class Slow:
    """How a client sends its body."""

    declared: bool
    # Whether it sends a byte every second, or nothing after a few.
    drips: bool
    # For how long it is waited for by default, in seconds.
    bound: int

    @property
    def limit(self) -> int:
        """How long it may take: twice the bound and a second, for the machine may be slow, too."""
        return 2 * (self.bound + 1)


KINDS = {
    "silent-undeclared": Slow(declared=False, drips=False, bound=1),
    "silent-declared": Slow(declared=True, drips=False, bound=5),
    "dripping": Slow(declared=True, drips=True, bound=30),
}


def answer(client: socket.socket) -> str:
    """The status and `Allow` of an answer; then the connection has to be closed, as it says."""
    received = b""
    # Whoever is still sending is reset, after what has been received.
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(4096):
            received += part
    head, _, _ = received.decode().partition("\r\n\r\n")
    line, *lines = head.split("\r\n")
    fields = dict(field.split(": ", 1) for field in lines)
    expect(fields.get("connection"), "close", f"Connection in the answer {received!r}")
    return f"{line.split()[1]} {fields.get('allow')}"


class Http1:
    """A slow client over HTTP/1.1; it has sent what it sends at once."""

    def __init__(self, server: Server, slow: Slow):
        self.slow = slow
        self.socket = socket.create_connection(server.address, timeout=slow.limit)
        length = f"Content-Length: {100_000 if slow.drips else 100}"
        head = HEAD.format(length if slow.declared else "Transfer-Encoding: chunked")
        self.socket.sendall(head.encode() + (b"abc" if slow.declared else b"3\r\nabc\r\n"))

    def answer(self) -> str:
        if self.slow.drips:
            while not select.select([self.socket], [], [], 1)[0]:
                self.socket.send(b"0")
        return answer(self.socket)

    def close(self) -> None:
        self.socket.close()


class Http2:
    """A silent client over HTTP/2."""

    def __init__(self, server: Server, slow: Slow):
        framing = "declared" if slow.declared else "undeclared"
        command = ("timeout", slow.limit + 10, "node", HERE / "http2.mjs", server.url, framing)
        self.stack = contextlib.ExitStack()
        self.node = self.stack.enter_context(process(*command, stdout=subprocess.PIPE, text=True))
        expect(self.line(), "sent", "what the client does")

    def line(self) -> str:
        return self.node.stdout.readline().strip()

    def answer(self) -> str:
        return self.line()

    def close(self) -> None:
        self.stack.close()


def rejection(name: str) -> str:
    # All that gRPC needs.
    return "405 POST" if name == "tonic" else REJECTION


def answered(client_type, slow: Slow, name: str) -> float:
    """After how many seconds the example answers."""
    with example(name) as server, contextlib.closing(client_type(server, slow)) as client:
        start = time.monotonic()
        expect(client.answer(), rejection(name), name)
        took = time.monotonic() - start
        if client_type is Http2:
            expect(client.line(), "200", f"{name}: the next request on the connection")
    return took


def stopped(client_type, slow: Slow, name: str) -> float:
    """After how many seconds the example ends that is told to while it waits for a client."""
    with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.ExitStack() as clients:
        with example(name, stops_within=slow.limit) as server:
            client = clients.enter_context(contextlib.closing(client_type(server, slow)))
            server.read_all()
            answer = pool.submit(client.answer)
            start = time.monotonic()
        took = time.monotonic() - start
        expect(answer.result(), rejection(name), name)
    return took


def at_once(measure, client_type, slow: Slow, names) -> str:
    """Measures all the examples at the same time."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        took = list(pool.map(lambda name: measure(client_type, slow, name), names))
    late = [name for name, seconds in zip(names, took, strict=True) if seconds > slow.limit]
    expect(late, [], f"what took longer than {slow.limit} s")
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in zip(names, took, strict=True))


for kind, slow in KINDS.items():
    for do, measure, names in [
        ("slow", answered, ("hyper",)),
        ("stop", stopped, ("hyper",)),
    ]:
        run = functools.partial(at_once, measure, Http1, slow, names)
        case(f"{do}-{kind}", seconds=slow.limit + 20)(run)

    if not slow.drips:
        for do, measure, names in [("slow", answered, ("hyper",)), ("stop", stopped, ("tonic",))]:
            run = functools.partial(at_once, measure, Http2, slow, names)
            case(f"{do}-http2-{kind}", "node", seconds=slow.limit + 20)(run)
