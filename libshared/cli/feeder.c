/* feeder.c - see feeder.h */
#include "feeder.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    FEEDER_CALL_MS = 500,         /* then we look whether to go on */
    FEEDER_JOIN_NS = 50 * 1000 * 1000,
};

/* Call again?  Ctrl-C wakes every call of the session; in a thread of its own it is
 * not ours to say whether to stop.  In the caller's it is, also when Ctrl-C came
 * just before the call and woke nobody. */
static bool
feeder_again(const struct feeder *feeder, muster_err *err, struct muster_error *error)
{
    if (*err != MUSTER_ERR_INTERRUPTED && *err != MUSTER_ERR_TIMEOUT)
        return false;
    if (!feeder->stopping && (feeder->started || !cli_interrupted()))
        return true;
    *err = error_set(error, MUSTER_ERR_INTERRUPTED, "told to stop");
    return false;
}

static muster_err
feeder_feed_one(struct feeder *feeder, struct slice item, struct muster_error *error)
{
    muster_err err;

    do
        err = muster_job_feed(feeder->session, feeder->job, item.data, item.bytes, FEEDER_CALL_MS,
                              error);
    while (feeder_again(feeder, &err, error));
    return err;
}

muster_err
feeder_feed(struct feeder *feeder, struct muster_error *error)
{
    muster_err err;

    for (;;) {
        struct slice item;

        err = inputs_next(feeder->inputs, &item, error);
        if (err == MUSTER_ERR_CLOSED)
            break;
        if (!err && feeder->stopping)
            err = error_set(error, MUSTER_ERR_INTERRUPTED, "told to stop");
        if (!err)
            err = feeder_feed_one(feeder, item, error);
        if (err)
            return err;
    }
    do
        err = muster_job_close_input(feeder->session, feeder->job, FEEDER_CALL_MS, error);
    while (feeder_again(feeder, &err, error));
    return err;
}

static void *
feeder_main(void *argument)
{
    struct feeder *feeder = argument;

    (void)feeder_feed(feeder, &feeder->error);
    feeder->done = true;
    /* The follower may wait for results that will never come. */
    if (feeder_failed(feeder))
        muster_session_interrupt(feeder->session);
    return NULL;
}

muster_err
feeder_start(struct feeder *feeder, struct muster_error *error)
{
    sigset_t all, before;
    int      failed;

    feeder->stop_event = eventfd(0, EFD_CLOEXEC);
    if (feeder->stop_event < 0)
        return error_errno(error, MUSTER_ERR_IO, "make an event");
    feeder->inputs->stop_fd = feeder->stop_event;
    feeder->started = true;
    /* Signals are for the thread that follows the results. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&feeder->thread, NULL, feeder_main, feeder);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        close(feeder->stop_event);
        feeder->started = false;
        return error_set(error, MUSTER_ERR_NO_MEMORY, "start a thread: %s", strerror(failed));
    }
    return MUSTER_OK;
}

void
feeder_stop(struct feeder *feeder)
{
    static const uint64_t one = 1;
    struct timespec       until;
    ssize_t               written;

    if (!feeder->started)
        return;
    feeder->stopping = true;
    written = write(feeder->stop_event, &one, sizeof(one));
    (void)written;
    /* An interruption wakes only who waits at that moment, so repeat it. */
    do {
        if (!feeder->done)
            muster_session_interrupt(feeder->session);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += FEEDER_JOIN_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
    } while (pthread_timedjoin_np(feeder->thread, NULL, &until) != 0);
    close(feeder->stop_event);
    feeder->started = false;
    feeder->done = true;
}

bool
feeder_failed(const struct feeder *feeder)
{
    if (!feeder->done || feeder->stopping)
        return false;
    return feeder->error.code != MUSTER_OK && feeder->error.code != MUSTER_ERR_CLOSED &&
           feeder->error.code != MUSTER_ERR_STATE && feeder->error.code != MUSTER_ERR_CANCELED &&
           feeder->error.code != MUSTER_ERR_INTERRUPTED;
}
