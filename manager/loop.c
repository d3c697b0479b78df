/* loop.c - see loop.h */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "core.h"
#include "link.h"
#include "log.h"
#include "map.h"
#include "observe.h"
#include "recover.h"

enum {
    /* A turn that gathers more than this waits for the one before it: what
     * peers send beyond stays in their sockets. */
    LOOP_TURN_STEPS_MAX = 32768,
    LOOP_TURN_BYTES_MAX = 16 * 1024 * 1024,
    LOOP_POLLS_PER_SESSION_MAX = 1024,
};

enum loop_source { LOOP_LINK, LOOP_STORE, LOOP_SIGNAL, LOOP_LIFELINE };

struct loop {
    const struct config *config;
    struct key          *key;
    struct link_server  *link;
    struct admit        *admit;
    struct core         *core;
    struct store        *store;
    struct outbox       *outbox;
    struct answer       *answer;
    struct map           peers;         /* peer -> struct link_peer *, to look keys up again */
    struct effects       effects[2];
    struct effects      *gathering;     /* the turn being made */
    struct effects      *committing;    /* the turn being committed; NULL: none */
    uint64_t             turn;          /* its number */
    uint32_t             steps;         /* taken by the gathering turn */
    uint64_t             started_ms;
    uint32_t             connections_max;
    int                  epoll_fd;
    int                  signal_fd;
    bool                 stopping;
    bool                 backlog;       /* a slow peer has frames waiting */
    bool                 delivered;     /* in this round, so look at the link again */
};

/* ---- one message ---- */

static struct core_from
loop_from(const struct admit_from *from)
{
    return (struct core_from){ .session = from->session,
                               .role = from->role,
                               .user = from->user,
                               .address = from->address };
}

/* Answers made before there is a session go to the connection itself. */
static void
loop_address(struct effects *fx, uint32_t first, uint64_t peer)
{
    for (uint32_t i = first; i < fx->send_count; i++) {
        if (fx->sends[i].session == 0)
            fx->sends[i].peer = peer;
    }
}

static void
loop_cut(struct loop *loop, uint64_t now_ms, uint64_t peer, muster_err why)
{
    uint64_t session = admit_peer_session(loop->admit, peer);

    if (session != 0)
        core_expel(loop->core, now_ms, session, why, loop->gathering);
    link_server_cut(loop->link, peer);
}

static void
loop_refuse(struct loop *loop, uint64_t now_ms, uint64_t peer, uint64_t request, muster_err err,
            const struct muster_error *error)
{
    struct effects *fx = loop->gathering;
    union wire_any  m = { .error = { .code = (uint16_t)err,
                                     .retry_after_ms = admit_retry_ms(loop->admit, peer),
                                     .detail = slice_text(error->detail) } };

    effects_send(fx, admit_peer_session(loop->admit, peer), request, MSG_TYPE_ERROR, &m);
    if (admit_is_bad(err) && admit_bad(loop->admit, peer)) {
        log_warn("cutting peer %llu: too many bad messages, the last: %s",
                 (unsigned long long)peer, error->detail);
        loop_cut(loop, now_ms, peer, err);
    }
}

static void
loop_status(struct loop *loop, uint64_t now_ms, const struct core_from *from, uint64_t request)
{
    struct observe_input in = { 0 };
    struct buffer        list = { 0 };
    uint32_t             count = 0;
    union wire_any       m = { .status = { .epoch = core_epoch(loop->core),
                                           .up_ms = now_ms - loop->started_ms,
                                           .pid = (uint32_t)getpid(),
                                           .software = slice_text(MUSTER_VERSION) } };

    core_count(loop->core, &in.core);
    admit_count(loop->admit, &in.admit);
    link_server_count(loop->link, &in.link);
    store_count(loop->store, &in.store);
    observe_status(&list, &count, &in);
    m.status.counters = (struct wire_list){ buffer_slice(&list), count };
    effects_send(loop->gathering, from->session, request, MSG_TYPE_STATUS, &m);
    buffer_free(&list);
}

static muster_err
loop_step(struct loop *loop, uint64_t now_ms, uint64_t peer, const struct wire_message *message,
          struct muster_error *error)
{
    struct admit_from admitted;
    struct core_from  from;
    union wire_any    m;
    muster_err        err;

    err = admit_check(loop->admit, now_ms, peer, message->type,
                      MESSAGE_HEADER_BYTES + message->body.bytes, &admitted, error);
    if (err)
        return err;
    err = wire_decode_any(message->type, message->body, &m);
    if (err)
        return error_set(error, err, "message 0x%02x does not follow the protocol", message->type);
    if (message->type == MSG_TYPE_WORKER_JOIN) {
        err = admit_check_join(loop->admit, peer, &m.worker_join, error);
        if (err)
            return err;
    }

    from = loop_from(&admitted);
    if (message->type == MSG_TYPE_STATUS_GET) {
        loop_status(loop, now_ms, &from, message->request);
        return MUSTER_OK;
    }
    core_step(loop->core, now_ms, &from, message->request, message->type, &m, loop->gathering);
    if (message->type == MSG_TYPE_HELLO && loop->gathering->opened != 0) {
        uint64_t before = admit_bind(loop->admit, peer, loop->gathering->opened);

        if (before != 0)
            link_server_cut(loop->link, before);
    }
    return MUSTER_OK;
}

/* ---- one frame ---- */

static muster_err
loop_peer_open(struct loop *loop, const struct link_peer *from, struct muster_error *error)
{
    const struct auth_entry *entry;
    struct link_peer        *known;
    struct admit_who         who;
    char                     fingerprint[20];
    muster_err               err;

    if (admit_peer_known(loop->admit, from->peer))
        return MUSTER_OK;
    entry = link_server_entry(loop->link, from->key);
    if (entry == NULL)
        return error_set(error, MUSTER_ERR_AUTH, "the key was revoked");
    who = (struct admit_who){ .role = (enum wire_role)entry->role,
                              .user = entry->name,
                              .fingerprint = auth_key_fingerprint(fingerprint, from->key),
                              .address = from->address,
                              .queues = entry->queues };
    err = admit_peer_open(loop->admit, from->peer, &who, error);
    if (err)
        return err;
    known = base_alloc(sizeof(*known));
    *known = *from;
    map_put(&loop->peers, from->peer, known);
    return MUSTER_OK;
}

static void
loop_frame(struct loop *loop, uint64_t now_ms, const struct link_peer *from, struct slice bytes)
{
    struct muster_error error = { 0 };
    struct wire_frame   frame;
    struct wire_message message = { 0 };
    uint32_t            first = loop->gathering->send_count;
    muster_err          err;

    err = loop_peer_open(loop, from, &error);
    if (err) {
        log_warn("turning away a peer at %s: %s", from->address, error.detail);
        link_server_cut(loop->link, from->peer);
        return;
    }
    err = wire_frame_open(bytes, &frame);
    while (!err) {
        err = wire_frame_next(&frame, &message);
        if (err)
            break;
        loop->steps++;
        err = loop_step(loop, now_ms, from->peer, &message, &error);
        if (err)
            loop_refuse(loop, now_ms, from->peer, message.request, err, &error);
        err = MUSTER_OK;        /* one bad message does not spoil its neighbours */
    }
    if (err != MUSTER_ERR_CLOSED) {
        error_set(&error, MUSTER_ERR_INVALID, "the frame does not follow the protocol");
        loop_refuse(loop, now_ms, from->peer, 0, MUSTER_ERR_INVALID, &error);
    }
    loop_address(loop->gathering, first, from->peer);
}

static void
loop_receive(struct loop *loop)
{
    uint64_t         now_ms = clock_now_ms();
    struct link_peer from;
    struct slice     bytes;

    while (!loop->stopping && loop->steps < LOOP_TURN_STEPS_MAX &&
           loop->gathering->arena.bytes < LOOP_TURN_BYTES_MAX &&
           link_server_receive(loop->link, &from, &bytes))
        loop_frame(loop, now_ms, &from, bytes);
}

static void
loop_gone(struct loop *loop)
{
    uint64_t peer, session;

    while (link_server_gone(loop->link, &peer)) {
        free(map_remove(&loop->peers, peer));
        outbox_gone(loop->outbox, peer);
        if (admit_peer_gone(loop->admit, peer, &session) && session != 0)
            core_away(loop->core, clock_now_ms(), session);
    }
}

static void
loop_slow(void *context, uint64_t peer, bool slow)
{
    struct loop *loop = context;
    uint64_t     session = admit_peer_session(loop->admit, peer);

    if (session != 0)
        core_slow(loop->core, session, slow);
}

/* ---- one turn ---- */

struct loop_objects {
    struct buffer        bytes;
    struct store_object *items;     /* .bytes.data is an offset until all are there */
    uint32_t             count, capacity;
};

static void
loop_object(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct loop_objects *objects = context;
    struct store_object *object;

    base_grow((void **)&objects->items, &objects->capacity, objects->count + 1,
              sizeof(*objects->items));
    object = &objects->items[objects->count++];
    *object = (struct store_object){ kind, id, { NULL, bytes.bytes } };
    if (bytes.data == NULL)
        return;
    /* One byte more than nothing, so that offset 0 differs from NULL. */
    object->bytes.data = (const void *)(uintptr_t)(objects->bytes.bytes + 1);
    buffer_append_slice(&objects->bytes, bytes);
}

static void
loop_objects_point(struct loop_objects *objects)
{
    for (uint32_t i = 0; i < objects->count; i++) {
        struct slice *bytes = &objects->items[i].bytes;

        if (bytes->data != NULL)
            bytes->data = objects->bytes.data + ((uintptr_t)bytes->data - 1);
    }
}

static uint64_t
loop_submit(struct loop *loop, const struct effects *fx, bool checkpoint)
{
    struct loop_objects objects = { 0 };
    struct store_body  *bodies = base_array(fx->body_count + 1, sizeof(*bodies));
    struct store_turn   turn = { .facts = buffer_slice(&fx->facts),
                                 .bodies = bodies,
                                 .body_count = fx->body_count,
                                 .pruned_jobs = fx->pruned,
                                 .pruned_count = fx->pruned_count,
                                 .checkpoint = checkpoint };
    uint64_t            number;

    for (uint32_t i = 0; i < fx->body_count; i++) {
        const struct effect_body *body = &fx->bodies[i];

        bodies[i] = (struct store_body){ body->job, body->number,
                                         { fx->arena.data + body->offset, body->bytes } };
    }
    if (checkpoint) {
        core_checkpoint(loop->core, loop_object, &objects);
        loop_objects_point(&objects);
        turn.objects = objects.items;
        turn.object_count = objects.count;
    }
    number = store_submit(loop->store, &turn);
    free(bodies);
    free(objects.items);
    buffer_free(&objects.bytes);
    return number;
}

/* A turn that is durable: answer, then make its effects free for the next. */
static muster_err
loop_deliver(struct loop *loop, struct effects *fx, struct muster_error *error)
{
    muster_err err = answer_deliver(loop->answer, fx, error);

    for (uint32_t i = 0; i < fx->ended_count; i++)
        (void)admit_session_ended(loop->admit, fx->ended[i]);
    loop->backlog = outbox_flush(loop->outbox);
    loop->delivered = true;
    effects_clear(fx);
    return err;
}

static bool
loop_durable(const struct effects *fx)
{
    return fx->facts.bytes > 0 || fx->body_count > 0 || fx->pruned_count > 0;
}

/* End the gathering turn and hand it to the store; with nothing to store it is
 * delivered at once.  `done` is the turn before it, durable and not yet
 * delivered, or NULL: it is answered first, but after the disk has got its work.
 * Only called while no turn is being committed. */
static muster_err
loop_turn(struct loop *loop, struct effects *done, struct muster_error *error)
{
    struct effects *fx = loop->gathering;
    bool            checkpoint = store_log_bytes(loop->store) > loop->config->log_bytes_max;
    bool            durable;
    muster_err      err = MUSTER_OK;

    assert(loop->committing == NULL);
    core_space(loop->core, store_space_low(loop->store));
    core_turn(loop->core, clock_now_ms(), clock_unix_ms(), fx);
    loop->steps = 0;
    durable = loop_durable(fx) || checkpoint;
    if (durable) {
        loop->turn = loop_submit(loop, fx, checkpoint);
        loop->committing = fx;
        loop->gathering = fx == &loop->effects[0] ? &loop->effects[1] : &loop->effects[0];
    }
    if (done != NULL)
        err = loop_deliver(loop, done, error);
    if (!err && !durable && !effects_empty(fx))
        err = loop_deliver(loop, fx, error);
    return err;
}

static muster_err
loop_commit(struct loop *loop, struct muster_error *error)
{
    struct effects *done = loop->committing;
    uint64_t        committed = 0;
    muster_err      err = store_committed(loop->store, &committed, error);

    if (err || done == NULL || committed < loop->turn)
        return err;
    loop->committing = NULL;
    return loop_turn(loop, done, error);
}

/* ---- signals, waiting ---- */

/* Drop what a key that is gone, or has another role or name now, still does. */
static void
loop_recheck_keys(struct loop *loop)
{
    uint64_t          now_ms = clock_now_ms();
    struct link_peer *peer;
    size_t            cursor = 0;

    while ((peer = map_next(&loop->peers, &cursor, NULL)) != NULL) {
        const struct auth_entry *entry = link_server_entry(loop->link, peer->key);
        struct admit_from        from;

        if (!admit_peer_who(loop->admit, peer->peer, &from))
            continue;
        if (entry != NULL && (enum wire_role)entry->role == from.role &&
            slice_equals_text(from.user, entry->name))
            continue;
        log_info("key of %.*s at %s is no longer authorized: its session ends",
                 (int)from.user.bytes, (const char *)from.user.data, peer->address);
        loop_cut(loop, now_ms, peer->peer, MUSTER_ERR_AUTH);
    }
}

static void
loop_reload_keys(struct loop *loop)
{
    struct muster_error error = { 0 };
    struct auth_table  *table = NULL;
    char                path[4096];

    (void)snprintf(path, sizeof(path), "%s/authorized_keys", loop->config->dir);
    if (auth_table_load(path, &table, &error)) {
        log_error("authorized_keys stays as it was: %s", error.detail);
        return;
    }
    log_info("authorized_keys reloaded: %u keys", (unsigned)auth_table_count(table));
    link_server_set_keys(loop->link, table);
    loop_recheck_keys(loop);
}

static void
loop_signals(struct loop *loop)
{
    struct signalfd_siginfo info;

    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            loop_reload_keys(loop);
        else {
            log_info("stopping: signal %u from pid %u", info.ssi_signo, info.ssi_pid);
            loop->stopping = true;
        }
    }
}

static void
loop_lifeline(struct loop *loop)
{
    char    byte;
    ssize_t got = read(loop->config->lifeline_fd, &byte, 1);

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        loop->stopping = true;
}

static int
loop_timeout_ms(const struct loop *loop)
{
    uint64_t now_ms = clock_now_ms();
    uint64_t wake_ms = core_wake_ms(loop->core);

    /* Sending may have swallowed the edge that told of something received. */
    if (loop->delivered)
        return 0;
    if (loop->backlog && wake_ms > now_ms + OUTBOX_RETRY_MS)
        wake_ms = now_ms + OUTBOX_RETRY_MS;
    if (wake_ms <= now_ms)
        return loop->committing == NULL ? 0 : -1;     /* the commit wakes us */
    return wake_ms - now_ms > 60000 ? 60000 : (int)(wake_ms - now_ms);
}

static void
loop_wait(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[8];
    int                count = epoll_wait(loop->epoll_fd, events, 8, timeout_ms);

    for (int i = 0; i < count; i++) {
        switch ((enum loop_source)events[i].data.u32) {
        case LOOP_SIGNAL:
            loop_signals(loop);
            break;
        case LOOP_LIFELINE:
            loop_lifeline(loop);
            break;
        case LOOP_LINK:
        case LOOP_STORE:
            break;              /* looked at in every round */
        }
    }
}

static muster_err
loop_watch(struct loop *loop, int fd, enum loop_source source, struct muster_error *error)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)source };

    if (fd >= 0 && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return error_errno(error, MUSTER_ERR_IO, "watch descriptor %d", fd);
    return MUSTER_OK;
}

static void
loop_signal_set(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
}

static muster_err
loop_watch_all(struct loop *loop, struct muster_error *error)
{
    sigset_t   signals;
    muster_err err;

    loop_signal_set(&signals);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->signal_fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "prepare to wait");
    err = loop_watch(loop, loop->signal_fd, LOOP_SIGNAL, error);
    if (!err)
        err = loop_watch(loop, loop->config->lifeline_fd, LOOP_LIFELINE, error);
    if (!err)
        err = loop_watch(loop, store_fd(loop->store), LOOP_STORE, error);
    if (!err)
        err = loop_watch(loop, link_server_fd(loop->link), LOOP_LINK, error);
    return err;
}

/* Wait until the turn under way is durable and answered; the one that was
 * gathering meanwhile may be under way then. */
static muster_err
loop_await(struct loop *loop, struct muster_error *error)
{
    uint64_t   turn = loop->turn;
    muster_err err = loop_commit(loop, error);

    while (!err && loop->committing != NULL && loop->turn == turn) {
        loop_wait(loop, -1);
        err = loop_commit(loop, error);
    }
    return err;
}

/* Stop was asked for: commit what was gathered, answer it, leave a checkpoint
 * so that the next start is quick. */
static muster_err
loop_finish(struct loop *loop, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && loop->committing != NULL)
        err = loop_await(loop, error);
    if (err)
        return err;
    loop->turn = loop_submit(loop, loop->gathering, true);
    loop->committing = loop->gathering;
    loop->gathering = &loop->effects[loop->gathering == &loop->effects[0]];
    while (!err && loop->committing != NULL)
        err = loop_await(loop, error);
    return err;
}

muster_err
loop_run(struct loop *loop, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    while (!err && !loop->stopping) {
        loop->delivered = false;
        loop_gone(loop);
        loop_receive(loop);
        if (loop->committing != NULL)
            err = loop_commit(loop, error);
        if (!err && loop->committing == NULL)
            err = loop_turn(loop, NULL, error);
        if (!err && loop->committing != NULL)
            err = loop_commit(loop, error);     /* memory: durable at once */
        if (!err && loop->backlog && !loop->delivered)
            loop->backlog = outbox_flush(loop->outbox);
        if (core_stopping(loop->core) && loop->committing == NULL)
            loop->stopping = true;
        if (!err && !loop->stopping)
            loop_wait(loop, loop_timeout_ms(loop));
    }
    return err ? err : loop_finish(loop, error);
}

/* ---- start and stop ---- */

static muster_err
loop_open_link(struct loop *loop, struct muster_error *error)
{
    struct link_server_config config = { .endpoint = loop->config->listen,
                                         .key = loop->key,
                                         .frame_bytes_max = FRAME_BYTES_MAX,
                                         .connections_max = loop->connections_max };
    struct auth_table        *table = NULL;
    char                      path[4096];
    muster_err                err;

    (void)snprintf(path, sizeof(path), "%s/authorized_keys", loop->config->dir);
    err = auth_table_load(path, &table, error);
    if (err)
        return err;
    return link_server_open(&config, table, &loop->link, error);
}

static muster_err
loop_open_key(struct loop *loop, struct muster_error *error)
{
    char       path[4096];
    muster_err err;

    (void)snprintf(path, sizeof(path), "%s/manager.key", loop->config->dir);
    err = key_file_load(path, &loop->key, error);
    if (!err && key_role(loop->key) != AUTH_ROLE_MANAGER)
        return error_set(error, MUSTER_ERR_KEY_FILE, "%s is a key of role %s, not the manager's",
                         path, auth_role_name(key_role(loop->key)));
    return err;
}

/* Descriptors that are not connections: the store's, ours, libzmq's own. */
enum { LOOP_FDS_RESERVED = 64 };

static uint32_t
loop_connections_max(uint32_t asked)
{
    struct rlimit limit = { 0 };
    rlim_t        most;

    /* A soft limit below the hard one is a default of the shell, not a wish. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    most = limit.rlim_cur > 2 * LOOP_FDS_RESERVED ? limit.rlim_cur - LOOP_FDS_RESERVED
                                                  : limit.rlim_cur / 2;
    return most < asked ? (uint32_t)most : asked;
}

static muster_err
loop_open_core(struct loop *loop, struct muster_error *error)
{
    struct store_config store = { .path = loop->config->dir,
                                  .cache_bytes = loop->config->cache_bytes,
                                  .free_bytes_min = loop->config->free_bytes_min };
    struct core_config  core = { .beat_ms = loop->config->lease_ms / BEATS_PER_LEASE,
                                 .lease_ms = loop->config->lease_ms,
                                 .session_ms = loop->config->session_ms,
                                 .history_jobs = loop->config->history_jobs,
                                 .jobs_per_user_max = loop->config->jobs_per_user,
                                 .sessions_max = loop->config->sessions_max,
                                 .polls_per_session_max = LOOP_POLLS_PER_SESSION_MAX,
                                 .software = MUSTER_VERSION };
    muster_err          err;

    if (loop->config->store == CONFIG_STORE_MEMORY)
        err = store_open_memory(&store, &loop->store, error);
    else
        err = store_open_sqlite(&store, &loop->store, error);
    if (err)
        return err;
    loop->core = core_new(&core);
    err = recover_core(loop->store, loop->core, error);
    if (err)
        return err;
    core_start(loop->core, clock_now_ms(), clock_unix_ms(), loop->gathering);
    return MUSTER_OK;
}

muster_err
loop_open(const struct config *config, struct loop **loop_out, struct muster_error *error)
{
    struct loop        *loop = base_alloc(sizeof(*loop));
    struct admit_config admit = { 0 };
    sigset_t            signals;
    muster_err          err;

    /* Before any thread exists, so that none of them takes our signals. */
    loop_signal_set(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    loop->config = config;
    loop->gathering = &loop->effects[0];
    loop->epoll_fd = -1;
    loop->signal_fd = -1;
    loop->started_ms = clock_now_ms();
    loop->connections_max = loop_connections_max(config->connections_max);
    err = loop_open_key(loop, error);
    if (!err)
        err = loop_open_core(loop, error);
    if (!err)
        err = loop_open_link(loop, error);
    if (err)
        goto out;
    admit.peers_max = loop->connections_max;
    loop->admit = admit_new(&admit);
    loop->outbox = outbox_new(loop->link, loop_slow, loop);
    loop->answer = answer_new(loop->store, loop->admit, loop->outbox);
    err = loop_watch_all(loop, error);
out:
    if (err)
        loop_close(loop);
    else
        *loop_out = loop;
    return err;
}

const char *
loop_endpoint(const struct loop *loop)
{
    return link_server_endpoint(loop->link);
}

void
loop_close(struct loop *loop)
{
    struct muster_error ignored = { 0 };
    void               *peer;
    size_t              cursor = 0;

    if (loop == NULL)
        return;
    answer_free(loop->answer);
    if (loop->outbox != NULL)
        outbox_free(loop->outbox);
    if (loop->link != NULL)
        link_server_close(loop->link);
    admit_free(loop->admit);
    core_free(loop->core);
    if (loop->store != NULL && store_close(loop->store, &ignored))
        log_error("closing the store: %s", ignored.detail);
    key_free(loop->key);
    while ((peer = map_next(&loop->peers, &cursor, NULL)) != NULL)
        free(peer);
    map_free(&loop->peers);
    effects_free(&loop->effects[0]);
    effects_free(&loop->effects[1]);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->signal_fd >= 0)
        close(loop->signal_fd);
    free(loop);
}
