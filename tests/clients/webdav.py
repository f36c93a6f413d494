"""WebDAV clients: the policy takes nothing from a share that is behind it."""

import filecmp
import random
import re

from harness import MIB, Failure, case, example, expect, output, scratch, succeed

# What litmus says of a test, best first.
RESULTS = ["pass", "WARNING", "SKIPPED", "FAIL"]


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
    expect(behind.keys(), bare.keys(), "the tests that were run")
    worse = [
        f"{test}: {behind[test]} after {result}"
        for test, result in bare.items()
        if RESULTS.index(behind[test]) > RESULTS.index(result)
    ]
    if worse or not bare:
        raise Failure(f"worse than without the policy: {', '.join(worse)}")
    return f"{len(bare)} tests, none worse than without the policy"


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
