"""Uploads that are refused. Their clients are often still sending when the answer is there."""

import contextlib
import functools
import http.client
import os
import pathlib
from collections.abc import Callable, Iterable

from harness import HERE, KIB, MIB, Server, case, example, expect_all, output, succeed, zeros

TIMES = 20

# What each server is sent. Declared, it is within the bound of each: 2 MiB by default, 32 MiB for
# webdav. Of undeclared length, it is waited for by webdav only: by default many clients, curl and
# Python's among them, lose the answer now and then.
UPLOADS = {
    "declared": [("axum", 64 * KIB), ("axum", MIB), ("webdav", 16 * MIB)],
    "chunked": [("webdav", 64 * KIB), ("webdav", MIB), ("webdav", 16 * MIB)],
}

REFUSAL = "405 GET, HEAD, POST"

# Makes TIMES uploads of a file and returns what it was answered.
Client = Callable[[Server, pathlib.Path], Iterable[str]]


def refused(uploads: list[tuple[str, int]], client: Client, expected: str = REFUSAL) -> str:
    for name, size in uploads:
        with example(name) as server, zeros(size) as file:
            expect_all(client(server, file), TIMES, expected, f"{name}, {size // KIB} KiB")
    return f"{TIMES} of {TIMES} answered {expected}, for each size"


def curl(url, file, framing, *options, report="%{http_version} %{http_code} %header{allow}") -> str:
    """What curl reports of the answer to one upload; or what it says instead."""
    command = ["curl", "-sSv", "--max-time", 20, "-X", "DELETE", "-o", os.devnull, "-w", report]
    with file.open("rb") as body:
        # From its standard input curl sends chunks; to a URL it would add the file's name.
        command += ["-T", file if framing == "declared" else "-", "--request-target", "/"]
        code, answer, log = output(*command, *options, url, stdin=body)
    if code != 0:
        return f"exit code {code}: {log.splitlines()[-1]}"
    if "\n< HTTP/1.1 100 Continue" in log:
        answer += " after 100 Continue"
    return answer


def curls(framing, *options, **report) -> Client:
    return lambda server, file: [
        curl(server.url, file, framing, *options, **report) for _ in range(TIMES)
    ]


for framing, uploads in UPLOADS.items():

    @case(f"curl-{framing}", "curl")
    def _(framing=framing, uploads=uploads):
        return refused(uploads, curls(framing, "-H", "Expect:"), f"1.1 {REFUSAL}")

    @case(f"curl-{framing}-expect", "curl")
    def _(framing=framing):
        # Nothing is to be waited for: the body is not asked for.
        client = curls(
            framing,
            *("-H", "Expect: 100-continue"),
            report="%{http_version} %{http_code} %header{allow}, %header{connection}",
        )
        return refused(UPLOADS["declared"], client, f"1.1 {REFUSAL}, close")


@case("curl-http2-declared", "curl")
def _():
    uploads = [("hyper", 64 * KIB), ("hyper", MIB), ("webdav", 16 * MIB)]
    client = curls("declared", "-H", "Expect:", "--http2-prior-knowledge")
    return refused(uploads, client, f"2 {REFUSAL}")


@case("curl-http2-undeclared", "curl")
def _():
    # Where such bodies are not waited for, as hyper's are not, the stream is reset with NO_ERROR,
    # upon which curl 7.88 discards the response, against RFC 9113 §8.1: see `nghttp-undeclared`.
    client = curls("chunked", "-H", "Expect:", "--http2-prior-knowledge")
    return refused([("webdav", 64 * KIB), ("webdav", MIB)], client, f"2 {REFUSAL}")


def python(server, file, framing) -> Iterable[str]:
    connection = http.client.HTTPConnection(*server.address, timeout=20)
    with contextlib.closing(connection):
        connection.connect()
        # The one connection has to do: every body is read to its end.
        connection.auto_open = False
        length = {"Content-Length": str(file.stat().st_size)}
        for _ in range(TIMES):
            try:
                with file.open("rb") as body:
                    connection.request("DELETE", "/", body, length if framing == "declared" else {})
                with connection.getresponse() as response:
                    response.read()
                    yield f"{response.status} {response.getheader('Allow')}"
            except (OSError, http.client.HTTPException) as error:
                yield repr(error)


def node(server, file, script, framing) -> Iterable[str]:
    return succeed("node", HERE / script, server.url, file, framing, TIMES).splitlines()


for framing, uploads in UPLOADS.items():
    for client_name, tools, client in [
        ("python", (), functools.partial(python, framing=framing)),
        ("node-fetch", ("node",), functools.partial(node, script="fetch.mjs", framing=framing)),
        ("node-http", ("node",), functools.partial(node, script="http.mjs", framing=framing)),
    ]:
        case(f"{client_name}-{framing}", *tools)(functools.partial(refused, uploads, client))
