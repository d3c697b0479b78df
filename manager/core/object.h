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
 *    have to wait queues behind those that do (lane_busy): nobody overtakes.
 * 7. Cost: one map look-up for the tie, then the noun's own.  What looks at more
 *    than its own request brings counts it with object_work(): the loop stops
 *    those who ask for too much of it.
 */
#ifndef OBJECT_H
#define OBJECT_H

#include "state.h"

enum {
    OBJECT_LANES      = 4,         /* rings of waits in an object; nouns name theirs */
    OBJECT_TEXT_BYTES = 480,
    OBJECT_PIECE_SHIFT = 24,       /* (object, piece) in 64 bits */
    /* Verbs of the manager itself: facts that time makes, never on the wire. */
    VERB_INNER        = VERB_COUNT,
};

struct object {
    uint64_t         id;
    enum wire_noun   noun;
    uint32_t         refs;         /* from other objects */
    struct name     *name;         /* NULL: anonymous */
    struct user     *owner;
    uint64_t         a, b;         /* settings */
    uint64_t         bytes;        /* (d) of content, for limits; object_bytes() changes it */
    void            *state;        /* the noun's own */
    char            *initial;      /* of a transient one: its initial value, to be made again */
    uint32_t         initial_bytes;
    uint32_t         ties;         /* (d) */
    struct list      tie_list;     /* (d) struct tie, in the order in which they were made */
    uint32_t         waiting;      /* (v) its waits, parked ones too */
    bool             transient;
    bool             dead;         /* (v) gone; freed when nothing in this step needs it */
    bool             stored;       /* (v) */
    struct list      waits;        /* (v) struct wait, parked ones too */
    struct list      lanes[OBJECT_LANES];  /* (v) struct wait, of other objects too: lane_of */
    struct list      late;         /* (v) its late lane is being looked at */
    struct list     *late_at;      /* (v) the next of it to be looked at */
    bool             late_again;   /* (v) it changed meanwhile: once more from the first */
    struct heap_node timer;        /* (v) object_alarm() */
    struct list      touched;      /* (v) lanes to be looked at; when dead: to be freed */
    struct list      dirty;        /* (v) to be checkpointed */
    struct pieces   *pieces;       /* (v) NULL: none was ever stored or changed */
};

struct pieces {
    struct map dirty;              /* piece number -> the object: to be checkpointed */
    struct map stored;             /* those that the store has */
};

struct tie {
    struct session *session;
    struct object  *object;
    struct tie     *next;          /* of the same hash */
    uint64_t        number;        /* rises with each tie that is made */
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
    bool            enters;        /* the fact of an ENTER: it gives no answer yet */
    struct slice    key, value;
    uint64_t        unix_ms;       /* when it was decided */
};

struct wait {                      /* (v) */
    struct object   *object;
    struct session  *session;
    struct act       act;          /* the request; key and value are two allocations of its own
                                    * (NULL when empty): whoever takes one over clears it */
    struct object   *host;         /* whose lane it stands in; NULL: parked */
    struct list      lane_link;
    struct list      object_link, session_link;
    struct list      woken;        /* object_wake() */
    struct heap_node timer;
    uint64_t         place;        /* rises with arrival in its lane */
    uint64_t         bytes;        /* that it counts for, in core->wait_bytes */
    uint32_t         lane;
    muster_err       error;        /* what the end of wait_ms is told as */
    bool             away;         /* parked until it is asked for again */
    bool             entered;      /* its fact was recorded */
};

/* What decide says. */
enum verdict_kind {
    VERDICT_ANSWER,                /* fill `answer`; nothing changes */
    VERDICT_DO,                    /* `fact` is recorded, apply gives the answer */
    VERDICT_WAIT,                  /* put it in `lane`; with wait_ms 0: tell `error` */
    VERDICT_ENTER,                 /* `fact` is recorded without an answer, then it waits in `lane`:
                                    * apply remembers (session, request), later decisions find it */
    VERDICT_READ,                  /* answer with BODY: bytes of a stored body, see `body` */
    VERDICT_ERROR,                 /* `error` and `text` */
};

struct verdict {
    enum verdict_kind      kind;
    struct act             fact;   /* begins as a copy of the request */
    uint32_t               lane;
    struct object         *lane_of;/* whose lane; NULL: the object's own */
    bool                   halt;   /* WAIT of a LOOK: those behind it would wait as well.  One of a
                                    * WAIT verb always stops its lane */
    muster_err             error;  /* ERROR; WAIT and ENTER: what the end of wait_ms is told as */
    char                   text[OBJECT_TEXT_BYTES];   /* of error, for people; names the object.
                                    * WAIT and ENTER: "" = the usual text of the error */
    struct msg_object_done answer; /* slices may point into the state or core->scratch */
    const struct slice    *parts;  /* ANSWER: to be appended to answer.value */
    uint32_t               part_count;
    struct {                       /* READ */
        uint64_t owner, number, skip, offset, total;
    } body;
    struct {                       /* DO, ENTER: owner > 0: fact.value becomes this body with the */
        uint64_t owner, number;    /* turn, and the fact is recorded and applied without it */
    } store;
};

/* An answer that its session has not seen yet. */
enum kept_kind {
    KEPT_DONE,                     /* OBJECT_DONE, or ERROR `error` with answer.value as text */
    KEPT_OPENED,                   /* OBJECT_OPENED: answer.a: existed */
    KEPT_DELETED,                  /* ACK */
};
enum { KEPT_BYTES = 176 };         /* of memory, without its key and value */
struct kept {
    struct treap_node       node;   /* in session->kept, by request */
    uint64_t               request;
    uint64_t               object; /* may be gone by now */
    uint32_t               verb;   /* of the fact */
    uint16_t               error;  /* enum muster_err */
    uint8_t                kind;   /* enum kept_kind; the hooks of a noun see its DONEs alone */
    bool                   transient;  /* not stored */
    bool                   rebuilt;    /* object_answer_rebuilt() */
    bool                   settled;    /* the noun was told: its session closed the object */
    struct msg_object_done answer; /* key and value are its own and lie behind it */
};

/* ---- a noun: one row of noun_rules[], one file ----
 *
 * Hooks marked (opt) may be NULL.  decide reads durable state only; it may
 * change what is volatile.  All others but put and describe change state; they
 * run live and in a replay, so none of them may look at sessions' connections,
 * clocks or lanes.  `state` is made by make() and lost with free().  After those
 * that change state the object is touched.
 */
struct noun_rules {
    /* A lane whose waits may be decided about some turns after a change, since they are
     * told of all changes up to then.  However many stand there, a turn looks at some
     * thousands of them. (opt: late_lane of has_late) */
    bool     has_late;
    uint32_t late_lane;
    /* Are these settings allowed?  Fill v->error and v->text if not. (opt) */
    bool (*check)(const struct core *core, const struct msg_object_open *m, struct verdict *v);
    /* object->a, b, transient are set. */
    void (*make)(struct core *core, struct object *object, struct slice initial);
    /* Also gives up references that the content holds: object_unrefer(). */
    void (*free)(struct core *core, struct object *object);
    /* v is zero but for v->fact, the request; v->fact.unix_ms is now.  `act` is
     * &wait->act for one that stands in a lane: the first of it, one that was
     * woken, or any of a LOOK verb.  A new request that has to queue behind others
     * (lane_busy) is told to wait by decide itself. */
    void (*decide)(struct core *core, struct object *object, const struct act *act,
                   struct verdict *v);
    /* `answer` is zero; slices may point into the state or core->scratch.
     * Must accept whatever decide emits, and nothing that would break the state:
     * false makes a replay fail (and is an assertion live). */
    bool (*apply)(struct core *core, struct object *object, const struct act *act,
                  struct msg_object_done *answer);
    /* Free all that the session holds here: it ended, or it closed the object.  Its
     * tie is still there. (opt) */
    void (*session_ended)(struct core *core, struct object *object, uint64_t session);
    /* The end of wait_ms: emit what must follow (object_fact).  For an ENTER with
     * wait_ms 0 at once.  True: it was answered, or goes on waiting without an end;
     * false: tell wait->error. (opt) */
    bool (*timed_out)(struct core *core, struct object *object, struct wait *wait,
                      struct effects *fx);
    /* A wait leaves without an answer (its session ended or closed the object, it
     * was cancelled, the object is being deleted).  Live only; it is in no lane any
     * more.  May emit facts of the object or of others. (opt) */
    void (*wait_dropped)(struct core *core, struct object *object, struct wait *wait,
                         struct effects *fx);
    /* The alarm: emit facts for what is due.  Live only. (opt) */
    void (*tick)(struct core *core, struct object *object, struct effects *fx);
    /* After a load, when all objects, sessions and ties are there: does what it says
     * about them fit?  False makes the load fail. (opt) */
    bool (*linked)(const struct core *core, const struct object *object);
    /* After a load or replay, before the first step: volatile and derived state. (opt) */
    void (*start)(struct core *core, struct object *object);
    /* The session has seen the answer, or closed the object. (opt) */
    void (*seen)(struct core *core, struct object *object, uint64_t session,
                 const struct kept *kept);
    /* It was cancelled, or its session ended, before it saw the answer.  True: it
     * will have had no effect; false: it stays done. (opt: nothing can be undone) */
    bool (*undone)(struct core *core, struct object *object, uint64_t session,
                   const struct kept *kept);
    /* The whole answer again, when apply did not put all of it into what is kept
     * (object_answer_rebuilt): `answer` comes with the numbers and the key. (opt) */
    void (*again)(struct core *core, struct object *object, const struct kept *kept,
                  struct msg_object_done *answer);
    /* State as bytes, canonical; and back: false when malformed.  Of one that is not
     * transient.  References to others are counted by the frame; bytes are not:
     * object_bytes().  get follows make with an empty initial value. */
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
/* Does anyone but `act` stand first in this lane? */
static inline bool lane_busy(const struct object *object, uint32_t lane, const struct act *act);

/* In apply and the hooks beside it. */
/* The state changed: its lanes are looked at before this step ends (live), and
 * it is checkpointed.  The frame does so itself after apply. */
void object_touch(struct core *core, struct object *object);
/* Only what is volatile changed: its lanes are looked at. */
void object_wake_lanes(struct core *core, struct object *object);
/* Decide about this wait again, wherever it stands, before this step ends.  No
 * such wait, or a parked one: nothing. */
void object_wake(struct core *core, uint64_t session, uint64_t request);
void object_piece_dirty(struct core *core, struct object *object, uint32_t piece);
/* Content grew or shrank. */
void object_bytes(struct core *core, struct object *object, int64_t change);
/* A new anonymous object, tied to nobody: tie or refer to it at once.  Ids follow
 * from the state, so a replay gives the same.  Not in the apply of a transient
 * object: its facts are not replayed. */
struct object *object_make(struct core *core, enum wire_noun noun, const struct user *owner,
                           bool transient, uint64_t a, uint64_t b);
void object_tie(struct core *core, struct object *object, uint64_t session);  /* if it is not */
void object_refer(struct core *core, struct object *object);
/* Frees it with the last, if anonymous, though not before the fact is applied.
 * Harmless for one that is gone. */
void object_unrefer(struct core *core, uint64_t id);
/* A number for bodies of its own (effects_body), and its end: they are dropped
 * from the store with this turn. */
uint64_t object_body_owner(struct core *core);            /* decide: the next; apply: takes it */
void     object_body_take(struct core *core, uint64_t owner);
void     object_body_gone(struct core *core, uint64_t owner);
/* Can it be one?  For what is read from a store. */
static inline bool
object_body_named(uint64_t owner)
{
    return owner >> 62 == 1;       /* BODY_OWNER */
}
/* In apply: keep only the numbers and the key of this answer; again() gives the rest. */
void object_answer_rebuilt(struct core *core);
/* In apply: the answer is this error, and it is kept like any other.  "": the
 * usual text of the error. */
void object_answer_error(struct core *core, muster_err error, struct slice text);

/* Live only. */
/* A fact of the manager's own (session 0), or of someone who waits: then what
 * apply says is the answer, and the wait has ended (unless act->enters). */
void object_fact(struct core *core, struct object *object, const struct act *act,
                 struct effects *fx);
/* noun->tick at this time by the wall clock; 0: never.  Nothing in a replay. */
void object_alarm(struct core *core, struct object *object, uint64_t unix_ms);
/* So many items were looked at or moved. */
static inline void
object_work(struct core *core, uint64_t items)
{
    core->work += items;
}

static inline struct wait *
lane_first(const struct object *object, uint32_t lane)
{
    const struct list *ring = &object->lanes[lane];

    return list_empty(ring) ? NULL : CONTAINER(ring->next, struct wait, lane_link);
}

static inline bool
lane_busy(const struct object *object, uint32_t lane, const struct act *act)
{
    const struct wait *first = lane_first(object, lane);

    return first != NULL && &first->act != act;
}

/* The fact that is being applied. */
struct did {
    struct msg_object_done answer;
    muster_err             error;      /* OK, or what the answer is */
    bool                   rebuilt;
    char                   text[OBJECT_TEXT_BYTES];
};

/* ---- object.c: for core.c, apply_objects.c, session.c, snapshot_objects.c ---- */
step_fn step_object_open, step_object_close, step_object_delete, step_object_do,
        step_object_cancel, step_object_seen, step_object_list;
/* NULL: this noun has no file yet, or there is no such noun. */
const struct noun_rules *noun_rules_of(uint64_t noun);
static inline const struct noun_rules *
object_rules(const struct object *object)
{
    return noun_rules_of(object->noun);
}
struct object *object_named(const struct core *core, struct slice name);      /* NULL: none */
/* In every map; its settings and the noun's state are still to be made. */
struct object *object_enter(struct core *core, uint64_t id, enum wire_noun noun,
                            struct slice name, struct slice owner, bool transient);
void           object_initial(struct object *object, struct slice initial);
void           object_head_dirty(struct core *core, struct object *object);
/* NULL: the session has not opened it. */
struct tie    *tie_find(const struct core *core, uint64_t session, uint64_t object);
struct tie    *tie_new(struct core *core, struct session *session, struct object *object,
                       uint64_t number);
void           tie_free(struct core *core, struct tie *tie);
/* Out of every map, its content freed; the rest goes with objects_reap(). */
void           object_die(struct core *core, struct object *object);
/* Part of every fact: those that nobody needs any more. */
void           objects_die_off(struct core *core);
void           objects_reap(struct core *core);
/* The keys of a map, rising; to be freed. */
uint64_t      *map_keys(const struct map *map);
/* One fact: into the log (unless `logged` is false), and applied. */
void           object_record(struct core *core, struct effects *fx, const struct record *record,
                             bool logged);
/* The text of an error that says no more than its code. */
void           object_error_text(const struct object *object, muster_err error,
                                 char text[OBJECT_TEXT_BYTES]);
void           objects_start(struct core *core, struct effects *fx);
/* Before that: bodies of transient objects are dropped from the store. */
void           objects_bodies_drop(struct core *core, struct effects *fx);
void           objects_free(struct core *core);
void           objects_check(const struct core *core);

/* ---- object_wait.c ---- */
/* Look at the lanes of all that was touched, until nothing moves but what may be late.
 * After every step and in the turn. */
void         objects_settle(struct core *core, struct effects *fx);
/* Waits that are over, alarms, dropped bodies. */
void         objects_turn(struct core *core, struct effects *fx);
uint64_t     objects_wake_ms(const struct core *core);
struct wait *wait_find(const struct session *session, uint64_t request);
struct wait *wait_new(struct core *core, struct session *session, struct object *object,
                      const struct act *act, uint32_t wait_ms, const struct verdict *v);
void         wait_free(struct core *core, struct wait *wait);
/* Asked for again, with a new time-out. */
void         wait_resume(struct core *core, struct wait *wait, uint32_t wait_ms);
/* The end of wait_ms. */
void         wait_over(struct core *core, struct wait *wait, struct effects *fx);
/* The noun is told, and whoever waited: `why`, or nothing when OK. */
void         wait_drop(struct core *core, struct wait *wait, muster_err why, struct effects *fx);
/* A connection was lost: its waits are parked until they are asked for again. */
void         session_park(struct core *core, struct session *session);
/* Its peer is slow: its waits are parked until it is not. */
void         session_hold(struct core *core, struct session *session, bool slow);
/* Before SESSION_ENDED is recorded: its waits. */
void         session_waits_end(struct core *core, struct session *session, struct effects *fx);
/* The session, or everyone, has done with the object: CLOSED.  Those of others
 * that stand in its lanes go as well, when everyone has. */
void         session_waits_close(struct core *core, struct session *session,
                                 struct object *object, struct effects *fx);
void         object_waits_close(struct core *core, struct object *object, struct effects *fx);

/* ---- object_facts.c ---- */
/* Ask the noun. */
void         verdict_ask(struct core *core, struct object *object, const struct act *act,
                         struct verdict *v_out);
/* The fact of a DO or an ENTER. */
void         verdict_record(struct core *core, struct object *object, const struct verdict *v,
                            struct effects *fx);
/* Carry out any verdict but WAIT and ENTER. */
void         verdict_tell(struct core *core, struct object *object, const struct act *act,
                          const struct verdict *v, struct effects *fx);

/* ---- object_answers.c ---- */
struct kept *kept_find(const struct session *session, uint64_t request);      /* NULL: none */
/* The first whose request is not below; NULL: none. */
struct kept *kept_from(const struct session *session, uint64_t request);
/* What it counts for. */
uint64_t     kept_bytes(const struct kept *kept);
/* Its key and value are copied. */
void         kept_add(struct core *core, struct session *session, const struct kept *kept);
void         kept_free_all(struct core *core, struct session *session);
/* Tell it again. */
void         kept_tell(struct core *core, struct session *session, const struct kept *kept,
                       struct effects *fx);
/* An answer, or the error it is. */
void         answer_tell(uint64_t session, uint64_t request, const struct msg_object_done *answer,
                         muster_err error, struct effects *fx);
/* Parts of applying RANGE_SEEN, ANSWER_UNDONE, OBJECT_UNTIED, SESSION_ENDED. */
void         answers_seen(struct core *core, struct session *session, uint64_t from,
                          uint64_t below, struct slice except);
void         answer_undone(struct core *core, struct session *session, uint64_t request);
void         session_untie(struct core *core, struct session *session, struct object *object);
void         session_objects_end(struct core *core, struct session *session);

/* ---- snapshot_objects.c: what snapshot.c has of shared objects ---- */
void snapshot_put_meta_objects(const struct core *core, struct buffer *out);
bool snapshot_load_meta_objects(struct core *core, struct reader *in);
void snapshot_put_objects(const struct core *core, struct buffer *out);
void snapshot_checkpoint_objects(struct core *core, core_object_fn *each, void *context);
bool snapshot_load_object(struct core *core, uint32_t kind, uint64_t id, struct slice bytes);
/* All are loaded: what waited for others.  False when something is missing. */
bool snapshot_objects_link(struct core *core);
void snapshot_session_gone(struct core *core, struct session *session);

#endif
