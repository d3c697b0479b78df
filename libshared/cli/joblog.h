/* joblog.h - a line per ended task in the columns of GNU parallel's --joblog */
#ifndef JOBLOG_H
#define JOBLOG_H

#include <stdio.h>

#include <muster/job.h>

#include "buffer.h"

/* Seq Host Starttime JobRuntime Send Receive Exitval Signal Command */
void joblog_head(FILE *out);
/* `command` is written on one line: a newline in it becomes \n. */
void joblog_line(FILE *out, const struct muster_result *result, uint64_t sent_bytes,
                 struct slice command);

#endif
