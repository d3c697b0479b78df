/* sharer_stories.c - every call of queues, locks and their kin, each checked */
#include "sharer.h"

#include <pthread.h>
#include <stdatomic.h>

struct helper {
    pthread_t  thread;
    muster_err err;
    uint64_t   number;
    void      *object;
    uint32_t   timeout_ms;
    _Atomic int done;
};

static void
helper_start(struct helper *helper, void *(*run)(void *), void *object, uint32_t timeout_ms)
{
    helper->object = object;
    helper->timeout_ms = timeout_ms;
    WANT(pthread_create(&helper->thread, NULL, run, helper) == 0);
}

static void
helper_join(struct helper *helper)
{
    pthread_join(helper->thread, NULL);
}

static void
story_queue(void)
{
    struct muster_queue     *queue;
    struct muster_item       items[8];
    struct muster_item_in    in[3] = { { "x", 1 }, { "yy", 2 }, { "", 0 } };
    struct muster_put        later = { .delay_ms = 100 }, first = { .priority = 5 };
    struct muster_queue_size size;
    uint64_t                 ids[2];
    size_t                   count, done;

    MUST(muster_queue_open(session, NULL, 3, 10000, &queue, &error));
    GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, MUSTER_NO_WAIT, items, &error));
    GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, 30, items, &error));
    MUST(muster_queue_put_many(queue, in, 3, NULL, 10000, &error));
    GIVES(MUSTER_ERR_FULL, muster_queue_put(queue, "z", 1, NULL, 30, &error));
    MUST(muster_queue_get_many(queue, 8, 10000, items, &count, &error));
    WANT(count == 3 && items[1].bytes == 2 && memcmp(items[1].data, "yy", 3) == 0);
    for (size_t i = 0; i < count; i++)
        muster_item_free(&items[i]);
    MUST(muster_queue_put(queue, "slow", 4, &later, 10000, &error));
    MUST(muster_queue_put(queue, "b", 1, NULL, 10000, &error));
    MUST(muster_queue_put(queue, "a", 1, &first, 10000, &error));
    MUST(muster_queue_reserve(queue, 0, 10000, &items[0], &error));
    MUST(muster_queue_reserve(queue, 0, 10000, &items[1], &error));
    WANT(memcmp(items[0].data, "a", 2) == 0 && memcmp(items[1].data, "b", 2) == 0);
    ids[0] = items[0].id;
    ids[1] = items[1].id;
    MUST(muster_queue_extend(queue, ids, 2, 60000, 10000, &done, &error));
    WANT(done == 2);
    MUST(muster_queue_give_back(queue, ids, 1, 0, 10000, &done, &error));
    muster_item_free(&items[0]);
    MUST(muster_queue_get(queue, 10000, &items[0], &error));
    WANT(items[0].times == 1 && memcmp(items[0].data, "a", 2) == 0);
    MUST(muster_queue_ack(queue, ids + 1, 1, 10000, NULL, &error));
    GIVES(MUSTER_ERR_STALE, muster_queue_ack(queue, ids + 1, 1, 10000, NULL, &error));
    muster_item_free(&items[0]);
    muster_item_free(&items[1]);
    MUST(muster_queue_get(queue, 10000, &items[0], &error));
    WANT(items[0].bytes == 4);
    muster_item_free(&items[0]);
    MUST(muster_queue_size(queue, 10000, &size, &error));
    WANT(size.items == 0 && size.unfinished == 5 && size.maxsize == 3 && !size.closed);
    GIVES(MUSTER_ERR_TIMEOUT, muster_queue_join(queue, 30, &error));
    MUST(muster_queue_task_done(queue, 5, 10000, &error));
    GIVES(MUSTER_ERR_STATE, muster_queue_task_done(queue, 1, 10000, &error));
    MUST(muster_queue_join(queue, 10000, &error));
    MUST(muster_queue_shutdown(queue, false, 10000, &error));
    GIVES(MUSTER_ERR_CLOSED, muster_queue_put(queue, "z", 1, NULL, 10000, &error));
    GIVES(MUSTER_ERR_CLOSED, muster_queue_get(queue, 10000, items, &error));
    muster_queue_close(queue);
}

static muster_err
refuse(void *context, const void *data, size_t bytes, uint64_t total)
{
    (void)context;
    (void)data;
    (void)bytes;
    (void)total;
    return MUSTER_ERR_IO;
}

static void
story_large(void)
{
    static const size_t  sizes[] = { 16384, 16385, 131072, 131073, 3000000 };
    struct muster_queue *queue;
    struct muster_item   item;
    uint8_t             *data = malloc(3000000);

    WANT(data != NULL);
    for (size_t i = 0; i < 3000000; i++)
        data[i] = (uint8_t)(i * 7919 >> 3);
    MUST(muster_queue_open(session, NULL, 0, 10000, &queue, &error));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        MUST(muster_queue_put(queue, data, sizes[i], NULL, 30000, &error));
        GIVES(MUSTER_ERR_IO, muster_queue_get_to(queue, 10000, refuse, NULL, &error));
        MUST(muster_queue_get(queue, 10000, &item, &error));
        WANT(item.bytes == sizes[i] && item.times == 1 && memcmp(item.data, data, item.bytes) == 0);
        muster_item_free(&item);
        GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, MUSTER_NO_WAIT, &item, &error));
    }
    MUST(muster_queue_put(queue, "s", 1, NULL, 30000, &error));
    GIVES(MUSTER_ERR_IO, muster_queue_get_to(queue, 10000, refuse, NULL, &error));
    MUST(muster_queue_get(queue, 10000, &item, &error));
    WANT(item.bytes == 1 && item.times == 1);
    muster_item_free(&item);
    muster_queue_close(queue);
    free(data);
}

static void *
lock_taker(void *context)
{
    struct helper      *helper = context;
    struct muster_error failed;

    helper->err = muster_lock_acquire(helper->object, helper->timeout_ms, &helper->number, &failed);
    helper->done = 1;
    if (!helper->err)
        helper->err = muster_lock_release(helper->object, 10000, &failed);
    return NULL;
}

static uint64_t
waiting_for(const char *name)
{
    struct muster_object_info *infos;
    size_t                     count;
    uint64_t                   waiting = 0;

    MUST(muster_object_list(session, NULL, name, 10000, &infos, &count, &error));
    for (size_t i = 0; i < count; i++)
        waiting += infos[i].waiting;
    free(infos);
    return waiting;
}

static void
story_lock(void)
{
    struct muster_open       named = { .name = "story-lock" };
    struct muster_lock      *lock, *same, *rlock;
    struct muster_lock_state state;
    struct helper            helper = { 0 };
    uint64_t                 token, next;

    MUST(muster_lock_open(session, &named, 10000, &lock, &error));
    MUST(muster_lock_open(session, &named, 10000, &same, &error));
    WANT(muster_lock_object(lock) == muster_lock_object(same));
    muster_lock_close(same);
    MUST(muster_lock_acquire(lock, 10000, &token, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_lock_acquire(lock, 50, NULL, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_lock_acquire(lock, MUSTER_NO_WAIT, NULL, &error));
    helper_start(&helper, lock_taker, lock, 10000);
    UNTIL(waiting_for("story-lock") == 1);
    MUST(muster_lock_state(lock, 10000, &state, &error));
    WANT(state.held && state.token == token && state.depth == 1 && state.holder[0] != 0);
    MUST(muster_lock_release(lock, 10000, &error));
    helper_join(&helper);
    WANT(helper.err == MUSTER_OK && helper.number > token);
    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(lock, 10000, &error));
    muster_lock_close(lock);

    MUST(muster_rlock_open(session, NULL, 10000, &rlock, &error));
    MUST(muster_lock_acquire(rlock, 10000, &token, &error));
    MUST(muster_lock_acquire(rlock, 10000, &next, &error));
    WANT(token == next);
    helper = (struct helper){ 0 };
    helper_start(&helper, lock_taker, rlock, 50);
    helper_join(&helper);
    WANT(helper.err == MUSTER_ERR_TIMEOUT);
    MUST(muster_lock_release(rlock, 10000, &error));
    MUST(muster_lock_release(rlock, 10000, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(rlock, 10000, &error));
    muster_lock_close(rlock);
}

static void
story_semaphore(void)
{
    struct muster_semaphore *semaphore;
    uint64_t                 left, first, second;

    MUST(muster_semaphore_open(session, NULL, 2, true, 10000, &semaphore, &error));
    MUST(muster_semaphore_acquire(semaphore, 10000, &first, &error));
    MUST(muster_semaphore_acquire(semaphore, 10000, &second, &error));
    WANT(second > first);
    GIVES(MUSTER_ERR_TIMEOUT, muster_semaphore_acquire(semaphore, 30, NULL, &error));
    MUST(muster_semaphore_release(semaphore, 2, 10000, &error));
    GIVES(MUSTER_ERR_STATE, muster_semaphore_release(semaphore, 1, 10000, &error));
    MUST(muster_semaphore_get_value(semaphore, 10000, &left, &error));
    WANT(left == 2);
    muster_semaphore_close(semaphore);
}

static void *
event_waiter(void *context)
{
    struct helper      *helper = context;
    struct muster_error failed;

    helper->err = muster_event_wait(helper->object, helper->timeout_ms, &failed);
    helper->done = 1;
    return NULL;
}

static void
story_event(void)
{
    struct muster_open   named = { .name = "story-event" };
    struct muster_event *event;
    struct helper        helper = { 0 };
    bool                 set;

    MUST(muster_event_open(session, &named, 10000, &event, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_event_wait(event, 30, &error));
    helper_start(&helper, event_waiter, event, MUSTER_FOREVER);
    UNTIL(waiting_for("story-event") == 1);
    muster_session_interrupt(session);
    helper_join(&helper);
    WANT(helper.err == MUSTER_ERR_INTERRUPTED && waiting_for("story-event") == 0);
    helper = (struct helper){ 0 };
    helper_start(&helper, event_waiter, event, MUSTER_FOREVER);
    UNTIL(waiting_for("story-event") == 1);
    MUST(muster_event_set(event, 10000, &error));
    helper_join(&helper);
    WANT(helper.err == MUSTER_OK);
    MUST(muster_event_is_set(event, 10000, &set, &error));
    WANT(set);
    MUST(muster_event_clear(event, 10000, &error));
    MUST(muster_event_is_set(event, 10000, &set, &error));
    WANT(!set);
    muster_event_close(event);
}

struct shared_condition {
    struct muster_condition *condition;
    struct muster_lock      *lock;
    int                      value;      /* guarded by the shared lock */
};

static bool
value_is_set(void *context)
{
    return ((struct shared_condition *)context)->value != 0;
}

static void *
condition_waiter(void *context)
{
    struct helper           *helper = context;
    struct shared_condition *shared = helper->object;
    struct muster_error      failed;

    helper->err = muster_lock_acquire(shared->lock, 10000, NULL, &failed);
    if (!helper->err)
        helper->err = muster_lock_acquire(shared->lock, 10000, NULL, &failed);
    if (!helper->err)
        helper->err = muster_condition_wait_for(shared->condition, value_is_set, shared,
                                                helper->timeout_ms, &helper->number, &failed);
    helper->done = 1;
    /* Held again whatever it gave, and as often. */
    for (int i = 0; i < 2; i++) {
        if (muster_lock_release(shared->lock, 10000, &failed) != MUSTER_OK)
            helper->err = MUSTER_ERR_INTERNAL;
    }
    return NULL;
}

static void
story_condition(void)
{
    struct muster_open      named = { .name = "story-condition" };
    struct shared_condition shared = { 0 };
    struct helper           helper = { 0 };
    uint64_t                token, again;

    MUST(muster_rlock_open(session, NULL, 10000, &shared.lock, &error));
    MUST(muster_condition_open(session, &named, shared.lock, 10000, &shared.condition, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_condition_wait(shared.condition, 10, NULL, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_condition_notify_all(shared.condition, 10000, &error));
    MUST(muster_lock_acquire(shared.lock, 10000, &token, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_condition_wait(shared.condition, 50, &again, &error));
    WANT(again > token);
    MUST(muster_lock_release(shared.lock, 10000, &error));
    helper_start(&helper, condition_waiter, &shared, MUSTER_FOREVER);
    UNTIL(waiting_for("story-condition") == 1);
    MUST(muster_lock_acquire(shared.lock, 10000, NULL, &error));
    shared.value = 1;
    MUST(muster_condition_notify(shared.condition, 1, 10000, &error));
    MUST(muster_lock_release(shared.lock, 10000, &error));
    helper_join(&helper);
    WANT(helper.err == MUSTER_OK && helper.number > again);

    shared.value = 0;
    helper = (struct helper){ 0 };
    helper_start(&helper, condition_waiter, &shared, MUSTER_FOREVER);
    UNTIL(waiting_for("story-condition") == 1);
    muster_session_interrupt(session);
    helper_join(&helper);
    WANT(helper.err == MUSTER_ERR_INTERRUPTED);
    muster_condition_close(shared.condition);
    muster_lock_close(shared.lock);
    MUST(muster_object_delete(session, MUSTER_CONDITION, "story-condition", 10000, &error));
}

static _Atomic int actions;

static void
action(void *context)
{
    (void)context;
    actions++;
}

static void *
barrier_waiter(void *context)
{
    struct helper      *helper = context;
    struct muster_error failed;
    uint32_t            index;

    helper->err = muster_barrier_wait(helper->object, helper->timeout_ms, action, NULL, &index,
                                      &failed);
    helper->number = helper->err ? 0 : 1u << index;
    return NULL;
}

static void
story_barrier(void)
{
    struct muster_barrier      *barrier;
    struct muster_barrier_state state;
    struct helper               helpers[3] = { { 0 } };
    uint64_t                    all = 0;

    MUST(muster_barrier_open(session, NULL, 3, 10000, &barrier, &error));
    for (int i = 0; i < 3; i++)
        helper_start(&helpers[i], barrier_waiter, barrier, 10000);
    for (int i = 0; i < 3; i++) {
        helper_join(&helpers[i]);
        WANT(helpers[i].err == MUSTER_OK);
        all |= helpers[i].number;
    }
    WANT(all == 7 && actions == 1);
    GIVES(MUSTER_ERR_BROKEN_BARRIER, muster_barrier_wait(barrier, 30, NULL, NULL, NULL, &error));
    MUST(muster_barrier_state(barrier, 10000, &state, &error));
    WANT(state.broken && state.parties == 3);
    MUST(muster_barrier_reset(barrier, 10000, &error));
    MUST(muster_barrier_abort(barrier, 10000, &error));
    GIVES(MUSTER_ERR_BROKEN_BARRIER, muster_barrier_wait(barrier, 30, NULL, NULL, NULL, &error));
    muster_barrier_close(barrier);
}

/* ---- without waiting ---- */

enum { FLOOD = 20000 };

struct flood {
    struct muster_queue *queue;
    _Atomic int          put, got, acked, wrong;
    int                  next;           /* in the thread of callbacks */
};

static void
flood_put(void *context, const struct muster_error *failed)
{
    struct flood *flood = context;

    flood->wrong += failed->code != MUSTER_OK;
    flood->put++;
}

static void
flood_acked(void *context, const struct muster_error *failed)
{
    struct flood *flood = context;

    flood->wrong += failed->code != MUSTER_OK;
    flood->acked++;
}

static void
flood_got(void *context, const struct muster_error *failed, const struct muster_item *item)
{
    struct flood       *flood = context;
    struct muster_error late;

    if (failed->code != MUSTER_OK || atoi(item->data) != flood->next++) {
        flood->wrong++;
        return;
    }
    flood->got++;
    if (muster_queue_ack_async(flood->queue, item->id, flood_acked, flood, &late) != MUSTER_OK ||
        muster_queue_reserve_async(flood->queue, 60000, MUSTER_FOREVER, flood_got, flood, &late) !=
            MUSTER_OK)
        flood->wrong++;
}

static void
story_flood(void)
{
    struct muster_queue_size size;
    struct flood             flood = { 0 };
    char                     text[16];

    MUST(muster_queue_open(session, NULL, 0, 10000, &flood.queue, &error));
    for (int i = 0; i < 512; i++)
        MUST(muster_queue_reserve_async(flood.queue, 60000, MUSTER_FOREVER, flood_got, &flood,
                                        &error));
    for (int i = 0; i < FLOOD; i++) {
        int bytes = snprintf(text, sizeof(text), "%d", i);

        MUST(muster_queue_put_async(flood.queue, text, (size_t)bytes, NULL, 30000, flood_put,
                                    &flood, &error));
    }
    UNTIL(flood.acked == FLOOD || flood.wrong > 0);
    WANT(flood.wrong == 0 && flood.put == FLOOD && flood.got == FLOOD);
    MUST(muster_queue_size(flood.queue, 10000, &size, &error));
    WANT(size.items == 0 && size.given == 0 && size.unfinished == 0);
    muster_queue_close(flood.queue);     /* those that still wait hear of it */
    muster_session_close(session);
    WANT(flood.wrong == 512);
    connect_session();
}

struct once {
    _Atomic int calls;
    muster_err  err;
    size_t      bytes;
};

static void
once_got(void *context, const struct muster_error *failed, const struct muster_item *item)
{
    struct once *once = context;

    once->err = failed->code;
    once->bytes = item != NULL ? item->bytes : 0;
    once->calls++;
}

static void
once_done(void *context, const struct muster_error *failed)
{
    struct once *once = context;

    once->err = failed->code;
    once->calls++;
}

static void
story_dispatch(void)
{
    struct muster_queue *queue;
    struct once          put = { 0 }, got = { 0 }, late = { 0 }, large = { 0 };
    struct pollfd        fd = { .fd = muster_session_fd(session), .events = POLLIN };
    char                *data = calloc(1, 1000000);

    MUST(muster_queue_open(session, NULL, 0, 10000, &queue, &error));
    MUST(muster_queue_get_async(queue, 30, once_got, &late, &error));
    WANT(poll(&fd, 1, 10000) == 1 && late.calls == 0);
    WANT(muster_session_dispatch(session) == 1 && late.err == MUSTER_ERR_EMPTY);
    WANT(muster_session_dispatch(session) == 0 && poll(&fd, 1, 0) == 0);
    MUST(muster_queue_put_async(queue, "one", 3, NULL, 10000, once_done, &put, &error));
    MUST(muster_queue_get_async(queue, 10000, once_got, &got, &error));
    UNTIL(muster_session_dispatch(session) + (size_t)put.calls > 0 && got.calls == 1);
    WANT(put.err == MUSTER_OK && got.err == MUSTER_OK && got.bytes == 3);
    MUST(muster_queue_put_async(queue, data, 1000000, NULL, 10000, once_done, &large, &error));
    UNTIL((muster_session_dispatch(session), large.calls == 1));
    got.calls = 0;
    MUST(muster_queue_get_async(queue, 10000, once_got, &got, &error));
    UNTIL((muster_session_dispatch(session), got.calls == 1));
    WANT(large.err == MUSTER_OK && got.err == MUSTER_OK && got.bytes == 1000000);
    muster_queue_close(queue);
    free(data);
}

static const struct {
    const char *name;
    void      (*run)(void);
} stories[] = {
    { "queue", story_queue },
    { "large", story_large },
    { "lock", story_lock },
    { "semaphore", story_semaphore },
    { "event", story_event },
    { "condition", story_condition },
    { "barrier", story_barrier },
    { "flood", story_flood },
    { "dispatch", story_dispatch },
};

bool
story_run(const char *part)
{
    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        if (strcmp(part, stories[i].name) == 0) {
            stories[i].run();
            return true;
        }
    }
    return false;
}
