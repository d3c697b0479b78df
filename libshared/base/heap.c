/* heap.c - see heap.h
 *
 * 1. nodes[i]->place == i + 1 for every i below count.
 * 2. No node comes before its parent nodes[(i - 1) / 2].
 */
#include "heap.h"

#include <assert.h>
#include <stdlib.h>

void
heap_free(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){ 0 };
}

static bool
heap_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void
heap_set(struct heap *heap, uint32_t index, struct heap_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

/* Put `node`, whose place may be wrong, where it belongs, starting at `index`. */
static void
heap_settle(struct heap *heap, uint32_t index, struct heap_node *node)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;

        if (!heap_before(node, heap->nodes[parent]))
            break;
        heap_set(heap, index, heap->nodes[parent]);
        index = parent;
    }
    for (;;) {
        uint64_t child = 2 * (uint64_t)index + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!heap_before(heap->nodes[child], node))
            break;
        heap_set(heap, index, heap->nodes[child]);
        index = (uint32_t)child;
    }
    heap_set(heap, index, node);
}

void
heap_add(struct heap *heap, struct heap_node *node)
{
    void *items = heap->nodes;

    assert(node->place == 0);
    assert(heap->count < UINT32_MAX);
    base_grow(&items, &heap->capacity, heap->count + 1, sizeof(struct heap_node *));
    heap->nodes = items;
    heap->count++;
    heap_settle(heap, heap->count - 1, node);
}

void
heap_remove(struct heap *heap, struct heap_node *node)
{
    uint32_t          index = node->place - 1;
    struct heap_node *last;

    assert(node->place > 0 && node->place <= heap->count);
    assert(heap->nodes[index] == node);
    last = heap->nodes[--heap->count];
    node->place = 0;
    if (last != node)
        heap_settle(heap, index, last);
}

void
heap_update(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0) {
        heap_add(heap, node);
        return;
    }
    assert(node->place <= heap->count);
    assert(heap->nodes[node->place - 1] == node);
    heap_settle(heap, node->place - 1, node);
}

struct heap_node *
heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
