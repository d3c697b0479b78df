/* history_service.c - the model of a service
 *
 * 1. A call is given to one server, once, whatever happens to that one; calls are
 *    given in the order in which they were made.
 * 2. Its caller gets what its server said to this very call, or an error: REMOTE
 *    when the server said so or is gone, END when nobody serves any more.
 */
#include "history_model.h"

#include <stdlib.h>

uint64_t
history_result(uint64_t argument)
{
    return argument * 3 + 1;
}

/* The newest, should it have been asked again after it had left. */
static struct hist_call *
call_of(struct hist_object *object, const struct hist_op *op)
{
    for (uint32_t i = object->service.count; i > 0; i--)
        if (object->service.calls[i - 1].op == op)
            return &object->service.calls[i - 1];
    return NULL;
}

static struct hist_call *
call_valued(struct hist_object *object, struct slice value)
{
    for (uint32_t i = object->service.count; i > 0; i--)
        if (slice_equal(buffer_slice(&object->service.calls[i - 1].op->value), value))
            return &object->service.calls[i - 1];
    return NULL;
}

static struct hist_call *
call_numbered(struct hist_object *object, uint64_t number)
{
    for (uint32_t i = 0; i < object->service.count; i++)
        if (object->service.calls[i].number == number)
            return &object->service.calls[i];
    return NULL;
}

static bool
call_is_queued(const struct hist_call *call)
{
    return !call->gone && !call->replied && call->number == 0;
}

static bool
serves(const struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->service.server_count; i++)
        if (object->service.servers[i] == session)
            return true;
    return false;
}

static void
server_gone(struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->service.server_count; i++)
        if (object->service.servers[i] == session)
            object->service.servers[i--] =
                object->service.servers[--object->service.server_count];
    for (uint32_t i = 0; i < object->service.count && object->service.server_count == 0; i++) {
        struct hist_call *call = &object->service.calls[i];

        if (!call_is_queued(call))
            continue;
        call->replied = true;
        call->error = MUSTER_ERR_END;
    }
}

/* ---- what is asked ---- */

static void
service_asked(struct hist_object *object, struct hist_op *op)
{
    void *calls = object->service.calls;

    if (op->verb != VERB_SERVICE_CALL || op->entered)
        return;
    op->entered = true;
    base_grow(&calls, &object->service.capacity, object->service.count + 1,
              sizeof(struct hist_call));
    object->service.calls = calls;
    object->service.calls[object->service.count++] = (struct hist_call){ .op = op };
}

/* ---- answers ---- */

static void
service_given(struct hist_object *object, const struct hist_op *op,
              const struct msg_object_done *m)
{
    struct hist_call *call = call_valued(object, m->value);

    for (const struct hist_call *other = object->service.calls; call != NULL && other < call;
         other++)
        if (call_is_queued(other))
            model_fail(object, op, "call %lld is given before call %lld",
                       (long long)model_number(m->value),
                       (long long)model_number(buffer_slice(&other->op->value)));
    if (call == NULL || call->op->session != m->b)
        model_fail(object, op, "session %llu never made call %lld", (unsigned long long)m->b,
                   (long long)model_number(m->value));
    if (!call_is_queued(call))
        model_fail(object, op, "call %lld is given, but %s", (long long)model_number(m->value),
                   call->gone          ? "its caller has left"
                   : call->number != 0 ? "it was given before"
                                       : "it is answered");
    if (!serves(object, op->session))
        model_fail(object, op, "it is given to one who does not serve");
    call->number = m->a;
    call->server = op->session;
}

static void
service_replied(struct hist_object *object, const struct hist_op *op)
{
    struct hist_call *call = call_numbered(object, op->a);

    if (call == NULL || call->server != op->session || call->replied || call->gone)
        model_fail(object, op, "call %llu was not this session's to answer",
                   (unsigned long long)op->a);
    call->replied = true;
    call->error = op->b == 1 ? MUSTER_ERR_REMOTE : MUSTER_OK;
}

static void
service_answered(struct hist_object *object, const struct hist_op *op,
                 const struct msg_object_done *m)
{
    struct hist_call *call = call_of(object, op);
    uint64_t          argument = (uint64_t)model_number(buffer_slice(&op->value));

    if (call == NULL || !call->replied || call->error != MUSTER_OK)
        model_fail(object, op, "it is answered, but nobody did so");
    if (m->value.bytes != 8 || (uint64_t)model_number(m->value) != history_result(argument))
        model_fail(object, op, "it is answered as another");
    call->gone = true;
}

static void
service_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    switch (op->verb) {
    case VERB_SERVICE_PUBLISH:
        if (serves(object, op->session))
            break;
        assert(object->service.server_count < MODEL_HOLDERS_MAX);
        object->service.servers[object->service.server_count++] = op->session;
        break;
    case VERB_SERVICE_WITHDRAW:
        server_gone(object, op->session);
        break;
    case VERB_SERVICE_NEXT:
        service_given(object, op, m);
        break;
    case VERB_SERVICE_REPLY:
        service_replied(object, op);
        break;
    default:
        service_answered(object, op, m);
    }
}

static void
service_call_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    struct hist_call *call = call_of(object, op);

    if (call == NULL || call->gone) {  /* asked again, it is decided anew */
        if (error == MUSTER_ERR_REMOTE || (error == MUSTER_ERR_END &&
                                           object->service.server_count > 0))
            model_fail(object, op, "it was not taken in: %s", muster_err_name(error));
        return;
    }
    if ((error == MUSTER_ERR_REMOTE || error == MUSTER_ERR_END) &&
        (!call->replied || call->error != error))
        model_fail(object, op, "%s, but %s", muster_err_name(error),
                   call->replied ? "it was answered otherwise" : "there is a server");
    call->gone = true;
    op->entered = op->entered && error != MUSTER_ERR_TIMEOUT;
}

static void
service_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    const struct hist_call *call = call_numbered(object, op->a);

    if (op->verb == VERB_SERVICE_CALL)
        service_call_refused(object, op, error);
    if (op->verb == VERB_SERVICE_NEXT && error == MUSTER_ERR_STATE && serves(object, op->session))
        model_fail(object, op, "one who serves is told not to");
    if (op->verb == VERB_SERVICE_REPLY && call != NULL && call->server == op->session &&
        !call->replied && !call->gone)
        model_fail(object, op, "the answer to call %llu is refused", (unsigned long long)op->a);
    for (uint32_t i = 0; error == MUSTER_ERR_EMPTY && op->steady && i < object->service.count; i++)
        if (call_is_queued(&object->service.calls[i]))
            model_fail(object, op, "nothing is there, but call %lld is lost",
                       (long long)model_number(buffer_slice(&object->service.calls[i].op->value)));
}

static void
service_left(struct hist_object *object, struct hist_op *op)
{
    struct hist_call *call = call_of(object, op);

    if (call != NULL)
        call->gone = true;
}

static void
service_session_ended(struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->service.count; i++) {
        struct hist_call *call = &object->service.calls[i];

        if (call->number == 0 || call->server != session || call->replied || call->gone)
            continue;
        call->replied = true;          /* what it did is not known */
        call->error = MUSTER_ERR_REMOTE;
    }
    server_gone(object, session);
}

static bool
service_holds(const struct hist_object *object, uint64_t session)
{
    return serves(object, session);
}

static void
service_release(struct hist_object *object)
{
    free(object->service.calls);
}

const struct hist_rules hist_service = {
    .asked = service_asked, .done = service_done, .refused = service_refused,
    .left = service_left, .session_ended = service_session_ended, .holds = service_holds,
    .release = service_release,
};
