/* semaphore.c - shared semaphores (see lock.h) */
#include "handle.h"

#include <stdlib.h>

struct muster_semaphore {
    struct handle handle;
};

muster_err
muster_semaphore_open(struct muster_session *session, const struct muster_open *open,
                      uint64_t permits, bool bounded, uint32_t timeout_ms,
                      struct muster_semaphore **semaphore_out, struct muster_error *error)
{
    struct muster_semaphore *semaphore = base_alloc(sizeof(*semaphore));
    muster_err err = handle_open(session, NOUN_SEMAPHORE, open, permits, bounded, slice_of(NULL, 0),
                                 timeout_ms, &semaphore->handle, NULL, error);

    if (err) {
        free(semaphore);
        return err;
    }
    *semaphore_out = semaphore;
    return MUSTER_OK;
}

void
muster_semaphore_close(struct muster_semaphore *semaphore)
{
    if (semaphore == NULL)
        return;
    handle_close(&semaphore->handle);
    free(semaphore);
}

uint64_t
muster_semaphore_object(const struct muster_semaphore *semaphore)
{
    return semaphore->handle.object;
}

muster_err
muster_semaphore_acquire(struct muster_semaphore *semaphore, uint32_t timeout_ms,
                         uint64_t *token_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_SEMAPHORE_ACQUIRE };

    return handle_do_number(&semaphore->handle, &m, timeout_ms, token_out, error);
}

muster_err
muster_semaphore_release(struct muster_semaphore *semaphore, uint64_t permits, uint32_t timeout_ms,
                         struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_SEMAPHORE_RELEASE, .a = permits };

    return handle_do_plain(&semaphore->handle, &m, timeout_ms, error);
}

muster_err
muster_semaphore_get_value(struct muster_semaphore *semaphore, uint32_t timeout_ms,
                           uint64_t *left_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_SEMAPHORE_VALUE };

    return handle_do_number(&semaphore->handle, &m, timeout_ms, left_out, error);
}
