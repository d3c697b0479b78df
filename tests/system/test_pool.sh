# test_pool.sh - processes, pools, futures and private fleets keep their promises
#
# The cases are in pool_*.c; `pool --list` names them.  Here are those in which a
# manager, a worker or a program dies.
. "${MUSTER_SOURCE:?}/tests/system/lib.sh"

pool=$MUSTER_BUILD/tests/system/pool
modules=$MUSTER_BUILD/tests/system
manager
worker w1 --cpus 4 --module "$modules/module.so" --module "$modules/pool_module.so"

while IFS=$'\t' read -r name text; do
    case $name in
    manager-only | modules) continue ;;
    esac
    story "$text"
    status_of 0 timeout 100 "$pool" "$name"
done < <("$pool" --list)

# go: where the program that runs as $1 wants a file.
go_of() {
    eventually 30 "$1 says where" grep -q / "$tmp/$1.out"
    go=$(head -n 1 "$tmp/$1.out")
}

ended_well() {
    wait "${pid_of[$1]}" || fail "$1: status $?: $(tail -n 3 "$tmp/$1.log")"
    unset "pid_of[$1]"
}

story "Process.start is durable; over a restarted manager blocked calls go on: map, futures, join"
start survive "$pool" survive
go_of survive
stop manager KILL
manager
: >"$go"
ended_well survive

story "Future: survives a restart of manager and client"
export POOL_GO=$tmp/later.go
status_of 0 "$pool" leave
export POOL_TASKS=$out
stop manager KILL
manager
status_of 0 timeout 100 "$pool" find-again

story "worker death: tasks of a dead worker are run again elsewhere, never hung, never lost"
worker w2 --cpus 4 --module "$modules/module.so" --module "$modules/pool_module.so"
start death "$pool" worker-death
go_of death
# Both have something of it.
both_busy() {
    [ "$(muster workers --json | grep -c '"running": *[1-9]')" = 2 ]
}
eventually 30 "both workers run calls" both_busy
stop w2 KILL
: >"$go"
ended_well death

unset MUSTER_ADDRESS MUSTER_AUTHKEY_FILE
export MUSTER_BINDIR=$tmp/bin POOL_MODULE=$modules/module.so
mkdir "$MUSTER_BINDIR"
ln -s "$MUSTER_BUILD/manager/muster-manager" "$MUSTER_BUILD/worker/muster-worker" "$MUSTER_BINDIR"
for name in manager-only modules; do
    story "$("$pool" --list | sed -n "s/^$name\t//p")"
    status_of 0 timeout 100 "$pool" "$name"
done

story "Manager(): a private one is stopped with its program, even when that is killed"
start killed "$pool" killed
eventually 30 "it says where" grep -q ipc:// "$tmp/killed.out"
private=$(sed -n 's,^ipc://,,p' "$tmp/killed.out")
check "the manager is there" test -S "$private"
stop killed KILL
gone() {
    [ ! -e "${private%/*}" ] && ! pgrep -f "${private%/*}"
}
eventually 30 "its manager and its folder are gone" gone
