/* cmd_logs.c - muster logs: what workers and the manager have logged */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <muster/log.h>

#include "commands.h"
#include "json_out.h"
#include "parse.h"

enum {
    LOGS_TAIL_FOLLOWED = 10,      /* lines from before, with --follow and no --tail */
    LOGS_TAIL_MAX      = 1000000,
    LOGS_SOURCE_WIDTH  = 7,       /* "manager"; grows with what comes */
};

struct logs_settings {
    bool        follow;
    const char *worker, *level, *tail;
};

#define AT(field) offsetof(struct logs_settings, field)

static const struct option logs_rows[] = {
    { 'f', "follow", NULL, OPTION_FLAG, AT(follow), 0,
      "go on with what is logged from now on, until interrupted", NAMES_NOTHING },
    { 0, "worker", "NAME", OPTION_TEXT, AT(worker), 0,
      "only lines of this worker; manager: of the manager", NAMES_NOTHING },
    { 0, "level", "LEVEL", OPTION_TEXT, AT(level), 0,
      "only lines as serious as error, warn or info (the default) or more", NAMES_NOTHING },
    { 'n', "tail", "N", OPTION_TEXT, AT(tail), 0,
      "only the last N of the lines that are there; default: all, with --follow 10",
      NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group logs_options = { "Options", logs_rows, false };
static const struct option_group *const logs_groups[] = { &logs_options, &cli_options, NULL };

static const struct example logs_examples[] = {
    { "what happens now, on all machines", "muster logs -f" },
    { "what went wrong on one of them", "muster logs --worker node7 --level warn" },
    { "who was refused at the manager's door", "muster logs --worker manager | grep refused" },
    { "into a log server, line by line", "muster logs -f --tail 0 --json | logger -t muster" },
    EXAMPLES_END,
};

static const struct exit_row logs_exits[] = {
    { "0", "done" },
    { "2", "the command line is wrong" },
    { "67", "the key is not of role admin" },
    { "130", "interrupted" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

struct logs {
    struct cli             *cli;
    struct muster_log      *log;
    struct muster_log_line *tail;        /* ring of the last `tail_max` lines */
    uint32_t                tail_max, tail_count, tail_next;
    uint64_t                printed;
    int                     width;       /* of the sources so far */
};

/* ---- one line ---- */

static void
logs_time(char text[static 40], uint64_t unix_ms)
{
    time_t    seconds = (time_t)(unix_ms / 1000);
    struct tm local = { 0 };
    size_t    used;

    (void)localtime_r(&seconds, &local);
    used = strftime(text, 40, "%Y-%m-%d %H:%M:%S", &local);
    (void)snprintf(text + used, 40 - used, ".%03u", (unsigned)(unix_ms % 1000));
}

static bool
logs_print(struct logs *logs, const struct muster_log_line *line)
{
    int  bytes = (int)strlen(line->source);
    char when[40];

    if (line->lost > 0)
        cli_say("%" PRIu64 " lines were dropped before they could be read", line->lost);
    logs->width = bytes > logs->width ? bytes : logs->width;
    logs_time(when, line->unix_ms);
    printf("%s  ", when);
    cli_put_escaped(stdout, line->source);
    printf("%*s  %-5s  ", logs->width - bytes, "", muster_log_level_name(line->level));
    cli_put_escaped(stdout, line->text);
    putchar('\n');
    return !ferror(stdout);
}

static bool
logs_json(const struct muster_log_line *line)
{
    json_t *object = json_object();

    json_object_set_new(object, "time", json_of_unix_ms(line->unix_ms));
    json_object_set_new(object, "source", json_string(line->source));
    json_object_set_new(object, "level", json_string(muster_log_level_name(line->level)));
    json_object_set_new(object, "text", json_string(line->text));
    json_object_set_new(object, "number", json_of_number(line->number));
    json_object_set_new(object, "lost_before", json_of_number(line->lost));
    return json_out_line(object);
}

static bool
logs_tell(struct logs *logs, const struct muster_log_line *line)
{
    logs->printed++;
    return logs->cli->json ? logs_json(line) : logs_print(logs, line);
}

/* ---- the last lines ---- */

static void
logs_keep(struct logs *logs, const struct muster_log_line *line)
{
    if (logs->tail_max == 0)
        return;
    logs->tail[logs->tail_next] = *line;
    /* What was lost before the first that is shown is of no interest. */
    if (logs->tail_count == logs->tail_max)
        logs->tail[(logs->tail_next + 1) % logs->tail_max].lost = 0;
    logs->tail_next = (logs->tail_next + 1) % logs->tail_max;
    logs->tail_count += logs->tail_count < logs->tail_max;
}

static bool
logs_tell_tail(struct logs *logs)
{
    uint32_t at = logs->tail_count < logs->tail_max ? 0 : logs->tail_next;
    bool     good = true;

    for (uint32_t i = 0; good && i < logs->tail_count; i++)
        good = logs_tell(logs, &logs->tail[(at + i) % logs->tail_max]);
    return good;
}

/* ---- all of them ---- */

/* What is there now. */
static muster_err
logs_past(struct logs *logs, bool all, bool *gone_out, struct muster_error *error)
{
    struct muster_log_line line;
    muster_err             err = MUSTER_OK;

    while (!err && !*gone_out) {
        err = muster_log_next(logs->log, 0, &line, error);
        if (!err && all)
            *gone_out = !logs_tell(logs, &line);
        else if (!err)
            logs_keep(logs, &line);
    }
    if (!*gone_out && !all)
        *gone_out = !logs_tell_tail(logs);
    return err == MUSTER_ERR_TIMEOUT ? MUSTER_OK : err;
}

static muster_err
logs_follow(struct logs *logs, bool *gone_out, struct muster_error *error)
{
    struct muster_log_line line;
    muster_err             err = MUSTER_OK;

    while (!err && !*gone_out && cli_flush()) {
        err = muster_log_next(logs->log, MUSTER_FOREVER, &line, error);
        if (!err)
            *gone_out = !logs_tell(logs, &line);
    }
    return err;
}

static bool
logs_options_read(const struct logs_settings *wanted, struct muster_log_options *options,
                  bool *all_out, uint32_t *tail_out)
{
    uint64_t tail = LOGS_TAIL_FOLLOWED;

    *options = (struct muster_log_options){ .source = wanted->worker, .level = MUSTER_LOG_INFO };
    if (wanted->level != NULL) {
        unsigned level = MUSTER_LOG_ERROR;

        while (level <= MUSTER_LOG_INFO &&
               strcmp(wanted->level, muster_log_level_name((enum muster_log_level)level)) != 0)
            level++;
        if (level > MUSTER_LOG_INFO)
            return cli_usage("logs", "--level '%s' is none of error, warn, info", wanted->level),
                   false;
        options->level = (enum muster_log_level)level;
    }
    if (wanted->tail != NULL && !parse_u64(wanted->tail, LOGS_TAIL_MAX, &tail))
        return cli_usage("logs", "--tail '%s': a number of lines is expected", wanted->tail),
               false;
    *all_out = wanted->tail == NULL && !wanted->follow;
    *tail_out = (uint32_t)tail;
    return true;
}

static int
logs_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct logs_settings *wanted = settings;
    struct muster_log_options   options;
    struct muster_error         error = { 0 };
    struct logs                 logs = { .cli = cli, .width = LOGS_SOURCE_WIDTH };
    bool                        all, gone = false;
    muster_err                  err;
    int                         status;

    if (!command_operands(&command_logs, operands, 0, 0) ||
        !logs_options_read(wanted, &options, &all, &logs.tail_max))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(cli);
    logs.tail = base_array((size_t)logs.tail_max + 1, sizeof(*logs.tail));
    err = muster_log_open(cli->session, &options, &logs.log, &error);
    if (!err)
        err = logs_past(&logs, all, &gone, &error);
    if (!err && wanted->follow && !gone)
        err = logs_follow(&logs, &gone, &error);
    if (!err && logs.printed == 0 && !gone && wanted->worker != NULL && !cli->json)
        cli_note(cli, "no lines of %s are kept; `muster workers` names those that are there",
                 wanted->worker);
    muster_log_close(logs.log);
    free(logs.tail);
    if (err == MUSTER_ERR_INTERRUPTED && cli_interrupted())
        return EXIT_INTERRUPTED;
    return err ? cli_fail(&error, "read", "log lines") : EXIT_DONE;
}

const struct command command_logs = {
    .name = "logs",
    .usage = "[-f] [--worker NAME] [--level LEVEL] [--tail N]",
    .summary = "show what workers and the manager have logged",
    .text =
        "Needs a key of role admin. The manager keeps the last lines of all workers and of "
        "itself in memory (its option --log-keep); a worker that is away passes its lines on when "
        "it is back. Columns: time on the machine that logged it, worker, level, text. What was "
        "dropped because nobody read it in time is counted. Following goes on over a restart "
        "of the manager.\n\n"
        "What tasks print and log is theirs: `muster output --follow JOB` shows it while they "
        "run, `muster output JOB` afterwards.",
    .groups = logs_groups,
    .examples = logs_examples,
    .exits = logs_exits,
    .settings_bytes = sizeof(struct logs_settings),
    .run = logs_run,
};
