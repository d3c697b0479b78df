/* fleet.h - a private manager and worker on this machine, for one program
 *
 * Started, used and gone with the program, even when it is killed: both
 * processes hold one end of a pipe and end when the other end closes.  A child of
 * fork() does not own it: stopping it there frees memory and no more.
 */
#ifndef MUSTER_FLEET_H
#define MUSTER_FLEET_H

#include <muster/session.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_fleet;

struct muster_fleet_options {
    uint32_t cpus;              /* slots of the worker; 0 = as many as cores */
    bool     manager_only;      /* no worker: shared objects alone (multiprocessing.Manager) */
    const char *const *modules; /* NULL-terminated paths of task modules for the worker, or NULL */
};

/* Finds muster-manager and muster-worker beside the running program, in
 * ../libexec, then in PATH; the environment variable MUSTER_BINDIR, when set,
 * names the only folder to look in.  Everything lies in a private folder below
 * TMPDIR or /tmp.  Errors: NOT_FOUND, IO (with the last words of the program
 * that failed), TIMEOUT. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_fleet_start(const struct muster_fleet_options *options, struct muster_fleet **fleet_out,
                   struct muster_error *error);
/* For muster_session_open(); live as long as the fleet. */
MUSTER_API const char *muster_fleet_address(const struct muster_fleet *fleet);
MUSTER_API const char *muster_fleet_authkey_file(const struct muster_fleet *fleet);
/* For muster_worker_serve(): a worker of this program's own; lives as long. */
MUSTER_API const char *muster_fleet_worker_authkey_file(const struct muster_fleet *fleet);
/* Stop both, wait for them, remove the private folder. */
MUSTER_API void muster_fleet_stop(struct muster_fleet *fleet);

#ifdef __cplusplus
}
#endif
#endif
