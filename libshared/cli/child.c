/* child.c - see child.h */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
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

/* The defaults of signals, which we ignore or catch; a group of its own away from a
 * terminal, where Ctrl-C reaches it by itself. */
static void
child_attributes(posix_spawnattr_t *attributes, bool group)
{
    sigset_t none, defaults;
    short    flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;

    sigemptyset(&none);
    sigfillset(&defaults);
    sigdelset(&defaults, SIGKILL);
    sigdelset(&defaults, SIGSTOP);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    if (group) {
        posix_spawnattr_setpgroup(attributes, 0);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    posix_spawnattr_setflags(attributes, flags);
}

muster_err
child_start(const struct child_options *options, struct child *child_out,
            struct muster_error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t          attributes;
    struct child               child = { .group = isatty(STDIN_FILENO) == 0 };
    char                     **env;
    muster_err                 err;
    int                        input = -1, failed;

    if (options->input != NULL) {
        err = child_input(options, &input, error);
        if (err)
            return err;
    }
    env = child_environment(options->env);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    child_attributes(&attributes, child.group);
    failed = posix_spawnp(&child.pid, options->args[0], &actions, &attributes, options->args, env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
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
