#!/bin/bash
# Functions of task modules and of programs: results, failures that stay alone, children.
. "$(dirname "$0")/lib.sh"

export PATH="$MUSTER_BUILD/tests/system:$PATH"
export MUSTER_BINDIR=$MUSTER_BUILD/worker
# The modules' folder must be closed to others, whatever the umask is.
modules=$tmp/modules
mkdir -m 755 "$modules"
install -m 755 "$MUSTER_BUILD/tests/system/module.so" "$modules/module.so"
module=$modules/module.so

# call FUNCTION [option...] <<<ITEMS: results in $out, one per line; the submission's words in $err.
call() {
    status_of 0 timeout 120 call_function "$@"
}

# column N: of $out
column() {
    cut -f "$1" <<<"$out"
}

manager

story "a function that nobody has is told at submission, and by why"
worker plain --cpus 1
call_function square </dev/null >"$tmp/nobody.out" 2>"$tmp/nobody.err"
contains "warning" "$(<"$tmp/nobody.err")" "no worker has the function square now; known: none"
start waiting bash -c 'call_function square <<<3'
eventually 10 "it waits" grep -q '^job' "$tmp/waiting.log"
waiting=$(sed -n 's/^job \([0-9]*\).*/\1/p' "$tmp/waiting.log")
contains "why" "$(muster why "$waiting")" "no worker has the function square now"
check "a command still runs there" [ "$(muster run -- echo here)" = here ]

story "a worker with the module takes it"
worker w1 --cpus 2 --module "$module"
eventually 10 "the call that waited has ended" dead "${pid_of[waiting]}"
equal "its result" "$(cut -f 4 "$tmp/waiting.out")" 9
unset 'pid_of[waiting]'
call_function cube </dev/null >"$tmp/nobody.out" 2>"$tmp/nobody.err"
contains "warning" "$(<"$tmp/nobody.err")" "no worker has the function cube now; known: "
contains "what is known" "$(<"$tmp/nobody.err")" "test.echo-1"

story "ten thousand calls, each with its own result"
call square < <(seq 1 10000)
equal "right results" "$(awk -F '\t' '$2 == "succeeded" && $4 == ($1 + 1) * ($1 + 1)' <<<"$out" | wc -l)" 10000

story "arguments and results are bytes"
call test.echo-1 < <(printf '%s\n' '' ' two  words' 'täst')
equal "echo" "$(column 4)" "$(printf '%s\n' '' ' two  words' 'täst')"
call named --named colour=green --named empty= < <(printf '%s\n' colour empty size)
equal "named values" "$(column 4)" "$(printf '%s\n' 'green of 5 bytes' ' of 0 bytes' '')"
equal "one is missing" "$(sed -n 3p <<<"$out")" $'2\texited\t1\t\tthere is no size\tlooked for size|'

story "a large argument and a large result are whole"
head -c 30000000 /dev/urandom >"$tmp/large"
check "echo" call_function test.echo-1 --single "$tmp/large" --output-bytes 40000000 \
    </dev/null >"$tmp/large.out" 2>"$tmp/large.err"
check "the same bytes" cmp "$tmp/large" "$tmp/large.out"

story "a result that is larger than what is kept is a failure, not a part"
call fill --output-bytes 100000 < <(printf '%s\n' 100000 100001)
equal "outcomes" "$(column 2)" $'succeeded\nexited'
contains "reason" "$out" "its result has 100001 bytes; the job keeps at most 100000 (output_bytes)"

story "crash, exit, overflow, loop: each fails alone, the others succeed"
harm=(crash null exit overflow loop abort fail)
for ((i = 1; i <= 200; i++)); do
    echo "$i"
    [ $((i % 25)) = 0 ] && [ -n "${harm[i / 25 - 1]:-}" ] && echo "${harm[i / 25 - 1]}"
done >"$tmp/harmful"
call risky --time-limit 500 --grace 200 <"$tmp/harmful"
equal "those that succeeded" "$(awk -F '\t' '$2 == "succeeded"' <<<"$out" | wc -l)" 200
equal "those that failed" "$(awk -F '\t' '$2 != "succeeded" { print $2, $3, $5 }' <<<"$out")" \
"signaled -11 function risky: killed by signal 11 (segmentation fault)
signaled -11 function risky: killed by signal 11 (segmentation fault)
exited 3 function risky: called exit(3)
signaled -11 function risky: killed by signal 11 (segmentation fault): its stack overflowed
timed-out -15 function risky: ran longer than its limit of 500ms
signaled -6 function risky: killed by signal 6 (aborted)
exited 1 not a number: fail"
contains "what it printed before it died" "$(grep -F "(aborted)" <<<"$out")" "last words|"
contains "what others printed" "$(sed -n 7p <<<"$out")" $'49\t\tsquaring 7|'

story "nothing that a function started outlives it"
export MARK=31557$$
call daemon_left < <(echo "$MARK")
contains "it was aborted" "$out" "signal 6"
check "its daemon is gone" none_marked

story "a function that forks and returns twice has one result"
call twin < <(seq 1 20)
equal "results" "$(column 4 | sort | uniq -c | tr -s ' ')" " 20 1"

story "a slow call does not keep others from running"
call nap < <(echo 3000; for ((i = 0; i < 300; i++)); do echo 0; done)
slow=$(head -n 1 <<<"$out" | cut -f 4)
check "others ran in another child" [ "$(cut -f 4 <<<"$out" | grep -cv "^$slow\$")" -ge 200 ]

story "a cancelled call hears of it, and one that does not is killed"
call until_cancelled --cancel-first < <(echo 1)
equal "it heard" "$out" $'0\tcancelled\t0\theard\tcancelled while it ran\t'
call risky --cancel-first --grace 100 < <(echo loop)
equal "it was killed" "$(column 2)" cancelled

story "a failing call is tried again as often as asked"
call risky --attempts 3 < <(echo exit)
equal "it failed" "$(column 2)" exited

story "a call over its memory limit is killed alone"
call hog --mem 209715200 < <(printf '%s\n' 1 400 2)
equal "outcomes" "$(column 2)" $'succeeded\nout-of-memory\nsucceeded'
contains "reason" "$out" "function hog: over its memory limit of 200.0 MiB"

story "a call that prints without end is killed alone"
call chatter < <(printf '%s\n' 1 100000 1)
equal "outcomes" "$(column 2)" $'succeeded\nsignaled\nsucceeded'
contains "reason" "$out" "function chatter: printed more than 64.0 MiB"

story "what is shown of jobs of functions and of workers that have some"
call named --named colour=green --named size=1 < <(printf '%s\n' colour none)
status_of 0 muster job last
contains "the function" "$out" $'\n  function    named\n  named       colour, size\n'
[[ "$out" != *"  command "* ]] || fail "it has no command: $out"
equal "as JSON" "$(muster job last --json | jq -c '[.name, .function, .named, .command]')" '["named","named",["colour","size"],[]]'
contains "its name in the list" "$(muster jobs --max 1)" "named"
contains "its tasks" "$(muster tasks last)" "there is no none"
contains "why" "$(muster why last)" "it has ended: failed"
muster wait last --joblog "$tmp/joblog" -q
equal "in a log of jobs" "$(cut -f 9 "$tmp/joblog" | tail -n 1)" named
contains "what the worker offers" "$(muster workers)" " functions="
equal "as JSON" "$(muster workers --json | jq -c '.[] | select(.name == "w1").functions | contains(["square", "test.echo-1"])')" true
equal "of a worker without" "$(muster workers --json | jq -c '.[] | select(.name == "plain").functions')" "[]"
stop w1

story "Pool(maxtasksperchild): children are recycled after so many calls"
worker w2 --cpus 1 --module "$module" --max-tasks-per-child 10
call who < <(seq 1 100)
equal "pids" "$(column 4 | cut -d ' ' -f 1 | sort -u | wc -l)" 10
equal "calls in each" "$(column 4 | awk '{ print $4 }' | sort -n | uniq -c | awk '{ print $1 }' | sort -u)" 10
read -r pid starts hooked _ <<<"$(column 4 | tail -n 1)"
equal "forkserver is the default: the hooks ran once, in the child" "$starts $hooked" "1 $pid"
stop w2

story "start methods forkserver, fork, spawn: where the initializers ran; an unknown one is refused when the worker starts"
for method in forkserver fork spawn; do
    worker "w-$method" --cpus 1 --module "$module" --start-method "$method"
    call who < <(seq 1 5)
    read -r pid starts hooked _ name <<<"$(column 4 | tail -n 1)"
    equal "$method: the hooks ran once" "$starts" 1
    equal "$method: the worker's name" "$name" "w-$method"
    if [ "$method" = fork ]; then
        check "fork: they ran before the child was made" [ "$pid" != "$hooked" ]
    else
        equal "$method: they ran in the child" "$pid" "$hooked"
    fi
    call risky < <(printf '%s\n' crash 4)
    equal "$method: a crash stays alone" "$(column 4)" $'\n16'
    stop "w-$method"
done
status_of 2 muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" \
    --module "$module" --start-method thread
contains "another method" "$err" "start-method"

story "modules that are not safe, or none, are refused"
refused() {
    local wanted=$1
    shift
    status_of "$wanted" muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" "$@"
}
chmod g+w "$module"
refused 67 --module "$module"
contains "writable by the group" "$err" "can be written by others than its owner; chmod go-w it"
chmod g-w "$module"
mkdir -m 777 "$tmp/open"
chmod 777 "$tmp/open"
cp "$module" "$tmp/open/"
refused 67 --module "$tmp/open/module.so"
contains "in an open folder" "$err" "the module's folder $tmp/open can be written by others"
refused 66 --module "$modules/none.so"
contains "no file" "$err" "none.so"
echo "int x;" >"$tmp/none.c"
cc -shared -fPIC -o "$modules/none.so" "$tmp/none.c"
refused 2 --module "$modules/none.so"
contains "no module" "$err" "is no task module"
cat >"$tmp/crash.c" <<'END'
#include <stdlib.h>
#include <muster/function.h>
MUSTER_FUNCTION(never) { (void)call; }
__attribute__((constructor)) static void crash(void) { abort(); }
END
cc -shared -fPIC -I "$MUSTER_SOURCE/libshared/include" -o "$modules/crash.so" "$tmp/crash.c"
refused 74 --module "$modules/crash.so"
contains "a constructor that crashes" "$err" "crash.so: killed by signal 6 (Aborted) while it was loaded"

story "children that load modules themselves look at them, too"
worker careful --cpus 1 --module "$module" --start-method spawn
chmod o+w "$modules"
start seen bash -c 'call_function who <<<1'
eventually 10 "it waits" grep -q '^job' "$tmp/seen.log"
eventually 10 "why" bash -c "muster why \"\$(sed -n 's/^job \([0-9]*\).*/\1/p' '$tmp/seen.log')\" |
    grep -F \"it could not start tasks just now: the module's folder $modules can be written by others\""
chmod o-w "$modules"
eventually 20 "it has ended" dead "${pid_of[seen]}"
unset 'pid_of[seen]'
equal "its outcome" "$(cut -f 2 "$tmp/seen.out")" succeeded
stop careful

story "start hooks that fail or take for ever: why tells, the calls wait unpunished"
cat >"$tmp/hooked.c" <<'END'
#include <muster/function.h>
#include <poll.h>
#include <unistd.h>
MUSTER_CHILD_START(open_tables)
{
    if (access(TABLES ".slow", F_OK) == 0)
        poll(NULL, 0, 100000);
    if (access(TABLES, F_OK) != 0)
        muster_call_fail(call, "no table in %s", TABLES);
}
MUSTER_FUNCTION(hooked) { muster_call_print(call, "%u", call->attempt); }
END
cc -shared -fPIC -I "$MUSTER_SOURCE/libshared/include" "-DTABLES=\"$tmp/tables\"" \
    -o "$modules/hooked.so" "$tmp/hooked.c"
refused 2 --module "$modules/hooked.so" --start-limit 0s
contains "a limit of nothing" "$err" "--start-limit"
worker hooked --cpus 1 --module "$modules/hooked.so" --start-limit 300ms
start hooks bash -c 'call_function hooked <<<1'
eventually 10 "it waits" grep -q '^job' "$tmp/hooks.log"
hooks=$(sed -n 's/^job \([0-9]*\).*/\1/p' "$tmp/hooks.log")
why_says() {
    [[ "$(muster why "$hooks")" == *"would fit on hooked, but it could not start tasks just now: $1"* ]]
}
eventually 10 "the hook's text" why_says "open_tables: no table in $tmp/tables"
touch "$tmp/tables.slow"
eventually 10 "it takes for ever" why_says "the start hooks of a child still ran after 300ms; it was killed"
rm "$tmp/tables.slow"
touch "$tmp/tables"
eventually 10 "it has ended" dead "${pid_of[hooks]}"
equal "its first attempt" "$(cut -f 2,4 "$tmp/hooks.out")" $'succeeded\t1'
unset 'pid_of[hooks]'
stop hooked

story "a module in C++, and two modules at once"
if command -v c++ >/dev/null; then
    cat >"$tmp/plus.cc" <<'END'
#include <string>
#include <stdexcept>
#include <muster/function.h>
MUSTER_FUNCTION(reverse)
{
    std::string text(muster_call_text(call));
    std::string back(text.rbegin(), text.rend());

    muster_call_return(call, back.data(), back.size());
}
MUSTER_FUNCTION(thrower) { throw std::runtime_error(muster_call_text(call)); }
END
    c++ -Wall -Wextra -Werror -shared -fPIC -I "$MUSTER_SOURCE/libshared/include" \
        -o "$modules/plus.so" "$tmp/plus.cc"
    worker plus --cpus 1 --module "$module" --module "$modules/plus.so"
    call reverse < <(echo abc)
    equal "reversed" "$(column 4)" cba
    call thrower < <(echo "out of luck")
    contains "an exception" "$out" "killed by signal 6"
    contains "and its text" "$out" "out of luck"
    stop plus
fi

story "a worker whose children's maker is killed starts anew"
worker w3 --cpus 1 --module "$module"
hatchery=$(pgrep -P "${pid_of[w3]}" muster-hatcher)
start long bash -c 'call_function nap <<<2000'
eventually 10 "it runs" grep -q '^job' "$tmp/long.log"
kill -KILL "$hatchery"
eventually 20 "the call is done again" dead "${pid_of[long]}"
equal "its outcome" "$(cut -f 2 "$tmp/long.out")" succeeded
unset 'pid_of[long]'
stop w3
equal "it ends as asked" "$stopped" 0
stop plain

story "run overridden in a subclass: a program serves functions of its own, and its worker ends with it"
export MUSTER_AUTHKEY_FILE=$dir/worker.authkey
start server server 3 --name served --cpus 2 --spool "$tmp/spool-served"
eventually 20 "it has joined" grep -q 'joined ' "$tmp/server.log"
export MUSTER_AUTHKEY_FILE=$dir/client.authkey
call power < <(seq 1 1000)
equal "right results" "$(awk -F '\t' '$4 == ($1 + 1) ^ 3 " 1"' <<<"$out" | wc -l)" 1000
call leave < <(echo 1)
contains "exit" "$out" "called exit(7)"
kill -KILL "$(pgrep -P "$(pgrep -P "${pid_of[server]}" muster-worker)" muster-nursery)"
joined_twice() {
    [ "$(grep -c 'joined ' "$tmp/server.log")" = 2 ]
}
eventually 20 "its worker starts anew" joined_twice
call power < <(seq 1 10)
equal "it serves again" "$(column 4 | tail -n 1)" "1000 1"
stop server
equal "told to end it ends" "$stopped" 0
MUSTER_AUTHKEY_FILE=$dir/worker.authkey start server server 3 --name served2 \
    --spool "$tmp/spool-served2"
eventually 20 "it has joined" grep -q 'as served2' "$tmp/server.log"
kill -KILL "${pid_of[server]}"
wait "${pid_of[server]}" 2>/dev/null
unset 'pid_of[server]'
nothing_of_served2() {
    ! pgrep -f served2 >/dev/null
}
eventually 20 "its worker is gone" nothing_of_served2
