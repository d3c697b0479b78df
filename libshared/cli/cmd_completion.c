/* cmd_completion.c - muster completion bash|zsh|fish: from the same tables as --help */
#include <string.h>

#include "commands.h"

static const struct example completion_examples[] = {
    { "bash, for this shell", "source <(muster completion bash)" },
    { "bash, for good",
      "muster completion bash > ~/.local/share/bash-completion/completions/muster" },
    { "zsh (the folder must be in $fpath)", "muster completion zsh > ~/.zfunc/_muster" },
    { "fish", "muster completion fish > ~/.config/fish/completions/muster.fish" },
    EXAMPLES_END,
};

#define NAMES_OF(words) "$(timeout 1 muster " words " -q 2>/dev/null)"

/* Words behind the command itself, and a shell's words for the names behind those (or
 * at once, where there are no words).  Behind `--` comes a command of the machine. */
static const struct {
    const char *command;
    const char *words;
    const char *names;
} completion_words[] = {
    { "key", "init add list revoke", "" },
    { "completion", "bash zsh fish", "" },
    { "wait", "last all", "" }, { "job", "last", "" }, { "tasks", "last", "" },
    { "output", "last", "" }, { "cancel", "last all", "" }, { "retry", "last", "" },
    { "why", "last", "" },
    { "queue", "put get work size join shutdown list delete", NAMES_OF("queues") },
    { "queues", "", NAMES_OF("queues") },
    { "lock", "", NAMES_OF("object list lock") " " NAMES_OF("object list semaphore") },
    { "event", "set clear wait is-set", NAMES_OF("object list event") },
    { "barrier", "wait reset abort show", NAMES_OF("object list barrier") },
    { "dict", "get set delete contains cas keys items len watch", NAMES_OF("object list dict") },
    { "object", "list delete",
      "queue lock rlock semaphore event condition barrier value array list dict namespace pipe "
      "listener service " NAMES_OF("object list") },
    { "call", "", NAMES_OF("functions") }, { "map", "", NAMES_OF("functions") },
};

static const char *
completion_words_of(const struct command *command)
{
    for (size_t i = 0; i < sizeof(completion_words) / sizeof(completion_words[0]); i++)
        if (strcmp(completion_words[i].command, command->name) == 0)
            return completion_words[i].words;
    return "";
}

static const char *
completion_names_of(const struct command *command)
{
    for (size_t i = 0; i < sizeof(completion_words) / sizeof(completion_words[0]); i++)
        if (strcmp(completion_words[i].command, command->name) == 0)
            return completion_words[i].names;
    return "";
}

static void
completion_names(const char *before)
{
    for (const struct command *const *command = commands; *command != NULL; command++) {
        printf("%s%s", before, (*command)->name);
        if ((*command)->alias != NULL)
            printf("%s%s", before, (*command)->alias);
    }
}

static void
completion_bash_options(const struct command *command, bool values)
{
    for (const struct option_group *const *group = command->groups; *group != NULL; group++)
        for (const struct option *row = (*group)->rows; row->name != NULL; row++)
            if (!values || option_takes_value(row))
                printf(" --%s", row->name);
}

/* Options whose value is a file or folder, as a pattern of case. */
static void
completion_bash_files(enum option_names names, const char *action)
{
    const char *bar = "";

    printf("        ");
    for (const struct command *const *command = commands; *command != NULL; command++)
        for (const struct option_group *const *group = (*command)->groups; *group != NULL; group++)
            for (const struct option *row = (*group)->rows; row->name != NULL; row++)
                if (row->names == names) {
                    printf("%s--%s", bar, row->name);
                    bar = "|";
                }
    printf(") %s; return ;;\n", action);
}

static void
completion_bash_operands(const struct command *command)
{
    const char *words = completion_words_of(command), *names = completion_names_of(command);

    if (words[0] != '\0' && names[0] != '\0')
        printf("            if ((COMP_CWORD == i + 1)); then\n"
               "                COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n"
               "            else\n"
               "                COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n"
               "            fi\n", words, names);
    else
        printf("            COMPREPLY=($(compgen -W \"%s%s\" -- \"$cur\"))\n", words, names);
}

static void
completion_bash(void)
{
    printf("# bash completion for muster; made by `muster completion bash`\n"
           "_muster() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local i command= commands=\"");
    completion_names(" ");
    printf("\"\n"
           "    COMPREPLY=()\n"
           "    case $prev in\n");
    completion_bash_files(NAMES_FILE, "COMPREPLY=($(compgen -f -- \"$cur\"))");
    completion_bash_files(NAMES_FOLDER, "COMPREPLY=($(compgen -d -- \"$cur\"))");
    printf("    esac\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "        --connect|--authkey-file) ((i++)) ;;\n"
           "        -*) ;;\n"
           "        *) command=${COMP_WORDS[i]}; break ;;\n"
           "        esac\n"
           "    done\n"
           "    if [[ \" ${COMP_WORDS[*]:0:COMP_CWORD} \" == *' -- '* ]]; then\n"
           "        COMPREPLY=($(compgen -c -f -- \"$cur\"))\n"
           "        return\n"
           "    fi\n"
           "    case $command in\n"
           "    '') COMPREPLY=($(compgen -W \"$commands");
    completion_bash_options(&command_help, false);
    printf("\" -- \"$cur\")) ;;\n");
    for (const struct command *const *command = commands; *command != NULL; command++) {
        printf("    %s%s%s)\n", (*command)->name, (*command)->alias != NULL ? "|" : "",
               (*command)->alias != NULL ? (*command)->alias : "");
        printf("        if [[ $cur == -* ]]; then\n            COMPREPLY=($(compgen -W \"");
        completion_bash_options(*command, false);
        printf("\" -- \"$cur\"))\n        else\n");
        if ((*command)->stop_at_operand)
            printf("            COMPREPLY=($(compgen -c -f -- \"$cur\"))\n");
        else if (*command == &command_help)
            printf("            COMPREPLY=($(compgen -W \"$commands\" -- \"$cur\"))\n");
        else
            completion_bash_operands(*command);
        printf("        fi ;;\n");
    }
    printf("    esac\n}\ncomplete -o filenames -o bashdefault -F _muster muster\n");
}

/* Single quotes and colons end a description in zsh and fish. */
static void
completion_text(const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(escaped, *text) != NULL)
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void
completion_zsh_option(const struct option *row)
{
    static const char *const actions[] = { [NAMES_NOTHING] = "", [NAMES_FILE] = "_files",
                                           [NAMES_FOLDER] = "_files -/" };

    printf(" \\\n            '*--%s[", row->name);
    completion_text(row->help, "[]:");
    printf("]");
    if (option_takes_value(row)) {
        printf(":");
        completion_text(row->value, "[]:");
        printf(":%s", actions[row->names]);
    }
    printf("'");
}

/* What follows the options of a command. */
static void
completion_zsh_operands(const struct command *command)
{
    const char *words = completion_words_of(command), *names = completion_names_of(command);

    if (command->stop_at_operand) {
        printf(" \\\n            '*::command:_muster_task'");
        return;
    }
    if (command == &command_help)
        printf(" \\\n            '1:command:_muster_commands'");
    if (words[0] != '\0')
        printf(" \\\n            '%s:argument:(%s)'", names[0] != '\0' ? "1" : "*", words);
    if (names[0] != '\0')
        printf(" \\\n            '*:name:{compadd -- %s}'", names);
}

static void
completion_zsh_options(const struct option_group *const *groups)
{
    for (const struct option_group *const *group = groups; *group != NULL; group++)
        for (const struct option *row = (*group)->rows; row->name != NULL; row++)
            completion_zsh_option(row);
}

static void
completion_zsh(void)
{
    printf("#compdef muster\n# made by `muster completion zsh`\n"
           "_muster_commands() {\n"
           "    local -a commands=(");
    for (const struct command *const *command = commands; *command != NULL; command++) {
        printf("\n        '%s:", (*command)->name);
        completion_text((*command)->summary, ":");
        printf("'");
    }
    printf("\n    )\n    _describe command commands\n}\n"
           "_muster_task() {\n"
           "    [[ $words[1] == -- ]] && shift words && ((CURRENT--))\n"
           "    _normal\n}\n"
           "_muster() {\n"
           "    local context state line\n"
           "    local -i dashes=${words[(i)--]}\n"
           "    if ((dashes < CURRENT)); then\n"
           "        shift dashes words\n"
           "        ((CURRENT -= dashes))\n"
           "        _normal\n"
           "        return\n"
           "    fi\n"
           "    _arguments -C");
    completion_zsh_options(command_no_options);
    printf(" \\\n            '1:command:_muster_commands' '*::argument:->argument'\n"
           "    case $state in\n"
           "    argument)\n        case $line[1] in\n");
    for (const struct command *const *command = commands; *command != NULL; command++) {
        printf("        %s) _arguments", (*command)->name);
        completion_zsh_options((*command)->groups);
        completion_zsh_operands(*command);
        printf(" ;;\n");
    }
    printf("        esac ;;\n    esac\n}\n_muster \"$@\"\n");
}

/* Of the line so far: the command, and how many operands it has.  Values of options that
 * stand apart are none. */
static const char completion_fish_line[] =
    "function __muster_line\n"
    "    set -l words (commandline -opc)\n"
    "    set -e words[1]\n"
    "    set -l operands\n"
    "    set -l skip 0\n"
    "    for word in $words\n"
    "        if test $skip = 1\n"
    "            set skip 0\n"
    "        else if test \"$word\" = --\n"
    "            echo \"$operands[1]\" command\n"
    "            return\n"
    "        else if contains -- $word $__muster_valued\n"
    "            set skip 1\n"
    "        else if not string match -q -- '-*' $word\n"
    "            set -a operands $word\n"
    "        end\n"
    "    end\n"
    "    echo \"$operands[1]\" (math (count $operands) - 1)\n"
    "end\n"
    "function __muster_in\n"
    "    set -l line (__muster_line | string split ' ')\n"
    "    test \"$line[1]\" = $argv[1]; and test \"$line[2]\" != command\n"
    "    and begin\n"
    "        test (count $argv) = 1; or test \"$line[2]\" $argv[2] $argv[3]\n"
    "    end\n"
    "end\n"
    "function __muster_command_follows\n"
    "    string match -q -- '* command' (__muster_line)\n"
    "end\n"
    "complete -c muster -n __muster_command_follows -a '(__fish_complete_command)'\n";

/* Each option whose value is a word of its own, once for each command: fish minds no repeats. */
static void
completion_fish_valued(void)
{
    printf("set -g __muster_valued");
    for (const struct command *const *command = commands; *command != NULL; command++)
        for (const struct option_group *const *group = (*command)->groups; *group != NULL; group++)
            for (const struct option *row = (*group)->rows; row->name != NULL; row++)
                if (option_takes_value(row) &&
                    (*group != &cli_options || *command == &command_help)) {
                    printf(" --%s", row->name);
                    if (row->letter != 0)
                        printf(" -%c", row->letter);
                }
    printf("\n");
}

/* fish has no dollar before its substitution, and runs it when it is asked. */
static void
completion_fish_names(const struct command *command, bool behind_words)
{
    const char *names = completion_names_of(command);

    if (names[0] == '\0')
        return;
    printf("complete -c muster -n '__muster_in %s%s' -f -a '", command->name,
           behind_words ? " -gt 0" : "");
    for (; *names != '\0'; names++)
        if (*names != '$')
            putchar(*names);
    printf("'\n");
}

static void
completion_fish_operands(const struct command *command)
{
    const char *words = completion_words_of(command);
    bool        names = completion_names_of(command)[0] != '\0';

    if (command->stop_at_operand)
        printf("complete -c muster -n '__muster_in %s' -a '(__fish_complete_command)'\n",
               command->name);
    if (words[0] != '\0')
        printf("complete -c muster -n '__muster_in %s%s' -f -a '%s'\n", command->name,
               names ? " -eq 0" : "", words);
    completion_fish_names(command, words[0] != '\0');
    if (command == &command_help) {
        printf("complete -c muster -n '__muster_in help -eq 0' -f -a '");
        completion_names(" ");
        printf("'\n");
    }
}

/* `command`: its name, or "" in quotes before there is one. */
static void
completion_fish_options(const char *command, const struct option_group *const *groups)
{
    for (const struct option_group *const *group = groups; *group != NULL; group++)
        for (const struct option *row = (*group)->rows; row->name != NULL; row++) {
            printf("complete -c muster -n '__muster_in %s' -l %s", command, row->name);
            if (row->letter != 0)
                printf(" -s %c", row->letter);
            if (option_takes_value(row))
                printf(" %s", row->names == NAMES_NOTHING ? "-x" : "-r");
            printf(" -d '");
            completion_text(row->help, "");
            printf("'\n");
        }
}

static void
completion_fish(void)
{
    printf("# made by `muster completion fish`\n");
    completion_fish_valued();
    fputs(completion_fish_line, stdout);
    completion_fish_options("\"\"", command_no_options);
    for (const struct command *const *command = commands; *command != NULL; command++) {
        printf("complete -c muster -n '__muster_in \"\"' -f -a %s -d '", (*command)->name);
        completion_text((*command)->summary, "");
        printf("'\n");
        completion_fish_operands(*command);
        completion_fish_options((*command)->name, (*command)->groups);
    }
}

static const struct {
    const char *shell;
    void      (*print)(void);
} completion_shells[] = {
    { "bash", completion_bash },
    { "zsh", completion_zsh },
    { "fish", completion_fish },
};

static int
completion_run(struct cli *cli, void *settings, struct operands *operands)
{
    (void)cli;
    (void)settings;
    if (!command_operands(&command_completion, operands, 1, 1))
        return EXIT_USAGE;
    for (size_t i = 0; i < sizeof(completion_shells) / sizeof(completion_shells[0]); i++)
        if (strcmp(operands->items[0], completion_shells[i].shell) == 0) {
            completion_shells[i].print();
            return EXIT_DONE;
        }
    return cli_usage("completion", "no completion for '%s'; there is bash, zsh and fish",
                     operands->items[0]);
}

const struct command command_completion = {
    .name = "completion",
    .usage = "bash|zsh|fish",
    .summary = "print the completion of a shell",
    .text =
        "Prints a script for the shell, made from the tables that --help is made from. An "
        "installation puts it into the usual places.",
    .groups = command_no_options,
    .examples = completion_examples,
    .exits = command_exits_plain,
    .run = completion_run,
};
