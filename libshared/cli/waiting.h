/* waiting.h - the --timeout of commands that wait, and what Ctrl-C does to them */
#ifndef WAITING_H
#define WAITING_H

#include "cli.h"

/* "5", "200ms" ...; NULL: without limit.  False after telling what is wrong. */
bool waiting_parse(const char *command, const char *text, uint32_t *timeout_ms_out);

#define WAITING_OPTION(offset, what)                                                     \
    { 't', "timeout", "TIME", OPTION_TEXT, offset, 0,                                \
      what " so long at most, 0 = not at all; default: without limit", NAMES_NOTHING }

#endif
