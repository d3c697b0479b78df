/* test_schedule.c - which tasks run where, and in which order
 *
 * Method: jobs of some owners and needs are submitted, then workers join; the
 * leases of the turns that follow are compared.  A worker answers each lease
 * at once where the story says so.
 */
#include "world.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { ORDER_MAX = 16, ORDER_JOBS = 4 };

struct order_job {
    const char *owner;
    uint32_t    count;
    int32_t     priority;
    uint32_t    cpus;
    uint32_t    running_max;
};

struct order_case {
    const char      *story;
    struct order_job jobs[ORDER_JOBS];
    uint32_t         cpus;         /* of the only worker */
    uint32_t         rounds;       /* turns; in between all leases are finished */
    uint64_t         expect[ORDER_MAX];    /* jobs of the leases, in order */
};

static const struct order_case order_cases[] = {
    { "the oldest first",
      { { "ann", 2, 0, 1 }, { "ann", 2, 0, 1 } }, 1, 4, { 1, 1, 2, 2 } },
    { "the more important first",
      { { "ann", 2, 0, 1 }, { "ann", 2, 5, 1 } }, 1, 4, { 2, 2, 1, 1 } },
    { "owners take turns",
      { { "ann", 4, 0, 1 }, { "bob", 4, 0, 1 } }, 1, 6, { 1, 2, 1, 2, 1, 2 } },
    { "importance beats fairness",
      { { "ann", 3, 1, 1 }, { "bob", 3, 0, 1 } }, 1, 4, { 1, 1, 1, 2 } },
    { "who uses more waits longer",
      { { "ann", 4, 0, 2 }, { "bob", 8, 0, 1 } }, 2, 4, { 1, 2, 2, 1, 2, 2 } },
    { "no more than running_max",
      { { "ann", 9, 0, 1, 2 } },                  4, 2, { 1, 1, 1, 1 } },
    { "small work fills the hole",
      { { "ann", 1, 0, 3 }, { "ann", 1, 0, 3 }, { "ann", 1, 0, 1 } },
                                                                                4, 1, { 1, 3 } },
    { "too large for all: others run",
      { { "ann", 1, 0, 9 }, { "ann", 2, 0, 1 } }, 1, 2, { 2, 2 } },
};

static void
order_story(void **state)
{
    const struct order_case *row = *state;
    struct world            *world = world_new();
    uint64_t                 ann = world_client(world, "ann"), bob = world_client(world, "bob");
    struct wire_token        tokens[ORDER_MAX];
    uint64_t                 worker;
    uint32_t                 at = 0;

    for (uint32_t i = 0; i < ORDER_JOBS && row->jobs[i].owner != NULL; i++) {
        struct msg_job_submit job = world_job(world, i + 1, row->jobs[i].count);

        job.priority = row->jobs[i].priority;
        job.needs.cpus_milli = row->jobs[i].cpus * 1000;
        job.running_max = row->jobs[i].running_max;
        world_submitted(world, row->jobs[i].owner[0] == 'a' ? ann : bob, row->jobs[i].owner, &job);
    }
    world_turn(world, 1);
    world_quiet(world);
    world_next(world);
    worker = world_worker(world, "node1", row->cpus, 0);
    for (uint32_t round = 0; round < row->rounds; round++) {
        uint32_t count;

        world_turn(world, 1);
        count = world_leases(world, tokens, NULL, ORDER_MAX);
        world_next(world);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(tokens[i].job, row->expect[at++]);
            world_finish(world, worker, tokens[i], OUTCOME_SUCCEEDED, 50000);
            world_expect_ack(world);
        }
    }
    assert_true(at == ORDER_MAX || row->expect[at] == 0);
    world_free(world);
}

/* ---- a large task among small ones ---- */

/* Small tasks of 1 cpu never leave 2 free by chance; after a second one worker
 * is kept free until the large task has its place. */
static void
reservation(void **state)
{
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann");
    uint64_t              workers[2] = { world_worker(world, "node1", 2, 0),
                                         world_worker(world, "node2", 2, 0) };
    struct msg_job_submit small = world_job(world, 1, 1000), large = world_job(world, 2, 1);
    struct wire_token     held[4], news[4];
    uint64_t              sessions[4];
    uint32_t              count = 0, placed = 0, next = 0;

    (void)state;
    (void)workers;
    world_submitted(world, ann, "ann", &small);
    world_turn(world, 1);
    assert_int_equal(world_leases(world, held, sessions, 4), 4);
    world_next(world);
    large.priority = 1;
    large.needs.cpus_milli = 2000;
    world_submitted(world, ann, "ann", &large);
    for (uint32_t turn = 0; turn < 100 && placed == 0; turn++) {
        world_finish(world, sessions[next], held[next], OUTCOME_SUCCEEDED, 50000);
        world_expect_ack(world);
        world_turn(world, 50);
        count = world_leases(world, news, NULL, 4);
        for (uint32_t i = 0; i < count; i++) {
            placed += news[i].job == 2;
            held[next] = news[i];
            sessions[next] = world->fx.leases[i].session;
        }
        world_next(world);
        if (count == 0)         /* nothing started there: that cpu is kept */
            sessions[next] = 0;
        for (uint32_t i = 0; i < 4; i++) {
            next = (next + 1) % 4;
            if (sessions[next] != 0)
                break;
        }
    }
    assert_int_equal(placed, 1);
    world_free(world);
}

/* ---- leases ahead of what fits ---- */

struct ahead_case {
    const char *story;
    uint32_t    window, finishes;
    uint64_t    wall_us;
    uint32_t    leases;            /* held after so many finishes */
};

static const struct ahead_case ahead_cases[] = {
    { "a new worker gets what fits",     100, 0, 0,      1 },
    { "each quick finish gives two more", 100, 3, 1000,  7 },
    { "at most its window",                4, 9, 1000,   5 },
    { "one without a window",              0, 9, 1000,   1 },
    { "neither quick nor slow",          100, 3, 50000,  1 },
    { "slow ones",                       100, 3, 500000, 1 },
};

static void
ahead_story(void **state)
{
    const struct ahead_case *row = *state;
    struct world            *world = world_new();
    uint64_t                 ann = world_client(world, "ann");
    uint64_t                 worker = world_worker(world, "node1", 1, row->window);
    struct msg_job_submit    job = world_job(world, 1, 1000);
    struct wire_token        held[64];
    uint32_t                 count = 0;

    world_submitted(world, ann, "ann", &job);
    for (uint32_t i = 0;; i++) {
        world_turn(world, 1);
        count += world_leases(world, held + count, NULL, 64 - count);
        world_next(world);
        if (i == row->finishes)
            break;
        world_finish(world, worker, held[0], OUTCOME_SUCCEEDED, row->wall_us);
        world_expect_ack(world);
        memmove(held, held + 1, --count * sizeof(held[0]));
    }
    assert_int_equal(count, row->leases);
    world_free(world);
}

/* It tells of a smaller window while it holds more than that. */
static void
smaller_window(void **state)
{
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann");
    uint64_t              worker = world_worker(world, "node1", 1, 100);
    struct msg_job_submit job = world_job(world, 1, 1000);
    struct wire_token     held[8];
    union wire_any        m;

    (void)state;
    world_submitted(world, ann, "ann", &job);
    world_turn(world, 1);
    assert_int_equal(world_leases(world, held, NULL, 8), 1);
    world_next(world);
    world_finish(world, worker, held[0], OUTCOME_SUCCEEDED, 1000);
    world_expect_ack(world);
    world_turn(world, 1);
    assert_int_equal(world_leases(world, held, NULL, 8), 3);
    world_next(world);
    world_join(world, worker, &(struct world_join){ .name = "node1", .cpus_milli = 1000,
                                                     .window = 1 });
    world_expect(world, WORKER_JOINED, &m);
    world_turn(world, 1);
    world_finish(world, worker, held[0], OUTCOME_SUCCEEDED, 1000);
    world_expect_ack(world);
    world_quiet(world);
    world_turn(world, 1);
    assert_int_equal(world->fx.lease_count, 0);
    world_free(world);
}

/* ---- who takes leases ---- */

enum silence {
    SILENT_NOT, SILENT_AWAY, SILENT_SLOW, SILENT_DRAINING, SILENT_DRAINED, SILENT_FAULT,
};

struct silent_case {
    const char  *story;
    enum silence silence;
    uint32_t     leases;
};

static const struct silent_case silent_cases[] = {
    { "a willing worker",             SILENT_NOT,      1 },
    { "one without connection",       SILENT_AWAY,     0 },
    { "one that does not read",       SILENT_SLOW,     0 },
    { "one that drains",              SILENT_DRAINING, 0 },
    { "one that an admin drains",     SILENT_DRAINED,  0 },
    { "one that could start nothing", SILENT_FAULT,    0 },
};

static void
silent_story(void **state)
{
    const struct silent_case *row = *state;
    struct world             *world = world_new();
    uint64_t                  ann = world_client(world, "ann");
    uint64_t                  worker = world_worker(world, "node1", 1, 0), admin;
    struct msg_job_submit     job = world_job(world, 1, 1);
    union wire_any            m;

    switch (row->silence) {
    case SILENT_NOT:
        break;
    case SILENT_AWAY:
        core_away(world->core, world->now_ms, worker);
        break;
    case SILENT_SLOW:
        core_slow(world->core, worker, true);
        break;
    case SILENT_DRAINING:
        m.worker_drain = (struct msg_worker_drain){ .draining = 1 };
        world_step(world, 0, worker, ROLE_WORKER, "fleet", MSG_TYPE_WORKER_DRAIN, &m);
        world_expect_ack(world);
        break;
    case SILENT_DRAINED:
        admin = world_hello(world, ROLE_ADMIN, "root", 0, 1);
        world_expect(world, WELCOME, &m);
        m.drain_set = (struct msg_drain_set){ slice_text("node1"), 1 };
        world_step(world, 0, admin, ROLE_ADMIN, "root", MSG_TYPE_DRAIN_SET, &m);
        world_expect(world, WORKER_DRAIN, &m);
        assert_int_equal(world_expect_ack(world), 1);
        break;
    case SILENT_FAULT:
        m.task_return = (struct msg_task_return){ { 9, 9, 9, 9 }, RETURN_WORKER_FAULT,
                                                     slice_text("") };
        world_step(world, 0, worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_RETURN, &m);
        world_expect_ack(world);
        break;
    }
    world_submitted(world, ann, "ann", &job);
    world_turn(world, 1);
    assert_int_equal(world->fx.lease_count, row->leases);
    world->fx.lease_count = 0;
    world_quiet(world);
    world_next(world);
    if (row->silence == SILENT_FAULT) {        /* it gets another chance by itself */
        uint64_t end_ms = world->now_ms + 2000;

        while (world->now_ms < end_ms && world->fx.lease_count == 0) {
            world_next(world);
            world_turn(world, core_wake_ms(world->core) - world->now_ms);
        }
        assert_int_equal(world->fx.lease_count, 1);
    }
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reservation),
                                        cmocka_unit_test(smaller_window) };
    int                     failed = STORIES("order", order_cases, order_story);

    failed += STORIES("ahead", ahead_cases, ahead_story);
    failed += STORIES("silent", silent_cases, silent_story);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
