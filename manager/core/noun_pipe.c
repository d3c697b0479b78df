/* noun_pipe.c - messages between two ends, in parts
 *
 *        SEND b ----> lane of SENDs, left ----> RECEIVE b  (gives, takes what is below b)
 *        answered <-- part b was taken <------- RECEIVE b + n
 *
 * 1. Who is attached to an end is durable; what is on its way is not: the SENDs
 *    that wait are the only copy here, and each is answered when its part was
 *    taken.  After a restart senders and receivers ask again, so that nothing is
 *    lost or doubled while both live.
 * 2. Parts of a direction (a *flow*, named by the end that sends) have numbers
 *    from 1 without gaps.  parts[] tells of each part that was accepted and not
 *    taken whose it is; a part that is not in it is either taken or unheard of.
 * 3. What a session sent that has detached or ended stays in `left` until it is
 *    taken.  A restart loses that; whoever receives is told.
 * 4. An end that was attached and is not any more is closed for good.
 * 5. Nobody's part is taken for another's: one that sends under a number that is
 *    not its own gets an error, never silence.
 */
#include "noun_pipe.h"

#include <stdio.h>

enum { PIPE_ENDS = 2, LANE_RECEIVERS = 2 };      /* lanes 0, 1: SENDs; 2, 3: receivers */

static_assert(LANE_RECEIVERS + PIPE_ENDS <= OBJECT_LANES, "every end needs its lanes");
static_assert(VALUE_BYTES_MAX + 8 <= BLOCK_BYTES_MAX, "a part must fit a block");
static_assert(BLOCK_BYTES_MAX + BLOCK_ITEMS_MAX * 8 + KIB <= MESSAGE_BODY_BYTES_MAX,
              "a block of parts with their sizes must fit a frame");

struct holder {
    uint64_t session;
    uint64_t sent;                 /* (v) its last part; 0: none that we know of */
    bool     known;                /* (v) it attached since the start: we know of all its parts */
};

struct side {
    struct holder *holders;        /* by session, ascending */
    uint32_t       count, capacity;
    bool           opened;         /* was attached once */
};

struct part {
    uint64_t session;
    uint32_t bytes;
};

struct left {
    struct list  link;
    uint64_t     number, whole;    /* see pipe_whole() */
    struct slice value;            /* its own copy */
};

struct flow {
    bool         used;             /* something was sent: numbers go on after a restart */
    uint64_t     final;            /* last part sent when the end was closed; 0: not known */
    /* all below (v) */
    bool         known;            /* no restart has made us forget its numbers */
    uint64_t     wanted;           /* parts below it are taken; 0: not known */
    uint64_t     sent;             /* last part accepted; 0: none, or not known */
    uint64_t     given;            /* parts below it were given to `receiver` */
    uint64_t     receiver;
    struct part *parts;            /* parts[head] is number sent - count + 1 */
    uint32_t     head, count, capacity;
    uint64_t     bytes;            /* of parts[] */
    struct list  left;             /* by number, ascending */
};

struct pipe {
    struct side sides[PIPE_ENDS];
    struct flow flows[PIPE_ENDS];
};

/* ---- ends ---- */

static uint32_t
side_place(const struct side *side, uint64_t session)
{
    uint32_t low = 0;
    uint32_t high = side->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (side->holders[middle].session < session)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct holder *
side_find(const struct side *side, uint64_t session)
{
    uint32_t at = side_place(side, session);

    return at < side->count && side->holders[at].session == session ? &side->holders[at] : NULL;
}

static bool
side_closed(const struct side *side)
{
    return side->opened && side->count == 0;
}

static void
side_add(struct side *side, uint64_t session, bool known)
{
    uint32_t at = side_place(side, session);

    assert(side_find(side, session) == NULL);
    base_grow((void **)&side->holders, &side->capacity, side->count + 1, sizeof(*side->holders));
    memmove(&side->holders[at + 1], &side->holders[at],
            (side->count - at) * sizeof(*side->holders));
    side->holders[at] = (struct holder){ .session = session, .known = known };
    side->count++;
    side->opened = true;
}

static bool
pipe_sends(const struct object *object, uint64_t end)
{
    return object->a == 1 || end == 1;
}

/* ---- flows ---- */

static uint64_t
pipe_whole(const struct act *act)
{
    return act->d << 1 | act->c;
}

/* NULL: taken, or unheard of. */
static const struct part *
flow_part(const struct flow *flow, uint64_t number)
{
    if (number > flow->sent || flow->sent - number >= flow->count)
        return NULL;
    return &flow->parts[flow->head + flow->count - 1 - (uint32_t)(flow->sent - number)];
}

static void
flow_push(struct flow *flow, uint64_t number, uint64_t session, size_t bytes)
{
    assert(flow->count == 0 || number == flow->sent + 1);
    if (flow->head > flow->count && flow->head + flow->count == flow->capacity) {
        memcpy(flow->parts, flow->parts + flow->head, flow->count * sizeof(*flow->parts));
        flow->head = 0;
    }
    base_grow((void **)&flow->parts, &flow->capacity, flow->head + flow->count + 1,
              sizeof(*flow->parts));
    flow->parts[flow->head + flow->count++] =
        (struct part){ .session = session, .bytes = (uint32_t)bytes };
    flow->bytes += bytes;
    flow->sent = number;
}

static void
left_free(struct left *left)
{
    list_remove(&left->link);
    free((void *)(uintptr_t)left->value.data);
    free(left);
}

/* Parts below `number` were taken. */
static void
flow_take(struct flow *flow, uint64_t number)
{
    while (flow->count > 0 && flow->sent - flow->count + 1 < number) {
        flow->bytes -= flow->parts[flow->head++].bytes;
        flow->count--;
    }
    if (flow->count == 0)
        flow->head = 0;
    while (!list_empty(&flow->left)) {
        struct left *left = CONTAINER(flow->left.next, struct left, link);

        if (left->number >= number)
            break;
        left_free(left);
    }
    flow->wanted = number;
    if (flow->sent != 0 && flow->sent < number - 1)
        flow->sent = number - 1;
}

/* Nobody will ever take anything from it. */
static void
flow_clear(struct flow *flow)
{
    flow->head = 0;
    flow->count = 0;
    flow->bytes = 0;
    while (!list_empty(&flow->left))
        left_free(CONTAINER(flow->left.next, struct left, link));
}

/* The last one of `left` whose number is at most this; &flow->left: none. */
static struct list *
left_find(struct flow *flow, uint64_t number)
{
    struct list *link = flow->left.prev;

    while (link != &flow->left && CONTAINER(link, struct left, link)->number > number)
        link = link->prev;
    return link;
}

/* A part outlives the session that sent it.  Takes the value over unless it has
 * the part already: false. */
static bool
flow_leave(struct flow *flow, const struct act *act, struct slice value)
{
    struct list *before = left_find(flow, act->b);
    struct left *left;

    if (before != &flow->left && CONTAINER(before, struct left, link)->number == act->b)
        return false;
    left = base_alloc(sizeof(*left));
    left->number = act->b;
    left->whole = pipe_whole(act);
    left->value = value;
    list_append(before->next, &left->link);      /* in front of what follows */
    return true;
}

static void
flow_leave_wait(struct flow *flow, struct wait *wait)
{
    const struct part *part = flow_part(flow, wait->act.b);

    if (part != NULL && part->session == wait->act.session &&
        flow_leave(flow, &wait->act, wait->act.value))
        wait->act.value = (struct slice){ 0 };
}

static void
flow_leave_copy(struct flow *flow, const struct act *act)
{
    void *copy = base_alloc(act->value.bytes + 1);

    if (act->value.bytes > 0)
        memcpy(copy, act->value.data, act->value.bytes);
    if (!flow_leave(flow, act, slice_of(copy, act->value.bytes)))
        free(copy);
}

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

/* What a session sends or receives goes on with these; 0: not known yet. */
static uint64_t
flow_next_sent(const struct flow *flow)
{
    if (flow->known || flow->sent != 0)
        return flow->sent + 1;
    return flow->wanted;
}

static uint64_t
flow_next_wanted(const struct flow *flow)
{
    if (flow->known || flow->wanted != 0)
        return flow->wanted;
    return flow->count > 0 ? flow->sent - flow->count + 1 : 0;
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
    struct list *ring = &object->lanes[act->a];

    (void)core;
    if (side_find(&pipe->sides[act->a], act->session) == NULL) {
        verdict_error(v, object, MUSTER_ERR_STATE, "this session is not attached to end %u",
                      (unsigned)act->a);
        return;
    }
    if (act->c > wants->wanted && (!wants->known || act->c <= wants->given))
        flow_take(wants, act->c);
    for (struct list *link = ring->next; link != ring; link = link->next) {
        struct wait *wait = CONTAINER(link, struct wait, lane_link);

        if (wait->act.session == act->session)
            flow_leave_wait(sends, wait);
    }
    v->kind = VERDICT_DO;
    v->fact.b = sends->sent;
    v->fact.c = 0;
}

/* ---- send ---- */

/* Is there room for this new part, and is it its turn? */
static bool
send_fits(const struct object *object, const struct flow *flow, const struct act *act,
          struct verdict *v)
{
    if (flow->known || flow->sent != 0) {
        if (act->b <= flow->sent) {
            verdict_error(v, object, MUSTER_ERR_STATE,
                          "part %llu comes behind part %llu: attach this end again",
                          (unsigned long long)act->b, (unsigned long long)flow->sent);
            return false;
        }
        if (act->b != flow->sent + 1) {
            verdict_error(v, object, MUSTER_ERR_BUSY, "part %llu comes first",
                          (unsigned long long)flow->sent + 1);
            return false;
        }
    }
    if (flow->bytes > PIPE_WINDOW_BYTES) {
        verdict_error(v, object, MUSTER_ERR_BUSY, "%llu bytes are on their way",
                      (unsigned long long)flow->bytes);
        return false;
    }
    return true;
}

/* Those behind it have higher numbers and wait as well.  Unless it stands first in
 * its lane already, it is new there: someone may wait for it. */
static void
send_wait(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct wait *first = lane_first(object, (uint32_t)act->a);

    if (first == NULL || &first->act != act)
        object_wake_lanes(core, object);
    verdict_wait(v, (uint32_t)act->a, MUSTER_ERR_TIMEOUT);
    v->halt = true;
}

/* A part that is neither taken nor on its way. */
static void
send_new(struct core *core, struct object *object, const struct act *act, struct holder *holder,
         struct verdict *v)
{
    struct pipe *pipe = object->state;
    struct flow *flow = &pipe->flows[act->a];

    if (holder == NULL) {
        verdict_error(v, object, MUSTER_ERR_STATE, "this session is not attached to end %u",
                      (unsigned)act->a);
        return;
    }
    if (!send_fits(object, flow, act, v))
        return;
    flow_push(flow, act->b, act->session, act->value.bytes);
    holder->sent = act->b;
    send_wait(core, object, act, v);
    if (!flow->used) {
        v->kind = VERDICT_ENTER;
        v->fact.value = (struct slice){ 0 };
    }
}

static bool
send_check(const struct object *object, const struct act *act, struct verdict *v)
{
    if (act->value.bytes > VALUE_BYTES_MAX || act->d > MESSAGE_ITEM_BYTES_MAX) {
        verdict_error(v, object, MUSTER_ERR_TOO_LARGE,
                      "a part has at most %u bytes and a message %u", (unsigned)VALUE_BYTES_MAX,
                      (unsigned)MESSAGE_ITEM_BYTES_MAX);
        return false;
    }
    if (act->b == 0 || act->c > 1 || act->value.bytes > act->d) {
        verdict_error(v, object, MUSTER_ERR_INVALID, "this is no part of a message");
        return false;
    }
    return true;
}

static void
decide_send(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    struct pipe       *pipe = object->state;
    struct flow       *flow = &pipe->flows[act->a];
    struct holder     *holder = side_find(&pipe->sides[act->a], act->session);
    const struct part *part = flow_part(flow, act->b);

    if (!send_check(object, act, v))
        return;
    if (part != NULL && part->session == act->session && holder != NULL) {
        send_wait(core, object, act, v);
    } else if (part != NULL && part->session == act->session) {
        flow_leave_copy(flow, act);  /* it has detached: the part is the pipe's */
        v->kind = VERDICT_ANSWER;
    } else if (part != NULL || (act->b < flow->wanted && holder != NULL && holder->known &&
                                act->b > holder->sent)) {
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "part %llu came from another program: attach this end again",
                      (unsigned long long)act->b);
    } else if (act->b < flow->wanted) {
        v->kind = VERDICT_ANSWER;
    } else if (side_closed(&pipe->sides[1 - act->a])) {
        verdict_error(v, object, MUSTER_ERR_END, "the other end is closed");
    } else {
        send_new(core, object, act, holder, v);
    }
}

/* ---- receive, poll ---- */

/* Walks over what is there, part by part. */
struct walk {
    const struct list *ring, *wait;      /* SENDs that wait */
    const struct list *pile, *left;      /* what others left */
};

static struct walk
walk_begin(const struct object *object, const struct flow *flow, unsigned end)
{
    const struct list *ring = &object->lanes[end];

    return (struct walk){ .ring = ring, .wait = ring->next, .pile = &flow->left,
                          .left = flow->left.next };
}

/* SENDs stand in the order of their parts but for one that came again after its
 * time was over: then look at all of them. */
static const struct wait *
walk_wait(struct walk *walk, uint64_t number)
{
    for (; walk->wait != walk->ring; walk->wait = walk->wait->next) {
        const struct wait *wait = CONTAINER(walk->wait, struct wait, lane_link);

        if (wait->act.b == number)
            return wait;
        if (wait->act.b > number)
            break;
    }
    for (const struct list *link = walk->wait; link != walk->ring; link = link->next) {
        const struct wait *wait = CONTAINER(link, struct wait, lane_link);

        if (wait->act.b == number)
            return wait;
    }
    return NULL;
}

static bool
walk_take(struct walk *walk, uint64_t number, struct slice *value_out, uint64_t *whole_out)
{
    const struct wait *wait;

    for (; walk->left != walk->pile; walk->left = walk->left->next) {
        const struct left *left = CONTAINER(walk->left, struct left, link);

        if (left->number > number)
            break;
        if (left->number == number) {
            *value_out = left->value;
            *whole_out = left->whole;
            return true;
        }
    }
    wait = walk_wait(walk, number);
    if (wait == NULL)
        return false;
    *value_out = wait->act.value;
    *whole_out = pipe_whole(&wait->act);
    return true;
}

static void
part_bad(const struct object *object, const struct flow *flow, const struct act *act,
         struct verdict *v)
{
    if (act->b > 0 && act->b < flow->wanted)
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "part %llu was taken, part %llu is the next: attach this end again",
                      (unsigned long long)act->b, (unsigned long long)flow->wanted);
    else
        verdict_error(v, object, MUSTER_ERR_INVALID, "part %llu cannot be wanted yet",
                      (unsigned long long)act->b);
}

/* May this session have parts from act->b on? */
static bool
receive_check(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct pipe *pipe = object->state;
    const struct side *side = &pipe->sides[act->a];
    const struct flow *flow = &pipe->flows[1 - act->a];

    if (side_find(side, act->session) == NULL) {
        verdict_error(v, object, MUSTER_ERR_STATE, "this session is not attached to end %u",
                      (unsigned)act->a);
        return false;
    }
    if (act->b < flow->wanted || act->b == 0 ||
        (flow->known && act->b > flow->wanted && act->b > flow->given)) {
        part_bad(object, flow, act, v);
        return false;
    }
    if (flow->receiver != act->session && flow->given > act->b &&
        side_find(side, flow->receiver) != NULL) {
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "session %llu receives from this end and has not detached",
                      (unsigned long long)flow->receiver);
        return false;
    }
    return true;
}

/* Part act->b is not there: will it ever be? */
static void
receive_nothing(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct pipe *pipe = object->state;
    const struct side *peer = &pipe->sides[1 - act->a];
    const struct flow *flow = &pipe->flows[1 - act->a];
    uint64_t           last = flow->sent > flow->final ? flow->sent : flow->final;
    bool               closed = side_closed(peer);

    if (closed && act->b > last)
        verdict_error(v, object, MUSTER_ERR_END, "the other end is closed and all was read");
    else if (closed || (flow->count > 0 && act->b < flow->sent - flow->count + 1))
        verdict_error(v, object, MUSTER_ERR_IO,
                      "part %llu is lost: it was with the manager alone, which was restarted",
                      (unsigned long long)act->b);
    else
        verdict_wait(v, LANE_RECEIVERS + (uint32_t)act->a, MUSTER_ERR_EMPTY);
}

/* As many parts from act->b on as fit: their sizes and the block's table in
 * scratch, the parts themselves from where they are.  Returns how many. */
static uint32_t
receive_gather(struct core *core, const struct object *object, const struct act *act)
{
    const struct pipe *pipe = object->state;
    unsigned           from = 1 - (unsigned)act->a;
    struct walk        walk = walk_begin(object, &pipe->flows[from], from);
    struct slice       value;
    uint64_t           whole;
    size_t             bytes = 0;
    uint32_t           count = 0;

    buffer_clear(&core->scratch);
    buffer_clear(&core->scratch2);
    while (count < BLOCK_ITEMS_MAX && walk_take(&walk, act->b + count, &value, &whole)) {
        if (count > 0 && (bytes + value.bytes > act->c ||
                          bytes + value.bytes + (count + 2) * 4 > BLOCK_BYTES_MAX))
            break;
        bytes += value.bytes;
        count++;
        write_u64(&core->scratch, whole);
        buffer_append(&core->scratch2, &value, sizeof(value));
    }
    return count;
}

/* The block's table behind the sizes. */
static void
receive_answer(struct core *core, uint32_t count, struct verdict *v)
{
    const struct slice *parts = (const struct slice *)(const void *)core->scratch2.data;
    size_t              sizes = core->scratch.bytes;
    uint32_t            end = 0;

    write_u32(&core->scratch, count);
    for (uint32_t i = 0; i < count; i++) {
        end += (uint32_t)parts[i].bytes;
        write_u32(&core->scratch, end);
    }
    v->kind = VERDICT_ANSWER;
    v->answer.a = count;
    v->answer.key = slice_cut(buffer_slice(&core->scratch), 0, sizes);
    v->answer.value = slice_cut(buffer_slice(&core->scratch), sizes, SIZE_MAX);
    v->parts = parts;
    v->part_count = count;
}

static void
decide_receive(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    struct pipe *pipe = object->state;
    struct flow *flow = &pipe->flows[1 - act->a];
    uint32_t     count;

    if (!receive_check(object, act, v))
        return;
    if (act->b > flow->wanted) {
        flow_take(flow, act->b);
        object_wake_lanes(core, object);
    }
    count = receive_gather(core, object, act);
    if (count == 0) {
        receive_nothing(object, act, v);
        return;
    }
    flow->receiver = act->session;
    if (flow->given < act->b + count)
        flow->given = act->b + count;
    receive_answer(core, count, v);
}

static void
decide_poll(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct pipe *pipe = object->state;
    unsigned           from = 1 - (unsigned)act->a;
    struct walk        walk = walk_begin(object, &pipe->flows[from], from);
    struct slice       value;
    uint64_t           whole;

    (void)core;
    if (!receive_check(object, act, v))
        return;
    if (!walk_take(&walk, act->b, &value, &whole)) {
        receive_nothing(object, act, v);
        if (v->kind == VERDICT_WAIT)
            return;
    }
    v->kind = VERDICT_ANSWER;        /* the end, too, is something to receive */
    v->answer.a = 1;
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

typedef void pipe_decide_fn(struct core *core, struct object *object, const struct act *act,
                            struct verdict *v);

#define PIPE_VERB(VERB) [VERB_PIPE_##VERB - VERB_PIPE_ATTACH]

static const struct {
    pipe_decide_fn *decide;
    bool            sends, receives;     /* only an end that can may ask */
} pipe_verbs[] = {
    PIPE_VERB(ATTACH)  = { decide_attach, false, false },
    PIPE_VERB(DETACH)  = { decide_detach, false, false },
    PIPE_VERB(SEND)    = { decide_send, true, false },
    PIPE_VERB(RECEIVE) = { decide_receive, false, true },
    PIPE_VERB(POLL)    = { decide_poll, false, true },
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
    if (wait->act.verb != VERB_PIPE_SEND || object->dead)
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
flow_verify(const struct flow *flow)
{
    uint64_t before = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < flow->count; i++)
        bytes += flow->parts[flow->head + i].bytes;
    assert(bytes == flow->bytes);
    assert(flow->count <= flow->sent);
    assert(flow->count == 0 || flow->wanted <= flow->sent - flow->count + 1);
    for (const struct list *link = flow->left.next; link != &flow->left; link = link->next) {
        const struct left *left = CONTAINER(link, struct left, link);

        assert(left->number > before && flow_part(flow, left->number) != NULL);
        before = left->number;
    }
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
