/* sync_script.h - stories about locks and their kin, as scripts
 *
 * Sessions a, b, c, d have the object open; a condition has its lock besides.
 * One line is one step and everything that is told in it, in order:
 *
 *     a1 acquire wait=0 > a1:token/1
 *     `- session a, thread 1; the name of the request, too
 *
 *   a1 VERB [a=N] [wait=MS] [t=THREAD]   wait: for ever unless said; t: 1 for a1
 *   again a1, cancel a1                  the same request again; give it up
 *   seen a                               all its answers have arrived
 *   lose a, back a, end a, close a       its connection, its session, the object there
 *   delete a, unlock a                   a deletes the object, the lock of the condition
 *   turn MS                              time passes; who is connected gives signs of life
 *   expire                               whoever is not connected ends
 *   restart, reload                      kill -9; then from the log, or from a checkpoint
 *
 * Answers: "token" is larger than all before it, "same" is the last one again;
 * behind them depth, permits left, or "timeout".
 */
#ifndef SYNC_SCRIPT_H
#define SYNC_SCRIPT_H

#include "../world.h"

#include <stdio.h>

enum { SCRIPT_SESSIONS = 4, SCRIPT_CALLS = 10, SCRIPT_LINE_BYTES = 256,
       SCRIPT_STORED = 64 };

struct script_story {
    const char    *story;
    enum wire_noun noun;
    uint64_t       a, b;           /* of a condition: a = noun of its lock */
    const char    *script;
    bool           transient;
};

struct script_call {
    uint64_t             request;
    struct msg_object_do m;
};

struct script_stored {             /* an object of the store */
    uint32_t      kind;
    uint64_t      id;
    struct buffer bytes;
};

struct script {
    struct world      *world;
    const struct script_story *story;
    uint64_t           session[SCRIPT_SESSIONS];
    bool               connected[SCRIPT_SESSIONS];
    struct script_call calls[SCRIPT_SESSIONS][SCRIPT_CALLS];
    uint64_t           object, lock;
    uint64_t           token;      /* the largest so far */
    char               told[1024];
    struct script_stored stored[SCRIPT_STORED];
    uint32_t           stored_count;
};

static const char *const script_users[SCRIPT_SESSIONS] = { "ann", "bob", "cid", "dot" };

/* ---- what was told ---- */

static inline void
script_say(struct script *script, const char *format, ...)
{
    size_t  used = strlen(script->told);
    va_list arguments;

    if (used > 0)
        script->told[used++] = ' ';
    va_start(arguments, format);
    vsnprintf(script->told + used, sizeof(script->told) - used, format, arguments);
    va_end(arguments);
}

static inline const char *
script_token(struct script *script, uint64_t token)
{
    if (token == script->token)
        return "same";
    if (token < script->token)
        return "OLD";
    script->token = token;
    return "token";
}

static inline void
script_done(struct script *script, const char *who, unsigned verb, const struct msg_object_done *m)
{
    switch (verb) {
    case VERB_LOCK_ACQUIRE:
    case VERB_RLOCK_ACQUIRE:
    case VERB_SEMAPHORE_ACQUIRE:
        script_say(script, "%s:%s/%u", who, script_token(script, m->a), (unsigned)m->b);
        return;
    case VERB_CONDITION_WAIT:
        script_say(script, "%s:%s%s", who, script_token(script, m->a),
                   m->b == 1 ? "/timeout" : "");
        return;
    case VERB_LOCK_STATE:
    case VERB_RLOCK_STATE:
        assert_true(m->b <= script->token);
        assert_int_equal(m->a == 1, m->value.bytes > 0);
        script_say(script, "%s:%s/%u", who, m->a == 1 ? "held" : "free", (unsigned)m->c);
        return;
    case VERB_SEMAPHORE_VALUE:
    case VERB_BARRIER_WAIT:
        script_say(script, "%s:%u/%u", who, (unsigned)m->a, (unsigned)m->b);
        return;
    case VERB_BARRIER_STATE:
        script_say(script, "%s:%u/%u/%u/%u", who, (unsigned)m->a, (unsigned)m->b, (unsigned)m->c,
                   (unsigned)m->d);
        return;
    case VERB_EVENT_IS_SET:
    case VERB_CONDITION_NOTIFY:
        script_say(script, "%s:%u", who, (unsigned)m->a);
        return;
    default:
        assert_int_equal(m->a | m->b | m->c | m->d, 0);
        script_say(script, "%s:ok", who);
    }
}

/* One message; `who` is its request, or the session. */
static inline void
script_message(struct script *script, uint16_t type, uint64_t session, uint64_t request,
               const union wire_any *m)
{
    char     who[3] = "?";
    unsigned verb = VERB_COUNT;

    for (int i = 0; i < SCRIPT_SESSIONS; i++) {
        if (script->session[i] == session)
            who[0] = (char)('a' + i);
        for (int j = 0; j < SCRIPT_CALLS; j++) {
            if (request == 0 || script->calls[i][j].request != request)
                continue;
            assert_int_equal(script->session[i], session);
            who[1] = (char)('0' + j);
            verb = script->calls[i][j].m.verb;
        }
    }
    if (type == MSG_TYPE_OBJECT_DONE)
        script_done(script, who, verb, &m->object_done);
    else if (type == MSG_TYPE_ERROR)
        script_say(script, "%s:%s", who, muster_err_name(m->error.code));
    else if (type == MSG_TYPE_ACK)
        script_say(script, "%s:ack/%u", who, (unsigned)m->ack.value);
    else if (type == MSG_TYPE_OBJECT_OPENED)
        script_say(script, "%s:opened", who);
    else if (type != MSG_TYPE_BEAT_ACK)
        fail_msg("message %#x was not expected", type);
}

static inline void
script_collect(struct script *script)
{
    struct effects *fx = &script->world->fx;

    for (uint32_t i = script->world->sends_read; i < fx->send_count; i++) {
        const struct effect_send *send = &fx->sends[i];
        struct reader             in = reader_of(slice_of(fx->out.data + send->offset,
                                                          send->bytes));
        union wire_any            m;
        uint16_t                  type;
        uint64_t                  request;

        (void)read_u32(&in);
        type = read_u16(&in);
        (void)read_u16(&in);
        request = read_u64(&in);
        assert_int_equal(wire_decode_any(type, slice_of(in.at, read_left(&in)), &m), MUSTER_OK);
        script_message(script, type, send->session, request, &m);
    }
    script->world->sends_read = fx->send_count;
}

static inline void
script_turn(struct script *script, uint64_t ms)
{
    world_turn(script->world, ms);
    script_collect(script);
    world_next(script->world);
}

/* ---- what is done ---- */

static inline void
script_send(struct script *script, int who, uint64_t request, uint16_t type,
            const union wire_any *m)
{
    struct core_from from = { .session = script->session[who], .role = ROLE_CLIENT,
                              .user = slice_text(script_users[who]),
                              .address = slice_text("10.0.0.1") };

    assert_true(script->connected[who]);
    core_step(script->world->core, script->world->now_ms, &from, request, type, m,
              &script->world->fx);
}

static inline uint64_t
script_open(struct script *script, int who, enum wire_noun noun, const char *name, uint64_t a,
            uint64_t b, bool old)
{
    union wire_any m = { .object_open = { .noun = (uint8_t)noun, .name = slice_text(name),
                                          .mode = old ? OPEN_OLD : OPEN_NEW,
                                          .transient = script->story->transient,
                                          .a = a, .b = b } };
    union wire_any answer;

    script_send(script, who, ++script->world->request, MSG_TYPE_OBJECT_OPEN, &m);
    world_expect(script->world, OBJECT_OPENED, &answer);
    return answer.object_opened.object;
}

static inline void
script_begin(struct script *script, const struct script_story *story)
{
    uint64_t a = story->a;

    *script = (struct script){ .world = world_new(), .story = story };
    for (int i = 0; i < SCRIPT_SESSIONS; i++) {
        script->session[i] = world_client(script->world, script_users[i]);
        script->connected[i] = true;
        if (story->noun == NOUN_CONDITION) {
            script->lock = script_open(script, i, (enum wire_noun)story->a, "lock", 0, 0, i > 0);
            a = script->lock;
        }
        script->object = script_open(script, i, story->noun, "object", a, story->b, i > 0);
    }
    script_turn(script, 0);
    assert_string_equal(script->told, "");
}

static inline unsigned
script_verb(const struct script *script, const char *name, uint64_t *object_out)
{
    enum wire_noun nouns[2] = { script->story->noun, script->story->noun };
    uint64_t       objects[2] = { script->object, script->lock };

    if (script->story->noun == NOUN_CONDITION)
        nouns[1] = (enum wire_noun)script->story->a;
    for (int i = 0; i < 2; i++) {
        for (unsigned verb = 0; verb < VERB_COUNT; verb++) {
            const struct wire_verb_rule *rule = wire_verb_rule(verb);

            if (rule->kind != VERB_NONE && rule->noun == nouns[i] &&
                strncmp(rule->name, name, strlen(rule->name)) == 0 &&
                (name[strlen(rule->name)] == ' ' || name[strlen(rule->name)] == '\0')) {
                *object_out = objects[i];
                return verb;
            }
        }
    }
    fail_msg("no verb for \"%s\"", name);
    return 0;
}

static inline uint64_t
script_option(const char *line, const char *name, uint64_t usual)
{
    const char *found = strstr(line, name);

    return found != NULL ? strtoull(found + strlen(name), NULL, 10) : usual;
}

static inline void
script_call(struct script *script, const char *line)
{
    int                 who = line[0] - 'a';
    int                 number = line[1] - '0';
    struct script_call *call = &script->calls[who][number];
    union wire_any      m = { 0 };
    unsigned            verb;
    bool                waits;

    verb = script_verb(script, line + 3, &m.object_do.object);
    waits = wire_verb_rule(verb)->kind == VERB_WAIT || wire_verb_rule(verb)->kind == VERB_LOOK;
    m.object_do.verb = (uint8_t)verb;
    m.object_do.thread = script_option(line, " t=", (uint64_t)number);
    m.object_do.a = script_option(line, " a=", 0);
    m.object_do.wait_ms = (uint32_t)script_option(line, " wait=", waits ? UINT32_MAX : 0);
    call->request = ++script->world->request;
    call->m = m.object_do;
    script_send(script, who, call->request, MSG_TYPE_OBJECT_DO, &m);
}

/* The connection broke, and comes back. */
static inline void
script_back(struct script *script, int who)
{
    union wire_any m;

    script->world->fx.opened = 0;
    assert_int_equal(world_hello(script->world, ROLE_CLIENT, script_users[who],
                                 script->session[who], 42), script->session[who]);
    world_expect(script->world, WELCOME, &m);
    assert_int_equal(m.welcome.resumed, 1);
    script->connected[who] = true;
}

static inline void
script_store(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct script *script = context;
    uint32_t       i = 0;

    while (i < script->stored_count &&
           (script->stored[i].kind != kind || script->stored[i].id != id))
        i++;
    if (bytes.data == NULL) {
        assert_true(i < script->stored_count);
        buffer_free(&script->stored[i].bytes);
        script->stored[i] = script->stored[--script->stored_count];
        script->stored[script->stored_count].bytes = (struct buffer){ 0 };
        return;
    }
    assert_true(i < SCRIPT_STORED);
    script->stored_count += i == script->stored_count;
    script->stored[i].kind = kind;
    script->stored[i].id = id;
    buffer_clear(&script->stored[i].bytes);
    buffer_append_slice(&script->stored[i].bytes, bytes);
}

static inline void
script_store_free(struct script *script)
{
    for (uint32_t i = 0; i < script->stored_count; i++)
        buffer_free(&script->stored[i].bytes);
    script->stored_count = 0;
}

/* A checkpoint, then a core from what is stored. */
static inline void
script_reload(struct script *script)
{
    struct world *world = script->world;
    struct core  *core = core_new(&world->config);

    core_checkpoint(world->core, script_store, script);
    for (uint32_t i = 0; i < script->stored_count; i++)
        assert_int_equal(core_load(core, script->stored[i].kind, script->stored[i].id,
                                   buffer_slice(&script->stored[i].bytes)), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(world->mirror));
    core_free(world->core);
    world->core = core;
    world->now_ms += 500;
    core_start(world->core, world->now_ms, world_unix(world), &world->fx);
    script_turn(script, 0);
}

static inline void
script_time(struct script *script, uint64_t ms)
{
    while (ms > 0) {
        uint64_t some = ms < BEAT_MS ? ms : BEAT_MS;

        for (int i = 0; i < SCRIPT_SESSIONS; i++) {
            if (script->connected[i])
                script_send(script, i, ++script->world->request, MSG_TYPE_BEAT,
                            &(union wire_any){ 0 });
        }
        script_turn(script, some);
        ms -= some;
    }
}

static inline void
script_restarted(struct script *script, bool reload)
{
    if (reload) {
        script_reload(script);
    } else {
        script_store_free(script);      /* a core from the log alone stores all anew */
        world_restart(script->world);
    }
    for (int i = 0; i < SCRIPT_SESSIONS; i++)
        script->connected[i] = false;
}

static inline void
script_object(struct script *script, int who, uint16_t type, uint64_t object)
{
    union wire_any m = { .object_delete = { .object = object } };

    if (type == MSG_TYPE_OBJECT_CLOSE)
        m.object_close = (struct msg_object_close){ object };
    script_send(script, who, ++script->world->request, type, &m);
}

/* "again a1", "lose a" ... */
static inline void
script_other(struct script *script, const char *line)
{
    const char    *who_text = strchr(line, ' ');
    int            who = who_text != NULL ? who_text[1] - 'a' : 0;
    bool           named = who_text != NULL && who >= 0 && who < SCRIPT_SESSIONS;
    union wire_any m = { 0 };
    const struct script_call *call = NULL;

    if (named && who_text[2] >= '0' && who_text[2] <= '9')
        call = &script->calls[who][who_text[2] - '0'];
    if (strncmp(line, "again", 5) == 0) {
        m.object_do = call->m;
        m.object_do.wait_ms = (uint32_t)script_option(line, " wait=", call->m.wait_ms);
        script_send(script, who, call->request, MSG_TYPE_OBJECT_DO, &m);
    } else if (strncmp(line, "cancel", 6) == 0) {
        m.object_cancel.request = call->request;
        script_send(script, who, ++script->world->request, MSG_TYPE_OBJECT_CANCEL, &m);
    } else if (strncmp(line, "seen", 4) == 0) {
        m.object_seen.below = script->world->request + 1;
        script_send(script, who, ++script->world->request, MSG_TYPE_OBJECT_SEEN, &m);
    } else if (strncmp(line, "lose", 4) == 0) {
        core_away(script->world->core, script->world->now_ms, script->session[who]);
        script->connected[who] = false;
    } else if (strncmp(line, "back", 4) == 0) {
        script_back(script, who);
    } else if (strncmp(line, "end", 3) == 0) {
        script_send(script, who, ++script->world->request, MSG_TYPE_GOODBYE, &m);
        script->connected[who] = false;
    } else if (strncmp(line, "close", 5) == 0) {
        script_object(script, who, MSG_TYPE_OBJECT_CLOSE, script->object);
    } else if (strncmp(line, "delete", 6) == 0) {
        script_object(script, who, MSG_TYPE_OBJECT_DELETE, script->object);
    } else if (strncmp(line, "unlock", 6) == 0) {
        script_object(script, who, MSG_TYPE_OBJECT_DELETE, script->lock);
    } else if (strncmp(line, "turn", 4) == 0) {
        script_time(script, strtoull(line + 5, NULL, 10));
    } else if (strncmp(line, "expire", 6) == 0) {
        script_time(script, 2 * SESSION_MS);
    } else if (strncmp(line, "restart", 7) == 0 || strncmp(line, "reload", 6) == 0) {
        script_restarted(script, line[2] == 'l');
    } else {
        fail_msg("cannot read \"%s\"", line);
    }
}

static inline void
script_line(struct script *script, char *line)
{
    char *expected = strstr(line, " >");

    if (expected != NULL) {
        *expected = '\0';
        expected += 2;
        expected += strspn(expected, " ");
    }
    while (strlen(line) > 0 && line[strlen(line) - 1] == ' ')
        line[strlen(line) - 1] = '\0';
    script->told[0] = '\0';
    if (line[1] >= '0' && line[1] <= '9')
        script_call(script, line);
    else
        script_other(script, line);
    script_collect(script);
    script_turn(script, 0);
    if (strcmp(script->told, expected != NULL ? expected : "") != 0)
        fail_msg("\"%s\": told \"%s\", not \"%s\"", line, script->told,
                 expected != NULL ? expected : "");
}

static inline void
script_end(struct script *script)
{
    script_store_free(script);
    world_free(script->world);
}

/* A test of stories_run(). */
static inline void
script_test(void **state)
{
    const struct script_story *story = *state;
    struct script             *script = malloc(sizeof(*script));
    char                       line[SCRIPT_LINE_BYTES];

    script_begin(script, story);
    for (const char *at = story->script; *at != '\0'; at += *at == '\n') {
        size_t bytes = strcspn(at, "\n");

        assert_true(bytes > 1 && bytes < sizeof(line));
        memcpy(line, at, bytes);
        line[bytes] = '\0';
        script_line(script, line);
        at += bytes;
    }
    script_end(script);
    free(script);
}

#endif
