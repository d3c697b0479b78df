/* heap.h - a binary heap of nodes that know their place
 *
 * The node is embedded in its owner, so that removal and a changed key cost
 * O(log n) and no search.  Equal keys come out in the order of `tie`.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include "buffer.h"

struct heap_node {
    uint64_t key;      /* smallest first */
    uint64_t tie;      /* then smallest tie */
    uint32_t place;    /* 0 = in no heap, else index + 1 */
};

struct heap {
    struct heap_node **nodes;
    uint32_t           count;
    uint32_t           capacity;
};

void              heap_free(struct heap *heap);                /* not the nodes */
void              heap_add(struct heap *heap, struct heap_node *node);
void              heap_remove(struct heap *heap, struct heap_node *node);
/* Call after node->key or node->tie changed; adds the node when it is in no heap. */
void              heap_update(struct heap *heap, struct heap_node *node);
struct heap_node *heap_first(const struct heap *heap);         /* NULL when empty */

#endif
