/* agent.c - the session of a worker: greeting, joining, beats, leaving
 *
 * 1. agent_enter() is the only function that assigns agent->state.
 * 2. Every event first looks at the leases' end (agent_expire), so that a
 *    worker that was stopped for a while kills before it does anything else.
 * 3. Tasks start and late leases go back in agent_tick() only: a batch of
 *    messages is read whole before anything is decided upon it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "agent_state.h"

/* ---- small things ---- */

static uint64_t
random_next(struct agent *agent)
{
    uint64_t x = agent->random += 0x9e3779b97f4a7c15u;    /* splitmix64 */

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Doubled each time, and anywhere in its upper half, so that a thousand workers
 * that lost their manager together do not come back together. */
static uint64_t
backoff_next(struct agent *agent)
{
    uint32_t now = agent->backoff_ms;

    agent->backoff_ms = now * 2 < AGENT_BACKOFF_MS_MAX ? now * 2 : AGENT_BACKOFF_MS_MAX;
    return now / 2 + random_next(agent) % (now / 2 + 1);
}

uint64_t
agent_request(struct agent *agent)
{
    return agent->request_last += 2;
}

/* The part of the term in which children may run without word from the manager. */
uint64_t
agent_term_ms(const struct agent *agent)
{
    return agent->lease_ms > 2 * LEASE_MARGIN_MS ? agent->lease_ms - LEASE_MARGIN_MS
                                                 : agent->lease_ms / 2;
}

bool
agent_intake_closed(const struct agent *agent)
{
    return agent->draining || agent->drained || agent->refused ||
           agent->state == STATE_LEAVING;
}

void
agent_enter(struct agent *agent, enum agent_state next, uint64_t now_ms)
{
    static const uint32_t follows[] = {
        [STATE_APART]    = 1u << STATE_GREETING,
        [STATE_GREETING] = 1u << STATE_APART | 1u << STATE_JOINING,
        [STATE_JOINING]  = 1u << STATE_APART | 1u << STATE_GREETING | 1u << STATE_JOINED,
        [STATE_JOINED]   = 1u << STATE_APART | 1u << STATE_GREETING | 1u << STATE_LEAVING,
        [STATE_LEAVING]  = 1u << STATE_APART,
    };

    assert(follows[agent->state] & 1u << next);
    agent->state = next;
    agent->state_ms = now_ms;
}

void
agent_exit(struct agent *agent, muster_err err, const char *text, struct agent_actions *actions)
{
    assert(!agent->exited);
    assert(agent->running_count == 0);
    results_spool(agent, actions);
    agent->exited = true;
    agent_act_text(actions, AGENT_EXIT, err, text);
}

/* ---- sessions ---- */

void
agent_say_hello(struct agent *agent, struct agent_actions *actions)
{
    struct msg_hello m = {
        .version_min = PROTOCOL_VERSION_MIN,
        .version_max = PROTOCOL_VERSION,
        .features = FROM_WORKER,
        .session = agent->session,
        .secret = agent->secret,
        .software = slice_text(agent->config.software),
        .host = slice_text(agent->config.host),
        .pid = agent->config.pid,
    };
    size_t begin;

    agent->hello_request = agent_request(agent);
    begin = agent_send_begin(actions, MSG_TYPE_HELLO, agent->hello_request);
    wire_put_msg_hello(&actions->out, &m);
    agent_send_end(actions, begin);
    agent->hello_at_ms = 0;
}

static void
greet(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    agent_enter(agent, STATE_GREETING, now_ms);
    agent_say_hello(agent, actions);
}

/* The connection or the session is gone: nothing that was sent counts as sent. */
static void
part(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->state == STATE_APART)
        return;
    results_unsend(agent);
    agent_enter(agent, STATE_APART, now_ms);
    results_spool(agent, actions);
    agent->hello_at_ms = 0;
}

void
agent_reconnect(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    part(agent, now_ms, actions);
    agent_act(actions, AGENT_RECONNECT, NULL);
}

/* The manager does not know our session any more (it was restarted without its
 * store, or we were away for too long): a new one, with all that we hold. */
static void
session_lost(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    agent_note(actions, "the manager has ended this session; joining anew");
    results_unsend(agent);
    agent->session = 0;
    if (agent->state != STATE_GREETING) {
        agent_enter(agent, STATE_GREETING, now_ms);
        results_spool(agent, actions);
    }
    agent->hello_at_ms = now_ms + backoff_next(agent);
}

static void
fail(struct agent *agent, muster_err err, const char *text, struct agent_actions *actions)
{
    if (agent->refused)
        return;
    agent->refused = true;
    error_set(&agent->exit_error, err, "%s", text);
    tasks_abandon(agent, false, actions);
}

void
agent_refused(struct agent *agent, uint64_t now_ms, muster_err err, const char *detail,
              struct agent_actions *actions)
{
    if (agent->exited)
        return;
    part(agent, now_ms, actions);
    fail(agent, err, detail, actions);
}

/* ---- joining ---- */

static uint32_t
holds_put(struct agent *agent, struct list **at, const struct list **ring)
{
    const struct list *rings[] = { &agent->running, &agent->queue, &agent->finished };
    uint32_t           count = 0;

    buffer_clear(&agent->scratch);
    while (*ring != NULL && count < LIST_ITEMS_MAX) {
        if (*at == *ring) {
            size_t place = 0;

            while (rings[place] != *ring)
                place++;
            *ring = place + 1 < 3 ? rings[place + 1] : NULL;
            *at = *ring != NULL ? (*ring)->next : NULL;
            continue;
        }
        if (HELD_OF(*at)->state != HELD_ENDING) {
            wire_put_token(&agent->scratch, &HELD_OF(*at)->token);
            count++;
        }
        *at = (*at)->next;
    }
    return count;
}

static void
put_names(struct buffer *out, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        wire_put_text(out, &(struct wire_text){ slice_text(names[i]) });
}

static void
put_join(struct agent *agent, struct wire_list holds, bool more, struct buffer *out)
{
    const struct agent_config *config = &agent->config;
    struct buffer             *lists = &agent->scratch2;
    size_t                     labels, queues, functions;
    struct msg_worker_join     m = {
        .name = slice_text(config->name),
        .cpus_milli = config->cpus_milli,
        .mem_bytes = config->mem_bytes,
        .window = config->window,
        .draining = agent->draining,
        .holds = holds,
        .holds_more = more,
    };

    buffer_clear(lists);
    for (uint32_t i = 0; i < config->resource_count; i++)
        wire_put_resource(lists, &config->resources[i]);
    labels = lists->bytes;
    put_names(lists, config->labels, config->label_count);
    queues = lists->bytes;
    put_names(lists, config->queues, config->queue_count);
    functions = lists->bytes;
    put_names(lists, config->functions, config->function_count);
    m.resources = (struct wire_list){ slice_of(lists->data, labels), config->resource_count };
    m.labels = (struct wire_list){ slice_cut(buffer_slice(lists), labels, queues - labels),
                                   config->label_count };
    m.queues = (struct wire_list){ slice_cut(buffer_slice(lists), queues, functions - queues),
                                   config->queue_count };
    m.functions = (struct wire_list){ slice_cut(buffer_slice(lists), functions, lists->bytes),
                                      config->function_count };
    wire_put_msg_worker_join(out, &m);
}

/* WORKER_JOIN and as many WORKER_HOLDS as it takes.  All have the same request
 * id, so that answers to an earlier attempt are told apart from these. */
void
agent_say_join(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    const struct list *ring = &agent->running;
    struct list       *at = agent->running.next;
    uint32_t           parts = 0;

    agent->drained = false;             /* the manager says it again, if it still thinks so */
    agent->join_request = agent_request(agent);
    agent->join_sent_ms = now_ms;
    agent->join_open = 0;
    do {
        uint32_t         count = holds_put(agent, &at, &ring);
        struct wire_list holds = { buffer_slice(&agent->scratch), count };
        bool             first = parts == 0;
        size_t           begin;

        if (parts + 1 == JOIN_PARTS_MAX)
            ring = NULL;                /* the rest is told apart by its FINISH */

        begin = agent_send_begin(actions, first ? MSG_TYPE_WORKER_JOIN : MSG_TYPE_WORKER_HOLDS,
                                 agent->join_request + 2 * parts);
        if (first)
            put_join(agent, holds, ring != NULL, &actions->out);
        else
            wire_put_msg_worker_holds(&actions->out,
                                      &(struct msg_worker_holds){ holds, ring != NULL });
        agent_send_end(actions, begin);
        agent->join_open |= (uint64_t)1 << parts++;
    } while (ring != NULL);
    agent->request_last += 2 * parts;
}

static void
on_welcome(struct agent *agent, uint64_t now_ms, const struct msg_welcome *m,
           struct agent_actions *actions)
{
    if (m->version < PROTOCOL_VERSION_MIN || m->version > PROTOCOL_VERSION || m->lease_ms == 0 ||
        m->beat_ms == 0) {
        fail(agent, MUSTER_ERR_VERSION, "the manager answered with terms that this worker "
             "does not understand", actions);
        return;
    }
    if (m->role != ROLE_WORKER) {
        char text[200];

        snprintf(text, sizeof(text), "this authkey is one of a %s; a worker needs a key made with "
                 "`muster key add --role worker`", wire_role_name(m->role));
        fail(agent, MUSTER_ERR_DENIED, text, actions);
        return;
    }
    agent->session = m->session;
    agent->beat_ms = m->beat_ms;
    agent->lease_ms = m->lease_ms;
    agent_enter(agent, STATE_JOINING, now_ms);
    agent_say_join(agent, now_ms, actions);
}

void
agent_say_beat(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    struct buffer  *tokens = &agent->scratch, *pids = &agent->scratch2;
    struct msg_beat m = { .sent_ms = now_ms };
    uint32_t        count = 0;
    size_t          begin;

    buffer_clear(tokens);
    buffer_clear(pids);
    for (struct list *at = agent->running.next; at != &agent->running; at = at->next) {
        struct held *held = HELD_OF(at);

        if (held->told || held->pid == 0 || held->state != HELD_RUNNING)
            continue;
        if (count == LIST_ITEMS_MAX)
            break;
        held->told = true;
        wire_put_token(tokens, &held->token);
        wire_put_id(pids, &(struct wire_id){ held->pid });
        count++;
    }
    m.running = (struct wire_list){ buffer_slice(tokens), count };
    m.pids = (struct wire_list){ buffer_slice(pids), count };
    begin = agent_send_begin(actions, MSG_TYPE_BEAT, agent_request(agent));
    wire_put_msg_beat(&actions->out, &m);
    agent_send_end(actions, begin);
    agent->beat_sent_ms = now_ms;
}

static void
on_joined(struct agent *agent, uint64_t now_ms, uint64_t request,
          const struct msg_worker_joined *m, struct agent_actions *actions)
{
    uint64_t part_number = (request - agent->join_request) / 2;     /* huge for older ones */

    /* What is lost is lost, even when an old answer says so. */
    tasks_lost(agent, m->lost, actions);
    if (agent->state != STATE_JOINING || (request & 1) || part_number >= JOIN_PARTS_MAX)
        return;
    agent->join_open &= ~((uint64_t)1 << part_number);
    if (agent->join_open != 0)
        return;
    agent_enter(agent, STATE_JOINED, now_ms);
    agent->valid_ms = agent->join_sent_ms;
    agent->joined_once = true;
    agent->lost_said = false;
    agent->retry_said = false;
    agent->backoff_ms = AGENT_BACKOFF_MS_MIN;
    tasks_refresh(agent, now_ms);
    if (agent->draining)
        tasks_return_queue(agent, RETURN_DRAINING, actions);
    agent_say_beat(agent, now_ms, actions);
    results_send_due(agent, now_ms, actions);
    keys_unsend(agent);
    keys_send_due(agent, now_ms, actions);
}

/* ---- errors ---- */

static bool
worth_trying_again(muster_err err)
{
    switch ((int)err) {
    case MUSTER_ERR_BUSY:
    case MUSTER_ERR_FULL:
    case MUSTER_ERR_NO_SPACE:
    case MUSTER_ERR_TIMEOUT:
    case MUSTER_ERR_STATE:
    case MUSTER_ERR_EXISTS:
    case MUSTER_ERR_INTERNAL:
    case MUSTER_ERR_NO_MEMORY:
        return true;
    default:
        return false;
    }
}

/* HELLO or JOIN was answered by an error. */
static void
on_not_let_in(struct agent *agent, uint64_t now_ms, const struct msg_error *m,
              struct agent_actions *actions)
{
    muster_err err = error_from_number(m->code);
    char       text[MUSTER_DETAIL_BYTES];
    uint64_t   wait_ms;

    snprintf(text, sizeof(text), "%.*s", (int)m->detail.bytes, (const char *)m->detail.data);
    if (!worth_trying_again(err)) {
        fail(agent, err, text, actions);
        return;
    }
    wait_ms = backoff_next(agent);
    if (wait_ms < m->retry_after_ms)
        wait_ms = m->retry_after_ms;
    if (!agent->retry_said)
        agent_note(actions, "the manager lets nobody in now: %s: %s; trying again",
                   muster_err_text(err), text);
    agent->retry_said = true;
    if (agent->state != STATE_GREETING)
        agent_enter(agent, STATE_GREETING, now_ms);
    agent->hello_at_ms = now_ms + wait_ms;
}

static void
on_error(struct agent *agent, uint64_t now_ms, uint64_t request, const struct msg_error *m,
         struct agent_actions *actions)
{
    muster_err   err = error_from_number(m->code);
    struct held *held;

    if (agent->state == STATE_GREETING && request != agent->hello_request)
        return;                         /* about something before this greeting */
    if (agent->state == STATE_LEAVING)
        return;
    if (err == MUSTER_ERR_SESSION) {
        session_lost(agent, now_ms, actions);
        return;
    }
    if (agent->state == STATE_GREETING ||
        (agent->state == STATE_JOINING && !(request & 1) && request >= agent->join_request)) {
        on_not_let_in(agent, now_ms, m, actions);
        return;
    }
    if (!(request & 1)) {
        keys_answer(agent, now_ms, request, err, m, actions);
        return;
    }
    held = map_get(&agent->by_number, request >> 1);
    if (held != NULL && held->state == HELD_FINISHED)
        results_answer(agent, now_ms, held, err, m->detail, actions);
}

/* ---- events ---- */

/* Did the leases run out by our own clock? */
void
agent_expire(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->exited || agent->state != STATE_JOINED ||
        now_ms < agent->valid_ms + agent_term_ms(agent))
        return;
    agent->counters.expired += agent->queued_count + agent->running_count;
    if (agent->queued_count + agent->running_count > 0)
        agent_note(actions, "no word from the manager for %llu ms: leases ran out, "
                   "stopping %u tasks",
                   (unsigned long long)(now_ms - agent->valid_ms), agent->running_count);
    tasks_abandon(agent, false, actions);
    agent_reconnect(agent, now_ms, actions);
}

void
agent_link_up(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->exited || agent->refused)
        return;
    agent_expire(agent, now_ms, actions);
    part(agent, now_ms, actions);
    greet(agent, now_ms, actions);
}

void
agent_link_down(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    if (agent->exited)
        return;
    agent_expire(agent, now_ms, actions);
    part(agent, now_ms, actions);
}

static void
on_ack(struct agent *agent, uint64_t now_ms, uint64_t request, struct agent_actions *actions)
{
    struct held *held;

    if (agent->state == STATE_LEAVING && request == agent->goodbye_request) {
        agent_exit(agent, MUSTER_OK, "all done", actions);
        return;
    }
    if (!(request & 1)) {
        keys_answer(agent, now_ms, request, MUSTER_OK, &(struct msg_error){ 0 }, actions);
        return;
    }
    held = map_get(&agent->by_number, request >> 1);
    if (held != NULL && held->state == HELD_FINISHED)
        results_answer(agent, now_ms, held, MUSTER_OK, slice_of(NULL, 0), actions);
}

static void
on_beat_ack(struct agent *agent, uint64_t now_ms, const struct msg_beat_ack *m)
{
    if (m->sent_ms > agent->valid_ms && m->sent_ms <= now_ms)
        agent->valid_ms = m->sent_ms;
}

static void
on_drain(struct agent *agent, const struct msg_worker_drain *m, struct agent_actions *actions)
{
    if (agent->drained == (m->draining != 0))
        return;
    agent->drained = m->draining != 0;
    agent_note(actions, agent->drained ? "drained by the manager: no new tasks"
                                       : "no longer drained: tasks are welcome again");
    /* Not RETURN_DRAINING: that would say that we drain by our own wish. */
    if (agent->drained)
        tasks_return_queue(agent, RETURN_NOT_STARTED, actions);
}

static void
on_watch(struct agent *agent, const struct msg_task_watch *m, struct agent_actions *actions)
{
    struct held *held = held_find(agent, &m->token);

    if (held == NULL)
        return;
    held->watched = m->on;              /* one that waits is watched from its start */
    if (held->state == HELD_RUNNING)
        agent_act(actions, AGENT_WATCH, held)->on = m->on;
}

/* Messages of a session that stands. */
static void
on_session_message(struct agent *agent, uint64_t now_ms, uint64_t request, uint16_t type,
                   const union wire_any *m, struct agent_actions *actions)
{
    switch (type) {
    case MSG_TYPE_WORKER_JOINED:
        on_joined(agent, now_ms, request, &m->worker_joined, actions);
        break;
    case MSG_TYPE_TASK_LEASE:
        /* Before the joining is done it is an older lease, which our JOIN did
         * not name: the manager has taken it back. */
        if (agent->state != STATE_JOINED)
            break;
        tasks_lease(agent, now_ms, &m->task_lease, actions);
        agent->idle_since_ms = now_ms;
        break;
    case MSG_TYPE_TASK_KILL:
        tasks_kill(agent, now_ms, &m->task_kill, actions);
        break;
    case MSG_TYPE_TASK_WATCH:
        on_watch(agent, &m->task_watch, actions);
        break;
    case MSG_TYPE_BEAT_ACK:
        on_beat_ack(agent, now_ms, &m->beat_ack);
        break;
    case MSG_TYPE_WORKER_DRAIN:
        on_drain(agent, &m->worker_drain, actions);
        break;
    case MSG_TYPE_ACK:
        on_ack(agent, now_ms, request, actions);
        break;
    default:
        break;
    }
}

void
agent_message(struct agent *agent, uint64_t now_ms, uint64_t request, uint16_t type,
              const union wire_any *m, struct agent_actions *actions)
{
    if (agent->exited)
        return;
    agent->heard_ms = now_ms;
    agent_expire(agent, now_ms, actions);
    if (agent->state == STATE_APART || agent->refused)
        return;
    if (type == MSG_TYPE_ERROR) {
        on_error(agent, now_ms, request, &m->error, actions);
    } else if (agent->state != STATE_GREETING) {
        on_session_message(agent, now_ms, request, type, m, actions);
    } else if (type == MSG_TYPE_WELCOME && request == agent->hello_request) {
        on_welcome(agent, now_ms, &m->welcome, actions);
    }
}
