#!/bin/bash
# The walk-through of the README: keys, a manager, two workers, jobs of every kind.
. "$(dirname "$0")/lib.sh"

story "key init makes a closed folder with one key per role"
check "key init" muster key init "$dir" >"$tmp/keys.out"
equal "mode of the folder" "$(stat -c %a "$dir")" 700
for file in manager.key authorized_keys worker.authkey client.authkey admin.authkey; do
    equal "mode of $file" "$(stat -c %a "$dir/$file")" 600
done

story "key init refuses to overwrite"
status_of 73 muster key init "$dir"

manager
worker one --cpus 1
worker two --cpus 1 --label disk=ssd --resource gpus=2

story "run prints what a task prints and ends with its exit code"
status_of 0 muster run -- echo hello
equal "output" "$out" hello
status_of 7 muster run -- sh -c 'echo to-err >&2; exit 7'
contains "stderr" "$err" to-err

story "inputs from the command line, in order"
status_of 0 muster run --keep-order -- echo 'n={}' ::: a b c
equal "output" "$out" $'n=a\nn=b\nn=c'

story "inputs from lines, appended without a placeholder"
status_of 0 muster run --keep-order --each-line - -- echo line < <(seq 3)
equal "output" "$out" $'line 1\nline 2\nline 3'

story "an array with a step"
status_of 0 muster run --keep-order --array 1-7:3 -- echo '{}'
equal "output" "$out" $'1\n4\n7'

story "every placeholder"
status_of 0 muster run -- echo '{} {.} {/} {//} {#}' ::: /a/b.c
equal "output" "$out" '/a/b.c /a/b b.c /a 1'

story "the number of failed tasks is the exit status"
status_of 3 muster run --array 1-5 -- sh -c 'test {} -gt 3'

story "submit prints the id; wait, output, job, tasks know it"
job=$(muster submit --name greet --array 1-3 -- echo 'hi {}') || fail "submit"
check "wait" muster wait "$job"
equal "output of one task" "$(muster output "$job.2")" "hi 2"
equal "output of all" "$(muster output "$job" | sort)" $'hi 1\nhi 2\nhi 3'
equal "state" "$(job_field "$job" state)" succeeded
contains "jobs" "$(muster jobs)" greet
contains "tasks" "$(muster tasks "$job")" succeeded

story "the same dedup key gives the same job; other content is a conflict"
first=$(muster submit --dedup once -- true)
equal "again" "$(muster submit --dedup once -- true)" "$first"
status_of 65 muster submit --dedup once -- false

story "a dependant runs after success and fails after failure"
good=$(muster submit -- true)
bad=$(muster submit -- false)
after_good=$(muster submit --after "$good" -- echo ran)
after_bad=$(muster submit --after "$bad" -- echo never)
check "wait" muster wait "$after_good"
status_of 1 muster wait "$after_bad"
contains "its reason names the job" "$(muster job "$after_bad")" "$bad"

story "labels and resources choose the worker; why explains"
equal "label" "$(muster run --label disk=ssd -- sh -c 'echo $MUSTER_CPUS' )" 1
starved=$(muster submit --resource gpus=3 -- true 2>"$tmp/warning")
contains "a warning at submission" "$(<"$tmp/warning")" gpus
contains "why" "$(muster why "$starved")" gpus
check "cancel" muster cancel "$starved"
eventually 10 "it is cancelled" job_is "$starved" cancelled

story "retry runs the failed ones again"
job=$(muster submit --array 1-2 -- sh -c "test -e $tmp/flag || test {} = 1")
status_of 1 muster wait "$job"
touch "$tmp/flag"
check "retry" muster retry "$job" --failed
check "wait" muster wait "$job"

story "a time limit ends a task"
status_of 1 muster run --timeout 0.3 --array 1-1 -- sleep 60

story "a command that does not exist is told as such"
status_of 127 muster run -- no-such-command-anywhere
contains "reason" "$err" no-such-command-anywhere

story "standard input, stderr apart, environment, cwd"
printf 'from stdin' >"$tmp/stdin"
equal "stdin" "$(muster run --stdin "$tmp/stdin" -- cat)" "from stdin"
equal "env" "$(muster run --env COLOUR=blue -- sh -c 'echo $COLOUR')" blue
equal "cwd" "$(muster run --cwd / -- pwd)" /
equal "nothing of ours leaks" "$(muster run -- sh -c 'env | grep -c AUTHKEY')" 0

story "workers, status, drain, shutdown"
contains "workers" "$(muster workers)" two
contains "status" "$(muster status)" tasks
status_of 67 muster drain two
check "drain" admin drain two
eventually 10 "two is draining or gone" bash -c "muster workers | grep two | grep -q drain || ! muster workers | grep -q two"
status_of 67 muster shutdown
check "shutdown" admin shutdown
eventually 15 "the manager has ended" dead "${pid_of[manager]}"
