/* pipe_move.c - what is decided of SEND, RECEIVE and POLL
 *
 * See pipe.h.  All of it changes what is volatile alone.
 */
#include "pipe.h"
#include "plant.h"

static_assert(VALUE_BYTES_MAX + 8 <= BLOCK_BYTES_MAX, "a part must fit a block");
static_assert(BLOCK_BYTES_MAX + BLOCK_ITEMS_MAX * 8 + KIB <= MESSAGE_BODY_BYTES_MAX,
              "a block of parts with their sizes must fit a frame");

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

/* Do we know of all that this session ever sent under such a number? */
static bool
send_is_known(const struct flow *flow, const struct act *act, const struct holder *holder)
{
    return holder->known || (flow->heard != 0 && act->b >= flow->heard);
}

void
pipe_decide_send(struct core *core, struct object *object, const struct act *act, struct verdict *v)
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
        object_wake_lanes(core, object);
        v->kind = VERDICT_ANSWER;
    } else if (part != NULL || (act->b < flow->wanted && holder != NULL &&
                                act->b > holder->sent && send_is_known(flow, act, holder))) {
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
    uint32_t           steps;
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
    for (; walk->wait != walk->ring; walk->wait = walk->wait->next, walk->steps++) {
        const struct wait *wait = CONTAINER(walk->wait, struct wait, lane_link);

        if (wait->act.b == number)
            return wait;
        if (wait->act.b > number)
            break;
    }
    for (const struct list *link = walk->wait; link != walk->ring; link = link->next) {
        const struct wait *wait = CONTAINER(link, struct wait, lane_link);

        walk->steps++;
        if (wait->act.b == number)
            return wait;
    }
    return NULL;
}

static bool
walk_take(struct walk *walk, uint64_t number, struct slice *value_out, uint64_t *whole_out)
{
    const struct wait *wait;

    for (; walk->left != walk->pile; walk->left = walk->left->next, walk->steps++) {
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

/* The parts below it are taken by this request. */
static uint64_t
receive_takes(const struct act *act)
{
    return act->d != 0 ? act->d : act->b;
}

/* Why those numbers cannot be, or NULL. */
static const char *
receive_wrong(const struct flow *flow, const struct act *act)
{
    uint64_t takes = receive_takes(act);

    if (act->b == 0 || takes > act->b)
        return "parts have numbers from 1, and one that is wanted is not taken";
    if (flow->known && takes > flow->wanted && takes > flow->given)
        return "parts were taken that were never given";
    return NULL;
}

/* May this session have part act->b? */
static bool
receive_check(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct pipe *pipe = object->state;
    const struct side *side = &pipe->sides[act->a];
    const struct flow *flow = &pipe->flows[1 - act->a];
    const char        *wrong = receive_wrong(flow, act);

    if (wrong != NULL)
        verdict_error(v, object, MUSTER_ERR_INVALID, "%s", wrong);
    else if (side_find(side, act->session) == NULL)
        verdict_error(v, object, MUSTER_ERR_STATE, "this session is not attached to end %u",
                      (unsigned)act->a);
    else if (act->b < flow->wanted)
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "part %llu was taken, part %llu is the next: attach this end again",
                      (unsigned long long)act->b, (unsigned long long)flow->wanted);
    else if (flow->receiver != act->session && flow->given > flow->wanted &&
             side_find(side, flow->receiver) != NULL)
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "session %llu receives from this end and has not detached",
                      (unsigned long long)flow->receiver);
    else
        return true;
    return false;
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
        verdict_wait(v, PIPE_LANE_RECEIVERS + (uint32_t)act->a, MUSTER_ERR_EMPTY);
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
    object_work(core, walk.steps);
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

void
pipe_decide_receive(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    struct pipe *pipe = object->state;
    struct flow *flow = &pipe->flows[1 - act->a];
    uint32_t     count;

    if (!receive_check(object, act, v))
        return;
    if (PLANT_TAKES(receive_takes(act)) > flow->wanted) {
        flow_take(flow, PLANT_TAKES(receive_takes(act)));
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

void
pipe_decide_poll(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    const struct pipe *pipe = object->state;
    unsigned           from = 1 - (unsigned)act->a;
    struct walk        walk = walk_begin(object, &pipe->flows[from], from);
    struct slice       value;
    uint64_t           whole;
    bool               there;

    if (!receive_check(object, act, v))
        return;
    there = walk_take(&walk, act->b, &value, &whole);
    object_work(core, walk.steps);
    if (!there) {
        receive_nothing(object, act, v);
        if (v->kind == VERDICT_WAIT)
            return;
    }
    v->kind = VERDICT_ANSWER;        /* the end, too, is something to receive */
    v->answer.a = 1;
}
