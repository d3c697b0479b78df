/* keeper.h - a process that runs one task at a time and lets nothing of it escape
 *
 * It is a child subreaper, so every process that a task leaves behind becomes
 * its child, and belongs to that task because there is no other.
 *
 * 1. ENDED is reported when the task's leader and everything below it is dead
 *    and reaped, and its scratch folder is gone; never before.
 * 2. When the socket closes (the loop died) the tree is killed and it exits.
 *    When the keeper itself is killed, PR_SET_PDEATHSIG takes the leader along
 *    and the nursery, a subreaper too, kills the rest.
 */
#ifndef RUN_KEEPER_H
#define RUN_KEEPER_H

#include <signal.h>
#include <sys/types.h>

#include "spawn.h"

struct keeper {
    uint32_t                 slot;
    int                      socket, out, err;
    pid_t                    nursery;
    const char              *scratch;      /* folder in which each task gets one */
    const char              *cgroup;       /* delegated cgroup v2 folder, "" = none */
    const struct spawn_user *user;
};

/* What keepers and the nursery never take: to end on a signal is for the loop. */
void keeper_mask(sigset_t *mask);
/* Never returns. */
void keeper_main(const struct keeper *keeper) __attribute__((noreturn));

#endif
