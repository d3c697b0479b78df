/* serve.h - the child that runs calls, one after another
 *
 *   START --> start hooks --> READY --> CALL ... --> end of the socket --> end hooks
 *
 * 1. Results lie in shared memory as soon as they exist.  The worker is told when no
 *    more calls lie here, or about a millisecond after the first result that it was not
 *    told of: a lone call is never delayed, and many calls cost few system calls.
 * 2. Standard output and standard error are a file in memory that the worker holds too;
 *    after each call what is in it becomes the call's log, and it is emptied.
 */
#ifndef FUNCTION_SERVE_H
#define FUNCTION_SERVE_H

#include "table.h"

struct serve_fds {
    int socket;                    /* calls come here; one byte goes back as a bell */
    int page;                      /* see page.h */
    int output;                    /* for standard output and standard error */
};

/* Run the hooks of a kind, as a call without argument.  Errors: REMOTE: one of them said
 * muster_call_fail().  They run in the calling process and may end it. */
muster_err serve_hooks(struct function_table *table, uint32_t kind, const char *worker,
                       struct muster_error *error);

/* Serve until the socket ends; takes the process over and ends it.  `start`: run the
 * start hooks first. */
void serve_calls(struct function_table *table, const struct serve_fds *fds, bool start)
    __attribute__((noreturn));
/* Tell that this child cannot serve, and end it. */
void serve_refuse(const struct serve_fds *fds, const char *why) __attribute__((noreturn));

#endif
