/* log.h - one line per event, for people and for grep
 *
 *   2026-05-04T12:00:01.123Z warn muster-manager: key refused key=... peer=...
 *
 * Lines go to stderr in one write each.  Everything that is not printable is
 * escaped, so that no peer can forge a line or talk to a terminal.  Under
 * systemd (JOURNAL_STREAM) the time is left out and the level is a <N> prefix.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "buffer.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_start(const char *program, enum log_level level_max);
bool log_level_parse(const char *text, enum log_level *level_out);
void log_line(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Also give every line to `tap`: what was logged, escaped, without time, level and
 * program.  It is called on the thread that logs, and must not log.  Set it before
 * other threads start; NULL ends it. */
typedef void log_tap_fn(void *context, uint64_t unix_ms, enum log_level level, struct slice text);
void log_tap(log_tap_fn *tap, void *context);

/* Append `text` with control characters, DEL and invalid UTF-8 written as \xNN. */
void log_escape(struct buffer *out, struct slice text);

#endif
