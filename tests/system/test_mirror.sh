#!/bin/bash
# The multiprocessing mirror, statement by statement, against a real manager.
. "$(dirname "$0")/lib.sh"

manager --session 3s --lease 3s

# statements PROGRAM: each of its statements is a story of this test.
statements() {
    timeout 250 "$MUSTER_BUILD/tests/system/$1" >"$tmp/$1.out" 2>&1 ||
        fail "$1: $(grep -vE 'RUN|  OK ' "$tmp/$1.out")"
    local passed
    passed=$(grep -c '  OK ' "$tmp/$1.out")
    [ "$passed" -gt 0 ] || fail "$1 tried nothing"
    stories=$((stories + passed))
}

statements mirror_data
statements mirror_list
statements mirror_lock
statements mirror_pipe
statements mirror_queue
statements mirror_sync

story "lifetime: named ones survive a restart of the manager"
check "a key" muster dict set site colour blue
check "a flag" muster event set up
check "a number of permits" muster lock --permits 3 door -- true
check "items" muster queue put mail first second
kill -KILL "${pid_of[manager]}"
wait "${pid_of[manager]}" 2>/dev/null
manager --session 3s --lease 3s
equal "the value" "$(timeout 10 muster dict get site colour)" blue
check "the flag" muster event is-set up
contains "the permits" "$(muster object list semaphore)" "3 left"
equal "the items" "$(timeout 10 muster queue get mail -n 2)" "first
second"
