#!/bin/bash
# run.sh - every fuzz harness under libFuzzer, one after the other
#
#   run.sh BUILD_DIR [SECONDS]
#
# Configures BUILD_DIR with clang, ASan and UBSan, builds the harnesses and gives
# each an equal share of SECONDS (default: FUZZ_SECONDS, else 60).  What it finds
# new is kept in BUILD_DIR/corpus for the next run; an input that breaks a harness
# is left in BUILD_DIR/found, and its hex is printed.
# Exit status: 0 all held, 1 one broke, 77 no clang with libFuzzer here.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:?usage: run.sh BUILD_DIR [SECONDS]}
seconds=${2:-${FUZZ_SECONDS:-60}}
clang=${CLANG:-clang}

skip() {
    echo "skipped: $1" >&2
    exit 77
}

command -v "$clang" >/dev/null || skip "no $clang (Debian: clang, libclang-rt-14-dev)"
mkdir -p "$build/found" "$build/corpus"
echo 'int LLVMFuzzerTestOneInput(const char *data, unsigned long n) { return n > 9 && *data; }' \
    >"$build/probe.c"
"$clang" -fsanitize=fuzzer,address "$build/probe.c" -o "$build/probe" 2>/dev/null ||
    skip "$clang links no libFuzzer (Debian: libclang-rt-14-dev)"

# The caller's make jobs and sanitizer options are not meant for this build.
unset MAKEFLAGS ASAN_OPTIONS
CC=$clang cmake -S "$root" -B "$build" -DMUSTER_FUZZ=ON -DMUSTER_SANITIZE=ON \
    >"$build/configure.log" || { cat "$build/configure.log"; exit 1; }
cmake --build "$build" --target fuzz_harnesses --parallel 2 >"$build/build.log" 2>&1 ||
    { tail -40 "$build/build.log"; exit 1; }
for source in "$root"/tests/fuzz/seeds_*.c; do
    "$build/tests/fuzz/$(basename "$source" .c)" "$build/seeds"
done

harnesses=()
for source in "$root"/tests/fuzz/fuzz_*.c; do
    name=$(basename "${source##*/fuzz_}" .c)
    [ "$name" = main ] || harnesses+=("$name")
done
share=$((seconds / ${#harnesses[@]}))
[ "$share" -ge 1 ] || share=1

failed=0
for name in "${harnesses[@]}"; do
    folders=("$build/corpus/$name")
    for seeds in "$build/seeds/$name" "$root/tests/fuzz/seeds/$name"; do
        if [ -d "$seeds" ]; then
            folders+=("$seeds")
        fi
    done
    mkdir -p "$build/corpus/$name"
    options=(-max_total_time="$share" -timeout=10 -rss_limit_mb=2048 -max_len=8192
             -artifact_prefix="$build/found/$name-" -print_final_stats=1)
    if "$build/tests/fuzz/fuzz_$name" "${options[@]}" "${folders[@]}" >"$build/$name.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/$name.log")
        printf '%-16s %s inputs in %s s\n' "$name" "${runs:-0}" "$share"
    else
        failed=1
        echo "$name: broke; its input is in $build/found:" >&2
        sed -n '/rror/,$p' "$build/$name.log" | head -60 >&2
    fi
done
exit $failed
