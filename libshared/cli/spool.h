/* spool.h - inputs kept on disk, to be asked for by their index
 *
 * Two unlinked files: the bytes, and where each input ends.  One thread adds,
 * another may get at the same time.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "buffer.h"
#include "errors.h"

struct spool;

muster_err spool_open(struct spool **spool_out, struct muster_error *error);
void       spool_close(struct spool *spool);             /* NULL is allowed */
muster_err spool_add(struct spool *spool, struct slice item, struct muster_error *error);
/* Append item `index` to `out`; NOT_FOUND when it was not added yet. */
muster_err spool_get(struct spool *spool, uint32_t index, struct buffer *out,
                     struct muster_error *error);

#endif
