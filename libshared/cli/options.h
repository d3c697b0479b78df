/* options.h - the options of a command as tables
 *
 * 1. One row says everything about an option: the parser, --help, the manual
 *    page and the shell completions all read the same row.
 * 2. A row's value lands at `offset` of the settings of its group: the
 *    command's own struct, or struct cli for the options every command has.
 * 3. Texts are borrowed from argv, which lives as long as the program.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errors.h"

enum option_kind {
    OPTION_FLAG,          /* bool, set to true; takes no value */
    OPTION_FLAG_OFF,      /* bool, set to false; takes no value */
    OPTION_TEXT,          /* const char * */
    OPTION_LIST,          /* struct text_list; may be repeated */
    OPTION_COUNT,         /* uint32_t, 0 .. limit */
    OPTION_INTEGER,       /* int32_t, -limit .. limit */
    OPTION_DURATION,      /* uint64_t milliseconds, at most limit */
    OPTION_SIZE,          /* uint64_t bytes, at most limit */
    OPTION_MILLI,         /* uint32_t thousandths, at most limit */
    OPTION_KIND_COUNT
};

/* What the value names, for shell completion. */
enum option_names { NAMES_NOTHING, NAMES_FILE, NAMES_FOLDER };

struct option {
    char             letter;      /* 0: none */
    const char      *name;        /* without the dashes; NULL ends a table */
    const char      *value;       /* its name in help texts; NULL for flags */
    enum option_kind kind;
    size_t           offset;
    uint64_t         limit;       /* 0: what the type can hold */
    const char      *help;
    enum option_names names;
};

struct option_group {
    const char          *title;
    const struct option *rows;
    bool                 global;  /* offsets are into struct cli */
};

struct text_list {
    const char **items;           /* NULL-terminated once it has any */
    uint32_t     count;
    uint32_t     capacity;
};

void text_list_add(struct text_list *list, const char *text);
void text_list_free(struct text_list *list);

/* What is left when the options are taken out. */
struct operands {
    char **items;                 /* NULL-terminated */
    int    count;
};

struct options_parse {
    const struct option_group *const *groups;   /* NULL-terminated */
    void *settings;               /* for groups of the command */
    void *globals;                /* for global groups */
    bool  stop_at_operand;        /* the first operand ends the options (run, submit) */
};

/* Reads argv[0 .. argc-1].  The operands' array is the caller's to free().
 * Errors: INVALID, with a detail for people. */
muster_err options_parse(const struct options_parse *parse, int argc, char **argv,
                         struct operands *operands_out, struct muster_error *error);

bool option_takes_value(const struct option *option);
/* The name nearest to `typed`, or NULL when none is near: for "did you mean". */
const char *options_nearest(const struct option_group *const *groups, const char *typed);
/* Number of single-character edits between two short words, at most 9. */
unsigned    text_distance(const char *a, const char *b);

#endif
