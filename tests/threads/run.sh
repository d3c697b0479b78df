#!/bin/bash
# run.sh - everything of ours that has threads, under TSan
#
#   run.sh SOURCE BUILD
#
# The link's handlers, the store's commit thread and a client's session run
# their own unit tests once more in a build of their own.  Addresses are not
# randomized: TSan's shadow does not fit every layout.
set -euo pipefail

source=$1
build=$2
tests=(link_test_door link_test_wake store_test_contract store_test_durable client_test_session
       client_test_drive client_test_futures client_test_object client_test_queue_async)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ cmake -S "$source" -B "$build" -DMUSTER_TSAN=ON &&
  cmake --build "$build" --parallel 2 --target "${tests[@]}"; } >"$log" 2>&1 ||
    { tail -n 40 "$log"; exit 1; }

export TSAN_OPTIONS="suppressions=$source/tests/threads/tsan.supp halt_on_error=0 exitcode=66"
for test in "${tests[@]}"; do
    program=$(find "$build/tests" -type f -name "$test" -perm -u+x)
    echo "[ RUN  ] $test"
    setarch "$(uname -m)" -R "$program" >"$log" 2>&1 || { cat "$log"; exit 1; }
done
echo "${#tests[@]} passed, 0 failed"
