/* agent_results.c - finished results until the manager has them
 *
 * 1. The list `finished` has the sent ones in the order of sending in front
 *    and those to be sent behind them, so both ends are found at once.
 * 2. A FINISH is sent again with the request id of the first time.
 */
#include <assert.h>
#include <stdlib.h>

#include "agent_state.h"

/* Chunked output takes its time on the way; do not send it twice in a hurry. */
static uint64_t
resend_ms(const struct held *held)
{
    bool bulk = held->kept[0] > held->inlined[0] || held->kept[1] > held->inlined[1];

    return bulk ? 12 * AGENT_RESEND_MS : AGENT_RESEND_MS;
}

static void
result_chunks(const struct held *held, struct agent_actions *actions)
{
    for (uint8_t stream = 0; stream < 2; stream++) {
        struct agent_action *chunk;

        if (held->kept[stream] <= held->inlined[stream])
            continue;
        chunk = agent_act(actions, AGENT_CHUNK, held);
        chunk->stream = stream;
        chunk->offset = held->inlined[stream];
        chunk->bytes = held->kept[stream] - held->inlined[stream];
    }
}

static void
result_send(uint64_t now_ms, struct held *held, struct agent_actions *actions)
{
    uint32_t first = actions->count;
    size_t   begin;
    bool     bulk;

    assert(held->state == HELD_FINISHED);
    result_chunks(held, actions);
    bulk = actions->count > first;
    begin = agent_send_begin(actions, MSG_TYPE_TASK_FINISH, held->number << 1 | 1);
    wire_put_token(&actions->out, &held->token);
    buffer_append_slice(&actions->out, buffer_slice(&held->result));
    agent_send_end(actions, begin)->bulk = bulk;
    held->sent = true;
    held->sent_ms = now_ms;
}

static void
result_spool(struct held *held, struct agent_actions *actions)
{
    if (held->spooled)
        return;
    held->spooled = true;
    agent_act(actions, AGENT_SPOOL, held)->result = buffer_slice(&held->result);
}

void
results_add(struct agent *agent, uint64_t now_ms, struct held *held, struct slice encoded,
            const struct wire_result *result, struct agent_actions *actions)
{
    assert(!list_linked(&held->link));
    held->state = HELD_FINISHED;
    held->kept[0] = result->out_kept;
    held->kept[1] = result->err_kept;
    held->inlined[0] = (uint32_t)result->out.bytes;
    held->inlined[1] = (uint32_t)result->err.bytes;
    buffer_append_slice(&held->result, encoded);
    agent->unsent_bytes += encoded.bytes;
    list_append(&agent->finished, &held->link);
    agent->finished_count++;
    agent->idle_since_ms = now_ms;
    if (agent->state == STATE_JOINED)
        result_send(now_ms, held, actions);
    else if (actions != NULL)
        result_spool(held, actions);
}

void
agent_restore(struct agent *agent, const struct wire_token *token, struct slice result,
              uint64_t *task_out)
{
    struct wire_result decoded;
    struct held       *held;
    muster_err         err = wire_decode_item_result(result, &decoded);

    assert(!err);
    assert(agent->state == STATE_APART);
    held = held_find(agent, token);
    if (held == NULL) {
        held = held_new(agent, token, slice_of(NULL, 0));
        held->spooled = true;
        results_add(agent, agent->idle_since_ms, held, result, &decoded, NULL);
    }
    *task_out = held->number;
}

/* Those that were sent longest ago stand in front; a new joining has sent none. */
void
results_send_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions)
{
    uint32_t left = agent->finished_count;

    assert(agent->state == STATE_JOINED);
    while (left-- > 0) {
        struct held *held = HELD_OF(agent->finished.next);

        if (held->sent && now_ms < held->sent_ms + resend_ms(held))
            break;
        list_remove(&held->link);
        list_append(&agent->finished, &held->link);
        result_send(now_ms, held, actions);
    }
}

void
results_unsend(struct agent *agent)
{
    for (struct list *at = agent->finished.next; at != &agent->finished; at = at->next)
        HELD_OF(at)->sent = false;
}

void
results_spool(struct agent *agent, struct agent_actions *actions)
{
    for (struct list *at = agent->finished.next; at != &agent->finished; at = at->next)
        result_spool(HELD_OF(at), actions);
}

uint64_t
results_wake_ms(const struct agent *agent)
{
    const struct held *first;

    if (list_empty(&agent->finished))
        return UINT64_MAX;
    first = HELD_OF(agent->finished.next);
    return first->sent ? first->sent_ms + resend_ms(first) : 0;
}

/* The manager has it or does not want it. */
void
results_settle(struct agent *agent, struct held *held, struct agent_actions *actions)
{
    assert(held->state == HELD_FINISHED);
    list_remove(&held->link);
    agent->finished_count--;
    agent->unsent_bytes -= held->result.bytes;
    agent->dirty = true;                /* what waited for room may start */
    agent_act(actions, AGENT_RELEASE, held);
    held_free(agent, held);
}

void
results_answer(struct agent *agent, uint64_t now_ms, struct held *held, muster_err err,
               struct slice detail, struct agent_actions *actions)
{
    agent->idle_since_ms = now_ms;
    switch ((int)err) {
    case MUSTER_OK:
        agent->counters.delivered++;
        results_settle(agent, held, actions);
        return;
    case MUSTER_ERR_STALE:
    case MUSTER_ERR_NOT_FOUND:
        agent->counters.stale++;
        results_settle(agent, held, actions);
        return;
    case MUSTER_ERR_BUSY:
    case MUSTER_ERR_FULL:
    case MUSTER_ERR_NO_SPACE:
    case MUSTER_ERR_TIMEOUT:
    case MUSTER_ERR_STATE:
        return;                         /* it is sent again when it is due */
    default:
        break;
    }
    /* Refused for good: sending it again would be refused again. */
    agent_note(actions, "the manager refuses the result of task %llu.%u (%s: %.*s); dropped",
               (unsigned long long)held->token.job, held->token.index, muster_err_name(err),
               (int)detail.bytes, (const char *)detail.data);
    results_settle(agent, held, actions);
}
