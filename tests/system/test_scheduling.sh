#!/bin/bash
# Which task runs where and when, and how people ask and interfere.
. "$(dirname "$0")/lib.sh"

manager
worker one --cpus 1
worker two --cpus 2 --queue special --resource gpus=2 --label disk=ssd

# busy: a job that holds worker one until $tmp/free is there.
busy() {
    rm -f "$tmp/free"
    blocker=$(muster submit -- sh -c 'until [ -e "$0" ]; do sleep 0.05; done' "$tmp/free")
    eventually 10 "one is busy" job_is "$blocker" running
}

story "priority goes before age"
busy
low=$(muster submit --priority -5 -- sh -c 'echo low >>"$0"' "$tmp/order")
plain=$(muster submit -- sh -c 'echo plain >>"$0"' "$tmp/order")
high=$(muster submit --priority 10 -- sh -c 'echo high >>"$0"' "$tmp/order")
contains "why says what it waits for" "$(muster why "$low")" "would fit on one, but it is busy"
touch "$tmp/free"
check "wait" muster -q wait "$low" "$plain" "$high"
equal "order" "$(tr '\n' ' ' <"$tmp/order")" "high plain low "

story "queues: only who serves it gets it"
equal "the worker" "$(muster run --json --queue special -- true | jq -r .worker)" two
status_of 0 muster run --array 1-4 --json -- true
equal "default goes to one" "$(jq -r .worker <<<"$out" | sort -u)" one

story "named resources are not given twice"
mkdir "$tmp/gpus"
status_of 0 muster run --queue special --resource gpus=2 --cpus 0.1 --array 1-6 -- \
    sh -c 'mkdir "$0/lock" || exit 1; sleep 0.02; rmdir "$0/lock"' "$tmp/gpus"

story "a part of a processor"
status_of 0 muster run --queue special --cpus 0.25 --array 1-8 -- sh -c \
    'touch "$0/{}"; i=0; until [ "$(ls "$0" | wc -l)" -ge 8 ] || [ $i = 100 ]; do i=$((i + 1)); sleep 0.1; done; [ $i != 100 ]' "$tmp/gpus"

story "why names what is missing and who could"
declare -A missing=(["--resource gpus=3"]="gpus=3" ["--label disk=tape"]="disk=tape" ["--queue none"]="queue none"
    ["--cpus 64"]="64 cpus" ["--mem 900T"]="memory")
for option in "${!missing[@]}"; do
    queue=--queue=special
    [[ $option = --queue* ]] && queue=
    # shellcheck disable=SC2086
    job=$(muster submit $queue $option -- true 2>"$tmp/warning") || fail "submit $option"
    contains "warning for $option" "$(<"$tmp/warning")" "${missing[$option]}"
    contains "why for $option" "$(muster why "$job")" "${missing[$option]}"
    check "cancel" muster -q cancel "$job"
done
busy
after=$(muster submit --after "$blocker" -- true)
contains "a dependency" "$(muster why "$after")" "job $blocker"
capped=$(muster submit --queue special -j 1 --array 1-2 -- sh -c 'until [ -e "$0" ]; do sleep 0.05; done' "$tmp/free")
eventually 10 "one of two runs" job_is "$capped" running
contains "a cap" "$(muster why "$capped")" "1"
delayed=$(muster submit --queue special --delay 1h -- true)
contains "a delay" "$(muster why "$delayed")" delay
contains "who could" "$(muster why "$delayed")" two
touch "$tmp/free"
check "wait" muster -q wait "$after" "$capped"
check "cancel" muster -q cancel "$delayed"
contains "nothing keeps what has ended" "$(muster why "$after")" succeeded

story "--delay holds a job back and then lets it go"
began=$(date +%s%N)
status_of 0 muster run --delay 0.5 -- true
[ $(($(date +%s%N) - began)) -ge 500000000 ] || fail "it ran too early"

story "--retries tries again; attempts are counted and seen by the task"
status_of 0 muster run --retries 2 -- sh -c '[ "$MUSTER_ATTEMPT" = 3 ] && echo "$MUSTER_ATTEMPT"'
equal "output of the last" "$out" 3
equal "attempts" "$(muster tasks last --json | jq '.[0].attempt')" 3

story "--halt stops a job at so many failures, or such a share"
status_of 2 muster run --halt 2 -j 1 --array 1-20 -- false
equal "tasks that ran" "$(job_field last failed)" 2
contains "the reason" "$(muster job last)" "halted"
status_of 5 muster run --halt 25% -j 1 --array 1-20 -- false

story "cancel of some tasks; of all; twice"
busy
job=$(muster submit --array 1-10 -- true)
check "some" muster cancel "$job.2-4,9"
equal "so many" "$(job_field "$job" cancelled)" 4
check "again" muster cancel "$job.2-4"
touch "$tmp/free"
status_of 130 muster wait "$job"
equal "the others ran" "$(job_field "$job" succeeded)" 6
job=$(muster submit --grace 0.2 -- sh -c 'trap "" TERM; echo up >"$0"; while :; do sleep 0.05; done' "$tmp/stubborn")
eventually 10 "it runs" test -s "$tmp/stubborn"
check "one that ignores SIGTERM" muster cancel "$job"
status_of 130 timeout 10 muster wait "$job"

story "wait gives up after --timeout, and the job goes on"
busy
status_of 124 muster wait --timeout 0.2 "$blocker"
check "it goes on" job_is "$blocker" running
touch "$tmp/free"
status_of 0 timeout 20 muster wait all

story "jobs share a cap: one at a time of both, in turns, though two workers are free"
rm -f "$tmp/turn"
first=$(muster submit --jobs 1 --name first -- sh -c 'until [ -e "$0" ]; do sleep 0.05; done' "$tmp/turn")
second=$(muster submit --jobs-with last --queue special -- true)
eventually 10 "the first runs" job_is "$first" running
contains "why the second waits" "$(muster why "$second")" "of the jobs that share its cap"
contains "muster job shows it" "$(muster job "$second")" "at most 1 at once with job $first"
equal "and --json" "$(job_field "$second" cap_with)" "$first"
status_of 2 muster submit --jobs 3 --jobs-with "$first" -- true
contains "another number" "$err" "the cap of job $first is 1"
status_of 66 muster submit --jobs-with 999999 -- true
: >"$tmp/turn"
check "both end" timeout 20 muster -q wait "$first" "$second"

story "retry of some, whatever became of them"
job=$(muster submit --array 1-3 -- sh -c 'echo {} >>"$0"' "$tmp/again")
check "wait" muster -q wait "$job"
check "retry" muster -q retry "$job.2"
check "wait" muster -q wait "$job"
equal "ran" "$(sort "$tmp/again" | tr '\n' ' ')" "1 2 2 3 "

story "a worker that drains takes nothing; undone it does again"
check "drain" admin drain two
job=$(muster submit --queue special -- true 2>/dev/null)
eventually 10 "why says so" bash -c "muster why $job | grep -qi drain"
check "undo" admin drain two --undo
check "it runs" timeout 20 muster -q wait "$job"

story "three clients at once get what is theirs"
for name in a b c; do
    check "key" muster key add "$dir" --role client --name "$name" >/dev/null
done
kill -HUP "${pid_of[manager]}"
eventually 5 "they are known" env MUSTER_AUTHKEY_FILE="$dir/c.authkey" muster jobs
for name in a b c; do
    start "client-$name" env MUSTER_AUTHKEY_FILE="$dir/$name.authkey" muster run --array 1-50 -- sh -c "echo $name"
done
for name in a b c; do
    eventually 30 "client $name ended" dead "${pid_of[client-$name]}"
    equal "output of $name" "$(sort "$tmp/client-$name.out" | uniq -c | tr -d ' ')" "50$name"
    equal "jobs of $name" "$(MUSTER_AUTHKEY_FILE=$dir/$name.authkey muster jobs -q | wc -l)" 1
done
