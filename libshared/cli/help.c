/* help.c - see help.h */
#include "help.h"

#include <string.h>

enum { HELP_WIDTH = 80, HELP_OPTION_COLUMN = 26 };

static const char help_intro[] =
    "muster runs batches of commands across a fleet of machines, encrypted and durable. A manager "
    "hosts the jobs, workers run their tasks, and this program submits and follows them. With no "
    "manager given, `muster run` starts a private fleet on this machine. Scripts and programs on "
    "different machines share queues, locks, events and dicts, and call functions.";

static const char help_units[] =
    "A TIME is a number of seconds, or 200ms, 1.5s, 10m, 2h, 1d; a SIZE is a number of bytes, or "
    "64K, 100M, 2G.";

static const struct example help_examples[] = {
    { "one command, its output and its exit code", "muster run -- make -C /src test" },
    { "one task for each line of input; on the cluster or, with no manager, on this machine",
      "find . -name '*.h' | muster run --each-line - -- sha256sum {}" },
    { "submit now, look later",
      "job=$(muster submit --array 1-100 -- ./step {})\nmuster wait $job; muster output $job.7" },
    { "scripts on different machines share a queue, and a lock",
      "muster queue put pictures a.png b.png; muster queue work pictures -- ./shrink\n"
      "muster lock backup -- rsync -a /data head:/backup" },
    { "where the manager is and who you are",
      "export MUSTER_ADDRESS=tcp://head:7717 MUSTER_AUTHKEY_FILE=~/client.authkey\nmuster status" },
    EXAMPLES_END,
};

static const struct {
    const char *name;
    const char *means;
} help_environment[] = {
    { "MUSTER_ADDRESS", "the manager's address, for --connect" },
    { "MUSTER_AUTHKEY_FILE", "the file with your authkey, for --authkey-file" },
    { "MUSTER_DIR", "the manager's folder, for `muster key`" },
};

/* The first line begins where `column` says; its indent was written already. */
static void
help_wrap_from(FILE *out, const char *text, unsigned indent, unsigned width, unsigned column)
{
    bool line_empty = column == indent && column > 0;

    while (*text != '\0') {
        unsigned word = (unsigned)strcspn(text, " \n");

        if (word == 0 && text[0] == '\n' && text[1] == '\n') {
            fputs("\n\n", out);
            column = 0;
            text += 2;
            continue;
        }
        if (word == 0) {
            text++;
            continue;
        }
        if (column > 0 && column + 1 + word > width) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            column = (unsigned)fprintf(out, "%*s", (int)indent, "");
        else if (!line_empty)
            column += (unsigned)fprintf(out, " ");
        line_empty = false;
        column += (unsigned)fprintf(out, "%.*s", (int)word, text);
        text += word;
    }
    if (column > 0)
        fputc('\n', out);
}

void
help_wrap(FILE *out, const char *text, unsigned indent, unsigned width)
{
    help_wrap_from(out, text, indent, width, 0);
}

/* Each line of a command, indented; `lead` goes before it. */
static void
help_lines(FILE *out, const char *lead, const char *text)
{
    while (*text != '\0') {
        int bytes = (int)strcspn(text, "\n");

        fprintf(out, "%s%.*s\n", lead, bytes, text);
        text += bytes + (text[bytes] == '\n');
    }
}

static void
help_option_head(char *head, size_t bytes, const struct option *row)
{
    char letter[8] = "    ";

    if (row->letter != 0)
        snprintf(letter, sizeof(letter), "-%c, ", row->letter);
    snprintf(head, bytes, "%s--%s%s%s", letter, row->name, option_takes_value(row) ? " " : "",
             option_takes_value(row) ? row->value : "");
}

static void
help_option(FILE *out, const struct option *row)
{
    char   head[64];
    int  column;

    help_option_head(head, sizeof(head), row);
    column = fprintf(out, "  %s", head);
    if (column + 2 > HELP_OPTION_COLUMN) {
        fputc('\n', out);
        column = 0;
    }
    fprintf(out, "%*s", HELP_OPTION_COLUMN - column, "");
    help_wrap_from(out, row->help, HELP_OPTION_COLUMN, HELP_WIDTH, HELP_OPTION_COLUMN);
}

static void
help_examples_text(FILE *out, const struct example *examples)
{
    fputs("\nExamples:\n", out);
    for (; examples->says != NULL; examples++) {
        fprintf(out, "  # %s\n", examples->says);
        help_lines(out, "  ", examples->command);
        if (examples[1].says != NULL)
            fputc('\n', out);
    }
}

static void
help_exits_text(FILE *out, const struct exit_row *exits)
{
    fputs("\nExit status:\n", out);
    for (; exits->status != NULL; exits++) {
        fprintf(out, "  %-8s", exits->status);
        help_wrap_from(out, exits->means, 10, HELP_WIDTH, 10);
    }
}

void
help_command(FILE *out, const struct command *command)
{
    fprintf(out, "Usage: muster %s%s%s\n\n", command->name, command->usage[0] != '\0' ? " " : "",
            command->usage);
    help_wrap(out, command->text, 0, HELP_WIDTH);
    for (const struct option_group *const *group = command->groups; *group != NULL; group++) {
        fprintf(out, "\n%s:\n", (*group)->title);
        for (const struct option *row = (*group)->rows; row->name != NULL; row++)
            help_option(out, row);
    }
    help_examples_text(out, command->examples);
    help_exits_text(out, command->exits);
}

void
help_overview(FILE *out)
{
    fputs("Usage: muster [options] COMMAND [options] ...\n\n", out);
    help_wrap(out, help_intro, 0, HELP_WIDTH);
    fputs("\nCommands:\n", out);
    for (const struct command *const *command = commands; *command != NULL; command++)
        fprintf(out, "  %-12s%s\n", (*command)->name, (*command)->summary);
    fprintf(out, "\n%s:\n", cli_options.title);
    for (const struct option *row = cli_options.rows; row->name != NULL; row++)
        help_option(out, row);
    help_examples_text(out, help_examples);
    fputc('\n', out);
    help_wrap(out, help_units, 0, HELP_WIDTH);
    fputs("`muster COMMAND --help` explains a command; `man muster` tells the whole.\n", out);
}

/* ---- roff ---- */

static void
man_text(FILE *out, const char *text)
{
    bool line_start = true;

    for (; *text != '\0'; text++) {
        if (text[0] == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", out);
            text++;
            line_start = true;
            continue;
        }
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        line_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else if (*text == '`')
            fputs("\\(ga", out);
        else if (*text == '^')
            fputs("\\(ha", out);
        else if (*text == '~')
            fputs("\\(ti", out);
        else
            fputc(*text, out);
    }
}

static void
man_option(FILE *out, const struct option *row)
{
    fputs(".TP\n.B ", out);
    if (row->letter != 0)
        fprintf(out, "\\-%c, ", row->letter);
    fputs("\\-\\-", out);
    man_text(out, row->name);
    if (option_takes_value(row))
        fprintf(out, " \\fI%s\\fR", row->value);
    fputc('\n', out);
    man_text(out, row->help);
    fputc('\n', out);
}

static void
man_examples(FILE *out, const struct example *examples)
{
    fputs(".SH EXAMPLES\n", out);
    for (; examples->says != NULL; examples++) {
        fputs(".PP\n", out);
        man_text(out, examples->says);
        fputs(":\n.PP\n.RS 4\n.nf\n", out);
        man_text(out, examples->command);
        fputs("\n.fi\n.RE\n", out);
    }
}

static void
man_exits(FILE *out, const struct exit_row *exits)
{
    fputs(".SH EXIT STATUS\n", out);
    for (; exits->status != NULL; exits++) {
        fprintf(out, ".TP\n.B ");
        man_text(out, exits->status);
        fputc('\n', out);
        man_text(out, exits->means);
        fputc('\n', out);
    }
}

static void
man_environment(FILE *out)
{
    fputs(".SH ENVIRONMENT\n", out);
    for (size_t i = 0; i < sizeof(help_environment) / sizeof(help_environment[0]); i++) {
        fprintf(out, ".TP\n.B %s\n", help_environment[i].name);
        man_text(out, help_environment[i].means);
        fputc('\n', out);
    }
}

static void
man_see_also(FILE *out)
{
    fputs(".SH SEE ALSO\n", out);
    for (const struct command *const *command = commands; *command != NULL; command++)
        fprintf(out, ".BR muster\\-%s (1),\n", (*command)->name);
    fputs(".BR muster (7),\n.BR muster\\-manager (8),\n.BR muster\\-worker (8),\n"
          ".BR muster\\-authkey (5)\n", out);
}

static void
man_program(FILE *out)
{
    fputs(".TH MUSTER 1 \"\" \"muster " MUSTER_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nmuster \\- run batches of commands across a fleet of machines\n"
          ".SH SYNOPSIS\n.B muster\n[options] COMMAND [options] ...\n.SH DESCRIPTION\n", out);
    man_text(out, help_intro);
    fputs("\n.SH COMMANDS\n", out);
    for (const struct command *const *command = commands; *command != NULL; command++) {
        fputs(".TP\n.B ", out);
        man_text(out, (*command)->name);
        fputc('\n', out);
        man_text(out, (*command)->summary);
        fprintf(out, ".\nSee\n.BR muster\\-%s (1).\n", (*command)->name);
    }
    fputs(".SH OPTIONS\n", out);
    for (const struct option *row = cli_options.rows; row->name != NULL; row++)
        man_option(out, row);
    fputs(".PP\n", out);
    man_text(out, help_units);
    fputc('\n', out);
    man_examples(out, help_examples);
    man_exits(out, command_exits);
    man_environment(out);
    man_see_also(out);
}

void
help_man(FILE *out, const struct command *command)
{
    if (command == NULL) {
        man_program(out);
        return;
    }
    fputs(".TH MUSTER\\-", out);
    for (const char *c = command->name; *c != '\0'; c++)
        fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, out);
    fprintf(out, " 1 \"\" \"muster " MUSTER_VERSION "\" \"User Commands\"\n"
                 ".SH NAME\nmuster\\-%s \\- ", command->name);
    man_text(out, command->summary);
    fprintf(out, "\n.SH SYNOPSIS\n.B muster %s\n", command->name);
    man_text(out, command->usage);
    fputs("\n.SH DESCRIPTION\n", out);
    man_text(out, command->text);
    fputs("\n.SH OPTIONS\n", out);
    for (const struct option_group *const *group = command->groups; *group != NULL; group++) {
        fprintf(out, ".SS %s\n", (*group)->title);
        for (const struct option *row = (*group)->rows; row->name != NULL; row++)
            man_option(out, row);
    }
    man_examples(out, command->examples);
    man_exits(out, command->exits);
    man_environment(out);
    man_see_also(out);
}
