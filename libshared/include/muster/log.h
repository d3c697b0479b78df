/* log.h - what the workers and the manager have logged, from anywhere; role admin
 *
 * The manager keeps the last lines of all in memory, in the order in which they came:
 * those of one worker in the order in which it logged them.  A follower reads them, and
 * then those that come, also over a restart of the manager.  Log lines and output of
 * tasks come with their results and by muster_output_follow() (job.h).
 *
 * Texts may come from anyone: make them safe before a terminal sees them.
 */
#ifndef MUSTER_LOG_H
#define MUSTER_LOG_H

#include <muster/session.h>

#ifdef __cplusplus
extern "C" {
#endif

enum muster_log_level { MUSTER_LOG_ERROR, MUSTER_LOG_WARN, MUSTER_LOG_INFO, MUSTER_LOG_DEBUG };
MUSTER_API const char *muster_log_level_name(enum muster_log_level level);

struct muster_log_options {       /* all zero: errors of all, from the oldest that is kept */
    const char *source;           /* only of this worker, or "manager"; NULL = of all */
    enum muster_log_level level;  /* lines of this level and of more serious ones */
    uint64_t    after;            /* number of a line: only those behind it; 0 = all */
};

struct muster_log_line {
    uint64_t number;              /* rises, also over a restart of the manager */
    uint64_t unix_ms;             /* by the clock of who logged it */
    uint64_t lost;                /* lines, of any source, that were dropped before it */
    enum muster_log_level level;
    char     source[65];
    char     text[481];
};

struct muster_log;

/* One thread uses a follower at a time; close it before its session.  INVALID: the name
 * of the source is none. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_log_open(struct muster_session *session, const struct muster_log_options *options,
                struct muster_log **log_out, struct muster_error *error);
/* The next line, waited for.  TIMEOUT: there was none in time (0 asks once, and waits a few
 * seconds for the manager's word); INTERRUPTED; DENIED: the key is not of role admin. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_log_next(struct muster_log *log, uint32_t timeout_ms, struct muster_log_line *line_out,
                struct muster_error *error);
MUSTER_API void muster_log_close(struct muster_log *log);     /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
