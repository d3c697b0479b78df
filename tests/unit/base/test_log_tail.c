/* test_log_tail.c - which of the logged lines are kept, in how much room
 *
 * Method: lines are logged (stderr goes nowhere meanwhile); what the tail gives is
 * compared, as "number:text" of each.
 */
#include "stories.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log_tail.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { ROOM_LARGE = 100000, ROOM_SMALL = 1200, THREADS = 4, THREAD_LINES = 2000 };

static int stderr_kept;

static void
silent(bool on)
{
    int nowhere;

    fflush(stderr);
    if (on) {
        stderr_kept = dup(STDERR_FILENO);
        nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        assert_true(dup2(nowhere, STDERR_FILENO) >= 0);
        close(nowhere);
    } else {
        assert_true(dup2(stderr_kept, STDERR_FILENO) >= 0);
        close(stderr_kept);
    }
}

struct tail_case {
    const char    *story;
    size_t         room;
    uint64_t       first;          /* numbers begin above it */
    struct { enum log_level level; const char *text; } lines[4];
    uint32_t       more;           /* lines "x" of 200 bytes behind them */
    uint64_t       drop, after;
    const char    *kept;           /* lines behind `after`; NULL: only that the oldest went */
};

static const struct tail_case tail_cases[] = {
    { "nothing was logged", ROOM_LARGE, 0, { { 0, NULL } }, 0, 0, 0, "" },
    { "lines have numbers that rise", ROOM_LARGE, 0,
      { { LOG_LEVEL_ERROR, "a" }, { LOG_LEVEL_WARN, "b" }, { LOG_LEVEL_INFO, "c" } }, 0, 0, 0,
      "1:a 2:b 3:c " },
    { "they begin where they were told to", ROOM_LARGE, 70, { { LOG_LEVEL_INFO, "a" } }, 0, 0, 0,
      "71:a " },
    { "what is for debugging is not kept", ROOM_LARGE, 0,
      { { LOG_LEVEL_DEBUG, "a" }, { LOG_LEVEL_INFO, "b" } }, 0, 0, 0, "1:b " },
    { "what was passed on goes", ROOM_LARGE, 0,
      { { LOG_LEVEL_INFO, "a" }, { LOG_LEVEL_INFO, "b" } }, 0, 1, 0, "2:b " },
    { "only what is behind a number", ROOM_LARGE, 0,
      { { LOG_LEVEL_INFO, "a" }, { LOG_LEVEL_INFO, "b" } }, 0, 0, 1, "2:b " },
    { "what steers terminals is escaped", ROOM_LARGE, 0, { { LOG_LEVEL_INFO, "a\x1b[1m\nb" } }, 0,
      0, 0, "1:a\\x1b[1m\\x0ab " },
    { "the oldest go when the room is used up", ROOM_SMALL, 0, { { LOG_LEVEL_INFO, "a" } }, 50, 0,
      0, NULL },
};

static void
tail_story(void **state)
{
    const struct tail_case *row = *state;
    struct log_tail        *tail = log_tail_open(row->room, row->first);
    struct log_tail_line    line;
    struct buffer           got = { 0 };
    uint64_t                at = row->after;
    uint32_t                count = 0;

    log_start("test", LOG_LEVEL_DEBUG);
    silent(true);
    for (uint32_t i = 0; i < 4 && row->lines[i].text != NULL; i++)
        log_line(row->lines[i].level, "%s", row->lines[i].text);
    for (uint32_t i = 0; i < row->more; i++)
        log_info("%0200u", i);
    silent(false);
    log_tail_drop(tail, row->drop);
    while (log_tail_next(tail, at, &line)) {
        assert_true(line.number > at);
        assert_true(line.unix_ms > 0);
        at = line.number;
        count++;
        buffer_printf(&got, "%llu:%.*s ", (unsigned long long)line.number, (int)line.text.bytes,
                      (const char *)line.text.data);
    }
    if (row->kept != NULL) {
        assert_string_equal(buffer_text(&got), row->kept);
    } else {
        assert_in_range(count, 1, row->room / 200);
        assert_int_equal(at, log_tail_last(tail));
        assert_int_equal(at, row->more + 1);
    }
    buffer_free(&got);
    log_tail_close(tail);
}

/* ---- long lines ---- */

#define A_40  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A_479 A_40 A_40 A_40 A_40 A_40 A_40 A_40 A_40 A_40 A_40 A_40 \
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct cut_case {
    const char *story;
    const char *text, *kept;
};

static const struct cut_case cut_cases[] = {
    { "as long as may be", A_479 "b", A_479 "b" },
    { "a longer one is cut", A_479 "bc", A_479 "b" },
    { "between two characters", A_479 "\xc3\xa9 and more", A_479 },
};

static void
cut_story(void **state)
{
    const struct cut_case *row = *state;
    struct log_tail       *tail = log_tail_open(ROOM_LARGE, 0);
    struct log_tail_line   line;

    log_start("test", LOG_LEVEL_INFO);
    silent(true);
    log_info("%s", row->text);
    silent(false);
    assert_true(log_tail_next(tail, 0, &line));
    assert_int_equal(line.text.bytes, strlen(row->kept));
    assert_memory_equal(line.text.data, row->kept, line.text.bytes);
    log_tail_close(tail);
}

/* ---- threads ---- */

struct threads_case {
    const char *story;
    size_t      room;
};

static const struct threads_case threads_cases[] = {
    { "several threads, room for all", THREADS * THREAD_LINES * 100 },
    { "several threads, too little room", ROOM_SMALL },
};

static void *
threads_log(void *context)
{
    (void)context;
    for (uint32_t i = 0; i < THREAD_LINES; i++)
        log_info("%u", i);
    return NULL;
}

/* Read while they log: numbers rise, each line once; the rest was dropped. */
static void
threads_story(void **state)
{
    const struct threads_case *row = *state;
    struct log_tail           *tail = log_tail_open(row->room, 0);
    struct log_tail_line       line;
    pthread_t                  threads[THREADS];
    uint64_t                   at = 0, count = 0;

    log_start("test", LOG_LEVEL_INFO);
    silent(true);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, threads_log, NULL), 0);
    while (at < THREADS * THREAD_LINES) {
        if (!log_tail_next(tail, at, &line))
            continue;
        assert_true(line.number > at);
        at = line.number;
        count++;
        log_tail_drop(tail, at);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    silent(false);
    assert_int_equal(log_tail_last(tail), THREADS * THREAD_LINES);
    if (row->room > ROOM_SMALL)
        assert_int_equal(count, THREADS * THREAD_LINES);
    log_tail_close(tail);
}

int
main(void)
{
    return STORIES("the tail of a log", tail_cases, tail_story) +
           STORIES("long lines", cut_cases, cut_story) +
           STORIES("threads", threads_cases, threads_story);
}
