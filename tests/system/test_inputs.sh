#!/bin/bash
# Where tasks come from: lines, words, numbers, standard input, what is done twice.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 2

story "100,000 lines as a stream: all there"
lines=100000
seq "$lines" | check "submit" muster submit --queue nobody --each-line - -- true >"$tmp/big" 2>/dev/null
equal "tasks" "$(muster jobs --json | jq ".[] | select(.job == $(<"$tmp/big")).tasks.total")" "$lines"
check "cancel" muster cancel "$(<"$tmp/big")"

story "results are shown while lines still come"
mkfifo "$tmp/lines"
start stream muster run --each-line "$tmp/lines" -- echo got
exec 5>"$tmp/lines"
echo one >&5
eventually 10 "the first result" grep -q 'got one' "$tmp/stream.out"
echo two >&5
eventually 10 "the second result" grep -q 'got two' "$tmp/stream.out"
exec 5>&-
eventually 10 "it ends" dead "${pid_of[stream]}"

story "lines with anything in them; -0 with newlines, too"
status_of 0 muster run -k --each-line - -- printf '[%s]' < <(printf '%s\n' 'a b' "q'uo\"te" '$HOME;`x`' '' '-n' 'ü')
equal "lines" "$out" "[a b][q'uo\"te][\$HOME;\`x\`][][-n][ü]"
status_of 0 muster run -k -0 -a - -- printf '[%s]' < <(printf 'a\nb\0c\0')
equal "with zero bytes" "$out" $'[a\nb][c]'
status_of 0 muster run -k -a - -- printf '[%s]' < <(printf 'x\ny')
equal "a last line without its end" "$out" "[x][y]"

story "no lines are no tasks and no failure"
status_of 0 muster run --each-line /dev/null -- false

story "a file that is not there"
status_of 66 muster submit --each-line "$tmp/none" -- true
contains "which" "$err" "$tmp/none"

story "each input as the standard input of its task"
status_of 0 muster run -k --input-as-stdin -- tr a-z A-Z ::: abc def
equal "output" "${out//$'\n'/}" ABCDEF

story "a standard input of 5 MB reaches every task"
seq 1 700000 >"$tmp/large"
equal "sums" "$(muster run --stdin "$tmp/large" --array 1-2 -- sh -c 'md5sum' | sort -u)" "$(md5sum <"$tmp/large")"

story "--array with a cap: never more than that at once"
mkdir "$tmp/at-once"
status_of 0 muster run --array 1-12%1 -- sh -c 'mkdir "$0/lock" || exit 1; sleep 0.02; rmdir "$0/lock"' "$tmp/at-once"
status_of 0 muster run -j 1 --array 1-12 -- sh -c 'mkdir "$0/lock" || exit 1; sleep 0.02; rmdir "$0/lock"' "$tmp/at-once"

story "--dry-run prints and runs nothing, without a manager"
status_of 0 env -u MUSTER_ADDRESS -u MUSTER_AUTHKEY_FILE muster run --dry-run -- touch "$tmp/dry {#}" ::: 1 2
contains "quoted for a shell" "$out" "'$tmp/dry 1'"
[ ! -e "$tmp/dry 1" ] || fail "it ran"

story "--dedup with lines: a repeat feeds nothing twice"
first=$(seq 100 | muster submit --dedup lines --each-line - -- echo {}) || fail "submit"
equal "again" "$(seq 100 | muster submit --dedup lines --each-line - -- echo {})" "$first"
check "wait" muster wait "$first"
equal "tasks" "$(job_field "$first" total)" 100

story "--dedup over a restart of the manager"
once=$(muster submit --dedup over -- echo once) || fail "submit"
stop manager KILL
manager
equal "again" "$(muster submit --dedup over -- echo once)" "$once"
status_of 65 muster submit --dedup over -- echo twice

story "wrong command lines are told before anything happens"
for wrong in "run" "run --nonsense -- true" "run --array 5-1 -- true" "run --cpus none -- true" \
    "run --mem 3Q -- true" "run --array 1-3 --each-line - -- true" "nonsense" "job" "wait" \
    "run --priority 1001 -- true" "run --resource gpus -- true" "run --halt 101% -- true"; do
    # shellcheck disable=SC2086
    status_of "$([[ $wrong = run* ]] && echo 125 || echo 2)" muster $wrong
    contains "$wrong: a message" "$err" "muster"
done
