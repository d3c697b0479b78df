/* handle.c - blocking requests of shared objects (see handle.h) */
#include "object_call.h"

void
object_wake(struct object_call *call)
{
    struct waiter *waiter = call->call.context;

    waiter_wake(waiter);
}

/* While the manager is there it can say what became of the request.  OK: look at the
 * call, which has ended; INTERRUPTED: it had no effect. */
static muster_err
object_interrupted(struct muster_session *session, struct waiter *waiter, struct object_call *call)
{
    struct outcome outcome = { .waiter = waiter };
    uint64_t       until_ms = clock_now_ms() + OBJECT_GRACE_MS;
    struct giveup *giveup;
    bool           answered;

    if (call->call.sends == 0 || session->machine.state != MACHINE_READY) {
        object_call_give_up(call);
        return MUSTER_ERR_INTERRUPTED;
    }
    giveup = giveup_begin(call);
    giveup->outcome = &outcome;
    if (call->call.state == CALL_UNSENT)
        call_abandon(&call->call);      /* it was BUSY, and shall not go again */
    waiter->interrupts = atomic_load(&session->interrupts);
    while (!outcome.ended && waiter_wait(session, waiter, until_ms) == MUSTER_OK)
        ;
    if (!outcome.ended)
        giveup->outcome = NULL;
    answered = call->call.state == CALL_DONE;
    call_abandon(&call->call);
    if (outcome.stays && answered &&
        call->call.error.code != MUSTER_ERR_CANCELED)
        return MUSTER_OK;
    return MUSTER_ERR_INTERRUPTED;
}

/* How a blocking call differs from the plain ones. */
struct manner {
    uint16_t      answer_type;
    bool         *interrupted;   /* see handle_do_to_end() */
    struct asked *held;          /* see handle_do_unseen() */
};

/* Nothing but its answer tells whether it took effect. */
static void
object_hurry(struct muster_session *session, struct waiter *waiter, struct object_call *call,
             bool *interrupted)
{
    waiter->interrupts = atomic_load(&session->interrupts);
    if (!*interrupted)
        object_call_hurry(call);
    *interrupted = true;
}

/* Submitted already. */
static muster_err
object_wait(struct muster_session *session, struct waiter *waiter, struct object_call *call,
            const struct manner *manner, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && call->call.state != CALL_DONE) {
        err = waiter_wait(session, waiter, CLIENT_NEVER);
        if (err && manner->interrupted != NULL && call->call.sends > 0) {
            if (call->call.state != CALL_DONE)
                object_hurry(session, waiter, call, manner->interrupted);
            err = MUSTER_OK;
        }
    }
    if (err && call->call.state != CALL_DONE)
        err = object_interrupted(session, waiter, call);
    else
        err = MUSTER_OK;
    return err ? error_set(error, err, "interrupted while waiting for %s",
                           wire_verb_rule(call->verb)->name)
               : MUSTER_OK;
}

/* The answer goes over to the caller. */
static muster_err
object_take(struct object_call *call, uint16_t type, struct ask *ask_out,
            struct muster_error *error)
{
    muster_err err;

    if (call->call.error.code != MUSTER_OK) {
        if (error != NULL)
            *error = call->call.error;
        return call->call.error.code;
    }
    ask_out->call = (struct call){ .state = CALL_DONE, .answer_type = call->call.answer_type,
                                   .answer = call->call.answer };
    call->call.answer = (struct buffer){ 0 };
    err = call_answer(&ask_out->call, type, &ask_out->m, error);
    if (err)
        ask_free(ask_out);
    return err;
}

static muster_err
do_check(const struct msg_object_do *m, struct muster_error *error)
{
    if (m->key.bytes > KEY_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "a key has at most %u bytes, not %zu",
                         KEY_BYTES_MAX, m->key.bytes);
    if (m->value.bytes > BLOCK_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "%zu bytes do not fit one request, only %u",
                         m->value.bytes, BLOCK_BYTES_MAX);
    return MUSTER_OK;
}

static muster_err
handle_ask(struct handle *handle, const struct msg_object_do *m, const struct manner *manner,
           uint32_t timeout_ms, struct ask *answer_out, struct muster_error *error)
{
    struct muster_session *session = handle->session;
    struct waiter          waiter;
    struct object_call     call = { .done = object_wake, .held = manner->held,
                                    .call.context = &waiter };
    muster_err             err = do_check(m, error);

    if (err)
        return err;
    object_make(&call, handle, m, timeout_ms);
    pthread_mutex_lock(&session->lock);
    err = object_check(session, handle, error);
    if (!err) {
        waiter_begin(session, &waiter, &call);
        session->drive.asking = true;
        object_submit(session, &call, timeout_ms);
        session->drive.asking = false;
        err = object_wait(session, &waiter, &call, manner, error);
        waiter_end(&waiter);
    }
    pthread_mutex_unlock(&session->lock);
    if (!err)
        err = object_take(&call, manner->answer_type, answer_out, error);
    object_call_free(&call);
    return err;
}

muster_err
handle_do(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
          struct ask *answer_out, struct muster_error *error)
{
    static const struct manner plain = { MSG_TYPE_OBJECT_DONE, NULL, NULL };

    return handle_ask(handle, m, &plain, timeout_ms, answer_out, error);
}

muster_err
handle_do_to_end(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                 bool *interrupted_out, struct ask *answer_out, struct muster_error *error)
{
    const struct manner to_end = { MSG_TYPE_OBJECT_DONE, interrupted_out, NULL };

    *interrupted_out = false;
    return handle_ask(handle, m, &to_end, timeout_ms, answer_out, error);
}

muster_err
handle_do_unseen(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                 struct ask *answer_out, struct asked *held_out, struct muster_error *error)
{
    const struct manner unseen = { MSG_TYPE_OBJECT_DONE, NULL, held_out };

    *held_out = (struct asked){ 0 };
    return handle_ask(handle, m, &unseen, timeout_ms, answer_out, error);
}

void
handle_seen(struct handle *handle, struct asked *held)
{
    struct muster_session *session = handle->session;

    pthread_mutex_lock(&session->lock);
    if (list_linked(&held->link)) {
        asked_seen(session, held);
        session_wake(session);
    }
    pthread_mutex_unlock(&session->lock);
}

muster_err
handle_read(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
            struct ask *answer_out, struct muster_error *error)
{
    static const struct manner read = { MSG_TYPE_BODY, NULL, NULL };

    return handle_ask(handle, m, &read, timeout_ms, answer_out, error);
}

muster_err
handle_do_plain(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                struct muster_error *error)
{
    return handle_do_number(handle, m, timeout_ms, NULL, error);
}

muster_err
handle_do_number(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                 uint64_t *a_out, struct muster_error *error)
{
    struct ask answer;
    muster_err err = handle_do(handle, m, timeout_ms, &answer, error);

    if (err)
        return err;
    if (a_out != NULL)
        *a_out = answer.m.object_done.a;
    ask_free(&answer);
    return MUSTER_OK;
}

muster_err
handle_do_bytes(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                struct muster_bytes *bytes_out, struct muster_error *error)
{
    struct ask answer;
    muster_err err = handle_do(handle, m, timeout_ms, &answer, error);

    if (err)
        return err;
    bytes_of_answer(&answer.m.object_done, bytes_out);
    ask_free(&answer);
    return MUSTER_OK;
}

uint32_t
left_until(uint64_t until_ms)
{
    uint64_t now_ms;

    if (until_ms == CLIENT_NEVER)
        return MUSTER_FOREVER;
    now_ms = clock_now_ms();
    return now_ms >= until_ms ? 0 : (uint32_t)(until_ms - now_ms);
}
