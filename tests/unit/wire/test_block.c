/* test_block.c - blocks of items: built, checked, read; and what is refused */
#include "stories.h"

#include <string.h>

#include "wire.h"

struct items_story {
    const char *story;
    const char *items[5];      /* ended by NULL */
};

static const struct items_story blocks[] = {
    { "no items", { NULL } },
    { "one item", { "alpha", NULL } },
    { "an empty item", { "", NULL } },
    { "empty items between others", { "", "a", "", "bc", NULL } },
    { "some items", { "one", "two", "three", NULL } },
};

static void
test_items(void **state)
{
    const struct items_story *row = *state;
    struct wire_block         block = { 0 };
    struct buffer             bytes = { 0 };
    uint32_t                  count = 0;

    /* Twice, because a block is reused. */
    for (int round = 0; round < 2; round++) {
        wire_block_clear(&block);
        buffer_clear(&bytes);
        for (count = 0; row->items[count] != NULL; count++)
            assert_true(wire_block_add(&block, slice_text(row->items[count])));
        wire_block_put(&bytes, &block);
        assert_int_equal(wire_block_check(buffer_slice(&bytes), count), MUSTER_OK);
        for (uint32_t i = 0; i < count; i++)
            assert_true(slice_equals_text(wire_block_item(buffer_slice(&bytes), i), row->items[i]));
    }
    assert_int_equal(wire_block_check(buffer_slice(&bytes), count + 1), MUSTER_ERR_INVALID);
    for (size_t cut = 0; cut < bytes.bytes; cut++)
        assert_int_equal(wire_block_check(slice_of(bytes.data, cut), count), MUSTER_ERR_INVALID);
    write_u8(&bytes, 0);
    assert_int_equal(wire_block_check(buffer_slice(&bytes), count), MUSTER_ERR_INVALID);
    wire_block_free(&block);
    buffer_free(&bytes);
}

struct full_story {
    const char *story;
    size_t      item_bytes;
    uint32_t    added;         /* then it is full */
};

static const struct full_story fulls[] = {
    { "full by its number of items", 1, BLOCK_ITEMS_MAX },
    { "full by its bytes", 1000, (BLOCK_BYTES_MAX - 4) / 1004 },
    { "two of the largest items fit", ITEM_BYTES_MAX, 2 },
    { "an item over its limit never fits", ITEM_BYTES_MAX + 1, 0 },
};

static void
test_full(void **state)
{
    const struct full_story *row = *state;
    struct wire_block        block = { 0 };
    struct buffer            bytes = { 0 };
    uint8_t                 *item = calloc(1, row->item_bytes);

    assert_non_null(item);
    for (uint32_t i = 0; i < row->added; i++)
        assert_true(wire_block_add(&block, slice_of(item, row->item_bytes)));
    assert_false(wire_block_add(&block, slice_of(item, row->item_bytes)));
    assert_int_equal(block.count, row->added);

    wire_block_put(&bytes, &block);
    assert_true(bytes.bytes <= BLOCK_BYTES_MAX);
    assert_int_equal(wire_block_check(buffer_slice(&bytes), row->added), MUSTER_OK);
    wire_block_free(&block);
    buffer_free(&bytes);
    free(item);
}

struct reject_story {
    const char *story;
    uint32_t    count;         /* asked for */
    uint32_t    words[4];      /* count, ends */
    uint32_t    word_count;
    size_t      bytes;         /* behind them */
    muster_err  expected;
};

static const struct reject_story rejects[] = {
    { "two items are taken", 2, { 2, 3, 5 }, 3, 5, MUSTER_OK },
    { "an end before the one before it", 2, { 2, 3, 2 }, 3, 3, MUSTER_ERR_INVALID },
    { "the last end behind the bytes", 2, { 2, 3, 6 }, 3, 5, MUSTER_ERR_INVALID },
    { "the last end before the bytes", 2, { 2, 3, 4 }, 3, 5, MUSTER_ERR_INVALID },
    { "fewer items than announced", 2, { 1, 5 }, 2, 5, MUSTER_ERR_INVALID },
    { "more items than announced", 1, { 2, 3, 5 }, 3, 5, MUSTER_ERR_INVALID },
    { "an end of 4 Gi - 1", 1, { 1, UINT32_MAX }, 2, 5, MUSTER_ERR_INVALID },
    { "no items, but bytes", 0, { 0 }, 1, 1, MUSTER_ERR_INVALID },
    { "the largest item is taken", 1, { 1, ITEM_BYTES_MAX }, 2, ITEM_BYTES_MAX, MUSTER_OK },
    { "an item one byte over its limit", 1, { 1, ITEM_BYTES_MAX + 1 }, 2, ITEM_BYTES_MAX + 1,
      MUSTER_ERR_INVALID },
    { "a block over its limit", 3, { 3, 60000, 120000, 164000 }, 4, 164000, MUSTER_ERR_INVALID },
    { "more items than a block may have", BLOCK_ITEMS_MAX + 1, { BLOCK_ITEMS_MAX + 1 }, 1,
      (BLOCK_ITEMS_MAX + 1) * 4, MUSTER_ERR_INVALID },
};

static void
test_reject(void **state)
{
    const struct reject_story *row = *state;
    struct buffer              bytes = { 0 };

    for (uint32_t i = 0; i < row->word_count; i++)
        write_u32(&bytes, row->words[i]);
    memset(buffer_extend(&bytes, row->bytes), 0, row->bytes);
    assert_int_equal(wire_block_check(buffer_slice(&bytes), row->count), row->expected);
    buffer_free(&bytes);
}

int
main(void)
{
    return STORIES("blocks", blocks, test_items) + STORIES("full", fulls, test_full) +
           STORIES("rejects", rejects, test_reject);
}
