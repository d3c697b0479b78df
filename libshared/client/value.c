/* value.c - one shared value (see value.h) */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

#include "typed.h"

static_assert((int)MUSTER_BYTES + 1 == (int)TYPE_COUNT, "public types are those that travel");

struct muster_value {
    struct handle handle;
};

muster_err
muster_value_open(struct muster_session *session, const struct muster_open *open,
                  enum muster_value_type type, const void *initial, size_t bytes,
                  uint32_t timeout_ms, struct muster_value **value_out,
                  struct muster_error *error)
{
    struct muster_value     *value = base_alloc(sizeof(*value));
    struct msg_object_opened opened;
    muster_err               err = typed_check(type, error);

    if (!err)
        err = handle_open(session, NOUN_VALUE, open, (uint64_t)type, 0, slice_of(initial, bytes),
                          timeout_ms, &value->handle, &opened, error);
    if (!err && opened.a != (uint64_t)type) {
        err = error_set(error, MUSTER_ERR_TYPE, "the value %s exists with another type",
                        open != NULL && open->name != NULL ? open->name : "");
        handle_close(&value->handle);
    }
    if (err) {
        free(value);
        return err;
    }
    *value_out = value;
    return MUSTER_OK;
}

void
muster_value_close(struct muster_value *value)
{
    if (value == NULL)
        return;
    handle_close(&value->handle);
    free(value);
}

uint64_t
muster_value_object(const struct muster_value *value)
{
    return value->handle.object;
}

/* ---- numbers ---- */

static muster_err
value_number(struct muster_value *value, uint8_t verb, const struct number *in,
             uint32_t timeout_ms, struct number *out, struct muster_error *error)
{
    struct msg_object_do m = { .verb = verb };

    return typed_number(&value->handle, &m, in, timeout_ms, out, error);
}

muster_err
muster_value_get_integer(struct muster_value *value, uint32_t timeout_ms, int64_t *integer_out,
                         struct muster_error *error)
{
    struct number number;
    muster_err    err = value_number(value, VERB_VALUE_GET, NULL, timeout_ms, &number, error);

    if (!err)
        *integer_out = number_integer(&number);
    return err;
}

muster_err
muster_value_set_integer(struct muster_value *value, int64_t integer, uint32_t timeout_ms,
                         struct muster_error *error)
{
    struct number number = number_of_integer(integer);

    return value_number(value, VERB_VALUE_SET, &number, timeout_ms, NULL, error);
}

muster_err
muster_value_add_integer(struct muster_value *value, int64_t by, uint32_t timeout_ms,
                         int64_t *sum_out, struct muster_error *error)
{
    struct number number = number_of_integer(by);
    muster_err    err = value_number(value, VERB_VALUE_ADD, &number, timeout_ms, &number, error);

    if (!err && sum_out != NULL)
        *sum_out = number_integer(&number);
    return err;
}

muster_err
muster_value_get_double(struct muster_value *value, uint32_t timeout_ms, double *number_out,
                        struct muster_error *error)
{
    struct number number;
    muster_err    err = value_number(value, VERB_VALUE_GET, NULL, timeout_ms, &number, error);

    if (!err)
        *number_out = number_double(&number);
    return err;
}

muster_err
muster_value_set_double(struct muster_value *value, double number, uint32_t timeout_ms,
                        struct muster_error *error)
{
    struct number in = number_of_double(number);

    return value_number(value, VERB_VALUE_SET, &in, timeout_ms, NULL, error);
}

muster_err
muster_value_add_double(struct muster_value *value, double by, uint32_t timeout_ms,
                        double *sum_out, struct muster_error *error)
{
    struct number number = number_of_double(by);
    muster_err    err = value_number(value, VERB_VALUE_ADD, &number, timeout_ms, &number, error);

    if (!err && sum_out != NULL)
        *sum_out = number_double(&number);
    return err;
}

/* ---- of any type ---- */

muster_err
muster_value_get(struct muster_value *value, uint32_t timeout_ms, struct muster_bytes *bytes_out,
                 struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_VALUE_GET };

    return handle_do_bytes(&value->handle, &m, timeout_ms, bytes_out, error);
}

muster_err
muster_value_set(struct muster_value *value, const void *data, size_t bytes, uint32_t timeout_ms,
                 struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_VALUE_SET, .value = slice_of(data, bytes) };

    return handle_do_plain(&value->handle, &m, timeout_ms, error);
}

muster_err
muster_value_compare_and_set(struct muster_value *value, const void *expected,
                             size_t expected_bytes, const void *data, size_t bytes,
                             uint32_t timeout_ms, bool *exchanged_out,
                             struct muster_bytes *now_out, struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_VALUE_CAS };
    struct slice         both[2] = { slice_of(expected, expected_bytes), slice_of(data, bytes) };
    struct buffer        block = { 0 };
    struct ask           answer;
    muster_err           err = block_of(both, 2, &block, error);

    m.value = buffer_slice(&block);
    if (!err)
        err = handle_do(&value->handle, &m, timeout_ms, &answer, error);
    buffer_free(&block);
    if (err)
        return err;
    *exchanged_out = answer.m.object_done.a == 1;
    if (now_out != NULL)
        bytes_of_answer(&answer.m.object_done, now_out);
    ask_free(&answer);
    return MUSTER_OK;
}

muster_err
muster_value_get_lock(struct muster_value *value, uint32_t timeout_ms,
                      struct muster_lock **lock_out, struct muster_error *error)
{
    return typed_lock(&value->handle, VERB_VALUE_LOCK, timeout_ms, lock_out, error);
}
