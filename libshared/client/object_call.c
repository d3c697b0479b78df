/* object_call.c - requests of shared objects: their numbers, their end, what was seen
 *
 * 1. A request keeps its number over any number of connections, and is not
 *    asked in another session of the manager than the one it was meant for.
 * 2. Whoever stops waiting leaves a `giveup` in place of the request: it stands in
 *    `asked`, so that no SEEN covers the answer, until OBJECT_CANCEL is answered.
 *    From then on the request is not sent again.
 */
#include "object_call.h"

#include <assert.h>
#include <stdlib.h>

enum {
    SEEN_IDLE_MS  = 2,           /* then it goes by itself */
    WAIT_MS_AT    = MESSAGE_HEADER_BYTES + 8 + 1,    /* in OBJECT_DO: behind object and verb */
};

/* ---- what was seen ---- */

static void
asked_add(struct objects *objects, struct asked *asked, uint64_t request)
{
    asked->request = request;
    list_append(&objects->asked, &asked->link);
}

void
asked_remove(struct asked *asked)
{
    if (list_linked(&asked->link))
        list_remove(&asked->link);
}

void
asked_move(struct asked *from, struct asked *to)
{
    to->request = from->request;
    list_append(&from->link, &to->link);        /* in front of it */
    list_remove(&from->link);
}

/* An answer came that the manager keeps until it hears so.  Between the neighbours of
 * its request nothing waits for an answer any more. */
void
asked_seen(struct muster_session *session, struct asked *asked)
{
    struct objects *objects = &session->objects;
    struct list    *prev = asked->link.prev;
    struct list    *next = asked->link.next;
    uint64_t        from = 0;
    uint64_t        below;

    assert(list_linked(&asked->link));
    if (asked->request > objects->answered_max)
        objects->answered_max = asked->request;
    below = objects->answered_max + 1;
    if (prev != &objects->asked)
        from = CONTAINER(prev, struct asked, link)->request + 1;
    if (next != &objects->asked)
        below = CONTAINER(next, struct asked, link)->request;
    seen_add(&objects->seen, from, below);
    if (objects->seen_at_ms == CLIENT_NEVER)
        objects->seen_at_ms = clock_now_ms() + SEEN_IDLE_MS;
    asked_remove(asked);
}

bool
objects_seen_due(const struct muster_session *session, uint64_t now_ms, bool alone)
{
    const struct objects *objects = &session->objects;

    return objects->seen_at_ms != CLIENT_NEVER && (!alone || now_ms >= objects->seen_at_ms);
}

bool
objects_seen(struct muster_session *session, struct msg_object_seen *m_out, struct buffer *ids)
{
    struct objects *objects = &session->objects;
    bool            told = seen_next(&objects->seen, m_out, ids);

    if (seen_empty(&objects->seen))
        objects->seen_at_ms = CLIENT_NEVER;
    return told;
}

/* What was said may not have arrived. */
void
objects_resumed(struct muster_session *session)
{
    struct objects *objects = &session->objects;
    uint64_t        from = 0;

    if (objects->answered_max == 0)
        return;
    seen_clear(&objects->seen);
    for (struct list *at = objects->asked.next; at != &objects->asked; at = at->next) {
        uint64_t request = CONTAINER(at, struct asked, link)->request;

        if (request > objects->answered_max)
            break;
        seen_add(&objects->seen, from, request);
        from = request + 1;
    }
    seen_add(&objects->seen, from, objects->answered_max + 1);
    if (!seen_empty(&objects->seen))
        objects->seen_at_ms = 0;
}

/* ---- giving up ---- */

static void
giveup_done(struct call *call)
{
    struct giveup *giveup = CONTAINER(call, struct giveup, cancel);
    union wire_any m;

    if (giveup->outcome != NULL) {
        giveup->outcome->ended = true;
        /* Asked twice, the first may have undone what the second knows nothing of. */
        giveup->outcome->stays = call_answer(call, MSG_TYPE_ACK, &m, NULL) == MUSTER_OK &&
                                 m.ack.value == 0 && call->sends == 1;
        waiter_wake(giveup->outcome->waiter);
    }
    if (list_linked(&giveup->asked.link))
        asked_seen(call->session, &giveup->asked);
    call_free(&giveup->cancel);
    free(giveup);
}

/* The manager shall take it back.  It takes the request's place in `asked`. */
struct giveup *
giveup_begin(struct object_call *call)
{
    struct giveup *giveup = base_alloc(sizeof(*giveup));
    union wire_any m = { .object_cancel = { .request = call->call.request } };

    giveup->asked.request = call->call.request;
    if (list_linked(&call->asked.link))
        asked_move(&call->asked, &giveup->asked);
    call->call.once = true;
    giveup->cancel.done = giveup_done;
    giveup->cancel.bound = true;
    call_make(&giveup->cancel, MSG_TYPE_OBJECT_CANCEL, &m);
    call_submit(call->call.session, &giveup->cancel, MUSTER_FOREVER);
    return giveup;
}

void
object_call_give_up(struct object_call *call)
{
    if (call->call.state != CALL_UNSENT && call->call.state != CALL_SENT)
        return;
    if (call->call.sends > 0)
        (void)giveup_begin(call);
    asked_remove(&call->asked);
    call_abandon(&call->call);
}

/* ---- calls ---- */

static bool
object_waits(const struct object_call *call)
{
    return call->kind == VERB_WAIT || call->kind == VERB_LOOK;
}

static void
object_seal(struct object_call *call)
{
    union wire_any m = { .object_do = { .verb = call->verb } };

    call->lazy->seal(call, &m.object_do);
    m.object_do.object = call->object;
    m.object_do.wait_ms = object_waits(call) ? UINT32_MAX : 0;
    buffer_clear(&call->call.message);
    wire_put_any(&call->call.message, MSG_TYPE_OBJECT_DO, call->call.request, &m);
    call->lazy = NULL;
}

/* A wait that is asked for again waits for what is left of it. */
static void
object_sending(struct call *call, uint64_t now_ms)
{
    struct object_call *mine = CONTAINER(call, struct object_call, call);
    bool                sealed = mine->lazy != NULL;
    uint64_t            left_ms;

    if (sealed)
        object_seal(mine);
    if ((call->sends == 0 && !sealed) || mine->wait_until_ms == CLIENT_NEVER || !object_waits(mine))
        return;
    left_ms = mine->wait_until_ms > now_ms ? mine->wait_until_ms - now_ms : 0;
    write_u32_at(&call->message, WAIT_MS_AT, (uint32_t)left_ms);
}

/* How the end of a wait is told that the client itself ended. */
static muster_err
object_late_error(const struct object_call *call)
{
    if (call->verb == VERB_QUEUE_GET || call->verb == VERB_QUEUE_RESERVE)
        return MUSTER_ERR_EMPTY;
    /* One that was sent may be there: nobody can say that it is not. */
    if (call->verb == VERB_QUEUE_PUT && call->kind == VERB_WAIT && call->call.sends == 0)
        return MUSTER_ERR_FULL;
    return MUSTER_ERR_TIMEOUT;
}

static bool
object_expired(struct call *call, uint64_t now_ms)
{
    struct object_call    *mine = CONTAINER(call, struct object_call, call);
    struct muster_session *session = call->session;
    bool                   there = session->machine.state == MACHINE_READY;

    (void)now_ms;
    if (mine->late || !there) {
        if (call->sends > 0 && !call->once)
            (void)giveup_begin(mine);
        if (call->error.code == MUSTER_OK)
            (void)error_set(&call->error, object_late_error(mine), "nothing from %s in time%s%s",
                            session->address, there ? "" : "; it is away: ",
                            there ? "" : session->machine.error.detail);
        return false;
    }
    mine->late = true;
    call_defer(call, call->deadline_ms + OBJECT_GRACE_MS);
    return true;
}

static bool
object_holds(const struct call *call)
{
    const struct object_call *mine = CONTAINER(call, struct object_call, call);

    return mine->lazy != NULL && mine->lazy->holds != NULL && mine->lazy->holds(mine);
}

static const struct call_hooks object_hooks = { object_sending, object_expired, object_holds };

static void
object_ended(struct call *call)
{
    struct object_call *mine = CONTAINER(call, struct object_call, call);

    if (mine->held != NULL && call->error.code == MUSTER_OK && list_linked(&mine->asked.link)) {
        asked_move(&mine->asked, mine->held);
    } else {
        mine->held = NULL;
        /* An error of the manager may be kept as well.  One of our own is told in a
         * session that is gone, or of a request that was given up. */
        if (list_linked(&mine->asked.link) && !call->once && call->sends > 0 &&
            (mine->kind == VERB_WRITE || mine->kind == VERB_WAIT))
            asked_seen(call->session, &mine->asked);
        asked_remove(&mine->asked);
    }
    mine->generation = call->session->objects.generation;
    mine->done(mine);
}

/* `m` is encoded. */
void
object_submit(struct muster_session *session, struct object_call *call, uint32_t timeout_ms)
{
    bool waits = object_waits(call);

    call->call.done = object_ended;
    call->call.hooks = &object_hooks;
    call->call.bound = true;
    call->wait_until_ms = deadline_after(timeout_ms);
    /* A condition answers when the lock is held again, however long that takes. */
    if (waits && call->verb == VERB_CONDITION_WAIT)
        timeout_ms = MUSTER_FOREVER;
    /* What does not wait has the time of an answer, whatever its time-out. */
    call->late = !waits && timeout_ms >= OBJECT_GRACE_MS;
    call_submit(session, &call->call, timeout_ms);
    if (call->kind != VERB_READ)
        asked_add(&session->objects, &call->asked, call->call.request);
}

muster_err
object_check(struct muster_session *session, const struct handle *handle,
             struct muster_error *error)
{
    if (session_failed(session, error))
        return session->machine.error.code;
    if (handle == NULL || handle->generation == session->objects.generation)
        return MUSTER_OK;
    return error_set(error, MUSTER_ERR_SESSION,
                     "the session has ended: what it held is lost; open the object again");
}

/* It ends with that error when the thread looks at it. */
static void
object_doom(struct object_call *call, const struct muster_error *error)
{
    call->call.error = *error;
    call->call.not_before_ms = CLIENT_NEVER;
    call->late = true;
    call_defer(&call->call, 0);
}

void
object_make(struct object_call *call, const struct handle *handle, const struct msg_object_do *m,
            uint32_t timeout_ms)
{
    const struct wire_verb_rule *rule = wire_verb_rule(m->verb);
    union wire_any               all = { .object_do = *m };

    assert(rule->kind != VERB_NONE);
    call->kind = rule->kind;
    call->verb = m->verb;
    call->object = handle->object;
    all.object_do.object = handle->object;
    all.object_do.wait_ms = rule->kind == VERB_WAIT || rule->kind == VERB_LOOK ? timeout_ms : 0;
    call_make(&call->call, MSG_TYPE_OBJECT_DO, &all);
}

void
object_call_submit(struct object_call *call, const struct handle *handle,
                   const struct msg_object_do *m, uint32_t timeout_ms)
{
    struct muster_error error;
    muster_err          err = object_check(handle->session, handle, &error);

    object_make(call, handle, m, timeout_ms);
    object_submit(handle->session, call, err ? 0 : timeout_ms);
    if (err)
        object_doom(call, &error);
}

void
object_call_hasten(struct object_call *call, uint64_t until_ms)
{
    assert(call->lazy != NULL && call->call.sends == 0);
    if (until_ms >= call->wait_until_ms)
        return;
    call->wait_until_ms = until_ms;
    call_defer(&call->call, until_ms);
}

void
object_call_hurry(struct object_call *call)
{
    assert(call->call.sends > 0 && object_waits(call));
    call->wait_until_ms = 0;
    if (call->call.state == CALL_SENT)
        call_again(&call->call, 0);
    session_wake(call->call.session);
}

muster_err
object_call_answer(const struct object_call *call, struct msg_object_done *done_out,
                   struct muster_error *error)
{
    union wire_any m;
    muster_err     err = call_answer(&call->call, MSG_TYPE_OBJECT_DONE, &m, error);

    if (!err)
        *done_out = m.object_done;
    return err;
}

void
object_call_free(struct object_call *call)
{
    assert(!list_linked(&call->asked.link));
    call_free(&call->call);
}
