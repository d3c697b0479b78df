#!/bin/bash
# test_tidy.sh - the checker finds what it is for, and nothing else
#
# Method: write one file with one offence into an empty tree, run the rule, and
# compare how many offences it prints.  One call of `story` is one row.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d "${TMPDIR:-/tmp}/muster-tidy.XXXXXX")
trap 'rm -rf "$tree"' EXIT
failed=0

# story STORY RULE FILE OFFENCES: the file's text comes from stdin.
story() {
    local name=$1 rule=$2 file=$3 wanted=$4 got
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/$(dirname "$file")" "$tree/libshared/base" "$tree/libshared/include/muster"
    touch "$tree/libshared/base/buffer.h" "$tree/libshared/include/muster/job.h"
    cat >"$tree/$file"
    got=$(bash "$here/tidy.sh" "$rule" "$tree" | wc -l)
    if [ "$got" = "$wanted" ]; then
        echo "[  OK  ] $name"
    else
        echo "[ FAIL ] $name: $got offences, wanted $wanted"
        failed=1
    fi
}

# lines N: a function of N lines.
lines() {
    printf 'int\nf(void)\n{\n'
    for ((i = 4; i < $1; i++)); do echo '    g();'; done
    echo '}'
}

table() {
    echo 'static const int t[] = {'
    yes '    1,' | head -n "$1"
    echo '};'
}

here_document() {
    printf 'cat <<END\n%s\nEND\n' "$1"
}

wide=$(printf 'x%.0s' {1..101})
mark="TO""DO"

story "a function that fits"            functions  base/a.c  0 < <(lines 70)
story "a function that does not"        functions  base/a.c  1 < <(lines 71)
story "two that fit are not one"        functions  base/a.c  0 < <(lines 60; lines 60)
story "a long table is no function"     functions  base/a.c  0 < <(table 99)
story "a file that fits"                lengths    base/a.c  0 < <(yes '' | head -600)
story "a file that does not"            lengths    base/a.c  1 < <(yes '' | head -601)
story "a tab"                           blanks     base/a.c  1 <<<$'\tint a;'
story "a blank at the end"              blanks     a.md      1 <<<'text '
story "100 columns"                     columns    base/a.c  0 <<<"${wide:1}"
story "101 columns"                     columns    base/a.c  1 <<<"$wide"
story "100 columns that are more bytes" columns    base/a.c  0 <<<"${wide:2}ä"
story "an unfinished mark"              unfinished base/a.c  1 <<<"/* $mark: later */"
story "a word that contains it"         unfinished base/a.c  0 <<<"mas${mark}n"
story "a sleep in a test"               sleeps     tests/a.c 1 <<<'    usleep(10);'
story "a sleep in a comment"            sleeps     tests/a.c 0 <<<' * sleep(1) is'
story "a sleep in the product"          sleeps     worker/a.c 0 <<<'    usleep(10);'
story "a sleep in a script"             sleeps     tests/a.sh 1 <<<'    sleep 1'
story "a task under test that sleeps"   sleeps     tests/a.sh 0 <<<'muster run -- sleep 1'
story "a task's script that sleeps"     sleeps     tests/a.sh 0 < <(here_document 'sleep 1')
story "a sleep behind a here-document"  sleeps     tests/a.sh 1 < <(here_document x; echo 'sleep 1')
story "zmq.h in its home"               includes   libshared/link/a.c 0 <<<'#include <zmq.h>'
story "zmq.h elsewhere"                 includes   manager/a.c 1 <<<'#include <zmq.h>'
story "zmq.h in a measurement"          includes   tests/bench/a.c 0 <<<'#include <zmq.h>'
story "sodium.h elsewhere"              includes   libshared/link/a.c 1 <<<'#include <sodium.h>'
story "sqlite3.h elsewhere"             includes   manager/core/a.c 1 <<<'#include <sqlite3.h>'
story "a public header in the cli"      cli        libshared/cli/a.c 0 <<<'#include <muster/job.h>'
story "base in the cli"                 cli        libshared/cli/a.c 0 <<<'#include "buffer.h"'
story "libc in the cli"                 cli        libshared/cli/a.c 0 <<<'#include <stdio.h>'
story "wire in the cli"                 cli        libshared/cli/a.c 1 <<<'#include "wire.h"'
story "a header that nobody has"        cli        libshared/cli/a.c 1 <<<'#include <muster/x.h>'
exit $failed
