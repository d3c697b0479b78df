/* outbox.h - messages to the manager, joined into frames
 *
 * Two lanes.  Small messages are joined into as few frames as they fit; pieces
 * of large outputs follow when nothing small waits, one piece at a time and
 * read from disk when it is its turn.
 *
 * 1. No more pieces are on their way than the manager has yet to answer within
 *    OUTBOX_WINDOW: a beat that stands behind them on a slow line is still in
 *    time for the lease.
 */
#ifndef WORKER_OUTBOX_H
#define WORKER_OUTBOX_H

#include "list.h"
#include "link.h"
#include "wire.h"

enum { OUTBOX_WINDOW = 16 };          /* of CHUNK_BYTES_MAX: 2 MiB */

/* The number of every RESULT_CHUNK; the agent's own never get there. */
#define OUTBOX_CHUNK_REQUEST ((uint64_t)1 << 63)

struct outbox {
    struct buffer frame;              /* being filled */
    uint32_t      messages;           /* in it */
    struct list   frames;             /* complete, not taken by the link yet */
    struct list   bulk;
    uint32_t      chunks;             /* sent and not answered */
    size_t        waiting_bytes;      /* of `frames` */
    bool          blocked;            /* the link took no more */
};

/* Read a piece of the kept output of a task. */
typedef bool outbox_read_fn(void *context, uint64_t task, uint8_t stream, uint32_t offset,
                            uint32_t bytes, struct buffer *out);

void outbox_init(struct outbox *outbox);
void outbox_clear(struct outbox *outbox);        /* the connection is gone */
void outbox_free(struct outbox *outbox);
/* An encoded message, header and body. */
void outbox_add(struct outbox *outbox, struct slice message);
/* The same, behind the chunks that were added before it. */
void outbox_add_bulk(struct outbox *outbox, struct slice message);
/* Kept output of a stream from `offset` on, as RESULT_CHUNKs. */
void outbox_add_chunks(struct outbox *outbox, uint64_t task, const struct wire_token *token,
                       uint8_t stream, uint32_t offset, uint32_t bytes);
/* The manager answered `request`.  True: it was a chunk's. */
bool outbox_answered(struct outbox *outbox, uint64_t request);
/* Give the link what it takes. */
void outbox_flush(struct outbox *outbox, struct link_client *link, outbox_read_fn *read,
                  void *context);
bool outbox_empty(const struct outbox *outbox);

#endif
