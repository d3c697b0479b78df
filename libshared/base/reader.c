/* reader.c - the reads of reader.h whose length varies */
#include "reader.h"

#include "parse.h"

#define VARINT_BYTES_MAX 10

struct reader
reader_of(struct slice bytes)
{
    /* NULL + 0 is not defined, so an empty slice gets a byte to point at. */
    static const uint8_t nothing;
    const uint8_t       *at = bytes.data != NULL ? bytes.data : &nothing;

    return (struct reader){ at, at + (bytes.data != NULL ? bytes.bytes : 0), false };
}

uint64_t
read_varint(struct reader *in)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        uint8_t byte = read_u8(in);

        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        /* A final zero byte adds nothing; the tenth byte holds one bit. */
        if (in->bad || (i > 0 && byte == 0) || (i == VARINT_BYTES_MAX - 1 && byte > 1))
            break;
        return value;
    }
    read_fail(in);
    return 0;
}

struct slice
read_raw(struct reader *in, size_t bytes)
{
    struct slice s = { in->at, bytes };

    if (read_left(in) < bytes) {
        read_fail(in);
        return (struct slice){ in->end, 0 };
    }
    in->at += bytes;
    return s;
}

struct slice
read_bytes(struct reader *in, size_t bytes_max)
{
    size_t bytes = read_u32(in);

    if (bytes > bytes_max)
        read_fail(in);
    return read_raw(in, in->bad ? 0 : bytes);
}

struct slice
read_text(struct reader *in, size_t bytes_max)
{
    struct slice text = read_bytes(in, bytes_max);

    if (!parse_utf8(text)) {
        read_fail(in);
        return (struct slice){ in->end, 0 };
    }
    return text;
}
