#!/bin/bash
# Shared objects from the shell: queue, lock, event, barrier, dict, object.
. "$(dirname "$0")/lib.sh"

manager --session 8s --lease 3s

# ended NAME WANTED: wait for a program that ends by itself; its exit status must be WANTED.
ended() {
    local status=0
    eventually 30 "$1 ends" dead "${pid_of[$1]}"
    wait "${pid_of[$1]}" 2>/dev/null || status=$?
    unset "pid_of[$1]"
    [ "$status" = "$2" ] || fail "$1 ended with $status, wanted $2: $(<"$tmp/$1.log")"
}

# queue_is NAME FIELD VALUE
queue_is() {
    [ "$(muster queue size "$1" --json | jq ".$2")" = "$3" ]
}

# waiting NOUN NAME N: so many wait for it.
waiting() {
    [ "$(muster object list "$1" --json | jq ".[] | select(.name == \"$2\") | .waiting")" = "$3" ]
}

story "queue: words, lines, nothing, any bytes"
status_of 0 muster queue put q one '' 'three words'
status_of 0 muster queue size q
equal "size" "$out" 3
status_of 0 muster queue get q --count 3
equal "in order" "$out" $'one\n\nthree words'
printf 'a\0b\xff\nc' | check "put lines" muster queue put q --each-line -
check "the same bytes" cmp <(muster queue get q -n 2) <(printf 'a\0b\xff\nc\n')
printf 'a\nb\0\0c\0' | check "put with zero bytes" muster queue put q --each-line - --null
check "the same bytes" cmp <(muster queue get q -n 3 -0) <(printf 'a\nb\0\0c\0')
printf '\xff\n\n' | check "put lines" muster queue put q --each-line -
muster queue get q -n 2 --json | jq -c '[.item, .item_base64]' >"$tmp/json"
equal "as JSON" "$(<"$tmp/json")" $'[null,"/w=="]\n["",null]'

story "queue: what is printed is done, as join sees it"
status_of 0 muster queue join q --timeout 0

story "queue: large items through files"
: >"$tmp/0"
head -c 1048576 /dev/urandom >"$tmp/1m"
head -c 104857600 /dev/urandom >"$tmp/100m"
for file in 0 1m 100m; do
    check "put $file" muster queue put large --file "$tmp/$file"
done
check "the same bytes" cmp <(muster queue get large -n 3) \
    <(cat "$tmp/0"; echo; cat "$tmp/1m"; echo; cat "$tmp/100m"; echo)
rm "$tmp/100m"

story "queue: a million lines"
seq 1000000 >"$tmp/million"
check "put" muster queue put lines --each-line "$tmp/million"
check "get" muster queue get lines --count 1000000 >"$tmp/lines"
check "the same, in order" cmp "$tmp/million" "$tmp/lines"
status_of 0 muster queue join lines --timeout 0

story "queue: what cannot be printed stays"
head -n 2000 "$tmp/million" | check "put" muster queue put lines --each-line -
muster queue get lines --count 2000 >/dev/full 2>"$tmp/full.err"
equal "status of a full disk, many" "$?" 74
muster queue get lines >/dev/full 2>"$tmp/full.err"
equal "status of a full disk, one" "$?" 74
contains "said" "$(<"$tmp/full.err")" "No space left on device"
status_of 0 muster queue get lines --count 2000
equal "all are there, in order" "$out" "$(head -n 2000 "$tmp/million")"

story "queue: who waits is given the next item; who is interrupted takes none"
start waiter muster queue get q
eventually 10 "it waits" waiting queue q 1
kill -TERM "${pid_of[waiter]}"
ended waiter 130
check "put" muster queue put q kept
status_of 0 muster queue get q
equal "nobody took it" "$out" kept
start waiter muster queue get q
eventually 10 "it waits" waiting queue q 1
kill -KILL "${pid_of[waiter]}"
ended waiter 137
eventually 20 "it is forgotten" waiting queue q 0
start waiter muster queue get q
eventually 10 "it waits" waiting queue q 1
check "put" muster queue put q given
ended waiter 0
equal "given" "$(<"$tmp/waiter.out")" given

story "queue: full, empty, shut down"
check "put" muster queue put small --maxsize 1 a
status_of 75 muster queue put small --timeout 0 b
contains "full" "$err" "small"
status_of 0 muster queue get small
status_of 75 muster queue get small --timeout 0
contains "empty" "$err" 'queue "small": it is empty'
check "shutdown" muster queue shutdown small
status_of 75 muster queue put small c
contains "closed" "$err" "it was shut down"

story "queue: priorities, delay, time to live"
muster queue put order --priority -1 last && muster queue put order middle &&
    muster queue put order --priority 5 first && muster queue put order --delay 1h later &&
    muster queue put order --priority 9 --ttl 1ms dropped
eventually 10 "it was dropped" queue_is order items 4
status_of 75 muster queue get order --count 4 --timeout 0
equal "in order" "$out" $'first\nmiddle\nlast'

story "queue work: what succeeded is done, what failed comes again"
seq 20 | muster queue put jobs --each-line -
status_of 0 muster queue work jobs --delay 10ms --timeout 5s --count 21 -- bash -c \
    'read -r n; echo "$n $MUSTER_ITEM_TIMES"; [ "$n.$MUSTER_ITEM_TIMES" != 7.0 ]'
equal "each once, one twice" "$(sort -n <<<"$out")" "$(for n in $(seq 20); do
    echo "$n 0"; [ "$n" = 7 ] && echo "7 1"; done)"
contains "told" "$err" "exit code 1; given back"
status_of 0 muster queue join jobs --timeout 0

story "queue work: a command that is not there ends it, and the item stays"
check "put" muster queue put jobs x
status_of 127 muster queue work jobs -- no-such-command-here
contains "told" "$err" "no-such-command-here"
status_of 126 muster queue work jobs -- /
eventually 10 "it can be had" queue_is jobs items 1

story "queue work: killed, its item goes to another, and its command is gone"
export MARK=41557$$
start killed muster queue work jobs -- bash -c 'exec sleep '"$MARK"
eventually 10 "it works" bash -c 'pgrep -fx "sleep $MARK"'
kill -KILL "${pid_of[killed]}"
ended killed 137
eventually 10 "the command is gone" none_marked
status_of 0 muster queue work jobs --count 1 -- cat
equal "the item" "$out" x

story "queue work: interrupted, its item goes back at once"
check "put" muster queue put jobs y
start stopped muster queue work jobs --delay 1ms -- bash -c 'exec sleep '"$MARK"
eventually 10 "it works" bash -c 'pgrep -fx "sleep $MARK"'
kill -TERM "${pid_of[stopped]}"
ended stopped 130
check "the command is gone" none_marked
status_of 0 muster queue get jobs
equal "the item" "$out" y

story "queue work: timeout(1), which tells it twice, is one interruption"
check "put" muster queue put jobs z
status_of 124 timeout 1 muster queue work jobs --delay 1ms -- bash -c 'exec sleep '"$MARK"
status_of 0 muster queue get jobs --timeout 1
equal "the item" "$out" z

story "queue work: ends when the queue is shut down and empty"
muster queue put jobs a b && muster queue shutdown jobs
status_of 0 muster queue work jobs -- cat
equal "items" "$out" ab

story "queue list, queues, delete"
status_of 0 muster queues -q
contains "listed" "$out" small
equal "the same" "$(muster queue list --json | jq -c .)" "$(muster queues --json | jq -c .)"
status_of 0 muster queue delete small jobs
status_of 66 muster queue size small
contains "named" "$err" 'there is no queue "small"'

# holder NAME LOCK [option...]: holds a lock until its file $tmp/NAME.go is there; its token in $tmp/NAME.out.
holder() {
    start "$1" muster lock "${@:3}" "$2" -- bash -c \
        'echo "$MUSTER_FENCING_TOKEN"; until [ -e "$1" ]; do sleep 0.05; done' "$MARK" "$tmp/$1.go"
}
holds() {
    [ -s "$tmp/$1.out" ]
}
token() {
    cat "$tmp/$1.out"
}

story "lock: one after the other, with tokens that rise"
holder h1 l
eventually 10 "held" holds h1
status_of 124 muster lock l --timeout 0 -- touch "$tmp/never"
contains "who has it" "$err" "held by client on "
check "it did not run" [ ! -e "$tmp/never" ]
holder h2 l
eventually 10 "the second waits" waiting lock l 1
holder h3 l
eventually 10 "the third waits" waiting lock l 2
touch "$tmp/h1.go"
ended h1 0
eventually 10 "the second has it" holds h2
check "a larger token" [ "$(token h2)" -gt "$(token h1)" ]

story "lock: its holder is killed, the next gets it; what the dead one ran is gone"
check "the third still waits" [ ! -s "$tmp/h3.out" ]
kill -KILL "${pid_of[h2]}"
ended h2 137
eventually 20 "the third has it" holds h3
check "a larger token" [ "$(token h3)" -gt "$(token h2)" ]
equal "one command runs" "$(marked)" 2

story "lock: through a manager that is killed and comes back"
holder h4 l
eventually 10 "the next waits" waiting lock l 1
stop manager KILL
manager --session 8s --lease 3s
check "it is still held" alive "${pid_of[h3]}"
status_of 124 muster lock l --timeout 0 -- true
touch "$tmp/h3.go"
ended h3 0
eventually 10 "the next has it" holds h4
check "a larger token" [ "$(token h4)" -gt "$(token h3)" ]

story "lock: whoever slept longer than the session loses it, and its command is stopped"
kill -STOP "${pid_of[h4]}"
status_of 0 muster lock l --timeout 30 -- true
kill -CONT "${pid_of[h4]}"
ended h4 75
contains "told" "$(<"$tmp/h4.log")" "l: the lock was lost"
check "its command is gone" none_marked

story "lock: with the manager away for most of the session's term the command is stopped"
holder h5 l
eventually 10 "held" holds h5
stop manager KILL
eventually 12 "it is stopped" dead "${pid_of[h5]}"
ended h5 75
check "its command is gone" none_marked
manager --session 8s --lease 3s

story "lock: exit codes, nesting, permits"
status_of 7 muster lock l -- sh -c 'exit 7'
status_of 75 muster lock l -- sh -c 'exit 75'
status_of 137 muster lock l -- sh -c 'kill -KILL $$'
status_of 127 muster lock l -- no-such-command-here
status_of 126 muster lock l -- /
status_of 0 muster lock a -- muster lock b -- echo nested
equal "nested" "$out" nested
status_of 0 muster lock a --timeout 0 -- true
holder p1 s --permits 2
holder p2 s --permits 2
eventually 10 "both run" holds p1
eventually 10 "both run" holds p2
status_of 124 muster lock --permits 2 s --timeout 0 -- true
kill -TERM "${pid_of[p1]}"
ended p1 130
status_of 0 muster lock --permits 2 s --timeout 10 -- true
touch "$tmp/p2.go"
ended p2 0
status_of 65 muster lock --permits 2 l -- true
contains "another noun" "$err" "is of the noun lock, not semaphore"

story "event: set, clear, waited for"
status_of 1 muster event is-set ready
status_of 124 muster event wait ready --timeout 0
start waiter muster event wait ready
eventually 10 "it waits" waiting event ready 1
check "set" muster event set ready
ended waiter 0
status_of 0 muster event is-set ready --json
equal "as JSON" "$(jq -c . <<<"$out")" '{"set":true}'
check "clear" muster event clear ready
status_of 1 muster event is-set ready

story "barrier: all come; one that dies breaks it"
status_of 66 muster barrier wait half
contains "advice" "$err" "--parties"
start b1 muster barrier wait half --parties 2
eventually 10 "it waits" waiting barrier half 1
status_of 0 muster barrier wait half
ended b1 0
equal "indexes" "$(sort -n "$tmp/b1.out" <(echo "$out"))" $'0\n1'
start b1 muster barrier wait half
eventually 10 "it waits" waiting barrier half 1
kill -KILL "${pid_of[b1]}"
ended b1 137
eventually 20 "it is broken" bash -c 'muster barrier show half --json | jq -e .broken'
status_of 75 muster barrier wait half
contains "told" "$err" "broken"
check "reset" muster barrier reset half
status_of 0 muster barrier show half
equal "mended" "$out" "0 of 2"
start b1 muster barrier wait half
eventually 10 "it waits" waiting barrier half 1
check "abort" muster barrier abort half
ended b1 75

story "dict: get, set, cas, guarded, JSON"
check "set" muster dict set d colour blue
check "set" muster dict set d 'two words' ''
status_of 0 muster dict items d
equal "items" "$out" $'colour\tblue\ntwo words\t'
equal "as JSON" "$(muster dict items d --json | jq -c .)" \
    '[{"key":"colour","value":"blue"},{"key":"two words","value":""}]'
equal "keys" "$(muster dict keys d --json | jq -c '[.[].key]')" '["colour","two words"]'
equal "len" "$(muster dict len d --json | jq .len)" 2
status_of 66 muster dict get d none
status_of 66 muster dict get nodict none
status_of 0 muster dict contains d colour
status_of 1 muster dict contains d none
status_of 0 muster dict cas d colour blue red
status_of 1 muster dict cas d colour blue green
equal "what it is" "$out" red
status_of 1 muster dict cas d colour --absent green
status_of 0 muster dict cas d leader --absent me
status_of 2 muster dict cas d colour green
status_of 0 muster lock l -- muster dict set --lock l d colour guarded
status_of 75 muster dict set --lock l --token 1 d colour stale
status_of 2 muster dict set --lock l d colour nothing
status_of 0 muster dict delete d leader
status_of 66 muster dict delete d leader
equal "only the guarded one" "$(muster dict get d colour)" guarded

story "dict: watch tells of changes as they come"
start watcher muster dict watch d --all
eventually 10 "it waits" waiting dict d 1
check "set" muster dict set d colour 1
eventually 10 "told" grep -qx colour "$tmp/watcher.out"
check "set" muster dict set d another 2
eventually 10 "told" grep -qx another "$tmp/watcher.out"
kill -TERM "${pid_of[watcher]}"
ended watcher 130
status_of 124 muster dict watch d colour --timeout 0

story "object: list and delete, by whom"
status_of 0 muster object list
contains "a lock" "$out" "free"
equal "JSON" "$(muster object list --json |
    jq -c 'map(select(.noun == "dict") | .name)')" '["d"]'
status_of 2 muster object list nothing
status_of 65 muster object delete queue d
status_of 66 muster object delete queue nothing
status_of 0 muster object delete event ready
status_of 0 muster object list event --json
equal "no event" "$(jq -c . <<<"$out")" '[]'
check "a key" muster key add "$dir" --role client --name other >"$tmp/key.out" 2>&1
kill -HUP "${pid_of[manager]}"
eventually 10 "another key" env MUSTER_AUTHKEY_FILE="$dir/other.authkey" muster dict get d colour
MUSTER_AUTHKEY_FILE=$dir/other.authkey status_of 67 muster object delete dict d
status_of 0 admin object delete dict d

story "bad words, no manager, another's key"
for words in 'queue' 'queue put' 'queue put q' 'queue get' 'queue get q more' 'queue work q' \
    'queue nothing q' 'lock' 'lock l' 'event' 'event set' 'event nothing e' 'barrier' \
    'barrier nothing b' 'dict' 'dict get d' 'dict set d k' 'dict nothing d' 'object' \
    'object delete' 'queue put q --priority 1001 x' 'lock l --timeout soon -- true' \
    'queue put .hidden x' 'lock a/b -- true' 'barrier wait b --parties 65537'; do
    # shellcheck disable=SC2086
    status_of 2 muster $words
    contains "where to read more" "$err" "--help"
done
status_of 2 muster queue put '' x
contains "no name" "$err" "is no name"
status_of 69 muster --connect tcp://127.0.0.1:1 queue list
status_of 67 muster --authkey-file "$dir/worker.authkey" lock l -- true
contains "which key" "$err" "has role worker"
