/* stress_calls.c - the calls of the stress test, and what must be so around them */
#include "stress.h"

#include <poll.h>

enum { LARGE_BYTES = 300 * 1024, TERM_MS = 1000 };

_Atomic uint32_t        async_open;
static _Atomic int      door_inside, gate_inside, often_inside, permits_inside;
static _Atomic uint64_t door_token, permits_lost;
static _Atomic int64_t  value_sure, value_maybe;

/* ---- queues ---- */

static void
put_and_get(struct actor *actor)
{
    struct muster_item item;
    char               text[16];
    uint32_t           number;
    size_t             bytes;
    muster_err         err;

    if (any(actor, 2) == 0) {
        number = item_new(LEDGER_MAIL);
        bytes = item_text(number, text, sizeof(text));
        item_put(LEDGER_MAIL, number,
                 CALL(actor, BIT(FULL), muster_queue_put(actor->shop->mail, text, bytes, NULL,
                                                         any_timeout(actor), &actor->error)));
        return;
    }
    err = CALL(actor, BIT(EMPTY), muster_queue_get(actor->shop->mail, any_timeout(actor), &item,
                                                   &actor->error));
    if (err)
        return;
    item_taken(LEDGER_MAIL, item.data, item.bytes, true);
    muster_item_free(&item);
}

static void
put_large(struct actor *actor)
{
    uint32_t number = item_new(LEDGER_MAIL);
    char    *data = calloc(1, LARGE_BYTES);

    (void)item_text(number, data, 16);
    item_put(LEDGER_MAIL, number,
             CALL(actor, BIT(FULL), muster_queue_put(actor->shop->mail, data, LARGE_BYTES, NULL,
                                                     any_timeout(actor), &actor->error)));
    free(data);
}

static void
get_many(struct actor *actor)
{
    struct muster_item items[5];
    size_t             count = 0;
    muster_err         err = CALL(actor, BIT(EMPTY),
                                  muster_queue_get_many(actor->shop->mail, 5, any_timeout(actor),
                                                        items, &count, &actor->error));

    if (err)
        return;
    for (size_t i = 0; i < count; i++) {
        item_taken(LEDGER_MAIL, items[i].data, items[i].bytes, true);
        muster_item_free(&items[i]);
    }
}

static void
put_bounded(struct actor *actor)
{
    struct muster_item item;
    char               text[16];
    uint32_t           number;
    size_t             bytes;

    if (any(actor, 2) == 0) {
        number = item_new(LEDGER_BOUNDED);
        bytes = item_text(number, text, sizeof(text));
        item_put(LEDGER_BOUNDED, number,
                 CALL(actor, BIT(FULL), muster_queue_put(actor->shop->bounded, text, bytes, NULL,
                                                         any_timeout(actor), &actor->error)));
    } else if (CALL(actor, BIT(EMPTY), muster_queue_get(actor->shop->bounded, any_timeout(actor),
                                                        &item, &actor->error)) == MUSTER_OK) {
        item_taken(LEDGER_BOUNDED, item.data, item.bytes, true);
        muster_item_free(&item);
    }
}

/* Acknowledge it, give it back, or do nothing and lose it. */
static void
work_one(struct actor *actor, const struct muster_item *item)
{
    struct muster_queue *queue = actor->shop->work;
    uint32_t             timeout_ms = any_timeout(actor);
    muster_err           err;

    switch (any(actor, 4)) {
    case 0:
        (void)CALL(actor, BIT(STALE), muster_queue_give_back(queue, &item->id, 1, any(actor, 50),
                                                             timeout_ms, NULL, &actor->error));
        break;
    case 1:
        if (any(actor, 4) == 0)
            break;
        (void)CALL(actor, BIT(STALE), muster_queue_extend(queue, &item->id, 1, TERM_MS, timeout_ms,
                                                          NULL, &actor->error));
        /* fall through */
    default:
        err = CALL(actor, BIT(STALE), muster_queue_ack(queue, &item->id, 1, timeout_ms, NULL,
                                                       &actor->error));
        if (err != MUSTER_ERR_STALE)
            item_taken(LEDGER_WORK, item->data, item->bytes, err == MUSTER_OK);
        break;
    }
}

static void
work(struct actor *actor)
{
    struct muster_item item;
    char               text[16];
    uint32_t           number;
    size_t             bytes;

    if (any(actor, 2) == 0) {
        number = item_new(LEDGER_WORK);
        bytes = item_text(number, text, sizeof(text));
        item_put(LEDGER_WORK, number,
                 CALL(actor, BIT(FULL), muster_queue_put(actor->shop->work, text, bytes, NULL,
                                                         any_timeout(actor), &actor->error)));
    } else if (CALL(actor, BIT(EMPTY),
                    muster_queue_reserve(actor->shop->work, TERM_MS, any_timeout(actor), &item,
                                         &actor->error)) == MUSTER_OK) {
        work_one(actor, &item);
        muster_item_free(&item);
    }
}

/* ---- queues, without waiting ---- */

static void
async_put_done(void *context, const struct muster_error *error)
{
    item_put(LEDGER_MAIL, (uint32_t)(uintptr_t)context, error->code);
    atomic_fetch_sub(&async_open, 1);
}

static void
async_got(void *context, const struct muster_error *error, const struct muster_item *item)
{
    (void)context;
    if (error->code == MUSTER_OK)
        item_taken(LEDGER_MAIL, item->data, item->bytes, true);
    else if (item != NULL)
        wrong("a get that failed brought an item");
    atomic_fetch_sub(&async_open, 1);
}

static void
async(struct actor *actor)
{
    for (unsigned i = 0; i < 10 && atomic_load(&async_open) < ASYNC_MAX; i++) {
        char       text[16];
        uint32_t   number;
        size_t     bytes;
        muster_err err;

        atomic_fetch_add(&async_open, 1);
        if (any(actor, 2) == 0) {
            number = item_new(LEDGER_MAIL);
            bytes = item_text(number, text, sizeof(text));
            err = CALL(actor, 0, muster_queue_put_async(actor->shop->mail, text, bytes, NULL,
                                                        any_timeout(actor), async_put_done,
                                                        (void *)(uintptr_t)number, &actor->error));
        } else {
            err = CALL(actor, 0, muster_queue_get_async(actor->shop->mail, any_timeout(actor),
                                                        async_got, NULL, &actor->error));
        }
        if (err)
            wrong("a call without waiting waited: %s", actor->error.detail);
    }
}

/* ---- locks ---- */

/* Until it is certainly not ours; a release of which nobody knows is looked after. */
static void
let_go(struct actor *actor, struct muster_lock *lock, uint64_t token)
{
    struct muster_lock_state state = { .held = true, .token = token };
    muster_err               err = CALL(actor, 0, muster_lock_release(lock, 1000, &actor->error));

    while (err && state.held && state.token == token) {
        err = CALL(actor, 0, muster_lock_state(lock, 1000, &state, &actor->error));
        if (!err && state.held && state.token == token)
            err = CALL(actor, BIT(NOT_OWNER), muster_lock_release(lock, 1000, &actor->error));
        else if (err)
            state.held = true;
    }
}

static void
enter(struct actor *actor, _Atomic int *inside, uint64_t token, const char *name)
{
    int other = atomic_exchange(inside, (int)actor->number + 1);

    if (other != 0)
        wrong("two hold %s: actor %u of session %td, with token %llu, and actor %d", name,
              actor->number, actor->shop - shops, (unsigned long long)token, other - 1);
}

static void
door(struct actor *actor)
{
    uint64_t token, last;

    if (CALL(actor, 0, muster_lock_acquire(actor->shop->door, any_timeout(actor), &token,
                                           &actor->error)) != MUSTER_OK)
        return;
    enter(actor, &door_inside, token, "the door");
    last = atomic_exchange(&door_token, token);
    if (last >= token)
        wrong("token %llu came after %llu", (unsigned long long)token, (unsigned long long)last);
    if (any(actor, 4) == 0)
        (void)CALL(actor, 0, muster_event_clear(actor->shop->event, any_timeout(actor),
                                                &actor->error));
    atomic_store(&door_inside, 0);
    let_go(actor, actor->shop->door, token);
}

/* As the session's thread, not only the session's: each level has an answer of its own. */
static void
often(struct actor *actor)
{
    struct muster_lock_state state = { .held = true };
    uint64_t                 token;
    unsigned                 depth = 0;

    while (depth < 3 && CALL(actor, 0, muster_lock_acquire(actor->shop->often, any_timeout(actor),
                                                           &token, &actor->error)) == MUSTER_OK)
        if (depth++ == 0)
            enter(actor, &often_inside, token, "the re-entrant lock");
    if (depth == 0)
        return;
    atomic_store(&often_inside, 0);
    /* Whatever became of a level: NOT_OWNER tells that it is not this thread's any more. */
    while (state.held) {
        muster_err err = CALL(actor, BIT(NOT_OWNER), muster_lock_release(actor->shop->often, 1000,
                                                                         &actor->error));

        state.held = err != MUSTER_ERR_NOT_OWNER;
    }
}

static void
change(struct actor *actor)
{
    struct muster_condition *condition = actor->shop->change;
    uint64_t                 token;
    muster_err               err;

    if (CALL(actor, 0, muster_lock_acquire(actor->shop->gate, any_timeout(actor), &token,
                                           &actor->error)) != MUSTER_OK)
        return;
    enter(actor, &gate_inside, token, "the gate");
    if (any(actor, 2) == 0) {
        (void)CALL(actor, 0, muster_condition_notify(condition, 1 + any(actor, 3),
                                                     any_timeout(actor), &actor->error));
    } else {
        atomic_store(&gate_inside, 0);
        err = CALL(actor, 0, muster_condition_wait(condition, (uint32_t)any(actor, 200), &token,
                                                   &actor->error));
        enter(actor, &gate_inside, token, "the gate after a wait");
        if (err) {
            struct muster_lock_state state = { 0 };

            /* The token of a wait that failed is not told. */
            while (CALL(actor, 0, muster_lock_state(actor->shop->gate, 1000, &state,
                                                    &actor->error)) != MUSTER_OK)
                ;
            if (!state.held)
                wrong("the gate is not held after a wait: %s", muster_err_name(err));
            token = state.token;
        }
    }
    atomic_store(&gate_inside, 0);
    let_go(actor, actor->shop->gate, token);
}

static void
permits(struct actor *actor)
{
    muster_err err;

    if (CALL(actor, 0, muster_semaphore_acquire(actor->shop->permits, any_timeout(actor), NULL,
                                                &actor->error)) != MUSTER_OK)
        return;
    if (atomic_fetch_add(&permits_inside, 1) >= PERMITS)
        wrong("more than %d have a permit", PERMITS);
    atomic_fetch_sub(&permits_inside, 1);
    err = CALL(actor, 0, muster_semaphore_release(actor->shop->permits, 1, MUSTER_FOREVER,
                                                  &actor->error));
    if (err)
        atomic_fetch_add(&permits_lost, 1);      /* perhaps */
}

/* ---- the others ---- */

static void
event(struct actor *actor)
{
    if (any(actor, 2) == 0)
        (void)CALL(actor, 0, muster_event_set(actor->shop->event, any_timeout(actor),
                                              &actor->error));
    else
        (void)CALL(actor, 0, muster_event_wait(actor->shop->event, any_timeout(actor),
                                               &actor->error));
}

static void
barrier(struct actor *actor)
{
    uint32_t   index = 0;
    muster_err err = CALL(actor, BIT(BROKEN_BARRIER),
                          muster_barrier_wait(actor->shop->barrier, any_timeout(actor), NULL, NULL,
                                              &index, &actor->error));

    if (!err && index >= PARTIES)
        wrong("a barrier gave %u", (unsigned)index);
    if (err == MUSTER_ERR_BROKEN_BARRIER)
        (void)CALL(actor, 0, muster_barrier_reset(actor->shop->barrier, any_timeout(actor),
                                                  &actor->error));
}

static void
dict(struct actor *actor)
{
    char                text[16];
    size_t              bytes = item_text((uint32_t)any(actor, 50), text, sizeof(text));
    struct muster_key   key = { .data = text, .bytes = bytes };
    struct muster_cell  cell = { .data = text, .bytes = bytes };
    struct muster_bytes value;

    if (any(actor, 2) == 0) {
        (void)CALL(actor, 0, muster_dict_set(actor->shop->dict, key, &cell, NULL,
                                             any_timeout(actor), &actor->error));
    } else if (CALL(actor, BIT(NO_KEY),
                    muster_dict_get(actor->shop->dict, key, any_timeout(actor), &value,
                                    &actor->error)) == MUSTER_OK) {
        if (value.bytes != bytes || memcmp(value.data, text, bytes) != 0)
            wrong("the dict gave %s for %s", (const char *)value.data, text);
        muster_bytes_free(&value);
    }
}

static void
value(struct actor *actor)
{
    int64_t    by = (int64_t)any(actor, 100) + 1;
    muster_err err = CALL(actor, 0, muster_value_add_integer(actor->shop->value, by,
                                                             any_timeout(actor), NULL,
                                                             &actor->error));

    atomic_fetch_add(err ? &value_maybe : &value_sure, by);
}

/* An object of everybody's that goes away under them. */
static void
brief(struct actor *actor)
{
    static const uint64_t    gone = BIT(CLOSED) | BIT(NOT_FOUND) | BIT(EMPTY) | BIT(FULL);
    const struct muster_open open = { .name = "brief" };
    struct muster_session   *session = actor->shop->session;
    struct muster_queue     *queue;
    struct muster_item       item;

    if (any(actor, 6) == 0) {
        (void)CALL(actor, gone, muster_object_delete(session, MUSTER_QUEUE, "brief",
                                                     any_timeout(actor), &actor->error));
        return;
    }
    if (CALL(actor, gone, muster_queue_open(session, &open, 0, any_timeout(actor), &queue,
                                            &actor->error)) != MUSTER_OK)
        return;
    if (any(actor, 2) == 0)
        (void)CALL(actor, gone, muster_queue_put(queue, "x", 1, NULL, any_timeout(actor),
                                                 &actor->error));
    else if (CALL(actor, gone, muster_queue_get(queue, any_timeout(actor), &item,
                                                &actor->error)) == MUSTER_OK)
        muster_item_free(&item);
    muster_queue_close(queue);
}

/* A whole session, closed while things are under way. */
static void
visit(struct actor *actor)
{
    struct muster_session_options options = { .address = getenv("MUSTER_ADDRESS"),
                                              .authkey_file = getenv("MUSTER_AUTHKEY_FILE"),
                                              .connect_ms = 5000 };
    const struct muster_open      open = { .name = "mail" };
    struct muster_session        *session;
    struct muster_queue          *queue;
    char                          text[16];

    if (CALL(actor, BIT(UNREACHABLE), muster_session_open(&options, &session, &actor->error)) !=
        MUSTER_OK)
        return;
    if (CALL(actor, 0, muster_queue_open(session, &open, 0, 2000, &queue, &actor->error)) ==
        MUSTER_OK) {
        for (unsigned i = (unsigned)any(actor, 20); i > 0; i--) {
            uint32_t number = item_new(LEDGER_MAIL);
            size_t   bytes = item_text(number, text, sizeof(text));

            atomic_fetch_add(&async_open, 1);
            if (CALL(actor, 0, muster_queue_put_async(queue, text, bytes, NULL, 1000,
                                                      async_put_done, (void *)(uintptr_t)number,
                                                      &actor->error)) != MUSTER_OK)
                wrong("a call without waiting waited: %s", actor->error.detail);
        }
        muster_queue_close(queue);
    }
    begin(actor, "muster_session_close");
    muster_session_close(session);
    (void)end(actor, MUSTER_OK, 0);
}

/* ---- the beginning and the end ---- */

void
calls_check(void)
{
    uint64_t            until_ms = now_ms() + CALM_MS;
    int64_t             sum = 0, sure = atomic_load(&value_sure);
    uint64_t            left = 0;
    struct muster_error error;

    while (atomic_load(&async_open) > 0) {
        if (now_ms() > until_ms)
            wrong("%u callbacks have not come", (unsigned)atomic_load(&async_open));
        (void)poll(NULL, 0, 10);
    }
    MUST(muster_value_get_integer(shops[0].value, CALM_MS, &sum, &error));
    if (sum < sure || sum > sure + atomic_load(&value_maybe))
        wrong("the sum is %lld, not %lld and at most %lld more", (long long)sum, (long long)sure,
              (long long)atomic_load(&value_maybe));
    while (left + atomic_load(&permits_lost) < PERMITS) {
        MUST(muster_semaphore_get_value(shops[0].permits, CALM_MS, &left, &error));
        if (now_ms() > until_ms)
            wrong("only %llu permits are back", (unsigned long long)left);
    }
}

/* ---- which ---- */

static const struct {
    void   (*run)(struct actor *actor);
    unsigned weight;
} acts[] = {
    { put_and_get, 30 }, { get_many, 6 }, { put_large, 1 }, { put_bounded, 12 }, { work, 20 },
    { async, 6 },        { door, 10 },    { often, 6 },     { change, 10 },      { permits, 8 },
    { event, 6 },        { barrier, 6 },  { dict, 8 },      { value, 8 },        { brief, 6 },
    { visit, 1 },        { pool, 4 },
    { pool_async, 4 },
};

void
act(struct actor *actor)
{
    unsigned all = 0, at;

    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        all += acts[i].weight;
    at = (unsigned)any(actor, all);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (at < acts[i].weight) {
            acts[i].run(actor);
            return;
        }
        at -= acts[i].weight;
    }
}
