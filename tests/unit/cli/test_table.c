/* test_table.c - columns that align, whatever is in them */
#include <stdio.h>
#include <string.h>

#include "stories.h"
#include "table.h"

enum { CELLS_MAX = 10 };

static const struct table_column columns[] = {
    { "NAME", TABLE_LEFT }, { "N", TABLE_RIGHT }, { "WHY", TABLE_LEFT },
};

struct table_story {
    const char *story;
    uint32_t    width_max;
    const char *cells[CELLS_MAX];
    const char *expected;
};

static const struct table_story table_stories[] = {
    { "no rows, no head", 0, { NULL }, "" },
    { "aligned", 0, { "a", "1", "x", "long one", "100", "yy" },
      "NAME        N  WHY\na           1  x\nlong one  100  yy\n" },
    { "letters of two bytes", 0, { "\u00e4\u00f6", "1", "x" }, "NAME  N  WHY\n\u00e4\u00f6    1  "
                                                               "x\n" },
    { "wide characters", 0, { "\u6f22\u5b57", "1", "x", "ab", "2", "y" },
      "NAME  N  WHY\n\u6f22\u5b57  1  x\nab    2  y\n" },
    { "the last column is cut at the terminal", 16, { "a", "1", "a long reason" },
      "NAME  N  WHY\na     1  a long\u2026\n" },
    { "other columns are not cut", 8, { "a long name", "1", "x" },
      "NAME         N  WHY\na long name  1  x\n" },
    { "nothing talks to the terminal", 0, { "a\033[2J", "1", "b\nc" },
      "NAME      N  WHY\na\\x1b[2J  1  b\\x0ac\n" },
};

static void
test_table(void **state)
{
    const struct table_story *story = *state;
    struct table              table = { .columns = columns, .column_count = 3,
                                        .width_max = story->width_max };
    char                     *text = NULL;
    size_t                    bytes = 0;
    FILE                     *out = open_memstream(&text, &bytes);

    for (size_t i = 0; story->cells[i] != NULL; i++)
        table_cell(&table, "%s", story->cells[i]);
    table_print(&table, out);
    fclose(out);
    assert_string_equal(text, story->expected);
    free(text);
    table_free(&table);
}

struct width_story {
    const char *story;
    const char *text;
    size_t      expected;
};

static const struct width_story width_stories[] = {
    { "nothing", "", 0 },
    { "letters", "abc", 3 },
    { "letters of two bytes", "\u00e4\u00f6\u00fc", 3 },
    { "an accent of its own", "e\u0301", 1 },
    { "wide characters", "\u6f22\u5b57", 4 },
    { "a picture", "\U0001f680", 2 },
    { "bytes that are no text", "a\xff\xc3", 3 },
};

static void
test_width(void **state)
{
    const struct width_story *story = *state;

    assert_int_equal(text_width(story->text), story->expected);
}

int
main(void)
{
    return STORIES("tables", table_stories, test_table) +
           STORIES("widths", width_stories, test_width);
}
