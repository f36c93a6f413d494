"""A client can send many rejected requests on one connection."""

import os
import re

from harness import KIB, MIB, case, example, expect, expect_all, fetch, succeed, zeros
from uploads import REJECTION, TIMES

REQUESTS = 100


@case("curl-connection", "curl")
def _():
    # Not over HTTP/2: with prior knowledge, curl 7.88 does not reuse connections (curl/curl#10634).
    report = "%{http_code} %header{allow}, connections: %{num_connects}\n"
    for method, rejection in {"DELETE": "405 GET, HEAD, OPTIONS", "PROPFIND": "501 "}.items():
        with example("hyper") as server:
            url = f"{server.url}[1-{REQUESTS}]"
            lines = fetch(url, "-X", method, "-o", os.devnull, "-w", report).splitlines()
        expect(lines[0], f"{rejection}, connections: 1", method)
        expect_all(lines[1:], REQUESTS - 1, f"{rejection}, connections: 0", method)
    return f"{REQUESTS} rejections on one connection, for each method"


@case("h2load", "h2load")
def _():
    with example("hyper") as server, zeros(64 * KIB) as file:
        command = ["h2load", "-c1", "-m1", f"-n{REQUESTS}", "-H", ":method: DELETE", "-d", file]
        report = succeed(*command, server.url)
    outcome = re.findall("^(?:requests|status codes): (.*)", report, re.MULTILINE)
    done = "100 total, 100 started, 100 done, 0 succeeded, 100 failed, 0 errored, 0 timeout"
    expect(outcome, [done, "0 2xx, 0 3xx, 100 4xx, 0 5xx"], "what h2load reports")
    return f"{REQUESTS} rejected uploads on one connection"


def uploads(option: str, unwanted="recv GOAWAY") -> str:
    """nghttp gets the rejection, and its log shows neither `unwanted` lines nor errors."""

    def answer(server, file) -> str:
        log = succeed("nghttp", "-nv", server.url, option, "-d", file, "-H", ":method: DELETE")
        seen = re.findall(r"recv \(stream_id=\d+\) (?::status|allow): (.*)", log)
        seen += re.findall(unwanted, log)
        seen += re.findall(r"error_code=(?!NO_ERROR)\w+", log)
        return " ".join(seen)

    for size in (64 * KIB, MIB):
        with example("hyper") as server, zeros(size) as file:
            answers = (answer(server, file) for _ in range(TIMES))
            expect_all(answers, TIMES, REJECTION, f"{size // KIB} KiB")
    return f"{TIMES} of {TIMES} answered {REJECTION}, for each size"


@case("nghttp-undeclared", "nghttp")
def _():
    return uploads("--no-content-length")


@case("nghttp-expect", "nghttp")
def _():
    # After a second without a response, it sends the body even without `100 (Continue)`.
    return uploads("--expect-continue", unwanted="recv GOAWAY|send DATA")
