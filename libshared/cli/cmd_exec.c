/* cmd_exec.c - muster manager, muster worker: become the program of that name */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "commands.h"

/* Beside this program first: an uninstalled or relocated tree stays together. */
static void
exec_find_beside(const char *program, char path[static PATH_MAX])
{
    char    self[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char   *slash;

    path[0] = '\0';
    if (bytes < 0)
        return;
    self[bytes] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL || (size_t)(slash - self) + strlen(program) + 2 > PATH_MAX)
        return;
    *slash = '\0';
    strcpy(path, self);
    strcat(path, "/");
    strcat(path, program);
}

static int
exec_program(const char *program, struct operands *operands)
{
    char                path[PATH_MAX];
    char              **argv = base_array((size_t)operands->count + 2, sizeof(*argv));
    struct muster_error error = { 0 };

    argv[0] = base_text_copy(slice_text(program));
    memcpy(argv + 1, operands->items, (size_t)operands->count * sizeof(*argv));
    exec_find_beside(program, path);
    if (path[0] != '\0')
        execv(path, argv);
    execvp(program, argv);
    error_errno(&error, MUSTER_ERR_NOT_FOUND, "beside this program and in PATH");
    free(argv[0]);
    free(argv);
    return cli_fail(&error, "start", "%s", program);
}

static const struct exit_row exec_exits[] = {
    { "66", "the program was not found" },
    { "other", "those of the program" },
    EXITS_END,
};

static int
manager_run(struct cli *cli, void *settings, struct operands *operands)
{
    (void)cli;
    (void)settings;
    return exec_program("muster-manager", operands);
}

static const struct example manager_examples[] = {
    { "make keys, then host the fleet", "muster key init ~/muster\n"
                                        "muster manager --dir ~/muster --listen "
                                        "tcp://0.0.0.0:7717" },
    { "all its options", "muster manager --help" },
    EXAMPLES_END,
};

const struct command command_manager = {
    .name = "manager",
    .usage = "[options of muster-manager]",
    .summary = "run the manager (muster-manager)",
    .text =
        "Becomes muster-manager, found beside this program or in PATH, with the same "
        "arguments. See muster-manager(8).",
    .groups = command_no_options,
    .examples = manager_examples,
    .exits = exec_exits,
    .passes_all = true,
    .run = manager_run,
};

static int
worker_run(struct cli *cli, void *settings, struct operands *operands)
{
    (void)cli;
    (void)settings;
    return exec_program("muster-worker", operands);
}

static const struct example worker_examples[] = {
    { "lend this machine to the fleet",
      "muster worker --connect tcp://head:7717 --authkey-file worker.authkey" },
    { "all its options", "muster worker --help" },
    EXAMPLES_END,
};

const struct command command_worker = {
    .name = "worker",
    .usage = "[options of muster-worker]",
    .summary = "run a worker (muster-worker)",
    .text =
        "Becomes muster-worker, found beside this program or in PATH, with the same "
        "arguments. See muster-worker(8).",
    .groups = command_no_options,
    .examples = worker_examples,
    .exits = exec_exits,
    .passes_all = true,
    .run = worker_run,
};
