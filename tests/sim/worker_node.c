/* worker_node.c - see worker_node.h
 *
 * 1. Actions are carried out in order; what they lead to is an event later, so
 *    the agent is never called from within its own actions.
 * 2. What is in the spool and the number of the session survive the process.
 */
#include "worker_node.h"

#include <stdio.h>
#include <stdlib.h>

#include "agent.h"
#include "history.h"
#include "network.h"

enum {
    WORKER_OUT_INLINE   = 40,          /* bytes of output inside a result */
    WORKER_OUT_KEPT     = 300,         /* and of those that keep more */
    WORKER_START_MS     = 5,
    WORKER_KEEPER_MILLE = 500,         /* of tasks that kill */
    WORKER_FAULT_MILLE  = 5,           /* starts that fail by no fault of the task */
    WORKER_ABSENT_MILLE = 5,           /* commands that do not exist here */
    WORKER_HEALED_MS    = 500,         /* the longest task once everything was put right */
};

/* A task of this worker, from START to its end. */
struct worker_run {
    struct list         link;
    struct worker_node *node;
    struct sim_event    event;         /* it has started, then: it ends */
    bool                started;
    bool                poison;
    uint64_t            task;
    struct wire_token   token;
    uint32_t            run;
    uint64_t            began_ms, ms;
    uint8_t             outcome;
    bool                fault;
    bool                keeps;         /* more output than goes inline */
};

struct worker_spooled {
    struct list       link;
    uint64_t          task;            /* of the present agent */
    struct wire_token token;
    struct buffer     result;
};

struct worker_node {
    struct net_side      side;
    struct sim          *sim;
    uint32_t             number;
    char                 name[16];
    struct agent_config  config;
    struct agent        *agent;        /* NULL: the process is down */
    struct agent_actions actions;
    struct net_packer    packer;
    struct buffer        message;
    struct list          runs;
    struct list          spool;
    uint64_t             boot_ms;
    uint64_t             session, secret;
    struct sim_event     tick;
    struct sim_event     start;
};

static uint64_t
worker_clock_ms(const struct worker_node *node)
{
    return node->sim->now_ms - node->boot_ms;
}

/* ---- results ---- */

static struct slice
run_output(char *text, const struct worker_run *run, uint8_t stream, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        text[i] = (char)history_output(&run->token, stream, i);
    return slice_of(text, bytes);
}

static void
run_result(const struct worker_run *run, char texts[2][WORKER_OUT_INLINE],
           struct wire_result *result_out)
{
    uint32_t kept = run->keeps ? WORKER_OUT_KEPT : WORKER_OUT_INLINE;

    *result_out = (struct wire_result){
        .outcome = run->outcome,
        .exit_code = run->outcome == OUTCOME_SUCCEEDED ? 0 : 1,
        .started_unix_ms = run->began_ms,
        .wall_us = (run->node->sim->now_ms - run->began_ms) * 1000,
        .pid = run->run,
        .host = slice_text(run->node->name),
        .out_bytes = kept,
        .err_bytes = WORKER_OUT_INLINE,
        .out_kept = kept,
        .err_kept = WORKER_OUT_INLINE,
        .out = run_output(texts[0], run, 0, WORKER_OUT_INLINE),
        .err = run_output(texts[1], run, 1, WORKER_OUT_INLINE),
    };
}

/* ---- what the agent wants ---- */

static void
worker_send_frame(void *context, struct slice frame)
{
    struct worker_node *node = context;

    net_send(&node->side, frame);
}

static void
worker_send_chunk(struct worker_node *node, const struct agent_action *action)
{
    uint8_t        data[WORKER_OUT_KEPT] = { 0 };
    union wire_any m = { .result_chunk = { .token = action->token, .stream = action->stream,
                                           .offset = action->offset,
                                           .data = slice_of(data, action->bytes) } };

    if (action->bytes > sizeof(data))
        sim_fail(node->sim, "%s sends %zu bytes of output that nobody wrote", node->name,
                 action->bytes);
    for (size_t i = 0; i < action->bytes; i++)
        data[i] = history_output(&action->token, action->stream, action->offset + i);
    buffer_clear(&node->message);
    wire_put_any(&node->message, MSG_TYPE_RESULT_CHUNK, agent_request(node->agent), &m);
    net_pack(&node->packer, buffer_slice(&node->message), worker_send_frame, node);
}

static void fire_run(struct sim_event *event);

static void
worker_run_task(struct worker_node *node, const struct agent_action *action)
{
    struct sim        *sim = node->sim;
    struct worker_run *run = base_alloc(sizeof(*run));
    const struct plan *plan;
    uint32_t           fail_per_mille;

    run->node = node;
    run->event.fire = fire_run;
    run->task = action->task;
    run->token = action->token;
    run->run = history_start(sim->history, node->name, &action->token, action->spec,
                             action->input);
    plan = history_plan_of(sim->history, action->token.job);
    if (plan == NULL)
        sim_fail(sim, "P1: %s runs a task of job %llu, which is not durable", node->name,
                 (unsigned long long)action->token.job);
    fail_per_mille = sim->healed ? 0 : plan->fail_per_mille;
    run->ms = sim_random(sim, plan->task_ms_max + 1);
    if (sim->healed && run->ms > WORKER_HEALED_MS)
        run->ms = WORKER_HEALED_MS;
    run->poison = plan->poison;
    run->keeps = sim_chance(sim, plan->kept_per_mille);
    run->outcome = sim_chance(sim, fail_per_mille) ? OUTCOME_EXITED : OUTCOME_SUCCEEDED;
    if (fail_per_mille > 0 && sim_chance(sim, WORKER_ABSENT_MILLE))
        run->outcome = OUTCOME_NOT_STARTED;
    run->fault = !sim->healed && !sim->weather.restarts_only &&
                 sim_chance(sim, WORKER_FAULT_MILLE);
    list_append(&node->runs, &run->link);
    sim_trace(sim, "%s starts %llu.%u attempt %u, run %u", node->name,
              (unsigned long long)run->token.job, run->token.index, run->token.attempt, run->run);
    sim_at(sim, &run->event, sim->now_ms + sim_random(sim, WORKER_START_MS));
}

/* A pair of keys, as far as anybody here can see. */
static void
worker_key(struct worker_node *node, uint64_t task)
{
    uint8_t key[KEY_PUBLIC_BYTES];

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)sim_random(node->sim, 256);
    agent_key(node->agent, worker_clock_ms(node), task, key, &node->actions);
}

static struct worker_run *
worker_run_of(struct worker_node *node, uint64_t task)
{
    for (struct list *at = node->runs.next; at != &node->runs; at = at->next)
        if (CONTAINER(at, struct worker_run, link)->task == task)
            return CONTAINER(at, struct worker_run, link);
    return NULL;
}

static void
worker_kill(struct worker_node *node, const struct agent_action *action)
{
    struct worker_run *run = worker_run_of(node, action->task);

    if (run == NULL)
        sim_fail(node->sim, "%s kills a task that does not run", node->name);
    /* Some tasks do not heed SIGTERM. */
    if (!action->hard && sim_chance(node->sim, 200))
        return;
    run->outcome = OUTCOME_SIGNALED;
    run->poison = false;
    run->ms = 0;
    sim_at(node->sim, &run->event, node->sim->now_ms + sim_random(node->sim, WORKER_START_MS));
}

static void
spooled_free(struct worker_spooled *spooled)
{
    list_remove(&spooled->link);
    buffer_free(&spooled->result);
    free(spooled);
}

static void
worker_spool(struct worker_node *node, const struct agent_action *action)
{
    struct worker_spooled *spooled = base_alloc(sizeof(*spooled));

    spooled->task = action->task;
    spooled->token = action->token;
    buffer_append_slice(&spooled->result, action->result);
    list_append(&node->spool, &spooled->link);
}

static void
worker_release(struct worker_node *node, uint64_t task)
{
    for (struct list *at = node->spool.next, *next; at != &node->spool; at = next) {
        struct worker_spooled *spooled = CONTAINER(at, struct worker_spooled, link);

        next = at->next;
        if (spooled->task == task)
            spooled_free(spooled);
    }
}

static void worker_gone(struct worker_node *node);

static void
worker_exit(struct worker_node *node, const char *why)
{
    sim_trace(node->sim, "%s exits: %s", node->name, why);
    if (!list_empty(&node->runs))
        sim_fail(node->sim, "%s exits while its tasks run", node->name);
    worker_gone(node);
    node->session = 0;
    sim_at(node->sim, &node->start, node->sim->now_ms + sim_random(node->sim, 10000));
}

static void
worker_act(struct worker_node *node, const struct agent_action *action)
{
    const char *text = (const char *)node->actions.out.data + action->offset;

    switch (action->type) {
    case AGENT_SEND:
        net_pack(&node->packer, slice_of(text, action->bytes), worker_send_frame, node);
        break;
    case AGENT_CHUNK:   worker_send_chunk(node, action); break;
    case AGENT_KEY:     worker_key(node, action->task); break;
    case AGENT_START:   worker_run_task(node, action); break;
    case AGENT_KILL:    worker_kill(node, action); break;
    case AGENT_SPOOL:   worker_spool(node, action); break;
    case AGENT_RELEASE: worker_release(node, action->task); break;
    case AGENT_RECONNECT:
        net_pack_end(&node->packer, worker_send_frame, node);
        net_reconnect(&node->side);
        break;
    case AGENT_NOTE:
        sim_trace(node->sim, "%s notes: %s", node->name, text);
        break;
    case AGENT_WATCH:                  /* nobody follows live output here */
    case AGENT_EXIT:                   /* see worker_carry_out() */
        break;
    }
}

/* Everything that the last call of the agent wants, then its next time. */
static void
worker_carry_out(struct worker_node *node)
{
    uint64_t wake_ms;
    uint32_t count;

    for (uint32_t i = 0; i < node->actions.count; i++) {
        struct agent_action action = node->actions.items[i];    /* the array may grow */

        worker_act(node, &action);
    }
    count = node->actions.count;
    net_pack_end(&node->packer, worker_send_frame, node);
    agent_check(node->agent);
    if (agent_session(node->agent) != 0) {
        node->session = agent_session(node->agent);
        node->secret = agent_secret(node->agent);
    }
    if (count > 0 && node->actions.items[count - 1].type == AGENT_EXIT) {
        worker_exit(node, (const char *)node->actions.out.data +
                          node->actions.items[count - 1].offset);
        agent_actions_clear(&node->actions);
        return;
    }
    agent_actions_clear(&node->actions);
    wake_ms = agent_wake_ms(node->agent);
    if (wake_ms == UINT64_MAX)
        sim_cancel(node->sim, &node->tick);
    else
        sim_at(node->sim, &node->tick, wake_ms + node->boot_ms);
}

/* ---- events ---- */

/* Frozen: the event waits until the process goes on. */
static bool
worker_frozen(struct worker_node *node, struct sim_event *event)
{
    if (node->side.frozen_until_ms <= node->sim->now_ms)
        return false;
    sim_at(node->sim, event, node->side.frozen_until_ms);
    return true;
}

/* A batch of events was given: the agent may start tasks and send what is due. */
static void
worker_turn(struct worker_node *node)
{
    worker_carry_out(node);
    if (node->agent == NULL)
        return;
    agent_tick(node->agent, worker_clock_ms(node), &node->actions);
    worker_carry_out(node);
}

static void
fire_tick(struct sim_event *event)
{
    struct worker_node *node = CONTAINER(event, struct worker_node, tick);

    if (worker_frozen(node, event))
        return;
    agent_tick(node->agent, worker_clock_ms(node), &node->actions);
    worker_carry_out(node);
}

static void
run_free(struct worker_run *run)
{
    sim_cancel(run->node->sim, &run->event);
    history_gone(run->node->sim->history, run->run);
    list_remove(&run->link);
    free(run);
}

static void
run_begin(struct worker_run *run)
{
    struct worker_node *node = run->node;

    run->started = true;
    run->began_ms = node->sim->now_ms;
    sim_at(node->sim, &run->event, node->sim->now_ms + run->ms);
    agent_started(node->agent, worker_clock_ms(node), run->task, run->run);
}

/* It kills its worker, or only what runs it there. */
static void
run_poison(struct worker_run *run)
{
    struct worker_node *node = run->node;
    struct plan        *plan = history_plan_of(node->sim->history, run->token.job);
    uint64_t            task = run->task;

    if (sim_chance(node->sim, WORKER_KEEPER_MILLE)) {
        run_free(run);
        agent_lost(node->agent, worker_clock_ms(node), task, "killed", &node->actions);
        worker_turn(node);
        return;
    }
    plan->poisoned++;
    sim_trace(node->sim, "%s is taken down by its task %llu.%u", node->name,
              (unsigned long long)run->token.job, run->token.index);
    worker_crash(node, sim_between(node->sim, 100, 5000));
}

static void
fire_run(struct sim_event *event)
{
    struct worker_run  *run = CONTAINER(event, struct worker_run, event);
    struct worker_node *node = run->node;
    char                texts[2][WORKER_OUT_INLINE];
    struct wire_result  result;
    uint64_t            task = run->task;

    if (worker_frozen(node, event))
        return;
    if (!run->started && run->fault) {
        run_free(run);
        agent_failed(node->agent, worker_clock_ms(node), task, "a fault", &node->actions);
        worker_turn(node);
        return;
    }
    if (!run->started) {
        run_begin(run);
        return;
    }
    if (run->poison) {
        run_poison(run);
        return;
    }
    run_result(run, texts, &result);
    history_ended(node->sim->history, run->run, run->outcome);
    sim_trace(node->sim, "%s ends %llu.%u, run %u: %s", node->name,
              (unsigned long long)run->token.job, run->token.index, run->run,
              wire_outcome_name(run->outcome));
    run_free(run);
    agent_ended(node->agent, worker_clock_ms(node), task, &result, &node->actions);
    worker_turn(node);
}

static void
worker_up(struct net_side *side)
{
    struct worker_node *node = CONTAINER(side, struct worker_node, side);

    agent_link_up(node->agent, worker_clock_ms(node), &node->actions);
    worker_turn(node);
}

static void
worker_down(struct net_side *side)
{
    struct worker_node *node = CONTAINER(side, struct worker_node, side);

    agent_link_down(node->agent, worker_clock_ms(node), &node->actions);
    worker_turn(node);
}

static void
worker_frame(struct net_side *side, struct slice bytes)
{
    struct worker_node *node = CONTAINER(side, struct worker_node, side);
    struct wire_frame   frame;
    struct wire_message message;
    union wire_any      m;

    if (wire_frame_open(bytes, &frame) != MUSTER_OK)
        sim_fail(node->sim, "%s cannot open a frame of the manager", node->name);
    while (wire_frame_next(&frame, &message) == MUSTER_OK) {
        if (wire_decode_any(message.type, message.body, &m) != MUSTER_OK)
            sim_fail(node->sim, "%s cannot decode message 0x%02x", node->name, message.type);
        agent_message(node->agent, worker_clock_ms(node), message.request, message.type, &m,
                      &node->actions);
    }
    worker_turn(node);
}

/* ---- the process ---- */

/* The process is gone: its connection and its tasks with it. */
static void
worker_gone(struct worker_node *node)
{
    while (!list_empty(&node->runs))
        run_free(CONTAINER(node->runs.next, struct worker_run, link));
    net_side_close(&node->side);
    sim_cancel(node->sim, &node->tick);
    agent_free(node->agent);
    node->agent = NULL;
    node->packer.messages = 0;
    buffer_clear(&node->packer.frame);
    node->side.frozen_until_ms = 0;
}

static void
fire_start(struct sim_event *event)
{
    struct worker_node *node = CONTAINER(event, struct worker_node, start);
    struct sim         *sim = node->sim;

    if (sim_chance(sim, 300) || node->boot_ms == 0)
        node->boot_ms = sim->now_ms - sim_random(sim, sim->now_ms);
    if (node->session == 0 || sim_chance(sim, 300)) {
        node->session = 0;
        node->secret = sim_between(sim, 1, UINT64_MAX - 1);
    }
    node->config.session = node->session;
    node->config.secret = node->secret;
    node->config.random = sim_random(sim, UINT64_MAX);
    node->config.pid++;
    node->agent = agent_new(&node->config, worker_clock_ms(node));
    for (struct list *at = node->spool.next; at != &node->spool; at = at->next) {
        struct worker_spooled *spooled = CONTAINER(at, struct worker_spooled, link);

        agent_restore(node->agent, &spooled->token, buffer_slice(&spooled->result),
                      &spooled->task);
    }
    sim_trace(sim, "%s starts", node->name);
    net_side_open(&node->side);
    worker_carry_out(node);
}

void
worker_crash(struct worker_node *node, uint64_t down_ms)
{
    if (node->agent == NULL)
        return;
    sim_trace(node->sim, "%s crashes", node->name);
    agent_actions_clear(&node->actions);
    worker_gone(node);
    sim_at(node->sim, &node->start, node->sim->now_ms + down_ms);
}

void
worker_freeze(struct worker_node *node, uint64_t ms)
{
    if (node->agent == NULL)
        return;
    sim_trace(node->sim, "%s is frozen for %llu ms", node->name, (unsigned long long)ms);
    node->side.frozen_until_ms = node->sim->now_ms + ms;
}

void
worker_drain(struct worker_node *node)
{
    if (node->agent == NULL || node->side.frozen_until_ms > node->sim->now_ms)
        return;
    sim_trace(node->sim, "%s is told to drain", node->name);
    agent_drain(node->agent, worker_clock_ms(node), &node->actions);
    worker_turn(node);
}

void
worker_heal(struct worker_node *node)
{
    node->side.frozen_until_ms = 0;
    node->side.apart_until_ms = 0;
    if (node->agent == NULL)
        sim_at(node->sim, &node->start, node->sim->now_ms);
    else
        sim_at(node->sim, &node->tick, node->sim->now_ms);
}

static const char *const          worker_zones[SIM_ZONES] = { "zone=0", "zone=1" };
static const struct wire_resource worker_gpus = { { (const uint8_t *)"gpus", 4 }, SIM_GPUS };

struct net_side *
worker_side(struct worker_node *node)
{
    return &node->side;
}

struct worker_node *
worker_node_new(struct sim *sim, uint32_t number)
{
    struct worker_node *node = base_alloc(sizeof(*node));

    node->sim = sim;
    node->number = number;
    snprintf(node->name, sizeof(node->name), "worker-%u", number);
    node->side = (struct net_side){ .sim = sim, .role = ROLE_WORKER, .user = node->name,
                                    .up = worker_up, .down = worker_down,
                                    .frame = worker_frame };
    node->config = (struct agent_config){
        .name = node->name,
        .host = node->name,
        .software = "sim",
        .pid = 1000 * (number + 1),
        .cpus_milli = 2000 * (uint32_t)sim_between(sim, 1, 2),
        .resources = &worker_gpus,
        .resource_count = 1,
        .labels = &worker_zones[number % SIM_ZONES],
        .label_count = 1,
        .window = sim_chance(sim, 300) ? 0 : (uint32_t)sim_between(sim, 1, 32),
        .running_max = 64,
        .on_manager_lost = AGENT_LOST_WAIT,
        .grace_ms = (uint32_t)sim_random(sim, 5000),
    };
    if (!sim->weather.restarts_only && sim_chance(sim, 100))
        node->config.on_manager_lost = sim_chance(sim, 500) ? AGENT_LOST_FINISH : AGENT_LOST_STOP;
    list_init(&node->runs);
    list_init(&node->spool);
    node->tick.fire = fire_tick;
    node->start.fire = fire_start;
    sim_at(sim, &node->start, sim->now_ms + sim_random(sim, 2000));
    return node;
}

void
worker_node_free(struct worker_node *node)
{
    if (node->agent != NULL)
        worker_gone(node);
    sim_cancel(node->sim, &node->start);
    while (!list_empty(&node->spool))
        spooled_free(CONTAINER(node->spool.next, struct worker_spooled, link));
    agent_actions_free(&node->actions);
    buffer_free(&node->packer.frame);
    buffer_free(&node->message);
    free(node);
}
