/* frame.c - a frame is a batch of messages
 *
 *   u32 "MUS1" | u16 messages | u16 0 | messages
 *   message: u32 body bytes | u16 type | u16 flags 0 | u64 request | body
 *
 * 1. A frame holds at least one message: an empty one says nothing and costs
 *    the receiver a turn.
 * 2. Messages fill the frame exactly.  A frame that turns out to be wrong in
 *    the middle was right up to there; what was read before stands.
 */
#include <assert.h>

#include "wire.h"

#define FRAME_MAGIC 0x3153554du      /* "MUS1" */

muster_err
wire_frame_open(struct slice bytes, struct wire_frame *frame_out)
{
    struct wire_frame frame = { .in = reader_of(bytes) };
    uint32_t          magic = read_u32(&frame.in);
    uint16_t          zero;

    frame.left = read_u16(&frame.in);
    zero = read_u16(&frame.in);
    if (frame.in.bad || bytes.bytes > FRAME_BYTES_MAX || magic != FRAME_MAGIC || zero != 0)
        return MUSTER_ERR_INVALID;
    if (frame.left == 0 || frame.left > FRAME_MESSAGES_MAX)
        return MUSTER_ERR_INVALID;
    *frame_out = frame;
    return MUSTER_OK;
}

muster_err
wire_frame_next(struct wire_frame *frame, struct wire_message *message_out)
{
    struct reader      *in = &frame->in;
    struct wire_message message;
    uint32_t            body_bytes;
    uint16_t            flags;

    if (frame->left == 0)
        return read_ended(in) ? MUSTER_ERR_CLOSED : MUSTER_ERR_INVALID;
    body_bytes = read_u32(in);
    message.type = read_u16(in);
    flags = read_u16(in);
    message.request = read_u64(in);
    message.body = read_raw(in, body_bytes);
    if (in->bad || flags != 0) {
        read_fail(in);               /* nothing behind it can be trusted */
        frame->left = 0;
        return MUSTER_ERR_INVALID;
    }
    frame->left--;
    *message_out = message;
    return MUSTER_OK;
}

void
wire_frame_begin(struct buffer *out)
{
    assert(out->bytes == 0);
    write_u32(out, FRAME_MAGIC);
    write_u32(out, 0);               /* count and zero, known at the end */
}

bool
wire_frame_fits(const struct buffer *out, uint32_t messages, size_t message_bytes)
{
    return messages < FRAME_MESSAGES_MAX && out->bytes <= FRAME_BYTES_MAX &&
           message_bytes <= FRAME_BYTES_MAX - out->bytes;
}

void
wire_frame_end(struct buffer *out, uint32_t messages)
{
    assert(messages > 0 && messages <= FRAME_MESSAGES_MAX);
    assert(out->bytes <= FRAME_BYTES_MAX);
    write_u32_at(out, 4, messages);  /* its upper half is the zero */
}

size_t
wire_message_begin(struct buffer *out, uint16_t type, uint64_t request)
{
    size_t begin = out->bytes;

    assert(wire_rule(type) != NULL);
    write_u32(out, 0);               /* body bytes, known at the end */
    write_u16(out, type);
    write_u16(out, 0);
    write_u64(out, request);
    return begin;
}

void
wire_message_end(struct buffer *out, size_t begin)
{
    size_t body_bytes = out->bytes - begin - MESSAGE_HEADER_BYTES;

    assert(out->bytes >= begin + MESSAGE_HEADER_BYTES);
    assert(body_bytes <= MESSAGE_BODY_BYTES_MAX);
    write_u32_at(out, begin, (uint32_t)body_bytes);
}
