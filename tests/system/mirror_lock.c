/* mirror_lock.c - locks between programs: whose turn it is, whose lock, and what a death leaves */
#include <pthread.h>
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

static void
lock_unlocked(void)
{
    struct muster_lock *lock = lock_open(NULL);

    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(lock, CALL_MS, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_lock_acquire(lock, SOON_MS, NULL, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(lock, CALL_MS, &error));
    muster_lock_close(lock);
}

static void
lock_of_another(void)
{
    struct muster_lock      *lock = lock_open("owned"), *theirs = NULL;
    struct muster_session   *other = mirror_session();
    const struct muster_open open = { .name = "owned" };
    struct muster_lock_state state;

    OK(muster_lock_open(other, &open, CALL_MS, &theirs, &error));
    OK(muster_lock_acquire(theirs, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(lock, CALL_MS, &error));
    OK(muster_lock_state(lock, CALL_MS, &state, &error));
    assert_true(state.held);
    assert_non_null(strstr(state.holder, "client"));
    muster_lock_close(theirs);
    muster_session_close(other);             /* what it held is free now */
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    muster_lock_close(lock);
}

/* Acquire, note the turn, release. */
static void
take_turn(void)
{
    const struct muster_open open = { .name = "turns" };
    struct muster_lock      *lock = lock_open("queue-of-turns");
    struct muster_list      *turns = NULL;
    const char              *me = getenv("TURN");
    struct muster_cell       cell = mirror_cell(me);

    OK(muster_list_open(session, &open, CALL_MS, &turns, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_list_append(turns, &cell, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    muster_list_close(turns);
    muster_lock_close(lock);
}

enum { TURNS = 4 };

static void
lock_fifo(void)
{
    const struct muster_open open = { .name = "turns" };
    struct muster_lock      *lock = lock_open("queue-of-turns");
    struct muster_list      *turns = NULL;
    struct muster_bytes     *items = NULL;
    pid_t                    pids[TURNS];
    char                     me[8];
    size_t                   count = 0;

    OK(muster_list_open(session, &open, CALL_MS, &turns, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    for (int i = 0; i < TURNS; i++) {
        snprintf(me, sizeof(me), "%d", i);
        setenv("TURN", me, 1);
        pids[i] = mirror_program(take_turn);
        while (mirror_waiting("queue-of-turns") != (uint64_t)i + 1)
            continue;
    }
    OK(muster_lock_release(lock, CALL_MS, &error));
    for (int i = 0; i < TURNS; i++)
        mirror_ended(pids[i]);
    OK(muster_list_slice(turns, 0, MUSTER_LIST_END, CALL_MS, &items, &count, &error));
    assert_int_equal(count, TURNS);
    for (int i = 0; i < TURNS; i++) {
        snprintf(me, sizeof(me), "%d", i);
        mirror_text(&items[i], me);
    }
    muster_list_free(items, count);
    muster_list_close(turns);
    muster_lock_close(lock);
    OK(muster_object_delete(session, MUSTER_LIST, "turns", CALL_MS, &error));
    OK(muster_object_delete(session, MUSTER_LOCK, "queue-of-turns", CALL_MS, &error));
}

static void
hold_and_stay(void)
{
    struct muster_lock *lock = lock_open("mortal");

    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    for (;;)
        pause();
}

static void
lock_tokens(void)
{
    struct muster_lock *lock = lock_open(NULL);
    uint64_t            before = 0, token = 0;

    for (int i = 0; i < 5; i++) {
        OK(muster_lock_acquire(lock, CALL_MS, &token, &error));
        assert_true(token > before);
        before = token;
        OK(muster_lock_release(lock, CALL_MS, &error));
    }
    muster_lock_close(lock);
}

static void
lock_holder_dies(void)
{
    struct muster_lock      *lock = lock_open("mortal");
    struct muster_lock_state state = { 0 };
    uint64_t                 token = 0, before;
    pid_t                    pid = mirror_program(hold_and_stay);

    while (!state.held)
        OK(muster_lock_state(lock, CALL_MS, &state, &error));
    before = state.token;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    GIVES(MUSTER_ERR_TIMEOUT, muster_lock_acquire(lock, SOON_MS, &token, &error));
    OK(muster_lock_acquire(lock, 2 * SESSION_MS, &token, &error));
    assert_true(token > before);
    muster_lock_close(lock);
    OK(muster_object_delete(session, MUSTER_LOCK, "mortal", CALL_MS, &error));
}

/* ---- rlock ---- */

static struct muster_lock *thread_lock;

static void *
release_elsewhere(void *context)
{
    struct muster_error mine = { 0 };

    *(muster_err *)context = muster_lock_release(thread_lock, CALL_MS, &mine);
    return NULL;
}

static void
rlock_of_another(void)
{
    const struct muster_open open = { .name = "own-rlock" };
    struct muster_session   *other = mirror_session();
    struct muster_lock      *lock = NULL, *theirs = NULL;

    OK(muster_rlock_open(session, &open, CALL_MS, &lock, &error));
    OK(muster_rlock_open(other, &open, CALL_MS, &theirs, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(theirs, CALL_MS, &error));
    GIVES(MUSTER_ERR_TIMEOUT, muster_lock_acquire(theirs, SOON_MS, NULL, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    OK(muster_lock_acquire(theirs, CALL_MS, NULL, &error));
    muster_lock_close(lock);
    muster_lock_close(theirs);
    muster_session_close(other);
    OK(muster_object_delete(session, MUSTER_RLOCK, "own-rlock", CALL_MS, &error));
}

static void
rlock(void)
{
    struct muster_lock *lock = NULL;
    pthread_t           thread;
    muster_err          gave = MUSTER_OK;

    OK(muster_rlock_open(session, NULL, CALL_MS, &lock, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    OK(muster_lock_acquire(lock, CALL_MS, NULL, &error));
    thread_lock = lock;
    assert_int_equal(pthread_create(&thread, NULL, release_elsewhere, &gave), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(gave, MUSTER_ERR_NOT_OWNER);
    OK(muster_lock_release(lock, CALL_MS, &error));
    OK(muster_lock_release(lock, CALL_MS, &error));
    GIVES(MUSTER_ERR_NOT_OWNER, muster_lock_release(lock, CALL_MS, &error));
    muster_lock_close(lock);
}

static const struct statement statements[] = {
    { "Lock: acquire(block, timeout); release of an unlocked lock is an error", lock_unlocked },
    { "Lock: held by a session; another's release is an error", lock_of_another },
    { "Lock: FIFO hand-over", lock_fifo },
    { "Lock: every acquire returns a strictly larger fencing token", lock_tokens },
    { "Lock: if the holder dies the lock is freed within the session time-out, and not before; "
      "the next holder gets a strictly larger fencing token", lock_holder_dies },
    { "RLock: re-entrant per owner (session + thread); release by a non-owner is an error", rlock },
    { "RLock: another session is a non-owner", rlock_of_another },
};

int
main(void)
{
    return MIRROR("locks", statements);
}
