/* queue_large.c - large items of queues, without waiting (see queues.h)
 *
 * Like queue_parts.c, but driven by the answers on the session's thread.  An item
 * that is put takes its place in the queue when its last part has arrived.
 */
#include "queues.h"

#include <stdlib.h>
#include <string.h>

enum { LARGE_WINDOW = 8 };

struct large;

struct piece {
    struct object_call call;
    struct large      *large;
    uint64_t           offset;
};

/* An item on its way, in either direction. */
struct large {
    struct muster_queue *queue;
    uint8_t             *data;
    uint64_t             bytes, next;    /* `next`: the first byte that was not asked */
    uint32_t             flying;
    uint64_t             until_ms;
    struct muster_error  error;          /* the first one */
    struct getter       *getter;         /* NULL: an upload */
    /* of an upload */
    struct object_call   put;
    struct callback      callback;
    struct msg_object_do m;
    muster_queue_done   *done;
    void                *context;
};

static void large_go(struct large *large);

/* ---- pieces ---- */

static void
piece_take(struct piece *piece)
{
    struct large          *large = piece->large;
    struct muster_error    error;
    struct msg_object_done done;
    union wire_any         m;
    muster_err             err;

    if (large->getter == NULL) {
        err = object_call_answer(&piece->call, &done, &error);
    } else {
        err = call_answer(&piece->call.call, MSG_TYPE_BODY, &m, &error);
        if (!err && (m.body.offset != piece->offset ||
                     m.body.data.bytes > large->bytes - piece->offset ||
                     (m.body.data.bytes < VALUE_BYTES_MAX &&
                      m.body.data.bytes < large->bytes - piece->offset)))
            err = error_set(&error, MUSTER_ERR_INTERNAL, "the parts of an item do not add up");
        if (!err)
            memcpy(large->data + piece->offset, m.body.data.data, m.body.data.bytes);
    }
    if (err && large->error.code == MUSTER_OK)
        large->error = error;
}

static void
piece_done(struct object_call *call)
{
    struct piece *piece = CONTAINER(call, struct piece, call);
    struct large *large = piece->large;

    piece_take(piece);
    object_call_free(&piece->call);
    free(piece);
    large->flying--;
    large_go(large);
}

/* One that was BUSY lets those behind it come too early. */
static bool
piece_retry(const struct call *call, muster_err code)
{
    (void)call;
    return code == MUSTER_ERR_RANGE;
}

static void
piece_ask(struct large *large)
{
    struct piece        *piece = base_alloc(sizeof(*piece));
    struct msg_object_do m = { .verb = VERB_QUEUE_READ_PART };

    piece->large = large;
    piece->offset = large->next;
    piece->call.done = piece_done;
    if (large->getter != NULL) {
        m.a = large->getter->item.id;
        m.b = large->next;
    } else {
        m = (struct msg_object_do){ .verb = VERB_QUEUE_PUT_PART, .thread = large->m.thread,
                                    .a = large->next, .b = large->bytes };
        m.value = slice_cut(slice_of(large->data, (size_t)large->bytes), (size_t)large->next,
                            VALUE_BYTES_MAX);
        piece->call.call.retry = piece_retry;
    }
    large->next += VALUE_BYTES_MAX;
    large->flying++;
    object_call_submit(&piece->call, &large->queue->handle, &m, left_until(large->until_ms));
}

/* ---- the end ---- */

static void
upload_run(struct callback *callback)
{
    struct large          *large = CONTAINER(callback, struct large, callback);
    struct muster_session *session = large->queue->handle.session;

    large->done(large->context, &large->error);
    pthread_mutex_lock(&session->lock);
    queue_async_end(session, 1, large->bytes);
    queue_unref(large->queue);
    pthread_mutex_unlock(&session->lock);
    free(large->data);
    free(large);
}

static void
upload_end(struct large *large)
{
    if (large->error.code != MUSTER_OK)
        queue_drop_parts(&large->queue->handle, large->m.thread);
    large->callback.run = upload_run;
    callback_post(large->queue->handle.session, &large->callback);
}

static void
upload_put(struct object_call *call)
{
    struct large          *large = CONTAINER(call, struct large, put);
    struct msg_object_done done;

    (void)!object_call_answer(call, &done, &large->error);
    object_call_free(call);
    upload_end(large);
}

static void
download_end(struct large *large)
{
    struct getter *getter = large->getter;
    bool           failed = large->error.code != MUSTER_OK;

    if (failed || getter->verb == VERB_QUEUE_GET)
        queue_tell(&large->queue->handle, failed ? VERB_QUEUE_GIVE_BACK : VERB_QUEUE_ACK_ITEMS,
                   getter->item.id);
    getter->item.data = large->data;
    getter->item.bytes = (size_t)large->bytes;
    getter_end(getter, failed ? &large->error : NULL);
    free(large);
}

/* More parts, or what follows the last one. */
static void
large_go(struct large *large)
{
    while (large->error.code == MUSTER_OK && large->next < large->bytes &&
           large->flying < LARGE_WINDOW)
        piece_ask(large);
    if (large->flying > 0)
        return;
    if (large->getter != NULL) {
        download_end(large);
    } else if (large->error.code != MUSTER_OK) {
        upload_end(large);
    } else {
        large->put.done = upload_put;
        object_call_submit(&large->put, &large->queue->handle, &large->m,
                           left_until(large->until_ms));
    }
}

/* ---- the beginning ---- */

muster_err
upload_begin(struct muster_queue *queue, struct slice item, const struct msg_object_do *m,
             uint32_t timeout_ms, muster_queue_done *done, void *context,
             struct muster_error *error)
{
    struct muster_session *session = queue->handle.session;
    struct large          *large;
    muster_err             err;

    pthread_mutex_lock(&session->lock);
    err = object_check(session, &queue->handle, error);
    if (!err)
        err = queue_async_begin(session, item.bytes, error);
    if (!err)
        queue->refs++;
    pthread_mutex_unlock(&session->lock);
    if (err)
        return err;

    large = base_alloc(sizeof(*large));
    large->queue = queue;
    large->data = bytes_copy(item);
    large->bytes = item.bytes;
    large->until_ms = deadline_after(timeout_ms);
    large->m = *m;
    large->m.thread = queue_part_number();
    large->done = done;
    large->context = context;
    pthread_mutex_lock(&session->lock);
    large_go(large);
    pthread_mutex_unlock(&session->lock);
    return MUSTER_OK;
}

void
download_begin(struct getter *getter, uint64_t bytes)
{
    struct large *large = base_alloc(sizeof(*large));

    large->queue = getter->queue;
    large->getter = getter;
    large->bytes = bytes;
    large->data = base_alloc((size_t)bytes + 1);
    /* What was given may take its time. */
    large->until_ms = CLIENT_NEVER;
    large_go(large);
}
