/* loop_open.c - start and stop of the loop */
#include "loop_parts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "recover.h"

enum {
    LOOP_FDS_RESERVED = 64,     /* not connections: the store's, ours, libzmq's own */
    LOOP_POLLS_PER_SESSION_MAX = 1024,
};

static void
loop_slow(void *context, uint64_t peer, bool slow)
{
    struct loop *loop = context;
    uint64_t     session = admit_peer_session(loop->admit, peer);

    if (session != 0)
        core_slow(loop->core, session, slow);
    loop->eased |= !slow;               /* more can be said to it now */
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

/* Tasks that go on over a restart of ours come back with their keys. */
static struct auth_lent *
loop_recovered_keys(const struct loop *loop, const struct auth_table *table)
{
    struct auth_lent *lent = auth_lent_new();

    for (uint32_t i = 0; i < loop->gathering->key_count; i++) {
        const struct effect_key *it = &loop->gathering->keys[i];

        auth_lent_add(lent, table, it->key, it->user, it->address);
    }
    return lent;
}

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
    config.lent = loop_recovered_keys(loop, table);
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
                                 .objects_max = loop->config->objects_max,
                                 .object_bytes_max = loop->config->object_bytes_max,
                                 .waits_per_session_max = WAITS_PER_SESSION_MAX,
                                 .answers_kept_max = ANSWERS_KEPT_MAX,
                                 .log_kept_bytes = loop->config->log_kept_bytes,
                                 .software = MUSTER_VERSION };
    muster_err          err;

    if (getrandom(core.seed, sizeof(core.seed), 0) != (ssize_t)sizeof(core.seed))
        return error_errno(error, MUSTER_ERR_INTERNAL, "getrandom");
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
    loop->tail = log_tail_open(LOOP_LOG_BYTES_MAX, 0);
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
    log_tail_close(loop->tail);
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
