/* result.h - how a task ended, in the words of the protocol and of people
 *
 * Texts in a result live until the next call of a function of this file.
 */
#ifndef WORKER_RESULT_H
#define WORKER_RESULT_H

#include "capture.h"
#include "errors.h"
#include "order.h"
#include "wire.h"

/* Numbers and output. */
void result_of_report(struct wire_result *result_out, const struct report *report,
                      const char *host, const struct capture captures[2]);
/* The reason, for every end but exit code 0. */
void result_of_failure(struct wire_result *result, const struct report *report,
                       const struct wire_spec *spec, struct slice command);
/* A task that cannot be started on any worker. */
void result_refused(struct wire_result *result_out, const char *host, const char *reason);
/* RUN_FAULT: what went wrong on this worker. */
void result_fault(struct muster_error *error, const struct report *report);

#endif
