/* job_options.c - see job_options.h */
#include "job_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command_line.h"
#include "files.h"
#include "parse.h"
#include "placeholder.h"

enum {
    JOB_STDIN_BYTES_MAX = 64 * 1024 * 1024,
    JOB_RETRIES_MAX = 999,
    JOB_PRIORITY_MAX = 1000,
    JOB_CPUS_MAX = 1000 * 1000,
    JOB_NAME_BYTES_MAX = 64,
    JOB_AFTER_MAX = 64,
    JOB_ENV_HERE_BYTES_MAX = 48 * 1024,    /* of an inherited environment */
    JOB_ENV_HERE_MAX = 800,
};
#define JOB_DELAY_MS_MAX 3162240000ull     /* about 36 days */

#define AT(field) offsetof(struct job_settings, field)

static const struct option input_rows[] = {
    { 'a', "each-line", "FILE", OPTION_TEXT, AT(each_line), 0,
      "one task for each line of FILE; - is standard input, read as it comes", NAMES_FILE },
    { 0, "array", "RANGE", OPTION_TEXT, AT(array), 0,
      "one task for each number: 1-1000, 1-1000:2 (every second), 1-1000%50 (at most 50 at once)",
      NAMES_NOTHING },
    { '0', "null", NULL, OPTION_FLAG, AT(null_separated), 0,
      "--each-line: inputs end with a zero byte, as from find -print0", NAMES_NOTHING },
    { 0, "stdin", "FILE", OPTION_TEXT, AT(stdin_path), 0,
      "the content of FILE (at most 64 MiB) is the standard input of every task", NAMES_FILE },
    { 0, "input-as-stdin", NULL, OPTION_FLAG, AT(input_as_stdin), 0,
      "each input is the standard input of its task, not an argument", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};
const struct option_group job_input_options = { "Inputs", input_rows, false };

static const struct option need_rows[] = {
    { 0, "cpus", "N", OPTION_MILLI, AT(cpus_milli), JOB_CPUS_MAX,
      "processors of each task, also 0.5; default 1", NAMES_NOTHING },
    { 0, "mem", "SIZE", OPTION_SIZE, AT(mem_bytes), 0,
      "memory of each task: claimed, and its limit", NAMES_NOTHING },
    { 0, "resource", "NAME=N", OPTION_LIST, AT(resources), 0,
      "so much of a named resource of the worker, as gpus=2; repeatable", NAMES_NOTHING },
    { 0, "label", "KEY=VALUE", OPTION_LIST, AT(labels), 0,
      "only on workers with this label; repeatable, all must match", NAMES_NOTHING },
    { 0, "queue", "NAME", OPTION_TEXT, AT(queue), 0,
      "only on workers that serve this queue; default: default", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};
const struct option_group job_need_options = { "Where it may run", need_rows, false };

static const struct option when_rows[] = {
    { 'j', "jobs", "N", OPTION_COUNT, AT(jobs), MUSTER_TASKS_MAX,
      "at most N tasks of this job at once; default: what the workers hold", NAMES_NOTHING },
    { 0, "jobs-with", "JOB", OPTION_TEXT, AT(jobs_with), 0,
      "share the --jobs of JOB (or last): N tasks at once of both, and of all that share it",
      NAMES_NOTHING },
    { 0, "after", "JOB", OPTION_LIST, AT(after), 0,
      "only when JOB (or several: 3,4; or last) succeeded; if it fails, so does this one",
      NAMES_NOTHING },
    { 0, "delay", "TIME", OPTION_DURATION, AT(delay_ms), JOB_DELAY_MS_MAX,
      "not before so much time has passed", NAMES_NOTHING },
    { 0, "priority", "N", OPTION_INTEGER, AT(priority), JOB_PRIORITY_MAX,
      "-1000 to 1000, larger first; default 0", NAMES_NOTHING },
    { 0, "timeout", "TIME", OPTION_DURATION, AT(timeout_ms), UINT32_MAX,
      "a task that takes longer is ended: SIGTERM, --grace, SIGKILL; it failed", NAMES_NOTHING },
    { 0, "grace", "TIME", OPTION_DURATION, AT(grace_ms), UINT32_MAX,
      "from SIGTERM to SIGKILL; default 5s", NAMES_NOTHING },
    { 0, "retries", "N", OPTION_COUNT, AT(retries), JOB_RETRIES_MAX,
      "try a failing task N times more; default 0", NAMES_NOTHING },
    { 0, "retry-delay", "TIME", OPTION_DURATION, AT(retry_delay_ms), JOB_DELAY_MS_MAX,
      "wait so long before trying again", NAMES_NOTHING },
    { 0, "halt", "N|P%", OPTION_TEXT, AT(halt), 0,
      "stop the job when N tasks, or P percent of them, have failed", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};
const struct option_group job_when_options = { "When, and what a failure means", when_rows, false };

static const struct option what_rows[] = {
    { 0, "name", "TEXT", OPTION_TEXT, AT(name), 0,
      "what people call the job; default: made from the command", NAMES_NOTHING },
    { 0, "env", "NAME=VALUE", OPTION_LIST, AT(env), 0,
      "set a variable for the tasks; NAME alone copies yours; repeatable", NAMES_NOTHING },
    { 0, "cwd", "DIR", OPTION_TEXT, AT(cwd), 0,
      "run in DIR of the worker (. is this folder's path); default: a private scratch folder, and "
      "in a private fleet this folder", NAMES_FOLDER },
    { 0, "task-key", NULL, OPTION_FLAG, AT(task_key), 0,
      "a key of its own for each task: `muster queue put` ... work in it, as you", NAMES_NOTHING },
    { 0, "output-max", "SIZE", OPTION_SIZE, AT(output_max), MUSTER_OUTPUT_BYTES_MAX,
      "keep so much of each of stdout and stderr of a task, head and tail; default 1M; run: 2047M",
      NAMES_NOTHING },
    { 0, "dedup", "KEY", OPTION_TEXT, AT(dedup), 0,
      "a repeat with the same KEY is the same job, and goes on feeding it where it was cut off",
      NAMES_NOTHING },
    { 0, "joblog", "FILE", OPTION_TEXT, AT(joblog), 0,
      "write a line per ended task in the columns of GNU parallel (run; else: muster wait "
      "--joblog)", NAMES_FILE },
    { 0, "dry-run", NULL, OPTION_FLAG, AT(dry_run), 0,
      "print the command of each task as a shell line and run nothing", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};
const struct option_group job_what_options = { "The task", what_rows, false };

void
job_settings_free(struct job_settings *settings)
{
    text_list_free(&settings->resources);
    text_list_free(&settings->labels);
    text_list_free(&settings->after);
    text_list_free(&settings->env);
}

/* ---- single values ---- */

bool
halt_parse(const char *text, uint32_t *fail_max_out, uint32_t *fail_percent_out)
{
    size_t   bytes = strlen(text);
    char     digits[16];
    uint64_t value;
    bool     percent = bytes > 0 && text[bytes - 1] == '%';

    if (bytes - percent >= sizeof(digits))
        return false;
    memcpy(digits, text, bytes - percent);
    digits[bytes - percent] = '\0';
    if (!parse_u64(digits, percent ? 100 : MUSTER_TASKS_MAX, &value) || value == 0)
        return false;
    *(percent ? fail_percent_out : fail_max_out) = (uint32_t)value;
    return true;
}

bool
resource_parse(const char *text, char *name, size_t name_bytes, uint64_t *amount_out)
{
    const char *equals = strchr(text, '=');
    size_t      bytes = equals == NULL ? 0 : (size_t)(equals - text);

    if (equals == NULL || bytes >= name_bytes ||
        !parse_name((struct slice){ text, bytes }, JOB_NAME_BYTES_MAX) ||
        !parse_u64(equals + 1, UINT64_MAX, amount_out))
        return false;
    memcpy(name, text, bytes);
    name[bytes] = '\0';
    return true;
}

/* ---- the plan ---- */

static char *
plan_own(struct job_plan *plan, char *text)
{
    base_grow((void **)&plan->owned, &plan->owned_capacity, plan->owned_count + 1,
              sizeof(*plan->owned));
    plan->owned[plan->owned_count++] = text;
    return text;
}

static char *
plan_join(struct job_plan *plan, const char *a, const char *between, const char *b)
{
    struct buffer text = { 0 };

    buffer_append_text(&text, a);
    buffer_append_text(&text, between);
    buffer_append_text(&text, b);
    buffer_append(&text, "", 1);
    return plan_own(plan, (char *)text.data);
}

/* NAME=VALUE; a later one takes the place of an earlier. */
static void
plan_env_set(struct job_plan *plan, const char *text)
{
    size_t name_bytes = strcspn(text, "=") + 1;

    for (uint32_t i = 0; i < plan->env.count; i++)
        if (strncmp(plan->env.items[i], text, name_bytes) == 0) {
            plan->env.items[i] = text;
            return;
        }
    text_list_add(&plan->env, text);
}

/* In a private fleet a task is as if the user had started it here.  What is too
 * much for a task's description is left out from the end. */
static void
plan_env_here(struct job_plan *plan)
{
    size_t bytes = 0;

    for (char **at = environ; *at != NULL && plan->env.count < JOB_ENV_HERE_MAX; at++) {
        bytes += strlen(*at);
        if (bytes > JOB_ENV_HERE_BYTES_MAX)
            return;
        if (strncmp(*at, "MUSTER_", 7) != 0 && strchr(*at, '=') != NULL && (*at)[0] != '=' &&
            parse_utf8(slice_text(*at)))
            plan_env_set(plan, *at);
    }
}

static muster_err
plan_env(const struct job_settings *settings, bool here, struct job_plan *plan,
         struct muster_error *error)
{
    if (here)
        plan_env_here(plan);
    for (uint32_t i = 0; i < settings->env.count; i++) {
        const char *text = settings->env.items[i];
        const char *value;

        if (text[0] == '=' || text[0] == '\0')
            return error_set(error, MUSTER_ERR_INVALID, "--env '%s': NAME=VALUE is expected", text);
        if (strchr(text, '=') != NULL) {
            plan_env_set(plan, text);
            continue;
        }
        value = getenv(text);
        if (value == NULL)
            return error_set(error, MUSTER_ERR_INVALID, "--env %s: there is no such variable here",
                             text);
        plan_env_set(plan, plan_join(plan, text, "=", value));
    }
    plan->options.env = plan->env.items;
    return MUSTER_OK;
}

static muster_err
plan_cwd(const struct job_settings *settings, bool here, struct job_plan *plan,
         struct muster_error *error)
{
    char *current;

    if (settings->cwd != NULL && settings->cwd[0] == '/') {
        plan->options.cwd = settings->cwd;
        return MUSTER_OK;
    }
    if (settings->cwd == NULL && !here)
        return MUSTER_OK;
    current = getcwd(NULL, 0);
    if (current == NULL)
        return error_errno(error, MUSTER_ERR_IO, "find the current folder");
    plan_own(plan, current);
    if (settings->cwd == NULL || strcmp(settings->cwd, ".") == 0)
        plan->options.cwd = current;
    else
        plan->options.cwd = plan_join(plan, current, "/", settings->cwd);
    return MUSTER_OK;
}

static muster_err
plan_needs(const struct job_settings *settings, struct job_plan *plan, struct muster_error *error)
{
    plan->resources = base_array(settings->resources.count + 1u, sizeof(*plan->resources));
    for (uint32_t i = 0; i < settings->resources.count; i++) {
        char *name = plan_own(plan, base_alloc(JOB_NAME_BYTES_MAX + 1));

        if (!resource_parse(settings->resources.items[i], name, JOB_NAME_BYTES_MAX + 1,
                            &plan->resources[i].amount))
            return error_set(error, MUSTER_ERR_INVALID,
                             "--resource '%s': NAME=NUMBER is expected, as gpus=2",
                             settings->resources.items[i]);
        plan->resources[i].name = name;
    }
    for (uint32_t i = 0; i < settings->labels.count; i++) {
        const char *text = settings->labels.items[i];

        if (text[0] == '=' || strchr(text, '=') == NULL)
            return error_set(error, MUSTER_ERR_INVALID,
                             "--label '%s': KEY=VALUE is expected, as disk=ssd", text);
        text_list_add(&plan->labels, text);
    }
    plan->options.resources = plan->resources;
    plan->options.resource_count = settings->resources.count;
    plan->options.labels = plan->labels.items;
    plan->options.cpus_milli = settings->cpus_milli;
    plan->options.mem_bytes = settings->mem_bytes;
    plan->options.queue = settings->queue;
    return MUSTER_OK;
}

/* --after 3 --after 4,5 --after last; "last" is 0 until job_plan_resolve(). */
static muster_err
plan_after(const struct job_settings *settings, struct job_plan *plan, struct muster_error *error)
{
    size_t count = 0;

    plan->after = base_array(JOB_AFTER_MAX, sizeof(*plan->after));
    for (uint32_t i = 0; i < settings->after.count; i++) {
        char *rest = NULL;
        char *copy = plan_own(plan, base_text_copy(slice_text(settings->after.items[i])));

        for (char *word = strtok_r(copy, ",", &rest); word != NULL;
             word = strtok_r(NULL, ",", &rest)) {
            uint64_t job = 0;

            if (strcmp(word, "last") != 0 && (!parse_u64(word, UINT64_MAX, &job) || job == 0))
                return error_set(error, MUSTER_ERR_INVALID,
                                 "--after '%s': the number of a job is expected, or last", word);
            if (count == JOB_AFTER_MAX)
                return error_set(error, MUSTER_ERR_TOO_LARGE, "--after: more than %d jobs",
                                 JOB_AFTER_MAX);
            plan->after[count++] = job;
        }
    }
    plan->options.after = plan->after;
    plan->options.after_count = count;
    return MUSTER_OK;
}

static muster_err
plan_jobs_with(const struct job_settings *settings, struct job_plan *plan,
               struct muster_error *error)
{
    const char *text = settings->jobs_with;

    if (text == NULL || strcmp(text, "last") == 0)
        return MUSTER_OK;
    if (!parse_u64(text, UINT64_MAX, &plan->options.cap_with) || plan->options.cap_with == 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "--jobs-with '%s': the number of a job is expected, or last", text);
    return MUSTER_OK;
}

muster_err
job_plan_resolve(const struct job_settings *settings, struct job_plan *plan,
                 struct muster_session *session, struct muster_error *error)
{
    struct muster_job_info info = { 0 };
    bool                   wanted = settings->jobs_with != NULL && plan->options.cap_with == 0;
    muster_err             err;

    for (size_t i = 0; i < plan->options.after_count; i++)
        wanted |= plan->after[i] == 0;
    if (!wanted)
        return MUSTER_OK;
    err = muster_job_get(session, 0, CLI_CALL_MS, &info, error);
    if (err)
        return err;
    for (size_t i = 0; i < plan->options.after_count; i++)
        plan->after[i] = plan->after[i] == 0 ? info.job : plan->after[i];
    if (settings->jobs_with != NULL && plan->options.cap_with == 0)
        plan->options.cap_with = info.job;
    muster_job_info_free(&info);
    return MUSTER_OK;
}

/* ---- the command and its inputs ---- */

/* Split the operands at ::: (words) or :::: (a file). */
static muster_err
plan_command(const struct operands *operands, struct job_plan *plan, const char **file_out,
             struct muster_error *error)
{
    int at = 0;

    plan->args = base_array((size_t)operands->count + 2, sizeof(*plan->args));
    while (at < operands->count && strcmp(operands->items[at], ":::") != 0 &&
           strcmp(operands->items[at], "::::") != 0) {
        plan->args[at] = operands->items[at];
        at++;
    }
    plan->options.args = plan->args;
    if (at == 0)
        return error_set(error, MUSTER_ERR_INVALID, "there is no command to run");
    if (plan->args[0][0] == '\0')
        return error_set(error, MUSTER_ERR_INVALID, "the command is empty");
    if (at == operands->count)
        return MUSTER_OK;
    for (int i = at + 1; i < operands->count; i++)
        if (strcmp(operands->items[i], ":::") == 0 || strcmp(operands->items[i], "::::") == 0)
            return error_set(error, MUSTER_ERR_INVALID, "only one ::: is possible");
    if (strcmp(operands->items[at], "::::") == 0) {
        if (operands->count != at + 2)
            return error_set(error, MUSTER_ERR_INVALID, ":::: takes one file");
        *file_out = operands->items[at + 1];
        return MUSTER_OK;
    }
    plan->inputs.kind = INPUTS_WORDS;
    plan->inputs.words = operands->items + at + 1;
    plan->inputs.word_count = (uint32_t)(operands->count - at - 1);
    return MUSTER_OK;
}

static muster_err
plan_inputs(const struct job_settings *settings, const struct operands *operands,
            struct job_plan *plan, struct muster_error *error)
{
    const char *file = settings->each_line;
    const char *file_behind = NULL;
    muster_err  err = plan_command(operands, plan, &file_behind, error);

    if (err)
        return err;
    if ((settings->each_line != NULL) + (file_behind != NULL) + (settings->array != NULL) +
            (plan->inputs.kind == INPUTS_WORDS) > 1)
        return error_set(error, MUSTER_ERR_INVALID,
                         "only one of --each-line, --array and ::: is possible");
    if (file_behind != NULL)
        file = file_behind;
    if (file != NULL) {
        plan->inputs.kind = INPUTS_LINES;
        plan->inputs.path = file;
        plan->inputs.separator = settings->null_separated ? '\0' : '\n';
        plan->inputs.any_bytes = settings->input_as_stdin;
    } else if (settings->null_separated) {
        return error_set(error, MUSTER_ERR_INVALID, "--null goes with --each-line");
    }
    if (settings->array != NULL) {
        plan->inputs.kind = INPUTS_ARRAY;
        err = array_parse(settings->array, &plan->inputs.array, error);
    }
    return err;
}

static muster_err
plan_stdin(const struct job_settings *settings, struct job_plan *plan, struct muster_error *error)
{
    bool       standard = settings->stdin_path != NULL && strcmp(settings->stdin_path, "-") == 0;
    muster_err err;

    if (settings->input_as_stdin && plan->inputs.kind == INPUTS_NONE)
        return error_set(error, MUSTER_ERR_INVALID,
                         "--input-as-stdin needs inputs (--each-line, --array or :::)");
    plan->options.input_is_stdin = settings->input_as_stdin;
    if (settings->stdin_path == NULL)
        return MUSTER_OK;
    if (settings->input_as_stdin)
        return error_set(error, MUSTER_ERR_INVALID,
                         "--stdin and --input-as-stdin exclude each other");
    if (standard && plan->inputs.kind == INPUTS_LINES && strcmp(plan->inputs.path, "-") == 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "--stdin and --each-line cannot both read standard input");
    err = standard ? file_read_fd(STDIN_FILENO, JOB_STDIN_BYTES_MAX, &plan->stdin_data, error)
                   : file_read(settings->stdin_path, JOB_STDIN_BYTES_MAX, &plan->stdin_data, error);
    plan->options.stdin_data = plan->stdin_data.data;
    plan->options.stdin_bytes = plan->stdin_data.bytes;
    return err;
}

/* Without a placeholder the input goes behind the arguments.  Said with one, for an
 * input that is empty is an argument, too. */
static bool
plan_replace(struct job_plan *plan)
{
    const char **end = plan->args;

    if (plan->inputs.kind == INPUTS_NONE)
        return false;
    if (placeholder_in(plan->args) || plan->options.input_is_stdin)
        return placeholder_in(plan->args);
    while (*end != NULL)
        end++;
    *end = "{}";                  /* plan_command() left room */
    return true;
}

static void
plan_source(const struct job_settings *settings, struct job_plan *plan)
{
    struct muster_job_options *options = &plan->options;
    const struct array_range  *array = &plan->inputs.array;

    options->source = MUSTER_SOURCE_COUNTED;
    options->count = 1;
    options->running_max = settings->jobs;
    options->replace = plan_replace(plan);
    if (plan->inputs.kind == INPUTS_WORDS || plan->inputs.kind == INPUTS_LINES) {
        options->source = MUSTER_SOURCE_ITEMS;
        options->count = 0;
    } else if (plan->inputs.kind == INPUTS_ARRAY) {
        options->count = array->count;
        options->number_first = array->first;
        options->number_step = array->step;
        options->number_is_input = true;
        if (array->running_max != 0 &&
            (options->running_max == 0 || array->running_max < options->running_max))
            options->running_max = array->running_max;
    }
}

static muster_err
plan_when(const struct job_settings *settings, struct job_plan *plan, struct muster_error *error)
{
    struct muster_job_options *options = &plan->options;

    options->attempts_max = settings->retries + 1;
    options->time_limit_ms = (uint32_t)settings->timeout_ms;
    options->grace_ms = (uint32_t)settings->grace_ms;
    options->delay_ms = settings->delay_ms;
    options->retry_delay_ms = settings->retry_delay_ms;
    options->priority = settings->priority;
    options->output_bytes = settings->output_max;
    options->own_key = settings->task_key;
    options->name = settings->name;
    options->dedup = settings->dedup;
    if (settings->halt != NULL &&
        !halt_parse(settings->halt, &options->fail_max, &options->fail_percent))
        return error_set(error, MUSTER_ERR_INVALID,
                         "--halt '%s': a number of failures or a percentage is expected, as 3 or "
                         "10%%", settings->halt);
    return MUSTER_OK;
}

muster_err
job_plan_make(const struct job_settings *settings, const struct operands *operands, bool here,
              struct job_plan *plan, struct muster_error *error)
{
    muster_err err;

    *plan = (struct job_plan){ 0 };
    err = plan_inputs(settings, operands, plan, error);
    if (!err)
        err = plan_stdin(settings, plan, error);
    if (!err)
        err = plan_env(settings, here, plan, error);
    if (!err)
        err = plan_cwd(settings, here, plan, error);
    if (!err)
        err = plan_needs(settings, plan, error);
    if (!err)
        err = plan_after(settings, plan, error);
    if (!err)
        err = plan_jobs_with(settings, plan, error);
    if (!err)
        err = plan_when(settings, plan, error);
    if (!err)
        plan_source(settings, plan);
    return err;
}

void
job_plan_free(struct job_plan *plan)
{
    inputs_close(&plan->inputs);
    text_list_free(&plan->env);
    text_list_free(&plan->labels);
    for (uint32_t i = 0; i < plan->owned_count; i++)
        free(plan->owned[i]);
    free(plan->owned);
    free(plan->args);
    free(plan->resources);
    free(plan->after);
    buffer_free(&plan->stdin_data);
    *plan = (struct job_plan){ 0 };
}

/* ---- dry run ---- */

static bool
dry_run_line(const struct job_plan *plan, uint32_t index, struct slice input, struct buffer *line)
{
    buffer_clear(line);
    command_line_put(line, plan->args, plan->options.replace, input,
                     inputs_number(&plan->inputs, index));
    buffer_append_text(line, "\n");
    return cli_write(line->data, line->bytes);
}

int
job_plan_dry_run(struct job_plan *plan)
{
    struct muster_error error = { 0 };
    struct buffer       line = { 0 };
    struct buffer       number = { 0 };
    muster_err          err = inputs_open(&plan->inputs, false, &error);

    if (plan->options.source == MUSTER_SOURCE_COUNTED) {
        for (uint32_t i = 0; i < plan->options.count; i++) {
            buffer_clear(&number);
            err = inputs_look(&plan->inputs, i, &number, &error);
            if (err || !dry_run_line(plan, i, buffer_slice(&number), &line))
                break;
        }
    }
    while (!err && plan->options.source == MUSTER_SOURCE_ITEMS) {
        struct slice item;

        err = inputs_next(&plan->inputs, &item, &error);
        if (err || !dry_run_line(plan, plan->inputs.given - 1, item, &line))
            break;
    }
    buffer_free(&line);
    buffer_free(&number);
    if (err && err != MUSTER_ERR_CLOSED)
        return cli_fail_file(&error, "read the inputs", "Check the name of the file.");
    return EXIT_DONE;
}
