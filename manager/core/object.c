/* object.c - shared objects: what they are and who has them open
 *
 *            OPEN                        DELETE, or anonymous and neither
 *   (none) --------> tied, referred to -------------------------------------> gone
 *                                        open anywhere nor referred to
 *
 * 1. A name belongs to one object, whoever asks: sharing by name is the point.
 *    Only its owner or an admin may delete it.
 * 2. Whether an object still has someone who needs it is looked at when a fact
 *    has been applied, in a loop: a chain of references of any length dies
 *    without recursion.
 * 3. The memory of the dead goes when the step ends: what runs above may still
 *    hold a pointer.
 */
#include "object.h"
#include "plant.h"

static const struct noun_rules *const noun_table[NOUN_COUNT] = {
    [NOUN_QUEUE]     = &noun_queue,
    [NOUN_LOCK]      = &noun_lock,
    [NOUN_RLOCK]     = &noun_lock,
    [NOUN_SEMAPHORE] = &noun_semaphore,
    [NOUN_EVENT]     = &noun_event,
    [NOUN_CONDITION] = &noun_condition,
    [NOUN_BARRIER]   = &noun_barrier,
    [NOUN_VALUE]     = &noun_value,
    [NOUN_ARRAY]     = &noun_array,
    [NOUN_LIST]      = &noun_list,
    [NOUN_DICT]      = &noun_dict,
    [NOUN_NAMESPACE] = &noun_dict,
    [NOUN_PIPE]      = &noun_pipe,
    [NOUN_LISTENER]  = &noun_listener,
    [NOUN_SERVICE]   = &noun_service,
};

const struct noun_rules *
noun_rules_of(uint64_t noun)
{
    return noun < NOUN_COUNT && noun_table[noun]->make != NULL ? noun_table[noun] : NULL;
}

/* ---- finding ---- */

struct object *
object_find(const struct core *core, uint64_t id)
{
    assert(core != NULL);
    return map_get(&core->objects, id);
}

struct object *
object_named(const struct core *core, struct slice name)
{
    const struct name *known = name_find(core, name);

    return known != NULL ? map_get(&core->object_names, known->number) : NULL;
}

static uint64_t
tie_key(uint64_t session, uint64_t object)
{
    return session << 40 ^ object;
}

struct tie *
tie_find(const struct core *core, uint64_t session, uint64_t object)
{
    struct tie *tie = map_get(&core->ties, tie_key(session, object));

    while (tie != NULL && (tie->session->id != session || tie->object->id != object))
        tie = tie->next;
    return tie;
}

bool
object_tied(const struct core *core, uint64_t session, const struct object *object)
{
    assert(object != NULL);
    return tie_find(core, session, object->id) != NULL;
}

static int
key_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

uint64_t *
map_keys(const struct map *map)
{
    uint64_t *keys = base_array(map->count + 1, sizeof(*keys));
    size_t    count = 0;
    size_t    cursor = 0;
    uint64_t  key;

    while (map_next(map, &cursor, &key) != NULL)
        keys[count++] = key;
    qsort(keys, count, sizeof(*keys), key_compare);
    return keys;
}

/* ---- life ---- */

struct object *
object_enter(struct core *core, uint64_t id, enum wire_noun noun, struct slice name,
             struct slice owner, bool transient)
{
    struct object *object = base_alloc(sizeof(*object));

    assert(id != 0 && object_find(core, id) == NULL);
    object->id = id;
    object->noun = noun;
    object->owner = user_take(core, owner);
    object->transient = transient;
    list_init(&object->tie_list);
    list_init(&object->waits);
    for (uint32_t i = 0; i < OBJECT_LANES; i++)
        list_init(&object->lanes[i]);
    map_put(&core->objects, id, object);
    core->counters.objects++;
    if (name.bytes > 0) {
        object->name = name_take(core, name);
        map_put(&core->object_names, object->name->number, object);
        order_add(&core->object_order, id);
    }
    return object;
}

/* A transient object is made again from it after a restart. */
void
object_initial(struct object *object, struct slice initial)
{
    if (!object->transient || initial.bytes == 0)
        return;
    object->initial = base_alloc(initial.bytes);
    memcpy(object->initial, initial.data, PLANT_INITIAL(initial.bytes));
    object->initial_bytes = (uint32_t)initial.bytes;
}

static bool
object_needed(const struct object *object)
{
    return object->name != NULL || object->ties > 0 || object->refs > 0;
}

/* To be looked at when the fact is applied: perhaps nobody needs it any more. */
static void
object_doubt(struct core *core, const struct object *object)
{
    if (!object->dead && !object_needed(object))
        write_u64(&core->dying, object->id);
}

struct tie *
tie_new(struct core *core, struct session *session, struct object *object, uint64_t number)
{
    struct tie *tie = base_alloc(sizeof(*tie));
    uint64_t    key = tie_key(session->id, object->id);

    assert(tie_find(core, session->id, object->id) == NULL);
    *tie = (struct tie){ .session = session, .object = object, .number = number,
                         .next = map_get(&core->ties, key) };
    map_put(&core->ties, key, tie);
    list_append(&object->tie_list, &tie->object_link);
    list_append(&session->ties, &tie->session_link);
    object->ties++;
    return tie;
}

static void
ties_dirty(struct core *core, struct session *session)
{
    if (!list_linked(&session->ties_dirty))
        list_append(&core->dirty_ties, &session->ties_dirty);
}

void
tie_free(struct core *core, struct tie *tie)
{
    uint64_t    key = tie_key(tie->session->id, tie->object->id);
    struct tie *first = map_get(&core->ties, key);

    if (first != tie) {
        while (first->next != tie)
            first = first->next;
        first->next = tie->next;
    } else if (tie->next != NULL) {
        map_put(&core->ties, key, tie->next);
    } else {
        map_remove(&core->ties, key);
    }
    list_remove(&tie->object_link);
    list_remove(&tie->session_link);
    tie->object->ties--;
    ties_dirty(core, tie->session);
    object_doubt(core, tie->object);
    free(tie);
}

void
object_tie(struct core *core, struct object *object, uint64_t id)
{
    struct session *session = map_get(&core->sessions, id);

    /* A session that ended cannot hold anything. */
    if (session == NULL || object->dead || object_tied(core, id, object))
        return;
    tie_new(core, session, object, ++core->tie_last);
    core->dirty = true;
    ties_dirty(core, session);
}

void
object_head_dirty(struct core *core, struct object *object)
{
    if (object->dead || list_linked(&object->dirty))
        return;
    list_append(&core->dirty_objects, &object->dirty);
    core->changed++;
}

void
object_refer(struct core *core, struct object *object)
{
    assert(!object->dead);
    object->refs++;
    object_head_dirty(core, object);
}

void
object_unrefer(struct core *core, uint64_t id)
{
    struct object *object = object_find(core, id);

    /* What a load refused is only freed: nothing says that its counts fit. */
    if (object == NULL || object->dead || !core->linked)
        return;
    if (object->refs == 0) {        /* a store that does not fit together */
        core->bad = true;
        return;
    }
    object->refs--;
    object_head_dirty(core, object);
    object_doubt(core, object);
}

struct object *
object_make(struct core *core, enum wire_noun noun, const struct user *owner, bool transient,
            uint64_t a, uint64_t b)
{
    struct object *object;

    assert(noun_rules_of(noun) != NULL);
    object = object_enter(core, ++core->object_last, noun, slice_of(NULL, 0), owner->name,
                          transient);
    core->dirty = true;
    object->a = a;
    object->b = b;
    object_rules(object)->make(core, object, slice_of(NULL, 0));
    object_head_dirty(core, object);
    object_doubt(core, object);
    return object;
}

/* Ids of the gone stay in the order until they are half of it. */
static void
object_unname(struct core *core, struct object *object)
{
    struct order *order = &core->object_order;

    map_remove(&core->object_names, object->name->number);
    name_drop(core, object->name);
    object->name = NULL;
    core->object_lost++;
    if (core->object_lost * 2 > order->count) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < order->count; i++) {
            uint64_t id = order_at(order, i);

            if (object_find(core, id) != NULL)
                order->ids[order->head + kept++] = id;
        }
        order->count = kept;
        core->object_lost = 0;
    }
}

static void
object_unstore(struct core *core, struct object *object)
{
    size_t   cursor = 0;
    uint64_t piece;

    if (object->stored)
        snapshot_gone(core, OBJECT_HEAD, object->id);
    if (object->pieces == NULL)
        return;
    while (map_next(&object->pieces->stored, &cursor, &piece) != NULL)
        snapshot_gone(core, OBJECT_PIECE, object->id << OBJECT_PIECE_SHIFT | piece);
    map_free(&object->pieces->stored);
    core->changed -= object->pieces->dirty.count;
    map_free(&object->pieces->dirty);
    free(object->pieces);
    object->pieces = NULL;
}

/* Whoever still waits here, or in its lanes, is told by the next settling. */
static void
object_orphan(struct core *core, struct object *object)
{
    for (uint32_t i = 0; i < OBJECT_LANES; i++) {
        while (!list_empty(&object->lanes[i])) {
            struct wait *wait = CONTAINER(object->lanes[i].next, struct wait, lane_link);

            list_remove(&wait->lane_link);
            wait->host = NULL;
            if (!list_linked(&wait->woken))
                list_append(&core->waits_woken, &wait->woken);
        }
    }
    for (struct list *at = object->waits.next; at != &object->waits; at = at->next) {
        struct wait *wait = CONTAINER(at, struct wait, object_link);

        if (!list_linked(&wait->woken))
            list_append(&core->waits_woken, &wait->woken);
    }
}

void
object_die(struct core *core, struct object *object)
{
    assert(!object->dead);
    while (!list_empty(&object->tie_list))
        tie_free(core, CONTAINER(object->tie_list.next, struct tie, object_link));
    object_rules(object)->free(core, object);
    object->dead = true;
    map_remove(&core->objects, object->id);
    if (object->name != NULL)
        object_unname(core, object);
    object_unstore(core, object);
    object_orphan(core, object);
    core->object_bytes -= object->bytes;
    core->counters.objects--;
    object->bytes = 0;
    if (object->timer.place > 0)
        heap_remove(&core->alarms, &object->timer);
    if (list_linked(&object->dirty)) {
        list_remove(&object->dirty);
        core->changed--;
    }
    if (list_linked(&object->touched))
        list_remove(&object->touched);
    if (list_linked(&object->late))
        list_remove(&object->late);
    list_append(&core->objects_dead, &object->touched);
}

void
objects_die_off(struct core *core)
{
    for (size_t at = 0; at < core->dying.bytes; at += sizeof(uint64_t)) {
        struct reader  in = reader_of(slice_of(core->dying.data + at, sizeof(uint64_t)));
        struct object *object = object_find(core, read_u64(&in));

        if (object != NULL && !object_needed(object))
            object_die(core, object);
    }
    buffer_clear(&core->dying);
}

void
objects_reap(struct core *core)
{
    while (!list_empty(&core->objects_dead)) {
        struct object *object = CONTAINER(core->objects_dead.next, struct object, touched);

        assert(list_empty(&object->waits));
        list_remove(&object->touched);
        free(object->initial);
        free(object);
    }
}

/* ---- what changes ---- */

void
object_wake_lanes(struct core *core, struct object *object)
{
    if (core->started && !object->dead && !list_linked(&object->touched))
        list_append(&core->objects_touched, &object->touched);
}

void
object_touch(struct core *core, struct object *object)
{
    if (!object->transient)
        object_head_dirty(core, object);
    object_wake_lanes(core, object);
}

void
object_piece_dirty(struct core *core, struct object *object, uint32_t piece)
{
    assert(piece < 1u << OBJECT_PIECE_SHIFT);
    if (object->transient || object->dead)
        return;
    if (object->pieces == NULL)
        object->pieces = base_alloc(sizeof(*object->pieces));
    core->changed += map_get(&object->pieces->dirty, piece) == NULL;
    map_put(&object->pieces->dirty, piece, object);
    object_head_dirty(core, object);
}

void
object_bytes(struct core *core, struct object *object, int64_t change)
{
    assert(change >= 0 || object->bytes >= (uint64_t)-change);
    object->bytes += (uint64_t)change;
    core->object_bytes += (uint64_t)change;
}

void
object_alarm(struct core *core, struct object *object, uint64_t unix_ms)
{
    if (!core->started || object->dead)
        return;
    if (unix_ms == 0) {
        if (object->timer.place > 0)
            heap_remove(&core->alarms, &object->timer);
        return;
    }
    object->timer.key = unix_ms;
    object->timer.tie = object->id;
    heap_update(&core->alarms, &object->timer);
}

/* ---- start and end ---- */

void
objects_bodies_drop(struct core *core, struct effects *fx)
{
    uint64_t *owners = map_keys(&core->loose_bodies);

    for (size_t i = 0; i < core->loose_bodies.count; i++)
        effects_prune(fx, owners[i]);
    free(owners);
}

void
objects_start(struct core *core, struct effects *fx)
{
    size_t    count = core->objects.count;
    uint64_t *ids = map_keys(&core->objects);

    for (size_t i = 0; i < count; i++) {
        struct object *object = object_find(core, ids[i]);

        if (object != NULL && object_rules(object)->start != NULL)
            object_rules(object)->start(core, object);
        if (object != NULL)
            object_wake_lanes(core, object);
    }
    free(ids);
    objects_settle(core, fx);
}

void
objects_free(struct core *core)
{
    size_t    count = core->objects.count;
    uint64_t *ids = map_keys(&core->objects);

    for (uint32_t i = 0; i < core->session_order.count; i++) {
        struct session *session = map_get(&core->sessions, order_at(&core->session_order, i));

        while (!list_empty(&session->waits))
            wait_free(core, CONTAINER(session->waits.next, struct wait, session_link));
        kept_free_all(core, session);
    }
    for (size_t i = 0; i < count; i++) {
        struct object *object = object_find(core, ids[i]);

        if (object != NULL)
            object_die(core, object);
    }
    free(ids);
    objects_reap(core);
    map_free(&core->objects);
    map_free(&core->object_names);
    map_free(&core->ties);
    map_free(&core->loose_bodies);
    heap_free(&core->wait_ends);
    heap_free(&core->alarms);
    free(core->object_order.ids);
    buffer_free(&core->dying);
    buffer_free(&core->bodies_gone);
    buffer_free(&core->loose_news);
    buffer_free(&core->loaded);
}
