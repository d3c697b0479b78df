/* test_admit.c - who may send what, for which session, and how much of it
 *
 * Method: peer 1 is a worker of queues x and y, 2 a client, 3 an admin; each has
 * session 100 + its number unless the story says otherwise.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "stories.h"

static char x[] = "x", y[] = "y";
static char *const queues[] = { x, y, NULL };

static const struct admit_who people[] = {
    [1] = { ROLE_WORKER, "node7", "aaaa", "192.0.2.7", queues },
    [2] = { ROLE_CLIENT, "ann", "bbbb", "192.0.2.8", NULL },
    [3] = { ROLE_ADMIN, "root", "cccc", "", NULL },
};

static struct admit *
admit_made(uint32_t messages_per_s, uint32_t bytes_per_s)
{
    struct admit_config config = { .peers_max = 3,
                                   .messages_per_s_max = messages_per_s,
                                   .bytes_per_s_max = bytes_per_s };
    struct admit       *admit = admit_new(&config);

    for (uint64_t peer = 1; peer <= 3; peer++)
        assert_int_equal(admit_peer_open(admit, peer, &people[peer], NULL), MUSTER_OK);
    return admit;
}

struct type_case {
    const char *story;
    uint64_t    peer;
    bool        session;
    uint16_t    type;
    muster_err  err;
    bool        bad;           /* counts against the peer */
};

static const struct type_case types[] = {
    { "a worker says hello", 1, false, MSG_TYPE_HELLO, MUSTER_OK, false },
    { "a second hello", 1, true, MSG_TYPE_HELLO, MUSTER_ERR_STATE, false },
    { "a worker joins before hello", 1, false, MSG_TYPE_WORKER_JOIN, MUSTER_ERR_SESSION, false },
    { "a worker finishes a task", 1, true, MSG_TYPE_TASK_FINISH, MUSTER_OK, false },
    { "a worker submits", 1, true, MSG_TYPE_JOB_SUBMIT, MUSTER_ERR_DENIED, true },
    { "a worker stops the manager", 1, true, MSG_TYPE_SHUTDOWN, MUSTER_ERR_DENIED, true },
    { "a worker poses as the manager", 1, true, MSG_TYPE_TASK_LEASE, MUSTER_ERR_DENIED, true },
    { "a client submits", 2, true, MSG_TYPE_JOB_SUBMIT, MUSTER_OK, false },
    { "a client forges a result", 2, true, MSG_TYPE_TASK_FINISH, MUSTER_ERR_DENIED, true },
    { "a client drains a worker", 2, true, MSG_TYPE_DRAIN_SET, MUSTER_ERR_DENIED, true },
    { "a role comes before a session", 2, false, MSG_TYPE_SHUTDOWN, MUSTER_ERR_DENIED, true },
    { "an admin drains a worker", 3, true, MSG_TYPE_DRAIN_SET, MUSTER_OK, false },
    { "an admin joins as a worker", 3, true, MSG_TYPE_WORKER_JOIN, MUSTER_ERR_DENIED, true },
    { "no such message", 3, true, 0xff, MUSTER_ERR_UNSUPPORTED, true },
    { "no such message, far out", 3, true, 0xffff, MUSTER_ERR_UNSUPPORTED, true },
    { "a beat", 2, true, MSG_TYPE_BEAT, MUSTER_OK, false },
    { "a peer that nobody knows", 9, false, MSG_TYPE_HELLO, MUSTER_ERR_NOT_FOUND, false },
};

static void
test_type(void **state)
{
    const struct type_case *c = *state;
    struct admit           *admit = admit_made(0, 0);
    struct admit_from       from = { .session = 77 };
    struct muster_error     error = { 0 };

    if (c->session)
        assert_int_equal(admit_bind(admit, c->peer, 100 + c->peer), 0);
    assert_int_equal(admit_check(admit, 0, c->peer, c->type, 64, &from, &error), c->err);
    assert_int_equal(admit_is_bad(c->err), c->bad);
    if (c->err == MUSTER_OK) {
        assert_int_equal(from.session, c->session ? 100 + c->peer : 0);
        assert_int_equal(from.role, people[c->peer].role);
        assert_true(slice_equals_text(from.user, people[c->peer].user));
        assert_true(slice_equals_text(from.address, people[c->peer].address));
    } else {
        assert_int_equal(from.session, 77);
        assert_true(error.detail[0] != '\0');
    }
    admit_free(admit);
}

/* Every row of messages.def, for every role: exactly what the row says. */
static void
test_every_type(void **state)
{
    struct admit *admit = admit_made(0, 0);

    (void)state;
    for (uint64_t peer = 1; peer <= 3; peer++)
        assert_int_equal(admit_bind(admit, peer, 100 + peer), 0);
    for (unsigned type = 0; type < MSG_TYPE_LIMIT; type++) {
        const struct wire_rule *rule = wire_rule((uint16_t)type);

        for (uint64_t peer = 1; peer <= 3; peer++) {
            struct admit_from from;
            muster_err err = admit_check(admit, 0, peer, (uint16_t)type, 16, &from, NULL);

            if (rule == NULL)
                assert_int_equal(err, MUSTER_ERR_UNSUPPORTED);
            else if ((rule->from & 1u << people[peer].role) == 0)
                assert_int_equal(err, MUSTER_ERR_DENIED);
            else
                assert_int_equal(err, type == MSG_TYPE_HELLO ? MUSTER_ERR_STATE : MUSTER_OK);
        }
    }
    admit_free(admit);
}

struct hello_case {
    const char *story;
    uint64_t    peer, features;
    muster_err  err;
    const char *word;
};

static const struct hello_case hellos[] = {
    { "whatever its key is", 1, 0, MUSTER_OK, NULL },
    { "a worker", 1, FROM_WORKER, MUSTER_OK, NULL },
    { "an admin where a client would do", 3, FROM_CLIENT | FROM_ADMIN, MUSTER_OK, NULL },
    { "a worker's key in a client", 1, FROM_CLIENT | FROM_ADMIN, MUSTER_ERR_DENIED,
      "has role worker; this program needs one of role client or admin" },
    { "a client's key in a worker", 2, FROM_WORKER, MUSTER_ERR_DENIED,
      "has role client; this program needs one of role worker" },
    { "features of later versions are not roles", 2, 1u << 8, MUSTER_OK, NULL },
    { "a peer that nobody knows", 9, FROM_CLIENT, MUSTER_ERR_NOT_FOUND, NULL },
};

static void
test_hello(void **state)
{
    const struct hello_case *c = *state;
    struct admit            *admit = admit_made(0, 0);
    struct msg_hello         hello = { .features = c->features };
    struct muster_error      error = { 0 };

    assert_int_equal(admit_check_hello(admit, c->peer, &hello, &error), c->err);
    if (c->word != NULL && strstr(error.detail, c->word) == NULL)
        fail_msg("\"%s\" does not say %s", error.detail, c->word);
    admit_free(admit);
}

struct join_case {
    const char *story;
    uint64_t    peer;
    const char *queues[3];
    muster_err  err;
    const char *word;
};

static const struct join_case joins[] = {
    { "one of its queues", 1, { "x" }, MUSTER_OK, NULL },
    { "both of its queues", 1, { "y", "x" }, MUSTER_OK, NULL },
    { "one that is not its own", 1, { "x", "z" }, MUSTER_ERR_DENIED, "\"z\"; it may serve x, y" },
    { "none named means default", 1, { NULL }, MUSTER_ERR_DENIED, "\"default\"" },
    { "a key without queues= serves any", 2, { "whatever" }, MUSTER_OK, NULL },
    { "and the default", 2, { NULL }, MUSTER_OK, NULL },
};

static void
test_join(void **state)
{
    const struct join_case *c = *state;
    struct admit           *admit = admit_made(0, 0);
    struct msg_worker_join  join = { 0 };
    struct buffer           list = { 0 };
    struct muster_error     error = { 0 };

    for (size_t i = 0; i < 3 && c->queues[i] != NULL; i++) {
        struct wire_text text = { .text = slice_text(c->queues[i]) };

        wire_put_text(&list, &text);
        join.queues.count++;
    }
    join.queues.bytes = buffer_slice(&list);
    assert_int_equal(admit_check_join(admit, c->peer, &join, &error), c->err);
    if (c->word != NULL && strstr(error.detail, c->word) == NULL)
        fail_msg("\"%s\" does not say %s", error.detail, c->word);
    buffer_free(&list);
    admit_free(admit);
}

/* ---- sessions ---- */

static void
test_sessions(void **state)
{
    struct admit     *admit = admit_made(0, 0);
    struct admit_from from;
    uint64_t          session = 77;

    (void)state;
    assert_int_equal(admit_bind(admit, 1, 50), 0);
    assert_int_equal(admit_bind(admit, 1, 50), 0);      /* twice the same is nothing new */
    assert_int_equal(admit_session_peer(admit, 50), 1);
    assert_int_equal(admit_peer_session(admit, 1), 50);

    /* The session comes back on another connection, before the old one is gone. */
    assert_int_equal(admit_bind(admit, 2, 50), 1);
    assert_int_equal(admit_session_peer(admit, 50), 2);
    assert_int_equal(admit_peer_session(admit, 1), 0);
    assert_true(admit_peer_gone(admit, 1, &session));
    assert_int_equal(session, 0);
    assert_int_equal(admit_session_peer(admit, 50), 2);

    /* The core ends it: the connection may begin another. */
    assert_int_equal(admit_session_ended(admit, 50), 2);
    assert_int_equal(admit_session_ended(admit, 50), 0);
    assert_int_equal(admit_check(admit, 0, 2, MSG_TYPE_BEAT, 16, &from, NULL), MUSTER_ERR_SESSION);
    assert_int_equal(admit_check(admit, 0, 2, MSG_TYPE_HELLO, 16, &from, NULL), MUSTER_OK);
    assert_int_equal(admit_bind(admit, 2, 51), 0);
    assert_true(admit_peer_gone(admit, 2, &session));
    assert_int_equal(session, 51);
    assert_int_equal(admit_session_peer(admit, 51), 0);
    assert_false(admit_peer_gone(admit, 2, &session));
    admit_free(admit);
}

static void
test_peers(void **state)
{
    struct admit         *admit = admit_made(0, 0);
    struct admit_who      nobody = { ROLE_NONE, "manager", "dddd", "", NULL };
    struct admit_from     from;
    struct admit_counters counters;
    uint64_t              session;

    (void)state;
    assert_int_equal(admit_peer_open(admit, 4, &people[2], NULL), MUSTER_ERR_FULL);
    assert_false(admit_peer_known(admit, 4));
    assert_true(admit_peer_gone(admit, 3, &session));
    assert_int_equal(admit_peer_open(admit, 4, &nobody, NULL), MUSTER_ERR_DENIED);
    assert_int_equal(admit_peer_open(admit, 4, &people[2], NULL), MUSTER_OK);
    assert_true(admit_peer_who(admit, 4, &from));
    assert_true(slice_equals_text(from.fingerprint, "bbbb"));
    assert_false(admit_peer_who(admit, 3, &from));
    admit_count(admit, &counters);
    assert_int_equal(counters.peers, 3);
    assert_int_equal(counters.sessions, 0);
    admit_free(admit);
}

static void
test_bad(void **state)
{
    struct admit         *admit = admit_made(0, 0);
    struct admit_counters counters;

    (void)state;
    for (int i = 1; i < BAD_MESSAGES_MAX; i++)
        assert_false(admit_bad(admit, 2));
    assert_false(admit_bad(admit, 3));                  /* each peer has its own count */
    assert_true(admit_bad(admit, 2));
    assert_true(admit_bad(admit, 2));
    assert_false(admit_bad(admit, 9));
    admit_count(admit, &counters);
    assert_int_equal(counters.cut, 1);
    assert_int_equal(counters.bad, BAD_MESSAGES_MAX + 2);
    admit_free(admit);
}

/* ---- budgets ---- */

struct budget_case {
    const char *story;
    uint64_t    peer;
    uint32_t    messages_per_s;
    uint32_t    bytes_per_s;
    unsigned    before;        /* messages at t = 0 that pass */
    size_t      bytes;         /* of each */
    uint64_t    then_ms;       /* one more at this time ... */
    muster_err  err;           /* ... is answered so */
    uint32_t    retry_ms;
};

static const struct budget_case budgets[] = {
    { "a burst of a second", 2, 10, 0, 10, 16, 0, MUSTER_ERR_BUSY, 100 },
    { "a part of the wait is not enough", 2, 10, 0, 10, 16, 60, MUSTER_ERR_BUSY, 40 },
    { "the wait that was told is enough", 2, 10, 0, 10, 16, 100, MUSTER_OK, 0 },
    { "bytes count, too", 2, 0, 1000, 2, 500, 0, MUSTER_ERR_BUSY, 500 },
    { "and come back", 2, 0, 1000, 2, 500, 500, MUSTER_OK, 0 },
    { "more than a second's worth passes a full budget", 2, 0, 100, 1, 5000, 1000, MUSTER_OK, 0 },
    { "but not an empty one", 2, 0, 100, 1, 5000, 999, MUSTER_ERR_BUSY, 1 },
    { "a long pause gives no more than a second's worth", 2, 10, 0, 10, 16, 1000000, MUSTER_OK, 0 },
    { "an admin has one, too", 3, 1, 0, 1, 16, 0, MUSTER_ERR_BUSY, 1000 },
    { "results are never held back", 1, 1, 1, 100, 5000, 0, MUSTER_OK, 0 },
    { "the default is out of the way", 2, 0, 0, 1000, 65536, 0, MUSTER_OK, 0 },
};

static void
test_budget(void **state)
{
    const struct budget_case *c = *state;
    struct admit             *admit = admit_made(c->messages_per_s, c->bytes_per_s);
    struct admit_from         from;

    assert_int_equal(admit_bind(admit, c->peer, 50), 0);
    for (unsigned i = 0; i < c->before; i++)
        assert_int_equal(admit_check(admit, 0, c->peer, MSG_TYPE_BEAT, c->bytes, &from, NULL),
                         MUSTER_OK);
    assert_int_equal(admit_check(admit, c->then_ms, c->peer, MSG_TYPE_BEAT, c->bytes, &from, NULL),
                     c->err);
    assert_false(admit_is_bad(c->err));
    if (c->err != MUSTER_OK)
        assert_int_equal(admit_retry_ms(admit, c->peer), c->retry_ms);
    admit_free(admit);
}

struct work_case {
    const char *story;
    uint64_t    peer;
    uint64_t    work;          /* made at t = 0 */
    uint64_t    then_ms;       /* this message at this time ... */
    uint16_t    type;
    muster_err  err;           /* ... is answered so */
    uint32_t    retry_ms;
};

static const struct work_case works[] = {
    { "a second's worth at once", 2, ADMIT_WORK_PER_S, 0, MSG_TYPE_OBJECT_DO, MUSTER_OK, 0 },
    { "more of it waits", 2, 2 * (uint64_t)ADMIT_WORK_PER_S, 0, MSG_TYPE_OBJECT_DO,
      MUSTER_ERR_BUSY, 1001 },
    { "a part of the wait is not enough", 2, 2 * (uint64_t)ADMIT_WORK_PER_S, 600,
      MSG_TYPE_OBJECT_LIST_GET, MUSTER_ERR_BUSY, 401 },
    { "all of it is", 2, 2 * (uint64_t)ADMIT_WORK_PER_S, 1000, MSG_TYPE_OBJECT_DO, MUSTER_OK, 0 },
    { "a debt has an end", 2, UINT64_MAX, 1000 * ADMIT_WORK_OWED_S, MSG_TYPE_OBJECT_DO,
      MUSTER_OK, 0 },
    { "lists are work, too", 2, 2 * (uint64_t)ADMIT_WORK_PER_S, 0, MSG_TYPE_JOB_LIST_GET,
      MUSTER_ERR_BUSY, 1001 },
    { "and why", 2, 2 * (uint64_t)ADMIT_WORK_PER_S, 0, MSG_TYPE_WHY_GET, MUSTER_ERR_BUSY, 1001 },
    { "signs of life pass", 2, UINT64_MAX, 0, MSG_TYPE_BEAT, MUSTER_OK, 0 },
    { "an admin has one, too", 3, UINT64_MAX, 0, MSG_TYPE_OBJECT_OPEN, MUSTER_ERR_BUSY,
      1000 * ADMIT_WORK_OWED_S + 1 },
};

static void
test_work(void **state)
{
    const struct work_case *c = *state;
    struct admit           *admit = admit_made(0, 0);
    struct admit_from       from;

    assert_int_equal(admit_bind(admit, c->peer, 50), 0);
    admit_work(admit, c->peer, c->work / 2);
    admit_work(admit, c->peer, c->work - c->work / 2);
    admit_work(admit, 99, c->work);                     /* nobody */
    assert_int_equal(admit_check(admit, c->then_ms, c->peer, c->type, 16, &from, NULL), c->err);
    if (c->err != MUSTER_OK)
        assert_int_equal(admit_retry_ms(admit, c->peer), c->retry_ms);
    admit_free(admit);
}

/* A debt is the user's, over whatever connections, and outlives them. */
static void
test_work_of_user(void **state)
{
    struct admit_config config = { .peers_max = 9 };
    struct admit       *admit = admit_new(&config);
    struct admit_who    fleet = { ROLE_WORKER, "ann", "eeee", "", NULL };
    struct admit_from   from;
    uint64_t            session;

    (void)state;
    for (uint64_t peer = 1; peer <= 4; peer++) {
        const struct admit_who *who = peer == 3 ? &people[3] : peer == 4 ? &fleet : &people[2];

        assert_int_equal(admit_peer_open(admit, peer, who, NULL), MUSTER_OK);
        assert_int_equal(admit_bind(admit, peer, 50 + peer), 0);
    }
    admit_work(admit, 4, UINT64_MAX);                   /* workers owe nothing */
    assert_int_equal(admit_check(admit, 0, 2, MSG_TYPE_OBJECT_DO, 16, &from, NULL), MUSTER_OK);
    admit_work(admit, 1, 3 * (uint64_t)ADMIT_WORK_PER_S);
    assert_int_equal(admit_check(admit, 0, 2, MSG_TYPE_OBJECT_DO, 16, &from, NULL),
                     MUSTER_ERR_BUSY);
    assert_int_equal(admit_retry_ms(admit, 2), 2001);
    assert_int_equal(admit_check(admit, 0, 3, MSG_TYPE_OBJECT_DO, 16, &from, NULL), MUSTER_OK);
    assert_true(admit_peer_gone(admit, 1, &session));
    assert_true(admit_peer_gone(admit, 2, &session));
    assert_int_equal(admit_peer_open(admit, 7, &people[2], NULL), MUSTER_OK);
    assert_int_equal(admit_bind(admit, 7, 57), 0);
    assert_int_equal(admit_check(admit, 1000, 7, MSG_TYPE_OBJECT_DO, 16, &from, NULL),
                     MUSTER_ERR_BUSY);
    assert_int_equal(admit_retry_ms(admit, 7), 1001);
    assert_int_equal(admit_check(admit, 2001, 7, MSG_TYPE_OBJECT_DO, 16, &from, NULL), MUSTER_OK);
    admit_free(admit);
}

int
main(void)
{
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_every_type),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_work_of_user),
        cmocka_unit_test(test_bad),
    };
    int failed;

    failed = STORIES("who may send what", types, test_type);
    failed += STORIES("whose program it is", hellos, test_hello);
    failed += STORIES("which queues a worker may serve", joins, test_join);
    failed += STORIES("how much at once", budgets, test_budget);
    failed += STORIES("how much work", works, test_work);
    failed += cmocka_run_group_tests_name("peers and sessions", others, NULL, NULL);
    return failed;
}
