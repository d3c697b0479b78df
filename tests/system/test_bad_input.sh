#!/bin/bash
# A peer with a good key and bad manners: one clear error, then cut; the manager goes on.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 1
for i in $(seq 20); do      # something to list, for the greedy
    muster submit -- true >/dev/null
done

for bad in garbage:INVALID empty:INVALID no-hello:SESSION forbidden:DENIED manager-only:DENIED \
    unknown:UNSUPPORTED short:INVALID long:INVALID oversized:INVALID wrong-count:INVALID greedy:BUSY \
    sorter:BUSY; do
    story "${bad%:*} is answered ${bad#*:}, and cut where no correct peer does it"
    status_of 0 timeout 30 "$MUSTER_BUILD/tests/system/hostile" "$address" "$dir/client.authkey" "${bad%:*}"
    contains "the error" "$out" "${bad#*:}"
done

story "the manager goes on"
check "it is the same process" alive "${pid_of[manager]}"
check "it serves" timeout 20 muster run -- true

story "a stranger without a key gets nothing and hurts nobody"
for i in 1 2 3 4 5 6 7 8 9 10; do
    head -c 4096 /dev/urandom | timeout 2 bash -c "exec 3<>/dev/tcp/127.0.0.1/${address##*:}; cat >&3; head -c 64 <&3 >/dev/null" || :
done
check "it serves" timeout 20 muster run -- true
