/* responder.c - see responder.h
 *
 * 1. Answers that do not fit the link wait in `backlog`, in order.
 * 2. Nothing is resumed: the bench ends when the connection does.
 */
#include "responder.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "link.h"
#include "list.h"
#include "wire.h"

struct responder {
    struct link_client *link;
    struct key         *key;
    struct buffer       frame;       /* being filled */
    uint32_t            messages;
    struct buffer       backlog;     /* u32 length, frame, ... */
    uint64_t            request;
    uint64_t            beat_ms;
    uint64_t            beat_at_ms;
};

static void
responder_flush(struct responder *responder)
{
    struct buffer *frame = &responder->frame;

    if (responder->messages == 0)
        return;
    wire_frame_end(frame, responder->messages);
    write_bytes(&responder->backlog, buffer_slice(frame));
    buffer_clear(frame);
    responder->messages = 0;
}

/* Send what waits; what the link does not take stays. */
static void
responder_send(struct responder *responder)
{
    struct reader in = reader_of(buffer_slice(&responder->backlog));
    size_t        sent = 0;

    while (read_left(&in) > 0) {
        struct slice frame = read_bytes(&in, FRAME_BYTES_MAX);

        if (link_client_send(responder->link, frame))
            break;
        sent += sizeof(uint32_t) + frame.bytes;
    }
    buffer_consume(&responder->backlog, sent);
}

/* `message` is a whole message, header and body. */
static void
responder_add(struct responder *responder, uint16_t type, const union wire_any *m)
{
    static struct buffer message;

    buffer_clear(&message);
    wire_put_any(&message, type, ++responder->request, m);
    if (responder->messages > 0 &&
        !wire_frame_fits(&responder->frame, responder->messages, message.bytes))
        responder_flush(responder);
    if (responder->messages == 0)
        wire_frame_begin(&responder->frame);
    buffer_append_slice(&responder->frame, buffer_slice(&message));
    responder->messages++;
}

static void
responder_hello(struct responder *responder)
{
    union wire_any m = { .hello = { .version_min = PROTOCOL_VERSION_MIN,
                                    .version_max = PROTOCOL_VERSION,
                                    .secret = (uint64_t)getpid() << 32 | 1,
                                    .software = slice_text("muster-bench"),
                                    .host = slice_text("bench"),
                                    .pid = (uint32_t)getpid() } };

    responder_add(responder, MSG_TYPE_HELLO, &m);
}

static void
responder_welcome(struct responder *responder, const struct msg_welcome *welcome)
{
    union wire_any m = { .worker_join = { .name = slice_text("responder"),
                                          .cpus_milli = RESPONDER_CPUS * 1000,
                                          .window = WINDOW_MAX } };

    responder->beat_ms = welcome->beat_ms;
    responder_add(responder, MSG_TYPE_WORKER_JOIN, &m);
}

static void
responder_lease(struct responder *responder, const struct msg_task_lease *lease)
{
    struct reader  in = reader_of(lease->tasks.bytes);
    union wire_any m = { .task_finish = { .token.job = lease->job,
                                          .result = { .outcome = OUTCOME_SUCCEEDED,
                                                      .wall_us = 1,
                                                      .pid = (uint32_t)getpid(),
                                                      .host = slice_text("bench") } } };

    for (uint32_t i = 0; i < lease->tasks.count; i++) {
        struct wire_leased leased;

        if (!wire_get_leased(&in, &leased))
            bench_die("a lease cannot be read");
        m.task_finish.token.index = leased.index;
        m.task_finish.token.attempt = leased.attempt;
        m.task_finish.token.epoch = leased.epoch;
        responder_add(responder, MSG_TYPE_TASK_FINISH, &m);
    }
}

static void
responder_take(struct responder *responder, const struct wire_message *message)
{
    union wire_any m;

    if (wire_decode_any(message->type, message->body, &m))
        bench_die("message 0x%x cannot be read", message->type);
    if (message->type == MSG_TYPE_WELCOME)
        responder_welcome(responder, &m.welcome);
    else if (message->type == MSG_TYPE_TASK_LEASE)
        responder_lease(responder, &m.task_lease);
    else if (message->type == MSG_TYPE_ERROR)
        bench_die("the manager says %u: %.*s", m.error.code, (int)m.error.detail.bytes,
                  (const char *)m.error.detail.data);
}

static void
responder_receive(struct responder *responder)
{
    struct slice bytes;

    while (link_client_receive(responder->link, &bytes)) {
        struct wire_frame   frame;
        struct wire_message message;

        if (wire_frame_open(bytes, &frame))
            bench_die("a frame cannot be read");
        while (wire_frame_next(&frame, &message) == MUSTER_OK)
            responder_take(responder, &message);
    }
}

static void
responder_beat(struct responder *responder)
{
    uint64_t       now_ms = clock_now_ms();
    union wire_any m = { .beat = { .sent_ms = now_ms } };

    if (responder->beat_ms == 0 || now_ms < responder->beat_at_ms)
        return;
    responder->beat_at_ms = now_ms + responder->beat_ms;
    responder_add(responder, MSG_TYPE_BEAT, &m);
}

static void
responder_open(struct responder *responder, const struct place *place)
{
    struct muster_error       error = { 0 };
    struct link_client_config config = { .endpoint = place->endpoint,
                                         .frame_bytes_max = FRAME_BYTES_MAX,
                                         .reconnect_ms_min = 10,
                                         .reconnect_ms_max = 100 };

    if (auth_start(&error) || key_file_load(place->worker_key, &responder->key, &error))
        bench_die("responder: %s", error.detail);
    config.key = responder->key;
    if (link_client_open(&config, &responder->link, &error))
        bench_die("responder: %s", error.detail);
}

void
responder_run(const struct place *place, void *context)
{
    struct responder responder = { 0 };
    uint64_t         connections = 0, greeted = 0;

    (void)context;
    responder_open(&responder, place);
    for (;;) {
        struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };

        (void)link_client_state(responder.link, &connections, NULL);
        if (connections > greeted) {
            greeted = connections;
            responder_hello(&responder);
        }
        responder_receive(&responder);
        responder_beat(&responder);
        responder_flush(&responder);
        responder_send(&responder);
        fds[0].fd = link_client_fd(responder.link);
        fds[1].fd = link_client_state_fd(responder.link);
        (void)poll(fds, 2, responder.backlog.bytes > 0 ? 1 : 100);
    }
}
