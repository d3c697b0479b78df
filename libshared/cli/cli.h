/* cli.h - what every command of the `muster` program shares
 *
 * 1. stdout carries what a script wants; stderr is for people.
 * 2. An error is printed once, as "muster: what object: text. Advice.", and
 *    becomes an exit status by the table in <muster/error.h>.
 * 3. The session opens when a command first needs it and closes in cli_end().
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <muster/fleet.h>
#include <muster/job.h>
#include <muster/session.h>

#include "errors.h"
#include "options.h"

enum {
    EXIT_DONE = 0,
    EXIT_USAGE = 2,
    EXIT_FAILED_TASKS_MAX = 101,  /* that many failed tasks, or more */
    EXIT_TIMED_OUT = 124,
    EXIT_RUN_FAILED = 125,        /* `run` itself failed */
    EXIT_NOT_STARTABLE = 126,
    EXIT_NO_SUCH_COMMAND = 127,
    EXIT_INTERRUPTED = 130,
    EXIT_PIPE_CLOSED = 141,       /* as if SIGPIPE had ended it */
};

enum { CLI_CALL_MS = 60000 };     /* one request that should be answered at once */

struct cli {
    /* the options of every command */
    const char *address;          /* NULL: none given */
    const char *authkey_file;     /* NULL: none given */
    bool        json;
    bool        quiet;
    bool        help;
    bool        version;

    struct muster_session *session;   /* NULL until cli_open() */
    struct muster_fleet   *fleet;     /* a private one, or NULL */
};

extern const struct option_group cli_options;

/* Descriptors 0-2 exist, writing to a closed pipe is an error and no signal. */
void cli_begin(struct cli *cli);
/* Close the session, stop the private fleet, flush stdout.  Returns `status`,
 * or another one when stdout could not be written. */
int  cli_end(struct cli *cli, int status);

/* Connect unless connected: 0, or an exit status after telling what failed. */
int cli_open(struct cli *cli);
/* The same with a private fleet where no manager was given. */
int cli_open_or_start(struct cli *cli, const struct muster_fleet_options *options);

/* Print an error; returns the exit status that belongs to it. */
int cli_fail(const struct muster_error *error, const char *what, const char *object_format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a file of this machine, with an advice of its own when it does not exist. */
int cli_fail_file(const struct muster_error *error, const char *what, const char *advice);
/* A usage error: the text, where to read more; returns EXIT_USAGE. */
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "muster: ..." on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same unless -q. */
void cli_note(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- interruption: the first Ctrl-C sets a flag and wakes blocked calls, the
 * second ends the program at once ---- */
void cli_catch_interrupts(struct cli *cli);
bool cli_interrupted(void);
int  cli_interrupt_fd(void);      /* readable once interrupted; -1 before cli_catch_interrupts() */

/* stdout, with errors told once and quietly for a closed pipe.  False: stop. */
bool cli_write(const void *data, size_t bytes);
bool cli_flush(void);
bool cli_stdout_failed(void);

/* What is not printable becomes \xNN: names and reasons may come from anyone. */
void cli_put_escaped(FILE *out, const char *text);

#endif
