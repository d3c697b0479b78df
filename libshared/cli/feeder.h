/* feeder.h - brings the inputs of a job to the manager
 *
 * In a thread of its own (feeder_start), so that results are shown while the
 * inputs still come; or in the caller's (feeder_feed).
 */
#ifndef FEEDER_H
#define FEEDER_H

#include <pthread.h>
#include <stdatomic.h>

#include "cli.h"
#include "inputs.h"

struct feeder {
    struct muster_session *session;
    uint64_t               job;
    struct inputs         *inputs;

    pthread_t              thread;
    bool                   started;
    int                    stop_event;    /* -1: none */
    atomic_bool            stopping;
    atomic_bool            done;
    struct muster_error    error;     /* once done */
};

/* Read, feed, close the input.  Inputs that the manager has from an earlier
 * attempt are passed over by the library.  CLOSED, STATE or CANCELED: the job ended before its
 * inputs did.  INTERRUPTED: inputs->stop_fd. */
muster_err feeder_feed(struct feeder *feeder, struct muster_error *error);

muster_err feeder_start(struct feeder *feeder, struct muster_error *error);
/* Wake it wherever it waits, and wait for its end. */
void       feeder_stop(struct feeder *feeder);
/* Done and failed for a reason that is worth telling? */
bool       feeder_failed(const struct feeder *feeder);

#endif
