/* event.c - shared events (see lock.h) */
#include "handle.h"

#include <stdlib.h>

struct muster_event {
    struct handle handle;
};

muster_err
muster_event_open(struct muster_session *session, const struct muster_open *open,
                  uint32_t timeout_ms, struct muster_event **event_out,
                  struct muster_error *error)
{
    struct muster_event *event = base_alloc(sizeof(*event));
    muster_err           err = handle_open(session, NOUN_EVENT, open, 0, 0, slice_of(NULL, 0),
                                           timeout_ms, &event->handle, NULL, error);

    if (err) {
        free(event);
        return err;
    }
    *event_out = event;
    return MUSTER_OK;
}

void
muster_event_close(struct muster_event *event)
{
    if (event == NULL)
        return;
    handle_close(&event->handle);
    free(event);
}

uint64_t
muster_event_object(const struct muster_event *event)
{
    return event->handle.object;
}

muster_err
muster_event_set(struct muster_event *event, uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_EVENT_SET };

    return handle_do_plain(&event->handle, &m, timeout_ms, error);
}

muster_err
muster_event_clear(struct muster_event *event, uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_EVENT_CLEAR };

    return handle_do_plain(&event->handle, &m, timeout_ms, error);
}

muster_err
muster_event_is_set(struct muster_event *event, uint32_t timeout_ms, bool *set_out,
                    struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_EVENT_IS_SET };
    uint64_t                   set;
    muster_err                 err = handle_do_number(&event->handle, &m, timeout_ms, &set, error);

    if (!err)
        *set_out = set == 1;
    return err;
}

muster_err
muster_event_wait(struct muster_event *event, uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_EVENT_WAIT };

    return handle_do_plain(&event->handle, &m, timeout_ms, error);
}
