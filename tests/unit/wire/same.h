/* same.h - are two decoded structs equal, field by field? */
#ifndef SAME_H
#define SAME_H

#include "wire.h"

#define SAME_u8(a, b)     ((a) == (b))
#define SAME_u16(a, b)    ((a) == (b))
#define SAME_u32(a, b)    ((a) == (b))
#define SAME_u64(a, b)    ((a) == (b))
#define SAME_i32(a, b)    ((a) == (b))
#define SAME_choice(a, b) ((a) == (b))
#define SAME_text(a, b)   slice_equal(a, b)
#define SAME_bytes(a, b)  slice_equal(a, b)

#define SAME_FIELD(kind, name, limit) same = same && SAME_##kind(a->name, b->name);
#define SAME_LIST(item, name, max)                                             \
    same = same && a->name.count == b->name.count &&                           \
           slice_equal(a->name.bytes, b->name.bytes);
#define SAME_PART(item, name)         same = same && same_##item(&a->name, &b->name);

#define SAME_ITEM(NAME, name)                                                  \
    static inline bool same_##name(const struct wire_##name *a, const struct wire_##name *b) \
    {                                                                          \
        bool same = true;                                                      \
                                                                               \
        ITEM_##NAME(SAME_FIELD, SAME_LIST, SAME_PART)                          \
        return same;                                                           \
    }
WIRE_ITEMS(SAME_ITEM)

static inline bool
same_any(uint16_t type, const union wire_any *any_a, const union wire_any *any_b)
{
    bool same = true;

#define SAME_CASE(NAME, name, code, from)                                      \
    case code: {                                                               \
        const struct msg_##name *a = &any_a->name;                             \
        const struct msg_##name *b = &any_b->name;                             \
        MSG_##NAME(SAME_FIELD, SAME_LIST, SAME_PART)                           \
        break;                                                                 \
    }
    switch (type) {
        WIRE_MESSAGES(SAME_CASE)
    default:
        return false;
    }
    return same;
}

#endif
