#!/bin/bash
# run.sh NAME c|python - the example, or its Python counterpart, prints NAME.out and leaves nothing behind
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../system/lib.sh"

name=$1
built=$MUSTER_BUILD/tests/examples
export TMPDIR=$tmp/private XDG_RUNTIME_DIR=$tmp/run
mkdir -m 700 "$TMPDIR" "$XDG_RUNTIME_DIR"
cd "$TMPDIR" || exit 1
# Of a private fleet nobody reads the log: what sanitizers find goes to files.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$tmp/sanitizer
export UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}log_path=$tmp/sanitizer

nothing_left() {
    [ -z "$(find "$TMPDIR" "$XDG_RUNTIME_DIR" -mindepth 1)" ] && ! pgrep -f "$TMPDIR|$XDG_RUNTIME_DIR"
}

nothing_found() {
    ! cat "$tmp"/sanitizer.* >>"$tmp/$name.log" 2>/dev/null || fail "a sanitizer found something"
}

# prints_the_same COMMAND...: output kept as that of a started program, for the logs of a failure.
prints_the_same() {
    local status=0
    timeout 90 "$@" >"$tmp/out" 2>"$tmp/$name.log" || status=$?
    nothing_found
    [ "$status" = 0 ] || fail "$*: status $status"
    diff -u "$here/$name.out" "$tmp/out" >>"$tmp/$name.log" || fail "$* prints something else"
    eventually 20 "nothing is left of $*" nothing_left
    nothing_found
}

if [ "${2:?c or python}" = c ]; then
    story "$name.c prints $name.out"
    module=$built/$name.so
    [ -e "$module" ] || module=
    prints_the_same "$built/$name" ${module:+"$module"}
else
    needs python3
    story "$name.py prints $name.out"
    prints_the_same python3 "$here/$name.py"
fi
