/* job.h - submit jobs, feed them, follow their results
 *
 * A job is an array of tasks made from one description.  Tasks have indexes
 * 0 .. N-1 here; the number that people see is number_first + index * number_step.
 * Durations are milliseconds, sizes are bytes.  Strings given are borrowed for
 * the call.  On error every out-parameter is left untouched.
 */
#ifndef MUSTER_JOB_H
#define MUSTER_JOB_H

#include <muster/session.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MUSTER_TASKS_MAX 1000000000u
#define MUSTER_OUTPUT_BYTES_MAX 2146435072u     /* 2047 MiB */

struct muster_resource { const char *name; uint64_t amount; };
struct muster_range    { uint32_t first, last; };      /* indexes, both included */
struct muster_named    { const char *name; const void *data; size_t bytes; };   /* <= 16 KiB */

enum muster_source {
    MUSTER_SOURCE_COUNTED,       /* `count` tasks, known now */
    MUSTER_SOURCE_ITEMS,         /* one per item; muster_job_feed() brings them */
};

/* All zero is a valid start: set args and go. */
struct muster_job_options {
    const char *const *args;     /* NULL-terminated; with `replace` {} {.} {/} {//} {#} too */
    const char *function;        /* of a task module (function.h), instead of args: its argument
                                  * is the item, or stdin_data */
    const struct muster_named *named;  size_t named_count;   /* for a function; at most 64 */
    const char *const *env;      /* NULL-terminated NAME=VALUE, or NULL */
    const char *cwd;             /* NULL: a private scratch folder */
    const void *stdin_data;      /* the same for every task */
    size_t      stdin_bytes;     /* at most 64 MiB */
    bool        replace;
    bool        input_is_stdin;  /* the item is the task's standard input */

    enum muster_source source;
    uint32_t    count;           /* of COUNTED; 0 = 1 */
    uint64_t    number_first;    /* 0 with step 0 means 1, 2, 3 ... */
    uint64_t    number_step;
    bool        number_is_input; /* an array: {} is the number */

    const char *name;            /* for people; NULL: made from args */
    const char *queue;           /* NULL = default */
    int32_t     priority;        /* -1000 .. 1000, larger first */
    uint32_t    cpus_milli;      /* 0 = 1000 */
    uint64_t    mem_bytes;       /* 0 = no claim and no limit */
    const struct muster_resource *resources;  size_t resource_count;
    const char *const *labels;   /* NULL-terminated k=v, all must match */
    const uint64_t *after;       size_t after_count;      /* jobs that must succeed first */

    uint32_t    attempts_max;    /* of a failing task; 0 = 1 */
    uint32_t    running_max;     /* at once; 0 = no cap, or that of cap_with */
    uint64_t    cap_with;        /* a job of yours: at most running_max tasks of it, of this one
                                  * and of all others that share its cap at once; 0 = alone */
    uint32_t    fail_max;        /* halt at so many failures; 0 = never */
    uint32_t    fail_percent;    /* halt at this share; 0 = never */
    uint32_t    time_limit_ms;   /* 0 = none */
    uint32_t    grace_ms;        /* SIGTERM to SIGKILL; 0 = 5 s */
    uint64_t    delay_ms;
    uint64_t    retry_delay_ms;
    uint64_t    output_bytes;    /* kept of each stream, head and tail of what is longer; 0 = 1 MiB;
                                  * at most MUSTER_OUTPUT_BYTES_MAX */

    const char *dedup;           /* text; a repeat with the same content returns the same id */
    bool        session_bound;   /* cancelled when this session ends */
    bool        own_key;         /* each task gets a key file of its own: see task.h */
};

struct muster_submitted {
    uint64_t job;
    bool     existed;            /* the dedup key was known */
    char     warning[481];       /* "" or: no worker could run it now, and why */
};

/* Submit.  On success the job survives a crash of the manager.  A COUNTED job
 * may run at once; an ITEMS job runs as it is fed and ends after muster_job_close_input().
 *
 * Errors: INVALID (also: cap_with has no cap, or another running_max), DENIED, FULL, BUSY,
 * NO_SPACE, TOO_LARGE, CONFLICT, NOT_FOUND (a job in `after`, cap_with), TIMEOUT (repeat with
 * the same dedup key), SESSION.
 */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_submit(struct muster_session *session, const struct muster_job_options *options,
                  uint32_t timeout_ms, struct muster_submitted *submitted_out,
                  struct muster_error *error);

/* Add one item (at most 64 KiB).  Buffers and pipelines: it blocks only when
 * the manager is behind.  A lone item leaves within a few milliseconds without
 * a flush.  TIMEOUT: the item was not added.  Another failure stays with the
 * job: what was fed before it may or may not have arrived.
 *
 * After a submission that existed (see `dedup`) feed the same items from the
 * first on: those that the manager has are passed over.
 *
 * Errors: INVALID, NOT_FOUND, TOO_LARGE, FULL, STATE (the input was closed),
 * CANCELED, NO_SPACE, TIMEOUT, INTERRUPTED. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_feed(struct muster_session *session, uint64_t job, const void *item, size_t bytes,
                uint32_t timeout_ms, struct muster_error *error);
/* Send what is buffered and return when all of it is durable. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_feed_flush(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
                      struct muster_error *error);
/* No more input: flush, and let the job end. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_close_input(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
                       struct muster_error *error);

/* ---- states ---- */
enum muster_job_state {
    MUSTER_JOB_WAITING, MUSTER_JOB_QUEUED, MUSTER_JOB_RUNNING,
    MUSTER_JOB_SUCCEEDED, MUSTER_JOB_FAILED, MUSTER_JOB_CANCELLED,
};
enum muster_task_state {
    MUSTER_TASK_WAITING, MUSTER_TASK_READY, MUSTER_TASK_LEASED,
    MUSTER_TASK_SUCCEEDED, MUSTER_TASK_FAILED, MUSTER_TASK_CANCELLED,
};
enum muster_outcome {
    MUSTER_OUTCOME_SUCCEEDED, MUSTER_OUTCOME_EXITED, MUSTER_OUTCOME_SIGNALED,
    MUSTER_OUTCOME_TIMED_OUT, MUSTER_OUTCOME_MEMORY, MUSTER_OUTCOME_NOT_STARTED,
    MUSTER_OUTCOME_LOST, MUSTER_OUTCOME_CANCELLED, MUSTER_OUTCOME_DEPENDENCY,
};
MUSTER_API const char *muster_job_state_name(enum muster_job_state state);
MUSTER_API const char *muster_task_state_name(enum muster_task_state state);
MUSTER_API const char *muster_outcome_name(enum muster_outcome outcome);

struct muster_counts { uint32_t total, running, succeeded, failed, cancelled; };

struct muster_job_info {
    uint64_t job;
    char     name[65], owner[65], queue[65];
    enum muster_job_state state;
    bool     open;
    int32_t  priority;
    uint64_t submitted_unix_ms, ended_unix_ms;
    uint64_t number_first, number_step;
    uint32_t running_max, attempts_max;
    uint64_t cap_with;                   /* running_max is shared with this job; 0 = not */
    uint32_t cpus_milli;
    uint64_t mem_bytes;
    char     reason[481];
    struct muster_counts counts;
    /* below only from muster_job_get(), NULL and 0 from muster_job_list() */
    char   **args, **env, **labels;      /* NULL-terminated; no args: a function's */
    char    *cwd;
    struct muster_resource *resources;  size_t resource_count;
    uint64_t *after;                    size_t after_count;
    uint32_t time_limit_ms, grace_ms, output_bytes;
    char    *function;                   /* "": of a command */
    char   **named;                      /* names of its named values; NULL-terminated */
};

/* job 0: the caller's latest.  Free with muster_job_info_free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_get(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
               struct muster_job_info *info_out, struct muster_error *error);
MUSTER_API void muster_job_info_free(struct muster_job_info *info);

/* Newest first, ids below `before` (0 = from the newest), at most max; an array
 * for free().  `everyone` needs role admin. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_list(struct muster_session *session, uint64_t before, uint32_t max, bool unfinished,
                bool everyone, uint32_t timeout_ms, struct muster_job_info **infos_out,
                size_t *count_out, struct muster_error *error);

struct muster_task_info {
    uint32_t index, count;               /* a run of tasks in the same state */
    enum muster_task_state state;
    uint32_t attempt, pid;
    char     worker[65];
    uint64_t since_ms;
};
/* States of all tasks, as runs in the order of their indexes; for free(). */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_tasks(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
                 struct muster_task_info **infos_out, size_t *count_out,
                 struct muster_error *error);

/* No ranges: all tasks.  `hard`: SIGKILL at once.  Number of tasks cancelled. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_cancel(struct muster_session *session, uint64_t job, const struct muster_range *ranges,
                  size_t range_count, bool hard, uint32_t timeout_ms, uint64_t *cancelled_out,
                  struct muster_error *error);
/* Queue finished tasks again.  Number of tasks queued. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_retry(struct muster_session *session, uint64_t job, const struct muster_range *ranges,
                 size_t range_count, bool failed_only, uint32_t timeout_ms, uint64_t *queued_out,
                 struct muster_error *error);

/* Why does it wait?  Lines of text, most telling first; free with muster_why_free(). */
struct muster_why { char **lines; size_t count; };
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_job_why(struct muster_session *session, uint64_t job,
               const uint32_t *index /* NULL: the job */, uint32_t timeout_ms,
               struct muster_why *why_out, struct muster_error *error);
MUSTER_API void muster_why_free(struct muster_why *why);

/* ---- results ---- */
struct muster_result {
    uint32_t index;
    uint32_t count;              /* > 1: so many tasks from index on were cancelled alike */
    uint32_t attempt;
    enum muster_outcome outcome;
    int32_t  exit_code;          /* -N: ended by signal N */
    uint64_t started_unix_ms, wall_us, cpu_us, rss_bytes;
    uint32_t pid;
    const char *worker, *host, *reason;           /* never NULL */
    const void *out, *err;       /* the inline part; see out_kept */
    size_t   out_bytes, err_bytes;                /* of the inline part */
    uint64_t out_kept, err_kept;                  /* more than inline: muster_result_output */
    uint64_t out_total, err_total;                /* written by the task */
};

/* Reads a job's results in the order in which tasks ended, from the start or
 * from a cursor of an earlier reader; survives reconnection and restarts. */
struct muster_results;
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_results_open(struct muster_session *session, uint64_t job, uint64_t cursor, bool brief,
                    struct muster_results **results_out, struct muster_error *error);
/* The next one; it lives until the next call on the same reader.
 * CLOSED: the job has ended and all was read.  TIMEOUT: nothing new in time. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_results_next(struct muster_results *results, uint32_t timeout_ms,
                    struct muster_result *result_out, struct muster_error *error);
/* As of the last answer. */
MUSTER_API void muster_results_progress(const struct muster_results *results,
                                        struct muster_counts *counts_out,
                                        enum muster_job_state *state_out);
/* A reader opened with it goes on here; in the middle of what one answer
 * brought it begins with the first result of that answer. */
MUSTER_API uint64_t muster_results_cursor(const struct muster_results *results);
MUSTER_API void muster_results_close(struct muster_results *results);

/* One task's result; free with muster_result_free().  STATE: it has not ended. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_result_get(struct muster_session *session, uint64_t job, uint32_t index, uint32_t timeout_ms,
                  struct muster_result **result_out, struct muster_error *error);
MUSTER_API void muster_result_free(struct muster_result *result);

typedef muster_err muster_sink(void *context, const void *data, size_t bytes);
/* All kept output of one stream of an ended task, piece by piece. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_result_output(struct muster_session *session, uint64_t job, uint32_t index,
                     bool stderr_stream, uint32_t timeout_ms, muster_sink *sink, void *context,
                     struct muster_error *error);
/* Output while the task runs; returns when it has ended, having passed all that
 * is kept, each byte once.  What cannot be passed in order while it runs comes
 * at the end.  A task that is tried again is passed from its beginning again.
 *
 * What the sink returns other than OK ends the call with that error. */
MUSTER_API MUSTER_MUST_CHECK muster_err
muster_output_follow(struct muster_session *session, uint64_t job, uint32_t index,
                     bool stderr_stream, uint32_t timeout_ms, muster_sink *sink, void *context,
                     struct muster_error *error);

#ifdef __cplusplus
}
#endif
#endif
