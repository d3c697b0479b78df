/* agent_turn.c - what time brings: starts, returns, beats, drains, the end
 *
 * 1. agent_tick() does what is due; agent_wake_ms() says when something will
 *    be.  Each rule has its line in both.
 */
#include <assert.h>
#include <stdlib.h>

#include "agent_state.h"

struct agent *
agent_new(const struct agent_config *config, uint64_t now_ms)
{
    struct agent *agent = base_alloc(sizeof(*agent));

    assert(config->resource_count <= RESOURCES_MAX);
    assert(config->label_count <= LABELS_MAX && config->queue_count <= QUEUES_MAX);
    assert(config->running_max > 0 && config->cpus_milli > 0);
    agent->config = *config;
    agent->session = config->session;
    agent->secret = config->secret;
    agent->random = config->random;
    agent->beat_ms = BEAT_MS;
    agent->lease_ms = LEASE_MS;
    agent->backoff_ms = AGENT_BACKOFF_MS_MIN;
    agent->idle_since_ms = now_ms;
    agent->state_ms = now_ms;
    agent->wary_until_ms = config->wary ? now_ms + AGENT_WARY_MS : 0;
    agent->cpus_free_milli = config->cpus_milli;
    agent->mem_free = config->mem_bytes;
    for (uint32_t i = 0; i < config->resource_count; i++)
        agent->free[i] = config->resources[i].amount;
    list_init(&agent->queue);
    list_init(&agent->running);
    list_init(&agent->finished);
    list_init(&agent->keys);
    return agent;
}

static void
ring_free(struct agent *agent, struct list *ring)
{
    while (!list_empty(ring)) {
        struct held *held = HELD_OF(ring->next);

        list_remove(&held->link);
        keys_forget(held);
        held_free(agent, held);
    }
}

void
agent_free(struct agent *agent)
{
    if (agent == NULL)
        return;
    ring_free(agent, &agent->queue);
    ring_free(agent, &agent->running);
    ring_free(agent, &agent->finished);
    assert(agent->jobs.count == 0);
    map_free(&agent->by_number);
    map_free(&agent->by_token);
    map_free(&agent->jobs);
    buffer_free(&agent->scratch);
    buffer_free(&agent->scratch2);
    free(agent);
}

/* ---- draining ---- */

static void
send_drain(struct agent *agent, struct agent_actions *actions)
{
    size_t begin;

    if (agent->state != STATE_JOINED)
        return;                         /* WORKER_JOIN will say it */
    begin = agent_send_begin(actions, MSG_TYPE_WORKER_DRAIN, agent_request(agent));
    wire_put_msg_worker_drain(&actions->out, &(struct msg_worker_drain){ .draining = 1 });
    agent_send_end(actions, begin);
}

void
agent_drain(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->exited || agent->draining)
        return;
    agent_expire(agent, now_ms, actions);
    agent->draining = true;
    agent->drain_until_ms = now_ms + agent->config.grace_ms;
    send_drain(agent, actions);
    tasks_return_queue(agent, RETURN_DRAINING, actions);
    keys_return(agent, actions);
}

void
agent_stop(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->exited)
        return;
    agent_drain(agent, now_ms, actions);
    agent->drain_until_ms = now_ms;
    agent->drain_terminated = true;
    if (agent->drain_killed)
        return;
    agent->drain_killed = true;
    tasks_abandon(agent, true, actions);
}

/* The grace time is over: SIGTERM, a little later SIGKILL.  What dies now did
 * not finish; it goes back once it is dead, so that it never runs twice at once. */
static void
drain_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (!agent->draining)
        return;
    if (!agent->drain_terminated && now_ms >= agent->drain_until_ms) {
        agent->drain_terminated = true;
        for (struct list *at = agent->running.next; at != &agent->running; at = at->next) {
            struct held *held = HELD_OF(at);

            if (held->state != HELD_RUNNING)
                continue;
            held->state = HELD_ENDING;
            held->returns = true;
            agent_act(actions, AGENT_KILL, held);
        }
    }
    if (!agent->drain_killed && now_ms >= agent->drain_until_ms + AGENT_KILL_MS) {
        agent->drain_killed = true;
        tasks_abandon(agent, true, actions);
    }
}

/* ---- the end ---- */

static void
goodbye(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    size_t begin;

    agent_enter(agent, STATE_LEAVING, now_ms);
    agent->goodbye_request = agent_request(agent);
    begin = agent_send_begin(actions, MSG_TYPE_GOODBYE, agent->goodbye_request);
    wire_put_msg_goodbye(&actions->out, &(struct msg_goodbye){ 0 });
    agent_send_end(actions, begin);
}

static bool
manager_lost(const struct agent *agent, uint64_t now_ms)
{
    return agent->joined_once && agent->state != STATE_JOINED && agent->state != STATE_LEAVING &&
           now_ms >= agent->valid_ms + agent_term_ms(agent);
}

static bool
lost_matters(const struct agent *agent)
{
    return agent->joined_once && agent->config.on_manager_lost != AGENT_LOST_WAIT &&
           agent->state != STATE_JOINED && agent->state != STATE_LEAVING;
}

/* --on-manager-lost finish and stop. */
static void
lost_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (!lost_matters(agent) || !manager_lost(agent, now_ms))
        return;
    if (!agent->lost_said) {
        agent->lost_said = true;
        agent_note(actions, "the manager is lost: %s",
                   agent->config.on_manager_lost == AGENT_LOST_STOP
                       ? "stopping all tasks" : "finishing what runs");
        if (agent->config.on_manager_lost == AGENT_LOST_STOP)
            tasks_abandon(agent, false, actions);
        else {
            tasks_return_queue(agent, RETURN_DRAINING, actions);
            keys_return(agent, actions);
        }
    }
    if (agent->running_count == 0)
        agent_exit(agent, MUSTER_ERR_UNREACHABLE,
                   "the manager is lost and --on-manager-lost tells to end then", actions);
}

/* A drained worker's results find their way now, or wait in the spool for the next
 * start: it stays for a manager that talks, within bounds, not for a silent one. */
static uint64_t
drained_out_ms(const struct agent *agent)
{
    uint64_t heard_ms = agent->heard_ms > agent->drained_ms ? agent->heard_ms : agent->drained_ms;
    uint64_t last_ms = agent->drain_until_ms + AGENT_KILL_MS + AGENT_RESEND_MS;

    if (agent->finished_count == 0 || agent->state != STATE_JOINED)
        return 0;
    return heard_ms + AGENT_SILENT_MS < last_ms ? heard_ms + AGENT_SILENT_MS : last_ms;
}

static bool
drained_out(struct agent *agent, uint64_t now_ms)
{
    if (!agent->draining || agent->running_count > 0 || agent->queued_count > 0)
        return false;
    if (agent->drained_ms == 0)
        agent->drained_ms = now_ms;
    return now_ms >= drained_out_ms(agent);
}

static bool
idle_out(const struct agent *agent, uint64_t now_ms)
{
    return agent->config.idle_ms > 0 && agent->queued_count == 0 && agent->running_count == 0 &&
           agent->finished_count == 0 && now_ms >= agent->idle_since_ms + agent->config.idle_ms;
}

static void
end_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->refused) {
        if (agent->running_count == 0)
            agent_exit(agent, agent->exit_error.code, agent->exit_error.detail, actions);
        return;
    }
    if (agent->state == STATE_LEAVING) {
        if (now_ms >= agent->state_ms + AGENT_GOODBYE_MS)
            agent_exit(agent, MUSTER_OK, "all done", actions);
        return;
    }
    if (drained_out(agent, now_ms) || idle_out(agent, now_ms)) {
        if (agent->state == STATE_JOINED && agent->finished_count == 0)
            goodbye(agent, now_ms, actions);
        else
            agent_exit(agent, MUSTER_OK, agent->finished_count > 0
                       ? "the manager does not answer: results wait in the spool"
                       : "all done", actions);
    }
}

/* ---- the turn ---- */

static void
greeting_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->hello_at_ms > 0) {
        if (now_ms < agent->hello_at_ms)
            return;
        agent->state_ms = now_ms;
        agent_say_hello(agent, actions);
    } else if (now_ms >= agent->state_ms + AGENT_HELLO_MS) {
        agent_reconnect(agent, now_ms, actions);
    }
}

static void
joining_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    /* On this connection a second JOIN would only describe us anew, while leases that we
     * pass over until it is answered would stay ours: a new connection begins cleanly. */
    if (now_ms >= agent->join_sent_ms + AGENT_RESEND_MS)
        agent_reconnect(agent, now_ms, actions);
}

static void
joined_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (now_ms >= agent->beat_sent_ms + agent->beat_ms)
        agent_say_beat(agent, now_ms, actions);
    results_send_due(agent, now_ms, actions);
    keys_send_due(agent, now_ms, actions);
    tasks_return_late(agent, now_ms, actions);
}

void
agent_tick(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->exited)
        return;
    agent_expire(agent, now_ms, actions);
    lost_due(agent, now_ms, actions);
    if (agent->exited)
        return;
    drain_due(agent, now_ms, actions);
    if (!agent->draining && !agent->refused)
        tasks_fill(agent, now_ms, actions);
    if (agent->state == STATE_GREETING && !agent->refused)
        greeting_due(agent, now_ms, actions);
    else if (agent->state == STATE_JOINING)
        joining_due(agent, now_ms, actions);
    else if (agent->state == STATE_JOINED)
        joined_due(agent, now_ms, actions);
    end_due(agent, now_ms, actions);
}

static void
sooner(uint64_t *wake_ms, uint64_t at_ms)
{
    if (at_ms < *wake_ms)
        *wake_ms = at_ms;
}

static uint64_t
session_wake_ms(const struct agent *agent)
{
    uint64_t wake_ms = UINT64_MAX;

    switch (agent->state) {
    case STATE_APART:
        break;
    case STATE_GREETING:
        wake_ms = agent->hello_at_ms > 0 ? agent->hello_at_ms : agent->state_ms + AGENT_HELLO_MS;
        break;
    case STATE_JOINING:
        wake_ms = agent->join_sent_ms + AGENT_RESEND_MS;
        sooner(&wake_ms, agent->state_ms + 2 * AGENT_RESEND_MS);
        break;
    case STATE_JOINED:
        wake_ms = agent->beat_sent_ms + agent->beat_ms;
        sooner(&wake_ms, agent->valid_ms + agent_term_ms(agent));
        sooner(&wake_ms, results_wake_ms(agent));
        sooner(&wake_ms, keys_wake_ms(agent));
        if (!list_empty(&agent->queue))
            sooner(&wake_ms, HELD_OF(agent->queue.next)->since_ms + AGENT_WAIT_MS);
        break;
    case STATE_LEAVING:
        wake_ms = agent->state_ms + AGENT_GOODBYE_MS;
        break;
    }
    return wake_ms;
}

uint64_t
agent_wake_ms(const struct agent *agent)
{
    uint64_t wake_ms;

    if (agent->exited)
        return UINT64_MAX;
    if (agent->refused)
        return agent->running_count == 0 ? 0 : UINT64_MAX;
    wake_ms = session_wake_ms(agent);
    if (lost_matters(agent) && (!agent->lost_said || agent->running_count == 0))
        sooner(&wake_ms, agent->valid_ms + agent_term_ms(agent));
    if (agent->draining && agent->state != STATE_LEAVING) {
        if (!agent->drain_terminated)
            sooner(&wake_ms, agent->drain_until_ms);
        else if (!agent->drain_killed)
            sooner(&wake_ms, agent->drain_until_ms + AGENT_KILL_MS);
        if (agent->running_count == 0 && agent->queued_count == 0)
            sooner(&wake_ms, drained_out_ms(agent));
    }
    if (agent->config.idle_ms > 0 && agent->state != STATE_LEAVING &&
        agent->queued_count == 0 && agent->running_count == 0 && agent->finished_count == 0)
        sooner(&wake_ms, agent->idle_since_ms + agent->config.idle_ms);
    return wake_ms;
}

/* ---- questions ---- */

bool
agent_joined(const struct agent *agent)
{
    return agent->state == STATE_JOINED;
}

uint64_t
agent_session(const struct agent *agent)
{
    return agent->session;
}

uint64_t
agent_secret(const struct agent *agent)
{
    return agent->secret;
}

void
agent_count(const struct agent *agent, struct agent_counters *out)
{
    *out = agent->counters;
    out->queued = agent->queued_count;
    out->running = agent->running_count;
    out->finished = agent->finished_count;
}

void
agent_check(const struct agent *agent)
{
    uint64_t cpus = agent->cpus_free_milli;
    uint64_t mem = agent->mem_free;
    size_t   unsent = 0;
    uint32_t counts[3] = { 0 };
    uint32_t ahead = 0, retried = 0;

    for (struct list *at = agent->queue.next; at != &agent->queue; at = at->next) {
        assert(HELD_OF(at)->state == HELD_QUEUED);
        assert(held_find(agent, &HELD_OF(at)->token) == HELD_OF(at));
        counts[0]++;
    }
    for (struct list *at = agent->running.next; at != &agent->running; at = at->next) {
        const struct held *held = HELD_OF(at);

        assert(held->state >= HELD_KEYING && held->state <= HELD_ENDING);
        counts[1]++;
        retried += held->token.attempt > 1;
        if (list_linked(&held->ahead)) {
            assert(held->job->is_function && held->job->granted > 0);
            ahead++;
            continue;
        }
        cpus += held->job->spec.cpus_milli;
        mem += agent->config.mem_bytes > 0 ? held->job->spec.mem_bytes : 0;
    }
    for (struct list *at = agent->finished.next; at != &agent->finished; at = at->next) {
        assert(HELD_OF(at)->state == HELD_FINISHED);
        unsent += HELD_OF(at)->result.bytes;
        counts[2]++;
    }
    assert(counts[0] == agent->queued_count && counts[1] == agent->running_count);
    assert(counts[2] == agent->finished_count && unsent == agent->unsent_bytes);
    assert(cpus == agent->config.cpus_milli && mem == agent->config.mem_bytes);
    assert(ahead == agent->ahead_count && retried == agent->retried_count);
    keys_check(agent);
    assert(agent->by_number.count == counts[0] + counts[1] + counts[2]);
}
