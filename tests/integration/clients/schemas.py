"""Requests that Schemathesis makes of OpenAPI documents, methods that they do not list among them."""

import collections
import re
import sys

from harness import CLIENTS, HERE, Failure, case, example, expect, scratch, succeed

CHECKS = "unsupported_method,allow_header_conformance,not_a_server_error"


def holds(name: str, document: str, *options, operations: int) -> str:
    """The example answers what the document says, and 405 with `Allow` to other methods."""
    with example(name) as server, scratch() as directory:
        report = directory / "report.ndjson"
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"--checks={CHECKS}"]
        command += [word.format(url=server.url.removesuffix("/")) for word in (document, *options)]
        command += ["--phases=coverage,fuzzing", "--max-examples=100", "--generation-database=none"]
        command += ["--report=ndjson", f"--report-ndjson-path={report}"]
        # It keeps what it likes to keep in the directory that it is started in.
        said = succeed(*command, seconds=120, cwd=directory, env={"PYTHONPATH": str(CLIENTS / "python")})
        [tested] = re.findall(r"Tested: (\d+)", said)
        expect(int(tested), operations, "operations that were tested")
        statuses = re.findall(r'"status_code": ?(\d+)', report.read_text())
    counts = dict(sorted(collections.Counter(statuses).items()))
    # Schemathesis would pass a server that it asks for nothing but what is documented.
    if counts.get("405", 0) < operations:
        raise Failure(f"hardly any method was rejected: {counts}")
    return f"{operations} operations; answers by status: {counts}"


@case("schemathesis-axum", "python:schemathesis", seconds=150)
def _():
    board = str(HERE / "board.json")
    return holds("axum", board, "--url={url}", operations=3)


@case("schemathesis-openapi", "python:schemathesis", seconds=150)
def _():
    return holds("openapi", "{url}/api/v1/openapi.json", operations=6)
