# setup.sh - what quickstart and check share: packages and the build
#
# Sourced, not run.  Expects `root`, the top of the clone.

say() {
    printf '%s\n' "$*" >&2
}

die() {
    say "$(basename "$0"): $*"
    exit 1
}

# Debian 12's packages: to build and run; to test as well.
packages_run="gcc libc6-dev make cmake pkg-config libzmq3-dev libsodium-dev libsqlite3-dev libjansson-dev"
packages_test="g++ libcmocka-dev clang libclang-rt-14-dev iproute2 nftables util-linux procps"

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            printf '%s ' "$package"
    done
}

# install PACKAGE...: those that are missing, or say which and stop.
install_packages() {
    command -v dpkg-query >/dev/null ||
        die "this is not Debian; install the equivalents of: $*"
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] ||
        die "missing packages: $missing
Run this once as root, or: sudo apt-get install $missing"
    say "installing: $missing"
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
           apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "could not install: $missing
The packages come from Debian's mirrors: is there a network, and is /etc/apt/sources.list right?"
    fi
    rm -f "$log"
}

# build DIR [cmake option...]: configure once, then build what changed.
build() {
    build_dir=$1
    shift
    log=$(mktemp)
    say "building in ${build_dir#"$root"/}"
    if ! { cmake -S "$root" -B "$build_dir" "$@" &&
           cmake --build "$build_dir" --parallel "$(nproc)"; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        die "the build failed (see above)"
    fi
    rm -f "$log"
}
