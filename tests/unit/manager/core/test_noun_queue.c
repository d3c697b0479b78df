/* test_noun_queue.c - queues, as their clients see them
 *
 * Method: a story is a script of commands that peers A, B and C give to one queue.
 * After every command the turn ends, a mirror that replays the facts and a core that
 * loads the objects of all checkpoints so far must have the same digest, and every
 * invariant is checked; what nobody expected to be told fails the story.
 *
 *   A put x y +p5 +d100 +t100 +w   items, priority, delay, time to live; +w waits, +w50 so long
 *   A get 2 +w                     at most 2 items;  A res 2 +t500: reserved
 *   A ack #1 #2                    also: back #1 +d100, ext #1 +t500; #n is the n-th item put
 *   A done 2 | join +w | size | stop | stop now | list
 *   A part 7 131072/300000         a part of large item 7;  A putpart 7;  A read #1 131072
 *   A seen | again | again 2 | cancel                         its last request; 2: two before that
 *   A close | away | home | dies                              what becomes of sessions
 *   A hears | waits                an answer came to an earlier request; or did not
 *   time 100 | later 100 | restart                            later: no turn ends
 *   bodies: how many were stored, and how many items of them are gone
 *
 * What follows = is what must be answered, "..." nothing yet; without it: anything but
 * an error.  "," is an empty item, x'2 one that was given twice before.
 */
#include "world.h"

#include <stdarg.h>

#include "queue_items.h"

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
    struct buffer        value;        /* of the newest */
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

static void
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

static void
render_held(const struct msg_object_done *m, char text[TEXT_MAX])
{
    size_t        used = (size_t)snprintf(text, TEXT_MAX, "%llu", (unsigned long long)m->a);
    struct reader in = reader_of(m->key);

    while (read_left(&in) > 0)
        used += (size_t)snprintf(text + used, TEXT_MAX - used, " not #%llu",
                                 (unsigned long long)read_u64(&in));
}

static void
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

static void
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

static struct peer *
peer_of(struct scene *scene, uint64_t session)
{
    for (uint32_t i = 0; i < PEERS; i++)
        if (scene->peers[i].session == session)
            return &scene->peers[i];
    fail_msg("%s: \"%s\" told something to session %llu", scene->story, scene->command,
             (unsigned long long)session);
    return NULL;
}

static void
inbox_add(struct scene *scene, uint64_t session, const char *text)
{
    struct peer *peer = peer_of(scene, session);

    /* The dead are told that they are dead. */
    if (!peer->connected && strcmp(text, "SESSION") == 0)
        return;
    assert_true(peer->inbox_count < INBOX_MAX);
    snprintf(peer->inbox[peer->inbox_count++], TEXT_MAX, "%s", text);
}

static void
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

static void
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

static struct core *
scene_load(const struct scene *scene)
{
    struct core *core = core_new(&scene->world->config);

    for (uint32_t i = 0; i < scene->stored_count; i++)
        assert_int_equal(core_load(core, scene->stored[i].kind, scene->stored[i].id,
                                   buffer_slice(&scene->stored[i].bytes)), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    return core;
}

static void
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

static void
scene_open(struct scene *scene, uint32_t who)
{
    struct world  *world = scene->world;
    struct peer   *peer = &scene->peers[who];
    union wire_any m = { .object_open = { .noun = NOUN_QUEUE, .name = slice_text("tasks"),
                                          .transient = scene->transient,
                                          .a = scene->maxsize } };

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

static void
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

static void
peer_say(struct scene *scene, uint32_t who, uint64_t request, uint16_t type,
         const union wire_any *m)
{
    struct core_from from = { .session = scene->peers[who].session, .role = ROLE_CLIENT,
                              .user = slice_text(users[who]), .address = slice_text("10.0.0.1") };

    core_step(scene->world->core, scene->world->now_ms, &from, request, type, m,
              &scene->world->fx);
}

static void
peer_do(struct scene *scene, uint32_t who, const struct msg_object_do *m)
{
    struct peer *peer = &scene->peers[who];

    memmove(&peer->said[1], &peer->said[0], (SAID_MAX - 1) * sizeof(peer->said[0]));
    memmove(&peer->requests[1], &peer->requests[0], (SAID_MAX - 1) * sizeof(peer->requests[0]));
    peer->said[0] = *m;
    peer->said[0].object = scene->object;
    peer->requests[0] = ++scene->world->request;
    assert_true(peer->requests[0] < REQUESTS_MAX);
    scene->verbs[peer->requests[0]] = m->verb;
    peer_say(scene, who, peer->requests[0], MSG_TYPE_OBJECT_DO,
             &(union wire_any){ .object_do = peer->said[0] });
}

/* ---- commands ---- */

struct words {
    char     text[TEXT_MAX];
    char    *word[32];
    uint32_t count;
};

static void
split(struct words *words, const char *from, size_t bytes)
{
    char *save = NULL;

    assert_true(bytes < TEXT_MAX);
    memcpy(words->text, from, bytes);
    words->text[bytes] = '\0';
    words->count = 0;
    for (char *word = strtok_r(words->text, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        assert_true(words->count < 32);
        words->word[words->count++] = word;
    }
}

/* The number of +<letter>, or `otherwise`. */
static uint64_t
option(const struct words *words, char letter, uint64_t otherwise)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (words->word[i][0] == '+' && words->word[i][1] == letter)
            return words->word[i][2] != '\0' ? strtoull(words->word[i] + 2, NULL, 10)
                                             : UINT32_MAX;
    return otherwise;
}

static uint64_t
number(const struct words *words, uint32_t at)
{
    return at < words->count ? strtoull(words->word[at] + (words->word[at][0] == '#'), NULL, 10)
                             : 0;
}

static void
fill_up(struct buffer *buffer, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        write_u8(buffer, (uint8_t)i);
}

static void
command_put(struct scene *scene, uint32_t who, const struct words *words)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT,
                               .wait_ms = (uint32_t)option(words, 'w', 0),
                               .b = PRIORITY_MAX + option(words, 'p', 0),
                               .c = option(words, 'd', 0), .d = option(words, 't', 0) };
    struct wire_block    block = { 0 };
    struct buffer       *value = &scene->peers[who].value;
    struct buffer        fill = { 0 };

    for (uint32_t i = 2; i < words->count; i++) {
        if (words->word[i][0] == '+')
            continue;
        buffer_clear(&fill);
        if (strncmp(words->word[i], "long:", 5) == 0)
            fill_up(&fill, strtoull(words->word[i] + 5, NULL, 10));
        else
            buffer_append_text(&fill, words->word[i]);
        assert_true(wire_block_add_value(&block, buffer_slice(&fill)));
        m.a++;
    }
    buffer_clear(value);
    wire_block_put(value, &block);
    m.value = buffer_slice(value);
    peer_do(scene, who, &m);
    wire_block_free(&block);
    buffer_free(&fill);
}

static void
command_part(struct scene *scene, uint32_t who, const struct words *words)
{
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT_PART, .thread = number(words, 2) };
    const char          *slash = strchr(words->word[3], '/');
    struct buffer       *value = &scene->peers[who].value;
    uint64_t             bytes;

    m.a = number(words, 3);
    m.b = strtoull(slash + 1, NULL, 10);
    bytes = m.b - m.a < VALUE_BYTES_MAX ? m.b - m.a : VALUE_BYTES_MAX;
    bytes = option(words, 'n', bytes);
    buffer_clear(value);
    fill_up(value, bytes);
    m.value = buffer_slice(value);
    peer_do(scene, who, &m);
}

static void
command_ids(struct scene *scene, uint32_t who, const struct words *words, uint8_t verb)
{
    struct msg_object_do m = { .verb = verb, .b = option(words, 't', 0),
                               .c = option(words, 'd', 0) };
    struct buffer       *value = &scene->peers[who].value;

    buffer_clear(value);
    for (uint32_t i = 2; i < words->count; i++)
        if (words->word[i][0] == '#')
            write_u64(value, number(words, i));
    m.value = buffer_slice(value);
    peer_do(scene, who, &m);
}

static void
command_seen(struct scene *scene, uint32_t who)
{
    union wire_any m = { .object_seen = { .below = scene->peers[who].requests[0] + 1 } };

    peer_say(scene, who, ++scene->world->request, MSG_TYPE_OBJECT_SEEN, &m);
}

static void
command_list(struct scene *scene, uint32_t who)
{
    union wire_any m = { .object_list_get = { .of_noun = 1, .noun = NOUN_QUEUE } };

    peer_say(scene, who, ++scene->world->request, MSG_TYPE_OBJECT_LIST_GET, &m);
}

/* Verbs with numbers alone, by the name that scripts use. */
static const struct plain_verb {
    const char *name;
    uint8_t     verb;
} plain_verbs[] = {
    { "get", VERB_QUEUE_GET },         { "res", VERB_QUEUE_RESERVE },
    { "done", VERB_QUEUE_TASK_DONE },  { "join", VERB_QUEUE_JOIN },
    { "size", VERB_QUEUE_SIZE },       { "stop", VERB_QUEUE_SHUTDOWN },
    { "ack", VERB_QUEUE_ACK_ITEMS },   { "back", VERB_QUEUE_GIVE_BACK },
    { "ext", VERB_QUEUE_EXTEND },      { "read", VERB_QUEUE_READ_PART },
    { "putpart", VERB_QUEUE_PUT },
};

static void
command_plain(struct scene *scene, uint32_t who, const struct words *words)
{
    struct msg_object_do m = { .wait_ms = (uint32_t)option(words, 'w', 0) };

    for (uint32_t i = 0; i < sizeof(plain_verbs) / sizeof(plain_verbs[0]); i++) {
        if (strcmp(plain_verbs[i].name, words->word[1]) != 0)
            continue;
        m.verb = plain_verbs[i].verb;
        if (m.verb >= VERB_QUEUE_ACK_ITEMS && m.verb <= VERB_QUEUE_EXTEND) {
            command_ids(scene, who, words, m.verb);
            return;
        }
        m.a = number(words, 2);
        m.b = m.verb == VERB_QUEUE_READ_PART ? number(words, 3) : option(words, 't', 0);
        if (m.verb == VERB_QUEUE_SHUTDOWN)
            m.a = words->count > 2;
        if (m.verb == VERB_QUEUE_PUT) {
            m.thread = m.a;
            m.a = 0;
            m.b = PRIORITY_MAX;
        }
        peer_do(scene, who, &m);
        return;
    }
    fail_msg("no command %s", words->word[1]);
}

/* False: nobody answers it. */
static bool
command_peer(struct scene *scene, uint32_t who, const struct words *words)
{
    struct peer   *peer = &scene->peers[who];
    struct world  *world = scene->world;
    const char    *verb = words->word[1];
    union wire_any m = { .object_cancel = { .request = peer->requests[0] } };

    if (strcmp(verb, "put") == 0) {
        command_put(scene, who, words);
    } else if (strcmp(verb, "part") == 0) {
        command_part(scene, who, words);
    } else if (strcmp(verb, "list") == 0) {
        command_list(scene, who);
    } else if (strcmp(verb, "again") == 0) {
        peer_say(scene, who, peer->requests[number(words, 2)], MSG_TYPE_OBJECT_DO,
                 &(union wire_any){ .object_do = peer->said[number(words, 2)] });
    } else if (strcmp(verb, "cancel") == 0) {
        peer_say(scene, who, ++world->request, MSG_TYPE_OBJECT_CANCEL, &m);
    } else if (strcmp(verb, "close") == 0) {
        m.object_close.object = scene->object;
        peer_say(scene, who, ++world->request, MSG_TYPE_OBJECT_CLOSE, &m);
    } else if (strcmp(verb, "hears") == 0) {
        return true;
    } else if (strcmp(verb, "seen") == 0) {
        command_seen(scene, who);
        return false;
    } else if (strcmp(verb, "away") == 0) {
        core_away(world->core, world->now_ms, peer->session);
        peer->connected = false;
        return false;
    } else if (strcmp(verb, "home") == 0) {
        scene_home(scene, who);
        return false;
    } else if (strcmp(verb, "dies") == 0) {
        core_away(world->core, world->now_ms, peer->session);
        core_expel(world->core, world->now_ms, peer->session, MUSTER_ERR_SESSION, &world->fx);
        peer->connected = false;
        return false;
    } else {
        command_plain(scene, who, words);
    }
    return true;
}

/* kill -9: a core from the objects of the last checkpoint takes over; everyone comes back. */
static void
scene_restart(struct scene *scene)
{
    struct world *world = scene->world;

    core_free(world->core);
    world->core = scene_load(scene);
    world->now_ms += 500;
    core_start(world->core, world->now_ms, world_unix(world), &world->fx);
    scene_turn(scene, 0);
    for (uint32_t i = 0; i < PEERS; i++)
        if (scene->peers[i].connected)
            scene_home(scene, i);
}

static void
inbox_take(struct scene *scene, struct peer *peer, const char *expected)
{
    if (strcmp(expected, "...") == 0) {
        if (peer->inbox_count > 0)
            fail_msg("%s: \"%s\": was told %s", scene->story, scene->command, peer->inbox[0]);
        return;
    }
    if (peer->inbox_count == 0)
        fail_msg("%s: \"%s\": was told nothing", scene->story, scene->command);
    if (*expected == '\0' ? peer->inbox[0][0] >= 'A' && peer->inbox[0][0] <= 'Z'
                          : strcmp(peer->inbox[0], expected) != 0)
        fail_msg("%s: \"%s\": was told %s", scene->story, scene->command, peer->inbox[0]);
    peer->inbox_count--;
    memmove(peer->inbox[0], peer->inbox[1], sizeof(peer->inbox[0]) * (INBOX_MAX - 1));
}

static void
scene_command(struct scene *scene, const char *command, size_t bytes)
{
    const char  *equal = memchr(command, '=', bytes);
    size_t       does = equal != NULL ? (size_t)(equal - command) : bytes;
    struct words words, expected = { 0 };
    char         text[TEXT_MAX] = "", told[TEXT_MAX] = "";
    uint32_t     who;
    bool         answered;

    snprintf(text, sizeof(text), "%.*s", (int)bytes, command);
    scene->command = text;
    split(&words, command, does);
    if (words.count == 0)
        return;
    if (equal != NULL)
        split(&expected, equal + 1, bytes - does - 1);
    for (uint32_t i = 0, used = 0; i < expected.count; i++)
        used += (uint32_t)snprintf(told + used, sizeof(told) - used, "%s%s", i > 0 ? " " : "",
                                   expected.word[i]);
    if (strcmp(words.word[0], "time") == 0) {
        scene_turn(scene, number(&words, 1));
    } else if (strcmp(words.word[0], "later") == 0) {
        scene->world->now_ms += number(&words, 1);
    } else if (strcmp(words.word[0], "restart") == 0) {
        scene_restart(scene);
    } else if (strcmp(words.word[0], "bodies") == 0) {
        snprintf(text, sizeof(text), "%llu, %llu gone", (unsigned long long)scene->bodies,
                 (unsigned long long)scene->bodies_gone);
        assert_string_equal(text, told);
    } else {
        who = (uint32_t)(words.word[0][0] - 'A');
        assert_true(who < PEERS);
        if (strcmp(words.word[1], "waits") == 0) {
            inbox_take(scene, &scene->peers[who], "...");
            return;
        }
        answered = command_peer(scene, who, &words);
        scene_turn(scene, 0);
        if (answered)
            inbox_take(scene, &scene->peers[who], told);
    }
}

static void
scene_begin(struct scene *scene, const char *story, uint64_t maxsize, bool transient)
{
    struct core_config config = world_config;

    config.object_bytes_max = 256 * 1024 * 1024;
    *scene = (struct scene){ .world = world_new_with(&config), .story = story, .maxsize = maxsize,
                             .transient = transient, .command = "open" };
    core_checkpoint(scene->world->core, stored_set, scene);
    for (uint32_t i = 0; i < PEERS; i++)
        scene_open(scene, i);
}

static void
scene_end(struct scene *scene)
{
    for (uint32_t i = 0; i < PEERS; i++) {
        if (scene->peers[i].inbox_count > 0)
            fail_msg("%s: nobody expected %s", scene->story, scene->peers[i].inbox[0]);
        buffer_free(&scene->peers[i].value);
    }
    for (uint32_t i = 0; i < scene->stored_count; i++)
        buffer_free(&scene->stored[i].bytes);
    world_free(scene->world);
}

struct story {
    const char *story;
    uint64_t    maxsize;
    bool        transient;
    const char *script;
};

static void
story_run(void **state)
{
    const struct story *story = *state;
    struct scene        scene;
    const char         *at = story->script;

    scene_begin(&scene, story->story, story->maxsize, story->transient);
    while (*at != '\0') {
        size_t bytes = strcspn(at, ";");

        scene_command(&scene, at, bytes);
        at += bytes + (at[bytes] == ';');
    }
    scene_end(&scene);
}

static const struct story order_stories[] = {
    { "first in, first out", 0, false,
      "A put a b = 2; A put c = 3; B get 2 = a b; C get 9 = c; C get 1 = EMPTY" },
    { "higher priorities first, equal ones in order", 0, false,
      "A put a b; A put c d +p5; A put e +p5; A put f +p1000; B get 9 = f c d e a b" },
    { "a delayed item is not there before its time", 0, false,
      "A put late +d100; A put soon; A size = 2 items, 0 given, 2 unfinished; B get 9 = soon;"
      "B get 1 = EMPTY; time 99; B get 1 = EMPTY; time 1; B get 1 = late" },
    { "the end of a delay wakes who waits", 0, false,
      "A put late +d100; B get 1 +w = ...; time 99; B waits; time 1; B hears = late" },
    { "a delayed item takes the place of its arrival", 0, false,
      "A put a +d100; A put b c; time 100; B get 9 = a b c" },
    { "what nobody got in its time to live is gone", 0, false,
      "A put a +t100; A put b; time 100; A size = 1 items, 0 given, 1 unfinished; B get 9 = b" },
    { "the end of a life counts before the turn has dropped it", 0, false,
      "A put a b +t100; A put c +t101; time 99; B get 1 = a; time 1; B get 9 = c; B seen; time 1;"
      "A size = 0 items, 0 given, 2 unfinished" },
    { "an end that a getter sees first is told, too", 0, false,
      "A put a +t100; later 100; B get 1 = EMPTY; A size = 0 items, 0 given, 0 unfinished" },
    { "the time to live of a delayed item", 0, false,
      "A put a +d200 +t100; B get 1 +w = ...; time 100; A size = 0 items, 0 given, 0 unfinished;"
      "time 200; B waits" },
    { "an item in someone's hands outlives its time, but does not come back", 0, false,
      "A put a +t100; B res 1 +t300 = a; time 200; A size = 0 items, 1 given, 1 unfinished;"
      "time 100; A size = 0 items, 0 given, 0 unfinished; B ack #1 = STALE" },
    { "delays and lives go on over a restart", 0, false,
      "A put a +d1000; A put b +t1000; restart; B get 9 = b; B seen; time 499; B get 1 = EMPTY;"
      "time 1; B get 1 = a" },
    { "time goes on after a restart without anybody asking", 0, false,
      "A put a +t1000; restart; C join +w = ...; time 499; C waits; time 1; C hears = ok" },
    { "nothing is not an item, but an empty item is", 0, false,
      "A put = INVALID; A put long:0 = 1; B get 1 = ," },
    { "at least one", 0, false, "B get 0 = INVALID; B res 0 = INVALID; A done 0 = INVALID" },
    { "bad numbers", 0, false,
      "A put a +p1001 = INVALID; A put a +d2073600001 = INVALID;"
      "A put a +t99999999999999 = INVALID;"
      "B res 1 +t86400001 = INVALID; B ack = INVALID; B get 1 +t5 = INVALID; A size 7 = INVALID" },
    { "for people", 3, false,
      "A put a b; A put c +d50; B get 1 = a; A list = 2: 1 ready, 1 delayed, 1 given, "
      "3 unfinished, maxsize 3; A stop = ok; A list = 2: 1 ready, 1 delayed, 1 given, "
      "3 unfinished, maxsize 3, closed" },
};

static const struct story wait_stories[] = {
    { "getters are served in the order in which they came", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; A put a = 1; B hears = a; C waits; A put b;"
      "C hears = b" },
    { "one put serves several getters", 0, false,
      "B get 1 +w = ...; C get 9 +w = ...; A put a b c = 3; B hears = a; C hears = b c" },
    { "who waits is not overtaken by an impatient one", 0, false,
      "A put late +d100; B get 1 +w = ...; time 99; C get 1 = EMPTY; later 1; C get 1 = EMPTY;"
      "B hears = late" },
    { "a getter's patience ends", 0, false,
      "B get 1 +w100 = ...; time 100; B hears = EMPTY; A put a = 1; B get 1 = a" },
    { "a getter that dies while it waits swallows nothing", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; B dies; A put a = 1; C hears = a" },
    { "a getter that goes away while it waits swallows nothing", 0, false,
      "B get 1 +w = ...; B away; A put a = 1; C get 1 = a" },
    { "a getter that comes back asks again", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; B away; B home; B again = ...; A put a; B hears = a;"
      "C waits; A put b; C hears = b" },
    { "a getter that gives up swallows nothing", 0, false,
      "B get 1 +w = ...; B cancel = CANCELED; B hears = ack 1; A put a = 1; C get 1 = a" },
    { "a getter asks again after a restart", 0, false,
      "B get 1 +w = ...; restart; A put a = 1; B again = a" },
    { "a full queue makes putters wait", 2, false,
      "A put a b = 2; B put c = FULL; B put c +w = ...; C get 1 = a; B hears = 2;"
      "C get 9 = b c" },
    { "all of them or none", 3, false,
      "A put a b; B put c d = FULL; B put c d +w = ...; C get 1 = a; B hears = 3;"
      "C get 9 = b c d" },
    { "putters are served in the order in which they came", 3, false,
      "A put a b; B put c d +w = ...; C put e = FULL; C put e +w = ...; A get 1 = a; B hears = 3;"
      "C waits; A get 1 = b; C hears = 3; A get 9 = c d e" },
    { "more than can ever fit", 2, false, "A put a b c = INVALID; A size = 0 items, 0 given, "
      "0 unfinished" },
    { "a putter's patience ends", 1, false,
      "A put a; B put b +w100 = ...; time 100; B hears = FULL; C get 9 = a" },
    { "delayed items take room", 1, false, "A put a +d100; B put b = FULL" },
    { "an item that comes back may exceed the maxsize", 1, false,
      "A put a; B res 1 = a; A put b = 1; B back #1 = 1; A size = 2 items, 0 given, 2 unfinished;"
      "A put c = FULL; C get 1 = a'1; A put c = FULL; C get 1 = b; A put c = 1" },
    { "the end of a life makes room", 1, false,
      "A put a +t100; B put b +w = ...; time 100; B hears = 1; C get 9 = b" },
};

static const struct story hand_stories[] = {
    { "a getter that dies with its answer unseen gives back", 0, false,
      "A put a b c; B get 2 = a b; B dies; C get 9 = a'1 b'1 c" },
    { "what was seen is gone", 0, false,
      "A put a b; B get 1 = a; B seen; B dies; C get 9 = b" },
    { "a getter that closes the queue has what it got", 0, false,
      "A put a b; B get 1 = a; B close; C get 9 = b" },
    { "a lost answer is told again and nothing is given twice", 0, false,
      "A put a b; B get 1 = a; B away; B home; B again = a; B seen; C get 9 = b" },
    { "a lost answer to a put", 0, false,
      "A put a = 1; A again = 1; A away; A home; A again = 1; B get 9 = a" },
    { "answers are repeated after a restart", 0, false,
      "A put a b; B get 1 = a; restart; B again = a; A again = 2; B seen; C get 9 = b;"
      "restart; C again = b; C seen; C size = 0 items, 0 given, 2 unfinished" },
    { "a get that is given up goes back", 0, false,
      "A put a b; B get 1 = a; B cancel = ack 1; C get 9 = a'1 b" },
    { "a put cannot be given up any more", 0, false, "A put a; A cancel = ack 0; B get 9 = a" },
    { "reserve, acknowledge", 0, false,
      "A put a b; B res 9 = a b; B seen; B ack #1 = 1; A size = 0 items, 1 given, 1 unfinished;"
      "B ack #1 #2 = 1 not #1; B ack #2 = STALE; A size = 0 items, 0 given, 0 unfinished" },
    { "give back: to the old place", 0, false,
      "A put a b c d; B res 3 = a b c; B back #2 = 1; C get 9 = b'1 d; B back #3 #1 = 2;"
      "A put e +p1; C get 9 = e a'1 c'1" },
    { "give back with a delay", 0, false,
      "A put a; B res 1 = a; B back #1 +d100; C get 1 = EMPTY; time 100; C get 1 = a'1" },
    { "given back wakes who waits", 0, false,
      "A put a; B res 1 = a; C get 1 +w = ...; B back #1; C hears = a'1" },
    { "a reserved item comes back when its term is over", 0, false,
      "A put a b; B res 1 +t100 = a; C get 9 = b; C get 1 +w = ...; time 99; C waits; time 1;"
      "C hears = a'1; B ack #1 = STALE" },
    { "the usual term", 0, false,
      "A put a; B res 1 = a; time 29000; C get 1 = EMPTY; time 1000; C get 1 = a'1" },
    { "extend", 0, false,
      "A put a; B res 1 +t100 = a; time 90; B ext #1 +t200 = 1; time 199; C get 1 = EMPTY; time 1;"
      "C res 1 = a'1; B ext #1 = STALE; C ack #1 = 1" },
    { "terms go on over a restart", 0, false,
      "A put a; B res 1 +t1000 = a; restart; time 499; C get 1 = EMPTY; time 1; C get 1 = a'1" },
    { "a consumer that dies returns what it reserved", 0, false,
      "A put a b c; B res 2 = a b; B seen; C get 9 +w = c; C get 1 +w = ...; B dies;"
      "C hears = a'1; C get 9 = b'1" },
    { "closing the queue returns what was reserved", 0, false,
      "A put a; B res 1 = a; B seen; B close; C get 1 = a'1" },
    { "a reserve that is given up goes back", 0, false,
      "A put a; B res 1 = a; B cancel = ack 1; B ack #1 = STALE; C res 1 = a'1" },
    { "a reserve that was partly acknowledged cannot be undone", 0, false,
      "A put a b; B res 2 = a b; B ack #1 = 1; B dies; C get 9 = b'1" },
    { "a repeat tells only what is still there", 0, false,
      "A put a b; B res 2 +t100 = a b; B away; B home; B again = a b; time 100; C get 1 = a'1;"
      "B again = none" },
    { "a repeat does not tell what a later request was given", 0, false,
      "A put a b c; B res 2 +t100 = a b; time 100; B res 1 = a'1; B again 1 = none;"
      "C get 1 = b'1" },
    { "a repeat tells what is left, and not what a later request was given", 0, false,
      "A put a b; B res 2 +t100 = a b; B ext #2 +t200; time 100; B res 1 = a'1; B again = a'1;"
      "B again 2 = b; C get 1 = EMPTY" },
    { "someone else's item", 0, false,
      "A put a b; B res 1 = a; C res 1 = b; C ack #1 = STALE; C back #1 #2 = 1 not #1;"
      "C ext #1 = STALE; C read #1 0 = STALE; C ack #77 = STALE" },
    { "an item of a get may be acknowledged, too", 0, false,
      "A put a b; B get 1 = a; B ack #1 = 1; B dies; C get 9 = b;"
      "A size = 0 items, 1 given, 2 unfinished" },
    { "an item of a get has no term to extend", 0, false,
      "A put a; B get 1 = a; B ext #1 +t1 = 1; time 100; C get 1 = EMPTY" },
    { "many come back in any order and leave in theirs", 0, false,
      "A put a b c d e f; B res 6 = a b c d e f; B back #5; B back #2; B back #6; B back #1;"
      "A put g; C get 9 = a'1 b'1 e'1 f'1 g" },
};

static const struct story join_stories[] = {
    { "join waits for all that was put", 0, false,
      "A join = ok; A put a b; A join = TIMEOUT; C join +w = ...; A join +w = ...; B get 9 = a b;"
      "B done 1 = ok; A waits; B done 1 = ok; A hears = ok; C hears = ok" },
    { "one task done too many", 0, false,
      "A put a; B done 2 = STATE; B get 1 = a; B done 1 = ok; B done 1 = STATE" },
    { "to acknowledge is to be done", 0, false,
      "A put a b; C join +w = ...; B res 2 = a b; B back #1; B ack #2; C waits; B res 1 = a'1;"
      "B ack #1; C hears = ok" },
    { "what came to its end unread is done", 0, false,
      "A put a +t100; C join +w = ...; time 100; C hears = ok" },
    { "task done before what it counts", 0, false,
      "A put a +t100; A done 1 = ok; time 100; A size = 0 items, 0 given, 0 unfinished" },
    { "a join's patience ends", 0, false,
      "A put a; C join +w100 = ...; time 100; C hears = TIMEOUT" },
    { "shutdown: putters fail, getters drain", 0, false,
      "A put a b; A stop; A put c = CLOSED; B get 1 = a; B get 9 = b; B get 1 = CLOSED;"
      "B get 1 +w = CLOSED; A stop = ok" },
    { "shutdown wakes putters", 1, false,
      "A put a; B put b +w = ...; C put c +w = ...; A stop; B hears = CLOSED; C hears = CLOSED;"
      "B get 9 = a" },
    { "shutdown wakes getters", 0, false,
      "B get 1 +w = ...; C get 1 +w = ...; A stop; B hears = CLOSED; C hears = CLOSED" },
    { "after a shutdown a delayed item is waited for", 0, false,
      "A put a +d100; B get 1 +w = ...; C get 1 +w = ...; A stop; time 100; B hears = a;"
      "C hears = CLOSED" },
    { "after a shutdown an item may come back", 0, false,
      "A put a; B res 1 = a; A stop; C get 1 = CLOSED; B back #1; C get 1 = a'1" },
    { "shutdown now drops what is in it", 0, false,
      "A put a b c; A put d +d100; B res 1 = a; A stop now; C get 1 = CLOSED;"
      "A size = 0 items, 1 given, 1 unfinished, closed; B ack #1 = 1; A join = ok" },
    { "first drain, then drop", 0, false,
      "A put a b; A stop; B get 1 = a; A stop now; B get 1 = CLOSED; restart; B get 1 = CLOSED" },
    { "shutdown now is done for those who join", 0, false,
      "A put a b; C join +w = ...; A stop now; C hears = ok" },
    { "a shut queue stays shut over a restart", 0, false,
      "A put a; A stop; restart; A put b = CLOSED; B get 9 = a; B get 9 = CLOSED" },
};

static const struct story large_stories[] = {
    { "a large item comes in parts and is read in parts", 0, false,
      "A part 7 0/300000 = ok; A part 7 131072/300000; A part 7 262144/300000; A putpart 7 = 1;"
      "bodies = 3, 0 gone; B get 9 = large:300000; B seen; B read #1 0 = body 0+0 at 0 of 300000;"
      "B read #1 131072 = body 1+0 at 131072 of 300000;"
      "B read #1 299999 = body 2+37855 at 299999 of 300000; B read #1 300000 = RANGE;"
      "B ack #1 = 1; B read #1 0 = STALE; bodies = 3, 1 gone; A size = 0 items, 0 given, "
      "1 unfinished" },
    { "parts may be repeated", 0, false,
      "A part 7 0/300000; A again = ok; A part 7 0/300000 = ok; A part 7 131072/300000;"
      "A part 7 0/300000 = ok; A part 7 262144/300000; A putpart 7 = 1; A again = 1;"
      "bodies = 3, 0 gone; B get 1 = large:300000" },
    { "parts come in order", 0, false,
      "A part 7 131072/300000 = RANGE; A part 7 0/300000; A part 7 262144/300000 = RANGE;"
      "A part 7 131072/400000 = INVALID; A part 7 5/300000 = INVALID;"
      "A part 7 131072/300000 +n5 = INVALID; A part 7 131072/131072 = INVALID" },
    { "an item that is not all there", 0, false,
      "A putpart 7 = NOT_FOUND; A part 7 0/300000; A putpart 7 = STATE; B putpart 7 = NOT_FOUND" },
    { "too large, too small", 0, false,
      "A part 7 0/1073741825 = TOO_LARGE; A part 7 0/16384 = INVALID; A part 7 0/16385 = ok;"
      "A putpart 7 = 1" },
    { "a large item comes alone", 0, false,
      "A put a; A part 7 0/20000; A putpart 7; A put b; B get 9 = a; B get 9 = large:20000;"
      "B get 9 = b" },
    { "what is not small and comes alone is stored, too", 0, false,
      "A put long:16384 = 1; bodies = 0, 0 gone; A put long:16385; bodies = 1, 0 gone;"
      "A put x long:20000; bodies = 1, 0 gone; A put long:131072; bodies = 2, 0 gone;"
      "B res 9 = long:16384; B res 9 = large:16385; B res 9 = x long:20000;"
      "B res 9 = large:131072; B ack #2 #5 = 2; bodies = 2, 2 gone" },
    { "a getter that dies returns a large item", 0, false,
      "A put long:20000; B get 1 = large:20000; B seen; B dies; C res 1 = large:20000'1;"
      "C ack #1 = 1; bodies = 1, 1 gone" },
    { "a large item that was got is no task done", 0, false,
      "A put long:20000; B get 1 = large:20000; B ack #1;"
      "A size = 0 items, 0 given, 1 unfinished" },
    { "the end of its life ends a large item's bodies", 0, false,
      "A put long:20000 +t100; time 100; bodies = 1, 1 gone" },
    { "an unfinished item goes with its session", 0, false,
      "A part 7 0/300000; A part 8 0/20000; B part 7 0/20000; A dies; bodies = 3, 2 gone;"
      "B putpart 7 = 1" },
    { "an unfinished item goes with a shutdown", 0, false,
      "A part 7 0/20000; B stop; bodies = 1, 1 gone; A putpart 7 = CLOSED;"
      "A part 8 0/20000 = CLOSED" },
    { "parts and large items survive a restart", 0, false,
      "A part 7 0/300000; A part 7 131072/300000; restart; A part 7 262144/300000; A putpart 7 = 1;"
      "restart; B get 1 = large:300000; restart; B again = large:300000; B seen;"
      "B read #1 131072 = body 1+0 at 131072 of 300000" },
    { "a large item waits for room", 1, false,
      "A put a; B part 7 0/20000; B putpart 7 +w = ...; C get 1 = a; B hears = 1" },
    { "an answer has no more than fits", 0, false,
      "A put long:16000 long:16000 long:16000 long:16000 long:16000; A put long:16000 long:16000;"
      "A put long:16000 long:16000 long:16000; A put long:16000;"
      "B get 99 = long:16000 long:16000 long:16000 long:16000 long:16000 long:16000 long:16000 "
      "long:16000 long:16000 long:16000; B get 99 = long:16000" },
};

static const struct story transient_stories[] = {
    { "a transient queue is empty after a restart", 0, true,
      "A put a b; A part 7 0/20000; A putpart 7; B res 1 = a; restart;"
      "A size = 0 items, 0 given, 0 unfinished; C get 1 = EMPTY; B ack #1 = STALE; A put c = 1;"
      "C get 9 = c" },
    { "a transient queue is open again after a restart", 2, true,
      "A stop; A put a = CLOSED; restart; A put a b = 2; A put c = FULL" },
    { "a transient queue keeps in memory what comes in one piece", 0, true,
      "A put long:131072; bodies = 0, 0 gone; B get 1 = long:131072" },
    { "in a transient queue, too, nothing is swallowed", 0, true,
      "A put a b; B get 1 = a; B again = a; B dies; C get 9 = a'1 b" },
};

/* ---- more than a script can say ---- */

/* Says a command that a format makes. */
static void __attribute__((format(printf, 2, 3)))
scene_say(struct scene *scene, const char *format, ...)
{
    char    command[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    scene_command(scene, command, strlen(command));
}

static void
uploads_are_limited(void **state)
{
    struct scene scene;

    (void)state;
    scene_begin(&scene, "uploads", 0, false);
    for (uint32_t i = 0; i < 64; i++)
        scene_say(&scene, "A part %u 0/20000", i);
    scene_say(&scene, "A part 64 0/20000 = FULL");
    scene_say(&scene, "B part 64 0/20000 = ok");
    scene_say(&scene, "A putpart 5 = 1");
    scene_say(&scene, "A part 64 0/20000 = ok");
    scene_end(&scene);
}

/* ---- a walk beside a model: an array that is searched ---- */

enum { WALK_STEPS = 1500, WALK_ITEMS = 600, WALK_LEVELS = 4 };

struct model_item {
    uint64_t priority, times;
    uint32_t holder;               /* 0: it waits, else 1 + the peer */
    bool     there;
};

struct model {
    struct scene      scene;
    struct model_item items[WALK_ITEMS + 1];   /* by id */
    uint64_t          id_last, seed;
};

static uint64_t
draw(struct model *model, uint64_t below)
{
    model->seed = model->seed * 6364136223846793005u + 1442695040888963407u;
    return (model->seed >> 33) % below;
}

/* The next to be given; 0: none. */
static uint64_t
model_next(const struct model *model)
{
    uint64_t best = 0;

    for (uint64_t id = 1; id <= model->id_last; id++)
        if (model->items[id].there && model->items[id].holder == 0 &&
            (best == 0 || model->items[id].priority > model->items[best].priority))
            best = id;
    return best;
}

static uint64_t
model_held(struct model *model, uint32_t who)
{
    uint64_t from = 1 + draw(model, model->id_last + 1);

    for (uint64_t i = 0; i < model->id_last; i++) {
        uint64_t id = 1 + (from + i) % model->id_last;

        if (model->items[id].there && model->items[id].holder == 1 + who)
            return id;
    }
    return 0;
}

static void
walk_put(struct model *model, uint32_t who)
{
    uint64_t id = model->id_last + 1;

    if (id > WALK_ITEMS)
        return;
    model->items[id] = (struct model_item){ .priority = draw(model, WALK_LEVELS), .there = true };
    model->id_last = id;
    scene_say(&model->scene, "%c put i%llu +p%llu", 'A' + (int)who, (unsigned long long)id,
              (unsigned long long)model->items[id].priority);
}

static void
walk_reserve(struct model *model, uint32_t who)
{
    uint64_t count = 1 + draw(model, 4);
    char     told[TEXT_MAX] = "";
    size_t   used = 0;

    for (uint64_t i = 0, id; i < count && (id = model_next(model)) != 0; i++) {
        used += (size_t)snprintf(told + used, sizeof(told) - used, " i%llu",
                                 (unsigned long long)id);
        if (model->items[id].times > 0)
            used += (size_t)snprintf(told + used, sizeof(told) - used, "'%llu",
                                     (unsigned long long)model->items[id].times);
        model->items[id].times++;
        model->items[id].holder = 1 + who;
    }
    scene_say(&model->scene, "%c res %llu +t86400000 =%s", 'A' + (int)who,
              (unsigned long long)count, used > 0 ? told : " EMPTY");
}

static void
walk_let_go(struct model *model, uint32_t who, bool drop)
{
    uint64_t id = model->id_last > 0 ? model_held(model, who) : 0;

    if (id == 0)
        return;
    model->items[id].holder = 0;
    model->items[id].there = !drop;
    scene_say(&model->scene, "%c %s #%llu = 1", 'A' + (int)who, drop ? "ack" : "back",
              (unsigned long long)id);
}

static void
walk_die(struct model *model, uint32_t who)
{
    scene_say(&model->scene, "%c dies", 'A' + (int)who);
    scene_open(&model->scene, who);
    for (uint64_t id = 1; id <= model->id_last; id++)
        if (model->items[id].holder == 1 + who)
            model->items[id].holder = 0;
}

static void
walk(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    model->seed = 7;
    scene_begin(&model->scene, "walk", 0, false);
    for (uint32_t step = 0; step < WALK_STEPS; step++) {
        uint32_t who = (uint32_t)draw(model, PEERS);
        uint64_t what = draw(model, 100);

        if (what < 40)
            walk_put(model, who);
        else if (what < 65)
            walk_reserve(model, who);
        else if (what < 80)
            walk_let_go(model, who, true);
        else if (what < 97)
            walk_let_go(model, who, false);
        else if (what < 98)
            walk_die(model, who);
        else if (what < 99)
            scene_say(&model->scene, "restart");
        else
            scene_say(&model->scene, "%c seen", 'A' + (int)who);
    }
    scene_end(&model->scene);
    free(model);
}

/* ---- what a store says is believed only when it fits together ---- */

/* A queue with an item of every kind and an upload. */
static void
scene_rich(struct scene *scene)
{
    static const char *const script[] = {
        "A put a b", "A put c +p7 +t100000", "A put d +d5000", "A put long:17000 +t100000",
        "A part 7 0/300000", "B res 2 +t60000 = c a", "C get 1 = b", "B back #1 = 1",
        "B res 9 = a'1", "C get 9 = large:17000", "B ext #3 +t5000", "A done 1",
    };

    scene_begin(scene, "rich", 9, false);
    for (uint32_t i = 0; i < sizeof(script) / sizeof(script[0]); i++)
        scene_say(scene, "%s", script[i]);
}

static void
objects_changed(void **state)
{
    struct scene scene;
    uint32_t     good = 0, bad = 0;

    (void)state;
    scene_rich(&scene);
    for (uint32_t i = 0; i < scene.stored_count; i++) {
        struct stored *stored = &scene.stored[i];

        if (stored->kind != PIECE_KIND && stored->kind != HEAD_KIND)
            continue;
        for (size_t bit = 0; bit < 8 * stored->bytes.bytes; bit++) {
            struct core *core = core_new(&scene.world->config);
            muster_err   err = MUSTER_OK;

            stored->bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            for (uint32_t at = 0; !err && at < scene.stored_count; at++)
                err = core_load(core, scene.stored[at].kind, scene.stored[at].id,
                                buffer_slice(&scene.stored[at].bytes));
            if (!err)
                err = core_replay(core, slice_of(NULL, 0));
            if (!err)
                core_check(core);
            good += !err;
            bad += err != MUSTER_OK;
            stored->bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
            core_free(core);
        }
    }
    assert_true(good > 20 && bad > 100);
    scene_end(&scene);
}

static void
facts_changed(void **state)
{
    struct scene scene;
    uint32_t     good = 0, bad = 0;

    (void)state;
    scene_rich(&scene);
    for (size_t bit = 0; bit < 8 * scene.world->log.bytes; bit++) {
        struct core *core = core_new(&scene.world->config);
        bool         fits;

        scene.world->log.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        fits = core_replay(core, buffer_slice(&scene.world->log)) == MUSTER_OK;
        if (fits)
            core_check(core);
        good += fits;
        bad += !fits;
        scene.world->log.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        core_free(core);
    }
    assert_true(good > 20 && bad > 100);
    scene_end(&scene);
}

/* ---- ids that are so far apart that they share a piece ---- */

static void
ids_jump(struct scene *scene, struct core *core, uint64_t id_last)
{
    queue_of(object_find(core, scene->object))->id_last = id_last;
}

static void
pieces_wrap(void **state)
{
    struct scene scene;
    uint64_t     far = (uint64_t)1 << (PIECE_BITS + CHUNK_ID_BITS);

    (void)state;
    scene_begin(&scene, "wrap", 0, false);
    scene_say(&scene, "A put a b c");
    ids_jump(&scene, scene.world->core, far - 1);
    ids_jump(&scene, scene.world->mirror, far - 1);
    scene_say(&scene, "A put d e f = 6");                    /* the first piece again */
    scene_say(&scene, "B res 1 = a");
    ids_jump(&scene, scene.world->core, 3 * far);
    ids_jump(&scene, scene.world->mirror, 3 * far);
    scene_say(&scene, "A put g");
    ids_jump(&scene, scene.world->core, 3 * far + CHUNK_ITEMS);
    ids_jump(&scene, scene.world->mirror, 3 * far + CHUNK_ITEMS);
    scene_say(&scene, "A put h");
    scene_say(&scene, "restart");
    scene_say(&scene, "B res 5 = b c d e f");
    scene_say(&scene, "B ack #%llu = 1", (unsigned long long)far);
    scene_say(&scene, "B ack #1 #2 #3 #%llu = 4", (unsigned long long)far + 1);
    scene_say(&scene, "restart");
    scene_say(&scene, "B back #%llu", (unsigned long long)far + 2);
    scene_say(&scene, "C get 9 = f'1 g h");
    scene_end(&scene);
}

/* ---- a million items ---- */

enum { MILLION = 1000000, MILLION_BLOCK = 4000 };

static void
count_pieces(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    uint32_t *count = context;

    (void)id;
    (void)bytes;
    *count += kind == PIECE_KIND;
}

/* A step and its turn, without the mirror. */
static void
million_do(struct scene *scene, const struct msg_object_do *m, union wire_any *answer)
{
    struct world *world = scene->world;

    peer_do(scene, 0, m);
    world_expect(world, OBJECT_DONE, answer);
    core_turn(world->core, world->now_ms, world_unix(world), &world->fx);
}

static void
million(void **state)
{
    struct scene         scene;
    struct msg_object_do put = { .verb = VERB_QUEUE_PUT, .a = MILLION_BLOCK, .b = PRIORITY_MAX };
    struct msg_object_do get = { .verb = VERB_QUEUE_GET, .a = 100 };
    struct wire_block    block = { 0 };
    struct buffer        value = { 0 };
    union wire_any       answer;
    uint32_t             pieces = 0;

    (void)state;
    scene_begin(&scene, "million", 0, false);
    for (uint32_t i = 0; i < MILLION_BLOCK; i++)
        assert_true(wire_block_add(&block, slice_text("item")));
    wire_block_put(&value, &block);
    put.value = buffer_slice(&value);
    for (uint64_t i = 0; i < MILLION / MILLION_BLOCK; i++) {
        million_do(&scene, &put, &answer);
        assert_int_equal(answer.object_done.a, (i + 1) * MILLION_BLOCK);
        buffer_clear(&scene.world->fx.facts);
        world_clear(scene.world);
    }
    core_checkpoint(scene.world->core, count_pieces, &pieces);
    assert_in_range(pieces, MILLION / 256, MILLION / 256 + 10);

    /* From now on only what is touched is written: the first pieces and the last one. */
    for (uint32_t i = 0; i < 3; i++) {
        million_do(&scene, &get, &answer);
        assert_int_equal(answer.object_done.a, 100);
        command_seen(&scene, 0);
        core_turn(scene.world->core, scene.world->now_ms, world_unix(scene.world),
                  &scene.world->fx);
        million_do(&scene, &(struct msg_object_do){ .verb = VERB_QUEUE_SIZE }, &answer);
        assert_int_equal(answer.object_done.a, MILLION - 100 * (i + 1));
        buffer_clear(&scene.world->fx.facts);
        world_clear(scene.world);
        pieces = 0;
        core_checkpoint(scene.world->core, count_pieces, &pieces);
        assert_in_range(pieces, 1, 6);
    }
    core_check(scene.world->core);
    wire_block_free(&block);
    buffer_free(&value);
    core_free(scene.world->mirror);
    scene.world->mirror = core_new(&scene.world->config);
    scene_end(&scene);
}

int
main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(uploads_are_limited),
        cmocka_unit_test(walk),
        cmocka_unit_test(objects_changed),
        cmocka_unit_test(facts_changed),
        cmocka_unit_test(pieces_wrap),
        cmocka_unit_test(million),
    };
    int failed = 0;

    failed += STORIES("order", order_stories, story_run);
    failed += STORIES("waits", wait_stories, story_run);
    failed += STORIES("in hands", hand_stories, story_run);
    failed += STORIES("join and shutdown", join_stories, story_run);
    failed += STORIES("large", large_stories, story_run);
    failed += STORIES("transient", transient_stories, story_run);
    failed += cmocka_run_group_tests_name("others", others, NULL, NULL);
    return failed;
}
