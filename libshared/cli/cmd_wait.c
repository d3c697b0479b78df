/* cmd_wait.c - muster wait JOB...: until they have ended; the status is theirs */
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "commands.h"
#include "exits.h"
#include "follow.h"
#include "joblog.h"
#include "json_out.h"
#include "parse.h"

enum { WAIT_LIST_MAX = 4096 };

struct wait_settings {
    uint64_t    timeout_ms;
    const char *joblog;
};

static const struct option wait_rows[] = {
    { 0, "timeout", "TIME", OPTION_DURATION, offsetof(struct wait_settings, timeout_ms), 0,
      "give up after so long (status 124); the job goes on", NAMES_NOTHING },
    { 0, "joblog", "FILE", OPTION_TEXT, offsetof(struct wait_settings, joblog), 0,
      "write a line per ended task in the columns of GNU parallel; the command is shown as "
      "submitted", NAMES_FILE },
    OPTIONS_END,
};
static const struct option_group wait_options = { "Options", wait_rows, false };
static const struct option_group *const wait_groups[] = { &wait_options, &cli_options, NULL };

static const struct example wait_examples[] = {
    { "as in a shell script", "job=$(muster submit --array 1-100 -- ./step {})\n"
                              "muster wait $job && muster output $job" },
    { "several; the failed tasks of all are counted", "muster wait 3 4 5" },
    { "the latest, or everything that has not ended", "muster wait last\nmuster wait all" },
    { "not for ever", "muster wait --timeout 10m $job || muster why $job" },
    EXAMPLES_END,
};

static const struct exit_row wait_exits[] = {
    { "0", "every task of every job succeeded" },
    { "1-101", "so many tasks failed; 101: that many or more" },
    { "N", "when one job with one task was asked for: the task's exit code; 128+N for signal N, "
           "124 over its --timeout, 126 and 127 not startable" },
    { "66", "there is no such job" },
    { "124", "--timeout has passed" },
    { "130", "a job was cancelled, or this program was interrupted" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

struct wait {
    struct cli           *cli;
    struct wait_settings *settings;
    uint64_t              until_ms;
    FILE                 *joblog;
    uint64_t             *jobs;
    size_t                job_count;
    uint64_t              failed;
    int                   other_status;    /* of a job that failed without failed tasks */
    int                   single_status;
    bool                  single;
};

static void
wait_tell(const struct wait *wait, const struct muster_job_info *info, const struct follow *follow)
{
    const struct muster_counts *counts = &follow->counts;

    if (wait->cli->json)
        return;
    cli_note(wait->cli, "job %" PRIu64 " %s: %u of %u tasks succeeded, %u failed, %u cancelled",
             info->job, muster_job_state_name(follow->state), counts->succeeded, counts->total,
             counts->failed, counts->cancelled);
}

static void
wait_count(struct wait *wait, const struct follow *follow, const struct show *show)
{
    int status = exit_of_counts(&follow->counts, follow->state);

    wait->failed += follow->counts.failed;
    if (follow->counts.failed == 0 && status != EXIT_DONE)
        wait->other_status = status;
    if (follow->counts.total == 1 && wait->job_count == 1 && show->has_single) {
        wait->single = true;
        wait->single_status = show->single_status;
    }
}

/* 0: it ended, whatever came of it. */
static int
wait_one(struct wait *wait, uint64_t job)
{
    struct muster_error    error = { 0 };
    struct muster_job_info info = { 0 };
    struct muster_job_info after = { 0 };
    struct show            show;
    struct follow          follow;
    const char            *function[2] = { NULL, NULL };
    muster_err             err;

    if (muster_job_get(wait->cli->session, job, CLI_CALL_MS, &info, &error))
        return cli_fail(&error, "look up job", "%" PRIu64, job);
    show = (struct show){ .cli = wait->cli, .job = info.job, .single = info.counts.total == 1,
                          .numbering = numbering_of(&info), .joblog = wait->joblog,
                          .args = (const char *const *)info.args, .silent = true };
    /* In a log of jobs a function stands where a command would. */
    function[0] = info.function;
    if (info.function[0] != '\0')
        show.args = function;
    follow = (struct follow){ .cli = wait->cli, .job = info.job, .show = &show, .brief = true,
                              .until_ms = wait->until_ms };
    err = follow_job(&follow);
    if (!err) {
        /* Its reason is known only now. */
        if (wait->cli->json &&
            muster_job_get(wait->cli->session, info.job, CLI_CALL_MS, &after, &error) == MUSTER_OK)
            json_out_print(json_of_job(&after, true));
        wait_count(wait, &follow, &show);
        wait_tell(wait, &info, &follow);
    }
    muster_job_info_free(&info);
    muster_job_info_free(&after);
    if (err == MUSTER_ERR_TIMEOUT)
        cli_note(wait->cli, "job %" PRIu64 " has not ended yet; see `muster why %" PRIu64 "`", job,
                 job);
    if (err == MUSTER_ERR_INTERRUPTED)
        cli_note(wait->cli, "interrupted; job %" PRIu64 " goes on", job);
    return err ? muster_err_exit_status(err) : EXIT_DONE;
}

/* ---- which jobs ---- */

static void
wait_add(struct wait *wait, uint64_t job)
{
    wait->jobs = base_realloc(wait->jobs, (wait->job_count + 1) * sizeof(*wait->jobs));
    wait->jobs[wait->job_count++] = job;
}

static int
wait_add_all(struct wait *wait)
{
    uint64_t before = 0;

    for (;;) {
        struct muster_error     error = { 0 };
        struct muster_job_info *infos = NULL;
        size_t                  count = 0;

        if (muster_job_list(wait->cli->session, before, WAIT_LIST_MAX, true, false, CLI_CALL_MS,
                            &infos, &count, &error))
            return cli_fail(&error, "list", "the unfinished jobs");
        for (size_t i = 0; i < count; i++)
            wait_add(wait, infos[i].job);
        if (count > 0)
            before = infos[count - 1].job;
        free(infos);
        if (count == 0)
            return EXIT_DONE;
    }
}

static int
wait_add_named(struct wait *wait, const char *text)
{
    struct muster_error    error = { 0 };
    struct muster_job_info info = { 0 };
    struct selector        selector = { 0 };

    if (selector_parse(text, &selector, &error))
        return cli_usage("wait", "%s", error.detail);
    if (selector.range_count > 0) {
        selector_free(&selector);
        return cli_usage("wait", "'%s': whole jobs are waited for; give the number of the job",
                         text);
    }
    if (selector.all)
        return wait_add_all(wait);
    if (muster_job_get(wait->cli->session, selector.job, CLI_CALL_MS, &info, &error))
        return cli_fail(&error, "look up job", "%s", text);
    wait_add(wait, info.job);
    muster_job_info_free(&info);
    return EXIT_DONE;
}

static int
wait_all(struct wait *wait, struct operands *operands)
{
    int status = cli_open(wait->cli);

    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(wait->cli);
    for (int i = 0; i < operands->count && status == EXIT_DONE; i++)
        status = wait_add_named(wait, operands->items[i]);
    for (size_t i = 0; i < wait->job_count && status == EXIT_DONE; i++)
        status = wait_one(wait, wait->jobs[i]);
    if (status != EXIT_DONE)
        return status;
    if (wait->single)
        return wait->single_status;
    if (wait->failed > 0)
        return wait->failed < EXIT_FAILED_TASKS_MAX ? (int)wait->failed : EXIT_FAILED_TASKS_MAX;
    return wait->other_status;
}

static int
wait_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct wait         wait = { .cli = cli, .settings = settings };
    struct muster_error error = { 0 };
    int                 status;

    if (!command_operands(&command_wait, operands, 1, WAIT_LIST_MAX))
        return EXIT_USAGE;
    if (wait.settings->timeout_ms != 0)
        wait.until_ms = clock_now_ms() + wait.settings->timeout_ms;
    if (wait.settings->joblog != NULL) {
        wait.joblog = fopen(wait.settings->joblog, "we");
        if (wait.joblog == NULL) {
            error_errno(&error, MUSTER_ERR_IO, "open");
            return cli_fail(&error, "write the joblog", "%s", wait.settings->joblog);
        }
        joblog_head(wait.joblog);
    }
    status = wait_all(&wait, operands);
    if (wait.joblog != NULL && fclose(wait.joblog) != 0) {
        error_errno(&error, MUSTER_ERR_IO, "write");
        status = cli_fail(&error, "write the joblog", "%s", wait.settings->joblog);
    }
    free(wait.jobs);
    return status;
}

const struct command command_wait = {
    .name = "wait",
    .usage = "[options] JOB...",
    .summary = "wait until jobs have ended; exit as they did",
    .text =
        "Waits for each of the jobs (`last` is your latest, `all` every unfinished one of "
        "yours) and exits as `muster run` would have. Interrupting it leaves the jobs alone.",
    .groups = wait_groups,
    .examples = wait_examples,
    .exits = wait_exits,
    .settings_bytes = sizeof(struct wait_settings),
    .run = wait_run,
};
