"""A policy in front of a WebDAV share changes nothing for WebDAV clients."""

import random
import re

from harness import MIB, case, example, expect, output, scratch, succeed

SUITES = {"basic", "copymove", "props", "locks", "http"}

# The results of a test in litmus, the best one first. After some failures, litmus does not run more tests.
RESULTS = ["pass", "WARNING", "SKIPPED", "FAIL"]
NOT_RUN = "not run"
RANKS = [*RESULTS, NOT_RUN]


def litmus(name: str) -> dict[str, str]:
    """The result of every test."""
    with example(name) as server, scratch() as directory:
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
    bare, behind = litmus("webdav_bare"), litmus("webdav")
    worse = [
        f"{test}: {behind.get(test, NOT_RUN)} instead of {result}"
        for test, result in bare.items()
        if RANKS.index(behind.get(test, NOT_RUN)) > RANKS.index(result)
    ]
    expect(worse, [], "tests with a worse result than without the policy")
    passed = [test.split()[0] for test, result in bare.items() if result == "pass"]
    expect(set(passed), SUITES, "the suites with tests that pass")
    return f"{len(bare)} tests, none worse than without the policy, where {len(passed)} pass"


@case("rclone", "rclone", "diff")
def _():
    with example("webdav") as server, scratch() as directory:
        files = directory / "files"
        (files / "a directory" / "in another").mkdir(parents=True)
        (files / "empty directory").mkdir()
        (files / "empty").touch()
        (files / "a directory" / "50% #1?&ü.txt").write_text("Hello!\n")
        noise = random.Random(0).randbytes(5 * MIB)
        (files / "a directory" / "in another" / "noise").write_bytes(noise)
        share = f":webdav,url='{server.url}dav/',vendor=other:"
        rclone = ["rclone", "--config", ""]
        succeed(*rclone, "copy", "--create-empty-src-dirs", files, share)
        succeed(*rclone, "copy", "--create-empty-src-dirs", share, directory / "copy")
        succeed("diff", "--recursive", files, directory / "copy")
        succeed(*rclone, "delete", "--rmdirs", share)
        expect(succeed(*rclone, "lsf", share), "", "the files after the deletion")
    return "a directory was uploaded, downloaded without a change, and deleted"
