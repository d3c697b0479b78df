/* network.h - connections that delay and are cut
 *
 * 1. Within a connection frames arrive whole, once and in order.
 * 2. A cut loses everything on its way, in both directions.  Each side hears
 *    of it later, the manager perhaps after the peer has come back.
 * 3. Between connections nothing is ordered.
 */
#ifndef SIM_NETWORK_H
#define SIM_NETWORK_H

#include "list.h"
#include "wire.h"
#include "world.h"

struct net_conn;

/* A worker or a client: who is on the far end of connections to the manager. */
struct net_side {
    struct sim      *sim;
    struct net_conn *conn;             /* NULL: none */
    enum wire_role   role;
    const char      *user;
    uint64_t         apart_until_ms;   /* partitioned from the manager */
    uint64_t         frozen_until_ms;  /* SIGSTOP: takes no part in anything */
    uint64_t         connections;      /* ever made */
    struct sim_event retry;            /* try to connect */
    bool             wanted;           /* it wants a connection */
    void           (*up)(struct net_side *side);
    void           (*down)(struct net_side *side);
    void           (*frame)(struct net_side *side, struct slice frame);
};

struct net *net_new(struct sim *sim);
void        net_free(struct net *net);

void net_side_open(struct net_side *side);       /* keep a connection from now on */
void net_side_close(struct net_side *side);      /* the process is gone */
void net_reconnect(struct net_side *side);       /* drop this one, make another */
void net_send(struct net_side *side, struct slice frame);

/* The manager's end.  A peer is the number of a connection. */
void net_manager_send(struct net *net, uint64_t peer, struct slice frame);
void net_manager_cut(struct net *net, uint64_t peer);
const struct net_side *net_peer_side(const struct net *net, uint64_t peer);   /* NULL: gone */
void net_manager_gone(struct net *net);          /* it crashed: every connection is cut */

void     net_cut(struct net_side *side);         /* by the weather */
uint64_t net_side_peer(const struct net_side *side);    /* 0: no connection */

/* ---- whole messages, packed into frames ---- */
struct net_packer {
    struct buffer frame;
    uint32_t      messages;
};
typedef void net_frame_fn(void *context, struct slice frame);
void net_pack(struct net_packer *packer, struct slice message, net_frame_fn *send, void *context);
void net_pack_end(struct net_packer *packer, net_frame_fn *send, void *context);

#endif
