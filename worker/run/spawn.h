/* spawn.h - from an order to a running process
 *
 * The child is made with CLONE_VM | CLONE_VFORK from a process of a few hundred
 * kilobytes: nothing is copied, and a failed step is told through the shared
 * memory.  In the child only system calls are made.
 */
#ifndef RUN_SPAWN_H
#define RUN_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "order.h"

/* Who tasks run as.  Resolved once, before anything else is started. */
struct spawn_user {
    bool   switches;              /* false: as the worker itself */
    uid_t  uid;
    gid_t  gid;
    gid_t  groups[64];
    int    group_count;
    char   name[65];
    char   home[256];
};

struct spawn {
    char *const *argv;
    char *const *envp;
    const char  *path;            /* NULL: search PATH of envp for argv[0] */
    const char  *cwd;
    int          fds[3];          /* become 0, 1 and 2 */
    uint64_t     mem_bytes;       /* 0 = no limit */
    int          cgroup_fd;       /* of cgroup.procs, -1: none */
    const struct spawn_user *user;
    /* out */
    uint32_t     stage;           /* where it failed, STAGE_NONE: it runs */
    int          error;
};

/* The child's pid (also when spawn->stage says that it failed after its birth:
 * it is reaped then and -1 is returned), or -1. */
pid_t spawn_start(struct spawn *spawn);

/* The value of NAME in an environment, or NULL. */
const char *spawn_env(char *const *envp, const char *name);
/* Find `command` in PATH, into `path`: 0 or an errno. */
int spawn_search(const char *command, const char *path_list, char *path, size_t path_bytes);

#endif
