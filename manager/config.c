/* config.c - the manager's settings, one row each */
#include "config.h"

#include <stddef.h>
#include <stdio.h>

#include "limits.h"
#include "log.h"
#include "settings.h"

#define CONFIG_ENV "MUSTER_MANAGER"

static const char *const config_stores[] = { "sqlite", "memory", NULL };
static const char *const config_levels[] = { "error", "warn", "info", "debug", NULL };

#define AT(field) offsetof(struct config, field)

static const struct setting config_table[] = {
    { "dir", "DIR", SETTING_TEXT, AT(dir),
      "state directory with manager.key and authorized_keys,\n"
      "as `muster key init DIR` makes it (required)", NULL },
    { "listen", "ENDPOINT", SETTING_TEXT, AT(listen),
      "tcp://ADDRESS:PORT or ipc://PATH;\ndefault tcp://127.0.0.1:7717, this machine alone", NULL },
    { "replace", NULL, SETTING_FLAG, AT(replace),
      "ask the manager that holds DIR to stop, wait, take over", NULL },
    { "store", "sqlite|memory", SETTING_CHOICE, AT(store),
      "memory keeps nothing over a restart; default sqlite", config_stores },
    { "lease", "TIME", SETTING_DURATION, AT(lease_ms),
      "a worker not heard of for so long is given up;\ndefault 10s", NULL },
    { "session", "TIME", SETTING_DURATION, AT(session_ms),
      "a client's session outlives its connection by it;\ndefault 30s", NULL },
    { "history", "JOBS", SETTING_U32, AT(history_jobs),
      "finished jobs kept with their results; default 10000", NULL },
    { "jobs-per-user", "N", SETTING_U32, AT(jobs_per_user),
      "unfinished jobs of one key; default 1000000", NULL },
    { "sessions-max", "N", SETTING_U32, AT(sessions_max),
      "sessions at once; default 10000", NULL },
    { "objects-max", "N", SETTING_U32, AT(objects_max),
      "shared objects; default 1000000", NULL },
    { "object-bytes-max", "SIZE", SETTING_SIZE, AT(object_bytes_max),
      "memory that shared objects may hold; default 1G", NULL },
    { "connections-max", "N", SETTING_U32, AT(connections_max),
      "connections at once; default and upper bound: what the\nlimit of open files allows", NULL },
    { "cache", "SIZE", SETTING_SIZE, AT(cache_bytes),
      "inputs and outputs kept in memory; default 256M", NULL },
    { "free-min", "SIZE", SETTING_SIZE, AT(free_bytes_min),
      "take no new work with less disk space free than this;\ndefault 64M", NULL },
    { "checkpoint", "SIZE", SETTING_SIZE, AT(log_bytes_max),
      "checkpoint after so much log, or 16384 changed jobs\n"
      "and objects; bounds the time of a restart; default 16M", NULL },
    { "log-level", "LEVEL", SETTING_CHOICE, AT(log_level),
      "error, warn, info or debug; default info", config_levels },
    { "log-keep", "SIZE", SETTING_SIZE, AT(log_kept_bytes),
      "memory for log lines of workers and the manager, which\n`muster logs` shows; default 8M",
      NULL },
    { "ready-fd", "FD", SETTING_FD, AT(ready_fd),
      "write a line to this descriptor when ready", NULL },
    { "lifeline-fd", "FD", SETTING_FD, AT(lifeline_fd),
      "stop when this descriptor reads end of file", NULL },
    { "ephemeral", NULL, SETTING_FLAG, AT(ephemeral),
      "remove DIR at the end (for private fleets)", NULL },
    { NULL, NULL, SETTING_FLAG, 0, NULL, NULL },
};

static const struct config config_default = {
    .listen = "tcp://127.0.0.1:7717",
    .store = CONFIG_STORE_SQLITE,
    .lifeline_fd = -1,
    .ready_fd = -1,
    .lease_ms = LEASE_MS,
    .session_ms = SESSION_MS,
    .history_jobs = 10000,
    .jobs_per_user = 1000000,
    .sessions_max = 10000,
    .objects_max = 1000000,
    .object_bytes_max = 1024ull * MIB,
    .connections_max = UINT32_MAX,
    .cache_bytes = 256ull * MIB,
    .free_bytes_min = 64ull * MIB,
    .log_bytes_max = 16ull * MIB,
    .log_level = LOG_LEVEL_INFO,
    .log_kept_bytes = 8ull * MIB,
};

muster_err
config_read(struct config *config, int argc, char **argv, struct muster_error *error)
{
    muster_err err;

    *config = config_default;
    err = settings_read(config_table, CONFIG_ENV, argc, argv, config, error);
    if (err)
        return err;
    if (config->dir == NULL || config->dir[0] == '\0')
        return error_set(error, MUSTER_ERR_INVALID,
                         "--dir is missing; `muster key init DIR` makes one");
    /* Three beats must fit into a term, or one lost beat would end leases. */
    if (config->lease_ms < LEASE_MS_MIN || config->lease_ms > LEASE_MS_LIMIT)
        return error_set(error, MUSTER_ERR_INVALID, "--lease: between %us and %us",
                         LEASE_MS_MIN / 1000, LEASE_MS_LIMIT / 1000);
    if (config->session_ms < config->lease_ms)
        return error_set(error, MUSTER_ERR_INVALID, "--session: not shorter than --lease");
    return MUSTER_OK;
}

void
config_help(void)
{
    puts("Usage: muster-manager --dir DIR [options]\n"
         "\n"
         "Hosts job queues for workers and clients that hold a key.  Runs in the\n"
         "foreground; SIGTERM stops it after a commit, SIGHUP reloads\n"
         "DIR/authorized_keys.  What it acknowledged survives kill -9.\n"
         "\n"
         "Options (each may also be set as the environment variable in brackets):");
    settings_help(stdout, config_table, CONFIG_ENV);
    puts("  --version                   print the version\n"
         "  --help                      print this\n"
         "\n"
         "Examples:\n"
         "  muster key init /var/lib/muster\n"
         "  # this machine only; the whole network; after an upgrade\n"
         "  muster-manager --dir /var/lib/muster\n"
         "  muster-manager --dir /var/lib/muster --listen tcp://0.0.0.0:7717\n"
         "  muster-manager --dir /var/lib/muster --listen tcp://0.0.0.0:7717 --replace\n"
         "\n"
         "Exit status: 0 stopped as asked, 2 usage, 72 the disk is full, 73 another manager\n"
         "holds DIR or another program the address, 74 the store failed, 78 a key file is\n"
         "damaged or unsafe.");
}
