/* value.c - one shared integer, double or byte string
 *
 * 1. A number has exactly 8 bytes, little-endian; bytes have any length up to
 *    VALUE_BYTES_MAX.
 * 2. ADD and CAS are facts of their own, decided and done in one step: two
 *    sessions that add never lose a sum.  A CAS that does not exchange changes
 *    nothing and is only answered.
 * 3. CAS compares bytes: 0.0 and -0.0 differ, a NaN equals itself.
 */
#include "typed.h"

#include <stdio.h>

struct value {
    uint64_t      lock;            /* its rlock; 0: never asked for */
    struct buffer bytes;
};

static struct slice
value_now(const struct object *object)
{
    const struct value *value = object->state;

    return buffer_slice(&value->bytes);
}

static void
value_put(struct core *core, struct object *object, struct slice bytes)
{
    struct value *value = object->state;

    object_bytes(core, object, (int64_t)bytes.bytes - (int64_t)value->bytes.bytes);
    buffer_clear(&value->bytes);
    buffer_append_slice(&value->bytes, bytes);
}

/* The error of a value that may not be stored. */
static muster_err
value_fits(uint64_t type, struct slice bytes)
{
    if (typed_is_number(type))
        return bytes.bytes == NUMBER_BYTES ? MUSTER_OK : MUSTER_ERR_TYPE;
    return bytes.bytes <= VALUE_BYTES_MAX ? MUSTER_OK : MUSTER_ERR_TOO_LARGE;
}

static void
value_refuse(struct verdict *v, const struct object *object, muster_err error)
{
    if (error == MUSTER_ERR_TOO_LARGE)
        verdict_error(v, object, error, "a value has at most %u bytes", (unsigned)VALUE_BYTES_MAX);
    else
        typed_refuse(v, object, error);
}

static bool
check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    v->error = MUSTER_OK;
    if (m->a >= TYPE_COUNT || m->b != 0) {
        v->error = MUSTER_ERR_INVALID;
        snprintf(v->text, sizeof(v->text), "a value is an integer, a double, or bytes");
    } else if (m->value.bytes > 0 && value_fits(m->a, m->value) != MUSTER_OK) {
        v->error = value_fits(m->a, m->value);
        snprintf(v->text, sizeof(v->text), "the initial value has %zu bytes", m->value.bytes);
    }
    return v->error == MUSTER_OK;
}

static void
make(struct core *core, struct object *object, struct slice initial)
{
    static const uint8_t zero[NUMBER_BYTES];

    assert(object->a < TYPE_COUNT);
    object->state = base_alloc(sizeof(struct value));
    if (initial.bytes == 0 && typed_is_number(object->a))
        initial = slice_of(zero, sizeof(zero));
    value_put(core, object, initial);
}

static void
release(struct core *core, struct object *object)
{
    struct value *value = object->state;

    value_put(core, object, slice_of(NULL, 0));
    if (value->lock != 0)
        object_unrefer(core, value->lock);
    buffer_free(&value->bytes);
    free(value);
    object->state = NULL;
}

/* ---- verbs ---- */

static void
decide_get(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core, (void)act;
    v->kind = VERDICT_ANSWER;
    v->answer.value = value_now(object);
}

static void
decide_set(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    muster_err err = value_fits(object->a, act->value);

    (void)core;
    if (err)
        value_refuse(v, object, err);
}

static bool
apply_set(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    (void)answer;
    if (value_fits(object->a, act->value) != MUSTER_OK)
        return false;
    value_put(core, object, act->value);
    return true;
}

static void
decide_add(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint8_t    sum[NUMBER_BYTES];
    muster_err err = typed_sum(object->a, value_now(object), act->value, sum);

    (void)core;
    if (err)
        value_refuse(v, object, err);
}

static bool
apply_add(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    uint8_t sum[NUMBER_BYTES];

    if (typed_sum(object->a, value_now(object), act->value, sum) != MUSTER_OK)
        return false;
    value_put(core, object, slice_of(sum, sizeof(sum)));
    answer->value = value_now(object);
    return true;
}

static void
decide_cas(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct slice expected, next;
    muster_err   err;

    (void)core;
    if (!typed_cas(act, &expected, &next)) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "the block does not hold two values");
        return;
    }
    err = value_fits(object->a, expected);
    if (!err)
        err = value_fits(object->a, next);
    if (err) {
        value_refuse(v, object, err);
    } else if (!slice_equal(expected, value_now(object))) {
        v->kind = VERDICT_ANSWER;
        v->answer.value = value_now(object);
    }
}

static bool
apply_cas(struct core *core, struct object *object, const struct act *act,
          struct msg_object_done *answer)
{
    struct slice expected, next;

    if (!typed_cas(act, &expected, &next) || !slice_equal(expected, value_now(object)) ||
        value_fits(object->a, next) != MUSTER_OK)
        return false;
    value_put(core, object, next);
    answer->a = 1;
    answer->value = value_now(object);
    return true;
}

static void
decide_lock(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct value *value = object->state;

    typed_lock_decide(core, object, value->lock, act, v);
}

static bool
apply_lock(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    struct value *value = object->state;

    return typed_lock_apply(core, object, &value->lock, act, answer);
}

static const struct data_verb rows[] = {
    [VERB_VALUE_GET - VERB_VALUE_GET]  = { 0, decide_get, NULL },
    [VERB_VALUE_SET - VERB_VALUE_GET]  = { USES_VALUE, decide_set, apply_set },
    [VERB_VALUE_ADD - VERB_VALUE_GET]  = { USES_VALUE, decide_add, apply_add },
    [VERB_VALUE_CAS - VERB_VALUE_GET]  = { USES_VALUE, decide_cas, apply_cas },
    [VERB_VALUE_LOCK - VERB_VALUE_GET] = { 0, decide_lock, apply_lock },
};
static const struct data_verbs verbs = { rows, VERB_VALUE_GET, sizeof(rows) / sizeof(rows[0]) };

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
    const struct value *value = object->state;

    (void)core;
    write_varint(out, value->lock);
    record_put_bytes(out, value_now(object));
}

static bool
get(struct core *core, struct object *object, struct reader *in)
{
    struct value *value;
    uint64_t      lock = read_varint(in);
    struct slice  bytes = record_get_bytes(in, VALUE_BYTES_MAX);

    if (in->bad || object->a >= TYPE_COUNT || value_fits(object->a, bytes) != MUSTER_OK)
        return false;
    value = object->state;
    value->lock = lock;
    value_put(core, object, bytes);
    return true;
}

static void
describe(const struct core *core, const struct object *object, struct wire_object *out,
         char text[OBJECT_TEXT_BYTES])
{
    (void)core;
    out->items = 1;
    if (typed_is_number(object->a))
        typed_text(object->a, value_now(object), text);
    else
        snprintf(text, OBJECT_TEXT_BYTES, "%zu bytes", value_now(object).bytes);
}

static void
verify(const struct core *core, const struct object *object)
{
    (void)core;
    assert(object->a < TYPE_COUNT);
    assert(value_fits(object->a, value_now(object)) == MUSTER_OK);
    assert(object->bytes == value_now(object).bytes);
}

const struct noun_rules noun_value = {
    .check = check, .make = make, .free = release, .decide = decide, .apply = apply, .put = put,
    .get = get, .describe = describe, .verify = verify,
};
