/* pool_calls.c - every promise about pools */
#include "pool.h"

/* ---- calls ---- */

static void
apply(void)
{
    struct muster_pool *pool = new_pool(0);
    struct muster_bytes bytes = { 0 };

    for (int i = 0; i < 20; i++) {
        char number[16], square[16];

        snprintf(number, sizeof(number), "%d", i);
        snprintf(square, sizeof(square), "%d", i * i);
        OK(muster_pool_apply(pool, "square", number, strlen(number), WAIT_MS, &bytes, &error));
        CHECK(text_is(bytes.data, bytes.bytes, square));
        muster_bytes_free(&bytes);
    }
    GIVES(MUSTER_ERR_TIMEOUT, muster_pool_apply(pool, "nap", "5000", 4, 100, &bytes, &error));
    muster_pool_free(pool);
}

static void
no_function(void)
{
    struct muster_pool   *pool = new_pool(0);
    struct muster_future *future = NULL;
    struct muster_bytes   bytes;

    GIVES(MUSTER_ERR_NOT_FOUND,
          muster_pool_submit(pool, "no.such", "", 0, WAIT_MS, &future, &error));
    CHECK(strstr(error.detail, "no.such") != NULL);
    /* Again and again, for it may come. */
    for (int i = 0; i < 10; i++)
        GIVES(MUSTER_ERR_NOT_FOUND,
              muster_pool_apply(pool, "no.such", "", 0, WAIT_MS, &bytes, &error));
    GIVES(MUSTER_ERR_INVALID, muster_pool_submit(pool, "", "", 0, WAIT_MS, &future, &error));
    check_result(future = submit(pool, "square", "3"), "9");
    muster_future_free(future);
    muster_pool_free(pool);
}

enum { OVERLAP_CALLS = 12 };

/* How many calls saw each other at most, of a pool of two processes. */
static int
most_at_once(const char *const functions[], int count)
{
    struct muster_pool   *pool = new_pool(2);
    const char           *dir = folder();
    struct muster_future *futures[OVERLAP_CALLS];
    int                   most = 0;

    for (int i = 0; i < OVERLAP_CALLS; i++)
        futures[i] = submit(pool, functions[i % count], dir);
    for (int i = 0; i < OVERLAP_CALLS; i++) {
        struct muster_bytes bytes = { 0 };
        int                 number;

        OK(muster_future_result(futures[i], WAIT_MS, &bytes, &error));
        number = atoi(bytes.data);
        most = number > most ? number : most;
        muster_bytes_free(&bytes);
        muster_future_free(futures[i]);
    }
    muster_pool_free(pool);
    return most;
}

static void
processes(void)
{
    CHECK(most_at_once((const char *[]){ "pool.overlap" }, 1) == 2);
}

static void
processes_together(void)
{
    const char *functions[] = { "pool.overlap", "pool.overlap-too", "pool.overlap-three" };

    CHECK(most_at_once(functions, 3) == 2);
}

static void
named(void)
{
    struct muster_named        values[] = { { "a", "one", 3 }, { "b", "two!", 4 } };
    struct muster_pool_options options = { .named = values, .named_count = 2 };
    struct muster_pool        *pool = NULL;
    struct muster_future      *future;

    OK(muster_pool_open(session, &options, &pool, &error));
    check_result(future = submit(pool, "named", "b"), "two! of 4 bytes");
    muster_future_free(future);
    muster_pool_free(pool);
}

/* ---- map ---- */

enum { MAP_COUNT = 1000 };

static void
map(void)
{
    struct muster_pool   *pool = new_pool(0);
    struct muster_item_in items[MAP_COUNT];
    static char           texts[MAP_COUNT][16];
    struct muster_bytes  *results = NULL;

    for (int i = 0; i < MAP_COUNT; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%d", i);
        items[i] = (struct muster_item_in){ texts[i], strlen(texts[i]) };
    }
    OK(muster_pool_map(pool, "square", items, MAP_COUNT, WAIT_MS, &results, &error));
    for (int i = 0; i < MAP_COUNT; i++)
        CHECK(atoi(results[i].data) == i * i);
    muster_list_free(results, MAP_COUNT);
    OK(muster_pool_map(pool, "square", items, 0, WAIT_MS, &results, &error));
    muster_list_free(results, 0);
    muster_pool_free(pool);
}

static void
map_fails(void)
{
    struct muster_pool         *pool = new_pool(0);
    const struct muster_item_in items[] = { { "1", 1 }, { "23", 2 }, { "13", 2 }, { "4", 1 } };
    struct muster_bytes        *results = NULL;

    GIVES(MUSTER_ERR_REMOTE,
          muster_pool_map(pool, "pool.picky", items, 4, WAIT_MS, &results, &error));
    CHECK(strstr(error.detail, "23 ends with 3") != NULL);       /* the first by order */
    CHECK(results == NULL);
    OK(muster_pool_close(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, MUSTER_NO_WAIT + 500, &error));    /* all had ended */
    muster_pool_free(pool);
}

static void
map_times_out(void)
{
    struct muster_pool         *pool = new_pool(1);
    const struct muster_item_in items[] = { { "600", 3 }, { "600", 3 }, { "600", 3 } };
    struct muster_bytes        *results = NULL;
    uint64_t                    before_ms = now_ms();

    GIVES(MUSTER_ERR_TIMEOUT, muster_pool_map(pool, "nap", items, 3, 100, &results, &error));
    OK(muster_pool_close(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, WAIT_MS, &error));
    CHECK(now_ms() - before_ms < 3 * 600);               /* what had not run was cancelled */
    muster_pool_free(pool);
}

struct map_heard {
    _Atomic int count;
    bool        ready;
};

static void
hear_map(void *context, struct muster_map *map)
{
    struct map_heard *heard = context;

    heard->ready = muster_map_ready(map);
    heard->count++;
}

static void
map_async(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *dir = folder(), *names[] = { "a", "b", "c" };
    struct muster_item_in items[3];
    char                  texts[3][600];
    struct map_heard      heard = { 0 };
    struct muster_map    *map_handle = NULL;
    struct muster_bytes  *results = NULL;
    bool                  good = false;

    for (int i = 0; i < 3; i++) {
        snprintf(texts[i], sizeof(texts[i]), "%s r%s", in_folder(dir, names[i]), names[i]);
        items[i] = (struct muster_item_in){ texts[i], strlen(texts[i]) };
    }
    OK(muster_pool_map_async(pool, "pool.gate", items, 3, WAIT_MS, hear_map, &heard, &map_handle,
                             &error));
    touch(in_folder(dir, "c"));
    touch(in_folder(dir, "a"));
    GIVES(MUSTER_ERR_TIMEOUT, muster_map_wait(map_handle, 100, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_map_results(map_handle, 100, &results, &error));
    GIVES(MUSTER_ERR_STATE, muster_map_successful(map_handle, &good, &error));
    CHECK(!muster_map_ready(map_handle) && heard.count == 0);
    touch(in_folder(dir, "b"));
    OK(muster_map_results(map_handle, WAIT_MS, &results, &error));
    for (int i = 0; i < 3; i++)
        CHECK(((const char *)results[i].data)[1] == *names[i]);      /* in input order */
    muster_list_free(results, 3);
    CHECK(muster_map_ready(map_handle));
    OK(muster_map_successful(map_handle, &good, &error));
    CHECK(good);
    EVENTUALLY(heard.count == 1);
    CHECK(heard.ready);
    muster_map_free(map_handle);
    muster_pool_free(pool);
}

static void
free_map(void *context, struct muster_map *map)
{
    muster_map_free(map);
    (*(_Atomic int *)context)++;
}

static void
map_async_fails(void)
{
    struct muster_pool         *pool = new_pool(0);
    const struct muster_item_in items[] = { { "1", 1 }, { "23", 2 }, { "13", 2 }, { "4", 1 } };
    struct muster_map          *map_handle = NULL;
    struct muster_bytes        *results = NULL;
    _Atomic int                 freed = 0;
    bool                        good = true;

    OK(muster_pool_map_async(pool, "pool.picky", items, 4, WAIT_MS, NULL, NULL, &map_handle,
                             &error));
    GIVES(MUSTER_ERR_REMOTE, muster_map_results(map_handle, WAIT_MS, &results, &error));
    CHECK(strstr(error.detail, "23 ends with 3") != NULL && results == NULL);
    OK(muster_map_successful(map_handle, &good, &error));
    CHECK(!good);
    muster_map_free(map_handle);
    GIVES(MUSTER_ERR_NOT_FOUND, muster_pool_map_async(pool, "no.such", items, 4, WAIT_MS, NULL,
                                                      NULL, &map_handle, &error));
    for (int i = 0; i < 20; i++)
        OK(muster_pool_map_async(pool, "square", items, 4, WAIT_MS, free_map, (void *)&freed,
                                 &map_handle, &error));
    EVENTUALLY(freed == 20);
    OK(muster_pool_map_async(pool, "square", items, 0, WAIT_MS, free_map, (void *)&freed,
                             &map_handle, &error));
    CHECK(muster_map_ready(map_handle));
    muster_map_free(map_handle);
    muster_pool_free(pool);
}

/* ---- imap ---- */

static void
imap(void)
{
    struct muster_pool       *pool = new_pool(0);
    struct source             source = { .count = 20000, .end = MUSTER_ERR_CLOSED };
    struct muster_imap       *imap = NULL;
    struct muster_imap_result result;
    uint32_t                  ahead = 0;

    OK(muster_pool_imap(pool, "square", true, give_numbers, &source, WAIT_MS, &imap, &error));
    CHECK(source.next == 0);                             /* lazy */
    for (uint32_t i = 0; i < source.count; i++) {
        OK(muster_imap_next(imap, WAIT_MS, &result, &error));
        CHECK(result.index == i && strtoull(result.data, NULL, 10) == (uint64_t)i * i);
        ahead = source.next - i > ahead ? source.next - i : ahead;
    }
    GIVES(MUSTER_ERR_CLOSED, muster_imap_next(imap, WAIT_MS, &result, &error));
    GIVES(MUSTER_ERR_CLOSED, muster_imap_next(imap, WAIT_MS, &result, &error));
    CHECK(ahead > 1 && ahead <= 4097);                   /* bounded */
    muster_imap_close(imap);
    muster_pool_free(pool);
}

struct gates {
    const char *dir;
    uint32_t    next;
    char        text[600];
};

static muster_err
give_gates(void *context, const void **data_out, size_t *bytes_out)
{
    struct gates *gates = context;

    if (gates->next == 3)
        return MUSTER_ERR_CLOSED;
    snprintf(gates->text, sizeof(gates->text), "%s/%u r%u", gates->dir, gates->next, gates->next);
    gates->next++;
    *data_out = gates->text;
    *bytes_out = strlen(gates->text);
    return MUSTER_OK;
}

static void
imap_unordered(void)
{
    struct muster_pool       *pool = new_pool(0);
    struct gates              gates = { .dir = folder() };
    struct muster_imap       *imap = NULL;
    struct muster_imap_result result;
    static const uint32_t     order[] = { 2, 0, 1 };

    OK(muster_pool_imap(pool, "pool.gate", false, give_gates, &gates, WAIT_MS, &imap, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_imap_next(imap, 100, &result, &error));
    for (int i = 0; i < 3; i++) {
        char name[8];

        snprintf(name, sizeof(name), "%u", order[i]);
        touch(in_folder(gates.dir, name));
        OK(muster_imap_next(imap, WAIT_MS, &result, &error));
        CHECK(result.index == order[i]);
        CHECK(result.bytes == 2 && ((const char *)result.data)[1] == '0' + (char)order[i]);
    }
    GIVES(MUSTER_ERR_CLOSED, muster_imap_next(imap, WAIT_MS, &result, &error));
    muster_imap_close(imap);
    muster_pool_free(pool);
}

static void
imap_fails(void)
{
    struct muster_pool       *pool = new_pool(0);
    struct source             source = { .count = 15, .end = MUSTER_ERR_IO };
    struct muster_imap       *imap = NULL;
    struct muster_imap_result result = { .index = 99 };

    OK(muster_pool_imap(pool, "pool.picky", true, give_numbers, &source, WAIT_MS, &imap, &error));
    for (uint32_t i = 0; i < source.count; i++) {
        if (i % 10 == 3)
            GIVES(MUSTER_ERR_REMOTE, muster_imap_next(imap, WAIT_MS, &result, &error));
        else
            OK(muster_imap_next(imap, WAIT_MS, &result, &error));
        CHECK(result.index == i);
    }
    GIVES(MUSTER_ERR_IO, muster_imap_next(imap, WAIT_MS, &result, &error));    /* the source's */
    muster_imap_close(imap);
    muster_pool_free(pool);
}

static void
imap_closed_early(void)
{
    struct muster_pool       *pool = new_pool(1);
    struct source             source = { .count = 100000, .end = MUSTER_ERR_CLOSED };
    struct muster_imap       *imap = NULL;
    struct muster_imap_result result;

    OK(muster_pool_imap(pool, "nap", true, give_numbers, &source, WAIT_MS, &imap, &error));
    OK(muster_imap_next(imap, WAIT_MS, &result, &error));
    muster_imap_close(imap);
    OK(muster_pool_close(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, WAIT_MS, &error));         /* some 4000 naps were not taken */
    muster_pool_free(pool);
}

static void
imap_pool_closed(void)
{
    struct muster_pool       *pool = new_pool(0);
    struct source             source = { .count = 6000, .end = MUSTER_ERR_CLOSED };
    struct muster_imap       *imap = NULL;
    struct muster_imap_result result;

    OK(muster_pool_imap(pool, "square", true, give_numbers, &source, WAIT_MS, &imap, &error));
    OK(muster_pool_close(pool, WAIT_MS, &error));
    for (uint32_t i = 0; i < source.count; i++)
        OK(muster_imap_next(imap, WAIT_MS, &result, &error));
    GIVES(MUSTER_ERR_CLOSED, muster_imap_next(imap, WAIT_MS, &result, &error));
    OK(muster_pool_join(pool, WAIT_MS, &error));
    muster_imap_close(imap);
    muster_pool_free(pool);
}

/* ---- close, join, terminate, shutdown ---- */

static void
close_and_join(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *go = in_folder(folder(), "go");
    struct muster_future *future = submit_gate(pool, go, "yes"), *other = NULL;
    struct muster_bytes   bytes;
    struct muster_imap   *imap_handle = NULL;
    struct source         source = { .count = 1, .end = MUSTER_ERR_CLOSED };

    GIVES(MUSTER_ERR_STATE, muster_pool_join(pool, 10, &error));
    OK(muster_pool_close(pool, WAIT_MS, &error));
    GIVES(MUSTER_ERR_STATE, muster_pool_submit(pool, "square", "1", 1, WAIT_MS, &other, &error));
    GIVES(MUSTER_ERR_STATE, muster_pool_apply(pool, "square", "1", 1, WAIT_MS, &bytes, &error));
    GIVES(MUSTER_ERR_STATE, muster_pool_imap(pool, "square", true, give_numbers, &source, WAIT_MS,
                                             &imap_handle, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_pool_join(pool, 100, &error));
    touch(go);
    OK(muster_pool_join(pool, WAIT_MS, &error));
    CHECK(muster_future_done(future));
    OK(muster_pool_close(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, WAIT_MS, &error));
    muster_pool_free(pool);
    check_result(future, "yes");                         /* its futures stay good */
    muster_future_free(future);
}

static void
terminate_pool(void)
{
    struct muster_pool   *pool = new_pool(1);
    const char           *never = in_folder(folder(), "never");
    struct muster_future *runs = submit_gate(pool, never, "x"), *other = NULL;
    struct muster_future *waits = submit_gate(pool, never, "x");

    EVENTUALLY(running(runs));
    OK(muster_pool_terminate(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, WAIT_MS, &error));
    CHECK(muster_future_cancelled(runs) && muster_future_cancelled(waits));
    GIVES(MUSTER_ERR_STATE, muster_pool_submit(pool, "square", "1", 1, WAIT_MS, &other, &error));
    muster_future_free(runs);
    muster_future_free(waits);
    muster_pool_free(pool);
}

static void
free_unclosed(void)
{
    struct muster_pool   *pool = new_pool(1);
    struct muster_future *future = submit_gate(pool, in_folder(folder(), "never"), "x");

    muster_pool_free(pool);
    OK(muster_future_wait(future, WAIT_MS, &error));
    CHECK(muster_future_cancelled(future));
    muster_future_free(future);
}

static void
shutdown_pool(void)
{
    struct muster_pool   *pool = new_pool(1);
    const char           *go = in_folder(folder(), "go");
    struct muster_future *runs = submit_gate(pool, go, "ran"), *other = NULL;
    struct muster_future *waits = submit_gate(pool, go, "never ran");

    EVENTUALLY(running(runs));
    OK(muster_pool_shutdown(pool, false, true, WAIT_MS, &error));
    GIVES(MUSTER_ERR_STATE, muster_pool_submit(pool, "square", "1", 1, WAIT_MS, &other, &error));
    OK(muster_future_wait(waits, WAIT_MS, &error));
    CHECK(muster_future_cancelled(waits) && !muster_future_done(runs));
    touch(go);
    OK(muster_pool_shutdown(pool, true, false, WAIT_MS, &error));
    CHECK(muster_future_done(runs));
    check_result(runs, "ran");
    muster_future_free(runs);
    muster_future_free(waits);
    muster_pool_free(pool);
}

static void
broken(void)
{
    struct muster_pool   *pool = new_pool(0);
    struct muster_future *future = submit(pool, "square", "2"), *other = NULL;
    uint64_t              job = muster_future_id(future).job;
    muster_err            err = MUSTER_OK;

    check_result(future, "4");
    muster_future_free(future);
    OK(muster_job_cancel(session, job, NULL, 0, false, WAIT_MS, NULL, &error));
    /* What is fed before this program hears of it is cancelled; then the pool says so. */
    for (int i = 0; i < 1000 && !err; i++) {
        err = muster_pool_submit(pool, "square", "2", 1, WAIT_MS, &other, &error);
        if (err)
            break;
        OK(muster_future_wait(other, WAIT_MS, &error));
        CHECK(muster_future_cancelled(other));
        muster_future_free(other);
    }
    CHECK(err == MUSTER_ERR_BROKEN_POOL);
    muster_pool_free(pool);
}

const struct test_case pool_cases[] = {
    { "apply", "Pool.apply blocks", apply },
    { "no-function", "Pool: a function that no worker has is told at once", no_function },
    { "processes", "Pool(processes): a cap on how many of its tasks run at once", processes },
    { "processes-together", "Pool(processes): a cap on all its functions together",
      processes_together },
    { "named", "Pool: named values are the same for every call", named },
    { "map", "Pool.map, starmap: results in input order", map },
    { "map-fails", "Pool.map: the first failure by order, after all have ended", map_fails },
    { "map-times-out", "Pool.map: after a time-out what has not run is cancelled", map_times_out },
    { "map-async", "Pool.map_async: results in input order; one callback when all have ended",
      map_async },
    { "map-async-fails", "Pool.map_async: the first failure by order; the callback may free it",
      map_async_fails },
    { "imap", "Pool.imap: in input order, lazy and bounded in memory", imap },
    { "imap-unordered", "Pool.imap_unordered: in completion order", imap_unordered },
    { "imap-fails", "Pool.imap: a failure is told with its index, the next comes all the same",
      imap_fails },
    { "imap-closed-early", "Pool.imap: closed before its end, what has not run is cancelled",
      imap_closed_early },
    { "imap-pool-closed", "Pool.imap: goes on after its pool was closed, as in Python",
      imap_pool_closed },
    { "close-and-join", "Pool: submit after close is an error; join before close is an error",
      close_and_join },
    { "terminate-pool", "Pool.terminate cancels and kills what runs", terminate_pool },
    { "free-unclosed", "Pool: freed without close: as terminate", free_unclosed },
    { "shutdown", "Executor.shutdown(wait, cancel_futures)", shutdown_pool },
    { "broken", "Pool: one whose job was cancelled says so: BROKEN_POOL", broken },
    { NULL, NULL, NULL },
};
