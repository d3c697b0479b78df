# test_stress.sh - many threads at every kind of call, while everything fails around them
#
#   STRESS_SECONDS, STRESS_SEED, STRESS_THREADS, STRESS_SESSIONS: longer, or another run
. "${MUSTER_SOURCE:?}/tests/system/lib.sh"

seconds=${STRESS_SECONDS:-15}
seed=${STRESS_SEED:-$(date +%s)}
RANDOM=$((seed % 32768))

manager --session 30s --lease 5s
worker w1 --cpus 4 --module "$MUSTER_BUILD/tests/system/pool_module.so"

story "64 threads, several sessions: no call hangs, nothing is lost or doubled (seed $seed)"
start stress timeout $((seconds + 240)) "$MUSTER_BUILD/tests/system/stress" --seconds "$seconds" \
    --seed "$seed" --threads "${STRESS_THREADS:-64}" --sessions "${STRESS_SESSIONS:-4}" \
    --calm "$tmp/calm"
kills=0
while alive "${pid_of[stress]}" && [ ! -e "$tmp/calm" ]; do
    read -r -t "$((1 + RANDOM % 4)).$((RANDOM % 10))" <> <(:) || :
    [ -e "$tmp/calm" ] && break
    stop manager KILL
    # Sometimes it stays away for longer than a request has time.
    [ $((RANDOM % 3)) = 0 ] && { read -r -t 2.5 <> <(:) || :; }
    manager --session 30s --lease 5s
    kills=$((kills + 1))
done
stopped=0
wait "${pid_of[stress]}" || stopped=$?
unset "pid_of[stress]"
cat "$tmp/stress.out"
[ "$stopped" = 0 ] || fail "status $stopped: $(tail -n 80 "$tmp/stress.log")"
echo "the manager was killed $kills times"
check "the manager was killed" [ "$kills" -gt 0 ]
