/* test_writer.c - what is written is what reader.h reads */
#include "stories.h"

#include "reader.h"
#include "writer.h"

struct varint_case {
    const char *story;
    uint64_t    value;
    size_t      bytes;
};

static const struct varint_case varint_cases[] = {
    { "zero takes a byte",              0,                  1 },
    { "the last of one byte",           127,                1 },
    { "the first of two bytes",         128,                2 },
    { "the last of two bytes",          16383,              2 },
    { "the first of three bytes",       16384,              3 },
    { "32 bits",                        UINT32_MAX,         5 },
    { "63 bits",                        INT64_MAX,          9 },
    { "64 bits",                        UINT64_MAX,         10 },
};

static void
test_varint(void **state)
{
    const struct varint_case *row = *state;
    struct buffer             out = { 0 };
    struct reader             in;

    write_varint(&out, row->value);
    assert_int_equal(out.bytes, row->bytes);
    in = reader_of(buffer_slice(&out));
    assert_int_equal(read_varint(&in), row->value);
    assert_true(read_ended(&in));
    buffer_free(&out);
}

static void
test_all_kinds_come_back(void **state)
{
    struct buffer out = { 0 };
    struct reader in;

    (void)state;
    write_u8(&out, 0xfe);
    write_u16(&out, 0xfedc);
    write_u32(&out, 0xfedcba98);
    write_u64(&out, 0xfedcba9876543210u);
    write_i32(&out, INT32_MIN);
    write_i64(&out, INT64_MIN);
    write_bytes(&out, slice_text("bytes"));
    assert_int_equal(out.bytes, 1 + 2 + 4 + 8 + 4 + 8 + 4 + 5);

    in = reader_of(buffer_slice(&out));
    assert_int_equal(read_u8(&in), 0xfe);
    assert_int_equal(read_u16(&in), 0xfedc);
    assert_int_equal(read_u32(&in), 0xfedcba98);
    assert_int_equal(read_u64(&in), 0xfedcba9876543210u);
    assert_int_equal(read_i32(&in), INT32_MIN);
    assert_int_equal(read_i64(&in), INT64_MIN);
    assert_true(slice_equals_text(read_text(&in, 5), "bytes"));
    assert_true(read_ended(&in));
    buffer_free(&out);
}

static void
test_length_filled_in_later(void **state)
{
    struct buffer out = { 0 };

    (void)state;
    write_u8(&out, 7);
    write_u32(&out, 0);
    write_u8(&out, 8);
    write_u32_at(&out, 1, 0x04030201);
    assert_memory_equal(out.data, "\7\1\2\3\4\10", 6);
    buffer_free(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds_come_back),
        cmocka_unit_test(test_length_filled_in_later),
    };

    return STORIES("varint", varint_cases, test_varint)
           + cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
