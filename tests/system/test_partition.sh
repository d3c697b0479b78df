#!/bin/bash
# P15: a partition between network namespaces heals by itself.
. "$(dirname "$0")/lib.sh"

ns=muster-$$
ip netns add "$ns" 2>/dev/null ||
    { echo "skipped: network namespaces cannot be made here (needs root and iproute2)"; exit 77; }
test_cleanup() { ip netns delete "$ns"; }
ip netns exec "$ns" true 2>/dev/null ||
    { echo "skipped: nothing can be run in a network namespace here (/ is not a mount point)"; exit 77; }
ip link add "mu$$" type veth peer name eth0 netns "$ns" || fail "no veth pair"
ip addr add 10.213.77.1/30 dev "mu$$"
ip link set "mu$$" up
ip -n "$ns" addr add 10.213.77.2/30 dev eth0
ip -n "$ns" link set eth0 up
ip -n "$ns" link set lo up

address=tcp://10.213.77.1:$((20000 + $$ % 20000))
manager --lease 3s
start far ip netns exec "$ns" muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" \
    --name far --spool "$tmp/spool-far" --cpus 2
eventually 30 "the far worker is ready" grep -q 'joined ' "$tmp/far.log"

story "${PARTITIONS:=5} partitions longer and shorter than the lease: all work ends"
job=$(muster submit --array 1-60 -- sh -c 'sleep 0.2; echo {}')
for ((i = 0; i < PARTITIONS; i++)); do
    ip link set "mu$$" down
    read -r -t $((1 + i)) <> <(:) || :
    ip link set "mu$$" up
    read -r -t 1 <> <(:) || :
done
check "all done within 60 s of healing" timeout 60 muster wait "$job"
equal "every task once" "$(muster output "$job" | sort -n | tr '\n' ' ')" "$(seq 60 | tr '\n' ' ')"
