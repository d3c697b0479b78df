/* history_runs.c - see history.h: what workers start, and the keys of what they run */
#include <stdio.h>

#include "history_state.h"

struct slice
history_input(char text[static 64], const struct plan *plan, uint32_t index)
{
    snprintf(text, 64, "input %u of %s", index, plan->name);
    return slice_text(text);
}

uint8_t
history_output(const struct wire_token *token, uint8_t stream, uint64_t offset)
{
    uint64_t x = token->job * 31 + token->index * 7 + token->attempt * 3 + stream;

    return (uint8_t)('a' + (x + offset / 7) % 26);
}

/* Is the lease of a run valid, as far as the manager can know? */
static bool
run_counts(struct history *history, const struct hist_run *run)
{
    const struct hist_task *task = &run->plan->tasks[run->token.index];

    return !run->ended && task->leased && !task->expired &&
           token_is(&run->token, task->attempt, task->epoch) &&
           history->sim->now_ms <= session_of(history, task->session)->heard_ms + LEASE_MS;
}

/* The cap of its jobs, and the room of its worker, with the one that just started. */
static void
check_room(struct history *history, const struct hist_run *started)
{
    const struct plan *lead = started->plan->cap != NULL ? started->plan->cap : started->plan;
    uint32_t           running = 0;
    uint32_t           gpus = 0;

    for (uint32_t i = 0; i < history->run_count; i++) {
        const struct hist_run *run = &history->runs[i];

        running += (run->plan == lead || run->plan->cap == lead) && run_counts(history, run);
        gpus += strcmp(run->worker, started->worker) == 0 && !run->ended ? run->plan->gpus : 0;
    }
    if (lead->running_max > 0 && running > lead->running_max)
        sim_fail(history->sim, "%u tasks of %s and those that share its cap run, %u may",
                 running, lead->name, lead->running_max);
    if (gpus > SIM_GPUS)
        sim_fail(history->sim, "%s runs tasks that take %u gpus, it has %u", started->worker, gpus,
                 SIM_GPUS);
    if (started->plan->zone >= 0 &&
        (started->worker[strlen(started->worker) - 1] - '0') % SIM_ZONES != started->plan->zone)
        sim_fail(history->sim, "%s is for workers of zone %d, but runs on %s",
                 started->plan->name, started->plan->zone, started->worker);
}

static void
check_start(struct history *history, const struct plan *plan, const struct hist_task *task,
            const struct wire_token *token, struct slice input)
{
    char text[64];

    if (plan->source == SOURCE_ITEMS &&
        !slice_equal(input, history_input(text, plan, token->index)))
        sim_fail(history->sim, "task %u of %s got the input '%.*s'", token->index, plan->name,
                 (int)input.bytes, (const char *)input.data);
    if (task->starts > 0 && token_is(token, task->start_attempt, task->start_epoch))
        sim_fail(history->sim, "P5: one lease of task %u of %s is started twice", token->index,
                 plan->name);
    if (history->sim->weather.restarts_only && task->starts > 0)
        sim_fail(history->sim, "P17: task %u of %s is started a second time though only the "
                 "manager was restarted", token->index, plan->name);
}

uint32_t
history_start(struct history *history, const char *worker, const struct wire_token *token,
              const struct wire_spec *spec, struct slice input)
{
    struct reader     in = reader_of(spec->args.bytes);
    struct plan      *plan;
    struct hist_task *task;
    struct wire_text  name;
    void             *runs = history->runs;

    if (!wire_get_text(&in, &name))
        sim_fail(history->sim, "a lease without a command");
    plan = history_plan_named(history, name.text);
    if (plan == NULL || token->index >= plan->total)
        sim_fail(history->sim, "task %u of '%.*s' was never planned", token->index,
                 (int)name.text.bytes, (const char *)name.text.data);
    task = &plan->tasks[token->index];
    check_start(history, plan, task, token, input);
    task->starts++;
    task->start_attempt = token->attempt;
    task->start_epoch = token->epoch;
    base_grow(&runs, &history->run_capacity, history->run_count + 1, sizeof(*history->runs));
    history->runs = runs;
    history->runs[history->run_count++] = (struct hist_run){ .plan = plan, .token = *token,
                                                             .worker = worker };
    check_room(history, &history->runs[history->run_count - 1]);
    return history->run_count;
}

void
history_ended(struct history *history, uint32_t run, uint8_t outcome)
{
    assert(run > 0 && run <= history->run_count);
    history->runs[run - 1].ended = true;
    history->runs[run - 1].outcome = outcome;
}

void
history_gone(struct history *history, uint32_t run)
{
    assert(run > 0 && run <= history->run_count);
    history->runs[run - 1].ended = true;
}

/* ---- keys of tasks ---- */

void
hist_keys_apply(struct history *history, const struct note *note)
{
    struct hist_key *keys = (void *)history->keys.data;
    struct hist_key  key = { .number = note->number, .token = note->token };
    size_t           count = history->keys.bytes / sizeof(key);

    for (size_t i = 0; i < count; i++) {
        if (keys[i].number != note->number)
            continue;
        if (note->type == NOTE_KEY)
            keys[i].valid = note->valid;
        return;                        /* KEYED: told again */
    }
    if (note->type == NOTE_KEY)
        sim_fail(history->sim, "a key is good that no task was given");
    buffer_append(&history->keys, &key, sizeof(key));
}

void
hist_keys_check(struct history *history)
{
    const struct hist_key *keys = (const void *)history->keys.data;

    for (size_t i = 0; i < history->keys.bytes / sizeof(*keys); i++) {
        const struct wire_token *token = &keys[i].token;
        const struct plan       *plan = history_plan_of(history, token->job);
        const struct hist_task  *task = plan != NULL ? &plan->tasks[token->index] : NULL;

        if (keys[i].valid && (task == NULL || !task->leased ||
                              !token_is(token, task->attempt, task->epoch)))
            sim_fail(history->sim, "the key of task %u of job %llu (attempt %u) is good though "
                     "its lease has ended", token->index, (unsigned long long)token->job,
                     token->attempt);
    }
}

/* The manager tells anew which are good. */
void
hist_keys_restarted(struct history *history)
{
    struct hist_key *keys = (void *)history->keys.data;

    for (size_t i = 0; i < history->keys.bytes / sizeof(*keys); i++)
        keys[i].valid = false;
}
