/* config.c - the worker's settings, one row each */
#include "config.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parse.h"
#include "table.h"

#define CONFIG_ENV "MUSTER_WORKER"

enum {
    WINDOW_PER_CPU = 32,
    WINDOW_MIN = 64,
    WINDOW_FUNCTIONS_PER_CPU = 512,       /* calls take microseconds, commands milliseconds */
    WINDOW_FUNCTIONS_MIN = 1024,
    WINDOW_DEFAULT_MAX = 4096,
    OUTPUT_MAX_DEFAULT = OUTPUT_BYTES_MAX - 4 * KIB,
};

static const char *const config_lost[] = { "wait", "finish", "stop", NULL };
static const char *const config_methods[] = { "forkserver", "fork", "spawn", NULL };
static const char *const config_levels[] = { "error", "warn", "info", "debug", NULL };

#define AT(field) offsetof(struct config, field)

static const struct setting config_table[] = {
    { "connect", "ENDPOINT", SETTING_TEXT, AT(connect),
      "the manager: tcp://HOST:PORT or ipc://PATH (required;\nalso $MUSTER_ADDRESS)", NULL },
    { "authkey-file", "FILE", SETTING_TEXT, AT(authkey_file),
      "key of role worker, from `muster key init` or\n"
      "`muster key add` (required; also $MUSTER_AUTHKEY_FILE)", NULL },
    { "name", "NAME", SETTING_TEXT, AT(name), "of this worker; default: the host's name", NULL },
    { "cpus", "N", SETTING_TEXT, AT(cpus),
      "offered to tasks, 0.5 is possible; default: all that\nthis process may use", NULL },
    { "mem", "SIZE", SETTING_SIZE, AT(mem_bytes),
      "offered to tasks; default: what the machine has", NULL },
    { "resource", "NAME=AMOUNT", SETTING_LIST, AT(resources),
      "something else that tasks may need (gpus=2); repeatable", NULL },
    { "label", "NAME=VALUE", SETTING_LIST, AT(labels),
      "what tasks may ask a worker to be (zone=a); repeatable", NULL },
    { "queue", "NAME", SETTING_LIST, AT(queues),
      "serve this queue; repeatable; default: the queue default", NULL },
    { "spool", "DIR", SETTING_TEXT, AT(spool),
      "results wait here while the manager is away; default: a\n"
      "folder by the name in $XDG_STATE_HOME/muster-worker,\n"
      "/var/lib/muster-worker (root) or ~/.local/state", NULL },
    { "scratch", "DIR", SETTING_TEXT, AT(scratch),
      "private folders of running tasks are made below it;\ndefault: $TMPDIR or /tmp", NULL },
    { "on-manager-lost", "wait|finish|stop", SETTING_CHOICE, AT(on_manager_lost),
      "run on and wait for it; finish what runs and exit; stop\n"
      "what runs when its lease ends and exit; default wait",
      config_lost },
    { "idle-timeout", "TIME", SETTING_DURATION, AT(idle_ms),
      "exit after so long without work; default: never", NULL },
    { "grace", "TIME", SETTING_DURATION, AT(grace_ms),
      "what running tasks get when this worker is told to end,\n"
      "and between SIGTERM and SIGKILL, and end hooks of a child;\ndefault 10s", NULL },
    { "output-max", "SIZE", SETTING_SIZE, AT(output_max),
      "the most that a job may ask to keep of each stream of\n"
      "its tasks (a job that asks for nothing gets 1M); default\njust below 2047M", NULL },
    { "task-user", "NAME", SETTING_TEXT, AT(task_user),
      "run tasks as this user (needs root); default: as this\n"
      "worker, so that they could read its key", NULL },
    { "module", "PATH", SETTING_LIST, AT(modules),
      "a task module (shared library) whose functions jobs may\n"
      "call by name; repeatable.  It and its folder must belong\n"
      "to root or to this worker's user, not writable by others", NULL },
    { "start-method", "forkserver|fork|spawn", SETTING_CHOICE, AT(start_method),
      "how children that run functions are made: copies of a\n"
      "process that has loaded the modules, each with start\n"
      "hooks of its own; the same after one run of the hooks;\n"
      "or new processes that load them; default forkserver",
      config_methods },
    { "max-tasks-per-child", "N", SETTING_U32, AT(calls_per_child_max),
      "a new child after so many calls; default: never", NULL },
    { "start-limit", "TIME", SETTING_DURATION, AT(start_limit_ms),
      "modules may take so long to be loaded, start hooks of a\nchild to run, and a child to begin "
      "a call; default 1m",
      NULL },
    { "functions-fd", "FD", SETTING_FD, AT(functions_fd),
      "functions come from the program at the other end of this\n"
      "socket (see muster_worker_serve)", NULL },
    { "window", "N", SETTING_U32, AT(window),
      "short tasks taken in advance; default 32 per cpu, 512 per\n"
      "cpu with functions", NULL },
    { "replace", NULL, SETTING_FLAG, AT(replace),
      "ask the worker that holds the spool folder to drain,\nwait for it, take over", NULL },
    { "log-level", "LEVEL", SETTING_CHOICE, AT(log_level),
      "error, warn, info or debug; default info", config_levels },
    { "ready-fd", "FD", SETTING_FD, AT(ready_fd),
      "write a line to this descriptor when the manager has\nlet us in", NULL },
    { "lifeline-fd", "FD", SETTING_FD, AT(lifeline_fd),
      "stop at once when this descriptor reads end of file", NULL },
    { NULL, NULL, SETTING_FLAG, 0, NULL, NULL },
};

static const struct config config_default = {
    .output_max = OUTPUT_MAX_DEFAULT,
    .grace_ms = 10000,
    .start_limit_ms = 60000,
    .window = UINT32_MAX,
    .log_level = LOG_LEVEL_INFO,
    .lifeline_fd = -1,
    .ready_fd = -1,
    .functions_fd = -1,
};

/* ---- defaults that the machine gives ---- */

static uint32_t
cpus_of_machine(void)
{
    cpu_set_t set;
    int       count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        count = CPU_COUNT(&set);
    if (count <= 0)
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (uint32_t)count * 1000 : 1000;
}

static uint64_t
mem_of_machine(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
}

/* The host's name without its domain, as far as it can be a name in muster. */
static void
host_of_machine(char host[static NAME_BYTES_MAX + 1])
{
    char name[256] = { 0 };

    if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == 0)
        strcpy(name, "worker");
    name[strcspn(name, ".")] = 0;
    snprintf(host, NAME_BYTES_MAX + 1, "%.*s", NAME_BYTES_MAX, name);
    if (!parse_name(slice_text(host), NAME_BYTES_MAX))
        strcpy(host, "worker");
}

/* ---- checks ---- */

static muster_err
check_resources(struct config *config, struct muster_error *error)
{
    if (config->resources.count > RESOURCES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "--resource: more than %d", RESOURCES_MAX);
    for (uint32_t i = 0; i < config->resources.count; i++) {
        const char           *text = config->resources.items[i];
        struct wire_resource *item = &config->resource_items[i];
        const char           *equals = strchr(text, '=');

        if (equals != NULL)
            item->name = slice_of(text, (size_t)(equals - text));
        if (equals == NULL || !parse_name(item->name, NAME_BYTES_MAX) ||
            !parse_u64(equals + 1, UINT64_MAX / 2, &item->amount))
            return error_set(error, MUSTER_ERR_INVALID,
                             "--resource: '%s' is not NAME=AMOUNT, as in gpus=2", text);
        for (uint32_t j = 0; j < i; j++) {
            if (slice_equal(config->resource_items[j].name, item->name))
                return error_set(error, MUSTER_ERR_INVALID, "--resource: '%s' is given twice",
                                 text);
        }
    }
    return MUSTER_OK;
}

static muster_err
check_names(const struct config *config, struct muster_error *error)
{
    if (!parse_name(slice_text(config->name), NAME_BYTES_MAX))
        return error_set(error, MUSTER_ERR_INVALID,
                         "--name: '%s' is not 1 to %d of letters, digits, . _ -", config->name,
                         NAME_BYTES_MAX);
    if (config->labels.count > LABELS_MAX || config->queues.count > QUEUES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "--label or --queue: more than %d", LABELS_MAX);
    for (uint32_t i = 0; i < config->labels.count; i++) {
        struct slice label = slice_text(config->labels.items[i]);

        if (label.bytes > LABEL_BYTES_MAX || !parse_utf8(label) || label.bytes == 0 ||
            strchr(config->labels.items[i], '=') == NULL)
            return error_set(error, MUSTER_ERR_INVALID, "--label: '%s' is not NAME=VALUE, as in "
                             "zone=a", config->labels.items[i]);
    }
    for (uint32_t i = 0; i < config->queues.count; i++) {
        if (!parse_name(slice_text(config->queues.items[i]), NAME_BYTES_MAX))
            return error_set(error, MUSTER_ERR_INVALID, "--queue: '%s' is not a name",
                             config->queues.items[i]);
    }
    return MUSTER_OK;
}

static muster_err
check_functions(const struct config *config, struct muster_error *error)
{
    if (config->modules.count > MODULES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "--module: more than %d", MODULES_MAX);
    if (config->modules.count > 0 && config->functions_fd >= 0)
        return error_set(error, MUSTER_ERR_INVALID, "functions come from --module or from "
                         "--functions-fd, not from both");
    if (config->start_limit_ms == 0)
        return error_set(error, MUSTER_ERR_INVALID, "--start-limit: must be above 0");
    return MUSTER_OK;
}

static muster_err
check_amounts(struct config *config, struct muster_error *error)
{
    uint64_t milli = cpus_of_machine();

    if (config->cpus != NULL &&
        (!parse_milli(config->cpus, &milli) || milli == 0 || milli > CPUS_MILLI_MAX))
        return error_set(error, MUSTER_ERR_INVALID,
                         "--cpus: '%s' is not a number above 0, at most %d", config->cpus,
                         CPUS_MILLI_MAX / 1000);
    config->cpus_milli = (uint32_t)milli;
    if (config->mem_bytes == 0)
        config->mem_bytes = mem_of_machine();
    if (config->output_max == 0 || config->output_max > OUTPUT_BYTES_MAX - 4 * KIB)
        return error_set(error, MUSTER_ERR_INVALID, "--output-max: between 1 and just below %u MiB",
                         OUTPUT_BYTES_MAX / MIB);
    if (config->window == UINT32_MAX) {
        bool     functions = config->modules.count > 0 || config->functions_fd >= 0;
        uint32_t least = functions ? WINDOW_FUNCTIONS_MIN : WINDOW_MIN;

        config->window = config->cpus_milli / 1000 *
                         (functions ? WINDOW_FUNCTIONS_PER_CPU : WINDOW_PER_CPU);
        if (config->window < least)
            config->window = least;
        if (config->window > WINDOW_DEFAULT_MAX)
            config->window = WINDOW_DEFAULT_MAX;
    }
    if (config->window > WINDOW_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "--window: at most %d", WINDOW_MAX);
    return MUSTER_OK;
}

muster_err
config_read(struct config *config, int argc, char **argv, struct muster_error *error)
{
    muster_err err;

    *config = config_default;
    /* What the other programs of muster understand works here too. */
    config->connect = getenv("MUSTER_ADDRESS");
    config->authkey_file = getenv("MUSTER_AUTHKEY_FILE");
    err = settings_read(config_table, CONFIG_ENV, argc, argv, config, error);
    if (err)
        return err;
    if (config->connect == NULL || config->connect[0] == 0)
        return error_set(error, MUSTER_ERR_INVALID, "--connect is missing: the manager's address, "
                         "as in tcp://head:7717");
    if (config->authkey_file == NULL || config->authkey_file[0] == 0)
        return error_set(error, MUSTER_ERR_INVALID, "--authkey-file is missing; `muster key init` "
                         "makes a worker.authkey");
    host_of_machine(config->host);
    if (config->name == NULL)
        config->name = config->host;
    err = check_names(config, error);
    if (!err)
        err = check_functions(config, error);
    if (!err)
        err = check_resources(config, error);
    if (!err)
        err = check_amounts(config, error);
    return err;
}

void
config_free(struct config *config)
{
    setting_list_free(&config->resources);
    setting_list_free(&config->labels);
    setting_list_free(&config->queues);
    setting_list_free(&config->modules);
}

void
config_help(void)
{
    puts("Usage: muster-worker --connect ENDPOINT --authkey-file FILE [options]\n"
         "\n"
         "Runs tasks for a manager.  Stays in the foreground; SIGTERM or Ctrl-C lets\n"
         "running tasks end within --grace and gives the rest back, a second one stops\n"
         "at once.  When the manager is away it runs on, keeps results and comes back.\n"
         "\n"
         "Options (each may also be set as the environment variable in brackets):");
    settings_help(stdout, config_table, CONFIG_ENV);
    puts("  --version                   print the version\n"
         "  --help                      print this\n"
         "\n"
         "Examples:\n"
         "  muster-worker --connect tcp://head:7717 --authkey-file worker.authkey\n"
         "  muster-worker --connect tcp://head:7717 --authkey-file worker.authkey \\\n"
         "      --name node7 --cpus 16 --mem 60G --resource gpus=2 --label zone=a\n"
         "  muster-worker ... --task-user batch            # as root: tasks cannot read the key\n"
         "  muster-worker ... --module ./square.so         # functions of <muster/function.h>\n"
         "  muster-worker ... --idle-timeout 10m --on-manager-lost finish   # on a batch node\n"
         "\n"
         "Exit status: 0 ended as asked, 2 usage, 67 the key has another role, 68 it belongs to\n"
         "another manager, 69 the manager is lost, 72 the disk is full, 73 another worker holds\n"
         "the spool folder, 76 a manager of another version, 77 the manager refused the key,\n"
         "78 the key file is damaged or unsafe.");
}
