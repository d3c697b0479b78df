/* test_result.c - long polls, single results, outputs, and who may see them */
#include "world.h"

struct poll_case {
    const char *story;
    uint64_t    cursor;
    uint32_t    wait_ms;
    uint32_t    finishes;          /* of 2 tasks, before the question */
    bool        finish_later;      /* one more, in the next turn */
    uint32_t    answered;          /* in which turn: 1 = at once, 2, 3 = when due */
    uint32_t    blocks;
    bool        ended;
};

static const struct poll_case poll_cases[] = {
    { "there is something",             0, 1000, 1, false, 1, 1, false },
    { "there is all",                   0, 1000, 2, false, 1, 2, true },
    { "the rest",                       1, 1000, 2, false, 1, 1, true },
    { "all was read",                   2, 1000, 2, false, 1, 0, true },
    { "beyond the end",                99, 1000, 2, false, 1, 0, true },
    { "nothing yet, then something",    0, 1000, 0, true,  2, 1, false },
    { "nothing new, then something",    1, 1000, 1, true,  2, 1, true },
    { "nothing in time",                0, 1000, 0, false, 3, 0, false },
    { "nothing, not waiting",           0, 0,    0, false, 1, 0, false },
};

struct result_world {
    struct world     *world;
    uint64_t          ann, worker, job;
    struct wire_token tokens[2];
};

static struct result_world
result_prepare(void)
{
    struct result_world   rw = { .world = world_new() };
    struct msg_job_submit job = world_job(rw.world, 1, 2);

    rw.ann = world_client(rw.world, "ann");
    rw.worker = world_worker(rw.world, "node1", 2, 0);
    rw.job = world_submitted(rw.world, rw.ann, "ann", &job);
    world_turn(rw.world, 1);
    assert_int_equal(world_leases(rw.world, rw.tokens, NULL, 2), 2);
    world_next(rw.world);
    return rw;
}

static void
poll_story(void **state)
{
    const struct poll_case *row = *state;
    struct result_world     rw = result_prepare();
    struct world           *world = rw.world;
    union wire_any          m = { .results_get = { .job = rw.job, .cursor = row->cursor,
                                                   .wait_ms = row->wait_ms } };
    uint32_t                turn = 1;

    for (uint32_t i = 0; i < row->finishes; i++) {
        world_finish(world, rw.worker, rw.tokens[i], OUTCOME_SUCCEEDED, 50000);
        world_expect_ack(world);
        world_turn(world, 1);
        world_next(world);
    }
    world_step(world, 0, rw.ann, ROLE_CLIENT, "ann", MSG_TYPE_RESULTS_GET, &m);
    world_turn(world, 0);
    while (turn < row->answered) {
        world_quiet(world);
        world_next(world);
        turn++;
        if (turn == 2 && row->finish_later) {
            world_finish(world, rw.worker, rw.tokens[row->finishes], OUTCOME_SUCCEEDED, 50000);
            world_expect_ack(world);
        }
        world_turn(world, turn == 3 ? core_wake_ms(world->core) - world->now_ms : 1);
    }
    assert_int_equal(world->fx.results_count, 1);
    assert_int_equal(world->fx.results[0].session, rw.ann);
    assert_int_equal(world->fx.results[0].cursor, row->cursor);
    assert_int_equal(world->fx.results[0].blocks, row->blocks);
    assert_int_equal(world->fx.results[0].ended, row->ended);
    world->fx.results_count = 0;
    world_quiet(world);
    world_free(world);
}

/* ---- one request in the same words from different people ---- */

struct ask_case {
    const char    *story;
    enum wire_role role;
    const char    *user;
    uint64_t       job;
    uint32_t       index;
    bool           finished;
    muster_err     answer;
};

static const struct ask_case ask_cases[] = {
    { "the owner",            ROLE_CLIENT, "ann", 1, 0, true,  MUSTER_OK },
    { "the owner, too early", ROLE_CLIENT, "ann", 1, 0, false, MUSTER_ERR_STATE },
    { "no such task",         ROLE_CLIENT, "ann", 1, 2, true,  MUSTER_ERR_NOT_FOUND },
    { "no such job",          ROLE_CLIENT, "ann", 9, 0, true,  MUSTER_ERR_NOT_FOUND },
    { "someone else",         ROLE_CLIENT, "bob", 1, 0, true,  MUSTER_ERR_NOT_FOUND },
    { "an admin",             ROLE_ADMIN,  "eve", 1, 0, true,  MUSTER_OK },
};

static void
ask_story(void **state)
{
    const struct ask_case *row = *state;
    struct result_world    rw = result_prepare();
    struct world          *world = rw.world;
    uint64_t               session = world_hello(world, row->role, row->user, 0, 5);
    union wire_any         m;

    world_expect(world, WELCOME, &m);
    if (row->finished) {
        world_finish(world, rw.worker, rw.tokens[0], OUTCOME_SUCCEEDED, 50000);
        world_expect_ack(world);
    }
    world_turn(world, 1);
    world_next(world);
    m.result_get = (struct msg_result_get){ row->job, row->index };
    world_step(world, 0, session, row->role, row->user, MSG_TYPE_RESULT_GET, &m);
    if (row->answer == MUSTER_OK) {
        assert_int_equal(world->fx.results_count, 1);
        assert_true(world->fx.results[0].one);
        assert_int_equal(world->fx.results[0].blocks, 1);
        world->fx.results_count = 0;
    } else {
        world_expect_error(world, row->answer);
    }
    world_quiet(world);
    world_free(world);
}

/* ---- output beyond the inline part ---- */

struct output_case {
    const char *story;
    uint32_t    chunk_at[2], chunk_bytes[2];     /* sent before FINISH */
    muster_err  answers[2];
    uint32_t    inlined;                         /* bytes in FINISH */
    uint64_t    offset;                          /* asked for */
    bool        body;                            /* answered from a chunk */
    uint64_t    skip, total;
};

static const struct output_case output_cases[] = {
    { "from a chunk",
      { 4, 9 }, { 5, 5 }, { 0, 0 }, 4, 10, true, 1, 14 },
    { "from its beginning",
      { 4, 9 }, { 5, 5 }, { 0, 0 }, 4, 4, true, 0, 14 },
    { "from the inline part",
      { 4, 9 }, { 5, 5 }, { 0, 0 }, 4, 3, false, 0, 0 },
    { "a chunk that came twice",
      { 4, 4 }, { 5, 5 }, { 0, 0 }, 4, 8, true, 4, 9 },
    { "a gap between chunks",
      { 4, 10 }, { 5, 5 }, { 0, MUSTER_ERR_INVALID }, 4, 8, true, 4, 9 },
    { "a gap behind the inline part: chunks are dropped",
      { 6, 11 }, { 5, 5 }, { 0, 0 }, 4, 8, false, 0, 0 },
};

static void
output_story(void **state)
{
    const struct output_case *row = *state;
    struct result_world       rw = result_prepare();
    struct world             *world = rw.world;
    union wire_any            m;

    for (uint32_t i = 0; i < 2; i++) {
        m.result_chunk = (struct msg_result_chunk){ rw.tokens[0], 0, row->chunk_at[i],
                                                    slice_of("abcdefgh", row->chunk_bytes[i]) };
        world_step(world, 0, rw.worker, ROLE_WORKER, "fleet", MSG_TYPE_RESULT_CHUNK, &m);
        if (row->answers[i])
            world_expect_error(world, row->answers[i]);
        else
            world_expect_ack(world);
    }
    m.task_finish = (struct msg_task_finish){ .token = rw.tokens[0] };
    m.task_finish.result.out = slice_of("ABCDEFGH", row->inlined);
    world_step(world, 0, rw.worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_FINISH, &m);
    world_expect_ack(world);
    world_turn(world, 1);
    world_next(world);
    m.output_get = (struct msg_output_get){ rw.job, 0, 0, row->offset };
    world_step(world, 0, rw.ann, ROLE_CLIENT, "ann", MSG_TYPE_OUTPUT_GET, &m);
    if (row->body) {
        assert_int_equal(world->fx.get_count, 1);
        assert_int_equal(world->fx.gets[0].skip, row->skip);
        assert_int_equal(world->fx.gets[0].total, row->total);
        world->fx.get_count = 0;
    } else {
        assert_int_equal(world->fx.results_count, 1);
        assert_true(world->fx.results[0].output);
        world->fx.results_count = 0;
    }
    world_quiet(world);
    world_free(world);
}

/* ---- live output ---- */

static void
follow(void **state)
{
    struct result_world rw = result_prepare();
    struct world       *world = rw.world;
    union wire_any      m = { .output_follow = { rw.job, 0, 1 } };
    uint64_t            session;

    (void)state;
    world_step(world, 0, rw.ann, ROLE_CLIENT, "ann", MSG_TYPE_OUTPUT_FOLLOW, &m);
    world_expect(world, TASK_WATCH, &m);
    assert_int_equal(m.task_watch.on, 1);
    assert_int_equal(world_expect_ack(world), 1);
    m.task_output = (struct msg_task_output){ rw.tokens[0], 1, 0, slice_text("hello") };
    world_step(world, 0, rw.worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_OUTPUT, &m);
    assert_int_equal(world_take(world, &session, &m), MSG_TYPE_TASK_OUTPUT);
    assert_int_equal(session, rw.ann);
    assert_true(slice_equals_text(m.task_output.data, "hello"));
    m.task_output = (struct msg_task_output){ rw.tokens[1], 1, 0, slice_text("other") };
    world_step(world, 0, rw.worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_OUTPUT, &m);
    world_quiet(world);
    world_finish(world, rw.worker, rw.tokens[0], OUTCOME_SUCCEEDED, 50000);
    world_expect(world, TASK_OUTPUT, &m);
    assert_int_equal(m.task_output.data.bytes, 0);
    world_expect_ack(world);
    world_free(world);
}

/* Tasks that are not there yet may be followed, but not any number of them. */
static void
follow_limit(void **state)
{
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann");
    struct msg_job_submit job = world_job(world, 1, 0);
    uint64_t              id = world_submitted(world, ann, "ann", &job);
    union wire_any        m;

    (void)state;
    for (uint32_t i = 0; i <= world_config.polls_per_session_max; i++) {
        m.output_follow = (struct msg_output_follow){ id, 1000 + i, 1 };
        world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_OUTPUT_FOLLOW, &m);
        if (i < world_config.polls_per_session_max)
            assert_int_equal(world_expect_ack(world), 0);
        else
            world_expect_error(world, MUSTER_ERR_FULL);
    }
    m.output_follow = (struct msg_output_follow){ id, 1000, 1 };    /* a repeat */
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_OUTPUT_FOLLOW, &m);
    assert_int_equal(world_expect_ack(world), 0);
    m.output_follow.on = 0;
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_OUTPUT_FOLLOW, &m);
    assert_int_equal(world_expect_ack(world), 0);
    m.output_follow = (struct msg_output_follow){ id, 99, 1 };
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_OUTPUT_FOLLOW, &m);
    assert_int_equal(world_expect_ack(world), 0);
    world_free(world);
}

/* ---- a worker that sends output without end ---- */

static void
send_chunk(struct result_world *rw, struct wire_token token, uint32_t offset)
{
    union wire_any m = { .result_chunk = { token, 0, offset, slice_text("x") } };

    world_step(rw->world, 0, rw->worker, ROLE_WORKER, "fleet", MSG_TYPE_RESULT_CHUNK, &m);
}

static void
chunk_limit(void **state)
{
    struct result_world rw = result_prepare();

    (void)state;
    for (uint32_t i = 0; i < 32768; i++) {
        send_chunk(&rw, rw.tokens[0], i);
        assert_int_equal(world_expect_ack(rw.world), i + 1);
    }
    send_chunk(&rw, rw.tokens[0], 32768);
    world_expect_error(rw.world, MUSTER_ERR_TOO_LARGE);
    send_chunk(&rw, rw.tokens[1], 0);
    world_expect_ack(rw.world);
    world_turn(rw.world, 1);
    world_free(rw.world);
}

/* Giving back a task that wrote output counts: LOST_ATTEMPTS_DEFAULT times. */
static void
chunk_return(void **state)
{
    struct result_world rw = result_prepare();
    struct wire_token   token = rw.tokens[0];
    union wire_any      m;
    uint32_t            times = 0;

    (void)state;
    for (; times < 10; times++) {
        send_chunk(&rw, token, 0);
        world_expect_ack(rw.world);
        m.task_return = (struct msg_task_return){ token, RETURN_DRAINING, { NULL, 0 } };
        world_step(rw.world, 0, rw.worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_RETURN, &m);
        world_expect_ack(rw.world);
        m.worker_drain.draining = 0;
        world_step(rw.world, 0, rw.worker, ROLE_WORKER, "fleet", MSG_TYPE_WORKER_DRAIN, &m);
        world_expect_ack(rw.world);
        world_turn(rw.world, 1);
        if (world_leases(rw.world, &token, NULL, 1) == 0)
            break;
        world_next(rw.world);
    }
    assert_int_equal(times + 1, LOST_ATTEMPTS_DEFAULT);
    assert_int_equal(world_info(rw.world, rw.ann, "ann", rw.job).counts.failed, 1);
    world_free(rw.world);
}

/* ---- standard input is for those who may run the job ---- */

static void
foreign_stdin(void **state)
{
    static const uint8_t  bytes[STDIN_INLINE_BYTES_MAX + 1];
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann");
    uint64_t              mine = world_worker(world, "node1", 1, 0);
    uint64_t              other = world_hello(world, ROLE_WORKER, "fleet", 0, 44);
    struct msg_job_submit job = world_job(world, 1, 1);
    union wire_any        m;

    (void)state;
    world_expect(world, WELCOME, &m);
    world_join(world, other, &(struct world_join){ .name = "node2", .cpus_milli = 1000,
                                                   .queue = "other" });
    world_expect(world, WORKER_JOINED, &m);
    world_submit_spec(world, ann, "ann", &job, (struct wire_spec){ .stdin_bytes = sizeof(bytes) });
    world_expect(world, JOB_SUBMITTED, &m);
    m.job_stdin = (struct msg_job_stdin){ 1, 0, slice_of(bytes, sizeof(bytes)) };
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_STDIN, &m);
    world_expect_ack(world);
    m.stdin_get = (struct msg_stdin_get){ 1, 5 };
    world_step(world, 0, other, ROLE_WORKER, "fleet", MSG_TYPE_STDIN_GET, &m);
    world_expect_error(world, MUSTER_ERR_NOT_FOUND);
    world_step(world, 0, mine, ROLE_WORKER, "fleet", MSG_TYPE_STDIN_GET, &m);
    assert_int_equal(world->fx.get_count, 1);
    assert_int_equal(world->fx.gets[0].skip, 5);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follow),       cmocka_unit_test(follow_limit),
        cmocka_unit_test(chunk_limit),  cmocka_unit_test(chunk_return),
        cmocka_unit_test(foreign_stdin),
    };
    int                     failed = STORIES("polls", poll_cases, poll_story);

    failed += STORIES("results", ask_cases, ask_story);
    failed += STORIES("outputs", output_cases, output_story);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
