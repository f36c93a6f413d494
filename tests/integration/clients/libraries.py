"""Clients that are libraries, each as its users use it: with its defaults."""

from collections.abc import Callable, Iterator

from harness import CLIENTS, HERE, KIB, PACKAGES, output, succeed
from uploads import TIMES, Client, curls


def in_python(upload: Callable[[str, object], str]) -> Client:
    """A client of a function that makes one upload, of an open file or of its parts."""

    def client(url, framing, files):
        for file in files:
            for _ in range(TIMES):
                with file.open("rb") as content:
                    try:
                        yield upload(url, content if framing == "declared" else parts(content))
                    except Exception as error:  # Each library has other errors.
                        yield repr(error)

    return client


def parts(content) -> Iterator[bytes]:
    return iter(lambda: content.read(64 * KIB), b"")


def by_requests(url, content):
    import requests

    response = requests.delete(url, data=content)
    return f"{response.status_code} {response.headers.get('Allow')}"


def by_httpx(url, content):
    import httpx

    response = httpx.request("DELETE", url, content=content)
    return f"{response.status_code} {response.headers.get('Allow')}"


def program(*command) -> Client:
    """A client that is a program."""

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


# The tools that each needs, and itself.
LIBRARIES: dict[str, tuple[tuple[str, ...], Client]] = {
    # Without `Expect`, upon which it would not send what it is not asked for.
    "curl": (("curl",), curls("-H", "Expect:", report="%{http_code} %header{allow}")),
    "requests": (("python:requests",), in_python(by_requests)),
    "httpx": (("python:httpx",), in_python(by_httpx)),
    "node-fetch": (("node",), program("node", HERE / "fetch.mjs")),
    "reqwest": ((), program(PACKAGES / "uploads", "reqwest")),
    "ureq": ((), program(PACKAGES / "uploads", "ureq")),
    "go": (("go",), by_go),
}
