/* test_map.c - a map does what an array of all keys does
 *
 * Method: random puts, removals and walks over a small range of keys, compared
 * step by step with a plain array.  A row chooses how keys are spread, so that
 * clusters, wrapping ones too, come up.
 */
#include "stories.h"

#include "map.h"

#define KEYS  600
#define STEPS 20000

struct map_case {
    const char *story;
    uint64_t    factor, offset;    /* key number n is n * factor + offset */
    unsigned    put_percent;
    bool        remove_in_walk;
};

static const struct map_case map_cases[] = {
    { "keys counted up from zero",       1,                  0,          50, false },
    { "mostly full",                     1,                  0,          85, false },
    { "mostly empty",                    1,                  0,          15, false },
    { "keys that share their low bits",  (uint64_t)1 << 32,  5,          60, false },
    { "keys at the end of the range",    1,                  0 - (uint64_t)KEYS, 60, false },
    { "removing while walking",          1,                  0,          60, true },
    { "removing while walking, sparse",  0x100000001u,       9,          20, true },
};

static int      values[KEYS];
static uint64_t noise_state;

static uint32_t
noise(uint32_t below)
{
    noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((noise_state >> 33) % below);
}

static uint64_t
key_of(const struct map_case *row, uint32_t number)
{
    return number * row->factor + row->offset;
}

/* Every entry comes exactly once, also when every third is removed on the way. */
static void
walk(const struct map_case *row, struct map *map, void **expected, size_t *count)
{
    bool     seen[KEYS] = { false };
    size_t   cursor = 0;
    size_t   visited = 0;
    size_t   before = *count;
    uint64_t key;
    int     *value;

    while ((value = map_next(map, &cursor, &key)) != NULL) {
        uint32_t number = (uint32_t)(value - values);

        assert_int_equal(key, key_of(row, number));
        assert_ptr_equal(expected[number], value);
        assert_false(seen[number]);
        seen[number] = true;
        visited++;
        if (row->remove_in_walk && noise(3) == 0) {
            assert_ptr_equal(map_remove(map, key), value);
            expected[number] = NULL;
            (*count)--;
        }
    }
    assert_int_equal(visited, before);
    assert_null(map_next(map, &cursor, &key));
}

static void
test_map(void **state)
{
    const struct map_case *row = *state;
    void                  *expected[KEYS] = { NULL };
    struct map             map = { 0 };
    size_t                 count = 0;

    noise_state = 1;
    for (int step = 0; step < STEPS; step++) {
        uint32_t number = noise(KEYS);
        uint64_t key = key_of(row, number);

        assert_ptr_equal(map_get(&map, key), expected[number]);
        if (noise(100) < row->put_percent) {
            count += expected[number] == NULL;
            map_put(&map, key, &values[number]);
            expected[number] = &values[number];
        } else {
            count -= expected[number] != NULL;
            assert_ptr_equal(map_remove(&map, key), expected[number]);
            expected[number] = NULL;
        }
        assert_int_equal(map.count, count);
        if (step % 500 == 0)
            walk(row, &map, expected, &count);
    }
    for (uint32_t i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&map, key_of(row, i)), expected[i]);
    map_free(&map);
    assert_null(map_get(&map, 0));
}

static void
test_empty(void **state)
{
    struct map map = { 0 };
    size_t     cursor = 0;

    (void)state;
    assert_null(map_get(&map, 0));
    assert_null(map_remove(&map, 0));
    assert_null(map_next(&map, &cursor, NULL));
}

static void
test_put_replaces(void **state)
{
    struct map map = { 0 };

    (void)state;
    map_put(&map, 0, &values[1]);
    map_put(&map, 0, &values[2]);
    assert_int_equal(map.count, 1);
    assert_ptr_equal(map_get(&map, 0), &values[2]);
    map_free(&map);
}

static void
test_hash_is_fnv1a(void **state)
{
    (void)state;
    assert_int_equal(map_hash(slice_of(NULL, 0)), 0xcbf29ce484222325u);
    assert_int_equal(map_hash(slice_text("a")), 0xaf63dc4c8601ec8cu);
    assert_int_equal(map_hash(slice_text("foobar")), 0x85944171f73967e8u);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_replaces),
        cmocka_unit_test(test_hash_is_fnv1a),
    };

    return STORIES("map", map_cases, test_map)
           + cmocka_run_group_tests_name("map details", tests, NULL, NULL);
}
