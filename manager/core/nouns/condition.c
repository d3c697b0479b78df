/* condition.c - a condition that rests on a lock (multiprocessing.Condition)
 *
 *          WAIT, lets go of the lock      NOTIFY
 *   holder ------------------------> WAITING -----> NOTIFIED --.
 *     ^                                 |                      |  in the lock's own lane
 *     |                                 `------> TIMED_OUT ----+
 *     |                                 wait_ms                |
 *     `--------------------------------------------------------'
 *        has the lock again, as deep as before: the answer
 *
 * 1. Who waits has a durable entry, found by session and request.  After a
 *    reconnection or a restart the same WAIT finds it and goes on where it was;
 *    NOTIFY goes by the order of the entries, not of those who asked again.
 * 2. Whoever is to have the lock again stands in the lock's own lane, behind
 *    those that were there: neither side can starve the other.
 * 3. A notification is not lost: when the session it woke ends, or gives up,
 *    before it saw the answer, the next waiter is woken instead.
 * 4. A transient lock has transient conditions, and only those: what is not
 *    logged must not change what is.
 * 5. It refers to its lock, so that the lock lives as long.  A lock that is
 *    deleted nevertheless leaves the condition useless: CLOSED.
 */
#include "sync.h"

enum { LANE_WAIT };

enum condition_state { WAITING, NOTIFIED, TIMED_OUT };

/* Facts of its own: a: session, b: request. */
enum { VERB_TIMED_OUT = VERB_INNER, VERB_LEFT };

/* What the fact of a WAIT says, besides the token of the lock in `a`. */
enum { WAIT_CLOSED = 1 };          /* in b: its lock is gone, the entry too */

struct condition {
    struct sync_entries entries;
    struct list         waiting;   /* in the order in which they came */
    struct list         woken;     /* in the order in which they were */
    uint64_t            notified;  /* of those that were woken: by NOTIFY (d) */
    struct lock_user    user;      /* (d) */
};

static const struct condition *
condition_of(const struct object *object)
{
    assert(object->noun == NOUN_CONDITION && object->state != NULL);
    return object->state;
}

/* NULL when it was deleted. */
static struct object *
condition_lock(const struct core *core, const struct object *object)
{
    struct object *lock = object_find(core, object->a);

    return lock != NULL && lock_is(lock) ? lock : NULL;
}

/* ---- the life of the object ---- */

static bool
condition_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    const struct object *lock;

    if (!sync_settings(m, 1, UINT64_MAX, 0, v))
        return false;
    lock = object_find(core, m->a);
    if (lock == NULL) {
        v->error = MUSTER_ERR_NOT_FOUND;
        snprintf(v->text, sizeof(v->text), "there is no lock %llu for the condition",
                 (unsigned long long)m->a);
    } else if (!lock_is(lock)) {
        v->error = MUSTER_ERR_TYPE;
        snprintf(v->text, sizeof(v->text), "a condition needs a lock or rlock, not a %s",
                 wire_noun_name(lock->noun));
    } else if (lock->transient != (m->transient == 1)) {
        v->error = MUSTER_ERR_INVALID;
        snprintf(v->text, sizeof(v->text), "the lock is %stransient: so must its conditions be",
                 lock->transient ? "" : "not ");
    } else {
        return true;
    }
    return false;
}

/* Those of a load are attached by condition_start(), when all locks are there. */
static void
condition_attach(struct core *core, struct object *object)
{
    struct condition *condition = object->state;
    struct object    *lock = condition_lock(core, object);

    if (lock != NULL && !list_linked(&condition->user.link))
        lock_attach(lock, &condition->user);
}

static void
condition_make(struct core *core, struct object *object, struct slice initial)
{
    struct condition *condition = base_alloc(sizeof(*condition));
    struct object    *lock = condition_lock(core, object);

    (void)initial;
    assert(object->noun == NOUN_CONDITION && object->state == NULL);
    list_init(&condition->waiting);
    list_init(&condition->woken);
    condition->user.object = object;
    object->state = condition;
    if (!core->linked || lock == NULL)
        return;
    object_refer(core, lock);
    condition_attach(core, object);
}

static void
condition_free(struct core *core, struct object *object)
{
    struct condition *condition = object->state;

    sync_free(&condition->entries);
    if (list_linked(&condition->user.link))
        list_remove(&condition->user.link);
    free(condition);
    object->state = NULL;
    if (condition_lock(core, object) != NULL)
        object_unrefer(core, object->a);
}

/* ---- decide ---- */

/* Does the thread hold the lock? */
static bool
condition_owned(const struct object *object, const struct object *lock, const struct act *act,
                struct verdict *v)
{
    if (lock_held_by(lock, act->session, act->thread))
        return true;
    verdict_error(v, object, MUSTER_ERR_NOT_OWNER, "\"%s\" needs its lock held%s",
                  wire_verb_rule(act->verb)->name,
                  lock->noun == NOUN_RLOCK ? " by this thread" : " by this session");
    return false;
}

static void
condition_decide_entry(struct core *core, const struct object *object, struct object *lock,
                       const struct sync_entry *entry, const struct act *act, struct verdict *v)
{
    if (lock == NULL || !object_tied(core, act->session, lock)) {
        v->kind = VERDICT_DO;
        v->fact.b = WAIT_CLOSED;
    } else if (entry->state == WAITING) {
        verdict_wait(v, LANE_WAIT, MUSTER_ERR_TIMEOUT);
    } else if (!lock_free(lock) || lane_busy(lock, LOCK_LANE, act)) {
        verdict_wait(v, LOCK_LANE, MUSTER_ERR_TIMEOUT);
        v->lane_of = lock;
    } else {
        v->kind = VERDICT_DO;
        v->fact.a = lock_next_token(core, lock);
    }
    (void)object;
}

static void
condition_decide_wait(struct core *core, struct object *object, const struct act *act,
                      struct verdict *v)
{
    struct object           *lock = condition_lock(core, object);
    const struct sync_entry *entry = sync_find(&condition_of(object)->entries, act->session,
                                               act->request);

    if (entry != NULL) {
        condition_decide_entry(core, object, lock, entry, act, v);
    } else if (lock == NULL) {
        verdict_error(v, object, MUSTER_ERR_CLOSED, "its lock was deleted");
    } else if (condition_owned(object, lock, act, v)) {
        v->kind = VERDICT_ENTER;
        v->lane = LANE_WAIT;
        v->error = MUSTER_ERR_TIMEOUT;
    }
}

static void
condition_decide(struct core *core, struct object *object, const struct act *act,
                 struct verdict *v)
{
    const struct object *lock = condition_lock(core, object);

    if (!sync_plain(object, act, act->verb == VERB_CONDITION_NOTIFY ? SYNC_A : 0, v))
        return;
    switch (act->verb) {
    case VERB_CONDITION_WAIT:
        condition_decide_wait(core, object, act, v);
        return;
    case VERB_CONDITION_NOTIFY:
        if (lock == NULL)
            verdict_error(v, object, MUSTER_ERR_CLOSED, "its lock was deleted");
        else if (condition_owned(object, lock, act, v))
            v->kind = VERDICT_DO;
        return;
    default:
        sync_no_verb(object, v);
    }
}

/* ---- apply ---- */

static void
condition_move(struct core *core, struct object *object, struct sync_entry *entry,
               enum condition_state next)
{
    struct condition *condition = object->state;

    assert(entry->state == WAITING && (next == NOTIFIED || next == TIMED_OUT));
    entry->state = (uint8_t)next;
    list_remove(&entry->ring);
    list_append(&condition->woken, &entry->ring);
    condition->notified += next == NOTIFIED;
    object_wake(core, entry->session, entry->request);
}

/* Those that wait longest; 0: all.  Returns how many. */
static uint64_t
condition_notify(struct core *core, struct object *object, uint64_t count)
{
    const struct condition *condition = object->state;
    uint64_t                woken = 0;

    while ((count == 0 || woken < count) && !list_empty(&condition->waiting)) {
        condition_move(core, object, sync_at(condition->waiting.next), NOTIFIED);
        woken++;
    }
    return woken;
}

static void
condition_forget(struct condition *condition, struct sync_entry *entry)
{
    condition->notified -= entry->state == NOTIFIED;
    sync_leave(&condition->entries, entry);
}

/* It leaves without its answer: what woke it wakes another. */
static void
condition_leave(struct core *core, struct object *object, struct sync_entry *entry)
{
    bool notified = entry->state == NOTIFIED;

    condition_forget(object->state, entry);
    if (notified)
        condition_notify(core, object, 1);
}

static bool
condition_apply_enter(struct core *core, struct object *object, struct object *lock,
                      const struct act *act)
{
    struct condition  *condition = object->state;
    struct sync_entry *entry;

    if (lock == NULL || !lock_held_by(lock, act->session, act->thread))
        return false;
    entry = sync_enter(&condition->entries, &condition->waiting, act->session, act->request,
                       act->thread);
    if (entry == NULL)
        return false;
    entry->number = lock_drop(core, lock);
    return true;
}

static bool
condition_apply_wait(struct core *core, struct object *object, const struct act *act,
                     struct msg_object_done *answer)
{
    struct condition  *condition = object->state;
    struct object     *lock = condition_lock(core, object);
    struct sync_entry *entry = sync_find(&condition->entries, act->session, act->request);

    if (act->enters)
        return condition_apply_enter(core, object, lock, act);
    if (entry == NULL)
        return false;
    if (act->b == WAIT_CLOSED) {
        condition_leave(core, object, entry);
        object_answer_error(core, MUSTER_ERR_CLOSED, slice_text(""));
        return true;
    }
    if (entry->state == WAITING || lock == NULL ||
        !lock_take(core, lock, act, entry->number, act->a))
        return false;
    answer->a = act->a;
    answer->b = entry->state == TIMED_OUT;
    condition_forget(condition, entry);
    return true;
}

static bool
condition_apply(struct core *core, struct object *object, const struct act *act,
                struct msg_object_done *answer)
{
    struct condition  *condition = object->state;
    struct sync_entry *entry = sync_find(&condition->entries, act->a, act->b);

    switch (act->verb) {
    case VERB_CONDITION_WAIT:
        return condition_apply_wait(core, object, act, answer);
    case VERB_CONDITION_NOTIFY:
        answer->a = condition_notify(core, object, act->a);
        return true;
    case VERB_TIMED_OUT:
        if (entry == NULL || entry->state != WAITING)
            return false;
        condition_move(core, object, entry, TIMED_OUT);
        return true;
    case VERB_LEFT:
        if (entry == NULL)
            return false;
        condition_leave(core, object, entry);
        return true;
    default:
        return false;
    }
}

static void
condition_session_ended(struct core *core, struct object *object, uint64_t session)
{
    struct condition  *condition = object->state;
    struct sync_entry *entry;
    uint64_t           lost = 0;

    /* All are gone before another is woken: it must not be one of them. */
    while ((entry = sync_first(&condition->entries, session)) != NULL) {
        lost += entry->state == NOTIFIED;
        condition_forget(condition, entry);
    }
    if (lost > 0)
        condition_notify(core, object, lost);
}

/* It has the lock again, but does not know it. */
static bool
condition_undone(struct core *core, struct object *object, uint64_t session,
                 const struct kept *kept)
{
    struct object *lock = condition_lock(core, object);

    (void)session;
    if (kept->verb != VERB_CONDITION_WAIT || kept->error != MUSTER_OK)
        return false;
    if (lock != NULL)
        lock_undo(core, lock, kept->answer.a);
    if (kept->answer.b == 0)
        condition_notify(core, object, 1);
    return true;
}

/* ---- waits ---- */

static void
condition_tell(struct core *core, struct object *object, const struct wait *wait, uint32_t verb,
               struct effects *fx)
{
    struct act fact = { .verb = verb, .a = wait->act.session, .b = wait->act.request,
                        .unix_ms = core_unix_ms(core) };

    object_fact(core, object, &fact, fx);
}

/* Only the waiting ends; having the lock again takes as long as it takes. */
static bool
condition_timed_out(struct core *core, struct object *object, struct wait *wait,
                    struct effects *fx)
{
    const struct sync_entry *entry = sync_find(&condition_of(object)->entries, wait->act.session,
                                               wait->act.request);

    assert(entry != NULL);
    if (entry->state == WAITING)
        condition_tell(core, object, wait, VERB_TIMED_OUT, fx);
    return true;
}

static void
condition_wait_dropped(struct core *core, struct object *object, struct wait *wait,
                       struct effects *fx)
{
    if (!object->dead && sync_find(&condition_of(object)->entries, wait->act.session,
                                   wait->act.request) != NULL)
        condition_tell(core, object, wait, VERB_LEFT, fx);
}

/* ---- snapshot ---- */

static void
condition_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct condition *condition = condition_of(object);

    (void)core;
    sync_put(&condition->waiting, out);
    sync_put(&condition->woken, out);
}

static bool
condition_get(struct core *core, struct object *object, struct reader *in)
{
    struct condition *condition = object->state;

    (void)core;
    if (!sync_get(&condition->entries, &condition->waiting, 1u << WAITING, in) ||
        !sync_get(&condition->entries, &condition->woken, 1u << NOTIFIED | 1u << TIMED_OUT, in))
        return false;
    for (struct list *at = condition->woken.next; at != &condition->woken; at = at->next)
        condition->notified += sync_at(at)->state == NOTIFIED;
    return true;
}

static bool
condition_depths(const struct object *lock, const struct list *ring)
{
    for (struct list *at = ring->next; at != ring; at = at->next) {
        if (!lock_may_be(lock, sync_at(at)->number))
            return false;
    }
    return true;
}

static bool
condition_linked(const struct core *core, const struct object *object)
{
    const struct condition *condition = condition_of(object);
    const struct object    *lock = condition_lock(core, object);

    return sync_linked(core, object, &condition->entries) &&
           (lock == NULL || (lock->refs > 0 && lock->transient == object->transient &&
                             condition_depths(lock, &condition->waiting) &&
                             condition_depths(lock, &condition->woken)));
}

static void
condition_describe(const struct core *core, const struct object *object,
                   struct wire_object *out, char text[OBJECT_TEXT_BYTES])
{
    const struct condition *condition = condition_of(object);
    const struct object    *lock = condition_lock(core, object);

    out->items = condition->entries.count;
    snprintf(text, OBJECT_TEXT_BYTES, "%u waiting, %llu of them notified, on %s %.*s%s%llu%s",
             condition->entries.count, (unsigned long long)condition->notified,
             lock == NULL ? "lock" : wire_noun_name(lock->noun),
             lock != NULL && lock->name != NULL ? (int)lock->name->text.bytes : 0,
             lock != NULL && lock->name != NULL ? (const char *)lock->name->text.data : "",
             lock != NULL && lock->name != NULL ? ", object " : "object ",
             (unsigned long long)object->a, lock == NULL ? " (deleted)" : "");
}

static void
condition_verify(const struct core *core, const struct object *object)
{
    const struct condition *condition = condition_of(object);
    const struct object    *lock = condition_lock(core, object);
    uint64_t                count = 0, notified = 0;

    assert(condition_linked(core, object));
    assert(lock == NULL || list_linked(&condition->user.link));
    for (struct list *at = condition->waiting.next; at != &condition->waiting; at = at->next) {
        assert(sync_at(at)->state == WAITING);
        count++;
    }
    for (struct list *at = condition->woken.next; at != &condition->woken; at = at->next) {
        assert(sync_at(at)->state == NOTIFIED || sync_at(at)->state == TIMED_OUT);
        notified += sync_at(at)->state == NOTIFIED;
        count++;
    }
    assert(count == condition->entries.count && notified == condition->notified);
}

const struct noun_rules noun_condition = {
    .check = condition_check, .make = condition_make, .free = condition_free,
    .decide = condition_decide, .apply = condition_apply,
    .session_ended = condition_session_ended, .timed_out = condition_timed_out,
    .wait_dropped = condition_wait_dropped, .start = condition_attach,
    .undone = condition_undone, .put = condition_put, .get = condition_get,
    .linked = condition_linked,
    .describe = condition_describe, .verify = condition_verify,
};
