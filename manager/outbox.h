/* outbox.h - messages to peers, joined into frames
 *
 * 1. Everything for one peer in one turn leaves in as few frames as fit; a lone
 *    message leaves at once.
 * 2. A peer that does not read (BUSY) keeps its frames here, in order, up to
 *    OUTBOX_PEER_BYTES_MAX; beyond that it is cut, and nothing more is kept for
 *    it.  Its session stays and resumes: nothing durable depends on what was in
 *    here.
 * 3. A peer for which nothing waits costs no frame's worth of memory.
 */
#ifndef MANAGER_OUTBOX_H
#define MANAGER_OUTBOX_H

#include "link.h"
#include "wire.h"

enum { OUTBOX_PEER_BYTES_MAX = 16 * 1024 * 1024, OUTBOX_RETRY_MS = 5 };

struct outbox;

/* `slow` is called when a peer starts (true) or stops (false) being slow. */
typedef void outbox_slow_fn(void *context, uint64_t peer, bool slow);

struct outbox *outbox_new(struct link_server *link, outbox_slow_fn *slow, void *context);
void           outbox_free(struct outbox *outbox);
/* Append one whole message (header and body). */
void           outbox_add(struct outbox *outbox, uint64_t peer, struct slice message);
/* Send what was added, and what waited.  True when something still waits for
 * a slow peer: call again after OUTBOX_RETRY_MS. */
bool           outbox_flush(struct outbox *outbox);
/* The peer's connection ended: drop what is left for it. */
void           outbox_gone(struct outbox *outbox, uint64_t peer);

#endif
