#!/bin/bash
# Functions while managers and workers die, sleep and drain, and at the limits of what they take.
. "$(dirname "$0")/lib.sh"

export PATH="$MUSTER_BUILD/tests/system:$PATH"
# Another user must find the modules, too.
chmod 711 "$tmp"
modules=$tmp/modules
mkdir -m 755 "$modules"
install -m 755 "$MUSTER_BUILD/tests/system/module.so" "$modules/module.so"
module=$modules/module.so

# Calls that were started as NAME: how many of them have succeeded.
succeeded() {
    muster job "$(sed -n 's/^job \([0-9]*\).*/\1/p' "$tmp/$1.log")" --json | jq .tasks.succeeded
}

more_than() {
    [ "$(succeeded "$1")" -gt "$2" ]
}

# ended NAME SECONDS: calls that were started so have their results, in $tmp/NAME.out.
ended() {
    eventually "$2" "$1 has ended" dead "${pid_of[$1]}"
    unset "pid_of[$1]"
}

# squares NAME FIELDS: results of slow_square, each once and right; their attempts.
squares() {
    equal "$1: right results, each once" \
        "$(awk -F '\t' '$2 == "succeeded" { split($4, a, " "); print $1 + 1, a[1] }' "$tmp/$1.out")" \
        "$(seq 1 "$2" | awk '{ print $1, $1 * $1 }')"
}

attempts() {
    awk -F '\t' '{ split($4, a, " "); print a[2] }' "$tmp/$1.out" | sort -nu | tr '\n' ' '
}

manager

story "a manager that is killed amid ten thousand calls: each has its result, once"
worker one --cpus 2 --module "$module"
start many bash -c 'seq 1 10000 | call_function slow_square'
for share in 1000 4000 7000; do
    eventually 60 "some have ended" more_than many "$share"
    stop manager KILL
    manager
done
ended many 120
squares many 10000
equal "none ran a second time" "$(attempts many)" "1 "
stop one

story "a worker drains with calls that run and calls that were leased ahead: none is punished"
worker leaving --cpus 2 --module "$module"
start drained bash -c 'seq 1 3000 | call_function slow_square'
eventually 60 "some have ended" more_than drained 300
worker staying --cpus 2 --module "$module"
stop leaving
equal "it ends as asked" "$stopped" 0
ended drained 60
squares drained 3000
equal "all in their first attempt" "$(attempts drained)" "1 "
stop staying

story "a worker that sleeps for longer than its lease: its calls run elsewhere, its own results are refused"
worker asleep --cpus 3 --module "$module"
start naps bash -c 'printf "%s\n" 12000 12000 | call_function nap'
start slept bash -c 'seq 1 5000 | call_function slow_square'
eventually 60 "some have ended" more_than slept 300
kill -STOP "${pid_of[asleep]}"
worker awake --cpus 3 --module "$module"
ended slept 60
kill -CONT "${pid_of[asleep]}"
squares slept 5000
equal "those that it had were tried again" "$(attempts slept)" "1 2 "
ended naps 60
equal "the others" "$(cut -f 2 "$tmp/naps.out")" $'succeeded\nsucceeded'
stop awake
start again bash -c 'seq 1 100 | call_function slow_square'
ended again 30
squares again 100
stop asleep

story "more children than a machine word has bits"
worker wide --cpus 80 --module "$module"
start wide_calls bash -c 'yes 2000 | head -n 80 | call_function nap'
ended wide_calls 30
equal "each in a child of its own" "$(cut -f 4 "$tmp/wide_calls.out" | sort -u | wc -l)" 80
stop wide

story "the largest argument, and the largest result"
worker large --cpus 1 --module "$module" --output-max 255M
head -c $((64 << 20)) /dev/urandom >"$tmp/large"
check "echo" call_function test.echo-1 --single "$tmp/large" --output-bytes 100000000 \
    </dev/null >"$tmp/large.out" 2>"$tmp/large.err"
check "64 MiB come back" cmp "$tmp/large" "$tmp/large.out"
echo >>"$tmp/large"
status_of 1 call_function test.echo-1 --single "$tmp/large" </dev/null
contains "one byte more" "$err" "TOO_LARGE"
rm "$tmp/large" "$tmp/large.out"
# Sanitized, it takes longer than a lease to send so much while heartbeats wait behind it.
result=$((255 << 20))
grep -q '^MUSTER_SANITIZE:[A-Z]*=ON' "$MUSTER_BUILD/CMakeCache.txt" && result=$((64 << 20))
printf '%s' "$result" >"$tmp/bytes"
call_function fill --single "$tmp/bytes" --output-bytes "$result" </dev/null 2>"$tmp/fill.err" |
    sha256sum >"$tmp/fill.sum"
equal "$result bytes" "$(<"$tmp/fill.sum")" \
    "$(yes abcdefghijklmnopqrstuvwxyz | tr -d '\n' | head -c "$result" | sha256sum)"
status_of 0 call_function fill --output-bytes $((255 << 20)) < <(echo $(((255 << 20) + 1)))
contains "one byte more" "$out" "its result has 267386881 bytes; the job keeps at most 267386880 (output_bytes)"
status_of 0 call_function fill < <(echo $(((256 << 20) + 1)))
contains "more than any job keeps" "$out" "its result is larger than 256 MiB"
stop large

if [ "$(id -u)" = 0 ]; then
    story "children of --task-user are someone else, and cannot reach the worker or read its key"
    for method in forkserver fork spawn; do
        worker "user-$method" --cpus 1 --module "$module" --task-user nobody --scratch /tmp \
            --start-method "$method"
        status_of 0 call_function reach --named "worker=${pid_of[user-$method]}" \
            < <(echo "$dir/worker.authkey")
        equal "$method" "$(cut -f 4 <<<"$out")" \
            "$(id -u nobody) $(id -g nobody) Permission denied, Operation not permitted, Operation not permitted"
        hatchery=$(pgrep -P "${pid_of[user-$method]}" muster-hatcher)
        equal "$method: so is what makes them" "$(stat -c %U "/proc/$hatchery")" nobody
        stop "user-$method"
    done
fi
