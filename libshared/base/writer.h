/* writer.h - the counterpart of reader.h, appending to a buffer */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include <endian.h>

#include "buffer.h"

void write_varint(struct buffer *out, uint64_t value);
void write_bytes(struct buffer *out, struct slice bytes);   /* u32 length first */
/* Overwrite an earlier u32, for lengths known only afterwards. */
void write_u32_at(struct buffer *out, size_t offset, uint32_t value);

static inline void
write_u8(struct buffer *out, uint8_t value)
{
    *buffer_extend(out, 1) = value;
}

static inline void
write_u16(struct buffer *out, uint16_t value)
{
    value = htole16(value);
    memcpy(buffer_extend(out, sizeof(value)), &value, sizeof(value));
}

static inline void
write_u32(struct buffer *out, uint32_t value)
{
    value = htole32(value);
    memcpy(buffer_extend(out, sizeof(value)), &value, sizeof(value));
}

static inline void
write_u64(struct buffer *out, uint64_t value)
{
    value = htole64(value);
    memcpy(buffer_extend(out, sizeof(value)), &value, sizeof(value));
}

static inline void
write_i32(struct buffer *out, int32_t value)
{
    write_u32(out, (uint32_t)value);
}

static inline void
write_i64(struct buffer *out, int64_t value)
{
    write_u64(out, (uint64_t)value);
}

#endif
