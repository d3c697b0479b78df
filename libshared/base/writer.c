/* writer.c - the writes of writer.h whose length varies */
#include "writer.h"

#include <assert.h>

void
write_varint(struct buffer *out, uint64_t value)
{
    while (value >= 0x80) {
        write_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    write_u8(out, (uint8_t)value);
}

void
write_bytes(struct buffer *out, struct slice bytes)
{
    assert(bytes.bytes <= UINT32_MAX);
    write_u32(out, (uint32_t)bytes.bytes);
    buffer_append_slice(out, bytes);
}

void
write_u32_at(struct buffer *out, size_t offset, uint32_t value)
{
    assert(out->bytes >= sizeof(value));
    assert(offset <= out->bytes - sizeof(value));
    value = htole32(value);
    memcpy(out->data + offset, &value, sizeof(value));
}
