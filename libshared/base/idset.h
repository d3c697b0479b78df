/* idset.h - a set of 32-bit numbers, small when empty or dense
 *
 * Pages of 4096 bits, allocated when first touched: a set over an array of a
 * billion tasks costs what its touched pages cost.
 */
#ifndef BASE_IDSET_H
#define BASE_IDSET_H

#include "map.h"

struct idset {
    struct map pages;      /* page number -> struct idset_page */
    uint64_t   count;
};

void idset_free(struct idset *set);
bool idset_has(const struct idset *set, uint32_t number);
bool idset_add(struct idset *set, uint32_t number);            /* false: was there */
bool idset_remove(struct idset *set, uint32_t number);         /* false: was not */
/* The smallest member >= from; false when there is none. */
bool idset_next(const struct idset *set, uint32_t from, uint32_t *number_out);
/* A canonical encoding (ascending runs as varints), and its strict counterpart. */
void idset_write(const struct idset *set, struct buffer *out);
struct reader;
bool idset_read(struct idset *set, struct reader *in);

#endif
