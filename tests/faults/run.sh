#!/bin/sh
# Plants each fault in a copy of the tree and runs the test that must find it: see README.md beside this. With arguments,
# only the faults named. The copy has the changes of the working tree that are not committed yet.
set -eu

faults=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$faults/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
# Always the same place, so that a second run compiles less; never two runs at a time.
copy=$target/faults
log=$target/faults.log

cd "$root"
git worktree prune
git worktree remove --force "$copy" 2>/dev/null || rm -rf "$copy"
state=$(git stash create)
git worktree add --quiet --detach "$copy" "${state:-HEAD}"
# What was built of the copy must not be taken for what is built of the tree: both are in one target directory.
over() {
    git -C "$root" worktree remove --force "$copy" || true
    touch "$root/src/lib.rs" "$root/src/main.rs" "$root/tests/it/main.rs"
}
trap over EXIT
trap 'exit 1' HUP INT TERM

# Name, target and test of each row of the table.
rows() {
    sed -n 's/^| `\([^`]*\)` |.*| `\(lib\|it\) \([^`]*\)` |$/\1 \2 \3/p' "$faults/README.md"
}

wanted() {
    [ $# -eq 1 ] && return 0
    name=$1 && shift
    for one in "$@"; do [ "$one" = "$name" ] && return 0; done
    return 1
}

run() {
    case $1 in lib) set -- --lib "$2" ;; it) set -- --test it "$2" ;; esac
    # A test that waits for ever has found the fault too, but nobody wants to wait for it.
    CARGO_TARGET_DIR=$target timeout 600 cargo test --quiet --locked --manifest-path "$copy/Cargo.toml" "$@" -- --exact >"$log" 2>&1
}

missed=0
found=0
rows >"$log.rows"
while read -r name kind test; do
    wanted "$name" "$@" || continue
    git -C "$copy" checkout --quiet .
    git -C "$copy" apply "$faults/$name.patch"
    if run "$kind" "$test" </dev/null; then
        verdict='NOT FOUND by'
        missed=$((missed + 1))
    elif grep -q "^test result: FAILED. 0 passed; 1 failed" "$log"; then
        verdict='found by'
        found=$((found + 1))
    else
        cat "$log"
        verdict='does not compile, or hangs, or has no test'
        missed=$((missed + 1))
    fi
    echo "$name: $verdict $test"
done <"$log.rows"
rm -f "$log" "$log.rows"
echo "$found planted faults found, $missed not."
[ "$missed" -eq 0 ] && [ "$found" -gt 0 ]
