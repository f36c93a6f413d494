"""The cases, and the processes that they start: servers, proxies, and clients."""

import contextlib
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[2] / "target"))
EXAMPLES = TARGET / "debug" / "examples"
# The programs of the other packages.
PACKAGES = TARGET / "debug"

# install.sh installs clients there. Clients in Go are built there.
CLIENTS = TARGET / "clients"
sys.path.append(str(CLIENTS / "python"))
NODE = CLIENTS / "node"

# Debian installs the sources of Go packages there.
GO_PACKAGES = pathlib.Path("/usr/share/gocode")

# Debian installs servers in /usr/sbin, which is not in the PATH of most users.
PATH = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"

KIB = 1024
MIB = 1024 * KIB


class Failure(Exception):
    """The case saw something that it did not expect."""


class Skipped(Exception):
    """The case cannot run on this machine."""


@dataclass
class Case:
    name: str
    tools: tuple[str, ...]
    seconds: int
    run: Callable[[], str]

    def missing(self) -> list[str]:
        return [tool for tool in self.tools if not installed(tool)]


def installed(tool: str) -> bool:
    """A tool is a program, or a package such as `python:grpc`, `npm:xhr2`, or `go:golang.org/x/net`."""
    language, _, package = tool.rpartition(":")
    if language == "python":
        return importlib.util.find_spec(package) is not None
    if language == "npm":
        return (NODE / "node_modules" / package).is_dir()
    if language == "go":
        return (GO_PACKAGES / "src" / package).is_dir()
    return shutil.which(tool, path=PATH) is not None


CASES: list[Case] = []


def case(name: str, *tools: str, seconds: int = 60):
    """Registers a function as a case. The function returns a summary, or raises, within `seconds`."""

    def register(run: Callable[[], str]) -> Callable[[], str]:
        CASES.append(Case(name, tools, seconds, run))
        return run

    return register


@contextlib.contextmanager
def time_limit(seconds: int):
    def expired(_signal, _frame):
        raise TimeoutError(f"not done within {seconds} s")

    earlier = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, earlier)


def expect(seen, expected, what: str) -> None:
    if seen != expected:
        raise Failure(f"{what}: expected {expected!r}, saw {seen!r}")


@contextlib.contextmanager
def scratch():
    """A directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="clients-") as directory:
        yield pathlib.Path(directory)


@contextlib.contextmanager
def zeros(size: int):
    """A file of that many bytes. It takes no space on the disk."""
    with scratch() as directory:
        file = directory / "zeros"
        file.touch()
        os.truncate(file, size)
        yield file


@contextlib.contextmanager
def process(*command, **options):
    """A process in a new group. At the end, the whole group is killed."""
    environment = {**os.environ, "PATH": PATH, **options.pop("env", {})}
    child = subprocess.Popen(
        [str(word) for word in command], env=environment, start_new_session=True, **options
    )
    try:
        yield child
    finally:
        # The processes that it started may still run.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for stream in (child.stdin, child.stdout, child.stderr):
            if stream is not None:
                stream.close()


def output(*command, seconds: int = 30, stdin=subprocess.DEVNULL, **options):
    """Runs a client to its end. Returns its exit code, stdout, and stderr."""
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with process(*command, **pipes, text=True, errors="replace", **options) as child:
        stdout, stderr = child.communicate(timeout=seconds)
        return child.returncode, stdout, stderr


def succeed(*command, **options) -> str:
    """Runs a client that must succeed. Returns its stdout."""
    code, stdout, stderr = output(*command, **options)
    if code != 0:
        said = (stderr or stdout).strip()[:500]
        raise Failure(f"{command[0]}'s exit code is {code}: {said}")
    return stdout


def fetch(url: str, *options) -> str:
    """Runs curl, which must succeed. Returns its stdout."""
    return succeed("curl", "-sS", "--max-time", 20, *options, url)


def status(url: str, method: str = "GET", *options) -> str:
    """The status that curl gets."""
    return fetch(url, "-X", method, "-o", os.devnull, "-w", "%{http_code}", *options)


def stop(child: subprocess.Popen, what: str, seconds: int) -> None:
    """Sends SIGTERM to a server. It must stop, with exit code 0."""
    child.terminate()
    try:
        expect(child.wait(timeout=seconds), 0, f"{what}'s exit code")
    except subprocess.TimeoutExpired:
        raise Failure(f"{what} did not stop within {seconds} s of SIGTERM") from None


@dataclass
class Server:
    authority: str

    @property
    def url(self) -> str:
        return f"http://{self.authority}/"


@contextlib.contextmanager
def example(name: str, *arguments: str, stops_within: int = 15):
    """Starts an example. `arguments` follow its address. It must stop on SIGTERM and write nothing to stderr."""
    program = PACKAGES / name
    if not program.exists():
        program = EXAMPLES / name
    if not program.exists():
        raise Failure(f"{program} does not exist: run.py explains how to build it")
    command = [program, "127.0.0.1:0", *arguments]
    with (
        tempfile.TemporaryFile("w+") as stderr,
        process(*command, stdout=subprocess.PIPE, stderr=stderr, text=True) as child,
    ):
        line = child.stdout.readline()
        listening = re.fullmatch(r"listening on http://(\S+)\n", line)
        if listening is None:
            raise Failure(f"the first line of {name} is {line!r}")
        yield Server(listening[1])
        stop(child, name, stops_within)
        stderr.seek(0)
        expect(stderr.read(), "", f"what {name} wrote to stderr")


@contextlib.contextmanager
def free_port():
    """A port of 127.0.0.1 that the kernel gives to nobody else.

    It is bound, but nobody listens on it, so a server that sets SO_REUSEADDR can bind it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@contextlib.contextmanager
def proxy(name: str, port: int, *command, chatter: str = "$^", **options):
    """Starts a proxy that listens on this port. Returns its URL. It may log only lines that match `chatter`."""
    with (
        tempfile.TemporaryFile("w+") as log,
        process(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options) as child,
    ):
        while not accepts(port):
            if child.poll() is not None:
                log.seek(0)
                raise Failure(f"{name} did not start: {log.read()}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/"
        log.seek(0)
        logged = [line for line in log if not re.match(chatter, line)]
        expect(logged[:3], [], f"what {name} logged")
