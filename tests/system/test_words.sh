#!/bin/bash
# What scripts read: JSON of every command, quiet lists, completion.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null || { echo "skipped: jq is not installed"; exit 77; }
manager
worker one --cpus 2 --label disk=ssd --resource gpus=1
odd=$(printf 'tab\there "quoted" \\ \303\274 \001')
job=$(muster submit --name "$odd" --env "ODD=$odd" --array 1-3 -- sh -c 'echo "$ODD"; exit {}')
status_of 3 muster wait "$job"

story "every command speaks JSON that a parser takes"
for words in "jobs" "job $job" "tasks $job" "tasks $job --failed" "output $job" "output $job.1 --stderr" \
    "why $job" "workers" "status" "wait $job" "submit -- true" "retry $job --failed" "cancel $job" \
    "run --array 1-2 -- true" "key list $dir"; do
    # shellcheck disable=SC2086
    muster --json $words >"$tmp/json" 2>"$tmp/err"
    [ -s "$tmp/json" ] || fail "$words: no JSON; said $(<"$tmp/err")"
    check "$words" jq -e . "$tmp/json" >/dev/null
done
admin --json drain one >"$tmp/json" || fail "drain"
admin --json drain one --undo >"$tmp/json" || fail "drain --undo"

story "bytes come back through JSON as they went in"
equal "name" "$(muster job "$job" --json | jq -r .name)" "$odd"

story "-q prints ids and names alone"
equal "submit" "$(muster -q submit -- true | grep -cx '[0-9]*')" 1
equal "jobs" "$(muster -q jobs | grep -vcx '[0-9]*')" 0
equal "workers" "$(muster -q workers)" one
equal "tasks" "$(muster -q tasks "$job" | tr '\n' ' ')" "1 2 3 "

story "every command explains itself, by example"
for command in run submit wait jobs job tasks output cancel retry why workers drain status shutdown key; do
    status_of 0 muster "$command" --help
    contains "$command" "$out" "Examples:"
done

story "names with control characters do not reach the terminal"
[ "$(muster jobs | tr -d '\n' | LC_ALL=C tr -d '[:print:]\200-\377' | wc -c)" = 0 ] || fail "a control character in a table"

story "the completion of bash completes"
status_of 0 bash -c 'source <(muster completion bash); COMP_WORDS=(muster wor); COMP_CWORD=1; $(complete -p muster | sed "s/.*-F \([^ ]*\).*/\1/"); echo "${COMPREPLY[@]}"'
contains "workers" "$out" workers
