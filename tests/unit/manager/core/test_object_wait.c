/* test_object_wait.c - the frame of shared objects: waits, cancels, ends, restarts */
#include "object_scene.h"

/* ---- stories: waits ---- */

static void
tell_wait_over(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t start = scene->world->now_ms;

    (void)asked(scene, ANN, object, VERB_EVENT_WAIT, 0);
    expect_text(scene, MUSTER_ERR_TIMEOUT, "event \"go\": not in time");
    (void)asked(scene, ANN, object, VERB_EVENT_WAIT, 700);
    (void)asked(scene, ANN, object, VERB_EVENT_WAIT, 300);
    turn(scene, 0);
    quiet(scene);
    assert_int_equal(core_wake_ms(scene->world->core), start + 300);
    turn(scene, 299);
    quiet(scene);
    turn(scene, 1);
    expect_text(scene, MUSTER_ERR_TIMEOUT, "event \"go\": not in time");
    quiet(scene);
    assert_int_equal(counted(scene).object_waits, 1);
    turn(scene, 400);
    world_expect_error(scene->world, MUSTER_ERR_TIMEOUT);
    assert_int_equal(counted(scene).object_waits, 0);
}

static void
tell_wakes_all(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t first, second, set;

    (void)open_named(scene, BOB, NOUN_EVENT, "go");
    first = asked(scene, BOB, object, VERB_EVENT_WAIT, UINT32_MAX);
    second = asked(scene, ANN, object, VERB_EVENT_WAIT, 100);
    quiet(scene);
    set = asked(scene, ANN, object, VERB_EVENT_SET, 0);
    (void)expect_done(scene, ANN, set);
    (void)expect_done(scene, BOB, first);
    (void)expect_done(scene, ANN, second);
    turn(scene, 200);
    quiet(scene);
}

/* Ann holds the lock; both wait in turn. */
static void
tell_place_is_kept(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t       first, second, third, release;
    union wire_any m;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)open_named(scene, ROOT, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    first = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    second = asked(scene, ROOT, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    m = do_of(object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    m.object_do.thread = 2;
    third = ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    quiet(scene);
    lose(scene, BOB);
    core_check(scene->world->core);
    back(scene, BOB);
    /* In the other order: each finds its own place. */
    ask_again(scene, BOB, third, MSG_TYPE_OBJECT_DO, &m);
    m = do_of(object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    ask_again(scene, BOB, first, MSG_TYPE_OBJECT_DO, &m);
    quiet(scene);
    core_check(scene->world->core);
    release = asked(scene, ANN, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ANN, release);
    (void)expect_done(scene, BOB, first);
    release = asked(scene, BOB, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, BOB, release);
    (void)expect_done(scene, ROOT, second);
    release = asked(scene, ROOT, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ROOT, release);
    (void)expect_done(scene, BOB, third);
}

static void
tell_parked_is_passed(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t       first, second, release;
    union wire_any m = do_of(object, VERB_LOCK_ACQUIRE, 500);

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)open_named(scene, ROOT, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    first = ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    second = asked(scene, ROOT, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    lose(scene, BOB);
    release = asked(scene, ANN, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ANN, release);
    (void)expect_done(scene, ROOT, second);
    turn(scene, 1000);              /* its time stands still meanwhile */
    quiet(scene);
    back(scene, BOB);
    ask_again(scene, BOB, first, MSG_TYPE_OBJECT_DO, &m);
    ask_again(scene, BOB, first, MSG_TYPE_OBJECT_DO, &m);   /* twice is once */
    turn(scene, 499);
    quiet(scene);
    release = asked(scene, ROOT, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ROOT, release);
    (void)expect_done(scene, BOB, first);
    quiet(scene);
}

static void
tell_back_without_time(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t       request = asked(scene, ANN, object, VERB_EVENT_WAIT, 500);
    union wire_any m = do_of(object, VERB_EVENT_WAIT, 0);

    lose(scene, ANN);
    back(scene, ANN);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    turn(scene, 0);
    world_expect_error(scene->world, MUSTER_ERR_TIMEOUT);
    assert_int_equal(counted(scene).object_waits, 0);
}

/* As a client does that was interrupted: it shall end, and be answered. */
static void
tell_again_without_time(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t       request = asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    union wire_any m = do_of(object, VERB_EVENT_WAIT, 0);

    turn(scene, 1000);
    quiet(scene);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    turn(scene, 0);
    world_expect_error(scene->world, MUSTER_ERR_TIMEOUT);
    assert_int_equal(counted(scene).object_waits, 0);
    quiet(scene);
}

static void
tell_slow(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t first, second, third, release;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)open_named(scene, ROOT, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    first = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    second = asked(scene, ROOT, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    core_slow(scene->world->core, scene->session[BOB], true);
    core_check(scene->world->core);
    release = asked(scene, ANN, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ANN, release);
    (void)expect_done(scene, ROOT, second);
    third = asked(scene, ANN, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    core_slow(scene->world->core, scene->session[BOB], false);
    turn(scene, 0);
    quiet(scene);
    release = asked(scene, ROOT, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ROOT, release);
    (void)expect_done(scene, BOB, first);
    release = asked(scene, BOB, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, BOB, release);
    (void)expect_done(scene, ANN, third);
}

static void
tell_nobody_overtakes(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t       first, release, later;
    union wire_any m;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    first = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    m = do_of(object, VERB_LOCK_ACQUIRE, 0);
    m.object_do.thread = 9;
    release = asked(scene, ANN, object, VERB_LOCK_RELEASE, 0);
    later = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    (void)later;
    (void)expect_done(scene, ANN, release);
    (void)expect_done(scene, BOB, first);
    world_expect_error(scene->world, MUSTER_ERR_TIMEOUT);
}

static void
tell_too_many_waits(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_EVENT, "go");

    for (uint32_t i = 0; i < scene->world->config.waits_per_session_max; i++)
        (void)asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    quiet(scene);
    (void)asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    world_expect_error(scene->world, MUSTER_ERR_BUSY);
}

static void
tell_another_request(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t       request = asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    union wire_any m = do_of(object, VERB_EVENT_SET, 0);

    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    world_expect_error(scene->world, MUSTER_ERR_INVALID);
    assert_int_equal(counted(scene).object_waits, 1);
}

/* ---- stories: cancel ---- */

static void
tell_cancel_waiting(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t request = asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);

    union wire_any m = { .object_cancel = { .request = request } };

    (void)ask(scene, ANN, MSG_TYPE_OBJECT_CANCEL, &m);
    expect_text(scene, MUSTER_ERR_CANCELED, "event \"go\": the request was cancelled");
    assert_int_equal(world_expect_ack(scene->world), 1);
    assert_int_equal(cancel(scene, ANN, request), 0);
    (void)done(scene, ANN, object, VERB_EVENT_SET);
    quiet(scene);
}

static void
tell_cancel_kept(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t       request, wait;
    union wire_any m;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    request = asked(scene, ANN, object, VERB_LOCK_ACQUIRE, 0);
    (void)expect_done(scene, ANN, request);
    wait = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    m = (union wire_any){ .object_cancel = { .request = request } };
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_CANCEL, &m);
    assert_int_equal(world_expect_ack(scene->world), 1);
    (void)expect_done(scene, BOB, wait);        /* it is as if it had not been */
    assert_int_equal(cancel(scene, ANN, request), 0);
}

static void
tell_cancel_done(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_VALUE, "sum");
    uint64_t       one = 1;
    union wire_any m = add_of(object, &one);
    uint64_t       request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);

    (void)expect_done(scene, ANN, request);
    assert_int_equal(cancel(scene, ANN, request), 0);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 1);
    assert_int_equal(cancel(scene, ANN, 12345), 0);
    assert_int_equal(cancel(scene, BOB, request), 0);
}

static void
tell_cancel_open(struct scene *scene)
{
    union wire_any open = open_of(NOUN_EVENT, "");

    (void)opened(scene, ANN, &open, false);
    assert_int_equal(cancel(scene, ANN, scene->world->request), 1);
    assert_int_equal(counted(scene).objects, 0);
}

static void
tell_cancel_parked(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    uint64_t       request = asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    union wire_any m = { .object_cancel = { .request = request } };

    lose(scene, ANN);
    back(scene, ANN);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_CANCEL, &m);
    world_expect_error(scene->world, MUSTER_ERR_CANCELED);
    assert_int_equal(world_expect_ack(scene->world), 1);
    assert_int_equal(counted(scene).object_waits, 0);
}

/* ---- stories: the end of a session ---- */

static void
tell_end_frees(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t wait;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    seen(scene, ANN, UINT64_MAX, NULL, 0);
    wait = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    goodbye(scene, ANN);
    (void)expect_done(scene, BOB, wait);
    assert_int_equal(counted(scene).objects, 1);
    scene->world->fx.ended_count = 0;
}

static void
tell_expiry_frees(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t wait, lost;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)open_named(scene, ROOT, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    lost = asked(scene, ROOT, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    (void)lost;
    wait = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    lose(scene, ANN);
    lose(scene, ROOT);
    turn(scene, SESSION_MS - 1);
    quiet(scene);
    turn(scene, 1);
    (void)expect_done(scene, BOB, wait);
    assert_int_equal(counted(scene).sessions, 1);
    assert_int_equal(counted(scene).object_waits, 0);
    assert_int_equal(counted(scene).object_answers, 2);
}

/* An item that was given, but never arrived, is there again. */
static void
tell_unseen_returns(struct scene *scene)
{
    union wire_any    open = open_of(NOUN_QUEUE, "work");
    uint64_t          object = opened(scene, ANN, &open, false);
    struct wire_block block = { 0 };
    struct buffer     bytes = { 0 };
    union wire_any    m = do_of(object, VERB_QUEUE_PUT, 0);
    uint64_t          request;

    (void)opened(scene, BOB, &open, true);
    assert_true(wire_block_add(&block, slice_text("item")));
    wire_block_put(&bytes, &block);
    m.object_do.thread = 0;
    m.object_do.a = 1;
    m.object_do.b = PRIORITY_MAX;
    m.object_do.value = buffer_slice(&bytes);
    request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    (void)expect_done(scene, ANN, request);
    m = do_of(object, VERB_QUEUE_GET, 0);
    m.object_do.thread = 0;
    m.object_do.a = 1;
    request = ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(expect_done(scene, BOB, request).a, 1);
    lose(scene, BOB);
    turn(scene, SESSION_MS);
    request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(expect_done(scene, ANN, request).a, 1);
    seen(scene, ANN, UINT64_MAX, NULL, 0);
    goodbye(scene, ANN);
    wire_block_free(&block);
    buffer_free(&bytes);
}

static void
tell_close_frees(struct scene *scene)
{
    uint64_t object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t wait;

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    (void)done(scene, ANN, object, VERB_LOCK_ACQUIRE);
    wait = asked(scene, BOB, object, VERB_LOCK_ACQUIRE, UINT32_MAX);
    assert_int_equal(closed(scene, ANN, object), 1);
    (void)expect_done(scene, BOB, wait);
}

static void
tell_close_ends_waits(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_EVENT, "go");
    union wire_any m = { .object_close = { .object = object } };

    (void)open_named(scene, BOB, NOUN_EVENT, "go");
    (void)asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    (void)asked(scene, BOB, object, VERB_EVENT_WAIT, UINT32_MAX);
    (void)asked(scene, ANN, object, VERB_EVENT_WAIT, UINT32_MAX);
    (void)ask(scene, ANN, MSG_TYPE_OBJECT_CLOSE, &m);
    world_expect_error(scene->world, MUSTER_ERR_CLOSED);
    world_expect_error(scene->world, MUSTER_ERR_CLOSED);
    assert_int_equal(world_expect_ack(scene->world), 1);
    quiet(scene);
    assert_int_equal(counted(scene).object_waits, 1);
}

/* ---- stories: restarts ---- */

static void
tell_restart(struct scene *scene)
{
    uint64_t       object = open_named(scene, ANN, NOUN_LOCK, "door");
    uint64_t       held, wait, release;
    union wire_any m = do_of(object, VERB_LOCK_ACQUIRE, UINT32_MAX);

    (void)open_named(scene, BOB, NOUN_LOCK, "door");
    held = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    (void)expect_done(scene, ANN, held);
    wait = ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    restart(scene);
    back(scene, BOB);
    ask_again(scene, BOB, wait, MSG_TYPE_OBJECT_DO, &m);
    quiet(scene);
    back(scene, ANN);
    ask_again(scene, ANN, held, MSG_TYPE_OBJECT_DO, &m);
    (void)expect_done(scene, ANN, held);
    release = asked(scene, ANN, object, VERB_LOCK_RELEASE, 0);
    (void)expect_done(scene, ANN, release);
    (void)expect_done(scene, BOB, wait);
}

static void
tell_transient(struct scene *scene)
{
    uint64_t       five = 5, one = 1;
    union wire_any open = open_of(NOUN_VALUE, "sum");
    union wire_any m;
    uint64_t       object, request;

    open.object_open.transient = 1;
    open.object_open.value = slice_of(&five, sizeof(five));
    object = opened(scene, ANN, &open, false);
    turn(scene, 1);
    m = add_of(object, &one);
    request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 6);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 6);
    seen(scene, ANN, request, NULL, 0);         /* the durable OPEN, not the other */
    assert_int_equal(counted(scene).object_answers, 1);
    assert_int_equal(closed(scene, ANN, object), 1);
    (void)opened(scene, BOB, &open, true);
    m = do_of(object, VERB_VALUE_GET, 0);
    m.object_do.thread = 0;
    request = ask(scene, BOB, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, BOB, request)), 6);
}

static void
tell_transient_restart(struct scene *scene)
{
    uint64_t       five = 5, one = 1;
    union wire_any open = open_of(NOUN_VALUE, "sum");
    union wire_any m;
    uint64_t       object, request;

    open.object_open.transient = 1;
    open.object_open.value = slice_of(&five, sizeof(five));
    object = opened(scene, ANN, &open, false);
    turn(scene, 1);
    m = add_of(object, &one);
    request = ask(scene, ANN, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 6);
    seen(scene, ANN, 0, NULL, 0);
    assert_int_equal(scene->world->fx.facts.bytes, 0);      /* nothing to commit */
    restart(scene);
    back(scene, ANN);
    ask_again(scene, ANN, request, MSG_TYPE_OBJECT_DO, &m);
    assert_int_equal(number_of(expect_done(scene, ANN, request)), 6);
    assert_int_equal(scene->world->fx.facts.bytes, 0);
    seen(scene, ANN, UINT64_MAX, NULL, 0);
    assert_int_equal(counted(scene).object_answers, 0);
}

static const struct story stories[] = {
    { "too many waits of a session", tell_too_many_waits },
    { "a wait ends in time", tell_wait_over },
    { "all who wait go when they can", tell_wakes_all },
    { "who comes back has its old place", tell_place_is_kept },
    { "who is away is passed, and asks again", tell_parked_is_passed },
    { "who comes back with no time left", tell_back_without_time },
    { "asked again with no time, over the same connection", tell_again_without_time },
    { "who reads slowly is passed meanwhile", tell_slow },
    { "nobody overtakes", tell_nobody_overtakes },
    { "a number that another request of the session has", tell_another_request },
    { "cancelled while it waits", tell_cancel_waiting },
    { "cancelled after it was done: undone", tell_cancel_kept },
    { "cancelled after it was done: too late", tell_cancel_done },
    { "cancelled: an OPEN", tell_cancel_open },
    { "cancelled while it is parked", tell_cancel_parked },
    { "a session that ends gives back what it held", tell_end_frees },
    { "so does one that is not heard of any more", tell_expiry_frees },
    { "what was given and not seen returns", tell_unseen_returns },
    { "closing gives back as well", tell_close_frees },
    { "closing ends the waits of this session there", tell_close_ends_waits },
    { "after a restart all is as it was, and who waited asks again", tell_restart },
    { "a transient object repeats its answers, too", tell_transient },
    { "a transient object after a restart is as it was made", tell_transient_restart },
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

int
main(void)
{
    return STORIES("object_wait", stories, run);
}
