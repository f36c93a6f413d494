"""Rejected uploads. Clients are often still sending when the answer arrives."""

import collections
import contextlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable

from harness import KIB, MIB, Failure, case, example, output, zeros

TIMES = 10

SIZES = (64 * KIB, MIB, 2 * MIB + 1, 16 * MIB)

# Content-Length declares the length of the body, or the body is chunked (over HTTP/2, neither).
FRAMINGS = ("declared", "chunked")

REJECTION = "405 GET, HEAD, POST, OPTIONS"

# Uploads each file TIMES times and returns the answers, or errors in place of answers.
Client = Callable[[str, str, list[pathlib.Path]], Iterable[str]]

Seen = dict[tuple[str, int], collections.Counter]


def upload(client: Client, url: str, framings=FRAMINGS) -> Seen:
    """The client's answers for each framing and size."""
    seen = {}
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(zeros(size)) for size in SIZES]
        for framing in framings:
            answers = iter(client(url, framing, files))
            for size in SIZES:
                seen[framing, size] = collections.Counter(itertools.islice(answers, TIMES))
    return seen


def rejected(seen: Seen, expected: str = REJECTION) -> str:
    """Raises unless every upload got the expected answer."""
    wrong = {
        f"{framing}, {size} bytes": dict(answers)
        for (framing, size), answers in seen.items()
        if answers != {expected: TIMES}
    }
    if wrong:
        raise Failure(f"expected {TIMES} of {TIMES} {expected!r}, saw {wrong}")
    return f"{TIMES * len(seen)} of {TIMES * len(seen)} answered {expected}"


def curl(url, framing, file, *options, report="%{http_version} %{http_code} %header{allow}") -> str:
    """Uploads the file with curl. Returns curl's report about the answer, or its error."""
    command = ["curl", "-sSv", "--max-time", 40, "-X", "DELETE", "-o", os.devnull, "-w", report]
    with file.open("rb") as body:
        # From its standard input, curl sends chunks. Without a target, it would add the file's name to the URL.
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
