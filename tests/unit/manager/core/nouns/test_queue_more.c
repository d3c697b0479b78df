/* test_queue_more.c - what a script does not tell of queues
 *
 * Limits; a walk of random commands beside a model that is searched; objects and facts
 * with changed bits; ids that are very far apart; and a million items, of which a
 * checkpoint writes only what was touched.
 */
#include "queue_script.h"

#include "queue_items.h"

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

/* ---- a walk of anything at any time: nothing is expected but that all invariants hold ---- */

enum { WILD_STEPS = 3000 };

/* An id in the hands of this peer, if it has any. */
static uint64_t
wild_held(const struct model *model, uint32_t who, uint64_t otherwise)
{
    const struct queue        *queue = queue_of(object_find(model->scene.world->core,
                                                            model->scene.object));
    const struct queue_holder *holder = map_get(&queue->holders,
                                                model->scene.peers[who].session);

    if (holder == NULL || list_empty(&holder->given) || otherwise % 4 == 0)
        return otherwise;
    return CONTAINER(otherwise % 2 == 0 ? holder->given.next : holder->given.prev,
                     struct queue_item, link)->id;
}

static void
wild_step(struct model *model)
{
    static const struct {
        const char *format;
        uint64_t    below[3];          /* what its numbers are drawn from */
    } rows[] = {
        { "put x +p%llu +w%llu = *", { 3, 50 } },
        { "put x y z +d%llu +t%llu +p%llu = *", { 80, 200, 3 } },
        { "put x +t%llu +w = *", { 100 } },
        { "put long:%llu = *", { 40000 } },
        { "part %llu 0/200000 = *", { 3 } },
        { "part %llu 131072/200000 = *", { 3 } },
        { "putpart %llu = *", { 3 } },
        { "get %llu +w%llu = *", { 4, 60 } },
        { "get %llu +w = *", { 9 } },
        { "get %llu = *", { 20 } },
        { "res %llu +t%llu = *", { 5, 90 } },
        { "res %llu +t%llu +w = *", { 5, 90 } },
        { "ack #%llu #%llu = *", { 60, 60 } },
        { "back #%llu #%llu +d%llu = *", { 60, 60, 50 } },
        { "ext #%llu +t%llu = *", { 60, 90 } },
        { "done %llu = *", { 3 } },
        { "join +w%llu = *", { 50 } },
        { "again %llu = *", { 3 } },
        { "cancel = *", { 0 } },
        { "seen", { 0 } },
        { "away", { 0 } },
        { "home", { 0 } },
        { "close = *", { 0 } },
    };
    size_t   row = draw(model, sizeof(rows) / sizeof(rows[0]));
    uint64_t n[3] = { 0 };
    uint32_t who = (uint32_t)draw(model, PEERS);
    char     command[TEXT_MAX];

    for (uint32_t i = 0; i < 3; i++)
        n[i] = rows[row].below[i] > 0 ? draw(model, rows[row].below[i]) : 0;
    if (strchr(rows[row].format, '#') != NULL) {
        n[0] = wild_held(model, who, n[0]);
        if (rows[row].below[1] == 60)
            n[1] = wild_held(model, who, n[1]);
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(command, sizeof(command), rows[row].format, (unsigned long long)n[0],
             (unsigned long long)n[1], (unsigned long long)n[2]);
#pragma GCC diagnostic pop
    /* Whoever is away says nothing else than that it is back. */
    if (!model->scene.peers[who].connected)
        snprintf(command, sizeof(command), "home");
    else if (strcmp(command, "home") == 0)
        return;
    scene_say(&model->scene, "%c %s", 'A' + (int)who, command);
    if (strcmp(command, "close = *") == 0)
        scene_say(&model->scene, "%c open = *", 'A' + (int)who);
    if (strncmp(command, "get", 3) == 0 && draw(model, 4) > 0)
        scene_say(&model->scene, "%c seen", 'A' + (int)who);
}

static void
walk_wild(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    model->seed = 11;
    scene_begin(&model->scene, "wild walk", 40, false);
    for (uint32_t step = 0; step < WILD_STEPS; step++) {
        uint64_t what = draw(model, 100);
        uint32_t who = (uint32_t)draw(model, PEERS);

        if (what < 80)
            wild_step(model);
        else if (what < 90)
            scene_say(&model->scene, "time %llu", (unsigned long long)draw(model, 40));
        else if (what < 97)
            scene_say(&model->scene, "later %llu", (unsigned long long)draw(model, 40));
        else if (what < 98)
            scene_say(&model->scene, "restart");
        else if (model->scene.peers[who].connected)
            walk_die(model, who);
        for (uint32_t i = 0; i < PEERS; i++)
            model->scene.peers[i].inbox_count = 0;
    }
    assert_true(queue_of(object_find(model->scene.world->core, model->scene.object))->id_last >
                WILD_STEPS / 10);
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
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(uploads_are_limited), cmocka_unit_test(walk),
        cmocka_unit_test(walk_wild),
        cmocka_unit_test(objects_changed),     cmocka_unit_test(facts_changed),
        cmocka_unit_test(pieces_wrap),         cmocka_unit_test(million),
    };

    return cmocka_run_group_tests_name("queues", tests, NULL, NULL);
}
