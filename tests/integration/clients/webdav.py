"""A policy in front of a WebDAV share changes nothing for WebDAV clients."""

import re

from harness import case, example, expect, output, scratch

SUITES = {"basic", "copymove", "props", "locks", "http"}

# The results of a test in litmus, the best one first. After some failures, litmus does not run more tests.
RESULTS = ["pass", "WARNING", "SKIPPED", "FAIL"]
NOT_RUN = "not run"
RANKS = [*RESULTS, NOT_RUN]


def litmus(*command: str) -> dict[str, str]:
    """The result of every test."""
    with example(*command) as server, scratch() as directory:
        # Its exit code is the exit code of its last suite. It writes its log to the current directory.
        _, report, _ = output("litmus", "-k", f"{server.url}dav/", cwd=directory)
    results = {}
    suite = None
    for line in report.splitlines():
        if started := re.match(r"-> running `(\w+)'", line):
            suite = started[1]
        elif test := re.match(r"( ?\d+\. \w+)\.* (" + "|".join(RESULTS) + ")", line):
            results[f"{suite} {test[1].strip()}"] = test[2]
    return results


@case("litmus", "litmus", seconds=120)
def _():
    bare, behind = litmus("servers", "webdav"), litmus("webdav")
    worse = [
        f"{test}: {behind.get(test, NOT_RUN)} instead of {result}"
        for test, result in bare.items()
        if RANKS.index(behind.get(test, NOT_RUN)) > RANKS.index(result)
    ]
    expect(worse, [], "tests with a worse result than without the policy")
    passed = [test.split()[0] for test, result in bare.items() if result == "pass"]
    expect(set(passed), SUITES, "the suites with tests that pass")
    return f"{len(bare)} tests, none worse than without the policy, where {len(passed)} pass"
