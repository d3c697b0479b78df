/* test_object.c - the frame of shared objects, told with events, values, locks and queues
 *
 * Method: sessions of ann, bob and an admin open, ask, wait, lose their
 * connections, cancel and end.  Every turn is mirrored (world.h); at its end a
 * story's core is stored and loaded: both must have the digest of the mirror.
 */
#include "world.h"

#include <inttypes.h>

enum { ANN, BOB, ROOT, PEERS, STORED_MAX = 64 };

struct scene {
    struct world *world;
    uint64_t      session[PEERS];
    bool          away[PEERS];
};

static const char *const users[PEERS] = { "ann", "bob", "root" };
static const enum wire_role roles[PEERS] = { ROLE_CLIENT, ROLE_CLIENT, ROLE_ADMIN };

struct story {
    const char *story;
    void      (*tell)(struct scene *scene);
};

/* ---- what peers do ---- */

static uint64_t
ask(struct scene *scene, int who, uint16_t type, const union wire_any *m)
{
    world_step(scene->world, 0, scene->session[who], roles[who], users[who], type, m);
    return scene->world->request;
}

/* The same request once more. */
static void
ask_again(struct scene *scene, int who, uint64_t request, uint16_t type, const union wire_any *m)
{
    uint64_t highest = scene->world->request;

    scene->world->request = request - 1;
    (void)ask(scene, who, type, m);
    scene->world->request = highest;
}

static void
turn(struct scene *scene, uint64_t ms)
{
    world_turn(scene->world, ms);
    buffer_clear(&scene->world->fx.facts);
}

static union wire_any
open_of(enum wire_noun noun, const char *name)
{
    return (union wire_any){ .object_open = { .noun = (uint8_t)noun, .name = slice_text(name) } };
}

/* Opens it, which must succeed. */
static uint64_t
opened(struct scene *scene, int who, const union wire_any *open, bool existed)
{
    union wire_any m;

    (void)ask(scene, who, MSG_TYPE_OBJECT_OPEN, open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    assert_int_equal(m.object_opened.existed, existed);
    assert_int_equal(m.object_opened.noun, open->object_open.noun);
    return m.object_opened.object;
}

static uint64_t
open_named(struct scene *scene, int who, enum wire_noun noun, const char *name)
{
    union wire_any open = open_of(noun, name);
    union wire_any m;

    (void)ask(scene, who, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    return m.object_opened.object;
}

static union wire_any
do_of(uint64_t object, enum wire_verb verb, uint32_t wait_ms)
{
    return (union wire_any){ .object_do = { .object = object, .verb = (uint8_t)verb,
                                            .wait_ms = wait_ms, .thread = 1 } };
}

static uint64_t
asked(struct scene *scene, int who, uint64_t object, enum wire_verb verb, uint32_t wait_ms)
{
    union wire_any m = do_of(object, verb, wait_ms);

    return ask(scene, who, MSG_TYPE_OBJECT_DO, &m);
}

/* The next message is the DONE of this request to this peer. */
static struct msg_object_done
expect_done(struct scene *scene, int who, uint64_t request)
{
    const struct effect_send *send = &scene->world->fx.sends[scene->world->sends_read];
    struct reader             in;
    uint64_t                  session;
    union wire_any            m;

    assert_in_range(scene->world->sends_read + 1, 1, scene->world->fx.send_count);
    in = reader_of(slice_of(scene->world->fx.out.data + send->offset + 8, sizeof(uint64_t)));
    assert_int_equal(read_u64(&in), request);
    assert_int_equal(world_take(scene->world, &session, &m), MSG_TYPE_OBJECT_DONE);
    assert_int_equal(session, scene->session[who]);
    return m.object_done;
}

static struct msg_object_done
done(struct scene *scene, int who, uint64_t object, enum wire_verb verb)
{
    return expect_done(scene, who, asked(scene, who, object, verb, 0));
}

static void
expect_text(struct scene *scene, muster_err code, const char *text)
{
    union wire_any m;
    char           got[TEXT_BYTES_MAX + 1];

    world_expect(scene->world, ERROR, &m);
    assert_int_equal(m.error.code, code);
    snprintf(got, sizeof(got), "%.*s", (int)m.error.detail.bytes, (const char *)m.error.detail.data);
    assert_string_equal(got, text);
}

static void
quiet(struct scene *scene)
{
    world_quiet(scene->world);
}

static void
lose(struct scene *scene, int who)
{
    core_away(scene->world->core, scene->world->now_ms, scene->session[who]);
    scene->away[who] = true;
}

static void
back(struct scene *scene, int who)
{
    union wire_any m;

    assert_true(world_hello(scene->world, roles[who], users[who], scene->session[who], 42) ==
                scene->session[who]);
    world_expect(scene->world, WELCOME, &m);
    assert_true(m.welcome.resumed);
    scene->away[who] = false;
}

static void
goodbye(struct scene *scene, int who)
{
    union wire_any m = { 0 };

    (void)ask(scene, who, MSG_TYPE_GOODBYE, &m);
    assert_int_equal(world_expect_ack(scene->world), 0);
}

static void
seen(struct scene *scene, int who, uint64_t below, const uint64_t *except, uint32_t count)
{
    struct buffer  list = { 0 };
    union wire_any m = { .object_seen = { .below = below } };

    for (uint32_t i = 0; i < count; i++)
        wire_put_id(&list, &(struct wire_id){ except[i] });
    m.object_seen.except = (struct wire_list){ buffer_slice(&list), count };
    (void)ask(scene, who, MSG_TYPE_OBJECT_SEEN, &m);
    buffer_free(&list);
}

static uint64_t
cancel(struct scene *scene, int who, uint64_t request)
{
    union wire_any m = { .object_cancel = { .request = request } };

    (void)ask(scene, who, MSG_TYPE_OBJECT_CANCEL, &m);
    return world_expect_ack(scene->world);
}

static uint64_t
closed(struct scene *scene, int who, uint64_t object)
{
    union wire_any m = { .object_close = { .object = object } };

    (void)ask(scene, who, MSG_TYPE_OBJECT_CLOSE, &m);
    return world_expect_ack(scene->world);
}

static void
restart(struct scene *scene)
{
    turn(scene, 0);
    effects_clear(&scene->world->fx);
    scene->world->sends_read = 0;
    world_restart(scene->world);
    for (int i = 0; i < PEERS; i++)
        scene->away[i] = true;
}

static struct core_counters
counted(const struct scene *scene)
{
    struct core_counters counters;

    core_count(scene->world->core, &counters);
    return counters;
}

/* ---- stored and loaded ---- */

struct stored {
    struct object_bytes {
        uint32_t      kind;
        uint64_t      id;
        struct buffer bytes;
    } objects[STORED_MAX];
    uint32_t count;
};

static void
stored_add(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct stored *stored = context;

    assert_non_null(bytes.data);
    assert_in_range(stored->count, 0, STORED_MAX - 1);
    stored->objects[stored->count].kind = kind;
    stored->objects[stored->count].id = id;
    buffer_append_slice(&stored->objects[stored->count++].bytes, bytes);
}

/* Forwards, or backwards: objects come in any order. */
static void
stored_check(const struct scene *scene, const struct stored *stored, bool backwards)
{
    struct core *core = core_new(&scene->world->config);

    for (uint32_t i = 0; i < stored->count; i++) {
        const struct object_bytes *object =
            &stored->objects[backwards ? stored->count - 1 - i : i];

        assert_int_equal(core_load(core, object->kind, object->id, buffer_slice(&object->bytes)),
                         MUSTER_OK);
    }
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(scene->world->mirror));
    core_check(core);
    core_free(core);
}

static void
scene_end(struct scene *scene)
{
    struct stored stored = { 0 };

    turn(scene, 0);
    core_checkpoint(scene->world->core, stored_add, &stored);
    stored_check(scene, &stored, false);
    stored_check(scene, &stored, true);
    for (uint32_t i = 0; i < stored.count; i++)
        buffer_free(&stored.objects[i].bytes);
    world_free(scene->world);
}

static void
scene_begin(struct scene *scene, const struct core_config *config)
{
    union wire_any m;

    *scene = (struct scene){ .world = world_new_with(config) };
    for (int i = 0; i < PEERS; i++) {
        scene->session[i] = world_hello(scene->world, roles[i], users[i], 0, 42);
        world_expect(scene->world, WELCOME, &m);
    }
    turn(scene, 0);
}

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
    expect_text(scene, MUSTER_ERR_TYPE, "\"go\" (object 1) is a event, not a lock");
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

static union wire_any
add_of(uint64_t object, const uint64_t *number)
{
    union wire_any m = do_of(object, VERB_VALUE_ADD, 0);

    m.object_do.value = slice_of(number, sizeof(*number));
    m.object_do.thread = 0;
    return m;
}

static uint64_t
number_of(struct msg_object_done answer)
{
    struct reader in = reader_of(answer.value);

    return read_u64(&in);
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
                "shared objects hold 0 bytes, the manager's limit is 32768");
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
    { "a name is opened, made or refused, as asked", tell_modes },
    { "settings of what exists are kept and told", tell_settings },
    { "an object is opened by its id", tell_by_id },
    { "only what was opened can be used, and only as what it is", tell_ties },
    { "an anonymous object lives while it is open somewhere", tell_anonymous },
    { "its owner deletes it: it is gone for everyone", tell_delete },
    { "an admin deletes what is not his", tell_admin_deletes },
    { "objects with names are listed", tell_list },
    { "names that come and go", tell_names_come_and_go },
    { "an OPEN whose answer was lost makes no second object", tell_open_again },
    { "what was done is not done twice", tell_not_twice },
    { "answers that were seen are forgotten, but for exceptions", tell_seen },
    { "reads are not kept", tell_reads_are_not_kept },
    { "too many waits of a session", tell_too_many_waits },
    { "too many answers not seen", tell_too_many_answers },
    { "a request without a number", tell_request_zero },
    { "a wait ends in time", tell_wait_over },
    { "all who wait go when they can", tell_wakes_all },
    { "who comes back has its old place", tell_place_is_kept },
    { "who is away is passed, and asks again", tell_parked_is_passed },
    { "who comes back with no time left", tell_back_without_time },
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
