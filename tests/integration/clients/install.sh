#!/bin/sh
# Installs the tools that run.py needs: programs from Debian (as root), and libraries from PyPI and npm. If a tool is
# still missing at the end, prints its name and fails.

set -u
export DEBIAN_FRONTEND=noninteractive

# run.py starts the proxies itself, so no package may start a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi

missing=
updated=

install() {
    if [ -z "$updated" ]; then
        apt-get update -q || echo "NOT UPDATED: the list of packages" >&2
        updated=yes
    fi
    apt-get install -q -y --no-install-recommends "$1"
}

for pair in curl:curl node:nodejs go:golang-go nginx:nginx haproxy:haproxy \
    caddy:caddy varnishd:varnish litmus:litmus chromium:chromium promtool:prometheus jq:jq; do
    program=${pair%%:*}
    package=${pair#*:}
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null && continue
    install "$package"
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing="$missing $package"
done

# The package has no program, only sources.
if [ ! -e /usr/share/gocode/src/google.golang.org/grpc ]; then
    install golang-google-grpc-dev || missing="$missing golang-google-grpc-dev"
fi

# No other program uses this directory.
clients=${CARGO_TARGET_DIR:-$(dirname "$0")/../../../target}/clients
modules=$clients/python
python3 -m pip --version >/dev/null 2>&1 || install python3-pip

# docs/grpc.md lists what these versions show.
grpcio=1.85.1
PYTHONPATH=$modules python3 -c "import grpc; assert grpc.__version__ == '$grpcio'" 2>/dev/null ||
    python3 -m pip install -q --root-user-action ignore --upgrade --target "$modules" "grpcio==$grpcio" ||
    missing="$missing grpcio"
command -v npm >/dev/null || install npm
npm install --prefix "$clients/node" --no-save --no-audit --no-fund --no-package-lock --ignore-scripts \
    @grpc/grpc-js@1.14.7 grpc-web@2.1.1 xhr2@0.2.1 @bufbuild/protobuf@2.17.0 \
    @connectrpc/connect@2.2.0 @connectrpc/connect-node@2.2.0 ||
    missing="$missing npm's-clients"

if [ -n "$missing" ]; then
    echo "NOT INSTALLED:$missing" >&2
    exit 1
fi
