/* result.c - how a task ended, in the words of the protocol and of people */
#include "result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "parse.h"

enum { EXIT_NO_PERMISSION = 126, EXIT_NO_COMMAND = 127 };   /* as shells have it */

static char result_text[TEXT_BYTES_MAX + 1];

static const uint8_t outcomes[] = {
    [RUN_EXITED] = OUTCOME_EXITED,       [RUN_SIGNALED] = OUTCOME_SIGNALED,
    [RUN_TIMED_OUT] = OUTCOME_TIMED_OUT, [RUN_MEMORY] = OUTCOME_MEMORY,
    [RUN_NOT_STARTED] = OUTCOME_NOT_STARTED,
};

void
result_of_report(struct wire_result *result_out, const struct report *report, const char *host,
                 const struct capture captures[2])
{
    struct wire_result result = {
        .outcome = outcomes[report->end],
        .exit_code = report->status,
        .started_unix_ms = report->started_unix_ms,
        .wall_us = report->wall_us,
        .cpu_us = report->cpu_us,
        .rss_bytes = report->rss_bytes,
        .pid = (uint32_t)report->pid,
        .host = slice_text(host),
        .out_bytes = captures[0].written,
        .err_bytes = captures[1].written,
        .out_kept = capture_kept(&captures[0]),
        .err_kept = capture_kept(&captures[1]),
        .out = capture_inline(&captures[0]),
        .err = capture_inline(&captures[1]),
    };

    if (report->end == RUN_EXITED && report->status == 0)
        result.outcome = OUTCOME_SUCCEEDED;
    if (captures[0].lost || captures[1].lost)
        result.reason = slice_text("output was lost: the worker's disk took no more");
    *result_out = result;
}

static void
reason_not_started(const struct report *report, const struct wire_spec *spec, struct slice command,
                   const char *host, struct wire_result *result)
{
    char name[200];
    int  error = report->error;

    snprintf(name, sizeof(name), "%.*s", (int)command.bytes, (const char *)command.data);
    result->exit_code = EXIT_NO_PERMISSION;
    if (report->stage == STAGE_CWD) {
        snprintf(name, sizeof(name), "%.*s", (int)spec->cwd.bytes, (const char *)spec->cwd.data);
        snprintf(result_text, sizeof(result_text), "%s: %s on %s",
                 error == ENOENT ? "no such folder" : strerror(error), name, host);
    } else if (error == ENOENT) {
        result->exit_code = EXIT_NO_COMMAND;
        snprintf(result_text, sizeof(result_text), "no such command: %s on %s", name, host);
    } else if (error == EACCES) {
        snprintf(result_text, sizeof(result_text), "not allowed to run: %s on %s", name, host);
    } else if (error == ENOEXEC) {
        snprintf(result_text, sizeof(result_text), "not a program, nor a script with #! in its "
                 "first line: %s on %s", name, host);
    } else {
        snprintf(result_text, sizeof(result_text), "cannot run %s on %s: %s", name, host,
                 strerror(error));
    }
}

void
result_of_failure(struct wire_result *result, const struct report *report,
                  const struct wire_spec *spec, struct slice command)
{
    char host[NAME_BYTES_MAX + 1], amount[16];

    snprintf(host, sizeof(host), "%.*s", (int)result->host.bytes, (const char *)result->host.data);
    result_text[0] = 0;
    switch (report->end) {
    case RUN_TIMED_OUT:
        snprintf(result_text, sizeof(result_text), "over its time limit of %s",
                 format_duration(amount, spec->time_limit_ms));
        break;
    case RUN_MEMORY:
        snprintf(result_text, sizeof(result_text), "over its memory limit of %s",
                 format_size(amount, spec->mem_bytes));
        break;
    case RUN_NOT_STARTED:
        reason_not_started(report, spec, command, host, result);
        break;
    case RUN_SIGNALED:
        snprintf(result_text, sizeof(result_text), "ended by signal %d (%s)", -report->status,
                 strsignal(-report->status));
        break;
    default:
        return;                       /* its exit code says enough */
    }
    result->reason = slice_text(result_text);
}

void
result_refused(struct wire_result *result_out, const char *host, const char *reason)
{
    snprintf(result_text, sizeof(result_text), "%s", reason);
    *result_out = (struct wire_result){
        .outcome = OUTCOME_NOT_STARTED, .exit_code = EXIT_NO_PERMISSION,
        .started_unix_ms = clock_unix_ms(), .host = slice_text(host),
        .reason = slice_text(result_text),
    };
}

void
result_fault(struct muster_error *error, const struct report *report)
{
    static const char *const what[] = {
        [STAGE_NONE] = "run it", [STAGE_FORK] = "make a process",
        [STAGE_SCRATCH] = "make its scratch folder", [STAGE_SESSION] = "make its session",
        [STAGE_USER] = "switch to --task-user", [STAGE_LIMIT] = "set its limits",
        [STAGE_STDIO] = "connect its output", [STAGE_CWD] = "enter its folder",
        [STAGE_EXEC] = "execute it",
    };

    error_set(error, MUSTER_ERR_IO, "cannot %s: %s", what[report->stage],
              strerror(report->error));
}
