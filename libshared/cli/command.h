/* command.h - a command of the `muster` program as one row of a table
 *
 * Parser, --help, manual page and completion are made from it; nothing is said twice.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "cli.h"

struct example {
    const char *says;
    const char *command;      /* may hold several lines */
};

struct exit_row {
    const char *status;
    const char *means;
};

struct command {
    const char *name;
    const char *alias;        /* NULL: none */
    const char *usage;        /* what follows the name */
    const char *summary;      /* one line, no full stop */
    const char *text;         /* paragraphs, separated by an empty line */
    const struct option_group *const *groups;     /* NULL-terminated; includes cli_options */
    const struct example *examples;               /* ends with says == NULL */
    const struct exit_row *exits;                 /* ends with status == NULL */
    bool   stop_at_operand;   /* what follows the first operand belongs to the task */
    bool   passes_all;        /* nothing is parsed: all arguments are operands */
    size_t settings_bytes;    /* of its settings, zeroed before parsing */
    int  (*run)(struct cli *cli, void *settings, struct operands *operands);
    void (*free)(void *settings);                 /* NULL: nothing to free */
};

/* All of them in the order of `muster help`, NULL-terminated. */
extern const struct command *const commands[];
/* The exit codes of the whole program; ends with status == NULL. */
extern const struct exit_row command_exits[];

const struct command *command_find(const char *name);      /* NULL: none */
/* The nearest name of a command, or NULL. */
const char *command_nearest(const char *typed);
/* The whole program: argv as main() has it; returns the exit status. */
int command_main(int argc, char **argv);

#define OPTIONS_END { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING }
#define EXAMPLES_END { NULL, NULL }
#define EXITS_END { NULL, NULL }

extern const struct option_group *const command_no_options[];   /* cli_options alone */
extern const struct exit_row command_exits_plain[];             /* 0, 2 and errors */

/* Is there exactly / at least so many operands?  Else tells and returns false. */
bool command_operands(const struct command *command, const struct operands *operands, int least,
                      int most);
/* Is it a good name of a shared object?  Else tells and returns false. */
bool command_names(const struct command *command, const char *name);

#endif
