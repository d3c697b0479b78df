/* pool.c - apply, apply_async with a callback, results by get, map */
#include <semaphore.h>

#include "example.h"

static sem_t called;

MUSTER_FUNCTION(square)
{
    long number = strtol(muster_call_text(call), NULL, 10);

    if (number < 0)
        muster_call_fail(call, "%ld is negative", number);
    else
        muster_call_print(call, "%ld", number * number);
}

static void
on_done(void *context, struct muster_future *future)
{
    struct muster_bytes result;

    (void)context;
    CHECK(muster_future_result(future, MUSTER_NO_WAIT, &result, &error));
    printf("callback: %s\n", (const char *)result.data);
    muster_bytes_free(&result);
    sem_post(&called);
}

int
main(int argc, char **argv)
{
    static const struct muster_item_in items[] = { { "1", 1 }, { "2", 1 }, { "3", 1 }, { "4", 1 } };
    const struct muster_pool_options   options = { .processes = 4, .cpus_milli = 100 };
    struct muster_pool                *pool = NULL;
    struct muster_future              *future = NULL;
    struct muster_bytes                result, *results = NULL;

    sem_init(&called, 0, 0);
    example_begin(argv[argc - 1]);
    CHECK(muster_pool_open(session, &options, &pool, &error));

    CHECK(muster_pool_apply(pool, "square", "12", 2, CALL_MS, &result, &error));
    printf("apply: %s\n", (const char *)result.data);
    muster_bytes_free(&result);

    CHECK(muster_pool_map(pool, "square", items, 4, CALL_MS, &results, &error));
    for (int i = 0; i < 4; i++)
        printf("map: %s\n", (const char *)results[i].data);
    muster_list_free(results, 4);

    CHECK(muster_pool_submit(pool, "square", "-1", 2, CALL_MS, &future, &error));
    if (muster_future_result(future, CALL_MS, &result, &error) == MUSTER_ERR_REMOTE)
        printf("get: %s\n", strstr(error.detail, "-1 is negative") ? "-1 is negative"
                                                                  : error.detail);
    muster_future_free(future);

    CHECK(muster_pool_submit(pool, "square", "5", 1, CALL_MS, &future, &error));
    muster_future_add_done_callback(future, on_done, NULL);
    CHECK(muster_pool_close(pool, CALL_MS, &error));
    CHECK(muster_pool_join(pool, CALL_MS, &error));
    sem_wait(&called);                  /* it may come a little after the end of the call */
    CHECK(muster_future_result(future, CALL_MS, &result, &error));
    printf("get: %s\n", (const char *)result.data);
    muster_bytes_free(&result);
    muster_future_free(future);
    muster_pool_free(pool);
    example_end();
    return 0;
}
