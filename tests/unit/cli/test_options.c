/* test_options.c - what people type before and behind a command */
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "options.h"
#include "stories.h"

enum { ARGS_MAX = 10 };

struct settings {
    bool             flag, other, plain;
    const char      *text;
    struct text_list list;
    uint32_t         count, milli;
    int32_t          integer;
    uint64_t         duration, size;
};

struct globals {
    bool quiet;
};

#define AT(field) offsetof(struct settings, field)

static const struct option rows[] = {
    { 'f', "flag", NULL, OPTION_FLAG, AT(flag), 0, "", NAMES_NOTHING },
    { 'o', "other", NULL, OPTION_FLAG, AT(other), 0, "", NAMES_NOTHING },
    { 0, "no-plain", NULL, OPTION_FLAG_OFF, AT(plain), 0, "", NAMES_NOTHING },
    { 't', "text", "T", OPTION_TEXT, AT(text), 0, "", NAMES_NOTHING },
    { 0, "list", "T", OPTION_LIST, AT(list), 0, "", NAMES_NOTHING },
    { 'j', "count", "N", OPTION_COUNT, AT(count), 100, "", NAMES_NOTHING },
    { 0, "milli", "N", OPTION_MILLI, AT(milli), 4000, "", NAMES_NOTHING },
    { 0, "integer", "N", OPTION_INTEGER, AT(integer), 1000, "", NAMES_NOTHING },
    { 0, "duration", "TIME", OPTION_DURATION, AT(duration), 0, "", NAMES_NOTHING },
    { 0, "size", "SIZE", OPTION_SIZE, AT(size), 0, "", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};
static const struct option global_rows[] = {
    { 'q', "quiet", NULL, OPTION_FLAG, offsetof(struct globals, quiet), 0, "", NAMES_NOTHING },
    { 0, NULL, NULL, OPTION_FLAG, 0, 0, NULL, NAMES_NOTHING },
};
static const struct option_group group = { "Own", rows, false };
static const struct option_group global_group = { "Global", global_rows, true };
static const struct option_group *const groups[] = { &group, &global_group, NULL };

struct story {
    const char *story;
    const char *args[ARGS_MAX];
    bool        stop_at_operand;
    const char *expected;     /* settings and operands as text, or the error */
};

static const struct story stories[] = {
    { "nothing", { NULL }, false, "" },
    { "a flag", { "--flag" }, false, "flag" },
    { "letters together", { "-fo" }, false, "flag other" },
    { "a flag that switches off", { "--no-plain" }, false, "noplain" },
    { "a value behind a blank", { "--text", "a" }, false, "text=a" },
    { "a value behind =", { "--text=a=b" }, false, "text=a=b" },
    { "an empty value", { "--text=" }, false, "text=" },
    { "a letter with its value", { "-j4" }, false, "count=4" },
    { "a letter with its value behind a blank", { "-j", "4" }, false, "count=4" },
    { "a flag, then a letter with a value", { "-fj4" }, false, "flag count=4" },
    { "a value that looks like an option", { "--text", "--flag" }, false, "text=--flag" },
    { "a negative number", { "--integer", "-5" }, false, "integer=-5" },
    { "the later one counts", { "-j4", "-j5" }, false, "count=5" },
    { "repeated", { "--list", "a", "--list=b" }, false, "list=a list=b" },
    { "a duration", { "--duration", "1.5s" }, false, "duration=1500" },
    { "a size", { "--size", "2K" }, false, "size=2048" },
    { "half a processor", { "--milli", "0.5" }, false, "milli=500" },
    { "a global option among them", { "-f", "-q" }, false, "flag quiet" },
    { "operands anywhere", { "a", "-f", "b" }, false, "flag [a] [b]" },
    { "- is an operand", { "-", "-f" }, false, "flag [-]" },
    { "behind -- all are operands", { "-f", "--", "-o", "--" }, false, "flag [-o] [--]" },
    { "the first operand ends the options", { "-f", "ls", "-o", "--", "-q" }, true,
      "flag [ls] [-o] [--] [-q]" },
    { "-- before the first operand is not one", { "-f", "--", "ls", "-o" }, true,
      "flag [ls] [-o]" },
    { "an unknown option", { "--nothing-like-it" }, false,
      "there is no option --nothing-like-it" },
    { "a typo", { "--flga=1" }, false, "there is no option --flga; did you mean --flag?" },
    { "an unknown letter", { "-fx" }, false, "there is no option -x" },
    { "a flag with a value", { "--flag=yes" }, false, "--flag takes no value" },
    { "a value is missing", { "--text" }, false, "--text needs a value: --text T" },
    { "-- is no value", { "--text", "--", "a" }, false, "--text needs a value: --text T" },
    { "but it is when attached", { "--text=--" }, false, "text=--" },
    { "no number", { "-jx" }, false,
      "--count expects a whole number (at most 100), not 'x'" },
    { "too large", { "-j101" }, false,
      "--count expects a whole number (at most 100), not '101'" },
    { "too many processors", { "--milli", "4.5" }, false,
      "--milli expects a number such as 2 or 0.5 (at most 4), not '4.5'" },
    { "no duration", { "--duration", "soon" }, false,
      "--duration expects a duration such as 90, 1.5s, 200ms, 5m or 2h, not 'soon'" },
    { "no size", { "--size=-1" }, false,
      "--size expects a size such as 512K, 64M or 1.5G, not '-1'" },
};

static void
put(struct buffer *out, const char *format, const char *value)
{
    if (out->bytes > 0)
        buffer_append_text(out, " ");
    buffer_printf(out, "%s%s", format, value);
}

static void
put_number(struct buffer *out, const char *name, long long value)
{
    char text[32];

    if (value == 0)
        return;
    snprintf(text, sizeof(text), "%lld", value);
    put(out, name, text);
}

static void
describe(struct buffer *out, const struct settings *settings, const struct globals *globals,
         const struct operands *operands)
{
    if (settings->flag)
        put(out, "flag", "");
    if (settings->other)
        put(out, "other", "");
    if (!settings->plain)
        put(out, "noplain", "");
    if (settings->text != NULL)
        put(out, "text=", settings->text);
    for (uint32_t i = 0; i < settings->list.count; i++)
        put(out, "list=", settings->list.items[i]);
    put_number(out, "count=", settings->count);
    put_number(out, "milli=", settings->milli);
    put_number(out, "integer=", settings->integer);
    put_number(out, "duration=", (long long)settings->duration);
    put_number(out, "size=", (long long)settings->size);
    if (globals->quiet)
        put(out, "quiet", "");
    for (int i = 0; i < operands->count; i++) {
        put(out, "[", operands->items[i]);
        buffer_append_text(out, "]");
    }
}

static void
test_story(void **state)
{
    const struct story  *story = *state;
    struct settings      settings = { .plain = true };
    struct globals       globals = { 0 };
    struct options_parse parse = { groups, &settings, &globals, story->stop_at_operand };
    struct operands      operands = { 0 };
    struct muster_error  error = { 0 };
    struct buffer        got = { 0 };
    int                  argc = 0;

    while (argc < ARGS_MAX && story->args[argc] != NULL)
        argc++;
    if (options_parse(&parse, argc, (char **)(uintptr_t)story->args, &operands, &error)) {
        assert_int_equal(error.code, MUSTER_ERR_INVALID);
        buffer_append_text(&got, error.detail);
    } else {
        assert_null(operands.items[operands.count]);
        describe(&got, &settings, &globals, &operands);
    }
    assert_string_equal(buffer_text(&got), story->expected);
    buffer_free(&got);
    text_list_free(&settings.list);
    free(operands.items);
}

int
main(void)
{
    return STORIES("options", stories, test_story);
}
