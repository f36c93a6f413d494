"""Scripts of another origin see the rejections, in a browser."""

import contextlib
import functools
import http.server
import re
import threading

from harness import HERE, case, example, expect, scratch, succeed

SEEN = """\
GET cors 200 null
POST cors 200 null
DELETE cors 405 GET,HEAD,POST
PROPFIND cors 501 null
PATCH cors 405 GET,HEAD,POST
patch cors 501 null"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def pages():
    """Serves this directory; the URL."""
    handler = functools.partial(Quiet, directory=HERE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@case("chromium", "chromium")
def _():
    with example("cors") as server, pages() as url, scratch() as profile:
        dom = succeed(
            *("chromium", "--headless", "--disable-gpu", "--disable-background-networking"),
            # With a sandbox it does not run as root.
            "--no-sandbox",
            f"--user-data-dir={profile}",
            # As long as the page's requests take, not as long as the clock says.
            "--virtual-time-budget=10000",
            *("--dump-dom", f"{url}page.html?{server.url}"),
            seconds=50,
        )
    expect(re.findall('<pre id="answers">(.*)</pre>', dom, re.DOTALL), [SEEN], "the page's table")
    return ", ".join(SEEN.splitlines())
