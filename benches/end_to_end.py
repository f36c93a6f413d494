#!/usr/bin/env python3
"""Loads whole servers over loopback: with the layer, without it, and servers that are no tower.

    python3 benches/end_to_end.py [--rounds N] [--seconds S] [--check]

Prints tables as benches/README.md shows them. Exits with 2 when something could not be measured or
was not answered as expected, which is never taken for success. A peer that is missing and cannot be
installed is left out, and the output says so.
"""

import argparse
import contextlib
import http.client
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BENCHES = Path(__file__).resolve().parent
ROOT = BENCHES.parent
BARE = BENCHES / "bare"
HERE = BENCHES / "end_to_end"
KOA = json.loads((HERE / "package.json").read_text())["dependencies"]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()

# Where Debian puts the servers; it is on no ordinary user's path.
PATH = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
ENVIRONMENT = {**os.environ, "PATH": PATH, "NODE_ENV": "production"}

CONNECTIONS = 16
METHODS = {"GET": "allowed", "DELETE": "known, not allowed", "PROPFIND": "unknown"}
MESSAGE = b"Hello!"
BOARD = b"1: Hello!\n"

HYPER, HYPER_BARE = "hyper, **with the layer**", "hyper, without"
HYPER_AGAIN = "hyper, without, once more"
AXUM, AXUM_BARE = "axum, **with the layer**", "axum, without"

# The statuses that each server answers to METHODS.
STATUSES = {
    HYPER: (200, 405, 501),
    HYPER_BARE: (200, 200, 200),
    HYPER_AGAIN: (200, 200, 200),
    AXUM: (200, 405, 501),
    AXUM_BARE: (200, 405, 405),
    "nginx": (200, 405, 501),
    "Varnish": (200, 405, 501),
    "Koa": (200, 405, 501),
}
# Servers that are compared are loaded one right after the other.
GROUPS = [[HYPER, HYPER_BARE, HYPER_AGAIN], [AXUM, AXUM_BARE], ["nginx"], ["Varnish"], ["Koa"]]
PAIRS = {
    "hyper": (HYPER, HYPER_BARE),
    "axum": (AXUM, AXUM_BARE),
    "*noise: hyper without, twice*": (HYPER_AGAIN, HYPER_BARE),
}


class Failure(Exception):
    """Something could not be measured, or is not as it has to be."""


def say(line: str) -> None:
    print(f"end_to_end: {line}", file=sys.stderr, flush=True)


def run(*command: str | Path, seconds: int, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(str(error)) from error


def succeed(*command: str | Path, seconds: int, cwd: Path = ROOT) -> str:
    """What a command that ends successfully wrote to its stdout."""
    done = run(*command, seconds=seconds, cwd=cwd)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Failure(f"`{' '.join(map(str, command))}` failed: {said}")
    return done.stdout


# What is loaded, and with what


def build(package: Path, directory: Path) -> dict[str, Path]:
    """The examples of a package, copied: those of the other one have the same names."""
    say(f"building the examples of {package}")
    names = ("hyper", "axum")
    command = ["cargo", "build", "--release", "--locked", "--message-format=json"]
    command += ["--manifest-path", str(package / "Cargo.toml"), "--target-dir", str(TARGET)]
    command += [f"--example={name}" for name in names]
    built = {}
    for line in succeed(*command, seconds=1800).splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and "example" in message["target"]["kind"]:
            built[message["target"]["name"]] = Path(message["executable"])
    directory.mkdir()
    return {name: Path(shutil.copy(built[name], directory / name)) for name in names}


def dependencies(package: Path) -> set[str]:
    """Versions and features of everything but the package itself."""
    command = ["cargo", "tree", "--locked", "--manifest-path", package / "Cargo.toml"]
    command += ["--edges=normal,build,dev", "--prefix=none", "--format={p} {f}"]
    tree = succeed(*command, seconds=300).splitlines()
    return {line.removesuffix(" (*)") for line in tree if f"({package})" not in line}


def check_dependencies() -> None:
    """The layer is to be all that differs."""
    difference = sorted(dependencies(ROOT) ^ dependencies(BARE))
    if difference:
        raise Failure(
            "benches/bare is not built with what the crate is built with; copy its "
            "[dev-dependencies] and its Cargo.lock: " + "; ".join(difference)
        )


@contextlib.contextmanager
def no_services_started() -> Iterator[None]:
    """Lets no Debian package start the service that it brings."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink()


def provide(program: str, package: str) -> bool:
    """Whether there is the program, be it that the Debian package has to be installed first."""
    if shutil.which(program, path=PATH):
        return True
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say(f"{program} is missing: apt-get install {package}")
        return False
    say(f"{program} is missing, installing Debian's {package}")
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    with no_services_started():
        try:
            succeed("apt-get", "update", seconds=120)
            succeed("env", "DEBIAN_FRONTEND=noninteractive", *install, seconds=300)
        except Failure as failure:
            say(str(failure))
    return shutil.which(program, path=PATH) is not None


def node_modules() -> dict[str, str | None]:
    """The versions that are installed of what package.json wants."""
    installed: dict[str, str | None] = dict.fromkeys(KOA)
    for name in KOA:
        with contextlib.suppress(FileNotFoundError):
            manifest = HERE / "node_modules" / name / "package.json"
            installed[name] = json.loads(manifest.read_text())["version"]
    return installed


def provide_koa() -> bool:
    if not shutil.which("node", path=PATH):
        say("node is missing")
        return False
    if node_modules() != KOA:
        say("installing Koa: npm ci")
        try:
            succeed("npm", "ci", "--no-audit", "--no-fund", seconds=300, cwd=HERE)
        except Failure as failure:
            say(str(failure))
    return node_modules() == KOA


# Servers


@dataclass
class Server:
    name: str
    authority: str
    pid: int

    @property
    def expected(self) -> dict[str, int]:
        return dict(zip(METHODS, STATUSES[self.name], strict=True))


@contextlib.contextmanager
def process(directory: Path, *command: str | Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A server, in a process group of its own that is ended with it, and what it writes."""
    directory.mkdir()
    log = directory / "log"
    with log.open("w") as output:
        child = subprocess.Popen(
            command,
            cwd=directory,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    try:
        yield child, log
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
        # What it started may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout=10)


def wait(child: subprocess.Popen[str], log: Path, ready: Callable[[], str | None]) -> str:
    """What `ready` returns when the server is."""
    deadline = time.monotonic() + 30
    while not (answer := ready()):
        if child.poll() is not None or time.monotonic() > deadline:
            raise Failure(f"`{' '.join(map(str, child.args))}` did not start: {log.read_text()}")
        time.sleep(0.02)
    return answer


@contextlib.contextmanager
def announced(name: str, directory: Path, *command: str | Path) -> Iterator[Server]:
    """A server that takes a free port and says which."""
    with process(directory, *command) as (child, log):

        def authority() -> str | None:
            line = re.search(r"^listening on http://(\S+)\n", log.read_text(), re.MULTILINE)
            return line and line[1]

        yield Server(name, wait(child, log, authority), child.pid)


@contextlib.contextmanager
def on_port(name: str, directory: Path, port: int, *command: str | Path) -> Iterator[Server]:
    """A server that is told which port to take."""
    with process(directory, *command) as (child, log):

        def authority() -> str | None:
            with socket.socket() as probe:
                return None if probe.connect_ex(("127.0.0.1", port)) else f"127.0.0.1:{port}"

        yield Server(name, wait(child, log, authority), child.pid)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def example(name: str, directory: Path, program: Path) -> Iterator[Server]:
    """An example of the crate, with one message on its board."""
    with announced(name, directory, program, "127.0.0.1:0") as server:
        connection = http.client.HTTPConnection(server.authority, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", "/", MESSAGE)
            status = connection.getresponse().status
        if status != 201:
            raise Failure(f"{name} answered a new message with {status}")
        yield server


def nginx(name: str, directory: Path) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    file = directory.with_suffix(".conf")
    file.write_text((HERE / "nginx.conf").read_text().replace("PORT", str(port)))
    return on_port(name, directory, port, "nginx", "-c", file, "-p", directory, "-e", "stderr")


def varnish(name: str, directory: Path) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    command = ["varnishd", "-F", "-j", "none", "-T", "none", "-n", directory / "work"]
    command += ["-a", f"127.0.0.1:{port}", "-f", HERE / "varnish.vcl", "-s", "malloc,16m"]
    return on_port(name, directory, port, *command)


def start(stack: contextlib.ExitStack, scratch: Path) -> list[Server]:
    """All servers that are to be had."""
    layered = build(ROOT, scratch / "layered")
    bare = build(BARE, scratch / "bare")
    starters = {
        HYPER: lambda *where: example(*where, layered["hyper"]),
        HYPER_BARE: lambda *where: example(*where, bare["hyper"]),
        HYPER_AGAIN: lambda *where: example(*where, bare["hyper"]),
        AXUM: lambda *where: example(*where, layered["axum"]),
        AXUM_BARE: lambda *where: example(*where, bare["axum"]),
    }
    for name, starter, provided in [
        ("nginx", nginx, provide("nginx", "nginx-light")),
        ("Varnish", varnish, provide("varnishd", "varnish")),
        ("Koa", lambda *where: announced(*where, "node", HERE / "koa.mjs"), provide_koa()),
    ]:
        if provided:
            starters[name] = starter
        else:
            print(f"**{name} IS LEFT OUT: it is not installed.**\n")
    return [
        stack.enter_context(starter(name, scratch / f"server{index}"))
        for index, (name, starter) in enumerate(starters.items())
    ]


# What is measured


@dataclass
class Answer:
    status: int
    allow: str | None
    length: int


def ask(server: Server, method: str) -> Answer:
    """What the server answers, which has to be what is expected of it."""
    connection = http.client.HTTPConnection(server.authority, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, "/")
        response = connection.getresponse()
        body = response.read()
    answer = Answer(response.status, response.headers["Allow"], len(body))
    what = f"{server.name} answers {method} with {answer}"
    if answer.status != server.expected[method]:
        raise Failure(f"{what}, not with {server.expected[method]}")
    if answer.status == 200 and body != BOARD:
        raise Failure(f"{what}, but with {body!r}")
    if answer.status == 405:
        allow = re.split(r"\s*,\s*", answer.allow or "")
        if not {"GET", "HEAD"} <= set(allow) or method in allow:
            raise Failure(f"{what}, which has no true Allow")
    if response.will_close:
        raise Failure(f"{what}, and closes the connection: no more than that would be measured")
    return answer


def process_tree(root: int) -> list[int]:
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name of the program, in brackets, may contain anything.
            fields = file.read_text().rpartition(")")[2].split()
            parents[int(file.parent.name)] = int(fields[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def cpu_time(pids: list[int]) -> int:
    """Nanoseconds that processes have run for, with all their threads, those that ended too."""
    # CPUCLOCK_SCHED of a process, as clock_getcpuclockid(3) makes it.
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


@dataclass
class Measured:
    rate: float  # requests a second
    cpu: float  # microseconds a request


def load(server: Server, method: str, seconds: int) -> Measured:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", HERE / "wrk.lua"]
    command += [f"http://{server.authority}/", "--", method]
    pids = process_tree(server.pid)
    try:
        before = cpu_time(pids)
        output = succeed(*command, seconds=seconds + 30)
        cpu = cpu_time(pids) - before
    except OSError as error:
        raise Failure(f"a process of {server.name} has ended: {error}") from error
    result = json.loads(output.splitlines()[-1])
    requests = result["requests"]
    rejected = requests if server.expected[method] > 399 else 0
    if requests == 0 or result["failed"] or result["rejected"] != rejected:
        raise Failure(f"{server.name}, {method}, {rejected} to be rejected: {result}")
    return Measured(requests / result["microseconds"] * 1e6, cpu / requests / 1e3)


Measurements = dict[tuple[str, str], list[Measured]]


def measure(servers: list[Server], rounds: int, seconds: int) -> Measurements:
    by_name = {server.name: server for server in servers}
    say("warming up")
    for server in servers:
        for method in METHODS:
            load(server, method, 1)
    measured: Measurements = {(name, method): [] for name in by_name for method in METHODS}
    shuffle = random.Random(0).shuffle
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for method in METHODS:
            groups = GROUPS.copy()
            shuffle(groups)
            for group in groups:
                for name in group if number % 2 == 0 else reversed(group):
                    if name in by_name:
                        measured[name, method].append(load(by_name[name], method, seconds))
    return measured


# What is printed


def table(header: list[str], rows: list[list[str]]) -> None:
    print("\n| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def spread(values: list[float], form: str) -> str:
    """The median and the quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"**{median:{form}}** ({low:{form}}–{high:{form}})"


def tables(answers: dict[tuple[str, str], Answer], measured: Measurements) -> None:
    for method, state in METHODS.items():
        print(f"\n`{method}`, {state}: medians and, in brackets, quartiles.")
        rows = []
        for name in STATUSES:
            if answer := answers.get((name, method)):
                status = f"{answer.status}, `Allow`" if answer.allow else f"{answer.status}"
                runs = measured[name, method]
                rate = spread([run.rate for run in runs], ",.0f")
                cpu = spread([run.cpu for run in runs], ".1f")
                rows.append([name, status, f"{answer.length}", rate, cpu])
        table(["server", "answer", "body, bytes", "requests/s", "server's CPU, µs a request"], rows)

    print("\nWith the layer to without it: ratios within each round, their medians and quartiles.")
    rows = []
    for what, (one, other) in PAIRS.items():
        for method in METHODS:
            pairs = list(zip(measured[one, method], measured[other, method], strict=True))
            rate = spread([a.rate / b.rate for a, b in pairs], ".3f")
            cpu = spread([a.cpu / b.cpu for a, b in pairs], ".3f")
            statuses = f"{answers[one, method].status} to {answers[other, method].status}"
            rows.append([what, f"`{method}`", statuses, rate, cpu])
    table(["", "request", "answers", "requests/s", "server's CPU a request"], rows)


def first_match(pattern: str, *command: str) -> str:
    done = run(*command, seconds=30)
    found = re.search(pattern, done.stdout + done.stderr)
    if not found:
        raise Failure(f"`{' '.join(command)}` does not tell the version")
    return found[0]


def conditions(names: list[str], rounds: int, seconds: int) -> str:
    """What was measured how, and on what."""
    locked = (ROOT / "Cargo.lock").read_text()
    crates = re.findall(r'name = "(axum|hyper|hyper-util|tokio|tower)"\nversion = "(.*)"', locked)
    versions = [first_match(r"rustc [\d.]+", "rustc", "--version")]
    versions += [f"{name} {version}" for name, version in crates]
    if "nginx" in names:
        versions.append(first_match(r"nginx/[\d.]+", "nginx", "-v").replace("/", " "))
    if "Varnish" in names:
        versions.append(first_match(r"varnish-[\d.]+", "varnishd", "-V").replace("-", " "))
    if "Koa" in names:
        versions.append(first_match(r"v[\d.]+", "node", "--version").replace("v", "node "))
        versions += [f"{name} {version}" for name, version in node_modules().items()]
    versions.append(first_match(r"wrk \S+", "wrk", "-v"))
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return (
        f"{', '.join(versions)}; Linux {platform.release()}, "
        f"{model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores; "
        f"{rounds} rounds of {seconds} s for each server and method, {CONNECTIONS} connections."
    )


def at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # Of one round there are no quartiles.
    parser.add_argument("--rounds", type=at_least(2), default=20, help="by default %(default)s")
    parser.add_argument("--seconds", type=at_least(1), default=1, help="of each load, by default 1")
    parser.add_argument("--check", action="store_true", help="only that the builds are alike")
    arguments = parser.parse_args()
    # The servers are stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check_dependencies()
        if arguments.check:
            return
        if not provide("wrk", "wrk"):
            raise Failure("nothing is measured without wrk")
        with (
            tempfile.TemporaryDirectory(prefix="end-to-end-") as scratch,
            contextlib.ExitStack() as stack,
        ):
            servers = start(stack, Path(scratch))
            answers = {(s.name, method): ask(s, method) for s in servers for method in METHODS}
            names = [server.name for server in servers]
            print(conditions(names, arguments.rounds, arguments.seconds), flush=True)
            measured = measure(servers, arguments.rounds, arguments.seconds)
        tables(answers, measured)
    except Failure as failure:
        say(str(failure))
        sys.exit(2)


if __name__ == "__main__":
    main()
