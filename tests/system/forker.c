/* forker.c - fork() in programs that have sessions
 *
 * With MUSTER_ADDRESS and MUSTER_AUTHKEY_FILE: a session in which everything is under way,
 * while children of the program use it, close it and exit.  With an argument: a private
 * fleet, and a child that outlives it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "mirror.h"

enum { CHILDREN = 30, ITEMS = 2000, THREADS = 4 };

static struct muster_queue      *queue, *idle;
static struct muster_lock       *lock;
static struct muster_connection *ends[2];
static struct muster_pool       *calls;
static struct muster_future     *future;
static _Atomic unsigned          called;

static uint64_t
clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* In a child: this gives SESSION, and at once. */
#define NOT_HERE(call)                                                                     \
    do {                                                                                   \
        uint64_t   began_ = clock_ms();                                                    \
        muster_err gave_ = (call);                                                         \
                                                                                           \
        if (gave_ != MUSTER_ERR_SESSION || strstr(error.detail, "forked") == NULL ||       \
            clock_ms() - began_ > 1000) {                                                  \
            fprintf(stderr, "%s gave %s (%s) after %llu ms\n", #call, muster_err_name(gave_), \
                    gave_ ? error.detail : "", (unsigned long long)(clock_ms() - began_)); \
            exit(1);                                                                       \
        }                                                                                  \
    } while (0)

static void
count(void *context, const struct muster_error *why)
{
    (void)context;
    (void)why;
    atomic_fetch_add(&called, 1);
}

static void
ended(void *context, struct muster_future *of)
{
    (void)context;
    (void)of;
    atomic_fetch_add(&called, 1);
}

/* Everything that waits, and what does not. */
static void
child_asks(void)
{
    struct muster_future *submitted;
    struct muster_status  status;
    struct muster_queue  *opened;
    struct muster_item    item;
    struct muster_bytes   bytes;
    bool                  done[1];
    size_t                index;
    struct muster_waitable waitable = { .future = future };

    NOT_HERE(muster_session_status(session, CALL_MS, &status, &error));
    NOT_HERE(muster_queue_open(session, NULL, 0, CALL_MS, &opened, &error));
    NOT_HERE(muster_queue_put(queue, "x", 1, NULL, MUSTER_FOREVER, &error));
    NOT_HERE(muster_queue_get(idle, MUSTER_FOREVER, &item, &error));
    NOT_HERE(muster_queue_put_async(queue, "x", 1, NULL, CALL_MS, count, NULL, &error));
    NOT_HERE(muster_lock_release(lock, CALL_MS, &error));
    NOT_HERE(muster_connection_receive(ends[0], 0, MUSTER_FOREVER, &bytes, &error));
    NOT_HERE(muster_connection_poll(ends[0], MUSTER_FOREVER, &error));
    NOT_HERE(muster_connection_send(ends[1], "x", 1, MUSTER_FOREVER, &error));
    NOT_HERE(muster_future_result(future, MUSTER_FOREVER, &bytes, &error));
    NOT_HERE(muster_futures_wait(&future, 1, MUSTER_ALL_COMPLETED, MUSTER_FOREVER, done, &error));
    done[0] = false;
    NOT_HERE(muster_futures_next(&future, 1, done, MUSTER_FOREVER, &index, &error));
    NOT_HERE(muster_wait(session, &waitable, 1, MUSTER_FOREVER, &index, &error));
    NOT_HERE(muster_pool_submit(calls, "pool.picky", "2", 1, MUSTER_FOREVER, &submitted, &error));
    NOT_HERE(muster_pool_submit(calls, "pool.other", "2", 1, MUSTER_FOREVER, &submitted, &error));
    muster_session_interrupt(session);
    if (muster_session_fd(session) >= 0 || muster_session_dispatch(session) != 0)
        exit(1);
}

static void
all_close(void)
{
    muster_future_free(future);
    muster_pool_free(calls);
    muster_connection_close(ends[0]);
    muster_connection_close(ends[1]);
    muster_lock_close(lock);
    muster_queue_close(idle);
    muster_queue_close(queue);
    muster_session_close(session);
}

static void
child_run(unsigned number)
{
    alarm(30);
    if (number % 3 == 0)
        child_asks();
    if (number % 3 != 1)
        all_close();
    /* One of its own is what it should have. */
    if (number % 5 == 0) {
        session = mirror_session();
        OK(muster_queue_open(session, NULL, 0, CALL_MS, &queue, &error));
        OK(muster_queue_put(queue, "x", 1, NULL, CALL_MS, &error));
        muster_queue_close(queue);
        muster_session_close(session);
    }
    exit(0);
}

/* An item to and fro. */
static void *
busy(void *context)
{
    struct muster_error why;
    struct muster_item  item;
    unsigned           *items = context;

    for (unsigned i = 0; i < ITEMS; i++) {
        if (muster_queue_put(queue, "x", 1, NULL, CALL_MS, &why) != MUSTER_OK ||
            muster_queue_get(queue, CALL_MS, &item, &why) != MUSTER_OK)
            return NULL;
        muster_item_free(&item);
        ++*items;
    }
    return NULL;
}

static void
children(void)
{
    for (unsigned i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();

        if (pid == 0)
            child_run(i);
        assert_true(pid > 0);
        mirror_ended(pid);
    }
}

static void
test_children(void **state)
{
    pthread_t           threads[THREADS];
    unsigned            items[THREADS] = { 0 };
    struct muster_bytes bytes;

    (void)state;
    session = mirror_session();
    OK(muster_queue_open(session, NULL, 0, CALL_MS, &queue, &error));
    OK(muster_queue_open(session, NULL, 0, CALL_MS, &idle, &error));
    OK(muster_lock_open(session, NULL, CALL_MS, &lock, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_pipe_open(session, NULL, true, CALL_MS, ends, &error));
    OK(muster_connection_send(ends[1], "here", 4, CALL_MS, &error));
    OK(muster_connection_poll(ends[0], CALL_MS, &error));
    assert_true(muster_connection_fileno(ends[0]) >= 0);
    OK(muster_pool_open(session, NULL, &calls, &error));
    OK(muster_pool_submit(calls, "pool.gate", getenv("FORKER_GATE"), strlen(getenv("FORKER_GATE")),
                          CALL_MS, &future, &error));
    muster_future_add_done_callback(future, ended, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, busy, &items[i]), 0);
    children();
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(items[i], ITEMS);
    }
    /* Nothing of the parent's was touched. */
    OK(muster_connection_receive(ends[0], 0, CALL_MS, &bytes, &error));
    mirror_text(&bytes, "here");
    muster_bytes_free(&bytes);
    assert_int_equal(poll(&(struct pollfd){ .fd = muster_connection_fileno(ends[0]),
                                            .events = POLLIN }, 1, 0), 0);
    GIVES(MUSTER_ERR_TIMEOUT, muster_future_wait(future, SOON_MS, &error));
    fclose(fopen(getenv("FORKER_FILE"), "w"));
    OK(muster_future_result(future, CALL_MS, &bytes, &error));
    mirror_text(&bytes, "done");
    muster_bytes_free(&bytes);
    while (atomic_load(&called) == 0)
        poll(NULL, 0, 1);
    OK(muster_lock_release(lock, CALL_MS, &error));
    all_close();
}

static void
test_fleet(void **state)
{
    const struct muster_fleet_options plain = { .manager_only = true };
    struct muster_session_options     options = { 0 };
    struct muster_fleet              *fleet;
    uint64_t                          began_ms;
    pid_t                             stays, stops;

    (void)state;
    OK(muster_fleet_start(&plain, &fleet, &error));
    stays = fork();
    if (stays == 0) {
        pause();
        _exit(0);
    }
    stops = fork();
    if (stops == 0) {
        muster_fleet_stop(fleet);
        exit(0);
    }
    mirror_ended(stops);
    options.address = muster_fleet_address(fleet);
    options.authkey_file = muster_fleet_authkey_file(fleet);
    OK(muster_session_open(&options, &session, &error));
    muster_session_close(session);
    began_ms = clock_ms();
    muster_fleet_stop(fleet);
    assert_true(clock_ms() - began_ms < 5000);
    assert_int_equal(kill(stays, SIGKILL), 0);
    assert_int_equal(waitpid(stays, NULL, 0), stays);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest children_tests[] = { cmocka_unit_test(test_children) };
    const struct CMUnitTest fleet_tests[] = { cmocka_unit_test(test_fleet) };

    (void)argv;
    return argc > 1 ? cmocka_run_group_tests_name("fork: a private fleet", fleet_tests, NULL, NULL)
                    : cmocka_run_group_tests_name("fork: sessions", children_tests, NULL, NULL);
}
