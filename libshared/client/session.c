/* session.c - open, close, interrupt, and questions about the manager itself */
#include "client.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collect.h"
#include "feed.h"

bool
session_failed(const struct muster_session *session, struct muster_error *error)
{
    if (session->machine.state != MACHINE_FAILED)
        return false;
    if (error != NULL)
        *error = session->machine.error;
    return true;
}

bool
session_forked(const struct muster_session *session, struct muster_error *error)
{
    return session->forked && session_failed(session, error);
}

/* ---- fork() ---- */

static struct muster_session *
session_of(struct fork_owner *owner)
{
    return CONTAINER(owner, struct muster_session, forks);
}

static void
session_fork_prepare(struct fork_owner *owner)
{
    pthread_mutex_lock(&session_of(owner)->lock);
}

static void
session_fork_release(struct fork_owner *owner)
{
    pthread_mutex_unlock(&session_of(owner)->lock);
}

/* Descriptors stay open: the application may know their numbers. */
static void
session_fork_child(struct fork_owner *owner)
{
    struct muster_session *session = session_of(owner);

    if (session->forked)
        return;
    session->forked = true;
    session->link = NULL;
    session->wake_fd = -1;
    session->machine.state = MACHINE_FAILED;
    (void)error_set(&session->machine.error, MUSTER_ERR_SESSION,
                    "the session belongs to process %d, which this one was forked from: "
                    "open one of its own", (int)getppid());
    /* Those who waited are threads of the parent. */
    list_init(&session->waiters);
    list_init(&session->callbacks.waiting);
    session->callbacks.fd = -1;
    session->callbacks.started = false;
    pthread_cond_init(&session->callbacks.cond, NULL);
    drive_start(session);
}

/* ---- open ---- */

static const struct {
    const char *scheme;
    size_t      rest_bytes_min;
} session_schemes[] = { { "tcp://", 3 }, { "ipc://", 1 } };

static muster_err
session_check(const struct muster_session_options *options, struct muster_error *error)
{
    if (options == NULL || options->address == NULL || options->authkey_file == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "a session needs an address and a key file");
    for (size_t i = 0; i < sizeof(session_schemes) / sizeof(session_schemes[0]); i++) {
        size_t bytes = strlen(session_schemes[i].scheme);

        if (strncmp(options->address, session_schemes[i].scheme, bytes) == 0 &&
            strlen(options->address) >= bytes + session_schemes[i].rest_bytes_min)
            return MUSTER_OK;
    }
    return error_set(error, MUSTER_ERR_INVALID,
                     "%s is no address: give tcp://HOST:PORT or ipc://PATH", options->address);
}

static muster_err
session_load_key(const char *path, struct key **key_out, struct muster_error *error)
{
    struct key *key = NULL;
    muster_err  err = auth_start(error);

    if (!err)
        err = key_file_load(path, &key, error);
    if (err)
        return err;
    if (key_role(key) == AUTH_ROLE_MANAGER) {
        key_free(key);
        return error_set(error, MUSTER_ERR_DENIED,
                         "%s is the manager's own key; use client.authkey or admin.authkey", path);
    }
    *key_out = key;
    return MUSTER_OK;
}

static void
session_free(struct muster_session *session)
{
    fork_forget(&session->forks);
    feeds_free(session);
    collectors_free(session);
    objects_free(session);
    map_free(&session->calls);
    heap_free(&session->deadlines);
    buffer_free(&session->frame);
    buffer_free(&session->seen_ids);
    if (session->wake_fd >= 0)
        close(session->wake_fd);
    drive_free(session);
    pthread_mutex_destroy(&session->lock);
    key_free(session->key);
    free(session->address);
    free(session->authkey_file);
    free(session);
}

static void
session_prepare(struct muster_session *session, const struct muster_session_options *options)
{
    struct machine_config config = { 0 };

    session->address = base_text_copy(slice_text(options->address));
    session->authkey_file = base_text_copy(slice_text(options->authkey_file));
    pthread_mutex_init(&session->lock, NULL);
    list_init(&session->waiters);
    list_init(&session->processes);
    list_init(&session->unsent);
    list_init(&session->sent);
    objects_start(session);
    callbacks_start(session);
    drive_start(session);
    session->forks = (struct fork_owner){ .prepare = session_fork_prepare,
                                          .release = session_fork_release,
                                          .child = session_fork_child };

    config.address = session->address;
    config.authkey_file = session->authkey_file;
    config.connect_ms = options->connect_ms > 0 ? options->connect_ms : HANDSHAKE_MS;
    config.roles = FROM_CLIENT | FROM_ADMIN;
    auth_random(&config.jitter, sizeof(config.jitter));
    while (config.secret == 0)
        auth_random(&config.secret, sizeof(config.secret));
    machine_start(&session->machine, &config, clock_now_ms());
}

/* Signals are the application's: none shall be delivered to our thread or to
 * those that the link starts from it. */
static muster_err
session_start_thread(struct muster_session *session, struct muster_error *error)
{
    sigset_t all, before;
    int      failed;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&session->thread, NULL, drive_run, session);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        return MUSTER_OK;
    errno = failed;
    return error_errno(error, MUSTER_ERR_IO, "cannot start a thread");
}

/* The machine ends this by itself, within connect_ms. */
static muster_err
session_wait_ready(struct muster_session *session, struct muster_error *error)
{
    struct waiter waiter;
    muster_err    err = MUSTER_OK;

    pthread_mutex_lock(&session->lock);
    waiter_begin(session, &waiter, &session->machine);
    while (!session->machine.established && session->machine.state != MACHINE_FAILED)
        (void)waiter_wait(session, &waiter, CLIENT_NEVER);
    waiter_end(&waiter);
    if (session_failed(session, error))
        err = session->machine.error.code;
    pthread_mutex_unlock(&session->lock);
    return err;
}

muster_err
muster_session_open(const struct muster_session_options *options,
                    struct muster_session **session_out, struct muster_error *error)
{
    struct muster_session *session;
    struct key            *key = NULL;
    muster_err             err = session_check(options, error);

    if (err)
        return err;
    err = session_load_key(options->authkey_file, &key, error);
    if (err)
        return err;

    session = base_alloc(sizeof(*session));
    session->key = key;
    session_prepare(session, options);
    session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->wake_fd < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "cannot make an event descriptor");
        goto out_free;
    }
    err = fork_watch(&session->forks, error);
    if (!err)
        err = session_start_thread(session, error);
    if (err)
        goto out_free;
    err = session_wait_ready(session, error);
    if (err) {
        muster_session_close(session);
        return err;
    }
    *session_out = session;
    return MUSTER_OK;
out_free:
    callbacks_end(session);
    session_free(session);
    return err;
}

/* What nobody waits for any more belongs to whoever submitted it. */
static void
session_end_calls(struct muster_session *session)
{
    struct muster_error closed = { 0 };
    struct call        *call;
    size_t              cursor;

    (void)error_set(&closed, MUSTER_ERR_CLOSED, "the session was closed");
    session->machine.state = MACHINE_FAILED;        /* nothing new is submitted now */
    session->machine.error = closed;
    /* Ending one may begin another: that of giving up what it was for. */
    while (cursor = 0, (call = map_next(&session->calls, &cursor, NULL)) != NULL)
        call_end(call, &closed);
    waiters_wake(session, NULL);
}

void
muster_session_close(struct muster_session *session)
{
    if (session == NULL || session->forked)
        return;
    pthread_mutex_lock(&session->lock);
    /* Calls in other threads must have ended; those in callbacks are ended here. */
    assert(list_empty(&session->waiters) || session->callbacks.running);
    session->closing = true;
    session->close_by_ms = CLIENT_NEVER;
    session_wake(session);
    pthread_mutex_unlock(&session->lock);
    pthread_join(session->thread, NULL);
    pthread_mutex_lock(&session->lock);
    session_end_calls(session);
    pthread_mutex_unlock(&session->lock);
    callbacks_end(session);
    session_free(session);
}

void
muster_session_interrupt(struct muster_session *session)
{
    uint64_t one = 1;
    int      saved = errno;

    atomic_fetch_add(&session->interrupts, 1);
    /* Failing means that the counter is full: the thread will wake anyway. */
    if (write(session->wake_fd, &one, sizeof(one)) < 0)
        errno = saved;
    errno = saved;
}

uint32_t
muster_session_term_ms(struct muster_session *session)
{
    uint32_t term_ms;

    pthread_mutex_lock(&session->lock);
    term_ms = session->machine.term_ms;
    pthread_mutex_unlock(&session->lock);
    return term_ms;
}

/* ---- the manager ---- */

muster_err
muster_session_status(struct muster_session *session, uint32_t timeout_ms,
                      struct muster_status *status_out, struct muster_error *error)
{
    union wire_any       m = { 0 };
    struct ask           answer;
    struct muster_status status = { 0 };
    struct reader        in;
    muster_err           err;

    err = ask(session, MSG_TYPE_STATUS_GET, &m, MSG_TYPE_STATUS, timeout_ms, &answer, error);
    if (err)
        return err;
    status.epoch = answer.m.status.epoch;
    status.up_ms = answer.m.status.up_ms;
    status.pid = answer.m.status.pid;
    text_put(status.software, sizeof(status.software), answer.m.status.software);
    status.counters = base_array(answer.m.status.counters.count, sizeof(*status.counters));
    in = reader_of(answer.m.status.counters.bytes);
    while (status.counter_count < answer.m.status.counters.count) {
        struct wire_counter counter;

        if (!wire_get_counter(&in, &counter))
            break;
        status.counters[status.counter_count].name = base_text_copy(counter.name);
        status.counters[status.counter_count++].value = counter.value;
    }
    ask_free(&answer);
    *status_out = status;
    return MUSTER_OK;
}

void
muster_status_free(struct muster_status *status)
{
    for (size_t i = 0; i < status->counter_count; i++)
        free((char *)(uintptr_t)status->counters[i].name);
    free(status->counters);
    *status = (struct muster_status){ 0 };
}

muster_err
muster_session_shutdown(struct muster_session *session, uint32_t timeout_ms,
                        struct muster_error *error)
{
    union wire_any m = { 0 };

    return ask_ack(session, MSG_TYPE_SHUTDOWN, &m, timeout_ms, NULL, error);
}
