/* instance.h - one manager per directory */
#ifndef MANAGER_INSTANCE_H
#define MANAGER_INSTANCE_H

#include "config.h"

enum { INSTANCE_REPLACE_MS = 60000 };

/* Hold DIR/manager.lock as long as the process lives.  With config->replace,
 * the present holder is asked to stop (SIGTERM) and waited for.
 *
 * Errors: EXISTS (names the pid), NOT_FOUND (no such directory), DENIED (the
 * directory is open to others or not ours), TIMEOUT (it did not stop), IO. */
muster_err instance_hold(const struct config *config, int *lock_fd_out, struct muster_error *error);

#endif
