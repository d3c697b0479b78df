/* queue_work.c - see queue_work.h
 *
 * 1. An item is acknowledged when its command ended with 0, and given back when it
 *    did not; when this program dies the manager gives it back.
 * 2. While the command runs the reservation is renewed three times a term; when it
 *    was lost all the same, somebody else has the item, and the command is stopped.
 */
#include "queue_work.h"

#include <inttypes.h>

#include "child.h"

enum { WORK_TERM_MS = 30000, WORK_AGAIN_MS = 1000, WORK_CALL_MS = 10000 };

static uint32_t
work_term_ms(const struct queue_work *work)
{
    return work->term_ms > 0 ? work->term_ms : WORK_TERM_MS;
}

/* Run the command for one item.  OK: *status_out is its exit code; STALE: the item was
 * lost; INTERRUPTED; or it could not be started. */
static muster_err
work_command(const struct queue_work *work, const struct muster_item *item, int *status_out,
             struct muster_error *error)
{
    char                       id[64], times[64];
    const char *const          env[] = { id, times, NULL };
    const struct child_options options = { .args = work->args, .env = env, .input = item->data,
                                           .input_bytes = item->bytes };
    struct child               child;
    muster_err                 err;

    (void)snprintf(id, sizeof(id), "MUSTER_ITEM_ID=%" PRIu64, item->id);
    (void)snprintf(times, sizeof(times), "MUSTER_ITEM_TIMES=%" PRIu64, item->times);
    err = child_start(&options, &child, error);
    if (err)
        return err;
    while (!child_wait(&child, cli_interrupt_fd(), (int)(work_term_ms(work) / 3), status_out)) {
        if (cli_interrupted())
            err = error_set(error, MUSTER_ERR_INTERRUPTED, "item %" PRIu64 " goes back", item->id);
        else
            err = muster_queue_extend(work->queue, &item->id, 1, work_term_ms(work), WORK_CALL_MS,
                                      NULL, error);
        if (err == MUSTER_OK || err == MUSTER_ERR_TIMEOUT)
            continue;               /* away: the term may still hold; ask again */
        child_stop(&child, status_out);
        return err;
    }
    return MUSTER_OK;
}

static muster_err
work_give_back(const struct queue_work *work, const struct muster_item *item,
               struct muster_error *error)
{
    return muster_queue_give_back(work->queue, &item->id, 1,
                                  work->delay_ms > 0 ? work->delay_ms : WORK_AGAIN_MS, WORK_CALL_MS,
                                  NULL, error);
}

static muster_err
work_item(const struct queue_work *work, const struct muster_item *item,
          struct muster_error *error)
{
    struct muster_error ignored = { 0 };
    int                 status = 0;
    muster_err          err = work_command(work, item, &status, error);

    if (err == MUSTER_ERR_STALE) {
        cli_say("%s: item %" PRIu64 " was lost to others; its command was stopped", work->name,
                item->id);
        return MUSTER_OK;
    }
    if (err) {
        (void)work_give_back(work, item, &ignored);
        return err;
    }
    if (status == 0)
        err = muster_queue_ack(work->queue, &item->id, 1, WORK_CALL_MS, NULL, error);
    else {
        cli_say("%s: item %" PRIu64 ": exit code %d; given back", work->name, item->id, status);
        err = work_give_back(work, item, error);
    }
    /* Lost in the last moment: somebody else does it again. */
    return err == MUSTER_ERR_STALE ? MUSTER_OK : err;
}

muster_err
queue_work_run(const struct queue_work *work, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    for (uint32_t i = 0; !err && (work->count == 0 || i < work->count); i++) {
        struct muster_item item;

        err = muster_queue_reserve(work->queue, work_term_ms(work), work->timeout_ms, &item, error);
        if (err == MUSTER_ERR_EMPTY || err == MUSTER_ERR_CLOSED)
            return MUSTER_OK;
        if (err)
            break;
        err = work_item(work, &item, error);
        muster_item_free(&item);
        if (!err && cli_interrupted())
            err = error_set(error, MUSTER_ERR_INTERRUPTED, "%s", work->name);
    }
    return err;
}
