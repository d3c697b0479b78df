/* stream.c - see stream.h */
#include "stream.h"

enum { STREAM_WAIT_MS = 2000, STREAM_FULL_MS = 500 };

static void stream_send(struct stream *stream, uint64_t not_before_ms);

static void
stream_take(struct stream *stream, const struct msg_results *m)
{
    stream->counts = (struct muster_counts){ .total = m->counts.total,
                                             .running = m->counts.running,
                                             .succeeded = m->counts.succeeded,
                                             .failed = m->counts.failed,
                                             .cancelled = m->counts.cancelled };
    stream->state = (enum muster_job_state)m->state;
    stream->ended = m->ended;
    stream->told(stream, m);
    stream->cursor = m->cursor;
}

static void
stream_done(struct call *call)
{
    struct stream      *stream = CONTAINER(call, struct stream, call);
    struct muster_error error = { 0 };
    union wire_any      m;

    if (call_answer(call, MSG_TYPE_RESULTS, &m, &error) == MUSTER_OK) {
        stream_take(stream, &m.results);
    } else if (error.code == MUSTER_ERR_FULL) {
        call_free(call);
        stream_send(stream, clock_now_ms() + STREAM_FULL_MS);
        return;
    } else {
        stream->error = error;
        stream->told(stream, NULL);
    }
    call_free(call);
    stream_ask(stream);
}

static void
stream_send(struct stream *stream, uint64_t not_before_ms)
{
    union wire_any m = { .results_get = { .job = stream->job,
                                          .cursor = stream->cursor,
                                          .wait_ms = STREAM_WAIT_MS,
                                          .brief = stream->brief } };

    stream->call.done = stream_done;
    call_make(&stream->call, MSG_TYPE_RESULTS_GET, &m);
    call_submit(stream->session, &stream->call, MUSTER_FOREVER);
    stream->call.not_before_ms = not_before_ms;
}

void
stream_ask(struct stream *stream)
{
    if (stream->call.state != CALL_NEW || stream->ended || stream->error.code != MUSTER_OK ||
        !stream->wants(stream))
        return;
    if (session_failed(stream->session, &stream->error)) {
        stream->told(stream, NULL);
        return;
    }
    stream_send(stream, 0);
}

void
stream_stop(struct stream *stream)
{
    call_abandon(&stream->call);
    call_free(&stream->call);
}
