/* opening.c - which objects a session has open, and in which session of the manager
 *
 * 1. An OPEN and an OBJECT_CLOSE are never under way together: repeated after a
 *    reconnection, a CLOSE would undo an OPEN that is answered from what is kept.
 * 2. An OPEN is never cancelled, since that would close what other handles use: when
 *    its caller is gone it is closed like a handle.
 */
#include "object_call.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)MUSTER_OPEN_OLD + 1 == (int)OPEN_COUNT, "public modes are those that travel");

/* One object that this session has open. */
struct opened {
    uint64_t handles;
};

struct closing {
    struct call call;
    struct list link;
    uint64_t    object;
};

struct opening {
    struct object_call call;
    bool               left;     /* by its caller */
};

/* ---- closing ---- */

static void
closing_done(struct call *call)
{
    struct muster_session *session = call->session;
    struct closing        *closing = CONTAINER(call, struct closing, call);

    call_free(&closing->call);
    free(closing);
    if (--session->objects.closes == 0)
        waiters_wake(session, &session->objects);
}

/* What is to be closed, as long as nothing is being opened. */
static void
closing_go(struct muster_session *session)
{
    struct objects *objects = &session->objects;

    while (objects->opens == 0 && !list_empty(&objects->closing)) {
        struct closing *closing = CONTAINER(objects->closing.next, struct closing, link);
        union wire_any  m = { .object_close = { .object = closing->object } };

        list_remove(&closing->link);
        if (session_failed(session, NULL) || map_get(&objects->opened, closing->object) != NULL) {
            free(closing);      /* opened again meanwhile */
            continue;
        }
        objects->closes++;
        closing->call.done = closing_done;
        closing->call.bound = true;
        call_make(&closing->call, MSG_TYPE_OBJECT_CLOSE, &m);
        call_submit(session, &closing->call, MUSTER_FOREVER);
    }
    if (objects->closes == 0 && list_empty(&objects->closing))
        waiters_wake(session, objects);
}

static void
opened_count(struct objects *objects, uint64_t object)
{
    struct opened *opened = map_get(&objects->opened, object);

    if (opened == NULL) {
        opened = base_alloc(sizeof(*opened));
        map_put(&objects->opened, object, opened);
    }
    opened->handles++;
}

void
handle_again(const struct handle *handle, struct handle *handle_out)
{
    struct muster_session *session = handle->session;

    pthread_mutex_lock(&session->lock);
    if (handle->generation == session->objects.generation)
        opened_count(&session->objects, handle->object);
    pthread_mutex_unlock(&session->lock);
    *handle_out = *handle;
}

static void
opened_drop(struct muster_session *session, uint64_t object)
{
    struct objects *objects = &session->objects;
    struct opened  *opened = map_get(&objects->opened, object);
    struct closing *closing;

    if (opened == NULL || --opened->handles > 0)
        return;
    free(map_remove(&objects->opened, object));
    closing = base_alloc(sizeof(*closing));
    closing->object = object;
    list_append(&objects->closing, &closing->link);
}

void
handle_close(struct handle *handle)
{
    struct muster_session *session = handle->session;

    if (session == NULL)
        return;
    pthread_mutex_lock(&session->lock);
    /* In another session of the manager it is closed already. */
    if (handle->generation == session->objects.generation)
        opened_drop(session, handle->object);
    closing_go(session);
    pthread_mutex_unlock(&session->lock);
    *handle = (struct handle){ 0 };
}

/* No CLOSE is under way now, and none is begun until the OPEN is answered. */
static muster_err
open_enter(struct muster_session *session, struct waiter *waiter, uint64_t until_ms,
           struct muster_error *error)
{
    struct objects *objects = &session->objects;
    muster_err      err = object_check(session, NULL, error);

    while (!err && (objects->closes > 0 || !list_empty(&objects->closing))) {
        err = waiter_wait(session, waiter, until_ms);
        if (err)
            return session_wait_error(session, err, "the end of what was closed before", 0, error);
        err = object_check(session, NULL, error);
    }
    if (!err)
        objects->opens++;
    return err;
}

static void
opening_done(struct object_call *call)
{
    struct opening        *opening = CONTAINER(call, struct opening, call);
    struct muster_session *session = call->call.session;
    union wire_any         m;
    bool opened = call_answer(&call->call, MSG_TYPE_OBJECT_OPENED, &m, NULL) == MUSTER_OK;

    session->objects.opens--;
    if (opened)
        opened_count(&session->objects, m.object_opened.object);
    if (!opening->left) {
        object_wake(call);
    } else {
        if (opened)
            opened_drop(session, m.object_opened.object);
        object_call_free(call);
        free(opening);
    }
    closing_go(session);
}

/* It goes on without its caller. */
static muster_err
opening_leave(struct muster_session *session, struct opening *opening, muster_err err,
              uint32_t timeout_ms, struct muster_error *error)
{
    if (opening->call.call.sends == 0) {
        object_call_give_up(&opening->call);
        session->objects.opens--;
        closing_go(session);
        object_call_free(&opening->call);
        free(opening);
    } else {
        opening->left = true;
    }
    return session_wait_error(session, err, "the object to be opened", timeout_ms, error);
}

/* OK: it is answered, and the caller's to free. */
static muster_err
opening_wait(struct muster_session *session, struct waiter *waiter, struct opening *opening,
             uint32_t timeout_ms, struct muster_error *error)
{
    uint64_t   until_ms = deadline_after(timeout_ms);
    muster_err err = MUSTER_OK;

    while (!err && opening->call.call.state != CALL_DONE) {
        err = waiter_wait(session, waiter, until_ms);
        if (err == MUSTER_ERR_TIMEOUT && timeout_ms < OBJECT_GRACE_MS &&
            session->machine.state == MACHINE_READY) {
            until_ms += OBJECT_GRACE_MS - timeout_ms;
            timeout_ms = OBJECT_GRACE_MS;
            err = MUSTER_OK;
        }
    }
    if (opening->call.call.state == CALL_DONE)
        return MUSTER_OK;
    return opening_leave(session, opening, err, timeout_ms, error);
}

static muster_err
opening_result(const struct object_call *call, struct handle *handle_out,
               struct msg_object_opened *opened_out, struct muster_error *error)
{
    union wire_any m;
    muster_err     err = call_answer(&call->call, MSG_TYPE_OBJECT_OPENED, &m, error);

    if (err)
        return err;
    /* When the session ended since, the handle is one of the old. */
    *handle_out = (struct handle){ .session = call->call.session,
                                   .object = m.object_opened.object,
                                   .generation = call->generation,
                                   .noun = (enum wire_noun)m.object_opened.noun };
    *opened_out = m.object_opened;
    return MUSTER_OK;
}

static muster_err
open_once(struct muster_session *session, const struct msg_object_open *m, uint32_t timeout_ms,
          struct handle *handle_out, struct msg_object_opened *opened_out,
          struct muster_error *error)
{
    struct opening *opening = base_alloc(sizeof(*opening));
    union wire_any  any = { .object_open = *m };
    struct waiter   waiter;
    muster_err      err;

    opening->call.done = opening_done;
    opening->call.call.context = &waiter;
    opening->call.kind = VERB_WRITE;
    call_make(&opening->call.call, MSG_TYPE_OBJECT_OPEN, &any);
    pthread_mutex_lock(&session->lock);
    waiter_begin(session, &waiter, &session->objects);
    err = open_enter(session, &waiter, deadline_after(timeout_ms), error);
    if (err) {
        object_call_free(&opening->call);
        free(opening);
    } else {
        object_submit(session, &opening->call, MUSTER_FOREVER);
        err = opening_wait(session, &waiter, opening, timeout_ms, error);
        if (!err) {
            err = opening_result(&opening->call, handle_out, opened_out, error);
            object_call_free(&opening->call);
            free(opening);
        }
    }
    waiter_end(&waiter);
    pthread_mutex_unlock(&session->lock);
    return err;
}

static muster_err
open_check(const struct muster_open *open, struct slice initial, struct muster_error *error)
{
    if ((unsigned)open->mode >= OPEN_COUNT)
        return error_set(error, MUSTER_ERR_INVALID, "%u is no way to open", (unsigned)open->mode);
    if (open->name != NULL && strlen(open->name) > NAME_BYTES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "a name has at most %u bytes", NAME_BYTES_MAX);
    if (initial.bytes > VALUE_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "a value has at most %u bytes, not %zu",
                         VALUE_BYTES_MAX, initial.bytes);
    return MUSTER_OK;
}

muster_err
handle_open(struct muster_session *session, enum wire_noun noun, const struct muster_open *open,
            uint64_t a, uint64_t b, struct slice initial, uint32_t timeout_ms,
            struct handle *handle_out, struct msg_object_opened *opened_out,
            struct muster_error *error)
{
    CALL_SCOPE(session);
    static const struct muster_open anonymous;
    struct msg_object_open          m = { .noun = (uint8_t)noun, .a = a, .b = b, .value = initial };
    struct msg_object_opened        opened;
    muster_err                      err;

    if (open == NULL)
        open = &anonymous;
    err = open_check(open, initial, error);
    if (err)
        return err;
    m.name = slice_text(open->name != NULL ? open->name : "");
    m.mode = (uint8_t)(open->object != 0 ? OPEN_OLD : open->mode);
    m.transient = open->transient;
    m.object = open->object;
    err = open_once(session, &m, timeout_ms, handle_out, &opened, error);
    /* What was asked in a session that had ended is asked again, unless it may have
     * made the object and would find it in its own way now. */
    if (err == MUSTER_ERR_SESSION && (m.mode != OPEN_NEW || m.name.bytes == 0))
        err = open_once(session, &m, timeout_ms, handle_out, &opened, error);
    if (err)
        return err;
    if (opened_out != NULL)
        *opened_out = opened;
    return MUSTER_OK;
}

/* ---- the manager's session ---- */

void
objects_start(struct muster_session *session)
{
    session->objects.generation = 1;
    session->objects.seen_at_ms = CLIENT_NEVER;
    list_init(&session->objects.asked);
    list_init(&session->objects.closing);
}

static void
objects_forget(struct objects *objects)
{
    struct opened *opened;
    size_t         cursor = 0;

    while ((opened = map_next(&objects->opened, &cursor, NULL)) != NULL)
        free(opened);
    map_free(&objects->opened);
    while (!list_empty(&objects->closing)) {
        struct closing *closing = CONTAINER(objects->closing.next, struct closing, link);

        list_remove(&closing->link);
        free(closing);
    }
}

void
objects_free(struct muster_session *session)
{
    assert(list_empty(&session->objects.asked));
    seen_free(&session->objects.seen);
    objects_forget(&session->objects);
}

static struct call *
bound_first(struct list *head)
{
    for (struct list *at = head->next; at != head; at = at->next) {
        struct call *call = CONTAINER(at, struct call, link);

        if (call->bound)
            return call;
    }
    return NULL;
}

static void
objects_lost(struct muster_session *session)
{
    struct muster_error error;
    struct list        *lists[] = { &session->sent, &session->unsent };
    struct call        *call;

    (void)error_set(&error, MUSTER_ERR_SESSION, "the session has ended: what it held is lost");
    session->objects.generation++;
    objects_forget(&session->objects);
    for (size_t i = 0; i < 2; i++) {
        while ((call = bound_first(lists[i])) != NULL)
            call_end(call, &error);
    }
    session->objects.answered_max = 0;
    seen_clear(&session->objects.seen);
    session->objects.seen_at_ms = CLIENT_NEVER;
    waiters_wake(session, &session->objects);
}

void
objects_check_session(struct muster_session *session)
{
    struct objects *objects = &session->objects;
    uint64_t        before = objects->of_session;

    if (session->machine.session == before)
        return;
    objects->of_session = session->machine.session;
    if (before != 0)
        objects_lost(session);
}
