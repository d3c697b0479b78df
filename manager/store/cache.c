/* cache.c - see cache.h */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#include "heap.h"

static uint64_t
cache_hash(uint64_t job, uint64_t number)
{
    const uint64_t name[2] = { job, number };

    return map_hash(slice_of(name, sizeof(name)));
}

/* What a body costs, with its share of the maps. */
static uint64_t
cache_cost(const struct cache_body *body)
{
    return sizeof(*body) + body->bytes + 2 * sizeof(struct list) + 2 * sizeof(struct map_slot);
}

void
cache_init(struct cache *cache, uint64_t bytes_max)
{
    *cache = (struct cache){ .bytes_max = bytes_max };
    list_init(&cache->used);
}

static void
cache_unlink_hash(struct cache *cache, struct cache_body *body)
{
    uint64_t           hash = cache_hash(body->job, body->number);
    struct cache_body *first = map_get(&cache->bodies, hash);

    if (first == body) {
        (void)map_remove(&cache->bodies, hash);
        if (body->collision != NULL)
            map_put(&cache->bodies, hash, body->collision);
        return;
    }
    while (first->collision != body)
        first = first->collision;
    first->collision = body->collision;
}

/* Nobody finds it here any more; a pinned one lives on for its turn. */
static void
cache_drop(struct cache *cache, struct cache_body *body)
{
    struct list *job = map_get(&cache->jobs, body->job);

    assert(!body->dropped);
    cache_unlink_hash(cache, body);
    list_remove(&body->of_job);
    if (list_empty(job)) {
        (void)map_remove(&cache->jobs, body->job);
        free(job);
    }
    cache->bytes -= cache_cost(body);
    body->dropped = true;
    if (body->pinned)
        return;
    list_remove(&body->used);
    free(body);
}

static void
cache_shrink(struct cache *cache)
{
    while (cache->bytes > cache->bytes_max && !list_empty(&cache->used))
        cache_drop(cache, CONTAINER(cache->used.next, struct cache_body, used));
}

static struct cache_body *
cache_find(const struct cache *cache, uint64_t job, uint64_t number)
{
    struct cache_body *body = map_get(&cache->bodies, cache_hash(job, number));

    while (body != NULL && (body->job != job || body->number != number))
        body = body->collision;
    return body;
}

struct cache_body *
cache_add(struct cache *cache, uint64_t job, uint64_t number, struct slice bytes, bool pinned)
{
    struct cache_body *body = base_alloc(sizeof(*body) + bytes.bytes);
    struct cache_body *old = cache_find(cache, job, number);
    struct list       *siblings;
    uint64_t           hash = cache_hash(job, number);

    if (old != NULL)
        cache_drop(cache, old);
    body->job = job;
    body->number = number;
    body->bytes = bytes.bytes;
    body->pinned = pinned;
    if (bytes.bytes > 0)
        memcpy(body->data, bytes.data, bytes.bytes);

    siblings = map_get(&cache->jobs, job);
    if (siblings == NULL) {
        siblings = base_alloc(sizeof(*siblings));
        list_init(siblings);
        map_put(&cache->jobs, job, siblings);
    }
    list_append(siblings, &body->of_job);
    body->collision = map_get(&cache->bodies, hash);
    map_put(&cache->bodies, hash, body);
    cache->bytes += cache_cost(body);
    if (pinned)
        return body;
    list_append(&cache->used, &body->used);
    cache_shrink(cache);
    return NULL;
}

struct cache_body *
cache_get(struct cache *cache, uint64_t job, uint64_t number)
{
    struct cache_body *body = cache_find(cache, job, number);

    if (body != NULL && !body->pinned) {
        list_remove(&body->used);
        list_append(&cache->used, &body->used);
    }
    return body;
}

void
cache_unpin(struct cache *cache, struct cache_body *body)
{
    assert(body->pinned);
    body->pinned = false;
    if (body->dropped) {
        free(body);
        return;
    }
    list_append(&cache->used, &body->used);
    cache_shrink(cache);
}

void
cache_prune(struct cache *cache, uint64_t job)
{
    struct list *siblings;

    /* The list goes with its last body. */
    while ((siblings = map_get(&cache->jobs, job)) != NULL)
        cache_drop(cache, CONTAINER(siblings->next, struct cache_body, of_job));
}

void
cache_free(struct cache *cache)
{
    while (!list_empty(&cache->used))
        cache_drop(cache, CONTAINER(cache->used.next, struct cache_body, used));
    assert(cache->bodies.count == 0);
    map_free(&cache->bodies);
    map_free(&cache->jobs);
}
