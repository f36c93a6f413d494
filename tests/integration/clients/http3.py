"""The HTTP/3 example, asked by aioquic."""

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

# Size, whether that is declared, and how much of it is sent; only all of it has an end.
UPLOADS = [
    (size, declared, size) for size in (64 * KIB, MIB, 2 * MIB + 1) for declared in (True, False)
]
UPLOADS += [(100, True, 3), (100, False, 3), (64 * MIB + 1, True, 0)]


@dataclass
class Answer:
    fields: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    is_whole: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self) -> tuple[int, str | None, bool]:
        for name in ("connection", "keep-alive", "transfer-encoding"):
            expect(self.fields.get(name), None, name)
        return int(self.fields[":status"]), self.fields.get("allow"), self.content != b""


def connect(server: Server, certificate):
    """A connection, whose `begin` sends a header section."""
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

        def begin(self, method: str, *fields, ends: bool, path: str = "/") -> int:
            stream = self._quic.get_next_available_stream_id()
            self.answers[stream] = Answer()
            # RFC 9114 §4.4.
            if method != "CONNECT":
                fields = ((":scheme", "https"), (":path", path), *fields)
            fields = ((":method", method), (":authority", "localhost"), *fields)
            fields = [(name.encode(), value.encode()) for name, value in fields]
            self.http.send_headers(stream, fields, end_stream=ends)
            self.transmit()
            return stream

        def send(self, stream: int, content: bytes, ends: bool):
            self.http.send_data(stream, content, end_stream=ends)
            self.transmit()

        async def answer(self, stream: int) -> tuple[int, str | None, bool]:
            answer = self.answers[stream]
            await asyncio.wait_for(answer.is_whole.wait(), timeout=30)
            return answer.seen()

    configuration = QuicConfiguration(alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.load_verify_locations(str(certificate))
    return connect(*server.address, configuration=configuration, create_protocol=Client)


async def ask(server: Server, certificate) -> int:
    """Asks for everything over one connection; how often."""
    async with connect(server, certificate) as client:
        for method, expected in WITHOUT_CONTENT.items():
            seen = await client.answer(client.begin(method, ends=True))
            expect(seen, expected, f"{method[:10]}, {len(method)} bytes")

        # aioquic does not accept an answer to HEAD that has a Content-Length other than 0.
        seen = await client.answer(client.begin("HEAD", ends=True, path="/nothing"))
        expect(seen, (404, None, False), "HEAD")

        seen = await client.answer(client.begin("CONNECT", ends=False))
        expect(seen, (404, None, False), "CONNECT without a path")

        for size, declared, sent in UPLOADS:
            fields = [("content-length", str(size))] if declared else []
            stream = client.begin("FOO", *fields, ends=False)
            if sent > 0:
                client.send(stream, bytes(sent), ends=sent == size)
            what = f"{sent} of {size} bytes, {'declared' if declared else 'undeclared'}"
            expect(await client.answer(stream), NOT_IMPLEMENTED, what)

        stream = client.begin("POST", ends=False)
        client.send(stream, b"Hello!", ends=True)
        expect(await client.answer(stream), ANSWERED, "POST")
        return len(client.answers)


@case("http3-aioquic", "python:aioquic", seconds=120)
def _():
    with scratch() as directory:
        certificate = directory / "certificate.pem"
        with example("http3", str(certificate)) as server:
            times = asyncio.run(ask(server, certificate))
    return f"{times} answers over one connection"
