/* test_queue_async.c - calls of queues without waiting: what shares a message, who is told
 *
 * Method: the manager of fake_objects.h holds its answers back, calls are made, then it
 * comes back and answers; compared are the messages and the order of callbacks.
 */
#include "fake_objects.h"

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

/* A callback that waits for ever drives the session, and has done so for a while. */
static void
one_waits(void *context, const struct muster_error *error)
{
    struct place       *place = context;
    struct muster_error ended;

    assert_int_equal(error->code, MUSTER_OK);
    seen.silent = -1;
    assert_int_equal(muster_event_wait(place->event, MUSTER_FOREVER, &ended), MUSTER_ERR_CLOSED);
    muster_event_close(place->event);
    muster_queue_close(place->queue);
}

static void
test_close_ends_callback(void **state)
{
    struct place        place = place_open();
    struct muster_error error;

    (void)state;
    assert_int_equal(muster_queue_put_async(place.queue, "item", 4, NULL, 20000, one_waits, &place,
                                            &error), MUSTER_OK);
    WAIT_UNTIL(note_last(MSG_TYPE_OBJECT_DO).m.verb == VERB_EVENT_WAIT);
    poll(NULL, 0, 50);              /* the session's thread leaves it to him for good */
    muster_session_close(place.session);
    place.session = NULL;
    place_close(&place);
}

static void
count_done(void *context, const struct muster_error *error)
{
    _Atomic int *count = context;

    (void)error;
    atomic_fetch_add(count, 1);
}

/* What nobody answers does not fill the memory: it is told at once. */
static void
test_limit(void **state)
{
    enum { BYTES = 1024 * 1024, ITEMS = 128 };
    struct place        place = place_open();
    struct muster_error error;
    char               *data = calloc(1, BYTES);
    _Atomic int         count = 0;

    (void)state;
    seen.quiet = 1;
    seen.silent = -1;
    for (int i = 0; i < ITEMS; i++)
        assert_int_equal(muster_queue_put_async(place.queue, data, BYTES, NULL, 60000, count_done,
                                                &count, &error), MUSTER_OK);
    assert_int_equal(muster_queue_put_async(place.queue, "x", 1, NULL, 60000, count_done, &count,
                                            &error), MUSTER_ERR_FULL);
    assert_int_equal(muster_queue_ack_async(place.queue, 1, count_done, &count, &error), MUSTER_OK);
    place_leave(&place);
    assert_int_equal(atomic_load(&count), ITEMS + 1);
    free(data);
    place_close(&place);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_async),
        cmocka_unit_test(test_put_async_then_other),
        cmocka_unit_test(test_ack_async),
        cmocka_unit_test(test_reserve_async),
        cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_close_tells),
        cmocka_unit_test(test_close_ends_callback),
    };

    return cmocka_run_group_tests_name("client/queue_async", tests, NULL, NULL);
}
