/* history_objects.c - see history_objects.h: requests, answers, sessions */
#include "history_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_state.h"

static const struct {
    const char              *name;
    uint8_t                  noun;
    uint64_t                 a, b;
    const struct hist_rules *rules;
} shared_rules[SHARED_COUNT] = {
    [SHARED_QUEUE]     = { "queue",     NOUN_QUEUE,     0, 0, &hist_queue },
    [SHARED_LOCK]      = { "lock",      NOUN_LOCK,      0, 0, &hist_lock },
    [SHARED_RLOCK]     = { "rlock",     NOUN_RLOCK,     0, 0, &hist_lock },
    [SHARED_SEMAPHORE] = { "semaphore", NOUN_SEMAPHORE, MODEL_PERMITS, 1, &hist_semaphore },
    [SHARED_EVENT]     = { "event",     NOUN_EVENT,     0, 0, &hist_event },
    [SHARED_GUARD]     = { "guard",     NOUN_RLOCK,     0, 0, &hist_lock },
    [SHARED_CONDITION] = { "condition", NOUN_CONDITION, 0, 0, &hist_condition },
    [SHARED_BARRIER]   = { "barrier",   NOUN_BARRIER,   2, 0, &hist_barrier },
    [SHARED_VALUE]     = { "value",     NOUN_VALUE,     TYPE_INTEGER, 0, &hist_value },
    [SHARED_DICT]      = { "dict",      NOUN_DICT,      0, 0, &hist_dict },
};

static const struct hist_rules *
rules_of(const struct hist_object *object)
{
    return shared_rules[object->shared].rules;
}

struct hist_objects *
history_objects_new(struct sim *sim)
{
    struct hist_objects *objects = base_alloc(sizeof(*objects));

    objects->sim = sim;
    for (uint32_t i = 0; i < SHARED_COUNT; i++) {
        struct hist_object *object = &objects->all[i];

        object->objects = objects;
        object->shared = (enum shared)i;
        object->name = shared_rules[i].name;
        object->noun = shared_rules[i].noun;
        object->a = shared_rules[i].a;
        object->b = shared_rules[i].b;
        list_init(&object->waiting);
    }
    objects->all[SHARED_SEMAPHORE].semaphore.left = MODEL_PERMITS;
    objects->all[SHARED_VALUE].number.there = true;
    return objects;
}

void
history_objects_free(struct hist_objects *objects)
{
    struct hist_op *op;
    size_t          cursor = 0;

    while ((op = map_next(&objects->ops, &cursor, NULL)) != NULL) {
        buffer_free(&op->value);
        buffer_free(&op->answer);
        free(op);
    }
    map_free(&objects->ops);
    free(objects->all[SHARED_QUEUE].queue.items);
    free(objects->all[SHARED_BARRIER].barrier.generations);
    free(objects->sessions);
    free(objects);
}

void
model_fail(const struct hist_object *object, const struct hist_op *op, const char *format, ...)
{
    char    text[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sim_fail(object->objects->sim, "%s, \"%s\", request %llu of session %llu: %s", object->name,
             op->type == MSG_TYPE_OBJECT_DO ? wire_verb_rule(op->verb)->name
                                            : wire_rule(op->type)->name,
             (unsigned long long)op->request, (unsigned long long)op->session, text);
}

/* ---- sessions and requests ---- */

static struct hist_session_of *
session_known(const struct hist_objects *objects, uint64_t session)
{
    for (uint32_t i = 0; i < objects->session_count; i++)
        if (objects->sessions[i].session == session)
            return &objects->sessions[i];
    return NULL;
}

static void
session_know(struct hist_objects *objects, uint64_t session)
{
    void *all = objects->sessions;

    if (session_known(objects, session) != NULL)
        return;
    base_grow(&all, &objects->session_capacity, objects->session_count + 1,
              sizeof(*objects->sessions));
    objects->sessions = all;
    objects->sessions[objects->session_count++] = (struct hist_session_of){ .session = session };
}

/* Requests of a session are below 2^24 here, and sessions are few. */
static uint64_t
op_key(uint64_t session, uint64_t request)
{
    return session << 24 | request;
}

struct hist_op *
model_op(const struct hist_objects *objects, uint64_t session, uint64_t request)
{
    return request >> 24 == 0 ? map_get(&objects->ops, op_key(session, request)) : NULL;
}

struct hist_op *
history_asks(struct history *history, uint64_t session, uint64_t request, enum shared shared,
             uint16_t type, const union wire_any *m)
{
    struct hist_objects *objects = history->objects;
    struct hist_op      *op = base_alloc(sizeof(*op));

    assert(session >> 40 == 0 && request >> 24 == 0);
    session_know(objects, session);
    op->object = &objects->all[shared];
    op->session = session;
    op->request = request;
    op->type = type;
    if (type == MSG_TYPE_OBJECT_DO) {
        const struct msg_object_do *asked = &m->object_do;

        op->verb = asked->verb;
        op->thread = asked->thread;
        op->a = asked->a;
        op->b = asked->b;
        op->c = asked->c;
        op->d = asked->d;
        op->wait_ms = asked->wait_ms;
        buffer_append_slice(&op->value, asked->value);
    }
    if (type == MSG_TYPE_OBJECT_CANCEL)
        op->target = model_op(objects, session, m->object_cancel.request);
    map_put(&objects->ops, op_key(session, request), op);
    return op;
}

void
history_object_open(const struct history *history, enum shared shared,
                    struct msg_object_open *m_out)
{
    const struct hist_object *object = &history->objects->all[shared];
    static const uint8_t      zero[8];

    *m_out = (struct msg_object_open){ .noun = object->noun, .name = slice_text(object->name),
                                       .a = object->a, .b = object->b };
    if (shared == SHARED_CONDITION)
        m_out->a = history->objects->all[SHARED_GUARD].id;
    if (shared == SHARED_VALUE)
        m_out->value = slice_of(zero, sizeof(zero));
}

void
history_left(struct history *history, uint64_t session)
{
    struct hist_session_of *of = session_known(history->objects, session);

    if (of != NULL)
        of->left = true;
}

uint64_t
history_item(struct history *history)
{
    return ++history->objects->items;
}

uint64_t
history_object_id(const struct history *history, enum shared shared)
{
    return history->objects->all[shared].id;
}

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

static void
op_waits_no_more(struct hist_op *op)
{
    op->waits = false;
    if (list_linked(&op->link))
        list_remove(&op->link);
}

/* The manager took it in.  One that waits keeps its place. */
static void
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
        wire_verb_rule(op->verb)->kind != VERB_WAIT)
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

/* It will have had no effect: its session has ended, or it was given up in time. */
static void
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

    if (op->verb == VERB_VALUE_CAS || op->verb == VERB_DICT_CAS)
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
    if (op->undone)
        model_fail(op->object, op, "it is answered after it was taken back");
    if (op->done) {
        op_repeated(op, m, bytes);
        return;
    }
    op_trace(op, "done", m->a, m->b);
    op_check_turn(op);
    op_waits_no_more(op);
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
    if (op->done)
        return;
    op_trace(op, muster_err_name(error), 0, 0);
    op_waits_no_more(op);
    if (error == MUSTER_ERR_NOT_FOUND || error == MUSTER_ERR_INVALID || error == MUSTER_ERR_TYPE)
        model_fail(op->object, op, "it is refused: %s", muster_err_name(error));
    if (rules->refused != NULL)
        rules->refused(op->object, op, error);
    if (error == MUSTER_ERR_BROKEN_BARRIER && op->entered) {
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
    while ((other = map_next(&objects->ops, &cursor, NULL)) != NULL)
        if (other->object == op->object && other->session == op->session && other->done &&
            other->type == MSG_TYPE_OBJECT_DO && !other->seen) {
            if (rules->seen != NULL && !other->undone)
                rules->seen(other->object, other);
            other->seen = true;
        }
    if (rules->session_ended != NULL)
        rules->session_ended(op->object, op->session);
}

static void
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

/* ---- sessions ---- */

static bool
spared(const struct wire_list *except, uint64_t request)
{
    struct reader  in = reader_of(except->bytes);
    struct wire_id id;

    for (uint32_t i = 0; i < except->count && wire_get_id(&in, &id); i++)
        if (id.id == request)
            return true;
    return false;
}

static void
session_seen(struct hist_objects *objects, uint64_t session, struct slice bytes)
{
    union wire_any  m;
    struct hist_op *op;
    size_t          cursor = 0;

    if (wire_decode_any(MSG_TYPE_OBJECT_SEEN, bytes, &m) != MUSTER_OK)
        sim_fail(objects->sim, "a client sends what cannot be decoded");
    while ((op = map_next(&objects->ops, &cursor, NULL)) != NULL) {
        if (op->session != session || !op->done || op->seen ||
            op->request >= m.object_seen.below || spared(&m.object_seen.except, op->request))
            continue;
        op->seen = true;
        if (op->type == MSG_TYPE_OBJECT_DO && !op->undone && rules_of(op->object)->seen != NULL)
            rules_of(op->object)->seen(op->object, op);
    }
}

/* What it had not seen is taken back, then what it holds is free. */
static void
session_ended(struct hist_objects *objects, uint64_t session)
{
    struct hist_session_of *of = session_known(objects, session);
    struct hist_op         *op;
    size_t                  cursor = 0;

    if (of == NULL)
        return;
    of->ended = true;
    sim_trace(objects->sim, "  session %llu has ended", (unsigned long long)session);
    while ((op = map_next(&objects->ops, &cursor, NULL)) != NULL)
        if (op->session == session && op->type == MSG_TYPE_OBJECT_DO)
            op_undo(op);
    for (uint32_t i = 0; i < SHARED_COUNT; i++) {
        struct hist_object      *object = &objects->all[i];
        const struct hist_rules *rules = rules_of(object);

        if (rules != NULL && rules->session_ended != NULL)
            rules->session_ended(object, session);
    }
}

/* Its connection was lost, replaced, or is slow: its waits are passed by others. */
static void
session_disturbed(struct hist_objects *objects, const struct note *note)
{
    struct hist_session_of *session;

    session_know(objects, note->session);
    session = session_known(objects, note->session);
    for (uint32_t i = 0; i < SHARED_COUNT; i++) {
        struct list *head = &objects->all[i].waiting;

        for (struct list *at = head->next; at != head; at = at->next)
            if (CONTAINER(at, struct hist_op, link)->session == note->session)
                CONTAINER(at, struct hist_op, link)->steady = false;
    }
    if (note->type == NOTE_AWAY)
        session->away_ms = note->at_ms;
    if (note->type == NOTE_BACK) {
        session->away_ms = 0;
        session->slow = false;
    }
    if (note->type == NOTE_SLOW)
        session->slow = note->all;
}

void
history_objects_apply(struct hist_objects *objects, const struct note *note, struct slice bytes)
{
    struct hist_op *op = model_op(objects, note->session, note->request);

    objects->at_ms = note->at_ms;
    if (note->type == NOTE_ENDED)
        session_ended(objects, note->session);
    else if (note->type == NOTE_SEEN)
        session_seen(objects, note->session, bytes);
    else if (note->type != NOTE_ASKED && note->type != NOTE_ANSWERED)
        session_disturbed(objects, note);
    else if (op == NULL || session_known(objects, op->session)->ended)
        return;                        /* of a job, or to nobody */
    else if (note->type == NOTE_ASKED)
        op_asked(objects, op);
    else
        op_answered(objects, op, note, bytes);
}

/* ---- terms ---- */

void
history_objects_fresh(struct hist_objects *objects)
{
    for (uint32_t i = 0; i < objects->session_count; i++)
        if (objects->sessions[i].away_ms != 0)
            objects->sessions[i].away_ms = objects->sim->now_ms;
}

/* Nobody is connected any more, and nobody waits. */
void
history_objects_restarted(struct hist_objects *objects)
{
    for (uint32_t i = 0; i < objects->session_count; i++) {
        objects->sessions[i].away_ms = objects->sim->now_ms;
        objects->sessions[i].slow = false;
    }
    for (uint32_t i = 0; i < SHARED_COUNT; i++)
        while (!list_empty(&objects->all[i].waiting))
            op_waits_no_more(CONTAINER(objects->all[i].waiting.next, struct hist_op, link));
}

void
history_objects_terms(struct hist_objects *objects, uint64_t turn_ms)
{
    for (uint32_t i = 0; i < objects->session_count; i++) {
        const struct hist_session_of *session = &objects->sessions[i];

        if (session->ended || session->away_ms == 0 ||
            turn_ms <= session->away_ms + SESSION_MS + MODEL_SLACK_MS)
            continue;
        for (uint32_t k = 0; k < SHARED_COUNT; k++) {
            const struct hist_rules *rules = rules_of(&objects->all[k]);

            if (rules != NULL && rules->holds != NULL &&
                rules->holds(&objects->all[k], session->session))
                sim_fail(objects->sim, "P8: session %llu is away for %llu ms and holds the %s",
                         (unsigned long long)session->session,
                         (unsigned long long)(turn_ms - session->away_ms), objects->all[k].name);
        }
    }
}

void
history_objects_finish(struct hist_objects *objects)
{
    struct hist_op *op;
    size_t          cursor = 0;

    /* Those that the manager still waits for, as their session has not ended yet. */
    while ((op = map_next(&objects->ops, &cursor, NULL)) != NULL)
        if (op->entered && session_known(objects, op->session)->left)
            op_undo(op);
    for (uint32_t i = 0; i < SHARED_COUNT; i++) {
        const struct hist_rules *rules = rules_of(&objects->all[i]);

        if (rules != NULL && rules->finish != NULL)
            rules->finish(&objects->all[i]);
    }
}
