/* semaphore.c - at most two at a time */
#include "example.h"

enum { VISITORS = 6 };

/* Counts who is in; the most that were in at once is what the example prints. */
MUSTER_FUNCTION(visit)
{
    const struct muster_open door_name = { .name = "door" }, inside_name = { .name = "inside" };
    struct muster_semaphore *door = NULL;
    struct muster_value     *inside = NULL;
    int64_t                  now = 0;

    example_join(call);
    CHECK(muster_semaphore_open(session, &door_name, 2, true, CALL_MS, &door, &error));
    CHECK(muster_value_open(session, &inside_name, MUSTER_INTEGER, NULL, 0, CALL_MS, &inside,
                            &error));
    CHECK(muster_semaphore_acquire(door, MUSTER_FOREVER, NULL, &error));
    CHECK(muster_value_add_integer(inside, 1, CALL_MS, &now, &error));
    CHECK(muster_value_add_integer(inside, -1, CALL_MS, NULL, &error));
    CHECK(muster_semaphore_release(door, 1, CALL_MS, &error));
    muster_value_close(inside);
    muster_semaphore_close(door);
    muster_call_print(call, "%lld", (long long)now);
}

int
main(int argc, char **argv)
{
    struct muster_pool_options options = { .cpus_milli = 100, .named = example_named,
                                           .named_count = 2 };
    struct muster_item_in      visitors[VISITORS] = { { "", 0 } };
    struct muster_pool        *pool = NULL;
    struct muster_bytes       *results = NULL;
    bool                       never = true;

    example_begin(argv[argc - 1]);
    CHECK(muster_pool_open(session, &options, &pool, &error));
    CHECK(muster_pool_map(pool, "visit", visitors, VISITORS, MUSTER_FOREVER, &results, &error));
    for (int i = 0; i < VISITORS; i++)
        never = never && strtol(results[i].data, NULL, 10) <= 2;
    printf("%d visitors, never more than two at a time: %s\n", VISITORS, never ? "True" : "False");
    muster_list_free(results, VISITORS);
    muster_pool_free(pool);
    example_end();
    return 0;
}
