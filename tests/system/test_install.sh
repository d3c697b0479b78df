#!/bin/bash
# What `cmake --install` leaves: programs, library, headers, manual, units; all of it works.
. "$(dirname "$0")/lib.sh"

prefix=$tmp/prefix
status_of 0 cmake --install "$MUSTER_BUILD" --prefix "$prefix"

story "everything is in the usual places"
for file in bin/muster bin/muster-manager bin/muster-worker include/muster/muster.h \
    share/man/man1/muster.1 share/man/man1/muster-run.1 share/man/man7/muster.7 \
    share/bash-completion/completions/muster lib/systemd/system/muster-manager.service \
    lib/systemd/system/muster-worker.service; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
library=$(find "$prefix" -name libmuster.so)
[ -n "$library" ] || fail "libmuster.so is not installed"
export PATH=$prefix/bin:$PATH LD_LIBRARY_PATH=${library%/*} PKG_CONFIG_PATH=${library%/*}/pkgconfig
contains "the units name the installed programs" "$(cat "$prefix"/lib/systemd/system/*.service)" "bin/muster-manager"

story "the library exports its public names and no others"
equal "other names" "$(nm -D --defined-only "$library" | awk '$2 ~ /[B-Z]/ && $3 !~ /^muster_/ { print $3 }')" ""

story "the manual has no faults"
if command -v man >/dev/null; then
    for page in "$prefix"/share/man/man?/*; do
        equal "${page##*/}" "$(man --warnings -l "$page" 2>&1 >/dev/null)" ""
    done
fi

cat >"$tmp/program.c" <<'C'
#include <stdio.h>
#include <muster/muster.h>

int
main(void)
{
    struct muster_session_options options = { MUSTER_ADDRESS_HERE, MUSTER_KEY_HERE, 0 };
    struct muster_session *session = NULL;
    struct muster_status   status;
    struct muster_error    error;

    if (muster_session_open(&options, &session, &error) ||
        muster_session_status(session, 5000, &status, &error)) {
        fprintf(stderr, "%s\n", error.detail);
        return 1;
    }
    printf("%s, epoch %llu\n", status.software, (unsigned long long)status.epoch);
    muster_status_free(&status);
    muster_session_close(session);
    return 0;
}
C
manager
worker one --cpus 2

# A library with ASan is only for programs with ASan, of the same compiler.
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$MUSTER_BUILD/CMakeCache.txt")
sanitize=
[[ $(nm -D "$library") == *__asan_init* ]] && sanitize=-fsanitize=address
for language in c c++; do
    story "a program in $language against the installed headers"
    # shellcheck disable=SC2046
    check "compile" "$compiler" $sanitize -Wall -Wextra -Werror -o "$tmp/program" -x "$language" "$tmp/program.c" \
        -x none "-DMUSTER_ADDRESS_HERE=\"$address\"" "-DMUSTER_KEY_HERE=\"$dir/client.authkey\"" \
        $(pkg-config --cflags --libs muster)
    status_of 0 "$tmp/program"
    contains "it talks to the manager" "$out" "epoch 1"
done

story "seq 1000 | muster run just works from there"
unset MUSTER_ADDRESS MUSTER_AUTHKEY_FILE
status_of 0 env -i PATH="$prefix/bin:/usr/bin:/bin" HOME="$tmp" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" TMPDIR="$tmp" \
    muster run --keep-order --each-line - -- echo {} < <(seq 1000)
equal "output" "$(md5sum <<<"$out")" "$(seq 1000 | md5sum)"
