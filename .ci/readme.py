#!/usr/bin/env python3
"""Runs the README's main job and its `$ curl` lines, and compares what they print with the README."""

import difflib
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAIN_JOB = "cargo run --example axum"
ADDRESS = "127.0.0.1:3000"


def sessions(readme):
    """The commands of the console blocks, each with the lines that it is to print."""
    for block in re.findall(r"^```console\n(.*?)^```$", readme, re.M | re.S):
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M):
            yield command, output


def normal(output):
    """What two runs have in common: all but the date."""
    return re.sub(r"^date: .*$", "date: …", output.replace("\r\n", "\n"), flags=re.M).splitlines()


def main():
    readme = (ROOT / "README.md").read_text()
    if f"```sh\n{MAIN_JOB}\n```" not in readme:
        sys.exit(f"the README does not show `{MAIN_JOB}`")
    server = subprocess.Popen(
        MAIN_JOB.split() + ["--", "127.0.0.1:0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    failed = passed = 0
    try:
        line = server.stdout.readline()
        listening = re.fullmatch(r"listening on http://(\S+)\n", line)
        if not listening:
            sys.exit(f"`{MAIN_JOB}` says {line!r}")
        for command, expected in sessions(readme):
            run = subprocess.run(
                ["bash", "-c", command.replace("curl ", "curl -sS ").replace(ADDRESS, listening[1])],
                capture_output=True,
                text=True,
                timeout=30,
            )
            diff = list(difflib.unified_diff(
                normal(expected), normal(run.stdout + run.stderr), "README.md", command, lineterm=""
            ))
            passed, failed = passed + (not diff), failed + bool(diff)
            print("\n".join(diff) or f"ok: {command}")
    finally:
        server.terminate()
        status = server.wait(30)
    if status != 0:
        sys.exit(f"the example ended with {status}")
    print(f"readme: {passed} passed, {failed} failed")
    if failed or passed < 5:
        sys.exit(1)


main()
