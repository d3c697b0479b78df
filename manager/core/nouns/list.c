/* list.c - a shared list, as Python's
 *
 * 1. Indexes are signed and count from the end when negative.  An item that is
 *    not there is RANGE; INSERT and slices clamp.
 * 2. Cost: an item by its index, and both ends, O(1); an insertion or deletion
 *    moves 8 bytes per item of the shorter side; REMOVE, INDEX and COUNT look at
 *    all items, SORT at all of them about log2(n) times.  LIST_LENGTH_MAX bounds it.
 * 3. What depends on a search is resolved by decide: the fact of a REMOVE says
 *    which index.
 * 4. All of a request is done or nothing.
 */
#include "list_cells.h"
#include "plant.h"

#include <stdio.h>

enum { WORK_BYTES = 128, SORT_WORK = 16 };      /* compared in one unit; to sort one item */

static const struct cells *
cells_of(const struct object *object)
{
    return object->state;
}

/* ---- indexes ---- */

static bool
index_of(const struct cells *cells, uint64_t asked, uint32_t *index_out)
{
    int64_t index = (int64_t)asked;

    if (index < 0)
        index += cells->count;
    if (index < 0 || index >= cells->count)
        return false;
    *index_out = (uint32_t)index;
    return true;
}

static uint32_t
index_clamped(const struct cells *cells, uint64_t asked)
{
    int64_t index = (int64_t)asked;

    if (index < 0)
        index += PLANT_FROM_END(cells->count);
    if (index < 0)
        return 0;
    return index > cells->count ? cells->count : (uint32_t)index;
}

struct range {
    uint32_t first, count;
};

static struct range
range_of(const struct cells *cells, uint64_t start, uint64_t stop)
{
    uint32_t first = index_clamped(cells, start);
    uint32_t end = index_clamped(cells, stop);

    return (struct range){ first, end > first ? end - first : 0 };
}

/* To compare one item with this value. */
static uint64_t
list_work(struct slice value)
{
    return 1 + value.bytes / WORK_BYTES;
}

/* The first item of first .. end-1 that is equal; UINT32_MAX: none. */
static uint32_t
find(struct core *core, const struct cells *cells, struct range range, const struct act *act)
{
    uint32_t end = range.first + range.count;
    uint32_t at = range.first;

    while (at < end && !cell_equals(*cells_at(cells, at), act->value, act->is_reference))
        at++;
    object_work(core, (at - range.first) * list_work(act->value));
    return at < end ? at : UINT32_MAX;
}

/* ---- refusals ---- */

static void
refuse_range(struct verdict *v, const struct object *object)
{
    verdict_error(v, object, MUSTER_ERR_RANGE, "it has %u items", cells_of(object)->count);
}

static void
refuse_missing(struct verdict *v, const struct object *object)
{
    verdict_error(v, object, MUSTER_ERR_NO_KEY, "no item is equal");
}

static bool
room_for(const struct object *object, uint32_t removed, uint32_t added)
{
    return cells_of(object)->count - removed + added <= LIST_LENGTH_MAX;
}

static void
require_room(const struct object *object, uint32_t removed, uint32_t added, struct verdict *v)
{
    if (!room_for(object, removed, added))
        verdict_error(v, object, MUSTER_ERR_FULL, "a list has at most %u items",
                      (unsigned)LIST_LENGTH_MAX);
}

static void
answer_nothing(struct verdict *v)
{
    v->kind = VERDICT_ANSWER;
}

/* ---- changes ---- */

/* Put one in the place of `removed` others. */
static bool
put_one(struct core *core, struct object *object, uint32_t at, uint32_t removed,
        const struct act *act)
{
    struct cell *cell;

    if (!room_for(object, removed, 1))
        return false;
    cell = cell_make(core, object, act->value, act->is_reference);
    if (cell == NULL)
        return false;
    cells_replace(core, object, at, removed, &cell, 1);
    return true;
}

/* Put a batch in the place of `removed` others.  What comes is made before what
 * goes is freed: it may refer to the same objects. */
static bool
put_batch(struct core *core, struct object *object, struct range range, const struct batch *batch)
{
    struct cell **made;
    uint32_t      count = 0;
    bool          good;

    if (!room_for(object, range.count, batch->count))
        return false;
    made = base_array(batch->count, sizeof(struct cell *));
    while (count < batch->count) {
        made[count] = cell_make(core, object, wire_block_item(batch->block, count),
                                batch_is_reference(batch, count));
        if (made[count] == NULL)
            break;
        count++;
    }
    good = count == batch->count;
    if (good)
        cells_replace(core, object, range.first, range.count, made, count);
    else
        while (count > 0)
            cell_free(core, object, made[--count]);
    free(made);
    return good;
}

static void
take(struct core *core, struct object *object, struct range range)
{
    cells_replace(core, object, range.first, range.count, NULL, 0);
}

/* ---- verbs that add ---- */

static void
decide_append(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    if (cell_allowed(core, object, act, act->value, act->is_reference, v))
        require_room(object, 0, 1, v);
}

static bool
apply_append(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    (void)answer;
    return put_one(core, object, cells_of(object)->count, 0, act);
}

static bool
apply_insert(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    (void)answer;
    return put_one(core, object, index_clamped(cells_of(object), act->a), 0, act);
}

static bool
batch_allowed(struct core *core, struct object *object, const struct act *act, uint64_t count,
              struct batch *batch_out, struct verdict *v)
{
    if (!batch_of(act, count, 1, batch_out)) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "the block does not hold %llu items",
                      (unsigned long long)count);
        return false;
    }
    for (uint32_t i = 0; i < batch_out->count; i++)
        if (!cell_allowed(core, object, act, wire_block_item(batch_out->block, i),
                          batch_is_reference(batch_out, i), v))
            return false;
    return true;
}

static void
decide_extend(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct batch batch;

    if (!batch_allowed(core, object, act, act->a, &batch, v))
        return;
    require_room(object, 0, batch.count, v);
    if (batch.count == 0)
        answer_nothing(v);
}

static bool
apply_extend(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    struct batch batch;

    (void)answer;
    return batch_of(act, act->a, 1, &batch) &&
           put_batch(core, object, (struct range){ cells_of(object)->count, 0 }, &batch);
}

static void
decide_set_slice(struct core *core, struct object *object, const struct act *act,
                 struct verdict *v)
{
    struct range range = range_of(cells_of(object), act->a, act->b);
    struct batch batch;

    if (!batch_allowed(core, object, act, act->c, &batch, v))
        return;
    require_room(object, range.count, batch.count, v);
    if (range.count == 0 && batch.count == 0)
        answer_nothing(v);
}

static bool
apply_set_slice(struct core *core, struct object *object, const struct act *act,
                struct msg_object_done *answer)
{
    struct batch batch;

    (void)answer;
    return batch_of(act, act->c, 1, &batch) &&
           put_batch(core, object, range_of(cells_of(object), act->a, act->b), &batch);
}

static void
decide_set(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint32_t index;

    if (!index_of(cells_of(object), act->a, &index))
        refuse_range(v, object);
    else
        cell_allowed(core, object, act, act->value, act->is_reference, v);
}

static bool
apply_set(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    uint32_t index;

    (void)answer;
    return index_of(cells_of(object), act->a, &index) && put_one(core, object, index, 1, act);
}

/* ---- verbs that take away ---- */

/* POP and DELETE. */
static void
decide_take(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint32_t index;

    (void)core;
    if (!index_of(cells_of(object), act->a, &index))
        refuse_range(v, object);
}

static bool
apply_pop(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    uint32_t           index;
    const struct cell *cell;

    if (!index_of(cells_of(object), act->a, &index))
        return false;
    cell = *cells_at(cells_of(object), index);
    buffer_clear(&core->scratch);
    buffer_append_slice(&core->scratch, cell_slice(cell));
    answer->value = buffer_slice(&core->scratch);
    answer->is_reference = cell->is_reference;
    cell_hand_over(core, cell, act->session);
    take(core, object, (struct range){ index, 1 });
    return true;
}

static bool
apply_delete(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    uint32_t index;

    (void)answer;
    if (!index_of(cells_of(object), act->a, &index))
        return false;
    take(core, object, (struct range){ index, 1 });
    return true;
}

static void
decide_remove(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct cells *cells = cells_of(object);
    uint32_t            index = find(core, cells, (struct range){ 0, cells->count }, act);

    if (index == UINT32_MAX) {
        refuse_missing(v, object);
        return;
    }
    v->fact.a = index;
    v->fact.value = slice_of(NULL, 0);
    v->fact.is_reference = false;
}

static bool
apply_remove(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    answer->a = act->a;
    return apply_delete(core, object, act, answer);
}

static void
decide_delete_slice(struct core *core, struct object *object, const struct act *act,
                    struct verdict *v)
{
    (void)core;
    if (range_of(cells_of(object), act->a, act->b).count == 0)
        answer_nothing(v);
}

static bool
apply_delete_slice(struct core *core, struct object *object, const struct act *act,
                   struct msg_object_done *answer)
{
    (void)answer;
    take(core, object, range_of(cells_of(object), act->a, act->b));
    return true;
}

static void
decide_clear(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    if (cells_of(object)->count == 0)
        answer_nothing(v);
}

static bool
apply_clear(struct core *core, struct object *object, const struct act *act,
            struct msg_object_done *answer)
{
    (void)act, (void)answer;
    take(core, object, (struct range){ 0, cells_of(object)->count });
    return true;
}

/* ---- verbs that exchange ---- */

static void
decide_reverse(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    (void)core, (void)act;
    if (cells_of(object)->count < 2)
        answer_nothing(v);
}

static bool
apply_reverse(struct core *core, struct object *object, const struct act *act,
              struct msg_object_done *answer)
{
    const struct cells *cells = cells_of(object);

    (void)act, (void)answer;
    object_work(core, cells->count);
    for (uint32_t i = 0; i < cells->count / 2; i++) {
        struct cell **a = cells_at(cells, i), **b = cells_at(cells, cells->count - 1 - i);
        struct cell  *kept = *a;

        *a = *b;
        *b = kept;
    }
    cells_dirty(core, object, 0, cells->count);
    return true;
}

static void
decide_sort(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct cells *cells = cells_of(object);
    uint32_t            wrong;

    if (act->a >= SORT_KINDS || act->b > 1) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "no such order");
        return;
    }
    if (cells->count > LIST_SORT_ITEMS_MAX || object->bytes > LIST_SORT_BYTES_MAX) {
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE,
                      "lists of up to %u items and %u bytes are sorted here: read it, sort it, "
                      "and set it as one slice", LIST_SORT_ITEMS_MAX, LIST_SORT_BYTES_MAX);
        return;
    }
    object_work(core, (cells->count + object->bytes / WORK_BYTES) * SORT_WORK);
    wrong = list_sort_check(cells, (enum list_sort)act->a);
    if (wrong != UINT32_MAX)
        verdict_error(v, object, MUSTER_ERR_TYPE, "item %u cannot be sorted so: %s", wrong,
                      (*cells_at(cells, wrong))->is_reference ? "it is a reference"
                                                              : "it is no such number");
    else if (cells->count < 2)
        answer_nothing(v);
}

static bool
apply_sort(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    struct cells *cells = object->state;

    (void)answer;
    if (act->a >= SORT_KINDS || list_sort_check(cells, (enum list_sort)act->a) != UINT32_MAX)
        return false;
    list_sort(cells, (enum list_sort)act->a, act->b != 0);
    cells_dirty(core, object, 0, cells->count);
    return true;
}

/* ---- verbs that read ---- */

static void
decide_get(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint32_t index;

    (void)core;
    if (!index_of(cells_of(object), act->a, &index)) {
        refuse_range(v, object);
        return;
    }
    v->kind = VERDICT_ANSWER;
    cell_answer(*cells_at(cells_of(object), index), &v->answer);
}

static void
decide_index(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint32_t index = find(core, cells_of(object), range_of(cells_of(object), act->a, act->b),
                          act);

    if (index == UINT32_MAX) {
        refuse_missing(v, object);
        return;
    }
    v->kind = VERDICT_ANSWER;
    v->answer.a = index;
}

static void
decide_count(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct cells *cells = cells_of(object);

    object_work(core, cells->count * list_work(act->value));
    v->kind = VERDICT_ANSWER;
    for (uint32_t i = 0; i < cells->count; i++)
        v->answer.a += cell_equals(*cells_at(cells, i), act->value, act->is_reference);
}

static void
decide_slice(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct range      range = range_of(cells_of(object), act->a, act->b);
    struct cell_block block = { 0 };
    uint32_t          count = 0;

    while (count < range.count &&
           cell_block_add(&block, *cells_at(cells_of(object), range.first + count)))
        count++;
    v->kind = VERDICT_ANSWER;
    v->answer.a = range.first + count;
    v->answer.b = count;
    cell_block_answer(core, &block, &v->answer);
}

static void
decide_len(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    v->kind = VERDICT_ANSWER;
    v->answer.a = cells_of(object)->count;
}

/* ---- the table ---- */

enum { USES_ITEM = USES_VALUE | USES_REFERENCE, USES_BATCH = USES_VALUE | USES_KEY };

#define ROW(VERB) [VERB_LIST_##VERB - VERB_LIST_APPEND]
static const struct data_verb rows[] = {
    ROW(APPEND)       = { USES_ITEM, decide_append, apply_append },
    ROW(EXTEND)       = { USES_A | USES_BATCH, decide_extend, apply_extend },
    ROW(INSERT)       = { USES_A | USES_ITEM, decide_append, apply_insert },
    ROW(POP)          = { USES_A, decide_take, apply_pop },
    ROW(REMOVE)       = { USES_ITEM, decide_remove, apply_remove },
    ROW(INDEX)        = { USES_A | USES_B | USES_ITEM, decide_index, NULL },
    ROW(COUNT)        = { USES_ITEM, decide_count, NULL },
    ROW(REVERSE)      = { 0, decide_reverse, apply_reverse },
    ROW(GET)          = { USES_A, decide_get, NULL },
    ROW(SET)          = { USES_A | USES_ITEM, decide_set, apply_set },
    ROW(DELETE)       = { USES_A, decide_take, apply_delete },
    ROW(SLICE)        = { USES_A | USES_B, decide_slice, NULL },
    ROW(SET_SLICE)    = { USES_A | USES_B | USES_C | USES_BATCH, decide_set_slice,
                          apply_set_slice },
    ROW(DELETE_SLICE) = { USES_A | USES_B, decide_delete_slice, apply_delete_slice },
    ROW(LEN)          = { 0, decide_len, NULL },
    ROW(CLEAR)        = { 0, decide_clear, apply_clear },
    ROW(SORT)         = { USES_A | USES_B, decide_sort, apply_sort },
};
static const struct data_verbs verbs = { rows, VERB_LIST_APPEND, sizeof(rows) / sizeof(rows[0]) };

static void
decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    data_decide(&verbs, core, object, act, v);
}

static bool
apply(struct core *core, struct object *object, const struct act *act,
      struct msg_object_done *answer)
{
    return data_apply(&verbs, core, object, act, answer);
}

/* ---- life, people; the store's hooks are in list_cells.c ---- */

static bool
check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    if (m->a == 0 && m->b == 0 && m->value.bytes == 0)
        return true;
    v->error = MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "a list has no settings");
    return false;
}

static void
make(struct core *core, struct object *object, struct slice initial)
{
    (void)core;
    assert(initial.bytes == 0);
    object->state = cells_new();
}

static void
describe(const struct core *core, const struct object *object, struct wire_object *out,
         char text[OBJECT_TEXT_BYTES])
{
    uint32_t count = cells_of(object)->count;

    (void)core;
    out->items = count;
    snprintf(text, OBJECT_TEXT_BYTES, "%u %s", count, count == 1 ? "item" : "items");
}

const struct noun_rules noun_list = {
    .check = check, .make = make, .free = cells_free, .decide = decide, .apply = apply,
    .put = cells_put, .get = cells_get, .put_piece = cells_put_piece,
    .get_piece = cells_get_piece, .next_piece = cells_next_piece, .describe = describe,
    .verify = cells_verify,
};
