/* feed.h - items on their way into an open job
 *
 *   muster_job_feed() --> block being filled --> JOB_ITEMS calls in flight --> ACK
 *
 * 1. At most FEED_WINDOW blocks are in flight and one is being filled: memory
 *    is bounded, and the feeder waits only while the manager is behind.
 * 2. A block goes when it is full, when it is flushed, or FEED_FLUSH_MS after
 *    its first item.
 * 3. A block says the index of its first item, so that sending it again adds
 *    nothing, and blocks are asked in order.
 * 4. The first failure stays: every later call on the feed gives it.
 */
#ifndef CLIENT_FEED_H
#define CLIENT_FEED_H

#include "client.h"

enum { FEED_WINDOW = 6, FEED_FLUSH_MS = 2 };

struct feed {
    struct muster_session *session;
    uint64_t            job;
    uint32_t            next;        /* index of the first item of `block` */
    uint32_t            settled;     /* items that the manager has acknowledged in order */
    uint32_t            skip;        /* items of a repeated submission that it has already */
    struct wire_block   block;
    uint64_t            flush_ms;    /* send the block then; CLIENT_NEVER: it is empty */
    struct list         calls;       /* in flight */
    uint32_t            in_flight;
    uint32_t            waiting;     /* threads; it is not freed under them */
    struct muster_error error;
};

/* All with the lock held. */
struct feed *feed_find(struct muster_session *session, uint64_t job);
/* A job that has `count` items; `skip` of them will be fed again. */
struct feed *feed_new(struct muster_session *session, uint64_t job, uint32_t count, uint32_t skip);
/* False: the block is full and so is the window; nothing was added. */
bool         feed_add(struct feed *feed, struct slice item, uint64_t now_ms);
/* Send what is buffered if the window allows. */
void         feed_push(struct feed *feed);
bool         feed_idle(const struct feed *feed);     /* all acknowledged */
void         feed_free(struct feed *feed);

/* True when the manager has item `index`, or it is not on its way from here. */
bool         feed_is_settled(struct muster_session *session, uint64_t job, uint32_t index);

/* Without the lock: muster_job_feed(), telling the index of the item while the lock is
 * held, so that nobody hears of its end before.  `added` says whether it shall leave at
 * once: company would be waited for in vain. */
typedef bool feed_added(void *context, uint32_t index);
muster_err   feed_item(struct muster_session *session, uint64_t job, struct slice item,
                       uint32_t timeout_ms, feed_added *added, void *context,
                       struct muster_error *error);
/* Without the lock: let go what is buffered, if the window allows. */
void         feed_nudge(struct muster_session *session, uint64_t job);

void         feeds_on_time(struct muster_session *session, uint64_t now_ms);
uint64_t     feeds_wake_ms(const struct muster_session *session);
void         feeds_free(struct muster_session *session);

#endif
