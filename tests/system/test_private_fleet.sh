#!/bin/bash
# `muster run` with no manager: a private fleet that leaves nothing behind.
. "$(dirname "$0")/lib.sh"

export TMPDIR=$tmp/private XDG_RUNTIME_DIR=$tmp/run MARK=muster-private-$$-$RANDOM
mkdir -m 700 "$TMPDIR" "$XDG_RUNTIME_DIR"

nothing_left() {
    [ -z "$(find "$TMPDIR" "$XDG_RUNTIME_DIR" -mindepth 1)" ] && ! pgrep -f "$TMPDIR|$XDG_RUNTIME_DIR" && ! pgrep -f "$MARK"
}

story "seq 1000 | muster run just works"
status_of 0 muster run --keep-order --each-line - -- echo {} < <(seq 1000)
equal "output" "$(md5sum <<<"$out")" "$(seq 1000 | md5sum)"
contains "it says so" "$err" "private"
eventually 10 "nothing is left" nothing_left

story "quiet with -q"
status_of 0 muster -q run -- echo x
equal "stderr" "$err" ""
eventually 10 "nothing is left" nothing_left

story "Ctrl-C cancels, says so, leaves nothing"
# A shell without job control has its background commands ignore SIGINT.
env --default-signal=INT muster run --array 1-4 -- sh -c "touch $tmp/started; sleep 600; : $MARK" >"$tmp/c.out" 2>"$tmp/c.err" &
pid_of[c]=$!
eventually 20 "a task runs" test -e "$tmp/started"
kill -INT "${pid_of[c]}"
stopped=0
wait "${pid_of[c]}" || stopped=$?
unset "pid_of[c]"
equal "status" "$stopped" 130
contains "it says so" "$(<"$tmp/c.err")" cancel
eventually 15 "nothing is left" nothing_left

story "kill -9 leaves nothing"
rm "$tmp/started"
muster run --array 1-4 -- sh -c "touch $tmp/started; sleep 600; : $MARK" >"$tmp/k.out" 2>"$tmp/k.err" &
pid_of[k]=$!
eventually 20 "a task runs" test -e "$tmp/started"
stop k KILL
eventually 20 "nothing is left" nothing_left
