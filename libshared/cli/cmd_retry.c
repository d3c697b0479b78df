/* cmd_retry.c - muster retry JOB[.TASKS]: queue tasks that have ended again */
#include <inttypes.h>

#include "commands.h"
#include "json_out.h"
#include "select.h"

struct retry_settings {
    bool failed;
};

static const struct option retry_rows[] = {
    { 'f', "failed", NULL, OPTION_FLAG, offsetof(struct retry_settings, failed), 0,
      "only those that failed or were cancelled", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group retry_options = { "Options", retry_rows, false };
static const struct option_group *const retry_groups[] = { &retry_options, &cli_options, NULL };

static const struct example retry_examples[] = {
    { "what failed, once more", "muster retry 3 --failed && muster wait 3" },
    { "some tasks, whatever became of them", "muster retry 3.7,9-12" },
    { "the whole job", "muster retry last" },
    EXAMPLES_END,
};

static int
retry_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct retry_settings *wanted = settings;
    struct muster_error          error = { 0 };
    struct selected              selected = { 0 };
    uint64_t                     count = 0;
    int                          status;

    if (!command_operands(&command_retry, operands, 1, 1))
        return EXIT_USAGE;
    status = selected_get(cli, "retry", operands->items[0], &selected);
    if (status == EXIT_DONE &&
        muster_job_retry(cli->session, selected.info.job, selected.ranges,
                         selected.selector.range_count, wanted->failed, CLI_CALL_MS, &count,
                         &error))
        status = cli_fail(&error, "retry", "%s", operands->items[0]);
    else if (status == EXIT_DONE && cli->json)
        json_out_print(json_pack("{s:I, s:I}", "job", (json_int_t)selected.info.job, "queued",
                                 (json_int_t)count));
    else if (status == EXIT_DONE)
        cli_note(cli, "job %" PRIu64 ": %" PRIu64 " tasks queued again", selected.info.job, count);
    selected_free(&selected);
    return status;
}

const struct command command_retry = {
    .name = "retry",
    .usage = "JOB[.TASKS] [--failed]",
    .summary = "queue tasks that have ended again",
    .text =
        "Their earlier results stay in the job's history; `muster output` and `muster tasks` "
        "show the latest.",
    .groups = retry_groups,
    .examples = retry_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct retry_settings),
    .run = retry_run,
};
