/* help.h - --help and manual pages from the tables of the commands */
#ifndef HELP_H
#define HELP_H

#include "command.h"

void help_overview(FILE *out);
void help_command(FILE *out, const struct command *command);
/* roff for man(1); NULL: muster(1) itself. */
void help_man(FILE *out, const struct command *command);
/* Text broken at `width` columns, each line indented; empty lines separate paragraphs. */
void help_wrap(FILE *out, const char *text, unsigned indent, unsigned width);

#endif
