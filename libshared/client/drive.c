/* drive.c - which thread drives a session: its own, or one that waits for an answer
 *
 *                    nobody drives, and a thread must wait
 *   session's own  <------------------------------------->  a thread that waits
 *   thread drives    it has its answer and nobody waits:
 *                    the own one, if something is under way or nothing happens for a while
 *
 * To drive is to take turns (pump.c) and to poll between them.  A thread that waits for
 * an answer drives itself when nobody else does: its request goes out and its answer
 * comes in without a visit to another thread, which is most of what a call would cost.
 *
 * 1. One thread drives at a time; all else of the session's thread's own belongs to it.
 * 2. Whoever stops driving hands over to another that waits, else to the session's
 *    thread when requests are under way.  Else nobody drives: nothing is to come.
 * 3. While calls follow each other closely, the session's thread looks only every
 *    DRIVE_TICK_MS, so that nobody has to wake it; then it drives again.
 */
#include "drive.h"

#include <assert.h>
#include <sys/eventfd.h>
#include <time.h>

enum { DRIVE_TICK_MS = 2 };

static void
timespec_after(struct timespec *until, uint64_t after_ms)
{
    clock_gettime(CLOCK_MONOTONIC, until);
    until->tv_sec += (time_t)(after_ms / 1000);
    until->tv_nsec += (long)(after_ms % 1000) * 1000000;
    if (until->tv_nsec >= 1000000000) {
        until->tv_nsec -= 1000000000;
        until->tv_sec++;
    }
}

static void
cond_start(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

void
drive_start(struct muster_session *session)
{
    cond_start(&session->drive.idle);
    session->drive.driver = session;        /* nobody else before the link is open */
}

void
drive_free(struct muster_session *session)
{
    pthread_cond_destroy(&session->drive.idle);
}

/* The session's thread shall drive. */
static void
drive_want(struct drive *drive)
{
    drive->wanted = true;
    pthread_cond_signal(&drive->idle);      /* it may sleep though it is wanted: not yet free */
}

void
session_wake(struct muster_session *session)
{
    struct drive *drive = &session->drive;

    if (drive->turning || drive->woken)
        return;
    if (drive->driver == NULL) {
        /* Who waits for what he asks will drive himself. */
        if (!drive->asking || session->closing)
            drive_want(drive);
        return;
    }
    drive->woken = true;
    pump_wake(session);
}

/* ---- driving ---- */

static int
drive_turn(struct muster_session *session)
{
    int timeout_ms;

    session->drive.turning = true;
    timeout_ms = pump_turn(session,
                           session->drive.told | (session->drive.woken ? PUMP_WOKEN : 0));
    session->drive.turning = false;
    session->drive.woken = false;
    session->drive.told = 0;
    return timeout_ms;
}

/* Lets go of the lock. */
static void
drive_poll(struct muster_session *session, int timeout_ms)
{
    struct pollfd fds[PUMP_FDS];
    unsigned      told = 0;

    pump_fds(session, fds);
    pthread_mutex_unlock(&session->lock);
    (void)poll(fds, PUMP_FDS, timeout_ms);
    for (unsigned i = 0; i < PUMP_FDS; i++)
        told |= fds[i].revents != 0 ? 1u << i : 0;
    pthread_mutex_lock(&session->lock);
    /* An interruption wakes without the lock. */
    session->drive.told |= told;
}

/* One who sleeps and could drive. */
static struct waiter *
drive_next(const struct muster_session *session)
{
    for (struct list *at = session->waiters.next; at != &session->waiters; at = at->next) {
        struct waiter *waiter = CONTAINER(at, struct waiter, link);

        if (waiter->sleeping && !waiter->woken)
            return waiter;
    }
    return NULL;
}

/* Nobody drives now: who shall? */
static void
drive_leave(struct muster_session *session)
{
    struct drive  *drive = &session->drive;
    struct waiter *next = session->closing ? NULL : drive_next(session);

    drive->driver = NULL;
    if (next != NULL)
        pthread_cond_signal(&next->cond);
    else if (session->closing || session->calls.count > 0 ||
             session->machine.state != MACHINE_READY)
        drive_want(drive);
    else if (drive->deep)
        pthread_cond_signal(&drive->idle);
}

/* ---- a thread that waits ---- */

static bool
waiter_interrupted(const struct muster_session *session, const struct waiter *waiter)
{
    return atomic_load(&session->interrupts) != waiter->interrupts;
}

static void
waiter_drive(struct muster_session *session, struct waiter *waiter, uint64_t deadline_ms)
{
    session->drive.driver = waiter;
    session->drive.drives++;
    for (;;) {
        int      timeout_ms = drive_turn(session);
        uint64_t now_ms = deadline_ms == CLIENT_NEVER ? 0 : clock_now_ms();

        if (waiter->woken || waiter_interrupted(session, waiter) || session->closing ||
            now_ms >= deadline_ms)
            break;
        if (deadline_ms != CLIENT_NEVER && (uint64_t)timeout_ms > deadline_ms - now_ms)
            timeout_ms = (int)(deadline_ms - now_ms);
        drive_poll(session, timeout_ms);
    }
    session->drive.driver = NULL;
    if (session->closing)
        drive_want(&session->drive);    /* it says goodbye, and nobody else drives again */
}

/* Our clock goes on in suspend and that of condition variables does not: what
 * is left is measured on one and waited for on the other, then looked at again. */
static void
waiter_sleep(struct muster_session *session, struct waiter *waiter, uint64_t deadline_ms)
{
    struct timespec until;
    uint64_t        now_ms;

    waiter->sleeping = true;
    if (deadline_ms == CLIENT_NEVER) {
        (void)pthread_cond_wait(&waiter->cond, &session->lock);
    } else {
        now_ms = clock_now_ms();
        timespec_after(&until, deadline_ms > now_ms ? deadline_ms - now_ms : 0);
        (void)pthread_cond_timedwait(&waiter->cond, &session->lock, &until);
    }
    waiter->sleeping = false;
}

void
waiter_begin(struct muster_session *session, struct waiter *waiter, const void *subject)
{
    *waiter = (struct waiter){ .subject = subject, .fd = -1,
                               .interrupts = scope_interrupts(session) };
    cond_start(&waiter->cond);
    list_append(&session->waiters, &waiter->link);
}

void
waiter_end(struct waiter *waiter)
{
    list_remove(&waiter->link);
    pthread_cond_destroy(&waiter->cond);
}

void
waiter_wake(struct waiter *waiter)
{
    waiter->woken = true;
    if (waiter->sleeping)
        pthread_cond_signal(&waiter->cond);
    if (waiter->fd >= 0)
        (void)eventfd_write(waiter->fd, 1);
}

void
waiters_wake(struct muster_session *session, const void *subject)
{
    for (struct list *at = session->waiters.next; at != &session->waiters; at = at->next) {
        struct waiter *waiter = CONTAINER(at, struct waiter, link);

        if (subject == NULL || waiter->subject == subject)
            waiter_wake(waiter);
    }
}

muster_err
waiter_wait(struct muster_session *session, struct waiter *waiter, uint64_t deadline_ms)
{
    muster_err err = MUSTER_OK;

    if (session->forked)
        return session->machine.error.code;
    /* What woke it before was looked at. */
    waiter->woken = false;
    while (!waiter->woken && !err) {
        if (waiter_interrupted(session, waiter))
            err = MUSTER_ERR_INTERRUPTED;
        else if (deadline_ms != CLIENT_NEVER && clock_now_ms() >= deadline_ms)
            err = MUSTER_ERR_TIMEOUT;
        else if (session->drive.driver == NULL && !session->closing)
            waiter_drive(session, waiter, deadline_ms);
        else
            waiter_sleep(session, waiter, deadline_ms);
    }
    /* It may have been told to drive at the same moment. */
    if (session->drive.driver == NULL)
        drive_leave(session);
    return err == MUSTER_OK && waiter_interrupted(session, waiter) ? MUSTER_ERR_INTERRUPTED : err;
}

/* ---- the session's thread ---- */

/* Sleep until it may be needed; `wanted` says so. */
static void
thread_idle(struct muster_session *session)
{
    struct drive   *drive = &session->drive;
    uint64_t        drives = drive->drives;
    struct timespec until;

    if (drive->driver != NULL && drives == drive->drives_seen) {
        drive->deep = true;             /* somebody drives, and goes on */
        (void)pthread_cond_wait(&drive->idle, &session->lock);
        drive->deep = false;
        return;
    }
    drive->drives_seen = drives;
    timespec_after(&until, DRIVE_TICK_MS);
    (void)pthread_cond_timedwait(&drive->idle, &session->lock, &until);
    if (drive->driver != NULL || drive->wanted)
        return;
    if (drive->drives == drives) {
        drive->wanted = true;           /* nothing happened: poll again */
        return;
    }
    drive->driver = session;
    (void)drive_turn(session);          /* what time brings about */
    drive_leave(session);
}

/* Does somebody wait for everything that is under way?  What nobody waits for keeps the
 * session's thread driving anyway. */
static bool
drive_all_wait(const struct muster_session *session)
{
    size_t waiting = 0;

    for (struct list *at = session->waiters.next; at != &session->waiters; at = at->next) {
        waiting += CONTAINER(at, struct waiter, link)->sleeping;
        if (waiting >= session->calls.count && waiting > 0)
            return drive_next(session) != NULL;
    }
    return false;
}

void *
drive_run(void *context)
{
    struct muster_session *session = context;
    struct drive          *drive = &session->drive;

    pthread_mutex_lock(&session->lock);
    pump_open(session);
    drive->driver = NULL;
    drive->wanted = true;
    for (;;) {
        int timeout_ms;

        if (drive->driver != NULL || !drive->wanted) {
            thread_idle(session);
            continue;
        }
        drive->driver = session;
        timeout_ms = drive_turn(session);
        if (session->closing && clock_now_ms() >= session->close_by_ms)
            break;
        if (!session->closing && drive_all_wait(session)) {
            drive->wanted = false;
            drive_leave(session);
            continue;
        }
        drive_poll(session, timeout_ms);
        drive->driver = NULL;
    }
    drive->driver = NULL;
    pthread_mutex_unlock(&session->lock);
    pump_close(session);
    return NULL;
}
