"""Infrastructure that counts the failures of a server. A stranger sends `FOO /`, and then others send `GET /`."""

import contextlib
import functools
import time

from harness import Failure, case, example, expect, free_port, scratch, status
from proxies import caddy, haproxy, nginx

COUNTING = "fail_duration 60s\n        max_fails 3\n        unhealthy_status 5xx"
caddy_counting = functools.partial(caddy, option=COUNTING, chatter="no upstreams available")

OBSERVING = """    default-server check inter 60s observe layer7 error-limit 3 on-error mark-down
    server site {authority}"""
PROBING = """    option httpchk
    default-server check inter 100ms fall 2
    server site {authority}"""
# HAProxy logs when it marks a server down, and when a backend has no server.
haproxy_with = functools.partial(haproxy, chatter=r".*(DOWN|no server)")
observing = functools.partial(haproxy_with, server=OBSERVING)
probing = functools.partial(haproxy_with, server=PROBING)

# All values of the setting that a rejection could match. There is none for 501.
STATUSES = "error timeout http_500 http_502 http_503 http_504 http_403 http_404"
nginx_counting = functools.partial(
    nginx,
    # nginx ignores the failures of an only server. Nothing listens on this port.
    backup="server 127.0.0.1:1 backup;",
    location=f"proxy_next_upstream {STATUSES};",
)


@contextlib.contextmanager
def behind(in_front, answer: str = "501"):
    with (
        example("servers", "infrastructure", answer) as server,
        scratch() as directory,
        free_port() as port,
        in_front(directory, port, server.authority) as url,
    ):
        yield url


# The last two columns are the status of `FOO`, and the status that others then get.
for name, tool, in_front, answer, expected in [
    ("caddy-counts-501", "caddy", caddy_counting, "501", "503"),
    ("caddy-does-not-count-400", "caddy", caddy_counting, "400", "200"),
    ("haproxy-observe-layer7", "haproxy", observing, "501", "200"),
    ("nginx-next-upstream", "nginx", nginx_counting, "501", "200"),
]:

    @case(name, tool, "curl")
    def _(in_front=in_front, answer=answer, expected=expected):
        with behind(in_front, answer) as url:
            expect(status(url), "200", "the answer before")
            for _ in range(5):
                first = status(url, "FOO")
                if first not in (answer, "503"):
                    raise Failure(f"FOO was answered with {first}")
            expect(status(url), expected, "the answer to others")
        return f"{expected} for others after {answer} for FOO"


@case("haproxy-httpchk", "haproxy", "curl")
def _():
    with behind(probing) as url:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            expect(status(url), "200", "the answer while probes are answered")
    return "up: OPTIONS / HTTP/1.0 is answered with 200"


@case("haproxy-httpchk-without-answering", "haproxy", "curl")
def _():
    with behind(probing, "no-options") as url:
        while status(url) != "503":
            time.sleep(0.05)
    return "down: OPTIONS / HTTP/1.0 is answered with 405"
