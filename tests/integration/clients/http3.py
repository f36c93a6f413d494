"""aioquic sends requests to the HTTP/3 example."""

import asyncio
from dataclasses import dataclass, field

from harness import KIB, MIB, Server, case, example, expect, scratch

# Status, `Allow`, and whether there is content.
ANSWERED = (200, None, True)
NOT_ALLOWED = (405, "GET,HEAD,POST", False)
NOT_IMPLEMENTED = (501, None, True)

WITHOUT_CONTENT = {
    "GET": ANSWERED,
    "DELETE": NOT_ALLOWED,
    "OPTIONS": (200, "GET, HEAD, POST, OPTIONS", False),
    "PROPFIND": NOT_IMPLEMENTED,
    "get": NOT_IMPLEMENTED,
    "M" * 60_000: NOT_IMPLEMENTED,
}

# The size, whether it is declared, and the number of bytes that are sent. The stream ends if all are sent.
UPLOADS = [
    (size, declared, size) for size in (64 * KIB, MIB, 2 * MIB + 1) for declared in (True, False)
]
UPLOADS += [(100, True, 3), (100, False, 3), (64 * MIB + 1, True, 0)]


@dataclass
class Answer:
    fields: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    is_whole: asyncio.Event = field(default_factory=asyncio.Event)


def connect(server: Server, certificate):
    """A connection with a method `ask`."""
    from aioquic.asyncio import QuicConnectionProtocol, connect
    from aioquic.h3.connection import H3_ALPN, H3Connection
    from aioquic.h3.events import DataReceived, HeadersReceived
    from aioquic.quic.configuration import QuicConfiguration

    class Client(QuicConnectionProtocol):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.http = H3Connection(self._quic)
            self.answers: dict[int, Answer] = {}

        def quic_event_received(self, event):
            for part in self.http.handle_event(event):
                answer = self.answers[part.stream_id]
                if isinstance(part, HeadersReceived):
                    answer.fields |= {name.decode(): value.decode() for name, value in part.headers}
                elif isinstance(part, DataReceived):
                    answer.content += part.data
                if part.stream_ended:
                    answer.is_whole.set()

        async def ask(self, method: str, *fields, path: str = "/", content: bytes = b"", ends: bool = True):
            """Returns the status, `Allow`, and whether there is content."""
            stream = self._quic.get_next_available_stream_id()
            answer = self.answers[stream] = Answer()
            # RFC 9114 §4.4.
            if method != "CONNECT":
                fields = ((":scheme", "https"), (":path", path), *fields)
            fields = ((":method", method), (":authority", "localhost"), *fields)
            fields = [(name.encode(), value.encode()) for name, value in fields]
            self.http.send_headers(stream, fields, end_stream=ends and not content)
            if content:
                self.http.send_data(stream, content, end_stream=ends)
            self.transmit()
            await asyncio.wait_for(answer.is_whole.wait(), timeout=30)
            for name in ("connection", "keep-alive", "transfer-encoding"):
                expect(answer.fields.get(name), None, name)
            return int(answer.fields[":status"]), answer.fields.get("allow"), answer.content != b""

    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.load_verify_locations(str(certificate))
    return connect(*server.address, configuration=configuration, create_protocol=Client)


async def ask_all(server: Server, certificate) -> int:
    """Sends all requests over one connection. Returns their number."""
    async with connect(server, certificate) as client:
        for method, expected in WITHOUT_CONTENT.items():
            expect(await client.ask(method), expected, f"{method[:10]}, {len(method)} bytes")

        # aioquic does not accept an answer to HEAD that has a Content-Length other than 0.
        expect(await client.ask("HEAD", path="/nothing"), (404, None, False), "HEAD")
        expect(await client.ask("CONNECT", ends=False), (404, None, False), "CONNECT without a path")

        for size, declared, sent in UPLOADS:
            fields = [("content-length", str(size))] if declared else []
            seen = await client.ask("FOO", *fields, content=bytes(sent), ends=sent == size)
            what = f"{sent} of {size} bytes, {'declared' if declared else 'undeclared'}"
            expect(seen, NOT_IMPLEMENTED, what)

        expect(await client.ask("POST", content=b"Hello!"), ANSWERED, "POST")
        return len(client.answers)


@case("http3-aioquic", "python:aioquic", seconds=120)
def _():
    with scratch() as directory:
        certificate = directory / "certificate.pem"
        with example("http3", str(certificate)) as server:
            times = asyncio.run(ask_all(server, certificate))
    return f"{times} answers over one connection"
