/* link_client.c - a connection to the manager that comes back by itself
 *
 *                 handshake done            connection lost
 *   CONNECTING -------------------> CONNECTED -----------> LOST
 *    |    |  ^                          ^                   |
 *    |    |  `- closed again, retry     `-- handshake done -'
 *    |    `---- closed three times in the middle of the handshake ----> WRONG_MANAGER
 *    `--------- the manager says no to the key (also from LOST) ------> REFUSED
 *
 * What libzmq 4.3.4 tells through its monitor, found by trying:
 *
 * 1. A refused key: HANDSHAKE_FAILED_AUTH with the code of the manager's ZAP
 *    handler (400 never, 500 not now), then DISCONNECTED, and no retry.
 * 2. A manager with another key: it cannot open our greeting and hangs up.
 *    CONNECTED, HANDSHAKE_FAILED_NO_DETAIL, DISCONNECTED, CONNECT_RETRIED, and
 *    round again, each within milliseconds.
 * 3. Something that is no ZeroMQ at all: CONNECTED, DISCONNECTED, and no retry.
 * 4. Something that never answers (a stopped manager): as 2., but only when the
 *    time for the handshake is over.  That is nobody's fault, and no answer.
 * 5. Nobody there: CONNECT_DELAYED, CLOSED, CONNECT_RETRIED.
 * 6. No such host, or no route to it: CONNECT_RETRIED alone.
 *
 * A tunnel whose far end is down looks like 2., and so does a manager that stops
 * while we shake hands.  So once the manager has proven itself the state stays
 * LOST, and before that only several in a row count.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "clock.h"
#include "link_socket.h"

enum {
    HANGUPS_MAX     = 3,       /* in a row, in the middle of a handshake */
    HANGUP_MS       = LINK_HANDSHAKE_MS / 2,   /* later than that it is a time-out */
    CONNECT_MS      = 5000,
    CODE_NOT_NOW    = 500,     /* see link_zap.c */
};

struct link_client {
    void             *context;
    void             *dealer;
    void             *monitor;
    struct link_waker frames;          /* readable: a frame may be there */
    struct link_waker changes;         /* readable: the state may have changed */
    char              endpoint[LINK_ENDPOINT_BYTES];
    uint32_t          frame_bytes_max;
    uint32_t          reconnect_ms_min, reconnect_ms_max;
    zmq_msg_t         frame;           /* handed out; lives until the next receive */
    char              refused[192];    /* what to say when it is, with the key's name */
    enum link_state   state;
    struct muster_error why;
    uint64_t          connections;     /* handshakes done */
    uint64_t          seen;            /* of them, known to the caller */
    uint64_t          attempt_ms;      /* when this attempt began; 0 = it did not even */
    uint64_t          connected_ms;    /* when it reached someone */
    bool              told;            /* this attempt's end was explained already */
    uint32_t          hangups;
    uint64_t          retry_ms;        /* when we must try again ourselves; 0 = libzmq does */
    uint32_t          retries;         /* of ours in a row, for the back-off */
};

/* ---- states ---- */

static void
client_move(struct link_client *client, enum link_state next, muster_err why, const char *detail)
{
    static const uint32_t rules[] = {
        [LINK_CONNECTING] = 1u << LINK_CONNECTING | 1u << LINK_CONNECTED | 1u << LINK_REFUSED |
                            1u << LINK_WRONG_MANAGER,
        [LINK_CONNECTED] = 1u << LINK_LOST,
        [LINK_REFUSED] = 1u << LINK_REFUSED,
        [LINK_WRONG_MANAGER] = 1u << LINK_WRONG_MANAGER | 1u << LINK_CONNECTED | 1u << LINK_REFUSED,
        [LINK_LOST] = 1u << LINK_LOST | 1u << LINK_CONNECTED | 1u << LINK_REFUSED,
    };

    assert((rules[client->state] & 1u << next) != 0);
    (void)rules;
    client->state = next;
    error_set(&client->why, why, "%s", detail);
    if (next == LINK_CONNECTED)
        client->why = (struct muster_error){ .code = MUSTER_OK };
}

/* Not connected now; why depends on what was before. */
static void
client_waiting(struct link_client *client, muster_err why, const char *detail)
{
    enum link_state next = client->state == LINK_CONNECTED ? LINK_LOST : client->state;

    client_move(client, next, why, detail);
}

/* libzmq will not come back to this address by itself. */
static void
client_retry_later(struct link_client *client)
{
    uint64_t after_ms = client->reconnect_ms_min;
    uint32_t jitter;

    for (uint32_t i = 0; i < client->retries && after_ms < client->reconnect_ms_max; i++)
        after_ms *= 2;
    if (after_ms > client->reconnect_ms_max)
        after_ms = client->reconnect_ms_max;
    auth_random(&jitter, sizeof(jitter));
    after_ms += jitter % (client->reconnect_ms_min + 1);
    client->retries++;
    client->retry_ms = clock_now_ms() + after_ms;
    link_waker_timer(&client->changes, after_ms);
}

/* The timer goes with it: one that fired and was left would wake its owner for ever. */
static void
client_retry_never(struct link_client *client)
{
    client->retry_ms = 0;
    link_waker_timer(&client->changes, 0);
}

static void
client_retry(struct link_client *client)
{
    if (client->retry_ms == 0 || clock_now_ms() < client->retry_ms)
        return;
    client_retry_never(client);
    /* ENOENT: libzmq has forgotten the ended connection already. */
    while (zmq_disconnect(client->dealer, client->endpoint) != 0 && zmq_errno() != ENOENT)
        assert(zmq_errno() == EINTR);
    if (zmq_connect(client->dealer, client->endpoint) != 0) {
        client_waiting(client, MUSTER_ERR_UNREACHABLE, zmq_strerror(zmq_errno()));
        client_retry_later(client);
    }
}

/* ---- events ---- */

static void
on_connected(struct link_client *client, uint32_t value)
{
    (void)value;
    client->connected_ms = clock_now_ms();
    client->attempt_ms = client->connected_ms;     /* a local socket connects at once */
    client->told = false;
    client_retry_never(client);
    if (client->state != LINK_WRONG_MANAGER)
        client_waiting(client, MUSTER_ERR_UNREACHABLE, "connected, but nobody has answered yet");
}

static void
on_handshake(struct link_client *client, uint32_t value)
{
    (void)value;
    client->connections++;
    client->hangups = 0;
    client->retries = 0;
    client->told = true;
    client_move(client, LINK_CONNECTED, MUSTER_OK, "");
}

static void
on_refused(struct link_client *client, uint32_t code)
{
    client->told = true;
    client->hangups = 0;
    if (code == CODE_NOT_NOW) {
        if (client->state != LINK_WRONG_MANAGER)
            client_waiting(client, MUSTER_ERR_FULL,
                           "the manager takes no more connections, or none with this key, for now");
        client_retry_later(client);
        return;
    }
    client_move(client, LINK_REFUSED, MUSTER_ERR_AUTH, client->refused);
}

static void
hung_up(struct link_client *client)
{
    client->hangups++;
    if (client->connections == 0 && client->hangups >= HANGUPS_MAX)
        client_move(client, LINK_WRONG_MANAGER, MUSTER_ERR_WRONG_MANAGER,
                    "whoever answers there hangs up in the middle of every handshake");
    else
        client_waiting(client, client->connections == 0 ? MUSTER_ERR_UNREACHABLE
                                                        : MUSTER_ERR_WRONG_MANAGER,
                       "it hung up in the middle of the handshake");
}

static void
on_disconnected(struct link_client *client, uint32_t value)
{
    bool hangup = clock_now_ms() - client->connected_ms < HANGUP_MS;

    (void)value;
    if (client->state == LINK_REFUSED)
        return;
    if (client->state == LINK_CONNECTED)
        client_waiting(client, MUSTER_ERR_UNREACHABLE, "the connection was lost");
    else if (!client->told && hangup)
        hung_up(client);
    else if (!client->told && client->state != LINK_WRONG_MANAGER)
        client_waiting(
            client, MUSTER_ERR_UNREACHABLE,
            "something accepts connections but does not answer; is the manager stopped or "
            "overloaded?");
    /* Taken back when libzmq says that it tries again. */
    if (client->retry_ms == 0)
        client_retry_later(client);
}

static void
on_attempt(struct link_client *client, uint32_t value)
{
    (void)value;
    client->attempt_ms = clock_now_ms();
}

static void
on_retried(struct link_client *client, uint32_t value)
{
    (void)value;
    client_retry_never(client);
    if (client->attempt_ms == 0 && client->state != LINK_REFUSED)
        client_waiting(client, MUSTER_ERR_UNREACHABLE,
                       "there is no such host, or no route to it");
    client->attempt_ms = 0;
}

static void
on_closed(struct link_client *client, uint32_t value)
{
    uint64_t took_ms = clock_now_ms() - client->attempt_ms;

    (void)value;
    client->hangups = 0;
    if (client->state == LINK_REFUSED || client->state == LINK_CONNECTED)
        return;
    client_waiting(client, MUSTER_ERR_UNREACHABLE,
                   took_ms < CONNECT_MS / 2
                       ? "nobody listens there"
                       : "no answer from there; is the host up, and the port open?");
}

static const struct {
    uint16_t type;
    void (*act)(struct link_client *client, uint32_t value);
} reactions[] = {
    { ZMQ_EVENT_CONNECT_DELAYED, on_attempt },
    { ZMQ_EVENT_CONNECTED, on_connected },
    { ZMQ_EVENT_HANDSHAKE_SUCCEEDED, on_handshake },
    { ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, on_refused },
    { ZMQ_EVENT_DISCONNECTED, on_disconnected },
    { ZMQ_EVENT_CONNECT_RETRIED, on_retried },
    { ZMQ_EVENT_CLOSED, on_closed },
};

/* True when there was something to read. */
static bool
client_watch(struct link_client *client)
{
    struct link_event event;
    bool              news = false;

    while (link_monitor_next(client->monitor, &event)) {
        news = true;
        for (size_t i = 0; i < sizeof(reactions) / sizeof(reactions[0]); i++) {
            if (reactions[i].type == event.type)
                reactions[i].act(client, event.value);
        }
    }
    client_retry(client);
    return news;
}

enum link_state
link_client_state(struct link_client *client, uint64_t *connections_out, struct muster_error *error)
{
    link_waker_disarm(&client->changes);
    client_watch(client);
    client->seen = client->connections;
    *connections_out = client->connections;
    if (error != NULL)
        *error = client->why;
    return client->state;
}

/* ---- frames ---- */

bool
link_client_receive(struct link_client *client, struct slice *frame_out)
{
    while (link_message_receive(&client->frame, client->dealer) >= 0) {
        bool single = !zmq_msg_more(&client->frame);

        while (zmq_msg_more(&client->frame)) {
            if (link_message_receive(&client->frame, client->dealer) < 0)
                break;
        }
        if (!single || zmq_msg_size(&client->frame) > client->frame_bytes_max)
            continue;           /* no manager of ours sends that */
        client->frames.unsure = true;
        *frame_out = slice_of(zmq_msg_data(&client->frame), zmq_msg_size(&client->frame));
        return true;
    }
    client->frames.unsure = false;
    link_waker_disarm(&client->frames);
    return false;
}

/* Nothing is sent on a connection that has ended, though libzmq may not have taken it
 * away yet.  And on one that the caller does not know of yet HELLO must come first. */
static bool
client_away(struct link_client *client)
{
    if (link_waker_look(&client->changes) != 0 && client_watch(client))
        link_waker_arm(&client->changes);       /* read here, but the caller has not seen it */
    return client->state != LINK_CONNECTED || client->seen != client->connections;
}

/* False: there is no room; the message is still ours. */
static bool
client_put(struct link_client *client, zmq_msg_t *message)
{
    int rc = link_message_send(message, client->dealer);

    assert(rc >= 0 || zmq_errno() == EAGAIN);
    client->frames.unsure = true;
    return rc >= 0;
}

muster_err
link_client_send(struct link_client *client, struct slice frame)
{
    zmq_msg_t message;

    assert(frame.bytes <= client->frame_bytes_max);
    if (client_away(client))
        return MUSTER_ERR_BUSY;
    link_message_copy(&message, frame);
    if (client_put(client, &message))
        return MUSTER_OK;
    zmq_msg_close(&message);
    return MUSTER_ERR_BUSY;
}

muster_err
link_client_give(struct link_client *client, struct buffer *frame)
{
    zmq_msg_t message;

    assert(frame->bytes > 0 && frame->bytes <= client->frame_bytes_max);
    if (client_away(client))
        return MUSTER_ERR_BUSY;
    link_message_take(&message, frame);
    if (client_put(client, &message))
        return MUSTER_OK;
    /* libzmq does not give memory back; being full is rare enough for a copy. */
    buffer_append(frame, zmq_msg_data(&message), zmq_msg_size(&message));
    zmq_msg_close(&message);
    return MUSTER_ERR_BUSY;
}

int
link_client_fd(struct link_client *client)
{
    return link_waker_fd(&client->frames, client->dealer);
}

int
link_client_state_fd(struct link_client *client)
{
    return client->changes.epoll_fd;
}

/* ---- opening ---- */

static muster_err
client_options(struct link_client *client, const struct key *key, struct muster_error *error)
{
    const struct {
        int option;
        int value;
    } rows[] = {
        /* Frames wait here, not in libzmq, for a connection that they belong to. */
        { ZMQ_IMMEDIATE, 1 },
        { ZMQ_RECONNECT_IVL, (int)client->reconnect_ms_min },
        { ZMQ_RECONNECT_IVL_MAX, (int)client->reconnect_ms_max },
        { ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
    };
    muster_err err = MUSTER_OK;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !err; i++)
        err = link_set_int(client->dealer, rows[i].option, rows[i].value, error);
    if (!err)
        err = link_set_bytes(client->dealer, ZMQ_CURVE_SERVERKEY, key_manager_public(key),
                             KEY_BYTES, error);
    if (!err)
        err = link_set_bytes(client->dealer, ZMQ_CURVE_PUBLICKEY, key_public(key), KEY_BYTES,
                             error);
    if (!err)
        err = link_set_bytes(client->dealer, ZMQ_CURVE_SECRETKEY, key_secret(key), KEY_BYTES,
                             error);
    return err;
}

static muster_err
client_open(struct link_client *client, const struct key *key, struct muster_error *error)
{
    int        events = 0;
    muster_err err;

    for (size_t i = 0; i < sizeof(reactions) / sizeof(reactions[0]); i++)
        events |= reactions[i].type;
    err = link_context_new(&client->context, error);
    if (!err)
        err = link_waker_open(&client->frames, error);
    if (!err)
        err = link_waker_open(&client->changes, error);
    if (!err)
        err = link_socket_new(client->context, ZMQ_DEALER, client->endpoint,
                              client->frame_bytes_max, &client->dealer, error);
    if (!err)
        err = client_options(client, key, error);
    if (!err)
        err = link_monitor_open(client->context, client->dealer, events, &client->monitor, error);
    if (!err)
        err = link_waker_watch(&client->frames, client->dealer, LINK_WAKER_SOCKET, error);
    if (!err)
        err = link_waker_watch(&client->changes, client->monitor, LINK_WAKER_MONITOR, error);
    if (!err && zmq_connect(client->dealer, client->endpoint) != 0)
        err = error_set(error, MUSTER_ERR_INVALID, "%s is not an address to connect to: %s",
                        client->endpoint, zmq_strerror(zmq_errno()));
    return err;
}

muster_err
link_client_open(const struct link_client_config *config, struct link_client **client_out,
                 struct muster_error *error)
{
    struct link_client *client;
    char                fingerprint[20];
    muster_err          err;

    assert(config->frame_bytes_max > 0);
    assert(config->reconnect_ms_min > 0 && config->reconnect_ms_min <= config->reconnect_ms_max);
    err = link_endpoint_check(config->endpoint, error);
    if (err)
        return err;
    client = base_alloc(sizeof(*client));
    snprintf(client->endpoint, sizeof(client->endpoint), "%s", config->endpoint);
    client->frame_bytes_max = config->frame_bytes_max;
    client->reconnect_ms_min = config->reconnect_ms_min;
    client->reconnect_ms_max = config->reconnect_ms_max;
    snprintf(client->refused, sizeof(client->refused),
             "key %s (%s) is unknown there, revoked, expired, or may not come from here",
             key_name(config->key), auth_key_fingerprint(fingerprint, key_public(config->key)));
    zmq_msg_init(&client->frame);
    client_move(client, LINK_CONNECTING, MUSTER_ERR_UNREACHABLE, "nobody has answered yet");
    err = client_open(client, config->key, error);
    if (err) {
        link_client_close(client);
        return err;
    }
    /* A monitor that was never read does not wake who waits for it: make them look. */
    link_waker_arm(&client->changes);
    *client_out = client;
    return MUSTER_OK;
}

void
link_client_close(struct link_client *client)
{
    if (client == NULL)
        return;
    zmq_msg_close(&client->frame);
    if (client->dealer != NULL)
        zmq_socket_monitor(client->dealer, NULL, 0);
    link_socket_close(client->monitor);
    link_socket_close(client->dealer);
    link_context_free(client->context);
    link_waker_close(&client->frames);
    link_waker_close(&client->changes);
    free(client);
}
