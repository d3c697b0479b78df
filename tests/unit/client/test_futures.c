/* test_futures.c - futures end once, however the manager behaves
 *
 * Method: a shop with one job stands in for the manager, and misbehaves as a story
 * says.  Real sessions, pools and futures stand before it.
 */
#include "shop.h"

#include "collect.h"

/* ---- stories of two calls: the first text, the second ---- */

struct future_case {
    const char *story;
    const char *texts[3];
    int         cut, forget, busy;      /* of the fake, when the calls are under way */
    int         full_polls;
    muster_err  expected[3];
};

static const struct future_case cases[] = {
    { "two succeed", { "ab", "x", "" }, 0, 0, 0, 0, { MUSTER_OK, MUSTER_OK, MUSTER_OK } },
    { "one fails", { "ab", "fx", "y" }, 0, 0, 0, 0, { MUSTER_OK, MUSTER_ERR_REMOTE, MUSTER_OK } },
    { "one was cancelled", { "c", "a", "d" }, 0, 0, 0, 0,
      { MUSTER_ERR_CANCELED, MUSTER_OK, MUSTER_OK } },
    { "a run of a billion was cancelled, three of it ours", { "r", "a", "d" }, 0, 0, 0, 0,
      { MUSTER_ERR_CANCELED, MUSTER_ERR_CANCELED, MUSTER_ERR_CANCELED } },
    { "the rest of a large result is fetched", { "long", "a", "l" }, 0, 0, 0, 0,
      { MUSTER_OK, MUSTER_OK, MUSTER_OK } },
    { "over a lost connection", { "a", "x", "f" }, 2, 0, 0, 0,
      { MUSTER_OK, MUSTER_OK, MUSTER_ERR_REMOTE } },
    { "over a lost session", { "a", "x", "f" }, 0, 1, 0, 0,
      { MUSTER_OK, MUSTER_OK, MUSTER_ERR_REMOTE } },
    { "from a busy manager", { "a", "x", "f" }, 0, 0, 3, 0,
      { MUSTER_OK, MUSTER_OK, MUSTER_ERR_REMOTE } },
    { "with more jobs than a session may follow at once", { "a", "x", "f" }, 0, 0, 0, 1,
      { MUSTER_OK, MUSTER_OK, MUSTER_ERR_REMOTE } },
};

static void
future_story(void **state)
{
    const struct future_case *c = *state;
    struct scene              scene = scene_open();
    struct muster_future     *futures[3];
    bool                      flag;

    atomic_store(&shop.full_polls, c->full_polls);
    for (int i = 0; i < 3; i++) {
        futures[i] = scene_call(&scene, c->texts[i]);
        assert_int_equal(muster_future_id(futures[i]).index, i);
        if (i == 0) {
            atomic_store(&scene.fake->cut_next, c->cut);
            atomic_store(&scene.fake->forget_next, c->forget);
            atomic_store(&scene.fake->busy_next, c->busy);
        }
    }
    for (int i = 0; i < 3; i++) {
        struct muster_bytes bytes = { 0 };

        assert_int_equal(muster_future_result(futures[i], CALL_MS, &bytes, &scene.error),
                         c->expected[i]);
        if (c->expected[i] == MUSTER_ERR_REMOTE)
            assert_string_equal(scene.error.detail,
                                "worker w1: echo: exit code 3; last log: one last words");
        if (!c->expected[i] && c->texts[i][0] == 'l') {
            assert_int_equal(bytes.bytes, strlen(c->texts[i]) + 5);
            assert_memory_equal((char *)bytes.data + strlen(c->texts[i]), "-rest", 6);
        } else if (!c->expected[i]) {
            assert_int_equal(bytes.bytes, strlen(c->texts[i]));
        }
        assert_true(muster_future_done(futures[i]));
        assert_int_equal(muster_future_cancelled(futures[i]),
                         c->expected[i] == MUSTER_ERR_CANCELED);
        assert_int_equal(muster_future_successful(futures[i], &flag, &scene.error), MUSTER_OK);
        assert_int_equal(flag, !c->expected[i]);
        muster_bytes_free(&bytes);
        muster_future_free(futures[i]);
    }
    scene_close(&scene);
}

/* ---- single stories ---- */

/* Nothing is asked for while nobody waits for a result. */
static void
quiet(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *future = scene_call(&scene, "a");
    int                   polls;

    (void)state;
    assert_int_equal(scene_result(&scene, future), MUSTER_OK);
    muster_future_free(future);
    /* What comes first is asked for in its turn, behind anything that was under way. */
    future = scene_call(&scene, "x");
    assert_int_equal(scene_result(&scene, future), MUSTER_OK);
    polls = atomic_load(&shop.polls);
    for (int i = 0; i < 3; i++) {
        struct muster_status status;

        assert_int_equal(muster_session_status(scene.session, CALL_MS, &status, &scene.error), 0);
        muster_status_free(&status);
    }
    assert_int_equal(atomic_load(&shop.polls), polls);
    muster_future_free(future);
    scene_close(&scene);
}

/* Items that the manager will not have: their futures must not wait for ever. */
static void
feed_refused(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *first = scene_call(&scene, "a"), *second, *third = NULL;

    (void)state;
    assert_int_equal(scene_result(&scene, first), MUSTER_OK);
    atomic_store(&shop.refuse_items, MUSTER_ERR_NO_SPACE);
    second = scene_call(&scene, "x");
    assert_int_equal(scene_result(&scene, second), MUSTER_ERR_NO_SPACE);
    assert_int_equal(muster_pool_submit(scene.pool, "echo", "c", 1, CALL_MS, &third, &scene.error),
                     MUSTER_ERR_NO_SPACE);
    assert_null(third);
    muster_future_free(first);
    muster_future_free(second);
    scene_close(&scene);
}

/* The job was cancelled before these items reached it. */
static void
never_fed(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *future, *more = NULL;

    (void)state;
    atomic_store(&shop.closed_shop, 1);
    atomic_store(&shop.refuse_items, MUSTER_ERR_CANCELED);
    future = scene_call(&scene, "a");
    assert_int_equal(scene_result(&scene, future), MUSTER_ERR_CANCELED);
    assert_int_equal(muster_pool_submit(scene.pool, "echo", "c", 1, CALL_MS, &more, &scene.error),
                     MUSTER_ERR_BROKEN_POOL);
    muster_future_free(future);
    scene_close(&scene);
}

static void
forgotten_job(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *future, *later;

    (void)state;
    atomic_store(&shop.closed_shop, 1);
    future = scene_call(&scene, "a");
    WAIT_UNTIL(atomic_load(&shop.polls) > 0);
    atomic_store(&shop.gone, 1);
    assert_int_equal(scene_result(&scene, future), MUSTER_ERR_NOT_FOUND);
    later = scene_call(&scene, "x");
    assert_int_equal(scene_result(&scene, later), MUSTER_ERR_NOT_FOUND);
    muster_future_free(future);
    muster_future_free(later);
    scene_close(&scene);
}

/* The job ended while this one was on its way: it is asked for alone. */
static void
ended_job(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *future;

    (void)state;
    atomic_store(&shop.closed_shop, 1);
    future = scene_call(&scene, "a");
    WAIT_UNTIL(atomic_load(&shop.polls) > 0);
    atomic_store(&shop.cancelled, 1);
    assert_int_equal(scene_result(&scene, future), MUSTER_ERR_STATE);
    assert_int_equal(atomic_load(&shop.gets), 1);
    muster_future_free(future);
    scene_close(&scene);
}

static void
open_late(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *first = scene_call(&scene, "a"), *again = NULL, *twin = NULL, *second;
    struct muster_task_id id = { JOB, 0 };

    (void)state;
    assert_int_equal(scene_result(&scene, first), MUSTER_OK);
    assert_int_equal(muster_future_open(scene.session, id, CALL_MS, &again, &scene.error), 0);
    assert_true(muster_future_done(again));
    atomic_store(&shop.closed_shop, 1);
    second = scene_call(&scene, "f");
    WAIT_UNTIL(shop.items == 2);
    id.index = 1;
    assert_int_equal(muster_future_open(scene.session, id, CALL_MS, &twin, &scene.error), 0);
    assert_false(muster_future_done(twin));
    atomic_store(&shop.closed_shop, 0);
    assert_int_equal(scene_result(&scene, twin), MUSTER_ERR_REMOTE);
    assert_int_equal(scene_result(&scene, second), MUSTER_ERR_REMOTE);
    id.index = 9;
    muster_future_free(twin);
    assert_int_equal(muster_future_open(scene.session, id, CALL_MS, &twin, &scene.error),
                     MUSTER_ERR_NOT_FOUND);
    id = (struct muster_task_id){ 0, 0 };
    assert_int_equal(muster_future_open(scene.session, id, CALL_MS, &twin, &scene.error),
                     MUSTER_ERR_INVALID);
    muster_future_free(first);
    muster_future_free(again);
    muster_future_free(second);
    scene_close(&scene);
}

/* Several futures of one task, one of them freed in the middle. */
static void
same_task(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *futures[4];

    (void)state;
    atomic_store(&shop.closed_shop, 1);
    futures[0] = scene_call(&scene, "a");
    WAIT_UNTIL(shop.items == 1);
    for (int i = 1; i < 4; i++)
        assert_int_equal(muster_future_open(scene.session, (struct muster_task_id){ JOB, 0 },
                                            CALL_MS, &futures[i], &scene.error), MUSTER_OK);
    muster_future_free(futures[2]);
    muster_future_free(futures[3]);
    atomic_store(&shop.closed_shop, 0);
    assert_int_equal(scene_result(&scene, futures[1]), MUSTER_OK);
    assert_int_equal(scene_result(&scene, futures[0]), MUSTER_OK);
    muster_future_free(futures[0]);
    muster_future_free(futures[1]);
    scene_close(&scene);
}

/* Results that nobody takes: beyond COLLECT_BYTES_MAX only how they ended is kept. */
static void
bounded(void **state)
{
    enum { COUNT = COLLECT_BYTES_MAX / OUTPUT_INLINE_BYTES_MAX + 50 };
    static struct muster_future *futures[COUNT];
    struct scene                 scene = scene_open();

    (void)state;
    for (int i = 0; i < COUNT; i++)
        futures[i] = scene_call(&scene, "big");
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(muster_future_wait(futures[i], CALL_MS, &scene.error), MUSTER_OK);
    pthread_mutex_lock(&scene.session->lock);
    assert_true(scene.session->collected_bytes <= COLLECT_BYTES_MAX);
    pthread_mutex_unlock(&scene.session->lock);
    assert_int_equal(atomic_load(&shop.gets), 0);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(scene_result(&scene, futures[i]), MUSTER_OK);
        muster_future_free(futures[i]);
    }
    assert_int_equal(atomic_load(&shop.gets), 50);
    assert_int_equal(scene.session->collected_bytes, 0);
    scene_close(&scene);
}

struct cancel_case {
    const char *story;
    const char *text;
    int         ended;               /* at the manager, and this program has not heard of it */
    int         says;                /* the answer to JOB_CANCEL */
    bool        cancelled;
};

static const struct cancel_case cancel_cases[] = {
    { "the manager cancelled it", "a", 0, 1, true },
    { "it runs", "a", 0, 0, false },
    { "it was cancelled, but the answer was lost and the request repeated", "c", 1, 0, true },
    { "it has succeeded meanwhile", "a", 1, 0, false },
};

static void
cancel_story(void **state)
{
    const struct cancel_case *c = *state;
    struct scene              scene = scene_open();
    struct muster_future     *future;
    bool                      cancelled = !c->cancelled;

    atomic_store(&shop.closed_shop, 1);
    atomic_store(&shop.cancel_says, c->says);
    future = scene_call(&scene, c->text);
    WAIT_UNTIL(shop.items == 1);
    if (c->ended)
        shop.given = 1;              /* without an entry in the stream */
    assert_int_equal(muster_future_cancel(future, CALL_MS, &cancelled, &scene.error), MUSTER_OK);
    assert_int_equal(cancelled, c->cancelled);
    assert_int_equal(muster_future_cancelled(future), c->cancelled);
    assert_int_equal(muster_future_done(future), c->cancelled);
    assert_int_equal(atomic_load(&shop.cancels), 1);
    muster_future_free(future);
    scene_close(&scene);
}

/* ---- interruptions ---- */

enum blocked_in { IN_RESULT, IN_WAIT, IN_NEXT, IN_MIX, IN_IMAP, IN_JOIN };

struct blocked_case {
    const char     *story;
    enum blocked_in in;
};

static const struct blocked_case blocked_cases[] = {
    { "result", IN_RESULT }, { "wait", IN_WAIT }, { "as_completed", IN_NEXT },
    { "wait for any mix", IN_MIX }, { "imap", IN_IMAP }, { "join of a pool", IN_JOIN },
};

struct blocked {
    struct scene         *scene;
    enum blocked_in       in;
    struct muster_future *future;
    struct muster_imap   *imap;
    _Atomic int           begun;
    muster_err            err;
};

static void *
blocked_run(void *context)
{
    struct blocked           *blocked = context;
    struct muster_error       error = { 0 };
    struct muster_bytes       bytes;
    struct muster_waitable    waitable = { .future = blocked->future };
    struct muster_imap_result result;
    bool                      done[1] = { false };
    size_t                    index;

    atomic_store(&blocked->begun, 1);
    switch (blocked->in) {
    case IN_RESULT:
        blocked->err = muster_future_result(blocked->future, MUSTER_FOREVER, &bytes, &error);
        break;
    case IN_WAIT:
        blocked->err = muster_futures_wait(&blocked->future, 1, MUSTER_ALL_COMPLETED,
                                           MUSTER_FOREVER, done, &error);
        break;
    case IN_NEXT:
        blocked->err = muster_futures_next(&blocked->future, 1, done, MUSTER_FOREVER, &index,
                                           &error);
        break;
    case IN_MIX:
        blocked->err = muster_wait(blocked->scene->session, &waitable, 1, MUSTER_FOREVER, &index,
                                   &error);
        break;
    case IN_IMAP:
        blocked->err = muster_imap_next(blocked->imap, MUSTER_FOREVER, &result, &error);
        break;
    case IN_JOIN:
        blocked->err = muster_pool_join(blocked->scene->pool, MUSTER_FOREVER, &error);
        break;
    }
    return NULL;
}

static muster_err
one_item(void *context, const void **data_out, size_t *bytes_out)
{
    int *given = context;

    *data_out = "i";
    *bytes_out = 1;
    return (*given)++ > 0 ? MUSTER_ERR_CLOSED : MUSTER_OK;
}

static bool
someone_waits(struct muster_session *session)
{
    bool waits;

    pthread_mutex_lock(&session->lock);
    waits = !list_empty(&session->waiters);
    pthread_mutex_unlock(&session->lock);
    return waits;
}

static void
interrupt_story(void **state)
{
    const struct blocked_case *c = *state;
    struct scene               scene = scene_open();
    struct blocked             blocked = { .scene = &scene, .in = c->in };
    pthread_t                  thread;
    int                        given = 0;

    atomic_store(&shop.closed_shop, 1);
    blocked.future = scene_call(&scene, "a");
    assert_int_equal(muster_pool_imap(scene.pool, "echo", true, one_item, &given, CALL_MS,
                                      &blocked.imap, &scene.error), MUSTER_OK);
    if (c->in == IN_JOIN)
        assert_int_equal(muster_pool_terminate(scene.pool, CALL_MS, &scene.error), MUSTER_OK);
    assert_int_equal(pthread_create(&thread, NULL, blocked_run, &blocked), 0);
    WAIT_UNTIL(someone_waits(scene.session));
    muster_session_interrupt(scene.session);
    pthread_join(thread, NULL);
    assert_int_equal(blocked.err, MUSTER_ERR_INTERRUPTED);
    atomic_store(&shop.closed_shop, 0);
    assert_int_equal(muster_future_wait(blocked.future, CALL_MS, &scene.error), MUSTER_OK);
    muster_imap_close(blocked.imap);
    muster_future_free(blocked.future);
    scene_close(&scene);
}

struct hasty {
    struct muster_session *session;
    int                    given;
};

static muster_err
hasty_item(void *context, const void **data_out, size_t *bytes_out)
{
    struct hasty *hasty = context;

    muster_session_interrupt(hasty->session);
    return one_item(&hasty->given, data_out, bytes_out);
}

/* Nobody waits at that moment: the call as a whole is interrupted. */
static void
interrupt_between(void **state)
{
    struct scene              scene = scene_open();
    struct hasty              hasty = { .session = scene.session };
    struct muster_imap       *imap = NULL;
    struct muster_imap_result result;

    (void)state;
    atomic_store(&shop.closed_shop, 1);
    assert_int_equal(muster_pool_imap(scene.pool, "echo", true, hasty_item, &hasty, CALL_MS, &imap,
                                      &scene.error), MUSTER_OK);
    assert_int_equal(muster_imap_next(imap, CALL_MS, &result, &scene.error),
                     MUSTER_ERR_INTERRUPTED);
    /* The next one is another. */
    atomic_store(&shop.closed_shop, 0);
    assert_int_equal(muster_imap_next(imap, CALL_MS, &result, &scene.error), MUSTER_OK);
    muster_imap_close(imap);
    scene_close(&scene);
}

/* ---- as_completed ---- */

/* Each once, at the same cost: looking at all of them each time takes far longer. */
static void
many_completed(void **state)
{
    enum { MANY = 20000 };
    struct scene             scene = scene_open();
    struct muster_future   **futures = calloc(MANY, sizeof(struct muster_future *));
    struct muster_completed *completed = NULL;
    uint64_t                 began_ms;
    size_t                   index = 0;

    (void)state;
    atomic_store(&shop.closed_shop, 1);
    for (size_t i = 0; i < MANY; i++)
        futures[i] = scene_call(&scene, "a");
    assert_int_equal(muster_completed_open(futures, MANY, &completed, &scene.error), MUSTER_OK);
    assert_int_equal(muster_completed_next(completed, 10, &index, &scene.error),
                     MUSTER_ERR_TIMEOUT);
    muster_future_free(futures[7]);
    futures[7] = NULL;
    atomic_store(&shop.closed_shop, 0);
    began_ms = clock_now_ms();
    for (size_t i = 0; i < MANY - 1; i++) {
        assert_int_equal(muster_completed_next(completed, CALL_MS, &index, &scene.error), 0);
        assert_true(futures[index] != NULL && muster_future_done(futures[index]));
        muster_future_free(futures[index]);
        futures[index] = NULL;
    }
    assert_int_equal(muster_completed_next(completed, CALL_MS, &index, &scene.error),
                     MUSTER_ERR_CLOSED);
    assert_in_range(clock_now_ms() - began_ms, 0, 3000);
    muster_completed_close(completed);
    futures[0] = scene_call(&scene, "a");
    assert_int_equal(muster_future_wait(futures[0], CALL_MS, &scene.error), MUSTER_OK);
    assert_int_equal(muster_completed_open(futures, 1, &completed, &scene.error), MUSTER_OK);
    assert_int_equal(muster_completed_next(completed, 0, &index, &scene.error), MUSTER_OK);
    muster_completed_close(completed);
    assert_int_equal(muster_completed_open(NULL, 0, &completed, &scene.error), MUSTER_OK);
    assert_int_equal(muster_completed_next(completed, 0, &index, &scene.error), MUSTER_ERR_CLOSED);
    muster_completed_close(completed);
    muster_future_free(futures[0]);
    free(futures);
    scene_close(&scene);
}

/* ---- join and callbacks ---- */

static void
slow_callback(void *context, struct muster_future *future)
{
    _Atomic int *ran = context;

    (void)future;
    poll(NULL, 0, 50);
    atomic_fetch_add(ran, 1);
}

static void
join_after_callbacks(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *futures[4];
    _Atomic int           ran = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        futures[i] = scene_call(&scene, "a");
        muster_future_add_done_callback(futures[i], slow_callback, &ran);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(muster_future_wait(futures[i], CALL_MS, &scene.error), MUSTER_OK);
    atomic_store(&shop.cancelled, 1);
    assert_int_equal(muster_pool_terminate(scene.pool, CALL_MS, &scene.error), MUSTER_OK);
    assert_int_equal(muster_pool_join(scene.pool, CALL_MS, &scene.error), MUSTER_OK);
    assert_int_equal(atomic_load(&ran), 4);
    for (size_t i = 0; i < 4; i++)
        muster_future_free(futures[i]);
    scene_close(&scene);
}

/* ---- processes ---- */

static void
start_again(void **state)
{
    const char *const             args[] = { "true", NULL };
    struct muster_process_options options = { .args = args };
    struct scene                  scene = scene_open();
    struct muster_process        *process = NULL;
    bool                          ended = false;
    int32_t                       code = 1;

    (void)state;
    assert_int_equal(muster_process_new(scene.session, &options, &process, &scene.error), 0);
    atomic_store(&scene.fake->mute, 1);
    assert_int_equal(muster_process_start(process, 50, &scene.error), MUSTER_ERR_TIMEOUT);
    assert_int_equal(muster_process_id(process).job, 0);
    atomic_store(&scene.fake->mute, 0);
    /* The same submission again: shop_submit() compares the keys. */
    atomic_store(&scene.fake->cut_next, 1);
    assert_int_equal(muster_process_start(process, CALL_MS, &scene.error), MUSTER_OK);
    assert_int_equal(muster_process_join(process, CALL_MS, &scene.error), MUSTER_OK);
    assert_int_equal(muster_process_exitcode(process, CALL_MS, &ended, &code, &scene.error), 0);
    assert_true(ended);
    assert_int_equal(code, 0);
    muster_process_free(process);
    scene_close(&scene);
}

static void
unknown_function(void **state)
{
    struct scene          scene = scene_open();
    struct muster_future *future = NULL;
    uint64_t              key;

    (void)state;
    atomic_store(&shop.known, 0);
    assert_int_equal(muster_pool_submit(scene.pool, "echo", "a", 1, CALL_MS, &future, &scene.error),
                     MUSTER_ERR_NOT_FOUND);
    WAIT_UNTIL(atomic_load(&shop.cancels) == 1);
    /* Once a worker has it, it is another job: the first was cancelled. */
    atomic_store(&shop.known, 1);
    atomic_store(&shop.submits, 0);
    key = shop.dedup[0];
    future = scene_call(&scene, "a");
    assert_int_equal(atomic_load(&shop.submits), 1);
    assert_true(shop.dedup[0] != key);
    muster_future_free(future);
    scene_close(&scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet), cmocka_unit_test(feed_refused), cmocka_unit_test(never_fed),
        cmocka_unit_test(forgotten_job), cmocka_unit_test(ended_job), cmocka_unit_test(open_late),
        cmocka_unit_test(same_task), cmocka_unit_test(bounded), cmocka_unit_test(start_again),
        cmocka_unit_test(unknown_function), cmocka_unit_test(interrupt_between),
        cmocka_unit_test(join_after_callbacks), cmocka_unit_test(many_completed),
    };
    int failed = STORIES("futures", cases, future_story);

    failed += STORIES("cancel", cancel_cases, cancel_story);
    failed += STORIES("interrupted", blocked_cases, interrupt_story);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
