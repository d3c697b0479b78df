/* test_object_hostile.c - sessions that mean harm: numbers used twice, work out of
 * proportion, memory that nothing counts */
#include "object_scene.h"

/* ---- stories: numbers ---- */

/* Ann's ACQUIRE waits; returns its number. */
static uint64_t
ann_waits(struct scene *scene, uint64_t *lock_out)
{
    uint64_t lock = open_named(scene, BOB, NOUN_LOCK, "door");
    uint64_t request;

    (void)done(scene, BOB, lock, VERB_LOCK_ACQUIRE);
    (void)open_named(scene, ANN, NOUN_LOCK, "door");
    request = asked(scene, ANN, lock, VERB_LOCK_ACQUIRE, UINT32_MAX);
    quiet(scene);
    *lock_out = lock;
    return request;
}

static void
bob_lets_go(struct scene *scene, uint64_t lock, uint64_t waiting)
{
    uint64_t release = asked(scene, BOB, lock, VERB_LOCK_RELEASE, 0);

    (void)expect_done(scene, BOB, release);
    (void)expect_done(scene, ANN, waiting);
    quiet(scene);
}

static void
tell_number_opens(struct scene *scene)
{
    union wire_any open = open_of(NOUN_DICT, "");
    uint64_t       lock, waiting = ann_waits(scene, &lock);

    ask_again(scene, ANN, waiting, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_INVALID, "another request of this number waits");
    bob_lets_go(scene, lock, waiting);
}

static void
tell_number_opens_old(struct scene *scene)
{
    union wire_any open = open_of(NOUN_DICT, "words");
    uint64_t       lock, waiting = ann_waits(scene, &lock);

    (void)open_named(scene, BOB, NOUN_DICT, "words");
    ask_again(scene, ANN, waiting, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_INVALID, "another request of this number waits");
    bob_lets_go(scene, lock, waiting);
}

static void
tell_number_deletes(struct scene *scene)
{
    uint64_t       own = open_named(scene, ANN, NOUN_DICT, "words");
    union wire_any m = { .object_delete = { .object = own } };
    uint64_t       lock, waiting = ann_waits(scene, &lock);

    ask_again(scene, ANN, waiting, MSG_TYPE_OBJECT_DELETE, &m);
    expect_text(scene, MUSTER_ERR_INVALID, "another request of this number waits");
    bob_lets_go(scene, lock, waiting);
}

/* ---- stories: work out of proportion is counted ---- */

static uint64_t
work_of(struct scene *scene, uint64_t object, enum wire_verb verb)
{
    uint64_t before = core_work(scene->world->core);

    (void)done(scene, ANN, object, verb);
    return core_work(scene->world->core) - before;
}

static void
fill(struct scene *scene, uint64_t list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        union wire_any m = do_of(list, VERB_LIST_APPEND, 0);

        m.object_do.value = slice_text("an item");
        (void)expect_done(scene, ANN, ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m));
    }
}

static void
tell_work_list(struct scene *scene)
{
    uint64_t list = open_named(scene, ANN, NOUN_LIST, "words");

    fill(scene, list, 500);
    assert_int_equal(work_of(scene, list, VERB_LIST_LEN), 0);
    assert_in_range(work_of(scene, list, VERB_LIST_COUNT), 500, 1000);
    assert_in_range(work_of(scene, list, VERB_LIST_REVERSE), 500, 1000);
    assert_in_range(work_of(scene, list, VERB_LIST_SORT), 8000, 50000);
    seen(scene, ANN, UINT64_MAX, NULL, 0);
}

static void
tell_work_copy(struct scene *scene)
{
    uint64_t       dict = open_named(scene, ANN, NOUN_DICT, "words");
    union wire_any m = do_of(dict, VERB_DICT_SET, 0);

    m.object_do.key = slice_text("a key");
    (void)expect_done(scene, ANN, ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m));
    assert_in_range(work_of(scene, dict, VERB_DICT_COPY), 10, 1000);
}

static void
tell_work_objects(struct scene *scene)
{
    union wire_any m = { .object_list_get = { .of_noun = 1, .noun = NOUN_QUEUE } };
    uint64_t       before;
    char           name[16];

    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "event-%d", i);
        (void)open_named(scene, ANN, NOUN_EVENT, name);
    }
    before = core_work(scene->world->core);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_LIST_GET, &m);
    world_expect(scene->world, OBJECT_LIST, &m);
    assert_in_range(core_work(scene->world->core) - before, 30, 1000);
}

/* Bob's watchers make Ann's change dear: that is counted, too. */
static void
tell_work_watchers(struct scene *scene)
{
    uint64_t       dict = open_named(scene, ANN, NOUN_DICT, "words");
    union wire_any watch = do_of(dict, VERB_DICT_WATCH, UINT32_MAX);
    union wire_any set = do_of(dict, VERB_DICT_SET, 0);
    uint64_t       before;

    watch.object_do.a = 1;
    watch.object_do.key = slice_text("never");
    set.object_do.key = slice_text("often");
    (void)open_named(scene, BOB, NOUN_DICT, "words");
    for (int i = 0; i < 50; i++)
        (void)ask(scene, BOB, MSG_TYPE_OBJECT_DO, &watch);
    quiet(scene);
    before = core_work(scene->world->core);
    (void)expect_done(scene, ANN, ask(scene, ANN, MSG_TYPE_OBJECT_DO, &set));
    assert_in_range(core_work(scene->world->core) - before, 500, 5000);
}

/* The log has one line per key, so that what changes often hides nothing. */
static void
tell_log_is_short(struct scene *scene)
{
    uint64_t               dict = open_named(scene, ANN, NOUN_DICT, "words");
    union wire_any         watch = do_of(dict, VERB_DICT_WATCH, 0);
    union wire_any         set = do_of(dict, VERB_DICT_SET, 0);
    struct msg_object_done answer;

    answer = done(scene, ANN, dict, VERB_DICT_WATCH);
    set.object_do.key = slice_text("once");
    (void)expect_done(scene, ANN, ask(scene, ANN, MSG_TYPE_OBJECT_DO, &set));
    set.object_do.key = slice_text("often");
    for (int i = 0; i < 3000; i++) {
        (void)expect_done(scene, ANN, ask(scene, ANN, MSG_TYPE_OBJECT_DO, &set));
        if (i % 500 == 0)
            seen(scene, ANN, UINT64_MAX, NULL, 0);
    }
    watch.object_do.a = answer.a;
    answer = expect_done(scene, ANN, ask(scene, ANN, MSG_TYPE_OBJECT_DO, &watch));
    assert_int_equal(answer.c, 0);
    assert_int_equal(answer.b, 2);
    assert_int_equal(answer.a, 3002);
    seen(scene, ANN, UINT64_MAX, NULL, 0);
}

/* ---- stories: memory ---- */

static void
tell_waits_are_counted(struct scene *scene)
{
    uint64_t dict = open_named(scene, ANN, NOUN_DICT, "words");
    char     key[KEY_BYTES_MAX];

    memset(key, 'k', sizeof(key));
    for (int i = 0;; i++) {
        union wire_any m = do_of(dict, VERB_DICT_WATCH, UINT32_MAX);

        m.object_do.a = 1;
        m.object_do.key = slice_of(key, sizeof(key));
        (void)ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
        if (scene->world->sends_read == scene->world->fx.send_count) {
            assert_in_range(i, 0, 300);
            continue;
        }
        world_expect_error(scene->world, MUSTER_ERR_BUSY);
        assert_in_range(i, 200, 256);
        break;
    }
    goodbye(scene, ANN);
}

static const struct story stories[] = {
    { "searching, turning and sorting a list count", tell_work_list },
    { "copying a dict counts", tell_work_copy },
    { "looking at all objects counts", tell_work_objects },
    { "looking at all watchers counts", tell_work_watchers },
    { "a key that changes often has one line", tell_log_is_short },
    { "waits have a limit in bytes", tell_waits_are_counted },

    { "an OPEN has the number of a request that waits", tell_number_opens },
    { "so has one of what is there", tell_number_opens_old },
    { "a DELETE has it", tell_number_deletes },
};

static void
run(void **state)
{
    const struct story *story = *state;
    struct core_config  config = world_config;
    struct scene        scene;

    config.object_bytes_max = MIB;
    scene_begin(&scene, &config);
    story->tell(&scene);
    scene_end(&scene);
}

int
main(void)
{
    return STORIES("object_hostile", stories, run);
}
