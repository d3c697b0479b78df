/* raw_relay.c - libzmq with CURVE and nothing on top of it
 *
 * The router is this process, client and worker are children that make contexts
 * of their own: the router's does not survive the fork and is never touched there.
 * The client says nothing but frames of `batch` items and has RELAY_FRAMES of
 * them on the way.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "raw.h"

enum { RELAY_FRAMES = 64, RELAY_ITEM_BYTES = 64, RELAY_KEY_TEXT = 41, CROWD_WARM = 500 };

struct relay {
    char     server_public[RELAY_KEY_TEXT];
    char     server_secret[RELAY_KEY_TEXT];
    char     endpoint[64];
    uint32_t frame_bytes;
    void    *context;
    void    *socket;
};

static void
relay_check(int result, const char *doing)
{
    if (result < 0)
        bench_die("%s: %s", doing, zmq_strerror(zmq_errno()));
}

static void
relay_bind(struct relay *relay)
{
    int    server = 1, none = 0;
    size_t bytes = sizeof(relay->endpoint);

    relay_check(zmq_curve_keypair(relay->server_public, relay->server_secret), "make keys");
    relay->context = zmq_ctx_new();
    relay->socket = zmq_socket(relay->context, ZMQ_ROUTER);
    relay_check(zmq_setsockopt(relay->socket, ZMQ_CURVE_SERVER, &server, sizeof(server)), "curve");
    relay_check(zmq_setsockopt(relay->socket, ZMQ_CURVE_SECRETKEY, relay->server_secret,
                               RELAY_KEY_TEXT), "key");
    relay_check(zmq_setsockopt(relay->socket, ZMQ_LINGER, &none, sizeof(none)), "linger");
    relay_check(zmq_bind(relay->socket, "tcp://127.0.0.1:*"), "bind");
    relay_check(zmq_getsockopt(relay->socket, ZMQ_LAST_ENDPOINT, relay->endpoint, &bytes),
                "endpoint");
}

static void
relay_connect(struct relay *relay, const char *name)
{
    char public[RELAY_KEY_TEXT], secret[RELAY_KEY_TEXT];

    relay_check(zmq_curve_keypair(public, secret), "make keys");
    relay->context = zmq_ctx_new();
    relay->socket = zmq_socket(relay->context, ZMQ_DEALER);
    relay_check(zmq_setsockopt(relay->socket, ZMQ_CURVE_SERVERKEY, relay->server_public,
                               RELAY_KEY_TEXT), "key");
    relay_check(zmq_setsockopt(relay->socket, ZMQ_CURVE_PUBLICKEY, public, RELAY_KEY_TEXT), "key");
    relay_check(zmq_setsockopt(relay->socket, ZMQ_CURVE_SECRETKEY, secret, RELAY_KEY_TEXT), "key");
    relay_check(zmq_setsockopt(relay->socket, ZMQ_ROUTING_ID, name, strlen(name)), "name");
    relay_check(zmq_connect(relay->socket, relay->endpoint), "connect");
}

static void
relay_close(struct relay *relay)
{
    zmq_close(relay->socket);
    zmq_ctx_term(relay->context);
}

/* Echo for ever. */
static void
relay_worker(struct relay *relay)
{
    relay_connect(relay, "w");
    relay_check(zmq_send(relay->socket, "", 0, 0), "say that the worker is there");
    for (;;) {
        zmq_msg_t frame;

        zmq_msg_init(&frame);
        relay_check(zmq_msg_recv(&frame, relay->socket, 0), "receive");
        relay_check(zmq_msg_send(&frame, relay->socket, 0), "send");
    }
}

/* Frame after frame, for ever. */
static void
relay_client(struct relay *relay)
{
    char *bytes = calloc(1, relay->frame_bytes);

    relay_connect(relay, "c");
    for (int i = 0; i < RELAY_FRAMES; i++)
        relay_check(zmq_send(relay->socket, bytes, relay->frame_bytes, 0), "send");
    for (;;) {
        relay_check(zmq_recv(relay->socket, bytes, relay->frame_bytes, 0), "receive");
        relay_check(zmq_send(relay->socket, bytes, relay->frame_bytes, 0), "send");
    }
}

static pid_t
relay_child(struct relay *relay, void (*run)(struct relay *relay))
{
    pid_t pid = fork();

    if (pid < 0)
        bench_die("fork failed");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run(relay);
    _exit(0);
}

/* One frame from one side to the other; true when it came back from the worker. */
static bool
relay_pass(struct relay *relay)
{
    char      name[8];
    zmq_msg_t frame;
    int       bytes = zmq_recv(relay->socket, name, sizeof(name), 0);

    relay_check(bytes, "receive");
    zmq_msg_init(&frame);
    relay_check(zmq_msg_recv(&frame, relay->socket, 0), "receive");
    if (zmq_msg_size(&frame) == 0) {           /* the worker is there */
        zmq_msg_close(&frame);
        return false;
    }
    relay_check(zmq_send(relay->socket, name[0] == 'c' ? "w" : "c", 1, ZMQ_SNDMORE), "send");
    relay_check(zmq_msg_send(&frame, relay->socket, 0), "send");
    return name[0] == 'w';
}

static void
relay_reap(pid_t pid)
{
    kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

double
raw_relay(uint32_t batch, double seconds)
{
    struct relay relay = { .frame_bytes = batch * RELAY_ITEM_BYTES };
    pid_t        worker, client;
    uint64_t     frames = 0;
    double       began, now;

    relay_bind(&relay);
    worker = relay_child(&relay, relay_worker);
    (void)relay_pass(&relay);
    client = relay_child(&relay, relay_client);
    for (int i = 0; i < 2 * RELAY_FRAMES; i++)
        (void)relay_pass(&relay);
    began = bench_now();
    do {
        for (int i = 0; i < RELAY_FRAMES; i++)
            frames += relay_pass(&relay);
        now = bench_now();
    } while (now - began < seconds);
    relay_reap(client);
    relay_reap(worker);
    relay_close(&relay);
    return (double)frames * batch / (now - began);
}

/* ---- round trips ---- */

void
raw_round_trip(double *seconds_out, uint32_t count)
{
    struct relay relay = { .frame_bytes = RELAY_ITEM_BYTES };
    char         bytes[RELAY_ITEM_BYTES] = { 0 }, name[8];
    pid_t        echo;

    relay_bind(&relay);
    echo = relay_child(&relay, relay_worker);
    (void)relay_pass(&relay);
    for (uint32_t i = 0; i < count; i++) {
        double began = bench_now();

        relay_check(zmq_send(relay.socket, "w", 1, ZMQ_SNDMORE), "send");
        relay_check(zmq_send(relay.socket, bytes, sizeof(bytes), 0), "send");
        relay_check(zmq_recv(relay.socket, name, sizeof(name), 0), "receive");
        relay_check(zmq_recv(relay.socket, bytes, sizeof(bytes), 0), "receive");
        seconds_out[i] = bench_now() - began;
    }
    relay_reap(echo);
    relay_close(&relay);
}

/* Ask and wait, for ever. */
static void
crowd_client(struct relay *relay)
{
    char bytes[RELAY_ITEM_BYTES] = { 0 }, name[16];

    snprintf(name, sizeof(name), "%d", (int)getpid());
    relay_connect(relay, name);
    for (;;) {
        relay_check(zmq_send(relay->socket, bytes, sizeof(bytes), 0), "send");
        relay_check(zmq_recv(relay->socket, bytes, sizeof(bytes), 0), "receive");
    }
}

/* The answer to whoever asked. */
static void
crowd_pass(struct relay *relay)
{
    char name[16], bytes[RELAY_ITEM_BYTES];
    int  length = zmq_recv(relay->socket, name, sizeof(name), 0);

    relay_check(length, "receive");
    relay_check(zmq_recv(relay->socket, bytes, sizeof(bytes), 0), "receive");
    relay_check(zmq_send(relay->socket, name, (size_t)length, ZMQ_SNDMORE), "send");
    relay_check(zmq_send(relay->socket, bytes, sizeof(bytes), 0), "send");
}

double
raw_crowd(uint32_t clients, double seconds)
{
    struct relay relay = { 0 };
    pid_t        pids[RAW_CROWD_MAX];
    uint64_t     answers = 0;
    double       began, now;

    relay_bind(&relay);
    for (uint32_t i = 0; i < clients; i++)
        pids[i] = relay_child(&relay, crowd_client);
    for (int i = 0; i < CROWD_WARM; i++)
        crowd_pass(&relay);
    began = bench_now();
    do {
        crowd_pass(&relay);
        answers++;
        now = bench_now();
    } while (now - began < seconds);
    for (uint32_t i = 0; i < clients; i++)
        relay_reap(pids[i]);
    relay_close(&relay);
    return (double)answers / (now - began);
}

/* ---- bulk ---- */

enum { BULK_FRAME_BYTES = 128 * 1024, BULK_FRAMES = 32 };

/* A frame for each credit, for ever. */
static void
bulk_client(struct relay *relay)
{
    char *bytes = calloc(1, BULK_FRAME_BYTES);
    char  credit;

    relay_connect(relay, "c");
    for (int i = 0; i < BULK_FRAMES; i++)
        relay_check(zmq_send(relay->socket, bytes, BULK_FRAME_BYTES, 0), "send");
    for (;;) {
        relay_check(zmq_recv(relay->socket, &credit, 1, 0), "receive");
        relay_check(zmq_send(relay->socket, bytes, BULK_FRAME_BYTES, 0), "send");
    }
}

/* Takes frames and gives credit. */
static void
bulk_sink(struct relay *relay)
{
    relay_connect(relay, "w");
    relay_check(zmq_send(relay->socket, "", 0, 0), "say that the sink is there");
    for (;;) {
        zmq_msg_t frame;

        zmq_msg_init(&frame);
        relay_check(zmq_msg_recv(&frame, relay->socket, 0), "receive");
        zmq_msg_close(&frame);
        relay_check(zmq_send(relay->socket, "", 1, 0), "send");
    }
}

/* One message: a frame goes on to the sink or ends here, credit goes to the client.
 * Bytes that arrived where they should. */
static size_t
bulk_pass(struct relay *relay, bool through)
{
    char      name[8];
    zmq_msg_t frame;
    size_t    bytes;

    relay_check(zmq_recv(relay->socket, name, sizeof(name), 0), "receive");
    zmq_msg_init(&frame);
    relay_check(zmq_msg_recv(&frame, relay->socket, 0), "receive");
    bytes = zmq_msg_size(&frame);
    if (bytes == 0) {
        zmq_msg_close(&frame);
        return 0;
    }
    if (name[0] == 'c' && through) {
        relay_check(zmq_send(relay->socket, "w", 1, ZMQ_SNDMORE), "send");
        relay_check(zmq_msg_send(&frame, relay->socket, 0), "send");
        return 0;
    }
    zmq_msg_close(&frame);
    relay_check(zmq_send(relay->socket, "c", 1, ZMQ_SNDMORE), "send");
    relay_check(zmq_send(relay->socket, "", 1, 0), "send");
    return BULK_FRAME_BYTES;
}

double
raw_bulk(bool through, double seconds)
{
    struct relay relay = { 0 };
    pid_t        sink, client;
    double       bytes = 0, began, now;

    relay_bind(&relay);
    sink = relay_child(&relay, bulk_sink);
    (void)bulk_pass(&relay, through);
    client = relay_child(&relay, bulk_client);
    for (int i = 0; i < 2 * BULK_FRAMES; i++)
        (void)bulk_pass(&relay, through);
    began = bench_now();
    do {
        for (int i = 0; i < BULK_FRAMES; i++)
            bytes += (double)bulk_pass(&relay, through);
        now = bench_now();
    } while (now - began < seconds);
    relay_reap(client);
    relay_reap(sink);
    relay_close(&relay);
    return bytes / 1e6 / (now - began);
}
