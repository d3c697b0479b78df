/* test_sync_walk.c - random walks through locks and their kin
 *
 * Method: from a seed, the threads of some sessions do whatever they like to a
 * lock, an rlock, a transient lock, their conditions, a semaphore, an event and
 * a barrier, each with one request at a time.  Connections are lost with answers
 * on their way, sessions end or expire, requests are given up, the manager is
 * killed and restarted from its log or from a checkpoint.  Beside the core runs
 * a model of what was told:
 *
 *   a lock has one holder, and tokens rise; a semaphore gives no more than it
 *   has; nobody passes an event that is not set; a generation of the barrier
 *   has each place once; an answer that is told again is the same.
 *
 * After every turn core_check() holds and a replay has the same digest.  At the
 * end everybody lets go, and no request may be left waiting.
 */
#include "sync_model.h"

/* ---- what was told ---- */

static struct thread *
walk_thread(struct walk *walk, uint64_t session, uint64_t request, int *session_out,
            int *thread_out)
{
    for (int i = 0; i < SESSIONS; i++) {
        for (int j = 0; j < THREADS; j++) {
            if (walk->sessions[i].id != session || request == 0 ||
                walk->sessions[i].threads[j].request != request)
                continue;
            *session_out = i;
            *thread_out = j;
            return &walk->sessions[i].threads[j];
        }
    }
    return NULL;
}

static void
walk_told(struct walk *walk, uint16_t type, uint64_t session, uint64_t request,
          const union wire_any *m)
{
    int            at, number;
    struct thread *thread = walk_thread(walk, session, request, &at, &number);

    if (thread == NULL)
        return;
    assert_true(type == MSG_TYPE_OBJECT_DONE || type == MSG_TYPE_ERROR);
    walk->answers++;
    thread->heard = true;
    if (type == MSG_TYPE_ERROR) {
        /* Nothing keeps what changed nothing. */
        assert_false(thread->answered && thread->m.verb != VERB_EVENT_WAIT);
        if (thread->m.verb == VERB_CONDITION_WAIT && thread->depth > 0)
            assert_int_equal(m->error.code, MUSTER_ERR_CANCELED);
        return;
    }
    if (thread->answered) {
        assert_memory_equal(&thread->answer, &m->object_done, offsetof(struct msg_object_done, d));
        return;
    }
    thread->answered = true;
    thread->answer = m->object_done;
    model_done(walk, at, number, &m->object_done);
}

static void
walk_collect(struct walk *walk)
{
    struct effects *fx = &walk->world->fx;

    for (uint32_t i = walk->world->sends_read; i < fx->send_count; i++) {
        const struct effect_send *send = &fx->sends[i];
        struct reader             in = reader_of(slice_of(fx->out.data + send->offset,
                                                          send->bytes));
        union wire_any            m;
        uint16_t                  type;
        uint64_t                  request;

        (void)read_u32(&in);
        type = read_u16(&in);
        (void)read_u16(&in);
        request = read_u64(&in);
        assert_int_equal(wire_decode_any(type, slice_of(in.at, read_left(&in)), &m), MUSTER_OK);
        walk_told(walk, type, send->session, request, &m);
    }
    walk->world->sends_read = fx->send_count;
}

/* Who heard an answer is idle again; who lost the connection in between did not
 * hear it. */
static void
walk_hear(struct walk *walk)
{
    for (int i = 0; i < SESSIONS; i++) {
        for (int j = 0; j < THREADS; j++) {
            struct thread *thread = &walk->sessions[i].threads[j];

            if (thread->heard && walk->sessions[i].connected)
                *thread = (struct thread){ 0 };
            thread->heard = false;
        }
    }
}

static void
walk_turn(struct walk *walk, uint64_t ms)
{
    struct effects *fx = &walk->world->fx;

    world_turn(walk->world, ms);
    for (uint32_t i = 0; i < fx->ended_count; i++) {
        for (int j = 0; j < SESSIONS; j++) {
            if (walk->sessions[j].id == fx->ended[i])
                model_session_ended(walk, j);
        }
    }
    walk_collect(walk);
    world_next(walk->world);
}

/* ---- what is done ---- */

static void
walk_send(struct walk *walk, int session, uint64_t request, uint16_t type,
          const union wire_any *m)
{
    struct core_from from = { .session = walk->sessions[session].id, .role = ROLE_CLIENT,
                              .user = slice_text("ann"), .address = slice_text("10.0.0.1") };

    core_step(walk->world->core, walk->world->now_ms, &from, request, type, m, &walk->world->fx);
}

static void
walk_open(struct walk *walk, int session)
{
    char name[2] = "a";

    for (int i = 0; i < OBJECTS; i++) {
        union wire_any m = { .object_open = { .noun = (uint8_t)made[i].noun, .mode = OPEN_ANY,
                                              .name = slice_text(name), .a = made[i].a,
                                              .b = made[i].b, .transient = made[i].transient } };
        union wire_any answer;

        if (made[i].noun == NOUN_CONDITION)
            m.object_open.a = walk->objects[made[i].lock];
        walk_send(walk, session, ++walk->world->request, MSG_TYPE_OBJECT_OPEN, &m);
        assert_int_equal(world_take(walk->world, NULL, &answer), MSG_TYPE_OBJECT_OPENED);
        walk->objects[i] = answer.object_opened.object;
        name[0]++;
    }
}

static void
walk_join(struct walk *walk, int session)
{
    union wire_any m;

    walk_collect(walk);
    walk->sessions[session].id = world_hello(walk->world, ROLE_CLIENT, "ann", 0, 42);
    world_expect(walk->world, WELCOME, &m);
    walk->sessions[session].connected = true;
    walk_open(walk, session);
}

static void
walk_ask(struct walk *walk, int session, int number)
{
    struct thread *thread = &walk->sessions[session].threads[number];
    union wire_any m = { .object_do = thread->m };

    walk_collect(walk);
    model_begin(walk, session, number);
    walk_send(walk, session, thread->request, MSG_TYPE_OBJECT_DO, &m);
}

static void
walk_back(struct walk *walk, int session)
{
    union wire_any m;

    walk_collect(walk);
    assert_int_equal(world_hello(walk->world, ROLE_CLIENT, "ann", walk->sessions[session].id, 42),
                     walk->sessions[session].id);
    world_expect(walk->world, WELCOME, &m);
    walk->sessions[session].connected = true;
    for (int i = 0; i < THREADS; i++) {
        if (walk->sessions[session].threads[i].request != 0)
            walk_ask(walk, session, i);
    }
}

static void
walk_begin_deed(struct walk *walk, int session, int number, uint32_t deed, uint32_t wait_ms)
{
    struct thread            *thread = &walk->sessions[session].threads[number];
    enum wire_verb_kind       kind = wire_verb_rule(deeds[deed].verb)->kind;

    *thread = (struct thread){ .object = deeds[deed].object,
                               .request = ++walk->world->request };
    thread->m = (struct msg_object_do){ .object = walk->objects[deeds[deed].object],
                                        .verb = (uint8_t)deeds[deed].verb, .a = deeds[deed].a,
                                        .thread = (uint64_t)number };
    if (kind == VERB_WAIT || kind == VERB_LOOK)
        thread->m.wait_ms = wait_ms;
    walk_ask(walk, session, number);
}

/* Would it be refused at once? */
static bool
walk_idle(const struct walk *walk, int session, int number, uint32_t deed)
{
    enum what lock = made[deeds[deed].object].lock;

    switch (deeds[deed].verb) {
    case VERB_LOCK_RELEASE:
    case VERB_RLOCK_RELEASE:
    case VERB_CONDITION_WAIT:
    case VERB_CONDITION_NOTIFY:
        return !model_holds(walk, lock, session, number);
    case VERB_SEMAPHORE_RELEASE:
        return walk->sessions[session].seats == 0;
    default:
        return false;
    }
}

static void
walk_deed(struct walk *walk, int session, int number)
{
    static const uint32_t waits[] = { 0, 50, 50, 200, 500, 500, 2000, 20000, UINT32_MAX };
    uint32_t              deed = walk_random(walk, DEEDS);

    for (int i = 0; i < 5 && walk_idle(walk, session, number, deed); i++)
        deed = walk_random(walk, DEEDS);
    if (deeds[deed].verb == VERB_BARRIER_ABORT && walk_random(walk, 20) > 0)
        deed = walk_random(walk, DEEDS);
    walk_begin_deed(walk, session, number, deed, waits[walk_random(walk, 9)]);
}

static void
walk_cancel(struct walk *walk, int session, int number)
{
    struct thread *thread = &walk->sessions[session].threads[number];
    union wire_any m = { .object_cancel = { .request = thread->request } };
    uint64_t       cancel = ++walk->world->request;
    struct effects *fx = &walk->world->fx;

    walk_collect(walk);
    walk_send(walk, session, cancel, MSG_TYPE_OBJECT_CANCEL, &m);
    for (uint32_t i = walk->world->sends_read; i < fx->send_count; i++) {
        struct reader in = reader_of(slice_of(fx->out.data + fx->sends[i].offset,
                                              fx->sends[i].bytes));

        (void)read_u32(&in);
        if (read_u16(&in) != MSG_TYPE_ACK)
            continue;
        (void)read_u16(&in);
        if (read_u64(&in) == cancel && read_u64(&in) == 1)
            model_undo(walk, session, number);
    }
    *thread = (struct thread){ 0 };
    walk_collect(walk);
}

static void
walk_seen(struct walk *walk, int session)
{
    union wire_any m = { .object_seen = { .below = walk->world->request + 1 } };

    for (int i = 0; i < THREADS; i++) {
        uint64_t request = walk->sessions[session].threads[i].request;

        if (request != 0 && request < m.object_seen.below)
            m.object_seen.below = request;
    }
    walk_send(walk, session, ++walk->world->request, MSG_TYPE_OBJECT_SEEN, &m);
}

static void
walk_lose(struct walk *walk, int session)
{
    core_away(walk->world->core, walk->world->now_ms, walk->sessions[session].id);
    walk->sessions[session].connected = false;
}

static void
walk_restart(struct walk *walk, bool reload)
{
    walk->script->world = walk->world;
    script_restarted(walk->script, reload);
    for (int i = 0; i < SESSIONS; i++) {
        walk->sessions[i].connected = false;
        for (int j = 0; j < THREADS; j++) {
            struct thread *thread = &walk->sessions[i].threads[j];

            if (thread->request != 0 && thread->object == BRIEF)
                thread->answered = false;
        }
    }
    walk->locks[BRIEF].depth = 0;
}

static void
walk_step(struct walk *walk)
{
    int      session = (int)walk_random(walk, SESSIONS);
    int      number = (int)walk_random(walk, THREADS);
    uint32_t chance = walk_random(walk, 100);
    struct model_session *of = &walk->sessions[session];
    union wire_any        nothing = { 0 };

    if (of->id == 0) {
        walk_join(walk, session);
    } else if (!of->connected) {
        if (chance < 30)
            walk_back(walk, session);
    } else if (chance < 1) {
        walk_send(walk, session, ++walk->world->request, MSG_TYPE_GOODBYE, &nothing);
        model_session_ended(walk, session);
    } else if (chance < 5) {
        walk_lose(walk, session);
    } else if (of->threads[number].request == 0) {
        walk_deed(walk, session, number);
    } else if (chance < 15) {
        walk_cancel(walk, session, number);
    } else if (chance < 25) {
        walk_seen(walk, session);
    } else if (chance < 30) {
        walk_ask(walk, session, number);
    }
    walk_collect(walk);
}

static void
walk_beat(struct walk *walk)
{
    for (int i = 0; i < SESSIONS; i++) {
        if (walk->sessions[i].id != 0 && walk->sessions[i].connected)
            walk_send(walk, i, ++walk->world->request, MSG_TYPE_BEAT, &(union wire_any){ 0 });
    }
}

static void
walk_turns(struct walk *walk, uint32_t turns)
{
    for (uint32_t i = 0; i < turns; i++) {
        uint32_t steps = walk_random(walk, 6);

        walk_beat(walk);
        for (uint32_t j = 0; j < steps; j++) {
            walk_step(walk);
            if (walk_random(walk, 3) > 0)
                walk_hear(walk);
        }
        walk_turn(walk, walk_random(walk, 30) == 0 ? walk_random(walk, 5000)
                                                   : walk_random(walk, 60));
        walk_hear(walk);
        if (walk_random(walk, 120) == 0)
            walk_restart(walk, walk_random(walk, 2) == 0);
    }
}

/* ---- everybody lets go ---- */

static uint32_t
walk_waiting(const struct walk *walk)
{
    uint32_t waiting = 0;

    for (int i = 0; i < SESSIONS; i++) {
        for (int j = 0; j < THREADS; j++)
            waiting += walk->sessions[i].threads[j].request != 0;
    }
    return waiting;
}

static uint32_t
walk_deed_of(unsigned verb, enum what object)
{
    for (uint32_t i = 0; i < DEEDS; i++) {
        if (deeds[i].verb == verb && deeds[i].object == object)
            return i;
    }
    fail_msg("no such deed");
    return 0;
}

/* An idle thread gives up something it holds. */
static void
walk_calm_thread(struct walk *walk, int session, int number)
{
    static const struct { unsigned release, notify; enum what lock, condition; } rows[] = {
        { VERB_LOCK_RELEASE, VERB_CONDITION_NOTIFY, LOCK, ON_LOCK },
        { VERB_RLOCK_RELEASE, VERB_CONDITION_NOTIFY, RLOCK, ON_RLOCK },
        { VERB_LOCK_RELEASE, 0, BRIEF, BRIEF },
    };

    for (int i = 0; i < 3; i++) {
        if (!model_holds(walk, rows[i].lock, session, number))
            continue;
        if (rows[i].notify != 0) {
            walk_begin_deed(walk, session, number, walk_deed_of(rows[i].notify, rows[i].condition),
                            0);
            walk_collect(walk);
            walk_hear(walk);
        }
        walk_begin_deed(walk, session, number, walk_deed_of(rows[i].release, rows[i].lock), 0);
        return;
    }
    if (walk->sessions[session].seats > 0)
        walk_begin_deed(walk, session, number, walk_deed_of(VERB_SEMAPHORE_RELEASE, SEATS), 0);
    else if (walk_random(walk, 2) == 0)
        walk_begin_deed(walk, session, number,
                        walk_random(walk, 2) == 0 ? walk_deed_of(VERB_LOCK_ACQUIRE, LOCK)
                                                  : walk_deed_of(VERB_RLOCK_ACQUIRE, RLOCK), 0);
    else
        walk_begin_deed(walk, session, number,
                        walk_random(walk, 2) == 0 ? walk_deed_of(VERB_EVENT_SET, FLAG)
                                                  : walk_deed_of(VERB_BARRIER_ABORT, GATE), 0);
}

/* A dead-lock of their own making: all that could let go of it wait themselves. */
static void
walk_untie(struct walk *walk)
{
    for (int i = LOCK; i <= BRIEF; i++) {
        const struct model_lock    *lock = &walk->locks[i];
        const struct model_session *holder = &walk->sessions[lock->session];
        bool                        idle = false;

        if (lock->depth == 0)
            continue;
        for (int j = 0; j < THREADS; j++)
            idle = idle || (holder->threads[j].request == 0 && model_holds(walk, (enum what)i,
                                                                          lock->session, j));
        if (idle)
            continue;
        walk_send(walk, lock->session, ++walk->world->request, MSG_TYPE_GOODBYE,
                  &(union wire_any){ 0 });
        model_session_ended(walk, lock->session);
        walk_join(walk, lock->session);
        return;
    }
}

static void
walk_calm(struct walk *walk)
{
    for (int i = 0; i < SESSIONS; i++) {
        if (walk->sessions[i].id == 0)
            walk_join(walk, i);
        else if (!walk->sessions[i].connected)
            walk_back(walk, i);
        walk_collect(walk);
    }
    for (int round = 0; round < 1000; round++) {
        walk_beat(walk);
        walk_turn(walk, 1);
        walk_hear(walk);
        for (int i = 0; i < SESSIONS; i++) {
            for (int j = 0; j < THREADS; j++) {
                if (walk->sessions[i].threads[j].request != 0)
                    continue;
                walk_calm_thread(walk, i, j);
                walk_collect(walk);
                walk_hear(walk);
            }
        }
        if (round > 10 && walk_waiting(walk) == 0)
            break;
        if (round % 40 == 39)
            walk_untie(walk);
    }
    walk_turn(walk, 1);
    walk_hear(walk);
    for (int i = 0; i < SESSIONS; i++) {
        for (int j = 0; j < THREADS; j++) {
            const struct thread *thread = &walk->sessions[i].threads[j];

            if (thread->request != 0)
                fail_msg("session %d, thread %d: verb %u of object %d is never answered", i, j,
                         thread->m.verb, (int)thread->object);
        }
    }
}

struct walk_story {
    const char *story;
    uint64_t    seed;
    uint32_t    turns;
};

static void
walk_test(void **state)
{
    const struct walk_story *story = *state;
    struct walk             *walk = calloc(1, sizeof(*walk));

    walk->random = story->seed;
    walk->script = calloc(1, sizeof(*walk->script));
    walk->world = world_new();
    walk->script->world = walk->world;
    walk_join(walk, 0);
    walk_turn(walk, 0);
    walk_turns(walk, story->turns);
    walk_calm(walk);
    assert_true(walk->answers > story->turns / 4);
    script_end(walk->script);
    free(walk->script);
    free(walk);
}

static const struct walk_story stories[] = {
    { "seed 1", 1, 2000 },   { "seed 2", 2, 2000 },   { "seed 3", 3, 2000 },
    { "seed 4", 4, 2000 },   { "seed 5", 5, 2000 },   { "seed 6", 6, 2000 },
};

int
main(int argc, char **argv)
{
    struct walk_story *rows;
    uint32_t           count, turns = 2000;
    uint64_t           first;
    char              *names;
    int                failed;

    if (argc < 3)
        return STORIES("walks", stories, walk_test);
    /* FIRST_SEED SEEDS [TURNS]: as many others. */
    first = strtoull(argv[1], NULL, 10);
    count = (uint32_t)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        turns = (uint32_t)strtoul(argv[3], NULL, 10);
    rows = calloc(count, sizeof(*rows));
    names = calloc(count, 32);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(names + 32 * (size_t)i, 32, "seed %llu", (unsigned long long)(first + i));
        rows[i] = (struct walk_story){ names + 32 * (size_t)i, first + i, turns };
    }
    failed = stories_run("walks", rows, count, sizeof(*rows), walk_test);
    free(rows);
    free(names);
    return failed;
}
