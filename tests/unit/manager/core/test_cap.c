/* test_cap.c - jobs that share one running_max
 *
 * Method: jobs join the cap of the first; one worker with room for all of their
 * tasks takes what it is given and ends the oldest lease, again and again.  What
 * runs at once, and of which job, is counted.
 */
#include "world.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { HELD_MAX = 64, JOBS_MAX = 8 };

struct scene {
    struct world     *world;
    uint64_t          ann, worker;
    uint64_t          jobs[JOBS_MAX];
    uint32_t          job_count;
    struct wire_token held[HELD_MAX];
    uint32_t          held_count, held_most;
    uint32_t          ended[JOBS_MAX];  /* tasks, by job */
};

static struct scene
scene_new(const struct core_config *config)
{
    struct scene scene = { .world = world_new_with(config) };

    scene.ann = world_client(scene.world, "ann");
    scene.worker = world_worker(scene.world, "node1", 16, 0);
    return scene;
}

/* A job of `cpus` (another class for each number) that shares the cap of the first. */
static uint64_t
scene_submit(struct scene *scene, uint32_t count, uint32_t max, uint32_t cpus, int32_t priority)
{
    struct msg_job_submit job = world_job(scene->world, scene->job_count + 1, count);

    job.needs.cpus_milli = cpus * 1000;
    job.running_max = max;
    job.priority = priority;
    job.cap_with = scene->job_count > 0 ? scene->jobs[0] : 0;
    scene->jobs[scene->job_count] = world_submitted(scene->world, scene->ann, "ann", &job);
    return scene->jobs[scene->job_count++];
}

static uint32_t
scene_job(const struct scene *scene, uint64_t id)
{
    uint32_t at = 0;

    while (at < scene->job_count && scene->jobs[at] != id)
        at++;
    assert_int_not_equal(at, scene->job_count);
    return at;
}

/* A turn, and what it leased. */
static void
scene_turn(struct scene *scene)
{
    struct world *world = scene->world;

    world_turn(world, 10);
    scene->held_count += world_leases(world, scene->held + scene->held_count, NULL,
                                      HELD_MAX - scene->held_count);
    if (scene->held_count > scene->held_most)
        scene->held_most = scene->held_count;
    world_next(world);
}

static void
scene_end(struct scene *scene, uint32_t at)
{
    struct wire_token token = scene->held[at];

    memmove(scene->held + at, scene->held + at + 1,
            (--scene->held_count - at) * sizeof(scene->held[0]));
    world_finish(scene->world, scene->worker, token, OUTCOME_SUCCEEDED, 30 * 1000);
    scene->ended[scene_job(scene, token.job)]++;
}

static void
scene_run(struct scene *scene, uint32_t ends)
{
    for (uint32_t i = 0; i < ends && scene->held_count > 0; i++) {
        scene_end(scene, 0);
        scene_turn(scene);
    }
}

static uint32_t
scene_held_of(const struct scene *scene, uint64_t job)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < scene->held_count; i++)
        count += scene->held[i].job == job;
    return count;
}

/* ---- how many run, and whose ---- */

struct turn_case {
    const char *story;
    uint32_t    max;
    uint32_t    cpus[3], tasks[3];
    int32_t     priority[3];
    uint32_t    ends;
    uint32_t    ended[3];
};

static const struct turn_case turn_cases[] = {
    { "two of one class take turns", 1, { 1, 1 }, { 20, 20 }, { 0 }, 10, { 5, 5 } },
    { "two classes take turns", 1, { 1, 2 }, { 20, 20 }, { 0 }, 10, { 5, 5 } },
    { "three take turns, two at once", 2, { 1, 2, 1 }, { 30, 30, 30 }, { 0 }, 12, { 4, 4, 4 } },
    { "room for all is divided", 9, { 1, 1, 1 }, { 30, 30, 30 }, { 0 }, 18, { 6, 6, 6 } },
    { "one has little work", 2, { 1, 1 }, { 30, 2 }, { 0 }, 10, { 8, 2 } },
    { "the important one goes first", 2, { 1, 1, 2 }, { 30, 5, 30 }, { 0, 7, 0 }, 5, { 0, 5, 0 } },
    { "what fits nowhere does not hold up the others", 2, { 17, 1, 2 }, { 9, 30, 30 }, { 0 }, 10,
      { 0, 5, 5 } },
    { "all work is done", 3, { 1, 2, 3 }, { 4, 5, 6 }, { 0 }, 100, { 4, 5, 6 } },
};

static void
turn_story(void **state)
{
    const struct turn_case *row = *state;
    struct scene            scene = scene_new(&world_config);

    for (uint32_t i = 0; i < 3 && row->cpus[i] > 0; i++)
        scene_submit(&scene, row->tasks[i], row->max, row->cpus[i], row->priority[i]);
    scene.world->sends_read = scene.world->fx.send_count;
    scene_turn(&scene);
    scene_run(&scene, row->ends);
    assert_int_equal(scene.held_most, row->max);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(scene.ended[i], row->ended[i]);
    world_free(scene.world);
}

/* ---- who may share ---- */

struct refusal_case {
    const char    *story;
    enum wire_role role;
    const char    *user;
    uint64_t       with;           /* jobs of ann: 1 has a cap of 3, 2 has none, 3 shares 1's */
    uint32_t       max;
    muster_err     err;
    uint64_t       lead;           /* of whom it shares in the end */
};

static const struct refusal_case refusal_cases[] = {
    { "the lead's", ROLE_CLIENT, "ann", 1, 3, MUSTER_OK, 1 },
    { "the same by way of another", ROLE_CLIENT, "ann", 3, 3, MUSTER_OK, 1 },
    { "its number need not be said", ROLE_CLIENT, "ann", 1, 0, MUSTER_OK, 1 },
    { "another number", ROLE_CLIENT, "ann", 1, 4, MUSTER_ERR_INVALID, 0 },
    { "a job without a cap", ROLE_CLIENT, "ann", 2, 3, MUSTER_ERR_INVALID, 0 },
    { "a job that never was", ROLE_CLIENT, "ann", 99, 3, MUSTER_ERR_NOT_FOUND, 0 },
    { "another user's", ROLE_CLIENT, "bob", 1, 3, MUSTER_ERR_NOT_FOUND, 0 },
    { "another user's, for an admin", ROLE_ADMIN, "bob", 1, 3, MUSTER_ERR_DENIED, 0 },
};

static void
refusal_story(void **state)
{
    const struct refusal_case *row = *state;
    struct world              *world = world_new();
    uint64_t                   ann = world_client(world, "ann");
    struct msg_job_submit      job = world_job(world, 1, 5);
    uint64_t                   asker;
    union wire_any             m;

    job.running_max = 3;
    world_submitted(world, ann, "ann", &job);
    job = world_job(world, 2, 5);
    world_submitted(world, ann, "ann", &job);
    job = world_job(world, 3, 5);
    job.cap_with = 1;
    world_submitted(world, ann, "ann", &job);
    asker = world_hello(world, row->role, row->user, 0, 44);
    world_expect(world, WELCOME, &m);

    job = world_job(world, 4, 5);
    job.running_max = row->max;
    job.cap_with = row->with;
    /* It is made and sent as a client's; an admin says it again as himself. */
    world_submit(world, row->role == ROLE_ADMIN ? 0 : asker, row->user, &job);
    if (row->role == ROLE_ADMIN) {
        world_expect_error(world, MUSTER_ERR_SESSION);
        m.job_submit = job;
        world_step(world, 0, asker, ROLE_ADMIN, row->user, MSG_TYPE_JOB_SUBMIT, &m);
    }
    if (row->err) {
        world_expect_error(world, row->err);
    } else {
        struct wire_job info;

        world_expect(world, JOB_SUBMITTED, &m);
        info = world_info(world, ann, "ann", m.job_submitted.job);
        assert_int_equal(info.cap_with, row->lead);
        assert_int_equal(info.running_max, 3);
    }
    world_turn(world, 0);
    world_free(world);
}

/* ---- the life of a cap ---- */

static void
outlives_story(void **state)
{
    struct core_config config = world_config;
    struct scene       scene;
    uint64_t           late;

    (void)state;
    config.history_jobs = 0;
    scene = scene_new(&config);
    scene_submit(&scene, 2, 2, 1, 0);
    scene_submit(&scene, 20, 2, 1, 0);
    scene_turn(&scene);
    while (scene.ended[0] < 2)
        scene_run(&scene, 1);
    for (uint32_t i = 0; i < 5; i++)
        scene_turn(&scene);
    /* The lead was pruned; whoever names it still finds the others. */
    late = scene_submit(&scene, 20, 2, 1, 0);
    scene_turn(&scene);
    assert_int_equal(scene.held_count, 2);
    scene_run(&scene, 6);
    assert_int_equal(scene.held_most, 2);
    assert_int_equal(scene_held_of(&scene, late), 1);
    world_free(scene.world);
}

static void
gone_story(void **state)
{
    struct core_config    config = world_config;
    struct scene          scene;
    struct msg_job_submit job;

    (void)state;
    config.history_jobs = 0;
    scene = scene_new(&config);
    scene_submit(&scene, 1, 2, 1, 0);
    scene_submit(&scene, 1, 2, 1, 0);
    scene_turn(&scene);
    scene_run(&scene, 2);
    for (uint32_t i = 0; i < 5; i++)
        scene_turn(&scene);
    job = world_job(scene.world, 9, 1);
    job.cap_with = scene.jobs[0];
    world_submit(scene.world, scene.ann, "ann", &job);
    world_expect_error(scene.world, MUSTER_ERR_NOT_FOUND);
    world_free(scene.world);
}

/* A job that has ended and begins anew counts again. */
static void
retried_story(void **state)
{
    struct scene   scene = scene_new(&world_config);
    union wire_any m;

    (void)state;
    scene_submit(&scene, 2, 2, 1, 0);
    scene_submit(&scene, 20, 2, 1, 0);
    scene_turn(&scene);
    while (scene.ended[0] < 2)
        scene_run(&scene, 1);
    m.job_retry = (struct msg_job_retry){ .job = scene.jobs[0] };
    world_step(scene.world, 0, scene.ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_RETRY, &m);
    scene_run(&scene, 6);
    assert_int_equal(scene.held_most, 2);
    assert_int_equal(scene.ended[0], 4);
    world_free(scene.world);
}

/* What runs after a restart counts, from the facts and from the objects. */
static void
restart_story(void **state)
{
    struct scene         scene = scene_new(&world_config);
    struct world_objects objects;
    struct world        *world = scene.world;

    (void)state;
    scene_submit(&scene, 20, 3, 1, 0);
    scene_submit(&scene, 20, 3, 2, 0);
    scene_turn(&scene);
    assert_int_equal(scene.held_count, 3);
    world_restart(world);
    world_hello(world, ROLE_WORKER, "fleet", scene.worker, 43);
    world_join(world, scene.worker, &(struct world_join){ .name = "node1", .cpus_milli = 16000,
                                                          .holds = scene.held,
                                                          .hold_count = scene.held_count });
    world->sends_read = world->fx.send_count;
    world_turn(world, 10);
    assert_int_equal(world->fx.lease_count, 0);
    world_next(world);
    scene_run(&scene, 10);
    assert_int_equal(scene.held_most, 3);

    objects = (struct world_objects){ .core = core_new(&world->config) };
    core_checkpoint(world->core, world_object_load, &objects);
    assert_int_equal(core_replay(objects.core, (struct slice){ 0 }), MUSTER_OK);
    assert_true(core_digest(objects.core) == core_digest(world->core));
    core_check(objects.core);
    core_free(objects.core);
    world_free(world);
}

static void
why_story(void **state)
{
    struct scene       scene = scene_new(&world_config);
    struct world      *world = scene.world;
    struct wire_reason reason;
    struct reader      in;
    union wire_any     m;

    (void)state;
    scene_submit(&scene, 20, 2, 1, 0);
    scene_submit(&scene, 20, 2, 1, 5);
    world->sends_read = world->fx.send_count;
    scene_turn(&scene);
    m.why_get = (struct msg_why_get){ scene.jobs[0], 0, 0 };
    world_step(world, 0, scene.ann, ROLE_CLIENT, "ann", MSG_TYPE_WHY_GET, &m);
    world_expect(world, WHY, &m);
    in = reader_of(m.why.reasons.bytes);
    assert_true(wire_get_reason(&in, &reason));
    assert_true(slice_equals_text(reason.text, "at most 2 of it and of the jobs that share its "
                                  "cap run at once"));
    world_free(world);
}

struct life_case {
    const char *story;
    void      (*run)(void **state);
};

static const struct life_case life_cases[] = {
    { "its lead may end and be pruned", outlives_story },
    { "it ends with the last of its jobs", gone_story },
    { "a job that begins anew counts again", retried_story },
    { "a restart counts what runs", restart_story },
    { "why something waits names it", why_story },
};

static void
life_story(void **state)
{
    const struct life_case *row = *state;

    row->run(NULL);
}

int
main(void)
{
    return STORIES("turns", turn_cases, turn_story) +
           STORIES("who may share a cap", refusal_cases, refusal_story) +
           STORIES("the life of a cap", life_cases, life_story);
}
