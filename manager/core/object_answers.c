/* object_answers.c - answers that a session has not seen yet
 *
 *            a fact with an answer        SEEN, or the object was closed
 *   (none) ---------------------> kept ---------------------------------> seen
 *                                  |
 *                                  | CANCEL, or the session ended
 *                                  `-------------------------------------> undone
 *
 * 1. Kept by request, rising: the newest is looked at first, and what is newer
 *    than all of them is not looked for at all.
 * 2. One allocation holds key and value; an answer of numbers needs none.
 * 3. What was answered for a transient object is kept, but not stored.
 */
#include "object.h"

enum { KEPT_PER_WORK = 2 };      /* answers that are moved, or passed, in one unit */

/* ---- the array ---- */

static struct kept *
kept_at(const struct session *session, uint32_t at)
{
    assert(at < session->kept_count);
    return &session->kept[session->kept_head + at];
}

/* Place of the first whose request is not below `request`. */
static uint32_t
kept_place(const struct session *session, uint64_t request)
{
    uint32_t low = 0;
    uint32_t high = session->kept_count;

    if (high == 0 || kept_at(session, high - 1)->request < request)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (kept_at(session, middle)->request < request)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct kept *
kept_find(const struct session *session, uint64_t request)
{
    uint32_t at = kept_place(session, request);

    if (at == session->kept_count || kept_at(session, at)->request != request)
        return NULL;
    return kept_at(session, at);
}

static void
answers_dirty(struct core *core, struct session *session, const struct kept *kept)
{
    if (!kept->transient && !list_linked(&session->answers_dirty))
        list_append(&core->dirty_answers, &session->answers_dirty);
}

static void
kept_count_bytes(struct core *core, struct session *session, const struct kept *kept, bool more)
{
    uint64_t bytes = kept->answer.key.bytes + kept->answer.value.bytes;

    session->kept_bytes += more ? bytes : -bytes;
    core->answer_bytes += more ? bytes : -bytes;
}

static void
kept_copy(struct kept *kept)
{
    struct msg_object_done *answer = &kept->answer;
    size_t                  bytes = answer->key.bytes + answer->value.bytes;
    uint8_t                *copy = bytes > 0 ? base_alloc(bytes) : NULL;

    if (answer->key.bytes > 0)
        memcpy(copy, answer->key.data, answer->key.bytes);
    if (answer->value.bytes > 0)
        memcpy(copy + answer->key.bytes, answer->value.data, answer->value.bytes);
    answer->key.data = copy;
    answer->value.data = copy != NULL ? copy + answer->key.bytes : NULL;
}

void
kept_add(struct core *core, struct session *session, const struct kept *kept)
{
    uint32_t     at = kept_place(session, kept->request);
    uint32_t     used = session->kept_head + session->kept_count;
    struct kept *place;

    assert(kept->request > 0 && kept_find(session, kept->request) == NULL);
    if (used == session->kept_capacity && session->kept_head > session->kept_count) {
        memmove(session->kept, session->kept + session->kept_head,
                session->kept_count * sizeof(*place));
        session->kept_head = 0;
        used = session->kept_count;
    }
    base_grow((void **)&session->kept, &session->kept_capacity, used + 1, sizeof(*place));
    place = &session->kept[session->kept_head + at];
    object_work(core, (session->kept_count - at) / KEPT_PER_WORK);
    memmove(place + 1, place, (session->kept_count - at) * sizeof(*place));
    *place = *kept;
    session->kept_count++;
    kept_copy(place);
    kept_count_bytes(core, session, place, true);
    if (kept->request > session->request_high)
        session->request_high = kept->request;
    core->counters.object_answers++;
    answers_dirty(core, session, place);
}

/* What it holds goes; its place in the array is the caller's to close. */
static void
kept_release(struct core *core, struct session *session, struct kept *kept)
{
    answers_dirty(core, session, kept);
    kept_count_bytes(core, session, kept, false);
    core->counters.object_answers--;
    free((void *)(uintptr_t)kept->answer.key.data);
    kept->request = 0;
}

static void
kept_remove(struct core *core, struct session *session, struct kept *kept)
{
    size_t at = (size_t)(kept - kept_at(session, 0));

    kept_release(core, session, kept);
    session->kept_count--;
    object_work(core, (session->kept_count - at) / KEPT_PER_WORK);
    if (at == 0)
        session->kept_head++;
    else
        memmove(kept, kept + 1, (session->kept_count - at) * sizeof(*kept));
}

void
kept_free_all(struct core *core, struct session *session)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        kept_release(core, session, kept_at(session, i));
    free(session->kept);
    session->kept = NULL;
    session->kept_head = session->kept_count = session->kept_capacity = 0;
}

/* ---- what the nouns are told ---- */

/* The object whose noun has a say in this answer; NULL: none. */
static struct object *
kept_object(const struct core *core, const struct kept *kept)
{
    return kept->kind == KEPT_DONE && !kept->settled ? object_find(core, kept->object) : NULL;
}

static void
kept_seen(struct core *core, struct session *session, const struct kept *kept)
{
    struct object *object = kept_object(core, kept);

    if (object == NULL || object_rules(object)->seen == NULL)
        return;
    object_rules(object)->seen(core, object, session->id, kept);
    object_touch(core, object);
}

static bool
kept_undo(struct core *core, struct session *session, const struct kept *kept)
{
    struct object *object = kept_object(core, kept);
    bool           undone;

    if (object == NULL || object_rules(object)->undone == NULL)
        return false;
    undone = object_rules(object)->undone(core, object, session->id, kept);
    object_touch(core, object);
    return undone;
}

void
answers_seen(struct core *core, struct session *session, uint64_t below, struct slice except)
{
    uint32_t      end = kept_place(session, below);
    uint32_t      to = end;
    struct reader in = reader_of(except);
    uint64_t      spared = read_left(&in) > 0 ? read_u64(&in) : UINT64_MAX;

    for (uint32_t i = 0; i < end; i++) {
        struct kept *kept = kept_at(session, i);

        while (spared < kept->request)
            spared = read_left(&in) > 0 ? read_u64(&in) : UINT64_MAX;
        if (spared == kept->request)
            continue;
        kept_seen(core, session, kept);
        kept_release(core, session, kept);
    }
    /* The spared move up to those that are newer. */
    for (uint32_t i = end; i-- > 0;) {
        if (kept_at(session, i)->request != 0 && --to != i)
            *kept_at(session, to) = *kept_at(session, i);
    }
    session->kept_head += to;
    session->kept_count -= to;
}

void
answer_undone(struct core *core, struct session *session, uint64_t request)
{
    struct kept *kept = kept_find(session, request);
    bool         undone = kept_undo(core, session, kept);

    if (kept->kind == KEPT_OPENED) {
        struct object *object = object_find(core, kept->object);

        if (object != NULL && object_tied(core, session->id, object))
            session_untie(core, session, object);
        undone = true;
    }
    if (undone)
        kept_remove(core, session, kept_find(session, request));
}

/* A session has done with an object: it will not ask for its answers again. */
void
session_untie(struct core *core, struct session *session, struct object *object)
{
    object_work(core, session->kept_count / KEPT_PER_WORK);
    for (uint32_t i = 0; i < session->kept_count; i++) {
        struct kept *kept = kept_at(session, i);

        if (kept->object != object->id || kept->kind != KEPT_DONE || kept->settled)
            continue;
        kept_seen(core, session, kept);
        kept->settled = true;
        answers_dirty(core, session, kept);
    }
    if (object_rules(object)->session_ended != NULL) {
        object_rules(object)->session_ended(core, object, session->id);
        object_touch(core, object);
    }
    tie_free(core, tie_find(core, session->id, object->id));
}

void
session_objects_end(struct core *core, struct session *session)
{
    for (uint32_t i = 0; i < session->kept_count; i++)
        (void)kept_undo(core, session, kept_at(session, i));
    kept_free_all(core, session);
    while (!list_empty(&session->ties))
        session_untie(core, session,
                      CONTAINER(session->ties.next, struct tie, session_link)->object);
}

/* ---- telling ---- */

void
answer_tell(uint64_t session, uint64_t request, const struct msg_object_done *answer,
            muster_err error, struct effects *fx)
{
    if (error != MUSTER_OK)
        effects_error(fx, session, request, error, "%.*s", SLICE_ARGS(answer->value));
    else
        effects_done(fx, session, request, answer, NULL, 0);
}

void
kept_tell(struct core *core, struct session *session, const struct kept *kept, struct effects *fx)
{
    struct object          *object = object_find(core, kept->object);
    struct msg_object_done  answer = kept->answer;
    union wire_any          m;

    if (kept->kind == KEPT_DELETED) {
        effects_ack(fx, session->id, kept->request, 1);
        return;
    }
    if (object == NULL && (kept->kind == KEPT_OPENED || kept->rebuilt)) {
        effects_error(fx, session->id, kept->request, MUSTER_ERR_NOT_FOUND,
                      "object %llu is gone", (unsigned long long)kept->object);
        return;
    }
    if (kept->kind == KEPT_OPENED) {
        m.object_opened = (struct msg_object_opened){ object->id, (uint8_t)object->noun,
                                                      kept->answer.a != 0, object->a, object->b };
        effects_send(fx, session->id, kept->request, MSG_TYPE_OBJECT_OPENED, &m);
        return;
    }
    if (kept->rebuilt)
        object_rules(object)->again(core, object, kept, &answer);
    answer_tell(session->id, kept->request, &answer, (muster_err)kept->error, fx);
}

/* ---- SEEN, CANCEL ---- */

static int
request_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Those exceptions that are kept at all, rising. */
static void
seen_except(const struct session *session, const struct wire_list *list, struct buffer *out)
{
    struct reader  in = reader_of(list->bytes);
    uint64_t      *ids = base_array(list->count + 1, sizeof(*ids));
    uint64_t       last = 0;
    struct wire_id id;

    for (uint32_t i = 0; i < list->count && wire_get_id(&in, &id); i++)
        ids[i] = id.id;
    qsort(ids, list->count, sizeof(*ids), request_compare);
    for (uint32_t i = 0; i < list->count; i++) {
        if (ids[i] != last && kept_find(session, ids[i]) != NULL)
            write_u64(out, ids[i]);
        last = ids[i];
    }
    free(ids);
}

/* What would be dropped? */
enum seen { SEEN_NOTHING, SEEN_TRANSIENT, SEEN_DURABLE };

static enum seen
seen_drops(const struct session *session, uint64_t below, struct slice except)
{
    struct reader in = reader_of(except);
    uint64_t      spared = read_left(&in) > 0 ? read_u64(&in) : UINT64_MAX;
    uint32_t      end = kept_place(session, below);
    enum seen     drops = SEEN_NOTHING;

    for (uint32_t i = 0; i < end && drops != SEEN_DURABLE; i++) {
        const struct kept *kept = kept_at(session, i);

        while (spared < kept->request)
            spared = read_left(&in) > 0 ? read_u64(&in) : UINT64_MAX;
        if (spared != kept->request)
            drops = kept->transient ? SEEN_TRANSIENT : SEEN_DURABLE;
    }
    return drops;
}

void
step_object_seen(struct core *core, const struct step *step, const union wire_any *m)
{
    struct session *session = step->session;
    struct record   record = { .type = RECORD_TYPE_ANSWERS_SEEN };
    struct buffer   except = { 0 };
    enum seen       drops;

    seen_except(session, &m->object_seen.except, &except);
    drops = seen_drops(session, m->object_seen.below, buffer_slice(&except));
    record.answers_seen = (struct record_answers_seen){ session->id, m->object_seen.below,
                                                        buffer_slice(&except) };
    if (drops != SEEN_NOTHING)
        object_record(core, step->fx, &record, drops == SEEN_DURABLE);
    buffer_free(&except);
}

/* A request that was entered before a restart, and is not asked again but given
 * up: neither a wait nor an answer tells of it, only its noun can know it.  So
 * this looks at what the session has open, which nothing else does. */
static bool
cancel_entered(struct core *core, const struct step *step, uint64_t request)
{
    static const uint32_t verbs[NOUN_COUNT] = {
        [NOUN_CONDITION] = VERB_CONDITION_WAIT, [NOUN_BARRIER] = VERB_BARRIER_WAIT,
        [NOUN_LISTENER] = VERB_LISTENER_CONNECT, [NOUN_SERVICE] = VERB_SERVICE_CALL,
    };
    struct session *session = step->session;
    size_t          before = step->fx->facts.bytes;

    for (struct list *at = session->ties.next; at != &session->ties; at = at->next) {
        struct object *object = CONTAINER(at, struct tie, session_link)->object;
        struct wait    gone = { .object = object, .session = session };

        if (verbs[object->noun] == 0)
            continue;
        gone.act = (struct act){ .session = session->id, .request = request,
                                 .verb = verbs[object->noun] };
        object_rules(object)->wait_dropped(core, object, &gone, step->fx);
        if (step->fx->facts.bytes > before)
            return true;
    }
    return false;
}

void
step_object_cancel(struct core *core, const struct step *step, const union wire_any *m)
{
    struct session *session = step->session;
    uint64_t        request = m->object_cancel.request;
    struct record   record = { .type = RECORD_TYPE_ANSWER_UNDONE };
    struct wait    *wait = wait_find(session, request);
    struct kept    *kept = kept_find(session, request);
    bool            gone = wait != NULL;

    if (wait != NULL) {
        wait_drop(core, wait, MUSTER_ERR_CANCELED, step->fx);
        gone = kept_find(session, request) == NULL;
    } else if (kept != NULL) {
        struct object *object = object_find(core, kept->object);

        if (kept->kind == KEPT_OPENED && object != NULL)
            session_waits_close(core, session, object, step->fx);
        kept = kept_find(session, request);
        record.answer_undone = (struct record_answer_undone){ session->id, request };
        object_record(core, step->fx, &record, !kept->transient);
        gone = kept_find(session, request) == NULL;
    } else {
        gone = cancel_entered(core, step, request);
    }
    effects_ack(step->fx, session->id, step->request, gone);
}
