/* array.c - shared arrays (see value.h)
 *
 * A slice that is larger than one value may be travels in several requests.
 */
#include "handle.h"

#include <stdlib.h>
#include <string.h>

#include "typed.h"

struct muster_array {
    struct handle handle;
    uint64_t      count;
    size_t        item_bytes;
};

muster_err
muster_array_open(struct muster_session *session, const struct muster_open *open,
                  enum muster_value_type type, uint64_t count, uint32_t timeout_ms,
                  struct muster_array **array_out, struct muster_error *error)
{
    struct muster_array     *array = base_alloc(sizeof(*array));
    struct msg_object_opened opened;
    muster_err               err = typed_check(type, error);

    if (!err)
        err = handle_open(session, NOUN_ARRAY, open, (uint64_t)type, count, slice_of(NULL, 0),
                          timeout_ms, &array->handle, &opened, error);
    if (!err && opened.a != (uint64_t)type) {
        err = error_set(error, MUSTER_ERR_TYPE, "the array %s exists with another type",
                        open != NULL && open->name != NULL ? open->name : "");
        handle_close(&array->handle);
    }
    if (err) {
        free(array);
        return err;
    }
    array->count = opened.b;
    array->item_bytes = type == MUSTER_BYTES ? 1 : sizeof(struct number);
    *array_out = array;
    return MUSTER_OK;
}

void
muster_array_close(struct muster_array *array)
{
    if (array == NULL)
        return;
    handle_close(&array->handle);
    free(array);
}

uint64_t
muster_array_object(const struct muster_array *array)
{
    return array->handle.object;
}

uint64_t
muster_array_len(const struct muster_array *array)
{
    return array->count;
}

static muster_err
array_check(const struct muster_array *array, uint64_t first, uint64_t count,
            struct muster_error *error)
{
    if (first <= array->count && count <= array->count - first)
        return MUSTER_OK;
    return error_set(error, MUSTER_ERR_RANGE,
                     "items %llu to %llu of an array of %llu", (unsigned long long)first,
                     (unsigned long long)(first + count), (unsigned long long)array->count);
}

/* Items that travel at once. */
static uint64_t
array_piece(const struct muster_array *array, uint64_t left)
{
    uint64_t most = VALUE_BYTES_MAX / array->item_bytes;

    return left < most ? left : most;
}

/* Numbers travel little-endian, and are turned on the way where the machine differs. */
static void
array_turn(const struct muster_array *array, uint8_t *items, uint64_t count)
{
    struct number number;
    int64_t       integer;

    if (array->item_bytes == 1 || BYTE_ORDER == LITTLE_ENDIAN)
        return;
    for (uint64_t i = 0; i < count; i++) {
        memcpy(&number, items + i * sizeof(number), sizeof(number));
        integer = number_integer(&number);
        memcpy(items + i * sizeof(number), &integer, sizeof(integer));
    }
}

static muster_err
array_get_piece(struct muster_array *array, uint64_t first, uint64_t count, uint8_t *items_out,
                uint32_t timeout_ms, struct muster_error *error)
{
    const struct msg_object_do m = { .verb = VERB_ARRAY_GET, .a = first, .b = count };
    struct ask                 answer;
    struct slice               bytes;
    muster_err                 err = handle_do(&array->handle, &m, timeout_ms, &answer, error);

    if (err)
        return err;
    bytes = answer.m.object_done.value;
    if (bytes.bytes != count * array->item_bytes)
        err = error_set(error, MUSTER_ERR_INTERNAL, "the manager gave %zu bytes for %llu items",
                        bytes.bytes, (unsigned long long)count);
    else if (bytes.bytes > 0)
        memcpy(items_out, bytes.data, bytes.bytes);
    ask_free(&answer);
    if (!err)
        array_turn(array, items_out, count);
    return err;
}

muster_err
muster_array_get(struct muster_array *array, uint64_t first, uint64_t count, void *items_out,
                 uint32_t timeout_ms, struct muster_error *error)
{
    muster_err err = array_check(array, first, count, error);

    for (uint64_t done = 0, piece; !err && done < count; done += piece) {
        piece = array_piece(array, count - done);
        err = array_get_piece(array, first + done, piece,
                              (uint8_t *)items_out + done * array->item_bytes, timeout_ms, error);
    }
    return err;
}

muster_err
muster_array_set(struct muster_array *array, uint64_t first, uint64_t count, const void *items,
                 uint32_t timeout_ms, struct muster_error *error)
{
    muster_err err = array_check(array, first, count, error);

    for (uint64_t done = 0, piece; !err && done < count; done += piece) {
        struct msg_object_do m = { .verb = VERB_ARRAY_SET, .a = first + done };
        struct buffer        bytes = { 0 };

        piece = array_piece(array, count - done);
        buffer_append(&bytes, (const uint8_t *)items + done * array->item_bytes,
                      piece * array->item_bytes);
        array_turn(array, bytes.data, piece);
        m.value = buffer_slice(&bytes);
        err = handle_do_plain(&array->handle, &m, timeout_ms, error);
        buffer_free(&bytes);
    }
    return err;
}

static muster_err
array_add(struct muster_array *array, uint64_t index, struct number *number, uint32_t timeout_ms,
          struct muster_error *error)
{
    struct msg_object_do m = { .verb = VERB_ARRAY_ADD, .a = index };

    return typed_number(&array->handle, &m, number, timeout_ms, number, error);
}

muster_err
muster_array_add_integer(struct muster_array *array, uint64_t index, int64_t by,
                         uint32_t timeout_ms, int64_t *sum_out, struct muster_error *error)
{
    struct number number = number_of_integer(by);
    muster_err    err = array_add(array, index, &number, timeout_ms, error);

    if (!err && sum_out != NULL)
        *sum_out = number_integer(&number);
    return err;
}

muster_err
muster_array_add_double(struct muster_array *array, uint64_t index, double by, uint32_t timeout_ms,
                        double *sum_out, struct muster_error *error)
{
    struct number number = number_of_double(by);
    muster_err    err = array_add(array, index, &number, timeout_ms, error);

    if (!err && sum_out != NULL)
        *sum_out = number_double(&number);
    return err;
}

muster_err
muster_array_get_lock(struct muster_array *array, uint32_t timeout_ms,
                      struct muster_lock **lock_out, struct muster_error *error)
{
    return typed_lock(&array->handle, VERB_ARRAY_LOCK, timeout_ms, lock_out, error);
}
