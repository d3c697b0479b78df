/* link_server.c - the manager's socket: opening it, frames in, frames out
 *
 * 1. Authentication works before the socket is bound, and is proven to work
 *    before link_server_open() returns.
 * 2. A message is one frame: its second part ends its sender's connection.
 * 3. Nothing blocks: a peer that does not keep up is the caller's BUSY.
 */
#include "link_server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    SELF_TEST_MS = 5000,
    BACKLOG      = 512,
    DROPS_MAX    = 256,       /* in one call, so that a flood of them does not hold the owner */
};

/* ---- frames ---- */

/* One message, all of its parts.  False: there is none. */
static bool
server_read(struct link_server *server, bool *single_out)
{
    bool single = true;

    if (link_message_receive(&server->id, server->router) < 0)
        return false;
    /* libzmq hands over whole messages: the other parts are there. */
    if (!zmq_msg_more(&server->id) ||
        link_message_receive(&server->frame, server->router) < 0)
        return false;
    while (zmq_msg_more(&server->frame)) {
        zmq_msg_t rest;

        single = false;
        zmq_msg_init(&rest);
        if (link_message_receive(&rest, server->router) < 0 || !zmq_msg_more(&rest)) {
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
        peer = link_peers_sender(server);
        if (peer == NULL)
            continue;
        if (single && zmq_msg_size(&server->frame) <= server->frame_bytes_max)
            return peer;
        link_zap_log(server->zap, peer->key, peer->address,
                     single ? "a frame over the limit" : "a message of several parts");
        link_peers_cut(server, peer);
    }
    return NULL;
}

bool
link_server_receive(struct link_server *server, struct link_peer *from_out, struct slice *frame_out)
{
    bool         drained;
    struct peer *peer = server_next(server, &drained);

    server->waker.unsure = !drained;
    if (peer != NULL) {
        server->counters.frames_in++;
        server->counters.bytes_in += zmq_msg_size(&server->frame);
        from_out->peer = peer->number;
        memcpy(from_out->key, peer->key, KEY_BYTES);
        memcpy(from_out->address, peer->address, sizeof(from_out->address));
        *frame_out = slice_of(zmq_msg_data(&server->frame), zmq_msg_size(&server->frame));
        return true;
    }
    if (drained)
        link_peers_drained(server);
    if (drained && server->gone_first == server->gone_count && list_empty(&server->ending))
        link_waker_disarm(&server->waker);
    return false;
}

/* The address of a message, which must follow: there is room for all of it. */
static muster_err
server_address(struct link_server *server, uint64_t number)
{
    struct peer *peer = map_get(&server->by_number, number);
    uint8_t      id[ROUTING_BYTES] = { 0 };

    if (peer == NULL || peer->cut_at_ms != 0)
        return MUSTER_ERR_NOT_FOUND;
    for (unsigned i = 0; i < 4; i++)
        id[1 + i] = (uint8_t)(peer->routing >> (24 - 8 * i));
    server->waker.unsure = true;
    if (link_send_more(server->router, id, sizeof(id)) >= 0)
        return MUSTER_OK;
    if (zmq_errno() == EAGAIN)
        return MUSTER_ERR_BUSY;
    assert(zmq_errno() == EHOSTUNREACH);
    link_peers_forget(server, peer);      /* its end was not announced yet, or never met us */
    return MUSTER_ERR_NOT_FOUND;
}

static void
server_put(struct link_server *server, zmq_msg_t *message)
{
    size_t bytes = zmq_msg_size(message);
    int    rc = link_message_send(message, server->router);

    assert(rc >= 0);
    (void)rc;
    server->counters.frames_out++;
    server->counters.bytes_out += bytes;
}

muster_err
link_server_send(struct link_server *server, uint64_t number, struct slice frame)
{
    zmq_msg_t  message;
    muster_err err;

    assert(frame.bytes <= server->frame_bytes_max);
    err = server_address(server, number);
    if (err)
        return err;
    link_message_copy(&message, frame);
    server_put(server, &message);
    return MUSTER_OK;
}

muster_err
link_server_give(struct link_server *server, uint64_t number, struct buffer *frame)
{
    zmq_msg_t  message;
    muster_err err;

    assert(frame->bytes > 0 && frame->bytes <= server->frame_bytes_max);
    err = server_address(server, number);
    if (err)
        return err;
    link_message_take(&message, frame);
    server_put(server, &message);
    return MUSTER_OK;
}

void
link_server_refused(struct link_server *server, uint64_t peer, const char *why)
{
    const struct peer *refused = map_get(&server->by_number, peer);

    if (refused != NULL)
        link_zap_log(server->zap, refused->key, refused->address, why);
}

void
link_server_cut(struct link_server *server, uint64_t number)
{
    struct peer *peer = map_get(&server->by_number, number);

    if (peer != NULL)
        link_peers_cut(server, peer);
}

bool
link_server_gone(struct link_server *server, uint64_t *peer_out)
{
    if (server->gone_first == server->gone_count) {
        server->gone_first = 0;
        server->gone_count = 0;
        if ((link_waker_look(&server->waker) & LINK_WAKER_MONITOR) != 0)
            link_peers_watch(server);
        link_peers_tick(server);
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
    link_peers_check_keys(server, true);
}

const struct auth_entry *
link_server_entry(const struct link_server *server, const uint8_t key[KEY_BYTES], bool *lent_out)
{
    return link_zap_find(server->zap, key, lent_out);
}

void
link_server_lend(struct link_server *server, const uint8_t key[KEY_BYTES], const char *user,
                 const char *address)
{
    link_zap_lend(server->zap, key, user, address);
}

void
link_server_unlend(struct link_server *server, const uint8_t key[KEY_BYTES])
{
    if (link_zap_unlend(server->zap, key))
        server->unlent = true;
}

void
link_server_cut_unlent(struct link_server *server)
{
    if (server->unlent)
        link_peers_check_keys(server, true);
    server->unlent = false;
}

int
link_server_fd(struct link_server *server)
{
    return link_waker_fd(&server->waker, server->router);
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
        err = link_set_bytes(router, ZMQ_CURVE_SECRETKEY, key_secret(server->key), KEY_BYTES,
                             error);
    if (!err)
        err = link_set_bytes(router, ZMQ_ZAP_DOMAIN, LINK_ZAP_DOMAIN, strlen(LINK_ZAP_DOMAIN),
                             error);
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
        return error_set(error, MUSTER_ERR_EXISTS,
                         "%s is in use by another program: end that, or listen on another port",
                         endpoint);
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
        auth_lent_free(config->lent);
        return err;
    }
    err = link_zap_start(server->context, table, config->lent, config->connections_max,
                         server->local, &server->zap, error);
    if (!err)
        err = link_waker_open(&server->waker, error);
    if (!err)
        err = link_socket_new(server->context, ZMQ_ROUTER, config->endpoint,
                              config->frame_bytes_max, &server->router, error);
    if (!err)
        err = server_options(server, error);
    if (!err)
        err = link_monitor_open(server->context, server->router,
                                ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                                    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL,
                                &server->monitor, error);
    if (!err)
        err = link_waker_watch(&server->waker, server->router, LINK_WAKER_SOCKET, error);
    if (!err)
        err = link_waker_watch(&server->waker, server->monitor, LINK_WAKER_MONITOR, error);
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
        auth_lent_free(config->lent);
        return err;
    }
    server = base_alloc(sizeof(*server));
    server->key = config->key;
    server->local = link_endpoint_is_local(config->endpoint);
    server->frame_bytes_max = config->frame_bytes_max;
    server->connections_max = config->connections_max;
    list_init(&server->cutting);
    list_init(&server->ending);
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
    link_waker_close(&server->waker);
    link_peers_free(server);
    free(server);
}
