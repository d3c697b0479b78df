#!/bin/bash
# Keys and roles: every refusal is told within 10 s, by its own message and status.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 1
check "a good key" timeout 10 muster run -- true

# logged TEXT: the manager's log has it.
logged() {
    eventually 5 "the manager's log says: $1" grep -qF -e "$1" "$tmp/manager.log"
}

# Each kind in its own words.
refusals=("it expects the key of another manager" "the key is unknown here" "the key was revoked"
    "has role worker; this program needs one of role client or admin")
not_logged_yet() {
    local text
    for text in "$@"; do
        ! grep -qF -e "$text" "$tmp/manager.log" || fail "the log says already: $text"
    done
}

story "AuthenticationError: a wrong manager is told within 10 s, and in the manager's log"
not_logged_yet "${refusals[@]}"
check "another house" muster key init "$tmp/other" >/dev/null
status_of 68 timeout 10 muster --authkey-file "$tmp/other/client.authkey" jobs
contains "says so" "$err" "key"
logged "address=127.0.0.1: ${refusals[0]}"
not_logged_yet "${refusals[@]:1}"

abroad_refused() {
    MUSTER_AUTHKEY_FILE=$dir/abroad.authkey muster jobs
    [ $? = 77 ]
}

story "AuthenticationError: a wrong key (one that the manager does not know yet)"
check "add" muster key add "$dir" --role client --name guest >/dev/null
status_of 77 timeout 10 muster --authkey-file "$dir/guest.authkey" jobs
contains "what to do" "$err" "muster key add"
logged "${refusals[1]}"
not_logged_yet "${refusals[@]:2}"

story "AuthenticationError: a revoked key is refused, and its live session ends within a second"
kill -HUP "${pid_of[manager]}"
guest() { MUSTER_AUTHKEY_FILE=$dir/guest.authkey muster "$@"; }
eventually 5 "it is admitted" guest jobs
guest run -- sleep 600 >"$tmp/guest.out" 2>"$tmp/guest.err" &
pid_of[guest]=$!
eventually 10 "its job runs" bash -c "muster --authkey-file $dir/admin.authkey jobs --all | grep -q sleep"
check "revoke" muster key revoke "$dir" guest
kill -HUP "${pid_of[manager]}"
eventually 12 "its command ended" dead "${pid_of[guest]}"
stopped=0
wait "${pid_of[guest]}" || stopped=$?
unset "pid_of[guest]"
[ "$stopped" != 0 ] || fail "a revoked session ended with status 0"
status_of 77 timeout 10 env MUSTER_AUTHKEY_FILE="$dir/guest.authkey" muster jobs
logged "${refusals[2]}"
not_logged_yet "${refusals[3]}"

story "its job stays until someone who may cancels it"
job=$(MUSTER_AUTHKEY_FILE=$dir/admin.authkey muster jobs --all -q | head -n 1)
status_of 66 muster cancel "$job"
check "an admin may" admin cancel "$job"

story "AuthenticationError: a wrong role: a worker's key submits, a client's key drains"
status_of 67 timeout 10 env MUSTER_AUTHKEY_FILE="$dir/worker.authkey" muster submit -- true
contains "which is needed" "$err" "${refusals[3]}"
logged "${refusals[3]}"
status_of 125 timeout 10 env MUSTER_AUTHKEY_FILE="$dir/worker.authkey" muster run -- true
status_of 67 muster shutdown
logged "the key of client has role client, which may not send SHUTDOWN"
status_of 67 timeout 10 muster-worker --connect "$address" --authkey-file "$dir/client.authkey" --spool "$tmp/sp"

story "options of a key: one queue, one network; an unknown one is refused"
check "add" muster key add "$dir" --role worker --name narrow --options queues=gpu >/dev/null
check "add" muster key add "$dir" --role client --name abroad --options from=10.0.0.0/8 >/dev/null
status_of 2 muster key add "$dir" --role client --name odd --options colour=blue
kill -HUP "${pid_of[manager]}"
eventually 10 "a key from elsewhere is refused" abroad_refused
start narrow muster-worker --connect "$address" --authkey-file "$dir/narrow.authkey" --name narrow \
    --spool "$tmp/spool-narrow" --queue default
eventually 10 "another queue is refused" dead "${pid_of[narrow]}"
stop narrow
equal "status" "$stopped" 67
start narrow muster-worker --connect "$address" --authkey-file "$dir/narrow.authkey" --name narrow \
    --spool "$tmp/spool-narrow" --queue gpu
eventually 10 "its own queue is served" grep -q joined "$tmp/narrow.log"
check "it works" timeout 20 muster run --queue gpu -- true

story "a typo in the key is not a wrong key"
sed 's/[0-9a-f]$/g/; s/\(.*\)a/\1b/' "$dir/client.authkey" >"$tmp/typo.authkey"
chmod 600 "$tmp/typo.authkey"
status_of 78 muster --authkey-file "$tmp/typo.authkey" jobs
contains "checksum" "$err" checksum

story "files that are not safe are refused, saying why"
cp "$dir/client.authkey" "$tmp/open.authkey"
chmod 644 "$tmp/open.authkey"
status_of 78 muster --authkey-file "$tmp/open.authkey" jobs
contains "mode" "$err" 644
ln -s "$dir/client.authkey" "$tmp/link.authkey"
status_of 78 muster --authkey-file "$tmp/link.authkey" jobs
cp "$dir/client.authkey" "$tmp/hard.authkey"
chmod 600 "$tmp/hard.authkey"
ln "$tmp/hard.authkey" "$tmp/hard2.authkey"
status_of 78 muster --authkey-file "$tmp/hard.authkey" jobs
contains "links" "$err" link
echo "correct horse battery staple" >"$tmp/pass.authkey"
chmod 600 "$tmp/pass.authkey"
status_of 78 muster --authkey-file "$tmp/pass.authkey" jobs
contains "how to make one" "$err" "muster key"
status_of 66 muster --authkey-file "$tmp/none.authkey" jobs

story "nobody there"
status_of 69 timeout 15 muster --connect tcp://127.0.0.1:9 jobs
contains "the address" "$err" 127.0.0.1:9

story "an unknown job"
status_of 66 muster job 999999
contains "which" "$err" 999999

story "a second manager on the directory names the first"
status_of 73 muster-manager --dir "$dir" --listen 'tcp://127.0.0.1:*'
contains "pid" "$err" "${pid_of[manager]}"

story "--replace takes over"
old=${pid_of[manager]}
manager --replace
eventually 10 "the first has gone" dead "$old"
check "it serves" timeout 20 muster run -- true

story "no secret in argv or environment of anything"
secret=$(tr ' ' '\n' <"$dir/worker.authkey" | awk '{ if (length($0) > length(longest)) longest = $0 } END { print longest }')
for pid in "${pid_of[@]}"; do
    tr '\0' '\n' <"/proc/$pid/environ" | grep -qF "$secret" && fail "a secret in the environment of $pid"
    tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qF "$secret" && fail "a secret in the arguments of $pid"
done
grep -qF "$secret" "$tmp"/*.log && fail "a secret in a log"
true
