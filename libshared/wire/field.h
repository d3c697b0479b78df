/* field.h - one field of messages.def: read, check, append (private to wire)
 *
 * 1. A reader that met a value over its limit is bad, and stays bad.
 * 2. Appending asserts the same limits: a struct that breaks them is a defect
 *    of its maker, and must not travel to be refused somewhere else.
 */
#ifndef WIRE_FIELD_H
#define WIRE_FIELD_H

#include <assert.h>

#include "wire.h"

static inline bool
field_fits(uint64_t value, uint64_t limit)
{
    return limit == 0 || value <= limit;
}

#define FIELD_UNSIGNED(kind, type)                                             \
    static inline type field_get_##kind(struct reader *in, uint64_t limit)     \
    {                                                                          \
        type value = read_##kind(in);                                          \
                                                                               \
        if (!field_fits(value, limit))                                         \
            read_fail(in);                                                     \
        return value;                                                          \
    }                                                                          \
    static inline void field_put_##kind(struct buffer *out, type value,        \
                                        uint64_t limit)                        \
    {                                                                          \
        assert(field_fits(value, limit));                                      \
        write_##kind(out, value);                                              \
    }

FIELD_UNSIGNED(u8, uint8_t)
FIELD_UNSIGNED(u16, uint16_t)
FIELD_UNSIGNED(u32, uint32_t)
FIELD_UNSIGNED(u64, uint64_t)
#undef FIELD_UNSIGNED

/* The limit of a signed field holds on both sides of zero. */
static inline bool
field_fits_i32(int32_t value, int32_t limit)
{
    return limit == 0 || (value <= limit && value >= -limit);
}

static inline int32_t
field_get_i32(struct reader *in, int32_t limit)
{
    int32_t value = read_i32(in);

    if (!field_fits_i32(value, limit))
        read_fail(in);
    return value;
}

static inline void
field_put_i32(struct buffer *out, int32_t value, int32_t limit)
{
    assert(field_fits_i32(value, limit));
    write_i32(out, value);
}

static inline uint8_t
field_get_choice(struct reader *in, uint8_t count)
{
    uint8_t value = read_u8(in);

    if (value >= count)
        read_fail(in);
    return value;
}

static inline void
field_put_choice(struct buffer *out, uint8_t value, uint8_t count)
{
    assert(value < count);
    write_u8(out, value);
}

static inline struct slice
field_get_text(struct reader *in, size_t bytes_max)
{
    return read_text(in, bytes_max);
}

static inline struct slice
field_get_bytes(struct reader *in, size_t bytes_max)
{
    return read_bytes(in, bytes_max);
}

static inline void
field_put_bytes(struct buffer *out, struct slice bytes, size_t bytes_max)
{
    assert(bytes.bytes <= bytes_max);
    write_bytes(out, bytes);
}

static inline void
field_put_text(struct buffer *out, struct slice text, size_t bytes_max)
{
    field_put_bytes(out, text, bytes_max);
}

/* The head of a list; its items follow and fill `bytes` exactly. */
static inline void
field_put_list(struct buffer *out, const struct wire_list *list, uint32_t count_max)
{
    assert(list->count <= count_max);
    write_u32(out, list->count);
    write_bytes(out, list->bytes);
}

/* field_get_list_<item>: a list, every item of it checked. */
#define FIELD_GET_LIST(NAME, name)                                             \
    struct wire_list field_get_list_##name(struct reader *in, uint32_t count_max);
WIRE_ITEMS(FIELD_GET_LIST)
#undef FIELD_GET_LIST

/* What messages.def expands to, with a struct `it` in scope. */
#define FIELD_GET(kind, name, limit)     it.name = field_get_##kind(in, limit);
#define FIELD_LIST_GET(item, name, max)  it.name = field_get_list_##item(in, max);
#define FIELD_PART_GET(item, name)       wire_get_##item(in, &it.name);

#define FIELD_PUT(kind, name, limit)     field_put_##kind(out, it->name, limit);
#define FIELD_LIST_PUT(item, name, max)  field_put_list(out, &it->name, max);
#define FIELD_PART_PUT(item, name)       wire_put_##item(out, &it->name);

#endif
