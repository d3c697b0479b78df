/* answer.h - carry out what a durable turn wants: effects -> messages
 *
 * Runs after the commit.  Bodies are read here and nowhere else in the live
 * path: inputs into leases, result blocks into answers, pieces of outputs.
 *
 * 1. Within a turn, plain sends go first: a kill concerns an older lease than
 *    the ones that the same turn grants.
 * 2. What cannot be delivered because the session has no connection is
 *    dropped: the peer asks again when it resumes.
 */
#ifndef MANAGER_ANSWER_H
#define MANAGER_ANSWER_H

#include "admit.h"
#include "effects.h"
#include "outbox.h"
#include "store.h"

struct answer;

/* All borrowed. */
struct answer *answer_new(struct store *store, struct admit *admit, struct outbox *outbox);
void           answer_free(struct answer *answer);
/* Errors: IO and the like of the store: the manager must stop. */
muster_err     answer_deliver(struct answer *answer, const struct effects *fx,
                              struct muster_error *error);

#endif
