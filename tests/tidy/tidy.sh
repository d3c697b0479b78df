#!/bin/bash
# tidy.sh RULE SOURCE [BUILD] - check one rule of STYLE.md over the whole project
#
# Prints every offence as FILE:LINE: what, and ends with 1 when there was one.
# Needs bash, grep, find, awk and, for `purity`, nm.
set -uo pipefail
export LC_ALL=C.UTF-8

FUNCTION_LINES_MAX=70
FILE_LINES_MAX=600
COLUMNS_MAX=100

# files NAME...: files below the source folder whose name matches one of the
# patterns.  Generated and recorded bytes are not style.
files() {
    local names=()
    for pattern in "$@"; do
        names+=(-o -name "$pattern")
    done
    find . \( -name .git -o -name 'build*' -o -name corpus -o -name golden \) -prune \
        -o -type f \( "${names[@]:1}" \) -print | sed 's,^\./,,' | sort
}

# offences PATTERN REASON FILE...: every line that matches is one.
offences() {
    local pattern=$1 reason=$2
    shift 2
    [ $# -gt 0 ] || return 0
    grep -nHE -e "$pattern" -- "$@" | awk -v reason="$reason" '{
        match($0, /^[^:]*:[0-9]+:/)
        print substr($0, 1, RLENGTH) " " reason
    }'
}

rule_functions() {
    # A function begins after the last blank line, comment or directive before
    # its "{" in the first column, and ends with "}" in the first column.
    files '*.c' '*.h' | while read -r file; do
        awk -v file="$file" -v max="$FUNCTION_LINES_MAX" '
            BEGIN { start = 1 }
            /^$/ || /^#/ || /\*\/$/ || /^}/ { if (!body) start = NR + 1 }
            /^{/ { body = 1 }
            /^}/ && body {
                if (NR - start + 1 > max)
                    printf "%s:%d: function of %d lines\n", file, start, NR - start + 1
                body = 0
                start = NR + 1
            }' "$file"
    done
}

rule_lengths() {
    files '*.c' '*.h' '*.def' '*.sh' | while read -r file; do
        awk -v file="$file" -v max="$FILE_LINES_MAX" \
            'END { if (NR > max) printf "%s:%d: more than %d lines\n", file, NR, max }' "$file"
    done
}

rule_blanks() {
    local list
    mapfile -t list < <(files '*.c' '*.h' '*.def' '*.map' '*.sh' '*.cmake' '*.txt' '*.md' '*.in')
    offences $'\t' "tab" "${list[@]}"
    offences '[[:space:]]$' "blank at the end of the line" "${list[@]}"
}

rule_columns() {
    local list
    mapfile -t list < <(files '*.c' '*.h' '*.def')
    offences "^.{$((COLUMNS_MAX + 1))}" "more than $COLUMNS_MAX columns" "${list[@]}"
}

rule_unfinished() {
    local list
    mapfile -t list < <(files '*.c' '*.h' '*.def' '*.sh' '*.cmake' '*.txt' '*.md' '*.in')
    # The class keeps this line itself from matching.
    offences '\b(T[O]DO|F[I]XME|X[X]X|H[A]CK|W[I]P)\b' "unfinished" "${list[@]}"
}

rule_sleeps() {
    local list
    mapfile -t list < <(files '*.c' '*.h' | grep '^tests/')
    # Not in comments, nor in what a task under test runs.
    offences '^[^*"]*\b(sleep|usleep|nanosleep|clock_nanosleep)\(' "sleeps; wait for the condition" \
        "${list[@]}"
    # In scripts a command of its own; what a task under test does is another
    # matter, be it quoted or in a here-document.
    files '*.sh' | grep '^tests/' | while read -r file; do
        awk -v file="$file" '
            end != ""                { if ($0 == end) end = ""; next }
            /^[ \t]*(sleep|read -t) / && !/# between two looks$/ {
                printf "%s:%d: sleeps; wait for the condition\n", file, NR
            }
            match($0, /<<-?[\047"]?[A-Za-z]+/) {
                end = substr($0, RSTART, RLENGTH)
                gsub(/[^A-Za-z]/, "", end)
            }' "$file"
    done
}

# home HEADER FOLDER: product code includes it nowhere else.
home() {
    local list
    mapfile -t list < <(files '*.c' '*.h' | grep -E '^(libshared|manager|worker)/' | grep -v "^$2/")
    offences "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$1" "$1 belongs to $2" "${list[@]}"
}

rule_includes() {
    home zmq.h libshared/link
    home sodium.h libshared/auth
    home sqlite3.h manager/store
}

rule_cli() {
    files '*.c' '*.h' | grep '^libshared/cli/' | while read -r file; do
        grep -nE '^[[:space:]]*#[[:space:]]*include' "$file" | while IFS=: read -r line text; do
            name=$(sed -E 's/.*[<"]([^>"]*)[>"].*/\1/' <<<"$text")
            case $text in
            *'<muster/'*) [ -f "libshared/include/$name" ] && continue ;;
            *'<'*) [ "$name" = jansson.h ] && continue
                [ -f "$(cc -print-file-name=include)/$name" ] && continue
                compgen -G "/usr/include/$name" >/dev/null && continue
                compgen -G "/usr/include/*-linux-*/$name" >/dev/null && continue ;;
            *) [ -f "libshared/base/$name" ] || [ -f "libshared/cli/$name" ] && continue ;;
            esac
            echo "$file:$line: the command line may not include $name"
        done
    done
    local list
    mapfile -t list < <(files '*.c' '*.h' | grep '^libshared/cli/')
    offences 'include[[:space:]]*<(zmq|sodium|sqlite3|uv|curl)' "not for the command line" \
        "${list[@]}"
}

# What a pure folder may take from libc: memory, text and the end of the program;
# behind it, what compilers and sanitizers put in by themselves.
PURE_LIBC='^(memcpy|memmove|memset|memcmp|memchr|strlen|strnlen|strcmp|strncmp|snprintf|vsnprintf'
PURE_LIBC+='|malloc|calloc|realloc|free|qsort|qsort_r|bsearch|abort|__assert_fail'
PURE_LIBC+='|__(memcpy|memmove|memset|snprintf|vsnprintf)_chk|__stack_chk_fail'
PURE_LIBC+='|__(asan|ubsan|tsan|sanitizer)_.*|_GLOBAL_OFFSET_TABLE_)$'
# What of base is pure: the rest asks for the time, reads files or writes lines.
PURE_BASE='(buffer|reader|writer|map|treap|siphash|heap|idset|errors|parse)\.c\.o'

rule_purity() {
    local build=$1 library
    local base="$build/libshared/base/libmuster_base.a"
    local wire="$build/libshared/wire/libmuster_wire.a"
    for library in "$wire" "$build/manager/core/libmanager_core.a" \
                   "$build/worker/core/libworker_core.a"; do
        [ -f "$library" ] || { echo "$library:0: not built"; continue; }
        {
            nm -A -g --defined-only "$base" | grep -E "$PURE_BASE"
            nm -A -g --defined-only "$wire"
            nm -A -g --defined-only "$library"
            echo "end"
            nm -A -u "$library"
        } | awk -v libc="$PURE_LIBC" '
            $1 == "end"         { wanted = 1; next }
            !wanted             { if (NF >= 3) allowed[$NF]; next }
            NF >= 3 && !($NF in allowed) && $NF !~ libc {
                print $1 " uses " $NF ": not pure"
            }'
    done
}

rule=${1:?a rule}
cd "${2:?the source folder}" || exit 2
declare -F "rule_$rule" >/dev/null || { echo "no such rule: $rule" >&2; exit 2; }
found=$("rule_$rule" "${3:-}")
[ -z "$found" ] && exit 0
printf '%s\n' "$found"
exit 1
