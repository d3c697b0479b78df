/* child.h - a command that runs here: under a lock, or with an item of a queue
 *
 * It has our terminal, folder and environment, and what is added to that.  Away from
 * a terminal it leads a process group, so that what it started stops with it.  It is
 * killed when we are, even by SIGKILL; what it started itself may go on then.
 *
 * Call child_start() on the main thread: the child lives as long as its caller's thread.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "errors.h"

struct child {
    pid_t pid;
    int   pidfd;
    bool  group;
};

struct child_options {
    char *const       *args;       /* NULL-terminated */
    const char *const *env;        /* added, NULL-terminated NAME=VALUE; NULL: none */
    const void        *input;      /* its standard input; NULL: ours */
    size_t             input_bytes;
};

/* Errors: NOT_FOUND (no such command), DENIED, IO. */
muster_err child_start(const struct child_options *options, struct child *child_out,
                       struct muster_error *error);
/* Tell why it did not start; returns the exit status of shells for that, 126 or 127. */
int  child_tell(const char *what, const struct muster_error *error);
/* Wait for its end, for so long (< 0: without limit), or until other_fd (-1: none) is
 * readable.  True: it has ended, *status_out is as a shell tells it. */
bool child_wait(struct child *child, int other_fd, int timeout_ms, int *status_out);
/* SIGTERM, SIGKILL when that was not enough, and wait. */
void child_stop(struct child *child, int *status_out);

#endif
