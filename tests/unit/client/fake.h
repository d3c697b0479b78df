/* fake.h - a manager in a thread, for tests of sessions
 *
 * A real link_server with real keys; behind it a few lines that answer what
 * the client asks, and knobs that make them misbehave.  Knobs are atomic: a
 * test turns them while the manager runs.
 */
#ifndef FAKE_H
#define FAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "clock.h"
#include "files.h"
#include "link.h"
#include "map.h"
#include "stories.h"
#include "wire.h"

#include <muster/muster.h>

struct fake {
    char                dir[64];
    char                endpoint[128];
    char                key_file[128];
    struct key         *manager_key;
    struct key         *client_key;
    struct link_server *server;
    pthread_t           thread;
    int                 stop_fd;
    /* knobs */
    _Atomic int         refuse_hello;      /* error code, 0: none */
    _Atomic int         refuse_times;      /* so often; < 0: always */
    _Atomic int         welcome_role;      /* 0: the key's */
    _Atomic int         beat_ms;           /* 0: 200 */
    _Atomic int         mute_hello;
    _Atomic int         mute;              /* answer nothing but HELLO and BEAT */
    _Atomic int         cut_next;          /* cut the connection instead of answering, so often */
    _Atomic int         forget_next;       /* end the session instead of answering, so often */
    _Atomic int         busy_next;         /* answer BUSY, so often */
    _Atomic int         job_ended;
    /* what happened */
    _Atomic uint64_t    hellos, resumes, beats, goodbyes, requests;
    _Atomic uint64_t    submits, items, blocks;
    /* of the thread */
    uint64_t            session, secret, sessions;
    uint64_t            dedup_hi, dedup_lo, content;
    struct buffer       frame;
    struct buffer       entries;           /* of the only job */
    uint64_t            peer;
    uint64_t            poll_request;      /* a RESULTS_GET that waits */
    uint64_t            poll_cursor;
    uint64_t            poll_until_ms;
    /* Answers what the manager here does not; false: neither. */
    bool (*_Atomic also)(struct fake *fake, const struct wire_message *message,
                         const union wire_any *m);
    /* Answers instead of the manager here; false: that shall. */
    bool (*_Atomic instead)(struct fake *fake, const struct wire_message *message,
                            const union wire_any *m);
    void (*_Atomic turn)(struct fake *fake);     /* every few milliseconds */
};

static inline void
fake_send(struct fake *fake, uint16_t type, uint64_t request, const union wire_any *m)
{
    buffer_clear(&fake->frame);
    wire_frame_begin(&fake->frame);
    wire_put_any(&fake->frame, type, request, m);
    wire_frame_end(&fake->frame, 1);
    (void)link_server_send(fake->server, fake->peer, buffer_slice(&fake->frame));
}

static inline void
fake_error(struct fake *fake, uint64_t request, int code, const char *detail)
{
    union wire_any m = { .error = { .code = (uint16_t)code, .detail = slice_text(detail) } };

    fake_send(fake, MSG_TYPE_ERROR, request, &m);
}

static inline void
fake_ack(struct fake *fake, uint64_t request, uint64_t value)
{
    union wire_any m = { .ack = { .value = value } };

    fake_send(fake, MSG_TYPE_ACK, request, &m);
}

/* True once, `times` times. */
static inline bool
fake_take(_Atomic int *times)
{
    int left = atomic_load(times);

    if (left == 0)
        return false;
    if (left > 0)
        atomic_store(times, left - 1);
    return true;
}

static inline void
fake_hello(struct fake *fake, uint64_t request, const struct msg_hello *m)
{
    union wire_any welcome = { 0 };
    int            role = atomic_load(&fake->welcome_role);
    int            beat_ms = atomic_load(&fake->beat_ms);

    atomic_fetch_add(&fake->hellos, 1);
    if (atomic_load(&fake->mute_hello))
        return;
    if (atomic_load(&fake->refuse_hello) && fake_take(&fake->refuse_times)) {
        fake_error(fake, request, atomic_load(&fake->refuse_hello), "said the test");
        return;
    }
    if (m->session != 0 && (m->session != fake->session || m->secret != fake->secret)) {
        fake_error(fake, request, MUSTER_ERR_SESSION, "no such session");
        return;
    }
    if (m->session != 0)
        atomic_fetch_add(&fake->resumes, 1);
    else
        fake->session = ++fake->sessions;
    fake->secret = m->secret;
    welcome.welcome = (struct msg_welcome){ .version = PROTOCOL_VERSION,
                                            .session = fake->session,
                                            .resumed = m->session != 0,
                                            .epoch = 1,
                                            .role = (uint8_t)(role ? role : ROLE_CLIENT),
                                            .user = slice_text("test"),
                                            .software = slice_text("fake"),
                                            .beat_ms = beat_ms > 0 ? (uint32_t)beat_ms : 200,
                                            .lease_ms = LEASE_MS,
                                            .session_ms = SESSION_MS };
    fake_send(fake, MSG_TYPE_WELCOME, request, &welcome);
}

static inline void
fake_results(struct fake *fake, uint64_t request, uint64_t cursor)
{
    union wire_any m = { .results = { .job = 7, .cursor = cursor } };

    m.results.counts.total = 3;
    m.results.state = JOB_RUNNING;
    if (cursor == 0 && fake->entries.bytes > 0) {
        m.results.entries = buffer_slice(&fake->entries);
        m.results.cursor = 1;
    }
    m.results.ended = atomic_load(&fake->job_ended) != 0;
    if (m.results.ended)
        m.results.state = JOB_SUCCEEDED;
    fake_send(fake, MSG_TYPE_RESULTS, request, &m);
}

static inline void
fake_items(struct fake *fake, uint64_t request, const struct msg_job_items *m)
{
    uint64_t items = atomic_load(&fake->items);

    if (m->first > items) {
        fake_error(fake, request, MUSTER_ERR_STATE, "you are ahead");
        return;
    }
    if (wire_block_check(m->block, m->count) != MUSTER_OK) {
        fake_error(fake, request, MUSTER_ERR_INVALID, "bad block");
        return;
    }
    if (m->first + m->count > items)
        atomic_store(&fake->items, m->first + m->count);
    atomic_fetch_add(&fake->blocks, 1);
    fake_ack(fake, request, atomic_load(&fake->items));
}

static inline void
fake_submit(struct fake *fake, uint64_t request, const struct msg_job_submit *m)
{
    bool           existed = m->dedup_hi == fake->dedup_hi && m->dedup_lo == fake->dedup_lo;
    union wire_any answer = { .job_submitted = { .job = 7, .existed = existed } };

    atomic_fetch_add(&fake->submits, 1);
    if (existed && m->content_hash != fake->content) {
        fake_error(fake, request, MUSTER_ERR_CONFLICT, "other content");
        return;
    }
    fake->dedup_hi = m->dedup_hi;
    fake->dedup_lo = m->dedup_lo;
    fake->content = m->content_hash;
    answer.job_submitted.items = (uint32_t)atomic_load(&fake->items);
    fake_send(fake, MSG_TYPE_JOB_SUBMITTED, request, &answer);
}

static inline void
fake_request(struct fake *fake, const struct wire_message *message, const union wire_any *m)
{
    union wire_any answer = { 0 };

    if (atomic_load(&fake->instead) != NULL && atomic_load(&fake->instead)(fake, message, m))
        return;
    switch (message->type) {
    case MSG_TYPE_STATUS_GET:
        answer.status = (struct msg_status){ .epoch = 1, .up_ms = 5, .pid = 42,
                                             .software = slice_text("fake") };
        fake_send(fake, MSG_TYPE_STATUS, message->request, &answer);
        return;
    case MSG_TYPE_JOB_SUBMIT:
        fake_submit(fake, message->request, &m->job_submit);
        return;
    case MSG_TYPE_JOB_ITEMS:
        fake_items(fake, message->request, &m->job_items);
        return;
    case MSG_TYPE_JOB_CLOSE:
        if (m->job_close.count != atomic_load(&fake->items))
            fake_error(fake, message->request, MUSTER_ERR_STATE, "another number");
        else
            fake_ack(fake, message->request, m->job_close.count);
        return;
    case MSG_TYPE_RESULTS_GET:
        if (m->results_get.cursor == 0 || atomic_load(&fake->job_ended)) {
            fake_results(fake, message->request, m->results_get.cursor);
            return;
        }
        fake->poll_request = message->request;
        fake->poll_cursor = m->results_get.cursor;
        fake->poll_until_ms = clock_now_ms() + 50;
        return;
    default:
        if (atomic_load(&fake->also) != NULL && atomic_load(&fake->also)(fake, message, m))
            return;
        fake_error(fake, message->request, MUSTER_ERR_NOT_FOUND, "no such object, said the test");
    }
}

static inline void
fake_message(struct fake *fake, const struct wire_message *message)
{
    union wire_any m;

    if (wire_decode_any(message->type, message->body, &m) != MUSTER_OK) {
        fake_error(fake, message->request, MUSTER_ERR_INVALID, "malformed");
        return;
    }
    if (message->type == MSG_TYPE_HELLO) {
        fake_hello(fake, message->request, &m.hello);
        return;
    }
    if (fake->session == 0) {
        fake_error(fake, message->request, MUSTER_ERR_SESSION, "no session");
        return;
    }
    if (message->type == MSG_TYPE_BEAT) {
        union wire_any ack = { .beat_ack = { m.beat.sent_ms } };

        atomic_fetch_add(&fake->beats, 1);
        fake_send(fake, MSG_TYPE_BEAT_ACK, message->request, &ack);
        return;
    }
    if (message->type == MSG_TYPE_GOODBYE) {
        atomic_fetch_add(&fake->goodbyes, 1);
        fake_ack(fake, message->request, 0);
        return;
    }
    atomic_fetch_add(&fake->requests, 1);
    if (atomic_load(&fake->mute))
        return;
    if (fake_take(&fake->cut_next)) {
        link_server_cut(fake->server, fake->peer);
        return;
    }
    if (fake_take(&fake->forget_next)) {
        fake->session = 0;
        fake_error(fake, message->request, MUSTER_ERR_SESSION, "forgotten");
        return;
    }
    if (fake_take(&fake->busy_next)) {
        fake_error(fake, message->request, MUSTER_ERR_BUSY, "not now");
        return;
    }
    fake_request(fake, message, &m);
}

static inline void
fake_turn(struct fake *fake)
{
    struct link_peer    from;
    struct slice        bytes;
    struct wire_frame   frame;
    struct wire_message message;
    uint64_t            gone;

    while (link_server_receive(fake->server, &from, &bytes)) {
        fake->peer = from.peer;
        if (wire_frame_open(bytes, &frame) != MUSTER_OK)
            continue;
        while (wire_frame_next(&frame, &message) == MUSTER_OK)
            fake_message(fake, &message);
    }
    while (link_server_gone(fake->server, &gone))
        ;
    if (atomic_load(&fake->turn) != NULL)
        atomic_load(&fake->turn)(fake);
    if (fake->poll_request != 0 &&
        (clock_now_ms() >= fake->poll_until_ms || atomic_load(&fake->job_ended))) {
        fake_results(fake, fake->poll_request, fake->poll_cursor);
        fake->poll_request = 0;
    }
}

static inline void *
fake_run(void *context)
{
    struct fake *fake = context;

    for (;;) {
        struct pollfd fds[2] = { { .fd = fake->stop_fd, .events = POLLIN },
                                 { .events = POLLIN } };

        fake_turn(fake);
        fds[1].fd = link_server_fd(fake->server);
        (void)poll(fds, 2, 10);
        if (fds[0].revents)
            return NULL;
    }
}

/* ---- start and stop ---- */

static inline struct auth_table *
fake_table(const struct key *key)
{
    struct buffer       text = { 0 };
    struct auth_table  *table = NULL;
    struct muster_error error = { 0 };
    char                hex[2 * KEY_BYTES + 1];

    for (unsigned i = 0; key != NULL && i < KEY_BYTES; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", key_public(key)[i]);
    if (key != NULL)
        buffer_printf(&text, "%s client test\n", hex);
    if (auth_table_parse(buffer_slice(&text), "test", &table, &error) != MUSTER_OK)
        fail_msg("%s", error.detail);
    buffer_free(&text);
    return table;
}

static inline void
fake_serve(struct fake *fake, bool known)
{
    struct link_server_config config = { .endpoint = fake->endpoint,
                                         .key = fake->manager_key,
                                         .frame_bytes_max = FRAME_BYTES_MAX,
                                         .connections_max = 16 };
    struct muster_error error = { 0 };

    if (link_server_open(&config, fake_table(known ? fake->client_key : NULL), &fake->server,
                         &error))
        fail_msg("%s", error.detail);
    fake->stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
}

static inline void
fake_halt(struct fake *fake)
{
    if (fake->server == NULL)
        return;
    (void)eventfd_write(fake->stop_fd, 1);
    pthread_join(fake->thread, NULL);
    close(fake->stop_fd);
    link_server_close(fake->server);
    fake->server = NULL;
}

/* Keys and a folder; `known`: the client's key is enrolled. */
static inline struct fake *
fake_start(bool known)
{
    struct fake        *fake = base_alloc(sizeof(*fake));
    struct muster_error error = { 0 };

    strcpy(fake->dir, "/tmp/muster-fake-XXXXXX");
    assert_non_null(mkdtemp(fake->dir));
    (void)snprintf(fake->endpoint, sizeof(fake->endpoint), "ipc://%s/sock", fake->dir);
    (void)snprintf(fake->key_file, sizeof(fake->key_file), "%s/client.authkey", fake->dir);
    assert_int_equal(auth_start(&error), MUSTER_OK);
    assert_int_equal(key_make(AUTH_ROLE_MANAGER, "manager", NULL, &fake->manager_key, &error), 0);
    assert_int_equal(key_make(AUTH_ROLE_CLIENT, "test", key_public(fake->manager_key),
                              &fake->client_key, &error), 0);
    if (key_file_save(fake->key_file, fake->client_key, &error) != MUSTER_OK)
        fail_msg("%s", error.detail);
    fake_serve(fake, known);
    return fake;
}

static inline void
fake_stop(struct fake *fake)
{
    struct muster_error error;

    fake_halt(fake);
    (void)file_remove_tree(fake->dir, &error);
    key_free(fake->manager_key);
    key_free(fake->client_key);
    buffer_free(&fake->frame);
    buffer_free(&fake->entries);
    free(fake);
}

static inline struct muster_session *
fake_connect(struct fake *fake)
{
    struct muster_session_options options = { .address = fake->endpoint,
                                              .authkey_file = fake->key_file };
    struct muster_session        *session = NULL;
    struct muster_error           error = { 0 };

    if (muster_session_open(&options, &session, &error) != MUSTER_OK)
        fail_msg("%s: %s", muster_err_name(error.code), error.detail);
    return session;
}

/* Wait for what another thread brings about. */
#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t until_ms_ = clock_now_ms() + 10000;                                               \
        while (!(condition)) {                                                                     \
            if (clock_now_ms() > until_ms_)                                                        \
                fail_msg("never: %s", #condition);                                                 \
            poll(NULL, 0, 1);                                                                      \
        }                                                                                          \
    } while (0)

#endif
