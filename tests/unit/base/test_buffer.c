/* test_buffer.c - growing, cutting and comparing bytes */
#include "stories.h"

#include "buffer.h"

/* Each row applies its steps to an empty buffer, then compares the text. */
struct buffer_case {
    const char *story;
    const char *append;
    uint32_t    times;
    uint32_t    consume;
    const char *printf_text;
    const char *expected;
};

static const struct buffer_case buffer_cases[] = {
    /*                                    append   times consume printf   expected */
    { "empty reads as an empty text",     "",         0,   0,    NULL,    "" },
    { "appends follow one another",       "ab",       3,   0,    NULL,    "ababab" },
    { "consume moves the rest down",      "abc",      2,   4,    NULL,    "bc" },
    { "consume everything",               "abc",      1,   3,    NULL,    "" },
    { "printf appends",                   "n=",       1,   0,    "7",     "n=7" },
    { "printf after consume",             "abc",      1,   2,    "!",     "c!" },
};

static void
test_buffer_steps(void **state)
{
    const struct buffer_case *row = *state;
    struct buffer             buffer = { 0 };

    for (uint32_t i = 0; i < row->times; i++)
        buffer_append_text(&buffer, row->append);
    buffer_consume(&buffer, row->consume);
    if (row->printf_text != NULL)
        buffer_printf(&buffer, "%s", row->printf_text);
    assert_string_equal(buffer_text(&buffer), row->expected);
    assert_int_equal(buffer.bytes, strlen(row->expected));
    assert_true(slice_equals_text(buffer_slice(&buffer), row->expected));
    buffer_free(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

struct cut_case {
    const char *story;
    const char *text;
    size_t      from, bytes_max;
    const char *expected;
};

static const struct cut_case cut_cases[] = {
    { "cut the middle",             "abcdef", 2, 3,        "cde" },
    { "cut clamps at the end",      "abcdef", 4, 10,       "ef" },
    { "cut from beyond is empty",   "abcdef", 9, 1,        "" },
    { "cut nothing",                "abcdef", 0, SIZE_MAX, "abcdef" },
    { "cut of no room is empty",    "abcdef", 2, 0,        "" },
};

static void
test_cut(void **state)
{
    const struct cut_case *row = *state;

    assert_true(slice_equals_text(slice_cut(slice_text(row->text), row->from, row->bytes_max),
                                  row->expected));
}

static void
test_compare(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_of(NULL, 0), slice_text("")));
    assert_false(slice_equal(slice_text("a"), slice_text("ab")));
    assert_false(slice_equal(slice_text("ab"), slice_text("ac")));
    assert_true(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    assert_false(slice_equals_text(slice_of("a\0b", 3), "a"));
}

/* Of one that has no memory yet, too: NULL and 0 is all that there is. */
static void
test_nothing_more(void **state)
{
    struct buffer buffer = { 0 };

    (void)state;
    assert_null(buffer_extend(&buffer, 0));
    assert_int_equal(buffer.bytes, 0);
    assert_null(buffer.data);
}

static void
test_cleared_memory_is_kept(void **state)
{
    struct buffer buffer = { 0 };
    uint8_t      *data;

    (void)state;
    memset(buffer_extend(&buffer, 1000), 'x', 1000);
    data = buffer.data;
    buffer_clear(&buffer);
    assert_int_equal(buffer.bytes, 0);
    memset(buffer_extend(&buffer, 1000), 'y', 1000);
    assert_ptr_equal(buffer.data, data);
    buffer_free(&buffer);
}

static void
test_grow_zeroes_new_elements(void **state)
{
    void     *items = NULL;
    uint32_t  capacity = 0;
    uint64_t *numbers;
    uint32_t  before;

    (void)state;
    base_grow(&items, &capacity, 1, sizeof(uint64_t));
    assert_true(capacity >= 1);
    before = capacity;
    memset(items, 0xff, before * sizeof(uint64_t));
    base_grow(&items, &capacity, before, sizeof(uint64_t));
    assert_int_equal(capacity, before);
    base_grow(&items, &capacity, 10 * before, sizeof(uint64_t));
    assert_true(capacity >= 10 * before);
    numbers = items;
    assert_int_equal(numbers[before - 1], UINT64_MAX);
    for (uint32_t i = before; i < capacity; i++)
        assert_int_equal(numbers[i], 0);
    free(items);
}

static void
test_text_copy(void **state)
{
    char *copy = base_text_copy(slice_of("abcdef", 3));
    char *empty = base_text_copy(slice_of(NULL, 0));

    (void)state;
    assert_string_equal(copy, "abc");
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_nothing_more),
        cmocka_unit_test(test_cleared_memory_is_kept),
        cmocka_unit_test(test_grow_zeroes_new_elements),
        cmocka_unit_test(test_text_copy),
    };

    return STORIES("buffer", buffer_cases, test_buffer_steps)
           + STORIES("cut", cut_cases, test_cut)
           + cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
