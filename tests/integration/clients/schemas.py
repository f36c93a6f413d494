"""Requests that Schemathesis makes of an OpenAPI document, methods that it does not list among them."""

import collections
import re
import sys

from harness import CLIENTS, Failure, case, example, expect, scratch, succeed

CHECKS = "unsupported_method,allow_header_conformance,not_a_server_error"
OPERATIONS = 6


@case("schemathesis-openapi", "python:schemathesis", seconds=150)
def _():
    with example("openapi") as server, scratch() as directory:
        report = directory / "report.ndjson"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"--checks={CHECKS}"]
        command += [f"{server.url}api/v1/openapi.json", "--generation-database=none"]
        command += ["--phases=coverage,fuzzing", "--max-examples=100"]
        command += ["--report=ndjson", f"--report-ndjson-path={report}"]
        # It keeps files in the directory where it is started.
        said = succeed(*command, seconds=120, cwd=directory, env={"PYTHONPATH": str(CLIENTS / "python")})
        [tested] = re.findall(r"Tested: (\d+)", said)
        expect(int(tested), OPERATIONS, "operations that were tested")
        statuses = re.findall(r'"status_code": ?(\d+)', report.read_text())
    counts = dict(sorted(collections.Counter(statuses).items()))
    # Schemathesis would pass a server that it asks for nothing but what is documented.
    if counts.get("405", 0) < OPERATIONS:
        raise Failure(f"hardly any method was rejected: {counts}")
    return f"{OPERATIONS} operations; answers by status: {counts}"
