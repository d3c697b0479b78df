/* callback.c - where the application's callbacks run (see callback.h)
 *
 *   callback_post() -> waiting -> the thread of callbacks, started with the first one
 *                             `-> muster_session_dispatch(), once the descriptor was asked for
 *
 * 1. One callback runs at a time, in the order in which they were posted.
 * 2. None runs under the session's lock.
 * 3. The descriptor is readable exactly while something waits.
 */
#include "handle.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

void
callbacks_start(struct muster_session *session)
{
    list_init(&session->callbacks.waiting);
    pthread_cond_init(&session->callbacks.cond, NULL);
    session->callbacks.fd = -1;
}

/* Run the first that waits.  With the lock held, which is let go of meanwhile. */
static void
callback_run(struct muster_session *session)
{
    struct callbacks *callbacks = &session->callbacks;
    struct callback  *first = CONTAINER(callbacks->waiting.next, struct callback, link);
    eventfd_t         count;

    assert(!callbacks->running);
    list_remove(&first->link);
    if (callbacks->fd >= 0 && list_empty(&callbacks->waiting))
        (void)eventfd_read(callbacks->fd, &count);
    callbacks->running = true;
    callbacks->runner = pthread_self();
    pthread_mutex_unlock(&session->lock);
    first->run(first);
    pthread_mutex_lock(&session->lock);
    callbacks->running = false;
    callbacks->ran++;
    pthread_cond_broadcast(&callbacks->cond);
    waiters_wake(session, callbacks);
}

static void *
callbacks_run(void *context)
{
    struct muster_session *session = context;
    struct callbacks      *callbacks = &session->callbacks;

    pthread_mutex_lock(&session->lock);
    while (callbacks->fd < 0) {
        if (callbacks->running || list_empty(&callbacks->waiting)) {
            if (callbacks->ending && !callbacks->running)
                break;
            pthread_cond_wait(&callbacks->cond, &session->lock);
            continue;
        }
        callback_run(session);
    }
    pthread_mutex_unlock(&session->lock);
    return NULL;
}

/* Signals are the application's: none shall be delivered to our thread. */
static void
callbacks_start_thread(struct muster_session *session)
{
    sigset_t all, before;
    int      failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&session->callbacks.thread, NULL, callbacks_run, session);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* Out of threads: the next one that is posted tries again, and closing runs all. */
    session->callbacks.started = failed == 0;
}

void
callback_post(struct muster_session *session, struct callback *callback)
{
    struct callbacks *callbacks = &session->callbacks;
    bool              first = list_empty(&callbacks->waiting);

    callbacks->posted++;
    list_append(&callbacks->waiting, &callback->link);
    if (session->forked)
        return;
    if (callbacks->fd >= 0) {
        if (first)
            (void)eventfd_write(callbacks->fd, 1);
        return;
    }
    if (!callbacks->started)
        callbacks_start_thread(session);
    else if (first)
        pthread_cond_broadcast(&callbacks->cond);
}

static bool
callbacks_are_ours(const struct callbacks *callbacks)
{
    return callbacks->fd < 0 && callbacks->started &&
           !(callbacks->running && pthread_equal(callbacks->runner, pthread_self()));
}

muster_err
callbacks_await(struct muster_session *session, uint64_t deadline_ms)
{
    struct callbacks *callbacks = &session->callbacks;
    uint64_t          last = callbacks->posted;
    struct waiter     waiter;
    muster_err        err = MUSTER_OK;

    waiter_begin(session, &waiter, callbacks);
    while (!err && callbacks->ran < last && callbacks_are_ours(callbacks))
        err = waiter_wait(session, &waiter, deadline_ms);
    waiter_end(&waiter);
    return callbacks->ran >= last ? MUSTER_OK : err;
}

int
muster_session_fd(struct muster_session *session)
{
    struct callbacks *callbacks = &session->callbacks;
    int               fd;

    if (session->forked)
        return -1;
    pthread_mutex_lock(&session->lock);
    if (callbacks->fd < 0) {
        callbacks->fd = eventfd(list_empty(&callbacks->waiting) ? 0 : 1,
                                EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_cond_broadcast(&callbacks->cond);
        waiters_wake(session, callbacks);
    }
    /* One that the thread is in is its last; whoever asks from within it goes on. */
    while (callbacks->fd >= 0 && callbacks->running &&
           !pthread_equal(callbacks->runner, pthread_self()))
        pthread_cond_wait(&callbacks->cond, &session->lock);
    fd = callbacks->fd;
    pthread_mutex_unlock(&session->lock);
    return fd;
}

size_t
muster_session_dispatch(struct muster_session *session)
{
    struct callbacks *callbacks = &session->callbacks;
    struct list      *last;
    size_t            count = 0;
    bool              more;

    pthread_mutex_lock(&session->lock);
    /* Those that come meanwhile are for the next time: this one shall end. */
    last = callbacks->waiting.prev;
    more = callbacks->fd >= 0 && !callbacks->running && !list_empty(&callbacks->waiting);
    while (more) {
        more = callbacks->waiting.next != last;
        callback_run(session);
        count++;
    }
    pthread_mutex_unlock(&session->lock);
    return count;
}

void
callbacks_end(struct muster_session *session)
{
    struct callbacks *callbacks = &session->callbacks;
    bool              started;

    pthread_mutex_lock(&session->lock);
    callbacks->ending = true;
    pthread_cond_broadcast(&callbacks->cond);
    started = callbacks->started;
    pthread_mutex_unlock(&session->lock);
    if (started)
        pthread_join(callbacks->thread, NULL);
    pthread_mutex_lock(&session->lock);
    while (!list_empty(&callbacks->waiting))
        callback_run(session);
    pthread_mutex_unlock(&session->lock);
    if (callbacks->fd >= 0)
        close(callbacks->fd);
    pthread_cond_destroy(&callbacks->cond);
}
