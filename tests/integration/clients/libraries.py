"""Clients that upload, with their default settings: one that reads while it sends, and one that does not."""

from harness import HERE, output
from uploads import TIMES, Client, curls


def by_requests(url, framing, files):
    import requests

    for file in files:
        for _ in range(TIMES):
            with file.open("rb") as content:
                parts = content if framing == "declared" else iter(lambda: content.read(64 * 1024), b"")
                try:
                    response = requests.delete(url, data=parts)
                    yield f"{response.status_code} {response.headers.get('Allow')}"
                except requests.RequestException as error:
                    yield repr(error)


def by_node(url, framing, files):
    code, answers, error = output("node", HERE / "fetch.mjs", url, framing, TIMES, *files, seconds=100)
    yield from answers.splitlines()
    if code != 0:
        yield f"exit code {code}: {error.strip()[-500:]}"


# The tools that each client needs, and the client.
LIBRARIES: dict[str, tuple[tuple[str, ...], Client]] = {
    # With `Expect`, it would wait for the server to ask for the body.
    "curl": (("curl",), curls("-H", "Expect:", report="%{http_code} %header{allow}")),
    "requests": (("python:requests",), by_requests),
    "node-fetch": (("node",), by_node),
}
