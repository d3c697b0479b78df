/* example.h - what the examples share: a private fleet, and processes that use its objects
 *
 * An example is one file.  It is compiled twice: as a program, and as the task module
 * that the fleet's worker loads for the functions in it.  Beside each NAME.c lies the
 * Python program that does the same (NAME.py) and what both print (NAME.out).
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <muster/function.h>
#include <muster/muster.h>

enum { CALL_MS = 20000 };

static struct muster_session *session;
static struct muster_error    error;
static struct muster_fleet   *fleet;
static struct muster_named    example_named[2];      /* tells a function where the manager is */

#define CHECK(call)                                                                  \
    do {                                                                             \
        if ((call) != MUSTER_OK) {                                                   \
            fprintf(stderr, "%s: %s: %s\n", #call, muster_err_name(error.code),      \
                    error.detail);                                                   \
            exit(1);                                                                 \
        }                                                                            \
    } while (0)

static inline void
example_open(const char *address, const char *authkey_file)
{
    const struct muster_session_options options = { .address = address,
                                                    .authkey_file = authkey_file };

    CHECK(muster_session_open(&options, &session, &error));
}

/* A manager and a worker for this program alone.  `module` has functions for the worker;
 * NO_FUNCTIONS: it runs commands alone; NULL: there is no worker. */
#define NO_FUNCTIONS ""

static inline void
example_begin(const char *module)
{
    const char *const           modules[] = { module, NULL };
    struct muster_fleet_options options = { .cpus = 4, .manager_only = module == NULL };

    if (module != NULL && module[0] != '\0')
        options.modules = modules;
    CHECK(muster_fleet_start(&options, &fleet, &error));
    example_open(muster_fleet_address(fleet), muster_fleet_authkey_file(fleet));
    example_named[0] = (struct muster_named){ "address", muster_fleet_address(fleet),
                                              strlen(muster_fleet_address(fleet)) };
    example_named[1] = (struct muster_named){ "authkey_file", muster_fleet_authkey_file(fleet),
                                              strlen(muster_fleet_authkey_file(fleet)) };
}

static inline void
example_end(void)
{
    muster_session_close(session);
    muster_fleet_stop(fleet);
}

/* In a function: this child's own session with the manager that submitted the call. */
static inline void
example_join(struct muster_call *call)
{
    if (session == NULL)
        example_open(muster_call_named(call, "address", NULL),
                     muster_call_named(call, "authkey_file", NULL));
}

/* Process(target=function, args=(argument,)), started. */
static inline struct muster_process *
example_start(const char *name, const char *function, const char *argument)
{
    const struct muster_process_options options = { .name = name, .function = function,
                                                    .data = argument, .bytes = strlen(argument),
                                                    .cpus_milli = 100, .named = example_named,
                                                    .named_count = 2 };
    struct muster_process              *process = NULL;

    CHECK(muster_process_new(session, &options, &process, &error));
    CHECK(muster_process_start(process, CALL_MS, &error));
    return process;
}

/* Join it and print what it printed. */
static inline void
example_finish(struct muster_process *process)
{
    struct muster_result *result = NULL;

    CHECK(muster_process_join(process, MUSTER_FOREVER, &error));
    CHECK(muster_process_result(process, CALL_MS, &result, &error));
    fwrite(result->err, 1, result->err_bytes, stdout);
    muster_result_free(result);
    muster_process_free(process);
}

#endif
