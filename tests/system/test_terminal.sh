#!/bin/bash
# What people see on a terminal, and nobody else.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 2

# on_terminal COMMAND LINE: its terminal's text in $tmp/seen.
on_terminal() {
    script -qefc "stty cols 100; $1" "$tmp/seen" >/dev/null </dev/null ||
        fail "$1: status $?: $(<"$tmp/seen")"
}

# How often the bar was drawn.
bars() {
    grep -aoF ' done, ' "$tmp/seen" | wc -l
}

story "a progress bar only on a terminal"
status_of 0 muster run --bar --array 1-20 -- sh -c 'sleep 0.1'
equal "stderr" "$err" ""
on_terminal "muster run --array 1-20 -- sh -c 'sleep 0.1'"
check "there is a bar" grep -aq '/20 done, 0 failed' "$tmp/seen"
on_terminal "muster run --no-bar --array 1-20 -- sh -c 'sleep 0.1'"
equal "bars" "$(bars)" 0
on_terminal "muster -q run --array 1-20 -- sh -c 'sleep 0.1'"
equal "bars" "$(bars)" 0

# Others stand at most a tenth of a second beside it: so many at most, and one more at each end.
story "the bar is drawn ten times a second at most, also where output goes to a file"
for where in "$tmp/output" /dev/tty; do
    began=$(date +%s%N)
    on_terminal "muster run --array 1-2000 -- true; muster run --array 1-500 -- echo x >$where"
    took=$((($(date +%s%N) - began) / 100000000))
    check "$(bars) bars in $took tenths of a second" [ "$(bars)" -le $((took + 4)) ]
    check "there were some" [ "$(bars)" -gt 0 ]
done
equal "all of the output" "$(grep -c x "$tmp/output")" 500

story "what was cancelled says so once"
job=$(muster submit --delay 1h -- true)
check "cancel" muster -q cancel "$job"
contains "the task" "$(muster tasks "$job")" " cancelled"
[[ "$(muster tasks "$job")" != *"cancelled: cancelled"* ]] || fail "twice: $(muster tasks "$job")"
