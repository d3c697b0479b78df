/* test_items.c - every part and list item survives the way there and back */
#include "stories.h"

#include "fill.h"
#include "same.h"

/* round_<item>: fill, put, decode, compare, put again, compare; then refuse
 * every shorter prefix and one byte more. */
#define ROUND_ITEM(NAME, name)                                                 \
    static void round_##name(struct fill *fill)                                \
    {                                                                          \
        struct buffer      bytes = { 0 };                                      \
        struct buffer      again = { 0 };                                      \
        struct wire_##name sent = { 0 };                                       \
        struct wire_##name got = { 0 };                                        \
                                                                               \
        fill_##name(fill, &sent);                                              \
        wire_put_##name(&bytes, &sent);                                        \
        assert_int_equal(wire_decode_item_##name(buffer_slice(&bytes), &got), MUSTER_OK); \
        assert_true(same_##name(&sent, &got));                                 \
        wire_put_##name(&again, &got);                                         \
        assert_true(slice_equal(buffer_slice(&bytes), buffer_slice(&again)));  \
        for (size_t cut = 0; fill->mode != FILL_MOST && cut < bytes.bytes; cut++) \
            assert_int_equal(                                                  \
                wire_decode_item_##name(slice_of(bytes.data, cut), &got), MUSTER_ERR_INVALID); \
        write_u8(&bytes, 0);                                                   \
        assert_int_equal(wire_decode_item_##name(buffer_slice(&bytes), &got),  \
                         MUSTER_ERR_INVALID);                                  \
        buffer_free(&bytes);                                                   \
        buffer_free(&again);                                                   \
    }
WIRE_ITEMS(ROUND_ITEM)

struct story {
    const char    *story;
    enum fill_mode mode;
    void (*round)(struct fill *fill);
};

static const struct story items[] = {
#define ITEM_STORIES(NAME, name)                            \
    { #name " with everything least", FILL_LEAST, round_##name }, \
    { #name " with everything most", FILL_MOST, round_##name },   \
    { #name " with mixed values", FILL_MIXED, round_##name },
    WIRE_ITEMS(ITEM_STORIES)
};

static void
test_item(void **state)
{
    const struct story *row = *state;

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fill fill = { .mode = row->mode, .seed = seed };

        row->round(&fill);
        fill_free(&fill);
    }
}

/* A list is walked with the reader of its bytes, and has exactly `count` items. */
static void
test_list_is_walked(void **state)
{
    struct buffer     bytes = { 0 };
    struct buffer     items_bytes = { 0 };
    struct msg_why    sent = { 0 };
    struct msg_why    got;
    struct reader     in;
    struct wire_reason reason;

    (void)state;
    for (uint8_t code = 0; code < 3; code++) {
        reason = (struct wire_reason){ .code = code, .text = slice_text("gpus") };
        wire_put_reason(&items_bytes, &reason);
    }
    sent.reasons = (struct wire_list){ .bytes = buffer_slice(&items_bytes), .count = 3 };
    wire_put_msg_why(&bytes, &sent);
    assert_int_equal(wire_decode_why(buffer_slice(&bytes), &got), MUSTER_OK);
    assert_int_equal(got.reasons.count, 3);
    in = reader_of(got.reasons.bytes);
    for (uint8_t code = 0; code < 3; code++) {
        assert_true(wire_get_reason(&in, &reason));
        assert_int_equal(reason.code, code);
        assert_true(slice_equals_text(reason.text, "gpus"));
    }
    assert_true(read_ended(&in));
    assert_false(wire_get_reason(&in, &reason));
    buffer_free(&bytes);
    buffer_free(&items_bytes);
}

int
main(void)
{
    const struct CMUnitTest lists[] = {
        cmocka_unit_test(test_list_is_walked),
    };

    return STORIES("items", items, test_item) +
           cmocka_run_group_tests_name("lists", lists, NULL, NULL);
}
