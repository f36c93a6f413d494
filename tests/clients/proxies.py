"""Uploads that are refused, through reverse proxies that keep connections to the server alive."""

import collections
import contextlib

from harness import KIB, MIB, Failure, case, example, output, proxy, scratch

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
    file.write_text(
        NGINX.format(directory=directory, authority=authority, buffering=buffering)
    )
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

# Within the bound of each example: 2 MiB by default, 32 MiB for webdav.
UPLOADS = [("axum", 64 * KIB, 20), ("axum", MIB, 20), ("webdav", 16 * MIB, 20)]


def upload(socket, file, framing) -> str:
    """The status that curl sees; or what it says instead, if it sees none or is not content."""
    curl = ["curl", "-sS", "--max-time", 20, "--unix-socket", socket, "-X", "DELETE"]
    curl += ["-H", "Expect:", "-o", "/dev/null", "-w", "%{http_code} %header{allow}"]
    with file.open("rb") as body:
        # From its standard input curl sends chunks; to a URL it would add the file's name.
        curl += ["-T", file if framing == "declared" else "-", "--request-target", "/"]
        code, answer, error = output(*curl, "http://site/", stdin=body)
    return answer if code == 0 else f"curl's exit code {code} ({error.strip()})"


def through(start, framing) -> str:
    seen, lost = [], []
    for name, size, times in UPLOADS:
        with scratch() as directory, example(name) as server:
            file = directory / "upload"
            file.write_bytes(bytes(size))
            with start(directory, server.authority) as socket:
                answers = collections.Counter(
                    upload(socket, file, framing) for _ in range(times)
                )
            received = answers.pop("405 GET, HEAD, POST", 0)
            seen.append(f"{received}/{times} of {size // KIB} KiB")
            if answers:
                others = ", ".join(f"{n} x {answer}" for answer, n in answers.items())
                log = (directory / "log").read_text().splitlines()
                lost.append(f"{others} (log: {log[-1] if log else 'empty'})")
    summary = "405 received: " + ", ".join(seen)
    if lost:
        raise Failure(f"{summary}; instead: " + "; ".join(lost))
    return summary


for proxy_name, (tool, start) in PROXIES.items():
    for framing in ("declared", "chunked"):
        case(f"{proxy_name}-{framing}", "curl", tool, seconds=120)(
            lambda start=start, framing=framing: through(start, framing)
        )
