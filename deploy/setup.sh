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
packages_test="g++ libcmocka-dev clang libclang-rt-14-dev iproute2 nftables util-linux procps jq socat perl python3 man-db"

missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            printf '%s ' "$package"
    done
}

# What is said while something runs goes to a file that is shown only when it
# fails, and that is gone afterwards, also after Ctrl-C.
setup_log=

setup_end() {
    [ -z "$setup_log" ] || rm -f "$setup_log"
    setup_log=
}

# logged LINES COMMAND...: run; when it fails, show the last LINES it said.
logged() {
    lines=$1
    shift
    setup_log=$(mktemp "${TMPDIR:-/tmp}/muster-setup.XXXXXX")
    trap setup_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    status=0
    "$@" >"$setup_log" 2>&1 || status=$?
    [ "$status" = 0 ] || tail -n "$lines" "$setup_log" >&2
    setup_end
    trap - EXIT INT TERM
    return "$status"
}

apt_install() {
    apt-get update &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# install_packages PACKAGE...: those that are missing, or say which and stop.
install_packages() {
    command -v dpkg-query >/dev/null ||
        die "this is not Debian; install the equivalents of: $*"
    missing=$(missing_packages "$@")
    missing=${missing% }
    [ -n "$missing" ] || return 0
    [ "$(id -u)" = 0 ] ||
        die "missing packages: $missing
Run this once as root, or: sudo apt-get install $missing"
    say "installing: $missing"
    logged 5 apt_install $missing ||
        die "could not install: $missing
They come from Debian's mirrors: is there a network, and are /etc/apt/sources.list* right?"
}

configure_and_build() {
    cmake -S "$root" -B "$build_dir" "$@" &&
        cmake --build "$build_dir" --parallel "$(nproc)"
}

# build DIR [cmake option...]: configure once, then build what changed.
build() {
    build_dir=$1
    shift
    say "building in ${build_dir#"$root"/}"
    logged 40 configure_and_build "$@" || die "the build failed (see above)"
}
