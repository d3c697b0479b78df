/* test_object.c - the frame of shared objects: life, answers, limits */
#include "object_scene.h"

/* ---- stories: open, close, delete ---- */

static void
tell_modes(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "go");
    uint64_t       object;

    open.object_open.mode = OPEN_OLD;
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_NOT_FOUND, "there is no event \"go\"");
    open.object_open.mode = OPEN_ANY;
    object = opened(scene, ANN, &open, false);
    assert_true(object == opened(scene, BOB, &open, true));
    open.object_open.mode = OPEN_OLD;
    assert_true(object == opened(scene, ROOT, &open, true));
    open.object_open.mode = OPEN_NEW;
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_EXISTS, "the event \"go\" exists already");
    open = open_of(NOUN_LOCK, "go");
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_TYPE, "\"go\" (object 1) is of the noun event, not lock");
    assert_int_equal(counted(scene).objects, 1);
}

static void
tell_settings(struct scene *scene)
{
    union wire_any open = open_of(NOUN_SEMAPHORE, "seats");
    union wire_any m;

    open.object_open.a = 3;
    (void)opened(scene, ANN, &open, false);
    open.object_open.a = 5;
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    assert_int_equal(m.object_opened.a, 3);
    open = open_of(NOUN_VALUE, "bad");
    open.object_open.a = 77;
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_INVALID,
                "value \"bad\": a value is an integer, a double, or bytes");
    open = open_of(NOUN_EVENT, "two words");
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_INVALID,
                "a name has 1 to 64 of A-Z a-z 0-9 . _ - and begins with none of . -");
    assert_int_equal(counted(scene).objects, 1);
}

static void
tell_by_id(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "");
    uint64_t       object = opened(scene, ANN, &open, false);
    uint64_t       other = opened(scene, ANN, &open, false);

    assert_true(object != other);
    open.object_open.object = object;
    assert_true(object == opened(scene, BOB, &open, true));
    open.object_open.noun = NOUN_LOCK;
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect_error(scene->world, MUSTER_ERR_TYPE);
    open.object_open.object = 99;
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_NOT_FOUND, "there is no object 99 (any more)");
}

static void
tell_ties(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    union wire_any m = do_of(object, VERB_EVENT_IS_SET, 0);

    (void)ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    expect_text(scene, MUSTER_ERR_NOT_FOUND, "event \"go\": this session has not opened it");
    m = do_of(object, VERB_LOCK_ACQUIRE, 0);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    expect_text(scene, MUSTER_ERR_TYPE, "event \"go\": \"acquire\" is for a lock");
    m.object_do.verb = VERB_COUNT - 1;
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    expect_text(scene, MUSTER_ERR_UNSUPPORTED, "event \"go\": this manager knows no verb 127");
    (void)asked(scene, ANN, 44, VERB_EVENT_SET, 0);
    expect_text(scene, MUSTER_ERR_NOT_FOUND, "there is no object 44 (any more)");
    assert_int_equal(closed(scene, ANN, object), 1);
    assert_int_equal(closed(scene, ANN, object), 0);
    (void)asked(scene, ANN, object, VERB_EVENT_SET, 0);
    world_expect_error(scene->world, MUSTER_ERR_NOT_FOUND);
    assert_int_equal(counted(scene).objects, 1);    /* it has a name */
}

/* CLOSE and OPEN were done, and both answers lost. */
static void
tell_close_again(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    union wire_any close = { .object_close = { .object = object } };
    union wire_any open = open_of(NOUN_EVENT, "go");
    uint64_t       close_request = ask(scene, ANN, MSG_TYPE_OBJECT_CLOSE, &close);
    uint64_t       open_request;
    union wire_any m;

    assert_int_equal(world_expect_ack(scene->world), 1);
    open_request = ask(scene, ANN, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    turn(scene, 1);
    ask_again(scene, ANN, close_request, MSG_TYPE_OBJECT_CLOSE, &close);
    assert_int_equal(world_expect_ack(scene->world), 1);
    ask_again(scene, ANN, open_request, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    assert_int_equal(done(scene, ANN, object, VERB_EVENT_IS_SET).a, 0);
    assert_int_equal(closed(scene, ANN, object), 1);
    assert_int_equal(closed(scene, ANN, object), 0);
}

static void
tell_anonymous(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "");
    uint64_t       one = opened(scene, ANN, &open, false);
    uint64_t       two = opened(scene, ANN, &open, false);

    open.object_open.object = two;
    (void)opened(scene, BOB, &open, true);
    assert_int_equal(closed(scene, ANN, one), 1);
    assert_int_equal(closed(scene, ANN, two), 1);
    assert_int_equal(counted(scene).objects, 1);
    goodbye(scene, BOB);
    assert_int_equal(counted(scene).objects, 0);
}

static void
tell_delete(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    union wire_any m = { .object_delete = { .object = object } };
    uint64_t       wait, request;

    (void)open_named(scene, BOB, NOUN_EVENT, "go");
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_DELETE, &m);
    expect_text(scene, MUSTER_ERR_DENIED, "event \"go\": only ann or an admin may delete it");
    wait = asked(scene, BOB, object, VERB_EVENT_WAIT, UINT32_MAX);
    (void)wait;
    quiet(scene);
    request = ask(scene, ANN, MSG_TYPE_OBJECT_DELETE, &m);
    expect_text(scene, MUSTER_ERR_CLOSED, "event \"go\": it was closed");
    assert_int_equal(world_expect_ack(scene->world), 1);
    turn(scene, 1);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DELETE, &m);
    assert_int_equal(world_expect_ack(scene->world), 1);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_DELETE, &m);
    world_expect_error(scene->world, MUSTER_ERR_NOT_FOUND);
    (void)asked(scene, BOB, object, VERB_EVENT_SET, 0);
    world_expect_error(scene->world, MUSTER_ERR_NOT_FOUND);
    assert_int_equal(counted(scene).objects, 0);
    assert_true(open_named(scene, BOB, NOUN_LOCK, "go") != object);     /* the name is free */
}

static void
tell_admin_deletes(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    union wire_any m = { .object_delete = { .object = object } };

    (void)ask(scene, ROOT, MSG_TYPE_OBJECT_DELETE, &m);
    assert_int_equal(world_expect_ack(scene->world), 1);
    assert_int_equal(counted(scene).objects, 0);
}

static void
tell_list(struct scene *scene)
{
    union wire_any     m = { .object_list_get = { 0 } };
    union wire_any     answer;
    union wire_any     open = open_of(NOUN_EVENT, "");
    struct reader      in;
    struct wire_object item;
    uint64_t           first = open_named(scene, ANN, NOUN_EVENT, "one");

    (void)opened(scene, ANN, &open, false);
    (void)open_named(scene, BOB, NOUN_LOCK, "two");
    (void)open_named(scene, BOB, NOUN_EVENT, "one");
    (void)asked(scene, BOB, first, VERB_EVENT_WAIT, 1000);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_LIST_GET, &m);
    world_expect(scene->world, OBJECT_LIST, &answer);
    assert_int_equal(answer.object_list.objects.count, 2);
    in = reader_of(answer.object_list.objects.bytes);
    assert_true(wire_get_object(&in, &item));
    assert_int_equal(item.object, first);
    assert_true(slice_equals_text(item.name, "one") && slice_equals_text(item.owner, "ann"));
    assert_int_equal(item.sessions, 2);
    assert_int_equal(item.waiting, 1);
    assert_true(wire_get_object(&in, &item));
    assert_true(slice_equals_text(item.name, "two") && item.noun == NOUN_LOCK);
    m.object_list_get.after = first;
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_LIST_GET, &m);
    world_expect(scene->world, OBJECT_LIST, &answer);
    assert_int_equal(answer.object_list.objects.count, 1);
    m.object_list_get = (struct msg_object_list_get){ .of_noun = 1, .noun = NOUN_LOCK,
                                                      .name = slice_text("one") };
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_LIST_GET, &m);
    world_expect(scene->world, OBJECT_LIST, &answer);
    assert_int_equal(answer.object_list.objects.count, 0);
}

static void
tell_names_come_and_go(struct scene *scene)
{
    union wire_any m = { .object_list_get = { 0 } };
    union wire_any answer;
    uint64_t       ids[10];
    char           name[16];

    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "name-%d", i);
        ids[i] = open_named(scene, ANN, NOUN_EVENT, name);
    }
    for (int i = 0; i < 9; i++) {
        union wire_any delete = { .object_delete = { .object = ids[i] } };

        (void)ask(scene, ANN, MSG_TYPE_OBJECT_DELETE, &delete);
        (void)world_expect_ack(scene->world);
        (void)ask(scene, ANN, MSG_TYPE_OBJECT_LIST_GET, &m);
        world_expect(scene->world, OBJECT_LIST, &answer);
        assert_int_equal(answer.object_list.objects.count, 9 - i);
        core_check(scene->world->core);
    }
    (void)open_named(scene, ANN, NOUN_EVENT, "name-0");
}

/* ---- stories: answers ---- */

static void
tell_open_again(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "");
    union wire_any m;
    uint64_t       object = opened(scene, ANN, &open, false);

    turn(scene, 1);
    lose(scene, ANN);
    back(scene, ANN);
    ask_again(scene, ANN, 4, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    assert_int_equal(m.object_opened.object, object);
    assert_int_equal(m.object_opened.existed, 0);
    assert_int_equal(counted(scene).objects, 1);
    restart(scene);
    back(scene, ANN);
    ask_again(scene, ANN, 4, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    assert_int_equal(m.object_opened.object, object);
    assert_int_equal(scene->world->fx.facts.bytes, 0);
}

static void
tell_not_twice(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_VALUE, "sum");
    uint64_t       seven = 7;
    union wire_any m = add_of(object, &seven);
    uint64_t       request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);

    assert_int_equal(number_of(expect_done(scene, ANN, request)), 7);
    turn(scene, 1);
    for (int i = 0; i < 2; i++) {
        ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
        assert_int_equal(number_of(expect_done(scene, ANN, request)), 7);
        assert_int_equal(scene->world->fx.facts.bytes, 0);
    }
    restart(scene);
    back(scene, ANN);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 7);
    request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 14);
}

static void
tell_seen(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_VALUE, "sum");
    uint64_t       one = 1;
    union wire_any m = add_of(object, &one);
    uint64_t       requests[6];

    for (int i = 0; i < 6; i++) {
        requests[i] = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
        (void)expect_done(scene, ANN, requests[i]);
    }
    assert_int_equal(counted(scene).object_answers, 7);     /* with the one of OPEN */
    /* Not rising, twice, unknown: it does not matter. */
    seen(scene, ANN, requests[4], (uint64_t[]){ requests[3], 2, requests[1], requests[1] }, 4);
    assert_int_equal(counted(scene).object_answers, 4);
    turn(scene, 1);
    ask_again(scene, ANN, requests[1], MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, requests[1])), 2);
    ask_again(scene, ANN, requests[3], MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, requests[3])), 4);
    ask_again(scene, ANN, requests[5], MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, requests[5])), 6);
    assert_int_equal(scene->world->fx.facts.bytes, 0);
    seen(scene, ANN, requests[4], (uint64_t[]){ requests[1], requests[3] }, 2);
    assert_int_equal(scene->world->fx.facts.bytes, 0);      /* nothing to forget: no fact */
    seen(scene, ANN, UINT64_MAX, NULL, 0);
    assert_int_equal(counted(scene).object_answers, 0);
}

static void
tell_reads_are_not_kept(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_EVENT, "go");

    turn(scene, 0);
    assert_int_equal(done(scene, ANN, object, VERB_EVENT_IS_SET).a, 0);
    assert_int_equal(scene->world->fx.facts.bytes, 0);
    assert_int_equal(counted(scene).object_answers, 1);
}

static void
tell_too_many_answers(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_EVENT, "go");

    (void)open_named(scene, BOB, NOUN_EVENT, "go");
    for (uint32_t i = 1; i < scene->world->config.answers_kept_max; i++)
        (void)done(scene, ANN, object, VERB_EVENT_SET);
    (void)asked(scene, ANN, object, VERB_EVENT_SET, 0);
    world_expect_error(scene->world, MUSTER_ERR_BUSY);
    (void)done(scene, ANN, object, VERB_EVENT_IS_SET);
    (void)done(scene, BOB, object, VERB_EVENT_SET);
    seen(scene, ANN, UINT64_MAX, NULL, 0);
    (void)done(scene, ANN, object, VERB_EVENT_SET);
}

static void
tell_limits(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "");
    union wire_any value = open_of(NOUN_VALUE, "bytes");
    union wire_any m;
    static char    bytes[64 * KIB];
    uint64_t       object, request;

    value.object_open.a = TYPE_BYTES;
    object = opened(scene, BOB, &value, false);
    m = do_of(object, VERB_VALUE_SET, 0);
    m.object_do.thread = 0;
    m.object_do.value = slice_of(bytes, sizeof(bytes));
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    expect_text(scene, MUSTER_ERR_FULL,
                "shared objects hold 304 bytes, the manager's limit is 32768");
    m.object_do.value = slice_of(bytes, 20 * KIB);
    request = ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    (void)expect_done(scene, BOB, request);
    assert_int_equal(counted(scene).object_bytes, 20 * KIB);
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    world_expect_error(scene->world, MUSTER_ERR_FULL);
    for (int i = 0; i < 3; i++)
        (void)opened(scene, ANN, &open, false);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_OPEN, &open);
    expect_text(scene, MUSTER_ERR_FULL, "the manager has 4 shared objects, its limit");
    object = open_named(scene, ROOT, NOUN_VALUE, "bytes");
    core_space(scene->world->core, true);
    (void)ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    world_expect_error(scene->world, MUSTER_ERR_NO_SPACE);
}

static void
tell_request_zero(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "go");

    ask_again(scene, ANN, 0, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect_error(scene->world, MUSTER_ERR_INVALID);
}

static const struct story stories[] = {
    { "a name is opened, made or refused, as asked", tell_modes },
    { "settings of what exists are kept and told", tell_settings },
    { "an object is opened by its id", tell_by_id },
    { "only what was opened can be used, and only as what it is", tell_ties },
    { "a CLOSE that comes again does not close what was opened since", tell_close_again },
    { "an anonymous object lives while it is open somewhere", tell_anonymous },
    { "its owner deletes it: it is gone for everyone", tell_delete },
    { "an admin deletes what is not his", tell_admin_deletes },
    { "objects with names are listed", tell_list },
    { "names that come and go", tell_names_come_and_go },
    { "an OPEN whose answer was lost makes no second object", tell_open_again },
    { "what was done is not done twice", tell_not_twice },
    { "answers that were seen are forgotten, but for exceptions", tell_seen },
    { "reads are not kept", tell_reads_are_not_kept },
    { "too many answers not seen", tell_too_many_answers },
    { "a request without a number", tell_request_zero },
};

static void
run(void **state)
{
    const struct story *story = *state;
    struct core_config  config = world_config;
    struct scene        scene;

    config.answers_kept_max = 40;
    config.waits_per_session_max = 5;
    scene_begin(&scene, &config);
    story->tell(&scene);
    scene_end(&scene);
}

static const struct story limits[] = {
    { "objects and bytes", tell_limits },
};

static void
run_limits(void **state)
{
    const struct story *story = *state;
    struct core_config  config = world_config;
    struct scene        scene;

    config.objects_max = 4;
    config.object_bytes_max = 32 * KIB;
    scene_begin(&scene, &config);
    story->tell(&scene);
    scene_end(&scene);
}

int
main(void)
{
    return STORIES("object", stories, run) + STORIES("limits", limits, run_limits);
}
