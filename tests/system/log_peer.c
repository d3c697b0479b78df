/* log_peer.c - a worker that does nothing but say what it has logged
 *
 *   log_peer ADDRESS KEYFILE NAME COUNT [SOURCE]
 *
 * Joins as NAME and says "NAME 1" .. "NAME COUNT", a LOG_PUT of at most 200 lines at a
 * time, until the manager has them all; with SOURCE each line claims to be of that one.
 * Lines of "rude" would clear a terminal.
 * Exit 0: taken; 1: it was told an error, whose name it prints; 2: something else.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "clock.h"
#include "link.h"
#include "wire.h"

enum { PEER_MS = 20000, PEER_STEP_MS = 20, PEER_LINES = 200, PEER_PAUSE_MS = 200 };

struct peer {
    struct link_client *link;
    const char         *name, *source;
    uint64_t            count, taken, request, again_ms;
    bool                greeted;
    int                 status;        /* -1: not yet */
};

static void
peer_send(struct peer *peer, uint16_t type, const union wire_any *m)
{
    struct buffer frame = { 0 };

    wire_frame_begin(&frame);
    wire_put_any(&frame, type, ++peer->request, m);
    wire_frame_end(&frame, 1);
    if (link_client_send(peer->link, buffer_slice(&frame)))
        peer->status = 2;
    buffer_free(&frame);
}

static void
peer_hello(struct peer *peer)
{
    union wire_any m = { .hello = { .version_min = 1, .version_max = 1, .secret = 5,
                                    .host = slice_text("here"), .pid = (uint32_t)getpid() } };

    peer_send(peer, MSG_TYPE_HELLO, &m);
    peer->greeted = true;
}

static void
peer_join(struct peer *peer)
{
    union wire_any m = { .worker_join = { .name = slice_text(peer->name), .cpus_milli = 1000 } };

    peer_send(peer, MSG_TYPE_WORKER_JOIN, &m);
}

static void
peer_put(struct peer *peer)
{
    struct buffer  lines = { 0 };
    union wire_any m = { 0 };
    uint32_t       count = 0;

    for (uint64_t i = peer->taken + 1; i <= peer->count && count < PEER_LINES; i++, count++) {
        char text[100];

        snprintf(text, sizeof(text), "%s %llu%s", peer->name, (unsigned long long)i,
                 strcmp(peer->name, "rude") == 0 ? "\x1b[2J" : "");
        wire_put_log(&lines, &(struct wire_log){ .number = i, .unix_ms = clock_unix_ms(),
                                                 .level = 2, .source = slice_text(peer->source),
                                                 .text = slice_text(text) });
    }
    m.log_put.lines = (struct wire_list){ buffer_slice(&lines), count };
    peer_send(peer, MSG_TYPE_LOG_PUT, &m);
    buffer_free(&lines);
}

static void
peer_taken(struct peer *peer, uint64_t taken)
{
    peer->again_ms = taken > peer->taken ? 0 : clock_now_ms() + PEER_PAUSE_MS;
    peer->taken = taken;
    if (taken == peer->count)
        peer->status = 0;
    else if (peer->again_ms == 0)
        peer_put(peer);
}

static void
peer_message(struct peer *peer, const struct wire_message *message)
{
    union wire_any m;

    if (wire_decode_any(message->type, message->body, &m))
        return;
    if (message->type == MSG_TYPE_WELCOME) {
        peer_join(peer);
    } else if (message->type == MSG_TYPE_WORKER_JOINED) {
        peer_put(peer);
    } else if (message->type == MSG_TYPE_ACK) {
        peer_taken(peer, m.ack.value);
    } else if (message->type == MSG_TYPE_ERROR) {
        printf("%s\n", muster_err_name((muster_err)m.error.code));
        peer->status = 1;
    }
}

static int
peer_run(struct peer *peer)
{
    struct muster_error error = { 0 };
    uint64_t            until_ms = clock_now_ms() + PEER_MS;
    uint64_t            connections = 0;

    while (peer->status < 0 && clock_now_ms() < until_ms) {
        struct pollfd wait[2] = { { link_client_fd(peer->link), POLLIN, 0 },
                                  { link_client_state_fd(peer->link), POLLIN, 0 } };
        struct slice  bytes;

        if (link_client_state(peer->link, &connections, &error) == LINK_CONNECTED &&
            !peer->greeted)
            peer_hello(peer);
        while (link_client_receive(peer->link, &bytes)) {
            struct wire_frame   frame;
            struct wire_message message;

            if (wire_frame_open(bytes, &frame))
                continue;
            while (peer->status < 0 && wire_frame_next(&frame, &message) == MUSTER_OK)
                peer_message(peer, &message);
        }
        if (peer->again_ms != 0 && clock_now_ms() >= peer->again_ms) {
            peer->again_ms = 0;
            peer_put(peer);
        }
        (void)poll(wait, 2, PEER_STEP_MS);
    }
    return peer->status < 0 ? 2 : peer->status;
}

int
main(int argc, char **argv)
{
    struct link_client_config config = { .frame_bytes_max = FRAME_BYTES_MAX,
                                         .reconnect_ms_min = 100,
                                         .reconnect_ms_max = 100 };
    struct muster_error       error = { 0 };
    struct key               *key = NULL;
    struct peer               peer = { .status = -1, .source = argc > 5 ? argv[5] : "" };
    int                       status = 2;

    if (argc < 5 || auth_start(&error) || key_file_load(argv[2], &key, &error))
        goto out;
    config.endpoint = argv[1];
    config.key = key;
    peer.name = argv[3];
    peer.count = strtoull(argv[4], NULL, 10);
    if (link_client_open(&config, &peer.link, &error))
        goto out;
    status = peer_run(&peer);
    link_client_close(peer.link);
out:
    if (status == 2)
        fprintf(stderr, "log_peer: usage, or no answer: %s\n", error.detail);
    key_free(key);
    return status;
}
