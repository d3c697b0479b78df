/* pipe_flow.c - who holds the ends of a pipe, and what is on its way
 *
 * See pipe.h.  Nothing here looks at lanes or answers anyone.
 */
#include "pipe.h"

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

struct holder *
side_find(const struct side *side, uint64_t session)
{
    uint32_t at = side_place(side, session);

    return at < side->count && side->holders[at].session == session ? &side->holders[at] : NULL;
}

bool
side_closed(const struct side *side)
{
    return side->opened && side->count == 0;
}

void
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

/* ---- flows ---- */

const struct part *
flow_part(const struct flow *flow, uint64_t number)
{
    if (number > flow->sent || flow->sent - number >= flow->count)
        return NULL;
    return &flow->parts[flow->head + flow->count - 1 - (uint32_t)(flow->sent - number)];
}

void
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
    if (flow->sent == 0)
        flow->heard = number;
    flow->sent = number;
}

static void
left_free(struct left *left)
{
    list_remove(&left->link);
    free((void *)(uintptr_t)left->value.data);
    free(left);
}

void
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
    if (flow->sent != 0 && flow->sent < number - 1) {
        flow->sent = number - 1;
        flow->heard = number;
    }
}

void
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

void
flow_leave_wait(struct flow *flow, struct wait *wait)
{
    const struct part *part = flow_part(flow, wait->act.b);

    if (part != NULL && part->session == wait->act.session &&
        flow_leave(flow, &wait->act, wait->act.value))
        wait->act.value = (struct slice){ 0 };
}

void
flow_leave_copy(struct flow *flow, const struct act *act)
{
    void *copy = base_alloc(act->value.bytes + 1);

    if (act->value.bytes > 0)
        memcpy(copy, act->value.data, act->value.bytes);
    if (!flow_leave(flow, act, slice_of(copy, act->value.bytes)))
        free(copy);
}

uint64_t
flow_next_sent(const struct flow *flow)
{
    if (flow->known || flow->sent != 0)
        return flow->sent + 1;
    return flow->wanted;
}

uint64_t
flow_next_wanted(const struct flow *flow)
{
    if (flow->known || flow->wanted != 0)
        return flow->wanted;
    return flow->count > 0 ? flow->sent - flow->count + 1 : 0;
}

void
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
