"""Libraries as upload clients, with their default settings."""

from collections.abc import Callable, Iterator

from harness import CLIENTS, HERE, KIB, PACKAGES, output, succeed
from uploads import TIMES, Client, curls


def in_python(upload: Callable[[str, object], object]) -> Client:
    """A client whose `upload` sends an open file, or its parts, and returns the response."""

    def client(url, framing, files):
        for file in files:
            for _ in range(TIMES):
                with file.open("rb") as content:
                    try:
                        response = upload(url, content if framing == "declared" else parts(content))
                        yield f"{response.status_code} {response.headers.get('Allow')}"
                    except Exception as error:  # Each library has its own errors.
                        yield repr(error)

    return client


def parts(content) -> Iterator[bytes]:
    return iter(lambda: content.read(64 * KIB), b"")


def by_requests(url, content):
    import requests

    return requests.delete(url, data=content)


def by_httpx(url, content):
    import httpx

    return httpx.request("DELETE", url, content=content)


def program(*command) -> Client:
    """A client that runs a program, such as uploads.go."""

    def client(url, framing, files):
        code, answers, error = output(*command, url, framing, TIMES, *files, seconds=100)
        yield from answers.splitlines()
        if code != 0:
            yield f"exit code {code}: {error.strip()[-500:]}"

    return client


def by_go(url, framing, files):
    built = CLIENTS / "uploads-go"
    succeed("go", "build", "-o", built, HERE / "uploads.go", seconds=100)
    return program(built)(url, framing, files)


# The tools that each client needs, and the client.
LIBRARIES: dict[str, tuple[tuple[str, ...], Client]] = {
    # With `Expect`, it would wait for the server to ask for the body.
    "curl": (("curl",), curls("-H", "Expect:", report="%{http_code} %header{allow}")),
    "requests": (("python:requests",), in_python(by_requests)),
    "httpx": (("python:httpx",), in_python(by_httpx)),
    "node-fetch": (("node",), program("node", HERE / "fetch.mjs")),
    "reqwest": ((), program(PACKAGES / "uploads", "reqwest")),
    "ureq": ((), program(PACKAGES / "uploads", "ureq")),
    "go": (("go",), by_go),
}
