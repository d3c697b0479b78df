/* barrier.c - a barrier: nobody goes on before all are there (multiprocessing.Barrier)
 *
 *            WAIT             the last one came
 *   (none) --------> WAITING ------------------> PASSED ----.
 *                       |                                   |  answer, and it is forgotten
 *                       `--------------------> BROKEN ------'
 *                         time-out, abort, reset, one of them left
 *
 * 1. Who waits has a durable entry, found by session and request: after a
 *    reconnection or a restart the same WAIT is not a second arrival.
 * 2. One that leaves (its session ended, it gave up, its wait_ms is over) breaks
 *    the barrier for all that wait, at once; it stays broken until RESET.
 * 3. What became of a generation is settled with the fact that settled it, and
 *    written into each entry: who asks late learns of his own generation.
 */
#include "sync.h"

enum { LANE_WAIT };

enum arrival_state { WAITING, PASSED, BROKEN };

/* Facts of its own: a: session, b: request.  The first breaks the barrier, the
 * second also forgets the entry. */
enum { VERB_BREAK = VERB_INNER, VERB_LEFT };

struct barrier {
    struct sync_entries entries;
    struct list         waiting;   /* in the order in which they came */
    struct list         settled;   /* passed or broken, and not told yet */
    uint64_t            waiting_count;   /* < parties */
    uint64_t            generation;      /* of those that wait, from 1 */
    bool                broken;          /* then nobody waits */
};

static const struct barrier *
barrier_of(const struct object *object)
{
    assert(object->noun == NOUN_BARRIER && object->state != NULL);
    return object->state;
}

/* ---- the life of the object ---- */

static bool
barrier_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    return sync_settings(m, 1, PARTIES_MAX, 0, v);
}

static void
barrier_make(struct core *core, struct object *object, struct slice initial)
{
    struct barrier *barrier = base_alloc(sizeof(*barrier));

    (void)core;
    (void)initial;
    assert(object->noun == NOUN_BARRIER && object->state == NULL);
    list_init(&barrier->waiting);
    list_init(&barrier->settled);
    barrier->generation = 1;
    object->state = barrier;
}

static void
barrier_free(struct core *core, struct object *object)
{
    struct barrier *barrier = object->state;

    (void)core;
    sync_free(&barrier->entries);
    free(barrier);
    object->state = NULL;
}

/* ---- decide ---- */

static void
barrier_decide_wait(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct barrier    *barrier = barrier_of(object);
    const struct sync_entry *entry = sync_find(&barrier->entries, act->session, act->request);

    if (entry != NULL && entry->state != WAITING) {
        v->kind = VERDICT_DO;
    } else if (entry != NULL) {
        verdict_wait(v, LANE_WAIT, MUSTER_ERR_BROKEN_BARRIER);
    } else if (barrier->broken) {
        verdict_error(v, object, MUSTER_ERR_BROKEN_BARRIER, "it is broken until it is reset");
    } else {
        v->kind = VERDICT_ENTER;
        v->lane = LANE_WAIT;
        v->error = MUSTER_ERR_BROKEN_BARRIER;
    }
}

static void
barrier_decide(struct core *core, struct object *object, const struct act *act,
               struct verdict *v)
{
    const struct barrier *barrier = barrier_of(object);

    (void)core;
    if (!sync_plain(object, act, 0, v))
        return;
    switch (act->verb) {
    case VERB_BARRIER_WAIT:
        barrier_decide_wait(object, act, v);
        return;
    case VERB_BARRIER_RESET:
    case VERB_BARRIER_ABORT:
        v->kind = VERDICT_DO;
        return;
    case VERB_BARRIER_STATE:
        v->kind = VERDICT_ANSWER;
        v->answer.a = object->a;
        v->answer.b = barrier->waiting_count;
        v->answer.c = barrier->broken;
        v->answer.d = barrier->generation;
        return;
    default:
        sync_no_verb(object, v);
    }
}

/* ---- apply ---- */

/* The generation is over for all that wait. */
static void
barrier_settle(struct core *core, struct barrier *barrier, enum arrival_state state)
{
    assert(state == PASSED || state == BROKEN);
    while (!list_empty(&barrier->waiting)) {
        struct sync_entry *entry = sync_at(barrier->waiting.next);

        entry->state = (uint8_t)state;
        list_remove(&entry->ring);
        list_append(&barrier->settled, &entry->ring);
        object_wake(core, entry->session, entry->request);
    }
    barrier->waiting_count = 0;
}

static void
barrier_break(struct core *core, struct barrier *barrier)
{
    barrier_settle(core, barrier, BROKEN);
    barrier->broken = true;
}

/* One leaves that nobody will ever tell. */
static void
barrier_leave(struct core *core, struct barrier *barrier, struct sync_entry *entry)
{
    if (entry->state == WAITING)
        barrier_break(core, barrier);
    sync_leave(&barrier->entries, entry);
}

static bool
barrier_apply_enter(struct core *core, struct object *object, const struct act *act)
{
    struct barrier    *barrier = object->state;
    struct sync_entry *entry;

    if (barrier->broken)
        return false;
    entry = sync_enter(&barrier->entries, &barrier->waiting, act->session, act->request,
                       act->thread);
    if (entry == NULL)
        return false;
    entry->number = barrier->waiting_count++;
    entry->generation = barrier->generation;
    if (barrier->waiting_count == object->a) {
        barrier_settle(core, barrier, PASSED);
        barrier->generation++;
    }
    return true;
}

static bool
barrier_apply_wait(struct core *core, struct object *object, const struct act *act,
                   struct msg_object_done *answer)
{
    struct barrier    *barrier = object->state;
    struct sync_entry *entry = sync_find(&barrier->entries, act->session, act->request);

    if (act->enters)
        return barrier_apply_enter(core, object, act);
    if (entry == NULL || entry->state == WAITING)
        return false;
    if (entry->state == PASSED) {
        answer->a = entry->number;
        answer->b = entry->generation;
    } else {
        object_answer_error(core, MUSTER_ERR_BROKEN_BARRIER, slice_text(""));
    }
    sync_leave(&barrier->entries, entry);
    return true;
}

static bool
barrier_apply(struct core *core, struct object *object, const struct act *act,
              struct msg_object_done *answer)
{
    struct barrier    *barrier = object->state;
    struct sync_entry *entry = sync_find(&barrier->entries, act->a, act->b);

    switch (act->verb) {
    case VERB_BARRIER_WAIT:
        return barrier_apply_wait(core, object, act, answer);
    case VERB_BARRIER_ABORT:
        barrier_break(core, barrier);
        return true;
    case VERB_BARRIER_RESET:
        barrier_settle(core, barrier, BROKEN);
        barrier->broken = false;
        barrier->generation++;
        return true;
    case VERB_BREAK:
        if (entry == NULL || entry->state != WAITING)
            return false;
        barrier_break(core, barrier);
        return true;
    case VERB_LEFT:
        if (entry == NULL)
            return false;
        barrier_leave(core, barrier, entry);
        return true;
    default:
        return false;
    }
}

static void
barrier_session_ended(struct core *core, struct object *object, uint64_t session)
{
    struct barrier    *barrier = object->state;
    struct sync_entry *entry;

    while ((entry = sync_first(&barrier->entries, session)) != NULL)
        barrier_leave(core, barrier, entry);
}

/* ---- waits ---- */

static void
barrier_tell(struct core *core, struct object *object, const struct wait *wait, uint32_t verb,
             struct effects *fx)
{
    struct act fact = { .verb = verb, .a = wait->act.session, .b = wait->act.request,
                        .unix_ms = core_unix_ms(core) };

    object_fact(core, object, &fact, fx);
}

/* It is told with all the others, who are woken by the same fact. */
static bool
barrier_timed_out(struct core *core, struct object *object, struct wait *wait,
                  struct effects *fx)
{
    const struct sync_entry *entry = sync_find(&barrier_of(object)->entries, wait->act.session,
                                               wait->act.request);

    assert(entry != NULL);
    if (entry->state == WAITING)
        barrier_tell(core, object, wait, VERB_BREAK, fx);
    return true;
}

static void
barrier_wait_dropped(struct core *core, struct object *object, struct wait *wait,
                     struct effects *fx)
{
    if (!object->dead && sync_find(&barrier_of(object)->entries, wait->act.session,
                                   wait->act.request) != NULL)
        barrier_tell(core, object, wait, VERB_LEFT, fx);
}

/* ---- snapshot ---- */

static void
barrier_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct barrier *barrier = barrier_of(object);

    (void)core;
    write_varint(out, barrier->generation);
    write_u8(out, barrier->broken);
    sync_put(&barrier->waiting, out);
    sync_put(&barrier->settled, out);
}

static bool
barrier_get(struct core *core, struct object *object, struct reader *in)
{
    struct barrier *barrier = object->state;
    uint8_t         broken;

    (void)core;
    barrier->generation = read_varint(in);
    broken = read_u8(in);
    barrier->broken = broken == 1;
    if (broken > 1 || barrier->generation == 0 ||
        !sync_get(&barrier->entries, &barrier->waiting, 1u << WAITING, in))
        return false;
    for (struct list *at = barrier->waiting.next; at != &barrier->waiting; at = at->next) {
        if (sync_at(at)->number != barrier->waiting_count++ ||
            sync_at(at)->generation != barrier->generation)
            return false;
    }
    if (barrier->waiting_count >= object->a || (barrier->broken && barrier->waiting_count > 0) ||
        !sync_get(&barrier->entries, &barrier->settled, 1u << PASSED | 1u << BROKEN, in))
        return false;
    for (struct list *at = barrier->settled.next; at != &barrier->settled; at = at->next) {
        if (sync_at(at)->number >= object->a || sync_at(at)->generation > barrier->generation)
            return false;
    }
    return true;
}

static bool
barrier_linked(const struct core *core, const struct object *object)
{
    return sync_linked(core, object, &barrier_of(object)->entries);
}

static void
barrier_describe(const struct core *core, const struct object *object, struct wire_object *out,
                 char text[OBJECT_TEXT_BYTES])
{
    const struct barrier *barrier = barrier_of(object);

    (void)core;
    out->items = barrier->waiting_count;
    snprintf(text, OBJECT_TEXT_BYTES, "%llu of %llu wait, generation %llu%s",
             (unsigned long long)barrier->waiting_count, (unsigned long long)object->a,
             (unsigned long long)barrier->generation, barrier->broken ? ", broken" : "");
}

static void
barrier_verify(const struct core *core, const struct object *object)
{
    const struct barrier *barrier = barrier_of(object);
    uint64_t              waiting = 0, settled = 0;

    for (struct list *at = barrier->waiting.next; at != &barrier->waiting; at = at->next) {
        const struct sync_entry *entry = sync_at(at);

        assert(entry->state == WAITING && entry->number == waiting);
        assert(entry->generation == barrier->generation);
        waiting++;
    }
    for (struct list *at = barrier->settled.next; at != &barrier->settled; at = at->next) {
        const struct sync_entry *entry = sync_at(at);

        assert(entry->state == PASSED || entry->state == BROKEN);
        assert(entry->generation <= barrier->generation);
        settled++;
    }
    assert(barrier_linked(core, object));
    assert(waiting == barrier->waiting_count && waiting < object->a);
    assert(waiting + settled == barrier->entries.count);
    assert(!barrier->broken || waiting == 0);
}

const struct noun_rules noun_barrier = {
    .check = barrier_check, .make = barrier_make, .free = barrier_free,
    .decide = barrier_decide, .apply = barrier_apply,
    .session_ended = barrier_session_ended, .timed_out = barrier_timed_out,
    .wait_dropped = barrier_wait_dropped, .put = barrier_put, .get = barrier_get,
    .linked = barrier_linked, .describe = barrier_describe, .verify = barrier_verify,
};
