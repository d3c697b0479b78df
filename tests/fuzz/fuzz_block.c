/* fuzz_block.c - a block of items; the first two bytes are the count asked for
 *
 * A block that passes its check can be read item by item, and building it
 * from those items gives the same bytes.
 */
#include "fuzz.h"
#include "wire.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct wire_block again = { 0 };
    struct buffer     again_bytes = { 0 };
    struct slice      block;
    uint32_t          count;

    if (bytes < 2)
        return 0;
    count = (uint32_t)(data[0] | data[1] << 8);
    block = slice_of(data + 2, bytes - 2);
    if (wire_block_check(block, count) != MUSTER_OK)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        bool added = wire_block_add(&again, wire_block_item(block, i));

        assert(added);
    }
    wire_block_put(&again_bytes, &again);
    assert(slice_equal(buffer_slice(&again_bytes), block));
    wire_block_free(&again);
    buffer_free(&again_bytes);
    return 0;
}
