/* placeholder.h - {} {.} {/} {//} {#} in the arguments of a task
 *
 * The worker replaces them when it starts a task, the command line for --dry-run
 * and the Command column of --joblog.
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
/* Append `text` with every placeholder replaced.  Stops when `out` has grown
 * beyond `bytes_max`, by one piece of text at most. */
void placeholder_expand(struct buffer *out, struct slice text, struct slice input,
                        uint64_t number, size_t bytes_max);

#endif
