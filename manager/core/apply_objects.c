/* apply_objects.c - facts about shared objects change memory here
 *
 * 1. Whether an act fits the state is for the noun's apply to say, while it is
 *    applied: its no makes the core bad, which ends a replay.
 * 2. Facts about what was done to a transient object are never in a log.
 */
#include "apply.h"
#include "object.h"
#include "plant.h"

static bool
session_known(const struct core *core, uint64_t session)
{
    return session == 0 || map_get(&core->sessions, session) != NULL;
}

/* Nothing was answered to this request yet. */
static bool
request_new(const struct core *core, uint64_t id, uint64_t request)
{
    const struct session *session = map_get(&core->sessions, id);

    return session == NULL || request == 0 || kept_find(session, request) == NULL;
}

static void
keep(struct core *core, uint64_t id, const struct kept *kept)
{
    struct session *session = map_get(&core->sessions, id);

    if (session != NULL && kept->request != 0)
        kept_add(core, session, kept);
}

/* ---- life ---- */

static bool
settings_good(const struct core *core, const struct record_object_made *it)
{
    const struct noun_rules *rules = noun_rules_of(it->noun);
    struct msg_object_open   m = { .noun = (uint8_t)it->noun, .name = it->name,
                                   .transient = it->transient != 0, .a = it->a, .b = it->b,
                                   .value = it->value };
    struct verdict           v = { 0 };

    return rules != NULL && (rules->check == NULL || rules->check(core, &m, &v));
}

bool
check_object_made(const struct core *core, const struct record_object_made *it)
{
    return it->object == core->object_last + 1 &&
           it->object < (uint64_t)1 << (63 - OBJECT_PIECE_SHIFT) &&
           it->name.bytes <= NAME_BYTES_MAX && it->owner.bytes <= NAME_BYTES_MAX &&
           it->transient <= 1 && it->value.bytes <= VALUE_BYTES_MAX &&
           (it->name.bytes == 0 || object_named(core, it->name) == NULL) &&
           session_known(core, it->session) && request_new(core, it->session, it->request) &&
           settings_good(core, it);
}

void
apply_object_made(struct core *core, const struct record_object_made *it)
{
    struct object *object = object_enter(core, it->object, (enum wire_noun)it->noun, it->name,
                                         it->owner, it->transient != 0);

    core->object_last = it->object;
    core->dirty = true;
    object->a = it->a;
    object->b = it->b;
    object_initial(object, it->value);
    object_rules(object)->make(core, object, it->value);
    object_head_dirty(core, object);
    object_tie(core, object, it->session);
    keep(core, it->session, &(struct kept){ .request = it->request, .object = it->object,
                                            .kind = KEPT_OPENED });
    objects_die_off(core);
}

bool
check_object_tied(const struct core *core, const struct record_object_tied *it)
{
    return object_find(core, it->object) != NULL &&
           map_get(&core->sessions, it->session) != NULL &&
           tie_find(core, it->session, it->object) == NULL &&
           request_new(core, it->session, it->request);
}

void
apply_object_tied(struct core *core, const struct record_object_tied *it)
{
    object_tie(core, object_find(core, it->object), it->session);
    keep(core, it->session, &(struct kept){ .request = it->request, .object = it->object,
                                            .kind = KEPT_OPENED, .answer = { .a = 1 } });
}

bool
check_object_untied(const struct core *core, const struct record_object_untied *it)
{
    return tie_find(core, it->session, it->object) != NULL;
}

void
apply_object_untied(struct core *core, const struct record_object_untied *it)
{
    session_untie(core, map_get(&core->sessions, it->session), object_find(core, it->object));
    objects_die_off(core);
}

bool
check_object_deleted(const struct core *core, const struct record_object_deleted *it)
{
    return object_find(core, it->object) != NULL && session_known(core, it->session) &&
           request_new(core, it->session, it->request);
}

void
apply_object_deleted(struct core *core, const struct record_object_deleted *it)
{
    object_die(core, object_find(core, it->object));
    keep(core, it->session, &(struct kept){ .request = it->request, .object = it->object,
                                            .kind = KEPT_DELETED });
    objects_die_off(core);
}

/* ---- what was done ---- */

bool
check_object_did(const struct core *core, const struct record_object_did *it)
{
    const struct object *object = object_find(core, it->object);

    return object != NULL && (core->started || !object->transient) &&
           session_known(core, it->session) && it->verb <= UINT32_MAX && it->flags < DID_FLAGS &&
           ((it->flags & DID_ENTERS) != 0 || request_new(core, it->session, it->request));
}

static void
did_keep(struct core *core, const struct object *object, const struct act *act,
         const struct did *did)
{
    struct kept kept = { .request = act->request, .object = object->id, .verb = act->verb,
                         .error = (uint16_t)did->error, .kind = KEPT_DONE,
                         .transient = object->transient, .rebuilt = did->rebuilt,
                         .answer = did->answer };

    if (did->rebuilt)
        kept.answer.value = slice_of(NULL, 0);
    keep(core, act->session, &kept);
}

void
apply_object_did(struct core *core, const struct record_object_did *it)
{
    struct object *object = object_find(core, it->object);
    struct did     replayed = { 0 };
    struct did    *did = core->did != NULL ? core->did : &replayed;
    struct act     act = { .session = it->session, .request = it->request,
                           .verb = (uint32_t)it->verb, .thread = it->thread,
                           .a = it->a, .b = it->b, .c = it->c, .d = it->d,
                           .is_reference = (it->flags & DID_REFERENCE) != 0,
                           .enters = (it->flags & DID_ENTERS) != 0,
                           .key = it->key, .value = it->value, .unix_ms = it->unix_ms };

    core->did = did;
    if (!object_rules(object)->apply(core, object, &act, &did->answer))
        core->bad = true;
    core->did = did == &replayed ? NULL : did;
    if (did->error != MUSTER_OK) {
        if (did->text[0] == '\0')
            object_error_text(object, did->error, did->text);
        did->answer = (struct msg_object_done){ .value = slice_text(did->text) };
    }
    object_touch(core, object);
    if (!act.enters)
        did_keep(core, object, &act, did);
    /* Live, the answer is told first: it may point into what dies now. */
    if (did == &replayed)
        objects_die_off(core);
}

/* ---- answers ---- */

/* u64s, rising. */
static bool
requests_good(struct slice requests)
{
    struct reader in = reader_of(requests);
    uint64_t      last = 0;

    if (requests.bytes % sizeof(uint64_t) != 0)
        return false;
    while (read_left(&in) > 0) {
        uint64_t request = read_u64(&in);

        if (request <= last)
            return false;
        last = request;
    }
    return true;
}

/* What a manager wrote that knew no ranges. */
bool
check_answers_seen(const struct core *core, const struct record_answers_seen *it)
{
    return map_get(&core->sessions, it->session) != NULL && requests_good(it->except);
}

void
apply_answers_seen(struct core *core, const struct record_answers_seen *it)
{
    answers_seen(core, map_get(&core->sessions, it->session), 0, it->below, it->except);
    objects_die_off(core);
}

bool
check_range_seen(const struct core *core, const struct record_range_seen *it)
{
    return map_get(&core->sessions, it->session) != NULL && requests_good(it->except);
}

void
apply_range_seen(struct core *core, const struct record_range_seen *it)
{
    answers_seen(core, map_get(&core->sessions, it->session), it->from, it->below,
                 PLANT_UNSEEN(it->except));
    objects_die_off(core);
}

bool
check_answer_undone(const struct core *core, const struct record_answer_undone *it)
{
    const struct session *session = map_get(&core->sessions, it->session);

    return session != NULL && kept_find(session, it->request) != NULL;
}

void
apply_answer_undone(struct core *core, const struct record_answer_undone *it)
{
    answer_undone(core, map_get(&core->sessions, it->session), it->request);
    objects_die_off(core);
}

/* ---- bodies of transient objects ---- */

bool
check_body_loose(const struct core *core, const struct record_body_loose *it)
{
    bool known = map_get(&core->loose_bodies, it->owner) != NULL;

    return it->owner != 0 && it->gone <= 1 && known == (it->gone == 1);
}

void
apply_body_loose(struct core *core, const struct record_body_loose *it)
{
    if (it->gone)
        map_remove(&core->loose_bodies, it->owner);
    else
        map_put(&core->loose_bodies, it->owner, core);
    core->dirty = true;
}
