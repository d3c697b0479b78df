/* idset.h - a set of 32-bit numbers, small when sparse and when dense
 *
 * Pages of 4096 bits in ascending order.  A page without a member does not
 * exist and a full page holds no bits, so that a set over an array of a
 * billion tasks costs what its partly filled pages cost.
 */
#ifndef BASE_IDSET_H
#define BASE_IDSET_H

#include "buffer.h"

struct idset_page {
    uint64_t *words;       /* NULL: every bit is set */
    uint32_t  number;      /* member / 4096 */
    uint32_t  count;       /* 1..4096 */
};

struct idset {
    struct idset_page *pages;
    uint32_t           page_count;
    uint32_t           page_capacity;
    uint64_t           count;          /* members */
};

void idset_free(struct idset *set);
bool idset_has(const struct idset *set, uint32_t number);
bool idset_add(struct idset *set, uint32_t number);            /* false: was there */
bool idset_remove(struct idset *set, uint32_t number);         /* false: was not */
/* Add from..last, both included; some may be members already. */
void idset_add_range(struct idset *set, uint32_t from, uint32_t last);
/* Take from..last away, both included; some may be no members. */
void idset_remove_range(struct idset *set, uint32_t from, uint32_t last);
/* The smallest member >= from; false when there is none. */
bool idset_next(const struct idset *set, uint32_t from, uint32_t *number_out);
/* The smallest number >= from that is no member. */
uint64_t idset_run_end(const struct idset *set, uint32_t from);
/* How many members follow each other from `from` on; at most `max`, and looks no
 * further. */
uint32_t idset_run(const struct idset *set, uint32_t from, uint32_t max);
/* A canonical encoding, and its strict counterpart, which empties the set first:
 * the number of runs, then for each run how many numbers lie between it and
 * the run before (0 only before the first) and its length, all varints. */
void idset_write(const struct idset *set, struct buffer *out);
struct reader;
bool idset_read(struct idset *set, struct reader *in);

#endif
