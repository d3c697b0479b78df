#!/bin/bash
# A task gets a key file of its own, and only if the submitter asked for it: what it may
# do with it, how long it is good, and that nothing secret lies anywhere else.
. "$(dirname "$0")/lib.sh"

here=$MUSTER_BUILD/tests/system

address=tcp://0.0.0.0:*
manager --lease 4s
address=tcp://127.0.0.1:${address##*:}
export MUSTER_ADDRESS=$address
worker one --cpus 2 --scratch "$tmp" --module "$here/key_module.so"

# The task tells that it runs, and waits for leave to end: held NAME [option...]
held() {
    local name=$1
    shift
    job=$(muster submit "$@" -- sh -c "cp \"\$MUSTER_AUTHKEY_FILE\" $tmp/$name.key && \
        echo \"\$MUSTER_AUTHKEY_FILE\" >$tmp/$name.path; \
        until [ -e $tmp/$name.go ]; do sleep 0.05; done")
    eventually 20 "task $name runs" test -s "$tmp/$name.path"
}

with() {
    MUSTER_AUTHKEY_FILE=$tmp/$1.key muster "${@:2}"
}

refused() {
    with "$@" >/dev/null 2>&1
    [ $? = 77 ]
}

came_back() {
    [ "$(grep -c 'joined ' "$tmp/one.log")" = 2 ]
}

story "authkey: a task that must speak to the manager gets a key file of its own: inside it, commands work with no options at all, as the job's owner"
out=$(check "run" muster run --task-key -- sh -c 'muster queue put letters a b && muster submit --name inner -- true')
equal "job" "$out" 2
equal "first" "$(muster queue get letters)" a
equal "second" "$(muster queue get letters)" b
check "its job" muster -q wait 2
equal "owner" "$(job_field 2 owner)" "$(job_field 1 owner)"

story "an admin's task is a client of that name, no admin"
status_of 67 admin run --task-key -- sh -c 'muster queue put letters c >/dev/null && muster shutdown'
equal "it is let in" "$(muster queue get letters)" c

story "authkey: only if the submitter asked for it: others get nothing, no variable, no file"
equal "variables" "$(muster run -- sh -c 'env | grep -c -e AUTHKEY -e MUSTER_ADDRESS')" 0
equal "files" "$(muster run -- sh -c "find $tmp/muster-worker-* -name '*.authkey'")" ""
status_of 2 muster run -- muster --connect "$address" queue put letters c
contains "says what is missing" "$err" "MUSTER_AUTHKEY_FILE"

story "authkey: never inherited through the environment of a task, nor by that of the submitter"
equal "variables" "$(env -u MUSTER_ADDRESS muster run -- sh -c 'env | grep -c -e AUTHKEY')" 0

story "the file is the task's own: mode 0600, wiped and gone when the task has ended"
held mode --task-key
path=$(<"$tmp/mode.path")
equal "mode" "$(stat -c %a "$path")" 600
ln "$path" "$tmp/mode.link"
check "it works" with mode jobs >/dev/null
touch "$tmp/mode.go"
check "wait" muster -q wait "$job"
[ ! -e "$path" ] || fail "the key file is still there"
equal "wiped" "$(tr -d '\0' <"$tmp/mode.link" | wc -c)" 0

story "the key is dead after the task's end: a clear error within 10 s"
status_of 77 timeout 10 muster --authkey-file "$tmp/mode.key" jobs

story "a connection that was left open ends with the task"
held open --task-key
with open queue get --timeout 60s nothing >"$tmp/open.out" 2>"$tmp/open.err" &
pid_of[waiter]=$!
eventually 10 "it waits" bash -c "muster queue list | grep -q nothing"
touch "$tmp/open.go"
check "wait" muster -q wait "$job"
eventually 10 "it ended" dead "${pid_of[waiter]}"
stop waiter
equal "status" "$stopped" 77

story "what the task's session held is free at once"
muster submit --task-key -- sh -c "muster lock hut -- sh -c 'touch $tmp/hut; sleep 600'" >/dev/null
job=$(muster jobs -q | head -n 1)
eventually 10 "it has the lock" test -e "$tmp/hut"
check "kill it" muster cancel "$job"
check "the lock" timeout 10 muster lock --timeout 8s hut -- true

story "each task has a key of its own, and each attempt"
muster run --task-key --array 1-6 -- sh -c 'cut -d" " -f4 "$MUSTER_AUTHKEY_FILE"' >"$tmp/keys"
equal "different keys" "$(sort -u "$tmp/keys" | wc -l)" 6
rm -f "$tmp/keys"
muster run --task-key --retries 2 -- sh -c "cut -d' ' -f4 \"\$MUSTER_AUTHKEY_FILE\" >>$tmp/keys; muster queue put tries \$MUSTER_ATTEMPT; exit 1" >/dev/null 2>&1
equal "different keys" "$(sort -u "$tmp/keys" | wc -l)" 3
equal "all were good" "$(muster queue size tries)" 3

story "nothing secret in an environment, in arguments, in logs or in the manager's folder"
held secret --task-key
cut -d' ' -f4 "$tmp/secret.key" >"$tmp/pattern"
equal "a secret" "$(wc -c <"$tmp/pattern")" 65
found=$(grep -lF -f "$tmp/pattern" /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null)
equal "processes" "$found" ""
found=$(grep -lrF -f "$tmp/pattern" "$dir" "$tmp"/*.log "$tmp"/*.out "$tmp"/spool-* 2>/dev/null)
equal "files" "$found" ""
check "but there is one" grep -qF -f "$tmp/pattern" "$(<"$tmp/secret.path")"
touch "$tmp/secret.go"
check "wait" muster -q wait "$job"

other=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 -E '^[0-9.]+$')
if [ -n "$other" ]; then
    story "a key that came to another address is refused there"
    held away --task-key
    check "at home" with away jobs >/dev/null
    status_of 77 timeout 10 muster --authkey-file "$tmp/away.key" --connect "tcp://$other:${address##*:}" jobs
    touch "$tmp/away.go"
    check "wait" muster -q wait "$job"
fi

story "kill -9 of the manager in the middle: the task's session resumes and goes on"
job=$(muster submit --task-key -- sh -c "touch $tmp/asks; muster queue put answers \$(muster queue get --timeout 60s questions)")
eventually 10 "it asks" bash -c "[ -e $tmp/asks ] && muster queue list | grep -q questions"
held over --task-key
over=$job
job=$((over - 1))
stop manager KILL
manager --lease 4s
export MUSTER_ADDRESS=$address
eventually 10 "the worker is back" came_back
check "a key of before" with over jobs >/dev/null
check "ask" muster queue put questions why
check "wait" timeout 30 muster -q wait "$job"
equal "answer" "$(muster queue get --timeout 10s answers)" why
touch "$tmp/over.go"
check "wait" timeout 30 muster -q wait "$over"
status_of 77 timeout 10 muster --authkey-file "$tmp/over.key" jobs

story "authorized_keys read again: keys of tasks stay; whose owner is gone, they go"
check "add" muster key add "$dir" --role client --name guest >/dev/null 2>&1
kill -HUP "${pid_of[manager]}"
guest() { MUSTER_AUTHKEY_FILE=$dir/guest.authkey muster "$@"; }
eventually 5 "the guest is admitted" guest jobs
MUSTER_AUTHKEY_FILE=$dir/guest.authkey held guest --task-key
check "add another" muster key add "$dir" --role client --name third >/dev/null 2>&1
kill -HUP "${pid_of[manager]}"
eventually 5 "the third is admitted" muster --authkey-file "$dir/third.authkey" jobs
check "it is still good" with guest jobs >/dev/null
check "revoke" muster key revoke "$dir" guest
kill -HUP "${pid_of[manager]}"
eventually 10 "the task's key is refused" refused guest jobs
touch "$tmp/guest.go"
check "wait" timeout 20 env MUSTER_AUTHKEY_FILE="$dir/admin.authkey" muster -q wait "$job"

story "a function finds the same through its call"
status_of 0 muster call --task-key speak hello
contains "the path" "$out" "authkey"
equal "it spoke" "$(muster queue get called)" hello
[ ! -e "$out" ] || fail "the key file of the call is still there"
equal "without a key" "$(muster call speak hello)" "no key"
equal "many of them" "$(seq 20 | muster map --task-key speak | sort -u | wc -l)" 20
equal "spoke" "$(muster queue size called)" 20

story "parent_process, active_children: a process inside a task starts a process, which knows its parent"
status_of 0 muster run --task-key -- "$here/task_key" parent
equal "the child" "$out" "child ended=1 exitcode=7"
contains "its parent" "$(muster queue get family)" "a child of $(muster jobs -q | sed -n 2p).0"

story "kill -9 of the worker: no file stays, and the key ends with the lease"
held killed --task-key
path=$(<"$tmp/killed.path")
check "good" with killed jobs >/dev/null
stop one KILL
eventually 10 "the file is gone" test ! -e "$path"
eventually 15 "the key is dead" refused killed jobs
touch "$tmp/killed.go"

if [ "$(id -u)" = 0 ]; then
    story "with --task-user the file is that user's"
    chmod 755 "$tmp"
    worker root --cpus 1 --label who=root --task-user nobody --scratch /tmp
    equal "owner and mode" "$(muster run --task-key --label who=root -- sh -c 'stat -c "%U %a" "$MUSTER_AUTHKEY_FILE"')" "nobody 600"
    check "it is good" muster run --task-key --label who=root -- muster queue put letters root
fi
