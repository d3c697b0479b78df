/* nursery.h - the process that makes keepers
 *
 * main() starts it before any thread, key or ZeroMQ context exists, so it stays
 * small and may fork for ever.
 *
 *   loop ---- nursery ---- keeper of slot 0 ---- task and its tree
 *     \  socket  \  fork `- keeper of slot 1 ---- ...
 *      `----------`--------- one socket per keeper, straight to the loop
 *
 * 1. A process that is a child of the nursery and no keeper is what a keeper
 *    that was killed left behind: it is killed.  The loop hears that a slot is
 *    gone when that is done, so that nothing of a task outlives its return.
 * 2. When the loop's end of the socket closes, the nursery waits for its
 *    keepers (they see the same), kills what is left, removes the scratch
 *    folder and exits.
 * 3. When the nursery is killed its keepers die with it (PR_SET_PDEATHSIG), and
 *    the rest falls to the loop, a subreaper too: nursery_after_death().
 */
#ifndef RUN_NURSERY_H
#define RUN_NURSERY_H

#include "errors.h"
#include "spawn.h"

struct nursery {
    int   socket;                 /* readable: nursery_receive() */
    pid_t pid;
};

struct nursery_config {           /* borrowed; the nursery keeps its copy by fork */
    const char              *scratch;    /* base folder, see scratch.h */
    const char              *cgroup;     /* delegated cgroup v2 folder, "" = none */
    const struct spawn_user *user;
};

/* Errors: IO. */
muster_err nursery_start(const struct nursery_config *config, struct nursery *nursery_out,
                         struct muster_error *error);
/* Make a keeper for a slot from its ends of socket and pipes, which stay the
 * caller's to close.  IO: the nursery is gone. */
muster_err nursery_keeper(const struct nursery *nursery, uint32_t slot, int socket, int out,
                          int err, struct muster_error *error);
/* One event.  1: the keeper of *slot_out is gone with its tree; 0: nothing now;
 * -1: the nursery itself is gone. */
int  nursery_receive(const struct nursery *nursery, uint32_t *slot_out);
/* Kill and reap everything below this process, the nursery included. */
void nursery_after_death(struct nursery *nursery, const char *scratch);
/* The orderly end: close the socket and wait until the nursery has cleaned up. */
void nursery_stop(struct nursery *nursery);

#endif
