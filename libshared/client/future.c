/* future.c - results that come later: wait for them, take them, cancel them */
#include "collect.h"

#include <assert.h>
#include <stdlib.h>

#include "feed.h"
#include "results.h"

/* ---- callbacks ---- */

struct future_callback {
    struct callback         callback;
    struct future_callback *next;
    struct muster_future   *future;
    muster_future_callback *run;
    void                   *context;
};

static void
future_call_back(struct callback *posted)
{
    struct future_callback *callback = CONTAINER(posted, struct future_callback, callback);
    struct muster_future   *future = callback->future;
    struct muster_session  *session = future->collector->stream.session;
    bool                    wanted;

    pthread_mutex_lock(&session->lock);
    wanted = !future->freed;
    pthread_mutex_unlock(&session->lock);
    if (wanted)
        callback->run(callback->context, future);
    free(callback);
    pthread_mutex_lock(&session->lock);
    future_release(future);
    pthread_mutex_unlock(&session->lock);
}

void
future_post(struct muster_future *future)
{
    while (future->callbacks != NULL) {
        struct future_callback *callback = future->callbacks;

        future->callbacks = callback->next;
        future->references++;
        callback_post(future->collector->stream.session, &callback->callback);
    }
}

void
muster_future_add_done_callback(struct muster_future *future, muster_future_callback *run,
                                void *context)
{
    struct muster_session   *session = future->collector->stream.session;
    struct future_callback  *callback = base_alloc(sizeof(*callback));
    struct future_callback **last = &future->callbacks;

    callback->callback.run = future_call_back;
    callback->future = future;
    callback->run = run;
    callback->context = context;
    pthread_mutex_lock(&session->lock);
    while (*last != NULL)
        last = &(*last)->next;
    *last = callback;
    if (future->state != FUTURE_PENDING)
        future_post(future);
    pthread_mutex_unlock(&session->lock);
}

void
muster_future_free(struct muster_future *future)
{
    struct muster_session *session;

    if (future == NULL)
        return;
    session = future->collector->stream.session;
    pthread_mutex_lock(&session->lock);
    while (future->callbacks != NULL) {
        struct future_callback *callback = future->callbacks;

        future->callbacks = callback->next;
        free(callback);
    }
    future->freed = true;
    future_release(future);
    pthread_mutex_unlock(&session->lock);
}

/* ---- open ---- */

/* The name of the job, for texts. */
static muster_err
future_label(struct muster_session *session, uint64_t job, uint32_t timeout_ms, char *label_out,
             struct muster_error *error)
{
    struct muster_job_info info;
    muster_err             err = muster_job_get(session, job, timeout_ms, &info, error);

    if (err)
        return err;
    text_put(label_out, NAME_BYTES_MAX + 1, slice_text(info.name));
    muster_job_info_free(&info);
    return MUSTER_OK;
}

/* `entry` NULL: it has not ended. */
static struct muster_future *
future_make(struct muster_session *session, struct muster_task_id id, const char *label,
            const struct wire_entry *entry)
{
    struct collector     *collector;
    struct muster_future *future;

    pthread_mutex_lock(&session->lock);
    collector = collector_open(session, id.job, label);
    future = future_new(collector, id.index, NULL, NULL);
    if (entry != NULL && future->state == FUTURE_PENDING)
        future_end(future, entry);
    else if (future->state == FUTURE_PENDING && collector->stream.cursor > 0)
        future_ask(future);
    collector_close(collector);
    pthread_mutex_unlock(&session->lock);
    return future;
}

muster_err
muster_future_open(struct muster_session *session, struct muster_task_id id, uint32_t timeout_ms,
                   struct muster_future **future_out, struct muster_error *error)
{
    CALL_SCOPE(session);
    union wire_any      m = { .result_get = { .job = id.job, .index = id.index } };
    char                label[NAME_BYTES_MAX + 1] = "";
    uint64_t            deadline_ms = deadline_after(timeout_ms);
    struct muster_error why = { 0 };
    struct wire_entry   entry;
    struct reader       in;
    struct ask          answer;
    muster_err          err;

    if (id.job == 0 || id.index > TASKS_PER_JOB_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "task %llu.%u is none",
                         (unsigned long long)id.job, (unsigned)id.index);
    err = future_label(session, id.job, timeout_ms, label, error);
    if (err)
        return err;
    err = ask(session, MSG_TYPE_RESULT_GET, &m, MSG_TYPE_RESULTS, timeout_left(deadline_ms),
              &answer, &why);
    if (err == MUSTER_ERR_STATE) {
        *future_out = future_make(session, id, label, NULL);
        return MUSTER_OK;
    }
    if (err) {
        if (error != NULL)
            *error = why;
        return err;
    }
    in = reader_of(answer.m.results.entries);
    if (!wire_get_entry(&in, &entry))
        err = error_set(error, MUSTER_ERR_INTERNAL,
                        "the manager sent a result of task %llu.%u that cannot be read",
                        (unsigned long long)id.job, (unsigned)id.index);
    else
        *future_out = future_make(session, id, label, &entry);
    ask_free(&answer);
    return err;
}

/* ---- look ---- */

struct muster_task_id
muster_future_id(const struct muster_future *future)
{
    return (struct muster_task_id){ future->collector->stream.job, future->index };
}

static enum future_state
future_state(const struct muster_future *future)
{
    pthread_mutex_t  *lock = &future->collector->stream.session->lock;
    enum future_state state;

    pthread_mutex_lock(lock);
    state = (enum future_state)future->state;
    pthread_mutex_unlock(lock);
    return state;
}

bool
muster_future_done(const struct muster_future *future)
{
    return future_state(future) != FUTURE_PENDING;
}

bool
muster_future_cancelled(const struct muster_future *future)
{
    return future_state(future) == FUTURE_CANCELLED;
}

static muster_err
future_error(const struct muster_future *future, muster_err code, const char *what,
             struct muster_error *error)
{
    return error_set(error, code, "task %llu.%u %s",
                     (unsigned long long)future->collector->stream.job, (unsigned)future->index,
                     what);
}

muster_err
muster_future_successful(const struct muster_future *future, bool *successful_out,
                         struct muster_error *error)
{
    enum future_state state = future_state(future);

    if (state == FUTURE_PENDING)
        return future_error(future, MUSTER_ERR_STATE, "has not ended", error);
    *successful_out = state == FUTURE_SUCCEEDED;
    return MUSTER_OK;
}

muster_err
muster_future_running(struct muster_future *future, uint32_t timeout_ms, bool *running_out,
                      struct muster_error *error)
{
    union wire_any     m = { .why_get = { .job = future->collector->stream.job, .one_task = 1,
                                          .index = future->index } };
    struct ask         answer;
    struct reader      in;
    struct wire_reason reason;
    muster_err         err;

    if (future_state(future) != FUTURE_PENDING) {
        *running_out = false;
        return MUSTER_OK;
    }
    err = ask(future->collector->stream.session, MSG_TYPE_WHY_GET, &m, MSG_TYPE_WHY, timeout_ms,
              &answer, error);
    if (err)
        return err;
    in = reader_of(answer.m.why.reasons.bytes);
    *running_out = answer.m.why.reasons.count > 0 && wire_get_reason(&in, &reason) &&
                   reason.code == WHY_RUNNING;
    ask_free(&answer);
    return MUSTER_OK;
}

/* ---- wait ---- */

uint32_t
timeout_left(uint64_t deadline_ms)
{
    uint64_t now_ms = clock_now_ms();

    if (deadline_ms == CLIENT_NEVER)
        return MUSTER_FOREVER;
    return deadline_ms > now_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
}

muster_err
future_await(struct muster_future *future, uint64_t deadline_ms, uint32_t timeout_ms,
             struct muster_error *error)
{
    struct muster_session *session = future->collector->stream.session;
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;

    if (future->state != FUTURE_PENDING)
        return MUSTER_OK;
    waiter_begin(session, &waiter, future);
    future->waiting++;
    while (!err && future->state == FUTURE_PENDING)
        err = waiter_wait(session, &waiter, deadline_ms);
    future->waiting--;
    waiter_end(&waiter);
    if (future->state != FUTURE_PENDING)
        return MUSTER_OK;
    return session_wait_error(session, err, "a task to end", timeout_ms, error);
}

static muster_err
future_wait(struct muster_future *future, uint64_t deadline_ms, uint32_t timeout_ms,
            struct muster_error *error)
{
    pthread_mutex_t *lock = &future->collector->stream.session->lock;
    muster_err       err;

    pthread_mutex_lock(lock);
    err = future_await(future, deadline_ms, timeout_ms, error);
    pthread_mutex_unlock(lock);
    return err;
}

muster_err
muster_future_wait(struct muster_future *future, uint32_t timeout_ms, struct muster_error *error)
{
    return future_wait(future, deadline_after(timeout_ms), timeout_ms, error);
}

/* ---- take ---- */

static muster_err
future_sink(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
    return MUSTER_OK;
}

/* What was too large to be held. */
static muster_err
future_fetch(struct muster_future *future, uint64_t deadline_ms, struct muster_bytes *result_out,
             struct muster_error *error)
{
    const struct stream *stream = &future->collector->stream;
    struct buffer        data = { 0 };
    muster_err           err = muster_result_output(stream->session, stream->job, future->index,
                                                    false, timeout_left(deadline_ms), future_sink,
                                                    &data, error);

    if (err) {
        buffer_free(&data);
        return err;
    }
    (void)buffer_text(&data);
    *result_out = (struct muster_bytes){ .data = data.data, .bytes = data.bytes };
    return MUSTER_OK;
}

/* The end of a log that did not come with the result; without it the text still says
 * what failed. */
static void
future_fetch_tail(struct muster_future *future, uint64_t deadline_ms)
{
    enum { TAIL_BYTES = 256 };
    struct muster_session *session = future->collector->stream.session;
    uint32_t               log_bytes = future->log_bytes;
    union wire_any         m = { .output_get = { .job = future->collector->stream.job,
                                                 .index = future->index, .stream = 1 } };
    struct buffer          text = { 0 };
    struct ask             answer;

    m.output_get.offset = log_bytes > TAIL_BYTES ? log_bytes - TAIL_BYTES : 0;
    if (ask(session, MSG_TYPE_OUTPUT_GET, &m, MSG_TYPE_BODY, timeout_left(deadline_ms), &answer,
            NULL) != MUSTER_OK)
        return;
    pthread_mutex_lock(&session->lock);
    if (future->log_bytes > 0) {
        buffer_append_text(&text, future->data);
        future_tail(&text, answer.m.body.data);
        (void)buffer_text(&text);
        free(future->data);
        future->data = (char *)text.data;
        future->log_bytes = 0;
    }
    pthread_mutex_unlock(&session->lock);
    ask_free(&answer);
}

/* Why one that has ended gave no result. */
static muster_err
future_why(struct muster_future *future, uint64_t deadline_ms, struct muster_error *why_out)
{
    pthread_mutex_t *lock = &future->collector->stream.session->lock;
    muster_err       err;

    if (future->state == FUTURE_CANCELLED)
        return future_error(future, MUSTER_ERR_CANCELED, "was cancelled", why_out);
    if (future->log_bytes > 0)
        future_fetch_tail(future, deadline_ms);
    pthread_mutex_lock(lock);
    err = error_set(why_out,
                    future->state == FUTURE_FAILED ? MUSTER_ERR_REMOTE : (muster_err)future->code,
                    "%s", future->data);
    pthread_mutex_unlock(lock);
    return err;
}

muster_err
future_take(struct muster_future *future, uint64_t deadline_ms, struct muster_bytes *result_out,
            struct muster_error *error)
{
    assert(future->state != FUTURE_PENDING);
    if (future->state != FUTURE_SUCCEEDED)
        return future_why(future, deadline_ms, error);
    if (!future->held)
        return future_fetch(future, deadline_ms, result_out, error);
    *result_out = (struct muster_bytes){ .data = bytes_copy(slice_of(future->data, future->bytes)),
                                         .bytes = future->bytes };
    return MUSTER_OK;
}

muster_err
muster_future_result(struct muster_future *future, uint32_t timeout_ms,
                     struct muster_bytes *result_out, struct muster_error *error)
{
    CALL_SCOPE(future->collector->stream.session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err = future_wait(future, deadline_ms, timeout_ms, error);

    return err ? err : future_take(future, deadline_ms, result_out, error);
}

muster_err
muster_future_exception(struct muster_future *future, uint32_t timeout_ms, bool *failed_out,
                        struct muster_error *why_out, struct muster_error *error)
{
    CALL_SCOPE(future->collector->stream.session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err = future_wait(future, deadline_ms, timeout_ms, error);

    if (err)
        return err;
    if (future->state == FUTURE_CANCELLED)
        return future_why(future, deadline_ms, error);
    *failed_out = future->state != FUTURE_SUCCEEDED;
    if (*failed_out)
        (void)future_why(future, deadline_ms, why_out);
    return MUSTER_OK;
}

/* ---- cancel ---- */

/* `cancelled_out` NULL: do not say how many. */
static muster_err
future_stop(struct muster_future *future, bool hard, bool waiting_only, uint32_t timeout_ms,
            uint64_t *cancelled_out, struct muster_error *error)
{
    struct buffer  list = { 0 };
    union wire_any m = { .job_cancel = { .job = future->collector->stream.job, .hard = hard,
                                         .waiting_only = waiting_only } };
    muster_err     err;

    wire_put_range(&list, &(struct wire_range){ future->index, future->index });
    m.job_cancel.tasks = (struct wire_list){ buffer_slice(&list), 1 };
    err = ask_ack(future->collector->stream.session, MSG_TYPE_JOB_CANCEL, &m, timeout_ms,
                  cancelled_out, error);
    buffer_free(&list);
    return err;
}

/* What was fed a moment ago must be at the manager before it can be cancelled there. */
static muster_err
future_flush(struct muster_future *future, uint32_t timeout_ms, struct muster_error *error)
{
    const struct stream *stream = &future->collector->stream;
    bool                 fed;

    pthread_mutex_lock(&stream->session->lock);
    fed = feed_is_settled(stream->session, stream->job, future->index);
    pthread_mutex_unlock(&stream->session->lock);
    return fed ? MUSTER_OK
               : muster_job_feed_flush(stream->session, stream->job, timeout_ms, error);
}

/* An answer may have been lost and the request repeated: did it end so? */
static muster_err
future_was_cancelled(struct muster_future *future, uint32_t timeout_ms, bool *cancelled_out,
                     struct muster_error *error)
{
    const struct stream  *stream = &future->collector->stream;
    struct muster_result *result = NULL;
    struct muster_error   why = { 0 };
    muster_err            err = muster_result_get(stream->session, stream->job, future->index,
                                                  timeout_ms, &result, &why);

    if (!err) {
        *cancelled_out = result->outcome == MUSTER_OUTCOME_CANCELLED;
        muster_result_free(result);
    } else if (err == MUSTER_ERR_STATE) {
        *cancelled_out = false;
        err = MUSTER_OK;
    } else if (error != NULL) {
        *error = why;
    }
    return err;
}

muster_err
muster_future_cancel(struct muster_future *future, uint32_t timeout_ms, bool *cancelled_out,
                     struct muster_error *error)
{
    CALL_SCOPE(future->collector->stream.session);
    struct muster_session *session = future->collector->stream.session;
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    uint64_t               count = 0;
    bool                   cancelled = false;
    muster_err             err;

    if (future_state(future) != FUTURE_PENDING) {
        *cancelled_out = future->state == FUTURE_CANCELLED;
        return MUSTER_OK;
    }
    err = future_flush(future, timeout_ms, error);
    if (!err)
        err = future_stop(future, false, true, timeout_left(deadline_ms), &count, error);
    cancelled = count > 0;
    if (!err && !cancelled)
        err = future_was_cancelled(future, timeout_left(deadline_ms), &cancelled, error);
    if (err)
        return err;
    pthread_mutex_lock(&session->lock);
    if (cancelled && future->state == FUTURE_PENDING) {
        future_end_cancelled(future);
        waiters_wake(session, &session->collectors);
    }
    *cancelled_out = future->state == FUTURE_CANCELLED;
    pthread_mutex_unlock(&session->lock);
    return MUSTER_OK;
}

muster_err
muster_future_terminate(struct muster_future *future, uint32_t timeout_ms,
                        struct muster_error *error)
{
    CALL_SCOPE(future->collector->stream.session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err;

    if (future_state(future) != FUTURE_PENDING)
        return MUSTER_OK;
    err = future_flush(future, timeout_ms, error);
    return err ? err
               : future_stop(future, true, false, timeout_left(deadline_ms), NULL, error);
}
