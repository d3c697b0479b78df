/* lease.c - what becomes of a lease: finished, failed, given back, lost
 *
 * 1. A token proves a lease when all four of its numbers are equal and the
 *    lease belongs to the session that shows it.
 * 2. A FINISH that was accepted is acknowledged again when it is repeated;
 *    every other token gets STALE, is counted, and changes nothing.
 * 3. A task that was to be cancelled ends as cancelled, however its lease ends.
 */
#include <stdio.h>

#include "state.h"

struct task *
lease_find(const struct core *core, const struct worker *worker, const struct wire_token *token)
{
    struct wire_token mine;
    struct task      *task;

    if (token->job >> (64 - JOB_KEY_SHIFT) != 0)
        return NULL;
    task = task_find(core, token->job, token->index);
    if (task == NULL || task->state != TASK_LEASED || task->worker != worker)
        return NULL;
    mine = task_token(task);
    return token_equal(&mine, token) ? task : NULL;
}

void
lease_stale(struct core *core, const struct step *step, const struct wire_token *token)
{
    core->counters.stale++;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_STALE,
                  "task %u of job %llu is not leased to this worker as attempt %u", token->index,
                  (unsigned long long)token->job, token->attempt);
}

/* ---- ends ---- */

/* It will not be leased again: its result goes into the stream. */
static void
lease_end(struct core *core, struct task *task, enum wire_task_state state, uint64_t kept,
          const struct wire_result *result, struct effects *fx)
{
    struct job   *job = task->job;
    struct record record = { .type = RECORD_TYPE_TASK_ENDED };

    if (task->keyed)
        lent_end(core, task, fx);
    result_add(core, job, task->index, 1, task_attempt(task), slice_text(task->worker->name),
               result, fx);
    if (task->watched)
        watch_ended(core, task, fx);
    record.task_ended.job = job->id;
    record.task_ended.index = task->index;
    record.task_ended.state = state;
    record.task_ended.kept = kept;
    core_fact(core, fx, &record);
    if (state == TASK_FAILED)
        job_check_halt(core, job, fx);
}

static void
lease_again(struct core *core, struct task *task, enum record_again why, uint64_t until_unix_ms,
            struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_TASK_AGAIN };

    if (task->keyed)
        lent_end(core, task, fx);
    record.task_again.job = task->job->id;
    record.task_again.index = task->index;
    record.task_again.why = why;
    record.task_again.until_unix_ms = until_unix_ms;
    core_fact(core, fx, &record);
}

/* A lease that ended without a result of a task that is to be cancelled. */
static void
lease_cancelled(struct core *core, struct task *task, struct effects *fx)
{
    struct wire_result result = { .outcome = OUTCOME_CANCELLED };

    if (task->job->reason != NULL)
        result.reason = slice_text(task->job->reason);
    lease_end(core, task, TASK_CANCELLED, 0, &result, fx);
}

void
lease_returned(struct core *core, struct task *task, struct effects *fx)
{
    assert(task->state == TASK_LEASED);
    core->counters.returns++;
    if (task->stopping)
        lease_cancelled(core, task, fx);
    else
        lease_again(core, task, AGAIN_RETURNED, 0, fx);
}

void
lease_lost(struct core *core, struct task *task, struct effects *fx)
{
    struct wire_result result = { .outcome = OUTCOME_LOST };
    char               reason[TEXT_BYTES_MAX];

    core->counters.leases_expired++;
    if (task->stopping) {
        lease_cancelled(core, task, fx);
        return;
    }
    if (task->losses + 1 < task->job->lost_max) {
        lease_again(core, task, AGAIN_LOST, 0, fx);
        return;
    }
    snprintf(reason, sizeof(reason), "lost %u times with the worker that had it, or with what "
             "ran it there; the last time on %s", task->losses + 1u, task->worker->name);
    result.reason = slice_text(reason);
    lease_end(core, task, TASK_FAILED, 0, &result, fx);
}

/* ---- retries that wait ---- */

void
lease_wait(struct core *core, struct task *task)
{
    uint64_t unix_ms = core_unix_ms(core);

    assert(task->state == TASK_WAITING);
    if (!core->started)
        return;
    task->timer.key = core->now_ms + (task->mark > unix_ms ? task->mark - unix_ms : 0);
    task->timer.tie = task_key(task->job->id, task->index);
    heap_add(&core->retries, &task->timer);
}

/* Delays that are over: of jobs, of retries, of workers that had a fault. */
void
lease_timers(struct core *core)
{
    struct heap_node *node;

    while ((node = heap_first(&core->delays)) != NULL && node->key <= core->now_ms) {
        struct job *job = CONTAINER(node, struct active, timer)->job;

        heap_remove(&core->delays, node);
        job->delayed = false;
        class_refresh(core, job);
        job_touch(core, job);
    }
    while ((node = heap_first(&core->retries)) != NULL && node->key <= core->now_ms) {
        struct task *task = CONTAINER(node, struct task, timer);

        heap_remove(&core->retries, node);
        memset(&task->link, 0, sizeof(task->link));
        task_move(task, TASK_READY);
        list_append(&task->job->active->ready, &task->link);
        task->job->active->ready_count++;
        class_refresh(core, task->job);
    }
    while ((node = heap_first(&core->faults)) != NULL && node->key <= core->now_ms) {
        heap_remove(&core->faults, node);
        worker_refresh(core, CONTAINER(node, struct worker, fault));
    }
}

/* ---- FINISH ---- */

/* Which streams have chunks that follow the inline part without a gap, and how
 * much is kept with them?  What does not fit together is not kept. */
static uint64_t
finish_kept(const struct task *task, struct wire_result *result)
{
    size_t   inlined[2] = { result->out.bytes, result->err.bytes };
    uint64_t end[2] = { inlined[0], inlined[1] };
    bool     sound[2] = { true, true };
    uint64_t kept = 0;

    for (uint32_t i = 0; task->output != NULL && i < task->output->count; i++) {
        const struct ref *ref = &task->output->items[i];
        uint32_t          stream = ref->c & 1;

        sound[stream] = sound[stream] && ref->b == end[stream];
        end[stream] += ref->c >> 1;
    }
    for (uint32_t stream = 0; stream < 2; stream++) {
        if (end[stream] > inlined[stream] && sound[stream])
            kept |= (uint64_t)1 << stream;
        else
            end[stream] = inlined[stream];
    }
    result->out_kept = (uint32_t)end[0];
    result->err_kept = (uint32_t)end[1];
    return kept;
}

static void
finish_pace(struct core *core, struct worker *worker, uint64_t wall_us)
{
    worker->finished++;
    if (wall_us < QUICK_US)
        worker->allowance = worker->allowance + 2 < worker->window ? worker->allowance + 2
                                                                   : worker->window;
    else if (wall_us > LONG_US)
        worker->allowance = 0;
    worker_refresh(core, worker);
}

static enum wire_task_state
finish_state(const struct task *task, uint8_t outcome)
{
    if (task->stopping || outcome == OUTCOME_CANCELLED)
        return TASK_CANCELLED;
    return outcome == OUTCOME_SUCCEEDED ? TASK_SUCCEEDED : TASK_FAILED;
}

void
step_task_finish(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_task_finish *finish = &m->task_finish;
    struct worker     *worker = step->session->worker;
    struct task       *task = lease_find(core, worker, &finish->token);
    struct wire_result result = finish->result;
    enum wire_task_state state;
    uint64_t           kept;

    if (task == NULL && worker_was_done(worker, &finish->token)) {
        effects_ack(step->fx, step->session->id, step->request, 0);
        return;
    }
    if (task == NULL) {
        lease_stale(core, step, &finish->token);
        return;
    }
    if (result.outcome == OUTCOME_LOST || result.outcome == OUTCOME_DEPENDENCY) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                      "outcome %s is not a worker's to tell", wire_outcome_name(result.outcome));
        return;
    }
    state = finish_state(task, result.outcome);
    if (state == TASK_FAILED && task->failures + 1 < task->job->attempts_max) {
        uint64_t delay_ms = task->job->retry_delay_ms;

        lease_again(core, task, AGAIN_FAILED, delay_ms > 0 ? core_unix_ms(core) + delay_ms : 0,
                    step->fx);
    } else {
        if (state == TASK_CANCELLED)
            result.outcome = OUTCOME_CANCELLED;
        kept = finish_kept(task, &result);
        lease_end(core, task, state, kept, &result, step->fx);
    }
    finish_pace(core, worker, result.wall_us);
    effects_ack(step->fx, step->session->id, step->request, 0);
}

enum { FAULT_TEXT_BYTES = 320 };      /* kept of what a worker says of its fault */

/* So much of it that a line of WHY has room for the rest. */
static void
worker_fault(struct core *core, struct worker *worker, struct slice why)
{
    struct slice text = slice_cut(why, 0, FAULT_TEXT_BYTES);

    while (text.bytes > 0 && !parse_utf8(text))
        text.bytes--;
    free(worker->fault_text);
    worker->fault_text = text.bytes > 0 ? base_text_copy(text) : NULL;
    worker->fault_until_ms = core->now_ms + FAULT_MS;
    worker->fault.key = worker->fault_until_ms;
    worker->fault.tie = worker->session->id;
    heap_update(&core->faults, &worker->fault);
}

void
step_task_return(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_task_return *back = &m->task_return;
    struct worker *worker = step->session->worker;
    struct task   *task = lease_find(core, worker, &back->token);
    bool           ran = back->reason == RETURN_LOST || (task != NULL && task->output != NULL);

    /* A repeat, or too late: either way it is not this worker's any more.  One that
     * did run is not given back for nothing, time and again. */
    if (task != NULL)
        (ran ? lease_lost : lease_returned)(core, task, step->fx);
    switch ((enum wire_return)back->reason) {
    case RETURN_DRAINING:
        worker->draining = true;
        break;
    case RETURN_NOT_STARTED:
        worker->allowance = 0;
        break;
    case RETURN_WORKER_FAULT:
    case RETURN_LOST:
        /* It would give back the next one just as quickly; others may do better. */
        worker->allowance = 0;
        worker_fault(core, worker, back->detail);
        break;
    case RETURN_COUNT:
        break;
    }
    worker_refresh(core, worker);
    effects_ack(step->fx, step->session->id, step->request, 0);
}

/* ---- bytes that belong to a lease ---- */

/* Where the chunks of a stream end; `none`: there is none yet. */
static uint64_t
chunk_end(const struct task *task, uint8_t stream, bool *none_out)
{
    *none_out = false;
    for (uint32_t i = task->output != NULL ? task->output->count : 0; i-- > 0;) {
        const struct ref *ref = &task->output->items[i];

        if ((ref->c & 1) == stream)
            return (uint64_t)ref->b + (ref->c >> 1);
    }
    *none_out = true;
    return 0;
}

/* Does the chunk fit what is there?  Else answers. */
static bool
chunk_fits(const struct step *step, const struct task *task, const struct msg_result_chunk *chunk)
{
    uint64_t session = step->session->id;
    bool     none;
    uint64_t end = chunk_end(task, chunk->stream, &none);

    if (none ? chunk->offset > OUTPUT_INLINE_BYTES_MAX : chunk->offset != end) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_INVALID,
                      "a chunk at offset %llu where %llu was expected",
                      (unsigned long long)chunk->offset, (unsigned long long)end);
        return false;
    }
    if (chunk->offset + chunk->data.bytes > task->job->output_bytes) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_TOO_LARGE,
                      "the job keeps %u bytes of each stream", task->job->output_bytes);
        return false;
    }
    if (task->output != NULL && task->output->count >= CHUNKS_MAX) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_TOO_LARGE,
                      "the output of task %u of job %llu has %u chunks already: fill them",
                      task->index, (unsigned long long)task->job->id, task->output->count);
        return false;
    }
    return true;
}

void
step_result_chunk(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_result_chunk *chunk = &m->result_chunk;
    struct task  *task = lease_find(core, step->session->worker, &chunk->token);
    struct record record = { .type = RECORD_TYPE_CHUNK_ADDED };
    uint64_t      last = (uint64_t)chunk->offset + chunk->data.bytes;
    uint64_t      end;
    bool          none;

    if (task == NULL) {
        lease_stale(core, step, &chunk->token);
        return;
    }
    end = chunk_end(task, chunk->stream, &none);
    if (chunk->data.bytes == 0 || (!none && last <= end)) {
        effects_ack(step->fx, step->session->id, step->request, end);     /* a repeat */
        return;
    }
    if (!chunk_fits(step, task, chunk))
        return;
    record.chunk_added.job = task->job->id;
    record.chunk_added.index = task->index;
    record.chunk_added.stream = chunk->stream;
    record.chunk_added.offset = chunk->offset;
    record.chunk_added.bytes = chunk->data.bytes;
    record.chunk_added.body = task->job->body_next;
    effects_body(step->fx, task->job->id, task->job->body_next, chunk->data);
    core_fact(core, step->fx, &record);
    effects_ack(step->fx, step->session->id, step->request, last);
}

static bool
worker_serves(const struct worker *worker, const struct name *queue)
{
    for (uint32_t i = 0; i < worker->queue_count; i++) {
        if (worker->queues[i] == queue)
            return true;
    }
    return false;
}

/* What it may not run is not its to read. */
void
step_stdin_get(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_stdin_get *get = &m->stdin_get;
    const struct job           *job = job_find(core, get->job);
    uint32_t                    hint = 0;
    const struct ref           *ref = NULL;
    struct effect_body_get     *body;

    if (job != NULL && !worker_serves(step->session->worker, job->class->queue))
        job = NULL;
    if (job != NULL && get->offset < job->stdin_bytes)
        ref = refs_find(job->refs[REFS_STDIN], (uint32_t)get->offset, &hint);
    if (job == NULL || ref == NULL) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "job %llu has no standard input at offset %llu",
                      (unsigned long long)get->job, (unsigned long long)get->offset);
        return;
    }
    body = effects_body_get(step->fx);
    body->session = step->session->id;
    body->request = step->request;
    body->job = job->id;
    body->number = ref->body;
    body->skip = get->offset - ref->a;
    body->offset = get->offset;
    body->total = job->stdin_bytes;
}
