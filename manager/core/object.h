/* object.h - shared objects: the frame that every noun hangs in (private to core)
 *
 *   OBJECT_DO -> tie, verb, quota -> noun->decide ---- fact ----> noun->apply -> answer, kept
 *                                      |    ^                        |
 *                                      |    `-- the lane is woken <--' (object_touch)
 *                                      `-> a wait in one of its lanes
 *
 * 1. A fact is the request as it was decided (struct act): whatever depended on
 *    time, on chance of arrival or on volatile state was resolved by decide, so
 *    that apply is a function of durable state and the act alone.  Replay calls
 *    the same apply.
 * 2. The fact of a transient object is applied and not logged; a restart finds
 *    the object as it was made.  Everything else about objects is durable.
 * 3. Every answer to a request that changed something is *kept* with its session
 *    until the session has seen it (OBJECT_SEEN): a request that comes again is
 *    answered from there and not done twice.  Errors and reads are not kept:
 *    they changed nothing and are decided anew.
 * 4. A session reaches an object through its *tie*, made by OPEN.  What a
 *    session holds in an object (locks, permits, reserved items ...) is freed by
 *    noun->session_ended when the session ends, and not before.
 * 5. An anonymous object lives while a session is tied to it or another object
 *    refers to it; a named one until it is deleted.
 * 6. Waits are volatile: after a restart or a reconnection the client asks
 *    again.  A lane is FIFO; a wait that was parked with its session's
 *    connection takes its old place when it is asked for again.  Whoever may
 *    have to wait queues behind those that do: nobody overtakes.
 * 7. Cost: one map look-up for the tie, then the noun's own.  Nothing scans
 *    sessions, objects or waits.
 */
#ifndef OBJECT_H
#define OBJECT_H

#include "state.h"

enum {
    OBJECT_LANES      = 4,         /* rings of waits in an object; nouns name theirs */
    OBJECT_TEXT_BYTES = 480,
    /* Verbs of the manager itself: facts that time makes, never on the wire. */
    VERB_INNER        = VERB_COUNT,
};

/* One of these may not be looked for in a lane: see struct verdict. */
enum { LANE_NONE = OBJECT_LANES };

struct object {
    uint64_t         id;
    enum wire_noun   noun;
    struct name     *name;         /* NULL: anonymous */
    struct user     *owner;
    uint64_t         a, b;         /* settings */
    uint64_t         bytes;        /* of content, for limits; object_bytes() changes it */
    uint32_t         ties;
    uint32_t         refs;         /* from other objects */
    bool             transient;
    bool             dead;         /* deleted; freed when nothing in this step needs it (v) */
    bool             stored;       /* (v) */
    void            *state;        /* the noun's own */
    struct list      tie_list;     /* struct tie, in the order in which they were made */
    struct list      lanes[OBJECT_LANES];  /* struct wait (v) */
    uint32_t         waiting;      /* in all lanes (v) */
    struct heap_node timer;        /* (v) object_alarm() */
    struct list      touched;      /* (v) lanes to be looked at */
    struct list      dirty;        /* (v) to be checkpointed */
    struct map       dirty_pieces; /* (v) piece number -> object (any non-NULL pointer) */
    struct map       stored_pieces;/* (v) pieces that the store has */
};

struct tie {
    struct session *session;
    struct object  *object;
    struct list     object_link, session_link;
};

/* A request, or a fact: the same thing before and after it was decided. */
struct act {
    uint64_t        session;       /* 0: the manager itself */
    uint64_t        request;       /* 0: nobody waits for an answer */
    uint32_t        verb;          /* VERB_..., or VERB_INNER and up */
    uint64_t        thread;
    uint64_t        a, b, c, d;
    bool            is_reference;
    struct slice    key, value;
    uint64_t        unix_ms;       /* when it was decided */
};

struct wait {                      /* (v) */
    struct object   *object;
    struct session  *session;
    struct act       act;          /* key and value are its own copies */
    struct list      lane_link;    /* unlinked: parked */
    struct list      session_link;
    struct heap_node timer;
    uint64_t         place;        /* rises with arrival */
    uint32_t         lane;
};

/* What decide says. */
enum verdict_kind {
    VERDICT_ANSWER,                /* fill `answer`; nothing changes */
    VERDICT_DO,                    /* `fact` is recorded, apply gives the answer */
    VERDICT_WAIT,                  /* put it in `lane` */
    VERDICT_ENTER,                 /* `fact` is recorded without an answer, then it waits in `lane`:
                                    * apply remembers (session, request), later decisions find it */
    VERDICT_READ,                  /* answer with BODY: bytes of a stored body, see `body` */
    VERDICT_ERROR,                 /* `error` and `text` */
};

struct verdict {
    enum verdict_kind      kind;
    struct act             fact;   /* begins as a copy of the request */
    uint32_t               lane;
    muster_err             error;  /* ERROR; WAIT and ENTER: what the end of wait_ms is told as */
    char                   text[OBJECT_TEXT_BYTES];   /* of error, for people; names the object */
    struct msg_object_done answer; /* slices may point into the state or core->scratch */
    struct {
        uint64_t owner, number, skip, offset, total;
    } body;
};

/* An answer that its session has not seen yet. */
struct kept {
    uint64_t               request;
    uint64_t               object; /* may be gone by now */
    uint32_t               verb;
    bool                   transient;
    bool                   opened; /* the answer to OPEN: answer.a is the object's id, b existed */
    struct msg_object_done answer; /* key and value are its own copies */
};

/* ---- a noun: one row of noun_rules[], one file ----
 *
 * Hooks marked (opt) may be NULL.  decide reads durable state only; it may
 * change what is volatile.  All others but put and describe change state; they
 * run live and in a replay, so none of them may look at sessions' connections,
 * clocks or lanes.  `state` is made by make() and lost with free().
 */
struct noun_rules {
    /* Are these settings allowed?  Fill v->error and v->text if not. (opt) */
    bool (*check)(const struct core *core, const struct msg_object_open *m, struct verdict *v);
    /* object->a, b, transient are set. */
    void (*make)(struct core *core, struct object *object, struct slice initial);
    /* Also gives up references that the content holds: object_unrefer(). */
    void (*free)(struct core *core, struct object *object);
    /* v is zero but for v->fact, the request; v->fact.unix_ms is now. */
    void (*decide)(struct core *core, struct object *object, const struct act *act,
                   struct verdict *v);
    /* `answer` is zero; slices may point into the state or core->scratch.
     * Must accept whatever decide emits, and nothing that would break the state:
     * false makes a replay fail (and is an assertion live). */
    bool (*apply)(struct core *core, struct object *object, const struct act *act,
                  struct msg_object_done *answer);
    /* Free all that the session holds here; its tie is still there. (opt) */
    void (*session_ended)(struct core *core, struct object *object, uint64_t session);
    /* The end of wait_ms of an entered wait: emit what must follow (object_fact).
     * True: it was answered or goes on waiting; false: tell v->error. (opt) */
    bool (*timed_out)(struct core *core, struct object *object, struct wait *wait,
                      struct effects *fx);
    /* A wait leaves without an answer (session lost its connection for good,
     * cancelled, object deleted).  Live only. (opt) */
    void (*wait_dropped)(struct core *core, struct object *object, struct wait *wait,
                         struct effects *fx);
    /* The alarm: emit facts for what is due.  Live only. (opt) */
    void (*tick)(struct core *core, struct object *object, struct effects *fx);
    /* After a load or replay, before the first step: volatile and derived state. (opt) */
    void (*start)(struct core *core, struct object *object);
    /* The session has seen the answer (apply of ANSWERS_SEEN, or the session ended
     * with the answer told). (opt) */
    void (*seen)(struct core *core, struct object *object, uint64_t session,
                 const struct kept *kept);
    /* It was cancelled, or its session ended, before it saw the answer. (opt) */
    void (*undone)(struct core *core, struct object *object, uint64_t session,
                   const struct kept *kept);
    /* The whole answer again, when apply did not put all of it into what is kept:
     * see object_answer_rebuilt(). (opt) */
    void (*again)(struct core *core, struct object *object, const struct kept *kept,
                  struct msg_object_done *answer);
    /* State as bytes, canonical; and back: false when malformed. */
    void (*put)(const struct core *core, const struct object *object, struct buffer *out);
    bool (*get)(struct core *core, struct object *object, struct reader *in);
    /* Large contents in pieces of a few KiB, so that a checkpoint writes what
     * changed: number 0 .. 2^24-1; an empty one is gone.  get_piece comes after
     * get, in ascending order. (opt) */
    void (*put_piece)(const struct core *core, const struct object *object, uint32_t piece,
                      struct buffer *out);
    bool (*get_piece)(struct core *core, struct object *object, uint32_t piece,
                      struct reader *in);
    /* The lowest piece >= `from` that is not empty; UINT32_MAX: none. (opt, with the above) */
    uint32_t (*next_piece)(const struct core *core, const struct object *object, uint32_t from);
    /* items and text of the list that people see. */
    void (*describe)(const struct core *core, const struct object *object,
                     struct wire_object *out, char text[OBJECT_TEXT_BYTES]);
    /* Aborts when an invariant is broken.  For the simulator and the tests. */
    void (*verify)(const struct core *core, const struct object *object);
};

extern const struct noun_rules noun_queue, noun_lock, noun_semaphore, noun_event, noun_condition,
    noun_barrier, noun_value, noun_array, noun_list, noun_dict, noun_pipe, noun_listener,
    noun_service;

/* ---- what nouns may use ---- */

struct object *object_find(const struct core *core, uint64_t id);      /* NULL: none, or dead */
/* Is the session tied to it? */
bool           object_tied(const struct core *core, uint64_t session, const struct object *object);

/* In decide: "semaphore seats: ..." with v->kind = VERDICT_ERROR. */
void verdict_error(struct verdict *v, const struct object *object, muster_err error,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void verdict_wait(struct verdict *v, uint32_t lane, muster_err when_over);

/* In apply and the hooks beside it. */
/* The state changed: its lanes are looked at before this step ends (live), and
 * it is checkpointed.  The frame does so itself after apply. */
void object_touch(struct core *core, struct object *object);
void object_piece_dirty(struct core *core, struct object *object, uint32_t piece);
/* Content grew or shrank. */
void object_bytes(struct core *core, struct object *object, int64_t change);
/* A new anonymous object, tied to nobody: tie or refer to it at once.  Ids follow
 * from the state, so a replay gives the same. */
struct object *object_make(struct core *core, enum wire_noun noun, const struct user *owner,
                           bool transient, uint64_t a, uint64_t b);
void object_tie(struct core *core, struct object *object, uint64_t session);
void object_refer(struct core *core, struct object *object);
void object_unrefer(struct core *core, uint64_t id);      /* frees it with the last, if anonymous */
/* A number for bodies of its own (effects_body), and its end: they are dropped
 * from the store with this turn. */
uint64_t object_body_owner(struct core *core);            /* decide: the next; apply: takes it */
void     object_body_take(struct core *core, uint64_t owner);
void     object_body_gone(struct core *core, uint64_t owner);
/* In apply: keep only the numbers and the key of this answer; again() gives the rest. */
void object_answer_rebuilt(struct core *core);

/* Live only. */
/* A fact of the manager's own (session 0), or of someone who waits. */
void object_fact(struct core *core, struct object *object, const struct act *act,
                 struct effects *fx);
/* noun->tick at this time by the wall clock; 0: never. */
void object_alarm(struct core *core, struct object *object, uint64_t unix_ms);
static inline struct wait *
lane_first(const struct object *object, uint32_t lane)
{
    const struct list *ring = &object->lanes[lane];

    return list_empty(ring) ? NULL : CONTAINER(ring->next, struct wait, lane_link);
}

/* ---- for core.c, apply.c, session.c, snapshot.c ---- */
step_fn step_object_open, step_object_close, step_object_delete, step_object_do,
        step_object_cancel, step_object_seen, step_object_list;
/* Look at the lanes of all that was touched, until nothing moves.  After every
 * step and in the turn. */
void objects_settle(struct core *core, struct effects *fx);
/* Waits that are over, alarms, dropped bodies. */
void objects_turn(struct core *core, struct effects *fx);
void objects_start(struct core *core);
uint64_t objects_wake_ms(const struct core *core);
void objects_free(struct core *core);
void objects_check(const struct core *core);
/* A connection was lost: its waits are parked. */
void session_park(struct core *core, struct session *session);
/* apply of SESSION_ENDED: ties, what it held, answers it has not seen. */
void session_objects_end(struct core *core, struct session *session);
/* Before that fact: its waits. */
void session_waits_end(struct core *core, struct session *session, struct effects *fx);

#endif
