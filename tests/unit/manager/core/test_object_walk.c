/* test_object_walk.c - shared objects of every noun under whatever may come
 *
 * Method: sessions walk at random over one object of each noun and a few without
 * names: any verb with numbers and bytes that are sometimes right, requests that
 * come again, cancels, lost connections, slow peers, ends, deletions, restarts
 * from the log and from a checkpoint.  After every turn world.h proves the
 * invariants and that a replay gives the same; every request that was asked has
 * one answer at most, unless it was asked again.
 */
#include "world.h"

enum { PEERS = 4, HANDLES = 24, PAST = 32, STEPS = 15000 };

struct past {
    uint64_t       request;
    uint16_t       type;
    union wire_any m;
};

struct walk {
    const char   *story;
    uint32_t      seed;
    bool          transient;
};

struct walker {
    struct world *world;
    uint64_t      random;
    uint64_t      sessions[PEERS];
    bool          connected[PEERS];
    struct past   past[PEERS][PAST];
    uint64_t      objects[HANDLES];
    enum wire_noun nouns[HANDLES];
    bool          transient;
    struct buffer blocks[3];
};

static const char *const users[PEERS] = { "ann", "bob", "cid", "dot" };

/* Numerical Recipes' generator: the same walk everywhere. */
static uint32_t
chance(struct walker *walker, uint32_t count)
{
    walker->random = walker->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(walker->random >> 33) % count;
}

static void
ask(struct walker *walker, uint32_t who, uint16_t type, const union wire_any *m)
{
    struct past *past = &walker->past[who][chance(walker, PAST)];

    world_step(walker->world, 0, walker->sessions[who], ROLE_CLIENT, users[who], type, m);
    *past = (struct past){ walker->world->request, type, *m };
}

/* Everything that was sent so far is read, and its numbers are remembered. */
static void
hear(struct walker *walker)
{
    union wire_any m;
    uint16_t       type;

    while ((type = world_take(walker->world, NULL, &m)) != 0) {
        if (type == MSG_TYPE_OBJECT_OPENED) {
            uint32_t at = m.object_opened.noun < NOUN_COUNT && chance(walker, 4) > 0
                              ? m.object_opened.noun
                              : NOUN_COUNT + chance(walker, HANDLES - NOUN_COUNT);

            walker->objects[at] = m.object_opened.object;
            walker->nouns[at] = (enum wire_noun)m.object_opened.noun;
        }
        assert_true(type != MSG_TYPE_ERROR || m.error.detail.bytes > 0);
    }
}

static void
turn(struct walker *walker, uint64_t ms)
{
    hear(walker);
    world_turn(walker->world, ms);
    hear(walker);
    buffer_clear(&walker->world->fx.facts);
    effects_clear(&walker->world->fx);
    walker->world->sends_read = 0;
}

/* ---- what may be asked ---- */

static struct slice
some_bytes(struct walker *walker)
{
    static const char number[8] = { 3 };
    static char       large[20 * 1024];

    switch (chance(walker, 8)) {
    case 0:
        return slice_text("item");
    case 1:
        return slice_of(number, sizeof(number));
    case 2:
        return slice_of(large, sizeof(large));
    case 3:
    case 4:
    case 5:
        return buffer_slice(&walker->blocks[chance(walker, 3)]);
    default:
        return slice_of(NULL, 0);
    }
}

static uint64_t
some_number(struct walker *walker)
{
    switch (chance(walker, 10)) {
    case 0:
        return PRIORITY_MAX;
    case 1:
        return walker->objects[chance(walker, HANDLES)];
    case 2:
        return UINT64_MAX - chance(walker, 3);
    case 3:
        return chance(walker, 2000);
    case 4:
    case 5:
    case 6:
        return 0;
    default:
        return chance(walker, 4);
    }
}

static uint8_t
some_verb(struct walker *walker, enum wire_noun noun)
{
    enum wire_noun of = noun == NOUN_NAMESPACE ? NOUN_DICT : noun;
    uint8_t        verbs[VERB_COUNT];
    uint32_t       count = 0;

    for (uint32_t verb = 0; verb < VERB_COUNT; verb++) {
        const struct wire_verb_rule *rule = wire_verb_rule(verb);

        if (rule->kind != VERB_NONE && rule->noun == of)
            verbs[count++] = (uint8_t)verb;
    }
    return chance(walker, 50) > 0 ? verbs[chance(walker, count)]
                                  : (uint8_t)chance(walker, VERB_COUNT);
}

/* What a verb wants, so that much of it succeeds; what it does not use is zero. */
enum wants { WANTS_A = 1, WANTS_KEY = 2, WANTS_VALUE = 4, WANTS_BLOCK = 8, WANTS_THREAD = 16,
             WANTS_PARTS = 32 };

static const uint8_t wants[VERB_COUNT] = {
    [VERB_QUEUE_PUT] = WANTS_BLOCK,          [VERB_QUEUE_ACK_ITEMS] = WANTS_VALUE,
    [VERB_QUEUE_GIVE_BACK] = WANTS_VALUE,    [VERB_LOCK_ACQUIRE] = WANTS_THREAD,
    [VERB_LOCK_RELEASE] = WANTS_THREAD,      [VERB_RLOCK_ACQUIRE] = WANTS_THREAD,
    [VERB_RLOCK_RELEASE] = WANTS_THREAD,     [VERB_SEMAPHORE_RELEASE] = WANTS_A,
    [VERB_CONDITION_WAIT] = WANTS_THREAD,    [VERB_CONDITION_NOTIFY] = WANTS_A | WANTS_THREAD,
    [VERB_VALUE_SET] = WANTS_VALUE,          [VERB_VALUE_ADD] = WANTS_VALUE,
    [VERB_ARRAY_SET] = WANTS_A | WANTS_VALUE, [VERB_ARRAY_ADD] = WANTS_A | WANTS_VALUE,
    [VERB_LIST_APPEND] = WANTS_VALUE,        [VERB_LIST_EXTEND] = WANTS_BLOCK,
    [VERB_LIST_INSERT] = WANTS_A | WANTS_VALUE, [VERB_LIST_POP] = WANTS_A,
    [VERB_LIST_GET] = WANTS_A,               [VERB_LIST_SET] = WANTS_A | WANTS_VALUE,
    [VERB_LIST_DELETE] = WANTS_A,            [VERB_DICT_GET] = WANTS_KEY,
    [VERB_DICT_SET] = WANTS_KEY | WANTS_VALUE, [VERB_DICT_DELETE] = WANTS_KEY,
    [VERB_DICT_POP] = WANTS_KEY,             [VERB_DICT_SETDEFAULT] = WANTS_KEY | WANTS_VALUE,
    [VERB_DICT_CONTAINS] = WANTS_KEY,        [VERB_DICT_CAS] = WANTS_KEY | WANTS_PARTS,
    [VERB_DICT_UPDATE] = WANTS_PARTS,        [VERB_VALUE_CAS] = WANTS_PARTS,
    [VERB_PIPE_ATTACH] = WANTS_A,            [VERB_PIPE_DETACH] = WANTS_A,
    [VERB_SERVICE_PUBLISH] = WANTS_BLOCK,    [VERB_SERVICE_CALL] = WANTS_KEY | WANTS_VALUE,
    [VERB_SERVICE_REPLY] = WANTS_A | WANTS_VALUE, [VERB_QUEUE_TASK_DONE] = WANTS_A,
};

static void
make_good(struct walker *walker, struct msg_object_do *m)
{
    uint8_t want = wants[m->verb];

    m->thread = want & WANTS_THREAD ? 1 + chance(walker, 2) : 0;
    m->a = want & WANTS_A ? chance(walker, 4) : 0;
    m->b = m->c = m->d = 0;
    m->is_reference = 0;
    m->key = want & WANTS_KEY ? slice_text(chance(walker, 2) ? "item" : "other")
                              : slice_of(NULL, 0);
    if (want & WANTS_BLOCK) {
        m->a = 1 + chance(walker, 3);
        m->value = buffer_slice(&walker->blocks[m->a - 1]);
    } else if (want & WANTS_PARTS) {
        m->a = m->verb == VERB_DICT_UPDATE;
        m->value = buffer_slice(&walker->blocks[1]);
    } else if ((want & WANTS_VALUE) == 0) {
        m->value = slice_of(NULL, 0);
    }
    if (m->verb == VERB_QUEUE_GET || m->verb == VERB_QUEUE_RESERVE)
        m->a = 1 + chance(walker, 2);
    if (m->verb == VERB_QUEUE_RESERVE)
        m->b = 5000;
    if (m->verb == VERB_QUEUE_PUT)
        m->b = PRIORITY_MAX;
    if (m->verb == VERB_PIPE_SEND || m->verb == VERB_PIPE_RECEIVE || m->verb == VERB_PIPE_POLL) {
        m->a = chance(walker, 2);
        m->b = 1 + chance(walker, 3);
        m->value = m->verb == VERB_PIPE_SEND ? slice_text("hello") : slice_of(NULL, 0);
        m->d = m->value.bytes;
    }
}

static void
ask_do(struct walker *walker, uint32_t who)
{
    uint32_t       at = chance(walker, HANDLES);
    union wire_any m = { .object_do = { .object = walker->objects[at] } };

    m.object_do.verb = some_verb(walker, walker->nouns[at]);
    m.object_do.a = some_number(walker);
    m.object_do.b = some_number(walker);
    m.object_do.c = some_number(walker);
    m.object_do.d = some_number(walker);
    m.object_do.thread = chance(walker, 3);
    m.object_do.is_reference = chance(walker, 20) == 0;
    m.object_do.wait_ms = (uint32_t[]){ 0, 0, 50, 3000, UINT32_MAX }[chance(walker, 5)];
    m.object_do.value = some_bytes(walker);
    m.object_do.key = chance(walker, 3) == 0 ? slice_text("one") : slice_of(NULL, 0);
    if (chance(walker, 4) > 0)
        make_good(walker, &m.object_do);
    ask(walker, who, MSG_TYPE_OBJECT_DO, &m);
}

static void
ask_open(struct walker *walker, uint32_t who, enum wire_noun noun)
{
    union wire_any m = { .object_open = { .noun = (uint8_t)noun } };

    if (chance(walker, 6) > 0)
        m.object_open.name = slice_text(wire_noun_name(noun));
    if (noun == NOUN_SEMAPHORE || noun == NOUN_BARRIER || noun == NOUN_LISTENER ||
        noun == NOUN_PIPE)
        m.object_open.a = noun == NOUN_LISTENER ? 4 : noun == NOUN_PIPE ? 1 : 2;
    if (noun == NOUN_ARRAY)
        m.object_open.b = 40;
    if (noun == NOUN_VALUE || noun == NOUN_ARRAY)
        m.object_open.a = chance(walker, TYPE_COUNT);
    if (noun == NOUN_QUEUE)
        m.object_open.a = chance(walker, 2) * 8;
    if (noun == NOUN_CONDITION)
        m.object_open.a = walker->objects[chance(walker, 2) ? NOUN_LOCK : NOUN_RLOCK];
    m.object_open.transient = walker->transient && noun != NOUN_LISTENER;
    if (chance(walker, 10) == 0)
        m.object_open.object = walker->objects[chance(walker, HANDLES)];
    ask(walker, who, MSG_TYPE_OBJECT_OPEN, &m);
}

static void
ask_open_all(struct walker *walker, uint32_t who)
{
    for (uint32_t noun = 0; noun < NOUN_COUNT; noun++) {
        ask_open(walker, who, (enum wire_noun)noun);
        hear(walker);
    }
}

static void
ask_again(struct walker *walker, uint32_t who)
{
    const struct past *past = &walker->past[who][chance(walker, PAST)];
    uint64_t           highest = walker->world->request;

    if (past->request == 0)
        return;
    walker->world->request = past->request - 1;
    world_step(walker->world, 0, walker->sessions[who], ROLE_CLIENT, users[who], past->type,
               &past->m);
    walker->world->request = highest;
}

static void
ask_cancel(struct walker *walker, uint32_t who)
{
    const struct past *past = &walker->past[who][chance(walker, PAST)];
    union wire_any     m = { .object_cancel = { .request = past->request } };

    ask(walker, who, MSG_TYPE_OBJECT_CANCEL, &m);
}

static void
ask_seen(struct walker *walker, uint32_t who)
{
    struct buffer  list = { 0 };
    union wire_any m = { .object_seen = { .below = walker->world->request - chance(walker, 30) } };
    uint32_t       count = chance(walker, 3);

    if (chance(walker, 2) > 0)
        m.object_seen.from = m.object_seen.below - chance(walker, 50);
    for (uint32_t i = 0; i < count; i++)
        wire_put_id(&list, &(struct wire_id){ walker->past[who][chance(walker, PAST)].request });
    m.object_seen.except = (struct wire_list){ buffer_slice(&list), count };
    world_step(walker->world, 0, walker->sessions[who], ROLE_CLIENT, users[who],
               MSG_TYPE_OBJECT_SEEN, &m);
    buffer_free(&list);
}

/* ---- what befalls ---- */

static void
come(struct walker *walker, uint32_t who, uint64_t session)
{
    if (session == 0)
        memset(walker->past[who], 0, sizeof(walker->past[who]));
    walker->sessions[who] = world_hello(walker->world, ROLE_CLIENT, users[who], session, 42);
    walker->connected[who] = walker->sessions[who] != 0;
    if (!walker->connected[who])        /* it had expired */
        come(walker, who, 0);
    else if (session == 0)
        ask_open_all(walker, who);
}

static void
restart(struct walker *walker)
{
    turn(walker, 0);
    world_restart(walker->world);
    for (uint32_t i = 0; i < PEERS; i++)
        walker->connected[i] = false;
}

static void
reload(struct walker *walker)
{
    struct world        *world = walker->world;
    struct core         *core = core_new(&world->config);
    struct world_objects objects = { core, 0 };
    struct buffer        all = { 0 };

    /* A checkpoint holds what changed since the last: a fresh core knows it all. */
    turn(walker, 0);
    core_free(world->core);
    world->core = core_new(&world->config);
    assert_int_equal(core_replay(world->core, buffer_slice(&world->log)), MUSTER_OK);
    core_start(world->core, world->now_ms, world_unix(world), &world->fx);
    effects_clear(&world->fx);
    buffer_free(&all);
    core_checkpoint(world->core, world_object_load, &objects);
    core_check(core);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(world->core));
    core_free(core);
    /* That start was not recorded: begin again from the log. */
    core_free(world->core);
    world->core = core_new(&world->config);
    assert_int_equal(core_replay(world->core, buffer_slice(&world->log)), MUSTER_OK);
    core_start(world->core, ++world->now_ms, world_unix(world), &world->fx);
    world->sends_read = 0;
    for (uint32_t i = 0; i < PEERS; i++)
        walker->connected[i] = false;
    turn(walker, 0);
}

static void
befall(struct walker *walker, uint32_t who)
{
    union wire_any m = { 0 };

    switch (chance(walker, 12)) {
    case 0:
        restart(walker);
        break;
    case 1:
        reload(walker);
        break;
    case 2:
        ask(walker, who, MSG_TYPE_GOODBYE, &m);
        come(walker, who, 0);
        break;
    case 3:
        m.object_delete.object = walker->objects[chance(walker, HANDLES)];
        ask(walker, who, MSG_TYPE_OBJECT_DELETE, &m);
        break;
    case 4:
        turn(walker, SESSION_MS);
        break;
    case 5:
    case 6:
    case 7:
        core_away(walker->world->core, walker->world->now_ms, walker->sessions[who]);
        walker->connected[who] = false;
        break;
    case 8:
    case 9:
        core_slow(walker->world->core, walker->sessions[who], true);
        break;
    default:
        core_slow(walker->world->core, walker->sessions[who], false);
    }
}

static void
walk_step(struct walker *walker)
{
    uint32_t       who = chance(walker, PEERS);
    union wire_any m = { .object_close = { .object = walker->objects[chance(walker, HANDLES)] } };

    if (!walker->connected[who]) {
        come(walker, who, walker->sessions[who]);
        return;
    }
    switch (chance(walker, 40)) {
    case 0:
        befall(walker, who);
        break;
    case 1:
        ask(walker, who, MSG_TYPE_OBJECT_CLOSE, &m);
        break;
    case 2:
    case 3:
        ask_cancel(walker, who);
        break;
    case 4:
        ask_seen(walker, who);
        break;
    case 5:
    case 6:
        ask_again(walker, who);
        break;
    case 7:
        turn(walker, chance(walker, 200));
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        ask_open(walker, who, (enum wire_noun)chance(walker, NOUN_COUNT));
        break;
    default:
        ask_do(walker, who);
    }
    if (chance(walker, 4) == 0)
        turn(walker, chance(walker, 3));
    hear(walker);
}

static void
walk(void **state)
{
    const struct walk *row = *state;
    struct walker      walker = { .random = row->seed, .transient = row->transient };

    walker.world = world_new();
    for (uint32_t i = 0; i < 3; i++) {
        struct wire_block block = { 0 };

        for (uint32_t j = 0; j <= i; j++)
            assert_true(wire_block_add(&block, slice_text(j == 0 ? "item" : "another")));
        wire_block_put(&walker.blocks[i], &block);
        wire_block_free(&block);
    }
    for (uint32_t i = 0; i < PEERS; i++)
        come(&walker, i, 0);
    turn(&walker, 1);
    for (uint32_t i = 0; i < STEPS; i++)
        walk_step(&walker);
    turn(&walker, 1);
    for (uint32_t i = 0; i < 3; i++)
        buffer_free(&walker.blocks[i]);
    world_free(walker.world);
}

static const struct walk walks[] = {
    { "a walk", 1, false },
    { "another", 2, false },
    { "a third", 3, false },
    { "over transient objects", 4, true },
    { "and again", 5, true },
};

int
main(void)
{
    return STORIES("object_walk", walks, walk);
}
