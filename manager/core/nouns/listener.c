/* listener.c - where programs meet: connectors wait until someone accepts
 *
 *   CONNECT --> entry --> ACCEPT makes a pipe for both --> CONNECT is answered, at once
 *                 |
 *                 `--> time is over, cancelled, session ended: gone
 *
 * 1. An entry is one request to connect.  It is durable, so that a connector
 *    keeps its place and gets its pipe though the manager was restarted.
 * 2. ACCEPT takes the first connector that is there to be answered: entries of
 *    those whose connection is lost wait for them to come back.
 * 3. The pipe has both its ends attached from the start: whoever dies before it
 *    knows of it closes its end like any other.
 */
#include <stdio.h>

#include "pipe.h"
#include "plant.h"

enum { LANE_CONNECTORS, LANE_ACCEPTORS };
enum { VERB_LISTENER_LEFT = VERB_INNER };        /* b: session, c: request */
enum { BACKLOG_DEFAULT = 128, BACKLOG_MAX = 4096 };

struct entry {
    struct list link;
    uint64_t    session, request;
    uint64_t    pipe;              /* 0: not accepted; else it goes before the step ends */
};

struct listener {
    struct list entries;           /* in order of arrival */
    uint32_t    count;
};

static struct entry *
entry_find(const struct listener *listener, uint64_t session, uint64_t request)
{
    for (struct list *link = listener->entries.next; link != &listener->entries;
         link = link->next) {
        struct entry *entry = CONTAINER(link, struct entry, link);

        if (entry->session == session && entry->request == request)
            return entry;
    }
    return NULL;
}

static void
entry_add(struct listener *listener, uint64_t session, uint64_t request)
{
    struct entry *entry = base_alloc(sizeof(*entry));

    assert(session != 0 && listener->count < BACKLOG_MAX);
    entry->session = session;
    entry->request = request;
    list_append(&listener->entries, &entry->link);
    listener->count++;
}

static void
entry_remove(struct listener *listener, struct entry *entry)
{
    assert(listener->count > 0);
    listener->count--;
    list_remove(&entry->link);
    free(entry);
}

static uint64_t
listener_backlog(const struct object *object)
{
    return object->a != 0 ? object->a : BACKLOG_DEFAULT;
}

/* ---- decide ---- */

static void
decide_connect(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    const struct listener *listener = object->state;
    const struct entry    *entry = entry_find(listener, act->session, act->request);

    if (entry != NULL && entry->pipe != 0) {
        v->kind = VERDICT_DO;
        v->fact.a = entry->pipe;
        return;
    }
    if (entry == NULL && listener->count >= listener_backlog(object)) {
        verdict_error(v, object, MUSTER_ERR_FULL, "%u wait to be accepted", listener->count);
        return;
    }
    verdict_wait(v, LANE_CONNECTORS, MUSTER_ERR_TIMEOUT);
    if (entry == NULL)
        v->kind = VERDICT_ENTER;
    else if (lane_first(object, LANE_CONNECTORS) == NULL ||
             lane_busy(object, LANE_CONNECTORS, act))
        object_wake_lanes(core, object);         /* it is back: someone may wait for it */
}

/* The first that waits to be accepted. */
static const struct wait *
connector_first(const struct object *object)
{
    const struct listener *listener = object->state;
    const struct list     *ring = &object->lanes[LANE_CONNECTORS];

    for (const struct list *link = PLANT_FIRST(ring); link != ring; link = PLANT_NEXT(link)) {
        const struct wait  *wait = CONTAINER(link, struct wait, lane_link);
        const struct entry *entry = entry_find(listener, wait->act.session, wait->act.request);

        if (entry != NULL && entry->pipe == 0)
            return wait;
    }
    return NULL;
}

/* Make `fact` the acceptance of this connector. */
static void
accept_fact(struct core *core, const struct session *connector, uint64_t request,
            struct act *fact)
{
    buffer_clear(&core->scratch);
    buffer_printf(&core->scratch, "%.*s on %s", SLICE_ARGS(connector->user->name),
                  connector->host);
    fact->b = connector->id;
    fact->c = request;
    fact->value = buffer_slice(&core->scratch);
}

static void
decide_accept(struct core *core, const struct object *object, const struct act *act,
              struct verdict *v)
{
    const struct wait *wait = connector_first(object);

    if (wait == NULL || lane_busy(object, LANE_ACCEPTORS, act)) {
        verdict_wait(v, LANE_ACCEPTORS, MUSTER_ERR_TIMEOUT);
        return;
    }
    v->kind = VERDICT_DO;
    accept_fact(core, wait->session, wait->act.request, &v->fact);
}

static void
listener_decide(struct core *core, struct object *object, const struct act *act,
                struct verdict *v)
{
    if (act->a != 0 || act->b != 0 || act->c != 0 || act->key.bytes + act->value.bytes > 0)
        verdict_error(v, object, MUSTER_ERR_INVALID, "to connect and to accept take no arguments");
    else if (act->verb == VERB_LISTENER_CONNECT)
        decide_connect(core, object, act, v);
    else
        decide_accept(core, object, act, v);
}

/* ---- apply ---- */

static bool
apply_connect(struct object *object, const struct act *act, struct msg_object_done *answer)
{
    struct listener *listener = object->state;
    struct entry    *entry = entry_find(listener, act->session, act->request);

    if (act->enters) {
        if (entry != NULL || act->session == 0 || listener->count >= listener_backlog(object))
            return false;
        entry_add(listener, act->session, act->request);
        return true;
    }
    if (entry == NULL || entry->pipe == 0 || entry->pipe != act->a)
        return false;
    answer->a = entry->pipe;
    entry_remove(listener, entry);
    return true;
}

static bool
apply_accept(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    struct entry  *entry = entry_find(object->state, act->b, act->c);
    struct object *pipe;

    if (entry == NULL || entry->pipe != 0 || act->session == 0)
        return false;
    pipe = object_make(core, NOUN_PIPE, object->owner, false, 1, 0);
    object_tie(core, pipe, act->session);
    object_tie(core, pipe, entry->session);
    pipe_attach(core, pipe, act->session, 0);
    pipe_attach(core, pipe, entry->session, 1);
    entry->pipe = pipe->id;
    answer->a = pipe->id;
    answer->value = act->value;
    return true;
}

/* A connector has given up. */
static bool
apply_left(struct object *object, const struct act *act)
{
    struct entry *entry = entry_find(object->state, act->b, act->c);

    if (entry == NULL || entry->pipe != 0)
        return false;
    entry_remove(object->state, entry);
    return true;
}

static bool
listener_apply(struct core *core, struct object *object, const struct act *act,
               struct msg_object_done *answer)
{
    if (act->verb == VERB_LISTENER_CONNECT)
        return apply_connect(object, act, answer);
    if (act->verb == VERB_LISTENER_ACCEPT)
        return apply_accept(core, object, act, answer);
    return act->verb == VERB_LISTENER_LEFT && apply_left(object, act);
}

static void
listener_session_ended(struct core *core, struct object *object, uint64_t session)
{
    struct listener *listener = object->state;

    (void)core;
    for (struct list *link = listener->entries.next; link != &listener->entries;) {
        struct entry *entry = CONTAINER(link, struct entry, link);

        link = link->next;
        if (entry->session == session)
            entry_remove(listener, entry);
    }
}

/* ---- connectors that leave ---- */

static void
listener_wait_dropped(struct core *core, struct object *object, struct wait *wait,
                      struct effects *fx)
{
    struct act fact = { .verb = VERB_LISTENER_LEFT, .b = wait->act.session,
                        .c = wait->act.request, .unix_ms = core_unix_ms(core) };

    if (wait->act.verb != VERB_LISTENER_CONNECT || object->dead ||
        entry_find(object->state, fact.b, fact.c) == NULL)
        return;
    object_fact(core, object, &fact, fx);
}

/* One that would not wait is still met by an acceptor that does. */
static bool
listener_timed_out(struct core *core, struct object *object, struct wait *wait,
                   struct effects *fx)
{
    struct wait        *acceptor = lane_first(object, LANE_ACCEPTORS);
    const struct entry *entry;
    struct act          fact;

    if (wait->act.verb != VERB_LISTENER_CONNECT)
        return false;
    if (acceptor == NULL) {
        listener_wait_dropped(core, object, wait, fx);
        return false;
    }
    fact = acceptor->act;
    fact.unix_ms = core_unix_ms(core);
    accept_fact(core, wait->session, wait->act.request, &fact);
    object_fact(core, object, &fact, fx);
    entry = entry_find(object->state, wait->act.session, wait->act.request);
    assert(entry != NULL && entry->pipe != 0);
    fact = wait->act;
    fact.unix_ms = core_unix_ms(core);
    fact.a = entry->pipe;
    object_fact(core, object, &fact, fx);
    return true;
}

/* ---- the noun ---- */

static bool
listener_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    const char *what = NULL;

    (void)core;
    if (m->transient != 0)
        what = "a listener cannot be transient: its pipes would outlive it";
    else if (m->a > BACKLOG_MAX || m->b != 0 || m->value.bytes > 0)
        what = "the backlog of a listener is at most 4096";
    if (what == NULL)
        return true;
    v->error = MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "%s", what);
    return false;
}

static void
listener_make(struct core *core, struct object *object, struct slice initial)
{
    struct listener *listener = base_alloc(sizeof(*listener));

    (void)core;
    (void)initial;
    list_init(&listener->entries);
    object->state = listener;
}

static void
listener_free(struct core *core, struct object *object)
{
    struct listener *listener = object->state;

    (void)core;
    while (!list_empty(&listener->entries))
        entry_remove(listener, CONTAINER(listener->entries.next, struct entry, link));
    free(listener);
    object->state = NULL;
}

static void
listener_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct listener *listener = object->state;

    (void)core;
    write_varint(out, listener->count);
    for (const struct list *link = listener->entries.next; link != &listener->entries;
         link = link->next) {
        const struct entry *entry = CONTAINER(link, struct entry, link);

        write_varint(out, entry->session);
        write_varint(out, entry->request);
    }
}

static bool
listener_get(struct core *core, struct object *object, struct reader *in)
{
    struct listener *listener = object->state;
    uint64_t         count = read_varint(in);

    (void)core;
    if (in->bad || count > BACKLOG_MAX)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t session = read_varint(in);
        uint64_t request = read_varint(in);

        if (in->bad || session == 0 || entry_find(listener, session, request) != NULL)
            return false;
        entry_add(listener, session, request);
    }
    return true;
}

static void
listener_describe(const struct core *core, const struct object *object, struct wire_object *out,
                  char text[OBJECT_TEXT_BYTES])
{
    const struct listener *listener = object->state;

    (void)core;
    out->items = listener->count;
    snprintf(text, OBJECT_TEXT_BYTES, "%u of at most %llu wait to be accepted", listener->count,
             (unsigned long long)listener_backlog(object));
}

static void
listener_verify(const struct core *core, const struct object *object)
{
    const struct listener *listener = object->state;
    uint32_t               count = 0;

    for (const struct list *link = listener->entries.next; link != &listener->entries;
         link = link->next) {
        const struct entry *entry = CONTAINER(link, struct entry, link);

        assert(object_tied(core, entry->session, object) && entry->pipe == 0);
        count++;
    }
    assert(count == listener->count && count <= listener_backlog(object));
}

const struct noun_rules noun_listener = {
    .check = listener_check,
    .make = listener_make,
    .free = listener_free,
    .decide = listener_decide,
    .apply = listener_apply,
    .session_ended = listener_session_ended,
    .timed_out = listener_timed_out,
    .wait_dropped = listener_wait_dropped,
    .put = listener_put,
    .get = listener_get,
    .describe = listener_describe,
    .verify = listener_verify,
};
