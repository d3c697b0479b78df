/* cmd_why.c - muster why JOB[.TASK]: why does it not run? */
#include <inttypes.h>

#include "commands.h"
#include "json_out.h"
#include "select.h"

static const struct example why_examples[] = {
    { "why does my latest job not run?", "muster why last" },
    { "one task", "muster why 3.7" },
    EXAMPLES_END,
};

static int
why_show(struct cli *cli, const struct selected *selected, const char *text)
{
    struct muster_error error = { 0 };
    struct muster_why   why = { 0 };
    const uint32_t     *index = selected->ranges != NULL ? &selected->ranges[0].first : NULL;
    json_t             *array;

    if (muster_job_why(cli->session, selected->info.job, index, CLI_CALL_MS, &why, &error))
        return cli_fail(&error, "explain", "%s", text);
    array = json_array();
    for (size_t i = 0; i < why.count; i++) {
        json_array_append_new(array, json_string(why.lines[i]));
        if (!cli->json) {
            cli_put_escaped(stdout, why.lines[i]);
            putchar('\n');
        }
    }
    if (cli->json)
        json_out_print(json_incref(array));
    json_decref(array);
    muster_why_free(&why);
    return EXIT_DONE;
}

static int
why_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct selected selected = { 0 };
    int             status;

    (void)settings;
    if (!command_operands(&command_why, operands, 1, 1))
        return EXIT_USAGE;
    status = selected_get(cli, "why", operands->items[0], &selected);
    if (status == EXIT_DONE && selected.ranges != NULL && !selector_is_one(&selected.selector))
        status = cli_usage("why", "'%s': one task at a time", operands->items[0]);
    if (status == EXIT_DONE)
        status = why_show(cli, &selected, operands->items[0]);
    selected_free(&selected);
    return status;
}

const struct command command_why = {
    .name = "why",
    .usage = "JOB[.TASK]",
    .summary = "say what keeps a job or task waiting",
    .text =
        "Names the resource, label, queue, dependency or limit that keeps it waiting, and "
        "the workers that could ever run it; the most telling reason comes first.",
    .groups = command_no_options,
    .examples = why_examples,
    .exits = command_exits_plain,
    .run = why_run,
};
