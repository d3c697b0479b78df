/* cmd_event.c - muster event, muster barrier: shell scripts that wait for each other */
#include <stdlib.h>
#include <string.h>

#include <muster/lock.h>

#include "commands.h"
#include "json_out.h"
#include "waiting.h"

/* ---- event ---- */

struct event_settings {
    const char *timeout;
};

static const struct option event_rows[] = {
    WAITING_OPTION(offsetof(struct event_settings, timeout), "wait"),
    OPTIONS_END,
};
static const struct option_group event_options = { "Options", event_rows, false };
static const struct option_group *const event_groups[] = { &event_options, &cli_options, NULL };

static const struct example event_examples[] = {
    { "one waits, on any number of machines", "muster event wait database-up && ./serve" },
    { "one tells", "./start-database && muster event set database-up" },
    { "is it set? and take it back",
      "muster event is-set database-up && muster event clear database-up" },
    EXAMPLES_END,
};

static const struct exit_row event_exits[] = {
    { "0", "done; it is set" },
    { "1", "is-set: it is not" },
    { "2", "the command line is wrong" },
    { "124", "wait: it was not set in time" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

struct event_call {
    struct cli          *cli;
    struct muster_event *event;
    uint32_t             timeout_ms;
    int                  status;
    struct muster_error  error;
};

static muster_err
event_set(struct event_call *call)
{
    return muster_event_set(call->event, CLI_CALL_MS, &call->error);
}

static muster_err
event_clear(struct event_call *call)
{
    return muster_event_clear(call->event, CLI_CALL_MS, &call->error);
}

static muster_err
event_wait(struct event_call *call)
{
    return muster_event_wait(call->event, call->timeout_ms, &call->error);
}

static muster_err
event_is_set(struct event_call *call)
{
    bool       set = false;
    muster_err err = muster_event_is_set(call->event, CLI_CALL_MS, &set, &call->error);

    if (err)
        return err;
    call->status = set ? EXIT_DONE : 1;
    if (call->cli->json)
        json_out_print(json_pack("{s:b}", "set", (int)set));
    else if (!call->cli->quiet)
        printf("%s\n", set ? "set" : "clear");
    return MUSTER_OK;
}

static const struct event_verb {
    const char  *name;
    muster_err (*run)(struct event_call *call);
} event_verbs[] = {
    { "set", event_set }, { "clear", event_clear }, { "wait", event_wait },
    { "is-set", event_is_set },
};

static int
event_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct event_settings *wanted = settings;
    const struct event_verb     *verb = NULL;
    struct event_call            call = { .cli = cli };
    struct muster_open           open = { 0 };
    muster_err                   err;
    int                          status;

    if (!command_operands(&command_event, operands, 2, 2) ||
        !command_names(&command_event, operands->items[1]) ||
        !waiting_parse("event", wanted->timeout, &call.timeout_ms))
        return EXIT_USAGE;
    for (size_t i = 0; i < sizeof(event_verbs) / sizeof(event_verbs[0]); i++)
        if (strcmp(event_verbs[i].name, operands->items[0]) == 0)
            verb = &event_verbs[i];
    if (verb == NULL)
        return cli_usage("event", "'%s' is none of set, clear, wait, is-set", operands->items[0]);
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(cli);
    open.name = operands->items[1];
    err = muster_event_open(cli->session, &open, CLI_CALL_MS, &call.event, &call.error);
    if (!err)
        err = verb->run(&call);
    muster_event_close(call.event);
    if (err)
        return cli_fail(&call.error, operands->items[0], "%s", operands->items[1]);
    return call.status;
}

const struct command command_event = {
    .name = "event",
    .usage = "set|clear|wait|is-set NAME [--timeout TIME]",
    .summary = "a flag that scripts set and wait for",
    .text =
        "An event is set or clear; it is made, clear, when it is first named, and stays until "
        "it is deleted with `muster object delete event NAME`. wait ends as soon as it is set, "
        "for everybody who waits.",
    .groups = event_groups,
    .examples = event_examples,
    .exits = event_exits,
    .settings_bytes = sizeof(struct event_settings),
    .run = event_run,
};

/* ---- barrier ---- */

struct barrier_settings {
    const char *timeout;
    uint32_t    parties;
};

static const struct option barrier_rows[] = {
    { 'n', "parties", "N", OPTION_COUNT, offsetof(struct barrier_settings, parties), 65536,
      "how many must come; the first user of the name decides on it", NAMES_NOTHING },
    WAITING_OPTION(offsetof(struct barrier_settings, timeout), "wait"),
    OPTIONS_END,
};
static const struct option_group barrier_options = { "Options", barrier_rows, false };
static const struct option_group *const barrier_groups[] = { &barrier_options, &cli_options, NULL };

static const struct example barrier_examples[] = {
    { "four scripts start their second phase together",
      "./phase1 && muster barrier wait halfway --parties 4 && ./phase2" },
    { "one of them, whoever has number 0, reports",
      "n=$(muster barrier wait halfway --parties 4) && [ \"$n\" = 0 ] && echo 'all there'" },
    { "it broke because one did not come in time", "muster barrier reset halfway" },
    EXAMPLES_END,
};

static const struct exit_row barrier_exits[] = {
    { "0", "done; everybody came" },
    { "2", "the command line is wrong" },
    { "66", "there is no such barrier, and no --parties to make it" },
    { "75", "wait: it is broken: a time-out, a reset, an abort, or one who waited died" },
    { "130", "interrupted; of wait: the barrier is broken by it" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

struct barrier_call {
    struct cli            *cli;
    struct muster_barrier *barrier;
    uint32_t               timeout_ms;
    struct muster_error    error;
};

static muster_err
barrier_wait(struct barrier_call *call)
{
    uint32_t   index = 0;
    muster_err err = muster_barrier_wait(call->barrier, call->timeout_ms, NULL, NULL, &index,
                                         &call->error);

    if (!err && call->cli->json)
        json_out_print(json_pack("{s:I}", "index", (json_int_t)index));
    else if (!err && !call->cli->quiet)
        printf("%u\n", index);
    return err;
}

static muster_err
barrier_reset(struct barrier_call *call)
{
    return muster_barrier_reset(call->barrier, CLI_CALL_MS, &call->error);
}

static muster_err
barrier_abort(struct barrier_call *call)
{
    return muster_barrier_abort(call->barrier, CLI_CALL_MS, &call->error);
}

static muster_err
barrier_show(struct barrier_call *call)
{
    struct muster_barrier_state state;
    muster_err err = muster_barrier_state(call->barrier, CLI_CALL_MS, &state, &call->error);

    if (err)
        return err;
    if (call->cli->json)
        json_out_print(json_pack("{s:I, s:I, s:b, s:I}", "parties", (json_int_t)state.parties,
                                 "waiting", (json_int_t)state.waiting, "broken",
                                 (int)state.broken, "generation", (json_int_t)state.generation));
    else
        printf("%u of %u%s\n", state.waiting, state.parties, state.broken ? ", broken" : "");
    return MUSTER_OK;
}

static const struct barrier_verb {
    const char  *name;
    bool         makes;
    muster_err (*run)(struct barrier_call *call);
} barrier_verbs[] = {
    { "wait", true, barrier_wait }, { "reset", false, barrier_reset },
    { "abort", false, barrier_abort }, { "show", false, barrier_show },
};

/* With the number of parties it may be made; else it must be there. */
static muster_err
barrier_open(struct barrier_call *call, const struct barrier_verb *verb, const char *name,
             uint32_t parties)
{
    struct muster_open open = { .name = name, .mode = MUSTER_OPEN_OLD };

    if (verb->makes && parties > 0)
        open.mode = MUSTER_OPEN_ANY;
    return muster_barrier_open(call->cli->session, &open, parties > 0 ? parties : 1, CLI_CALL_MS,
                               &call->barrier, &call->error);
}

static int
barrier_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct barrier_settings *wanted = settings;
    const struct barrier_verb     *verb = NULL;
    struct barrier_call            call = { .cli = cli };
    muster_err                     err;
    int                            status;

    if (!command_operands(&command_barrier, operands, 2, 2) ||
        !command_names(&command_barrier, operands->items[1]) ||
        !waiting_parse("barrier", wanted->timeout, &call.timeout_ms))
        return EXIT_USAGE;
    for (size_t i = 0; i < sizeof(barrier_verbs) / sizeof(barrier_verbs[0]); i++)
        if (strcmp(barrier_verbs[i].name, operands->items[0]) == 0)
            verb = &barrier_verbs[i];
    if (verb == NULL)
        return cli_usage("barrier", "'%s' is none of wait, reset, abort, show",
                         operands->items[0]);
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(cli);
    err = barrier_open(&call, verb, operands->items[1], wanted->parties);
    if (!err)
        err = verb->run(&call);
    muster_barrier_close(call.barrier);
    if (err == MUSTER_ERR_NOT_FOUND && verb->makes && wanted->parties == 0)
        (void)error_set(&call.error, err, "there is no barrier \"%s\" yet; --parties N makes it",
                        operands->items[1]);
    if (err)
        return cli_fail(&call.error, operands->items[0], "%s", operands->items[1]);
    return EXIT_DONE;
}

const struct command command_barrier = {
    .name = "barrier",
    .usage = "wait|reset|abort|show NAME [--parties N] [--timeout TIME]",
    .summary = "scripts that wait until all have come",
    .text =
        "wait ends when --parties scripts wait, and prints which of them this one was, from 0. "
        "Whoever waits must wait to the end: when one gives up, is stopped or dies, the barrier "
        "breaks for all, so that nobody waits for someone who will not come; reset mends it. "
        "The next N may then use it again.",
    .groups = barrier_groups,
    .examples = barrier_examples,
    .exits = barrier_exits,
    .settings_bytes = sizeof(struct barrier_settings),
    .run = barrier_run,
};
