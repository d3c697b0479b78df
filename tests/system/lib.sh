# lib.sh - what every system test stands on: a fleet of real processes
#
# Sourced.  Gives each test a temporary directory, programs in PATH, and a trap
# that ends every process it started, whatever happens.  A test says what it
# checks with `story "..."`; the first check that fails ends it with the logs.
#
# Conditions are waited for with `eventually`, never slept for.
set -uo pipefail

: "${MUSTER_BUILD:?the build directory}"
export PATH="$MUSTER_BUILD/libshared/cli:$MUSTER_BUILD/manager:$MUSTER_BUILD/worker:$PATH"
export LC_ALL=C.UTF-8
unset MUSTER_ADDRESS MUSTER_AUTHKEY_FILE

tmp=$(mktemp -d "${TMPDIR:-/tmp}/muster-test.XXXXXX")
# What a killed program leaves goes with the test.
mkdir "$tmp/tmp"
export TMPDIR=$tmp/tmp
# What a killed worker could not remove goes with the rest.
export TMPDIR=$tmp
stories=0
declare -A pid_of=()

nobody_left() {
    for ((try = 0; try < 100; try++)); do
        pgrep -f "$tmp" >/dev/null || return 0
        read -r -t 0.05 <> <(:) || :
    done
    return 1
}

cleanup() {
    local status=$?
    trap - EXIT
    for pid in "${pid_of[@]}"; do
        kill -CONT "$pid" 2>/dev/null
        kill -TERM "$pid" 2>/dev/null
    done
    for pid in "${pid_of[@]}"; do
        timeout 15 tail -s 0.05 --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if [ "$status" = 0 ] && ! nobody_left; then
        pgrep -fa "$tmp" >&2
        echo "these were left behind" >&2
        status=1
    fi
    if [ "$status" = 0 ] && grep -lE 'Sanitizer:|runtime error:' "$tmp"/*.log "$tmp"/*.err 2>/dev/null; then
        grep -hE -A 20 'Sanitizer:|runtime error:' "$tmp"/*.log "$tmp"/*.err >&2
        status=1
    fi
    declare -F test_cleanup >/dev/null && test_cleanup
    rm -rf "$tmp"
    [ "$status" = 0 ] && echo "$stories passed, 0 failed"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 143' INT TERM

story() {
    stories=$((stories + 1))
    printf '[ RUN  ] %s\n' "$*"
}

fail() {
    printf '[ FAIL ] %s\n' "$*" >&2
    for log in "$tmp"/*.log; do
        [ -f "$log" ] && { printf -- '--- %s\n' "${log##*/}"; tail -n 25 "$log"; } >&2
    done
    exit 1
}

# check DESCRIPTION COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    "$@" || fail "$what: $* gave status $?"
}

# equal WHAT GOT WANTED
equal() {
    [ "$2" = "$3" ] || fail "$1: got '$2', wanted '$3'"
}

# contains WHAT TEXT PART
contains() {
    [[ "$2" == *"$3"* ]] || fail "$1: '$3' is not in: $2"
}

# status_of WANTED COMMAND...: runs it, output in $out and $err; exit status must be WANTED.
status_of() {
    local wanted=$1 got=0
    shift
    "$@" >"$tmp/out" 2>"$tmp/err" || got=$?
    out=$(<"$tmp/out")
    err=$(<"$tmp/err")
    [ "$got" = "$wanted" ] || fail "$*: status $got, wanted $wanted; said: $err"
}

# needs PROGRAM...: without one of them this test is skipped, saying so.
needs() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            echo "skipped: there is no $program here"
            exit 77
        }
    done
}

# eventually SECONDS DESCRIPTION COMMAND...: try until it succeeds.
eventually() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "not in time: $what"
        read -r -t 0.05 <> <(:) || :
    done
}

alive() {
    kill -0 "$1" 2>/dev/null && [[ "$(ps -o stat= -p "$1")" != Z* ]]
}

dead() {
    ! alive "$1"
}

# Processes with $MARK in their arguments: tasks are given it, this script has it in its environment.
marked() {
    pgrep -fc "$MARK"
}

none_marked() {
    [ "$(marked)" = 0 ]
}

# start NAME COMMAND...: in the background, its stderr in $tmp/NAME.log, its pid in ${pid_of[NAME]}.
start() {
    local name=$1
    shift
    "$@" >"$tmp/$name.out" 2>>"$tmp/$name.log" &
    pid_of[$name]=$!
}

# stop NAME [SIGNAL]: and wait for its end; the exit status is in $stopped.
stop() {
    kill "-${2:-TERM}" "${pid_of[$1]}" 2>/dev/null
    stopped=0
    wait "${pid_of[$1]}" 2>/dev/null || stopped=$?
    unset "pid_of[$1]"
}

ready_count() {
    grep -c 'ready on' "$tmp/$1.log" 2>/dev/null || :
}

# manager [option...]: started in $dir (made on the first call); the same address again after a restart.
dir=$tmp/manager
manager() {
    local before
    [ -d "$dir" ] || check "make keys" muster key init "$dir" >"$tmp/keys.out"
    before=$(ready_count manager)
    start manager muster-manager --dir "$dir" --listen "${address:-tcp://127.0.0.1:*}" "$@"
    eventually 30 "the manager is ready or has ended" manager_settled "$((${before:-0} + 1))"
    check "the manager is ready" alive "${pid_of[manager]}"
    address=$(sed -n 's/.*ready on \([^ ,]*\),.*/\1/p' "$tmp/manager.log" | tail -n 1)
    export MUSTER_ADDRESS=$address MUSTER_AUTHKEY_FILE=$dir/client.authkey
}

manager_settled() {
    [ "$(ready_count manager)" -ge "$1" ] || dead "${pid_of[manager]}"
}

# worker NAME [option...]
worker() {
    local name=$1
    shift
    start "$name" muster-worker --connect "$address" --authkey-file "$dir/worker.authkey" \
        --name "$name" --spool "$tmp/spool-$name" "$@"
    eventually 30 "worker $name is ready" grep -q 'joined ' "$tmp/$name.log"
}

admin() {
    MUSTER_AUTHKEY_FILE=$dir/admin.authkey muster "$@"
}

# job_field JOB FIELD: from --json.
job_field() {
    muster job "$1" --json | tr -d ' \n' | sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

job_is() {
    [ "$(job_field "$1" state)" = "$2" ]
}
