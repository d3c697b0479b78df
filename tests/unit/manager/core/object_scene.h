/* object_scene.h - sessions of ann, bob and an admin with shared objects
 *
 * They open, ask, wait, lose their connections, cancel and end.  Every turn is
 * mirrored (world.h); at its end a story's core is stored and loaded, forwards
 * and backwards: all must have the digest of the mirror.
 */
#ifndef OBJECT_SCENE_H
#define OBJECT_SCENE_H

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

static inline uint64_t
ask(struct scene *scene, int who, uint16_t type, const union wire_any *m)
{
    world_step(scene->world, 0, scene->session[who], roles[who], users[who], type, m);
    return scene->world->request;
}

/* The same request once more. */
static inline void
ask_again(struct scene *scene, int who, uint64_t request, uint16_t type, const union wire_any *m)
{
    uint64_t highest = scene->world->request;

    scene->world->request = request - 1;
    (void)ask(scene, who, type, m);
    scene->world->request = highest;
}

static inline void
turn(struct scene *scene, uint64_t ms)
{
    world_turn(scene->world, ms);
    buffer_clear(&scene->world->fx.facts);
}

static inline union wire_any
open_of(enum wire_noun noun, const char *name)
{
    return (union wire_any){ .object_open = { .noun = (uint8_t)noun, .name = slice_text(name) } };
}

/* Opens it, which must succeed. */
static inline uint64_t
opened(struct scene *scene, int who, const union wire_any *open, bool existed)
{
    union wire_any m;

    (void)ask(scene, who, MSG_TYPE_OBJECT_OPEN, open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    assert_int_equal(m.object_opened.existed, existed);
    assert_int_equal(m.object_opened.noun, open->object_open.noun);
    return m.object_opened.object;
}

static inline uint64_t
open_named(struct scene *scene, int who, enum wire_noun noun, const char *name)
{
    union wire_any open = open_of(noun, name);
    union wire_any m;

    (void)ask(scene, who, MSG_TYPE_OBJECT_OPEN, &open);
    world_expect(scene->world, OBJECT_OPENED, &m);
    return m.object_opened.object;
}

static inline union wire_any
do_of(uint64_t object, enum wire_verb verb, uint32_t wait_ms)
{
    return (union wire_any){ .object_do = { .object = object, .verb = (uint8_t)verb,
                                            .wait_ms = wait_ms, .thread = 1 } };
}

static inline uint64_t
asked(struct scene *scene, int who, uint64_t object, enum wire_verb verb, uint32_t wait_ms)
{
    union wire_any m = do_of(object, verb, wait_ms);

    return ask(scene, who, MSG_TYPE_OBJECT_DO, &m);
}

/* The next message is the DONE of this request to this peer. */
static inline struct msg_object_done
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

static inline struct msg_object_done
done(struct scene *scene, int who, uint64_t object, enum wire_verb verb)
{
    return expect_done(scene, who, asked(scene, who, object, verb, 0));
}

static inline void
expect_text(struct scene *scene, muster_err code, const char *text)
{
    union wire_any m;
    char           got[TEXT_BYTES_MAX + 1];
    int            bytes;

    world_expect(scene->world, ERROR, &m);
    assert_int_equal(m.error.code, code);
    bytes = (int)m.error.detail.bytes;
    snprintf(got, sizeof(got), "%.*s", bytes, (const char *)m.error.detail.data);
    assert_string_equal(got, text);
}

static inline void
quiet(struct scene *scene)
{
    world_quiet(scene->world);
}

static inline void
lose(struct scene *scene, int who)
{
    core_away(scene->world->core, scene->world->now_ms, scene->session[who]);
    scene->away[who] = true;
}

static inline void
back(struct scene *scene, int who)
{
    union wire_any m;

    assert_true(world_hello(scene->world, roles[who], users[who], scene->session[who], 42) ==
                scene->session[who]);
    world_expect(scene->world, WELCOME, &m);
    assert_true(m.welcome.resumed);
    scene->away[who] = false;
}

static inline void
goodbye(struct scene *scene, int who)
{
    union wire_any m = { 0 };

    (void)ask(scene, who, MSG_TYPE_GOODBYE, &m);
    assert_int_equal(world_expect_ack(scene->world), 0);
}

static inline void
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

static inline uint64_t
cancel(struct scene *scene, int who, uint64_t request)
{
    union wire_any m = { .object_cancel = { .request = request } };

    (void)ask(scene, who, MSG_TYPE_OBJECT_CANCEL, &m);
    return world_expect_ack(scene->world);
}

static inline uint64_t
closed(struct scene *scene, int who, uint64_t object)
{
    union wire_any m = { .object_close = { .object = object } };

    (void)ask(scene, who, MSG_TYPE_OBJECT_CLOSE, &m);
    return world_expect_ack(scene->world);
}

static inline void
restart(struct scene *scene)
{
    turn(scene, 0);
    effects_clear(&scene->world->fx);
    scene->world->sends_read = 0;
    world_restart(scene->world);
    for (int i = 0; i < PEERS; i++)
        scene->away[i] = true;
}

static inline struct core_counters
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

static inline void
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
static inline void
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

static inline void
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

static inline void
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

static inline union wire_any
add_of(uint64_t object, const uint64_t *number)
{
    union wire_any m = do_of(object, VERB_VALUE_ADD, 0);

    m.object_do.value = slice_of(number, sizeof(*number));
    m.object_do.thread = 0;
    return m;
}

static inline uint64_t
number_of(struct msg_object_done answer)
{
    struct reader in = reader_of(answer.value);

    return read_u64(&in);
}

#endif
