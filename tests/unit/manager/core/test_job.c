/* test_job.c - cancel, retry, dependencies, halt, pruning
 *
 * Method: one worker with 2 cpus.  A story is a list of acts upon jobs 1 and 2
 * of ann; afterwards the state and the counts of a job are compared.
 */
#include "world.h"

/* What a row does not name is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum act_kind {
    ACT_END,
    ACT_SUBMIT,          /* a: tasks (0 = items), b: after job, c: attempts, d: fail_max */
    ACT_SUBMIT_STDIN,    /* a: tasks, with standard input to follow */
    ACT_STDIN,           /* a: job: all of its standard input */
    ACT_ITEMS,           /* a: job, b: how many more */
    ACT_CLOSE,           /* a: job */
    ACT_TURN,            /* a: ms */
    ACT_FINISH,          /* a: how many leases, b: outcome */
    ACT_CANCEL,          /* a: job, b: first, c: last (b > c: all), d: tasks it says */
    ACT_CANCEL_WAITING,  /* the same, but for what is leased */
    ACT_RETRY,           /* a: job, b: first, c: last (b > c: all), d: tasks it says */
    ACT_RETRY_ALL,       /* the same, also what succeeded */
};

struct act {
    enum act_kind kind;
    uint32_t      a, b, c, d;
};

struct job_case {
    const char *story;
    struct act  acts[14];
    uint64_t    job;               /* looked at */
    uint8_t     state;
    uint32_t    total, running, succeeded, failed, cancelled;
    uint32_t    blocks;            /* result blocks of it */
};

#define OK2  { ACT_TURN, 1 }, { ACT_FINISH, 2, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 }
#define BAD1 { ACT_TURN, 1 }, { ACT_FINISH, 1, OUTCOME_EXITED }, { ACT_TURN, 1 }
#define BILLION 1000000000

static const struct job_case job_cases[] = {
    { "all succeed",
      { { ACT_SUBMIT, 2 }, OK2 }, 1, JOB_SUCCEEDED, 2, 0, 2, 0, 0, 1 },
    { "one fails",
      { { ACT_SUBMIT, 2 }, { ACT_TURN, 1 }, { ACT_FINISH, 1, OUTCOME_EXITED },
        { ACT_FINISH, 1, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } }, 1, JOB_FAILED, 2, 0, 1, 1, 0, 1 },
    { "a second attempt succeeds",
      { { ACT_SUBMIT, 1, 0, 2 }, BAD1, { ACT_FINISH, 1, OUTCOME_SUCCEEDED },
        { ACT_TURN, 1 } }, 1, JOB_SUCCEEDED, 1, 0, 1, 0, 0, 1 },
    { "attempts are used up",
      { { ACT_SUBMIT, 1, 0, 2 }, BAD1, { ACT_FINISH, 1, OUTCOME_SIGNALED },
        { ACT_TURN, 1 } }, 1, JOB_FAILED, 1, 0, 0, 1, 0, 1 },
    { "empty and closed",
      { { ACT_SUBMIT, 0 }, { ACT_CLOSE, 1 }, { ACT_TURN, 1 } },
        1, JOB_SUCCEEDED, 0, 0, 0, 0, 0, 0 },
    { "open without items waits",
      { { ACT_SUBMIT, 0 }, { ACT_TURN, 1 } }, 1, JOB_QUEUED, 0, 0, 0, 0, 0, 0 },

    { "a billion tasks cancelled before they ran",
        { { ACT_SUBMIT, BILLION }, { ACT_CANCEL, 1, 1, 0, BILLION }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, BILLION, 0, 0, 0, BILLION, 1 },
    { "cancelled while two run: they are told, the job lives on",
        { { ACT_SUBMIT, 10 }, { ACT_TURN, 1 }, { ACT_CANCEL, 1, 1, 0, 10 }, { ACT_TURN, 1 } },
        1, JOB_RUNNING, 10, 2, 0, 0, 8, 1 },
    { "what was running ends as cancelled, whatever it says",
        { { ACT_SUBMIT, 10 }, { ACT_TURN, 1 }, { ACT_CANCEL, 1, 1, 0, 10 },
          { ACT_FINISH, 2, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 10, 0, 0, 0, 10, 1 },
    { "cancelling twice changes nothing",
        { { ACT_SUBMIT, 10 }, { ACT_CANCEL, 1, 1, 0, 10 }, { ACT_CANCEL, 1, 1, 0, 0 },
          { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 10, 0, 0, 0, 10, 1 },
    { "a range in the middle is left out",
        { { ACT_SUBMIT, 4 }, { ACT_CANCEL, 1, 1, 2, 2 }, { ACT_TURN, 1 },
          { ACT_FINISH, 2, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 4, 0, 2, 0, 2, 2 },
    { "a range beyond the end is cut",
        { { ACT_SUBMIT, 4 }, { ACT_CANCEL, 1, 2, 99, 2 }, OK2 },
        1, JOB_CANCELLED, 4, 0, 2, 0, 2, 2 },
    { "an open job is closed by a cancel",
        { { ACT_SUBMIT, 0 }, { ACT_ITEMS, 1, 3 }, { ACT_CANCEL, 1, 1, 0, 3 }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 3, 0, 0, 0, 3, 1 },
    { "a range of an open job leaves it open",
        { { ACT_SUBMIT, 0 }, { ACT_ITEMS, 1, 3 }, { ACT_CANCEL, 1, 0, 2, 3 }, { ACT_TURN, 1 },
          { ACT_ITEMS, 1, 1 }, { ACT_TURN, 1 } }, 1, JOB_RUNNING, 4, 1, 0, 0, 3, 1 },

    { "what is leased goes on when only what waits is cancelled, and no input is taken",
        { { ACT_SUBMIT, 0 }, { ACT_ITEMS, 1, 10 }, { ACT_TURN, 1 },
          { ACT_CANCEL_WAITING, 1, 1, 0, 8 }, { ACT_TURN, 1 },
          { ACT_FINISH, 2, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 10, 0, 2, 0, 8, 2 },
    { "of a range, too: its other tasks run",
        { { ACT_SUBMIT, 6 }, { ACT_TURN, 1 }, { ACT_CANCEL_WAITING, 1, 1, 2, 1 }, OK2, OK2,
          { ACT_FINISH, 1, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 6, 0, 5, 0, 1, 4 },
    { "a task that is leased is not cancelled, and succeeds",
        { { ACT_SUBMIT, 1 }, { ACT_TURN, 1 }, { ACT_CANCEL_WAITING, 1, 0, 0, 0 }, { ACT_TURN, 1 },
          { ACT_FINISH, 1, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_SUCCEEDED, 1, 0, 1, 0, 0, 1 },
    { "one that was told to stop stays so",
        { { ACT_SUBMIT, 3 }, { ACT_TURN, 1 }, { ACT_CANCEL, 1, 0, 0, 1 },
          { ACT_CANCEL_WAITING, 1, 1, 0, 1 }, { ACT_FINISH, 2, OUTCOME_SUCCEEDED },
          { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 3, 0, 1, 0, 2, 1 },
    { "one that was leased may be cancelled later",
        { { ACT_SUBMIT, 1, 0, 2 }, { ACT_TURN, 1 }, { ACT_CANCEL_WAITING, 1, 0, 0, 0 }, BAD1,
          { ACT_CANCEL, 1, 0, 0, 1 }, { ACT_FINISH, 1, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 1, 0, 0, 0, 1, 1 },

    { "the only task is cancelled before its standard input came",
        { { ACT_SUBMIT_STDIN, 1 }, { ACT_CANCEL, 1, 0, 0, 1 }, { ACT_STDIN, 1 }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 1, 0, 0, 0, 1, 1 },
    { "all tasks are named and cancelled before their standard input came",
        { { ACT_SUBMIT_STDIN, 3 }, { ACT_CANCEL, 1, 0, 2, 3 }, { ACT_STDIN, 1 }, { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 3, 0, 0, 0, 3, 1 },
    { "cancelled and retried before its standard input came",
        { { ACT_SUBMIT_STDIN, 1 }, { ACT_CANCEL, 1, 0, 0, 1 }, { ACT_RETRY, 1, 1, 0, 1 },
          { ACT_TURN, 1 }, { ACT_STDIN, 1 }, { ACT_TURN, 1 } }, 1, JOB_RUNNING, 1, 1, 0, 0, 0, 1 },

    { "halt at the first failure: the rest is cancelled",
        { { ACT_SUBMIT, 10, 0, 0, 1 }, BAD1 }, 1, JOB_RUNNING, 10, 1, 0, 1, 8, 1 },
    { "a halted job ends as failed",
        { { ACT_SUBMIT, 10, 0, 0, 1 }, BAD1, { ACT_FINISH, 1, OUTCOME_SIGNALED }, { ACT_TURN, 1 } },
        1, JOB_FAILED, 10, 0, 0, 1, 9, 2 },

    { "a job after another waits",
      { { ACT_SUBMIT, 2 }, { ACT_SUBMIT, 2, 1 }, { ACT_TURN, 1 } },
        2, JOB_WAITING, 2, 0, 0, 0, 0, 0 },
    { "and runs when it has succeeded",
      { { ACT_SUBMIT, 2 }, { ACT_SUBMIT, 2, 1 }, OK2, OK2 },
        2, JOB_SUCCEEDED, 2, 0, 2, 0, 0, 1 },
    { "and fails when it has failed",
      { { ACT_SUBMIT, 1 }, { ACT_SUBMIT, 5, 1 }, BAD1 },
        2, JOB_FAILED, 5, 0, 0, 5, 0, 1 },
    { "and fails when it was cancelled",
        { { ACT_SUBMIT, 1 }, { ACT_SUBMIT, 5, 1 }, { ACT_CANCEL, 1, 1, 0, 1 }, { ACT_TURN, 1 } },
        2, JOB_FAILED, 5, 0, 0, 5, 0, 1 },
    { "failing with a dependency costs nothing per task",
        { { ACT_SUBMIT, 1 }, { ACT_SUBMIT, BILLION, 1 }, BAD1 },
        2, JOB_FAILED, BILLION, 0, 0, BILLION, 0, 1 },
    { "with its middle cancelled before",
        { { ACT_SUBMIT, 1 }, { ACT_SUBMIT, 9, 1 }, { ACT_CANCEL, 2, 3, 4, 2 }, BAD1 },
        2, JOB_FAILED, 9, 0, 0, 7, 2, 2 },

    { "a retry runs the only task again",
        { { ACT_SUBMIT, 1 }, BAD1, { ACT_RETRY, 1, 1, 0, 1 }, { ACT_TURN, 1 },
          { ACT_FINISH, 1, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 } },
        1, JOB_SUCCEEDED, 1, 0, 1, 0, 0, 2 },
    { "a retry of what failed leaves what succeeded",
        { { ACT_SUBMIT, 2 }, { ACT_TURN, 1 }, { ACT_FINISH, 1, OUTCOME_EXITED },
          { ACT_FINISH, 1, OUTCOME_SUCCEEDED }, { ACT_TURN, 1 }, { ACT_RETRY, 1, 1, 0, 1 },
          { ACT_TURN, 1 } }, 1, JOB_RUNNING, 2, 1, 1, 0, 0, 1 },
    { "a retry of all runs both",
        { { ACT_SUBMIT, 2 }, OK2, { ACT_RETRY_ALL, 1, 1, 0, 2 }, { ACT_TURN, 1 } },
        1, JOB_RUNNING, 2, 2, 0, 0, 0, 1 },
    { "a retry of a billion that were cancelled",
        { { ACT_SUBMIT, BILLION }, { ACT_CANCEL, 1, 1, 0, BILLION }, { ACT_TURN, 1 },
          { ACT_RETRY, 1, 1, 0, BILLION }, { ACT_TURN, 1 } },
        1, JOB_RUNNING, BILLION, 2, 0, 0, 0, 1 },
    { "a retry of one of them leaves the rest",
        { { ACT_SUBMIT, 100 }, { ACT_CANCEL, 1, 1, 0, 100 }, { ACT_TURN, 1 },
          { ACT_RETRY, 1, 7, 7, 1 }, { ACT_TURN, 1 }, { ACT_FINISH, 1, OUTCOME_SUCCEEDED },
          { ACT_TURN, 1 } },
        1, JOB_CANCELLED, 100, 0, 1, 0, 99, 2 },
    { "a retry of most of a billion costs nothing per task",
        { { ACT_SUBMIT, BILLION }, { ACT_CANCEL, 1, 1, BILLION - 9, BILLION - 9 }, { ACT_TURN, 1 },
          { ACT_RETRY, 1, 1, 0, BILLION - 9 }, { ACT_TURN, 1 } },
        1, JOB_RUNNING, BILLION, 2, 0, 0, 0, 1 },
    { "nor when those behind them ran, nor when they are cancelled again",
        { { ACT_SUBMIT, BILLION }, { ACT_CANCEL, 1, 0, BILLION - 9, BILLION - 8 }, OK2,
          { ACT_RETRY, 1, 5, BILLION - 10, BILLION - 14 },
          { ACT_CANCEL, 1, 3, BILLION, BILLION - 8 }, { ACT_TURN, 1 } },
        1, JOB_RUNNING, BILLION, 2, 2, 0, BILLION - 4, 3 },
    { "a retry of nothing that failed",
      { { ACT_SUBMIT, 2 }, OK2, { ACT_RETRY, 1, 1, 0, 0 }, { ACT_TURN, 1 } },
        1, JOB_SUCCEEDED, 2, 0, 2, 0, 0, 1 },
};

struct play {
    struct world     *world;
    uint64_t          ann, worker;
    struct wire_token held[64];
    uint32_t          held_count, submitted;
    uint32_t          items[3];
};

static void
play_submit(struct play *play, const struct act *act)
{
    struct msg_job_submit job = world_job(play->world, ++play->submitted, act->a);
    struct buffer         after = { 0 };

    job.attempts_max = act->c;
    job.fail_max = act->d;
    if (act->b > 0) {
        wire_put_id(&after, &(struct wire_id){ act->b });
        job.after = (struct wire_list){ buffer_slice(&after), 1 };
    }
    assert_int_equal(world_submitted(play->world, play->ann, "ann", &job), play->submitted);
    buffer_free(&after);
}

static void
play_stdin(struct play *play, const struct act *act)
{
    static const uint8_t  bytes[STDIN_INLINE_BYTES_MAX + 1];
    struct msg_job_submit job = world_job(play->world, play->submitted + 1, act->a);
    union wire_any        m = { .job_stdin = { .job = act->a,
                                               .data = slice_of(bytes, sizeof(bytes)) } };

    if (act->kind == ACT_STDIN) {
        world_step(play->world, 0, play->ann, ROLE_CLIENT, "ann", MSG_TYPE_JOB_STDIN, &m);
        assert_int_equal(world_expect_ack(play->world), sizeof(bytes));
        return;
    }
    world_submit_spec(play->world, play->ann, "ann", &job,
                      (struct wire_spec){ .stdin_bytes = sizeof(bytes) });
    world_expect(play->world, JOB_SUBMITTED, &m);
    assert_int_equal(m.job_submitted.job, ++play->submitted);
}

static void
play_ranged(struct play *play, const struct act *act)
{
    struct buffer    ranges = { 0 };
    struct wire_list list = { { NULL, 0 }, 0 };
    union wire_any   m;
    uint64_t         value = UINT64_MAX, session;
    uint16_t         type;

    if (act->b <= act->c) {
        wire_put_range(&ranges, &(struct wire_range){ act->b, act->c });
        list = (struct wire_list){ buffer_slice(&ranges), 1 };
    }
    if (act->kind == ACT_CANCEL || act->kind == ACT_CANCEL_WAITING)
        m.job_cancel = (struct msg_job_cancel){ .job = act->a, .tasks = list,
                                                .waiting_only =
                                                    act->kind == ACT_CANCEL_WAITING };
    else
        m.job_retry = (struct msg_job_retry){ .job = act->a, .tasks = list,
                                              .failed_only = act->kind == ACT_RETRY };
    world_step(play->world, 0, play->ann, ROLE_CLIENT, "ann",
               act->kind == ACT_CANCEL || act->kind == ACT_CANCEL_WAITING ? MSG_TYPE_JOB_CANCEL
                                                                         : MSG_TYPE_JOB_RETRY,
               &m);
    while ((type = world_take(play->world, &session, &m)) != 0) {
        if (type == MSG_TYPE_TASK_KILL)
            assert_int_equal(session, play->worker);
        else if (type == MSG_TYPE_ACK)
            value = m.ack.value;
        else
            fail();
    }
    assert_int_equal(value, act->d);
    buffer_free(&ranges);
}

static void
play_turn(struct play *play, uint64_t ms)
{
    union wire_any m;
    uint16_t       type;

    world_turn(play->world, ms);
    play->held_count += world_leases(play->world, play->held + play->held_count, NULL,
                                     64 - play->held_count);
    while ((type = world_take(play->world, NULL, &m)) != 0)
        assert_int_equal(type, MSG_TYPE_TASK_KILL);
    world_next(play->world);
}

static void
play_act(struct play *play, const struct act *act)
{
    union wire_any m;
    uint16_t       type;

    switch (act->kind) {
    case ACT_END:
        break;
    case ACT_SUBMIT:
        play_submit(play, act);
        break;
    case ACT_SUBMIT_STDIN:
    case ACT_STDIN:
        play_stdin(play, act);
        break;
    case ACT_ITEMS:
        world_items(play->world, play->ann, "ann", act->a, play->items[act->a], act->b);
        play->items[act->a] += act->b;
        assert_int_equal(world_expect_ack(play->world), play->items[act->a]);
        break;
    case ACT_CLOSE:
        world_close(play->world, play->ann, "ann", act->a, play->items[act->a]);
        world_expect_ack(play->world);
        break;
    case ACT_TURN:
        play_turn(play, act->a);
        break;
    case ACT_FINISH:
        assert_true(play->held_count >= act->a);
        for (uint32_t i = 0; i < act->a; i++) {
            struct wire_token token = play->held[0];

            memmove(play->held, play->held + 1, --play->held_count * sizeof(token));
            world_finish(play->world, play->worker, token, (enum wire_outcome)act->b, 1000);
            while ((type = world_take(play->world, NULL, &m)) == MSG_TYPE_TASK_KILL)
                continue;
            assert_int_equal(type, MSG_TYPE_ACK);
        }
        break;
    case ACT_CANCEL:
    case ACT_CANCEL_WAITING:
    case ACT_RETRY:
    case ACT_RETRY_ALL:
        play_ranged(play, act);
        break;
    }
}

static void
job_story(void **state)
{
    const struct job_case *row = *state;
    struct play            play = { .world = world_new() };
    struct wire_job        info;
    union wire_any         m = { .results_get = { .job = row->job } };

    play.ann = world_client(play.world, "ann");
    play.worker = world_worker(play.world, "node1", 2, 0);
    for (const struct act *act = row->acts; act->kind != ACT_END; act++)
        play_act(&play, act);
    info = world_info(play.world, play.ann, "ann", row->job);
    assert_int_equal(info.state, row->state);
    assert_int_equal(info.counts.total, row->total);
    assert_int_equal(info.counts.running, row->running);
    assert_int_equal(info.counts.succeeded, row->succeeded);
    assert_int_equal(info.counts.failed, row->failed);
    assert_int_equal(info.counts.cancelled, row->cancelled);
    world_step(play.world, 0, play.ann, ROLE_CLIENT, "ann", MSG_TYPE_RESULTS_GET, &m);
    world_turn(play.world, 0);
    assert_int_equal(play.world->fx.results_count, 1);
    assert_int_equal(play.world->fx.results[0].blocks, row->blocks);
    world_free(play.world);
}

/* The oldest ended jobs go, but for those that an unfinished one names. */
static void
prune(void **state)
{
    struct core_config config = world_config;
    struct play        play;
    const struct act   acts[] = { { ACT_SUBMIT, 1 }, { ACT_SUBMIT, 1 },
                                  { ACT_TURN, 1 }, { ACT_FINISH, 2, OUTCOME_SUCCEEDED },
                                  { ACT_SUBMIT, 0, 1 }, { ACT_TURN, 1 }, { ACT_TURN, 1 },
                                  { ACT_TURN, 1 } };

    (void)state;
    config.history_jobs = 0;
    play = (struct play){ .world = world_new_with(&config) };
    play.ann = world_client(play.world, "ann");
    play.worker = world_worker(play.world, "node1", 2, 0);
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        play_act(&play, &acts[i]);
    world_turn(play.world, 1);
    assert_int_equal(play.world->fx.pruned_count, 1);
    assert_int_equal(play.world->fx.pruned[0], 2);
    play.world->fx.pruned_count = 0;
    world_quiet(play.world);
    assert_int_equal(world_info(play.world, play.ann, "ann", 1).state, JOB_SUCCEEDED);
    world_free(play.world);
}

/* A job that is bound to its session goes with it. */
static void
bound(void **state)
{
    struct world         *world = world_new();
    uint64_t              ann = world_client(world, "ann"), other = world_client(world, "ann");
    struct msg_job_submit job = world_job(world, 1, 3);
    uint64_t              id;

    (void)state;
    job.session_bound = 1;
    id = world_submitted(world, ann, "ann", &job);
    world_turn(world, 0);
    world_next(world);
    core_away(world->core, world->now_ms, ann);
    world_turn(world, SESSION_MS - 1);
    world_quiet(world);
    world_next(world);
    world_turn(world, 1);
    assert_int_equal(world->fx.ended_count, 1);
    assert_int_equal(world->fx.ended[0], ann);
    assert_int_equal(world_info(world, other, "ann", id).state, JOB_CANCELLED);
    assert_int_equal(world_info(world, other, "ann", id).counts.cancelled, 3);
    world_free(world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(prune), cmocka_unit_test(bound) };
    int                     failed = STORIES("jobs", job_cases, job_story);

    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
