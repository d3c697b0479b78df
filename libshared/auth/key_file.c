/* key_file.c - key files on disk, trusted only when nobody else could touch them
 *
 * 1. Every check is made on the open descriptor, never on the name again.
 * 2. Buffers that held key text are wiped on every path.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "keys.h"

static muster_err
check_safe(int fd, const char *path, struct muster_error *error)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return error_errno(error, MUSTER_ERR_IO, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(error, MUSTER_ERR_KEY_FILE, "%s is not a regular file", path);
    if (st.st_nlink != 1)
        return error_set(error, MUSTER_ERR_KEY_FILE, "%s has %ju links; it must have one name only",
                         path, (uintmax_t)st.st_nlink);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return error_set(error, MUSTER_ERR_KEY_FILE,
                         "%s belongs to user %ju; it must belong to root or to user %ju",
                         path, (uintmax_t)st.st_uid, (uintmax_t)geteuid());
    if ((st.st_mode & 077) != 0)
        return error_set(error, MUSTER_ERR_KEY_FILE,
                         "%s has mode %04o, open to others; `chmod 600` it, and make a new key if "
                         "others could read it", path, st.st_mode & 07777u);
    return MUSTER_OK;
}

muster_err
auth_open_safely(const char *path, int *fd_out, struct muster_error *error)
{
    /* NONBLOCK so that a FIFO in its place does not hang us; it changes nothing for files. */
    int        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    muster_err err;

    if (fd < 0 && errno == ELOOP)
        return error_set(error, MUSTER_ERR_KEY_FILE, "%s is a symbolic link", path);
    if (fd < 0 && (errno == ENXIO || errno == ENODEV))
        return error_set(error, MUSTER_ERR_KEY_FILE, "%s is not a regular file", path);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_errno(error, MUSTER_ERR_NOT_FOUND, "open %s", path);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open %s", path);

    err = check_safe(fd, path, error);
    if (err)
        close(fd);
    else
        *fd_out = fd;
    return err;
}

muster_err
key_file_load(const char *path, struct key **key_out, struct muster_error *error)
{
    char                text[KEY_TEXT_BYTES_MAX + 1];
    size_t              bytes = 0;
    struct muster_error why = { 0 };
    int                 fd;
    muster_err          err;

    assert(path != NULL);
    assert(key_out != NULL);

    err = auth_open_safely(path, &fd, error);
    if (err)
        return err;
    while (bytes < sizeof(text)) {
        ssize_t got = read(fd, text + bytes, sizeof(text) - bytes);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            err = error_errno(error, MUSTER_ERR_IO, "read %s", path);
            goto out;
        }
        if (got == 0)
            break;
        bytes += (size_t)got;
    }
    /* A file that is too long is parsed all the same, to say what it is instead. */
    err = key_text_parse(slice_of(text, bytes), key_out, &why);
    if (err)
        error_set(error, err, "%s: %s", path, why.detail);
out:
    sodium_memzero(text, sizeof(text));
    close(fd);
    return err;
}

/* A new name is durable only when its folder is. */
static muster_err
sync_folder(const char *path, struct muster_error *error)
{
    char       copy[PATH_MAX];
    muster_err err = MUSTER_OK;
    int        fd;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open the folder of %s", path);
    if (fsync(fd) != 0)
        err = error_errno(error, MUSTER_ERR_IO, "sync the folder of %s", path);
    close(fd);
    return err;
}

muster_err
key_file_save(const char *path, const struct key *key, struct muster_error *error)
{
    struct buffer text = { 0 };
    muster_err    err;
    int           fd;

    if (strlen(path) >= PATH_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "the path is longer than %d bytes", PATH_MAX);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return error_set(error, MUSTER_ERR_EXISTS, "%s", path);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "create %s", path);

    key_text_put(&text, key);
    err = file_write_fd(fd, buffer_slice(&text), error);
    if (!err && fchmod(fd, 0600) != 0)
        err = error_errno(error, MUSTER_ERR_IO, "set the mode of %s", path);
    if (!err && fsync(fd) != 0)
        err = error_errno(error, MUSTER_ERR_IO, "sync %s", path);
    if (!err)
        err = sync_folder(path, error);
    if (err)
        unlink(path);

    sodium_memzero(text.data, text.capacity);
    buffer_free(&text);
    close(fd);
    return err;
}
