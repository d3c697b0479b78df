/* test_object.c - what travels for shared objects, and when
 *
 * Method: the manager of fake_objects.h, whose notes are compared with what was called.
 */
#include "fake_objects.h"

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
    uint64_t            waits;

    (void)state;
    /* By itself, when nothing follows. */
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    assert_true(note_told(note_last(MSG_TYPE_OBJECT_DO).request));
    /* What has not been answered is left out. */
    seen.silent = 1;
    caller_start(&caller, &place, call_wait, 60000);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_DO).m.verb == VERB_EVENT_WAIT);
    waits = note_last(MSG_TYPE_OBJECT_DO).request;
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    assert_true(note_told(note_last(MSG_TYPE_OBJECT_DO).request));
    assert_false(note_told(waits));
    /* In front of the next one on another connection, and before GOODBYE. */
    seen.count = 0;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(caller.done);
    pthread_join(caller.thread, NULL);
    assert_int_equal(seen.notes[0].type, MSG_TYPE_OBJECT_SEEN);
    assert_false(note_tells(&seen.notes[0], waits));
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
    assert_true(note_told(note_last(MSG_TYPE_OBJECT_DO).request));
    assert_false(note_told(get));
    /* On the next connection the CANCEL comes again, and the GET does not. */
    seen.count = 0;
    seen.cancel = 1;
    fake_halt(place.fake);
    fake_serve(place.fake, true);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_CANCEL).below == get);
    assert_int_equal(muster_event_set(place.event, 5000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), 1);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_SEEN).below > note_last(MSG_TYPE_OBJECT_DO).request);
    assert_true(note_told(get));
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

/* The first CANCEL undid it and its answer was lost; the second finds nothing any more. */
static void
test_interrupt_twice(void **state)
{
    struct place  place = place_open();
    struct caller caller;

    (void)state;
    seen.silent = 1;
    seen.cancel = -1;
    seen.done_first = 1;
    caller_start(&caller, &place, call_put, MUSTER_FOREVER);
    WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_DO) == 1);
    muster_session_interrupt(place.session);
    WAIT_UNTIL(note_count(MSG_TYPE_OBJECT_CANCEL) == 1);
    poll(NULL, 0, 50);          /* what was answered arrives */
    fake_halt(place.fake);
    seen.done_first = 0;
    seen.cancel = 0;
    fake_serve(place.fake, true);
    WAIT_UNTIL(caller.done);
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.err, MUSTER_ERR_INTERRUPTED);
    place_close(&place);
}

static struct muster_condition *condition;

static void *
call_condition(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;

    caller->err = muster_condition_wait(condition, caller->timeout_ms, NULL, &error);
    caller->done = 1;
    return NULL;
}

/* The lock is held again when it returns, so its own answer is what counts. */
static void
test_interrupt_condition(void **state)
{
    const bool         *sent = *state;
    struct place        place = place_open();
    struct muster_lock *lock;
    struct caller       caller;
    struct muster_error error;
    struct note         first, last;

    assert_int_equal(muster_lock_open(place.session, NULL, 5000, &lock, &error), 0);
    assert_int_equal(muster_condition_open(place.session, NULL, lock, 5000, &condition, &error), 0);
    seen.silent = *sent;
    if (!*sent) {
        fake_halt(place.fake);
        WAIT_UNTIL(muster_session_status(place.session, 1, &(struct muster_status){ 0 }, &error));
    }
    caller_start(&caller, &place, call_condition, MUSTER_FOREVER);
    WAIT_UNTIL(!*sent || note_count(MSG_TYPE_OBJECT_DO) == 1);
    first = note_last(MSG_TYPE_OBJECT_DO);
    while (!caller.done) {
        muster_session_interrupt(place.session);
        poll(NULL, 0, 5);
    }
    pthread_join(caller.thread, NULL);
    assert_int_equal(caller.err, MUSTER_ERR_INTERRUPTED);
    last = note_last(MSG_TYPE_OBJECT_DO);
    assert_int_equal(last.request, first.request);
    assert_int_equal(last.m.wait_ms, 0);
    if (!*sent)
        fake_serve(place.fake, true);
    assert_int_equal(muster_event_set(place.event, 20000, &error), MUSTER_OK);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_CANCEL), 0);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO), *sent ? 3 : 1);
    muster_condition_close(condition);
    muster_lock_close(lock);
    place_close(&place);
}

/* What arrived of an item that is not put must not stay. */
static void
test_drop_parts(void **state)
{
    enum { BYTES = 5 * VALUE_BYTES_MAX };
    struct place        place = place_open();
    struct muster_error error;
    char               *data = calloc(1, BYTES);
    struct note         note;
    uint64_t            number;

    (void)state;
    seen.cancel = 1;
    seen.silent = 5;
    assert_int_equal(muster_queue_put(place.queue, data, BYTES, NULL, 10, &error),
                     MUSTER_ERR_TIMEOUT);
    number = note_last(MSG_TYPE_OBJECT_DO).m.thread;
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_DO).m.b == 0);
    note = note_last(MSG_TYPE_OBJECT_DO);
    assert_int_equal(note.m.verb, VERB_QUEUE_PUT_PART);
    assert_int_equal(note.m.a, 0);
    assert_int_equal(note.m.thread, number);
    free(data);
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

/* ---- many threads ---- */

enum { CROWD = 6, CROWD_CALLS = 150 };

/* Each drives the session when nobody else does, and hands it over. */
static void *
call_many(void *context)
{
    struct caller      *caller = context;
    struct muster_error error;
    bool                set;

    for (int i = 0; i < CROWD_CALLS && !caller->err; i++) {
        if (i % 3 == 0)
            caller->err = muster_event_is_set(caller->event, 20000, &set, &error);
        else if (i % 3 == 1)
            caller->err = muster_event_set(caller->event, 20000, &error);
        else
            caller->err = muster_queue_put(caller->queue, "x", 1, NULL, 20000, &error);
        if (caller->err == MUSTER_ERR_INTERRUPTED)
            caller->err = MUSTER_OK;
        caller->done++;
    }
    return NULL;
}

static void
test_crowd(void **state)
{
    struct place  place = place_open();
    struct caller callers[CROWD];
    int           done = 0;

    (void)state;
    seen.quiet = 1;
    for (int i = 0; i < CROWD; i++)
        caller_start(&callers[i], &place, call_many, 0);
    while (done < CROWD * CROWD_CALLS) {
        muster_session_interrupt(place.session);
        poll(NULL, 0, 1);
        done = 0;
        for (int i = 0; i < CROWD; i++)
            done += callers[i].err ? CROWD_CALLS : callers[i].done;
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].err, MUSTER_OK);
    }
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
    assert_int_equal(muster_event_open(place.session, &open, 5000, &event, &error),
                     MUSTER_ERR_INVALID);
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    open = (struct muster_open){ .name = name };
    assert_int_equal(muster_event_open(place.session, &open, 5000, &event, &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(muster_queue_put(place.queue, "x", 1, &put, 5000, &error),
                     MUSTER_ERR_INVALID);
    put = (struct muster_put){ .delay_ms = UINT64_MAX };
    assert_int_equal(muster_queue_put(place.queue, "x", 1, &put, 5000, &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(muster_queue_put_many(place.queue, &in, 0, NULL, 5000, &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(muster_queue_put_many(place.queue, &in, 1, NULL, 5000, &error),
                     MUSTER_ERR_TOO_LARGE);
    assert_int_equal(muster_queue_put(place.queue, "", (size_t)1 << 31, NULL, 5000, &error),
                     MUSTER_ERR_TOO_LARGE);
    assert_int_equal(muster_queue_ack(place.queue, NULL, 0, 5000, NULL, &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(note_count(MSG_TYPE_OBJECT_DO) + note_count(MSG_TYPE_OBJECT_OPEN), 0);
    place_close(&place);
}

int
main(void)
{
    static bool             not_sent = false, sent = true;
    const struct CMUnitTest tests[] = {
        { "a condition's wait, interrupted: it is asked to end", test_interrupt_condition, NULL,
          NULL, &sent },
        { "a condition's wait, interrupted before it left: nothing was let go of",
          test_interrupt_condition, NULL, NULL, &not_sent },
        cmocka_unit_test(test_resend),
        cmocka_unit_test(test_resend_wait),
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_give_up_there),
        cmocka_unit_test(test_interrupt_twice),
        cmocka_unit_test(test_drop_parts),
        cmocka_unit_test(test_session_lost),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests_name("client/object", tests, NULL, NULL) +
           STORIES("client/object: away", away_cases, test_give_up_away) +
           STORIES("client/object: interrupted", interrupt_cases, test_interrupt);
}
