/* cmd_queue.c - muster queue put|get|size|list|work|...: queues of the fleet from the shell
 *
 * What an item holds goes to stdout as it is; `get` and `list` end each with a newline
 * (or a zero byte), so that a line put is a line got.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <muster/queue.h>

#include "commands.h"
#include "inputs.h"
#include "json_out.h"
#include "queue_get.h"
#include "queue_work.h"
#include "table.h"
#include "waiting.h"

struct queue_settings {
    const char *each_line, *file, *timeout;
    bool        null_separated, immediate;
    int32_t     priority;
    uint64_t    delay_ms, ttl_ms, term_ms;
    uint32_t    count, maxsize;
};

#define AT(field) offsetof(struct queue_settings, field)

static const struct option queue_rows[] = {
    { 0, "each-line", "FILE", OPTION_TEXT, AT(each_line), 0,
      "put: one item for each line of FILE; - is standard input", NAMES_FILE },
    { 0, "file", "FILE", OPTION_TEXT, AT(file), 0,
      "put: one item, the whole FILE (at most 1 GiB)", NAMES_FILE },
    { '0', "null", NULL, OPTION_FLAG, AT(null_separated), 0,
      "items are separated by a zero byte instead of a newline", NAMES_NOTHING },
    { 0, "priority", "N", OPTION_INTEGER, AT(priority), 1000,
      "put: larger first, -1000 to 1000; default 0", NAMES_NOTHING },
    { 0, "delay", "TIME", OPTION_DURATION, AT(delay_ms), 0,
      "put: not to be had before; work: before a failed item can be had again", NAMES_NOTHING },
    { 0, "ttl", "TIME", OPTION_DURATION, AT(ttl_ms), 0,
      "put: drop it when nobody took it in time", NAMES_NOTHING },
    { 0, "maxsize", "N", OPTION_COUNT, AT(maxsize), UINT32_MAX,
      "a queue that is made now holds N items at most; then put waits", NAMES_NOTHING },
    { 'n', "count", "N", OPTION_COUNT, AT(count), UINT32_MAX,
      "get, work: so many items, then end; default 1 (get), without limit (work)", NAMES_NOTHING },
    { 0, "term", "TIME", OPTION_DURATION, AT(term_ms), 24 * 3600 * 1000,
      "work: how long an item stays with a worker that died; default 30s", NAMES_NOTHING },
    { 0, "immediate", NULL, OPTION_FLAG, AT(immediate), 0,
      "shutdown: drop what is in it", NAMES_NOTHING },
    WAITING_OPTION(AT(timeout), "put, get, work, join: wait"),
    OPTIONS_END,
};
static const struct option_group queue_options = { "Options", queue_rows, false };
static const struct option_group *const queue_groups[] = { &queue_options, &cli_options, NULL };

static const struct example queue_examples[] = {
    { "two programs, on any machines", "muster queue put mail 'dear all' 'second'\n"
                                       "muster queue get mail" },
    { "a line each", "find /data -name '*.png' | muster queue put pictures --each-line -" },
    { "work it off, on as many machines as you like; what a worker did not finish goes to others",
      "muster queue work pictures -- sh -c 'f=$(cat) && convert \"$f\" \"$f.jpg\"'" },
    { "how much is left", "muster queue size pictures\nmuster queue list" },
    { "wait until all of it is done", "muster queue join pictures" },
    { "no more items; who works ends when it is empty", "muster queue shutdown pictures" },
    EXAMPLES_END,
};

static const struct exit_row queue_exits[] = {
    { "0", "done" },
    { "2", "the command line is wrong" },
    { "66", "there is no such queue (size, delete, join, shutdown)" },
    { "75", "get: nothing came in time; put: no room in time; or it is shut down" },
    { "124", "join: not done in time" },
    { "126", "work: the command could not be started; the item went back" },
    { "127", "work: the command was not found; the item went back" },
    { "130", "interrupted" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

static const struct table_column queue_columns[] = {
    { "QUEUE", TABLE_LEFT }, { "ITEMS", TABLE_RIGHT }, { "BYTES", TABLE_RIGHT },
    { "WAITING", TABLE_RIGHT }, { "OPEN", TABLE_RIGHT }, { "OWNER", TABLE_LEFT },
    { "STATE", TABLE_LEFT },
};

struct queue_call {
    struct cli                  *cli;
    const struct queue_settings *settings;
    const char                  *name;
    char *const                 *rest;       /* operands behind the name, NULL-terminated */
    uint32_t                     timeout_ms;
    int                          status;     /* when nothing else failed */
    struct muster_queue         *queue;
    struct muster_error          error;
};

/* ---- put ---- */

static struct muster_put
put_options(const struct queue_call *call)
{
    return (struct muster_put){ .priority = call->settings->priority,
                                .delay_ms = call->settings->delay_ms,
                                .time_to_live_ms = call->settings->ttl_ms };
}

/* Lines on their way; the first failure stops the rest. */
struct lines {
    pthread_mutex_t     lock;
    pthread_cond_t      change;
    uint32_t            flying;
    struct muster_error error;
};

enum { LINES_FLYING_MAX = 16384 };

static void
lines_done(void *context, const struct muster_error *error)
{
    struct lines *lines = context;

    pthread_mutex_lock(&lines->lock);
    lines->flying--;
    if (error->code != MUSTER_OK && lines->error.code == MUSTER_OK)
        lines->error = *error;
    pthread_cond_signal(&lines->change);
    pthread_mutex_unlock(&lines->lock);
}

/* Until fewer than `most` are on their way. */
static muster_err
lines_wait(struct lines *lines, uint32_t most)
{
    muster_err err;

    pthread_mutex_lock(&lines->lock);
    while (lines->flying >= most && (lines->error.code == MUSTER_OK || most == 1))
        pthread_cond_wait(&lines->change, &lines->lock);
    err = lines->error.code;
    pthread_mutex_unlock(&lines->lock);
    return err;
}

static muster_err
put_lines(struct queue_call *call)
{
    const struct muster_put options = put_options(call);
    struct inputs           inputs = { .kind = INPUTS_LINES, .path = call->settings->each_line,
                                       .separator = call->settings->null_separated ? '\0' : '\n',
                                       .any_bytes = true, .fd = -1,
                                       .stop_fd = cli_interrupt_fd() };
    struct lines            lines = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0,
                                      { 0 } };
    struct slice            line;
    muster_err              err = inputs_open(&inputs, false, &call->error);

    while (!err) {
        err = inputs_next(&inputs, &line, &call->error);
        if (!err && lines_wait(&lines, LINES_FLYING_MAX) != MUSTER_OK)
            break;
        if (err)
            break;
        pthread_mutex_lock(&lines.lock);
        lines.flying++;
        pthread_mutex_unlock(&lines.lock);
        err = muster_queue_put_async(call->queue, line.data, line.bytes, &options,
                                     call->timeout_ms, lines_done, &lines, &call->error);
        if (err)
            lines_done(&lines, &call->error);
    }
    if (err == MUSTER_ERR_CLOSED && inputs.ended)
        err = MUSTER_OK;
    if (lines_wait(&lines, 1) != MUSTER_OK) {
        call->error = lines.error;
        err = lines.error.code;
    }
    inputs_close(&inputs);
    return err;
}

static muster_err
put_file(struct queue_call *call)
{
    const struct muster_put options = put_options(call);
    const char             *path = call->settings->file;
    int                     fd = open(path, O_RDONLY | O_CLOEXEC);
    void                   *data = NULL;
    struct stat             info;
    muster_err              err;

    if (fd < 0)
        return error_errno(&call->error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO,
                           "open %s", path);
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return error_set(&call->error, MUSTER_ERR_INVALID, "%s is no regular file", path);
    }
    if (info.st_size > 0)
        data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        err = error_errno(&call->error, MUSTER_ERR_IO, "read %s", path);
    else
        err = muster_queue_put(call->queue, data, (size_t)info.st_size, &options, call->timeout_ms,
                               &call->error);
    if (data != NULL && data != MAP_FAILED)
        munmap(data, (size_t)info.st_size);
    close(fd);
    return err;
}

static muster_err
queue_put(struct queue_call *call)
{
    const struct muster_put options = put_options(call);
    muster_err              err = MUSTER_OK;

    if (call->settings->each_line != NULL)
        return put_lines(call);
    if (call->settings->file != NULL)
        return put_file(call);
    for (char *const *item = call->rest; !err && *item != NULL; item++)
        err = muster_queue_put(call->queue, *item, strlen(*item), &options, call->timeout_ms,
                               &call->error);
    return err;
}

/* ---- get ---- */

static muster_err
queue_get(struct queue_call *call)
{
    const struct queue_get get = {
        .queue = call->queue,
        .count = call->settings->count > 0 ? call->settings->count : 1,
        .timeout_ms = call->timeout_ms,
        .separator = call->settings->null_separated ? '\0' : '\n',
        .json = call->cli->json,
    };

    return queue_get_run(&get, &call->error);
}

/* ---- the others ---- */

static muster_err
queue_size(struct queue_call *call)
{
    struct muster_queue_size size;
    muster_err err = muster_queue_size(call->queue, CLI_CALL_MS, &size, &call->error);

    if (err)
        return err;
    if (call->cli->json)
        json_out_print(json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "queue", call->name, "items",
                                 (json_int_t)size.items, "given", (json_int_t)size.given,
                                 "unfinished", (json_int_t)size.unfinished, "maxsize",
                                 (json_int_t)size.maxsize, "closed", (int)size.closed));
    else
        printf("%" PRIu64 "\n", size.items);
    return MUSTER_OK;
}

static muster_err
queue_join(struct queue_call *call)
{
    return muster_queue_join(call->queue, call->timeout_ms, &call->error);
}

static muster_err
queue_shutdown(struct queue_call *call)
{
    return muster_queue_shutdown(call->queue, call->settings->immediate, CLI_CALL_MS,
                                 &call->error);
}

static muster_err
queue_work_off(struct queue_call *call)
{
    const struct queue_work work = { .queue = call->queue, .name = call->name, .args = call->rest,
                                     .count = call->settings->count,
                                     .term_ms = (uint32_t)call->settings->term_ms,
                                     .delay_ms = call->settings->delay_ms,
                                     .timeout_ms = call->timeout_ms };

    return queue_work_run(&work, &call->status, &call->error);
}

static void
list_row(struct table *table, const struct muster_object_info *info)
{
    table_cell(table, "%s", info->name);
    table_cell(table, "%" PRIu64, info->items);
    table_cell(table, "%" PRIu64, info->bytes);
    table_cell(table, "%" PRIu64, info->waiting);
    table_cell(table, "%" PRIu64, info->sessions);
    table_cell(table, "%s", info->owner);
    table_cell(table, "%s", info->text);
}

static json_t *
list_json(const struct muster_object_info *info)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:b, s:s}", "queue", info->name, "items",
                     (json_int_t)info->items, "bytes", (json_int_t)info->bytes, "waiting",
                     (json_int_t)info->waiting, "open", (json_int_t)info->sessions, "owner",
                     info->owner, "transient", (int)info->transient, "state", info->text);
}

static muster_err
queue_list(struct queue_call *call)
{
    const enum muster_noun     noun = MUSTER_QUEUE;
    struct muster_object_info *infos = NULL;
    size_t                     count = 0;
    json_t                    *array;
    struct table table = { .columns = queue_columns, .width_max = terminal_width(STDOUT_FILENO),
                           .column_count = sizeof(queue_columns) / sizeof(queue_columns[0]) };
    muster_err   err = muster_object_list(call->cli->session, &noun, call->name, CLI_CALL_MS,
                                          &infos, &count, &call->error);

    if (err)
        return err;
    array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (call->cli->json)
            json_array_append_new(array, list_json(&infos[i]));
        else if (call->cli->quiet)
            printf("%s\n", infos[i].name);
        else
            list_row(&table, &infos[i]);
    }
    if (call->cli->json)
        json_out_print(json_incref(array));
    table_print(&table, stdout);
    if (count == 0 && !call->cli->json)
        cli_note(call->cli, "there is no queue; `muster queue put NAME ITEM` makes one");
    json_decref(array);
    table_free(&table);
    free(infos);
    return MUSTER_OK;
}

static muster_err
queue_delete(struct queue_call *call)
{
    muster_err err = muster_object_delete(call->cli->session, MUSTER_QUEUE, call->name,
                                          CLI_CALL_MS, &call->error);

    for (char *const *name = call->rest; !err && *name != NULL; name++) {
        call->name = *name;
        err = muster_object_delete(call->cli->session, MUSTER_QUEUE, *name, CLI_CALL_MS,
                                   &call->error);
    }
    return err;
}

/* ---- the table ---- */

static const struct queue_verb {
    const char           *name;
    int                   least, most;    /* operands, the name counts */
    bool                  opens;
    enum muster_open_mode mode;
    muster_err          (*run)(struct queue_call *call);
    const char           *shape;
} queue_verbs[] = {
    { "put",      1, INT32_MAX, true,  MUSTER_OPEN_ANY, queue_put,
      "NAME ITEM... (or --each-line FILE, or --file FILE)" },
    { "get",      1, 1,         true,  MUSTER_OPEN_ANY, queue_get, "NAME [--count N]" },
    { "work",     2, INT32_MAX, true,  MUSTER_OPEN_ANY, queue_work_off,
      "NAME -- COMMAND [ARGUMENT...]" },
    { "size",     1, 1,         true,  MUSTER_OPEN_OLD, queue_size, "NAME" },
    { "join",     1, 1,         true,  MUSTER_OPEN_OLD, queue_join, "NAME" },
    { "shutdown", 1, 1,         true,  MUSTER_OPEN_OLD, queue_shutdown, "NAME [--immediate]" },
    { "list",     0, 1,         false, MUSTER_OPEN_OLD, queue_list, "[NAME]" },
    { "delete",   1, INT32_MAX, false, MUSTER_OPEN_OLD, queue_delete, "NAME..." },
};

static const struct queue_verb *
queue_verb_find(const struct operands *operands)
{
    for (size_t i = 0; operands->count > 0 && i < sizeof(queue_verbs) / sizeof(queue_verbs[0]); i++)
        if (strcmp(queue_verbs[i].name, operands->items[0]) == 0)
            return &queue_verbs[i];
    if (operands->count == 0)
        (void)cli_usage("queue", "name what to do: put, get, work, size, join, shutdown, list or "
                        "delete");
    else
        (void)cli_usage("queue", "'%s' is none of put, get, work, size, join, shutdown, list, "
                        "delete", operands->items[0]);
    return NULL;
}

static bool
queue_usage(const struct queue_verb *verb, const struct operands *operands,
            const struct queue_settings *settings)
{
    int  given = operands->count - 1;
    bool from = settings->each_line != NULL || settings->file != NULL;

    if (given < verb->least || (verb->run == queue_put && given < 2 && !from))
        (void)cli_usage("queue", "something is missing: muster queue %s %s", verb->name,
                        verb->shape);
    else if (given > verb->most)
        (void)cli_usage("queue", "'%s' is too much: muster queue %s %s",
                        operands->items[verb->most + 1], verb->name, verb->shape);
    else if (verb->run == queue_put &&
             (given > 1) + (settings->each_line != NULL) + (settings->file != NULL) > 1)
        (void)cli_usage("queue", "put: items, --each-line and --file exclude each other");
    else
        return !verb->opens || command_names(&command_queue, operands->items[1]);
    return false;
}

static int
queue_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct queue_verb *verb = queue_verb_find(operands);
    struct queue_call        call = { .cli = cli, .settings = settings };
    struct muster_open       open = { 0 };
    muster_err               err = MUSTER_OK;
    int                      status;

    if (verb == NULL || !queue_usage(verb, operands, settings) ||
        !waiting_parse("queue", call.settings->timeout, &call.timeout_ms))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(cli);
    call.name = operands->count > 1 ? operands->items[1] : NULL;
    call.rest = operands->items + (operands->count > 1 ? 2 : operands->count);
    open.name = call.name;
    open.mode = verb->mode;
    if (verb->opens)
        err = muster_queue_open(cli->session, &open, call.settings->maxsize, CLI_CALL_MS,
                                &call.queue, &call.error);
    if (!err)
        err = verb->run(&call);
    muster_queue_close(call.queue);
    if (!err)
        return call.status;
    return cli_fail(&call.error, verb->name, "%s", call.name != NULL ? call.name : "");
}

const struct command command_queue = {
    .name = "queue",
    .usage = "put|get|work|size|join|shutdown|list|delete NAME [ITEM... | -- COMMAND...]",
    .summary = "queues between programs: put, get, work off",
    .text =
        "A queue keeps items, bytes of any kind, until somebody takes them: first in, first "
        "out among those of equal priority. It is made when it is first put to or got from, "
        "and stays, with what is in it, until it is deleted; a restart of the manager does not "
        "touch it."
        "\n\n"
        "put takes items from the command line, a line each from a file, or one whole file. "
        "get takes one (or --count) and prints it; it waits for it. What could not be printed "
        "stays in the queue; what was printed is done, as join sees it. size prints the number "
        "of those that can be had. join waits until all that was put is done."
        "\n\n"
        "work reserves items one by one and runs COMMAND for each, with the item on its "
        "standard input and MUSTER_ITEM_ID and MUSTER_ITEM_TIMES (how often it was tried "
        "before) in its environment. Exit code 0 acknowledges the item; any other gives it "
        "back, as does the death of this program, and it is offered again, to anyone. It ends "
        "when the queue was shut down and is empty, after --count items, or when nothing came "
        "within --timeout.",
    .groups = queue_groups,
    .examples = queue_examples,
    .exits = queue_exits,
    .settings_bytes = sizeof(struct queue_settings),
    .run = queue_run,
};

/* ---- queues: the list under a name of its own ---- */

static const struct example queues_examples[] = {
    { "all of them, and how much is in each", "muster queues" },
    { "those with something in them",
      "muster queues --json | jq -r '.[] | select(.items > 0) | .queue'" },
    EXAMPLES_END,
};

static int
queues_run(struct cli *cli, void *settings, struct operands *operands)
{
    char            list[] = "list";
    char           *items[] = { list, NULL, NULL };
    struct operands all = { items, 1 };

    if (!command_operands(&command_queues, operands, 0, 1))
        return EXIT_USAGE;
    if (operands->count == 1)
        items[all.count++] = operands->items[0];
    return queue_run(cli, settings, &all);
}

const struct command command_queues = {
    .name = "queues",
    .usage = "[NAME]",
    .summary = "list the queues between programs",
    .text =
        "The same as `muster queue list`: items that can be had now or after their delay, bytes "
        "of them, programs that wait for one, programs that have the queue open, whose it is, "
        "and its state.",
    .groups = command_no_options,
    .examples = queues_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct queue_settings),
    .run = queues_run,
};
