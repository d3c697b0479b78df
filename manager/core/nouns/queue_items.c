/* queue_items.c - see queue_items.h
 *
 * 1. An item is in the structure that its place names and in no other; beside
 *    that, it is in queue->clock exactly when some later time matters to it.
 * 2. A level is in queue->ready exactly when it has items; its FIFO rises.
 * 3. What changes an item's durable part marks its piece dirty.
 */
#include "queue_items.h"

#define NEVER UINT64_MAX

/* ---- chunks: from an id to its item ---- */

static struct queue_chunk *
chunk_find(const struct queue *queue, uint64_t id)
{
    struct queue_chunk *chunk = map_get(&queue->chunks, queue_piece(id));

    while (chunk != NULL && chunk->number != id >> CHUNK_ID_BITS)
        chunk = chunk->next;
    return chunk;
}

static struct queue_chunk *
chunk_make(struct queue *queue, uint64_t id)
{
    struct queue_chunk *chunk = base_alloc(sizeof(*chunk));
    struct queue_chunk *before = map_get(&queue->chunks, queue_piece(id));

    chunk->number = id >> CHUNK_ID_BITS;
    if (before == NULL)
        order_add(&queue->pieces, queue_piece(id));
    if (before == NULL || before->number > chunk->number) {
        chunk->next = before;
        map_put(&queue->chunks, queue_piece(id), chunk);
        return chunk;
    }
    while (before->next != NULL && before->next->number < chunk->number)
        before = before->next;
    chunk->next = before->next;
    before->next = chunk;
    return chunk;
}

static void
chunk_free(struct queue *queue, struct queue_chunk *chunk)
{
    uint32_t            piece = (uint32_t)chunk->number & PIECE_MASK;
    struct queue_chunk *before = map_get(&queue->chunks, piece);

    assert(chunk->count == 0);
    if (before == chunk && chunk->next == NULL) {
        map_remove(&queue->chunks, piece);
        order_remove(&queue->pieces, piece);
    } else if (before == chunk) {
        map_put(&queue->chunks, piece, chunk->next);
    } else {
        while (before->next != chunk)
            before = before->next;
        before->next = chunk->next;
    }
    free(chunk);
}

struct queue_item *
queue_item_find(const struct queue *queue, uint64_t id)
{
    const struct queue_chunk *chunk = chunk_find(queue, id);

    return chunk != NULL ? chunk->items[id % CHUNK_ITEMS] : NULL;
}

struct queue_item *
queue_item_held(const struct queue *queue, uint64_t session, uint64_t id)
{
    struct queue_item *item = queue_item_find(queue, id);

    if (item == NULL || item->place != PLACE_GIVEN || item->more->session != session)
        return NULL;
    return item;
}

static void
item_dirty(struct core *core, const struct queue *queue, const struct queue_item *item)
{
    object_piece_dirty(core, queue->object, queue_piece(item->id));
}

/* ---- levels: what is ready, in order ---- */

static struct queue_level *
level_of(struct queue *queue, uint16_t priority)
{
    struct queue_level *level = map_get(&queue->levels, priority);

    if (level != NULL)
        return level;
    level = base_alloc(sizeof(*level));
    list_init(&level->fifo);
    level->place.key = 2 * PRIORITY_MAX - priority;
    map_put(&queue->levels, priority, level);
    return level;
}

static void
level_add(struct queue *queue, struct queue_item *item)
{
    struct queue_level *level = level_of(queue, item->priority);
    struct queue_more  *more;

    if (level->place.place == 0)
        heap_add(&queue->ready, &level->place);
    if (list_empty(&level->fifo) ||
        CONTAINER(level->fifo.prev, struct queue_item, link)->id < item->id) {
        list_append(&level->fifo, &item->link);
        item->place = PLACE_FIFO;
        return;
    }
    more = queue_item_more(item);
    more->back.key = item->id;
    heap_add(&level->back, &more->back);
    item->place = PLACE_BACK;
}

static void
level_remove(struct queue *queue, struct queue_item *item)
{
    struct queue_level *level = level_of(queue, item->priority);

    if (item->place == PLACE_FIFO)
        list_remove(&item->link);
    else
        heap_remove(&level->back, &item->more->back);
    if (list_empty(&level->fifo) && level->back.count == 0)
        heap_remove(&queue->ready, &level->place);
}

/* The next to be given; NULL: nothing is ready. */
static struct queue_item *
level_first(const struct queue *queue)
{
    struct heap_node         *node = heap_first(&queue->ready);
    const struct queue_level *level;
    struct queue_item        *first, *back;

    if (node == NULL)
        return NULL;
    level = CONTAINER(node, struct queue_level, place);
    node = heap_first(&level->back);
    back = node != NULL ? CONTAINER(node, struct queue_more, back)->item : NULL;
    if (list_empty(&level->fifo))
        return back;
    first = CONTAINER(level->fifo.next, struct queue_item, link);
    return back != NULL && back->id < first->id ? back : first;
}

/* ---- places ---- */

struct queue_more *
queue_item_more(struct queue_item *item)
{
    if (item->more == NULL) {
        item->more = base_alloc(sizeof(*item->more));
        item->more->item = item;
    }
    return item->more;
}

static uint64_t
item_next_ms(const struct queue_item *item)
{
    const struct queue_more *more = item->more;
    uint64_t                 next_ms = NEVER;

    if (more == NULL || list_linked(&more->due))
        return NEVER;
    if (item->place == PLACE_GIVEN)
        return more->term_ms > 0 ? more->term_ms : NEVER;
    if (more->over_ms > 0)
        next_ms = more->over_ms;
    if (item->place == PLACE_DELAYED && more->ready_ms < next_ms)
        next_ms = more->ready_ms;
    return next_ms;
}

static void
item_clock(struct queue *queue, struct queue_item *item)
{
    uint64_t next_ms = item_next_ms(item);

    if (next_ms != NEVER) {
        item->more->clock.key = next_ms;
        item->more->clock.tie = item->id;
        heap_update(&queue->clock, &item->more->clock);
    } else if (item->more != NULL && item->more->clock.place > 0) {
        heap_remove(&queue->clock, &item->more->clock);
    }
}

static void
item_unplace(struct queue *queue, struct queue_item *item)
{
    switch ((enum queue_place)item->place) {
    case PLACE_FIFO:
    case PLACE_BACK:
        level_remove(queue, item);
        break;
    case PLACE_PICKED:
        list_remove(&item->link);
        break;
    case PLACE_DELAYED:
        queue->delayed--;
        break;
    case PLACE_OVER:
        queue->over--;
        break;
    case PLACE_GIVEN: {
        struct queue_holder *holder = queue_holder(queue, item->more->session);

        list_remove(&item->link);
        queue->given--;
        queue_holder_done(queue, holder);
        break;
    }
    case PLACE_NONE:
    case PLACE_COUNT:
        break;
    }
    item->place = PLACE_NONE;
    if (item->more != NULL && list_linked(&item->more->due))
        list_remove(&item->more->due);
    if (item->more != NULL && item->more->clock.place > 0)
        heap_remove(&queue->clock, &item->more->clock);
}

static void
item_held(struct queue *queue, struct queue_item *item)
{
    list_append(&queue_holder(queue, item->more->session)->given, &item->link);
    item->place = PLACE_GIVEN;
    queue->given++;
}

void
queue_item_settle(struct queue *queue, struct queue_item *item)
{
    const struct queue_more *more = item->more;

    assert(item->place == PLACE_NONE);
    if (more != NULL && more->session != 0) {
        item_held(queue, item);
    } else if (more != NULL && more->ready_ms > queue->seen_ms) {
        item->place = PLACE_DELAYED;
        queue->delayed++;
    } else {
        level_add(queue, item);
    }
    item_clock(queue, item);
}

/* ---- the life of an item ---- */

struct queue_item *
queue_item_new(struct core *core, struct queue *queue, uint64_t id, uint32_t bytes, bool is_body)
{
    struct queue_chunk *chunk = chunk_find(queue, id);
    struct queue_item  *item = base_alloc(sizeof(*item) + (is_body ? 0 : bytes));

    if (chunk == NULL)
        chunk = chunk_make(queue, id);
    assert(chunk->items[id % CHUNK_ITEMS] == NULL);
    chunk->items[id % CHUNK_ITEMS] = item;
    chunk->count++;
    item->id = id;
    item->bytes = bytes;
    queue->items++;
    object_bytes(core, queue->object, (int64_t)ITEM_MEMORY + (is_body ? 0 : bytes));
    item_dirty(core, queue, item);
    return item;
}

void
queue_item_give(struct core *core, struct queue *queue, struct queue_item *item,
                uint64_t session, uint64_t request, bool got, uint64_t term_ms)
{
    struct queue_more *more = queue_item_more(item);

    assert(item->place != PLACE_GIVEN && session != 0);
    item_unplace(queue, item);
    more->session = session;
    more->request = request;
    more->term_ms = term_ms;
    item->got = got;
    if (item->times < UINT32_MAX)
        item->times++;
    queue_item_settle(queue, item);
    item_dirty(core, queue, item);
}

void
queue_item_return(struct core *core, struct queue *queue, struct queue_item *item,
                  uint64_t ready_ms)
{
    assert(item->place == PLACE_GIVEN);
    item_unplace(queue, item);
    item->more->session = 0;
    item->more->request = 0;
    item->more->term_ms = 0;
    item->got = false;
    if (ready_ms > 0)
        item->more->ready_ms = ready_ms;
    queue_item_settle(queue, item);
    item_dirty(core, queue, item);
}

void
queue_item_extend(struct core *core, struct queue *queue, struct queue_item *item,
                  uint64_t term_ms)
{
    assert(item->place == PLACE_GIVEN && !item->got);
    item->more->term_ms = term_ms;
    if (list_linked(&item->more->due))
        list_remove(&item->more->due);
    item_clock(queue, item);
    item_dirty(core, queue, item);
}

static void
item_free(struct queue_item *item)
{
    free(item->more);
    free(item);
}

void
queue_item_drop(struct core *core, struct queue *queue, struct queue_item *item)
{
    struct queue_chunk *chunk = chunk_find(queue, item->id);
    uint64_t            body = queue_body(item);

    item_unplace(queue, item);
    item_dirty(core, queue, item);
    object_bytes(core, queue->object, -(int64_t)ITEM_MEMORY - (body != 0 ? 0 : item->bytes));
    if (body != 0)
        object_body_gone(core, body);
    assert(chunk->items[item->id % CHUNK_ITEMS] == item);
    chunk->items[item->id % CHUNK_ITEMS] = NULL;
    if (--chunk->count == 0)
        chunk_free(queue, chunk);
    queue->items--;
    item_free(item);
}

/* ---- time and choice (v) ---- */

static void
queue_unpick(struct queue *queue)
{
    while (!list_empty(&queue->picked)) {
        struct queue_item *item = CONTAINER(queue->picked.next, struct queue_item, link);

        item_unplace(queue, item);
        queue_item_settle(queue, item);
    }
}

static void
item_over(struct queue *queue, struct queue_item *item)
{
    item_unplace(queue, item);
    item->place = PLACE_OVER;
    queue->over++;
    list_append(&queue->due, &item->more->due);
}

bool
queue_now(struct queue *queue, uint64_t unix_ms)
{
    struct heap_node *node;
    bool              more_ready = false;

    queue->seen_ms = unix_ms;
    queue_unpick(queue);
    while ((node = heap_first(&queue->clock)) != NULL && node->key <= unix_ms) {
        struct queue_more *more = CONTAINER(node, struct queue_more, clock);

        heap_remove(&queue->clock, node);
        if (more->item->place == PLACE_GIVEN) {
            list_append(&queue->due, &more->due);
        } else if (more->over_ms > 0 && more->over_ms <= unix_ms) {
            item_over(queue, more->item);
        } else {
            assert(more->item->place == PLACE_DELAYED);
            item_unplace(queue, more->item);
            queue_item_settle(queue, more->item);
            more_ready = true;
        }
    }
    return more_ready;
}

uint32_t
queue_pick(struct queue *queue, uint64_t count)
{
    size_t             bytes = sizeof(uint32_t);
    uint32_t           picked = 0;
    struct queue_item *item;

    assert(list_empty(&queue->picked));
    buffer_clear(&queue->ids);
    while (picked < count && picked < GIVEN_PER_ANSWER_MAX && (item = level_first(queue)) != NULL) {
        bool is_body = queue_body(item) != 0;

        bytes += sizeof(uint32_t) + item->bytes;
        if (picked > 0 && (is_body || bytes > BLOCK_BYTES_MAX))
            break;
        item_unplace(queue, item);
        item->place = PLACE_PICKED;
        list_append(&queue->picked, &item->link);
        write_u64(&queue->ids, item->id);
        picked++;
        if (is_body)
            break;
    }
    return picked;
}

void
queue_alarm(struct core *core, struct queue *queue)
{
    const struct heap_node *node = heap_first(&queue->clock);
    uint64_t                alarm_ms = node != NULL ? node->key : 0;

    if (!list_empty(&queue->due))
        alarm_ms = queue->seen_ms;
    if (!core->started || alarm_ms == queue->alarm_ms)
        return;
    queue->alarm_ms = alarm_ms;
    object_alarm(core, queue->object, alarm_ms);
}

/* ---- sessions ---- */

struct queue_holder *
queue_holder(struct queue *queue, uint64_t session)
{
    struct queue_holder *holder = map_get(&queue->holders, session);

    if (holder != NULL)
        return holder;
    holder = base_alloc(sizeof(*holder));
    holder->session = session;
    list_init(&holder->given);
    list_init(&holder->uploads);
    map_put(&queue->holders, session, holder);
    return holder;
}

void
queue_holder_done(struct queue *queue, struct queue_holder *holder)
{
    if (!list_empty(&holder->given) || !list_empty(&holder->uploads))
        return;
    map_remove(&queue->holders, holder->session);
    free(holder);
}

struct queue_upload *
queue_upload_find(const struct queue *queue, uint64_t session, uint64_t thread)
{
    const struct queue_holder *holder = map_get(&queue->holders, session);

    if (holder == NULL)
        return NULL;
    for (struct list *at = holder->uploads.next; at != &holder->uploads; at = at->next) {
        struct queue_upload *upload = CONTAINER(at, struct queue_upload, session_link);

        if (upload->thread == thread)
            return upload;
    }
    return NULL;
}

struct queue_upload *
queue_upload_new(struct queue *queue, uint64_t session, uint64_t thread, uint64_t body,
                 uint64_t total)
{
    struct queue_holder *holder = queue_holder(queue, session);
    struct queue_upload *upload = base_alloc(sizeof(*upload));

    *upload = (struct queue_upload){ .session = session, .thread = thread, .body = body,
                                     .total = total };
    list_append(&queue->uploads, &upload->link);
    list_append(&holder->uploads, &upload->session_link);
    holder->upload_count++;
    return upload;
}

void
queue_upload_free(struct queue *queue, struct queue_upload *upload)
{
    struct queue_holder *holder = queue_holder(queue, upload->session);

    list_remove(&upload->link);
    list_remove(&upload->session_link);
    holder->upload_count--;
    queue_holder_done(queue, holder);
    free(upload);
}

/* ---- the queue ---- */

struct queue *
queue_new(struct object *object)
{
    struct queue *queue = base_alloc(sizeof(*queue));

    queue->object = object;
    list_init(&queue->uploads);
    list_init(&queue->due);
    list_init(&queue->picked);
    return queue;
}

static void
chunks_drop(struct core *core, struct queue *queue)
{
    size_t              cursor = 0;
    struct queue_chunk *chunk, *next;

    while ((chunk = map_next(&queue->chunks, &cursor, NULL)) != NULL)
        for (; chunk != NULL; chunk = next) {
            next = chunk->next;
            for (uint32_t i = 0; i < CHUNK_ITEMS; i++) {
                struct queue_item *item = chunk->items[i];

                if (item == NULL)
                    continue;
                if (queue_body(item) != 0)
                    object_body_gone(core, queue_body(item));
                item_free(item);
            }
            free(chunk);
        }
    map_free(&queue->chunks);
}

static void
holders_drop(struct core *core, struct queue *queue)
{
    size_t cursor = 0;
    void  *entry;

    while (!list_empty(&queue->uploads)) {
        struct queue_upload *upload = CONTAINER(queue->uploads.next, struct queue_upload, link);

        object_body_gone(core, upload->body);
        list_remove(&upload->link);
        free(upload);
    }
    while ((entry = map_next(&queue->holders, &cursor, NULL)) != NULL)
        free(entry);
    map_free(&queue->holders);
}

void
queue_delete(struct core *core, struct queue *queue)
{
    size_t cursor = 0;
    void  *entry;

    chunks_drop(core, queue);
    holders_drop(core, queue);
    while ((entry = map_next(&queue->levels, &cursor, NULL)) != NULL) {
        struct queue_level *level = entry;

        heap_free(&level->back);
        free(level);
    }
    map_free(&queue->levels);
    heap_free(&queue->ready);
    heap_free(&queue->clock);
    free(queue->pieces.ids);
    buffer_free(&queue->ids);
    free(queue);
}
