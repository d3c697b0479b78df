/* session.h - a connection to a manager that heals itself
 *
 * A session has one background thread.  Any thread may use it; blocking calls
 * of several threads travel together.  A session outlives its connection: when
 * the manager is away or restarts, calls wait (up to their own time-out), then
 * go on.  Nothing is printed.  Durations are milliseconds.  On error every
 * out-parameter is left untouched.
 *
 * A session belongs to the process that opened it.  In a child of fork() it is
 * dead: calls give SESSION at once, no callback comes, and closing its handles
 * frees memory and no more.  The parent's session notices nothing of it, and a child
 * opens sessions of its own.
 */
#ifndef MUSTER_SESSION_H
#define MUSTER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <muster/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_FOREVER  UINT32_MAX   /* no time limit */
#define MUSTER_NO_WAIT  0u

struct muster_session;

struct muster_session_options {
    const char *address;         /* tcp://HOST:PORT or ipc://PATH */
    const char *authkey_file;
    uint32_t    connect_ms;      /* give up the first connection after it; 0 = 10 s */
};

/* Connect and authenticate.
 *
 * A refused key, a wrong manager and another version are told within 10 s and
 * are final.  With nobody at the address it keeps trying until connect_ms.
 *
 * Errors: AUTH, WRONG_MANAGER, VERSION, UNREACHABLE, KEY_TEXT, KEY_FILE, INVALID, IO.
 */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_session_open(const struct muster_session_options *options,
                    struct muster_session **session_out, struct muster_error *error);

/* Say goodbye and free everything.  Calls in other threads must have ended and
 * results readers be closed; items that were fed and not flushed may be lost. */
MUSTER_API void muster_session_close(struct muster_session *session);

/* Wake every blocked call of the session with INTERRUPTED; one that makes several requests
 * and is just between two of them ends as well.  Safe in a signal handler and from any
 * thread.  Calls made afterwards work again. */
MUSTER_API void muster_session_interrupt(struct muster_session *session);

/* How long the manager keeps the session, and all that it holds, without a connection to
 * this program (30 s unless it was told otherwise).  Whoever holds a lock and hears nothing
 * from the manager may have lost it when this is over. */
MUSTER_API uint32_t muster_session_term_ms(struct muster_session *session);

struct muster_status_counter { const char *name; uint64_t value; };
struct muster_status {
    uint64_t epoch, up_ms;
    uint32_t pid;
    char     software[65];
    struct muster_status_counter *counters;
    size_t   counter_count;
};
/* Free with muster_status_free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_session_status(struct muster_session *session, uint32_t timeout_ms,
                      struct muster_status *status_out, struct muster_error *error);
MUSTER_API void muster_status_free(struct muster_status *status);

/* Ask the manager to stop (role admin).  Returns when it has agreed. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_session_shutdown(struct muster_session *session, uint32_t timeout_ms,
                        struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
