/* test_serve.c - a child that serves calls
 *
 * Method: a real child of this program, with a socket and a page, as a hatchery would
 * make it.  The test plays the worker.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frames.h"
#include "page.h"
#include "serve.h"
#include "stories.h"

enum { LOOK_MS = 10000 };

struct worker {
    int           socket, output;
    struct page  *page;
    pid_t         pid;
    struct buffer in;
    size_t        at;
};

/* ---- the functions ---- */

static void
run_double(struct muster_call *call)
{
    muster_call_print(call, "%ld", 2 * strtol(muster_call_text(call), NULL, 10));
}

static void
run_tell(struct muster_call *call)
{
    size_t      bytes = 0;
    const char *value = muster_call_named(call, "key", &bytes);
    const char *env = muster_call_env(call, "PLACE");

    muster_call_log(call, "a line");
    printf("printed\n");
    muster_call_print(call, "%s %llu %u %u %llu %s %s %zu %s", call->worker,
                      (unsigned long long)call->job, call->index, call->attempt,
                      (unsigned long long)call->number, value, env, bytes,
                      (const char *)call->state);
}

static void
run_key(struct muster_call *call)
{
    const char *path = muster_call_keyfile(call), *address = muster_call_address(call);

    muster_call_print(call, "%s %s", path != NULL ? path : "-", address != NULL ? address : "-");
}

static void
run_fail(struct muster_call *call)
{
    muster_call_return(call, "half", 4);
    muster_call_fail(call, "no %s here\xff", muster_call_text(call));
}

static void
run_fill(struct muster_call *call)
{
    size_t bytes = strtoul(muster_call_text(call), NULL, 10);

    for (size_t i = 0; i < bytes; i++)
        muster_call_append(call, "abcdefg" + i % 7, 1);
}

static void
run_wait(struct muster_call *call)
{
    while (!muster_call_cancelled(call))
        poll(NULL, 0, 1);
    muster_call_print(call, "cancelled");
}

static void
start(struct muster_call *call)
{
    call->state = (void *)(uintptr_t)"started";
}

static struct function_entry entries[] = {
    { "double", run_double, MUSTER_KIND_FUNCTION, 0 },
    { "tell", run_tell, MUSTER_KIND_FUNCTION, 0 },
    { "key", run_key, MUSTER_KIND_FUNCTION, 0 },
    { "fail", run_fail, MUSTER_KIND_FUNCTION, 0 },
    { "fill", run_fill, MUSTER_KIND_FUNCTION, 0 },
    { "wait", run_wait, MUSTER_KIND_FUNCTION, 0 },
    { "start", start, MUSTER_KIND_START, 0 },
};

/* ---- the worker ---- */

static void
worker_open(struct worker *worker)
{
    struct function_table table = { .entries = entries, .modules = 1,
                                    .count = sizeof(entries) / sizeof(entries[0]) };
    struct muster_error   error;
    int                   sockets[2], page;

    *worker = (struct worker){ .output = memfd_create("output", 0) };
    assert_int_equal(fcntl(worker->output, F_SETFL, O_APPEND), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    assert_int_equal(page_make(&page, &error), MUSTER_OK);
    worker->page = page_map(page);
    worker->socket = sockets[0];
    worker->pid = fork();
    if (worker->pid == 0) {
        struct serve_fds fds = { sockets[1], page, worker->output };

        close(sockets[0]);
        serve_calls(&table, &fds, true);
    }
    close(sockets[1]);
    close(page);
}

static void
worker_send(const struct worker *worker, const struct buffer *bytes)
{
    assert_int_equal(send(worker->socket, bytes->data, bytes->bytes, 0), bytes->bytes);
}

static void
put_begin(struct buffer *out, const char *function, uint32_t result_bytes_max)
{
    struct frame     begin = { .kind = FRAME_START, .start = slice_text("node7") };
    struct frame     spec = { .kind = FRAME_SPEC, .spec = { 12, result_bytes_max, { 0 } } };
    struct buffer    bytes = { 0 }, named = { 0 }, env = { 0 };
    struct wire_spec it = { .function = slice_text(function), .number_first = 100,
                            .number_step = 10 };

    wire_put_named(&named, &(struct wire_named){ slice_text("key"), slice_text("value") });
    wire_put_text(&env, &(struct wire_text){ slice_text("PLACE=here") });
    it.named = (struct wire_list){ buffer_slice(&named), 1 };
    it.env = (struct wire_list){ buffer_slice(&env), 1 };
    wire_put_spec(&bytes, &it);
    spec.spec.spec = buffer_slice(&bytes);
    frame_put(out, &begin);
    frame_put(out, &spec);
    buffer_free(&bytes);
    buffer_free(&named);
    buffer_free(&env);
}

static void
put_call(struct buffer *out, uint32_t number, const char *argument)
{
    struct frame call = { .kind = FRAME_CALL,
                          .call = { number, number - 1, 1, slice_text(argument) } };

    frame_put(out, &call);
}

/* The next frame; waits for the bell when there is none. */
static struct frame
worker_next(struct worker *worker)
{
    struct frame frame;
    size_t       wanted;
    long         got;

    for (;;) {
        struct slice  left = slice_of(worker->in.data + worker->at, worker->in.bytes - worker->at);
        struct pollfd bell = { .fd = worker->socket, .events = POLLIN };
        char          byte;

        got = frame_get(left, FRAME_OUT_BYTES_MAX, &frame, &wanted);
        assert_true(got >= 0);
        if (got > 0)
            break;
        assert_int_equal(poll(&bell, 1, LOOK_MS), 1);
        assert_true(recv(worker->socket, &byte, 1, 0) >= 0);
        assert_true(page_take(worker->page, &worker->in));
    }
    worker->at += (size_t)got;
    return frame;
}

static struct frame_result
next_result(struct worker *worker, struct buffer *out, struct buffer *log)
{
    for (;;) {
        struct frame frame = worker_next(worker);

        if (frame.kind == FRAME_RESULT) {
            buffer_append_slice(out, frame.result.out);
            return frame.result;
        }
        assert_int_equal(frame.kind, FRAME_DATA);
        buffer_append_slice(frame.data.stream == 0 ? out : log, frame.data.data);
    }
}

static void
worker_ready(struct worker *worker)
{
    struct frame frame = worker_next(worker);

    assert_int_equal(frame.kind, FRAME_READY);
    assert_int_equal(frame.ready.error.bytes, 0);
    assert_int_equal(frame.ready.pid, worker->pid);
}

/* At the end of the socket it ends by itself. */
static void
worker_close(struct worker *worker)
{
    int status;

    shutdown(worker->socket, SHUT_WR);
    assert_int_equal(waitpid(worker->pid, &status, 0), worker->pid);
    assert_int_equal(status, 0);
    close(worker->socket);
    close(worker->output);
    page_unmap(worker->page);
    buffer_free(&worker->in);
}

/* ---- stories ---- */

struct call_story {
    const char *story, *function, *argument;
    uint32_t    result_bytes_max;
    const char *out, *reason, *log;
};

static const struct call_story calls[] = {
    { "a result", "double", "21", 100, "42", "", "" },
    { "what a call knows", "tell", "", 100, "node7 12 0 1 100 value here 5 started", "",
      "a line\nprinted\n" },
    { "a failure has no result, and its text can travel", "fail", "luck", 100, "", "no luck here",
      "" },
    { "no such function", "none", "", 100, "", "there is no function none in this child", "" },
    { "a result as large as is kept", "fill", "7", 7, "abcdefg", "", "" },
    { "a result that is larger", "fill", "8", 7, "",
      "its result has 8 bytes; the job keeps at most 7 (output_bytes)", "" },
};

static void
test_call(void **state)
{
    const struct call_story *row = *state;
    struct worker            worker;
    struct buffer            bytes = { 0 }, out = { 0 }, log = { 0 };
    struct frame_result      result;

    worker_open(&worker);
    put_begin(&bytes, row->function, row->result_bytes_max);
    put_call(&bytes, 1, row->argument);
    worker_send(&worker, &bytes);
    worker_ready(&worker);
    result = next_result(&worker, &out, &log);
    assert_int_equal(result.call, 1);
    assert_true(slice_equals_text(result.reason, row->reason));
    assert_int_equal(result.failed, row->reason[0] != 0);
    assert_true(slice_equals_text(buffer_slice(&out), row->out));
    assert_true(slice_equals_text(buffer_slice(&log), row->log));
    assert_int_equal(lseek(worker.output, 0, SEEK_END), 0);
    worker_close(&worker);
    buffer_free(&bytes);
    buffer_free(&out);
    buffer_free(&log);
}

/* A key is of the call that it was told for, and of none behind it. */
static void
test_key(void **state)
{
    static const char *const wanted[] = { "- -", "/w/task-2.authkey tcp://head:7717", "- -" };
    struct frame  key = { .kind = FRAME_KEY, .key = { 2, slice_text("tcp://head:7717"),
                                                      slice_text("/w/task-2.authkey") } };
    struct worker worker;
    struct buffer bytes = { 0 }, out = { 0 }, log = { 0 };

    (void)state;
    worker_open(&worker);
    put_begin(&bytes, "key", 100);
    for (uint32_t i = 1; i <= 3; i++) {
        if (i == 2)
            frame_put(&bytes, &key);
        put_call(&bytes, i, "");
    }
    worker_send(&worker, &bytes);
    worker_ready(&worker);
    for (uint32_t i = 0; i < 3; i++) {
        buffer_clear(&out);
        (void)next_result(&worker, &out, &log);
        assert_true(slice_equals_text(buffer_slice(&out), wanted[i]));
    }
    worker_close(&worker);
    buffer_free(&bytes);
    buffer_free(&out);
    buffer_free(&log);
}

static void
test_many(void **state)
{
    enum { MANY = 5000 };
    struct worker worker;
    struct buffer bytes = { 0 }, out = { 0 }, log = { 0 };
    char          text[24];

    (void)state;
    worker_open(&worker);
    put_begin(&bytes, "double", 100);
    for (uint32_t i = 1; i <= MANY; i++) {
        snprintf(text, sizeof(text), "%u", i);
        put_call(&bytes, i, text);
    }
    worker_send(&worker, &bytes);
    worker_ready(&worker);
    for (uint32_t i = 1; i <= MANY; i++) {
        struct frame_result result;

        buffer_clear(&out);
        result = next_result(&worker, &out, &log);
        snprintf(text, sizeof(text), "%u", 2 * i);
        assert_int_equal(result.call, i);
        assert_true(slice_equals_text(buffer_slice(&out), text));
    }
    worker_close(&worker);
    buffer_free(&bytes);
    buffer_free(&out);
    buffer_free(&log);
}

/* Larger than the ring: it goes through in pieces. */
static void
test_large(void **state)
{
    struct worker worker;
    struct buffer bytes = { 0 }, out = { 0 }, log = { 0 };

    (void)state;
    worker_open(&worker);
    put_begin(&bytes, "fill", 3000000);
    put_call(&bytes, 1, "3000000");
    worker_send(&worker, &bytes);
    worker_ready(&worker);
    assert_int_equal(next_result(&worker, &out, &log).failed, 0);
    assert_int_equal(out.bytes, 3000000);
    for (size_t i = 0; i < out.bytes; i++)
        assert_int_equal(out.data[i], "abcdefg"[i % 7]);
    worker_close(&worker);
    buffer_free(&bytes);
    buffer_free(&out);
    buffer_free(&log);
}

/* Call 1 waits; 2 and 3 lie behind it and are taken back; 4 comes later. */
static void
test_taken_back(void **state)
{
    struct worker worker;
    struct buffer bytes = { 0 }, out = { 0 }, log = { 0 };

    (void)state;
    worker_open(&worker);
    put_begin(&bytes, "wait", 100);
    for (uint32_t i = 1; i <= 3; i++)
        put_call(&bytes, i, "");
    worker_send(&worker, &bytes);
    worker_ready(&worker);
    while (page_begun(worker.page) == 0)
        poll(NULL, 0, 1);
    assert_int_equal(page_skip(worker.page, 4), 1);
    atomic_store(&worker.page->cancelled, 1);
    assert_int_equal(next_result(&worker, &out, &log).call, 1);
    atomic_store(&worker.page->cancelled, 4);
    buffer_clear(&bytes);
    put_call(&bytes, 4, "");
    worker_send(&worker, &bytes);
    assert_int_equal(next_result(&worker, &out, &log).call, 4);
    assert_true(slice_equals_text(buffer_slice(&out), "cancelledcancelled"));
    worker_close(&worker);
    buffer_free(&bytes);
    buffer_free(&out);
    buffer_free(&log);
}

int
main(void)
{
    const struct CMUnitTest rest[] = {
        cmocka_unit_test(test_key), cmocka_unit_test(test_many), cmocka_unit_test(test_large),
        cmocka_unit_test(test_taken_back),
    };
    int failed = STORIES("calls", calls, test_call);

    return failed + cmocka_run_group_tests(rest, NULL, NULL);
}
