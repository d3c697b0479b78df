#!/bin/bash
# Shared objects between real programs: every call of queues, locks and their kin, a holder
# that is killed, a manager that is killed while programs wait for it.
. "$(dirname "$0")/lib.sh"

sharer=$MUSTER_BUILD/tests/system/sharer
[ -x "$sharer" ] || exit 77

manager

for part in queue large lock semaphore event condition barrier flood dispatch; do
    story "$part: every call, in one program"
    check "$part" timeout 60 "$sharer" stories "$part"
done

story "an item goes from one program to another"
check "put" "$sharer" put pass one two
equal "got" "$("$sharer" get pass 10000)" one
equal "size" "$("$sharer" size pass)" "1 0 2"

story "a large item goes through in parts, whole and as a stream"
head -c 5000000 /dev/urandom >"$tmp/large"
check "put" "$sharer" put-file large "$tmp/large"
check "put" "$sharer" put-file large "$tmp/large"
"$sharer" get large 30000 | cmp - "$tmp/large" || fail "the item differs"
"$sharer" stream large | cmp - "$tmp/large" || fail "the streamed item differs"
equal "size" "$("$sharer" size large)" "0 0 2"

# holds NAME WHAT: it said that it has it.
holds() {
    [ -s "$tmp/$1.out" ]
}

story "who waits has the lock as soon as its holder releases it, with a larger token"
mkfifo "$tmp/go"
"$sharer" hold lock 30000 <"$tmp/go" >"$tmp/first.out" 2>>"$tmp/first.log" &
pid_of[first]=$!
exec 7>"$tmp/go"
eventually 10 "the first has it" holds first
start second "$sharer" hold lock 60000 </dev/null 7>&-
equal "no wait" "$("$sharer" hold lock 0 2>/dev/null </dev/null)" TIMEOUT
exec 7>&-
check "the first ends well" wait "${pid_of[first]}"
unset 'pid_of[first]'
check "the second ends well" wait "${pid_of[second]}"
unset 'pid_of[second]'
[ "$(<"$tmp/second.out")" -gt "$(<"$tmp/first.out")" ] || fail "the token did not grow"

# Whoever reads from here stays until it is killed.
mkfifo "$tmp/never"
exec 8<>"$tmp/never"

story "a killed manager comes back: who waits gets what is put then, the holder still holds"
"$sharer" hold lock 30000 <"$tmp/never" >"$tmp/holder.out" 2>>"$tmp/holder.log" &
pid_of[holder]=$!
eventually 10 "it is held" holds holder
start getter "$sharer" get later 120000
waits() {
    "$sharer" list | grep -q "$1"
}
eventually 10 "the getter waits" waits '^queue later 0 1$'
stop manager KILL
manager
check "put" "$sharer" put later now
eventually 30 "the getter has it" dead "${pid_of[getter]}"
check "the getter" wait "${pid_of[getter]}"
unset 'pid_of[getter]'
equal "what it got" "$(<"$tmp/getter.out")" now
contains "the lock" "$("$sharer" state lock)" "held"

story "who has a lock and who has a reserved item are killed: both go to the next, in time"
check "put" "$sharer" put work job
"$sharer" reserve work 10000 <"$tmp/never" >"$tmp/worker.out" 2>>"$tmp/worker.log" &
pid_of[worker]=$!
eventually 10 "it is reserved" holds worker
stop worker KILL
stop holder KILL
equal "the next has it" "$("$sharer" hold lock 90000 </dev/null | grep -c .)" 1
equal "the next has it" "$("$sharer" reserve work 90000 </dev/null)" "job 1"

story "a deleted queue is gone"
check "delete" "$sharer" delete pass
equal "the list" "$("$sharer" list | grep -c ' pass ')" 0
