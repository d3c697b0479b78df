/* loop.c - the worker's loop: link, agent, slots, signals and time
 *
 * 1. Every turn begins with agent_tick(): what time did comes before what the
 *    events of this turn say (see agent.h, 1.).
 * 2. All that is ready is read before the agent starts anything, and all that
 *    it says in a turn leaves in as few frames as it fits.
 * 3. Actions are carried out in order; carrying one out may append others.
 */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop_parts.h"
#include "notify.h"

enum {
    LOOP_EVENTS_MAX   = 256,
    LOOP_FDS_PER_TASK = 4,        /* socket, two pipes, a file of output now and then */
    LOOP_FDS_OTHER    = 128,
    LOOP_BLOCKED_MS   = 5,        /* look again when the link took no more */
    LOOP_NOBODY_MS    = 3000,     /* say that nobody answers after so long */
    LOOP_HOLD_MS      = 8,        /* results wait so long for company, while leases wait too */
    LOOP_HOLD_MAX     = 64,       /* messages */
};

/* ---- what the epoll set knows ---- */

static void
loop_watch(struct loop *loop, int fd, uint32_t kind, uint32_t number)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)kind << 32 | number };

    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        log_error("epoll: %s", strerror(errno));
}

void
loop_watch_slot(void *context, int fd, uint32_t kind, uint32_t number)
{
    loop_watch(context, fd, WATCH_SLOTS + kind, number);
}

void
loop_watch_child(void *context, int fd, uint32_t number)
{
    loop_watch(context, fd, WATCH_CHILDREN, number);
}

/* ---- the link ---- */

muster_err
loop_connect(struct loop *loop, struct muster_error *error)
{
    struct link_client_config config = {
        .endpoint = loop->config->connect,
        .key = loop->key,
        .frame_bytes_max = FRAME_BYTES_MAX,
        .reconnect_ms_min = LOOP_RECONNECT_MS_MIN,
        .reconnect_ms_max = LOOP_RECONNECT_MS_MAX,
    };
    muster_err err = link_client_open(&config, &loop->link, error);

    if (err)
        return err;
    loop->connections = 0;
    loop->link_up = false;
    logs_reconnect(&loop->logs);
    loop_watch(loop, link_client_fd(loop->link), WATCH_FRAMES, 0);
    loop_watch(loop, link_client_state_fd(loop->link), WATCH_STATE, 0);
    return MUSTER_OK;
}

void
loop_disconnect(struct loop *loop)
{
    if (loop->link == NULL)
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, link_client_fd(loop->link), NULL);
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, link_client_state_fd(loop->link), NULL);
    link_client_close(loop->link);
    loop->link = NULL;
    outbox_clear(&loop->outbox);
}

static void
loop_link_up(struct loop *loop, uint64_t now_ms)
{
    loop->link_up = true;
    logs_reconnect(&loop->logs);
    outbox_clear(&loop->outbox);
    agent_link_up(loop->agent, now_ms, &loop->actions);
}

static void
loop_link_down(struct loop *loop, uint64_t now_ms, const char *why)
{
    if (!loop->link_up)
        return;
    loop->link_up = false;
    outbox_clear(&loop->outbox);
    log_warn("the manager is away (%s); going on and trying again", why);
    agent_link_down(loop->agent, now_ms, &loop->actions);
}

static void
loop_look_at_link(struct loop *loop, uint64_t now_ms)
{
    struct muster_error why = { 0 };
    uint64_t            connections = loop->connections;
    enum link_state     state = link_client_state(loop->link, &connections, &why);

    switch (state) {
    case LINK_CONNECTED:
        if (connections != loop->connections)
            loop_link_up(loop, now_ms);
        break;
    case LINK_LOST:
        loop_link_down(loop, now_ms, why.detail);
        break;
    case LINK_REFUSED:
        agent_refused(loop->agent, now_ms, MUSTER_ERR_AUTH, why.detail, &loop->actions);
        break;
    case LINK_WRONG_MANAGER:
        agent_refused(loop->agent, now_ms, MUSTER_ERR_WRONG_MANAGER, why.detail, &loop->actions);
        break;
    case LINK_CONNECTING:
        if (!loop->nobody_said && now_ms >= loop->opened_ms + LOOP_NOBODY_MS) {
            loop->nobody_said = true;
            log_warn("nobody answers at %s yet (%s); trying on", loop->config->connect,
                     why.detail);
        }
        break;
    }
    loop->connections = connections;
}

static void
loop_message(struct loop *loop, uint64_t now_ms, const struct wire_message *message)
{
    union wire_any m;
    muster_err     err = wire_decode_any(message->type, message->body, &m);

    if (err == MUSTER_ERR_UNSUPPORTED)
        return;                       /* a later manager says something new */
    if (err) {
        log_warn("the manager sent a message of type %u that cannot be read", message->type);
        return;
    }
    if (message->type == MSG_TYPE_BODY && stdin_piece(&loop->stdins, message->request, &m.body))
        return;
    if (message->type == MSG_TYPE_ERROR &&
        stdin_refused(&loop->stdins, message->request, error_from_number(m.error.code)) &&
        m.error.code != MUSTER_ERR_SESSION)
        return;
    if (outbox_answered(&loop->outbox, message->request) && message->type == MSG_TYPE_ACK)
        return;
    if (logs_answer(&loop->logs, now_ms, message->request, message->type, &m))
        return;
    agent_message(loop->agent, now_ms, message->request, message->type, &m, &loop->actions);
}

static void
loop_frames(struct loop *loop, uint64_t now_ms)
{
    struct slice frame;

    while (loop->link != NULL && link_client_receive(loop->link, &frame)) {
        struct wire_frame   open;
        struct wire_message message;
        muster_err          err = wire_frame_open(frame, &open);

        while (!err) {
            err = wire_frame_next(&open, &message);
            if (!err)
                loop_message(loop, now_ms, &message);
        }
        if (err != MUSTER_ERR_CLOSED)
            log_warn("the manager sent a frame that cannot be read");
    }
}

/* ---- other events ---- */

static void
loop_signal(struct loop *loop, uint64_t now_ms)
{
    struct signalfd_siginfo info;

    while (read(loop->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            continue;                 /* the nursery's socket tells */
        if (!loop->draining) {
            struct agent_counters counters;

            agent_count(loop->agent, &counters);
            log_info("told to end: %u tasks get up to %u s to finish; again to stop at once",
                     counters.running, loop->config->grace_ms / 1000);
            notify_stopping();
            loop->draining = true;
            agent_drain(loop->agent, now_ms, &loop->actions);
        } else {
            log_info("stopping at once");
            agent_stop(loop->agent, now_ms, &loop->actions);
        }
    }
}

static void
loop_lifeline(struct loop *loop, uint64_t now_ms)
{
    char    bytes[64];
    ssize_t got = read(loop->config->lifeline_fd, bytes, sizeof(bytes));

    if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN)))
        return;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->config->lifeline_fd, NULL);
    log_info("who started this worker is gone: stopping");
    loop->draining = true;
    agent_stop(loop->agent, now_ms, &loop->actions);
}

/* Keepers died with it, their tasks with them; what escaped fell to us.  The hatchery of
 * modules shares its fate: everything below us goes. */
static void
loop_nursery_died(struct loop *loop, uint64_t now_ms)
{
    log_error("the nursery or the modules' process was killed: its tasks go back%s",
              loop->draining ? "" : ", starting anew");
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->nursery->socket, NULL);
    if (loop->functions.hatchery >= 0)
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->functions.hatchery, NULL);
    nursery_after_death(loop->nursery, loop->scratch);
    loop->restart = true;
    functions_all_gone(&loop->functions);
    runner_all_gone(&loop->runner);
    agent_drain(loop->agent, now_ms, &loop->actions);
}

static void
loop_nursery(struct loop *loop, uint64_t now_ms)
{
    uint32_t slot;
    int      got;

    while ((got = nursery_receive(loop->nursery, &slot)) == 1)
        runner_gone(&loop->runner, slot);
    if (got < 0)
        loop_nursery_died(loop, now_ms);
}

/* With modules a new start brings a new one; a program that served its functions and
 * is gone does not come back. */
static void
loop_hatchery(struct loop *loop, uint64_t now_ms)
{
    if (loop->restart || functions_hatchery(&loop->functions, now_ms))
        return;
    if (loop->hatched->pid == 0) {
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, loop->functions.hatchery, NULL);
        functions_all_gone(&loop->functions);
        log_info("the program that serves the functions is gone: stopping");
        loop->draining = true;
        agent_stop(loop->agent, now_ms, &loop->actions);
    } else {
        loop_nursery_died(loop, now_ms);
    }
}

static void
loop_event(struct loop *loop, uint64_t now_ms, uint64_t tag)
{
    uint32_t kind = (uint32_t)(tag >> 32), number = (uint32_t)tag;

    switch (kind) {
    case WATCH_FRAMES:
    case WATCH_STATE:
        break;                        /* loop_look_at() was first */
    case WATCH_SIGNALS:
        loop_signal(loop, now_ms);
        break;
    case WATCH_LIFELINE:
        loop_lifeline(loop, now_ms);
        break;
    case WATCH_NURSERY:
        loop_nursery(loop, now_ms);
        break;
    case WATCH_HATCHERY:
        loop_hatchery(loop, now_ms);
        break;
    case WATCH_CHILDREN:
        functions_readable(&loop->functions, number, now_ms);
        break;
    default:
        runner_readable(&loop->runner, kind - WATCH_SLOTS, number);
        break;
    }
}

/* ---- turns ---- */

static int
loop_wait_ms(const struct loop *loop, uint64_t now_ms)
{
    uint64_t wake_ms = agent_wake_ms(loop->agent);
    uint64_t look_ms = functions_wake_ms(&loop->functions);

    if (look_ms < wake_ms)
        wake_ms = look_ms;
    if (loop->joined && logs_wake_ms(&loop->logs) < wake_ms)
        wake_ms = logs_wake_ms(&loop->logs);
    if (loop->outbox.blocked && now_ms + LOOP_BLOCKED_MS < wake_ms)
        wake_ms = now_ms + LOOP_BLOCKED_MS;
    if (loop->hold_until_ms != 0 && loop->hold_until_ms < wake_ms)
        wake_ms = loop->hold_until_ms;
    if (!loop->nobody_said && !loop->joined_said &&
        loop->opened_ms + LOOP_NOBODY_MS < wake_ms)
        wake_ms = loop->opened_ms + LOOP_NOBODY_MS;
    if (wake_ms <= now_ms)
        return 0;
    return wake_ms - now_ms < INT32_MAX ? (int)(wake_ms - now_ms) : INT32_MAX;
}

static bool
has_event(const struct epoll_event *events, int count, uint32_t kind)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 >> 32 == kind)
            return true;
    }
    return false;
}

/* The state of the link before its frames: those of a new connection come after
 * the old one's end.  Both cost system calls, so only when there is news. */
static void
loop_look_at(struct loop *loop, uint64_t now_ms, const struct epoll_event *events, int count)
{
    if (!loop->joined_said || has_event(events, count, WATCH_STATE))
        loop_look_at_link(loop, now_ms);
    if (has_event(events, count, WATCH_FRAMES))
        loop_frames(loop, now_ms);
}

/* With leases waiting here nobody waits for a single answer: a frame of several
 * results costs all sides less than several frames.  A lone result leaves at once. */
static bool
loop_holds_back(struct loop *loop, uint64_t now_ms)
{
    struct agent_counters counters;

    agent_count(loop->agent, &counters);
    if (counters.queued == 0 || loop->exiting || loop->outbox.blocked ||
        loop->outbox.messages == 0 || loop->outbox.messages >= LOOP_HOLD_MAX ||
        (loop->hold_until_ms != 0 && now_ms >= loop->hold_until_ms)) {
        loop->hold_until_ms = 0;
        return false;
    }
    if (loop->hold_until_ms == 0)
        loop->hold_until_ms = now_ms + LOOP_HOLD_MS;
    return true;
}

/* Behind everything else that this turn says. */
static void
loop_put_logs(struct loop *loop, uint64_t now_ms)
{
    if (!loop->joined || !loop->link_up || loop->outbox.blocked || loop->exiting ||
        !logs_waiting(&loop->logs, now_ms))
        return;
    buffer_clear(&loop->scratch_message);
    logs_put(&loop->logs, agent_request(loop->agent), &loop->scratch_message);
    outbox_add(&loop->outbox, buffer_slice(&loop->scratch_message));
}

static void
loop_turn(struct loop *loop)
{
    struct epoll_event events[LOOP_EVENTS_MAX];
    int                count;
    uint64_t           now_ms;

    if (loop->link != NULL)
        (void)link_client_fd(loop->link);       /* before every wait; see there */
    count = epoll_wait(loop->epoll, events, LOOP_EVENTS_MAX, loop_wait_ms(loop, clock_now_ms()));
    now_ms = clock_now_ms();
    agent_tick(loop->agent, now_ms, &loop->actions);
    loop_look_at(loop, now_ms, events, count);
    for (int i = 0; i < count; i++)
        loop_event(loop, now_ms, events[i].data.u64);
    /* What ended at once, or could not be started, is known only afterwards. */
    do {
        loop->again = false;
        agent_tick(loop->agent, now_ms, &loop->actions);
        loop_act(loop, now_ms);
        functions_turn(&loop->functions, now_ms);
    } while (loop->again && !loop->exiting);
    loop_put_logs(loop, now_ms);
    if (loop->link != NULL && !loop_holds_back(loop, now_ms))
        outbox_flush(&loop->outbox, loop->link, loop_read_kept, loop);
}

muster_err
loop_run(struct loop *loop, bool *restart_out, struct muster_error *error)
{
    notify_ready(-1);
    while (!loop->exiting)
        loop_turn(loop);
    *restart_out = loop->restart && !loop->draining;
    if (loop->exit_error.code)
        return error_set(error, loop->exit_error.code, "%s", loop->exit_error.detail);
    return MUSTER_OK;
}

/* ---- start and end ---- */

static uint32_t
running_max(void)
{
    struct rlimit files;
    uint64_t      max = 64;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
        max = files.rlim_cur > LOOP_FDS_OTHER ? files.rlim_cur - LOOP_FDS_OTHER : 0;
        max = max / LOOP_FDS_PER_TASK > 0 ? max / LOOP_FDS_PER_TASK : 1;
    }
    return max < RUNNING_PER_WORKER_MAX ? (uint32_t)max : RUNNING_PER_WORKER_MAX;
}

static muster_err
loop_open_fds(struct loop *loop, struct muster_error *error)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->signals = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (loop->epoll < 0 || loop->signals < 0)
        return error_errno(error, MUSTER_ERR_IO, "make the loop's descriptors");
    loop_watch(loop, loop->signals, WATCH_SIGNALS, 0);
    loop_watch(loop, loop->nursery->socket, WATCH_NURSERY, 0);
    if (loop->hatched->socket >= 0)
        loop_watch(loop, loop->hatched->socket, WATCH_HATCHERY, 0);
    if (loop->config->lifeline_fd >= 0)
        loop_watch(loop, loop->config->lifeline_fd, WATCH_LIFELINE, 0);
    return MUSTER_OK;
}

muster_err
loop_open(const struct loop_parts *parts, struct loop **loop_out, struct muster_error *error)
{
    struct loop *loop = base_alloc(sizeof(*loop));
    muster_err   err;

    loop->config = parts->config;
    loop->key = parts->key;
    loop->nursery = parts->nursery;
    loop->hatched = parts->hatched;
    loop->scratch = parts->scratch;
    loop->again_started = parts->again;
    loop->epoll = loop->signals = -1;
    loop->opened_ms = clock_now_ms();
    loop->running_max = running_max();
    outbox_init(&loop->outbox);
    logs_open(&loop->logs, LOGS_BYTES_MAX, clock_unix_ms() * 1000);
    err = loop_open_fds(loop, error);
    if (!err)
        err = loop_open_parts(loop, parts->user, error);
    if (!err)
        err = loop_connect(loop, error);
    if (err) {
        loop_close(loop);
        return err;
    }
    *loop_out = loop;
    return MUSTER_OK;
}

void
loop_close(struct loop *loop)
{
    if (loop == NULL)
        return;
    loop_disconnect(loop);
    functions_free(&loop->functions);
    runner_free(&loop->runner);
    task_keys_free(&loop->keys);
    stdin_free(&loop->stdins);
    agent_free(loop->agent);
    agent_actions_free(&loop->actions);
    outbox_free(&loop->outbox);
    spool_close(&loop->spool);
    logs_close(&loop->logs);
    buffer_free(&loop->scratch_message);
    free(loop->base_env);
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->signals >= 0)
        close(loop->signals);
    free(loop);
}
