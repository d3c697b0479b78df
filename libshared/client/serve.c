/* serve.c - a program that serves functions of its own
 *
 *   program --lifeline--> muster-worker --hatch.h--> copy of the program --> children
 *
 * 1. The copy that makes the children is forked before the worker is started, so that it
 *    holds none of its descriptors; it ends when the worker's end of the socket closes.
 * 2. The worker ends when our end of its lifeline closes, however we end.
 */
#include <muster/serve.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hatchery.h"
#include "program.h"

enum {
    SERVE_ARGS_MAX    = 64,
    SERVE_FD_MIN      = 16,       /* ours lie above those that the worker gets */
    SERVE_FUNCTIONS   = 4,        /* descriptors of the worker, besides PROGRAM_LIFELINE_FD */
    SERVE_EXIT_BY     = 128,      /* what shells say of a program that a signal ended */
};

struct serving {
    struct function_table table;
    const char           *argv[SERVE_ARGS_MAX + 1];
    size_t                argc;
    char                  cpus[16], per_child[16];
    char                 *path;
    sigset_t              old_mask;
    int                   signals;
    int                   sockets[2];    /* worker's end, hatchery's end */
    int                   lifeline[2];
    pid_t                 hatchery, worker;
};

/* ---- what is served ---- */

static muster_err
serving_table(struct serving *serving, const struct muster_serve_options *options,
              const struct muster_served_function *functions, size_t count,
              struct muster_error *error)
{
    const struct function_entry hooks[] = {
        { "child_start", options->child_start, MUSTER_KIND_START, 0 },
        { "child_end", options->child_end, MUSTER_KIND_END, 0 },
    };
    muster_err err = MUSTER_OK;

    if (count == 0)
        return error_set(error, MUSTER_ERR_INVALID, "there is no function to serve");
    for (size_t i = 0; i < count && !err; i++) {
        struct function_entry entry = { functions[i].name, functions[i].run,
                                        MUSTER_KIND_FUNCTION, 0 };

        err = function_table_add(&serving->table, &entry, error);
    }
    for (size_t i = 0; i < 2 && !err; i++) {
        if (hooks[i].run != NULL)
            err = function_table_add(&serving->table, &hooks[i], error);
    }
    serving->table.modules = 1;
    return err;
}

/* ---- the worker's arguments ---- */

static void
arg(struct serving *serving, const char *text)
{
    if (serving->argc < SERVE_ARGS_MAX)
        serving->argv[serving->argc++] = text;
}

static void
arg_value(struct serving *serving, const char *name, const char *value)
{
    if (value == NULL)
        return;
    arg(serving, name);
    arg(serving, value);
}

static muster_err
serving_args(struct serving *serving, const struct muster_serve_options *options,
             struct muster_error *error)
{
    static_assert(PROGRAM_LIFELINE_FD == 3 && SERVE_FUNCTIONS == 4, "as in the arguments below");

    arg(serving, "muster-worker");
    arg_value(serving, "--connect", options->address);
    arg_value(serving, "--authkey-file", options->authkey_file);
    arg_value(serving, "--name", options->name);
    snprintf(serving->cpus, sizeof(serving->cpus), "%u", options->cpus);
    arg_value(serving, "--cpus", options->cpus > 0 ? serving->cpus : NULL);
    snprintf(serving->per_child, sizeof(serving->per_child), "%u", options->calls_per_child);
    arg_value(serving, "--max-tasks-per-child",
              options->calls_per_child > 0 ? serving->per_child : NULL);
    arg_value(serving, "--lifeline-fd", "3");
    arg_value(serving, "--functions-fd", "4");
    for (const char *const *at = options->args; at != NULL && *at != NULL; at++)
        arg(serving, *at);
    if (serving->argc == SERVE_ARGS_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "more than %d arguments for muster-worker",
                         SERVE_ARGS_MAX);
    return MUSTER_OK;
}

/* ---- start ---- */

/* From now on SIGTERM and SIGINT wait for us. */
static muster_err
serving_signals(struct serving *serving, struct muster_error *error)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    pthread_sigmask(SIG_BLOCK, &mask, &serving->old_mask);
    serving->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (serving->signals < 0)
        return error_errno(error, MUSTER_ERR_IO, "cannot listen to signals");
    return MUSTER_OK;
}

static muster_err
serving_hatchery(struct serving *serving, struct muster_error *error)
{
    pid_t parent = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, serving->sockets) < 0)
        return error_errno(error, MUSTER_ERR_IO, "cannot make a socket");
    serving->hatchery = fork();
    if (serving->hatchery < 0)
        return error_errno(error, MUSTER_ERR_IO, "cannot fork");
    if (serving->hatchery == 0) {
        struct hatchery hatchery = { .socket = serving->sockets[1],
                                     .method = HATCHERY_FORKSERVER, .table = &serving->table,
                                     .worker = "", .program = -1 };

        close(serving->sockets[0]);
        close(serving->signals);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(0);
        hatchery_main(&hatchery);
    }
    close(serving->sockets[1]);
    serving->sockets[1] = -1;
    return MUSTER_OK;
}

/* 0 or an errno. */
static int
worker_spawn(struct serving *serving)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t          attributes;
    sigset_t                   none, all;
    int                        failed, functions;

    functions = fcntl(serving->sockets[0], F_DUPFD_CLOEXEC, SERVE_FD_MIN);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    failed = functions < 0 ? errno : 0;
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, 2, 1);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, serving->lifeline[0],
                                                  PROGRAM_LIFELINE_FD);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(&actions, functions, SERVE_FUNCTIONS);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(&actions, SERVE_FUNCTIONS + 1);
    if (!failed)
        failed = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID |
                                          POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnattr_setsigmask(&attributes, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!failed)
        failed = posix_spawn(&serving->worker, serving->path, &actions, &attributes,
                             (char *const *)(uintptr_t)serving->argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (functions >= 0)
        close(functions);
    if (failed)
        serving->worker = 0;
    return failed;
}

static muster_err
serving_worker(struct serving *serving, struct muster_error *error)
{
    muster_err err = program_pipe(serving->lifeline, error);

    if (err)
        return err;
    errno = worker_spawn(serving);
    if (errno != 0)
        return error_errno(error, MUSTER_ERR_IO, "cannot start %s", serving->path);
    close(serving->lifeline[0]);
    close(serving->sockets[0]);
    serving->lifeline[0] = serving->sockets[0] = -1;
    return MUSTER_OK;
}

/* ---- until it ends ---- */

static void
pass_signals(const struct serving *serving)
{
    struct signalfd_siginfo info;

    while (read(serving->signals, &info, sizeof(info)) == sizeof(info))
        kill(serving->worker, (int)info.ssi_signo);
}

/* What the worker's exit status says; the first error of the table that has it. */
static muster_err
worker_error(int status, struct muster_error *error)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : SERVE_EXIT_BY + WTERMSIG(status);
    int err = MUSTER_OK;

    while (err < MUSTER_ERR_COUNT && muster_err_exit_status((muster_err)err) != code)
        err++;
    if (err == MUSTER_OK)
        return MUSTER_OK;
    if (err == MUSTER_ERR_COUNT)
        err = MUSTER_ERR_IO;
    return error_set(error, (muster_err)err, "muster-worker ended with status %d; its last words "
                     "are on standard error", code);
}

static muster_err
serving_wait(struct serving *serving, struct muster_error *error)
{
    int           fd = pidfd_open(serving->worker, 0);
    struct pollfd fds[2] = { { .fd = serving->signals, .events = POLLIN },
                             { .fd = fd, .events = POLLIN } };
    int           status = 0;
    pid_t         reaped = 0;

    while (reaped == 0) {
        /* Without a pidfd (an old kernel) look now and then. */
        (void)poll(fds, 2, fd >= 0 ? -1 : 50);
        pass_signals(serving);
        reaped = waitpid(serving->worker, &status, WNOHANG);
        if (reaped < 0 && errno == EINTR)
            reaped = 0;
    }
    if (fd >= 0)
        close(fd);
    serving->worker = 0;
    /* Who ignores SIGCHLD has no children to ask. */
    return reaped < 0 ? MUSTER_OK : worker_error(status, error);
}

static void
close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void
serving_end(struct serving *serving)
{
    for (int i = 0; i < 2; i++) {
        close_fd(serving->lifeline[i]);
        close_fd(serving->sockets[i]);
    }
    while (serving->hatchery > 0 && waitpid(serving->hatchery, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (serving->signals >= 0) {
        close(serving->signals);
        pthread_sigmask(SIG_SETMASK, &serving->old_mask, NULL);
    }
    function_table_free(&serving->table);
    free(serving->path);
}

muster_err
muster_worker_serve(const struct muster_serve_options *options,
                    const struct muster_served_function *functions, size_t count,
                    struct muster_error *error)
{
    static const struct muster_serve_options none;
    struct serving serving = { .signals = -1, .sockets = { -1, -1 }, .lifeline = { -1, -1 } };
    muster_err     err;

    if (options == NULL)
        options = &none;
    err = serving_table(&serving, options, functions, count, error);
    if (!err)
        err = serving_args(&serving, options, error);
    if (!err)
        err = program_find("muster-worker", &serving.path, error);
    if (!err)
        err = serving_signals(&serving, error);
    if (!err)
        err = serving_hatchery(&serving, error);
    if (!err)
        err = serving_worker(&serving, error);
    if (!err)
        err = serving_wait(&serving, error);
    serving_end(&serving);
    return err;
}
