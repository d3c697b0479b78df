/* connection.h - one end of a pipe, inside: what its files share
 *
 *   send     message -> parts -> SENDs on their way (answered when taken)
 *   receive  RECEIVEs on their way -> parts -> message
 *
 * 1. Everything is guarded by the session's lock.
 * 2. A part that was sent belongs to its call alone; closing the connection cuts
 *    it loose and lets it travel.
 * 3. One RECEIVE is always on its way while little lies here: its arrival at the
 *    manager tells the sender that what came before was taken.  Of a large message
 *    the size is known with its first part, so the others are asked for ahead, each
 *    by a RECEIVE of its own.
 * 4. A message that was begun stays here until it is whole, over any number of
 *    calls that ran out of time.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "handle.h"

enum { PART_BYTES = VALUE_BYTES_MAX };       /* every part is full but the last of a message */

struct part_in {                             /* received, not handed over yet */
    struct list   link;
    struct buffer memory;                    /* in which `bytes` lie */
    struct slice  bytes;
    uint64_t      whole;                     /* bytes of its message */
    bool          more;
};

struct outgoing {
    struct list         calls;               /* struct part_out */
    uint64_t            next;                /* number of the next part */
    size_t              bytes;               /* on their way */
    struct muster_error error;               /* then nothing can be sent any more */
};

struct incoming {
    struct list         asks;                /* struct part_ask, by number */
    struct list         parts;               /* struct part_in */
    struct buffer       spare;               /* of a part handed over, for an answer to come */
    uint64_t            next;                /* number of the next part to ask for */
    uint64_t            received;            /* parts below it are here or handed over */
    size_t              bytes;               /* in `parts` */
    uint64_t            whole, have;         /* of the message whose parts arrive now */
    bool                begun;
    struct muster_bytes message;             /* being put together */
    size_t              filled;
    struct muster_error error;               /* END too: told when all parts are read */
};

struct muster_connection {
    struct handle   handle;
    unsigned        end;
    bool            sends, receives;
    int             event_fd;                /* -1: nobody asked for it */
    bool            event_told;
    struct outgoing out;
    struct incoming in;
};

/* A handle of the pipe becomes the connection's, attached to `end`. */
muster_err connection_attach(const struct handle *handle, unsigned end, bool duplex,
                             uint32_t timeout_ms, struct muster_connection **connection_out,
                             struct muster_error *error);

/* connection_receive.c, with the lock held */
void receive_begin(struct muster_connection *connection);    /* ask for what is wanted */
void receive_end(struct muster_connection *connection);
/* Something can be received without waiting (the end counts). */
bool receive_ready(const struct muster_connection *connection);
void receive_tell(struct muster_connection *connection);     /* the descriptor follows */

#endif
