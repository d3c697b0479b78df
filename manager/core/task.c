/* task.c - the life of one task (manager/STATES.md is the specification)
 *
 *               after, delay         lease
 *   (WAITING) ------------> READY ----------> LEASED ----> SUCCEEDED
 *        ^                    ^                 | | `----> FAILED
 *        |                    |  returned, lost | | `----> CANCELLED
 *        |                    `-----------------' |
 *        |             failed, attempts left      |
 *        `----------------------------------------'
 *
 * Only tasks that are leased, or were and will be again, have a struct; of all
 * others the job's numbers tell the state:
 *
 *   in marks->again       READY: retried, begins anew
 *   in marks->failed      FAILED
 *   in marks->cancelled   CANCELLED
 *   else below cursor     SUCCEEDED
 *   else from cut on      FAILED or CANCELLED, by cut_failed
 *   else                  READY: never leased
 *
 * 1. A live task is in no mark, and below cursor.
 * 2. Structs come from slabs: no allocation per task.
 */
#include "plant.h"
#include "state.h"

#define BIT(n) (1u << (n))

enum { SLAB_TASKS = 512 };

static const uint32_t task_next[TASK_STATE_COUNT] = {
    [TASK_WAITING]   = BIT(TASK_READY) | BIT(TASK_FAILED) | BIT(TASK_CANCELLED),
    [TASK_READY]     = BIT(TASK_LEASED) | BIT(TASK_FAILED) | BIT(TASK_CANCELLED),
    [TASK_LEASED]    = BIT(TASK_READY) | BIT(TASK_WAITING) | BIT(TASK_SUCCEEDED) |
                       BIT(TASK_FAILED) | BIT(TASK_CANCELLED),
    [TASK_SUCCEEDED] = 0,      /* a retry begins with a new struct */
    [TASK_FAILED]    = 0,
    [TASK_CANCELLED] = 0,
};

void
task_move(struct task *task, enum wire_task_state next)
{
    assert(next < TASK_STATE_COUNT);
    assert(task_next[task->state] & BIT(next));
    task->state = (uint8_t)next;
}

struct wire_token
task_token(const struct task *task)
{
    assert(task->state == TASK_LEASED);
    return (struct wire_token){ task->job->id, task->index, task_attempt(task), task->mark };
}

bool
token_equal(const struct wire_token *mine, const struct wire_token *shown)
{
    return mine->job == shown->job && mine->index == shown->index &&
           PLANT_SAME(mine->attempt, shown->attempt) && PLANT_SAME(mine->epoch, shown->epoch);
}

static void
task_slab(struct core *core)
{
    struct task *tasks = base_array(SLAB_TASKS, sizeof(*tasks));

    base_grow((void **)&core->slabs, &core->slab_capacity, core->slab_count + 1, sizeof(void *));
    core->slabs[core->slab_count++] = tasks;
    for (uint32_t i = 0; i < SLAB_TASKS; i++) {
        tasks[i].worker = (struct worker *)(void *)core->task_free;
        core->task_free = &tasks[i];
    }
}

/* A READY task, in no ring yet but its job's. */
struct task *
task_new(struct core *core, struct job *job, uint32_t index)
{
    struct active *active = job_active(job);
    struct task   *task;

    assert(index < job->cursor);
    if (core->task_free == NULL)
        task_slab(core);
    task = core->task_free;
    core->task_free = (struct task *)(void *)task->worker;
    *task = (struct task){ .job = job, .index = index, .state = TASK_READY };
    list_append(&active->live, &task->job_link);
    active->live_count++;
    map_put(&core->tasks, task_key(job->id, index), task);
    return task;
}

void
task_free(struct core *core, struct task *task)
{
    struct active *active = task->job->active;

    assert(map_get(&core->tasks, task_key(task->job->id, task->index)) == task);
    map_remove(&core->tasks, task_key(task->job->id, task->index));
    list_remove(&task->job_link);
    active->live_count--;
    if (task->output != NULL) {
        free(task->output->items);
        free(task->output);
    }
    task->worker = (struct worker *)(void *)core->task_free;
    task->job = NULL;
    core->task_free = task;
}

/* ---- runs of tasks in the same state ---- */

static int
live_compare(const void *a, const void *b)
{
    const struct task *x = *(const struct task *const *)a;
    const struct task *y = *(const struct task *const *)b;

    return (x->index > y->index) - (x->index < y->index);
}

/* Fewer indexes than live tasks: those are looked up one by one. */
static bool
walk_is_short(const struct task_walk *walk)
{
    return walk->end <= walk->next || walk->end - walk->next < walk->job->active->live_count;
}

void
task_walk_begin(struct task_walk *walk, const struct core *core, const struct job *job,
                uint32_t first, uint32_t last)
{
    const struct active *active = job->active;

    assert(first <= last);
    *walk = (struct task_walk){ .core = core, .job = job, .next = first,
                                .end = (uint64_t)last + 1 };
    if (walk->end > job->total)
        walk->end = job->total;
    if (active == NULL || active->live_count == 0)
        return;
    walk->live = base_array(active->live_count, sizeof(struct task *));
    for (uint64_t i = first; walk_is_short(walk) && i < walk->end; i++) {
        const struct task *task = task_find(core, job->id, (uint32_t)i);

        if (task != NULL)
            walk->live[walk->live_count++] = task;
    }
    if (walk_is_short(walk))
        return;
    for (const struct list *at = active->live.next; at != &active->live; at = at->next) {
        const struct task *task = CONTAINER(at, struct task, job_link);

        if (task->index >= first && task->index <= last)
            walk->live[walk->live_count++] = task;
    }
    qsort(walk->live, walk->live_count, sizeof(struct task *), live_compare);
}

void
task_walk_end(struct task_walk *walk)
{
    free(walk->live);
    walk->live = NULL;
}

/* Membership of `at`, and lowers *end to where that changes. */
static bool
walk_set(const struct idset *set, uint32_t at, uint64_t *end)
{
    uint64_t change = idset_run_end(set, at);
    uint32_t next;

    if (change == at)
        change = idset_next(set, at, &next) ? next : UINT64_MAX;
    if (change < *end)
        *end = change;
    return idset_has(set, at);
}

static enum wire_task_state
walk_state(const struct job *job, uint32_t at, uint64_t *end)
{
    bool again = false, failed = false, cancelled = false;

    if (job->marks != NULL) {
        again = walk_set(&job->marks->again, at, end);
        failed = walk_set(&job->marks->failed, at, end);
        cancelled = walk_set(&job->marks->cancelled, at, end);
    }
    if (at < job->cursor && *end > job->cursor)
        *end = job->cursor;
    if (at < job->cut && *end > job->cut)
        *end = job->cut;
    if (again)
        return TASK_READY;
    if (failed)
        return TASK_FAILED;
    if (cancelled)
        return TASK_CANCELLED;
    if (at >= job->cursor)
        return at < job->cut ? TASK_READY : job->cut_failed ? TASK_FAILED : TASK_CANCELLED;
    if (job_is_single(job) && job->failed > 0)
        return TASK_FAILED;
    if (job_is_single(job) && job->cancelled > 0)
        return TASK_CANCELLED;
    return TASK_SUCCEEDED;
}

bool
task_walk_next(struct task_walk *walk, struct task_run *run_out)
{
    uint32_t             at = (uint32_t)walk->next;
    uint64_t             end = walk->end;
    enum wire_task_state state;

    if (walk->next >= walk->end)
        return false;
    if (walk->live_at < walk->live_count) {
        const struct task *task = walk->live[walk->live_at];

        assert(task->index >= at);
        if (task->index == at) {
            walk->live_at++;
            walk->next = (uint64_t)at + 1;
            *run_out = (struct task_run){ at, at, (enum wire_task_state)task->state, task };
            return true;
        }
        end = task->index;
    }
    state = walk_state(walk->job, at, &end);
    assert(end > at);
    if (state == TASK_READY && job_state(walk->core, walk->job) == JOB_WAITING)
        state = TASK_WAITING;
    *run_out = (struct task_run){ at, (uint32_t)(end - 1), state, NULL };
    walk->next = end;
    return true;
}
