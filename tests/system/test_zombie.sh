#!/bin/bash
# P7: a worker that slept beyond its lease must not overwrite its successor.
. "$(dirname "$0")/lib.sh"

manager --lease 3s
worker sleeper --cpus 1
job=$(muster submit --env "OUT=$tmp/runs" -- sh -c 'echo run >>"$OUT"; sleep 4; echo $MUSTER_ATTEMPT')
eventually 10 "it runs on the sleeper" bash -c "muster tasks $job | grep -q sleeper"

story "SIGSTOP beyond the lease: the task runs elsewhere, once more"
kill -STOP "${pid_of[sleeper]}"
worker other --cpus 1
check "wait" timeout 60 muster wait "$job"
first=$(muster output "$job")

story "the late result is refused and counted; the recorded one stays"
kill -CONT "${pid_of[sleeper]}"
eventually 20 "the sleeper is back" bash -c "muster workers | grep sleeper | grep -q active"
check "it works again" timeout 20 muster run --array 1-4 -- true
equal "the result is the successor's" "$(muster output "$job")" "$first"
equal "it was started twice" "$(wc -l <"$tmp/runs")" 2
