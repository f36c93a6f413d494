#!/usr/bin/env python3
"""Runs third-party clients and proxies against the examples, over loopback.

    cargo build --examples --all-features
    cargo test --workspace --no-run
    python3 tests/integration/clients/run.py [CASE...]

It needs Linux, Python 3.11, and the tools that install.sh installs. If a tool is missing, its cases are skipped,
with a message. The programs are in debug and debug/examples of $CARGO_TARGET_DIR. The default is target.
"""

import importlib
import subprocess
import sys
import time

from harness import CASES, Failure, Skipped, time_limit

SUBJECTS = """
    uploads proxies caches webdav browser infrastructure calls
"""

for subject in SUBJECTS.split():
    importlib.import_module(subject)

# A timeout is an OSError.
FAILURES = (Failure, OSError, subprocess.SubprocessError)


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
        start = time.monotonic()
        try:
            with time_limit(case.seconds):
                detail = case.run()
        except Skipped as reason:
            skipped += 1
            print(f"SKIPPED {case.name}: {reason}", flush=True)
        except FAILURES as error:
            failed += 1
            print(f"FAILED {case.name}: {type(error).__name__}: {error}", flush=True)
        else:
            passed += 1
            took = time.monotonic() - start
            print(f"ok {case.name} ({took:.1f} s): {detail}", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
