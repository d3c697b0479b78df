/* test_command.c - arguments and environment of a task
 *
 * Method: one row gives the arguments of a job (separated by |), its switches
 * and the task's input; compare the argv that comes out.
 */
#include <string.h>

#include "command.h"
#include "order.h"
#include "stories.h"

struct command_case {
    const char *story;
    const char *args;
    uint8_t     replace, input_is_stdin, number_is_input;
    const char *input;
    const char *argv;
};

static const struct command_case cases[] = {
    { "no input", "echo|a b", 0, 0, 0, "", "echo|a b" },
    { "the input is appended", "sha256sum|-b", 0, 0, 0, "my file", "sha256sum|-b|my file" },
    { "braces mean nothing without placeholders", "echo|{}", 0, 0, 0, "x", "echo|{}|x" },
    { "an item that is standard input is not appended", "wc", 0, 1, 0, "text", "wc" },
    { "the number is the input of an array", "seq", 0, 0, 1, "", "seq|107" },
    { "{}", "cp|{}|{}.bak", 1, 0, 0, "a", "cp|a|a.bak" },
    { "{.} cuts the extension", "{.}", 1, 0, 0, "dir.d/file.tar.gz", "dir.d/file.tar" },
    { "{.} looks at the last part only", "{.}", 1, 0, 0, "dir.d/file", "dir.d/file" },
    { "{/} is the last part", "{/}", 1, 0, 0, "/a/b/c.txt", "c.txt" },
    { "{/} without a slash", "{/}", 1, 0, 0, "c.txt", "c.txt" },
    { "{//} is the folder", "{//}", 1, 0, 0, "/a/b/c.txt", "/a/b" },
    { "{//} without a slash", "{//}", 1, 0, 0, "c.txt", "." },
    { "{//} at the root", "{//}", 1, 0, 0, "/c.txt", "/" },
    { "{//} with a doubled slash", "{//}", 1, 0, 0, "a//b", "a" },
    { "{#} is the number", "{#}-{#}", 1, 0, 0, "x", "107-107" },
    { "several in one argument", "{}|x{.}y{/}z", 1, 0, 0, "d/e.f", "d/e.f|xd/eye.fz" },
    { "other braces stay", "{a}{|{ }|{{}}", 1, 0, 0, "q", "{a}{|{ }|{q}" },
    { "what comes in is not looked at again", "{}", 1, 0, 0, "{#}", "{#}" },
    { "an input of nothing", "<{}>", 1, 0, 0, "", "<>" },
    { "the number replaces in an array", "{}{.}{#}", 1, 0, 1, "", "107107107" },
    { "the command itself may be the input", "{}|-v", 1, 0, 0, "ls", "ls|-v" },
};

static uint32_t
put_list(struct buffer *out, const char *text)
{
    uint32_t count = 0;

    for (const char *at = text; at != NULL && *text; count++) {
        const char *bar = strchr(at, '|');
        size_t      bytes = bar != NULL ? (size_t)(bar - at) : strlen(at);

        wire_put_text(out, &(struct wire_text){ slice_of(at, bytes) });
        at = bar != NULL ? bar + 1 : NULL;
    }
    return count;
}

static const char *const base_env[] = { "PATH=/bin", "HOME=/root", NULL };

static void
make(const struct command_task *task, struct buffer *strings, uint32_t *argc, uint32_t *envc)
{
    struct muster_error error = { 0 };

    assert_int_equal(command_put(task, strings, argc, envc, &error), MUSTER_OK);
}

static void
test_argv(void **state)
{
    const struct command_case *c = *state;
    struct buffer              args = { 0 }, strings = { 0 }, argv = { 0 };
    struct wire_token          token = { 1, 7, 1, 1 };
    struct wire_spec           spec = { .replace = c->replace, .input_is_stdin = c->input_is_stdin,
                                        .number_is_input = c->number_is_input,
                                        .number_first = 100, .number_step = 1 };
    struct command_task        task = { &spec, &token, slice_text(c->input), "/s", "w1", base_env,
                                               NULL, NULL };
    uint32_t                   argc, envc;
    const char                *at;

    spec.args.count = put_list(&args, c->args);
    spec.args.bytes = buffer_slice(&args);
    make(&task, &strings, &argc, &envc);
    at = (const char *)strings.data;
    for (uint32_t i = 0; i < argc; i++) {
        buffer_printf(&argv, "%s%s", i > 0 ? "|" : "", at);
        at += strlen(at) + 1;
    }
    assert_string_equal(buffer_text(&argv), c->argv);
    assert_true(slice_equals_text(command_name(buffer_slice(&strings)), (char *)strings.data));
    buffer_free(&args);
    buffer_free(&strings);
    buffer_free(&argv);
}

struct key_case {
    const char *story;
    const char *key_file;
    const char *all;
};

#define ENV_BEGIN "PATH=/bin COLOUR=blue HOME=/home/me "
#define ENV_OWN   "MUSTER_JOB_ID=12 MUSTER_TASK_ID=45 MUSTER_ATTEMPT=3 MUSTER_CPUS=1.500 " \
                  "MUSTER_TASK_DIR=/scratch/0 MUSTER_TASK_INDEX=7 MUSTER_WORKER=w1 "

static const struct key_case keys[] = {
    { "a task without a key: what the job says of one is the job's business", NULL,
      ENV_BEGIN "MUSTER_ADDRESS=tcp://other:1 " ENV_OWN },
    { "a task with a key is told its file and the manager", "/scratch/task-1.authkey",
      ENV_BEGIN ENV_OWN
      "MUSTER_AUTHKEY_FILE=/scratch/task-1.authkey MUSTER_ADDRESS=tcp://head:7717 " },
};

static void
test_environment(void **state)
{
    const struct key_case *c = *state;
    struct buffer       args = { 0 }, env = { 0 }, strings = { 0 }, all = { 0 };
    struct wire_token   token = { 12, 7, 3, 1 };
    struct wire_spec    spec = { .number_first = 10, .number_step = 5, .cpus_milli = 1500,
                                 .cwd = slice_text("/data") };
    struct command_task task = { &spec, &token, slice_of(NULL, 0), "/scratch/0", "w1",
                                 base_env, c->key_file, "tcp://head:7717" };
    uint32_t            argc, envc;
    const char         *at;

    spec.args.count = put_list(&args, "x");
    spec.args.bytes = buffer_slice(&args);
    spec.env.count = put_list(&env, "COLOUR=blue|HOME=/home/me|MUSTER_CPUS=99|"
                                    "MUSTER_WORKER=me|MUSTER_ADDRESS=tcp://other:1|nonsense");
    spec.env.bytes = buffer_slice(&env);
    make(&task, &strings, &argc, &envc);
    at = (const char *)strings.data + 2;
    for (uint32_t i = 0; i < envc; i++) {
        buffer_printf(&all, "%s ", at);
        at += strlen(at) + 1;
    }
    assert_string_equal(buffer_text(&all), c->all);
    assert_string_equal(at, "/data");
    assert_ptr_equal(at + strlen(at) + 1, (char *)strings.data + strings.bytes);
    buffer_free(&args);
    buffer_free(&env);
    buffer_free(&strings);
    buffer_free(&all);
}

/* Every {} of a long argument becomes a long item. */
static void
test_too_large(void **state)
{
    struct buffer       args = { 0 }, text = { 0 }, item = { 0 }, strings = { 0 };
    struct wire_token   token = { 0 };
    struct wire_spec    spec = { .replace = 1 };
    struct command_task task = { &spec, &token, { 0 }, "/s", "w1", base_env, NULL, NULL };
    struct muster_error error = { 0 };
    uint32_t            argc, envc;

    (void)state;
    for (int i = 0; i < 30000; i++)
        buffer_append_text(&text, "{}");
    memset(buffer_extend(&item, 60000), 'x', 60000);
    spec.args.count = put_list(&args, buffer_text(&text));
    spec.args.bytes = buffer_slice(&args);
    task.input = buffer_slice(&item);
    assert_int_equal(command_put(&task, &strings, &argc, &envc, &error), MUSTER_ERR_TOO_LARGE);
    assert_true(strings.bytes < ORDER_STRINGS_BYTES_MAX + 200000);
    buffer_free(&args);
    buffer_free(&text);
    buffer_free(&item);
    buffer_free(&strings);
}

struct env_case {
    const char *story;
    const char *environment;          /* separated by blanks */
    const char *user;
    const char *expected;
};

static const struct env_case env_cases[] = {
    { "what is allowed passes", "PATH=/bin HOME=/h LC_TIME=C LANG=x TZ=UTC", NULL,
      "PATH=/bin HOME=/h LC_TIME=C LANG=x TZ=UTC " },
    { "the rest does not",
      "LD_PRELOAD=/x LD_LIBRARY_PATH=/y SECRET=1 MUSTER_AUTHKEY_FILE=/k PATH=/p",
      NULL, "PATH=/p " },
    { "there is always a PATH", "SECRET=1", NULL, "PATH=/usr/local/bin:/usr/bin:/bin " },
    { "another user has another home", "PATH=/bin HOME=/root USER=root LOGNAME=root SHELL=/bin/zsh",
      "batch", "PATH=/bin USER=batch LOGNAME=batch HOME=/home/batch " },
};

static void
test_base_env(void **state)
{
    const struct env_case *c = *state;
    char                  *text = strdup(c->environment), *save = NULL, *list[10];
    struct buffer          all = { 0 };
    const char           **made;
    int                    count = 0;

    for (char *at = strtok_r(text, " ", &save); at != NULL; at = strtok_r(NULL, " ", &save))
        list[count++] = at;
    list[count] = NULL;
    made = command_base_env(list, c->user, "/home/batch");
    for (const char **at = made; *at != NULL; at++)
        buffer_printf(&all, "%s ", *at);
    assert_string_equal(buffer_text(&all), c->expected);
    free(made);
    free(text);
    buffer_free(&all);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_too_large) };
    int                     failed = STORIES("arguments", cases, test_argv);

    failed += STORIES("the environment", keys, test_environment);
    failed += STORIES("environment", env_cases, test_base_env);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
