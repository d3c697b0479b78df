/* test_config.c - what the manager takes for settings, and how it refuses the rest
 *
 * Method: set one environment variable or none, read one command line, compare
 * the error, what it names, and one number.
 */
#include "stories.h"

#include <string.h>

#include "config.h"

enum { ARGS_MAX = 6 };

enum field { NOTHING, LEASE_MS_FIELD, CACHE, HISTORY, STORE };

struct config_case {
    const char *story;
    const char *env, *value;
    const char *args[ARGS_MAX];
    muster_err  err;
    const char *named;         /* in the error's detail */
    enum field  field;
    uint64_t    wanted;
};

static const struct config_case cases[] = {
    { "the directory alone is enough",
      NULL, NULL, { "--dir", "d" }, MUSTER_OK, NULL, LEASE_MS_FIELD, 10000 },
    { "no directory: says how to make one",
      NULL, NULL, { NULL }, MUSTER_ERR_INVALID, "muster key init", NOTHING, 0 },
    { "an equals sign works as well",
      NULL, NULL, { "--dir=d", "--lease=20s" }, MUSTER_OK, NULL, LEASE_MS_FIELD, 20000 },
    { "sizes have units",
      NULL, NULL, { "--dir", "d", "--cache", "2M" }, MUSTER_OK, NULL, CACHE, 2097152 },
    { "the environment sets what argv does not",
      "MUSTER_MANAGER_HISTORY", "7", { "--dir", "d" }, MUSTER_OK, NULL, HISTORY, 7 },
    { "argv wins over the environment",
      "MUSTER_MANAGER_HISTORY", "7", { "--dir", "d", "--history", "8" },
      MUSTER_OK, NULL, HISTORY, 8 },
    { "a choice by its name",
      NULL, NULL, { "--dir", "d", "--store", "memory" },
      MUSTER_OK, NULL, STORE, CONFIG_STORE_MEMORY },
    { "an unknown choice names the option",
      NULL, NULL, { "--dir", "d", "--store", "tape" }, MUSTER_ERR_INVALID, "--store", NOTHING, 0 },
    { "an unknown option is named",
      NULL, NULL, { "--dir", "d", "--bogus" }, MUSTER_ERR_INVALID, "--bogus", NOTHING, 0 },
    { "a missing value is told", NULL, NULL, { "--dir" }, MUSTER_ERR_INVALID, "--dir", NOTHING, 0 },
    { "a bad number in the environment names the variable",
      "MUSTER_MANAGER_HISTORY", "many", { "--dir", "d" },
      MUSTER_ERR_INVALID, "MUSTER_MANAGER_HISTORY", NOTHING, 0 },
    { "a lease that cannot hold three beats",
      NULL, NULL, { "--dir", "d", "--lease", "1s" }, MUSTER_ERR_INVALID, "--lease", NOTHING, 0 },
    { "a session shorter than a lease",
      NULL, NULL, { "--dir", "d", "--session", "5s" },
      MUSTER_ERR_INVALID, "--session", NOTHING, 0 },
    { "a descriptor that is not open",
      NULL, NULL, { "--dir", "d", "--ready-fd", "999" },
      MUSTER_ERR_INVALID, "--ready-fd", NOTHING, 0 },
};

static uint64_t
field_of(const struct config *config, enum field field)
{
    switch (field) {
    case LEASE_MS_FIELD:
        return config->lease_ms;
    case CACHE:
        return config->cache_bytes;
    case HISTORY:
        return config->history_jobs;
    case STORE:
        return config->store;
    case NOTHING:
        break;
    }
    return 0;
}

static void
test_config(void **state)
{
    const struct config_case *row = *state;
    char                     *argv[ARGS_MAX + 1] = { (char *)(uintptr_t)"muster-manager" };
    int                       argc = 1;
    struct config             config;
    struct muster_error       error = { 0 };

    while (argc <= ARGS_MAX && row->args[argc - 1] != NULL) {
        argv[argc] = (char *)(uintptr_t)row->args[argc - 1];
        argc++;
    }
    if (row->env != NULL)
        setenv(row->env, row->value, 1);
    assert_int_equal(config_read(&config, argc, argv, &error), row->err);
    if (row->env != NULL)
        unsetenv(row->env);
    if (row->named != NULL)
        assert_non_null(strstr(error.detail, row->named));
    assert_int_equal(field_of(&config, row->field), row->wanted);
}

int
main(void)
{
    return STORIES("manager config", cases, test_config);
}
