/* tree.c - the processes below this one */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tree.h"

enum { TREE_BATCH = 256, TREE_WALK_MAX = 4096, TREE_TEXT_BYTES = 16 * 1024 };

void
tree_usage_add(struct tree_usage *usage, const struct rusage *more)
{
    uint64_t rss = (uint64_t)more->ru_maxrss * 1024;

    usage->cpu_us += (uint64_t)(more->ru_utime.tv_sec + more->ru_stime.tv_sec) * 1000000 +
                     (uint64_t)(more->ru_utime.tv_usec + more->ru_stime.tv_usec);
    if (rss > usage->rss_bytes)
        usage->rss_bytes = rss;
}

/* Read a small file of /proc; its length, 0 when it is not there. */
static size_t
proc_read(const char *path, char *text, size_t text_bytes)
{
    int     fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    size_t  bytes = 0;

    if (fd < 0)
        return 0;
    while (bytes + 1 < text_bytes && (got = read(fd, text + bytes, text_bytes - 1 - bytes)) > 0)
        bytes += (size_t)got;
    text[bytes] = 0;
    close(fd);
    return bytes;
}

static uint32_t
parse_pids(const char *text, pid_t *pids, uint32_t max)
{
    uint32_t count = 0;
    char    *end;

    while (count < max) {
        long pid = strtol(text, &end, 10);

        if (end == text)
            break;
        text = end;
        pids[count++] = (pid_t)pid;
    }
    return count;
}

/* Field 4 of /proc/PID/stat; the name in field 2 may hold anything. */
static pid_t
parent_of(const char *pid)
{
    char  path[64], text[1024];
    char *paren;
    int   parent = 0;

    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    if (proc_read(path, text, sizeof(text)) == 0)
        return 0;
    paren = strrchr(text, ')');
    if (paren == NULL || sscanf(paren + 1, " %*c %d", &parent) != 1)
        return 0;
    return parent;
}

/* For kernels without /proc/PID/task/TID/children, and where that misses one. */
static uint32_t
children_by_scan(pid_t self, pid_t *pids, uint32_t max)
{
    DIR           *proc = opendir("/proc");
    struct dirent *entry;
    uint32_t       count = 0;

    if (proc == NULL)
        return 0;
    while (count < max && (entry = readdir(proc)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == self)
            pids[count++] = (pid_t)atoi(entry->d_name);
    }
    closedir(proc);
    return count;
}

/* Each thread has its own: those that it forked. */
static uint32_t
children_of(pid_t pid, pid_t *pids, uint32_t max)
{
    char           path[64], text[TREE_TEXT_BYTES];
    DIR           *threads;
    struct dirent *entry;
    uint32_t       count = 0;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    threads = opendir(path);
    if (threads == NULL)
        return 0;
    while (count < max && (entry = readdir(threads)) != NULL) {
        snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && proc_read(path, text, sizeof(text)) > 0)
            count += parse_pids(text, pids + count, max - count);
    }
    closedir(threads);
    return count;
}

uint32_t
tree_children(pid_t *pids, uint32_t max)
{
    uint32_t count = children_of(getpid(), pids, max);

    return count > 0 ? count : children_by_scan(getpid(), pids, max);
}

static void
wait_a_little(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void
tree_kill_all(struct tree_usage *usage)
{
    pid_t pids[TREE_BATCH];

    for (;;) {
        uint32_t      count = tree_children(pids, TREE_BATCH);
        struct rusage used;
        pid_t         pid;
        uint32_t      reaped = 0;

        for (uint32_t i = 0; i < count; i++)
            kill(pids[i], SIGKILL);
        while ((pid = wait4(-1, NULL, WNOHANG, &used)) > 0) {
            tree_usage_add(usage, &used);
            reaped++;
        }
        if (pid < 0 && errno == ECHILD)
            return;
        if (reaped == 0)
            wait_a_little();
    }
}

bool
tree_kill_others(bool (*keep)(void *context, pid_t pid), void *context)
{
    pid_t    pids[TREE_BATCH];
    uint32_t count = tree_children(pids, TREE_BATCH);
    bool     clean = true;

    for (uint32_t i = 0; i < count; i++) {
        if (keep(context, pids[i]))
            continue;
        /* Its own children fall to us when it dies, perhaps after we looked: only a
         * look that finds nobody tells that nobody is left. */
        kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, WNOHANG);
        clean = false;
    }
    return clean && count < TREE_BATCH;
}

static uint64_t
memory_of(pid_t pid)
{
    char               path[64], text[256];
    unsigned long long size, resident, shared;

    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    if (proc_read(path, text, sizeof(text)) == 0)
        return 0;
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || resident < shared)
        return 0;
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of the processes below `pid`. */
static uint64_t
memory_below(pid_t pid)
{
    static pid_t pids[TREE_WALK_MAX];      /* one keeper, one thread, one walk at a time */
    uint64_t     bytes = 0;
    uint32_t     count = children_of(pid, pids, TREE_WALK_MAX);

    for (uint32_t at = 0; at < count; at++) {
        bytes += memory_of(pids[at]);
        count += children_of(pids[at], pids + count, TREE_WALK_MAX - count);
    }
    return bytes;
}

uint64_t
tree_memory(void)
{
    return memory_below(getpid());
}

uint64_t
tree_memory_of(pid_t pid)
{
    return memory_of(pid) + memory_below(pid);
}
