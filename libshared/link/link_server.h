/* link_server.h - the two halves of the server: its connections and its frames */
#ifndef LINK_SERVER_H
#define LINK_SERVER_H

#include <netinet/in.h>
#include <zmq.h>

#include "link_socket.h"
#include "link_zap.h"
#include "list.h"
#include "map.h"

enum {
    ROUTING_BYTES   = 5,       /* of an automatic routing id: a zero, then a number */
    PEER_USER_BYTES = 2 * KEY_BYTES,
};

struct peer {
    struct list link;          /* in server->cutting or server->ending */
    uint64_t    number;
    uint32_t    routing;
    int         fd;
    uint64_t    cut_at_ms;     /* 0 = not being cut */
    bool        ending;        /* disconnected; what it sent before may still be unread */
    uint8_t     key[KEY_BYTES];
    char        user[PEER_USER_BYTES];     /* the key in digits, as its frames say it */
    char        address[64];
};

/* What the monitor said of a descriptor. */
struct connection {
    bool         open;
    bool         shut;         /* by us; its end will be announced */
    uint64_t     since_ms;
    struct peer *peer;         /* NULL until its first frame */
    char         address[INET6_ADDRSTRLEN];    /* "" = local, or gone when we looked */
};

struct link_server {
    void              *context;
    void              *router;
    void              *monitor;
    struct link_zap   *zap;
    const struct key  *key;
    struct link_waker  waker;
    bool               local;
    char               endpoint[LINK_ENDPOINT_BYTES];
    uint32_t           frame_bytes_max;
    uint32_t           connections_max;
    zmq_msg_t          id;             /* of the frame below */
    zmq_msg_t          frame;          /* handed out; lives until the next receive */
    struct map         by_number;
    struct map         by_routing;
    struct connection *connections;    /* by descriptor */
    uint32_t           connections_capacity;
    uint32_t           open_count;     /* open and not shut */
    struct list        cutting;
    struct list        ending;
    uint64_t           peers_met;
    uint64_t           tick_due_ms;
    int32_t            handshake_error;    /* of the connection whose end is told next: libzmq's
                                            * only I/O thread says both in one go */
    bool               unlent;         /* a key with connections was taken back */
    uint64_t          *gone;
    uint32_t           gone_first, gone_count, gone_capacity;
    struct link_server_counters counters;
};

/* ---- link_peers.c ---- */

/* Read what the monitor says; call before relying on a descriptor. */
void link_peers_watch(struct link_server *server);
/* What time brings: cuts that are due, expired keys, connections that stay silent. */
void link_peers_tick(struct link_server *server);
/* Who sent the frame in server->id and server->frame?  NULL: drop it. */
struct peer *link_peers_sender(struct link_server *server);
void link_peers_cut(struct link_server *server, struct peer *peer);
void link_peers_forget(struct link_server *server, struct peer *peer);
/* Everything that arrived was read: those that had ended before are gone now. */
void link_peers_drained(struct link_server *server);
/* Cut whoever would not be let in any more.  Only expiry comes by itself; the
 * rest changes with the table (`all`). */
void link_peers_check_keys(struct link_server *server, bool all);
void link_peers_free(struct link_server *server);

#endif
