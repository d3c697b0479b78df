/* test_placeholder.c - {} and its kin, and commands as lines for a shell */
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

    placeholder_expand(&got, story->text, slice_text(story->input), 42);
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

struct line_story {
    const char *story;
    const char *args[ARGS_MAX];
    bool        replace;
    const char *input;
    const char *expected;
};

static const struct line_story line_stories[] = {
    { "plain words", { "ls", "-l", "/a.b" }, false, "", "ls -l /a.b" },
    { "blanks", { "echo", "a b" }, false, "", "echo 'a b'" },
    { "an empty word", { "echo", "" }, false, "", "echo ''" },
    { "a quote", { "echo", "it's" }, false, "", "echo 'it'\\''s'" },
    { "what a shell would expand", { "echo", "$x", "*", "~" }, false, "",
      "echo '$x' '*' '~'" },
    { "the input in its place", { "mv", "{}", "{.}.old" }, true, "a b.c",
      "mv 'a b.c' 'a b.old'" },
    { "an empty input in its place", { "ls", "{}" }, true, "", "ls ''" },
    { "no input", { "find", "{}" }, false, "", "find '{}'" },
};

static void
test_line(void **state)
{
    const struct line_story *story = *state;
    struct buffer            got = { 0 };

    command_line_put(&got, story->args, story->replace, slice_text(story->input), 1);
    assert_string_equal(buffer_text(&got), story->expected);
    buffer_free(&got);
}

int
main(void)
{
    return STORIES("placeholders", expand_stories, test_expand) +
           STORIES("finding them", find_stories, test_find) +
           STORIES("command lines", line_stories, test_line);
}
