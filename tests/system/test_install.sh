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

# Against the installed tree, from elsewhere: compile LANGUAGE OUTPUT SOURCE option...
compile() {
    local language=$1 output=$2 source=$3
    shift 3
    check "compile $source as $language" "$compiler" -Wall -Wextra -Werror -o "$output" \
        -x "$language" "$source" -x none "$@"
}

cat >"$tmp/module.c" <<'C'
#include <stdlib.h>
#include <muster/function.h>

MUSTER_FUNCTION(square)
{
    long n = strtol(muster_call_text(call), NULL, 10);

    muster_call_print(call, "%ld", n * n);
}
C
cat >"$tmp/serving.c" <<'C'
#include <stdlib.h>
#include <muster/serve.h>

static void
cube(struct muster_call *call)
{
    long n = strtol(muster_call_text(call), NULL, 10);

    muster_call_print(call, "%ld", n * n * n);
}

int
main(int argc, char **argv)
{
    const struct muster_served_function functions[] = { { argv[1], cube } };
    struct muster_serve_options         options = { 0, 0, 0, 0, 0, 0, 0, 0 };
    struct muster_error                 error;

    options.address = argv[2];
    options.authkey_file = argv[3];
    options.name = argv[1];
    options.cpus = 1;
    return argc == 4 ? muster_err_exit_status(muster_worker_serve(&options, functions, 1, &error)) : 2;
}
C
cat >"$tmp/sharing.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <muster/muster.h>

static struct muster_error error;

static void
good(muster_err err, const char *what)
{
    if (err) {
        fprintf(stderr, "%s: %s\n", what, error.detail);
        exit(1);
    }
}

static void
queue_and_lock(struct muster_session *session)
{
    struct muster_queue *queue;
    struct muster_lock  *lock;
    struct muster_item   item;
    uint64_t             token = 0;

    good(muster_queue_open(session, NULL, 0, 5000, &queue, &error), "queue");
    good(muster_queue_put(queue, "a word", 6, NULL, 5000, &error), "put");
    good(muster_queue_get(queue, 5000, &item, &error), "get");
    good(muster_lock_open(session, NULL, 5000, &lock, &error), "lock");
    good(muster_lock_acquire(lock, 5000, &token, &error), "acquire");
    printf("%s, token %s, ", (const char *)item.data, token > 0 ? "yes" : "no");
    good(muster_lock_release(lock, 5000, &error), "release");
    muster_item_free(&item);
    muster_lock_close(lock);
    muster_queue_close(queue);
}

static void
call(struct muster_session *session, const char *function)
{
    struct muster_pool *pool;
    struct muster_bytes result;

    good(muster_pool_open(session, NULL, &pool, &error), "pool");
    good(muster_pool_apply(pool, function, "12", 2, 30000, &result, &error), function);
    printf("%s ", (const char *)result.data);
    muster_bytes_free(&result);
    muster_pool_free(pool);
}

int
main(int argc, char **argv)
{
    struct muster_session_options options = { argv[1], argv[2], 0 };
    struct muster_session        *session;

    good(muster_session_open(&options, &session, &error), "session");
    queue_and_lock(session);
    for (int i = 3; i < argc; i++)
        call(session, argv[i]);
    muster_session_close(session);
    return 0;
}
C
mkdir -m 755 "$tmp/modules"
for language in c c++; do
    story "a module, a program that serves and one that shares, in $language"
    name=of-${language/c++/plus}
    # A module needs the headers alone: it is loaded by whichever muster is there.
    # shellcheck disable=SC2046
    compile "$language" "$tmp/modules/$name.so" "$tmp/module.c" -shared -fPIC $(pkg-config --cflags muster)
    chmod 755 "$tmp/modules/$name.so"
    equal "what it asks the linker for" "$(nm -D --undefined-only "$tmp/modules/$name.so" | grep muster)" ""
    for program in serving sharing; do
        # shellcheck disable=SC2046
        compile "$language" "$tmp/$program" "$tmp/$program.c" $sanitize $(pkg-config --cflags --libs muster)
    done
    worker "$name" --cpus 1 --module "$tmp/modules/$name.so"
    start "serving-$name" env "XDG_STATE_HOME=$tmp/state" "$tmp/serving" "cube-$name" "$address" "$dir/worker.authkey"
    eventually 20 "it serves" grep -q 'joined ' "$tmp/serving-$name.log"
    status_of 0 "$tmp/sharing" "$address" "$dir/client.authkey" square "cube-$name"
    equal "what came back" "$out" "a word, token yes, 144 1728 "
    stop "serving-$name"
    equal "it ends as asked" "$stopped" 0
    stop "$name"
done

story "seq 1000 | muster run just works from there"
unset MUSTER_ADDRESS MUSTER_AUTHKEY_FILE
status_of 0 env -i PATH="$prefix/bin:/usr/bin:/bin" HOME="$tmp" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" TMPDIR="$tmp" \
    muster run --keep-order --each-line - -- echo {} < <(seq 1000)
equal "output" "$(md5sum <<<"$out")" "$(seq 1000 | md5sum)"
