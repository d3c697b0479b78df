/* queue_give.c - items leave a queue: GET, RESERVE, and what their holders do with them
 *
 * 1. decide chooses the items and writes their ids into the fact; apply never looks at
 *    the time.
 * 2. GET is a RESERVE without a term that is acknowledged by having seen its answer:
 *    until then its items are held by (session, request), and come back when the
 *    answer was not seen.  A large item is held until its ACK_ITEMS.
 * 3. Kept answers have ids only; the items are there as long as somebody may ask again.
 */
#include "plant.h"
#include "queue_items.h"

enum { TOLD_BYTES = 2 * QUEUE_ID_BYTES };      /* in an answer's key: id, times */

void
queue_decide_read_part(struct core *core, struct object *object, const struct act *act,
                       struct verdict *v)
{
    const struct queue_item *item = queue_item_held(queue_of(object), act->session, act->a);

    (void)core;
    if (item == NULL) {
        verdict_error(v, object, MUSTER_ERR_STALE, "item %llu is not in the hands of this session",
                      (unsigned long long)act->a);
    } else if (queue_body(item) == 0 || act->b >= item->bytes) {
        verdict_error(v, object, MUSTER_ERR_RANGE, "item %llu has %u bytes%s",
                      (unsigned long long)act->a, item->bytes,
                      queue_body(item) == 0 ? " and came whole" : "");
    } else {
        v->kind = VERDICT_READ;
        v->body.owner = queue_body(item);
        v->body.number = act->b / VALUE_BYTES_MAX;
        v->body.skip = act->b % VALUE_BYTES_MAX;
        v->body.offset = act->b;
        v->body.total = item->bytes;
    }
}

/* ---- get and reserve ---- */

void
queue_decide_get(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct queue *queue = queue_of(object);
    bool          reserve = act->verb == VERB_QUEUE_RESERVE;
    uint32_t      count;

    if (act->a == 0 || act->b > RESERVE_MS_MAX) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "at least one item, for at most %u ms",
                      RESERVE_MS_MAX);
        return;
    }
    if (queue_now(queue, v->fact.unix_ms))
        object_wake_lanes(core, object);          /* someone else may be first */
    queue_alarm(core, queue);
    if (queue->closed && queue_size(queue) == queue->over) {
        verdict_error(v, object, MUSTER_ERR_CLOSED, "it was shut down and nothing is left in it");
        return;
    }
    count = lane_busy(object, LANE_GET, act) ? 0 : queue_pick(queue, act->a);
    if (count == 0) {
        verdict_wait(v, LANE_GET, MUSTER_ERR_EMPTY);
        return;
    }
    v->kind = VERDICT_DO;
    v->fact.a = count;
    if (reserve && act->b == 0)
        v->fact.b = RESERVE_MS;
    v->fact.value = buffer_slice(&queue->ids);
}

/* The answer to (session, request): those of the items that it still holds.  `told` has
 * their ids, `stride` bytes apart.  Built in core->scratch. */
static void
answer_items(struct core *core, const struct queue *queue, uint64_t session, uint64_t request,
             struct slice told, size_t stride, struct msg_object_done *answer)
{
    struct buffer *out = &core->scratch;
    size_t         key_bytes;
    uint32_t       end = 0;

    *answer = (struct msg_object_done){ 0 };
    buffer_clear(out);
    for (size_t at = 0; at < told.bytes; at += stride) {
        const struct queue_item *item = queue_item_held(queue, session, queue_id_at(told, at));

        if (item == NULL || item->more->request != request)
            continue;
        write_u64(out, item->id);
        write_u64(out, item->times - 1);
        answer->a++;
        if (item->more->body != 0)
            answer->b = item->bytes;
    }
    key_bytes = out->bytes;
    if (answer->b == 0 && answer->a > 0) {
        write_u32(out, (uint32_t)answer->a);
        for (size_t at = 0; at < key_bytes; at += TOLD_BYTES) {
            end += queue_item_find(queue, queue_id_at(buffer_slice(out), at))->bytes;
            write_u32(out, end);
        }
        for (size_t at = 0; at < key_bytes; at += TOLD_BYTES) {
            uint64_t                 id = queue_id_at(buffer_slice(out), at);
            const struct queue_item *item = queue_item_find(queue, id);

            buffer_append(out, item->data, item->bytes);
        }
    }
    answer->key = slice_cut(buffer_slice(out), 0, key_bytes);
    answer->value = slice_cut(buffer_slice(out), key_bytes, out->bytes - key_bytes);
}

/* Are these different items that can be given in one answer? */
static bool
give_check(const struct queue *queue, struct slice ids)
{
    size_t bytes = sizeof(uint32_t);

    for (size_t at = 0; at < ids.bytes; at += QUEUE_ID_BYTES) {
        const struct queue_item *item = queue_item_find(queue, queue_id_at(ids, at));

        if (item == NULL || item->place == PLACE_GIVEN)
            return false;
        bytes += sizeof(uint32_t) + item->bytes;
        if (ids.bytes > QUEUE_ID_BYTES && (queue_body(item) != 0 || bytes > BLOCK_BYTES_MAX))
            return false;
    }
    return true;
}

bool
queue_apply_get(struct core *core, struct queue *queue, const struct act *act,
                struct msg_object_done *answer)
{
    bool got = act->verb == VERB_QUEUE_GET;

    if (act->session == 0 || act->a == 0 || act->a > GIVEN_PER_ANSWER_MAX ||
        act->value.bytes != act->a * QUEUE_ID_BYTES || act->b > RESERVE_MS_MAX ||
        got != (act->b == 0) || !give_check(queue, act->value))
        return false;
    for (size_t at = 0; at < act->value.bytes; at += QUEUE_ID_BYTES) {
        struct queue_item *item = queue_item_find(queue, queue_id_at(act->value, at));

        if (item->place == PLACE_GIVEN)
            return false;                 /* the same id twice */
        queue_item_give(core, queue, item, act->session, act->request, got,
                        got ? 0 : act->unix_ms + act->b);
    }
    answer_items(core, queue, act->session, act->request, act->value, QUEUE_ID_BYTES, answer);
    object_answer_rebuilt(core);
    return true;
}

/* ---- what holders say of their items ---- */

void
queue_decide_held(struct core *core, struct object *object, const struct act *act,
                  struct verdict *v)
{
    const struct queue *queue = queue_of(object);

    (void)core;
    if (act->value.bytes == 0 || act->value.bytes % QUEUE_ID_BYTES != 0 || act->c > DELAY_MS_MAX ||
        act->b > RESERVE_MS_MAX) {
        verdict_error(v, object, MUSTER_ERR_INVALID,
                      "ids of 8 bytes each, a delay of at most %u ms, a term of at most %u ms",
                      DELAY_MS_MAX, RESERVE_MS_MAX);
        return;
    }
    if (act->verb == VERB_QUEUE_EXTEND && act->b == 0)
        v->fact.b = RESERVE_MS;
    v->kind = VERDICT_DO;
    for (size_t at = 0; at < act->value.bytes; at += QUEUE_ID_BYTES)
        if (queue_item_held(queue, act->session, queue_id_at(act->value, at)) != NULL)
            return;
    verdict_error(v, object, MUSTER_ERR_STALE,
                  "none of these items is in the hands of this session any more");
}

bool
queue_apply_held(struct core *core, struct queue *queue, const struct act *act,
                 struct msg_object_done *answer)
{
    struct buffer *out = &core->scratch;

    if (act->value.bytes % QUEUE_ID_BYTES != 0 || act->c > DELAY_MS_MAX ||
        act->b > RESERVE_MS_MAX || (act->verb == VERB_QUEUE_EXTEND) != (act->b > 0))
        return false;
    buffer_clear(out);
    for (size_t at = 0; at < act->value.bytes; at += QUEUE_ID_BYTES) {
        uint64_t           id = queue_id_at(act->value, at);
        struct queue_item *item = queue_item_held(queue, act->session, id);

        if (item == NULL) {
            write_u64(out, id);
            continue;
        }
        answer->a++;
        if (act->verb == VERB_QUEUE_GIVE_BACK) {
            queue_item_return(core, queue, item, act->c > 0 ? act->unix_ms + act->c : 0);
        } else if (act->verb == VERB_QUEUE_ACK_ITEMS) {
            if (!item->got)
                queue_done(queue);
            queue_item_drop(core, queue, item);
        } else if (!item->got) {
            queue_item_extend(core, queue, item, act->unix_ms + act->b);
        }
    }
    answer->key = buffer_slice(out);
    return true;
}

/* ---- answers ---- */

void
queue_seen(struct core *core, struct object *object, uint64_t session, const struct kept *kept)
{
    struct queue *queue = queue_of(object);

    if (kept->verb != VERB_QUEUE_GET)
        return;
    for (size_t at = 0; at < kept->answer.key.bytes; at += TOLD_BYTES) {
        struct queue_item *item = queue_item_held(queue, session,
                                                  queue_id_at(kept->answer.key, at));

        /* A large one is read after its answer: it needs an ACK_ITEMS. */
        if (item != NULL && item->more->request == kept->request &&
            PLANT_GONE(item->more->body == 0))
            queue_item_drop(core, queue, item);
    }
    queue_alarm(core, queue);
}

bool
queue_undone(struct core *core, struct object *object, uint64_t session, const struct kept *kept)
{
    struct queue *queue = queue_of(object);
    uint64_t      returned = 0;

    /* What was put stays put: someone may have got it already. */
    if (kept->verb != VERB_QUEUE_GET && kept->verb != VERB_QUEUE_RESERVE)
        return false;
    for (size_t at = 0; at < kept->answer.key.bytes; at += TOLD_BYTES) {
        struct queue_item *item = queue_item_held(queue, session,
                                                  queue_id_at(kept->answer.key, at));

        if (item == NULL || item->more->request != kept->request)
            continue;
        queue_item_return(core, queue, item, 0);
        returned++;
    }
    queue_alarm(core, queue);
    return returned == kept->answer.a;
}

void
queue_again(struct core *core, struct object *object, const struct kept *kept,
            struct msg_object_done *answer)
{
    struct queue *queue = queue_of(object);
    struct slice  told = kept->answer.key;
    uint64_t      session = 0;

    /* Its items name their holder; those that it lost meanwhile are left out. */
    for (size_t at = 0; at < told.bytes && session == 0; at += TOLD_BYTES) {
        const struct queue_item *item = queue_item_find(queue, queue_id_at(told, at));

        if (item != NULL && item->place == PLACE_GIVEN && item->more->request == kept->request)
            session = item->more->session;
    }
    answer_items(core, queue, session, kept->request, told, TOLD_BYTES, answer);
}
