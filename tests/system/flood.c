/* flood.c - calls without waiting, by the hundred thousand, and an event loop of one thread
 *
 * MUSTER_ADDRESS and MUSTER_AUTHKEY_FILE say where; a worker has pool.picky.
 */
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#include "mirror.h"

enum { CALLS = 100000, MEMORY_MAX_KIB = 1024 * 1024, LONE = 200, LOOP_ITEMS = 5000,
       LOOP_CALLS = 200 };

static struct muster_queue *queue, *log_queue;
static _Atomic unsigned     done, failed;

static uint64_t
clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static long
memory_kib(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void
wait_done(unsigned wanted)
{
    uint64_t until_us = clock_us() + 120000000;

    while (atomic_load(&done) < wanted) {
        if (clock_us() > until_us)
            fail_msg("%u of %u callbacks came", atomic_load(&done), wanted);
        poll(NULL, 0, 1);
    }
    assert_int_equal(atomic_load(&done), wanted);
    assert_int_equal(atomic_load(&failed), 0);
}

/* Now and then it is slow, or calls something that waits. */
static void
in_callback(unsigned number)
{
    struct muster_queue_size size;
    struct muster_error      why;

    if (number % 1000 == 0 &&
        muster_queue_size(log_queue, CALL_MS, &size, &why) != MUSTER_OK)
        atomic_fetch_add(&failed, 1);
    if (number % 5000 == 0)
        poll(NULL, 0, 5);
    if (number % 10000 == 0 &&
        muster_queue_put(log_queue, "x", 1, NULL, CALL_MS, &why) != MUSTER_OK)
        atomic_fetch_add(&failed, 1);
}

static void
put_done(void *context, const struct muster_error *why)
{
    (void)context;
    failed += why->code != MUSTER_OK;
    in_callback(atomic_fetch_add(&done, 1));
}

static void
got(void *context, const struct muster_error *why, const struct muster_item *item)
{
    (void)item;
    put_done(context, why);
}

static void
ended(void *context, struct muster_future *future)
{
    (void)context;
    failed += !muster_future_done(future);
    muster_future_free(future);
    in_callback(atomic_fetch_add(&done, 1));
}

static void
queues(void)
{
    char item[200] = "item";

    OK(muster_queue_open(session, NULL, 0, CALL_MS, &queue, &error));
    OK(muster_queue_open(session, NULL, 0, CALL_MS, &log_queue, &error));
    for (unsigned i = 0; i < CALLS; i++)
        OK(muster_queue_put_async(queue, item, sizeof(item), NULL, 100000, put_done, NULL,
                                  &error));
    for (unsigned i = 0; i < CALLS; i++)
        OK(muster_queue_get_async(queue, 100000, got, NULL, &error));
    wait_done(2 * CALLS);
    assert_true(memory_kib() < MEMORY_MAX_KIB);
    muster_queue_close(queue);
    muster_queue_close(log_queue);
}

static void
futures(void)
{
    struct muster_future *future;
    struct muster_pool   *pool;

    OK(muster_queue_open(session, NULL, 0, CALL_MS, &log_queue, &error));
    OK(muster_pool_open(session, NULL, &pool, &error));
    for (unsigned i = 0; i < CALLS; i++) {
        OK(muster_pool_submit(pool, "pool.picky", "4", 1, 100000, &future, &error));
        muster_future_add_done_callback(future, ended, NULL);
    }
    OK(muster_pool_close(pool, 100000, &error));
    OK(muster_pool_join(pool, 100000, &error));
    assert_int_equal(atomic_load(&done), CALLS);
    wait_done(CALLS);
    assert_true(memory_kib() < MEMORY_MAX_KIB);
    muster_pool_free(pool);
    muster_queue_close(log_queue);
}

/* One call and nothing else: its callback does not wait for company. */
static void
lone(void)
{
    const struct muster_open transient = { .transient = true };
    uint64_t                 began_us;

    /* Without the time of the disk. */
    OK(muster_queue_open(session, &transient, 0, CALL_MS, &queue, &error));
    OK(muster_queue_open(session, NULL, 0, CALL_MS, &log_queue, &error));
    began_us = clock_us();
    for (unsigned i = 0; i < LONE; i++) {
        uint64_t this_us = clock_us();

        OK(muster_queue_put_async(queue, "x", 1, NULL, CALL_MS, put_done, NULL, &error));
        while (atomic_load(&done) == i)
            assert_true(clock_us() - this_us < 10000000);
    }
    print_message("a lone call: %llu us\n", (unsigned long long)(clock_us() - began_us) / LONE);
    assert_true(clock_us() - began_us < LONE * 50000);
    muster_queue_close(queue);
    muster_queue_close(log_queue);
}

/* ---- a program that has one thread and never waits but in poll() ---- */

static unsigned turns;

static void
loop_until(int fd, unsigned wanted)
{
    uint64_t until_us = clock_us() + 60000000;

    while (atomic_load(&done) < wanted) {
        struct pollfd at = { .fd = fd, .events = POLLIN };

        (void)poll(&at, 1, 1000);
        turns++;
        if (at.revents != 0)
            (void)muster_session_dispatch(session);
        if (clock_us() > until_us)
            fail_msg("%u of %u callbacks came", atomic_load(&done), wanted);
    }
    assert_int_equal(atomic_load(&failed), 0);
}

static uint64_t
cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void
loop(void)
{
    int                   fd = muster_session_fd(session);
    struct pollfd         idle = { .fd = fd, .events = POLLIN };
    struct muster_future *future;
    struct muster_pool   *pool;
    uint64_t              before_us;

    OK(muster_queue_open(session, NULL, 0, CALL_MS, &queue, &error));
    log_queue = queue;
    OK(muster_pool_open(session, NULL, &pool, &error));
    for (unsigned i = 0; i < LOOP_ITEMS; i++) {
        OK(muster_queue_get_async(queue, 60000, got, NULL, &error));
        OK(muster_queue_put_async(queue, "x", 1, NULL, 60000, put_done, NULL, &error));
    }
    for (unsigned i = 0; i < LOOP_CALLS; i++) {
        OK(muster_pool_submit(pool, "pool.picky", "4", 1, CALL_MS, &future, &error));
        muster_future_add_done_callback(future, ended, NULL);
    }
    loop_until(fd, 2 * LOOP_ITEMS + LOOP_CALLS);
    /* Something is under way, nothing happens: no thread of ours is busy. */
    OK(muster_queue_open(session, NULL, 0, CALL_MS, &log_queue, &error));
    OK(muster_queue_get_async(log_queue, 60000, got, NULL, &error));
    before_us = cpu_us();
    turns = 0;
    assert_int_equal(poll(&idle, 1, 2000), 0);
    assert_true(cpu_us() - before_us < 200000);
    OK(muster_queue_put_async(log_queue, "x", 1, NULL, CALL_MS, put_done, NULL, &error));
    loop_until(fd, 2 * LOOP_ITEMS + LOOP_CALLS + 2);
    assert_true(turns < 20);
    muster_pool_free(pool);
    muster_queue_close(log_queue);
    muster_queue_close(queue);
}

static void
flood_test(void **state)
{
    atomic_store(&done, 0);
    mirror_test(state);
}

int
main(void)
{
    static const struct statement statements[] = {
        { "flood: 100,000 puts and gets without waiting, with callbacks that wait", queues },
        { "flood: 100,000 futures, with callbacks that wait", futures },
        { "flood: a lone call is told at once", lone },
        { "loop: one thread that only polls: all advances, nothing spins", loop },
    };

    return STORIES("flood", statements, flood_test);
}
