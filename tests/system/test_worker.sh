#!/bin/bash
# What a worker does for a task, and when it or the manager comes and goes.
. "$(dirname "$0")/lib.sh"

nothing_runs() {
    [ "$(job_field "$1" running)" = 0 ]
}

manager --lease 3s
worker one --cpus 2

story "a task has its folder, its variables and nothing of ours"
export LEAK=leaked LD_LIBRARY_PATH=/nowhere
status_of 0 muster run -- sh -c 'env; pwd; echo x >made; ls -A'
for name in JOB_ID TASK_ID ATTEMPT CPUS TASK_DIR; do
    contains "MUSTER_$name" "$out" "MUSTER_$name="
done
[[ $out != *LEAK* && $out != *LD_LIBRARY* && $out != *AUTHKEY* ]] || fail "something leaked: $out"
folder=$(sed -n 's/^MUSTER_TASK_DIR=//p' "$tmp/out")
equal "it ran there" "$(tail -n 2 "$tmp/out" | head -n 1)" "$folder"
eventually 5 "the folder is removed" test ! -e "$folder/made"

story "signals and descriptors are as a shell would give them"
status_of 0 muster run -- sh -c 'grep -E "SigBlk|SigIgn" /proc/self/status; ls /proc/self/fd | wc -l'
equal "no signal blocked or ignored, four descriptors (one is of ls)" "$(tr -d '\t\n' <"$tmp/out")" \
    "SigBlk:0000000000000000SigIgn:00000000000000004"

story "a time limit ends the whole tree, SIGKILL after the grace"
export MARK=muster-limit-$$-$RANDOM
status_of 124 timeout 20 muster run --timeout 0.3 --grace 0.2 -- \
    sh -c "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600; : $MARK' & sleep 600; : $MARK"
eventually 5 "nothing is left" none_marked
contains "the reason" "$(muster tasks last)" "time"

story "a memory limit holds"
status_of 0 muster run --mem 64M -- perl -e '$x = "x" x (8 << 20)'
muster run --mem 64M -- perl -e '$x = "x" x (256 << 20)' 2>"$tmp/err" && fail "256 MiB fit into 64"

story "a command that cannot be started"
status_of 126 muster run -- /etc/passwd
status_of 127 muster run -- /no/such/command
status_of 126 muster run --cwd /no/such/folder -- true
contains "the folder is named" "$err" /no/such/folder

story "accounts: exit code, signal, times, memory, host, pid"
status_of 137 muster run --json -- sh -c 'kill -9 $$'
equal "signal" "$(jq .exit_code <<<"$out")" -9
status_of 0 muster run --json -- perl -e '$x = "x" x (64 << 20); $t = times; 1 while times - $t < 0.2'
check "figures" jq -e '.wall_seconds >= 0.2 and .cpu_seconds >= 0.15 and .memory_bytes > 60000000
    and .pid > 0 and .host != "" and .worker == "one"' <<<"$out" >/dev/null

story "SIGTERM drains: what ends in the grace counts, the rest goes back unpunished"
worker brief --cpus 2 --label who=brief --grace 1s
job=$(muster submit --label who=brief -- sh -c 'touch "$0"; sleep 0.3; echo done' "$tmp/quick")
long=$(muster submit --label who=brief -- sh -c 'touch "$0.$MUSTER_ATTEMPT"; until [ -e "$0.go" ]; do sleep 0.05; done' "$tmp/long")
eventually 10 "both run" bash -c "test -e $tmp/quick && ls $tmp/long.*"
stop brief
equal "it ended well" "$stopped" 0
check "the quick one is done" timeout 5 muster -q wait "$job"
eventually 5 "the long one waits" nothing_runs "$long"
touch "$tmp/long.go"
worker brief --cpus 2 --label who=brief
check "it runs again" timeout 20 muster -q wait "$long"
equal "no try was charged" "$(job_field "$long" failed)" 0
stop brief

story "--idle-timeout ends a worker that has nothing to do"
worker idle --cpus 1 --label who=idle --idle-timeout 500ms
eventually 10 "it ended" dead "${pid_of[idle]}"
stop idle
equal "status" "$stopped" 0

story "a second worker on the same spool is told so; --replace takes over"
status_of 73 timeout 15 muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" \
    --name one --spool "$tmp/spool-one"
contains "the pid of the first" "$err" "${pid_of[one]}"
first=${pid_of[one]}
worker one --cpus 2 --replace
eventually 10 "the first has gone" dead "$first"
check "it serves" timeout 20 muster run -- true

story "the lifeline: end of file stops worker and tasks at once"
mkfifo "$tmp/lifeline"
start bound bash -c "exec muster-worker --connect $address --authkey-file $dir/worker.authkey --name bound \
    --label who=bound --spool $tmp/spool-bound --lifeline-fd 6 6<$tmp/lifeline"
exec 7>"$tmp/lifeline"
job=$(muster submit --label who=bound -- sh -c "touch $tmp/bound-runs; sleep 600; : $MARK" 2>/dev/null)
eventually 10 "its task runs" test -e "$tmp/bound-runs"
exec 7>&-
eventually 10 "it ended" dead "${pid_of[bound]}"
eventually 5 "and its task" none_marked
stop bound
check "cancel" muster -q cancel "$job"

# away NAME MODE: a worker that runs a task when the manager is killed; the task ends on $tmp/NAME.go.
away() {
    worker "$1" --cpus 1 --label "who=$1" --on-manager-lost "$2"
    job=$(muster submit --label "who=$1" -- \
        sh -c 'echo run >>"$0.runs"; until [ -e "$0.go" ]; do sleep 0.05; done; echo "$0 is done"' "$tmp/$1")
    eventually 10 "its task runs" test -s "$tmp/$1.runs"
    stop manager KILL
}

story "--on-manager-lost stop: tasks end with the lease, status 69"
away stopper stop
eventually 20 "it ended" dead "${pid_of[stopper]}"
stop stopper
equal "status" "$stopped" 69
manager --lease 3s
check "cancel" muster -q cancel "$job"

story "--on-manager-lost finish: what runs ends first, its result is kept and delivered by the next one"
away finisher finish
touch "$tmp/finisher.go"
eventually 20 "it ended" dead "${pid_of[finisher]}"
stop finisher
equal "status" "$stopped" 69
manager --lease 3s
worker finisher --cpus 1 --label who=finisher
check "wait" timeout 20 muster -q wait "$job"
equal "one run" "$(wc -l <"$tmp/finisher.runs")" 1
contains "its output" "$(muster output "$job")" "is done"

story "a result in the spool survives kill -9 of its worker, too"
away spooler wait
touch "$tmp/spooler.go"
eventually 10 "it is in the spool" bash -c "find $tmp/spool-spooler -type f -size +0 | grep -qv lock"
stop spooler KILL
manager --lease 3s
worker spooler --cpus 1 --label who=spooler
check "wait" timeout 30 muster -q wait "$job"
contains "its output" "$(muster output "$job")" "is done"

if [ "$(id -u)" = 0 ]; then
    story "tasks of --task-user are someone else and cannot read the worker's key"
    chmod 755 "$tmp"
    worker root --cpus 1 --label who=root --task-user nobody --scratch /tmp
    equal "user" "$(muster run --label who=root -- id -un)" nobody
    status_of 1 muster run --label who=root -- cat "$dir/worker.authkey"
    status_of 1 muster run --label who=root -- sh -c "cat /proc/${pid_of[root]}/environ >/dev/null 2>&1"
    status_of 0 muster run --label who=root -- sh -c 'touch mine && grep -q "NoNewPrivs:.1" /proc/self/status'
fi

story "settings are checked, and may come from the environment"
status_of 2 muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" --cpus none
status_of 2 env -u MUSTER_ADDRESS muster-worker
start env env MUSTER_WORKER_CONNECT="$address" MUSTER_WORKER_AUTHKEY_FILE="$dir/worker.authkey" \
    MUSTER_WORKER_NAME=by-env MUSTER_WORKER_SPOOL="$tmp/spool-env" MUSTER_WORKER_LABEL=who=env muster-worker
eventually 10 "it joined" grep -q 'joined .*by-env' "$tmp/env.log"
check "it works" timeout 20 muster run --label who=env -- true
