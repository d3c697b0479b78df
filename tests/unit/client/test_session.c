/* test_session.c - what a session survives, and what it tells when it does not
 *
 * Method: a fake manager in a thread (fake.h) behind a real link.  Opening
 * stories compare the error and what its detail names; living stories turn a
 * knob, make a call and compare its outcome and what the manager saw.
 */
#include "fake.h"

enum { CALL_MS = 8000 };

/* ---- opening ---- */

struct open_case {
    const char *story;
    bool        known;               /* the key is enrolled */
    int         refuse, refuse_times;
    int         role;
    bool        mute;
    bool        nobody;              /* no manager at the address */
    bool        stranger;            /* another manager there */
    uint32_t    connect_ms;
    muster_err  expected;
    const char *detail;              /* part of it */
};

static const struct open_case open_cases[] = {
    { "a known key comes in", true, 0, 0, 0, false, false, false, 0, MUSTER_OK, "" },
    { "a key that is not enrolled is refused", false, 0, 0, 0, false, false, false, 0,
      MUSTER_ERR_AUTH, "client.authkey" },
    { "another manager is not ours", true, 0, 0, 0, false, false, true, 0,
      MUSTER_ERR_WRONG_MANAGER, "sock" },
    { "nobody answers", true, 0, 0, 0, false, true, false, 200, MUSTER_ERR_UNREACHABLE, "sock" },
    { "HELLO is never answered", true, 0, 0, 0, true, false, false, 300, MUSTER_ERR_UNREACHABLE,
      "HELLO" },
    { "another version", true, MUSTER_ERR_VERSION, -1, 0, false, false, false, 0,
      MUSTER_ERR_VERSION, "said the test" },
    { "too many sessions for a moment", true, MUSTER_ERR_BUSY, 2, 0, false, false, false, 0,
      MUSTER_OK, "" },
    { "too many sessions for too long", true, MUSTER_ERR_FULL, -1, 0, false, false, false, 300,
      MUSTER_ERR_FULL, "said the test" },
    { "a worker's key is no client's", true, 0, 0, ROLE_WORKER, false, false, false, 0,
      MUSTER_ERR_DENIED, "worker" },
};

static void
test_open(void **state)
{
    const struct open_case       *c = *state;
    struct fake                  *fake = fake_start(c->known);
    struct muster_session_options options = { fake->endpoint, fake->key_file, c->connect_ms };
    struct muster_session        *session = NULL;
    struct muster_error           error = { 0 };
    uint64_t                      before_ms = clock_now_ms();

    atomic_store(&fake->refuse_hello, c->refuse);
    atomic_store(&fake->refuse_times, c->refuse_times);
    atomic_store(&fake->welcome_role, c->role);
    atomic_store(&fake->mute_hello, c->mute);
    if (c->nobody || c->stranger)
        fake_halt(fake);
    if (c->stranger) {
        key_free(fake->manager_key);
        assert_int_equal(key_make(AUTH_ROLE_MANAGER, "other", NULL, &fake->manager_key, NULL), 0);
        fake_serve(fake, true);
    }
    assert_int_equal(muster_session_open(&options, &session, &error), c->expected);
    assert_true(clock_now_ms() - before_ms < 10500);
    if (c->expected != MUSTER_OK) {
        assert_null(session);
        assert_int_equal(error.code, c->expected);
        if (strstr(error.detail, c->detail) == NULL ||
            strstr(error.detail, fake->endpoint) == NULL ||
            strstr(error.detail, fake->key_file) == NULL)
            fail_msg("\"%s\" does not tell of \"%s\"", error.detail, c->detail);
    } else {
        muster_session_close(session);
        assert_int_equal(atomic_load(&fake->goodbyes), 1);
    }
    fake_stop(fake);
}

/* ---- arguments ---- */

struct argument_case {
    const char *story;
    const char *address;
    const char *key_file;            /* NULL: none; "": the good one */
    muster_err  expected;
};

static const struct argument_case argument_cases[] = {
    { "no address", NULL, "", MUSTER_ERR_INVALID },
    { "an address without a scheme", "head:7717", "", MUSTER_ERR_INVALID },
    { "a scheme without a host", "tcp://", "", MUSTER_ERR_INVALID },
    { "an unknown scheme", "udp://head:7717", "", MUSTER_ERR_INVALID },
    { "no key file", "tcp://127.0.0.1:1", NULL, MUSTER_ERR_INVALID },
    { "a key file that is not there", "tcp://127.0.0.1:1", "/nonexistent", MUSTER_ERR_NOT_FOUND },
    { "a folder as key file", "tcp://127.0.0.1:1", "/", MUSTER_ERR_KEY_FILE },
};

static void
test_arguments(void **state)
{
    const struct argument_case   *c = *state;
    struct fake                  *fake = fake_start(true);
    struct muster_session_options options = { c->address, c->key_file, 200 };
    struct muster_session        *session = NULL;
    struct muster_error           error = { 0 };

    if (c->key_file != NULL && c->key_file[0] == '\0')
        options.authkey_file = fake->key_file;
    assert_int_equal(muster_session_open(&options, &session, &error), c->expected);
    assert_int_equal(error.code, c->expected);
    assert_string_not_equal(error.detail, "");
    assert_null(session);
    fake_stop(fake);
}

/* ---- living ---- */

struct live_case {
    const char *story;
    int         cut, forget, busy;
    bool        mute;
    uint32_t    timeout_ms;
    muster_err  expected;
    uint64_t    requests;            /* that the manager saw, with repeats */
    uint64_t    resumes;
};

static const struct live_case live_cases[] = {
    { "a plain call", 0, 0, 0, false, CALL_MS, MUSTER_OK, 1, 0 },
    { "the connection is cut instead of an answer", 1, 0, 0, false, CALL_MS, MUSTER_OK, 2, 1 },
    { "and once more", 2, 0, 0, false, CALL_MS, MUSTER_OK, 3, 2 },
    { "the manager forgot the session", 0, 1, 0, false, CALL_MS, MUSTER_OK, 2, 0 },
    { "the manager is busy at first", 0, 0, 2, false, CALL_MS, MUSTER_OK, 3, 0 },
    { "the manager stays busy", 0, 0, -1, false, 120, MUSTER_ERR_BUSY, 0, 0 },
    { "no answer in time", 0, 0, 0, true, 60, MUSTER_ERR_TIMEOUT, 1, 0 },
    { "no wait at all", 0, 0, 0, true, MUSTER_NO_WAIT, MUSTER_ERR_TIMEOUT, 0, 0 },
};

static void
test_live(void **state)
{
    const struct live_case *c = *state;
    struct fake            *fake = fake_start(true);
    struct muster_session  *session = fake_connect(fake);
    struct muster_status    status = { 0 };
    struct muster_error     error = { 0 };

    atomic_store(&fake->cut_next, c->cut);
    atomic_store(&fake->forget_next, c->forget);
    atomic_store(&fake->busy_next, c->busy);
    atomic_store(&fake->mute, c->mute);
    assert_int_equal(muster_session_status(session, c->timeout_ms, &status, &error), c->expected);
    if (c->expected == MUSTER_OK) {
        assert_int_equal(status.pid, 42);
        assert_string_equal(status.software, "fake");
        muster_status_free(&status);
    } else {
        assert_int_equal(error.code, c->expected);
        assert_string_not_equal(error.detail, "");
        assert_null(status.counters);
    }
    if (c->requests > 0)
        assert_int_equal(atomic_load(&fake->requests), c->requests);
    assert_int_equal(atomic_load(&fake->resumes), c->resumes);
    /* Whatever happened, the session is good for another call. */
    atomic_store(&fake->busy_next, 0);
    atomic_store(&fake->mute, 0);
    assert_int_equal(muster_session_status(session, CALL_MS, &status, &error), MUSTER_OK);
    muster_status_free(&status);
    muster_session_close(session);
    fake_stop(fake);
}

/* ---- single stories ---- */

struct asker {
    struct muster_session *session;
    struct fake           *fake;
    muster_err             err;
    struct muster_error    error;
    pthread_t              thread;
};

static void *
asker_run(void *context)
{
    struct asker        *asker = context;
    struct muster_status status = { 0 };

    asker->err = muster_session_status(asker->session, MUSTER_FOREVER, &status, &asker->error);
    if (!asker->err)
        muster_status_free(&status);
    return NULL;
}

static void
test_interrupt(void **state)
{
    struct fake  *fake = fake_start(true);
    struct asker  askers[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        askers[i] = (struct asker){ .fake = fake };
    askers[0].session = askers[1].session = askers[2].session = fake_connect(fake);
    atomic_store(&fake->mute, 1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]), 0);
    WAIT_UNTIL(atomic_load(&fake->requests) == 3);
    muster_session_interrupt(askers[0].session);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].err, MUSTER_ERR_INTERRUPTED);
        assert_int_equal(askers[i].error.code, MUSTER_ERR_INTERRUPTED);
    }
    /* It is not sticky. */
    atomic_store(&fake->mute, 0);
    askers[0].err = MUSTER_ERR_INTERNAL;
    asker_run(&askers[0]);
    assert_int_equal(askers[0].err, MUSTER_OK);
    muster_session_close(askers[0].session);
    fake_stop(fake);
}

static void
test_restart(void **state)
{
    struct fake *fake = fake_start(true);
    struct asker asker = { .session = fake_connect(fake) };

    (void)state;
    fake_halt(fake);
    assert_int_equal(pthread_create(&asker.thread, NULL, asker_run, &asker), 0);
    fake_serve(fake, true);          /* same sessions: as after a restart */
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.err, MUSTER_OK);
    assert_int_equal(atomic_load(&fake->resumes), 1);
    muster_session_close(asker.session);
    fake_stop(fake);
}

static void
test_away(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct muster_status   status = { 0 };
    struct muster_error    error = { 0 };

    (void)state;
    fake_halt(fake);
    assert_int_equal(muster_session_status(session, 300, &status, &error), MUSTER_ERR_TIMEOUT);
    assert_non_null(strstr(error.detail, "is away"));
    assert_non_null(strstr(error.detail, fake->endpoint));
    muster_session_close(session);
    fake_stop(fake);
}

static void
test_revoked(void **state)
{
    struct fake *fake = fake_start(true);
    struct asker asker = { .session = fake_connect(fake) };

    (void)state;
    fake_halt(fake);
    assert_int_equal(pthread_create(&asker.thread, NULL, asker_run, &asker), 0);
    fake_serve(fake, false);         /* comes back without our key */
    pthread_join(asker.thread, NULL);
    assert_int_equal(asker.err, MUSTER_ERR_AUTH);
    assert_non_null(strstr(asker.error.detail, fake->key_file));
    /* And so do later calls, at once. */
    asker_run(&asker);
    assert_int_equal(asker.err, MUSTER_ERR_AUTH);
    muster_session_close(asker.session);
    fake_stop(fake);
}

static void
test_beats(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);

    (void)state;
    WAIT_UNTIL(atomic_load(&fake->beats) >= 3);
    muster_session_close(session);
    fake_stop(fake);
}

static void
test_many_threads(void **state)
{
    enum { THREADS = 8, CALLS = 50 };
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct asker           askers[THREADS];

    (void)state;
    for (unsigned round = 0; round < CALLS; round++) {
        if (round == CALLS / 2)
            atomic_store(&fake->cut_next, 1);
        for (unsigned i = 0; i < THREADS; i++) {
            askers[i] = (struct asker){ .session = session };
            assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            pthread_join(askers[i].thread, NULL);
            assert_int_equal(askers[i].err, MUSTER_OK);
        }
    }
    assert_int_equal(atomic_load(&fake->resumes), 1);
    muster_session_close(session);
    fake_stop(fake);
}

int
main(void)
{
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_away),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_beats),
        cmocka_unit_test(test_many_threads),
    };
    int failed = STORIES("opening", open_cases, test_open);

    failed += STORIES("arguments", argument_cases, test_arguments);
    failed += STORIES("calls", live_cases, test_live);
    failed += cmocka_run_group_tests_name("sessions", stories, NULL, NULL);
    return failed;
}
