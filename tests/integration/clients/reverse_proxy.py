"""The reverse proxy example in front of the axum example, and of nginx with large files."""

import contextlib
import filecmp
import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time

from harness import MIB, Failure, case, example, expect, process, scratch, succeed
from memory import grown, peak
from proxies import NGINX

# By what curl calls the version.
VERSIONS = {"1.1": "--http1.1", "2": "--http2-prior-knowledge"}

# Only what comes from the upstream has it: it came by HTTP/1.1.
VIA = {"via": "1.1 method-policy"}


def in_front_of(upstream: str):
    return example("reverse_proxy", f"http://{upstream}")


def ask(url, *options) -> tuple[str, dict[str, str], str]:
    """The version and status, the fields and the content of an answer."""
    answer = succeed("curl", "-sSi", "--max-time", 10, *options, url)
    head, _, content = answer.partition("\n\n")
    line, *fields = head.splitlines()
    return " ".join(line.split()[:2]), dict(field.split(": ", 1) for field in fields), content


for version, option in VERSIONS.items():

    @case(f"reverse-proxy-axum-http{version}", "curl")
    def _(version=version, option=option):
        with example("axum") as board, in_front_of(board.authority) as proxy:

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
                ("DELETE", 405, "GET,HEAD,POST"),
                ("OPTIONS", 200, "GET, HEAD, POST, OPTIONS"),
            ):
                seen, fields, content = ask(board.url, "-X", method)
                expect((seen, fields.pop("allow")), (f"HTTP/1.1 {status}", allow), method)
                del fields["date"]
                expect_answer(status, {"allow": allow, **fields, **VIA}, content, "-X", method)

            # From the proxy.
            foo = "This server does not implement the method FOO.\n"
            expect_answer(501, {}, foo, "-X", "FOO")
        return "405 with the upstream's Allow, 501 without it"


STORE = """
    server {{
        listen {address};
        root {site};
        dav_methods PUT;
    }}
"""

SIZE = 200 * MIB


@contextlib.contextmanager
def nginx():
    """nginx's authority, and the directory that it serves and stores in."""
    with (
        scratch() as directory,
        socket.create_server(("127.0.0.1", 0)) as listener,
        tempfile.TemporaryFile("w+") as log,
    ):
        # Its workers run as `nobody` when it is started by root.
        directory.chmod(0o755)
        site = directory / "site"
        site.mkdir()
        site.chmod(0o777)
        noise = random.Random(0).randbytes(MIB - 4)
        (site / "small").write_bytes(noise)
        with (site / "large").open("wb") as file:
            for number in range(SIZE // MIB):
                # No two parts are the same.
                file.write(number.to_bytes(4, "big") + noise)
        authority = "{}:{}".format(*listener.getsockname())
        file = directory / "nginx.conf"
        http = STORE.format(address=authority, site=site)
        file.write_text(NGINX.format(directory=directory, http=http))
        # It takes the socket over: no port can be taken, and no connection comes too early.
        fd = listener.fileno()
        inherited = {"env": {"NGINX": f"{fd};"}, "pass_fds": [fd]}
        with process("nginx", "-c", file, "-e", "stderr", stdout=log, stderr=log, **inherited):
            listener.close()
            yield authority, site
            log.seek(0)
            errors = [line for line in log if "[notice]" not in line]
            expect(errors, [], "what nginx logged")


def transfer(url, expected: str, *options, **stdin) -> None:
    command = ["curl", "-sS", "--max-time", 30, "-w", "%{http_version} %{http_code} %header{via}"]
    expect(succeed(*command, *options, url, **stdin), f"{expected} {VIA['via']}", url)


def expect_same(left: pathlib.Path, right: pathlib.Path) -> None:
    expect(filecmp.cmp(left, right, shallow=False), True, f"{left.name} is {right.name}")


def download(proxy, site, name, option, version) -> None:
    copy = site.parent / "copy"
    transfer(f"{proxy.url}{name}", f"{version} 200", option, "-o", copy)
    expect_same(copy, site / name)


def upload(proxy, site, name, option, version, chunked) -> None:
    with (site / name).open("rb") as content:
        # From its standard input curl sends chunks.
        what = "-" if chunked else site / name
        url = f"{proxy.url}{name}-copy"
        transfer(url, f"{version} 201", option, "-T", what, "-o", os.devnull, stdin=content)
    expect_same(site / f"{name}-copy", site / name)


for version, option in VERSIONS.items():
    for direction, transport in {
        "download": download,
        "upload-declared": lambda *what: upload(*what, chunked=False),
        "upload-chunked": lambda *what: upload(*what, chunked=True),
    }.items():

        @case(f"reverse-proxy-{direction}-http{version}", "curl", "nginx")
        def _(transport=transport, curl=(option, version)):
            with nginx() as (authority, site), in_front_of(authority) as proxy:
                transport(proxy, site, "small", *curl)
                before = peak(proxy)
                start = time.monotonic()
                transport(proxy, site, "large", *curl)
                took = time.monotonic() - start
                return f"{SIZE // MIB} MiB in {took:.1f} s, {grown(proxy, before, 'the proxy')}"


def sockets(server) -> int:
    count = 0
    for entry in pathlib.Path(f"/proc/{server.pid}/fd").iterdir():
        # It may have been closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(entry).startswith("socket:")
    return count


def expect_sockets(server, expected: int, when: str) -> None:
    end = time.monotonic() + 10
    while sockets(server) != expected and time.monotonic() < end:
        time.sleep(0.02)
    expect(sockets(server), expected, f"sockets {when}")


for version, option in VERSIONS.items():

    @case(f"reverse-proxy-abort-http{version}", "curl", "nginx")
    def _(option=option):
        report = ["-o", os.devnull, "-w", "%{http_code} %{size_download}"]
        with nginx() as (authority, site), in_front_of(authority) as proxy:
            idle = sockets(proxy)
            peaks = []
            for _ in range(2):
                command = ["curl", "-s", option, "--limit-rate", "20M", "--max-time", 1, *report]
                command.append(f"{proxy.url}large")
                with process(*command, stdout=subprocess.PIPE, text=True) as client:
                    # Its connection and that to the upstream.
                    expect_sockets(proxy, idle + 2, "during a download")
                    said, _ = client.communicate(timeout=20)
                expect(client.returncode, 28, "curl's exit code, for a timeout")
                code, size = said.split()
                expect(code, "200", "the status")
                if not 0 < int(size) < SIZE:
                    raise Failure(f"{size} bytes arrived")
                expect_sockets(proxy, idle, "after a download that was broken off")
                peaks.append(peak(proxy))
            growth = grown(proxy, peaks[0], "the proxy")
            small = succeed("curl", "-sS", option, *report, f"{proxy.url}small")
            size_of_small = (site / "small").stat().st_size
            expect(small, f"200 {size_of_small}", "what is answered then")
            return f"broken off after {int(size) // MIB} MiB, {growth}"
