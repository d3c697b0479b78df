/* queue_store.c - a queue as bytes (manager/STATES.md, "Queue"), for people, and checked
 *
 * 1. An item's bytes follow from its durable part alone; items stand in their piece in
 *    the order of their ids, and the uploads in the order in which they began.
 */
#include <stdio.h>

#include "queue_items.h"

enum { FLAG_GIVEN = 1, FLAG_GOT = 2, FLAG_BODY = 4, FLAG_TIMED = 8, FLAGS_ALL = 15 };

/* ---- the head: counters and uploads ---- */

void
queue_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct queue *queue = queue_of(object);

    (void)core;
    write_varint(out, queue->id_last);
    write_varint(out, queue->unfinished);
    write_u8(out, queue->closed);
    for (const struct list *at = queue->uploads.next; at != &queue->uploads; at = at->next) {
        const struct queue_upload *upload = CONTAINER(at, struct queue_upload, link);

        write_u8(out, 1);
        write_varint(out, upload->session);
        write_varint(out, upload->thread);
        write_varint(out, upload->body);
        write_varint(out, upload->total);
        write_varint(out, upload->have);
    }
    write_u8(out, 0);
}

static bool
get_upload(struct queue *queue, uint64_t *body_last, struct reader *in)
{
    struct queue_upload told = { 0 };

    told.session = read_varint(in);
    told.thread = read_varint(in);
    told.body = read_varint(in);
    told.total = read_varint(in);
    told.have = read_varint(in);
    if (in->bad || told.session == 0 || told.body <= *body_last || !object_body_named(told.body) ||
        told.total > MESSAGE_ITEM_BYTES_MAX || told.have == 0 || told.have > told.total ||
        queue_upload_find(queue, told.session, told.thread) != NULL)
        return false;
    *body_last = told.body;
    queue_upload_new(queue, told.session, told.thread, told.body, told.total)->have = told.have;
    return true;
}

bool
queue_get(struct core *core, struct object *object, struct reader *in)
{
    struct queue *queue = queue_of(object);
    uint64_t      body_last = 0;
    uint8_t       closed, more;

    (void)core;
    queue->id_last = read_varint(in);
    queue->unfinished = read_varint(in);
    closed = read_u8(in);
    queue->closed = closed;
    while ((more = read_u8(in)) == 1)
        if (!get_upload(queue, &body_last, in))
            return false;
    return !in->bad && closed <= 1 && more == 0;
}

/* ---- pieces: items ---- */

static void
put_item(const struct queue_item *item, struct buffer *out)
{
    static const struct queue_more none;
    const struct queue_more       *more = item->more != NULL ? item->more : &none;
    bool                           timed = more->ready_ms > 0 || more->over_ms > 0;

    write_varint(out, item->id);
    write_u8(out, (uint8_t)((more->session != 0 ? FLAG_GIVEN : 0) | (item->got ? FLAG_GOT : 0) |
                            (more->body != 0 ? FLAG_BODY : 0) | (timed ? FLAG_TIMED : 0)));
    write_varint(out, item->priority);
    write_varint(out, item->times);
    if (timed) {
        write_varint(out, more->ready_ms);
        write_varint(out, more->over_ms);
    }
    if (more->session != 0) {
        write_varint(out, more->session);
        write_varint(out, more->request);
        write_varint(out, more->term_ms);
    }
    if (more->body != 0) {
        write_varint(out, more->body);
        write_varint(out, item->bytes);
    } else {
        record_put_bytes(out, slice_of(item->data, item->bytes));
    }
}

void
queue_put_piece(const struct core *core, const struct object *object, uint32_t piece,
                struct buffer *out)
{
    const struct queue_chunk *chunk = map_get(&queue_of(object)->chunks, piece);

    (void)core;
    for (; chunk != NULL; chunk = chunk->next)
        for (uint32_t i = 0; i < CHUNK_ITEMS; i++)
            if (chunk->items[i] != NULL)
                put_item(chunk->items[i], out);
}

/* What one item's bytes say. */
struct told {
    uint64_t          id, priority, times, bytes;
    uint8_t           flags;
    struct queue_more more;
    struct slice      data;
};

static bool
get_told(struct reader *in, struct told *told)
{
    told->id = read_varint(in);
    told->flags = read_u8(in);
    told->priority = read_varint(in);
    told->times = read_varint(in);
    if (told->flags & FLAG_TIMED) {
        told->more.ready_ms = read_varint(in);
        told->more.over_ms = read_varint(in);
    }
    if (told->flags & FLAG_GIVEN) {
        told->more.session = read_varint(in);
        told->more.request = read_varint(in);
        told->more.term_ms = read_varint(in);
    }
    if (told->flags & FLAG_BODY) {
        told->more.body = read_varint(in);
        told->bytes = read_varint(in);
    } else {
        told->data = record_get_bytes(in, VALUE_BYTES_MAX);
        told->bytes = told->data.bytes;
    }
    return !in->bad && told->flags <= FLAGS_ALL && told->priority <= 2 * PRIORITY_MAX &&
           told->times <= UINT32_MAX && told->bytes <= MESSAGE_ITEM_BYTES_MAX &&
           !(told->flags & FLAG_GIVEN) == (told->more.session == 0) &&
           (!(told->flags & FLAG_BODY) || object_body_named(told->more.body)) &&
           !(told->flags & FLAG_TIMED) == (told->more.ready_ms == 0 && told->more.over_ms == 0) &&
           (told->flags & (FLAG_GIVEN | FLAG_GOT)) != FLAG_GOT;
}

bool
queue_get_piece(struct core *core, struct object *object, uint32_t piece, struct reader *in)
{
    struct queue *queue = queue_of(object);
    uint64_t      id_last = 0;

    while (read_left(in) > 0) {
        struct told        told = { 0 };
        struct queue_item *item;

        if (!get_told(in, &told) || told.id <= id_last || told.id > queue->id_last ||
            queue_piece(told.id) != piece)
            return false;
        id_last = told.id;
        item = queue_item_new(core, queue, told.id, (uint32_t)told.bytes, told.more.body != 0);
        if (told.data.bytes > 0)
            memcpy(item->data, told.data.data, told.data.bytes);
        item->priority = (uint16_t)told.priority;
        item->times = (uint32_t)told.times;
        item->got = told.flags & FLAG_GOT;
        if (told.flags & (FLAG_GIVEN | FLAG_BODY | FLAG_TIMED)) {
            *queue_item_more(item) = told.more;
            item->more->item = item;
        }
        queue_item_settle(queue, item);
    }
    return !in->bad;
}

uint32_t
queue_next_piece(const struct core *core, const struct object *object, uint32_t from)
{
    const struct order *pieces = &queue_of(object)->pieces;
    uint32_t            at = order_find(pieces, from);

    (void)core;
    return at < pieces->count ? (uint32_t)order_at(pieces, at) : UINT32_MAX;
}

/* ---- for people ---- */

void
queue_describe(const struct core *core, const struct object *object, struct wire_object *out,
               char text[OBJECT_TEXT_BYTES])
{
    const struct queue *queue = queue_of(object);
    uint64_t            delayed = queue->delayed;
    int                 used;

    (void)core;
    out->items = queue_size(queue);
    used = snprintf(text, OBJECT_TEXT_BYTES,
                    "%llu ready, %llu delayed, %llu given, %llu unfinished",
                    (unsigned long long)(queue_size(queue) - delayed), (unsigned long long)delayed,
                    (unsigned long long)queue->given, (unsigned long long)queue->unfinished);
    if (object->a > 0)
        used += snprintf(text + used, OBJECT_TEXT_BYTES - (size_t)used, ", maxsize %llu",
                         (unsigned long long)object->a);
    if (queue->closed)
        snprintf(text + used, OBJECT_TEXT_BYTES - (size_t)used, ", closed");
}

/* ---- invariants ---- */

/* What a walk over the items counted. */
struct tally {
    uint64_t places[PLACE_COUNT], items, bytes, clocked, due;
};

static void
verify_item(const struct queue *queue, const struct queue_item *item, struct tally *tally)
{
    const struct queue_more *more = item->more;

    assert(item->place != PLACE_NONE && item->place < PLACE_COUNT);
    assert(item->id > 0 && item->id <= queue->id_last);
    assert(item->priority <= 2 * PRIORITY_MAX);
    assert((item->place == PLACE_GIVEN) == (more != NULL && more->session != 0));
    assert(!item->got || item->place == PLACE_GIVEN);
    tally->items++;
    tally->places[item->place]++;
    tally->bytes += ITEM_MEMORY + (queue_body(item) != 0 ? 0 : item->bytes);
    if (more == NULL)
        return;
    assert(more->item == item);
    assert(item->place != PLACE_OVER || list_linked(&more->due));
    assert(more->due.next == NULL || item->place == PLACE_OVER || item->place == PLACE_GIVEN);
    assert(more->clock.place == 0 || more->due.next == NULL);
    tally->clocked += more->clock.place > 0;
    tally->due += list_linked(&more->due);
}

static void
verify_chunks(const struct queue *queue, struct tally *tally)
{
    size_t              cursor = 0;
    uint64_t            piece;
    struct queue_chunk *chunk;

    assert(queue->chunks.count == queue->pieces.count);
    while ((chunk = map_next(&queue->chunks, &cursor, &piece)) != NULL)
        for (; chunk != NULL; chunk = chunk->next) {
            uint32_t count = 0;

            assert((chunk->number & PIECE_MASK) == piece);
            assert(chunk->next == NULL || chunk->next->number > chunk->number);
            for (uint32_t i = 0; i < CHUNK_ITEMS; i++)
                if (chunk->items[i] != NULL) {
                    assert(chunk->items[i]->id == chunk->number * CHUNK_ITEMS + i);
                    verify_item(queue, chunk->items[i], tally);
                    count++;
                }
            assert(count == chunk->count && count > 0);
        }
}

static void
verify_levels(const struct queue *queue, const struct tally *tally)
{
    size_t              cursor = 0;
    uint64_t            priority, fifo = 0, back = 0, ready = 0;
    struct queue_level *level;

    while ((level = map_next(&queue->levels, &cursor, &priority)) != NULL) {
        uint64_t id = 0;

        assert((level->place.place > 0) == (!list_empty(&level->fifo) || level->back.count > 0));
        ready += level->place.place > 0;
        back += level->back.count;
        for (const struct list *at = level->fifo.next; at != &level->fifo; at = at->next) {
            const struct queue_item *item = CONTAINER(at, struct queue_item, link);

            assert(item->place == PLACE_FIFO && item->priority == priority && item->id > id);
            id = item->id;
            fifo++;
        }
    }
    assert(ready == queue->ready.count);
    assert(fifo == tally->places[PLACE_FIFO] && back == tally->places[PLACE_BACK]);
}

static void
verify_holders(const struct queue *queue, const struct tally *tally)
{
    size_t               cursor = 0;
    uint64_t             given = 0;
    struct queue_holder *holder;

    while ((holder = map_next(&queue->holders, &cursor, NULL)) != NULL) {
        uint32_t uploads = 0;

        for (const struct list *at = holder->given.next; at != &holder->given; at = at->next) {
            const struct queue_item *item = CONTAINER(at, struct queue_item, link);

            assert(item->place == PLACE_GIVEN && item->more->session == holder->session);
            given++;
        }
        for (const struct list *at = holder->uploads.next; at != &holder->uploads; at = at->next)
            uploads++;
        assert(uploads == holder->upload_count && uploads <= UPLOADS_MAX);
        assert(uploads > 0 || !list_empty(&holder->given));
    }
    assert(given == tally->places[PLACE_GIVEN]);
}

void
queue_verify(const struct core *core, const struct object *object)
{
    const struct queue *queue = queue_of(object);
    struct tally        tally = { 0 };
    uint64_t            picked = 0, due = 0;

    (void)core;
    assert(queue->object == object);
    verify_chunks(queue, &tally);
    verify_levels(queue, &tally);
    verify_holders(queue, &tally);
    for (const struct list *at = queue->picked.next; at != &queue->picked; at = at->next)
        picked++;
    for (const struct list *at = queue->due.next; at != &queue->due; at = at->next)
        due++;
    assert(tally.items == queue->items && tally.bytes == object->bytes);
    assert(tally.places[PLACE_GIVEN] == queue->given);
    assert(tally.places[PLACE_DELAYED] == queue->delayed);
    assert(tally.places[PLACE_OVER] == queue->over);
    assert(tally.places[PLACE_PICKED] == picked);
    assert(tally.clocked == queue->clock.count && tally.due == due);
}
