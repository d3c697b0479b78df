/* test_job_options.c - from what was typed to what the manager is told
 *
 * Method: parse the options of a job as `muster submit` does, make the plan,
 * and compare one line that names everything that is not as usual.
 */
#include <stdio.h>
#include <string.h>

#include "job_options.h"
#include "stories.h"

enum { ARGS_MAX = 12 };

static const struct option_group *const groups[] = {
    &job_input_options, &job_need_options, &job_when_options, &job_what_options, NULL,
};

struct story {
    const char *story;
    const char *args[ARGS_MAX];
    const char *expected;
};

static const struct story stories[] = {
    { "one command", { "ls", "-l" }, "[ls][-l] count=1" },
    { "braces without inputs are nothing special", { "find", "{}" }, "[find][{}] count=1" },
    { "words", { "ls", ":::", "a", "b" }, "[ls][{}] items replace" },
    { "words with a placeholder", { "ls", "{}", ":::", "a" }, "[ls][{}] items replace" },
    { "no words are no tasks", { "ls", ":::" }, "[ls][{}] items replace" },
    { "a file of lines", { "--each-line", "f", "ls" }, "[ls][{}] items replace" },
    { "a file of lines behind ::::", { "ls", "::::", "f" }, "[ls][{}] items replace" },
    { "an array", { "--array", "1-9:2%3", "ls" },
      "[ls][{}] count=5 replace first=1 step=2 at_once=3" },
    { "the smaller of two caps", { "--array", "1-9%3", "-j2", "ls" },
      "[ls][{}] count=9 replace first=1 step=1 at_once=2" },
    { "retries are attempts", { "--retries", "3", "ls" }, "[ls] count=1 attempts=4" },
    { "times", { "--timeout", "2m", "--delay", "1s", "ls" }, "[ls] count=1 limit=120000 "
                                                             "delay=1000" },
    { "halt at failures", { "--halt", "3", "ls" }, "[ls] count=1 fail_max=3" },
    { "halt at a share", { "--halt", "10%", "ls" }, "[ls] count=1 fail_percent=10" },
    { "needs", { "--cpus", "0.5", "--mem", "1G", "--resource", "gpus=2", "ls" },
      "[ls] count=1 cpus=500 mem=1073741824 gpus=2" },
    { "labels", { "--label", "a=b", "--label", "c=d", "ls" }, "[ls] count=1 label:a=b label:c=d" },
    { "environment; the later counts", { "--env", "A=1", "--env", "B=", "--env", "A=2", "ls" },
      "[ls] count=1 env:A=2 env:B=" },
    { "a copied variable", { "--env", "TEST_COLOUR", "ls" }, "[ls] count=1 env:TEST_COLOUR=blue" },
    { "after", { "--after", "3,4", "--after", "last", "ls" },
      "[ls] count=1 after:3 after:4 after:0" },
    { "a folder", { "--cwd", "/tmp", "ls" }, "[ls] count=1 cwd=/tmp" },
    { "the same with a placeholder", { "--input-as-stdin", "tee", "{#}", ":::", "a" },
      "[tee][{#}] items replace stdin" },
    { "input as standard input", { "--input-as-stdin", "cat", ":::", "a" }, "[cat] items stdin" },
    { "no command", { "--name", "x" }, "there is no command to run" },
    { "no command, but inputs", { ":::", "a" }, "there is no command to run" },
    { "an empty command", { "" }, "the command is empty" },
    { "two sources", { "--array", "1-2", "ls", ":::", "a" },
      "only one of --each-line, --array and ::: is possible" },
    { "::: twice", { "ls", ":::", "a", ":::", "b" }, "only one ::: is possible" },
    { "two files", { "ls", "::::", "a", "b" }, ":::: takes one file" },
    { "no such variable", { "--env", "NO_SUCH_VARIABLE", "ls" },
      "--env NO_SUCH_VARIABLE: there is no such variable here" },
    { "a variable without a name", { "--env", "=1", "ls" }, "--env '=1': NAME=VALUE is expected" },
    { "no resource", { "--resource", "gpus", "ls" },
      "--resource 'gpus': NAME=NUMBER is expected, as gpus=2" },
    { "no label", { "--label", "ssd", "ls" }, "--label 'ssd': KEY=VALUE is expected, as disk=ssd" },
    { "a shared cap", { "--jobs", "2", "--jobs-with", "7", "ls" },
      "[ls] count=1 at_once=2 cap_with=7" },
    { "a shared cap of the last job", { "--jobs-with", "last", "ls" }, "[ls] count=1" },
    { "a shared cap of no job", { "--jobs-with", "all", "ls" },
      "--jobs-with 'all': the number of a job is expected, or last" },
    { "no job", { "--after", "first", "ls" },
      "--after 'first': the number of a job is expected, or last" },
    { "no halt", { "--halt", "soon", "ls" },
      "--halt 'soon': a number of failures or a percentage is expected, as 3 or 10%" },
    { "zero bytes need lines", { "--null", "ls" }, "--null goes with --each-line" },
    { "standard input twice", { "--stdin", "-", "--each-line", "-", "ls" },
      "--stdin and --each-line cannot both read standard input" },
    { "standard input of two kinds", { "--stdin", "f", "--input-as-stdin", "ls", ":::", "a" },
      "--stdin and --input-as-stdin exclude each other" },
    { "no input to be standard input", { "--input-as-stdin", "cat" },
      "--input-as-stdin needs inputs (--each-line, --array or :::)" },
};

static void
put_number(struct buffer *out, const char *name, unsigned long long value)
{
    if (value != 0)
        buffer_printf(out, " %s=%llu", name, value);
}

static void
put_texts(struct buffer *out, const char *name, const char *const *texts)
{
    for (; texts != NULL && *texts != NULL; texts++)
        buffer_printf(out, " %s:%s", name, *texts);
}

static void
describe(struct buffer *out, const struct job_plan *plan)
{
    const struct muster_job_options *options = &plan->options;

    for (const char *const *arg = options->args; *arg != NULL; arg++)
        buffer_printf(out, "[%s]", *arg);
    if (options->source == MUSTER_SOURCE_ITEMS)
        buffer_append_text(out, " items");
    put_number(out, "count", options->count);
    if (options->replace)
        buffer_append_text(out, " replace");
    if (options->input_is_stdin)
        buffer_append_text(out, " stdin");
    if (options->number_is_input) {
        put_number(out, "first", options->number_first);
        put_number(out, "step", options->number_step);
    }
    put_number(out, "at_once", options->running_max);
    put_number(out, "cap_with", options->cap_with);
    put_number(out, "attempts", options->attempts_max == 1 ? 0 : options->attempts_max);
    put_number(out, "limit", options->time_limit_ms);
    put_number(out, "delay", options->delay_ms);
    put_number(out, "fail_max", options->fail_max);
    put_number(out, "fail_percent", options->fail_percent);
    put_number(out, "cpus", options->cpus_milli);
    put_number(out, "mem", options->mem_bytes);
    for (size_t i = 0; i < options->resource_count; i++)
        put_number(out, options->resources[i].name, options->resources[i].amount);
    put_texts(out, "label", options->labels);
    put_texts(out, "env", options->env);
    for (size_t i = 0; i < options->after_count; i++)
        buffer_printf(out, " after:%llu", (unsigned long long)options->after[i]);
    if (options->cwd != NULL)
        buffer_printf(out, " cwd=%s", options->cwd);
}

static void
test_story(void **state)
{
    const struct story  *story = *state;
    struct job_settings  settings = { 0 };
    struct options_parse parse = { groups, &settings, NULL, true };
    struct operands      operands = { 0 };
    struct job_plan      plan = { 0 };
    struct muster_error  error = { 0 };
    struct buffer        got = { 0 };
    int                  argc = 0;

    while (argc < ARGS_MAX && story->args[argc] != NULL)
        argc++;
    assert_int_equal(options_parse(&parse, argc, (char **)(uintptr_t)story->args, &operands,
                                   &error),
                     MUSTER_OK);
    if (job_plan_make(&settings, &operands, false, &plan, &error))
        buffer_append_text(&got, error.detail);
    else
        describe(&got, &plan);
    assert_string_equal(buffer_text(&got), story->expected);
    job_plan_free(&plan);
    job_settings_free(&settings);
    buffer_free(&got);
    free(operands.items);
}

/* ---- a private fleet: as if started here ---- */

static void
test_here(void **state)
{
    char                 ls[] = "ls";
    char                *items[] = { ls, NULL };
    struct operands      operands = { items, 1 };
    struct job_settings  settings = { 0 };
    struct job_plan      plan = { 0 };
    struct muster_error  error = { 0 };
    char                *current = realpath(".", NULL);
    bool                 colour = false;

    (void)state;
    setenv("MUSTER_AUTHKEY_FILE", "/secret", 1);
    text_list_add(&settings.env, "TEST_OTHER=1");
    assert_int_equal(job_plan_make(&settings, &operands, true, &plan, &error), MUSTER_OK);
    assert_string_equal(plan.options.cwd, current);
    for (const char *const *env = plan.options.env; *env != NULL; env++) {
        assert_true(strncmp(*env, "MUSTER_", 7) != 0);
        colour = colour || strcmp(*env, "TEST_COLOUR=blue") == 0;
    }
    assert_true(colour);
    assert_string_equal(plan.options.env[plan.env.count - 1], "TEST_OTHER=1");
    unsetenv("MUSTER_AUTHKEY_FILE");
    job_plan_free(&plan);
    job_settings_free(&settings);
    free(current);
}

/* ---- halt ---- */

struct halt_story {
    const char *story;
    const char *text;
    bool        good;
    uint32_t    fail_max, fail_percent;
};

static const struct halt_story halt_stories[] = {
    { "a number", "3", true, 3, 0 },
    { "a percentage", "10%", true, 0, 10 },
    { "all of them", "100%", true, 0, 100 },
    { "more than all", "101%", false, 0, 0 },
    { "none", "0", false, 0, 0 },
    { "none of them", "0%", false, 0, 0 },
    { "a sign", "-1", false, 0, 0 },
    { "only the sign of percent", "%", false, 0, 0 },
    { "nothing", "", false, 0, 0 },
    { "a word", "now", false, 0, 0 },
    { "too many digits", "11111111111111111111", false, 0, 0 },
};

static void
test_halt(void **state)
{
    const struct halt_story *story = *state;
    uint32_t                 fail_max = 0;
    uint32_t                 fail_percent = 0;

    assert_int_equal(halt_parse(story->text, &fail_max, &fail_percent), story->good);
    assert_int_equal(fail_max, story->fail_max);
    assert_int_equal(fail_percent, story->fail_percent);
}

int
main(void)
{
    static const struct CMUnitTest here[] = {
        { "a private fleet inherits folder and environment", test_here, NULL, NULL, NULL },
    };

    setenv("TEST_COLOUR", "blue", 1);
    return STORIES("plans", stories, test_story) + STORIES("halt", halt_stories, test_halt) +
           cmocka_run_group_tests_name("private fleet", here, NULL, NULL);
}
