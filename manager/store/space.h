/* space.h - free space under the store: the low-water mark and the reserve */
#ifndef STORE_SPACE_H
#define STORE_SPACE_H

#include "buffer.h"
#include "errors.h"

struct space {
    char    *dir;
    uint64_t free_bytes_min;       /* 0: do not look */
    uint64_t reserve_bytes;
    int      reserve_fd;           /* -1: no reserve */
    bool     reserve_held;
    bool     tight;                /* what is free on the disk itself is under the mark */
};

/* UNSUPPORTED when `dir` lies on a network file system: those do not honour
 * syncs and locks as a store needs them. */
muster_err  space_open(struct space *space, const char *dir, uint64_t free_bytes_min,
                       struct muster_error *error);
void        space_close(struct space *space);
/* True when new work is to stop: free space is under the mark, counting
 * `reusable_bytes` that lie free inside the store's own file.  Gives the reserve
 * up or takes it again. */
bool        space_look(struct space *space, uint64_t reusable_bytes);
/* The name of a network file system by its statfs number, else NULL. */
const char *space_network_name(uint64_t type);

#endif
