/* test_errors.c - the table of errors, and details that are safe to print */
#include "stories.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"

struct error_case {
    const char *story;
    unsigned    number;
    const char *name;
    muster_err  read_as;
    int         exit_status;
};

static const struct error_case error_cases[] = {
    { "done",                          0,    "OK",       MUSTER_OK,             0 },
    { "usage errors exit with 2",      1,    "INVALID",  MUSTER_ERR_INVALID,    2 },
    { "a time-out exits with 124",     6,    "TIMEOUT",  MUSTER_ERR_TIMEOUT,    124 },
    { "the last one",                  37,   "BROKEN_POOL", MUSTER_ERR_BROKEN_POOL, 75 },
    { "one of a later version",        38,   "UNKNOWN",  MUSTER_ERR_INTERNAL,   70 },
    { "far outside",                   9999, "UNKNOWN",  MUSTER_ERR_INTERNAL,   70 },
    { "negative, seen as unsigned",    ~0u,  "UNKNOWN",  MUSTER_ERR_INTERNAL,   70 },
};

static void
test_error(void **state)
{
    const struct error_case *row = *state;

    assert_string_equal(muster_err_name((muster_err)row->number), row->name);
    assert_int_equal(error_from_number(row->number), row->read_as);
    assert_int_equal(muster_err_exit_status((muster_err)row->number), row->exit_status);
    assert_true(strlen(muster_err_text((muster_err)row->number)) > 0);
    if (row->number != MUSTER_OK)
        assert_true(strlen(muster_err_advice((muster_err)row->number)) > 0);
}

/* What Python raises, and what is given here. */
static const struct python_case {
    const char *story;
    muster_err  code;
} python_cases[] = {
    { "InvalidStateError",     MUSTER_ERR_STATE },
    { "AuthenticationError",   MUSTER_ERR_AUTH },
    { "BufferTooShort",        MUSTER_ERR_TOO_SHORT },
    { "TimeoutError",          MUSTER_ERR_TIMEOUT },
    { "Empty",                 MUSTER_ERR_EMPTY },
    { "Full",                  MUSTER_ERR_FULL },
    { "ShutDown",              MUSTER_ERR_CLOSED },
    { "BrokenBarrierError",    MUSTER_ERR_BROKEN_BARRIER },
    { "RemoteError",           MUSTER_ERR_REMOTE },
    { "CancelledError",        MUSTER_ERR_CANCELED },
    { "BrokenExecutor",        MUSTER_ERR_BROKEN_POOL },
    { "EOFError",              MUSTER_ERR_END },
    { "IndexError",            MUSTER_ERR_RANGE },
    { "KeyError",              MUSTER_ERR_NO_KEY },
    { "TypeError",             MUSTER_ERR_TYPE },
};

static void
test_python(void **state)
{
    const struct python_case *row = *state;

    for (unsigned number = 0; number < MUSTER_ERR_COUNT; number++) {
        muster_err other = (muster_err)number;

        if (other == row->code)
            continue;
        assert_string_not_equal(muster_err_name(other), muster_err_name(row->code));
        assert_string_not_equal(muster_err_text(other), muster_err_text(row->code));
        assert_string_not_equal(muster_err_advice(other), muster_err_advice(row->code));
    }
    for (size_t i = 0; i < sizeof(python_cases) / sizeof(python_cases[0]); i++)
        assert_true(&python_cases[i] == row || python_cases[i].code != row->code);
    assert_true(strlen(muster_err_text(row->code)) > 0);
    assert_true(strlen(muster_err_advice(row->code)) > 0);
}

struct detail_case {
    const char *story;
    const char *given;
    const char *expected;
};

static const struct detail_case detail_cases[] = {
    { "plain text stays",                 "job 7: gone",        "job 7: gone" },
    { "nothing",                          "",                   "" },
    { "a newline cannot forge a line",    "a\nb",               "a\\x0ab" },
    { "an escape cannot steer a terminal", "\x1b[2J",           "\\x1b[2J" },
    { "UTF-8 stays",                      "\xc3\xa4",           "\xc3\xa4" },
    { "broken UTF-8 is shown",            "\xc3(",              "\\xc3(" },
    { "C1 controls are shown",            "\xc2\x9b",           "\\xc2\\x9b" },
};

static void
test_detail(void **state)
{
    const struct detail_case *row = *state;
    struct muster_error       error = { 0 };

    assert_int_equal(error_set(&error, MUSTER_ERR_STATE, "%s", row->given), MUSTER_ERR_STATE);
    assert_int_equal(error.code, MUSTER_ERR_STATE);
    assert_string_equal(error.detail, row->expected);
    assert_int_equal(error_set(NULL, MUSTER_ERR_STATE, "%s", row->given), MUSTER_ERR_STATE);
}

static void
test_long_detail_is_cut_whole(void **state)
{
    struct muster_error error;
    char                text[2000];

    (void)state;
    /* Whatever the shift, neither an escape nor a character is cut in half. */
    for (size_t shift = 0; shift < 8; shift++) {
        size_t length;

        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 2 < sizeof(text); i += 3)
            memcpy(text + i, "\xc3\xa4\n", 3);
        text[sizeof(text) - 1] = 0;
        error_set(&error, MUSTER_ERR_IO, "%s", text);
        length = strlen(error.detail);
        assert_true(length < MUSTER_DETAIL_BYTES);
        assert_true(length > MUSTER_DETAIL_BYTES - 10);
        assert_true(error.detail[length - 1] == 'a' || (error.detail[length - 1] & 0xc0) == 0x80);
    }
}

struct errno_case {
    const char *story;
    int         number;
    muster_err  expected;
};

static const struct errno_case errno_cases[] = {
    { "an ordinary failure keeps its code", ENOENT, MUSTER_ERR_NOT_FOUND },
    { "a full disk is told apart",          ENOSPC, MUSTER_ERR_NO_SPACE },
    { "so is a quota",                      EDQUOT, MUSTER_ERR_NO_SPACE },
    { "so is a lack of memory",             ENOMEM, MUSTER_ERR_NO_MEMORY },
};

static void
test_errno(void **state)
{
    const struct errno_case *row = *state;
    struct muster_error      error = { 0 };
    char                     expected[200];

    errno = row->number;
    assert_int_equal(error_errno(&error, MUSTER_ERR_NOT_FOUND, "open %s", "x"), row->expected);
    assert_int_equal(errno, row->number);
    snprintf(expected, sizeof(expected), "open x: %s", strerror(row->number));
    assert_string_equal(error.detail, expected);
}

static void
test_reason_survives_long_name(void **state)
{
    struct muster_error error;
    char                name[3000];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    errno = EACCES;
    error_errno(&error, MUSTER_ERR_IO, "open %s", name);
    assert_non_null(strstr(error.detail, strerror(EACCES)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_detail_is_cut_whole),
        cmocka_unit_test(test_reason_survives_long_name),
    };

    return STORIES("errors", error_cases, test_error)
           + STORIES("one distinct code each, with text and what to do next", python_cases,
                     test_python)
           + STORIES("details", detail_cases, test_detail)
           + STORIES("errno", errno_cases, test_errno)
           + cmocka_run_group_tests_name("long details", tests, NULL, NULL);
}
