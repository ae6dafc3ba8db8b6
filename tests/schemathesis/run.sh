#!/usr/bin/env bash
# Sends requests that are made from the API document to a demo, good ones and bad ones, and checks the answers with all checks:
#
#   tests/schemathesis/run.sh [CASES]      # for each operation and phase, 10 by default: more than 5 000 requests in all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly TOOLS=../../target/schemathesis VERSION=4.32.5 CASES=${1:-10}

if ! [[ -f $TOOLS/$VERSION ]]; then
    python3 -m venv --clear "$TOOLS"
    "$TOOLS/bin/pip" install --quiet "schemathesis==$VERSION"
    touch "$TOOLS/$VERSION"
fi

# 30 s are what the gateway itself lets a request run: calls wait for their turn.
# One worker: the same seed then gives the same requests, and the CRMs' pace is the limit anyway. Simulators that answer at once.
export DEMO_OPTIONS='--upstream-latency 0' SCHEMATHESIS_HOOKS=hooks PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=.
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# shellcheck disable=SC2016  # BASE and KEY are the demo's
../with-demo.sh sh -c '"$0" --config-file schemathesis.toml run "$BASE/openapi.json" --header "X-Api-Key: $KEY" \
    --checks all --max-response-time 30 --max-examples "$1" --seed 1 --workers 1 --continue-on-failure --suppress-health-check all' \
    "$TOOLS/bin/schemathesis" "$CASES" | tee "$said"
# A document that lost its operations would pass as well.
sent=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$said")
((${sent:-0} >= 5000 || CASES < 10)) || { echo "only ${sent:-0} requests were made" >&2; exit 1; }
