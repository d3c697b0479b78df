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
 * 4. Who waits is served in the order of arrival, except for those whose
 *    connection was disturbed since they asked.
 */
#ifndef SIM_HISTORY_OBJECTS_H
#define SIM_HISTORY_OBJECTS_H

#include "history.h"
#include "list.h"

/* The objects of a run, each under its own name. */
enum shared {
    SHARED_QUEUE, SHARED_LOCK, SHARED_RLOCK, SHARED_SEMAPHORE, SHARED_EVENT, SHARED_GUARD,
    SHARED_CONDITION, SHARED_BARRIER, SHARED_VALUE, SHARED_DICT, SHARED_COUNT
};

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
    bool                done;          /* answered, and that is kept ... */
    muster_err          error;         /* ... though it is an error */
    bool                seen;
    bool                undone;
    struct buffer       answer;        /* the first one, encoded */
    uint64_t            told_a, told_b;
};

/* ---- for clients ---- */
/* By its name.  The lock of the condition must have been opened before. */
void            history_object_open(const struct history *history, enum shared shared,
                                    struct msg_object_open *m_out);
/* A request that is about to be sent for the first time.  `m` is of the type. */
struct hist_op *history_asks(struct history *history, uint64_t session, uint64_t request,
                             enum shared shared, uint16_t type, const union wire_any *m);
/* The client goes on without this session. */
void            history_left(struct history *history, uint64_t session);
/* The content of an item that nobody has put before. */
uint64_t        history_item(struct history *history);
/* 0: nobody has opened it. */
uint64_t        history_object_id(const struct history *history, enum shared shared);

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
