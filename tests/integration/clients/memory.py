"""Rejected uploads take no memory, even if they are large."""

import pathlib
import re

from harness import KIB, MIB, Failure, case, example, expect, zeros
from uploads import FRAMINGS, REJECTION, curl


def peak(server) -> int:
    """The largest resident memory of the server so far, in bytes."""
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1]) * KIB


RECEIVED = (f"1.1 {REJECTION}",)
# If a body is over the bound, the server closes the connection while the client is sending. Then the client may not
# get the answer.
RECEIVED_OR_NOT = (*RECEIVED, "exit code 55: ", "exit code 56: ")

for framing in FRAMINGS:
    for name, size, answers in [("1g", 1024 * MIB, RECEIVED_OR_NOT), ("60m", 60 * MIB, RECEIVED)]:

        @case(f"memory-{name}-{framing}", "curl")
        def _(framing=framing, size=size, answers=answers):
            with example("hyper") as server, zeros(KIB) as small, zeros(size) as file:
                # The first request always takes memory.
                answer = curl(server.url, framing, small, "-H", "Expect:")
                expect(answer, f"1.1 {REJECTION}", "a small upload")
                before = peak(server)
                answer = curl(server.url, framing, file, "-H", "Expect:")
                if not answer.startswith(answers):
                    raise Failure(f"expected one of {answers}, saw {answer!r}")
                grown = peak(server) - before
            if grown > 4 * MIB:
                raise Failure(f"grew by {grown // KIB} KiB")
            return f"grew by {grown // KIB} KiB"
