/* object_answers.c - answers that a session has not seen yet
 *
 *            a fact with an answer        SEEN, or the object was closed
 *   (none) ---------------------> kept ---------------------------------> seen
 *                                  |
 *                                  | CANCEL, or the session ended
 *                                  `-------------------------------------> undone
 *
 * 1. Kept in a tree by request: those of long waits come late with low numbers,
 *    so they come in any order.
 * 2. One allocation holds an answer with its key and value.
 * 3. What was answered for a transient object is kept, but not stored.
 * 4. An answer counts for what it takes, not only for the bytes in it.
 */
#include "object.h"

enum { SEEN_WORK = 8 };          /* to find the place of one answer */

/* ---- the tree ---- */

struct kept *
kept_from(const struct session *session, uint64_t request)
{
    struct treap_node *node = treap_from(&session->kept, request);

    return node != NULL ? CONTAINER(node, struct kept, node) : NULL;
}

struct kept *
kept_find(const struct session *session, uint64_t request)
{
    struct treap_node *node = treap_find(&session->kept, request);

    return node != NULL ? CONTAINER(node, struct kept, node) : NULL;
}

static void
answers_dirty(struct core *core, struct session *session, const struct kept *kept)
{
    if (!kept->transient && !list_linked(&session->answers_dirty))
        list_append(&core->dirty_answers, &session->answers_dirty);
}

uint64_t
kept_bytes(const struct kept *kept)
{
    static_assert(sizeof(*kept) <= KEPT_BYTES - 16, "an answer and what its allocation takes");

    return KEPT_BYTES + kept->answer.key.bytes + kept->answer.value.bytes;
}

static void
kept_copy(struct kept *kept)
{
    struct msg_object_done *answer = &kept->answer;
    uint8_t                *copy = (uint8_t *)(kept + 1);

    if (answer->key.bytes > 0)
        memcpy(copy, answer->key.data, answer->key.bytes);
    if (answer->value.bytes > 0)
        memcpy(copy + answer->key.bytes, answer->value.data, answer->value.bytes);
    answer->key.data = copy;
    answer->value.data = copy + answer->key.bytes;
}

void
kept_add(struct core *core, struct session *session, const struct kept *kept)
{
    size_t       more = kept->answer.key.bytes + kept->answer.value.bytes;
    struct kept *mine = base_alloc(sizeof(*mine) + more);

    assert(kept->request > 0);
    *mine = *kept;
    mine->node.key = kept->request;
    kept_copy(mine);
    treap_add(&session->kept, &mine->node);
    session->kept_bytes += kept_bytes(mine);
    core->answer_bytes += kept_bytes(mine);
    if (kept->request > session->request_high)
        session->request_high = kept->request;
    core->counters.object_answers++;
    answers_dirty(core, session, mine);
}

static void
kept_remove(struct core *core, struct session *session, struct kept *kept)
{
    answers_dirty(core, session, kept);
    session->kept_bytes -= kept_bytes(kept);
    core->answer_bytes -= kept_bytes(kept);
    core->counters.object_answers--;
    treap_remove(&session->kept, &kept->node);
    free(kept);
}

void
kept_free_all(struct core *core, struct session *session)
{
    struct kept *kept;

    while ((kept = kept_from(session, 0)) != NULL)
        kept_remove(core, session, kept);
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

/* Walks the answers in [from, below) but for the excepted: u64s, rising. */
struct seen_walk {
    const struct session *session;
    struct reader         except;
    uint64_t              next, below, spared;
};

static struct seen_walk
seen_walk(const struct session *session, uint64_t from, uint64_t below, struct slice except)
{
    return (struct seen_walk){ .session = session, .except = reader_of(except), .next = from,
                               .below = below };
}

/* NULL: no more.  The one before may be gone by now. */
static struct kept *
seen_next(struct seen_walk *walk)
{
    for (;;) {
        struct kept *kept = kept_from(walk->session, walk->next);

        if (kept == NULL || kept->request >= walk->below)
            return NULL;
        walk->next = kept->request + 1;
        while (walk->spared < kept->request)
            walk->spared = read_left(&walk->except) > 0 ? read_u64(&walk->except) : UINT64_MAX;
        if (walk->spared != kept->request)
            return kept;
    }
}

void
answers_seen(struct core *core, struct session *session, uint64_t from, uint64_t below,
             struct slice except)
{
    struct seen_walk walk = seen_walk(session, from, below, except);
    struct kept     *kept;

    while ((kept = seen_next(&walk)) != NULL) {
        kept_seen(core, session, kept);
        kept_remove(core, session, kept);
    }
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
    struct kept *kept;

    object_work(core, (uint64_t)session->kept.count * SEEN_WORK);
    for (kept = kept_from(session, 0); kept != NULL;
         kept = kept_from(session, kept->request + 1)) {
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
    for (struct kept *kept = kept_from(session, 0); kept != NULL;
         kept = kept_from(session, kept->request + 1))
        (void)kept_undo(core, session, kept);
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
seen_except(const struct session *session, const struct msg_object_seen *m, struct buffer *out)
{
    const struct wire_list *list = &m->except;
    struct reader  in = reader_of(list->bytes);
    uint64_t      *ids = base_array(list->count + 1, sizeof(*ids));
    uint64_t       last = 0;
    struct wire_id id;

    for (uint32_t i = 0; i < list->count && wire_get_id(&in, &id); i++)
        ids[i] = id.id;
    qsort(ids, list->count, sizeof(*ids), request_compare);
    for (uint32_t i = 0; i < list->count; i++) {
        if (ids[i] != last && ids[i] >= m->from && ids[i] < m->below &&
            kept_find(session, ids[i]) != NULL)
            write_u64(out, ids[i]);
        last = ids[i];
    }
    free(ids);
}

/* What would be dropped? */
enum seen { SEEN_NOTHING, SEEN_TRANSIENT, SEEN_DURABLE };

static enum seen
seen_drops(const struct session *session, uint64_t from, uint64_t below, struct slice except)
{
    struct seen_walk   walk = seen_walk(session, from, below, except);
    const struct kept *kept;
    enum seen          drops = SEEN_NOTHING;

    while (drops != SEEN_DURABLE && (kept = seen_next(&walk)) != NULL)
        drops = kept->transient ? SEEN_TRANSIENT : SEEN_DURABLE;
    return drops;
}

void
step_object_seen(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_object_seen *m = &any->object_seen;
    struct session *session = step->session;
    struct record   record = { .type = RECORD_TYPE_RANGE_SEEN };
    struct buffer   except = { 0 };
    enum seen       drops;

    object_work(core, (uint64_t)m->except.count * SEEN_WORK);
    seen_except(session, m, &except);
    drops = seen_drops(session, m->from, m->below, buffer_slice(&except));
    record.range_seen = (struct record_range_seen){ session->id, m->from, m->below,
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
