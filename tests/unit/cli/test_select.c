/* test_select.c - which job and which tasks: numbers of people become indexes */
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "select.h"
#include "stories.h"

struct parse_story {
    const char *story;
    const char *text;
    const char *expected;    /* "job first-last ...", NULL: refused */
};

static const struct parse_story parse_stories[] = {
    { "a job",               "3",            "3" },
    { "a task",              "3.7",          "3 7-7" },
    { "a range of tasks",    "3.1-50",       "3 1-50" },
    { "several",             "3.1,5,9-12",   "3 1-1 5-5 9-12" },
    { "the latest",          "last",         "0" },
    { "a task of the latest", "last.2",      "0 2-2" },
    { "all of them",         "all",          "all" },
    { "a task zero",         "3.0",          "3 0-0" },
    { "tasks of all",        "all.3",        NULL },
    { "no job zero",         "0",            NULL },
    { "nothing",             "",             NULL },
    { "no tasks",            "3.",           NULL },
    { "an empty one",        "3.1,,2",       "3 1-1 2-2" },
    { "an open list",        "3.1,",         NULL },
    { "backwards",           "3.9-1",        NULL },
    { "letters",             "three",        NULL },
    { "a name and a number", "3x.1",         NULL },
    { "two dots",            "3.1.2",        NULL },
    { "a sign",              "-3",           NULL },
};

static void
test_parse(void **state)
{
    const struct parse_story *story = *state;
    struct selector           selector = { 0 };
    struct muster_error       error = { 0 };
    struct buffer             got = { 0 };
    muster_err                err = selector_parse(story->text, &selector, &error);

    assert_int_equal(err, story->expected == NULL ? MUSTER_ERR_INVALID : MUSTER_OK);
    if (err)
        return;
    if (selector.all)
        buffer_append_text(&got, "all");
    else
        buffer_printf(&got, "%llu", (unsigned long long)selector.job);
    for (size_t i = 0; i < selector.range_count; i++)
        buffer_printf(&got, " %llu-%llu", (unsigned long long)selector.ranges[i].first,
                      (unsigned long long)selector.ranges[i].last);
    assert_string_equal(buffer_text(&got), story->expected);
    assert_int_equal(selector_is_one(&selector),
                     selector.range_count == 1 && strchr(story->text, '-') == NULL);
    buffer_free(&got);
    selector_free(&selector);
}

struct index_story {
    const char *story;
    uint64_t    first, step;     /* of the job; step 0: 1, 2, 3 ... */
    uint32_t    total;
    const char *text;
    const char *expected;        /* indexes; NULL: none is meant */
};

static const struct index_story index_stories[] = {
    { "numbers begin with 1",              0, 0, 10, "3.1", "0-0" },
    { "the last one",                      0, 0, 10, "3.10", "9-9" },
    { "beyond the end",                    0, 0, 10, "3.11", NULL },
    { "before the beginning",              0, 0, 10, "3.0", NULL },
    { "a range is clipped",                0, 0, 10, "3.5-100", "4-9" },
    { "an array from 0",                   0, 1, 10, "3.0-4", "0-4" },
    { "steps: the number",                 1, 2, 5, "3.7", "3-3" },
    { "steps: between two numbers",        1, 2, 5, "3.4", NULL },
    { "steps: a range around numbers",     1, 2, 5, "3.2-6", "1-2" },
    { "steps: a range before all",         100, 10, 5, "3.1-100", "0-0" },
    { "several",                           0, 0, 10, "3.1,3-4", "0-0 2-3" },
    { "one of several does not exist",     0, 0, 10, "3.1,30", NULL },
    { "a job without tasks",               0, 0, 0, "3.1", NULL },
    { "no tasks named",                    0, 0, 10, "3", "" },
};

static void
test_indexes(void **state)
{
    const struct index_story *story = *state;
    struct muster_job_info    info = { .number_first = story->first, .number_step = story->step };
    struct selector           selector = { 0 };
    struct muster_range      *ranges = NULL;
    struct muster_error       error = { 0 };
    struct buffer             got = { 0 };
    muster_err                err;

    assert_int_equal(selector_parse(story->text, &selector, &error), MUSTER_OK);
    err = selector_indexes(&selector, numbering_of(&info), story->total, &ranges, &error);
    assert_int_equal(err, story->expected == NULL ? MUSTER_ERR_NOT_FOUND : MUSTER_OK);
    for (size_t i = 0; !err && i < selector.range_count; i++)
        buffer_printf(&got, "%s%u-%u", i > 0 ? " " : "", ranges[i].first, ranges[i].last);
    if (!err)
        assert_string_equal(buffer_text(&got), story->expected);
    buffer_free(&got);
    free(ranges);
    selector_free(&selector);
}

int
main(void)
{
    return STORIES("selectors", parse_stories, test_parse) +
           STORIES("indexes", index_stories, test_indexes);
}
