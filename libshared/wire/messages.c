/* messages.c - the messages of messages.def, and the table of who may send them
 *
 * 1. A body is decoded whole or not at all: the caller's struct changes only
 *    on success.
 * 2. A new row in messages.def is all that a new message needs here.
 */
#include "field.h"

#define MESSAGE_PUT(NAME, name, code, from)                                    \
    void wire_put_msg_##name(struct buffer *out, const struct msg_##name *it)  \
    {                                                                          \
        MSG_##NAME(FIELD_PUT, FIELD_LIST_PUT, FIELD_PART_PUT)                  \
    }
WIRE_MESSAGES(MESSAGE_PUT)

#define MESSAGE_DECODE(NAME, name, code, from)                                 \
    muster_err wire_decode_##name(struct slice body, struct msg_##name *m_out) \
    {                                                                          \
        struct reader     reader = reader_of(body);                            \
        struct reader    *in = &reader;                                        \
        struct msg_##name it = { 0 };                                          \
                                                                               \
        MSG_##NAME(FIELD_GET, FIELD_LIST_GET, FIELD_PART_GET)                  \
        if (!read_ended(in))                                                   \
            return MUSTER_ERR_INVALID;                                         \
        *m_out = it;                                                           \
        return MUSTER_OK;                                                      \
    }
WIRE_MESSAGES(MESSAGE_DECODE)

static const struct wire_rule message_rules[MSG_TYPE_LIMIT] = {
#define MESSAGE_RULE(NAME, name, code, from) [code] = { #NAME, from },
    WIRE_MESSAGES(MESSAGE_RULE)
};

const struct wire_rule *
wire_rule(uint16_t type)
{
    if (type >= MSG_TYPE_LIMIT || message_rules[type].name == NULL)
        return NULL;
    return &message_rules[type];
}

muster_err
wire_decode_any(uint16_t type, struct slice body, union wire_any *out)
{
#define MESSAGE_DECODE_CASE(NAME, name, code, from) \
    case code:                                      \
        return wire_decode_##name(body, &out->name);
    switch (type) {
        WIRE_MESSAGES(MESSAGE_DECODE_CASE)
    default:
        return MUSTER_ERR_UNSUPPORTED;
    }
}

void
wire_put_any(struct buffer *out, uint16_t type, uint64_t request, const union wire_any *m)
{
    size_t begin = wire_message_begin(out, type, request);

#define MESSAGE_PUT_CASE(NAME, name, code, from)    \
    case code:                                      \
        wire_put_msg_##name(out, &m->name);         \
        break;
    switch (type) {
        WIRE_MESSAGES(MESSAGE_PUT_CASE)
    default:
        break;                       /* wire_message_begin() asserted the type */
    }
    wire_message_end(out, begin);
}
