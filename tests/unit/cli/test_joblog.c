/* test_joblog.c - lines that readers of GNU parallel's --joblog understand */
#include <stdio.h>

#include "joblog.h"
#include "stories.h"

struct story {
    const char          *story;
    struct muster_result result;
    uint64_t             sent;
    const char          *command;
    const char          *expected;
};

static const struct story stories[] = {
    { "success",
      { .index = 0, .outcome = MUSTER_OUTCOME_SUCCEEDED, .host = "node7",
        .started_unix_ms = 1795239107386, .wall_us = 1500, .out_total = 4 },
      0, "echo 'a b'", "1\tnode7\t1795239107.386\t     0.002\t0\t4\t0\t0\techo 'a b'\n" },
    { "an exit code",
      { .index = 41, .outcome = MUSTER_OUTCOME_EXITED, .exit_code = 3, .host = "n",
        .started_unix_ms = 1000, .wall_us = 61000000 },
      0, "false", "42\tn\t1.000\t    61.000\t0\t0\t3\t0\tfalse\n" },
    { "a signal",
      { .outcome = MUSTER_OUTCOME_SIGNALED, .exit_code = -9, .host = "n" },
      0, "x", "1\tn\t0.000\t     0.000\t0\t0\t0\t9\tx\n" },
    { "over its time",
      { .outcome = MUSTER_OUTCOME_TIMED_OUT, .exit_code = -15, .host = "n" },
      0, "x", "1\tn\t0.000\t     0.000\t0\t0\t0\t15\tx\n" },
    { "never started: not taken for success",
      { .outcome = MUSTER_OUTCOME_NOT_STARTED, .host = "" },
      0, "x", "1\t\t0.000\t     0.000\t0\t0\t-1\t0\tx\n" },
    { "standard input counts as sent",
      { .outcome = MUSTER_OUTCOME_SUCCEEDED, .host = "n" },
      77, "cat", "1\tn\t0.000\t     0.000\t77\t0\t0\t0\tcat\n" },
    { "one line, whatever the command",
      { .outcome = MUSTER_OUTCOME_SUCCEEDED, .host = "n" },
      0, "echo 'a\nb'", "1\tn\t0.000\t     0.000\t0\t0\t0\t0\techo 'a\\nb'\n" },
};

static void
test_story(void **state)
{
    const struct story *story = *state;
    char               *text = NULL;
    size_t              bytes = 0;
    FILE               *out = open_memstream(&text, &bytes);

    joblog_line(out, &story->result, story->sent, slice_text(story->command));
    fclose(out);
    assert_string_equal(text, story->expected);
    free(text);
}

static void
test_head(void **state)
{
    char   *text = NULL;
    size_t  bytes = 0;
    FILE   *out = open_memstream(&text, &bytes);

    (void)state;
    joblog_head(out);
    fclose(out);
    assert_string_equal(text, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\t"
                              "Command\n");
    free(text);
}

int
main(void)
{
    static const struct CMUnitTest head[] = {
        { "the columns have their names", test_head, NULL, NULL, NULL },
    };

    return STORIES("joblog", stories, test_story) +
           cmocka_run_group_tests_name("joblog head", head, NULL, NULL);
}
