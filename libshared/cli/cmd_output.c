/* cmd_output.c - muster output JOB[.TASK]: what tasks printed */
#include <inttypes.h>

#include "commands.h"
#include "follow.h"
#include "select.h"

struct output_settings {
    bool stderr_stream, follow, tag;
};

#define AT(field) offsetof(struct output_settings, field)

static const struct option output_rows[] = {
    { 0, "stderr", NULL, OPTION_FLAG, AT(stderr_stream), 0,
      "what the tasks wrote to stderr instead of stdout", NAMES_NOTHING },
    { 'f', "follow", NULL, OPTION_FLAG, AT(follow), 0,
      "one task: its output while it runs; a job: each output as tasks end, until all have",
      NAMES_NOTHING },
    { 0, "tag", NULL, OPTION_FLAG, AT(tag), 0,
      "begin each line with the number of the task and a tab", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group output_options = { "Options", output_rows, false };
static const struct option_group *const output_groups[] = { &output_options, &cli_options, NULL };

static const struct example output_examples[] = {
    { "all tasks that have ended, in the order of their numbers", "muster output 3" },
    { "one task; some tasks", "muster output 3.7\nmuster output 3.1-10,15" },
    { "what it complained about", "muster output --stderr last.7" },
    { "watch a task that runs", "muster output --follow 3.7" },
    { "exit codes and outputs as JSON, one line per task",
      "muster output --json 3 | jq -r .stdout" },
    EXAMPLES_END,
};

static muster_err
output_sink(void *context, const void *data, size_t bytes)
{
    (void)context;
    return cli_write(data, bytes) && cli_flush() ? MUSTER_OK : MUSTER_ERR_IO;
}

static int
output_follow_task(struct cli *cli, const struct selected *selected, bool stderr_stream)
{
    struct muster_error error = { 0 };
    uint32_t            index = selected->ranges[0].first;
    muster_err          err;

    cli_catch_interrupts(cli);
    if (cli_interrupted())
        return EXIT_INTERRUPTED;
    err = muster_output_follow(cli->session, selected->info.job, index, stderr_stream,
                               MUSTER_FOREVER, output_sink, NULL, &error);
    if (err == MUSTER_ERR_INTERRUPTED || cli_interrupted())
        return EXIT_INTERRUPTED;
    if (cli_stdout_failed())
        return EXIT_PIPE_CLOSED;
    if (err)
        return cli_fail(&error, "follow task", "%" PRIu64 ".%" PRIu64, selected->info.job,
                        numbering_number(selected->numbering, index));
    return EXIT_DONE;
}

static int
output_follow_job(struct cli *cli, struct show *show)
{
    struct follow follow = { .cli = cli, .job = show->job, .show = show };
    muster_err    err;

    cli_catch_interrupts(cli);
    err = follow_job(&follow);
    if (cli_stdout_failed())
        return EXIT_PIPE_CLOSED;
    return err ? muster_err_exit_status(err) : EXIT_DONE;
}

/* One task: its result alone, without reading those of the whole job. */
static int
output_one(struct cli *cli, struct show *show, uint32_t index)
{
    struct muster_error   error = { 0 };
    struct muster_result *result = NULL;

    if (muster_result_get(cli->session, show->job, index, CLI_CALL_MS, &result, &error))
        return cli_fail(&error, "fetch the output of task", "%" PRIu64 ".%" PRIu64, show->job,
                        numbering_number(show->numbering, index));
    (void)show_result(show, result);
    muster_result_free(result);
    return EXIT_DONE;
}

static int
output_selected(struct cli *cli, const struct output_settings *settings,
                const struct selected *selected)
{
    const struct muster_counts *counts = &selected->info.counts;
    uint32_t    left = counts->total - counts->succeeded - counts->failed - counts->cancelled;
    struct show show = {
        .cli = cli, .job = selected->info.job, .numbering = selected->numbering,
        .tag = settings->tag,
        .streams = settings->stderr_stream ? SHOW_STDERR_AS_STDOUT : SHOW_STDOUT_ONLY,
    };
    bool        one = selector_is_one(&selected->selector);
    muster_err  err;

    if (settings->follow && selected->ranges != NULL && !one)
        return cli_usage("output", "--follow takes one task or a whole job");
    if (settings->follow && one && !cli->json && !settings->tag)
        return output_follow_task(cli, selected, settings->stderr_stream);
    if (settings->follow && !one)
        return output_follow_job(cli, &show);
    if (one)
        return output_one(cli, &show, selected->ranges[0].first);
    err = follow_so_far(cli, &selected->info, &show, selected->ranges,
                        selected->selector.range_count);
    if (err)
        return muster_err_exit_status(err);
    if (selected->ranges == NULL && (left > 0 || selected->info.open))
        cli_note(cli, "%u tasks of job %" PRIu64 " have not ended yet", left, show.job);
    return EXIT_DONE;
}

static int
output_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct selected selected = { 0 };
    int             status;

    if (!command_operands(&command_output, operands, 1, 1))
        return EXIT_USAGE;
    status = selected_get(cli, "output", operands->items[0], &selected);
    if (status == EXIT_DONE)
        status = output_selected(cli, settings, &selected);
    selected_free(&selected);
    return status;
}

const struct command command_output = {
    .name = "output",
    .alias = "cat",
    .usage = "JOB[.TASKS] [--stderr] [--follow]",
    .summary = "print what tasks wrote",
    .text =
        "Prints the kept output of the tasks that have ended, in the order of their numbers; "
        "of a task that was tried again, that of its last attempt. Of a longer output than "
        "the job's --output-max the middle is missing, which is said in its place. `muster "
        "cat` is the same command.",
    .groups = output_groups,
    .examples = output_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct output_settings),
    .run = output_run,
};
