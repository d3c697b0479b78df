/* tickets.c - the ticket office: many buyers, few tickets, never oversold */
#include "example.h"

enum { TICKETS = 5, BUYERS = 12 };

MUSTER_FUNCTION(buy)
{
    const struct muster_open lock_name = { .name = "office" }, dict_name = { .name = "tickets" };
    const struct muster_cell buyer = { .data = call->data, .bytes = call->bytes };
    struct muster_lock      *lock = NULL;
    struct muster_dict      *sold = NULL;
    uint64_t                 count = 0;
    char                     number[16];

    example_join(call);
    CHECK(muster_lock_open(session, &lock_name, CALL_MS, &lock, &error));
    CHECK(muster_dict_open(session, &dict_name, CALL_MS, &sold, &error));
    CHECK(muster_lock_acquire(lock, MUSTER_FOREVER, NULL, &error));
    CHECK(muster_dict_len(sold, CALL_MS, &count, &error));
    if (count < TICKETS) {
        snprintf(number, sizeof(number), "%u", (unsigned)count + 1);
        CHECK(muster_dict_set(sold, muster_key(number), &buyer, NULL, CALL_MS, &error));
    }
    CHECK(muster_lock_release(lock, CALL_MS, &error));
    muster_dict_close(sold);
    muster_lock_close(lock);
    muster_call_print(call, "%s", count < TICKETS ? "bought" : "sold out");
}

int
main(int argc, char **argv)
{
    const struct muster_open   dict_name = { .name = "tickets" };
    struct muster_pool_options options = { .cpus_milli = 100, .named = example_named,
                                           .named_count = 2 };
    struct muster_item_in      buyers[BUYERS];
    char                       names[BUYERS][16];
    struct muster_pool        *pool = NULL;
    struct muster_bytes       *results = NULL;
    struct muster_dict        *sold = NULL;
    uint64_t                   count = 0;
    int                        bought = 0;

    example_begin(argv[argc - 1]);
    CHECK(muster_dict_open(session, &dict_name, CALL_MS, &sold, &error));
    CHECK(muster_pool_open(session, &options, &pool, &error));
    for (int i = 0; i < BUYERS; i++) {
        snprintf(names[i], sizeof(names[i]), "buyer %d", i);
        buyers[i] = (struct muster_item_in){ names[i], strlen(names[i]) };
    }
    CHECK(muster_pool_map(pool, "buy", buyers, BUYERS, MUSTER_FOREVER, &results, &error));
    for (int i = 0; i < BUYERS; i++)
        bought += strcmp(results[i].data, "bought") == 0;
    CHECK(muster_dict_len(sold, CALL_MS, &count, &error));
    printf("%d buyers, %d bought, %llu tickets sold\n", BUYERS, bought, (unsigned long long)count);
    muster_list_free(results, BUYERS);
    muster_pool_free(pool);
    muster_dict_close(sold);
    example_end();
    return 0;
}
