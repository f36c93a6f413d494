"""In a browser, scripts of another origin can read the rejections."""

import re
import sys

from harness import HERE, case, example, expect, free_port, proxy, scratch, succeed

SEEN = """\
GET cors 200 null
POST cors 200 null
DELETE cors 405 GET, HEAD, POST, OPTIONS
PROPFIND cors 501 null
PATCH cors 405 GET, HEAD, POST, OPTIONS
patch cors 501 null"""


@case("chromium", "chromium")
def _():
    with example("axum_stack") as server, free_port() as port, scratch() as profile:
        command = (sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "--directory", HERE)
        # It logs its start and every request.
        with proxy("http.server", port, *command, chatter=".*") as url:
            dom = succeed(
                *("chromium", "--headless", "--disable-gpu", "--disable-background-networking"),
                # As root, it does not run with a sandbox.
                "--no-sandbox",
                f"--user-data-dir={profile}",
                # Waits for the requests of the page, not for a time on the clock.
                "--virtual-time-budget=10000",
                *("--dump-dom", f"{url}page.html?{server.url}"),
                seconds=50,
            )
    expect(re.findall('<pre id="answers">(.*)</pre>', dom, re.DOTALL), [SEEN], "the page's table")
    return ", ".join(SEEN.splitlines())
