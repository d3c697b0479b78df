#!/bin/bash
# P17: a manager killed in the middle of 1,000 running tasks: each runs once,
# every result arrives.
. "$(dirname "$0")/lib.sh"

tasks=${TASKS:-1000}

manager
worker one --cpus "$((tasks / 2))"
worker two --cpus "$((tasks / 2))"
mkdir "$tmp/runs"

story "$tasks tasks run, the manager is killed, they end while it is away"
job=$(muster submit --array "1-$tasks" --env "DIR=$tmp" -- \
    sh -c 'echo run >>"$DIR/runs/{}"; until [ -e "$DIR/go" ]; do sleep 0.5; done; echo {}')
all_run() { [ "$(find "$tmp/runs" -type f | wc -l)" = "$tasks" ]; }
eventually 120 "all run" all_run
kill -KILL "${pid_of[manager]}"
wait "${pid_of[manager]}" 2>/dev/null
touch "$tmp/go"
eventually 20 "results are in the spool" bash -c "ls $tmp/spool-one | grep -q ."

story "it comes back, the results arrive, nothing ran twice"
manager
check "wait" timeout 120 muster wait "$job"
equal "results" "$(muster output "$job" | sort -n | md5sum)" "$(seq "$tasks" | md5sum)"
equal "runs" "$(cat "$tmp"/runs/* | wc -l)" "$tasks"
