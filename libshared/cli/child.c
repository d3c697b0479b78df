/* child.c - see child.h */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "cli.h"

enum { CHILD_GRACE_MS = 5000 };

extern char **environ;

/* Its standard input as a file in memory, so that nobody has to stand by and write. */
static muster_err
child_input(const struct child_options *options, int *fd_out, struct muster_error *error)
{
    const uint8_t *data = options->input;
    int            fd = memfd_create("muster-item", MFD_CLOEXEC);

    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "make its standard input");
    for (size_t done = 0; done < options->input_bytes;) {
        ssize_t wrote = write(fd, data + done, options->input_bytes - done);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            (void)error_errno(error, MUSTER_ERR_IO, "write its standard input");
            close(fd);
            return error->code;
        }
        done += (size_t)wrote;
    }
    (void)lseek(fd, 0, SEEK_SET);
    *fd_out = fd;
    return MUSTER_OK;
}

/* Our environment with `add` in place of what has the same names; for free(). */
static char **
child_environment(const char *const *add)
{
    size_t count = 0, added = 0, at = 0;
    char **all;

    while (environ[count] != NULL)
        count++;
    while (add != NULL && add[added] != NULL)
        added++;
    all = base_array(count + added + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        bool replaced = false;

        for (size_t j = 0; j < added; j++)
            replaced = replaced ||
                       strncmp(environ[i], add[j], (size_t)(strchr(add[j], '=') - add[j]) + 1) == 0;
        if (!replaced)
            all[at++] = environ[i];
    }
    for (size_t j = 0; j < added; j++)
        all[at++] = (char *)(uintptr_t)add[j];
    return all;
}

static muster_err
child_errno(int number, const char *command, struct muster_error *error)
{
    errno = number;
    return error_errno(error,
                       number == ENOENT   ? MUSTER_ERR_NOT_FOUND
                       : number == EACCES ? MUSTER_ERR_DENIED
                                          : MUSTER_ERR_IO,
                       "%s", command);
}

int
child_tell(const char *what, const struct muster_error *error)
{
    bool unknown = error->code == MUSTER_ERR_NOT_FOUND;

    cli_say("%s: cannot run %s%s", what, error->detail,
            unknown ? ": is it installed on this machine, and in PATH?" : "");
    return unknown ? EXIT_NO_SUCH_COMMAND : EXIT_NOT_STARTABLE;
}

/* In the child, after fork() of a program with threads: only what is safe there. */
static void
child_become(const struct child_options *options, const struct child *child, char *const *env,
             int input, int told, pid_t parent)
{
    struct sigaction defaults = { .sa_handler = SIG_DFL }, before;
    sigset_t         none;
    ssize_t          written;
    int              number;

    /* What nohup ignores stays ignored; a closed pipe is ours alone. */
    for (int i = 1; i < NSIG; i++)
        if (i == SIGPIPE || (sigaction(i, NULL, &before) == 0 && before.sa_handler != SIG_IGN))
            (void)sigaction(i, &defaults, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (child->group)
        (void)setpgid(0, 0);
    if (input >= 0)
        (void)dup2(input, STDIN_FILENO);
    /* Whoever was killed holds no lock and no item: what it ran must not go on. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_NOT_STARTABLE);
    execvpe(options->args[0], options->args, env);
    number = errno;
    written = write(told, &number, sizeof(number));
    (void)written;
    _exit(EXIT_NOT_STARTABLE);
}

/* 0, or the errno of its exec. */
static int
child_fork(const struct child_options *options, struct child *child, char *const *env, int input)
{
    pid_t   parent = getpid();
    int     pipes[2], number = 0;
    ssize_t got;

    if (pipe2(pipes, O_CLOEXEC) != 0)
        return errno;
    child->pid = fork();
    if (child->pid == 0)
        child_become(options, child, env, input, pipes[1], parent);
    if (child->pid < 0)
        number = errno;
    close(pipes[1]);
    do
        got = child->pid > 0 ? read(pipes[0], &number, sizeof(number)) : 0;
    while (got < 0 && errno == EINTR);
    close(pipes[0]);
    if (number != 0 && child->pid > 0)
        (void)waitpid(child->pid, NULL, 0);
    return number;
}

muster_err
child_start(const struct child_options *options, struct child *child_out,
            struct muster_error *error)
{
    struct child child = { .group = isatty(STDIN_FILENO) == 0 };
    char       **env;
    muster_err   err;
    int          input = -1, failed;

    if (options->input != NULL) {
        err = child_input(options, &input, error);
        if (err)
            return err;
    }
    env = child_environment(options->env);
    failed = child_fork(options, &child, env, input);
    free(env);
    if (input >= 0)
        close(input);
    if (failed != 0)
        return child_errno(failed, options->args[0], error);
    child.pidfd = pidfd_open(child.pid, 0);
    if (child.pidfd < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "watch %s", options->args[0]);
        (void)kill(child.pid, SIGKILL);
        (void)waitpid(child.pid, NULL, 0);
        return err;
    }
    *child_out = child;
    return MUSTER_OK;
}

static bool
child_reap(struct child *child, int *status_out)
{
    int status;

    if (waitpid(child->pid, &status, WNOHANG) != child->pid)
        return false;
    close(child->pidfd);
    *status_out = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

bool
child_wait(struct child *child, int other_fd, int timeout_ms, int *status_out)
{
    struct pollfd fds[2] = { { .fd = child->pidfd, .events = POLLIN },
                             { .fd = other_fd, .events = POLLIN } };

    (void)poll(fds, 2, timeout_ms);
    return child_reap(child, status_out);
}

static void
child_signal(const struct child *child, int number)
{
    (void)kill(child->group ? -child->pid : child->pid, number);
}

void
child_stop(struct child *child, int *status_out)
{
    child_signal(child, SIGTERM);
    if (child_wait(child, -1, CHILD_GRACE_MS, status_out))
        return;
    child_signal(child, SIGKILL);
    while (!child_wait(child, -1, -1, status_out))
        ;
}
