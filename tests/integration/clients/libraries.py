"""Clients that upload, with their default settings. node may lose an answer that arrives while it sends."""

from harness import HERE, output
from uploads import TIMES, Client, curls


def by_node(url, framing, files):
    code, answers, error = output("node", HERE / "fetch.mjs", url, framing, TIMES, *files, seconds=100)
    yield from answers.splitlines()
    if code != 0:
        yield f"exit code {code}: {error.strip()[-500:]}"


# The tools that each client needs, and the client.
LIBRARIES: dict[str, tuple[tuple[str, ...], Client]] = {
    # With `Expect`, it would wait for the server to ask for the body.
    "curl": (("curl",), curls("-H", "Expect:", report="%{http_code} %header{allow}")),
    "node-fetch": (("node",), by_node),
}
