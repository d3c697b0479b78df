/* link_peers.c - connections come, are known by their key, and go
 *
 * 1. A frame is believed to be its peer's only when routing id, descriptor and
 *    User-Id of the very message agree with what the peer was met with: routing
 *    ids can be chosen by a client, and descriptors are used again.
 * 2. A peer that was met is reported exactly once by link_server_gone(), and no
 *    frame of it is handed out afterwards.
 * 3. A connection is cut by shutdown(2) on its descriptor, never by close(2):
 *    the descriptor belongs to libzmq's I/O thread.
 * 4. Connections, known or not, are bounded: those over the limit are shut as
 *    soon as they are accepted, those that send nothing after a while.
 *
 * The monitor tells of a descriptor's end before all that it sent may have been
 * read.  So a peer whose connection ended is gone only when everything that is
 * there has been read.  What comes even later is dropped: its descriptor is
 * closed, or another peer's by now, and whoever sent it will ask again.
 */
#include "link_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "heap.h"

enum {
    TICK_MS       = 1000,
    CUT_DELAY_MS  = 100,       /* what was sent before a cut has so long to leave */
    SILENT_MS     = 2 * LINK_HANDSHAKE_MS,
    STRANGERS_MAX = 128,       /* connections beyond the cap that may be in a handshake */
};

/* ---- peers ---- */

static struct connection *
connection_at(struct link_server *server, int fd)
{
    if (fd < 0 || (uint32_t)fd >= server->connections_capacity)
        return NULL;
    return &server->connections[fd];
}

void
link_peers_forget(struct link_server *server, struct peer *peer)
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

void
link_peers_cut(struct link_server *server, struct peer *peer)
{
    if (peer->cut_at_ms != 0)
        return;
    peer->cut_at_ms = clock_now_ms() + CUT_DELAY_MS;
    if (peer->ending)
        return;
    list_append(&server->cutting, &peer->link);
    if (server->tick_due_ms == 0 || server->tick_due_ms > peer->cut_at_ms) {
        server->tick_due_ms = peer->cut_at_ms;
        link_waker_timer(&server->waker, CUT_DELAY_MS);
    }
}

/* ---- the monitor ---- */

static void
peer_end(struct link_server *server, struct peer *peer)
{
    if (peer->cut_at_ms != 0) {         /* nobody wants to hear the rest */
        link_peers_forget(server, peer);
        return;
    }
    peer->ending = true;
    list_append(&server->ending, &peer->link);
    link_waker_arm(&server->waker);
}

void
link_peers_drained(struct link_server *server)
{
    while (!list_empty(&server->ending))
        link_peers_forget(server, CONTAINER(server->ending.next, struct peer, link));
}

static void
connection_ended(struct link_server *server, int fd)
{
    struct connection *connection = connection_at(server, fd);
    int32_t            handshake = server->handshake_error;

    server->handshake_error = 0;
    if (connection == NULL || !connection->open)
        return;
    if (handshake != 0)
        link_zap_log(server->zap, NULL, connection->address,
                     handshake == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC
                         ? "it expects the key of another manager"
                         : "its handshake is none of muster");
    if (connection->peer != NULL)
        peer_end(server, connection->peer);
    if (!connection->shut)
        server->open_count--;
    *connection = (struct connection){ .open = false };
}

/* For the log: of a connection that has said nothing yet, as far as it is still there. */
static void
address_of(int fd, char text[static INET6_ADDRSTRLEN])
{
    struct sockaddr_storage name = { 0 };
    socklen_t               bytes = sizeof(name);

    text[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&name, &bytes) != 0)
        return;
    if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&name)->sin_addr, text, INET6_ADDRSTRLEN);
    else if (name.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&name)->sin6_addr, text, INET6_ADDRSTRLEN);
}

static void
connection_accepted(struct link_server *server, int fd)
{
    uint64_t now_ms = clock_now_ms();

    base_grow((void **)&server->connections, &server->connections_capacity, (uint32_t)fd + 1,
              sizeof(*server->connections));
    connection_ended(server, fd);       /* never two at a time */
    server->connections[fd] = (struct connection){ .open = true, .since_ms = now_ms };
    address_of(fd, server->connections[fd].address);
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

void
link_peers_watch(struct link_server *server)
{
    struct link_event event;

    while (link_monitor_next(server->monitor, &event)) {
        if (event.type == ZMQ_EVENT_ACCEPTED)
            connection_accepted(server, (int)event.value);
        else if (event.type == ZMQ_EVENT_DISCONNECTED)
            connection_ended(server, (int)event.value);
        else if (event.type == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
            server->handshake_error = (int32_t)event.value;
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

void
link_peers_check_keys(struct link_server *server, bool all)
{
    struct peer *peer;
    size_t       cursor = 0;

    while ((peer = map_next(&server->by_number, &cursor, NULL)) != NULL) {
        const struct auth_entry *entry = link_zap_find(server->zap, peer->key, NULL);
        struct muster_error      why = { 0 };

        if (peer->cut_at_ms != 0 || (!all && entry != NULL && entry->not_after_unix_ms == 0))
            continue;
        if (entry == NULL)
            error_set(&why, MUSTER_ERR_AUTH, "the key was revoked, or its task has ended");
        else if (auth_entry_admits(entry, peer->address, clock_unix_ms(), &why) == MUSTER_OK)
            continue;
        /* That a task has ended is nothing to warn of. */
        if (entry != NULL || !server->unlent)
            link_zap_log(server->zap, peer->key, peer->address, why.detail);
        link_peers_cut(server, peer);
    }
}

void
link_peers_tick(struct link_server *server)
{
    uint64_t now_ms = clock_now_ms();

    if (server->tick_due_ms == 0 || now_ms < server->tick_due_ms)
        return;
    link_peers_watch(server);
    tick_silent(server, now_ms);
    link_peers_check_keys(server, false);
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

/* ---- senders ---- */

/* What libzmq attaches to the frame of an authenticated connection. */
struct sender {
    uint32_t    routing;
    int         fd;
    const char *user;          /* its key, as PEER_USER_BYTES digits */
};

static bool
key_of_user(const char *user, uint8_t key_out[KEY_BYTES])
{
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

    sender->user = zmq_msg_gets(&server->frame, "User-Id");
    sender->fd = zmq_msg_get(&server->frame, ZMQ_SRCFD);
    if (sender->user == NULL || strlen(sender->user) != PEER_USER_BYTES ||
        zmq_msg_size(&server->id) != ROUTING_BYTES || id[0] != 0)
        return false;
    sender->routing = (uint32_t)id[1] << 24 | (uint32_t)id[2] << 16 | (uint32_t)id[3] << 8 | id[4];
    return true;
}

static const char *
sender_address(struct link_server *server)
{
    const char *address = server->local ? NULL : zmq_msg_gets(&server->frame, "Peer-Address");

    return address != NULL ? address : "";
}

/* The first frame of a connection.  NULL: it is late, or not welcome. */
static struct peer *
peer_meet(struct link_server *server, const struct sender *sender)
{
    struct connection  *connection;
    struct muster_error why = { 0 };
    const char         *address = sender_address(server);
    uint8_t             key[KEY_BYTES];
    struct peer        *peer;

    link_peers_watch(server);
    if (!key_of_user(sender->user, key)) {
        connection_shut(server, sender->fd);
        return NULL;
    }
    connection = connection_at(server, sender->fd);
    if (connection == NULL || !connection->open)
        return NULL;
    if (connection->peer != NULL) {
        /* Numbers ascend: the smaller one is a connection that had this descriptor before. */
        if ((int32_t)(sender->routing - connection->peer->routing) < 0)
            return NULL;
        link_peers_forget(server, connection->peer);
    }
    peer = map_get(&server->by_routing, sender->routing);
    if (peer != NULL)
        link_peers_forget(server, peer);
    /* The table may have changed, and others come in, since the handshake. */
    if (link_zap_enter(server->zap, key, address, &why)) {
        link_zap_log(server->zap, key, address, why.detail);
        connection_shut(server, sender->fd);
        return NULL;
    }
    peer = base_alloc(sizeof(*peer));
    peer->number = ++server->peers_met;
    peer->routing = sender->routing;
    peer->fd = sender->fd;
    memcpy(peer->key, key, KEY_BYTES);
    memcpy(peer->user, sender->user, PEER_USER_BYTES);
    snprintf(peer->address, sizeof(peer->address), "%s", address);
    map_put(&server->by_number, peer->number, peer);
    map_put(&server->by_routing, peer->routing, peer);
    connection->peer = peer;
    return peer;
}

struct peer *
link_peers_sender(struct link_server *server)
{
    struct sender sender;
    struct peer  *peer;

    if (!sender_read(server, &sender)) {
        link_peers_watch(server);
        connection_shut(server, sender.fd);
        return NULL;
    }
    peer = map_get(&server->by_routing, sender.routing);
    if (peer == NULL || peer->fd != sender.fd ||
        memcmp(peer->user, sender.user, PEER_USER_BYTES) != 0)
        peer = peer_meet(server, &sender);
    return peer != NULL && peer->cut_at_ms == 0 ? peer : NULL;
}

void
link_peers_free(struct link_server *server)
{
    struct peer *peer;
    size_t       cursor = 0;

    while ((peer = map_next(&server->by_number, &cursor, NULL)) != NULL)
        free(peer);
    map_free(&server->by_number);
    map_free(&server->by_routing);
    free(server->connections);
    free(server->gone);
}
