/* check.c - core_check: every invariant, the slow way
 *
 * Counts everything anew and compares.  For the simulator, after each of its
 * steps, and for the tests.
 */
#include "object.h"

static void
check_live(const struct core *core, const struct job *job)
{
    const struct active *active = job->active;
    uint32_t             live = 0, leased = 0, ready = 0;

    for (const struct list *at = active != NULL ? active->live.next : NULL;
         at != NULL && at != &active->live; at = at->next) {
        const struct task *task = CONTAINER(at, struct task, job_link);

        live++;
        leased += task->state == TASK_LEASED;
        ready += task->state == TASK_READY;
        assert(task->job == job);
        assert(task->index < job->cursor);
        assert(task_find(core, job->id, task->index) == task);
        assert((task->worker != NULL) == (task->state == TASK_LEASED));
        assert(!task->stopping || task->state == TASK_LEASED);
        assert(task->failures < job->attempts_max && task->losses < job->lost_max);
        if (job->marks != NULL) {
            assert(!idset_has(&job->marks->failed, task->index));
            assert(!idset_has(&job->marks->cancelled, task->index));
            assert(!idset_has(&job->marks->again, task->index));
        }
    }
    assert(live == (active != NULL ? active->live_count : 0));
    assert(ready == (active != NULL ? active->ready_count : 0));
    assert(leased == job->running);
}

/* Every task is in exactly one state, and the counts say so. */
static void
check_counts(const struct core *core, const struct job *job)
{
    struct task_walk walk;
    struct task_run  run;
    uint64_t         counts[TASK_STATE_COUNT] = { 0 };
    uint64_t         next = 0;

    if (job->total > 0) {
        task_walk_begin(&walk, core, job, 0, job->total - 1);
        while (task_walk_next(&walk, &run)) {
            assert(run.first == next && run.last >= run.first);
            next = (uint64_t)run.last + 1;
            counts[run.state] += next - run.first;
        }
        task_walk_end(&walk);
    }
    assert(next == job->total);
    assert(counts[TASK_LEASED] == job->running);
    assert(counts[TASK_SUCCEEDED] == job->succeeded);
    assert(counts[TASK_FAILED] == job->failed);
    assert(counts[TASK_CANCELLED] == job->cancelled);
    assert(!job_ended(job) || counts[TASK_READY] + counts[TASK_WAITING] == 0);
}

static void
check_cap(const struct core *core, const struct cap *cap)
{
    uint32_t members = 0, running = 0, ready = 0;

    for (uint32_t i = 0; i < core->job_order.count; i++) {
        const struct job *job = job_find(core, order_at(&core->job_order, i));

        if (job->member == NULL || job->member->cap != cap)
            continue;
        members++;
        running += job->running;
        ready += job->ready.place > 0;
        assert(job->user == cap->user && job->running_max == cap->max);
        assert(job->id == cap->lead ? job->cap_with == 0 : job->cap_with == cap->lead);
        assert((job->member->turn.place > 0) == (job->ready.place > 0));
        assert(job->member->turn.place == 0 || job->member->turn.key == job->running);
    }
    assert(members == cap->members);
    assert(running == cap->running && running <= cap->max);
    assert(ready == cap->ready);
    assert(!core->started || cap->open == (running < cap->max));
    for (const struct list *at = cap->shares.next; at != &cap->shares; at = at->next) {
        const struct share *share = CONTAINER(at, struct share, link);

        assert(share->jobs.count == share->turns.count && share->members > 0);
        assert((share->place.place > 0) == (cap->open && share->jobs.count > 0));
        assert((share->turn.place > 0) == (share->jobs.count > 0) && !list_linked(&share->aside));
    }
}

static void
check_caps(const struct core *core)
{
    size_t            cursor = 0;
    const struct cap *cap;

    while ((cap = map_next(&core->caps, &cursor, NULL)) != NULL)
        check_cap(core, cap);
}

static void
check_job(const struct core *core, const struct job *job)
{
    assert(!job->stub);
    assert(job->cursor <= job->total || job->total == 0);
    assert(job->stdin_have <= job->stdin_bytes);
    assert(job->running_max == 0 || job->running <= job->running_max);
    assert(job->cap_with == 0 || job->member != NULL);
    assert(!job_ended(job) || job_complete(job));
    assert(job_ended(job) == (job->ended_unix_ms > 0));
    assert(!job_ended(job) || list_linked(&job->link));
    check_live(core, job);
    check_counts(core, job);
    if (core->started)
        assert((job->ready.place > 0) == job_runnable(core, job));
}

static void
check_room(const struct worker *worker)
{
    int64_t  cpus = worker->cpus_milli;
    uint64_t mem = worker->mem_bytes;

    for (const struct list *at = worker->leases.next; at != &worker->leases; at = at->next) {
        const struct class *class = CONTAINER(at, struct task, link)->job->class;

        cpus -= class->cpus_milli;
        mem -= class->mem_bytes;
    }
    assert(cpus == worker->cpus_free_milli && cpus >= 0);
    assert(mem == worker->mem_free);
    for (uint32_t i = 0; i < worker->stock_count; i++)
        assert(worker->stock[i].free <= worker->stock[i].amount);
}

static uint32_t
check_leases(const struct list *ring, const struct worker *worker, bool ahead)
{
    uint32_t count = 0;

    for (const struct list *at = ring->next; at != ring; at = at->next, count++) {
        const struct task *task = CONTAINER(at, struct task, link);

        assert(task->state == TASK_LEASED && task->worker == worker);
        assert(task->ahead == ahead);
    }
    return count;
}

static void
check_worker(const struct core *core, const struct worker *worker)
{
    assert(worker->session->worker == worker);
    assert(check_leases(&worker->leases, worker, false) == worker->lease_count);
    assert(check_leases(&worker->ahead, worker, true) == worker->ahead_count);
    assert(worker->allowance <= worker->window || !worker->joined);
    assert(!worker->roomy || worker_willing(core, worker));
    if (worker->joined)
        check_room(worker);
}

void
core_check(const struct core *core)
{
    uint64_t unfinished = 0, running = 0, leases = 0;

    for (uint32_t i = 0; i < core->job_order.count; i++) {
        const struct job *job = job_find(core, order_at(&core->job_order, i));

        assert(job != NULL);
        check_job(core, job);
        unfinished += !job_ended(job);
        running += job->running;
    }
    assert(core->job_order.count == core->jobs.count);
    assert(unfinished == core->counters.jobs_unfinished);
    assert(running == core->counters.tasks_running);
    for (const struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        check_worker(core, worker);
        leases += worker->lease_count + worker->ahead_count;
    }
    assert(leases == running);
    check_caps(core);
    assert(core->session_order.count == core->sessions.count);
    assert((core->reserved == NULL) == (core->reserved_for == NULL));
    lent_verify(core);
    logs_verify(&core->logs);
    objects_check(core);
}
