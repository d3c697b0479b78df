/* test_pipe_walk.c - random walks of two programs that use a pipe
 *
 * Method: from a seed, two peers send parts to each other and ask for those of the
 * other, as a client does: unanswered requests are repeated, in their order, on the
 * next connection.  Connections are lost together with answers, the manager is
 * restarted from its facts or from checkpoints, an end is handed to a third
 * session.  Every part that arrives must be the one that was asked for, whole; at
 * the end all faults stop, everything arrives, and then comes the end.
 *
 * What a session that hands over leaves is with the manager alone: no restart
 * until it was received.
 */
#include "link_script.h"

enum { WALK_SENDS = 24, WALK_ASKS = 6, WALK_STEPS = 700, WALK_PART_BYTES = 40 };

struct asked {
    uint64_t      request, number;
    bool          answered;
    union wire_any m;
    uint8_t       bytes[WALK_PART_BYTES];
};

struct node {
    unsigned     end, who;         /* the session that has the end */
    uint64_t     sent;             /* number of the next part to send */
    struct asked sends[WALK_SENDS];
    uint32_t     send_count;
    uint64_t     received, asking; /* parts below them have come; were asked for */
    struct asked asks[WALK_ASKS];
    uint32_t     ask_count;
    bool         connected, wide;  /* the one request that flies may bring many */
    uint64_t     safe;             /* no restart before the other end received so much */
};

struct walk {
    struct link_world *link;
    struct node        nodes[2];
    unsigned           spare;      /* the session that has no end */
    uint64_t           random;
};

static uint64_t
walk_random(struct walk *walk, uint64_t below)
{
    walk->random ^= walk->random << 13;
    walk->random ^= walk->random >> 7;
    walk->random ^= walk->random << 17;
    return walk->random % below;
}

/* The content of a part follows from its number and the end that sends it. */
static size_t
part_fill(unsigned end, uint64_t number, uint8_t bytes[WALK_PART_BYTES])
{
    size_t count = (size_t)(number * 7 + end * 3) % WALK_PART_BYTES;

    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(number + i + end * 128);
    return count;
}

/* ---- what is heard ---- */

static void
asked_remove(struct asked *all, uint32_t *count, struct asked *one)
{
    (*count)--;
    memmove(one, one + 1, (size_t)(all + *count - one) * sizeof(*one));
}

/* The values of those that moved moved with them. */
static void
asked_moved(struct asked *all, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        all[i].m.object_do.value.data = all[i].bytes;
}

static struct asked *
asked_find(struct asked *all, uint32_t count, uint64_t request)
{
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].request == request)
            return &all[i];
    }
    return NULL;
}

static void
node_parts(struct node *node, struct asked *ask, const struct msg_object_done *m)
{
    uint8_t bytes[WALK_PART_BYTES];

    assert_true(m->a > 0 && (node->wide || m->a == 1));
    assert_int_equal(wire_block_check(m->value, (uint32_t)m->a), MUSTER_OK);
    for (uint32_t i = 0; i < m->a; i++) {
        struct slice part = wire_block_item(m->value, i);

        assert_int_equal(part.bytes, part_fill(1 - node->end, ask->number + i, bytes));
        assert_true(part.bytes == 0 || memcmp(part.data, bytes, part.bytes) == 0);
    }
    ask->answered = true;
    if (node->wide)
        node->asking = ask->number + m->a;
    while (node->ask_count > 0 && node->asks[0].answered) {
        node->received = node->wide ? node->asking : node->asks[0].number + 1;
        asked_remove(node->asks, &node->ask_count, &node->asks[0]);
    }
    asked_moved(node->asks, node->ask_count);
    node->wide = node->wide && node->ask_count > 0;
}

static void
node_hear(struct node *node, uint64_t request, uint16_t type, const union wire_any *m)
{
    struct asked *send = asked_find(node->sends, node->send_count, request);
    struct asked *ask = asked_find(node->asks, node->ask_count, request);

    if (send == NULL && ask == NULL)
        return;
    if (type == MSG_TYPE_ERROR)
        fail_msg("request %llu: %.*s", (unsigned long long)request, (int)m->error.detail.bytes,
                 (const char *)m->error.detail.data);
    assert_int_equal(type, MSG_TYPE_OBJECT_DONE);
    if (send != NULL) {
        asked_remove(node->sends, &node->send_count, send);
        asked_moved(node->sends, node->send_count);
    } else if (!ask->answered) {
        node_parts(node, ask, &m->object_done);
    }
}

/* The turn ends.  What was sent to `deaf` is lost on its way. */
static void
walk_turn(struct walk *walk, const struct node *deaf)
{
    struct world *world = walk->link->world;

    world_turn(world, walk_random(walk, 3));
    for (uint32_t i = 0; i < world->fx.send_count; i++) {
        const struct effect_send *send = &world->fx.sends[i];
        struct reader in = reader_of(slice_of(world->fx.out.data + send->offset, send->bytes));
        uint16_t      type;
        uint64_t      request;
        union wire_any m;

        (void)read_u32(&in);
        type = read_u16(&in);
        (void)read_u16(&in);
        request = read_u64(&in);
        assert_int_equal(wire_decode_any(type, slice_of(in.at, read_left(&in)), &m), MUSTER_OK);
        for (unsigned n = 0; n < 2; n++) {
            struct node *node = &walk->nodes[n];

            if (node != deaf && send->session == walk->link->sessions[node->who])
                node_hear(node, request, type, &m);
        }
    }
    world_next(world);
}

/* ---- what is done ---- */

static void
node_ask(struct walk *walk, const struct node *node, struct asked *asked)
{
    asked->request = link_ask(walk->link, node->who, MSG_TYPE_OBJECT_DO, &asked->m);
}

static void
node_send(struct walk *walk, struct node *node)
{
    struct asked *send = &node->sends[node->send_count];
    size_t        bytes = part_fill(node->end, node->sent, send->bytes);

    if (!node->connected || node->send_count == WALK_SENDS)
        return;
    send->number = node->sent++;
    send->m = (union wire_any){ .object_do = { .object = walk->link->object,
                                               .verb = VERB_PIPE_SEND, .a = node->end,
                                               .b = send->number, .d = bytes,
                                               .wait_ms = UINT32_MAX,
                                               .value = slice_of(send->bytes, bytes) } };
    node->send_count++;
    node_ask(walk, node, send);
}

static void
node_receive(struct walk *walk, struct node *node)
{
    struct asked *ask = &node->asks[node->ask_count];

    if (!node->connected || node->wide || node->ask_count == WALK_ASKS)
        return;
    node->wide = node->ask_count == 0 && walk_random(walk, 2) == 0;
    *ask = (struct asked){ .number = node->asking };
    ask->m = (union wire_any){ .object_do = { .object = walk->link->object,
                                              .verb = VERB_PIPE_RECEIVE, .a = node->end,
                                              .b = ask->number, .c = node->wide ? 100 : 1,
                                              .d = node->received, .wait_ms = UINT32_MAX } };
    node->asking += !node->wide;
    node->ask_count++;
    node_ask(walk, node, ask);
}

static int
asked_compare(const void *a, const void *b)
{
    const struct asked *const *left = a;
    const struct asked *const *right = b;

    return (*left)->request < (*right)->request ? -1 : (*left)->request > (*right)->request;
}

/* A new connection: everything that is not answered is asked again, in order. */
static void
node_back(struct walk *walk, struct node *node)
{
    struct asked *all[WALK_SENDS + WALK_ASKS];
    uint32_t      count = 0;
    uint64_t      highest;

    if (node->connected)
        return;
    assert_true(world_hello(walk->link->world, ROLE_CLIENT, link_users[node->who],
                            walk->link->sessions[node->who], 42) != 0);
    node->connected = true;
    for (uint32_t i = 0; i < node->send_count; i++)
        all[count++] = &node->sends[i];
    for (uint32_t i = 0; i < node->ask_count; i++) {
        if (!node->asks[i].answered)
            all[count++] = &node->asks[i];
    }
    qsort(all, count, sizeof(all[0]), asked_compare);
    highest = walk->link->world->request;
    for (uint32_t i = 0; i < count; i++) {
        walk->link->world->request = all[i]->request - 1;
        node_ask(walk, node, all[i]);
    }
    walk->link->world->request = highest;
}

static void
node_away(struct walk *walk, struct node *node)
{
    if (!node->connected)
        return;
    walk_turn(walk, walk_random(walk, 2) == 0 ? node : NULL);
    core_away(walk->link->world->core, walk->link->world->now_ms,
              walk->link->sessions[node->who]);
    node->connected = false;
}

static void
walk_restart(struct walk *walk)
{
    if (walk->nodes[0].safe > walk->nodes[1].received ||
        walk->nodes[1].safe > walk->nodes[0].received)
        return;
    walk_turn(walk, NULL);
    core_checkpoint(walk->link->world->core, link_store, walk->link);
    if (walk_random(walk, 2) == 0)
        world_restart(walk->link->world);
    else
        link_reload(walk->link);
    walk->nodes[0].connected = false;
    walk->nodes[1].connected = false;
    assert_true(world_hello(walk->link->world, ROLE_CLIENT, link_users[walk->spare],
                            walk->link->sessions[walk->spare], 42) != 0);
}

/* ATTACH or DETACH.  What it answers; code BUSY: the numbers are not known. */
static struct link_told
node_hold(struct walk *walk, unsigned who, unsigned verb, unsigned end, uint64_t taken)
{
    union wire_any m = { .object_do = { .object = walk->link->object, .verb = (uint8_t)verb,
                                        .a = end, .c = taken } };
    uint64_t       request = link_ask(walk->link, who, MSG_TYPE_OBJECT_DO, &m);
    struct link_told told;

    link_turn(walk->link, 0);
    told = link_pull(walk->link, walk->link->sessions[who], request, "hold");
    return told;
}

/* The spare session takes the end over, and its session becomes the spare one. */
static void
node_hand_over(struct walk *walk, struct node *node)
{
    unsigned         before = node->who;
    struct link_told told;

    if (!node->connected || node->ask_count > 0)
        return;
    walk_turn(walk, NULL);
    told = node_hold(walk, walk->spare, VERB_PIPE_ATTACH, node->end, 0);
    if (told.code == MUSTER_ERR_BUSY)
        return;
    assert_int_equal(told.code, MUSTER_OK);
    assert_int_equal(told.b, node->sent);
    assert_in_range(told.c, 1, node->received);
    assert_int_equal(node_hold(walk, before, VERB_PIPE_DETACH, node->end, node->received).code,
                     MUSTER_OK);
    /* Its SENDs are answered, those of the other end that were taken too. */
    for (uint32_t i = 0; i < node->send_count; i++)
        (void)link_pull(walk->link, walk->link->sessions[before], node->sends[i].request, "left");
    for (uint32_t i = 0; i < walk->link->told_count; i++)
        node_hear(&walk->nodes[1 - node->end], walk->link->told[i].request,
                  MSG_TYPE_OBJECT_DONE, &(union wire_any){ 0 });
    walk->link->told_count = 0;
    node->send_count = 0;
    node->safe = node->sent;
    told = node_hold(walk, walk->spare, VERB_PIPE_ATTACH, node->end, 0);
    assert_int_equal(told.b, node->sent);
    assert_int_equal(told.c, node->received);
    node->who = walk->spare;
    walk->spare = before;
}

static void
walk_step(struct walk *walk)
{
    struct node *node = &walk->nodes[walk_random(walk, 2)];

    switch (walk_random(walk, 40)) {
    case 0:
        node_away(walk, node);
        break;
    case 1:
        walk_restart(walk);
        break;
    case 2:
    case 3:
        node_hand_over(walk, node);
        break;
    case 4:
    case 5:
    case 6:
        node_back(walk, node);
        break;
    default:
        if (walk_random(walk, 2) == 0)
            node_send(walk, node);
        else
            node_receive(walk, node);
        break;
    }
    if (walk_random(walk, 3) == 0)
        walk_turn(walk, NULL);
}

/* Everything that was sent arrives, then the end. */
static void
walk_finish(struct walk *walk)
{
    for (unsigned i = 0; i < 2; i++)
        node_back(walk, &walk->nodes[i]);
    for (unsigned i = 0; i < 1000 && (walk->nodes[0].received < walk->nodes[1].sent ||
                                      walk->nodes[1].received < walk->nodes[0].sent); i++) {
        walk_turn(walk, NULL);
        node_receive(walk, &walk->nodes[0]);
        node_receive(walk, &walk->nodes[1]);
    }
    walk_turn(walk, NULL);
    assert_int_equal(walk->nodes[0].received, walk->nodes[1].sent);
    assert_int_equal(walk->nodes[1].received, walk->nodes[0].sent);
    node_receive(walk, &walk->nodes[1]);
    walk_turn(walk, NULL);
    assert_true(walk->nodes[1].ask_count > 0);
    assert_int_equal(node_hold(walk, walk->nodes[0].who, VERB_PIPE_DETACH, 0, 0).code, MUSTER_OK);
    for (uint32_t i = 0; i < walk->nodes[1].ask_count; i++)
        assert_int_equal(link_pull(walk->link, walk->link->sessions[walk->nodes[1].who],
                                   walk->nodes[1].asks[i].request, "end").code, MUSTER_ERR_END);
}

static void
walk_run(uint64_t seed)
{
    struct walk *walk = calloc(1, sizeof(*walk));

    walk->random = seed * 0x9e3779b97f4a7c15u + 1;
    walk->link = link_new(NOUN_PIPE, 1);
    walk->spare = C;
    for (unsigned i = 0; i < 2; i++) {
        walk->nodes[i] = (struct node){ .end = i, .who = i, .sent = 1, .received = 1,
                                        .asking = 1, .connected = true };
        assert_int_equal(node_hold(walk, i, VERB_PIPE_ATTACH, i, 0).code, MUSTER_OK);
    }
    for (unsigned i = 0; i < WALK_STEPS; i++)
        walk_step(walk);
    walk_finish(walk);
    link_free(walk->link);
    free(walk);
}

struct walk_case {
    const char *story;
    uint64_t    seed;
};

static const struct walk_case walk_cases[] = {
    { "walk 1", 1 }, { "walk 2", 2 }, { "walk 3", 3 }, { "walk 4", 4 }, { "walk 5", 5 },
    { "walk 6", 6 }, { "walk 7", 7 }, { "walk 8", 8 },
};

static void
walk_story(void **state)
{
    const struct walk_case *row = *state;

    walk_run(row->seed);
}

/* With an argument: that many seeds more. */
int
main(int argc, char **argv)
{
    uint64_t more = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;

    for (uint64_t seed = 100; seed < 100 + more; seed++)
        walk_run(seed);
    return STORIES("walks along a pipe", walk_cases, walk_story);
}
