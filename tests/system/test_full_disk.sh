#!/bin/bash
# P12: a full disk refuses new work, finishes old work, and recovers.
. "$(dirname "$0")/lib.sh"

mkdir "$tmp/small"
mount -t tmpfs -o size=24m,mode=700 muster-test "$tmp/small" 2>/dev/null ||
    { echo "skipped: a small tmpfs cannot be mounted here (needs root)"; exit 77; }
test_cleanup() { umount "$tmp/small"; }

dir=$tmp/small/manager
manager --free-min 8M
worker one --cpus 2

story "old work ends and new work is refused while the disk is full"
job=$(muster submit --array 1-3 --env "GO=$tmp/go" -- sh -c 'until [ -e "$GO" ]; do sleep 0.1; done; echo {}')
eventually 10 "it runs" job_is "$job" running
head -c 17M /dev/zero >"$tmp/small/ballast" 2>/dev/null
refused() { muster submit -- true 2>"$tmp/err"; [ $? = 72 ]; }
eventually 20 "new work is refused" refused
contains "it says why" "$(<"$tmp/err")" disk
touch "$tmp/go"
check "old work ends" timeout 20 muster wait "$job"
equal "its results are there" "$(muster output "$job" | sort | tr '\n' ' ')" "1 2 3 "

story "it recovers when there is room again"
rm "$tmp/small/ballast"
eventually 20 "new work is taken" muster run -- true

story "a disk that is really full stops it; a restart finds all that was acknowledged"
kept=$(muster submit -- echo kept) || fail "submit"
check "wait" muster -q wait "$kept"
rm "$tmp/go"
job=$(muster submit --array 1-8 --output-max 2M --env "GO=$tmp/go" -- \
    sh -c 'until [ -e "$GO" ]; do sleep 0.1; done; head -c 1500000 /dev/urandom; echo {}') || fail "submit"
eventually 10 "it runs" job_is "$job" running
head -c 64M /dev/zero >"$tmp/small/ballast" 2>/dev/null
touch "$tmp/go"
eventually 30 "the manager has ended" dead "${pid_of[manager]}"
stop manager
equal "status" "$stopped" 72
rm "$tmp/small/ballast"
manager --free-min 1M
check "the rest ends" timeout 60 muster -q wait "$job"
equal "what was acknowledged is there" "$(muster output "$kept")" kept
equal "all results are whole" "$(muster output "$job" | wc -c)" "$((8 * 1500002))"
