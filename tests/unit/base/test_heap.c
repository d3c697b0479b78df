/* test_heap.c - nodes come out in order, whatever happened to them inside
 *
 * Method: add all nodes, then do the row's share of removals and key changes,
 * then empty the heap and compare with the order of (key, tie).
 */
#include "stories.h"

#include "heap.h"

#define NODES 500

struct heap_case {
    const char *story;
    uint32_t    keys;               /* how many different keys */
    unsigned    remove_percent;
    unsigned    change_percent;
};

static const struct heap_case heap_cases[] = {
    { "different keys",                 UINT32_MAX, 0,  0 },
    { "equal keys follow their tie",    1,          0,  0 },
    { "few keys",                       7,          0,  0 },
    { "some removed",                   100,        40, 0 },
    { "some changed",                   100,        0,  40 },
    { "some removed, some changed",     20,         30, 60 },
    { "all removed",                    20,         100, 0 },
};

struct item {
    uint32_t         payload;
    struct heap_node node;
};

static uint64_t noise_state;

static uint32_t
noise(uint32_t below)
{
    noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((noise_state >> 33) % below);
}

static void
test_heap(void **state)
{
    const struct heap_case *row = *state;
    static struct item      items[NODES];
    struct heap             heap = { 0 };
    struct heap_node        last = { 0 };
    uint32_t                expected = NODES;
    struct heap_node       *node;

    noise_state = 1;
    for (uint32_t i = 0; i < NODES; i++) {
        items[i] = (struct item){ i, { .key = noise(row->keys), .tie = i } };
        heap_update(&heap, &items[i].node);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (noise(100) < row->remove_percent) {
            heap_remove(&heap, &items[i].node);
            assert_int_equal(items[i].node.place, 0);
            expected--;
        } else if (noise(100) < row->change_percent) {
            items[i].node.key = noise(row->keys);
            heap_update(&heap, &items[i].node);
        }
    }
    assert_int_equal(heap.count, expected);
    while ((node = heap_first(&heap)) != NULL) {
        assert_true(node->key > last.key || (node->key == last.key && node->tie >= last.tie));
        assert_int_equal(CONTAINER(node, struct item, node)->payload, node->tie);
        last = *node;
        heap_remove(&heap, node);
        expected--;
    }
    assert_int_equal(expected, 0);
    heap_free(&heap);
}

int
main(void)
{
    return STORIES("heap", heap_cases, test_heap);
}
