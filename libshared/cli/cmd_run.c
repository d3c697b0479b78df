/* cmd_run.c - muster run: submit a job, show its results as they come, end as it did
 *
 * 1. Whatever is started here is gone at the end: the feeding thread, the
 *    private fleet, the job when we were interrupted.
 * 2. Its own failures are 125; every other status belongs to the tasks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "commands.h"
#include "exits.h"
#include "follow.h"
#include "job_options.h"
#include "joblog.h"

struct run_settings {
    struct job_settings job;           /* first: the job's options are offsets into it */
    bool                keep_order, tag, bar, bar_off, session_bound;
};

#define AT(field) offsetof(struct run_settings, field)

static const struct option run_rows[] = {
    { 'k', "keep-order", NULL, OPTION_FLAG, AT(keep_order), 0,
      "show outputs in the order of the inputs, not as tasks end", NAMES_NOTHING },
    { 0, "tag", NULL, OPTION_FLAG, AT(tag), 0,
      "begin each line of output with the task's input and a tab", NAMES_NOTHING },
    { 0, "bar", NULL, OPTION_FLAG, AT(bar), 0,
      "a progress bar also for a single command (on a terminal only)", NAMES_NOTHING },
    { 0, "no-bar", NULL, OPTION_FLAG, AT(bar_off), 0, "no progress bar", NAMES_NOTHING },
    { 0, "session-bound", NULL, OPTION_FLAG, AT(session_bound), 0,
      "the manager cancels the job when this program goes away without a word (30 s)",
      NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group run_options = { "Output", run_rows, false };

static const struct option_group *const run_groups[] = {
    &job_input_options, &run_options, &job_need_options, &job_when_options,
    &job_what_options, &cli_options, NULL,
};

static const struct example run_examples[] = {
    { "one command; its output and exit code are ours", "muster run -- make -C /src test" },
    { "one task for each word", "muster run -- convert {} {.}.png ::: *.jpg" },
    { "one task for each line, at most 8 at once, with a log",
      "find /data -name '*.csv' | muster run -j 8 --each-line - --joblog log -- ./clean {}" },
    { "file names with anything in them",
      "find . -type f -print0 | muster run -0 -a - -- sha256sum" },
    { "an array of numbers, outputs in order",
      "muster run --array 1-100 --keep-order -- ./simulate --seed {}" },
    { "patience: three more tries, ten minutes each, stop when a tenth has failed",
      "muster run --retries 3 --timeout 10m --halt 10% --each-line urls -- curl -fsSO {}" },
    { "see what would run", "muster run --dry-run -- mv {} {//}/old-{/} ::: a/x b/y" },
    { "two gpus and a label", "muster run --resource gpus=2 --label disk=ssd --cpus 4 -- ./train" },
    { "results as JSON, one line per task",
      "muster run --json --array 1-3 -- hostname | jq .host" },
    EXAMPLES_END,
};

static const struct exit_row run_exits[] = {
    { "0", "every task succeeded" },
    { "1-101", "so many tasks failed; 101: that many or more" },
    { "N", "of a single command (no inputs): its own exit code; 128+N when signal N ended it; 124 "
           "when it was over its --timeout" },
    { "125", "muster itself failed; the message says why" },
    { "126", "the single command could not be started" },
    { "127", "the single command was not found on the worker" },
    { "130", "interrupted, or the job was cancelled" },
    { "141", "standard output was closed" },
    EXITS_END,
};

struct run {
    struct cli          *cli;
    struct run_settings *settings;
    struct job_plan      plan;
    struct muster_submitted submitted;
    struct feeder        feeder;
    struct show          show;
    struct follow        follow;
    FILE                *joblog;
};

/* ---- steps ---- */

/* As many slots as cores, but as many as --jobs asks for: whoever says -j 8 on
 * a machine with 2 cores means it. */
static struct muster_fleet_options
run_fleet_options(const struct run *run)
{
    uint64_t wanted = run->plan.options.running_max;
    uint64_t milli = run->plan.options.cpus_milli != 0 ? run->plan.options.cpus_milli : 1000;
    long     cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (run->settings->job.jobs == 0 && run->plan.inputs.array.running_max == 0)
        return (struct muster_fleet_options){ 0 };
    wanted = (wanted * milli + 999) / 1000;
    if (wanted <= (uint64_t)(cores > 0 ? cores : 1) || wanted > 1000)
        return (struct muster_fleet_options){ 0 };
    return (struct muster_fleet_options){ .cpus = (uint32_t)wanted };
}

static int
run_joblog_open(struct run *run)
{
    const char         *path = run->settings->job.joblog;
    struct muster_error error = { 0 };

    if (path == NULL)
        return EXIT_DONE;
    run->joblog = fopen(path, "we");
    if (run->joblog == NULL) {
        error_errno(&error, MUSTER_ERR_IO, "open");
        return cli_fail(&error, "write the joblog", "%s", path);
    }
    joblog_head(run->joblog);
    return EXIT_DONE;
}

static int
run_joblog_close(struct run *run)
{
    struct muster_error error = { 0 };
    bool                failed;

    if (run->joblog == NULL)
        return EXIT_DONE;
    failed = ferror(run->joblog) != 0;
    failed = fclose(run->joblog) != 0 || failed;
    run->joblog = NULL;
    if (!failed)
        return EXIT_DONE;
    error_errno(&error, MUSTER_ERR_IO, "write");
    return cli_fail(&error, "write the joblog", "%s", run->settings->job.joblog);
}

static int
run_submit(struct run *run)
{
    struct muster_error error = { 0 };

    run->plan.options.session_bound = run->settings->session_bound;
    /* It is all shown here and now: nobody expects a hole in it. */
    if (run->plan.options.output_bytes == 0)
        run->plan.options.output_bytes = MUSTER_OUTPUT_BYTES_MAX;
    if (job_plan_resolve(&run->settings->job, &run->plan, run->cli->session, &error))
        return cli_fail(&error, "look up", "the last job");
    if (muster_job_submit(run->cli->session, &run->plan.options, CLI_CALL_MS, &run->submitted,
                          &error))
        return cli_fail(&error, "submit", "%s", run->plan.args[0]);
    if (run->submitted.warning[0] == '\0')
        return EXIT_DONE;
    if (run->cli->fleet == NULL) {
        cli_say("warning: %s", run->submitted.warning);
        return EXIT_DONE;
    }
    /* No other worker will ever join a private fleet: waiting would be for ever. */
    cli_say("the private fleet cannot run this: %s", run->submitted.warning);
    return EXIT_RUN_FAILED;
}

static int
run_feed(struct run *run)
{
    struct muster_error    error = { 0 };
    struct muster_job_info info = { 0 };
    bool                   open;

    if (run->plan.options.source != MUSTER_SOURCE_ITEMS)
        return EXIT_DONE;
    run->feeder = (struct feeder){ .session = run->cli->session, .job = run->submitted.job,
                                   .inputs = &run->plan.inputs };
    if (run->submitted.existed) {
        if (muster_job_get(run->cli->session, run->submitted.job, CLI_CALL_MS, &info, &error))
            return cli_fail(&error, "look up job", "%" PRIu64, run->submitted.job);
        open = info.open;
        muster_job_info_free(&info);
        if (!open)
            return EXIT_DONE;
    }
    if (feeder_start(&run->feeder, &error))
        return cli_fail(&error, "read", "the inputs");
    run->follow.feeder = &run->feeder;
    return EXIT_DONE;
}

static void
run_prepare_show(struct run *run)
{
    const struct run_settings *settings = run->settings;
    const struct job_plan     *plan = &run->plan;
    bool                       many = plan->inputs.kind != INPUTS_NONE;
    bool                       bar = (many || settings->bar) && !settings->bar_off;

    run->show = (struct show){
        .cli = run->cli, .job = run->submitted.job, .tag = settings->tag, .failures = true,
        .single = !many, .inputs = &run->plan.inputs, .args = plan->args,
        .replace = plan->options.replace, .sent_bytes = plan->options.stdin_bytes,
        .joblog = run->joblog,
        .progress = &run->follow.progress,
        .numbering = plan->inputs.kind == INPUTS_ARRAY
                         ? (struct numbering){ plan->inputs.array.first, plan->inputs.array.step }
                         : (struct numbering){ 1, 1 },
    };
    run->follow = (struct follow){ .cli = run->cli, .job = run->submitted.job, .show = &run->show,
                                   .keep_order = settings->keep_order, .cancel = true };
    progress_begin(&run->follow.progress, bar && !run->cli->quiet, clock_now_ms());
}

/* What the job came to, once nothing more will be shown. */
static int
run_verdict(struct run *run)
{
    const struct muster_counts *counts = &run->follow.counts;
    int                         status = exit_of_counts(counts, run->follow.state);

    if (cli_stdout_failed())
        return EXIT_PIPE_CLOSED;
    if (cli_interrupted()) {
        cli_say("job %" PRIu64 " was cancelled: %u of %u tasks had ended", run->submitted.job,
                counts->succeeded + counts->failed, counts->total);
        return EXIT_INTERRUPTED;
    }
    if (run->follow.feed_failed)
        return EXIT_RUN_FAILED;
    if (run->show.single && run->show.has_single)
        return run->show.single_status;
    if (counts->failed > 0)
        cli_note(run->cli, "job %" PRIu64 ": %u of %u tasks failed%s", run->submitted.job,
                 counts->failed, counts->total,
                 counts->cancelled > 0 ? ", the rest was cancelled" : "");
    else if (status == EXIT_INTERRUPTED)
        cli_note(run->cli, "job %" PRIu64 " was cancelled", run->submitted.job);
    return status;
}

/* Everything from the submission on; needs a session. */
static int
run_job(struct run *run)
{
    muster_err err;
    int        status;

    cli_catch_interrupts(run->cli);
    status = run_submit(run);
    if (status != EXIT_DONE)
        return cli_interrupted() ? EXIT_INTERRUPTED : EXIT_RUN_FAILED;
    run_prepare_show(run);
    if (run_feed(run) != EXIT_DONE)
        return EXIT_RUN_FAILED;
    err = follow_job(&run->follow);
    status = err ? EXIT_RUN_FAILED : run_verdict(run);
    if (err && cli_interrupted())
        status = EXIT_INTERRUPTED;
    if (err && run->cli->fleet == NULL)
        cli_note(run->cli, "job %" PRIu64 " may go on; see `muster job %" PRIu64 "`",
                 run->submitted.job, run->submitted.job);
    feeder_stop(&run->feeder);
    return status;
}

static int
run_run(struct cli *cli, void *settings, struct operands *operands)
{
    struct run                  run = { .cli = cli, .settings = settings };
    struct job_settings        *job = &run.settings->job;
    struct muster_fleet_options fleet;
    struct muster_error         error = { 0 };
    bool                        look_back = job->joblog != NULL || run.settings->tag;
    int                         status = EXIT_RUN_FAILED;

    if (job_plan_make(job, operands, cli->address == NULL, &run.plan, &error)) {
        if (error.code == MUSTER_ERR_INVALID)
            cli_usage("run", "%s", error.detail);
        else
            cli_fail_file(&error, "prepare the job", "Check the name of the file.");
        goto out;
    }
    if (job->dry_run) {
        status = job_plan_dry_run(&run.plan) == EXIT_DONE ? EXIT_DONE : EXIT_RUN_FAILED;
        goto out;
    }
    if (inputs_open(&run.plan.inputs, look_back, &error)) {
        cli_fail_file(&error, "read the inputs", "Check the name of the file.");
        goto out;
    }
    if (run_joblog_open(&run) != EXIT_DONE)
        goto out;
    fleet = run_fleet_options(&run);
    if (cli_open_or_start(cli, &fleet) != EXIT_DONE)
        goto out;
    status = run_job(&run);
out:
    if (run_joblog_close(&run) != EXIT_DONE && status == EXIT_DONE)
        status = EXIT_RUN_FAILED;
    job_plan_free(&run.plan);
    return status;
}

static void
run_free(void *settings)
{
    job_settings_free(&((struct run_settings *)settings)->job);
}

const struct command command_run = {
    .name = "run",
    .usage = "[options] [--] COMMAND [ARGUMENT]... [::: INPUT...]",
    .summary = "run a command, once or for each input, and show what comes out",
    .text =
        "Submits a job, shows the output of its tasks as they end, and exits as they did. A "
        "task's stdout goes to stdout and its stderr to stderr, each task's output whole.\n\n"
        "Inputs come from `::: a b c`, --each-line or --array; without any, the command runs "
        "once. In the arguments {} stands for the input, {.} for the input without its "
        "extension, {/} for its last part, {//} for its folder, {#} for the number of the "
        "task; without a placeholder the input is appended. Lines are read as a stream: "
        "results are shown while lines still come, and a million lines take neither memory "
        "nor patience. With --keep-order, outputs that wait for their turn are kept up to 64 "
        "MiB and fetched again beyond it.\n\n"
        "With no manager given (--connect, MUSTER_ADDRESS) a private fleet is started on "
        "this machine and stopped afterwards: a slot per core (or as many as --jobs), tasks "
        "run in the current folder with your environment. On a manager's fleet a task gets a "
        "folder of its own and a small environment: use --cwd and --env.\n\n"
        "A task cannot reach the manager, unless --task-key asks for it: then it finds "
        "MUSTER_ADDRESS and MUSTER_AUTHKEY_FILE, the path of a key file that is good for this "
        "task alone, from its worker's machine and while it runs. With it the commands of "
        "muster work inside the task as they do here: it may put into queues, take locks, "
        "submit jobs. What it started with --session-bound ends with it; jobs go on.\n\n"
        "The first Ctrl-C (or SIGTERM) cancels the job and waits for its tasks to end; the "
        "second leaves at once.",
    .groups = run_groups,
    .examples = run_examples,
    .exits = run_exits,
    .stop_at_operand = true,
    .settings_bytes = sizeof(struct run_settings),
    .run = run_run,
    .free = run_free,
};
