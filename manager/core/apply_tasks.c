/* apply_tasks.c - facts change memory here and nowhere else: tasks
 *
 * See apply.c for the rules and task.c for what the numbers of a job mean.
 */
#include "apply.h"

/* ---- small things ---- */

/* Members of `set` in first..last. */
static uint64_t
set_count(const struct idset *set, uint32_t first, uint32_t last)
{
    uint64_t count = 0;
    uint64_t at = first;
    uint32_t start;

    while (at <= last && idset_next(set, (uint32_t)at, &start) && start <= last) {
        uint64_t end = idset_run_end(set, start);

        if (end > (uint64_t)last + 1)
            end = (uint64_t)last + 1;
        count += end - start;
        at = end;
    }
    return count;
}

/* End (first index beyond) of the tasks that may still be leased for the first time. */
static uint32_t
fresh_end(const struct job *job)
{
    return job->cut < job->total ? job->cut : job->total;
}

static uint32_t *
state_count(struct job *job, enum wire_task_state state)
{
    assert(state >= TASK_SUCCEEDED && state < TASK_STATE_COUNT);
    return state == TASK_SUCCEEDED ? &job->succeeded
           : state == TASK_FAILED  ? &job->failed
                                   : &job->cancelled;
}

static struct idset *
state_set(struct job *job, enum wire_task_state state)
{
    struct marks *marks = job_marks(job);

    return state == TASK_FAILED ? &marks->failed : &marks->cancelled;
}

/* `count` tasks from `index` on, which were leased before or will never be, ended. */
static void
count_end(struct core *core, struct job *job, uint32_t index, uint32_t count,
          enum wire_task_state state)
{
    *state_count(job, state) += count;
    core->counters.tasks_finished += count;
    if (state == TASK_FAILED)
        core->counters.tasks_failed += count;
    if (state != TASK_SUCCEEDED && !job_is_single(job))
        idset_add_range(state_set(job, state), index, index + count - 1);
}

/* Take a task that waits or is ready out of where it waits. */
static void
task_detach(struct core *core, struct task *task)
{
    assert(task->state == TASK_READY || task->state == TASK_WAITING);
    if (task->state == TASK_WAITING) {
        if (task->timer.place > 0)
            heap_remove(&core->retries, &task->timer);
        task->timer = (struct heap_node){ 0 };
        task_move(task, TASK_READY);
        return;
    }
    if (list_linked(&task->link)) {
        list_remove(&task->link);
        task->job->active->ready_count--;
    }
}

/* ---- leases ---- */

/* May this index be leased after those before it in the run? */
static bool
lease_possible(const struct core *core, const struct job *job, uint32_t index, uint64_t cursor)
{
    const struct task *task = task_find(core, job->id, index);
    uint64_t           at = cursor;

    if (task != NULL)
        return task->state != TASK_LEASED;
    if (job->marks != NULL && idset_has(&job->marks->again, index))
        return true;
    if (index < cursor || index >= fresh_end(job))
        return false;
    if (job->marks == NULL)
        return index == cursor;
    while (at < index && idset_has(&job->marks->cancelled, (uint32_t)at))
        at = idset_run_end(&job->marks->cancelled, (uint32_t)at);
    return at >= index && !idset_has(&job->marks->cancelled, index);
}

bool
check_tasks_leased(const struct core *core, const struct record_tasks_leased *it)
{
    const struct session *session = map_get(&core->sessions, it->session);
    const struct job     *job = job_find(core, it->job);
    uint64_t              cursor;

    if (session == NULL || session->worker == NULL || job == NULL || job_ended(job) ||
        it->count == 0 || it->first >= job->total || it->count > job->total - it->first ||
        (job->running_max > 0 && it->count > job->running_max - job->running) ||
        (job->member != NULL && it->count > job->member->cap->max - job->member->cap->running))
        return false;
    cursor = job->cursor;
    for (uint32_t i = 0; i < it->count; i++) {
        uint32_t index = (uint32_t)it->first + i;

        if (!lease_possible(core, job, index, cursor))
            return false;
        if (index >= cursor && task_find(core, job->id, index) == NULL &&
            !(job->marks != NULL && idset_has(&job->marks->again, index)))
            cursor = (uint64_t)index + 1;
    }
    return true;
}

static struct task *
lease_task(struct core *core, struct job *job, uint32_t index)
{
    struct task *task = task_find(core, job->id, index);

    if (task != NULL) {
        task_detach(core, task);
        return task;
    }
    if (job->marks == NULL || !idset_remove(&job->marks->again, index)) {
        job->cursor = index + 1;
        job->fresh--;
    }
    return task_new(core, job, index);
}

void
apply_tasks_leased(struct core *core, const struct record_tasks_leased *it)
{
    struct session *session = map_get(&core->sessions, it->session);
    struct job     *job = job_find(core, it->job);

    for (uint32_t i = 0; i < it->count; i++) {
        struct task *task = lease_task(core, job, (uint32_t)it->first + i);

        task_move(task, TASK_LEASED);
        task->mark = it->epoch;
        task->since_ms = core->now_ms;
        task->pid = 0;
        worker_take(core, session->worker, task);
        job->running++;
        core->counters.tasks_running++;
    }
    if (job->member != NULL)
        job->member->cap->running += (uint32_t)it->count;
    core->counters.leases += it->count;
    apply_changed(core, job);
}

static struct task *
leased_find(const struct core *core, uint64_t job, uint64_t index)
{
    struct task *task;

    if (job >> (64 - JOB_KEY_SHIFT) != 0 || index >= TASKS_PER_JOB_MAX)
        return NULL;
    task = task_find(core, job, (uint32_t)index);
    return task != NULL && task->state == TASK_LEASED ? task : NULL;
}

bool
check_chunk_added(const struct core *core, const struct record_chunk_added *it)
{
    const struct task *task = leased_find(core, it->job, it->index);

    return task != NULL && it->stream < 2 && it->bytes > 0 && it->bytes <= CHUNK_BYTES_MAX &&
           it->offset <= OUTPUT_BYTES_MAX && it->body >= task->job->body_next &&
           it->body < UINT32_MAX;
}

void
apply_chunk_added(struct core *core, const struct record_chunk_added *it)
{
    struct task   *task = leased_find(core, it->job, it->index);
    struct output *output = task->output;

    if (output == NULL)
        output = task->output = base_alloc(sizeof(*output));
    base_grow((void **)&output->items, &output->capacity, output->count + 1,
              sizeof(*output->items));
    output->items[output->count++] =
        (struct ref){ .body = (uint32_t)it->body, .a = (uint32_t)it->index,
                      .b = (uint32_t)it->offset, .c = (uint32_t)(it->bytes << 1 | it->stream) };
    task->job->body_next = (uint32_t)it->body + 1;
    job_dirty(core, task->job);
}

/* ---- a lease ends ---- */

static void
lease_end(struct core *core, struct task *task)
{
    assert(task->job->running > 0);
    if (task->keyed)
        lent_drop(core, task);
    worker_release(core, task->worker, task);
    task->job->running--;
    if (task->job->member != NULL)
        task->job->member->cap->running--;
    core->counters.tasks_running--;
    task->worker = NULL;
}

bool
check_task_ended(const struct core *core, const struct record_task_ended *it)
{
    const struct task *task = leased_find(core, it->job, it->index);

    return task != NULL && it->state >= TASK_SUCCEEDED && it->state < TASK_STATE_COUNT &&
           it->kept < 4 && (!task->keyed || lent_may_end(core, task));
}

void
apply_task_ended(struct core *core, const struct record_task_ended *it)
{
    struct task      *task = leased_find(core, it->job, it->index);
    struct job       *job = task->job;
    struct wire_token token = task_token(task);

    for (uint32_t i = 0; task->output != NULL && i < task->output->count; i++) {
        if (it->kept >> (task->output->items[i].c & 1) & 1)
            refs_add(&job->refs[REFS_OUTPUTS], &task->output->items[i]);
    }
    worker_done(task->worker, &token);
    session_dirty(core, task->worker->session);
    lease_end(core, task);
    task_move(task, (enum wire_task_state)it->state);
    count_end(core, job, task->index, 1, (enum wire_task_state)it->state);
    task_free(core, task);
    apply_changed(core, job);
}

bool
check_task_again(const struct core *core, const struct record_task_again *it)
{
    const struct task *task = leased_find(core, it->job, it->index);

    if (task == NULL || task->stopping || it->why >= AGAIN_COUNT ||
        (task->keyed && !lent_may_end(core, task)))
        return false;
    if (it->why == AGAIN_FAILED)
        return task->failures + 1 < task->job->attempts_max;
    return it->why == AGAIN_RETURNED || task->losses + 1 < task->job->lost_max;
}

void
apply_task_again(struct core *core, const struct record_task_again *it)
{
    struct task   *task = leased_find(core, it->job, it->index);
    struct active *active = task->job->active;

    lease_end(core, task);
    if (it->why == AGAIN_FAILED)
        task->failures++;
    if (it->why == AGAIN_LOST)
        task->losses++;
    if (task->output != NULL) {
        free(task->output->items);
        free(task->output);
        task->output = NULL;
    }
    task->mark = it->until_unix_ms;
    task->since_ms = core->now_ms;
    if (it->until_unix_ms > 0) {
        task->timer = (struct heap_node){ 0 };
        task_move(task, TASK_WAITING);
        lease_wait(core, task);
    } else {
        task_move(task, TASK_READY);
        list_append(&active->ready, &task->link);
        active->ready_count++;
    }
    core->counters.retries++;
    apply_changed(core, task->job);
}

/* ---- stop: cancel, or fail without running ---- */

bool
check_tasks_stopped(const struct core *core, const struct record_tasks_stopped *it)
{
    const struct job *job = job_find(core, it->job);

    if (job == NULL || job_ended(job) || it->close > 1 || it->waiting_only > 1 ||
        (it->state != TASK_FAILED && it->state != TASK_CANCELLED))
        return false;
    /* Without a task there is nothing to name: 0..0 closes an empty job. */
    if (job->total == 0)
        return it->first == 0 && it->last == 0 && it->close;
    if (it->state == TASK_FAILED && !(it->close && it->first == 0 && it->last == job->total - 1))
        return false;
    return it->first <= it->last && it->last < job->total;
}

static void
stop_fresh(struct core *core, struct job *job, uint32_t first, uint32_t last,
           enum wire_task_state state)
{
    uint32_t end = fresh_end(job);
    uint32_t from = first > job->cursor ? first : job->cursor;
    uint32_t count;

    if (last >= end)
        last = end - 1;
    if (end == 0 || from > last)
        return;
    count = last - from + 1;
    if (job->marks != NULL)
        count -= (uint32_t)set_count(&job->marks->cancelled, from, last);
    /* Nothing comes behind it, though standard input may: a number will do. */
    if (last == end - 1 && (job->closed || !job->items) &&
        (job->cut == UINT32_MAX || state == TASK_FAILED || !job->cut_failed)) {
        if (job->cut < job->total && job->cut_failed != (state == TASK_FAILED))
            idset_add_range(state_set(job, TASK_CANCELLED), job->cut, job->total - 1);
        job->cut = from;
        job->cut_failed = state == TASK_FAILED;
    } else {
        assert(state == TASK_CANCELLED);
        idset_add_range(state_set(job, state), from, last);
    }
    job->fresh -= count;
    *state_count(job, state) += count;
    core->counters.tasks_finished += count;
    if (state == TASK_FAILED)
        core->counters.tasks_failed += count;
}

static void
stop_again(struct core *core, struct job *job, uint32_t first, uint32_t last,
           enum wire_task_state state)
{
    uint32_t index = first;

    while (job->marks != NULL && idset_next(&job->marks->again, index, &index) && index <= last) {
        uint32_t count = idset_run(&job->marks->again, index, last - index + 1);

        idset_remove_range(&job->marks->again, index, index + count - 1);
        count_end(core, job, index, count, state);
    }
}

static void
stop_live(struct core *core, struct job *job, uint32_t first, uint32_t last,
          enum wire_task_state state, bool waiting_only)
{
    struct active *active = job->active;
    struct list   *next;

    if (active == NULL)
        return;
    for (struct list *at = active->live.next; at != &active->live; at = next) {
        struct task *task = CONTAINER(at, struct task, job_link);

        next = at->next;
        if (task->index < first || task->index > last)
            continue;
        if (task->state == TASK_LEASED) {
            task->stopping = task->stopping || !waiting_only;
            continue;
        }
        task_detach(core, task);
        task_move(task, state);
        count_end(core, job, task->index, 1, state);
        task_free(core, task);
    }
}

void
apply_tasks_stopped(struct core *core, const struct record_tasks_stopped *it)
{
    struct job          *job = job_find(core, it->job);
    enum wire_task_state state = (enum wire_task_state)it->state;

    if (it->close)
        job->closed = true;
    if (job->total > 0) {
        stop_fresh(core, job, (uint32_t)it->first, (uint32_t)it->last, state);
        stop_again(core, job, (uint32_t)it->first, (uint32_t)it->last, state);
        stop_live(core, job, (uint32_t)it->first, (uint32_t)it->last, state,
                  it->waiting_only != 0);
    }
    apply_changed(core, job);
}

/* ---- retry ---- */

bool
check_tasks_retried(const struct core *core, const struct record_tasks_retried *it)
{
    const struct job *job = job_find(core, it->job);

    return job != NULL && it->failed_only <= 1 && it->first <= it->last && it->last < job->total;
}

/* What was cut becomes marks, unless all of it is wanted again: then it is fresh. */
static void
retry_cut(struct job *job, uint32_t first, uint32_t last)
{
    uint32_t from = job->cut > job->cursor ? job->cut : job->cursor;
    uint32_t count;

    if (job->cut >= job->total || last < from)
        return;
    if (first <= from && last == job->total - 1) {
        count = job->total - from;
        if (job->marks != NULL)
            count -= (uint32_t)set_count(&job->marks->cancelled, from, last);
        *state_count(job, job->cut_failed ? TASK_FAILED : TASK_CANCELLED) -= count;
        job->fresh += count;
    } else if (!job->cut_failed) {
        idset_add_range(state_set(job, TASK_CANCELLED), from, job->total - 1);
    } else {
        /* Those that failed so are cancelled from now on where they stay: the
         * job is wanted again, and they are not. */
        uint64_t were = set_count(state_set(job, TASK_CANCELLED), from, job->total - 1);

        idset_add_range(state_set(job, TASK_CANCELLED), from, job->total - 1);
        job->failed -= (uint32_t)(job->total - from - were);
        job->cancelled += (uint32_t)(job->total - from - were);
    }
    job->cut = UINT32_MAX;
    job->cut_failed = false;
}

static void
retry_marked(struct job *job, struct idset *set, uint32_t *count, uint32_t first, uint32_t last)
{
    uint32_t index = first;

    while (idset_next(set, index, &index) && index <= last) {
        uint32_t run = idset_run(set, index, last - index + 1);
        uint32_t below = job->cursor > index ? job->cursor - index : 0;

        if (below > run)
            below = run;
        idset_remove_range(set, index, index + run - 1);
        *count -= run;
        if (below > 0)
            idset_add_range(&job->marks->again, index, index + below - 1);
        job->fresh += run - below;
    }
}

/* Those that succeeded: everything below the cursor that is nothing else. */
static void
retry_succeeded(const struct core *core, struct job *job, uint32_t first, uint32_t last)
{
    struct task_walk walk;
    struct task_run  run;
    struct buffer    runs = { 0 };

    task_walk_begin(&walk, core, job, first, last);
    while (task_walk_next(&walk, &run)) {
        if (run.state == TASK_SUCCEEDED)
            buffer_append(&runs, &run, sizeof(run));
    }
    task_walk_end(&walk);
    for (size_t at = 0; at < runs.bytes; at += sizeof(run)) {
        memcpy(&run, runs.data + at, sizeof(run));
        idset_add_range(&job_marks(job)->again, run.first, run.last);
        job->succeeded -= run.last - run.first + 1;
    }
    buffer_free(&runs);
}

/* The only task of a job begins anew: nothing of it is marked anywhere. */
static void
retry_single(struct job *job, bool failed_only)
{
    if (job->succeeded + job->failed + job->cancelled == 0 || (failed_only && job->succeeded > 0))
        return;
    job->succeeded = 0;
    job->failed = 0;
    job->cancelled = 0;
    job->cursor = 0;
    job->cut = UINT32_MAX;
    job->cut_failed = false;
    job->fresh = 1;
}

/* What tasks that begin anew had written is nobody's output any more. */
static void
retry_outputs(struct job *job, uint32_t first, uint32_t last)
{
    struct refs *outputs = job->refs[REFS_OUTPUTS];

    for (uint32_t i = 0; i < refs_count(outputs); i++) {
        struct ref *ref = &outputs->items[i];

        if (ref->a < first || ref->a > last)
            continue;
        if (ref->a < job->cursor && !(job->marks != NULL && idset_has(&job->marks->again, ref->a)))
            continue;
        ref->c &= 1;
        outputs->changed = true;
    }
}

/* Why it was stopped is over, and it waits for what it waited for only as far
 * as that is unfinished itself. */
static void
retry_forgive(const struct core *core, struct job *job)
{
    free(job->reason);
    job->reason = NULL;
    for (uint32_t i = 0; job->after != NULL && i < job->after->count; i++) {
        const struct job *on = job_find(core, job->after->edges[i].on);

        if (on == NULL || job_ended(on))
            job->after->waits &= ~((uint64_t)1 << i);
        else if (job_ended(job))
            job->after->waits |= (uint64_t)1 << i;
    }
}

static void
job_reopen(struct core *core, struct job *job)
{
    job->state = JOB_QUEUED;
    job->ended_unix_ms = 0;
    list_remove(&job->link);
    apply_job_begin(core, job);
}

void
apply_tasks_retried(struct core *core, const struct record_tasks_retried *it)
{
    struct job *job = job_find(core, it->job);
    uint32_t    first = (uint32_t)it->first, last = (uint32_t)it->last;

    if (job_is_single(job)) {
        retry_single(job, it->failed_only);
    } else {
        if (!it->failed_only)
            retry_succeeded(core, job, first, last);
        retry_cut(job, first, last);
        if (job->marks != NULL) {
            retry_marked(job, &job->marks->failed, &job->failed, first, last);
            retry_marked(job, &job->marks->cancelled, &job->cancelled, first, last);
        }
    }
    retry_outputs(job, first, last);
    if (!job_complete(job))
        retry_forgive(core, job);
    if (job_ended(job) && !job_complete(job))
        job_reopen(core, job);
    apply_changed(core, job);
}
