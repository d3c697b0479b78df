/* mirror_queue.c - queues between programs, with what Python's cannot: reserve, priority, time */
#include <signal.h>

#include "mirror.h"

static struct muster_queue *
queue_open(const char *name, uint64_t maxsize)
{
    const struct muster_open open = { .name = name };
    struct muster_queue     *queue = NULL;

    OK(muster_queue_open(session, &open, maxsize, CALL_MS, &queue, &error));
    return queue;
}

static void
put(struct muster_queue *queue, const char *text)
{
    OK(muster_queue_put(queue, text, strlen(text), NULL, CALL_MS, &error));
}

static void
put_with(struct muster_queue *queue, const char *text, const struct muster_put *options)
{
    OK(muster_queue_put(queue, text, strlen(text), options, CALL_MS, &error));
}

static void
got(struct muster_queue *queue, const char *text)
{
    struct muster_item item;

    OK(muster_queue_get(queue, CALL_MS, &item, &error));
    assert_string_equal(item.data, text);
    muster_item_free(&item);
}

static struct muster_queue_size
size_of(struct muster_queue *queue)
{
    struct muster_queue_size size;

    OK(muster_queue_size(queue, CALL_MS, &size, &error));
    return size;
}

/* ---- put and get ---- */

static void
fifo(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);

    put(queue, "a");
    put(queue, "b");
    got(queue, "a");
    put(queue, "c");
    got(queue, "b");
    got(queue, "c");
    muster_queue_close(queue);
}

static void
empty(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   item;

    GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, MUSTER_NO_WAIT, &item, &error));
    GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, SOON_MS, &item, &error));
    muster_queue_close(queue);
}

static void
get_one(void)
{
    struct muster_queue *queue = queue_open("bounded", 0);

    got(queue, "a");
    muster_queue_close(queue);
}

static void
full(void)
{
    struct muster_queue *queue = queue_open("bounded", 2);
    pid_t                pid;

    put(queue, "a");
    put(queue, "b");
    GIVES(MUSTER_ERR_FULL, muster_queue_put(queue, "c", 1, NULL, MUSTER_NO_WAIT, &error));
    GIVES(MUSTER_ERR_FULL, muster_queue_put(queue, "c", 1, NULL, SOON_MS, &error));
    pid = mirror_program(get_one);
    put(queue, "c");                         /* waits until there is room */
    mirror_ended(pid);
    got(queue, "b");
    got(queue, "c");
    muster_queue_close(queue);
    OK(muster_object_delete(session, MUSTER_QUEUE, "bounded", CALL_MS, &error));
}

static void
simple_queue(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   item;

    assert_int_equal(size_of(queue).items, 0);
    OK(muster_queue_put(queue, "a", 1, NULL, MUSTER_FOREVER, &error));
    assert_int_equal(size_of(queue).items, 1);
    OK(muster_queue_get(queue, MUSTER_FOREVER, &item, &error));
    assert_string_equal(item.data, "a");
    muster_item_free(&item);
    assert_int_equal(size_of(queue).items, 0);
    muster_queue_close(queue);
}

static void
sizes(void)
{
    struct muster_queue *queue = queue_open(NULL, 3);

    assert_int_equal(size_of(queue).items, 0);
    assert_int_equal(size_of(queue).maxsize, 3);
    put(queue, "a");
    put(queue, "b");
    assert_int_equal(size_of(queue).items, 2);
    got(queue, "a");
    assert_int_equal(size_of(queue).items, 1);
    assert_false(size_of(queue).closed);
    muster_queue_close(queue);
}

static void
priorities(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);

    put(queue, "plain 1");
    put_with(queue, "low", &(struct muster_put){ .priority = -5 });
    put_with(queue, "high 1", &(struct muster_put){ .priority = 7 });
    put(queue, "plain 2");
    put_with(queue, "high 2", &(struct muster_put){ .priority = 7 });
    got(queue, "high 1");
    got(queue, "high 2");
    got(queue, "plain 1");
    got(queue, "plain 2");
    got(queue, "low");
    muster_queue_close(queue);
}

static void
delay_and_life(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   item;

    put_with(queue, "later", &(struct muster_put){ .delay_ms = 300 });
    put_with(queue, "short-lived", &(struct muster_put){ .time_to_live_ms = 1 });
    put(queue, "now");
    while (size_of(queue).items > 2)         /* until the short life is over */
        continue;
    got(queue, "now");
    GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, MUSTER_NO_WAIT, &item, &error));
    got(queue, "later");
    muster_queue_close(queue);
}

/* ---- the end of a queue ---- */

static void
shut_down(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   item;

    put(queue, "left");
    OK(muster_queue_shutdown(queue, false, CALL_MS, &error));
    GIVES(MUSTER_ERR_CLOSED, muster_queue_put(queue, "x", 1, NULL, CALL_MS, &error));
    got(queue, "left");
    GIVES(MUSTER_ERR_CLOSED, muster_queue_get(queue, CALL_MS, &item, &error));
    muster_queue_close(queue);
}

static void
shut_down_at_once(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   item;

    put(queue, "dropped");
    OK(muster_queue_shutdown(queue, true, CALL_MS, &error));
    GIVES(MUSTER_ERR_CLOSED, muster_queue_get(queue, CALL_MS, &item, &error));
    assert_int_equal(size_of(queue).items, 0);
    OK(muster_queue_join(queue, CALL_MS, &error));
    muster_queue_close(queue);
}

static void
put_in_vain(void)
{
    struct muster_queue *queue = queue_open("ending", 0);

    GIVES(MUSTER_ERR_CLOSED, muster_queue_put(queue, "x", 1, NULL, MUSTER_FOREVER, &error));
    muster_queue_close(queue);
}

static void
get_in_vain(void)
{
    struct muster_queue *queue = queue_open("ending", 0);
    struct muster_item   item;

    GIVES(MUSTER_ERR_CLOSED, muster_queue_get(queue, MUSTER_FOREVER, &item, &error));
    muster_queue_close(queue);
}

/* Who waits hears of it at once, whichever way it is shut down. */
static void
shut_down_wakes(void)
{
    struct muster_queue *queue;
    struct muster_item   item;
    pid_t                pid;

    for (int immediate = 0; immediate < 2; immediate++) {
        queue = queue_open("ending", 1);
        put(queue, "in the way");
        pid = mirror_program(put_in_vain);
        while (mirror_waiting("ending") != 1)
            continue;
        OK(muster_queue_shutdown(queue, immediate, CALL_MS, &error));
        mirror_ended(pid);
        muster_queue_close(queue);
        OK(muster_object_delete(session, MUSTER_QUEUE, "ending", CALL_MS, &error));
    }
    for (int immediate = 0; immediate < 2; immediate++) {
        queue = queue_open("ending", 0);
        pid = mirror_program(get_in_vain);
        while (mirror_waiting("ending") != 1)
            continue;
        OK(muster_queue_shutdown(queue, immediate, CALL_MS, &error));
        mirror_ended(pid);
        GIVES(MUSTER_ERR_CLOSED, muster_queue_get(queue, MUSTER_NO_WAIT, &item, &error));
        muster_queue_close(queue);
        OK(muster_object_delete(session, MUSTER_QUEUE, "ending", CALL_MS, &error));
    }
}

/* Deleted while someone waits: its programs are told as after a close. */
static void
deleted(void)
{
    struct muster_queue *queue = queue_open("ending", 0);
    pid_t                pid = mirror_program(get_in_vain);

    while (mirror_waiting("ending") != 1)
        continue;
    OK(muster_object_delete(session, MUSTER_QUEUE, "ending", CALL_MS, &error));
    mirror_ended(pid);
    GIVES(MUSTER_ERR_NOT_FOUND, muster_queue_put(queue, "x", 1, NULL, CALL_MS, &error));
    muster_queue_close(queue);
}

/* ---- deaths ---- */

static void
wait_for_ever(void)
{
    struct muster_queue *queue = queue_open("deadly", 0);
    struct muster_item   item;

    OK(muster_queue_get(queue, MUSTER_FOREVER, &item, &error));
    fail();
}

static void
getter_dies(void)
{
    struct muster_queue *queue = queue_open("deadly", 0);
    pid_t                pid = mirror_program(wait_for_ever);

    while (mirror_waiting("deadly") == 0)
        continue;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    put(queue, "not swallowed");
    got(queue, "not swallowed");             /* at the latest when its session has ended */
    muster_queue_close(queue);
    OK(muster_object_delete(session, MUSTER_QUEUE, "deadly", CALL_MS, &error));
}

static void
reserve_and_stay(void)
{
    struct muster_queue *queue = queue_open("lent", 0);
    struct muster_item   item;

    OK(muster_queue_reserve(queue, 3600 * 1000, CALL_MS, &item, &error));
    for (;;)
        pause();
}

static void
consumer_dies(void)
{
    struct muster_queue *queue = queue_open("lent", 0);
    struct muster_item   item;
    pid_t                pid;

    put(queue, "comes back");
    pid = mirror_program(reserve_and_stay);
    while (size_of(queue).given == 0)
        continue;
    GIVES(MUSTER_ERR_EMPTY, muster_queue_get(queue, MUSTER_NO_WAIT, &item, &error));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    OK(muster_queue_get(queue, CALL_MS, &item, &error));
    assert_string_equal(item.data, "comes back");
    assert_int_equal(item.times, 1);
    muster_item_free(&item);
    muster_queue_close(queue);
    OK(muster_object_delete(session, MUSTER_QUEUE, "lent", CALL_MS, &error));
}

/* ---- reserve ---- */

static void
reserve(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   item;
    uint64_t             id;

    put(queue, "a");
    OK(muster_queue_reserve(queue, 0, CALL_MS, &item, &error));
    id = item.id;
    muster_item_free(&item);
    assert_int_equal(size_of(queue).items, 0);
    assert_int_equal(size_of(queue).given, 1);
    OK(muster_queue_give_back(queue, &id, 1, 0, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_STALE, muster_queue_ack(queue, &id, 1, CALL_MS, NULL, &error));
    OK(muster_queue_reserve(queue, 0, CALL_MS, &item, &error));
    assert_int_equal(item.id, id);
    assert_int_equal(item.times, 1);
    muster_item_free(&item);
    OK(muster_queue_extend(queue, &id, 1, 60000, CALL_MS, NULL, &error));
    OK(muster_queue_ack(queue, &id, 1, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_STALE, muster_queue_extend(queue, &id, 1, 60000, CALL_MS, NULL, &error));
    assert_int_equal(size_of(queue).given, 0);
    assert_int_equal(size_of(queue).unfinished, 0);
    muster_queue_close(queue);
}

static void
reserve_term(void)
{
    struct muster_queue *queue = queue_open(NULL, 0);
    struct muster_item   first, again;

    put(queue, "a");
    OK(muster_queue_reserve(queue, 200, CALL_MS, &first, &error));
    OK(muster_queue_reserve(queue, 60000, CALL_MS, &again, &error));
    assert_int_equal(first.id, again.id);
    assert_int_equal(again.times, 1);
    muster_item_free(&first);
    muster_item_free(&again);
    muster_queue_close(queue);
}

/* ---- join ---- */

static void
finish_both(void)
{
    struct muster_queue *queue = queue_open("joined", 0);

    got(queue, "a");
    got(queue, "b");
    OK(muster_queue_task_done(queue, 2, CALL_MS, &error));
    muster_queue_close(queue);
}

static void
joinable(void)
{
    struct muster_queue *queue = queue_open("joined", 0);
    pid_t                pid;

    OK(muster_queue_join(queue, CALL_MS, &error));
    put(queue, "a");
    put(queue, "b");
    GIVES(MUSTER_ERR_TIMEOUT, muster_queue_join(queue, SOON_MS, &error));
    pid = mirror_program(finish_both);
    OK(muster_queue_join(queue, CALL_MS, &error));
    mirror_ended(pid);
    GIVES(MUSTER_ERR_STATE, muster_queue_task_done(queue, 1, CALL_MS, &error));
    muster_queue_close(queue);
    OK(muster_object_delete(session, MUSTER_QUEUE, "joined", CALL_MS, &error));
}

static const struct statement statements[] = {
    { "Queue: put, get; FIFO", fifo },
    { "Queue: EMPTY after the time-out; get_nowait", empty },
    { "Queue(maxsize): FULL after the time-out; put_nowait; maxsize blocks the putter", full },
    { "Queue: qsize, empty, full", sizes },
    { "Queue: items may carry priority; FIFO among equal priorities", priorities },
    { "Queue: items may carry delay and time to live", delay_and_life },
    { "Queue: a getter that dies while it waits never swallows an item", getter_dies },
    { "Queue: a get may be reserved: lease, then ack or give back, extend", reserve },
    { "Queue: a consumer's death returns the item that it reserved", consumer_dies },
    { "Queue: a reserved item returns when its lease is over", reserve_term },
    { "Queue: after close, CLOSED; Queue.shutdown: putters fail at once, getters drain",
      shut_down },
    { "Queue.shutdown(immediate): getters fail at once", shut_down_at_once },
    { "Queue.shutdown: putters and getters that wait fail at once", shut_down_wakes },
    { "Queue: who waits for a deleted one gets CLOSED", deleted },
    { "JoinableQueue: join(timeout) waits for zero unfinished; one task_done too many is an error",
      joinable },
    { "SimpleQueue: put, get, empty without time-outs: the same queue", simple_queue },
};

int
main(void)
{
    return MIRROR("queues", statements);
}
