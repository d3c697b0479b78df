/* map.h - open addressing from a 64-bit key to a pointer
 *
 * For the hot path: no allocation per entry, one cache line per hit.  Key 0 is
 * allowed; a NULL value is not.  Names are mapped with uthash where they are
 * looked up rarely, or with map_hash() and a check of the name in the object.
 * Iteration order is a function of the history of calls alone (no addresses),
 * so that a simulation replays from its seed.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "buffer.h"

struct map {
    struct map_slot *slots;
    size_t           capacity;   /* 0 or a power of two */
    size_t           count;
};

void   map_free(struct map *map);                              /* not the values */
void  *map_get(const struct map *map, uint64_t key);           /* NULL when absent */
void   map_put(struct map *map, uint64_t key, void *value);    /* replaces */
void  *map_remove(struct map *map, uint64_t key);              /* NULL when absent */
/* Walk: start with *cursor = 0; NULL at the end.  Removing the entry just
 * returned is allowed; adding is not. */
void  *map_next(const struct map *map, size_t *cursor, uint64_t *key_out);
uint64_t map_hash(struct slice bytes);                         /* FNV-1a, 64 bit */

#endif
