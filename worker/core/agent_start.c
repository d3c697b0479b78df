/* agent_start.c - which of the leases start, and what they take
 *
 * 1. What a task takes is taken at its start and given back, or handed on to one that was
 *    started ahead, by held_release() when its end event came, and nowhere else.
 */
#include <assert.h>

#include "agent_state.h"

enum { FILL_SCAN_MAX = 64 };   /* queued leases looked at behind one that does not fit */

static bool
fits(const struct agent *agent, const struct job_spec *job)
{
    if (agent->running_count - agent->ahead_count >= agent->config.running_max)
        return false;
    if (job->spec.cpus_milli > agent->cpus_free_milli)
        return false;
    if (agent->config.mem_bytes > 0 && job->spec.mem_bytes > agent->mem_free)
        return false;
    for (uint32_t i = 0; i < agent->config.resource_count; i++) {
        if (job->amounts[i] > agent->free[i])
            return false;
    }
    return true;
}

/* See agent.h, 7. */
static bool
must_wait(struct agent *agent, const struct held *held, uint64_t now_ms)
{
    if (held->token.attempt == 1 || now_ms >= agent->wary_until_ms)
        return false;
    agent->wary_until_ms = now_ms + AGENT_WARY_MS;
    return agent->retried_count > 0;
}

/* May another call of a job be started ahead?  Not when it is not known to be quick. */
static bool
may_start_ahead(const struct agent *agent, const struct job_spec *job)
{
    uint64_t each;

    if (!job->is_function || job->granted == 0 || job->quick_us == 0 || job->spec.own_key ||
        job->quick_us > AGENT_AHEAD_US || agent->running_count >= RUNNING_PER_WORKER_MAX)
        return false;
    each = AGENT_AHEAD_US / job->quick_us;
    return job->ahead_count < job->granted * (each < AGENT_AHEAD_MAX ? each : AGENT_AHEAD_MAX);
}

void
held_run(struct agent *agent, struct held *held, struct agent_actions *actions)
{
    struct agent_action *action;

    held->state = HELD_RUNNING;
    agent->counters.started++;
    action = agent_act(actions, AGENT_START, held);
    action->spec = &held->job->spec;
    action->input = held->input;
    action->ahead = list_linked(&held->ahead);
    if (held->watched)
        agent_act(actions, AGENT_WATCH, held)->on = true;
}

static void
held_start(struct agent *agent, struct held *held, bool ahead, struct agent_actions *actions)
{
    queue_remove(agent, held);
    if (ahead) {
        list_append(&held->job->ahead, &held->ahead);
        held->job->ahead_count++;
        agent->ahead_count++;
    } else {
        agent->cpus_free_milli -= held->job->spec.cpus_milli;
        if (agent->config.mem_bytes > 0)
            agent->mem_free -= held->job->spec.mem_bytes;
        for (uint32_t i = 0; i < agent->config.resource_count; i++)
            agent->free[i] -= held->job->amounts[i];
        held->job->granted++;
    }
    agent->retried_count += held->token.attempt > 1;
    list_append(&agent->running, &held->link);
    agent->running_count++;
    if (!keys_wanted(held)) {
        held_run(agent, held, actions);
        return;
    }
    held->state = HELD_KEYING;
    keys_ask(held, actions);
}

static void
ahead_remove(struct agent *agent, struct held *held)
{
    assert(held->job->ahead_count > 0);
    list_remove(&held->ahead);
    held->job->ahead_count--;
    agent->ahead_count--;
}

/* Give back what the task took, or hand it on: it is dead. */
void
held_release(struct agent *agent, struct held *held)
{
    struct job_spec *job = held->job;

    assert(held->state >= HELD_KEYING && held->state <= HELD_ENDING);
    assert(agent->running_count > 0);
    keys_forget(held);
    if (list_linked(&held->ahead)) {
        ahead_remove(agent, held);
    } else if (job->ahead_count > 0) {
        ahead_remove(agent, AHEAD_OF(job->ahead.next));
    } else {
        agent->cpus_free_milli += job->spec.cpus_milli;
        if (agent->config.mem_bytes > 0)
            agent->mem_free += job->spec.mem_bytes;
        for (uint32_t i = 0; i < agent->config.resource_count; i++)
            agent->free[i] += job->amounts[i];
        assert(job->granted > 0);
        job->granted--;
    }
    list_remove(&held->link);
    agent->retried_count -= held->token.attempt > 1;
    agent->running_count--;
    agent->dirty = true;
    assert(agent->cpus_free_milli <= agent->config.cpus_milli);
}

void
tasks_fill(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    const struct job_spec *blocked = NULL;
    uint32_t               scanned = 0;

    if (!agent->dirty || agent->unsent_bytes > AGENT_UNSENT_BYTES_MAX)
        return;
    agent->dirty = false;
    for (struct list *at = agent->queue.next, *next; at != &agent->queue; at = next) {
        struct held *held = HELD_OF(at);

        next = at->next;
        if (scanned >= FILL_SCAN_MAX)
            break;
        if (must_wait(agent, held, now_ms)) {
            scanned++;
            continue;
        }
        if (held->job != blocked && fits(agent, held->job)) {
            held_start(agent, held, false, actions);
            continue;
        }
        /* Not past one that waits for longer: what is started ahead keeps its room. */
        if (blocked == NULL && may_start_ahead(agent, held->job)) {
            held_start(agent, held, true, actions);
            continue;
        }
        blocked = held->job;
        scanned++;
    }
}
