#!/bin/bash
# P1: what was acknowledged survives kill -9 of the manager, cycle after cycle.
#
# Method: submitters run without a pause and note every id they are told.  The
# manager is killed and started again CYCLES times.  In the end every noted job
# exists, ended well, and has the output of its own number: exactly once.
. "$(dirname "$0")/lib.sh"

cycles=${CYCLES:-100}

manager
worker one --cpus 2

submitter() {
    local i=0 id
    until [ -e "$tmp/enough" ]; do
        i=$((i + 1))
        id=$(muster submit --dedup "$1-$i" --name "$1" --array "1-3" -- echo "$1-$i-{}" 2>>"$tmp/submit-$1.log") &&
            echo "$id $1-$i" >>"$tmp/acknowledged-$1"
    done
}

story "$cycles cycles of kill -9 under load"
submitter a &
pid_of[a]=$!
submitter b &
pid_of[b]=$!
# One long job is fed through all of it.
(until [ -e "$tmp/enough" ]; do seq 20; read -r -t 0.05 <> <(:) || :; done) |
    muster run --each-line - --keep-order -- echo >"$tmp/fed.out" 2>"$tmp/fed.log" &
pid_of[feeder]=$!

for ((cycle = 1; cycle <= cycles; cycle++)); do
    read -r -t "0.$((RANDOM % 3))$((RANDOM % 10))" <> <(:) || :
    kill -KILL "${pid_of[manager]}"
    wait "${pid_of[manager]}" 2>/dev/null
    manager
done
touch "$tmp/enough"
for name in a b feeder; do
    status=0
    wait "${pid_of[$name]}" || status=$?
    unset "pid_of[$name]"
    equal "$name ended well" "$status" 0
done

story "nothing acknowledged was lost, nothing doubled"
cat "$tmp"/acknowledged-* >"$tmp/acknowledged"
[ "$(wc -l <"$tmp/acknowledged")" -ge 20 ] || fail "too little load: $(wc -l <"$tmp/acknowledged") jobs"
equal "ids are unique" "$(cut -d' ' -f1 "$tmp/acknowledged" | sort -u | wc -l)" "$(wc -l <"$tmp/acknowledged")"
while read -r id name; do
    check "wait for $id" muster wait "$id"
    equal "output of job $id" "$(muster output "$id" | sort | tr '\n' ' ')" "$name-1 $name-2 $name-3 "
done < <(shuf -n 60 "$tmp/acknowledged")
equal "jobs that did not succeed" "$(muster jobs --json | grep -c '"state": *"failed"')" 0

story "the job that was fed through all of it is whole and in order"
awk '{ if ($1 != (NR - 1) % 20 + 1) { print "line " NR ": " $0; exit 1 } } END { if (NR == 0 || NR % 20) exit 1 }' \
    "$tmp/fed.out" || fail "the fed job's output has a gap"
