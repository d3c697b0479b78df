/* queue_items.h - the items of a queue and where each of them is (private to queue.c
 * and the other queue_*.c)
 *
 *            put                give                 ack, seen
 *   (none) -------> waiting ------------> GIVEN --------------> (none)
 *                      ^                    |
 *                      `--------------------'
 *                  give back, term over, session ended
 *
 * 1. Durable is what an item is: id, priority, times, content, from when it may
 *    be given, until when it lives, who holds it.  Its `place` is derived from
 *    that and from the time that decide saw last, so replays may differ in
 *    places and never in bytes.
 * 2. Items leave in the order of (priority, id).  Those that came in that order
 *    stand in the FIFO of their level; those that come back later (given back,
 *    delayed) in a heap beside it, so every step costs O(1), or O(log n) of those
 *    that came back.
 * 3. Ids are sequence numbers, and CHUNK_ITEMS of them share a chunk, which finds an
 *    item by its id and is what a checkpoint writes.  Chunks whose numbers are
 *    equal in the PIECE_BITS that a piece can tell share a piece.
 */
#ifndef QUEUE_ITEMS_H
#define QUEUE_ITEMS_H

#include "object.h"

enum {
    CHUNK_ID_BITS = 8,
    CHUNK_ITEMS      = 1 << CHUNK_ID_BITS,
    PIECE_BITS       = 24,
    PIECE_MASK       = (1 << PIECE_BITS) - 1,
    UPLOADS_MAX      = 64,         /* of one session in one queue */
    ITEM_MEMORY      = 64,         /* counted for each item beside its bytes */
    QUEUE_ID_BYTES   = sizeof(uint64_t),
};

enum { LANE_PUT, LANE_GET, LANE_JOIN };

#define QUEUE_TTL_MS_MAX ((uint64_t)1 << 45)     /* a thousand years: sums cannot wrap */

enum queue_place {
    PLACE_NONE,
    PLACE_FIFO,                    /* ready, in level->fifo */
    PLACE_BACK,                    /* ready, in level->back */
    PLACE_PICKED,                  /* ready; decide has chosen it, apply will give it */
    PLACE_DELAYED,
    PLACE_OVER,                    /* its time to live is over; in queue->due */
    PLACE_GIVEN,                   /* in holder->given; its term is over: in queue->due, too */
    PLACE_COUNT
};

/* What a plain item that waits does without. */
struct queue_more {
    struct queue_item *item;
    uint64_t           ready_ms;   /* unix; not given before; 0: at once */
    uint64_t           over_ms;    /* unix; end of its life; 0: never */
    uint64_t           session;    /* GIVEN: the holder, by this request ... */
    uint64_t           request;
    uint64_t           term_ms;    /* ... until this unix time; 0: until its session ends */
    uint64_t           body;       /* owner of its bodies; 0: it is in memory */
    struct heap_node   clock;      /* (v) in queue->clock: the next time that matters */
    struct heap_node   back;       /* (v) */
    struct list        due;        /* (v) */
};

struct queue_item {
    uint64_t           id;
    struct list        link;       /* (d) FIFO, PICKED, GIVEN */
    struct queue_more *more;       /* NULL: all zero */
    uint32_t           bytes;
    uint32_t           times;      /* it was given */
    uint16_t           priority;   /* raised by PRIORITY_MAX */
    uint8_t            place;      /* (d) enum queue_place */
    bool               got;        /* GIVEN by GET, not by RESERVE */
    uint8_t            data[];     /* unless it is a body */
};

struct queue_level {               /* (d) ready items of one priority */
    struct heap_node place;        /* in queue->ready while there are any */
    struct list      fifo;         /* rising ids */
    struct heap      back;
};

struct queue_chunk {               /* (d) */
    struct queue_chunk *next;      /* of the same piece, rising numbers */
    uint64_t            number;    /* id >> CHUNK_ID_BITS */
    uint32_t            count;
    struct queue_item  *items[CHUNK_ITEMS];
};

/* What a session has in its hands. */
struct queue_holder {              /* (d) */
    uint64_t    session;
    struct list given, uploads;
    uint32_t    upload_count;
};

/* A large item that PUT_PART brings. */
struct queue_upload {
    struct list link;              /* in queue->uploads, rising owners */
    struct list session_link;
    uint64_t    session, thread;   /* its number is the session's choice */
    uint64_t    body;              /* owner */
    uint64_t    total, have;       /* bytes */
};

struct queue {
    struct object *object;
    uint64_t       id_last;
    uint64_t       unfinished;     /* put and not reported done */
    bool           closed;
    struct list    uploads;
    /* all below (d), the places with the time as decide saw it (v) */
    uint64_t       items, given, delayed, over;
    struct map     chunks;         /* by piece: a chain */
    struct order   pieces;         /* that have chunks */
    struct map     levels;         /* by priority; kept when empty */
    struct heap    ready;          /* levels with items, highest priority first */
    struct heap    clock;
    struct list    due;            /* queue_more: what tick must tell */
    struct list    picked;
    struct map     holders;        /* by session */
    uint64_t       seen_ms;        /* unix */
    uint64_t       alarm_ms;       /* as object_alarm() was told last */
    struct buffer  ids;            /* u64: of the fact that is being decided */
};

static inline struct queue *
queue_of(const struct object *object)
{
    return object->state;
}
static inline uint64_t
queue_body(const struct queue_item *item)
{
    return item->more != NULL ? item->more->body : 0;
}
static inline uint32_t
queue_piece(uint64_t id)
{
    return (uint32_t)(id >> CHUNK_ID_BITS) & PIECE_MASK;
}
/* Not given: what maxsize and SIZE count. */
static inline uint64_t
queue_size(const struct queue *queue)
{
    return queue->items - queue->given;
}

/* The id at this offset of a list of them. */
static inline uint64_t
queue_id_at(struct slice ids, size_t at)
{
    struct reader in = reader_of(slice_cut(ids, at, QUEUE_ID_BYTES));

    return read_u64(&in);
}
/* An item is done for those who join.  TASK_DONE may have counted it already. */
static inline void
queue_done(struct queue *queue)
{
    if (queue->unfinished > 0)
        queue->unfinished--;
}

struct queue *queue_new(struct object *object);
void          queue_delete(struct core *core, struct queue *queue);

/* A new item, in no place yet: fill it, then queue_item_settle(). */
struct queue_item *queue_item_new(struct core *core, struct queue *queue, uint64_t id,
                                  uint32_t bytes, bool is_body);
struct queue_item *queue_item_find(const struct queue *queue, uint64_t id);   /* or NULL */
/* The item if the session holds it. */
struct queue_item *queue_item_held(const struct queue *queue, uint64_t session, uint64_t id);
struct queue_more *queue_item_more(struct queue_item *item);
/* Put it where it belongs by what it is. */
void queue_item_settle(struct queue *queue, struct queue_item *item);
void queue_item_give(struct core *core, struct queue *queue, struct queue_item *item,
                     uint64_t session, uint64_t request, bool got, uint64_t term_ms);
/* From its holder to its old place; not before ready_ms unless 0. */
void queue_item_return(struct core *core, struct queue *queue, struct queue_item *item,
                       uint64_t ready_ms);
void queue_item_extend(struct core *core, struct queue *queue, struct queue_item *item,
                       uint64_t term_ms);
/* It is gone, with its bodies. */
void queue_item_drop(struct core *core, struct queue *queue, struct queue_item *item);

/* Volatile: let the wall clock be `unix_ms`.  True: more can be given than before. */
bool queue_now(struct queue *queue, uint64_t unix_ms);
/* Volatile: choose up to `count` ready items for one answer, their ids into queue->ids.
 * Returns how many.  What apply does not take is ready again with queue_now(). */
uint32_t queue_pick(struct queue *queue, uint64_t count);
/* The alarm as it must be now; only live. */
void queue_alarm(struct core *core, struct queue *queue);

struct queue_holder *queue_holder(struct queue *queue, uint64_t session);     /* makes it */
void                 queue_holder_done(struct queue *queue, struct queue_holder *holder);
struct queue_upload *queue_upload_find(const struct queue *queue, uint64_t session,
                                       uint64_t thread);
struct queue_upload *queue_upload_new(struct queue *queue, uint64_t session, uint64_t thread,
                                      uint64_t body, uint64_t total);
/* Forgets it; its bodies stay. */
void queue_upload_free(struct queue *queue, struct queue_upload *upload);

/* ---- verbs: hooks of one verb each ---- */
typedef void queue_decide_fn(struct core *core, struct object *object, const struct act *act,
                             struct verdict *v);
typedef bool queue_apply_fn(struct core *core, struct queue *queue, const struct act *act,
                            struct msg_object_done *answer);

/* queue_put.c */
queue_decide_fn queue_decide_put, queue_decide_part;
queue_apply_fn  queue_apply_put, queue_apply_part;
/* queue_give.c; `held`: ACK_ITEMS, GIVE_BACK, EXTEND */
queue_decide_fn queue_decide_get, queue_decide_read_part, queue_decide_held;
queue_apply_fn  queue_apply_get, queue_apply_held;

/* ---- hooks of the noun ---- */
/* queue_give.c */
void     queue_seen(struct core *core, struct object *object, uint64_t session,
                    const struct kept *kept);
bool     queue_undone(struct core *core, struct object *object, uint64_t session,
                      const struct kept *kept);
void     queue_again(struct core *core, struct object *object, const struct kept *kept,
                     struct msg_object_done *answer);
/* queue_store.c */
void     queue_put(const struct core *core, const struct object *object, struct buffer *out);
bool     queue_get(struct core *core, struct object *object, struct reader *in);
void     queue_put_piece(const struct core *core, const struct object *object, uint32_t piece,
                         struct buffer *out);
bool     queue_get_piece(struct core *core, struct object *object, uint32_t piece,
                         struct reader *in);
uint32_t queue_next_piece(const struct core *core, const struct object *object, uint32_t from);
void     queue_describe(const struct core *core, const struct object *object,
                        struct wire_object *out, char text[OBJECT_TEXT_BYTES]);
void     queue_verify(const struct core *core, const struct object *object);

#endif
