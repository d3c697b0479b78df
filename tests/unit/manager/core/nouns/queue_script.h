/* queue_script.h - commands that peers A, B and C give to one queue
 *
 *   A put x y +p5 +d100 +t100 +w   items, priority, delay, time to live; +w waits, +w50 so long
 *   A get 2 +w                     at most 2 items;  A res 2 +t500: reserved
 *   A ack #1 #2                    also: back #1 +d100, ext #1 +t500; #n is the n-th item put
 *   A done 2 | join +w | size | stop | stop now | list
 *   A part 7 131072/300000         a part of large item 7;  A putpart 7;  A read #1 131072
 *   A seen | again | again 2 | cancel                         its last request; 2: two before that
 *   A close | open | delete | away | home | dies              what becomes of queue and sessions
 *   A hears | waits                an answer came to an earlier request; or did not
 *   time 100 | later 100 | restart                            later: no turn ends
 *   bodies: how many were stored, and how many items of them are gone
 *
 * What follows = is what must be answered, "..." nothing yet, * anything; without it: anything but
 * an error.  "," is an empty item, x'2 one that was given twice before.
 */
#ifndef QUEUE_SCRIPT_H
#define QUEUE_SCRIPT_H

#include <stdarg.h>

#include "queue_scene.h"

/* ---- commands ---- */

struct words {
    char     text[TEXT_MAX];
    char    *word[32];
    uint32_t count;
};

static inline void
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
static inline uint64_t
option(const struct words *words, char letter, uint64_t otherwise)
{
    for (uint32_t i = 0; i < words->count; i++)
        if (words->word[i][0] == '+' && words->word[i][1] == letter)
            return words->word[i][2] != '\0' ? strtoull(words->word[i] + 2, NULL, 10)
                                             : UINT32_MAX;
    return otherwise;
}

static inline uint64_t
number(const struct words *words, uint32_t at)
{
    return at < words->count ? strtoull(words->word[at] + (words->word[at][0] == '#'), NULL, 10)
                             : 0;
}

static inline void
fill_up(struct buffer *buffer, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        write_u8(buffer, (uint8_t)i);
}

static inline void
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

static inline void
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

static inline void
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

static inline void
command_seen(struct scene *scene, uint32_t who)
{
    union wire_any m = { .object_seen = { .below = scene->peers[who].requests[0] + 1 } };

    peer_say(scene, who, ++scene->world->request, MSG_TYPE_OBJECT_SEEN, &m);
}

static inline void
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

static inline void
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
static inline bool
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
    } else if (strcmp(verb, "open") == 0) {
        m = scene_opening(scene);
        peer_say(scene, who, ++world->request, MSG_TYPE_OBJECT_OPEN, &m);
    } else if (strcmp(verb, "delete") == 0) {
        m.object_delete.object = scene->object;
        peer_say(scene, who, ++world->request, MSG_TYPE_OBJECT_DELETE, &m);
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
static inline void
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

static inline void
inbox_take(struct scene *scene, struct peer *peer, const char *expected)
{
    if (strcmp(expected, "*") == 0) {
        peer->inbox_count = 0;
        return;
    }
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

static inline void
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

static inline void
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

static inline void
scene_end(struct scene *scene)
{
    for (uint32_t i = 0; i < PEERS; i++) {
        if (scene->peers[i].inbox_count > 0)
            fail_msg("%s: nobody expected %s", scene->story, scene->peers[i].inbox[0]);
        buffer_free(&scene->peers[i].value);
        for (uint32_t k = 0; k < SAID_MAX; k++)
            buffer_free(&scene->peers[i].values[k]);
    }
    for (uint32_t i = 0; i < scene->stored_count; i++)
        buffer_free(&scene->stored[i].bytes);
    world_free(scene->world);
}

/* Says a command that a format makes. */
static inline void __attribute__((format(printf, 2, 3)))
scene_say(struct scene *scene, const char *format, ...)
{
    char    command[TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    scene_command(scene, command, strlen(command));
}

#endif
