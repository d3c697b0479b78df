/* exits.h - what became of a job, as the exit status of `run` and `wait` */
#ifndef EXITS_H
#define EXITS_H

#include "cli.h"

/* A single command: its own code, 128 + signal, 124 over its time, 126 and 127
 * not startable, 130 cancelled, 1 when it never ran. */
int exit_of_result(const struct muster_result *result);
/* Many tasks: how many failed, at most 101; 130 when some were cancelled and none failed. */
int exit_of_counts(const struct muster_counts *counts, enum muster_job_state state);

#endif
