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

struct treap_node {
    uint64_t          key;
    struct treap_node *left, *right;
};

struct treap {
    struct treap_node *root;      /* NULL: empty; all zero is a tree */
    uint64_t          seed;      /* set before the first node comes */
    uint32_t          count;
};

/* Spreads a number that others may have chosen over 64 bits: one to one, and not
 * to be foreseen without the seed. */
uint64_t          treap_mix(uint64_t seed, uint64_t key);
void              treap_add(struct treap *tree, struct treap_node *node);   /* its key is new */
void              treap_remove(struct treap *tree, struct treap_node *node);
struct treap_node *treap_find(const struct treap *tree, uint64_t key);      /* NULL: none */
/* The first whose key is not below; NULL: none. */
struct treap_node *treap_from(const struct treap *tree, uint64_t key);

#endif
