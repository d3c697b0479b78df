/* queue.c - queues: put and get, reserve and acknowledge, join, shut down
 * (manager/STATES.md, "Queue"; items enter in queue_put.c, leave in queue_give.c)
 *
 * 1. A putter waits until all its items fit, a getter until one item is ready; nobody
 *    overtakes those in a lane.
 * 2. `unfinished` counts as Python does: one up for every item put, down for TASK_DONE.
 *    Whoever reserves says so by acknowledging; and what nobody will ever get (its
 *    time to live is over, or a shutdown dropped it) counts as done.
 */
#include <stdio.h>

#include "queue_items.h"

/* Items whose term or time to live is over; value: u64 ids. */
enum { VERB_DUE = VERB_INNER };

enum { DUE_PER_FACT = 4096 };

#define QUEUE_UNIX_MS_MAX ((uint64_t)1 << 62)    /* of a fact: see QUEUE_TTL_MS_MAX */

/* What a verb takes beside `thread`; all else must be zero. */
enum { TAKES_A = 1, TAKES_B = 2, TAKES_C = 4, TAKES_D = 8, TAKES_VALUE = 16 };

/* ---- done, join, size, shutdown ---- */

static void
decide_task_done(struct core *core, struct object *object, const struct act *act,
                 struct verdict *v)
{
    (void)core;
    if (act->a == 0)
        verdict_error(v, object, MUSTER_ERR_INVALID, "at least one task");
    else if (act->a > queue_of(object)->unfinished)
        verdict_error(v, object, MUSTER_ERR_STATE, "%llu tasks done, but only %llu are unfinished",
                      (unsigned long long)act->a,
                      (unsigned long long)queue_of(object)->unfinished);
    else
        v->kind = VERDICT_DO;
}

static bool
apply_task_done(struct core *core, struct queue *queue, const struct act *act,
                struct msg_object_done *answer)
{
    (void)core;
    (void)answer;
    if (act->a > queue->unfinished)
        return false;
    queue->unfinished -= act->a;
    return true;
}

static void
decide_join(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core;
    (void)act;
    if (queue_of(object)->unfinished == 0)
        v->kind = VERDICT_ANSWER;
    else
        verdict_wait(v, LANE_JOIN, MUSTER_ERR_TIMEOUT);
    v->halt = true;
}

static void
decide_size(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct queue *queue = queue_of(object);

    (void)core;
    (void)act;
    v->kind = VERDICT_ANSWER;
    v->answer.a = queue_size(queue);
    v->answer.b = queue->given;
    v->answer.c = queue->unfinished;
    v->answer.d = queue->closed;
}

static void
decide_shutdown(struct core *core, struct object *object, const struct act *act,
                struct verdict *v)
{
    const struct queue *queue = queue_of(object);

    (void)core;
    if (act->a > 1)
        verdict_error(v, object, MUSTER_ERR_INVALID, "0 drains it, 1 drops what is in it");
    else if (queue->closed && (act->a == 0 || queue_size(queue) == 0))
        v->kind = VERDICT_ANSWER;
    else
        v->kind = VERDICT_DO;
}

/* What waits; what is in hands stays there. */
static void
queue_empty(struct core *core, struct queue *queue)
{
    size_t              cursor = 0;
    uint64_t            piece;
    struct queue_chunk *chunk, *next;

    /* Dropping its last item frees the chunk, which the walk allows: it is the
     * entry that was just returned, and no other piece is touched. */
    while ((chunk = map_next(&queue->chunks, &cursor, &piece)) != NULL)
        for (; chunk != NULL; chunk = next) {
            uint32_t left = chunk->count;

            next = chunk->next;
            for (uint32_t i = 0; left > 0; i++) {
                struct queue_item *item = chunk->items[i];

                left -= item != NULL;
                if (item == NULL || item->place == PLACE_GIVEN)
                    continue;
                queue_done(queue);
                queue_item_drop(core, queue, item);
            }
        }
}

static bool
apply_shutdown(struct core *core, struct queue *queue, const struct act *act,
               struct msg_object_done *answer)
{
    (void)answer;
    queue->closed = true;
    while (!list_empty(&queue->uploads)) {
        struct queue_upload *upload = CONTAINER(queue->uploads.next, struct queue_upload, link);

        object_body_gone(core, upload->body);
        queue_upload_free(queue, upload);
    }
    if (act->a == 1)
        queue_empty(core, queue);
    return true;
}

/* ---- what time does ---- */

static bool
apply_due(struct core *core, struct queue *queue, const struct act *act,
          struct msg_object_done *answer)
{
    (void)answer;
    if (act->session != 0 || act->value.bytes % QUEUE_ID_BYTES != 0)
        return false;
    for (size_t at = 0; at < act->value.bytes; at += QUEUE_ID_BYTES) {
        struct queue_item *item = queue_item_find(queue, queue_id_at(act->value, at));

        if (item == NULL || item->more == NULL)
            return false;
        if (item->place == PLACE_GIVEN) {
            queue_item_return(core, queue, item, 0);
        } else {
            queue_done(queue);
            queue_item_drop(core, queue, item);
        }
    }
    return true;
}

static void
queue_tick(struct core *core, struct object *object, struct effects *fx)
{
    struct queue *queue = queue_of(object);
    struct act    act = { .verb = VERB_DUE, .unix_ms = core_unix_ms(core) };

    queue->alarm_ms = 0;
    if (queue_now(queue, act.unix_ms))
        object_wake_lanes(core, object);
    while (!list_empty(&queue->due)) {
        uint32_t count = 0;

        buffer_clear(&queue->ids);
        for (const struct list *at = queue->due.next; at != &queue->due && count < DUE_PER_FACT;
             at = at->next, count++)
            write_u64(&queue->ids, CONTAINER(at, struct queue_more, due)->item->id);
        act.value = buffer_slice(&queue->ids);
        object_fact(core, object, &act, fx);
        /* What came back may be over as well. */
        if (queue_now(queue, act.unix_ms))
            object_wake_lanes(core, object);
    }
    queue_alarm(core, queue);
}

static void
queue_start(struct core *core, struct object *object)
{
    struct queue *queue = queue_of(object);

    queue->alarm_ms = 0;
    queue_now(queue, core_unix_ms(core));
    queue_alarm(core, queue);
}

/* ---- the table ---- */

static const struct queue_rule {
    uint32_t         takes;
    queue_decide_fn *decide;       /* NULL: not on the wire */
    queue_apply_fn  *apply;        /* NULL: changes nothing */
} queue_rules[] = {
    [VERB_QUEUE_PUT]       = { TAKES_A | TAKES_B | TAKES_C | TAKES_D | TAKES_VALUE,
                               queue_decide_put, queue_apply_put },
    [VERB_QUEUE_PUT_PART]  = { TAKES_A | TAKES_B | TAKES_VALUE,
                               queue_decide_part, queue_apply_part },
    [VERB_QUEUE_GET]       = { TAKES_A, queue_decide_get, queue_apply_get },
    [VERB_QUEUE_RESERVE]   = { TAKES_A | TAKES_B, queue_decide_get, queue_apply_get },
    [VERB_QUEUE_READ_PART] = { TAKES_A | TAKES_B, queue_decide_read_part, NULL },
    [VERB_QUEUE_ACK_ITEMS] = { TAKES_VALUE, queue_decide_held, queue_apply_held },
    [VERB_QUEUE_GIVE_BACK] = { TAKES_C | TAKES_VALUE, queue_decide_held, queue_apply_held },
    [VERB_QUEUE_EXTEND]    = { TAKES_B | TAKES_VALUE, queue_decide_held, queue_apply_held },
    [VERB_QUEUE_TASK_DONE] = { TAKES_A, decide_task_done, apply_task_done },
    [VERB_QUEUE_JOIN]      = { 0, decide_join, NULL },
    [VERB_QUEUE_SIZE]      = { 0, decide_size, NULL },
    [VERB_QUEUE_SHUTDOWN]  = { TAKES_A, decide_shutdown, apply_shutdown },
    [VERB_DUE]             = { TAKES_VALUE, NULL, apply_due },
};

static const struct queue_rule *
rule_of(uint32_t verb)
{
    return verb < sizeof(queue_rules) / sizeof(queue_rules[0]) ? &queue_rules[verb] : NULL;
}

static void
queue_decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct queue_rule *rule = rule_of(act->verb);
    uint32_t                 has;

    assert(rule != NULL && rule->decide != NULL);
    has = (act->a != 0 ? TAKES_A : 0u) | (act->b != 0 ? TAKES_B : 0u) |
          (act->c != 0 ? TAKES_C : 0u) | (act->d != 0 ? TAKES_D : 0u) |
          (act->value.bytes != 0 ? TAKES_VALUE : 0u);
    if ((has & ~rule->takes) != 0 || act->key.bytes != 0 || act->is_reference)
        verdict_error(v, object, MUSTER_ERR_INVALID, "what this verb does not use must be zero");
    else
        rule->decide(core, object, act, v);
}

static bool
queue_apply(struct core *core, struct object *object, const struct act *act,
            struct msg_object_done *answer)
{
    const struct queue_rule *rule = rule_of(act->verb);

    if (rule == NULL || rule->apply == NULL || act->unix_ms > QUEUE_UNIX_MS_MAX)
        return false;
    if (!rule->apply(core, queue_of(object), act, answer))
        return false;
    queue_alarm(core, queue_of(object));
    return true;
}

static void
queue_session_ended(struct core *core, struct object *object, uint64_t session)
{
    struct queue        *queue = queue_of(object);
    struct queue_holder *holder;

    while ((holder = map_get(&queue->holders, session)) != NULL) {
        if (!list_empty(&holder->given)) {
            queue_item_return(core, queue,
                              CONTAINER(holder->given.next, struct queue_item, link), 0);
        } else {
            struct queue_upload *upload = CONTAINER(holder->uploads.next, struct queue_upload,
                                                    session_link);

            object_body_gone(core, upload->body);
            queue_upload_free(queue, upload);
        }
    }
    queue_alarm(core, queue);
}

/* ---- the object ---- */

static bool
queue_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    if (m->b == 0 && m->value.bytes == 0)
        return true;
    v->error = MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "a queue has a maxsize and no other setting or content");
    return false;
}

static void
queue_make(struct core *core, struct object *object, struct slice initial)
{
    (void)core;
    (void)initial;
    object->state = queue_new(object);
}

static void
queue_free(struct core *core, struct object *object)
{
    queue_delete(core, queue_of(object));
    object->state = NULL;
}

const struct noun_rules noun_queue = {
    .check = queue_check,
    .make = queue_make,
    .free = queue_free,
    .decide = queue_decide,
    .apply = queue_apply,
    .session_ended = queue_session_ended,
    .tick = queue_tick,
    .start = queue_start,
    .seen = queue_seen,
    .undone = queue_undone,
    .again = queue_again,
    .put = queue_put,
    .get = queue_get,
    .put_piece = queue_put_piece,
    .get_piece = queue_get_piece,
    .next_piece = queue_next_piece,
    .describe = queue_describe,
    .verify = queue_verify,
};
