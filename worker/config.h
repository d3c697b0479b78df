/* config.h - the worker's settings (the table is in config.c) */
#ifndef WORKER_CONFIG_H
#define WORKER_CONFIG_H

#include "agent.h"
#include "settings.h"

struct config {
    /* as given */
    const char *connect;
    const char *authkey_file;
    const char *name;
    const char *cpus;
    const char *spool;               /* NULL: a folder by the worker's name */
    const char *scratch;             /* NULL: $TMPDIR or /tmp */
    const char *task_user;           /* NULL: tasks run as the worker */
    uint64_t    mem_bytes;           /* 0: what the machine has */
    uint64_t    output_max;
    uint32_t    on_manager_lost;     /* enum agent_lost */
    uint32_t    idle_ms;             /* 0: never */
    uint32_t    grace_ms;
    uint32_t    window;              /* UINT32_MAX: by the number of cpus */
    uint32_t    log_level;
    uint32_t    start_method;        /* enum hatchery_method */
    uint32_t    calls_per_child_max; /* 0: any number */
    uint32_t    start_limit_ms;
    int         functions_fd;        /* -1: none */
    bool        replace;
    int         lifeline_fd;         /* -1: none */
    int         ready_fd;            /* -1: none */
    struct setting_list resources, labels, queues, modules;
    /* worked out */
    uint32_t    cpus_milli;
    char        host[NAME_BYTES_MAX + 1];
    struct wire_resource resource_items[RESOURCES_MAX];
};

/* Defaults, then environment, then argv; checked.  Errors: INVALID, naming the
 * option.  Free with config_free(). */
muster_err config_read(struct config *config, int argc, char **argv, struct muster_error *error);
void       config_free(struct config *config);
/* The text of --help on stdout. */
void       config_help(void);

#endif
