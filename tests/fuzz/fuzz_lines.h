/* fuzz_lines.h - an input as a command line and an environment
 *
 * Each line is an argument; one that reads MUSTER_X=VALUE is an environment
 * variable instead.
 */
#ifndef FUZZ_LINES_H
#define FUZZ_LINES_H

#include <stdlib.h>
#include <string.h>

#include "buffer.h"

enum { LINES_ARGS_MAX = 64 };

struct lines {
    char  *text;                       /* all lines, cut up */
    char  *argv[LINES_ARGS_MAX + 2];
    int    argc;
    char  *names[LINES_ARGS_MAX];      /* environment variables that were set */
    size_t name_count;
};

static inline void
lines_open(struct lines *lines, const uint8_t *data, size_t bytes, const char *program)
{
    char *rest;

    memset(lines, 0, sizeof(*lines));
    lines->text = base_text_copy(slice_of(data, bytes));
    lines->argv[lines->argc++] = base_text_copy(slice_text(program));
    rest = lines->text;
    while (rest != NULL && *rest != '\0') {
        char *line = strsep(&rest, "\n");
        char *value = strchr(line, '=');

        if (strncmp(line, "MUSTER_", 7) == 0 && value != NULL) {
            if (lines->name_count == LINES_ARGS_MAX)
                continue;
            *value = '\0';
            setenv(line, value + 1, 1);
            lines->names[lines->name_count++] = line;
        } else if (lines->argc <= LINES_ARGS_MAX) {
            lines->argv[lines->argc++] = line;
        }
    }
}

static inline void
lines_close(struct lines *lines)
{
    for (size_t i = 0; i < lines->name_count; i++)
        unsetenv(lines->names[i]);
    free(lines->argv[0]);
    free(lines->text);
}

#endif
