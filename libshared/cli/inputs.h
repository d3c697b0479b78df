/* inputs.h - what the tasks of a job are made from: words, lines or numbers
 *
 * 1. Lines are read as a stream; at most one line and one buffer are in memory.
 * 2. A line that was read once can be asked for again only when the inputs
 *    keep a spool (for --joblog and --tag): an unlinked file in TMPDIR, so that
 *    a million lines cost disk and no memory.
 * 3. One thread reads inputs (inputs_next), another may look back (inputs_look).
 */
#ifndef INPUTS_H
#define INPUTS_H

#include "buffer.h"
#include "errors.h"

enum { INPUT_BYTES_MAX = 64 * 1024 };

enum inputs_kind {
    INPUTS_NONE,            /* one task without input */
    INPUTS_WORDS,           /* ::: a b c */
    INPUTS_LINES,           /* --each-line */
    INPUTS_ARRAY,           /* --array */
};

struct array_range {
    uint64_t first, step;
    uint32_t count;
    uint32_t running_max;   /* %N; 0 = no cap */
};

struct spool;

struct inputs {
    enum inputs_kind   kind;
    char             **words;        /* borrowed */
    uint32_t           word_count;
    struct array_range array;
    const char        *path;         /* of INPUTS_LINES; "-" is standard input */
    char               separator;    /* '\n', or 0 with --null */
    bool               any_bytes;    /* zero bytes are allowed within an input */

    /* while reading */
    int                fd;           /* -1: not open */
    int                stop_fd;      /* readable when reading shall stop; -1: none */
    bool               ended;
    struct buffer      ahead;        /* read and not yet given */
    size_t             ahead_at;
    size_t             searched;     /* no separator before here */
    uint32_t           given;
    struct spool      *spool;        /* NULL: no looking back */
};

/* "1-1000", "1-1000:2", "5", each with or without "%50". */
muster_err array_parse(const char *text, struct array_range *range_out, struct muster_error *error);

muster_err inputs_open(struct inputs *inputs, bool look_back, struct muster_error *error);
void       inputs_close(struct inputs *inputs);
/* The next one; it lives until the next call.  CLOSED: no more.  INTERRUPTED: stop_fd. */
muster_err inputs_next(struct inputs *inputs, struct slice *item_out, struct muster_error *error);
/* The input of task `index` (given before), appended to `out`. */
muster_err inputs_look(struct inputs *inputs, uint32_t index, struct buffer *out,
                       struct muster_error *error);
/* The number that people see. */
uint64_t   inputs_number(const struct inputs *inputs, uint32_t index);

#endif
