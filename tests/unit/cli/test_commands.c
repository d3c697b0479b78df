/* test_commands.c - every command teaches, and what it says is whole
 *
 * Method: walk the tables; a command added later is checked without a new test.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "help.h"
#include "stories.h"

static char *
rendered(void (*print)(FILE *out, const struct command *command), const struct command *command)
{
    char   *text = NULL;
    size_t  bytes = 0;
    FILE   *out = open_memstream(&text, &bytes);

    print(out, command);
    fclose(out);
    return text;
}

static void
test_help(void **state)
{
    (void)state;
    for (const struct command *const *at = commands; *at != NULL; at++) {
        char *text = rendered(help_command, *at);

        for (const struct option_group *const *group = (*at)->groups; *group != NULL; group++)
            for (const struct option *row = (*group)->rows; row->name != NULL; row++) {
                char name[64];

                snprintf(name, sizeof(name), "--%s", row->name);
                assert_non_null(strstr(text, name));
                assert_true(strlen(row->help) > 3);
                assert_int_equal(row->value != NULL, option_takes_value(row));
            }
        assert_non_null(strstr(text, "\nExamples:\n"));
        assert_non_null(strstr(text, "\nExit status:\n"));
        for (const char *line = text; *line != '\0';) {
            size_t bytes = strcspn(line, "\n");

            assert_in_range(bytes, 0, 110);
            assert_true(bytes == 0 || line[bytes - 1] != ' ');
            line += bytes + (line[bytes] == '\n');
        }
        free(text);
    }
}

static void
test_man(void **state)
{
    static const char *const sections[] = { ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n",
                                            ".SH OPTIONS\n", ".SH EXAMPLES\n",
                                            ".SH EXIT STATUS\n", ".SH SEE ALSO\n" };

    (void)state;
    for (const struct command *const *at = commands; *at != NULL; at++) {
        char *text = rendered(help_man, *at);

        for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
            assert_non_null(strstr(text, sections[i]));
        free(text);
    }
}

static void
test_letters_are_unique(void **state)
{
    (void)state;
    for (const struct command *const *at = commands; *at != NULL; at++) {
        bool seen[256] = { false };

        for (const struct option_group *const *group = (*at)->groups; *group != NULL; group++)
            for (const struct option *row = (*group)->rows; row->name != NULL; row++) {
                assert_false(row->letter != 0 && seen[(unsigned char)row->letter]);
                seen[(unsigned char)row->letter] = true;
            }
    }
}

static void
test_finding(void **state)
{
    (void)state;
    assert_ptr_equal(command_find("run"), &command_run);
    assert_ptr_equal(command_find("cat"), &command_output);
    assert_null(command_find("rnu"));
    assert_string_equal(command_nearest("rnu"), "run");
    assert_string_equal(command_nearest("submti"), "submit");
    assert_null(command_nearest("completely-else"));
}

/* Names of shared objects, as <muster/object.h> has them. */
static const struct {
    const char *name;
    bool        good;
} names[] = {
    { "mail", true },       { "A-z.0_9", true }, { "_x", true },       { "7", true },
    { "", false },          { ".hidden", false }, { "-x", false },     { "two words", false },
    { "a/b", false },       { "t\303\244st", false }, { "a\n", false },
    { "1234567890123456789012345678901234567890123456789012345678901234", true },
    { "12345678901234567890123456789012345678901234567890123456789012345", false },
};

static void
test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (command_names(&command_queue, names[i].name) != names[i].good)
            fail_msg("'%s' is %s", names[i].name, names[i].good ? "refused" : "taken");
}

static void
test_objects_found(void **state)
{
    (void)state;
    assert_ptr_equal(command_find("queues"), &command_queues);
    assert_ptr_equal(command_find("barrier"), &command_barrier);
    assert_string_equal(command_nearest("quueu"), "queue");
    assert_string_equal(command_nearest("lok"), "lock");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        { "every --help has its options, examples and exit status", test_help, NULL, NULL, NULL },
        { "every manual page has its sections", test_man, NULL, NULL, NULL },
        { "no letter means two things", test_letters_are_unique, NULL, NULL, NULL },
        { "commands by name, alias and typo", test_finding, NULL, NULL, NULL },
        { "names of shared objects", test_names, NULL, NULL, NULL },
        { "commands on shared objects by name and typo", test_objects_found, NULL, NULL, NULL },
    };

    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
