/* backend.h - what a place to keep things must be able to do
 *
 * The front (store.c) numbers turns, joins those that wait into one commit,
 * remembers bodies and the first error.  A backend only writes and reads; it
 * is called by one thread at a time and never again after its first error,
 * except to close.
 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "store.h"

struct backend {
    const struct backend_rules *rules;
};

struct backend_rules {
    /* False: everything is as durable as it gets when `write` returns, so turns
     * need no thread, no commit and no cache. */
    bool durable;

    muster_err (*load)(struct backend *backend, store_object_fn *each, void *context,
                       struct muster_error *error);
    muster_err (*replay)(struct backend *backend, store_turn_fn *each, void *context,
                         struct muster_error *error);
    /* begin, then write of one or more turns, then commit. */
    muster_err (*begin)(struct backend *backend, struct muster_error *error);
    muster_err (*write)(struct backend *backend, uint64_t number, const struct store_turn *turn,
                        struct muster_error *error);
    muster_err (*commit)(struct backend *backend, struct muster_error *error);
    /* A little of the work that may come later; *more_out: call again when there is time. */
    muster_err (*tend)(struct backend *backend, bool *more_out, struct muster_error *error);
    /* Appends to *out.  NOT_FOUND is no failure of the backend. */
    muster_err (*read)(struct backend *backend, uint64_t job, uint64_t number, struct buffer *out,
                       struct muster_error *error);
    /* Is free space under the low-water mark now? */
    muster_err (*space_low)(struct backend *backend, bool *low_out, struct muster_error *error);
    /* `failed`: nothing more may be written. */
    muster_err (*close)(struct backend *backend, bool failed, struct muster_error *error);
};

/* The front over an open backend, whose last turn is `turn`.  Takes the
 * backend over, also on an error. */
muster_err store_front_open(struct backend *backend, const struct store_config *config,
                            uint64_t turn, struct store **store_out, struct muster_error *error);

#endif
