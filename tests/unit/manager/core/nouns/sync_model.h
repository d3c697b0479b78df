/* sync_model.h - what the threads of a random walk may believe about locks and their kin
 *
 * The model is fed with what was told, in order, and fails the test when it
 * cannot be: two holders of a lock, a token that did not rise, more permits than
 * there are, a place in the barrier given twice.  See test_sync_walk.c.
 */
#ifndef SYNC_MODEL_H
#define SYNC_MODEL_H

#include "sync_script.h"

enum { SESSIONS = 6, THREADS = 3, GENERATIONS = 4096, PARTIES = 3, PERMITS = 2 };

enum what { LOCK, RLOCK, BRIEF, ON_LOCK, ON_RLOCK, SEATS, FLAG, GATE, OBJECTS };

static const struct {
    enum wire_noun noun;
    enum what      lock;           /* of a condition */
    uint64_t       a, b;
    bool           transient;
} made[OBJECTS] = {
    [LOCK]     = { NOUN_LOCK, LOCK, 0, 0, false },
    [RLOCK]    = { NOUN_RLOCK, RLOCK, 0, 0, false },
    [BRIEF]    = { NOUN_LOCK, BRIEF, 0, 0, true },
    [ON_LOCK]  = { NOUN_CONDITION, LOCK, 0, 0, false },
    [ON_RLOCK] = { NOUN_CONDITION, RLOCK, 0, 0, false },
    [SEATS]    = { NOUN_SEMAPHORE, SEATS, PERMITS, 1, false },
    [FLAG]     = { NOUN_EVENT, FLAG, 0, 0, false },
    [GATE]     = { NOUN_BARRIER, GATE, PARTIES, 0, false },
};

static const struct {
    unsigned  verb;
    enum what object;
    uint64_t  a;
} deeds[] = {
    { VERB_LOCK_ACQUIRE, LOCK, 0 },      { VERB_LOCK_RELEASE, LOCK, 0 },
    { VERB_LOCK_RELEASE, LOCK, 0 },      { VERB_RLOCK_ACQUIRE, RLOCK, 0 },
    { VERB_RLOCK_ACQUIRE, RLOCK, 0 },    { VERB_RLOCK_RELEASE, RLOCK, 0 },
    { VERB_RLOCK_RELEASE, RLOCK, 0 },    { VERB_LOCK_ACQUIRE, BRIEF, 0 },
    { VERB_LOCK_RELEASE, BRIEF, 0 },     { VERB_CONDITION_WAIT, ON_LOCK, 0 },
    { VERB_CONDITION_WAIT, ON_LOCK, 0 }, { VERB_CONDITION_NOTIFY, ON_LOCK, 1 },
    { VERB_CONDITION_WAIT, ON_RLOCK, 0 }, { VERB_CONDITION_NOTIFY, ON_RLOCK, 0 },
    { VERB_SEMAPHORE_ACQUIRE, SEATS, 0 }, { VERB_SEMAPHORE_RELEASE, SEATS, 1 },
    { VERB_SEMAPHORE_RELEASE, SEATS, 1 }, { VERB_EVENT_WAIT, FLAG, 0 },
    { VERB_EVENT_SET, FLAG, 0 },         { VERB_EVENT_CLEAR, FLAG, 0 },
    { VERB_BARRIER_WAIT, GATE, 0 },      { VERB_BARRIER_WAIT, GATE, 0 },
    { VERB_BARRIER_WAIT, GATE, 0 },      { VERB_BARRIER_WAIT, GATE, 0 },
    { VERB_BARRIER_RESET, GATE, 0 },     { VERB_BARRIER_ABORT, GATE, 0 },
};

enum { DEEDS = sizeof(deeds) / sizeof(deeds[0]) };

struct thread {
    struct msg_object_do  m;
    struct msg_object_done answer; /* without bytes */
    enum what             object;
    uint64_t              request; /* 0: idle */
    uint64_t              depth;   /* that a condition will give back */
    bool                  answered;/* told, though perhaps never heard */
    bool                  heard;
};

struct model_session {
    uint64_t      id;              /* 0: ended */
    bool          connected;
    struct thread threads[THREADS];
    uint64_t      seats;
};

struct model_lock {
    int      session, thread;
    uint64_t depth, token;
};

struct walk {
    struct script       *script;   /* its world, store and sessions' helpers */
    struct world        *world;
    uint64_t             random;
    uint64_t             objects[OBJECTS];
    struct model_session sessions[SESSIONS];
    struct model_lock    locks[3]; /* LOCK, RLOCK, BRIEF */
    bool                 set;
    uint8_t              places[GENERATIONS];
    uint64_t             answers;  /* so that a walk that does nothing fails */
    bool                 calm;
};

static inline uint32_t
walk_random(struct walk *walk, uint32_t below)
{
    uint64_t x = walk->random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((x ^ (x >> 31)) % below);
}

/* ---- the model ---- */

static inline bool
model_holds(const struct walk *walk, enum what lock, int session, int thread)
{
    const struct model_lock *held = &walk->locks[lock];

    return held->depth > 0 && held->session == session &&
           (lock != RLOCK || held->thread == thread);
}

static inline void
model_grant(struct walk *walk, enum what object, int session, int thread, uint64_t token,
            uint64_t depth)
{
    struct model_lock *lock = &walk->locks[object];

    if (object == RLOCK && model_holds(walk, object, session, thread)) {
        assert_true(token == lock->token);
        assert_true(depth == lock->depth + 1);
        lock->depth = depth;
        return;
    }
    assert_int_equal(lock->depth, 0);
    assert_true(token > lock->token);
    *lock = (struct model_lock){ session, thread, depth, token };
}

static inline void
model_let_go(struct walk *walk, enum what object, int session, int thread)
{
    assert_true(model_holds(walk, object, session, thread));
    walk->locks[object].depth--;
}

/* What an answer that comes for the first time says. */
static inline void
model_done(struct walk *walk, int session, int number, const struct msg_object_done *m)
{
    struct thread *thread = &walk->sessions[session].threads[number];
    uint64_t       seats = 0;

    switch (thread->m.verb) {
    case VERB_LOCK_ACQUIRE:
    case VERB_RLOCK_ACQUIRE:
        model_grant(walk, thread->object, session, number, m->a, m->b);
        return;
    case VERB_LOCK_RELEASE:
    case VERB_RLOCK_RELEASE:
        model_let_go(walk, thread->object, session, number);
        return;
    case VERB_CONDITION_WAIT:
        model_grant(walk, made[thread->object].lock, session, number, m->a, thread->depth);
        return;
    case VERB_SEMAPHORE_ACQUIRE:
        walk->sessions[session].seats++;
        for (int i = 0; i < SESSIONS; i++)
            seats += walk->sessions[i].seats;
        assert_in_range(seats, 1, PERMITS);
        return;
    case VERB_SEMAPHORE_RELEASE:
        assert_true(walk->sessions[session].seats > 0);
        walk->sessions[session].seats--;
        return;
    case VERB_EVENT_WAIT:
        assert_true(walk->set);
        return;
    case VERB_BARRIER_WAIT:
        assert_in_range(m->a, 0, PARTIES - 1);
        assert_in_range(m->b, 1, GENERATIONS - 1);
        assert_int_equal(walk->places[m->b] >> m->a & 1, 0);
        walk->places[m->b] = (uint8_t)(walk->places[m->b] | 1 << m->a);
        return;
    default:
        return;
    }
}

/* Told, not heard, and now given up: it had no effect. */
static inline void
model_undo(struct walk *walk, int session, int number)
{
    struct thread     *thread = &walk->sessions[session].threads[number];
    enum what          object = made[thread->object].lock;
    struct model_lock *lock = &walk->locks[object < SEATS ? object : LOCK];

    if (!thread->answered)
        return;
    switch (thread->m.verb) {
    case VERB_LOCK_ACQUIRE:
    case VERB_RLOCK_ACQUIRE:
        if (lock->depth > 0 && lock->token == thread->answer.a)
            lock->depth--;
        return;
    case VERB_CONDITION_WAIT:
        if (lock->token == thread->answer.a)
            lock->depth = 0;
        return;
    case VERB_SEMAPHORE_ACQUIRE:
        if (walk->sessions[session].seats > 0)
            walk->sessions[session].seats--;
        return;
    case VERB_EVENT_WAIT:          /* told, not heard, waiting again */
        return;
    default:
        fail_msg("verb %u cannot be undone", thread->m.verb);
    }
}

static inline void
model_session_ended(struct walk *walk, int session)
{
    for (int i = LOCK; i <= BRIEF; i++) {
        if (walk->locks[i].session == session)
            walk->locks[i].depth = 0;
    }
    walk->sessions[session] = (struct model_session){ 0 };
}

/* The request is sent: what it does at once.  One that was refused unheard is
 * decided anew when it comes again. */
static inline void
model_begin(struct walk *walk, int session, int number)
{
    struct thread *thread = &walk->sessions[session].threads[number];

    if (thread->answered || thread->depth > 0)
        return;
    if (thread->m.verb == VERB_EVENT_SET || thread->m.verb == VERB_EVENT_CLEAR) {
        walk->set = thread->m.verb == VERB_EVENT_SET;
    } else if (thread->m.verb == VERB_CONDITION_WAIT) {
        enum what lock = made[thread->object].lock;

        if (model_holds(walk, lock, session, number)) {
            thread->depth = walk->locks[lock].depth;
            walk->locks[lock].depth = 0;
        }
    }
}

#endif
