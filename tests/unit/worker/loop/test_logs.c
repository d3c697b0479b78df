/* test_logs.c - log lines on their way to the manager, step by step
 *
 * Method: a story is a script, and what is said in LOG_PUTs is written down as
 * "first-last" of the numbers, "(dropped N)" where a line says so.
 *
 *   log:N     N lines are logged            put       say what waits; "-" if nothing does
 *   ack:N     the manager has them up to N  busy denied session    it answers with an error
 *   other     an answer to another request  reconnect              the connection is another
 *   +MS       time passes
 */
#include "logs.h"
#include "stories.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { REQUEST = 7, ROOM_SMALL = 4096 };

struct logs_case {
    const char *story;
    const char *script;
    const char *said;
    size_t      room;              /* 0 = plenty */
};

static const struct logs_case logs_cases[] = {
    { "nothing is said of nothing", "put", "-" },
    { "lines are said once", "log:3 put ack:3 put log:1 put ack:4 put", "1-3 - 4-4 -" },
    { "one message at a time", "log:1 put log:1 put ack:1 put", "1-1 - 2-2" },
    { "what was not taken is said again, later", "log:3 put ack:1 put +999 put +1 put",
      "1-3 - - 2-3" },
    { "what was not acknowledged is said on the next connection",
      "log:2 put reconnect log:1 put ack:3 put", "1-2 1-3 -" },
    { "the manager that comes back has forgotten", "log:2 put ack:2 reconnect log:1 put",
      "1-2 3-3" },
    { "an answer to another request", "log:1 put other log:1 put", "1-1 -" },
    { "an answer beyond what was said is none", "log:1 put ack:9 put +1000 put", "1-1 - 1-1" },
    { "a busy manager is left alone for a while", "log:1 put busy put +1000 put",
      "1-1 - 1-1" },
    { "a manager that wants none gets none", "log:1 put denied +5000 put reconnect put",
      "1-1 - 1-1" },
    { "a session that ended is told to others, too", "log:1 put session +1000 put",
      "1-1 passed-on 1-1" },
    { "a line says how many were dropped", "log:1 put ack:1 log:30 put", "1-1 (dropped 19)21-31",
      ROOM_SMALL },
    { "and so on a later connection", "log:31 put reconnect log:3 put",
      "(dropped 20)21-31 (dropped 23)24-34", ROOM_SMALL },
};

static int stderr_kept;

static int
silence(void **state)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    stderr_kept = dup(STDERR_FILENO);
    return dup2(nowhere, STDERR_FILENO) < 0 || close(nowhere) < 0;
}

static void
noise(void)
{
    assert_true(dup2(stderr_kept, STDERR_FILENO) >= 0);
    close(stderr_kept);
}

static void
say(struct logs *logs, struct buffer *said)
{
    struct buffer   message = { 0 };
    struct reader   in;
    struct wire_log line = { 0 };
    union wire_any  m;
    uint64_t        first = 0, dropped = 0, before = 0;

    logs_put(logs, REQUEST, &message);
    in = reader_of(buffer_slice(&message));
    (void)read_u32(&in);
    assert_int_equal(read_u16(&in), MSG_TYPE_LOG_PUT);
    (void)read_u16(&in);
    assert_int_equal(read_u64(&in), REQUEST);
    assert_int_equal(wire_decode_any(MSG_TYPE_LOG_PUT, slice_of(in.at, read_left(&in)), &m),
                     MUSTER_OK);
    in = reader_of(m.log_put.lines.bytes);
    for (uint32_t i = 0; i < m.log_put.lines.count; i++) {
        assert_true(wire_get_log(&in, &line));
        assert_int_equal(line.source.bytes, 0);
        assert_true(line.number > before);
        before = line.number;
        if (line.level == LOG_LEVEL_WARN) {
            assert_int_equal(dropped, 0);
            dropped = strtoull((const char *)line.text.data, NULL, 10);
        } else {
            first = first > 0 ? first : line.number;
        }
    }
    if (dropped > 0)
        buffer_printf(said, "(dropped %llu)", (unsigned long long)dropped);
    buffer_printf(said, "%llu-%llu ", (unsigned long long)first, (unsigned long long)before);
    buffer_free(&message);
}

static void
answer(struct logs *logs, uint64_t now_ms, const char *word, struct buffer *said)
{
    union wire_any m = { 0 };
    uint16_t       type = MSG_TYPE_ERROR;
    bool           other = strcmp(word, "other") == 0;

    if (strncmp(word, "ack:", 4) == 0 || other) {
        type = MSG_TYPE_ACK;
        m.ack.value = other ? 1 : strtoull(word + 4, NULL, 10);
    } else {
        m.error.code = strcmp(word, "busy") == 0     ? MUSTER_ERR_BUSY
                       : strcmp(word, "denied") == 0 ? MUSTER_ERR_DENIED
                                                     : MUSTER_ERR_SESSION;
    }
    if (!logs_answer(logs, now_ms, REQUEST + other, type, &m) && !other)
        buffer_append_text(said, "passed-on ");
}

static void
logs_story(void **state)
{
    const struct logs_case *row = *state;
    struct logs             logs;
    struct buffer           said = { 0 };
    char                   *script = strdup(row->script);
    char                   *rest = NULL;
    uint64_t                now_ms = 1000;

    log_start("test", LOG_LEVEL_INFO);
    logs_open(&logs, row->room > 0 ? row->room : LOGS_BYTES_MAX, 0);
    silence(NULL);
    for (char *word = strtok_r(script, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (strncmp(word, "log:", 4) == 0) {
            for (int i = atoi(word + 4); i > 0; i--)
                log_info("%0300d", i);
        } else if (strcmp(word, "put") == 0) {
            if (logs_waiting(&logs, now_ms))
                say(&logs, &said);
            else
                buffer_append_text(&said, "- ");
        } else if (strcmp(word, "reconnect") == 0) {
            logs_reconnect(&logs);
        } else if (word[0] == '+') {
            now_ms += strtoull(word + 1, NULL, 10);
        } else {
            answer(&logs, now_ms, word, &said);
        }
    }
    noise();
    if (said.bytes > 0)
        said.data[said.bytes - 1] = '\0';
    assert_string_equal((const char *)said.data, row->said);
    buffer_free(&said);
    free(script);
    logs_close(&logs);
}

int
main(void)
{
    return STORIES("log lines to the manager", logs_cases, logs_story);
}
