/* test_results.c - a job's results, in order, once, to the end
 *
 * Method: the fake manager has one block of entries and says when the job has
 * ended; a story reads to the end while the manager misbehaves.
 */
#include "fake.h"

enum { CALL_MS = 8000, JOB = 7 };

static void
put_entry(struct buffer *out, uint32_t index, uint32_t count, const char *text, unsigned outcome)
{
    struct wire_entry entry = { .index = index, .count = count, .attempt = 1,
                                .worker = slice_text("w1") };

    entry.result.outcome = (uint8_t)outcome;
    entry.result.host = slice_text("host");
    entry.result.reason = slice_text(outcome == OUTCOME_CANCELLED ? "cancelled" : "");
    entry.result.out = slice_text(text);
    entry.result.out_bytes = strlen(text);
    entry.result.out_kept = (uint32_t)strlen(text);
    wire_put_entry(out, &entry);
}

static void
put_three(struct fake *fake)
{
    put_entry(&fake->entries, 1, 1, "one\n", OUTCOME_SUCCEEDED);
    put_entry(&fake->entries, 0, 1, "zero\n", OUTCOME_EXITED);
    put_entry(&fake->entries, 2, 5, "", OUTCOME_CANCELLED);
}

struct results_case {
    const char *story;
    bool        entries;
    bool        ended;               /* from the start; else told after the entries were read */
    int         cut, forget, busy;
    uint64_t    cursor;              /* to begin with */
    uint32_t    expected;            /* entries */
    muster_err  last;
};

static const struct results_case cases[] = {
    { "a job that has ended", true, true, 0, 0, 0, 0, 3, MUSTER_ERR_CLOSED },
    { "a job that goes on: nothing new in time", true, false, 0, 0, 0, 0, 3, MUSTER_ERR_TIMEOUT },
    { "a job without results", false, true, 0, 0, 0, 0, 0, MUSTER_ERR_CLOSED },
    { "from a cursor", true, true, 0, 0, 0, 1, 0, MUSTER_ERR_CLOSED },
    { "over a lost connection", true, true, 1, 0, 0, 0, 3, MUSTER_ERR_CLOSED },
    { "over a lost session", true, true, 0, 1, 0, 0, 3, MUSTER_ERR_CLOSED },
    { "from a busy manager", true, true, 0, 0, 2, 0, 3, MUSTER_ERR_CLOSED },
};

static void
check_three(struct muster_result *result, uint32_t number)
{
    static const struct {
        uint32_t            index, count;
        const char         *out;
        enum muster_outcome outcome;
    } rows[] = {
        { 1, 1, "one\n", MUSTER_OUTCOME_SUCCEEDED },
        { 0, 1, "zero\n", MUSTER_OUTCOME_EXITED },
        { 2, 5, "", MUSTER_OUTCOME_CANCELLED },
    };

    assert_int_equal(result->index, rows[number].index);
    assert_int_equal(result->count, rows[number].count);
    assert_int_equal(result->outcome, rows[number].outcome);
    assert_int_equal(result->out_bytes, strlen(rows[number].out));
    assert_memory_equal(result->out_bytes > 0 ? result->out : "", rows[number].out,
                        result->out_bytes);
    assert_string_equal(result->worker, "w1");
    assert_string_equal(result->host, "host");
    assert_string_equal(result->reason, number == 2 ? "cancelled" : "");
}

static void
test_results(void **state)
{
    const struct results_case *c = *state;
    struct fake               *fake = fake_start(true);
    struct muster_session     *session = fake_connect(fake);
    struct muster_results     *results = NULL;
    struct muster_result       result;
    struct muster_counts       counts;
    enum muster_job_state      job_state;
    struct muster_error        error = { 0 };
    uint32_t                   number = 0;
    muster_err                 err;

    if (c->entries)
        put_three(fake);
    atomic_store(&fake->job_ended, c->ended);
    atomic_store(&fake->cut_next, c->cut);
    atomic_store(&fake->forget_next, c->forget);
    atomic_store(&fake->busy_next, c->busy);
    assert_int_equal(muster_results_open(session, JOB, c->cursor, false, &results, &error),
                     MUSTER_OK);
    for (;; number++) {
        err = muster_results_next(results, number < c->expected ? CALL_MS : 150, &result, &error);
        if (err)
            break;
        check_three(&result, number);
        /* In the middle of an answer a new reader gets the whole of it again. */
        assert_int_equal(muster_results_cursor(results), number == 2 ? 1 : 0);
    }
    assert_int_equal(err, c->last);
    assert_int_equal(error.code, c->last);
    assert_int_equal(number, c->expected);
    assert_int_equal(muster_results_cursor(results), c->entries ? 1 : 0);
    muster_results_progress(results, &counts, &job_state);
    assert_int_equal(counts.total, 3);
    assert_int_equal(job_state, c->ended ? MUSTER_JOB_SUCCEEDED : MUSTER_JOB_RUNNING);
    if (err == MUSTER_ERR_TIMEOUT) {
        atomic_store(&fake->job_ended, 1);
        assert_int_equal(muster_results_next(results, CALL_MS, &result, &error), MUSTER_ERR_CLOSED);
    }
    muster_results_close(results);
    muster_session_close(session);
    fake_stop(fake);
}

/* ---- single stories ---- */

struct reading {
    struct muster_results *results;
    muster_err             err;
};

static void *
reading_run(void *context)
{
    struct reading      *reading = context;
    struct muster_result result;

    do
        reading->err = muster_results_next(reading->results, MUSTER_FOREVER, &result, NULL);
    while (!reading->err);
    return NULL;
}

static void
test_interrupt(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct reading         reading = { 0 };
    pthread_t              thread;

    (void)state;
    put_three(fake);
    assert_int_equal(muster_results_open(session, JOB, 0, false, &reading.results, NULL),
                     MUSTER_OK);
    assert_int_equal(pthread_create(&thread, NULL, reading_run, &reading), 0);
    WAIT_UNTIL(atomic_load(&fake->requests) >= 3);       /* long polls that found nothing */
    muster_session_interrupt(session);
    pthread_join(thread, NULL);
    assert_int_equal(reading.err, MUSTER_ERR_INTERRUPTED);
    /* Reading goes on where it was. */
    atomic_store(&fake->job_ended, 1);
    reading_run(&reading);
    assert_int_equal(reading.err, MUSTER_ERR_CLOSED);
    muster_results_close(reading.results);
    muster_session_close(session);
    fake_stop(fake);
}

static bool
garbage(struct fake *fake, const struct wire_message *message, const union wire_any *m)
{
    union wire_any answer = { .results = { .job = JOB, .entries = slice_text("no entry") } };

    (void)m;
    if (message->type != MSG_TYPE_RESULT_GET)
        return false;
    fake_send(fake, MSG_TYPE_RESULTS, message->request, &answer);
    return true;
}

static void
test_garbage(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct muster_results *results = NULL;
    struct muster_result   result, *one = NULL;
    struct muster_error    error = { 0 };

    (void)state;
    atomic_store(&fake->also, garbage);
    buffer_append_text(&fake->entries, "this is no entry");
    atomic_store(&fake->job_ended, 1);
    assert_int_equal(muster_results_open(session, JOB, 0, false, &results, &error), MUSTER_OK);
    assert_int_equal(muster_results_next(results, CALL_MS, &result, &error), MUSTER_ERR_INTERNAL);
    muster_results_close(results);
    assert_int_equal(muster_result_get(session, JOB, 0, CALL_MS, &one, &error),
                     MUSTER_ERR_INTERNAL);
    assert_null(one);
    assert_int_equal(muster_results_open(session, 0, 0, false, &results, &error),
                     MUSTER_ERR_INVALID);
    muster_session_close(session);
    fake_stop(fake);
}

int
main(void)
{
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_garbage),
    };

    return STORIES("results", cases, test_results) +
           cmocka_run_group_tests_name("readers", stories, NULL, NULL);
}
