/* event.c - an event: set or not (multiprocessing.Event)
 *
 * 1. SET lets everybody go who waits: the lane is looked at before the step
 *    ends, so that a CLEAR that follows at once finds nobody left.
 * 2. WAIT changes nothing.  Who was away (connection lost, manager restarted)
 *    while the event was set and cleared again goes on waiting.
 */
#include "sync.h"

enum { LANE_WAIT };

struct event {
    bool     set;
    uint64_t unix_ms;              /* of the last change; 0: none yet */
};

static void
event_make(struct core *core, struct object *object, struct slice initial)
{
    (void)core;
    (void)initial;
    assert(object->state == NULL);
    object->state = base_alloc(sizeof(struct event));
}

static void
event_free(struct core *core, struct object *object)
{
    (void)core;
    free(object->state);
    object->state = NULL;
}

static bool
event_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    return sync_settings(m, 0, 0, 0, v);
}

static void
event_decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct event *event = object->state;

    (void)core;
    if (!sync_plain(object, act, 0, v))
        return;
    switch (act->verb) {
    case VERB_EVENT_SET:
    case VERB_EVENT_CLEAR:
        v->kind = VERDICT_DO;
        return;
    case VERB_EVENT_IS_SET:
        v->kind = VERDICT_ANSWER;
        v->answer.a = event->set;
        return;
    case VERB_EVENT_WAIT:
        if (event->set) {
            v->kind = VERDICT_ANSWER;
        } else {
            verdict_wait(v, LANE_WAIT, MUSTER_ERR_TIMEOUT);
            v->halt = true;
        }
        return;
    default:
        sync_no_verb(object, v);
    }
}

static bool
event_apply(struct core *core, struct object *object, const struct act *act,
            struct msg_object_done *answer)
{
    struct event *event = object->state;

    (void)core;
    (void)answer;
    if (act->verb != VERB_EVENT_SET && act->verb != VERB_EVENT_CLEAR)
        return false;
    event->set = act->verb == VERB_EVENT_SET;
    event->unix_ms = act->unix_ms;
    return true;
}

static void
event_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct event *event = object->state;

    (void)core;
    write_u8(out, event->set);
    write_varint(out, event->unix_ms);
}

static bool
event_get(struct core *core, struct object *object, struct reader *in)
{
    struct event *event = object->state;
    uint8_t       set = read_u8(in);

    (void)core;
    event->set = set == 1;
    event->unix_ms = read_varint(in);
    return set <= 1 && !in->bad;
}

static void
event_describe(const struct core *core, const struct object *object, struct wire_object *out,
               char text[OBJECT_TEXT_BYTES])
{
    const struct event *event = object->state;

    (void)core;
    out->items = event->set;
    snprintf(text, OBJECT_TEXT_BYTES, "%s", event->set ? "set" : "not set");
}

static void
event_verify(const struct core *core, const struct object *object)
{
    const struct event *event = object->state;

    (void)core;
    /* Whoever could go has gone. */
    assert(!event->set || lane_first(object, LANE_WAIT) == NULL);
}

const struct noun_rules noun_event = {
    .check = event_check, .make = event_make, .free = event_free, .decide = event_decide,
    .apply = event_apply, .put = event_put, .get = event_get, .describe = event_describe,
    .verify = event_verify,
};
