/* test_idset.c - a set of numbers against an array of flags, and its encoding */
#include "stories.h"

#include "idset.h"
#include "reader.h"
#include "writer.h"

#define NUMBERS 20000
#define STEPS   60000

struct idset_case {
    const char *story;
    uint32_t    offset;             /* numbers are offset .. offset + spread - 1 */
    uint32_t    spread;
    unsigned    add_percent;
    unsigned    range_percent;      /* of the additions, and of the removals */
};

static const struct idset_case idset_cases[] = {
    { "within one page",              0,                    100,     50, 0 },
    { "over several pages",           4000,                 NUMBERS, 50, 0 },
    { "full pages",                   0,                    NUMBERS, 80, 1 },
    { "the end of the range",         UINT32_MAX - 9999,    10000,   60, 1 },
    { "nearly empty",                 1000000,              NUMBERS, 5,  0 },
};

static uint64_t noise_state;

static uint32_t
noise(uint32_t below)
{
    noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((noise_state >> 33) % below);
}

static void
compare(const struct idset_case *row, const struct idset *set, const bool *expected)
{
    uint64_t count = 0;
    uint64_t at = 0;
    uint32_t next;

    for (uint32_t i = 0; i < row->spread; i++) {
        assert_int_equal(idset_has(set, row->offset + i), expected[i]);
        if (!expected[i]) {
            assert_int_equal(idset_run_end(set, row->offset + i), row->offset + i);
            assert_int_equal(idset_run(set, row->offset + i, 9), 0);
            continue;
        }
        assert_int_equal(idset_run(set, row->offset + i, 2),
                         1 + (i + 1 < row->spread && expected[i + 1]));
        if (i + 1 == row->spread || !expected[i + 1])
            assert_int_equal(idset_run_end(set, row->offset + i), (uint64_t)row->offset + i + 1);
        else
            assert_true(idset_run_end(set, row->offset + i) > (uint64_t)row->offset + i + 1);
        assert_true(idset_next(set, (uint32_t)at, &next));
        assert_int_equal(next, row->offset + i);
        at = (uint64_t)next + 1;
        count++;
    }
    assert_int_equal(set->count, count);
    if (at <= UINT32_MAX)
        assert_false(idset_next(set, (uint32_t)at, &next));
}

static void
compare_encoding(const struct idset_case *row, const struct idset *set, const bool *expected)
{
    struct buffer first = { 0 };
    struct buffer second = { 0 };
    struct idset  copy = { 0 };
    struct reader in;

    idset_add(&copy, 77);
    idset_write(set, &first);
    in = reader_of(buffer_slice(&first));
    assert_true(idset_read(&copy, &in));
    assert_true(read_ended(&in));
    compare(row, &copy, expected);
    idset_write(&copy, &second);
    assert_true(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    idset_free(&copy);
    buffer_free(&first);
    buffer_free(&second);
}

static void
test_idset(void **state)
{
    const struct idset_case *row = *state;
    static bool              expected[NUMBERS];
    struct idset             set = { 0 };

    noise_state = 1;
    memset(expected, 0, sizeof(expected));
    for (int step = 0; step < STEPS; step++) {
        uint32_t at = noise(row->spread);

        if (noise(100) >= row->add_percent && noise(100) < row->range_percent) {
            uint32_t length = 1 + noise(row->spread - at < 9000 ? row->spread - at : 9000);

            idset_remove_range(&set, row->offset + at, row->offset + at + length - 1);
            memset(expected + at, false, length);
        } else if (noise(100) >= row->add_percent) {
            assert_int_equal(idset_remove(&set, row->offset + at), expected[at]);
            expected[at] = false;
        } else if (noise(100) < row->range_percent) {
            uint32_t last = at + noise(row->spread - at);

            idset_add_range(&set, row->offset + at, row->offset + last);
            memset(expected + at, true, last - at + 1);
        } else {
            assert_int_equal(idset_add(&set, row->offset + at), !expected[at]);
            expected[at] = true;
        }
    }
    compare(row, &set, expected);
    compare_encoding(row, &set, expected);
    idset_free(&set);
    assert_false(idset_has(&set, row->offset));
}

struct read_case {
    const char *story;
    uint64_t    numbers[6];        /* varints, ended by END */
    bool        good;
    uint64_t    count;
};

#define END UINT64_MAX
#define ALL ((uint64_t)1 << 32)

static const struct read_case read_cases[] = {
    { "the empty set",                     { 0, END },                          true,  0 },
    { "zero alone",                        { 1, 0, 1, END },                    true,  1 },
    { "two runs",                          { 2, 5, 10, 1, 3, END },             true,  13 },
    { "everything",                        { 1, 0, ALL, END },                  true,  ALL },
    { "the last number",                   { 1, 4294967295u, 1, END },          true,  1 },
    { "a run without members",             { 1, 5, 0, END },                    false, 0 },
    { "runs that touch",                   { 2, 5, 1, 0, 1, END },              false, 0 },
    { "a run beyond 32 bits",              { 1, 4294967295u, 2, END },          false, 0 },
    { "a gap beyond 32 bits",              { 1, ALL, 1, END }        ,          false, 0 },
    { "a run behind the last number",      { 2, 0, ALL, 1, 1, END }        ,    false, 0 },
    { "fewer runs than announced",         { 2, 5, 1, END },                    false, 0 },
    { "endless runs announced",            { UINT64_MAX - 1, 1, 1, END },       false, 0 },
};

static void
test_read(void **state)
{
    const struct read_case *row = *state;
    struct buffer           bytes = { 0 };
    struct idset            set = { 0 };
    struct reader           in;

    for (size_t i = 0; row->numbers[i] != END; i++)
        write_varint(&bytes, row->numbers[i]);
    in = reader_of(buffer_slice(&bytes));
    assert_int_equal(idset_read(&set, &in), row->good);
    assert_int_equal(read_ended(&in), row->good);
    assert_int_equal(set.count, row->count);
    idset_free(&set);
    buffer_free(&bytes);
}

static void
test_dense_is_small(void **state)
{
    struct idset  set = { 0 };
    struct buffer bytes = { 0 };

    (void)state;
    idset_add_range(&set, 10, 1000000009);
    assert_int_equal(set.count, 1000000000);
    for (uint32_t i = 1; i + 1 < set.page_count; i++)
        assert_null(set.pages[i].words);
    assert_false(idset_add(&set, 500000000));
    assert_true(idset_remove(&set, 500000000));
    assert_false(idset_has(&set, 500000000));
    assert_true(idset_has(&set, 499999999));
    assert_int_equal(idset_run(&set, 10, UINT32_MAX), 499999990);
    assert_int_equal(idset_run(&set, 10, 7), 7);
    idset_write(&set, &bytes);
    assert_true(bytes.bytes < 32);
    idset_remove_range(&set, 11, 1000000008);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.page_count, 2);
    buffer_free(&bytes);
    idset_free(&set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense_is_small),
    };

    return STORIES("idset", idset_cases, test_idset)
           + STORIES("idset encoding", read_cases, test_read)
           + cmocka_run_group_tests_name("idset size", tests, NULL, NULL);
}
