/* cmd_object.c - muster object list|delete: shared objects of every noun */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/object.h>

#include "commands.h"
#include "json_out.h"
#include "table.h"

static const struct example object_examples[] = {
    { "everything that programs share by name", "muster object list" },
    { "the locks alone, and who holds them", "muster object list lock" },
    { "remove one", "muster object delete event database-up" },
    EXAMPLES_END,
};

static const struct table_column object_columns[] = {
    { "NOUN", TABLE_LEFT }, { "NAME", TABLE_LEFT }, { "ITEMS", TABLE_RIGHT },
    { "BYTES", TABLE_RIGHT }, { "WAITING", TABLE_RIGHT }, { "OPEN", TABLE_RIGHT },
    { "OWNER", TABLE_LEFT }, { "STATE", TABLE_LEFT },
};

static bool
noun_parse(const char *text, enum muster_noun *noun_out)
{
    for (unsigned noun = MUSTER_QUEUE; noun <= MUSTER_SERVICE; noun++) {
        if (strcmp(text, muster_noun_name((enum muster_noun)noun)) == 0) {
            *noun_out = (enum muster_noun)noun;
            return true;
        }
    }
    (void)cli_usage("object", "'%s' is no noun; it is queue, lock, rlock, semaphore, event, "
                    "condition, barrier, value, array, list, dict, namespace, pipe, listener or "
                    "service", text);
    return false;
}

static void
object_row(struct table *table, const struct muster_object_info *info)
{
    table_cell(table, "%s", muster_noun_name(info->noun));
    table_cell(table, "%s", info->name);
    table_cell(table, "%" PRIu64, info->items);
    table_cell(table, "%" PRIu64, info->bytes);
    table_cell(table, "%" PRIu64, info->waiting);
    table_cell(table, "%" PRIu64, info->sessions);
    table_cell(table, "%s", info->owner);
    table_cell(table, "%s%s", info->text, info->transient ? " (transient)" : "");
}

static json_t *
object_json(const struct muster_object_info *info)
{
    return json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:s}", "object",
                     (json_int_t)info->object, "noun", muster_noun_name(info->noun), "name",
                     info->name, "items", (json_int_t)info->items, "bytes",
                     (json_int_t)info->bytes, "waiting", (json_int_t)info->waiting, "open",
                     (json_int_t)info->sessions, "owner", info->owner, "transient",
                     (int)info->transient, "state", info->text);
}

static int
object_list(struct cli *cli, const enum muster_noun *noun)
{
    struct muster_error        error = { 0 };
    struct muster_object_info *infos = NULL;
    size_t                     count = 0;
    json_t                    *array;
    struct table table = { .columns = object_columns, .width_max = terminal_width(STDOUT_FILENO),
                           .column_count = sizeof(object_columns) / sizeof(object_columns[0]) };

    if (muster_object_list(cli->session, noun, NULL, CLI_CALL_MS, &infos, &count, &error))
        return cli_fail(&error, "list", "objects");
    array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (cli->json)
            json_array_append_new(array, object_json(&infos[i]));
        else if (cli->quiet)
            printf("%s\n", infos[i].name);
        else
            object_row(&table, &infos[i]);
    }
    if (cli->json)
        json_out_print(json_incref(array));
    table_print(&table, stdout);
    if (count == 0 && !cli->json)
        cli_note(cli, "nothing is shared%s%s", noun != NULL ? " as " : "",
                 noun != NULL ? muster_noun_name(*noun) : "");
    json_decref(array);
    table_free(&table);
    free(infos);
    return EXIT_DONE;
}

static int
object_delete(struct cli *cli, enum muster_noun noun, char *const *names)
{
    int status = EXIT_DONE;

    for (; *names != NULL; names++) {
        struct muster_error error = { 0 };

        if (muster_object_delete(cli->session, noun, *names, CLI_CALL_MS, &error))
            status = cli_fail(&error, "delete", "%s %s", muster_noun_name(noun), *names);
    }
    return status;
}

static int
object_run(struct cli *cli, void *settings, struct operands *operands)
{
    bool             list = operands->count > 0 && strcmp(operands->items[0], "list") == 0;
    bool             delete = operands->count > 0 && strcmp(operands->items[0], "delete") == 0;
    enum muster_noun noun = MUSTER_QUEUE;
    int              status;

    (void)settings;
    if (!list && !delete)
        return cli_usage("object", "name what to do: muster object %s", command_object.usage);
    if (!command_operands(&command_object, operands, list ? 1 : 3, list ? 2 : INT32_MAX) ||
        (operands->count > 1 && !noun_parse(operands->items[1], &noun)))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    if (list)
        return object_list(cli, operands->count > 1 ? &noun : NULL);
    return object_delete(cli, noun, operands->items + 2);
}

const struct command command_object = {
    .name = "object",
    .usage = "list [NOUN] | delete NOUN NAME...",
    .summary = "list and delete shared objects: queues, locks, dicts ...",
    .text =
        "Programs share objects by name: queue, lock, rlock, semaphore, event, condition, "
        "barrier, value, array, list, dict, namespace, pipe, listener, service. They stay until "
        "they are deleted; whoever waits for a deleted one is told. Deleting needs the key "
        "that made it, or one of role admin.",
    .groups = command_no_options,
    .examples = object_examples,
    .exits = command_exits_plain,
    .run = object_run,
};
