/* condition.c - shared conditions (see lock.h)
 *
 * The manager lets go of the lock and takes it again in one step each, so a wait is
 * one request, whose answer comes with the lock held.  That holds for one that is
 * interrupted as well: it runs out of time and is answered.  Giving it up would leave
 * nobody knowing whether the lock was ever let go of.
 */
#include "locks.h"

#include <stdlib.h>

struct muster_condition {
    struct handle      handle;
    struct muster_lock lock;             /* a handle of its own */
};

muster_err
muster_condition_open(struct muster_session *session, const struct muster_open *open,
                      struct muster_lock *lock, uint32_t timeout_ms,
                      struct muster_condition **condition_out, struct muster_error *error)
{
    struct muster_condition *condition = base_alloc(sizeof(*condition));
    struct msg_object_opened opened;
    muster_err err = handle_open(session, NOUN_CONDITION, open, lock->handle.object, 0,
                                 slice_of(NULL, 0), timeout_ms, &condition->handle, &opened, error);

    if (!err && opened.a != lock->handle.object) {
        err = error_set(error, MUSTER_ERR_CONFLICT, "this condition rests on another lock");
        handle_close(&condition->handle);
    }
    if (err) {
        free(condition);
        return err;
    }
    handle_again(&lock->handle, &condition->lock.handle);
    *condition_out = condition;
    return MUSTER_OK;
}

void
muster_condition_close(struct muster_condition *condition)
{
    if (condition == NULL)
        return;
    handle_close(&condition->handle);
    handle_close(&condition->lock.handle);
    free(condition);
}

uint64_t
muster_condition_object(const struct muster_condition *condition)
{
    return condition->handle.object;
}

muster_err
muster_condition_wait(struct muster_condition *condition, uint32_t timeout_ms, uint64_t *token_out,
                      struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_CONDITION_WAIT, .thread = thread_number() };
    struct ask                 answer;
    bool                       late, interrupted;
    muster_err err = handle_do_to_end(&condition->handle, &m, timeout_ms, &interrupted, &answer,
                                      error);

    if (err)
        return err;
    if (token_out != NULL)
        *token_out = answer.m.object_done.a;
    late = answer.m.object_done.b == 1;
    ask_free(&answer);
    if (late && interrupted)
        return error_set(error, MUSTER_ERR_INTERRUPTED, "interrupted while waiting for \"%s\"",
                         wire_verb_rule(VERB_CONDITION_WAIT)->name);
    return late ? error_set(error, MUSTER_ERR_TIMEOUT, "nobody notified within %u ms",
                            (unsigned)timeout_ms)
                : MUSTER_OK;
}

muster_err
muster_condition_wait_for(struct muster_condition *condition, bool (*predicate)(void *context),
                          void *context, uint32_t timeout_ms, uint64_t *token_out,
                          struct muster_error *error)
{
    CALL_SCOPE(condition->handle.session);
    uint64_t   until_ms = deadline_after(timeout_ms);
    muster_err err = MUSTER_OK;

    while (!predicate(context)) {
        if (err)
            return err;
        err = muster_condition_wait(condition, left_until(until_ms), token_out, error);
        if (err && err != MUSTER_ERR_TIMEOUT)
            return err;         /* a last look after the time is over */
    }
    return MUSTER_OK;
}

static muster_err
condition_notify(struct muster_condition *condition, uint64_t count, uint32_t timeout_ms,
                 struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_CONDITION_NOTIFY, .thread = thread_number(),
                                     .a = count };

    return handle_do_plain(&condition->handle, &m, timeout_ms, error);
}

muster_err
muster_condition_notify(struct muster_condition *condition, uint64_t count, uint32_t timeout_ms,
                        struct muster_error *error)
{
    /* On the wire none means all. */
    if (count == 0)
        return error_set(error, MUSTER_ERR_INVALID, "notify at least one");
    return condition_notify(condition, count, timeout_ms, error);
}

muster_err
muster_condition_notify_all(struct muster_condition *condition, uint32_t timeout_ms,
                            struct muster_error *error)
{
    return condition_notify(condition, 0, timeout_ms, error);
}
