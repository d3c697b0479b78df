/* queue_fetch.c - gets and reserves without waiting (see queue.h)
 *
 *   get_async -> getters -> fetch: one request for many -> items, one for each getter
 *                   ^                                  |
 *                   `---- those who went empty --------'
 *
 * 1. A fetch ends when the first of its getters is out of time; the others are asked
 *    for again.  So it never has more items coming than somebody waits for.
 * 2. FETCHES_MAX of a queue wait at the manager; further getters wait here.  They are
 *    served in the order in which they came.
 * 3. One who does not wait is asked for by himself, at once.
 */
#include "queues.h"

#include <assert.h>
#include <stdlib.h>

enum { FETCHES_MAX = 2 };

struct fetch {
    struct object_call   call;
    struct callback      callback;
    struct muster_queue *queue;
    struct list          getters;
    uint32_t             count;
    uint8_t              verb;
    bool                 waits;
    uint32_t             term_ms;
};

/* ---- one who waited ---- */

static void
getter_free(struct getter *getter)
{
    muster_item_free(&getter->item);
    queue_async_end(getter->queue->handle.session, 1, 0);
    queue_unref(getter->queue);
    free(getter);
}

static void
getter_tell(struct getter *getter)
{
    getter->got(getter->context, &getter->error,
                getter->error.code == MUSTER_OK ? &getter->item : NULL);
}

static void
getter_run(struct callback *callback)
{
    struct getter         *getter = CONTAINER(callback, struct getter, callback);
    struct muster_session *session = getter->queue->handle.session;

    getter_tell(getter);
    pthread_mutex_lock(&session->lock);
    getter_free(getter);
    pthread_mutex_unlock(&session->lock);
}

void
getter_end(struct getter *getter, const struct muster_error *error)
{
    if (error != NULL)
        getter->error = *error;
    getter->callback.run = getter_run;
    callback_post(getter->queue->handle.session, &getter->callback);
}

void
queue_getters_end(struct muster_queue *queue, const struct muster_error *error)
{
    while (!list_empty(&queue->getters)) {
        struct getter *getter = CONTAINER(queue->getters.next, struct getter, link);

        list_remove(&getter->link);
        getter_end(getter, error);
    }
}

/* ---- fetches ---- */

static struct getter *
fetch_first(struct fetch *fetch)
{
    return CONTAINER(fetch->getters.next, struct getter, link);
}

/* The getters whom it served are told, together. */
static void
fetch_run(struct callback *callback)
{
    struct fetch          *fetch = CONTAINER(callback, struct fetch, callback);
    struct muster_session *session = fetch->queue->handle.session;

    for (struct list *at = fetch->getters.next; at != &fetch->getters; at = at->next)
        getter_tell(CONTAINER(at, struct getter, link));
    pthread_mutex_lock(&session->lock);
    while (!list_empty(&fetch->getters)) {
        struct getter *getter = fetch_first(fetch);

        list_remove(&getter->link);
        getter_free(getter);
    }
    free(fetch);
    pthread_mutex_unlock(&session->lock);
}

/* Those behind the first `count` wait again, in front of all others. */
static void
fetch_return(struct fetch *fetch, size_t count)
{
    struct list *at = fetch->queue->getters.next;

    while (fetch->count > count) {
        struct getter *last = CONTAINER(fetch->getters.prev, struct getter, link);

        list_remove(&last->link);
        list_append(at, &last->link);            /* in front of it */
        at = &last->link;
        fetch->count--;
    }
}

static void
fetch_give(struct fetch *fetch, struct muster_item *items, size_t count, uint64_t large)
{
    struct list *at = fetch->getters.next;

    fetch_return(fetch, count);
    for (size_t i = 0; i < count; i++, at = at->next)
        CONTAINER(at, struct getter, link)->item = items[i];
    if (large > 0) {
        struct getter *getter = fetch_first(fetch);

        list_remove(&getter->link);
        fetch->count--;
        download_begin(getter, large);
    }
}

/* Who is out of time hears so; the others wait on. */
static void
fetch_empty(struct fetch *fetch, const struct muster_error *error)
{
    enum { EARLY_MS = 2 };
    struct muster_queue *queue = fetch->queue;
    uint64_t             now_ms = clock_now_ms() + EARLY_MS;
    struct list         *at = fetch->getters.next;

    while (at != &fetch->getters) {
        struct getter *getter = CONTAINER(at, struct getter, link);

        at = at->next;
        if (error->code == MUSTER_ERR_EMPTY && getter->until_ms > now_ms && !queue->closed)
            continue;
        list_remove(&getter->link);
        fetch->count--;
        getter_end(getter, error);
    }
    fetch_return(fetch, 0);
}

static void fetch_go(struct muster_queue *queue);

static void
fetch_done(struct object_call *call)
{
    struct fetch          *fetch = CONTAINER(call, struct fetch, call);
    struct muster_queue   *queue = fetch->queue;
    struct muster_item    *items = base_array(fetch->count, sizeof(*items));
    struct msg_object_done done;
    struct muster_error    error;
    uint64_t               large = 0;
    size_t                 count = 0;
    muster_err             err = object_call_answer(call, &done, &error);

    if (queue->fetch == fetch)
        queue->fetch = NULL;
    queue->fetches -= fetch->waits;
    if (!err && !queue_items(&done, items, fetch->count, &count, &large))
        err = error_set(&error, MUSTER_ERR_INTERNAL, "the manager's items do not add up");
    if (err)
        fetch_empty(fetch, &error);
    else
        fetch_give(fetch, items, count, large);
    free(items);
    object_call_free(&fetch->call);
    if (fetch->count > 0)
        callback_post(queue->handle.session, &fetch->callback);
    else
        free(fetch);
    fetch_go(queue);
}

static void
fetch_seal(struct object_call *call, struct msg_object_do *m_out)
{
    struct fetch *fetch = CONTAINER(call, struct fetch, call);

    if (fetch->queue->fetch == fetch)
        fetch->queue->fetch = NULL;
    m_out->a = fetch->count;
    m_out->b = fetch->term_ms;
}

static const struct object_call_lazy fetch_lazy = { fetch_seal, NULL };

static void
fetch_add(struct fetch *fetch, struct getter *getter)
{
    list_append(&fetch->getters, &getter->link);
    fetch->count++;
    if (fetch->call.call.state == CALL_UNSENT)
        object_call_hasten(&fetch->call, getter->until_ms);
}

static struct fetch *
fetch_begin(struct getter *getter, bool waits)
{
    struct muster_queue  *queue = getter->queue;
    struct objects       *objects = &queue->handle.session->objects;
    struct msg_object_do  m = { .verb = getter->verb, .b = getter->term_ms };
    struct fetch         *fetch = base_alloc(sizeof(*fetch));
    uint64_t              plain_last = objects->plain_last;

    list_init(&fetch->getters);
    fetch->queue = queue;
    fetch->verb = getter->verb;
    fetch->term_ms = getter->term_ms;
    fetch->waits = waits;
    fetch->callback.run = fetch_run;
    fetch->call.done = fetch_done;
    fetch->call.lazy = &fetch_lazy;
    queue->fetches += waits;
    fetch_add(fetch, getter);
    object_call_submit(&fetch->call, &queue->handle, &m, left_until(getter->until_ms));
    objects->plain_last = plain_last;
    return fetch;
}

static bool
fetch_takes(const struct fetch *fetch, const struct getter *getter)
{
    return fetch != NULL && fetch->verb == getter->verb && fetch->term_ms == getter->term_ms &&
           fetch->count < GIVEN_PER_ANSWER_MAX;
}

/* Ask for those who wait here. */
static void
fetch_go(struct muster_queue *queue)
{
    struct muster_error error;

    if (list_empty(&queue->getters))
        return;
    if (object_check(queue->handle.session, &queue->handle, &error) != MUSTER_OK) {
        queue_getters_end(queue, &error);
        return;
    }
    while (!list_empty(&queue->getters)) {
        struct getter *getter = CONTAINER(queue->getters.next, struct getter, link);
        bool           joins = fetch_takes(queue->fetch, getter);

        if (!joins && queue->fetches >= FETCHES_MAX)
            return;
        list_remove(&getter->link);
        if (joins)
            fetch_add(queue->fetch, getter);
        else
            queue->fetch = fetch_begin(getter, true);
    }
}

static muster_err
getter_begin(struct muster_queue *queue, uint8_t verb, uint32_t term_ms, uint32_t timeout_ms,
             muster_queue_got *got, void *context, struct muster_error *error)
{
    struct muster_session *session = queue->handle.session;
    struct getter         *getter;
    muster_err             err;

    pthread_mutex_lock(&session->lock);
    err = object_check(session, &queue->handle, error);
    if (!err)
        err = queue_async_begin(session, 0, error);
    if (!err) {
        getter = base_alloc(sizeof(*getter));
        getter->queue = queue;
        getter->verb = verb;
        getter->term_ms = term_ms;
        getter->until_ms = deadline_after(timeout_ms);
        getter->got = got;
        getter->context = context;
        queue->refs++;
        if (timeout_ms == MUSTER_NO_WAIT) {
            (void)fetch_begin(getter, false);
        } else {
            list_append(&queue->getters, &getter->link);
            fetch_go(queue);
        }
    }
    pthread_mutex_unlock(&session->lock);
    return err;
}

muster_err
muster_queue_get_async(struct muster_queue *queue, uint32_t timeout_ms, muster_queue_got *got,
                       void *context, struct muster_error *error)
{
    return getter_begin(queue, VERB_QUEUE_GET, 0, timeout_ms, got, context, error);
}

muster_err
muster_queue_reserve_async(struct muster_queue *queue, uint32_t term_ms, uint32_t timeout_ms,
                           muster_queue_got *got, void *context, struct muster_error *error)
{
    return getter_begin(queue, VERB_QUEUE_RESERVE, term_ms, timeout_ms, got, context, error);
}
