/* feed.c - see feed.h */
#include "feed.h"

#include <assert.h>
#include <stdlib.h>

#include "collect.h"

struct feed_call {
    struct call  call;
    struct list  link;
    struct feed *feed;
    uint32_t     first;
    uint32_t     count;
};

/* ---- the pipeline ---- */

struct feed *
feed_find(struct muster_session *session, uint64_t job)
{
    return map_get(&session->feeds, job);
}

struct feed *
feed_new(struct muster_session *session, uint64_t job, uint32_t count, uint32_t skip)
{
    struct feed *feed = base_alloc(sizeof(*feed));

    assert(skip <= count);
    feed->session = session;
    feed->job = job;
    feed->next = count;
    feed->settled = count;
    feed->skip = skip;
    feed->flush_ms = CLIENT_NEVER;
    list_init(&feed->calls);
    map_put(&session->feeds, job, feed);
    return feed;
}

static void
feed_call_free(struct feed_call *sent)
{
    list_remove(&sent->link);
    sent->feed->in_flight--;
    call_free(&sent->call);
    free(sent);
}

void
feed_free(struct feed *feed)
{
    while (!list_empty(&feed->calls)) {
        struct feed_call *sent = CONTAINER(feed->calls.next, struct feed_call, link);

        call_abandon(&sent->call);
        feed_call_free(sent);
    }
    (void)map_remove(&feed->session->feeds, feed->job);
    wire_block_free(&feed->block);
    free(feed);
}

static void
feed_done(struct call *call)
{
    struct feed_call *sent = CONTAINER(call, struct feed_call, call);
    struct feed      *feed = sent->feed;
    union wire_any    m;

    if (feed->error.code == MUSTER_OK) {
        (void)call_answer(call, MSG_TYPE_ACK, &m, &feed->error);
        if (feed->error.code == MUSTER_OK && feed->settled == sent->first)
            feed->settled += sent->count;
        else if (feed->error.code != MUSTER_OK)
            collector_feed_failed(feed->session, feed->job, feed->settled, &feed->error);
    }
    feed_call_free(sent);
    if (feed->flush_ms <= clock_now_ms())
        feed_push(feed);
    waiters_wake(feed->session, feed);
}

/* The block before it was refused for a while (BUSY), so this one came too
 * early: it goes again behind that one. */
static bool
feed_retry(const struct call *call, muster_err code)
{
    const struct feed_call *sent = CONTAINER(call, const struct feed_call, call);

    return code == MUSTER_ERR_STATE && sent->feed->error.code == MUSTER_OK &&
           sent->first > sent->feed->settled;
}

void
feed_push(struct feed *feed)
{
    struct feed_call *sent;
    struct buffer     block = { 0 };
    union wire_any    m = { 0 };

    if (feed->block.count == 0 || feed->in_flight >= FEED_WINDOW || feed->error.code != MUSTER_OK)
        return;
    sent = base_alloc(sizeof(*sent));
    sent->feed = feed;
    sent->first = feed->next;
    sent->count = feed->block.count;
    sent->call.done = feed_done;
    sent->call.retry = feed_retry;
    wire_block_put(&block, &feed->block);
    m.job_items = (struct msg_job_items){ .job = feed->job,
                                          .first = sent->first,
                                          .count = sent->count,
                                          .block = buffer_slice(&block) };
    call_make(&sent->call, MSG_TYPE_JOB_ITEMS, &m);
    buffer_free(&block);

    feed->next += feed->block.count;
    wire_block_clear(&feed->block);
    feed->flush_ms = CLIENT_NEVER;
    list_append(&feed->calls, &sent->link);
    feed->in_flight++;
    call_submit(feed->session, &sent->call, MUSTER_FOREVER);
}

bool
feed_add(struct feed *feed, struct slice item, uint64_t now_ms)
{
    if (feed->skip > 0) {
        feed->skip--;
        return true;
    }
    if (!wire_block_add(&feed->block, item)) {
        feed_push(feed);
        if (!wire_block_add(&feed->block, item))
            return false;
    }
    if (feed->block.count == 1) {
        feed->flush_ms = now_ms + FEED_FLUSH_MS;
        session_wake(feed->session);
    }
    return true;
}

bool
feed_idle(const struct feed *feed)
{
    return feed->block.count == 0 && feed->in_flight == 0;
}

void
feeds_on_time(struct muster_session *session, uint64_t now_ms)
{
    struct feed *feed;
    size_t       cursor = 0;

    while ((feed = map_next(&session->feeds, &cursor, NULL)) != NULL) {
        if (feed->flush_ms <= now_ms)
            feed_push(feed);
    }
}

uint64_t
feeds_wake_ms(const struct muster_session *session)
{
    const struct feed *feed;
    size_t             cursor = 0;
    uint64_t           wake_ms = CLIENT_NEVER;

    while ((feed = map_next(&session->feeds, &cursor, NULL)) != NULL) {
        /* With a full window the next answer pushes it. */
        if (feed->in_flight < FEED_WINDOW && feed->error.code == MUSTER_OK &&
            feed->flush_ms < wake_ms)
            wake_ms = feed->flush_ms;
    }
    return wake_ms;
}

void
feeds_free(struct muster_session *session)
{
    struct feed *feed;
    size_t       cursor = 0;

    while ((feed = map_next(&session->feeds, &cursor, NULL)) != NULL)
        feed_free(feed);
    map_free(&session->feeds);
}

/* ---- public calls ---- */

/* A job that this session did not submit: how many items has it? */
static muster_err
feed_adopt(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
           struct muster_error *error)
{
    struct muster_job_info info;
    muster_err             err;

    if (job == 0)
        return error_set(error, MUSTER_ERR_INVALID, "job 0 is no job");
    err = muster_job_get(session, job, timeout_ms, &info, error);
    if (err)
        return err;
    if (!info.open) {
        err = error_set(error, MUSTER_ERR_STATE, "job %llu takes no more input",
                        (unsigned long long)job);
    } else {
        pthread_mutex_lock(&session->lock);
        if (feed_find(session, job) == NULL)
            (void)feed_new(session, job, info.counts.total, 0);
        pthread_mutex_unlock(&session->lock);
    }
    muster_job_info_free(&info);
    return err;
}

/* Returns with the lock held when OK. */
static muster_err
feed_lock(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
          struct feed **feed_out, struct muster_error *error)
{
    struct feed *feed;
    muster_err   err;

    pthread_mutex_lock(&session->lock);
    while ((feed = feed_find(session, job)) == NULL) {
        pthread_mutex_unlock(&session->lock);
        err = feed_adopt(session, job, timeout_ms, error);
        if (err)
            return err;
        pthread_mutex_lock(&session->lock);
    }
    *feed_out = feed;
    return MUSTER_OK;
}

static muster_err
feed_error(const struct feed *feed, struct muster_error *error)
{
    if (feed->error.code != MUSTER_OK && error != NULL)
        *error = feed->error;
    return feed->error.code;
}

/* Of the next item. */
static uint32_t
feed_index(const struct feed *feed)
{
    return feed->skip > 0 ? feed->next - feed->skip : feed->next + feed->block.count;
}

/* The window is full: wait for an answer, then try again. */
static muster_err
feed_wait_add(struct feed *feed, struct slice item, uint32_t timeout_ms, uint32_t *index_out,
              struct muster_error *error)
{
    struct muster_session *session = feed->session;
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;
    bool                   added = false;

    waiter_begin(session, &waiter, feed);
    feed->waiting++;
    while (!err && !added && feed->error.code == MUSTER_OK) {
        err = waiter_wait(session, &waiter, deadline_ms);
        *index_out = feed_index(feed);
        added = !err && feed_add(feed, item, clock_now_ms());
    }
    feed->waiting--;
    waiter_end(&waiter);
    if (err)
        return session_wait_error(session, err, "room for more input", timeout_ms, error);
    return added ? MUSTER_OK : feed_error(feed, error);
}

muster_err
feed_item(struct muster_session *session, uint64_t job, struct slice item, uint32_t timeout_ms,
          feed_added *added, void *context, struct muster_error *error)
{
    struct feed *feed = NULL;
    uint32_t     index;
    muster_err   err;

    if (item.bytes > ITEM_BYTES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE,
                         "an item has %zu bytes; at most %u are allowed",
                         item.bytes, (unsigned)ITEM_BYTES_MAX);
    err = feed_lock(session, job, timeout_ms, &feed, error);
    if (err)
        return err;
    err = feed_error(feed, error);
    if (!err && session_failed(session, error))
        err = session->machine.error.code;
    if (!err && feed->next + feed->block.count >= TASKS_PER_JOB_MAX)
        err = error_set(error, MUSTER_ERR_FULL,
                        "job %llu has %u tasks already, the most there may be",
                        (unsigned long long)job, (unsigned)TASKS_PER_JOB_MAX);
    index = feed_index(feed);
    if (!err && !feed_add(feed, item, clock_now_ms()))
        err = feed_wait_add(feed, item, timeout_ms, &index, error);
    if (!err && added != NULL && added(context, index))
        feed_push(feed);
    pthread_mutex_unlock(&session->lock);
    return err;
}

muster_err
muster_job_feed(struct muster_session *session, uint64_t job, const void *item, size_t bytes,
                uint32_t timeout_ms, struct muster_error *error)
{
    return feed_item(session, job, slice_of(item, bytes), timeout_ms, NULL, NULL, error);
}

void
feed_nudge(struct muster_session *session, uint64_t job)
{
    struct feed *feed;

    pthread_mutex_lock(&session->lock);
    feed = feed_find(session, job);
    if (feed != NULL)
        feed_push(feed);
    pthread_mutex_unlock(&session->lock);
}

bool
feed_is_settled(struct muster_session *session, uint64_t job, uint32_t index)
{
    const struct feed *feed = feed_find(session, job);

    return feed == NULL || feed->error.code != MUSTER_OK || index < feed->settled;
}

static muster_err
feed_wait_idle(struct feed *feed, uint32_t timeout_ms, struct muster_error *error)
{
    struct muster_session *session = feed->session;
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;

    waiter_begin(session, &waiter, feed);
    feed->waiting++;
    feed_push(feed);
    while (!err && !feed_idle(feed) && feed->error.code == MUSTER_OK) {
        err = waiter_wait(session, &waiter, deadline_ms);
        feed_push(feed);
    }
    feed->waiting--;
    waiter_end(&waiter);
    if (err)
        return session_wait_error(session, err, "the input to be taken", timeout_ms, error);
    return feed_error(feed, error);
}

muster_err
muster_job_feed_flush(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
                      struct muster_error *error)
{
    struct feed *feed = NULL;
    muster_err   err = feed_lock(session, job, timeout_ms, &feed, error);

    if (err)
        return err;
    err = feed_wait_idle(feed, timeout_ms, error);
    pthread_mutex_unlock(&session->lock);
    return err;
}

muster_err
muster_job_close_input(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
                       struct muster_error *error)
{
    CALL_SCOPE(session);
    struct feed   *feed = NULL;
    union wire_any m = { 0 };
    muster_err     err = feed_lock(session, job, timeout_ms, &feed, error);

    if (err)
        return err;
    err = feed_wait_idle(feed, timeout_ms, error);
    m.job_close = (struct msg_job_close){ .job = job, .count = feed->next };
    pthread_mutex_unlock(&session->lock);
    if (!err)
        err = ask_ack(session, MSG_TYPE_JOB_CLOSE, &m, timeout_ms, NULL, error);
    if (err)
        return err;

    pthread_mutex_lock(&session->lock);
    feed = feed_find(session, job);
    if (feed != NULL && feed->waiting == 0)
        feed_free(feed);
    pthread_mutex_unlock(&session->lock);
    return MUSTER_OK;
}
