/* hatching.c - see hatching.h */
#include "hatching.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "hatch.h"
#include "hatchery.h"
#include "log.h"
#include "module.h"
#include "parse.h"

enum {
    HATCHING_FD       = 3,
    HATCHING_PROGRAM  = HATCHING_FD + HATCH_FDS, /* behind those that a spawned child gets */
    HATCHING_LEAVE_MS = 5000,                    /* to kill its children and end */
};

/* ---- our own process ---- */

/* Code of modules never runs with more rights than tasks have. */
static bool
become(const struct spawn_user *user)
{
    if (!user->switches)
        return true;
    return setgroups((size_t)user->group_count, user->groups) == 0 &&
           setresgid(user->gid, user->gid, user->gid) == 0 &&
           setresuid(user->uid, user->uid, user->uid) == 0 &&
           (user->uid == 0 || setresuid((uid_t)-1, 0, (uid_t)-1) < 0);
}

static void __attribute__((noreturn))
hatchery_process(const struct config *config, const struct spawn_user *user,
                 const char *const *modules, int socket)
{
    struct function_table table = { 0 };
    struct hatchery       hatchery = {
        .socket = HATCHING_FD, .method = (enum hatchery_method)config->start_method,
        .modules = modules, .table = &table, .worker = config->name,
        .program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
    };

    /* Locks, lifelines and whatever else main() had open are not for modules. */
    if (hatchery.program >= 0)
        hatchery.program = fcntl(hatchery.program, F_DUPFD_CLOEXEC, HATCHING_PROGRAM + 1);
    if (dup2(socket, HATCHING_FD) < 0 ||
        (hatchery.program >= 0 && dup2(hatchery.program, HATCHING_PROGRAM) < 0))
        _exit(71);
    if (hatchery.program >= 0)
        hatchery.program = HATCHING_PROGRAM;
    fcntl(HATCHING_FD, F_SETFD, FD_CLOEXEC);
    fcntl(HATCHING_PROGRAM, F_SETFD, FD_CLOEXEC);
    close_range(HATCHING_FD + 1, HATCHING_PROGRAM - 1, 0);
    close_range(HATCHING_PROGRAM + 1, ~0u, 0);
    dup2(2, 1);
    /* Functions see of the environment what commands see. */
    environ = (char **)(uintptr_t)command_base_env(environ, user->switches ? user->name : NULL,
                                                   user->home);
    if (!become(user)) {
        struct hatch refused = { .kind = HATCH_REFUSED,
                                 .text = slice_text("cannot switch to --task-user") };

        hatch_send(HATCHING_FD, 0, &refused, NULL);
        _exit(0);
    }
    hatchery_main(&hatchery);
}

/* ---- what it tells ---- */

static void
name_add(struct setting_list *names, struct slice name)
{
    void *items = names->items;

    base_grow(&items, &names->capacity, names->count + 1, sizeof(*names->items));
    names->items = items;
    names->items[names->count++] = base_text_copy(name);
}

static muster_err
hatchery_ended(const struct hatched_functions *hatched, const char *loading,
               struct muster_error *error)
{
    int status = 0;

    if (hatched->pid <= 0)
        return error_set(error, MUSTER_ERR_IO,
                         "the program that serves the functions is gone");
    while (waitpid(hatched->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        return error_set(error, MUSTER_ERR_IO, "%s: killed by signal %d (%s) while it was loaded",
                         loading, WTERMSIG(status), strsignal(WTERMSIG(status)));
    return error_set(error, MUSTER_ERR_IO, "%s: called exit(%d) while it was loaded", loading,
                     WEXITSTATUS(status));
}

static muster_err
hatching_wait(struct hatched_functions *hatched, uint32_t limit_ms, struct muster_error *error)
{
    uint64_t     until_ms = clock_now_ms() + limit_ms;
    struct hatch list = { .kind = HATCH_LIST };
    char         loading[TEXT_BYTES_MAX + 1] = "the modules", limit[16];

    hatch_send(hatched->socket, MSG_DONTWAIT, &list, NULL);
    for (;;) {
        struct pollfd wait = { .fd = hatched->socket, .events = POLLIN };
        struct hatch  message;
        uint64_t      now_ms = clock_now_ms();
        int           got;

        if (now_ms >= until_ms)
            return error_set(error, MUSTER_ERR_TIMEOUT, "%s: still being loaded after %s",
                             loading, format_duration(limit, limit_ms));
        if (poll(&wait, 1, (int)(until_ms - now_ms)) <= 0)
            continue;
        got = hatch_receive(hatched->socket, MSG_DONTWAIT, &message, NULL);
        if (got < 0)
            return hatchery_ended(hatched, loading, error);
        if (got == 0)
            continue;
        if (message.kind == HATCH_REFUSED)
            return error_set(error, MUSTER_ERR_INVALID, "%.*s", (int)message.text.bytes,
                             (const char *)message.text.data);
        if (message.kind == HATCH_LOADING)
            snprintf(loading, sizeof(loading), "%.*s", (int)message.text.bytes,
                     (const char *)message.text.data);
        if (message.kind == HATCH_NAME && hatched->names.count < FUNCTIONS_MAX)
            name_add(&hatched->names, message.text);
        if (message.kind == HATCH_READY && message.number != HATCH_VERSION)
            return error_set(error, MUSTER_ERR_VERSION, "the program that serves the functions "
                             "has another version of muster");
        if (message.kind == HATCH_READY) {
            hatched->hatchery = (pid_t)message.child;
            return MUSTER_OK;
        }
    }
}

/* ---- start and stop ---- */

static muster_err
check_modules(const struct config *config, char **paths, struct muster_error *error)
{
    muster_err err = MUSTER_OK;

    for (uint32_t i = 0; i < config->modules.count && !err; i++)
        err = module_check(config->modules.items[i], &paths[i], error);
    return err;
}

static muster_err
hatchery_fork(const struct config *config, const struct spawn_user *user, char **paths,
              struct hatched_functions *hatched, struct muster_error *error)
{
    int   sockets[2];
    pid_t pid, parent = getpid();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_errno(error, MUSTER_ERR_IO, "make a socket for the modules");
    pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
            _exit(0);
        hatchery_process(config, user, (const char *const *)paths, sockets[1]);
    }
    close(sockets[1]);
    if (pid < 0) {
        close(sockets[0]);
        return error_errno(error, MUSTER_ERR_IO, "make a process for the modules");
    }
    hatched->socket = sockets[0];
    hatched->pid = pid;
    return MUSTER_OK;
}

muster_err
hatching_start(const struct config *config, const struct spawn_user *user,
               struct hatched_functions *hatched_out, struct muster_error *error)
{
    struct hatched_functions hatched = { .socket = -1 };
    char                    *paths[MODULES_MAX + 1] = { NULL };
    muster_err               err;

    *hatched_out = hatched;
    if (config->modules.count == 0 && config->functions_fd < 0)
        return MUSTER_OK;
    err = check_modules(config, paths, error);
    if (!err && config->functions_fd >= 0)
        hatched.socket = config->functions_fd;
    else if (!err)
        err = hatchery_fork(config, user, paths, &hatched, error);
    if (!err)
        err = hatching_wait(&hatched, config->start_limit_ms, error);
    for (uint32_t i = 0; i < MODULES_MAX; i++)
        free(paths[i]);
    if (err) {
        hatching_stop(&hatched, false);
        return err;
    }
    *hatched_out = hatched;
    return MUSTER_OK;
}

/* It ends because its socket did; somebody may have stopped it. */
static void
hatchery_wait(pid_t pid)
{
    struct pollfd ended = { .fd = pidfd_open(pid, 0), .events = POLLIN };

    kill(pid, SIGCONT);
    if (ended.fd < 0 || poll(&ended, 1, HATCHING_LEAVE_MS) <= 0)
        kill(pid, SIGKILL);
    if (ended.fd >= 0)
        close(ended.fd);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void
hatching_stop(struct hatched_functions *hatched, bool again)
{
    if (hatched->socket >= 0 && !(again && hatched->pid == 0))
        close(hatched->socket);
    if (hatched->pid > 0)
        hatchery_wait(hatched->pid);
    setting_list_free(&hatched->names);
    *hatched = (struct hatched_functions){ .socket = -1 };
}
