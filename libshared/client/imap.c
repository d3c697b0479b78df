/* imap.c - map, imap, imap_unordered: feed as results are taken
 *
 *   source -> pool_call() -> futures, in the order of items -> caller
 *                              `-> ready, in the order of their ends -> caller
 *
 * 1. At most IMAP_ITEMS_MAX items, or IMAP_BYTES_MAX bytes of arguments, lie between
 *    what was fed and what was taken: so any number of items passes in bounded
 *    memory, here (see collect.h for results) and at the manager's lines.
 * 2. Each call of muster_imap_next() takes one item out and feeds up to
 *    IMAP_AHEAD new ones, more while nothing is ready: a slow source delays no
 *    result that is there, and a fast one fills the window.
 */
#include "pool.h"

#include <assert.h>
#include <stdlib.h>

#include "feed.h"

enum { IMAP_ITEMS_MAX = 4096, IMAP_AHEAD = 2, IMAP_CLOSE_MS = 2000 };
#define IMAP_BYTES_MAX (8u * MIB)

struct imap_item {
    struct list           order;         /* in imap->items */
    struct list           done;          /* in imap->ready once it has ended; under the lock */
    struct muster_imap   *imap;
    struct muster_future *future;
    uint32_t              number;        /* of the item */
    uint32_t              bytes;
};

struct muster_imap {
    struct muster_pool    *pool;
    struct muster_session *session;
    struct pool_function  *function;
    bool                   ordered;
    muster_imap_source    *source;
    void                  *context;
    /* of the calling thread */
    struct list            items;        /* fed and not taken, in order */
    uint32_t               item_count;
    uint64_t               item_bytes;
    uint32_t               number_next;
    const void            *next_data;    /* taken from the source and not fed */
    size_t                 next_bytes;
    bool                   has_next, source_ended;
    muster_err             source_error;
    struct imap_item      *given;        /* what the caller looks at */
    struct muster_bytes    fetched;
    /* guarded by the session's lock */
    struct list            ready;
    uint32_t               waiting;
};

/* ---- open and close ---- */

muster_err
muster_pool_imap(struct muster_pool *pool, const char *function, bool ordered,
                 muster_imap_source *next, void *context, uint32_t timeout_ms,
                 struct muster_imap **imap_out, struct muster_error *error)
{
    CALL_SCOPE(pool_session(pool));
    struct pool_function *found = NULL;
    struct muster_imap   *imap;
    muster_err            err;

    if (next == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "there is nowhere to take items from");
    err = pool_function_open(pool, function, timeout_ms, &found, error);
    if (err)
        return err;
    if (!pool_feed_begin(pool, found))
        return error_set(error, MUSTER_ERR_STATE, "the pool is closed");
    imap = base_alloc(sizeof(*imap));
    imap->pool = pool;
    imap->session = pool_session(pool);
    imap->function = found;
    imap->ordered = ordered;
    imap->source = next;
    imap->context = context;
    list_init(&imap->items);
    list_init(&imap->ready);
    *imap_out = imap;
    return MUSTER_OK;
}

static void
imap_item_free(struct imap_item *item)
{
    struct muster_session *session = item->imap->session;

    pthread_mutex_lock(&session->lock);
    if (list_linked(&item->done))
        list_remove(&item->done);
    item->future->ended = NULL;
    pthread_mutex_unlock(&session->lock);
    muster_future_free(item->future);
    free(item);
}

static void
imap_drop_given(struct muster_imap *imap)
{
    if (imap->given != NULL)
        imap_item_free(imap->given);
    imap->given = NULL;
    muster_bytes_free(&imap->fetched);
    imap->fetched = (struct muster_bytes){ 0 };
}

/* What has not begun to run shall not. */
static void
imap_cancel(struct muster_imap *imap)
{
    CALL_SCOPE(imap->session);
    uint64_t          job = imap->function->job;
    struct wire_range ranges[RANGES_MAX];
    uint32_t          count = 0;

    /* What waits here would be taken by the manager after it was cancelled there;
     * if there is no manager now, it runs for nothing. */
    scope_afresh(&scope_);
    if (muster_job_feed_flush(imap->session, job, IMAP_CLOSE_MS, NULL) != MUSTER_OK)
        feed_nudge(imap->session, job);
    for (struct list *at = imap->items.next; at != &imap->items; at = at->next) {
        const struct imap_item *item = CONTAINER(at, struct imap_item, order);
        uint32_t                index = item->future->index;

        if (muster_future_done(item->future))
            continue;
        if (count > 0 && ranges[count - 1].last + 1 == index) {
            ranges[count - 1].last = index;
            continue;
        }
        if (count == RANGES_MAX) {
            cancel_later(imap->session, job, ranges, count, false, true);
            count = 0;
        }
        ranges[count++] = (struct wire_range){ index, index };
    }
    if (count > 0)
        cancel_later(imap->session, job, ranges, count, false, true);
}

void
muster_imap_close(struct muster_imap *imap)
{
    if (imap == NULL)
        return;
    imap_drop_given(imap);
    if (!list_empty(&imap->items))
        imap_cancel(imap);
    if (!imap->source_ended)
        pool_feed_end(imap->pool, imap->function);
    while (!list_empty(&imap->items)) {
        struct imap_item *item = CONTAINER(imap->items.next, struct imap_item, order);

        list_remove(&item->order);
        imap_item_free(item);
    }
    free(imap);
}

/* ---- feed ---- */

static void
imap_ended(struct muster_future *future)
{
    struct imap_item   *item = future->context;
    struct muster_imap *imap = item->imap;

    if (!imap->ordered)
        list_append(&imap->ready, &item->done);
    if (imap->waiting > 0)
        waiters_wake(imap->session, imap);
}

static bool
imap_may_feed(const struct muster_imap *imap)
{
    return !imap->source_ended && imap->item_count < IMAP_ITEMS_MAX &&
           imap->item_bytes < IMAP_BYTES_MAX;
}

static muster_err
imap_feed(struct muster_imap *imap, uint32_t timeout_ms, struct muster_error *error)
{
    struct imap_item *item;
    muster_err        err;

    if (!imap->has_next) {
        err = imap->source(imap->context, &imap->next_data, &imap->next_bytes);
        if (err) {
            imap->source_ended = true;
            imap->source_error = err == MUSTER_ERR_CLOSED ? MUSTER_OK : err;
            pool_feed_end(imap->pool, imap->function);
            return MUSTER_OK;
        }
        imap->has_next = true;
    }
    item = base_alloc(sizeof(*item));
    item->imap = imap;
    item->number = imap->number_next;
    item->bytes = (uint32_t)imap->next_bytes;
    err = pool_call(imap->pool, imap->function, slice_of(imap->next_data, imap->next_bytes),
                    timeout_ms, imap_ended, item, &item->future, error);
    if (err) {
        free(item);
        return err;
    }
    imap->has_next = false;
    imap->number_next++;
    imap->item_count++;
    imap->item_bytes += item->bytes;
    list_append(&imap->items, &item->order);
    return MUSTER_OK;
}

/* ---- take ---- */

/* With the lock held: the next that may be given, or NULL. */
static struct imap_item *
imap_first(const struct muster_imap *imap)
{
    struct imap_item *item;

    if (!imap->ordered)
        return list_empty(&imap->ready) ? NULL
                                        : CONTAINER(imap->ready.next, struct imap_item, done);
    if (list_empty(&imap->items))
        return NULL;
    item = CONTAINER(imap->items.next, struct imap_item, order);
    return item->future->state != FUTURE_PENDING ? item : NULL;
}

static muster_err
imap_wait(struct muster_imap *imap, uint64_t deadline_ms, uint32_t timeout_ms,
          struct imap_item **item_out, struct muster_error *error)
{
    struct muster_session *session = imap->session;
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;

    waiter_begin(session, &waiter, imap);
    imap->waiting++;
    while (!err && (*item_out = imap_first(imap)) == NULL)
        err = waiter_wait(session, &waiter, deadline_ms);
    imap->waiting--;
    waiter_end(&waiter);
    if (*item_out != NULL)
        return MUSTER_OK;
    return session_wait_error(session, err, "the next result", timeout_ms, error);
}

/* Feed what may be fed, until one can be given.  CLOSED: that was the last. */
static muster_err
imap_find(struct muster_imap *imap, uint32_t timeout_ms, struct imap_item **item_out,
          struct muster_error *error)
{
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err;

    for (uint32_t fed = 0;; fed++) {
        pthread_mutex_lock(&imap->session->lock);
        *item_out = imap_first(imap);
        pthread_mutex_unlock(&imap->session->lock);
        if (!imap_may_feed(imap) || (*item_out != NULL && fed >= IMAP_AHEAD))
            break;
        err = imap_feed(imap, *item_out != NULL ? MUSTER_NO_WAIT : timeout_left(deadline_ms),
                        error);
        if (err && *item_out == NULL)
            return err;
        if (err)
            break;
    }
    if (*item_out != NULL)
        return MUSTER_OK;
    if (list_empty(&imap->items) && imap->source_error != MUSTER_OK)
        return error_set(error, imap->source_error, "the source of items ended with an error");
    if (list_empty(&imap->items))
        return error_set(error, MUSTER_ERR_CLOSED, "that was the last item");
    feed_nudge(imap->session, imap->function->job);
    pthread_mutex_lock(&imap->session->lock);
    err = imap_wait(imap, deadline_ms, timeout_ms, item_out, error);
    pthread_mutex_unlock(&imap->session->lock);
    return err;
}

muster_err
muster_imap_next(struct muster_imap *imap, uint32_t timeout_ms,
                 struct muster_imap_result *result_out, struct muster_error *error)
{
    CALL_SCOPE(imap->session);
    uint64_t                  deadline_ms = deadline_after(timeout_ms);
    struct muster_imap_result result = { 0 };
    struct imap_item         *item = NULL;
    struct muster_future     *future;
    muster_err                err;

    imap_drop_given(imap);
    err = imap_find(imap, timeout_ms, &item, error);
    if (err)
        return err;
    future = item->future;
    result.index = item->number;
    if (future->held) {
        result.data = future->data;
        result.bytes = future->bytes;
    } else {
        err = future_take(future, deadline_ms, &imap->fetched, error);
        /* It could not be fetched now: it stays the next. */
        if (err && future->state == FUTURE_SUCCEEDED)
            return err;
        result.data = imap->fetched.data;
        result.bytes = imap->fetched.bytes;
    }
    list_remove(&item->order);
    imap->item_count--;
    imap->item_bytes -= item->bytes;
    imap->given = item;
    if (result.data == NULL)
        result.data = "";
    *result_out = result;
    return err;
}

/* ---- map ---- */

struct map_items {
    const struct muster_item_in *items;
    size_t                       count;
    size_t                       next;
};

static muster_err
map_source(void *context, const void **data_out, size_t *bytes_out)
{
    struct map_items *map = context;

    if (map->next == map->count)
        return MUSTER_ERR_CLOSED;
    *data_out = map->items[map->next].data;
    *bytes_out = map->items[map->next++].bytes;
    return MUSTER_OK;
}

/* All results; *first_out is the first failure by order. */
static muster_err
map_collect(struct muster_imap *imap, struct muster_bytes *results, uint64_t deadline_ms,
            struct muster_error *first_out, struct muster_error *error)
{
    struct muster_imap_result result = { .index = UINT32_MAX };
    struct muster_error       why = { 0 };
    uint32_t                  expected = 0;

    for (;;) {
        muster_err err = muster_imap_next(imap, timeout_left(deadline_ms), &result, &why);

        if (err == MUSTER_ERR_CLOSED)
            return MUSTER_OK;
        /* Not a call that failed, but we. */
        if (err && result.index != expected) {
            if (error != NULL)
                *error = why;
            return err;
        }
        if (err && first_out->code == MUSTER_OK)
            *first_out = why;
        if (!err) {
            results[expected].data = bytes_copy(slice_of(result.data, result.bytes));
            results[expected].bytes = result.bytes;
        }
        expected++;
    }
}

muster_err
muster_pool_map(struct muster_pool *pool, const char *function, const struct muster_item_in *items,
                size_t count, uint32_t timeout_ms, struct muster_bytes **results_out,
                struct muster_error *error)
{
    CALL_SCOPE(pool_session(pool));
    uint64_t             deadline_ms = deadline_after(timeout_ms);
    struct map_items     map = { .items = items, .count = count };
    struct muster_bytes *results;
    struct muster_imap  *imap = NULL;
    struct muster_error  first = { 0 };
    muster_err           err;

    if (count > TASKS_PER_JOB_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "%zu items; at most %u are allowed", count,
                         (unsigned)TASKS_PER_JOB_MAX);
    err = muster_pool_imap(pool, function, true, map_source, &map, timeout_ms, &imap, error);
    if (err)
        return err;
    results = base_array(count, sizeof(*results));
    err = map_collect(imap, results, deadline_ms, &first, error);
    muster_imap_close(imap);
    if (!err && first.code != MUSTER_OK) {
        err = first.code;
        if (error != NULL)
            *error = first;
    }
    if (err) {
        muster_list_free(results, count);
        return err;
    }
    *results_out = results;
    return MUSTER_OK;
}
