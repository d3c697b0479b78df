/* test_lent.c - keys of tasks: whose they are, how long they are good, what ends with them
 *
 * Method: a worker holds task 0 of a job that asked for keys, and task 0 of one that
 * did not.  Keys are shown, sessions opened with them, leases ended in every way; each
 * turn is replayed into a second core, and a restart reads the facts or the objects.
 */
#include "world.h"

struct scene {
    struct world     *world;
    uint64_t          ann, worker, keyed, plain;     /* sessions, jobs */
    struct wire_token token, other;                  /* of keyed, of plain */
};

static const uint8_t key_a[KEY_PUBLIC_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static const uint8_t key_b[KEY_PUBLIC_BYTES] = { 8, 7, 6, 5, 4, 3, 2, 1 };
/* Another that begins as key_a does. */
static const uint8_t key_like_a[KEY_PUBLIC_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 10 };
static const uint8_t key_zero[KEY_PUBLIC_BYTES];

static void
scene_make(struct scene *scene)
{
    struct world         *world = world_new();
    struct msg_job_submit job;
    struct wire_token     tokens[4];
    union wire_any        m;
    uint32_t              count;

    *scene = (struct scene){ .world = world };
    scene->ann = world_client(world, "ann");
    scene->worker = world_worker(world, "node1", 2, 0);
    job = world_job(world, 1, 1);
    job.attempts_max = 3;
    world_submit_spec(world, scene->ann, "ann", &job, (struct wire_spec){ .own_key = 1 });
    world_expect(world, JOB_SUBMITTED, &m);
    scene->keyed = m.job_submitted.job;
    job = world_job(world, 2, 1);
    scene->plain = world_submitted(world, scene->ann, "ann", &job);
    world_turn(world, 1);
    count = world_leases(world, tokens, NULL, 4);
    assert_int_equal(count, 2);
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i].job == scene->keyed)
            scene->token = tokens[i];
        else
            scene->other = tokens[i];
    }
    world_next(world);
}

static void
key_say(const struct scene *scene, struct wire_token token, const uint8_t *key, size_t bytes)
{
    union wire_any m = { .task_key = { .token = token, .key = slice_of(key, bytes) } };

    world_step(scene->world, 0, scene->worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_KEY, &m);
}

/* The next effect about a key. */
static void
key_expect(const struct world *world, uint32_t at, bool valid, const uint8_t *key)
{
    const struct effect_key *told = &world->fx.keys[at];

    assert_true(at < world->fx.key_count);
    assert_int_equal(told->valid, valid);
    assert_memory_equal(told->key, key, KEY_PUBLIC_BYTES);
    assert_string_equal(told->user, "ann");
    assert_string_equal(told->address, "10.0.0.1");
}

static void
key_lend(const struct scene *scene)
{
    key_say(scene, scene->token, key_a, KEY_PUBLIC_BYTES);
    world_expect_ack(scene->world);
    world_turn(scene->world, 0);
    key_expect(scene->world, 0, true, key_a);
    assert_int_equal(scene->world->fx.key_count, 1);
    world_next(scene->world);
}

/* HELLO of a connection that proved this key of a task; 0: refused. */
static uint64_t
key_hello_from(struct world *world, struct core_from from, const uint8_t *key, uint64_t session)
{
    union wire_any m = { .hello = { .version_min = 1, .version_max = 1, .session = session,
                                    .secret = 77, .host = slice_text("host"), .pid = 9 } };

    from.address = slice_text("10.0.0.1");
    from.key = slice_of(key, KEY_PUBLIC_BYTES);
    core_step(world->core, world->now_ms, &from, ++world->request, MSG_TYPE_HELLO, &m,
              &world->fx);
    return world->fx.opened;
}

static uint64_t
key_hello(struct world *world, const uint8_t *key, uint64_t session)
{
    struct core_from from = { .role = ROLE_CLIENT, .user = slice_text("ann") };

    return key_hello_from(world, from, key, session);
}

static uint64_t
key_session(struct world *world, const uint8_t *key)
{
    uint64_t       session = key_hello(world, key, 0);
    union wire_any m;

    world_expect(world, WELCOME, &m);
    assert_int_equal(m.welcome.session, session);
    assert_true(slice_equals_text(m.welcome.user, "ann"));
    world_turn(world, 0);
    world_next(world);
    return session;
}

/* ---- TASK_KEY ---- */

struct said {
    const char    *story;
    bool           plain;           /* for the task of the job that did not ask */
    bool           stale;           /* with a token of another attempt */
    bool           twice;           /* key_a was taken for this task before */
    const uint8_t *key;
    size_t         bytes;
    muster_err     answer;
    bool           new_key;
};

static const struct said said[] = {
    { "a key for a task that asked for one", false, false, false, key_a, 32, MUSTER_OK, true },
    { "the same key again", false, false, true, key_a, 32, MUSTER_OK, false },
    { "another key for a task that has one", false, false, true, key_b, 32, MUSTER_ERR_CONFLICT,
      false },
    { "a key for a task whose job did not ask", true, false, false, key_a, 32, MUSTER_ERR_DENIED,
      false },
    { "a token of an earlier attempt", false, true, false, key_a, 32, MUSTER_ERR_STALE, false },
    { "31 bytes", false, false, false, key_a, 31, MUSTER_ERR_INVALID, false },
    { "no bytes", false, false, false, key_a, 0, MUSTER_ERR_INVALID, false },
    { "zeros", false, false, false, key_zero, 32, MUSTER_ERR_INVALID, false },
};

static void
run_said(void **state)
{
    const struct said *row = *state;
    struct scene       scene;
    struct wire_token  token;

    scene_make(&scene);
    if (row->twice)
        key_lend(&scene);
    token = row->plain ? scene.other : scene.token;
    token.attempt += row->stale;
    key_say(&scene, token, row->key, row->bytes);
    if (row->answer)
        world_expect_error(scene.world, row->answer);
    else
        world_expect_ack(scene.world);
    assert_int_equal(scene.world->fx.key_count, row->new_key);
    if (!row->new_key)
        assert_int_equal(scene.world->fx.facts.bytes, 0);
    world_quiet(scene.world);
    world_turn(scene.world, 1);
    world_free(scene.world);
}

static void
key_of_another_task(void **state)
{
    struct scene          scene;
    struct msg_job_submit job;
    struct wire_token     token;
    union wire_any        m;
    uint64_t              second;

    (void)state;
    scene_make(&scene);
    key_lend(&scene);
    second = world_worker(scene.world, "node2", 1, 0);
    job = world_job(scene.world, 3, 1);
    world_submit_spec(scene.world, scene.ann, "ann", &job, (struct wire_spec){ .own_key = 1 });
    world_expect(scene.world, JOB_SUBMITTED, &m);
    world_turn(scene.world, 1);
    assert_int_equal(world_leases(scene.world, &token, NULL, 1), 1);
    world_next(scene.world);
    scene.worker = second;
    key_say(&scene, token, key_a, KEY_PUBLIC_BYTES);
    world_expect_error(scene.world, MUSTER_ERR_CONFLICT);
    key_say(&scene, token, key_like_a, KEY_PUBLIC_BYTES);
    world_expect_error(scene.world, MUSTER_ERR_CONFLICT);
    key_say(&scene, scene.token, key_b, KEY_PUBLIC_BYTES);     /* not this worker's lease */
    world_expect_error(scene.world, MUSTER_ERR_STALE);
    key_say(&scene, token, key_b, KEY_PUBLIC_BYTES);
    world_expect_ack(scene.world);
    world_turn(scene.world, 1);
    world_free(scene.world);
}

/* ---- sessions ---- */

static void
only_this_key_resumes(void **state)
{
    struct scene   scene;
    uint64_t       session, own;
    union wire_any m;

    (void)state;
    scene_make(&scene);
    key_lend(&scene);
    session = key_session(scene.world, key_a);
    own = world_hello(scene.world, ROLE_CLIENT, "ann", session, 77);
    assert_int_equal(own, 0);
    world_expect_error(scene.world, MUSTER_ERR_SESSION);
    assert_int_equal(key_hello(scene.world, key_a, scene.ann), 0);
    world_expect_error(scene.world, MUSTER_ERR_SESSION);
    assert_int_equal(key_hello(scene.world, key_a, session), session);
    world_expect(scene.world, WELCOME, &m);
    assert_int_equal(m.welcome.resumed, 1);
    world_turn(scene.world, 1);
    world_free(scene.world);
}

static void
unknown_key_is_told(void **state)
{
    struct scene scene;

    (void)state;
    scene_make(&scene);
    key_lend(&scene);
    assert_int_equal(key_hello(scene.world, key_b, 0), 0);
    world_expect_error(scene.world, MUSTER_ERR_AUTH);
    assert_int_equal(key_hello(scene.world, key_like_a, 0), 0);
    world_expect_error(scene.world, MUSTER_ERR_AUTH);
    world_quiet(scene.world);
    world_turn(scene.world, 1);
    world_free(scene.world);
}

/* A connection outlives what its key was made for: with the same key, lent for a task of
 * somebody else meanwhile, it is still the one that it was let in as. */
static void
connection_of_another(void **state)
{
    static const struct core_from others[] = {
        { .role = ROLE_CLIENT, .user = { "bob", 3 } },
        { .role = ROLE_ADMIN, .user = { "ann", 3 } },
        { .role = ROLE_WORKER, .user = { "ann", 3 } },
    };
    struct scene scene;

    (void)state;
    scene_make(&scene);
    key_lend(&scene);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(key_hello_from(scene.world, others[i], key_a, 0), 0);
        world_expect_error(scene.world, MUSTER_ERR_AUTH);
    }
    world_quiet(scene.world);
    world_turn(scene.world, 1);
    world_free(scene.world);
}

/* ---- the end of a lease ---- */

enum ending { END_SUCCEEDED, END_RETRIED, END_RETURNED, END_LOST, END_GOODBYE, END_NOT_HELD,
              END_CANCELLED };

struct end {
    const char *story;
    enum ending how;
    bool        away;               /* the task's connection is down meanwhile */
};

static const struct end ends[] = {
    { "the task succeeded", END_SUCCEEDED, false },
    { "the task succeeded, its session was away", END_SUCCEEDED, true },
    { "the task failed and is tried again", END_RETRIED, false },
    { "the lease was given back", END_RETURNED, false },
    { "the worker was lost", END_LOST, false },
    { "the worker said GOODBYE", END_GOODBYE, false },
    { "the worker came back without it", END_NOT_HELD, false },
    { "the job was cancelled", END_CANCELLED, false },
};

static void
end_lease(const struct scene *scene, enum ending how)
{
    struct world  *world = scene->world;
    union wire_any m = { 0 };

    switch (how) {
    case END_SUCCEEDED:
        world_finish(world, scene->worker, scene->token, OUTCOME_SUCCEEDED, 1);
        break;
    case END_RETRIED:
        world_finish(world, scene->worker, scene->token, OUTCOME_EXITED, 1);
        break;
    case END_RETURNED:
        m.task_return = (struct msg_task_return){ .token = scene->token };
        world_step(world, 0, scene->worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_RETURN, &m);
        break;
    case END_LOST:
        core_expel(world->core, world->now_ms, scene->worker, MUSTER_ERR_AUTH, &world->fx);
        break;
    case END_GOODBYE:
        world_step(world, 0, scene->worker, ROLE_WORKER, "fleet", MSG_TYPE_GOODBYE, &m);
        break;
    case END_NOT_HELD:
        core_away(world->core, world->now_ms, scene->worker);
        world_hello(world, ROLE_WORKER, "fleet", scene->worker, 43);
        world_join(world, scene->worker, &(struct world_join){ .name = "node1",
                                                               .cpus_milli = 2000 });
        break;
    case END_CANCELLED:
        m.job_cancel = (struct msg_job_cancel){ .job = scene->keyed };
        world_step(world, 0, scene->ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_CANCEL, &m);
        world_finish(world, scene->worker, scene->token, OUTCOME_CANCELLED, 1);
        break;
    }
}

static void
run_end(void **state)
{
    const struct end *row = *state;
    struct scene      scene;
    struct world     *world;
    union wire_any    m;
    uint64_t          first, second, to;
    uint32_t          told = 0, ended = 0, keys_gone = 0;
    uint16_t          type;

    scene_make(&scene);
    world = scene.world;
    key_lend(&scene);
    first = key_session(world, key_a);
    second = key_session(world, key_a);
    if (row->away)
        core_away(world->core, world->now_ms, first);
    end_lease(&scene, row->how);
    while ((type = world_take(world, &to, &m)) != 0)
        told += type == MSG_TYPE_ERROR && m.error.code == MUSTER_ERR_AUTH &&
                (to == first || to == second);
    for (uint32_t i = 0; i < world->fx.ended_count; i++)
        ended += world->fx.ended[i] == first || world->fx.ended[i] == second;
    for (uint32_t i = 0; i < world->fx.key_count; i++)
        keys_gone += !world->fx.keys[i].valid;
    assert_int_equal(told, 2);
    assert_int_equal(ended, 2);
    assert_int_equal(keys_gone, 1);
    key_expect(world, 0, false, key_a);
    assert_int_equal(key_hello(world, key_a, 0), 0);
    world_expect_error(world, MUSTER_ERR_AUTH);
    world_turn(world, 1);
    world_free(world);
}

/* What the task's session bound to itself ends with it, and what others did stays. */
static void
bound_jobs_end(void **state)
{
    struct scene          scene;
    struct msg_job_submit job;
    uint64_t              session, child;

    (void)state;
    scene_make(&scene);
    key_lend(&scene);
    session = key_session(scene.world, key_a);
    job = world_job(scene.world, 9, 1);
    job.session_bound = 1;
    job.delay_ms = 1000000;
    child = world_submitted(scene.world, session, "ann", &job);
    world_turn(scene.world, 1);
    world_next(scene.world);
    world_finish(scene.world, scene.worker, scene.token, OUTCOME_SUCCEEDED, 1);
    world_turn(scene.world, 1);
    world_next(scene.world);
    assert_int_equal(world_info(scene.world, scene.ann, "ann", child).state, JOB_CANCELLED);
    world_turn(scene.world, 1);
    world_free(scene.world);
}

/* ---- restart ---- */

/* From the facts, or from objects alone: the key and its session are there, and end. */
static void
restart_with(bool objects)
{
    struct scene         scene;
    struct world_objects loaded = { 0 };
    struct world        *world;
    union wire_any       m;
    uint64_t             session, digest;

    scene_make(&scene);
    world = scene.world;
    key_lend(&scene);
    session = key_session(world, key_a);
    digest = core_digest(world->core);
    loaded.core = core_new(&world->config);
    if (objects) {
        core_checkpoint(world->core, world_object_load, &loaded);
        assert_int_equal(core_replay(loaded.core, slice_of(NULL, 0)), MUSTER_OK);
    } else {
        assert_int_equal(core_replay(loaded.core, buffer_slice(&world->log)), MUSTER_OK);
    }
    assert_true(core_digest(loaded.core) == digest);
    core_free(world->core);
    world->core = loaded.core;
    core_start(world->core, world->now_ms, world_unix(world), &world->fx);
    key_expect(world, 0, true, key_a);
    assert_int_equal(world->fx.key_count, 1);
    world_turn(world, 0);
    world_next(world);
    assert_int_equal(key_hello(world, key_a, session), session);
    world_expect(world, WELCOME, &m);
    assert_int_equal(m.welcome.resumed, 1);
    world_turn(world, LEASE_MS + 1);
    key_expect(world, 0, false, key_a);
    world_next(world);
    assert_int_equal(key_hello(world, key_a, session), 0);
    world_turn(world, 0);
    world_free(world);
}

static void
restart_from_facts(void **state)
{
    (void)state;
    restart_with(false);
}

static void
restart_from_objects(void **state)
{
    (void)state;
    restart_with(true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_of_another_task), cmocka_unit_test(only_this_key_resumes),
        cmocka_unit_test(unknown_key_is_told), cmocka_unit_test(bound_jobs_end),
        cmocka_unit_test(connection_of_another),
        cmocka_unit_test(restart_from_facts),  cmocka_unit_test(restart_from_objects),
    };
    int failed = STORIES("TASK_KEY", said, run_said);

    failed += STORIES("the end of a lease", ends, run_end);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
