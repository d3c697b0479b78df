/* object_wait.c - requests that wait: lanes, time-outs, what wakes them
 *
 *            WAIT, ENTER              DO, ANSWER, ERROR; wait_ms is over; cancelled
 *   request ------------> in a lane -------------------------------------------> answered
 *                          ^     |
 *                          |     | its connection is lost, or slow
 *                          `--- parked
 *              asked for again;  fast again
 *
 * 1. A wait stands in one lane, of its own object or of another, or is parked.
 * 2. Settling looks at the first of each lane of what was touched, and goes on
 *    as long as it can: nothing moves after it that could have moved in it.
 * 3. A parked wait keeps its place: it comes back to where it stood.
 * 4. But for late lanes (object.h): of those a turn looks at LATE_WAITS_MAX waits, and
 *    the next one goes on, so that a change that a million watch holds nobody up.
 */
#include "object.h"

enum {
    SETTLE_WORK    = 10,           /* to decide once more about one that waits */
    LATE_WAITS_MAX = 8192,
};

/* ---- lanes ---- */

static void
wait_wake(struct core *core, struct wait *wait)
{
    if (!list_linked(&wait->woken))
        list_append(&core->waits_woken, &wait->woken);
}

static void
lane_leave(struct core *core, struct wait *wait)
{
    struct object *host = wait->host;

    if (host == NULL)
        return;
    /* Whoever is first now may be one who can go. */
    if (host->lanes[wait->lane].next == &wait->lane_link)
        object_wake_lanes(core, host);
    if (core->settle_at == &wait->lane_link)
        core->settle_at = wait->lane_link.next;
    if (host->late_at == &wait->lane_link)
        host->late_at = wait->lane_link.next;
    if (core->wait_hint == wait)
        core->wait_hint = NULL;
    list_remove(&wait->lane_link);
    wait->host = NULL;
}

static void
lane_enter(struct core *core, struct wait *wait, struct object *host, uint32_t lane)
{
    struct list *ring = &host->lanes[lane];
    struct list *at = ring;
    struct wait *hint = core->wait_hint;

    assert(wait->host == NULL && lane < OBJECT_LANES && !host->dead);
    if (!list_empty(ring) && CONTAINER(ring->prev, struct wait, lane_link)->place > wait->place) {
        /* Those of a session come back one after the other: begin where the one before
         * went. */
        at = hint != NULL && hint->host == host && hint->lane == lane && hint->place < wait->place
                 ? &hint->lane_link
                 : ring->next;
        for (; CONTAINER(at, struct wait, lane_link)->place < wait->place; at = at->next)
            object_work(core, 1);
        core->wait_hint = wait;
    }
    list_append(at, &wait->lane_link);      /* in front of it */
    wait->host = host;
    wait->lane = lane;
    if (ring->next == &wait->lane_link && ring->prev != &wait->lane_link)
        object_wake_lanes(core, host);
}

/* Where its verdict says.  False: there it is already. */
static bool
lane_move(struct core *core, struct wait *wait, const struct verdict *v)
{
    struct object *host = v->lane_of != NULL ? v->lane_of : wait->object;

    wait->error = v->error;
    if (wait->host == host && wait->lane == v->lane)
        return false;
    if (wait->host != NULL)
        wait->place = ++core->wait_last;
    lane_leave(core, wait);
    lane_enter(core, wait, host, v->lane);
    return true;
}

/* ---- life ---- */

/* Clients choose their numbers: mixed, they cannot choose slots of the map. */
static uint64_t
wait_key(const struct session *session, uint64_t request)
{
    return treap_mix(session->kept.seed, request);
}

struct wait *
wait_find(const struct session *session, uint64_t request)
{
    return map_get(&session->wait_map, wait_key(session, request));
}

static struct slice
wait_copy(struct slice bytes)
{
    void *copy;

    if (bytes.bytes == 0)
        return slice_of(NULL, 0);
    copy = base_realloc(NULL, bytes.bytes);      /* not zeroed: it may be large */
    memcpy(copy, bytes.data, bytes.bytes);
    return slice_of(copy, bytes.bytes);
}

static void
wait_term(struct core *core, struct wait *wait, uint32_t wait_ms)
{
    if (wait_ms == UINT32_MAX) {
        if (wait->timer.place > 0)
            heap_remove(&core->wait_ends, &wait->timer);
        return;
    }
    wait->timer.key = core->now_ms + wait_ms;
    wait->timer.tie = wait->place;
    heap_update(&core->wait_ends, &wait->timer);
}

struct wait *
wait_new(struct core *core, struct session *session, struct object *object, const struct act *act,
         uint32_t wait_ms, const struct verdict *v)
{
    struct wait *wait = base_alloc(sizeof(*wait));

    assert(wait_find(session, act->request) == NULL && v->error != MUSTER_OK);
    wait->object = object;
    wait->session = session;
    wait->act = *act;
    wait->act.key = wait_copy(act->key);
    wait->act.value = wait_copy(act->value);
    wait->bytes = sizeof(*wait) + act->key.bytes + act->value.bytes;
    wait->place = ++core->wait_last;
    wait->error = v->error;
    wait->entered = v->kind == VERDICT_ENTER;
    list_append(&object->waits, &wait->object_link);
    list_append(&session->waits, &wait->session_link);
    map_put(&session->wait_map, wait_key(session, act->request), wait);
    if (act->request > session->request_high)
        session->request_high = act->request;
    object->waiting++;
    core->wait_count++;
    core->wait_bytes += wait->bytes;
    if (object->dead)                       /* its own fact ended it */
        wait_wake(core, wait);
    else if (!session->slow)
        lane_enter(core, wait, v->lane_of != NULL ? v->lane_of : object, v->lane);
    wait_term(core, wait, wait_ms);
    return wait;
}

void
wait_free(struct core *core, struct wait *wait)
{
    lane_leave(core, wait);
    list_remove(&wait->object_link);
    list_remove(&wait->session_link);
    map_remove(&wait->session->wait_map, wait_key(wait->session, wait->act.request));
    if (list_linked(&wait->woken))
        list_remove(&wait->woken);
    if (wait->timer.place > 0)
        heap_remove(&core->wait_ends, &wait->timer);
    wait->object->waiting--;
    core->wait_count--;
    core->wait_bytes -= wait->bytes;
    free((void *)(uintptr_t)wait->act.key.data);
    free((void *)(uintptr_t)wait->act.value.data);
    free(wait);
}

void
wait_resume(struct core *core, struct wait *wait, uint32_t wait_ms)
{
    /* Over the same connection, too: who asks again may have less time now. */
    wait_term(core, wait, wait_ms);
    if (!wait->away)
        return;
    wait->away = false;
    if (!wait->session->slow)
        wait_wake(core, wait);
}

/* Its request is answered by an error. */
static void
wait_refuse(struct core *core, struct wait *wait, muster_err why, struct effects *fx)
{
    char text[OBJECT_TEXT_BYTES];

    object_error_text(wait->object, why, text);
    effects_error(fx, wait->session->id, wait->act.request, why, "%s", text);
    wait_free(core, wait);
}

void
wait_over(struct core *core, struct wait *wait, struct effects *fx)
{
    const struct noun_rules *rules = object_rules(wait->object);

    if (wait->timer.place > 0)
        heap_remove(&core->wait_ends, &wait->timer);
    if (!wait->object->dead && rules->timed_out != NULL &&
        rules->timed_out(core, wait->object, wait, fx))
        return;
    wait_refuse(core, wait, wait->object->dead ? MUSTER_ERR_CLOSED : wait->error, fx);
}

void
wait_drop(struct core *core, struct wait *wait, muster_err why, struct effects *fx)
{
    struct object           *object = wait->object;
    struct session          *session = wait->session;
    uint64_t                 request = wait->act.request;
    const struct noun_rules *rules = object_rules(object);

    lane_leave(core, wait);
    if (!object->dead && rules->wait_dropped != NULL)
        rules->wait_dropped(core, object, wait, fx);
    if (wait_find(session, request) != wait)
        return;                 /* it was answered on the way out */
    if (why != MUSTER_OK)
        wait_refuse(core, wait, why, fx);
    else
        wait_free(core, wait);
}

/* ---- sessions ---- */

static void
wait_park(struct core *core, struct wait *wait)
{
    lane_leave(core, wait);
    if (list_linked(&wait->woken))
        list_remove(&wait->woken);
}

void
session_park(struct core *core, struct session *session)
{
    for (struct list *at = session->waits.next; at != &session->waits; at = at->next) {
        struct wait *wait = CONTAINER(at, struct wait, session_link);

        wait_park(core, wait);
        wait->away = true;
        if (wait->timer.place > 0)
            heap_remove(&core->wait_ends, &wait->timer);
    }
}

void
session_hold(struct core *core, struct session *session, bool slow)
{
    for (struct list *at = session->waits.next; at != &session->waits; at = at->next) {
        struct wait *wait = CONTAINER(at, struct wait, session_link);

        if (slow)
            wait_park(core, wait);
        else if (!wait->away)
            wait_wake(core, wait);
    }
}

void
session_waits_end(struct core *core, struct session *session, struct effects *fx)
{
    while (!list_empty(&session->waits))
        wait_drop(core, CONTAINER(session->waits.next, struct wait, session_link), MUSTER_OK, fx);
}

/* What is done to one wait may end others, so they are looked up again one by one. */
static void
waits_name(const struct wait *wait, struct buffer *out)
{
    write_u64(out, wait->session->id);
    write_u64(out, wait->act.request);
}

static void
waits_close(struct core *core, struct buffer *names, struct effects *fx)
{
    struct reader in = reader_of(buffer_slice(names));

    while (read_left(&in) > 0) {
        struct session *session = map_get(&core->sessions, read_u64(&in));
        struct wait    *wait = wait_find(session, read_u64(&in));

        if (wait != NULL)
            wait_drop(core, wait, MUSTER_ERR_CLOSED, fx);
    }
    buffer_free(names);
}

void
session_waits_close(struct core *core, struct session *session, struct object *object,
                    struct effects *fx)
{
    struct buffer names = { 0 };

    if (object->waiting <= session->wait_map.count) {
        object_work(core, object->waiting);
        for (struct list *at = object->waits.next; at != &object->waits; at = at->next) {
            const struct wait *wait = CONTAINER(at, struct wait, object_link);

            if (wait->session == session)
                waits_name(wait, &names);
        }
    } else {
        object_work(core, session->wait_map.count);
        for (struct list *at = session->waits.next; at != &session->waits; at = at->next) {
            const struct wait *wait = CONTAINER(at, struct wait, session_link);

            if (wait->object == object)
                waits_name(wait, &names);
        }
    }
    waits_close(core, &names, fx);
}

void
object_waits_close(struct core *core, struct object *object, struct effects *fx)
{
    struct buffer names = { 0 };

    for (struct list *at = object->waits.next; at != &object->waits; at = at->next)
        waits_name(CONTAINER(at, struct wait, object_link), &names);
    for (uint32_t i = 0; i < OBJECT_LANES; i++) {
        for (struct list *at = object->lanes[i].next; at != &object->lanes[i]; at = at->next)
            waits_name(CONTAINER(at, struct wait, lane_link), &names);
    }
    waits_close(core, &names, fx);
}

void
object_wake(struct core *core, uint64_t id, uint64_t request)
{
    const struct session *session = map_get(&core->sessions, id);
    struct wait          *wait = session != NULL ? wait_find(session, request) : NULL;

    if (wait != NULL && wait->host != NULL)
        wait_wake(core, wait);
}

/* ---- settling ---- */

/* Decide about one that waits.  True: those behind it in its lane need not be
 * looked at. */
static bool
settle_wait(struct core *core, struct wait *wait, struct effects *fx)
{
    struct session *session = wait->session;
    uint64_t        request = wait->act.request;
    struct verdict  v;

    if (wait->object->dead) {
        wait_refuse(core, wait, MUSTER_ERR_CLOSED, fx);
        return false;
    }
    object_work(core, SETTLE_WORK);
    verdict_ask(core, wait->object, &wait->act, &v);
    if (v.kind == VERDICT_ENTER) {
        wait->entered = true;
        verdict_record(core, wait->object, &v, fx);
    }
    if (v.kind == VERDICT_WAIT || v.kind == VERDICT_ENTER) {
        bool look = wire_verb_rule(wait->act.verb)->kind == VERB_LOOK;

        if (wait->object->dead || lane_move(core, wait, &v))
            return false;
        return !look || v.halt;
    }
    verdict_tell(core, wait->object, &wait->act, &v, fx);
    if (wait_find(session, request) == wait)
        wait_free(core, wait);
    return false;
}

static void
settle_lane(struct core *core, struct object *object, uint32_t lane, struct effects *fx)
{
    struct list *ring = &object->lanes[lane];

    core->settle_at = ring->next;
    while (core->settle_at != ring) {
        struct wait *wait = CONTAINER(core->settle_at, struct wait, lane_link);

        core->settle_at = wait->lane_link.next;
        if (settle_wait(core, wait, fx))
            break;
    }
    core->settle_at = NULL;
}

/* Its late lane is to be looked at from the first on. */
static void
late_begin(struct core *core, struct object *object)
{
    if (list_linked(&object->late)) {
        object->late_again = true;
        return;
    }
    object->late_again = false;
    object->late_at = object->lanes[object_rules(object)->late_lane].next;
    list_append(&core->objects_late, &object->late);
}

/* Go on with the late lane of the object until its end, or that of the turn's share. */
static void
late_walk(struct core *core, struct object *object, struct effects *fx)
{
    struct list *ring = &object->lanes[object_rules(object)->late_lane];
    bool         halted = false;

    while (!halted && object->late_at != ring && core->late_left > 0) {
        struct wait *wait = CONTAINER(object->late_at, struct wait, lane_link);

        object->late_at = wait->lane_link.next;
        core->late_left--;
        halted = settle_wait(core, wait, fx);
        if (object->dead)
            return;
    }
    if (!halted && object->late_at != ring)
        return;
    list_remove(&object->late);
    object->late_at = NULL;
    if (object->late_again)
        late_begin(core, object);
}

static void
settle_late(struct core *core, struct effects *fx)
{
    while (!list_empty(&core->objects_late) && core->late_left > 0)
        late_walk(core, CONTAINER(core->objects_late.next, struct object, late), fx);
}

static void
settle_lanes(struct core *core, struct object *object, struct effects *fx)
{
    const struct noun_rules *rules = object_rules(object);

    for (uint32_t i = 0; i < OBJECT_LANES; i++) {
        if (list_empty(&object->lanes[i]))
            continue;
        if (rules->has_late && rules->late_lane == i)
            late_begin(core, object);
        else
            settle_lane(core, object, i, fx);
    }
}

static void
settle_bodies(struct core *core, struct effects *fx)
{
    struct reader gone = reader_of(buffer_slice(&core->bodies_gone));
    struct reader loose = reader_of(buffer_slice(&core->loose_news));
    struct record record = { .type = RECORD_TYPE_BODY_LOOSE };

    while (read_left(&gone) > 0)
        effects_prune(fx, read_u64(&gone));
    while (read_left(&loose) > 0) {
        record.body_loose.owner = read_u64(&loose);
        record.body_loose.gone = read_u64(&loose);
        object_record(core, fx, &record, true);
    }
    buffer_clear(&core->bodies_gone);
    buffer_clear(&core->loose_news);
}

void
objects_settle(struct core *core, struct effects *fx)
{
    for (;;) {
        struct object *object;

        if (list_empty(&core->waits_woken) && list_empty(&core->objects_touched))
            settle_late(core, fx);
        if (list_empty(&core->waits_woken) && list_empty(&core->objects_touched))
            break;

        if (!list_empty(&core->waits_woken)) {
            struct wait *wait = CONTAINER(core->waits_woken.next, struct wait, woken);

            list_remove(&wait->woken);
            (void)settle_wait(core, wait, fx);
            continue;
        }
        object = CONTAINER(core->objects_touched.next, struct object, touched);
        list_remove(&object->touched);
        settle_lanes(core, object, fx);
    }
    objects_reap(core);
    settle_bodies(core, fx);
}

/* ---- turns ---- */

void
objects_turn(struct core *core, struct effects *fx)
{
    struct heap_node *node;

    core->late_left = LATE_WAITS_MAX;
    while ((node = heap_first(&core->wait_ends)) != NULL && node->key <= core->now_ms)
        wait_over(core, CONTAINER(node, struct wait, timer), fx);
    while ((node = heap_first(&core->alarms)) != NULL && node->key <= core_unix_ms(core)) {
        struct object *object = CONTAINER(node, struct object, timer);

        heap_remove(&core->alarms, node);
        if (object_rules(object)->tick != NULL)
            object_rules(object)->tick(core, object, fx);
    }
    objects_settle(core, fx);
}

uint64_t
objects_wake_ms(const struct core *core)
{
    const struct heap_node *end = heap_first(&core->wait_ends);
    const struct heap_node *alarm = heap_first(&core->alarms);
    uint64_t                wake_ms = end != NULL ? end->key : UINT64_MAX;
    uint64_t                unix_ms = core_unix_ms(core);

    if (!list_empty(&core->waits_woken) || !list_empty(&core->objects_touched) ||
        !list_empty(&core->objects_late))
        return core->now_ms;
    if (alarm != NULL && alarm->key <= unix_ms)
        return core->now_ms;
    if (alarm != NULL && core->now_ms + (alarm->key - unix_ms) < wake_ms)
        wake_ms = core->now_ms + (alarm->key - unix_ms);
    return wake_ms;
}
