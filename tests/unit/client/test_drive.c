/* test_drive.c - whoever waits is woken, whichever thread drives the session
 *
 * Method: a session that hears nothing by itself for a minute, so that a wake-up that is
 * lost is not made good by a beat: the request runs out of time instead.
 */
#include <assert.h>

#include "fake_objects.h"

enum { CALM_MS = 60000, CALL_MS = 10000, THREADS = 4, CALLS = 300, ROUNDS = 100 };

/* Two sessions with a manager each; most stories need one. */
struct calm {
    struct fake           *fakes[2];
    struct muster_session *sessions[2];
    struct muster_event   *events[2];
    struct muster_queue   *queue;          /* of the first */
};

static struct calm
calm_open(unsigned sessions)
{
    struct calm         calm = { 0 };
    struct muster_error error;

    seen.quiet = 1;
    for (unsigned i = 0; i < sessions; i++) {
        calm.fakes[i] = fake_start(true);
        atomic_store(&calm.fakes[i]->beat_ms, CALM_MS);
        atomic_store(&calm.fakes[i]->also, answer);
        calm.sessions[i] = fake_connect(calm.fakes[i]);
        assert_int_equal(muster_event_open(calm.sessions[i], NULL, CALL_MS, &calm.events[i],
                                           &error), 0);
    }
    assert_int_equal(muster_queue_open(calm.sessions[0], NULL, 0, CALL_MS, &calm.queue, &error),
                     0);
    return calm;
}

static void
calm_close(struct calm *calm)
{
    muster_queue_close(calm->queue);
    for (unsigned i = 0; i < 2 && calm->sessions[i] != NULL; i++) {
        muster_event_close(calm->events[i]);
        muster_session_close(calm->sessions[i]);
        fake_stop(calm->fakes[i]);
    }
}

/* ---- threads ---- */

struct asker {
    pthread_t            thread;
    struct muster_event *events[2];        /* asked in turns; the second may be NULL */
    _Atomic int          failed;
};

static void *
asker_run(void *context)
{
    struct asker       *asker = context;
    struct muster_error error;

    for (unsigned i = 0; i < CALLS; i++)
        for (unsigned j = 0; j < 2 && asker->events[j] != NULL; j++)
            asker->failed += muster_event_set(asker->events[j], CALL_MS, &error) != MUSTER_OK;
    return NULL;
}

static void
askers_run(struct asker *askers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]), 0);
    for (unsigned i = 0; i < count; i++)
        pthread_join(askers[i].thread, NULL);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(askers[i].failed, 0);
}

/* Waits for an item that never comes, again and again, until it is told to end. */
struct sleeper {
    pthread_t            thread;
    struct muster_queue *queue;
    _Atomic uint64_t     begun, woken;
    _Atomic bool         ending;
    _Atomic int          failed;
};

static void *
sleeper_run(void *context)
{
    struct sleeper     *sleeper = context;
    struct muster_item  item;
    struct muster_error error;

    while (!atomic_load(&sleeper->ending)) {
        atomic_fetch_add(&sleeper->begun, 1);
        sleeper->failed += muster_queue_get(sleeper->queue, MUSTER_FOREVER, &item, &error) !=
                           MUSTER_ERR_INTERRUPTED;
        atomic_fetch_add(&sleeper->woken, 1);
    }
    return NULL;
}

/* Interrupt until it has come back once more: a call that begins behind an interruption
 * does not hear of it. */
static void
sleeper_wake(struct sleeper *sleeper, struct muster_session *session, uint64_t woken)
{
    uint64_t until_ms = clock_now_ms() + CALL_MS;

    while (atomic_load(&sleeper->woken) == woken && clock_now_ms() < until_ms) {
        muster_session_interrupt(session);
        sched_yield();
    }
    assert_true(atomic_load(&sleeper->woken) > woken);
}

/* ---- stories ---- */

static void
story_alone(void)
{
    struct calm  calm = calm_open(1);
    struct asker asker = { .events = { calm.events[0] } };

    askers_run(&asker, 1);
    calm_close(&calm);
}

static void
story_many(void)
{
    struct calm  calm = calm_open(1);
    struct asker askers[THREADS] = { 0 };

    for (unsigned i = 0; i < THREADS; i++)
        askers[i].events[0] = calm.events[0];
    askers_run(askers, THREADS);
    calm_close(&calm);
}

static void
story_two_sessions(void)
{
    struct calm  calm = calm_open(2);
    struct asker askers[THREADS] = { 0 };

    for (unsigned i = 0; i < THREADS; i++) {
        askers[i].events[0] = calm.events[i % 2];
        askers[i].events[1] = calm.events[1 - i % 2];
    }
    askers_run(askers, THREADS);
    calm_close(&calm);
}

static void
sleeper_start(struct sleeper *sleeper, const struct calm *calm)
{
    *sleeper = (struct sleeper){ .queue = calm->queue };
    assert_int_equal(pthread_create(&sleeper->thread, NULL, sleeper_run, sleeper), 0);
    while (atomic_load(&sleeper->begun) == 0)
        sched_yield();
}

static void
sleeper_end(struct sleeper *sleeper, const struct calm *calm)
{
    uint64_t woken = atomic_load(&sleeper->woken);

    atomic_store(&sleeper->ending, true);
    sleeper_wake(sleeper, calm->sessions[0], woken);
    pthread_join(sleeper->thread, NULL);
    assert_int_equal(sleeper->failed, 0);
}

/* The one that sleeps drives; the others ask meanwhile. */
static void
story_beside_a_sleeper(void)
{
    struct calm    calm = calm_open(1);
    struct asker   askers[THREADS] = { 0 };
    struct sleeper sleeper;

    sleeper_start(&sleeper, &calm);
    for (unsigned i = 0; i < THREADS; i++)
        askers[i].events[0] = calm.events[0];
    askers_run(askers, 1);
    askers_run(askers, THREADS);
    sleeper_end(&sleeper, &calm);
    calm_close(&calm);
}

static void
story_interrupted(void)
{
    struct calm    calm = calm_open(1);
    struct sleeper sleeper;

    sleeper_start(&sleeper, &calm);
    for (uint64_t i = 0; i < ROUNDS; i++)
        sleeper_wake(&sleeper, calm.sessions[0], atomic_load(&sleeper.woken));
    sleeper_end(&sleeper, &calm);
    calm_close(&calm);
}

/* The connection is lost while nobody asks, and while somebody waits. */
static void
story_lost_while_idle(void)
{
    struct calm         calm = calm_open(1);
    struct muster_error error;
    uint64_t            resumes;

    for (unsigned i = 0; i < 5; i++) {
        resumes = atomic_load(&calm.fakes[0]->resumes);
        seen.cut = 1;
        assert_int_equal(muster_event_set(calm.events[0], CALL_MS, &error), MUSTER_OK);
        assert_true(atomic_load(&calm.fakes[0]->resumes) > resumes);
    }
    fake_halt(calm.fakes[0]);
    fake_serve(calm.fakes[0], true);
    assert_int_equal(muster_event_set(calm.events[0], CALL_MS, &error), MUSTER_OK);
    calm_close(&calm);
}

struct story_case {
    const char *story;
    void (*run)(void);
};

static const struct story_case stories[] = {
    { "one request after the other", story_alone },
    { "many threads at one session", story_many },
    { "threads that go from session to session", story_two_sessions },
    { "requests beside a thread that waits for ever", story_beside_a_sleeper },
    { "every interruption wakes", story_interrupted },
    { "a connection that is lost comes back", story_lost_while_idle },
};

static void
test_story(void **state)
{
    const struct story_case *c = *state;

    c->run();
}

int
main(void)
{
    return STORIES("who drives", stories, test_story);
}
