/* barrier.c - shared barriers (see lock.h) */
#include "handle.h"

#include <stdlib.h>

struct muster_barrier {
    struct handle handle;
};

muster_err
muster_barrier_open(struct muster_session *session, const struct muster_open *open,
                    uint32_t parties, uint32_t timeout_ms, struct muster_barrier **barrier_out,
                    struct muster_error *error)
{
    struct muster_barrier *barrier = base_alloc(sizeof(*barrier));
    muster_err             err = handle_open(session, NOUN_BARRIER, open, parties, 0,
                                             slice_of(NULL, 0), timeout_ms, &barrier->handle, NULL,
                                             error);

    if (err) {
        free(barrier);
        return err;
    }
    *barrier_out = barrier;
    return MUSTER_OK;
}

void
muster_barrier_close(struct muster_barrier *barrier)
{
    if (barrier == NULL)
        return;
    handle_close(&barrier->handle);
    free(barrier);
}

uint64_t
muster_barrier_object(const struct muster_barrier *barrier)
{
    return barrier->handle.object;
}

muster_err
muster_barrier_wait(struct muster_barrier *barrier, uint32_t timeout_ms,
                    void (*action)(void *context), void *context, uint32_t *index_out,
                    struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_BARRIER_WAIT };
    uint64_t                   index;
    muster_err err = handle_do_number(&barrier->handle, &m, timeout_ms, &index, error);

    if (err)
        return err;
    if (index == 0 && action != NULL)
        action(context);
    if (index_out != NULL)
        *index_out = (uint32_t)index;
    return MUSTER_OK;
}

muster_err
muster_barrier_reset(struct muster_barrier *barrier, uint32_t timeout_ms,
                     struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_BARRIER_RESET };

    return handle_do_plain(&barrier->handle, &m, timeout_ms, error);
}

muster_err
muster_barrier_abort(struct muster_barrier *barrier, uint32_t timeout_ms,
                     struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_BARRIER_ABORT };

    return handle_do_plain(&barrier->handle, &m, timeout_ms, error);
}

muster_err
muster_barrier_state(struct muster_barrier *barrier, uint32_t timeout_ms,
                     struct muster_barrier_state *state_out, struct muster_error *error)
{
    const struct msg_object_do    m = { .verb = VERB_BARRIER_STATE };
    const struct msg_object_done *done;
    struct ask                    answer;
    muster_err err = handle_do(&barrier->handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    done = &answer.m.object_done;
    *state_out = (struct muster_barrier_state){ .parties = (uint32_t)done->a,
                                                .waiting = (uint32_t)done->b,
                                                .broken = done->c == 1,
                                                .generation = done->d };
    ask_free(&answer);
    return MUSTER_OK;
}
