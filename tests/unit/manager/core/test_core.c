/* test_core.c - the main path: a worker runs what a client submits */
#include "world.h"

static void
one_task(void **state)
{
    struct world         *world = world_new();
    uint64_t              client = world_client(world, "ann");
    uint64_t              worker = world_worker(world, "node1", 2, 0);
    struct msg_job_submit job = world_job(world, 1, 1);
    uint64_t              id = world_submitted(world, client, "ann", &job);
    struct wire_token     token;
    union wire_any        m = { .results_get = { .job = id, .wait_ms = 1000 } };

    (void)state;
    world_turn(world, 1);
    assert_int_equal(world_leases(world, &token, NULL, 1), 1);
    assert_int_equal(world->fx.leases[0].session, worker);
    assert_int_equal(world->fx.leases[0].block, 0);
    assert_int_equal(world->fx.body_count, 1);
    world_next(world);

    world_step(world, 0, client, ROLE_CLIENT, "ann", MSG_TYPE_RESULTS_GET, &m);
    world_turn(world, 1);
    world_quiet(world);
    world_next(world);

    world_finish(world, worker, token, OUTCOME_SUCCEEDED, 1000);
    assert_int_equal(world_expect_ack(world), 0);
    world_turn(world, 1);
    assert_int_equal(world->fx.results_count, 1);
    assert_int_equal(world->fx.results[0].blocks, 1);
    assert_true(world->fx.results[0].ended);
    assert_int_equal(world->fx.results[0].state, JOB_SUCCEEDED);
    assert_int_equal(world->fx.results[0].counts.succeeded, 1);
    assert_int_equal(world->fx.body_count, 1);
    world->fx.results_count = 0;
    world_quiet(world);
    world_next(world);
    world_turn(world, 1);
    world_quiet(world);
    assert_true(effects_empty(&world->fx));
    world_free(world);
}

static void
items_stream(void **state)
{
    struct world         *world = world_new();
    uint64_t              client = world_client(world, "ann");
    uint64_t              worker = world_worker(world, "node1", 2, 8);
    struct msg_job_submit job = world_job(world, 1, 0);
    uint64_t              id = world_submitted(world, client, "ann", &job);
    struct wire_token     tokens[64];
    uint32_t              count, done = 0;

    (void)state;
    world_items(world, client, "ann", id, 0, 10);
    assert_int_equal(world_expect_ack(world), 10);
    world_items(world, client, "ann", id, 10, 20);
    assert_int_equal(world_expect_ack(world), 30);
    world_close(world, client, "ann", id, 30);
    assert_int_equal(world_expect_ack(world), 30);
    for (uint32_t turn = 0; turn < 40 && done < 30; turn++) {
        world_turn(world, 1);
        count = world_leases(world, tokens, NULL, 64);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(world->fx.leases[i].block, world->fx.leases[i].index < 10 ? 1 : 2);
            assert_int_equal(world->fx.leases[i].at, world->fx.leases[i].index < 10
                                                         ? world->fx.leases[i].index
                                                         : world->fx.leases[i].index - 10);
        }
        world_next(world);
        for (uint32_t i = 0; i < count; i++, done++) {
            world_finish(world, worker, tokens[i], OUTCOME_SUCCEEDED, 1000);
            world_expect_ack(world);
        }
    }
    assert_int_equal(done, 30);
    world_turn(world, 1);
    world_quiet(world);
    assert_int_equal(world_info(world, client, "ann", id).state, JOB_SUCCEEDED);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_task),
        cmocka_unit_test(items_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
