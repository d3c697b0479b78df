/* cgroup.c - memory limits of whole trees, where cgroup v2 may be used */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

enum { CGROUP_TEXT_BYTES = 64 * 1024 };

static bool
path_join(char path[static PATH_MAX], const char *folder, const char *name)
{
    int bytes = snprintf(path, PATH_MAX, "%s/%s", folder, name);

    return bytes > 0 && bytes < PATH_MAX;
}

static bool
text_write(const char *folder, const char *name, const char *text)
{
    char    path[PATH_MAX];
    int     fd;
    ssize_t wrote;

    if (!path_join(path, folder, name))
        return false;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    wrote = write(fd, text, strlen(text));
    close(fd);
    return wrote == (ssize_t)strlen(text);
}

static bool
text_read(const char *path, char *text, size_t text_bytes)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t  bytes = 0;
    ssize_t got;

    if (fd < 0)
        return false;
    while (bytes + 1 < text_bytes && (got = read(fd, text + bytes, text_bytes - 1 - bytes)) > 0)
        bytes += (size_t)got;
    text[bytes] = 0;
    close(fd);
    return true;
}

/* Where cgroup2 is mounted: field 5 of a line of mountinfo. */
static bool
mount_point(char path_out[static PATH_MAX])
{
    char *text = malloc(CGROUP_TEXT_BYTES);
    char *save = NULL;
    bool  found = false;

    if (text == NULL || !text_read("/proc/self/mountinfo", text, CGROUP_TEXT_BYTES)) {
        free(text);
        return false;
    }
    for (char *line = strtok_r(text, "\n", &save); line != NULL && !found;
         line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, " - cgroup2 ") == NULL)
            continue;
        found = sscanf(line, "%*s %*s %*s %*s %4095s", path_out) == 1;
    }
    free(text);
    return found;
}

/* Our own cgroup: the line "0::/path". */
static bool
own_cgroup(char path_out[static PATH_MAX])
{
    char  text[8192], mounted[PATH_MAX / 2];
    char  root[PATH_MAX];
    char *line, *end;

    if (!mount_point(root) || strlen(root) >= sizeof(mounted))
        return false;
    strcpy(mounted, root);
    if (!text_read("/proc/self/cgroup", text, sizeof(text)))
        return false;
    line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (line == NULL)
        return false;
    line = strchr(line, '/');
    if (line == NULL)
        return false;
    end = strchr(line, '\n');
    if (end != NULL)
        *end = 0;
    if (strcmp(line, "/") == 0)
        return false;             /* the root is nobody's to rearrange */
    return path_join(path_out, mounted, line + 1);
}

static bool
holds_only_us(const char *folder)
{
    char  path[PATH_MAX], text[256];
    char *end;

    if (!path_join(path, folder, "cgroup.procs") || !text_read(path, text, sizeof(text)))
        return false;
    return strtol(text, &end, 10) == getpid() && strcmp(end, "\n") == 0;
}

bool
cgroup_delegate(char path_out[static PATH_MAX])
{
    char folder[PATH_MAX], leaf[PATH_MAX];

    path_out[0] = 0;
    if (!own_cgroup(folder) || !holds_only_us(folder) || !path_join(leaf, folder, "worker"))
        return false;
    if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
        return false;
    /* Controllers cannot be given to leaves while the folder itself has processes. */
    if (!text_write(leaf, "cgroup.procs", "0") ||
        !text_write(folder, "cgroup.subtree_control", "+memory")) {
        text_write(folder, "cgroup.procs", "0");
        rmdir(leaf);
        return false;
    }
    strcpy(path_out, folder);
    return true;
}

void
cgroup_open(struct cgroup *cgroup, const char *base, uint32_t slot)
{
    char name[32], procs[PATH_MAX];

    *cgroup = (struct cgroup){ .procs_fd = -1 };
    if (base[0] == 0)
        return;
    snprintf(name, sizeof(name), "slot-%u", slot);
    if (!path_join(cgroup->path, base, name) ||
        (mkdir(cgroup->path, 0755) < 0 && errno != EEXIST) ||
        !path_join(procs, cgroup->path, "cgroup.procs")) {
        cgroup->path[0] = 0;
        return;
    }
    cgroup->procs_fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (cgroup->procs_fd < 0)
        cgroup_close(cgroup);
}

bool
cgroup_limit(const struct cgroup *cgroup, uint64_t mem_bytes)
{
    char text[32];

    if (cgroup->procs_fd < 0)
        return false;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)mem_bytes);
    text_write(cgroup->path, "memory.swap.max", "0");      /* absent without swap accounting */
    text_write(cgroup->path, "memory.oom.group", "1");
    return text_write(cgroup->path, "memory.max", text);
}

void
cgroup_kill(const struct cgroup *cgroup)
{
    if (cgroup->procs_fd >= 0)
        text_write(cgroup->path, "cgroup.kill", "1");
}

uint64_t
cgroup_memory_kills(const struct cgroup *cgroup)
{
    char  path[PATH_MAX], text[1024];
    char *line;

    if (cgroup->procs_fd < 0 || !path_join(path, cgroup->path, "memory.events") ||
        !text_read(path, text, sizeof(text)))
        return 0;
    line = strstr(text, "oom_kill ");
    return line != NULL ? strtoull(line + strlen("oom_kill "), NULL, 10) : 0;
}

void
cgroup_close(struct cgroup *cgroup)
{
    if (cgroup->procs_fd >= 0)
        close(cgroup->procs_fd);
    if (cgroup->path[0] != 0)
        rmdir(cgroup->path);
    *cgroup = (struct cgroup){ .procs_fd = -1 };
}
