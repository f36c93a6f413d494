"""WebDAV clients: the policy takes nothing from a share that is behind it."""

import filecmp
import random
import re

from harness import MIB, case, example, expect, output, scratch, succeed

SUITES = {"basic", "copymove", "props", "locks", "http"}

# What litmus says of a test, best first; after some failures it runs no more.
RESULTS = ["pass", "WARNING", "SKIPPED", "FAIL"]
NOT_RUN = "not run"
RANKS = [*RESULTS, NOT_RUN]


def litmus(name: str) -> dict[str, str]:
    """The result of every test of every suite."""
    with example(name) as server, scratch() as directory:
        # Its exit code is that of its last suite; it writes its log where it is started.
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
    expect(worse, [], "what is worse than without the policy")
    passed = [test.split()[0] for test, result in bare.items() if result == "pass"]
    expect(set(passed), SUITES, "the suites of which tests pass")
    return f"{len(bare)} tests, none worse than without the policy, where {len(passed)} pass"


def differences(comparison: filecmp.dircmp) -> list[str]:
    """The files that are in one of two trees only, or are not the same, by the bytes."""
    found = comparison.left_only + comparison.right_only + comparison.common_funny
    _, different, unreadable = filecmp.cmpfiles(
        comparison.left, comparison.right, comparison.common_files, shallow=False
    )
    for below in comparison.subdirs.values():
        found += differences(below)
    return found + different + unreadable


@case("rclone", "rclone")
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
        expect(differences(filecmp.dircmp(files, directory / "copy")), [], "what differs")
        succeed(*rclone, "delete", "--rmdirs", share)
        expect(succeed(*rclone, "lsf", share), "", "what is left")
    return "a tree went up and came down the same, and was deleted"
