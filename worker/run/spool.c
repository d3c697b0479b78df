/* spool.c - finished results on disk while the manager is away */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "map.h"
#include "spool.h"

enum {
    SPOOL_HEADER_BYTES = 84,      /* as header_put() writes it */
    SPOOL_RESULT_BYTES_MAX = 2 * OUTPUT_INLINE_BYTES_MAX + 8 * KIB,
    SPOOL_PIECE_BYTES = 128 * KIB,
};

#define SPOOL_MAGIC 0x3152545355554du     /* "MUUSTR1" */

struct header {
    uint64_t          manager, session, secret;
    struct wire_token token;
    uint32_t          result_bytes;
    uint32_t          extra[2];   /* bytes of kept output behind the result */
    uint32_t          inlined[2];
};

static void
header_put(struct buffer *out, const struct header *header, struct slice result)
{
    size_t begin = out->bytes;

    write_u64(out, SPOOL_MAGIC);
    write_u64(out, header->manager);
    write_u64(out, header->session);
    write_u64(out, header->secret);
    wire_put_token(out, &header->token);
    write_u32(out, header->result_bytes);
    for (int i = 0; i < 2; i++) {
        write_u32(out, header->extra[i]);
        write_u32(out, header->inlined[i]);
    }
    write_u64(out, map_hash(result) ^ map_hash(slice_of(out->data + begin, out->bytes - begin)));
}

/* Strict: magic, sizes, checksum over header and result. */
static bool
header_get(struct slice bytes, struct header *header_out, struct slice *result_out)
{
    struct reader in = reader_of(bytes);
    struct header header = { 0 };
    uint64_t      magic = read_u64(&in), sum;
    struct slice  result;

    header.manager = read_u64(&in);
    header.session = read_u64(&in);
    header.secret = read_u64(&in);
    if (!wire_get_token(&in, &header.token))
        return false;
    header.result_bytes = read_u32(&in);
    for (int i = 0; i < 2; i++) {
        header.extra[i] = read_u32(&in);
        header.inlined[i] = read_u32(&in);
    }
    sum = map_hash(slice_of(bytes.data, (size_t)(in.at - (const uint8_t *)bytes.data)));
    sum ^= read_u64(&in);
    if (in.bad || magic != SPOOL_MAGIC || header.result_bytes > SPOOL_RESULT_BYTES_MAX)
        return false;
    result = read_raw(&in, header.result_bytes);
    if (in.bad || map_hash(result) != sum)
        return false;
    *header_out = header;
    *result_out = result;
    return true;
}

/* ---- the folder ---- */

static bool
default_try(struct buffer *path, const char *root, const char *below, const char *name)
{
    if (root == NULL || root[0] != '/')
        return false;
    buffer_clear(path);
    buffer_printf(path, "%s%s", root, below);
    /* The parents of a state folder may not exist yet on a fresh machine. */
    buffer_text(path);
    for (char *at = strchr((char *)path->data + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = 0;
        mkdir((char *)path->data, 0755);
        *at = '/';
    }
    if (mkdir(buffer_text(path), 0700) < 0 && errno != EEXIST)
        return false;
    if (access(buffer_text(path), W_OK | X_OK) < 0)
        return false;
    buffer_printf(path, "/%s", name);
    return true;
}

void
spool_default(const char *worker_name, struct buffer *path_out)
{
    if (default_try(path_out, getenv("XDG_STATE_HOME"), "/muster-worker", worker_name))
        return;
    if (geteuid() == 0 && default_try(path_out, "/var/lib", "/muster-worker", worker_name))
        return;
    if (default_try(path_out, getenv("HOME"), "/.local/state/muster-worker", worker_name))
        return;
    buffer_clear(path_out);
}

static muster_err
folder_check(const char *folder, struct muster_error *error)
{
    struct stat st;

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return error_errno(error, MUSTER_ERR_IO, "make the spool folder %s", folder);
    if (lstat(folder, &st) < 0)
        return error_errno(error, MUSTER_ERR_IO, "look at the spool folder %s", folder);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 0022))
        return error_set(error, MUSTER_ERR_IO, "the spool folder %s must be a folder of ours that "
                         "nobody else may write", folder);
    return MUSTER_OK;
}

muster_err
spool_open(struct spool *spool, const char *folder, pid_t *holder_out, struct muster_error *error)
{
    char       path[PATH_MAX];
    muster_err err = folder_check(folder, error);

    if (err)
        return err;
    snprintf(path, sizeof(path), "%s/lock", folder);
    *spool = (struct spool){ .lock = -1 };
    err = file_lock_instance(path, &spool->lock, holder_out, error);
    if (err == MUSTER_ERR_EXISTS)
        return error_set(error, err, "the worker with pid %ld uses the spool folder %s; choose "
                         "another --spool, or --replace it", (long)*holder_out, folder);
    if (err)
        return err;
    spool->folder = base_text_copy(slice_text(folder));
    return MUSTER_OK;
}

void
spool_close(struct spool *spool)
{
    if (spool->folder == NULL)
        return;
    close(spool->lock);
    free(spool->folder);
    *spool = (struct spool){ .lock = -1 };
}

static void
name_put(char path[static PATH_MAX], const struct spool *spool, uint64_t id, const char *ending)
{
    snprintf(path, PATH_MAX, "%s/%016" PRIx64 "%s", spool->folder, id, ending);
}

static muster_err
folder_sync(const struct spool *spool, struct muster_error *error)
{
    int        fd = open(spool->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    muster_err err = MUSTER_OK;

    if (fd < 0 || fsync(fd) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "sync the spool folder %s", spool->folder);
    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- writing ---- */

static muster_err
extra_write(int fd, const struct capture *capture, uint32_t from, uint32_t bytes,
            struct muster_error *error)
{
    struct buffer piece = { 0 };
    muster_err    err = MUSTER_OK;

    while (bytes > 0 && !err) {
        uint32_t now = bytes < SPOOL_PIECE_BYTES ? bytes : SPOOL_PIECE_BYTES;

        buffer_clear(&piece);
        if (!capture_read(capture, from, now, &piece))
            err = error_errno(error, MUSTER_ERR_IO, "read captured output");
        else
            err = file_write_fd(fd, buffer_slice(&piece), error);
        from += now;
        bytes -= now;
    }
    buffer_free(&piece);
    return err;
}

static muster_err
content_write(int fd, const struct header *header, struct slice result,
              const struct capture captures[2], struct muster_error *error)
{
    struct buffer head = { 0 };
    muster_err    err;

    header_put(&head, header, result);
    err = file_write_fd(fd, buffer_slice(&head), error);
    buffer_free(&head);
    if (!err)
        err = file_write_fd(fd, result, error);
    for (int i = 0; i < 2 && !err; i++) {
        if (header->extra[i] > 0)
            err = extra_write(fd, &captures[i], header->inlined[i], header->extra[i], error);
    }
    if (!err && fsync(fd) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "sync a spooled result");
    return err;
}

muster_err
spool_write(struct spool *spool, const struct spool_record *record,
            const struct capture captures[2], uint64_t *id_out, struct muster_error *error)
{
    struct header header = { .manager = record->manager, .session = record->session,
                             .secret = record->secret,
                             .token = record->token,
                             .result_bytes = (uint32_t)record->result.bytes };
    struct wire_result result;
    char          work[PATH_MAX], final[PATH_MAX];
    uint64_t      id = spool->last + 1;
    muster_err    err = wire_decode_item_result(record->result, &result);
    int           fd;

    if (err)
        return error_set(error, err, "a result that cannot be read back");
    header.inlined[0] = (uint32_t)result.out.bytes;
    header.inlined[1] = (uint32_t)result.err.bytes;
    if (captures != NULL) {
        header.extra[0] = result.out_kept - header.inlined[0];
        header.extra[1] = result.err_kept - header.inlined[1];
    }
    name_put(work, spool, id, ".partial");
    name_put(final, spool, id, ".result");
    fd = open(work, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "make %s", work);
    err = content_write(fd, &header, record->result, captures, error);
    close(fd);
    if (!err && rename(work, final) < 0)
        err = error_errno(error, MUSTER_ERR_IO, "rename %s", work);
    if (!err)
        err = folder_sync(spool, error);
    if (err) {
        unlink(work);
        return err;
    }
    spool->last = id;
    *id_out = id;
    return MUSTER_OK;
}

void
spool_remove(const struct spool *spool, uint64_t id)
{
    char path[PATH_MAX];

    name_put(path, spool, id, ".result");
    if (unlink(path) < 0 && errno != ENOENT)
        log_warn("cannot remove %s: %s", path, strerror(errno));
}

/* ---- reading ---- */

static muster_err
file_open(const struct spool *spool, uint64_t id, struct buffer *head, struct header *header_out,
          struct slice *result_out, int *fd_out, struct muster_error *error)
{
    char        path[PATH_MAX];
    struct stat st;
    ssize_t     got;
    int         fd;

    name_put(path, spool, id, ".result");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open %s", path);
    buffer_clear(head);
    got = pread(fd, buffer_extend(head, SPOOL_HEADER_BYTES + SPOOL_RESULT_BYTES_MAX),
                SPOOL_HEADER_BYTES + SPOOL_RESULT_BYTES_MAX, 0);
    if (got < 0 || fstat(fd, &st) < 0 ||
        !header_get(slice_of(head->data, (size_t)got), header_out, result_out) ||
        (uint64_t)st.st_size != (uint64_t)((const uint8_t *)result_out->data - head->data) +
                                    header_out->result_bytes + header_out->extra[0] +
                                    header_out->extra[1]) {
        close(fd);
        return error_set(error, MUSTER_ERR_INVALID, "%s is damaged", path);
    }
    *fd_out = fd;
    return MUSTER_OK;
}

muster_err
spool_read(const struct spool *spool, uint64_t id, unsigned stream, uint32_t offset,
           uint32_t bytes, struct buffer *out, struct muster_error *error)
{
    struct buffer head = { 0 };
    struct header header;
    struct slice  result;
    int           fd = -1;
    muster_err    err = file_open(spool, id, &head, &header, &result, &fd, error);
    uint64_t      at;

    if (err)
        goto out;
    at = (uint64_t)((const uint8_t *)result.data - head.data) + result.bytes;
    if (stream == 1)
        at += header.extra[0];
    if (offset < header.inlined[stream] ||
        offset - header.inlined[stream] + bytes > header.extra[stream]) {
        err = error_set(error, MUSTER_ERR_INVALID, "no such part of a spooled output");
        goto out;
    }
    at += offset - header.inlined[stream];
    if (pread(fd, buffer_extend(out, bytes), bytes, (off_t)at) != (ssize_t)bytes)
        err = error_errno(error, MUSTER_ERR_IO, "read a spooled output");
out:
    if (fd >= 0)
        close(fd);
    buffer_free(&head);
    return err;
}

static int
compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

/* Ids of the complete files in order; what was left unfinished is removed. */
static muster_err
folder_list(struct spool *spool, struct buffer *ids, struct muster_error *error)
{
    DIR           *folder = opendir(spool->folder);
    struct dirent *entry;

    if (folder == NULL)
        return error_errno(error, MUSTER_ERR_IO, "read the spool folder %s", spool->folder);
    while ((entry = readdir(folder)) != NULL) {
        char    *end;
        uint64_t id = strtoull(entry->d_name, &end, 16);

        if (end != entry->d_name + 16)
            continue;
        if (strcmp(end, ".partial") == 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
        if (id > spool->last)
            spool->last = id;
        if (strcmp(end, ".result") == 0)
            buffer_append(ids, &id, sizeof(id));
    }
    closedir(folder);
    if (ids->bytes > 0)
        qsort(ids->data, ids->bytes / sizeof(uint64_t), sizeof(uint64_t), compare_ids);
    return MUSTER_OK;
}

static void
set_aside(const struct spool *spool, uint64_t id, const char *why)
{
    char from[PATH_MAX], to[PATH_MAX];

    name_put(from, spool, id, ".result");
    name_put(to, spool, id, ".damaged");
    log_warn("%s; set aside as %s", why, to);
    if (rename(from, to) < 0)
        log_warn("cannot rename %s: %s", from, strerror(errno));
}

muster_err
spool_load(struct spool *spool, spool_load_fn *each, void *context, struct muster_error *error)
{
    struct buffer ids = { 0 }, head = { 0 };
    muster_err    err = folder_list(spool, &ids, error);

    for (size_t at = 0; !err && at < ids.bytes; at += sizeof(uint64_t)) {
        struct muster_error  why;
        struct header        header;
        struct slice         result;
        struct wire_result   decoded;
        struct spool_record  record;
        uint64_t             id;
        int                  fd;

        memcpy(&id, ids.data + at, sizeof(id));
        if (file_open(spool, id, &head, &header, &result, &fd, &why)) {
            set_aside(spool, id, why.detail);
            continue;
        }
        close(fd);
        if (wire_decode_item_result(result, &decoded)) {
            set_aside(spool, id, "a spooled result cannot be read");
            continue;
        }
        record = (struct spool_record){ header.manager, header.session, header.secret,
                                        header.token, result };
        each(context, id, &record);
    }
    buffer_free(&ids);
    buffer_free(&head);
    return err;
}
