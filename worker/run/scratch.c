/* scratch.c - the private folder that each task gets, and loses when it ended */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "scratch.h"

muster_err
scratch_base_make(const char *parent, const struct spawn_user *user, char path_out[static PATH_MAX],
                  struct muster_error *error)
{
    char path[PATH_MAX];

    if (parent == NULL)
        parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/')
        parent = "/tmp";
    if (snprintf(path, sizeof(path), "%s/muster-worker-XXXXXX", parent) >= PATH_MAX - 16)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "the name of the scratch folder below %s",
                         parent);
    if (mkdtemp(path) == NULL)
        return error_errno(error, MUSTER_ERR_IO, "make a scratch folder in %s", parent);
    if (user->switches && chmod(path, 0711) < 0) {
        rmdir(path);
        return error_errno(error, MUSTER_ERR_IO, "set the mode of %s", path);
    }
    strcpy(path_out, path);
    return MUSTER_OK;
}

void
scratch_path(char path_out[static PATH_MAX], const char *base, uint32_t slot)
{
    /* scratch_base_make() left room for the number. */
    snprintf(path_out, PATH_MAX, "%.*s/%u", PATH_MAX - 16, base, slot);
}

int
scratch_make(const char *path, const struct spawn_user *user)
{
    char aside[PATH_MAX];

    if (mkdir(path, 0700) < 0) {
        if (errno != EEXIST)
            return errno;
        scratch_remove(path);
        if (mkdir(path, 0700) < 0) {
            static uint32_t moved;

            snprintf(aside, sizeof(aside), "%.*s.%u", PATH_MAX - 12, path, ++moved);
            if (rename(path, aside) < 0 || mkdir(path, 0700) < 0)
                return errno;
        }
    }
    if (user->switches && lchown(path, user->uid, user->gid) < 0)
        return errno;
    return 0;
}

static int
open_up(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)where;
    if (type == FTW_D || type == FTW_DNR)
        chmod(path, 0700);
    return 0;
}

void
scratch_remove(const char *path)
{
    struct muster_error error;

    if (rmdir(path) == 0 || errno == ENOENT)
        return;
    if (!file_remove_tree(path, &error))
        return;
    /* A folder that its owner closed to himself: from the top down, so that each
     * is opened before it is read. */
    nftw(path, open_up, 16, FTW_PHYS | FTW_MOUNT);
    if (file_remove_tree(path, &error))
        log_warn("scratch folder of a task stays: %s", error.detail);
}
