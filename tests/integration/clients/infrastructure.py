"""Infrastructure that judges a server by its answers: three `FOO /` of a stranger, then everybody's `GET /`."""

import contextlib
import time

from harness import MIB, Failure, case, example, expect, free_port, scratch, status, succeed, zeros
from proxies import IN_FRONT, caddy, haproxy, nginx_with

COUNTING = "fail_duration 60s\n        max_fails 3\n        unhealthy_status 5xx"


def nginx(directory, port, authority):
    http = IN_FRONT.format(port=port, authority=authority, buffering="on")
    http = http.replace(f"server {authority};", f"server {authority} max_fails=1;")
    http = http.replace("proxy_pass", f"proxy_next_upstream {NEXT_UPSTREAM};\n proxy_pass")
    return nginx_with(directory, port, http)


# All statuses that it has a word for and that could be a rejection's.
NEXT_UPSTREAM = "error timeout http_500 http_502 http_503 http_504 http_403 http_404"


@contextlib.contextmanager
def behind(in_front, answer: str = "501"):
    with (
        example("infrastructure", answer) as server,
        scratch() as directory,
        free_port() as port,
        in_front(directory, port, server.authority) as url,
    ):
        yield url


def after_a_stranger(url: str, answer: str) -> str:
    """What others get after a stranger's requests."""
    expect(status(url), "200", "the answer before")
    for _ in range(5):
        first = status(url, "FOO")
        if first not in (answer, "503"):
            raise Failure(f"FOO was answered with {first}")
    return status(url)


def caddy_counting(directory, port, authority):
    return caddy(directory, port, authority, option=COUNTING, chatter="no upstreams available")


@case("caddy-counts-501", "caddy", "curl")
def _():
    with behind(caddy_counting) as url:
        expect(after_a_stranger(url, "501"), "503", "everybody's answer")
        return "503 for everybody"


@case("caddy-and-the-recipe", "caddy", "curl")
def _():
    with behind(caddy_counting, "400") as url:
        expect(after_a_stranger(url, "400"), "200", "everybody's answer")
        return "200 for everybody"


# It logs when it marks a server down, and that a backend has none.
MARKED_DOWN = r".*(DOWN|no server)"
OBSERVING = """    default-server check inter 60s observe layer7 error-limit 3 on-error mark-down
    server site {authority}"""
PROBING = """    option httpchk
    default-server check inter 100ms fall 2
    server site {authority}"""


def observing(directory, port, authority):
    return haproxy(directory, port, authority, OBSERVING, MARKED_DOWN)


def probing(directory, port, authority):
    return haproxy(directory, port, authority, PROBING, MARKED_DOWN)


@case("haproxy-observe-layer7", "haproxy", "curl")
def _():
    with behind(observing) as url:
        expect(after_a_stranger(url, "501"), "200", "everybody's answer")
        return "200 for everybody: a 501 does not count"


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


@case("nginx-next-upstream", "nginx", "curl")
def _():
    with behind(nginx) as url:
        expect(after_a_stranger(url, "501"), "200", "everybody's answer")
        return "200 for everybody: nginx has no word for 501"


def limiting(directory, port, authority):
    http = IN_FRONT.format(port=port, authority=authority, buffering="on")
    http = http.replace("proxy_pass", "limit_except GET POST { deny all; }\n proxy_pass")
    # It logs each request that it denies.
    return nginx_with(directory, port, http, chatter=".*access forbidden by rule")


@case("nginx-limit-except", "nginx", "curl")
def _():
    """The row of README.md: 403 without `Allow`, also to a client that is sending."""
    with behind(limiting) as url, zeros(16 * MIB) as file:
        for method in ("FOO", "DELETE", "OPTIONS"):
            expect(status(url, method), "403", method)
        expect("allow:" in succeed("curl", "-sSi", "-X", "DELETE", url).lower(), False, "Allow")
        for _ in range(5):
            command = ("curl", "-sS", "--max-time", 20, "-o", "/dev/null", "-w", "%{http_code}")
            expect(succeed(*command, "-X", "DELETE", "-T", file, url), "403", "an upload")
        return "403 without Allow, uploads included"
