/* command.c - the table of commands, and the way from argv to one of them */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "commands.h"
#include "help.h"
#include "parse.h"

enum { OBJECT_NAME_BYTES_MAX = 64 };

const struct command *const commands[] = {
    &command_run,     &command_submit,   &command_wait,   &command_jobs,
    &command_job,     &command_tasks,    &command_output, &command_cancel,
    &command_retry,   &command_why,      &command_call,   &command_map,
    &command_functions, &command_queue,  &command_queues, &command_lock,
    &command_event,   &command_barrier,  &command_dict,   &command_object,
    &command_workers, &command_drain,    &command_logs,   &command_status,
    &command_shutdown, &command_key,     &command_manager, &command_worker,
    &command_help,    &command_completion, NULL,
};

const struct exit_row command_exits[] = {
    { "0", "done; of run and wait: every task succeeded" },
    { "1-101", "run, wait and map: so many tasks or calls failed (101: or more); call: 1, the "
               "function failed; of a single command, and of lock: the command's own exit code; "
               "event is-set, dict contains, dict cas: 1, it is not so" },
    { "2", "the command line is wrong, or the manager found a value malformed" },
    { "65", "too large, or out of bounds; the same --dedup key with other content; the name is "
            "that of another kind of object" },
    { "66", "no such job, task, worker, function, object, key of a dict, or file" },
    { "67", "this key's role may not do that" },
    { "68", "the other side is not the manager of this authkey" },
    { "69", "nobody answers at the manager's address" },
    { "70", "a defect in muster" },
    { "71", "out of memory" },
    { "72", "the disk is full: the manager's, or the one written to" },
    { "73", "it exists already" },
    { "74", "input or output failed" },
    { "75", "not now: a limit is reached, the manager is overloaded, or the state does not allow "
            "it; a queue is empty, full or shut down; a lock was lost, or is held by others; a "
            "barrier is broken" },
    { "76", "the manager speaks another version of the protocol" },
    { "77", "the manager refused the key: unknown, revoked, or not admitted now or from here" },
    { "78", "the key file is damaged or not safe to use" },
    { "124", "not in time: no answer, a lock held by others, an event not set; of a single "
             "command: over its --timeout" },
    { "125", "run: muster itself failed (in place of the codes above)" },
    { "126", "run, lock, queue work: the command could not be started" },
    { "127", "run, lock, queue work: the command was not found (of run: on the worker)" },
    { "128+N", "run, wait, lock: signal N ended the command" },
    { "130", "interrupted, or the job was cancelled" },
    { "141", "standard output was closed" },
    EXITS_END,
};

const struct exit_row command_exits_plain[] = {
    { "0", "done" },
    { "2", "the command line is wrong" },
    { "66", "there is no such object" },
    { "67", "this key's role may not do that" },
    { "69", "nobody answers at the manager's address" },
    { "77", "the manager refused the key" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

const struct option_group *const command_no_options[] = { &cli_options, NULL };

const struct command *
command_find(const char *name)
{
    for (const struct command *const *command = commands; *command != NULL; command++)
        if (strcmp((*command)->name, name) == 0 ||
            ((*command)->alias != NULL && strcmp((*command)->alias, name) == 0))
            return *command;
    return NULL;
}

const char *
command_nearest(const char *typed)
{
    const char *nearest = NULL;
    unsigned    least = 3;

    for (const struct command *const *command = commands; *command != NULL; command++) {
        unsigned distance = text_distance((*command)->name, typed);

        if (distance < least) {
            least = distance;
            nearest = (*command)->name;
        }
    }
    return nearest;
}

bool
command_operands(const struct command *command, const struct operands *operands, int least,
                 int most)
{
    if (operands->count < least)
        cli_usage(command->name, "something is missing: muster %s %s", command->name,
                  command->usage);
    else if (operands->count > most)
        cli_usage(command->name, "'%s' is too much: muster %s %s", operands->items[most],
                  command->name, command->usage);
    return operands->count >= least && operands->count <= most;
}

bool
command_names(const struct command *command, const char *name)
{
    if (parse_name(slice_text(name), OBJECT_NAME_BYTES_MAX))
        return true;
    (void)cli_usage(command->name, "'%s' is no name; one has 1 to %d of A-Z a-z 0-9 . _ - and "
                    "begins with a letter, a digit or _", name, OBJECT_NAME_BYTES_MAX);
    return false;
}

/* `run` keeps the small codes for its tasks, so its own failures are 125. */
static int
command_usage_status(const struct command *command)
{
    return command == &command_run ? EXIT_RUN_FAILED : EXIT_USAGE;
}

static int
command_start(struct cli *cli, const struct command *command, int argc, char **argv)
{
    void                *settings = base_alloc(command->settings_bytes + 1);
    struct options_parse parse = { command->groups, settings, cli, command->stop_at_operand };
    struct operands      operands = { 0 };
    struct muster_error  error = { 0 };
    int                  status;

    if (command->passes_all) {
        operands = (struct operands){ argv, argc };
        status = command->run(cli, settings, &operands);
        operands.items = NULL;
    } else if (options_parse(&parse, argc, argv, &operands, &error)) {
        cli_usage(command->name, "%s", error.detail);
        status = command_usage_status(command);
    } else if (cli->help) {
        help_command(stdout, command);
        status = EXIT_DONE;
    } else if (cli->version) {
        puts("muster " MUSTER_VERSION);
        status = EXIT_DONE;
    } else {
        status = command->run(cli, settings, &operands);
    }
    if (command->free != NULL)
        command->free(settings);
    free(operands.items);
    free(settings);
    return status;
}

static int
command_unknown(const char *name)
{
    const char *nearest = command_nearest(name);

    if (nearest != NULL)
        return cli_usage(NULL, "there is no command '%s'; did you mean '%s'?", name, nearest);
    return cli_usage(NULL, "there is no command '%s'", name);
}

int
command_main(int argc, char **argv)
{
    struct cli            cli = { 0 };
    struct options_parse  parse = { command_no_options, NULL, &cli, true };
    struct operands       operands = { 0 };
    struct muster_error   error = { 0 };
    const struct command *command;
    int                   status;

    cli_begin(&cli);
    if (options_parse(&parse, argc - 1, argv + 1, &operands, &error))
        return cli_end(&cli, cli_usage(NULL, "%s", error.detail));
    command = operands.count > 0 ? command_find(operands.items[0]) : NULL;
    if (cli.version) {
        puts("muster " MUSTER_VERSION);
        status = EXIT_DONE;
    } else if (operands.count == 0) {
        help_overview(cli.help ? stdout : stderr);
        status = cli.help ? EXIT_DONE : EXIT_USAGE;
    } else if (command == NULL) {
        status = command_unknown(operands.items[0]);
    } else {
        status = command_start(&cli, command, operands.count - 1, operands.items + 1);
    }
    free(operands.items);
    return cli_end(&cli, status);
}
