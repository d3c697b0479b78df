/* fill.h - every item and message of messages.def, filled with values
 *
 * For tests, golden frames and the seeds of the fuzzers.
 *
 * 1. The same mode and seed give the same bytes on every machine.
 * 2. FILL_MOST goes to every limit, but keeps a message within a frame: of a
 *    list, the first item is at its limits and the rest are as small as can be.
 * 3. What a struct points to lives until fill_free().
 */
#ifndef FILL_H
#define FILL_H

#include <stdlib.h>
#include <string.h>

#include "wire.h"

enum fill_mode { FILL_LEAST, FILL_MOST, FILL_MIXED };

enum {
    FILL_LIST_BYTES_MAX  = 96 * KIB,   /* of one list in FILL_MOST */
    FILL_LISTS_BYTES_MAX = 240 * KIB,  /* of all of them, so that a message fits a frame */
    FILL_MIXED_BYTES_MAX = 24,         /* of one text in FILL_MIXED */
    FILL_MIXED_ITEMS_MAX = 3,
};

struct fill {
    enum fill_mode mode;
    uint64_t       seed;
    size_t         list_bytes;         /* of the lists so far */
    void          *owned;              /* chain of what was allocated */
};

static inline uint64_t
fill_random(struct fill *fill)         /* splitmix64 */
{
    uint64_t z = (fill->seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint8_t *
fill_alloc(struct fill *fill, size_t bytes)
{
    void **link = base_alloc(sizeof(*link) + bytes);

    *link = fill->owned;
    fill->owned = link;
    return (uint8_t *)(link + 1);
}

static inline void
fill_free(struct fill *fill)
{
    while (fill->owned != NULL) {
        void *link = fill->owned;

        memcpy(&fill->owned, link, sizeof(fill->owned));
        free(link);
    }
}

static inline uint64_t
fill_number(struct fill *fill, uint64_t limit, uint64_t type_max)
{
    uint64_t largest = limit != 0 ? limit : type_max;

    if (fill->mode == FILL_LEAST)
        return 0;
    if (fill->mode == FILL_MOST)
        return largest;
    return largest == UINT64_MAX ? fill_random(fill) : fill_random(fill) % (largest + 1);
}

static inline int32_t
fill_signed(struct fill *fill, int32_t limit)
{
    int32_t largest = limit != 0 ? limit : INT32_MAX;

    if (fill->mode == FILL_LEAST)
        return limit != 0 ? -limit : INT32_MIN;
    if (fill->mode == FILL_MOST)
        return largest;
    return (int32_t)(fill_random(fill) % ((uint64_t)largest + 1)) - largest / 2;
}

static inline size_t
fill_length(struct fill *fill, size_t bytes_max)
{
    if (fill->mode == FILL_LEAST)
        return 0;
    if (fill->mode == FILL_MOST)
        return bytes_max;
    if (bytes_max > FILL_MIXED_BYTES_MAX)
        bytes_max = FILL_MIXED_BYTES_MAX;
    return fill_random(fill) % (bytes_max + 1);
}

static inline struct slice
fill_some_bytes(struct fill *fill, size_t bytes_max)
{
    size_t   bytes = fill_length(fill, bytes_max);
    uint8_t *data = fill_alloc(fill, bytes);

    for (size_t i = 0; i < bytes; i++)
        data[i] = fill->mode == FILL_MOST ? 0xff : (uint8_t)fill_random(fill);
    return slice_of(data, bytes);
}

/* One-, two- and three-byte characters, so that limits count bytes. */
static inline struct slice
fill_some_text(struct fill *fill, size_t bytes_max)
{
    static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac" };
    size_t                   bytes = fill_length(fill, bytes_max);
    uint8_t                 *data = fill_alloc(fill, bytes);
    size_t                   at = 0;

    for (size_t turn = 0; at < bytes; turn++) {
        const char *character = characters[turn % 3];
        size_t      more = strlen(character);

        if (more > bytes - at) {
            character = characters[0];
            more = 1;
        }
        memcpy(data + at, character, more);
        at += more;
    }
    return slice_of(data, bytes);
}

/* ---- generated: fill_<item>, fill_list_<item>, fill_msg_<name> ---- */
#define FILL_VALUE_u8(limit)     (uint8_t)fill_number(fill, limit, UINT8_MAX)
#define FILL_VALUE_u16(limit)    (uint16_t)fill_number(fill, limit, UINT16_MAX)
#define FILL_VALUE_u32(limit)    (uint32_t)fill_number(fill, limit, UINT32_MAX)
#define FILL_VALUE_u64(limit)    fill_number(fill, limit, UINT64_MAX)
#define FILL_VALUE_i32(limit)    fill_signed(fill, limit)
#define FILL_VALUE_choice(limit) (uint8_t)((limit) > 1 ? fill_number(fill, (limit) - 1, 0) : 0)
#define FILL_VALUE_text(limit)   fill_some_text(fill, limit)
#define FILL_VALUE_bytes(limit)  fill_some_bytes(fill, limit)

#define FILL_FIELD(kind, name, limit) it->name = FILL_VALUE_##kind(limit);
#define FILL_LIST(item, name, max)    it->name = fill_list_##item(fill, max);
#define FILL_PART(item, name)         fill_##item(fill, &it->name);

#define FILL_ITEM_DECLARE(NAME, name)                                          \
    static inline void             fill_##name(struct fill *fill, struct wire_##name *it); \
    static inline struct wire_list fill_list_##name(struct fill *fill, uint32_t count_max);
WIRE_ITEMS(FILL_ITEM_DECLARE)

#define FILL_ITEM(NAME, name)                                                  \
    static inline void fill_##name(struct fill *fill, struct wire_##name *it)  \
    {                                                                          \
        ITEM_##NAME(FILL_FIELD, FILL_LIST, FILL_PART)                          \
    }                                                                          \
    static inline void fill_append_##name(struct fill *fill, struct buffer *out) \
    {                                                                          \
        struct wire_##name it = { 0 };                                         \
                                                                               \
        fill_##name(fill, &it);                                                \
        wire_put_##name(out, &it);                                             \
    }                                                                          \
    static inline struct wire_list fill_list_##name(struct fill *fill, uint32_t count_max) \
    {                                                                          \
        return fill_list(fill, count_max, fill_append_##name);                 \
    }

static inline struct wire_list
fill_list(struct fill *fill, uint32_t count_max,
          void (*append)(struct fill *fill, struct buffer *out))
{
    enum fill_mode   mode = fill->mode;
    size_t           had = fill->list_bytes, left = FILL_LISTS_BYTES_MAX - had;
    size_t           bytes_max = left < FILL_LIST_BYTES_MAX ? left : FILL_LIST_BYTES_MAX;
    struct buffer    bytes = { 0 };
    struct wire_list list = { 0 };
    uint32_t         count = 0;
    uint8_t         *data;

    if (mode == FILL_MOST)
        count = count_max;
    else if (mode == FILL_MIXED)
        count = 1 + (uint32_t)(fill_random(fill) % FILL_MIXED_ITEMS_MAX);
    while (list.count < count && list.count < count_max) {
        size_t before = bytes.bytes;

        append(fill, &bytes);
        fill->list_bytes = had;          /* lists in an item are counted with it */
        if (mode == FILL_MOST)
            fill->mode = FILL_LEAST;
        if (bytes.bytes <= bytes_max)
            list.count++;
        else if (before > 0)
            count = list.count;          /* full */
        if (bytes.bytes > bytes_max)
            bytes.bytes = before;
    }
    fill->mode = mode;
    fill->list_bytes = had + bytes.bytes;
    data = fill_alloc(fill, bytes.bytes);
    if (bytes.bytes > 0)
        memcpy(data, bytes.data, bytes.bytes);
    list.bytes = slice_of(data, bytes.bytes);
    buffer_free(&bytes);
    return list;
}
WIRE_ITEMS(FILL_ITEM)

static inline void
fill_any(struct fill *fill, uint16_t type, union wire_any *out)
{
    memset(out, 0, sizeof(*out));
#define FILL_CASE(NAME, name, code, from)                                      \
    case code: {                                                               \
        struct msg_##name *it = &out->name;                                    \
        MSG_##NAME(FILL_FIELD, FILL_LIST, FILL_PART)                           \
        break;                                                                 \
    }
    switch (type) {
        WIRE_MESSAGES(FILL_CASE)
    default:
        abort();
    }
}

/* The codes of all messages. */
static const uint16_t fill_types[] = {
#define FILL_TYPE(NAME, name, code, from) code,
    WIRE_MESSAGES(FILL_TYPE)
};
enum { FILL_TYPES = sizeof(fill_types) / sizeof(fill_types[0]) };

#endif
