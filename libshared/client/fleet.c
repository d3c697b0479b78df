/* fleet.c - a private manager and worker for one program
 *
 *   program --lifeline--> worker --lifeline of the manager, held--> manager
 *      `--------lifeline------------------------------------------->---'
 *
 * 1. Everything lies in one private folder.  A janitor removes it when we die
 *    before the manager is there; then the manager does, when it ends
 *    (--ephemeral); and fleet_stop, whoever is first.
 * 2. When the program ends, however it ends, its pipes close.  The worker
 *    holds the manager's, too: so the manager ends after the worker, and the
 *    folder goes when nobody uses it any more.
 */
#include <muster/fleet.h>
#include <muster/key.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "files.h"
#include "fork.h"
#include "janitor.h"
#include "program.h"

enum { FLEET_READY_MS = 10000, FLEET_STOP_MS = 10000, FLEET_MODULES_MAX = 64 };

struct muster_fleet {
    char          *dir;
    char          *address;
    char          *client_key;
    char          *worker_key;
    char          *spool;
    struct janitor janitor;
    struct program manager;
    struct program worker;
    struct fork_owner forks;
    bool           copy;             /* in a child of fork() */
};

/* ---- fork() ---- */

static void
fleet_leave(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The copy holds nothing alive and ends nothing. */
static void
fleet_fork_child(struct fork_owner *owner)
{
    struct muster_fleet *fleet = CONTAINER(owner, struct muster_fleet, forks);
    struct program      *programs[] = { &fleet->manager, &fleet->worker };

    for (size_t i = 0; i < 2; i++) {
        fleet_leave(&programs[i]->lifeline);
        fleet_leave(&programs[i]->ready);
        programs[i]->pid = 0;
    }
    if (fleet->janitor.pid != 0) {
        fleet_leave(&fleet->janitor.pipe[0]);
        fleet_leave(&fleet->janitor.pipe[1]);
    }
    fleet->janitor.pid = 0;
    fleet->copy = true;
}

static muster_err
fleet_program(struct muster_fleet *fleet, struct program *program, const char *name,
              const char *const *args, int held_fd, struct muster_error *error)
{
    muster_err err;

    forks_pause();
    err = program_start(program, name, fleet->dir, args, held_fd, error);
    forks_resume();
    return err ? err : program_ready(program, FLEET_READY_MS, error);
}

/* ---- start, stop ---- */

static char *
fleet_text(const char *before, const char *middle, const char *after)
{
    struct buffer text = { 0 };

    buffer_printf(&text, "%s%s%s", before, middle, after);
    (void)buffer_text(&text);
    return (char *)text.data;
}

/* The path of a socket is short, so a deep TMPDIR cannot be used.  Not below
 * XDG_RUNTIME_DIR: that is small and in memory, often mounted noexec, and the
 * scratch folders of tasks lie here. */
static muster_err
fleet_make_dir(struct muster_fleet *fleet, struct muster_error *error)
{
    const size_t bytes_max =
        sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof("/manager.sock");
    const char  *places[] = { getenv("TMPDIR"), "/tmp" };
    muster_err   err = MUSTER_ERR_IO;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *dir;

        if (places[i] == NULL || places[i][0] != '/')
            continue;
        dir = fleet_text(places[i], "/muster-", "XXXXXX");
        if (strlen(dir) <= bytes_max)
            err = janitor_start(&fleet->janitor, dir, error);
        if (!err) {
            fleet->dir = dir;
            return MUSTER_OK;
        }
        free(dir);
    }
    return err;
}

static muster_err
fleet_start_manager(struct muster_fleet *fleet, struct muster_error *error)
{
    const char *const args[] = { "--dir", fleet->dir, "--listen", fleet->address,
                                 "--store", "memory", "--ephemeral", "--log-level", "warn",
                                 "--lifeline-fd", "3", "--ready-fd", "4", NULL };

    return fleet_program(fleet, &fleet->manager, "muster-manager", args, -1, error);
}

static muster_err
fleet_start_worker(struct muster_fleet *fleet, const struct muster_fleet_options *options,
                   struct muster_error *error)
{
    char        count[16];
    long        cores = sysconf(_SC_NPROCESSORS_ONLN);
    const char *const fixed[] = { "--connect", fleet->address, "--authkey-file", fleet->worker_key,
                                  "--cpus", count, "--spool", fleet->spool,
                                  "--scratch", fleet->dir, "--log-level", "warn",
                                  "--on-manager-lost", "stop",
                                  "--lifeline-fd", "3", "--ready-fd", "4" };
    const char *args[sizeof(fixed) / sizeof(fixed[0]) + 2 * FLEET_MODULES_MAX + 1];
    size_t      at = sizeof(fixed) / sizeof(fixed[0]);
    uint32_t    cpus = options->cpus;

    if (cpus == 0)
        cpus = cores > 0 ? (uint32_t)cores : 1;
    (void)snprintf(count, sizeof(count), "%u", (unsigned)cpus);
    memcpy(args, fixed, sizeof(fixed));
    for (size_t i = 0; options->modules != NULL && options->modules[i] != NULL; i++) {
        args[at++] = "--module";
        args[at++] = options->modules[i];
    }
    args[at] = NULL;
    return fleet_program(fleet, &fleet->worker, "muster-worker", args, fleet->manager.lifeline,
                         error);
}

static muster_err
fleet_check(const struct muster_fleet_options *options, struct muster_error *error)
{
    size_t modules = 0;

    while (options->modules != NULL && options->modules[modules] != NULL)
        modules++;
    if (modules > FLEET_MODULES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "more than %d modules", FLEET_MODULES_MAX);
    if (modules > 0 && options->manager_only)
        return error_set(error, MUSTER_ERR_INVALID, "modules are for a worker, and none is wanted");
    return MUSTER_OK;
}

muster_err
muster_fleet_start(const struct muster_fleet_options *options, struct muster_fleet **fleet_out,
                   struct muster_error *error)
{
    static_assert(PROGRAM_LIFELINE_FD == 3 && PROGRAM_READY_FD == 4, "as in the arguments above");
    static const struct muster_fleet_options plain;
    struct muster_fleet *fleet;
    muster_err           err;

    if (options == NULL)
        options = &plain;
    err = fleet_check(options, error);
    if (err)
        return err;
    fleet = base_alloc(sizeof(*fleet));
    fleet->manager.lifeline = fleet->manager.ready = -1;
    fleet->worker.lifeline = fleet->worker.ready = -1;
    fleet->forks.child = fleet_fork_child;
    err = fleet_make_dir(fleet, error);
    if (!err)
        err = fork_watch(&fleet->forks, error);
    if (!err) {
        fleet->address = fleet_text("ipc://", fleet->dir, "/manager.sock");
        fleet->client_key = fleet_text(fleet->dir, "/client", ".authkey");
        fleet->worker_key = fleet_text(fleet->dir, "/worker", ".authkey");
        fleet->spool = fleet_text(fleet->dir, "/spool", "");
        err = muster_key_init(fleet->dir, error);
    }
    if (!err)
        err = fleet_start_manager(fleet, error);
    if (!err)
        janitor_dismiss(&fleet->janitor);
    if (!err && !options->manager_only)
        err = fleet_start_worker(fleet, options, error);
    if (err) {
        muster_fleet_stop(fleet);
        return err;
    }
    *fleet_out = fleet;
    return MUSTER_OK;
}

const char *
muster_fleet_address(const struct muster_fleet *fleet)
{
    return fleet->address;
}

const char *
muster_fleet_authkey_file(const struct muster_fleet *fleet)
{
    return fleet->client_key;
}

const char *
muster_fleet_worker_authkey_file(const struct muster_fleet *fleet)
{
    return fleet->worker_key;
}

void
muster_fleet_stop(struct muster_fleet *fleet)
{
    struct muster_error ignored;

    if (fleet == NULL)
        return;
    fork_forget(&fleet->forks);
    program_stop(&fleet->worker, FLEET_STOP_MS);
    program_stop(&fleet->manager, FLEET_STOP_MS);
    janitor_dismiss(&fleet->janitor);
    if (fleet->dir != NULL && !fleet->copy)
        (void)file_remove_tree(fleet->dir, &ignored);
    free(fleet->dir);
    free(fleet->address);
    free(fleet->client_key);
    free(fleet->worker_key);
    free(fleet->spool);
    free(fleet);
}
