/* recover.h - a restart: what the store kept, back into the core */
#ifndef MANAGER_RECOVER_H
#define MANAGER_RECOVER_H

#include "core.h"
#include "store.h"

/* Load the objects of the last checkpoint, replay every turn behind it.
 * Errors: INVALID (the store holds what this version cannot read), IO. */
muster_err recover_core(struct store *store, struct core *core, struct muster_error *error);

#endif
