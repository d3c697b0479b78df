/* cmd_workers.c - muster workers, muster drain: the fleet as the manager sees it */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <muster/worker.h>

#include "commands.h"
#include "json_out.h"
#include "parse.h"
#include "table.h"
#include "workers.h"

static const struct example workers_examples[] = {
    { "the fleet", "muster workers" },
    { "what each of them offers",
      "muster workers --json | jq '.[] | {name, cpus, resources, labels}'" },
    { "names alone, for scripts", "for w in $(muster workers -q); do muster drain $w; done" },
    EXAMPLES_END,
};

static const struct table_column workers_columns[] = {
    { "WORKER", TABLE_LEFT }, { "STATE", TABLE_LEFT }, { "HOST", TABLE_LEFT },
    { "CPUS", TABLE_RIGHT }, { "FREE", TABLE_RIGHT }, { "MEM", TABLE_RIGHT },
    { "RUNNING", TABLE_RIGHT }, { "DONE", TABLE_RIGHT }, { "HEARD", TABLE_RIGHT },
    { "KEY", TABLE_LEFT }, { "OFFERS", TABLE_LEFT },
};

enum { OFFERS_FUNCTIONS_WIDTH = 48 };      /* names of functions, before they are cut */

/* " functions=a,b,+7": as many names as fit, each whole. */
static void
offers_functions(struct buffer *out, const char *functions)
{
    const char *at = functions;
    uint32_t    more = 0;

    for (size_t bytes; *at != '\0'; at += bytes + (at[bytes] == ',')) {
        bytes = strcspn(at, ",");
        if (at == functions)
            buffer_printf(out, "%sfunctions=%.*s", out->bytes > 0 ? " " : "", (int)bytes, at);
        else if (more > 0 || (size_t)(at - functions) + bytes > OFFERS_FUNCTIONS_WIDTH)
            more++;
        else
            buffer_printf(out, ",%.*s", (int)bytes, at);
    }
    if (more > 0)
        buffer_printf(out, ",+%u", more);
}

void
workers_offers(struct buffer *out, const struct muster_worker_info *info)
{
    buffer_append_text(out, info->resources);
    if (info->labels[0] != '\0')
        buffer_printf(out, "%s%s", out->bytes > 0 ? " " : "", info->labels);
    if (info->queues[0] != '\0')
        buffer_printf(out, "%squeues=%s", out->bytes > 0 ? " " : "", info->queues);
    offers_functions(out, info->functions);
}

static void
workers_row(struct table *table, const struct muster_worker_info *info)
{
    struct buffer offers = { 0 };
    char          heard[16], mem[16];

    table_cell(table, "%s", info->name);
    table_cell(table, "%s", muster_worker_state_name(info->state));
    table_cell(table, "%s", info->host);
    table_cell(table, "%g", info->cpus_milli / 1000.0);
    table_cell(table, "%g", info->cpus_free_milli / 1000.0);
    table_cell(table, "%s", info->mem_bytes > 0 ? format_size(mem, info->mem_bytes) : "-");
    table_cell(table, "%u", info->running);
    table_cell(table, "%" PRIu64, info->finished);
    table_cell(table, "%s", format_duration(heard, info->heard_ms));
    table_cell(table, "%s", info->user);
    workers_offers(&offers, info);
    table_cell(table, "%s", buffer_text(&offers));
    buffer_free(&offers);
}

static json_t *
json_of_names(const char *names)
{
    json_t *array = json_array();

    for (size_t bytes; *names != '\0'; names += bytes + (names[bytes] == ',')) {
        bytes = strcspn(names, ",");
        json_array_append_new(array, json_stringn(names, bytes));
    }
    return array;
}

static json_t *
workers_json(const struct muster_worker_info *info)
{
    json_t *object = json_object();

    json_object_set_new(object, "name", json_string(info->name));
    json_object_set_new(object, "state", json_string(muster_worker_state_name(info->state)));
    json_object_set_new(object, "host", json_string(info->host));
    json_object_set_new(object, "pid", json_of_number(info->pid));
    json_object_set_new(object, "key", json_string(info->user));
    json_object_set_new(object, "session", json_of_number(info->session));
    json_object_set_new(object, "heard_seconds_ago", json_real((double)info->heard_ms / 1000.0));
    json_object_set_new(object, "cpus", json_real(info->cpus_milli / 1000.0));
    json_object_set_new(object, "cpus_free", json_real(info->cpus_free_milli / 1000.0));
    json_object_set_new(object, "mem_bytes", json_of_number(info->mem_bytes));
    json_object_set_new(object, "mem_free_bytes", json_of_number(info->mem_free_bytes));
    json_object_set_new(object, "running", json_of_number(info->running));
    json_object_set_new(object, "waiting", json_of_number(info->waiting));
    json_object_set_new(object, "finished", json_of_number(info->finished));
    json_object_set_new(object, "resources", json_string(info->resources));
    json_object_set_new(object, "labels", json_string(info->labels));
    json_object_set_new(object, "queues", json_string(info->queues));
    json_object_set_new(object, "functions", json_of_names(info->functions));
    return object;
}

static int
workers_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct muster_error        error = { 0 };
    struct muster_worker_info *infos = NULL;
    size_t                     count = 0;
    json_t                    *array;
    struct table table = { .columns = workers_columns, .width_max = terminal_width(STDOUT_FILENO),
                           .column_count = sizeof(workers_columns) / sizeof(workers_columns[0]) };
    int          status;

    (void)settings;
    if (!command_operands(&command_workers, operands, 0, 0))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    if (muster_worker_list(cli->session, CLI_CALL_MS, &infos, &count, &error))
        return cli_fail(&error, "list", "workers");
    array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            json_array_append_new(array, workers_json(&infos[i]));
        else if (cli->quiet)
            printf("%s\n", infos[i].name);
        else
            workers_row(&table, &infos[i]);
    }
    if (cli->json)
        json_out_print(json_incref(array));
    table_print(&table, stdout);
    if (count == 0 && !cli->json)
        cli_note(cli, "no worker is connected; start one with `muster-worker --connect %s "
                      "--authkey-file WORKER.AUTHKEY`", cli->address);
    json_decref(array);
    table_free(&table);
    muster_worker_list_free(infos, count);
    return EXIT_DONE;
}

const struct command command_workers = {
    .name = "workers",
    .usage = "[options]",
    .summary = "list the workers",
    .text =
        "HEARD is the time since a worker was last heard of, KEY the name of its authkey, "
        "OFFERS its resources, labels, queues and functions. A worker that is away keeps its tasks "
        "until its leases run out.",
    .groups = command_no_options,
    .examples = workers_examples,
    .exits = command_exits_plain,
    .run = workers_run,
};

/* ---- drain ---- */

struct drain_settings {
    bool undo;
};

static const struct option drain_rows[] = {
    { 0, "undo", NULL, OPTION_FLAG, offsetof(struct drain_settings, undo), 0,
      "let it take new tasks again", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group drain_options = { "Options", drain_rows, false };
static const struct option_group *const drain_groups[] = { &drain_options, &cli_options, NULL };

static const struct example drain_examples[] = {
    { "before maintenance: it finishes what it runs and takes nothing new", "muster drain node7" },
    { "afterwards", "muster drain node7 --undo" },
    EXAMPLES_END,
};

static int
drain_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct drain_settings *wanted = settings;
    int                          status;

    if (!command_operands(&command_drain, operands, 1, INT32_MAX))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    for (int i = 0; i < operands->count; i++) {
        struct muster_error error = { 0 };

        if (muster_worker_drain(cli->session, operands->items[i], !wanted->undo, CLI_CALL_MS,
                                &error))
            status = cli_fail(&error, "drain worker", "%s", operands->items[i]);
        else
            cli_note(cli, "worker %s takes %s", operands->items[i],
                     wanted->undo ? "new tasks again" : "no new tasks");
    }
    return status;
}

const struct command command_drain = {
    .name = "drain",
    .usage = "WORKER... [--undo]",
    .summary = "let a worker finish what it runs and take nothing new",
    .text =
        "Needs a key of role admin. The worker stays connected; stop it with SIGTERM when it "
        "runs nothing any more.",
    .groups = drain_groups,
    .examples = drain_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct drain_settings),
    .run = drain_run,
};
