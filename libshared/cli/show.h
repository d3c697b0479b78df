/* show.h - the results of tasks on stdout and stderr
 *
 * A task's stdout goes to stdout and its stderr to stderr, each whole: nothing
 * of another task comes in between.
 */
#ifndef SHOW_H
#define SHOW_H

#include "cli.h"
#include "inputs.h"
#include "progress.h"
#include "select.h"

enum show_streams { SHOW_BOTH, SHOW_STDOUT_ONLY, SHOW_STDERR_AS_STDOUT };

struct show {
    struct cli       *cli;
    uint64_t          job;
    struct numbering  numbering;
    enum show_streams streams;
    bool              tag;
    bool              failures;       /* say which tasks failed, and why */
    bool              silent;         /* only log and remember the status */
    bool              single;         /* the job is one command */
    struct inputs    *inputs;         /* NULL: unknown here */
    const char *const *args;          /* for the joblog */
    bool              replace;
    uint64_t          sent_bytes;     /* standard input of each task */
    FILE             *joblog;         /* NULL: none */
    struct progress  *progress;       /* erased before anything is printed; NULL: none */

    uint32_t          failures_told;
    bool              has_single;     /* `single_status` was set */
    int               single_status;
};

/* Everything about one result.  False: stdout is gone, stop. */
bool show_result(struct show *show, const struct muster_result *result);
/* The same for one that must be fetched from the manager first. */
bool show_fetched(struct show *show, uint32_t index);

#endif
