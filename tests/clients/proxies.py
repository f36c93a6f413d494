"""Uploads that are refused, through reverse proxies that keep connections to the server alive."""

import contextlib

from harness import case, proxy, scratch
from uploads import REFUSAL, TIMES, UPLOADS, curl, refused

NGINX = """
daemon off;
worker_processes 1;
error_log stderr error;
pid {directory}/pid;
events {{}}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {directory}/client_body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{http}}}
"""

IN_FRONT = """
    upstream site {{
        server {authority};
        keepalive 8;
    }}
    server {{
        listen unix:{directory}/socket;
        location / {{
            proxy_pass http://site;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering {buffering};
        }}
    }}
"""

HAPROXY = """
global
    log stderr format raw local0 err
defaults
    mode http
    log global
    http-reuse always
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend clients
    bind unix@{directory}/socket
    default_backend site
backend site
    server site {authority}
"""


@contextlib.contextmanager
def nginx(directory, authority, buffering):
    # Its workers run as `nobody` when it is started by root.
    directory.chmod(0o755)
    file = directory / "nginx.conf"
    http = IN_FRONT.format(directory=directory, authority=authority, buffering=buffering)
    file.write_text(NGINX.format(directory=directory, http=http))
    with proxy("nginx", directory, "nginx", "-c", file, "-e", "stderr") as socket:
        yield socket


@contextlib.contextmanager
def haproxy(directory, authority):
    file = directory / "haproxy.cfg"
    file.write_text(HAPROXY.format(directory=directory, authority=authority))
    with proxy("haproxy", directory, "haproxy", "-db", "-f", file) as socket:
        yield socket


PROXIES = {
    "nginx": ("nginx", lambda *where: nginx(*where, "on")),
    "nginx-unbuffered": ("nginx", lambda *where: nginx(*where, "off")),
    "haproxy": ("haproxy", haproxy),
}


def through(start, framing, *options, answer=f"1.1 {REFUSAL}") -> str:
    def client(server, file):
        with scratch() as directory, start(directory, server.authority) as socket:
            for _ in range(TIMES):
                yield curl("http://site/", file, framing, "--unix-socket", socket, *options)

    return refused(UPLOADS[framing], client, answer)


for proxy_name, (tool, start) in PROXIES.items():
    for framing in UPLOADS:

        @case(f"{proxy_name}-{framing}", "curl", tool)
        def _(start=start, framing=framing):
            return through(start, framing, "-H", "Expect:")

    @case(f"{proxy_name}-expect", "curl", tool)
    def _(tool=tool, start=start):
        # nginx asks for the body itself; HAProxy leaves that to the server.
        asked = " after 100 Continue" if tool == "nginx" else ""
        expect_100 = ("-H", "Expect: 100-continue")
        return through(start, "declared", *expect_100, answer=f"1.1 {REFUSAL}{asked}")
