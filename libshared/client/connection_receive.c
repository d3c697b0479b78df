/* connection_receive.c - receiving from a pipe (see connection.h and pipe.h) */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "connection.h"

enum {
    RECEIVE_AHEAD_BYTES = 1024 * 1024,       /* lie here unread at most, and one answer */
    RECEIVE_ASKS_MAX    = 16,                /* on their way for one large message */
};

struct part_ask {
    struct object_call        call;
    struct list               link;
    struct muster_connection *connection;
    uint64_t                  number;
    bool                      answered;
};

/* ---- the descriptor ---- */

bool
receive_ready(const struct muster_connection *connection)
{
    return !list_empty(&connection->in.parts) || connection->in.error.code != MUSTER_OK;
}

void
receive_tell(struct muster_connection *connection)
{
    eventfd_t count;
    bool      ready = receive_ready(connection);

    if (connection->event_fd < 0 || connection->event_told == ready ||
        connection->handle.session->forked)
        return;
    if (ready)
        (void)eventfd_write(connection->event_fd, 1);
    else
        (void)eventfd_read(connection->event_fd, &count);
    connection->event_told = ready;
}

/* ---- answers ---- */

/* `bytes` are copied, or lie in `memory`, which the part takes over. */
static bool
take_part(struct muster_connection *connection, struct slice bytes, struct buffer *memory,
          uint64_t head)
{
    struct incoming *in = &connection->in;
    struct part_in  *part = base_alloc(sizeof(*part));

    if (memory != NULL) {
        part->memory = *memory;
        part->bytes = bytes;
        *memory = (struct buffer){ 0 };
    } else {
        buffer_append_slice(&part->memory, bytes);
        part->bytes = buffer_slice(&part->memory);
    }
    part->whole = head >> 1;
    part->more = (head & 1) != 0;
    list_append(&in->parts, &part->link);
    in->bytes += bytes.bytes;
    if (!in->begun)
        in->have = 0;
    in->whole = part->whole;
    in->have += bytes.bytes;
    in->begun = part->more;
    return in->have <= in->whole && part->more == (in->have < in->whole);
}

static bool
take_parts(struct muster_connection *connection, struct part_ask *ask,
           const struct msg_object_done *done)
{
    struct incoming *in = &connection->in;
    struct reader    heads = reader_of(done->key);
    bool             good = done->a > 0 && done->a <= BLOCK_ITEMS_MAX &&
                done->key.bytes == done->a * 8 && ask->number == in->received &&
                wire_block_check_values(done->value, (uint32_t)done->a) == MUSTER_OK;

    if (good && done->a == 1)
        good = take_part(connection, wire_block_item(done->value, 0), &ask->call.call.answer,
                         read_u64(&heads));
    else
        for (uint32_t i = 0; good && i < done->a; i++)
            good = take_part(connection, wire_block_item(done->value, i), NULL, read_u64(&heads));
    if (good) {
        in->received += done->a;
        if (in->next < in->received)
            in->next = in->received;
    }
    return good;
}

static void
ask_drop(struct part_ask *ask)
{
    list_remove(&ask->link);
    object_call_free(&ask->call);
    free(ask);
}

/* What was answered, in the order of the numbers. */
static void
take_answers(struct muster_connection *connection)
{
    struct incoming *in = &connection->in;

    while (!list_empty(&in->asks)) {
        struct part_ask       *ask = CONTAINER(in->asks.next, struct part_ask, link);
        struct msg_object_done done;
        muster_err             err;

        if (!ask->answered)
            break;
        if (in->error.code == MUSTER_OK) {
            err = object_call_answer(&ask->call, &done, &in->error);
            if (!err && !take_parts(connection, ask, &done))
                (void)error_set(&in->error, MUSTER_ERR_INTERNAL,
                                "the parts of a message do not add up");
        }
        ask_drop(ask);
    }
}

static void
ask_done(struct object_call *call)
{
    struct part_ask          *ask = CONTAINER(call, struct part_ask, call);
    struct muster_connection *connection = ask->connection;

    ask->answered = true;
    take_answers(connection);
    receive_begin(connection);
    receive_tell(connection);
    waiters_wake(connection->handle.session, connection);
}

/* ---- asking ---- */

static void
ask_submit(struct muster_connection *connection, uint64_t bytes_max)
{
    struct incoming           *in = &connection->in;
    const struct msg_object_do m = { .verb = VERB_PIPE_RECEIVE, .a = connection->end,
                                     .b = in->next, .c = bytes_max, .d = in->received };
    struct part_ask           *ask = base_alloc(sizeof(*ask));

    ask->call.done = ask_done;
    ask->call.call.answer = in->spare;
    in->spare = (struct buffer){ 0 };
    ask->connection = connection;
    ask->number = in->next;
    list_append(&in->asks, &ask->link);
    object_call_submit(&ask->call, &connection->handle, &m, MUSTER_FOREVER);
}

/* Parts of the message that arrives now which nobody has asked for. */
static uint64_t
parts_known(const struct incoming *in)
{
    uint64_t left = in->begun ? (in->whole - in->have + PART_BYTES - 1) / PART_BYTES : 0;
    uint64_t asked = in->next - in->received;

    return left > asked ? left - asked : 0;
}

void
receive_begin(struct muster_connection *connection)
{
    struct incoming *in = &connection->in;
    uint64_t         flying = in->next - in->received;

    if (in->error.code != MUSTER_OK)
        return;
    if (in->begun || flying > 0) {
        for (uint64_t known = parts_known(in);
             known > 0 && flying < RECEIVE_ASKS_MAX &&
             in->bytes + flying * PART_BYTES < RECEIVE_AHEAD_BYTES + PART_BYTES;
             known--, flying++) {
            ask_submit(connection, 1);
            in->next++;
        }
        return;
    }
    if (list_empty(&in->asks) && in->bytes < RECEIVE_AHEAD_BYTES)
        ask_submit(connection, VALUE_BYTES_MAX);
}

void
receive_end(struct muster_connection *connection)
{
    struct incoming *in = &connection->in;

    while (!list_empty(&in->asks)) {
        struct part_ask *ask = CONTAINER(in->asks.next, struct part_ask, link);

        if (!ask->answered)
            object_call_give_up(&ask->call);
        ask_drop(ask);
    }
    while (!list_empty(&in->parts)) {
        struct part_in *part = CONTAINER(in->parts.next, struct part_in, link);

        list_remove(&part->link);
        buffer_free(&part->memory);
        free(part);
    }
    buffer_free(&in->spare);
    free(in->message.data);
}

/* ---- waiting ---- */

/* Until the next part is here, or nothing will come.  With the lock held. */
static muster_err
receive_wait(struct muster_connection *connection, struct waiter *waiter, uint64_t deadline_ms,
             struct muster_error *error)
{
    struct incoming *in = &connection->in;
    muster_err       err = MUSTER_OK;

    receive_begin(connection);
    while (!err && !receive_ready(connection))
        err = waiter_wait(connection->handle.session, waiter, deadline_ms);
    if (!list_empty(&in->parts))
        return MUSTER_OK;
    if (in->error.code != MUSTER_OK) {
        if (error != NULL)
            *error = in->error;
        return in->error.code;
    }
    return error_set(error, err, "nothing came through the pipe");
}

static struct part_in *
part_first(struct incoming *in)
{
    return list_empty(&in->parts) ? NULL : CONTAINER(in->parts.next, struct part_in, link);
}

static void
part_remove(struct muster_connection *connection, struct part_in *part)
{
    connection->in.bytes -= part->bytes.bytes;
    list_remove(&part->link);
    receive_begin(connection);
    receive_tell(connection);
}

/* Its memory is for the next answer. */
static void
part_free(struct muster_connection *connection, struct part_in *part)
{
    struct buffer *spare = &connection->in.spare;

    if (spare->capacity < part->memory.capacity) {
        struct buffer smaller = *spare;

        *spare = part->memory;
        buffer_clear(spare);
        part->memory = smaller;
    }
    buffer_free(&part->memory);
    free(part);
}

static muster_err
receive_check(const struct muster_connection *connection, struct muster_error *error)
{
    if (!connection->receives)
        return error_set(error, MUSTER_ERR_STATE, "this end of the pipe only sends");
    /* What lies here is the parent's to read. */
    return session_forked(connection->handle.session, error) ? MUSTER_ERR_SESSION : MUSTER_OK;
}

/* ---- whole messages ---- */

/* Put the first message together; *done_out when it is whole. */
static void
message_fill(struct muster_connection *connection, struct part_in *part, bool *done_out)
{
    struct incoming *in = &connection->in;

    if (in->message.data == NULL) {
        in->message.data = base_realloc(NULL, part->whole + 1);
        in->message.bytes = part->whole;
        in->filled = 0;
    }
    if (part->bytes.bytes > 0)
        memcpy((uint8_t *)in->message.data + in->filled, part->bytes.data, part->bytes.bytes);
    in->filled += part->bytes.bytes;
    *done_out = !part->more;
    part_remove(connection, part);
    part_free(connection, part);
}

static muster_err
message_receive(struct muster_connection *connection, size_t bytes_max, uint64_t deadline_ms,
                struct muster_bytes *message_out, struct muster_error *error)
{
    struct incoming *in = &connection->in;
    struct waiter    waiter;
    bool             done = false;
    muster_err       err = MUSTER_OK;

    waiter_begin(connection->handle.session, &waiter, connection);
    while (!err && !done) {
        struct part_in *part;

        err = receive_wait(connection, &waiter, deadline_ms, error);
        if (err)
            break;
        part = part_first(in);
        if (bytes_max > 0 && part->whole > bytes_max)
            err = error_set(error, MUSTER_ERR_TOO_LARGE,
                            "the next message has %llu bytes, more than %zu",
                            (unsigned long long)part->whole, bytes_max);
        else
            message_fill(connection, part, &done);
    }
    waiter_end(&waiter);
    if (err)
        return err;
    ((char *)in->message.data)[in->message.bytes] = '\0';
    *message_out = in->message;
    in->message = (struct muster_bytes){ 0 };
    return MUSTER_OK;
}

muster_err
muster_connection_receive(struct muster_connection *connection, size_t bytes_max,
                          uint32_t timeout_ms, struct muster_bytes *message_out,
                          struct muster_error *error)
{
    struct muster_session *session = connection->handle.session;
    muster_err             err = receive_check(connection, error);

    if (err)
        return err;
    pthread_mutex_lock(&session->lock);
    err = message_receive(connection, bytes_max, deadline_after(timeout_ms), message_out, error);
    pthread_mutex_unlock(&session->lock);
    return err;
}

muster_err
muster_connection_receive_into(struct muster_connection *connection, void *buffer, size_t size,
                               uint32_t timeout_ms, size_t *bytes_out,
                               struct muster_bytes *message_out, struct muster_error *error)
{
    struct muster_bytes message;
    muster_err err = muster_connection_receive(connection, 0, timeout_ms, &message, error);

    if (err)
        return err;
    if (message.bytes > size) {
        err = error_set(error, MUSTER_ERR_TOO_SHORT, "a message of %zu bytes for a buffer of %zu",
                        message.bytes, size);
        if (message_out != NULL)
            *message_out = message;
        else
            muster_bytes_free(&message);
        return err;
    }
    if (message.bytes > 0)
        memcpy(buffer, message.data, message.bytes);
    *bytes_out = message.bytes;
    muster_bytes_free(&message);
    return MUSTER_OK;
}

/* ---- piece by piece ---- */

/* The next part, taken out.  With the lock held. */
static muster_err
piece_receive(struct muster_connection *connection, uint64_t deadline_ms,
              struct part_in **part_out, struct muster_error *error)
{
    struct waiter   waiter;
    muster_err      err;

    waiter_begin(connection->handle.session, &waiter, connection);
    err = receive_wait(connection, &waiter, deadline_ms, error);
    waiter_end(&waiter);
    if (err)
        return err;
    *part_out = part_first(&connection->in);
    part_remove(connection, *part_out);
    return MUSTER_OK;
}

muster_err
muster_connection_receive_to(struct muster_connection *connection, uint32_t timeout_ms,
                             muster_connection_sink *sink, void *context,
                             struct muster_error *error)
{
    CALL_SCOPE(connection->handle.session);
    struct muster_session *session = connection->handle.session;
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    muster_err             err = receive_check(connection, error);
    muster_err             failed = MUSTER_OK;
    bool                   more = !err;

    pthread_mutex_lock(&session->lock);
    if (!err && connection->in.message.data != NULL)
        err = error_set(error, MUSTER_ERR_STATE,
                        "a message was begun with another call; receive it that way");
    while (!err && more) {
        struct part_in *part;

        err = piece_receive(connection, deadline_ms, &part, error);
        if (err)
            break;
        pthread_mutex_unlock(&session->lock);
        if (!failed)
            failed = sink(context, part->bytes.data, part->bytes.bytes, part->whole);
        more = part->more;
        pthread_mutex_lock(&session->lock);
        part_free(connection, part);
    }
    pthread_mutex_unlock(&session->lock);
    if (!err && failed)
        err = error_set(error, failed, "the receiver of the message gave up");
    return err;
}

/* ---- poll ---- */

muster_err
muster_connection_poll(struct muster_connection *connection, uint32_t timeout_ms,
                       struct muster_error *error)
{
    struct muster_session *session = connection->handle.session;
    struct waiter          waiter;
    muster_err             err = receive_check(connection, error);

    if (err)
        return err;
    pthread_mutex_lock(&session->lock);
    waiter_begin(session, &waiter, connection);
    err = receive_wait(connection, &waiter, deadline_after(timeout_ms), error);
    waiter_end(&waiter);
    if (err == MUSTER_ERR_END)
        err = MUSTER_OK;            /* reading it tells so at once */
    pthread_mutex_unlock(&session->lock);
    return err;
}

int
muster_connection_fileno(struct muster_connection *connection)
{
    struct muster_session *session = connection->handle.session;
    int                    fd;

    pthread_mutex_lock(&session->lock);
    if (connection->event_fd < 0 && connection->receives) {
        connection->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        receive_begin(connection);
        receive_tell(connection);
    }
    fd = connection->event_fd;
    pthread_mutex_unlock(&session->lock);
    return fd;
}
