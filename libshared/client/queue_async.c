/* queue_async.c - puts and acknowledgements without waiting (see queue.h)
 *
 *   put_async -> open batch -> unsent -> on the wire -> answered -> one callback for all
 *
 * 1. What lies unsent takes more in, when that changes no order that anyone could see:
 *    a put may go before acknowledgements that were asked earlier, and nothing else
 *    before anything.
 * 2. While BATCHES_FLYING of a queue are under way, the next one stays and grows,
 *    unless something else waits behind it.  So a lone call leaves at once, and many
 *    share the cost of a message and of a commit.
 * 3. Only plain items of queues without a bound share a batch: with a bound, all of
 *    them or none would have to fit.
 */
#include "queues.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES_FLYING = 2, BATCH_ITEMS_MAX = 2048 };

struct member {
    muster_queue_done *done;
    void              *context;
    uint64_t           id;               /* of an acknowledgement */
};

struct batch {
    struct object_call   call;
    struct callback      callback;
    struct muster_queue *queue;
    int                  class;
    bool                 alone;          /* takes nothing more in */
    bool                 flying;
    uint32_t             timeout_ms;
    struct msg_object_do m;              /* numbers of a PUT */
    struct wire_block    block;          /* its items */
    struct buffer        value;          /* of the request, while it is encoded */
    struct member       *members;
    uint32_t             count, capacity;
    uint64_t             bytes;          /* of its items */
    struct muster_error  error;
    struct buffer        stale;          /* u64 ids that were not ours, in order */
};

void
queue_unref(struct muster_queue *queue)
{
    assert(queue->refs > 0);
    if (--queue->refs > 0)
        return;
    assert(list_empty(&queue->getters) && queue->fetches == 0);
    free(queue);
}

void
queue_async_close(struct muster_queue *queue)
{
    struct muster_session *session = queue->handle.session;
    struct handle          handle = queue->handle;
    struct muster_error    error;

    (void)error_set(&error, MUSTER_ERR_CLOSED, "the queue's handle was closed");
    pthread_mutex_lock(&session->lock);
    queue->closed = true;
    queue_getters_end(queue, &error);
    queue_unref(queue);
    pthread_mutex_unlock(&session->lock);
    handle_close(&handle);
}

/* ---- how many there may be ---- */

muster_err
queue_async_begin(struct muster_session *session, size_t bytes, struct muster_error *error)
{
    /* A single one may have any size. */
    bool full = session->async_calls >= ASYNC_CALLS_MAX ||
                (session->async_bytes > 0 && bytes > 0 &&
                 session->async_bytes + bytes > ASYNC_BYTES_MAX);

    if (full)
        return error_set(error, MUSTER_ERR_FULL,
                         "%llu calls with %llu bytes are under way: let some end first",
                         (unsigned long long)session->async_calls,
                         (unsigned long long)session->async_bytes);
    session->async_calls++;
    session->async_bytes += bytes;
    return MUSTER_OK;
}

void
queue_async_end(struct muster_session *session, uint64_t calls, uint64_t bytes)
{
    assert(session->async_calls >= calls && session->async_bytes >= bytes);
    session->async_calls -= calls;
    session->async_bytes -= bytes;
}

/* ---- batches ---- */

static void
batch_free(struct batch *batch)
{
    object_call_free(&batch->call);
    wire_block_free(&batch->block);
    buffer_free(&batch->value);
    buffer_free(&batch->stale);
    free(batch->members);
    free(batch);
}

/* Of all that were acknowledged, those that were not ours come back in order. */
static muster_err
batch_told(struct batch *batch, const struct member *member, struct reader *stale,
           uint64_t *stale_next)
{
    if (batch->error.code != MUSTER_OK || batch->class != QUEUE_CLASS_ACK ||
        member->id != *stale_next)
        return batch->error.code;
    *stale_next = read_left(stale) > 0 ? read_u64(stale) : 0;
    return MUSTER_ERR_STALE;
}

static void
batch_run(struct callback *callback)
{
    struct batch          *batch = CONTAINER(callback, struct batch, callback);
    struct muster_queue   *queue = batch->queue;
    struct muster_session *session = queue->handle.session;
    struct reader          stale = reader_of(buffer_slice(&batch->stale));
    uint64_t               stale_next = read_left(&stale) > 0 ? read_u64(&stale) : 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        const struct member *member = &batch->members[i];
        struct muster_error  error = batch->error;

        if (batch_told(batch, member, &stale, &stale_next) != error.code)
            (void)error_set(&error, MUSTER_ERR_STALE, "item %llu is not this session's any more",
                            (unsigned long long)member->id);
        member->done(member->context, &error);
    }
    pthread_mutex_lock(&session->lock);
    queue_async_end(session, batch->count, batch->bytes);
    batch_free(batch);
    queue_unref(queue);
    pthread_mutex_unlock(&session->lock);
}

static void
batch_done(struct object_call *call)
{
    struct batch          *batch = CONTAINER(call, struct batch, call);
    struct msg_object_done done;

    if (batch->queue->open[batch->class] == batch)
        batch->queue->open[batch->class] = NULL;
    if (batch->flying)
        batch->queue->flying[batch->class]--;
    if (object_call_answer(call, &done, &batch->error) == MUSTER_OK)
        buffer_append_slice(&batch->stale, done.key);
    callback_post(call->call.session, &batch->callback);
}

static void
batch_seal(struct object_call *call, struct msg_object_do *m_out)
{
    struct batch *batch = CONTAINER(call, struct batch, call);

    if (batch->queue->open[batch->class] == batch)
        batch->queue->open[batch->class] = NULL;
    batch->flying = true;
    batch->queue->flying[batch->class]++;
    *m_out = batch->m;
    if (batch->class == QUEUE_CLASS_PUT) {
        m_out->a = batch->count;
        wire_block_put(&batch->value, &batch->block);
    } else {
        for (uint32_t i = 0; i < batch->count; i++)
            write_u64(&batch->value, batch->members[i].id);
    }
    m_out->value = buffer_slice(&batch->value);
}

static bool
batch_holds(const struct object_call *call)
{
    const struct batch *batch = CONTAINER(call, struct batch, call);

    return !batch->alone && batch->queue->flying[batch->class] >= BATCHES_FLYING &&
           call->call.session->objects.plain_last < call->call.request;
}

static const struct object_call_lazy batch_lazy = { batch_seal, batch_holds };

static uint64_t *
class_last(struct muster_session *session, int class)
{
    return class == QUEUE_CLASS_PUT ? &session->objects.puts_last : &session->objects.acks_last;
}

/* May one more of these go with it? */
static bool
batch_takes(const struct batch *batch, const struct msg_object_do *m, uint32_t timeout_ms)
{
    const struct objects *objects = &batch->queue->handle.session->objects;
    uint64_t              number = batch->call.call.request;

    if (batch->alone || batch->timeout_ms != timeout_ms || batch->m.b != m->b ||
        batch->m.c != m->c || batch->m.d != m->d || batch->count == BATCH_ITEMS_MAX ||
        objects->plain_last > number)
        return false;
    if (batch->class == QUEUE_CLASS_PUT)
        return objects->puts_last == number;
    return objects->acks_last == number && objects->puts_last < number;
}

static struct batch *
batch_begin(struct muster_queue *queue, int class, const struct msg_object_do *m,
            uint32_t timeout_ms)
{
    struct muster_session *session = queue->handle.session;
    struct batch          *batch = base_alloc(sizeof(*batch));
    uint64_t               plain_last = session->objects.plain_last;

    batch->call.done = batch_done;
    batch->call.lazy = &batch_lazy;
    batch->callback.run = batch_run;
    batch->queue = queue;
    batch->class = class;
    batch->timeout_ms = timeout_ms;
    batch->m = *m;
    queue->refs++;
    object_call_submit(&batch->call, &queue->handle, m, timeout_ms);
    session->objects.plain_last = plain_last;
    *class_last(session, class) = batch->call.call.request;
    return batch;
}

static void
batch_add(struct batch *batch, const struct member *member)
{
    base_grow((void **)&batch->members, &batch->capacity, batch->count + 1,
              sizeof(*batch->members));
    batch->members[batch->count++] = *member;
}

/* The batch that the next of this kind goes with; `item` lies in it already. */
static struct batch *
batch_for(struct muster_queue *queue, int class, const struct msg_object_do *m,
          const struct slice *item, uint32_t timeout_ms)
{
    struct batch *batch = queue->open[class];

    if (batch != NULL && batch_takes(batch, m, timeout_ms) &&
        (item == NULL || wire_block_add(&batch->block, *item)))
        return batch;
    if (batch != NULL)
        batch->alone = true;             /* it has what it can have */
    batch = batch_begin(queue, class, m, timeout_ms);
    if (item != NULL && !wire_block_add_value(&batch->block, *item))
        assert(!"an item that was checked fits an empty block");
    queue->open[class] = batch;
    return batch;
}

/* ---- put, acknowledge ---- */

static muster_err
put_small(struct muster_queue *queue, struct slice item, const struct msg_object_do *m,
          uint32_t timeout_ms, const struct member *member, struct muster_error *error)
{
    struct muster_session *session = queue->handle.session;
    muster_err             err;

    pthread_mutex_lock(&session->lock);
    err = object_check(session, &queue->handle, error);
    if (!err)
        err = queue_async_begin(session, item.bytes, error);
    if (!err) {
        struct batch *batch = batch_for(queue, QUEUE_CLASS_PUT, m, &item, timeout_ms);

        batch_add(batch, member);
        batch->bytes += item.bytes;
        /* A large one is kept outside of the manager's memory, when it comes alone. */
        if (queue->maxsize > 0 || item.bytes > VALUE_INLINE_BYTES_MAX)
            batch->alone = true;
    }
    pthread_mutex_unlock(&session->lock);
    return err;
}

muster_err
muster_queue_put_async(struct muster_queue *queue, const void *data, size_t bytes,
                       const struct muster_put *options, uint32_t timeout_ms,
                       muster_queue_done *done, void *context, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT };
    struct member        member = { .done = done, .context = context };
    muster_err           err = queue_put_options(options, &m, error);

    if (err)
        return err;
    if (bytes > MESSAGE_ITEM_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "an item has at most %u bytes, not %zu",
                         MESSAGE_ITEM_BYTES_MAX, bytes);
    if (bytes > VALUE_BYTES_MAX)
        return upload_begin(queue, slice_of(data, bytes), &m, timeout_ms, done, context, error);
    return put_small(queue, slice_of(data, bytes), &m, timeout_ms, &member, error);
}

muster_err
muster_queue_ack_async(struct muster_queue *queue, uint64_t id, muster_queue_done *done,
                       void *context, struct muster_error *error)
{
    struct muster_session *session = queue->handle.session;
    struct msg_object_do   m = { .verb = VERB_QUEUE_ACK_ITEMS };
    struct member          member = { done, context, id };
    muster_err             err;

    pthread_mutex_lock(&session->lock);
    err = object_check(session, &queue->handle, error);
    /* It makes room elsewhere, and is never too much. */
    session->async_calls += !err;
    if (!err)
        batch_add(batch_for(queue, QUEUE_CLASS_ACK, &m, NULL, MUSTER_FOREVER), &member);
    pthread_mutex_unlock(&session->lock);
    return err;
}
