/* test_dict_hash.c - keys of a dict that were chosen to collide
 *
 * Method: as many keys as fill a map, all with one home under the hash that everybody
 * knows.  Under the hash of a dict they must lie as far apart as any others, and
 * elsewhere in each life of the manager.
 */
#include "../world.h"

#include "dict_entries.h"

enum { HOMES = 1024, KEYS = 1024 };

struct hash_case {
    const char *story;
    uint64_t    seed;
};

/* The next number from *number on whose text has home 0. */
static struct slice
next_key(char text[24], uint64_t *number)
{
    struct slice key;

    do {
        (void)snprintf(text, 24, "key-%llu", (unsigned long long)(*number)++);
        key = slice_text(text);
    } while ((map_hash(key) & (HOMES - 1)) != 0);
    return key;
}

static void
test_homes(void **state)
{
    const struct hash_case *row = *state;
    struct core_config      config = world_config;
    bool                    used[2][HOMES] = { { false } };
    uint32_t                homes = 0, same = 0;
    uint64_t                number = 0;
    struct dict            *dicts[2];
    struct core            *cores[2];
    char                    text[24];

    for (uint64_t i = 0; i < 2; i++) {
        config.seed[0] = row->seed + i;
        cores[i] = core_new(&config);
        dicts[i] = dict_new(cores[i]);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        struct slice key = next_key(text, &number);
        uint64_t     here = dict_hash(dicts[0], key) & (HOMES - 1);
        uint64_t     there = dict_hash(dicts[1], key) & (HOMES - 1);

        homes += !used[0][here];
        used[0][here] = true;
        same += here == there;
    }
    /* 1 - 1/e of them is what chance gives. */
    assert_in_range(homes, HOMES / 2, HOMES);
    assert_in_range(same, 0, 20);
    for (uint32_t i = 0; i < 2; i++) {
        free(dicts[i]);
        core_free(cores[i]);
    }
}

static const struct hash_case cases[] = {
    { "chosen keys do not collide", 1 },
    { "nor with another seed", 1u << 20 },
};

int
main(void)
{
    return STORIES("dict_hash", cases, test_homes);
}
