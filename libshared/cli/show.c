/* show.c - see show.h */
#include "show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command_line.h"
#include "exits.h"
#include "joblog.h"
#include "json_out.h"

enum { SHOW_FAILURES_MAX = 20 };

/* ---- one stream, perhaps with a tag before each line ---- */

struct stream {
    struct show  *show;
    FILE         *out;
    struct slice  tag;
    bool          line_open;
    bool          wrote;
};

static bool
stream_write(struct stream *stream, const void *data, size_t bytes)
{
    struct progress *progress = stream->show->progress;

    if (bytes == 0)
        return true;
    if (!stream->wrote && progress != NULL && stream->out == stdout)
        progress_erase_for_stdout(progress);
    else if (!stream->wrote && progress != NULL)
        progress_erase(progress);
    stream->wrote = true;
    if (stream->out == stdout)
        return cli_write(data, bytes);
    fwrite(data, 1, bytes, stream->out);
    return true;
}

static muster_err
stream_sink(void *context, const void *data, size_t bytes)
{
    struct stream *stream = context;
    const char    *at = data;

    if (stream->tag.data == NULL)
        return stream_write(stream, data, bytes) ? MUSTER_OK : MUSTER_ERR_IO;
    while (bytes > 0) {
        const char *newline = memchr(at, '\n', bytes);
        size_t      part = newline != NULL ? (size_t)(newline - at) + 1 : bytes;

        if (!stream->line_open && (!stream_write(stream, stream->tag.data, stream->tag.bytes) ||
                                   !stream_write(stream, "\t", 1)))
            return MUSTER_ERR_IO;
        if (!stream_write(stream, at, part))
            return MUSTER_ERR_IO;
        stream->line_open = newline == NULL;
        at += part;
        bytes -= part;
    }
    return MUSTER_OK;
}

static bool
show_stream(struct show *show, const struct muster_result *result, bool stderr_stream, FILE *out,
            struct slice tag)
{
    struct stream       stream = { show, out, tag, false, false };
    struct muster_error error = { 0 };
    uint64_t            kept = stderr_stream ? result->err_kept : result->out_kept;
    size_t              bytes = stderr_stream ? result->err_bytes : result->out_bytes;
    const void         *data = stderr_stream ? result->err : result->out;
    muster_err          err;

    if (kept <= bytes)
        err = stream_sink(&stream, data, bytes);
    else
        err = muster_result_output(show->cli->session, show->job, result->index, stderr_stream,
                                   CLI_CALL_MS, stream_sink, &stream, &error);
    /* A tagged last line without an end would run into the next tag. */
    if (!err && stream.line_open && tag.data != NULL)
        stream_write(&stream, "\n", 1);
    if (stream.out == stderr && stream.wrote)
        fflush(stderr);
    if (err && !cli_stdout_failed())
        cli_fail(&error, "fetch the output of task", "%" PRIu64 ".%" PRIu64, show->job,
                 numbering_number(show->numbering, result->index));
    return !cli_stdout_failed();
}

static void
show_tag(struct show *show, uint32_t index, struct buffer *tag)
{
    struct muster_error error = { 0 };

    if (show->inputs != NULL && show->inputs->kind != INPUTS_NONE &&
        inputs_look(show->inputs, index, tag, &error) == MUSTER_OK)
        return;
    buffer_clear(tag);
    buffer_printf(tag, "%" PRIu64, numbering_number(show->numbering, index));
}

static bool
show_output(struct show *show, const struct muster_result *result)
{
    struct buffer tag_text = { 0 };
    struct slice  tag = { NULL, 0 };
    bool          ok = true;

    if (show->tag) {
        show_tag(show, result->index, &tag_text);
        tag = (struct slice){ buffer_text(&tag_text), tag_text.bytes };
    }
    if (show->streams != SHOW_STDERR_AS_STDOUT)
        ok = show_stream(show, result, false, stdout, tag);
    if (ok && show->streams == SHOW_BOTH) {
        /* On one terminal the two come in the order in which they are written here. */
        if (result->err_kept > 0)
            cli_flush();
        ok = show_stream(show, result, true, stderr, tag);
    }
    if (ok && show->streams == SHOW_STDERR_AS_STDOUT)
        ok = show_stream(show, result, true, stdout, tag);
    buffer_free(&tag_text);
    return ok;
}

/* ---- failures, log, JSON ---- */

static void
show_how(const struct muster_result *result, char *text, size_t bytes)
{
    switch (result->outcome) {
    case MUSTER_OUTCOME_EXITED:
        snprintf(text, bytes, "exit code %d", result->exit_code);
        break;
    case MUSTER_OUTCOME_SIGNALED:
        if (result->reason[0] == '\0')
            snprintf(text, bytes, "ended by signal %d (%s)", -result->exit_code,
                     strsignal(-result->exit_code));
        break;
    case MUSTER_OUTCOME_SUCCEEDED:
    case MUSTER_OUTCOME_TIMED_OUT:
    case MUSTER_OUTCOME_MEMORY:
    case MUSTER_OUTCOME_NOT_STARTED:
    case MUSTER_OUTCOME_LOST:
    case MUSTER_OUTCOME_CANCELLED:
    case MUSTER_OUTCOME_DEPENDENCY:
        snprintf(text, bytes, "%s", muster_outcome_name(result->outcome));
        break;
    }
}

static void
show_failure(struct show *show, const struct muster_result *result)
{
    char how[96] = "";

    if (!show->failures || show->cli->quiet || result->outcome == MUSTER_OUTCOME_SUCCEEDED ||
        result->outcome == MUSTER_OUTCOME_CANCELLED)
        return;
    /* The exit code of a single command is ours too, and says enough. */
    if (show->single && result->outcome == MUSTER_OUTCOME_EXITED)
        return;
    if (show->failures_told++ >= SHOW_FAILURES_MAX) {
        if (show->failures_told == SHOW_FAILURES_MAX + 1)
            cli_note(show->cli, "more tasks fail; they are counted, not listed here");
        return;
    }
    if (show->progress != NULL)
        progress_erase(show->progress);
    show_how(result, how, sizeof(how));
    cli_note(show->cli, "task %" PRIu64 ".%" PRIu64 " failed: %s%s%s%s%s", show->job,
             numbering_number(show->numbering, result->index), how,
             how[0] != '\0' && result->reason[0] != '\0' ? ": " : "", result->reason,
             result->worker[0] != '\0' ? ", on " : "", result->worker);
}

static void
show_joblog(struct show *show, const struct muster_result *result)
{
    struct muster_error error = { 0 };
    struct buffer       input = { 0 };
    struct buffer       command = { 0 };
    uint64_t            sent = show->sent_bytes;

    /* What was cancelled before it ran has no line, as in GNU parallel. */
    if (result->outcome == MUSTER_OUTCOME_CANCELLED && result->started_unix_ms == 0)
        return;
    if (show->inputs != NULL)
        (void)inputs_look(show->inputs, result->index, &input, &error);
    if (show->inputs != NULL && show->inputs->any_bytes)
        sent = input.bytes;
    command_line_put(&command, show->args, show->replace, buffer_slice(&input),
                     numbering_number(show->numbering, result->index));
    joblog_line(show->joblog, result, sent, buffer_slice(&command));
    buffer_free(&input);
    buffer_free(&command);
}

bool
show_result(struct show *show, const struct muster_result *result)
{
    bool ok = true;

    if (show->single && !show->has_single) {
        show->single_status = exit_of_result(result);
        show->has_single = true;
    }
    if (show->joblog != NULL)
        show_joblog(show, result);
    if (show->silent)
        return true;
    if (show->cli->json)
        ok = json_out_result(show->cli, show->job, show->numbering, result);
    else if (result->out_kept > 0 || result->err_kept > 0)
        ok = show_output(show, result);
    show_failure(show, result);
    return ok;
}

bool
show_fetched(struct show *show, uint32_t index)
{
    struct muster_error   error = { 0 };
    struct muster_result *result = NULL;
    bool                  ok;

    if (muster_result_get(show->cli->session, show->job, index, CLI_CALL_MS, &result, &error)) {
        cli_fail(&error, "fetch the result of task", "%" PRIu64 ".%" PRIu64, show->job,
                 numbering_number(show->numbering, index));
        return true;
    }
    ok = show_result(show, result);
    muster_result_free(result);
    return ok;
}
