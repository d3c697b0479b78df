/* results.c - read a job's results as its tasks end
 *
 *   RESULTS_GET(cursor) -> answer -> page -> entry by entry to the caller
 *
 * 1. One request is out at a time (its cursor comes with the answer before),
 *    and the next is asked as soon as an answer is here, while the caller
 *    reads: up to RESULTS_PAGES_MAX answers wait, then it pauses.
 * 2. A request that finds nothing ends after RESULTS_WAIT_MS with fresh counts.
 * 3. Following is resumable: what counts is the cursor, not the connection.
 */
#include "results.h"

#include <assert.h>
#include <stdlib.h>

enum { RESULTS_PAGES_MAX = 3, RESULTS_WAIT_MS = 2000 };

struct results_page {
    struct list   link;
    struct buffer bytes;             /* the answer as it came */
    struct slice  entries;
    uint64_t      cursor, cursor_next;
};

struct muster_results {
    struct muster_session *session;
    uint64_t               job;
    bool                   brief;
    /* guarded by the session's lock */
    struct call            call;
    uint64_t               cursor;       /* of the request that is out or comes next */
    struct list            pages;
    uint32_t               page_count;
    bool                   ended;        /* nothing follows behind these pages */
    struct muster_counts   counts;
    enum muster_job_state  state;
    struct muster_error    error;
    /* of the reading thread */
    struct results_page   *page;
    struct reader          in;
    struct result_texts    texts;
};

void
result_fill(struct muster_result *result_out, struct result_texts *texts,
            const struct wire_entry *entry)
{
    const struct wire_result *result = &entry->result;

    text_put(texts->worker, sizeof(texts->worker), entry->worker);
    text_put(texts->host, sizeof(texts->host), result->host);
    text_put(texts->reason, sizeof(texts->reason), result->reason);
    *result_out = (struct muster_result){
        .index = entry->index,
        .count = entry->count,
        .attempt = entry->attempt,
        .outcome = (enum muster_outcome)result->outcome,
        .exit_code = result->exit_code,
        .started_unix_ms = result->started_unix_ms,
        .wall_us = result->wall_us,
        .cpu_us = result->cpu_us,
        .rss_bytes = result->rss_bytes,
        .pid = result->pid,
        .worker = texts->worker,
        .host = texts->host,
        .reason = texts->reason,
        .out = result->out.data,
        .err = result->err.data,
        .out_bytes = result->out.bytes,
        .err_bytes = result->err.bytes,
        .out_kept = result->out_kept,
        .err_kept = result->err_kept,
        .out_total = result->out_bytes,
        .err_total = result->err_bytes,
    };
}

/* ---- asking ---- */

static void results_ask(struct muster_results *results);

static void
page_free(struct results_page *page)
{
    buffer_free(&page->bytes);
    free(page);
}

static void
results_page(struct muster_results *results, const struct msg_results *m)
{
    struct results_page *page;

    results->counts = (struct muster_counts){ .total = m->counts.total,
                                              .running = m->counts.running,
                                              .succeeded = m->counts.succeeded,
                                              .failed = m->counts.failed,
                                              .cancelled = m->counts.cancelled };
    results->state = (enum muster_job_state)m->state;
    results->ended = m->ended;
    if (m->entries.bytes > 0) {
        page = base_alloc(sizeof(*page));
        page->bytes = results->call.answer;          /* the page owns it from here on */
        page->entries = m->entries;
        page->cursor = results->cursor;
        page->cursor_next = m->cursor;
        results->call.answer = (struct buffer){ 0 };
        list_append(&results->pages, &page->link);
        results->page_count++;
    }
    results->cursor = m->cursor;
}

static void
results_done(struct call *call)
{
    struct muster_results *results = CONTAINER(call, struct muster_results, call);
    union wire_any         m;

    if (call_answer(call, MSG_TYPE_RESULTS, &m, &results->error) == MUSTER_OK)
        results_page(results, &m.results);
    call_free(call);
    results_ask(results);
    waiters_wake(results->session, results);
}

static void
results_ask(struct muster_results *results)
{
    union wire_any m = { .results_get = { .job = results->job,
                                          .cursor = results->cursor,
                                          .wait_ms = RESULTS_WAIT_MS,
                                          .brief = results->brief } };

    if (results->call.state != CALL_NEW || results->ended || results->error.code != MUSTER_OK ||
        results->page_count >= RESULTS_PAGES_MAX)
        return;
    if (session_failed(results->session, &results->error))
        return;
    results->call.done = results_done;
    call_make(&results->call, MSG_TYPE_RESULTS_GET, &m);
    call_submit(results->session, &results->call, MUSTER_FOREVER);
}

/* ---- reading ---- */

muster_err
muster_results_open(struct muster_session *session, uint64_t job, uint64_t cursor, bool brief,
                    struct muster_results **results_out, struct muster_error *error)
{
    struct muster_results *results;

    if (job == 0)
        return error_set(error, MUSTER_ERR_INVALID, "job 0 is no job; ask for the latest with "
                                                    "muster_job_get");
    results = base_alloc(sizeof(*results));
    results->session = session;
    results->job = job;
    results->brief = brief;
    results->cursor = cursor;
    list_init(&results->pages);
    pthread_mutex_lock(&session->lock);
    results_ask(results);
    pthread_mutex_unlock(&session->lock);
    *results_out = results;
    return MUSTER_OK;
}

/* Take the next page, if there is one. */
static bool
results_turn(struct muster_results *results)
{
    if (results->page != NULL)
        page_free(results->page);
    results->page = NULL;
    if (list_empty(&results->pages))
        return false;
    results->page = CONTAINER(results->pages.next, struct results_page, link);
    list_remove(&results->page->link);
    results->page_count--;
    results->in = reader_of(results->page->entries);
    results_ask(results);
    return true;
}

static muster_err
results_wait(struct muster_results *results, uint32_t timeout_ms, struct muster_error *error)
{
    struct muster_session *session = results->session;
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;

    waiter_begin(session, &waiter, results);
    results_ask(results);
    while (!err && list_empty(&results->pages) && !results->ended &&
           results->error.code == MUSTER_OK)
        err = waiter_wait(session, &waiter, deadline_ms);
    waiter_end(&waiter);
    if (!list_empty(&results->pages))
        return MUSTER_OK;
    if (results->error.code != MUSTER_OK) {
        if (error != NULL)
            *error = results->error;
        return results->error.code;
    }
    if (results->ended)
        return error_set(error, MUSTER_ERR_CLOSED, "job %llu has ended and all was read",
                         (unsigned long long)results->job);
    return session_wait_error(session, err, "results", timeout_ms, error);
}

muster_err
muster_results_next(struct muster_results *results, uint32_t timeout_ms,
                    struct muster_result *result_out, struct muster_error *error)
{
    struct wire_entry entry;
    muster_err        err = MUSTER_OK;

    if (results->page == NULL || read_left(&results->in) == 0) {
        pthread_mutex_lock(&results->session->lock);
        if (!results_turn(results)) {
            err = results_wait(results, timeout_ms, error);
            if (!err)
                (void)results_turn(results);
        }
        pthread_mutex_unlock(&results->session->lock);
    }
    if (err)
        return err;
    if (!wire_get_entry(&results->in, &entry)) {
        results->in = reader_of(slice_of(NULL, 0));
        return error_set(error, MUSTER_ERR_INTERNAL,
                         "the manager sent results of job %llu that cannot be read",
                         (unsigned long long)results->job);
    }
    result_fill(result_out, &results->texts, &entry);
    return MUSTER_OK;
}

void
muster_results_progress(const struct muster_results *results, struct muster_counts *counts_out,
                        enum muster_job_state *state_out)
{
    pthread_mutex_lock(&results->session->lock);
    *counts_out = results->counts;
    *state_out = results->state;
    pthread_mutex_unlock(&results->session->lock);
}

uint64_t
muster_results_cursor(const struct muster_results *results)
{
    const struct results_page *page = results->page;
    uint64_t                   cursor;

    if (page != NULL)
        return read_left(&results->in) > 0 ? page->cursor : page->cursor_next;
    pthread_mutex_lock(&results->session->lock);
    if (list_empty(&results->pages))
        cursor = results->cursor;
    else
        cursor = CONTAINER(results->pages.next, struct results_page, link)->cursor;
    pthread_mutex_unlock(&results->session->lock);
    return cursor;
}

void
muster_results_close(struct muster_results *results)
{
    if (results == NULL)
        return;
    pthread_mutex_lock(&results->session->lock);
    call_abandon(&results->call);
    call_free(&results->call);
    pthread_mutex_unlock(&results->session->lock);
    while (!list_empty(&results->pages)) {
        struct results_page *page = CONTAINER(results->pages.next, struct results_page, link);

        list_remove(&page->link);
        page_free(page);
    }
    if (results->page != NULL)
        page_free(results->page);
    free(results);
}

/* ---- one result ---- */

struct result_owned {
    struct muster_result result;     /* first: what the public sees */
    struct result_texts  texts;
    struct ask           answer;
};

muster_err
muster_result_get(struct muster_session *session, uint64_t job, uint32_t index, uint32_t timeout_ms,
                  struct muster_result **result_out, struct muster_error *error)
{
    union wire_any       m = { .result_get = { .job = job, .index = index } };
    struct result_owned *owned = base_alloc(sizeof(*owned));
    struct wire_entry    entry;
    struct reader        in;
    muster_err           err;

    err = ask(session, MSG_TYPE_RESULT_GET, &m, MSG_TYPE_RESULTS, timeout_ms, &owned->answer,
              error);
    if (err) {
        free(owned);
        return err;
    }
    in = reader_of(owned->answer.m.results.entries);
    if (!wire_get_entry(&in, &entry) || index < entry.index || index - entry.index >= entry.count) {
        muster_result_free(&owned->result);
        return error_set(error, MUSTER_ERR_INTERNAL,
                         "the manager sent another result than that of task %llu.%u",
                         (unsigned long long)job, (unsigned)index);
    }
    entry.index = index;
    entry.count = 1;
    result_fill(&owned->result, &owned->texts, &entry);
    *result_out = &owned->result;
    return MUSTER_OK;
}

void
muster_result_free(struct muster_result *result)
{
    struct result_owned *owned = (struct result_owned *)(void *)result;

    if (owned == NULL)
        return;
    ask_free(&owned->answer);
    free(owned);
}
