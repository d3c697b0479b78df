/* queue.h - queues between programs (multiprocessing.Queue, JoinableQueue, SimpleQueue)
 *
 * FIFO among items of equal priority.  Items are bytes, up to 1 GiB; large ones
 * travel in parts.  See object.h for what holds for all calls.
 *
 * A `get` takes an item for good.  A `reserve` lends it: whoever reserved it
 * acknowledges it, gives it back, or loses it to others when its term is over
 * or its session ends; `item.times` tells how often it was lent before.
 */
#ifndef MUSTER_QUEUE_H
#define MUSTER_QUEUE_H

#include <muster/object.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_queue;

/* `maxsize` items at most, 0 = no bound; of one that exists it is kept as it is. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_open(struct muster_session *session, const struct muster_open *open, uint64_t maxsize,
                  uint32_t timeout_ms, struct muster_queue **queue_out, struct muster_error *error);
MUSTER_API void     muster_queue_close(struct muster_queue *queue);   /* the handle */
MUSTER_API uint64_t muster_queue_object(const struct muster_queue *queue);

struct muster_put {              /* all zero: a plain item */
    int32_t  priority;           /* -1000 .. 1000, larger first */
    uint64_t delay_ms;           /* not to be had before */
    uint64_t time_to_live_ms;    /* then it is dropped; 0 = never */
};

/* Errors: FULL (no room in time), CLOSED (shut down), TOO_LARGE. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_put(struct muster_queue *queue, const void *data, size_t bytes,
                 const struct muster_put *options /* NULL: plain */, uint32_t timeout_ms,
                 struct muster_error *error);
/* All of them or none, in one message; 64 KiB each and 128 KiB in all at most. */
struct muster_item_in { const void *data; size_t bytes; };
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_put_many(struct muster_queue *queue, const struct muster_item_in *items, size_t count,
                      const struct muster_put *options, uint32_t timeout_ms,
                      struct muster_error *error);

struct muster_item {
    void    *data;               /* data[bytes] is 0 */
    size_t   bytes;
    uint64_t id;
    uint64_t times;              /* it was given to someone before */
};
MUSTER_API void muster_item_free(struct muster_item *item);

/* Errors: EMPTY (nothing came in time), CLOSED (shut down and drained). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_get(struct muster_queue *queue, uint32_t timeout_ms, struct muster_item *item_out,
                 struct muster_error *error);
/* Piece by piece, in bounded memory, whatever its size; an error of the sink gives
 * the item back and is returned. */
typedef muster_err muster_item_sink(void *context, const void *data, size_t bytes, uint64_t total);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_get_to(struct muster_queue *queue, uint32_t timeout_ms, muster_item_sink *sink,
                    void *context, struct muster_error *error);
/* 1 .. max items as soon as there is one; free each.  Large items come alone. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_get_many(struct muster_queue *queue, size_t max, uint32_t timeout_ms,
                      struct muster_item *items_out, size_t *count_out,
                      struct muster_error *error);

/* `term_ms` 0 = 30 s. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_reserve(struct muster_queue *queue, uint32_t term_ms, uint32_t timeout_ms,
                     struct muster_item *item_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_reserve_many(struct muster_queue *queue, size_t max, uint32_t term_ms,
                          uint32_t timeout_ms, struct muster_item *items_out, size_t *count_out,
                          struct muster_error *error);
/* Of reserved items, by their ids.  STALE: none of them is this session's any more;
 * of several, *done_out (may be NULL) says how many were. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_ack(struct muster_queue *queue, const uint64_t *ids, size_t count,
                 uint32_t timeout_ms, size_t *done_out, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_give_back(struct muster_queue *queue, const uint64_t *ids, size_t count,
                       uint64_t delay_ms, uint32_t timeout_ms, size_t *done_out,
                       struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_extend(struct muster_queue *queue, const uint64_t *ids, size_t count,
                    uint32_t term_ms, uint32_t timeout_ms, size_t *done_out,
                    struct muster_error *error);

/* JoinableQueue.  STATE: more than were put.  (Acknowledging counts by itself.) */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_task_done(struct muster_queue *queue, uint64_t count, uint32_t timeout_ms,
                       struct muster_error *error);
/* Until everything that was put is done.  TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_join(struct muster_queue *queue, uint32_t timeout_ms, struct muster_error *error);

struct muster_queue_size {
    uint64_t items;              /* qsize(): that can be had, now or after their delay */
    uint64_t given;              /* lent or on their way */
    uint64_t unfinished;
    uint64_t maxsize;
    bool     closed;
};
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_size(struct muster_queue *queue, uint32_t timeout_ms,
                  struct muster_queue_size *size_out, struct muster_error *error);
/* Queue.shutdown: putters fail at once; getters drain it, or (immediate) fail at once. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_shutdown(struct muster_queue *queue, bool immediate, uint32_t timeout_ms,
                      struct muster_error *error);

/* ---- without waiting: see callback.h for where callbacks run ----
 * The call is made at once and returns; `done` comes exactly once, with OK or
 * why not.  Data is copied.  Calls of one session reach the manager in order;
 * those that lie ready travel together.  FULL, at once: 1,048,576 of a session, or 128 MiB of
 * items that they put, are under way or wait for their callbacks (ack_async always goes). */
typedef void muster_queue_done(void *context, const struct muster_error *error);
typedef void muster_queue_got(void *context, const struct muster_error *error,
                              const struct muster_item *item /* only during the call */);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_put_async(struct muster_queue *queue, const void *data, size_t bytes,
                       const struct muster_put *options, uint32_t timeout_ms,
                       muster_queue_done *done, void *context, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_get_async(struct muster_queue *queue, uint32_t timeout_ms, muster_queue_got *got,
                       void *context, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_reserve_async(struct muster_queue *queue, uint32_t term_ms, uint32_t timeout_ms,
                           muster_queue_got *got, void *context, struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_queue_ack_async(struct muster_queue *queue, uint64_t id, muster_queue_done *done,
                       void *context, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
