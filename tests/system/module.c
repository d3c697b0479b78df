/* module.c - functions that behave well, and some that do not */
#include <muster/function.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned starts, calls;

MUSTER_CHILD_START(count_starts)
{
    static unsigned long state;

    starts++;
    state = (unsigned long)getpid();
    call->state = &state;
}

static long
number_of(struct muster_call *call)
{
    return strtol(muster_call_text(call), NULL, 10);
}

MUSTER_FUNCTION(square)
{
    long n = number_of(call);

    muster_call_print(call, "%ld", n * n);
}

/* The same after two milliseconds, and how often it was tried. */
MUSTER_FUNCTION(slow_square)
{
    long n = number_of(call);

    poll(NULL, 0, 2);
    muster_call_print(call, "%ld %u", n * n, call->attempt);
}

/* As whom it runs, and what becomes of its worker's secrets and processes. */
MUSTER_FUNCTION(reach)
{
    const char *worker = (const char *)muster_call_named(call, "worker", NULL);
    const char *why = access(muster_call_text(call), R_OK) == 0 ? "readable" : strerror(errno);

    muster_call_print(call, "%d %d %s", (int)getuid(), (int)getegid(), why);
    muster_call_print(call, ", %s", kill(atoi(worker), 0) == 0 ? "reachable" : strerror(errno));
    muster_call_print(call, ", %s", setuid(0) == 0 ? "root again" : strerror(errno));
}

MUSTER_FUNCTION_AS(echo, "test.echo-1")
{
    muster_call_return(call, call->data, call->bytes);
}

/* pid, start hooks that ran here, pid at the last of them, calls before this one */
MUSTER_FUNCTION(who)
{
    muster_call_print(call, "%d %u %lu %u %s", (int)getpid(), starts,
                      *(unsigned long *)call->state, calls++, call->worker);
}

MUSTER_FUNCTION(named)
{
    size_t      bytes = 0;
    const char *value = (const char *)muster_call_named(call, muster_call_text(call), &bytes);

    muster_call_log(call, "looked for %s", muster_call_text(call));
    if (value == NULL)
        muster_call_fail(call, "there is no %s", muster_call_text(call));
    else
        muster_call_print(call, "%s of %zu bytes", value, bytes);
}

static int
deeper(volatile char *above, int depth)
{
    volatile char here[1024];

    here[0] = above[0];
    return depth > 0 ? deeper(here, depth + 1) + here[0] : 0;
}

/* What the line says: a number is squared, words do harm. */
MUSTER_FUNCTION(risky)
{
    const char   *what = muster_call_text(call);
    volatile char start = 1;

    if (strcmp(what, "crash") == 0)
        raise(SIGSEGV);
    else if (strcmp(what, "null") == 0)
        *(volatile int *)(uintptr_t)start = 1;
    else if (strcmp(what, "exit") == 0)
        exit(3);
    else if (strcmp(what, "overflow") == 0)
        muster_call_print(call, "%d", deeper(&start, 1));
    else if (strcmp(what, "loop") == 0)
        while (start)
            continue;
    else if (strcmp(what, "abort") == 0) {
        fprintf(stderr, "last words\n");
        abort();
    } else if (strcmp(what, "fail") == 0) {
        muster_call_fail(call, "not a number: %s", what);
    } else {
        printf("squaring %s\n", what);
        muster_call_print(call, "%ld", number_of(call) * number_of(call));
    }
}

MUSTER_FUNCTION(nap)
{
    poll(NULL, 0, (int)number_of(call));
    muster_call_print(call, "%d", (int)getpid());
}

MUSTER_FUNCTION(until_cancelled)
{
    while (!muster_call_cancelled(call))
        poll(NULL, 0, 1);
    muster_call_print(call, "heard");
}

/* Both processes return: only one of them goes on. */
MUSTER_FUNCTION(twin)
{
    muster_call_print(call, "%d", fork() >= 0);
}

/* A result of so many bytes. */
MUSTER_FUNCTION(fill)
{
    size_t bytes = (size_t)number_of(call);
    char  *data = malloc(bytes);

    for (size_t i = 0; data != NULL && i < bytes; i++)
        data[i] = (char)('a' + i % 26);
    muster_call_return(call, data, bytes);
    free(data);
}

/* So many MiB of memory, for a while. */
MUSTER_FUNCTION(hog)
{
    size_t bytes = (size_t)number_of(call) << 20;
    char  *data = malloc(bytes);

    if (data == NULL) {
        muster_call_fail(call, "no memory");
        return;
    }
    memset(data, 1, bytes);
    for (int i = 0; i < 10 && !muster_call_cancelled(call); i++)
        poll(NULL, 0, 50);
    muster_call_print(call, "%d", data[bytes - 1]);
    free(data);
}

/* Prints so many MiB. */
MUSTER_FUNCTION(chatter)
{
    static char line[64 * 1024];

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    for (long i = number_of(call) * 16; i > 0; i--)
        fwrite(line, 1, sizeof(line), stdout);
    muster_call_print(call, "done");
}

MUSTER_FUNCTION(daemon_left)
{
    if (fork() == 0) {
        setsid();
        execlp("sleep", "sleep", muster_call_text(call), (char *)NULL);
        _exit(1);
    }
    abort();
}
