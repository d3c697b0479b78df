/* seen.c - see seen.h */
#include "seen.h"

#include <stdlib.h>

/* Two ranges go in one message when the numbers between them, as exceptions, take no
 * more bytes than another message. */
enum { SEEN_GAP_MAX = 4 };

void
seen_free(struct seen *seen)
{
    free(seen->ranges);
    *seen = (struct seen){ 0 };
}

void
seen_clear(struct seen *seen)
{
    seen->told = seen->count = 0;
    seen->mixed = false;
}

static bool
range_touches(const struct seen_range *a, const struct seen_range *b)
{
    return a->from <= b->below && b->from <= a->below;
}

static void
range_join(struct seen_range *range, const struct seen_range *other)
{
    if (other->from < range->from)
        range->from = other->from;
    if (other->below > range->below)
        range->below = other->below;
}

void
seen_add(struct seen *seen, uint64_t from, uint64_t below)
{
    struct seen_range range = { from, below };

    if (from >= below)
        return;
    while (!seen_empty(seen) && range_touches(&seen->ranges[seen->count - 1], &range))
        range_join(&range, &seen->ranges[--seen->count]);
    if (seen_empty(seen))
        seen_clear(seen);
    else if (range.from < seen->ranges[seen->count - 1].from)
        seen->mixed = true;
    base_grow((void **)&seen->ranges, &seen->capacity, seen->count + 1, sizeof(range));
    seen->ranges[seen->count++] = range;
}

static int
range_compare(const void *a, const void *b)
{
    const struct seen_range *x = a;
    const struct seen_range *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

/* In order, and none touches another. */
static void
seen_sort(struct seen *seen)
{
    struct seen_range *ranges = seen->ranges + seen->told;
    uint32_t           count = seen->count - seen->told;
    uint32_t           last = 0;

    qsort(ranges, count, sizeof(*ranges), range_compare);
    for (uint32_t i = 1; i < count; i++) {
        if (range_touches(&ranges[last], &ranges[i]))
            range_join(&ranges[last], &ranges[i]);
        else
            ranges[++last] = ranges[i];
    }
    seen->count = seen->told + last + 1;
    seen->mixed = false;
}

bool
seen_next(struct seen *seen, struct msg_object_seen *m_out, struct buffer *ids)
{
    struct msg_object_seen m = { 0 };

    if (seen_empty(seen))
        return false;
    if (seen->mixed)
        seen_sort(seen);
    buffer_clear(ids);
    m.from = seen->ranges[seen->told].from;
    m.below = seen->ranges[seen->told++].below;
    while (!seen_empty(seen)) {
        const struct seen_range *next = &seen->ranges[seen->told];
        uint64_t                 gap = next->from - m.below;

        if (gap > SEEN_GAP_MAX || m.except.count + gap > SEEN_EXCEPT_MAX)
            break;
        for (uint64_t request = m.below; request < next->from; request++)
            wire_put_id(ids, &(struct wire_id){ request });
        m.except.count += (uint32_t)gap;
        m.below = next->below;
        seen->told++;
    }
    m.except.bytes = buffer_slice(ids);
    if (seen_empty(seen))
        seen_clear(seen);
    *m_out = m;
    return true;
}
