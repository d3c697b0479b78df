/* record.c - facts <-> bytes
 *
 * 1. Decoding is strict: shortest varints, known codes, sizes within limits.
 *    Whether a fact fits the state is for apply.c to say.
 */
#include "record.h"

#include <assert.h>

void
record_put_bytes(struct buffer *out, struct slice bytes)
{
    assert(bytes.bytes <= RECORD_BYTES_MAX);
    write_varint(out, bytes.bytes);
    buffer_append_slice(out, bytes);
}

struct slice
record_get_bytes(struct reader *in, size_t bytes_max)
{
    uint64_t bytes = read_varint(in);

    if (bytes > bytes_max) {
        read_fail(in);
        return slice_of(NULL, 0);
    }
    return read_raw(in, (size_t)bytes);
}

#define PUT_NUMBER(name) write_varint(out, it->name);
#define PUT_BYTES(name)  record_put_bytes(out, it->name);
#define RECORD_PUT(NAME, name, code)                                           \
    static void put_##name(struct buffer *out, const struct record_##name *it) \
    {                                                                          \
        RECORD_##NAME(PUT_NUMBER, PUT_BYTES)                                   \
    }
RECORDS(RECORD_PUT)

#define GET_NUMBER(name) it->name = read_varint(in);
#define GET_BYTES(name)  it->name = record_get_bytes(in, RECORD_BYTES_MAX);
#define RECORD_GET(NAME, name, code)                                           \
    static void get_##name(struct reader *in, struct record_##name *it)        \
    {                                                                          \
        RECORD_##NAME(GET_NUMBER, GET_BYTES)                                   \
    }
RECORDS(RECORD_GET)

void
record_put(struct buffer *out, const struct record *record)
{
    assert(record->type > 0 && record->type < RECORD_TYPE_COUNT);
    write_u8(out, (uint8_t)record->type);
    switch (record->type) {
#define RECORD_PUT_CASE(NAME, name, code)   \
    case code:                              \
        put_##name(out, &record->name);     \
        break;
        RECORDS(RECORD_PUT_CASE)
    case RECORD_TYPE_COUNT:
        break;
    }
}

bool
record_get(struct reader *in, struct record *record_out)
{
    struct record record = { .type = read_u8(in) };

    switch (record.type) {
#define RECORD_GET_CASE(NAME, name, code)   \
    case code:                              \
        get_##name(in, &record.name);       \
        break;
        RECORDS(RECORD_GET_CASE)
    case RECORD_TYPE_COUNT:
    default:
        read_fail(in);
        break;
    }
    if (in->bad)
        return false;
    *record_out = record;
    return true;
}
