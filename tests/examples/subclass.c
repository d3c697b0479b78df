/* subclass.c - a program serves its own function: what in Python is a subclass with run() */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <muster/serve.h>

#include "example.h"

static void
run(struct muster_call *call)
{
    muster_call_print(call, "run with %s", muster_call_text(call));
}

/* This program once more, as a worker. */
static pid_t
serve(void)
{
    static const struct muster_served_function functions[] = { { "run", run } };
    const struct muster_serve_options options = {
        .address = muster_fleet_address(fleet),
        .authkey_file = muster_fleet_worker_authkey_file(fleet),
        .cpus = 1,
    };
    pid_t pid = fork();

    if (pid == 0)
        _exit(muster_err_exit_status(muster_worker_serve(&options, functions, 1, &error)));
    return pid;
}

int
main(void)
{
    const struct muster_pool_options options = { .name = "subclass" };
    struct muster_pool              *pool = NULL;
    struct muster_bytes              result;
    muster_err                       err;
    pid_t                            worker;
    int                              status = 0;

    example_begin(NULL);
    worker = serve();
    CHECK(muster_pool_open(session, &options, &pool, &error));
    do                                      /* until the worker has joined */
        err = muster_pool_apply(pool, "run", "an argument", 11, CALL_MS, &result, &error);
    while (err == MUSTER_ERR_NOT_FOUND);
    CHECK(err);
    printf("%s\n", (const char *)result.data);
    muster_bytes_free(&result);
    muster_pool_free(pool);
    kill(worker, SIGTERM);
    (void)waitpid(worker, &status, 0);
    printf("exit code: %d\n", WEXITSTATUS(status));
    example_end();
    return 0;
}
