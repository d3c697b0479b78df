/* tree.h - the processes below this one: find, kill and reap them
 *
 * For a process that is a child subreaper: whatever escaped from a process
 * group becomes a child of ours when its parent dies, and so nothing gets away.
 */
#ifndef FUNCTION_TREE_H
#define FUNCTION_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What reaped processes used; the largest of the resident sizes. */
struct tree_usage {
    uint64_t cpu_us;
    uint64_t rss_bytes;
};

struct rusage;
void tree_usage_add(struct tree_usage *usage, const struct rusage *more);

/* Direct children of this process; at most `max` of them.  Processes that come
 * or go meanwhile may be missed. */
uint32_t tree_children(pid_t *pids, uint32_t max);

/* SIGKILL and reap every child, and theirs as they fall to us, until there is
 * none left. */
void tree_kill_all(struct tree_usage *usage);

/* Kill children that `keep` does not want.  True when all others are gone. */
bool tree_kill_others(bool (*keep)(void *context, pid_t pid), void *context);

/* Memory that the processes below this one do not share with files: bytes. */
uint64_t tree_memory(void);
/* The same of that process and those below it; who left it to another parent is not
 * counted. */
uint64_t tree_memory_of(pid_t pid);

#endif
