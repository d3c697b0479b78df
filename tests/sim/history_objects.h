/* history_objects.h - shared objects: what was asked, what the manager said, was it allowed
 *
 * A model of every object, fed with what leaves the manager, in the order in
 * which it decided: requests that it took, answers, sessions that ended, answers
 * that were seen.  Like all notes they count when their turn is durable.
 *
 * 1. Numbers are exact, for every change of an object has one first answer: a
 *    lock has one holder and tokens rise (P8), permits are conserved (P9), items
 *    are given once, counters lose nothing, whatever was lost on the way.
 * 2. A request that comes again is answered as before, unless it changed nothing.
 * 3. What a session holds is free once the session has ended, or has closed the
 *    object, or gave up what it had not seen, and not before.
 * 4. What is in a transient object is gone with a restart, all of it.
 * 5. Who waits is served in the order of arrival, except for those whose
 *    connection was disturbed since they asked.
 */
#ifndef SIM_HISTORY_OBJECTS_H
#define SIM_HISTORY_OBJECTS_H

#include "history.h"
#include "list.h"

/* The objects of a run, each under its own name. */
enum shared {
    SHARED_QUEUE, SHARED_LOCK, SHARED_RLOCK, SHARED_SEMAPHORE, SHARED_EVENT, SHARED_GUARD,
    SHARED_CONDITION, SHARED_BARRIER, SHARED_VALUE, SHARED_DICT, SHARED_LIST, SHARED_ARRAY,
    SHARED_TIMED,                  /* a queue with delays, times to live and a bound */
    SHARED_SERVICE, SHARED_LISTENER,
    SHARED_PIPE,                   /* many: each end is closed for good some time */
    SHARED_COUNT
};

enum { SHARED_ARRAY_ITEMS = 12 };

struct hist_object;

/* One request, in one session. */
struct hist_op {
    struct list         link;          /* of those that wait at the object, by arrival */
    struct hist_object *object;        /* NULL: of a CANCEL */
    struct hist_op     *target;        /* CANCEL: what is given up */
    uint64_t            session, request;
    uint16_t            type;          /* of the message */
    uint32_t            verb;
    uint64_t            thread, a, b, c, d;
    uint32_t            wait_ms;
    struct buffer       value;
    /* What the manager made of it. */
    bool                waits;
    bool                steady;        /* nothing disturbed its session since it asked */
    uint64_t            arrival;
    bool                entered;       /* condition, barrier: it is counted */
    uint64_t            entry;         /* the order of that */
    bool                idle;          /* its answer changed nothing: it is decided anew */
    bool                done;          /* answered, and that is kept ... */
    muster_err          error;         /* ... though it is an error */
    bool                seen;
    bool                undone;
    struct buffer       answer;        /* the first one, encoded */
    uint64_t            told_a, told_b;
};

/* ---- for clients ---- */
struct hist_object *history_object(struct history *history, enum shared shared);
/* The pipe that has a name now, and the one that an ACCEPT or CONNECT was answered with. */
struct hist_object *history_pipe_named(struct history *history);
struct hist_object *history_pipe_of(struct history *history, uint64_t id);
/* It is used up: the next one has another name. */
void            history_pipe_over(struct history *history, const struct hist_object *pipe);
bool            history_pipe_duplex(const struct hist_object *pipe);
/* Nobody but who was given its ends has it. */
bool            history_pipe_is_private(const struct hist_object *pipe);
bool            history_pipe_held(const struct hist_object *pipe, unsigned end, uint64_t session);
/* By its name.  The lock of the condition must have been opened before. */
void            history_object_open(const struct hist_object *object,
                                    struct msg_object_open *m_out);
/* A request that is about to be sent for the first time.  `m` is of the type. */
struct hist_op *history_asks(struct history *history, uint64_t session, uint64_t request,
                             struct hist_object *object, uint16_t type, const union wire_any *m);
/* A restart of the manager empties it. */
bool            history_object_transient(const struct hist_object *object);
/* The client goes on without this session. */
void            history_left(struct history *history, uint64_t session);
/* The content of an item that nobody has put before. */
uint64_t        history_item(struct history *history);
/* 0: nobody has opened it. */
uint64_t        history_object_id(const struct hist_object *object);
/* Part `number` of what a session sends from an end of a pipe: m_out->value is `text`. */
void            history_part(const struct hist_object *pipe, uint64_t session, unsigned end,
                             uint64_t number, char text[static 64], struct msg_object_do *m_out);
/* Whoever receives at this end says that it has the parts below this one. */
void            history_takes(struct hist_object *pipe, unsigned end, uint64_t below);
/* What a service answers to the call with this argument. */
uint64_t        history_result(uint64_t argument);

/* ---- for history*.c ---- */
struct hist_objects *history_objects_new(struct sim *sim);
void                 history_objects_free(struct hist_objects *objects);
void                 history_objects_apply(struct hist_objects *objects, const struct note *note,
                                           struct slice bytes);
void                 history_objects_restarted(struct hist_objects *objects);
void                 history_objects_fresh(struct hist_objects *objects);
/* P8, P9: what a dead session held is free in time. */
void                 history_objects_terms(struct hist_objects *objects, uint64_t turn_ms);
void                 history_objects_finish(struct hist_objects *objects);

#endif
