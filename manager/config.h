/* config.h - the manager's settings (the table is in config.c) */
#ifndef MANAGER_CONFIG_H
#define MANAGER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "errors.h"

enum config_store { CONFIG_STORE_SQLITE, CONFIG_STORE_MEMORY };

struct config {
    const char *dir;
    const char *listen;
    uint32_t    store;               /* enum config_store */
    bool        replace;
    bool        ephemeral;           /* remove dir at the end */
    int         lifeline_fd;         /* -1: none */
    int         ready_fd;            /* -1: none */
    uint32_t    lease_ms;
    uint32_t    session_ms;
    uint32_t    history_jobs;
    uint32_t    jobs_per_user;
    uint32_t    sessions_max;
    uint32_t    objects_max;
    uint64_t    object_bytes_max;
    uint32_t    connections_max;
    uint64_t    cache_bytes;
    uint64_t    free_bytes_min;
    uint64_t    log_bytes_max;       /* of the store's log, before a checkpoint */
    uint32_t    log_level;
    uint64_t    log_kept_bytes;      /* of lines that workers and the manager logged */
};

/* Defaults, then environment, then argv; checked.  Errors: INVALID. */
muster_err config_read(struct config *config, int argc, char **argv, struct muster_error *error);
/* The text of --help on stdout. */
void       config_help(void);

#endif
