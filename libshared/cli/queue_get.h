/* queue_get.h - print items of a queue */
#ifndef QUEUE_GET_H
#define QUEUE_GET_H

#include <muster/queue.h>

#include "cli.h"

struct queue_get {
    struct muster_queue *queue;
    uint32_t             count;         /* 1 or more items */
    uint32_t             timeout_ms;    /* for each */
    char                 separator;     /* behind each */
    bool                 json;          /* a line of JSON for each instead */
};

/* OK: so many were printed, or stdout failed, which cli_end() tells.  INTERRUPTED,
 * EMPTY, CLOSED: what was printed until then is taken, nothing else is. */
muster_err queue_get_run(const struct queue_get *get, struct muster_error *error);

#endif
