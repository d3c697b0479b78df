/* fuzz_item.c - items that travel as bytes: a spec, the entries of a result
 * block, and all others; the first byte chooses which
 */
#include "fuzz.h"
#include "wire.h"

#define ITEM_FUZZ(NAME, name)                                                  \
    static void item_##name(struct slice bytes)                                \
    {                                                                          \
        struct buffer      again = { 0 };                                      \
        struct wire_##name item;                                               \
                                                                               \
        if (wire_decode_item_##name(bytes, &item) != MUSTER_OK)                \
            return;                                                            \
        wire_put_##name(&again, &item);                                        \
        assert(slice_equal(buffer_slice(&again), bytes));                      \
        buffer_free(&again);                                                   \
    }
WIRE_ITEMS(ITEM_FUZZ)

static void (*const items[])(struct slice bytes) = {
#define ITEM_ROW(NAME, name) item_##name,
    WIRE_ITEMS(ITEM_ROW)
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes > 0)
        items[data[0] % (sizeof(items) / sizeof(items[0]))](slice_of(data + 1, bytes - 1));
    return 0;
}
