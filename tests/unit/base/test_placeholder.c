/* test_placeholder.c - {} and its kin */
#include "placeholder.h"
#include "stories.h"

enum { ARGS_MAX = 6 };

struct expand_story {
    const char *story;
    const char *text;
    const char *input;
    const char *expected;
};

static const struct expand_story expand_stories[] = {
    { "the input",                     "{}",          "/a/b.c.gz", "/a/b.c.gz" },
    { "without its extension",         "{.}",         "/a/b.c.gz", "/a/b.c" },
    { "its last part",                 "{/}",         "/a/b.c.gz", "b.c.gz" },
    { "its folder",                    "{//}",        "/a/b.c.gz", "/a" },
    { "the number",                    "{#}",         "/a/b.c.gz", "42" },
    { "several within a word",         "{.}-{#}{}",   "x.y",       "x-42x.y" },
    { "no folder is .",                "{//}",        "b.c",       "." },
    { "the folder of the root",        "{//}",        "/b.c",      "/" },
    { "a dot in a folder is none",     "{.}",         "a.d/b",     "a.d/b" },
    { "all of it may be extension",    "{.}",         "a/.b",      "a/" },
    { "many slashes",                  "{//}",        "a//b",      "a" },
    { "an empty input",                "<{}{.}{/}>",  "",          "<>" },
    { "what is none stays",            "{a} { } {} {", "x",        "{a} { } x {" },
    { "the input is not expanded",     "{}",          "{#}",       "{#}" },
};

static void
test_expand(void **state)
{
    const struct expand_story *story = *state;
    struct buffer              got = { 0 };

    placeholder_expand(&got, slice_text(story->text), slice_text(story->input), 42, SIZE_MAX);
    assert_string_equal(buffer_text(&got), story->expected);
    buffer_free(&got);
}

struct find_story {
    const char *story;
    const char *args[ARGS_MAX];
    bool        expected;
};

static const struct find_story find_stories[] = {
    { "none", { "ls", "-l" }, false },
    { "a word of its own", { "ls", "{}" }, true },
    { "within a word", { "ls", "--file={/}" }, true },
    { "the number", { "seq", "{#}" }, true },
    { "in the command", { "{}" }, true },
    { "other braces", { "awk", "{ print }", "{a}" }, false },
};

static void
test_find(void **state)
{
    const struct find_story *story = *state;

    assert_int_equal(placeholder_in(story->args), story->expected);
}

/* An input that is repeated often makes no text beyond all bounds. */
static void
test_bound(void **state)
{
    struct buffer got = { 0 };

    (void)state;
    placeholder_expand(&got, slice_text("{}{}{}{}"), slice_text("abc"), 1, 5);
    assert_string_equal(buffer_text(&got), "abcabc");
    buffer_free(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_bound) };

    return STORIES("placeholders", expand_stories, test_expand) +
           STORIES("finding them", find_stories, test_find) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
