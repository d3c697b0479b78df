/* test_list_cells.c - how a shared list is kept: large, full, stored in pieces
 *
 * Method: what is told and what a checkpoint writes; and thousands of changes,
 * beside an array in memory that changes alike, with restarts in between.
 */
#include "data_nouns.h"

#include "list_cells.h"

/* ---- sizes ---- */

static void
large_items_come_one_by_one(void **state)
{
    struct data           *data = data_new();
    uint64_t               list = list_new(data, "", "");
    char                  *large = calloc(1, VALUE_BYTES_MAX + 1);
    struct msg_object_do   m = list_do(list, VERB_LIST_APPEND, 0, 0, "");
    struct msg_object_done done;

    (void)state;
    m.value = slice_of(large, VALUE_BYTES_MAX);
    for (int i = 0; i < 3; i++)
        data_done(data, data->ann, m);
    m.value = slice_of(large, VALUE_BYTES_MAX + 1);
    data_refused(data, data->ann, m, MUSTER_ERR_TOO_LARGE);
    for (uint64_t next = 0; next < 3; next++) {
        done = data_done(data, data->ann,
                         list_do(list, VERB_LIST_SLICE, (int64_t)next, END, ""));
        assert_int_equal(done.b, 1);
        assert_int_equal(done.a, next + 1);
        assert_int_equal(wire_block_check_values(done.value, 1), MUSTER_OK);
    }
    data_reload(data);
    done = data_done(data, data->ann, list_do(list, VERB_LIST_POP, 0, 0, ""));
    assert_int_equal(done.value.bytes, VALUE_BYTES_MAX);
    free(large);
    data_free(data);
}

/* `count` numbered items, in requests of one turn. */
static void
list_fill(struct data *data, uint64_t list, uint32_t count)
{
    for (uint32_t done = 0; done < count;) {
        struct wire_block block = { 0 };
        struct buffer     bytes = { 0 };
        char              item[16];
        union wire_any    m = { .object_do = { .object = list, .verb = VERB_LIST_EXTEND } };

        while (done < count && block.count < BLOCK_ITEMS_MAX) {
            snprintf(item, sizeof(item), "%u", done++);
            assert_true(wire_block_add_value(&block, slice_text(item)));
        }
        wire_block_put(&bytes, &block);
        m.object_do.a = block.count;
        m.object_do.value = buffer_slice(&bytes);
        data_step(data, data->ann, MSG_TYPE_OBJECT_DO, &m);
        assert_int_equal(data_take(data, data->ann).error, MUSTER_OK);
        wire_block_free(&block);
        buffer_free(&bytes);
    }
    data_turn(data);
}

static void
a_list_can_be_full(void **state)
{
    struct data *data = data_new();
    uint64_t     list = list_new(data, "", "");

    (void)state;
    list_fill(data, list, LIST_LENGTH_MAX);
    data_refused(data, data->ann, list_do(list, VERB_LIST_APPEND, 0, 0, "x"), MUSTER_ERR_FULL);
    data_refused(data, data->ann, list_batch(data, list, VERB_LIST_SET_SLICE, 0, 1, "x y"),
                 MUSTER_ERR_FULL);
    data_done(data, data->ann, list_batch(data, list, VERB_LIST_SET_SLICE, 0, 2, "x y"));
    data_free(data);
}

/* Sorting is one step: what would hold up all others is for the client to do. */
static void
a_list_can_be_too_large_to_sort(void **state)
{
    struct data *data = data_new();
    uint64_t     list = list_new(data, "", "");

    (void)state;
    list_fill(data, list, LIST_SORT_ITEMS_MAX);
    data_done(data, data->ann, list_do(list, VERB_LIST_SORT, SORT_DECIMALS, 1, ""));
    data_done(data, data->ann, list_do(list, VERB_LIST_APPEND, 0, 0, "x"));
    data_refused(data, data->ann, list_do(list, VERB_LIST_SORT, SORT_BYTES, 0, ""),
                 MUSTER_ERR_TOO_LARGE);
    data_done(data, data->ann, list_do(list, VERB_LIST_POP, -1, 0, ""));
    data_done(data, data->ann, list_do(list, VERB_LIST_SORT, SORT_BYTES, 0, ""));
    data_free(data);
}

/* A checkpoint writes what changed and little else. */
struct dirt_case {
    const char *story;
    unsigned    verb;
    int64_t     a;
    uint32_t    objects_max;
};

static const struct dirt_case dirt[] = {
    { "append writes one piece", VERB_LIST_APPEND, 0, 12 },
    { "pop of the last writes one piece", VERB_LIST_POP, -1, 12 },
    { "pop of the first writes one piece", VERB_LIST_POP, 0, 12 },
    { "insert at the front writes one piece", VERB_LIST_INSERT, 0, 12 },
    { "set writes one piece", VERB_LIST_SET, 5000, 12 },
    { "insert at a quarter writes a quarter", VERB_LIST_INSERT, 2500,
      2500 / PIECE_CELLS + 12 },
    { "del at three quarters writes a quarter", VERB_LIST_DELETE, 7500,
      2500 / PIECE_CELLS + 12 },
};

static void
checkpoint_writes_pieces(void **state)
{
    const struct dirt_case *row = *state;
    struct data            *data = data_new();
    uint64_t                list = list_new(data, "", "");
    bool                    adds = row->verb != VERB_LIST_POP && row->verb != VERB_LIST_DELETE;

    list_fill(data, list, 10000);
    assert_in_range(data_checkpoint(data), 10000 / PIECE_CELLS, 10000 / PIECE_CELLS + 20);
    data_done(data, data->ann, list_do(list, row->verb, row->a, 0, adds ? "x" : ""));
    assert_in_range(data_checkpoint(data), 1, row->objects_max);
    data_reload(data);
    data_free(data);
}

/* A list that is used as a queue creeps through its places; then it gets new ones. */
static void
places_are_given_anew(void **state)
{
    struct data           *data = data_new();
    uint64_t               list = list_new(data, "", "");
    struct msg_object_done done;
    uint64_t               moved = 0;

    (void)state;
    list_fill(data, list, 10);
    while (moved < LIST_PLACES) {
        union wire_any m = { .object_do = list_do(list, VERB_LIST_DELETE_SLICE, 0, -10, "") };

        for (int i = 0; i < 16; i++)
            list_fill(data, list, 4096);
        data_step(data, data->ann, MSG_TYPE_OBJECT_DO, &m);
        assert_int_equal(data_take(data, data->ann).error, MUSTER_OK);
        data_turn(data);
        data_reload(data);
        moved += 16 * 4096;
    }
    done = data_done(data, data->ann, list_do(list, VERB_LIST_LEN, 0, 0, ""));
    assert_int_equal(done.a, 10);
    done = data_done(data, data->ann, list_do(list, VERB_LIST_GET, -1, 0, ""));
    assert_true(slice_equals_text(done.value, "4095"));
    data_free(data);
}

/* ---- any order ---- */

enum { MODEL_MAX = 400, STEPS = 6000 };

struct model {
    uint32_t items[MODEL_MAX + 64];
    uint32_t count;
    uint64_t seed;
};

static uint32_t
chance(struct model *model, uint32_t below)
{
    return data_random(&model->seed, below);
}

/* Replace items first .. first+removed-1 by `added` ones, in the model and in the list. */
static void
model_replace(struct data *data, struct model *model, uint64_t list, uint32_t first,
              uint32_t removed, uint32_t added, unsigned verb)
{
    struct msg_object_do m;
    char                 words[1024] = "", word[16];
    uint32_t             fresh[64];

    assert_true(added <= 64);
    for (uint32_t i = 0; i < added; i++) {
        fresh[i] = chance(model, 50);
        snprintf(word, sizeof(word), "%s%u", i > 0 ? " " : "", fresh[i]);
        strcat(words, word);
    }
    m = list_do(list, verb, first, (int64_t)first + removed, words);
    if (verb == VERB_LIST_SET_SLICE)
        m = list_batch(data, list, verb, first, (int64_t)first + removed, words);
    else if (verb != VERB_LIST_DELETE_SLICE)
        m.b = 0;
    if (verb == VERB_LIST_APPEND)
        m.a = 0;
    data_done(data, data->ann, m);
    memmove(model->items + first + added, model->items + first + removed,
            (model->count - first - removed) * sizeof(model->items[0]));
    memcpy(model->items + first, fresh, added * sizeof(fresh[0]));
    model->count = model->count - removed + added;
}

static void
model_change(struct data *data, struct model *model, uint64_t list)
{
    uint32_t count = model->count, first = count > 0 ? chance(model, count) : 0;
    uint32_t left = count - first;

    switch (count > 0 ? chance(model, 9) : chance(model, 2)) {
    case 0:
        model_replace(data, model, list, count, 0, 1, VERB_LIST_APPEND);
        break;
    case 1:
        model_replace(data, model, list, first, 0, 1, VERB_LIST_INSERT);
        break;
    case 2:
        model_replace(data, model, list, first, 1, 1, VERB_LIST_SET);
        break;
    case 3:
        model_replace(data, model, list, first, 1, 0, VERB_LIST_DELETE);
        break;
    case 4:
        model_replace(data, model, list, count - 1, 1, 0, VERB_LIST_DELETE);
        break;
    case 5:
        model_replace(data, model, list, 0, 1, 0, VERB_LIST_DELETE);
        break;
    case 6:
        model_replace(data, model, list, first, chance(model, left + 1 < 40 ? left + 1 : 40),
                      0, VERB_LIST_DELETE_SLICE);
        break;
    default:
        model_replace(data, model, list, first, chance(model, left + 1 < 30 ? left + 1 : 30),
                      chance(model, 30), VERB_LIST_SET_SLICE);
    }
}

static int
number_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void
model_reorder(struct data *data, struct model *model, uint64_t list)
{
    if (chance(model, 2) == 0) {
        data_done(data, data->ann, list_do(list, VERB_LIST_SORT, SORT_DECIMALS, 0, ""));
        qsort(model->items, model->count, sizeof(model->items[0]), number_order);
        return;
    }
    data_done(data, data->ann, list_do(list, VERB_LIST_REVERSE, 0, 0, ""));
    for (uint32_t i = 0; i < model->count / 2; i++) {
        uint32_t kept = model->items[i];

        model->items[i] = model->items[model->count - 1 - i];
        model->items[model->count - 1 - i] = kept;
    }
}

static void
model_compare(struct data *data, const struct model *model, uint64_t list)
{
    struct msg_object_done done = data_done(data, data->ann,
                                            list_do(list, VERB_LIST_SLICE, 0, END, ""));
    char                   word[16];

    assert_int_equal(done.b, model->count);
    for (uint32_t i = 0; i < model->count; i++) {
        snprintf(word, sizeof(word), "%u", model->items[i]);
        assert_true(slice_equals_text(wire_block_item(done.value, i), word));
    }
}

static void
as_a_model_does(void **state)
{
    struct data *data = data_new();
    struct model model = { .seed = 20240229 };
    uint64_t     list = list_new(data, "list", "");

    (void)state;
    for (uint32_t step = 1; step <= STEPS; step++) {
        if (step % 97 == 0)
            model_reorder(data, &model, list);
        model_change(data, &model, list);
        if (model.count > MODEL_MAX)
            model_replace(data, &model, list, 0, model.count, 0, VERB_LIST_DELETE_SLICE);
        if (step % 10 == 0)
            model_compare(data, &model, list);
        if (step % 200 == 0)
            data_reload(data);
        else if (step % 1000 == 500)
            data_restart(data);
    }
    model_compare(data, &model, list);
    data_free(data);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_items_come_one_by_one),
        cmocka_unit_test(a_list_can_be_full),
        cmocka_unit_test(a_list_can_be_too_large_to_sort),
        cmocka_unit_test(places_are_given_anew),
        cmocka_unit_test(as_a_model_does),
    };
    int failed = STORIES("checkpoints", dirt, checkpoint_writes_pieces);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
