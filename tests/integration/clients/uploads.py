"""Uploads that are rejected: their clients are often still sending when the answer is there."""

import collections
import contextlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable

from harness import KIB, MIB, Failure, case, example, output, zeros

TIMES = 10

SIZES = (64 * KIB, MIB, 2 * MIB + 1, 16 * MIB)

# A body's length is declared by Content-Length, or the body is chunked (over HTTP/2: neither).
FRAMINGS = ("declared", "chunked")

REJECTION = "405 GET, HEAD, POST, OPTIONS"

# Makes TIMES uploads of each file in turn and returns what it was answered, or what went wrong.
Client = Callable[[str, str, list[pathlib.Path]], Iterable[str]]

Seen = dict[tuple[str, int], collections.Counter]


def upload(client: Client, url: str, framings=FRAMINGS) -> Seen:
    """What the client was answered, for each framing and size."""
    seen = {}
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(zeros(size)) for size in SIZES]
        for framing in framings:
            answers = iter(client(url, framing, files))
            for size in SIZES:
                seen[framing, size] = collections.Counter(itertools.islice(answers, TIMES))
    return seen


def rejected(seen: Seen, expected: str = REJECTION) -> str:
    """Every upload is to have been answered the same."""
    wrong = {
        f"{framing}, {size} bytes": dict(answers)
        for (framing, size), answers in seen.items()
        if answers != {expected: TIMES}
    }
    if wrong:
        raise Failure(f"expected {TIMES} of {TIMES} {expected!r}, saw {wrong}")
    return f"{TIMES * len(seen)} of {TIMES * len(seen)} answered {expected}"


def curl(url, framing, file, *options, report="%{http_version} %{http_code} %header{allow}") -> str:
    """What curl reports of the answer to one upload; or what it says instead."""
    command = ["curl", "-sSv", "--max-time", 40, "-X", "DELETE", "-o", os.devnull, "-w", report]
    with file.open("rb") as body:
        # From its standard input curl sends chunks; to a URL it would add the file's name.
        command += ["-T", file if framing == "declared" else "-", "--request-target", "/"]
        code, answer, log = output(*command, *options, url, stdin=body, seconds=60)
    if code != 0:
        return f"exit code {code}: {log.splitlines()[-1]}"
    if "\n< HTTP/1.1 100 Continue" in log:
        answer += " after 100 Continue"
    return answer


def curls(*options, **report) -> Client:
    return lambda url, framing, files: [
        curl(url, framing, file, *options, **report) for file in files for _ in range(TIMES)
    ]


for framing in FRAMINGS:

    @case(f"curl-http2-{framing}", "curl")
    def _(framing=framing):
        with example("hyper") as server:
            client = curls("-H", "Expect:", "--http2-prior-knowledge")
            return rejected(upload(client, server.url, [framing]), f"2 {REJECTION}")
