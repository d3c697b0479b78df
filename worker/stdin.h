/* stdin.h - standard input of tasks
 *
 * Small input comes with the description and is written into a memfd per task.
 * Larger input is a body of the job: fetched once, piece after piece, into a
 * file without a name that all tasks of the job open for themselves.
 */
#ifndef WORKER_STDIN_H
#define WORKER_STDIN_H

#include "errors.h"
#include "map.h"
#include "wire.h"

enum { STDIN_JOBS_MAX = 16 };         /* bodies kept; the one used longest ago goes first */

struct stdin_waiter {                 /* a task that waits for its job's input */
    uint64_t                task;
    struct wire_token       token;
    const struct wire_spec *spec;
    struct slice            input;
    bool                    ahead;    /* see agent.h */
};

struct stdin_body {
    uint64_t job;
    uint64_t used;                    /* counts up */
    uint64_t total;
    uint64_t have;
    uint64_t request;                 /* of the piece that was asked for; 0 = none */
    int      file;
    struct stdin_waiter *waiters;
    uint32_t waiter_count, waiter_capacity;
};

struct stdin_cache {
    struct stdin_body *bodies[STDIN_JOBS_MAX];
    uint64_t           used;
    const char        *folder;        /* where files are made */
    void              *context;
    /* Ask for a piece; returns the request's number, 0: not connected. */
    uint64_t         (*ask)(void *context, uint64_t job, uint64_t offset);
    /* A waiter may start now (or its input cannot be had: err). */
    void             (*ready)(void *context, const struct stdin_waiter *waiter, muster_err err);
};

/* Does a task of this description need a body that is not here yet? */
bool stdin_must_wait(struct stdin_cache *cache, const struct wire_spec *spec, uint64_t job);
/* Ask for it and remember the task.  Errors: FULL, IO, NO_SPACE. */
muster_err stdin_wait(struct stdin_cache *cache, const struct stdin_waiter *waiter,
                      struct muster_error *error);
/* The task is not wanted any more; true when it was waiting. */
bool stdin_forget(struct stdin_cache *cache, uint64_t task);
/* BODY or ERROR came; true when it answers one of our requests. */
bool stdin_piece(struct stdin_cache *cache, uint64_t request, const struct msg_body *m);
bool stdin_refused(struct stdin_cache *cache, uint64_t request, muster_err err);
/* Joined (again): ask for what is missing. */
void stdin_resume(struct stdin_cache *cache);
/* A descriptor for a task, *fd_out = -1 for /dev/null; the caller closes it. */
muster_err stdin_open(struct stdin_cache *cache, const struct wire_spec *spec, uint64_t job,
                      struct slice input, int *fd_out, struct muster_error *error);
void stdin_free(struct stdin_cache *cache);

#endif
