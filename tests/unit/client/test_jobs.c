/* test_jobs.c - what a description that the manager sends becomes */
#include "fake.h"

struct info_story {
    const char       *story;
    struct wire_spec  spec;
    const char       *args[3];         /* of the description */
    const char       *named[3];
    const char       *function;        /* expected */
    bool              spoiled;         /* cut in the middle */
};

static const struct info_story stories[] = {
    { "a command", { .cwd = { "/tmp", 4 } }, { "echo", "x" }, { NULL }, "", false },
    { "a function", { .function = { "square", 6 } }, { NULL }, { NULL }, "square", false },
    { "a function with named values", { .function = { "square", 6 } }, { NULL },
      { "colour", "size" }, "square", false },
    { "what cannot be read", { .function = { "square", 6 } }, { NULL }, { NULL }, NULL, true },
};

static const struct info_story *asked;

static bool
answer_info(struct fake *fake, const struct wire_message *message, const union wire_any *m)
{
    struct wire_spec spec = asked->spec;
    struct buffer    bytes = { 0 }, args = { 0 }, named = { 0 };
    union wire_any   answer = { .job_info = { .job = { .job = 7 } } };

    (void)m;
    if (message->type != MSG_TYPE_JOB_GET)
        return false;
    for (; asked->args[spec.args.count] != NULL; spec.args.count++)
        wire_put_text(&args, &(struct wire_text){ slice_text(asked->args[spec.args.count]) });
    for (; asked->named[spec.named.count] != NULL; spec.named.count++)
        wire_put_named(&named, &(struct wire_named){ slice_text(asked->named[spec.named.count]),
                                                     slice_text("a value") });
    spec.args.bytes = buffer_slice(&args);
    spec.named.bytes = buffer_slice(&named);
    wire_put_spec(&bytes, &spec);
    answer.job_info.spec = slice_cut(buffer_slice(&bytes), 0,
                                     asked->spoiled ? bytes.bytes / 2 : bytes.bytes);
    fake_send(fake, MSG_TYPE_JOB_INFO, message->request, &answer);
    buffer_free(&bytes);
    buffer_free(&args);
    buffer_free(&named);
    return true;
}

static void
check_texts(char *const *got, const char *const *expected)
{
    assert_non_null(got);
    for (; *expected != NULL; got++, expected++)
        assert_string_equal(*got, *expected);
    assert_null(*got);
}

static void
test_info(void **state)
{
    const struct info_story  *story = *state;
    struct fake              *fake = fake_start(true);
    struct muster_session    *session = fake_connect(fake);
    struct muster_job_info    info = { 0 };
    struct muster_error       error = { 0 };
    muster_err                err;

    asked = story;
    atomic_store(&fake->instead, answer_info);
    err = muster_job_get(session, 7, 5000, &info, &error);
    assert_int_equal(err, story->spoiled ? MUSTER_ERR_INTERNAL : MUSTER_OK);
    if (!err) {
        assert_string_equal(info.function, story->function);
        check_texts(info.args, story->args);
        check_texts(info.named, story->named);
    }
    muster_job_info_free(&info);
    muster_session_close(session);
    fake_stop(fake);
}

int
main(void)
{
    return STORIES("jobs", stories, test_info);
}
