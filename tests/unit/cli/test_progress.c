/* test_progress.c - the text of the bar, on wide and narrow terminals */
#include <string.h>

#include "progress.h"
#include "stories.h"

struct story {
    const char          *story;
    uint32_t             width;
    struct muster_counts counts;
    bool                 open;
    double               rate;
    const char          *expected;
};

static const struct story stories[] = {
    { "half way", 80, { 100, 2, 49, 1, 0 }, false, 10.0,
      "[#############--------------] 50/100 done, 1 failed, 2 running, 10/s, 5.0s left" },
    { "more may come", 80, { 100, 2, 50, 0, 0 }, true, 2.5,
      "[###############---------------] 50/100+ done, 0 failed, 2 running, 2.5/s" },
    { "nothing known", 60, { 0, 0, 0, 0, 0 }, true, 0,
      "[-------------------] 0/0+ done, 0 failed, 0 running, 0.0/s" },
    { "done", 60, { 10, 0, 10, 0, 0 }, false, 100,
      "[##################] 10/10 done, 0 failed, 0 running, 100/s" },
    { "no room for a bar", 45, { 10, 0, 10, 0, 0 }, false, 100,
      "10/10 done, 0 failed, 0 running, 100/s" },
    { "no room at all", 9, { 10, 0, 10, 0, 0 }, false, 100, "10/10 do" },
};

static void
test_story(void **state)
{
    const struct story *story = *state;
    char                text[512];

    progress_text(text, sizeof(text), story->width, &story->counts, story->open, story->rate);
    assert_string_equal(text, story->expected);
}

int
main(void)
{
    return STORIES("progress", stories, test_story);
}
