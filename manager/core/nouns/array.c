/* array.c - a shared array of integers, doubles or bytes
 *
 * 1. Its length never changes.
 * 2. It is kept in pieces of PIECE_BYTES; one that holds nothing but zeros is
 *    not kept at all, in memory or in the store.  So an array costs what was
 *    written to it, and equal contents have equal bytes.
 * 3. ADD and CAS: see value.c.
 */
#include "plant.h"
#include "typed.h"

#include <stdio.h>

enum { PIECE_BYTES = 4096 };

struct array {
    uint64_t  lock;                /* its rlock; 0: never asked for */
    uint32_t  piece_count;
    uint8_t **pieces;              /* NULL: zeros */
};

static_assert((uint64_t)ARRAY_ITEMS_MAX * NUMBER_BYTES / PIECE_BYTES < 1u << 24,
              "the number of a piece must fit");
static_assert(PIECE_BYTES % NUMBER_BYTES == 0, "a number must lie in one piece");

static uint64_t
array_bytes(const struct object *object)
{
    return object->b * typed_item_bytes(object->a);
}

static uint32_t
pieces_of(const struct object *object)
{
    return (uint32_t)((array_bytes(object) + PIECE_BYTES - 1) / PIECE_BYTES);
}

static bool
all_zero(const void *data, size_t bytes)
{
    const uint8_t *at = data;

    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

/* The slice of `count` items from `first` lies in the array. */
static bool
lies_in(const struct object *object, uint64_t first, uint64_t count)
{
    return first <= object->b && count <= object->b - first;
}

/* ---- bytes ---- */

static void
array_read(const struct object *object, uint64_t from, size_t bytes, uint8_t *to)
{
    const struct array *array = object->state;

    while (bytes > 0) {
        const uint8_t *piece = array->pieces[from / PIECE_BYTES];
        size_t         at = from % PIECE_BYTES;
        size_t         now = PIECE_BYTES - at < bytes ? PIECE_BYTES - at : bytes;

        if (piece != NULL)
            memcpy(to, piece + at, now);
        else
            memset(to, 0, now);
        from += now;
        to += now;
        bytes -= now;
    }
}

static void
piece_write(struct core *core, struct object *object, uint32_t number, size_t at,
            struct slice bytes)
{
    struct array *array = object->state;
    uint8_t     **piece = &array->pieces[number];
    bool          zeros = all_zero(bytes.data, bytes.bytes);

    if (*piece == NULL && zeros)
        return;
    if (*piece == NULL) {
        *piece = base_alloc(PIECE_BYTES);
        object_bytes(core, object, PIECE_BYTES);
    }
    memcpy(*piece + at, bytes.data, bytes.bytes);
    if (zeros && PLANT_ALL_ZERO(all_zero(*piece, PIECE_BYTES))) {
        free(*piece);
        *piece = NULL;
        object_bytes(core, object, -PIECE_BYTES);
    }
}

static void
array_write(struct core *core, struct object *object, uint64_t from, struct slice bytes)
{
    while (bytes.bytes > 0) {
        uint32_t number = (uint32_t)(from / PIECE_BYTES);
        size_t   at = from % PIECE_BYTES;
        size_t   now = PIECE_BYTES - at < bytes.bytes ? PIECE_BYTES - at : bytes.bytes;

        piece_write(core, object, number, at, slice_cut(bytes, 0, now));
        object_piece_dirty(core, object, number);
        from += now;
        bytes = slice_cut(bytes, now, bytes.bytes - now);
    }
}

static struct slice
array_answer(struct core *core, const struct object *object, uint64_t from, size_t bytes)
{
    buffer_clear(&core->scratch);
    array_read(object, from, bytes, buffer_extend(&core->scratch, bytes));
    return buffer_slice(&core->scratch);
}

/* ---- life ---- */

static bool
check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    if (m->a < TYPE_COUNT && m->b <= ARRAY_ITEMS_MAX && m->value.bytes == 0)
        return true;
    v->error = m->b > ARRAY_ITEMS_MAX ? MUSTER_ERR_TOO_LARGE : MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "an array has at most %u integers, doubles or bytes, all "
             "zero at first", (unsigned)ARRAY_ITEMS_MAX);
    return false;
}

static void
make(struct core *core, struct object *object, struct slice initial)
{
    struct array *array = base_alloc(sizeof(*array));

    assert(object->a < TYPE_COUNT && object->b <= ARRAY_ITEMS_MAX);
    assert(initial.bytes == 0);
    array->piece_count = pieces_of(object);
    array->pieces = base_array(array->piece_count, sizeof(*array->pieces));
    object->state = array;
    object_bytes(core, object, (int64_t)(array->piece_count * sizeof(*array->pieces)));
}

static void
release(struct core *core, struct object *object)
{
    struct array *array = object->state;

    object_bytes(core, object, -(int64_t)object->bytes);
    for (uint32_t i = 0; i < array->piece_count; i++)
        free(array->pieces[i]);
    if (array->lock != 0)
        object_unrefer(core, array->lock);
    free(array->pieces);
    free(array);
    object->state = NULL;
}

/* ---- verbs ---- */

static void
refuse_range(struct verdict *v, const struct object *object)
{
    verdict_error(v, object, MUSTER_ERR_RANGE, "it has %llu items", (unsigned long long)object->b);
}

static void
decide_get(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    size_t item = typed_item_bytes(object->a);

    if (!lies_in(object, act->a, act->b)) {
        refuse_range(v, object);
    } else if (act->b > VALUE_BYTES_MAX / item) {
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE, "an answer holds at most %u bytes",
                      (unsigned)VALUE_BYTES_MAX);
    } else {
        v->kind = VERDICT_ANSWER;
        v->answer.value = array_answer(core, object, act->a * item, (size_t)act->b * item);
    }
}

/* May these items be written from `first` on? */
static muster_err
items_fit(const struct object *object, uint64_t first, struct slice items)
{
    size_t item = typed_item_bytes(object->a);

    if (items.bytes > VALUE_BYTES_MAX)
        return MUSTER_ERR_TOO_LARGE;
    if (items.bytes % item != 0)
        return MUSTER_ERR_TYPE;
    return lies_in(object, first, items.bytes / item) ? MUSTER_OK : MUSTER_ERR_RANGE;
}

static void
decide_set(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    muster_err err = items_fit(object, act->a, act->value);

    (void)core;
    if (err == MUSTER_ERR_TOO_LARGE)
        verdict_error(v, object, err, "a request holds at most %u bytes",
                      (unsigned)VALUE_BYTES_MAX);
    else if (err == MUSTER_ERR_TYPE)
        typed_refuse(v, object, err);
    else if (err)
        refuse_range(v, object);
    else if (act->value.bytes == 0)
        v->kind = VERDICT_ANSWER;
}

static bool
apply_set(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    (void)answer;
    if (items_fit(object, act->a, act->value) != MUSTER_OK)
        return false;
    array_write(core, object, act->a * typed_item_bytes(object->a), act->value);
    return true;
}

/* The item that ADD or CAS asks for. */
static struct slice
item_now(const struct object *object, uint64_t index, uint8_t item[static NUMBER_BYTES])
{
    size_t bytes = typed_item_bytes(object->a);

    array_read(object, index * bytes, bytes, item);
    return slice_of(item, bytes);
}

static void
decide_add(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint8_t    item[NUMBER_BYTES], sum[NUMBER_BYTES];
    muster_err err;

    (void)core;
    if (!lies_in(object, act->a, 1)) {
        refuse_range(v, object);
        return;
    }
    err = typed_sum(object->a, item_now(object, act->a, item), act->value, sum);
    if (err)
        typed_refuse(v, object, err);
}

static bool
apply_add(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    uint8_t item[NUMBER_BYTES], sum[NUMBER_BYTES];

    if (!lies_in(object, act->a, 1) ||
        typed_sum(object->a, item_now(object, act->a, item), act->value, sum) != MUSTER_OK)
        return false;
    array_write(core, object, act->a * NUMBER_BYTES, slice_of(sum, sizeof(sum)));
    answer->value = array_answer(core, object, act->a * NUMBER_BYTES, NUMBER_BYTES);
    return true;
}

static void
decide_cas(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    size_t       bytes = typed_item_bytes(object->a);
    uint8_t      item[NUMBER_BYTES];
    struct slice expected, next;

    if (!typed_cas(act, &expected, &next)) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "the block does not hold two values");
    } else if (expected.bytes != bytes || next.bytes != bytes) {
        typed_refuse(v, object, MUSTER_ERR_TYPE);
    } else if (!lies_in(object, act->a, 1)) {
        refuse_range(v, object);
    } else if (!slice_equal(expected, item_now(object, act->a, item))) {
        v->kind = VERDICT_ANSWER;
        v->answer.value = array_answer(core, object, act->a * bytes, bytes);
    }
}

static bool
apply_cas(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    size_t       bytes = typed_item_bytes(object->a);
    uint8_t      item[NUMBER_BYTES];
    struct slice expected, next;

    if (!typed_cas(act, &expected, &next) || !lies_in(object, act->a, 1) || next.bytes != bytes ||
        !slice_equal(expected, item_now(object, act->a, item)))
        return false;
    array_write(core, object, act->a * bytes, next);
    answer->a = 1;
    answer->value = array_answer(core, object, act->a * bytes, bytes);
    return true;
}

static void
decide_len(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    v->kind = VERDICT_ANSWER;
    v->answer.a = object->b;
}

static void
decide_lock(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct array *array = object->state;

    typed_lock_decide(core, object, array->lock, act, v);
}

static bool
apply_lock(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    struct array *array = object->state;

    return typed_lock_apply(core, object, &array->lock, act, answer);
}

static const struct data_verb rows[] = {
    [VERB_ARRAY_GET - VERB_ARRAY_GET]  = { USES_A | USES_B, decide_get, NULL },
    [VERB_ARRAY_SET - VERB_ARRAY_GET]  = { USES_A | USES_VALUE, decide_set, apply_set },
    [VERB_ARRAY_ADD - VERB_ARRAY_GET]  = { USES_A | USES_VALUE, decide_add, apply_add },
    [VERB_ARRAY_CAS - VERB_ARRAY_GET]  = { USES_A | USES_VALUE, decide_cas, apply_cas },
    [VERB_ARRAY_LEN - VERB_ARRAY_GET]  = { 0, decide_len, NULL },
    [VERB_ARRAY_LOCK - VERB_ARRAY_GET] = { 0, decide_lock, apply_lock },
};
static const struct data_verbs verbs = { rows, VERB_ARRAY_GET, sizeof(rows) / sizeof(rows[0]) };

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

/* ---- store, people, tests ---- */

static void
put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct array *array = object->state;

    (void)core;
    write_varint(out, array->lock);
}

static bool
get(struct core *core, struct object *object, struct reader *in)
{
    struct array *array = object->state;

    (void)core;
    array->lock = read_varint(in);
    return !in->bad;
}

/* The bytes of a piece, without the zeros at its end. */
static void
put_piece(const struct core *core, const struct object *object, uint32_t number,
          struct buffer *out)
{
    const struct array *array = object->state;
    const uint8_t      *piece = number < array->piece_count ? array->pieces[number] : NULL;
    size_t              bytes = PIECE_BYTES;

    (void)core;
    if (piece == NULL)
        return;
    while (piece[bytes - 1] == 0)
        bytes--;
    buffer_append(out, piece, bytes);
}

static bool
get_piece(struct core *core, struct object *object, uint32_t number, struct reader *in)
{
    const struct array *array = object->state;
    uint64_t            from = (uint64_t)number * PIECE_BYTES;
    struct slice        bytes = read_raw(in, read_left(in));

    if (number >= array->piece_count || array->pieces[number] != NULL || bytes.bytes == 0 ||
        bytes.bytes > PIECE_BYTES || bytes.bytes > array_bytes(object) - from ||
        ((const uint8_t *)bytes.data)[bytes.bytes - 1] == 0)
        return false;
    piece_write(core, object, number, 0, bytes);
    return true;
}

static uint32_t
next_piece(const struct core *core, const struct object *object, uint32_t from)
{
    const struct array *array = object->state;

    (void)core;
    for (uint32_t i = from; i < array->piece_count; i++)
        if (array->pieces[i] != NULL)
            return i;
    return UINT32_MAX;
}

static void
describe(const struct core *core, const struct object *object, struct wire_object *out,
         char text[OBJECT_TEXT_BYTES])
{
    static const char *const names[TYPE_COUNT] = { "integers", "doubles", "bytes" };

    (void)core;
    out->items = object->b;
    snprintf(text, OBJECT_TEXT_BYTES, "%llu %s", (unsigned long long)object->b, names[object->a]);
}

static void
verify(const struct core *core, const struct object *object)
{
    const struct array *array = object->state;
    uint64_t            bytes = array->piece_count * sizeof(*array->pieces);

    (void)core;
    assert(array->piece_count == pieces_of(object));
    for (uint32_t i = 0; i < array->piece_count; i++) {
        assert(array->pieces[i] == NULL || !all_zero(array->pieces[i], PIECE_BYTES));
        bytes += array->pieces[i] != NULL ? PIECE_BYTES : 0;
    }
    assert(object->bytes == bytes);
}

const struct noun_rules noun_array = {
    .check = check, .make = make, .free = release, .decide = decide, .apply = apply, .put = put,
    .get = get, .put_piece = put_piece, .get_piece = get_piece, .next_piece = next_piece,
    .describe = describe, .verify = verify,
};
