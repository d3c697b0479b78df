/* locks.h - what lock.c and condition.c share */
#ifndef CLIENT_LOCKS_H
#define CLIENT_LOCKS_H

#include "handle.h"

struct muster_lock {
    struct handle handle;
};

/* How often this thread holds it, as far as this session knows; 1 for a plain lock. */
uint64_t   lock_depth(const struct muster_lock *lock);
/* For ever, and through interruptions. */
muster_err lock_acquire_through(struct muster_lock *lock, uint64_t *token_out,
                                struct muster_error *error);

#endif
