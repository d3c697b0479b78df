/* cmd_status.c - muster status, muster shutdown: the manager itself */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json_out.h"
#include "parse.h"

enum { STATUS_NAME_COLUMN = 22, STATUS_VALUE_COLUMN = 12 };

static const struct example status_examples[] = {
    { "is it well?", "muster status" },
    { "one figure, for a monitor", "muster status --json | jq '.counters[\"tasks.finished\"]'" },
    { "does it answer at all?", "muster -q status >/dev/null && echo up" },
    EXAMPLES_END,
};

static void
status_json(const struct cli *cli, const struct muster_status *status)
{
    json_t *counters = json_object();

    for (size_t i = 0; i < status->counter_count; i++)
        json_object_set_new(counters, status->counters[i].name,
                            json_of_number(status->counters[i].value));
    json_out_print(json_pack("{s:s, s:s, s:I, s:I, s:f, s:o}", "address", cli->address, "software",
                             status->software, "pid", (json_int_t)status->pid, "epoch",
                             (json_int_t)status->epoch, "up_seconds",
                             (double)status->up_ms / 1000.0, "counters", counters));
}

/* Sizes read better as 1.0 MiB. */
static bool
status_is_size(const char *name)
{
    const char *end = strlen(name) > 5 ? name + strlen(name) - 5 : name;

    return strncmp(name, "bytes.", 6) == 0 || strcmp(end, "bytes") == 0;
}

static void
status_counter(const struct muster_status_counter *counter)
{
    char text[24];

    if (status_is_size(counter->name))
        format_size(text, counter->value);
    else
        snprintf(text, sizeof(text), "%" PRIu64, counter->value);
    printf("  %-*s%*s", STATUS_NAME_COLUMN, counter->name, STATUS_VALUE_COLUMN, text);
}

/* Two columns, each read downwards, so that all of it is on one screen. */
static void
status_counters(const struct muster_status *status)
{
    size_t rows = (status->counter_count + 1) / 2;

    for (size_t i = 0; i < rows; i++) {
        status_counter(&status->counters[i]);
        if (i + rows < status->counter_count) {
            printf("  ");
            status_counter(&status->counters[i + rows]);
        }
        putchar('\n');
    }
}

static int
status_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct muster_error  error = { 0 };
    struct muster_status status = { 0 };
    char                 up[16];
    int                  failed;

    (void)settings;
    if (!command_operands(&command_status, operands, 0, 0))
        return EXIT_USAGE;
    failed = cli_open(cli);
    if (failed != EXIT_DONE)
        return failed;
    if (muster_session_status(cli->session, CLI_CALL_MS, &status, &error))
        return cli_fail(&error, "ask for the status of", "%s", cli->address);
    if (cli->json) {
        status_json(cli, &status);
    } else {
        printf("manager at %s: %s, pid %u, up %s, epoch %" PRIu64 "\n", cli->address,
               status.software, status.pid, format_duration(up, status.up_ms / 1000 * 1000),
               status.epoch);
        status_counters(&status);
    }
    muster_status_free(&status);
    return EXIT_DONE;
}

const struct command command_status = {
    .name = "status",
    .usage = "[options]",
    .summary = "show how the manager is",
    .text =
        "Its address, version, pid and uptime, and its counters on one screen. The epoch "
        "counts its starts.",
    .groups = command_no_options,
    .examples = status_examples,
    .exits = command_exits_plain,
    .run = status_run,
};

/* ---- shutdown ---- */

static const struct example shutdown_examples[] = {
    { "stop the manager; queued jobs are there when it starts again",
      "muster --authkey-file ~/muster/admin.authkey shutdown" },
    { "the same on its machine, without a key", "kill -TERM PID" },
    EXAMPLES_END,
};

static int
shutdown_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct muster_error error = { 0 };
    int                 status;

    (void)settings;
    if (!command_operands(&command_shutdown, operands, 0, 0))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    if (muster_session_shutdown(cli->session, CLI_CALL_MS, &error))
        return cli_fail(&error, "stop the manager at", "%s", cli->address);
    cli_note(cli, "the manager at %s stops", cli->address);
    return EXIT_DONE;
}

const struct command command_shutdown = {
    .name = "shutdown",
    .usage = "",
    .summary = "ask the manager to stop",
    .text =
        "Needs a key of role admin. The manager commits what it has and ends. Running tasks "
        "go on; their workers keep the results and deliver them when the manager is back.",
    .groups = command_no_options,
    .examples = shutdown_examples,
    .exits = command_exits_plain,
    .run = shutdown_run,
};
