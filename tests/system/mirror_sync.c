/* mirror_sync.c - semaphores, events, conditions, barriers between programs */
#include <signal.h>

#include "mirror.h"

static struct muster_lock *
lock_open(const char *name)
{
    const struct muster_open open = { .name = name };
    struct muster_lock      *lock = NULL;

    OK(muster_lock_open(session, &open, CALL_MS, &lock, &error));
    return lock;
}

/* ---- semaphore ---- */

static struct muster_semaphore *
semaphore_open(const char *name, uint64_t permits, bool bounded)
{
    const struct muster_open open = { .name = name };
    struct muster_semaphore *semaphore = NULL;

    OK(muster_semaphore_open(session, &open, permits, bounded, CALL_MS, &semaphore, &error));
    return semaphore;
}

static uint64_t
semaphore_left(struct muster_semaphore *semaphore)
{
    uint64_t left = 0;

    OK(muster_semaphore_get_value(semaphore, CALL_MS, &left, &error));
    return left;
}

static void
semaphore_counts(void)
{
    struct muster_semaphore *semaphore = semaphore_open(NULL, 2, false);

    OK(muster_semaphore_acquire(semaphore, CALL_MS, NULL, &error));
    OK(muster_semaphore_acquire(semaphore, CALL_MS, NULL, &error));
    assert_int_equal(semaphore_left(semaphore), 0);
    GIVES(MUSTER_ERR_TIMEOUT, muster_semaphore_acquire(semaphore, SOON_MS, NULL, &error));
    OK(muster_semaphore_release(semaphore, 2, CALL_MS, &error));
    OK(muster_semaphore_release(semaphore, 1, CALL_MS, &error));   /* unbounded: one more */
    assert_int_equal(semaphore_left(semaphore), 3);
    muster_semaphore_close(semaphore);
}

static void
semaphore_bounded(void)
{
    struct muster_semaphore *semaphore = semaphore_open(NULL, 2, true);

    GIVES(MUSTER_ERR_STATE, muster_semaphore_release(semaphore, 1, CALL_MS, &error));
    OK(muster_semaphore_acquire(semaphore, CALL_MS, NULL, &error));
    OK(muster_semaphore_release(semaphore, 1, CALL_MS, &error));
    GIVES(MUSTER_ERR_STATE, muster_semaphore_release(semaphore, 1, CALL_MS, &error));
    muster_semaphore_close(semaphore);
}

static void
take_permit_and_stay(void)
{
    struct muster_semaphore *semaphore = semaphore_open("permits", 1, false);

    OK(muster_semaphore_acquire(semaphore, CALL_MS, NULL, &error));
    for (;;)
        pause();
}

static void
semaphore_holder_dies(void)
{
    struct muster_semaphore *semaphore = semaphore_open("permits", 1, false);
    pid_t                    pid = mirror_program(take_permit_and_stay);

    while (semaphore_left(semaphore) > 0)
        continue;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    OK(muster_semaphore_acquire(semaphore, CALL_MS, NULL, &error));
    assert_int_equal(semaphore_left(semaphore), 0);
    muster_semaphore_close(semaphore);
    OK(muster_object_delete(session, MUSTER_SEMAPHORE, "permits", CALL_MS, &error));
}

/* ---- event ---- */

static struct muster_event *
event_open(const char *name)
{
    const struct muster_open open = { .name = name };
    struct muster_event     *event = NULL;

    OK(muster_event_open(session, &open, CALL_MS, &event, &error));
    return event;
}

static void
wait_for_go(void)
{
    struct muster_event *event = event_open("go");

    OK(muster_event_wait(event, CALL_MS, &error));
    muster_event_close(event);
}

static void
event_wakes_all(void)
{
    struct muster_event *event = event_open("go");
    pid_t                pids[3];
    bool                 set = true;

    OK(muster_event_is_set(event, CALL_MS, &set, &error));
    assert_false(set);
    GIVES(MUSTER_ERR_TIMEOUT, muster_event_wait(event, SOON_MS, &error));
    for (int i = 0; i < 3; i++)
        pids[i] = mirror_program(wait_for_go);
    while (mirror_waiting("go") != 3)
        continue;
    OK(muster_event_set(event, CALL_MS, &error));
    for (int i = 0; i < 3; i++)
        mirror_ended(pids[i]);
    OK(muster_event_wait(event, MUSTER_NO_WAIT, &error));
    OK(muster_event_clear(event, CALL_MS, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_event_wait(event, MUSTER_NO_WAIT, &error));
    muster_event_close(event);
    OK(muster_object_delete(session, MUSTER_EVENT, "go", CALL_MS, &error));
}

/* ---- condition ---- */

static struct muster_condition *
condition_open(const char *name, struct muster_lock *lock)
{
    const struct muster_open open = { .name = name };
    struct muster_condition *condition = NULL;

    OK(muster_condition_open(session, &open, lock, CALL_MS, &condition, &error));
    return condition;
}

static void
condition_without_lock(void)
{
    struct muster_lock      *lock = lock_open(NULL);
    struct muster_condition *condition = condition_open(NULL, lock);

    GIVES(MUSTER_ERR_NOT_OWNER, muster_condition_wait(condition, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_condition_notify(condition, 1, CALL_MS, &error));
    muster_condition_close(condition);
    muster_lock_close(lock);
}

static void
condition_time_out(void)
{
    struct muster_lock      *lock = lock_open(NULL);
    struct muster_condition *condition = condition_open(NULL, lock);

    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_condition_wait(condition, SOON_MS, NULL, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));          /* it is held again */
    muster_condition_close(condition);
    muster_lock_close(lock);
}

static bool
is_ready(void *context)
{
    int64_t ready = 0;

    OK(muster_value_get_integer(context, CALL_MS, &ready, &error));
    return ready > 0;
}

static struct muster_value *
value_open(const char *name)
{
    const struct muster_open open = { .name = name };
    struct muster_value     *value = NULL;

    OK(muster_value_open(session, &open, MUSTER_INTEGER, NULL, 0, CALL_MS, &value, &error));
    return value;
}

/* Take one of what is ready, when there is. */
static void
consume(void)
{
    struct muster_lock      *lock = lock_open("kitchen");
    struct muster_condition *condition = condition_open("ready", lock);
    struct muster_value     *dishes = value_open("dishes");

    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_condition_wait_for(condition, is_ready, dishes, CALL_MS, NULL, &error));
    OK(muster_value_add_integer(dishes, -1, CALL_MS, NULL, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    muster_value_close(dishes);
    muster_condition_close(condition);
    muster_lock_close(lock);
}

static void
condition_notify(void)
{
    struct muster_lock      *lock = lock_open("kitchen");
    struct muster_condition *condition = condition_open("ready", lock);
    struct muster_value     *dishes = value_open("dishes");
    int64_t                  left = 1;
    pid_t                    pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = mirror_program(consume);
    while (mirror_waiting("ready") != 3)
        continue;
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_value_set_integer(dishes, 1, CALL_MS, &error));
    OK(muster_condition_notify(condition, 1, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    while (mirror_waiting("ready") != 2)
        continue;
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_value_add_integer(dishes, 2, CALL_MS, NULL, &error));
    OK(muster_condition_notify_all(condition, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    for (int i = 0; i < 3; i++)
        mirror_ended(pids[i]);
    OK(muster_value_get_integer(dishes, CALL_MS, &left, &error));
    assert_int_equal(left, 0);
    muster_value_close(dishes);
    muster_condition_close(condition);
    muster_lock_close(lock);
}

/* ---- barrier ---- */

#define BROKEN(call) GIVES(MUSTER_ERR_BROKEN_BARRIER, call)

static struct muster_barrier *
barrier_open(const char *name, uint32_t parties)
{
    const struct muster_open open = { .name = name };
    struct muster_barrier   *barrier = NULL;

    OK(muster_barrier_open(session, &open, parties, CALL_MS, &barrier, &error));
    return barrier;
}

static struct muster_barrier_state
barrier_state(struct muster_barrier *barrier)
{
    struct muster_barrier_state state;

    OK(muster_barrier_state(barrier, CALL_MS, &state, &error));
    return state;
}

static void
count_action(void *context)
{
    OK(muster_value_add_integer(context, 1, CALL_MS, NULL, &error));
}

static void
come_together(void)
{
    struct muster_barrier *barrier = barrier_open("gate", 3);
    struct muster_value   *indexes = value_open("indexes"), *actions = value_open("actions");
    uint32_t               index = 9;

    OK(muster_barrier_wait(barrier, CALL_MS, count_action, actions, &index, &error));
    OK(muster_value_add_integer(indexes, 1 << (4 * index), CALL_MS, NULL, &error));
    muster_value_close(indexes);
    muster_value_close(actions);
    muster_barrier_close(barrier);
}

static void
barrier_indexes(void)
{
    struct muster_barrier *barrier = barrier_open("gate", 3);
    struct muster_value   *indexes = value_open("indexes"), *actions = value_open("actions");
    uint64_t               generation = barrier_state(barrier).generation;
    int64_t                sum = 0;
    pid_t                  pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = mirror_program(come_together);
    for (int i = 0; i < 3; i++)
        mirror_ended(pids[i]);
    OK(muster_value_get_integer(indexes, CALL_MS, &sum, &error));
    assert_int_equal(sum, 0x111);
    OK(muster_value_get_integer(actions, CALL_MS, &sum, &error));
    assert_int_equal(sum, 1);
    assert_int_equal(barrier_state(barrier).parties, 3);
    assert_int_equal(barrier_state(barrier).waiting, 0);
    assert_int_equal(barrier_state(barrier).generation, generation + 1);
    muster_value_close(indexes);
    muster_value_close(actions);
    muster_barrier_close(barrier);
}

static void
wait_in_vain(void)
{
    struct muster_barrier *barrier = barrier_open("vain", 3);

    BROKEN(muster_barrier_wait(barrier, CALL_MS, NULL, NULL, NULL, &error));
    muster_barrier_close(barrier);
}

static void
barrier_time_out(void)
{
    struct muster_barrier *barrier = barrier_open("vain", 3);
    pid_t                  pid = mirror_program(wait_in_vain);

    while (barrier_state(barrier).waiting != 1)
        continue;
    BROKEN(muster_barrier_wait(barrier, SOON_MS, NULL, NULL, NULL, &error));
    mirror_ended(pid);                       /* for who had time left, too */
    assert_true(barrier_state(barrier).broken);
    BROKEN(muster_barrier_wait(barrier, CALL_MS, NULL, NULL, NULL, &error));
    OK(muster_barrier_reset(barrier, CALL_MS, &error));
    assert_false(barrier_state(barrier).broken);
    muster_barrier_close(barrier);
}

static void
barrier_abort(void)
{
    struct muster_barrier *barrier = barrier_open("vain", 3);
    pid_t                  pid = mirror_program(wait_in_vain);

    while (barrier_state(barrier).waiting != 1)
        continue;
    OK(muster_barrier_abort(barrier, CALL_MS, &error));
    mirror_ended(pid);
    OK(muster_barrier_reset(barrier, CALL_MS, &error));
    pid = mirror_program(wait_in_vain);
    while (barrier_state(barrier).waiting != 1)
        continue;
    OK(muster_barrier_reset(barrier, CALL_MS, &error));      /* who waits is told, too */
    mirror_ended(pid);
    assert_false(barrier_state(barrier).broken);
    muster_barrier_close(barrier);
}

static void
barrier_waiter_dies(void)
{
    struct muster_barrier *barrier = barrier_open("vain", 3);
    pid_t                  dying = mirror_program(wait_in_vain), pid;

    while (barrier_state(barrier).waiting != 1)
        continue;
    pid = mirror_program(wait_in_vain);
    while (barrier_state(barrier).waiting != 2)
        continue;
    kill(dying, SIGKILL);
    assert_int_equal(waitpid(dying, NULL, 0), dying);
    mirror_ended(pid);                       /* when the session of the dead has ended */
    assert_true(barrier_state(barrier).broken);
    muster_barrier_close(barrier);
    OK(muster_object_delete(session, MUSTER_BARRIER, "vain", CALL_MS, &error));
}

static const struct statement statements[] = {
    { "Semaphore(n): acquire, release, get_value", semaphore_counts },
    { "BoundedSemaphore(n): releasing above n is an error", semaphore_bounded },
    { "Semaphore: permits belong to sessions and come back when one dies", semaphore_holder_dies },
    { "Event: set, clear, is_set, wait(timeout); wakes all waiters", event_wakes_all },
    { "Condition: without the lock held: error", condition_without_lock },
    { "Condition: the lock is held again on return, also after time-out", condition_time_out },
    { "Condition: notify(n), notify_all; wait_for takes a predicate callback", condition_notify },
    { "Barrier: wait -> 0..n-1, action, parties, n_waiting", barrier_indexes },
    { "Barrier: a time-out breaks it for all: BROKEN_BARRIER; broken, reset", barrier_time_out },
    { "Barrier: abort breaks it for all: BROKEN_BARRIER; reset wakes those who wait",
      barrier_abort },
    { "Barrier: a waiter that dies breaks it at once", barrier_waiter_dies },
};

int
main(void)
{
    return MIRROR("synchronisation", statements);
}
