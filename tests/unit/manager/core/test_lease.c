/* test_lease.c - who may finish a lease, and what becomes of it otherwise
 *
 * Method: node1 holds the only task of a job, attempts_max 2, lost_max 2.  Let
 * something happen to the lease, then offer a FINISH; look at the answer, at
 * the task and at the number of entries in the result stream.
 */
#include "world.h"

enum happen {
    HAPPEN_NOTHING, HAPPEN_FINISHED, HAPPEN_FAILED, HAPPEN_RETURNED, HAPPEN_EXPIRED,
    HAPPEN_AWAY, HAPPEN_REJOINED, HAPPEN_REJOINED_EMPTY, HAPPEN_CANCELLED, HAPPEN_RESTART,
    HAPPEN_GOODBYE, HAPPEN_LOST,
};
enum forge { FORGE_NOTHING, FORGE_JOB, FORGE_INDEX, FORGE_ATTEMPT, FORGE_EPOCH, FORGE_SESSION };

struct lease_case {
    const char  *story;
    enum happen  happen;
    enum forge   forge;
    uint32_t     times;            /* the FINISH is sent */
    muster_err   answer;           /* to the last */
    uint8_t      state;            /* of the job at the end */
    uint32_t     leases;           /* granted again in between or after */
};

static const struct lease_case lease_cases[] = {
    { "the holder",
      HAPPEN_NOTHING,        FORGE_NOTHING, 1, MUSTER_OK,        JOB_SUCCEEDED, 0 },
    { "the holder, answer lost",
      HAPPEN_NOTHING,        FORGE_NOTHING, 3, MUSTER_OK,        JOB_SUCCEEDED, 0 },
    { "another job's token",
      HAPPEN_NOTHING,        FORGE_JOB,     1, MUSTER_ERR_STALE, JOB_RUNNING,   0 },
    { "another task's token",
      HAPPEN_NOTHING,        FORGE_INDEX,   1, MUSTER_ERR_STALE, JOB_RUNNING,   0 },
    { "another attempt",
      HAPPEN_NOTHING,        FORGE_ATTEMPT, 1, MUSTER_ERR_STALE, JOB_RUNNING,   0 },
    { "another epoch",
      HAPPEN_NOTHING,        FORGE_EPOCH,   1, MUSTER_ERR_STALE, JOB_RUNNING,   0 },
    { "another worker",
      HAPPEN_NOTHING,        FORGE_SESSION, 1, MUSTER_ERR_STALE, JOB_RUNNING,   0 },
    { "after it failed",
      HAPPEN_FAILED,         FORGE_NOTHING, 1, MUSTER_ERR_STALE, JOB_RUNNING,   1 },
    { "after it gave it back",
      HAPPEN_RETURNED,       FORGE_NOTHING, 1, MUSTER_ERR_STALE, JOB_RUNNING,   1 },
    { "a connection lost",
      HAPPEN_AWAY,           FORGE_NOTHING, 1, MUSTER_OK,        JOB_SUCCEEDED, 0 },
    { "rejoined with it",
      HAPPEN_REJOINED,       FORGE_NOTHING, 1, MUSTER_OK,        JOB_SUCCEEDED, 0 },
    { "rejoined without it",
      HAPPEN_REJOINED_EMPTY, FORGE_NOTHING, 1, MUSTER_ERR_STALE, JOB_RUNNING,   1 },
    { "its term ran out",
      HAPPEN_EXPIRED,        FORGE_NOTHING, 1, MUSTER_ERR_SESSION, JOB_RUNNING, 1 },
    { "the job was cancelled",
      HAPPEN_CANCELLED,      FORGE_NOTHING, 1, MUSTER_OK,        JOB_CANCELLED, 0 },
    { "cancelled, answer lost",
      HAPPEN_CANCELLED,      FORGE_NOTHING, 2, MUSTER_OK,        JOB_CANCELLED, 0 },
    { "the manager was restarted",
      HAPPEN_RESTART,        FORGE_NOTHING, 1, MUSTER_OK,        JOB_SUCCEEDED, 0 },
    { "recorded, then a restart",
      HAPPEN_FINISHED,       FORGE_NOTHING, 1, MUSTER_OK,        JOB_SUCCEEDED, 0 },
    { "it said goodbye",
      HAPPEN_GOODBYE,        FORGE_NOTHING, 1, MUSTER_ERR_SESSION, JOB_RUNNING, 1 },
    { "killed with what ran it",
      HAPPEN_LOST,           FORGE_NOTHING, 1, MUSTER_ERR_STALE, JOB_RUNNING,   1 },
};

struct lease_world {
    struct world     *world;
    uint64_t          ann, node1, node2, job;
    struct wire_token token;
};

static void
lease_rejoin(struct lease_world *lw, uint32_t holds)
{
    union wire_any m;

    core_away(lw->world->core, lw->world->now_ms, lw->node1);
    assert_int_equal(world_hello(lw->world, ROLE_WORKER, "fleet", lw->node1, 43), lw->node1);
    world_expect(lw->world, WELCOME, &m);
    assert_int_equal(m.welcome.resumed, 1);
    world_join(lw->world, lw->node1,
               &(struct world_join){ .name = "node1", .cpus_milli = 1000, .holds = &lw->token,
                                     .hold_count = holds });
    world_expect(lw->world, WORKER_JOINED, &m);
    assert_int_equal(m.worker_joined.lost.count, 0);
}

static void
lease_beat(struct lease_world *lw, uint64_t session, uint64_t ms)
{
    union wire_any m = { .beat = { .sent_ms = 9 } };

    world_step(lw->world, ms, session, ROLE_WORKER, "fleet", MSG_TYPE_BEAT, &m);
    world_expect(lw->world, BEAT_ACK, &m);
    assert_int_equal(m.beat_ack.sent_ms, 9);
}

static void
lease_return(struct lease_world *lw, enum wire_return reason)
{
    union wire_any m = { .task_return = { lw->token, (uint8_t)reason, { NULL, 0 } } };

    world_step(lw->world, 0, lw->node1, ROLE_WORKER, "fleet", MSG_TYPE_TASK_RETURN, &m);
    world_expect_ack(lw->world);
}

static void
lease_happen(struct lease_world *lw, enum happen happen)
{
    struct world  *world = lw->world;
    union wire_any m;

    switch (happen) {
    case HAPPEN_NOTHING:
        break;
    case HAPPEN_FINISHED:
        world_finish(world, lw->node1, lw->token, OUTCOME_SUCCEEDED, 1);
        world_expect_ack(world);
        world_turn(world, 1);
        world_restart(world);
        break;
    case HAPPEN_FAILED:
        world_finish(world, lw->node1, lw->token, OUTCOME_EXITED, 1);
        world_expect_ack(world);
        break;
    case HAPPEN_RETURNED:
        lease_return(lw, RETURN_NOT_STARTED);
        break;
    case HAPPEN_LOST:
        lease_return(lw, RETURN_LOST);
        break;
    case HAPPEN_EXPIRED:
        for (uint32_t i = 0; i < 5; i++) {
            lease_beat(lw, lw->node2, LEASE_MS / 5);
            if (i == 4)
                break;              /* the turn that follows finds it expired */
            world_turn(world, 0);
            world_quiet(world);
            world_next(world);
        }
        break;
    case HAPPEN_AWAY:
        core_away(world->core, world->now_ms, lw->node1);
        break;
    case HAPPEN_REJOINED:
        lease_rejoin(lw, 1);
        break;
    case HAPPEN_REJOINED_EMPTY:
        lease_rejoin(lw, 0);
        break;
    case HAPPEN_CANCELLED:
        m.job_cancel = (struct msg_job_cancel){ .job = lw->job };
        world_step(world, 0, lw->ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_CANCEL, &m);
        world_expect(world, TASK_KILL, &m);
        assert_int_equal(world_expect_ack(world), 1);
        break;
    case HAPPEN_RESTART:
        world_restart(world);
        lw->ann = world_client(world, "ann");
        break;
    case HAPPEN_GOODBYE:
        m.goodbye = (struct msg_goodbye){ 0 };
        world_step(world, 0, lw->node1, ROLE_WORKER, "fleet", MSG_TYPE_GOODBYE, &m);
        world_expect_ack(world);
        break;
    }
}

static void
lease_forge(struct lease_world *lw, enum forge forge)
{
    lw->token.job += forge == FORGE_JOB;
    lw->token.index += forge == FORGE_INDEX;
    lw->token.attempt += forge == FORGE_ATTEMPT;
    lw->token.epoch += forge == FORGE_EPOCH;
    if (forge == FORGE_SESSION)
        lw->node1 = lw->node2;
}

static struct lease_world
lease_prepare(void)
{
    struct lease_world    lw = { .world = world_new() };
    struct msg_job_submit job = world_job(lw.world, 1, 1);

    job.attempts_max = 2;
    job.lost_max = 2;
    lw.ann = world_client(lw.world, "ann");
    lw.node1 = world_worker(lw.world, "node1", 1, 0);
    lw.job = world_submitted(lw.world, lw.ann, "ann", &job);
    world_turn(lw.world, 1);
    assert_int_equal(world_leases(lw.world, &lw.token, NULL, 1), 1);
    world_next(lw.world);
    lw.node2 = world_worker(lw.world, "node2", 1, 0);
    world_turn(lw.world, 0);
    world_next(lw.world);
    return lw;
}

static void
lease_story(void **state)
{
    const struct lease_case *row = *state;
    struct lease_world       lw = lease_prepare();
    struct world            *world = lw.world;
    uint32_t                 leases = 0;

    lease_happen(&lw, row->happen);
    world_turn(world, 0);
    leases += world->fx.lease_count;
    assert_int_equal(world->fx.ended_count, row->answer == MUSTER_ERR_SESSION);
    world_next(world);
    lease_forge(&lw, row->forge);
    for (uint32_t i = 0; i < row->times; i++) {
        world_finish(world, lw.node1, lw.token, OUTCOME_SUCCEEDED, 1);
        if (i + 1 == row->times && row->answer != MUSTER_OK)
            world_expect_error(world, row->answer);
        else
            world_expect_ack(world);
    }
    world_turn(world, 0);
    leases += world->fx.lease_count;
    assert_int_equal(leases, row->leases);
    assert_int_equal(world_info(world, lw.ann, "ann", lw.job).state, row->state);
    world->fx.lease_count = 0;
    world_quiet(world);
    world_free(world);
}

/* ---- a task that takes its workers with it ---- */

static void
dead_letter(void **state)
{
    struct lease_world lw = lease_prepare();
    struct world      *world = lw.world;
    uint64_t           worker = lw.node1;

    (void)state;
    lease_happen(&lw, HAPPEN_EXPIRED);
    world_turn(world, 0);           /* node1 is gone, node2 has it */
    assert_int_equal(world->fx.lease_count, 1);
    world->fx.lease_count = 0;
    assert_int_equal(world->fx.ended_count, 1);
    assert_int_equal(world->fx.ended[0], worker);
    world_next(world);
    world_turn(world, LEASE_MS);
    assert_int_equal(world->fx.ended[0], lw.node2);
    assert_int_equal(world->fx.body_count, 1);
    world->fx.ended_count = 0;
    world_quiet(world);
    assert_int_equal(world_info(world, lw.ann, "ann", lw.job).counts.failed, 1);
    world_free(world);
}

/* A token is never the same twice, though the attempt is. */
static void
fresh_token(void **state)
{
    struct lease_world lw = lease_prepare();
    struct wire_token  again;

    (void)state;
    lease_happen(&lw, HAPPEN_RETURNED);
    world_turn(lw.world, 0);
    assert_int_equal(world_leases(lw.world, &again, NULL, 1), 1);
    assert_int_equal(again.attempt, lw.token.attempt);
    assert_true(again.epoch > lw.token.epoch);
    world_free(lw.world);
}

/* Given back unpunished as often as it likes, lost as often as lost_max says. */
static void
lost_attempts(void **state)
{
    static const enum wire_return reasons[] = { RETURN_NOT_STARTED, RETURN_LOST,
                                                RETURN_NOT_STARTED, RETURN_LOST };
    static const uint32_t         attempts[] = { 1, 2, 2, 0 };   /* 0 = no more */
    struct lease_world            lw = lease_prepare();

    (void)state;
    for (uint32_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        lease_return(&lw, reasons[i]);
        world_turn(lw.world, 1);
        lw.token = (struct wire_token){ 0 };
        world_leases(lw.world, &lw.token, &lw.node1, 1);
        assert_int_equal(lw.token.attempt, attempts[i]);
        world_next(lw.world);
    }
    assert_int_equal(world_info(lw.world, lw.ann, "ann", lw.job).counts.failed, 1);
    world_free(lw.world);
}

/* What a rejoining worker names and does not have is told back. */
static void
lost_token(void **state)
{
    struct lease_world lw = lease_prepare();
    struct world      *world = lw.world;
    struct wire_token  holds[2] = { lw.token, lw.token };
    union wire_any     m;
    struct wire_token  lost;
    struct reader      in;

    (void)state;
    holds[1].epoch++;
    core_away(world->core, world->now_ms, lw.node1);
    world_hello(world, ROLE_WORKER, "fleet", lw.node1, 43);
    world_expect(world, WELCOME, &m);
    world_join(world, lw.node1, &(struct world_join){ .name = "node1", .cpus_milli = 1000,
                                                      .holds = holds, .hold_count = 2 });
    world_expect(world, WORKER_JOINED, &m);
    assert_int_equal(m.worker_joined.lost.count, 1);
    in = reader_of(m.worker_joined.lost.bytes);
    assert_true(wire_get_token(&in, &lost));
    assert_memory_equal(&lost, &holds[1], sizeof(lost));
    world_turn(world, 0);
    world_quiet(world);
    world_free(world);
}

/* ---- sessions ---- */

struct resume_case {
    const char    *story;
    uint64_t       secret;
    enum wire_role role;
    const char    *user;
    uint16_t       version;
    muster_err     answer;
};

static const struct resume_case resume_cases[] = {
    { "its own",           42, ROLE_CLIENT, "ann", 1, MUSTER_OK },
    { "a wrong secret",    41, ROLE_CLIENT, "ann", 1, MUSTER_ERR_SESSION },
    { "another role",      42, ROLE_ADMIN,  "ann", 1, MUSTER_ERR_SESSION },
    { "another user",      42, ROLE_CLIENT, "bob", 1, MUSTER_ERR_SESSION },
    { "a version to come", 42, ROLE_CLIENT, "ann", 2, MUSTER_ERR_VERSION },
};

static void
resume_story(void **state)
{
    const struct resume_case *row = *state;
    struct world             *world = world_new();
    uint64_t                  ann = world_client(world, "ann");
    union wire_any            m = { .hello = { .version_min = row->version,
                                               .version_max = row->version, .session = ann,
                                               .secret = row->secret } };

    world_turn(world, 0);
    world_next(world);
    world_step(world, 0, 0, row->role, row->user, MSG_TYPE_HELLO, &m);
    assert_int_equal(world->fx.opened, row->answer == MUSTER_OK ? ann : 0);
    assert_int_equal(world->fx.facts.bytes, 0);
    if (row->answer == MUSTER_OK)
        world_expect(world, WELCOME, &m);
    else
        world_expect_error(world, row->answer);
    world_quiet(world);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_letter),
        cmocka_unit_test(fresh_token),
        cmocka_unit_test(lost_attempts),
        cmocka_unit_test(lost_token),
    };
    int failed = STORIES("leases", lease_cases, lease_story);

    failed += STORIES("resume", resume_cases, resume_story);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
