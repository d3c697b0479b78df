/* fuzz_steps.c - sessions that ask anything of shared objects
 *
 * There is one object of each noun.  The input is a row of moves of MOVE_BYTES:
 * requests with any verb and numbers, asked anew or again; cancels, what was seen,
 * lost connections, slow peers, turns, ends of sessions, other objects.  After each
 * the state must be sound; at the end a core made from the facts, and one made from
 * that one's checkpoint, must be the same again.
 */
#include "fuzz.h"
#include "fuzz_core.h"

enum { MOVE_BYTES = 12, SESSIONS = 3, MOVES_MAX = 300, TURN_MS_MAX = 40000 };

struct steps {
    struct core     *core;
    struct effects   fx;
    struct buffer    facts;
    struct buffer    bytes;            /* of the value under construction */
    struct core_from from[SESSIONS];
    bool             away[SESSIONS];
    uint64_t         now_ms, request;
    const uint8_t   *move;
};

static void
steps_say(struct steps *steps, uint32_t who, uint64_t request, uint16_t type, union wire_any m)
{
    core_step(steps->core, steps->now_ms, &steps->from[who], request, type, &m, &steps->fx);
    core_check(steps->core);
}

static void
steps_turn(struct steps *steps)
{
    core_turn(steps->core, steps->now_ms, FUZZ_UNIX_MS + steps->now_ms, &steps->fx);
    core_check(steps->core);
    for (uint32_t i = 0; i < steps->fx.ended_count; i++)
        for (uint32_t k = 0; k < SESSIONS; k++)
            if (steps->from[k].session == steps->fx.ended[i])
                steps->from[k].session = 0;
    buffer_append_slice(&steps->facts, buffer_slice(&steps->fx.facts));
    effects_clear(&steps->fx);
}

static void
steps_hello(struct steps *steps, uint32_t who)
{
    static const char *const users[SESSIONS] = { "anna", "bert", "carl" };
    struct core_from        *from = &steps->from[who];
    union wire_any           m = { .hello = { .version_min = PROTOCOL_VERSION_MIN,
                                              .version_max = PROTOCOL_VERSION,
                                              .secret = 7 + who, .session = from->session } };

    *from = (struct core_from){ .role = who == 2 ? ROLE_ADMIN : ROLE_CLIENT,
                                .user = slice_text(users[who]), .address = slice_text("::1") };
    steps_say(steps, who, ++steps->request, MSG_TYPE_HELLO, m);
    assert(steps->fx.opened != 0);
    from->session = steps->fx.opened;
    steps->away[who] = false;
}

/* One object of each noun, whose id is the noun's number + 1, open everywhere. */
static void
steps_begin(struct steps *steps)
{
    static const uint64_t settings[NOUN_COUNT][2] = {
        [NOUN_QUEUE] = { 5 }, [NOUN_SEMAPHORE] = { 2, 1 }, [NOUN_CONDITION] = { NOUN_LOCK + 1 },
        [NOUN_BARRIER] = { 2 }, [NOUN_ARRAY] = { TYPE_INTEGER, 8 }, [NOUN_PIPE] = { 1 },
        [NOUN_LISTENER] = { 2 },
    };

    core_start(steps->core, steps->now_ms, FUZZ_UNIX_MS + steps->now_ms, &steps->fx);
    for (uint32_t who = 0; who < SESSIONS; who++) {
        steps_hello(steps, who);
        for (uint8_t noun = 0; noun < NOUN_COUNT; noun++) {
            union wire_any m = { .object_open = { .noun = noun, .a = settings[noun][0],
                                                  .name = slice_text(wire_noun_name(noun)),
                                                  .b = settings[noun][1] } };

            if (noun == NOUN_VALUE)
                m.object_open.value = slice_of("\1\0\0\0\0\0\0", 8);
            steps_say(steps, who, ++steps->request, MSG_TYPE_OBJECT_OPEN, m);
        }
    }
    steps_turn(steps);
}

/* ---- one move ---- */

/* The one that a verb is for, or any. */
static uint64_t
object(const uint8_t *move)
{
    return move[3] < 220 ? wire_verb_rule(move[2] % VERB_COUNT)->noun + 1u : move[3] % 20u;
}

/* A byte says it: mostly nothing, for what a verb does not name must be 0; small, or
 * where arithmetic ends. */
static uint64_t
number(uint8_t byte)
{
    static const uint64_t edges[] = { UINT64_MAX, UINT64_MAX - 1, INT64_MAX,
                                      (uint64_t)INT64_MAX + 1, UINT32_MAX,
                                      (uint64_t)UINT32_MAX + 1, INT32_MAX, 65536,
                                      (uint64_t)1 << 62, VALUE_BYTES_MAX, PRIORITY_MAX,
                                      2 * PRIORITY_MAX, RESERVE_MS_MAX, 4096, 1000, 256 };

    if (byte < 240)
        return byte < 160 ? 0 : (byte - 159u) & 15;
    return edges[byte - 240];
}

/* What values are made of: nothing, numbers, ids, text, blocks. */
static struct slice
value(struct steps *steps, uint8_t byte)
{
    struct wire_block block = { 0 };
    uint32_t          items = (byte & 3) + 1u;

    buffer_clear(&steps->bytes);
    switch (byte >> 5) {
    default:
        break;
    case 5:
        for (uint32_t i = 0; i < items; i++)
            write_u64(&steps->bytes, number(steps->move[4]) + i);
        break;
    case 6:
        buffer_append_slice(&steps->bytes, slice_cut(slice_text("some text"), items, 5));
        break;
    case 7:
        for (uint32_t i = 0; i < items; i++)
            wire_block_add(&block, slice_of(steps->move + i, byte & 4 ? 8 : 1 + i));
        wire_block_put(&steps->bytes, &block);
    }
    wire_block_free(&block);
    return buffer_slice(&steps->bytes);
}

static void
move_do(struct steps *steps, uint32_t who, uint64_t request)
{
    const uint8_t       *move = steps->move;
    uint8_t              key[4] = { 'k', (uint8_t)('a' + move[9] % 4), 0, 1 };
    struct msg_object_do m = { .object = object(move), .verb = move[2] % VERB_COUNT,
                               .wait_ms = (uint32_t)number(move[8]) * 100,
                               .thread = move[11] > 200 ? 1 + (move[11] & 1) : 0,
                               .a = number(move[4]), .b = number(move[5]),
                               .c = number(move[6]), .d = number(move[7]),
                               .is_reference = move[11] > 240, .value = value(steps, move[10]),
                               .key = slice_of(key, move[9] > 200 ? move[9] % 4u : 0) };

    steps_say(steps, who, request, MSG_TYPE_OBJECT_DO, (union wire_any){ .object_do = m });
}

static void
move_open(struct steps *steps, uint32_t who, uint64_t request)
{
    const uint8_t         *move = steps->move;
    uint8_t                noun = move[2] % NOUN_COUNT;
    struct msg_object_open m = { .noun = noun, .mode = move[8] % OPEN_COUNT,
                                 .transient = move[11] > 240, .a = number(move[4]),
                                 .b = number(move[5]),
                                 .object = move[9] > 240 ? move[9] % 20u : 0,
                                 .value = value(steps, move[10]) };

    if (move[3] < 200)
        m.name = slice_text(wire_noun_name(noun));
    steps_say(steps, who, request, MSG_TYPE_OBJECT_OPEN, (union wire_any){ .object_open = m });
}

static void
move_seen(struct steps *steps, uint32_t who, uint64_t request)
{
    union wire_any m = { .object_seen = { .below = request } };

    buffer_clear(&steps->bytes);
    wire_put_id(&steps->bytes, &(struct wire_id){ steps->request - steps->move[3] % 8 });
    m.object_seen.except = (struct wire_list){ buffer_slice(&steps->bytes), 1 };
    steps_say(steps, who, ++steps->request, MSG_TYPE_OBJECT_SEEN, m);
}

/* What is not a request. */
static void
move_other(struct steps *steps, uint32_t who)
{
    const uint8_t *move = steps->move;

    switch (move[2] % 6) {
    case 0:
        core_away(steps->core, steps->now_ms, steps->from[who].session);
        steps->away[who] = true;
        break;
    case 1:
        core_slow(steps->core, steps->from[who].session, move[3] & 1);
        break;
    case 2:
        core_space(steps->core, move[3] & 1);
        break;
    case 3:
        steps_hello(steps, who);
        break;
    case 4:
        core_expel(steps->core, steps->now_ms, steps->from[who].session, MUSTER_ERR_AUTH,
                   &steps->fx);
        break;
    default:
        steps->now_ms += number(move[3]) * 100 % TURN_MS_MAX;
    }
    steps_turn(steps);
}

static void
move_one(struct steps *steps)
{
    const uint8_t *move = steps->move;
    uint32_t       who = move[1] % SESSIONS;
    uint64_t       request = steps->request - move[1] / SESSIONS % 16;

    /* Whose connection was lost says HELLO first, as admission demands. */
    if (steps->from[who].session == 0 || steps->away[who])
        steps_hello(steps, who);
    if (move[1] < 128)
        request = ++steps->request;
    switch (move[0] % 16) {
    case 0:
        steps_say(steps, who, request, MSG_TYPE_OBJECT_CLOSE,
                  (union wire_any){ .object_close = { object(move) } });
        break;
    case 1:
        steps_say(steps, who, request, MSG_TYPE_OBJECT_DELETE,
                  (union wire_any){ .object_delete = { object(move) } });
        break;
    case 2:
        steps_say(steps, who, ++steps->request, MSG_TYPE_OBJECT_CANCEL,
                  (union wire_any){ .object_cancel = { request } });
        break;
    case 3:
        move_seen(steps, who, request);
        break;
    case 4:
    case 5:
        move_other(steps, who);
        break;
    case 6:
    case 7:
    case 8:
        move_open(steps, who, request);
        break;
    default:
        move_do(steps, who, request);
    }
}

/* ---- the same again ---- */

static void
steps_restart(struct steps *steps)
{
    struct core   *replayed = core_new(&fuzz_core_config);
    struct core   *loaded = core_new(&fuzz_core_config);
    struct buffer  objects = { 0 };
    struct effects fx = { 0 };
    muster_err     err = core_replay(replayed, buffer_slice(&steps->facts));

    assert(err == MUSTER_OK);
    assert(core_digest(replayed) == core_digest(steps->core));
    core_start(replayed, steps->now_ms, FUZZ_UNIX_MS + steps->now_ms, &fx);
    core_check(replayed);
    core_checkpoint(replayed, fuzz_core_object, &objects);
    err = fuzz_core_load(loaded, buffer_slice(&objects));
    if (!err)
        err = core_replay(loaded, slice_of(NULL, 0));
    assert(err == MUSTER_OK);
    assert(core_digest(loaded) == core_digest(replayed));
    buffer_free(&objects);
    effects_free(&fx);
    core_free(loaded);
    core_free(replayed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct steps steps = { .core = core_new(&fuzz_core_config), .now_ms = 1000, .request = 100 };
    size_t       moves = bytes / MOVE_BYTES < MOVES_MAX ? bytes / MOVE_BYTES : MOVES_MAX;

    steps_begin(&steps);
    for (size_t i = 0; i < moves; i++) {
        steps.move = data + i * MOVE_BYTES;
        move_one(&steps);
    }
    steps_turn(&steps);
    steps_restart(&steps);
    core_free(steps.core);
    effects_free(&steps.fx);
    buffer_free(&steps.facts);
    buffer_free(&steps.bytes);
    return 0;
}
