"""For a rejected call, gRPC clients show the status that docs/grpc.md lists."""

from collections.abc import Callable

from harness import CLIENTS, GO_PACKAGES, HERE, NODE, Failure, Server, Skipped, case, example, expect, succeed

HEALTH = "/grpc.health.v1.Health/"
RESPONDERS = ["empty", "problem_details", "own_status"]
# The status that the responder `own_status` sends.
OWN_STATUS = "7"


def documented() -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
    """For each client and version: the status that it uses, and what it shows for each HTTP status."""
    page = (HERE.parents[2] / "docs" / "grpc.md").read_text()
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("|")
    ]
    return {
        (client, version): (uses, {"405": for_405, "501": for_501})
        for client, versions, uses, for_405, for_501 in rows
        for version in versions.split(", ")
    }


def check(client: str, call: Callable[[Server], str]) -> str:
    """`call` returns lines with the client's version and with the status of each call."""
    calls = 0
    for status in ["405", "501"]:
        for responder in RESPONDERS:
            with example("servers", "rest_and_grpc", status, responder) as server:
                (_, version), *shown = [line.split() for line in call(server).splitlines()]
            if (client, version) not in documented():
                raise Skipped(f"docs/grpc.md does not list {client} {version}")
            uses, shows = documented()[client, version]
            own = responder == "own_status" and uses == "grpc-status"
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
    # Debian's packages are not modules.
    environment = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES)}
    succeed("go", "build", "-o", built, HERE / "calls.go", seconds=150, env=environment)
    return check("grpc-go", lambda server: succeed(built, server.authority))


NODE_CLIENTS = {
    "grpc-js": "@grpc/grpc-js",
    "grpc-web": "grpc-web",
    "connect-node-Connect": "@connectrpc/connect-node, Connect",
    "connect-node-gRPC": "@connectrpc/connect-node, gRPC",
    "connect-node-gRPC-Web": "@connectrpc/connect-node, gRPC-Web",
}

for name, client in NODE_CLIENTS.items():

    # grpc-web uses xhr2.
    @case(name, "node", f"npm:{client.split(', ')[0]}", "npm:xhr2")
    def _(client=client):
        return check(client, lambda server: succeed("node", HERE / "calls.mjs", NODE, client, server.url))
