# test_flood.sh - calls without waiting, by the hundred thousand, and from an event loop
. "${MUSTER_SOURCE:?}/tests/system/lib.sh"

manager
worker w1 --cpus 2 --module "$MUSTER_BUILD/tests/system/pool_module.so"

story "memory is bounded, nothing is locked up, every callback comes once"
timeout 280 "$MUSTER_BUILD/tests/system/flood" >"$tmp/flood.out" 2>&1 ||
    fail "$(grep -vE 'RUN|  OK ' "$tmp/flood.out")"
sed -n 's/^a lone/a lone/p' "$tmp/flood.out"
