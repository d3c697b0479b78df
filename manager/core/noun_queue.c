/* noun_queue.c - queues of items, shared between machines */
#include "object.h"

struct queue {
    uint64_t id_last;
};

static void
queue_make(struct core *core, struct object *object, struct slice initial)
{
    (void)core;
    assert(initial.bytes == 0);
    object->state = base_alloc(sizeof(struct queue));
}

static void
queue_free(struct core *core, struct object *object)
{
    (void)core;
    free(object->state);
    object->state = NULL;
}

static void
queue_decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    (void)core;
    (void)act;
    verdict_error(v, object, MUSTER_ERR_UNSUPPORTED, "no verb of a queue");
}

static bool
queue_apply(struct core *core, struct object *object, const struct act *act,
            struct msg_object_done *answer)
{
    (void)core;
    (void)object;
    (void)act;
    (void)answer;
    return false;
}

static void
queue_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct queue *queue = object->state;

    (void)core;
    write_varint(out, queue->id_last);
}

static bool
queue_get(struct core *core, struct object *object, struct reader *in)
{
    struct queue *queue = object->state;

    (void)core;
    queue->id_last = read_varint(in);
    return !in->bad;
}

static void
queue_describe(const struct core *core, const struct object *object, struct wire_object *out,
               char text[OBJECT_TEXT_BYTES])
{
    (void)core;
    (void)object;
    out->items = 0;
    text[0] = '\0';
}

static void
queue_verify(const struct core *core, const struct object *object)
{
    (void)core;
    assert(object->state != NULL);
}

const struct noun_rules noun_queue = {
    .make = queue_make,
    .free = queue_free,
    .decide = queue_decide,
    .apply = queue_apply,
    .put = queue_put,
    .get = queue_get,
    .describe = queue_describe,
    .verify = queue_verify,
};
