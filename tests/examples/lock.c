/* lock.c - several processes add to what all of them read and write */
#include "example.h"

enum { PROCESSES = 4, TIMES = 25 };

MUSTER_FUNCTION(add)
{
    const struct muster_open lock_name = { .name = "guard" }, value_name = { .name = "balance" };
    struct muster_lock      *lock = NULL;
    struct muster_value     *value = NULL;
    int64_t                  balance = 0;

    example_join(call);
    CHECK(muster_lock_open(session, &lock_name, CALL_MS, &lock, &error));
    CHECK(muster_value_open(session, &value_name, MUSTER_INTEGER, NULL, 0, CALL_MS, &value,
                            &error));
    for (int i = 0; i < TIMES; i++) {
        CHECK(muster_lock_acquire(lock, MUSTER_FOREVER, NULL, &error));
        CHECK(muster_value_get_integer(value, CALL_MS, &balance, &error));
        CHECK(muster_value_set_integer(value, balance + 1, CALL_MS, &error));
        CHECK(muster_lock_release(lock, CALL_MS, &error));
    }
    muster_value_close(value);
    muster_lock_close(lock);
}

int
main(int argc, char **argv)
{
    const struct muster_open value_name = { .name = "balance" };
    struct muster_process   *processes[PROCESSES];
    struct muster_value     *value = NULL;
    int64_t                  balance = 0;

    example_begin(argv[argc - 1]);
    CHECK(muster_value_open(session, &value_name, MUSTER_INTEGER, NULL, 0, CALL_MS, &value,
                            &error));
    for (int i = 0; i < PROCESSES; i++)
        processes[i] = example_start("adder", "add", "");
    for (int i = 0; i < PROCESSES; i++)
        example_finish(processes[i]);
    CHECK(muster_value_get_integer(value, CALL_MS, &balance, &error));
    printf("balance: %lld\n", (long long)balance);
    muster_value_close(value);
    example_end();
    return 0;
}
