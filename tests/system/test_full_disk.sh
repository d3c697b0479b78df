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
before=$(muster submit --after "$job" -- echo kept)
check "wait" muster wait "$before"
head -c 64M /dev/zero >"$tmp/small/ballast" 2>/dev/null
rm -f "$tmp/small/ballast"
eventually 30 "it serves" muster jobs
equal "the job is there" "$(muster output "$before")" kept
