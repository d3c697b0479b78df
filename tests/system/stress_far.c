/* stress_far.c - pipes between the sessions of the stress test, and calls on the fleet */
#include "stress.h"

enum { FUTURES = 8 };

static struct muster_connection *pipe_ends[PIPES][2];

/* ---- pipes ---- */

/* Each end of a pipe in another session, if there are two. */
void
pipes_start(void)
{
    struct muster_error error;

    for (unsigned i = 0; i < PIPES; i++) {
        struct muster_connection *ends[2];
        struct muster_session    *one = shops[i % shop_count].session;
        struct muster_session    *other = shops[(i + 1) % shop_count].session;
        struct muster_open        open = { 0 };

        MUST(muster_pipe_open(one, &open, false, CALM_MS, ends, &error));
        open.object = muster_connection_object(ends[0]);
        pipe_ends[i][0] = ends[0];
        pipe_ends[i][1] = ends[1];
        if (one == other)
            continue;
        MUST(muster_pipe_attach(other, &open, 1, CALM_MS, &pipe_ends[i][1], &error));
        muster_connection_close(ends[1]);
    }
}

void
pipe_send(struct actor *actor, unsigned number)
{
    uint64_t sequence = 0;
    uint8_t *data = calloc(1, 64 * 1024);

    while (!atomic_load(&calm)) {
        size_t bytes = sizeof(sequence) + any(actor, any(actor, 20) == 0 ? 60000 : 500);

        memcpy(data, &sequence, sizeof(sequence));
        if (CALL(actor, 0, muster_connection_send(pipe_ends[number][1], data, bytes,
                                                  any_timeout(actor), &actor->error)) == MUSTER_OK)
            sequence++;
    }
    muster_connection_close(pipe_ends[number][1]);
    free(data);
}

void
pipe_receive(struct actor *actor, unsigned number)
{
    uint64_t   sequence = 0, got;
    muster_err err = MUSTER_OK;

    while (err != MUSTER_ERR_END) {
        struct muster_bytes message;

        err = CALL(actor, BIT(END), muster_connection_receive(pipe_ends[number][0], 0,
                                                              any_timeout(actor), &message,
                                                              &actor->error));
        if (err)
            continue;
        memcpy(&got, message.data, sizeof(got));
        if (got != sequence++)
            wrong("pipe %u: message %llu, not %llu", number, (unsigned long long)got,
                  (unsigned long long)sequence - 1);
        muster_bytes_free(&message);
    }
    muster_connection_close(pipe_ends[number][0]);
}

/* ---- pools ---- */

/* A number gives its square, or fails when it ends with 3 (pool_module.c). */
static void
check_picky(struct actor *actor, struct muster_future *future, unsigned long number)
{
    struct muster_bytes bytes;
    muster_err          err = CALL(actor, BIT(REMOTE) | BIT(CANCELED),
                                   muster_future_result(future, any_timeout(actor), &bytes,
                                                        &actor->error));

    if (err == MUSTER_ERR_REMOTE && number % 10 != 3)
        wrong("%lu failed: %s", number, actor->error.detail);
    if (err)
        return;
    if (strtoul(bytes.data, NULL, 10) != number * number)
        wrong("the square of %lu is %s", number, (const char *)bytes.data);
    muster_bytes_free(&bytes);
}

/* Some calls at once, and everything that can be asked about them. */
void
pool(struct actor *actor)
{
    struct muster_future *futures[FUTURES];
    unsigned long         numbers[FUTURES];
    bool                  done[FUTURES] = { false }, cancelled;
    size_t                count = 0, want = 1 + any(actor, FUTURES), index;

    for (char text[24]; count < want; count++) {
        numbers[count] = any(actor, 1000);
        (void)snprintf(text, sizeof(text), "%lu", numbers[count]);
        if (CALL(actor, BIT(FULL), muster_pool_submit(actor->shop->pool, "pool.picky", text,
                                                      strlen(text), any_timeout(actor),
                                                      &futures[count], &actor->error)) != MUSTER_OK)
            break;
    }
    if (any(actor, 3) == 0)
        (void)CALL(actor, 0, muster_futures_wait(futures, count, MUSTER_ALL_COMPLETED,
                                                 any_timeout(actor), done, &actor->error));
    memset(done, 0, sizeof(done));
    while (any(actor, 3) != 0 &&
           CALL(actor, BIT(CLOSED), muster_futures_next(futures, count, done, any_timeout(actor),
                                                        &index, &actor->error)) == MUSTER_OK)
        check_picky(actor, futures[index], numbers[index]);
    for (size_t i = 0; i < count; i++) {
        if (any(actor, 10) == 0)
            (void)CALL(actor, 0, muster_future_cancel(futures[i], any_timeout(actor), &cancelled,
                                                      &actor->error));
        check_picky(actor, futures[i], numbers[i]);
        muster_future_free(futures[i]);
    }
}

/* Its callback makes calls that wait, too. */
static void
future_ended(void *context, struct muster_future *future)
{
    struct muster_error error;
    struct muster_bytes bytes;
    muster_err          err = muster_future_result(future, 0, &bytes, &error);

    (void)context;
    if (err == MUSTER_OK)
        muster_bytes_free(&bytes);
    else if (err == MUSTER_ERR_TIMEOUT && !muster_future_done(future))
        wrong("a callback came before the end of its future");
    muster_future_free(future);
    atomic_fetch_sub(&async_open, 1);
}

void
pool_async(struct actor *actor)
{
    struct muster_future *future;
    char                  text[24];

    (void)snprintf(text, sizeof(text), "%u", (unsigned)any(actor, 1000));
    if (atomic_load(&async_open) >= ASYNC_MAX ||
        CALL(actor, BIT(FULL), muster_pool_submit(actor->shop->pool, "pool.picky", text,
                                                  strlen(text), any_timeout(actor), &future,
                                                  &actor->error)) != MUSTER_OK)
        return;
    atomic_fetch_add(&async_open, 1);
    muster_future_add_done_callback(future, future_ended, NULL);
}
