/* test_contract.c - what every backend promises
 *
 * Method: each story runs on a fresh store of each backend.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "stories.h"
#include "world.h"

struct contract_story {
    const char *story;
    void (*run)(struct world *world);
};

static void
numbers_rise(struct world *world)
{
    for (uint64_t turn = 1; turn <= 500; turn++)
        assert_int_equal(world_facts(world, "fact"), turn);
    world_wait(world, 500);
}

static void
descriptor_tells(struct world *world)
{
    struct pollfd wait = { .fd = store_fd(world->store), .events = POLLIN };
    uint64_t      committed = 7;

    assert_int_equal(poll(&wait, 1, 0), 0);
    assert_int_equal(store_committed(world->store, &committed, NULL), MUSTER_OK);
    assert_int_equal(committed, 0);
    (void)world_facts(world, "fact");
    world_wait(world, 1);
    assert_int_equal(poll(&wait, 1, 0), 0);
}

static void
body_at_once(struct world *world)
{
    (void)world_body(world, 3, 0, "zero");
    world_expect(world, 3, 0, "zero");
    world_wait(world, world_body(world, 3, 1, ""));
    world_expect(world, 3, 0, "zero");
    world_expect(world, 3, 1, "");
    world_expect(world, 3, 2, NULL);
    world_expect(world, 4, 0, NULL);
}

static void
body_without_cache(struct world *world)
{
    world_wait(world, world_body(world, 1, 1, "cold"));
    world_expect(world, 1, 1, "cold");
    world_expect(world, 1, 1, "cold");
}

static void
large_body(struct world *world)
{
    char *text = base_alloc(5000001);

    memset(text, 'x', 5000000);
    world_wait(world, world_body(world, 1, 1, text));
    world_expect(world, 1, 1, text);
    free(text);
}

static void
prune_one_job(struct world *world)
{
    (void)world_body(world, 1, 1, "one");
    (void)world_body(world, 1, 2, "two");
    world_wait(world, world_body(world, 2, 1, "other"));
    (void)world_prune(world, 1);
    world_expect(world, 1, 1, NULL);
    world_expect(world, 1, 2, NULL);
    world_wait(world, 4);
    world_expect(world, 1, 1, NULL);
    world_expect(world, 2, 1, "other");
    world_wait(world, world_prune(world, 99));
}

static void
prune_under_way(struct world *world)
{
    (void)world_body(world, 1, 1, "one");
    world_wait(world, world_prune(world, 1));
    world_expect(world, 1, 1, NULL);
}

static void
prune_in_its_turn(struct world *world)
{
    const uint64_t    jobs[] = { 1 };
    struct store_body bodies[] = { { 1, 1, slice_text("one") }, { 2, 1, slice_text("two") } };
    struct store_turn turn = { .bodies = bodies, .body_count = 2,
                               .pruned_jobs = jobs, .pruned_count = 1 };

    world_wait(world, store_submit(world->store, &turn));
    world_expect(world, 1, 1, NULL);
    world_expect(world, 2, 1, "two");
}

static void
prune_many_bodies(struct world *world)
{
    for (uint64_t i = 0; i < 1000; i++)
        (void)world_body(world, 1, i, "one of many");
    (void)world_body(world, 2, 0, "other");
    (void)world_prune(world, 1);
    world_wait(world, world_facts(world, "later"));
    for (uint64_t i = 0; i < 1000; i++)
        world_expect(world, 1, i, NULL);
    world_expect(world, 2, 0, "other");
}

static void
body_written_twice(struct world *world)
{
    struct store_counters counters;
    uint64_t              turn = 5;

    world_wait(world, world_body(world, 1, 1, "one"));
    (void)world_body(world, 1, 1, "one");
    while (store_committed(world->store, &turn, NULL) == MUSTER_OK) {
        struct pollfd wait = { .fd = store_fd(world->store), .events = POLLIN };

        (void)poll(&wait, 1, 10000);
    }
    assert_int_equal(store_committed(world->store, &turn, NULL), MUSTER_ERR_INTERNAL);
    store_count(world->store, &counters);
    assert_int_equal(counters.turns, 1);
    assert_int_equal(store_close(world->store, NULL), MUSTER_ERR_INTERNAL);
    world->store = NULL;
}

static void
counters_count(struct world *world)
{
    struct store_counters counters;

    (void)world_facts(world, "12345");
    world_wait(world, world_body(world, 1, 1, "123"));
    world_expect(world, 1, 1, "123");
    store_count(world->store, &counters);
    assert_int_equal(counters.turns, 2);
    assert_int_equal(counters.facts_bytes, 5);
    assert_int_equal(counters.body_bytes, 3);
    assert_int_equal(counters.reads, 1);
    assert_in_range(counters.commits, 1, 2);
    assert_int_equal(counters.space_low, 0);
}

static void
fresh_store_is_empty(struct world *world)
{
    world_expect_told(world, "");
    assert_int_equal(store_log_bytes(world->store), 0);
}

static const struct contract_story contract_stories[] = {
    { "turns are numbered 1, 2, 3 ... and become durable", numbers_rise },
    { "the descriptor tells when it has moved, and only then", descriptor_tells },
    { "a body is there from its submission on", body_at_once },
    { "a body is there without any cache", body_without_cache },
    { "a body may be large", large_body },
    { "pruning drops the bodies of one job, at once", prune_one_job },
    { "pruning meets a body that is still under way", prune_under_way },
    { "a turn's bodies are written before its jobs are pruned", prune_in_its_turn },
    { "pruning drops more bodies than one turn does", prune_many_bodies },
    { "a body that is written twice is an error that stays", body_written_twice },
    { "counters count", counters_count },
    { "a fresh store is empty", fresh_store_is_empty },
};

enum { STORY_COUNT = sizeof(contract_stories) / sizeof(contract_stories[0]) };

struct contract_row {
    const char *name;
    bool        durable;
    void (*run)(struct world *world);
};

static void
test_contract(void **state)
{
    const struct contract_row *row = *state;

    world_run(row->durable, row->run == body_without_cache ? 0 : 1024 * 1024, row->run);
}

int
main(void)
{
    static struct contract_row rows[2 * STORY_COUNT];
    static char                names[2 * STORY_COUNT][128];

    for (size_t i = 0; i < 2 * STORY_COUNT; i++) {
        const struct contract_story *story = &contract_stories[i % STORY_COUNT];
        bool                         durable = i < STORY_COUNT;

        snprintf(names[i], sizeof(names[i]), "%s: %s", durable ? "sqlite" : "memory",
                 story->story);
        rows[i] = (struct contract_row){ names[i], durable, story->run };
    }
    return STORIES("store: the contract", rows, test_contract);
}
