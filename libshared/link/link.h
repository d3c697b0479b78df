/* link.h - frames between processes, encrypted and authenticated
 *
 * The only folder that touches ZeroMQ.  TRAPS of libzmq decide its shape:
 * enforced ZAP with its handler started before bind, single-part messages of
 * at most FRAME bytes, automatic routing ids, small high-water marks, identity
 * from the ZAP User-Id, a self-test with a stranger's key on the real endpoint.
 *
 * Threads: each handle belongs to the thread that uses it; link_server_set_keys
 * may be called from that thread at any time.  The ZAP handler has a thread of
 * its own with the table in memory.  No handle survives fork(2): after the first
 * one is open a process may only fork to exec.
 */
#ifndef LINK_H
#define LINK_H

#include "auth.h"
#include "buffer.h"
#include "errors.h"

/* Frames whose messages have so many bytes each are better given than sent (see below). */
enum { LINK_GIVE_BYTES_MIN = 32 * 1024 };

/* ---- the manager's side ---- */
struct link_server;

/* Who a frame came from.  `peer` is unique for the life of the server and
 * changes when a peer reconnects. */
struct link_peer {
    uint64_t       peer;
    uint8_t        key[KEY_BYTES];       /* proven by CURVE */
    char           address[64];          /* numeric, "" for ipc */
};

struct link_server_config {
    const char       *endpoint;          /* tcp://ADDR:PORT or ipc://PATH; PORT may be 0 or * */
    const struct key *key;               /* borrowed for the life of the server */
    uint32_t          frame_bytes_max;
    uint32_t          connections_max;
    struct auth_lent *lent;              /* good from the start; taken over, NULL = none */
};

/* Binds and proves that a stranger's key is refused.  Takes `table` over.
 * Errors: EXISTS (address in use), INVALID (endpoint), DENIED, IO, INTERNAL
 * (the self-test was let in: the caller must exit). */
muster_err link_server_open(const struct link_server_config *config, struct auth_table *table,
                            struct link_server **server_out, struct muster_error *error);
void        link_server_close(struct link_server *server);
const char *link_server_endpoint(const struct link_server *server);   /* with the real port */
/* Swap the table (taken over).  Connections of keys that are gone or no longer
 * admitted are cut; their peers are reported by link_server_gone(). */
void        link_server_set_keys(struct link_server *server, struct auth_table *table);
/* The entry of a peer's key in the present table, or as it is lent; NULL when it is
 * gone.  *lent_out (may be NULL) tells which. */
const struct auth_entry *link_server_entry(const struct link_server *server,
                                           const uint8_t key[KEY_BYTES], bool *lent_out);
/* Lend a key, see auth_lent_add(); or take it back: no more connections of it, and those
 * that it has are cut by the next link_server_cut_unlent(). */
void        link_server_lend(struct link_server *server, const uint8_t key[KEY_BYTES],
                             const char *user, const char *address);
void        link_server_unlend(struct link_server *server, const uint8_t key[KEY_BYTES]);
void        link_server_cut_unlent(struct link_server *server);
/* Readable for as long as link_server_receive() or link_server_gone() may have
 * something.  Frames, ends of connections and time all come through it: after it
 * was readable call both until they return false.  Always the same, but ask for it
 * before every wait: that is when what a send has stirred up is looked for. */
int         link_server_fd(struct link_server *server);
/* One frame, if there is one.  *frame_out lives until the next receive. */
bool        link_server_receive(struct link_server *server, struct link_peer *from_out,
                                struct slice *frame_out);
/* OK; BUSY when the peer is slow (keep the frame and try again later);
 * NOT_FOUND when the peer is gone. */
muster_err  link_server_send(struct link_server *server, uint64_t peer, struct slice frame);
/* The same without a copy: on OK *frame is empty afterwards, its memory taken over;
 * on an error its bytes stay.  For large frames: it costs an allocation. */
muster_err  link_server_give(struct link_server *server, uint64_t peer, struct buffer *frame);
/* Say in the log, where refused handshakes are, that this peer may not do what it wants:
 * a few lines a second, however many are refused. */
void        link_server_refused(struct link_server *server, uint64_t peer, const char *why);
/* Cut a peer's connection (bad messages, revoked key).  What was sent before has
 * 100 ms to leave; nothing is received from it any more.  It is reported gone. */
void        link_server_cut(struct link_server *server, uint64_t peer);
/* Peers whose connection ended; false when there is none (left). */
bool        link_server_gone(struct link_server *server, uint64_t *peer_out);

struct link_server_counters {
    uint64_t admitted, refused, frames_in, frames_out, bytes_in, bytes_out;
};
void        link_server_count(const struct link_server *server, struct link_server_counters *out);

/* ---- everyone else's side ---- */
struct link_client;

enum link_state {
    LINK_CONNECTING,       /* nobody has answered yet; or FULL, for now: see *error */
    LINK_CONNECTED,        /* handshake done: the key was accepted */
    LINK_REFUSED,          /* the manager refused our key (final until reopened) */
    LINK_WRONG_MANAGER,    /* the handshake failed: not the manager of our authkey */
    LINK_LOST,             /* was connected; trying again by itself with jitter */
};

struct link_client_config {
    const char       *endpoint;
    const struct key *key;               /* borrowed */
    uint32_t          frame_bytes_max;
    uint32_t          reconnect_ms_min;  /* doubled up to the next */
    uint32_t          reconnect_ms_max;
};

muster_err link_client_open(const struct link_client_config *config,
                            struct link_client **client_out, struct muster_error *error);
void            link_client_close(struct link_client *client);
/* Two descriptors to poll, readable for as long as there may be something: frames, and
 * changes of state.  Always the same, but ask for that of the frames before every wait:
 * that is when what a send has stirred up is looked for.  That a BUSY send may work again
 * is told by none of them in every case: try it again after a few milliseconds. */
int             link_client_fd(struct link_client *client);
int             link_client_state_fd(struct link_client *client);
/* Reads the monitor; *connections_out counts the connections made so far, so that
 * the caller knows when to say HELLO again.  *error gets why it is not
 * connected, without the address. */
enum link_state link_client_state(struct link_client *client, uint64_t *connections_out,
                                  struct muster_error *error);
bool            link_client_receive(struct link_client *client, struct slice *frame_out);
/* OK; BUSY when the queue to the manager is full, when there is no connection, or
 * when there is one that link_client_state() has not told of yet: so HELLO can be
 * the first frame on it. */
muster_err      link_client_send(struct link_client *client, struct slice frame);
/* The same without a copy: on OK *frame is empty afterwards, its memory taken over;
 * on an error its bytes stay.  For large frames: it costs an allocation. */
muster_err      link_client_give(struct link_client *client, struct buffer *frame);

#endif
