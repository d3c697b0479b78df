/* task_keys.c - see task_keys.h */
#include "task_keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"

struct task_key {
    struct key *key;
    char       *path;                  /* NULL: not written */
    dev_t       dev;                   /* of the file */
    ino_t       ino;
};

muster_err
task_keys_make(struct task_keys *keys, uint64_t task, const struct wire_token *token,
               uint8_t public_out[KEY_PUBLIC_BYTES], struct muster_error *error)
{
    struct task_key *made = base_alloc(sizeof(*made));
    char             name[AUTH_NAME_BYTES_MAX + 1];
    muster_err       err;

    assert(map_get(&keys->by_task, task) == NULL);
    snprintf(name, sizeof(name), "task-%llu.%u", (unsigned long long)token->job, token->index);
    err = key_make(AUTH_ROLE_CLIENT, name, key_manager_public(keys->worker), &made->key, error);
    if (err) {
        free(made);
        return err;
    }
    memcpy(public_out, key_public(made->key), KEY_PUBLIC_BYTES);
    map_put(&keys->by_task, task, made);
    return MUSTER_OK;
}

/* Not synced: it has no business on a disk, and is gone soon. */
static muster_err
key_write_fd(const struct task_keys *keys, struct task_key *made, int fd,
             struct muster_error *error)
{
    struct buffer text = { 0 };
    struct stat   st = { 0 };
    muster_err    err;

    key_text_put(&text, made->key);
    err = file_write_fd(fd, buffer_slice(&text), error);
    auth_wipe(text.data, text.capacity);
    buffer_free(&text);
    if (!err && (fstat(fd, &st) < 0 || fchmod(fd, 0600) < 0 ||
                 (keys->user->switches && fchown(fd, keys->user->uid, keys->user->gid) < 0)))
        err = error_errno(error, MUSTER_ERR_IO, "give a key file to the task's user");
    made->dev = st.st_dev;
    made->ino = st.st_ino;
    return err;
}

static muster_err
key_write(const struct task_keys *keys, struct task_key *made, const char *path,
          struct muster_error *error)
{
    muster_err err;
    int        fd;

    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(error, MUSTER_ERR_IO, "make room for %s", path);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "create %s", path);
    err = key_write_fd(keys, made, fd, error);
    close(fd);
    if (err)
        unlink(path);
    return err;
}

muster_err
task_keys_file(struct task_keys *keys, uint64_t task, const char **path_out,
               struct muster_error *error)
{
    struct task_key *made = map_get(&keys->by_task, task);
    struct buffer    path = { 0 };
    muster_err       err = MUSTER_OK;

    assert(made != NULL);
    if (made->path == NULL) {
        buffer_printf(&path, "%s/task-%llu.authkey", keys->scratch, (unsigned long long)task);
        err = key_write(keys, made, buffer_text(&path), error);
        if (!err)
            made->path = base_text_copy(buffer_slice(&path));
        buffer_free(&path);
    }
    if (!err)
        *path_out = made->path;
    return err;
}

/* Zeros over it, if it is still the file that was written: a task with our user could
 * have put another in its place. */
static void
key_wipe(const struct task_key *made)
{
    static const char zeros[KEY_TEXT_BYTES_MAX];
    struct stat       st;
    int               fd = open(made->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == made->dev &&
        st.st_ino == made->ino && pwrite(fd, zeros, sizeof(zeros), 0) != sizeof(zeros))
        log_warn("the key file of a task could not be wiped");
    if (fd >= 0)
        close(fd);
    if (unlink(made->path) < 0 && errno != ENOENT)
        log_warn("the key file of a task stays: %s", made->path);
}

static void
key_end(struct task_key *made)
{
    if (made->path != NULL)
        key_wipe(made);
    free(made->path);
    key_free(made->key);
    free(made);
}

void
task_keys_forget(struct task_keys *keys, uint64_t task)
{
    struct task_key *made = keys->by_task.count > 0 ? map_remove(&keys->by_task, task) : NULL;

    if (made != NULL)
        key_end(made);
}

void
task_keys_free(struct task_keys *keys)
{
    struct task_key *made;
    size_t           cursor = 0;

    while ((made = map_next(&keys->by_task, &cursor, NULL)) != NULL)
        key_end(made);
    map_free(&keys->by_task);
}
