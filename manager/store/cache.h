/* cache.h - bodies in memory: the hot ones, and those on their way to the disk
 *
 * 1. A pinned body stays, whatever the budget: it is not durable yet.
 * 2. Bodies without a pin are dropped, the longest unused first, while the
 *    cache is over its budget.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "list.h"
#include "map.h"

struct cache_body {
    struct list        used;        /* in cache.used while not pinned */
    struct list        of_job;
    struct cache_body *collision;   /* next of equal hash */
    uint64_t           job;
    uint64_t           number;
    size_t             bytes;
    bool               pinned;
    bool               dropped;     /* out of the cache; freed when unpinned */
    uint8_t            data[];
};

struct cache {
    struct map  bodies;             /* hash of (job, number) -> struct cache_body */
    struct map  jobs;               /* job -> struct list of its bodies */
    struct list used;               /* longest unused first */
    uint64_t    bytes;
    uint64_t    bytes_max;
};

void               cache_init(struct cache *cache, uint64_t bytes_max);
/* No body may be pinned any more. */
void               cache_free(struct cache *cache);
/* Copy the body; replaces one of the same name.  Returns the pinned body, and
 * NULL for one that is not pinned: it may be dropped again at once. */
struct cache_body *cache_add(struct cache *cache, uint64_t job, uint64_t number,
                             struct slice bytes, bool pinned);
/* NULL when it is not here; lives until the next call. */
struct cache_body *cache_get(struct cache *cache, uint64_t job, uint64_t number);
void               cache_unpin(struct cache *cache, struct cache_body *body);
/* Drop all bodies of the job. */
void               cache_prune(struct cache *cache, uint64_t job);

#endif
