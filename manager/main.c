/* main.c - muster-manager: start and stop */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth.h"
#include "config.h"
#include "files.h"
#include "instance.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "settings.h"

static muster_err
manager_run(const struct config *config, struct muster_error *error)
{
    struct loop *loop = NULL;
    int          lock_fd = -1;
    muster_err   err;

    err = auth_start(error);
    if (err)
        return err;
    err = instance_hold(config, &lock_fd, error);
    if (err)
        return err;
    err = loop_open(config, &loop, error);
    if (err)
        goto out;
    log_info("ready on %s, pid %d", loop_endpoint(loop), (int)getpid());
    notify_ready(config->ready_fd);
    err = loop_run(loop, error);
    notify_stopping();
out:
    loop_close(loop);
    if (config->ephemeral) {
        struct muster_error ignored = { 0 };

        if (file_remove_tree(config->dir, &ignored))
            log_warn("%s stays behind: %s", config->dir, ignored.detail);
    }
    close(lock_fd);
    return err;
}

int
main(int argc, char **argv)
{
    struct config       config;
    struct muster_error error = { 0 };
    muster_err          err;

    if (settings_asked(argc, argv, "--help")) {
        config_help();
        return EXIT_SUCCESS;
    }
    if (settings_asked(argc, argv, "--version")) {
        puts("muster-manager " MUSTER_VERSION);
        return EXIT_SUCCESS;
    }
    err = config_read(&config, argc, argv, &error);
    if (!err) {
        log_start("muster-manager", (enum log_level)config.log_level);
        err = manager_run(&config, &error);
    }
    error_tell("muster-manager", err, &error);
    return muster_err_exit_status(err);
}
