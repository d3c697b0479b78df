/* cgroup.h - memory limits of whole trees, where cgroup v2 may be used
 *
 * It may be used when our own cgroup was delegated to us: it can be written,
 * is not the root, and holds no process but ours (systemd: Delegate=yes).
 * Everywhere else struct cgroup stays closed and every call does nothing.
 */
#ifndef RUN_CGROUP_H
#define RUN_CGROUP_H

#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>

struct cgroup {
    char path[PATH_MAX];          /* "" = closed */
    int  procs_fd;                /* write "0" to enter; -1 = closed */
};

/* Move this process (the only one) into a leaf, and switch the memory controller
 * on for leaves beside it.  False: not possible here; path_out is "". */
bool cgroup_delegate(char path_out[static PATH_MAX]);

/* A leaf for one slot below `base`; closed when that is "" or fails. */
void cgroup_open(struct cgroup *cgroup, const char *base, uint32_t slot);
bool cgroup_limit(const struct cgroup *cgroup, uint64_t mem_bytes);
/* SIGKILL to every process in it. */
void cgroup_kill(const struct cgroup *cgroup);
/* Processes in it that the kernel killed for memory, ever. */
uint64_t cgroup_memory_kills(const struct cgroup *cgroup);
void cgroup_close(struct cgroup *cgroup);

#endif
