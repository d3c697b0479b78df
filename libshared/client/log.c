/* log.c - a follower of the fleet's log lines: pages of them, asked for by long polls */
#include <stdlib.h>

#include <muster/log.h>

#include "client.h"
#include "parse.h"

enum {
    LOG_WAIT_MS   = 20000,        /* of one long poll */
    LOG_ANSWER_MS = 5000,         /* beyond what the manager was told to wait */
};

static_assert((int)MUSTER_LOG_DEBUG + 1 == (int)LOG_LEVELS, "public levels are those that travel");

struct muster_log {
    struct muster_session *session;
    uint64_t               cursor, lost;
    char                   source[NAME_BYTES_MAX + 1];
    uint8_t                level;
    struct ask             page;
    struct reader          in;           /* what is left of it */
    uint32_t               left;
};

const char *
muster_log_level_name(enum muster_log_level level)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };

    return (unsigned)level < LOG_LEVELS ? names[level] : "unknown";
}

muster_err
muster_log_open(struct muster_session *session, const struct muster_log_options *options,
                struct muster_log **log_out, struct muster_error *error)
{
    const char        *source = options->source != NULL ? options->source : "";
    struct muster_log *log;

    if (source[0] != '\0' && !parse_name(slice_text(source), NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID, "'%s' is no name of a worker", source);
    if ((unsigned)options->level >= LOG_LEVELS)
        return error_set(error, MUSTER_ERR_INVALID, "there is no level %u",
                         (unsigned)options->level);
    log = base_alloc(sizeof(*log));
    log->session = session;
    log->cursor = options->after;
    log->level = (uint8_t)options->level;
    text_put(log->source, sizeof(log->source), slice_text(source));
    *log_out = log;
    return MUSTER_OK;
}

static void
log_page_free(struct muster_log *log)
{
    ask_free(&log->page);
    log->page = (struct ask){ 0 };
    log->left = 0;
}

/* Ask for what is behind the cursor; perhaps there is nothing when wait_ms are over. */
static muster_err
log_ask(struct muster_log *log, uint32_t wait_ms, struct muster_error *error)
{
    union wire_any m = { .log_get = { .cursor = log->cursor, .wait_ms = wait_ms,
                                      .level = log->level, .source = slice_text(log->source) } };
    muster_err     err;

    log_page_free(log);
    err = ask(log->session, MSG_TYPE_LOG_GET, &m, MSG_TYPE_LOG_LINES, wait_ms + LOG_ANSWER_MS,
              &log->page, error);
    if (err) {
        log->page = (struct ask){ 0 };
        return err;
    }
    log->cursor = log->page.m.log_lines.cursor;
    log->lost += log->page.m.log_lines.lost;
    log->left = log->page.m.log_lines.lines.count;
    log->in = reader_of(log->page.m.log_lines.lines.bytes);
    return MUSTER_OK;
}

static muster_err
log_take(struct muster_log *log, struct muster_log_line *line_out, struct muster_error *error)
{
    struct wire_log line;

    if (!wire_get_log(&log->in, &line))
        return error_set(error, MUSTER_ERR_INTERNAL, "the manager's log lines cannot be read");
    log->left--;
    line_out->number = line.number;
    line_out->unix_ms = line.unix_ms;
    line_out->lost = log->lost;
    line_out->level = (enum muster_log_level)line.level;
    text_put(line_out->source, sizeof(line_out->source), line.source);
    text_put(line_out->text, sizeof(line_out->text), line.text);
    log->lost = 0;
    return MUSTER_OK;
}

muster_err
muster_log_next(struct muster_log *log, uint32_t timeout_ms, struct muster_log_line *line_out,
                struct muster_error *error)
{
    uint64_t deadline_ms = deadline_after(timeout_ms);

    while (log->left == 0) {
        uint64_t            now_ms = clock_now_ms();
        uint64_t            left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        uint32_t            wait_ms = left_ms < LOG_WAIT_MS ? (uint32_t)left_ms : LOG_WAIT_MS;
        struct muster_error why = { 0 };
        muster_err          err = log_ask(log, wait_ms, &why);

        if (err == MUSTER_ERR_DENIED)
            return error_set(error, err, "log lines of the fleet are for keys of role admin");
        /* The manager may be away for as long as the caller can wait. */
        if (err && (err != MUSTER_ERR_TIMEOUT || left_ms <= wait_ms)) {
            if (error != NULL)
                *error = why;
            return err;
        }
        if (!err && log->left == 0 && clock_now_ms() >= deadline_ms)
            return error_set(error, MUSTER_ERR_TIMEOUT, "nothing was logged in time");
    }
    return log_take(log, line_out, error);
}

void
muster_log_close(struct muster_log *log)
{
    if (log == NULL)
        return;
    log_page_free(log);
    free(log);
}
