/* fork.h - what belongs to this program and not to its copies
 *
 *   fork():  forks paused, prepare() of all -> parent: release() of all
 *                                           `-> child: child(), release() of all
 *
 * A child has the memory of a session or a fleet and shares its descriptors, but has
 * none of its threads and is not its owner.  Were it to use them, it would speak in its
 * parent's name, or keep alive what is to end with the parent.
 *
 * 1. No owner is in the middle of something when a child begins.
 * 2. Programs that are started by posix_spawn() are no copies: nothing here is called.
 * 3. The list in fork.c is there for pthread_atfork() alone, which takes no context.
 */
#ifndef CLIENT_FORK_H
#define CLIENT_FORK_H

#include "errors.h"
#include "list.h"

struct fork_owner {
    struct list link;
    void (*prepare)(struct fork_owner *owner);
    void (*release)(struct fork_owner *owner);
    /* Once, between the two. */
    void (*child)(struct fork_owner *owner);
};

/* From here on.  NULL functions do nothing. */
muster_err fork_watch(struct fork_owner *owner, struct muster_error *error);
void       fork_forget(struct fork_owner *owner);      /* also one that is not watched */
/* No fork() between the two: descriptors are being made.  Nothing in between may call it. */
void       forks_pause(void);
void       forks_resume(void);

#endif
