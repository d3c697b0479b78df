/* figure_pipe.c - one large message through a pipe between two programs
 *
 * Everything crosses the encryption four times: sender, manager in and out, receiver.
 * A relay of raw libzmq does the same; one way does half of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "place.h"
#include "raw.h"

enum { PIPE_CALL_MS = 120000, PIPE_PIECE = 1 << 20 };

static const double PIPE_BYTES = 1024.0 * 1024 * 1024;

static void
pipe_check(muster_err err, const struct muster_error *error)
{
    if (err)
        bench_die("pipe: %s: %s", muster_err_name(err), error->detail);
}

static void
pipe_sender(const struct place *place, void *context)
{
    const struct muster_open  open = { .name = "bulk" };
    size_t                    bytes = *(const size_t *)context;
    struct muster_session    *session = place_session(place);
    struct muster_connection *end;
    struct muster_error       error = { 0 };
    void                     *data = calloc(1, bytes);

    pipe_check(muster_pipe_attach(session, &open, 1, PIPE_CALL_MS, &end, &error), &error);
    pipe_check(muster_connection_send(end, data, bytes, PIPE_CALL_MS, &error), &error);
    /* The answer of the receiver: it has everything. */
    pipe_check(muster_connection_poll(end, PIPE_CALL_MS, &error), &error);
    muster_connection_close(end);
    muster_session_close(session);
    free(data);
}

static muster_err
pipe_count(void *context, const void *data, size_t bytes, uint64_t total)
{
    size_t *received = context;

    (void)data;
    (void)total;
    *received += bytes;
    return MUSTER_OK;
}

static double
pipe_round(const struct bench *bench, size_t bytes)
{
    const struct muster_open  open = { .name = "bulk" };
    struct muster_connection *ends[2];
    struct muster_session    *session;
    struct muster_error       error = { 0 };
    struct place              place;
    size_t                    received = 0;
    double                    began, seconds;
    pid_t                     sender;

    place_open(&place, bench);
    session = place_session(&place);
    pipe_check(muster_pipe_open(session, &open, true, PIPE_CALL_MS, ends, &error), &error);
    sender = place_child(pipe_sender, &place, &bytes);
    /* It begins with what is there first, after the sender has made its session. */
    pipe_check(muster_connection_poll(ends[0], PIPE_CALL_MS, &error), &error);
    began = bench_now();
    pipe_check(muster_connection_receive_to(ends[0], PIPE_CALL_MS, pipe_count, &received, &error),
               &error);
    seconds = bench_now() - began;
    if (received != bytes)
        bench_die("pipe: %zu of %zu bytes came", received, bytes);
    pipe_check(muster_connection_send(ends[0], "got it", 6, PIPE_CALL_MS, &error), &error);
    if (!place_wait(sender))
        bench_die("the sender failed");
    muster_connection_close(ends[0]);
    muster_connection_close(ends[1]);
    muster_session_close(session);
    place_close(&place);
    return (double)bytes / 1e6 / seconds;
}

void
figure_pipe(const struct bench *bench)
{
    size_t         bytes = (size_t)(PIPE_BYTES * bench->scale);
    struct samples rates = { 0 }, through = { 0 }, straight = { 0 };
    char           setting[80];

    for (uint32_t round = 0; round < bench->rounds; round++) {
        samples_add(&rates, pipe_round(bench, bytes));
        samples_add(&through, raw_bulk(true, 1.0));
        samples_add(&straight, raw_bulk(false, 1.0));
    }
    snprintf(setting, sizeof(setting), "one message of %zu MiB", bytes / PIPE_PIECE);
    bench_print("pipe", setting, "MB/s", &rates, "raw CURVE through a router", &through);
    bench_print("pipe", setting, "MB/s", &rates, "raw CURVE, one way", &straight);
}
