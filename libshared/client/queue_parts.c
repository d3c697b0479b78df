/* queue_parts.c - items of queues that travel in parts (see queues.h)
 *
 * A window of parts is on its way at a time, so that memory and what the manager has
 * to keep stay small, and the line is full all the same.
 */
#include "queues.h"

#include <assert.h>

enum { PARTS_WINDOW = 8 };

struct part {
    struct object_call call;
    uint64_t           offset;
};

struct window {
    struct handle *handle;
    struct waiter  waiter;
    struct part    parts[PARTS_WINDOW];  /* a ring: part n is in n % PARTS_WINDOW */
    uint64_t       first, next;          /* parts that were asked and not taken yet */
    uint64_t       until_ms;
};

static void
part_done(struct object_call *call)
{
    struct window *window = call->call.context;

    waiter_wake(&window->waiter);
}

/* One that was BUSY lets those behind it come too early. */
static bool
part_retry(const struct call *call, muster_err code)
{
    (void)call;
    return code == MUSTER_ERR_RANGE;
}

/* With the lock held, as all of these. */
static void
window_begin(struct window *window, struct handle *handle, uint64_t until_ms)
{
    *window = (struct window){ .handle = handle, .until_ms = until_ms };
    waiter_begin(handle->session, &window->waiter, window);
}

static void
window_end(struct window *window)
{
    for (; window->first < window->next; window->first++) {
        struct part *part = &window->parts[window->first % PARTS_WINDOW];

        object_call_give_up(&part->call);
        object_call_free(&part->call);
    }
    waiter_end(&window->waiter);
}

static bool
window_full(const struct window *window)
{
    return window->next - window->first == PARTS_WINDOW;
}

static void
window_ask(struct window *window, const struct msg_object_do *m, uint64_t offset)
{
    struct part *part = &window->parts[window->next++ % PARTS_WINDOW];

    part->offset = offset;
    part->call = (struct object_call){ .done = part_done, .call.context = window };
    if (m->verb == VERB_QUEUE_PUT_PART)
        part->call.call.retry = part_retry;
    object_call_submit(&part->call, window->handle, m, left_until(window->until_ms));
}

/* Until the first part is answered.  OK: look at it, then window_taken(). */
static muster_err
window_wait(struct window *window, struct part **part_out, struct muster_error *error)
{
    struct muster_session *session = window->handle->session;
    struct part           *part = &window->parts[window->first % PARTS_WINDOW];

    assert(window->first < window->next);
    while (part->call.call.state != CALL_DONE) {
        /* The session's thread ends it at its deadline. */
        muster_err err = waiter_wait(session, &window->waiter, CLIENT_NEVER);

        if (err)
            return error_set(error, err, "interrupted in the middle of an item");
    }
    *part_out = part;
    return MUSTER_OK;
}

static void
window_taken(struct window *window)
{
    object_call_free(&window->parts[window->first % PARTS_WINDOW].call);
    window->first++;
}

/* ---- put ---- */

static muster_err
put_taken(struct window *window, struct muster_error *error)
{
    struct msg_object_done done;
    struct part           *part;
    muster_err             err = window_wait(window, &part, error);

    if (err)
        return err;
    err = object_call_answer(&part->call, &done, error);
    window_taken(window);
    return err;
}

muster_err
parts_put(struct handle *handle, uint64_t number, struct slice item, uint64_t until_ms,
          struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT_PART, .thread = number, .b = item.bytes };
    struct window        window;
    muster_err           err;

    pthread_mutex_lock(&handle->session->lock);
    window_begin(&window, handle, until_ms);
    err = object_check(handle->session, handle, error);
    while (!err && (m.a < item.bytes || window.first < window.next)) {
        if (m.a == item.bytes || window_full(&window)) {
            err = put_taken(&window, error);
            continue;
        }
        m.value = slice_cut(item, (size_t)m.a, VALUE_BYTES_MAX);
        window_ask(&window, &m, m.a);
        m.a += m.value.bytes;
    }
    window_end(&window);
    pthread_mutex_unlock(&handle->session->lock);
    return err;
}

/* ---- read ---- */

/* The part is handed over without the lock: a sink may take its time. */
static muster_err
read_taken(struct window *window, uint64_t bytes, muster_item_sink *sink, void *context,
           struct muster_error *error)
{
    struct muster_session *session = window->handle->session;
    union wire_any         m;
    struct part           *part;
    muster_err             err = window_wait(window, &part, error);

    if (err)
        return err;
    err = call_answer(&part->call.call, MSG_TYPE_BODY, &m, error);
    if (!err && (m.body.offset != part->offset || m.body.total != bytes ||
                 m.body.data.bytes !=
                     (bytes - part->offset < VALUE_BYTES_MAX ? bytes - part->offset
                                                             : VALUE_BYTES_MAX)))
        err = error_set(error, MUSTER_ERR_INTERNAL, "the parts of an item do not add up");
    if (!err) {
        pthread_mutex_unlock(&session->lock);
        err = sink(context, m.body.data.data, m.body.data.bytes, bytes);
        pthread_mutex_lock(&session->lock);
        if (err)
            (void)error_set(error, err, "the sink refused the item");
    }
    window_taken(window);
    return err;
}

muster_err
parts_read(struct handle *handle, uint64_t id, uint64_t bytes, uint64_t until_ms,
           muster_item_sink *sink, void *context, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_READ_PART, .a = id };
    struct window        window;
    muster_err           err;

    pthread_mutex_lock(&handle->session->lock);
    window_begin(&window, handle, until_ms);
    err = object_check(handle->session, handle, error);
    while (!err && (m.b < bytes || window.first < window.next)) {
        if (m.b >= bytes || window_full(&window)) {
            err = read_taken(&window, bytes, sink, context, error);
            continue;
        }
        window_ask(&window, &m, m.b);
        m.b += VALUE_BYTES_MAX;
    }
    window_end(&window);
    pthread_mutex_unlock(&handle->session->lock);
    return err;
}
