/* outbox.c - see outbox.h */
#include "outbox.h"

#include <assert.h>
#include <stdlib.h>

#include "list.h"
#include "map.h"

enum { OUTBOX_SPARES = 16 };

struct outbox_peer {
    uint64_t       peer;
    struct buffer  frame;          /* being built */
    uint32_t       messages;       /* in it */
    struct buffer *waiting;        /* whole frames that BUSY kept, oldest first */
    uint32_t       waiting_count;
    uint32_t       waiting_capacity;
    size_t         waiting_bytes;
    bool           slow;
    bool           cut;            /* had too much waiting: keep nothing until it is gone */
    struct list    link;           /* in outbox->dirty while something is to be sent */
};

struct outbox {
    struct link_server *link;
    outbox_slow_fn     *slow;
    void               *context;
    struct map          peers;     /* peer -> struct outbox_peer */
    struct list         dirty;
    struct buffer       spares[OUTBOX_SPARES];     /* frames to be built in */
    uint32_t            spare_count;
};

static struct buffer
outbox_spare_take(struct outbox *outbox)
{
    return outbox->spare_count > 0 ? outbox->spares[--outbox->spare_count]
                                   : (struct buffer){ 0 };
}

static void
outbox_spare_give(struct outbox *outbox, struct buffer *frame)
{
    buffer_clear(frame);
    if (frame->data != NULL && outbox->spare_count < OUTBOX_SPARES)
        outbox->spares[outbox->spare_count++] = *frame;
    else
        buffer_free(frame);
    *frame = (struct buffer){ 0 };
}

struct outbox *
outbox_new(struct link_server *link, outbox_slow_fn *slow, void *context)
{
    struct outbox *outbox = base_alloc(sizeof(*outbox));

    outbox->link = link;
    outbox->slow = slow;
    outbox->context = context;
    list_init(&outbox->dirty);
    return outbox;
}

/* Forget all that is to be sent to it. */
static void
outbox_peer_clear(struct outbox *outbox, struct outbox_peer *to)
{
    for (uint32_t i = 0; i < to->waiting_count; i++)
        buffer_free(&to->waiting[i]);
    free(to->waiting);
    to->waiting = NULL;
    to->waiting_count = 0;
    to->waiting_capacity = 0;
    to->waiting_bytes = 0;
    outbox_spare_give(outbox, &to->frame);
    to->messages = 0;
}

static void
outbox_peer_free(struct outbox *outbox, struct outbox_peer *to)
{
    outbox_peer_clear(outbox, to);
    if (list_linked(&to->link))
        list_remove(&to->link);
    free(to);
}

void
outbox_free(struct outbox *outbox)
{
    struct outbox_peer *to;
    size_t              cursor = 0;

    while ((to = map_next(&outbox->peers, &cursor, NULL)) != NULL)
        outbox_peer_free(outbox, to);
    map_free(&outbox->peers);
    while (outbox->spare_count > 0)
        buffer_free(&outbox->spares[--outbox->spare_count]);
    free(outbox);
}

static struct outbox_peer *
outbox_peer_of(struct outbox *outbox, uint64_t peer)
{
    struct outbox_peer *to = map_get(&outbox->peers, peer);

    if (to == NULL) {
        to = base_alloc(sizeof(*to));
        to->peer = peer;
        map_put(&outbox->peers, peer, to);
    }
    return to;
}

/* The frame in the making becomes the last of those that wait.  It is counted with its
 * bytes: of memory that was far larger before it only takes what it needs. */
static void
outbox_park(struct outbox *outbox, struct outbox_peer *to)
{
    if (to->frame.capacity / 2 > to->frame.bytes) {
        struct buffer large = to->frame;

        to->frame = (struct buffer){ 0 };
        buffer_append_slice(&to->frame, buffer_slice(&large));
        outbox_spare_give(outbox, &large);
    }
    base_grow((void **)&to->waiting, &to->waiting_capacity, to->waiting_count + 1,
              sizeof(*to->waiting));
    to->waiting[to->waiting_count++] = to->frame;
    to->waiting_bytes += to->frame.bytes;
    to->frame = (struct buffer){ 0 };
    to->messages = 0;
}

static void
outbox_set_slow(struct outbox *outbox, struct outbox_peer *to, bool slow)
{
    if (to->slow == slow)
        return;
    to->slow = slow;
    outbox->slow(outbox->context, to->peer, slow);
}

/* A frame of large messages leaves with its memory, one of many small ones is copied. */
static muster_err
outbox_send(struct outbox *outbox, struct outbox_peer *to)
{
    if (to->frame.bytes / to->messages < LINK_GIVE_BYTES_MIN)
        return link_server_send(outbox->link, to->peer, buffer_slice(&to->frame));
    return link_server_give(outbox->link, to->peer, &to->frame);
}

/* Send the frame in the making, or park it behind those that wait. */
static void
outbox_seal(struct outbox *outbox, struct outbox_peer *to)
{
    if (to->messages == 0)
        return;
    wire_frame_end(&to->frame, to->messages);
    if (to->waiting_count == 0) {
        muster_err err = outbox_send(outbox, to);

        if (err != MUSTER_ERR_BUSY) {
            /* Sent, or the peer is gone and link will say so: nothing to keep. */
            outbox_spare_give(outbox, &to->frame);
            to->messages = 0;
            return;
        }
        outbox_set_slow(outbox, to, true);
    }
    outbox_park(outbox, to);
    if (to->waiting_bytes > OUTBOX_PEER_BYTES_MAX) {
        link_server_cut(outbox->link, to->peer);
        outbox_peer_clear(outbox, to);
        to->cut = true;
    }
}

void
outbox_add(struct outbox *outbox, uint64_t peer, struct slice message)
{
    struct outbox_peer *to = outbox_peer_of(outbox, peer);

    assert(message.bytes >= MESSAGE_HEADER_BYTES);
    assert(message.bytes <= MESSAGE_HEADER_BYTES + MESSAGE_BODY_BYTES_MAX);

    if (to->messages > 0 && !wire_frame_fits(&to->frame, to->messages, message.bytes))
        outbox_seal(outbox, to);
    if (to->cut)
        return;
    if (to->messages == 0) {
        to->frame = outbox_spare_take(outbox);
        buffer_reserve(&to->frame, FRAME_HEADER_BYTES + message.bytes);
        wire_frame_begin(&to->frame);
    }
    buffer_append_slice(&to->frame, message);
    to->messages++;
    if (!list_linked(&to->link))
        list_append(&outbox->dirty, &to->link);
}

/* Send what waits, oldest first; true when all of it went. */
static bool
outbox_drain(struct outbox *outbox, struct outbox_peer *to)
{
    uint32_t sent = 0;

    while (sent < to->waiting_count) {
        size_t bytes = to->waiting[sent].bytes;

        if (link_server_give(outbox->link, to->peer, &to->waiting[sent]) == MUSTER_ERR_BUSY)
            break;
        to->waiting_bytes -= bytes;
        buffer_free(&to->waiting[sent]);
        sent++;
    }
    to->waiting_count -= sent;
    for (uint32_t i = 0; i < to->waiting_count; i++)
        to->waiting[i] = to->waiting[i + sent];
    return to->waiting_count == 0;
}

bool
outbox_flush(struct outbox *outbox)
{
    struct list *next;

    for (struct list *at = outbox->dirty.next; at != &outbox->dirty; at = next) {
        struct outbox_peer *to = CONTAINER(at, struct outbox_peer, link);

        next = at->next;
        if (outbox_drain(outbox, to) && !to->cut)
            outbox_set_slow(outbox, to, false);
        outbox_seal(outbox, to);
        if (to->waiting_count == 0)
            list_remove(at);
    }
    return !list_empty(&outbox->dirty);
}

void
outbox_gone(struct outbox *outbox, uint64_t peer)
{
    struct outbox_peer *to = map_remove(&outbox->peers, peer);

    if (to != NULL)
        outbox_peer_free(outbox, to);
}
