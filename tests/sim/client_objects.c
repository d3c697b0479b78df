/* client_objects.c - see client_objects.h and client_node.h
 *
 * The rules of a client library (libshared/PROTOCOL.md, "Shared objects"): what
 * is not answered is asked again in order, under its number, in its session;
 * what was answered is told by OBJECT_SEEN; who stops waiting sends OBJECT_CANCEL,
 * and until that is answered the request counts as not seen.
 */
#include "client_objects.h"

#include <stdlib.h>

enum {
    ACTORS_SESSION_MS  = 300,      /* look again whether there is a session */
    ACTORS_ROUNDS_MAX  = 8,
    ACTORS_REST_MS     = 3000,
    ACTORS_SEEN_MS     = 1500,
    ACTORS_SEEN_PARTLY = 250,      /* per 1,000 OBJECT_SEEN: they tell a range */
    ACTORS_PATIENCE    = 120,      /* per 1,000 requests: given up before they are answered */
    ACTORS_PATIENCE_MS = 3000,
};

uint64_t
actor_random(struct actor *actor, uint64_t below)
{
    return sim_random(actor->node->sim, below);
}

void
actor_fail(struct actor *actor, muster_err error)
{
    sim_fail(actor->node->sim, "%s, thread %llu, phase %u: %s", actor->node->name,
             (unsigned long long)actor->thread, actor->phase, muster_err_name(error));
}

/* ---- what was seen ---- */

static void
objects_answered(struct client_node *node, uint64_t request)
{
    if (request > node->answered_max)
        node->answered_max = request;
    if (node->seen.node.place == 0)
        sim_at(node->sim, &node->seen, node->sim->now_ms + sim_random(node->sim, ACTORS_SEEN_MS));
}

static void
objects_seen(struct client_node *node)
{
    union wire_any m = { .object_seen = { .below = node->answered_max + 1 } };
    struct buffer  except = { 0 };

    /* At times it says nothing of the older ones: that is left for later. */
    if (sim_chance(node->sim, ACTORS_SEEN_PARTLY))
        m.object_seen.from = sim_random(node->sim, m.object_seen.below);

    for (struct list *at = node->requests.next; at != &node->requests; at = at->next) {
        const struct client_request *request = CONTAINER(at, struct client_request, link);
        struct wire_id id = { request->gives_up != 0 ? request->gives_up : request->id };

        if (!request->bound || id.id < m.object_seen.from)
            continue;
        wire_put_id(&except, &id);
        m.object_seen.except.count++;
    }
    m.object_seen.except.bytes = buffer_slice(&except);
    client_tell(node, MSG_TYPE_OBJECT_SEEN, &m);
    buffer_free(&except);
}

static void
fire_seen(struct sim_event *event)
{
    struct client_node *node = CONTAINER(event, struct client_node, seen);

    if (node->side.frozen_until_ms > node->sim->now_ms)
        sim_at(node->sim, event, node->side.frozen_until_ms);
    else if (node->machine.state == MACHINE_READY && node->machine.session == node->bound_session)
        objects_seen(node);            /* else when it is back: client_objects_resumed() */
}

/* It may have been lost: said again, at times before the requests are asked again. */
void
client_objects_resumed(struct client_node *node)
{
    if (node->answered_max == 0)
        return;
    if (sim_chance(node->sim, 500))
        objects_seen(node);
    else
        sim_at(node->sim, &node->seen, node->sim->now_ms);
}

/* ---- asking ---- */

static void on_answer(struct client_request *request, uint16_t type, const union wire_any *m);

static void
actor_ask(struct actor *actor, struct hist_object *object, uint16_t type, const union wire_any *m)
{
    struct client_node *node = actor->node;

    assert(actor->request == NULL);
    actor->request = client_ask_bound(node, type, m, on_answer, actor);
    history_asks(node->sim->history, node->bound_session, actor->request->id, object, type, m);
}

struct client_request *
actor_ask_beside(struct actor *actor, struct hist_object *object, struct msg_object_do *asked,
                 client_answer_fn *answer, void *context)
{
    struct client_node    *node = actor->node;
    struct client_request *request;
    union wire_any         m;

    asked->object = history_object_id(object);
    asked->thread = actor->thread;
    m.object_do = *asked;
    request = client_ask_bound(node, MSG_TYPE_OBJECT_DO, &m, answer, context);
    history_asks(node->sim->history, node->bound_session, request->id, object,
                 MSG_TYPE_OBJECT_DO, &m);
    return request;
}

void
actor_answered(struct client_request *request)
{
    objects_answered(request->node, request->gives_up != 0 ? request->gives_up : request->id);
    request->bound = false;            /* it is answered: SEEN may cover it */
}

struct hist_object *
actor_object(const struct actor *actor)
{
    return history_object(actor->node->sim->history, actor->shared);
}

bool
actor_forgotten(const struct actor *actor)
{
    return history_object_transient(actor_object(actor));
}

/* What is left undone when nobody waits for it: never a release. */
static bool
verb_may_be_given_up(uint32_t verb)
{
    enum wire_verb_kind kind = wire_verb_rule(verb)->kind;

    return kind == VERB_WAIT || kind == VERB_LOOK || verb == VERB_VALUE_ADD ||
           verb == VERB_DICT_CAS;
}

void
actor_do_at(struct actor *actor, struct hist_object *object, struct msg_object_do *asked,
            uint32_t phase)
{
    struct sim    *sim = actor->node->sim;
    union wire_any m;

    asked->object = history_object_id(object);
    asked->thread = actor->thread;
    actor->phase = phase;
    m.object_do = *asked;
    actor_ask(actor, object, MSG_TYPE_OBJECT_DO, &m);
    if (actor->script != script_audit && verb_may_be_given_up(asked->verb) &&
        sim_chance(sim, ACTORS_PATIENCE))
        sim_at(sim, &actor->wake, sim->now_ms + sim_random(sim, ACTORS_PATIENCE_MS));
}

void
actor_do(struct actor *actor, enum shared shared, struct msg_object_do *asked, uint32_t phase)
{
    actor_do_at(actor, history_object(actor->node->sim->history, shared), asked, phase);
}

bool
actor_alone(const struct actor *actor)
{
    for (struct list *at = actor->node->actors.next; at != &actor->node->actors; at = at->next) {
        const struct actor *other = CONTAINER(at, struct actor, link);

        if (other != actor && other->shared == actor->shared)
            return false;
    }
    return true;
}

void
actor_close(struct actor *actor, struct hist_object *object, uint32_t phase)
{
    union wire_any m;

    m.object_close.object = history_object_id(object);
    actor->phase = phase;
    actor->opened = 0;
    actor_ask(actor, object, MSG_TYPE_OBJECT_CLOSE, &m);
}

void
actor_rest(struct actor *actor, uint64_t ms_max, uint32_t phase)
{
    actor->phase = phase;
    sim_at(actor->node->sim, &actor->wake, actor->node->sim->now_ms + actor_random(actor, ms_max));
}

void
actor_round_ends(struct actor *actor)
{
    assert(actor->rounds_left > 0);
    if (--actor->rounds_left > 0)
        actor_rest(actor, ACTORS_REST_MS, 0);
}

void
actor_open(struct actor *actor, struct hist_object *object)
{
    union wire_any m;

    history_object_open(object, &m.object_open);
    actor_ask(actor, object, MSG_TYPE_OBJECT_OPEN, &m);
}

/* The next object that it needs and that is not open in this session. */
static bool
actor_opens(struct actor *actor)
{
    enum shared needs[2] = { actor->shared, actor->shared };

    if (actor->phase != 0 || actor->shared == SHARED_PIPE)
        return false;                  /* its script opens pipes, one after the other */
    if (actor->shared == SHARED_CONDITION)
        needs[0] = SHARED_GUARD;
    for (int i = 0; i < 2; i++) {
        if (actor->opened >> needs[i] & 1)
            continue;
        actor->opening = needs[i];
        actor_open(actor, history_object(actor->node->sim->history, needs[i]));
        return true;
    }
    return false;
}

static void
on_answer(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct actor *actor = request->context;
    muster_err    error = type == MSG_TYPE_ERROR ? error_from_number(m->error.code) : MUSTER_OK;
    bool          given_up = actor->given_up;

    assert(actor->request == request);
    actor->request = NULL;
    actor->given_up = false;
    sim_cancel(actor->node->sim, &actor->wake);
    actor_answered(request);
    if (given_up) {
        actor->script(actor, MUSTER_ERR_CANCELED, NULL);
        return;
    }
    if (type == MSG_TYPE_OBJECT_OPENED) {
        actor->opened |= (uint32_t)1 << actor->opening;
        if (!actor_opens(actor))
            actor->script(actor, MUSTER_OK, NULL);
        return;
    }
    if (type == MSG_TYPE_ERROR && actor->phase == 0)
        actor_fail(actor, error);      /* opening is not refused */
    actor->script(actor, error, type == MSG_TYPE_OBJECT_DONE ? &m->object_done : NULL);
}

/* Its patience ends: the manager shall take the request back. */
static void
actor_give_up(struct actor *actor)
{
    union wire_any m = { .object_cancel = { .request = actor->request->id } };

    sim_trace(actor->node->sim, "%s gives up request %llu", actor->node->name,
              (unsigned long long)m.object_cancel.request);
    client_forget(actor->request);
    actor->request = NULL;
    actor_ask(actor, NULL, MSG_TYPE_OBJECT_CANCEL, &m);
    actor->given_up = true;
}

static void
fire_wake(struct sim_event *event)
{
    struct actor       *actor = CONTAINER(event, struct actor, wake);
    struct client_node *node = actor->node;
    struct sim         *sim = node->sim;

    if (node->side.frozen_until_ms > sim->now_ms) {
        sim_at(sim, event, node->side.frozen_until_ms);
        return;
    }
    if (actor->request != NULL) {
        if (!actor->given_up && actor->phase != 0)
            actor_give_up(actor);
        return;
    }
    if (node->machine.session == 0 || node->machine.session != node->bound_session) {
        sim_at(sim, event, sim->now_ms + ACTORS_SESSION_MS);
        return;
    }
    if (!actor_opens(actor))
        actor->script(actor, MUSTER_OK, NULL);
}

/* ---- their life ---- */

static struct actor *
actor_new(struct client_node *node, enum shared shared, actor_script *script)
{
    struct actor *actor = base_alloc(sizeof(*actor));

    actor->node = node;
    actor->shared = shared;
    actor->script = script;
    actor->thread = node->number * 100 + ++node->actors_made;
    actor->rounds_left = (uint32_t)sim_between(node->sim, 1, ACTORS_ROUNDS_MAX);
    actor->wake.fire = fire_wake;
    list_append(&node->actors, &actor->link);
    return actor;
}

void
client_objects_new(struct client_node *node)
{
    for (int i = 0; i < SHARED_COUNT; i++)
        for (int k = 0; k < 2; k++)
            if (actor_scripts[i] != NULL && sim_chance(node->sim, node->sim->weather.objects))
                (void)actor_new(node, (enum shared)i, actor_scripts[i]);
}

void
client_objects_audit(struct client_node *node)
{
    struct actor *actor = actor_new(node, SHARED_QUEUE, script_audit);

    actor->rounds_left = 1;
    actor->number = -1;
    actor->phase = 1;                  /* it opens what is there */
    sim_at(node->sim, &actor->wake, node->sim->now_ms);
}

/* Begin anew: whatever it held is lost or will be. */
static void
actor_reset(struct actor *actor)
{
    sim_cancel(actor->node->sim, &actor->wake);
    speaker_free(actor);
    actor->request = NULL;
    actor->given_up = false;
    actor->opened = 0;
    actor->phase = actor->script == script_audit;      /* it opens what there is by itself */
    actor->number = actor->script == script_audit ? -1 : 0;
}

void
client_objects_start(struct client_node *node)
{
    node->seen.fire = fire_seen;
    for (struct list *at = node->actors.next; at != &node->actors; at = at->next) {
        struct actor *actor = CONTAINER(at, struct actor, link);

        if (actor->rounds_left > 0)
            actor_rest(actor, ACTORS_REST_MS, actor->phase);
    }
}

static void
objects_reset(struct client_node *node)
{
    struct list *next;

    for (struct list *at = node->requests.next; at != &node->requests; at = next) {
        struct client_request *request = CONTAINER(at, struct client_request, link);

        next = at->next;
        if (request->bound)
            client_forget(request);
    }
    node->answered_max = 0;
    for (struct list *at = node->actors.next; at != &node->actors; at = at->next)
        actor_reset(CONTAINER(at, struct actor, link));
}

void
client_objects_lost(struct client_node *node)
{
    objects_reset(node);
    history_left(node->sim->history, node->bound_session);
    node->bound_session = node->machine.session;
    client_objects_start(node);
}

void
client_objects_stop(struct client_node *node)
{
    objects_reset(node);
    history_left(node->sim->history, node->bound_session);
    node->bound_session = 0;
    sim_cancel(node->sim, &node->seen);
}

void
client_objects_free(struct client_node *node)
{
    while (!list_empty(&node->actors)) {
        struct actor *actor = CONTAINER(node->actors.next, struct actor, link);

        sim_cancel(node->sim, &actor->wake);
        list_remove(&actor->link);
        speaker_free(actor);
        buffer_free(&actor->ids);
        free(actor);
    }
}

bool
client_objects_idle(const struct client_node *node)
{
    for (struct list *at = node->actors.next; at != &node->actors; at = at->next)
        if (CONTAINER(at, struct actor, link)->rounds_left > 0)
            return false;
    return true;
}
