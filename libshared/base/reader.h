/* reader.h - strict reading of little-endian bytes
 *
 * A read past the end yields zero and marks the reader bad, once for all, so a
 * decoder reads field after field and asks once at the end with read_ended().
 *
 * The fixed-width reads are inline: they are most of what a decoder does.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include <endian.h>

#include "buffer.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool           bad;
};

struct reader reader_of(struct slice bytes);

/* Shortest form only: a number that could have been written shorter is bad. */
uint64_t     read_varint(struct reader *in);
/* u32 length, then the bytes; longer than bytes_max is bad. */
struct slice read_bytes(struct reader *in, size_t bytes_max);
/* The same for text: must be valid UTF-8 without a zero byte. */
struct slice read_text(struct reader *in, size_t bytes_max);
/* Exactly `bytes` bytes, without a length. */
struct slice read_raw(struct reader *in, size_t bytes);

static inline size_t
read_left(const struct reader *in)
{
    return (size_t)(in->end - in->at);
}

/* True when everything was read and nothing went wrong. */
static inline bool
read_ended(const struct reader *in)
{
    return !in->bad && in->at == in->end;
}

/* Once bad, nothing is left: every later read fails by the same comparison. */
static inline void
read_fail(struct reader *in)
{
    in->bad = true;
    in->at = in->end;
}

static inline bool
read_fixed(struct reader *in, void *value, size_t bytes)
{
    if (read_left(in) < bytes) {
        read_fail(in);
        return false;
    }
    memcpy(value, in->at, bytes);
    in->at += bytes;
    return true;
}

static inline uint8_t
read_u8(struct reader *in)
{
    uint8_t value = 0;

    read_fixed(in, &value, sizeof(value));
    return value;
}

static inline uint16_t
read_u16(struct reader *in)
{
    uint16_t value = 0;

    read_fixed(in, &value, sizeof(value));
    return le16toh(value);
}

static inline uint32_t
read_u32(struct reader *in)
{
    uint32_t value = 0;

    read_fixed(in, &value, sizeof(value));
    return le32toh(value);
}

static inline uint64_t
read_u64(struct reader *in)
{
    uint64_t value = 0;

    read_fixed(in, &value, sizeof(value));
    return le64toh(value);
}

static inline int32_t
read_i32(struct reader *in)
{
    return (int32_t)read_u32(in);
}

static inline int64_t
read_i64(struct reader *in)
{
    return (int64_t)read_u64(in);
}

#endif
