/* connection.c - ends of pipes: attach, send, close (see connection.h and pipe.h) */
#include "connection.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

struct part_out {
    struct object_call        call;
    struct list               link;
    struct muster_connection *connection;    /* NULL: it was closed */
    size_t                    bytes;
};

/* ---- attach ---- */

muster_err
connection_attach(const struct handle *handle, unsigned end, bool duplex, uint32_t timeout_ms,
                  struct muster_connection **connection_out, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_PIPE_ATTACH, .a = end };
    struct handle              own = *handle;
    struct muster_connection  *connection;
    struct ask                 answer;
    muster_err                 err = handle_do(&own, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    connection = base_alloc(sizeof(*connection));
    connection->handle = own;
    connection->end = end;
    connection->sends = duplex || end == 1;
    connection->receives = duplex || end == 0;
    connection->event_fd = -1;
    connection->out.next = answer.m.object_done.b;
    connection->in.next = connection->in.received = answer.m.object_done.c;
    list_init(&connection->out.calls);
    list_init(&connection->in.asks);
    list_init(&connection->in.parts);
    ask_free(&answer);
    *connection_out = connection;
    return MUSTER_OK;
}

muster_err
muster_pipe_open(struct muster_session *session, const struct muster_open *open, bool duplex,
                 uint32_t timeout_ms, struct muster_connection *ends_out[2],
                 struct muster_error *error)
{
    CALL_SCOPE(session);
    struct msg_object_opened  opened;
    struct muster_connection *ends[2] = { NULL, NULL };
    struct handle             handles[2];
    muster_err err = handle_open(session, NOUN_PIPE, open, duplex, 0, slice_of(NULL, 0), timeout_ms,
                                 &handles[0], &opened, error);

    if (err)
        return err;
    handle_again(&handles[0], &handles[1]);
    for (unsigned end = 0; !err && end < 2; end++)
        err = connection_attach(&handles[end], end, opened.a != 0, timeout_ms, &ends[end], error);
    if (!err) {
        ends_out[0] = ends[0];
        ends_out[1] = ends[1];
        return MUSTER_OK;
    }
    for (unsigned end = 0; end < 2; end++) {
        if (ends[end] != NULL)
            muster_connection_close(ends[end]);
        else
            handle_close(&handles[end]);
    }
    return err;
}

muster_err
muster_pipe_attach(struct muster_session *session, const struct muster_open *open, int end,
                   uint32_t timeout_ms, struct muster_connection **end_out,
                   struct muster_error *error)
{
    CALL_SCOPE(session);
    struct muster_open       old = open != NULL ? *open : (struct muster_open){ 0 };
    struct msg_object_opened opened;
    struct handle            handle;
    muster_err               err;

    if (end != 0 && end != 1)
        return error_set(error, MUSTER_ERR_INVALID, "a pipe has the ends 0 and 1, not %d", end);
    if (old.name == NULL && old.object == 0)
        return error_set(error, MUSTER_ERR_INVALID, "which pipe?  Give its name or its id");
    old.mode = MUSTER_OPEN_OLD;
    err = handle_open(session, NOUN_PIPE, &old, 0, 0, slice_of(NULL, 0), timeout_ms, &handle,
                      &opened, error);
    if (err)
        return err;
    err = connection_attach(&handle, (unsigned)end, opened.a != 0, timeout_ms, end_out, error);
    if (err)
        handle_close(&handle);
    return err;
}

uint64_t
muster_connection_object(const struct muster_connection *connection)
{
    return connection->handle.object;
}

/* ---- close ---- */

static void
detached(struct object_call *call)
{
    struct part_out *part = CONTAINER(call, struct part_out, call);

    object_call_free(call);
    free(part);
}

/* Behind all that was sent, so that it arrives first. */
static void
connection_detach(struct muster_connection *connection)
{
    const struct msg_object_do m = { .verb = VERB_PIPE_DETACH, .a = connection->end };
    struct part_out           *part = base_alloc(sizeof(*part));

    part->call.done = detached;
    object_call_submit(&part->call, &connection->handle, &m, MUSTER_FOREVER);
}

void
muster_connection_close(struct muster_connection *connection)
{
    struct muster_session *session;

    if (connection == NULL)
        return;
    session = connection->handle.session;
    pthread_mutex_lock(&session->lock);
    receive_end(connection);
    while (!list_empty(&connection->out.calls)) {
        struct part_out *part = CONTAINER(connection->out.calls.next, struct part_out, link);

        list_remove(&part->link);
        part->connection = NULL;
    }
    connection_detach(connection);
    pthread_mutex_unlock(&session->lock);
    handle_close(&connection->handle);
    if (connection->event_fd >= 0)
        close(connection->event_fd);
    free(connection);
}

/* ---- send ---- */

static void
part_taken(struct object_call *call)
{
    struct part_out          *part = CONTAINER(call, struct part_out, call);
    struct muster_connection *connection = part->connection;
    struct msg_object_done    done;
    struct muster_error       error = { 0 };

    if (connection != NULL) {
        list_remove(&part->link);
        connection->out.bytes -= part->bytes;
        if (object_call_answer(call, &done, &error) != MUSTER_OK &&
            connection->out.error.code == MUSTER_OK)
            connection->out.error = error;
        waiters_wake(connection->handle.session, connection);
    }
    object_call_free(call);
    free(part);
}

/* The manager is short of memory or disk: the part keeps its number and is sent again,
 * or all behind it would be taken for it. */
static bool
part_again(const struct call *call, muster_err code)
{
    (void)call;
    return code == MUSTER_ERR_FULL || code == MUSTER_ERR_NO_SPACE;
}

static void
part_send(struct muster_connection *connection, struct slice bytes, uint64_t whole, bool more)
{
    const struct msg_object_do m = { .verb = VERB_PIPE_SEND, .a = connection->end,
                                     .b = connection->out.next++, .c = more, .d = whole,
                                     .value = bytes };
    struct part_out           *part = base_alloc(sizeof(*part));

    part->call.done = part_taken;
    part->call.call.retry = part_again;
    part->connection = connection;
    part->bytes = bytes.bytes;
    connection->out.bytes += bytes.bytes;
    list_append(&connection->out.calls, &part->link);
    object_call_submit(&part->call, &connection->handle, &m, MUSTER_FOREVER);
}

/* Room in the window for one more part, or why not. */
static muster_err
send_room(struct muster_connection *connection, struct waiter *waiter, size_t bytes,
          uint64_t deadline_ms, struct muster_error *error)
{
    struct outgoing *out = &connection->out;
    muster_err       err = MUSTER_OK;

    while (!err && out->error.code == MUSTER_OK && out->bytes > 0 &&
           out->bytes + bytes > PIPE_WINDOW_BYTES)
        err = waiter_wait(connection->handle.session, waiter, deadline_ms);
    if (out->error.code != MUSTER_OK) {
        if (error != NULL)
            *error = out->error;
        return out->error.code;
    }
    return err ? error_set(error, err, "%zu bytes that were sent are not received yet", out->bytes)
               : MUSTER_OK;
}

static muster_err
send_parts(struct muster_connection *connection, struct slice message, uint64_t deadline_ms,
           struct muster_error *error)
{
    struct waiter waiter;
    size_t        done = 0;
    muster_err    err;

    waiter_begin(connection->handle.session, &waiter, connection);
    do {
        struct slice part = slice_cut(message, done, PART_BYTES);

        err = send_room(connection, &waiter, part.bytes, deadline_ms, error);
        if (err)
            break;
        part_send(connection, part, message.bytes, done + part.bytes < message.bytes);
        done += part.bytes;
    } while (done < message.bytes);
    waiter_end(&waiter);
    /* Half a message has left: whatever followed would be taken for its rest. */
    if (err && done > 0 && connection->out.error.code == MUSTER_OK)
        (void)error_set(&connection->out.error, MUSTER_ERR_CLOSED,
                        "a message of %zu bytes broke off after %zu", message.bytes, done);
    return err;
}

muster_err
muster_connection_send(struct muster_connection *connection, const void *data, size_t bytes,
                       uint32_t timeout_ms, struct muster_error *error)
{
    struct muster_session *session = connection->handle.session;
    muster_err             err;

    if (!connection->sends)
        return error_set(error, MUSTER_ERR_STATE, "this end of the pipe only receives");
    if (bytes > MESSAGE_ITEM_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "a message has at most %u bytes, not %zu",
                         MESSAGE_ITEM_BYTES_MAX, bytes);
    pthread_mutex_lock(&session->lock);
    err = object_check(session, &connection->handle, error);
    if (!err)
        err = send_parts(connection, slice_of(data, bytes), deadline_after(timeout_ms), error);
    pthread_mutex_unlock(&session->lock);
    return err;
}
