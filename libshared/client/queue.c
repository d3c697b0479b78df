/* queue.c - shared queues (see queue.h); large items in queue_parts.c, calls without
 * waiting in queue_async.c */
#include "queues.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- open, close ---- */

muster_err
muster_queue_open(struct muster_session *session, const struct muster_open *open, uint64_t maxsize,
                  uint32_t timeout_ms, struct muster_queue **queue_out, struct muster_error *error)
{
    struct muster_queue     *queue = base_alloc(sizeof(*queue));
    struct msg_object_opened opened;
    muster_err err = handle_open(session, NOUN_QUEUE, open, maxsize, 0, slice_of(NULL, 0),
                                 timeout_ms, &queue->handle, &opened, error);

    if (err) {
        free(queue);
        return err;
    }
    queue->maxsize = opened.a;
    queue->refs = 1;
    list_init(&queue->getters);
    *queue_out = queue;
    return MUSTER_OK;
}

void
muster_queue_close(struct muster_queue *queue)
{
    if (queue == NULL)
        return;
    queue_async_close(queue);
}

uint64_t
muster_queue_object(const struct muster_queue *queue)
{
    return queue->handle.object;
}

/* ---- put ---- */

muster_err
queue_put_options(const struct muster_put *options, struct msg_object_do *m,
                  struct muster_error *error)
{
    static const struct muster_put plain;

    if (options == NULL)
        options = &plain;
    if (options->priority < -PRIORITY_MAX || options->priority > PRIORITY_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "a priority is -%d to %d, not %d", PRIORITY_MAX,
                         PRIORITY_MAX, (int)options->priority);
    if (options->delay_ms > DELAY_MS_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "a delay is at most %u ms", DELAY_MS_MAX);
    m->b = (uint64_t)(options->priority + PRIORITY_MAX);
    m->c = options->delay_ms;
    m->d = options->time_to_live_ms;
    return MUSTER_OK;
}

uint64_t
queue_part_number(void)
{
    static _Atomic uint64_t last;

    return atomic_fetch_add(&last, 1) + 1;
}

static void
told(struct object_call *call)
{
    object_call_free(call);
    free(call);
}

void
queue_drop_parts(const struct handle *handle, uint64_t number)
{
    const struct msg_object_do m = { .verb = VERB_QUEUE_PUT_PART, .thread = number };
    struct object_call        *call = base_alloc(sizeof(*call));

    call->done = told;
    object_call_submit(call, handle, &m, MUSTER_FOREVER);
}

static muster_err
put_large(struct muster_queue *queue, struct slice item, struct msg_object_do *m,
          uint64_t until_ms, struct muster_error *error)
{
    muster_err err;

    if (item.bytes > MESSAGE_ITEM_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "an item has at most %u bytes, not %zu",
                         MESSAGE_ITEM_BYTES_MAX, item.bytes);
    m->thread = queue_part_number();
    err = parts_put(&queue->handle, m->thread, item, until_ms, error);
    if (!err)
        err = handle_do_plain(&queue->handle, m, left_until(until_ms), error);
    if (err) {
        pthread_mutex_lock(&queue->handle.session->lock);
        queue_drop_parts(&queue->handle, m->thread);
        pthread_mutex_unlock(&queue->handle.session->lock);
    }
    return err;
}

muster_err
muster_queue_put(struct muster_queue *queue, const void *data, size_t bytes,
                 const struct muster_put *options, uint32_t timeout_ms, struct muster_error *error)
{
    CALL_SCOPE(queue->handle.session);
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT };
    struct slice         item = slice_of(data, bytes);
    struct buffer        block = { 0 };
    muster_err           err = queue_put_options(options, &m, error);

    if (err)
        return err;
    if (bytes > VALUE_BYTES_MAX)
        return put_large(queue, item, &m, deadline_after(timeout_ms), error);
    err = block_of(&item, 1, &block, error);
    if (!err) {
        m.a = 1;
        m.value = buffer_slice(&block);
        err = handle_do_plain(&queue->handle, &m, timeout_ms, error);
    }
    buffer_free(&block);
    return err;
}

muster_err
muster_queue_put_many(struct muster_queue *queue, const struct muster_item_in *items, size_t count,
                      const struct muster_put *options, uint32_t timeout_ms,
                      struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT, .a = count };
    struct wire_block    block = { 0 };
    struct buffer        bytes = { 0 };
    muster_err           err = queue_put_options(options, &m, error);

    if (!err && count == 0)
        err = error_set(error, MUSTER_ERR_INVALID, "put at least one item");
    for (size_t i = 0; i < count && !err; i++) {
        if (!wire_block_add(&block, slice_of(items[i].data, items[i].bytes)))
            err = error_set(error, MUSTER_ERR_TOO_LARGE,
                            "item %zu of %zu, of %zu bytes, does not fit one message", i + 1, count,
                            items[i].bytes);
    }
    if (!err) {
        wire_block_put(&bytes, &block);
        m.value = buffer_slice(&bytes);
        err = handle_do_plain(&queue->handle, &m, timeout_ms, error);
    }
    wire_block_free(&block);
    buffer_free(&bytes);
    return err;
}

/* ---- get, reserve ---- */

void
muster_item_free(struct muster_item *item)
{
    if (item == NULL)
        return;
    free(item->data);
    *item = (struct muster_item){ 0 };
}

static void
items_free(struct muster_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        muster_item_free(&items[i]);
}

bool
queue_items(const struct msg_object_done *done, struct muster_item *items_out, size_t max,
            size_t *count_out, uint64_t *large_out)
{
    enum { TOLD_BYTES = 16 };            /* in the key: id, times */
    struct reader in = reader_of(done->key);

    if (done->a > max || done->a > GIVEN_PER_ANSWER_MAX ||
        done->key.bytes != done->a * TOLD_BYTES || done->b > MESSAGE_ITEM_BYTES_MAX ||
        (done->b != 0 && done->a != 1))
        return false;
    if (done->b == 0 && done->a > 0 &&
        wire_block_check_values(done->value, (uint32_t)done->a) != MUSTER_OK)
        return false;
    for (uint32_t i = 0; i < done->a; i++) {
        items_out[i] = (struct muster_item){ .id = read_u64(&in) };
        items_out[i].times = read_u64(&in);
        if (done->b == 0) {
            struct slice bytes = wire_block_item(done->value, i);

            items_out[i].data = bytes_copy(bytes);
            items_out[i].bytes = bytes.bytes;
        }
    }
    *count_out = (size_t)done->a;
    *large_out = done->b;
    return true;
}

void
queue_tell(const struct handle *handle, uint8_t verb, uint64_t id)
{
    struct object_call  *call = base_alloc(sizeof(*call));
    struct buffer        ids = { 0 };
    struct msg_object_do m = { .verb = verb };

    call->done = told;
    write_u64(&ids, id);
    m.value = buffer_slice(&ids);
    object_call_submit(call, handle, &m, MUSTER_FOREVER);
    buffer_free(&ids);
}

static void
queue_tell_locked(struct muster_queue *queue, uint8_t verb, uint64_t id)
{
    pthread_mutex_lock(&queue->handle.session->lock);
    queue_tell(&queue->handle, verb, id);
    pthread_mutex_unlock(&queue->handle.session->lock);
}

/* GET or RESERVE.  A large item comes alone and without its data.  `held` not NULL: the
 * answer is not seen yet. */
static muster_err
queue_fetch(struct muster_queue *queue, struct msg_object_do *m, uint32_t timeout_ms,
            struct muster_item *items_out, size_t *count_out, uint64_t *large_out,
            struct asked *held, struct muster_error *error)
{
    struct handle *handle = &queue->handle;
    struct ask     answer;
    uint64_t       until_ms = deadline_after(timeout_ms);
    muster_err     err;

    do {
        uint32_t left_ms = left_until(until_ms);

        err = held != NULL ? handle_do_unseen(handle, m, left_ms, &answer, held, error)
                           : handle_do(handle, m, left_ms, &answer, error);
        if (err)
            return err;
        if (!queue_items(&answer.m.object_done, items_out, (size_t)m->a, count_out, large_out))
            err = error_set(error, MUSTER_ERR_INTERNAL, "the manager's items do not add up");
        ask_free(&answer);
        if (held != NULL && (err || *count_out == 0))
            handle_seen(handle, held);
        /* None: an answer that was repeated after its items' terms were over. */
    } while (!err && *count_out == 0);
    return err;
}

/* ---- large ones ---- */

struct whole {
    uint8_t *data;
    uint64_t bytes;
};

static muster_err
whole_add(void *context, const void *data, size_t bytes, uint64_t total)
{
    struct whole *whole = context;

    if (whole->data == NULL)
        whole->data = base_realloc(NULL, total + 1);
    assert(whole->bytes + bytes <= total);
    memcpy(whole->data + whole->bytes, data, bytes);
    whole->bytes += bytes;
    whole->data[whole->bytes] = '\0';
    return MUSTER_OK;
}

/* Its data.  One that cannot be read goes back: the call had no effect. */
static muster_err
item_read(struct muster_queue *queue, bool got, uint64_t large, uint64_t until_ms,
          struct muster_item *item, struct muster_error *error)
{
    struct whole whole = { 0 };
    muster_err   err;

    if (large == 0)
        return MUSTER_OK;
    err = parts_read(&queue->handle, item->id, large, until_ms, whole_add, &whole, error);
    if (err) {
        queue_tell_locked(queue, VERB_QUEUE_GIVE_BACK, item->id);
        free(whole.data);
        return err;
    }
    if (got)
        queue_tell_locked(queue, VERB_QUEUE_ACK_ITEMS, item->id);
    item->data = whole.data;
    item->bytes = (size_t)whole.bytes;
    return MUSTER_OK;
}

/* Parts of an item that was given may take as long as they need. */
static uint64_t
read_until(uint64_t large)
{
    enum { READ_MS_MIN = 30000, READ_BYTES_PER_MS = 1024 };

    return clock_now_ms() + READ_MS_MIN + large / READ_BYTES_PER_MS;
}

static muster_err
queue_take(struct muster_queue *queue, uint8_t verb, size_t max, uint32_t term_ms,
           uint32_t timeout_ms, struct muster_item *items_out, size_t *count_out,
           struct muster_error *error)
{
    CALL_SCOPE(queue->handle.session);
    struct msg_object_do m = { .verb = verb, .b = term_ms };
    struct muster_item  *items;
    uint64_t             large = 0;
    size_t               count = 0;
    muster_err           err;

    if (max == 0)
        return error_set(error, MUSTER_ERR_INVALID, "take at least one item");
    if (max > GIVEN_PER_ANSWER_MAX)
        max = GIVEN_PER_ANSWER_MAX;
    m.a = max;
    items = base_array(max, sizeof(*items));
    err = queue_fetch(queue, &m, timeout_ms, items, &count, &large, NULL, error);
    if (!err)
        err = item_read(queue, verb == VERB_QUEUE_GET, large, read_until(large), &items[0], error);
    if (!err) {
        memcpy(items_out, items, count * sizeof(*items));
        *count_out = count;
    } else {
        items_free(items, count);
    }
    free(items);
    return err;
}

muster_err
muster_queue_get(struct muster_queue *queue, uint32_t timeout_ms, struct muster_item *item_out,
                 struct muster_error *error)
{
    size_t count;

    return queue_take(queue, VERB_QUEUE_GET, 1, 0, timeout_ms, item_out, &count, error);
}

muster_err
muster_queue_get_many(struct muster_queue *queue, size_t max, uint32_t timeout_ms,
                      struct muster_item *items_out, size_t *count_out,
                      struct muster_error *error)
{
    return queue_take(queue, VERB_QUEUE_GET, max, 0, timeout_ms, items_out, count_out, error);
}

muster_err
muster_queue_reserve(struct muster_queue *queue, uint32_t term_ms, uint32_t timeout_ms,
                     struct muster_item *item_out, struct muster_error *error)
{
    size_t count;

    return queue_take(queue, VERB_QUEUE_RESERVE, 1, term_ms, timeout_ms, item_out, &count, error);
}

muster_err
muster_queue_reserve_many(struct muster_queue *queue, size_t max, uint32_t term_ms,
                          uint32_t timeout_ms, struct muster_item *items_out, size_t *count_out,
                          struct muster_error *error)
{
    return queue_take(queue, VERB_QUEUE_RESERVE, max, term_ms, timeout_ms, items_out, count_out,
                      error);
}

/* Back to its place, before its answer counts as seen. */
static void
item_refuse(struct muster_queue *queue, uint64_t id)
{
    enum { REFUSE_MS = 5000 };
    struct msg_object_do m = { .verb = VERB_QUEUE_GIVE_BACK };
    struct buffer        ids = { 0 };
    struct muster_error  error;

    write_u64(&ids, id);
    m.value = buffer_slice(&ids);
    (void)!handle_do_plain(&queue->handle, &m, REFUSE_MS, &error);
    buffer_free(&ids);
}

muster_err
muster_queue_get_to(struct muster_queue *queue, uint32_t timeout_ms, muster_item_sink *sink,
                    void *context, struct muster_error *error)
{
    CALL_SCOPE(queue->handle.session);
    struct msg_object_do m = { .verb = VERB_QUEUE_GET, .a = 1 };
    struct muster_item   item = { 0 };
    struct asked         held;
    uint64_t             large = 0;
    size_t               count = 0;
    muster_err err = queue_fetch(queue, &m, timeout_ms, &item, &count, &large, &held, error);

    if (err)
        return err;
    if (large > 0) {
        err = parts_read(&queue->handle, item.id, large, read_until(large), sink, context, error);
    } else {
        err = sink(context, item.data, item.bytes, item.bytes);
        if (err)
            (void)error_set(error, err, "the sink refused the item");
    }
    if (err) {
        scope_afresh(&scope_);
        item_refuse(queue, item.id);
    }
    else if (large > 0)
        queue_tell_locked(queue, VERB_QUEUE_ACK_ITEMS, item.id);
    handle_seen(&queue->handle, &held);
    muster_item_free(&item);
    return err;
}

/* ---- what becomes of reserved items ---- */

/* In requests of as many ids as fit.  STALE counts as none. */
static muster_err
queue_held(struct muster_queue *queue, struct msg_object_do *m, const uint64_t *ids, size_t count,
           uint32_t timeout_ms, size_t *done_out, struct muster_error *error)
{
    CALL_SCOPE(queue->handle.session);
    uint64_t      until_ms = deadline_after(timeout_ms);
    struct buffer value = { 0 };
    size_t        done = 0;
    muster_err    err = MUSTER_OK;

    if (count == 0)
        return error_set(error, MUSTER_ERR_INVALID, "of which items?");
    for (size_t at = 0; at < count && !err;) {
        struct muster_error failed;
        uint64_t            these = 0;

        buffer_clear(&value);
        for (size_t i = 0; i < GIVEN_PER_ANSWER_MAX && at < count; i++)
            write_u64(&value, ids[at++]);
        m->value = buffer_slice(&value);
        err = handle_do_number(&queue->handle, m, left_until(until_ms), &these, &failed);
        if (err == MUSTER_ERR_STALE && (done > 0 || at < count))
            err = MUSTER_OK;
        if (err && error != NULL)
            *error = failed;
        done += (size_t)these;
    }
    buffer_free(&value);
    if (!err && done == 0)
        err = error_set(error, MUSTER_ERR_STALE, "none of these items is this session's any more");
    if (!err && done_out != NULL)
        *done_out = done;
    return err;
}

muster_err
muster_queue_ack(struct muster_queue *queue, const uint64_t *ids, size_t count,
                 uint32_t timeout_ms, size_t *done_out, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_ACK_ITEMS };

    return queue_held(queue, &m, ids, count, timeout_ms, done_out, error);
}

muster_err
muster_queue_give_back(struct muster_queue *queue, const uint64_t *ids, size_t count,
                       uint64_t delay_ms, uint32_t timeout_ms, size_t *done_out,
                       struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_GIVE_BACK, .c = delay_ms };

    return queue_held(queue, &m, ids, count, timeout_ms, done_out, error);
}

muster_err
muster_queue_extend(struct muster_queue *queue, const uint64_t *ids, size_t count,
                    uint32_t term_ms, uint32_t timeout_ms, size_t *done_out,
                    struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_EXTEND, .b = term_ms };

    return queue_held(queue, &m, ids, count, timeout_ms, done_out, error);
}

/* ---- join, size, shutdown ---- */

muster_err
muster_queue_task_done(struct muster_queue *queue, uint64_t count, uint32_t timeout_ms,
                       struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_QUEUE_TASK_DONE, .a = count };

    return handle_do_plain(&queue->handle, &m, timeout_ms, error);
}

muster_err
muster_queue_join(struct muster_queue *queue, uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_QUEUE_JOIN };

    return handle_do_plain(&queue->handle, &m, timeout_ms, error);
}

muster_err
muster_queue_size(struct muster_queue *queue, uint32_t timeout_ms,
                  struct muster_queue_size *size_out, struct muster_error *error)
{
    const struct msg_object_do    m = { .verb = VERB_QUEUE_SIZE };
    const struct msg_object_done *done;
    struct ask                    answer;
    muster_err err = handle_do(&queue->handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    done = &answer.m.object_done;
    *size_out = (struct muster_queue_size){ .items = done->a,
                                            .given = done->b,
                                            .unfinished = done->c,
                                            .maxsize = queue->maxsize,
                                            .closed = (done->d & 1) != 0 };
    ask_free(&answer);
    return MUSTER_OK;
}

muster_err
muster_queue_shutdown(struct muster_queue *queue, bool immediate, uint32_t timeout_ms,
                      struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_QUEUE_SHUTDOWN, .a = immediate };

    return handle_do_plain(&queue->handle, &m, timeout_ms, error);
}
