#!/bin/bash
# distributed.sh c|python - the two programs of "distributed processes", on TCP
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../system/lib.sh"

built=$MUSTER_BUILD/tests/examples
tasks=$(wc -l <"$here/task_master.out")

both_wait() {
    [ "$(muster object list queue --json | jq '.[] | select(.name == "task_queue").waiting')" = 2 ]
}

# A queue is made by whoever comes first: here two workers do, then the master.
workers_and_master() {
    start one "$built/task_worker" "$address" "$dir/client.authkey"
    start two "$built/task_worker" "$address" "$dir/client.authkey"
    eventually 20 "both wait for tasks" both_wait
    start master "$built/task_master" "$address" "$dir/client.authkey"
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

[ "${1:?c or python}" = c ] || needs python3
manager

if [ "$1" = python ]; then
    story "the Python programs print the same"
    port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    listens() {
        ss -Hltn "sport = :$port" | grep -q .
    }
    start master python3 "$here/task_master.py" "$port" "$dir/client.authkey"
    eventually 20 "the master listens" listens
    start one python3 "$here/task_worker.py" "$port" "$dir/client.authkey"
    results_are_right
    ends one
    equal "tasks run" "$(grep -c "^run task" "$tmp/one.out")" "$tasks"
    exit 0
fi

story "two workers share what the master hands out"
workers_and_master
results_are_right
ends one
ends two
equal "tasks run" "$(tasks_run)" "$tasks"
check "the first ran some" grep -q "run task" "$tmp/one.out"
check "the second ran some" grep -q "run task" "$tmp/two.out"
equal "queues left" "$(muster object list --json | jq length)" 0

story "what a worker had when it was killed, the other does"
workers_and_master
eventually 20 "both are in the middle of a task" both_hold_a_task
lost=$(tail -n 1 "$tmp/one.out")
stop one KILL
kill -CONT "${pid_of[two]}"
results_are_right
ends two
equal "times that '$lost' was run by the other" "$(grep -cx "$lost" "$tmp/two.out")" 1
equal "tasks run, one of them twice" "$(tasks_run)" $((tasks + 1))
