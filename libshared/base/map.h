/* map.h - open addressing from a 64-bit key to a pointer
 *
 * For the hot path: no allocation per entry, one cache line per hit.  Key 0 is
 * allowed; a NULL value is not.  Names are mapped with map_hash() and a check of
 * the name in the object.
 * Iteration order is a function of the history of calls alone (no addresses),
 * so that a simulation replays from its seed.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "buffer.h"

struct map_slot {
    uint64_t key;
    void    *value;              /* NULL: the slot is empty */
};

struct map {
    struct map_slot *slots;
    size_t           capacity;   /* 0 or a power of two */
    size_t           count;
};

void   map_free(struct map *map);                              /* not the values */
void   map_put(struct map *map, uint64_t key, void *value);    /* replaces */
void  *map_remove(struct map *map, uint64_t key);              /* NULL when absent */
/* Walk: start with *cursor = 0; NULL at the end.  Removing the entry just
 * returned is allowed; adding is not. */
void  *map_next(const struct map *map, size_t *cursor, uint64_t *key_out);
uint64_t map_hash(struct slice bytes);                         /* FNV-1a, 64 bit */

/* The slot where the search for a key begins.  The multiplication spreads
 * counted-up ids over the high bits; the shift brings those down. */
static inline size_t
map_home(const struct map *map, uint64_t key)
{
    uint64_t mixed = key * 0x9e3779b97f4a7c15u;

    return (size_t)(mixed ^ mixed >> 32) & (map->capacity - 1);
}

static inline void *                                           /* NULL when absent */
map_get(const struct map *map, uint64_t key)
{
    if (map->count == 0)
        return NULL;
    for (size_t i = map_home(map, key);; i = (i + 1) & (map->capacity - 1)) {
        const struct map_slot *slot = &map->slots[i];

        if (slot->value == NULL || slot->key == key)
            return slot->value;
    }
}

#endif
