#!/usr/bin/env python3
"""Counts instructions and allocations and compares them with their limits.

Prints the tables of benches/README.md. Exits with 1 if a limit is exceeded, and with 2 if something could not be
counted.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent
TIMES = 100  # as in benches/instructions.rs

# Each row has a name, counts, the limit of instructions, and the limit of allocations. The counts of the bare service
# and of matchit are subtracted. The limits leave room for changes in the compiler.
ROWS = [
    ("`GET`, if the inner service is an axum `Router`", ["router - router_bare"], 30, 0),
    ("`GET`, `HEAD`, `POST`, forwarded", ["get - bare", "head - bare", "post - bare"], 30, 0),
    ("`GET`, forwarded, 1,000 rules", ["get_routed - bare"], 30, 0),
    ("`PROPFIND`, forwarded", ["propfind - propfind_bare"], 90, 0),
    ("an own method, 10 of them", ["own_10 - own_bare"], 200, 0),
    ("an own method, 100,000 of them", ["own_100000 - own_bare"], 200, 0),
    ("forwarded by a rule", ["routed_10 - routed_bare - matchit_10"], 90, 0),
    ("forwarded by one of 100,000 rules", ["routed_100000 - routed_bare - matchit_100000"], 90, 0),
    ("`GET`, the layer answers `OPTIONS`", ["get_answering - bare"], 430, 0),
    ("`GET` to an axum router, the inner service decides, `ProblemDetails`", ["router_deciding - router_bare"], 530, 0),
    ("the same with 5 fields and an observer", ["router_observed - router_fields_bare"], 1750, 5),
    ("`405`", ["not_allowed - rejected_bare"], 1900, 7),
    ("`501`", ["not_implemented - unknown_bare"], 1630, 5),
    ("an axum router's `405` adopted with `ProblemDetails`", ["router_405 - router_405_bare"], 15500, 24),
]
# With `Cache-Control` and `Retry-After`.
ALLOCATIONS = [("`405`", "not_allowed_fields", 7), ("`501`", "not_implemented_fields", 5)]
SIZES = [
    ("service, beyond the inner one", "size_of_service", 8),
    ("future", "size_of_future", 232),
    ("future around one of 4,096", "size_of_large_future", 4168),
]

exceeded = []


def fail(message):
    print(f"gate: {message}", file=sys.stderr)
    sys.exit(2)


def bench(name, *arguments):
    command = ["cargo", "bench", "--quiet", "--bench", name, "--", *arguments]
    done = subprocess.run(command, cwd=BENCHES, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        fail(f"`{' '.join(command)}` failed")
    return done.stdout.splitlines()


def count_instructions():
    if shutil.which("valgrind") is None:
        fail("valgrind is missing: apt-get install valgrind")
    version = re.search(r'gungraun = "=(.*)"', (BENCHES / "Cargo.toml").read_text())[1]
    if shutil.which("gungraun-runner") is None:
        fail(f"gungraun-runner is missing: cargo install gungraun-runner --version ={version}")
    counts = {}
    for line in bench("instructions", "--output-format=json"):
        if line.startswith("{"):
            benchmark = json.loads(line)
            parts = benchmark["profiles"][0]["data"]["parts"]
            counts[benchmark["id"]] = parts[0]["metrics"]["Ir"]["values"]["new"] / TIMES
    return counts


def difference(counts, what):
    """The first count minus the others."""
    names = what.split(" - ")
    missing = [name for name in names if name not in counts]
    if missing:
        fail(f"{missing} was not counted")
    return counts[names[0]] - sum(counts[name] for name in names[1:])


def cell(what, value, limit, sign=""):
    if value > limit:
        exceeded.append(f"{what}: {value:g}, the limit is {limit}")
    return f"{value:{sign}.0f} | {limit}"


def main():
    instructions = count_instructions()
    memory = {name: int(value) for name, value in map(str.split, bench("memory"))}
    print("\n| request | instructions | limit | allocations | limit |\n|---|---|---|---|---|")
    for name, counts, limit, allocations in ROWS:
        cells = cell(name, max(difference(instructions, what) for what in counts), limit, "+")
        most = max(difference(memory, what.split(" - ")[0]) for what in counts)
        print(f"| {name} | {cells} | {cell(name + ', allocations', most, allocations)} |")
    for title, rows in [("allocations with configured fields", ALLOCATIONS), ("size in bytes", SIZES)]:
        print(f"\n| {title} | | limit |\n|---|---|---|")
        for name, what, limit in rows:
            print(f"| {name} | {cell(name, difference(memory, what), limit)} |")
    for what in exceeded:
        print(f"gate: {what}", file=sys.stderr)
    sys.exit(1 if exceeded else 0)


if __name__ == "__main__":
    main()
