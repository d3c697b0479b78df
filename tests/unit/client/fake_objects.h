/* fake_objects.h - a few lines behind the manager of fake.h that know shared objects
 *
 * They remember every OBJECT_ message and answer, or do not, as the test says.  For one
 * test program each: what was seen is global.
 */
#ifndef FAKE_OBJECTS_H
#define FAKE_OBJECTS_H

#include "fake.h"

enum { NOTES_MAX = 512 };

/* One message that came. */
struct note {
    uint16_t        type;
    uint64_t        request;
    struct msg_object_do m;            /* without key and value */
    uint32_t        items;             /* of a block; ids in a value */
    uint64_t        from, below;       /* SEEN; CANCEL, CLOSE: whom (below) */
    uint64_t        except[4];
    uint32_t        excepted;
};

static struct {
    pthread_mutex_t lock;
    struct note     notes[NOTES_MAX];
    uint32_t        count;
    _Atomic int     silent;            /* answer no OBJECT_DO, so many; < 0: none */
    _Atomic int     cut;               /* cut the connection at an OBJECT_DO */
    _Atomic int     cancel;            /* answer of CANCEL; -1: none */
    _Atomic int     done_first;        /* CANCEL: the answer to what it cancels comes first */
    _Atomic int     forget;            /* end the session at an OBJECT_DO */
    _Atomic int     give;              /* items in an answer of GET, RESERVE */
    _Atomic int     close_silent;
    _Atomic int     quiet;             /* remember nothing */
    uint64_t        next_id;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static inline void
note_add(const struct wire_message *message, const union wire_any *m)
{
    struct note    note = { .type = message->type, .request = message->request };
    struct reader  in;
    struct wire_id id;

    if (message->type == MSG_TYPE_OBJECT_DO) {
        note.m = m->object_do;
        note.items = m->object_do.verb == VERB_QUEUE_PUT
                         ? (uint32_t)m->object_do.a
                         : (uint32_t)(m->object_do.value.bytes / 8);
    } else if (message->type == MSG_TYPE_OBJECT_CANCEL) {
        note.below = m->object_cancel.request;
    } else if (message->type == MSG_TYPE_OBJECT_CLOSE) {
        note.below = m->object_close.object;
    } else if (message->type == MSG_TYPE_OBJECT_SEEN) {
        note.from = m->object_seen.from;
        note.below = m->object_seen.below;
        in = reader_of(m->object_seen.except.bytes);
        for (uint32_t i = 0; i < m->object_seen.except.count && i < 4; i++) {
            assert_true(wire_get_id(&in, &id));
            note.except[note.excepted++] = id.id;
        }
    }
    if (atomic_load(&seen.quiet))
        return;
    pthread_mutex_lock(&seen.lock);
    assert_true(seen.count < NOTES_MAX);
    seen.notes[seen.count++] = note;
    pthread_mutex_unlock(&seen.lock);
}

/* The last of a type; its request is 0: none. */
static inline struct note
note_last(uint16_t type)
{
    struct note note = { 0 };

    pthread_mutex_lock(&seen.lock);
    for (uint32_t i = 0; i < seen.count; i++) {
        if (seen.notes[i].type == type)
            note = seen.notes[i];
    }
    pthread_mutex_unlock(&seen.lock);
    return note;
}

/* Does it say that the answer to this request has arrived? */
static inline bool
note_tells(const struct note *note, uint64_t request)
{
    bool tells = note->type == MSG_TYPE_OBJECT_SEEN && note->from <= request &&
                 request < note->below;

    for (uint32_t i = 0; i < note->excepted; i++)
        tells = tells && note->except[i] != request;
    return tells;
}

static inline bool
note_told(uint64_t request)
{
    bool told = false;

    pthread_mutex_lock(&seen.lock);
    for (uint32_t i = 0; i < seen.count && !told; i++)
        told = note_tells(&seen.notes[i], request);
    pthread_mutex_unlock(&seen.lock);
    return told;
}

static inline uint32_t
note_count(uint16_t type)
{
    uint32_t count = 0;

    pthread_mutex_lock(&seen.lock);
    for (uint32_t i = 0; i < seen.count; i++)
        count += seen.notes[i].type == type;
    pthread_mutex_unlock(&seen.lock);
    return count;
}

static inline void
answer_items(struct fake *fake, const struct wire_message *message, const struct msg_object_do *m)
{
    union wire_any    answer = { 0 };
    struct wire_block block = { 0 };
    struct buffer     key = { 0 }, value = { 0 };
    int               give = atomic_load(&seen.give);

    if (give == 0 && m->wait_ms > 0)
        return;                        /* it waits */
    if (give == 0) {
        fake_error(fake, message->request, MUSTER_ERR_EMPTY, "empty");
        return;
    }
    for (uint64_t i = 0; i < m->a && i < (uint64_t)give; i++) {
        write_u64(&key, ++seen.next_id);
        write_u64(&key, 0);
        assert_true(wire_block_add(&block, slice_text("item")));
    }
    atomic_fetch_sub(&seen.give, (int)block.count);
    wire_block_put(&value, &block);
    answer.object_done = (struct msg_object_done){ .a = block.count, .key = buffer_slice(&key),
                                                   .value = buffer_slice(&value) };
    fake_send(fake, MSG_TYPE_OBJECT_DONE, message->request, &answer);
    wire_block_free(&block);
    buffer_free(&key);
    buffer_free(&value);
}

static inline void
answer_do(struct fake *fake, const struct wire_message *message, const struct msg_object_do *m)
{
    union wire_any answer = { 0 };

    if (fake_take(&seen.cut)) {
        link_server_cut(fake->server, fake->peer);
    } else if (fake_take(&seen.forget)) {
        fake->session = 0;
        fake_error(fake, message->request, MUSTER_ERR_SESSION, "forgotten");
    } else if (fake_take(&seen.silent)) {
        return;
    } else if (m->verb == VERB_QUEUE_GET || m->verb == VERB_QUEUE_RESERVE) {
        answer_items(fake, message, m);
    } else {
        answer.object_done.a = m->verb == VERB_QUEUE_ACK_ITEMS ? m->value.bytes / 8 : 1;
        answer.object_done.b = m->verb == VERB_CONDITION_WAIT && m->wait_ms == 0;
        /* The first of several was not theirs. */
        if (m->verb == VERB_QUEUE_ACK_ITEMS && m->value.bytes > 8)
            answer.object_done.key = slice_cut(m->value, 0, 8);
        fake_send(fake, MSG_TYPE_OBJECT_DONE, message->request, &answer);
    }
}

static inline void
answer_cancel(struct fake *fake, const struct wire_message *message, uint64_t request)
{
    union wire_any answer = { .object_done = { .a = 77 } };
    int            ack = atomic_load(&seen.cancel);

    if (atomic_load(&seen.done_first))
        fake_send(fake, MSG_TYPE_OBJECT_DONE, request, &answer);
    if (ack >= 0)
        fake_ack(fake, message->request, (uint64_t)ack);
}

static inline bool
answer(struct fake *fake, const struct wire_message *message, const union wire_any *m)
{
    union wire_any opened = { .object_opened = { .object = 42, .existed = 1 } };

    note_add(message, m);
    switch (message->type) {
    case MSG_TYPE_OBJECT_OPEN:
        opened.object_opened.noun = m->object_open.noun;
        opened.object_opened.a = m->object_open.a;
        fake_send(fake, MSG_TYPE_OBJECT_OPENED, message->request, &opened);
        return true;
    case MSG_TYPE_OBJECT_DO:
        answer_do(fake, message, &m->object_do);
        return true;
    case MSG_TYPE_OBJECT_CANCEL:
        answer_cancel(fake, message, m->object_cancel.request);
        return true;
    case MSG_TYPE_OBJECT_CLOSE:
        if (!atomic_load(&seen.close_silent))
            fake_ack(fake, message->request, 0);
        return true;
    case MSG_TYPE_OBJECT_SEEN:
        return true;
    default:
        return false;
    }
}

struct place {
    struct fake           *fake;
    struct muster_session *session;
    struct muster_event   *event;
    struct muster_queue   *queue;
};

static inline struct place
place_open(void)
{
    struct place        place = { .fake = fake_start(true) };
    struct muster_error error;

    seen.count = 0;
    seen.silent = seen.cut = seen.cancel = seen.done_first = seen.forget = seen.give = 0;
    seen.close_silent = seen.quiet = 0;
    seen.next_id = 0;
    atomic_store(&place.fake->also, answer);
    place.session = fake_connect(place.fake);
    assert_int_equal(muster_event_open(place.session, NULL, 5000, &place.event, &error), 0);
    assert_int_equal(muster_queue_open(place.session, NULL, 0, 5000, &place.queue, &error), 0);
    return place;
}

static inline void
place_leave(struct place *place)
{
    muster_event_close(place->event);
    muster_queue_close(place->queue);
    muster_session_close(place->session);
    place->session = NULL;
}

static inline void
place_close(struct place *place)
{
    if (place->session != NULL)
        place_leave(place);
    fake_stop(place->fake);
}

struct caller {
    pthread_t            thread;
    struct muster_event *event;
    struct muster_queue *queue;
    uint32_t             timeout_ms;
    _Atomic muster_err   err;
    _Atomic int          done;
};

static inline void *
call_wait(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;

    caller->err = muster_event_wait(caller->event, caller->timeout_ms, &error);
    caller->done = 1;
    return NULL;
}

static inline void *
call_put(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;

    caller->err = muster_queue_put(caller->queue, "x", 1, NULL, caller->timeout_ms, &error);
    caller->done = 1;
    return NULL;
}

static inline void
caller_start(struct caller *caller, const struct place *place, void *(*run)(void *),
             uint32_t timeout_ms)
{
    *caller = (struct caller){ .event = place->event, .queue = place->queue,
                               .timeout_ms = timeout_ms };
    assert_int_equal(pthread_create(&caller->thread, NULL, run, caller), 0);
}

#endif
