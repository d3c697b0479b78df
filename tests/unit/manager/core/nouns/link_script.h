/* link_script.h - stories about pipes, listeners and services as rows of steps
 *
 * Three programs, A, B and C, have one object open.  A step is a request of one
 * of them or something that befalls it.  A request is answered at once, or WAITS
 * under a label until a TOLD step names what came.  Whatever comes and is not
 * named fails the story.  After every step a core that replays the facts and one
 * that loads what the checkpoints stored must be equal.
 */
#ifndef LINK_SCRIPT_H
#define LINK_SCRIPT_H

#include "../world.h"

#include "map.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { A, B, C, LINK_PEERS };
enum { LINK_LABELS = 16, LINK_STEPS = 32, LINK_TOLD = 64, LINK_TEXT = 256 };
enum { WAITS = -1 };

enum link_op {
    LINK_END_OF_STORY,
    LINK_DO,          /* a request */
    LINK_TOLD_STEP,   /* what came for a request that waits */
    LINK_TAKE,        /* go on with the object that answer named */
    LINK_AWAY,        /* its connection is lost */
    LINK_BACK,        /* it connects again */
    LINK_AGAIN,       /* it repeats a request */
    LINK_CANCEL,      /* ... gives one up; a: what the ACK says */
    LINK_CLOSE,       /* ... closes the object */
    LINK_QUIT,        /* ... ends its session */
    LINK_LATER,       /* a ms go by */
    LINK_RESTART,     /* the manager: from its facts */
    LINK_RELOAD,      /* the manager: from a checkpoint */
};

struct link_step {
    enum link_op op;
    unsigned     who;
    unsigned     verb;
    uint64_t     a, b, c, d;
    const char  *key, *value;
    bool         block;            /* value: words for a block */
    bool         at_once;          /* wait_ms 0 */
    uint32_t     wait_ms;          /* 0: for ever */
    int          expect;           /* muster_err, or WAITS */
    int          label;
    uint64_t     got_a, got_b, got_c;            /* 0: whatever */
    const char  *text;             /* of the value, or in the error; NULL: whatever */
};

struct link_told {
    uint64_t session, request;
    int      code;
    uint64_t a, b, c;
    char     text[LINK_TEXT];
};

struct link_stored {
    uint32_t      kind;
    uint64_t      id;
    struct buffer bytes;
};

struct link_world {
    struct world    *world;
    struct map       stored;       /* what the checkpoints so far have stored */
    uint64_t         sessions[LINK_PEERS];
    uint64_t         object;
    uint64_t         last_a;
    union wire_any   asked[LINK_LABELS];
    struct buffer    values[LINK_LABELS];
    uint64_t         requests[LINK_LABELS];
    struct link_told told[LINK_TOLD];
    uint32_t         told_count;
};

static const char *const link_users[LINK_PEERS] = { "ann", "bob", "cid" };

/* ---- what came ---- */

/* Parts as "one|two", with a + behind those of which more follows. */
static inline void
link_parts(const struct msg_object_done *m, char text[LINK_TEXT])
{
    struct reader sizes = reader_of(m->key);
    size_t        used = 0;

    for (uint32_t i = 0; i < m->a; i++) {
        struct slice part = wire_block_item(m->value, i);
        bool         more = (read_u64(&sizes) & 1) != 0;

        used += (size_t)snprintf(text + used, LINK_TEXT - used, "%s%.*s%s", i > 0 ? "|" : "",
                                 (int)(part.bytes < 40 ? part.bytes : 40),
                                 (const char *)part.data, more ? "+" : "");
        assert_true(used < LINK_TEXT);
    }
    assert_true(read_ended(&sizes));
}

static inline bool
link_is_parts(const struct msg_object_done *m)
{
    return m->a > 0 && m->key.bytes == m->a * 8 && m->value.bytes >= 4;
}

static inline void
link_hear(struct link_world *link, const struct effect_send *send)
{
    struct world     *world = link->world;
    struct link_told *told = &link->told[link->told_count];
    struct reader     in = reader_of(slice_of(world->fx.out.data + send->offset, send->bytes));
    uint16_t          type;
    union wire_any    m;

    (void)read_u32(&in);
    type = read_u16(&in);
    (void)read_u16(&in);
    *told = (struct link_told){ .session = send->session, .request = read_u64(&in) };
    assert_int_equal(wire_decode_any(type, slice_of(in.at, read_left(&in)), &m), MUSTER_OK);
    if (type == MSG_TYPE_WELCOME)
        return;
    assert_true(++link->told_count < LINK_TOLD);
    if (type == MSG_TYPE_ERROR) {
        told->code = m.error.code;
        snprintf(told->text, sizeof(told->text), "%.*s", (int)m.error.detail.bytes,
                 (const char *)m.error.detail.data);
        assert_true(m.error.detail.bytes > 0);
    } else if (type == MSG_TYPE_ACK) {
        told->a = m.ack.value;
    } else if (type == MSG_TYPE_OBJECT_OPENED) {
        told->a = m.object_opened.object;
    } else {
        assert_int_equal(type, MSG_TYPE_OBJECT_DONE);
        told->a = m.object_done.a;
        told->b = m.object_done.b;
        told->c = m.object_done.c;
        if (link_is_parts(&m.object_done))
            link_parts(&m.object_done, told->text);
        else
            snprintf(told->text, sizeof(told->text), "%.*s", (int)m.object_done.value.bytes,
                     (const char *)m.object_done.value.data);
    }
}

static inline void
link_store(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct link_world  *link = context;
    uint64_t            key[2] = { kind, id };
    uint64_t            hash = map_hash(slice_of(key, sizeof(key)));
    struct link_stored *stored = map_remove(&link->stored, hash);

    if (stored != NULL) {
        assert_true(stored->kind == kind && stored->id == id);
        buffer_free(&stored->bytes);
        free(stored);
    }
    if (bytes.data == NULL)
        return;
    stored = calloc(1, sizeof(*stored));
    *stored = (struct link_stored){ .kind = kind, .id = id };
    buffer_append_slice(&stored->bytes, bytes);
    map_put(&link->stored, hash, stored);
}

static inline int
link_stored_compare(const void *a, const void *b)
{
    const struct link_stored *const *left = a;
    const struct link_stored *const *right = b;

    if ((*left)->kind != (*right)->kind)
        return (*left)->kind < (*right)->kind ? -1 : 1;
    return (*left)->id < (*right)->id ? -1 : (*left)->id > (*right)->id;
}

/* A core from all that was stored. */
static inline struct core *
link_load(const struct link_world *link)
{
    struct core         *core = core_new(&link->world->config);
    struct link_stored **all = calloc(link->stored.count + 1, sizeof(*all));
    size_t               cursor = 0;
    size_t               count = 0;
    struct link_stored  *stored;

    while ((stored = map_next(&link->stored, &cursor, NULL)) != NULL)
        all[count++] = stored;
    qsort(all, count, sizeof(*all), link_stored_compare);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(core_load(core, all[i]->kind, all[i]->id,
                                   buffer_slice(&all[i]->bytes)), MUSTER_OK);
    free(all);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(link->world->mirror));
    return core;
}

/* The turn ends; what it sent is heard. */
static inline void
link_turn(struct link_world *link, uint64_t ms)
{
    struct world *world = link->world;

    world_turn(world, ms);
    for (uint32_t i = 0; i < world->fx.send_count; i++)
        link_hear(link, &world->fx.sends[i]);
    world_next(world);
    core_checkpoint(world->core, link_store, link);
    core_free(link_load(link));
}

static inline struct link_told
link_pull(struct link_world *link, uint64_t session, uint64_t request, const char *story)
{
    for (uint32_t i = 0; i < link->told_count; i++) {
        struct link_told told = link->told[i];

        if (told.session == session && told.request == request) {
            memmove(&link->told[i], &link->told[i + 1],
                    (link->told_count - i - 1) * sizeof(told));
            link->told_count--;
            return told;
        }
    }
    fail_msg("%s: nothing came for request %llu", story, (unsigned long long)request);
    return (struct link_told){ 0 };
}

/* ---- what is asked ---- */

static inline uint64_t
link_ask(struct link_world *link, unsigned who, uint16_t type, const union wire_any *m)
{
    world_step(link->world, 0, link->sessions[who], ROLE_CLIENT, link_users[who], type, m);
    return link->world->request;
}

static inline void
link_block(struct buffer *out, const char *words, uint64_t *count_out)
{
    struct wire_block block = { 0 };

    for (const char *at = words; *at != '\0';) {
        size_t bytes = strcspn(at, " ");

        assert_true(wire_block_add(&block, slice_of(at, bytes)));
        at += bytes + (at[bytes] == ' ');
    }
    *count_out = block.count;
    wire_block_put(out, &block);
    wire_block_free(&block);
}

static inline void
link_match(const struct link_step *step, const struct link_told *told, const char *story,
           unsigned at)
{
    if (told->code != step->expect || (step->got_a != 0 && told->a != step->got_a) ||
        (step->got_b != 0 && told->b != step->got_b) ||
        (step->got_c != 0 && told->c != step->got_c) ||
        (step->text != NULL && told->code == MUSTER_OK && strcmp(told->text, step->text) != 0) ||
        (step->text != NULL && told->code != MUSTER_OK && strstr(told->text, step->text) == NULL))
        fail_msg("%s, step %u: %s a=%llu b=%llu c=%llu \"%s\"", story, at,
                 muster_err_name((muster_err)told->code), (unsigned long long)told->a,
                 (unsigned long long)told->b, (unsigned long long)told->c, told->text);
}

static inline void
link_do(struct link_world *link, const struct link_step *step, const char *story, unsigned at)
{
    struct buffer       *value = &link->values[step->label];
    struct msg_object_do m = { .object = link->object,
                               .verb = (uint8_t)step->verb,
                               .a = step->a,
                               .b = step->b,
                               .c = step->c,
                               .d = step->d,
                               .key = slice_text(step->key != NULL ? step->key : ""),
                               .wait_ms = step->at_once       ? 0
                                          : step->wait_ms > 0 ? step->wait_ms
                                                              : UINT32_MAX };
    struct link_told     told;

    buffer_clear(value);
    if (step->block)
        link_block(value, step->value, &m.a);
    else if (step->value != NULL)
        buffer_append_text(value, step->value);
    m.value = buffer_slice(value);
    link->asked[step->label].object_do = m;
    link->requests[step->label] = link_ask(link, step->who, MSG_TYPE_OBJECT_DO,
                                           &link->asked[step->label]);
    link_turn(link, 0);
    if (step->expect == WAITS)
        return;
    told = link_pull(link, link->sessions[step->who], link->requests[step->label], story);
    link_match(step, &told, story, at);
    link->last_a = told.a;
}

static inline void
link_told_step(struct link_world *link, const struct link_step *step, const char *story,
               unsigned at)
{
    struct link_told told = link_pull(link, link->sessions[step->who],
                                      link->requests[step->label], story);

    link_match(step, &told, story, at);
    link->last_a = told.a;
}

static inline void
link_again(struct link_world *link, const struct link_step *step)
{
    uint64_t highest = link->world->request;

    link->world->request = link->requests[step->label] - 1;
    link_ask(link, step->who, MSG_TYPE_OBJECT_DO, &link->asked[step->label]);
    link->world->request = highest;
    link_turn(link, 0);
}

/* ---- what befalls ---- */

static inline void
link_back(struct link_world *link, unsigned who)
{
    assert_true(world_hello(link->world, ROLE_CLIENT, link_users[who], link->sessions[who], 42) ==
                link->sessions[who]);
    link_turn(link, 0);
}

static inline void
link_reload(struct link_world *link)
{
    struct world *world = link->world;
    struct core  *core = link_load(link);

    core_free(world->core);
    world->core = core;
    core_start(core, ++world->now_ms, world_unix(world), &world->fx);
    link_turn(link, 0);
}

static inline void
link_leave(struct link_world *link, const struct link_step *step, const char *story)
{
    union wire_any m = { 0 };
    uint64_t       request;

    if (step->op == LINK_CANCEL)
        m.object_cancel.request = link->requests[step->label];
    else if (step->op == LINK_CLOSE)
        m.object_close.object = link->object;
    request = link_ask(link, step->who,
                       step->op == LINK_CANCEL  ? MSG_TYPE_OBJECT_CANCEL
                       : step->op == LINK_CLOSE ? MSG_TYPE_OBJECT_CLOSE
                                                : MSG_TYPE_GOODBYE, &m);
    link_turn(link, 0);
    assert_int_equal(link_pull(link, link->sessions[step->who], request, story).code, MUSTER_OK);
}

static inline void
link_step_run(struct link_world *link, const struct link_step *step, const char *story,
              unsigned at)
{
    if (step->op != LINK_TOLD_STEP && step->op != LINK_TAKE && link->told_count > 0)
        fail_msg("%s, before step %u: request %llu was told %s \"%s\"", story, at,
                 (unsigned long long)link->told[0].request,
                 muster_err_name((muster_err)link->told[0].code), link->told[0].text);
    switch (step->op) {
    case LINK_DO:
        link_do(link, step, story, at);
        break;
    case LINK_TOLD_STEP:
        link_told_step(link, step, story, at);
        break;
    case LINK_TAKE:
        link->object = link->last_a;
        break;
    case LINK_AWAY:
        core_away(link->world->core, link->world->now_ms, link->sessions[step->who]);
        link_turn(link, 0);
        break;
    case LINK_BACK:
        link_back(link, step->who);
        break;
    case LINK_AGAIN:
        link_again(link, step);
        break;
    case LINK_CANCEL:
    case LINK_CLOSE:
    case LINK_QUIT:
        link_leave(link, step, story);
        break;
    case LINK_LATER:
        link_turn(link, step->a);
        break;
    case LINK_RESTART:
        world_restart(link->world);
        break;
    case LINK_RELOAD:
        link_reload(link);
        break;
    case LINK_END_OF_STORY:
        break;
    }
}

static inline struct link_world *
link_new(enum wire_noun noun, uint64_t setting)
{
    struct link_world *link = calloc(1, sizeof(*link));
    struct core_config config = world_config;

    config.waits_per_session_max = 100000;
    link->world = world_new_with(&config);
    for (unsigned who = 0; who < LINK_PEERS; who++) {
        union wire_any m = { .object_open = { .noun = (uint8_t)noun,
                                              .name = slice_text("meet"),
                                              .a = setting } };
        uint64_t       request;

        link->sessions[who] = world_client(link->world, link_users[who]);
        world_turn(link->world, 0);
        world_next(link->world);
        request = link_ask(link, who, MSG_TYPE_OBJECT_OPEN, &m);
        link_turn(link, 0);
        link->object = link_pull(link, link->sessions[who], request, "open").a;
        assert_true(link->object != 0);
    }
    return link;
}

static inline void
link_free(struct link_world *link)
{
    struct link_stored *stored;
    size_t              cursor = 0;

    while ((stored = map_next(&link->stored, &cursor, NULL)) != NULL) {
        buffer_free(&stored->bytes);
        free(stored);
    }
    map_free(&link->stored);
    for (unsigned i = 0; i < LINK_LABELS; i++)
        buffer_free(&link->values[i]);
    world_free(link->world);
    free(link);
}

static inline void
link_run(struct link_world *link, const struct link_step *steps, const char *story)
{
    unsigned at = 0;

    for (; at < LINK_STEPS && steps[at].op != LINK_END_OF_STORY; at++)
        link_step_run(link, &steps[at], story, at);
    assert_int_equal(link->told_count, 0);
}

/* ---- steps that all stories have ---- */
#define TOLD(who_, label_, ...) { LINK_TOLD_STEP, who_, .label = label_, __VA_ARGS__ }
#define TAKE                    { LINK_TAKE }
#define AWAY(who_)              { LINK_AWAY, who_ }
#define BACK(who_)              { LINK_BACK, who_ }
#define AGAIN(who_, label_)     { LINK_AGAIN, who_, .label = label_ }
#define CANCELS(who_, label_)   { LINK_CANCEL, who_, .label = label_ }, \
                                { LINK_TOLD_STEP, who_, .label = label_, \
                                  .expect = MUSTER_ERR_CANCELED }
#define CLOSES(who_)            { LINK_CLOSE, who_ }
#define QUITS(who_)             { LINK_QUIT, who_ }
#define LATER(ms)               { LINK_LATER, .a = ms }
#define RESTARTS                { LINK_RESTART }
#define RELOADS                 { LINK_RELOAD }

#endif
