/* object_check.c - the part of core_check that is about shared objects */
#include "object.h"

static void
check_lanes(const struct object *object)
{
    for (uint32_t i = 0; i < OBJECT_LANES; i++) {
        uint64_t place = 0;

        for (const struct list *at = object->lanes[i].next; at != &object->lanes[i];
             at = at->next) {
            const struct wait *wait = CONTAINER(at, struct wait, lane_link);

            assert(wait->host == object && wait->lane == i);
            assert(!wait->away && !wait->session->slow);
            assert(wait->place > place);
            place = wait->place;
        }
    }
}

static void
check_object(const struct core *core, const struct object *object)
{
    uint32_t ties = 0, waits = 0;

    for (const struct list *at = object->tie_list.next; at != &object->tie_list; at = at->next) {
        const struct tie *tie = CONTAINER(at, struct tie, object_link);

        ties++;
        assert(tie->object == object);
        assert(tie_find(core, tie->session->id, object->id) == tie);
    }
    for (const struct list *at = object->waits.next; at != &object->waits; at = at->next) {
        const struct wait *wait = CONTAINER(at, struct wait, object_link);

        waits++;
        assert(wait->object == object && object_tied(core, wait->session->id, object));
    }
    assert(ties == object->ties && waits == object->waiting);
    assert(!object->dead && object->id <= core->object_last);
    assert(object->name != NULL || ties > 0 || object->refs > 0);
    assert(object->name == NULL || object_named(core, object->name->text) == object);
    check_lanes(object);
    if (core->started)              /* before that its noun has not derived what it needs */
        object_rules(object)->verify(core, object);
}

static void
check_kept(const struct session *session)
{
    uint64_t last = 0, bytes = 0;
    uint32_t count = 0;

    for (const struct kept *kept = kept_from(session, 0); kept != NULL;
         kept = kept_from(session, kept->request + 1)) {
        count++;
        assert(kept->node.key == kept->request);
        assert(kept->request > last && kept->request <= session->request_high);
        last = kept->request;
        bytes += kept_bytes(kept);
    }
    assert(bytes == session->kept_bytes && count == session->kept.count);
}

/* Returns how many waits it has. */
static uint32_t
check_session(const struct core *core, const struct session *session)
{
    uint32_t waits = 0;

    for (const struct list *at = session->ties.next; at != &session->ties; at = at->next) {
        const struct tie *tie = CONTAINER(at, struct tie, session_link);

        assert(tie->session == session);
        assert(object_find(core, tie->object->id) == tie->object);
    }
    for (const struct list *at = session->waits.next; at != &session->waits; at = at->next) {
        const struct wait *wait = CONTAINER(at, struct wait, session_link);

        waits++;
        assert(wait->session == session && wait_find(session, wait->act.request) == wait);
        assert(wait->act.request <= session->request_high);
        assert(kept_find(session, wait->act.request) == NULL);
        assert(session->connected || wait->away);
        assert(!wait->away || wait->timer.place == 0);
    }
    assert(waits == session->wait_map.count);
    check_kept(session);
    return waits;
}

static uint64_t
list_length(const struct list *head)
{
    uint64_t length = 0;

    for (const struct list *at = head->next; at != head; at = at->next)
        length++;
    return length;
}

void
objects_check(const struct core *core)
{
    size_t         cursor = 0;
    uint64_t       bytes = 0, kept = 0, answers = 0, named = 0;
    uint64_t       changed = list_length(&core->dirty_jobs) + list_length(&core->dirty_objects);
    uint32_t       waits = 0;
    struct object *object;

    while ((object = map_next(&core->objects, &cursor, NULL)) != NULL) {
        check_object(core, object);
        bytes += object->bytes;
        named += object->name != NULL;
        changed += object->pieces != NULL ? object->pieces->dirty.count : 0;
    }
    for (uint32_t i = 0; i < core->session_order.count; i++) {
        const struct session *session = map_get(&core->sessions,
                                                order_at(&core->session_order, i));

        waits += check_session(core, session);
        kept += session->kept_bytes;
        answers += session->kept.count;
    }
    assert(bytes == core->object_bytes && kept == core->answer_bytes);
    assert(answers == core->counters.object_answers && waits == core->wait_count);
    assert(changed == core->changed);
    assert(core->objects.count == core->counters.objects);
    assert(named == core->object_names.count);
    assert(named + core->object_lost == core->object_order.count);
    assert(list_empty(&core->objects_dead) && core->dying.bytes == 0 && core->did == NULL);
}
