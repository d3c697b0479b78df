/* frames.c - see frames.h */
#include "frames.h"

/* ---- put ---- */

static void
put_result(struct buffer *out, const struct frame_result *it)
{
    write_u32(out, it->call);
    write_u8(out, it->failed);
    write_u64(out, it->started_us);
    write_u64(out, it->wall_us);
    write_u64(out, it->cpu_us);
    write_u64(out, it->rss_bytes);
    write_bytes(out, it->reason);
    write_bytes(out, it->out);
}

static void
put_call(struct buffer *out, const struct frame_call *it)
{
    write_u32(out, it->call);
    write_u32(out, it->index);
    write_u32(out, it->attempt);
    write_bytes(out, it->argument);
}

void
frame_put(struct buffer *out, const struct frame *frame)
{
    size_t begin = out->bytes;

    write_u32(out, 0);
    write_u8(out, (uint8_t)frame->kind);
    switch (frame->kind) {
    case FRAME_START:
        write_bytes(out, frame->start);
        break;
    case FRAME_SPEC:
        write_u64(out, frame->spec.job);
        write_u32(out, frame->spec.result_bytes_max);
        write_bytes(out, frame->spec.spec);
        break;
    case FRAME_CALL:
        put_call(out, &frame->call);
        break;
    case FRAME_KEY:
        write_u32(out, frame->key.call);
        write_bytes(out, frame->key.address);
        write_bytes(out, frame->key.path);
        break;
    case FRAME_READY:
        write_u32(out, frame->ready.pid);
        write_bytes(out, frame->ready.error);
        break;
    case FRAME_DATA:
        write_u32(out, frame->data.call);
        write_u8(out, frame->data.stream);
        write_bytes(out, frame->data.data);
        break;
    case FRAME_RESULT:
        put_result(out, &frame->result);
        break;
    }
    write_u32_at(out, begin, (uint32_t)(out->bytes - begin - FRAME_HEAD_BYTES));
}

/* ---- get ---- */

static void
get_result(struct reader *in, struct frame_result *it)
{
    it->call = read_u32(in);
    it->failed = read_u8(in);
    it->started_us = read_u64(in);
    it->wall_us = read_u64(in);
    it->cpu_us = read_u64(in);
    it->rss_bytes = read_u64(in);
    it->reason = read_text(in, TEXT_BYTES_MAX);
    it->out = read_bytes(in, OUTPUT_INLINE_BYTES_MAX);
    if (it->failed > 1)
        read_fail(in);
}

static void
get_call(struct reader *in, struct frame_call *it)
{
    it->call = read_u32(in);
    it->index = read_u32(in);
    it->attempt = read_u32(in);
    it->argument = read_bytes(in, STDIN_BYTES_MAX);
}

static bool
get_body(struct reader *in, struct frame *frame)
{
    switch ((int)frame->kind) {
    case FRAME_START:
        frame->start = read_text(in, NAME_BYTES_MAX);
        break;
    case FRAME_SPEC:
        frame->spec.job = read_u64(in);
        frame->spec.result_bytes_max = read_u32(in);
        frame->spec.spec = read_bytes(in, SPEC_BYTES_MAX);
        break;
    case FRAME_CALL:
        get_call(in, &frame->call);
        break;
    case FRAME_KEY:
        frame->key.call = read_u32(in);
        frame->key.address = read_text(in, PATH_BYTES_MAX);
        frame->key.path = read_text(in, PATH_BYTES_MAX);
        break;
    case FRAME_READY:
        frame->ready.pid = read_u32(in);
        frame->ready.error = read_text(in, TEXT_BYTES_MAX);
        break;
    case FRAME_DATA:
        frame->data.call = read_u32(in);
        frame->data.stream = read_u8(in);
        frame->data.data = read_bytes(in, FRAME_DATA_BYTES_MAX);
        if (frame->data.stream > 1)
            read_fail(in);
        break;
    case FRAME_RESULT:
        get_result(in, &frame->result);
        break;
    default:
        return false;
    }
    return read_ended(in);
}

long
frame_get(struct slice bytes, size_t bytes_max, struct frame *frame_out, size_t *bytes_wanted)
{
    struct reader in = reader_of(bytes);
    uint32_t      length = read_u32(&in);
    struct frame  frame;

    *bytes_wanted = 0;
    if (in.bad)
        return 0;
    if (length == 0 || length > bytes_max)
        return -1;
    *bytes_wanted = FRAME_HEAD_BYTES + (size_t)length;
    if (bytes.bytes < *bytes_wanted)
        return 0;
    in = reader_of(slice_cut(bytes, FRAME_HEAD_BYTES, length));
    frame.kind = (enum frame_kind)read_u8(&in);
    if (!get_body(&in, &frame))
        return -1;
    *frame_out = frame;
    return (long)*bytes_wanted;
}
