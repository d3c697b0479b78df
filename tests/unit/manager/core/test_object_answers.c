/* test_object_answers.c - answers that are kept until they are seen, in any order and number
 *
 * Costs are counted in work (core_work), not in time.
 */
#include "object_scene.h"

#include "state.h"

enum { WAITS = 100000, OTHERS = 50000, MANY = 16000 };

static uint64_t
work(const struct scene *scene)
{
    return core_work(scene->world->core);
}

static void
clear(struct scene *scene)
{
    effects_clear(&scene->world->fx);
    scene->world->sends_read = 0;
}

static void
seen_range(struct scene *scene, int who, uint64_t from, uint64_t below)
{
    union wire_any m = { .object_seen = { .from = from, .below = below } };

    (void)ask(scene, who, MSG_TYPE_OBJECT_SEEN, &m);
}

static uint64_t
kept(struct scene *scene)
{
    struct core_counters counters;

    core_count(scene->world->core, &counters);
    return counters.object_answers;
}

/* Ends the turn without a comparison of all there is: for large scenes. */
static void
turn_quickly(struct scene *scene)
{
    struct world *world = scene->world;

    core_turn(world->core, ++world->now_ms, world_unix(world), &world->fx);
    buffer_append_slice(&world->log, buffer_slice(&world->fx.facts));
    assert_int_equal(core_replay(world->mirror, buffer_slice(&world->fx.facts)), MUSTER_OK);
    buffer_clear(&world->fx.facts);
    clear(scene);
}

static void
tell_range(struct scene *scene)
{
    uint64_t event = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t requests[4];

    for (int i = 0; i < 4; i++) {
        requests[i] = asked(scene, ANN, event, VERB_EVENT_SET, 0);
        (void)expect_done(scene, ANN, requests[i]);
    }
    turn(scene, 0);
    assert_int_equal(kept(scene), 5);
    seen_range(scene, ANN, requests[1], requests[3]);
    assert_int_equal(kept(scene), 3);
    turn(scene, 0);                     /* the mirror has replayed it */
    for (int i = 0; i < 4; i += 3) {
        union wire_any m = do_of(event, VERB_EVENT_SET, 0);

        ask_again(scene, ANN, requests[i], MSG_TYPE_OBJECT_DO, &m);
        (void)expect_done(scene, ANN, requests[i]);
        assert_int_equal(scene->world->fx.facts.bytes, 0);      /* not done twice */
    }
    seen_range(scene, ANN, requests[1], requests[3]);
    assert_int_equal(scene->world->fx.facts.bytes, 0);
    seen_range(scene, ANN, 9, 3);       /* an empty range */
    assert_int_equal(kept(scene), 3);
}

/* Numbers fall: an array would move them all for each. */
static void
tell_falling(struct scene *scene)
{
    uint64_t       event = open_named(scene, ANN, NOUN_EVENT, "go");
    union wire_any m = do_of(event, VERB_EVENT_SET, 0);
    uint64_t       before;

    turn(scene, 0);
    before = work(scene);
    for (uint32_t i = MANY; i > 0; i--)
        ask_again(scene, ANN, 1000 + i, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(kept(scene), MANY + 1);
    assert_true(work(scene) - before <= MANY);
    seen_range(scene, ANN, 0, UINT64_MAX);
    assert_int_equal(kept(scene), 0);
    assert_true(work(scene) - before <= MANY);
    turn_quickly(scene);
}

/* Who waits does not keep others' answers from being seen. */
static void
tell_many_waits(struct scene *scene)
{
    uint64_t             queue = open_named(scene, ANN, NOUN_QUEUE, "work");
    uint64_t             event = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t             first, before;
    struct core_counters counters;

    turn(scene, 0);
    for (uint32_t i = 0; i < WAITS; i++) {
        union wire_any m = do_of(queue, VERB_QUEUE_GET, UINT32_MAX);

        m.object_do.a = 1;
        m.object_do.thread = 0;
        (void)ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    }
    core_count(scene->world->core, &counters);
    assert_int_equal(counters.object_waits, WAITS);
    before = work(scene);
    for (uint32_t i = 0; i < OTHERS; i++) {
        (void)done(scene, ANN, event, VERB_EVENT_SET);
        first = scene->world->request;
        if (i % 1000 == 999) {
            seen_range(scene, ANN, first - 999, first + 1);
            turn_quickly(scene);
        }
    }
    core_count(scene->world->core, &counters);
    assert_int_equal(counters.object_answers, 2);       /* the two OPENs */
    assert_int_equal(counters.object_waits, WAITS);
    assert_true(work(scene) - before <= 4 * (uint64_t)OTHERS);
    /* They come back with the connection. */
    before = work(scene);
    lose(scene, ANN);
    back(scene, ANN);
    assert_true(work(scene) - before <= WAITS);
    clear(scene);
    turn_quickly(scene);
    goodbye(scene, ANN);
    turn_quickly(scene);
    assert_int_equal(kept(scene), 0);
}

/* An answer without bytes takes memory as well. */
static void
tell_memory(struct scene *scene)
{
    uint64_t event = open_named(scene, ANN, NOUN_EVENT, "go");
    uint32_t count = 0;
    uint16_t type;

    (void)open_named(scene, BOB, NOUN_EVENT, "go");
    turn(scene, 0);
    do {
        union wire_any m;

        (void)asked(scene, ANN, event, VERB_EVENT_SET, 0);
        type = world_take(scene->world, NULL, &m);
        if (type == MSG_TYPE_ERROR)
            assert_int_equal(m.error.code, MUSTER_ERR_BUSY);
    } while (type != MSG_TYPE_ERROR && ++count < 10000);
    /* Half of 64 KiB, at about 180 bytes each. */
    assert_in_range(count, 100, 200);
    (void)done(scene, BOB, event, VERB_EVENT_SET);
    seen_range(scene, ANN, 0, UINT64_MAX);
    (void)done(scene, ANN, event, VERB_EVENT_SET);
}

/* A log of a manager that knew no ranges. */
static void
tell_old_fact(struct scene *scene)
{
    uint64_t      event = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t      request = asked(scene, ANN, event, VERB_EVENT_SET, 0);
    struct buffer except = { 0 };
    struct buffer facts = { 0 };
    struct record record = { .type = RECORD_TYPE_ANSWERS_SEEN };
    struct core  *core = core_new(&scene->world->config);
    struct core_counters counters;

    (void)expect_done(scene, ANN, request);
    turn(scene, 0);
    assert_int_equal(core_replay(core, buffer_slice(&scene->world->log)), MUSTER_OK);
    write_u64(&except, request);
    record.answers_seen = (struct record_answers_seen){ scene->session[ANN], UINT64_MAX,
                                                        buffer_slice(&except) };
    record_put(&facts, &record);
    assert_int_equal(core_replay(core, buffer_slice(&facts)), MUSTER_OK);
    core_count(core, &counters);
    assert_int_equal(counters.object_answers, 1);
    core_check(core);
    core_free(core);
    buffer_free(&except);
    buffer_free(&facts);
}

static const struct story stories[] = {
    { "SEEN of a range says nothing of others", tell_range },
    { "an older fact of SEEN is still understood", tell_old_fact },
};

static const struct story large[] = {
    { "16,000 answers with falling numbers", tell_falling },
    { "50,000 operations beside 100,000 waits of one session", tell_many_waits },
};

static const struct story small[] = {
    { "answers count for their memory", tell_memory },
};

static void
run_with(const struct story *story, uint64_t bytes_max)
{
    struct core_config config = world_config;
    struct scene       scene;

    config.object_bytes_max = bytes_max;
    scene_begin(&scene, &config);
    story->tell(&scene);
    scene_end(&scene);
}

static void
run(void **state)
{
    run_with(*state, world_config.object_bytes_max);
}

static void
run_small(void **state)
{
    run_with(*state, 64 * KIB);
}

int
main(void)
{
    return STORIES("object_answers", stories, run) + STORIES("large", large, run) +
           STORIES("small", small, run_small);
}
