/* items.c - the parts and list items of items.def
 *
 * 1. A list is read with every item in it, so that whoever walks it later
 *    meets no surprise.
 * 2. Nothing is copied: slices point into the bytes that were read.
 */
#include "field.h"

#define ITEM_PUT(NAME, name)                                                   \
    void wire_put_##name(struct buffer *out, const struct wire_##name *it)     \
    {                                                                          \
        ITEM_##NAME(FIELD_PUT, FIELD_LIST_PUT, FIELD_PART_PUT)                 \
    }
WIRE_ITEMS(ITEM_PUT)

#define ITEM_GET(NAME, name)                                                   \
    bool wire_get_##name(struct reader *in, struct wire_##name *item_out)      \
    {                                                                          \
        struct wire_##name it = { 0 };                                         \
                                                                               \
        ITEM_##NAME(FIELD_GET, FIELD_LIST_GET, FIELD_PART_GET)                 \
        if (in->bad)                                                           \
            return false;                                                      \
        *item_out = it;                                                        \
        return true;                                                           \
    }
WIRE_ITEMS(ITEM_GET)

#define ITEM_DECODE(NAME, name)                                                \
    muster_err wire_decode_item_##name(struct slice bytes,                     \
                                       struct wire_##name *item_out)           \
    {                                                                          \
        struct reader      in = reader_of(bytes);                              \
        struct wire_##name it;                                                 \
                                                                               \
        if (!wire_get_##name(&in, &it) || !read_ended(&in))                    \
            return MUSTER_ERR_INVALID;                                         \
        *item_out = it;                                                        \
        return MUSTER_OK;                                                      \
    }
WIRE_ITEMS(ITEM_DECODE)

/* A count that the bytes cannot hold ends the loop at the first missing item. */
#define ITEM_GET_LIST(NAME, name)                                              \
    struct wire_list field_get_list_##name(struct reader *in, uint32_t count_max) \
    {                                                                          \
        struct wire_list   list = { .count = read_u32(in) };                   \
        struct reader      items;                                              \
        struct wire_##name it;                                                 \
        uint32_t           good = 0;                                           \
                                                                               \
        list.bytes = read_bytes(in, MESSAGE_BODY_BYTES_MAX);                   \
        if (in->bad || list.count > count_max) {                               \
            read_fail(in);                                                     \
            return (struct wire_list){ 0 };                                    \
        }                                                                      \
        items = reader_of(list.bytes);                                         \
        while (good < list.count && wire_get_##name(&items, &it))              \
            good++;                                                            \
        if (good < list.count || !read_ended(&items))                          \
            read_fail(in);                                                     \
        return list;                                                           \
    }
WIRE_ITEMS(ITEM_GET_LIST)
