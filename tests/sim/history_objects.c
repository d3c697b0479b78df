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
    bool                     may_be_transient;
} shared_rules[SHARED_COUNT] = {
    [SHARED_QUEUE]     = { "queue",     NOUN_QUEUE,     0, 0, &hist_queue, true },
    [SHARED_LOCK]      = { "lock",      NOUN_LOCK,      0, 0, &hist_lock, true },
    [SHARED_RLOCK]     = { "rlock",     NOUN_RLOCK,     0, 0, &hist_lock, true },
    [SHARED_SEMAPHORE] = { "semaphore", NOUN_SEMAPHORE, MODEL_PERMITS, 1, &hist_semaphore, true },
    [SHARED_EVENT]     = { "event",     NOUN_EVENT,     0, 0, &hist_event, true },
    [SHARED_GUARD]     = { "guard",     NOUN_RLOCK,     0, 0, &hist_lock, false },
    [SHARED_CONDITION] = { "condition", NOUN_CONDITION, 0, 0, &hist_condition, false },
    [SHARED_BARRIER]   = { "barrier",   NOUN_BARRIER,   2, 0, &hist_barrier, true },
    [SHARED_VALUE]     = { "value",     NOUN_VALUE,     TYPE_INTEGER, 0, &hist_value, true },
    [SHARED_DICT]      = { "dict",      NOUN_DICT,      0, 0, &hist_dict, true },
    [SHARED_LIST]      = { "list",      NOUN_LIST,      0, 0, &hist_list, true },
    [SHARED_ARRAY]     = { "array",     NOUN_ARRAY,     TYPE_INTEGER, MODEL_ARRAY_ITEMS,
                           &hist_array, true },
    [SHARED_TIMED]     = { "timed",     NOUN_QUEUE,     MODEL_TIMED_MAX, 0, &hist_queue, true },
    [SHARED_SERVICE]   = { "service",   NOUN_SERVICE,   0, 0, &hist_service, false },
    [SHARED_LISTENER]  = { "listener",  NOUN_LISTENER,  0, 0, &hist_listener, false },
    [SHARED_PIPE]      = { "pipe",      NOUN_PIPE,      0, 0, &hist_pipe, false },
};

enum { TRANSIENT_MILLE = 250 };

const struct hist_rules *
rules_of(const struct hist_object *object)
{
    return shared_rules[object->shared].rules;
}

/* It exists from now on, as it was made. */
static void
object_begin(struct hist_objects *objects, struct hist_object *object, enum shared shared)
{
    void *all = objects->all;

    object->objects = objects;
    object->shared = shared;
    snprintf(object->name, sizeof(object->name), "%s", shared_rules[shared].name);
    object->noun = shared_rules[shared].noun;
    object->a = shared_rules[shared].a;
    object->b = shared_rules[shared].b;
    object->transient = shared_rules[shared].may_be_transient &&
                        sim_chance(objects->sim, TRANSIENT_MILLE);
    list_init(&object->waiting);
    base_grow(&all, &objects->capacity, objects->count + 1, sizeof(*objects->all));
    objects->all = all;
    objects->all[objects->count++] = object;
    if (rules_of(object)->made != NULL)
        rules_of(object)->made(object);
}

struct hist_objects *
history_objects_new(struct sim *sim)
{
    struct hist_objects *objects = base_alloc(sizeof(*objects));

    objects->sim = sim;
    for (uint32_t i = 0; i < SHARED_PIPE; i++)
        object_begin(objects, &objects->fixed[i], (enum shared)i);
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
    for (uint32_t i = 0; i < objects->count; i++) {
        if (rules_of(objects->all[i])->release != NULL)
            rules_of(objects->all[i])->release(objects->all[i]);
        if (objects->all[i]->shared == SHARED_PIPE)
            free(objects->all[i]);
    }
    free(objects->all);
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

struct hist_session_of *
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
history_asks(struct history *history, uint64_t session, uint64_t request,
             struct hist_object *object, uint16_t type, const union wire_any *m)
{
    struct hist_objects *objects = history->objects;
    struct hist_op      *op = base_alloc(sizeof(*op));

    assert(session >> 40 == 0 && request >> 24 == 0);
    session_know(objects, session);
    op->object = object;
    op->session = session;
    op->request = request;
    op->type = type;
    op->steady = true;
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
history_object_open(const struct hist_object *object, struct msg_object_open *m_out)
{
    static uint8_t number[8] = { MODEL_NUMBER };

    *m_out = (struct msg_object_open){ .noun = object->noun, .name = slice_text(object->name),
                                       .transient = object->transient, .a = object->a,
                                       .b = object->b };
    if (object->shared == SHARED_CONDITION)
        m_out->a = object->objects->fixed[SHARED_GUARD].id;
    if (object->shared == SHARED_VALUE)
        m_out->value = slice_of(number, sizeof(number));
}

/* ---- pipes ---- */

struct hist_object *
model_pipe(struct hist_objects *objects, const char *name, bool duplex)
{
    struct hist_object *pipe = base_alloc(sizeof(*pipe));

    object_begin(objects, pipe, SHARED_PIPE);
    snprintf(pipe->name, sizeof(pipe->name), "%s", name);
    pipe->a = duplex;
    return pipe;
}

struct hist_object *
history_pipe_named(struct history *history)
{
    struct hist_objects *objects = history->objects;
    char                 name[16];

    if (objects->named == NULL) {
        snprintf(name, sizeof(name), "pipe-%u", objects->count);
        objects->named = model_pipe(objects, name, sim_chance(history->sim, 500));
    }
    return objects->named;
}

void
history_pipe_over(struct history *history, const struct hist_object *pipe)
{
    if (history->objects->named == pipe)
        history->objects->named = NULL;
}

struct hist_object *
history_pipe_of(struct history *history, uint64_t id)
{
    for (uint32_t i = SHARED_PIPE; i < history->objects->count; i++)
        if (history->objects->all[i]->id == id)
            return history->objects->all[i];
    return NULL;
}

bool
history_pipe_duplex(const struct hist_object *pipe)
{
    return pipe->a == 1;
}

bool
history_pipe_is_private(const struct hist_object *pipe)
{
    return pipe->pipe.accepted;
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

struct hist_object *
history_object(struct history *history, enum shared shared)
{
    assert(shared < SHARED_PIPE);
    return &history->objects->fixed[shared];
}

uint64_t
history_object_id(const struct hist_object *object)
{
    return object->id;
}

bool
history_object_transient(const struct hist_object *object)
{
    return object->transient;
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
            op->request < m.object_seen.from || op->request >= m.object_seen.below ||
            spared(&m.object_seen.except, op->request))
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
    for (uint32_t i = 0; i < objects->count; i++) {
        struct hist_object      *object = objects->all[i];
        const struct hist_rules *rules = rules_of(object);

        if (rules->session_ended != NULL)
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
    for (uint32_t i = 0; i < objects->count; i++) {
        struct list *head = &objects->all[i]->waiting;

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

/* What was done to it, and what was answered, is forgotten. */
static void
object_forgotten(struct hist_object *object)
{
    struct hist_op *op;
    size_t          cursor = 0;

    while ((op = map_next(&object->objects->ops, &cursor, NULL)) != NULL)
        if (op->object == object && op->type == MSG_TYPE_OBJECT_DO) {
            op->done = op->entered = false;
            op->error = MUSTER_OK;
            buffer_clear(&op->answer);
        }
    if (rules_of(object)->made != NULL)
        rules_of(object)->made(object);
}

/* Nobody is connected any more, and nobody waits. */
void
history_objects_restarted(struct hist_objects *objects)
{
    for (uint32_t i = 0; i < objects->session_count; i++) {
        objects->sessions[i].away_ms = objects->sim->now_ms;
        objects->sessions[i].slow = false;
    }
    for (uint32_t i = 0; i < objects->count; i++)
        while (!list_empty(&objects->all[i]->waiting))
            op_waits_no_more(CONTAINER(objects->all[i]->waiting.next, struct hist_op, link));
    objects->restarts++;
    for (uint32_t i = 0; i < objects->count; i++) {
        if (objects->all[i]->transient && objects->restarts > 1)
            object_forgotten(objects->all[i]);
        if (rules_of(objects->all[i])->restarted != NULL)
            rules_of(objects->all[i])->restarted(objects->all[i]);
    }
}

void
history_objects_terms(struct hist_objects *objects, uint64_t turn_ms)
{
    for (uint32_t i = 0; i < objects->session_count; i++) {
        const struct hist_session_of *session = &objects->sessions[i];

        if (session->ended || session->away_ms == 0 ||
            turn_ms <= session->away_ms + SESSION_MS + MODEL_SLACK_MS)
            continue;
        for (uint32_t k = 0; k < objects->count; k++) {
            const struct hist_rules *rules = rules_of(objects->all[k]);

            if (rules->holds != NULL &&
                rules->holds(objects->all[k], session->session))
                sim_fail(objects->sim, "P8: session %llu is away for %llu ms and holds the %s",
                         (unsigned long long)session->session,
                         (unsigned long long)(turn_ms - session->away_ms), objects->all[k]->name);
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
    for (uint32_t i = 0; i < objects->count; i++) {
        const struct hist_rules *rules = rules_of(objects->all[i]);

        if (rules->finish != NULL)
            rules->finish(objects->all[i]);
    }
}
