/* space.c - see space.h
 *
 * 1. The reserve is given up before the disk is full, and taken again only
 *    when that leaves free space above the mark: the two never chase each other.
 * 2. Nothing here is an error of the store: without a reserve the mark alone
 *    protects it.
 */
#include "space.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store.h"

#define SPACE_RESERVE_BYTES_MAX (16u * 1024 * 1024)

static const struct {
    uint64_t    type;
    const char *name;
} space_networks[] = {
    { 0x00006969, "NFS" },       { 0xff534d42, "CIFS" },     { 0xfe534d42, "SMB" },
    { 0x0000517b, "SMB" },       { 0x5346414f, "AFS" },      { 0x6b414653, "AFS" },
    { 0x73757245, "Coda" },      { 0x00c36400, "Ceph" },     { 0x01021997, "9P" },
    { 0x0bd00bd0, "Lustre" },    { 0x47504653, "GPFS" },     { 0x19830326, "BeeGFS" },
    { 0x20030528, "OrangeFS" },  { 0xaad7aaea, "PanFS" },    { 0x786f4256, "vboxsf" },
    { 0x65735546, "FUSE (which may be a network)" },
};

const char *
space_network_name(uint64_t type)
{
    for (size_t i = 0; i < sizeof(space_networks) / sizeof(space_networks[0]); i++)
        if (space_networks[i].type == type)
            return space_networks[i].name;
    return NULL;
}

static bool
space_free(const struct space *space, uint64_t *bytes_out)
{
    struct statvfs info;

    if (statvfs(space->dir, &info) < 0)
        return false;
    *bytes_out = (uint64_t)info.f_bavail * info.f_frsize;
    return true;
}

/* File systems without fallocate have no reserve: writing zeroes instead would
 * be a guess on those that compress. */
static void
space_hold(struct space *space)
{
    if (space->reserve_fd < 0 || space->reserve_held)
        return;
    space->reserve_held =
        fallocate(space->reserve_fd, 0, 0, (off_t)space->reserve_bytes) == 0;
}

static void
space_release(struct space *space)
{
    if (space->reserve_fd >= 0 && ftruncate(space->reserve_fd, 0) == 0)
        space->reserve_held = false;
}

bool
space_look(struct space *space, uint64_t reusable_bytes)
{
    uint64_t bytes;

    if (space->free_bytes_min == 0 || !space_free(space, &bytes))
        return false;
    if (bytes < space->reserve_bytes)
        space_release(space);
    else if (bytes >= space->free_bytes_min + space->reserve_bytes)
        space_hold(space);
    /* A file that was emptied does not shrink but takes new work.  The log beside
     * it needs room on the disk all the same. */
    space->tight = bytes < space->free_bytes_min;
    return bytes < space->reserve_bytes || bytes + reusable_bytes < space->free_bytes_min;
}

/* The reserve of an earlier run is still there, or starts empty. */
static void
space_open_reserve(struct space *space)
{
    struct buffer path = { 0 };
    off_t         held;

    buffer_printf(&path, "%s/%s", space->dir, STORE_RESERVE_NAME);
    space->reserve_fd = open(buffer_text(&path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    buffer_free(&path);
    if (space->reserve_fd < 0)
        return;
    held = lseek(space->reserve_fd, 0, SEEK_END);
    space->reserve_held = held == (off_t)space->reserve_bytes;
    if (!space->reserve_held)
        space_release(space);
}

muster_err
space_open(struct space *space, const char *dir, uint64_t free_bytes_min,
           struct muster_error *error)
{
    struct statfs info;
    const char   *network;

    if (statfs(dir, &info) < 0)
        return error_errno(error, MUSTER_ERR_IO, "look at the file system of %s", dir);
    network = space_network_name((uint64_t)info.f_type & UINT32_MAX);
    if (network != NULL)
        return error_set(error, MUSTER_ERR_UNSUPPORTED,
                         "%s lies on %s; the store needs a local disk that honours syncs: "
                         "choose another directory", dir, network);

    *space = (struct space){ .dir = base_text_copy(slice_text(dir)),
                             .free_bytes_min = free_bytes_min,
                             .reserve_bytes = free_bytes_min / 4,
                             .reserve_fd = -1 };
    if (space->reserve_bytes > SPACE_RESERVE_BYTES_MAX)
        space->reserve_bytes = SPACE_RESERVE_BYTES_MAX;
    if (free_bytes_min > 0)
        space_open_reserve(space);
    (void)space_look(space, 0);
    return MUSTER_OK;
}

void
space_close(struct space *space)
{
    if (space->reserve_fd >= 0)
        close(space->reserve_fd);
    free(space->dir);
    *space = (struct space){ .reserve_fd = -1 };
}
