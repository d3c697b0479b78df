/* job.c - a job: its state, what it waits for, how it ends
 *
 *                 after, delay        first lease            last task ended
 *   submit -> WAITING ------> QUEUED ------------> RUNNING ------------------> SUCCEEDED
 *                |               |                    |                        FAILED
 *                `---------------+---- cancel, halt, a dependency failed ----> CANCELLED
 *                                                                                 |
 *             QUEUED <-------------------- retry ---------------------------------'
 *
 * 1. Only the final states are stored; the others follow from what the job
 *    waits for and from its counts.
 * 2. A job ends when its input is closed and no task is left that could run:
 *    the decision is made when the turn ends, so that its last results are
 *    stored before it.
 */
#include <stdarg.h>
#include <stdio.h>

#include "plant.h"
#include "state.h"

/* ---- questions ---- */

struct job *
job_find(const struct core *core, uint64_t id)
{
    struct job *job = map_get(&core->jobs, id);

    return job != NULL && !job->stub ? job : NULL;
}

bool
job_is_single(const struct job *job)
{
    return !job->items && job->total == 1;
}

uint64_t
job_ready_count(const struct job *job)
{
    uint64_t count = job->fresh;

    if (job->marks != NULL)
        count += job->marks->again.count;
    if (job->active != NULL)
        count += job->active->ready_count;
    return count;
}

bool
job_complete(const struct job *job)
{
    if (!job->closed || job->fresh > 0)
        return false;
    if (job->marks != NULL && job->marks->again.count > 0)
        return false;
    return job->active == NULL || job->active->live_count == 0;
}

static bool
job_waits(const struct core *core, const struct job *job)
{
    if (job->after != NULL && job->after->waits != 0)
        return true;
    return core->started ? job->delayed : job->ready_unix_ms > 0;
}

bool
job_runnable(const struct core *core, const struct job *job)
{
    if (job_ended(job) || job_waits(core, job) || job->stdin_have < job->stdin_bytes)
        return false;
    if (job->running_max > 0 && job->running >= job->running_max)
        return false;
    return job_ready_count(job) > 0;
}

enum wire_job_state
job_state(const struct core *core, const struct job *job)
{
    if (job_ended(job))
        return (enum wire_job_state)job->state;
    if (job_waits(core, job))
        return JOB_WAITING;
    if (job->running > 0 || job->cursor > 0)
        return JOB_RUNNING;
    return JOB_QUEUED;
}

struct wire_counts
job_counts(const struct job *job)
{
    return (struct wire_counts){ .total = job->total,
                                 .running = job->running,
                                 .succeeded = job->succeeded,
                                 .failed = job->failed,
                                 .cancelled = job->cancelled };
}

struct job *
job_asked(struct core *core, const struct session *session, uint64_t request, uint64_t id,
          struct effects *fx)
{
    struct job *job = job_find(core, id);

    /* Whether a foreign job exists is nobody's business. */
    if (job != NULL && (session->role == ROLE_ADMIN || job->user == session->user))
        return job;
    effects_error(fx, session->id, request, MUSTER_ERR_NOT_FOUND, "no job %llu of user %.*s",
                  (unsigned long long)id, SLICE_ARGS(session->user->name));
    return NULL;
}

/* ---- parts that most jobs do without ---- */

struct active *
job_active(struct job *job)
{
    struct active *active = job->active;

    if (active == NULL) {
        active = job->active = base_alloc(sizeof(*active));
        active->job = job;
        list_init(&active->live);
        list_init(&active->ready);
        list_init(&active->polls);
    }
    return active;
}

struct marks *
job_marks(struct job *job)
{
    assert(!job_is_single(job));
    if (job->marks == NULL)
        job->marks = base_alloc(sizeof(*job->marks));
    return job->marks;
}

/* Once it has ended, nobody polls and nothing is gathered. */
void
job_forget_active(struct core *core, struct job *job)
{
    struct active *active = job->active;

    if (active == NULL || !job_ended(job) || active->gather != NULL ||
        !list_empty(&active->polls) || list_linked(&active->touched))
        return;
    assert(active->live_count == 0);
    if (active->timer.place > 0)
        heap_remove(&core->delays, &active->timer);
    job->delayed = false;
    free(active);
    job->active = NULL;
}

void
job_touch(struct core *core, struct job *job)
{
    struct active *active = job_active(job);

    if (core->started && !list_linked(&active->touched))
        list_append(&core->touched, &active->touched);
}

void
job_dirty(struct core *core, struct job *job)
{
    if (list_linked(&job->dirty))
        return;
    list_append(&core->dirty_jobs, &job->dirty);
    core->changed++;
}

void
job_wait(struct core *core, struct job *job)
{
    uint64_t       unix_ms = core_unix_ms(core);
    struct active *active;

    assert(core->started);
    if (job_ended(job) || job->ready_unix_ms <= unix_ms || job->delayed)
        return;
    active = job_active(job);
    job->delayed = true;
    active->timer.key = core->now_ms + (job->ready_unix_ms - unix_ms);
    active->timer.tie = job->id;
    heap_add(&core->delays, &active->timer);
}

/* ---- dependencies ---- */

void
job_edges_add(struct core *core, struct job *job)
{
    for (uint32_t i = 0; job->after != NULL && i < job->after->count; i++) {
        struct edge *edge = &job->after->edges[i];
        struct list *ring = map_get(&core->waiters, edge->on);

        if (ring == NULL) {
            ring = base_alloc(sizeof(*ring));
            list_init(ring);
            map_put(&core->waiters, edge->on, ring);
        }
        list_append(ring, &edge->link);
    }
}

void
job_edges_remove(struct core *core, struct job *job)
{
    for (uint32_t i = 0; job->after != NULL && i < job->after->count; i++) {
        struct edge *edge = &job->after->edges[i];
        struct list *ring = map_get(&core->waiters, edge->on);

        if (!list_linked(&edge->link))
            continue;
        list_remove(&edge->link);
        if (list_empty(ring)) {
            map_remove(&core->waiters, edge->on);
            free(ring);
        }
    }
}

/* ---- the deduplication key ---- */

uint64_t
job_dedup_hash(const struct core *core, const struct user *user, uint64_t hi, uint64_t lo)
{
    uint64_t key[] = { user->number, hi, lo };

    return core_hash(core, slice_of(key, sizeof(key)));
}

static uint64_t
dedup_hash_of(const struct core *core, const struct job *job)
{
    return job_dedup_hash(core, job->user, job->dedup_hi, job->dedup_lo);
}

void
job_dedup_add(struct core *core, struct job *job)
{
    uint64_t hash = dedup_hash_of(core, job);

    assert(job->dedup_next == NULL);
    job->dedup_next = map_get(&core->dedup, hash);
    map_put(&core->dedup, hash, job);
}

static void
job_dedup_remove(struct core *core, struct job *job)
{
    uint64_t    hash = dedup_hash_of(core, job);
    struct job *first = map_get(&core->dedup, hash);

    if (first == job) {
        if (job->dedup_next != NULL)
            map_put(&core->dedup, hash, job->dedup_next);
        else
            map_remove(&core->dedup, hash);
        return;
    }
    while (first->dedup_next != job)
        first = first->dedup_next;
    first->dedup_next = job->dedup_next;
}

/* ---- end of the memory of a job ---- */

static void
active_free(struct core *core, struct job *job)
{
    struct active *active = job->active;

    if (active == NULL)
        return;
    assert(active->live_count == 0);
    while (!list_empty(&active->polls))
        poll_free(core, CONTAINER(active->polls.next, struct poll, job_link));
    if (list_linked(&active->touched))
        list_remove(&active->touched);
    if (active->timer.place > 0)
        heap_remove(&core->delays, &active->timer);
    if (active->gather != NULL) {
        buffer_free(&active->gather->bytes);
        free(active->gather);
    }
    free(active);
    job->active = NULL;
}

void
job_free(struct core *core, struct job *job)
{
    active_free(core, job);
    if (!job->stub) {
        class_leave(core, job);
        if (list_linked(&job->link))
            list_remove(&job->link);
        job_edges_remove(core, job);
        job_dedup_remove(core, job);
        order_remove(&core->job_order, job->id);
        order_remove(&job->user->jobs, job->id);
        cap_leave(core, job);
        class_drop(core, job->class);
    }
    if (list_linked(&job->dirty)) {
        list_remove(&job->dirty);
        core->changed--;
    }
    map_remove(&core->jobs, job->id);
    if (job->marks != NULL) {
        idset_free(&job->marks->failed);
        idset_free(&job->marks->cancelled);
        idset_free(&job->marks->again);
        free(job->marks);
    }
    for (uint32_t i = 0; i < REFS_KINDS; i++)
        free(job->refs[i]);
    free(job->after);
    free(job->name);
    free(job->reason);
    free(job);
}

/* ---- stop ---- */

void
job_reason(struct core *core, struct job *job, struct effects *fx, const char *format, ...)
{
    char          text[TEXT_BYTES_MAX];
    struct record record = { .type = RECORD_TYPE_JOB_REASON };
    va_list       args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    record.job_reason.job = job->id;
    record.job_reason.text = slice_text(text);
    core_fact(core, fx, &record);
}

static void
stop_leased(const struct task *task, bool hard, struct effects *fx)
{
    union wire_any m = { .task_kill = { .token = task_token(task), .hard = hard } };

    if (task->worker->session->connected)
        effects_send(fx, task->worker->session->id, 0, MSG_TYPE_TASK_KILL, &m);
}

/* Every task that will never run gets its place in the result stream now; what
 * is leased gets it when its worker answers, or is lost. */
static uint64_t
stop_results(struct core *core, struct job *job, uint32_t first, uint32_t last,
             const struct wire_result *result, enum job_force force, struct effects *fx)
{
    struct task_walk walk;
    struct task_run  run;
    uint64_t         count = 0;

    if (job->total == 0)
        return 0;
    task_walk_begin(&walk, core, job, first, last);
    while (task_walk_next(&walk, &run)) {
        if (run.state == TASK_LEASED) {
            if (force == JOB_LET_RUN)
                continue;
            count += !run.task->stopping;
            stop_leased(run.task, force == JOB_KILL, fx);
        } else if (run.state == TASK_READY || run.state == TASK_WAITING) {
            count += run.last - run.first + 1;
            result_add(core, job, run.first, run.last - run.first + 1,
                       run.task != NULL ? task_attempt(run.task) : 0, slice_of(NULL, 0), result,
                       fx);
        }
    }
    task_walk_end(&walk);
    return count;
}

uint64_t
job_stop(struct core *core, struct job *job, uint32_t first, uint32_t last,
         enum wire_task_state state, enum wire_outcome outcome, bool close, enum job_force force,
         const char *reason, struct effects *fx)
{
    struct wire_result result = { .outcome = (uint8_t)outcome, .reason = slice_text(reason) };
    struct record      record = { .type = RECORD_TYPE_TASKS_STOPPED };
    uint64_t           count = stop_results(core, job, first, last, &result, force, fx);

    assert(!job_ended(job));
    if (count == 0 && !(close && !job->closed) && !(job->total == 0 && close))
        return 0;
    record.tasks_stopped.job = job->id;
    record.tasks_stopped.first = first;
    record.tasks_stopped.last = last;
    record.tasks_stopped.state = state;
    record.tasks_stopped.close = close;
    record.tasks_stopped.waiting_only = force == JOB_LET_RUN;
    core_fact(core, fx, &record);
    job_touch(core, job);
    return count;
}

static uint32_t
job_last(const struct job *job)
{
    return job->total > 0 ? job->total - 1 : 0;
}

void
job_check_halt(struct core *core, struct job *job, struct effects *fx)
{
    bool percent = job->fail_percent > 0 && job->closed && job->failed > 0 &&
                   (uint64_t)job->failed * 100 >= (uint64_t)job->fail_percent * job->total;
    char reason[TEXT_BYTES_MAX];

    if (job_ended(job) || job->reason != NULL || job_complete(job))
        return;
    if (!percent && !(job->fail_max > 0 && PLANT_FAILED(job->failed) >= job->fail_max))
        return;
    if (percent)
        snprintf(reason, sizeof(reason), "halted: %u of %u tasks failed, the limit is %u%%",
                 job->failed, job->total, job->fail_percent);
    else
        snprintf(reason, sizeof(reason), "halted: %u tasks failed, the limit is %u", job->failed,
                 job->fail_max);
    job_reason(core, job, fx, "%s", reason);
    job_stop(core, job, 0, job_last(job), TASK_CANCELLED, OUTCOME_CANCELLED, true, JOB_TERM, reason,
             fx);
}

/* ---- the end ---- */

/* Those that wait for a job which did not succeed fail with it. */
static void
job_fail_waiters(struct core *core, const struct job *job, struct effects *fx)
{
    struct list *ring = map_get(&core->waiters, job->id);
    char         reason[TEXT_BYTES_MAX];

    if (ring == NULL || job->state == JOB_SUCCEEDED)
        return;
    snprintf(reason, sizeof(reason), "job %llu, which it waits for, %s",
             (unsigned long long)job->id,
             job->state == JOB_FAILED ? "failed" : "was cancelled");
    for (struct list *at = ring->next; at != ring; at = at->next) {
        struct edge *edge = CONTAINER(at, struct edge, link);
        struct job  *waiter = edge->waiter;

        if ((waiter->after->waits >> edge->bit & 1) == 0 || job_complete(waiter))
            continue;
        job_reason(core, waiter, fx, "%s", reason);
        job_stop(core, waiter, 0, job_last(waiter), TASK_FAILED, OUTCOME_DEPENDENCY, true, JOB_TERM,
                 reason, fx);
    }
}

void
job_settle(struct core *core, struct job *job, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_JOB_ENDED };
    bool          skipped = job->after != NULL && job->after->waits != 0;

    result_close(core, job, fx);
    if (job_ended(job) || !job_complete(job))
        return;
    record.job_ended.job = job->id;
    /* An empty job whose dependency failed has no task to tell it by. */
    record.job_ended.state = job->failed > 0 || (skipped && job->cancelled == 0) ? JOB_FAILED
                             : job->cancelled > 0 || job->reason != NULL ? JOB_CANCELLED
                                                                         : JOB_SUCCEEDED;
    record.job_ended.unix_ms = core_unix_ms(core);
    core_fact(core, fx, &record);
    job_fail_waiters(core, job, fx);
}

/* Those who still wait for its results (slow peers, say) hear that it is gone. */
static void
prune_polls(struct core *core, struct job *job, struct effects *fx)
{
    while (job->active != NULL && !list_empty(&job->active->polls)) {
        struct poll *poll = CONTAINER(job->active->polls.next, struct poll, job_link);

        effects_error(fx, poll->session->id, poll->request, MUSTER_ERR_NOT_FOUND,
                      "job %llu was removed from the history", (unsigned long long)job->id);
        poll_free(core, poll);
    }
}

void
job_prune(struct core *core, struct effects *fx)
{
    uint64_t     finished = core->counters.jobs - core->counters.jobs_unfinished;
    struct list *next;

    for (struct list *at = core->finished.next;
         finished > core->config.history_jobs && at != &core->finished; at = next) {
        struct job   *job = CONTAINER(at, struct job, link);
        struct record record = { .type = RECORD_TYPE_JOB_PRUNED };

        next = at->next;
        /* What this turn and the one before want done with its bodies is not
         * done yet. */
        if ((uint32_t)core->turn - job->ended_turn < 3)
            break;
        if (map_get(&core->waiters, job->id) != NULL)
            continue;
        prune_polls(core, job, fx);
        record.job_pruned.job = job->id;
        effects_prune(fx, job->id);
        core_fact(core, fx, &record);
        finished--;
    }
}
