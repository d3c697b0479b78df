/* test_dict_late.c - a dict that very many watch: a change holds nobody up
 *
 * Method: 50,000 requests of one session watch; a change is made, and the answers of
 * each turn are counted.
 */
#include "../object_scene.h"

enum { WATCHERS = 50000, PER_TURN = 8192 };

static uint64_t
set(struct scene *scene, int who, uint64_t dict, const char *key)
{
    union wire_any m = do_of(dict, VERB_DICT_SET, 0);

    m.object_do.thread = 0;
    m.object_do.key = slice_text(key);
    m.object_do.value = slice_text("value");
    return ask(scene, who, MSG_TYPE_OBJECT_DO, &m);
}

static void
watch(struct scene *scene, uint64_t dict, const char *key, uint64_t version)
{
    union wire_any m = do_of(dict, VERB_DICT_WATCH, UINT32_MAX);

    m.object_do.thread = 0;
    m.object_do.a = version;
    m.object_do.key = slice_text(key);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
}

/* Answers since the last time, all of them DONEs of this session with this version. */
static uint32_t
told(struct scene *scene, uint64_t version)
{
    union wire_any m;
    uint64_t       session;
    uint32_t       count = 0;
    uint16_t       type;

    while ((type = world_take(scene->world, &session, &m)) != 0) {
        assert_int_equal(type, MSG_TYPE_OBJECT_DONE);
        if (session != scene->session[ANN])
            continue;
        assert_int_equal(m.object_done.a, version);
        count++;
    }
    return count;
}

/* The end of a turn, and what it has told. */
static uint32_t
turn_told(struct scene *scene, uint64_t version)
{
    uint32_t count;

    turn(scene, 0);
    count = told(scene, version);
    effects_clear(&scene->world->fx);
    scene->world->sends_read = 0;
    return count;
}

static uint64_t
watched(struct scene *scene, const char *key)
{
    uint64_t dict = open_named(scene, ANN, NOUN_DICT, "table");

    (void)open_named(scene, BOB, NOUN_DICT, "table");
    watch(scene, dict, "", 0);
    assert_int_equal(told(scene, 1), 1);
    for (uint32_t i = 0; i < WATCHERS; i++)
        watch(scene, dict, key, 1);
    assert_int_equal(turn_told(scene, 1), 0);
    return dict;
}

/* The turns that it takes until all are told. */
static uint32_t
tell_all(struct scene *scene, uint64_t version, uint32_t *count)
{
    uint32_t turns = 0;

    while (*count < WATCHERS && turns < WATCHERS) {
        uint32_t now;

        assert_true(core_wake_ms(scene->world->core) <= scene->world->now_ms);
        now = turn_told(scene, version);
        assert_in_range(now, 1, PER_TURN);
        *count += now;
        turns++;
    }
    return turns;
}

static void
tell_in_turns(struct scene *scene)
{
    uint64_t dict = watched(scene, "");
    uint64_t before = core_work(scene->world->core);
    uint32_t count;

    (void)set(scene, BOB, dict, "a");
    count = told(scene, 2);
    assert_in_range(count, 1, PER_TURN);
    assert_true(core_work(scene->world->core) - before <= PER_TURN * 20);
    assert_in_range(tell_all(scene, 2, &count), WATCHERS / PER_TURN - 1, WATCHERS / PER_TURN + 1);
    assert_int_equal(count, WATCHERS);
}

/* What changes while they are being told comes with it, and nobody is told twice. */
static void
tell_another(struct scene *scene)
{
    uint64_t dict = watched(scene, "");
    uint32_t count;

    (void)set(scene, BOB, dict, "a");
    count = told(scene, 2);
    (void)set(scene, BOB, dict, "b");
    assert_int_equal(told(scene, 3), 0);            /* this turn has done its share */
    (void)tell_all(scene, 3, &count);
    assert_int_equal(count, WATCHERS);
    assert_int_equal(turn_told(scene, 3), 0);
}

/* Those whose key did not change are passed over and stay. */
static void
tell_others(struct scene *scene)
{
    uint64_t dict = watched(scene, "mine");
    uint32_t count;

    (void)set(scene, BOB, dict, "other");
    assert_int_equal(told(scene, 2), 0);
    (void)set(scene, BOB, dict, "mine");
    count = told(scene, 3);
    for (uint32_t i = 0; i < 2 * WATCHERS / PER_TURN + 2; i++) {
        count += turn_told(scene, 3);
    }
    assert_int_equal(count, WATCHERS);
}

/* The dict, or the session, goes while they are being told. */
static void
tell_gone(struct scene *scene)
{
    uint64_t       dict = watched(scene, "");
    union wire_any m = { .object_delete = { .object = dict } };

    (void)set(scene, BOB, dict, "a");
    (void)told(scene, 2);
    lose(scene, ANN);
    assert_int_equal(turn_told(scene, 2), 0);
    back(scene, ANN);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_DELETE, &m);
    turn(scene, 0);
    effects_clear(&scene->world->fx);
    scene->world->sends_read = 0;
    (void)open_named(scene, ANN, NOUN_DICT, "table");
}

static const struct story stories[] = {
    { "many are told in several turns", tell_in_turns },
    { "a change meanwhile is told with it", tell_another },
    { "those of other keys stay", tell_others },
    { "it goes meanwhile", tell_gone },
};

static void
run(void **state)
{
    const struct story *story = *state;
    struct scene        scene;

    scene_begin(&scene, &world_config);
    story->tell(&scene);
    scene_end(&scene);
}

int
main(void)
{
    return STORIES("dict_late", stories, run);
}
