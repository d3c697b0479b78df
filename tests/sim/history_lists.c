/* history_lists.c - the model of a list and of an array, both of integers
 *
 * Every change has one first answer, so the model does what was asked in the
 * order of those answers and must always find what they say.
 */
#include "history_model.h"

#include <stdlib.h>

enum { LIST_BATCH_MAX = 8 };

/* ---- indexes, as Python's ---- */

static int64_t
list_index(const struct hist_object *list, uint64_t asked)
{
    int64_t index = (int64_t)asked;

    return index < 0 ? index + list->list.count : index;
}

static bool
list_has(const struct hist_object *list, uint64_t asked)
{
    int64_t index = list_index(list, asked);

    return index >= 0 && index < list->list.count;
}

static uint32_t
list_clamp(const struct hist_object *list, uint64_t asked)
{
    int64_t index = list_index(list, asked);

    return index < 0 ? 0 : index > list->list.count ? list->list.count : (uint32_t)index;
}

/* The first equal item of start .. stop - 1; -1: none. */
static int64_t
list_find(const struct hist_object *list, uint32_t start, uint32_t stop, int64_t item)
{
    for (uint32_t i = start; i < stop; i++)
        if (list->list.items[i] == item)
            return i;
    return -1;
}

/* ---- changes ---- */

/* These in the place of `removed` others. */
static void
list_put(struct hist_object *list, uint32_t at, uint32_t removed, const int64_t *added,
         uint32_t count)
{
    uint32_t tail = list->list.count - at - removed;
    void    *items = list->list.items;

    base_grow(&items, &list->list.capacity, list->list.count + count + 1, sizeof(*added));
    list->list.items = items;
    memmove(&list->list.items[at + count], &list->list.items[at + removed],
            tail * sizeof(*added));
    if (count > 0)
        memcpy(&list->list.items[at], added, count * sizeof(*added));
    list->list.count = at + count + tail;
}

static void
list_reverse(struct hist_object *list)
{
    for (uint32_t i = 0, k = list->list.count; i + 1 < k; i++) {
        int64_t item = list->list.items[i];

        list->list.items[i] = list->list.items[--k];
        list->list.items[k] = item;
    }
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* What it adds: the items of its block, or the one that is its value. */
static uint32_t
list_added(const struct hist_op *op, int64_t added[static LIST_BATCH_MAX])
{
    bool     batch = op->verb == VERB_LIST_EXTEND || op->verb == VERB_LIST_SET_SLICE;
    uint32_t count = (uint32_t)(!batch ? 1 : op->verb == VERB_LIST_EXTEND ? op->a : op->c);

    assert(count <= LIST_BATCH_MAX);
    for (uint32_t i = 0; i < count; i++)
        added[i] = model_number(batch ? wire_block_item(buffer_slice(&op->value), i)
                                      : buffer_slice(&op->value));
    return count;
}

/* Those that put something into it, perhaps for something else. */
static void
list_changed(struct hist_object *list, struct hist_op *op)
{
    uint32_t first = list_clamp(list, op->a);
    uint32_t end = list_clamp(list, op->b);
    uint32_t removed = 0;
    int64_t  added[LIST_BATCH_MAX];
    uint32_t count = list_added(op, added);

    if (op->verb == VERB_LIST_APPEND || op->verb == VERB_LIST_EXTEND)
        first = list->list.count;
    if (op->verb == VERB_LIST_SET)
        removed = 1;
    if (op->verb == VERB_LIST_SET_SLICE)
        removed = end > first ? end - first : 0;
    if (op->verb == VERB_LIST_SET && !list_has(list, op->a))
        model_fail(list, op, "item %lld of %u is set", (long long)op->a, list->list.count);
    op->idle = removed + count == 0;
    list_put(list, first, removed, added, count);
}

/* Those that take something out of it, or put it into another order. */
static void
list_shrunk(struct hist_object *list, struct hist_op *op)
{
    uint32_t first = list_clamp(list, op->a);
    uint32_t removed = 1;

    if (op->verb == VERB_LIST_REMOVE) {
        int64_t at = list_find(list, 0, list->list.count, model_number(buffer_slice(&op->value)));

        if (at < 0)
            model_fail(list, op, "an item is removed that was not there");
        first = (uint32_t)at;
    } else if (op->verb == VERB_LIST_DELETE_SLICE) {
        uint32_t end = list_clamp(list, op->b);

        removed = end > first ? end - first : 0;
    } else if (op->verb == VERB_LIST_CLEAR) {
        first = 0;
        removed = list->list.count;
    } else if (!list_has(list, op->a)) {
        model_fail(list, op, "item %lld of %u is taken", (long long)op->a, list->list.count);
    }
    op->idle = removed == 0;
    list_put(list, first, removed, NULL, 0);
}

static void
list_ordered(struct hist_object *list, struct hist_op *op)
{
    op->idle = list->list.count < 2;
    if (list->list.count > 1 && op->verb == VERB_LIST_SORT)
        qsort(list->list.items, list->list.count, sizeof(*list->list.items), compare);
    if (op->verb == VERB_LIST_REVERSE || op->b == 1)
        list_reverse(list);            /* equal integers cannot be told from each other */
}

/* ---- answers ---- */

static void
list_must_be(const struct hist_object *list, const struct hist_op *op, int64_t found,
             int64_t expected)
{
    if (found != expected)
        model_fail(list, op, "of %u items it is said %lld, not %lld", list->list.count,
                   (long long)found, (long long)expected);
}

static void
list_sliced(const struct hist_object *list, const struct hist_op *op,
            const struct msg_object_done *m)
{
    uint32_t first = list_clamp(list, op->a);
    uint32_t end = list_clamp(list, op->b);

    list_must_be(list, op, (int64_t)m->b, end > first ? end - first : 0);
    for (uint32_t i = 0; i < m->b; i++)
        list_must_be(list, op, model_number(wire_block_item(m->value, i)),
                     list->list.items[first + i]);
}

/* What is read must be what the model has. */
static void
list_read(const struct hist_object *list, const struct hist_op *op,
          const struct msg_object_done *m)
{
    struct slice value = buffer_slice(&op->value);
    int64_t      equal = 0;

    if (op->verb == VERB_LIST_LEN) {
        list_must_be(list, op, (int64_t)m->a, list->list.count);
    } else if (op->verb == VERB_LIST_SLICE) {
        list_sliced(list, op, m);
    } else if (op->verb == VERB_LIST_INDEX) {
        list_must_be(list, op, (int64_t)m->a,
                     list_find(list, list_clamp(list, op->a), list_clamp(list, op->b),
                               model_number(value)));
    } else if (op->verb == VERB_LIST_COUNT) {
        for (uint32_t i = 0; i < list->list.count; i++)
            equal += list->list.items[i] == model_number(value);
        list_must_be(list, op, (int64_t)m->a, equal);
    } else {
        if (!list_has(list, op->a))
            model_fail(list, op, "item %lld of %u is read", (long long)op->a, list->list.count);
        list_must_be(list, op, model_number(m->value),
                     list->list.items[list_index(list, op->a)]);
    }
}

static void
list_done(struct hist_object *list, struct hist_op *op, const struct msg_object_done *m)
{
    switch (op->verb) {
    case VERB_LIST_APPEND:
    case VERB_LIST_EXTEND:
    case VERB_LIST_INSERT:
    case VERB_LIST_SET:
    case VERB_LIST_SET_SLICE:
        list_changed(list, op);
        break;
    case VERB_LIST_POP:
        list_read(list, op, m);
        list_shrunk(list, op);
        break;
    case VERB_LIST_REMOVE:
    case VERB_LIST_DELETE:
    case VERB_LIST_DELETE_SLICE:
    case VERB_LIST_CLEAR:
        list_shrunk(list, op);
        break;
    case VERB_LIST_REVERSE:
    case VERB_LIST_SORT:
        list_ordered(list, op);
        break;
    default:
        list_read(list, op, m);
    }
}

static void
list_refused(struct hist_object *list, struct hist_op *op, muster_err error)
{
    bool    range = op->verb == VERB_LIST_INDEX;
    int64_t item;

    if (error == MUSTER_ERR_RANGE && list_has(list, op->a))
        model_fail(list, op, "item %lld of %u is not found", (long long)op->a, list->list.count);
    if (error != MUSTER_ERR_NO_KEY)
        return;
    item = model_number(buffer_slice(&op->value));
    if (list_find(list, range ? list_clamp(list, op->a) : 0,
                  range ? list_clamp(list, op->b) : list->list.count, item) >= 0)
        model_fail(list, op, "%lld is not found, but it is there", (long long)item);
}

static void
list_made(struct hist_object *list)
{
    list->list.count = 0;
}

static void
list_release(struct hist_object *list)
{
    free(list->list.items);
}

const struct hist_rules hist_list = {
    .made = list_made, .release = list_release, .done = list_done, .refused = list_refused,
};

/* ---- array ---- */

static void
array_must_be(const struct hist_object *object, const struct hist_op *op, uint64_t first,
              struct slice items)
{
    struct reader in = reader_of(items);

    for (uint64_t i = first; read_left(&in) > 0; i++) {
        int64_t found = (int64_t)read_u64(&in);

        if (i >= MODEL_ARRAY_ITEMS || found != object->array[i])
            model_fail(object, op, "item %llu is said to be %lld", (unsigned long long)i,
                       (long long)found);
    }
}

static void
array_exchanged(struct hist_object *object, const struct hist_op *op,
                const struct msg_object_done *m)
{
    struct slice block = buffer_slice(&op->value);
    bool         expected = model_number(wire_block_item(block, 0)) == object->array[op->a];

    if ((m->a == 1) != expected)
        model_fail(object, op, "an update is lost: item %llu was %sexchanged",
                   (unsigned long long)op->a, m->a == 1 ? "" : "not ");
    if (expected)
        object->array[op->a] = model_number(wire_block_item(block, 1));
    array_must_be(object, op, op->a, m->value);
}

static void
array_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    struct reader in = reader_of(buffer_slice(&op->value));
    bool          adds = op->verb == VERB_ARRAY_ADD;

    if (op->a >= MODEL_ARRAY_ITEMS)
        model_fail(object, op, "it has no item %llu", (unsigned long long)op->a);
    if (op->verb == VERB_ARRAY_CAS) {
        array_exchanged(object, op, m);
        return;
    }
    for (uint64_t i = op->a; read_left(&in) > 0 && i < MODEL_ARRAY_ITEMS; i++)
        object->array[i] = (int64_t)read_u64(&in) + (adds ? object->array[i] : 0);
    if (read_left(&in) > 0 || (op->verb == VERB_ARRAY_GET && m->value.bytes != op->b * 8))
        model_fail(object, op, "more is done than was asked for, or less");
    array_must_be(object, op, op->a, m->value);
}

static void
array_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    uint64_t items = op->verb == VERB_ARRAY_GET ? op->b : op->value.bytes / 8;

    if (error == MUSTER_ERR_RANGE && op->a + items <= MODEL_ARRAY_ITEMS)
        model_fail(object, op, "its items %llu to %llu are refused", (unsigned long long)op->a,
                   (unsigned long long)(op->a + items - 1));
}

static void
array_made(struct hist_object *object)
{
    memset(object->array, 0, sizeof(object->array));
}

const struct hist_rules hist_array = {
    .made = array_made, .done = array_done, .refused = array_refused,
};
