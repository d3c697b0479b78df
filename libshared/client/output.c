/* output.c - what tasks wrote: kept, or as they write it
 *
 * Offsets of live output count what the task wrote; offsets of kept output
 * count what is left when the middle of a long one was cut out.  Both agree up
 * to the cut, and their ends agree.
 *
 * 1. A follower passes every kept byte once: live pieces are passed only in
 *    order and without a gap, and the rest comes from what was kept.
 * 2. A task that is tried again starts over: its new attempt is passed from
 *    its first byte.
 */
#include "results.h"

#include <assert.h>

enum {
    FOLLOW_POLL_MS       = 200,               /* has it ended? */
    FOLLOW_BYTES_MAX     = 1 * MIB,           /* live, waiting for the caller */
    FOLLOW_STOP_MS       = 5000,
    /* What is said in the place of a cut is shorter than this. */
    FOLLOW_CUT_BYTES_MAX = 256,
};

struct output {
    struct muster_session *session;
    uint64_t               job;
    uint32_t               index;
    bool                   stderr_stream;
    uint32_t               timeout_ms;
    muster_sink           *sink;
    void                  *context;
};

/* ---- kept output ---- */

static muster_err
output_pass(const struct output *output, struct slice data, struct muster_error *error)
{
    muster_err err;

    if (data.bytes == 0)
        return MUSTER_OK;
    err = output->sink(output->context, data.data, data.bytes);
    if (err)
        return error_set(error, err, "output of task %llu.%u could not be passed on",
                         (unsigned long long)output->job, (unsigned)output->index);
    return MUSTER_OK;
}

/* Kept bytes from `at` to `kept`, from the manager. */
static muster_err
output_fetch(const struct output *output, uint64_t at, uint64_t kept, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && at < kept) {
        union wire_any m = { .output_get = { .job = output->job,
                                             .index = output->index,
                                             .stream = output->stderr_stream,
                                             .offset = at } };
        struct ask     answer;

        err = ask(output->session, MSG_TYPE_OUTPUT_GET, &m, MSG_TYPE_BODY, output->timeout_ms,
                  &answer, error);
        if (err)
            return err;
        if (answer.m.body.offset != at || answer.m.body.data.bytes == 0)
            err = error_set(error, MUSTER_ERR_INTERNAL,
                            "the manager has less output of task %llu.%u than it said",
                            (unsigned long long)output->job, (unsigned)output->index);
        else
            err = output_pass(output, answer.m.body.data, error);
        at += answer.m.body.data.bytes;
        ask_free(&answer);
    }
    return err;
}

/* Kept bytes from `from` on: first what came with the result, then the rest. */
static muster_err
output_kept(const struct output *output, const struct muster_result *result, uint64_t from,
            struct muster_error *error)
{
    struct slice inlined = output->stderr_stream ? slice_of(result->err, result->err_bytes)
                                                 : slice_of(result->out, result->out_bytes);
    uint64_t     kept = output->stderr_stream ? result->err_kept : result->out_kept;
    muster_err   err = MUSTER_OK;

    if (from < inlined.bytes) {
        err = output_pass(output, slice_cut(inlined, (size_t)from, SIZE_MAX), error);
        from = inlined.bytes;
    }
    return err ? err : output_fetch(output, from, kept, error);
}

muster_err
muster_result_output(struct muster_session *session, uint64_t job, uint32_t index,
                     bool stderr_stream, uint32_t timeout_ms, muster_sink *sink, void *context,
                     struct muster_error *error)
{
    CALL_SCOPE(session);
    struct output         output = { session, job, index, stderr_stream, timeout_ms, sink,
                                     context };
    struct muster_result *result = NULL;
    muster_err            err;

    if (sink == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "there is nowhere to pass the output to");
    err = muster_result_get(session, job, index, timeout_ms, &result, error);
    if (err)
        return err;
    err = output_kept(&output, result, 0, error);
    muster_result_free(result);
    return err;
}

/* ---- live output ---- */

struct follow {
    struct output       output;
    uint64_t            interrupts;      /* as counted when the call began */
    /* guarded by the session's lock */
    struct call         call;            /* the subscription */
    bool                subscribed;      /* once */
    struct buffer       live;            /* arrived, not yet passed */
    uint32_t            attempt;
    uint64_t            offset;          /* end of what arrived in order */
    bool                ended;           /* the manager said so: ask for the result now */
};

/* Take a live piece: what continues where we are, nothing else. */
static void
follow_take(struct follow *follow, const struct msg_task_output *m)
{
    uint64_t end = m->offset + m->data.bytes;

    if (m->token.job != follow->output.job || m->token.index != follow->output.index ||
        m->stream != (uint8_t)follow->output.stderr_stream || m->token.attempt < follow->attempt)
        return;
    if (m->token.attempt > follow->attempt) {
        follow->attempt = m->token.attempt;
        follow->offset = 0;
    }
    if (m->offset > follow->offset || end <= follow->offset)
        return;
    if (follow->live.bytes + (end - follow->offset) > FOLLOW_BYTES_MAX)
        return;                          /* a slow reader gets it from what is kept */
    buffer_append_slice(&follow->live,
                        slice_cut(m->data, (size_t)(follow->offset - m->offset), SIZE_MAX));
    follow->offset = end;
}

static void
follow_piece(struct call *call, uint16_t type, struct slice body)
{
    struct follow         *follow = CONTAINER(call, struct follow, call);
    struct msg_task_output m;

    if (type != MSG_TYPE_TASK_OUTPUT || wire_decode_task_output(body, &m) != MUSTER_OK)
        return;
    if (m.data.bytes > 0)
        follow_take(follow, &m);
    else
        follow->ended = true;
    waiters_wake(call->session, follow);
}

static void
follow_request(const struct output *output, bool on, union wire_any *m_out)
{
    *m_out = (union wire_any){ .output_follow = { .job = output->job,
                                                  .index = output->index,
                                                  .on = on } };
}

/* With the lock held.  A task that does not run yet may refuse it: it is asked
 * again with every look. */
static void
follow_subscribe(struct follow *follow)
{
    union wire_any m;

    if (follow->call.state == CALL_SENT || follow->call.state == CALL_UNSENT)
        return;
    call_free(&follow->call);
    follow->call.piece = follow_piece;
    follow_request(&follow->output, true, &m);
    call_make(&follow->call, MSG_TYPE_OUTPUT_FOLLOW, &m);
    call_submit(follow->output.session, &follow->call, MUSTER_FOREVER);
    follow->subscribed = true;
}

static void
follow_stop(struct follow *follow)
{
    struct muster_session *session = follow->output.session;
    union wire_any         m;

    pthread_mutex_lock(&session->lock);
    call_abandon(&follow->call);
    call_free(&follow->call);
    pthread_mutex_unlock(&session->lock);
    buffer_free(&follow->live);
    if (!follow->subscribed)
        return;
    follow_request(&follow->output, false, &m);
    /* Failing changes nothing: what still comes has no taker. */
    (void)ask_ack(session, MSG_TYPE_OUTPUT_FOLLOW, &m, FOLLOW_STOP_MS, NULL, NULL);
}

/* Pass on what is here; the sink may block, so not under the lock. */
static muster_err
follow_pass(struct follow *follow, struct muster_error *error)
{
    struct muster_session *session = follow->output.session;
    struct buffer          live;
    muster_err             err;

    pthread_mutex_lock(&session->lock);
    live = follow->live;
    follow->live = (struct buffer){ 0 };
    pthread_mutex_unlock(&session->lock);
    err = output_pass(&follow->output, buffer_slice(&live), error);
    buffer_free(&live);
    return err;
}

/* Live output until it is time to ask again whether the task has ended. */
static muster_err
follow_watch(struct follow *follow, uint64_t deadline_ms, struct muster_error *error)
{
    struct muster_session *session = follow->output.session;
    uint64_t               until_ms = clock_now_ms() + FOLLOW_POLL_MS;
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;
    muster_err             passed;

    while (err != MUSTER_ERR_TIMEOUT) {
        pthread_mutex_lock(&session->lock);
        follow_subscribe(follow);
        waiter_begin(session, &waiter, follow);
        /* Nor is an interruption lost that came while nobody waited. */
        waiter.interrupts = follow->interrupts;
        err = MUSTER_OK;
        while (!err && follow->live.bytes == 0 && !follow->ended)
            err = waiter_wait(session, &waiter, until_ms);
        waiter_end(&waiter);
        if (follow->ended)
            until_ms = 0;
        follow->ended = false;
        if (err == MUSTER_ERR_INTERRUPTED)
            err = session_wait_error(session, err, "output", 0, error);
        pthread_mutex_unlock(&session->lock);
        if (err == MUSTER_ERR_INTERRUPTED)
            return err;
        passed = follow_pass(follow, error);
        if (passed)
            return passed;
        if (clock_now_ms() >= until_ms)
            break;
    }
    if (clock_now_ms() < deadline_ms)
        return MUSTER_OK;
    return error_set(error, MUSTER_ERR_TIMEOUT, "task %llu.%u has not ended within %u ms",
                     (unsigned long long)follow->output.job, (unsigned)follow->output.index,
                     (unsigned)follow->output.timeout_ms);
}

/* The task has ended: what of the kept bytes has not been passed? */
static uint64_t
follow_rest_from(uint64_t passed, uint64_t total, uint64_t kept)
{
    uint64_t side;

    if (passed >= total)
        return kept;
    if (kept >= total)
        return passed;                  /* nothing was cut */
    side = kept / 2 > FOLLOW_CUT_BYTES_MAX ? kept / 2 - FOLLOW_CUT_BYTES_MAX : 0;
    if (passed <= side)
        return passed;                  /* still in the head */
    /* Beyond the head: of the tail, what lies behind what was passed. */
    return total - passed < side ? kept - (total - passed) : kept - side;
}

static muster_err
follow_rest(struct follow *follow, const struct muster_result *result, struct muster_error *error)
{
    bool     is_err = follow->output.stderr_stream;
    uint64_t total = is_err ? result->err_total : result->out_total;
    uint64_t kept = is_err ? result->err_kept : result->out_kept;
    uint64_t passed;
    muster_err err = follow_pass(follow, error);

    if (err)
        return err;
    pthread_mutex_lock(&follow->output.session->lock);
    passed = follow->attempt == result->attempt ? follow->offset : 0;
    pthread_mutex_unlock(&follow->output.session->lock);
    return output_kept(&follow->output, result, follow_rest_from(passed, total, kept), error);
}

muster_err
muster_output_follow(struct muster_session *session, uint64_t job, uint32_t index,
                     bool stderr_stream, uint32_t timeout_ms, muster_sink *sink, void *context,
                     struct muster_error *error)
{
    CALL_SCOPE(session);
    struct follow         follow = { .output = { session, job, index, stderr_stream, timeout_ms,
                                                 sink, context },
                                     .interrupts = atomic_load(&session->interrupts) };
    uint64_t              deadline_ms = deadline_after(timeout_ms);
    struct muster_result *result = NULL;
    muster_err            err;

    if (sink == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "there is nowhere to pass the output to");
    for (;;) {
        err = muster_result_get(session, job, index, timeout_ms, &result, error);
        if (err != MUSTER_ERR_STATE)
            break;
        err = follow_watch(&follow, deadline_ms, error);
        if (err)
            break;
    }
    if (!err)
        err = follow_rest(&follow, result, error);
    muster_result_free(result);
    follow_stop(&follow);
    return err;
}
