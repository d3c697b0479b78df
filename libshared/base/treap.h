/* treap.h - things in the order of a number, wherever in it they come and go
 *
 * Intrusive: a node lies in the thing itself, so nothing is allocated.  Adding,
 * removing and finding take O(log n) steps whatever the order of the numbers:
 * the tree is a treap, whose shape follows from the numbers and the seed.  Whoever
 * does not know the seed cannot choose numbers that make it deep.  What a caller
 * sees does not depend on the seed.
 */
#ifndef BASE_TREAP_H
#define BASE_TREAP_H

#include <stdbool.h>
#include <stdint.h>

struct tree_node {
    uint64_t          key;
    struct tree_node *left, *right;
};

struct tree {
    struct tree_node *root;      /* NULL: empty; all zero is a tree */
    uint64_t          seed;      /* set before the first node comes */
    uint32_t          count;
};

/* Spreads a number that others may have chosen over 64 bits: one to one, and not
 * to be foreseen without the seed. */
uint64_t          tree_mix(uint64_t seed, uint64_t key);
void              tree_add(struct tree *tree, struct tree_node *node);   /* its key is new */
void              tree_remove(struct tree *tree, struct tree_node *node);
struct tree_node *tree_find(const struct tree *tree, uint64_t key);      /* NULL: none */
/* The first whose key is not below; NULL: none. */
struct tree_node *tree_from(const struct tree *tree, uint64_t key);

#endif
