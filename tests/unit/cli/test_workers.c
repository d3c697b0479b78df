/* test_workers.c - what a worker offers, in one cell */
#include "stories.h"
#include "workers.h"

struct story {
    const char *story;
    const char *resources, *labels, *queues, *functions;
    const char *expected;
};

#define LONG_NAME "a.function.with.a.name.as.long.as.they.may.be.00000000000000000000"

static const struct story stories[] = {
    { "nothing",            "", "", "", "", "" },
    { "resources",          "gpus=2", "", "", "", "gpus=2" },
    { "resources, labels",  "gpus=2", "zone=a,os=l", "", "", "gpus=2 zone=a,os=l" },
    { "queues alone",       "", "", "night", "", "queues=night" },
    { "a function alone",   "", "", "", "square", "functions=square" },
    { "all of them",        "gpus=2", "zone=a", "night,day", "square,cube",
      "gpus=2 zone=a queues=night,day functions=square,cube" },
    { "many are cut after a whole name", "", "", "",
      "f0000000,f0000001,f0000002,f0000003,f0000004,f0000005,f0000006",
      "functions=f0000000,f0000001,f0000002,f0000003,f0000004,+2" },
    { "a short one behind the cut does not come back", "", "", "",
      "one," LONG_NAME ",x", "functions=one,+2" },
    { "a long one alone is shown", "", "", "", LONG_NAME ",x", "functions=" LONG_NAME ",+1" },
};

static void
test_story(void **state)
{
    const struct story       *story = *state;
    struct muster_worker_info info = { .resources = (char *)(uintptr_t)story->resources,
                                       .labels = (char *)(uintptr_t)story->labels,
                                       .queues = (char *)(uintptr_t)story->queues,
                                       .functions = (char *)(uintptr_t)story->functions };
    struct buffer             got = { 0 };

    workers_offers(&got, &info);
    assert_string_equal(buffer_text(&got), story->expected);
    buffer_free(&got);
}

int
main(void)
{
    return STORIES("workers", stories, test_story);
}
