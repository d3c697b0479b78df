/* map_async.c - map_async: a future for each item, and one callback for all
 *
 * 1. Made of the public calls of pool.h and future.h alone.
 * 2. `left` counts futures that have not ended; callbacks of a session run one at a
 *    time, and the one that makes it zero is the last to look at the map, unless the
 *    program still has it.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "pool.h"

struct muster_map {
    struct muster_future **futures;      /* by item */
    size_t                 count;
    atomic_size_t          left;
    muster_map_callback   *callback;
    void                  *context;
};

static void
map_one_ended(void *context, struct muster_future *future)
{
    struct muster_map *map = context;

    (void)future;
    if (atomic_fetch_sub(&map->left, 1) == 1)
        map->callback(map->context, map);
}

/* What was fed before something failed is wanted by nobody. */
static void
map_withdraw(struct muster_map *map)
{
    struct muster_error ignored;
    bool                cancelled;

    for (size_t i = 0; i < map->count; i++) {
        if (muster_future_cancel(map->futures[i], MUSTER_NO_WAIT, &cancelled, &ignored))
            break;                       /* nobody answers: it runs for nothing */
    }
    muster_map_free(map);
}

muster_err
muster_pool_map_async(struct muster_pool *pool, const char *function,
                      const struct muster_item_in *items, size_t count, uint32_t timeout_ms,
                      muster_map_callback *callback, void *context, struct muster_map **map_out,
                      struct muster_error *error)
{
    uint64_t           deadline_ms = deadline_after(timeout_ms);
    struct muster_map *map;

    if (count > TASKS_PER_JOB_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "%zu items; at most %u are allowed", count,
                         (unsigned)TASKS_PER_JOB_MAX);
    map = base_alloc(sizeof(*map));
    map->futures = base_array(count, sizeof(*map->futures));
    map->callback = callback;
    map->context = context;
    atomic_init(&map->left, count);
    for (; map->count < count; map->count++) {
        const struct muster_item_in *item = &items[map->count];
        muster_err err = muster_pool_submit(pool, function, item->data, item->bytes,
                                            timeout_left(deadline_ms),
                                            &map->futures[map->count], error);

        if (err) {
            map_withdraw(map);
            return err;
        }
    }
    *map_out = map;
    /* Last: the callback may come, and free it, before this returns. */
    for (size_t i = 0; callback != NULL && i < count; i++)
        muster_future_add_done_callback(map->futures[i], map_one_ended, map);
    return MUSTER_OK;
}

void
muster_map_free(struct muster_map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->count; i++)
        muster_future_free(map->futures[i]);
    free(map->futures);
    free(map);
}

/* ---- what became of it ---- */

bool
muster_map_ready(const struct muster_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        if (!muster_future_done(map->futures[i]))
            return false;
    }
    return true;
}

muster_err
muster_map_wait(struct muster_map *map, uint32_t timeout_ms, struct muster_error *error)
{
    uint64_t deadline_ms = deadline_after(timeout_ms);

    for (size_t i = 0; i < map->count; i++) {
        muster_err err = muster_future_wait(map->futures[i], timeout_left(deadline_ms), error);

        if (err)
            return err;
    }
    return MUSTER_OK;
}

muster_err
muster_map_successful(const struct muster_map *map, bool *successful_out,
                      struct muster_error *error)
{
    bool all = true;

    for (size_t i = 0; i < map->count; i++) {
        bool       one = false;
        muster_err err = muster_future_successful(map->futures[i], &one, error);

        if (err)
            return err;
        all = all && one;
    }
    *successful_out = all;
    return MUSTER_OK;
}

muster_err
muster_map_results(struct muster_map *map, uint32_t timeout_ms, struct muster_bytes **results_out,
                   struct muster_error *error)
{
    uint64_t             deadline_ms = deadline_after(timeout_ms);
    struct muster_bytes *results;
    muster_err           err = muster_map_wait(map, timeout_ms, error);

    if (err)
        return err;
    results = base_array(map->count, sizeof(*results));
    for (size_t i = 0; i < map->count && !err; i++)
        err = muster_future_result(map->futures[i], timeout_left(deadline_ms), &results[i], error);
    if (err) {
        muster_list_free(results, map->count);
        return err;
    }
    *results_out = results;
    return MUSTER_OK;
}
