/* placeholder.h - {} {.} {/} {//} {#} in the arguments of a task
 *
 * The worker replaces them when it starts a task; here they are found, and
 * replaced for --dry-run and the Command column of --joblog.
 *
 *   {}    the input                   /a/b.c.gz
 *   {.}   without its extension       /a/b.c
 *   {/}   its last part               b.c.gz
 *   {//}  the folder it is in         /a          ("." when it names none)
 *   {#}   the number of the task      1
 */
#ifndef PLACEHOLDER_H
#define PLACEHOLDER_H

#include "buffer.h"

/* Does any of the arguments (NULL-terminated) hold a placeholder? */
bool placeholder_in(const char *const *args);
/* Append `text` with every placeholder replaced. */
void placeholder_expand(struct buffer *out, const char *text, struct slice input, uint64_t number);

/* Append one word so that a shell reads it as it is. */
void shell_quote(struct buffer *out, struct slice word);
/* The command of one task as a line for a shell, expanded when `replace`. */
void command_line_put(struct buffer *out, const char *const *args, bool replace,
                      struct slice input, uint64_t number);

#endif
