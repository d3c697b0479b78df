/* history_data.c - the model of a value, of a counter in a dict, and of a queue */
#include "history_model.h"

#include <stdlib.h>

int64_t
model_number(struct slice bytes)
{
    struct reader in = reader_of(bytes);

    return (int64_t)read_u64(&in);
}

/* ---- value, and the counter of a dict ---- */

static void
number_must_be(struct hist_object *object, const struct hist_op *op, struct slice bytes)
{
    if (!object->number.there || bytes.bytes != 8 || model_number(bytes) != object->number.now)
        model_fail(object, op, "it is %lld, not %lld", (long long)model_number(bytes),
                   (long long)object->number.now);
}

static void
number_exchanged(struct hist_object *object, const struct hist_op *op,
                 const struct msg_object_done *m)
{
    struct slice block = buffer_slice(&op->value);
    bool         absent = op->verb == VERB_DICT_CAS && op->a == 1;
    bool         expected = object->number.there ? !absent &&
                            model_number(wire_block_item(block, 0)) == object->number.now : absent;

    if ((m->a == 1) != expected)
        model_fail(object, op, "an update is lost: it was %sexchanged at %lld",
                   m->a == 1 ? "" : "not ", (long long)object->number.now);
    if (expected) {
        object->number.there = true;
        object->number.now = model_number(wire_block_item(block, 1));
    }
    if (object->number.there)
        number_must_be(object, op, m->value);
}

static void
value_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    if (op->verb == VERB_VALUE_CAS) {
        number_exchanged(object, op, m);
        return;
    }
    if (op->verb == VERB_VALUE_ADD)
        object->number.now += model_number(buffer_slice(&op->value));
    number_must_be(object, op, m->value);
}

static void
value_made(struct hist_object *object)
{
    object->number.there = true;
    object->number.now = MODEL_NUMBER;
}

const struct hist_rules hist_value = { .made = value_made, .done = value_done };

static void
dict_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    if (op->verb == VERB_DICT_CAS)
        number_exchanged(object, op, m);
    else
        number_must_be(object, op, m->value);
}

static void
dict_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    if (error == MUSTER_ERR_NO_KEY && object->number.there)
        model_fail(object, op, "the counter is gone, it was %lld", (long long)object->number.now);
}

static void
dict_made(struct hist_object *object)
{
    object->number.there = false;
}

const struct hist_rules hist_dict = {
    .made = dict_made, .done = dict_done, .refused = dict_refused,
};

/* ---- queue ---- */

/* When the manager decided. */
static uint64_t
now_ms(const struct hist_object *object)
{
    return object->objects->at_ms;
}

/* The end of a term shows only when the item is given again. */
static bool
item_term_over(const struct hist_object *object, const struct hist_item *item)
{
    return item->reserved && item->term_ms <= now_ms(object);
}

static bool
item_is_over(const struct hist_object *object, const struct hist_item *item)
{
    return item->over_ms != 0 && item->over_ms <= now_ms(object);
}

static bool
item_is_due(const struct hist_object *object, const struct hist_item *item)
{
    return item->ready_ms <= now_ms(object) && !item_is_over(object, item);
}

static bool
item_is_ready(const struct hist_object *object, const struct hist_item *item)
{
    return !item->gone && !item->given && item_is_due(object, item);
}

static bool
item_may_be_ready(const struct hist_object *object, const struct hist_item *item)
{
    return !item->gone && (!item->given || item_term_over(object, item)) &&
           item_is_due(object, item);
}

/* Those that are there in any case, and those that may be: what nobody has and whose
 * time is over goes at some time.  `waiting`: nobody may have them. */
static void
items_alive(const struct hist_object *object, bool waiting, uint64_t *min_out, uint64_t *max_out)
{
    *min_out = *max_out = 0;
    for (uint32_t i = 0; i < object->queue.count; i++) {
        const struct hist_item *item = &object->queue.items[i];
        bool                    held = item->given && !item_term_over(object, item);

        if (item->gone || (waiting && held))
            continue;
        ++*max_out;
        *min_out += (held || !item_is_over(object, item)) && !(waiting && item->given);
    }
}

static struct hist_item *
item_of(struct hist_object *object, const struct hist_op *op, uint64_t serial)
{
    for (uint32_t i = 0; i < object->queue.count; i++)
        if (object->queue.items[i].serial == serial)
            return &object->queue.items[i];
    model_fail(object, op, "item %llu was never put", (unsigned long long)serial);
}

/* Whichever of its threads has it, and whether it was got or reserved. */
static struct hist_item *
item_held(struct hist_object *object, const struct hist_op *op, uint64_t id)
{
    for (uint32_t i = 0; i < object->queue.count; i++) {
        struct hist_item *item = &object->queue.items[i];

        if (item->id == id && item->given && !item->gone && item->session == op->session)
            return item;
    }
    return NULL;
}

static void
queue_put(struct hist_object *object, const struct hist_op *op)
{
    struct slice block = buffer_slice(&op->value);
    uint64_t     min, max;

    items_alive(object, true, &min, &max);
    if (object->a > 0 && min + op->a > object->a)
        model_fail(object, op, "%llu items are put to %llu, %llu at most are allowed",
                   (unsigned long long)op->a, (unsigned long long)min,
                   (unsigned long long)object->a);
    for (uint32_t i = 0; i < op->a; i++) {
        void            *items = object->queue.items;
        struct hist_item item = { .serial = (uint64_t)model_number(wire_block_item(block, i)),
                                  .priority = (uint32_t)op->b,
                                  .ready_ms = op->c > 0 ? now_ms(object) + op->c : 0,
                                  .over_ms = op->d > 0 ? now_ms(object) + op->d : 0 };

        base_grow(&items, &object->queue.capacity, object->queue.count + 1, sizeof(item));
        object->queue.items = items;
        object->queue.items[object->queue.count++] = item;
    }
    object->queue.unfinished += op->a;
}

/* Nothing that was surely there goes before it: a higher priority, or as high and older. */
static void
queue_in_order(struct hist_object *object, const struct hist_op *op, const struct hist_item *item)
{
    for (uint32_t i = 0; i < object->queue.count; i++) {
        const struct hist_item *other = &object->queue.items[i];

        if (item_is_ready(object, other) && (other->priority > item->priority ||
                                     (other->priority == item->priority && other < item)))
            model_fail(object, op, "item %llu is given before item %llu",
                       (unsigned long long)item->serial, (unsigned long long)other->serial);
    }
}

static void
queue_give(struct hist_object *object, const struct hist_op *op, const struct msg_object_done *m)
{
    struct reader in = reader_of(m->key);

    for (uint32_t i = 0; i < m->a; i++) {
        struct hist_item *item = item_of(object, op,
                                         (uint64_t)model_number(wire_block_item(m->value, i)));
        uint64_t          id = read_u64(&in);
        uint64_t          times = read_u64(&in);

        if (!item_may_be_ready(object, item))
            model_fail(object, op, "item %llu is given%s", (unsigned long long)item->serial,
                       item->gone                        ? " again: it was done"
                       : item_is_over(object, item)      ? " after its time to live"
                       : item->ready_ms > now_ms(object) ? " before its delay was over"
                                                         : " again: someone has it");
        if ((item->id != 0 && item->id != id) || item->times != times)
            model_fail(object, op, "item %llu is number %llu, given %llu times before; not %llu, "
                       "%llu", (unsigned long long)item->serial, (unsigned long long)id,
                       (unsigned long long)times, (unsigned long long)item->id,
                       (unsigned long long)item->times);
        queue_in_order(object, op, item);
        item->id = id;
        item->times++;
        item->given = true;
        item->session = op->session;
        item->request = op->request;
        item->reserved = op->verb == VERB_QUEUE_RESERVE;
        item->term_ms = now_ms(object) + (op->b > 0 ? op->b : RESERVE_MS);
    }
    if (m->a > op->a || m->a == 0)
        model_fail(object, op, "%llu items, not 1 to %llu", (unsigned long long)m->a,
                   (unsigned long long)op->a);
}

static bool
ids_have(struct slice ids, uint64_t id)
{
    struct reader in = reader_of(ids);

    while (read_left(&in) > 0)
        if (read_u64(&in) == id)
            return true;
    return false;
}

static void
queue_settle_one(struct hist_object *object, const struct hist_op *op, struct hist_item *item)
{
    if (op->verb == VERB_QUEUE_ACK_ITEMS) {
        item->gone = true;
        object->queue.unfinished -= item->reserved && object->queue.unfinished > 0;
    } else if (op->verb == VERB_QUEUE_GIVE_BACK) {
        item->given = false;
        item->ready_ms = op->c > 0 ? now_ms(object) + op->c : item->ready_ms;
    } else {
        item->term_ms = now_ms(object) + op->b;
    }
}

/* ACK_ITEMS, GIVE_BACK, EXTEND: of `ids`, all but `missing` are the session's. */
static void
queue_settle(struct hist_object *object, const struct hist_op *op, struct slice missing)
{
    struct reader in = reader_of(buffer_slice(&op->value));

    while (read_left(&in) > 0) {
        uint64_t          id = read_u64(&in);
        struct hist_item *item = item_held(object, op, id);
        bool              has = !ids_have(missing, id);

        if (has && item == NULL)
            model_fail(object, op, "number %llu is said to be this session's",
                       (unsigned long long)id);
        if (!has && item != NULL && !item_term_over(object, item))
            model_fail(object, op, "item %llu is said not to be this session's",
                       (unsigned long long)item->serial);
        if (has)
            queue_settle_one(object, op, item);
        else if (item != NULL)
            item->given = false;
    }
}

/* Of a queue whose items die by themselves nobody knows how many are unfinished. */
static void
queue_size(const struct hist_object *object, const struct hist_op *op,
           const struct msg_object_done *m)
{
    uint64_t min, max;

    items_alive(object, false, &min, &max);
    if (m->a + m->b < min || m->a + m->b > max ||
        (object->shared != SHARED_TIMED && m->c != object->queue.unfinished))
        model_fail(object, op, "%llu items to get, %llu given, %llu unfinished; not %llu to %llu "
                   "in all, %llu", (unsigned long long)m->a, (unsigned long long)m->b,
                   (unsigned long long)m->c, (unsigned long long)min, (unsigned long long)max,
                   (unsigned long long)object->queue.unfinished);
}

static void
queue_done(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m)
{
    switch (op->verb) {
    case VERB_QUEUE_PUT:
        queue_put(object, op);
        break;
    case VERB_QUEUE_GET:
    case VERB_QUEUE_RESERVE:
        queue_give(object, op, m);
        break;
    case VERB_QUEUE_ACK_ITEMS:
    case VERB_QUEUE_GIVE_BACK:
    case VERB_QUEUE_EXTEND:
        queue_settle(object, op, m->key);
        break;
    case VERB_QUEUE_TASK_DONE:
        if (op->a > object->queue.unfinished)
            model_fail(object, op, "more are done than were put");
        object->queue.unfinished -= op->a;
        break;
    case VERB_QUEUE_JOIN:
        if (object->queue.unfinished > 0)
            model_fail(object, op, "joined though %llu items are unfinished",
                       (unsigned long long)object->queue.unfinished);
        break;
    default:
        queue_size(object, op, m);
    }
}

/* Does anybody wait to put, or to get? */
static bool
queue_has_waits(const struct hist_object *object, bool puts)
{
    for (const struct list *at = object->waiting.next; at != &object->waiting; at = at->next) {
        const struct hist_op *op = CONTAINER(at, struct hist_op, link);

        if ((op->verb == VERB_QUEUE_PUT) == puts && op->verb != VERB_QUEUE_JOIN)
            return true;
    }
    return false;
}

/* A PUT that would not wait: is there room, and nobody before it? */
static void
queue_full(const struct hist_object *object, const struct hist_op *op)
{
    uint64_t min, max;

    items_alive(object, true, &min, &max);
    if (op->wait_ms == 0 && !queue_has_waits(object, true) && max + op->a <= object->a)
        model_fail(object, op, "it is full with %llu items, %llu are allowed",
                   (unsigned long long)max, (unsigned long long)object->a);
}

static void
queue_refused(struct hist_object *object, struct hist_op *op, muster_err error)
{
    if (error == MUSTER_ERR_STATE && op->a <= object->queue.unfinished)
        model_fail(object, op, "%llu items are unfinished",
                   (unsigned long long)object->queue.unfinished);
    if (error == MUSTER_ERR_STALE)
        queue_settle(object, op, buffer_slice(&op->value));
    if (error == MUSTER_ERR_FULL)
        queue_full(object, op);
    if (error != MUSTER_ERR_EMPTY || op->wait_ms > 0 || queue_has_waits(object, false))
        return;
    for (uint32_t i = 0; i < object->queue.count; i++)
        if (item_is_ready(object, &object->queue.items[i]))
            model_fail(object, op, "it is empty, but item %llu is lost",
                       (unsigned long long)object->queue.items[i].serial);
}

static bool
item_is_of(const struct hist_item *item, const struct hist_op *op)
{
    return !item->gone && item->given && item->session == op->session &&
           item->request == op->request;
}

static bool
queue_undone(struct hist_object *object, struct hist_op *op)
{
    uint64_t returned = 0;

    for (uint32_t i = 0; i < object->queue.count; i++) {
        struct hist_item *item = &object->queue.items[i];

        if (!item_is_of(item, op))
            continue;
        item->given = false;
        returned += !item_term_over(object, item);
    }
    return op->told_a > 0 && returned == op->told_a;
}

static void
queue_seen(struct hist_object *object, struct hist_op *op)
{
    for (uint32_t i = 0; op->verb == VERB_QUEUE_GET && i < object->queue.count; i++)
        if (item_is_of(&object->queue.items[i], op))
            object->queue.items[i].gone = true;
}

static void
queue_session_ended(struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->queue.count; i++)
        if (object->queue.items[i].session == session)
            object->queue.items[i].given = false;
}

static bool
queue_holds(const struct hist_object *object, uint64_t session)
{
    for (uint32_t i = 0; i < object->queue.count; i++) {
        const struct hist_item *item = &object->queue.items[i];

        if (item->session == session && item->given && !item->gone &&
            !item_term_over(object, item))
            return true;
    }
    return false;
}

static void
queue_made(struct hist_object *object)
{
    object->queue.count = 0;
    object->queue.unfinished = 0;
}

static void
queue_release(struct hist_object *object)
{
    free(object->queue.items);
}

const struct hist_rules hist_queue = {
    .made = queue_made, .release = queue_release, .done = queue_done, .refused = queue_refused,
    .undone = queue_undone, .seen = queue_seen,
    .session_ended = queue_session_ended, .holds = queue_holds,
};
