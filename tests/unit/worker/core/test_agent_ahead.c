/* test_agent_ahead.c - calls of functions that are started before there is room
 *
 * Method: a joined worker of 2 cpus leases calls of function "f" (job 1), of another
 * job (2) of it, and commands (job 3); a story is a script of events and what was started
 * then: `I` where it fits, `+I` ahead.
 *
 *   lease:J:A-B   calls A to B of job J (10 * J + 0 .. 9)
 *   end:I:US      it took so long      fail:I      back:I (unstarted)      kill:I
 */
#include <stdio.h>

#include "agent.h"
#include "stories.h"

enum { INDEXES = 100 };

static struct {
    struct agent        *agent;
    struct agent_actions actions;
    struct buffer        log;
    uint64_t             numbers[INDEXES];
    uint64_t             now_ms;
} w;

struct ahead_story {
    const char *story, *events, *started;
};

static const struct ahead_story stories[] = {
    { "nothing is started ahead as long as nobody knows how long they take",
      "lease:1:0-5", "10 11" },
    { "quick calls are", "lease:1:0-5 end:10:100", "10 11 | 12 +13 +14 +15" },
    { "slow ones are not", "lease:1:0-5 end:10:50000", "10 11 | 12" },
    { "only so much of the time is handed over",
      "lease:1:0-9 end:10:9000", "10 11 | 12 +13 +14 +15 +16" },
    { "what ends hands its room on",
      "lease:1:0-5 end:10:100 end:11:100 end:12:100 end:13:100 end:14:100 lease:1:6-9",
      "10 11 | 12 +13 +14 +15 | | | | | 16 +17 +18 +19" },
    { "one that ends ahead of its turn frees nothing",
      "lease:1:0-5 end:10:100 end:15:100 end:14:100 lease:1:6-6",
      "10 11 | 12 +13 +14 +15 | | | +16" },
    { "commands wait for room", "lease:3:0-5 end:30:100", "30 31 | 32" },
    { "not past a lease that waits for longer",
      "lease:1:0-3 lease:2:0-3 lease:1:4-9 end:10:100 end:11:100 end:12:100 end:13:100",
      "10 11 | | | 12 +13 | | 20 | 21" },
    { "what goes back is first in the queue, and nothing is ahead until one has ended",
      "lease:1:0-4 end:10:100 back:14 back:13 end:11:100", "10 11 | 12 +13 +14 | | | 13 +14" },
    { "a call that failed to start hands its room on as well",
      "lease:1:0-5 end:10:100 fail:11 fail:12 lease:1:6-6", "10 11 | 12 +13 +14 +15 | | | +16" },
    { "a call that is killed ahead of its turn",
      "lease:1:0-5 end:10:100 kill:15 end:15:0 end:11:100 end:12:100 end:13:100 lease:1:6-6",
      "10 11 | 12 +13 +14 +15 | | | | | | 16" },
};

/* ---- the manager ---- */

static void
log_starts(void)
{
    for (uint32_t i = 0; i < w.actions.count; i++) {
        const struct agent_action *action = &w.actions.items[i];

        if (action->type != AGENT_START)
            continue;
        w.numbers[action->token.index] = action->task;
        buffer_printf(&w.log, "%s%s%u", w.log.bytes > 0 ? " " : "", action->ahead ? "+" : "",
                      action->token.index);
    }
    agent_actions_clear(&w.actions);
}

static void
lease(unsigned job, unsigned first, unsigned last)
{
    struct buffer    bytes = { 0 }, args = { 0 }, tasks = { 0 };
    struct wire_spec spec = { .cpus_milli = 1000 };
    union wire_any   m = { .task_lease = { .job = job } };

    wire_put_text(&args, &(struct wire_text){ slice_text("true") });
    if (job == 3)
        spec.args = (struct wire_list){ buffer_slice(&args), 1 };
    else
        spec.function = slice_text("f");
    wire_put_spec(&bytes, &spec);
    for (unsigned i = first; i <= last; i++)
        wire_put_leased(&tasks, &(struct wire_leased){ .index = 10 * job + i, .attempt = 1,
                                                       .epoch = 1 });
    m.task_lease.spec = buffer_slice(&bytes);
    m.task_lease.tasks = (struct wire_list){ buffer_slice(&tasks), last - first + 1 };
    agent_message(w.agent, w.now_ms, 0, MSG_TYPE_TASK_LEASE, &m, &w.actions);
    buffer_free(&bytes);
    buffer_free(&args);
    buffer_free(&tasks);
}

static void
join(void)
{
    union wire_any welcome = { .welcome = { .version = PROTOCOL_VERSION, .session = 5, .epoch = 1,
                                            .role = ROLE_WORKER, .beat_ms = BEAT_MS,
                                            .lease_ms = LEASE_MS } };
    union wire_any joined = { 0 };
    uint64_t       request = 2;

    agent_link_up(w.agent, w.now_ms, &w.actions);
    agent_message(w.agent, w.now_ms, request, MSG_TYPE_WELCOME, &welcome, &w.actions);
    /* HELLO took the first number, JOIN the second. */
    for (; !agent_joined(w.agent) && request < 20; request += 2)
        agent_message(w.agent, w.now_ms, request, MSG_TYPE_WORKER_JOINED, &joined, &w.actions);
    assert_true(agent_joined(w.agent));
    agent_actions_clear(&w.actions);
}

/* ---- events ---- */

static void
event(const char *text)
{
    unsigned           a, b, c;
    struct wire_result result = { .outcome = OUTCOME_SUCCEEDED };
    union wire_any     kill = { .task_kill = { .token = { 1, 0, 1, 1 } } };

    if (sscanf(text, "lease:%u:%u-%u", &a, &b, &c) == 3) {
        lease(a, b, c);
    } else if (sscanf(text, "end:%u:%u", &a, &b) == 2) {
        result.wall_us = b;
        agent_ended(w.agent, w.now_ms, w.numbers[a], &result, &w.actions);
    } else if (sscanf(text, "fail:%u", &a) == 1) {
        agent_failed(w.agent, w.now_ms, w.numbers[a], "no table", &w.actions);
    } else if (sscanf(text, "back:%u", &a) == 1) {
        agent_unstarted(w.agent, w.now_ms, w.numbers[a], &w.actions);
    } else if (sscanf(text, "kill:%u", &a) == 1) {
        kill.task_kill.token.index = a;
        agent_message(w.agent, w.now_ms, 0, MSG_TYPE_TASK_KILL, &kill, &w.actions);
    } else {
        fail_msg("no event %s", text);
    }
}

static void
test_story(void **state)
{
    static const char *const  functions[] = { "g", "f" };
    const struct agent_config config = { .name = "node", .host = "here", .software = "test",
                                         .cpus_milli = 2000, .running_max = 10, .secret = 1,
                                         .functions = functions, .function_count = 2 };
    const struct ahead_story *row = *state;
    char                     *events = base_text_copy(slice_text(row->events)), *rest = events;
    const char               *one;
    bool                      back = false;

    w.now_ms = 1000;
    w.agent = agent_new(&config, w.now_ms);
    buffer_clear(&w.log);
    join();
    while ((one = strsep(&rest, " ")) != NULL) {
        if (one != events)
            buffer_append_text(&w.log, " |");
        event(one);
        /* Those that go back do so in one turn. */
        back = strncmp(one, "back", 4) == 0 && rest != NULL && strncmp(rest, "back", 4) == 0;
        if (!back)
            agent_tick(w.agent, w.now_ms, &w.actions);
        agent_check(w.agent);
        log_starts();
    }
    assert_string_equal(buffer_text(&w.log), row->started);
    agent_free(w.agent);
    agent_actions_free(&w.actions);
    buffer_free(&w.log);
    free(events);
}

/* What no worker of this kind can do goes back at once. */
static void
test_unknown_function(void **state)
{
    const struct agent_config config = { .name = "node", .host = "here", .software = "test",
                                         .cpus_milli = 2000, .running_max = 10, .secret = 1 };
    struct agent_counters     counters;

    (void)state;
    w.now_ms = 1000;
    w.agent = agent_new(&config, w.now_ms);
    join();
    lease(1, 0, 0);
    agent_tick(w.agent, w.now_ms, &w.actions);
    agent_count(w.agent, &counters);
    assert_int_equal(counters.returned, 1);
    assert_int_equal(counters.running, 0);
    agent_free(w.agent);
    agent_actions_free(&w.actions);
}

int
main(void)
{
    const struct CMUnitTest rest[] = { cmocka_unit_test(test_unknown_function) };
    int                     failed = STORIES("calls ahead", stories, test_story);

    return failed + cmocka_run_group_tests(rest, NULL, NULL);
}
