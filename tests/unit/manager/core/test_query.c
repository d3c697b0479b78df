/* test_query.c - what questions cost, in work (core_work), and that pages are whole
 *
 * One frame holds thousands of small questions: the loop stops them by this count.
 */
#include "world.h"

enum { TASKS = 150000, WORKERS = 3, FINISHED = 60 };

struct query_case {
    const char *story;
    void      (*tell)(struct world *world, uint64_t ann);
};

static uint64_t
asked(struct world *world, uint64_t ann, uint16_t type, const union wire_any *m,
      union wire_any *answer_out)
{
    uint64_t before = core_work(world->core);

    world_step(world, 0, ann, ROLE_CLIENT, "ann", type, m);
    assert_true(world_take(world, NULL, answer_out) != 0);
    return core_work(world->core) - before;
}

static void
tell_pages(struct world *world, uint64_t ann)
{
    struct msg_job_submit job = world_job(world, 1, TASKS);
    union wire_any        m, answer;
    uint64_t              work, next = 0, live = 0;
    uint32_t              pages = 0;

    for (uint32_t i = 0; i < WORKERS; i++)
        (void)world_worker(world, (const char *[]){ "a", "b", "c" }[i], 1000, 0);
    job.needs.cpus_milli = 1;
    (void)world_submitted(world, ann, "ann", &job);
    world_turn(world, 1);
    buffer_clear(&world->fx.facts);
    world_clear(world);
    m.task_list_get = (struct msg_task_list_get){ .job = 1 };
    do {
        struct reader    in;
        struct wire_task task;

        work = asked(world, ann, MSG_TYPE_TASK_LIST_GET, &m, &answer);
        assert_in_range(work, 1, 65536 * 20 + LIST_ITEMS_MAX * 100);
        in = reader_of(answer.task_list.tasks.bytes);
        for (uint32_t i = 0; i < answer.task_list.tasks.count; i++) {
            assert_true(wire_get_task(&in, &task));
            assert_int_equal(task.index, next);
            next += task.count;
            live += task.state == TASK_LEASED;
        }
        assert_true(answer.task_list.next == 0 || answer.task_list.next == next);
        m.task_list_get.from = answer.task_list.next;
        effects_clear(&world->fx);
        world->sends_read = 0;
    } while (answer.task_list.next != 0 && ++pages < TASKS);
    assert_int_equal(next, TASKS);
    assert_true(live > 65536);          /* else this told nothing */
}

static void
tell_history(struct world *world, uint64_t ann)
{
    union wire_any m = { .job_list_get = { .unfinished = 1 } };
    union wire_any answer;

    for (uint32_t i = 0; i < FINISHED; i++) {
        struct msg_job_submit job = world_job(world, 10 + i, 1);
        union wire_any        cancel = { .job_cancel = { 0 } };

        cancel.job_cancel.job = world_submitted(world, ann, "ann", &job);
        world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_CANCEL, &cancel);
        world_turn(world, 1);
        world_next(world);
    }
    /* All are looked at, and none is told. */
    assert_in_range(asked(world, ann, MSG_TYPE_JOB_LIST_GET, &m, &answer), FINISHED,
                    FINISHED * 10);
    assert_int_equal(answer.job_list.jobs.count, 0);
    m.job_list_get.unfinished = 0;
    assert_in_range(asked(world, ann, MSG_TYPE_JOB_LIST_GET, &m, &answer), FINISHED * 50,
                    FINISHED * 200);
    assert_int_equal(answer.job_list.jobs.count, FINISHED);
}

static void
tell_why(struct world *world, uint64_t ann)
{
    struct msg_job_submit job = world_job(world, 1, 1);
    union wire_any        m = { .why_get = { .job = 1 } };
    union wire_any        answer;
    uint64_t              alone, among;

    job.needs.cpus_milli = 2000;
    (void)world_submitted(world, ann, "ann", &job);
    (void)world_worker(world, "node0", 1, 0);
    alone = asked(world, ann, MSG_TYPE_WHY_GET, &m, &answer);
    assert_int_equal(answer.why.reasons.count, 1);
    for (uint32_t i = 1; i < 15; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "node%u", i);
        (void)world_worker(world, name, 1, 0);
    }
    among = asked(world, ann, MSG_TYPE_WHY_GET, &m, &answer);
    assert_int_equal(among, 15 * alone);
}

static const struct query_case cases[] = {
    { "tasks of a job of which many live, page by page", tell_pages },
    { "jobs that are passed over are work, those that are told are more", tell_history },
    { "why looks at every worker", tell_why },
};

static void
run(void **state)
{
    const struct query_case *row = *state;
    struct world            *world = world_new();

    row->tell(world, world_client(world, "ann"));
    world_free(world);
}

int
main(void)
{
    return STORIES("query", cases, run);
}
