/* keeper.c - one task at a time, and nothing of it escapes
 *
 *   idle --order--> running --leader exits--> sweep --> report --> idle
 *                     |  ^
 *      time limit,    v  | grace time over: SIGKILL
 *      kill order   ending
 *
 * SIGCHLD is blocked but for the moments spent in ppoll(), so an exit is never
 * missed between looking and waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "clock.h"
#include "keeper.h"
#include "scratch.h"
#include "tree.h"

enum {
    KEEPER_MEMORY_MS = 100,       /* how often the memory of a limited task is looked at */
    KEEPER_FD_SOCKET = 3,
    KEEPER_FD_OUT    = 4,
    KEEPER_FD_ERR    = 5,
    KEEPER_FD_NULL   = 6,
    KEEPER_FDS       = 7,
};

/* The task that runs. */
struct running {
    struct order      order;
    struct report     report;
    struct tree_usage usage;
    pid_t             pid;
    int               status;
    uint64_t          started_us, started_ms;
    uint64_t          kill_at_ms;         /* SIGKILL then; 0 = not ending */
    uint64_t          memory_at_ms;       /* look at its memory then; 0 = never */
    uint64_t          memory_kills;       /* of the cgroup, before it */
    bool              started_told, timed_out, over_memory;
};

static struct keeper  keeper_self;
static struct cgroup  keeper_cgroup;
static char           keeper_folder[PATH_MAX];
static char           keeper_strings[ORDER_INLINE_BYTES_MAX];

static void
keeper_tell(const struct report *report)
{
    ssize_t sent;

    do
        sent = send(KEEPER_FD_SOCKET, report, sizeof(*report), MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
}

static void
on_child(int number)
{
    (void)number;                 /* it only has to interrupt ppoll() */
}

/* Known numbers for our descriptors and nothing else open. */
static void
keeper_take_fds(const struct keeper *keeper)
{
    int high[4] = {
        fcntl(keeper->socket, F_DUPFD_CLOEXEC, 64),
        fcntl(keeper->out, F_DUPFD_CLOEXEC, 64),
        fcntl(keeper->err, F_DUPFD_CLOEXEC, 64),
        open("/dev/null", O_RDWR | O_CLOEXEC),
    };

    high[3] = fcntl(high[3], F_DUPFD_CLOEXEC, 64);
    for (int i = 0; i < 4; i++) {
        if (high[i] < 0 || dup3(high[i], KEEPER_FD_SOCKET + i, O_CLOEXEC) < 0)
            _exit(70);
    }
    close_range(KEEPER_FDS, ~0u, 0);
}

void
keeper_mask(sigset_t *mask)
{
    sigemptyset(mask);
    sigaddset(mask, SIGHUP);
    sigaddset(mask, SIGINT);
    sigaddset(mask, SIGTERM);
}

/* Default signals, so that exec has nothing to reset; what every task inherits
 * is set here once. */
static void
keeper_settle(const struct keeper *keeper)
{
    struct sigaction child = { .sa_handler = on_child };
    sigset_t         mask;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigaction(SIGCHLD, &child, NULL);
    keeper_mask(&mask);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    prctl(PR_SET_NAME, "muster-keeper");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper->nursery)
        _exit(0);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        _exit(70);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* ---- ending a task ---- */

static void
running_kill(struct running *running)
{
    cgroup_kill(&keeper_cgroup);
    kill(-running->pid, SIGKILL);
    running->kill_at_ms = 0;
}

static void
running_terminate(struct running *running, uint64_t now_ms)
{
    if (running->kill_at_ms != 0)
        return;
    kill(-running->pid, SIGTERM);
    kill(-running->pid, SIGCONT);         /* a stopped task could not listen */
    running->kill_at_ms = now_ms + running->order.grace_ms;
}

/* The loop is gone: take everything along. */
static void
keeper_leave(const struct running *running)
{
    struct tree_usage usage = { 0 };

    if (running != NULL) {
        cgroup_kill(&keeper_cgroup);
        kill(-running->pid, SIGKILL);
        tree_kill_all(&usage);
        scratch_remove(keeper_folder);
    }
    cgroup_close(&keeper_cgroup);
    _exit(0);
}

/* Everything below us belongs to the task whose leader is dead. */
static void
keeper_sweep(struct running *running)
{
    struct rusage used;
    pid_t         pid;

    while ((pid = wait4(-1, NULL, WNOHANG, &used)) > 0)
        tree_usage_add(&running->usage, &used);
    if (pid < 0 && errno == ECHILD)
        return;
    running_kill(running);
    tree_kill_all(&running->usage);
}

/* True when the leader is dead. */
static bool
running_reap(struct running *running)
{
    struct rusage used;
    int           status;
    pid_t         pid;

    while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
        tree_usage_add(&running->usage, &used);
        if (pid == running->pid) {
            running->status = status;
            return true;
        }
    }
    return false;
}

/* ---- watching over a task ---- */

static void
running_order(struct running *running)
{
    struct order order;
    ssize_t      got = recv(KEEPER_FD_SOCKET, &order, sizeof(order), MSG_DONTWAIT);

    if (got == 0)
        keeper_leave(running);
    if (got != sizeof(order) || order.kind != ORDER_KILL || order.task != running->order.task)
        return;
    if (order.hard)
        running_kill(running);
    else
        running_terminate(running, clock_now_ms());
}

static void
running_look_at_memory(struct running *running, uint64_t now_ms)
{
    running->memory_at_ms = now_ms + KEEPER_MEMORY_MS;
    if (tree_memory() <= running->order.mem_bytes)
        return;
    running->over_memory = true;
    running_kill(running);
}

/* What is due; returns the milliseconds until the next thing, -1 for never. */
static int
running_due(struct running *running, uint64_t now_ms)
{
    uint64_t limit_at_ms = running->started_ms + running->order.time_limit_ms;
    uint64_t next_ms = UINT64_MAX;

    if (!running->started_told && now_ms >= running->started_ms + KEEPER_STARTED_MS) {
        running->report.kind = REPORT_STARTED;
        keeper_tell(&running->report);
        running->started_told = true;
    }
    if (running->order.time_limit_ms > 0 && !running->timed_out && now_ms >= limit_at_ms) {
        running->timed_out = true;
        running_terminate(running, now_ms);
    }
    if (running->kill_at_ms != 0 && now_ms >= running->kill_at_ms)
        running_kill(running);
    if (running->memory_at_ms != 0 && now_ms >= running->memory_at_ms)
        running_look_at_memory(running, now_ms);

    if (!running->started_told)
        next_ms = running->started_ms + KEEPER_STARTED_MS;
    if (running->order.time_limit_ms > 0 && !running->timed_out && limit_at_ms < next_ms)
        next_ms = limit_at_ms;
    if (running->kill_at_ms != 0 && running->kill_at_ms < next_ms)
        next_ms = running->kill_at_ms;
    if (running->memory_at_ms != 0 && running->memory_at_ms < next_ms)
        next_ms = running->memory_at_ms;
    if (next_ms == UINT64_MAX)
        return -1;
    return next_ms - now_ms < INT32_MAX ? (int)(next_ms - now_ms) : INT32_MAX;
}

static void
running_watch(struct running *running)
{
    struct pollfd socket = { .fd = KEEPER_FD_SOCKET, .events = POLLIN };
    sigset_t      open;

    keeper_mask(&open);
    for (;;) {
        int             wait_ms = running_due(running, clock_now_ms());
        struct timespec wait = { wait_ms / 1000, wait_ms % 1000 * 1000000L };
        int             ready = ppoll(&socket, 1, wait_ms < 0 ? NULL : &wait, &open);

        if (ready < 0 && errno == EINTR) {
            if (running_reap(running))
                return;
        } else if (ready > 0) {
            running_order(running);
            if (running_reap(running))
                return;
        }
    }
}

/* ---- one task ---- */

static void
report_end(struct running *running)
{
    struct report *report = &running->report;
    int            status = running->status;
    uint64_t       limit = running->order.mem_bytes;
    bool           failed = status != 0;

    report->end = WIFSIGNALED(status) ? RUN_SIGNALED : RUN_EXITED;
    report->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    report->wall_us = clock_now_us() - running->started_us;
    report->cpu_us = running->usage.cpu_us;
    report->rss_bytes = running->usage.rss_bytes;
    if (running->timed_out)
        report->end = RUN_TIMED_OUT;
    /* The limits make an allocation fail; a task that failed with nearly all of
     * its memory in use failed for that. */
    if (limit > 0 && failed && !running->timed_out &&
        (running->over_memory || report->rss_bytes >= limit - limit / 8 ||
         cgroup_memory_kills(&keeper_cgroup) > running->memory_kills))
        report->end = RUN_MEMORY;
}

static void
report_not_started(struct report *report, uint32_t stage, int error)
{
    report->end = stage == STAGE_CWD || stage == STAGE_EXEC ? RUN_NOT_STARTED : RUN_FAULT;
    report->stage = stage;
    report->error = error;
}

static void
running_start(struct running *running, struct spawn *spawn)
{
    const struct order *order = &running->order;

    spawn->user = keeper_self.user;
    spawn->mem_bytes = order->mem_bytes;
    spawn->cgroup_fd = -1;
    if (order->mem_bytes > 0 && cgroup_limit(&keeper_cgroup, order->mem_bytes)) {
        spawn->cgroup_fd = keeper_cgroup.procs_fd;
        running->memory_kills = cgroup_memory_kills(&keeper_cgroup);
    }
    /* A task before this one may have made its end of the pipes non-blocking. */
    fcntl(KEEPER_FD_OUT, F_SETFL, 0);
    fcntl(KEEPER_FD_ERR, F_SETFL, 0);
    running->report.started_unix_ms = clock_unix_ms();
    running->started_us = clock_now_us();
    running->started_ms = running->started_us / 1000;
    running->pid = spawn_start(spawn);
}

static void
keeper_run(const struct order *order, struct spawn *spawn)
{
    struct running running = {
        .order = *order,
        .report = { .kind = REPORT_ENDED, .task = order->task },
    };
    int err = scratch_make(keeper_folder, keeper_self.user);

    if (err) {
        report_not_started(&running.report, STAGE_SCRATCH, err);
        keeper_tell(&running.report);
        return;
    }
    running_start(&running, spawn);
    if (running.pid < 0) {
        report_not_started(&running.report, spawn->stage, spawn->error);
    } else {
        running.report.pid = running.pid;
        if (order->mem_bytes > 0)
            running.memory_at_ms = running.started_ms + KEEPER_MEMORY_MS;
        running_watch(&running);
        keeper_sweep(&running);
        report_end(&running);
    }
    scratch_remove(keeper_folder);
    running.report.kind = REPORT_ENDED;
    keeper_tell(&running.report);
}

/* ---- orders ---- */

/* Cut `bytes` of strings into a vector of `count` and a NULL; returns what is left. */
static char *
cut_strings(char *at, const char *end, char **vector, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char *zero = at < end ? memchr(at, 0, (size_t)(end - at)) : NULL;

        if (zero == NULL)
            return NULL;
        vector[i] = at;
        at = zero + 1;
    }
    vector[count] = NULL;
    return at;
}

static void
keeper_obey(const struct order *order, char *strings, int stdin_fd)
{
    const char  *end = strings + order->string_bytes;
    char       **vector = calloc((size_t)order->argc + order->envc + 2, sizeof(*vector));
    char       **env = vector != NULL ? vector + order->argc + 1 : NULL;
    struct spawn spawn = {
        .fds = { stdin_fd >= 0 ? stdin_fd : KEEPER_FD_NULL, KEEPER_FD_OUT, KEEPER_FD_ERR },
    };
    char         *at = NULL;
    struct report report = { .kind = REPORT_ENDED, .task = order->task };

    if (vector != NULL)
        at = cut_strings(strings, end, vector, order->argc);
    if (at != NULL)
        at = cut_strings(at, end, env, order->envc);
    if (at == NULL || at >= end || end[-1] != 0 || order->argc == 0) {
        report_not_started(&report, STAGE_FORK, vector == NULL ? ENOMEM : EINVAL);
        keeper_tell(&report);
    } else {
        spawn.argv = vector;
        spawn.envp = env;
        spawn.cwd = order->cwd_is_scratch ? keeper_folder : at;
        keeper_run(order, &spawn);
    }
    free(vector);
}

static ssize_t
keeper_receive(struct order *order, int fds[2])
{
    union {
        char           bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec    parts[2] = { { order, sizeof(*order) },
                                 { keeper_strings, sizeof(keeper_strings) } };
    struct msghdr   message = { .msg_iov = parts, .msg_iovlen = 2,
                                .msg_control = control.bytes,
                                .msg_controllen = sizeof(control.bytes) };
    struct cmsghdr *head;
    ssize_t         got;

    fds[0] = fds[1] = -1;
    do
        got = recvmsg(KEEPER_FD_SOCKET, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got;
    head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return got;
}

static char *
strings_from(int fd, size_t bytes)
{
    char  *strings = bytes <= ORDER_STRINGS_BYTES_MAX ? malloc(bytes + 1) : NULL;
    size_t have = 0;

    while (strings != NULL && have < bytes) {
        ssize_t got = pread(fd, strings + have, bytes - have, (off_t)have);

        if (got <= 0) {
            free(strings);
            return NULL;
        }
        have += (size_t)got;
    }
    return strings;
}

static void
keeper_turn(void)
{
    struct order order;
    int          fds[2];
    ssize_t      got = keeper_receive(&order, fds);
    int          stdin_fd, strings_fd;

    if (got < (ssize_t)sizeof(order))
        keeper_leave(NULL);
    stdin_fd = order.stdin_passed ? fds[0] : -1;
    strings_fd = order.stdin_passed ? fds[1] : fds[0];
    if (order.kind == ORDER_RUN && order.strings_passed) {
        char         *strings = strings_from(strings_fd, order.string_bytes);
        struct report report = { .kind = REPORT_ENDED, .task = order.task };

        if (strings != NULL) {
            keeper_obey(&order, strings, stdin_fd);
        } else {
            report_not_started(&report, STAGE_FORK, ENOMEM);
            keeper_tell(&report);
        }
        free(strings);
    } else if (order.kind == ORDER_RUN && (size_t)got == sizeof(order) + order.string_bytes) {
        keeper_obey(&order, keeper_strings, stdin_fd);
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

void
keeper_main(const struct keeper *keeper)
{
    struct report ready = { .kind = REPORT_READY };

    keeper_self = *keeper;
    keeper_take_fds(keeper);
    keeper_settle(keeper);
    scratch_path(keeper_folder, keeper->scratch, keeper->slot);
    cgroup_open(&keeper_cgroup, keeper->cgroup, keeper->slot);
    ready.pid = getpid();
    keeper_tell(&ready);
    for (;;)
        keeper_turn();
}
