/* future.h - results that come later (AsyncResult, concurrent.futures.Future)
 *
 * A future is one task of a job: its id is (job, index).  Any program of the same
 * user can open it again by its id, also after a restart of manager and client.
 * The library hears of its end by itself, whether or not somebody waits.
 *
 * Any thread may use a future.  Free it before its session is closed.  A session
 * holds up to 64 MiB of results for futures; what is more is fetched again from the
 * manager by muster_future_result().
 */
#ifndef MUSTER_FUTURE_H
#define MUSTER_FUTURE_H

#include <muster/callback.h>
#include <muster/job.h>
#include <muster/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_future;

struct muster_task_id { uint64_t job; uint32_t index; };

/* NOT_FOUND: no such task (any more). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_open(struct muster_session *session, struct muster_task_id id, uint32_t timeout_ms,
                   struct muster_future **future_out, struct muster_error *error);
/* Also while it runs: the task goes on; its callbacks do not come any more.  NULL is
 * allowed; a callback may free its future. */
MUSTER_API void muster_future_free(struct muster_future *future);
MUSTER_API struct muster_task_id muster_future_id(const struct muster_future *future);

/* Its result: what the function returned (of a command: its standard output).
 * Errors: TIMEOUT (not yet); CANCELED; REMOTE: it failed - the detail has the worker, the exit
 * code or error text and the end of what it logged.  May be called again.  Any other error
 * of one that has ended says why nobody knows how: NOT_FOUND (the job was removed from the
 * manager's history), NO_SPACE (the manager never took it), SESSION, AUTH. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_result(struct muster_future *future, uint32_t timeout_ms,
                     struct muster_bytes *result_out, struct muster_error *error);
/* Wait for its end alone, however it ends.  TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_wait(struct muster_future *future, uint32_t timeout_ms, struct muster_error *error);
/* Why it failed; *failed_out false: it did not.  TIMEOUT, CANCELED. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_exception(struct muster_future *future, uint32_t timeout_ms, bool *failed_out,
                        struct muster_error *why_out, struct muster_error *error);
/* Ended, in whatever way (ready()).  No request: as far as this program knows. */
MUSTER_API bool muster_future_done(const struct muster_future *future);
/* STATE: it has not ended. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_successful(const struct muster_future *future, bool *successful_out,
                         struct muster_error *error);
MUSTER_API bool muster_future_cancelled(const struct muster_future *future);
/* A worker has it. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_running(struct muster_future *future, uint32_t timeout_ms, bool *running_out,
                      struct muster_error *error);
/* *cancelled_out false: a worker has it or it has ended, and it goes on as it was.  A worker
 * takes some calls ahead of those that it runs, so that it never waits for the next: it has
 * those, too, though they have not begun.  muster_future_terminate() ends them. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_cancel(struct muster_future *future, uint32_t timeout_ms, bool *cancelled_out,
                     struct muster_error *error);
/* Cancel it, and kill it if it runs. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_future_terminate(struct muster_future *future, uint32_t timeout_ms,
                        struct muster_error *error);
/* Called when it has ended (see callback.h for where); at once when it has already. */
typedef void muster_future_callback(void *context, struct muster_future *future);
MUSTER_API void muster_future_add_done_callback(struct muster_future *future,
                                                muster_future_callback *callback, void *context);

enum muster_wait_for { MUSTER_FIRST_COMPLETED, MUSTER_FIRST_EXCEPTION, MUSTER_ALL_COMPLETED };
/* concurrent.futures.wait: never fails for a time-out.  done_out[i] tells of each.
 * INVALID: futures of several sessions. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_futures_wait(struct muster_future *const *futures, size_t count,
                    enum muster_wait_for wait_for, uint32_t timeout_ms, bool *done_out,
                    struct muster_error *error);
/* as_completed for a few: the next that has ended and is not marked in `seen` (which it
 * marks); CLOSED when all are seen, TIMEOUT.  It looks at all of them each time. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_futures_next(struct muster_future *const *futures, size_t count, bool *seen,
                    uint32_t timeout_ms, size_t *index_out, struct muster_error *error);
/* as_completed for any number, at the same cost for each: in the order in which they end.
 * The array is not needed afterwards; a future that is freed meanwhile does not come.  One
 * thread at a time.  INVALID: futures of several sessions. */
struct muster_completed;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_completed_open(struct muster_future *const *futures, size_t count,
                      struct muster_completed **completed_out, struct muster_error *error);
/* CLOSED: all came.  TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_completed_next(struct muster_completed *completed, uint32_t timeout_ms, size_t *index_out,
                      struct muster_error *error);
/* Before its session is closed. */
MUSTER_API void muster_completed_close(struct muster_completed *completed);

#ifdef __cplusplus
}
#endif
#endif
