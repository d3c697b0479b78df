/* test_schedule_many.c - many kinds of work for which no worker has room
 *
 * Method: each worker has two cpus and runs one task of a filler job; hundreds of jobs
 * with needs of their own want both cpus.  What a turn looks at is counted in work
 * (core_work): not every one of them at every worker.
 */
#include "world.h"

enum { WORKERS = 15, CLASSES = 200, TOKENS = 64 };

struct many_case {
    const char *story;
    void      (*tell)(struct world *world, uint64_t ann, const uint64_t workers[WORKERS]);
};

static void
submit_blocked(struct world *world, uint64_t ann, uint64_t number)
{
    struct msg_job_submit job = world_job(world, 1000 + number, 1);

    job.needs.cpus_milli = 2000;
    job.needs.mem_bytes = number;
    (void)world_submitted(world, ann, "ann", &job);
}

static uint64_t
turn_work(struct world *world, uint64_t ms)
{
    uint64_t before = core_work(world->core);

    world_turn(world, ms);
    return core_work(world->core) - before;
}

static void
clear(struct world *world)
{
    buffer_clear(&world->fx.facts);
    effects_clear(&world->fx);
    world->sends_read = 0;
}

/* All filled; the blocked ones have looked at all workers. */
static struct wire_token
fill(struct world *world, uint64_t ann)
{
    struct msg_job_submit job = world_job(world, 1, WORKERS);
    struct wire_token     tokens[TOKENS];

    (void)world_submitted(world, ann, "ann", &job);
    world_turn(world, 1);
    assert_int_equal(world_leases(world, tokens, NULL, TOKENS), WORKERS);
    clear(world);
    for (uint64_t i = 1; i <= CLASSES; i++)
        submit_blocked(world, ann, i);
    assert_true(turn_work(world, 1) >= CLASSES * WORKERS);
    assert_int_equal(world->fx.lease_count, 0);
    clear(world);
    return tokens[0];
}

static void
tell_one_more(struct world *world, uint64_t ann, const uint64_t workers[WORKERS])
{
    (void)workers;
    (void)fill(world, ann);
    submit_blocked(world, ann, CLASSES + 1);
    assert_in_range(turn_work(world, 1), WORKERS, 2 * WORKERS);
    assert_int_equal(world->fx.lease_count, 0);
    clear(world);
}

static void
tell_room(struct world *world, uint64_t ann, const uint64_t workers[WORKERS])
{
    struct wire_token token = fill(world, ann);
    struct wire_token leased;
    uint32_t          i = 0;

    /* Whose it was: the only one that is not told STALE. */
    for (; i < WORKERS; i++) {
        union wire_any m;

        world_finish(world, workers[i], token, OUTCOME_SUCCEEDED, 1);
        assert_true(world_take(world, NULL, &m) != 0);
        if (world->fx.facts.bytes > 0)
            break;
    }
    assert_true(i < WORKERS);
    /* One worker has room now: the first job gets it, the others looked there alone. */
    assert_in_range(turn_work(world, 1), 1, 2 * CLASSES + 2 * WORKERS);
    assert_int_equal(world_leases(world, &leased, NULL, 1), 1);
    assert_int_equal(leased.job, 2);
    clear(world);
    assert_in_range(turn_work(world, 1), 0, 2 * CLASSES);
    clear(world);
}

/* Jobs that share a cap, each of a kind of its own, give their turn to each other. */
static void
tell_capped(struct world *world, uint64_t ann, const uint64_t workers[WORKERS])
{
    uint64_t lead = 0;

    (void)workers;
    (void)fill(world, ann);
    for (uint64_t i = 1; i <= CLASSES; i++) {
        struct msg_job_submit job = world_job(world, 5000 + i, 1);
        uint64_t              id;

        job.needs.cpus_milli = 2000;
        job.needs.mem_bytes = CLASSES + i;
        job.running_max = lead == 0 ? 8 : 0;
        job.cap_with = lead;
        id = world_submitted(world, ann, "ann", &job);
        lead = lead == 0 ? id : lead;
    }
    assert_in_range(turn_work(world, 1), CLASSES * WORKERS, CLASSES * (WORKERS + 3));
    assert_int_equal(world->fx.lease_count, 0);
    clear(world);
}

/* In the end each gets its turn. */
static void
tell_all(struct world *world, uint64_t ann, const uint64_t workers[WORKERS])
{
    struct wire_token tokens[TOKENS] = { fill(world, ann) };
    uint64_t          sessions[TOKENS];
    uint32_t          count, done = 0;

    world_worker(world, "late", 2, 0);
    (void)workers;
    for (uint32_t i = 0; i < 3 * CLASSES && done < CLASSES; i++) {
        world_turn(world, 1);
        count = world_leases(world, tokens, sessions, TOKENS);
        clear(world);
        for (uint32_t j = 0; j < count; j++) {
            world_finish(world, sessions[j], tokens[j], OUTCOME_SUCCEEDED, 1);
            done++;
        }
    }
    assert_int_equal(done, CLASSES);
    world_turn(world, 1);
    clear(world);
}

static const struct many_case cases[] = {
    { "another kind looks at all workers, the others at none", tell_one_more },
    { "room that one worker got is looked at there", tell_room },
    { "those that share a cap ask each other once", tell_capped },
    { "each gets its turn", tell_all },
};

static void
run(void **state)
{
    const struct many_case *row = *state;
    struct core_config      config = world_config;
    uint64_t                ann, workers[WORKERS];
    struct world           *world;

    config.sessions_max = 100;
    world = world_new_with(&config);
    ann = world_client(world, "ann");
    for (uint32_t i = 0; i < WORKERS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "node%u", i);
        workers[i] = world_worker(world, name, 2, 0);
    }
    row->tell(world, ann, workers);
    world_free(world);
}

int
main(void)
{
    return STORIES("schedule_many", cases, run);
}
