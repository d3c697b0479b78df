/* agent_actions.c - what an agent wants done, in order
 *
 * Messages and texts lie in one buffer, which is cleared and filled again turn
 * after turn without allocating.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent_state.h"

void
agent_actions_clear(struct agent_actions *actions)
{
    actions->count = 0;
    buffer_clear(&actions->out);
}

void
agent_actions_free(struct agent_actions *actions)
{
    free(actions->items);
    buffer_free(&actions->out);
    *actions = (struct agent_actions){ 0 };
}

struct agent_action *
agent_act(struct agent_actions *actions, enum agent_action_type type, const struct held *held)
{
    struct agent_action *action;
    void                *items = actions->items;

    base_grow(&items, &actions->capacity, actions->count + 1, sizeof(*action));
    actions->items = items;
    action = &actions->items[actions->count++];
    *action = (struct agent_action){ .type = type };
    if (held != NULL) {
        action->task = held->number;
        action->token = held->token;
    }
    return action;
}

void
agent_act_text(struct agent_actions *actions, enum agent_action_type type, muster_err err,
               const char *text)
{
    struct agent_action *action = agent_act(actions, type, NULL);

    action->err = err;
    action->offset = actions->out.bytes;
    buffer_append(&actions->out, text, strlen(text) + 1);
    action->bytes = actions->out.bytes - action->offset;
}

void
agent_note(struct agent_actions *actions, const char *format, ...)
{
    char    text[MUSTER_DETAIL_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    agent_act_text(actions, AGENT_NOTE, MUSTER_OK, text);
}

size_t
agent_send_begin(struct agent_actions *actions, uint16_t type, uint64_t request)
{
    return wire_message_begin(&actions->out, type, request);
}

struct agent_action *
agent_send_end(struct agent_actions *actions, size_t begin)
{
    struct agent_action *action = agent_act(actions, AGENT_SEND, NULL);

    wire_message_end(&actions->out, begin);
    action->offset = begin;
    action->bytes = actions->out.bytes - begin;
    assert(action->bytes <= MESSAGE_HEADER_BYTES + MESSAGE_BODY_BYTES_MAX);
    return action;
}
