/* disk.c - see disk.h */
#include "disk.h"

#include <stdlib.h>

#include "map.h"

struct disk_object {
    uint32_t      kind;
    uint64_t      id;
    bool          gone;
    struct buffer bytes;
};

struct disk_objects {
    struct disk_object *items;
    uint32_t            count, capacity;
};

struct disk_turn {
    uint64_t            number;
    uint64_t            digest;
    struct buffer       facts;
    struct buffer       pruned;        /* u64 jobs */
    bool                checkpoint;
    struct disk_objects objects;       /* of the checkpoint */
};

struct disk_body {
    uint64_t      job, number, turn;
    struct buffer bytes;
};

struct store {
    struct sim         *sim;
    struct disk_turn   *turns;         /* behind the checkpoint, ascending */
    uint32_t            turn_count, turn_capacity;
    struct disk_objects objects;       /* of the last durable checkpoint */
    struct map          bodies;        /* disk_key() -> struct disk_body */
    uint64_t            last;
    uint64_t            committed;
    uint64_t            digest;        /* at `committed` */
};

static void
objects_free(struct disk_objects *objects)
{
    for (uint32_t i = 0; i < objects->count; i++)
        buffer_free(&objects->items[i].bytes);
    free(objects->items);
    *objects = (struct disk_objects){ 0 };
}

static void
turn_free(struct disk_turn *turn)
{
    buffer_free(&turn->facts);
    buffer_free(&turn->pruned);
    objects_free(&turn->objects);
}

static uint64_t
disk_key(uint64_t job, uint64_t number)
{
    assert(number < (uint64_t)1 << 32);
    return job << 32 | number;
}

struct store *
disk_new(struct sim *sim)
{
    struct store *disk = base_alloc(sizeof(*disk));

    disk->sim = sim;
    return disk;
}

static void
body_free(struct disk_body *body)
{
    buffer_free(&body->bytes);
    free(body);
}

void
disk_free(struct store *disk)
{
    struct disk_body *body;
    size_t            cursor = 0;

    while ((body = map_next(&disk->bodies, &cursor, NULL)) != NULL)
        body_free(body);
    map_free(&disk->bodies);
    for (uint32_t i = 0; i < disk->turn_count; i++)
        turn_free(&disk->turns[i]);
    free(disk->turns);
    objects_free(&disk->objects);
    free(disk);
}

/* ---- writing ---- */

static struct disk_object *
objects_add(struct disk_objects *objects, uint32_t kind, uint64_t id)
{
    void *items = objects->items;

    base_grow(&items, &objects->capacity, objects->count + 1, sizeof(*objects->items));
    objects->items = items;
    objects->items[objects->count] = (struct disk_object){ .kind = kind, .id = id };
    return &objects->items[objects->count++];
}

static void
disk_object(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct disk_object *object = objects_add(context, kind, id);

    object->gone = bytes.data == NULL;
    buffer_append_slice(&object->bytes, bytes);
}

static void
disk_bodies(struct store *disk, const struct effects *fx)
{
    for (uint32_t i = 0; i < fx->body_count; i++) {
        const struct effect_body *from = &fx->bodies[i];
        uint64_t                  key = disk_key(from->job, from->number);
        struct disk_body         *body;

        if (map_get(&disk->bodies, key) != NULL)
            sim_fail(disk->sim, "body %llu of job %llu is written twice",
                     (unsigned long long)from->number, (unsigned long long)from->job);
        body = base_alloc(sizeof(*body));
        body->job = from->job;
        body->number = from->number;
        body->turn = disk->last;
        buffer_append(&body->bytes, fx->arena.data + from->offset, from->bytes);
        map_put(&disk->bodies, key, body);
    }
}

uint64_t
disk_submit(struct store *disk, const struct effects *fx, struct core *core, uint64_t digest,
            bool checkpoint)
{
    struct disk_turn *turn;
    void             *turns = disk->turns;

    base_grow(&turns, &disk->turn_capacity, disk->turn_count + 1, sizeof(*disk->turns));
    disk->turns = turns;
    turn = &disk->turns[disk->turn_count++];
    *turn = (struct disk_turn){ .number = ++disk->last, .digest = digest,
                                .checkpoint = checkpoint };
    buffer_append_slice(&turn->facts, buffer_slice(&fx->facts));
    buffer_append(&turn->pruned, fx->pruned, fx->pruned_count * sizeof(*fx->pruned));
    disk_bodies(disk, fx);
    if (checkpoint)
        core_checkpoint(core, disk_object, &turn->objects);
    return turn->number;
}

/* ---- becoming durable ---- */

static void
disk_prune(struct store *disk, uint64_t job)
{
    struct disk_body *body;
    size_t            cursor = 0;
    uint64_t          key;

    while ((body = map_next(&disk->bodies, &cursor, &key)) != NULL) {
        if (body->job != job)
            continue;
        map_remove(&disk->bodies, key);
        body_free(body);
    }
}

static void
disk_replace(struct store *disk, struct disk_object *changed)
{
    struct disk_objects *objects = &disk->objects;
    uint32_t             i = 0;

    while (i < objects->count &&
           (objects->items[i].kind != changed->kind || objects->items[i].id != changed->id))
        i++;
    if (i < objects->count) {
        buffer_free(&objects->items[i].bytes);
        objects->items[i] = objects->items[--objects->count];
    }
    if (changed->gone)
        return;
    objects_add(objects, changed->kind, changed->id)->bytes = changed->bytes;
    changed->bytes = (struct buffer){ 0 };
}

/* A durable checkpoint: its objects count, the log up to it is not needed. */
static void
disk_checkpoint(struct store *disk, uint32_t index)
{
    struct disk_objects *changed = &disk->turns[index].objects;
    uint32_t             left = disk->turn_count - index - 1;

    for (uint32_t i = 0; i < changed->count; i++)
        disk_replace(disk, &changed->items[i]);
    for (uint32_t i = 0; i <= index; i++)
        turn_free(&disk->turns[i]);
    memmove(disk->turns, disk->turns + index + 1, left * sizeof(*disk->turns));
    disk->turn_count = left;
}

void
disk_commit(struct store *disk, uint64_t turn)
{
    assert(turn <= disk->last);
    for (uint32_t i = 0; i < disk->turn_count && disk->turns[i].number <= turn; i++) {
        const struct buffer *pruned = &disk->turns[i].pruned;

        if (disk->turns[i].number <= disk->committed)
            continue;
        disk->committed = disk->turns[i].number;
        disk->digest = disk->turns[i].digest;
        for (size_t at = 0; at < pruned->bytes; at += sizeof(uint64_t)) {
            uint64_t job;

            memcpy(&job, pruned->data + at, sizeof(job));
            disk_prune(disk, job);
        }
        if (disk->turns[i].checkpoint) {
            disk_checkpoint(disk, i);
            i = UINT32_MAX;        /* start again at the new front */
        }
    }
}

void
disk_crash(struct store *disk)
{
    struct disk_body *body;
    size_t            cursor = 0;
    uint64_t          key;

    while (disk->turn_count > 0 && disk->turns[disk->turn_count - 1].number > disk->committed)
        turn_free(&disk->turns[--disk->turn_count]);
    while ((body = map_next(&disk->bodies, &cursor, &key)) != NULL) {
        if (body->turn <= disk->committed)
            continue;
        map_remove(&disk->bodies, key);
        body_free(body);
    }
    disk->last = disk->committed;
}

uint64_t
disk_turn(const struct store *disk)
{
    return disk->last;
}

/* ---- reading ---- */

static int
object_order(const void *left, const void *right)
{
    const struct disk_object *a = left;
    const struct disk_object *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

void
disk_recover(struct store *disk, struct core *core)
{
    struct sim *sim = disk->sim;
    muster_err  err = MUSTER_OK;

    if (disk->objects.count > 0)
        qsort(disk->objects.items, disk->objects.count, sizeof(*disk->objects.items),
              object_order);
    for (uint32_t i = 0; !err && i < disk->objects.count; i++) {
        const struct disk_object *object = &disk->objects.items[i];

        err = core_load(core, object->kind, object->id, buffer_slice(&object->bytes));
    }
    for (uint32_t i = 0; !err && i < disk->turn_count; i++)
        err = core_replay(core, buffer_slice(&disk->turns[i].facts));
    /* With all objects loaded and no turn behind them: connect them. */
    if (!err)
        err = core_replay(core, slice_of(NULL, 0));
    if (err)
        sim_fail(sim, "a restart cannot read what was written: %s", muster_err_name(err));
    core_check(core);
    if (disk->committed > 0 && core_digest(core) != disk->digest)
        sim_fail(sim, "a restart at turn %llu differs from what was there",
                 (unsigned long long)disk->committed);
}

/* The manager's way to bodies (store.h). */
muster_err
store_read(struct store *store, uint64_t job, uint64_t number, struct buffer *out,
           struct muster_error *error)
{
    const struct disk_body *body = map_get(&store->bodies, disk_key(job, number));

    if (body == NULL)
        return error_set(error, MUSTER_ERR_NOT_FOUND, "body %llu of job %llu",
                         (unsigned long long)number, (unsigned long long)job);
    buffer_append_slice(out, buffer_slice(&body->bytes));
    return MUSTER_OK;
}
