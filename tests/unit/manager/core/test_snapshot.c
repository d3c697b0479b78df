/* test_snapshot.c - what is read from a store is believed only when it is whole
 *
 * Method: a small history is stored.  Every prefix of every object and of the
 * facts is refused, so is every object with a byte more; a changed byte gives
 * an error or a core that passes core_check(), never a crash.
 */
#include "world.h"

enum { OBJECTS_MAX = 32 };

struct stored {
    uint32_t      kinds[OBJECTS_MAX];
    uint64_t      ids[OBJECTS_MAX];
    struct buffer bytes[OBJECTS_MAX];
    uint32_t      count;
};

static void
stored_add(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct stored *stored = context;

    assert_true(stored->count < OBJECTS_MAX);
    stored->kinds[stored->count] = kind;
    stored->ids[stored->count] = id;
    buffer_append_slice(&stored->bytes[stored->count++], bytes);
}

/* A task with a key, and a session that the key opened. */
static void
history_key(struct world *world, uint64_t ann)
{
    static const uint8_t  key[KEY_PUBLIC_BYTES] = { 1, 2, 3 };
    struct core_from      from = { .role = ROLE_CLIENT, .user = slice_text("ann"),
                                   .key = slice_of(key, sizeof(key)) };
    struct msg_job_submit job = world_job(world, 4, 1);
    uint64_t              worker = world_worker(world, "node2", 1, 0);
    struct wire_token     token;
    union wire_any        m;

    job.priority = 10;
    world_submit_spec(world, ann, "ann", &job, (struct wire_spec){ .own_key = 1 });
    world_expect(world, JOB_SUBMITTED, &m);
    world_turn(world, 1);
    assert_int_equal(world_leases(world, &token, NULL, 1), 1);
    world_next(world);
    m.task_key = (struct msg_task_key){ token, slice_of(key, sizeof(key)) };
    world_step(world, 0, worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_KEY, &m);
    m.hello = (struct msg_hello){ .version_min = 1, .version_max = 1, .secret = 5 };
    core_step(world->core, world->now_ms, &from, ++world->request, MSG_TYPE_HELLO, &m, &world->fx);
    assert_true(world->fx.opened != 0);
}

/* Jobs that ended, run, wait; a worker with leases; a cancelled range. */
static struct world *
history(void)
{
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann");
    uint64_t              worker = world_worker(world, "node1", 3, 0);
    struct msg_job_submit job;
    struct buffer         after = { 0 }, range = { 0 };
    struct wire_token     tokens[3];
    union wire_any        m;

    job = world_job(world, 1, 1);
    world_submitted(world, ann, "ann", &job);
    job = world_job(world, 2, 0);
    job.attempts_max = 2;
    world_submitted(world, ann, "ann", &job);
    world_items(world, ann, "ann", 2, 0, 9);
    world_expect_ack(world);
    job = world_job(world, 3, 7);
    wire_put_id(&after, &(struct wire_id){ 2 });
    job.after = (struct wire_list){ buffer_slice(&after), 1 };
    world_submitted(world, ann, "ann", &job);
    wire_put_range(&range, &(struct wire_range){ 4, 5 });
    m.job_cancel = (struct msg_job_cancel){ 2, 0, 0, { buffer_slice(&range), 1 } };
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_CANCEL, &m);
    world_expect_ack(world);
    world_turn(world, 1);
    assert_int_equal(world_leases(world, tokens, NULL, 3), 3);
    world_next(world);
    world_finish(world, worker, tokens[0], OUTCOME_SUCCEEDED, 1);
    world_finish(world, worker, tokens[1], OUTCOME_EXITED, 1);
    m.result_chunk = (struct msg_result_chunk){ tokens[2], 0, 0, slice_text("out") };
    world_step(world, 0, worker, ROLE_WORKER, "fleet", MSG_TYPE_RESULT_CHUNK, &m);
    world_turn(world, 1);
    world_next(world);
    history_key(world, ann);
    world_turn(world, 1);
    buffer_free(&after);
    buffer_free(&range);
    return world;
}

static void
stored_free(struct stored *stored)
{
    for (uint32_t i = 0; i < stored->count; i++)
        buffer_free(&stored->bytes[i]);
}

static void
objects_whole(void **state)
{
    struct world *world = history();
    struct stored stored = { 0 };
    struct core  *core;

    (void)state;
    assert_in_range(core_changed(world->core), 3, 40);
    core_checkpoint(world->core, stored_add, &stored);
    assert_int_equal(core_changed(world->core), 0);
    assert_true(stored.count >= 9);
    core = core_new(&world->config);
    for (uint32_t i = 0; i < stored.count; i++)
        assert_int_equal(core_load(core, stored.kinds[i], stored.ids[i],
                                   buffer_slice(&stored.bytes[i])), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(world->core));
    core_check(core);
    core_free(core);
    stored_free(&stored);
    stored.count = 0;
    core_checkpoint(world->core, stored_add, &stored);
    assert_int_equal(stored.count, 0);          /* nothing has changed since */
    world_free(world);
}

/* The loop makes a checkpoint before it has too much to write. */
static void
changes_counted(void **state)
{
    struct world *world = world_new();
    uint64_t      ann = world_client(world, "ann");
    struct stored stored = { 0 };

    (void)state;
    core_checkpoint(world->core, stored_add, &stored);
    stored_free(&stored);
    stored.count = 0;
    for (uint64_t i = 1; i <= 30; i++) {
        struct msg_job_submit job = world_job(world, i, 1);

        (void)world_submitted(world, ann, "ann", &job);
        assert_int_equal(core_changed(world->core), i);
    }
    world_turn(world, 1);
    core_checkpoint(world->core, stored_add, &stored);
    assert_in_range(stored.count, 30, 40);
    assert_int_equal(core_changed(world->core), 0);
    stored_free(&stored);
    world_free(world);
}

static void
objects_cut(void **state)
{
    struct world *world = history();
    struct stored stored = { 0 };

    (void)state;
    core_checkpoint(world->core, stored_add, &stored);
    for (uint32_t i = 0; i < stored.count; i++) {
        buffer_append(&stored.bytes[i], "", 1);
        for (size_t bytes = 0; bytes <= stored.bytes[i].bytes; bytes++) {
            struct core *core = core_new(&world->config);
            muster_err   err;

            err = core_load(core, stored.kinds[i], stored.ids[i],
                            slice_cut(buffer_slice(&stored.bytes[i]), 0, bytes));
            assert_int_equal(err, bytes + 1 == stored.bytes[i].bytes ? MUSTER_OK
                                                                     : MUSTER_ERR_INVALID);
            core_free(core);
        }
    }
    stored_free(&stored);
    world_free(world);
}

static void
facts_cut(void **state)
{
    struct world *world = history();
    struct slice  log = buffer_slice(&world->log);
    uint32_t      good = 0;

    (void)state;
    for (size_t bytes = 0; bytes <= log.bytes; bytes++) {
        struct core *core = core_new(&world->config);
        muster_err   err = core_replay(core, slice_cut(log, 0, bytes));

        assert_true(err == MUSTER_OK || err == MUSTER_ERR_INVALID);
        good += err == MUSTER_OK;
        core_free(core);
    }
    assert_true(good > 5 && good < log.bytes / 2);      /* only where a record ends */
    world_free(world);
}

static void
facts_changed(void **state)
{
    struct world *world = history();

    (void)state;
    for (size_t at = 0; at < world->log.bytes; at++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            struct core *core = core_new(&world->config);

            world->log.data[at] ^= (uint8_t)(1u << bit);
            if (core_replay(core, buffer_slice(&world->log)) == MUSTER_OK)
                core_check(core);
            world->log.data[at] ^= (uint8_t)(1u << bit);
            core_free(core);
        }
    }
    world_free(world);
}

/* A job's chunk without its job, a lease without its worker. */
static void
objects_missing(void **state)
{
    struct world *world = history();
    struct stored stored = { 0 };

    (void)state;
    core_checkpoint(world->core, stored_add, &stored);
    for (uint32_t left_out = 0; left_out < stored.count; left_out++) {
        struct core *core = core_new(&world->config);
        muster_err   err;

        for (uint32_t i = 0; i < stored.count; i++) {
            if (i != left_out)
                assert_int_equal(core_load(core, stored.kinds[i], stored.ids[i],
                                           buffer_slice(&stored.bytes[i])), MUSTER_OK);
        }
        err = core_replay(core, slice_of(NULL, 0));
        assert_true(err == MUSTER_OK || err == MUSTER_ERR_INVALID);
        if (stored.kinds[left_out] == 3 && stored.ids[left_out] == 2)
            assert_int_equal(err, MUSTER_ERR_INVALID);
        core_free(core);
    }
    stored_free(&stored);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_whole),   cmocka_unit_test(objects_cut),
        cmocka_unit_test(facts_cut),       cmocka_unit_test(facts_changed),
        cmocka_unit_test(objects_missing), cmocka_unit_test(changes_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
