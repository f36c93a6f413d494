"""Schemathesis creates requests from an OpenAPI document, and also uses methods that the document does not list."""

import collections
import re
import sys

from harness import CLIENTS, Failure, case, example, expect, scratch, succeed

CHECKS = "unsupported_method,allow_header_conformance,not_a_server_error"
OPERATIONS = 5


@case("schemathesis-openapi", "python:schemathesis", seconds=150)
def _():
    with example("openapi") as server, scratch() as directory:
        report = directory / "report.ndjson"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"--checks={CHECKS}"]
        command += [f"{server.url}v1/openapi.json", "--generation-database=none"]
        command += ["--phases=coverage,fuzzing", "--max-examples=100"]
        command += ["--report=ndjson", f"--report-ndjson-path={report}"]
        # It writes files to the current directory.
        log = succeed(*command, seconds=120, cwd=directory, env={"PYTHONPATH": str(CLIENTS / "python")})
        [tested] = re.findall(r"Tested: (\d+)", log)
        expect(int(tested), OPERATIONS, "tested operations")
        statuses = re.findall(r'"status_code": ?(\d+)', report.read_text())
    counts = dict(sorted(collections.Counter(statuses).items()))
    # Without requests for methods that are not listed, Schemathesis would also pass.
    if counts.get("405", 0) < OPERATIONS:
        raise Failure(f"too few methods were rejected: {counts}")
    return f"{OPERATIONS} operations; answers by status: {counts}"
