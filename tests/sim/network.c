/* network.c - see network.h */
#include "network.h"

#include <stdlib.h>

#include "manager_node.h"
#include "map.h"

enum {
    NET_DELAY_MS       = 3,
    NET_SPIKE_MS       = 15000,
    NET_HANDSHAKE_MS   = 20,
    NET_RETRY_MS_MAX   = 1500,
    NET_NOTICE_MS      = 3000,      /* a side hears of a cut ... */
    NET_NOTICE_LATE_MS = 20000,     /* ... or only when heartbeats stay away */
};

enum net_way { TO_MANAGER, TO_SIDE, WAYS };

struct net_frame {
    struct list   link;
    uint64_t      at_ms;
    struct buffer bytes;
};

/* One direction of a connection. */
struct net_lane {
    struct net_conn *conn;
    struct list      frames;           /* on their way, first in front */
    uint64_t         last_ms;          /* arrival of the last one */
    struct sim_event arrival;          /* of the first one */
};

struct net_conn {
    struct net      *net;
    uint64_t         number;
    struct net_side *side;             /* NULL: the side has let go */
    bool             up;               /* the handshake is over */
    bool             cut;
    bool             manager_knows;    /* let go at the manager's end */
    struct net_lane  lanes[WAYS];
    struct sim_event handshake;
    struct sim_event side_notice;
    struct sim_event manager_notice;
};

struct net {
    struct sim *sim;
    struct map  conns;
    uint64_t    last;
};

struct net *
net_new(struct sim *sim)
{
    struct net *net = base_alloc(sizeof(*net));

    net->sim = sim;
    return net;
}

static void
frames_drop(struct net_conn *conn)
{
    for (int way = 0; way < WAYS; way++) {
        struct net_lane *lane = &conn->lanes[way];

        sim_cancel(conn->net->sim, &lane->arrival);
        while (!list_empty(&lane->frames)) {
            struct net_frame *frame = CONTAINER(lane->frames.next, struct net_frame, link);

            list_remove(&frame->link);
            buffer_free(&frame->bytes);
            free(frame);
        }
    }
}

static void
conn_free(struct net_conn *conn)
{
    struct sim *sim = conn->net->sim;

    frames_drop(conn);
    sim_cancel(sim, &conn->handshake);
    sim_cancel(sim, &conn->side_notice);
    sim_cancel(sim, &conn->manager_notice);
    map_remove(&conn->net->conns, conn->number);
    free(conn);
}

void
net_free(struct net *net)
{
    struct net_conn *conn;
    size_t           cursor = 0;

    while ((conn = map_next(&net->conns, &cursor, NULL)) != NULL)
        conn_free(conn);
    map_free(&net->conns);
    free(net);
}

/* Both ends have let go. */
static void
conn_settle(struct net_conn *conn)
{
    if (conn->side == NULL && conn->manager_knows)
        conn_free(conn);
}

static void
side_let_go(struct net_conn *conn)
{
    if (conn->side != NULL && conn->side->conn == conn)
        conn->side->conn = NULL;
    conn->side = NULL;
}

static void
fire_side_notice(struct sim_event *event)
{
    struct net_conn *conn = CONTAINER(event, struct net_conn, side_notice);
    struct net_side *side = conn->side;
    struct sim      *sim = conn->net->sim;
    bool             up = conn->up;

    if (side != NULL && side->frozen_until_ms > sim->now_ms) {
        sim_at(sim, event, side->frozen_until_ms);
        return;
    }
    side_let_go(conn);
    conn_settle(conn);
    if (side == NULL)
        return;
    if (up)
        side->down(side);
    if (side->wanted && side->conn == NULL)
        sim_at(sim, &side->retry, sim->now_ms + sim_random(sim, NET_RETRY_MS_MAX));
}

static void
fire_manager_notice(struct sim_event *event)
{
    struct net_conn *conn = CONTAINER(event, struct net_conn, manager_notice);
    struct sim      *sim = conn->net->sim;
    uint64_t         frozen_ms = manager_frozen_until_ms(sim->manager);

    if (frozen_ms > sim->now_ms) {
        sim_at(sim, event, frozen_ms);
        return;
    }
    conn->manager_knows = true;
    manager_peer_gone(sim->manager, conn->number);
    conn_settle(conn);
}

static uint64_t
notice_ms(struct sim *sim)
{
    if (!sim->healed && !sim->weather.restarts_only && sim_chance(sim, 100))
        return sim->now_ms + sim_random(sim, NET_NOTICE_LATE_MS);
    return sim->now_ms + sim_random(sim, NET_NOTICE_MS);
}

static void
conn_cut(struct net_conn *conn)
{
    struct sim *sim = conn->net->sim;

    if (conn->cut)
        return;
    conn->cut = true;
    frames_drop(conn);
    sim_cancel(sim, &conn->handshake);
    sim_at(sim, &conn->side_notice, notice_ms(sim));
    sim_at(sim, &conn->manager_notice, notice_ms(sim));
}

void
net_cut(struct net_side *side)
{
    if (side->conn != NULL)
        conn_cut(side->conn);
}

uint64_t
net_side_peer(const struct net_side *side)
{
    return side->conn != NULL ? side->conn->number : 0;
}

/* ---- making connections ---- */

static void
fire_handshake(struct sim_event *event)
{
    struct net_conn *conn = CONTAINER(event, struct net_conn, handshake);
    struct sim      *sim = conn->net->sim;

    assert(conn->side != NULL && !conn->cut);
    if (conn->side->frozen_until_ms > sim->now_ms) {
        sim_at(sim, event, conn->side->frozen_until_ms);
        return;
    }
    conn->up = true;
    conn->side->connections++;
    conn->side->up(conn->side);
}

static void fire_arrival(struct sim_event *event);

static struct net_conn *
conn_new(struct net *net, struct net_side *side)
{
    struct net_conn *conn = base_alloc(sizeof(*conn));

    conn->net = net;
    conn->number = ++net->last;
    conn->side = side;
    for (int way = 0; way < WAYS; way++) {
        conn->lanes[way] = (struct net_lane){ .conn = conn };
        conn->lanes[way].arrival = (struct sim_event){ .fire = fire_arrival };
        list_init(&conn->lanes[way].frames);
    }
    conn->handshake = (struct sim_event){ .fire = fire_handshake };
    conn->side_notice = (struct sim_event){ .fire = fire_side_notice };
    conn->manager_notice = (struct sim_event){ .fire = fire_manager_notice };
    map_put(&net->conns, conn->number, conn);
    return conn;
}

static void
fire_retry(struct sim_event *event)
{
    struct net_side *side = CONTAINER(event, struct net_side, retry);
    struct sim      *sim = side->sim;
    struct net_conn *conn;

    if (!side->wanted || side->conn != NULL)
        return;
    if (side->frozen_until_ms > sim->now_ms) {
        sim_at(sim, event, side->frozen_until_ms);
        return;
    }
    if (side->apart_until_ms > sim->now_ms || !manager_up(sim->manager)) {
        sim_at(sim, event, sim->now_ms + sim_between(sim, 1, NET_RETRY_MS_MAX));
        return;
    }
    conn = conn_new(sim->net, side);
    side->conn = conn;
    sim_at(sim, &conn->handshake, sim->now_ms + sim_between(sim, 1, NET_HANDSHAKE_MS));
}

void
net_side_open(struct net_side *side)
{
    assert(side->conn == NULL);
    side->wanted = true;
    side->retry.fire = fire_retry;
    sim_at(side->sim, &side->retry, side->sim->now_ms + sim_random(side->sim, NET_RETRY_MS_MAX));
}

/* The side's end is closed at once; the manager hears of it in time. */
static void
side_drop(struct net_side *side)
{
    struct net_conn *conn = side->conn;

    if (conn == NULL)
        return;
    conn_cut(conn);
    side_let_go(conn);
    conn_settle(conn);
}

void
net_side_close(struct net_side *side)
{
    side->wanted = false;
    sim_cancel(side->sim, &side->retry);
    side_drop(side);
}

void
net_reconnect(struct net_side *side)
{
    side_drop(side);
    sim_at(side->sim, &side->retry, side->sim->now_ms + sim_random(side->sim, NET_RETRY_MS_MAX));
}

/* ---- frames ---- */

/* The first frame of a lane arrives, unless its receiver is frozen. */
static void
fire_arrival(struct sim_event *event)
{
    struct net_lane  *lane = CONTAINER(event, struct net_lane, arrival);
    struct net_conn  *conn = lane->conn;
    struct net_side  *side = conn->side;
    struct sim       *sim = conn->net->sim;
    bool              to_manager = lane == &conn->lanes[TO_MANAGER];
    struct net_frame *frame = CONTAINER(lane->frames.next, struct net_frame, link);
    uint64_t          frozen_ms = to_manager ? manager_frozen_until_ms(sim->manager)
                                             : side->frozen_until_ms;

    if (frozen_ms > sim->now_ms) {
        sim_at(sim, event, frozen_ms);
        return;
    }
    list_remove(&frame->link);
    if (!list_empty(&lane->frames))
        sim_at(sim, event, CONTAINER(lane->frames.next, struct net_frame, link)->at_ms);
    if (to_manager)
        manager_frame(sim->manager, conn->number, buffer_slice(&frame->bytes));
    else
        side->frame(side, buffer_slice(&frame->bytes));
    buffer_free(&frame->bytes);
    free(frame);
}

static void
conn_send(struct net_conn *conn, enum net_way way, struct slice bytes)
{
    struct sim       *sim = conn->net->sim;
    struct net_lane  *lane = &conn->lanes[way];
    struct net_frame *frame;
    uint64_t          at_ms = sim->now_ms + sim_random(sim, NET_DELAY_MS);

    if (conn->cut || !conn->up)
        return;
    if (!sim->healed && sim_chance(sim, sim->weather.spikes))
        at_ms += sim_random(sim, NET_SPIKE_MS);
    if (at_ms < lane->last_ms)
        at_ms = lane->last_ms;
    lane->last_ms = at_ms;
    frame = base_alloc(sizeof(*frame));
    frame->at_ms = at_ms;
    buffer_append_slice(&frame->bytes, bytes);
    if (list_empty(&lane->frames))
        sim_at(sim, &lane->arrival, at_ms);
    list_append(&lane->frames, &frame->link);
}

void
net_send(struct net_side *side, struct slice frame)
{
    if (side->conn != NULL)
        conn_send(side->conn, TO_MANAGER, frame);
}

void
net_manager_send(struct net *net, uint64_t peer, struct slice frame)
{
    struct net_conn *conn = map_get(&net->conns, peer);

    if (conn != NULL)
        conn_send(conn, TO_SIDE, frame);
}

void
net_manager_cut(struct net *net, uint64_t peer)
{
    struct net_conn *conn = map_get(&net->conns, peer);

    if (conn != NULL)
        conn_cut(conn);
}

const struct net_side *
net_peer_side(const struct net *net, uint64_t peer)
{
    const struct net_conn *conn = map_get(&net->conns, peer);

    return conn != NULL ? conn->side : NULL;
}

void
net_manager_gone(struct net *net)
{
    struct net_conn *conn;
    size_t           cursor = 0;

    while ((conn = map_next(&net->conns, &cursor, NULL)) != NULL) {
        conn_cut(conn);
        conn->manager_knows = true;
        sim_cancel(net->sim, &conn->manager_notice);
        conn_settle(conn);
    }
}

/* ---- packing ---- */

void
net_pack_end(struct net_packer *packer, net_frame_fn *send, void *context)
{
    if (packer->messages == 0)
        return;
    wire_frame_end(&packer->frame, packer->messages);
    send(context, buffer_slice(&packer->frame));
    buffer_clear(&packer->frame);
    packer->messages = 0;
}

void
net_pack(struct net_packer *packer, struct slice message, net_frame_fn *send, void *context)
{
    if (packer->messages > 0 && !wire_frame_fits(&packer->frame, packer->messages, message.bytes))
        net_pack_end(packer, send, context);
    if (packer->messages == 0)
        wire_frame_begin(&packer->frame);
    buffer_append_slice(&packer->frame, message);
    packer->messages++;
}
