/* functions_server.c - children: what they say, how calls and children end */
#include "functions_parts.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "hatch.h"
#include "log.h"
#include "parse.h"

enum { QUICK_SHARE = 8 };            /* of the last call in what a call takes lately */

/* ---- servers come and go ---- */

struct server *
server_open(struct functions *functions, struct muster_error *error)
{
    struct server *server = base_alloc(sizeof(*server));

    if (child_open(&server->child, ++functions->child_last, functions->hatchery,
                   functions->worker, error)) {
        log_warn("calls go back, this worker could not start them: %s", error->detail);
        free(server);
        return NULL;
    }
    list_init(&server->handed);
    server->look_at_ms = UINT64_MAX;
    server->opened_ms = clock_now_ms();
    list_append(&functions->servers, &server->link);
    map_put(&functions->by_child, (uint32_t)server->child.number, server);
    functions->calls.watch_child(functions->calls.context, server->child.socket,
                                 (uint32_t)server->child.number);
    return server;
}

void
server_free(struct functions *functions, struct server *server)
{
    assert(server->handed_count == 0);
    list_remove(&server->link);
    map_remove(&functions->by_child, (uint32_t)server->child.number);
    child_close(&server->child);
    free(server);
}

bool
server_usable(const struct functions *functions, const struct server *server)
{
    (void)functions;
    return !server->ending && !server->child.finish;
}

/* The page is the child's: it may tell of calls that it was never handed, go back, or
 * say that a call begins only now, again and again. */
static uint32_t
server_begun(struct server *server)
{
    uint32_t begun = page_begun(server->child.page);

    if (begun >= server->child.next)
        begun = server->child.next - 1;
    if (begun > server->begun) {
        server->begun = begun;
        server->begun_us = 0;
    }
    return server->begun;
}

struct call *
server_running(struct server *server)
{
    struct call *first = server->handed_count > 0 ? CALL_OF(server->handed.next) : NULL;

    return first != NULL && server_begun(server) >= first->number ? first : NULL;
}

struct call *
server_suspect(const struct server *server)
{
    /* Those behind it can only be begun when its result is here. */
    return server->handed_count > 0 && server->child.state != CHILD_NEW
               ? CALL_OF(server->handed.next) : NULL;
}

uint64_t
server_started_us(struct server *server, uint64_t now_us)
{
    uint64_t told_us = atomic_load(&server->child.page->started_us);

    if (server->begun_us == 0)
        server->begun_us = now_us;
    return told_us < server->begun_us ? told_us : server->begun_us;
}

void
server_signal(struct functions *functions, struct server *server)
{
    struct hatch order = { .kind = HATCH_KILL, .child = server->child.number,
                           .number = server->signal };

    if (server->signal == 0)
        return;
    if (hatch_send(functions->hatchery, MSG_DONTWAIT, &order, NULL) || errno != EAGAIN)
        server->signal = 0;
    else
        server->look_at_ms = 0;
}

void
server_kill(struct functions *functions, struct server *server, int signal)
{
    server->ending = true;
    if (server->signal != SIGKILL)
        server->signal = signal;
    server_signal(functions, server);
}

/* What is not begun is saved first; and the call may have ended just now. */
void
server_stop(struct functions *functions, struct server *server, enum stop stop, int signal,
            uint64_t kill_at_ms)
{
    struct call *call = server_running(server);
    uint32_t     number = call != NULL ? call->number : 0;

    server_take_back(server);
    if (page_has(server->child.page))
        server_listen(functions, server, clock_now_ms());
    call = server_running(server);
    if (call == NULL || call->number != number)
        return;
    server->stop = stop;
    server->stop_call = call->number;
    server->kill_at_ms = kill_at_ms;
    server_kill(functions, server, signal);
}

/* ---- results ---- */

static struct capture *
call_captures(struct functions *functions, struct call *call)
{
    if (call->captures == NULL) {
        call->captures = base_array(2, sizeof(*call->captures));
        for (int i = 0; i < 2; i++) {
            call->captures[i].file = -1;
            capture_start(&call->captures[i],
                          function_output_limit(functions, call->group->spec));
        }
    }
    return call->captures;
}

static void
call_output(struct functions *functions, struct call *call, uint8_t stream, struct slice data)
{
    struct capture        *captures = call_captures(functions, call);
    struct msg_task_output m = { .token = call->token, .stream = stream,
                                 .offset = captures[stream].written };

    capture_add(&captures[stream], data, functions->scratch);
    /* What a dead call printed comes all at once, and may be more than a message holds. */
    while (call->watched && data.bytes > 0) {
        m.data = slice_cut(data, 0, CHUNK_BYTES_MAX);
        functions->calls.output(functions->calls.context, &m);
        m.offset += m.data.bytes;
        data = slice_cut(data, m.data.bytes, SIZE_MAX);
    }
}

static const char *
stop_reason(const struct call *call, enum stop stop, char text[static TEXT_BYTES_MAX])
{
    const struct wire_spec *spec = call->group->spec;
    int                     name = (int)spec->function.bytes;
    const char             *function = spec->function.data;
    char                    amount[16];

    if (stop == STOP_TIME)
        snprintf(text, TEXT_BYTES_MAX, "function %.*s: ran longer than its limit of %s", name,
                 function, format_duration(amount, spec->time_limit_ms));
    else if (stop == STOP_MEMORY)
        snprintf(text, TEXT_BYTES_MAX, "function %.*s: over its memory limit of %s", name,
                 function, format_size(amount, spec->mem_bytes));
    else if (stop == STOP_PRINTED)
        snprintf(text, TEXT_BYTES_MAX, "function %.*s: printed more than %s", name, function,
                 format_size(amount, FUNCTIONS_PRINTED_MAX));
    else if (stop == STOP_CANCEL)
        snprintf(text, TEXT_BYTES_MAX, "function %.*s: stopped while it ran", name, function);
    else
        snprintf(text, TEXT_BYTES_MAX, "function %.*s: wrote over memory that is not its own",
                 name, function);
    return text;
}

static enum wire_outcome
stop_outcome(enum stop stop)
{
    static const enum wire_outcome outcomes[] = {
        [STOP_NONE] = OUTCOME_SIGNALED, [STOP_CANCEL] = OUTCOME_CANCELLED,
        [STOP_TIME] = OUTCOME_TIMED_OUT, [STOP_MEMORY] = OUTCOME_MEMORY,
        [STOP_PRINTED] = OUTCOME_SIGNALED, [STOP_BROKEN] = OUTCOME_SIGNALED,
    };

    return outcomes[stop];
}

static uint64_t
unix_of(uint64_t started_us, uint64_t now_us)
{
    return clock_unix_ms() - (now_us > started_us ? (now_us - started_us) / 1000 : 0);
}

/* It ran after its child was made, and before now, whatever the child says. */
static void
result_times(struct wire_result *result, const struct server *server,
             const struct frame_result *said)
{
    uint64_t now_us = clock_now_us(), opened_us = server->opened_ms * 1000;
    uint64_t started_us = said->started_us > opened_us ? said->started_us : opened_us;
    uint64_t most_us = now_us > started_us ? now_us - started_us : 0;

    result->started_unix_ms = unix_of(started_us, now_us);
    result->wall_us = said->wall_us < most_us ? said->wall_us : most_us;
}

static void
call_result(struct functions *functions, struct server *server, struct call *call,
            const struct frame_result *said)
{
    struct group      *group = call->group;
    char               text[TEXT_BYTES_MAX];
    struct wire_result result = {
        .outcome = (uint8_t)(said->failed ? OUTCOME_EXITED : OUTCOME_SUCCEEDED),
        .exit_code = said->failed,
        .cpu_us = said->cpu_us,
        .rss_bytes = said->rss_bytes,
        .pid = (uint32_t)server->child.pid,
        .reason = said->reason,
        .out_bytes = said->out.bytes,
        .out_kept = (uint32_t)said->out.bytes,
        .out = said->out,
    };

    result_times(&result, server, said);
    if (server->stop == STOP_TIME && server->stop_call == call->number) {
        result.outcome = OUTCOME_TIMED_OUT;
        result.reason = slice_text(stop_reason(call, STOP_TIME, text));
    }
    if (call->captures != NULL) {
        capture_add(&call->captures[0], said->out, functions->scratch);
        capture_end(&call->captures[0]);
        capture_end(&call->captures[1]);
        /* A result that is not whole is none. */
        if (call->captures[0].lost && !said->failed) {
            result.outcome = OUTCOME_EXITED;
            result.exit_code = 1;
            result.reason = slice_text("its result was lost: the worker's disk took no more");
        }
    }
    group->quick_us = group->quick_us == 0
                          ? result.wall_us
                          : (group->quick_us * (QUICK_SHARE - 1) + result.wall_us) / QUICK_SHARE;
    group->quick_us += group->quick_us == 0;
    call_end(functions, call, &result);
}

static bool
on_result(struct functions *functions, struct server *server, const struct frame_result *said,
          uint64_t now_ms)
{
    struct call *call = server->handed_count > 0 ? CALL_OF(server->handed.next) : NULL;

    if (call == NULL || call->number != said->call)
        return false;
    call->group->progress_ms = now_ms;
    server->slow = false;
    server->still_ms = 0;
    server->results++;
    call_result(functions, server, call, said);
    if (server->ending) {
        server_kill(functions, server, SIGKILL);       /* it did not die of its end */
    } else if (server->stop_call == said->call) {
        server->stop = STOP_NONE;          /* it heard that it was cancelled */
        server->kill_at_ms = 0;
    }
    return true;
}

static bool
on_data(struct functions *functions, struct server *server, const struct frame_data *said)
{
    struct call *call = server->handed_count > 0 ? CALL_OF(server->handed.next) : NULL;

    if (call == NULL || call->number != said->call)
        return said->call == 0;            /* a hook's */
    call_output(functions, call, said->stream, said->data);
    return true;
}

static bool
on_ready(struct server *server, const struct frame_ready *said)
{
    if (server->child.state != CHILD_NEW)
        return false;
    if (server->child.pid == 0)
        server->child.pid = (pid_t)said->pid;
    if (said->error.bytes > 0) {
        server->ending = true;             /* GONE follows */
        snprintf(server->fault, sizeof(server->fault), "%.*s", (int)said->error.bytes,
                 (const char *)said->error.data);
        log_warn("a child cannot serve functions: %s", server->fault);
        return true;
    }
    server->child.state = server->child.finish ? CHILD_LEAVING : CHILD_READY;
    return true;
}

static bool
on_frame(struct functions *functions, struct server *server, const struct frame *frame,
         uint64_t now_ms)
{
    switch ((int)frame->kind) {
    case FRAME_READY:
        return on_ready(server, &frame->ready);
    case FRAME_DATA:
        return on_data(functions, server, &frame->data);
    case FRAME_RESULT:
        return on_result(functions, server, &frame->result, now_ms);
    default:
        return false;
    }
}

/* What it says is nonsense: whatever follows is none of ours. */
static void
server_break(struct functions *functions, struct server *server)
{
    log_warn("a child that runs functions says what cannot be read; it is killed");
    server_take_back(server);
    child_hang_up(&server->child);
    server->stop = STOP_BROKEN;
    server->stop_call = server_begun(server);
    server_kill(functions, server, SIGKILL);
}

void
server_listen(struct functions *functions, struct server *server, uint64_t now_ms)
{
    struct frame frame;
    bool         good = server->stop != STOP_BROKEN && child_listen(&server->child);
    int          got = 0;

    while (good && (got = child_next(&server->child, &frame)) == 1)
        good = on_frame(functions, server, &frame, now_ms);
    if ((!good || got < 0) && server->stop != STOP_BROKEN)
        server_break(functions, server);
}

/* ---- the end of a child ---- */

static const char *
death_reason(const struct server *server, const struct call *call, int32_t status,
             char text[static TEXT_BYTES_MAX])
{
    const struct slice *name = &call->group->spec->function;
    char                signal_name[64];

    if (status >= 0) {
        snprintf(text, TEXT_BYTES_MAX, "function %.*s: called exit(%d)", (int)name->bytes,
                 (const char *)name->data, status);
        return text;
    }
    snprintf(signal_name, sizeof(signal_name), "%s", strsignal(-status));
    signal_name[0] = (char)tolower(signal_name[0]);
    snprintf(text, TEXT_BYTES_MAX, "function %.*s: killed by signal %d (%s)%s", (int)name->bytes,
             (const char *)name->data, -status, signal_name,
             atomic_load(&server->child.page->overflowed) == call->number
                 ? ": its stack overflowed" : "");
    return text;
}

/* The call that was begun and has no result: it did it. */
static void
call_died(struct functions *functions, struct server *server, struct call *call, int32_t status)
{
    char               text[TEXT_BYTES_MAX];
    uint64_t           now_us = clock_now_us();
    uint64_t           started_us = server_started_us(server, now_us);
    enum stop          stop = server->stop_call == call->number ? server->stop : STOP_NONE;
    struct buffer      printed = { 0 };
    struct wire_result result = {
        .outcome = (uint8_t)(status < 0 ? stop_outcome(stop) : OUTCOME_EXITED),
        .exit_code = status != 0 ? status : 1,
        .started_unix_ms = unix_of(started_us, now_us),
        .wall_us = now_us > started_us ? now_us - started_us : 0,
        .pid = (uint32_t)server->child.pid,
    };

    if (stop == STOP_TIME)
        result.outcome = OUTCOME_TIMED_OUT;
    result.reason = slice_text(stop != STOP_NONE ? stop_reason(call, stop, text)
                                                 : death_reason(server, call, status, text));
    child_printed(&server->child, FUNCTIONS_PRINTED_MAX, &printed);
    if (printed.bytes > 0)
        call_output(functions, call, 1, buffer_slice(&printed));
    buffer_free(&printed);
    if (call->captures != NULL) {
        /* A part of a result is none. */
        capture_free(&call->captures[0]);
        capture_start(&call->captures[0], 1);
        capture_end(&call->captures[1]);
    }
    call_end(functions, call, &result);
}

/* One that dies before its first call would die again: others may do better.  But when it
 * could have begun one, and not said so, it may have died of that. */
static void
server_useless(struct functions *functions, struct server *server, int32_t status)
{
    struct call *suspect = server_suspect(server);

    if (server->fault[0] == '\0') {
        snprintf(server->fault, sizeof(server->fault),
                 "a child ended before it could serve functions (%s %d)",
                 status < 0 ? "signal" : "exit status", status < 0 ? -status : status);
        log_warn("%s", server->fault);
    }
    if (suspect != NULL)
        call_lost(functions, suspect, server->fault);
    while (server->handed_count > 0)
        call_fail(functions, CALL_OF(server->handed.prev), server->fault);
}

void
server_gone(struct functions *functions, struct server *server, int32_t status, uint64_t now_ms)
{
    struct call *call;

    server_listen(functions, server, now_ms);
    call = server_running(server);
    if (call == NULL && server->results == 0 && server->handed_count > 0)
        server_useless(functions, server, status);
    while (server->handed_count > (call != NULL ? 1 : 0))
        call_take_back(CALL_OF(server->handed.prev));
    if (call != NULL)
        call_died(functions, server, call, status);
    server_free(functions, server);
}

/* ---- the hatchery ---- */

static void
server_made(struct functions *functions, struct server *server, pid_t pid)
{
    if (server->child.pid != 0 && server->child.pid != pid)
        server_break(functions, server);       /* it said that it is somebody else */
    server->child.pid = pid;
}

bool
functions_hatchery(struct functions *functions, uint64_t now_ms)
{
    struct hatch   message;
    int            got;

    while ((got = hatch_receive(functions->hatchery, MSG_DONTWAIT, &message, NULL)) == 1) {
        struct server *server = map_get(&functions->by_child, (uint32_t)message.child);

        if (message.kind == HATCH_PONG)
            hatchery_answered(functions, now_ms);
        if (server == NULL || server->child.number != message.child)
            continue;
        if (message.kind == HATCH_MADE)
            server_made(functions, server, (pid_t)message.number);
        else if (message.kind == HATCH_GONE)
            server_gone(functions, server, message.number, now_ms);
    }
    return got == 0;
}
