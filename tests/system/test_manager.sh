#!/bin/bash
# The manager's life: ready, told to end, told to read keys again, restarted, replaced.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 2

story "one line when it is ready, with address and pid"
contains "the line" "$(<"$tmp/manager.log")" "ready on $address, pid ${pid_of[manager]}"

story "SIGHUP with a bad list keeps the old one and says why"
echo "no-such-option" >>"$dir/authorized_keys"
kill -HUP "${pid_of[manager]}"
eventually 5 "it says so" grep -q authorized_keys "$tmp/manager.log"
check "old keys work" timeout 10 muster jobs
sed -i '$d' "$dir/authorized_keys"

story "an address in use is named"
check "another house" muster key init "$tmp/other" >/dev/null
status_of 73 timeout 15 muster-manager --dir "$tmp/other" --listen "$address"
contains "the address" "$err" "${address#tcp://}"

story "what it cannot use is named: settings, folder, key"
status_of 2 muster-manager
status_of 2 muster-manager --dir "$tmp/other" --lease soon
status_of 2 muster-manager --dir "$tmp/other" --listen udp://127.0.0.1:1
[ "$(muster-manager --dir "$tmp/none" 2>&1 | grep -c "$tmp/none")" -ge 1 ] || fail "the folder is not named"
chmod 644 "$tmp/other/manager.key"
status_of 78 muster-manager --dir "$tmp/other" --listen 'tcp://127.0.0.1:*'
contains "why" "$err" 644
chmod 600 "$tmp/other/manager.key"

story "settings from the environment, ready told on a descriptor"
MUSTER_MANAGER_DIR=$tmp/other MUSTER_MANAGER_LISTEN='tcp://127.0.0.1:*' MUSTER_MANAGER_STORE=memory \
    start other muster-manager --ready-fd 1
eventually 10 "it says 1" grep -qx 1 "$tmp/other.out"
stop other
equal "SIGTERM is a good end" "$stopped" 0

story "systemd is told when it is ready and when it stops"
if command -v socat >/dev/null; then
    start systemd socat -u "UNIX-RECV:$tmp/notify" "OPEN:$tmp/told,creat,append"
    eventually 5 "someone listens" test -S "$tmp/notify"
    NOTIFY_SOCKET=$tmp/notify start other muster-manager --dir "$tmp/other" --listen 'tcp://127.0.0.1:*'
    eventually 10 "ready" grep -q READY=1 "$tmp/told"
    stop other
    eventually 5 "stopping" grep -q STOPPING=1 "$tmp/told"
fi

story "a peer of another version is told so, whichever side is older"
status_of 0 timeout 30 "$MUSTER_BUILD/tests/system/hostile" "$address" "$dir/client.authkey" version
contains "the error" "$out" VERSION
start elder "$MUSTER_BUILD/tests/system/elder" "$tmp/other"
eventually 5 "the elder listens" grep -q tcp "$tmp/elder.out"
status_of 76 timeout 15 muster --connect "$(<"$tmp/elder.out")" --authkey-file "$tmp/other/client.authkey" jobs
contains "says so" "$err" version
status_of 76 timeout 15 muster-worker --connect "$(<"$tmp/elder.out")" \
    --authkey-file "$tmp/other/worker.authkey" --spool "$tmp/spool-elder"
contains "says so" "$err" version

story "a client goes on over a restart; SIGTERM of the manager commits"
start client muster run --array 1-4 -- sh -c 'touch "$0.{}"; until [ -e "$0.go" ]; do sleep 0.05; done; echo {}' "$tmp/over"
eventually 10 "tasks run" test -e "$tmp/over.1"
stop manager
equal "status" "$stopped" 0
touch "$tmp/over.go"
manager
eventually 30 "the client ended" dead "${pid_of[client]}"
equal "output" "$(sort "$tmp/client.out" | tr '\n' ' ')" "1 2 3 4 "

story "100,000 queued tasks: it is back within 2 s (twice that with sanitizers)"
for i in 1 2 3 4 5 6 7 8 9 10; do
    seq 10000 | check "submit" muster submit --queue nobody --each-line - -- true >/dev/null 2>&1
done
stop manager KILL
began=$(date +%s%N)
manager
took=$((($(date +%s%N) - began) / 1000000))
[ "$took" -lt 4000 ] || fail "it took $took ms"
equal "all are there" "$(muster jobs --json | jq '[.[] | select(.queue == "nobody").tasks.total] | add')" 100000

story "a client killed with -9: a bound job is cancelled, another goes on"
stop manager
manager --lease 3s --session 3s
muster run --session-bound -- sleep 600 >"$tmp/bound.out" 2>"$tmp/bound.log" &
pid_of[bound]=$!
eventually 10 "it runs" bash -c "muster jobs --unfinished | grep -q running.*sleep"
bound=$(muster jobs -q | head -n 1)
stop bound KILL
eventually 15 "its job is cancelled" job_is "$bound" cancelled
start free muster run -- sh -c 'touch "$0"; until [ -e "$0.go" ]; do sleep 0.05; done; echo done' "$tmp/free"
eventually 10 "it runs" test -e "$tmp/free"
free=$(muster jobs -q | head -n 1)
stop free KILL
touch "$tmp/free.go"
check "the other job ends well" timeout 20 muster -q wait "$free"

story "Ctrl-C cancels a job of the fleet and says so"
env --default-signal=INT muster run -- sh -c 'touch "$0"; sleep 600' "$tmp/c" >"$tmp/c.out" 2>"$tmp/c.err" &
pid_of[c]=$!
eventually 10 "it runs" test -e "$tmp/c"
stop c INT
equal "status" "$stopped" 130
contains "says so" "$(<"$tmp/c.err")" cancel
eventually 10 "it is cancelled" job_is last cancelled
