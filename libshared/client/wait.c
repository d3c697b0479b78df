/* wait.c - wait for several things at once: futures, processes, connections */
#include "collect.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "process.h"

/* ---- futures ---- */

muster_err
futures_session(struct muster_future *const *futures, size_t count,
                struct muster_session **session_out, struct muster_error *error)
{
    *session_out = NULL;
    for (size_t i = 0; i < count; i++) {
        struct muster_session *session = futures[i]->collector->stream.session;

        if (*session_out != NULL && session != *session_out)
            return error_set(error, MUSTER_ERR_INVALID,
                             "futures of several sessions cannot be waited for together");
        *session_out = session;
    }
    return MUSTER_OK;
}

/* Look at all; true: it is time to return. */
static bool
wait_look(struct muster_future *const *futures, size_t count, enum muster_wait_for wait_for,
          bool *done_out)
{
    size_t done = 0;
    bool   failed = false;

    for (size_t i = 0; i < count; i++) {
        done_out[i] = futures[i]->state != FUTURE_PENDING;
        done += done_out[i];
        failed = failed || futures[i]->state > FUTURE_SUCCEEDED;
    }
    return done == count || (wait_for == MUSTER_FIRST_COMPLETED && done > 0) ||
           (wait_for == MUSTER_FIRST_EXCEPTION && failed);
}

muster_err
muster_futures_wait(struct muster_future *const *futures, size_t count,
                    enum muster_wait_for wait_for, uint32_t timeout_ms, bool *done_out,
                    struct muster_error *error)
{
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    struct muster_session *session;
    struct waiter          waiter;
    muster_err             err = futures_session(futures, count, &session, error);

    if (err || session == NULL)
        return err;
    pthread_mutex_lock(&session->lock);
    waiter_begin(session, &waiter, &session->collectors);
    while (!wait_look(futures, count, wait_for, done_out) && !err)
        err = waiter_wait(session, &waiter, deadline_ms);
    waiter_end(&waiter);
    if (err == MUSTER_ERR_TIMEOUT)
        err = MUSTER_OK;
    if (err)
        err = session_wait_error(session, err, "tasks to end", timeout_ms, error);
    pthread_mutex_unlock(&session->lock);
    return err;
}

/* CLOSED when all are seen, TIMEOUT when none of the others has ended. */
static muster_err
wait_next(struct muster_future *const *futures, size_t count, const bool *seen, size_t *index_out)
{
    muster_err err = MUSTER_ERR_CLOSED;

    for (size_t i = 0; i < count; i++) {
        if (seen[i])
            continue;
        if (futures[i]->state != FUTURE_PENDING) {
            *index_out = i;
            return MUSTER_OK;
        }
        err = MUSTER_ERR_TIMEOUT;
    }
    return err;
}

muster_err
muster_futures_next(struct muster_future *const *futures, size_t count, bool *seen,
                    uint32_t timeout_ms, size_t *index_out, struct muster_error *error)
{
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    struct muster_session *session;
    struct waiter          waiter;
    muster_err             found = MUSTER_ERR_CLOSED;
    muster_err             err = futures_session(futures, count, &session, error);
    size_t                 index = 0;

    if (err)
        return err;
    if (session != NULL) {
        pthread_mutex_lock(&session->lock);
        waiter_begin(session, &waiter, &session->collectors);
        while ((found = wait_next(futures, count, seen, &index)) == MUSTER_ERR_TIMEOUT && !err)
            err = waiter_wait(session, &waiter, deadline_ms);
        waiter_end(&waiter);
        if (found == MUSTER_ERR_TIMEOUT)
            found = session_wait_error(session, err, "the next task to end", timeout_ms, error);
        pthread_mutex_unlock(&session->lock);
    }
    if (found == MUSTER_ERR_CLOSED)
        return error_set(error, found, "all %zu were seen", count);
    if (found)
        return found;
    seen[index] = true;
    *index_out = index;
    return MUSTER_OK;
}

/* ---- any mix ---- */

struct mix {
    struct muster_session  *session;
    struct muster_waitable *waitables;
    size_t                  count;
    struct pollfd          *fds;         /* [0]: waiter.fd; then one per waitable, or -1 */
    struct waiter           waiter;
};

/* The future behind it, if there is one. */
static const struct muster_future *
mix_future(const struct muster_waitable *waitable)
{
    return waitable->process != NULL ? process_future(waitable->process) : waitable->future;
}

static muster_err
mix_check(const struct mix *mix, struct muster_error *error)
{
    if (session_forked(mix->session, error))
        return MUSTER_ERR_SESSION;
    for (size_t i = 0; i < mix->count; i++) {
        const struct muster_waitable *waitable = &mix->waitables[i];
        const struct muster_future   *future = mix_future(waitable);

        if ((waitable->connection != NULL) + (waitable->process != NULL) +
                (waitable->future != NULL) != 1)
            return error_set(error, MUSTER_ERR_INVALID,
                             "waitable %zu: one of connection, process and future", i);
        if (waitable->process != NULL && future == NULL)
            return error_set(error, MUSTER_ERR_STATE, "waitable %zu: the process was not started",
                             i);
        if (future != NULL && future->collector->stream.session != mix->session)
            return error_set(error, MUSTER_ERR_INVALID, "waitable %zu is of another session", i);
        mix->fds[i + 1] = (struct pollfd){ .fd = -1, .events = POLLIN };
        if (waitable->connection == NULL)
            continue;
        mix->fds[i + 1].fd = muster_connection_fileno(waitable->connection);
        if (mix->fds[i + 1].fd < 0)
            return error_set(error, MUSTER_ERR_IO, "waitable %zu has no descriptor", i);
    }
    return MUSTER_OK;
}

/* With the lock held, after a poll. */
static size_t
mix_look(struct mix *mix)
{
    size_t ready = 0;

    for (size_t i = 0; i < mix->count; i++) {
        const struct muster_future *future = mix_future(&mix->waitables[i]);

        mix->waitables[i].ready = future != NULL ? future->state != FUTURE_PENDING
                                                 : mix->fds[i + 1].revents != 0;
        ready += mix->waitables[i].ready;
    }
    return ready;
}

static muster_err
mix_poll(struct mix *mix, uint64_t deadline_ms, size_t *ready_out)
{
    struct muster_session *session = mix->session;
    eventfd_t              told;
    int                    wait_ms = 0;

    for (;;) {
        uint64_t now_ms;

        (void)poll(mix->fds, mix->count + 1, wait_ms);
        (void)eventfd_read(mix->fds[0].fd, &told);
        pthread_mutex_lock(&session->lock);
        *ready_out = mix_look(mix);
        pthread_mutex_unlock(&session->lock);
        if (*ready_out > 0)
            return MUSTER_OK;
        if (atomic_load(&session->interrupts) != mix->waiter.interrupts)
            return MUSTER_ERR_INTERRUPTED;
        now_ms = clock_now_ms();
        if (now_ms >= deadline_ms)
            return MUSTER_OK;
        wait_ms = deadline_ms - now_ms > 60000 ? 60000 : (int)(deadline_ms - now_ms);
    }
}

muster_err
muster_wait(struct muster_session *session, struct muster_waitable *waitables, size_t count,
            uint32_t timeout_ms, size_t *ready_out, struct muster_error *error)
{
    struct mix mix = { .session = session, .waitables = waitables, .count = count };
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    size_t     ready = 0;
    muster_err err;

    mix.fds = base_array(count + 1, sizeof(*mix.fds));
    mix.fds[0] = (struct pollfd){ .fd = -1, .events = POLLIN };
    err = mix_check(&mix, error);
    if (err)
        goto out;
    mix.fds[0].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mix.fds[0].fd < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "cannot make an event descriptor");
        goto out;
    }
    pthread_mutex_lock(&session->lock);
    waiter_begin(session, &mix.waiter, &session->collectors);
    mix.waiter.fd = mix.fds[0].fd;
    pthread_mutex_unlock(&session->lock);
    err = mix_poll(&mix, deadline_ms, &ready);
    pthread_mutex_lock(&session->lock);
    waiter_end(&mix.waiter);
    if (err)
        err = session_wait_error(session, err, "one of several", timeout_ms, error);
    pthread_mutex_unlock(&session->lock);
    close(mix.fds[0].fd);
out:
    free(mix.fds);
    if (!err)
        *ready_out = ready;
    return err;
}
