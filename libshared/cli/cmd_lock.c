/* cmd_lock.c - muster lock NAME -- COMMAND: run it while holding a lock, or a permit
 *
 * 1. The command runs only while the lock is certainly ours: it is asked for once a
 *    second; when it was lost, or the manager has been away for so long that it may
 *    be soon, the command is stopped.
 */
#include <stdlib.h>
#include <string.h>

#include <muster/lock.h>

#include "child.h"
#include "clock.h"
#include "commands.h"
#include "waiting.h"

enum {
    LOCK_LOOK_MS        = 1000,
    LOCK_LOOKS_PER_TERM = 10,      /* or more often, when the session's term is short */
};

/* Without a word for so long it may be lost soon: two thirds of the time for which the
 * manager keeps what a silent session holds.  The rest is for stopping the command. */
static uint64_t
lock_unsure_ms(const struct cli *cli)
{
    return (uint64_t)muster_session_term_ms(cli->session) * 2 / 3;
}

static uint32_t
lock_look_ms(const struct cli *cli)
{
    uint32_t often_ms = muster_session_term_ms(cli->session) / LOCK_LOOKS_PER_TERM + 1;

    return often_ms < LOCK_LOOK_MS ? often_ms : LOCK_LOOK_MS;
}

struct lock_settings {
    uint32_t    permits;
    const char *timeout;
};

#define AT(field) offsetof(struct lock_settings, field)

static const struct option lock_rows[] = {
    { 'n', "permits", "N", OPTION_COUNT, AT(permits), UINT32_MAX,
      "let N at a time in: a semaphore of this name instead of a lock; the first user of the "
      "name decides on N", NAMES_NOTHING },
    WAITING_OPTION(AT(timeout), "wait"),
    OPTIONS_END,
};
static const struct option_group lock_options = { "Options", lock_rows, false };
static const struct option_group *const lock_groups[] = { &lock_options, &cli_options, NULL };

static const struct example lock_examples[] = {
    { "one at a time, on however many machines",
      "muster lock backup -- rsync -a /data head:/backup" },
    { "two at a time", "muster lock --permits 2 licence -- simulate input.dat" },
    { "or not at all: give up at once",
      "muster lock --timeout 0 nightly -- ./nightly.sh || echo busy" },
    { "the fencing token, larger for each holder: whatever the lock guards can refuse old ones",
      "muster lock deploy -- sh -c 'echo \"holder $MUSTER_FENCING_TOKEN\"'" },
    EXAMPLES_END,
};

static const struct exit_row lock_exits[] = {
    { "0-123", "that of the command" },
    { "124", "it was held by others all the time; the command did not run" },
    { "126", "the command could not be started" },
    { "127", "the command was not found" },
    { "128+N", "signal N ended the command" },
    { "75", "the lock was lost while the command ran; it was stopped" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

/* A lock or a semaphore. */
struct hold_on {
    struct muster_lock      *lock;
    struct muster_semaphore *semaphore;
    uint64_t                 token;
};

static muster_err
hold_open(struct cli *cli, const char *name, uint32_t permits, struct hold_on *hold,
          struct muster_error *error)
{
    const struct muster_open open = { .name = name };

    if (permits > 0)
        return muster_semaphore_open(cli->session, &open, permits, true, CLI_CALL_MS,
                                     &hold->semaphore, error);
    return muster_lock_open(cli->session, &open, CLI_CALL_MS, &hold->lock, error);
}

static muster_err
hold_acquire(struct hold_on *hold, uint32_t timeout_ms, struct muster_error *error)
{
    return hold->lock != NULL
               ? muster_lock_acquire(hold->lock, timeout_ms, &hold->token, error)
               : muster_semaphore_acquire(hold->semaphore, timeout_ms, &hold->token, error);
}

/* Who had it all the time. */
static void
hold_who(const struct hold_on *hold, struct muster_error *error)
{
    struct muster_lock_state state;
    struct muster_error      ignored;

    if (hold->lock != NULL &&
        muster_lock_state(hold->lock, LOCK_LOOK_MS, &state, &ignored) == MUSTER_OK && state.held)
        (void)error_set(error, MUSTER_ERR_TIMEOUT, "held by %s", state.holder);
}

static void
hold_end(struct hold_on *hold, bool release)
{
    struct muster_error error = { 0 };
    muster_err          err = MUSTER_OK;

    if (release && hold->lock != NULL)
        err = muster_lock_release(hold->lock, CLI_CALL_MS, &error);
    else if (release && hold->semaphore != NULL)
        err = muster_semaphore_release(hold->semaphore, 1, CLI_CALL_MS, &error);
    if (err)
        (void)cli_fail(&error, "release", "%s", "the lock");
    muster_lock_close(hold->lock);
    muster_semaphore_close(hold->semaphore);
}

/* Is it ours?  OK; TIMEOUT: nobody can tell now; else it was lost. */
static muster_err
hold_look(const struct hold_on *hold, uint32_t look_ms, struct muster_error *error)
{
    struct muster_lock_state state;
    uint64_t                 left;
    muster_err               err;

    /* Permits are the session's: they last as long as it does. */
    if (hold->lock == NULL)
        return muster_semaphore_get_value(hold->semaphore, look_ms, &left, error);
    err = muster_lock_state(hold->lock, look_ms, &state, error);
    if (!err && (!state.held || state.token != hold->token))
        err = error_set(error, MUSTER_ERR_FENCED, "%s has it now",
                        state.held ? state.holder : "nobody");
    return err;
}

/* The exit status; *lost_out: the lock is not ours any more. */
static int
lock_command(const struct cli *cli, const struct hold_on *hold, const char *name,
             char *const *args, bool *lost_out)
{
    char                       token[64];
    const char *const          env[] = { token, NULL };
    const struct child_options options = { .args = args, .env = env };
    struct child               child;
    struct muster_error        error = { 0 };
    const uint32_t             look_ms = lock_look_ms(cli);
    uint64_t                   sure_ms = clock_now_ms();
    int                        status = EXIT_DONE;
    muster_err                 err;

    (void)snprintf(token, sizeof(token), "MUSTER_FENCING_TOKEN=%llu",
                   (unsigned long long)hold->token);
    err = child_start(&options, &child, &error);
    if (err)
        return child_tell(name, &error);
    while (!child_wait(&child, cli_interrupt_fd(), (int)look_ms, &status)) {
        if (cli_interrupted()) {
            child_stop(&child, &status);
            return EXIT_INTERRUPTED;
        }
        err = hold_look(hold, look_ms, &error);
        if (!err)
            sure_ms = clock_now_ms();
        if (!err ||
            (err == MUSTER_ERR_TIMEOUT && clock_now_ms() - sure_ms < lock_unsure_ms(cli)))
            continue;
        cli_say("%s: the lock was lost (%s): the command is stopped", name, error.detail);
        child_stop(&child, &status);
        *lost_out = true;
        return muster_err_exit_status(MUSTER_ERR_NOT_OWNER);
    }
    return status;
}

static int
lock_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct lock_settings *wanted = settings;
    struct hold_on              hold = { 0 };
    struct muster_error         error = { 0 };
    uint32_t                    timeout_ms;
    bool                        lost = false;
    muster_err                  err;
    int                         status;

    if (!command_operands(&command_lock, operands, 2, INT32_MAX) ||
        !command_names(&command_lock, operands->items[0]) ||
        !waiting_parse("lock", wanted->timeout, &timeout_ms))
        return EXIT_USAGE;
    status = cli_open(cli);
    if (status != EXIT_DONE)
        return status;
    cli_catch_interrupts(cli);
    err = hold_open(cli, operands->items[0], wanted->permits, &hold, &error);
    if (err)
        return cli_fail(&error, "open lock", "%s", operands->items[0]);
    err = hold_acquire(&hold, timeout_ms, &error);
    if (err == MUSTER_ERR_TIMEOUT)
        hold_who(&hold, &error);
    if (err) {
        hold_end(&hold, false);
        return cli_fail(&error, "acquire", "%s", operands->items[0]);
    }
    status = lock_command(cli, &hold, operands->items[0], operands->items + 1, &lost);
    hold_end(&hold, !lost);
    return status;
}

const struct command command_lock = {
    .name = "lock",
    .usage = "[--permits N] [--timeout TIME] NAME -- COMMAND [ARGUMENT...]",
    .summary = "run a command while holding a lock of the fleet",
    .text =
        "Waits until it holds the lock of this name, in the order of arrival, runs COMMAND on "
        "this machine, releases the lock and ends with the command's exit code. The lock "
        "belongs to this program: when it dies, or its machine does, the next one gets it "
        "within the session time-out of the manager (30 seconds, see muster-manager(1))."
        "\n\n"
        "The command sees MUSTER_FENCING_TOKEN, a number that is larger for each holder. When "
        "the lock is lost, or when the manager cannot be reached for two thirds of that time so "
        "that it may be lost soon, the command is stopped: SIGTERM, after 5 seconds SIGKILL.",
    .groups = lock_groups,
    .examples = lock_examples,
    .exits = lock_exits,
    .settings_bytes = sizeof(struct lock_settings),
    .run = lock_run,
};
