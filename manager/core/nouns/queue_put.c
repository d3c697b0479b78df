/* queue_put.c - items enter a queue: PUT, and PUT_PART for large ones
 *
 * 1. What is larger than VALUE_INLINE_BYTES_MAX and comes alone is stored as a body of
 *    its own and never kept in memory; so is all that comes in parts (VALUE_BYTES_MAX
 *    each).  A transient queue, which does not wait for the disk, keeps in memory what
 *    comes in one piece.
 * 2. The parts of a large item are a session's upload until PUT makes an item of them.
 */
#include "plant.h"
#include "queue_items.h"

/* ---- put ---- */

/* Is this PUT one item that is to be a body? */
static bool
put_stores(const struct object *object, const struct act *act)
{
    return !object->transient && act->a == 1 &&
           wire_block_item(act->value, 0).bytes > VALUE_INLINE_BYTES_MAX;
}

/* The fact of such a PUT has no value; key: u64 bytes, u64 owner of the body. */
static bool
put_stored(const struct object *object, const struct act *act)
{
    uint64_t bytes = queue_id_at(act->key, 0);

    return !object->transient && act->a == 1 && act->value.bytes == 0 &&
           act->key.bytes == 2 * QUEUE_ID_BYTES && bytes > VALUE_INLINE_BYTES_MAX &&
           bytes <= VALUE_BYTES_MAX && object_body_named(queue_id_at(act->key, QUEUE_ID_BYTES));
}

/* Are the numbers and the block well formed? */
static bool
put_check(const struct act *act)
{
    if (act->b > 2 * PRIORITY_MAX || act->c > DELAY_MS_MAX || act->d > QUEUE_TTL_MS_MAX)
        return false;
    if (act->a == 0)
        return act->value.bytes == 0;
    return act->a <= BLOCK_ITEMS_MAX &&
           wire_block_check_values(act->value, (uint32_t)act->a) == MUSTER_OK;
}

static const struct queue_upload *
upload_asked(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct queue_upload *upload = queue_upload_find(queue_of(object), act->session,
                                                          act->thread);

    if (upload == NULL)
        verdict_error(v, object, MUSTER_ERR_NOT_FOUND, "no part of item %llu was brought",
                      (unsigned long long)act->thread);
    else if (upload->have < upload->total)
        verdict_error(v, object, MUSTER_ERR_STATE, "%llu of %llu bytes of item %llu were brought",
                      (unsigned long long)upload->have, (unsigned long long)upload->total,
                      (unsigned long long)act->thread);
    else
        return upload;
    return NULL;
}

static bool
put_fits(const struct object *object, uint64_t count)
{
    uint64_t size = queue_size(queue_of(object));

    return object->a == 0 || (size < object->a && object->a - size >= count);
}

void
queue_decide_put(struct core *core, struct object *object, const struct act *act,
                 struct verdict *v)
{
    struct queue *queue = queue_of(object);
    uint64_t      count = act->a > 0 ? act->a : 1;

    if (!put_check(act)) {
        verdict_error(v, object, MUSTER_ERR_INVALID,
                      "a malformed block, priority, delay or time to live");
    } else if (queue->closed) {
        verdict_error(v, object, MUSTER_ERR_CLOSED, "it was shut down: nothing can be put");
    } else if (object->a > 0 && count > object->a) {
        verdict_error(v, object, MUSTER_ERR_INVALID,
                      "%llu items can never fit, its maxsize is %llu", (unsigned long long)count,
                      (unsigned long long)object->a);
    } else if (act->a == 0 && upload_asked(object, act, v) == NULL) {
        return;
    } else if (lane_busy(object, LANE_PUT, act) || !put_fits(object, count)) {
        verdict_wait(v, LANE_PUT, MUSTER_ERR_FULL);
    } else {
        v->kind = VERDICT_DO;
        if (!put_stores(object, act))
            return;
        v->fact.value = wire_block_item(act->value, 0);
        v->store.owner = object_body_owner(core);
        buffer_clear(&queue->ids);
        write_u64(&queue->ids, v->fact.value.bytes);
        write_u64(&queue->ids, v->store.owner);
        v->fact.key = buffer_slice(&queue->ids);
    }
}

/* The next item in the order of arrival. */
static void
item_put(struct core *core, struct queue *queue, const struct act *act, struct slice data,
         uint64_t body, uint32_t body_bytes)
{
    uint32_t           bytes = body != 0 ? body_bytes : (uint32_t)data.bytes;
    struct queue_item *item;

    queue->id_last++;
    queue->unfinished++;
    item = queue_item_new(core, queue, queue->id_last, bytes, body != 0);
    item->priority = (uint16_t)act->b;
    if (body != 0)
        queue_item_more(item)->body = body;
    else if (bytes > 0)
        memcpy(item->data, data.data, bytes);
    if (PLANT_DELAY(act->c) > 0)
        queue_item_more(item)->ready_ms = act->unix_ms + act->c;
    if (PLANT_LIFE(act->d) > 0)
        queue_item_more(item)->over_ms = act->unix_ms + act->d;
    queue_item_settle(queue, item);
}

static bool
upload_put(struct core *core, struct queue *queue, const struct act *act)
{
    struct queue_upload *upload = queue_upload_find(queue, act->session, act->thread);

    if (upload == NULL || upload->have < upload->total)
        return false;
    item_put(core, queue, act, slice_of(NULL, 0), upload->body, (uint32_t)upload->total);
    queue_upload_free(queue, upload);
    return true;
}

bool
queue_apply_put(struct core *core, struct queue *queue, const struct act *act,
                struct msg_object_done *answer)
{
    bool     stored = act->key.bytes > 0;
    uint64_t body;

    if (queue->closed || (stored ? !put_stored(queue->object, act) : !put_check(act)))
        return false;
    if (act->b > 2 * PRIORITY_MAX || act->c > DELAY_MS_MAX || act->d > QUEUE_TTL_MS_MAX)
        return false;
    if (stored) {
        body = queue_id_at(act->key, QUEUE_ID_BYTES);
        object_body_take(core, body);
        item_put(core, queue, act, slice_of(NULL, 0), body, (uint32_t)queue_id_at(act->key, 0));
    } else if (act->a == 0) {
        if (!upload_put(core, queue, act))
            return false;
    } else {
        for (uint32_t i = 0; i < act->a; i++)
            item_put(core, queue, act, wire_block_item(act->value, i), 0, 0);
    }
    answer->a = queue_size(queue);
    return true;
}

/* ---- large items come in parts ---- */

static bool
part_check(const struct act *act)
{
    return act->b > VALUE_INLINE_BYTES_MAX && act->b <= MESSAGE_ITEM_BYTES_MAX &&
           act->a < act->b && act->a % VALUE_BYTES_MAX == 0;
}

static uint64_t
part_bytes(const struct act *act)
{
    return act->b - act->a < VALUE_BYTES_MAX ? act->b - act->a : VALUE_BYTES_MAX;
}

/* Of no bytes in all: what was brought is dropped. */
static bool
part_drops(const struct act *act)
{
    return act->a == 0 && act->b == 0 && act->value.bytes == 0;
}

/* The part fits the form; does it go on from what came before it? */
static void
decide_part_place(struct core *core, struct object *object, const struct act *act,
                  struct verdict *v)
{
    const struct queue        *queue = queue_of(object);
    const struct queue_holder *holder = map_get(&queue->holders, act->session);
    const struct queue_upload *upload = queue_upload_find(queue, act->session, act->thread);
    uint64_t                   have = upload != NULL ? upload->have : 0;

    if (upload != NULL && upload->total != act->b)
        verdict_error(v, object, MUSTER_ERR_INVALID, "item %llu began with %llu bytes in all",
                      (unsigned long long)act->thread, (unsigned long long)upload->total);
    else if (act->a > have)
        verdict_error(v, object, MUSTER_ERR_RANGE, "the next part of item %llu is at %llu",
                      (unsigned long long)act->thread, (unsigned long long)have);
    else if (act->a < have)
        v->kind = VERDICT_ANSWER;         /* it came before */
    else if (upload == NULL && holder != NULL && holder->upload_count == UPLOADS_MAX)
        verdict_error(v, object, MUSTER_ERR_FULL, "%u large items of this session are unfinished",
                      UPLOADS_MAX);
    else {
        v->kind = VERDICT_DO;
        v->store.owner = upload != NULL ? upload->body : object_body_owner(core);
        v->store.number = act->a / VALUE_BYTES_MAX;
        v->fact.c = v->store.owner;
    }
}

void
queue_decide_part(struct core *core, struct object *object, const struct act *act,
                  struct verdict *v)
{
    if (part_drops(act))
        v->kind = queue_upload_find(queue_of(object), act->session, act->thread) != NULL
                      ? VERDICT_DO
                      : VERDICT_ANSWER;
    else if (queue_of(object)->closed)
        verdict_error(v, object, MUSTER_ERR_CLOSED, "it was shut down: nothing can be put");
    else if (act->b > MESSAGE_ITEM_BYTES_MAX)
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE, "an item has at most %u bytes",
                      MESSAGE_ITEM_BYTES_MAX);
    else if (!part_check(act) || act->value.bytes != part_bytes(act))
        verdict_error(v, object, MUSTER_ERR_INVALID,
                      "parts are for items above %u bytes, and have %u bytes but for the last",
                      VALUE_INLINE_BYTES_MAX, VALUE_BYTES_MAX);
    else
        decide_part_place(core, object, act, v);
}

bool
queue_apply_part(struct core *core, struct queue *queue, const struct act *act,
                 struct msg_object_done *answer)
{
    struct queue_upload *upload = queue_upload_find(queue, act->session, act->thread);

    (void)answer;
    if (part_drops(act)) {
        if (upload == NULL)
            return false;
        object_body_gone(core, upload->body);
        queue_upload_free(queue, upload);
        return true;
    }
    if (queue->closed || !part_check(act) || act->session == 0 ||
        !object_body_named(act->c))
        return false;
    if (upload == NULL && act->a == 0) {
        object_body_take(core, act->c);
        upload = queue_upload_new(queue, act->session, act->thread, act->c, act->b);
    }
    if (upload == NULL || upload->body != act->c || upload->have != act->a ||
        upload->total != act->b)
        return false;
    upload->have += part_bytes(act);
    return true;
}
