#!/usr/bin/env python3
"""Counts instructions and allocations and compares them with the limits.

Prints the tables of benches/README.md. Exits with 1 if a limit is exceeded, and with 2 if something could
not be measured.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent
TIMES = 100  # as in benches/instructions.rs

# The limits are higher than the goals, because the compiler may inline differently in another binary.
FORWARDED = [
    # request, peers, (variant of the policy, goal, limit) of instructions in addition to the bare service
    ("get", "`GET`", [("", 20, 30)]),
    ("head", "`HEAD`", [("", 20, 30)]),
    ("post", "`POST`", [("", 20, 30)]),
    ("propfind", "`PROPFIND`", [("", 83, 90)]),
    ("own", "own method", [("_10", 175, 200), ("_1000", 175, 200), ("_100000", 175, 200)]),
    ("get_routed", "`GET`, path rules", [("_1000", 20, 30)]),
    ("head_routed", "`HEAD`, path rules", [("_1000", 20, 30)]),
]
REJECTED = [
    # (goal, limit) of instructions in addition to the bare service
    ("not_allowed", "405", 1323, 1723),
    ("not_implemented", "501", 1230, 1630),
]
ROUTED = [(10, 60, 80), (1000, 60, 80), (100000, 60, 80)]
# (goal, limit)
OWN_METHODS = 1.1, 1.1
AROUND_ROUTER = 20, 30

exceeded = []


def fail(message):
    print(f"gate: {message}", file=sys.stderr)
    sys.exit(2)


def bench(name, *arguments, has_limits=False):
    """The output of a benchmark. A benchmark with its own limits prints the exceeded ones."""
    command = ["cargo", "bench", "--quiet", "--bench", name, "--", *arguments]
    done = subprocess.run(command, cwd=BENCHES, stdout=subprocess.PIPE, text=True)
    if has_limits and done.returncode == 1:
        exceeded.append(f"the limits that `{name}` names above")
    elif done.returncode != 0:
        fail(f"`{' '.join(command)}` failed")
    return done.stdout


class Counts(dict):
    """The instructions of each benchmark, for one request."""

    def __missing__(self, name):
        fail(f"`{name}` was not counted")


def count_instructions():
    if shutil.which("valgrind") is None:
        fail("nothing is counted without valgrind: apt-get install valgrind")
    version = re.search(r'gungraun = "=(.*)"', (BENCHES / "Cargo.toml").read_text())[1]
    if shutil.which("gungraun-runner") is None:
        fail(f"cargo install gungraun-runner --version ={version}")
    counts = Counts()
    for line in bench("instructions", "--output-format=json").splitlines():
        if line.startswith("{"):
            benchmark = json.loads(line)
            parts = benchmark["profiles"][0]["data"]["parts"]
            counts[benchmark["id"]] = parts[0]["metrics"]["Ir"]["values"]["new"] / TIMES
    return counts


def hold(what, value, goal, limit, form="{:+.0f}"):
    """A table's cells for a value and its goal."""
    if value > limit:
        exceeded.append(f"{what}: {value:g}, the limit is {limit}, the goal {goal}")
    reached = "" if value <= goal else " (not reached)"
    return f"**{form.format(value)}** | ≤ {form.format(goal)}{reached}"


def table(header, rows):
    print("\n| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def peers(counts, case):
    """The instructions of a hand-written service and of tower-http, in addition to the bare service."""
    names = [f"{case}_hand_written", f"{case}_validate"]
    return [f"{counts[name] - counts[f'{case}_bare']:+.0f}" if name in counts else "–" for name in names]


def tables(counts):
    header = ["request", "bare", "hand-written", "tower-http `ValidateRequestHeaderLayer`", "policy", "goal"]
    rows = []
    for case, name, variants in FORWARDED:
        bare = counts[f"{case}_bare"]
        for suffix, goal, limit in variants:
            what = f"{name} {suffix.strip('_')}".strip()
            value = counts[f"{case}_policy{suffix}"] - bare
            cells = hold(f"{what}, forwarded", value, goal, limit)
            rows.append([what, f"{bare:.0f}", *peers(counts, case), cells])
    for case, name, goal, limit in REJECTED:
        bare = counts[f"{case}_bare"]
        cells = hold(name, counts[f"{case}_policy"] - bare, goal, limit)
        rows.append([f"{name}, 5 header fields", f"{bare:.0f}", *peers(counts, case), cells])
    print("\nInstructions, in addition to those of the bare inner service.")
    table(header, rows)

    few, many = counts["own_policy_10"], counts["own_policy_100000"]
    cells = hold("100,000 own methods to 10", many / few, *OWN_METHODS, "{:.2f}")
    print("\n100,000 own methods to 10 of them: " + cells.replace(" |", ", goal"))

    rows = []
    bare = counts["routed_bare"]
    for routes, goal, limit in ROUTED:
        matchit = counts[f"routed_matchit_{routes}"]
        value = counts[f"routed_policy_{routes}"] - bare
        cells = hold(f"{routes} path rules, beyond matchit", value - matchit, goal, limit)
        rows.append([f"{routes:,}", f"{matchit:.0f}", f"{value:+.0f}", cells])
    print("\n`PUT` forwarded by a path rule: instructions, in addition to those of the bare service.")
    table(["path rules", "matchit's look-up", "policy", "beyond matchit", "goal"], rows)

    bare = counts["router_bare"]
    around = counts["router_policy_around"] - bare
    cells = hold("around an axum `Router`", around, *AROUND_ROUTER)
    print("\n`GET` to an axum `Router` with one route: instructions, in addition to the router's.")
    table(["bare router", "policy around it", "goal"], [[f"{bare:.0f}", cells]])


def main():
    tables(count_instructions())
    print()
    print(bench("memory", has_limits=True), end="", flush=True)
    for what in exceeded:
        print(f"gate: exceeded: {what}", file=sys.stderr)
    sys.exit(1 if exceeded else 0)


if __name__ == "__main__":
    main()
