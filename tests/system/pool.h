/* pool.h - what the cases of the pool test share
 *
 *   pool --list           names and stories
 *   pool CASE             run it; MUSTER_ADDRESS and MUSTER_AUTHKEY_FILE say where
 *
 * A check that fails ends the program with the line and what was there.
 */
#ifndef POOL_TEST_H
#define POOL_TEST_H

#include <muster/fleet.h>
#include <muster/muster.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 30000 };

struct test_case {
    const char *name, *story;
    void      (*run)(void);
};

extern const struct test_case process_cases[], family_cases[], pool_cases[], future_cases[],
    fleet_cases[];

extern struct muster_session *session;
extern struct muster_error    error;
extern char                   self_path[4096];

void test_fail(const char *file, int line, const char *what);
void test_err(const char *file, int line, const char *what, muster_err got, muster_err wanted);

#define CHECK(condition)                                \
    do {                                                \
        if (!(condition))                               \
            test_fail(__FILE__, __LINE__, #condition);  \
    } while (0)
/* This call gives that error; OK(call) none. */
#define GIVES(wanted, call)                                                      \
    do {                                                                         \
        muster_err gives_ = (call);                                              \
                                                                                 \
        if (gives_ != (wanted))                                                  \
            test_err(__FILE__, __LINE__, #call, gives_, (wanted));               \
    } while (0)
#define OK(call) GIVES(MUSTER_OK, call)
/* Wait for what others bring about. */
#define EVENTUALLY(condition)                                        \
    do {                                                             \
        uint64_t until_ = now_ms() + WAIT_MS;                        \
                                                                     \
        while (!(condition)) {                                       \
            if (now_ms() > until_)                                   \
                test_fail(__FILE__, __LINE__, "never: " #condition); \
            poll(NULL, 0, 5);                                        \
        }                                                            \
    } while (0)

uint64_t               now_ms(void);
struct muster_session *connect_to(const char *address, const char *authkey_file);
/* A fresh folder below TMPDIR; a path in it. */
const char            *folder(void);
const char            *in_folder(const char *dir, const char *name);
void                   touch(const char *path);
bool                   exists(const char *path);
bool                   text_is(const void *data, size_t bytes, const char *text);

/* ---- pools ---- */

struct muster_pool   *new_pool(uint32_t processes);
struct muster_future *submit(struct muster_pool *pool, const char *function, const char *text);
/* A call that waits for a file. */
struct muster_future *submit_gate(struct muster_pool *pool, const char *path, const char *result);
void                  check_result(struct muster_future *future, const char *text);
bool                  running(struct muster_future *future);

/* Items for imap: 0, 1, 2 ... */
struct source {
    uint32_t   next, count;
    char       text[32];
    muster_err end;
};
muster_err give_numbers(void *context, const void **data_out, size_t *bytes_out);

/* ---- processes ---- */

struct muster_process *new_process(const struct muster_process_options *options);
struct muster_process *start_options(const struct muster_process_options *options);
struct muster_process *start_shell(const char *script);
int32_t                code_of(struct muster_process *process);     /* waits for it */
bool                   alive(struct muster_process *process);
/* `err` may be NULL. */
void                   check_output(struct muster_process *process, const char *out,
                                    const char *err);

#endif
