/* test_dict_entries.c - how a shared dict is kept: found by hash, stored in pieces
 *
 * Method: what a checkpoint writes; keys and piece numbers that collide; and
 * thousands of changes, beside arrays in memory that change alike, with restarts
 * in between.
 */
#include "data_nouns.h"

#include "dict_entries.h"

/* Two pairs of keys of the same hash. */
static void
keys_of_one_hash(void **state)
{
    static const char *const keys[4] = { "7mohtcOFVz", "c1E51sSEyx", "6a5x-VbtXk", "f_2k7GG-4v" };
    static const int         order[4] = { 0, 3, 2, 1 };   /* the older of a pair, the younger */
    struct data             *data = data_new();
    uint64_t                 dict = dict_new_of(data, "", "");

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_true(map_hash(slice_text(keys[i])) == map_hash(slice_text(keys[i ^ 1])));
        data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, keys[i], keys[i]));
    }
    for (int i = 0; i < 4; i++) {
        data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, keys[order[i]], ""));
        for (int j = 0; j < 4; j++) {
            struct told told = data_do(data, data->ann,
                                       dict_do(dict, VERB_DICT_GET, keys[order[j]], ""));

            assert_int_equal(told.error, j <= i ? MUSTER_ERR_NO_KEY : MUSTER_OK);
            assert_true(slice_equals_text(told.done.value, j <= i ? "" : keys[order[j]]));
        }
        data_reload(data);
    }
    assert_string_equal(dict_words(data, dict), "");
    data_free(data);
}

/* ---- any order ---- */

enum { MODEL_KEYS = 600, STEPS = 6000 };

struct model {
    uint32_t keys[MODEL_KEYS];     /* in order */
    uint32_t values[MODEL_KEYS];
    uint32_t count;
    uint64_t seed;
};

static uint32_t
chance(struct model *model, uint32_t below)
{
    return data_random(&model->seed, below);
}

static uint32_t
model_find(const struct model *model, uint32_t key)
{
    uint32_t at = 0;

    while (at < model->count && model->keys[at] != key)
        at++;
    return at;
}

static void
model_set(struct model *model, uint32_t key, uint32_t value)
{
    uint32_t at = model_find(model, key);

    model->keys[at] = key;
    model->values[at] = value;
    model->count += at == model->count;
}

static void
model_delete(struct model *model, uint32_t at)
{
    model->count--;
    memmove(model->keys + at, model->keys + at + 1, (model->count - at) * sizeof(uint32_t));
    memmove(model->values + at, model->values + at + 1, (model->count - at) * sizeof(uint32_t));
}

static void
change_one(struct data *data, struct model *model, uint64_t dict)
{
    uint32_t    key = chance(model, MODEL_KEYS), value = chance(model, 1000000);
    uint32_t    at = model_find(model, key);
    bool        there = at < model->count;
    char        key_text[16], value_text[16], was[16] = "";
    struct told told;

    snprintf(key_text, sizeof(key_text), "k%u", key);
    snprintf(value_text, sizeof(value_text), "%u", value);
    if (there)
        snprintf(was, sizeof(was), "%u", model->values[at]);
    switch (chance(model, 4)) {
    case 0:
        data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, key_text, value_text));
        model_set(model, key, value);
        break;
    case 1:
        told = data_do(data, data->ann,
                       dict_do(dict, VERB_DICT_SETDEFAULT, key_text, value_text));
        assert_int_equal(told.done.a, there);
        assert_true(slice_equals_text(told.done.value, there ? was : value_text));
        if (!there)
            model_set(model, key, value);
        break;
    default:
        told = data_do(data, data->ann, dict_do(dict, VERB_DICT_POP, key_text, ""));
        assert_int_equal(told.error, there ? MUSTER_OK : MUSTER_ERR_NO_KEY);
        assert_true(slice_equals_text(told.done.value, was));
        if (there)
            model_delete(model, at);
    }
}

static void
change_many(struct data *data, struct model *model, uint64_t dict)
{
    char     words[4096] = "";
    size_t   used = 0;
    uint32_t count = 1 + chance(model, 60);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = chance(model, MODEL_KEYS), value = chance(model, 1000000);

        used += (size_t)snprintf(words + used, sizeof(words) - used, "k%u %u ", key, value);
        model_set(model, key, value);
    }
    data_done(data, data->ann, dict_update(data, dict, words));
}

static void
model_compare(struct data *data, const struct model *model, uint64_t dict)
{
    struct msg_object_do   m = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct msg_object_done done;
    char                   text[16];

    m.b = BOTH;
    done = data_done(data, data->ann, m);
    assert_int_equal(done.b, model->count);
    for (uint32_t i = 0; i < model->count; i++) {
        snprintf(text, sizeof(text), "k%u", model->keys[i]);
        assert_true(slice_equals_text(wire_block_item(done.value, 2 * i), text));
        snprintf(text, sizeof(text), "%u", model->values[i]);
        assert_true(slice_equals_text(wire_block_item(done.value, 2 * i + 1), text));
    }
}

static void
as_a_model_does(void **state)
{
    struct data *data = data_new();
    struct model model = { .seed = 20240301 };
    uint64_t     dict = dict_new_of(data, "dict", "");

    (void)state;
    for (uint32_t step = 1; step <= STEPS; step++) {
        if (chance(&model, 30) == 0)
            change_many(data, &model, dict);
        else
            change_one(data, &model, dict);
        if (chance(&model, 1000) == 0) {
            data_done(data, data->ann, dict_do(dict, VERB_DICT_CLEAR, "", ""));
            model.count = 0;
        }
        if (step % 20 == 0)
            model_compare(data, &model, dict);
        if (step % 200 == 0)
            data_reload(data);
        else if (step % 1000 == 500)
            data_restart(data);
    }
    model_compare(data, &model, dict);
    data_free(data);
}

/* ---- pieces whose numbers are used again ---- */

/* The same dict after so many insertions more: its head in the store ends with the
 * last sequence number. */
static void
age(struct data *data, uint64_t dict, uint64_t last, uint64_t by)
{
    uint32_t       place = 0;
    struct buffer *head;
    struct buffer  before = { 0 };

    while (place < data->stored_count &&
           (data->stored[place].kind < 8 || data->stored[place].id != dict))
        place++;
    assert_true(place < data->stored_count);
    head = &data->stored[place].bytes;
    write_varint(&before, last);
    head->bytes -= before.bytes;
    assert_memory_equal(head->data + head->bytes, before.data, before.bytes);
    write_varint(head, last + by);
    buffer_free(&before);
}

/* A core from what is stored, without the mirror, which knows nothing of the age. */
static void
core_from_store(struct data *data)
{
    struct world  *world = data->world;
    struct core   *core = core_new(&world->config);
    union wire_any m;

    for (uint32_t i = 0; i < data->stored_count; i++)
        assert_int_equal(core_load(core, data->stored[i].kind, data->stored[i].id,
                                   buffer_slice(&data->stored[i].bytes)), MUSTER_OK);
    assert_int_equal(core_replay(core, slice_of(NULL, 0)), MUSTER_OK);
    core_free(world->core);
    world->core = core;
    effects_clear(&world->fx);
    world->sends_read = 0;
    core_start(core, world->now_ms, world_unix(world), &world->fx);
    core_turn(core, world->now_ms, world_unix(world), &world->fx);
    assert_true(world_hello(world, ROLE_CLIENT, "ann", data->ann, DATA_SECRET) == data->ann);
    world_expect(world, WELCOME, &m);
}

static struct told
step_alone(struct data *data, struct msg_object_do m)
{
    data_step(data, data->ann, MSG_TYPE_OBJECT_DO, &(union wire_any){ .object_do = m });
    return data_take(data, data->ann);
}

/* Entries first .. count-1 are old, two new ones come after 2^32 insertions. */
struct lap_case {
    const char *story;
    uint32_t    first, count;
    uint64_t    by;
};

static const struct lap_case laps[] = {
    { "old and new entries share a piece", 0, 10, (uint64_t)1 << 32 },
    { "pieces of new entries come before those of old ones", 300, 700,
      ((uint64_t)1 << 32) - 700 },
    { "a piece of new entries stands between old ones", 0, 700, ((uint64_t)1 << 32) - 300 },
};

static void
piece_numbers_come_again(void **state)
{
    const struct lap_case *row = *state;
    struct data           *data = data_new();
    uint64_t               dict = dict_new_of(data, "dict", "");
    struct msg_object_do   items = dict_do(dict, VERB_DICT_ITEMS, "", "");
    struct told            told;
    char                   words[10000] = "", key[16];
    size_t                 used = 0;

    for (uint32_t i = 0; i < row->count; i++)
        used += (size_t)snprintf(words + used, sizeof(words) - used, "k%u x ", i);
    data_done(data, data->ann, dict_update(data, dict, words));
    for (uint32_t i = 0; i < row->first; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, key, ""));
    }
    data_checkpoint(data);
    age(data, dict, row->count, row->by);
    core_from_store(data);
    assert_int_equal(step_alone(data, dict_do(dict, VERB_DICT_SET, "new", "1")).error, MUSTER_OK);
    assert_int_equal(step_alone(data, dict_do(dict, VERB_DICT_SET, "newer", "2")).error,
                     MUSTER_OK);
    data_checkpoint(data);
    core_from_store(data);
    items.b = KEYS;
    told = step_alone(data, items);
    assert_int_equal(told.done.b, row->count - row->first + 2);
    for (uint32_t i = 0; i < told.done.b; i++) {
        snprintf(key, sizeof(key), "k%u", row->first + i);
        if (row->first + i >= row->count)
            snprintf(key, sizeof(key), row->first + i == row->count ? "new" : "newer");
        assert_true(slice_equals_text(wire_block_item(told.done.value, i), key));
    }
    core_check(data->world->core);
    data_free(data);
}

/* A checkpoint writes what changed and little else. */
static void
checkpoint_writes_pieces(void **state)
{
    struct data *data = data_new();
    uint64_t     dict = dict_new_of(data, "dict", "");
    char         words[40000];

    (void)state;
    for (int part = 0; part < 5; part++) {
        size_t used = 0;

        for (int i = 0; i < 2000; i++)
            used += (size_t)snprintf(words + used, sizeof(words) - used, "%d x ",
                                     part * 2000 + i);
        data_done(data, data->ann, dict_update(data, dict, words));
    }
    assert_in_range(data_checkpoint(data), 10000 / PIECE_ENTRIES, 10000 / PIECE_ENTRIES + 16);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "5000", "y"));
    assert_in_range(data_checkpoint(data), 1, 8);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_DELETE, "10", ""));
    data_done(data, data->ann, dict_do(dict, VERB_DICT_SET, "new", "y"));
    assert_in_range(data_checkpoint(data), 1, 10);
    data_reload(data);
    data_done(data, data->ann, dict_do(dict, VERB_DICT_CLEAR, "", ""));
    data_checkpoint(data);
    assert_in_range(data->stored_count, 1, 12);
    data_free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_one_hash),
        cmocka_unit_test(as_a_model_does),
        cmocka_unit_test(checkpoint_writes_pieces),
    };
    int failed = STORIES("pieces", laps, piece_numbers_come_again);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
