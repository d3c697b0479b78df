/* history_answers.c - see history_objects.h: what the manager made of a request */
#include "history_model.h"

#include <stdlib.h>

/* ---- asking ---- */

static void
op_trace(const struct hist_op *op, const char *what, uint64_t a, uint64_t b)
{
    sim_trace(op->object->objects->sim, "  %s \"%s\" %llu.%llu: %s %llu %llu", op->object->name,
              op->type == MSG_TYPE_OBJECT_DO ? wire_verb_rule(op->verb)->name
                                             : wire_rule(op->type)->name,
              (unsigned long long)op->session, (unsigned long long)op->request, what,
              (unsigned long long)a, (unsigned long long)b);
}

void
op_waits_no_more(struct hist_op *op)
{
    op->waits = false;
    if (list_linked(&op->link))
        list_remove(&op->link);
}

void
op_asked(struct hist_objects *objects, struct hist_op *op)
{
    const struct hist_session_of *session = session_known(objects, op->session);
    const struct hist_rules      *rules = rules_of(op->object);

    if (op->done || op->undone || op->type != MSG_TYPE_OBJECT_DO)
        return;
    op_trace(op, "asked", op->a, op->wait_ms);
    op->steady = !session->slow;
    if (!op->waits) {
        op->waits = true;
        op->arrival = ++objects->arrivals;
        list_append(&op->object->waiting, &op->link);
    }
    if (rules->asked != NULL)
        rules->asked(op->object, op);
}

/* Verbs whose requests stand in line behind each other. */
static bool
op_in_line(const struct hist_op *op, const struct hist_op *other)
{
    bool gets = op->verb == VERB_QUEUE_GET || op->verb == VERB_QUEUE_RESERVE;

    if (op->verb == VERB_CONDITION_WAIT || op->verb == VERB_BARRIER_WAIT ||
        op->verb == VERB_SERVICE_CALL || wire_verb_rule(op->verb)->kind != VERB_WAIT)
        return false;
    if (gets)
        return other->verb == VERB_QUEUE_GET || other->verb == VERB_QUEUE_RESERVE;
    return op->verb == other->verb;
}

static void
op_check_turn(const struct hist_op *op)
{
    const struct hist_object *object = op->object;

    if (object->noun == NOUN_RLOCK && object->lock.depth > 0 &&
        object->lock.session == op->session && object->lock.thread == op->thread)
        return;                        /* again by its holder: at once */
    for (struct list *at = object->waiting.next; at != &object->waiting; at = at->next) {
        const struct hist_op *other = CONTAINER(at, struct hist_op, link);

        if (other != op && other->steady && other->arrival < op->arrival && op_in_line(op, other))
            model_fail(object, op, "it overtakes request %llu of session %llu",
                       (unsigned long long)other->request, (unsigned long long)other->session);
    }
}

/* ---- answers ---- */

/* What it did is taken back as far as it can be; true: all of it. */
static bool
op_take_back(struct hist_op *op)
{
    const struct hist_rules *rules = rules_of(op->object);

    return op->error == MUSTER_OK && op->type == MSG_TYPE_OBJECT_DO && rules->undone != NULL &&
           rules->undone(op->object, op);
}

void
op_undo(struct hist_op *op)
{
    const struct hist_rules *rules = rules_of(op->object);

    op_waits_no_more(op);
    if (op->undone || op->seen)
        return;
    if (op->done)
        (void)op_take_back(op);
    else if (op->entered && rules->left != NULL)
        rules->left(op->object, op);
    op->undone = true;
}

static void
op_cancelled(struct hist_op *cancel, uint64_t gone)
{
    struct hist_op *op = cancel->target;

    op_trace(op, "given up", gone, 0);
    if (op->undone || op->seen)
        return;
    /* Of a reservation, the end of its term may have taken a part, or not yet. */
    if (op->done && op_take_back(op) != (gone != 0) && op->verb != VERB_QUEUE_RESERVE)
        model_fail(op->object, op, "it is said to be taken back%s", gone != 0 ? "" : " not");
    if (!op->done && op->entered && gone == 0)
        model_fail(op->object, op, "it had entered, and cannot be given up");
    if (gone != 0 && !op->done)
        op_undo(op);
    op->undone = gone != 0;
}

/* Was anything changed?  Such an answer is kept. */
static bool
op_changes(const struct hist_op *op, const struct msg_object_done *m)
{
    enum wire_verb_kind kind = wire_verb_rule(op->verb)->kind;

    if (op->idle)
        return false;
    if (op->verb == VERB_VALUE_CAS || op->verb == VERB_DICT_CAS || op->verb == VERB_ARRAY_CAS)
        return m->a == 1;
    return kind == VERB_WRITE || kind == VERB_WAIT;
}

/* A repeated answer of a GET may lack what is not the session's any more. */
static void
op_repeated(const struct hist_op *op, const struct msg_object_done *m, struct slice bytes)
{
    bool gives = op->verb == VERB_QUEUE_GET || op->verb == VERB_QUEUE_RESERVE;

    if (gives && m->a <= op->told_a)
        return;
    if (op->error != MUSTER_OK || !slice_equal(buffer_slice(&op->answer), bytes))
        model_fail(op->object, op, "it is answered in two ways");
}

static void
op_done(struct hist_op *op, const struct msg_object_done *m, struct slice bytes)
{
    if (op->undone && wire_verb_rule(op->verb)->kind == VERB_LOOK)
        return;                        /* asked again though the object was closed since */
    if (op->undone)
        model_fail(op->object, op, "it is answered after it was taken back");
    if (op->done) {
        op_repeated(op, m, bytes);
        return;
    }
    op_trace(op, "done", m->a, m->b);
    op_check_turn(op);
    op_waits_no_more(op);
    op->idle = false;
    rules_of(op->object)->done(op->object, op, m);
    if (!op_changes(op, m))
        return;
    op->done = true;
    op->told_a = m->a;
    op->told_b = m->b;
    buffer_append_slice(&op->answer, bytes);
}

static void
op_refused(struct hist_op *op, muster_err error)
{
    const struct hist_rules *rules = rules_of(op->object);

    if (error == MUSTER_ERR_SESSION || error == MUSTER_ERR_AUTH)
        return;
    if (op->done && !op->undone && op->error != error)
        model_fail(op->object, op, "it was done, and is refused: %s", muster_err_name(error));
    if (op->done || op->undone)
        return;
    op_trace(op, muster_err_name(error), 0, 0);
    op_waits_no_more(op);
    if (error == MUSTER_ERR_NOT_FOUND || error == MUSTER_ERR_INVALID || error == MUSTER_ERR_TYPE)
        model_fail(op->object, op, "it is refused: %s", muster_err_name(error));
    if (error == MUSTER_ERR_BUSY || error == MUSTER_ERR_NO_SPACE)
        return;                        /* nothing was looked at; it is asked again */
    if (rules->refused != NULL)
        rules->refused(op->object, op, error);
    if (op->entered && (error == MUSTER_ERR_BROKEN_BARRIER || error == MUSTER_ERR_REMOTE ||
                        error == MUSTER_ERR_END)) {
        op->done = true;
        op->error = error;
    }
}

static void
op_opened(struct hist_op *op, const struct msg_object_opened *m)
{
    struct hist_object *object = op->object;

    if (object->id != 0 && (m->object != object->id || (!m->existed && !op->done)))
        model_fail(object, op, "it was object %llu, and is object %llu",
                   (unsigned long long)object->id, (unsigned long long)m->object);
    object->id = m->object;
    op->done = true;
}

static void
op_closed(struct hist_objects *objects, struct hist_op *op)
{
    const struct hist_rules *rules = rules_of(op->object);
    struct hist_op          *other;
    size_t                   cursor = 0;

    if (op->done)
        return;
    op->done = true;
    while ((other = map_next(&objects->ops, &cursor, NULL)) != NULL) {
        if (other->object != op->object || other->session != op->session ||
            other->type != MSG_TYPE_OBJECT_DO || other->seen)
            continue;
        if (other->done && !other->undone && rules->seen != NULL)
            rules->seen(other->object, other);
        if (!other->done)
            op_undo(other);            /* the session has done with it */
        other->seen = true;
    }
    if (rules->session_ended != NULL)
        rules->session_ended(op->object, op->session);
}

void
op_answered(struct hist_objects *objects, struct hist_op *op, const struct note *note,
            struct slice bytes)
{
    union wire_any m;

    if (wire_decode_any(note->wire_type, bytes, &m) != MUSTER_OK)
        sim_fail(objects->sim, "an answer of the manager cannot be decoded");
    if (op->target != NULL) {
        if (note->wire_type == MSG_TYPE_ACK)
            op_cancelled(op, m.ack.value);
        return;
    }
    if (note->wire_type == MSG_TYPE_ERROR)
        op_refused(op, error_from_number(m.error.code));
    else if (note->wire_type == MSG_TYPE_OBJECT_OPENED)
        op_opened(op, &m.object_opened);
    else if (note->wire_type == MSG_TYPE_OBJECT_DONE)
        op_done(op, &m.object_done, bytes);
    else if (m.ack.value == 1)
        op_closed(objects, op);
}
