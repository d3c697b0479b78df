/* main.c - muster-worker: start and stop
 *
 * 1. Hatchery and nursery are forked before any key, thread or ZeroMQ context exists,
 *    and nothing is forked here afterwards.
 * 2. When the nursery is killed this program gives its leases back and executes
 *    itself anew: that is the only way to a process that may fork again.
 */
#include <errno.h>
#include <grp.h>
#include <linux/limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "cgroup.h"
#include "clock.h"
#include "config.h"
#include "hatchery.h"
#include "log.h"
#include "loop.h"
#include "parse.h"
#include "scratch.h"

enum { RESTARTS_MAX = 5, RESTART_FORGET_MS = 60000 };

#define RESTARTS_ENV "MUSTER_WORKER_RESTARTS"

/* Who tasks run as. */
static muster_err
user_find(const char *name, struct spawn_user *user_out, struct muster_error *error)
{
    struct spawn_user    user = { .switches = true, .group_count = 64 };
    const struct passwd *entry;

    *user_out = (struct spawn_user){ 0 };
    if (name == NULL)
        return MUSTER_OK;
    if (geteuid() != 0)
        return error_set(error, MUSTER_ERR_INVALID,
                         "--task-user: only a worker started as root can run tasks as %s", name);
    errno = 0;
    entry = getpwnam(name);
    if (entry == NULL)
        return error_set(error, MUSTER_ERR_INVALID, "--task-user: there is no user %s", name);
    user.uid = entry->pw_uid;
    user.gid = entry->pw_gid;
    snprintf(user.name, sizeof(user.name), "%s", entry->pw_name);
    snprintf(user.home, sizeof(user.home), "%s", entry->pw_dir);
    if (getgrouplist(name, user.gid, user.groups, &user.group_count) < 0)
        return error_set(error, MUSTER_ERR_INVALID, "--task-user: %s is in more than 64 groups",
                         name);
    *user_out = user;
    return MUSTER_OK;
}

/* What is made before anything else. */
struct prepared {
    struct spawn_user        user;
    struct hatched_functions hatched;
    struct nursery           nursery;
    char                     scratch[PATH_MAX], cgroup[PATH_MAX];
};

static muster_err
worker_run(const struct config *config, struct prepared *made, bool *restart_out,
           struct muster_error *error)
{
    struct loop_parts parts = { .config = config, .nursery = &made->nursery,
                                .hatched = &made->hatched, .scratch = made->scratch,
                                .user = &made->user,
                                .again = getenv(RESTARTS_ENV) != NULL };
    struct loop      *loop = NULL;
    struct key       *key = NULL;
    muster_err        err = auth_start(error);

    if (!err)
        err = key_file_load(config->authkey_file, &key, error);
    if (!err && key_role(key) != AUTH_ROLE_WORKER)
        err = error_set(error, MUSTER_ERR_DENIED,
                        "%s holds a key of role %s; a worker needs one made with "
                        "`muster key add --role worker`", config->authkey_file,
                        auth_role_name(key_role(key)));
    if (!err) {
        parts.key = key;
        err = loop_open(&parts, &loop, error);
    }
    if (!err)
        err = loop_run(loop, restart_out, error);
    loop_close(loop);
    key_free(key);
    return err;
}

/* Before anything else: signals wait for the loop, hatchery and nursery are forked. */
static muster_err
worker_prepare(const struct config *config, struct prepared *made, struct muster_error *error)
{
    struct nursery_config parts = { .scratch = made->scratch, .cgroup = made->cgroup,
                                    .user = &made->user };
    sigset_t              blocked;
    muster_err            err;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    err = user_find(config->task_user, &made->user, error);
    if (!err)
        err = hatching_start(config, &made->user, &made->hatched, error);
    if (err)
        return err;
    if (cgroup_delegate(made->cgroup))
        log_info("memory limits by cgroup v2 in %s", made->cgroup);
    err = scratch_base_make(config->scratch, &made->user, made->scratch, error);
    if (err)
        return err;
    err = nursery_start(&parts, &made->nursery, error);
    if (err)
        rmdir(made->scratch);
    return err;
}

/* --ready-fd was for the first start: its descriptor is closed. */
static void
forget_ready_fd(char **argv)
{
    char **to = argv;

    for (char **from = argv; *from != NULL; from++) {
        if (strcmp(*from, "--ready-fd") == 0 && from[1] != NULL)
            from++;
        else if (strncmp(*from, "--ready-fd=", 11) != 0)
            *to++ = *from;
    }
    *to = NULL;
    unsetenv("MUSTER_WORKER_READY_FD");
}

/* Returns only when it cannot. */
static muster_err
worker_again(char **argv, uint64_t started_ms, struct muster_error *error)
{
    const char *text = getenv(RESTARTS_ENV);
    uint64_t    restarts = 0;
    char        number[24];

    if (clock_now_ms() < started_ms + RESTART_FORGET_MS && text != NULL)
        parse_u64(text, RESTARTS_MAX, &restarts);
    if (restarts >= RESTARTS_MAX)
        return error_set(error, MUSTER_ERR_INTERNAL,
                         "the nursery was killed %d times in a row; who does that?",
                         RESTARTS_MAX + 1);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)restarts + 1);
    setenv(RESTARTS_ENV, number, 1);
    forget_ready_fd(argv);
    execv("/proc/self/exe", argv);
    return error_errno(error, MUSTER_ERR_INTERNAL, "cannot start anew");
}

static muster_err
worker_main(const struct config *config, char **argv, struct muster_error *error)
{
    struct prepared made = { .hatched = { .socket = -1 }, .nursery = { .socket = -1 } };
    uint64_t        started_ms = clock_now_ms();
    bool            restart = false;
    muster_err      err;

    err = worker_prepare(config, &made, error);
    if (!err)
        err = worker_run(config, &made, &restart, error);
    hatching_stop(&made.hatched, !err && restart);
    nursery_stop(&made.nursery);
    if (!err && restart)
        err = worker_again(argv, started_ms, error);
    return err;
}

int
main(int argc, char **argv)
{
    struct config       config;
    struct muster_error error = { 0 };
    muster_err          err;

    if (argc > 1 && strcmp(argv[1], HATCHERY_CHILD_OPTION) == 0)
        hatchery_spawned(argv + 2);
    if (settings_asked(argc, argv, "--help")) {
        config_help();
        return EXIT_SUCCESS;
    }
    if (settings_asked(argc, argv, "--version")) {
        puts("muster-worker " MUSTER_VERSION);
        return EXIT_SUCCESS;
    }
    err = config_read(&config, argc, argv, &error);
    if (!err) {
        log_start("muster-worker", (enum log_level)config.log_level);
        err = worker_main(&config, argv, &error);
    }
    error_tell("muster-worker", err, &error);
    config_free(&config);
    return muster_err_exit_status(err);
}
