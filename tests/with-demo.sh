#!/usr/bin/env bash
# Runs a command with a demo beside it, whose address is in BASE, that of operators in ADMIN, and whose key for everything is in KEY:
#
#   tests/with-demo.sh COMMAND ARGUMENTS…
#
# The program is the one that `cargo build` makes; CRM_GATEWAY names another.
set -euo pipefail
program=${CRM_GATEWAY:-"$(dirname "${BASH_SOURCE[0]}")/../target/debug/crm-gateway"}

words=$(mktemp)
"$program" demo --listen 127.0.0.1:0 ${DEMO_OPTIONS:-} >"$words" 2>"$words.log" &
demo=$!
finish() {
    kill "$demo" 2>/dev/null || true
    wait "$demo" 2>/dev/null || true
    rm -f "$words" "$words.log"
}
trap finish EXIT

# All is said once it listens. Its last words come last.
for ((tries = 0; ; tries++)); do
    grep -q 'Ctrl-C' "$words" && break
    if ((tries >= 300)) || ! kill -0 "$demo" 2>/dev/null; then
        echo 'the demo did not start' >&2
        cat "$words" "$words.log" >&2
        exit 1
    fi
    sleep 0.1
done

BASE=$(sed -n 's/^The gateway: //p' "$words")
ADMIN=$(sed -n 's|^Operators: *\(.*\)/metrics|\1|p' "$words")
KEY=$(sed -n 's/^  web-app *//p' "$words")
export BASE ADMIN KEY
"$@"
