/* query.c - answers about jobs, tasks and workers; changes nothing */
#include "state.h"

/* A list must leave room for the rest of its message. */
#define QUERY_LIST_BYTES_MAX (BLOCK_BYTES_MAX - 8 * KIB)

/* Work (core_work) of one that is looked at, or told. */
enum { LOOK_WORK = 4, TELL_WORK = 100, SORT_WORK = 20 };

/* Indexes that one TASK_LIST covers when more tasks than that live. */
enum { TASK_LIST_SPAN = 65536 };

/* ---- jobs ---- */

/* Encodes the job; lists in it are built in core->scratch. */
static void
job_put(struct core *core, const struct job *job, struct buffer *out)
{
    struct buffer  *ids = &core->scratch;
    struct wire_job info = {
        .job = job->id,
        .name = slice_text(job->name),
        .owner = job->user->name,
        .state = (uint8_t)job_state(core, job),
        .open = !job->closed && !job_ended(job),
        .priority = job->priority,
        .submitted_unix_ms = job->submitted_unix_ms,
        .ended_unix_ms = job->ended_unix_ms,
        .number_first = job->number_first,
        .number_step = job->number_step,
        .running_max = job->running_max,
        .cap_with = job->cap_with,
        .attempts_max = job->attempts_max,
        .reason = slice_text(job->reason != NULL ? job->reason : ""),
        .counts = job_counts(job),
    };

    (void)wire_decode_item_needs(job->class->bytes, &info.needs);
    buffer_clear(ids);
    for (uint32_t i = 0; job->after != NULL && i < job->after->count; i++)
        wire_put_id(ids, &(struct wire_id){ job->after->edges[i].on });
    info.after.bytes = buffer_slice(ids);
    info.after.count = job->after != NULL ? job->after->count : 0;
    wire_put_job(out, &info);
}

void
step_job_get(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct order     *mine = &step->session->user->jobs;
    uint64_t                id = m->job_get.job;
    struct job             *job;
    struct effect_body_get *get;

    if (id == 0 && mine->count == 0) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "user %.*s has no jobs", SLICE_ARGS(step->session->user->name));
        return;
    }
    if (id == 0)
        id = order_at(mine, mine->count - 1);
    job = job_asked(core, step->session, step->request, id, step->fx);
    if (job == NULL)
        return;
    get = effects_body_get(step->fx);
    get->session = step->session->id;
    get->request = step->request;
    get->job = job->id;
    get->info = true;
    get->head_offset = step->fx->out.bytes;
    job_put(core, job, &step->fx->out);
    get->head_bytes = step->fx->out.bytes - get->head_offset;
}

void
step_job_list(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_job_list_get *get = &m->job_list_get;
    const struct order *order = get->everyone ? &core->job_order : &step->session->user->jobs;
    uint32_t            at = get->before > 0 ? order_find(order, get->before) : order->count;
    uint32_t            max = get->max > 0 ? get->max : LIST_ITEMS_MAX;
    struct buffer      *list = &core->scratch2;
    union wire_any      answer = { .job_list = { .more = 0 } };

    if (get->everyone && step->session->role != ROLE_ADMIN) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_DENIED,
                      "only a key of role admin sees the jobs of everyone");
        return;
    }
    buffer_clear(list);
    while (at > 0) {
        const struct job *job = job_find(core, order_at(order, at - 1));

        if (answer.job_list.jobs.count == max || list->bytes > QUERY_LIST_BYTES_MAX) {
            answer.job_list.more = 1;
            break;
        }
        at--;
        core_worked(core, LOOK_WORK);
        if (get->unfinished && job_ended(job))
            continue;
        core_worked(core, TELL_WORK);
        job_put(core, job, list);
        answer.job_list.jobs.count++;
    }
    answer.job_list.jobs.bytes = buffer_slice(list);
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_JOB_LIST, &answer);
}

/* ---- tasks ---- */

static void
run_put(const struct core *core, const struct task_run *run, struct buffer *out)
{
    struct wire_task info = { .index = run->first,
                              .count = run->last - run->first + 1,
                              .state = (uint8_t)run->state };

    if (run->task != NULL) {
        info.attempt = task_attempt(run->task);
        info.pid = run->task->pid;
        info.since_ms = core->now_ms - run->task->since_ms;
        if (run->task->worker != NULL)
            info.worker = slice_text(run->task->worker->name);
    }
    wire_put_task(out, &info);
}

/* The last index to be told now: of many that live a part at a time. */
static uint32_t
task_list_last(struct core *core, const struct job *job, uint32_t from)
{
    uint32_t live = job->active != NULL ? job->active->live_count : 0;
    uint32_t left = job->total - from;

    core_worked(core, (uint64_t)(live < TASK_LIST_SPAN ? live : TASK_LIST_SPAN) * SORT_WORK);
    return from + (live > TASK_LIST_SPAN && left > TASK_LIST_SPAN ? TASK_LIST_SPAN : left) - 1;
}

void
step_task_list(struct core *core, const struct step *step, const union wire_any *m)
{
    struct job      *job = job_asked(core, step->session, step->request, m->task_list_get.job,
                                     step->fx);
    uint32_t         from = m->task_list_get.from;
    struct buffer   *list = &core->scratch2;
    union wire_any   answer = { .task_list = { .job = m->task_list_get.job } };
    struct task_walk walk;
    struct task_run  run;
    uint32_t         last;

    if (job == NULL)
        return;
    buffer_clear(list);
    if (from < job->total) {
        last = task_list_last(core, job, from);
        answer.task_list.next = last + 1 < job->total ? last + 1 : 0;
        task_walk_begin(&walk, core, job, from, last);
        while (task_walk_next(&walk, &run)) {
            if (answer.task_list.tasks.count == LIST_ITEMS_MAX ||
                list->bytes > QUERY_LIST_BYTES_MAX) {
                answer.task_list.next = run.first;
                break;
            }
            core_worked(core, TELL_WORK);
            run_put(core, &run, list);
            answer.task_list.tasks.count++;
        }
        task_walk_end(&walk);
    }
    answer.task_list.tasks.bytes = buffer_slice(list);
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_TASK_LIST, &answer);
}

/* ---- workers ---- */

static struct wire_list
names_put(struct name *const *names, uint32_t count, struct buffer *out)
{
    size_t begin = out->bytes;

    for (uint32_t i = 0; i < count; i++)
        wire_put_text(out, &(struct wire_text){ names[i]->text });
    /* As an offset until all lists are there and the buffer moves no more. */
    return (struct wire_list){ { (const void *)(uintptr_t)begin, out->bytes - begin }, count };
}

static void
list_point(struct wire_list *list, const struct buffer *buffer)
{
    list->bytes.data = buffer->data + (uintptr_t)list->bytes.data;
    if (list->bytes.bytes == 0)
        list->bytes.data = NULL;
}

static void
worker_put(struct core *core, const struct worker *worker, struct buffer *out)
{
    const struct session *session = worker->session;
    struct buffer        *lists = &core->scratch;
    struct wire_worker    info = {
        .session = session->id,
        .name = slice_text(worker->name),
        .host = slice_text(session->host),
        .user = session->user->name,
        .pid = session->pid,
        .state = (uint8_t)(!session->connected || !worker->joined ? WORKER_AWAY
                           : worker->draining || worker->drained ? WORKER_DRAINING
                                                                 : WORKER_ACTIVE),
        .heard_ms = core->now_ms - session->heard_ms,
        .cpus_milli = worker->cpus_milli,
        .cpus_free_milli = worker->cpus_free_milli > 0 ? (uint32_t)worker->cpus_free_milli : 0,
        .mem_bytes = worker->mem_bytes,
        .mem_free_bytes = worker->mem_free,
        .running = worker->lease_count,
        .waiting = worker->ahead_count,
        .finished = worker->finished,
    };

    buffer_clear(lists);
    for (uint32_t i = 0; i < worker->stock_count; i++)
        wire_put_resource(lists, &(struct wire_resource){ worker->stock[i].name->text,
                                                          worker->stock[i].amount });
    info.resources = (struct wire_list){ { NULL, lists->bytes }, worker->stock_count };
    info.labels = names_put(worker->labels, worker->label_count, lists);
    info.queues = names_put(worker->queues, worker->queue_count, lists);
    info.functions = names_put(worker->functions, worker->function_count, lists);
    list_point(&info.resources, lists);
    list_point(&info.labels, lists);
    list_point(&info.queues, lists);
    list_point(&info.functions, lists);
    wire_put_worker(out, &info);
}

void
step_worker_list(struct core *core, const struct step *step, const union wire_any *m)
{
    struct buffer *list = &core->scratch2;
    union wire_any answer = { .worker_list = { .more = 0 } };
    uint32_t       at = order_find(&core->session_order, m->worker_list_get.after + 1);

    buffer_clear(list);
    for (; at < core->session_order.count; at++) {
        const struct session *session =
            map_get(&core->sessions, order_at(&core->session_order, at));

        core_worked(core, LOOK_WORK);
        if (session->worker == NULL || session->worker->name[0] == '\0')
            continue;
        if (answer.worker_list.workers.count == LIST_ITEMS_MAX ||
            list->bytes > QUERY_LIST_BYTES_MAX) {
            answer.worker_list.more = 1;
            break;
        }
        core_worked(core, TELL_WORK);
        worker_put(core, session->worker, list);
        answer.worker_list.workers.count++;
    }
    answer.worker_list.workers.bytes = buffer_slice(list);
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_WORKER_LIST, &answer);
}

/* ---- the manager ---- */

void
step_shutdown(struct core *core, const struct step *step, const union wire_any *m)
{
    (void)m;
    core->stopping = true;
    effects_ack(step->fx, step->session->id, step->request, 0);
}

void
core_count(const struct core *core, struct core_counters *out)
{
    assert(core != NULL && out != NULL);
    *out = core->counters;
    out->object_bytes = core->object_bytes;
    out->object_waits = core->wait_count;
}
