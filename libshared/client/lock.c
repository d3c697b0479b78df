/* lock.c - shared locks and re-entrant locks (see lock.h) */
#include "locks.h"

#include <stdlib.h>

static const struct lock_verbs {
    uint8_t acquire, release, state;
} lock_verbs[NOUN_COUNT] = {
    [NOUN_LOCK]  = { VERB_LOCK_ACQUIRE, VERB_LOCK_RELEASE, VERB_LOCK_STATE },
    [NOUN_RLOCK] = { VERB_RLOCK_ACQUIRE, VERB_RLOCK_RELEASE, VERB_RLOCK_STATE },
};

static muster_err
lock_open(struct muster_session *session, enum wire_noun noun, const struct muster_open *open,
          uint32_t timeout_ms, struct muster_lock **lock_out, struct muster_error *error)
{
    struct muster_lock *lock = base_alloc(sizeof(*lock));
    muster_err          err = handle_open(session, noun, open, 0, 0, slice_of(NULL, 0), timeout_ms,
                                          &lock->handle, NULL, error);

    if (err) {
        free(lock);
        return err;
    }
    *lock_out = lock;
    return MUSTER_OK;
}

muster_err
muster_lock_open(struct muster_session *session, const struct muster_open *open,
                 uint32_t timeout_ms, struct muster_lock **lock_out, struct muster_error *error)
{
    return lock_open(session, NOUN_LOCK, open, timeout_ms, lock_out, error);
}

muster_err
muster_rlock_open(struct muster_session *session, const struct muster_open *open,
                  uint32_t timeout_ms, struct muster_lock **lock_out, struct muster_error *error)
{
    return lock_open(session, NOUN_RLOCK, open, timeout_ms, lock_out, error);
}

void
muster_lock_close(struct muster_lock *lock)
{
    if (lock == NULL)
        return;
    handle_close(&lock->handle);
    free(lock);
}

uint64_t
muster_lock_object(const struct muster_lock *lock)
{
    return lock->handle.object;
}

/* ---- acquire, release ---- */

muster_err
muster_lock_acquire(struct muster_lock *lock, uint32_t timeout_ms, uint64_t *token_out,
                    struct muster_error *error)
{
    const struct msg_object_do m = { .verb = lock_verbs[lock->handle.noun].acquire,
                                     .thread = thread_number() };

    return handle_do_number(&lock->handle, &m, timeout_ms, token_out, error);
}

muster_err
muster_lock_release(struct muster_lock *lock, uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = lock_verbs[lock->handle.noun].release,
                                     .thread = thread_number() };

    return handle_do_plain(&lock->handle, &m, timeout_ms, error);
}

muster_err
muster_lock_state(struct muster_lock *lock, uint32_t timeout_ms,
                  struct muster_lock_state *state_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = lock_verbs[lock->handle.noun].state };
    struct ask                 answer;
    muster_err                 err = handle_do(&lock->handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    *state_out = (struct muster_lock_state){ .held = answer.m.object_done.a == 1,
                                             .token = answer.m.object_done.b,
                                             .depth = answer.m.object_done.c };
    text_put(state_out->holder, sizeof(state_out->holder), answer.m.object_done.value);
    ask_free(&answer);
    return MUSTER_OK;
}
