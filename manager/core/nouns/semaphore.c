/* semaphore.c - semaphores (multiprocessing.Semaphore, BoundedSemaphore)
 *
 * 1. left + held = permits + added, always.  Only a RELEASE of what its session
 *    does not hold adds, and a bounded one refuses that.
 * 2. Permits belong to sessions: each of its threads may release them, and they
 *    come back when it ends.
 * 3. FIFO, as a lock: while one is left nobody waits.
 */
#include "plant.h"
#include "sync.h"

enum { LANE_ACQUIRE };
enum { PERMITS_MAX = INT32_MAX };

struct holder {
    struct list link;              /* in the order in which they began to hold */
    uint64_t    session;
    uint64_t    permits;           /* > 0 */
};

struct semaphore {
    uint64_t    left, held, added;
    uint64_t    token;
    struct list holders;
    struct map  by_session;        /* session -> holder */
};

static const struct semaphore *
semaphore_of(const struct object *object)
{
    assert(object->noun == NOUN_SEMAPHORE && object->state != NULL);
    return object->state;
}

static uint64_t
semaphore_held_by(const struct semaphore *semaphore, uint64_t session)
{
    const struct holder *holder = map_get(&semaphore->by_session, session);

    return holder != NULL ? holder->permits : 0;
}

/* ---- state ---- */

static struct holder *
holder_new(struct semaphore *semaphore, uint64_t session)
{
    struct holder *holder = base_alloc(sizeof(*holder));

    holder->session = session;
    list_append(&semaphore->holders, &holder->link);
    map_put(&semaphore->by_session, session, holder);
    return holder;
}

static void
holder_free(struct semaphore *semaphore, struct holder *holder)
{
    list_remove(&holder->link);
    map_remove(&semaphore->by_session, holder->session);
    free(holder);
}

static void
semaphore_take(struct semaphore *semaphore, uint64_t session, uint64_t token)
{
    struct holder *holder = map_get(&semaphore->by_session, session);

    assert(semaphore->left > 0 && token > semaphore->token);
    if (holder == NULL)
        holder = holder_new(semaphore, session);
    holder->permits++;
    semaphore->held++;
    semaphore->left--;
    semaphore->token = token;
}

/* As many of those it holds, at most `permits`; returns how many. */
static uint64_t
semaphore_give_back(struct semaphore *semaphore, uint64_t session, uint64_t permits)
{
    struct holder *holder = map_get(&semaphore->by_session, session);

    if (holder == NULL)
        return 0;
    if (permits > holder->permits)
        permits = holder->permits;
    holder->permits -= permits;
    semaphore->held -= permits;
    semaphore->left += permits;
    if (holder->permits == 0)
        holder_free(semaphore, holder);
    return permits;
}

/* ---- the life of the object ---- */

static bool
semaphore_check(const struct core *core, const struct msg_object_open *m, struct verdict *v)
{
    (void)core;
    return sync_settings(m, 0, PERMITS_MAX, 1, v);
}

static void
semaphore_make(struct core *core, struct object *object, struct slice initial)
{
    struct semaphore *semaphore = base_alloc(sizeof(*semaphore));

    (void)core;
    (void)initial;
    assert(object->noun == NOUN_SEMAPHORE && object->state == NULL);
    list_init(&semaphore->holders);
    semaphore->left = object->a;
    object->state = semaphore;
}

static void
semaphore_free(struct core *core, struct object *object)
{
    struct semaphore *semaphore = object->state;

    (void)core;
    while (!list_empty(&semaphore->holders))
        holder_free(semaphore, CONTAINER(semaphore->holders.next, struct holder, link));
    map_free(&semaphore->by_session);
    free(semaphore);
    object->state = NULL;
}

/* ---- decide ---- */

static void
semaphore_decide_release(const struct object *object, const struct act *act, struct verdict *v)
{
    const struct semaphore *semaphore = semaphore_of(object);
    uint64_t                held = semaphore_held_by(semaphore, act->session);

    if (act->a == 0 || act->a > PERMITS_MAX)
        verdict_error(v, object, MUSTER_ERR_INVALID, "1 to %d permits can be released, not %llu",
                      PERMITS_MAX, (unsigned long long)act->a);
    else if (act->a > held && object->b == 1)
        verdict_error(v, object, MUSTER_ERR_STATE,
                      "this session holds %llu of its %llu permits and cannot release %llu: "
                      "it is bounded", (unsigned long long)held, (unsigned long long)object->a,
                      (unsigned long long)act->a);
    else if (semaphore->left + semaphore->held + (act->a > held ? act->a - held : 0) > PERMITS_MAX)
        verdict_error(v, object, MUSTER_ERR_FULL, "it cannot have more than %d permits",
                      PERMITS_MAX);
    else
        v->kind = VERDICT_DO;
}

static void
semaphore_decide(struct core *core, struct object *object, const struct act *act,
                 struct verdict *v)
{
    const struct semaphore *semaphore = semaphore_of(object);

    if (!sync_plain(object, act, act->verb == VERB_SEMAPHORE_RELEASE ? SYNC_A : 0, v))
        return;
    switch (act->verb) {
    case VERB_SEMAPHORE_ACQUIRE:
        if (semaphore->left == 0 || lane_busy(object, LANE_ACQUIRE, act)) {
            verdict_wait(v, LANE_ACQUIRE, MUSTER_ERR_TIMEOUT);
            return;
        }
        v->kind = VERDICT_DO;
        v->fact.a = sync_token(core, semaphore->token);
        return;
    case VERB_SEMAPHORE_RELEASE:
        semaphore_decide_release(object, act, v);
        return;
    case VERB_SEMAPHORE_VALUE:
        v->kind = VERDICT_ANSWER;
        v->answer.a = semaphore->left;
        v->answer.b = semaphore->held;
        return;
    default:
        sync_no_verb(object, v);
    }
}

/* ---- apply ---- */

static bool
semaphore_apply(struct core *core, struct object *object, const struct act *act,
                struct msg_object_done *answer)
{
    struct semaphore *semaphore = object->state;
    uint64_t          added;

    (void)core;
    switch (act->verb) {
    case VERB_SEMAPHORE_ACQUIRE:
        if (semaphore->left == 0 || act->a <= semaphore->token)
            return false;
        semaphore_take(semaphore, act->session, act->a);
        answer->a = act->a;
        answer->b = semaphore->left;
        return true;
    case VERB_SEMAPHORE_RELEASE:
        if (act->a == 0 || act->a > PERMITS_MAX ||
            (object->b == 1 && act->a > semaphore_held_by(semaphore, act->session)))
            return false;
        added = act->a - semaphore_give_back(semaphore, act->session, act->a);
        semaphore->added += added;
        semaphore->left += added;
        return semaphore->left + semaphore->held <= PERMITS_MAX;
    default:
        return false;
    }
}

static void
semaphore_session_ended(struct core *core, struct object *object, uint64_t session)
{
    (void)core;
    semaphore_give_back(object->state, session, PERMITS_MAX);
}

/* One permit more than the session knows of. */
static bool
semaphore_undone(struct core *core, struct object *object, uint64_t session,
                 const struct kept *kept)
{
    (void)core;
    if (kept->verb != VERB_SEMAPHORE_ACQUIRE)
        return false;
    semaphore_give_back(object->state, session, PLANT_PERMITS(1));
    return true;
}

/* ---- snapshot ---- */

static void
semaphore_put(const struct core *core, const struct object *object, struct buffer *out)
{
    const struct semaphore *semaphore = semaphore_of(object);

    (void)core;
    write_varint(out, semaphore->left);
    write_varint(out, semaphore->added);
    write_varint(out, semaphore->token);
    write_varint(out, semaphore->by_session.count);
    for (struct list *at = semaphore->holders.next; at != &semaphore->holders; at = at->next) {
        const struct holder *holder = CONTAINER(at, struct holder, link);

        write_varint(out, holder->session);
        write_varint(out, holder->permits);
    }
}

static bool
semaphore_get(struct core *core, struct object *object, struct reader *in)
{
    struct semaphore *semaphore = object->state;
    uint64_t          count;

    (void)core;
    semaphore->left = read_varint(in);
    semaphore->added = read_varint(in);
    semaphore->token = read_varint(in);
    count = read_varint(in);
    for (uint64_t i = 0; i < count && !in->bad; i++) {
        uint64_t session = read_varint(in);
        uint64_t permits = read_varint(in);

        if (permits == 0 || permits > PERMITS_MAX || session == 0 ||
            map_get(&semaphore->by_session, session) != NULL)
            return false;
        holder_new(semaphore, session)->permits = permits;
        semaphore->held += permits;
    }
    return !in->bad && semaphore->left <= PERMITS_MAX && semaphore->added <= PERMITS_MAX &&
           (object->b == 0 || semaphore->added == 0) &&
           semaphore->left + semaphore->held == object->a + semaphore->added;
}

static bool
semaphore_linked(const struct core *core, const struct object *object)
{
    const struct semaphore *semaphore = semaphore_of(object);

    for (struct list *at = semaphore->holders.next; at != &semaphore->holders; at = at->next) {
        if (!object_tied(core, CONTAINER(at, struct holder, link)->session, object))
            return false;
    }
    return true;
}

static void
semaphore_describe(const struct core *core, const struct object *object, struct wire_object *out,
                   char text[OBJECT_TEXT_BYTES])
{
    const struct semaphore *semaphore = semaphore_of(object);

    (void)core;
    out->items = semaphore->left;
    snprintf(text, OBJECT_TEXT_BYTES, "%llu left, %llu held by %zu session%s%s",
             (unsigned long long)semaphore->left, (unsigned long long)semaphore->held,
             semaphore->by_session.count, semaphore->by_session.count == 1 ? "" : "s",
             object->b == 1 ? ", bounded" : "");
}

static void
semaphore_verify(const struct core *core, const struct object *object)
{
    const struct semaphore *semaphore = semaphore_of(object);
    uint64_t                held = 0, sessions = 0;

    for (struct list *at = semaphore->holders.next; at != &semaphore->holders; at = at->next) {
        const struct holder *holder = CONTAINER(at, struct holder, link);

        assert(map_get(&semaphore->by_session, holder->session) == holder);
        assert(holder->permits > 0);
        held += holder->permits;
        sessions++;
    }
    assert(semaphore_linked(core, object));
    assert(sessions == semaphore->by_session.count && held == semaphore->held);
    assert(semaphore->left + held == object->a + semaphore->added);
    assert(object->b == 0 || semaphore->added == 0);
    assert(semaphore->left == 0 || lane_first(object, LANE_ACQUIRE) == NULL);
}

const struct noun_rules noun_semaphore = {
    .check = semaphore_check, .make = semaphore_make, .free = semaphore_free,
    .decide = semaphore_decide, .apply = semaphore_apply,
    .session_ended = semaphore_session_ended, .undone = semaphore_undone,
    .put = semaphore_put, .get = semaphore_get, .linked = semaphore_linked,
    .describe = semaphore_describe, .verify = semaphore_verify,
};
