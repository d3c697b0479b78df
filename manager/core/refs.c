/* refs.c - growing lists of bodies
 *
 * 1. A list only grows, so that what a checkpoint stored of its full chunks
 *    stays right.
 */
#include "state.h"

void
refs_add(struct refs **refs, const struct ref *ref)
{
    struct refs *list = *refs;
    uint32_t     count = refs_count(list);

    assert(ref->body != 0);
    if (list == NULL || count == list->capacity) {
        /* Most jobs have one block: start with one, then double. */
        uint32_t capacity = count > 0 ? 2 * count : 1;

        list = base_realloc(list, sizeof(*list) + capacity * sizeof(list->items[0]));
        if (count == 0) {
            list->saved = 0;
            list->changed = false;
        }
        list->count = count;
        list->capacity = capacity;
        *refs = list;
    }
    list->items[list->count++] = *ref;
}

const struct ref *
refs_find(const struct refs *refs, uint32_t at, uint32_t *hint)
{
    uint32_t low = 0;
    uint32_t high = refs_count(refs);

    if (high == 0 || refs->items[0].a > at)
        return NULL;
    /* Items are leased in order: the one found last, or its neighbour. */
    for (uint32_t i = *hint; i < high && i <= *hint + 1; i++) {
        if (refs->items[i].a <= at && (i + 1 == high || refs->items[i + 1].a > at)) {
            *hint = i;
            return &refs->items[i];
        }
    }
    while (low + 1 < high) {
        uint32_t middle = low + (high - low) / 2;

        if (refs->items[middle].a <= at)
            low = middle;
        else
            high = middle;
    }
    *hint = low;
    return &refs->items[low];
}
