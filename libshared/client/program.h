/* program.h - start one of muster's programs as a child that ends with us
 *
 * 1. The child is in a session of its own: Ctrl-C at our terminal is ours.
 * 2. It inherits standard streams (null, null, a log file), the descriptors
 *    named here and nothing else, and default signals.
 */
#ifndef CLIENT_PROGRAM_H
#define CLIENT_PROGRAM_H

#include <sys/types.h>

#include "buffer.h"
#include "errors.h"

enum { PROGRAM_LIFELINE_FD = 3, PROGRAM_READY_FD = 4, PROGRAM_HELD_FD = 5 };

struct program {
    const char *name;          /* muster-manager */
    pid_t       pid;           /* 0: not started */
    int         lifeline;      /* we hold it; the child ends when it closes; -1: none */
    int         ready;         /* -1: none */
    char       *log;           /* path of what it says on stderr */
};

/* Beside the running program, in ../libexec, in the build tree, then in PATH;
 * MUSTER_BINDIR, when set, is the only place.  NOT_FOUND says where it looked. */
muster_err program_find(const char *name, char **path_out, struct muster_error *error);

/* A pipe whose ends are out of the way of the numbers that children get. */
muster_err program_pipe(int ends_out[2], struct muster_error *error);

/* Start it: `args` without the program's name; it gets PROGRAM_LIFELINE_FD and
 * PROGRAM_READY_FD, and `held_fd` (or -1) as PROGRAM_HELD_FD.  `dir` takes its log. */
muster_err program_start(struct program *program, const char *name, const char *dir,
                         const char *const *args, int held_fd, struct muster_error *error);
/* Wait until it says that it is ready.  IO with the end of its log when it
 * ended, TIMEOUT when it says nothing. */
muster_err program_ready(struct program *program, uint32_t timeout_ms, struct muster_error *error);
/* Close the lifeline, wait, at last kill.  Does nothing when it never started. */
void       program_stop(struct program *program, uint32_t timeout_ms);

#endif
