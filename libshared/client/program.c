/* program.c - see program.h */
#include "program.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "files.h"

extern char **environ;

#define PROGRAM_PATH "/usr/local/bin:/usr/bin:/bin"     /* when there is no PATH */

enum {
    PROGRAM_ARGS_MAX      = 256,
    PROGRAM_FD_MIN        = 16,        /* ours lie above those that the child gets */
    PROGRAM_LOG_BYTES_MAX = 1024 * 1024,
    PROGRAM_TAIL_BYTES    = 300,
    PROGRAM_KILL_MS       = 5000,
};

/* ---- find ---- */

static char *
join(const char *dir, const char *between, const char *name)
{
    struct buffer path = { 0 };

    buffer_printf(&path, "%s%s%s", dir, between, name);
    (void)buffer_text(&path);
    return (char *)path.data;
}

static bool
is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* The folder of the running program, "" when it is not known. */
static void
own_folder(char *dir_out, size_t bytes_max)
{
    ssize_t bytes = readlink("/proc/self/exe", dir_out, bytes_max - 1);
    char   *slash;

    dir_out[bytes > 0 ? bytes : 0] = '\0';
    slash = strrchr(dir_out, '/');
    if (slash != NULL)
        *slash = '\0';
}

static char *
find_beside(const char *name)
{
    /* Installed, then as the build lays programs out (one folder each). */
    static const char *const places[] = { "/", "/../libexec/", "/../libexec/muster/",
                                          "/../../manager/", "/../../worker/" };
    char dir[4096];

    own_folder(dir, sizeof(dir));
    for (size_t i = 0; dir[0] != '\0' && i < sizeof(places) / sizeof(places[0]); i++) {
        char *path = join(dir, places[i], name);

        if (is_program(path))
            return path;
        free(path);
    }
    return NULL;
}

static char *
find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    char       *all = base_text_copy(slice_text(path != NULL ? path : PROGRAM_PATH));
    char       *rest = all;
    char       *found = NULL;
    const char *dir;

    while (found == NULL && (dir = strsep(&rest, ":")) != NULL) {
        if (dir[0] != '/')
            continue;               /* never what happens to lie in the present folder */
        found = join(dir, "/", name);
        if (!is_program(found)) {
            free(found);
            found = NULL;
        }
    }
    free(all);
    return found;
}

muster_err
program_find(const char *name, char **path_out, struct muster_error *error)
{
    const char *dir = getenv("MUSTER_BINDIR");
    char       *path;

    if (dir != NULL && dir[0] != '\0') {
        path = join(dir, "/", name);
        if (is_program(path)) {
            *path_out = path;
            return MUSTER_OK;
        }
        free(path);
        return error_set(error, MUSTER_ERR_NOT_FOUND, "there is no %s in MUSTER_BINDIR=%s", name,
                         dir);
    }
    path = find_beside(name);
    if (path == NULL)
        path = find_in_path(name);
    if (path == NULL)
        return error_set(error, MUSTER_ERR_NOT_FOUND,
                         "%s is neither beside this program nor in ../libexec nor in PATH; "
                         "install it or set MUSTER_BINDIR",
                         name);
    *path_out = path;
    return MUSTER_OK;
}

/* ---- start ---- */

muster_err
program_pipe(int ends_out[2], struct muster_error *error)
{
    int ends[2];
    int high[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_errno(error, MUSTER_ERR_IO, "cannot make a pipe");
    high[0] = fcntl(ends[0], F_DUPFD_CLOEXEC, PROGRAM_FD_MIN);
    high[1] = fcntl(ends[1], F_DUPFD_CLOEXEC, PROGRAM_FD_MIN);
    close(ends[0]);
    close(ends[1]);
    if (high[0] < 0 || high[1] < 0) {
        (void)error_errno(error, MUSTER_ERR_IO, "cannot make a pipe");
        if (high[0] >= 0)
            close(high[0]);
        if (high[1] >= 0)
            close(high[1]);
        return MUSTER_ERR_IO;
    }
    ends_out[0] = high[0];
    ends_out[1] = high[1];
    return MUSTER_OK;
}

static int
spawn_actions(posix_spawn_file_actions_t *actions, const char *log, int lifeline, int ready,
              int held)
{
    int first_free = held >= 0 ? PROGRAM_HELD_FD + 1 : PROGRAM_READY_FD + 1;
    int failed = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (!failed)
        failed = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(actions, 2, log, O_WRONLY | O_CREAT | O_APPEND,
                                                  0600);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(actions, lifeline, PROGRAM_LIFELINE_FD);
    if (!failed)
        failed = posix_spawn_file_actions_adddup2(actions, ready, PROGRAM_READY_FD);
    if (!failed && held >= 0)
        failed = posix_spawn_file_actions_adddup2(actions, held, PROGRAM_HELD_FD);
    if (!failed)
        failed = posix_spawn_file_actions_addclosefrom_np(actions, first_free);
    return failed;
}

static int
spawn_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int      failed;

    sigemptyset(&none);
    sigfillset(&all);
    failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
    if (!failed)
        failed = posix_spawnattr_setsigmask(attributes, &none);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    return failed;
}

/* 0 or an errno. */
static int
spawn(struct program *program, const char *path, const char *const *args, int lifeline, int ready,
      int held)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t          attributes;
    const char                *argv[PROGRAM_ARGS_MAX + 2] = { program->name };
    int                        failed;

    for (size_t i = 0; args[i] != NULL; i++) {
        assert(i < PROGRAM_ARGS_MAX);
        argv[i + 1] = args[i];
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    failed = spawn_actions(&actions, program->log, lifeline, ready, held);
    if (!failed)
        failed = spawn_attributes(&attributes);
    if (!failed)
        failed = posix_spawn(&program->pid, path, &actions, &attributes,
                             (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failed)
        program->pid = 0;
    return failed;
}

static char *
program_log(const char *dir, const char *name)
{
    struct buffer path = { 0 };

    buffer_printf(&path, "%s/%s.log", dir, name);
    (void)buffer_text(&path);
    return (char *)path.data;
}

muster_err
program_start(struct program *program, const char *name, const char *dir, const char *const *args,
              int held_fd, struct muster_error *error)
{
    char      *path = NULL;
    int        lifeline[2] = { -1, -1 };
    int        ready[2] = { -1, -1 };
    int        failed = 0;
    muster_err err;

    *program = (struct program){ .name = name, .lifeline = -1, .ready = -1 };
    err = program_find(name, &path, error);
    if (err)
        return err;
    program->log = program_log(dir, name);
    err = program_pipe(lifeline, error);
    if (!err)
        err = program_pipe(ready, error);
    if (!err) {
        failed = spawn(program, path, args, lifeline[0], ready[1], held_fd);
        errno = failed;
        if (failed)
            err = error_errno(error, MUSTER_ERR_IO, "cannot start %s", path);
    }
    program->lifeline = lifeline[1];
    program->ready = ready[0];
    if (lifeline[0] >= 0)
        close(lifeline[0]);
    if (ready[1] >= 0)
        close(ready[1]);
    free(path);
    return err;
}

/* ---- ready ---- */

/* The last words of its log, on one line. */
static void
program_tail(const struct program *program, struct buffer *out)
{
    struct buffer       log = { 0 };
    struct muster_error ignored;
    struct slice        tail;

    if (file_read(program->log, PROGRAM_LOG_BYTES_MAX, &log, &ignored) != MUSTER_OK)
        log.bytes = 0;
    while (log.bytes > 0 && log.data[log.bytes - 1] == '\n')
        log.bytes--;
    tail = slice_cut(buffer_slice(&log),
                     log.bytes > PROGRAM_TAIL_BYTES ? log.bytes - PROGRAM_TAIL_BYTES : 0, SIZE_MAX);
    buffer_append_slice(out, tail);
    for (size_t i = 0; i < out->bytes; i++) {
        if (out->data[i] == '\n')
            out->data[i] = ' ';
    }
    buffer_free(&log);
}

static muster_err
program_error(const struct program *program, muster_err code, const char *what,
              struct muster_error *error)
{
    struct buffer tail = { 0 };
    muster_err    err;

    program_tail(program, &tail);
    err = error_set(error, code, "%s %s%s%s", program->name, what,
                    tail.bytes > 0 ? "; its last words: " : "", buffer_text(&tail));
    buffer_free(&tail);
    return err;
}

muster_err
program_ready(struct program *program, uint32_t timeout_ms, struct muster_error *error)
{
    uint64_t until_ms = clock_now_ms() + timeout_ms;
    char     word;

    for (;;) {
        struct pollfd fd = { .fd = program->ready, .events = POLLIN };
        uint64_t      now_ms = clock_now_ms();
        ssize_t       bytes;

        if (now_ms >= until_ms)
            return program_error(program, MUSTER_ERR_TIMEOUT, "did not become ready in time",
                                 error);
        if (poll(&fd, 1, (int)(until_ms - now_ms)) <= 0)
            continue;
        bytes = read(program->ready, &word, 1);
        if (bytes < 0 && errno == EINTR)
            continue;
        close(program->ready);
        program->ready = -1;
        if (bytes == 1 && word == '1')
            return MUSTER_OK;
        return program_error(program, MUSTER_ERR_IO, "ended while it started", error);
    }
}

/* ---- stop ---- */

/* False when it has not ended by then.  A program that ignores SIGCHLD has no
 * children to wait for: the kernel has reaped them. */
static bool
program_reap(const struct program *program, uint32_t timeout_ms)
{
    int      fd = pidfd_open(program->pid, 0);
    uint64_t until_ms = clock_now_ms() + timeout_ms;
    pid_t    reaped = 0;

    for (;;) {
        uint64_t      now_ms = clock_now_ms();
        struct pollfd wait = { .fd = fd, .events = POLLIN };

        reaped = waitpid(program->pid, NULL, WNOHANG);
        if (reaped != 0 && !(reaped < 0 && errno == EINTR))
            break;
        if (now_ms >= until_ms)
            break;
        /* Without a pidfd (an old kernel) look every few milliseconds. */
        (void)poll(&wait, 1, fd >= 0 ? (int)(until_ms - now_ms) : 5);
    }
    if (fd >= 0)
        close(fd);
    return reaped != 0;
}

void
program_stop(struct program *program, uint32_t timeout_ms)
{
    if (program->lifeline >= 0)
        close(program->lifeline);
    if (program->ready >= 0)
        close(program->ready);
    program->lifeline = -1;
    program->ready = -1;
    if (program->pid > 0 && !program_reap(program, timeout_ms)) {
        (void)kill(program->pid, SIGKILL);
        (void)program_reap(program, PROGRAM_KILL_MS);
    }
    program->pid = 0;
    free(program->log);
    program->log = NULL;
}
