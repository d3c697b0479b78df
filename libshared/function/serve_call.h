/* serve_call.h - the call that a function sees (private to this folder)
 *
 *   serve.c         frames, times, the process
 *   serve_call.c    argument, named values, result, errors of the present call
 */
#ifndef FUNCTION_SERVE_CALL_H
#define FUNCTION_SERVE_CALL_H

#include "frames.h"
#include "table.h"

void serve_call_worker(const char *name);
/* Calls that follow are of this job.  False: it cannot be read. */
bool serve_call_spec(const struct frame_spec *spec);
/* This call has a key file. */
void serve_call_key(const struct frame_key *key);
void serve_call_run(struct function_table *table, const struct frame_call *call);
/* The result, and in *reason_out why it failed ("" when it did not); both live until
 * the next call. */
struct slice serve_call_end(struct slice *reason_out);

/* ---- of serve.c ---- */
void serve_log(uint32_t call, struct slice text);
bool serve_cancelled(uint32_t call);

#endif
