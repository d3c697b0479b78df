/* test_treap.c - nodes are found in order, whatever the order in which they come
 *
 * Method: add, remove and look up at random beside an array that knows who is there;
 * then the depth, which must stay small for numbers in any order.
 */
#include "stories.h"

#include "treap.h"

enum { NODES = 4096, STEPS = 40000, DEPTH_MAX = 60 };

struct treap_case {
    const char *story;
    uint64_t    first, step;           /* key of node i: first + i * step */
    uint64_t    seed;
};

static const struct treap_case cases[] = {
    { "rising",                 1,              1,                  0 },
    { "falling",                1000000,        (uint64_t)-1,       7 },
    { "far apart",              0,              (uint64_t)1 << 50,  9 },
    { "around the largest",     UINT64_MAX,     (uint64_t)-1,       3 },
};

static struct treap_node nodes[NODES];
static bool             there[NODES];

static uint32_t
depth(const struct treap_node *node)
{
    uint32_t left, right;

    if (node == NULL)
        return 0;
    left = depth(node->left);
    right = depth(node->right);
    return 1 + (left > right ? left : right);
}

/* The lowest key from `key` on of those that are there. */
static struct treap_node *
expected(uint64_t key)
{
    struct treap_node *best = NULL;

    for (uint32_t i = 0; i < NODES; i++) {
        if (there[i] && nodes[i].key >= key && (best == NULL || nodes[i].key < best->key))
            best = &nodes[i];
    }
    return best;
}

static void
test_treap(void **state)
{
    const struct treap_case *row = *state;
    struct treap             tree = { .seed = row->seed };
    uint64_t                random = 1;
    uint32_t                count = 0;

    for (uint32_t i = 0; i < NODES; i++) {
        nodes[i] = (struct treap_node){ .key = row->first + i * row->step };
        there[i] = true;
        treap_add(&tree, &nodes[i]);
    }
    assert_int_equal(tree.count, NODES);
    assert_in_range(depth(tree.root), 12, DEPTH_MAX);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t at;

        random = random * 6364136223846793005u + 1442695040888963407u;
        at = (uint32_t)(random >> 33) % NODES;
        assert_ptr_equal(treap_find(&tree, nodes[at].key), there[at] ? &nodes[at] : NULL);
        if (there[at])
            treap_remove(&tree, &nodes[at]);
        else
            treap_add(&tree, &nodes[at]);
        there[at] = !there[at];
        if (i % 64 == 0)
            assert_ptr_equal(treap_from(&tree, nodes[at].key), expected(nodes[at].key));
    }
    for (struct treap_node *node = treap_from(&tree, 0); node != NULL;
         node = node->key < UINT64_MAX ? treap_from(&tree, node->key + 1) : NULL) {
        assert_true(there[node - nodes]);
        count++;
    }
    assert_int_equal(count, tree.count);
    while (tree.root != NULL)
        treap_remove(&tree, tree.root);
    assert_int_equal(tree.count, 0);
}

/* The same numbers, another tree: nobody can foresee the deep ones. */
static void
test_seed(void **state)
{
    uint32_t equal = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        equal += (treap_mix(1, i) & 15) == (treap_mix(2, i) & 15);
    assert_in_range(equal, 30, 100);
}

int
main(void)
{
    static const struct treap_case seeds[] = { { "the seed decides", 0, 0, 0 } };

    return STORIES("treap", cases, test_treap) + STORIES("seed", seeds, test_seed);
}
