"""gRPC clients show for a rejected call what docs/grpc.md says."""

from collections.abc import Callable

from harness import (
    CLIENTS,
    GO_PACKAGES,
    HERE,
    NODE,
    Failure,
    Server,
    Skipped,
    case,
    example,
    expect,
    succeed,
)

HEALTH = "/grpc.health.v1.Health/"
RESPONDERS = ["empty", "problem_details", "own_status"]
# What the responder `own_status` sends.
OWN_STATUS = "7"


def documented() -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
    """What each client goes by and shows for each HTTP status, by the client and its version."""
    page = (HERE.parents[2] / "docs" / "grpc.md").read_text()
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("|")
    ]
    return {
        (client, version): (goes_by, {"405": for_405, "501": for_501})
        for client, versions, goes_by, for_405, for_501 in rows
        for version in versions.split(", ")
    }


def check(client: str, call: Callable[[Server], str]) -> str:
    """`call` returns the client's version and what it shows for each call, one per line."""
    calls = 0
    for status in ["405", "501"]:
        for responder in RESPONDERS:
            with example("rest_and_grpc", status, responder) as server:
                (_, version), *shown = [line.split() for line in call(server).splitlines()]
            if (client, version) not in documented():
                raise Skipped(f"docs/grpc.md does not say what {client} {version} shows")
            goes_by, shows = documented()[client, version]
            own = responder == "own_status" and goes_by == "grpc-status"
            rejected = OWN_STATUS if own else shows[status]
            if not shown:
                raise Failure(f"{client} made no call")
            for name, seen in shown:
                allowed = name == "Check" and status == "405"
                expect(seen, "0" if allowed else rejected, f"{name}, {status}, {responder}")
            calls += len(shown)
    return f"{client} {version}, {calls} calls: {shows['405']} for 405, {shows['501']} for 501"


@case("grpcio", "python:grpc")
def _():
    import grpc

    def status(call: Callable[[], object]) -> int:
        try:
            call()
        except grpc.RpcError as error:
            return error.code().value[0]
        return 0

    def call(server):
        with grpc.insecure_channel(server.authority) as channel:
            shown = {
                "Check": status(lambda: channel.unary_unary(f"{HEALTH}Check")(b"")),
                "List": status(lambda: channel.unary_unary(f"{HEALTH}List")(b"")),
                "Watch": status(lambda: list(channel.unary_stream(f"{HEALTH}Watch")(b""))),
            }
        lines = [f"{name} {code}" for name, code in shown.items()]
        return "\n".join([f"version {grpc.__version__}", *lines])

    return check("grpcio", call)


@case("grpc-go", "go", "go:google.golang.org/grpc", seconds=200)
def _():
    built = CLIENTS / "calls-go"
    # Debian's packages are no modules.
    environment = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES)}
    succeed("go", "build", "-o", built, HERE / "calls.go", seconds=150, env=environment)
    return check("grpc-go", lambda server: succeed(built, server.authority))


def in_node(client: str) -> Callable[[Server], str]:
    return lambda server: succeed("node", HERE / "calls.mjs", NODE, client, server.url)


@case("grpc-js", "node", "npm:@grpc/grpc-js")
def _():
    return check("@grpc/grpc-js", in_node("grpc-js"))


@case("grpc-web", "node", "npm:grpc-web", "npm:xhr2")
def _():
    return check("grpc-web", in_node("grpc-web"))


for protocol in ["Connect", "gRPC", "gRPC-Web"]:

    @case(f"connect-node-{protocol}", "node", "npm:@connectrpc/connect-node")
    def _(protocol=protocol):
        return check(f"@connectrpc/connect-node, {protocol}", in_node(protocol))
