/* history_pipes.c - the model of pipes, and of the listener that makes them
 *
 * 1. What a part holds follows from the pipe, the end, the session that sent it
 *    and its number, so whatever is received can be told from everything else.
 * 2. What was accepted arrives, in order, each part once, unless its receiver is
 *    gone; a part that is lost with a restart of the manager, because its sender
 *    was gone by then, is told as such.
 * 3. END comes when the other end is closed and all was read, and only then.
 * 4. Who connects gets one pipe, with one who accepted at its other end.
 */
#include <stdio.h>
#include <stdlib.h>

#include "history_model.h"
#include "history_state.h"

enum { PARTS_PER_MESSAGE = 3, PART_TEXT_BYTES = 64 };

/* ---- what is sent ---- */

static uint32_t
part_text(const struct hist_object *pipe, uint64_t session, unsigned end, uint64_t number,
          char text[static PART_TEXT_BYTES])
{
    return (uint32_t)snprintf(text, PART_TEXT_BYTES, "%llu/%u/%llu part %llu%.*s",
                              (unsigned long long)pipe->id, end, (unsigned long long)session,
                              (unsigned long long)number, (int)(number * 7 % 13),
                              "............");
}

void
history_part(const struct hist_object *pipe, uint64_t session, unsigned end, uint64_t number,
             char text[static PART_TEXT_BYTES], struct msg_object_do *m_out)
{
    uint64_t first = (number - 1) / PARTS_PER_MESSAGE * PARTS_PER_MESSAGE + 1;
    uint64_t bytes = 0;

    for (uint64_t i = first; i < first + PARTS_PER_MESSAGE; i++)
        bytes += part_text(pipe, session, end, i, text);
    *m_out = (struct msg_object_do){ .verb = VERB_PIPE_SEND, .a = end, .b = number,
                                     .c = number < first + PARTS_PER_MESSAGE - 1, .d = bytes };
    m_out->value = slice_of(text, part_text(pipe, session, end, number, text));
}

/* ---- ends ---- */

static bool
end_is_held_by(const struct hist_end *end, uint64_t session)
{
    for (uint32_t i = 0; i < end->count; i++)
        if (end->sessions[i] == session)
            return true;
    return false;
}

bool
history_pipe_held(const struct hist_object *pipe, unsigned end, uint64_t session)
{
    return end_is_held_by(&pipe->pipe.ends[end], session);
}

static bool
end_is_closed(const struct hist_end *end)
{
    return end->opened && end->count == 0;
}

void
model_pipe_hold(struct hist_object *pipe, unsigned end, uint64_t session)
{
    struct hist_end *held = &pipe->pipe.ends[end];

    held->opened = true;
    if (end_is_held_by(held, session))
        return;
    assert(held->count < MODEL_HOLDERS_MAX);
    held->sessions[held->count++] = session;
    pipe->pipe.flows[end].mixed |= held->count > 1;
}

/* What it sent is the pipe's own from now on. */
static void
pipe_let_go(struct hist_object *pipe, unsigned end, uint64_t session)
{
    struct hist_end  *held = &pipe->pipe.ends[end];
    struct hist_flow *flow = &pipe->pipe.flows[end];

    for (uint32_t i = 0; i < held->count; i++)
        if (held->sessions[i] == session)
            held->sessions[i--] = held->sessions[--held->count];
    for (uint32_t i = 0; i < flow->count; i++)
        flow->parts[i].loose |= flow->parts[i].session == session;
}

/* ---- parts ---- */

/* NULL: it was never accepted. */
static struct hist_part *
flow_part(const struct hist_flow *flow, uint64_t number)
{
    struct hist_part *part = number <= flow->count ? &flow->parts[number - 1] : NULL;

    return part != NULL && part->session != 0 ? part : NULL;
}

static void
pipe_accepted(struct hist_object *pipe, const struct hist_op *op)
{
    struct hist_flow *flow = &pipe->pipe.flows[op->a];
    struct hist_part *part = flow_part(flow, op->b);
    uint64_t          restarts = pipe->objects->restarts;
    void             *parts = flow->parts;

    /* Who has detached may be told that an old part of another one arrived. */
    if (part != NULL && part->session != op->session && part->restarts == restarts &&
        end_is_held_by(&pipe->pipe.ends[op->a], op->session))
        model_fail(pipe, op, "part %llu is accepted from session %llu, too",
                   (unsigned long long)op->b, (unsigned long long)part->session);
    if (part != NULL && part->session != op->session && part->restarts == restarts)
        return;
    base_grow(&parts, &flow->capacity, (uint32_t)op->b, sizeof(*part));
    flow->parts = parts;
    while (flow->count < op->b)
        flow->parts[flow->count++] = (struct hist_part){ 0 };
    flow->parts[op->b - 1] = (struct hist_part){ .session = op->session, .restarts = restarts,
                                                 .op = op };
    flow->parts[op->b - 1].loose = !end_is_held_by(&pipe->pipe.ends[op->a], op->session);
}

/* As it says with each RECEIVE. */
static uint64_t
receive_takes(const struct hist_op *op)
{
    return op->d != 0 ? op->d : op->b;
}

static void
pipe_asked(struct hist_object *pipe, struct hist_op *op)
{
    struct hist_flow *flow = &pipe->pipe.flows[1 - op->a];

    if (op->verb == VERB_PIPE_SEND)
        pipe_accepted(pipe, op);
    if (op->verb == VERB_PIPE_RECEIVE && receive_takes(op) > flow->taken)
        flow->taken = receive_takes(op);
}

/* ---- answers ---- */

static void
pipe_received(struct hist_object *pipe, const struct hist_op *op, const struct msg_object_done *m)
{
    const struct hist_flow *flow = &pipe->pipe.flows[1 - op->a];
    struct reader           in = reader_of(m->key);
    size_t                  bytes = 0;

    if (!end_is_held_by(&pipe->pipe.ends[op->a], op->session) || op->b < flow->taken)
        model_fail(pipe, op, "part %llu is given, though it %s", (unsigned long long)op->b,
                   op->b < flow->taken ? "was taken" : "goes to one who is not attached");
    for (uint32_t i = 0; i < m->a; i++) {
        const struct hist_part *part = flow_part(flow, op->b + i);
        struct slice            value = wire_block_item(m->value, i);
        uint64_t                whole = read_u64(&in);
        struct msg_object_do    sent;
        char                    text[PART_TEXT_BYTES];

        if (part == NULL)
            model_fail(pipe, op, "part %llu is given, but nobody sent it",
                       (unsigned long long)op->b + i);
        history_part(pipe, part->session, 1 - (unsigned)op->a, op->b + i, text, &sent);
        if (!slice_equal(value, sent.value) || whole != (sent.d << 1 | sent.c))
            model_fail(pipe, op, "part %llu is '%.*s', not '%s'", (unsigned long long)op->b + i,
                       (int)value.bytes, (const char *)value.data, text);
        bytes += value.bytes;
    }
    if (m->a == 0 || (m->a > 1 && bytes > op->c))
        model_fail(pipe, op, "%llu parts with %zu bytes, %llu at most were asked for",
                   (unsigned long long)m->a, bytes, (unsigned long long)op->c);
}

static void
pipe_done(struct hist_object *pipe, struct hist_op *op, const struct msg_object_done *m)
{
    unsigned          end = (unsigned)op->a;
    struct hist_end  *held = &pipe->pipe.ends[end];
    struct hist_flow *flow = &pipe->pipe.flows[1 - end];

    switch (op->verb) {
    case VERB_PIPE_ATTACH:
        if (end_is_closed(held))
            model_fail(pipe, op, "end %u was closed for good", end);
        op->idle = end_is_held_by(held, op->session);
        model_pipe_hold(pipe, end, op->session);
        break;
    case VERB_PIPE_DETACH:
        if (op->c > flow->taken)
            flow->taken = op->c;
        pipe_let_go(pipe, end, op->session);
        break;
    case VERB_PIPE_SEND:
        /* Once its sender has detached it is the pipe's own. */
        if (op->b >= pipe->pipe.flows[end].asked_taken && end_is_held_by(held, op->session))
            model_fail(pipe, op, "part %llu is said to have arrived, %llu is the next one wanted",
                       (unsigned long long)op->b,
                       (unsigned long long)pipe->pipe.flows[end].asked_taken);
        break;
    case VERB_PIPE_RECEIVE:
        pipe_received(pipe, op, m);
        break;
    default:
        break;
    }
}

/* Is a part there to be received now? */
static bool
part_is_there(const struct hist_object *pipe, const struct hist_part *part)
{
    return part != NULL && part->restarts == pipe->objects->restarts &&
           (part->loose || (part->op->waits && part->op->steady));
}

static void
receive_refused(struct hist_object *pipe, const struct hist_op *op, muster_err error)
{
    const struct hist_end  *peer = &pipe->pipe.ends[1 - op->a];
    const struct hist_flow *flow = &pipe->pipe.flows[1 - op->a];
    const struct hist_part *part = flow_part(flow, op->b);

    if (error == MUSTER_ERR_EMPTY && part_is_there(pipe, part) && op->steady)
        model_fail(pipe, op, "part %llu is there, but not given", (unsigned long long)op->b);
    if (error == MUSTER_ERR_EMPTY && end_is_closed(peer) && op->steady)
        model_fail(pipe, op, "it waits for an end that is closed");
    if (error == MUSTER_ERR_END && !end_is_closed(peer))
        model_fail(pipe, op, "END, but the other end is open");
    for (uint64_t i = op->b; error == MUSTER_ERR_END && i <= flow->count; i++)
        if (flow->parts[i - 1].restarts == pipe->objects->restarts)
            model_fail(pipe, op, "END, but part %llu is still to come", (unsigned long long)i);
    /* Of two who send from one end, only those who come back first have their numbers; of two
     * who receive at one, one may have taken it. */
    if (error == MUSTER_ERR_IO && part != NULL && !flow->mixed && op->b >= flow->asked_taken &&
        (!part->loose || part->restarts == pipe->objects->restarts))
        model_fail(pipe, op, "part %llu is lost, and %s", (unsigned long long)op->b,
                   part->loose ? "the manager was not restarted" : "its sender is there");
}

/* Nobody waits any more for this part to be taken: it is the pipe's own. */
static void
pipe_stays(struct hist_object *pipe, const struct hist_op *op)
{
    pipe_accepted(pipe, op);
    flow_part(&pipe->pipe.flows[op->a], op->b)->loose = true;
}

static void
pipe_refused(struct hist_object *pipe, struct hist_op *op, muster_err error)
{
    const struct hist_end *peer = &pipe->pipe.ends[1 - op->a];
    bool                   held = end_is_held_by(&pipe->pipe.ends[op->a], op->session);

    if (op->verb == VERB_PIPE_RECEIVE || op->verb == VERB_PIPE_POLL)
        receive_refused(pipe, op, error);
    if (op->verb == VERB_PIPE_SEND && error == MUSTER_ERR_END && !end_is_closed(peer))
        model_fail(pipe, op, "END, but the other end is open");
    if (op->verb == VERB_PIPE_SEND && error == MUSTER_ERR_TIMEOUT)
        pipe_stays(pipe, op);
    if (op->verb == VERB_PIPE_ATTACH && error == MUSTER_ERR_END &&
        !end_is_closed(&pipe->pipe.ends[op->a]))
        model_fail(pipe, op, "end %u is open", (unsigned)op->a);
    if (op->verb == VERB_PIPE_DETACH && error == MUSTER_ERR_STATE && held)
        model_fail(pipe, op, "who is attached is told not to be");
}

static void
pipe_session_ended(struct hist_object *pipe, uint64_t session)
{
    for (unsigned end = 0; end < MODEL_PIPE_ENDS; end++)
        pipe_let_go(pipe, end, session);
}

static bool
pipe_holds(const struct hist_object *pipe, uint64_t session)
{
    return end_is_held_by(&pipe->pipe.ends[0], session) ||
           end_is_held_by(&pipe->pipe.ends[1], session);
}

/* The manager learns anew what was taken. */
static void
pipe_restarted(struct hist_object *pipe)
{
    for (unsigned end = 0; end < MODEL_PIPE_ENDS; end++)
        pipe->pipe.flows[end].taken = 0;
}

static void
pipe_finish(struct hist_object *pipe)
{
    if (pipe->pipe.accepted != pipe->pipe.connected)
        sim_fail(pipe->objects->sim, "pipe %llu was %s only", (unsigned long long)pipe->id,
                 pipe->pipe.accepted ? "accepted" : "connected");
}

static void
pipe_release(struct hist_object *pipe)
{
    for (unsigned end = 0; end < MODEL_PIPE_ENDS; end++)
        free(pipe->pipe.flows[end].parts);
}

const struct hist_rules hist_pipe = {
    .asked = pipe_asked, .done = pipe_done, .refused = pipe_refused,
    .session_ended = pipe_session_ended, .holds = pipe_holds, .finish = pipe_finish,
    .restarted = pipe_restarted, .release = pipe_release,
};

/* A client says what it has taken: the manager may know as soon as it is sent. */
void
history_takes(struct hist_object *pipe, unsigned end, uint64_t below)
{
    struct hist_flow *flow = &pipe->pipe.flows[1 - end];

    if (below > flow->asked_taken)
        flow->asked_taken = below;
}

/* ---- listener ---- */

static void
listener_asked(struct hist_object *object, struct hist_op *op)
{
    (void)object;
    op->entered = op->verb == VERB_LISTENER_CONNECT;
}

static struct hist_object *
listener_pipe(struct hist_object *object, uint64_t id)
{
    struct hist_object *pipe = history_pipe_of(object->objects->sim->history, id);

    if (pipe != NULL)
        return pipe;
    pipe = model_pipe(object->objects, "", true);
    pipe->id = id;
    return pipe;
}

static void
listener_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    struct hist_object *pipe = listener_pipe(object, m->a);
    bool                accepts = op->verb == VERB_LISTENER_ACCEPT;
    bool               *told = accepts ? &pipe->pipe.accepted : &pipe->pipe.connected;

    if (*told || pipe->name[0] != 0)
        model_fail(object, op, "pipe %llu has its end %u with somebody else",
                   (unsigned long long)m->a, accepts ? 0 : 1);
    *told = true;
    model_pipe_hold(pipe, accepts ? 0 : 1, op->session);
}

/* Who does not wait any more has left. */
static void
listener_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    (void)object;
    op->entered = op->entered && error != MUSTER_ERR_TIMEOUT;
}

const struct hist_rules hist_listener = {
    .asked = listener_asked, .done = listener_done, .refused = listener_refused,
};
