/* treap.c - a treap: by key from left to right, by rank from the root down
 *
 * 1. A node's rank is its mixed key: no two are equal, and none is above its parent's.
 */
#include "treap.h"

#include <assert.h>
#include <stddef.h>

/* Two rounds of a mixer that is one to one (that of splitmix64). */
uint64_t
treap_mix(uint64_t seed, uint64_t key)
{
    uint64_t mixed = key ^ seed;

    for (int round = 0; round < 2; round++) {
        mixed += 0x9e3779b97f4a7c15u ^ seed;
        mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
        mixed ^= mixed >> 31;
    }
    return mixed;
}

static uint64_t
rank_of(const struct treap *tree, const struct treap_node *node)
{
    return treap_mix(tree->seed, node->key);
}

void
treap_add(struct treap *tree, struct treap_node *node)
{
    struct treap_node **at = &tree->root;
    struct treap_node **low = &node->left;
    struct treap_node **high = &node->right;
    struct treap_node  *rest;
    uint64_t           rank = rank_of(tree, node);

    while (*at != NULL && rank_of(tree, *at) > rank)
        at = node->key < (*at)->key ? &(*at)->left : &(*at)->right;
    /* All that was here comes under it, on one side or the other. */
    rest = *at;
    *at = node;
    while (rest != NULL) {
        assert(rest->key != node->key);
        if (rest->key < node->key) {
            *low = rest;
            low = &rest->right;
            rest = rest->right;
        } else {
            *high = rest;
            high = &rest->left;
            rest = rest->left;
        }
    }
    *low = *high = NULL;
    tree->count++;
}

void
treap_remove(struct treap *tree, struct treap_node *node)
{
    struct treap_node **at = &tree->root;
    struct treap_node  *left = node->left;
    struct treap_node  *right = node->right;

    while (*at != node) {
        assert(*at != NULL);
        at = node->key < (*at)->key ? &(*at)->left : &(*at)->right;
    }
    while (left != NULL && right != NULL) {
        if (rank_of(tree, left) > rank_of(tree, right)) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    }
    *at = left != NULL ? left : right;
    node->left = node->right = NULL;
    tree->count--;
}

struct treap_node *
treap_from(const struct treap *tree, uint64_t key)
{
    struct treap_node *found = NULL;

    for (struct treap_node *at = tree->root; at != NULL;) {
        if (at->key < key) {
            at = at->right;
        } else {
            found = at;
            at = at->left;
        }
    }
    return found;
}

struct treap_node *
treap_find(const struct treap *tree, uint64_t key)
{
    struct treap_node *found = treap_from(tree, key);

    return found != NULL && found->key == key ? found : NULL;
}
