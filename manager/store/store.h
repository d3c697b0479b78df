/* store.h - what must survive a reboot
 *
 * The store keeps three things and understands none of them:
 *   log      the facts of each turn, one blob a turn, numbered 1, 2, 3 ... without gaps
 *   objects  checkpointed state: (kind, id) -> bytes
 *   bodies   large bytes that facts refer to: (job, number) -> bytes, written once
 *
 * 1. A turn is committed whole or not at all; `done` is called after it is
 *    durable, in the order of the turns.
 * 2. Load gives the objects of the last checkpoint; replay gives every turn
 *    behind it in order.  Together they are everything that was committed.
 * 3. After an error nothing is tried again: every later call fails with the
 *    same error, and the process must end.
 * 4. Nothing that load, replay or read gives back can be lost afterwards:
 *    opening makes durable what it finds before it returns.
 *
 * Calls come from one thread.  Commits run on a thread of the store's own.
 *
 * The disk: below free_bytes_min the caller is to take no new work; what lies
 * free inside the store's own file counts as free.  A reserve of a quarter of
 * free_bytes_min (16 MiB at most) is really allocated on the disk and given up
 * when free space falls under that quarter, so that results and deletions find
 * room even where other programs fill the disk.
 */
#ifndef STORE_H
#define STORE_H

#include "buffer.h"
#include "errors.h"

struct store;

struct store_config {
    const char *path;              /* the manager's directory; NULL for the memory backend */
    uint64_t    cache_bytes;       /* hot bodies kept in memory */
    uint64_t    free_bytes_min;    /* low-water mark of the disk: see store_space_low(); 0: none */
    const char *vfs;               /* SQLite's name of its way to the disk; NULL = the usual one */
};

#define STORE_FILE_NAME    "store.db"        /* in the manager's directory, 0600 */
#define STORE_RESERVE_NAME "store.reserve"

struct store_body {
    uint64_t     job;
    uint64_t     number;           /* unique within the job */
    struct slice bytes;            /* copied before store_submit returns */
};

struct store_object {
    uint32_t     kind;
    uint64_t     id;
    struct slice bytes;            /* .data NULL: the object is gone */
};

/* One turn.  Everything in it becomes durable together; its bodies are written
 * before its jobs are pruned. */
struct store_turn {
    struct slice               facts;      /* may be empty when there are only objects */
    const struct store_body   *bodies;
    uint32_t                   body_count;
    const uint64_t            *pruned_jobs;   /* drop all bodies of these jobs */
    uint32_t                   pruned_count;
    const struct store_object *objects;    /* every object that changed since the last checkpoint */
    uint32_t                   object_count;
    bool                       checkpoint; /* the log up to and including this turn is not needed */
};

typedef muster_err store_object_fn(void *context, const struct store_object *object);
typedef muster_err store_turn_fn(void *context, uint64_t turn, struct slice facts);

/* Errors: EXISTS (another process has it open), IO, NO_SPACE, INVALID (not a
 * muster store, or of a newer version), UNSUPPORTED (a network file system). */
muster_err store_open_sqlite(const struct store_config *config, struct store **store_out,
                             struct muster_error *error);
muster_err store_open_memory(const struct store_config *config, struct store **store_out,
                             struct muster_error *error);
/* Commits what was submitted, then closes.  Returns the store's final state. */
muster_err store_close(struct store *store, struct muster_error *error);

/* Before the first submit, once each, in this order.  A callback's error stops and is returned. */
muster_err store_load(struct store *store, store_object_fn *each, void *context,
                      struct muster_error *error);
muster_err store_replay(struct store *store, store_turn_fn *each, void *context,
                        struct muster_error *error);

/* Hand one turn over; returns its number at once.  Several may be under way;
 * the thread commits all that are waiting in one transaction. */
uint64_t   store_submit(struct store *store, const struct store_turn *turn);
/* Readable when store_committed() has moved (or the store has failed). */
int        store_fd(struct store *store);
/* The last durable turn.  Clears store_fd().  An error is final (see 3). */
muster_err store_committed(struct store *store, uint64_t *turn_out, struct muster_error *error);

/* Append the body to *out: also of turns submitted and not yet durable.
 * NOT_FOUND, IO.  Usually from the cache; otherwise waits for the disk. */
muster_err store_read(struct store *store, uint64_t job, uint64_t number, struct buffer *out,
                      struct muster_error *error);
/* True while free space is under the low-water mark: take no new work.  Cheap:
 * the commit thread looks after each commit and once a second. */
bool       store_space_low(const struct store *store);
/* Bytes of log behind the last checkpoint, counting what was replayed: the caller
 * decides when to checkpoint.  Always 0 for the memory backend. */
uint64_t   store_log_bytes(const struct store *store);

struct store_counters {
    uint64_t turns, commits, facts_bytes, body_bytes, checkpoints, reads, read_hits;
    uint64_t log_bytes, cached_bytes, space_low;       /* now; the others since the start */
};
void       store_count(struct store *store, struct store_counters *out);

#endif
