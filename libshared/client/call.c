/* call.c - requests, their answers, and threads that wait for them */
#include "client.h"

#include <assert.h>
#include <string.h>

/* ---- calls ---- */

void
call_make(struct call *call, uint16_t type, const union wire_any *m)
{
    assert(call->state == CALL_NEW && call->message.data == NULL);
    wire_put_any(&call->message, type, 0, m);
}

/* The request number is known at submission only: behind length, type and flags. */
static void
call_number(struct call *call, uint64_t request)
{
    enum { REQUEST_AT = 8 };

    assert(call->message.bytes >= MESSAGE_HEADER_BYTES);
    call->request = request;
    write_u32_at(&call->message, REQUEST_AT, (uint32_t)request);
    write_u32_at(&call->message, REQUEST_AT + 4, (uint32_t)(request >> 32));
}

/* Into `unsent`, before the first of a higher number. */
static void
call_queue(struct call *call)
{
    struct list *head = &call->session->unsent;
    struct list *at = head->next;

    if (!list_empty(head)) {
        const struct call *last = CONTAINER(head->prev, struct call, link);

        if (last->request < call->request)
            at = head;                  /* the usual case: a new call */
    }
    while (at != head && CONTAINER(at, struct call, link)->request < call->request)
        at = at->next;
    list_append(at, &call->link);
    call->state = CALL_UNSENT;
}

void
call_submit(struct muster_session *session, struct call *call, uint32_t timeout_ms)
{
    assert(call->state == CALL_NEW);
    assert(call->done != NULL || call->piece != NULL);
    call->session = session;
    /* Nobody will answer: it ends as soon as somebody looks. */
    if (session_failed(session, &call->error))
        timeout_ms = 0;
    call->deadline_ms = deadline_after(timeout_ms);
    call_number(call, ++session->request_last);
    session->objects.plain_last = call->request;
    map_put(&session->calls, call->request, call);
    if (call->deadline_ms != CLIENT_NEVER) {
        call->deadline.key = call->deadline_ms;
        call->deadline.tie = call->request;
        heap_add(&session->deadlines, &call->deadline);
    }
    call_queue(call);
    session_wake(session);
}

static void
call_remove(struct call *call)
{
    assert(call->state == CALL_UNSENT || call->state == CALL_SENT);
    list_remove(&call->link);
    (void)map_remove(&call->session->calls, call->request);
    if (call->deadline.place != 0)
        heap_remove(&call->session->deadlines, &call->deadline);
    call->state = CALL_DONE;
}

void
call_abandon(struct call *call)
{
    if (call->state == CALL_UNSENT || call->state == CALL_SENT)
        call_remove(call);
}

void
call_end(struct call *call, const struct muster_error *error)
{
    call_remove(call);
    if (error != NULL)
        call->error = *error;
    if (call->done != NULL)
        call->done(call);
}

void
call_defer(struct call *call, uint64_t deadline_ms)
{
    assert(call->state == CALL_UNSENT || call->state == CALL_SENT);
    call->deadline_ms = deadline_ms;
    call->deadline.key = deadline_ms;
    call->deadline.tie = call->request;
    heap_update(&call->session->deadlines, &call->deadline);
}

void
call_again(struct call *call, uint64_t not_before_ms)
{
    assert(call->state == CALL_UNSENT || call->state == CALL_SENT);
    list_remove(&call->link);
    call->not_before_ms = not_before_ms;
    call_queue(call);
}

void
call_free(struct call *call)
{
    assert(call->state == CALL_NEW || call->state == CALL_DONE);
    buffer_free(&call->message);
    buffer_free(&call->answer);
    *call = (struct call){ 0 };
}

muster_err
call_answer(const struct call *call, uint16_t type, union wire_any *m_out,
            struct muster_error *error)
{
    assert(call->state == CALL_DONE);
    if (call->error.code != MUSTER_OK) {
        if (error != NULL)
            *error = call->error;
        return call->error.code;
    }
    if (call->answer_type != type ||
        wire_decode_any(type, buffer_slice(&call->answer), m_out) != MUSTER_OK)
        return error_set(error, MUSTER_ERR_INTERNAL,
                         "the manager answered with message 0x%02x, which is not what was asked",
                         call->answer_type);
    return MUSTER_OK;
}

/* ---- waiting ---- */

uint64_t
deadline_after(uint32_t timeout_ms)
{
    return timeout_ms == MUSTER_FOREVER ? CLIENT_NEVER : clock_now_ms() + timeout_ms;
}

muster_err
session_wait_error(struct muster_session *session, muster_err err, const char *what,
                   uint32_t timeout_ms, struct muster_error *error)
{
    if (session_forked(session, error))
        return err;
    if (err == MUSTER_ERR_INTERRUPTED)
        return error_set(error, err, "interrupted while waiting for %s", what);
    if (session->machine.state == MACHINE_READY)
        return error_set(error, err, "%s: nothing from %s within %u ms", what, session->address,
                         (unsigned)timeout_ms);
    return error_set(error, err, "%s: nothing within %u ms; %s is away: %s", what,
                     (unsigned)timeout_ms, session->address, session->machine.error.detail);
}

/* ---- calls of several requests ---- */

static _Thread_local struct scope *scope_innermost;

uint64_t
scope_interrupts(struct muster_session *session)
{
    for (const struct scope *at = scope_innermost; at != NULL; at = at->outer) {
        if (at->session == session)
            return at->interrupts;
    }
    return atomic_load(&session->interrupts);
}

struct scope *
scope_begin(struct scope *scope, struct muster_session *session)
{
    *scope = (struct scope){ session, scope_interrupts(session), scope_innermost };
    scope_innermost = scope;
    return scope;
}

void
scope_end(struct scope *scope)
{
    assert(scope_innermost == scope);
    scope_innermost = scope->outer;
}

void
scope_afresh(struct scope *scope)
{
    scope->interrupts = atomic_load(&scope->session->interrupts);
}

/* ---- one request, one answer ---- */

static void
ask_done(struct call *call)
{
    waiters_wake(call->session, call);
}

/* As people know the requests. */
static const char *
ask_name(uint16_t type)
{
    const struct wire_rule *rule = wire_rule(type);

    return rule != NULL && rule->name != NULL ? rule->name : "the answer";
}

static muster_err
ask_wait(struct muster_session *session, struct ask *ask, uint16_t type, uint32_t timeout_ms,
         struct muster_error *error)
{
    struct waiter waiter;
    muster_err    err = MUSTER_OK;

    waiter_begin(session, &waiter, &ask->call);
    session->drive.asking = true;
    call_submit(session, &ask->call, timeout_ms);
    session->drive.asking = false;
    /* The thread ends the call at its deadline, with what it knows. */
    while (!err && ask->call.state != CALL_DONE)
        err = waiter_wait(session, &waiter, CLIENT_NEVER);
    waiter_end(&waiter);
    if (ask->call.state == CALL_DONE)
        return MUSTER_OK;
    call_abandon(&ask->call);
    return session_wait_error(session, err, ask_name(type), timeout_ms, error);
}

muster_err
ask(struct muster_session *session, uint16_t type, const union wire_any *request,
    uint16_t answer_type, uint32_t timeout_ms, struct ask *ask_out, struct muster_error *error)
{
    muster_err err;

    *ask_out = (struct ask){ .call = { .done = ask_done } };
    call_make(&ask_out->call, type, request);
    pthread_mutex_lock(&session->lock);
    if (session_failed(session, error))
        err = session->machine.error.code;
    else
        err = ask_wait(session, ask_out, type, timeout_ms, error);
    pthread_mutex_unlock(&session->lock);
    if (!err)
        err = call_answer(&ask_out->call, answer_type, &ask_out->m, error);
    if (err)
        ask_free(ask_out);
    return err;
}

muster_err
ask_ack(struct muster_session *session, uint16_t type, const union wire_any *request,
        uint32_t timeout_ms, uint64_t *value_out, struct muster_error *error)
{
    struct ask answer;
    muster_err err = ask(session, type, request, MSG_TYPE_ACK, timeout_ms, &answer, error);

    if (err)
        return err;
    if (value_out != NULL)
        *value_out = answer.m.ack.value;
    ask_free(&answer);
    return MUSTER_OK;
}

void
ask_free(struct ask *ask)
{
    call_free(&ask->call);
}

void
text_put(char *out, size_t out_bytes, struct slice text)
{
    size_t bytes = text.bytes < out_bytes ? text.bytes : out_bytes - 1;

    assert(out_bytes > 0);
    if (bytes > 0)
        memcpy(out, text.data, bytes);
    out[bytes] = '\0';
}
