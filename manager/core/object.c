/* object.c - shared objects: what they are, who has them open, what they are asked
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

#include <stdarg.h>
#include <stdio.h>

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
    memcpy(object->initial, initial.data, initial.bytes);
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
    if (!object->dead && !list_linked(&object->dirty))
        list_append(&core->dirty_objects, &object->dirty);
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

    if (object == NULL || object->dead)
        return;
    assert(object->refs > 0);
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
    if (list_linked(&object->dirty))
        list_remove(&object->dirty);
    if (list_linked(&object->touched))
        list_remove(&object->touched);
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

/* ---- bodies ----
 *
 * Owners share a name space with jobs: bit 62 tells them apart.  Those of
 * transient objects (bit 61) are numbered by the epoch, for what is done to a
 * transient object is not replayed. */

#define BODY_OWNER  ((uint64_t)1 << 62)
#define BODY_LOOSE  ((uint64_t)1 << 61)
#define LOOSE_SHIFT 37

uint64_t
object_body_owner(struct core *core)
{
    if (core->deciding != NULL && core->deciding->transient)
        return BODY_OWNER | BODY_LOOSE | core->epoch << LOOSE_SHIFT | (core->loose_last + 1);
    return BODY_OWNER | (core->body_owner_last + 1);
}

static void
body_loose(struct core *core, uint64_t owner, bool gone)
{
    write_u64(&core->loose_news, owner);
    write_u64(&core->loose_news, gone);
}

void
object_body_take(struct core *core, uint64_t owner)
{
    uint64_t number = owner & ~(BODY_OWNER | BODY_LOOSE);

    if ((owner & BODY_LOOSE) != 0) {
        core->loose_last = number & (((uint64_t)1 << LOOSE_SHIFT) - 1);
        body_loose(core, owner, false);
    } else if (number > core->body_owner_last) {
        core->body_owner_last = number;
        core->dirty = true;
    }
}

void
object_body_gone(struct core *core, uint64_t owner)
{
    assert((owner & BODY_OWNER) != 0);
    if (!core->started)
        return;                 /* the store dropped it with the turn of this fact */
    write_u64(&core->bodies_gone, owner);
    if ((owner & BODY_LOOSE) != 0)
        body_loose(core, owner, true);
}

/* ---- verdicts ---- */

void
verdict_error(struct verdict *v, const struct object *object, muster_err error,
              const char *format, ...)
{
    size_t  used = 0;
    va_list args;

    assert(error != MUSTER_OK);
    v->kind = VERDICT_ERROR;
    v->error = error;
    if (object != NULL) {
        object_error_text(object, MUSTER_OK, v->text);
        used = strlen(v->text);
    }
    va_start(args, format);
    (void)vsnprintf(v->text + used, sizeof(v->text) - used, format, args);
    va_end(args);
}

void
verdict_wait(struct verdict *v, uint32_t lane, muster_err when_over)
{
    assert(lane < OBJECT_LANES && when_over != MUSTER_OK);
    v->kind = VERDICT_WAIT;
    v->lane = lane;
    v->error = when_over;
}

/* `queue "tickets": it is empty`; with OK only what stands in front. */
void
object_error_text(const struct object *object, muster_err error, char text[OBJECT_TEXT_BYTES])
{
    static const char *const texts[MUSTER_ERR_COUNT] = {
        [MUSTER_ERR_EMPTY] = "it is empty",
        [MUSTER_ERR_FULL] = "it is full",
        [MUSTER_ERR_TIMEOUT] = "not in time",
        [MUSTER_ERR_CLOSED] = "it was closed",
        [MUSTER_ERR_CANCELED] = "the request was cancelled",
    };
    const char *what = error != MUSTER_OK ? muster_err_text(error) : "";

    assert(error < MUSTER_ERR_COUNT);
    if (texts[error] != NULL)
        what = texts[error];
    if (object->name != NULL)
        (void)snprintf(text, OBJECT_TEXT_BYTES, "%s \"%.*s\": %s", wire_noun_name(object->noun),
                       SLICE_ARGS(object->name->text), what);
    else
        (void)snprintf(text, OBJECT_TEXT_BYTES, "%s %llu: %s", wire_noun_name(object->noun),
                       (unsigned long long)object->id, what);
}

void
object_answer_rebuilt(struct core *core)
{
    assert(core->did != NULL);
    core->did->rebuilt = true;
}

void
object_answer_error(struct core *core, muster_err error, struct slice text)
{
    struct did *did = core->did;

    assert(did != NULL && error != MUSTER_OK);
    did->error = error;
    (void)snprintf(did->text, sizeof(did->text), "%.*s", SLICE_ARGS(text));
}

/* ---- facts ---- */

void
object_record(struct core *core, struct effects *fx, const struct record *record, bool logged)
{
    assert(apply_check(core, record));
    if (logged)
        record_put(&fx->facts, record);
    apply_record(core, record);
    assert(!core->bad);
}

void
object_fact(struct core *core, struct object *object, const struct act *act, struct effects *fx)
{
    struct record   record = { .type = RECORD_TYPE_OBJECT_DID };
    struct session *session = act->session != 0 ? map_get(&core->sessions, act->session) : NULL;
    struct did      did = { 0 };
    struct wait    *wait;

    assert(!object->dead && core->did == NULL);
    record.object_did = (struct record_object_did){
        .object = object->id, .session = act->session, .request = act->request,
        .verb = act->verb, .thread = act->thread,
        .a = act->a, .b = act->b, .c = act->c, .d = act->d,
        .flags = (act->is_reference ? DID_REFERENCE : 0u) | (act->enters ? DID_ENTERS : 0u),
        .unix_ms = act->unix_ms, .key = act->key, .value = act->value,
    };
    core->did = &did;
    object_record(core, fx, &record, !object->transient);
    core->did = NULL;
    if (session != NULL && act->request != 0 && !act->enters) {
        answer_tell(session->id, act->request, &did.answer, did.error, fx);
        wait = wait_find(session, act->request);
        if (wait != NULL)
            wait_free(core, wait);
    }
    objects_die_off(core);
}

/* ---- OPEN ---- */

static void
open_tell(const struct step *step, const struct object *object, bool existed)
{
    union wire_any m = { .object_opened = { .object = object->id,
                                            .noun = (uint8_t)object->noun,
                                            .existed = existed,
                                            .a = object->a,
                                            .b = object->b } };

    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_OBJECT_OPENED, &m);
}

/* Was this request answered already, or can it not be answered at all? */
static bool
step_answered(struct core *core, const struct step *step)
{
    const struct kept *kept;

    if (step->request == 0) {
        effects_error(step->fx, step->session->id, 0, MUSTER_ERR_INVALID,
                      "a request to a shared object needs a number");
        return true;
    }
    if (step->request > step->session->request_high)
        return false;
    kept = kept_find(step->session, step->request);
    if (kept == NULL)
        return false;
    kept_tell(core, step->session, kept, step->fx);
    return true;
}

static bool
step_may_keep(struct core *core, const struct step *step)
{
    if (step->session->kept_count < core->config.answers_kept_max)
        return true;
    core->counters.refused++;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_BUSY,
                  "%u answers have not been seen by this session, the limit",
                  step->session->kept_count);
    return false;
}

static uint64_t
objects_bytes_held(const struct core *core)
{
    return core->object_bytes + core->wait_bytes + core->answer_bytes;
}

static bool
step_may_grow(struct core *core, const struct step *step, uint64_t bytes)
{
    if (core->low) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NO_SPACE,
                      "the manager's disk is nearly full");
        return false;
    }
    if (objects_bytes_held(core) + bytes <= core->config.object_bytes_max)
        return true;
    core->counters.refused++;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                  "shared objects hold %llu bytes, the manager's limit is %llu",
                  (unsigned long long)objects_bytes_held(core),
                  (unsigned long long)core->config.object_bytes_max);
    return false;
}

static void
open_old(struct core *core, const struct step *step, struct object *object)
{
    struct record record = { .type = RECORD_TYPE_OBJECT_TIED };

    if (!object_tied(core, step->session->id, object)) {
        if (!step_may_keep(core, step))
            return;
        record.object_tied = (struct record_object_tied){ object->id, step->session->id,
                                                          step->request };
        object_record(core, step->fx, &record, true);
    }
    open_tell(step, object, true);
}

/* The settings are good for this noun; else it is told what is not. */
static bool
open_checked(struct core *core, const struct step *step, const struct msg_object_open *m)
{
    const struct noun_rules *rules = noun_rules_of(m->noun);
    struct verdict           v = { 0 };

    if (rules == NULL) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_UNSUPPORTED,
                      "this manager has no %s", wire_noun_name(m->noun));
        return false;
    }
    if (rules->check == NULL || rules->check(core, m, &v))
        return true;
    effects_error(step->fx, step->session->id, step->request,
                  v.error != MUSTER_OK ? v.error : MUSTER_ERR_INVALID, "%s \"%.*s\": %s",
                  wire_noun_name(m->noun), SLICE_ARGS(m->name), v.text);
    return false;
}

static void
open_new(struct core *core, const struct step *step, const struct msg_object_open *m)
{
    struct record record = { .type = RECORD_TYPE_OBJECT_MADE };

    if (!open_checked(core, step, m) || !step_may_keep(core, step) ||
        !step_may_grow(core, step, m->value.bytes))
        return;
    if (core->objects.count >= core->config.objects_max) {
        core->counters.refused++;
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                      "the manager has %llu shared objects, its limit",
                      (unsigned long long)core->objects.count);
        return;
    }
    record.object_made = (struct record_object_made){
        .object = core->object_last + 1, .noun = m->noun, .name = m->name,
        .owner = step->session->user->name, .transient = m->transient, .a = m->a, .b = m->b,
        .value = m->value, .session = step->session->id, .request = step->request,
    };
    object_record(core, step->fx, &record, true);
    open_tell(step, object_find(core, core->object_last), false);
}

void
step_object_open(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_open *m = &any->object_open;
    struct object *object = NULL;
    uint64_t       session = step->session->id;

    if (step_answered(core, step))
        return;
    if (m->object != 0)
        object = object_find(core, m->object);
    else if (m->name.bytes > 0)
        object = object_named(core, m->name);

    if (object == NULL && m->object != 0)
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no object %llu (any more)", (unsigned long long)m->object);
    else if (object == NULL && m->mode == OPEN_OLD)
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no %s \"%.*s\"", wire_noun_name(m->noun), SLICE_ARGS(m->name));
    else if (object == NULL)
        open_new(core, step, m);
    else if (object->noun != m->noun)
        effects_error(step->fx, session, step->request, MUSTER_ERR_TYPE,
                      "\"%.*s\" (object %llu) is a %s, not a %s", SLICE_ARGS(m->name),
                      (unsigned long long)object->id, wire_noun_name(object->noun),
                      wire_noun_name(m->noun));
    else if (m->mode == OPEN_NEW)
        effects_error(step->fx, session, step->request, MUSTER_ERR_EXISTS,
                      "the %s \"%.*s\" exists already", wire_noun_name(m->noun),
                      SLICE_ARGS(m->name));
    else
        open_old(core, step, object);
}

/* ---- CLOSE, DELETE ---- */

/* Requests of the waits in a ring, of all sessions or of one; what is done to one
 * may end others, so they are looked up again one by one. */
static void
waits_list(const struct list *ring, size_t link, const struct session *session,
           struct buffer *out)
{
    for (const struct list *at = ring->next; at != ring; at = at->next) {
        const struct wait *wait = (const void *)((const char *)at - link);

        if (session != NULL && wait->session != session)
            continue;
        write_u64(out, wait->session->id);
        write_u64(out, wait->act.request);
    }
}

static void
waits_drop(struct core *core, const struct buffer *list, muster_err why, struct effects *fx)
{
    struct reader in = reader_of(buffer_slice(list));

    while (read_left(&in) > 0) {
        struct session *session = map_get(&core->sessions, read_u64(&in));
        uint64_t        request = read_u64(&in);
        struct wait    *wait = wait_find(session, request);

        if (wait != NULL)
            wait_drop(core, wait, why, fx);
    }
}

void
step_object_close(struct core *core, const struct step *step, const union wire_any *m)
{
    struct object *object = object_find(core, m->object_close.object);
    struct record  record = { .type = RECORD_TYPE_OBJECT_UNTIED };
    struct buffer  waits = { 0 };
    bool           tied = object != NULL && object_tied(core, step->session->id, object);

    if (tied) {
        waits_list(&object->waits, offsetof(struct wait, object_link), step->session, &waits);
        waits_drop(core, &waits, MUSTER_ERR_CLOSED, step->fx);
        buffer_free(&waits);
        record.object_untied = (struct record_object_untied){ object->id, step->session->id };
        object_record(core, step->fx, &record, true);
    }
    effects_ack(step->fx, step->session->id, step->request, tied);
}

void
step_object_delete(struct core *core, const struct step *step, const union wire_any *m)
{
    struct object *object = object_find(core, m->object_delete.object);
    struct record  record = { .type = RECORD_TYPE_OBJECT_DELETED };
    struct buffer  waits = { 0 };
    char           text[OBJECT_TEXT_BYTES];

    if (step_answered(core, step))
        return;
    if (object == NULL) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no object %llu (any more)",
                      (unsigned long long)m->object_delete.object);
        return;
    }
    if (object->owner != step->session->user && step->session->role != ROLE_ADMIN) {
        object_error_text(object, MUSTER_OK, text);
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_DENIED,
                      "%sonly %.*s or an admin may delete it", text,
                      SLICE_ARGS(object->owner->name));
        return;
    }
    if (!step_may_keep(core, step))
        return;
    waits_list(&object->waits, offsetof(struct wait, object_link), NULL, &waits);
    for (uint32_t i = 0; i < OBJECT_LANES; i++)
        waits_list(&object->lanes[i], offsetof(struct wait, lane_link), NULL, &waits);
    waits_drop(core, &waits, MUSTER_ERR_CLOSED, step->fx);
    buffer_free(&waits);
    record.object_deleted = (struct record_object_deleted){ object->id, step->session->id,
                                                            step->request };
    object_record(core, step->fx, &record, true);
    effects_ack(step->fx, step->session->id, step->request, 1);
}

/* ---- DO ---- */

/* Verbs that bring bytes which stay: they stop at the limit, all others may go on,
 * for some of them make room. */
static const bool verb_grows[VERB_COUNT] = {
    [VERB_QUEUE_PUT] = true,       [VERB_QUEUE_PUT_PART] = true, [VERB_VALUE_SET] = true,
    [VERB_VALUE_CAS] = true,       [VERB_LIST_APPEND] = true,    [VERB_LIST_EXTEND] = true,
    [VERB_LIST_INSERT] = true,     [VERB_LIST_SET] = true,       [VERB_LIST_SET_SLICE] = true,
    [VERB_DICT_SET] = true,        [VERB_DICT_SETDEFAULT] = true, [VERB_DICT_UPDATE] = true,
    [VERB_DICT_COPY] = true,       [VERB_DICT_CAS] = true,       [VERB_PIPE_SEND] = true,
    [VERB_SERVICE_PUBLISH] = true, [VERB_SERVICE_CALL] = true,   [VERB_SERVICE_REPLY] = true,
};

static enum wire_noun
verb_noun(const struct object *object)
{
    return object->noun == NOUN_NAMESPACE ? NOUN_DICT : object->noun;
}

/* The object, if this session may ask it this; else it was told why not. */
static struct object *
do_asked(struct core *core, const struct step *step, const struct msg_object_do *m)
{
    const struct wire_verb_rule *rule = wire_verb_rule(m->verb);
    struct object *object = object_find(core, m->object);
    uint64_t       session = step->session->id;
    char           text[OBJECT_TEXT_BYTES];

    if (object == NULL) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "there is no object %llu (any more)", (unsigned long long)m->object);
        return NULL;
    }
    object_error_text(object, MUSTER_OK, text);
    if (rule->kind == VERB_NONE)
        effects_error(step->fx, session, step->request, MUSTER_ERR_UNSUPPORTED,
                      "%sthis manager knows no verb %u", text, m->verb);
    else if (rule->noun != verb_noun(object))
        effects_error(step->fx, session, step->request, MUSTER_ERR_TYPE,
                      "%s\"%s\" is for a %s", text, rule->name, wire_noun_name(rule->noun));
    else if (!object_tied(core, session, object))
        effects_error(step->fx, session, step->request, MUSTER_ERR_NOT_FOUND,
                      "%sthis session has not opened it", text);
    else
        return object;
    return NULL;
}

/* May it be done, as far as limits go? */
static bool
do_allowed(struct core *core, const struct step *step, const struct object *object,
           const struct msg_object_do *m)
{
    enum wire_verb_kind kind = wire_verb_rule(m->verb)->kind;
    uint64_t            bytes = m->key.bytes + m->value.bytes;

    if ((kind == VERB_WRITE || kind == VERB_WAIT) && !step_may_keep(core, step))
        return false;
    if (m->verb == VERB_DICT_COPY) {
        bytes += object->bytes;
        if (core->objects.count >= core->config.objects_max) {
            effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_FULL,
                          "the manager has %llu shared objects, its limit",
                          (unsigned long long)core->objects.count);
            return false;
        }
    }
    return !verb_grows[m->verb] || step_may_grow(core, step, bytes);
}

static bool
do_may_wait(struct core *core, const struct step *step)
{
    if (step->session->wait_map.count < core->config.waits_per_session_max)
        return true;
    core->counters.refused++;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_BUSY,
                  "%u requests of this session wait, the limit",
                  (unsigned)step->session->wait_map.count);
    return false;
}

static void
do_wait(struct core *core, const struct step *step, struct object *object, const struct act *act,
        uint32_t wait_ms, struct verdict *v)
{
    struct wait *wait;

    /* One that was entered before a restart has no wait any more: its noun is asked. */
    if (v->kind == VERDICT_WAIT && wait_ms == 0 && object_rules(object)->timed_out == NULL) {
        if (v->text[0] == '\0')
            object_error_text(object, v->error, v->text);
        effects_error(step->fx, step->session->id, step->request, v->error, "%s", v->text);
        return;
    }
    if (!do_may_wait(core, step))
        return;
    if (v->kind == VERDICT_ENTER)
        verdict_record(core, object, v, step->fx);
    wait = wait_new(core, step->session, object, act, wait_ms, v);
    if (wait_ms == 0)
        wait_over(core, wait, step->fx);
}

/* A request that waits comes again. */
static void
do_again(struct core *core, const struct step *step, struct wait *wait,
         const struct msg_object_do *m)
{
    if (wait->object->id != m->object || wait->act.verb != m->verb) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                      "another request of this number waits");
        return;
    }
    wait_resume(core, wait, m->wait_ms);
}

void
step_object_do(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_do *m = &any->object_do;
    struct wait   *wait;
    struct object *object;
    struct verdict v;
    struct act     act = { .session = step->session->id, .request = step->request,
                           .verb = m->verb, .thread = m->thread, .a = m->a, .b = m->b, .c = m->c,
                           .d = m->d, .is_reference = m->is_reference, .key = m->key,
                           .value = m->value };

    if (step_answered(core, step))
        return;
    wait = step->request <= step->session->request_high ? wait_find(step->session, step->request)
                                                        : NULL;
    if (wait != NULL) {
        do_again(core, step, wait, m);
        return;
    }
    object = do_asked(core, step, m);
    if (object == NULL || !do_allowed(core, step, object, m))
        return;
    verdict_ask(core, object, &act, &v);
    if (v.kind == VERDICT_WAIT || v.kind == VERDICT_ENTER)
        do_wait(core, step, object, &act, m->wait_ms, &v);
    else
        verdict_tell(core, object, &act, &v, step->fx);
}

/* ---- LIST ---- */

static void
list_put(const struct core *core, const struct object *object, struct buffer *out)
{
    char               text[OBJECT_TEXT_BYTES] = "";
    struct wire_object item = { .object = object->id,
                                .noun = (uint8_t)object->noun,
                                .owner = object->owner->name,
                                .transient = object->transient,
                                .sessions = object->ties,
                                .waiting = object->waiting,
                                .bytes = object->bytes };

    if (object->name != NULL)
        item.name = object->name->text;
    object_rules(object)->describe(core, object, &item, text);
    item.text = slice_text(text);
    wire_put_object(out, &item);
}

static bool
list_wants(const struct object *object, const struct msg_object_list_get *m)
{
    return object != NULL && (!m->of_noun || object->noun == m->noun) && object->id > m->after;
}

void
step_object_list(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_list_get *m = &any->object_list_get;
    struct buffer  items = { 0 };
    union wire_any answer = { .object_list = { .more = 0 } };
    uint32_t       count = 0;

    if (m->name.bytes > 0) {
        const struct object *object = object_named(core, m->name);

        if (list_wants(object, m)) {
            list_put(core, object, &items);
            count++;
        }
    }
    for (uint32_t i = order_find(&core->object_order, m->after + 1);
         m->name.bytes == 0 && i < core->object_order.count; i++) {
        const struct object *object = object_find(core, order_at(&core->object_order, i));

        if (!list_wants(object, m))
            continue;
        if (count == LIST_ITEMS_MAX || items.bytes > BLOCK_BYTES_MAX) {
            answer.object_list.more = 1;
            break;
        }
        list_put(core, object, &items);
        count++;
    }
    answer.object_list.objects = (struct wire_list){ buffer_slice(&items), count };
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_OBJECT_LIST, &answer);
    buffer_free(&items);
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
