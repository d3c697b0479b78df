/* pool.c - see pool.h */
#include "pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "feed.h"

enum {
    POOL_CLOSE_MS = 5000,
    POOL_RESULT_BYTES = 256 * MIB,   /* of one call; it must fit memory on its way */
};

struct muster_pool {
    struct muster_session     *session;
    struct muster_pool_options options;      /* its texts and lists are ours */
    char                       key[33];      /* its jobs are deduplicated by it */
    pthread_mutex_t            opening;
    uint32_t                   refused;      /* jobs that nobody could run; of `opening` */
    uint64_t                   lead;         /* all share the cap of this job; of `opening` */
    /* guarded by the session's lock */
    struct list                functions;
    bool                       closed, terminated;
};

/* ---- open ---- */

static void
pool_copy_options(struct muster_pool_options *own, const struct muster_pool_options *options)
{
    *own = *options;
    own->name = copy_text(options->name);
    own->queue = copy_text(options->queue);
    own->labels = copy_texts(options->labels);
    own->named = copy_named(options->named, options->named_count);
}

muster_err
muster_pool_open(struct muster_session *session, const struct muster_pool_options *options,
                 struct muster_pool **pool_out, struct muster_error *error)
{
    struct muster_pool *pool;
    uint64_t            key[2];

    if (options != NULL && options->processes > TASKS_PER_JOB_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "a pool of %u processes",
                         (unsigned)options->processes);
    pool = base_alloc(sizeof(*pool));
    pool->session = session;
    if (options != NULL)
        pool_copy_options(&pool->options, options);
    auth_random(key, sizeof(key));
    (void)snprintf(pool->key, sizeof(pool->key), "%016llx%016llx", (unsigned long long)key[0],
                   (unsigned long long)key[1]);
    pthread_mutex_init(&pool->opening, NULL);
    list_init(&pool->functions);
    *pool_out = pool;
    return MUSTER_OK;
}

struct muster_session *
pool_session(const struct muster_pool *pool)
{
    return pool->session;
}

/* ---- functions ---- */

static void
pool_mark(struct muster_pool *pool, bool *mark)
{
    pthread_mutex_lock(&pool->session->lock);
    *mark = true;
    pthread_mutex_unlock(&pool->session->lock);
}

/* Has it ended already, so that nothing can be fed, closed or cancelled? */
static bool
pool_is_over(muster_err err)
{
    return err == MUSTER_ERR_CANCELED || err == MUSTER_ERR_NOT_FOUND || err == MUSTER_ERR_STATE;
}

/* Nothing more will come. */
static muster_err
pool_function_close(struct muster_pool *pool, struct pool_function *function, uint32_t timeout_ms,
                    struct muster_error *error)
{
    struct muster_error why = { 0 };
    muster_err          err;
    bool                closed;

    pthread_mutex_lock(&pool->session->lock);
    closed = function->closed || function->feeders > 0;
    pthread_mutex_unlock(&pool->session->lock);
    if (closed)
        return MUSTER_OK;
    err = muster_job_close_input(pool->session, function->job, timeout_ms, &why);
    if (err && !pool_is_over(err)) {
        if (error != NULL)
            *error = why;
        return err;
    }
    pool_mark(pool, &function->closed);
    return MUSTER_OK;
}

static struct pool_function *
pool_function_find(struct muster_pool *pool, const char *name)
{
    struct pool_function *found = NULL;

    pthread_mutex_lock(&pool->session->lock);
    for (struct list *at = pool->functions.next; at != &pool->functions; at = at->next) {
        struct pool_function *function = CONTAINER(at, struct pool_function, link);

        if (strcmp(function->name, name) == 0)
            found = function;
    }
    pthread_mutex_unlock(&pool->session->lock);
    return found;
}

static bool
worker_has(const struct wire_worker *worker, const char *name)
{
    struct reader in = reader_of(worker->functions.bytes);

    for (uint32_t i = 0; i < worker->functions.count; i++) {
        struct wire_text function;

        if (wire_get_text(&in, &function) && slice_equals_text(function.text, name))
            return true;
    }
    return false;
}

/* Can any worker call it? */
static muster_err
pool_look_for(const struct muster_pool *pool, const char *name, uint32_t timeout_ms,
              bool *found_out, struct muster_error *error)
{
    uint64_t after = 0;
    bool     found = false;
    bool     more = true;

    while (more && !found) {
        union wire_any m = { .worker_list_get = { .after = after } };
        struct ask     answer;
        struct reader  in;
        uint32_t       got = 0;
        muster_err     err = ask(pool->session, MSG_TYPE_WORKER_LIST_GET, &m, MSG_TYPE_WORKER_LIST,
                                 timeout_ms, &answer, error);

        if (err)
            return err;
        in = reader_of(answer.m.worker_list.workers.bytes);
        for (; !found && got < answer.m.worker_list.workers.count; got++) {
            struct wire_worker worker;

            if (!wire_get_worker(&in, &worker))
                break;
            found = worker_has(&worker, name);
            after = worker.session;
        }
        more = answer.m.worker_list.more && got > 0;
        ask_free(&answer);
    }
    *found_out = found;
    return MUSTER_OK;
}

static muster_err
pool_try_job(const struct muster_pool *pool, const char *name, uint64_t lead, uint32_t timeout_ms,
             struct muster_submitted *submitted_out, struct muster_error *error)
{
    const struct muster_pool_options *own = &pool->options;
    char                      dedup[sizeof(pool->key) + 12 + NAME_BYTES_MAX + 1];
    char                      parent[64];
    const char               *env[] = { task_parent(parent, sizeof(parent)), NULL };
    struct muster_job_options options = {
        .function = name, .env = env, .named = own->named, .named_count = own->named_count,
        .source = MUSTER_SOURCE_ITEMS, .name = own->name != NULL ? own->name : name,
        .queue = own->queue, .priority = own->priority, .cpus_milli = own->cpus_milli,
        .mem_bytes = own->mem_bytes, .labels = own->labels, .attempts_max = own->attempts_max,
        .running_max = own->processes, .cap_with = lead, .time_limit_ms = own->time_limit_ms,
        .output_bytes = POOL_RESULT_BYTES, .dedup = dedup, .session_bound = !own->detached,
        .own_key = own->own_key,
    };

    (void)snprintf(dedup, sizeof(dedup), "%s-%u-%s", pool->key, (unsigned)pool->refused, name);
    return muster_job_submit(pool->session, &options, timeout_ms, submitted_out, error);
}

/* `processes` holds for all its jobs together: the first one leads, the others
 * share its cap. */
static muster_err
pool_try_capped(struct muster_pool *pool, const char *name, uint64_t deadline_ms,
                struct muster_submitted *submitted_out, struct muster_error *error)
{
    struct muster_error why = { 0 };
    muster_err          err = pool_try_job(pool, name, pool->lead, timeout_left(deadline_ms),
                                           submitted_out, &why);

    if (err == MUSTER_ERR_NOT_FOUND && pool->lead != 0) {
        /* All that shared it were forgotten: this one leads. */
        pool->lead = 0;
        err = pool_try_job(pool, name, 0, timeout_left(deadline_ms), submitted_out, &why);
    } else if (err == MUSTER_ERR_CONFLICT && pool->lead != 0) {
        /* A try that seemed to fail before there was a lead did not. */
        err = pool_try_job(pool, name, 0, timeout_left(deadline_ms), submitted_out, &why);
        if (!err) {
            cancel_later(pool->session, submitted_out->job, NULL, 0, false, false);
            pool->refused++;
            err = pool_try_job(pool, name, pool->lead, timeout_left(deadline_ms), submitted_out,
                               &why);
        }
    }
    if (err && error != NULL)
        *error = why;
    return err;
}

static muster_err
pool_submit_job(struct muster_pool *pool, const char *name, uint32_t timeout_ms, uint64_t *job_out,
                struct muster_error *error)
{
    uint64_t                deadline_ms = deadline_after(timeout_ms);
    struct muster_submitted submitted;
    bool                    found = true;
    muster_err              err = pool_try_capped(pool, name, deadline_ms, &submitted, error);

    if (!err && submitted.warning[0] != '\0')
        err = pool_look_for(pool, name, timeout_left(deadline_ms), &found, error);
    if (err)
        return err;
    if (!found) {
        /* The next try is another job. */
        pool->refused++;
        cancel_later(pool->session, submitted.job, NULL, 0, false, false);
        return error_set(error, MUSTER_ERR_NOT_FOUND, "no worker has the function %s", name);
    }
    if (pool->options.processes > 0 && pool->lead == 0)
        pool->lead = submitted.job;
    *job_out = submitted.job;
    return MUSTER_OK;
}

static muster_err
pool_check(struct muster_pool *pool, const char *name, struct muster_error *error)
{
    bool over;

    pthread_mutex_lock(&pool->session->lock);
    over = pool->closed || pool->terminated;
    pthread_mutex_unlock(&pool->session->lock);
    if (over)
        return error_set(error, MUSTER_ERR_STATE, "the pool is closed");
    if (session_forked(pool->session, error))
        return MUSTER_ERR_SESSION;
    if (name == NULL || name[0] == '\0' || strlen(name) > NAME_BYTES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "a function's name has 1 to %u bytes",
                         (unsigned)NAME_BYTES_MAX);
    return MUSTER_OK;
}

muster_err
pool_function_open(struct muster_pool *pool, const char *name, uint32_t timeout_ms,
                   struct pool_function **function_out, struct muster_error *error)
{
    struct pool_function *function;
    uint64_t              job = 0;
    muster_err            err = pool_check(pool, name, error);

    if (err)
        return err;
    *function_out = pool_function_find(pool, name);
    if (*function_out != NULL)
        return MUSTER_OK;

    pthread_mutex_lock(&pool->opening);
    function = pool_function_find(pool, name);
    if (function == NULL)
        err = pool_submit_job(pool, name, timeout_ms, &job, error);
    if (function == NULL && !err) {
        function = base_alloc(sizeof(*function));
        function->job = job;
        text_put(function->name, sizeof(function->name), slice_text(name));
        pthread_mutex_lock(&pool->session->lock);
        function->collector = collector_open(pool->session, job, name);
        list_append(&pool->functions, &function->link);
        pthread_mutex_unlock(&pool->session->lock);
    }
    pthread_mutex_unlock(&pool->opening);
    if (!err)
        *function_out = function;
    return err;
}

bool
pool_feed_begin(struct muster_pool *pool, struct pool_function *function)
{
    bool over;

    pthread_mutex_lock(&pool->session->lock);
    over = pool->closed || pool->terminated;
    function->feeders += !over;
    pthread_mutex_unlock(&pool->session->lock);
    return !over;
}

void
pool_feed_end(struct muster_pool *pool, struct pool_function *function)
{
    bool close;

    pthread_mutex_lock(&pool->session->lock);
    assert(function->feeders > 0);
    close = --function->feeders == 0 && pool->closed;
    pthread_mutex_unlock(&pool->session->lock);
    /* When it cannot be told now, muster_pool_join() tells it. */
    if (close)
        (void)pool_function_close(pool, function, POOL_CLOSE_MS, NULL);
}

/* ---- calls ---- */

struct pool_adding {
    struct collector     *collector;
    future_ended         *ended;
    void                 *context;
    struct muster_future *future;
};

static bool
pool_added(void *context, uint32_t index)
{
    struct pool_adding *adding = context;

    adding->future = future_new(adding->collector, index, adding->ended, adding->context);
    return adding->collector->pending.count == 1;
}

muster_err
pool_call(struct muster_pool *pool, struct pool_function *function, struct slice data,
          uint32_t timeout_ms, future_ended *ended, void *context,
          struct muster_future **future_out, struct muster_error *error)
{
    struct pool_adding  adding = { .collector = function->collector, .ended = ended,
                                   .context = context };
    struct muster_error why = { 0 };
    muster_err          err = feed_item(pool->session, function->job, data, timeout_ms, pool_added,
                                        &adding, &why);

    if (!err) {
        *future_out = adding.future;
        return MUSTER_OK;
    }
    if (pool_is_over(err))
        return error_set(error, MUSTER_ERR_BROKEN_POOL,
                         "job %llu, which runs %s, takes no calls: %s",
                         (unsigned long long)function->job, function->name, why.detail);
    if (error != NULL)
        *error = why;
    return err;
}

muster_err
muster_pool_submit(struct muster_pool *pool, const char *function, const void *data, size_t bytes,
                   uint32_t timeout_ms, struct muster_future **future_out,
                   struct muster_error *error)
{
    CALL_SCOPE(pool->session);
    uint64_t              deadline_ms = deadline_after(timeout_ms);
    struct pool_function *found = NULL;
    muster_err            err = pool_function_open(pool, function, timeout_ms, &found, error);

    if (err)
        return err;
    return pool_call(pool, found, slice_of(data, bytes), timeout_left(deadline_ms), NULL, NULL,
                     future_out, error);
}

muster_err
muster_pool_apply(struct muster_pool *pool, const char *function, const void *data, size_t bytes,
                  uint32_t timeout_ms, struct muster_bytes *result_out, struct muster_error *error)
{
    CALL_SCOPE(pool->session);
    uint64_t              deadline_ms = deadline_after(timeout_ms);
    struct muster_future *future = NULL;
    muster_err            err = muster_pool_submit(pool, function, data, bytes, timeout_ms, &future,
                                                   error);

    if (err)
        return err;
    err = muster_future_result(future, timeout_left(deadline_ms), result_out, error);
    /* Nobody could take its result any more. */
    if (!muster_future_done(future)) {
        struct wire_range range = { future->index, future->index };

        cancel_later(pool->session, future->collector->stream.job, &range, 1, true, false);
    }
    muster_future_free(future);
    return err;
}

/* ---- the end ---- */

/* Its functions, one after the other: NULL at the end.  None is ever taken out. */
static struct pool_function *
pool_next(struct muster_pool *pool, const struct pool_function *before)
{
    const struct list *at;

    pthread_mutex_lock(&pool->session->lock);
    at = before == NULL ? pool->functions.next : before->link.next;
    pthread_mutex_unlock(&pool->session->lock);
    return at == &pool->functions ? NULL : CONTAINER(at, struct pool_function, link);
}

muster_err
muster_pool_close(struct muster_pool *pool, uint32_t timeout_ms, struct muster_error *error)
{
    CALL_SCOPE(pool->session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err = MUSTER_OK;

    pool_mark(pool, &pool->closed);
    for (struct pool_function *at = pool_next(pool, NULL); !err && at != NULL;
         at = pool_next(pool, at))
        err = pool_function_close(pool, at, timeout_left(deadline_ms), error);
    return err;
}

static muster_err
pool_cancel(struct muster_pool *pool, bool hard, bool waiting_only, uint64_t deadline_ms,
            struct muster_error *error)
{
    for (struct pool_function *at = pool_next(pool, NULL); at != NULL; at = pool_next(pool, at)) {
        union wire_any      m = { .job_cancel = { .job = at->job, .hard = hard,
                                                  .waiting_only = waiting_only } };
        struct muster_error why = { 0 };
        muster_err          err = ask_ack(pool->session, MSG_TYPE_JOB_CANCEL, &m,
                                          timeout_left(deadline_ms), NULL, &why);

        if (err && !pool_is_over(err)) {
            if (error != NULL)
                *error = why;
            return err;
        }
    }
    return MUSTER_OK;
}

muster_err
muster_pool_terminate(struct muster_pool *pool, uint32_t timeout_ms, struct muster_error *error)
{
    CALL_SCOPE(pool->session);

    pool_mark(pool, &pool->terminated);
    return pool_cancel(pool, true, false, deadline_after(timeout_ms), error);
}

/* Of the calls that have ended. */
static muster_err
pool_await_callbacks(struct muster_pool *pool, uint64_t deadline_ms, uint32_t timeout_ms,
                     struct muster_error *error)
{
    muster_err err;

    pthread_mutex_lock(&pool->session->lock);
    err = callbacks_await(pool->session, deadline_ms);
    if (err)
        err = session_wait_error(pool->session, err, "callbacks to return", timeout_ms, error);
    pthread_mutex_unlock(&pool->session->lock);
    return err;
}

muster_err
muster_pool_join(struct muster_pool *pool, uint32_t timeout_ms, struct muster_error *error)
{
    CALL_SCOPE(pool->session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    bool       over;
    muster_err err = MUSTER_OK;

    pthread_mutex_lock(&pool->session->lock);
    over = pool->closed || pool->terminated;
    pthread_mutex_unlock(&pool->session->lock);
    if (!over)
        return error_set(error, MUSTER_ERR_STATE, "close or terminate the pool before joining it");
    for (struct pool_function *at = pool_next(pool, NULL); !err && at != NULL;
         at = pool_next(pool, at)) {
        err = pool_function_close(pool, at, timeout_left(deadline_ms), error);
        if (err)
            break;
        pthread_mutex_lock(&pool->session->lock);
        err = collector_join(at->collector, deadline_ms, timeout_ms, error);
        pthread_mutex_unlock(&pool->session->lock);
    }
    return err ? err : pool_await_callbacks(pool, deadline_ms, timeout_ms, error);
}

muster_err
muster_pool_shutdown(struct muster_pool *pool, bool wait, bool cancel_futures, uint32_t timeout_ms,
                     struct muster_error *error)
{
    CALL_SCOPE(pool->session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err = muster_pool_close(pool, timeout_ms, error);

    if (!err && cancel_futures)
        err = pool_cancel(pool, false, true, deadline_ms, error);
    if (!err && wait)
        err = muster_pool_join(pool, timeout_left(deadline_ms), error);
    return err;
}

static void
pool_free_options(struct muster_pool_options *own)
{
    copy_named_free(own->named, own->named_count);
    copy_texts_free(own->labels);
    copy_text_free(own->queue);
    copy_text_free(own->name);
}

void
muster_pool_free(struct muster_pool *pool)
{
    struct pool_function *function;

    if (pool == NULL)
        return;
    /* What cannot be closed now is left open: it costs nothing but its name. */
    if (!pool->closed && !pool->terminated && pool->options.detached &&
        muster_pool_close(pool, POOL_CLOSE_MS, NULL) != MUSTER_OK)
        pool->closed = true;
    while ((function = pool_next(pool, NULL)) != NULL) {
        if (!pool->closed && !pool->terminated)
            cancel_later(pool->session, function->job, NULL, 0, true, false);
        pthread_mutex_lock(&pool->session->lock);
        list_remove(&function->link);
        collector_close(function->collector);
        pthread_mutex_unlock(&pool->session->lock);
        free(function);
    }
    pool_free_options(&pool->options);
    pthread_mutex_destroy(&pool->opening);
    free(pool);
}
