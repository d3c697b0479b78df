/* logs.c - see logs.h */
#include "logs.h"

#include <assert.h>
#include <stdio.h>

static_assert((int)LOG_TAIL_TEXT_BYTES_MAX <= (int)TEXT_BYTES_MAX, "a line must fit its item");
static_assert(LOG_LEVEL_DEBUG + 1 == LOG_LEVELS, "levels travel as their numbers");

void
logs_open(struct logs *logs, size_t bytes_max, uint64_t after)
{
    *logs = (struct logs){ .tail = log_tail_open(bytes_max, after), .taken = after };
}

void
logs_close(struct logs *logs)
{
    log_tail_close(logs->tail);
    *logs = (struct logs){ 0 };
}

void
logs_reconnect(struct logs *logs)
{
    logs->request = 0;
    logs->again_ms = 0;
    logs->refused = false;
}

static bool
logs_behind(const struct logs *logs)
{
    return logs->request == 0 && !logs->refused && log_tail_last(logs->tail) > logs->taken;
}

bool
logs_waiting(const struct logs *logs, uint64_t now_ms)
{
    return logs_behind(logs) && now_ms >= logs->again_ms;
}

uint64_t
logs_wake_ms(const struct logs *logs)
{
    return logs->again_ms > 0 && logs_behind(logs) ? logs->again_ms : UINT64_MAX;
}

static void
put_line(struct buffer *lines, const struct log_tail_line *line)
{
    wire_put_log(lines, &(struct wire_log){ .number = line->number,
                                            .unix_ms = line->unix_ms,
                                            .level = (uint8_t)line->level,
                                            .text = line->text });
}

/* In the place of the last one that was dropped. */
static void
put_dropped(struct buffer *lines, const struct log_tail_line *next, uint64_t count)
{
    struct log_tail_line line = { next->number - 1, next->unix_ms, LOG_LEVEL_WARN, { NULL, 0 } };
    char                 text[100];

    (void)snprintf(text, sizeof(text), "%llu log lines before this one were dropped: the manager "
                   "did not take them in time", (unsigned long long)count);
    line.text = slice_text(text);
    put_line(lines, &line);
}

void
logs_put(struct logs *logs, uint64_t request, struct buffer *out)
{
    struct buffer        lines = { 0 };
    union wire_any       m = { 0 };
    struct log_tail_line line;
    uint32_t             count = 0;
    size_t               begin;

    assert(logs->request == 0 && request != 0);
    logs->sent = logs->taken;
    while (lines.bytes < LOGS_PUT_BYTES && count + 2 <= LIST_ITEMS_MAX &&
           log_tail_next(logs->tail, logs->sent, &line)) {
        if (line.number > logs->sent + 1) {
            put_dropped(&lines, &line, line.number - logs->sent - 1);
            count++;
        }
        put_line(&lines, &line);
        count++;
        logs->sent = line.number;
    }
    logs->request = request;
    m.log_put.lines = (struct wire_list){ buffer_slice(&lines), count };
    begin = wire_message_begin(out, MSG_TYPE_LOG_PUT, request);
    wire_put_msg_log_put(out, &m.log_put);
    wire_message_end(out, begin);
    buffer_free(&lines);
}

static void
logs_taken(struct logs *logs, uint64_t now_ms, uint64_t number)
{
    if (number > logs->taken && number <= logs->sent) {
        logs->taken = number;
        log_tail_drop(logs->tail, number);
    }
    logs->again_ms = logs->taken < logs->sent ? now_ms + LOGS_PAUSE_MS : 0;
}

bool
logs_answer(struct logs *logs, uint64_t now_ms, uint64_t request, uint16_t type,
            const union wire_any *m)
{
    if (logs->request == 0 || request != logs->request ||
        (type != MSG_TYPE_ACK && type != MSG_TYPE_ERROR))
        return false;
    logs->request = 0;
    if (type == MSG_TYPE_ACK) {
        logs_taken(logs, now_ms, m->ack.value);
        return true;
    }
    logs->again_ms = now_ms + LOGS_PAUSE_MS;
    if (m->error.code == MUSTER_ERR_SESSION)
        return false;
    logs->refused = m->error.code != MUSTER_ERR_BUSY;
    return true;
}
