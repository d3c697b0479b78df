/* parse.h - what people type: numbers, sizes, durations, names
 *
 * Strict: the whole text must fit, no sign, no blanks.  False leaves the
 * out-parameter untouched.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include "buffer.h"

bool parse_u64(const char *text, uint64_t max, uint64_t *value_out);
bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *value_out);
/* 512, 4K, 1.5G: powers of 1024, rounded down to bytes. */
bool parse_size(const char *text, uint64_t *bytes_out);
/* 90, 1.5s, 200ms, 5m, 2h, 1d; a plain number means seconds. */
bool parse_duration(const char *text, uint64_t *ms_out);
/* 2 gives 2000, 0.5 gives 500. */
bool parse_milli(const char *text, uint64_t *milli_out);
/* 1..bytes_max of [A-Za-z0-9._-], not starting with '-' or '.'. */
bool parse_name(struct slice text, size_t bytes_max);
bool parse_utf8(struct slice text);                            /* valid and without a zero byte */

/* The counterparts, for people: "1.5 GiB", "2m05s".  Return `text`. */
char *format_size(char text[static 16], uint64_t bytes);
char *format_duration(char text[static 16], uint64_t ms);

#endif
