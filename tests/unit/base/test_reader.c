/* test_reader.c - strict reading
 *
 * Method: read one value of a kind from the bytes of the row, then compare the
 * value, whether the reader went bad and how much it left.
 */
#include "stories.h"

#include "reader.h"

enum kind { U8, U16, U32, U64, I32, I64, VARINT, BYTES, TEXT, RAW };

struct read_case {
    const char *story;
    enum kind   kind;
    const char *bytes;
    size_t      count;
    size_t      limit;      /* of BYTES, TEXT; length of RAW */
    uint64_t    value;      /* number, or length of BYTES, TEXT, RAW */
    bool        bad;
    size_t      left;
};

#define B(text) text, sizeof(text) - 1

static const struct read_case read_cases[] = {
    /*                                kind    bytes                         limit value  bad left */
    { "u8",                           U8,     B("\xfe\x01"),                    0, 0xfe,
      false, 1 },
    { "u8 of nothing",                U8,     B(""),                            0, 0, true, 0 },
    { "u16 is little-endian",         U16,    B("\x01\x02"),                    0, 0x0201,
      false, 0 },
    { "u16 cut off",                  U16,    B("\x01"),                        0, 0, true, 0 },
    { "u32 is little-endian",         U32,    B("\x01\x02\x03\x04\x05"),        0, 0x04030201,
      false, 1 },
    { "u32 cut off",                  U32,    B("\x01\x02\x03"),                0, 0, true, 0 },
    { "u64 is little-endian",         U64,    B("\x08\0\0\0\0\0\0\x80"),        0,
      0x8000000000000008u, false, 0 },
    { "u64 cut off",                  U64,    B("\x01\x02\x03\0\0\0\0"),        0, 0, true, 0 },
    { "i32 below zero",               I32,    B("\xff\xff\xff\xff"),            0, UINT64_MAX,
      false, 0 },
    { "i64 below zero",               I64,    B("\xfe\xff\xff\xff\xff\xff\xff\xff"), 0,
      UINT64_MAX - 1, false, 0 },
    { "varint of one byte",           VARINT, B("\x7f"),                        0, 127,
      false, 0 },
    { "varint zero",                  VARINT, B("\0"),                          0, 0, false, 0 },
    { "varint of two bytes",          VARINT, B("\x80\x01"),                    0, 128,
      false, 0 },
    { "varint not shortest",          VARINT, B("\x80\0"),                      0, 0, true, 0 },
    { "varint cut off",               VARINT, B("\x80"),                        0, 0, true, 0 },
    { "varint largest",               VARINT, B("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0,
      UINT64_MAX, false, 0 },
    { "varint beyond 64 bits",        VARINT, B("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), 0,
      0, true, 0 },
    { "varint of eleven bytes",       VARINT, B("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), 0,
      0, true, 0 },
    { "bytes",                        BYTES,  B("\2\0\0\0ab!"),                 2, 2, false, 1 },
    { "no bytes",                     BYTES,  B("\0\0\0\0"),                    2, 0, false, 0 },
    { "bytes over the limit",         BYTES,  B("\3\0\0\0abc"),                 2, 0, true, 0 },
    { "bytes cut off",                BYTES,  B("\3\0\0\0ab"),                  9, 0, true, 0 },
    { "length of bytes cut off",      BYTES,  B("\3\0\0"),                      9, 0, true, 0 },
    { "a length that would wrap",     BYTES,  B("\xff\xff\xff\xff"), SIZE_MAX, 0, true, 0 },
    { "text",                         TEXT,   B("\3\0\0\0\xe2\x82\xac"),        9, 3, false, 0 },
    { "text with a zero byte",        TEXT,   B("\3\0\0\0a\0b"),                9, 0, true, 0 },
    { "text that is not UTF-8",       TEXT,   B("\2\0\0\0\xc3("),               9, 0, true, 0 },
    { "raw",                          RAW,    B("abc"),                         2, 2, false, 1 },
    { "raw cut off",                  RAW,    B("abc"),                         4, 0, true, 0 },
};

static uint64_t
read_kind(struct reader *in, const struct read_case *row)
{
    switch (row->kind) {
    case U8:     return read_u8(in);
    case U16:    return read_u16(in);
    case U32:    return read_u32(in);
    case U64:    return read_u64(in);
    case I32:    return (uint64_t)(int64_t)read_i32(in);
    case I64:    return (uint64_t)read_i64(in);
    case VARINT: return read_varint(in);
    case BYTES:  return read_bytes(in, row->limit).bytes;
    case TEXT:   return read_text(in, row->limit).bytes;
    case RAW:    return read_raw(in, row->limit).bytes;
    default:     fail_msg("no such kind");
    }
    return 0;
}

static void
test_read(void **state)
{
    const struct read_case *row = *state;
    struct reader           in = reader_of(slice_of(row->bytes, row->count));

    assert_int_equal(read_kind(&in, row), row->value);
    assert_int_equal(in.bad, row->bad);
    assert_int_equal(read_left(&in), row->left);
    assert_int_equal(read_ended(&in), !row->bad && row->left == 0);
}

static void
test_bad_stays_bad(void **state)
{
    struct reader in = reader_of(slice_text("abc"));

    (void)state;
    assert_int_equal(read_u32(&in), 0);
    assert_true(in.bad);
    assert_int_equal(read_u8(&in), 0);
    assert_int_equal(read_bytes(&in, 9).bytes, 0);
    assert_int_equal(read_varint(&in), 0);
    assert_false(read_ended(&in));
}

static void
test_empty_slice_may_be_null(void **state)
{
    struct reader in = reader_of(slice_of(NULL, 0));

    (void)state;
    assert_true(read_ended(&in));
    assert_int_equal(read_raw(&in, 0).bytes, 0);
    assert_true(read_ended(&in));
    assert_int_equal(read_u8(&in), 0);
    assert_true(in.bad);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_stays_bad),
        cmocka_unit_test(test_empty_slice_may_be_null),
    };

    return STORIES("read", read_cases, test_read)
           + cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
