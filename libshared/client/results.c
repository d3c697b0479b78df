/* results.c - read a job's results as its tasks end
 *
 *   stream -> page -> entry by entry to the caller
 *
 * The stream goes on while the caller reads: up to RESULTS_PAGES_MAX answers
 * wait, then it pauses.
 */
#include "results.h"

#include <assert.h>
#include <stdlib.h>

#include "stream.h"

enum { RESULTS_PAGES_MAX = 3 };

struct results_page {
    struct list   link;
    struct buffer bytes;             /* the answer as it came */
    struct slice  entries;
    uint64_t      cursor, cursor_next;
};

struct muster_results {
    /* guarded by the session's lock */
    struct stream        stream;
    struct list          pages;
    uint32_t             page_count;
    /* of the reading thread */
    struct results_page *page;
    struct reader        in;
    struct result_texts  texts;
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

/* ---- pages ---- */

static void
page_free(struct results_page *page)
{
    buffer_free(&page->bytes);
    free(page);
}

static bool
results_want(const struct stream *stream)
{
    return CONTAINER(stream, const struct muster_results, stream)->page_count < RESULTS_PAGES_MAX;
}

static void
results_told(struct stream *stream, const struct msg_results *m)
{
    struct muster_results *results = CONTAINER(stream, struct muster_results, stream);
    struct results_page   *page;

    if (m != NULL && m->entries.bytes > 0) {
        page = base_alloc(sizeof(*page));
        page->bytes = stream->call.answer;           /* the page owns it from here on */
        page->entries = m->entries;
        page->cursor = stream->cursor;
        page->cursor_next = m->cursor;
        stream->call.answer = (struct buffer){ 0 };
        list_append(&results->pages, &page->link);
        results->page_count++;
    }
    waiters_wake(stream->session, results);
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
    results->stream = (struct stream){ .session = session, .job = job, .wants = results_want,
                                       .told = results_told, .brief = brief, .cursor = cursor };
    list_init(&results->pages);
    pthread_mutex_lock(&session->lock);
    stream_ask(&results->stream);
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
    stream_ask(&results->stream);
    return true;
}

static muster_err
results_wait(struct muster_results *results, uint32_t timeout_ms, struct muster_error *error)
{
    const struct stream   *stream = &results->stream;
    struct muster_session *session = stream->session;
    uint64_t               deadline_ms = deadline_after(timeout_ms);
    struct waiter          waiter;
    muster_err             err = MUSTER_OK;

    waiter_begin(session, &waiter, results);
    stream_ask(&results->stream);
    while (!err && list_empty(&results->pages) && !stream->ended &&
           stream->error.code == MUSTER_OK)
        err = waiter_wait(session, &waiter, deadline_ms);
    waiter_end(&waiter);
    if (!list_empty(&results->pages))
        return MUSTER_OK;
    if (stream->error.code != MUSTER_OK) {
        if (error != NULL)
            *error = stream->error;
        return stream->error.code;
    }
    if (stream->ended)
        return error_set(error, MUSTER_ERR_CLOSED, "job %llu has ended and all was read",
                         (unsigned long long)stream->job);
    return session_wait_error(session, err, "results", timeout_ms, error);
}

muster_err
muster_results_next(struct muster_results *results, uint32_t timeout_ms,
                    struct muster_result *result_out, struct muster_error *error)
{
    struct wire_entry entry;
    muster_err        err = MUSTER_OK;

    if (results->page == NULL || read_left(&results->in) == 0) {
        pthread_mutex_lock(&results->stream.session->lock);
        if (!results_turn(results)) {
            err = results_wait(results, timeout_ms, error);
            if (!err)
                (void)results_turn(results);
        }
        pthread_mutex_unlock(&results->stream.session->lock);
    }
    if (err)
        return err;
    if (!wire_get_entry(&results->in, &entry)) {
        results->in = reader_of(slice_of(NULL, 0));
        return error_set(error, MUSTER_ERR_INTERNAL,
                         "the manager sent results of job %llu that cannot be read",
                         (unsigned long long)results->stream.job);
    }
    result_fill(result_out, &results->texts, &entry);
    return MUSTER_OK;
}

void
muster_results_progress(const struct muster_results *results, struct muster_counts *counts_out,
                        enum muster_job_state *state_out)
{
    pthread_mutex_lock(&results->stream.session->lock);
    *counts_out = results->stream.counts;
    *state_out = results->stream.state;
    pthread_mutex_unlock(&results->stream.session->lock);
}

uint64_t
muster_results_cursor(const struct muster_results *results)
{
    const struct results_page *page = results->page;
    uint64_t                   cursor;

    if (page != NULL)
        return read_left(&results->in) > 0 ? page->cursor : page->cursor_next;
    pthread_mutex_lock(&results->stream.session->lock);
    if (list_empty(&results->pages))
        cursor = results->stream.cursor;
    else
        cursor = CONTAINER(results->pages.next, struct results_page, link)->cursor;
    pthread_mutex_unlock(&results->stream.session->lock);
    return cursor;
}

void
muster_results_close(struct muster_results *results)
{
    if (results == NULL)
        return;
    pthread_mutex_lock(&results->stream.session->lock);
    stream_stop(&results->stream);
    pthread_mutex_unlock(&results->stream.session->lock);
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
