/* logs.h - what this worker logged, on its way to the manager
 *
 *            logged              LOG_PUT              ACK
 *   (none) ---------> waiting ------------> sent ---------------> (none)
 *                       |  ^                 |  connection lost, not taken
 *          no room left |  `-----------------'
 *                       `---> dropped: a line in its place says how many
 *
 * 1. One LOG_PUT is on its way at a time, after the results of its turn; nothing is
 *    said when there is nothing, and nobody is woken for it: a line leaves with the turn
 *    in which, or after which, it was logged.
 * 2. What is not acknowledged is said again on the next connection; the manager knows
 *    by the numbers what it has.
 * 3. Nothing here logs, so it never feeds itself.
 */
#ifndef WORKER_LOGS_H
#define WORKER_LOGS_H

#include "log_tail.h"
#include "wire.h"

enum {
    LOGS_BYTES_MAX = 1024 * 1024,   /* that wait for the manager */
    LOGS_PUT_BYTES = 64 * 1024,     /* said at once, about */
    LOGS_PAUSE_MS  = 1000,          /* before what was not taken is said again */
};

struct logs {
    struct log_tail *tail;
    uint64_t         taken;         /* the manager has the lines up to this one */
    uint64_t         sent;          /* last one of the LOG_PUT that is on its way */
    uint64_t         request;       /* its number; 0: none is */
    uint64_t         again_ms;      /* not before */
    bool             refused;       /* this manager does not want any */
};

/* From now on what is logged waits; `after`: a number that no earlier start of this
 * worker used for a line. */
void logs_open(struct logs *logs, size_t bytes_max, uint64_t after);
void logs_close(struct logs *logs);
/* Another connection: what was sent on the old one may be lost. */
void logs_reconnect(struct logs *logs);
/* Is there something to be said now? */
bool logs_waiting(const struct logs *logs, uint64_t now_ms);
/* When that should be looked at, though nothing happens; UINT64_MAX: need not be. */
uint64_t logs_wake_ms(const struct logs *logs);
/* Append it as a message with this request number. */
void logs_put(struct logs *logs, uint64_t request, struct buffer *out);
/* A message from the manager; false: it is not (only) for us. */
bool logs_answer(struct logs *logs, uint64_t now_ms, uint64_t request, uint16_t type,
                 const union wire_any *m);

#endif
