/* test_exits.c - what became of a job, as an exit status */
#include "exits.h"
#include "stories.h"

struct result_story {
    const char          *story;
    struct muster_result result;
    int                  expected;
};

static const struct result_story result_stories[] = {
    { "success", { .outcome = MUSTER_OUTCOME_SUCCEEDED }, 0 },
    { "its own code", { .outcome = MUSTER_OUTCOME_EXITED, .exit_code = 7 }, 7 },
    { "the largest code", { .outcome = MUSTER_OUTCOME_EXITED, .exit_code = 255 }, 255 },
    { "a signal", { .outcome = MUSTER_OUTCOME_SIGNALED, .exit_code = -9 }, 137 },
    { "over its time", { .outcome = MUSTER_OUTCOME_TIMED_OUT, .exit_code = -15 }, 124 },
    { "over its memory", { .outcome = MUSTER_OUTCOME_MEMORY, .exit_code = -9 }, 137 },
    { "over its memory, seen by itself", { .outcome = MUSTER_OUTCOME_MEMORY, .exit_code = 12 },
      12 },
    { "not found, says the worker",
      { .outcome = MUSTER_OUTCOME_NOT_STARTED, .exit_code = 127, .reason = "" }, 127 },
    { "not found, says the reason",
      { .outcome = MUSTER_OUTCOME_NOT_STARTED, .reason = "exec x: No such file or directory" },
      127 },
    { "no permission", { .outcome = MUSTER_OUTCOME_NOT_STARTED, .exit_code = 126, .reason = "" },
      126 },
    { "no permission, says the reason",
      { .outcome = MUSTER_OUTCOME_NOT_STARTED, .reason = "exec x: Permission denied" }, 126 },
    { "cancelled", { .outcome = MUSTER_OUTCOME_CANCELLED }, 130 },
    { "took too many workers with it", { .outcome = MUSTER_OUTCOME_LOST }, 1 },
    { "what it waited for failed", { .outcome = MUSTER_OUTCOME_DEPENDENCY }, 1 },
};

static void
test_result(void **state)
{
    const struct result_story *story = *state;

    assert_int_equal(exit_of_result(&story->result), story->expected);
}

struct counts_story {
    const char           *story;
    struct muster_counts  counts;
    enum muster_job_state state;
    int                   expected;
};

static const struct counts_story counts_stories[] = {
    { "all well", { 5, 0, 5, 0, 0 }, MUSTER_JOB_SUCCEEDED, 0 },
    { "no tasks at all", { 0, 0, 0, 0, 0 }, MUSTER_JOB_SUCCEEDED, 0 },
    { "one failed", { 5, 0, 4, 1, 0 }, MUSTER_JOB_FAILED, 1 },
    { "a hundred failed", { 100, 0, 0, 100, 0 }, MUSTER_JOB_FAILED, 100 },
    { "a hundred and one", { 101, 0, 0, 101, 0 }, MUSTER_JOB_FAILED, 101 },
    { "many more", { 5000, 0, 0, 5000, 0 }, MUSTER_JOB_FAILED, 101 },
    { "halted", { 5, 0, 1, 2, 2 }, MUSTER_JOB_FAILED, 2 },
    { "cancelled", { 5, 0, 1, 0, 4 }, MUSTER_JOB_CANCELLED, 130 },
    { "cancelled before it had tasks", { 0, 0, 0, 0, 0 }, MUSTER_JOB_CANCELLED, 130 },
    { "failed without a failed task", { 5, 0, 0, 0, 5 }, MUSTER_JOB_FAILED, 1 },
};

static void
test_counts(void **state)
{
    const struct counts_story *story = *state;

    assert_int_equal(exit_of_counts(&story->counts, story->state), story->expected);
}

int
main(void)
{
    return STORIES("one task", result_stories, test_result) +
           STORIES("many tasks", counts_stories, test_counts);
}
