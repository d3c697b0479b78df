/* functions_world.h - calls of functions, without a worker, a hatchery or children
 *
 * Method: the test is the agent, the hatchery and the children.  A story is a script; what
 * the functions tell or do is logged.  Time is what the script says.
 *
 *   start:N start:+N   a call that fits, one ahead          turn   +MS   (time, then a turn)
 *   kill:N kill-hard:N                                       ready:C  broken:C (start hooks fail)
 *   begin:C       child C begins its next call               done:C   the call that it began ends
 *   said:C        the same, without its bell                 fail:C   it fails
 *   nonsense:C    child C writes nonsense                    gone:C:STATUS
 *   pid:C:PID     the hatchery tells its pid                 pong (to its ping)
 *   full empty    the hatchery reads nothing, all            dies (it was killed)  all-gone
 *   young:C ahead:C unbegun:C   its page says that the call began in the future, that calls
 *                 began which it was never handed, that none did
 *   flood:C hang-up:C           it rings without end, closes its socket
 *   print:C       more than may be printed
 *
 *   recycle       children serve one call                    long-ago (results lie about times)
 *
 *   logged: made:C, handed C:N (child:call), ended:N/outcome, failed:N (why), unstarted:N,
 *   signal:C:S, cancelled:C (the flag is set), running:N (told to the manager),
 *   lost:N (why), ping, stuck (the hatchery died)
 */
#ifndef FUNCTIONS_WORLD_H
#define FUNCTIONS_WORLD_H

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "functions.h"
#include "hatch.h"
#include "stories.h"

enum { CHILDREN = 8, CALLS = 20, QUICK_US = 10, LIMIT_MS = 500, GRACE_MS = 200 };

struct double_child {
    uint64_t      number;
    int           socket, output;
    struct page  *page;
    struct buffer in;
    uint32_t      handed[CALLS], tasks[CALLS];   /* numbers and tasks of calls, in order */
    uint32_t      count, begun, done;
    bool          cancelled;
};

static struct {
    struct functions    functions;
    int                 hatchery, ours[2];       /* our end; both */
    pid_t               hatchery_pid;            /* waits to be killed */
    bool                deaf;                    /* it reads nothing */
    bool                long_ago;                /* results tell that they took ages */
    struct double_child children[CHILDREN];
    uint32_t            count;
    struct buffer       log;
    uint64_t            now_ms, opened_us;
} w;

static const struct wire_spec spec = { .function = { "f", 1 }, .cpus_milli = 1000,
                                       .time_limit_ms = LIMIT_MS, .grace_ms = GRACE_MS,
                                       .output_bytes = 1000 };

struct functions_story {
    const char *story, *script, *log;
};

/* ---- what the functions tell ---- */

static void __attribute__((format(printf, 1, 2)))
note(const char *format, ...)
{
    va_list args;
    char    text[128];

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_append_text(&w.log, w.log.bytes > 0 ? " " : "");
    buffer_append_text(&w.log, text);
}

static void
on_watch(void *context, int fd, uint32_t number)
{
    (void)context;
    (void)fd;
    (void)number;
}

static void
on_ended(void *context, uint64_t task, const struct wire_result *result)
{
    (void)context;
    assert_true(result->wall_us <= clock_now_us() - w.opened_us);
    note("ended:%u/%s", (unsigned)task, wire_outcome_name(result->outcome));
}

static void
on_failed(void *context, uint64_t task, const char *why)
{
    (void)context;
    note("failed:%u (%s)", (unsigned)task, why);
}

static void
on_lost(void *context, uint64_t task, const char *why)
{
    (void)context;
    note("lost:%u (%s)", (unsigned)task, why);
}

static void
on_unstarted(void *context, uint64_t task)
{
    (void)context;
    note("unstarted:%u", (unsigned)task);
}

static void
on_started(void *context, uint64_t task, uint32_t pid)
{
    (void)context;
    assert_int_equal(pid, 4711);
    note("running:%u", (unsigned)task);
}

static void
on_output(void *context, const struct msg_task_output *m)
{
    (void)context;
    (void)m;
}

static void
on_keep(void *context, uint64_t task, struct capture captures[2])
{
    (void)context;
    (void)captures;
    fail_msg("task %u keeps more than it says", (unsigned)task);
}

/* ---- the hatchery and its children ---- */

static struct double_child *
child_of(uint64_t number)
{
    for (uint32_t i = 0; i < w.count; i++) {
        if (w.children[i].number == number)
            return &w.children[i];
    }
    fail_msg("no child %llu", (unsigned long long)number);
    return NULL;
}

static void
see_orders(void)
{
    struct hatch message;
    int          fds[HATCH_FDS];

    while (hatch_receive(w.hatchery, MSG_DONTWAIT, &message, fds) == 1) {
        struct double_child *child = &w.children[w.count];

        if (message.kind == HATCH_PING || message.kind == HATCH_LIST) {
            if (message.kind == HATCH_PING)    /* LIST: what filled the socket */
                note("ping");
            continue;
        }
        if (message.kind == HATCH_KILL) {
            note("signal:%u:%d", (unsigned)(child_of(message.child) - w.children), message.number);
            continue;
        }
        assert_int_equal(message.kind, HATCH_MAKE);
        assert_true(w.count < CHILDREN);
        *child = (struct double_child){ .number = message.child, .socket = fds[0],
                                        .output = fds[2], .page = page_map(fds[1]) };
        close(fds[1]);
        w.count++;
    }
}

/* What was handed over since the last look; arguments are the tasks' numbers. */
static void
see_calls(uint32_t at)
{
    struct double_child *child = &w.children[at];
    uint8_t              bytes[4096];
    ssize_t              got;
    struct frame         frame;
    size_t               wanted, done = 0;
    long                 taken;

    if (child->socket < 0)
        return;
    while ((got = recv(child->socket, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        buffer_append(&child->in, bytes, (size_t)got);
    while ((taken = frame_get(slice_of(child->in.data + done, child->in.bytes - done),
                              FRAME_IN_BYTES_MAX, &frame, &wanted)) > 0) {
        done += (size_t)taken;
        if (frame.kind != FRAME_CALL)
            continue;
        assert_int_equal(frame.call.argument.bytes, 1);
        child->handed[child->count] = frame.call.call;
        child->tasks[child->count++] = *(const uint8_t *)frame.call.argument.data;
        note("%u:%u", at, child->tasks[child->count - 1]);
    }
    assert_int_equal(taken, 0);
    buffer_consume(&child->in, done);
    if (!child->cancelled && atomic_load(&child->page->cancelled) != 0) {
        child->cancelled = true;
        note("cancelled:%u", at);
    }
}

static void
see(void)
{
    uint32_t before = w.count;

    if (w.deaf)
        return;
    see_orders();
    for (uint32_t i = 0; i < w.count; i++) {
        if (i >= before)
            note("made:%u", i);
        see_calls(i);
    }
}

static void
no_bell(void)
{
}

static void
child_say(struct double_child *child, const struct frame *frame, bool bell)
{
    struct buffer bytes = { 0 };

    frame_put(&bytes, frame);
    page_write(child->page, buffer_slice(&bytes), no_bell);
    buffer_free(&bytes);
    if (bell && page_wants_bell(child->page))
        functions_readable(&w.functions, (uint32_t)child->number, w.now_ms);
}

/* The next call that is still wanted. */
static void
child_begin(struct double_child *child)
{
    while (child->begun < child->count) {
        if (page_begin(child->page, child->handed[child->begun++], w.now_ms * 1000))
            return;
    }
    fail_msg("nothing to begin");
}

static void
child_done(struct double_child *child, bool failed, bool bell)
{
    struct frame frame = { .kind = FRAME_RESULT,
                           .result = { .call = page_begun(child->page), .failed = failed,
                                       .started_us = w.long_ago ? 1 : w.now_ms * 1000,
                                       .wall_us = w.long_ago ? UINT64_MAX : QUICK_US,
                                       .reason = slice_text(failed ? "why" : "") } };

    child_say(child, &frame, bell);
}

/* The hatchery says something about it. */
static void
child_told(struct double_child *child, enum hatch_kind kind, int number)
{
    struct hatch message = { .kind = kind, .child = child->number, .number = number };

    assert_true(hatch_send(w.hatchery, 0, &message, NULL));
    assert_true(functions_hatchery(&w.functions, w.now_ms));
}

/* ---- harm ---- */

static void
child_harm(const char *what, struct double_child *child)
{
    static const uint8_t bells[64];
    struct page         *page = child->page;

    if (strcmp(what, "young") == 0) {
        atomic_store(&page->started_us, UINT64_MAX);
    } else if (strcmp(what, "ahead") == 0) {
        atomic_store(&page->ticket, (uint64_t)UINT32_MAX << 32);
    } else if (strcmp(what, "unbegun") == 0) {
        atomic_store(&page->ticket, 0);
    } else if (strcmp(what, "print") == 0) {
        assert_int_equal(ftruncate(child->output, 65 << 20), 0);
    } else {
        if (strcmp(what, "flood") == 0) {
            assert_int_equal(send(child->socket, bells, sizeof(bells), 0), sizeof(bells));
        } else {
            assert_string_equal(what, "hang-up");
            close(child->socket);
            child->socket = -1;
        }
        functions_readable(&w.functions, (uint32_t)child->number, w.now_ms);
    }
}

static void
hatchery_step(const char *what)
{
    static const struct hatch pong = { .kind = HATCH_PONG }, list = { .kind = HATCH_LIST };

    if (strcmp(what, "pong") == 0) {
        assert_true(hatch_send(w.hatchery, 0, &pong, NULL));
        assert_true(functions_hatchery(&w.functions, w.now_ms));
    } else if (strcmp(what, "dies") == 0) {
        assert_int_equal(waitpid(w.hatchery_pid, NULL, 0), w.hatchery_pid);
        w.hatchery_pid = 0;
        note("stuck");
    } else if (strcmp(what, "full") == 0) {
        w.deaf = true;
        while (hatch_send(w.functions.hatchery, MSG_DONTWAIT, &list, NULL))
            continue;
    } else if (strcmp(what, "empty") == 0) {
        w.deaf = false;
    } else {
        assert_string_equal(what, "all-gone");
        functions_all_gone(&w.functions);
    }
}

/* ---- the script ---- */

static void
start_call(unsigned number, bool ahead)
{
    static const uint8_t  arguments[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    struct function_start start = { .task = number, .token = { 1, number, 1, 1 }, .spec = &spec,
                                    .input = slice_of(&arguments[number], 1),
                                    .argument_fd = -1, .ahead = ahead };

    functions_start(&w.functions, &start);
}

static void
child_step(const char *what, struct double_child *child, int status)
{
    struct frame ready = { .kind = FRAME_READY, .ready = { .pid = 4711 } };

    if (strcmp(what, "broken") == 0)
        ready.ready.error = slice_text("no");
    if (strcmp(what, "ready") == 0 || strcmp(what, "broken") == 0)
        child_say(child, &ready, true);
    else if (strcmp(what, "begin") == 0)
        child_begin(child);
    else if (strcmp(what, "done") == 0 || strcmp(what, "said") == 0)
        child_done(child, false, what[0] == 'd');
    else if (strcmp(what, "fail") == 0)
        child_done(child, true, true);
    else if (strcmp(what, "nonsense") == 0) {
        page_write(child->page, slice_text("nonsense"), no_bell);
        functions_readable(&w.functions, (uint32_t)child->number, w.now_ms);
    } else if (strcmp(what, "gone") == 0)
        child_told(child, HATCH_GONE, status);
    else if (strcmp(what, "pid") == 0)
        child_told(child, HATCH_MADE, status);
    else
        child_harm(what, child);
}

static void
step(const char *text)
{
    char     what[16];
    unsigned number;
    int      status = 0;

    if (sscanf(text, "start:+%u", &number) == 1) {
        start_call(number, true);
    } else if (sscanf(text, "start:%u", &number) == 1) {
        start_call(number, false);
    } else if (sscanf(text, "kill:%u", &number) == 1) {
        assert_true(functions_kill(&w.functions, number, false, w.now_ms));
    } else if (sscanf(text, "kill-hard:%u", &number) == 1) {
        assert_true(functions_kill(&w.functions, number, true, w.now_ms));
    } else if (strcmp(text, "turn") == 0) {
        functions_turn(&w.functions, w.now_ms);
    } else if (text[0] == '+') {
        w.now_ms += (uint64_t)atoi(text + 1);
        assert_true(functions_wake_ms(&w.functions) <= w.now_ms);
        functions_turn(&w.functions, w.now_ms);
    } else if (strcmp(text, "long-ago") == 0) {
        w.long_ago = true;
    } else if (strcmp(text, "recycle") == 0) {
        w.functions.calls_per_child_max = 1;
    } else if (strchr(text, ':') == NULL) {
        hatchery_step(text);
    } else {
        assert_true(sscanf(text, "%15[a-z-]:%u:%d", what, &number, &status) >= 2);
        assert_true(number < w.count);
        child_step(what, &w.children[number], status);
    }
    see();
}

static void
world_open(void)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w.ours), 0);
    w.hatchery = w.ours[1];
    w.hatchery_pid = fork();
    if (w.hatchery_pid == 0) {
        for (;;)
            pause();
    }
    w.count = 0;
    w.deaf = w.long_ago = false;
    w.now_ms = clock_now_ms();
    w.opened_us = w.now_ms * 1000;
    buffer_clear(&w.log);
    w.functions = (struct functions){
        .calls = { NULL, on_watch, on_ended, on_failed, on_lost, on_unstarted, on_started,
                   on_output, on_keep },
        .hatchery = w.ours[0], .hatchery_pid = w.hatchery_pid, .worker = "node",
        .host = "here", .scratch = "/tmp",
        .output_max = 1000, .grace_ms = 1000, .start_limit_ms = 1000,
    };
    functions_init(&w.functions);
}

static void
world_close(void)
{
    functions_free(&w.functions);
    for (uint32_t i = 0; i < w.count; i++) {
        if (w.children[i].socket >= 0)
            close(w.children[i].socket);
        close(w.children[i].output);
        page_unmap(w.children[i].page);
        buffer_free(&w.children[i].in);
    }
    close(w.ours[0]);
    close(w.ours[1]);
    if (w.hatchery_pid == 0)
        return;
    assert_int_equal(waitpid(w.hatchery_pid, NULL, WNOHANG), 0);
    kill(w.hatchery_pid, SIGKILL);
    waitpid(w.hatchery_pid, NULL, 0);
}

static void
test_story(void **state)
{
    const struct functions_story *row = *state;
    char                         *script = base_text_copy(slice_text(row->script));
    char                         *rest = script;
    const char                   *one;

    world_open();
    while ((one = strsep(&rest, " ")) != NULL)
        step(one);
    world_close();
    free(script);
    assert_string_equal(buffer_text(&w.log), row->log);
    buffer_free(&w.log);
}

#endif
