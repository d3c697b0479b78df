/* world.h - a core with peers, for stories about it
 *
 * Every turn is checked twice: core_check() on the live core, and a second core
 * that replays the facts of all turns must have the same digest.  Whatever a
 * story did not expect to be emitted fails it (world_quiet).
 */
#ifndef WORLD_H
#define WORLD_H

#include "stories.h"

#include <stdio.h>
#include <string.h>

#include "core.h"

enum { WORLD_START_MS = 1000000 };
#define WORLD_UNIX_MS 1700000000000u

struct world {
    struct core       *core, *mirror;
    struct core_config config;
    struct effects     fx;
    struct buffer      log;            /* facts of all turns */
    uint64_t           now_ms, request;
    uint32_t           sends_read;     /* of fx, by world_take() */
    struct buffer      spec, lists;
};

static const struct core_config world_config = {
    .beat_ms = BEAT_MS, .lease_ms = LEASE_MS, .session_ms = SESSION_MS, .history_jobs = 100,
    .jobs_per_user_max = 1000, .sessions_max = 20, .polls_per_session_max = 4,
    .objects_max = 2000000, .object_bytes_max = 1024u * MIB,
    .waits_per_session_max = 2000000, .answers_kept_max = ANSWERS_KEPT_MAX,
    .software = "test",
};

static inline uint64_t
world_unix(const struct world *world)
{
    return WORLD_UNIX_MS + world->now_ms;
}

static inline void
world_mirror(struct world *world)
{
    buffer_append_slice(&world->log, buffer_slice(&world->fx.facts));
    assert_int_equal(core_replay(world->mirror, buffer_slice(&world->fx.facts)), MUSTER_OK);
    assert_true(core_digest(world->core) == core_digest(world->mirror));
    core_check(world->core);
}

static inline struct world *
world_new_with(const struct core_config *config)
{
    struct world      *world = calloc(1, sizeof(*world));
    struct core_config other = *config;

    /* Nothing may depend on the seed: the mirror has another. */
    other.seed[0] += 17;
    other.seed[1] += 4;
    world->config = *config;
    world->now_ms = WORLD_START_MS;
    world->core = core_new(config);
    world->mirror = core_new(&other);
    core_start(world->core, world->now_ms, world_unix(world), &world->fx);
    core_turn(world->core, world->now_ms, world_unix(world), &world->fx);
    world_mirror(world);
    effects_clear(&world->fx);
    return world;
}

static inline struct world *
world_new(void)
{
    return world_new_with(&world_config);
}

static inline void
world_free(struct world *world)
{
    core_free(world->core);
    core_free(world->mirror);
    effects_free(&world->fx);
    buffer_free(&world->log);
    buffer_free(&world->spec);
    buffer_free(&world->lists);
    free(world);
}

/* Forget the effects of the last turn, go on by `ms`, end the turn. */
static inline void
world_turn(struct world *world, uint64_t ms)
{
    world->now_ms += ms;
    core_turn(world->core, world->now_ms, world_unix(world), &world->fx);
    world_mirror(world);
}

static inline void
world_clear(struct world *world)
{
    assert_int_equal(world->fx.facts.bytes, 0);
    effects_clear(&world->fx);
    world->sends_read = 0;
}

/* The effects were looked at: begin the next turn with none. */
static inline void
world_next(struct world *world)
{
    buffer_clear(&world->fx.facts);
    world_clear(world);
}

static inline void
world_step(struct world *world, uint64_t ms, uint64_t session, enum wire_role role,
           const char *user, uint16_t type, const union wire_any *m)
{
    struct core_from from = { .session = session, .role = role, .user = slice_text(user),
                              .address = slice_text("10.0.0.1") };

    world->now_ms += ms;
    core_step(world->core, world->now_ms, &from, ++world->request, type, m, &world->fx);
}

/* The next message that was sent, decoded; its session in *session_out. */
static inline uint16_t
world_take(struct world *world, uint64_t *session_out, union wire_any *m_out)
{
    const struct effect_send *send;
    struct reader             in;
    uint32_t                  bytes;
    uint16_t                  type;

    if (world->sends_read == world->fx.send_count)
        return 0;
    send = &world->fx.sends[world->sends_read++];
    in = reader_of(slice_of(world->fx.out.data + send->offset, send->bytes));
    bytes = read_u32(&in);
    type = read_u16(&in);
    (void)read_u16(&in);
    (void)read_u64(&in);
    assert_int_equal(read_left(&in), bytes);
    assert_int_equal(wire_decode_any(type, slice_of(in.at, bytes), m_out), MUSTER_OK);
    if (session_out != NULL)
        *session_out = send->session;
    return type;
}

#define world_expect(world, name, m) \
    assert_int_equal(world_take(world, NULL, m), MSG_TYPE_##name)

/* The next message is an error of this code. */
static inline void
world_expect_error(struct world *world, muster_err code)
{
    union wire_any m;

    world_expect(world, ERROR, &m);
    assert_int_equal(m.error.code, code);
    assert_true(m.error.detail.bytes > 0);
}

static inline uint64_t
world_expect_ack(struct world *world)
{
    union wire_any m;

    world_expect(world, ACK, &m);
    return m.ack.value;
}

/* Nothing else was emitted. */
static inline void
world_quiet(struct world *world)
{
    assert_int_equal(world->fx.send_count - world->sends_read, 0);
    assert_int_equal(world->fx.lease_count, 0);
    assert_int_equal(world->fx.results_count, 0);
    assert_int_equal(world->fx.get_count, 0);
    assert_int_equal(world->fx.pruned_count, 0);
    assert_int_equal(world->fx.ended_count, 0);
}

/* ---- peers ---- */

static inline uint64_t
world_hello(struct world *world, enum wire_role role, const char *user, uint64_t session,
            uint64_t secret)
{
    union wire_any m = { .hello = { .version_min = 1, .version_max = 1, .session = session,
                                    .secret = secret, .host = slice_text("host"), .pid = 7 } };

    world_step(world, 0, 0, role, user, MSG_TYPE_HELLO, &m);
    return world->fx.opened;
}

static inline uint64_t
world_client(struct world *world, const char *user)
{
    uint64_t       session = world_hello(world, ROLE_CLIENT, user, 0, 42);
    union wire_any m;

    world_expect(world, WELCOME, &m);
    assert_int_equal(m.welcome.session, session);
    return session;
}

struct world_join {
    const char *name;
    uint32_t    cpus_milli, window;
    uint64_t    mem_bytes;
    const char *resource;
    uint64_t    amount;
    const char *label, *queue, *functions[4];
    const struct wire_token *holds;
    uint32_t    hold_count;
};

static inline void
world_join(struct world *world, uint64_t session, const struct world_join *join)
{
    union wire_any m = { .worker_join = { .name = slice_text(join->name),
                                          .cpus_milli = join->cpus_milli,
                                          .mem_bytes = join->mem_bytes,
                                          .window = join->window } };
    struct buffer  lists[5] = { 0 };
    uint32_t       functions = 0;

    if (join->resource != NULL) {
        wire_put_resource(&lists[0], &(struct wire_resource){ slice_text(join->resource),
                                                              join->amount });
        m.worker_join.resources = (struct wire_list){ buffer_slice(&lists[0]), 1 };
    }
    if (join->label != NULL) {
        wire_put_text(&lists[1], &(struct wire_text){ slice_text(join->label) });
        m.worker_join.labels = (struct wire_list){ buffer_slice(&lists[1]), 1 };
    }
    if (join->queue != NULL) {
        wire_put_text(&lists[2], &(struct wire_text){ slice_text(join->queue) });
        m.worker_join.queues = (struct wire_list){ buffer_slice(&lists[2]), 1 };
    }
    for (; functions < 4 && join->functions[functions] != NULL; functions++)
        wire_put_text(&lists[4], &(struct wire_text){ slice_text(join->functions[functions]) });
    m.worker_join.functions = (struct wire_list){ buffer_slice(&lists[4]), functions };
    for (uint32_t i = 0; i < join->hold_count; i++)
        wire_put_token(&lists[3], &join->holds[i]);
    m.worker_join.holds = (struct wire_list){ buffer_slice(&lists[3]), join->hold_count };
    world_step(world, 0, session, ROLE_WORKER, "fleet", MSG_TYPE_WORKER_JOIN, &m);
    for (uint32_t i = 0; i < 5; i++)
        buffer_free(&lists[i]);
}

/* A worker with so many cpus, which has joined. */
static inline uint64_t
world_worker(struct world *world, const char *name, uint32_t cpus, uint32_t window)
{
    uint64_t       session = world_hello(world, ROLE_WORKER, "fleet", 0, 43);
    union wire_any m;

    world_expect(world, WELCOME, &m);
    world_join(world, session, &(struct world_join){ .name = name, .cpus_milli = cpus * 1000,
                                                     .window = window });
    world_expect(world, WORKER_JOINED, &m);
    assert_int_equal(m.worker_joined.lost.count, 0);
    return session;
}

/* ---- jobs ---- */

/* A submission that is good as it is; change what the story is about. */
static inline struct msg_job_submit
world_job(struct world *world, uint64_t key, uint32_t count)
{
    struct msg_job_submit m = { .dedup_lo = key, .content_hash = 5, .name = slice_text("job"),
                                .source = count > 0 ? SOURCE_COUNTED : SOURCE_ITEMS,
                                .count = count };

    m.needs.cpus_milli = 1000;
    (void)world;
    return m;
}

/* The spec follows the needs. */
static inline void
world_submit_spec(struct world *world, uint64_t session, const char *user,
                  struct msg_job_submit *job, struct wire_spec spec)
{
    union wire_any m;
    struct buffer  args = { 0 };

    wire_put_text(&args, &(struct wire_text){ slice_text("true") });
    if (spec.args.count == 0 && spec.function.bytes == 0)
        spec.args = (struct wire_list){ buffer_slice(&args), 1 };
    spec.cpus_milli = job->needs.cpus_milli;
    spec.mem_bytes = job->needs.mem_bytes;
    spec.resources = job->needs.resources;
    if (spec.output_bytes == 0)
        spec.output_bytes = OUTPUT_BYTES_DEFAULT;
    buffer_clear(&world->spec);
    wire_put_spec(&world->spec, &spec);
    job->spec = buffer_slice(&world->spec);
    m.job_submit = *job;
    world_step(world, 0, session, ROLE_CLIENT, user, MSG_TYPE_JOB_SUBMIT, &m);
    buffer_free(&args);
}

static inline void
world_submit(struct world *world, uint64_t session, const char *user, struct msg_job_submit *job)
{
    world_submit_spec(world, session, user, job, (struct wire_spec){ 0 });
}

/* Submit what must be accepted. */
static inline uint64_t
world_submitted(struct world *world, uint64_t session, const char *user,
                struct msg_job_submit *job)
{
    union wire_any m;

    world_submit(world, session, user, job);
    world_expect(world, JOB_SUBMITTED, &m);
    assert_int_equal(m.job_submitted.existed, 0);
    return m.job_submitted.job;
}

static inline void
world_items(struct world *world, uint64_t session, const char *user, uint64_t job, uint32_t first,
            uint32_t count)
{
    struct wire_block block = { 0 };
    struct buffer     bytes = { 0 };
    union wire_any    m;

    for (uint32_t i = 0; i < count; i++)
        assert_true(wire_block_add(&block, slice_text("item")));
    wire_block_put(&bytes, &block);
    m.job_items = (struct msg_job_items){ job, first, count, buffer_slice(&bytes) };
    world_step(world, 0, session, ROLE_CLIENT, user, MSG_TYPE_JOB_ITEMS, &m);
    buffer_free(&bytes);
    wire_block_free(&block);
}

static inline void
world_close(struct world *world, uint64_t session, const char *user, uint64_t job, uint32_t count)
{
    union wire_any m = { .job_close = { .job = job, .count = count } };

    world_step(world, 0, session, ROLE_CLIENT, user, MSG_TYPE_JOB_CLOSE, &m);
}

static inline struct wire_token
world_token(const struct effect_lease *lease)
{
    return (struct wire_token){ lease->job, lease->index, lease->attempt, lease->epoch };
}

static inline void
world_finish(struct world *world, uint64_t session, struct wire_token token,
             enum wire_outcome outcome, uint64_t wall_us)
{
    union wire_any m = { .task_finish = { .token = token,
                                          .result = { .outcome = (uint8_t)outcome,
                                                      .exit_code = outcome == OUTCOME_EXITED,
                                                      .wall_us = wall_us } } };

    world_step(world, 0, session, ROLE_WORKER, "fleet", MSG_TYPE_TASK_FINISH, &m);
}

/* The leases of the last turn, copied. */
static inline uint32_t
world_leases(const struct world *world, struct wire_token tokens[], uint64_t sessions[],
             uint32_t max)
{
    assert_in_range(world->fx.lease_count, 0, max);
    for (uint32_t i = 0; i < world->fx.lease_count; i++) {
        tokens[i] = world_token(&world->fx.leases[i]);
        if (sessions != NULL)
            sessions[i] = world->fx.leases[i].session;
    }
    return world->fx.lease_count;
}

static inline struct wire_job
world_info(struct world *world, uint64_t session, const char *user, uint64_t job)
{
    union wire_any                m = { .job_get = { .job = job } };
    struct wire_job               info = { 0 };
    const struct effect_body_get *get;

    world_step(world, 0, session, ROLE_CLIENT, user, MSG_TYPE_JOB_GET, &m);
    assert_true(world->fx.get_count > 0);
    get = &world->fx.gets[--world->fx.get_count];
    assert_true(get->info);
    assert_int_equal(wire_decode_item_job(slice_of(world->fx.out.data + get->head_offset,
                                                   get->head_bytes), &info), MUSTER_OK);
    return info;
}

/* ---- restart ---- */

struct world_objects {
    struct core *core;
    uint32_t     count;
};

static inline void
world_object_load(void *context, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct world_objects *objects = context;

    objects->count++;
    assert_non_null(bytes.data);
    assert_int_equal(core_load(objects->core, kind, id, bytes), MUSTER_OK);
}

/* kill -9: a core from the facts alone takes over. */
static inline void
world_restart(struct world *world)
{
    struct core *core = core_new(&world->config);

    assert_int_equal(core_replay(core, buffer_slice(&world->log)), MUSTER_OK);
    assert_true(core_digest(core) == core_digest(world->mirror));
    core_free(world->core);
    world->core = core;
    effects_clear(&world->fx);
    world->sends_read = 0;
    world->now_ms += 500;
    core_start(core, world->now_ms, world_unix(world), &world->fx);
    world_turn(world, 0);
    world_next(world);
}

#endif
