/* cmd_cancel.c - muster cancel JOB[.TASKS]...
 *
 * Tries every one before it exits, so that one bad id does not hide the rest.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "commands.h"
#include "json_out.h"
#include "select.h"

enum { CANCEL_LIST_MAX = 1000 };

struct cancel_settings {
    bool hard;
};

static const struct option cancel_rows[] = {
    { 0, "hard", NULL, OPTION_FLAG, offsetof(struct cancel_settings, hard), 0,
      "SIGKILL at once, without SIGTERM and the time of grace", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group cancel_options = { "Options", cancel_rows, false };
static const struct option_group *const cancel_groups[] = { &cancel_options, &cli_options, NULL };

static const struct example cancel_examples[] = {
    { "a job; some tasks of it", "muster cancel 3\nmuster cancel 3.50-100" },
    { "the latest", "muster cancel last" },
    { "everything of yours that has not ended", "muster cancel all" },
    { "and no patience", "muster cancel --hard 3.7" },
    EXAMPLES_END,
};

static void
cancel_tell(struct cli *cli, const char *text, uint64_t job, uint64_t count)
{
    if (cli->json)
        json_out_print(json_pack("{s:I, s:I}", "job", (json_int_t)job, "cancelled",
                                 (json_int_t)count));
    else
        cli_note(cli, "%s: %" PRIu64 " tasks cancelled", text, count);
}

static int
cancel_one(struct cli *cli, const char *text, bool hard)
{
    struct muster_error error = { 0 };
    struct selected     selected;
    uint64_t            count = 0;
    int                 status = selected_get(cli, "cancel", text, &selected);

    if (status == EXIT_DONE &&
        muster_job_cancel(cli->session, selected.info.job, selected.ranges,
                          selected.selector.range_count, hard, CLI_CALL_MS, &count, &error))
        status = cli_fail(&error, "cancel", "%s", text);
    else if (status == EXIT_DONE)
        cancel_tell(cli, text, selected.info.job, count);
    selected_free(&selected);
    return status;
}

static int
cancel_all(struct cli *cli, bool hard)
{
    struct muster_error     error = { 0 };
    struct muster_job_info *infos = NULL;
    uint64_t                before = 0;
    size_t                  count = 0;
    int                     worst = cli_open(cli);

    if (worst != EXIT_DONE)
        return worst;
    do {
        if (muster_job_list(cli->session, before, CANCEL_LIST_MAX, true, false, CLI_CALL_MS, &infos,
                            &count, &error))
            return cli_fail(&error, "list", "the unfinished jobs");
        for (size_t i = 0; i < count; i++) {
            char name[24];
            int  status;

            snprintf(name, sizeof(name), "%" PRIu64, infos[i].job);
            status = cancel_one(cli, name, hard);
            worst = status != EXIT_DONE ? status : worst;
            before = infos[i].job;
        }
        free(infos);
    } while (count > 0);
    return worst;
}

static int
cancel_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct cancel_settings *wanted = settings;
    int                           worst = EXIT_DONE;

    if (!command_operands(&command_cancel, operands, 1, INT32_MAX))
        return EXIT_USAGE;
    for (int i = 0; i < operands->count; i++) {
        struct muster_error error = { 0 };
        struct selector     selector = { 0 };
        muster_err          err = selector_parse(operands->items[i], &selector, &error);
        bool                all = !err && selector.all;
        int                 status;

        selector_free(&selector);
        status = all ? cancel_all(cli, wanted->hard)
                     : cancel_one(cli, operands->items[i], wanted->hard);
        worst = status != EXIT_DONE ? status : worst;
        if (cli->session == NULL)
            break;
    }
    return worst;
}

const struct command command_cancel = {
    .name = "cancel",
    .usage = "JOB[.TASKS]... [--hard]",
    .summary = "cancel jobs or some of their tasks",
    .text =
        "Tasks that wait are not started any more; tasks that run get SIGTERM, the job's "
        "time of grace, then SIGKILL, with all their descendants. What has ended stays as it "
        "is, so cancelling twice is harmless.",
    .groups = cancel_groups,
    .examples = cancel_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct cancel_settings),
    .run = cancel_run,
};
