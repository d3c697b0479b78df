/* map.c - linear probing without tombstones
 *
 * 1. At most two thirds of the slots are used, so every search ends.
 * 2. No empty slot lies between an entry and the home of its key: removal
 *    moves the followers up instead of leaving a mark, so a map that lives
 *    for years under churn stays as quick as a new one.
 */
#include "map.h"

#include <assert.h>
#include <stdlib.h>

#define MAP_CAPACITY_MIN 16

_Static_assert(sizeof(size_t) == 8, "the cursor of a walk holds two 32-bit numbers");

void
map_free(struct map *map)
{
    free(map->slots);
    *map = (struct map){ 0 };
}

/* The slot that holds `key`, or the empty one where it would go. */
static size_t
map_find(const struct map *map, uint64_t key)
{
    size_t i = map_home(map, key);

    while (map->slots[i].value != NULL && map->slots[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return i;
}

static void
map_grow(struct map *map)
{
    struct map old = *map;

    map->capacity = old.capacity > 0 ? 2 * old.capacity : MAP_CAPACITY_MIN;
    assert(map->capacity <= UINT32_MAX);
    map->slots = base_array(map->capacity, sizeof(*map->slots));
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value != NULL)
            map->slots[map_find(map, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void
map_put(struct map *map, uint64_t key, void *value)
{
    struct map_slot *slot;

    assert(value != NULL);
    if (3 * (map->count + 1) > 2 * map->capacity)
        map_grow(map);
    slot = &map->slots[map_find(map, key)];
    if (slot->value == NULL)
        map->count++;
    *slot = (struct map_slot){ key, value };
}

void *
map_remove(struct map *map, uint64_t key)
{
    size_t mask = map->capacity - 1;
    size_t hole;
    void  *value;

    if (map->count == 0)
        return NULL;
    hole = map_find(map, key);
    value = map->slots[hole].value;
    if (value == NULL)
        return NULL;

    for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = map_home(map, map->slots[i].key);

        /* The entry may move up unless its home lies behind the hole. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct map_slot){ 0 };
    map->count--;
    return value;
}

/* Walks downwards from an empty slot: a removal moves entries up from slots
 * that were visited already and never across an empty one, so none is missed
 * and none comes twice.  The cursor is (empty slot) << 32 | (slots left + 1). */
void *
map_next(const struct map *map, size_t *cursor, uint64_t *key_out)
{
    size_t start = *cursor >> 32;
    size_t left;

    if (map->count == 0)
        return NULL;
    if (*cursor == 0) {
        while (map->slots[start].value != NULL)
            start++;
        left = map->capacity;
    } else {
        left = (*cursor & UINT32_MAX) - 1;
    }
    while (left > 0) {
        const struct map_slot *slot = &map->slots[(start + left) & (map->capacity - 1)];

        left--;
        if (slot->value == NULL)
            continue;
        *cursor = start << 32 | (left + 1);
        if (key_out != NULL)
            *key_out = slot->key;
        return slot->value;
    }
    *cursor = start << 32 | 1;
    return NULL;
}

uint64_t
map_hash(struct slice bytes)
{
    const uint8_t *data = bytes.data;
    uint64_t       hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < bytes.bytes; i++)
        hash = (hash ^ data[i]) * 0x100000001b3u;
    return hash;
}
