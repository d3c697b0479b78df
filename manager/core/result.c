/* result.c - result streams: entries become blocks, blocks answer polls
 *
 * 1. Entries of a turn are gathered per job and become a body each time
 *    BLOCK_BYTES_MAX is reached and when the turn ends; a fact names the body.
 * 2. A cursor is the number of blocks before it, so the same question gives
 *    the same answer for ever.
 * 3. Polls are volatile: a client whose session resumes asks again.
 */
#include "state.h"

/* ---- entries ---- */

static struct gather *
gather_of(struct core *core, struct job *job)
{
    struct active *active = job_active(job);
    struct gather *gather = active->gather;

    if (gather != NULL)
        return gather;
    gather = core->gather_pool;
    if (gather != NULL)
        core->gather_pool = gather->next;
    else
        gather = base_alloc(sizeof(*gather));
    buffer_clear(&gather->bytes);
    gather->first = UINT32_MAX;
    gather->last = 0;
    active->gather = gather;
    return gather;
}

void
result_close(struct core *core, struct job *job, struct effects *fx)
{
    struct gather *gather = job->active != NULL ? job->active->gather : NULL;
    struct record  record = { .type = RECORD_TYPE_RESULTS_ADDED };

    if (gather == NULL)
        return;
    assert(gather->bytes.bytes > 0);
    record.results_added.job = job->id;
    record.results_added.body = job->body_next;
    record.results_added.first = gather->first;
    record.results_added.last = gather->last;
    effects_body(fx, job->id, job->body_next, buffer_slice(&gather->bytes));
    core_fact(core, fx, &record);
    job->active->gather = NULL;
    gather->next = core->gather_pool;
    core->gather_pool = gather;
}

void
result_add(struct core *core, struct job *job, uint32_t index, uint32_t count, uint32_t attempt,
           struct slice worker, const struct wire_result *result, struct effects *fx)
{
    struct wire_entry entry = { .index = index, .count = count, .attempt = attempt,
                                .worker = worker, .result = *result };
    struct gather    *gather = gather_of(core, job);
    size_t            begin = gather->bytes.bytes;
    struct buffer    *spare = &core->scratch;

    assert(count > 0 && index < job->total && count <= job->total - index);
    wire_put_entry(&gather->bytes, &entry);
    if (gather->bytes.bytes > BLOCK_BYTES_MAX && begin > 0) {
        buffer_clear(spare);
        buffer_append(spare, gather->bytes.data + begin, gather->bytes.bytes - begin);
        gather->bytes.bytes = begin;
        result_close(core, job, fx);
        gather = gather_of(core, job);
        buffer_append_slice(&gather->bytes, buffer_slice(spare));
    }
    if (index < gather->first)
        gather->first = index;
    if (index + count - 1 > gather->last)
        gather->last = index + count - 1;
    job_touch(core, job);
}

void
result_free_pool(struct core *core)
{
    while (core->gather_pool != NULL) {
        struct gather *gather = core->gather_pool;

        core->gather_pool = gather->next;
        buffer_free(&gather->bytes);
        free(gather);
    }
}

/* ---- polls ---- */

void
poll_free(struct core *core, struct poll *poll)
{
    list_remove(&poll->job_link);
    list_remove(&poll->session_link);
    if (poll->timer.place > 0)
        heap_remove(&core->deadlines, &poll->timer);
    assert(poll->session->poll_count > 0);
    poll->session->poll_count--;
    core->counters.polls--;
    free(poll);
}

static void
poll_answer(struct core *core, struct poll *poll, struct effects *fx)
{
    const struct job      *job = poll->job;
    const struct refs     *blocks = job->refs[REFS_RESULTS];
    uint64_t               count = refs_count(blocks);
    uint64_t               at = poll->cursor < count ? poll->cursor : count;
    uint64_t               end = count - at > RESULT_BLOCKS_MAX ? at + RESULT_BLOCKS_MAX : count;
    struct effect_results *results = effects_results(fx);

    results->session = poll->session->id;
    results->request = poll->request;
    results->job = job->id;
    results->cursor = poll->cursor;
    results->ended = job_ended(job) && end == count;
    results->brief = poll->brief;
    results->state = (uint8_t)job_state(core, job);
    results->counts = job_counts(job);
    for (; at < end; at++)
        effects_number(fx, blocks->items[at].body);
    poll_free(core, poll);
}

/* Answer those polls of a job that have something to hear. */
void
result_answer(struct core *core, struct job *job, struct effects *fx)
{
    uint64_t     count = refs_count(job->refs[REFS_RESULTS]);
    struct list *next;

    if (job->active == NULL)
        return;
    for (struct list *at = job->active->polls.next; at != &job->active->polls; at = next) {
        struct poll *poll = CONTAINER(at, struct poll, job_link);

        next = at->next;
        if (!poll->session->slow && (count > poll->cursor || job_ended(job)))
            poll_answer(core, poll, fx);
    }
}

void
result_deadlines(struct core *core, struct effects *fx)
{
    struct heap_node *node;

    while ((node = heap_first(&core->deadlines)) != NULL && node->key <= core->now_ms) {
        struct poll *poll = CONTAINER(node, struct poll, timer);
        struct job  *job = poll->job;

        poll_answer(core, poll, fx);
        job_forget_active(core, job);
    }
}

/* A client that repeats its request wants one answer. */
static struct poll *
poll_find(const struct session *session, uint64_t request)
{
    for (struct list *at = session->polls.next; at != &session->polls; at = at->next) {
        struct poll *poll = CONTAINER(at, struct poll, session_link);

        if (poll->request == request)
            return poll;
    }
    return NULL;
}

void
step_results(struct core *core, const struct step *step, const union wire_any *m)
{
    struct session *session = step->session;
    struct job     *job = job_asked(core, session, step->request, m->results_get.job, step->fx);
    struct poll    *poll = poll_find(session, step->request);

    if (job == NULL)
        return;
    if (poll != NULL)
        poll_free(core, poll);
    if (session->poll_count >= core->config.polls_per_session_max) {
        effects_error(step->fx, session->id, step->request, MUSTER_ERR_FULL,
                      "this session follows %u jobs already", session->poll_count);
        return;
    }
    poll = base_alloc(sizeof(*poll));
    poll->session = session;
    poll->job = job;
    poll->request = step->request;
    poll->cursor = m->results_get.cursor;
    poll->brief = m->results_get.brief;
    poll->timer.key = core->now_ms + m->results_get.wait_ms;
    poll->timer.tie = session->id;
    list_append(&job_active(job)->polls, &poll->job_link);
    list_append(&session->polls, &poll->session_link);
    session->poll_count++;
    core->counters.polls++;
    heap_add(&core->deadlines, &poll->timer);
    job_touch(core, job);
}

/* ---- one task ---- */

/* Blocks that may hold an entry about `index`, oldest first. */
static struct effect_results *
result_one(struct core *core, const struct step *step, const struct job *job, uint32_t index)
{
    const struct refs     *blocks = job->refs[REFS_RESULTS];
    struct effect_results *results = effects_results(step->fx);

    results->session = step->session->id;
    results->request = step->request;
    results->job = job->id;
    results->one = true;
    results->index = index;
    results->ended = job_ended(job);
    results->state = (uint8_t)job_state(core, job);
    results->counts = job_counts(job);
    for (uint32_t i = 0; i < refs_count(blocks); i++) {
        if (blocks->items[i].a <= index && index <= blocks->items[i].b)
            effects_number(step->fx, blocks->items[i].body);
    }
    return &step->fx->results[step->fx->results_count - 1];
}

/* The job, if `index` is a task of it that has ended; else answers. */
static struct job *
ended_task(struct core *core, const struct step *step, uint64_t id, uint32_t index)
{
    struct job      *job = job_asked(core, step->session, step->request, id, step->fx);
    struct task_walk walk;
    struct task_run  run = { .state = TASK_READY };

    if (job == NULL)
        return NULL;
    if (index >= job->total) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "job %llu has no task with index %u; it has %u tasks",
                      (unsigned long long)id, index, job->total);
        return NULL;
    }
    task_walk_begin(&walk, core, job, index, index);
    (void)task_walk_next(&walk, &run);
    task_walk_end(&walk);
    if (run.state >= TASK_SUCCEEDED)
        return job;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_STATE,
                  "task %u of job %llu is %s: it has no result yet", index, (unsigned long long)id,
                  wire_task_state_name(run.state));
    return NULL;
}

void
step_result(struct core *core, const struct step *step, const union wire_any *m)
{
    struct job *job = ended_task(core, step, m->result_get.job, m->result_get.index);

    if (job == NULL)
        return;
    result_close(core, job, step->fx);      /* it may have ended in this very turn */
    result_one(core, step, job, m->result_get.index);
}

/* Chunks that were kept of an ended task: they lie together. */
static const struct ref *
output_refs(const struct job *job, uint32_t index, uint32_t *count_out)
{
    const struct refs *outputs = job->refs[REFS_OUTPUTS];
    uint32_t           end = refs_count(outputs);
    uint32_t           first;

    while (end > 0 && (outputs->items[end - 1].a != index || outputs->items[end - 1].c >> 1 == 0))
        end--;
    first = end;
    while (first > 0 && outputs->items[first - 1].a == index &&
           outputs->items[first - 1].c >> 1 > 0)
        first--;
    *count_out = end - first;
    return end > 0 ? &outputs->items[first] : NULL;
}

void
step_output(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_output_get *get = &m->output_get;
    struct job       *job = ended_task(core, step, get->job, get->index);
    const struct ref *refs, *hit = NULL;
    uint64_t          total = 0;
    uint32_t          count;

    if (job == NULL)
        return;
    refs = output_refs(job, get->index, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t end = (uint64_t)refs[i].b + (refs[i].c >> 1);

        if ((refs[i].c & 1) != get->stream)
            continue;
        if (get->offset >= refs[i].b && get->offset < end)
            hit = &refs[i];
        total = end > total ? end : total;
    }
    if (hit != NULL) {
        struct effect_body_get *body = effects_body_get(step->fx);

        body->session = step->session->id;
        body->request = step->request;
        body->job = job->id;
        body->number = hit->body;
        body->skip = get->offset - hit->b;
        body->offset = get->offset;
        body->total = total;
    } else {
        struct effect_results *results;

        result_close(core, job, step->fx);
        results = result_one(core, step, job, get->index);
        results->output = true;
        results->stream = get->stream;
        results->offset = get->offset;
    }
}
