/* outbox.h - messages to the manager, joined into frames
 *
 * Two lanes.  Small messages are joined into as few frames as they fit; pieces
 * of large outputs follow when nothing small waits, one piece at a time and
 * read from disk when it is its turn.
 */
#ifndef WORKER_OUTBOX_H
#define WORKER_OUTBOX_H

#include "list.h"
#include "link.h"
#include "wire.h"

struct outbox {
    struct buffer frame;              /* being filled */
    uint32_t      messages;           /* in it */
    struct list   frames;             /* complete, not taken by the link yet */
    struct list   bulk;
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
/* Give the link what it takes. */
void outbox_flush(struct outbox *outbox, struct link_client *link, outbox_read_fn *read,
                  void *context);
bool outbox_empty(const struct outbox *outbox);

#endif
