# test_fork.sh - a child of fork() neither uses nor disturbs what its parent has
. "${MUSTER_SOURCE:?}/tests/system/lib.sh"

forker=$MUSTER_BUILD/tests/system/forker
manager
worker w1 --cpus 2 --module "$MUSTER_BUILD/tests/system/pool_module.so"

story "calls in a child give SESSION at once; closing and exit() leave the parent's session alone"
export FORKER_FILE=$tmp/go FORKER_GATE="$tmp/go done"
# In a child nobody has what threads of its parent had on their stacks.
status_of 0 env ASAN_OPTIONS=detect_leaks=0 timeout 120 "$forker"

story "a private fleet is its starter's: a child neither ends it nor keeps it"
mkdir "$tmp/bin"
ln -s "$MUSTER_BUILD/manager/muster-manager" "$MUSTER_BUILD/worker/muster-worker" "$tmp/bin"
MUSTER_BINDIR=$tmp/bin status_of 0 timeout 60 "$forker" fleet
