/* test_output.c - a task's output: every kept byte once, in order
 *
 * Method: the fake task writes the letters a, b, c ... `total` of them, of which
 * `kept` are kept (head, "|", tail).  The manager sends live pieces as told,
 * then the task ends.  What the follower got is compared as a whole.
 */
#include "fake.h"

enum { CALL_MS = 8000, JOB = 7, INDEX = 3, INLINE_BYTES = 4 };

struct piece { uint32_t attempt; uint64_t offset; const char *text; };

struct output_case {
    const char  *story;
    const char  *kept;
    uint64_t     total;
    uint32_t     attempt;            /* the one whose result it is */
    struct piece pieces[4];          /* stdout; sent when followed */
    int          cut;
    const char  *expected;
};

static const struct output_case cases[] = {
    { "nothing written", "", 0, 1, { { 0 } }, 0, "" },
    { "a short output, nothing live", "ab", 2, 1, { { 0 } }, 0, "ab" },
    { "longer than what comes inline", "abcdefghij", 10, 1, { { 0 } }, 0, "abcdefghij" },
    { "all of it live", "abcdef", 6, 1, { { 1, 0, "abc" }, { 1, 3, "def" } }, 0, "abcdef" },
    { "the rest is fetched", "abcdefghij", 10, 1, { { 1, 0, "abc" } }, 0, "abcdefghij" },
    { "a piece twice", "abcdef", 6, 1, { { 1, 0, "abc" }, { 1, 0, "abc" }, { 1, 3, "def" } }, 0,
      "abcdef" },
    { "pieces that overlap", "abcdef", 6, 1, { { 1, 0, "abcd" }, { 1, 2, "cdef" } }, 0, "abcdef" },
    { "a lost piece: what follows waits for the end", "abcdefghij", 10, 1,
      { { 1, 0, "abc" }, { 1, 6, "ghi" } }, 0, "abcdefghij" },
    { "it begins in the middle", "abcdefghij", 10, 1, { { 1, 4, "efg" } }, 0, "abcdefghij" },
    { "a second attempt starts over", "xyz", 3, 2, { { 1, 0, "ab" }, { 2, 0, "xy" } }, 0, "abxyz" },
    { "a late piece of the first attempt", "xyz", 3, 2, { { 2, 0, "xy" }, { 1, 0, "ab" } }, 0,
      "xyz" },
    { "the end is told", "abcdef", 6, 1, { { 1, 0, "abc" }, { 1, 0, "" } }, 0, "abcdef" },
    { "over a lost connection", "abcdef", 6, 1, { { 1, 0, "abc" } }, 1, "abcdef" },
};

static const struct output_case *_Atomic playing;
static _Atomic int                       followed;

static void
send_pieces(struct fake *fake, uint64_t request)
{
    for (const struct piece *piece = playing->pieces; piece->text != NULL; piece++) {
        union wire_any m = { .task_output = { .token = { .job = JOB, .index = INDEX,
                                                         .attempt = piece->attempt, .epoch = 1 },
                                              .offset = piece->offset,
                                              .data = slice_text(piece->text) } };

        fake_send(fake, MSG_TYPE_TASK_OUTPUT, request, &m);
        m.task_output.stream = 1;           /* stderr is none of our business */
        fake_send(fake, MSG_TYPE_TASK_OUTPUT, request, &m);
    }
}

static void
send_result(struct fake *fake, uint64_t request)
{
    struct buffer     entries = { 0 };
    struct wire_entry entry = { .index = INDEX, .count = 1, .attempt = playing->attempt };
    union wire_any    m = { .results = { .job = JOB, .ended = 1, .state = JOB_SUCCEEDED } };

    entry.result.out_bytes = playing->total;
    entry.result.out_kept = (uint32_t)strlen(playing->kept);
    entry.result.out = slice_cut(slice_text(playing->kept), 0, INLINE_BYTES);
    wire_put_entry(&entries, &entry);
    m.results.entries = buffer_slice(&entries);
    fake_send(fake, MSG_TYPE_RESULTS, request, &m);
    buffer_free(&entries);
}

static bool
task(struct fake *fake, const struct wire_message *message, const union wire_any *m)
{
    union wire_any body = { 0 };

    switch (message->type) {
    case MSG_TYPE_RESULT_GET:
        if (atomic_load(&followed) > 0)
            send_result(fake, message->request);
        else
            fake_error(fake, message->request, MUSTER_ERR_STATE, "it runs");
        return true;
    case MSG_TYPE_OUTPUT_FOLLOW:
        fake_ack(fake, message->request, 1);
        if (m->output_follow.on) {
            send_pieces(fake, message->request);
            atomic_fetch_add(&followed, 1);
        }
        return true;
    case MSG_TYPE_OUTPUT_GET:
        body.body = (struct msg_body){ .offset = m->output_get.offset,
                                       .total = strlen(playing->kept),
                                       .data = slice_cut(slice_text(playing->kept),
                                                         m->output_get.offset, 3) };
        fake_send(fake, MSG_TYPE_BODY, message->request, &body);
        return true;
    default:
        return false;
    }
}

static muster_err
collect(void *context, const void *data, size_t bytes)
{
    buffer_append(context, data, bytes);
    return MUSTER_OK;
}

static void
test_follow(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct buffer          got = { 0 };
    struct muster_error    error = { 0 };
    muster_err             err;

    playing = *state;
    atomic_store(&followed, 0);
    atomic_store(&fake->also, task);
    atomic_store(&fake->cut_next, playing->cut);
    err = muster_output_follow(session, JOB, INDEX, false, CALL_MS, collect, &got, &error);
    if (err)
        fail_msg("%s: %s", muster_err_name(error.code), error.detail);
    assert_string_equal(buffer_text(&got), playing->expected);

    /* Without following: what is kept, whole. */
    buffer_clear(&got);
    assert_int_equal(muster_result_output(session, JOB, INDEX, false, CALL_MS, collect, &got,
                                          &error),
                     MUSTER_OK);
    assert_string_equal(buffer_text(&got), playing->kept);
    buffer_free(&got);
    muster_session_close(session);
    fake_stop(fake);
}

/* ---- a long output whose middle was cut ---- */

enum { LONG_TOTAL = 100000, LONG_SIDE = 5000 };

struct long_case {
    const char *story;
    uint64_t    live;                /* bytes passed live */
};

static const struct long_case long_cases[] = {
    { "nothing live: the kept bytes", 0 },
    { "live into the head", 3000 },
    { "live into the cut", 50000 },
    { "live into the tail", 98000 },
    { "all live", LONG_TOTAL },
};

static char               long_text[LONG_TOTAL + 1];
static char               long_kept[2 * LONG_SIDE + 64];
static struct output_case long_playing;

static void
test_long(void **state)
{
    const struct long_case *c = *state;
    struct fake            *fake = fake_start(true);
    struct muster_session  *session = fake_connect(fake);
    struct buffer           got = { 0 };
    char                    live[LONG_TOTAL + 1];

    for (unsigned i = 0; i < LONG_TOTAL; i++)
        long_text[i] = (char)('a' + i * 7 % 26);
    (void)snprintf(long_kept, sizeof(long_kept), "%.*s\n[%d bytes cut]\n%s", LONG_SIDE, long_text,
                   LONG_TOTAL - 2 * LONG_SIDE, long_text + LONG_TOTAL - LONG_SIDE);
    memcpy(live, long_text, c->live);
    live[c->live] = '\0';
    long_playing = (struct output_case){ .kept = long_kept, .total = LONG_TOTAL, .attempt = 1,
                                         .pieces = { { 1, 0, c->live > 0 ? live : NULL } } };
    playing = &long_playing;
    atomic_store(&followed, 0);
    atomic_store(&fake->also, task);
    assert_int_equal(muster_output_follow(session, JOB, INDEX, false, CALL_MS, collect, &got, NULL),
                     MUSTER_OK);
    /* It begins with what was live and ends as the task ended. */
    assert_true(got.bytes >= c->live && got.bytes <= LONG_TOTAL + 64);
    assert_memory_equal(got.data, long_text, c->live);
    if (c->live < LONG_TOTAL)
        assert_memory_equal(got.data + got.bytes - 1000, long_text + LONG_TOTAL - 1000, 1000);
    if (c->live == 0 || c->live == 3000)
        assert_string_equal(buffer_text(&got), long_kept);
    if (c->live >= 98000)
        assert_string_equal(buffer_text(&got), long_text);
    buffer_free(&got);
    muster_session_close(session);
    fake_stop(fake);
}

/* ---- ends ---- */

static muster_err
refuse(void *context, const void *data, size_t bytes)
{
    (void)context;
    (void)data;
    (void)bytes;
    return MUSTER_ERR_IO;
}

static void
test_ends(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct muster_error    error = { 0 };

    (void)state;
    playing = &cases[3];
    atomic_store(&fake->also, task);
    atomic_store(&followed, -1);         /* it runs on */
    assert_int_equal(muster_output_follow(session, JOB, INDEX, false, CALL_MS, refuse, NULL,
                                          &error),
                     MUSTER_ERR_IO);
    assert_non_null(strstr(error.detail, "7.3"));
    atomic_store(&followed, -100);
    playing = &cases[0];
    assert_int_equal(muster_output_follow(session, JOB, INDEX, false, 100, refuse, NULL, &error),
                     MUSTER_ERR_TIMEOUT);
    assert_int_equal(muster_output_follow(session, JOB, INDEX, false, 100, NULL, NULL, &error),
                     MUSTER_ERR_INVALID);
    assert_int_equal(muster_result_output(session, JOB, INDEX, false, 100, NULL, NULL, &error),
                     MUSTER_ERR_INVALID);
    atomic_store(&fake->also, NULL);
    assert_int_equal(muster_output_follow(session, JOB, INDEX, false, 100, refuse, NULL, &error),
                     MUSTER_ERR_NOT_FOUND);
    muster_session_close(session);
    fake_stop(fake);
}

/* As a signal handler would, while nobody waits. */
static muster_err
interrupt(void *context, const void *data, size_t bytes)
{
    (void)data;
    (void)bytes;
    muster_session_interrupt(context);
    return MUSTER_OK;
}

static void
test_interrupted(void **state)
{
    struct fake           *fake = fake_start(true);
    struct muster_session *session = fake_connect(fake);
    struct muster_error    error = { 0 };

    (void)state;
    playing = &cases[3];
    atomic_store(&fake->also, task);
    atomic_store(&followed, -100);       /* it runs on */
    assert_int_equal(muster_output_follow(session, JOB, INDEX, false, CALL_MS, interrupt, session,
                                          &error),
                     MUSTER_ERR_INTERRUPTED);
    muster_session_close(session);
    fake_stop(fake);
}

int
main(void)
{
    const struct CMUnitTest stories[] = { cmocka_unit_test(test_ends),
                                          cmocka_unit_test(test_interrupted) };

    return STORIES("following", cases, test_follow) +
           STORIES("long outputs", long_cases, test_long) +
           cmocka_run_group_tests_name("ends", stories, NULL, NULL);
}
