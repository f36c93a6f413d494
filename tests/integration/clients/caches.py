"""A cache in front of the server does not store rejections, except nginx with `proxy_cache_methods POST`."""

import contextlib

from harness import case, example, expect, fetch, free_port, scratch, status
from proxies import nginx_with, varnish

# It stores every response that it may store, for ten minutes. {methods} can add methods.
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
    lines = fetch(f"{server.url}metrics").splitlines()
    [line] = [line for line in lines if 'reloads_total{outcome="applied"}' in line]
    return int(line.split()[-1])


@contextlib.contextmanager
def cached(cache, settings: str, **options):
    """Starts the operations example behind a cache. Returns the URL, and a function that changes the settings."""
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
            expected = {"PROPFIND": "405", "DELETE": "405", "POST": "200", "GET": "200"}
            expect(answers, expected, "after the change")
        return "stores no rejection: after the change, an allowed method is served"


@case("cache-nginx-post", "nginx", "curl")
def _():
    for settings, expected in [(REJECTING, "405"), (NOT_STORED + REJECTING, "200")]:
        with cached(nginx, settings, methods="proxy_cache_methods POST;") as (url, change):
            expect(status(url, "POST"), "405", "POST")
            change(ALLOWING)
            # nginx's cache key does not contain the method, so GET also gets a stored 405.
            answers = [status(url, method) for method in ("POST", "GET")]
            expect(answers, [expected, expected], "after the change")
    return "stores the 405 to POST and sends it to GET, but not with `Cache-Control: no-store`"
