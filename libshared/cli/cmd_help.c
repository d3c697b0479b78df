/* cmd_help.c - muster help [COMMAND] */
#include "commands.h"
#include "help.h"

struct help_settings {
    bool man;
};

static const struct option help_rows[] = {
    { 0, "man", NULL, OPTION_FLAG, offsetof(struct help_settings, man), 0,
      "as the source of a manual page (roff)", NAMES_NOTHING },
    OPTIONS_END,
};
static const struct option_group help_options = { "Options", help_rows, false };
static const struct option_group *const help_groups[] = { &help_options, &cli_options, NULL };

static const struct example help_examples[] = {
    { "what there is", "muster help" },
    { "one command", "muster help run" },
    { "its manual page without an installation", "muster help --man run | man -l -" },
    EXAMPLES_END,
};

static int
help_run(struct cli *cli, void *settings, struct operands *operands)
{
    const struct help_settings *wanted = settings;
    const struct command       *command = NULL;

    (void)cli;
    if (!command_operands(&command_help, operands, 0, 1))
        return EXIT_USAGE;
    if (operands->count == 1) {
        command = command_find(operands->items[0]);
        if (command == NULL)
            return cli_usage("help", "there is no command '%s'", operands->items[0]);
    }
    if (wanted->man)
        help_man(stdout, command);
    else if (command != NULL)
        help_command(stdout, command);
    else
        help_overview(stdout);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .usage = "[COMMAND] [--man]",
    .summary = "explain muster or one of its commands",
    .text =
        "The same as `muster COMMAND --help`.",
    .groups = help_groups,
    .examples = help_examples,
    .exits = command_exits_plain,
    .settings_bytes = sizeof(struct help_settings),
    .run = help_run,
};
