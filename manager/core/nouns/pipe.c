/* pipe.c - messages between two ends, in parts: the noun
 *
 * See pipe.h.
 */
#include "pipe.h"

#include <stdio.h>

#include "plant.h"

/* ---- attach, detach ---- */

void
pipe_attach(struct core *core, struct object *object, uint64_t session, unsigned end)
{
    struct pipe *pipe = object->state;

    assert(object->noun == NOUN_PIPE && end < PIPE_ENDS && !side_closed(&pipe->sides[end]));
    if (side_find(&pipe->sides[end], session) == NULL)
        side_add(&pipe->sides[end], session, core->started);
    object_touch(core, object);
}

bool
pipe_detach(struct core *core, struct object *object, uint64_t session, unsigned end)
{
    struct pipe   *pipe = object->state;
    struct side   *side = &pipe->sides[end];
    struct holder *holder = side_find(side, session);

    assert(object->noun == NOUN_PIPE && end < PIPE_ENDS);
    if (holder == NULL)
        return false;
    side->count--;
    memmove(holder, holder + 1,
            (size_t)(side->holders + side->count - holder) * sizeof(*holder));
    if (side->count == 0)
        flow_clear(&pipe->flows[1 - end]);
    object_touch(core, object);
    return true;
}

static void
decide_attach(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct pipe *pipe = object->state;
    const struct side *peer = &pipe->sides[1 - act->a];
    uint64_t           sends = 1;
    uint64_t           wants = 1;

    (void)core;
    if (side_closed(&pipe->sides[act->a])) {
        verdict_error(v, object, MUSTER_ERR_END, "end %u was closed", (unsigned)act->a);
        return;
    }
    if (pipe_sends(object, act->a) && !side_closed(peer))
        sends = flow_next_sent(&pipe->flows[act->a]);
    if (pipe_sends(object, 1 - act->a) && !side_closed(peer))
        wants = flow_next_wanted(&pipe->flows[1 - act->a]);
    if (sends == 0 || wants == 0) {
        verdict_error(v, object, MUSTER_ERR_BUSY,
                      "the manager was restarted, and those who use it have not come back yet");
        return;
    }
    if (side_find(&pipe->sides[act->a], act->session) != NULL) {
        v->kind = VERDICT_ANSWER;
        v->answer.b = sends;
        v->answer.c = wants;
        return;
    }
    v->kind = VERDICT_DO;
    v->fact.b = sends;
    v->fact.c = wants;
}

/* What it sent stays, as the pipe's own. */
static void
decide_detach(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct pipe *pipe = object->state;
    struct flow *sends = &pipe->flows[act->a];
    struct flow *wants = &pipe->flows[1 - act->a];

    (void)core;
    if (side_find(&pipe->sides[act->a], act->session) == NULL) {
        verdict_error(v, object, MUSTER_ERR_STATE, "this session is not attached to end %u",
                      (unsigned)act->a);
        return;
    }
    if (act->c > wants->wanted && (!wants->known || act->c <= wants->given))
        flow_take(wants, act->c);
    /* Those that are parked as well: its connection was lost, or is slow. */
    for (struct list *link = object->waits.next; link != &object->waits; link = link->next) {
        struct wait *wait = CONTAINER(link, struct wait, object_link);

        if (wait->act.verb == VERB_PIPE_SEND && wait->act.a == act->a &&
            wait->act.session == act->session)
            flow_leave_wait(sends, wait);
    }
    v->kind = VERDICT_DO;
    v->fact.b = sends->sent;
    v->fact.c = 0;
}

/* ---- the noun ---- */

static bool
pipe_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    if (m->a <= 1 && m->b == 0 && m->value.bytes == 0)
        return true;
    v->error = MUSTER_ERR_INVALID;
    snprintf(v->text, sizeof(v->text), "a pipe goes both ways (1) or one way (0)");
    return false;
}

static void
pipe_make(struct core *core, struct object *object, struct slice initial)
{
    struct pipe *pipe = base_alloc(sizeof(*pipe));

    (void)core;
    (void)initial;
    for (unsigned end = 0; end < PIPE_ENDS; end++) {
        pipe->flows[end].known = true;
        pipe->flows[end].wanted = 1;
        list_init(&pipe->flows[end].left);
    }
    object->state = pipe;
}

static void
pipe_free(struct core *core, struct object *object)
{
    struct pipe *pipe = object->state;

    (void)core;
    for (unsigned end = 0; end < PIPE_ENDS; end++) {
        flow_clear(&pipe->flows[end]);
        free(pipe->flows[end].parts);
        free(pipe->sides[end].holders);
    }
    free(pipe);
    object->state = NULL;
}

#define PIPE_VERB(VERB) [VERB_PIPE_##VERB - VERB_PIPE_ATTACH]

static const struct {
    pipe_decide_fn *decide;
    bool            sends, receives;     /* only an end that can may ask */
} pipe_verbs[] = {
    PIPE_VERB(ATTACH)  = { decide_attach, false, false },
    PIPE_VERB(DETACH)  = { decide_detach, false, false },
    PIPE_VERB(SEND)    = { pipe_decide_send, true, false },
    PIPE_VERB(RECEIVE) = { pipe_decide_receive, false, true },
    PIPE_VERB(POLL)    = { pipe_decide_poll, false, true },
};

static void
pipe_decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    uint32_t at = act->verb - VERB_PIPE_ATTACH;

    assert(at < sizeof(pipe_verbs) / sizeof(pipe_verbs[0]));
    if (act->a >= PIPE_ENDS || act->key.bytes > 0 ||
        (act->value.bytes > 0 && act->verb != VERB_PIPE_SEND))
        verdict_error(v, object, MUSTER_ERR_INVALID, "the ends of a pipe are 0 and 1");
    else if (pipe_verbs[at].sends && !pipe_sends(object, act->a))
        verdict_error(v, object, MUSTER_ERR_STATE, "end 0 of a one-way pipe only receives");
    else if (pipe_verbs[at].receives && !pipe_sends(object, 1 - act->a))
        verdict_error(v, object, MUSTER_ERR_STATE, "end 1 of a one-way pipe only sends");
    else
        pipe_verbs[at].decide(core, object, act, v);
}

static bool
apply_attach(struct core *core, struct object *object, const struct act *act,
             struct msg_object_done *answer)
{
    struct pipe *pipe = object->state;
    struct side *side = &pipe->sides[act->a];

    if (act->session == 0 || side_closed(side) || side_find(side, act->session) != NULL)
        return false;
    pipe_attach(core, object, act->session, (unsigned)act->a);
    answer->b = act->b;
    answer->c = act->c;
    return true;
}

static bool
pipe_apply(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    struct pipe *pipe = object->state;

    if (act->a >= PIPE_ENDS)
        return false;
    if (act->verb == VERB_PIPE_ATTACH)
        return apply_attach(core, object, act, answer);
    if (act->verb == VERB_PIPE_SEND && act->enters) {
        pipe->flows[act->a].used = true;
        return true;
    }
    if (act->verb != VERB_PIPE_DETACH ||
        !pipe_detach(core, object, act->session, (unsigned)act->a))
        return false;
    if (side_closed(&pipe->sides[act->a]))
        pipe->flows[act->a].final = act->b;
    return true;
}

static void
pipe_session_ended(struct core *core, struct object *object, uint64_t session)
{
    for (unsigned end = 0; end < PIPE_ENDS; end++)
        pipe_detach(core, object, session, end);
}

/* A part that was accepted arrives, whatever becomes of who sent it. */
static void
pipe_wait_dropped(struct core *core, struct object *object, struct wait *wait,
                  struct effects *fx)
{
    struct pipe *pipe = object->state;

    (void)fx;
    if (wait->act.verb != VERB_PIPE_SEND || !PLANT_STAYS(!object->dead))
        return;
    flow_leave_wait(&pipe->flows[wait->act.a], wait);
    object_wake_lanes(core, object);
}

/* Whoever sent it is told that the outcome is unknown, and need not ask again. */
static bool
pipe_timed_out(struct core *core, struct object *object, struct wait *wait, struct effects *fx)
{
    pipe_wait_dropped(core, object, wait, fx);
    return false;
}

/* Numbers are learned from those who ask again. */
static void
pipe_start(struct core *core, struct object *object)
{
    struct pipe *pipe = object->state;

    (void)core;
    for (unsigned end = 0; end < PIPE_ENDS; end++) {
        struct flow *flow = &pipe->flows[end];

        flow->known = !flow->used;
        flow->wanted = flow->used ? 0 : 1;
    }
}

static void
pipe_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct pipe *pipe = object->state;

    (void)core;
    for (unsigned end = 0; end < PIPE_ENDS; end++) {
        const struct side *side = &pipe->sides[end];

        write_u8(out, (uint8_t)(side->opened | pipe->flows[end].used << 1));
        write_varint(out, pipe->flows[end].final);
        write_varint(out, side->count);
        for (uint32_t i = 0; i < side->count; i++)
            write_varint(out, side->holders[i].session);
    }
}

static bool
pipe_get(struct core *core, struct object *object, struct reader *in)
{
    struct pipe *pipe = object->state;

    (void)core;
    for (unsigned end = 0; end < PIPE_ENDS; end++) {
        struct side *side = &pipe->sides[end];
        uint8_t      flags = read_u8(in);
        uint64_t     count;
        uint64_t     before = 0;

        pipe->flows[end].used = (flags & 2) != 0;
        pipe->flows[end].final = read_varint(in);
        count = read_varint(in);
        if (in->bad || flags > 3 || count > read_left(in) || (count > 0 && (flags & 1) == 0))
            return false;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t session = read_varint(in);

            if (in->bad || session <= before)
                return false;
            side_add(side, session, false);
            before = session;
        }
        side->opened = (flags & 1) != 0;
    }
    return true;
}

static void
pipe_describe(const struct core *core, const struct object *object, struct wire_object *out,
              char text[OBJECT_TEXT_BYTES])
{
    const struct pipe *pipe = object->state;
    const char        *state[PIPE_ENDS];

    (void)core;
    for (unsigned end = 0; end < PIPE_ENDS; end++)
        state[end] = side_closed(&pipe->sides[end]) ? "closed"
                     : pipe->sides[end].count > 0   ? "attached"
                                                    : "free";
    out->items = (uint64_t)pipe->flows[0].count + pipe->flows[1].count;
    snprintf(text, OBJECT_TEXT_BYTES, "end 0 %s, end 1 %s; %llu bytes on their way", state[0],
             state[1], (unsigned long long)(pipe->flows[0].bytes + pipe->flows[1].bytes));
}
static void
pipe_verify(const struct core *core, const struct object *object)
{
    const struct pipe *pipe = object->state;

    for (unsigned end = 0; end < PIPE_ENDS; end++) {
        const struct side *side = &pipe->sides[end];

        assert(side->opened || side->count == 0);
        for (uint32_t i = 0; i < side->count; i++) {
            assert(i == 0 || side->holders[i - 1].session < side->holders[i].session);
            assert(object_tied(core, side->holders[i].session, object));
        }
        flow_verify(&pipe->flows[end]);
    }
}

const struct noun_rules noun_pipe = {
    .check = pipe_check,
    .make = pipe_make,
    .free = pipe_free,
    .decide = pipe_decide,
    .apply = pipe_apply,
    .session_ended = pipe_session_ended,
    .timed_out = pipe_timed_out,
    .wait_dropped = pipe_wait_dropped,
    .start = pipe_start,
    .put = pipe_put,
    .get = pipe_get,
    .describe = pipe_describe,
    .verify = pipe_verify,
};
