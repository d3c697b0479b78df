/* outbox.c - messages to the manager, joined into frames */
#include "outbox.h"

#include <stdlib.h>
#include <string.h>

struct frame {
    struct list  link;
    struct slice bytes;
};

struct bulk {
    struct list       link;
    struct slice      message;        /* data == NULL: chunks */
    uint64_t          task;
    struct wire_token token;
    uint8_t           stream;
    uint32_t          offset, left;
};

#define FRAME_OF(node) ((struct frame *)(void *)((char *)(node) - offsetof(struct frame, link)))
#define BULK_OF(node)  ((struct bulk *)(void *)((char *)(node) - offsetof(struct bulk, link)))

void
outbox_init(struct outbox *outbox)
{
    *outbox = (struct outbox){ 0 };
    list_init(&outbox->frames);
    list_init(&outbox->bulk);
}

static void
frame_drop(struct outbox *outbox, struct frame *frame)
{
    outbox->waiting_bytes -= frame->bytes.bytes;
    list_remove(&frame->link);
    free(frame);
}

static void
bulk_drop(struct bulk *bulk)
{
    list_remove(&bulk->link);
    free(bulk);
}

void
outbox_clear(struct outbox *outbox)
{
    while (!list_empty(&outbox->frames))
        frame_drop(outbox, FRAME_OF(outbox->frames.next));
    while (!list_empty(&outbox->bulk))
        bulk_drop(BULK_OF(outbox->bulk.next));
    buffer_clear(&outbox->frame);
    outbox->messages = 0;
    outbox->chunks = 0;
    outbox->blocked = false;
}

void
outbox_free(struct outbox *outbox)
{
    outbox_clear(outbox);
    buffer_free(&outbox->frame);
}

static struct frame *
frame_new(struct slice bytes)
{
    struct frame *frame = base_alloc(sizeof(*frame) + bytes.bytes);

    memcpy(frame + 1, bytes.data, bytes.bytes);
    frame->bytes = slice_of(frame + 1, bytes.bytes);
    return frame;
}

static void
frame_put_aside(struct outbox *outbox)
{
    struct frame *frame;

    if (outbox->messages == 0)
        return;
    wire_frame_end(&outbox->frame, outbox->messages);
    frame = frame_new(buffer_slice(&outbox->frame));
    list_append(&outbox->frames, &frame->link);
    outbox->waiting_bytes += frame->bytes.bytes;
    buffer_clear(&outbox->frame);
    outbox->messages = 0;
}

void
outbox_add(struct outbox *outbox, struct slice message)
{
    if (outbox->messages > 0 &&
        !wire_frame_fits(&outbox->frame, outbox->messages, message.bytes))
        frame_put_aside(outbox);
    if (outbox->messages == 0)
        wire_frame_begin(&outbox->frame);
    buffer_append_slice(&outbox->frame, message);
    outbox->messages++;
}

void
outbox_add_bulk(struct outbox *outbox, struct slice message)
{
    struct bulk *bulk = base_alloc(sizeof(*bulk) + message.bytes);

    memcpy(bulk + 1, message.data, message.bytes);
    bulk->message = slice_of(bulk + 1, message.bytes);
    list_append(&outbox->bulk, &bulk->link);
}

void
outbox_add_chunks(struct outbox *outbox, uint64_t task, const struct wire_token *token,
                  uint8_t stream, uint32_t offset, uint32_t bytes)
{
    struct bulk *bulk = base_alloc(sizeof(*bulk));

    bulk->task = task;
    bulk->token = *token;
    bulk->stream = stream;
    bulk->offset = offset;
    bulk->left = bytes;
    list_append(&outbox->bulk, &bulk->link);
}

/* One chunk as a frame of its own.  False: there is nothing (more) to read. */
static bool
chunk_frame(struct outbox *outbox, const struct bulk *bulk, outbox_read_fn *read, void *context)
{
    struct buffer           piece = { 0 };
    uint32_t                bytes = bulk->left < CHUNK_BYTES_MAX ? bulk->left : CHUNK_BYTES_MAX;
    struct msg_result_chunk m = { .token = bulk->token, .stream = bulk->stream,
                                  .offset = bulk->offset };
    bool                    good;
    size_t                  begin;

    good = read(context, bulk->task, bulk->stream, bulk->offset, bytes, &piece);
    if (good) {
        m.data = buffer_slice(&piece);
        wire_frame_begin(&outbox->frame);
        begin = wire_message_begin(&outbox->frame, MSG_TYPE_RESULT_CHUNK,
                                   OUTBOX_CHUNK_REQUEST);
        wire_put_msg_result_chunk(&outbox->frame, &m);
        wire_message_end(&outbox->frame, begin);
        outbox->messages = 1;
        outbox->chunks++;
        frame_put_aside(outbox);
    }
    buffer_free(&piece);
    return good;
}

bool
outbox_answered(struct outbox *outbox, uint64_t request)
{
    if (request != OUTBOX_CHUNK_REQUEST || outbox->chunks == 0)
        return false;
    outbox->chunks--;
    return true;
}

/* The head of the bulk lane may go: it is no chunk, or the window has room. */
static bool
bulk_may_go(const struct outbox *outbox)
{
    if (list_empty(&outbox->bulk))
        return false;
    return BULK_OF(outbox->bulk.next)->message.data != NULL || outbox->chunks < OUTBOX_WINDOW;
}

/* Move the head of the bulk lane into a frame. */
static void
bulk_advance(struct outbox *outbox, outbox_read_fn *read, void *context)
{
    struct bulk *bulk = BULK_OF(outbox->bulk.next);

    if (bulk->message.data != NULL) {
        outbox_add(outbox, bulk->message);
        frame_put_aside(outbox);
        bulk_drop(bulk);
        return;
    }
    if (!chunk_frame(outbox, bulk, read, context)) {
        bulk_drop(bulk);              /* settled meanwhile, or not to be read any more */
        return;
    }
    if (bulk->left <= CHUNK_BYTES_MAX) {
        bulk_drop(bulk);
        return;
    }
    bulk->offset += CHUNK_BYTES_MAX;
    bulk->left -= CHUNK_BYTES_MAX;
}

/* False: the link takes no more now. */
static bool
frames_send(struct outbox *outbox, struct link_client *link)
{
    while (!list_empty(&outbox->frames)) {
        struct frame *frame = FRAME_OF(outbox->frames.next);

        if (link_client_send(link, frame->bytes) == MUSTER_ERR_BUSY)
            return false;
        frame_drop(outbox, frame);
    }
    return true;
}

void
outbox_flush(struct outbox *outbox, struct link_client *link, outbox_read_fn *read, void *context)
{
    outbox->blocked = false;
    /* The common case: one frame, sent from where it was built. */
    if (list_empty(&outbox->frames) && outbox->messages > 0) {
        wire_frame_end(&outbox->frame, outbox->messages);
        if (link_client_send(link, buffer_slice(&outbox->frame)) != MUSTER_ERR_BUSY) {
            buffer_clear(&outbox->frame);
            outbox->messages = 0;
        }
    }
    frame_put_aside(outbox);
    while (frames_send(outbox, link)) {
        if (!bulk_may_go(outbox))
            return;
        bulk_advance(outbox, read, context);
    }
    outbox->blocked = true;
}

bool
outbox_empty(const struct outbox *outbox)
{
    return outbox->messages == 0 && list_empty(&outbox->frames) && list_empty(&outbox->bulk);
}
