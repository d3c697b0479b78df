/* test_object.c - what travels for shared objects, and when
 *
 * Method: the manager of fake.h with a few lines behind it that remember every OBJECT_
 * message and answer, or do not, as the test says.
 */
#include "fake.h"

enum { NOTES_MAX = 512 };

/* One message that came. */
struct note {
    uint16_t        type;
    uint64_t        request;
    struct msg_object_do m;            /* without key and value */
    uint32_t        items;             /* of a block; ids in a value */
    uint64_t        below;             /* SEEN; CANCEL, CLOSE: whom */
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
    uint64_t        next_id;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
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
        note.below = m->object_seen.below;
        in = reader_of(m->object_seen.except.bytes);
        for (uint32_t i = 0; i < m->object_seen.except.count && i < 4; i++) {
            assert_true(wire_get_id(&in, &id));
            note.except[note.excepted++] = id.id;
        }
    }
    pthread_mutex_lock(&seen.lock);
    assert_true(seen.count < NOTES_MAX);
    seen.notes[seen.count++] = note;
    pthread_mutex_unlock(&seen.lock);
}

/* The last of a type; its request is 0: none. */
static struct note
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

static uint32_t
note_count(uint16_t type)
{
    uint32_t count = 0;

    pthread_mutex_lock(&seen.lock);
    for (uint32_t i = 0; i < seen.count; i++)
        count += seen.notes[i].type == type;
    pthread_mutex_unlock(&seen.lock);
    return count;
}

static void
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

static void
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
        /* The first of several was not theirs. */
        if (m->verb == VERB_QUEUE_ACK_ITEMS && m->value.bytes > 8)
            answer.object_done.key = slice_cut(m->value, 0, 8);
        fake_send(fake, MSG_TYPE_OBJECT_DONE, message->request, &answer);
    }
}

static void
answer_cancel(struct fake *fake, const struct wire_message *message, uint64_t request)
{
    union wire_any answer = { .object_done = { .a = 77 } };
    int            ack = atomic_load(&seen.cancel);

    if (atomic_load(&seen.done_first))
        fake_send(fake, MSG_TYPE_OBJECT_DONE, request, &answer);
    if (ack >= 0)
        fake_ack(fake, message->request, (uint64_t)ack);
}

static bool
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

static struct place
place_open(void)
{
    struct place        place = { .fake = fake_start(true) };
    struct muster_error error;

    seen.count = 0;
    seen.silent = seen.cut = seen.cancel = seen.done_first = seen.forget = seen.give = 0;
    seen.close_silent = 0;
    seen.next_id = 0;
    atomic_store(&place.fake->also, answer);
    place.session = fake_connect(place.fake);
    assert_int_equal(muster_event_open(place.session, NULL, 5000, &place.event, &error), 0);
    assert_int_equal(muster_queue_open(place.session, NULL, 0, 5000, &place.queue, &error), 0);
    return place;
}

static void
place_leave(struct place *place)
{
    muster_event_close(place->event);
    muster_queue_close(place->queue);
    muster_session_close(place->session);
    place->session = NULL;
}

static void
place_close(struct place *place)
{
    if (place->session != NULL)
        place_leave(place);
    fake_stop(place->fake);
}

/* ---- numbers, SEEN ---- */

static void
test_resend(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct note         last;

    (void)state;
    seen.cut = 2;
    assert_int_equal(muster_event_set(place.event, 20000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 3);
    last = note_last(MSG_TYPE_OBJECT_DO);
    for (uint32_t i = 0; i < seen.count; i++) {
        if (seen.notes[i].type == MSG_TYPE_OBJECT_DO)
            assert_int_equal(seen.notes[i].request, last.request);
    }
    place_close(&place);
}

struct caller {
    pthread_t            thread;
    struct muster_event *event;
    struct muster_queue *queue;
    uint32_t             timeout_ms;
    muster_err           err;
    _Atomic int          done;
};

static void *
call_wait(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;

    caller->err = muster_event_wait(caller->event, caller->timeout_ms, &error);
    caller->done = 1;
    return NULL;
}

static void *
call_put(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;

    caller->err = muster_queue_put(caller->queue, "x", 1, NULL, caller->timeout_ms, &error);
    caller->done = 1;
    return NULL;
}

static void
caller_start(struct caller *caller, const struct place *place, void *(*run)(void *),
             uint32_t timeout_ms)
{
    *caller = (struct caller){ .event = place->event, .queue = place->queue,
                               .timeout_ms = timeout_ms };
    assert_int_equal(pthread_create(&caller->thread, NULL, run, caller), 0);
}

/* A wait that is repeated waits for what is left of it. */
static void
test_resend_wait(void **state)
{
    struct place  place = place_open();
    struct caller caller;
    uint32_t      before_ms;

    (void)state;
    seen.silent = 1;
    caller_start(&caller, &place, call_wait, 60000);
    WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == 1);
    before_ms = note_last(MSG_TYPE_OBJECT_DO).m.wait_ms;
    assert_int_equal(before_ms, 60000);
    poll(NULL, 0, 20);
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(caller.done);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.err, MUSTER_OK);
    assert_in_range(note_last(MSG_TYPE_OBJECT_DO).m.wait_ms, 40000, before_ms - 20);
    place_close(&place);
}

static void
test_seen(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct caller       caller;
    struct note         note;
    uint64_t            waits;

    (void)state;
    /* By itself, when nothing follows. */
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    assert_int_equal(note_last(MSG_TYPE_OBJECT_SEEN).excepted, 0);
    /* What has not been answered is left out. */
    seen.silent = 1;
    caller_start(&caller, &place, call_wait, 60000);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_DO).m.verb == VERB_EVENT_WAIT);
    waits = note_last(MSG_TYPE_OBJECT_DO).request;
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    note = note_last(MSG_TYPE_OBJECT_SEEN);
    assert_int_equal(note.excepted, 1);
    assert_int_equal(note.except[0], waits);
    /* In front of the next one on another connection, and before GOODBYE. */
    seen.count = 0;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(caller.done);
    pthread_join(caller.thread, NULL);
    assert_int_equal(seen.notes[0].type, MSG_TYPE_OBJECT_SEEN);
    assert_int_equal(seen.notes[0].except[0], waits);
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    place_leave(&place);
    assert_true(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    place_close(&place);
}

/* ---- giving up ---- */

static void
test_give_up_there(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct muster_item  item;
    struct note         note;
    uint64_t            get, began_ms = clock_now_ms();

    (void)state;
    seen.silent = 1;
    seen.cancel = -1;
    assert_int_equal(muster_queue_get(place.queue, 10, &item, &error), MUSTER_ERR_EMPTY);
    assert_in_range(clock_now_ms() - began_ms, 2000, 4000);
    get = note_last(MSG_TYPE_OBJECT_DO).request;
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_CANCEL).below == get);
    /* Until that is answered the answer counts as not seen. */
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    note = note_last(MSG_TYPE_OBJECT_SEEN);
    assert_int_equal(note.excepted, 1);
    assert_int_equal(note.except[0], get);
    /* On the next connection the CANCEL comes again, and the GET does not. */
    seen.count = 0;
    seen.cancel = 1;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_CANCEL).below == get);
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 1);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    assert_int_equal(note_last(MSG_TYPE_OBJECT_SEEN).excepted, 0);
    place_close(&place);
}

static const struct away_case {
    const char *story;
    bool        put, sent;
    muster_err  err;
} away_cases[] = {
    { "away, a get that was sent: empty", false, true, MUSTER_ERR_EMPTY },
    { "away, a get that was not sent: empty", false, false, MUSTER_ERR_EMPTY },
    { "away, a put that was sent: nobody knows", true, true, MUSTER_ERR_TIMEOUT },
    { "away, a put that was not sent: full", true, false, MUSTER_ERR_FULL },
};

static void *
call_get(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;
    struct muster_item  item;

    caller->err = muster_queue_get(caller->queue, caller->timeout_ms, &item, &error);
    caller->done = 1;
    return NULL;
}

static void
test_give_up_away(void **state)
{
    const struct away_case *row = *state;
    struct place            place = place_open();
    struct muster_error     error;
    struct caller           caller;
    uint64_t                began_ms;

    seen.silent = -1;
    seen.cancel = 1;
    if (!row->sent) {
        fake_halt(place.fake);
        WAIT_UNTIL(muster_session_status(place.session, 1, &(struct muster_status){ 0 }, &error));
    }
    caller_start(&caller, &place, row->put ? call_put : call_get, 300);
    began_ms = clock_now_ms();
    if (row->sent) {
        WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == 1);
        fake_halt(place.fake);
    }
    WAIT_UNTIL(caller.done);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.err, row->err);
    assert_in_range(clock_now_ms() - began_ms, 290, 1900);
    seen.silent = 0;
    seen.count = 0;
    fake_serve(place.fake, true);
    assert_int_equal(muster_event_set(place.event, 20000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_CANCEL), row->sent);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 1);
    place_close(&place);
}

static const struct interrupt_case {
    const char *story;
    bool        put, done_first;
    int         cancel;
    muster_err  err;
} interrupt_cases[] = {
    { "interrupted, undone", false, false, 1, MUSTER_ERR_INTERRUPTED },
    { "interrupted, done and undone", false, true, 1, MUSTER_ERR_INTERRUPTED },
    { "interrupted, but it was done and stays", true, true, 0, MUSTER_OK },
    { "interrupted, nothing known of it", true, false, 0, MUSTER_ERR_INTERRUPTED },
};

static void
test_interrupt(void **state)
{
    const struct interrupt_case *row = *state;
    struct place                 place = place_open();
    struct caller                caller;

    seen.silent = 1;
    seen.cancel = row->cancel;
    seen.done_first = row->done_first;
    caller_start(&caller, &place, row->put ? call_put : call_wait, MUSTER_FOREVER);
    WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == 1);
    muster_session_interrupt(place.session);
    WAIT_UNTIL(caller.done);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.err, row->err);
    assert_int_equal(note_last(MSG_TYPE_OBJECT_CANCEL).below,
                     note_last(MSG_TYPE_OBJECT_DO).request);
    place_close(&place);
}

/* ---- the manager's session ---- */

static void
test_session_lost(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct muster_event *again;
    struct muster_status status;
    bool                 set;

    (void)state;
    seen.forget = 1;
    assert_int_equal(muster_event_set(place.event, 20000, &error), MUSTER_ERR_SESSION);
    assert_int_equal(muster_session_status(place.session, 20000, &status, &error), MUSTER_OK);
    muster_status_free(&status);
    /* Nothing is asked with a handle of the old one. */
    seen.count = 0;
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_ERR_SESSION);
    assert_int_equal(muster_event_is_set(place.event, 5000, &set, &error), MUSTER_ERR_SESSION);
    assert_int_equal(muster_queue_put_async(place.queue, "x", 1, NULL, 5000, NULL, NULL, &error),
                     MUSTER_ERR_SESSION);
    assert_int_equal(muster_event_open(place.session, NULL, 5000, &again, &error), MUSTER_OK);
    assert_int_equal(muster_event_set(again, 5000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 1);
    /* The old handle is no handle of what was opened since. */
    muster_event_close(place.event);
    assert_int_equal(muster_event_set(again, 5000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_CLOSE), 0);
    place.event = again;
    place_close(&place);
}

/* Both handles are object 42. */
static void
test_close(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct muster_event *again;
    struct caller        caller;

    (void)state;
    seen.close_silent = 1;
    muster_event_close(place.event);
    assert_int_equal(muster_queue_put(place.queue, "x", 1, NULL, 5000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_CLOSE), 0);
    muster_queue_close(place.queue);
    WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_CLOSE) == 1);
    /* An OPEN waits until the CLOSE is answered: a repeat of both would end closed. */
    seen.count = 0;
    assert_int_equal(muster_event_open(place.session, NULL, 50, &again, &error),
                     MUSTER_ERR_TIMEOUT);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_OPEN), 0);
    seen.close_silent = 0;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    assert_int_equal(muster_event_open(place.session, NULL, 20000, &place.event, &error), 0);
    assert_int_equal(muster_queue_open(place.session, NULL, 0, 5000, &place.queue, &error), 0);
    caller_start(&caller, &place, call_wait, 5000);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.err, MUSTER_OK);
    place_close(&place);
}

/* ---- without waiting ---- */

enum { MANY = 300 };

struct told {
    int         order[MANY * 2];
    _Atomic int count;
    muster_err  errs[MANY];
    pthread_t   thread;
};

struct one {
    struct told *told;
    int          number;
};

static void
one_done(void *context, const struct muster_error *error)
{
    struct one  *one = context;
    struct told *told = one->told;

    told->errs[one->number] = error->code;
    told->thread = pthread_self();
    told->order[told->count] = one->number;
    told->count++;
}

static void
one_got(void *context, const struct muster_error *error, const struct muster_item *item)
{
    if (error->code == MUSTER_OK)
        assert_int_equal(item->bytes, 4);
    one_done(context, error);
}

/* `apart`: so many of them go each by itself. */
static void
put_many(const struct place *place, struct told *told, struct one *ones, uint32_t apart)
{
    struct muster_error error;

    for (uint32_t i = 0; i < MANY; i++) {
        ones[i] = (struct one){ told, (int)i };
        assert_int_equal(muster_queue_put_async(place->queue, "item", 4, NULL, 20000, one_done,
                                                &ones[i], &error), MUSTER_OK);
        if (i < apart)
            WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == i + 1);
    }
}

static void
told_in_order(const struct told *told)
{
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(told->order[i], i);
        assert_int_equal(told->errs[i], MUSTER_OK);
    }
}

/* Two are under way and not answered: all that follow share the third. */
static void
test_put_async(void **state)
{
    struct place place = place_open();
    struct told  told = { 0 };
    struct one   ones[MANY];
    uint32_t     items = 0;

    (void)state;
    seen.silent = -1;
    put_many(&place, &told, ones, 2);
    poll(NULL, 0, 20);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 2);
    assert_int_equal(told.count, 0);
    seen.silent = 0;
    seen.count = 0;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(told.count == MANY);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 3);
    for (uint32_t i = 0; i < seen.count; i++)
        items += seen.notes[i].type == MSG_TYPE_OBJECT_DO ? seen.notes[i].items : 0;
    assert_int_equal(items, MANY);
    told_in_order(&told);
    assert_false(pthread_equal(told.thread, pthread_self()));
    place_close(&place);
}

/* What another call waits behind leaves at once. */
static void
test_put_async_then_other(void **state)
{
    struct place  place = place_open();
    struct told   told = { 0 };
    struct one    ones[MANY];
    struct caller caller;
    uint32_t      items = 0;

    (void)state;
    seen.silent = -1;
    put_many(&place, &told, ones, 2);
    caller_start(&caller, &place, call_wait, MUSTER_FOREVER);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_DO).m.verb == VERB_EVENT_WAIT);
    for (uint32_t i = 0; i < seen.count; i++)
        items += seen.notes[i].type == MSG_TYPE_OBJECT_DO &&
                         seen.notes[i].m.verb == VERB_QUEUE_PUT
                     ? seen.notes[i].items : 0;
    assert_int_equal(items, MANY);
    seen.silent = 0;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(told.count == MANY && caller.done);
    pthread_join(caller.thread, NULL);
    told_in_order(&told);
    place_close(&place);
}

/* Each hears what became of its own item. */
static void
test_ack_async(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct told         told = { 0 };
    struct one          ones[10];

    (void)state;
    seen.silent = 2;
    for (int i = 0; i < 10; i++) {
        ones[i] = (struct one){ &told, i };
        assert_int_equal(muster_queue_ack_async(place.queue, (uint64_t)i + 100, one_done, &ones[i],
                                                &error), MUSTER_OK);
        if (i < 2)
            WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == (uint32_t)i + 1);
    }
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(told.count == 10);
    assert_int_equal(note_last(MSG_TYPE_OBJECT_DO).items, 8);
    for (int i = 0; i < 10; i++)
        assert_int_equal(told.errs[i], i == 2 ? MUSTER_ERR_STALE : MUSTER_OK);
    place_close(&place);
}

/* Five wait, four items come in two answers, one goes on and is told in the end. */
static void
test_reserve_async(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct told         told = { 0 };
    struct one          ones[5];

    (void)state;
    seen.silent = 2;
    for (int i = 0; i < 5; i++) {
        ones[i] = (struct one){ &told, i };
        assert_int_equal(muster_queue_reserve_async(place.queue, 1000, 700, one_got, &ones[i],
                                                    &error), MUSTER_OK);
        if (i < 2)
            WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == (uint32_t)i + 1);
    }
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 2);
    seen.give = 4;
    seen.count = 0;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(told.count == 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(told.order[i], i);
        assert_int_equal(told.errs[i], i == 4 ? MUSTER_ERR_EMPTY : MUSTER_OK);
    }
    assert_true(note_count(MSG_TYPE_OBJECT_DO) >= 3);
    place_close(&place);
}

/* ---- where callbacks run ---- */

static void
test_dispatch(void **state)
{
    struct place  place = place_open();
    struct told   told = { 0 };
    struct one    ones[MANY];
    struct pollfd fd = { .events = POLLIN };

    (void)state;
    fd.fd = muster_session_fd(place.session);
    assert_int_equal(poll(&fd, 1, 0), 0);
    put_many(&place, &told, ones, 0);
    assert_int_equal(poll(&fd, 1, 10000), 1);
    assert_int_equal(told.count, 0);
    WAIT_UNTIL((muster_session_dispatch(place.session), told.count == MANY));
    assert_int_equal(poll(&fd, 1, 0), 0);
    assert_true(pthread_equal(told.thread, pthread_self()));
    told_in_order(&told);
    place_close(&place);
}

/* Whatever was not answered is told when the session is closed. */
static void
test_close_tells(void **state)
{
    struct place        place = place_open();
    struct muster_error error;
    struct told         told = { 0 };
    struct one          ones[MANY], got = { &told, 0 };

    (void)state;
    seen.silent = -1;
    put_many(&place, &told, ones, 0);
    assert_int_equal(muster_queue_get_async(place.queue, MUSTER_FOREVER, one_got, &got, &error), 0);
    place_leave(&place);
    assert_int_equal(told.count, MANY + 1);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(told.errs[i], MUSTER_ERR_CLOSED);
    place_close(&place);
}

/* ---- what never leaves ---- */

static void
test_refused(void **state)
{
    struct place          place = place_open();
    struct muster_error   error;
    struct muster_event  *event;
    struct muster_open    open = { .mode = (enum muster_open_mode)9 };
    struct muster_put     put = { .priority = 1001 };
    struct muster_item_in in = { "", 70000 };
    char                  name[80];

    (void)state;
    seen.count = 0;
    assert_int_equal(muster_event_open(place.session, &open, 5000, &event, &error), MUSTER_ERR_INVALID);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    open = (struct muster_open){ .name = name };
    assert_int_equal(muster_event_open(place.session, &open, 5000, &event, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_queue_put(place.queue, "x", 1, &put, 5000, &error), MUSTER_ERR_INVALID);
    put = (struct muster_put){ .delay_ms = UINT64_MAX };
    assert_int_equal(muster_queue_put(place.queue, "x", 1, &put, 5000, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_queue_put_many(place.queue, &in, 0, NULL, 5000, &error), MUSTER_ERR_INVALID);
    assert_int_equal(muster_queue_put_many(place.queue, &in, 1, NULL, 5000, &error),
                     MUSTER_ERR_TOO_LARGE);
    assert_int_equal(muster_queue_put(place.queue, "", (size_t)1 << 31, NULL, 5000, &error),
                     MUSTER_ERR_TOO_LARGE);
    assert_int_equal(muster_queue_ack(place.queue, NULL, 0, 5000, NULL, &error), MUSTER_ERR_INVALID);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO) + note_count(MSG_TYPE_OBJECT_OPEN), 0);
    place_close(&place);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resend),
        cmocka_unit_test(test_resend_wait),
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_give_up_there),
        cmocka_unit_test(test_session_lost),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_put_async),
        cmocka_unit_test(test_put_async_then_other),
        cmocka_unit_test(test_ack_async),
        cmocka_unit_test(test_reserve_async),
        cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_close_tells),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("client/object", tests, NULL, NULL) +
           STORIES("client/object: away", away_cases, test_give_up_away) +
           STORIES("client/object: interrupted", interrupt_cases, test_interrupt);
}
