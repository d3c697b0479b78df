/* test_log.c - one line per event, whatever is in it
 *
 * Method: stderr is a pipe while log_line() runs; compare what came out.
 */
#include "stories.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

struct log_case {
    const char    *story;
    bool           journal;
    enum log_level level_max, level;
    const char    *text;
    const char    *expected;     /* behind the time; NULL: nothing is written */
};

static const struct log_case log_cases[] = {
    { "an error",                 false, LOG_LEVEL_INFO,  LOG_LEVEL_ERROR, "x",
      "error prog: x\n" },
    { "a warning",                false, LOG_LEVEL_INFO,  LOG_LEVEL_WARN,  "key=1",
      "warn prog: key=1\n" },
    { "the chosen level itself",  false, LOG_LEVEL_INFO,  LOG_LEVEL_INFO,  "x",
      "info prog: x\n" },
    { "below the chosen level",   false, LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG, "x",  NULL },
    { "debug when asked for",     false, LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, "x",
      "debug prog: x\n" },
    { "a newline inside",         false, LOG_LEVEL_INFO,  LOG_LEVEL_INFO,  "a\nb",
      "info prog: a\\x0ab\n" },
    { "for the journal",          true,  LOG_LEVEL_INFO,  LOG_LEVEL_WARN,  "x", "<4>prog: x\n" },
    { "an error for the journal", true,  LOG_LEVEL_INFO,  LOG_LEVEL_ERROR, "x", "<3>prog: x\n" },
};

static size_t
capture(const struct log_case *row, char *text, size_t bytes)
{
    int     ends[2];
    int     kept = dup(STDERR_FILENO);
    ssize_t got;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    log_line(row->level, "%s", row->text);
    dup2(kept, STDERR_FILENO);
    close(kept);
    got = read(ends[0], text, bytes - 1);
    close(ends[0]);
    assert_true(got >= 0);
    text[got] = 0;
    return (size_t)got;
}

static void
test_log(void **state)
{
    const struct log_case *row = *state;
    char                   text[1000];
    size_t                 time_bytes = row->journal ? 0 : strlen("2026-05-04T12:00:01.123Z ");
    size_t                 bytes;

    if (row->journal)
        setenv("JOURNAL_STREAM", "8:1", 1);
    else
        unsetenv("JOURNAL_STREAM");
    log_start("prog", row->level_max);
    bytes = capture(row, text, sizeof(text));
    if (row->expected == NULL) {
        assert_int_equal(bytes, 0);
        return;
    }
    assert_true(bytes > time_bytes);
    assert_string_equal(text + time_bytes, row->expected);
    if (!row->journal) {
        assert_int_equal(text[10], 'T');
        assert_int_equal(text[23], 'Z');
    }
}

struct level_case {
    const char    *story;
    const char    *text;
    bool           good;
    enum log_level level;
};

static const struct level_case level_cases[] = {
    { "error",                  "error", true,  LOG_LEVEL_ERROR },
    { "debug",                  "debug", true,  LOG_LEVEL_DEBUG },
    { "names are lower case",   "DEBUG", false, LOG_LEVEL_WARN },
    { "no such level",          "loud",  false, LOG_LEVEL_WARN },
    { "nothing",                "",      false, LOG_LEVEL_WARN },
};

static void
test_level(void **state)
{
    const struct level_case *row = *state;
    enum log_level           level = LOG_LEVEL_WARN;

    assert_int_equal(log_level_parse(row->text, &level), row->good);
    assert_int_equal(level, row->level);
}

int
main(void)
{
    return STORIES("log", log_cases, test_log) + STORIES("log levels", level_cases, test_level);
}
