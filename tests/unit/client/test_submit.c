/* test_submit.c - what may be asked for, and when two submissions are the same */
#include "stories.h"
#include "submit.h"

#include <string.h>

static const char *const echo[] = { "/bin/echo", "hello", NULL };
static const char        long_text[] = "This name is much too long to be the name of a job, a "
                                       "queue, a resource or anything else that has one";
static const char        large[STDIN_BYTES_MAX / 1024];

struct refuse_case {
    const char               *story;
    struct muster_job_options options;
    muster_err                expected;
    const char               *detail;
};

#define TEXTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MANY_AFTER ((const uint64_t[AFTER_MAX + 1]){ 1 })

static const struct refuse_case refuse_cases[] = {
    { "a plain command", { .args = echo }, MUSTER_OK, "" },
    { "no command", { .args = NULL }, MUSTER_ERR_INVALID, "command" },
    { "an empty command", { .args = TEXTS("") }, MUSTER_ERR_INVALID, "command" },
    { "an argument that is no text", { .args = TEXTS("a", "\xff") }, MUSTER_ERR_INVALID,
      "argument 2" },
    { "a variable without a value", { .args = echo, .env = TEXTS("HOME") }, MUSTER_ERR_INVALID,
      "HOME" },
    { "a variable without a name", { .args = echo, .env = TEXTS("=x") }, MUSTER_ERR_INVALID, "=x" },
    { "a label without a value", { .args = echo, .labels = TEXTS("fast") }, MUSTER_ERR_INVALID,
      "fast" },
    { "a queue with a blank", { .args = echo, .queue = "a b" }, MUSTER_ERR_INVALID, "a b" },
    { "a relative working folder", { .args = echo, .cwd = "here" }, MUSTER_ERR_INVALID, "here" },
    { "a long name", { .args = echo, .name = long_text }, MUSTER_ERR_INVALID, "name" },
    { "too important", { .args = echo, .priority = 1001 }, MUSTER_ERR_INVALID, "1001" },
    { "too many tasks", { .args = echo, .count = TASKS_PER_JOB_MAX + 1 }, MUSTER_ERR_TOO_LARGE,
      "tasks" },
    { "a percentage above all", { .args = echo, .fail_percent = 101 }, MUSTER_ERR_TOO_LARGE,
      "percent" },
    { "output beyond the limit", { .args = echo, .output_bytes = UINT64_MAX }, MUSTER_ERR_TOO_LARGE,
      "output" },
    { "a resource of nothing",
      { .args = echo, .resources = &(const struct muster_resource){ "gpus", 0 },
        .resource_count = 1 },
      MUSTER_ERR_INVALID, "gpus" },
    { "a resource with a bad name",
      { .args = echo, .resources = &(const struct muster_resource){ "g p", 1 },
        .resource_count = 1 },
      MUSTER_ERR_INVALID, "resource 1" },
    { "too many dependencies", { .args = echo, .after = MANY_AFTER, .after_count = AFTER_MAX + 1 },
      MUSTER_ERR_TOO_LARGE, "64" },
    { "fed, with a count", { .args = echo, .source = MUSTER_SOURCE_ITEMS, .count = 3 },
      MUSTER_ERR_INVALID, "count" },
    { "two standard inputs", { .args = echo, .input_is_stdin = true, .stdin_data = "x",
                               .stdin_bytes = 1 },
      MUSTER_ERR_INVALID, "standard input" },
};

static void
test_refuse(void **state)
{
    const struct refuse_case *c = *state;
    struct submission         submission;
    struct muster_error       error = { 0 };

    assert_int_equal(submission_make(&submission, &c->options, &error), c->expected);
    if (c->expected != MUSTER_OK && strstr(error.detail, c->detail) == NULL)
        fail_msg("\"%s\" does not tell of %s", error.detail, c->detail);
    submission_free(&submission);
}

/* What is refused here as too large together, and what the manager would take. */
static void
test_large(void **state)
{
    static char               argument[ARG_BYTES_MAX + 1];
    const char *const         args[] = { argument, argument, NULL };
    struct muster_job_options options = { .args = args };
    struct submission         submission;
    struct muster_error       error = { 0 };

    (void)state;
    memset(argument, 'x', ARG_BYTES_MAX);
    assert_int_equal(submission_make(&submission, &options, &error), MUSTER_ERR_TOO_LARGE);
    assert_non_null(strstr(error.detail, "together"));
    submission_free(&submission);
}

/* ---- the message ---- */

struct same_case {
    const char               *story;
    struct muster_job_options a, b;
    bool                      same_key, same_content;
};

static const struct same_case same_cases[] = {
    { "the same without a key: two jobs", { .args = echo }, { .args = echo }, false, true },
    { "the same with the same key", { .args = echo, .dedup = "k" }, { .args = echo, .dedup = "k" },
      true, true },
    { "the same with other keys", { .args = echo, .dedup = "k" }, { .args = echo, .dedup = "l" },
      false, true },
    { "the same key, another command", { .args = echo, .dedup = "k" },
      { .args = TEXTS("false"), .dedup = "k" }, true, false },
    { "the same key, another priority", { .args = echo, .dedup = "k" },
      { .args = echo, .dedup = "k", .priority = 1 }, true, false },
    { "the same key, a default written out", { .args = echo, .dedup = "k" },
      { .args = echo, .dedup = "k", .count = 1, .cpus_milli = 1000 }, true, true },
    { "the same key, another large input",
      { .args = echo, .dedup = "k", .stdin_data = large, .stdin_bytes = sizeof(large) },
      { .args = echo, .dedup = "k", .stdin_data = large, .stdin_bytes = sizeof(large) - 1 }, true,
      false },
    { "an empty key is a key", { .args = echo, .dedup = "" }, { .args = echo, .dedup = "" }, true,
      true },
};

static void
test_same(void **state)
{
    const struct same_case *c = *state;
    struct submission       a, b;
    struct buffer           body = { 0 };
    struct msg_job_submit   decoded;

    assert_int_equal(submission_make(&a, &c->a, NULL), MUSTER_OK);
    assert_int_equal(submission_make(&b, &c->b, NULL), MUSTER_OK);
    assert_int_equal(a.m.dedup_hi == b.m.dedup_hi && a.m.dedup_lo == b.m.dedup_lo, c->same_key);
    assert_int_equal(a.m.content_hash == b.m.content_hash, c->same_content);
    assert_true(a.m.dedup_hi != 0 || a.m.dedup_lo != 0);
    wire_put_msg_job_submit(&body, &a.m);
    assert_int_equal(wire_decode_job_submit(buffer_slice(&body), &decoded), MUSTER_OK);
    buffer_free(&body);
    submission_free(&a);
    submission_free(&b);
}

/* ---- names for people ---- */

struct name_case {
    const char        *story;
    const char        *name;
    const char *const *args;
    const char        *expected;
};

static const struct name_case name_cases[] = {
    { "the command without its folder", NULL, echo, "echo hello" },
    { "a given name", "nightly", echo, "nightly" },
    { "an empty name is none", "", echo, "echo hello" },
    { "a long command is cut", NULL,
      TEXTS("echo", "0123456789012345678901234567890123456789012345678901234567890123456789"),
      "echo 01234567890123456789012345678901234567890123456789012345678" },
    { "and between characters", NULL,
      TEXTS("echo", "01234567890123456789012345678901234567890123456789012345678\xc3\xa4"),
      "echo 01234567890123456789012345678901234567890123456789012345678" },
    { "not within one", NULL,
      TEXTS("echo", "0123456789012345678901234567890123456789012345678901234567\xc3\xa4"),
      "echo 0123456789012345678901234567890123456789012345678901234567" },
};

static void
test_name(void **state)
{
    const struct name_case   *c = *state;
    struct muster_job_options options = { .args = c->args, .name = c->name };
    struct submission         submission;

    assert_int_equal(submission_make(&submission, &options, NULL), MUSTER_OK);
    assert_int_equal(submission.m.name.bytes, strlen(c->expected));
    assert_memory_equal(submission.m.name.data, c->expected, strlen(c->expected));
    submission_free(&submission);
}

int
main(void)
{
    const struct CMUnitTest stories[] = { cmocka_unit_test(test_large) };

    return STORIES("refusals", refuse_cases, test_refuse) + STORIES("sameness", same_cases,
                                                                    test_same) +
           STORIES("names", name_cases, test_name) +
           cmocka_run_group_tests_name("sizes", stories, NULL, NULL);
}
