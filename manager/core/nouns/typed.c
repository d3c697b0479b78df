/* typed.c - see typed.h */
#include "typed.h"

#include <stdio.h>

bool
typed_is_number(uint64_t type)
{
    return type == TYPE_INTEGER || type == TYPE_DOUBLE;
}

size_t
typed_item_bytes(uint64_t type)
{
    assert(type < TYPE_COUNT);
    return typed_is_number(type) ? NUMBER_BYTES : 1;
}

static int64_t
integer_of(struct slice bytes)
{
    struct reader in = reader_of(bytes);

    return read_i64(&in);
}

static double
double_of(struct slice bytes)
{
    struct reader in = reader_of(bytes);
    uint64_t      bits = read_u64(&in);
    double        number;

    memcpy(&number, &bits, sizeof(number));
    return number;
}

static void
number_put(uint64_t bits, uint8_t out[static NUMBER_BYTES])
{
    bits = htole64(bits);
    memcpy(out, &bits, sizeof(bits));
}

muster_err
typed_sum(uint64_t type, struct slice now, struct slice by, uint8_t sum_out[static NUMBER_BYTES])
{
    if (!typed_is_number(type) || by.bytes != NUMBER_BYTES)
        return MUSTER_ERR_TYPE;
    assert(now.bytes == NUMBER_BYTES);
    if (type == TYPE_INTEGER) {
        int64_t sum;

        if (__builtin_add_overflow(integer_of(now), integer_of(by), &sum))
            return MUSTER_ERR_RANGE;
        number_put((uint64_t)sum, sum_out);
    } else {
        double   sum = double_of(now) + double_of(by);
        uint64_t bits;

        memcpy(&bits, &sum, sizeof(bits));
        number_put(bits, sum_out);
    }
    return MUSTER_OK;
}

void
typed_refuse(struct verdict *v, const struct object *object, muster_err error)
{
    static const char *const names[TYPE_COUNT] = { "integers", "doubles", "bytes" };

    if (error == MUSTER_ERR_TYPE)
        verdict_error(v, object, error, "it holds %s%s", names[object->a],
                      typed_is_number(object->a) ? " of 8 bytes" : "");
    else
        verdict_error(v, object, error, "the sum does not fit 64 bits");
}

void
typed_text(uint64_t type, struct slice value, char text[OBJECT_TEXT_BYTES])
{
    text[0] = 0;
    if (type == TYPE_INTEGER)
        snprintf(text, OBJECT_TEXT_BYTES, "%lld", (long long)integer_of(value));
    else if (type == TYPE_DOUBLE)
        snprintf(text, OBJECT_TEXT_BYTES, "%.17g", double_of(value));
}

bool
typed_cas(const struct act *act, struct slice *expected_out, struct slice *value_out)
{
    if (wire_block_check_values(act->value, 2) != MUSTER_OK)
        return false;
    *expected_out = wire_block_item(act->value, 0);
    *value_out = wire_block_item(act->value, 1);
    return true;
}

void
typed_lock_decide(const struct core *core, const struct object *object, uint64_t lock,
                  const struct act *act, struct verdict *v)
{
    const struct object *made = lock != 0 ? object_find(core, lock) : NULL;

    if (object->transient) {
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "it is transient and has no lock of its own; open a named one");
    } else if (made == NULL) {
        may_make(core, object, v);
    } else if (object_tied(core, act->session, made)) {
        v->kind = VERDICT_ANSWER;
        v->answer.a = lock;
    }
}

bool
typed_lock_apply(struct core *core, struct object *object, uint64_t *lock, const struct act *act,
                 struct msg_object_done *answer)
{
    struct object *made = *lock != 0 ? object_find(core, *lock) : NULL;

    if (object->transient)
        return false;
    if (made == NULL) {        /* never asked for, or deleted */
        made = object_make(core, NOUN_RLOCK, object->owner, false, 0, 0);
        object_refer(core, made);
        *lock = made->id;
    }
    object_tie(core, made, act->session);
    answer->a = made->id;
    return true;
}
