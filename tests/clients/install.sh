#!/bin/sh
# Installs what run.py drives, from Debian's packages, as root: one by one, so that one that cannot
# be had does not keep the others away. Says which are missing in the end, and fails for them.

set -u
export DEBIAN_FRONTEND=noninteractive

# The proxies are started by run.py with files of its own: no package may start a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
fi

missing=
updated=
for pair in curl:curl node:nodejs nginx:nginx haproxy:haproxy h2load:nghttp2-client \
    litmus:litmus rclone:rclone chromium:chromium; do
    program=${pair%%:*}
    package=${pair#*:}
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null && continue
    if [ -z "$updated" ]; then
        apt-get update -q || echo "NOT UPDATED: the list of packages" >&2
        updated=yes
    fi
    apt-get install -q -y --no-install-recommends "$package"
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing="$missing $package"
done

if [ -n "$missing" ]; then
    echo "NOT INSTALLED:$missing" >&2
    exit 1
fi
