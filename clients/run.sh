#!/usr/bin/env bash
# Makes clients from the API document, compiles them and uses them on the demo:
#
#   clients/run.sh                          # TypeScript, Python and Rust
#   clients/run.sh typescript               # one of them
#   clients/run.sh kotlin swift             # made for mobile applications, and not one word of complaint about the document
#
# What is made goes to target/clients and is not kept. Needs Node.js with npm, Python 3 with venv, a Java runtime and cargo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly DOCUMENT=openapi/openapi.json MADE=target/clients
mkdir -p "$MADE"

step() { printf '\n== %s\n' "$*"; }

packages=()
command -v npm >/dev/null || packages+=(npm)
command -v java >/dev/null || packages+=(default-jre-headless)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
if ((${#packages[@]})); then
    step "installs ${packages[*]}"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

# Tools from PyPI, of the versions that are known to work.
tools() {
    if ! cmp -s clients/python/requirements.txt "$MADE/tools/requirements.txt"; then
        step 'the tools'
        python3 -m venv --clear "$MADE/tools"
        "$MADE/tools/bin/pip" install --quiet --requirement clients/python/requirements.txt
        cp clients/python/requirements.txt "$MADE/tools/"
    fi
}

typescript() {
    step 'TypeScript: openapi-typescript and openapi-fetch'
    (
        cd clients/typescript
        cmp -s package-lock.json node_modules/.installed || {
            npm ci --no-audit --no-fund --silent
            cp package-lock.json node_modules/.installed
        }
        rm -rf built
        npx openapi-typescript ../../openapi/openapi.json --output generated/schema.ts
        npx tsc --project .
    )
    tests/with-demo.sh node --test clients/typescript/built/
}

python() {
    tools
    step 'Python: openapi-python-client'
    "$MADE/tools/bin/openapi-python-client" generate --path "$DOCUMENT" --meta none --overwrite --fail-on-warning \
        --config clients/python/generator.yaml --output-path "$MADE/python/crm_gateway_client"
    MYPYPATH="$MADE/python" "$MADE/tools/bin/mypy" --strict --follow-imports silent --cache-dir "$MADE/mypy" clients/python/test_client.py
    PYTHONPATH="$MADE/python" tests/with-demo.sh "$MADE/tools/bin/python" clients/python/test_client.py
}

# openapi-generator; every warning but the one that it knows 3.1 since lately is an error.
generate() {
    tools
    local language=$1 folder=$2
    shift 2
    rm -rf "$folder"
    "$MADE/tools/bin/openapi-generator-cli" generate --input-spec "$DOCUMENT" --generator-name "$language" \
        --output "$folder" "$@" >"$folder.log" 2>&1 || { tail -n 30 "$folder.log" >&2; exit 1; }
    complaints=$(grep -E ' (WARN|ERROR) ' "$folder.log" | grep -v 'OpenAPI 3.1 support is still in beta' || true)
}

rust() {
    step 'Rust: openapi-generator'
    generate rust "$MADE/rust" --additional-properties=packageName=crm_gateway_client,reqwestDefaultFeatures=
    # Its complaints are about names that are words of Rust, which it mends; those that matter the compiler tells. How it spells
    # names that nobody wrote is its own affair.
    sed -i '1i #![allow(non_camel_case_types)]' "$MADE/rust/src/lib.rs"
    cargo build --quiet --locked --manifest-path clients/rust/Cargo.toml --target-dir target
    tests/with-demo.sh target/debug/crm-gateway-client-example
}

mobile() {
    step "$1: openapi-generator"
    generate "$2" "$MADE/$1" "$3"
    [[ -z $complaints ]] || { printf '%s\n' "$complaints" >&2; exit 1; }
    echo "$(find "$MADE/$1" -name "$4" | wc -l) files"
}

kotlin() { mobile kotlin kotlin --additional-properties=enumPropertyNaming=UPPERCASE '*.kt'; }
swift() { mobile swift swift6 --additional-properties=responseAs=AsyncAwait '*.swift'; }

(($#)) || set -- typescript python rust
for language in "$@"; do
    case $language in
    typescript | python | rust | kotlin | swift) "$language" ;;
    *) echo "there is no recipe for $language" >&2; exit 2 ;;
    esac
done
