/* object_call.h - what object_call.c, handle.c and opening.c share */
#ifndef CLIENT_OBJECT_CALL_H
#define CLIENT_OBJECT_CALL_H

#include "handle.h"

/* What a caller who was interrupted still wants to know. */
struct outcome {
    struct waiter *waiter;
    bool           ended;
    bool           stays;        /* what was answered has been done */
};

struct giveup {
    struct call     cancel;
    struct asked    asked;
    struct outcome *outcome;     /* NULL: nobody waits */
};

/* All with the lock held, but for object_make(). */
void           asked_remove(struct asked *asked);
void           asked_move(struct asked *from, struct asked *to);
/* An answer came that the manager keeps until it hears so: it is asked no more. */
void           asked_seen(struct muster_session *session, struct asked *asked);
/* The manager shall take it back.  It takes the request's place in `asked`. */
struct giveup *giveup_begin(struct object_call *call);
/* Encode an OBJECT_DO. */
void           object_make(struct object_call *call, const struct handle *handle,
                           const struct msg_object_do *m, uint32_t timeout_ms);
/* `call` is encoded. */
void           object_submit(struct muster_session *session, struct object_call *call,
                             uint32_t timeout_ms);
/* done() of a blocking call: its context is the waiter. */
void           object_wake(struct object_call *call);

#endif
