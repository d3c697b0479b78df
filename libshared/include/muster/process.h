/* process.h - one process on some worker of the fleet (multiprocessing.Process)
 *
 * Its target is a command or a function (function.h).  See task.h for what a
 * process knows of itself.  One thread at a time uses a process.  Free it before its
 * session is closed.
 */
#ifndef MUSTER_PROCESS_H
#define MUSTER_PROCESS_H

#include <muster/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct muster_process;

struct muster_process_options {
    const char *const *args;     /* a command, NULL-terminated; or */
    const char *function;        /* a function of a task module ... */
    const void *data;            /* ... and its argument; of a command: standard input */
    size_t      bytes;           /* at most 64 MiB */
    const struct muster_named *named;  size_t named_count;   /* kwargs, of a function */
    const char *const *env;      /* NULL-terminated NAME=VALUE, or NULL */
    const char *cwd;
    const char *name;            /* NULL: Process-N; need not be unique */
    bool        daemon;          /* ends with the session that started it; also when the
                                  * process that makes it is a daemon */
    const char *queue;
    uint32_t    cpus_milli;      /* 0 = 1000 */
    uint64_t    mem_bytes;
    uint32_t    time_limit_ms;   /* 0 = none */
    uint32_t    attempts_max;    /* 0 = 1 */
    bool        own_key;         /* it gets a key file of its own, and may so start processes,
                                  * use queues ...: see task.h */
};
/* Not started yet; no request.  INVALID. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_new(struct muster_session *session, const struct muster_process_options *options,
                   struct muster_process **process_out, struct muster_error *error);
/* Returns when the manager has accepted it for good.  STATE: it was started before, or
 * this program is a daemonic process itself. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_start(struct muster_process *process, uint32_t timeout_ms,
                     struct muster_error *error);
/* Wait for its end.  OK also when the time is over: see is_alive.  STATE: not started;
 * or it is this process itself. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_join(struct muster_process *process, uint32_t timeout_ms,
                    struct muster_error *error);
/* From start until its end is recorded. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_is_alive(struct muster_process *process, uint32_t timeout_ms, bool *alive_out,
                        struct muster_error *error);
/* On the worker's machine.  0 and "" before it runs. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_pid(struct muster_process *process, uint32_t timeout_ms, uint32_t *pid_out,
                   char worker_out[65], struct muster_error *error);
/* n of exit(n), -N: ended by signal N.  *ended_out false: it has none yet.  One that was
 * terminated or killed before it ran has -SIGTERM or -SIGKILL, and one that was lost with
 * its workers has -SIGKILL. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_exitcode(struct muster_process *process, uint32_t timeout_ms, bool *ended_out,
                        int32_t *exitcode_out, struct muster_error *error);
/* SIGTERM (then SIGKILL), or SIGKILL at once, to it and all its descendants. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_terminate(struct muster_process *process, uint32_t timeout_ms,
                         struct muster_error *error);
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_kill(struct muster_process *process, uint32_t timeout_ms,
                    struct muster_error *error);
/* STATE: it runs.  Any later use but free: STATE. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_close(struct muster_process *process, uint32_t timeout_ms,
                     struct muster_error *error);
/* A descriptor that polls readable once it has ended; it belongs to the process.
 * Negative: not started, or none could be made. */
MUSTER_API int muster_process_sentinel(struct muster_process *process);
MUSTER_API const char *muster_process_name(const struct muster_process *process);
/* INVALID: an empty name. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_set_name(struct muster_process *process, const char *name,
                        struct muster_error *error);
MUSTER_API bool muster_process_daemon(const struct muster_process *process);
/* STATE: it was started. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_set_daemon(struct muster_process *process, bool daemon,
                          struct muster_error *error);
/* Its task; job 0 before it was started. */
MUSTER_API struct muster_task_id muster_process_id(const struct muster_process *process);
/* Standard output and error of a command, the result of a function: as of a future. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_result(struct muster_process *process, uint32_t timeout_ms,
                      struct muster_result **result_out, struct muster_error *error);
/* The handle; the process goes on (a daemon until its session ends). */
MUSTER_API void muster_process_free(struct muster_process *process);

/* Processes that this session started, that have not ended and were not freed; an array
 * for free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_process_active(struct muster_session *session, uint32_t timeout_ms,
                      struct muster_process ***processes_out, size_t *count_out,
                      struct muster_error *error);

/* ---- connection.wait: any mix, of one session ---- */
struct muster_connection;
struct muster_waitable {         /* one of them */
    struct muster_connection *connection;
    struct muster_process    *process;
    struct muster_future     *future;
    bool                      ready;     /* told here */
};
/* How many are ready; 0 when the time is over.  INVALID; STATE: a process was not started. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_wait(struct muster_session *session, struct muster_waitable *waitables, size_t count,
            uint32_t timeout_ms, size_t *ready_out, struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
