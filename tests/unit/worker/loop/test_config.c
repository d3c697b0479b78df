/* test_config.c - the worker's settings
 *
 * Method: read a command line (separated by blanks) on top of --connect and
 * --authkey-file; compare the error and what it names, or the value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "stories.h"

struct config_case {
    const char *story;
    const char *arguments;
    muster_err  err;
    const char *named;            /* what the error must name */
};

static const struct config_case cases[] = {
    { "nothing more", "", MUSTER_OK, NULL },
    { "everything at once",
      "--name n7 --cpus 0.5 --mem 4G --resource gpus=2 --resource disks=4 --label zone=a "
      "--queue q1 --queue q2 --spool /s --scratch /t --on-manager-lost finish "
      "--idle-timeout 5m --grace 3s --output-max 2M --window 10 --replace --log-level debug",
      MUSTER_OK, NULL },
    { "an unknown option", "--nope", MUSTER_ERR_INVALID, "nope" },
    { "no cpus", "--cpus 0", MUSTER_ERR_INVALID, "--cpus" },
    { "cpus in words", "--cpus two", MUSTER_ERR_INVALID, "--cpus" },
    { "memory in words", "--mem much", MUSTER_ERR_INVALID, "--mem" },
    { "a resource without an amount", "--resource gpus", MUSTER_ERR_INVALID, "--resource" },
    { "a resource twice", "--resource gpus=1 --resource gpus=2", MUSTER_ERR_INVALID, "gpus=2" },
    { "a resource with an odd name", "--resource g/pu=1", MUSTER_ERR_INVALID, "g/pu=1" },
    { "a resource of less than nothing", "--resource gpus=-1", MUSTER_ERR_INVALID, "gpus=-1" },
    { "a label without a value", "--label zone", MUSTER_ERR_INVALID, "--label" },
    { "a queue with an odd name", "--queue a/b", MUSTER_ERR_INVALID, "a/b" },
    { "a name with an odd character", "--name a/b", MUSTER_ERR_INVALID, "--name" },
    { "a manager lost in an unknown way", "--on-manager-lost cry", MUSTER_ERR_INVALID,
      "--on-manager-lost" },
    { "too large a window", "--window 1000000", MUSTER_ERR_INVALID, "--window" },
    { "no output at all", "--output-max 0", MUSTER_ERR_INVALID, "--output-max" },
    { "too much output", "--output-max 2047M", MUSTER_ERR_INVALID, "--output-max" },
    { "a lifeline that is not open", "--lifeline-fd 987", MUSTER_ERR_INVALID, "--lifeline-fd" },
};

/* `text` is cut in place and must live as long as the configuration. */
static muster_err
read_line(char *text, struct config *config, struct muster_error *error)
{
    char *argv[64] = { "muster-worker", "--connect", "tcp://h:1", "--authkey-file", "/k" };
    char *save = NULL;
    int   argc = 5;

    for (char *at = strtok_r(text, " ", &save); at != NULL; at = strtok_r(NULL, " ", &save))
        argv[argc++] = at;
    return config_read(config, argc, argv, error);
}

static void
test_line(void **state)
{
    const struct config_case *c = *state;
    struct muster_error       error = { 0 };
    struct config             config;
    char                     *text = strdup(c->arguments);

    assert_int_equal(read_line(text, &config, &error), c->err);
    if (c->named != NULL)
        assert_non_null(strstr(error.detail, c->named));
    config_free(&config);
    free(text);
}

static void
test_values(void **state)
{
    struct muster_error error = { 0 };
    struct config       config;
    char                text[] = "--name n7 --cpus 2.5 --mem 4G --resource gpus=2 --label zone=a "
                                 "--queue q1 --on-manager-lost stop --idle-timeout 5m --grace 3s";

    (void)state;
    assert_int_equal(read_line(text, &config, &error), MUSTER_OK);
    assert_string_equal(config.connect, "tcp://h:1");
    assert_string_equal(config.name, "n7");
    assert_int_equal(config.cpus_milli, 2500);
    assert_int_equal(config.mem_bytes, 4ull << 30);
    assert_int_equal(config.resources.count, 1);
    assert_true(slice_equals_text(config.resource_items[0].name, "gpus"));
    assert_int_equal(config.resource_items[0].amount, 2);
    assert_string_equal(config.labels.items[0], "zone=a");
    assert_string_equal(config.queues.items[0], "q1");
    assert_int_equal(config.on_manager_lost, AGENT_LOST_STOP);
    assert_int_equal(config.idle_ms, 300000);
    assert_int_equal(config.grace_ms, 3000);
    assert_int_equal(config.window, 64);
    config_free(&config);
}

static void
test_defaults(void **state)
{
    struct muster_error error = { 0 };
    struct config       config;
    char                text[] = "";

    (void)state;
    assert_int_equal(read_line(text, &config, &error), MUSTER_OK);
    assert_true(config.cpus_milli >= 1000);
    assert_true(config.mem_bytes > 1 << 20);
    assert_string_equal(config.name, config.host);
    assert_int_equal(config.on_manager_lost, AGENT_LOST_WAIT);
    assert_int_equal(config.output_max, OUTPUT_BYTES_MAX - 4 * KIB);
    assert_int_equal(config.grace_ms, 10000);
    assert_int_equal(config.idle_ms, 0);
    assert_int_equal(config.lifeline_fd, -1);
    config_free(&config);
}

/* What the other programs understand, then our own variables, then the options. */
static void
test_environment(void **state)
{
    char               *argv[] = { "muster-worker", "--cpus", "3", NULL };
    struct muster_error error = { 0 };
    struct config       config;

    (void)state;
    assert_int_equal(config_read(&config, 3, argv, &error), MUSTER_ERR_INVALID);
    assert_non_null(strstr(error.detail, "--connect"));
    setenv("MUSTER_ADDRESS", "tcp://a:1", 1);
    assert_int_equal(config_read(&config, 3, argv, &error), MUSTER_ERR_INVALID);
    assert_non_null(strstr(error.detail, "--authkey-file"));
    setenv("MUSTER_AUTHKEY_FILE", "/key", 1);
    setenv("MUSTER_WORKER_CPUS", "5", 1);
    setenv("MUSTER_WORKER_NAME", "from-env", 1);
    assert_int_equal(config_read(&config, 3, argv, &error), MUSTER_OK);
    assert_string_equal(config.connect, "tcp://a:1");
    assert_string_equal(config.authkey_file, "/key");
    assert_string_equal(config.name, "from-env");
    assert_int_equal(config.cpus_milli, 3000);
    config_free(&config);
    setenv("MUSTER_WORKER_CONNECT", "tcp://b:2", 1);
    assert_int_equal(config_read(&config, 3, argv, &error), MUSTER_OK);
    assert_string_equal(config.connect, "tcp://b:2");
    config_free(&config);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_values),
                                        cmocka_unit_test(test_defaults),
                                        cmocka_unit_test(test_environment) };
    int                     failed;

    for (const char *const *at = (const char *const[]){ "MUSTER_ADDRESS", "MUSTER_AUTHKEY_FILE",
                                                        "MUSTER_WORKER_CPUS", "MUSTER_WORKER_NAME",
                                                        "MUSTER_WORKER_CONNECT", NULL };
         *at != NULL; at++)
        unsetenv(*at);
    failed = STORIES("command lines", cases, test_line);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
