/* test_sync_more.c - what scripts cannot say about locks and their kin
 *
 * Settings that are refused, what people read, a thousand restarts, a hundred
 * thousand waiters, and guarded writes.
 */
#include "object.h"
#include "sync.h"
#include "sync_script.h"

#include <time.h>

static const struct script_story lock_story = { "a lock", NOUN_LOCK, 0, 0, "", false };

static struct script *
begin(const struct script_story *story)
{
    struct script *script = malloc(sizeof(*script));

    script_begin(script, story);
    return script;
}

static void
end(struct script *script)
{
    script_end(script);
    free(script);
}

static void
run(struct script *script, const char *text)
{
    char line[SCRIPT_LINE_BYTES];

    snprintf(line, sizeof(line), "%s", text);
    script_line(script, line);
}

/* ---- settings ---- */

struct open_story {
    const char    *story;
    enum wire_noun noun;
    uint64_t       a, b;
    bool           of_lock, transient, value;
    muster_err     error;
};

static const struct open_story open_stories[] = {
    { "a lock has no settings", NOUN_LOCK, 1, 0, false, false, false, MUSTER_ERR_INVALID },
    { "an rlock has no settings", NOUN_RLOCK, 0, 1, false, false, false, MUSTER_ERR_INVALID },
    { "a lock has no initial value", NOUN_LOCK, 0, 0, false, false, true, MUSTER_ERR_INVALID },
    { "a semaphore may begin with none", NOUN_SEMAPHORE, 0, 0, false, false, false, MUSTER_OK },
    { "a semaphore is bounded or not", NOUN_SEMAPHORE, 1, 2, false, false, false,
      MUSTER_ERR_INVALID },
    { "a semaphore of too many permits", NOUN_SEMAPHORE, 1u << 31, 0, false, false, false,
      MUSTER_ERR_INVALID },
    { "an event has no settings", NOUN_EVENT, 1, 0, false, false, false, MUSTER_ERR_INVALID },
    { "a barrier of nobody", NOUN_BARRIER, 0, 0, false, false, false, MUSTER_ERR_INVALID },
    { "a barrier of the largest size", NOUN_BARRIER, PARTIES_MAX, 0, false, false, false,
      MUSTER_OK },
    { "a barrier of too many", NOUN_BARRIER, PARTIES_MAX + 1, 0, false, false, false,
      MUSTER_ERR_INVALID },
    { "a condition of a lock", NOUN_CONDITION, 0, 0, true, false, false, MUSTER_OK },
    { "a condition of a lock has no other settings", NOUN_CONDITION, 0, 1, true, false, false,
      MUSTER_ERR_INVALID },
    { "a condition of nothing", NOUN_CONDITION, 0, 0, false, false, false, MUSTER_ERR_INVALID },
    { "a condition of what does not exist", NOUN_CONDITION, 999, 0, false, false, false,
      MUSTER_ERR_NOT_FOUND },
    { "a transient condition of a lock that is not", NOUN_CONDITION, 0, 0, true, true, false,
      MUSTER_ERR_INVALID },
};

static void
open_test(void **state)
{
    const struct open_story *story = *state;
    struct script           *script = begin(&lock_story);
    union wire_any           m = { .object_open = { .noun = (uint8_t)story->noun,
                                                    .name = slice_text("another"),
                                                    .mode = OPEN_NEW, .b = story->b,
                                                    .transient = story->transient } };

    m.object_open.a = story->of_lock ? script->object : story->a;
    if (story->value)
        m.object_open.value = slice_text("value");
    script_send(script, 0, ++script->world->request, MSG_TYPE_OBJECT_OPEN, &m);
    if (story->error == MUSTER_OK)
        world_expect(script->world, OBJECT_OPENED, &m);
    else
        world_expect_error(script->world, story->error);
    script_turn(script, 0);
    end(script);
}

static void
condition_of_an_event(void **state)
{
    static const struct script_story event_story = { "an event", NOUN_EVENT, 0, 0, "", false };
    struct script *script = begin(&event_story);
    union wire_any m = { .object_open = { .noun = NOUN_CONDITION, .mode = OPEN_NEW,
                                          .a = script->object } };

    (void)state;
    script_send(script, 0, ++script->world->request, MSG_TYPE_OBJECT_OPEN, &m);
    world_expect_error(script->world, MUSTER_ERR_TYPE);
    script_turn(script, 0);
    end(script);
}

/* The lock of an anonymous condition lives as long as it. */
static void
condition_keeps_its_lock(void **state)
{
    struct script *script = begin(&lock_story);
    struct world  *world = script->world;
    uint64_t       lock, condition;

    (void)state;
    lock = script_open(script, 0, NOUN_RLOCK, "", 0, 0, false);
    condition = script_open(script, 0, NOUN_CONDITION, "", lock, 0, false);
    script_object(script, 0, MSG_TYPE_OBJECT_CLOSE, lock);
    script_turn(script, 0);
    assert_non_null(object_find(world->core, lock));
    assert_int_equal(object_find(world->core, lock)->refs, 1);
    script_restarted(script, true);
    assert_int_equal(object_find(world->core, lock)->refs, 1);
    script_back(script, 0);
    script_turn(script, 0);
    script_object(script, 0, MSG_TYPE_OBJECT_CLOSE, condition);
    script_turn(script, 0);
    assert_null(object_find(world->core, condition));
    assert_null(object_find(world->core, lock));
    end(script);
}

/* ---- what people read ---- */

static void
expect_says(struct slice text, const char *part)
{
    char *copy = base_text_copy(text);

    if (strstr(copy, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", copy, part);
    free(copy);
}

static void
expect_not_owner(struct script *script, int who, const char *part)
{
    union wire_any m = { .object_do = { .object = script->object, .thread = 1,
                                        .verb = script->story->noun == NOUN_LOCK
                                                    ? VERB_LOCK_RELEASE : VERB_RLOCK_RELEASE } };

    script_send(script, who, ++script->world->request, MSG_TYPE_OBJECT_DO, &m);
    world_expect(script->world, ERROR, &m);
    assert_int_equal(m.error.code, MUSTER_ERR_NOT_OWNER);
    expect_says(m.error.detail, "\"object\": ");
    expect_says(m.error.detail, part);
    script_turn(script, 0);
}

static void
release_names_the_holder(void **state)
{
    static const struct script_story rlock_story = { "an rlock", NOUN_RLOCK, 0, 0, "", false };
    struct script *script = begin(&lock_story);

    (void)state;
    expect_not_owner(script, 1, "it is not held");
    run(script, "a1 acquire > a1:token/1");
    expect_not_owner(script, 1, "it is held by ann on host (session");
    run(script, "lose a");
    expect_not_owner(script, 1, "not connected");
    end(script);
    script = begin(&rlock_story);
    run(script, "a5 acquire > a5:token/1");
    expect_not_owner(script, 1, "it is held by ann on host (session");
    expect_not_owner(script, 0, "in thread 5");
    end(script);
}

struct list_story {
    const char         *story;
    struct script_story object;
    const char         *lines[4];
    uint64_t            items;
    const char         *text;
};

static const struct list_story list_stories[] = {
    { "a free lock", { "", NOUN_LOCK, 0, 0, "", false }, { NULL }, 0, "free" },
    { "a lock that is held", { "", NOUN_LOCK, 0, 0, "", false }, { "a1 acquire > a1:token/1" },
      1, "held by ann on host" },
    { "an rlock, held twice", { "", NOUN_RLOCK, 0, 0, "", false },
      { "a1 acquire > a1:token/1", "a1 acquire > a1:same/2" }, 2, "in thread 1" },
    { "a semaphore", { "", NOUN_SEMAPHORE, 3, 1, "", false }, { "a1 acquire > a1:token/2" }, 2,
      "2 left, 1 held by 1 session, bounded" },
    { "an event", { "", NOUN_EVENT, 0, 0, "", false }, { "a1 set > a1:ok" }, 1, "set" },
    { "a condition", { "", NOUN_CONDITION, NOUN_LOCK, 0, "", false },
      { "a1 acquire > a1:token/1", "a1 wait", "b1 acquire > b1:token/1", "b1 notify > b1:1" }, 1,
      "1 waiting, 1 of them notified, on lock lock" },
    { "a barrier", { "", NOUN_BARRIER, 3, 0, "", false }, { "a1 wait", "b1 wait" }, 2,
      "2 of 3 wait, generation 1" },
};

static void
list_test(void **state)
{
    const struct list_story *story = *state;
    struct script           *script = begin(&story->object);
    union wire_any           m = { .object_list_get = { .name = slice_text("object") } };
    struct wire_object       item;
    struct reader            in;

    for (int i = 0; i < 4 && story->lines[i] != NULL; i++)
        run(script, story->lines[i]);
    script_send(script, 2, ++script->world->request, MSG_TYPE_OBJECT_LIST_GET, &m);
    world_expect(script->world, OBJECT_LIST, &m);
    assert_int_equal(m.object_list.objects.count, 1);
    in = reader_of(m.object_list.objects.bytes);
    assert_true(wire_get_object(&in, &item));
    assert_int_equal(item.items, story->items);
    expect_says(item.text, story->text);
    script_turn(script, 0);
    end(script);
}

/* ---- what is read from a store is believed only when it is whole ---- */

struct stored_story {
    const char         *story;
    struct script_story object;
    const char         *lines[6];
};

static const struct stored_story stored_stories[] = {
    { "stored: an rlock that is held", { "", NOUN_RLOCK, 0, 0, "", false },
      { "a1 acquire > a1:token/1", "a1 acquire > a1:same/2" } },
    { "stored: a semaphore with holders", { "", NOUN_SEMAPHORE, 3, 0, "", false },
      { "a1 acquire > a1:token/2", "b1 acquire > b1:token/1", "b1 release a=2 > b1:ok" } },
    { "stored: an event", { "", NOUN_EVENT, 0, 0, "", false }, { "a1 set > a1:ok" } },
    { "stored: a condition with waiters", { "", NOUN_CONDITION, NOUN_LOCK, 0, "", false },
      { "a1 acquire > a1:token/1", "a1 wait", "b1 acquire > b1:token/1", "b1 notify > b1:1",
        "b1 wait > a1:token" } },
    { "stored: a barrier with waiters", { "", NOUN_BARRIER, 2, 0, "", false },
      { "a1 wait", "lose a", "b1 wait > b1:1/1", "b2 wait" } },
};

/* Load all, with object `at` as given.  A core that takes it passes core_check(). */
static muster_err
stored_load(const struct script *script, uint32_t at, struct slice bytes)
{
    struct core   *core = core_new(&script->world->config);
    struct effects fx = { 0 };
    muster_err     err = MUSTER_OK;

    for (uint32_t i = 0; i < script->stored_count && err == MUSTER_OK; i++)
        err = core_load(core, script->stored[i].kind, script->stored[i].id,
                        i == at ? bytes : buffer_slice(&script->stored[i].bytes));
    if (err == MUSTER_OK)
        err = core_replay(core, slice_of(NULL, 0));
    if (err == MUSTER_OK) {
        core_start(core, WORLD_START_MS, WORLD_UNIX_MS, &fx);
        core_turn(core, WORLD_START_MS, WORLD_UNIX_MS, &fx);
        core_check(core);
        core_turn(core, WORLD_START_MS + 3 * SESSION_MS, WORLD_UNIX_MS, &fx);
        core_check(core);
    }
    core_free(core);
    effects_free(&fx);
    return err;
}

static void
stored_test(void **state)
{
    const struct stored_story *story = *state;
    struct script             *script = begin(&story->object);
    uint32_t                   found = 0, refused = 0;

    for (int i = 0; i < 6 && story->lines[i] != NULL; i++)
        run(script, story->lines[i]);
    core_checkpoint(script->world->core, script_store, script);
    for (uint32_t i = 0; i < script->stored_count; i++) {
        struct buffer *bytes = &script->stored[i].bytes;

        if (script->stored[i].kind != OBJECT_HEAD || script->stored[i].id != script->object)
            continue;
        found++;
        assert_int_equal(stored_load(script, i, buffer_slice(bytes)), MUSTER_OK);
        for (size_t cut = 0; cut < bytes->bytes; cut++)
            assert_int_equal(stored_load(script, i, slice_cut(buffer_slice(bytes), 0, cut)),
                             MUSTER_ERR_INVALID);
        for (size_t at = 0; at < bytes->bytes; at++) {
            uint8_t good = bytes->data[at];

            for (uint32_t bad = 0; bad < 256; bad++) {
                bytes->data[at] = (uint8_t)bad;
                refused += stored_load(script, i, buffer_slice(bytes)) != MUSTER_OK;
            }
            bytes->data[at] = good;
        }
    }
    assert_int_equal(found, 1);
    assert_true(refused > 0);
    end(script);
}

/* ---- tokens ---- */

static void
tokens_over_restarts(void **state)
{
    struct script *script = begin(&lock_story);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        run(script, "a1 acquire > a1:token/1");
        if (i % 3 == 0)
            run(script, "a1 release > a1:ok");
        run(script, "seen a");
        run(script, "reload");
        run(script, "back a");
        if (i % 3 != 0)
            run(script, "a2 release > a2:ok");
    }
    end(script);
}

static void
guards_with_the_token(void **state)
{
    struct script *script = begin(&lock_story);
    uint64_t       token;

    (void)state;
    assert_false(lock_guards(script->world->core, script->object, 0));
    run(script, "a1 acquire > a1:token/1");
    token = script->token;
    assert_true(lock_guards(script->world->core, script->object, token));
    assert_false(lock_guards(script->world->core, script->object, token - 1));
    assert_false(lock_guards(script->world->core, script->object + 1, token));
    run(script, "a1 release > a1:ok");
    assert_false(lock_guards(script->world->core, script->object, token));
    run(script, "b1 acquire > b1:token/1");
    assert_false(lock_guards(script->world->core, script->object, token));
    assert_true(lock_guards(script->world->core, script->object, script->token));
    end(script);
}

/* ---- many ---- */

/* SOME operations are done with FEW and with MANY waiting, a hundred times as
 * many.  What looks at each of them takes a hundred times as long; caches may
 * make it a few times. */
enum { FEW = 1000, MANY = 100 * FEW, SOME = 1000, TIMES_MAX = 25 };

static uint32_t
many_send(struct script *script, unsigned verb, uint64_t object, uint64_t a)
{
    bool           waits = wire_verb_rule(verb)->kind == VERB_WAIT;
    union wire_any m = { .object_do = { .object = object, .verb = (uint8_t)verb, .a = a,
                                        .thread = 1, .wait_ms = waits ? UINT32_MAX : 0 } };
    uint32_t       before = script->world->fx.send_count;

    script_send(script, 0, ++script->world->request, MSG_TYPE_OBJECT_DO, &m);
    return script->world->fx.send_count - before;
}

/* What is kept until it was seen has a limit. */
static void
many_turn(struct script *script)
{
    union wire_any m = { .object_seen = { .below = script->world->request + 1 } };

    script_send(script, 0, ++script->world->request, MSG_TYPE_OBJECT_SEEN, &m);
    world_turn(script->world, 0);
    script->world->sends_read = script->world->fx.send_count;
    world_next(script->world);
}

static uint64_t
many_cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

typedef void many_fn(struct script *script);

static void
many_test(const struct script_story *story, many_fn *begin_one, many_fn *fill, many_fn *step)
{
    struct script *script = begin(story);
    uint64_t       took_us[2], filled = 0;

    begin_one(script);
    for (int round = 0; round < 2; round++) {
        for (; filled < (round == 0 ? FEW : MANY); filled++) {
            fill(script);
            if (filled % SOME == 0)
                many_turn(script);
        }
        many_turn(script);
        took_us[round] = many_cpu_us();
        for (int i = 0; i < SOME; i++)
            step(script);
        took_us[round] = many_cpu_us() - took_us[round];
        many_turn(script);
    }
    assert_in_range(took_us[1], 0, (took_us[0] + 100) * TIMES_MAX);
    end(script);
}

static void
lock_begin(struct script *script)
{
    assert_int_equal(many_send(script, VERB_LOCK_ACQUIRE, script->object, 0), 1);
}

static void
lock_fill(struct script *script)
{
    assert_int_equal(many_send(script, VERB_LOCK_ACQUIRE, script->object, 0), 0);
}

/* The release, and the first that waits has it. */
static void
lock_step(struct script *script)
{
    assert_int_equal(many_send(script, VERB_LOCK_RELEASE, script->object, 0), 2);
    lock_fill(script);
}

static void
many_wait_for_a_lock(void **state)
{
    (void)state;
    many_test(&lock_story, lock_begin, lock_fill, lock_step);
}

static void
condition_begin(struct script *script)
{
    assert_int_equal(many_send(script, VERB_LOCK_ACQUIRE, script->lock, 0), 1);
}

static void
condition_fill(struct script *script)
{
    assert_int_equal(many_send(script, VERB_CONDITION_WAIT, script->object, 0), 0);
    assert_int_equal(many_send(script, VERB_LOCK_ACQUIRE, script->lock, 0), 1);
}

/* The release, and the one that was notified has the lock. */
static void
condition_step(struct script *script)
{
    assert_int_equal(many_send(script, VERB_CONDITION_NOTIFY, script->object, 1), 1);
    assert_int_equal(many_send(script, VERB_LOCK_RELEASE, script->lock, 0), 2);
    condition_fill(script);
}

static void
many_wait_for_a_condition(void **state)
{
    static const struct script_story story = { "", NOUN_CONDITION, NOUN_LOCK, 0, "", false };

    (void)state;
    many_test(&story, condition_begin, condition_fill, condition_step);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(condition_of_an_event),
        cmocka_unit_test(condition_keeps_its_lock),
        cmocka_unit_test(release_names_the_holder),
        cmocka_unit_test(tokens_over_restarts),
        cmocka_unit_test(guards_with_the_token),
        cmocka_unit_test(many_wait_for_a_lock),
        cmocka_unit_test(many_wait_for_a_condition),
    };

    return STORIES("settings", open_stories, open_test) +
           STORIES("what people read", list_stories, list_test) +
           STORIES("what is stored", stored_stories, stored_test) +
           cmocka_run_group_tests_name("locks and their kin", tests, NULL, NULL);
}
