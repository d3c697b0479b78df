/* command_line.h - the command of a task as a line that a shell would read so */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "buffer.h"

/* Append it, with placeholders expanded when `replace`. */
void command_line_put(struct buffer *out, const char *const *args, bool replace,
                      struct slice input, uint64_t number);

#endif
