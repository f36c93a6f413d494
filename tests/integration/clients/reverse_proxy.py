"""The reverse proxy example in front of the hyper example."""

from harness import case, example, expect, fetch

# The option of curl for each version.
VERSIONS = {"1.1": "--http1.1", "2": "--http2-prior-knowledge"}

# Only answers from the upstream have it. The upstream uses HTTP/1.1.
VIA = {"via": "1.1 method-policy"}


def ask(url, *options) -> tuple[str, dict[str, str], str]:
    """Returns the version and status, the fields, and the content of an answer."""
    head, _, content = fetch(url, "-i", *options).partition("\n\n")
    line, *fields = head.splitlines()
    return " ".join(line.split()[:2]), dict(field.split(": ", 1) for field in fields), content


for version, option in VERSIONS.items():

    @case(f"reverse-proxy-hyper-http{version}", "curl")
    def _(version=version, option=option):
        with example("hyper") as board, example("reverse_proxy", f"http://{board.authority}") as proxy:

            def expect_answer(status, fields, content, *options):
                seen_status, seen_fields, seen_content = ask(proxy.url, option, *options)
                expected = {"allow": None, "location": None, "via": None, **fields}
                seen_fields = {name: seen_fields.get(name) for name in expected}
                seen = (seen_status, seen_fields, seen_content)
                expect(seen, (f"HTTP/{version} {status}", expected, content), " ".join(options))

            # From the upstream.
            expect_answer(201, {"location": "/1", **VIA}, "", "-d", "Hello!")
            line = "1: Hello!\n"
            length = {"content-length": str(len(line))}
            expect_answer(200, {**length, **VIA}, line)
            expect_answer(200, {**length, **VIA}, "", "--head")
            for method, status, allow in (
                ("DELETE", 405, "GET, HEAD, POST, OPTIONS"),
                ("OPTIONS", 200, "GET, HEAD, POST, OPTIONS"),
            ):
                seen, fields, content = ask(board.url, "-X", method)
                expect((seen, fields.pop("allow")), (f"HTTP/1.1 {status}", allow), method)
                del fields["date"]
                expect_answer(status, {"allow": allow, **fields, **VIA}, content, "-X", method)

            # From the proxy.
            foo = "This server does not recognize the method FOO.\n"
            expect_answer(501, {}, foo, "-X", "FOO")
        return "405 with the upstream's Allow, 501 without it"
