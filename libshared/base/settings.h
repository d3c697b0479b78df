/* settings.h - a program's settings as one table
 *
 * A row is an option, an environment variable, a kind, a place in a struct and
 * a line of help.  The command line wins over the environment, which wins over
 * what the struct held before.
 */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "errors.h"

enum setting_kind {
    SETTING_FLAG,        /* bool; no argument */
    SETTING_TEXT,        /* const char *; borrowed from argv or environment */
    SETTING_U32,
    SETTING_SIZE,        /* uint64_t bytes: 64M */
    SETTING_DURATION,    /* uint32_t milliseconds: 1.5s */
    SETTING_FD,          /* int: an open descriptor */
    SETTING_CHOICE,      /* uint32_t: place in `choices` */
    SETTING_LIST,        /* struct setting_list; may be given again and again */
};

/* Values of an option that may be repeated; in the environment, separated by commas. */
struct setting_list {
    char   **items;     /* owned */
    uint32_t     count;
    uint32_t     capacity;
};

struct setting {
    const char        *name;       /* without --; NULL ends the table */
    const char        *argument;   /* how help calls it; NULL for flags */
    enum setting_kind  kind;
    size_t             offset;     /* into the struct */
    const char        *help;       /* lines are broken at \n */
    const char *const *choices;    /* of SETTING_CHOICE, NULL-terminated */
};

/* Environment first: PREFIX_NAME with - as _ (MUSTER_MANAGER_LOG_LEVEL), then argv.
 * `--name value` and `--name=value`.  --help and --version are the caller's to
 * look for first.  Errors: INVALID, naming the option or variable. */
muster_err settings_read(const struct setting *table, const char *env_prefix, int argc, char **argv,
                         void *config, struct muster_error *error);
/* Aligned; tells the environment variable of each. */
void settings_help(FILE *out, const struct setting *table, const char *env_prefix);
/* Is --help or --version (as given) among the arguments? */
bool settings_asked(int argc, char **argv, const char *option);
void setting_list_free(struct setting_list *list);

#endif
