/* history_sync.c - the model of locks, semaphores, events, conditions and barriers */
#include "history_model.h"

#include <stdlib.h>

/* ---- lock, rlock ---- */

static bool
lock_is_held_by(const struct hist_object *lock, const struct hist_op *op)
{
    return lock->lock.depth > 0 && lock->lock.session == op->session &&
           (lock->noun != NOUN_RLOCK || lock->lock.thread == op->thread);
}

void
model_lock_take(struct hist_object *lock, const struct hist_op *op, uint64_t token)
{
    if (lock->lock.depth > 0)
        model_fail(lock, op, "P8: it is given to a second holder; session %llu has it",
                   (unsigned long long)lock->lock.session);
    if (token <= lock->lock.highest)
        model_fail(lock, op, "P8: token %llu follows token %llu", (unsigned long long)token,
                   (unsigned long long)lock->lock.highest);
    lock->lock.session = op->session;
    lock->lock.thread = op->thread;
    lock->lock.token = lock->lock.highest = token;
    lock->lock.depth = 1;
}

void
model_lock_drop(struct hist_object *lock, const struct hist_op *op)
{
    if (!lock_is_held_by(lock, op))
        model_fail(lock, op, "P8: it is let go of by one who does not hold it");
    lock->lock.depth--;
}

void
model_lock_undo(struct hist_object *lock, const struct hist_op *op, uint64_t token)
{
    if (lock->lock.depth > 0 && lock->lock.session == op->session && lock->lock.token == token)
        lock->lock.depth--;
}

static bool
lock_acquires(const struct hist_op *op)
{
    return op->verb == VERB_LOCK_ACQUIRE || op->verb == VERB_RLOCK_ACQUIRE;
}

static void
lock_acquired(struct hist_object *lock, const struct hist_op *op, const struct msg_object_done *m)
{
    if (lock->noun == NOUN_RLOCK && lock_is_held_by(lock, op)) {
        if (m->a != lock->lock.token)
            model_fail(lock, op, "P8: the same holding has two tokens");
        lock->lock.depth++;
    } else {
        model_lock_take(lock, op, m->a);
    }
    if (m->b != lock->lock.depth)
        model_fail(lock, op, "its depth is %llu, not %u", (unsigned long long)m->b,
                   lock->lock.depth);
}

static void
lock_done(struct hist_object *lock, struct hist_op *op, const struct msg_object_done *m)
{
    if (lock_acquires(op))
        lock_acquired(lock, op, m);
    else if (op->verb == VERB_LOCK_RELEASE || op->verb == VERB_RLOCK_RELEASE)
        model_lock_drop(lock, op);
    else if (m->a != (lock->lock.depth > 0) || m->b != lock->lock.token ||
             m->c != lock->lock.depth)
        model_fail(lock, op, "P8: its state is %llu, token %llu, depth %llu; not token %llu, "
                   "depth %u", (unsigned long long)m->a, (unsigned long long)m->b,
                   (unsigned long long)m->c, (unsigned long long)lock->lock.token,
                   lock->lock.depth);
}

static void
lock_refused(struct hist_object *lock, struct hist_op *op, muster_err error)
{
    if (error == MUSTER_ERR_NOT_OWNER && lock_is_held_by(lock, op))
        model_fail(lock, op, "P8: its holder is told that it does not hold it");
}

static bool
lock_undone(struct hist_object *lock, struct hist_op *op)
{
    if (!lock_acquires(op))
        return false;
    model_lock_undo(lock, op, op->told_a);
    return true;
}

static void
lock_session_ended(struct hist_object *lock, uint64_t session)
{
    if (lock->lock.session == session)
        lock->lock.depth = 0;
}

static bool
lock_holds(const struct hist_object *lock, uint64_t session)
{
    return lock->lock.depth > 0 && lock->lock.session == session;
}

/* The highest token stays: those of a transient lock rise over restarts, too. */
static void
lock_made(struct hist_object *lock)
{
    lock->lock.token = 0;
    lock->lock.depth = 0;
}

const struct hist_rules hist_lock = {
    .made = lock_made, .done = lock_done, .refused = lock_refused, .undone = lock_undone,
    .session_ended = lock_session_ended, .holds = lock_holds,
};

/* ---- semaphore: bounded ---- */

static uint32_t *
semaphore_held(struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->semaphore.holders; i++)
        if (object->semaphore.held[i].session == session)
            return &object->semaphore.held[i].permits;
    assert(object->semaphore.holders < MODEL_HOLDERS_MAX);
    object->semaphore.held[object->semaphore.holders].session = session;
    return &object->semaphore.held[object->semaphore.holders++].permits;
}

static void
semaphore_give_back(struct hist_object *object, uint64_t session, uint32_t permits)
{
    uint32_t *held = semaphore_held(object, session);

    permits = permits < *held ? permits : *held;
    *held -= permits;
    object->semaphore.left += permits;
}

static void
semaphore_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    uint32_t left = object->semaphore.left;

    if (op->verb == VERB_SEMAPHORE_ACQUIRE) {
        if (left == 0)
            model_fail(object, op, "P9: a permit is given while none is left");
        if (m->a <= object->semaphore.token)
            model_fail(object, op, "P8: token %llu follows token %llu", (unsigned long long)m->a,
                       (unsigned long long)object->semaphore.token);
        object->semaphore.token = m->a;
        object->semaphore.left--;
        ++*semaphore_held(object, op->session);
        if (m->b != object->semaphore.left)
            model_fail(object, op, "P9: %llu permits are left, not %u", (unsigned long long)m->b,
                       object->semaphore.left);
    } else if (op->verb == VERB_SEMAPHORE_RELEASE) {
        if (op->a > *semaphore_held(object, op->session))
            model_fail(object, op, "P9: a bounded semaphore takes more than it gave");
        semaphore_give_back(object, op->session, (uint32_t)op->a);
    } else if (m->a != left || m->b != MODEL_PERMITS - left) {
        model_fail(object, op, "P9: %llu permits are left and %llu held, not %u of %u",
                   (unsigned long long)m->a, (unsigned long long)m->b, left, MODEL_PERMITS);
    }
}

static void
semaphore_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    if (error == MUSTER_ERR_STATE && op->a <= *semaphore_held(object, op->session))
        model_fail(object, op, "P9: a permit that is held is not taken back");
}

static bool
semaphore_undone(struct hist_object *object, struct hist_op *op)
{
    if (op->verb != VERB_SEMAPHORE_ACQUIRE)
        return false;
    semaphore_give_back(object, op->session, 1);
    return true;
}

static void
semaphore_session_ended(struct hist_object *object, uint64_t session)
{
    semaphore_give_back(object, session, UINT32_MAX);
}

static bool
semaphore_holds(const struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->semaphore.holders; i++)
        if (object->semaphore.held[i].session == session)
            return object->semaphore.held[i].permits > 0;
    return false;
}

static void
semaphore_made(struct hist_object *object)
{
    object->semaphore.left = MODEL_PERMITS;
    object->semaphore.holders = 0;
    memset(object->semaphore.held, 0, sizeof(object->semaphore.held));
}

const struct hist_rules hist_semaphore = {
    .made = semaphore_made, .done = semaphore_done, .refused = semaphore_refused,
    .undone = semaphore_undone,
    .session_ended = semaphore_session_ended, .holds = semaphore_holds,
};

/* ---- event ---- */

static void
event_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    if (op->verb == VERB_EVENT_SET || op->verb == VERB_EVENT_CLEAR)
        object->event.set = op->verb == VERB_EVENT_SET;
    else if (op->verb == VERB_EVENT_WAIT && !object->event.set)
        model_fail(object, op, "a wait ends though it is not set");
    else if (op->verb == VERB_EVENT_IS_SET && m->a != object->event.set)
        model_fail(object, op, "it is said to be %llu", (unsigned long long)m->a);
}

static void
event_made(struct hist_object *object)
{
    object->event.set = false;
}

const struct hist_rules hist_event = { .made = event_made, .done = event_done };

/* ---- condition ---- */

static struct hist_object *
condition_guard(struct hist_object *object)
{
    return &object->objects->fixed[SHARED_GUARD];
}

static void
condition_asked(struct hist_object *object, struct hist_op *op)
{
    if (op->verb != VERB_CONDITION_WAIT || op->entered)
        return;
    op->entered = true;
    model_lock_drop(condition_guard(object), op);
}

static void
condition_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    if (op->verb == VERB_CONDITION_WAIT) {
        if (!op->entered)
            model_fail(object, op, "a wait ends that never began");
        model_lock_take(condition_guard(object), op, m->a);
        if (m->b == 0 && ++object->condition.told > object->condition.notified)
            model_fail(object, op, "more are woken than were notified");
        return;
    }
    if (!lock_is_held_by(condition_guard(object), op))
        model_fail(object, op, "one notifies who does not hold the lock");
    if (op->a != 0 && m->a > op->a)
        model_fail(object, op, "%llu are notified, %llu at most were to be",
                   (unsigned long long)m->a, (unsigned long long)op->a);
    object->condition.notified += m->a;
}

static void
condition_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    if (error == MUSTER_ERR_NOT_OWNER &&
        (op->entered || lock_is_held_by(condition_guard(object), op)))
        model_fail(object, op, "who holds the lock is told that it does not");
}

static bool
condition_undone(struct hist_object *object, struct hist_op *op)
{
    if (op->verb != VERB_CONDITION_WAIT)
        return false;
    model_lock_undo(condition_guard(object), op, op->told_a);
    if (op->told_b == 0) {
        object->condition.told--;
        object->condition.dropped++;
    }
    return true;
}

static void
condition_left(struct hist_object *object, struct hist_op *op)
{
    (void)op;
    object->condition.dropped++;
}

static void
condition_finish(struct hist_object *object)
{
    if (object->condition.told + object->condition.dropped < object->condition.notified)
        sim_fail(object->objects->sim, "%s: %llu were notified, %llu woke and %llu left",
                 object->name, (unsigned long long)object->condition.notified,
                 (unsigned long long)object->condition.told,
                 (unsigned long long)object->condition.dropped);
}

const struct hist_rules hist_condition = {
    .asked = condition_asked, .done = condition_done, .refused = condition_refused,
    .undone = condition_undone, .left = condition_left, .finish = condition_finish,
};

/* ---- barrier ---- */

static struct hist_generation *
barrier_generation(struct hist_object *object, uint64_t number)
{
    struct hist_generation *generation;
    void                   *all = object->barrier.generations;

    for (uint32_t i = 0; i < object->barrier.count; i++)
        if (object->barrier.generations[i].number == number)
            return &object->barrier.generations[i];
    base_grow(&all, &object->barrier.capacity, object->barrier.count + 1, sizeof(*generation));
    object->barrier.generations = all;
    generation = &object->barrier.generations[object->barrier.count++];
    *generation = (struct hist_generation){ .number = number };
    return generation;
}

static void
barrier_asked(struct hist_object *object, struct hist_op *op)
{
    if (op->verb != VERB_BARRIER_WAIT || op->entered)
        return;
    op->entered = true;
    op->entry = ++object->objects->entries;
}

/* Places are distinct, and in the order of arrival. */
static void
barrier_passed(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    struct hist_generation *generation = barrier_generation(object, m->b);

    if (!op->entered)
        model_fail(object, op, "one passes that never came");
    if (m->a >= object->a || generation->places >> m->a & 1)
        model_fail(object, op, "place %llu of generation %llu is given twice, or is none",
                   (unsigned long long)m->a, (unsigned long long)m->b);
    generation->places |= (uint64_t)1 << m->a;
    generation->entries[m->a] = op->entry;
    for (uint64_t i = 0; i < object->a; i++)
        if (generation->places >> i & 1 && i != m->a &&
            (i < m->a) != (generation->entries[i] < op->entry))
            model_fail(object, op, "place %llu of generation %llu is not in the order of arrival",
                       (unsigned long long)m->a, (unsigned long long)m->b);
}

static void
barrier_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    if (op->verb == VERB_BARRIER_WAIT)
        barrier_passed(object, op, m);
    else if (op->verb == VERB_BARRIER_STATE && (m->a != object->a || m->b >= object->a))
        model_fail(object, op, "%llu of %llu parties wait", (unsigned long long)m->b,
                   (unsigned long long)m->a);
}

static void
barrier_left(struct hist_object *object, struct hist_op *op)
{
    (void)op;
    object->barrier.left++;
}

/* Of a generation that passed, everyone was told. */
static void
barrier_finish(struct hist_object *object)
{
    uint64_t missing = 0;

    for (uint32_t i = 0; i < object->barrier.count; i++)
        for (uint64_t k = 0; k < object->a; k++)
            missing += !(object->barrier.generations[i].places >> k & 1);
    if (missing > object->barrier.left)
        sim_fail(object->objects->sim, "%s: %llu were not told that they passed, %llu left",
                 object->name, (unsigned long long)missing,
                 (unsigned long long)object->barrier.left);
}

static void
barrier_made(struct hist_object *object)
{
    object->barrier.count = 0;
    object->barrier.left = 0;
}

static void
barrier_release(struct hist_object *object)
{
    free(object->barrier.generations);
}

const struct hist_rules hist_barrier = {
    .made = barrier_made, .release = barrier_release, .asked = barrier_asked,
    .done = barrier_done, .left = barrier_left,
    .finish = barrier_finish,
};
