/* listener.c - where two programs meet (see pipe.h) */
#include "connection.h"

#include <stdlib.h>

struct muster_listener {
    struct handle handle;
};

muster_err
muster_listener_open(struct muster_session *session, const struct muster_open *open,
                     uint32_t backlog, uint32_t timeout_ms, struct muster_listener **listener_out,
                     struct muster_error *error)
{
    struct muster_listener *listener = base_alloc(sizeof(*listener));
    muster_err err = handle_open(session, NOUN_LISTENER, open, backlog, 0, slice_of(NULL, 0),
                                 timeout_ms, &listener->handle, NULL, error);

    if (err) {
        free(listener);
        return err;
    }
    *listener_out = listener;
    return MUSTER_OK;
}

void
muster_listener_close(struct muster_listener *listener)
{
    if (listener == NULL)
        return;
    handle_close(&listener->handle);
    free(listener);
}

/* The manager has made the pipe and attached our end. */
static muster_err
meet(struct handle *handle, uint8_t verb, unsigned end, uint32_t timeout_ms,
     struct muster_connection **connection_out, char *who_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = verb };
    struct muster_open         open = { 0 };
    struct handle              pipe;
    struct ask                 answer;
    muster_err                 err = handle_do(handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    open.object = answer.m.object_done.a;
    if (who_out != NULL)
        text_put(who_out, 145, answer.m.object_done.value);
    ask_free(&answer);
    err = handle_open(handle->session, NOUN_PIPE, &open, 0, 0, slice_of(NULL, 0), timeout_ms, &pipe,
                      NULL, error);
    if (err)
        return err;
    err = connection_attach(&pipe, end, true, timeout_ms, connection_out, error);
    if (err)
        handle_close(&pipe);
    return err;
}

muster_err
muster_listener_accept(struct muster_listener *listener, uint32_t timeout_ms,
                       struct muster_connection **connection_out, char who_out[145],
                       struct muster_error *error)
{
    return meet(&listener->handle, VERB_LISTENER_ACCEPT, 0, timeout_ms, connection_out, who_out,
                error);
}

muster_err
muster_connect(struct muster_session *session, const char *name, uint32_t timeout_ms,
               struct muster_connection **connection_out, struct muster_error *error)
{
    const struct muster_open open = { .name = name, .mode = MUSTER_OPEN_OLD };
    struct handle            handle;
    muster_err err = handle_open(session, NOUN_LISTENER, &open, 0, 0, slice_of(NULL, 0), timeout_ms,
                                 &handle, NULL, error);

    if (err)
        return err;
    err = meet(&handle, VERB_LISTENER_CONNECT, 1, timeout_ms, connection_out, NULL, error);
    handle_close(&handle);
    return err;
}
