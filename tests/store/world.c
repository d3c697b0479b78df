/* world.c - see world.h */
#include "world.h"

#include <poll.h>
#include <string.h>

#include "files.h"
#include "stories.h"

muster_err
world_try_open(struct world *world)
{
    return world->durable ? store_open_sqlite(&world->config, &world->store, &world->error)
                          : store_open_memory(&world->config, &world->store, &world->error);
}

void
world_open(struct world *world)
{
    if (world_try_open(world))
        fail_msg("%s", world->error.detail);
}

void
world_close(struct world *world)
{
    if (store_close(world->store, &world->error))
        fail_msg("%s", world->error.detail);
    world->store = NULL;           /* stays so when the next opening is refused */
}

void
world_reopen(struct world *world)
{
    world_close(world);
    world_open(world);
}

void
world_wait(struct world *world, uint64_t turn)
{
    uint64_t committed = 0;

    while (committed < turn) {
        struct pollfd wait = { .fd = store_fd(world->store), .events = POLLIN };

        assert_int_equal(poll(&wait, 1, 10000), 1);
        if (store_committed(world->store, &committed, &world->error))
            fail_msg("%s", world->error.detail);
    }
}

uint64_t
world_body(struct world *world, uint64_t job, uint64_t number, const char *text)
{
    struct store_body body = { job, number, slice_text(text) };
    struct store_turn turn = { .bodies = &body, .body_count = 1 };

    return store_submit(world->store, &turn);
}

uint64_t
world_prune(struct world *world, uint64_t job)
{
    struct store_turn turn = { .pruned_jobs = &job, .pruned_count = 1 };

    return store_submit(world->store, &turn);
}

uint64_t
world_facts(struct world *world, const char *text)
{
    struct store_turn turn = { .facts = slice_text(text) };

    return store_submit(world->store, &turn);
}

void
world_expect(struct world *world, uint64_t job, uint64_t number, const char *text)
{
    struct buffer out = { 0 };
    muster_err    err;

    buffer_append_text(&out, "before ");
    err = store_read(world->store, job, number, &out, &world->error);
    if (text == NULL) {
        assert_int_equal(err, MUSTER_ERR_NOT_FOUND);
        assert_string_equal(buffer_text(&out), "before ");
    } else {
        if (err)
            fail_msg("%s", world->error.detail);
        assert_int_equal(strncmp(buffer_text(&out), "before ", 7), 0);
        assert_string_equal(buffer_text(&out) + 7, text);
    }
    buffer_free(&out);
}

struct buffer
world_path(const struct world *world, const char *name)
{
    struct buffer path = { 0 };

    buffer_printf(&path, "%s/%s", world->dir, name);
    (void)buffer_text(&path);
    return path;
}

struct stat
world_stat(const struct world *world, const char *name)
{
    struct buffer path = world_path(world, name);
    struct stat   info = { 0 };

    (void)lstat(buffer_text(&path), &info);
    buffer_free(&path);
    return info;
}

muster_err
told_object(void *context, const struct store_object *object)
{
    struct told *told = context;

    buffer_printf(&told->text, "%u.%llu=%.*s ", object->kind, (unsigned long long)object->id,
                  (int)object->bytes.bytes, (const char *)object->bytes.data);
    return told->answer;
}

muster_err
told_turn(void *context, uint64_t turn, struct slice facts)
{
    struct told *told = context;

    buffer_printf(&told->text, "%llu:%.*s ", (unsigned long long)turn, (int)facts.bytes,
                  facts.bytes > 0 ? (const char *)facts.data : "");
    return told->answer;
}

void
world_expect_told(struct world *world, const char *text)
{
    struct told told = { 0 };

    assert_int_equal(store_load(world->store, told_object, &told, &world->error), MUSTER_OK);
    assert_int_equal(store_replay(world->store, told_turn, &told, &world->error), MUSTER_OK);
    assert_string_equal(buffer_text(&told.text), text);
    buffer_free(&told.text);
}

void
world_run(bool durable, uint64_t cache_bytes, void (*story)(struct world *world))
{
    struct world world = { .durable = durable };

    strcpy(world.dir, "/tmp/muster-store-XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    world.config.path = world.durable ? world.dir : NULL;
    world.config.cache_bytes = cache_bytes;
    world_open(&world);
    story(&world);
    if (world.store != NULL)
        world_close(&world);
    assert_int_equal(file_remove_tree(world.dir, NULL), MUSTER_OK);
}
