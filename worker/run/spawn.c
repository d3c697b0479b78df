/* spawn.c - from an order to a running process
 *
 * 1. Order in the child: session and group, limits, user, signals, descriptors,
 *    working directory, exec.  no_new_privs and the core limit come from the
 *    keeper, which set them for itself once.
 * 2. The child shares our memory until exec: it calls nothing but the kernel,
 *    and writes nothing but the two words that tell why it failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn.h"

enum { SPAWN_STACK_BYTES = 64 * 1024 };

struct spawn_child {
    struct spawn *spawn;
    const char   *path;
    pid_t         keeper;
};

/* The sanitizers know nothing of a second stack in shared memory. */
#define CHILD_SIDE __attribute__((no_sanitize("address", "undefined")))

CHILD_SIDE static int
child_failed(struct spawn *spawn, uint32_t stage)
{
    spawn->stage = stage;
    spawn->error = errno;
    syscall(SYS_exit_group, 127);
    return 127;
}

/* The raw calls: libc's would try to move the threads of a process that is not ours. */
CHILD_SIDE static int
child_become(const struct spawn_user *user)
{
    if (syscall(SYS_setgroups, user->group_count, user->groups) < 0)
        return -1;
    if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
        return -1;
    if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
        return -1;
    /* It must be impossible to get back. */
    if (user->uid != 0 && syscall(SYS_setresuid, -1, 0, -1) == 0) {
        errno = EPERM;
        return -1;
    }
    return 0;
}

CHILD_SIDE static int
child_limit(const struct spawn *spawn)
{
    struct rlimit data = { spawn->mem_bytes, spawn->mem_bytes };

    if (spawn->cgroup_fd >= 0 && write(spawn->cgroup_fd, "0", 1) < 0)
        return -1;
    if (spawn->mem_bytes > 0 && setrlimit(RLIMIT_DATA, &data) < 0)
        return -1;
    return 0;
}

CHILD_SIDE static int
child_stdio(const struct spawn *spawn)
{
    for (int i = 0; i < 3; i++) {
        if (dup2(spawn->fds[i], i) < 0)
            return -1;
    }
    return close_range(3, ~0u, 0);
}

CHILD_SIDE static int
child_main(void *argument)
{
    const struct spawn_child *child = argument;
    struct spawn             *spawn = child->spawn;
    sigset_t                  none;

    if (setsid() < 0)
        return child_failed(spawn, STAGE_SESSION);
    if (child_limit(spawn) < 0)
        return child_failed(spawn, STAGE_LIMIT);
    if (spawn->user->switches && child_become(spawn->user) < 0)
        return child_failed(spawn, STAGE_USER);
    /* After the change of user, which clears it.  A keeper that died meanwhile
     * would never tell us. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != child->keeper)
        return child_failed(spawn, STAGE_SESSION);
    if (child_stdio(spawn) < 0)
        return child_failed(spawn, STAGE_STDIO);
    if (chdir(spawn->cwd) < 0)
        return child_failed(spawn, STAGE_CWD);
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return child_failed(spawn, STAGE_SESSION);
    execve(child->path, spawn->argv, spawn->envp);
    return child_failed(spawn, STAGE_EXEC);
}

const char *
spawn_env(char *const *envp, const char *name)
{
    size_t bytes = strlen(name);

    for (; *envp != NULL; envp++) {
        if (strncmp(*envp, name, bytes) == 0 && (*envp)[bytes] == '=')
            return *envp + bytes + 1;
    }
    return NULL;
}

static int
search_try(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno;
    if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return EACCES;
    return 0;
}

int
spawn_search(const char *command, const char *path_list, char *path, size_t path_bytes)
{
    int found = ENOENT;

    if (command[0] == 0)
        return ENOENT;
    while (path_list != NULL && *path_list != 0) {
        size_t bytes = strcspn(path_list, ":");
        int    err;

        /* An empty or relative part would mean the task's own folder: skipped. */
        if (path_list[0] == '/' && bytes + 1 + strlen(command) + 1 <= path_bytes) {
            memcpy(path, path_list, bytes);
            path[bytes] = '/';
            strcpy(path + bytes + 1, command);
            err = search_try(path);
            if (err == 0)
                return 0;
            if (err == EACCES)
                found = EACCES;
        }
        path_list += bytes;
        path_list += *path_list == ':';
    }
    return found;
}

/* A job runs the same command again and again: remember the last one found. */
static int
search_again(const char *command, const char *path_list, const char **path_out)
{
    static char last_command[NAME_MAX + 1], last_list[PATH_MAX], last_path[PATH_MAX];
    int         err;

    if (strchr(command, '/') != NULL) {
        *path_out = command;
        return 0;
    }
    *path_out = last_path;
    if (path_list == NULL)
        return ENOENT;
    if (last_path[0] != 0 && strcmp(command, last_command) == 0 &&
        strcmp(path_list, last_list) == 0 && search_try(last_path) == 0)
        return 0;
    err = spawn_search(command, path_list, last_path, sizeof(last_path));
    if (err || strlen(command) >= sizeof(last_command) || strlen(path_list) >= sizeof(last_list)) {
        last_command[0] = 0;
        return err;
    }
    strcpy(last_command, command);
    strcpy(last_list, path_list);
    return 0;
}

static void *
child_stack(void)
{
    static void *stack;

    if (stack == NULL) {
        void *made = mmap(NULL, SPAWN_STACK_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

        stack = made == MAP_FAILED ? NULL : made;
    }
    return stack;
}

pid_t
spawn_start(struct spawn *spawn)
{
    struct spawn_child child = { .spawn = spawn, .path = spawn->path, .keeper = getpid() };
    char              *stack = child_stack();
    pid_t              pid;

    spawn->stage = STAGE_FORK;
    spawn->error = ENOMEM;
    if (stack == NULL)
        return -1;
    if (child.path == NULL) {
        spawn->stage = STAGE_EXEC;
        spawn->error = search_again(spawn->argv[0], spawn_env(spawn->envp, "PATH"), &child.path);
        if (spawn->error)
            return -1;
    }
    spawn->stage = STAGE_NONE;
    pid = clone(child_main, stack + SPAWN_STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
    if (pid < 0) {
        spawn->stage = STAGE_FORK;
        spawn->error = errno;
        return -1;
    }
    if (spawn->stage == STAGE_NONE)
        return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return -1;
}
