/* typed.c - see typed.h */
#include "typed.h"

#include <endian.h>
#include <string.h>

struct number
number_of_integer(int64_t integer)
{
    uint64_t      bits = htole64((uint64_t)integer);
    struct number number;

    memcpy(number.bytes, &bits, sizeof(bits));
    return number;
}

struct number
number_of_double(double value)
{
    int64_t bits;

    static_assert(sizeof(value) == sizeof(bits), "a double has 64 bits");
    memcpy(&bits, &value, sizeof(bits));
    return number_of_integer(bits);
}

int64_t
number_integer(const struct number *number)
{
    uint64_t bits;

    memcpy(&bits, number->bytes, sizeof(bits));
    return (int64_t)le64toh(bits);
}

double
number_double(const struct number *number)
{
    int64_t bits = number_integer(number);
    double  value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

muster_err
typed_check(enum muster_value_type type, struct muster_error *error)
{
    if ((unsigned)type < TYPE_COUNT)
        return MUSTER_OK;
    return error_set(error, MUSTER_ERR_INVALID, "%u is no type of values", (unsigned)type);
}

muster_err
typed_number(struct handle *handle, struct msg_object_do *m, const struct number *in,
             uint32_t timeout_ms, struct number *out, struct muster_error *error)
{
    struct ask   answer;
    struct slice bytes;
    muster_err   err;

    if (in != NULL)
        m->value = slice_of(in->bytes, sizeof(in->bytes));
    err = handle_do(handle, m, timeout_ms, &answer, error);
    if (err)
        return err;
    bytes = answer.m.object_done.value;
    if (out != NULL && bytes.bytes != sizeof(out->bytes))
        err = error_set(error, MUSTER_ERR_TYPE, "it is %zu bytes and no number", bytes.bytes);
    else if (out != NULL)
        memcpy(out->bytes, bytes.data, sizeof(out->bytes));
    ask_free(&answer);
    return err;
}

muster_err
typed_lock(struct handle *handle, uint8_t verb, uint32_t timeout_ms, struct muster_lock **lock_out,
           struct muster_error *error)
{
    const struct msg_object_do m = { .verb = verb };
    struct muster_open         open = { 0 };
    struct ask                 answer;
    muster_err                 err = handle_do(handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    open.object = answer.m.object_done.a;
    ask_free(&answer);
    return muster_rlock_open(handle->session, &open, timeout_ms, lock_out, error);
}
