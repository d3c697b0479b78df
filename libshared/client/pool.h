/* pool.h - pools as the files of this folder use them
 *
 *   pool_call() -> the function's job (made at its first call) -> feed -> future
 *
 * 1. A pool has one open job per function; it takes calls until the pool is closed.
 * 2. `functions` grows under the session's lock; `opening` is held while a job is
 *    made, so that two threads do not make two.
 */
#ifndef CLIENT_POOL_H
#define CLIENT_POOL_H

#include "collect.h"

struct pool_function {
    struct list       link;
    char              name[NAME_BYTES_MAX + 1];
    uint64_t          job;
    struct collector *collector;
    uint32_t          feeders;           /* imaps that have not seen the end of their source */
    bool              closed;            /* its input, at the manager */
};

/* The function, with its job.  STATE: no calls are taken any more. */
muster_err pool_function_open(struct muster_pool *pool, const char *name, uint32_t timeout_ms,
                              struct pool_function **function_out, struct muster_error *error);
/* Feed one call; `ended` as of future_new(). */
muster_err pool_call(struct muster_pool *pool, struct pool_function *function, struct slice data,
                     uint32_t timeout_ms, future_ended *ended, void *context,
                     struct muster_future **future_out, struct muster_error *error);
/* An imap begins to feed, and has fed all.  The input of a pool that is closed meanwhile
 * stays open for it; false: the pool takes nothing more. */
bool       pool_feed_begin(struct muster_pool *pool, struct pool_function *function);
void       pool_feed_end(struct muster_pool *pool, struct pool_function *function);
struct muster_session *pool_session(const struct muster_pool *pool);

#endif
