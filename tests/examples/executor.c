/* executor.c - submit, futures as they complete, wait */
#include "example.h"

enum { CALLS = 4 };

MUSTER_FUNCTION(cube)
{
    long number = strtol(muster_call_text(call), NULL, 10);

    muster_call_print(call, "%ld", number * number * number);
}

int
main(int argc, char **argv)
{
    const struct muster_pool_options options = { .cpus_milli = 100 };
    struct muster_pool              *executor = NULL;
    struct muster_future            *futures[CALLS];
    bool                             seen[CALLS] = { false }, done[CALLS];
    struct muster_bytes              result;
    size_t                           index;
    long                             sum = 0;

    example_begin(argv[argc - 1]);
    CHECK(muster_pool_open(session, &options, &executor, &error));
    for (char digit = '1'; digit <= '4'; digit++)
        CHECK(muster_pool_submit(executor, "cube", &digit, 1, CALL_MS, &futures[digit - '1'],
                                 &error));
    while (muster_futures_next(futures, CALLS, seen, CALL_MS, &index, &error) == MUSTER_OK) {
        CHECK(muster_future_result(futures[index], CALL_MS, &result, &error));
        sum += strtol(result.data, NULL, 10);
        muster_bytes_free(&result);
    }
    printf("sum as completed: %ld\n", sum);
    CHECK(muster_futures_wait(futures, CALLS, MUSTER_ALL_COMPLETED, CALL_MS, done, &error));
    for (int i = 0; i < CALLS; i++) {
        CHECK(muster_future_result(futures[i], CALL_MS, &result, &error));
        printf("%d cubed is %s, done: %s\n", i + 1, (const char *)result.data,
               done[i] ? "True" : "False");
        muster_bytes_free(&result);
        muster_future_free(futures[i]);
    }
    CHECK(muster_pool_shutdown(executor, true, false, CALL_MS, &error));
    muster_pool_free(executor);
    example_end();
    return 0;
}
