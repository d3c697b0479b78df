/* test_traffic.c - frames and connections: what arrives, what is cut, what comes back
 *
 * Method: each story is a function that says what is done to a server and a
 * client, waits for what shall follow, and compares.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <zmq.h>

#include "world.h"

static void
story_private_socket(struct key *key)
{
    char         local[64];
    struct world w;
    struct stat  st;

    local_endpoint(local);
    w = world_connected(key, local, NULL);
    assert_int_equal(stat(local + strlen("ipc://"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    world_close(&w);
    remove_local(local);
}

static void
story_revoked(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    uint64_t     begin_ms;

    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    begin_ms = clock_now_ms();
    link_server_set_keys(w.server, table_of(NULL, NULL));
    assert_null(link_server_entry(w.server, key_public(key), NULL));
    (void)send_bytes(&w, 6);
    assert_true(UNTIL(&w, w.gone == 1));
    assert_true(clock_now_ms() - begin_ms < 1000);
    assert_int_equal(w.gone_last, w.from.peer);
    assert_int_equal(w.frames, 1);              /* nothing of it is heard any more */
    assert_true(UNTIL(&w, w.state == LINK_REFUSED));
    world_close(&w);
}

/* Through the door, but not yet heard of: its first frame comes after the revocation. */
static void
story_revoked_silent(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);

    link_server_set_keys(w.server, table_of(NULL, NULL));
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.state == LINK_REFUSED));
    assert_int_equal(w.frames, 0);
    assert_int_equal(w.gone, 0);                /* it was never handed out */
    world_close(&w);
}

static void
story_expires(struct key *key)
{
    char         options[64], date[32];
    time_t       soon = time(NULL) + 1;
    struct tm    tm;
    struct world w;

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&soon, &tm));
    snprintf(options, sizeof(options), "not-after=%s", date);
    w = world_connected(key, "tcp://127.0.0.1:*", options);
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.gone == 1));
    assert_true(UNTIL(&w, w.state == LINK_REFUSED));
    world_close(&w);
}

static void
story_nobody(struct key *key)
{
    struct world w = { 0 };

    w.client = client_at("tcp://127.0.0.1:1", key);
    assert_true(UNTIL(&w, strstr(w.why.detail, "nobody listens") != NULL));
    assert_int_equal(w.state, LINK_CONNECTING);
    assert_int_equal(w.why.code, MUSTER_ERR_UNREACHABLE);
    assert_int_equal(send_bytes(&w, 5), MUSTER_ERR_BUSY);
    world_close(&w);
}

static void
story_no_host(struct key *key)
{
    struct world w = { 0 };

    w.client = client_at("tcp://no-such-host.invalid:7717", key);
    assert_true(UNTIL(&w, strstr(w.why.detail, "no such host") != NULL));
    assert_int_equal(w.state, LINK_CONNECTING);
    assert_int_equal(w.why.code, MUSTER_ERR_UNREACHABLE);
    world_close(&w);
}

/* A plain listener, whose queue takes connections in without our doing. */
static int
listener(char endpoint[static 64])
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t          bytes = sizeof(address);
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    snprintf(endpoint, 64, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    return fd;
}

/* A manager that is stopped: the kernel accepts for it, and nobody answers. */
static void
story_silent(struct key *key)
{
    char         endpoint[64];
    struct world w = { 0 };
    int          fd = listener(endpoint);

    w.client = client_at(endpoint, key);
    assert_true(UNTIL(&w, strstr(w.why.detail, "nobody has answered yet") != NULL));
    assert_int_equal(w.state, LINK_CONNECTING);
    assert_int_equal(w.why.code, MUSTER_ERR_UNREACHABLE);
    world_close(&w);
    close(fd);
}

static void
story_not_muster(struct key *key)
{
    static const char banner[] = "SSH-2.0-OpenSSH_9.2\r\n";
    char              endpoint[64];
    struct world      w = { 0 };
    int               fd = listener(endpoint);
    uint64_t          until_ms = clock_now_ms() + WAIT_MS;

    w.client = client_at(endpoint, key);
    while (w.state != LINK_WRONG_MANAGER && clock_now_ms() < until_ms) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (peer >= 0) {
            assert_int_equal(send(peer, banner, sizeof(banner), MSG_NOSIGNAL), sizeof(banner));
            close(peer);
        }
        world_turn(&w, 20);
    }
    assert_int_equal(w.state, LINK_WRONG_MANAGER);
    world_close(&w);
    close(fd);
}

static void
story_comes_later(struct key *key)
{
    char         endpoint[64];
    struct world w = { 0 };

    close(listener(endpoint));          /* a port that is free now */
    w.client = client_at(endpoint, key);
    assert_true(UNTIL(&w, w.why.code == MUSTER_ERR_UNREACHABLE));
    w.server = server_at(endpoint, table_of(key, NULL), 100);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    world_close(&w);
}

static void
story_restart(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    char         endpoint[64];

    snprintf(endpoint, sizeof(endpoint), "%s", link_server_endpoint(w.server));
    assert_int_equal(w.connections, 1);
    link_server_close(w.server);
    w.server = NULL;
    assert_true(UNTIL(&w, w.state == LINK_LOST));
    assert_int_equal(send_bytes(&w, 5), MUSTER_ERR_BUSY);
    w.server = server_at(endpoint, table_of(key, NULL), 100);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    assert_int_equal(w.connections, 2);
    assert_int_equal(send_bytes(&w, 7), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    assert_int_equal(w.frame_bytes, 7);
    world_close(&w);
}

/* Whoever waits in a loop of its own must not spin afterwards: wake-ups are counted
 * for longer than any timer of the reconnection runs. */
static void
story_restart_calm(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    uint64_t     until_ms;
    char         endpoint[64];
    int          wakeups = 0;

    snprintf(endpoint, sizeof(endpoint), "%s", link_server_endpoint(w.server));
    link_server_close(w.server);
    w.server = NULL;
    assert_true(UNTIL(&w, w.state == LINK_LOST));
    w.server = server_at(endpoint, table_of(key, NULL), 100);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    until_ms = clock_now_ms() + 500;
    while (clock_now_ms() < until_ms) {
        struct pollfd fd = { .fd = link_client_state_fd(w.client), .events = POLLIN };

        wakeups += poll(&fd, 1, 100);
        world_turn(&w, 0);
    }
    assert_in_range(wakeups, 0, 20);
    world_close(&w);
}

static void
story_largest(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);

    assert_int_equal(send_bytes(&w, FRAME_MAX), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    assert_int_equal(w.frame_bytes, FRAME_MAX);
    world_close(&w);
}

/* A client that does not keep to our limits: libzmq without link/. */
struct raw {
    void *context, *dealer;
};

static struct raw
raw_at(const char *endpoint, const struct key *key, const char *routing)
{
    struct raw raw = { .context = zmq_ctx_new() };
    int        linger = 0;

    raw.dealer = zmq_socket(raw.context, ZMQ_DEALER);
    zmq_setsockopt(raw.dealer, ZMQ_LINGER, &linger, sizeof(linger));
    zmq_setsockopt(raw.dealer, ZMQ_CURVE_SERVERKEY, key_public(manager_key), KEY_BYTES);
    zmq_setsockopt(raw.dealer, ZMQ_CURVE_PUBLICKEY, key_public(key), KEY_BYTES);
    zmq_setsockopt(raw.dealer, ZMQ_CURVE_SECRETKEY, key_secret(key), KEY_BYTES);
    if (routing != NULL)
        assert_int_equal(zmq_setsockopt(raw.dealer, ZMQ_ROUTING_ID, routing, strlen(routing)), 0);
    assert_int_equal(zmq_connect(raw.dealer, endpoint), 0);
    return raw;
}

static void
raw_close(struct raw *raw)
{
    zmq_close(raw->dealer);
    zmq_ctx_term(raw->context);
}

static void
story_too_large(struct key *key)
{
    static char  bytes[FRAME_MAX + 1];
    struct world w = { 0 };
    struct raw   raw;

    w.server = server_at("tcp://127.0.0.1:*", table_of(key, NULL), 100);
    raw = raw_at(link_server_endpoint(w.server), key, NULL);
    assert_int_equal(zmq_send(raw.dealer, "hi", 2, 0), 2);
    assert_true(UNTIL(&w, w.frames == 1));
    assert_int_equal(zmq_send(raw.dealer, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_true(UNTIL(&w, w.gone == 1));
    assert_int_equal(w.frames, 1);
    raw_close(&raw);
    world_close(&w);
}

static void
story_parts(struct key *key)
{
    struct world w = { 0 };
    struct raw   raw;

    w.server = server_at("tcp://127.0.0.1:*", table_of(key, NULL), 100);
    raw = raw_at(link_server_endpoint(w.server), key, NULL);
    assert_int_equal(zmq_send(raw.dealer, "hi", 2, 0), 2);
    assert_true(UNTIL(&w, w.frames == 1));
    assert_int_equal(zmq_send(raw.dealer, "a", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(raw.dealer, "b", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(raw.dealer, "c", 1, 0), 1);
    assert_true(UNTIL(&w, w.gone == 1));
    assert_int_equal(w.frames, 1);
    raw_close(&raw);
    world_close(&w);
}

static void
story_own_routing(struct key *key)
{
    struct world w = { 0 };
    struct raw   raw;
    uint64_t     until_ms = clock_now_ms() + 500;

    w.server = server_at("tcp://127.0.0.1:*", table_of(key, NULL), 100);
    raw = raw_at(link_server_endpoint(w.server), key, "me");
    assert_int_equal(zmq_send(raw.dealer, "hi", 2, 0), 2);
    while (clock_now_ms() < until_ms)
        world_turn(&w, 50);
    assert_int_equal(w.frames, 0);
    raw_close(&raw);
    world_close(&w);
}

static void
story_slow(struct key *key)
{
    struct world  w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    struct buffer frame = { 0 };
    muster_err    err = MUSTER_OK;
    uint64_t      sent = 0;

    buffer_extend(&frame, FRAME_MAX);
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    /* The client does not read: queues and kernel buffers fill. */
    while ((err = link_server_send(w.server, w.from.peer, buffer_slice(&frame))) == MUSTER_OK &&
           sent < 100000)
        sent++;
    assert_int_equal(err, MUSTER_ERR_BUSY);
    assert_true(sent >= 32);
    assert_int_equal(link_server_send(w.server, w.from.peer + 1, buffer_slice(&frame)),
                     MUSTER_ERR_NOT_FOUND);
    assert_true(UNTIL(&w, w.answers == sent));  /* all that was accepted arrives */
    assert_int_equal(link_server_send(w.server, w.from.peer, buffer_slice(&frame)), MUSTER_OK);
    assert_true(UNTIL(&w, w.answers == sent + 1));
    buffer_free(&frame);
    world_close(&w);
}

static void
story_gone(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    uint64_t     first;

    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    first = w.from.peer;
    link_client_close(w.client);
    w.client = NULL;
    assert_true(UNTIL(&w, w.gone == 1));
    assert_int_equal(w.gone_last, first);
    assert_int_equal(link_server_send(w.server, first, slice_text("x")), MUSTER_ERR_NOT_FOUND);
    w.state = LINK_CONNECTING;
    w.client = client_at(link_server_endpoint(w.server), key);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 2));
    assert_true(w.from.peer > first);
    assert_int_equal(w.gone, 1);
    world_close(&w);
}

/* The end of a connection is known before its last frames were read. */
static void
story_last_words(struct key *key)
{
    struct world  w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    struct pollfd fd = { .events = POLLIN };

    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(send_bytes(&w, 6), MUSTER_OK);
    link_client_close(w.client);
    w.client = NULL;
    fd.fd = link_server_fd(w.server);
    assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
    assert_true(UNTIL(&w, w.gone == 1));
    assert_int_equal(w.frames, 11);
    world_close(&w);
}

static void
story_cut(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", NULL);

    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    assert_int_equal(link_server_send(w.server, w.from.peer, slice_text("why")), MUSTER_OK);
    link_server_cut(w.server, w.from.peer);
    link_server_cut(w.server, w.from.peer);
    assert_true(UNTIL(&w, w.gone == 1));
    assert_int_equal(w.answers, 1);             /* the last word arrived */
    assert_true(UNTIL(&w, w.connections == 2)); /* the key is still welcome */
    world_close(&w);
}

/* The key has one connection, and may have no second. */
static void
expect_full(struct world *first, const struct key *key)
{
    struct world w = *first;
    struct world second = { 0 };

    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    second.client = client_at(link_server_endpoint(w.server), key);
    for (uint64_t until_ms = clock_now_ms() + WAIT_MS;
         second.why.code != MUSTER_ERR_FULL && clock_now_ms() < until_ms;) {
        world_turn(&second, 20);
        world_turn(&w, 0);
    }
    assert_int_equal(second.why.code, MUSTER_ERR_FULL);
    assert_int_equal(second.state, LINK_CONNECTING);
    /* When the first one leaves, the second gets in by itself. */
    link_client_close(w.client);
    w.client = NULL;
    for (uint64_t until_ms = clock_now_ms() + WAIT_MS;
         second.state != LINK_CONNECTED && clock_now_ms() < until_ms;) {
        world_turn(&second, 20);
        world_turn(&w, 0);
    }
    assert_int_equal(second.state, LINK_CONNECTED);
    world_close(&second);
    world_close(&w);
}

static void
story_key_full(struct key *key)
{
    struct world w = world_connected(key, "tcp://127.0.0.1:*", "max-connections=1");

    expect_full(&w, key);
}

/* Of two connections in all one client's key gets one. */
static void
story_key_share(struct key *key)
{
    struct world w = { 0 };

    w.server = server_at("tcp://127.0.0.1:*", table_of(key, NULL), 2);
    w.client = client_at(link_server_endpoint(w.server), key);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    expect_full(&w, key);
}

static void
story_in_use(struct key *key)
{
    char                      endpoint[64];
    int                       fd = listener(endpoint);
    struct link_server_config config = { .endpoint = endpoint, .key = manager_key,
                                         .frame_bytes_max = FRAME_MAX, .connections_max = 10 };
    struct link_server       *server = NULL;
    struct muster_error       error = { 0 };

    assert_int_equal(link_server_open(&config, table_of(key, NULL), &server, &error),
                     MUSTER_ERR_EXISTS);
    assert_null(server);
    close(fd);
    config.endpoint = "tcp://192.0.2.1:7717";
    assert_int_equal(link_server_open(&config, table_of(key, NULL), &server, &error),
                     MUSTER_ERR_INVALID);
    config.endpoint = "udp://127.0.0.1:7717";
    assert_int_equal(link_server_open(&config, table_of(key, NULL), &server, &error),
                     MUSTER_ERR_INVALID);
}

/* Connections that never say anything do not keep an honest one out. */
static void
story_crowd(struct key *key)
{
    enum { CROWD = 400 };
    struct world       w = { 0 };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fds[CROWD];

    w.server = server_at("tcp://127.0.0.1:*", table_of(key, NULL), 5);
    address.sin_port = htons((uint16_t)atoi(strrchr(link_server_endpoint(w.server), ':') + 1));
    for (unsigned i = 0; i < CROWD; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
        world_turn(&w, 0);
    }
    w.client = client_at(link_server_endpoint(w.server), key);
    assert_true(UNTIL(&w, w.state == LINK_CONNECTED));
    assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    assert_true(UNTIL(&w, w.frames == 1));
    for (unsigned i = 0; i < CROWD; i++)
        close(fds[i]);
    world_close(&w);
}

/* Frames that are not read at once do not lose the wake-up. */
static void
story_wake(struct key *key)
{
    struct world     w = world_connected(key, "tcp://127.0.0.1:*", NULL);
    struct pollfd    fd = { .events = POLLIN };
    struct link_peer from;
    struct slice     frame;
    uint64_t         frames = 0;

    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(send_bytes(&w, 5), MUSTER_OK);
    while (frames < 10) {
        /* One at a time, an answer after each: any call may swallow a signal. */
        fd.fd = link_server_fd(w.server);
        assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
        if (!link_server_receive(w.server, &from, &frame))
            continue;
        frames++;
        assert_int_equal(link_server_send(w.server, from.peer, frame), MUSTER_OK);
    }
    assert_true(UNTIL(&w, w.answers == 10));
    world_close(&w);
}

struct story_case {
    const char *story;
    void (*run)(struct key *key);
};

static const struct story_case stories[] = {
    { "a local socket is private", story_private_socket },
    { "a revoked key is cut within a second and refused", story_revoked },
    { "a key revoked before its first frame is not heard", story_revoked_silent },
    { "a key that expires while connected is cut", story_expires },
    { "nobody listening is told apart and waited for", story_nobody },
    { "a host that does not exist is named", story_no_host },
    { "something that accepts and is silent is not a wrong manager", story_silent },
    { "something that is not muster is a wrong manager", story_not_muster },
    { "a manager that comes later is found", story_comes_later },
    { "a manager that restarts is found again, and counted", story_restart },
    { "a manager that restarted leaves its clients calm", story_restart_calm },
    { "the largest frame passes", story_largest },
    { "a larger frame ends the connection", story_too_large },
    { "a message of several parts ends the connection", story_parts },
    { "a routing id of the client's choice is not heard", story_own_routing },
    { "a slow peer gives BUSY and loses nothing", story_slow },
    { "a peer that leaves is reported once, and comes back as another", story_gone },
    { "what a peer said before it left is heard", story_last_words },
    { "a cut peer hears the last word", story_cut },
    { "max-connections holds the next one back until there is room", story_key_full },
    { "a client's key gets half of all connections", story_key_share },
    { "addresses in use or not ours are named", story_in_use },
    { "a silent crowd keeps nobody out", story_crowd },
    { "no wake-up is lost", story_wake },
};

static void
test_story(void **state)
{
    const struct story_case *c = *state;
    struct key              *key = new_key("somebody");

    c->run(key);
    key_free(key);
}

int
main(void)
{
    int failed;

    assert(auth_start(NULL) == MUSTER_OK);
    assert(key_make(AUTH_ROLE_MANAGER, "manager", NULL, &manager_key, NULL) == MUSTER_OK);
    failed = STORIES("frames and connections", stories, test_story);
    key_free(manager_key);
    return failed;
}
