/* spool.c - see spool.h
 *
 * 1. What is in `pending` (bytes and ends) lies behind what the files hold.
 * 2. `lock` guards everything but the file descriptors, which never change.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

enum { SPOOL_PENDING_BYTES = 64 * 1024, SPOOL_PATH_BYTES = 4096 };

struct spool_file {
    int           fd;
    uint64_t      written;       /* bytes in the file */
    struct buffer pending;
};

struct spool {
    pthread_mutex_t   lock;
    struct spool_file bytes;
    struct spool_file ends;      /* uint64_t each */
    uint32_t          count;
};

static int
spool_temporary(void)
{
    const char *folder = getenv("TMPDIR");
    char        path[SPOOL_PATH_BYTES];
    int         fd;

    if (folder == NULL || folder[0] == '\0')
        folder = "/tmp";
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    /* Some file systems cannot make a file without a name. */
    snprintf(path, sizeof(path), "%s/muster-XXXXXX", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

muster_err
spool_open(struct spool **spool_out, struct muster_error *error)
{
    struct spool *spool = base_alloc(sizeof(*spool));
    muster_err    err;

    pthread_mutex_init(&spool->lock, NULL);
    spool->bytes.fd = spool_temporary();
    spool->ends.fd = spool->bytes.fd < 0 ? -1 : spool_temporary();
    if (spool->ends.fd < 0) {
        err = error_errno(error, MUSTER_ERR_IO, "make a temporary file in TMPDIR");
        spool_close(spool);
        return err;
    }
    *spool_out = spool;
    return MUSTER_OK;
}

void
spool_close(struct spool *spool)
{
    if (spool == NULL)
        return;
    if (spool->bytes.fd >= 0)
        close(spool->bytes.fd);
    if (spool->ends.fd >= 0)
        close(spool->ends.fd);
    buffer_free(&spool->bytes.pending);
    buffer_free(&spool->ends.pending);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}

static muster_err
spool_file_add(struct spool_file *file, const void *data, size_t bytes, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    buffer_append(&file->pending, data, bytes);
    if (file->pending.bytes < SPOOL_PENDING_BYTES)
        return MUSTER_OK;
    err = file_write_fd(file->fd, buffer_slice(&file->pending), error);
    file->written += file->pending.bytes;
    buffer_clear(&file->pending);
    return err;
}

/* A range lies in the file, in `pending`, or across both. */
static muster_err
spool_file_get(const struct spool_file *file, uint64_t at, size_t bytes, uint8_t *out,
               struct muster_error *error)
{
    while (bytes > 0 && at < file->written) {
        size_t  part = file->written - at < bytes ? (size_t)(file->written - at) : bytes;
        ssize_t got = pread(file->fd, out, part, (off_t)at);

        if (got <= 0)
            return error_errno(error, MUSTER_ERR_IO, "read a temporary file");
        at += (uint64_t)got;
        out += got;
        bytes -= (size_t)got;
    }
    if (bytes > 0)
        memcpy(out, file->pending.data + (at - file->written), bytes);
    return MUSTER_OK;
}

muster_err
spool_add(struct spool *spool, struct slice item, struct muster_error *error)
{
    uint64_t   end;
    muster_err err;

    pthread_mutex_lock(&spool->lock);
    err = spool_file_add(&spool->bytes, item.data, item.bytes, error);
    end = spool->bytes.written + spool->bytes.pending.bytes;
    if (!err)
        err = spool_file_add(&spool->ends, &end, sizeof(end), error);
    if (!err)
        spool->count++;
    pthread_mutex_unlock(&spool->lock);
    return err;
}

muster_err
spool_get(struct spool *spool, uint32_t index, struct buffer *out, struct muster_error *error)
{
    uint64_t   from = 0;
    uint64_t   end = 0;
    muster_err err = MUSTER_OK;

    pthread_mutex_lock(&spool->lock);
    if (index >= spool->count)
        err = error_set(error, MUSTER_ERR_NOT_FOUND, "input %u", index + 1);
    if (!err && index > 0)
        err = spool_file_get(&spool->ends, (index - 1) * (uint64_t)sizeof(from), sizeof(from),
                             (uint8_t *)&from, error);
    if (!err)
        err = spool_file_get(&spool->ends, index * (uint64_t)sizeof(end), sizeof(end),
                             (uint8_t *)&end, error);
    if (!err && end > from)
        err = spool_file_get(&spool->bytes, from, (size_t)(end - from),
                             buffer_extend(out, (size_t)(end - from)), error);
    pthread_mutex_unlock(&spool->lock);
    return err;
}
