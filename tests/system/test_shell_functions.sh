#!/bin/bash
# Functions of task modules from the shell: functions, call, map.
. "$(dirname "$0")/lib.sh"

# The module's folder must be closed to others, whatever the umask is.
modules=$tmp/modules
mkdir -m 755 "$modules"
install -m 755 "$MUSTER_BUILD/tests/system/module.so" "$modules/module.so"
module=$modules/module.so

story "a private fleet, with no manager given"
status_of 0 muster call --module "$module" square 12
equal "result" "$out" 144
contains "told" "$err" "using a private fleet on this machine"
status_of 0 muster map --module "$module" -q square 1 2 3
equal "results" "$out" $'1\n4\n9'
equal "nothing else is said" "$err" ""
status_of 74 muster call --module "$modules/none.so" square 12
contains "which file" "$err" "none.so"

manager

story "nobody has a function"
status_of 0 muster functions
contains "advice" "$err" "muster-worker --module"
equal "JSON" "$(muster functions --json | jq -c .)" '[]'
status_of 66 muster call square 1
contains "told" "$err" "no worker has the function square"

worker w1 --cpus 2 --module "$module"

story "functions: what can be called, and where"
status_of 0 muster functions
contains "where" "$out" "w1"
equal "JSON" "$(muster functions --json | jq -r '.[] | select(.worker == "w1") | .functions[]' |
    sort)" "$(muster functions -q | sort)"
contains "names" "$(muster functions -q)" "test.echo-1"
status_of 2 muster functions more

story "call: words, bytes, large ones, named values"
status_of 0 muster call square 12
equal "result" "$out" 144
eventually 10 "its job ends as it did" job_is last succeeded
status_of 0 muster call test.echo-1 ''
equal "an empty word" "$out" ""
head -c 60000 /dev/urandom >"$tmp/bytes"
check "any bytes" cmp "$tmp/bytes" <(muster call test.echo-1 - <"$tmp/bytes")
status_of 0 muster call --named colour=green named colour
equal "named" "$out" "green of 5 bytes"
equal "JSON" "$(muster call square 3 --json)" '{"function":"square","result":"9"}'
status_of 2 muster call
status_of 2 muster call square 1 2

story "call: what went wrong arrives"
status_of 1 muster call risky crash
contains "a crash" "$err" "worker w1: risky: function risky: killed by signal 11"
status_of 1 muster call risky exit
contains "exit" "$err" "called exit(3)"
status_of 1 muster call risky fail
contains "a failure" "$err" "not a number: fail"
status_of 1 muster call risky --time-limit 200ms loop
contains "a limit" "$err" "ran longer than its limit of 200ms"
status_of 124 muster call --timeout 300ms risky loop
contains "a time-out" "$err" "call risky"

story "call: interrupted while it waits"
start slow muster call until_cancelled
eventually 10 "it runs" bash -c 'muster workers --json | jq -e ".[0].running > 0"'
kill -TERM "${pid_of[slow]}"
wait "${pid_of[slow]}"
equal "status" "$?" 130
unset 'pid_of[slow]'
eventually 10 "its call was cancelled" bash -c 'muster workers --json | jq -e ".[0].running == 0"'

story "map: words and lines, in order"
status_of 0 muster map square ::: 3 2 1
equal "words" "$out" $'9\n4\n1'
eventually 10 "its job ends as they did" job_is last succeeded
seq 20000 | muster map square >"$tmp/squares"
check "lines" cmp "$tmp/squares" <(seq 20000 | awk '{ printf "%d\n", $1 * $1 }')
status_of 0 muster map --unordered --each-line <(seq 1000) square
equal "unordered" "$(sort -n <<<"$out")" "$(seq 1000 | awk '{ print $1 * $1 }')"
printf 'a\nb\0c\0' >"$tmp/zeros"
check "separated by zero bytes" cmp "$tmp/zeros" <(muster map -0 test.echo-1 <"$tmp/zeros")
status_of 0 muster map square --each-line /dev/null
equal "nothing" "$out" ""
status_of 2 muster map square 1 --each-line /dev/null

story "map: what fails leaves no line; the others go on"
status_of 2 muster map risky 1 crash 3 fail 5
equal "the others" "$out" $'1\n9\n25'
contains "the second" "$err" "item 2: worker w1: risky: function risky: killed by signal 11"
contains "the fourth" "$err" "item 4: worker w1: risky: not a number: fail"
contains "how many" "$err" "2 calls failed"
status_of 1 muster map risky 1 fail --json
equal "JSON" "$(jq -c '[.item, .result, .error]' <<<"$out")" \
    $'[1,"1",null]\n[2,null,"worker w1: risky: not a number: fail"]'
status_of 1 muster map risky fail --unordered 2
equal "unordered" "$out" 4
status_of 66 muster map nobody 1
status_of 66 muster map square --each-line "$tmp/none"

story "map: a reader that leaves ends it"
seq 100000 | muster map square | head -n 1 >"$tmp/first"
equal "status" "${PIPESTATUS[1]}" 141
equal "the first" "$(<"$tmp/first")" 1
eventually 20 "nothing runs on" bash -c 'muster workers --json | jq -e ".[0].running == 0"'

story "map: through a worker's death"
start long bash -c 'yes 100 | head -n 30 | muster map nap'
worker w2 --cpus 2 --module "$module"
stop w1 KILL
eventually 60 "it ends" dead "${pid_of[long]}"
equal "all" "$(wc -l <"$tmp/long.out")" 30
unset 'pid_of[long]'
