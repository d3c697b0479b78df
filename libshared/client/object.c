/* object.c - requests of shared objects: their numbers, their end, their openings
 *
 * 1. A request keeps its number over any number of connections, and is not
 *    asked in another session of the manager than the one it was meant for.
 * 2. Whoever stops waiting leaves a `giveup` in place of the request: it stands in
 *    `asked`, so that no SEEN covers the answer, until OBJECT_CANCEL is answered.
 *    From then on the request is not sent again.
 * 3. An OPEN and an OBJECT_CLOSE are never under way together: repeated after a
 *    reconnection, a CLOSE would undo an OPEN that is answered from what is kept.
 */
#include "handle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEN_IDLE_MS  = 2,           /* then it goes by itself */
    SEEN_SHARE    = 16,          /* numbers in `except` that one answer pays for */
    WAIT_MS_AT    = MESSAGE_HEADER_BYTES + 8 + 1,    /* in OBJECT_DO: behind object and verb */
};

static_assert((int)MUSTER_SERVICE + 1 == (int)NOUN_COUNT, "public nouns are those that travel");
static_assert((int)MUSTER_OPEN_OLD + 1 == (int)OPEN_COUNT, "public modes are those that travel");

/* One object that this session has open. */
struct opened {
    uint64_t handles;
    uint64_t thread, note;       /* see handle_note() */
};

struct closing {
    struct call call;
    struct list link;
    uint64_t    object;
};

/* An OPEN.  It is never cancelled, since that would close what other handles use: when
 * its caller is gone it is closed like a handle. */
struct opening {
    struct object_call call;
    bool               left;
};

/* What a caller who was interrupted still wants to know. */
struct outcome {
    struct waiter *waiter;
    bool           ended;
    bool           stays;        /* what was answered has been done */
};

struct giveup {
    struct call     cancel;
    struct asked    asked;
    struct outcome *outcome;     /* NULL: nobody waits */
};

uint64_t
thread_number(void)
{
    static _Atomic uint64_t     last;
    static _Thread_local uint64_t mine;

    if (mine == 0)
        mine = atomic_fetch_add(&last, 1) + 1;
    return mine;
}

const char *
muster_noun_name(enum muster_noun noun)
{
    return wire_noun_name((unsigned)noun);
}

/* ---- bytes ---- */

void *
bytes_copy(struct slice bytes)
{
    char *copy = base_realloc(NULL, bytes.bytes + 1);

    if (bytes.bytes > 0)
        memcpy(copy, bytes.data, bytes.bytes);
    copy[bytes.bytes] = '\0';
    return copy;
}

void
bytes_of_cell(struct slice item, bool is_reference, struct muster_bytes *bytes_out)
{
    struct reader in = reader_of(item);

    *bytes_out = (struct muster_bytes){ 0 };
    if (is_reference) {
        bytes_out->object = read_u64(&in);
        return;
    }
    bytes_out->data = bytes_copy(item);
    bytes_out->bytes = item.bytes;
}

void
bytes_of_answer(const struct msg_object_done *done, struct muster_bytes *bytes_out)
{
    bytes_of_cell(done->value, done->is_reference != 0, bytes_out);
}

void
muster_bytes_free(struct muster_bytes *bytes)
{
    if (bytes == NULL)
        return;
    free(bytes->data);
    *bytes = (struct muster_bytes){ 0 };
}

muster_err
block_of(const struct slice *items, size_t count, struct buffer *block_out,
         struct muster_error *error)
{
    struct wire_block block = { 0 };
    muster_err        err = MUSTER_OK;

    for (size_t i = 0; i < count && !err; i++) {
        if (!wire_block_add_value(&block, items[i]))
            err = error_set(error, MUSTER_ERR_TOO_LARGE,
                            "item %zu of %zu, of %zu bytes, does not fit one request", i + 1, count,
                            items[i].bytes);
    }
    if (!err)
        wire_block_put(block_out, &block);
    wire_block_free(&block);
    return err;
}

/* ---- what was seen ---- */

static void
asked_add(struct objects *objects, struct asked *asked, uint64_t request)
{
    asked->request = request;
    list_append(&objects->asked, &asked->link);
}

static void
asked_remove(struct asked *asked)
{
    if (list_linked(&asked->link))
        list_remove(&asked->link);
}

static void
asked_move(struct asked *from, struct asked *to)
{
    to->request = from->request;
    list_append(&from->link, &to->link);        /* in front of it */
    list_remove(&from->link);
}

/* An answer came that the manager keeps until it hears so. */
static void
seen_count(struct muster_session *session, uint64_t request)
{
    struct objects *objects = &session->objects;

    objects->answers++;
    if (request > objects->answered_max)
        objects->answered_max = request;
    if (objects->seen_at_ms == CLIENT_NEVER)
        objects->seen_at_ms = clock_now_ms() + SEEN_IDLE_MS;
}

bool
objects_seen_due(const struct muster_session *session, uint64_t now_ms, bool alone)
{
    const struct objects *objects = &session->objects;

    if (objects->seen_at_ms == CLIENT_NEVER)
        return false;
    if (now_ms >= objects->seen_at_ms)
        return true;
    /* A long list of exceptions is worth telling for many answers only. */
    return !alone && (uint64_t)objects->answers * SEEN_SHARE >= objects->excepted;
}

void
objects_seen(struct muster_session *session, struct msg_object_seen *m_out, struct buffer *ids)
{
    struct objects        *objects = &session->objects;
    struct msg_object_seen m = { .below = objects->answered_max + 1 };

    buffer_clear(ids);
    for (struct list *at = objects->asked.next; at != &objects->asked; at = at->next) {
        struct wire_id id = { CONTAINER(at, struct asked, link)->request };

        if (id.id >= m.below)
            break;
        if (m.except.count == SEEN_EXCEPT_MAX) {
            m.below = id.id;
            break;
        }
        wire_put_id(ids, &id);
        m.except.count++;
    }
    m.except.bytes = buffer_slice(ids);
    objects->answers = 0;
    objects->excepted = m.except.count;
    objects->seen_at_ms = CLIENT_NEVER;
    *m_out = m;
}

void
objects_resumed(struct muster_session *session)
{
    if (session->objects.answered_max != 0)
        session->objects.seen_at_ms = 0;
}

/* ---- giving up ---- */

static void
giveup_done(struct call *call)
{
    struct giveup *giveup = CONTAINER(call, struct giveup, cancel);
    union wire_any m;

    if (giveup->outcome != NULL) {
        giveup->outcome->ended = true;
        giveup->outcome->stays =
            call_answer(call, MSG_TYPE_ACK, &m, NULL) == MUSTER_OK && m.ack.value == 0;
        pthread_cond_signal(&giveup->outcome->waiter->cond);
    }
    asked_remove(&giveup->asked);
    seen_count(call->session, giveup->asked.request);
    call_free(&giveup->cancel);
    free(giveup);
}

/* The manager shall take it back.  It takes the request's place in `asked`. */
static struct giveup *
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
        asked_remove(&mine->asked);
        mine->held = NULL;
    }
    mine->generation = call->session->objects.generation;
    /* An error of the manager may be kept as well.  One of our own is told in a
     * session that is gone, or of a request that was given up. */
    if (mine->held == NULL && !call->once && call->sends > 0 && (mine->kind == VERB_WRITE || mine->kind == VERB_WAIT))
        seen_count(call->session, call->request);
    mine->done(mine);
}

/* `m` is encoded. */
static void
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

static void
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

/* ---- blocking ---- */

static void
object_wake(struct object_call *call)
{
    struct waiter *waiter = call->call.context;

    pthread_cond_signal(&waiter->cond);
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

/* Submitted already.  `through`: interruptions do not count. */
static muster_err
object_wait(struct muster_session *session, struct waiter *waiter, struct object_call *call,
            const char *what, bool through, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && call->call.state != CALL_DONE) {
        if (through)
            waiter->interrupts = atomic_load(&session->interrupts);
        err = waiter_wait(session, waiter, CLIENT_NEVER);
        if (through)
            err = MUSTER_OK;
    }
    if (err && call->call.state != CALL_DONE)
        err = object_interrupted(session, waiter, call);
    else
        err = MUSTER_OK;
    return err ? error_set(error, err, "interrupted while waiting for %s", what) : MUSTER_OK;
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

/* How a blocking call differs from the plain ones. */
struct manner {
    uint16_t      answer_type;
    bool          through;       /* interruptions do not count */
    struct asked *held;          /* see handle_do_unseen() */
};

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
        object_submit(session, &call, timeout_ms);
        err = object_wait(session, &waiter, &call, wire_verb_rule(m->verb)->name,
                          manner->through, error);
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
    static const struct manner plain = { MSG_TYPE_OBJECT_DONE, false, NULL };

    return handle_ask(handle, m, &plain, timeout_ms, answer_out, error);
}

muster_err
handle_do_through(struct handle *handle, const struct msg_object_do *m, struct ask *answer_out,
                  struct muster_error *error)
{
    static const struct manner through = { MSG_TYPE_OBJECT_DONE, true, NULL };

    return handle_ask(handle, m, &through, MUSTER_FOREVER, answer_out, error);
}

muster_err
handle_do_unseen(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
                 struct ask *answer_out, struct asked *held_out, struct muster_error *error)
{
    const struct manner unseen = { MSG_TYPE_OBJECT_DONE, false, held_out };

    *held_out = (struct asked){ 0 };
    return handle_ask(handle, m, &unseen, timeout_ms, answer_out, error);
}

void
handle_seen(struct handle *handle, struct asked *held)
{
    struct muster_session *session = handle->session;

    pthread_mutex_lock(&session->lock);
    if (list_linked(&held->link)) {
        asked_remove(held);
        seen_count(session, held->request);
        session_wake(session);
    }
    pthread_mutex_unlock(&session->lock);
}

muster_err
handle_read(struct handle *handle, const struct msg_object_do *m, uint32_t timeout_ms,
            struct ask *answer_out, struct muster_error *error)
{
    static const struct manner read = { MSG_TYPE_BODY, false, NULL };

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

muster_err
interrupted_since(struct muster_session *session, uint64_t since, struct muster_error *error)
{
    if (atomic_load(&session->interrupts) == since)
        return MUSTER_OK;
    return error_set(error, MUSTER_ERR_INTERRUPTED, "interrupted");
}

/* ---- opening and closing ---- */

static void closing_go(struct muster_session *session);

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

void
handle_set_note(const struct handle *handle, uint64_t thread, uint64_t note)
{
    struct muster_session *session = handle->session;
    struct opened         *opened;

    pthread_mutex_lock(&session->lock);
    opened = map_get(&session->objects.opened, handle->object);
    if (opened != NULL && handle->generation == session->objects.generation) {
        opened->thread = thread;
        opened->note = note;
    }
    pthread_mutex_unlock(&session->lock);
}

uint64_t
handle_note(const struct handle *handle, uint64_t thread)
{
    struct muster_session *session = handle->session;
    const struct opened   *opened;
    uint64_t               note = 0;

    pthread_mutex_lock(&session->lock);
    opened = map_get(&session->objects.opened, handle->object);
    if (opened != NULL && handle->generation == session->objects.generation &&
        opened->thread == thread)
        note = opened->note;
    pthread_mutex_unlock(&session->lock);
    return note;
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
    session->objects.answers = 0;
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

/* ---- all objects ---- */

static void
info_of(const struct wire_object *object, struct muster_object_info *info)
{
    info->object = object->object;
    info->noun = (enum muster_noun)object->noun;
    text_put(info->name, sizeof(info->name), object->name);
    text_put(info->owner, sizeof(info->owner), object->owner);
    info->transient = object->transient != 0;
    info->sessions = object->sessions;
    info->waiting = object->waiting;
    info->items = object->items;
    info->bytes = object->bytes;
    text_put(info->text, sizeof(info->text), object->text);
}

struct info_list {
    struct muster_object_info *infos;
    uint32_t                   count, capacity;
};

/* What comes behind m->after, which is moved on. */
static muster_err
list_page(struct muster_session *session, union wire_any *m, uint32_t timeout_ms,
          struct info_list *list, bool *more_out, struct muster_error *error)
{
    struct ask    answer;
    struct reader in;
    muster_err    err = ask(session, MSG_TYPE_OBJECT_LIST_GET, m, MSG_TYPE_OBJECT_LIST, timeout_ms,
                            &answer, error);

    if (err)
        return err;
    in = reader_of(answer.m.object_list.objects.bytes);
    base_grow((void **)&list->infos, &list->capacity,
              list->count + answer.m.object_list.objects.count, sizeof(*list->infos));
    for (uint32_t i = 0; i < answer.m.object_list.objects.count; i++) {
        struct wire_object object;

        if (!wire_get_object(&in, &object))
            break;
        info_of(&object, &list->infos[list->count++]);
        m->object_list_get.after = object.object;
    }
    *more_out = answer.m.object_list.more != 0 && answer.m.object_list.objects.count > 0;
    ask_free(&answer);
    return MUSTER_OK;
}

muster_err
muster_object_list(struct muster_session *session, const enum muster_noun *noun, const char *name,
                   uint32_t timeout_ms, struct muster_object_info **infos_out, size_t *count_out,
                   struct muster_error *error)
{
    union wire_any   m = { 0 };
    struct info_list list = { 0 };
    bool             more = true;
    muster_err       err = MUSTER_OK;

    if (noun != NULL && (unsigned)*noun >= NOUN_COUNT)
        return error_set(error, MUSTER_ERR_INVALID, "%u is no noun", (unsigned)*noun);
    if (name != NULL && (name[0] == '\0' || strlen(name) > NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID, "a name has 1 to %u bytes", NAME_BYTES_MAX);
    m.object_list_get.of_noun = noun != NULL;
    m.object_list_get.noun = noun != NULL ? (uint8_t)*noun : 0;
    m.object_list_get.name = slice_text(name != NULL ? name : "");
    while (!err && more)
        err = list_page(session, &m, timeout_ms, &list, &more, error);
    if (err) {
        free(list.infos);
        return err;
    }
    *infos_out = list.infos;
    *count_out = list.count;
    return MUSTER_OK;
}

muster_err
muster_object_delete(struct muster_session *session, enum muster_noun noun, const char *name,
                     uint32_t timeout_ms, struct muster_error *error)
{
    struct muster_object_info *infos = NULL;
    union wire_any             m = { 0 };
    size_t                     count = 0;
    muster_err                 err;

    if (name == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "which object?  It needs a name");
    err = muster_object_list(session, NULL, name, timeout_ms, &infos, &count, error);
    if (err)
        return err;
    if (count == 0)
        err = error_set(error, MUSTER_ERR_NOT_FOUND, "nothing has the name %s", name);
    else if (infos[0].noun != noun)
        err = error_set(error, MUSTER_ERR_TYPE, "%s is a %s", name,
                        muster_noun_name(infos[0].noun));
    else
        m.object_delete.object = infos[0].object;
    free(infos);
    if (err)
        return err;
    err = ask_ack(session, MSG_TYPE_OBJECT_DELETE, &m, timeout_ms, NULL, error);
    /* It was there: an answer was lost and this is the repeat, or somebody was faster. */
    return err == MUSTER_ERR_NOT_FOUND ? MUSTER_OK : err;
}
