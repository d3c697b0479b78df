/* disk.h - a disk in memory that loses power, for SQLite
 *
 * 1. What was written is seen by every reader at once, and lasts only after a
 *    sync.  Until then each sector of each write stands alone: when the power
 *    goes it is there, or not, or torn, in any combination.
 * 2. A failed sync decides the fate of what it should have saved and forgets
 *    it: a later sync does not repair it (as Linux does it).
 * 3. Everything follows from the seed and the calls.
 */
#ifndef TESTS_STORE_DISK_H
#define TESTS_STORE_DISK_H

#include "buffer.h"

struct disk;

enum disk_event {
    DISK_NOTHING,
    DISK_DIES,             /* from then on nothing reaches the disk: power cut or kill */
    DISK_FAILS_ONCE,       /* this one operation fails */
    DISK_FAILS,            /* this one and all that follow fail */
};

enum disk_loss {
    LOSS_NONE,             /* only the process went: what it wrote is still in memory */
    LOSS_RANDOM,           /* drops, tears and reorders */
    LOSS_ALL,              /* nothing that was not synced lasted */
};

/* One disk at a time: it is registered with SQLite under DISK_VFS. */
#define DISK_VFS "muster-test-disk"
struct disk *disk_new(uint64_t seed);
void         disk_free(struct disk *disk);

/* Let `event` come with operation `at` (writes, syncs, truncations and deletions
 * are counted from 1). */
void         disk_plan(struct disk *disk, enum disk_event event, uint64_t at);
uint64_t     disk_operations(const struct disk *disk);
bool         disk_happened(const struct disk *disk);
/* After everything was closed: what the next process finds. */
void         disk_restart(struct disk *disk, enum disk_loss loss);
/* A disk that says it synced and did not: to see that the tests notice. */
void         disk_lie(struct disk *disk, bool lie);
/* Bytes of the file whose name ends so; 0 when there is none. */
uint64_t     disk_file_bytes(const struct disk *disk, const char *end);

/* A small generator for everything that is chosen at random here. */
uint64_t     disk_mix(uint64_t a, uint64_t b);

#endif
