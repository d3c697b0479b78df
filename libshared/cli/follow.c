/* follow.c - see follow.h */
#include "follow.h"

#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"

enum {
    FOLLOW_BAR_MS = 100,
    FOLLOW_QUIET_MS = 1000,
    FOLLOW_CANCEL_MS = 15000,
    FOLLOW_MORE_MS = 200,
};
#define FOLLOW_HELD_BYTES_MAX (64ull << 20)

/* ---- one result ---- */

static bool
follow_show_held(struct follow *follow, struct held *held)
{
    bool ok = held->noted ? show_fetched(follow->show, held->index)
                          : show_result(follow->show, &held->result);

    follow->next = held->index + held->count;
    held_free(held);
    return ok;
}

static bool
follow_result(struct follow *follow, const struct muster_result *result)
{
    struct held *held;
    bool         ok;

    if (!follow->keep_order || result->index < follow->next)
        return show_result(follow->show, result);
    if (result->index > follow->next) {
        hold_put(&follow->hold, result);
        return true;
    }
    ok = show_result(follow->show, result);
    follow->next = result->index + (result->count > 0 ? result->count : 1);
    while (ok && (held = hold_take(&follow->hold, follow->next)) != NULL)
        ok = follow_show_held(follow, held);
    return ok;
}

/* At the end nothing may stay behind, whatever was missing before it. */
static void
follow_rest(struct follow *follow)
{
    size_t    count;
    uint32_t *indexes = hold_indexes(&follow->hold, &count);

    for (size_t i = 0; i < count && !cli_stdout_failed(); i++)
        (void)follow_show_held(follow, hold_take(&follow->hold, indexes[i]));
    free(indexes);
}

/* ---- stopping early ---- */

static muster_err
follow_cancel(struct follow *follow, bool hard)
{
    struct muster_error error = { 0 };
    uint64_t            count;
    muster_err          err;

    follow->cancelled = true;
    progress_erase(&follow->progress);
    if (follow->feeder != NULL)
        feeder_stop(follow->feeder);
    err = muster_job_cancel(follow->cli->session, follow->job, NULL, 0, hard, FOLLOW_CANCEL_MS,
                            &count, &error);
    /* It may have ended by itself meanwhile. */
    if (err == MUSTER_ERR_STATE)
        return MUSTER_OK;
    if (err)
        cli_fail(&error, "cancel job", "%" PRIu64, follow->job);
    return err;
}

/* Is there a reason to stop?  Then cancel, once. */
static muster_err
follow_check(struct follow *follow)
{
    if (follow->cancelled)
        return MUSTER_OK;
    if (cli_stdout_failed() && !follow->cancel)
        return MUSTER_ERR_IO;
    if (cli_stdout_failed())
        return follow_cancel(follow, true);
    if (cli_interrupted() && !follow->cancel)
        return MUSTER_ERR_INTERRUPTED;
    if (cli_interrupted()) {
        progress_erase(&follow->progress);
        cli_say("interrupted: cancelling job %" PRIu64 " (once more leaves at once)", follow->job);
        return follow_cancel(follow, false);
    }
    if (follow->feeder != NULL && feeder_failed(follow->feeder)) {
        progress_erase(&follow->progress);
        follow->feed_failed = true;
        cli_fail(&follow->feeder->error, "feed job", "%" PRIu64 " (cancelling it)", follow->job);
        return follow_cancel(follow, false);
    }
    return MUSTER_OK;
}

/* ---- the loop ---- */

/* Nothing came: let people see what there is. */
static void
follow_idle(struct follow *follow, const struct muster_results *results)
{
    muster_results_progress(results, &follow->counts, &follow->state);
    cli_flush();
    if (follow->show->joblog != NULL)
        fflush(follow->show->joblog);
    progress_show(&follow->progress, &follow->counts,
                  follow->feeder != NULL && !follow->feeder->done, clock_now_ms());
}

static muster_err
follow_next(struct follow *follow, struct muster_results *results, struct muster_result *result,
            struct muster_error *error)
{
    uint32_t   wait_ms = follow->progress.enabled ? FOLLOW_BAR_MS : FOLLOW_QUIET_MS;
    muster_err err = muster_results_next(results, MUSTER_NO_WAIT, result, error);

    if (err != MUSTER_ERR_TIMEOUT)
        return err;
    follow_idle(follow, results);
    return muster_results_next(results, wait_ms, result, error);
}

static muster_err
follow_results(struct follow *follow, struct muster_results *results, struct muster_error *error)
{
    for (uint32_t shown = 0;;) {
        struct muster_result result;
        muster_err           err = follow_check(follow);

        if (err)
            return err;
        if (cli_stdout_failed())
            return MUSTER_OK;
        err = follow_next(follow, results, &result, error);
        if (err == MUSTER_ERR_CLOSED)
            return MUSTER_OK;
        if (err && err != MUSTER_ERR_TIMEOUT && err != MUSTER_ERR_INTERRUPTED) {
            progress_erase(&follow->progress);
            cli_fail(error, "follow job", "%" PRIu64, follow->job);
            return err;
        }
        if (!err)
            (void)follow_result(follow, &result);
        if (err == MUSTER_ERR_TIMEOUT && follow->until_ms != 0 &&
            clock_now_ms() >= follow->until_ms)
            return MUSTER_ERR_TIMEOUT;
        /* A fast job never idles, but its bar shall move. */
        if (!err && follow->progress.enabled && ++shown % 64 == 0)
            follow_idle(follow, results);
    }
}

muster_err
follow_job(struct follow *follow)
{
    struct muster_results *results = NULL;
    struct muster_error    error = { 0 };
    muster_err             err;

    follow->hold.bytes_max = FOLLOW_HELD_BYTES_MAX;
    err = muster_results_open(follow->cli->session, follow->job, 0, follow->brief, &results,
                              &error);
    if (err) {
        cli_fail(&error, "follow job", "%" PRIu64, follow->job);
        return err;
    }
    err = follow_results(follow, results, &error);
    progress_erase(&follow->progress);
    muster_results_progress(results, &follow->counts, &follow->state);
    if (!err)
        follow_rest(follow);
    cli_flush();
    hold_free(&follow->hold);
    muster_results_close(results);
    return err;
}

/* ---- what is there now ---- */

static bool
ranges_hold(const struct muster_range *ranges, size_t count, uint32_t index)
{
    for (size_t i = 0; i < count; i++)
        if (index >= ranges[i].first && index <= ranges[i].last)
            return true;
    return count == 0;
}

muster_err
so_far_open(struct so_far *so_far, struct muster_session *session,
            const struct muster_job_info *info, bool brief, struct muster_error *error)
{
    const struct muster_counts *counts = &info->counts;

    *so_far = (struct so_far){
        .expected = (uint64_t)counts->succeeded + counts->failed + counts->cancelled,
    };
    return muster_results_open(session, info->job, 0, brief, &so_far->results, error);
}

muster_err
so_far_next(struct so_far *so_far, struct muster_result *result_out, struct muster_error *error)
{
    /* A retried job has more results than tasks that ended; they come at once. */
    uint32_t   wait_ms = so_far->seen < so_far->expected ? CLI_CALL_MS : FOLLOW_MORE_MS;
    muster_err err = muster_results_next(so_far->results, wait_ms, result_out, error);

    if (!err)
        so_far->seen += result_out->count > 0 ? result_out->count : 1;
    if (err == MUSTER_ERR_TIMEOUT && so_far->seen >= so_far->expected)
        return MUSTER_ERR_CLOSED;
    return err;
}

void
so_far_close(struct so_far *so_far)
{
    if (so_far->results != NULL)
        muster_results_close(so_far->results);
}

muster_err
follow_so_far(struct cli *cli, const struct muster_job_info *info, struct show *show,
              const struct muster_range *ranges, size_t range_count)
{
    struct follow       follow = { .cli = cli, .job = info->job, .show = show };
    struct so_far       so_far = { 0 };
    struct muster_error error = { 0 };
    muster_err          err;

    follow.hold.bytes_max = FOLLOW_HELD_BYTES_MAX;
    err = so_far_open(&so_far, cli->session, info, false, &error);
    while (!err) {
        struct muster_result result;

        err = so_far_next(&so_far, &result, &error);
        if (!err && ranges_hold(ranges, range_count, result.index))
            hold_put(&follow.hold, &result);
    }
    if (err != MUSTER_ERR_CLOSED)
        cli_fail(&error, "read the results of job", "%" PRIu64, info->job);
    else
        follow_rest(&follow);
    hold_free(&follow.hold);
    so_far_close(&so_far);
    return err == MUSTER_ERR_CLOSED ? MUSTER_OK : err;
}
