/* seen.h - which answers have arrived and are still to be told in OBJECT_SEEN
 *
 * 1. Kept as ranges of numbers in which nothing waits for an answer any more, so that
 *    requests that go on waiting cost nothing: they lie between ranges.
 * 2. An answer adds one range at most, and a message tells one range at least: the
 *    cost per answer does not depend on how many wait.
 * Pure: no lock, no clock.
 */
#ifndef CLIENT_SEEN_H
#define CLIENT_SEEN_H

#include "wire.h"

struct seen_range {
    uint64_t from, below;
};

struct seen {
    struct seen_range *ranges;       /* told ... count are to be told */
    uint32_t           told, count, capacity;
    bool               mixed;        /* in no order */
};

void seen_free(struct seen *seen);
void seen_clear(struct seen *seen);
/* No request from `from` up to, but not with, `below` waits for an answer. */
void seen_add(struct seen *seen, uint64_t from, uint64_t below);
static inline bool
seen_empty(const struct seen *seen)
{
    return seen->told == seen->count;
}
/* The next message, which counts as said; `ids` holds its list.  False: nothing is left. */
bool seen_next(struct seen *seen, struct msg_object_seen *m_out, struct buffer *ids);

#endif
