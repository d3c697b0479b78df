/* test_submit.c - which jobs get in
 *
 * Method: job 1 of ann has succeeded, job 2 of ann has failed, job 3 is bob's.
 * Offer one submission, look at the answer, and that a refusal leaves nothing.
 */
#include "world.h"

struct submit_case {
    const char *story;
    uint64_t    key, hash;
    uint32_t    count;
    int32_t     priority;
    uint64_t    after[2];
    uint32_t    after_count;
    const char *queue;
    bool        low;
    muster_err  answer;
    bool        existed;
    uint8_t     state;             /* of the new job */
};

static const struct submit_case submit_cases[] = {
    /* story,
       key hash count prio after n queue low answer existed state */
    { "a counted job",
      10, 5,  3,    0,   { 0 },     0, "",        false, MUSTER_OK,             false, JOB_QUEUED },
    { "a job for items",
      10, 5,  0,    0,   { 0 },     0, "default", false, MUSTER_OK,             false, JOB_QUEUED },
    { "the same again gets the same id",
      1, 5,  1,    0,   { 0 },     0, "",        false, MUSTER_OK, true, JOB_SUCCEEDED },
    { "the same again with a full disk",
      1, 5,  1,    0,   { 0 },     0, "",        true,  MUSTER_OK, true, JOB_SUCCEEDED },
    { "the same key, other content",
      1, 6,  1,    0,   { 0 },     0, "",        false, MUSTER_ERR_CONFLICT,   false, 0 },
    { "the key of another user is no matter",
      3, 6,  1,    0,   { 0 },     0, "",        false, MUSTER_OK,             false, JOB_QUEUED },
    { "no key",
      0, 5,  1,    0,   { 0 },     0, "",        false, MUSTER_ERR_INVALID,    false, 0 },
    { "too important",
      10, 5,  1, 1001,   { 0 },     0, "",        false, MUSTER_ERR_INVALID,    false, 0 },
    { "a queue with a blank",
      10, 5,  1,    0,   { 0 },     0, "a b",     false, MUSTER_ERR_INVALID,    false, 0 },
    { "after one that succeeded",
      10, 5,  1,    0,   { 1 },     1, "",        false, MUSTER_OK,             false, JOB_QUEUED },
    { "after one that failed",
      10, 5,  1,    0,   { 2 },     1, "",        false, MUSTER_OK,             false, JOB_FAILED },
    { "after a foreign one",
      10, 5,  1,    0,   { 3 },     1, "",        false, MUSTER_ERR_NOT_FOUND,  false, 0 },
    { "after none that exists",
      10, 5,  1,    0,   { 99 },    1, "",        false, MUSTER_ERR_NOT_FOUND,  false, 0 },
    { "after the same twice",
      10, 5,  1,    0,   { 1, 1 },  2, "",        false, MUSTER_ERR_INVALID,    false, 0 },
    { "with a full disk",
      10, 5,  1,    0,   { 0 },     0, "",        true,  MUSTER_ERR_NO_SPACE,   false, 0 },
};

static void
submit_prepare(struct world *world, uint64_t ann, uint64_t bob)
{
    uint64_t          worker = world_worker(world, "node1", 2, 0);
    struct wire_token tokens[2];
    struct msg_job_submit job;
    union wire_any    bye = { .goodbye = { 0 } };

    for (uint64_t key = 1; key <= 2; key++) {
        job = world_job(world, key, 1);
        assert_int_equal(world_submitted(world, ann, "ann", &job), key);
    }
    world_turn(world, 1);
    assert_int_equal(world_leases(world, tokens, NULL, 2), 2);
    world_next(world);
    world_finish(world, worker, tokens[0], OUTCOME_SUCCEEDED, 1000);
    world_finish(world, worker, tokens[1], OUTCOME_EXITED, 1000);
    world_expect_ack(world);
    world_expect_ack(world);
    job = world_job(world, 3, 0);
    assert_int_equal(world_submitted(world, bob, "bob", &job), 3);
    world_step(world, 0, worker, ROLE_WORKER, "fleet", MSG_TYPE_GOODBYE, &bye);
    world_expect_ack(world);
    world_turn(world, 1);
    world_next(world);
}

static void
submit_story(void **state)
{
    const struct submit_case *row = *state;
    struct world             *world = world_new();
    uint64_t                  ann = world_client(world, "ann"), bob = world_client(world, "bob");
    struct msg_job_submit     job;
    struct buffer             after = { 0 };
    union wire_any            m;

    submit_prepare(world, ann, bob);
    job = world_job(world, row->key, row->count);
    job.content_hash = row->hash;
    job.priority = row->priority;
    job.needs.queue = slice_text(row->queue);
    for (uint32_t i = 0; i < row->after_count; i++)
        wire_put_id(&after, &(struct wire_id){ row->after[i] });
    job.after = (struct wire_list){ buffer_slice(&after), row->after_count };
    core_space(world->core, row->low);
    world_submit(world, ann, "ann", &job);
    buffer_free(&after);
    if (row->answer != MUSTER_OK) {
        assert_int_equal(world->fx.facts.bytes, 0);
        assert_int_equal(world->fx.body_count, 0);
        world_expect_error(world, row->answer);
        world_quiet(world);
        world_free(world);
        return;
    }
    world_expect(world, JOB_SUBMITTED, &m);
    assert_int_equal(m.job_submitted.existed, row->existed);
    assert_int_equal(world->fx.body_count, row->existed ? 0 : 1);
    world_turn(world, 1);
    world_quiet(world);
    assert_int_equal(world_info(world, ann, "ann", m.job_submitted.job).state, row->state);
    world_free(world);
}

/* ---- warnings ---- */

struct warn_case {
    const char *story;
    uint32_t    worker_cpus;       /* 0: none is connected */
    const char *queue, *label, *resource;
    uint64_t    amount;
    uint32_t    cpus_milli;
    const char *warning;
};

static const struct warn_case warn_cases[] = {
    { "somebody could run it",  2, "",    NULL,   NULL,   0, 1000, "" },
    { "nobody is there",        0, "",    NULL,   NULL,   0, 1000, "no worker is connected" },
    { "nobody serves the queue", 2, "gpu", NULL,  NULL,   0, 1000,
      "no worker serves queue gpu (workers: node1)" },
    { "nobody has the label",   2, "",    "os=x", NULL,   0, 1000,
      "no worker of queue default has label os=x (workers: node1)" },
    { "nobody has so many",     2, "",    NULL,   "gpus", 2, 1000,
      "needs gpus=2: the most is node1 with gpus=1" },
    { "nobody has so many cpus", 2, "",   NULL,   NULL,   0, 3000,
      "needs 3 cpus: the most is node1 with 2" },
};

static void
warn_story(void **state)
{
    const struct warn_case *row = *state;
    struct world           *world = world_new();
    uint64_t                ann = world_client(world, "ann");
    struct msg_job_submit   job = world_job(world, 1, 1);
    struct buffer           lists[2] = { 0 };
    uint64_t                worker;
    union wire_any          m;

    if (row->worker_cpus > 0) {
        worker = world_hello(world, ROLE_WORKER, "fleet", 0, 1);
        world_join(world, worker, &(struct world_join){ .name = "node1", .resource = "gpus",
                                                        .amount = 1,
                                                        .cpus_milli = row->worker_cpus * 1000 });
        world_expect(world, WELCOME, &m);
        world_expect(world, WORKER_JOINED, &m);
    }
    job.needs.queue = slice_text(row->queue);
    job.needs.cpus_milli = row->cpus_milli;
    if (row->label != NULL) {
        wire_put_text(&lists[0], &(struct wire_text){ slice_text(row->label) });
        job.needs.labels = (struct wire_list){ buffer_slice(&lists[0]), 1 };
    }
    if (row->resource != NULL) {
        wire_put_resource(&lists[1], &(struct wire_resource){ slice_text(row->resource),
                                                              row->amount });
        job.needs.resources = (struct wire_list){ buffer_slice(&lists[1]), 1 };
    }
    world_submit(world, ann, "ann", &job);
    world_expect(world, JOB_SUBMITTED, &m);
    assert_int_equal(m.job_submitted.warning.bytes, strlen(row->warning));
    assert_true(slice_equals_text(m.job_submitted.warning, row->warning));
    buffer_free(&lists[0]);
    buffer_free(&lists[1]);
    world_free(world);
}

/* ---- items ---- */

struct items_case {
    const char *story;
    uint32_t    first, count;
    bool        close;             /* before */
    muster_err  answer;
    uint64_t    value;             /* items it has then */
    uint32_t    bodies;
};

/* The job has 10 items. */
static const struct items_case items_cases[] = {
    { "the next block",            10, 5,  false, MUSTER_OK,          15, 1 },
    { "a block that is there",      0, 10, false, MUSTER_OK,          10, 0 },
    { "part of what is there",      5, 5,  false, MUSTER_OK,          10, 0 },
    { "a gap",                     11, 5,  false, MUSTER_ERR_STATE,   0,  0 },
    { "an overlap",                 8, 5,  false, MUSTER_ERR_STATE,   0,  0 },
    { "nothing",                   10, 0,  false, MUSTER_ERR_INVALID, 0,  0 },
    { "after the close",           10, 5,  true,  MUSTER_ERR_STATE,   0,  0 },
    { "a repeat after the close",   0, 10, true,  MUSTER_OK,          10, 0 },
};

static void
items_story(void **state)
{
    const struct items_case *row = *state;
    struct world            *world = world_new();
    uint64_t                 ann = world_client(world, "ann");
    struct msg_job_submit    job = world_job(world, 1, 0);
    uint64_t                 id = world_submitted(world, ann, "ann", &job);

    world_items(world, ann, "ann", id, 0, 10);
    assert_int_equal(world_expect_ack(world), 10);
    if (row->close) {
        world_close(world, ann, "ann", id, 10);
        assert_int_equal(world_expect_ack(world), 10);
    }
    world_turn(world, 1);
    world_next(world);
    world_items(world, ann, "ann", id, row->first, row->count);
    if (row->answer == MUSTER_OK)
        assert_int_equal(world_expect_ack(world), row->value);
    else
        world_expect_error(world, row->answer);
    assert_int_equal(world->fx.body_count, row->bodies);
    world_turn(world, 1);
    world_quiet(world);
    world_free(world);
}

int
main(void)
{
    int failed = STORIES("submit", submit_cases, submit_story);

    failed += STORIES("warnings", warn_cases, warn_story);
    failed += STORIES("items", items_cases, items_story);
    return failed;
}
