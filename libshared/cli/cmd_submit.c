/* cmd_submit.c - muster submit: hand a job to the manager and print its id */
#include <inttypes.h>

#include "commands.h"
#include "feeder.h"
#include "job_options.h"
#include "json_out.h"

static const struct option_group *const submit_groups[] = {
    &job_input_options, &job_need_options, &job_when_options, &job_what_options, &cli_options, NULL,
};

static const struct example submit_examples[] = {
    { "the id is printed when the job is safe on the manager's disk",
      "job=$(muster submit -- ./backup /home)" },
    { "an array, 50 at once; then something that needs all of it",
      "job=$(muster submit --array 1-1000%50 -- ./step1 {})\nmuster submit --after $job -- "
      "./step2" },
    { "a task for each line of a file",
      "muster submit --name thumbs --each-line pictures -- ./thumb {}" },
    { "harmless to repeat: the same key is the same job",
      "muster submit --dedup nightly-2027-01-31 -- ./nightly" },
    { "what it needs", "muster submit --cpus 4 --mem 8G --resource gpus=1 -- ./train" },
    { "and then", "muster wait $job; muster output $job; muster tasks $job --failed" },
    EXAMPLES_END,
};

static const struct exit_row submit_exits[] = {
    { "0", "the job is durable; its id is on stdout" },
    { "2", "the command line is wrong" },
    { "65", "too large, or the same --dedup key with other content" },
    { "66", "a job of --after, or the file with the inputs, does not exist" },
    { "72", "the manager's disk is full" },
    { "74", "the inputs could not be read" },
    { "75", "the manager has reached a limit; try later" },
    { "130", "interrupted" },
    { "other", "see EXIT STATUS in muster(1)" },
    EXITS_END,
};

/* A cut-off job would wait for input for ever.  With a dedup key it can be
 * resumed, without one it is cancelled. */
static int
submit_cut_off(struct cli *cli, const struct job_plan *plan, uint64_t job,
               const struct muster_error *error)
{
    struct muster_error again = { 0 };
    uint64_t            count;
    int                 status;

    if (error->code == MUSTER_ERR_INTERRUPTED) {
        cli_say("interrupted after %u inputs", plan->inputs.given);
        status = EXIT_INTERRUPTED;
    } else {
        status = cli_fail(error, "feed job", "%" PRIu64 " after %u inputs", job,
                          plan->inputs.given);
    }
    if (plan->options.dedup != NULL) {
        cli_say("job %" PRIu64 " waits for the rest: the same command with --dedup %s goes on "
                               "where "
                "it was cut off", job, plan->options.dedup);
        return status;
    }
    if (muster_job_cancel(cli->session, job, NULL, 0, false, CLI_CALL_MS, &count, &again))
        cli_fail(&again, "cancel job", "%" PRIu64, job);
    else
        cli_say("job %" PRIu64 " was cancelled; with --dedup it could have been resumed", job);
    return status;
}

static int
submit_feed(struct cli *cli, struct job_plan *plan, const struct muster_submitted *submitted)
{
    struct feeder          feeder = { .session = cli->session, .job = submitted->job,
                                      .inputs = &plan->inputs };
    struct muster_job_info info = { 0 };
    struct muster_error    error = { 0 };

    if (plan->options.source != MUSTER_SOURCE_ITEMS)
        return EXIT_DONE;
    if (submitted->existed) {
        if (muster_job_get(cli->session, submitted->job, CLI_CALL_MS, &info, &error))
            return cli_fail(&error, "look up job", "%" PRIu64, submitted->job);
        if (!info.open) {
            cli_note(cli, "job %" PRIu64 " has all its inputs already", submitted->job);
            muster_job_info_free(&info);
            return EXIT_DONE;
        }
        cli_note(cli, "job %" PRIu64 " has %u inputs already; going on behind them",
                 submitted->job, info.counts.total);
        muster_job_info_free(&info);
    }
    plan->inputs.stop_fd = cli_interrupt_fd();
    if (feeder_feed(&feeder, &error))
        return submit_cut_off(cli, plan, submitted->job, &error);
    return EXIT_DONE;
}

static int
submit_job(struct cli *cli, const struct job_settings *settings, struct job_plan *plan)
{
    struct muster_submitted submitted = { 0 };
    struct muster_error     error = { 0 };
    int                     status;

    cli_catch_interrupts(cli);
    if (job_plan_resolve(settings, plan, cli->session, &error))
        return cli_fail(&error, "look up", "the last job");
    if (muster_job_submit(cli->session, &plan->options, CLI_CALL_MS, &submitted, &error))
        return cli_fail(&error, "submit", "%s", plan->args[0]);
    if (submitted.warning[0] != '\0')
        cli_say("warning: %s", submitted.warning);
    status = submit_feed(cli, plan, &submitted);
    if (status != EXIT_DONE)
        return status;
    if (cli->json)
        return json_out_print(json_pack("{s:I, s:b, s:s}", "job", (json_int_t)submitted.job,
                                        "existed", submitted.existed, "warning",
                                        submitted.warning));
    printf("%" PRIu64 "\n", submitted.job);
    return EXIT_DONE;
}

static int
submit_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct job_settings *job = settings;
    struct job_plan            plan = { 0 };
    struct muster_error        error = { 0 };
    int                        status;

    if (job->joblog != NULL)
        return cli_usage("submit", "submit does not stay to write a joblog; use `muster wait JOB "
                                   "--joblog %s`", job->joblog);
    if (job_plan_make(job, operands, false, &plan, &error))
        status = error.code == MUSTER_ERR_INVALID ? cli_usage("submit", "%s", error.detail)
                                                  : cli_fail_file(&error, "prepare the job",
                                                                  "Check the name of the file.");
    else if (job->dry_run)
        status = job_plan_dry_run(&plan);
    else if (inputs_open(&plan.inputs, false, &error))
        status = cli_fail_file(&error, "read the inputs", "Check the name of the file.");
    else
        status = cli_open(cli);
    if (status == EXIT_DONE && cli->session != NULL)
        status = submit_job(cli, job, &plan);
    job_plan_free(&plan);
    return status;
}

static void
submit_free(void *settings)
{
    job_settings_free(settings);
}

const struct command command_submit = {
    .name = "submit",
    .usage = "[options] [--] COMMAND [ARGUMENT]... [::: INPUT...]",
    .summary = "hand a job to the manager and print its id",
    .text =
        "Returns when the job, with all its inputs, is durable: it then survives a crash of "
        "the manager. Prints the id on stdout. Warnings, for instance that no worker has a "
        "resource that the job asks for, go to stderr.\n\n"
        "Inputs and placeholders are those of `muster run`. When reading the inputs fails, "
        "it says how far it came; with --dedup a repeat goes on from there.",
    .groups = submit_groups,
    .examples = submit_examples,
    .exits = submit_exits,
    .stop_at_operand = true,
    .settings_bytes = sizeof(struct job_settings),
    .run = submit_run,
    .free = submit_free,
};
