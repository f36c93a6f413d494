#!/usr/bin/env python3
"""Runs foreign clients and proxies against the examples, over loopback.

    cargo build --examples
    python3 tests/clients/run.py [CASE...]

Needs Python 3.11 and what install.sh installs; a case whose tool is missing is skipped, and says so.
The examples are those in $CARGO_TARGET_DIR, by default target, in debug/examples.
"""

import subprocess
import sys

import proxies  # noqa: F401  (its cases)
from harness import CASES, Failure, OutOfTime, time_limit


def main(names: list[str]) -> int:
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    passed = failed = skipped = 0
    for case in CASES:
        if names and case.name not in names:
            continue
        if missing := case.missing():
            skipped += 1
            print(f"SKIPPED {case.name}: not installed: {', '.join(missing)}", flush=True)
            continue
        try:
            with time_limit(case.seconds):
                detail = case.run()
        except (Failure, OutOfTime, OSError, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAILED {case.name}: {error}", flush=True)
        else:
            passed += 1
            print(f"ok {case.name}: {detail}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
