/* block.c - many small byte strings in one: the items of a job
 *
 *   u32 count | u32 end[count] | bytes
 *
 * end[i] counts from the first byte behind the table, so item i lies between
 * end[i-1] (0 for the first) and end[i], and any item is found at once.
 *
 * 1. Ends never fall, no item is larger than its limit (ITEM_BYTES_MAX in jobs,
 *    VALUE_BYTES_MAX in shared objects), and the last end is the number of bytes.
 */
#include <assert.h>
#include <string.h>

#include "wire.h"

enum { BLOCK_HEAD_BYTES = 4, BLOCK_END_BYTES = 4 };

static uint32_t
block_number(struct slice block, size_t at)
{
    struct reader in = reader_of(slice_cut(block, at * BLOCK_END_BYTES, BLOCK_END_BYTES));

    return read_u32(&in);
}

static bool
block_add(struct wire_block *block, struct slice item, size_t item_bytes_max)
{
    size_t used = BLOCK_HEAD_BYTES + block->ends.bytes + block->bytes.bytes;

    if (item.bytes > item_bytes_max || block->count == BLOCK_ITEMS_MAX ||
        used + BLOCK_END_BYTES + item.bytes > BLOCK_BYTES_MAX)
        return false;
    buffer_append_slice(&block->bytes, item);
    write_u32(&block->ends, (uint32_t)block->bytes.bytes);
    block->count++;
    return true;
}

bool
wire_block_add(struct wire_block *block, struct slice item)
{
    return block_add(block, item, ITEM_BYTES_MAX);
}

bool
wire_block_add_value(struct wire_block *block, struct slice value)
{
    return block_add(block, value, VALUE_BYTES_MAX);
}

void
wire_block_put(struct buffer *out, const struct wire_block *block)
{
    assert(block->ends.bytes == (size_t)block->count * BLOCK_END_BYTES);
    write_u32(out, block->count);
    buffer_append_slice(out, buffer_slice(&block->ends));
    buffer_append_slice(out, buffer_slice(&block->bytes));
}

void
wire_block_clear(struct wire_block *block)
{
    buffer_clear(&block->ends);
    buffer_clear(&block->bytes);
    block->count = 0;
}

void
wire_block_free(struct wire_block *block)
{
    buffer_free(&block->ends);
    buffer_free(&block->bytes);
    block->count = 0;
}

static muster_err
block_check(struct slice block, uint32_t count, size_t item_bytes_max)
{
    struct reader in = reader_of(block);
    uint32_t      before = 0;

    if (block.bytes > BLOCK_BYTES_MAX || count > BLOCK_ITEMS_MAX || read_u32(&in) != count)
        return MUSTER_ERR_INVALID;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = read_u32(&in);

        if (in.bad || end < before || end - before > item_bytes_max)
            return MUSTER_ERR_INVALID;
        before = end;
    }
    if (in.bad || read_left(&in) != before)
        return MUSTER_ERR_INVALID;
    return MUSTER_OK;
}

muster_err
wire_block_check(struct slice block, uint32_t count)
{
    return block_check(block, count, ITEM_BYTES_MAX);
}

muster_err
wire_block_check_values(struct slice block, uint32_t count)
{
    return block_check(block, count, VALUE_BYTES_MAX);
}

struct slice
wire_block_item(struct slice block, uint32_t at)
{
    uint32_t count = block_number(block, 0);
    size_t   head = BLOCK_HEAD_BYTES + (size_t)count * BLOCK_END_BYTES;
    uint32_t from;
    uint32_t end;

    assert(at < count);
    from = at == 0 ? 0 : block_number(block, at);
    end = block_number(block, (size_t)at + 1);
    assert(from <= end && head + end <= block.bytes);
    return slice_cut(block, head + from, end - from);
}
