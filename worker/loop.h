/* loop.h - the worker's loop: link, agent, slots, signals and time */
#ifndef WORKER_LOOP_H
#define WORKER_LOOP_H

#include "config.h"
#include "link.h"
#include "hatching.h"
#include "nursery.h"

struct loop;

struct loop_parts {                   /* borrowed for the life of the loop */
    const struct config     *config;
    const struct key        *key;
    struct nursery          *nursery;
    const struct hatched_functions *hatched;
    const char              *scratch;
    const struct spawn_user *user;
    bool                     again;   /* started anew: what ran its tasks was killed */
};

/* SIGTERM, SIGINT and SIGCHLD must be blocked already.  Errors: those of the
 * spool folder and of the link. */
muster_err loop_open(const struct loop_parts *parts, struct loop **loop_out,
                     struct muster_error *error);
/* Until the agent says EXIT.  *restart_out: the nursery died; what can be done
 * about it is to start anew. */
muster_err loop_run(struct loop *loop, bool *restart_out, struct muster_error *error);
void       loop_close(struct loop *loop);

#endif
