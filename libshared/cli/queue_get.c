/* queue_get.c - see queue_get.h
 *
 * 1. An item leaves the queue when it was written to stdout and not before: a closed
 *    pipe, a full disk, kill -9 of this program give back what was not.
 * 2. Large items stream; of the small ones as many travel at once as lie ready.
 */
#include "queue_get.h"

#include <stdlib.h>

#include "json_out.h"

enum {
    GET_AT_ONCE_MAX = 1024,
    GET_LARGE_BYTES = 128 * 1024,       /* larger ones travel in parts */
    /* Until they are printed, however slowly they are read; they go back when we die. */
    GET_TERM_MS     = 24 * 3600 * 1000,
};

struct get_stream {
    const struct queue_get *get;
    uint64_t                written, total;
};

static muster_err
get_write(void *context, const void *data, size_t bytes, uint64_t total)
{
    struct get_stream *stream = context;

    stream->written += bytes;
    stream->total = total;
    if (!cli_write(data, bytes))
        return MUSTER_ERR_IO;
    if (stream->written < total)
        return MUSTER_OK;
    return cli_write(&stream->get->separator, 1) && cli_flush() ? MUSTER_OK : MUSTER_ERR_IO;
}

/* One item of any size. */
static muster_err
get_streamed(const struct queue_get *get, uint32_t *count, bool *large_out,
             struct muster_error *error)
{
    struct get_stream   stream = { .get = get };
    struct muster_error ignored;
    muster_err          err = muster_queue_get_to(get->queue, get->timeout_ms, get_write, &stream,
                                                  error);

    if (err)
        return err;
    /* STATE: somebody else has told so already. */
    (void)!muster_queue_task_done(get->queue, 1, CLI_CALL_MS, &ignored);
    *count = 1;
    *large_out = stream.total > GET_LARGE_BYTES;
    return MUSTER_OK;
}

static bool
get_print(const struct queue_get *get, const struct muster_item *item)
{
    json_t *object;

    if (!get->json)
        return cli_write(item->data, item->bytes) && cli_write(&get->separator, 1);
    object = json_object();
    json_object_set_new(object, "id", json_of_number(item->id));
    json_object_set_new(object, "times", json_of_number(item->times));
    json_out_bytes(object, "item", item->data, item->bytes);
    return json_out_line(object);
}

/* As many as lie ready, at most *count: lent, printed, then taken. */
static muster_err
get_block(const struct queue_get *get, uint32_t *count, bool *large_out,
          struct muster_error *error)
{
    struct muster_item *items = calloc(GET_AT_ONCE_MAX, sizeof(*items));
    uint64_t           *ids = calloc(GET_AT_ONCE_MAX, sizeof(*ids));
    size_t              given = 0;
    bool                printed = true;
    muster_err          err;

    if (items == NULL || ids == NULL)
        err = error_set(error, MUSTER_ERR_NO_MEMORY, "%s", "");
    else
        err = muster_queue_reserve_many(get->queue,
                                        *count < GET_AT_ONCE_MAX ? *count : GET_AT_ONCE_MAX,
                                        GET_TERM_MS, get->timeout_ms, items, &given, error);
    for (size_t i = 0; i < given; i++) {
        printed = printed && get_print(get, &items[i]);
        *large_out = items[i].bytes > GET_LARGE_BYTES;
        ids[i] = items[i].id;
        muster_item_free(&items[i]);
    }
    if (!err && printed && cli_flush())
        err = muster_queue_ack(get->queue, ids, given, CLI_CALL_MS, NULL, error);
    else if (!err)
        err = muster_queue_give_back(get->queue, ids, given, 0, CLI_CALL_MS, NULL, error);
    *count = (uint32_t)given;
    free(items);
    free(ids);
    return err;
}

muster_err
queue_get_run(const struct queue_get *get, struct muster_error *error)
{
    bool       large = true;            /* nobody knows yet */
    muster_err err = MUSTER_OK;

    for (uint32_t left = get->count; !err && left > 0 && !cli_stdout_failed();) {
        uint32_t count = left;

        err = large && !get->json ? get_streamed(get, &count, &large, error)
                                  : get_block(get, &count, &large, error);
        left -= err ? 0 : count;
    }
    return cli_stdout_failed() ? MUSTER_OK : err;
}
