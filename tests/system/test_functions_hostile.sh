#!/bin/bash
# Functions that harm the worker that runs them cost their own child, and nobody else.
. "$(dirname "$0")/lib.sh"

export PATH="$MUSTER_BUILD/tests/system:$PATH"
modules=$tmp/modules
mkdir -m 755 "$modules"
check "the module" cc -Wall -Wextra -shared -fPIC -I "$MUSTER_SOURCE/libshared/include" \
    -o "$modules/hostile.so" "$MUSTER_SOURCE/tests/system/hostile_module.c"
chmod 755 "$modules/hostile.so"

call() {
    status_of 0 timeout 60 call_function "$@"
}

# job_of NAME: of a call that was started under this name.
job_of() {
    sed -n 's/^job \([0-9]*\).*/\1/p' "$tmp/$1.log" | tail -n 1
}

# cancel NAME: and wait for its end.
cancel() {
    admin cancel --hard "$(job_of "$1")" >"$tmp/cancel.out" 2>&1
    eventually 20 "$1 has ended" dead "${pid_of[$1]}"
    unset "pid_of[$1]"
}

# Children of a worker's functions that live.
children() {
    pgrep -P "$(pgrep -P "${pid_of[$1]}" muster-hatcher)" muster-functio
}

no_children() {
    ! children "$1"
}

# Processor time of a worker so far, in ticks.
ticks() {
    awk '{ print $14 + $15 }' "/proc/${pid_of[$1]}/stat"
}

# others WHAT: calls of others have their results, soon.
others() {
    out=$(timeout 10 call_function hostile < <(printf '%s\n' 1 2 3 4) 2>"$tmp/others.err")
    equal "$1: others" "$(cut -f 2 <<<"$out" | sort | uniq -c | tr -s ' ')" " 4 succeeded"
}

joined_again() {
    [ "$(grep -c 'joined ' "$tmp/$1.log")" = 2 ]
}

manager
worker w --cpus 2 --module "$modules/hostile.so" --grace 500ms --start-limit 2s

story "who follows a call that prints much and dies does not take the worker along"
# Live pieces may be lost on the way; what is kept is passed whole in the end.
start wordy bash -c 'call_function wordy --output-bytes 20000000 <<<2000'
eventually 10 "it was submitted" grep -q '^job' "$tmp/wordy.log"
timeout 20 muster output --follow --stderr "$(job_of wordy).1" >"$tmp/followed" 2>"$tmp/follow.err"
eventually 20 "it has ended" dead "${pid_of[wordy]}"
unset 'pid_of[wordy]'
check "the worker lives" alive "${pid_of[w]}"
contains "its end" "$(<"$tmp/wordy.out")" "killed by signal 6"
equal "what was followed" "$(wc -c <"$tmp/followed")" 10240000

story "a call that writes over what it shares with its worker has its time limit"
for way in young ahead; do
    call hostile --time-limit 300 --grace 200 <<<"$way"
    equal "$way" "$(cut -f 2 <<<"$out")" timed-out
    others "$way"
done

story "a child that begins nothing is killed"
start unbegun bash -c 'call_function hostile <<<unbegun'
eventually 20 "it is killed" grep -q "a child had not begun the call that it was handed" "$tmp/w.log"
cancel unbegun
others unbegun

story "a child that rings without end is killed"
call hostile <<<flood
equal "outcome" "$(cut -f 2 <<<"$out")" signaled
others flood

story "a child that closes all its descriptors costs its worker nothing"
start closes bash -c 'call_function hostile --time-limit 4000 --grace 100 <<<close'
eventually 10 "it runs" grep -q '^job' "$tmp/closes.log"
others close
before=$(ticks w)
eventually 20 "it has ended" dead "${pid_of[closes]}"
unset 'pid_of[closes]'
check "the worker did not spin: $before to $(ticks w)" [ $(($(ticks w) - before)) -lt 100 ]

story "processes of a function may log, too"
call chorus < <(seq 1 5)
equal "results" "$(cut -f 2,4 <<<"$out" | sort | uniq -c | tr -s ' ')" $' 5 succeeded\tsung'

story "what is left behind by a call and prints without end is ended"
call sprayer <<<1
sprayed=$(cut -f 4 <<<"$out")
eventually 20 "its child is gone" dead "$sprayed"
stop w

story "the memory of all processes of a call counts"
worker heavy --cpus 1 --module "$modules/hostile.so"
call family --mem 209715200 < <(printf '%s\n' 150 50)
equal "outcomes" "$(cut -f 2 <<<"$out")" $'out-of-memory\nsucceeded'
stop heavy

story "end hooks that never end are ended"
worker single --cpus 1 --module "$modules/hostile.so" --max-tasks-per-child 1 --grace 300ms
call hostile < <(printf 'linger\n%.0s' 1 2 3 4 5 6 7 8)
eventually 10 "nothing of them is left" no_children single
stop single

story "what a function started does not outlive a worker that is killed"
export MARK=31558$$
worker killed --cpus 1 --module "$modules/hostile.so"
start spawner bash -c "call_function spawner <<<$MARK"
left() {
    [ "$(pgrep -fc "^sleep $MARK")" = 1 ]
}
none_left() {
    ! pgrep -f "^sleep $MARK"
}
eventually 10 "it was started" left
kill -KILL "${pid_of[killed]}"
wait "${pid_of[killed]}" 2>/dev/null
unset 'pid_of[killed]'
eventually 10 "it is gone" none_left
cancel spawner

story "a call that lies and dies is stopped by its attempts"
worker cheated --cpus 1 --module "$modules/hostile.so"
call liar <<<1
# A worker that looked between the beginning and the lie knows better, and says what it was.
if [ "$(cut -f 2 <<<"$out")" != signaled ]; then
    equal "outcome" "$(cut -f 2 <<<"$out")" lost
    contains "reason" "$out" "lost 5 times with the worker that had it, or with what ran it there; the last time on cheated"
fi
others liar
stop cheated

story "so is one that kills what makes the children; what runs beside it is done again"
worker orphaned --cpus 2 --module "$modules/hostile.so"
start beside bash -c 'call_function patient <<<3000'
eventually 10 "it runs" grep -q '^job' "$tmp/beside.log"
call parricide <<<kill
equal "outcome" "$(cut -f 2 <<<"$out")" lost
eventually 30 "the other has ended" dead "${pid_of[beside]}"
unset 'pid_of[beside]'
contains "it succeeded" "$(cut -f 2,4 "$tmp/beside.out")" $'succeeded\t'
check "it was lost once or twice" [ "$(cut -f 4 "$tmp/beside.out")" -le 3 ]
others parricide
check "its worker is the same" alive "${pid_of[orphaned]}"
stop orphaned
equal "it ends as asked" "$stopped" 0

story "a stopped maker of children is noticed; commands run meanwhile"
worker stopped --cpus 2 --module "$modules/hostile.so"
call parricide <<<stop
check "a command" [ "$(muster run -- echo here)" = here ]
eventually 30 "it is killed" grep -q "has not answered for 10.0s; it is killed" "$tmp/stopped.log"
eventually 30 "the worker starts anew" joined_again stopped
others stop
call parricide <<<stop
stop stopped
equal "a worker that is told to end does not wait for it" "$stopped" 0

story "a killed worker leaves nothing behind, though what makes its children was stopped"
worker last --cpus 1 --module "$modules/hostile.so"
hatchery=$(pgrep -P "${pid_of[last]}" muster-hatcher)
start spawner bash -c "call_function spawner <<<$MARK"
eventually 10 "it was started" left
kill -STOP "$hatchery"
kill -KILL "${pid_of[last]}"
wait "${pid_of[last]}" 2>/dev/null
unset 'pid_of[last]'
eventually 10 "it is gone" none_left
eventually 10 "so is what made it" dead "$hatchery"
cancel spawner
