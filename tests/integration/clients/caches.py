"""What a cache in front of the server makes of its rejections."""

import contextlib

from harness import case, example, expect, free_port, scratch, status, succeed
from proxies import nginx_with, varnish

# It keeps whatever may be kept, for ten minutes. {methods} are those whose responses it looks at.
CACHING = """
    proxy_cache_path {directory}/cache keys_zone=cache:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{authority};
            proxy_cache cache;
            proxy_cache_valid any 10m;
            {methods}
        }}
    }}
"""

REJECTING = "[policy]\nfallback = ['GET']\n"
ALLOWING = "[policy]\nfallback = ['GET', 'POST']\nrecognize = ['PROPFIND']\n"
NOT_STORED = 'cache_control = "no-store"\n'


def nginx(directory, port, authority, methods=""):
    http = CACHING.format(directory=directory, port=port, authority=authority, methods=methods)
    return nginx_with(directory, port, http)


def reloads(server) -> int:
    metrics = succeed("curl", "-sS", "--max-time", 10, f"{server.url}metrics")
    [line] = [line for line in metrics.splitlines() if 'reloads_total{outcome="applied"}' in line]
    return int(line.split()[-1])


@contextlib.contextmanager
def cached(cache, settings: str, **options):
    """The URL of the operations example behind a cache, and a function that changes its settings."""
    with scratch() as directory, scratch() as cache_directory, free_port() as port:
        file = directory / "policy.toml"
        file.write_text(settings)
        with example("operations", str(file)) as server:

            def change(settings: str) -> None:
                before = reloads(server)
                new = directory / "new"
                new.write_text(settings)
                new.rename(file)
                while reloads(server) == before:
                    pass

            with cache(cache_directory, port, server.authority, **options) as url:
                yield url, change


for name, tool, cache in [("nginx", "nginx", nginx), ("varnish", "varnishd", varnish)]:

    @case(f"cache-{name}", tool, "curl")
    def _(cache=cache):
        with cached(cache, REJECTING) as (url, change):
            asked = {"PROPFIND": "501", "DELETE": "405", "POST": "405"}
            for method, rejection in asked.items():
                expect(status(url, method), rejection, method)
            change(ALLOWING)
            answers = {method: status(url, method) for method in [*asked, "GET"]}
            expect(answers, {"PROPFIND": "405", "DELETE": "405", "POST": "200", "GET": "200"}, "then")
        return "keeps no rejection: a method that is allowed is served at once"


@case("cache-nginx-post", "nginx", "curl")
def _():
    methods = "proxy_cache_methods POST;"
    with cached(nginx, REJECTING, methods=methods) as (url, change):
        expect(status(url, "POST"), "405", "POST")
        change(ALLOWING)
        # As nginx's key for what it keeps leaves the method out, the 405 is even what GET gets.
        expect([status(url, method) for method in ("POST", "GET")], ["405", "405"], "then")
    with cached(nginx, NOT_STORED + REJECTING, methods=methods) as (url, change):
        expect(status(url, "POST"), "405", "POST")
        change(ALLOWING)
        expect([status(url, method) for method in ("POST", "GET")], ["200", "200"], "then")
    return "keeps what POST got, and gives it to GET; not with `Cache-Control: no-store`"
