/* agent_tasks.c - leases: taken, killed, ended, given back
 *
 * 1. The queue is in the order in which leases came, so its head waits longest.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "agent_state.h"

enum { QUICK_SHARE = 8 };      /* of the last call in how long calls take lately */

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t
held_key(const struct wire_token *token)
{
    uint64_t key = mix(token->job + 0x9e3779b97f4a7c15u);

    key = mix(key ^ ((uint64_t)token->index << 32 | token->attempt));
    return mix(key ^ token->epoch);
}

static bool
token_equal(const struct wire_token *a, const struct wire_token *b)
{
    return a->job == b->job && a->index == b->index && a->attempt == b->attempt &&
           a->epoch == b->epoch;
}

struct held *
held_find(const struct agent *agent, const struct wire_token *token)
{
    struct held *held = map_get(&agent->by_token, held_key(token));

    if (held == NULL || !token_equal(&held->token, token))
        return NULL;
    return held;
}

struct held *
held_new(struct agent *agent, const struct wire_token *token, struct slice input)
{
    struct held *held = base_alloc(sizeof(*held) + input.bytes);

    assert(map_get(&agent->by_token, held_key(token)) == NULL);
    held->number = ++agent->number_last;
    held->token = *token;
    if (input.bytes > 0)
        memcpy(held + 1, input.data, input.bytes);
    held->input = slice_of(held + 1, input.bytes);
    map_put(&agent->by_number, held->number, held);
    map_put(&agent->by_token, held_key(token), held);
    return held;
}

static void
job_drop(struct agent *agent, struct job_spec *job)
{
    assert(job->users > 0);
    if (--job->users > 0)
        return;
    if (map_get(&agent->jobs, job->job) == job)
        map_remove(&agent->jobs, job->job);
    buffer_free(&job->bytes);
    free(job);
}

void
held_free(struct agent *agent, struct held *held)
{
    assert(!list_linked(&held->link));
    map_remove(&agent->by_number, held->number);
    map_remove(&agent->by_token, held_key(&held->token));
    if (held->job != NULL)
        job_drop(agent, held->job);
    assert(held->key == NULL || !list_linked(&held->key->link));
    buffer_free(&held->result);
    free(held->key);
    free(held);
}

/* ---- leases come ---- */

static bool
has_function(const struct agent_config *config, struct slice name)
{
    for (uint32_t i = 0; i < config->function_count; i++) {
        if (slice_equals_text(name, config->functions[i]))
            return true;
    }
    return false;
}

/* What the job needs, in the order of this worker's resources. */
static void
job_measure(const struct agent *agent, struct job_spec *job)
{
    const struct agent_config *config = &agent->config;
    struct reader              in = reader_of(job->spec.resources.bytes);

    job->impossible = job->spec.cpus_milli > config->cpus_milli ||
                      (config->mem_bytes > 0 && job->spec.mem_bytes > config->mem_bytes) ||
                      (job->is_function && !has_function(config, job->spec.function));
    for (uint32_t i = 0; i < job->spec.resources.count; i++) {
        struct wire_resource need;
        uint32_t             at = 0;
        bool                 read = wire_get_resource(&in, &need);

        assert(read);
        while (at < config->resource_count &&
               !slice_equal(config->resources[at].name, need.name))
            at++;
        if (at < config->resource_count) {
            job->amounts[at] += need.amount;
            if (job->amounts[at] > config->resources[at].amount)
                job->impossible = true;
        } else if (need.amount > 0) {
            job->impossible = true;
        }
    }
}

/* The description that the leases of one message share; the last one of its job
 * is used again when it is the same.  NULL when it cannot be read. */
static struct job_spec *
job_take(struct agent *agent, const struct msg_task_lease *m)
{
    struct job_spec *job = map_get(&agent->jobs, m->job);

    if (job != NULL && slice_equal(buffer_slice(&job->bytes), m->spec)) {
        job->users++;
        return job;
    }
    job = base_alloc(sizeof(*job));
    job->users = 1;
    job->job = m->job;
    buffer_append_slice(&job->bytes, m->spec);
    if (wire_decode_item_spec(buffer_slice(&job->bytes), &job->spec)) {
        buffer_free(&job->bytes);
        free(job);
        return NULL;
    }
    job->is_function = job->spec.function.bytes > 0;
    list_init(&job->ahead);
    job_measure(agent, job);
    map_put(&agent->jobs, m->job, job);
    return job;
}

static void
send_fault(struct agent *agent, const struct wire_token *token, enum wire_return reason,
           const char *why, struct agent_actions *actions)
{
    struct msg_task_return m = { .token = *token, .reason = (uint8_t)reason,
                                 .detail = slice_cut(slice_text(why), 0, TEXT_BYTES_MAX) };
    size_t                 begin;

    /* Without a session to say it in, silence is as good: the next WORKER_JOIN
     * does not name this lease, and so the manager offers it again. */
    if (agent->state != STATE_JOINED)
        return;
    begin = agent_send_begin(actions, MSG_TYPE_TASK_RETURN, agent_request(agent));
    wire_put_msg_task_return(&actions->out, &m);
    agent_send_end(actions, begin);
    agent->counters.returned++;
}

static void
send_return(struct agent *agent, const struct wire_token *token, enum wire_return reason,
            struct agent_actions *actions)
{
    send_fault(agent, token, reason, "", actions);
}

void
queue_remove(struct agent *agent, struct held *held)
{
    assert(held->state == HELD_QUEUED);
    list_remove(&held->link);
    agent->queued_count--;
}

/* One that had been started for a moment may have a key. */
static void
queue_drop(struct agent *agent, struct held *held, struct agent_actions *actions)
{
    queue_remove(agent, held);
    if (held->key != NULL)
        agent_act(actions, AGENT_RELEASE, held);
    held_free(agent, held);
}

void
tasks_lease(struct agent *agent, uint64_t now_ms, const struct msg_task_lease *m,
            struct agent_actions *actions)
{
    struct job_spec *job = job_take(agent, m);
    struct reader    in = reader_of(m->tasks.bytes);
    uint32_t         running_max = RUNNING_PER_WORKER_MAX;

    for (uint32_t i = 0; i < m->tasks.count; i++) {
        struct wire_leased leased;
        struct wire_token  token;
        struct held       *held;
        bool               read = wire_get_leased(&in, &leased);

        assert(read);
        token = (struct wire_token){ m->job, leased.index, leased.attempt, leased.epoch };
        if (held_find(agent, &token) != NULL)
            continue;                   /* a message that came twice */
        if (job == NULL || job->impossible || map_get(&agent->by_token, held_key(&token))) {
            send_return(agent, &token, RETURN_WORKER_FAULT, actions);
            continue;
        }
        if (agent_intake_closed(agent)) {
            send_return(agent, &token, agent->draining ? RETURN_DRAINING : RETURN_NOT_STARTED,
                        actions);
            continue;
        }
        if (agent->queued_count >= WINDOW_MAX + running_max) {
            send_return(agent, &token, RETURN_NOT_STARTED, actions);
            continue;
        }
        held = held_new(agent, &token, leased.input);
        held->state = HELD_QUEUED;
        held->since_ms = now_ms;
        held->job = job;
        job->users++;
        list_append(&agent->queue, &held->link);
        agent->queued_count++;
        agent->counters.leased++;
        agent->dirty = true;
    }
    if (job != NULL)
        job_drop(agent, job);
}

void
tasks_refresh(struct agent *agent, uint64_t now_ms)
{
    for (struct list *at = agent->queue.next; at != &agent->queue; at = at->next)
        HELD_OF(at)->since_ms = now_ms;
    for (struct list *at = agent->running.next; at != &agent->running; at = at->next)
        HELD_OF(at)->told = false;
}

/* ---- leases go back ---- */

static void
queue_return(struct agent *agent, struct held *held, enum wire_return reason,
             struct agent_actions *actions)
{
    send_return(agent, &held->token, reason, actions);
    queue_drop(agent, held, actions);
}

void
tasks_return_late(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    while (!list_empty(&agent->queue)) {
        struct held *held = HELD_OF(agent->queue.next);

        if (now_ms < held->since_ms + AGENT_WAIT_MS)
            break;
        queue_return(agent, held, RETURN_NOT_STARTED, actions);
    }
}

void
tasks_return_queue(struct agent *agent, enum wire_return reason, struct agent_actions *actions)
{
    while (!list_empty(&agent->queue))
        queue_return(agent, HELD_OF(agent->queue.next), reason, actions);
}

/* A task whose lease was abandoned is dead at last. */
static void
held_gone(struct agent *agent, struct held *held, struct agent_actions *actions)
{
    if (held->returns)
        send_return(agent, &held->token, RETURN_DRAINING, actions);
    agent_act(actions, AGENT_RELEASE, held);
    held_free(agent, held);
}

/* Its lease is no longer wanted: kill it and send no result of it.  One that waits for
 * its key is gone when this returns. */
void
held_end_now(struct agent *agent, struct held *held, bool returns,
             struct agent_actions *actions)
{
    if (held->state == HELD_KEYING) {
        held->returns = returns;
        held_release(agent, held);
        held_gone(agent, held, actions);
        return;
    }
    assert(held->state == HELD_RUNNING || held->state == HELD_ENDING);
    held->state = HELD_ENDING;
    held->returns = returns;
    agent_act(actions, AGENT_KILL, held)->hard = true;
}

void
tasks_abandon(struct agent *agent, bool returns, struct agent_actions *actions)
{
    if (returns) {
        tasks_return_queue(agent, RETURN_DRAINING, actions);
    } else {
        while (!list_empty(&agent->queue))
            queue_drop(agent, HELD_OF(agent->queue.next), actions);
    }
    for (struct list *at = agent->running.next, *next; at != &agent->running; at = next) {
        struct held *held = HELD_OF(at);

        next = at->next;
        if (held->state != HELD_ENDING || (held->state == HELD_ENDING && held->returns))
            held_end_now(agent, held, returns, actions);
    }
}

void
tasks_lost(struct agent *agent, struct wire_list lost, struct agent_actions *actions)
{
    struct reader in = reader_of(lost.bytes);

    for (uint32_t i = 0; i < lost.count; i++) {
        struct wire_token token;
        struct held      *held;
        bool              read = wire_get_token(&in, &token);

        assert(read);
        held = held_find(agent, &token);
        if (held == NULL)
            continue;
        agent->counters.stale++;
        switch (held->state) {
        case HELD_QUEUED:
            queue_drop(agent, held, actions);
            break;
        case HELD_KEYING:
        case HELD_RUNNING:
        case HELD_ENDING:
            held_end_now(agent, held, false, actions);
            break;
        case HELD_FINISHED:
            results_settle(agent, held, actions);
            break;
        }
    }
}

void
tasks_kill(struct agent *agent, uint64_t now_ms, const struct msg_task_kill *m,
           struct agent_actions *actions)
{
    struct wire_result cancelled = { .outcome = OUTCOME_CANCELLED,
                                     .host = slice_text(agent->config.host),
                                     .reason = slice_text("cancelled before it started") };
    struct held       *held = held_find(agent, &m->token);

    if (held == NULL)
        return;
    if (held->state == HELD_QUEUED || held->state == HELD_KEYING) {
        if (held->state == HELD_QUEUED)
            queue_remove(agent, held);
        else
            held_release(agent, held);
        buffer_clear(&agent->scratch);
        wire_put_result(&agent->scratch, &cancelled);
        results_add(agent, now_ms, held, buffer_slice(&agent->scratch), &cancelled, actions);
    } else if (held->state == HELD_RUNNING) {
        held->cancelled = true;
        agent_act(actions, AGENT_KILL, held)->hard = m->hard;
    }
}

/* ---- what the driver tells ---- */

void
agent_started(struct agent *agent, uint64_t now_ms, uint64_t task, uint32_t pid)
{
    struct held *held = map_get(&agent->by_number, task);

    (void)now_ms;
    assert(held != NULL);
    assert(held->state == HELD_RUNNING || held->state == HELD_ENDING);
    held->pid = pid;
}

void
agent_unstarted(struct agent *agent, uint64_t now_ms, uint64_t task,
                struct agent_actions *actions)
{
    struct held *held = map_get(&agent->by_number, task);

    (void)now_ms;
    assert(held != NULL && held->job->is_function);
    held_release(agent, held);
    held->job->quick_us = 0;               /* nothing ahead until one has ended */
    if (held->state == HELD_ENDING) {
        held_gone(agent, held, actions);
        return;
    }
    held->state = HELD_QUEUED;
    list_prepend(&agent->queue, &held->link);
    agent->queued_count++;
}

/* How long its calls take, lately. */
static void
job_learn(struct job_spec *job, const struct wire_result *result)
{
    if (!job->is_function)
        return;
    if (job->quick_us == 0)
        job->quick_us = result->wall_us;
    else
        job->quick_us = (job->quick_us * (QUICK_SHARE - 1) + result->wall_us) / QUICK_SHARE;
    job->quick_us += job->quick_us == 0;
}


void
agent_ended(struct agent *agent, uint64_t now_ms, uint64_t task,
            const struct wire_result *result, struct agent_actions *actions)
{
    struct held       *held = map_get(&agent->by_number, task);
    struct wire_result told = *result;

    assert(held != NULL);
    held_release(agent, held);
    agent->idle_since_ms = now_ms;
    if (held->state == HELD_ENDING) {
        held_gone(agent, held, actions);
        return;
    }
    job_learn(held->job, result);
    if (held->cancelled && result->outcome != OUTCOME_CANCELLED) {
        told.outcome = OUTCOME_CANCELLED;
        told.reason = slice_text("cancelled while it ran");
    }
    buffer_clear(&agent->scratch);
    wire_put_result(&agent->scratch, &told);
    results_add(agent, now_ms, held, buffer_slice(&agent->scratch), &told, actions);
}

static void
held_back(struct agent *agent, uint64_t now_ms, uint64_t task, enum wire_return reason,
          const char *why, struct agent_actions *actions)
{
    struct held *held = map_get(&agent->by_number, task);

    assert(held != NULL);
    held_release(agent, held);
    agent->idle_since_ms = now_ms;
    if (held->state != HELD_ENDING)
        send_fault(agent, &held->token, reason, why, actions);
    agent_act(actions, AGENT_RELEASE, held);
    held_free(agent, held);
}

void
agent_failed(struct agent *agent, uint64_t now_ms, uint64_t task, const char *why,
             struct agent_actions *actions)
{
    held_back(agent, now_ms, task, RETURN_WORKER_FAULT, why, actions);
}

void
agent_lost(struct agent *agent, uint64_t now_ms, uint64_t task, const char *why,
           struct agent_actions *actions)
{
    held_back(agent, now_ms, task, RETURN_LOST, why, actions);
}
