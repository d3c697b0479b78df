/* schedule.c - which tasks go to which workers
 *
 * 1. Looks at classes with ready work and at workers with room, never at tasks
 *    or jobs that wait: what a round costs does not depend on the backlog.
 * 2. The best class is served first (see class.c), a few tasks at a time, so
 *    that owners take turns.
 * 3. A class for which no worker has room is set aside for the round, and looks
 *    later only at workers that may have got more room since; smaller
 *    work fills the holes.  The first of them gets one worker reserved, on
 *    which it would fit if the tasks of others ended, so that it does not
 *    starve: nothing else starts there until it got its place.
 * 4. A worker that ends tasks quickly gets some more than fit (ahead), so that
 *    it never waits for us.
 */
#include "state.h"

enum { QUANTUM_TASKS = 32 };       /* while others want to be served, too */

void
schedule_unreserve(struct core *core)
{
    if (core->reserved != NULL)
        worker_grown(core, core->reserved);
    core->reserved_for = NULL;
    core->reserved = NULL;
    core->schedule = true;
}

/* ---- which tasks of a job ---- */

/* The next run of tasks, at most `max`; there is at least one. */
static uint32_t
job_next(const struct job *job, uint32_t max, uint32_t *first_out)
{
    const struct active *active = job->active;
    uint64_t             end;

    if (active != NULL && active->ready_count > 0) {
        *first_out = CONTAINER(active->ready.next, struct task, link)->index;
        return 1;
    }
    if (job->marks != NULL && job->marks->again.count > 0) {
        bool found = idset_next(&job->marks->again, 0, first_out);

        assert(found);
        return idset_run(&job->marks->again, *first_out, max);
    }
    assert(job->fresh > 0);
    *first_out = job->cursor;
    end = job->cut < job->total ? job->cut : job->total;
    if (job->marks != NULL) {
        uint32_t stopped;

        *first_out = (uint32_t)idset_run_end(&job->marks->cancelled, job->cursor);
        if (idset_next(&job->marks->cancelled, *first_out, &stopped) && stopped < end)
            end = stopped;
    }
    assert(*first_out < end);
    return end - *first_out < max ? (uint32_t)(end - *first_out) : max;
}

static void
grant_effect(struct core *core, const struct worker *worker, struct job *job, uint32_t index,
             struct effects *fx)
{
    struct task         *task = task_find(core, job->id, index);
    struct effect_lease *lease = effects_lease(fx);

    assert(task->state == TASK_LEASED);
    lease->session = worker->session->id;
    lease->job = job->id;
    lease->index = index;
    lease->attempt = task_attempt(task);
    lease->epoch = task->mark;
    if (job->items) {
        const struct ref *ref =
            refs_find(job->refs[REFS_ITEMS], index, &job->active->item_hint);

        assert(ref != NULL && index - ref->a < ref->b);
        lease->block = ref->body;
        lease->at = index - ref->a;
    }
    if (core->watched.count > 0)
        watch_leased(core, task);
}

/* Lease `count` tasks of the job to the worker. */
static void
schedule_grant(struct core *core, struct worker *worker, struct job *job, uint32_t count,
               bool ahead, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_TASKS_LEASED };

    core->grant_ahead = ahead;
    while (count > 0) {
        uint32_t first;
        uint32_t run = job_next(job, count, &first);

        record.tasks_leased.session = worker->session->id;
        record.tasks_leased.job = job->id;
        record.tasks_leased.first = first;
        record.tasks_leased.count = run;
        record.tasks_leased.epoch = core->lease_epoch;
        core_fact(core, fx, &record);
        for (uint32_t i = 0; i < run; i++)
            grant_effect(core, worker, job, first + i, fx);
        count -= run;
    }
    if (job->member != NULL)
        cap_served(job);
    core->grant_ahead = false;
}

/* ---- where ---- */

static struct worker *
worker_of(struct list *room)
{
    return CONTAINER(room, struct worker, room);
}

static bool
worker_open_to(const struct core *core, struct class *class, struct worker *worker)
{
    if (core->reserved == worker && core->reserved_for != class)
        return false;
    return class_suits(class, worker);
}

/* Tasks of the class that the worker could take now, as *ahead_out says. */
static uint32_t
worker_places(struct core *core, struct class *class, struct worker *worker, bool *ahead_out)
{
    uint32_t room;

    core_worked(core, 1);
    *ahead_out = false;
    if (!worker_open_to(core, class, worker))
        return 0;
    room = worker->ahead_count == 0 ? class_room(class, worker) : 0;
    if (room > 0)
        return room;
    *ahead_out = true;
    return worker->ahead_count < worker->allowance && worker->lease_count > 0 &&
                   core->reserved != worker
               ? worker->allowance - worker->ahead_count
               : 0;
}

/* No worker had room for the class, and none of those that may have got more has. */
static bool
schedule_hopeless(struct core *core, struct class *class)
{
    bool ahead;

    for (struct list *at = core->grown.next; class->looked > 0 && at != &core->grown;
         at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, grown);

        if (worker->grew <= class->looked)
            break;
        if (worker_places(core, class, worker, &ahead) > 0)
            return false;
    }
    return class->looked > 0;
}

/* A worker with room for the class, and for how many tasks. */
static struct worker *
schedule_place(struct core *core, struct class *class, uint32_t *room_out, bool *ahead_out)
{
    struct worker *second = NULL;

    if (schedule_hopeless(core, class))
        return NULL;
    for (struct list *at = core->roomy.next; at != &core->roomy; at = at->next) {
        struct worker *worker = worker_of(at);
        uint32_t       room = worker_places(core, class, worker, ahead_out);

        if (room == 0 || (*ahead_out && second != NULL))
            continue;
        *room_out = room;
        if (!*ahead_out)
            return worker;
        second = worker;
    }
    *ahead_out = second != NULL;
    return second;
}

static uint32_t
schedule_count(const struct core *core, const struct class *class, const struct job *job,
               uint32_t room, bool ahead)
{
    uint64_t count = job_ready_count(job);
    uint64_t share = core->roomy_count > 1 && !ahead ? count / core->roomy_count : count;

    /* Few tasks and many workers: one for each, rather than all for the first. */
    if (share < count)
        count = share > 0 ? share : 1;
    if (count > room)
        count = room;
    if (job->running_max > 0 && count > job->running_max - job->running)
        count = job->running_max - job->running;
    if (job->member != NULL && count > cap_room(job->member->cap))
        count = cap_room(job->member->cap);
    if (count > QUANTUM_TASKS && (core->classes.count > 1 || class->lines.count > 1))
        count = QUANTUM_TASKS;
    assert(count > 0);
    return (uint32_t)count;
}

/* The job to be served next of those in the line.  Jobs that share a cap take
 * turns, so it may be one of another class. */
static struct job *
schedule_job(struct core *core, const struct line *line)
{
    struct heap_node *job = heap_first(&line->jobs);
    struct heap_node *share = heap_first(&line->shares);

    if (share == NULL || (job != NULL && job->key < share->key))
        return CONTAINER(job, struct job, ready);
    return cap_turn(core, CONTAINER(share, struct share, place));
}

/* Serve the job once.  False: no worker has room for its class. */
static bool
schedule_serve(struct core *core, struct job *job, struct effects *fx)
{
    struct class  *class = job->class;
    struct user   *user = job->user;
    struct worker *worker;
    uint32_t       room = 0, count;
    bool           ahead = false;

    worker = schedule_place(core, class, &room, &ahead);
    class->looked = worker == NULL ? core->room_clock : 0;
    if (worker == NULL)
        return false;
    count = schedule_count(core, class, job, room, ahead);
    core->served = user->served;
    user->served += (uint64_t)count * (class->cpus_milli > 0 ? class->cpus_milli : 1);
    if (core->reserved_for == class)
        schedule_unreserve(core);
    schedule_grant(core, worker, job, count, ahead, fx);
    if (worker->roomy) {        /* the next one goes to another worker */
        list_remove(&worker->room);
        list_append(&core->roomy, &worker->room);
    }
    worker_refresh(core, worker);
    return true;
}

/* ---- reservations ---- */

/* Would the class fit if the leases of other classes ended? */
static bool
reserve_possible(struct class *class, struct worker *worker)
{
    uint64_t own = 0;

    if (!class_suits(class, worker))
        return false;
    for (struct list *at = worker->leases.next; at != &worker->leases; at = at->next)
        own += CONTAINER(at, struct task, link)->job->class == class;
    if ((own + 1) * class->cpus_milli > worker->cpus_milli)
        return false;
    if (worker->mem_bytes > 0 && class->mem_bytes > 0 &&
        worker->mem_bytes / class->mem_bytes < own + 1)
        return false;
    for (uint32_t i = 0; i < class->need_count; i++) {
        for (uint32_t j = 0; j < worker->stock_count; j++) {
            if (worker->stock[j].name == class->needs[i].name &&
                worker->stock[j].amount / class->needs[i].amount < own + 1)
                return false;
        }
    }
    return true;
}

/* The worker on which the least is missing. */
static void
schedule_reserve(struct core *core, struct class *class)
{
    struct worker *best = NULL;

    core->reserve_at_ms = core->now_ms + CLASS_RESERVE_MS;
    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, all);

        if (!worker_willing(core, worker) ||
            (best != NULL && worker->cpus_free_milli <= best->cpus_free_milli))
            continue;
        if (reserve_possible(class, worker))
            best = worker;
    }
    if (best == NULL)
        return;
    core->reserved = best;
    core->reserved_for = class;
    class->looked = 0;
    core->reserve_at_ms = UINT64_MAX;
}

/* No worker has room for the class.  Looking for one to reserve means looking
 * at all of them, so that waits until it is worth it. */
static void
schedule_blocked(struct core *core, struct class *class)
{
    if (class->blocked_ms == 0)
        class->blocked_ms = core->now_ms;
    if (core->reserved_for != NULL)
        return;
    if (core->reserve_at_ms > class->blocked_ms + CLASS_RESERVE_MS &&
        core->reserve_at_ms == UINT64_MAX)
        core->reserve_at_ms = class->blocked_ms + CLASS_RESERVE_MS;
    if (core->now_ms >= core->reserve_at_ms && core->now_ms - class->blocked_ms >= CLASS_RESERVE_MS)
        schedule_reserve(core, class);
}

/* ---- a round ---- */

/* Serve classes until none is left that some worker has room for.  Those are
 * put into `aside`; with no room at all the best one tells what it lacks. */
static void
schedule_round(struct core *core, struct list *aside, struct effects *fx)
{
    while (core->classes.count > 0) {
        struct class *class = CONTAINER(heap_first(&core->classes), struct class, place);
        struct line  *line = class_best(core, class);
        struct job   *job;

        if (CONTAINER(heap_first(&core->classes), struct class, place) != class)
            continue;               /* its owner was served meanwhile elsewhere */
        assert(line != NULL);
        job = schedule_job(core, line);
        class = job->class;
        if (core->roomy_count > 0 && schedule_serve(core, job, fx)) {
            class->blocked_ms = 0;
            continue;
        }
        schedule_blocked(core, class);
        if (core->roomy_count == 0)
            return;
        heap_remove(&core->classes, &class->place);
        list_append(aside, &class->aside);
    }
}

void
schedule_run(struct core *core, struct effects *fx)
{
    uint32_t      leases = fx->lease_count;
    struct class *reserved_for = core->reserved_for;
    struct list   aside;

    if (core->now_ms >= core->reserve_at_ms)
        core->schedule = true;
    if (!core->schedule)
        return;
    core->reserve_at_ms = core->now_ms >= core->reserve_at_ms ? core->now_ms : UINT64_MAX;
    if (reserved_for != NULL && reserved_for->lines.count == 0)
        schedule_unreserve(core);
    list_init(&aside);
    core->lease_epoch++;
    schedule_round(core, &aside, fx);
    while (!list_empty(&aside)) {
        struct class *class = CONTAINER(aside.next, struct class, aside);

        list_remove(&class->aside);
        class_restore(core, class);
    }
    caps_restore(core);
    if (fx->lease_count == leases)
        core->lease_epoch--;
    if (core->reserve_at_ms == core->now_ms)
        core->reserve_at_ms = UINT64_MAX;
    /* A worker that was reserved is open to those that were set aside. */
    core->schedule = reserved_for != NULL && core->reserved_for == NULL && fx->lease_count > leases;
}
