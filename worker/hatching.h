/* hatching.h - where the worker's functions come from: a process of its own, or a program
 *
 * With --module a process is forked that loads the modules; with --functions-fd a
 * program that started this worker serves functions of its own.  Both speak hatch.h.
 */
#ifndef WORKER_HATCHING_H
#define WORKER_HATCHING_H

#include "config.h"
#include "spawn.h"

struct hatched_functions {
    int    socket;                    /* to the hatchery; -1: this worker has no functions */
    pid_t  pid;                       /* of our own hatchery; 0: it is a program's */
    pid_t  hatchery;                  /* whoever's it is */
    struct setting_list names;
};

/* Before the nursery, threads and keys.  Returns when the functions are known.
 * Errors: those of module_check(); INVALID, IO: a module that cannot be loaded. */
muster_err hatching_start(const struct config *config, const struct spawn_user *user,
                          struct hatched_functions *hatched_out, struct muster_error *error);
/* Close the socket and wait until all children are dead.  `again`: this program executes
 * itself anew, and a program that serves its functions goes on. */
void       hatching_stop(struct hatched_functions *hatched, bool again);

#endif
