/* table_file.c - adding and revoking lines of authorized_keys
 *
 * 1. The folder is locked (flock) while the file is read, changed and replaced,
 *    so that two writers never lose each other's line.
 * 2. The new text is parsed whole before it replaces the old one: this program
 *    never writes a file that the manager would refuse.
 * 3. Lines that are not meant stay as they are, byte for byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "files.h"
#include "keys.h"
#include "table.h"

static const char file_head[] =
    "# Who may connect to this manager; see authorized_keys in muster-key(1).\n"
    "# public key, role, name, options (queues= from= not-after= max-connections=)\n";

static muster_err
lock_folder(const char *path, int *fd_out, struct muster_error *error)
{
    char copy[PATH_MAX];
    int  fd;

    if (strlen(path) >= sizeof(copy))
        return error_set(error, MUSTER_ERR_INVALID, "the path is longer than %d bytes", PATH_MAX);
    memcpy(copy, path, strlen(path) + 1);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_errno(error, MUSTER_ERR_NOT_FOUND, "open the folder of %s", path);
    if (fd < 0)
        return error_errno(error, MUSTER_ERR_IO, "open the folder of %s", path);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        error_errno(error, MUSTER_ERR_IO, "lock the folder of %s", path);
        close(fd);
        return MUSTER_ERR_IO;
    }
    *fd_out = fd;
    return MUSTER_OK;
}

/* The present text, which must be whole. */
static muster_err
read_present(const char *path, struct buffer *text, struct auth_table **table_out,
             struct muster_error *error)
{
    muster_err err;
    int        fd;

    err = auth_open_safely(path, &fd, error);
    if (err)
        return err;
    err = file_read_fd(fd, AUTH_FILE_BYTES_MAX, text, error);
    close(fd);
    if (!err)
        err = auth_table_parse(buffer_slice(text), path, table_out, error);
    return err;
}

static muster_err
check_free(const struct auth_table *table, const struct auth_entry *entry, const char *path,
           struct muster_error *error)
{
    const struct auth_entry *same = auth_table_find(table, entry->key);

    if (same != NULL)
        return error_set(error, MUSTER_ERR_EXISTS, "%s has this key already, as %s", path,
                         same->name);
    for (uint32_t i = 0; i < auth_table_count(table); i++) {
        if (strcmp(auth_table_at(table, i)->name, entry->name) == 0)
            return error_set(error, MUSTER_ERR_EXISTS, "%s has a key with the name %s already",
                             path, entry->name);
    }
    return MUSTER_OK;
}

/* Replace the file, if its new text is one that the manager takes. */
static muster_err
write_checked(const char *path, const struct buffer *text, struct muster_error *error)
{
    struct auth_table *table = NULL;
    muster_err         err = auth_table_parse(buffer_slice(text), path, &table, error);

    auth_table_free(table);
    return err ? err : file_replace(path, 0600, buffer_slice(text), error);
}

/* With the folder locked. */
static muster_err
add_line(const char *path, const struct auth_entry *entry, struct slice line,
         struct muster_error *error)
{
    struct buffer      text = { 0 };
    struct auth_table *table = NULL;
    muster_err         err;

    err = read_present(path, &text, &table, error);
    if (err == MUSTER_ERR_NOT_FOUND) {
        buffer_append_text(&text, file_head);
        err = MUSTER_OK;
    }
    if (!err && table != NULL)
        err = check_free(table, entry, path, error);
    if (!err) {
        if (text.bytes > 0 && text.data[text.bytes - 1] != '\n')
            buffer_append_text(&text, "\n");
        buffer_append_slice(&text, line);
        buffer_append_text(&text, "\n");
        err = write_checked(path, &text, error);
    }
    auth_table_free(table);
    buffer_free(&text);
    return err;
}

muster_err
auth_file_add(const char *path, const uint8_t key[KEY_BYTES], enum auth_role role,
              const char *name, const char *options, struct muster_error *error)
{
    char              hex[KEY_HEX_BYTES + 1];
    struct buffer     line = { 0 };
    struct auth_entry entry = { 0 };
    bool              is_entry = false;
    int               lock = -1;
    muster_err        err;

    buffer_printf(&line, "%s %s %s", auth_key_text(hex, key), auth_role_name(role), name);
    if (options != NULL && options[0] != '\0')
        buffer_printf(&line, " %s", options);
    /* A newline or a blank in a name or an option would make other lines or fields. */
    if (memchr(line.data, '\n', line.bytes) != NULL)
        err = error_set(error, MUSTER_ERR_INVALID, "names and options are one line");
    else
        err = auth_line_parse(buffer_slice(&line), &is_entry, &entry, error);
    if (!err && strcmp(entry.name, name) != 0)
        err = error_set(error, MUSTER_ERR_INVALID, "\"%s\" is not a name for a key", name);
    if (!err)
        err = lock_folder(path, &lock, error);
    if (!err) {
        err = add_line(path, &entry, buffer_slice(&line), error);
        close(lock);
    }
    auth_entry_clear(&entry);
    buffer_free(&line);
    return err;
}

/* Copy `text` without the line of `name`; false when it has none. */
static bool
without_name(struct slice text, const char *name, struct buffer *out)
{
    struct slice line;
    bool         found = false;

    while (auth_line_next(&text, &line)) {
        struct auth_entry entry = { 0 };
        bool              is_entry = false;
        bool              meant;

        meant = auth_line_parse(line, &is_entry, &entry, NULL) == MUSTER_OK && is_entry &&
                strcmp(entry.name, name) == 0;
        auth_entry_clear(&entry);
        if (meant) {
            found = true;
            continue;
        }
        buffer_append_slice(out, line);
        buffer_append_text(out, "\n");
    }
    return found;
}

muster_err
auth_file_revoke(const char *path, const char *name, struct muster_error *error)
{
    struct buffer      before = { 0 };
    struct buffer      after = { 0 };
    struct auth_table *table = NULL;
    int                lock;
    muster_err         err;

    err = lock_folder(path, &lock, error);
    if (err)
        return err;
    err = read_present(path, &before, &table, error);
    if (!err && !without_name(buffer_slice(&before), name, &after))
        err = error_set(error, MUSTER_ERR_NOT_FOUND, "no key with the name \"%s\" in %s", name,
                        path);
    if (!err)
        err = write_checked(path, &after, error);

    auth_table_free(table);
    buffer_free(&before);
    buffer_free(&after);
    close(lock);
    return err;
}
