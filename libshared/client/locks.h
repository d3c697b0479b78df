/* locks.h - what lock.c and condition.c share */
#ifndef CLIENT_LOCKS_H
#define CLIENT_LOCKS_H

#include "handle.h"

struct muster_lock {
    struct handle handle;
};

#endif
