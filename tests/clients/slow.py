"""Clients that send slowly, or no more: they are answered, and keep no server from stopping."""

import concurrent.futures
import contextlib
import functools
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from harness import Failure, Server, case, example, expect
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

    last_answer = answer

    def close(self) -> None:
        self.socket.close()


class Http2:
    """A silent client over HTTP/2."""

    def __init__(self, server: Server, slow: Slow):
        import h2.connection

        self.authority = server.authority
        self.socket = socket.create_connection(server.address, timeout=slow.limit)
        self.connection = h2.connection.H2Connection()
        self.connection.initiate_connection()
        self.connection.send_headers(
            1, self.request("DELETE") + [("content-length", "100")] * slow.declared
        )
        self.connection.send_data(1, b"abc")
        self.send()

    def request(self, method: str) -> list[tuple[str, str]]:
        fields = {"method": method, "scheme": "http", "authority": self.authority, "path": "/"}
        return [(f":{name}", value) for name, value in fields.items()]

    def send(self) -> None:
        self.socket.sendall(self.connection.data_to_send())

    def events(self) -> Iterator[object]:
        """What it receives, until the connection is closed; all of it is acknowledged."""
        while received := self.socket.recv(65536):
            events = self.connection.receive_data(received)
            self.send()
            yield from events

    def response(self, stream: int) -> dict[str, str]:
        """The fields of the response, once it is complete."""
        import h2.events

        fields = {}
        for event in self.events():
            if getattr(event, "stream_id", None) != stream:
                continue
            if isinstance(event, h2.events.ResponseReceived):
                fields = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h2.events.StreamEnded):
                return fields
        raise Failure("the connection was closed before a response was complete")

    def answer(self) -> str:
        fields = self.response(1)
        return f"{fields[':status']} {fields.get('allow')}"

    def last_answer(self) -> str:
        """The same, after which the connection is closed."""
        answer = self.answer()
        for _ in self.events():
            pass
        return answer

    def get(self) -> str:
        """The status of another request's response, on the same connection."""
        self.connection.send_headers(3, self.request("GET"), end_stream=True)
        self.send()
        return self.response(3)[":status"]

    def close(self) -> None:
        self.socket.close()


def answered(client_type, slow: Slow, name: str) -> float:
    """After how many seconds the example answers."""
    with example(name) as server, contextlib.closing(client_type(server, slow)) as client:
        start = time.monotonic()
        expect(client.answer(), REJECTION, name)
        took = time.monotonic() - start
        if client_type is Http2:
            expect(client.get(), "200", f"{name}: the next request on the connection")
    return took


def stopped(client_type, slow: Slow, name: str) -> float:
    """After how many seconds the example ends that is told to while it waits for a client."""
    with concurrent.futures.ThreadPoolExecutor() as pool, contextlib.ExitStack() as clients:
        with example(name, stops_within=slow.limit) as server:
            client = clients.enter_context(contextlib.closing(client_type(server, slow)))
            server.read_all()
            answer = pool.submit(client.last_answer)
            start = time.monotonic()
        took = time.monotonic() - start
        expect(answer.result(), REJECTION, name)
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
        ("slow", answered, ("axum", "hyper", "webdav")),
        ("stop", stopped, ("axum", "hyper", "webdav", "cors")),
    ]:
        run = functools.partial(at_once, measure, Http1, slow, names)
        case(f"{do}-{kind}", seconds=slow.limit + 20)(run)

    if not slow.drips:
        for do, measure, names in [("slow", answered, ("hyper",)), ("stop", stopped, ("tonic",))]:
            run = functools.partial(at_once, measure, Http2, slow, names)
            case(f"{do}-http2-{kind}", "python:h2", seconds=slow.limit + 20)(run)
