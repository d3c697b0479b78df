/* cmd_job.c - muster job JOB...: everything about a job but its tasks */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "command_line.h"
#include "commands.h"
#include "json_out.h"
#include "parse.h"

static const struct example job_examples[] = {
    { "the latest job", "muster job last" },
    { "its state, for a script", "muster job --json 3 | jq -r .state" },
    { "several", "muster job 3 4 5" },
    EXAMPLES_END,
};

static void
job_line(const char *name, const char *text)
{
    printf("  %-12s", name);
    cli_put_escaped(stdout, text);
    putchar('\n');
}

static void
job_time(const char *name, uint64_t unix_ms)
{
    time_t    seconds = (time_t)(unix_ms / 1000);
    struct tm local;
    char      text[64];

    if (unix_ms == 0 || localtime_r(&seconds, &local) == NULL)
        return;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &local);
    job_line(name, text);
}

static void
job_list(const char *name, char *const *texts)
{
    struct buffer line = { 0 };

    for (; texts != NULL && *texts != NULL; texts++)
        buffer_printf(&line, "%s%s", line.bytes > 0 ? ", " : "", *texts);
    if (line.bytes > 0)
        job_line(name, buffer_text(&line));
    buffer_free(&line);
}

static void
job_needs(const struct muster_job_info *info)
{
    struct buffer line = { 0 };
    char          size[16];

    buffer_printf(&line, "cpus=%g", info->cpus_milli / 1000.0);
    if (info->mem_bytes > 0)
        buffer_printf(&line, " mem=%s", format_size(size, info->mem_bytes));
    for (size_t i = 0; i < info->resource_count; i++)
        buffer_printf(&line, " %s=%" PRIu64, info->resources[i].name, info->resources[i].amount);
    job_line("needs", buffer_text(&line));
    buffer_free(&line);
    job_list("labels", info->labels);
    job_line("queue", info->queue[0] != '\0' ? info->queue : "default");
}

static void
job_limits(const struct muster_job_info *info)
{
    struct buffer line = { 0 };
    char          text[16];

    if (info->priority != 0)
        buffer_printf(&line, "priority %d, ", info->priority);
    if (info->running_max != 0)
        buffer_printf(&line, "at most %u at once", info->running_max);
    if (info->cap_with != 0)
        buffer_printf(&line, " with job %" PRIu64 " and others that share its cap",
                      info->cap_with);
    if (info->running_max != 0)
        buffer_append_text(&line, ", ");
    if (info->attempts_max > 1)
        buffer_printf(&line, "%u attempts, ", info->attempts_max);
    if (info->time_limit_ms != 0)
        buffer_printf(&line, "time limit %s, ", format_duration(text, info->time_limit_ms));
    if (line.bytes > 2) {
        line.bytes -= 2;
        job_line("limits", buffer_text(&line));
    }
    buffer_free(&line);
}

static void
job_after(const struct muster_job_info *info)
{
    struct buffer line = { 0 };

    for (size_t i = 0; i < info->after_count; i++)
        buffer_printf(&line, "%s%" PRIu64, i > 0 ? ", " : "", info->after[i]);
    if (line.bytes > 0)
        job_line("after", buffer_text(&line));
    buffer_free(&line);
}

static void
job_print(const struct muster_job_info *info)
{
    const struct muster_counts *counts = &info->counts;
    struct buffer               line = { 0 };
    uint32_t waiting = counts->total - counts->running - counts->succeeded - counts->failed -
                       counts->cancelled;

    printf("job %" PRIu64 ": %s\n", info->job, muster_job_state_name(info->state));
    if (info->reason[0] != '\0')
        job_line("reason", info->reason);
    job_line("name", info->name);
    if (info->function != NULL && info->function[0] != '\0') {
        job_line("function", info->function);
        job_list("named", info->named);
    } else if (info->args != NULL) {
        command_line_put(&line, (const char *const *)info->args, false, slice_text(""), 0);
        job_line("command", buffer_text(&line));
    }
    buffer_clear(&line);
    buffer_printf(&line, "%u%s: %u succeeded, %u failed, %u running, %u waiting, %u cancelled",
                  counts->total, info->open ? " and more to come" : "", counts->succeeded,
                  counts->failed, counts->running, waiting, counts->cancelled);
    job_line("tasks", buffer_text(&line));
    buffer_free(&line);
    job_needs(info);
    job_limits(info);
    job_after(info);
    if (info->cwd != NULL && info->cwd[0] != '\0')
        job_line("folder", info->cwd);
    job_list("environment", info->env);
    job_line("owner", info->owner);
    job_time("submitted", info->submitted_unix_ms);
    job_time("ended", info->ended_unix_ms);
}

static int
job_run(struct cli *cli, void *settings, struct operands *operands)
{
    json_t *array = json_array();
    int     worst = EXIT_DONE;

    (void)settings;
    if (!command_operands(&command_job, operands, 1, INT32_MAX))
        worst = EXIT_USAGE;
    for (int i = 0; i < operands->count && worst != EXIT_USAGE; i++) {
        struct selected selected;
        int             status = selected_get(cli, "job", operands->items[i], &selected);

        if (status == EXIT_DONE && cli->json)
            json_array_append_new(array, json_of_job(&selected.info, true));
        else if (status == EXIT_DONE)
            job_print(&selected.info);
        else
            worst = status;
        selected_free(&selected);
        if (cli->session == NULL)
            break;
    }
    /* One job is an object, several are an array. */
    if (cli->json && json_array_size(array) > 0)
        json_out_print(json_incref(operands->count == 1 ? json_array_get(array, 0) : array));
    json_decref(array);
    return worst;
}

const struct command command_job = {
    .name = "job",
    .usage = "JOB...",
    .summary = "show everything about a job",
    .text =
        "State, reason, command or function, counts, needs, limits, dependencies, owner, times. "
        "`last` "
        "is your latest job. The tasks are shown by `muster tasks`.",
    .groups = command_no_options,
    .examples = job_examples,
    .exits = command_exits_plain,
    .run = job_run,
};
