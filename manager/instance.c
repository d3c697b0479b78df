/* instance.c - see instance.h */
#include "instance.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files.h"
#include "log.h"

/* The state directory holds keys: nobody else may look into it. */
static muster_err
instance_check_dir(const char *dir, struct muster_error *error)
{
    struct stat st;

    if (stat(dir, &st) < 0)
        return error_errno(error, MUSTER_ERR_NOT_FOUND, "%s (`muster key init %s` makes it)", dir,
                           dir);
    if (!S_ISDIR(st.st_mode))
        return error_set(error, MUSTER_ERR_INVALID, "%s is not a directory", dir);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(error, MUSTER_ERR_KEY_FILE, "%s belongs to uid %u, not to us", dir,
                         (unsigned)st.st_uid);
    if ((st.st_mode & 077) != 0)
        return error_set(error, MUSTER_ERR_KEY_FILE,
                         "%s is open to others (mode %03o): chmod 700 %s", dir,
                         (unsigned)(st.st_mode & 0777), dir);
    return MUSTER_OK;
}

/* Ask the holder to stop and wait until it has gone. */
static muster_err
instance_dismiss(pid_t holder, struct muster_error *error)
{
    struct pollfd gone = { .events = POLLIN };
    int           ready;

    gone.fd = (int)syscall(SYS_pidfd_open, holder, 0);
    if (gone.fd < 0)
        return errno == ESRCH ? MUSTER_OK
                              : error_errno(error, MUSTER_ERR_IO, "watch manager %d", (int)holder);
    log_info("asking manager %d to stop", (int)holder);
    if (kill(holder, SIGTERM) < 0 && errno != ESRCH) {
        close(gone.fd);
        return error_errno(error, MUSTER_ERR_IO, "stop manager %d", (int)holder);
    }
    do
        ready = poll(&gone, 1, INSTANCE_REPLACE_MS);
    while (ready < 0 && errno == EINTR);
    close(gone.fd);
    if (ready <= 0)
        return error_set(error, MUSTER_ERR_TIMEOUT, "manager %d did not stop within %d s",
                         (int)holder, INSTANCE_REPLACE_MS / 1000);
    return MUSTER_OK;
}

muster_err
instance_hold(const struct config *config, int *lock_fd_out, struct muster_error *error)
{
    char       path[4096];
    pid_t      holder = 0;
    muster_err err = instance_check_dir(config->dir, error);

    if (err)
        return err;
    if (snprintf(path, sizeof(path), "%s/manager.lock", config->dir) >= (int)sizeof(path))
        return error_set(error, MUSTER_ERR_INVALID, "--dir: the path is too long");

    err = file_lock_instance(path, lock_fd_out, &holder, error);
    if (err != MUSTER_ERR_EXISTS)
        return err;
    if (!config->replace)
        return error_set(error, MUSTER_ERR_EXISTS,
                         "manager %d holds %s already; --replace asks it to stop and takes over",
                         (int)holder, config->dir);
    err = instance_dismiss(holder, error);
    if (err)
        return err;
    return file_lock_instance(path, lock_fd_out, &holder, error);
}
