/* disk.h - a disk that keeps what was committed and forgets the rest
 *
 * Stands in for the store, with the same contract (store.h): turns, bodies and
 * checkpointed objects.  A turn is durable from disk_commit() on; a crash takes
 * all turns behind the last durable one, whole.
 *
 * `struct store` is this disk, so that the manager's own answer.c reads its
 * bodies here through store_read().
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "core.h"
#include "store.h"
#include "world.h"

struct store *disk_new(struct sim *sim);
void          disk_free(struct store *disk);

/* One turn, with the digest of the core as it was at its end.  Returns its number. */
uint64_t disk_submit(struct store *disk, const struct effects *fx, struct core *core,
                     uint64_t digest, bool checkpoint);
/* Everything up to `turn` is durable. */
void     disk_commit(struct store *disk, uint64_t turn);
void     disk_crash(struct store *disk);
/* What the last turn, durable or not, left. */
uint64_t disk_turn(const struct store *disk);
/* Load and replay into a new core; the digest must be what it was. */
void     disk_recover(struct store *disk, struct core *core);

#endif
