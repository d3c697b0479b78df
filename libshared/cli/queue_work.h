/* queue_work.h - work off a queue with a command per item */
#ifndef QUEUE_WORK_H
#define QUEUE_WORK_H

#include <muster/queue.h>

#include "cli.h"

struct queue_work {
    struct muster_queue *queue;
    const char          *name;
    char *const         *args;          /* the command, NULL-terminated */
    uint32_t             count;         /* items; 0 = no limit */
    uint32_t             term_ms;       /* 0 = 30 s */
    uint64_t             delay_ms;      /* of what is given back; 0 = 1 s */
    uint32_t             timeout_ms;    /* for an item */
};

/* OK: so many were worked off, the queue was shut down, or nothing came in time; or the
 * command cannot be started, which was told, and *status_out is the exit status for that.
 * INTERRUPTED: what was at work went back. */
muster_err queue_work_run(const struct queue_work *work, int *status_out,
                          struct muster_error *error);

#endif
