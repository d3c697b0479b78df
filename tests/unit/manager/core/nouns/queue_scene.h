/* queue_scene.h - three peers and a queue: what they are told, what is stored of it
 *
 * After every command the turn ends, a mirror that replays the facts and a core that
 * loads the objects of all checkpoints so far must have the same digest, and every
 * invariant is checked; what nobody expected to be told fails the story.
 */
#ifndef QUEUE_SCENE_H
#define QUEUE_SCENE_H

#include "../world.h"

enum { PEERS = 3, INBOX_MAX = 8, TEXT_MAX = 512, STORED_MAX = 64, REQUESTS_MAX = 8192,
       SAID_MAX = 4 };
enum { HEAD_KIND = 8, PIECE_KIND = 9 };      /* of stored objects */

struct stored {
    uint32_t      kind;
    uint64_t      id;
    struct buffer bytes;
};

struct peer {
    uint64_t             session;
    bool                 connected;
    uint64_t             requests[SAID_MAX];           /* the last OBJECT_DOs, newest first */
    struct msg_object_do said[SAID_MAX];
    struct buffer        values[SAID_MAX];
    struct buffer        value;        /* of the next */
    char                 inbox[INBOX_MAX][TEXT_MAX];
    uint32_t             inbox_count;
};

struct scene {
    struct world *world;
    struct peer   peers[PEERS];
    uint64_t      object, maxsize;
    bool          transient;
    uint32_t      verbs[REQUESTS_MAX]; /* of OBJECT_DO by request */
    struct stored stored[STORED_MAX];
    uint32_t      stored_count;
    uint64_t      bodies, bodies_gone;
    const char   *story, *command;
};

static const char *const users[PEERS] = { "ann", "bob", "cleo" };

/* ---- what was told, as text ---- */

static inline void
render_items(const struct msg_object_done *m, char text[TEXT_MAX])
{
    size_t        used = 0;
    struct reader in = reader_of(m->key);

    if (m->a == 0) {
        snprintf(text, TEXT_MAX, "none");
        return;
    }
    assert_int_equal(m->key.bytes, m->a * 16);
    if (m->b == 0)
        assert_int_equal(wire_block_check_values(m->value, (uint32_t)m->a), MUSTER_OK);
    for (uint32_t i = 0; i < m->a; i++) {
        uint64_t     id = read_u64(&in), times = read_u64(&in);
        struct slice item = m->b == 0 ? wire_block_item(m->value, i) : slice_text("");

        assert_true(id > 0);
        if (m->b > 0 || item.bytes > 16)
            used += (size_t)snprintf(text + used, TEXT_MAX - used, "%s%s:%llu", i > 0 ? " " : "",
                                     m->b > 0 ? "large" : "long",
                                     (unsigned long long)(m->b > 0 ? m->b : item.bytes));
        else
            used += (size_t)snprintf(text + used, TEXT_MAX - used, "%s%.*s", i > 0 ? " " : "",
                                     item.bytes > 0 ? (int)item.bytes : 1,
                                     item.bytes > 0 ? (const char *)item.data : ",");
        if (times > 0)
            used += (size_t)snprintf(text + used, TEXT_MAX - used, "'%llu",
                                     (unsigned long long)times);
    }
}

static inline void
render_held(const struct msg_object_done *m, char text[TEXT_MAX])
{
    size_t        used = (size_t)snprintf(text, TEXT_MAX, "%llu", (unsigned long long)m->a);
    struct reader in = reader_of(m->key);

    while (read_left(&in) > 0)
        used += (size_t)snprintf(text + used, TEXT_MAX - used, " not #%llu",
                                 (unsigned long long)read_u64(&in));
}

static inline void
render_done(uint32_t verb, const struct msg_object_done *m, char text[TEXT_MAX])
{
    switch (verb) {
    case VERB_QUEUE_PUT:
        snprintf(text, TEXT_MAX, "%llu", (unsigned long long)m->a);
        break;
    case VERB_QUEUE_GET:
    case VERB_QUEUE_RESERVE:
        render_items(m, text);
        break;
    case VERB_QUEUE_ACK_ITEMS:
    case VERB_QUEUE_GIVE_BACK:
    case VERB_QUEUE_EXTEND:
        render_held(m, text);
        break;
    case VERB_QUEUE_SIZE:
        snprintf(text, TEXT_MAX, "%llu items, %llu given, %llu unfinished%s",
                 (unsigned long long)m->a, (unsigned long long)m->b, (unsigned long long)m->c,
                 m->d ? ", closed" : "");
        break;
    default:
        assert_true(m->a == 0 && m->b == 0 && m->c == 0 && m->d == 0);
        assert_true(m->key.bytes == 0 && m->value.bytes == 0);
        snprintf(text, TEXT_MAX, "ok");
        break;
    }
}

static inline void
render(const struct scene *scene, uint16_t type, uint64_t request, const union wire_any *m,
       char text[TEXT_MAX])
{
    struct wire_object object;
    struct reader      in;

    switch (type) {
    case MSG_TYPE_ERROR:
        snprintf(text, TEXT_MAX, "%s", muster_err_name((muster_err)m->error.code));
        assert_true(m->error.detail.bytes > 0);
        break;
    case MSG_TYPE_ACK:
        snprintf(text, TEXT_MAX, "ack %llu", (unsigned long long)m->ack.value);
        break;
    case MSG_TYPE_OBJECT_DONE:
        assert_true(request < REQUESTS_MAX);
        render_done(scene->verbs[request], &m->object_done, text);
        break;
    case MSG_TYPE_OBJECT_LIST:
        in = reader_of(m->object_list.objects.bytes);
        assert_int_equal(m->object_list.objects.count, 1);
        assert_true(wire_get_object(&in, &object));
        snprintf(text, TEXT_MAX, "%llu: %.*s", (unsigned long long)object.items,
                 (int)object.text.bytes, (const char *)object.text.data);
        break;
    default:
        snprintf(text, TEXT_MAX, "type 0x%x", type);
        break;
    }
}

static inline struct peer *
peer_of(struct scene *scene, uint64_t session)
{
    for (uint32_t i = 0; i < PEERS; i++)
        if (scene->peers[i].session == session)
            return &scene->peers[i];
    fail_msg("%s: \"%s\" told something to session %llu", scene->story, scene->command,
             (unsigned long long)session);
    return NULL;
}

static inline void
inbox_add(struct scene *scene, uint64_t session, const char *text)
{
    struct peer *peer = peer_of(scene, session);

    /* The dead are told that they are dead. */
    if (!peer->connected && strcmp(text, "SESSION") == 0)
        return;
    assert_true(peer->inbox_count < INBOX_MAX);
    snprintf(peer->inbox[peer->inbox_count++], TEXT_MAX, "%s", text);
}

static inline void
collect(struct scene *scene)
{
    const struct effects *fx = &scene->world->fx;
    char                  text[TEXT_MAX];

    for (uint32_t i = 0; i < fx->send_count; i++) {
        const struct effect_send *send = &fx->sends[i];
        struct reader             in = reader_of(slice_of(fx->out.data + send->offset,
                                                          send->bytes));
        uint32_t                  bytes = read_u32(&in);
        uint16_t                  type = read_u16(&in);
        uint64_t                  request = (read_u16(&in), read_u64(&in));
        union wire_any            m;

        assert_int_equal(wire_decode_any(type, slice_of(in.at, bytes), &m), MUSTER_OK);
        render(scene, type, request, &m, text);
        inbox_add(scene, send->session, text);
    }
    for (uint32_t i = 0; i < fx->get_count; i++) {
        const struct effect_body_get *get = &fx->gets[i];

        snprintf(text, TEXT_MAX, "body %llu+%llu at %llu of %llu", (unsigned long long)get->number,
                 (unsigned long long)get->skip, (unsigned long long)get->offset,
                 (unsigned long long)get->total);
        inbox_add(scene, get->session, text);
    }
    scene->bodies += fx->body_count;
    scene->bodies_gone += fx->pruned_count;
}

/* ---- the end of a turn: replayed, stored, loaded ---- */

static inline void
stored_set(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct scene *scene = context;
    uint32_t      at = 0;

    while (at < scene->stored_count && (scene->stored[at].kind < kind ||
                                        (scene->stored[at].kind == kind &&
                                         scene->stored[at].id < id)))
        at++;
    if (at == scene->stored_count || scene->stored[at].kind != kind ||
        scene->stored[at].id != id) {
        assert_non_null(bytes.data);
        assert_true(scene->stored_count < STORED_MAX);
        memmove(&scene->stored[at + 1], &scene->stored[at],
                (scene->stored_count - at) * sizeof(scene->stored[0]));
        scene->stored[at] = (struct stored){ .kind = kind, .id = id };
        scene->stored_count++;
    }
    buffer_clear(&scene->stored[at].bytes);
    buffer_append_slice(&scene->stored[at].bytes, bytes);
    if (bytes.data != NULL)
        return;
    buffer_free(&scene->stored[at].bytes);
    scene->stored_count--;
    memmove(&scene->stored[at], &scene->stored[at + 1],
            (scene->stored_count - at) * sizeof(scene->stored[0]));
}

static inline struct core *
scene_load(const struct scene *scene)
{
    struct core *core = core_new(&scene->world->config);

    for (uint32_t i = 0; i < scene->stored_count; i++)
        assert_int_equal(core_load(core, scene->stored[i].kind, scene->stored[i].id,
                                   buffer_slice(&scene->stored[i].bytes)), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    return core;
}

static inline void
scene_turn(struct scene *scene, uint64_t ms)
{
    struct world *world = scene->world;
    struct core  *core;

    world_turn(world, ms);
    collect(scene);
    core_checkpoint(world->core, stored_set, scene);
    core = scene_load(scene);
    if (core_digest(core) != core_digest(world->core))
        fail_msg("%s: what \"%s\" changed was not all stored", scene->story, scene->command);
    core_free(core);
    world_next(world);
}

/* ---- peers ---- */

static inline union wire_any
scene_opening(const struct scene *scene)
{
    return (union wire_any){ .object_open = { .noun = NOUN_QUEUE, .name = slice_text("tasks"),
                                              .transient = scene->transient,
                                              .a = scene->maxsize } };
}

static inline void
scene_open(struct scene *scene, uint32_t who)
{
    struct world  *world = scene->world;
    struct peer   *peer = &scene->peers[who];
    union wire_any m = scene_opening(scene);

    peer->session = world_client(world, users[who]);
    peer->connected = true;
    world_step(world, 0, peer->session, ROLE_CLIENT, users[who], MSG_TYPE_OBJECT_OPEN, &m);
    world_expect(world, OBJECT_OPENED, &m);
    assert_int_equal(m.object_opened.a, scene->maxsize);
    scene->object = m.object_opened.object;
    world_turn(world, 0);
    core_checkpoint(world->core, stored_set, scene);
    world_next(world);
}

static inline void
scene_home(struct scene *scene, uint32_t who)
{
    struct peer   *peer = &scene->peers[who];
    union wire_any m;

    assert_int_equal(world_hello(scene->world, ROLE_CLIENT, users[who], peer->session, 42),
                     peer->session);
    world_expect(scene->world, WELCOME, &m);
    scene->world->fx.send_count = 0;
    scene->world->sends_read = 0;
    peer->connected = true;
}

static inline void
peer_say(struct scene *scene, uint32_t who, uint64_t request, uint16_t type,
         const union wire_any *m)
{
    struct core_from from = { .session = scene->peers[who].session, .role = ROLE_CLIENT,
                              .user = slice_text(users[who]), .address = slice_text("10.0.0.1") };

    core_step(scene->world->core, scene->world->now_ms, &from, request, type, m,
              &scene->world->fx);
}

static inline void
peer_do(struct scene *scene, uint32_t who, const struct msg_object_do *m)
{
    struct peer  *peer = &scene->peers[who];
    struct buffer oldest = peer->values[SAID_MAX - 1];

    memmove(&peer->said[1], &peer->said[0], (SAID_MAX - 1) * sizeof(peer->said[0]));
    memmove(&peer->requests[1], &peer->requests[0], (SAID_MAX - 1) * sizeof(peer->requests[0]));
    memmove(&peer->values[1], &peer->values[0], (SAID_MAX - 1) * sizeof(peer->values[0]));
    peer->said[0] = *m;
    peer->said[0].object = scene->object;
    peer->values[0] = oldest;
    buffer_clear(&peer->values[0]);
    buffer_append_slice(&peer->values[0], m->value);
    peer->said[0].value = buffer_slice(&peer->values[0]);
    peer->requests[0] = ++scene->world->request;
    assert_true(peer->requests[0] < REQUESTS_MAX);
    scene->verbs[peer->requests[0]] = m->verb;
    peer_say(scene, who, peer->requests[0], MSG_TYPE_OBJECT_DO,
             &(union wire_any){ .object_do = peer->said[0] });
}

#endif
