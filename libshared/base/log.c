/* log.c - see log.h
 *
 * 1. One line is one write(2), so lines of several threads and processes do
 *    not mix.
 * 2. The settings are written by log_start() before any thread starts and
 *    only read afterwards.
 */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "parse.h"

#define LINE_BYTES_MAX 4096

static const struct {
    const char *name;
    const char *journal;       /* sd-daemon(3) */
} log_levels[] = {
    [LOG_LEVEL_ERROR] = { "error", "<3>" },
    [LOG_LEVEL_WARN]  = { "warn",  "<4>" },
    [LOG_LEVEL_INFO]  = { "info",  "<6>" },
    [LOG_LEVEL_DEBUG] = { "debug", "<7>" },
};

static struct {
    const char    *program;    /* borrowed from log_start()'s caller */
    enum log_level level_max;
    bool           journal;
    log_tap_fn    *tap;
    void          *tap_context;
} log_settings = { .program = "muster", .level_max = LOG_LEVEL_INFO };

void
log_start(const char *program, enum log_level level_max)
{
    log_settings.program = program;
    log_settings.level_max = level_max;
    log_settings.journal = getenv("JOURNAL_STREAM") != NULL;
}

void
log_tap(log_tap_fn *tap, void *context)
{
    log_settings.tap = tap;
    log_settings.tap_context = context;
}

bool
log_level_parse(const char *text, enum log_level *level_out)
{
    for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
        if (strcmp(text, log_levels[i].name) == 0) {
            *level_out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Bytes of the valid, printable character at the start of `text`; 0 if none. */
static size_t
log_character_bytes(struct slice text)
{
    const uint8_t *at = text.data;
    size_t         bytes = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (at[0] < 0x20 || at[0] == 0x7f || text.bytes < bytes)
        return 0;
    /* U+0080..U+009F steer terminals as the first 32 characters do. */
    if (at[0] == 0xc2 && at[1] < 0xa0)
        return 0;
    return parse_utf8(slice_cut(text, 0, bytes)) ? bytes : 0;
}

void
log_escape(struct buffer *out, struct slice text)
{
    while (text.bytes > 0) {
        size_t bytes = log_character_bytes(text);

        if (bytes > 0)
            buffer_append(out, text.data, bytes);
        else
            buffer_printf(out, "\\x%02x", *(const uint8_t *)text.data);
        text = slice_cut(text, bytes > 0 ? bytes : 1, text.bytes);
    }
}

static void
log_head(struct buffer *line, enum log_level level, uint64_t now_ms)
{
    time_t    seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    char      text[32];

    if (log_settings.journal) {
        buffer_append_text(line, log_levels[level].journal);
    } else {
        gmtime_r(&seconds, &parts);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
        buffer_printf(line, "%s.%03uZ %s ", text, (unsigned)(now_ms % 1000),
                      log_levels[level].name);
    }
    buffer_printf(line, "%s: ", log_settings.program);
}

void
log_line(enum log_level level, const char *format, ...)
{
    struct buffer line = { 0 };
    char          raw[LINE_BYTES_MAX];
    int           errno_kept = errno;
    uint64_t      now_ms;
    size_t        head;
    va_list       arguments;

    if (level > log_settings.level_max)
        return;
    va_start(arguments, format);
    vsnprintf(raw, sizeof(raw), format, arguments);
    va_end(arguments);

    now_ms = clock_unix_ms();
    log_head(&line, level, now_ms);
    head = line.bytes;
    log_escape(&line, slice_text(raw));
    if (log_settings.tap != NULL)
        log_settings.tap(log_settings.tap_context, now_ms, level,
                         slice_cut(buffer_slice(&line), head, line.bytes - head));
    buffer_append(&line, "\n", 1);
    /* A log that cannot be written is no reason to stop the service. */
    if (write(STDERR_FILENO, line.data, line.bytes) < 0)
        errno = 0;
    buffer_free(&line);
    errno = errno_kept;
}
