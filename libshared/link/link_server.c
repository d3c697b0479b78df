/* link_server.c - the manager's socket: peers come, are known by their key, and go
 *
 * 1. A frame is believed to be its peer's only when routing id, descriptor and
 *    User-Id of the very message agree with what the peer was met with: routing
 *    ids can be chosen by a client, and descriptors are used again.
 * 2. A peer that was handed out by link_server_receive() is reported exactly
 *    once by link_server_gone(), and no frame of it is handed out afterwards.
 * 3. A connection is cut by shutdown(2) on its descriptor, never by close(2):
 *    the descriptor belongs to libzmq's I/O thread.
 * 4. Connections, known or not, are bounded: those over the limit are shut as
 *    soon as they are accepted, those that send nothing after a while.
 *
 * The monitor tells of a descriptor's end before all that it sent may have been
 * read.  A frame whose descriptor is closed, or is another peer's by now, is late
 * and dropped: whatever it asked for, its sender is gone and will ask again.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zmq.h>

#include "clock.h"
#include "heap.h"
#include "link_socket.h"
#include "link_zap.h"
#include "list.h"
#include "log.h"
#include "map.h"

enum {
    TICK_MS         = 1000,
    CUT_DELAY_MS    = 100,     /* what was sent before a cut has so long to leave */
    SILENT_MS       = 2 * LINK_HANDSHAKE_MS,
    STRANGERS_MAX   = 128,     /* connections beyond the cap that may be in a handshake */
    ROUTING_BYTES   = 5,       /* of an automatic routing id: a zero, then a number */
    SELF_TEST_MS    = 5000,
    BACKLOG         = 512,
    DROPS_MAX       = 256,     /* in one call, so that a flood of them does not hold the owner */
};

struct peer {
    struct list link;          /* in server->cutting */
    uint64_t    number;
    uint32_t    routing;
    int         fd;
    uint64_t    cut_at_ms;     /* 0 = not being cut */
    uint8_t     key[KEY_BYTES];
    char        address[64];
};

/* What the monitor said of a descriptor. */
struct connection {
    bool         open;
    bool         shut;         /* by us; its end will be announced */
    uint64_t     since_ms;
    struct peer *peer;         /* NULL until its first frame */
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
    uint64_t           peers_met;
    uint64_t           tick_due_ms;
    uint64_t          *gone;
    uint32_t           gone_first, gone_count, gone_capacity;
    struct link_server_counters counters;
};

/* ---- peers ---- */

static struct connection *
connection_at(struct link_server *server, int fd)
{
    if (fd < 0 || (uint32_t)fd >= server->connections_capacity)
        return NULL;
    return &server->connections[fd];
}

static void
peer_forget(struct link_server *server, struct peer *peer)
{
    struct connection *connection = connection_at(server, peer->fd);

    if (connection != NULL && connection->peer == peer)
        connection->peer = NULL;
    if (list_linked(&peer->link))
        list_remove(&peer->link);
    if (map_get(&server->by_routing, peer->routing) == peer)
        map_remove(&server->by_routing, peer->routing);
    map_remove(&server->by_number, peer->number);
    link_zap_leave(server->zap, peer->key);
    base_grow((void **)&server->gone, &server->gone_capacity, server->gone_count + 1,
              sizeof(*server->gone));
    server->gone[server->gone_count++] = peer->number;
    link_waker_arm(&server->waker);
    free(peer);
}

/* Call only when the events were read just before, so that the descriptor is
 * still this connection's. */
static void
connection_shut(struct link_server *server, int fd)
{
    struct connection *connection = connection_at(server, fd);

    if (connection == NULL || !connection->open || connection->shut)
        return;
    connection->shut = true;
    server->open_count--;
    (void)shutdown(fd, SHUT_RDWR);      /* ENOTCONN: it is going anyway */
}

static void
peer_cut(struct link_server *server, struct peer *peer)
{
    if (peer->cut_at_ms != 0)
        return;
    peer->cut_at_ms = clock_now_ms() + CUT_DELAY_MS;
    list_append(&server->cutting, &peer->link);
    if (server->tick_due_ms == 0 || server->tick_due_ms > peer->cut_at_ms) {
        server->tick_due_ms = peer->cut_at_ms;
        link_waker_timer(&server->waker, CUT_DELAY_MS);
    }
}

/* ---- the monitor ---- */

static void
connection_ended(struct link_server *server, int fd)
{
    struct connection *connection = connection_at(server, fd);

    if (connection == NULL || !connection->open)
        return;
    if (connection->peer != NULL)
        peer_forget(server, connection->peer);
    if (!connection->shut)
        server->open_count--;
    *connection = (struct connection){ .open = false };
}

static void
connection_accepted(struct link_server *server, int fd)
{
    uint64_t now_ms = clock_now_ms();

    base_grow((void **)&server->connections, &server->connections_capacity, (uint32_t)fd + 1,
              sizeof(*server->connections));
    connection_ended(server, fd);       /* never two at a time */
    server->connections[fd] = (struct connection){ .open = true, .since_ms = now_ms };
    server->open_count++;
    if (server->tick_due_ms == 0) {
        server->tick_due_ms = now_ms + TICK_MS;
        link_waker_timer(&server->waker, TICK_MS);
    }
}

/* Too many that have not said anything: the oldest goes, because an honest one
 * is through its handshake in milliseconds. */
static bool
shed_one(struct link_server *server)
{
    uint32_t oldest = UINT32_MAX;

    for (uint32_t fd = 0; fd < server->connections_capacity; fd++) {
        const struct connection *connection = &server->connections[fd];

        if (connection->open && !connection->shut && connection->peer == NULL &&
            (oldest == UINT32_MAX || connection->since_ms < server->connections[oldest].since_ms))
            oldest = fd;
    }
    if (oldest != UINT32_MAX)
        connection_shut(server, (int)oldest);
    return oldest != UINT32_MAX;
}

static void
server_watch(struct link_server *server)
{
    struct link_event event;

    while (link_monitor_next(server->monitor, &event)) {
        if (event.type == ZMQ_EVENT_ACCEPTED)
            connection_accepted(server, (int)event.value);
        else if (event.type == ZMQ_EVENT_DISCONNECTED)
            connection_ended(server, (int)event.value);
    }
    while (server->open_count > server->connections_max + STRANGERS_MAX && shed_one(server))
        continue;
}

/* ---- time ---- */

static void
tick_silent(struct link_server *server, uint64_t now_ms)
{
    for (uint32_t fd = 0; fd < server->connections_capacity; fd++) {
        const struct connection *connection = &server->connections[fd];

        if (connection->open && connection->peer == NULL &&
            now_ms - connection->since_ms > SILENT_MS)
            connection_shut(server, (int)fd);
    }
}

/* Cut whoever would not be let in any more.  Only expiry comes by itself; the
 * rest changes with the table (`all`). */
static void
tick_keys(struct link_server *server, bool all)
{
    struct peer *peer;
    size_t       cursor = 0;

    while ((peer = map_next(&server->by_number, &cursor, NULL)) != NULL) {
        const struct auth_entry *entry = auth_table_find(link_zap_table(server->zap), peer->key);
        struct muster_error      why = { 0 };

        if (peer->cut_at_ms != 0 || (!all && entry != NULL && entry->not_after_unix_ms == 0))
            continue;
        if (entry == NULL)
            error_set(&why, MUSTER_ERR_AUTH, "the key was revoked");
        else if (auth_entry_admits(entry, peer->address, clock_unix_ms(), &why) == MUSTER_OK)
            continue;
        link_zap_log(server->zap, peer->key, peer->address, why.detail);
        peer_cut(server, peer);
    }
}

static void
server_tick(struct link_server *server)
{
    uint64_t now_ms = clock_now_ms();

    if (server->tick_due_ms == 0 || now_ms < server->tick_due_ms)
        return;
    server_watch(server);
    tick_silent(server, now_ms);
    tick_keys(server, false);
    for (struct list *at = server->cutting.next, *next; at != &server->cutting; at = next) {
        struct peer *peer = CONTAINER(at, struct peer, link);

        next = at->next;
        if (now_ms < peer->cut_at_ms)
            continue;
        list_remove(at);
        connection_shut(server, peer->fd);
    }
    server->tick_due_ms = 0;
    if (server->open_count > 0 || !list_empty(&server->cutting)) {
        uint64_t after_ms = list_empty(&server->cutting) ? TICK_MS : CUT_DELAY_MS;

        server->tick_due_ms = now_ms + after_ms;
        link_waker_timer(&server->waker, after_ms);
    } else {
        link_waker_timer(&server->waker, 0);
    }
}

/* ---- frames ---- */

/* What libzmq attaches to the frame of an authenticated connection. */
struct sender {
    uint32_t    routing;
    int         fd;
    uint8_t     key[KEY_BYTES];
    const char *address;
};

static bool
key_of_user(const char *user, uint8_t key_out[KEY_BYTES])
{
    if (strlen(user) != 2 * KEY_BYTES)
        return false;
    for (size_t i = 0; i < 2 * KEY_BYTES; i++) {
        char     c = user[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        key_out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : key_out[i / 2] | digit);
    }
    return true;
}

/* False: not authenticated, or with a routing id of its own choice. */
static bool
sender_read(struct link_server *server, struct sender *sender)
{
    const uint8_t *id = zmq_msg_data(&server->id);
    const char    *user = zmq_msg_gets(&server->frame, "User-Id");

    sender->fd = zmq_msg_get(&server->frame, ZMQ_SRCFD);
    sender->address = server->local ? "" : zmq_msg_gets(&server->frame, "Peer-Address");
    if (sender->address == NULL)
        sender->address = "";
    if (user == NULL || !key_of_user(user, sender->key) ||
        zmq_msg_size(&server->id) != ROUTING_BYTES || id[0] != 0)
        return false;
    sender->routing = (uint32_t)id[1] << 24 | (uint32_t)id[2] << 16 | (uint32_t)id[3] << 8 | id[4];
    return true;
}

/* The first frame of a connection.  NULL: it is late, or not welcome. */
static struct peer *
peer_meet(struct link_server *server, const struct sender *sender)
{
    struct connection  *connection;
    struct muster_error why = { 0 };
    struct peer        *peer;

    server_watch(server);
    connection = connection_at(server, sender->fd);
    if (connection == NULL || !connection->open)
        return NULL;
    if (connection->peer != NULL) {
        /* Numbers ascend: the smaller one is a connection that had this descriptor before. */
        if ((int32_t)(sender->routing - connection->peer->routing) < 0)
            return NULL;
        peer_forget(server, connection->peer);
    }
    peer = map_get(&server->by_routing, sender->routing);
    if (peer != NULL)
        peer_forget(server, peer);
    /* The table may have changed, and others come in, since the handshake. */
    if (link_zap_enter(server->zap, sender->key, sender->address, &why)) {
        link_zap_log(server->zap, sender->key, sender->address, why.detail);
        connection_shut(server, sender->fd);
        return NULL;
    }
    peer = base_alloc(sizeof(*peer));
    peer->number = ++server->peers_met;
    peer->routing = sender->routing;
    peer->fd = sender->fd;
    memcpy(peer->key, sender->key, KEY_BYTES);
    snprintf(peer->address, sizeof(peer->address), "%s", sender->address);
    map_put(&server->by_number, peer->number, peer);
    map_put(&server->by_routing, peer->routing, peer);
    connection->peer = peer;
    return peer;
}

/* Who sent the frame just read?  NULL: drop it. */
static struct peer *
server_sender(struct link_server *server)
{
    struct sender sender;
    struct peer  *peer;

    if (!sender_read(server, &sender)) {
        server_watch(server);
        connection_shut(server, sender.fd);
        return NULL;
    }
    peer = map_get(&server->by_routing, sender.routing);
    if (peer == NULL || peer->fd != sender.fd || memcmp(peer->key, sender.key, KEY_BYTES) != 0)
        peer = peer_meet(server, &sender);
    return peer != NULL && peer->cut_at_ms == 0 ? peer : NULL;
}

/* One message, all of its parts.  False: there is none. */
static bool
server_read(struct link_server *server, bool *single_out)
{
    bool single = true;

    if (zmq_msg_recv(&server->id, server->router, ZMQ_DONTWAIT) < 0)
        return false;
    /* libzmq hands over whole messages: the other parts are there. */
    if (!zmq_msg_more(&server->id) || zmq_msg_recv(&server->frame, server->router, ZMQ_DONTWAIT) < 0)
        return false;
    while (zmq_msg_more(&server->frame)) {
        zmq_msg_t rest;

        single = false;
        zmq_msg_init(&rest);
        if (zmq_msg_recv(&rest, server->router, ZMQ_DONTWAIT) < 0 || !zmq_msg_more(&rest)) {
            zmq_msg_close(&rest);
            break;
        }
        zmq_msg_close(&rest);
    }
    *single_out = single;
    return true;
}

/* The next frame that is worth something; *drained_out: there is none left. */
static struct peer *
server_next(struct link_server *server, bool *drained_out)
{
    *drained_out = false;
    for (unsigned drops = 0; drops < DROPS_MAX; drops++) {
        struct peer *peer;
        bool         single;

        if (!server_read(server, &single)) {
            *drained_out = true;
            return NULL;
        }
        peer = server_sender(server);
        if (peer == NULL)
            continue;
        if (single && zmq_msg_size(&server->frame) <= server->frame_bytes_max)
            return peer;
        link_zap_log(server->zap, peer->key, peer->address,
                     single ? "a frame over the limit" : "a message of several parts");
        peer_cut(server, peer);
    }
    return NULL;
}

bool
link_server_receive(struct link_server *server, struct link_peer *from_out, struct slice *frame_out)
{
    bool         drained;
    struct peer *peer = server_next(server, &drained);

    if (!drained)
        link_waker_arm(&server->waker);
    if (peer != NULL) {
        server->counters.frames_in++;
        server->counters.bytes_in += zmq_msg_size(&server->frame);
        from_out->peer = peer->number;
        memcpy(from_out->key, peer->key, KEY_BYTES);
        memcpy(from_out->address, peer->address, sizeof(from_out->address));
        *frame_out = slice_of(zmq_msg_data(&server->frame), zmq_msg_size(&server->frame));
        return true;
    }
    server_watch(server);
    server_tick(server);
    if (drained && server->gone_first == server->gone_count)
        link_waker_disarm(&server->waker);
    return false;
}

muster_err
link_server_send(struct link_server *server, uint64_t number, struct slice frame)
{
    struct peer *peer = map_get(&server->by_number, number);
    uint8_t      id[ROUTING_BYTES] = { 0 };
    zmq_msg_t    message;
    int          rc;

    assert(frame.bytes <= server->frame_bytes_max);
    if (peer == NULL || peer->cut_at_ms != 0)
        return MUSTER_ERR_NOT_FOUND;
    for (unsigned i = 0; i < 4; i++)
        id[1 + i] = (uint8_t)(peer->routing >> (24 - 8 * i));
    if (zmq_send(server->router, id, sizeof(id), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() == EAGAIN)
            return MUSTER_ERR_BUSY;
        assert(zmq_errno() == EHOSTUNREACH);
        peer_forget(server, peer);      /* its end was not announced yet, or never met us */
        return MUSTER_ERR_NOT_FOUND;
    }
    rc = zmq_msg_init_size(&message, frame.bytes);
    assert(rc == 0);
    if (frame.bytes > 0)
        memcpy(zmq_msg_data(&message), frame.data, frame.bytes);
    rc = zmq_msg_send(&message, server->router, ZMQ_DONTWAIT);
    assert(rc >= 0);                    /* room was there for the whole message */
    server->counters.frames_out++;
    server->counters.bytes_out += frame.bytes;
    link_waker_check(&server->waker, server->router);
    return MUSTER_OK;
}

void
link_server_cut(struct link_server *server, uint64_t number)
{
    struct peer *peer = map_get(&server->by_number, number);

    if (peer != NULL)
        peer_cut(server, peer);
}

bool
link_server_gone(struct link_server *server, uint64_t *peer_out)
{
    if (server->gone_first == server->gone_count) {
        server->gone_first = 0;
        server->gone_count = 0;
        server_watch(server);
        server_tick(server);
    }
    if (server->gone_count == 0)
        return false;
    *peer_out = server->gone[server->gone_first++];
    return true;
}

void
link_server_set_keys(struct link_server *server, struct auth_table *table)
{
    link_zap_set_table(server->zap, table);
    tick_keys(server, true);
}

const struct auth_entry *
link_server_entry(const struct link_server *server, const uint8_t key[KEY_BYTES])
{
    return auth_table_find(link_zap_table(server->zap), key);
}

int
link_server_fd(struct link_server *server)
{
    return server->waker.epoll_fd;
}

const char *
link_server_endpoint(const struct link_server *server)
{
    return server->endpoint;
}

void
link_server_count(const struct link_server *server, struct link_server_counters *out)
{
    *out = server->counters;
    link_zap_count(server->zap, &out->admitted, &out->refused);
}

/* ---- opening ---- */

/* Without it a missing handler lets everyone in.  The name of the option hides
 * behind libzmq's draft API, its number does not. */
static muster_err
set_enforced(void *router, struct muster_error *error)
{
    enum { OPTION_ZAP_ENFORCE_DOMAIN = 93 };
    int        value = 0;
    size_t     bytes = sizeof(value);
    muster_err err = link_set_int(router, OPTION_ZAP_ENFORCE_DOMAIN, 1, error);

    if (!err && (zmq_getsockopt(router, OPTION_ZAP_ENFORCE_DOMAIN, &value, &bytes) != 0 ||
                 value != 1))
        err = error_set(error, MUSTER_ERR_INTERNAL, "libzmq does not enforce authentication");
    return err;
}

static muster_err
server_options(struct link_server *server, struct muster_error *error)
{
    void      *router = server->router;
    muster_err err;

    err = link_set_int(router, ZMQ_CURVE_SERVER, 1, error);
    if (!err)
        err = link_set_bytes(router, ZMQ_CURVE_SECRETKEY, key_secret(server->key), KEY_BYTES, error);
    if (!err)
        err = link_set_bytes(router, ZMQ_ZAP_DOMAIN, LINK_ZAP_DOMAIN, strlen(LINK_ZAP_DOMAIN), error);
    if (!err)
        err = set_enforced(router, error);
    if (!err)
        err = link_set_int(router, ZMQ_ROUTER_MANDATORY, 1, error);
    if (!err)
        err = link_set_int(router, ZMQ_BACKLOG, BACKLOG, error);
    return err;
}

static muster_err
bind_error(const char *endpoint, struct muster_error *error)
{
    int why = zmq_errno();

    switch (why) {
    case EADDRINUSE:
        return error_set(error, MUSTER_ERR_EXISTS, "%s is in use by another program", endpoint);
    case EACCES:
    case EPERM:
        return error_set(error, MUSTER_ERR_DENIED, "not allowed to listen on %s", endpoint);
    case EINVAL:
    case ENODEV:
    case EADDRNOTAVAIL:
        return error_set(error, MUSTER_ERR_INVALID,
                         "%s is not an address of this machine: %s", endpoint, zmq_strerror(why));
    default:
        return error_set(error, MUSTER_ERR_IO, "listen on %s: %s", endpoint, zmq_strerror(why));
    }
}

static muster_err
server_bind(struct link_server *server, const char *endpoint, struct muster_error *error)
{
    size_t bytes = sizeof(server->endpoint);
    mode_t before;
    int    rc;

    before = umask(0177);               /* a local socket is private from its first moment */
    rc = zmq_bind(server->router, endpoint);
    umask(before);
    if (rc != 0)
        return bind_error(endpoint, error);
    if (zmq_getsockopt(server->router, ZMQ_LAST_ENDPOINT, server->endpoint, &bytes) != 0)
        return error_set(error, MUSTER_ERR_INTERNAL, "the endpoint has no name: %s",
                         zmq_strerror(zmq_errno()));
    return MUSTER_OK;
}

static muster_err
server_open(struct link_server *server, const struct link_server_config *config,
            struct auth_table *table, struct muster_error *error)
{
    muster_err err;

    err = link_context_new(&server->context, error);
    if (err) {
        auth_table_free(table);
        return err;
    }
    err = link_zap_start(server->context, table, config->connections_max, server->local,
                         &server->zap, error);
    if (!err)
        err = link_waker_open(&server->waker, error);
    if (!err)
        err = link_socket_new(server->context, ZMQ_ROUTER, config->endpoint,
                              config->frame_bytes_max, &server->router, error);
    if (!err)
        err = server_options(server, error);
    if (!err)
        err = link_monitor_open(server->context, server->router,
                                ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED, &server->monitor, error);
    if (!err)
        err = link_waker_watch(&server->waker, server->router, error);
    if (!err)
        err = link_waker_watch(&server->waker, server->monitor, error);
    if (!err)
        err = server_bind(server, config->endpoint, error);
    return err;
}

muster_err
link_server_open(const struct link_server_config *config, struct auth_table *table,
                 struct link_server **server_out, struct muster_error *error)
{
    struct link_server *server;
    muster_err          err;

    assert(config->frame_bytes_max > 0 && config->connections_max > 0);
    err = link_endpoint_check(config->endpoint, error);
    if (err) {
        auth_table_free(table);
        return err;
    }
    server = base_alloc(sizeof(*server));
    server->key = config->key;
    server->local = link_endpoint_is_local(config->endpoint);
    server->frame_bytes_max = config->frame_bytes_max;
    server->connections_max = config->connections_max;
    list_init(&server->cutting);
    zmq_msg_init(&server->id);
    zmq_msg_init(&server->frame);
    err = server_open(server, config, table, error);
    if (!err)
        err = link_self_test(server->endpoint, server->zap, server->key, SELF_TEST_MS, error);
    if (err)
        link_server_close(server);
    else
        *server_out = server;
    return err;
}

void
link_server_close(struct link_server *server)
{
    struct peer *peer;
    size_t       cursor = 0;

    if (server == NULL)
        return;
    zmq_msg_close(&server->id);
    zmq_msg_close(&server->frame);
    if (server->router != NULL)
        zmq_socket_monitor(server->router, NULL, 0);
    link_socket_close(server->monitor);
    link_socket_close(server->router);
    if (server->context != NULL)
        zmq_ctx_shutdown(server->context);      /* ends the handler's thread */
    link_zap_free(server->zap);
    link_context_free(server->context);
    while ((peer = map_next(&server->by_number, &cursor, NULL)) != NULL)
        free(peer);
    map_free(&server->by_number);
    map_free(&server->by_routing);
    link_waker_close(&server->waker);
    free(server->connections);
    free(server->gone);
    free(server);
}
