/* test_walk.c - random walks through the core
 *
 * Method: from a seed, clients and workers do whatever the protocol allows, in
 * any order: submit, feed, cancel, retry, finish, fail, give back, lose
 * connections, fall silent, come back with what they hold; the manager is
 * killed and restarted from checkpoint and log.  After every turn core_check()
 * must hold and a replay must have the same digest (world.h).  At the end all
 * faults stop and every job must end, with as many results as it has tasks.
 */
#include "world.h"

#include "map.h"

enum { WALK_WORKERS = 3, WALK_JOBS = 40, WALK_HELD = 4096, WALK_OBJECTS = 65536 };

struct walk_worker {
    uint64_t          session;
    bool              connected;
    struct wire_token held[WALK_HELD];
    uint32_t          held_count;
};

struct walk_object {
    uint32_t      kind;
    uint64_t      id;
    struct buffer bytes;
    bool          gone;
};

struct walk {
    struct world      *world;
    uint64_t           random;
    uint64_t           client;
    struct walk_worker workers[WALK_WORKERS];
    uint64_t           jobs[WALK_JOBS];
    uint32_t           items[WALK_JOBS];
    bool               feeding[WALK_JOBS];
    uint32_t           job_count;
    struct walk_object *objects;
    uint32_t           object_count, object_capacity;
    struct buffer      tail;           /* facts behind the last checkpoint */
    bool               calm;
};

static uint32_t
walk_random(struct walk *walk, uint32_t below)
{
    uint64_t x = walk->random += 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((x ^ (x >> 31)) % below);
}

/* ---- messages come in ---- */

static void
walk_drop_held(struct walk_worker *worker, const struct wire_token *token)
{
    for (uint32_t i = 0; i < worker->held_count; i++) {
        if (memcmp(&worker->held[i], token, sizeof(*token)) == 0) {
            worker->held[i] = worker->held[--worker->held_count];
            return;
        }
    }
}

static struct walk_worker *
walk_worker_of(struct walk *walk, uint64_t session)
{
    for (uint32_t i = 0; i < WALK_WORKERS; i++) {
        if (walk->workers[i].session == session && walk->workers[i].connected)
            return &walk->workers[i];
    }
    return NULL;
}

static void
walk_receive(struct walk *walk)
{
    struct world  *world = walk->world;
    union wire_any m;
    uint64_t       session;
    uint16_t       type;

    while ((type = world_take(world, &session, &m)) != 0) {
        struct walk_worker *worker = walk_worker_of(walk, session);

        if (type == MSG_TYPE_WORKER_JOINED && worker != NULL) {
            struct reader     in = reader_of(m.worker_joined.lost.bytes);
            struct wire_token token;

            for (uint32_t i = 0; i < m.worker_joined.lost.count; i++) {
                assert_true(wire_get_token(&in, &token));
                walk_drop_held(worker, &token);
            }
        }
    }
    for (uint32_t i = 0; i < world->fx.lease_count; i++) {
        struct walk_worker *worker = walk_worker_of(walk, world->fx.leases[i].session);

        if (worker != NULL && walk_random(walk, 50) != 0) {
            assert_true(worker->held_count < WALK_HELD);
            memset(&worker->held[worker->held_count], 0, sizeof(struct wire_token));
            worker->held[worker->held_count++] = world_token(&world->fx.leases[i]);
        } else if (worker != NULL) {
            /* Lost on the way: so was the connection. */
            worker->connected = false;
            core_away(world->core, world->now_ms, worker->session);
        }
    }
    for (uint32_t i = 0; i < world->fx.ended_count; i++) {
        for (uint32_t j = 0; j < WALK_WORKERS; j++) {
            if (walk->workers[j].session == world->fx.ended[i]) {
                walk->workers[j].connected = false;
                walk->workers[j].session = 0;
            }
        }
        if (walk->client == world->fx.ended[i])
            walk->client = 0;
    }
}

/* ---- what peers do ---- */

static void
walk_connect(struct walk *walk, uint32_t at)
{
    struct walk_worker *worker = &walk->workers[at];
    struct world_join   join = { .cpus_milli = 4000, .window = 6, .holds = worker->held,
                                 .hold_count = worker->held_count };
    char                name[16];
    uint64_t            session;

    snprintf(name, sizeof(name), "node%u", at);
    join.name = name;
    session = world_hello(walk->world, ROLE_WORKER, "fleet", worker->session, 43);
    if (session == 0) {
        worker->session = 0;
        return;
    }
    worker->session = session;
    worker->connected = true;
    world_join(walk->world, session, &join);
}

static void
walk_worker_act(struct walk *walk, uint32_t at)
{
    struct walk_worker *worker = &walk->workers[at];
    struct world       *world = walk->world;
    union wire_any      m;
    uint32_t            pick;

    if (!worker->connected) {
        if (walk->calm || walk_random(walk, 4) == 0)
            walk_connect(walk, at);
        return;
    }
    if (!walk->calm && walk_random(walk, 60) == 0) {
        worker->connected = false;
        core_away(world->core, world->now_ms, worker->session);
        return;
    }
    m.beat = (struct msg_beat){ .sent_ms = 1 };
    if (walk->calm || walk_random(walk, 3) > 0)
        world_step(world, 0, worker->session, ROLE_WORKER, "fleet", MSG_TYPE_BEAT, &m);
    for (uint32_t n = walk_random(walk, 6); n > 0 && worker->held_count > 0; n--) {
        struct wire_token token;

        pick = walk_random(walk, worker->held_count);
        token = worker->held[pick];
        worker->held[pick] = worker->held[--worker->held_count];
        if (walk_random(walk, 8) == 0) {
            m.task_return = (struct msg_task_return){ token, (uint8_t)walk_random(walk, 2) * 1,
                                                         { NULL, 0 } };
            if (m.task_return.reason == RETURN_DRAINING)
                m.task_return.reason = RETURN_NOT_STARTED;
            world_step(world, 0, worker->session, ROLE_WORKER, "fleet", MSG_TYPE_TASK_RETURN, &m);
            continue;
        }
        if (walk_random(walk, 10) == 0) {
            m.result_chunk = (struct msg_result_chunk){ token, 0, 0, slice_text("chunk") };
            world_step(world, 0, worker->session, ROLE_WORKER, "fleet", MSG_TYPE_RESULT_CHUNK, &m);
        }
        world_finish(world, worker->session, token,
                     walk_random(walk, 4) == 0 ? OUTCOME_EXITED : OUTCOME_SUCCEEDED,
                     walk_random(walk, 2) * 200000);
        if (walk_random(walk, 5) == 0)          /* the answer was lost */
            world_finish(world, worker->session, token, OUTCOME_SUCCEEDED, 1);
    }
}

static void
walk_submit(struct walk *walk)
{
    static const uint32_t counts[] = { 1, 1, 2, 7, 40, 0, 0, 5000 };
    struct world         *world = walk->world;
    uint32_t              count = counts[walk_random(walk, 8)];
    struct msg_job_submit job = world_job(world, walk->job_count + 1, count);
    struct buffer         after = { 0 };
    union wire_any        m;

    if (walk->job_count == WALK_JOBS)
        return;
    job.attempts_max = walk_random(walk, 4);
    job.lost_max = walk_random(walk, 3);
    job.running_max = walk_random(walk, 3) == 0 ? 2 : 0;
    job.fail_max = walk_random(walk, 4) == 0 ? 3 : 0;
    job.fail_percent = walk_random(walk, 8) == 0 ? 20 : 0;
    job.delay_ms = walk_random(walk, 4) == 0 ? 3000 : 0;
    job.retry_delay_ms = walk_random(walk, 2) * 500;
    job.priority = (int32_t)walk_random(walk, 3);
    job.session_bound = walk_random(walk, 6) == 0;
    job.needs.cpus_milli = 1000 * (1 + walk_random(walk, 4));
    if (walk->job_count > 0 && walk_random(walk, 2) == 0) {
        job.cap_with = walk->jobs[walk_random(walk, walk->job_count)];
        job.running_max = walk_random(walk, 2) * 2;
    }
    if (walk->job_count > 0 && walk_random(walk, 3) == 0) {
        wire_put_id(&after, &(struct wire_id){ walk->jobs[walk_random(walk, walk->job_count)] });
        job.after = (struct wire_list){ buffer_slice(&after), 1 };
    }
    world_submit(world, walk->client, "ann", &job);
    while (world->sends_read + 1 < world->fx.send_count)
        (void)world_take(world, NULL, &m);
    if (world_take(world, NULL, &m) == MSG_TYPE_JOB_SUBMITTED) {
        walk->jobs[walk->job_count] = m.job_submitted.job;
        walk->items[walk->job_count] = count;
        walk->feeding[walk->job_count++] = count == 0;
    } else {
        /* Pruned: named too late; or it has no cap to share. */
        assert_true(m.error.code == MUSTER_ERR_NOT_FOUND ||
                    (m.error.code == MUSTER_ERR_INVALID && job.cap_with != 0));
    }
    buffer_free(&after);
}

static struct wire_list
walk_ranges(struct walk *walk, uint32_t total, struct buffer *out)
{
    uint32_t first = walk_random(walk, total + 1);

    if (walk_random(walk, 4) == 0)
        return (struct wire_list){ { NULL, 0 }, 0 };
    wire_put_range(out, &(struct wire_range){ first, first + walk_random(walk, total + 1) });
    return (struct wire_list){ buffer_slice(out), 1 };
}

static void
walk_client_act(struct walk *walk)
{
    struct world  *world = walk->world;
    struct buffer  ranges = { 0 };
    uint32_t       at;
    union wire_any m;

    if (walk->client == 0) {
        walk->client = world_hello(world, ROLE_CLIENT, "ann", 0, 42);
        return;
    }
    if (walk_random(walk, 3) == 0)
        walk_submit(walk);
    if (walk->job_count == 0)
        return;
    at = walk_random(walk, walk->job_count);
    switch (walk_random(walk, 12)) {
    case 0:
    case 1:
    case 2:
        if (walk->feeding[at]) {
            uint32_t count = 1 + walk_random(walk, 30);

            world_items(world, walk->client, "ann", walk->jobs[at], walk->items[at], count);
            walk->items[at] += count;
        }
        break;
    case 3:
        world_close(world, walk->client, "ann", walk->jobs[at], walk->items[at]);
        walk->feeding[at] = false;
        break;
    case 4:
        m.job_cancel = (struct msg_job_cancel){ .job = walk->jobs[at], .tasks =
                                                walk_ranges(walk, walk->items[at], &ranges) };
        world_step(world, 0, walk->client, ROLE_CLIENT, "ann", MSG_TYPE_JOB_CANCEL, &m);
        if (m.job_cancel.tasks.count == 0)
            walk->feeding[at] = false;
        break;
    case 5:
        m.job_retry = (struct msg_job_retry){ .job = walk->jobs[at] };
        m.job_retry.failed_only = (uint8_t)walk_random(walk, 2);
        m.job_retry.tasks = walk_ranges(walk, walk->items[at], &ranges);
        if (!walk->calm)
            world_step(world, 0, walk->client, ROLE_CLIENT, "ann", MSG_TYPE_JOB_RETRY, &m);
        break;
    case 6:
        m.results_get = (struct msg_results_get){ .job = walk->jobs[at], .wait_ms = 2000 };
        world_step(world, 0, walk->client, ROLE_CLIENT, "ann", MSG_TYPE_RESULTS_GET, &m);
        break;
    case 7:
        m.task_list_get = (struct msg_task_list_get){ walk->jobs[at], 0 };
        world_step(world, 0, walk->client, ROLE_CLIENT, "ann", MSG_TYPE_TASK_LIST_GET, &m);
        break;
    case 8:
        m.why_get = (struct msg_why_get){ .job = walk->jobs[at] };
        world_step(world, 0, walk->client, ROLE_CLIENT, "ann", MSG_TYPE_WHY_GET, &m);
        break;
    case 9:
        if (!walk->calm && walk_random(walk, 10) == 0) {
            m.goodbye = (struct msg_goodbye){ 0 };
            world_step(world, 0, walk->client, ROLE_CLIENT, "ann", MSG_TYPE_GOODBYE, &m);
            walk->client = 0;
        }
        break;
    default:
        break;
    }
    buffer_free(&ranges);
}

/* ---- checkpoint and restart ---- */

static void
walk_object(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct walk *walk = context;
    uint32_t     at = 0;

    while (at < walk->object_count &&
           (walk->objects[at].kind != kind || walk->objects[at].id != id))
        at++;
    if (at == walk->object_count) {
        base_grow((void **)&walk->objects, &walk->object_capacity, at + 1,
                  sizeof(*walk->objects));
        walk->objects[at] = (struct walk_object){ kind, id, { 0 }, false };
        walk->object_count++;
    }
    buffer_clear(&walk->objects[at].bytes);
    buffer_append_slice(&walk->objects[at].bytes, bytes);
    walk->objects[at].gone = bytes.data == NULL;
}

static struct core *
walk_recover(struct walk *walk)
{
    struct core *core = core_new(&walk->world->config);

    for (uint32_t i = walk->object_count; i-- > 0;) {       /* any order will do */
        const struct walk_object *object = &walk->objects[i];

        if (!object->gone)
            assert_int_equal(core_load(core, object->kind, object->id,
                                       buffer_slice(&object->bytes)), MUSTER_OK);
    }
    assert_int_equal(core_replay(core, buffer_slice(&walk->tail)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(walk->world->core));
    return core;
}

static void
walk_restart(struct walk *walk)
{
    struct world *world = walk->world;
    struct core  *core = walk_recover(walk);

    core_free(world->core);
    world->core = core;
    world->now_ms += 300;
    core_start(core, world->now_ms, world_unix(world), &world->fx);
    for (uint32_t i = 0; i < WALK_WORKERS; i++)
        walk->workers[i].connected = false;
    walk->client = 0;
}

static void
walk_turn(struct walk *walk, uint64_t ms)
{
    struct world *world = walk->world;

    world_turn(world, ms);
    buffer_append_slice(&walk->tail, buffer_slice(&world->fx.facts));
    if (walk_random(walk, 40) == 0) {
        core_checkpoint(world->core, walk_object, walk);
        buffer_clear(&walk->tail);
        core_free(walk_recover(walk));
    }
    walk_receive(walk);
    world_next(world);
}

/* ---- stories ---- */

struct walk_story {
    const char *story;
    uint64_t    seed;
    uint32_t    turns;
    uint32_t    history;
};

static void
walk_end(struct walk *walk)
{
    struct world        *world = walk->world;
    struct core_counters counters;

    walk->calm = true;
    for (uint32_t i = 0; i < walk->job_count; i++) {
        if (walk->client == 0) {
            walk->client = world_hello(world, ROLE_CLIENT, "ann", 0, 42);
        }
        world_close(world, walk->client, "ann", walk->jobs[i], walk->items[i]);
    }
    core_count(world->core, &counters);
    for (uint32_t turn = 0; turn < 20000 && counters.jobs_unfinished > 0; turn++) {
        for (uint32_t i = 0; i < WALK_WORKERS; i++)
            walk_worker_act(walk, i);
        walk_turn(walk, 200);
        core_count(world->core, &counters);
    }
    assert_int_equal(counters.jobs_unfinished, 0);
    assert_int_equal(counters.tasks_running, 0);
}

static void
walk_run(void **state)
{
    const struct walk_story *story = *state;
    struct core_config       config = world_config;
    struct walk             *walk = calloc(1, sizeof(*walk));

    config.history_jobs = story->history;
    walk->world = world_new_with(&config);
    buffer_append_slice(&walk->tail, buffer_slice(&walk->world->log));
    walk->random = story->seed;
    for (uint32_t turn = 0; turn < story->turns; turn++) {
        for (uint32_t i = 0; i < WALK_WORKERS; i++)
            walk_worker_act(walk, i);
        walk_client_act(walk);
        if (walk_random(walk, 100) == 0)
            walk_turn(walk, LEASE_MS / 2);
        else
            walk_turn(walk, walk_random(walk, 400));
        if (walk_random(walk, 150) == 0)
            walk_restart(walk);
    }
    walk_end(walk);
    for (uint32_t i = 0; i < walk->object_count; i++)
        buffer_free(&walk->objects[i].bytes);
    free(walk->objects);
    buffer_free(&walk->tail);
    world_free(walk->world);
    free(walk);
}

int
main(void)
{
    static const struct walk_story stories[] = {
        { "walk 1", 1, 600, 100 }, { "walk 2", 2, 600, 100 }, { "walk 3", 3, 600, 0 },
        { "walk 4", 4, 600, 3 },   { "walk 5", 5, 600, 100 }, { "walk 6", 6, 600, 5 },
        { "walk 7", 7, 600, 100 }, { "walk 8", 8, 600, 0 },   { "walk 9", 9, 2000, 10 },
        { "walk 10", 10, 2000, 100 },
        /* A retry disowned outputs, and then the job was pruned. */
        { "walk 114", 114, 400, 6 },
    };

    return STORIES("walk", stories, walk_run);
}
