/* log_tail.h - the last lines that this process logged, for whoever passes them on
 *
 * Lines of level info and more serious are kept, cut to LOG_TAIL_TEXT_BYTES_MAX,
 * in a room of so many bytes; the oldest go when it is full.  Their numbers rise by
 * one, so a gap tells how many went.  Any thread may log; one reads.
 */
#ifndef BASE_LOG_TAIL_H
#define BASE_LOG_TAIL_H

#include "log.h"

enum { LOG_TAIL_TEXT_BYTES_MAX = 480 };

struct log_tail;

struct log_tail_line {
    uint64_t       number, unix_ms;
    enum log_level level;
    struct slice   text;           /* valid UTF-8; valid until the next call */
};

/* From now on what is logged is kept, with numbers above `after`.  One at a time in a
 * process. */
struct log_tail *log_tail_open(size_t bytes_max, uint64_t after);
void             log_tail_close(struct log_tail *tail);      /* NULL is allowed */
/* The oldest line with a number above `after`; false: there is none. */
bool             log_tail_next(struct log_tail *tail, uint64_t after,
                               struct log_tail_line *line_out);
/* Lines up to this one are not needed any more. */
void             log_tail_drop(struct log_tail *tail, uint64_t number);
/* Number of the newest line, `after` before the first; costs no lock. */
uint64_t         log_tail_last(const struct log_tail *tail);

#endif
