/* memory.c - a store that lives as long as its process
 *
 * For tests and throw-away fleets.  Nothing can be loaded or replayed after a
 * restart, so facts and objects are not kept; bodies are.
 */
#include "backend.h"

#include <stdlib.h>
#include <string.h>

#include "map.h"

struct memory_body {
    size_t  bytes;
    uint8_t data[];
};

struct memory {
    struct backend backend;
    struct map     jobs;           /* job -> struct map of number -> struct memory_body */
};

static struct memory *
memory_of(struct backend *backend)
{
    return (struct memory *)(void *)backend;
}

static void
memory_job_free(struct map *bodies)
{
    struct memory_body *body;
    size_t              cursor = 0;

    if (bodies == NULL)
        return;
    while ((body = map_next(bodies, &cursor, NULL)) != NULL)
        free(body);
    map_free(bodies);
    free(bodies);
}

static muster_err
memory_load(struct backend *backend, store_object_fn *each, void *context,
            struct muster_error *error)
{
    (void)backend;
    (void)each;
    (void)context;
    (void)error;
    return MUSTER_OK;
}

static muster_err
memory_replay(struct backend *backend, store_turn_fn *each, void *context,
              struct muster_error *error)
{
    (void)backend;
    (void)each;
    (void)context;
    (void)error;
    return MUSTER_OK;
}

static muster_err
memory_write_body(struct memory *memory, const struct store_body *given,
                  struct muster_error *error)
{
    struct map         *bodies = map_get(&memory->jobs, given->job);
    struct memory_body *body;

    if (bodies == NULL) {
        bodies = base_alloc(sizeof(*bodies));
        map_put(&memory->jobs, given->job, bodies);
    }
    if (map_get(bodies, given->number) != NULL)
        return error_set(error, MUSTER_ERR_INTERNAL, "body %llu of job %llu is written twice",
                         (unsigned long long)given->number, (unsigned long long)given->job);
    body = base_alloc(sizeof(*body) + given->bytes.bytes);
    body->bytes = given->bytes.bytes;
    if (body->bytes > 0)
        memcpy(body->data, given->bytes.data, body->bytes);
    map_put(bodies, given->number, body);
    return MUSTER_OK;
}

static muster_err
memory_write(struct backend *backend, uint64_t number, const struct store_turn *turn,
             struct muster_error *error)
{
    struct memory *memory = memory_of(backend);
    muster_err     err = MUSTER_OK;

    (void)number;
    for (uint32_t i = 0; i < turn->body_count && !err; i++)
        err = memory_write_body(memory, &turn->bodies[i], error);
    for (uint32_t i = 0; i < turn->pruned_count && !err; i++)
        memory_job_free(map_remove(&memory->jobs, turn->pruned_jobs[i]));
    return err;
}

static muster_err
memory_read(struct backend *backend, uint64_t job, uint64_t number, struct buffer *out,
            struct muster_error *error)
{
    const struct map         *bodies = map_get(&memory_of(backend)->jobs, job);
    const struct memory_body *body = bodies != NULL ? map_get(bodies, number) : NULL;

    if (body == NULL)
        return error_set(error, MUSTER_ERR_NOT_FOUND, "no body %llu of job %llu",
                         (unsigned long long)number, (unsigned long long)job);
    buffer_append(out, body->data, body->bytes);
    return MUSTER_OK;
}

static muster_err
memory_close(struct backend *backend, bool failed, struct muster_error *error)
{
    struct memory *memory = memory_of(backend);
    struct map    *bodies;
    size_t         cursor = 0;

    (void)failed;
    (void)error;
    while ((bodies = map_next(&memory->jobs, &cursor, NULL)) != NULL)
        memory_job_free(bodies);
    map_free(&memory->jobs);
    free(memory);
    return MUSTER_OK;
}

static const struct backend_rules memory_rules = {
    .durable = false,
    .load = memory_load,
    .replay = memory_replay,
    .write = memory_write,
    .read = memory_read,
    .close = memory_close,
};

muster_err
store_open_memory(const struct store_config *config, struct store **store_out,
                  struct muster_error *error)
{
    struct memory *memory = base_alloc(sizeof(*memory));

    memory->backend.rules = &memory_rules;
    return store_front_open(&memory->backend, config, 0, store_out, error);
}
