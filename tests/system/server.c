/* server.c - a program that serves functions of its own: a worker in ten lines */
#include <muster/serve.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static long power;                 /* read before the children are made */
static unsigned starts;

static void
start(struct muster_call *call)
{
    (void)call;
    starts++;
}

static void
raise_number(struct muster_call *call)
{
    long n = strtol(muster_call_text(call), NULL, 10), result = 1;

    for (long i = 0; i < power; i++)
        result *= n;
    muster_call_print(call, "%ld %u", result, starts);
}

static void
leave(struct muster_call *call)
{
    (void)call;
    exit(7);
}

static void
nap(struct muster_call *call)
{
    poll(NULL, 0, atoi(muster_call_text(call)));
    muster_call_print(call, "slept");
}

int
main(int argc, char **argv)
{
    static const struct muster_served_function functions[] = {
        { "power", raise_number }, { "leave", leave }, { "nap", nap },
    };
    const char *const           *args = (const char *const *)(uintptr_t)(argv + 2);
    struct muster_serve_options  options = { .child_start = start, .args = args };
    struct muster_error          error = { 0 };
    muster_err                   err;

    power = argc > 1 ? atol(argv[1]) : 2;
    err = muster_worker_serve(&options, functions, sizeof(functions) / sizeof(functions[0]),
                              &error);
    if (err)
        fprintf(stderr, "server: %s: %s\n", muster_err_name(err), error.detail);
    return muster_err_exit_status(err);
}
