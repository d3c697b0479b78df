/* test_result.c - how a task ended, in words
 *
 * Method: one row is a keeper's report; compare outcome, exit code and reason.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"
#include "stories.h"

struct result_case {
    const char   *story;
    struct report report;
    uint8_t       outcome;
    int32_t       exit_code;
    const char   *reason;
};

static const struct result_case cases[] = {
    { "succeeded", { .end = RUN_EXITED }, OUTCOME_SUCCEEDED, 0, "" },
    { "exit code", { .end = RUN_EXITED, .status = 3 }, OUTCOME_EXITED, 3, "" },
    { "signal", { .end = RUN_SIGNALED, .status = -9 }, OUTCOME_SIGNALED, -9,
      "ended by signal 9 (Killed)" },
    { "time limit", { .end = RUN_TIMED_OUT, .status = -15 }, OUTCOME_TIMED_OUT, -15,
      "over its time limit of 2m05s" },
    { "memory limit", { .end = RUN_MEMORY, .status = -9 }, OUTCOME_MEMORY, -9,
      "over its memory limit of 64.0 MiB" },
    { "no such command", { .end = RUN_NOT_STARTED, .stage = STAGE_EXEC, .error = ENOENT },
      OUTCOME_NOT_STARTED, 127, "no such command: foo on node7" },
    { "no permission", { .end = RUN_NOT_STARTED, .stage = STAGE_EXEC, .error = EACCES },
      OUTCOME_NOT_STARTED, 126, "not allowed to run: foo on node7" },
    { "no program", { .end = RUN_NOT_STARTED, .stage = STAGE_EXEC, .error = ENOEXEC },
      OUTCOME_NOT_STARTED, 126,
      "not a program, nor a script with #! in its first line: foo on node7" },
    { "too many arguments", { .end = RUN_NOT_STARTED, .stage = STAGE_EXEC, .error = E2BIG },
      OUTCOME_NOT_STARTED, 126, "cannot run foo on node7: Argument list too long" },
    { "no such folder", { .end = RUN_NOT_STARTED, .stage = STAGE_CWD, .error = ENOENT },
      OUTCOME_NOT_STARTED, 126, "no such folder: /data on node7" },
    { "a folder closed to it", { .end = RUN_NOT_STARTED, .stage = STAGE_CWD, .error = EACCES },
      OUTCOME_NOT_STARTED, 126, "Permission denied: /data on node7" },
};

static void
test_result(void **state)
{
    const struct result_case *c = *state;
    struct capture            captures[2] = { { .file = -1 }, { .file = -1 } };
    struct wire_spec          spec = { .time_limit_ms = 125000, .mem_bytes = 64 << 20,
                                       .cwd = slice_text("/data") };
    struct wire_result        result;
    struct buffer             encoded = { 0 };

    result_of_report(&result, &c->report, "node7", captures);
    result_of_failure(&result, &c->report, &spec, slice_text("foo"));
    assert_int_equal(result.outcome, c->outcome);
    assert_int_equal(result.exit_code, c->exit_code);
    assert_true(slice_equals_text(result.reason, c->reason));
    wire_put_result(&encoded, &result);
    assert_int_equal(wire_decode_item_result(buffer_slice(&encoded), &result), MUSTER_OK);
    buffer_free(&encoded);
}

static void
test_numbers(void **state)
{
    struct report      report = { .end = RUN_EXITED, .pid = 77, .started_unix_ms = 1, .wall_us = 2,
                                  .cpu_us = 3, .rss_bytes = 4 };
    struct capture     captures[2] = { { .file = -1 }, { .file = -1 } };
    struct wire_result result;

    (void)state;
    capture_start(&captures[0], 200);
    capture_start(&captures[1], 200);
    for (int i = 0; i < 100; i++)
        capture_add(&captures[1], slice_text("0123456789"), "/tmp");
    capture_end(&captures[0]);
    capture_end(&captures[1]);
    result_of_report(&result, &report, "node7", captures);
    assert_int_equal(result.pid, 77);
    assert_int_equal(result.wall_us, 2);
    assert_int_equal(result.cpu_us, 3);
    assert_int_equal(result.rss_bytes, 4);
    assert_int_equal(result.out_bytes, 0);
    assert_int_equal(result.err_bytes, 1000);
    assert_int_equal(result.err_kept, 200);
    assert_int_equal(result.err.bytes, 200);
    assert_true(slice_equals_text(result.host, "node7"));
    capture_free(&captures[0]);
    capture_free(&captures[1]);
}

static void
test_fault(void **state)
{
    struct muster_error error = { 0 };

    (void)state;
    result_fault(&error, &(struct report){ .stage = STAGE_SCRATCH, .error = ENOSPC });
    assert_non_null(strstr(error.detail, "scratch folder"));
    assert_non_null(strstr(error.detail, "No space left"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_numbers),
                                        cmocka_unit_test(test_fault) };
    int                     failed = STORIES("results", cases, test_result);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
