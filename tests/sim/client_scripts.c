/* client_scripts.c - what actors do with each kind of shared object
 *
 * A script is called with the answer to what it asked in a phase, or when it has
 * rested in one.  Phase 0 begins a round.  What the answers must be is the
 * business of the checker; a script only fails on what no client could expect.
 */
#include "client_objects.h"

enum {
    WAIT_MS_LONG = 9000,
    HOLD_MS      = 2500,
    DELAY_MS     = 6000,
    LIFE_MS      = 12000,
    AT_WILL      = 500,            /* per 1,000 */
};

uint32_t
some_wait_ms(struct actor *actor)
{
    return actor_random(actor, 4) == 0 ? 0 : (uint32_t)actor_random(actor, WAIT_MS_LONG);
}

void
ask(struct actor *actor, enum shared shared, uint32_t verb, uint32_t wait_ms, uint32_t phase)
{
    struct msg_object_do m = { .verb = (uint8_t)verb, .wait_ms = wait_ms };

    actor_do(actor, shared, &m, phase);
}

bool
went_away(muster_err error)
{
    return error == MUSTER_ERR_TIMEOUT || error == MUSTER_ERR_CANCELED ||
           error == MUSTER_ERR_EMPTY || error == MUSTER_ERR_FULL;
}

/* ---- lock, rlock, semaphore: acquire, hold, release ---- */

static const struct {
    uint32_t acquire, release, look;
} sync_verbs[SHARED_COUNT] = {
    [SHARED_LOCK]      = { VERB_LOCK_ACQUIRE, VERB_LOCK_RELEASE, VERB_LOCK_STATE },
    [SHARED_RLOCK]     = { VERB_RLOCK_ACQUIRE, VERB_RLOCK_RELEASE, VERB_RLOCK_STATE },
    [SHARED_SEMAPHORE] = { VERB_SEMAPHORE_ACQUIRE, VERB_SEMAPHORE_RELEASE,
                           VERB_SEMAPHORE_VALUE },
};

enum { SYNC_ACQUIRING = 1, SYNC_HOLDING, SYNC_LOOKING, SYNC_AGAIN, SYNC_RELEASING, SYNC_CLOSING };

static void
sync_release(struct actor *actor)
{
    struct msg_object_do m = { .verb = (uint8_t)sync_verbs[actor->shared].release,
                               .a = actor->shared == SHARED_SEMAPHORE };

    actor_do(actor, actor->shared, &m, SYNC_RELEASING);
}

static void
sync_held(struct actor *actor)
{
    uint64_t what = actor_random(actor, 20);

    if (what == 0 && actor_alone(actor))
        actor_close(actor, actor_object(actor), SYNC_CLOSING);
    else if (what < 4)
        ask(actor, actor->shared, sync_verbs[actor->shared].look, 0, SYNC_LOOKING);
    else if (what < 9 && actor->shared == SHARED_RLOCK)
        ask(actor, actor->shared, VERB_RLOCK_ACQUIRE, 0, SYNC_AGAIN);
    else
        sync_release(actor);
}

static void
script_sync(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    (void)m;
    switch (actor->phase) {
    case 0:
        actor->number = 0;
        ask(actor, actor->shared, sync_verbs[actor->shared].acquire, some_wait_ms(actor),
            SYNC_ACQUIRING);
        return;
    case SYNC_ACQUIRING:
    case SYNC_AGAIN:
        if (error == MUSTER_OK)
            actor->number++;
        else if (!went_away(error))
            actor_fail(actor, error);
        break;
    case SYNC_RELEASING:
        actor->number--;
        /* fall through */
    case SYNC_LOOKING:
        if (error != MUSTER_OK && !actor_forgotten(actor))
            actor_fail(actor, error);
        break;
    case SYNC_CLOSING:
        actor->number = 0;
        break;
    default:
        sync_held(actor);
        return;
    }
    if (actor->number > 0)
        actor_rest(actor, HOLD_MS, SYNC_HOLDING);
    else
        actor_round_ends(actor);
}

/* ---- event ---- */

static void
script_event(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    static const uint8_t verbs[] = { VERB_EVENT_SET, VERB_EVENT_CLEAR, VERB_EVENT_IS_SET,
                                     VERB_EVENT_WAIT };
    uint8_t              verb = verbs[actor_random(actor, sizeof(verbs))];

    (void)m;
    if (actor->phase == 0)
        ask(actor, SHARED_EVENT, verb, verb == VERB_EVENT_WAIT ? some_wait_ms(actor) : 0, 1);
    else if (error != MUSTER_OK && !went_away(error))
        actor_fail(actor, error);
    else
        actor_round_ends(actor);
}

/* ---- condition ---- */

enum { CONDITION_ACQUIRING = 1, CONDITION_HOLDING, CONDITION_NOTIFYING, CONDITION_WAITING,
       CONDITION_RELEASING, CONDITION_PERHAPS };

static void
condition_use(struct actor *actor)
{
    struct msg_object_do m = { .verb = VERB_CONDITION_NOTIFY, .a = actor_random(actor, 3) };

    if (actor_random(actor, 1000) < AT_WILL)
        actor_do(actor, SHARED_CONDITION, &m, CONDITION_NOTIFYING);
    else
        ask(actor, SHARED_CONDITION, VERB_CONDITION_WAIT, some_wait_ms(actor), CONDITION_WAITING);
}

static void
script_condition(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    (void)m;
    switch (actor->phase) {
    case 0:
        ask(actor, SHARED_GUARD, VERB_RLOCK_ACQUIRE, some_wait_ms(actor), CONDITION_ACQUIRING);
        return;
    case CONDITION_ACQUIRING:
        if (error == MUSTER_OK)
            actor_rest(actor, HOLD_MS / 10, CONDITION_HOLDING);
        else
            actor_round_ends(actor);
        return;
    case CONDITION_HOLDING:
        condition_use(actor);
        return;
    case CONDITION_NOTIFYING:
    case CONDITION_WAITING:
        if (error != MUSTER_OK && error != MUSTER_ERR_CANCELED)
            actor_fail(actor, error);
        /* Who gave up waiting cannot know whether it ever let go of the lock. */
        ask(actor, SHARED_GUARD, VERB_RLOCK_RELEASE, 0,
            error == MUSTER_OK ? CONDITION_RELEASING : CONDITION_PERHAPS);
        return;
    case CONDITION_RELEASING:
        if (error != MUSTER_OK)
            actor_fail(actor, error);
        break;
    default:
        if (error != MUSTER_OK && error != MUSTER_ERR_NOT_OWNER)
            actor_fail(actor, error);
    }
    actor_round_ends(actor);
}

/* ---- barrier ---- */

enum { BARRIER_WAITING = 1, BARRIER_OTHER };

static void
script_barrier(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    uint64_t what = actor_random(actor, 12);

    (void)m;
    if (actor->phase == 0 && what == 0)
        ask(actor, SHARED_BARRIER, VERB_BARRIER_ABORT, 0, BARRIER_OTHER);
    else if (actor->phase == 0 && what == 1)
        ask(actor, SHARED_BARRIER, VERB_BARRIER_STATE, 0, BARRIER_OTHER);
    else if (actor->phase == 0)
        ask(actor, SHARED_BARRIER, VERB_BARRIER_WAIT, some_wait_ms(actor) * 2, BARRIER_WAITING);
    else if (actor->phase == BARRIER_WAITING && error == MUSTER_ERR_BROKEN_BARRIER)
        ask(actor, SHARED_BARRIER, VERB_BARRIER_RESET, 0, BARRIER_OTHER);
    else if (error != MUSTER_OK && !went_away(error))
        actor_fail(actor, error);
    else
        actor_round_ends(actor);
}

/* ---- value, and a counter in a dict ---- */

void
put_number(struct buffer *out, int64_t number)
{
    write_u64(out, (uint64_t)number);
}

void
put_exchange(struct buffer *out, int64_t expected, int64_t next)
{
    struct wire_block block = { 0 };
    struct buffer     numbers = { 0 };

    put_number(&numbers, expected);
    put_number(&numbers, next);
    wire_block_add(&block, slice_cut(buffer_slice(&numbers), 0, 8));
    wire_block_add(&block, slice_cut(buffer_slice(&numbers), 8, 8));
    wire_block_put(out, &block);
    wire_block_free(&block);
    buffer_free(&numbers);
}

int64_t
number_of(struct slice bytes)
{
    struct reader in = reader_of(bytes);

    return (int64_t)read_u64(&in);
}

static void
script_value(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct buffer        bytes = { 0 };
    uint64_t             what = actor_random(actor, 4);
    struct msg_object_do add = { .verb = VERB_VALUE_ADD };

    if (error != MUSTER_OK && error != MUSTER_ERR_CANCELED)
        actor_fail(actor, error);
    if (m != NULL)
        actor->number = number_of(m->value);
    if (actor->phase != 0) {
        actor_round_ends(actor);
        return;
    }
    if (what == 0) {
        ask(actor, SHARED_VALUE, VERB_VALUE_GET, 0, 1);
        return;
    }
    if (what == 1) {
        add.verb = VERB_VALUE_CAS;
        put_exchange(&bytes, actor->number, actor->number + 1000);
    } else {
        put_number(&bytes, (int64_t)actor_random(actor, 100) - 30);
    }
    add.value = buffer_slice(&bytes);
    actor_do(actor, SHARED_VALUE, &add, 1);
    buffer_free(&bytes);
}

enum { DICT_GETTING = 1, DICT_SETTING };

static void
script_dict(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct msg_object_do asked = { .verb = VERB_DICT_GET, .key = slice_text("n") };
    struct buffer        bytes = { 0 };

    if (actor->phase == 0) {
        actor_do(actor, SHARED_DICT, &asked, DICT_GETTING);
        return;
    }
    if (error != MUSTER_OK && error != MUSTER_ERR_CANCELED && error != MUSTER_ERR_NO_KEY)
        actor_fail(actor, error);
    if (actor->phase == DICT_SETTING) {
        actor_round_ends(actor);
        return;
    }
    asked.verb = VERB_DICT_CAS;
    asked.a = error == MUSTER_ERR_NO_KEY;
    actor->number = m != NULL ? number_of(m->value) : 0;
    put_exchange(&bytes, actor->number, actor->number + 1);
    asked.value = buffer_slice(&bytes);
    actor_do(actor, SHARED_DICT, &asked, DICT_SETTING);
    buffer_free(&bytes);
}

/* ---- queue ---- */

enum { QUEUE_ASKED = 1, QUEUE_GETTING, QUEUE_GOT, QUEUE_RESERVING, QUEUE_RESERVED,
       QUEUE_EXTENDING };

static void
queue_put(struct actor *actor)
{
    struct history      *history = actor->node->sim->history;
    struct wire_block    block = { 0 };
    struct buffer        bytes = { 0 };
    struct msg_object_do m = { .verb = VERB_QUEUE_PUT, .a = 1 + actor_random(actor, 3),
                               .b = PRIORITY_MAX + actor_random(actor, 2) };

    if (actor->shared == SHARED_TIMED) {
        m.wait_ms = some_wait_ms(actor);
        m.b = PRIORITY_MAX - 1 + actor_random(actor, 3);
        m.c = actor_random(actor, 1000) < AT_WILL ? actor_random(actor, DELAY_MS) : 0;
        m.d = actor_random(actor, 1000) < AT_WILL ? 1 + actor_random(actor, LIFE_MS) : 0;
    }
    for (uint64_t i = 0; i < m.a; i++) {
        struct buffer item = { 0 };

        write_u64(&item, history_item(history));
        wire_block_add(&block, buffer_slice(&item));
        buffer_free(&item);
    }
    wire_block_put(&bytes, &block);
    m.value = buffer_slice(&bytes);
    actor_do(actor, actor->shared, &m, QUEUE_ASKED);
    buffer_free(&bytes);
    wire_block_free(&block);
}

static void
queue_begin(struct actor *actor)
{
    uint64_t             what = actor_random(actor, 20);
    bool                 timed = actor->shared == SHARED_TIMED;
    struct msg_object_do m = { .a = 1 + actor_random(actor, 3) };

    if (what < 8) {
        queue_put(actor);
    } else if (what < 13) {
        m.verb = VERB_QUEUE_GET;
        m.wait_ms = some_wait_ms(actor);
        actor_do(actor, actor->shared, &m, QUEUE_GETTING);
    } else if (what < 18) {
        m.verb = VERB_QUEUE_RESERVE;
        m.wait_ms = some_wait_ms(actor);
        m.b = actor_random(actor, 1000) < AT_WILL ? 0 : 1 + actor_random(actor, 4000);
        actor_do(actor, actor->shared, &m, QUEUE_RESERVING);
    } else if (what == 18 && !timed) {
        ask(actor, actor->shared, VERB_QUEUE_JOIN, some_wait_ms(actor), QUEUE_ASKED);
    } else {
        ask(actor, actor->shared, VERB_QUEUE_SIZE, 0, QUEUE_ASKED);
    }
}

/* It remembers the ids; every second u64 of the key is a count. */
static void
queue_remember(struct actor *actor, const struct msg_object_done *m)
{
    struct reader in = reader_of(m->key);

    buffer_clear(&actor->ids);
    actor->number = (int64_t)m->a;
    while (read_left(&in) > 0) {
        write_u64(&actor->ids, read_u64(&in));
        (void)read_u64(&in);
    }
}

static void
queue_reserved(struct actor *actor)
{
    uint64_t             what = actor_random(actor, 10);
    struct msg_object_do m = { .verb = VERB_QUEUE_ACK_ITEMS,
                               .value = buffer_slice(&actor->ids) };

    if (what == 0 && actor_alone(actor)) {
        actor_close(actor, actor_object(actor), QUEUE_ASKED);
        return;
    }
    if (what < 3)
        m.verb = VERB_QUEUE_GIVE_BACK;
    if (what == 1 && actor->shared == SHARED_TIMED)
        m.c = 1 + actor_random(actor, DELAY_MS);
    if (what == 3) {
        m.verb = VERB_QUEUE_EXTEND;
        m.b = 5000;
    }
    actor_do(actor, actor->shared, &m, what == 3 ? QUEUE_EXTENDING : QUEUE_ASKED);
}

static void
script_queue(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct msg_object_do done = { .verb = VERB_QUEUE_TASK_DONE };

    if (error != MUSTER_OK && error != MUSTER_ERR_STALE && error != MUSTER_ERR_STATE &&
        !went_away(error))
        actor_fail(actor, error);
    switch (actor->phase) {
    case 0:
        queue_begin(actor);
        return;
    case QUEUE_GETTING:
    case QUEUE_RESERVING:
        if (m == NULL || m->a == 0)
            break;
        queue_remember(actor, m);
        actor_rest(actor, HOLD_MS, actor->phase + 1);
        return;
    case QUEUE_GOT:
        if (actor->shared == SHARED_TIMED)
            break;
        done.a = (uint64_t)actor->number;
        actor_do(actor, SHARED_QUEUE, &done, QUEUE_ASKED);
        return;
    case QUEUE_EXTENDING:
        actor_rest(actor, HOLD_MS, QUEUE_RESERVED);
        return;
    case QUEUE_RESERVED:
        queue_reserved(actor);
        return;
    default:
        break;
    }
    actor_round_ends(actor);
}

actor_script *const actor_scripts[SHARED_COUNT] = {
    [SHARED_QUEUE]     = script_queue,
    [SHARED_LOCK]      = script_sync,
    [SHARED_RLOCK]     = script_sync,
    [SHARED_SEMAPHORE] = script_sync,
    [SHARED_EVENT]     = script_event,
    [SHARED_CONDITION] = script_condition,
    [SHARED_BARRIER]   = script_barrier,
    [SHARED_VALUE]     = script_value,
    [SHARED_DICT]      = script_dict,
    [SHARED_LIST]      = script_list,
    [SHARED_ARRAY]     = script_array,
    [SHARED_TIMED]     = script_queue,
    [SHARED_SERVICE]   = script_service,
    [SHARED_LISTENER]  = script_listener,
    [SHARED_PIPE]      = script_pipe,
};

/* ---- the auditor's: read each, then empty the queue ---- */

static const uint8_t audit_verbs[SHARED_COUNT] = {
    [SHARED_QUEUE]     = VERB_QUEUE_SIZE,
    [SHARED_LOCK]      = VERB_LOCK_STATE,
    [SHARED_RLOCK]     = VERB_RLOCK_STATE,
    [SHARED_SEMAPHORE] = VERB_SEMAPHORE_VALUE,
    [SHARED_EVENT]     = VERB_EVENT_IS_SET,
    [SHARED_GUARD]     = VERB_RLOCK_STATE,
    [SHARED_BARRIER]   = VERB_BARRIER_STATE,
    [SHARED_VALUE]     = VERB_VALUE_GET,
    [SHARED_DICT]      = VERB_DICT_GET,
    [SHARED_LIST]      = VERB_LIST_SLICE,
    [SHARED_ARRAY]     = VERB_ARRAY_GET,
    [SHARED_TIMED]     = VERB_QUEUE_SIZE,
};

enum { AUDIT_NEXT = 1, AUDIT_OPENED, AUDIT_GETTING };

static bool
audit_is_queue(enum shared shared)
{
    return shared == SHARED_QUEUE || shared == SHARED_TIMED;
}

static void
audit_read(struct actor *actor)
{
    enum shared          shared = (enum shared)actor->number;
    struct msg_object_do m = { .verb = audit_verbs[shared] };

    if (shared == SHARED_DICT)
        m.key = slice_text("n");
    if (shared == SHARED_LIST || shared == SHARED_ARRAY)
        m.b = shared == SHARED_LIST ? UINT32_MAX : SHARED_ARRAY_ITEMS;
    if (shared == SHARED_CONDITION || shared > SHARED_TIMED)
        actor_rest(actor, 1, AUDIT_NEXT);      /* nothing of it can be read */
    else
        actor_do(actor, shared, &m, audit_is_queue(shared) ? AUDIT_GETTING : AUDIT_NEXT);
}

void
script_audit(struct actor *actor, muster_err error, const struct msg_object_done *m)
{
    struct history      *history = actor->node->sim->history;
    struct msg_object_do get = { .verb = VERB_QUEUE_GET, .a = 1 };

    (void)m;
    if (error != MUSTER_OK && error != MUSTER_ERR_EMPTY && error != MUSTER_ERR_NO_KEY)
        actor_fail(actor, error);
    if (actor->phase == AUDIT_OPENED) {
        audit_read(actor);
        return;
    }
    if (actor->phase == AUDIT_GETTING && error == MUSTER_OK) {
        actor_do(actor, (enum shared)actor->number, &get, AUDIT_GETTING);
        return;
    }
    while (++actor->number < SHARED_PIPE &&
           history_object_id(history_object(history, (enum shared)actor->number)) == 0)
        continue;
    if (actor->number == SHARED_PIPE) {
        actor_round_ends(actor);
        return;
    }
    actor->phase = AUDIT_OPENED;
    actor->opening = (uint32_t)actor->number;
    actor_open(actor, history_object(history, (enum shared)actor->number));
}
