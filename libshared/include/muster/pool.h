/* pool.h - call functions on the fleet (Pool, Executor)
 *
 * One object under both names.  Calls are tasks of a job per function: durable,
 * run again elsewhere when their worker dies, streamed in bounded memory.
 *
 * Any thread may use a pool, one at a time an imap.  Close imaps before their pool is
 * freed, and free pools before their session is closed.
 */
#ifndef MUSTER_POOL_H
#define MUSTER_POOL_H

#include <muster/future.h>
#include <muster/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_pool;

struct muster_pool_options {      /* all zero is fine */
    const char *name;             /* for people; NULL: made from the function */
    uint32_t    processes;        /* calls that run at once, of all functions; 0 = no cap */
    const char *queue;            /* NULL = default */
    const char *const *labels;    /* NULL-terminated k=v, all must match */
    uint32_t    cpus_milli;       /* of one call; 0 = 1000 */
    uint64_t    mem_bytes;
    int32_t     priority;
    uint32_t    attempts_max;     /* of a failing call; 0 = 1 */
    uint32_t    time_limit_ms;    /* of one call; 0 = none */
    const struct muster_named *named;  size_t named_count;   /* the same for every call */
    bool        detached;         /* calls go on when this session ends */
    bool        own_key;          /* each call gets a key file of its own: see task.h */
};
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_open(struct muster_session *session, const struct muster_pool_options *options,
                 struct muster_pool **pool_out, struct muster_error *error);

/* Call and wait (apply).  Errors as of muster_future_result() and muster_pool_submit().
 * After TIMEOUT or INTERRUPTED the call is cancelled: nobody could take its result. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_apply(struct muster_pool *pool, const char *function, const void *data, size_t bytes,
                  uint32_t timeout_ms, struct muster_bytes *result_out,
                  struct muster_error *error);
/* apply_async, Executor.submit.  At most 64 KiB of arguments.  INVALID, TOO_LARGE; STATE: the
 * pool is closed; NOT_FOUND: no worker has this function (it was not submitted);
 * BROKEN_POOL: its job was cancelled by someone else, or with the session.  NO_SPACE: the
 * function takes no calls in this pool any more; open another when there is room. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_submit(struct muster_pool *pool, const char *function, const void *data, size_t bytes,
                   uint32_t timeout_ms, struct muster_future **future_out,
                   struct muster_error *error);

/* Results in the order of items (map): an array of `count`, muster_list_free().  All
 * calls end first; then the first failure, by order, is told: REMOTE, CANCELED.  After
 * TIMEOUT or INTERRUPTED what has not begun to run is cancelled. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_map(struct muster_pool *pool, const char *function,
                const struct muster_item_in *items, size_t count, uint32_t timeout_ms,
                struct muster_bytes **results_out, struct muster_error *error);

/* ---- map_async: all items are fed at once, their results asked for later ----
 * Memory here is in proportion to the items; `timeout_ms` is for feeding them.  Errors as of
 * muster_pool_submit(); what was fed before one is cancelled.  `callback` (may be NULL) comes
 * once, when all calls have ended, whether or not they failed; of no items it never comes.
 * It may free the map. */
struct muster_map;
typedef void muster_map_callback(void *context, struct muster_map *map);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_map_async(struct muster_pool *pool, const char *function,
                      const struct muster_item_in *items, size_t count, uint32_t timeout_ms,
                      muster_map_callback *callback, void *context, struct muster_map **map_out,
                      struct muster_error *error);
/* Have all ended?  No request. */
MUSTER_API bool muster_map_ready(const struct muster_map *map);
/* Until all have ended.  TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_map_wait(struct muster_map *map, uint32_t timeout_ms, struct muster_error *error);
/* STATE: not all have ended. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_map_successful(const struct muster_map *map, bool *successful_out,
                      struct muster_error *error);
/* As of muster_pool_map(), as often as one likes; TIMEOUT cancels nothing. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_map_results(struct muster_map *map, uint32_t timeout_ms, struct muster_bytes **results_out,
                   struct muster_error *error);
/* Calls that have not ended go on.  NULL is allowed. */
MUSTER_API void muster_map_free(struct muster_map *map);

/* ---- imap, imap_unordered: any number of items, bounded memory ----
 * `next` gives the items as they are wanted: OK, CLOSED at the end, or an error that
 * ends it; it is called on the thread that calls muster_imap_next(), and what it gives is
 * good until it is called again.  At most 4096 items, or 8 MiB of them, are ahead of what
 * was taken.  A pool that is closed meanwhile still takes the rest. */
struct muster_imap;
typedef muster_err muster_imap_source(void *context, const void **data_out, size_t *bytes_out);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_imap(struct muster_pool *pool, const char *function, bool ordered,
                 muster_imap_source *next, void *context, uint32_t timeout_ms,
                 struct muster_imap **imap_out, struct muster_error *error);
struct muster_imap_result {
    uint32_t    index;            /* of its item */
    const void *data;             /* until the next call */
    size_t      bytes;
};
/* CLOSED: that was the last.  REMOTE, CANCELED: this call failed (result_out->index is
 * set); go on with the next.  TIMEOUT.  An error of `next`, when all before it were taken. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_imap_next(struct muster_imap *imap, uint32_t timeout_ms,
                 struct muster_imap_result *result_out, struct muster_error *error);
/* Before its end: what has not begun to run is cancelled. */
MUSTER_API void muster_imap_close(struct muster_imap *imap);

/* No more calls. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_close(struct muster_pool *pool, uint32_t timeout_ms, struct muster_error *error);
/* Cancel what waits and kill what runs. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_terminate(struct muster_pool *pool, uint32_t timeout_ms, struct muster_error *error);
/* Until all calls have ended and their callbacks have returned - but for programs that run
 * callbacks themselves (callback.h), and when it is called in one: there they come later.
 * STATE: neither closed nor terminated.  TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_join(struct muster_pool *pool, uint32_t timeout_ms, struct muster_error *error);
/* Executor.shutdown(wait, cancel_futures). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_pool_shutdown(struct muster_pool *pool, bool wait, bool cancel_futures,
                     uint32_t timeout_ms, struct muster_error *error);
/* Its futures stay good.  Not closed before: as terminate, unless `detached`. */
MUSTER_API void muster_pool_free(struct muster_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
