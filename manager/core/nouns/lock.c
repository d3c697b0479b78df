/* lock.c - locks and re-entrant locks (multiprocessing.Lock, RLock)
 *
 *            acquire                     release, holder's session ended,
 *   FREE ----------------> HELD --------- answer never seen ------------> FREE
 *                          |  ^
 *                          `--' an rlock by its own thread: depth + 1
 *
 * 1. FIFO: who finds it held stands in the lane; whoever lets go of it, its
 *    first waiter has it before the step ends.  So a free lock has no waiters,
 *    and nobody overtakes.
 * 2. A lock belongs to a session: each of its threads may release it, and who
 *    acquires it twice waits for himself.  An rlock belongs to one thread of a
 *    session.
 * 3. The token names one holding from its first acquire to its last release:
 *    an acquire by the thread that holds an rlock returns the same token.
 * 4. A condition lets go of its lock and takes it again through this file; its
 *    woken waiters stand in the lane with all others.
 */
#include "plant.h"
#include "sync.h"

enum { LOCK_DEPTH_MAX = 65535 };

struct lock {
    uint64_t    token;             /* of this holding, or of the last */
    uint64_t    session, thread;   /* that hold it */
    uint64_t    unix_ms;           /* since when */
    uint32_t    depth;             /* 0: free */
    struct list users;             /* (d) struct lock_user: conditions */
};

/* ---- state ---- */

static const struct lock *
lock_of(const struct object *object)
{
    assert(lock_is(object) && object->state != NULL);
    return object->state;
}

static uint32_t
lock_depth_max(const struct object *object)
{
    return object->noun == NOUN_RLOCK ? LOCK_DEPTH_MAX : 1;
}

static void
lock_hold(struct object *object, const struct act *act, uint64_t depth, uint64_t token)
{
    struct lock *lock = object->state;

    assert(lock->depth == 0 && lock_may_be(object, depth));
    assert(PLANT_RISES(token, lock->token));
    lock->token = token;
    lock->session = act->session;
    lock->thread = act->thread;
    lock->unix_ms = act->unix_ms;
    lock->depth = (uint32_t)depth;
}

static void
lock_let_go(struct core *core, struct object *object, uint32_t by)
{
    struct lock *lock = object->state;

    assert(lock->depth >= by);
    lock->depth -= by;
    if (lock->depth == 0) {
        lock->session = 0;
        lock->thread = 0;
        lock->unix_ms = 0;
    }
    object_touch(core, object);
}

/* ---- for conditions and guarded writes ---- */

bool
lock_is(const struct object *object)
{
    return object->noun == NOUN_LOCK || object->noun == NOUN_RLOCK;
}

bool
lock_free(const struct object *lock)
{
    return lock_of(lock)->depth == 0;
}

bool
lock_held_by(const struct object *object, uint64_t session, uint64_t thread)
{
    const struct lock *lock = lock_of(object);

    return lock->depth > 0 && lock->session == session &&
           (object->noun == NOUN_LOCK || lock->thread == thread);
}

bool
lock_may_be(const struct object *lock, uint64_t depth)
{
    return depth > 0 && depth <= lock_depth_max(lock);
}

uint64_t
lock_next_token(const struct core *core, const struct object *lock)
{
    uint64_t last = lock_of(lock)->token;

    return PLANT_NEXT_TOKEN(last, sync_token(core, last));
}

bool
lock_guards(const struct core *core, uint64_t id, uint64_t token)
{
    const struct object *object = object_find(core, id);

    return object != NULL && lock_is(object) && lock_of(object)->depth > 0 &&
           lock_of(object)->token == token;
}

uint32_t
lock_drop(struct core *core, struct object *lock)
{
    uint32_t depth = lock_of(lock)->depth;

    assert(depth > 0);
    lock_let_go(core, lock, depth);
    return depth;
}

bool
lock_take(struct core *core, struct object *object, const struct act *act, uint64_t depth,
          uint64_t token)
{
    const struct lock *lock = lock_of(object);

    if (lock->depth > 0 || !PLANT_RISES(token, lock->token) || !lock_may_be(object, depth))
        return false;
    lock_hold(object, act, depth, token);
    object_touch(core, object);
    return true;
}

void
lock_undo(struct core *core, struct object *object, uint64_t token)
{
    const struct lock *lock = lock_of(object);

    if (lock->depth > 0 && lock->token == token)
        lock_let_go(core, object, lock->depth);
}

void
lock_attach(struct object *object, struct lock_user *user)
{
    struct lock *lock = object->state;

    assert(lock_is(object));
    list_append(&lock->users, &user->link);
}

/* ---- the life of the object ---- */

static bool
lock_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    return sync_settings(m, 0, 0, 0, v);
}

static void
lock_make(struct core *core, struct object *object, struct slice initial)
{
    struct lock *lock = base_alloc(sizeof(*lock));

    (void)core;
    (void)initial;
    assert(lock_is(object) && object->state == NULL);
    list_init(&lock->users);
    object->state = lock;
}

/* Waiters of its conditions must hear that they will never have it again. */
static void
lock_end(struct core *core, struct object *object)
{
    struct lock *lock = object->state;

    while (!list_empty(&lock->users)) {
        struct lock_user *user = CONTAINER(lock->users.next, struct lock_user, link);

        list_remove(&user->link);
        object_touch(core, user->object);
    }
    free(lock);
    object->state = NULL;
}

/* ---- decide ---- */

/* Who holds it, for people. */
static void
lock_holder(const struct core *core, const struct object *object, char text[OBJECT_TEXT_BYTES])
{
    const struct lock *lock = lock_of(object);
    size_t             bytes;

    sync_who(core, lock->session, text);
    bytes = strlen(text);
    if (object->noun == NOUN_RLOCK)
        snprintf(text + bytes, OBJECT_TEXT_BYTES - bytes, " in thread %llu",
                 (unsigned long long)lock->thread);
}

static void
lock_decide_acquire(struct core *core, struct object *object, const struct act *act,
                    struct verdict *v)
{
    const struct lock *lock = lock_of(object);
    bool               again = object->noun == NOUN_RLOCK &&
                               lock_held_by(object, act->session, act->thread);

    if (again && lock->depth == lock_depth_max(object)) {
        verdict_error(v, object, MUSTER_ERR_FULL, "this thread holds it %u times", lock->depth);
    } else if (again || (lock->depth == 0 && !lane_busy(object, LOCK_LANE, act))) {
        v->kind = VERDICT_DO;
        v->fact.a = again ? lock->token : lock_next_token(core, object);
    } else {
        verdict_wait(v, LOCK_LANE, MUSTER_ERR_TIMEOUT);
    }
}

static void
lock_decide_release(const struct core *core, const struct object *object, const struct act *act,
                    struct verdict *v)
{
    char who[OBJECT_TEXT_BYTES];

    if (lock_held_by(object, act->session, act->thread)) {
        v->kind = VERDICT_DO;
    } else if (lock_free(object)) {
        verdict_error(v, object, MUSTER_ERR_NOT_OWNER, "it is not held");
    } else {
        lock_holder(core, object, who);
        verdict_error(v, object, MUSTER_ERR_NOT_OWNER, "it is held by %s", who);
    }
}

static void
lock_decide_state(struct core *core, const struct object *object, struct verdict *v)
{
    const struct lock *lock = lock_of(object);
    char               who[OBJECT_TEXT_BYTES];

    v->kind = VERDICT_ANSWER;
    v->answer.a = lock->depth > 0;
    v->answer.b = lock->token;
    v->answer.c = lock->depth;
    if (lock->depth == 0)
        return;
    lock_holder(core, object, who);
    buffer_clear(&core->scratch);
    buffer_append_text(&core->scratch, who);
    v->answer.value = buffer_slice(&core->scratch);
}

static void
lock_decide(struct core *core, struct object *object, const struct act *act, struct verdict *v)
{
    if (!sync_plain(object, act, 0, v))
        return;
    switch (act->verb) {
    case VERB_LOCK_ACQUIRE:
    case VERB_RLOCK_ACQUIRE:
        lock_decide_acquire(core, object, act, v);
        return;
    case VERB_LOCK_RELEASE:
    case VERB_RLOCK_RELEASE:
        lock_decide_release(core, object, act, v);
        return;
    case VERB_LOCK_STATE:
    case VERB_RLOCK_STATE:
        lock_decide_state(core, object, v);
        return;
    default:
        sync_no_verb(object, v);
    }
}

/* ---- apply ---- */

static bool
lock_apply_acquire(struct core *core, struct object *object, const struct act *act,
                   struct msg_object_done *answer)
{
    struct lock *lock = object->state;

    if (lock->depth > 0) {
        if (object->noun != NOUN_RLOCK || !lock_held_by(object, act->session, act->thread) ||
            act->a != lock->token || lock->depth == lock_depth_max(object))
            return false;
        lock->depth++;
    } else if (!lock_take(core, object, act, 1, act->a)) {
        return false;
    }
    answer->a = lock->token;
    answer->b = lock->depth;
    return true;
}

static bool
lock_apply(struct core *core, struct object *object, const struct act *act,
           struct msg_object_done *answer)
{
    switch (act->verb) {
    case VERB_LOCK_ACQUIRE:
    case VERB_RLOCK_ACQUIRE:
        return lock_apply_acquire(core, object, act, answer);
    case VERB_LOCK_RELEASE:
    case VERB_RLOCK_RELEASE:
        if (!lock_held_by(object, act->session, act->thread))
            return false;
        lock_let_go(core, object, 1);
        return true;
    default:
        return false;
    }
}

static void
lock_session_ended(struct core *core, struct object *object, uint64_t session)
{
    const struct lock *lock = lock_of(object);

    if (lock->depth > 0 && lock->session == session)
        lock_let_go(core, object, lock->depth);
}

/* Granted, but nobody knows that he has it. */
static bool
lock_undone(struct core *core, struct object *object, uint64_t session, const struct kept *kept)
{
    const struct lock *lock = lock_of(object);

    if (kept->verb != VERB_LOCK_ACQUIRE && kept->verb != VERB_RLOCK_ACQUIRE)
        return false;
    if (lock->depth > 0 && lock->session == session && lock->token == kept->answer.a)
        lock_let_go(core, object, 1);
    return true;
}

/* ---- snapshot ---- */

static void
lock_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct lock *lock = lock_of(object);

    (void)core;
    write_varint(out, lock->token);
    write_varint(out, lock->depth);
    if (lock->depth == 0)
        return;
    write_varint(out, lock->session);
    write_varint(out, lock->thread);
    write_varint(out, lock->unix_ms);
}

static bool
lock_get(struct core *core, struct object *object, struct reader *in)
{
    struct lock *lock = object->state;
    uint64_t     depth;

    (void)core;
    lock->token = read_varint(in);
    depth = read_varint(in);
    if (depth > lock_depth_max(object))
        return false;
    lock->depth = (uint32_t)depth;
    if (depth > 0) {
        lock->session = read_varint(in);
        lock->thread = read_varint(in);
        lock->unix_ms = read_varint(in);
        if (lock->session == 0 || lock->token == 0)
            return false;
    }
    return !in->bad;
}

static bool
lock_linked(const struct core *core, const struct object *object)
{
    const struct lock *lock = lock_of(object);

    return lock->depth == 0 || object_tied(core, lock->session, object);
}

static void
lock_describe(const struct core *core, const struct object *object, struct wire_object *out,
              char text[OBJECT_TEXT_BYTES])
{
    const struct lock *lock = lock_of(object);
    char               who[OBJECT_TEXT_BYTES];

    out->items = lock->depth;
    if (lock->depth == 0) {
        snprintf(text, OBJECT_TEXT_BYTES, "free");
        return;
    }
    lock_holder(core, object, who);
    snprintf(text, OBJECT_TEXT_BYTES, "held by %.300s, token %llu", who,
             (unsigned long long)lock->token);
}

static void
lock_verify(const struct core *core, const struct object *object)
{
    const struct lock *lock = lock_of(object);

    if (lock->depth == 0) {
        assert(lock->session == 0 && lock->thread == 0 && lock->unix_ms == 0);
        assert(lane_first(object, LOCK_LANE) == NULL);
    } else {
        assert(lock_linked(core, object));
        assert(lock->token > 0);
        assert(lock->depth <= lock_depth_max(object));
    }
}

const struct noun_rules noun_lock = {
    .check = lock_check, .make = lock_make, .free = lock_end, .decide = lock_decide,
    .apply = lock_apply, .session_ended = lock_session_ended, .undone = lock_undone,
    .put = lock_put, .get = lock_get, .linked = lock_linked, .describe = lock_describe,
    .verify = lock_verify,
};
