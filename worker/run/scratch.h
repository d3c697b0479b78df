/* scratch.h - the private folder that each task gets, and loses when it ended
 *
 * One base folder per worker process, made by scratch_base_make() and removed
 * by the nursery when everything else is gone.  The folder of a slot's task is
 * always BASE/SLOT: there is at most one at a time.
 */
#ifndef RUN_SCRATCH_H
#define RUN_SCRATCH_H

#include <linux/limits.h>
#include <stdint.h>

#include "errors.h"
#include "spawn.h"

/* A new folder below `parent` (NULL: $TMPDIR, then /tmp), open to its owner, and
 * to be passed through by `user` when tasks run as somebody else. */
muster_err scratch_base_make(const char *parent, const struct spawn_user *user,
                             char path_out[static PATH_MAX], struct muster_error *error);
void scratch_path(char path_out[static PATH_MAX], const char *base, uint32_t slot);
/* 0 or an errno.  What an earlier task left is removed or moved aside first. */
int  scratch_make(const char *path, const struct spawn_user *user);
/* Everything in it goes too, whatever modes the task gave it. */
void scratch_remove(const char *path);

#endif
