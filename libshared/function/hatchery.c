/* hatchery.c - see hatchery.h */
#include "hatchery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hatch.h"
#include "module.h"
#include "serve.h"
#include "tree.h"

enum {
    HATCHERY_SWEEP_MS = 5,
    HATCHERY_FD       = 3,             /* the first one of a spawned child */
};

struct hatched {
    uint64_t number;
    pid_t    pid;                      /* 0: reaped, the rest of it is being swept */
    int32_t  status;
};

static struct {
    struct hatchery config;
    struct hatched *children;
    uint32_t        count, capacity, dead;
} self;

static void
on_child(int number)
{
    (void)number;                      /* it only has to interrupt ppoll() */
}

static void
say(enum hatch_kind kind, uint64_t child, int32_t number, const char *text)
{
    struct hatch message = { kind, child, number, slice_text(text) };

    hatch_send(self.config.socket, 0, &message, NULL);
}

static void __attribute__((noreturn))
refuse(const char *text)
{
    say(HATCH_REFUSED, 0, 0, text);
    _exit(0);
}

/* ---- children ---- */

/* Like the tasks of a keeper: a session of its own, no new privileges, no core files. */
static void
child_settle(pid_t hatchery)
{
    sigset_t none;

    signal(SIGCHLD, SIG_DFL);
    setsid();
    prctl(PR_SET_NAME, "muster-function");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != hatchery)
        _exit(0);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    close(self.config.socket);
    if (self.config.method != HATCHERY_SPAWN && self.config.program >= 0)
        close(self.config.program);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn))
child_spawn(const int fds[HATCH_FDS])
{
    char *argv[MODULES_MAX + 3] = { (char *)(uintptr_t)"muster-worker",
                                    (char *)(uintptr_t)HATCHERY_CHILD_OPTION };
    int   high[HATCH_FDS];

    for (int i = 0; self.config.modules[i] != NULL; i++)
        argv[i + 2] = (char *)(uintptr_t)self.config.modules[i];
    for (int i = 0; i < HATCH_FDS; i++)
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
    for (int i = 0; i < HATCH_FDS; i++) {
        if (high[i] < 0 || dup2(high[i], HATCHERY_FD + i) < 0)
            _exit(71);
    }
    fexecve(self.config.program, argv, environ);
    _exit(71);
}

static void __attribute__((noreturn))
child_main(const int fds[HATCH_FDS], pid_t hatchery)
{
    struct serve_fds serve = { fds[0], fds[1], fds[2] };

    child_settle(hatchery);
    if (self.config.method == HATCHERY_SPAWN)
        child_spawn(fds);
    serve_calls(self.config.table, &serve, self.config.method == HATCHERY_FORKSERVER);
}

void
hatchery_spawned(char **modules)
{
    struct function_table table = { 0 };
    struct serve_fds      serve = { HATCHERY_FD, HATCHERY_FD + 1, HATCHERY_FD + 2 };
    struct muster_error   error;

    for (int i = 0; i < HATCH_FDS; i++)
        fcntl(HATCHERY_FD + i, F_SETFD, FD_CLOEXEC);
    for (; *modules != NULL; modules++) {
        if (module_load(*modules, &table, &error))
            serve_refuse(&serve, error.detail);
    }
    serve_calls(&table, &serve, true);
}

static void
child_make(uint64_t number, const int fds[HATCH_FDS])
{
    void *children = self.children;
    pid_t hatchery = getpid(), pid;

    base_grow(&children, &self.capacity, self.count + 1, sizeof(*self.children));
    self.children = children;
    pid = fork();
    if (pid == 0)
        child_main(fds, hatchery);
    if (pid < 0) {
        say(HATCH_GONE, number, 71, "");
        return;
    }
    self.children[self.count++] = (struct hatched){ number, pid, 0 };
    say(HATCH_MADE, number, (int32_t)pid, "");
}

static void
child_kill(uint64_t number, int signal)
{
    for (uint32_t i = 0; i < self.count; i++) {
        struct hatched *child = &self.children[i];

        if (child->number != number || child->pid == 0)
            continue;
        /* Its group, once it has made one; itself in any case. */
        kill(-child->pid, signal);
        kill(child->pid, signal);
        if (signal != SIGKILL)
            kill(-child->pid, SIGCONT);
    }
}

/* ---- children that end ---- */

static bool
is_child(void *context, pid_t pid)
{
    (void)context;
    for (uint32_t i = 0; i < self.count; i++) {
        if (self.children[i].pid == pid)
            return true;
    }
    return false;
}

static void
reap(void)
{
    int   status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (uint32_t i = 0; i < self.count; i++) {
            struct hatched *child = &self.children[i];

            if (child->pid != pid)
                continue;
            child->pid = 0;
            child->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
            self.dead++;
        }
    }
}

static void
sweep(void)
{
    if (self.dead == 0 || !tree_kill_others(is_child, NULL))
        return;
    for (uint32_t i = 0; i < self.count;) {
        if (self.children[i].pid != 0) {
            i++;
            continue;
        }
        say(HATCH_GONE, self.children[i].number, self.children[i].status, "");
        self.children[i] = self.children[--self.count];
        self.dead--;
    }
}

static void __attribute__((noreturn))
leave(void)
{
    struct tree_usage usage = { 0 };

    tree_kill_all(&usage);
    _exit(0);
}

/* ---- the process ---- */

static void
list_names(void)
{
    const struct function_table *table = self.config.table;

    for (uint32_t i = 0; i < table->count; i++) {
        if (table->entries[i].kind == MUSTER_KIND_FUNCTION)
            say(HATCH_NAME, 0, 0, table->entries[i].name);
    }
    say(HATCH_READY, (uint64_t)getpid(), HATCH_VERSION, "");
}

static void
obey(void)
{
    struct hatch message;
    int          fds[HATCH_FDS];
    int          got = hatch_receive(self.config.socket, MSG_DONTWAIT, &message, fds);

    if (got < 0)
        leave();
    if (got == 0)
        return;
    if (message.kind == HATCH_LIST) {
        list_names();
    } else if (message.kind == HATCH_MAKE) {
        child_make(message.child, fds);
        for (int i = 0; i < HATCH_FDS; i++)
            close(fds[i]);
    } else if (message.kind == HATCH_PING) {
        say(HATCH_PONG, 0, 0, "");
    } else if (message.kind == HATCH_KILL && message.number > 0 && message.number < NSIG) {
        child_kill(message.child, message.number);
    }
}

/* Constructors of modules run here; what was said last tells which one it died of. */
static void
load(void)
{
    struct function_table *table = self.config.table;
    struct muster_error    error;

    for (const char *const *at = self.config.modules; at != NULL && *at != NULL; at++) {
        say(HATCH_LOADING, 0, 0, *at);
        if (module_load(*at, table, &error))
            refuse(error.detail);
    }
    if (self.config.method == HATCHERY_FORK) {
        say(HATCH_LOADING, 0, 0, "the start hooks of the modules");
        if (serve_hooks(table, MUSTER_KIND_START, self.config.worker, &error))
            refuse(error.detail);
    }
}

static void
settle(void)
{
    struct sigaction child = { .sa_handler = on_child };
    int              null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    /* A terminal's Ctrl-C is for the worker, which decides what becomes of calls. */
    setsid();
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigaction(SIGCHLD, &child, NULL);
    dup2(null, 0);
    close(null);
    prctl(PR_SET_NAME, "muster-hatchery");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void
hatchery_main(const struct hatchery *hatchery)
{
    struct pollfd poll_socket = { .fd = hatchery->socket, .events = POLLIN };
    sigset_t      mask, open_mask;

    self.config = *hatchery;
    settle();
    /* Told to end are often all processes at once; we end when the worker has. */
    sigemptyset(&open_mask);
    sigaddset(&open_mask, SIGHUP);
    sigaddset(&open_mask, SIGINT);
    sigaddset(&open_mask, SIGTERM);
    mask = open_mask;
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    load();
    /* From here on the end of the socket tells that the worker is gone: killed at once we
     * could not kill what functions started, stopped neither. */
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    for (;;) {
        struct timespec soon = { .tv_nsec = HATCHERY_SWEEP_MS * 1000000 };

        reap();
        sweep();
        if (ppoll(&poll_socket, 1, self.dead > 0 ? &soon : NULL, &open_mask) > 0)
            obey();
    }
}
