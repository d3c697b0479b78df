/* loop.h - the manager's loop: the only place that knows every layer
 *
 *   link -> wire decode -> admit -> core step -> ... -> core turn
 *        -> store (one commit a turn) -> answer -> wire encode -> link
 *
 * 1. A reply leaves only after the turn that it belongs to is durable, and
 *    after every turn before it: nobody sees what a crash could undo.
 * 2. One turn is being committed while the next one gathers.
 * 3. A store that failed ends the process; the restart reads what is there.
 */
#ifndef MANAGER_LOOP_H
#define MANAGER_LOOP_H

#include "config.h"

struct loop;

/* Opens the store, recovers, binds, proves that strangers are refused.
 * Errors: of key files, store and link; see their headers. */
muster_err  loop_open(const struct config *config, struct loop **loop_out,
                      struct muster_error *error);
const char *loop_endpoint(const struct loop *loop);
/* Serves until SIGTERM, SIGINT, the lifeline's end or a SHUTDOWN request.
 * OK when it was asked to stop and all is committed. */
muster_err  loop_run(struct loop *loop, struct muster_error *error);
void        loop_close(struct loop *loop);

#endif
