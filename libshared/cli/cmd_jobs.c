/* cmd_jobs.c - muster jobs: a line per job */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "json_out.h"
#include "parse.h"
#include "table.h"

enum { JOBS_SHOWN_DEFAULT = 100, JOBS_PER_CALL = 1000 };

struct jobs_settings {
    uint32_t max;
    bool     all, unfinished;
};

#define AT(field) offsetof(struct jobs_settings, field)

static const struct option jobs_rows[] = {
    { 'u', "unfinished", NULL, OPTION_FLAG, AT(unfinished), 0, "only jobs that have not ended",
      NAMES_NOTHING },
    { 'a', "all", NULL, OPTION_FLAG, AT(all), 0, "jobs of everyone (role admin)", NAMES_NOTHING },
    { 'n', "max", "N", OPTION_COUNT, AT(max), 0,
      "the newest N; default 100 in a table, without limit with --json or -q", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group jobs_options = { "Options", jobs_rows, false };
static const struct option_group *const jobs_groups[] = { &jobs_options, &cli_options, NULL };

static const struct example jobs_examples[] = {
    { "your jobs, newest first", "muster jobs" },
    { "what has not ended, everyone's", "muster jobs --unfinished --all" },
    { "ids alone, for scripts", "muster cancel $(muster jobs -q --unfinished)" },
    { "names of failed jobs",
      "muster jobs --json | jq -r '.[] | select(.state == \"failed\").name'" },
    EXAMPLES_END,
};

static const struct table_column jobs_columns[] = {
    { "JOB", TABLE_RIGHT }, { "STATE", TABLE_LEFT }, { "TASKS", TABLE_RIGHT },
    { "DONE", TABLE_RIGHT }, { "FAILED", TABLE_RIGHT }, { "RUNNING", TABLE_RIGHT },
    { "AGE", TABLE_RIGHT }, { "OWNER", TABLE_LEFT }, { "NAME", TABLE_LEFT },
};

struct jobs {
    struct cli           *cli;
    struct jobs_settings *settings;
    struct table          table;
    json_t               *array;
    uint64_t              now_ms;
};

static void
jobs_show(struct jobs *jobs, const struct muster_job_info *info)
{
    const struct muster_counts *counts = &info->counts;
    uint64_t                    age_ms = 0;
    char                        age[16];

    if (jobs->cli->json) {
        json_array_append_new(jobs->array, json_of_job(info, false));
        return;
    }
    if (jobs->cli->quiet) {
        printf("%" PRIu64 "\n", info->job);
        return;
    }
    if (jobs->now_ms > info->submitted_unix_ms)
        age_ms = (jobs->now_ms - info->submitted_unix_ms) / 1000 * 1000;
    table_cell(&jobs->table, "%" PRIu64, info->job);
    table_cell(&jobs->table, "%s", muster_job_state_name(info->state));
    table_cell(&jobs->table, "%u%s", counts->total, info->open ? "+" : "");
    table_cell(&jobs->table, "%u", counts->succeeded + counts->failed + counts->cancelled);
    table_cell(&jobs->table, "%u", counts->failed);
    table_cell(&jobs->table, "%u", counts->running);
    table_cell(&jobs->table, "%s", age_ms == 0 ? "0s" : format_duration(age, age_ms));
    table_cell(&jobs->table, "%s", info->owner);
    table_cell(&jobs->table, "%s", info->name);
}

static int
jobs_gather(struct jobs *jobs, uint32_t max)
{
    uint64_t before = 0;
    uint32_t shown = 0;

    while (shown < max) {
        struct muster_error     error = { 0 };
        struct muster_job_info *infos = NULL;
        size_t                  count = 0;
        uint32_t                want = max - shown < JOBS_PER_CALL ? max - shown : JOBS_PER_CALL;

        if (muster_job_list(jobs->cli->session, before, want, jobs->settings->unfinished,
                            jobs->settings->all, CLI_CALL_MS, &infos, &count, &error))
            return cli_fail(&error, "list", "jobs");
        for (size_t i = 0; i < count; i++)
            jobs_show(jobs, &infos[i]);
        shown += (uint32_t)count;
        if (count > 0)
            before = infos[count - 1].job;
        free(infos);
        if (count == 0)
            return EXIT_DONE;
    }
    if (jobs->settings->max == 0)
        cli_note(jobs->cli, "only the newest %u jobs are shown; see --max", max);
    return EXIT_DONE;
}

static int
jobs_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct jobs jobs = { .cli = cli, .settings = settings, .now_ms = clock_unix_ms() };
    uint32_t    max = jobs.settings->max;
    int         status;

    if (!command_operands(&command_jobs, operands, 0, 0))
        return EXIT_USAGE;
    if (max == 0)
        max = cli->json || cli->quiet ? UINT32_MAX : JOBS_SHOWN_DEFAULT;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    jobs.table = (struct table){ .columns = jobs_columns,
                                 .width_max = terminal_width(STDOUT_FILENO),
                                 .column_count = sizeof(jobs_columns) / sizeof(jobs_columns[0]) };
    jobs.array = json_array();
    status = jobs_gather(&jobs, max);
    if (status == EXIT_DONE && cli->json)
        json_out_print(json_incref(jobs.array));
    table_print(&jobs.table, stdout);
    if (status == EXIT_DONE && !cli->json && !cli->quiet && jobs.table.cell_count == 0)
        cli_note(cli, "no jobs%s", jobs.settings->all ? "" : " of yours");
    table_free(&jobs.table);
    json_decref(jobs.array);
    return status;
}

const struct command command_jobs = {
    .name = "jobs",
    .usage = "[options]",
    .summary = "list jobs, newest first",
    .text =
        "A + behind the number of tasks says that more input may come. AGE is the time since "
        "the submission.",
    .groups = jobs_groups,
    .examples = jobs_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct jobs_settings),
    .run = jobs_run,
};
