/* process.c - one process on some worker: a job of one task, and a future of it
 *
 *   new -> start (JOB_SUBMIT, deduplicated) -> alive -> ended -> close
 *
 * 1. A process that was not started is known to nobody but its program.
 * 2. Its submission has a deduplication key of its own: a start whose answer was
 *    lost is made again without a second process.
 * 3. The sentinel is told by the future's end, under the lock, once.
 */
#include "process.h"

#include <muster/task.h>

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "copy.h"
#include "parse.h"

enum { PROCESS_ENV_MORE = 3 };           /* what we add to its environment, below */

struct muster_process {
    struct list                   link;      /* in session->processes, once it was started */
    struct muster_session        *session;
    struct muster_process_options options;   /* its texts and lists are ours */
    char                          name[NAME_BYTES_MAX + 1];
    char                          key[33];
    struct muster_future         *future;    /* NULL: not started */
    int                           sentinel;  /* -1: not asked for */
    int                           signal;    /* that it was told to end by; 0: none */
    bool                          closed;
};

struct muster_future *
process_future(const struct muster_process *process)
{
    return process->future;
}

/* ---- new ---- */

static void
process_copy_options(struct muster_process_options *own,
                     const struct muster_process_options *options)
{
    *own = *options;
    own->args = copy_texts(options->args);
    own->function = copy_text(options->function);
    own->data = options->bytes > 0 ? bytes_copy(slice_of(options->data, options->bytes)) : NULL;
    own->named = copy_named(options->named, options->named_count);
    own->env = copy_texts(options->env);
    own->cwd = copy_text(options->cwd);
    own->queue = copy_text(options->queue);
    own->name = NULL;
}

static void
process_free_options(struct muster_process_options *own)
{
    copy_texts_free(own->args);
    copy_text_free(own->function);
    copy_text_free(own->data);
    copy_named_free(own->named, own->named_count);
    copy_texts_free(own->env);
    copy_text_free(own->cwd);
    copy_text_free(own->queue);
}

static muster_err
process_check_name(const char *name, struct muster_error *error)
{
    if (name[0] == '\0' || strlen(name) > NAME_BYTES_MAX || !parse_utf8(slice_text(name)))
        return error_set(error, MUSTER_ERR_INVALID, "a process's name has 1 to %u bytes of UTF-8",
                         (unsigned)NAME_BYTES_MAX);
    return MUSTER_OK;
}

static muster_err
process_check(const struct muster_process_options *options, struct muster_error *error)
{
    bool has_args = options != NULL && options->args != NULL && options->args[0] != NULL;
    bool has_function = options != NULL && options->function != NULL;

    if (has_args == has_function)
        return error_set(error, MUSTER_ERR_INVALID,
                         "the target of a process is a command or a function");
    if (options->bytes > STDIN_BYTES_MAX)
        return error_set(error, MUSTER_ERR_INVALID, "%zu bytes of input; at most %u are allowed",
                         options->bytes, (unsigned)STDIN_BYTES_MAX);
    return options->name != NULL ? process_check_name(options->name, error) : MUSTER_OK;
}

muster_err
muster_process_new(struct muster_session *session, const struct muster_process_options *options,
                   struct muster_process **process_out, struct muster_error *error)
{
    static _Atomic uint32_t numbers;         /* of this program */
    struct muster_process  *process;
    struct muster_task_self self;
    uint64_t                key[2];
    muster_err              err = process_check(options, error);

    if (err)
        return err;
    process = base_alloc(sizeof(*process));
    process->session = session;
    process->sentinel = -1;
    process_copy_options(&process->options, options);
    if (options->name != NULL)
        text_put(process->name, sizeof(process->name), slice_text(options->name));
    else
        (void)snprintf(process->name, sizeof(process->name), "Process-%u",
                       (unsigned)(atomic_fetch_add(&numbers, 1) + 1));
    muster_task_self(&self);
    process->options.daemon = options->daemon || self.daemon;
    auth_random(key, sizeof(key));
    (void)snprintf(process->key, sizeof(process->key), "%016llx%016llx",
                   (unsigned long long)key[0], (unsigned long long)key[1]);
    *process_out = process;
    return MUSTER_OK;
}

/* ---- before its start ---- */

static muster_err
process_state(const struct muster_process *process, bool started, struct muster_error *error)
{
    if (process->closed)
        return error_set(error, MUSTER_ERR_STATE, "%s is closed", process->name);
    if (started && process->future == NULL)
        return error_set(error, MUSTER_ERR_STATE, "%s was not started", process->name);
    if (!started && process->future != NULL)
        return error_set(error, MUSTER_ERR_STATE, "%s was started before", process->name);
    return MUSTER_OK;
}

const char *
muster_process_name(const struct muster_process *process)
{
    return process->name;
}

muster_err
muster_process_set_name(struct muster_process *process, const char *name,
                        struct muster_error *error)
{
    muster_err err = process_check_name(name != NULL ? name : "", error);

    if (!err)
        text_put(process->name, sizeof(process->name), slice_text(name));
    return err;
}

bool
muster_process_daemon(const struct muster_process *process)
{
    return process->options.daemon;
}

muster_err
muster_process_set_daemon(struct muster_process *process, bool daemon, struct muster_error *error)
{
    muster_err err = process_state(process, false, error);

    if (!err)
        process->options.daemon = daemon;
    return err;
}

/* ---- start ---- */

/* The environment it was given, and what it shall know of itself.  The list and the
 * texts behind `own` are freed by the caller. */
static const char **
process_env(const struct muster_process *process, char own[PROCESS_ENV_MORE][NAME_BYTES_MAX + 32])
{
    const char *const *given = process->options.env;
    const char       **env;
    size_t             count = 0;
    size_t             more = 0;

    while (given != NULL && given[count] != NULL)
        count++;
    env = base_array(count + PROCESS_ENV_MORE + 1, sizeof(*env));
    for (size_t i = 0; i < count; i++)
        env[i] = given[i];
    (void)snprintf(own[more++], sizeof(own[0]), "MUSTER_PROCESS_NAME=%s", process->name);
    if (process->options.daemon)
        (void)snprintf(own[more++], sizeof(own[0]), "MUSTER_DAEMON=1");
    if (task_parent(own[more], sizeof(own[0])) != NULL)
        more++;
    for (size_t i = 0; i < more; i++)
        env[count + i] = own[i];
    return env;
}

static muster_err
process_submit(struct muster_process *process, uint32_t timeout_ms, uint64_t *job_out,
               struct muster_error *error)
{
    const struct muster_process_options *own = &process->options;
    char                      texts[PROCESS_ENV_MORE][NAME_BYTES_MAX + 32];
    const char              **env = process_env(process, texts);
    struct muster_job_options options = {
        .args = own->args, .function = own->function, .named = own->named,
        .named_count = own->named_count, .env = env, .cwd = own->cwd, .stdin_data = own->data,
        .stdin_bytes = own->bytes, .count = 1, .name = process->name, .queue = own->queue,
        .cpus_milli = own->cpus_milli, .mem_bytes = own->mem_bytes,
        .attempts_max = own->attempts_max, .time_limit_ms = own->time_limit_ms,
        .output_bytes = OUTPUT_BYTES_MAX, .dedup = process->key, .session_bound = own->daemon,
        .own_key = own->own_key,
    };
    struct muster_submitted submitted;
    muster_err              err = muster_job_submit(process->session, &options, timeout_ms,
                                                    &submitted, error);

    free(env);
    if (!err)
        *job_out = submitted.job;
    return err;
}

static void
process_ended(struct muster_future *future)
{
    struct muster_process *process = future->context;

    if (process->sentinel >= 0)
        (void)eventfd_write(process->sentinel, 1);
}

muster_err
muster_process_start(struct muster_process *process, uint32_t timeout_ms,
                     struct muster_error *error)
{
    CALL_SCOPE(process->session);
    struct muster_session  *session = process->session;
    struct collector       *collector;
    struct muster_task_self self;
    uint64_t                job = 0;
    muster_err              err = process_state(process, false, error);

    muster_task_self(&self);
    if (!err && self.daemon)
        err = error_set(error, MUSTER_ERR_STATE, "a daemonic process may not start %s",
                        process->name);
    if (!err)
        err = process_submit(process, timeout_ms, &job, error);
    if (err)
        return err;
    pthread_mutex_lock(&session->lock);
    collector = collector_open(session, job, process->name);
    process->future = future_new(collector, 0, process_ended, process);
    list_append(&session->processes, &process->link);
    collector_close(collector);
    pthread_mutex_unlock(&session->lock);
    return MUSTER_OK;
}

/* ---- while it runs ---- */

muster_err
muster_process_join(struct muster_process *process, uint32_t timeout_ms,
                    struct muster_error *error)
{
    CALL_SCOPE(process->session);
    struct muster_task_self self;
    struct muster_error     why = { 0 };
    muster_err              err = process_state(process, true, error);

    if (err)
        return err;
    muster_task_self(&self);
    if (self.is_task && self.id.job == process->future->collector->stream.job)
        return error_set(error, MUSTER_ERR_STATE, "%s cannot wait for its own end", process->name);
    err = muster_future_wait(process->future, timeout_ms, &why);
    if (err == MUSTER_ERR_TIMEOUT)
        err = MUSTER_OK;
    if (err && error != NULL)
        *error = why;
    return err;
}

/* Has it ended, as the manager knows?  Then the future has, too, on return. */
static muster_err
process_look(struct muster_process *process, uint32_t timeout_ms, bool *ended_out,
             struct muster_error *error)
{
    const struct stream  *stream = &process->future->collector->stream;
    uint64_t              deadline_ms = deadline_after(timeout_ms);
    struct muster_error   why = { 0 };
    struct muster_result *result = NULL;
    muster_err            err = MUSTER_OK;

    *ended_out = muster_future_done(process->future);
    if (*ended_out)
        return MUSTER_OK;
    err = muster_result_get(stream->session, stream->job, 0, timeout_ms, &result, &why);
    if (err == MUSTER_ERR_STATE)
        return MUSTER_OK;
    if (err) {
        if (error != NULL)
            *error = why;
        return err;
    }
    muster_result_free(result);
    err = muster_future_wait(process->future, timeout_left(deadline_ms), error);
    *ended_out = !err;
    return err;
}

muster_err
muster_process_is_alive(struct muster_process *process, uint32_t timeout_ms, bool *alive_out,
                        struct muster_error *error)
{
    CALL_SCOPE(process->session);
    bool       ended = false;
    muster_err err;

    if (!process->closed && process->future == NULL) {
        *alive_out = false;              /* not yet */
        return MUSTER_OK;
    }
    err = process_state(process, true, error);
    if (!err)
        err = process_look(process, timeout_ms, &ended, error);
    if (!err)
        *alive_out = !ended;
    return err;
}

muster_err
muster_process_pid(struct muster_process *process, uint32_t timeout_ms, uint32_t *pid_out,
                   char worker_out[65], struct muster_error *error)
{
    CALL_SCOPE(process->session);
    const struct muster_future *future = process->future;
    uint64_t                    deadline_ms = deadline_after(timeout_ms);
    struct muster_task_info    *tasks = NULL;
    struct muster_result       *result = NULL;
    size_t                      count = 0;
    bool                        ended = false;
    muster_err                  err = process->closed ? process_state(process, true, error)
                                                      : MUSTER_OK;

    uint32_t                    pid = 0;
    char                        worker[65] = "";

    if (!err && future != NULL)
        err = process_look(process, timeout_ms, &ended, error);
    if (!err && ended) {
        err = muster_result_get(process->session, future->collector->stream.job, 0,
                                timeout_left(deadline_ms), &result, error);
        if (!err && result->pid != 0) {
            pid = result->pid;
            text_put(worker, sizeof(worker), slice_text(result->worker));
        }
        muster_result_free(result);
    } else if (!err && future != NULL) {
        err = muster_job_tasks(process->session, future->collector->stream.job,
                               timeout_left(deadline_ms), &tasks, &count, error);
        if (!err && count > 0 && tasks[0].pid != 0) {
            pid = tasks[0].pid;
            text_put(worker, sizeof(worker), slice_text(tasks[0].worker));
        }
        free(tasks);
    }
    if (err)
        return err;
    *pid_out = pid;
    memcpy(worker_out, worker, sizeof(worker));
    return MUSTER_OK;
}

/* One that never ran, or whose worker was lost, has no exit code of its own: that of
 * the signal it was told to end by, or of SIGKILL. */
static int32_t
process_code(const struct muster_process *process)
{
    const struct muster_future *future = process->future;

    if (future->state == FUTURE_SUCCEEDED || future->exit_code != 0)
        return future->exit_code;
    if (future->state == FUTURE_CANCELLED && future->pid != 0)
        return future->exit_code;        /* it took the signal as a reason to end well */
    if (future->state == FUTURE_CANCELLED && process->signal != SIGKILL)
        return -SIGTERM;
    return -SIGKILL;
}

muster_err
muster_process_exitcode(struct muster_process *process, uint32_t timeout_ms, bool *ended_out,
                        int32_t *exitcode_out, struct muster_error *error)
{
    CALL_SCOPE(process->session);
    bool       ended = false;
    muster_err err = MUSTER_OK;

    if (process->closed || process->future != NULL)
        err = process_state(process, true, error);
    if (!err && process->future != NULL)
        err = process_look(process, timeout_ms, &ended, error);
    if (err)
        return err;
    *ended_out = ended;
    if (ended)
        *exitcode_out = process_code(process);
    return MUSTER_OK;
}

static muster_err
process_stop(struct muster_process *process, int signal, uint32_t timeout_ms,
             struct muster_error *error)
{
    CALL_SCOPE(process->session);
    muster_err err = process_state(process, true, error);

    if (err || muster_future_done(process->future))
        return err;
    err = muster_job_cancel(process->session, process->future->collector->stream.job, NULL, 0,
                            signal == SIGKILL, timeout_ms, NULL, error);
    if (!err)
        process->signal = signal;
    return err;
}

muster_err
muster_process_terminate(struct muster_process *process, uint32_t timeout_ms,
                         struct muster_error *error)
{
    return process_stop(process, SIGTERM, timeout_ms, error);
}

muster_err
muster_process_kill(struct muster_process *process, uint32_t timeout_ms,
                    struct muster_error *error)
{
    return process_stop(process, SIGKILL, timeout_ms, error);
}

int
muster_process_sentinel(struct muster_process *process)
{
    struct muster_session *session = process->session;

    if (process->closed || process->future == NULL)
        return -1;
    pthread_mutex_lock(&session->lock);
    if (process->sentinel < 0) {
        process->sentinel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (process->sentinel >= 0 && process->future->state != FUTURE_PENDING)
            (void)eventfd_write(process->sentinel, 1);
    }
    pthread_mutex_unlock(&session->lock);
    return process->sentinel;
}

struct muster_task_id
muster_process_id(const struct muster_process *process)
{
    return process->future != NULL ? muster_future_id(process->future)
                                   : (struct muster_task_id){ 0, 0 };
}

muster_err
muster_process_result(struct muster_process *process, uint32_t timeout_ms,
                      struct muster_result **result_out, struct muster_error *error)
{
    CALL_SCOPE(process->session);
    uint64_t   deadline_ms = deadline_after(timeout_ms);
    muster_err err = process_state(process, true, error);

    if (!err)
        err = muster_future_wait(process->future, timeout_ms, error);
    return err ? err
               : muster_result_get(process->session, process->future->collector->stream.job, 0,
                                   timeout_left(deadline_ms), result_out, error);
}

/* ---- the end ---- */

muster_err
muster_process_close(struct muster_process *process, uint32_t timeout_ms,
                     struct muster_error *error)
{
    CALL_SCOPE(process->session);
    bool       ended = true;
    muster_err err;

    if (process->closed)
        return MUSTER_OK;
    err = process->future != NULL ? process_look(process, timeout_ms, &ended, error) : MUSTER_OK;
    if (err)
        return err;
    if (!ended)
        return error_set(error, MUSTER_ERR_STATE, "%s runs: join or terminate it first",
                         process->name);
    process->closed = true;
    return MUSTER_OK;
}

void
muster_process_free(struct muster_process *process)
{
    if (process == NULL)
        return;
    if (process->future != NULL) {
        pthread_mutex_lock(&process->session->lock);
        list_remove(&process->link);
        process->future->ended = NULL;
        pthread_mutex_unlock(&process->session->lock);
        muster_future_free(process->future);
    }
    if (process->sentinel >= 0)
        close(process->sentinel);
    process_free_options(&process->options);
    free(process);
}

muster_err
muster_process_active(struct muster_session *session, uint32_t timeout_ms,
                      struct muster_process ***processes_out, size_t *count_out,
                      struct muster_error *error)
{
    CALL_SCOPE(session);
    struct muster_process **processes = NULL;
    size_t                  count = 0, active = 0;
    uint64_t                deadline_ms = deadline_after(timeout_ms);
    muster_err              err = MUSTER_OK;

    pthread_mutex_lock(&session->lock);
    for (struct list *at = session->processes.next; at != &session->processes; at = at->next)
        count++;
    processes = base_array(count + 1, sizeof(struct muster_process *));
    count = 0;
    for (struct list *at = session->processes.next; at != &session->processes; at = at->next)
        processes[count++] = CONTAINER(at, struct muster_process, link);
    pthread_mutex_unlock(&session->lock);
    for (size_t i = 0; !err && i < count; i++) {
        bool ended = false;

        err = process_look(processes[i], timeout_left(deadline_ms), &ended, error);
        if (!err && !ended)
            processes[active++] = processes[i];
    }
    if (err) {
        free(processes);
        return err;
    }
    *processes_out = processes;
    *count_out = active;
    return MUSTER_OK;
}
