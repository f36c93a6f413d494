"""Rejected uploads, directly and through reverse proxies that keep connections alive."""

import contextlib
import functools

from harness import case, example, free_port, proxy, scratch
from libraries import LIBRARIES
from uploads import REJECTION, Client, curls, rejected, upload

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
        {backup}
        keepalive 8;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://site;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering {buffering};
            {location}
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
    timeout client 60s
    timeout server 60s
frontend clients
    bind 127.0.0.1:{port}
    default_backend site
backend site
"""

CADDY = """
{{
    admin off
    auto_https off
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{port} {{
    reverse_proxy {authority} {{
        {option}
    }}
}}
"""


def nginx_with(directory, port, http, **options):
    # If root starts it, its workers run as `nobody`.
    directory.chmod(0o755)
    file = directory / "nginx.conf"
    file.write_text(NGINX.format(directory=directory, http=http))
    return proxy("nginx", port, "nginx", "-c", file, "-e", "stderr", **options)


def nginx(directory, port, authority, buffering="on", backup="", location="", **options):
    values = {"buffering": buffering, "backup": backup, "location": location}
    http = IN_FRONT.format(port=port, authority=authority, **values)
    return nginx_with(directory, port, http, **options)


def haproxy(directory, port, authority, server="    server site {authority}", chatter="$^"):
    file = directory / "haproxy.cfg"
    file.write_text((HAPROXY + server + "\n").format(port=port, authority=authority))
    return proxy("haproxy", port, "haproxy", "-db", "-f", file, chatter=chatter)


def caddy(directory, port, authority, option="", chatter=None):
    file = directory / "Caddyfile"
    file.write_text(CADDY.format(port=port, authority=authority, option=option))
    command = ("caddy", "run", "--config", file, "--adapter", "caddyfile")
    home = {name: str(directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    # It logs at these levels until it has read its configuration.
    chatter = r'\{"level":"(info|warn)"' + (f"|.*{chatter}" if chatter else "")
    return proxy("caddy", port, *command, chatter=chatter, env=home)


def varnish(directory, port, authority):
    # A jail needs root, so there is none.
    command = ("varnishd", "-F", "-j", "none", "-n", directory / "varnish", "-s", "malloc,16m")
    where = ("-a", f"127.0.0.1:{port}", "-b", authority)
    return proxy("varnish", port, *command, *where, chatter="Debug: |Info: |Child launched OK$")


def direct(_directory, _port, authority):
    return contextlib.nullcontext(f"http://{authority}/")


# The tools that each way to the server needs, and the way.
WAYS = {
    "direct": ((), direct),
    "nginx": (("nginx",), nginx),
    "nginx-unbuffered": (("nginx",), functools.partial(nginx, buffering="off")),
    "haproxy": (("haproxy",), haproxy),
    "caddy": (("caddy",), caddy),
    "varnish": (("varnishd",), varnish),
}

# Caddy forwards `Expect` and sends the body without waiting, so about one of five answers is lost. Without the
# field, no answer is lost.
EXPECTING = {name: way for name, (_, way) in WAYS.items()} | {
    "caddy": functools.partial(caddy, option="header_up -Expect")
}

# These proxies send `100 Continue` themselves (Caddy usually). The others leave it to the server.
ASKING = {"nginx", "nginx-unbuffered", "varnish", "caddy"}


def unasked(client: Client) -> Client:
    """The client's answers, with and without `100 Continue`."""
    return lambda *upload: (
        answer.removesuffix(" after 100 Continue") for answer in client(*upload)
    )


@contextlib.contextmanager
def way_to(name, way):
    """Starts an example behind a proxy. Returns the URL."""
    with (
        example(name) as server,
        scratch() as directory,
        free_port() as port,
        way(directory, port, server.authority) as url,
    ):
        yield url


for way_name, (way_tools, way) in WAYS.items():
    for library, (tools, client) in LIBRARIES.items():

        @case(f"{way_name}-{library}", *way_tools, *tools, seconds=240)
        def _(way=way, client=client):
            with way_to("hyper", way) as url:
                return rejected(upload(client, url))

    @case(f"{way_name}-curl-expect", *way_tools, "curl", seconds=120)
    def _(way=EXPECTING[way_name], asks=way_name in ASKING):
        client = curls("-H", "Expect: 100-continue")
        with way_to("hyper", way) as url:
            return rejected(upload(unasked(client) if asks else client, url), f"1.1 {REJECTION}")
