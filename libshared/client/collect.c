/* collect.c - see collect.h */
#include "collect.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLLECT_TAIL_BYTES = 200 };       /* of a log, in the text of a failure */

/* ---- the end of a future ---- */

static void
future_forget(struct muster_future *future)
{
    struct map           *pending = &future->collector->pending;
    struct muster_future *first = map_get(pending, future->index);

    if (first == future && future->next == NULL) {
        (void)map_remove(pending, future->index);
    } else if (first == future) {
        map_put(pending, future->index, future->next);
    } else {
        while (first->next != future)
            first = first->next;
        first->next = future->next;
    }
    future->next = NULL;
}

/* Everyone who wants to know; the state is set. */
static void
future_tell(struct muster_future *future)
{
    struct muster_session *session = future->collector->stream.session;

    assert(future->state != FUTURE_PENDING);
    future_forget(future);
    if (future->ended != NULL)
        future->ended(future);
    future_follow(future);
    future_post(future);
    if (future->waiting > 0)
        waiters_wake(session, future);
    if (future->collector->watching > 0 && future->collector->pending.count == 0)
        waiters_wake(session, future->collector);
}

static void
future_hold(struct muster_future *future, struct slice data)
{
    struct muster_session *session = future->collector->stream.session;

    if (session->collected_bytes + data.bytes > COLLECT_BYTES_MAX)
        return;
    session->collected_bytes += data.bytes;
    future->data = data.bytes > 0 ? bytes_copy(data) : NULL;
    future->bytes = (uint32_t)data.bytes;
    future->held = true;
}

/* The last words of a log, on one line. */
void
future_tail(struct buffer *out, struct slice log)
{
    const char *text = log.data;
    size_t      from;

    while (log.bytes > 0 && (text[log.bytes - 1] == '\n' || text[log.bytes - 1] == '\r'))
        log.bytes--;
    if (log.bytes == 0)
        return;
    buffer_append_text(out, "; last log: ");
    from = log.bytes > COLLECT_TAIL_BYTES ? log.bytes - COLLECT_TAIL_BYTES : 0;
    for (size_t i = from; i < log.bytes; i++)
        buffer_append(out, text[i] == '\n' ? " " : &text[i], 1);
}

static void
future_explain(struct muster_future *future, const struct wire_entry *entry)
{
    const struct wire_result *result = &entry->result;
    struct buffer             text = { 0 };

    if (entry->worker.bytes > 0)
        buffer_printf(&text, "worker %.*s: ", (int)entry->worker.bytes,
                      (const char *)entry->worker.data);
    if (future->collector->label[0] != '\0')
        buffer_printf(&text, "%s: ", future->collector->label);
    if (result->outcome == OUTCOME_EXITED && result->reason.bytes == 0)
        buffer_printf(&text, "exit code %d", result->exit_code);
    else if (result->reason.bytes > 0)
        buffer_append_slice(&text, result->reason);
    else
        buffer_append_text(&text, wire_outcome_name(result->outcome));
    if (result->err_kept > result->err.bytes)
        future->log_bytes = result->err_kept;
    else
        future_tail(&text, result->err);
    (void)buffer_text(&text);
    future->data = (char *)text.data;
}

void
future_end(struct muster_future *future, const struct wire_entry *entry)
{
    const struct wire_result *result = &entry->result;

    assert(future->state == FUTURE_PENDING);
    future->outcome = result->outcome;
    future->exit_code = result->exit_code;
    future->pid = result->pid;
    if (result->outcome == OUTCOME_SUCCEEDED) {
        future->state = FUTURE_SUCCEEDED;
        if (result->out_kept <= result->out.bytes)
            future_hold(future, result->out);
    } else if (result->outcome == OUTCOME_CANCELLED) {
        future->state = FUTURE_CANCELLED;
    } else {
        future->state = FUTURE_FAILED;
        future_explain(future, entry);
    }
    future_tell(future);
}

void
future_end_cancelled(struct muster_future *future)
{
    assert(future->state == FUTURE_PENDING);
    future->state = FUTURE_CANCELLED;
    future->outcome = OUTCOME_CANCELLED;
    future_tell(future);
}

void
future_break(struct muster_future *future, muster_err code, const char *detail)
{
    assert(future->state == FUTURE_PENDING && code != MUSTER_OK);
    if (code == MUSTER_ERR_CANCELED) {
        future_end_cancelled(future);
        return;
    }
    future->state = FUTURE_BROKEN;
    future->code = (uint8_t)code;
    future->data = base_text_copy(slice_text(detail));
    future_tell(future);
}

/* ---- entries ---- */

/* All futures of one task; they are taken out one by one as they end. */
static void
collector_end(struct collector *collector, uint32_t index, const struct wire_entry *entry)
{
    struct muster_future *future;

    while ((future = map_get(&collector->pending, index)) != NULL)
        future_end(future, entry);
}

/* A run of tasks that were cancelled alike may be longer than what is pending. */
static void
collector_entry(struct collector *collector, const struct wire_entry *entry)
{
    size_t   cursor = 0;
    uint64_t index;

    if (entry->count <= collector->pending.count) {
        for (uint32_t i = 0; i < entry->count; i++)
            collector_end(collector, entry->index + i, entry);
        return;
    }
    while (map_next(&collector->pending, &cursor, &index) != NULL) {
        if (index - entry->index < entry->count)
            collector_end(collector, (uint32_t)index, entry);
    }
}

/* ---- asking for one ---- */

struct future_call {
    struct call       call;
    struct collector *collector;
    uint32_t          index;
};

static void
future_call_done(struct call *call)
{
    struct future_call   *asked = CONTAINER(call, struct future_call, call);
    struct collector     *collector = asked->collector;
    struct muster_error   error = { 0 };
    struct muster_future *future;
    struct wire_entry     entry;
    struct reader         in;
    union wire_any        m;
    muster_err            err = call_answer(call, MSG_TYPE_RESULTS, &m, &error);

    if (!err) {
        in = reader_of(m.results.entries);
        if (wire_get_entry(&in, &entry))
            collector_end(collector, asked->index, &entry);
    } else if (err != MUSTER_ERR_STATE || collector->stream.ended) {
        while ((future = map_get(&collector->pending, asked->index)) != NULL)
            future_break(future, err, error.detail);
    }
    waiters_wake(collector->stream.session, &collector->stream.session->collectors);
    call_free(call);
    free(asked);
    collector_close(collector);
}

void
future_ask(struct muster_future *future)
{
    struct collector   *collector = future->collector;
    struct future_call *asked = base_alloc(sizeof(*asked));
    union wire_any      m = { .result_get = { .job = collector->stream.job,
                                              .index = future->index } };

    asked->collector = collector;
    asked->index = future->index;
    asked->call.done = future_call_done;
    collector->references++;
    call_make(&asked->call, MSG_TYPE_RESULT_GET, &m);
    call_submit(collector->stream.session, &asked->call, MUSTER_FOREVER);
}

/* ---- the stream ---- */

static bool
collector_wants(const struct stream *stream)
{
    const struct collector *collector = CONTAINER(stream, const struct collector, stream);

    return collector->pending.count > 0 || collector->watching > 0;
}

/* Those of tasks from index `from` on. */
static void
collector_break(struct collector *collector, uint32_t from, const struct muster_error *error)
{
    struct muster_future *future;
    size_t                cursor = 0;
    uint64_t              index;

    while (map_next(&collector->pending, &cursor, &index) != NULL) {
        while (index >= from && (future = map_get(&collector->pending, index)) != NULL)
            future_break(future, error->code, error->detail);
    }
}

/* The job has ended.  What is still pending was never fed to it, or ended before it
 * was made. */
static void
collector_settle(struct collector *collector)
{
    const struct muster_counts *counts = &collector->stream.counts;
    bool                        cancelled = collector->stream.state == MUSTER_JOB_CANCELLED;
    struct muster_future       *future;
    size_t                      cursor = 0;
    uint64_t                    index;

    while ((future = map_next(&collector->pending, &cursor, &index)) != NULL) {
        if (index < counts->total || !cancelled) {
            future_ask(future);
            continue;
        }
        while ((future = map_get(&collector->pending, index)) != NULL)
            future_end_cancelled(future);
    }
}

static void
collector_told(struct stream *stream, const struct msg_results *m)
{
    struct collector *collector = CONTAINER(stream, struct collector, stream);
    struct wire_entry entry;
    struct reader     in;

    if (m == NULL) {
        collector_break(collector, 0, &stream->error);
    } else {
        in = reader_of(m->entries);
        while (read_left(&in) > 0 && wire_get_entry(&in, &entry))
            collector_entry(collector, &entry);
        if (stream->ended)
            collector_settle(collector);
    }
    waiters_wake(stream->session, collector);
    waiters_wake(stream->session, &stream->session->collectors);
}

/* ---- collectors ---- */

struct collector *
collector_find(struct muster_session *session, uint64_t job)
{
    return map_get(&session->collectors, job);
}

struct collector *
collector_open(struct muster_session *session, uint64_t job, const char *label)
{
    struct collector *collector = collector_find(session, job);

    if (collector == NULL) {
        collector = base_alloc(sizeof(*collector));
        collector->stream = (struct stream){ .session = session, .job = job,
                                             .wants = collector_wants, .told = collector_told };
        text_put(collector->label, sizeof(collector->label), slice_text(label));
        map_put(&session->collectors, job, collector);
    }
    collector->references++;
    return collector;
}

static void
collector_free(struct collector *collector)
{
    stream_stop(&collector->stream);
    (void)map_remove(&collector->stream.session->collectors, collector->stream.job);
    map_free(&collector->pending);
    free(collector);
}

void
collector_close(struct collector *collector)
{
    assert(collector->references > 0);
    if (--collector->references == 0)
        collector_free(collector);
}

void
collectors_free(struct muster_session *session)
{
    struct collector *collector;
    size_t            cursor = 0;

    while ((collector = map_next(&session->collectors, &cursor, NULL)) != NULL)
        collector_free(collector);
    map_free(&session->collectors);
}

/* The job has ended, and so have the futures of its tasks that were asked for by themselves. */
static bool
collector_is_over(const struct collector *collector)
{
    return collector->stream.ended && collector->pending.count == 0;
}

muster_err
collector_join(struct collector *collector, uint64_t deadline_ms, uint32_t timeout_ms,
               struct muster_error *error)
{
    struct stream         *stream = &collector->stream;
    struct muster_session *session = stream->session;
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;

    collector->references++;
    collector->watching++;
    waiter_begin(session, &waiter, collector);
    stream_ask(stream);
    while (!err && !collector_is_over(collector) && stream->error.code == MUSTER_OK)
        err = waiter_wait(session, &waiter, deadline_ms);
    waiter_end(&waiter);
    collector->watching--;
    if (!stream->ended && stream->error.code != MUSTER_OK) {
        err = stream->error.code;
        if (error != NULL)
            *error = stream->error;
    } else if (!collector_is_over(collector)) {
        err = session_wait_error(session, err, "the job to end", timeout_ms, error);
    } else {
        err = MUSTER_OK;
    }
    collector_close(collector);
    return err;
}

void
collector_feed_failed(struct muster_session *session, uint64_t job, uint32_t settled,
                      const struct muster_error *error)
{
    struct collector *collector = collector_find(session, job);

    if (collector == NULL)
        return;
    collector_break(collector, settled, error);
    waiters_wake(session, &session->collectors);
}

/* ---- a new future ---- */

struct muster_future *
future_new(struct collector *collector, uint32_t index, future_ended *ended, void *context)
{
    struct muster_future *future = base_alloc(sizeof(*future));

    future->collector = collector;
    future->index = index;
    future->ended = ended;
    future->context = context;
    future->references = 1;
    list_init(&future->followers);
    future->next = map_get(&collector->pending, index);
    map_put(&collector->pending, index, future);
    collector->references++;
    if (collector->stream.error.code != MUSTER_OK) {
        future_break(future, collector->stream.error.code, collector->stream.error.detail);
        return future;
    }
    /* An ended job goes on when its tasks are tried again. */
    collector->stream.ended = false;
    stream_ask(&collector->stream);
    return future;
}

void
future_release(struct muster_future *future)
{
    struct collector *collector = future->collector;

    assert(future->references > 0);
    if (--future->references > 0)
        return;
    if (future->state == FUTURE_PENDING)
        future_forget(future);
    future_unfollow(future);
    if (future->held)
        collector->stream.session->collected_bytes -= future->bytes;
    free(future->data);
    free(future);
    collector_close(collector);
}

/* ---- cancelling without waiting ---- */

struct cancel_call {
    struct call call;
};

static void
cancel_done(struct call *call)
{
    struct cancel_call *cancel = CONTAINER(call, struct cancel_call, call);

    call_free(call);
    free(cancel);
}

void
cancel_later(struct muster_session *session, uint64_t job, const struct wire_range *ranges,
             uint32_t count, bool hard, bool waiting_only)
{
    struct cancel_call *cancel = base_alloc(sizeof(*cancel));
    struct buffer       list = { 0 };
    union wire_any      m = { .job_cancel = { .job = job, .hard = hard,
                                              .waiting_only = waiting_only } };

    assert(count <= RANGES_MAX);
    for (uint32_t i = 0; i < count; i++)
        wire_put_range(&list, &ranges[i]);
    m.job_cancel.tasks = (struct wire_list){ buffer_slice(&list), count };
    cancel->call.done = cancel_done;
    call_make(&cancel->call, MSG_TYPE_JOB_CANCEL, &m);
    buffer_free(&list);
    pthread_mutex_lock(&session->lock);
    if (session_failed(session, NULL)) {
        call_free(&cancel->call);
        free(cancel);
    } else {
        call_submit(session, &cancel->call, MUSTER_FOREVER);
    }
    pthread_mutex_unlock(&session->lock);
}
