/* spool.h - finished results on disk while the manager is away
 *
 * One folder, one worker process (a lock file says which).  One file per
 * result: a header, the encoded result, then what is kept of its output beyond
 * the inline part.
 *
 * 1. spool_write() returns after fsync of the file and of the folder.
 * 2. A file has its final name only when it is complete; what a crash left
 *    unfinished is removed at the next start.
 * 3. A file that does not read back whole is set aside (.damaged), never
 *    delivered and never deleted.
 */
#ifndef RUN_SPOOL_H
#define RUN_SPOOL_H

#include <sys/types.h>

#include "capture.h"
#include "errors.h"
#include "wire.h"

struct spool {
    char    *folder;
    int      lock;
    uint64_t last;                /* id of the newest file */
};

struct spool_record {
    uint64_t          manager;             /* hash of the key of the manager it is for */
    uint64_t          session, secret;     /* of the worker that wrote it */
    struct wire_token token;
    struct slice      result;              /* an encoded wire_result */
};

/* The folder of the spool when none is given: below $XDG_STATE_HOME, /var/lib
 * (as root) or ~/.local/state; "" when none of them can be made. */
void spool_default(const char *worker_name, struct buffer *path_out);
/* Make the folder (0700) if needed and take its lock.  Errors: EXISTS (another
 * worker holds it: *holder_out), IO, NO_SPACE. */
muster_err spool_open(struct spool *spool, const char *folder, pid_t *holder_out,
                      struct muster_error *error);
void       spool_close(struct spool *spool);

/* `captures` hold the kept output beyond the inline part; NULL: there is none. */
muster_err spool_write(struct spool *spool, const struct spool_record *record,
                       const struct capture captures[2], uint64_t *id_out,
                       struct muster_error *error);
void       spool_remove(const struct spool *spool, uint64_t id);

/* Every complete file, oldest first; damaged ones are told in the log. */
typedef void spool_load_fn(void *context, uint64_t id, const struct spool_record *record);
muster_err spool_load(struct spool *spool, spool_load_fn *each, void *context,
                      struct muster_error *error);
/* Append `bytes` of the kept output of a stream; `offset` counts from its start
 * and lies beyond the inline part. */
muster_err spool_read(const struct spool *spool, uint64_t id, unsigned stream, uint32_t offset,
                      uint32_t bytes, struct buffer *out, struct muster_error *error);

#endif
