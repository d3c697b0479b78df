/* capture.h - one output stream of one task: head and tail kept, bounded
 *
 * 1. Up to CAPTURE_MEMORY bytes live in memory; more goes to a file without a
 *    name, so a worker's memory does not grow with what its tasks write.
 * 2. Of more than `limit` bytes the beginning and the end are kept, and a line
 *    between them says how many were cut; all three make `limit` bytes (a
 *    little more when the limit is too small for the line).
 * 3. A disk that takes no more costs output, never the task: what was written
 *    is counted on, `lost` is set.
 */
#ifndef RUN_CAPTURE_H
#define RUN_CAPTURE_H

#include "buffer.h"
#include "wire.h"

enum { CAPTURE_MEMORY = OUTPUT_INLINE_BYTES_MAX };

struct capture {
    uint32_t      limit;
    uint64_t      written;        /* by the task */
    struct buffer memory;         /* the first bytes; in the end, of what is kept */
    int           file;           /* -1: everything is in memory */
    bool          lost;
    char          mark[64];       /* set by capture_end() when something was cut */
    uint32_t      mark_at, mark_bytes, tail_bytes;   /* of what is kept then */
};

/* `limit` > 0. */
void capture_start(struct capture *capture, uint32_t limit);
/* `folder` is where a file is made when it is needed. */
void capture_add(struct capture *capture, struct slice bytes, const char *folder);
/* No more will come. */
void capture_end(struct capture *capture);
/* Bytes kept, the mark included; after capture_end(). */
uint32_t capture_kept(const struct capture *capture);
/* The first part of what is kept: all of it, or CAPTURE_MEMORY of it. */
struct slice capture_inline(const struct capture *capture);
/* Append up to `bytes` of what is kept, from `offset` on; false: the file cannot be read. */
bool capture_read(const struct capture *capture, uint32_t offset, uint32_t bytes,
                  struct buffer *out);
void capture_free(struct capture *capture);

#endif
