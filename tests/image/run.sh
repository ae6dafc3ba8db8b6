#!/usr/bin/env bash
# Builds the container image with buildah and uses it as an orchestrator does: as a user of its own, over a root file system that
# cannot be written, with the configuration mounted. Needs root and Debian's packages; no Docker and no registry of images:
# the stages of the Dockerfile stand on a Debian made here, with the Rust of this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly IMAGE=localhost/crm-gateway LIMIT_MB=40
readonly BASE=localhost/crm-gateway-base:bookworm
# Below the ports that systems give out, and other ones each time: two runs may meet.
readonly PORT=$((20000 + RANDOM % 10000))
readonly HTTP=127.0.0.1:$PORT ADMIN=127.0.0.1:$((PORT + 1)) ALFA=127.0.0.1:$((PORT + 2)) CRYPTO=127.0.0.1:$((PORT + 3))
export BUILDAH_ISOLATION=chroot

[[ $(id -u) == 0 ]] || { echo 'a chroot takes root' >&2; exit 1; }
packages=()
for tool in buildah debootstrap curl; do
    command -v "$tool" >/dev/null || packages+=("$tool")
done
if ((${#packages[@]})); then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

work=$(mktemp -d)
programs=()
container=''
finish() {
    for program in "${programs[@]}"; do
        # Process 1 of its own; it is told by nobody that the one above has ended.
        pkill -KILL --parent "$program" || true
        wait "$program" 2>/dev/null || true
    done
    [[ -z $container ]] || buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap finish EXIT

fail() { echo "image: $*" >&2; exit 1; }

# Debian with a C compiler, kept from one run to the next.
if ! buildah inspect --type image "$BASE" >/dev/null 2>&1; then
    echo '== a Debian to build on'
    debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$work/debian" >"$work/log" \
        || { tail "$work/log" >&2; exit 1; }
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$work/debian" / >/dev/null
    buildah config --env PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin --env CARGO_HOME=/usr/local/cargo "$container"
    buildah commit --quiet "$container" "$BASE" >/dev/null
    buildah rm "$container" >/dev/null
    container=''
    rm -rf "$work/debian"
fi

echo '== the image'
# Crates come from what this machine has fetched, so that the build asks nobody.
cargo fetch --locked --quiet
# The format of Docker, because that of OCI knows no HEALTHCHECK.
buildah build --format docker --layers=false --build-arg RUST_IMAGE="$BASE" --build-arg DEBIAN_IMAGE="$BASE" \
    --volume "$(rustc --print sysroot):/usr/local/rust:ro" \
    --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/usr/local/cargo/registry" \
    --env CARGO_NET_OFFLINE=true \
    --tag "$IMAGE" .

echo '== its size'
# Chroot isolation leaves no trace in it; this is what a registry would keep, unpacked.
container=$(buildah from "$IMAGE")
root=$(buildah mount "$container")
megabytes=$(du --summarize --block-size=1000000 --apparent-size "$root" | cut -f1)
echo "$megabytes MB in $(find "$root" -type f | wc -l) files"
((megabytes <= LIMIT_MB)) || fail "is larger than $LIMIT_MB MB"
[[ $(buildah inspect --format '{{.OCIv1.Config.User}}' "$container") == 10001:10001 ]] || fail 'does not name its user'
[[ -z $(find "$root" -xdev -type f -perm /6000) ]] || fail 'holds a program that makes others of people'
[[ ! -e $root/bin/sh ]] || fail 'holds a shell'

# Runs the image's program as an orchestrator does: its user, no rights, a root that cannot be written, a volume at /data, and
# a process 1 of its own. Sees the host's network. Its process here is in `started`.
mkdir -p "$work/data" "$work/config"
chown 10001:10001 "$work/data"
in_image() {
    # shellcheck disable=SC2016  # for the inner shell
    ${exec:-} unshare --mount --pid --fork --kill-child sh -ec '
        root=$1 work=$2
        shift 2
        mount --bind "$root" "$root"
        mkdir -p "$root/proc" "$root/etc/crm-gateway"
        mount --bind "$work/data" "$root/data"
        mount --bind "$work/config" "$root/etc/crm-gateway"
        mount -t proc proc "$root/proc"
        mount -o remount,bind,ro "$root"
        exec setpriv --no-new-privs chroot --userspec=10001:10001 --groups= "$root" "$@"
    ' sh "$root" "$work" /usr/local/bin/crm-gateway "$@"
}
start() {
    local log=$1
    shift
    (exec=exec && in_image "$@") >"$log" 2>&1 &
    started=$!
    programs+=("$started")
}
wait_for() {
    for _ in $(seq 100); do
        if "${@:2}" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    cat "$1" >&2
    fail "does not come up: ${*:2}"
}

echo '== it runs'
start "$work/sandbox.log" sandbox --alfacrm "$ALFA" --cryptocrm "$CRYPTO"
wait_for "$work/sandbox.log" grep -q cryptocrm "$work/sandbox.log"
in_image key new probe --scopes students:read >"$work/key" 2>/dev/null
key=$(head -n 1 "$work/key")
{
    printf '[server]\nlisten = "%s"\nadmin_listen = "%s"\n[store]\npath = "/data"\n' "$HTTP" "$ADMIN"
    sed -n '/^\[/,$p' "$work/sandbox.log"
    tail -n +2 "$work/key"
} >"$work/config/config.toml"
chmod -R a+rX "$work/config" "$work"
start "$work/serve.log" serve --config /etc/crm-gateway/config.toml
gateway=$started
wait_for "$work/serve.log" curl --fail --silent "http://$ADMIN/readyz"
answer=$(curl --silent --header "X-Api-Key: $key" "http://$HTTP/students?limit=1&fields=id")
[[ $answer == '{"items":[{"id":"alfa-'* ]] || fail "answers $answer"
in_image healthcheck --url "http://$ADMIN/readyz" || fail 'is not healthy by its own word'
[[ $(curl --silent --output /dev/null --write-out '%{http_code}' "http://$HTTP/docs/") == 200 ]] || fail 'shows no docs'
inner=$(pgrep --parent "$gateway")
grep -q '^Uid:.*10001' "/proc/$inner/status" || fail 'runs as somebody else'
grep -q '^CapEff:\s*0*$' "/proc/$inner/status" || fail 'has rights that it does not need'
[[ -s $work/data/gateway.redb ]] || fail 'keeps nothing in its volume'

echo '== it ends'
kill -TERM "$inner"
code=0
wait "$gateway" || code=$?
[[ $code == 0 ]] || { cat "$work/serve.log" >&2; fail "ends with $code"; }
echo 'image: all good'
