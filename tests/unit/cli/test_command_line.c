/* test_command_line.c - commands as lines for a shell */
#include "command_line.h"
#include "stories.h"

enum { ARGS_MAX = 6 };

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
    return STORIES("command lines", line_stories, test_line);
}
