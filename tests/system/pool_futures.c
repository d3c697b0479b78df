/* pool_futures.c - every promise about futures and their callbacks */
#include "pool.h"

#include <pthread.h>

/* ---- callbacks ---- */

struct heard {
    pthread_mutex_t lock;
    pthread_t       thread;
    int             count;
    bool            other_thread;
    char            order[64];
};

static void
hear(void *context, struct muster_future *future)
{
    struct heard       *heard = context;
    struct muster_bytes bytes = { 0 };

    CHECK(muster_future_done(future));
    OK(muster_future_result(future, MUSTER_NO_WAIT, &bytes, &error));
    pthread_mutex_lock(&heard->lock);
    heard->other_thread = heard->count > 0 && !pthread_equal(heard->thread, pthread_self());
    heard->thread = pthread_self();
    strncat(heard->order, bytes.data, sizeof(heard->order) - strlen(heard->order) - 1);
    heard->count++;
    pthread_mutex_unlock(&heard->lock);
    muster_bytes_free(&bytes);
}

static int
heard_count(struct heard *heard)
{
    int count;

    pthread_mutex_lock(&heard->lock);
    count = heard->count;
    pthread_mutex_unlock(&heard->lock);
    return count;
}

static void
callbacks(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *dir = folder();
    struct heard          heard = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct muster_future *a = submit_gate(pool, in_folder(dir, "a"), "a");
    struct muster_future *b = submit_gate(pool, in_folder(dir, "b"), "b");

    muster_future_add_done_callback(a, hear, &heard);
    muster_future_add_done_callback(b, hear, &heard);
    touch(in_folder(dir, "b"));
    EVENTUALLY(heard_count(&heard) == 1);
    touch(in_folder(dir, "a"));
    EVENTUALLY(heard_count(&heard) == 2);
    muster_future_add_done_callback(a, hear, &heard);            /* late: at once */
    EVENTUALLY(heard_count(&heard) == 3);
    CHECK(strcmp(heard.order, "baa") == 0);
    CHECK(!heard.other_thread && !pthread_equal(heard.thread, pthread_self()));
    muster_future_free(a);
    muster_future_free(b);
    muster_pool_free(pool);
}

struct errors_heard {
    _Atomic int count;
    struct muster_error why;
};

static void
hear_error(void *context, struct muster_future *future)
{
    struct errors_heard *heard = context;
    struct muster_error  mine;
    bool                 failed = false;

    OK(muster_future_exception(future, MUSTER_NO_WAIT, &failed, &heard->why, &mine));
    CHECK(failed);
    heard->count++;
}

static void
error_callback(void)
{
    struct muster_pool   *pool = new_pool(0);
    struct errors_heard   heard = { 0 };
    struct muster_future *future = submit(pool, "pool.picky", "53");

    muster_future_add_done_callback(future, hear_error, &heard);
    EVENTUALLY(heard.count == 1);
    CHECK(heard.why.code == MUSTER_ERR_REMOTE);
    CHECK(strstr(heard.why.detail, "53 ends with 3") != NULL);
    muster_future_free(future);
    muster_pool_free(pool);
}

static void
free_future(void *context, struct muster_future *future)
{
    _Atomic int *freed = context;

    muster_future_free(future);
    (*freed)++;
}

static void
callback_frees(void)
{
    struct muster_pool *pool = new_pool(0);
    _Atomic int         freed = 0, never = 0;
    struct muster_future *gone;

    for (int i = 0; i < 100; i++)
        muster_future_add_done_callback(submit(pool, "square", "5"), free_future, (void *)&freed);
    gone = submit(pool, "nap", "50");
    muster_future_add_done_callback(gone, free_future, (void *)&never);
    muster_future_free(gone);
    EVENTUALLY(freed == 100);
    OK(muster_pool_close(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, WAIT_MS, &error));
    CHECK(never == 0);
    muster_pool_free(pool);
}

static void
dispatch(void)
{
    struct muster_pool   *pool = new_pool(0);
    struct heard          heard = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct pollfd         fd = { .fd = muster_session_fd(session), .events = POLLIN };
    struct muster_future *future = submit(pool, "square", "6");

    muster_future_add_done_callback(future, hear, &heard);
    OK(muster_future_wait(future, WAIT_MS, &error));
    CHECK(poll(&fd, 1, WAIT_MS) == 1);
    CHECK(heard_count(&heard) == 0);
    CHECK(muster_session_dispatch(session) == 1);
    CHECK(heard_count(&heard) == 1 && pthread_equal(heard.thread, pthread_self()));
    muster_future_free(future);
    muster_pool_free(pool);
}

/* ---- futures ---- */

static void
async_result(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *go = in_folder(folder(), "go");
    struct muster_future *future = submit_gate(pool, go, "yes");
    struct muster_bytes   bytes;
    struct muster_error   why;
    bool                  flag = true;

    GIVES(MUSTER_ERR_TIMEOUT, muster_future_result(future, 50, &bytes, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_future_wait(future, 50, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_future_exception(future, 50, &flag, &why, &error));
    GIVES(MUSTER_ERR_STATE, muster_future_successful(future, &flag, &error));
    CHECK(!muster_future_done(future) && !muster_future_cancelled(future));
    EVENTUALLY(running(future));
    touch(go);
    OK(muster_future_wait(future, WAIT_MS, &error));
    CHECK(muster_future_done(future) && !running(future));
    OK(muster_future_successful(future, &flag, &error));
    CHECK(flag);
    OK(muster_future_exception(future, WAIT_MS, &flag, &why, &error));
    CHECK(!flag);
    check_result(future, "yes");
    check_result(future, "yes");                         /* as often as one likes */
    muster_future_free(future);
    muster_pool_free(pool);
}

static void
failure(void)
{
    struct muster_pool   *pool = new_pool(0);
    struct muster_future *future = submit(pool, "pool.picky", "33");
    struct muster_bytes   bytes;
    struct muster_error   why = { 0 };
    bool                  flag = true;

    GIVES(MUSTER_ERR_REMOTE, muster_future_result(future, WAIT_MS, &bytes, &error));
    CHECK(strcmp(error.detail, "worker w1: pool.picky: 33 ends with 3; last log: looking at 33") ==
          0);
    OK(muster_future_successful(future, &flag, &error));
    CHECK(!flag);
    OK(muster_future_exception(future, WAIT_MS, &flag, &why, &error));
    CHECK(flag && why.code == MUSTER_ERR_REMOTE && strcmp(why.detail, error.detail) == 0);
    muster_future_free(future);
    future = submit(pool, "risky", "abort");
    GIVES(MUSTER_ERR_REMOTE, muster_future_result(future, WAIT_MS, &bytes, &error));
    CHECK(strstr(error.detail, "worker w1: risky: ") != NULL);
    CHECK(strstr(error.detail, "last words") != NULL);
    muster_future_free(future);
    muster_pool_free(pool);
}

/* Of a command: its exit code, and the end of a long log. */
static void
failure_of_command(void)
{
    const char *const args[] = { "/bin/sh", "-c",
                                 "yes 'a line of the log' | head -n 20000 >&2; "
                                 "echo the very last >&2; exit 3", NULL };
    struct muster_job_options options = { .args = args, .name = "chatty",
                                          .output_bytes = 1024 * 1024 };
    struct muster_submitted   submitted;
    struct muster_future     *future = NULL;
    struct muster_bytes       bytes;

    OK(muster_job_submit(session, &options, WAIT_MS, &submitted, &error));
    OK(muster_future_open(session, (struct muster_task_id){ submitted.job, 0 }, WAIT_MS, &future,
                          &error));
    GIVES(MUSTER_ERR_REMOTE, muster_future_result(future, WAIT_MS, &bytes, &error));
    CHECK(strstr(error.detail, "worker w1: chatty: exit code 3; last log: ") != NULL);
    CHECK(strstr(error.detail, "the very last") != NULL);
    muster_future_free(future);
}

static void
large(void)
{
    static const char    *const sizes[] = { "0", "1", "32768", "32769", "300000", "5000000" };
    struct muster_pool   *pool = new_pool(0);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct muster_bytes   bytes = { 0 };
        struct muster_future *future = submit(pool, "fill", sizes[i]);
        const char           *text;

        OK(muster_future_result(future, WAIT_MS, &bytes, &error));
        CHECK(bytes.bytes == strtoull(sizes[i], NULL, 10));
        text = bytes.data;
        for (size_t at = 0; at < bytes.bytes; at++)
            CHECK(text[at] == (char)('a' + at % 26));
        muster_bytes_free(&bytes);
        muster_future_free(future);
    }
    muster_pool_free(pool);
}

/* More than a session holds for futures that nobody looks at. */
static void
many_results(void)
{
    enum { COUNT = 3000 };
    static struct muster_future *futures[COUNT];
    struct muster_pool          *pool = new_pool(0);

    for (int i = 0; i < COUNT; i++)
        futures[i] = submit(pool, "fill", "32000");
    OK(muster_pool_close(pool, WAIT_MS, &error));
    OK(muster_pool_join(pool, 2 * WAIT_MS, &error));
    for (int i = 0; i < COUNT; i++) {
        struct muster_bytes bytes = { 0 };

        CHECK(muster_future_done(futures[i]));
        OK(muster_future_result(futures[i], WAIT_MS, &bytes, &error));
        CHECK(bytes.bytes == 32000 && ((const char *)bytes.data)[27] == 'b');
        muster_bytes_free(&bytes);
        muster_future_free(futures[i]);
    }
    muster_pool_free(pool);
}

static void
cancel(void)
{
    struct muster_pool   *pool = new_pool(1);
    const char           *dir = folder();
    struct muster_future *runs = submit_gate(pool, in_folder(dir, "a"), "a");
    struct muster_future *waits = submit_gate(pool, in_folder(dir, "b"), "b");
    struct muster_bytes   bytes;
    struct muster_error   why;
    bool                  flag = true;

    OK(muster_future_cancel(waits, WAIT_MS, &flag, &error));
    CHECK(flag && muster_future_cancelled(waits) && muster_future_done(waits));
    GIVES(MUSTER_ERR_CANCELED, muster_future_result(waits, WAIT_MS, &bytes, &error));
    GIVES(MUSTER_ERR_CANCELED, muster_future_exception(waits, WAIT_MS, &flag, &why, &error));
    OK(muster_future_cancel(waits, WAIT_MS, &flag, &error));
    CHECK(flag);
    EVENTUALLY(running(runs));
    OK(muster_future_cancel(runs, WAIT_MS, &flag, &error));
    CHECK(!flag && !muster_future_done(runs));           /* it goes on as it was */
    touch(in_folder(dir, "a"));
    check_result(runs, "a");
    OK(muster_future_cancel(runs, WAIT_MS, &flag, &error));
    CHECK(!flag && !muster_future_cancelled(runs));      /* finished */
    muster_future_free(runs);
    runs = submit_gate(pool, in_folder(dir, "c"), "c");
    EVENTUALLY(running(runs));
    OK(muster_future_terminate(runs, WAIT_MS, &error));
    GIVES(MUSTER_ERR_CANCELED, muster_future_result(runs, WAIT_MS, &bytes, &error));
    muster_future_free(runs);
    muster_future_free(waits);
    muster_pool_free(pool);
}

static void
wait_for(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *dir = folder();
    struct muster_future *futures[3];
    bool                  done[3];
    uint64_t              before_ms = now_ms();

    futures[0] = submit_gate(pool, in_folder(dir, "a"), "a");
    futures[1] = submit(pool, "square", "2");
    futures[2] = submit_gate(pool, in_folder(dir, "c"), "c");
    OK(muster_futures_wait(futures, 3, MUSTER_FIRST_COMPLETED, WAIT_MS, done, &error));
    CHECK(!done[0] && done[1] && !done[2]);
    OK(muster_futures_wait(futures, 3, MUSTER_ALL_COMPLETED, 100, done, &error));  /* no error */
    CHECK(!done[0] && done[1] && !done[2] && now_ms() - before_ms >= 100);
    muster_future_free(futures[1]);
    futures[1] = submit(pool, "pool.picky", "3");
    OK(muster_futures_wait(futures, 3, MUSTER_FIRST_EXCEPTION, WAIT_MS, done, &error));
    CHECK(!done[0] && done[1] && !done[2]);
    touch(in_folder(dir, "a"));
    touch(in_folder(dir, "c"));
    OK(muster_futures_wait(futures, 3, MUSTER_ALL_COMPLETED, WAIT_MS, done, &error));
    CHECK(done[0] && done[1] && done[2]);
    for (int i = 0; i < 3; i++)
        muster_future_free(futures[i]);
    muster_pool_free(pool);
}

static void
as_completed(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *dir = folder();
    struct muster_future *futures[2];
    bool                  seen[2] = { false, false };
    size_t                index = 9;

    futures[0] = submit_gate(pool, in_folder(dir, "a"), "a");
    futures[1] = submit(pool, "square", "2");
    OK(muster_futures_next(futures, 2, seen, WAIT_MS, &index, &error));
    CHECK(index == 1 && seen[1] && !seen[0]);
    GIVES(MUSTER_ERR_TIMEOUT, muster_futures_next(futures, 2, seen, 100, &index, &error));
    touch(in_folder(dir, "a"));
    OK(muster_futures_next(futures, 2, seen, WAIT_MS, &index, &error));
    CHECK(index == 0);
    GIVES(MUSTER_ERR_CLOSED, muster_futures_next(futures, 2, seen, WAIT_MS, &index, &error));
    muster_future_free(futures[0]);
    muster_future_free(futures[1]);
    muster_pool_free(pool);
}

/* ---- from another program, and over restarts ---- */

static void
reopen(void)
{
    struct muster_pool_options options = { .detached = true };
    struct muster_pool        *pool = NULL;
    struct muster_session     *outer = session;
    const char                *go = in_folder(folder(), "go");
    struct muster_future      *future, *again = NULL;
    struct muster_task_id      id, done_id;

    session = connect_to(getenv("MUSTER_ADDRESS"), getenv("MUSTER_AUTHKEY_FILE"));
    OK(muster_pool_open(session, &options, &pool, &error));
    future = submit(pool, "square", "7");
    check_result(future, "49");
    done_id = muster_future_id(future);
    muster_future_free(future);
    future = submit_gate(pool, go, "later");
    id = muster_future_id(future);
    muster_future_free(future);
    OK(muster_pool_close(pool, WAIT_MS, &error));
    muster_pool_free(pool);
    muster_session_close(session);
    session = outer;

    OK(muster_future_open(session, done_id, WAIT_MS, &future, &error));
    CHECK(muster_future_done(future));
    check_result(future, "49");
    OK(muster_future_open(session, id, WAIT_MS, &again, &error));
    CHECK(!muster_future_done(again));
    touch(go);
    check_result(again, "later");
    muster_future_free(future);
    muster_future_free(again);
    id.index = 5;
    GIVES(MUSTER_ERR_NOT_FOUND, muster_future_open(session, id, WAIT_MS, &future, &error));
    id = (struct muster_task_id){ 999999, 0 };
    GIVES(MUSTER_ERR_NOT_FOUND, muster_future_open(session, id, WAIT_MS, &future, &error));
}

/* One program submits and ends ... */
static void
leave(void)
{
    struct muster_pool_options options = { .detached = true };
    struct muster_pool        *pool = NULL;
    struct muster_future      *done, *later;

    OK(muster_pool_open(session, &options, &pool, &error));
    check_result(done = submit(pool, "square", "7"), "49");
    later = submit_gate(pool, getenv("POOL_GO"), "later");
    EVENTUALLY(running(later));
    printf("%llu.%u %llu.%u\n", (unsigned long long)muster_future_id(done).job,
           muster_future_id(done).index, (unsigned long long)muster_future_id(later).job,
           muster_future_id(later).index);
    muster_future_free(done);
    muster_future_free(later);
    OK(muster_pool_close(pool, WAIT_MS, &error));
    muster_pool_free(pool);
}

/* ... another has the ids, and the manager was killed meanwhile. */
static void
find_again(void)
{
    unsigned long long    job[2];
    unsigned              at[2];
    struct muster_future *futures[2];

    CHECK(sscanf(getenv("POOL_TASKS"), "%llu.%u %llu.%u", &job[0], &at[0], &job[1], &at[1]) == 4);
    for (int i = 0; i < 2; i++)
        OK(muster_future_open(session, (struct muster_task_id){ job[i], at[i] }, WAIT_MS,
                              &futures[i], &error));
    CHECK(muster_future_done(futures[0]) && !muster_future_done(futures[1]));
    check_result(futures[0], "49");
    touch(getenv("POOL_GO"));
    check_result(futures[1], "later");
    muster_future_free(futures[0]);
    muster_future_free(futures[1]);
}

/* The script ends the manager, or a worker, while this runs: it makes the file that is
 * told on standard output. */
static void
tell_script(const char *go)
{
    printf("%s\n", go);
    fflush(stdout);
}

static void
survive(void)
{
    struct muster_pool   *pool = new_pool(0);
    const char           *go = in_folder(folder(), "go");
    struct muster_future *future = submit_gate(pool, go, "survived");
    struct source         source = { .count = 3000, .end = MUSTER_ERR_CLOSED };
    struct muster_imap   *imap_handle = NULL;
    struct muster_imap_result result;
    const char *const         args[] = { "/bin/sh", "-c", "until [ -e $0 ]; do sleep 0.02; done",
                                         go, NULL };
    struct muster_process_options options = { .args = args };
    struct muster_process        *process = NULL;
    bool                          ended = false;
    int32_t                       code = -1;

    OK(muster_process_new(session, &options, &process, &error));
    OK(muster_process_start(process, WAIT_MS, &error));
    tell_script(go);             /* what start has returned for is durable */
    OK(muster_pool_imap(pool, "square", true, give_numbers, &source, WAIT_MS, &imap_handle,
                        &error));
    for (uint32_t i = 0; i < source.count; i++) {
        OK(muster_imap_next(imap_handle, 2 * WAIT_MS, &result, &error));
        CHECK(result.index == i && strtoull(result.data, NULL, 10) == (uint64_t)i * i);
        if (i == 1000)
            while (!exists(go))
                poll(NULL, 0, 5);
    }
    muster_imap_close(imap_handle);
    check_result(future, "survived");
    muster_future_free(future);
    OK(muster_process_join(process, MUSTER_FOREVER, &error));
    OK(muster_process_exitcode(process, WAIT_MS, &ended, &code, &error));
    CHECK(ended && code == 0);
    muster_process_free(process);
    muster_pool_free(pool);
}

/* Half of the calls run on a worker that the script kills. */
static void
worker_death(void)
{
    enum { COUNT = 8 };
    struct muster_pool   *pool = new_pool(0);
    const char           *go = in_folder(folder(), "go");
    struct muster_future *futures[COUNT];

    for (int i = 0; i < COUNT; i++)
        futures[i] = submit_gate(pool, go, "done");
    tell_script(go);
    for (int i = 0; i < COUNT; i++) {
        check_result(futures[i], "done");
        muster_future_free(futures[i]);
    }
    muster_pool_free(pool);
}

/* By hand, with kills: POOL_ITEMS=1000000 pool million. */
static void
million(void)
{
    struct muster_pool       *pool = new_pool(0);
    const char               *count = getenv("POOL_ITEMS");
    struct source             source = { .count = count != NULL ? (uint32_t)atoi(count) : 100000,
                                         .end = MUSTER_ERR_CLOSED };
    struct muster_imap       *imap_handle = NULL;
    struct muster_imap_result result;

    OK(muster_pool_imap(pool, "square", true, give_numbers, &source, WAIT_MS, &imap_handle,
                        &error));
    for (uint32_t i = 0; i < source.count; i++) {
        OK(muster_imap_next(imap_handle, WAIT_MS, &result, &error));
        CHECK(result.index == i && strtoull(result.data, NULL, 10) == (uint64_t)i * i);
    }
    muster_imap_close(imap_handle);
    muster_pool_free(pool);
}

const struct test_case future_cases[] = {
    { "callbacks", "apply_async(callback): callbacks run on one library thread, in completion "
      "order; late ones at once", callbacks },
    { "error-callback", "apply_async(error_callback): a callback is told why it failed",
      error_callback },
    { "callback-frees", "Future: a callback may free it; of a freed one none comes",
      callback_frees },
    { "dispatch", "Future: callbacks run where the program dispatches them", dispatch },
    { "async-result", "AsyncResult: get(timeout): TIMEOUT; wait, ready; successful before ready is "
      "an error; Future: running, done, result(t), exception(t)", async_result },
    { "failure", "AsyncResult: a remote failure carries the worker, error text and the tail of "
      "stderr", failure },
    { "failure-of-command", "AsyncResult: a remote failure carries the exit code of a command",
      failure_of_command },
    { "large", "AsyncResult: results of any size", large },
    { "many-results", "AsyncResult: results that nobody takes do not grow without bound",
      many_results },
    { "cancel", "Future.cancel is false once running or finished; terminate kills", cancel },
    { "wait-for", "wait(FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED) never fails on time-out",
      wait_for },
    { "as-completed", "as_completed(timeout): a time-out is an error", as_completed },
    { "reopen", "Future: can be re-opened from another program by its id", reopen },
    { "leave", NULL, leave },
    { "find-again", NULL, find_again },
    { "survive", NULL, survive },
    { "worker-death", NULL, worker_death },
    { "million", NULL, million },
    { NULL, NULL, NULL },
};
