#!/bin/bash
# P6, P10, P16: what happens to tasks when workers, nurseries and keepers die.
. "$(dirname "$0")/lib.sh"

manager --lease 3s
export MARK=muster-test-$$-$RANDOM

two_marked() {
    [ "$(marked)" -ge 2 ]
}

story "tasks of a worker killed with -9 run again elsewhere"
worker one --cpus 2
worker two --cpus 2
job=$(muster submit --array 1-20 -- sh -c "sleep 0.3; echo {}")
eventually 10 "it runs on one" bash -c "muster tasks $job | grep -q one"
stop one KILL
check "wait" timeout 60 muster wait "$job"
equal "every task once" "$(muster output "$job" | sort -n | tr '\n' ' ')" "$(seq 20 | tr '\n' ' ')"

story "the children of a worker killed with -9 die with it"
worker three --cpus 1 --label only=three
job=$(muster submit --label only=three -- sh -c "setsid sh -c 'sleep 600; : $MARK' & sleep 600; : $MARK")
eventually 10 "its children run" two_marked
stop three KILL
eventually 10 "no child is left" none_marked
check "cancel" muster cancel "$job"

story "a nursery killed with -9 costs its tasks one try and leaves no child"
worker four --cpus 2 --label only=four
job=$(muster submit --label only=four --array 1-4 -- sh -c "sleep 0.5; : $MARK; echo {}")
eventually 10 "it runs" pgrep -f "$MARK"
nursery=$(pgrep -P "${pid_of[four]}" | head -n 1)
kill -KILL "$nursery"
check "wait" timeout 60 muster wait "$job"
equal "every task once" "$(muster output "$job" | sort -n | tr '\n' ' ')" "1 2 3 4 "
eventually 10 "no child is left" none_marked

story "a task that kills its worker stops after its attempts, with the reason"
cat >"$tmp/poison" <<'SH'
#!/bin/sh
pkill -KILL -f -- "--name poisoned-[0-9]*"
sleep 30
SH
chmod +x "$tmp/poison"
job=$(muster submit --label only=poison -- "$tmp/poison" 2>/dev/null)
killed_or_given_up() {
    dead "${pid_of[$1]}" || job_is "$job" failed
}
for i in 1 2 3 4 5 6; do
    [ "$(job_field "$job" state)" = failed ] && break
    start "poisoned-$i" muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" \
        --name "poisoned-$i" --spool "$tmp/spool-p$i" --label only=poison --cpus 1
    eventually 20 "worker $i was killed, or the job given up" killed_or_given_up "poisoned-$i"
    kill -TERM "${pid_of[poisoned-$i]}" 2>/dev/null
    wait "${pid_of[poisoned-$i]}" 2>/dev/null
    unset "pid_of[poisoned-$i]"
done
eventually 20 "the job has failed" job_is "$job" failed
contains "the reason" "$(muster tasks "$job" --failed)" lost

story "so does one that kills the process that keeps it"
job=$(muster submit --label only=four -- sh -c 'kill -KILL $PPID; sleep 30' 2>/dev/null)
eventually 60 "it is given up" job_is "$job" failed
contains "why" "$(muster tasks "$job")" "lost 5 times with the worker that had it, or with what ran it there"
check "its worker lives" alive "${pid_of[four]}"

story "double-forked and setsid descendants end with their task"
equal "output" "$(muster run --label only=four -- sh -c "(setsid sh -c 'sleep 600; : $MARK' &) ; echo done")" "done"
eventually 5 "no descendant is left" none_marked
