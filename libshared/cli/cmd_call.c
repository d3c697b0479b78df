/* cmd_call.c - muster functions, call, map: functions of task modules from the shell */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <muster/pool.h>
#include <muster/worker.h>

#include "commands.h"
#include "inputs.h"
#include "json_out.h"
#include "table.h"
#include "waiting.h"

struct call_settings {
    const char      *timeout, *each_line, *queue;
    uint64_t         time_limit_ms;
    uint32_t         jobs, retries, cpus_milli;
    struct text_list modules, named, labels;
    bool             unordered, null_separated, task_key;
};

#define AT(field) offsetof(struct call_settings, field)

#define CALL_ROWS                                                                              \
    { 0, "module", "FILE", OPTION_LIST, AT(modules), 0,                                        \
      "with no manager given: a task module that the private worker loads; repeatable",        \
      NAMES_FILE },                                                                            \
    { 0, "named", "NAME=VALUE", OPTION_LIST, AT(named), 0,                                     \
      "a named value that the function can look up; repeatable", NAMES_NOTHING },              \
    { 0, "queue", "NAME", OPTION_TEXT, AT(queue), 0, "workers that serve this queue",          \
      NAMES_NOTHING },                                                                         \
    { 'l', "label", "KEY=VALUE", OPTION_LIST, AT(labels), 0,                                   \
      "only workers with this label; repeatable", NAMES_NOTHING },                             \
    { 'c', "cpus", "N", OPTION_MILLI, AT(cpus_milli), 1000 * 1000,                             \
      "cpus that one call takes; default 1", NAMES_NOTHING },                                  \
    { 0, "retries", "N", OPTION_COUNT, AT(retries), 999,                                       \
      "try a call that fails so often again", NAMES_NOTHING },                                 \
    { 0, "time-limit", "TIME", OPTION_DURATION, AT(time_limit_ms), UINT32_MAX,             \
      "kill a call that runs longer", NAMES_NOTHING },                                         \
    { 0, "task-key", NULL, OPTION_FLAG, AT(task_key), 0,                                       \
      "give each call a key file of its own (muster_call_keyfile), good until it returns: "    \
      "with it the function can speak to the manager, as you", NAMES_NOTHING }

static const struct option call_rows[] = {
    CALL_ROWS,
    WAITING_OPTION(AT(timeout), "wait for the result"),
    OPTIONS_END,
};
static const struct option map_rows[] = {
    { 0, "each-line", "FILE", OPTION_TEXT, AT(each_line), 0,
      "one call for each line of FILE; - is standard input, the default without items",
      NAMES_FILE },
    { '0', "null", NULL, OPTION_FLAG, AT(null_separated), 0,
      "items and results are separated by a zero byte instead of a newline", NAMES_NOTHING },
    { 'u', "unordered", NULL, OPTION_FLAG, AT(unordered), 0,
      "print results as they come, not in the order of the items", NAMES_NOTHING },
    { 'j', "jobs", "N", OPTION_COUNT, AT(jobs), 1000 * 1000 * 1000, "so many calls at once",
      NAMES_NOTHING },
    CALL_ROWS,
    WAITING_OPTION(AT(timeout), "wait for the next result"),
    OPTIONS_END,
};
static const struct option_group call_options = { "Options", call_rows, false };
static const struct option_group map_options = { "Options", map_rows, false };
static const struct option_group *const call_groups[] = { &call_options, &cli_options, NULL };
static const struct option_group *const map_groups[] = { &map_options, &cli_options, NULL };

/* ---- functions ---- */

static const struct table_column functions_columns[] = {
    { "WORKER", TABLE_LEFT }, { "STATE", TABLE_LEFT }, { "FUNCTIONS", TABLE_LEFT },
};

static const struct example functions_examples[] = {
    { "what can be called, and where", "muster functions" },
    { "the names alone, in a script", "muster functions -q" },
    EXAMPLES_END,
};

static json_t *
functions_json(const struct muster_worker_info *info)
{
    json_t *names = json_array();
    char   *text = info->functions, *rest = NULL;

    for (char *name = strtok_r(text, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        json_array_append_new(names, json_string(name));
    return json_pack("{s:s, s:s, s:o}", "worker", info->name, "state",
                     muster_worker_state_name(info->state), "functions", names);
}

/* Their names alone, each once. */
static void
functions_names(struct muster_worker_info *infos, size_t count)
{
    json_t     *names = json_object(), *value;
    const char *name;

    for (size_t i = 0; i < count; i++) {
        char *rest = NULL;

        for (char *at = strtok_r(infos[i].functions, ",", &rest); at != NULL;
             at = strtok_r(NULL, ",", &rest))
            json_object_set_new(names, at, json_true());
    }
    json_object_foreach(names, name, value)
        printf("%s\n", name);
    json_decref(names);
}

static void
functions_print(const struct cli *cli, struct muster_worker_info *infos, size_t count)
{
    json_t      *array = json_array();
    struct table table = {
        .columns = functions_columns, .width_max = terminal_width(STDOUT_FILENO),
        .column_count = sizeof(functions_columns) / sizeof(functions_columns[0]),
    };
    size_t       with = 0;

    for (size_t i = 0; i < count; i++) {
        if (infos[i].functions[0] == '\0')
            continue;
        with++;
        if (cli->json) {
            json_array_append_new(array, functions_json(&infos[i]));
            continue;
        }
        table_cell(&table, "%s", infos[i].name);
        table_cell(&table, "%s", muster_worker_state_name(infos[i].state));
        table_cell(&table, "%s", infos[i].functions);
    }
    if (cli->json)
        json_out_print(json_incref(array));
    table_print(&table, stdout);
    if (with == 0 && !cli->json)
        cli_note(cli, "no worker has functions; start one with `muster-worker --module FILE.so`");
    json_decref(array);
    table_free(&table);
}

static int
functions_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct muster_error        error = { 0 };
    struct muster_worker_info *infos = NULL;
    size_t                     count = 0;
    int                        status;

    (void)settings;
    if (!command_operands(&command_functions, operands, 0, 0))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    if (muster_worker_list(cli->session, CLI_CALL_MS, &infos, &count, &error))
        return cli_fail(&error, "list", "functions");
    if (cli->quiet && !cli->json)
        functions_names(infos, count);
    else
        functions_print(cli, infos, count);
    muster_worker_list_free(infos, count);
    return EXIT_DONE;
}

const struct command command_functions = {
    .name = "functions",
    .usage = "",
    .summary = "list the functions that workers have",
    .text =
        "A worker announces the functions of the task modules that it was started with "
        "(muster-worker --module FILE.so), or those of the program that serves it. `muster "
        "call` and `muster map` run them.",
    .groups = command_no_options,
    .examples = functions_examples,
    .exits = command_exits_plain,
    .run = functions_run,
};

/* ---- what call and map share ---- */

static void
call_free(void *settings)
{
    struct call_settings *wanted = settings;

    text_list_free(&wanted->modules);
    text_list_free(&wanted->named);
    text_list_free(&wanted->labels);
}

/* NAME=VALUE each; for free(). */
static muster_err
call_named(const struct text_list *texts, struct muster_named **named_out,
           struct muster_error *error)
{
    struct muster_named *named = base_array(texts->count + 1, sizeof(*named));

    for (uint32_t i = 0; i < texts->count; i++) {
        const char *equals = strchr(texts->items[i], '=');

        if (equals == NULL || equals == texts->items[i]) {
            free(named);
            return error_set(error, MUSTER_ERR_INVALID, "--named: '%s' is not NAME=VALUE",
                             texts->items[i]);
        }
        named[i].name = strndup(texts->items[i], (size_t)(equals - texts->items[i]));
        named[i].data = equals + 1;
        named[i].bytes = strlen(equals + 1);
    }
    *named_out = named;
    return MUSTER_OK;
}

static void
call_named_free(struct muster_named *named, uint32_t count)
{
    for (uint32_t i = 0; named != NULL && i < count; i++)
        free((char *)(uintptr_t)named[i].name);
    free(named);
}

struct call {
    struct cli          *cli;
    struct muster_pool  *pool;
    struct muster_named *named;
    uint32_t             timeout_ms;
    bool                 whole;        /* every call that was made has ended */
    struct muster_error  error;
};

/* 0, or an exit status after telling what failed. */
static int
call_open(struct call *call, const struct call_settings *wanted)
{
    const struct muster_fleet_options fleet = { .modules = wanted->modules.items };
    struct muster_pool_options        options = {
               .processes = wanted->jobs,
               .queue = wanted->queue,
               .labels = wanted->labels.items,
               .cpus_milli = wanted->cpus_milli,
               .attempts_max = wanted->retries + 1,
               .time_limit_ms = (uint32_t)wanted->time_limit_ms,
               .named_count = wanted->named.count,
               .own_key = wanted->task_key,
    };
    int status;

    if (call_named(&wanted->named, &call->named, &call->error))
        return cli_fail(&call->error, "read", "%s", "the command line");
    status = cli_open_or_start(call->cli, &fleet);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(call->cli);
    options.named = call->named;
    if (muster_pool_open(call->cli->session, &options, &call->pool, &call->error))
        return cli_fail(&call->error, "make", "a pool");
    return EXIT_DONE;
}

static void
call_close(struct call *call, const struct call_settings *wanted)
{
    struct muster_error ignored;

    /* So its job ends as its calls did.  Otherwise it is cancelled, with what still runs;
     * so it is, too, when closing fails. */
    if (call->whole && muster_pool_close(call->pool, CLI_CALL_MS, &ignored) != MUSTER_OK)
        call->whole = false;
    muster_pool_free(call->pool);
    call_named_free(call->named, wanted->named.count);
}

/* ---- call ---- */

static const struct example call_examples[] = {
    { "call a function of the fleet", "muster call square 12" },
    { "on this machine alone, with no manager running",
      "muster call --module ./square.so square 12" },
    { "an argument of any bytes, on standard input",
      "muster call thumbnail - <photo.jpg >small.jpg" },
    EXAMPLES_END,
};

static const struct exit_row call_exits[] = {
    { "0", "done; its result is on standard output" },
    { "1", "the function failed; why is on standard error" },
    { "2", "the command line is wrong" },
    { "66", "no worker has this function" },
    { "124", "no result within --timeout" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

/* The argument: a word, or - for all of standard input. */
static muster_err
call_argument(const char *word, struct buffer *out, struct muster_error *error)
{
    char   piece[65536];
    size_t got;

    if (word == NULL || strcmp(word, "-") != 0) {
        buffer_append_text(out, word != NULL ? word : "");
        return MUSTER_OK;
    }
    while ((got = fread(piece, 1, sizeof(piece), stdin)) > 0 && out->bytes <= INPUT_BYTES_MAX)
        buffer_append(out, piece, got);
    if (ferror(stdin))
        return error_errno(error, MUSTER_ERR_IO, "read standard input");
    return MUSTER_OK;
}

static void
call_print(const struct cli *cli, const char *function, const struct muster_bytes *result)
{
    const char *text = result->data;
    json_t     *object;

    if (!cli->json) {
        (void)cli_write(text, result->bytes);
        if (isatty(STDOUT_FILENO) && result->bytes > 0 && text[result->bytes - 1] != '\n')
            (void)cli_write("\n", 1);
        return;
    }
    object = json_pack("{s:s}", "function", function);
    json_out_bytes(object, "result", text, result->bytes);
    (void)json_out_line(object);
}

static int
call_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct call         call = { .cli = cli };
    struct muster_bytes result = { 0 };
    struct buffer       argument = { 0 };
    int                 status;
    const struct call_settings *wanted = settings;

    if (!command_operands(&command_call, operands, 1, 2) ||
        !waiting_parse("call", wanted->timeout, &call.timeout_ms))
        return EXIT_USAGE;
    status = call_open(&call, wanted);
    if (status == EXIT_DONE &&
        (call_argument(operands->items[1], &argument, &call.error) ||
         muster_pool_apply(call.pool, operands->items[0], argument.data, argument.bytes,
                           call.timeout_ms, &result, &call.error)))
        status = cli_fail(&call.error, "call", "%s", operands->items[0]);
    else if (status == EXIT_DONE) {
        call_print(cli, operands->items[0], &result);
        muster_bytes_free(&result);
    }
    call.whole = status == EXIT_DONE || call.error.code == MUSTER_ERR_REMOTE;
    call_close(&call, wanted);
    buffer_free(&argument);
    return status;
}

const struct command command_call = {
    .name = "call",
    .usage = "FUNCTION [ARGUMENT | -] [options]",
    .summary = "call a function of a task module on some worker",
    .text =
        "Runs FUNCTION of a task module (see <muster/function.h>) on a worker that has it, and "
        "writes its result to standard output as it is. `-` takes the argument, at most "
        "64 KiB, from standard input. Without a manager a private worker on this machine loads "
        "the modules named with --module.",
    .groups = call_groups,
    .examples = call_examples,
    .exits = call_exits,
    .settings_bytes = sizeof(struct call_settings),
    .run = call_run,
    .free = call_free,
};

/* ---- map ---- */

static const struct example map_examples[] = {
    { "a call for each number, results in order", "seq 1000000 | muster map square" },
    { "items on the command line", "muster map square 1 2 3" },
    { "as they come, four at a time",
      "muster map --unordered --jobs 4 resize --each-line files.txt" },
    EXAMPLES_END,
};

static const struct exit_row map_exits[] = {
    { "0", "done: every call succeeded" },
    { "1-101", "so many calls failed (101: or more); why is on standard error" },
    { "2", "the command line is wrong" },
    { "66", "no worker has this function" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

struct map_source {
    struct inputs       inputs;
    struct muster_error error;
};

static muster_err
map_next(void *context, const void **data_out, size_t *bytes_out)
{
    struct map_source *source = context;
    struct slice       item;
    muster_err         err = inputs_next(&source->inputs, &item, &source->error);

    if (err)
        return err;
    *data_out = item.data;
    *bytes_out = item.bytes;
    return MUSTER_OK;
}

static void
map_failed(const struct call *call, uint32_t number, const char *reason)
{
    if (call->cli->json)
        (void)json_out_line(json_pack("{s:I, s:s}", "item", (json_int_t)number, "error", reason));
    else
        cli_say("item %u: %s", number, reason);
}

/* False: stdout is gone. */
static bool
map_print(const struct call *call, const struct muster_imap_result *result, char end)
{
    json_t *object;

    if (!call->cli->json)
        return cli_write(result->data, result->bytes) && cli_write(&end, 1);
    object = json_pack("{s:I}", "item", (json_int_t)result->index + 1);
    json_out_bytes(object, "result", result->data, result->bytes);
    return json_out_line(object);
}

/* Print results until the last; returns the exit status. */
static int
map_collect(struct call *call, struct muster_imap *imap, const struct map_source *source, char end)
{
    uint32_t failed = 0;

    for (;;) {
        struct muster_imap_result result = { 0 };
        muster_err err = muster_imap_next(imap, call->timeout_ms, &result, &call->error);

        if (err == MUSTER_ERR_CLOSED) {
            call->whole = true;
            break;
        }
        if (err == MUSTER_ERR_REMOTE || err == MUSTER_ERR_CANCELED) {
            failed++;
            map_failed(call, result.index + 1, call->error.detail);
            continue;
        }
        if (err)
            return cli_fail(source->error.code != MUSTER_OK ? &source->error : &call->error, "map",
                            "%s", "");
        if (!map_print(call, &result, end))
            break;
    }
    if (failed > 0)
        cli_note(call->cli, "%u call%s failed", failed, failed == 1 ? "" : "s");
    return failed < EXIT_FAILED_TASKS_MAX ? (int)failed : EXIT_FAILED_TASKS_MAX;
}

static void
map_inputs(struct inputs *inputs, const struct call_settings *wanted, struct operands *operands)
{
    bool words = operands->count > 1;
    int  first = words && strcmp(operands->items[1], ":::") == 0 ? 2 : 1;

    inputs->kind = words ? INPUTS_WORDS : INPUTS_LINES;
    inputs->words = operands->items + first;
    inputs->word_count = (uint32_t)(operands->count - first);
    inputs->path = wanted->each_line != NULL ? wanted->each_line : "-";
    inputs->separator = wanted->null_separated ? '\0' : '\n';
    inputs->any_bytes = true;
    inputs->fd = -1;
    inputs->stop_fd = cli_interrupt_fd();
}

static int
map_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct call_settings *wanted = settings;
    struct call                 call = { .cli = cli };
    struct map_source           source = { 0 };
    struct muster_imap         *imap = NULL;
    int                         status;

    if (!command_operands(&command_map, operands, 1, INT32_MAX) ||
        !waiting_parse("map", wanted->timeout, &call.timeout_ms))
        return EXIT_USAGE;
    if (operands->count > 1 && wanted->each_line != NULL)
        return cli_usage("map", "items and --each-line exclude each other");
    status = call_open(&call, wanted);
    if (status == EXIT_DONE) {
        map_inputs(&source.inputs, wanted, operands);
        if (inputs_open(&source.inputs, false, &call.error) ||
            muster_pool_imap(call.pool, operands->items[0], !wanted->unordered, map_next, &source,
                             CLI_CALL_MS, &imap, &call.error))
            status = cli_fail(&call.error, "map", "%s", operands->items[0]);
        else
            status = map_collect(&call, imap, &source, wanted->null_separated ? '\0' : '\n');
        muster_imap_close(imap);
        inputs_close(&source.inputs);
    }
    call_close(&call, wanted);
    return status;
}

const struct command command_map = {
    .name = "map",
    .usage = "FUNCTION [ITEM... | --each-line FILE] [options]",
    .summary = "call a function once for each item, results in order",
    .text =
        "One call of FUNCTION for each item: words of the command line, or lines of a file or "
        "of standard input, as many as you like: they stream, in bounded memory. Results are "
        "printed a line each, in the order of the items. A call that fails leaves no line; "
        "which (items count from 1) and why is told on standard error, and the others go on; "
        "with --json it has a line with \"error\" in place of \"result\".",
    .groups = map_groups,
    .examples = map_examples,
    .exits = map_exits,
    .settings_bytes = sizeof(struct call_settings),
    .run = map_run,
    .free = call_free,
};
