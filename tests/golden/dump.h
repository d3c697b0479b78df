/* dump.h - a decoded message as text, a line per field
 *
 *   token.index = 7
 *   host = "node7"
 *   data = 0x00ff12
 *   holds[0].job = 3
 */
#ifndef DUMP_H
#define DUMP_H

#include <inttypes.h>
#include <stdlib.h>

#include "wire.h"

static inline void
dump_hex(struct buffer *out, struct slice bytes)
{
    const uint8_t *data = bytes.data;

    buffer_append_text(out, "0x");
    for (size_t i = 0; i < bytes.bytes; i++)
        buffer_printf(out, "%02x", data[i]);
}

static inline void
dump_quoted(struct buffer *out, struct slice text)
{
    buffer_append_text(out, "\"");
    buffer_append_slice(out, text);
    buffer_append_text(out, "\"");
}

#define DUMP_NUMBER(value)       buffer_printf(out, "%" PRIu64, (uint64_t)(value));
#define DUMP_VALUE_u8(value)     DUMP_NUMBER(value)
#define DUMP_VALUE_u16(value)    DUMP_NUMBER(value)
#define DUMP_VALUE_u32(value)    DUMP_NUMBER(value)
#define DUMP_VALUE_u64(value)    DUMP_NUMBER(value)
#define DUMP_VALUE_choice(value) DUMP_NUMBER(value)
#define DUMP_VALUE_i32(value)    buffer_printf(out, "%" PRId32, value);
#define DUMP_VALUE_text(value)   dump_quoted(out, value);
#define DUMP_VALUE_bytes(value)  dump_hex(out, value);

#define DUMP_FIELD(kind, name, limit)          \
    buffer_printf(out, "%s" #name " = ", at);  \
    DUMP_VALUE_##kind(it->name)                \
    buffer_append_text(out, "\n");

#define DUMP_LIST(item, name, max)                                             \
    {                                                                          \
        struct reader      in = reader_of(it->name.bytes);                     \
        struct wire_##item one;                                                \
                                                                               \
        buffer_printf(out, "%s" #name " = %" PRIu32 " items\n", at, it->name.count); \
        for (uint32_t i = 0; i < it->name.count && wire_get_##item(&in, &one); i++) { \
            struct buffer below = { 0 };                                       \
                                                                               \
            buffer_printf(&below, "%s" #name "[%" PRIu32 "].", at, i);         \
            dump_##item(out, buffer_text(&below), &one);                       \
            buffer_free(&below);                                               \
        }                                                                      \
    }

#define DUMP_PART(item, name)                                                  \
    {                                                                          \
        struct buffer below = { 0 };                                           \
                                                                               \
        buffer_printf(&below, "%s" #name ".", at);                             \
        dump_##item(out, buffer_text(&below), &it->name);                      \
        buffer_free(&below);                                                   \
    }

/* `at` is what stands in front of each field's name. */
#define DUMP_ITEM(NAME, name)                                                  \
    static inline void dump_##name(struct buffer *out, const char *at,         \
                                   const struct wire_##name *it)               \
    {                                                                          \
        ITEM_##NAME(DUMP_FIELD, DUMP_LIST, DUMP_PART)                          \
    }
WIRE_ITEMS(DUMP_ITEM)

static inline void
dump_any(struct buffer *out, uint16_t type, const union wire_any *any)
{
    const char *at = "";

#define DUMP_CASE(NAME, name, code, from)                                      \
    case code: {                                                               \
        const struct msg_##name *it = &any->name;                              \
        buffer_append_text(out, #NAME "\n");                                   \
        MSG_##NAME(DUMP_FIELD, DUMP_LIST, DUMP_PART)                           \
        break;                                                                 \
    }
    switch (type) {
        WIRE_MESSAGES(DUMP_CASE)
    default:
        abort();
    }
}

#endif
