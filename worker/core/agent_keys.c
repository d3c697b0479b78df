/* agent_keys.c - keys of tasks: asked for before the start, told to the manager
 *
 *            fits              agent_key()            ACK
 *   QUEUED --------> KEYING ---------------> (sent) --------> RUNNING
 *                      |                        |
 *                      |   returned, lost, killed, refused: gone at once, nothing runs
 *                      `------------------------'
 *
 * 1. A task takes its room with KEYING, so that it starts as soon as its key is good.
 * 2. The driver makes the pair and keeps the secret; the agent knows the public half.
 * 3. A key is sent again, with the same number, until it is answered: after a silence,
 *    after BUSY, and when a connection has joined.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_state.h"

enum { KEY_RETRY_MS = 500 };       /* after BUSY and the like */

#define KEY_OF(node) CONTAINER(node, struct held_key, link)

bool
keys_wanted(const struct held *held)
{
    return held->job->spec.own_key && (held->key == NULL || !held->key->granted);
}

void
keys_ask(struct held *held, struct agent_actions *actions)
{
    assert(held->state == HELD_KEYING && held->key == NULL);
    held->key = base_alloc(sizeof(*held->key));
    held->key->held = held;
    agent_act(actions, AGENT_KEY, held);
}

void
keys_forget(struct held *held)
{
    if (held->key != NULL && list_linked(&held->key->link))
        list_remove(&held->key->link);
}

static void
key_send(struct agent *agent, uint64_t now_ms, struct held_key *key,
         struct agent_actions *actions)
{
    struct msg_task_key m = { .token = key->held->token,
                              .key = slice_of(key->key, sizeof(key->key)) };
    size_t              begin;

    assert(agent->state == STATE_JOINED);
    if (key->request == 0)
        key->request = agent_request(agent);
    begin = agent_send_begin(actions, MSG_TYPE_TASK_KEY, key->request);
    wire_put_msg_task_key(&actions->out, &m);
    agent_send_end(actions, begin);
    key->send_ms = now_ms + AGENT_RESEND_MS;
}

void
agent_key(struct agent *agent, uint64_t now_ms, uint64_t task,
          const uint8_t key[KEY_PUBLIC_BYTES], struct agent_actions *actions)
{
    struct held *held;

    agent_expire(agent, now_ms, actions);
    held = map_get(&agent->by_number, task);
    /* It may have ended in the turn that asked for the key. */
    if (held == NULL || held->state != HELD_KEYING || list_linked(&held->key->link))
        return;
    memcpy(held->key->key, key, sizeof(held->key->key));
    list_append(&agent->keys, &held->key->link);
    if (agent->state == STATE_JOINED)
        key_send(agent, now_ms, held->key, actions);
}

void
keys_send_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    for (struct list *at = agent->keys.next; at != &agent->keys; at = at->next) {
        if (now_ms >= KEY_OF(at)->send_ms)
            key_send(agent, now_ms, KEY_OF(at), actions);
    }
}

void
keys_unsend(struct agent *agent)
{
    for (struct list *at = agent->keys.next; at != &agent->keys; at = at->next)
        KEY_OF(at)->send_ms = 0;
}

uint64_t
keys_wake_ms(const struct agent *agent)
{
    uint64_t wake_ms = UINT64_MAX;

    for (const struct list *at = agent->keys.next; at != &agent->keys; at = at->next) {
        if (CONTAINER(at, const struct held_key, link)->send_ms < wake_ms)
            wake_ms = CONTAINER(at, const struct held_key, link)->send_ms;
    }
    return wake_ms;
}

void
keys_return(struct agent *agent, struct agent_actions *actions)
{
    for (struct list *at = agent->running.next, *next; at != &agent->running; at = next) {
        next = at->next;
        if (HELD_OF(at)->state == HELD_KEYING)
            held_end_now(agent, HELD_OF(at), true, actions);
    }
}

/* ---- what the manager says ---- */

/* It will not have a key: that is the task's end, here as anywhere. */
static void
key_refused(struct agent *agent, uint64_t now_ms, struct held *held, muster_err err,
            struct slice detail, struct agent_actions *actions)
{
    char               reason[TEXT_BYTES_MAX];
    struct wire_result result = { .outcome = OUTCOME_NOT_STARTED,
                                  .host = slice_text(agent->config.host) };

    snprintf(reason, sizeof(reason), "the manager gives it no key of its own (%s): %.*s",
             muster_err_name(err), (int)detail.bytes < 300 ? (int)detail.bytes : 300,
             (const char *)detail.data);
    result.reason = slice_text(reason);
    agent_ended(agent, now_ms, held->number, &result, actions);
}

static void
key_answer(struct agent *agent, uint64_t now_ms, struct held_key *key, muster_err err,
           const struct msg_error *m, struct agent_actions *actions)
{
    struct held *held = key->held;
    uint32_t     wait_ms = m->retry_after_ms > KEY_RETRY_MS ? m->retry_after_ms : KEY_RETRY_MS;

    switch ((int)err) {
    case MUSTER_OK:
        list_remove(&key->link);
        key->granted = true;
        held_run(agent, held, actions);
        break;
    case MUSTER_ERR_STALE:
        agent->counters.stale++;
        held_end_now(agent, held, false, actions);
        break;
    case MUSTER_ERR_BUSY:
    case MUSTER_ERR_FULL:
    case MUSTER_ERR_NO_SPACE:
    case MUSTER_ERR_NO_MEMORY:
    case MUSTER_ERR_TIMEOUT:
    case MUSTER_ERR_STATE:
        key->send_ms = now_ms + wait_ms;
        break;
    case MUSTER_ERR_CONFLICT:
        agent_failed(agent, now_ms, held->number, "the key that it made is somebody else's",
                     actions);
        break;
    default:
        key_refused(agent, now_ms, held, err, m->detail, actions);
        break;
    }
}

void
keys_answer(struct agent *agent, uint64_t now_ms, uint64_t request, muster_err err,
            const struct msg_error *m, struct agent_actions *actions)
{
    for (struct list *at = agent->keys.next; at != &agent->keys; at = at->next) {
        if (KEY_OF(at)->request != request)
            continue;
        key_answer(agent, now_ms, KEY_OF(at), err, m, actions);
        return;
    }
}

/* ---- invariants ---- */

void
keys_check(const struct agent *agent)
{
    uint32_t waiting = 0, listed = 0;

    for (const struct list *at = agent->running.next; at != &agent->running; at = at->next) {
        const struct held *held = CONTAINER(at, const struct held, link);

        if (held->state == HELD_KEYING) {
            assert(held->job->spec.own_key && held->key != NULL && !held->key->granted);
            assert(!list_linked(&held->ahead));
            waiting += list_linked(&held->key->link);
        } else {
            assert(held->key == NULL || held->key->granted);
        }
    }
    for (const struct list *at = agent->keys.next; at != &agent->keys; at = at->next)
        listed++;
    assert(waiting == listed);
}
