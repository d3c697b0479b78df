/* follow.c - live output on its way from a worker to those who follow a task
 *
 * 1. All of it is volatile and may be lost: what is kept comes with the result.
 * 2. A worker is told to send while someone follows, once per lease and
 *    follower.  Answers of a turn go out before its leases, so that a worker
 *    hears of a follower of a new lease one turn later.
 */
#include "state.h"

static struct list *
watch_ring(const struct core *core, const struct task *task)
{
    return map_get(&core->watched, task_key(task->job->id, task->index));
}

static void
watch_send(const struct task *task, bool on, struct effects *fx)
{
    union wire_any m = { .task_watch = { .token = task_token(task), .on = on } };

    effects_send(fx, task->worker->session->id, 0, MSG_TYPE_TASK_WATCH, &m);
}

void
watch_free(struct core *core, struct watch *watch)
{
    uint64_t     key = task_key(watch->job, watch->index);
    struct list *ring = map_get(&core->watched, key);

    assert(watch->session->watch_count > 0);
    watch->session->watch_count--;
    list_remove(&watch->task_link);
    list_remove(&watch->session_link);
    free(watch);
    if (list_empty(ring)) {
        map_remove(&core->watched, key);
        free(ring);
    }
}

void
watch_leased(struct core *core, struct task *task)
{
    if (watch_ring(core, task) == NULL)
        return;
    buffer_append(&core->watch_news, &(uint64_t){ task_key(task->job->id, task->index) },
                  sizeof(uint64_t));
}

/* Tell workers of followers that were there before the lease. */
void
watch_tell(struct core *core, struct effects *fx)
{
    for (size_t at = 0; at < core->watch_news.bytes; at += sizeof(uint64_t)) {
        struct task *task;
        uint64_t     key;

        memcpy(&key, core->watch_news.data + at, sizeof(key));
        task = map_get(&core->tasks, key);
        if (task == NULL || task->state != TASK_LEASED || watch_ring(core, task) == NULL)
            continue;
        task->watched = true;
        watch_send(task, true, fx);
    }
    buffer_clear(&core->watch_news);
}

/* Empty data at the end tells that nothing follows. */
void
watch_ended(struct core *core, struct task *task, struct effects *fx)
{
    struct list   *ring = watch_ring(core, task);
    union wire_any m = { .task_output = { .token = task_token(task) } };

    for (struct list *at = ring != NULL ? ring->next : NULL; at != NULL && at != ring;
         at = at->next) {
        const struct watch *watch = CONTAINER(at, struct watch, task_link);

        effects_send(fx, watch->session->id, watch->request, MSG_TYPE_TASK_OUTPUT, &m);
    }
}

void
step_task_output(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct wire_token *token = &m->task_output.token;
    struct task             *task = token->job >> (64 - JOB_KEY_SHIFT) == 0
                                        ? task_find(core, token->job, token->index)
                                        : NULL;
    struct list             *ring;

    if (task == NULL || task->state != TASK_LEASED || task->worker != step->session->worker ||
        task->mark != token->epoch || m->task_output.data.bytes == 0)
        return;
    ring = watch_ring(core, task);
    for (struct list *at = ring != NULL ? ring->next : NULL; at != NULL && at != ring;
         at = at->next) {
        const struct watch *watch = CONTAINER(at, struct watch, task_link);

        if (!watch->session->slow)
            effects_send(step->fx, watch->session->id, watch->request, MSG_TYPE_TASK_OUTPUT, m);
    }
}

static struct watch *
watch_find(const struct session *session, uint64_t job, uint32_t index)
{
    for (struct list *at = session->watches.next; at != &session->watches; at = at->next) {
        struct watch *watch = CONTAINER(at, struct watch, session_link);

        if (watch->job == job && watch->index == index)
            return watch;
    }
    return NULL;
}

static void
watch_start(struct core *core, const struct step *step, uint64_t job, uint32_t index)
{
    struct watch *watch = watch_find(step->session, job, index);
    struct list  *ring = map_get(&core->watched, task_key(job, index));

    if (watch != NULL) {            /* on a new request */
        watch->request = step->request;
        return;
    }
    if (ring == NULL) {
        ring = base_alloc(sizeof(*ring));
        list_init(ring);
        map_put(&core->watched, task_key(job, index), ring);
    }
    watch = base_alloc(sizeof(*watch));
    *watch = (struct watch){ .session = step->session, .request = step->request, .job = job,
                             .index = index };
    list_append(ring, &watch->task_link);
    list_append(&step->session->watches, &watch->session_link);
    step->session->watch_count++;
}

/* Answered by ACK: 1 = it is leased now, 0 = it is not; then TASK_OUTPUT. */
void
step_follow(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_output_follow *follow = &m->output_follow;
    struct job   *job = job_asked(core, step->session, step->request, follow->job, step->fx);
    struct task  *task;
    struct watch *watch;
    bool          fresh;

    if (job == NULL)
        return;
    if (follow->index >= TASKS_PER_JOB_MAX || (!job->items && follow->index >= job->total)) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "job %llu has no task with index %u", (unsigned long long)job->id,
                      follow->index);
        return;
    }
    task = task_find(core, job->id, follow->index);
    if (task != NULL && task->state != TASK_LEASED)
        task = NULL;
    watch = watch_find(step->session, job->id, follow->index);
    fresh = follow->on && watch == NULL;
    if (fresh && step->session->watch_count >= core->config.polls_per_session_max) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                      "this session follows %u tasks already", step->session->watch_count);
        return;
    }
    if (follow->on)
        watch_start(core, step, job->id, follow->index);
    else if (watch != NULL)
        watch_free(core, watch);
    /* A new follower wants the beginning, though others have seen it. */
    if (task != NULL && (fresh || task->watched != (watch_ring(core, task) != NULL))) {
        task->watched = watch_ring(core, task) != NULL;
        watch_send(task, task->watched, step->fx);
    }
    effects_ack(step->fx, step->session->id, step->request, task != NULL);
}
