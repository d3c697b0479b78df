# test_logs.sh - log lines of workers reach the manager in order and can be followed
. "${MUSTER_SOURCE:?}/tests/system/lib.sh"

peer=$MUSTER_BUILD/tests/system/log_peer
admin_key=$dir/admin.authkey

logs() {
    MUSTER_AUTHKEY_FILE=$admin_key muster logs "$@"
}

# texts SOURCE FILE: what a follower printed of one source.
texts() {
    sed -n "s/^[0-9-]* [0-9:.]*  $1 *  [a-z]*  *//p" "$2"
}

manager --log-keep 64k
worker one --cpus 1
worker two --cpus 1
joined() {
    [ "$(logs | grep -c ' joined ')" = 2 ]
}

story "log lines of workers and tasks reach the manager in order and can be followed from anywhere"
eventually 10 "both workers said that they joined" joined
# A shell without job control has its background commands ignore SIGINT.
start follow env --default-signal=INT MUSTER_AUTHKEY_FILE="$admin_key" muster logs -f --tail 100
eventually 10 "the follower has what was there" grep -q ' joined .* as two' "$tmp/follow.out"
# Two that talk at once: each in its order, none lost, all while a worker comes and goes.
start talk1 "$peer" "$address" "$dir/worker.authkey" talker1 150
start talk2 "$peer" "$address" "$dir/worker.authkey" talker2 150
for name in talk1 talk2; do
    wait "${pid_of[$name]}" || fail "$name: status $?"
    unset "pid_of[$name]"
done
all_seen() {
    [ "$(texts talker1 "$tmp/follow.out" | wc -l) $(texts talker2 "$tmp/follow.out" | wc -l)" = "150 150" ]
}
eventually 10 "the follower has all lines" all_seen
for name in talker1 talker2; do
    equal "$name, in order" "$(texts "$name" "$tmp/follow.out")" "$(seq -f "$name %.0f" 150)"
done
equal "nothing was dropped" "$(grep -c dropped "$tmp/follow.log")" 0

story "following goes on over a restart of the manager, and nothing is said twice"
stop manager KILL
for name in one two; do
    eventually 10 "$name notices" grep -q 'manager is away' "$tmp/$name.log"
done
manager --log-keep 64k
back() {
    [ "$(texts one "$tmp/follow.out" | grep -c ' joined\|^joined')" = 2 ] &&
        [ "$(texts two "$tmp/follow.out" | grep -c ' joined\|^joined')" = 2 ]
}
eventually 20 "the follower hears that they are back" back
for name in one two; do
    equal "$name: what it logged, once, in order" "$(texts "$name" "$tmp/follow.out")" \
        "$(sed 's/^[^ ]* [a-z]* muster-worker: //' "$tmp/$name.log")"
done
contains "lines of the manager itself" "$(texts manager "$tmp/follow.out")" "ready on"

story "columns, levels, sources, the last lines, JSON"
status_of 0 logs --worker one --level warn
contains "a warning" "$out" "the manager is away"
equal "only warnings of one" "$(grep -vc '  one  *warn  ' <<<"$out")" 0
status_of 0 logs --tail 1 --worker two
equal "one line" "$(wc -l <<<"$out")" 1
status_of 0 logs --tail 1 --worker two --json
contains "a source" "$out" '"source":"two"'
contains "a level" "$out" '"level":"info"'
status_of 0 logs --worker nobody
contains "nothing of it" "$err" "no lines of nobody"
status_of 2 logs --level loud
status_of 2 logs --tail few

story "lines that were dropped are told"
kill -STOP "${pid_of[follow]}"
# A worker that says more than there is room for; what others said stays.
status_of 0 "$peer" "$address" "$dir/worker.authkey" chatter 3000
kill -CONT "${pid_of[follow]}"
eventually 10 "the follower has the last line" grep -q 'chatter 3000$' "$tmp/follow.out"
eventually 10 "and says that some were dropped" grep -q 'lines were dropped before they could be read' "$tmp/follow.log"
said=$(sed -n 's/^muster: \([0-9]*\) lines were dropped.*/\1/p' "$tmp/follow.log" | paste -sd+)
equal "dropped and seen are all" "$(($said + $(texts chatter "$tmp/follow.out" | wc -l)))" 3000
contains "a quiet one was not pushed out" "$(logs --worker one)" "joined"

story "a line that claims to be another's is refused"
status_of 1 "$peer" "$address" "$dir/worker.authkey" mallory 3 two
equal "the error" "$out" INVALID
status_of 1 "$peer" "$address" "$dir/worker.authkey" manager 3
equal "the manager's own name" "$out" DENIED
equal "nothing of it was taken" "$(logs | grep -c mallory)" 0

story "a client's key may not read them, and is told so"
status_of 67 muster logs
contains "who may" "$err" "role admin"

story "what a terminal would obey is shown, not obeyed"
status_of 0 "$peer" "$address" "$dir/worker.authkey" rude 1
status_of 0 logs --worker rude
contains "its line" "$out" 'rude 1\x1b[2J'
equal "no escape in what is printed" "$(grep -c $'\x1b' <<<"$out")" 0

story "Ctrl-C ends a follower"
stop follow INT
equal "its status" "$stopped" 130
equal "it says nothing of it" "$(grep -vc 'lines were dropped' "$tmp/follow.log")" 0

story "what a task logs can be followed while it runs"
job=$(muster submit -- sh -c "echo working on it >&2; until [ -e '$tmp/go' ]; do sleep 0.05; done; echo done >&2")
start task muster output --follow --stderr "$job.1"
eventually 10 "the early line is seen" grep -q 'working on it' "$tmp/task.out"
: >"$tmp/go"
eventually 10 "the follower ends" dead "${pid_of[task]}"
equal "all of it" "$(<"$tmp/task.out")" $'working on it\ndone'
# The same of a function.
worker three --cpus 1 --module "$MUSTER_BUILD/tests/system/pool_module.so"
start call muster call pool.talk "$tmp/go2"
called() {
    muster jobs --json | grep -q pool.talk && job=$(muster jobs -q | head -n 1)
}
eventually 10 "the call is there" called
start call-log muster output --follow --stderr "$job.1"
eventually 10 "its early line is seen" grep -q waiting "$tmp/call-log.out"
: >"$tmp/go2"
eventually 10 "the follower ends" dead "${pid_of[call-log]}"
contains "both lines" "$(<"$tmp/call-log.out")" $'seen'
contains "the help says where" "$(muster logs --help)" "muster output --follow"
