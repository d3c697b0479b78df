/* collect.h - one follower per job, and the futures that it resolves
 *
 *   feed_item(), muster_process_start(), muster_future_open()
 *        |  future_new(collector, index): pending
 *        v
 *   collector ---- stream (one long poll) ----> entry by entry: future_end()
 *                                                 |-> ended(), callbacks, waiters
 *
 * 1. There is at most one collector per job in a session.  It follows the job only
 *    while a future is pending, or somebody waits for the job's end.
 * 2. What a program does not read must not grow: results are held up to
 *    COLLECT_BYTES_MAX in a session, of the others only the outcome is kept, and
 *    muster_future_result() fetches them again.
 * 3. A future ends once, under the lock, and then never changes.
 * 4. A job whose stream has ended tells of every task: what is pending then is
 *    asked for by itself, so that none waits for ever.
 */
#ifndef CLIENT_COLLECT_H
#define CLIENT_COLLECT_H

#include "handle.h"
#include "stream.h"

#define COLLECT_BYTES_MAX (64u * MIB)

struct collector {
    struct stream stream;
    struct map    pending;           /* index -> first of its futures */
    uint32_t      references;        /* of futures, pools, processes */
    uint32_t      watching;          /* threads that wait for the end of the job */
    char          label[NAME_BYTES_MAX + 1];     /* function or name, for texts */
};

enum future_state {
    FUTURE_PENDING, FUTURE_SUCCEEDED, FUTURE_FAILED, FUTURE_CANCELLED,
    FUTURE_BROKEN,                   /* how it ended will not be known; `code` says why */
};

/* On the session's thread, under the lock; it must not free the future. */
typedef void future_ended(struct muster_future *future);

struct muster_future {
    struct collector       *collector;
    struct muster_future   *next;        /* pending, of the same task */
    struct future_callback *callbacks;   /* in order */
    struct list             followers;   /* of completed.c */
    future_ended           *ended;       /* may be NULL */
    void                   *context;     /* of ended */
    /* SUCCEEDED: the result, if `held`.  FAILED, BROKEN: why, with a final 0. */
    char                   *data;
    uint32_t                bytes;
    uint32_t                index;
    uint32_t                references;  /* its owner's, and callbacks that were posted */
    uint32_t                waiting;     /* threads */
    int32_t                 exit_code;
    uint32_t                pid;         /* 0: it never ran */
    uint32_t                log_bytes;   /* of its log, when the end of it must be fetched */
    uint8_t                 state, outcome, code;
    bool                    held, freed;
};

/* All with the lock held, but for what says otherwise. */

struct collector *collector_find(struct muster_session *session, uint64_t job);
/* The one of this job; made when there is none. */
struct collector *collector_open(struct muster_session *session, uint64_t job, const char *label);
void              collector_close(struct collector *collector);
/* Wait until the job has ended and all its futures have.  TIMEOUT, INTERRUPTED, or why the job
 * cannot be followed. */
muster_err        collector_join(struct collector *collector, uint64_t deadline_ms,
                                 uint32_t timeout_ms, struct muster_error *error);
/* What was fed from index `settled` on never reached the manager. */
void              collector_feed_failed(struct muster_session *session, uint64_t job,
                                        uint32_t settled, const struct muster_error *error);
void              collectors_free(struct muster_session *session);

/* Pending; it ends when the collector hears of it. */
struct muster_future *future_new(struct collector *collector, uint32_t index, future_ended *ended,
                                 void *context);
/* Ask for this one alone: it may have ended before it was made. */
void                  future_ask(struct muster_future *future);
void                  future_end(struct muster_future *future, const struct wire_entry *entry);
/* Without an entry. */
void                  future_end_cancelled(struct muster_future *future);
void                  future_break(struct muster_future *future, muster_err code,
                                   const char *detail);
void                  future_release(struct muster_future *future);     /* one reference */
/* completed.c: it has ended; or it will be freed. */
void                  future_follow(struct muster_future *future);
void                  future_unfollow(struct muster_future *future);
/* Hand its callbacks over; it has ended. */
void                  future_post(struct muster_future *future);
/* Wait for its end. */
muster_err            future_await(struct muster_future *future, uint64_t deadline_ms,
                                   uint32_t timeout_ms, struct muster_error *error);

/* Append the last words of a log, on one line. */
void                  future_tail(struct buffer *out, struct slice log);

/* Without the lock. */
/* wait.c: the session of all of them; NULL: there are none.  INVALID: of several. */
muster_err futures_session(struct muster_future *const *futures, size_t count,
                           struct muster_session **session_out, struct muster_error *error);
/* The result of one that has ended; see muster_future_result(). */
muster_err future_take(struct muster_future *future, uint64_t deadline_ms,
                       struct muster_bytes *result_out, struct muster_error *error);
/* Cancel tasks and do not wait for the answer.  No ranges: all. */
void       cancel_later(struct muster_session *session, uint64_t job,
                        const struct wire_range *ranges, uint32_t count, bool hard,
                        bool waiting_only);
uint32_t   timeout_left(uint64_t deadline_ms);       /* for calls that take one */
/* task.c: MUSTER_PARENT=JOB.INDEX for the environment of what this program starts; NULL
 * when it is no task itself. */
const char *task_parent(char *out, size_t bytes);

#endif
