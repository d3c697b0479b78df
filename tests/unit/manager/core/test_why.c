/* test_why.c - why something waits, in words
 *
 * Method: node1 has 2 cpus and one gpu.  Job 1 is submitted, some of it runs;
 * then the question is asked about job `asked`, and the first lines compared.
 */
#include "world.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct why_case {
    const char *story;
    uint32_t    count, cpus, running_max;
    uint64_t    delay_ms;
    bool        second;            /* submit job 2 after job 1, and ask about it */
    bool        no_worker;
    bool        one_task;
    uint32_t    index;
    const char *lines[3];
};

static const struct why_case why_cases[] = {
    { "it waits for another", 5, 1, 0, 0, true, false, false, 0,
      { "waits for job 1 (running)", "could run on: node1" } },
    { "the workers are busy", 5, 1, 0, 0, false, false, true, 4,
      { "would fit on node1, but it is busy: 2 of 2 cpus in use", "could run on: node1" } },
    { "no more of it may run", 5, 1, 1, 0, false, false, true, 4,
      { "at most 1 of it run at once", "could run on: node1" } },
    { "its delay", 1, 1, 0, 60000, false, false, false, 0,
      { "its delay ends in 1m00s", "could run on: node1" } },
    { "one task of it, and its delay", 2, 1, 0, 60000, false, false, true, 1,
      { "its delay ends in 1m00s", "could run on: node1" } },
    { "its delay, and too large", 1, 3, 0, 60000, false, false, false, 0,
      { "its delay ends in 1m00s", "needs 3 cpus: the most is node1 with 2" } },
    { "nobody is there", 1, 1, 0, 0, false, true, false, 0, { "no worker is connected" } },
    { "too large", 1, 3, 0, 0, false, false, false, 0,
      { "needs 3 cpus: the most is node1 with 2" } },
    { "it runs", 1, 1, 0, 0, false, false, true, 0, { "it is leased to node1, attempt 1" } },
    { "it waits for input", 0, 1, 0, 0, false, false, false, 0,
      { "waits for more input: its input has not been closed" } },
};

static void
why_story(void **state)
{
    const struct why_case *row = *state;
    struct world          *world = world_new();
    uint64_t               ann = world_client(world, "ann");
    struct msg_job_submit  job = world_job(world, 1, row->count);
    struct buffer          after = { 0 };
    struct wire_reason     reason;
    struct reader          in;
    union wire_any         m;

    if (!row->no_worker)
        world_worker(world, "node1", 2, 0);
    job.needs.cpus_milli = row->cpus * 1000;
    job.running_max = row->running_max;
    job.delay_ms = row->delay_ms;
    world_submitted(world, ann, "ann", &job);
    if (row->second) {
        wire_put_id(&after, &(struct wire_id){ 1 });
        job = world_job(world, 2, 1);
        job.after = (struct wire_list){ buffer_slice(&after), 1 };
        world_submitted(world, ann, "ann", &job);
    }
    buffer_free(&after);
    world_turn(world, 0);
    world_next(world);
    m.why_get = (struct msg_why_get){ row->second ? 2 : 1, row->one_task, row->index };
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_WHY_GET, &m);
    world_expect(world, WHY, &m);
    in = reader_of(m.why.reasons.bytes);
    for (uint32_t i = 0; i < 3 && row->lines[i] != NULL; i++) {
        char text[TEXT_BYTES_MAX + 1];

        assert_true(wire_get_reason(&in, &reason));
        snprintf(text, sizeof(text), "%.*s", (int)reason.text.bytes,
                 (const char *)reason.text.data);
        assert_string_equal(text, row->lines[i]);
    }
    world_quiet(world);
    world_free(world);
}

/* ---- a worker that could not start tasks says why ---- */

#define FAULT "would fit on node1, but it could not start tasks just now"
#define A_40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A_319 A_40 A_40 A_40 A_40 A_40 A_40 A_40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct fault_case {
    const char *story;
    const char *first, *second;    /* what it says, NULL: nothing */
    const char *line;
};

static const struct fault_case fault_cases[] = {
    { "it does not say", "", NULL, FAULT },
    { "it says", "open_tables: no table", NULL, FAULT ": open_tables: no table" },
    { "its last word counts", "no table", "no chair", FAULT ": no chair" },
    { "its last word is none", "no table", "", FAULT },
    { "a long word is cut between characters", A_319 "\xc3\xa9", NULL, FAULT ": " A_319 },
};

static void
fault_say(struct world *world, uint64_t worker, const char *what)
{
    union wire_any m = { .task_return = { { 9, 9, 9, 9 }, RETURN_WORKER_FAULT, { NULL, 0 } } };

    if (what == NULL)
        return;
    m.task_return.detail = slice_text(what);
    world_step(world, 0, worker, ROLE_WORKER, "fleet", MSG_TYPE_TASK_RETURN, &m);
    world_expect_ack(world);
}

static void
fault_story(void **state)
{
    const struct fault_case *row = *state;
    struct world            *world = world_new();
    uint64_t                 worker = world_worker(world, "node1", 2, 0);
    uint64_t                 ann = world_client(world, "ann");
    struct msg_job_submit    job = world_job(world, 1, 1);
    struct wire_reason       reason;
    struct reader            in;
    union wire_any           m;

    fault_say(world, worker, row->first);
    fault_say(world, worker, row->second);
    world_submitted(world, ann, "ann", &job);
    world_turn(world, 0);
    world_next(world);
    m.why_get = (struct msg_why_get){ 1, false, 0 };
    world_step(world, 0, ann, ROLE_CLIENT, "ann", MSG_TYPE_WHY_GET, &m);
    world_expect(world, WHY, &m);
    in = reader_of(m.why.reasons.bytes);
    assert_true(wire_get_reason(&in, &reason));
    assert_int_equal(reason.text.bytes, strlen(row->line));
    assert_memory_equal(reason.text.data, row->line, reason.text.bytes);
    world_quiet(world);
    world_free(world);
}

int
main(void)
{
    return STORIES("why", why_cases, why_story) +
           STORIES("why, after a fault", fault_cases, fault_story);
}
