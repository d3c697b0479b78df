/* worker.h - the fleet as the manager sees it */
#ifndef MUSTER_WORKER_H
#define MUSTER_WORKER_H

#include <muster/job.h>

#ifdef __cplusplus
extern "C" {
#endif

enum muster_worker_state { MUSTER_WORKER_ACTIVE, MUSTER_WORKER_DRAINING, MUSTER_WORKER_AWAY };
MUSTER_API const char *muster_worker_state_name(enum muster_worker_state state);

struct muster_worker_info {
    uint64_t session;
    char     name[65], host[65], user[65];
    uint32_t pid;
    enum muster_worker_state state;
    uint64_t heard_ms;                    /* so long ago */
    uint32_t cpus_milli, cpus_free_milli;
    uint64_t mem_bytes, mem_free_bytes;
    uint32_t running, waiting;
    uint64_t finished;
    char    *resources, *labels, *queues; /* comma-separated, for people; never NULL */
    char    *functions;                   /* of its task modules, the same way */
};
/* Free with muster_worker_list_free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_worker_list(struct muster_session *session, uint32_t timeout_ms,
                   struct muster_worker_info **infos_out, size_t *count_out,
                   struct muster_error *error);
MUSTER_API void muster_worker_list_free(struct muster_worker_info *infos, size_t count);
/* No new leases (or again); role admin.  NOT_FOUND when no worker has this name. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_worker_drain(struct muster_session *session, const char *worker, bool draining,
                    uint32_t timeout_ms, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
