/* files.c - see files.h */
#include "files.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parse.h"

#define READ_BYTES      65536
#define TREE_DEPTH_MAX  256
#define PID_BYTES_MAX   32

muster_err
file_read_fd(int fd, size_t bytes_max, struct buffer *out, struct muster_error *error)
{
    size_t before = out->bytes;

    for (;;) {
        size_t  used = out->bytes - before;
        size_t  room = bytes_max - used < READ_BYTES ? bytes_max - used + 1 : READ_BYTES;
        ssize_t got;

        buffer_reserve(out, room);
        got = read(fd, out->data + out->bytes, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            return MUSTER_OK;
        if (got < 0) {
            out->bytes = before;
            return error_errno(error, MUSTER_ERR_IO, "read");
        }
        if ((size_t)got > bytes_max - used) {
            out->bytes = before;
            return error_set(error, MUSTER_ERR_TOO_LARGE, "more than %zu bytes", bytes_max);
        }
        out->bytes += (size_t)got;
    }
}

muster_err
file_read(const char *path, size_t bytes_max, struct buffer *out, struct muster_error *error)
{
    struct muster_error reason = { 0 };
    muster_err          err;
    int                 fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO,
                           "open %s", path);
    err = file_read_fd(fd, bytes_max, out, &reason);
    if (err)
        error_set(error, err, "%s: %s", path, reason.detail);
    close(fd);
    return err;
}

muster_err
file_write_fd(int fd, struct slice bytes, struct muster_error *error)
{
    while (bytes.bytes > 0) {
        ssize_t done = write(fd, bytes.data, bytes.bytes);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_errno(error, MUSTER_ERR_IO, "write");
        bytes = slice_cut(bytes, (size_t)done, bytes.bytes);
    }
    return MUSTER_OK;
}

/* fsync the folder of `path`, so that a rename or a new name in it lasts. */
static muster_err
file_sync_folder(const char *path, struct muster_error *error)
{
    const char *slash = strrchr(path, '/');
    char       *folder = slash == NULL ? base_text_copy(slice_text("."))
                       : slash == path ? base_text_copy(slice_text("/"))
                       : base_text_copy(slice_of(path, (size_t)(slash - path)));
    muster_err  err = MUSTER_OK;
    int         fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "sync folder %s", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return err;
}

/* Fill the new file: contents, mode whatever the umask, on the disk. */
static muster_err
file_fill(int fd, const char *path, mode_t mode, struct slice bytes, struct muster_error *error)
{
    struct muster_error reason = { 0 };
    muster_err          err = file_write_fd(fd, bytes, &reason);

    if (err)
        return error_set(error, err, "%s: %s", path, reason.detail);
    if (fchmod(fd, mode) < 0)
        return error_errno(error, MUSTER_ERR_IO, "change the mode of %s", path);
    if (fsync(fd) < 0)
        return error_errno(error, MUSTER_ERR_IO, "sync %s", path);
    return MUSTER_OK;
}

muster_err
file_replace(const char *path, mode_t mode, struct slice bytes, struct muster_error *error)
{
    struct buffer name = { 0 };
    char         *temporary;
    muster_err    err;
    int           fd;

    /* mkostemp makes it 0600, so nobody reads a secret before its mode is set. */
    buffer_printf(&name, "%s.XXXXXX", path);
    buffer_text(&name);
    temporary = (char *)name.data;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "create a file beside %s", path);
        goto out;
    }
    err = file_fill(fd, path, mode, bytes, error);
    close(fd);
    if (!err && rename(temporary, path) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "rename to %s", path);
    if (err)
        unlink(temporary);
    else
        err = file_sync_folder(path, error);
out:
    buffer_free(&name);
    return err;
}

static int file_remove_below(int folder, unsigned depth);

/* Remove one entry of `folder`; returns 0 or -1 with errno set. */
static int
file_remove_entry(int folder, const char *name, unsigned depth)
{
    int fd;
    int failed;

    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    failed = file_remove_below(fd, depth);
    if (failed)
        return failed;
    return unlinkat(folder, name, AT_REMOVEDIR);
}

/* Remove everything below `folder`, which is closed on return. */
static int
file_remove_below(int folder, unsigned depth)
{
    DIR           *stream;
    struct dirent *entry;
    int            failed = 0;
    int            number;

    if (depth == TREE_DEPTH_MAX) {
        close(folder);
        errno = ELOOP;
        return -1;
    }
    stream = fdopendir(folder);
    if (stream == NULL) {
        close(folder);
        return -1;
    }
    while (!failed && (entry = readdir(stream)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            failed = file_remove_entry(dirfd(stream), entry->d_name, depth + 1);
    number = errno;
    closedir(stream);
    errno = number;
    return failed;
}

muster_err
file_remove_tree(const char *path, struct muster_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return error_errno(error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO,
                           "open folder %s", path);
    if (file_remove_below(fd, 0) < 0 || rmdir(path) < 0)
        return error_errno(error, MUSTER_ERR_IO, "remove folder %s", path);
    return MUSTER_OK;
}

/* The pid that a lock file names; 0 when its holder has not written it yet. */
static pid_t
file_lock_holder(int fd)
{
    char     text[PID_BYTES_MAX] = { 0 };
    ssize_t  got = pread(fd, text, sizeof(text) - 1, 0);
    uint64_t pid = 0;

    if (got > 0 && text[got - 1] == '\n')
        text[got - 1] = 0;
    if (!parse_u64(text, INT32_MAX, &pid))
        return 0;
    return (pid_t)pid;
}

muster_err
file_lock_instance(const char *path, int *fd_out, pid_t *holder_out, struct muster_error *error)
{
    char text[PID_BYTES_MAX];
    int  length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    int  fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open lock file %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        muster_err err;

        if (errno == EWOULDBLOCK) {
            pid_t holder = file_lock_holder(fd);

            if (holder_out != NULL)
                *holder_out = holder;
            err = error_set(error, MUSTER_ERR_EXISTS, "%s is held by process %ld", path,
                            (long)holder);
        } else {
            err = error_errno(error, MUSTER_ERR_IO, "lock %s", path);
        }
        close(fd);
        return err;
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length) {
        muster_err err = error_errno(error, MUSTER_ERR_IO, "write lock file %s", path);

        close(fd);
        return err;
    }
    *fd_out = fd;
    return MUSTER_OK;
}
