#!/bin/bash
# The two programs of "distributed processes": one master and two workers on TCP.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../system/lib.sh"

built=$MUSTER_BUILD/tests/examples
tasks=$(wc -l <"$here/task_master.out")

# workers COMMAND...: two of them, that have begun.
workers() {
    for one in one two; do
        start "$one" "$@"
        eventually 20 "worker $one has begun" grep -q "run task" "$tmp/$one.out"
    done
}

# ends NAME: by itself, well.
ends() {
    eventually 60 "the end of $1" dead "${pid_of[$1]}"
    wait "${pid_of[$1]}" || fail "$1: status $?"
    unset "pid_of[$1]"
}

results_are_right() {
    ends master
    diff -u "$here/task_master.out" "$tmp/master.out" >>"$tmp/master.log" || fail "other results"
}

tasks_run() {
    cat "$tmp/one.out" "$tmp/two.out" | grep -c "^run task"
}

# Both are stopped in the middle of a task; if not, they go on.
both_hold_a_task() {
    local size
    kill -STOP "${pid_of[one]}" "${pid_of[two]}"
    size=$(muster queue size task_queue --json)
    [ "$(jq .given <<<"$size")" = 2 ] &&
        [ "$(jq .items <<<"$size")" = $((tasks - $(tasks_run))) ] && return 0
    kill -CONT "${pid_of[one]}" "${pid_of[two]}"
    return 1
}

manager

story "two workers share what the master hands out"
start master "$built/task_master" "$address" "$dir/client.authkey"
workers "$built/task_worker" "$address" "$dir/client.authkey"
results_are_right
ends one
ends two
equal "tasks run" "$(tasks_run)" "$tasks"
equal "queues left" "$(muster object list --json | jq length)" 0

story "what a worker had when it was killed, the other does"
start master "$built/task_master" "$address" "$dir/client.authkey"
workers "$built/task_worker" "$address" "$dir/client.authkey"
eventually 20 "both are in the middle of a task" both_hold_a_task
lost=$(tail -n 1 "$tmp/one.out")
stop one KILL
kill -CONT "${pid_of[two]}"
results_are_right
ends two
equal "times that '$lost' was run by the other" "$(grep -cx "$lost" "$tmp/two.out")" 1
equal "tasks run, one of them twice" "$(tasks_run)" $((tasks + 1))

command -v python3 >/dev/null || exit 0

story "the Python programs print the same"
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
listens() {
    ss -Hltn "sport = :$port" | grep -q .
}
start master python3 "$here/task_master.py" "$port" "$dir/client.authkey"
eventually 20 "the master listens" listens
workers python3 "$here/task_worker.py" "$port" "$dir/client.authkey"
results_are_right
ends one
ends two
equal "tasks run" "$(tasks_run)" "$tasks"
