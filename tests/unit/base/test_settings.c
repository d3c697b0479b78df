/* test_settings.c - options and environment of a program, as its table says */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "stories.h"

enum { ARGS_MAX = 8, ENV_MAX = 3 };

struct values {
    bool                flag;
    const char         *text;
    uint32_t            number, duration_ms, choice;
    uint64_t            bytes;
    int                 fd;
    struct setting_list list;
};

static const char *const colours[] = { "red", "green", NULL };

#define AT(field) offsetof(struct values, field)

static const struct setting table[] = {
    { "flag", NULL, SETTING_FLAG, AT(flag), "a flag", NULL },
    { "the-text", "TEXT", SETTING_TEXT, AT(text), "a text\nof two lines", NULL },
    { "number", "N", SETTING_U32, AT(number), "a number", NULL },
    { "bytes", "SIZE", SETTING_SIZE, AT(bytes), "a size", NULL },
    { "duration", "TIME", SETTING_DURATION, AT(duration_ms), "a duration", NULL },
    { "fd", "FD", SETTING_FD, AT(fd), "a descriptor", NULL },
    { "colour", "red|green", SETTING_CHOICE, AT(choice), "a choice", colours },
    { "list", "TEXT", SETTING_LIST, AT(list), "a list", NULL },
    { NULL, NULL, SETTING_FLAG, 0, NULL, NULL },
};

struct story {
    const char *story;
    const char *env[ENV_MAX];         /* NAME=VALUE, without the prefix */
    const char *args[ARGS_MAX];
    const char *expected;             /* what differs from nothing, or the error's text */
};

static const struct story stories[] = {
    { "nothing", { NULL }, { NULL }, "" },
    { "a flag", { NULL }, { "--flag" }, " flag" },
    { "a flag said to be on", { NULL }, { "--flag=1" }, " flag" },
    { "a flag taken back", { NULL }, { "--flag", "--flag=0" }, "" },
    { "a flag takes no word behind it", { NULL }, { "--flag", "1" },
      "unknown option 1; --help lists all" },
    { "a flag that is neither", { NULL }, { "--flag=yes" }, "--flag=yes: 'yes' is not 1 or 0" },
    { "a value behind the option", { NULL }, { "--the-text", "a b" }, " text=a b" },
    { "a value in the option", { NULL }, { "--the-text=a=b" }, " text=a=b" },
    { "an empty value", { NULL }, { "--the-text=" }, " text=" },
    { "a value that looks like an option", { NULL }, { "--the-text", "--flag" }, " text=--flag" },
    { "no value", { NULL }, { "--the-text" }, "--the-text needs a value: TEXT" },
    { "the last one wins", { NULL }, { "--number", "1", "--number=2" }, " number=2" },
    { "the largest number", { NULL }, { "--number=4294967295" }, " number=4294967295" },
    { "too large a number", { NULL }, { "--number=4294967296" },
      "--number=4294967296: '4294967296' is not a whole number" },
    { "a size", { NULL }, { "--bytes", "4M" }, " bytes=4194304" },
    { "no size", { NULL }, { "--bytes", "much" },
      "--bytes: 'much' is not a size such as 512M or 4G" },
    { "a duration", { NULL }, { "--duration", "1.5s" }, " duration=1500" },
    { "too long a duration", { NULL }, { "--duration", "2000h" },
      "--duration: '2000h' is not a duration such as 30s, 5m or 2h" },
    { "an open descriptor", { NULL }, { "--fd", "2" }, " fd=2" },
    { "one that is not open", { NULL }, { "--fd", "987" },
      "--fd: '987' is not the number of an open descriptor" },
    { "a choice", { NULL }, { "--colour", "green" }, " colour=1" },
    { "none of the choices", { NULL }, { "--colour", "gre" },
      "--colour: 'gre' is not one of those that --help names" },
    { "a list", { NULL }, { "--list", "a", "--list=b,c" }, " list:a list:b,c" },
    { "an unknown option", { NULL }, { "--nope=1" }, "unknown option --nope=1; --help lists all" },
    { "the beginning of an option", { NULL }, { "--num=1" },
      "unknown option --num=1; --help lists all" },
    { "a single dash", { NULL }, { "-flag" }, "unknown option -flag; --help lists all" },
    { "no option at all", { NULL }, { "word" }, "unknown option word; --help lists all" },

    { "from the environment", { "THE_TEXT=x", "FLAG=1", "NUMBER=7" }, { NULL },
      " flag text=x number=7" },
    { "a flag off in the environment", { "FLAG=0" }, { NULL }, "" },
    { "options win over the environment", { "NUMBER=7", "FLAG=1" }, { "--number=8", "--flag=0" },
      " number=8" },
    { "a bad value in the environment", { "NUMBER=x" }, { NULL },
      "TRY_NUMBER: 'x' is not a whole number" },
    { "an empty flag in the environment", { "FLAG=" }, { NULL }, "TRY_FLAG: '' is not 1 or 0" },
    { "a list in the environment", { "LIST=a,b=c,d e" }, { NULL }, " list:a list:b=c list:d e" },
    { "empty items are nobody's wish", { "LIST=,a,,b," }, { NULL }, " list:a list:b" },
    { "an empty list", { "LIST=" }, { NULL }, "" },
    { "a list from both", { "LIST=a" }, { "--list", "b" }, " list:a list:b" },
};

static void
describe(struct buffer *out, const struct values *values)
{
    if (values->flag)
        buffer_append_text(out, " flag");
    if (values->text != NULL)
        buffer_printf(out, " text=%s", values->text);
    if (values->number != 0)
        buffer_printf(out, " number=%u", values->number);
    if (values->bytes != 0)
        buffer_printf(out, " bytes=%llu", (unsigned long long)values->bytes);
    if (values->duration_ms != 0)
        buffer_printf(out, " duration=%u", values->duration_ms);
    if (values->fd >= 0)
        buffer_printf(out, " fd=%d", values->fd);
    if (values->choice != 0)
        buffer_printf(out, " colour=%u", values->choice);
    for (uint32_t i = 0; i < values->list.count; i++)
        buffer_printf(out, " list:%s", values->list.items[i]);
}

static void
environment_set(const struct story *story, bool on)
{
    for (int i = 0; i < ENV_MAX && story->env[i] != NULL; i++) {
        char  name[64];
        char *value;

        snprintf(name, sizeof(name), "TRY_%s", story->env[i]);
        value = strchr(name, '=');
        *value++ = '\0';
        if (on)
            setenv(name, value, 1);
        else
            unsetenv(name);
    }
}

static void
test_story(void **state)
{
    const struct story *story = *state;
    struct values       values = { .fd = -1 };
    struct muster_error error = { 0 };
    struct buffer       got = { 0 };
    char               *argv[ARGS_MAX + 2] = { (char[]){ "program" } };
    int                 argc = 1;
    muster_err          err;

    for (int i = 0; i < ARGS_MAX && story->args[i] != NULL; i++)
        argv[argc++] = (char *)(uintptr_t)story->args[i];
    environment_set(story, true);
    err = settings_read(table, "TRY", argc, argv, &values, &error);
    environment_set(story, false);
    assert_true(err == MUSTER_OK || err == MUSTER_ERR_INVALID);
    if (err)
        buffer_append_text(&got, error.detail);
    else
        describe(&got, &values);
    assert_string_equal(buffer_text(&got), story->expected);
    setting_list_free(&values.list);
    buffer_free(&got);
}

static void
test_help(void **state)
{
    char  *text = NULL;
    size_t bytes = 0;
    FILE  *out = open_memstream(&text, &bytes);

    (void)state;
    settings_help(out, table, "TRY");
    fclose(out);
    assert_non_null(strstr(text, "  --flag                      a flag\n"
                                 "                              [TRY_FLAG]\n"));
    assert_non_null(strstr(text, "  --the-text TEXT             a text\n"
                                 "                              of two lines\n"
                                 "                              [TRY_THE_TEXT]\n"));
    free(text);
}

static void
test_asked(void **state)
{
    char *argv[] = { (char[]){ "--help" }, (char[]){ "--flag" }, (char[]){ "--version" }, NULL };

    (void)state;
    assert_true(settings_asked(3, argv, "--version"));
    assert_false(settings_asked(2, argv, "--version"));
    assert_false(settings_asked(3, argv, "--help"));      /* the program's name is no option */
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_help), cmocka_unit_test(test_asked) };

    return STORIES("settings", stories, test_story) + cmocka_run_group_tests(tests, NULL, NULL);
}
