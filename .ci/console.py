#!/usr/bin/env python3
"""Runs the commands that a page shows, and compares their output with the output on the page.

    python3 .ci/console.py examples/operations/README.md docs/rollout.md

Each page has an `sh` block that ends with the `cargo run` of a server on 127.0.0.1:3000. It also has `console`
blocks. A line after `$ ` is a command, a line after `> ` continues it, and all other lines are its output.
"""

import difflib
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1:3000"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def sessions(page):
    """The commands of the console blocks, each with its expected output."""
    for block in blocks(page, "console"):
        parts = re.findall(r"^\$ (.*\n(?:> .*\n)*)((?:(?!\$ ).*\n)*)", block, re.M)
        for command, output in parts:
            yield command.replace("\n> ", "\n").strip(), output


def normal(output):
    """The output without the date, which differs in each run."""
    return re.sub(r"^date: .*$", "date: …", output.replace("\r\n", "\n"), flags=re.M).splitlines()


def start(page, output):
    """Starts the server as the page does, but on a free port. Returns its process and its address."""
    [block] = [block for block in blocks(page, "sh") if "cargo run" in block]
    *before, command = block.splitlines()
    for line in before:
        subprocess.run(["bash", "-c", line], check=True, cwd=ROOT)
    if ADDRESS in command:
        command = command.replace(ADDRESS, "127.0.0.1:0")
    else:
        command += " -- 127.0.0.1:0"
    # The page may redirect the output. Otherwise, it goes to `output`.
    redirected = re.search(r" >(\S+)$", command)
    if redirected:
        output = ROOT / redirected[1]
        output.unlink(missing_ok=True)
    else:
        command += f" >{output}"
    # With `exec`, the server is the child process and gets the signal. cargo also uses `exec`.
    command = ["bash", "-c", f"exec env {command}"]
    server = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    while server.poll() is None:
        if output.exists():
            listening = re.match(r"listening on http://(\S+)\n", output.read_text())
            if listening:
                return server, listening[1]
        time.sleep(0.1)
    sys.exit(f"{command} ended with {server.returncode}")


def compare(name, command, expected, address):
    """Whether the command prints the expected output. None if a program is missing."""
    run = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -sS ").replace(ADDRESS, address)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    missing = re.search(r": (\S+): command not found$", run.stdout, re.M)
    if missing:
        print(f"SKIPPED, {missing[1]} is not installed: {command}")
        return None
    seen, expected = normal(run.stdout), normal(expected)
    diff = list(difflib.unified_diff(expected, seen, name, command, lineterm=""))
    print("\n".join(diff) or f"ok: {command}")
    return not diff


def check(name):
    """The result of each command on the page."""
    page = (ROOT / name).read_text()
    with tempfile.TemporaryDirectory() as directory:
        server, address = start(page, pathlib.Path(directory) / "output")
        try:
            outcomes = [compare(name, *session, address) for session in sessions(page)]
        finally:
            server.terminate()
            status = server.wait(30)
    if status != 0:
        sys.exit(f"the server of {name} ended with {status}")
    if len(outcomes) < 5:
        sys.exit(f"{name} has only {len(outcomes)} commands")
    return outcomes


def main(names):
    outcomes = [outcome for name in names for outcome in check(name)]
    passed, failed, skipped = (outcomes.count(outcome) for outcome in (True, False, None))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
