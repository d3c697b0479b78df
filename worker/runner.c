/* runner.c - tasks in slots: started, watched, their ends put into words */
#include "runner.h"

#include <assert.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "result.h"
#include "scratch.h"

enum { PIPE_READ_BYTES = 128 * 1024 };

/* ---- places ---- */

static void
idle_push(struct runner *runner, uint32_t number)
{
    void *idle = runner->idle;

    base_grow(&idle, &runner->idle_capacity, runner->idle_count + 1, sizeof(*runner->idle));
    runner->idle = idle;
    runner->idle[runner->idle_count++] = number;
    runner->places[number]->stacked = true;
}

static struct place *
place_new(struct runner *runner)
{
    void         *places = runner->places;
    struct place *place = base_alloc(sizeof(*place));

    base_grow(&places, &runner->capacity, runner->count + 1, sizeof(*runner->places));
    runner->places = places;
    place->slot.number = runner->count;
    place->captures[0].file = place->captures[1].file = -1;
    runner->places[runner->count++] = place;
    return place;
}

/* An idle place with a living keeper, or one with a new keeper; NULL: no more. */
static struct place *
place_take(struct runner *runner, struct muster_error *error)
{
    struct place *place = NULL;

    while (place == NULL && runner->idle_count > 0) {
        place = runner->places[runner->idle[--runner->idle_count]];
        place->stacked = false;
        if (place->slot.state == SLOT_BROKEN)
            place = NULL;             /* comes back when the nursery has swept */
    }
    if (place == NULL)
        place = place_new(runner);
    if (place->slot.state != SLOT_CLOSED)
        return place;
    if (slot_open(&place->slot, place->slot.number, runner->nursery, error)) {
        idle_push(runner, place->slot.number);
        return NULL;
    }
    runner->calls.watch_fd(runner->calls.context, place->slot.socket, RUNNER_SOCKET,
                           place->slot.number);
    runner->calls.watch_fd(runner->calls.context, place->slot.pipes[0], RUNNER_STDOUT,
                           place->slot.number);
    runner->calls.watch_fd(runner->calls.context, place->slot.pipes[1], RUNNER_STDERR,
                           place->slot.number);
    return place;
}

static void
place_leave(struct runner *runner, struct place *place)
{
    map_remove(&runner->running, place->task);
    place->task = 0;
    place->spec = NULL;
    place->watched = false;
    for (int i = 0; i < 2; i++) {
        if (place->captures[i].file >= 0)
            capture_free(&place->captures[i]);
    }
    if (place->slot.state == SLOT_IDLE)
        idle_push(runner, place->slot.number);
}

void
runner_free(struct runner *runner)
{
    size_t       cursor = 0;
    struct kept *kept;

    for (uint32_t i = 0; i < runner->count; i++) {
        slot_close(&runner->places[i]->slot);
        capture_free(&runner->places[i]->captures[0]);
        capture_free(&runner->places[i]->captures[1]);
        free(runner->places[i]);
    }
    while ((kept = map_next(&runner->kept, &cursor, NULL)) != NULL) {
        capture_free(&kept->captures[0]);
        capture_free(&kept->captures[1]);
        free(kept);
    }
    free(runner->places);
    free(runner->idle);
    map_free(&runner->running);
    map_free(&runner->kept);
    buffer_free(&runner->strings);
    buffer_free(&runner->piece);
}

/* ---- start ---- */

static void
start_failed(struct runner *runner, uint64_t task, const struct muster_error *error)
{
    log_warn("a task goes back, this worker could not start it: %s", error->detail);
    runner->calls.failed(runner->calls.context, task, error->detail);
}

/* The task cannot be started anywhere. */
static void
start_refused(struct runner *runner, uint64_t task, const char *reason)
{
    struct wire_result result;

    result_refused(&result, runner->host, reason);
    runner->calls.ended(runner->calls.context, task, &result);
}

static uint32_t
output_limit(const struct runner *runner, const struct wire_spec *spec)
{
    /* 0: as much as needs no chunks, which the manager would refuse. */
    uint32_t wanted = spec->output_bytes > 0 ? spec->output_bytes : OUTPUT_INLINE_BYTES_MAX;

    return wanted < runner->output_max ? wanted : runner->output_max;
}

static void
place_start(struct runner *runner, struct place *place, uint64_t task,
            const struct wire_token *token, const struct wire_spec *spec, struct slice input)
{
    char                scratch[PATH_MAX];
    struct command_task command = { .spec = spec, .token = token, .input = input,
                                    .scratch = scratch, .worker = runner->worker,
                                    .base_env = runner->base_env, .address = runner->address };
    struct order        order = { .task = task, .time_limit_ms = spec->time_limit_ms,
                                  .grace_ms = spec->grace_ms > 0 ? spec->grace_ms
                                                                 : runner->grace_ms,
                                  .mem_bytes = spec->mem_bytes,
                                  .cwd_is_scratch = spec->cwd.bytes == 0 };
    struct muster_error error = { 0 };
    int                 stdin_fd = -1;
    muster_err          err;

    scratch_path(scratch, runner->scratch, place->slot.number);
    if (spec->own_key && task_keys_file(runner->keys, task, &command.key_file, &error)) {
        idle_push(runner, place->slot.number);
        start_failed(runner, task, &error);
        return;
    }
    buffer_clear(&runner->strings);
    err = command_put(&command, &runner->strings, &order.argc, &order.envc, &error);
    if (err) {
        idle_push(runner, place->slot.number);
        start_refused(runner, task, error.detail);
        return;
    }
    err = stdin_open(runner->stdins, spec, token->job, input, &stdin_fd, &error);
    if (!err)
        err = slot_run(&place->slot, &order, buffer_slice(&runner->strings), stdin_fd, &error);
    if (stdin_fd >= 0)
        close(stdin_fd);
    if (err) {
        idle_push(runner, place->slot.number);
        start_failed(runner, task, &error);
        return;
    }
    place->task = task;
    place->token = *token;
    place->spec = spec;
    place->input = input;
    for (int i = 0; i < 2; i++)
        capture_start(&place->captures[i], output_limit(runner, spec));
    map_put(&runner->running, task, place);
}

static void
function_start(struct runner *runner, uint64_t task, const struct wire_token *token,
               const struct wire_spec *spec, struct slice input, bool ahead)
{
    struct function_start start = { task, *token, spec, input, -1, ahead, NULL };
    struct muster_error   error = { 0 };

    if (spec->own_key && task_keys_file(runner->keys, task, &start.key_file, &error))
        start_failed(runner, task, &error);
    else if (spec->stdin_bytes > spec->stdin_inline.bytes &&
             stdin_open(runner->stdins, spec, token->job, input, &start.argument_fd, &error))
        start_failed(runner, task, &error);
    else
        functions_start(runner->functions, &start);
}

void
runner_start(struct runner *runner, uint64_t task, const struct wire_token *token,
             const struct wire_spec *spec, struct slice input, bool ahead)
{
    struct muster_error error = { 0 };
    struct place       *place;

    if (stdin_must_wait(runner->stdins, spec, token->job)) {
        struct stdin_waiter waiter = { task, *token, spec, input, ahead };

        if (stdin_wait(runner->stdins, &waiter, &error))
            start_failed(runner, task, &error);
        return;
    }
    if (spec->function.bytes > 0) {
        function_start(runner, task, token, spec, input, ahead);
        return;
    }
    place = place_take(runner, &error);
    if (place == NULL)
        start_failed(runner, task, &error);
    else
        place_start(runner, place, task, token, spec, input);
}

void
runner_kill(struct runner *runner, uint64_t task, bool hard)
{
    struct place *place = map_get(&runner->running, task);

    if (place != NULL)
        slot_kill(&place->slot, task, hard);
    else if (functions_kill(runner->functions, task, hard, clock_now_ms()))
        return;
    else if (stdin_forget(runner->stdins, task))
        start_refused(runner, task, "stopped while it waited for its standard input");
}

/* ---- output ---- */

static void
output_live(struct runner *runner, const struct place *place, uint8_t stream, uint64_t offset,
            struct slice data)
{
    while (data.bytes > 0) {
        struct msg_task_output m = { .token = place->token, .stream = stream, .offset = offset,
                                     .data = slice_cut(data, 0, CHUNK_BYTES_MAX) };

        runner->calls.output(runner->calls.context, &m);
        offset += m.data.bytes;
        data = slice_cut(data, m.data.bytes, data.bytes);
    }
}

/* True when there may be more. */
static bool
pipe_read(struct runner *runner, struct place *place, unsigned stream)
{
    struct buffer *piece = &runner->piece;
    ssize_t        got;

    buffer_reserve(piece, PIPE_READ_BYTES);
    got = read(place->slot.pipes[stream], piece->data, PIPE_READ_BYTES);
    if (got == 0)
        slot_pipe_ended(&place->slot, stream);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    if (place->task == 0)
        return true;                  /* nobody's: cannot be, see slot.h */
    if (place->watched)
        output_live(runner, place, (uint8_t)stream, place->captures[stream].written,
                    slice_of(piece->data, (size_t)got));
    capture_add(&place->captures[stream], slice_of(piece->data, (size_t)got), runner->scratch);
    return true;
}

void
runner_watch(struct runner *runner, uint64_t task, bool on)
{
    struct place *place = map_get(&runner->running, task);

    if (place == NULL) {
        functions_watch(runner->functions, task, on);
        return;
    }
    place->watched = on;
    /* Who starts to watch sees the beginning, as far as it is in memory; others
     * who watched before drop by its offset what they have seen. */
    for (uint8_t stream = 0; stream < 2 && on; stream++)
        output_live(runner, place, stream, 0, capture_inline(&place->captures[stream]));
}

/* ---- the end ---- */

static struct kept *
kept_get(struct runner *runner, uint64_t task)
{
    struct kept *kept = map_get(&runner->kept, task);

    if (kept == NULL) {
        kept = base_alloc(sizeof(*kept));
        kept->captures[0].file = kept->captures[1].file = -1;
        map_put(&runner->kept, task, kept);
    }
    return kept;
}

void
runner_keep(struct runner *runner, uint64_t task, struct capture captures[2])
{
    struct kept *kept = kept_get(runner, task);

    kept->has_captures = true;
    for (int i = 0; i < 2; i++) {
        kept->captures[i] = captures[i];
        captures[i] = (struct capture){ .file = -1 };
    }
}

/* What the task was, in words, is made again only when something went wrong. */
static void
describe(struct runner *runner, const struct place *place, const struct report *report,
         struct wire_result *result)
{
    struct command_task command = { .spec = place->spec, .token = &place->token,
                                    .input = place->input, .scratch = "", .worker = "",
                                    .base_env = runner->base_env };
    struct muster_error error;
    uint32_t            argc, envc;
    struct slice        name = { 0 };

    buffer_clear(&runner->strings);
    if (!command_put(&command, &runner->strings, &argc, &envc, &error))
        name = command_name(buffer_slice(&runner->strings));
    result_of_failure(result, report, place->spec, name);
}

static void
place_ended(struct runner *runner, struct place *place, const struct report *report)
{
    struct wire_result result;
    uint64_t           task = place->task;
    bool               more;

    for (unsigned stream = 0; stream < 2; stream++) {
        do
            more = pipe_read(runner, place, stream);
        while (more);
        capture_end(&place->captures[stream]);
    }
    if (report->end == RUN_FAULT) {
        struct muster_error error;

        result_fault(&error, report);
        place_leave(runner, place);
        start_failed(runner, task, &error);
        return;
    }
    result_of_report(&result, report, runner->host, place->captures);
    if (report->end != RUN_EXITED || report->status != 0)
        describe(runner, place, report, &result);
    runner->calls.ended(runner->calls.context, task, &result);
    if (result.out_kept > result.out.bytes || result.err_kept > result.err.bytes)
        runner_keep(runner, task, place->captures);
    place_leave(runner, place);
}

/* The keeper died under a task: the nursery kills what is left and says so. */
static void
socket_readable(struct runner *runner, struct place *place)
{
    struct report report;
    int           got = slot_receive(&place->slot, &report);

    if (got <= 0 || place->task == 0 || report.task != place->task)
        return;
    if (report.kind == REPORT_STARTED)
        runner->calls.started(runner->calls.context, place->task, (uint32_t)report.pid);
    else if (report.kind == REPORT_ENDED)
        place_ended(runner, place, &report);
}

void
runner_readable(struct runner *runner, uint32_t kind, uint32_t number)
{
    struct place *place = runner->places[number];

    assert(number < runner->count);
    if (place->slot.state == SLOT_CLOSED)
        return;
    if (kind == RUNNER_SOCKET)
        socket_readable(runner, place);
    else
        pipe_read(runner, place, kind == RUNNER_STDERR);
}

void
runner_gone(struct runner *runner, uint32_t number)
{
    struct place *place;
    uint64_t      task;

    if (number >= runner->count)
        return;
    place = runner->places[number];
    while (place->slot.state == SLOT_BUSY || place->slot.state == SLOT_IDLE ||
           place->slot.state == SLOT_NEW)
        socket_readable(runner, place);      /* to its end: a last report may be there */
    task = place->task;
    slot_close(&place->slot);
    if (!place->stacked)
        idle_push(runner, number);    /* to be opened anew */
    if (task == 0)
        return;
    log_warn("the keeper of a task was killed; the task goes back");
    place_leave(runner, place);
    runner->calls.lost(runner->calls.context, task, "the keeper of a task was killed");
}

void
runner_all_gone(struct runner *runner)
{
    for (int i = 0; i < STDIN_JOBS_MAX; i++) {
        struct stdin_body *body = runner->stdins->bodies[i];

        while (body != NULL && body->waiter_count > 0) {
            uint64_t task = body->waiters[0].task;

            stdin_forget(runner->stdins, task);
            runner->calls.failed(runner->calls.context, task, "its keepers were killed");
        }
    }
    for (uint32_t number = 0; number < runner->count; number++)
        runner_gone(runner, number);
}

/* ---- results that wait ---- */

muster_err
runner_spool(struct runner *runner, uint64_t task, const struct spool_record *record,
             struct muster_error *error)
{
    struct kept *kept = map_get(&runner->kept, task);
    uint64_t     id;
    muster_err   err;

    if (runner->spool->folder == NULL)
        return MUSTER_OK;
    err = spool_write(runner->spool, record,
                      kept != NULL && kept->has_captures ? kept->captures : NULL, &id, error);
    if (err)
        return err;
    kept_get(runner, task)->spool_id = id;
    return MUSTER_OK;
}

void
runner_restored(struct runner *runner, uint64_t task, uint64_t spool_id)
{
    kept_get(runner, task)->spool_id = spool_id;
}

void
runner_release(struct runner *runner, uint64_t task)
{
    struct kept *kept = map_remove(&runner->kept, task);

    if (kept == NULL)
        return;
    if (kept->spool_id != 0)
        spool_remove(runner->spool, kept->spool_id);
    capture_free(&kept->captures[0]);
    capture_free(&kept->captures[1]);
    free(kept);
}

bool
runner_read(struct runner *runner, uint64_t task, uint8_t stream, uint32_t offset, uint32_t bytes,
            struct buffer *out)
{
    const struct kept  *kept = map_get(&runner->kept, task);
    struct muster_error error;

    if (kept == NULL)
        return false;
    if (kept->has_captures)
        return capture_read(&kept->captures[stream], offset, bytes, out);
    if (spool_read(runner->spool, kept->spool_id, stream, offset, bytes, out, &error)) {
        log_warn("%s", error.detail);
        return false;
    }
    return true;
}
