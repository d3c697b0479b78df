/* key.c - the keys of a manager's folder: make, enrol, list, revoke
 *
 * 1. All or nothing: what was made before a failure is removed again.
 * 2. An existing file is never overwritten.
 */
#include <muster/key.h>

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "errors.h"

#define AUTHORIZED_KEYS "authorized_keys"
#define MANAGER_KEY     "manager.key"

/* The keys that every fleet begins with, one for each role. */
static const enum auth_role first_roles[] = { AUTH_ROLE_WORKER, AUTH_ROLE_CLIENT, AUTH_ROLE_ADMIN };

enum { FIRST_ROLES = sizeof(first_roles) / sizeof(first_roles[0]) };

static muster_err
path_of(char path[static PATH_MAX], const char *dir, const char *name, const char *suffix,
        struct muster_error *error)
{
    int bytes = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, suffix);

    if (bytes < 0 || bytes >= PATH_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "the path of %s is too long", name);
    return MUSTER_OK;
}

/* ---- the folder ---- */

static bool
folder_is_empty(int fd)
{
    DIR                 *dir = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    const struct dirent *entry;
    bool                 empty = dir != NULL;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    if (dir != NULL)
        closedir(dir);
    return empty;
}

/* Keys are only as safe as their folder: ours, and closed to others.  An empty
 * folder may be closed by us; one with something in it belongs to its user. */
static muster_err
folder_check(const char *dir, struct muster_error *error)
{
    struct stat st;
    muster_err  err = MUSTER_OK;
    int         fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(error, errno == ENOENT ? MUSTER_ERR_NOT_FOUND : MUSTER_ERR_IO, "open %s",
                           dir);
    if (fstat(fd, &st) != 0)
        err = error_errno(error, MUSTER_ERR_IO, "stat %s", dir);
    else if (st.st_uid != geteuid() && st.st_uid != 0)
        err = error_set(error, MUSTER_ERR_KEY_FILE, "%s belongs to user %ju, not to us", dir,
                        (uintmax_t)st.st_uid);
    else if ((st.st_mode & 077) != 0 && !folder_is_empty(fd))
        err = error_set(error, MUSTER_ERR_KEY_FILE,
                        "%s has mode %04o, open to others; `chmod 700` it, or name a new folder",
                        dir, st.st_mode & 07777u);
    else if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) != 0)
        err = error_errno(error, MUSTER_ERR_IO, "close %s to others", dir);
    close(fd);
    return err;
}

static muster_err
folder_make(const char *dir, bool *made_out, struct muster_error *error)
{
    *made_out = mkdir(dir, 0700) == 0;
    if (*made_out)
        return MUSTER_OK;
    if (errno != EEXIST)
        return error_errno(error, MUSTER_ERR_IO, "make the folder %s", dir);
    return folder_check(dir, error);
}

/* ---- keys ---- */

/* Make DIR/NAME.authkey and enrol it.  On failure neither is left. */
static muster_err
key_enrol(const char *dir, enum auth_role role, const char *name, const char *options,
          const uint8_t *manager_public, struct muster_error *error)
{
    char        path[PATH_MAX], table[PATH_MAX];
    struct key *key = NULL;
    muster_err  err;

    err = key_make(role, name, manager_public, &key, error);    /* checks the name, too */
    if (!err)
        err = path_of(path, dir, name, ".authkey", error);
    if (!err)
        err = path_of(table, dir, AUTHORIZED_KEYS, "", error);
    if (!err)
        err = key_file_save(path, key, error);
    if (!err) {
        err = auth_file_add(table, key_public(key), role, name, options, error);
        if (err)
            unlink(path);
    }
    key_free(key);
    return err;
}

/* The name of the i-th file that init makes; false at the end. */
static bool
init_file(unsigned i, char name[static 64])
{
    if (i == 0)
        snprintf(name, 64, "%s", MANAGER_KEY);
    else if (i == 1)
        snprintf(name, 64, "%s", AUTHORIZED_KEYS);
    else if (i - 2 < FIRST_ROLES)
        snprintf(name, 64, "%s.authkey", auth_role_name(first_roles[i - 2]));
    else
        return false;
    return true;
}

static muster_err
init_check_free(const char *dir, struct muster_error *error)
{
    char        name[64], path[PATH_MAX];
    struct stat st;

    for (unsigned i = 0; init_file(i, name); i++) {
        muster_err err = path_of(path, dir, name, "", error);

        if (err)
            return err;
        if (lstat(path, &st) == 0)
            return error_set(error, MUSTER_ERR_EXISTS,
                             "%s; keys that are in use are not replaced", path);
    }
    return MUSTER_OK;
}

static void
init_undo(const char *dir, bool made)
{
    char name[64], path[PATH_MAX];

    for (unsigned i = 0; init_file(i, name); i++) {
        if (path_of(path, dir, name, "", NULL) == MUSTER_OK)
            unlink(path);
    }
    if (made)
        rmdir(dir);
}

static muster_err
init_fill(const char *dir, struct muster_error *error)
{
    char        path[PATH_MAX];
    struct key *manager = NULL;
    muster_err  err;

    err = path_of(path, dir, MANAGER_KEY, "", error);
    if (!err)
        err = key_make(AUTH_ROLE_MANAGER, "manager", NULL, &manager, error);
    if (!err)
        err = key_file_save(path, manager, error);
    for (unsigned i = 0; i < FIRST_ROLES && !err; i++)
        err = key_enrol(dir, first_roles[i], auth_role_name(first_roles[i]), NULL,
                        key_public(manager), error);
    key_free(manager);
    return err;
}

muster_err
muster_key_init(const char *dir, struct muster_error *error)
{
    bool       made;
    muster_err err;

    err = auth_start(error);
    if (!err)
        err = folder_make(dir, &made, error);
    if (err)
        return err;
    err = init_check_free(dir, error);
    if (err)
        return err;             /* nothing of it is ours: nothing to undo */
    err = init_fill(dir, error);
    if (err)
        init_undo(dir, made);
    return err;
}

muster_err
muster_key_add(const char *dir, const char *role_name, const char *name, const char *options,
               struct muster_error *error)
{
    char           path[PATH_MAX];
    enum auth_role role;
    struct key    *manager = NULL;
    muster_err     err;

    err = auth_start(error);
    if (err)
        return err;
    if (!auth_role_parse(role_name, &role) || role == AUTH_ROLE_MANAGER)
        return error_set(error, MUSTER_ERR_INVALID, "role \"%s\": it is worker, client or admin",
                         role_name);
    err = path_of(path, dir, MANAGER_KEY, "", error);
    if (!err)
        err = key_file_load(path, &manager, error);
    if (!err && key_role(manager) != AUTH_ROLE_MANAGER)
        err = error_set(error, MUSTER_ERR_KEY_FILE, "%s is not a manager's key", path);
    if (!err)
        err = key_enrol(dir, role, name, options, key_public(manager), error);
    key_free(manager);
    return err;
}

muster_err
muster_key_revoke(const char *dir, const char *name, struct muster_error *error)
{
    char       path[PATH_MAX];
    muster_err err;

    err = path_of(path, dir, AUTHORIZED_KEYS, "", error);
    return err ? err : auth_file_revoke(path, name, error);
}

/* ---- the list ---- */

static struct muster_key_info
info_of(const struct auth_entry *entry)
{
    struct muster_key_info info = { 0 };
    struct buffer          options = { 0 };

    static_assert(sizeof(info.name) == AUTH_NAME_BYTES_MAX + 1, "a key's name must fit");
    snprintf(info.name, sizeof(info.name), "%s", entry->name);
    snprintf(info.role, sizeof(info.role), "%s", auth_role_name(entry->role));
    auth_key_fingerprint(info.fingerprint, entry->key);
    auth_entry_options_put(&options, entry);
    info.options = base_text_copy(buffer_slice(&options));
    buffer_free(&options);
    return info;
}

muster_err
muster_key_list(const char *dir, struct muster_key_info **infos_out, size_t *count_out,
                struct muster_error *error)
{
    char                    path[PATH_MAX];
    struct auth_table      *table = NULL;
    struct muster_key_info *infos;
    size_t                  count;
    muster_err              err;

    err = path_of(path, dir, AUTHORIZED_KEYS, "", error);
    if (!err)
        err = auth_table_load(path, &table, error);
    if (err)
        return err;
    count = auth_table_count(table);
    infos = base_array(count + 1, sizeof(*infos));
    for (uint32_t i = 0; i < count; i++)
        infos[i] = info_of(auth_table_at(table, i));
    auth_table_free(table);
    *infos_out = infos;
    *count_out = count;
    return MUSTER_OK;
}

void
muster_key_list_free(struct muster_key_info *infos, size_t count)
{
    for (size_t i = 0; infos != NULL && i < count; i++)
        free(infos[i].options);
    free(infos);
}
