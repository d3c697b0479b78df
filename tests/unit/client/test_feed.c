/* test_feed.c - items into a job: what arrives, how often, and who waits
 *
 * Method: a fake manager that counts items and blocks (fake.h); a story feeds
 * so many items while the manager misbehaves, closes the input, and compares.
 */
#include "fake.h"
#include "feed.h"

enum { CALL_MS = 20000 };

static const char *const args[] = { "echo", "{}", NULL };

static uint64_t
submit(struct muster_session *session, const char *dedup)
{
    struct muster_job_options options = { .args = args, .replace = true,
                                          .source = MUSTER_SOURCE_ITEMS, .dedup = dedup };
    struct muster_submitted   submitted;
    struct muster_error       error = { 0 };

    if (muster_job_submit(session, &options, CALL_MS, &submitted, &error) != MUSTER_OK)
        fail_msg("%s: %s", muster_err_name(error.code), error.detail);
    return submitted.job;
}

struct feed_case {
    const char *story;
    uint32_t    items;
    size_t      bytes;               /* of each */
    int         cut, forget, busy;   /* once feeding has begun */
    uint64_t    blocks_min, blocks_max;
};

static const struct feed_case cases[] = {
    { "no item", 0, 0, 0, 0, 0, 0, 0 },
    { "one item", 1, 10, 0, 0, 0, 1, 1 },
    { "an empty item is an item", 1, 0, 0, 0, 0, 1, 1 },
    { "many short items share blocks", 100000, 10, 0, 0, 0, 25, 2000 },
    { "large items fill blocks by bytes", 50, ITEM_BYTES_MAX, 0, 0, 0, 25, 50 },
    { "the connection is cut on the way", 50000, 10, 2, 0, 0, 13, 2000 },
    { "the session is forgotten on the way", 50000, 10, 0, 1, 0, 13, 2000 },
    { "a block is refused for a while and those behind it are too early", 50000, 10, 0, 0, 3, 13,
      2000 },
};

static void
test_feed(void **state)
{
    const struct feed_case *c = *state;
    struct fake            *fake = fake_start(true);
    struct muster_session  *session = fake_connect(fake);
    struct muster_error     error = { 0 };
    uint64_t                job = submit(session, NULL);
    char                   *item = base_alloc(c->bytes + 1);

    for (uint32_t i = 0; i < c->items; i++) {
        if (i == c->items / 2) {
            atomic_store(&fake->cut_next, c->cut);
            atomic_store(&fake->forget_next, c->forget);
            atomic_store(&fake->busy_next, c->busy);
        }
        if (muster_job_feed(session, job, item, c->bytes, CALL_MS, &error) != MUSTER_OK)
            fail_msg("item %u: %s: %s", i, muster_err_name(error.code), error.detail);
    }
    if (muster_job_close_input(session, job, CALL_MS, &error) != MUSTER_OK)
        fail_msg("close: %s: %s", muster_err_name(error.code), error.detail);
    assert_int_equal(atomic_load(&fake->items), c->items);
    assert_in_range(atomic_load(&fake->blocks), c->blocks_min, c->blocks_max);
    free(item);
    muster_session_close(session);
    fake_stop(fake);
}

/* ---- single stories ---- */

static void
test_lone_item(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    uint64_t               job = submit(session, NULL);

    (void)state;
    assert_int_equal(muster_job_feed(session, job, "x", 1, CALL_MS, NULL), MUSTER_OK);
    WAIT_UNTIL(atomic_load(&fake->items) == 1);      /* without a flush */
    muster_session_close(session);
    fake_stop(fake);
}

/* Bounded memory: with a manager that answers nothing, feeding stops. */
static void
test_window(void **state)
{
    static char            item[ITEM_BYTES_MAX];
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct muster_error    error = { 0 };
    uint64_t               job = submit(session, NULL);
    unsigned               fed = 0;
    muster_err             err = MUSTER_OK;

    (void)state;
    atomic_store(&fake->mute, 1);
    while (!err && fed < 1000) {
        err = muster_job_feed(session, job, item, sizeof(item), 50, &error);
        fed += !err;
    }
    assert_int_equal(err, MUSTER_ERR_TIMEOUT);
    assert_in_range(fed, FEED_WINDOW, (FEED_WINDOW + 1) * (BLOCK_BYTES_MAX / ITEM_BYTES_MAX));
    assert_int_equal(muster_job_feed(session, job, item, sizeof(item), MUSTER_NO_WAIT, &error),
                     MUSTER_ERR_TIMEOUT);
    /* The manager restarts without having seen any of it. */
    fake_halt(fake);
    atomic_store(&fake->mute, 0);
    fake_serve(fake, true);
    assert_int_equal(muster_job_feed_flush(session, job, CALL_MS, &error), MUSTER_OK);
    assert_int_equal(atomic_load(&fake->items), fed);
    muster_session_close(session);
    fake_stop(fake);
}

/* A repeated submission feeds the same input again: nothing doubles. */
static void
test_dedup(void **state)
{
    struct fake             *fake = fake_start(true);
    struct muster_session   *session = fake_connect(fake);
    struct muster_job_options other = { .args = (const char *const[]){ "false", NULL },
                                        .source = MUSTER_SOURCE_ITEMS, .dedup = "nightly" };
    struct muster_submitted  submitted;
    uint64_t                 job = submit(session, "nightly");

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(muster_job_feed(session, job, "x", 1, CALL_MS, NULL), MUSTER_OK);
    assert_int_equal(muster_job_feed_flush(session, job, CALL_MS, NULL), MUSTER_OK);
    muster_session_close(session);

    session = fake_connect(fake);
    assert_int_equal(submit(session, "nightly"), job);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(muster_job_feed(session, job, "x", 1, CALL_MS, NULL), MUSTER_OK);
    assert_int_equal(muster_job_close_input(session, job, CALL_MS, NULL), MUSTER_OK);
    assert_int_equal(atomic_load(&fake->items), 12);
    assert_int_equal(muster_job_submit(session, &other, CALL_MS, &submitted, NULL),
                     MUSTER_ERR_CONFLICT);
    muster_session_close(session);
    fake_stop(fake);
}

static void
test_misuse(void **state)
{
    static char            large[ITEM_BYTES_MAX + 1];
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct muster_error    error = { 0 };
    uint64_t               job = submit(session, NULL);

    (void)state;
    assert_int_equal(muster_job_feed(session, job, large, sizeof(large), CALL_MS, &error),
                     MUSTER_ERR_TOO_LARGE);
    assert_non_null(strstr(error.detail, "65537"));
    assert_int_equal(muster_job_feed(session, 0, "x", 1, CALL_MS, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_job_feed(session, 99, "x", 1, CALL_MS, &error), MUSTER_ERR_NOT_FOUND);
    /* The large one spoilt nothing. */
    assert_int_equal(muster_job_feed(session, job, "x", 1, CALL_MS, &error), MUSTER_OK);
    assert_int_equal(muster_job_close_input(session, job, CALL_MS, &error), MUSTER_OK);
    muster_session_close(session);
    fake_stop(fake);
}

static void
test_close_while_feeding(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    uint64_t               job = submit(session, NULL);

    (void)state;
    atomic_store(&fake->mute, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(muster_job_feed(session, job, "x", 1, CALL_MS, NULL), MUSTER_OK);
    WAIT_UNTIL(atomic_load(&fake->requests) >= 2);
    muster_session_close(session);      /* frees what is under way (told by the sanitizer) */
    fake_stop(fake);
}

int
main(void)
{
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(test_lone_item), cmocka_unit_test(test_window),
        cmocka_unit_test(test_dedup),     cmocka_unit_test(test_misuse),
        cmocka_unit_test(test_close_while_feeding),
    };

    return STORIES("feeding", cases, test_feed) +
           cmocka_run_group_tests_name("feeds", stories, NULL, NULL);
}
