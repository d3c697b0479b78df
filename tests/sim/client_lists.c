/* client_lists.c - what actors do with a shared list and a shared array of integers */
#include "client_objects.h"

enum { LIST_KINDS = 8, LIST_REACH = 6, ARRAY_FAR = 30 };

static void
put_block(struct actor *actor, struct buffer *out, uint64_t count)
{
    struct wire_block block = { 0 };

    for (uint64_t i = 0; i < count; i++) {
        struct buffer item = { 0 };

        put_number(&item, (int64_t)actor_random(actor, LIST_KINDS));
        wire_block_add(&block, buffer_slice(&item));
        buffer_free(&item);
    }
    wire_block_put(out, &block);
    wire_block_free(&block);
}

/* What a verb carries: an index, a range, an item, or a block of some. */
enum { NEEDS_INDEX = 1, NEEDS_RANGE = 2, NEEDS_ITEM = 4, NEEDS_BLOCK = 8, NEEDS_ORDER = 16 };

static const struct {
    uint8_t  verb;
    uint32_t needs;
} list_verbs[] = {
    { VERB_LIST_APPEND, NEEDS_ITEM },
    { VERB_LIST_APPEND, NEEDS_ITEM },
    { VERB_LIST_EXTEND, NEEDS_BLOCK },
    { VERB_LIST_INSERT, NEEDS_INDEX | NEEDS_ITEM },
    { VERB_LIST_INSERT, NEEDS_INDEX | NEEDS_ITEM },
    { VERB_LIST_POP, NEEDS_INDEX },
    { VERB_LIST_REMOVE, NEEDS_ITEM },
    { VERB_LIST_INDEX, NEEDS_RANGE | NEEDS_ITEM },
    { VERB_LIST_COUNT, NEEDS_ITEM },
    { VERB_LIST_REVERSE, 0 },
    { VERB_LIST_GET, NEEDS_INDEX },
    { VERB_LIST_SET, NEEDS_INDEX | NEEDS_ITEM },
    { VERB_LIST_DELETE, NEEDS_INDEX },
    { VERB_LIST_SLICE, NEEDS_RANGE },
    { VERB_LIST_SET_SLICE, NEEDS_RANGE | NEEDS_BLOCK },
    { VERB_LIST_DELETE_SLICE, NEEDS_RANGE },
    { VERB_LIST_LEN, 0 },
    { VERB_LIST_CLEAR, 0 },
    { VERB_LIST_SORT, NEEDS_ORDER },
};

static uint64_t
some_index(struct actor *actor)
{
    return actor_random(actor, LIST_REACH) - actor_random(actor, LIST_REACH);
}

static void
list_ask(struct actor *actor)
{
    uint64_t             at = actor_random(actor, sizeof(list_verbs) / sizeof(list_verbs[0]));
    uint32_t             needs = list_verbs[at].needs;
    struct msg_object_do m = { .verb = list_verbs[at].verb };
    struct buffer        bytes = { 0 };

    if (needs & (NEEDS_INDEX | NEEDS_RANGE))
        m.a = some_index(actor);
    if (needs & NEEDS_RANGE)
        m.b = some_index(actor);
    if (needs & NEEDS_ITEM)
        put_number(&bytes, (int64_t)actor_random(actor, LIST_KINDS));
    if (needs & NEEDS_BLOCK) {
        uint64_t count = actor_random(actor, 4);

        *(needs & NEEDS_RANGE ? &m.c : &m.a) = count;
        put_block(actor, &bytes, count);
    }
    if (needs & NEEDS_ORDER) {
        m.a = 1;                       /* as integers */
        m.b = actor_random(actor, 2);
    }
    m.value = buffer_slice(&bytes);
    actor_do(actor, SHARED_LIST, &m, 1);
    buffer_free(&bytes);
}

void
script_list(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    (void)m;
    if (actor->phase == 0)
        list_ask(actor);
    else if (error != MUSTER_OK && error != MUSTER_ERR_RANGE && error != MUSTER_ERR_NO_KEY)
        actor_fail(actor, error);
    else
        actor_round_ends(actor);
}

static void
array_ask(struct actor *actor)
{
    static const uint8_t verbs[] = { VERB_ARRAY_GET, VERB_ARRAY_SET, VERB_ARRAY_ADD,
                                     VERB_ARRAY_ADD, VERB_ARRAY_CAS };
    struct msg_object_do m = { .verb = verbs[actor_random(actor, sizeof(verbs))],
                               .a = actor_random(actor, SHARED_ARRAY_ITEMS) };
    struct buffer        bytes = { 0 };
    uint64_t             count = 1 + actor_random(actor, 3);

    if (m.verb == VERB_ARRAY_GET)
        m.b = actor_random(actor, ARRAY_FAR) == 0 ? ARRAY_FAR : SHARED_ARRAY_ITEMS - m.a;
    else if (m.verb == VERB_ARRAY_CAS)
        put_exchange(&bytes, (int64_t)actor_random(actor, 4), (int64_t)actor_random(actor, 4));
    else if (m.verb == VERB_ARRAY_ADD)
        put_number(&bytes, (int64_t)actor_random(actor, 5) - 2);
    for (uint64_t i = 0; m.verb == VERB_ARRAY_SET && i < count; i++)
        put_number(&bytes, (int64_t)actor_random(actor, 4));
    m.value = buffer_slice(&bytes);
    actor_do(actor, SHARED_ARRAY, &m, 1);
    buffer_free(&bytes);
}

void
script_array(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    (void)m;
    if (actor->phase == 0)
        array_ask(actor);
    else if (error != MUSTER_OK && error != MUSTER_ERR_RANGE)
        actor_fail(actor, error);
    else
        actor_round_ends(actor);
}
