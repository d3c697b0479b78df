/* mirror.h - statements of the multiprocessing mirror, tried against a real manager
 *
 * Each program is a table: a statement, and the function that tries it.  The manager is
 * told by MUSTER_ADDRESS and MUSTER_AUTHKEY_FILE; test_mirror.sh starts it.
 */
#ifndef SYSTEM_MIRROR_H
#define SYSTEM_MIRROR_H

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <muster/muster.h>

#include "stories.h"

enum { CALL_MS = 20000, SOON_MS = 50, SESSION_MS = 3000 /* as test_mirror.sh has it */ };

struct statement {
    const char *story;
    void      (*try)(void);
};

static struct muster_session *session;
static struct muster_error    error;

/* What a call must give; its own words when it gives something else. */
#define GIVES(wanted, call)                                                          \
    do {                                                                             \
        muster_err given_ = (call);                                                  \
        if (given_ != (wanted))                                                      \
            fail_msg("%s: %s (%s), not %s", #call, muster_err_name(given_),          \
                     given_ ? error.detail : "", muster_err_name(wanted));           \
    } while (0)
#define OK(call) GIVES(MUSTER_OK, call)

static inline struct muster_session *
mirror_session(void)
{
    const struct muster_session_options options = { .address = getenv("MUSTER_ADDRESS"),
                                                    .authkey_file = getenv("MUSTER_AUTHKEY_FILE") };
    struct muster_session              *made = NULL;

    OK(muster_session_open(&options, &made, &error));
    return made;
}

/* Another program: it makes its session, does its part, and ends with 0 - or is killed. */
static inline pid_t
mirror_program(void (*run)(void))
{
    pid_t pid = fork();

    if (pid == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1);       /* what fails here ends here */
        session = mirror_session();
        run();
        muster_session_close(session);
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static inline void
mirror_ended(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* How many wait for the object of this name. */
static inline uint64_t
mirror_waiting(const char *name)
{
    struct muster_object_info *infos = NULL;
    uint64_t                   count;
    size_t                     found = 0;

    OK(muster_object_list(session, NULL, name, CALL_MS, &infos, &found, &error));
    count = found == 1 ? infos[0].waiting : 0;
    free(infos);
    return count;
}

static inline void
mirror_text(const struct muster_bytes *bytes, const char *wanted)
{
    assert_non_null(bytes->data);
    assert_string_equal(bytes->data, wanted);
    assert_int_equal(bytes->bytes, strlen(wanted));
}

static inline struct muster_cell
mirror_cell(const char *text)
{
    return (struct muster_cell){ .data = text, .bytes = strlen(text) };
}

static inline void
mirror_test(void **state)
{
    const struct statement *statement = *state;

    session = mirror_session();
    statement->try();
    muster_session_close(session);
}

#define MIRROR(group, statements) STORIES(group, statements, mirror_test)

#endif
