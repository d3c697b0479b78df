/* serve.c - see serve.h
 *
 * One process, one call at a time, so the state is static.
 */
#include "serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "clock.h"
#include "frames.h"
#include "page.h"
#include "serve_call.h"

enum {
    SERVE_READ_BYTES  = 64 * 1024,
    SERVE_BELL_US     = 1000,          /* a result waits so long for company */
    SERVE_QUICK_US    = 1000,          /* a shorter call: its time is its processor time */
    SERVE_KEEP_BYTES  = 1024 * 1024,   /* of a buffer that a large call left */
    SERVE_STACK_BYTES = 64 * 1024,     /* for the handler of an overflow */
    SERVE_STACK_NEAR  = 1024 * 1024,   /* a fault so near to the stack pointer overflowed it */
};

static struct {
    struct function_table *table;
    struct page           *page;
    int                    socket, output;
    bool                   start;
    uint8_t               *in;         /* what was read: [at, end) is not served yet */
    size_t                 at, end, capacity;
    struct buffer          frame;
    uint64_t               now_us;     /* when the last call ended */
    uint64_t               untold_us;  /* the first result the worker was not told of; 0 = none */
    uint64_t               cpu_us;     /* at the last look */
    uint64_t               quick_us;   /* of quick calls since then */
    uint64_t               rss_bytes;
    bool                   forked;     /* this is a process that a function made */
} self;

/* ---- to the worker ---- */

static void
ring_bell(void)
{
    while (send(self.socket, "", 1, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR)
            _exit(0);                  /* nobody is there any more */
    }
}

/* Have the worker look at what was said. */
static void
tell(void)
{
    self.untold_us = 0;
    if (page_has(self.page) && page_wants_bell(self.page))
        ring_bell();
}

static void
say(const struct frame *frame)
{
    buffer_clear(&self.frame);
    frame_put(&self.frame, frame);
    page_write(self.page, buffer_slice(&self.frame), ring_bell);
}

static void
say_data(uint32_t call, uint8_t stream, struct slice data)
{
    while (data.bytes > 0) {
        struct frame frame = { .kind = FRAME_DATA, .data = { call, stream, { 0 } } };

        frame.data.data = slice_cut(data, 0, FRAME_DATA_BYTES_MAX);
        say(&frame);
        data = slice_cut(data, frame.data.data.bytes, SIZE_MAX);
    }
}

void
serve_log(uint32_t call, struct slice text)
{
    /* A hook before the children are made; or a process that a function made: the ring
     * has one writer, and standard error becomes the log, too. */
    if (self.page == NULL || self.forked) {
        (void)!write(2, text.data, text.bytes);
        return;
    }
    say_data(call, 1, text);
    tell();
}

bool
serve_cancelled(uint32_t call)
{
    return self.page != NULL && call != 0 && atomic_load(&self.page->cancelled) == call;
}

/* ---- what the call printed ---- */

static void
send_printed(uint32_t call)
{
    static uint8_t piece[FRAME_DATA_BYTES_MAX];
    off_t          bytes, at = 0;

    fflush(stdout);
    bytes = lseek(self.output, 0, SEEK_END);
    if (bytes <= 0)
        return;
    while (at < bytes) {
        ssize_t got = pread(self.output, piece, sizeof(piece), at);

        if (got <= 0)
            break;
        if (call != 0)
            say_data(call, 1, slice_of(piece, (size_t)got));
        at += got;
    }
    (void)!ftruncate(self.output, 0);
}

/* ---- one call ---- */

/* A system call only for calls that took long enough to pay for it. */
static void
measure(struct frame_result *result)
{
    struct rusage used;
    uint64_t      cpu_us, most_us;

    result->rss_bytes = self.rss_bytes;
    if (result->wall_us < SERVE_QUICK_US && self.rss_bytes > 0) {
        result->cpu_us = result->wall_us;
        self.quick_us += result->wall_us;
        return;
    }
    getrusage(RUSAGE_SELF, &used);
    cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
             (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    most_us = cpu_us - self.cpu_us;
    result->cpu_us = most_us > self.quick_us ? most_us - self.quick_us : 0;
    self.rss_bytes = (uint64_t)used.ru_maxrss * 1024;
    result->rss_bytes = self.rss_bytes;
    self.cpu_us = cpu_us;
    self.quick_us = 0;
}

static void
say_result(const struct frame_call *call, uint64_t began_us)
{
    struct frame         frame = { .kind = FRAME_RESULT };
    struct frame_result *result = &frame.result;
    struct slice         out = serve_call_end(&result->reason);

    result->call = call->call;
    result->failed = result->reason.bytes > 0;
    result->started_us = began_us;
    result->wall_us = self.now_us - began_us;
    measure(result);
    send_printed(call->call);
    if (out.bytes > OUTPUT_INLINE_BYTES_MAX) {
        say_data(call->call, 0, out);
        out = slice_of(NULL, 0);
    }
    result->out = out;
    say(&frame);
    if (self.untold_us == 0)
        self.untold_us = self.now_us;
    else if (self.now_us - self.untold_us >= SERVE_BELL_US)
        tell();
}

static void
run_call(const struct frame_call *call)
{
    uint64_t began_us = self.now_us != 0 ? self.now_us : clock_now_us();

    if (!page_begin(self.page, call->call, began_us))
        return;
    serve_call_run(self.table, call);
    if (self.forked)
        _exit(0);                      /* it came back: what follows is its parent's */
    self.now_us = clock_now_us();
    say_result(call, began_us);
}

/* ---- frames ---- */

static void
say_ready(const char *error)
{
    struct frame ready = { .kind = FRAME_READY,
                           .ready = { (uint32_t)getpid(), slice_text(error) } };

    say(&ready);
    tell();
}

static void
on_start(struct slice worker)
{
    struct muster_error error = { 0 };
    char                name[NAME_BYTES_MAX + 1];

    snprintf(name, sizeof(name), "%.*s", (int)worker.bytes, (const char *)worker.data);
    serve_call_worker(name);
    if (self.start && serve_hooks(self.table, MUSTER_KIND_START, name, &error)) {
        say_ready(error.detail);
        _exit(0);
    }
    send_printed(0);
    say_ready("");
}

static bool
on_frame(const struct frame *frame)
{
    switch ((int)frame->kind) {
    case FRAME_START:
        on_start(frame->start);
        return true;
    case FRAME_SPEC:
        return serve_call_spec(&frame->spec);
    case FRAME_KEY:
        serve_call_key(&frame->key);
        return true;
    case FRAME_CALL:
        run_call(&frame->call);
        return true;
    default:
        return false;
    }
}

/* Serve what lies here; returns how long the next frame is, if known. */
static size_t
serve_what_is_here(void)
{
    size_t wanted;

    for (;;) {
        struct frame frame;
        long         bytes = frame_get(slice_of(self.in + self.at, self.end - self.at),
                                       FRAME_IN_BYTES_MAX, &frame, &wanted);

        if (bytes == 0)
            return wanted;
        if (bytes < 0 || !on_frame(&frame))
            _exit(70);
        self.at += (size_t)bytes;
    }
}

static void
make_room(size_t wanted)
{
    size_t have = self.end - self.at;
    size_t capacity = wanted > SERVE_READ_BYTES ? wanted : SERVE_READ_BYTES;

    if (have > 0 && self.at > 0)
        memmove(self.in, self.in + self.at, have);
    self.at = 0;
    self.end = have;
    if (self.capacity < capacity || (self.capacity > SERVE_KEEP_BYTES && have < SERVE_READ_BYTES)) {
        self.in = base_realloc(self.in, capacity);
        self.capacity = capacity;
    }
}

static void
leave(void)
{
    struct muster_error ignored;

    (void)serve_hooks(self.table, MUSTER_KIND_END, NULL, &ignored);
    send_printed(0);
    _exit(0);
}

/* ---- the process ---- */

/* Where the stack pointer was, 0 on a machine that we do not know. */
static uintptr_t
stack_pointer(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.sp;
#else
    (void)context;
    return 0;
#endif
}

/* On a stack of its own.  It notes an overflow; then the fault happens again and the
 * signal does what it always did (SA_RESETHAND). */
static void
on_fault(int number, siginfo_t *info, void *context)
{
    uintptr_t sp = stack_pointer(context), at = (uintptr_t)info->si_addr;

    if (info->si_code <= 0) {          /* somebody sent it */
        raise(number);
        return;
    }
    if (sp != 0 && at + SERVE_STACK_NEAR > sp && at < sp + SERVE_STACK_NEAR)
        atomic_store(&self.page->overflowed, page_begun(self.page));
}

static void
on_fork(void)
{
    self.forked = true;
}

static void
catch_faults(void)
{
    static uint8_t   stack[SERVE_STACK_BYTES];
    stack_t          own = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction fault = { .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND) };

    fault.sa_sigaction = on_fault;
    sigaltstack(&own, NULL);
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGBUS, &fault, NULL);
}

static void
take_fds(const struct serve_fds *fds)
{
    self.socket = fds->socket;
    self.output = fds->output;
    self.page = page_map(fds->page);
    close(fds->page);
    if (self.page == NULL)
        _exit(71);
}

void
serve_refuse(const struct serve_fds *fds, const char *why)
{
    take_fds(fds);
    say_ready(why);
    _exit(0);
}

void
serve_calls(struct function_table *table, const struct serve_fds *fds, bool start)
{
    size_t wanted = 0;

    take_fds(fds);
    self.table = table;
    self.start = start;
    __fpurge(stdout);                  /* what the parent had not written is the parent's */
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (dup2(self.output, 1) < 0 || dup2(self.output, 2) < 0)
        _exit(71);
    catch_faults();
    pthread_atfork(NULL, NULL, on_fork);
    for (;;) {
        ssize_t got;

        make_room(wanted);
        tell();
        got = recv(self.socket, self.in + self.end, self.capacity - self.end, 0);
        if (got == 0)
            leave();
        if (got < 0 && errno != EINTR)
            _exit(0);
        self.end += got > 0 ? (size_t)got : 0;
        self.now_us = 0;               /* it waited: the next call begins now */
        wanted = serve_what_is_here();
    }
}
