/* janitor.c - see janitor.h */
#include "janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "program.h"

enum { JANITOR_FD_IN = 3, JANITOR_FD_OUT = 4 };

/* Nothing of ours: no terminal, no descriptors, no signal of our process group. */
static void
janitor_detach(int in, int out)
{
    int null = open("/dev/null", O_RDWR);

    (void)setsid();
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(null, fd);
    (void)dup2(in, JANITOR_FD_IN);
    (void)dup2(out, JANITOR_FD_OUT);
    (void)close_range(JANITOR_FD_OUT + 1, ~0u, 0);
}

/* Make the folder, tell its name or errno, and wait for a word: none means
 * that whoever started us is dead. */
static _Noreturn void
janitor_run(char *template, int in, int out)
{
    struct muster_error ignored;
    sigset_t            all;
    size_t              bytes = strlen(template) + 1;
    char                word;
    int                 failed;

    sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    janitor_detach(in, out);
    failed = mkdtemp(template) == NULL ? errno : 0;
    if (write(JANITOR_FD_OUT, &failed, sizeof(failed)) == sizeof(failed) && !failed &&
        write(JANITOR_FD_OUT, template, bytes) == (ssize_t)bytes)
        (void)close(JANITOR_FD_OUT);
    if (!failed && read(JANITOR_FD_IN, &word, 1) != 1)
        (void)file_remove_tree(template, &ignored);
    _exit(0);
}

static ssize_t
read_all(int fd, void *out, size_t bytes)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t got = read(fd, (char *)out + done, bytes - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

muster_err
janitor_start(struct janitor *janitor, char *template, struct muster_error *error)
{
    size_t     bytes = strlen(template) + 1;
    int        down[2] = { -1, -1 };
    int        up[2] = { -1, -1 };
    int        failed = EIO;
    pid_t      pid = -1;
    muster_err err = program_pipe(down, error);

    if (!err)
        err = program_pipe(up, error);
    if (err)
        goto out;
    pid = fork();
    if (pid == 0)
        janitor_run(template, down[0], up[1]);
    close(up[1]);
    up[1] = -1;
    if (pid > 0 && read_all(up[0], &failed, sizeof(failed)) == sizeof(failed) && !failed &&
        read_all(up[0], template, bytes) != (ssize_t)bytes)
        failed = EIO;
    if (pid < 0 || failed) {
        errno = pid < 0 ? errno : failed;
        err = error_errno(error, MUSTER_ERR_IO, "cannot make a private folder %s", template);
        goto out;
    }
    *janitor = (struct janitor){ pid, { down[0], down[1] } };
    down[0] = down[1] = -1;
out:
    for (int i = 0; i < 2; i++) {
        if (down[i] >= 0)
            close(down[i]);
        if (up[i] >= 0)
            close(up[i]);
    }
    if (err && pid > 0)
        (void)waitpid(pid, NULL, 0);
    return err;
}

void
janitor_dismiss(struct janitor *janitor)
{
    if (janitor->pid == 0)
        return;
    while (write(janitor->pipe[1], "1", 1) < 0 && errno == EINTR)
        ;
    close(janitor->pipe[0]);
    close(janitor->pipe[1]);
    while (waitpid(janitor->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *janitor = (struct janitor){ 0 };
}
