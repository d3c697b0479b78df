/* hold.h - results that came before their turn
 *
 * 1. Results are kept by index; a later one of the same index replaces it.
 * 2. Outputs are kept up to a budget.  Beyond it a result is only noted and
 *    fetched again from the manager when its turn comes, so that memory stays
 *    bounded however late the first task ends.
 */
#ifndef HOLD_H
#define HOLD_H

#include <muster/job.h>

#include "map.h"

struct held {
    uint32_t              index;
    uint32_t              count;
    bool                  noted;      /* nothing else is known: fetch it */
    struct muster_result  result;     /* only when not noted */
};

struct hold {
    struct map by_index;
    uint64_t   bytes;
    uint64_t   bytes_max;
};

void         hold_put(struct hold *hold, const struct muster_result *result);
/* Take one out; NULL when it is not here.  Then held_free(). */
struct held *hold_take(struct hold *hold, uint32_t index);
void         held_free(struct held *held);
/* All indexes, ascending; an array for free(). */
uint32_t    *hold_indexes(const struct hold *hold, size_t *count_out);
void         hold_free(struct hold *hold);

#endif
