#!/bin/bash
# What tasks write: streams apart, live, in order, tagged, logged, cut, large.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 2

story "stdout and stderr of a task stay apart, also afterwards"
status_of 0 muster run -- sh -c 'echo to-out; echo to-err >&2'
equal "stdout" "$out" to-out
equal "stderr" "$err" to-err
equal "output" "$(muster output last)" to-out
equal "output --stderr" "$(muster output --stderr last)" to-err

story "--keep-order shows outputs in the order of the inputs, whoever ends first"
status_of 0 muster run -k -- sh -c 'until [ {} = 2 ] || [ -e "$0" ]; do sleep 0.05; done; touch "$0"; echo {}' "$tmp/second" ::: 1 2
equal "output" "$out" $'1\n2'

story "without it they come as tasks end, each whole"
status_of 0 muster run -- sh -c 'until [ {} = 2 ] || [ -e "$0" ]; do sleep 0.05; done; echo {}; echo {}; touch "$0"' "$tmp/first" ::: 1 2
equal "output" "$out" $'2\n2\n1\n1'

story "--tag begins each line with its input"
status_of 0 muster run -k --tag -- printf 'x\ny\n' ::: a b
equal "output" "$out" $'a\tx\na\ty\nb\tx\nb\ty'

story "--joblog has the columns of GNU parallel"
status_of 2 muster run --joblog "$tmp/joblog" -- sh -c 'exit {}' ::: 0 3 4
equal "columns" "$(head -n 1 "$tmp/joblog")" $'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand'
equal "exit codes by number" "$(tail -n +2 "$tmp/joblog" | sort -n | cut -f 1,7 | tr '\t\n' '= ')" "1=0 2=3 3=4 "
contains "the command" "$(<"$tmp/joblog")" "sh -c 'exit 3'"
status_of 137 muster run --joblog "$tmp/joblog2" -- sh -c 'kill -9 $$'
equal "a signal" "$(tail -n 1 "$tmp/joblog2" | cut -f 8)" 9
status_of 2 muster wait --joblog "$tmp/joblog3" "$(muster jobs -q | sed -n 2p)"
equal "the same afterwards" "$(wc -l <"$tmp/joblog3")" 4

story "output --follow shows a task's output while it runs"
job=$(muster submit -- sh -c 'echo early; until [ -e "$0" ]; do sleep 0.05; done; echo late' "$tmp/finish")
eventually 10 "it runs" job_is "$job" running
start follow muster output --follow "$job.1"
eventually 10 "the early line is seen" grep -q early "$tmp/follow.out"
equal "and not the late one" "$(<"$tmp/follow.out")" early
start follow-all muster output --follow "$job"
touch "$tmp/finish"
eventually 10 "the follower ends" dead "${pid_of[follow]}"
eventually 10 "the follower of the job ends" dead "${pid_of[follow-all]}"
equal "all of it, once" "$(<"$tmp/follow.out")" $'early\nlate'
equal "also for the job" "$(<"$tmp/follow-all.out")" $'early\nlate'

story "a longer output keeps head and tail and says what was cut"
status_of 0 muster run --output-max 4k -- seq 1 5000
equal "head" "$(head -n 1 "$tmp/out")" 1
equal "tail" "$(tail -n 1 "$tmp/out")" 5000
contains "the mark" "$out" "bytes cut"
[ "$(wc -c <"$tmp/out")" -le 4400 ] || fail "more was kept: $(wc -c <"$tmp/out")"
muster wait "$(muster submit -- seq 1 300000)"
muster output last >"$tmp/out"
contains "1 MiB unless asked" "$(<"$tmp/out")" "bytes cut"
[ "$(wc -c <"$tmp/out")" -le $((1100 * 1024)) ] || fail "more was kept: $(wc -c <"$tmp/out")"

story "50 MB come through run and output unharmed"
sum=$(seq 1 6500000 | md5sum)
equal "run" "$(muster run -- seq 1 6500000 | md5sum)" "$sum"
equal "output" "$(muster output last | md5sum)" "$sum"
size=300000000
equal "300 MB" "$(muster run -- head -c $size /dev/zero | md5sum)" "$(head -c $size /dev/zero | md5sum)"

story "bytes that are no text, and no newline at the end"
printf '\0\377\200x' >"$tmp/bytes"
muster run --stdin "$tmp/bytes" -- cat >"$tmp/back"
check "the same bytes" cmp "$tmp/bytes" "$tmp/back"

story "a closed standard output ends run with 141 and no complaint"
muster run --array 1-200 -- sh -c "seq 1000" 2>"$tmp/err" | head -n 1 >/dev/null
equal "status" "${PIPESTATUS[0]}" 141
