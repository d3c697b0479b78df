/* queue_work.c - see queue_work.h
 *
 * 1. An item is acknowledged when its command ended with 0, and given back when it
 *    did not; when this program dies the manager gives it back.
 * 2. While the command runs the reservation is renewed three times a term; when it
 *    was lost all the same, somebody else has the item, and the command is stopped.
 * 3. A command that cannot be started ends the work: it would not for the next item.
 */
#include "queue_work.h"

#include <inttypes.h>

#include "child.h"

enum {
    WORK_TERM_MS  = 30000,
    WORK_AGAIN_MS = 1000,
    WORK_CALL_MS  = 10000,      /* while a command runs, or to give back at the end */
};

static uint32_t
work_term_ms(const struct queue_work *work)
{
    return work->term_ms > 0 ? work->term_ms : WORK_TERM_MS;
}

/* The item belongs to others, or to nobody who is us: its term is over, its queue was
 * deleted, or the session that had it has ended. */
static bool
work_lost(muster_err err)
{
    return err == MUSTER_ERR_STALE || err == MUSTER_ERR_SESSION;
}

/* Wait for the command.  OK: *status_out is its exit code; STALE, SESSION: the item was
 * lost; INTERRUPTED. */
static muster_err
work_watch(const struct queue_work *work, const struct muster_item *item, struct child *child,
           int *status_out, struct muster_error *error)
{
    muster_err err;

    while (!child_wait(child, cli_interrupt_fd(), (int)(work_term_ms(work) / 3), status_out)) {
        if (cli_interrupted())
            err = error_set(error, MUSTER_ERR_INTERRUPTED, "item %" PRIu64 " goes back", item->id);
        else
            err = muster_queue_extend(work->queue, &item->id, 1, work_term_ms(work), WORK_CALL_MS,
                                      NULL, error);
        if (err == MUSTER_OK || err == MUSTER_ERR_TIMEOUT)
            continue;               /* away: the term may still hold; ask again */
        child_stop(child, status_out);
        return err;
    }
    return MUSTER_OK;
}

static muster_err
work_give_back(const struct queue_work *work, const struct muster_item *item, uint32_t timeout_ms,
               struct muster_error *error)
{
    return muster_queue_give_back(work->queue, &item->id, 1,
                                  work->delay_ms > 0 ? work->delay_ms : WORK_AGAIN_MS, timeout_ms,
                                  NULL, error);
}

/* What its exit code means for the item. */
static muster_err
work_end(const struct queue_work *work, const struct muster_item *item, int status,
         struct muster_error *error)
{
    if (status == 0)
        return muster_queue_ack(work->queue, &item->id, 1, MUSTER_FOREVER, NULL, error);
    cli_say("%s: item %" PRIu64 ": exit code %d; given back", work->name, item->id, status);
    return work_give_back(work, item, MUSTER_FOREVER, error);
}

static muster_err
work_item(const struct queue_work *work, const struct muster_item *item, int *status_out,
          struct muster_error *error)
{
    char                       id[64], times[64];
    const char *const          env[] = { id, times, NULL };
    const struct child_options options = { .args = work->args, .env = env, .input = item->data,
                                           .input_bytes = item->bytes };
    struct child               child;
    struct muster_error        ignored = { 0 };
    int                        status = 0;
    muster_err                 err;

    (void)snprintf(id, sizeof(id), "MUSTER_ITEM_ID=%" PRIu64, item->id);
    (void)snprintf(times, sizeof(times), "MUSTER_ITEM_TIMES=%" PRIu64, item->times);
    err = child_start(&options, &child, error);
    if (err) {
        *status_out = child_tell(work->name, error);
        return work_give_back(work, item, WORK_CALL_MS, error);
    }
    err = work_watch(work, item, &child, &status, error);
    if (!err)
        err = work_end(work, item, status, error);
    else if (!work_lost(err))
        (void)work_give_back(work, item, WORK_CALL_MS, &ignored);
    if (!work_lost(err))
        return err;
    cli_say("%s: item %" PRIu64 " was lost: whoever has it now does it again", work->name,
            item->id);
    return MUSTER_OK;
}

muster_err
queue_work_run(const struct queue_work *work, int *status_out, struct muster_error *error)
{
    struct muster_error ignored = { 0 };
    int                 status = EXIT_DONE;
    muster_err          err = MUSTER_OK;

    for (uint32_t i = 0; !err && status == EXIT_DONE && (work->count == 0 || i < work->count);
         i++) {
        struct muster_item item;

        err = muster_queue_reserve(work->queue, work_term_ms(work), work->timeout_ms, &item, error);
        if (err == MUSTER_ERR_EMPTY || err == MUSTER_ERR_CLOSED)
            return MUSTER_OK;
        if (err)
            break;
        if (cli_interrupted())
            (void)work_give_back(work, &item, WORK_CALL_MS, &ignored);
        else
            err = work_item(work, &item, &status, error);
        muster_item_free(&item);
        if (!err && cli_interrupted())
            err = error_set(error, MUSTER_ERR_INTERRUPTED, "%s", "");
    }
    if (!err)
        *status_out = status;
    return err;
}
