/* history.c - see history.h: the manager's decisions and the workers' runs */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>

#include "history_objects.h"
#include "history_state.h"
#include "manager_node.h"

struct history *
history_new(struct sim *sim)
{
    struct history *history = base_alloc(sizeof(*history));

    history->sim = sim;
    history->objects = history_objects_new(sim);
    return history;
}

void
history_free(struct history *history)
{
    for (uint32_t i = 0; i < history->plan_count; i++) {
        free(history->plans[i]->tasks);
        buffer_free(&history->plans[i]->followed);
        free(history->plans[i]);
    }
    free(history->plans);
    buffer_free(&history->accepted);
    buffer_free(&history->keys);
    free(history->runs);
    free(history->sessions);
    history_objects_free(history->objects);
    free(history);
}

/* ---- plans ---- */

struct plan *
history_plan(struct history *history)
{
    struct sim  *sim = history->sim;
    struct plan *plan = base_alloc(sizeof(*plan));
    void        *plans = history->plans;
    bool         calm = sim->weather.restarts_only;

    base_grow(&plans, &history->plan_capacity, history->plan_count + 1, sizeof(*history->plans));
    history->plans = plans;
    history->plans[history->plan_count++] = plan;
    plan->number = history->plan_count;
    snprintf(plan->name, sizeof(plan->name), "job-%u", plan->number);
    plan->source = sim_chance(sim, 600) ? SOURCE_ITEMS : SOURCE_COUNTED;
    plan->total = (uint32_t)(sim_chance(sim, 200) ? 1 : sim_between(sim, 1, 30));
    plan->attempts_max = (uint32_t)sim_random(sim, 4);
    plan->lost_max = (uint32_t)(sim_chance(sim, 500) ? 0 : sim_between(sim, 3, 6));
    plan->running_max = (uint32_t)(sim_chance(sim, 200) ? sim_between(sim, 1, 5) : 0);
    plan->delay_ms = sim_chance(sim, 100) ? sim_random(sim, 20000) : 0;
    plan->retry_delay_ms = sim_chance(sim, 300) ? sim_random(sim, 5000) : 0;
    plan->cpus_milli = sim_chance(sim, 200) ? 2000 : 1000;
    plan->gpus = sim_chance(sim, 150) ? (uint32_t)sim_between(sim, 1, SIM_GPUS) : 0;
    plan->zone = sim_chance(sim, 150) && sim->worker_count >= SIM_ZONES
                     ? (int32_t)sim_random(sim, SIM_ZONES) : -1;
    plan->priority = (int32_t)sim_random(sim, 5) - 2;
    plan->session_bound = !calm && sim_chance(sim, 200);
    plan->kept_per_mille = sim_chance(sim, 100) ? 200 : 0;
    plan->task_ms_max = sim_chance(sim, 500) ? 20 : sim_chance(sim, 800) ? 3000 : 25000;
    plan->tasks = base_array(plan->total, sizeof(*plan->tasks));
    if (calm)
        return plan;
    plan->fail_per_mille = sim_chance(sim, 300) ? (uint32_t)sim_random(sim, 600) : 0;
    plan->fail_max = sim_chance(sim, 150) ? (uint32_t)sim_between(sim, 1, 3) : 0;
    plan->poison = sim_chance(sim, 30);
    plan->cancel_after_ms = sim_chance(sim, 150) ? sim_between(sim, 1, 20000) : 0;
    plan->retries = sim_chance(sim, 200);
    if (plan->poison)
        plan->total = 1;
    return plan;
}

struct plan *
history_plan_at(struct history *history, uint32_t at)
{
    return at < history->plan_count ? history->plans[at] : NULL;
}

struct plan *
history_plan_named(struct history *history, struct slice name)
{
    for (uint32_t i = 0; i < history->plan_count; i++)
        if (slice_equals_text(name, history->plans[i]->name))
            return history->plans[i];
    return NULL;
}

struct plan *
history_plan_of(struct history *history, uint64_t job)
{
    for (uint32_t i = 0; i < history->plan_count; i++)
        if (history->plans[i]->job == job && job != 0)
            return history->plans[i];
    return NULL;
}

/* ---- sessions of workers ---- */

struct hist_session *
session_of(struct history *history, uint64_t session)
{
    void *sessions = history->sessions;

    for (uint32_t i = 0; i < history->session_count; i++)
        if (history->sessions[i].session == session)
            return &history->sessions[i];
    base_grow(&sessions, &history->session_capacity, history->session_count + 1,
              sizeof(*history->sessions));
    history->sessions = sessions;
    history->sessions[history->session_count] = (struct hist_session){ .session = session };
    return &history->sessions[history->session_count++];
}

/* Its term ran out before the manager's last turn: whatever it held is lost. */
static void
session_expire(struct history *history, const struct hist_session *session)
{
    for (uint32_t i = 0; i < history->plan_count; i++) {
        struct plan *plan = history->plans[i];

        for (uint32_t k = 0; k < plan->total; k++)
            if (plan->tasks[k].leased && plan->tasks[k].session == session->session)
                plan->tasks[k].expired = true;
    }
}

static void
apply_heard(struct history *history, const struct note *note)
{
    struct hist_session *session = session_of(history, note->session);

    if (session->heard_ms != 0 && note->turn_ms > session->heard_ms + LEASE_MS + HIST_SLACK_MS)
        session_expire(history, session);
    if (note->at_ms > session->heard_ms)
        session->heard_ms = note->at_ms;
}

void
history_check_terms(struct history *history, uint64_t turn_ms, uint64_t running)
{
    uint64_t allowed = 0;

    for (uint32_t i = 0; i < history->plan_count; i++) {
        const struct plan *plan = history->plans[i];

        for (uint32_t k = 0; k < plan->total; k++) {
            const struct hist_task *task = &plan->tasks[k];

            if (task->leased && !task->expired &&
                turn_ms <= session_of(history, task->session)->heard_ms + LEASE_MS + HIST_SLACK_MS)
                allowed++;
        }
    }
    history_objects_terms(history->objects, turn_ms);
    if (running > allowed)
        sim_fail(history->sim, "P6: %llu tasks are leased, only %llu of them to workers that were "
                 "heard of in time", (unsigned long long)running, (unsigned long long)allowed);
}

void
history_fresh_terms(struct history *history)
{
    for (uint32_t i = 0; i < history->session_count; i++)
        if (history->sessions[i].heard_ms != 0)
            history->sessions[i].heard_ms = history->sim->now_ms;
    history_objects_fresh(history->objects);
}

void
history_restarted(struct history *history)
{
    history->restarts++;
    history_objects_restarted(history->objects);
    hist_keys_restarted(history);
    history_fresh_terms(history);
}

/* ---- the manager's decisions ---- */

void
history_note(struct notes *notes, const struct note *note)
{
    void *items = notes->items;

    base_grow(&items, &notes->capacity, notes->count + 1, sizeof(*notes->items));
    notes->items = items;
    notes->items[notes->count++] = *note;
}

void
history_note_message(struct notes *notes, struct note note, struct slice body)
{
    note.offset = (uint32_t)notes->bytes.bytes;
    note.bytes = (uint32_t)body.bytes;
    buffer_append_slice(&notes->bytes, body);
    history_note(notes, &note);
}

void
history_notes_drop(struct notes *notes)
{
    notes->count = 0;
    buffer_clear(&notes->bytes);
}

void
history_notes_free(struct notes *notes)
{
    free(notes->items);
    buffer_free(&notes->bytes);
}

static void
apply_submitted(struct history *history, const struct note *note)
{
    struct plan *plan = note->plan;
    struct plan *other = history_plan_of(history, note->job);

    /* With its job pruned nothing knows the key any more: it is a new job. */
    if (plan->pruned && plan->job != note->job) {
        memset(plan->tasks, 0, plan->total * sizeof(*plan->tasks));
        buffer_clear(&plan->followed);
        plan->pruned = false;
        plan->again = true;
        plan->halted = false;
        plan->job = 0;
    }
    if (plan->job != 0 && plan->job != note->job)
        sim_fail(history->sim, "P4: %s was submitted again and became job %llu beside job %llu",
                 plan->name, (unsigned long long)note->job, (unsigned long long)plan->job);
    if (other != NULL && other != plan)
        sim_fail(history->sim, "P4: job %llu was given to %s and to %s",
                 (unsigned long long)note->job, other->name, plan->name);
    plan->job = note->job;
}

static struct plan *
plan_for(struct history *history, const struct note *note, const char *what)
{
    struct plan *plan = history_plan_of(history, note->job);

    if (plan == NULL)
        sim_fail(history->sim, "P1: %s of job %llu, which nobody submitted", what,
                 (unsigned long long)note->job);
    if (note->token.index >= plan->total)
        sim_fail(history->sim, "%s of task %llu.%u, beyond its %u tasks", what,
                 (unsigned long long)note->job, note->token.index, plan->total);
    return plan;
}

bool
token_is(const struct wire_token *token, uint32_t attempt, uint64_t epoch)
{
    return token->attempt == attempt && token->epoch == epoch;
}

/* Tasks that failed for good, as workers said. */
static uint32_t
plan_failed(const struct plan *plan)
{
    uint32_t failed = 0;

    for (uint32_t i = 0; i < plan->total; i++)
        failed += plan->tasks[i].done && plan->tasks[i].outcome != OUTCOME_SUCCEEDED &&
                  plan->tasks[i].outcome != OUTCOME_CANCELLED;
    return failed;
}

/* So many failures halt it, unless it was cancelled before; after a retry nobody here
 * knows how many count. */
static bool
plan_halts(const struct plan *plan)
{
    return plan->fail_max > 0 && !plan->retried && !plan->again && !plan->cancelled &&
           plan_failed(plan) >= plan->fail_max;
}

static void
check_after(struct history *history, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->after_count; i++) {
        const struct plan *before = plan->after[i];

        /* One that was cancelled early and retried has fewer tasks than planned. */
        for (uint32_t k = 0; k < before->total && !before->retried; k++)
            if (!before->tasks[k].done || before->tasks[k].outcome != OUTCOME_SUCCEEDED)
                sim_fail(history->sim, "%s runs although task %u of %s has not succeeded",
                         plan->name, k, before->name);
    }
}

static void
apply_leased(struct history *history, const struct note *note)
{
    struct plan      *plan = plan_for(history, note, "a lease");
    struct hist_task *task = &plan->tasks[note->token.index];

    if (task->done)
        sim_fail(history->sim, "P5: task %u of %s is leased again after its result was "
                 "acknowledged", note->token.index, plan->name);
    if (note->token.epoch < task->epoch ||
        (note->token.epoch == task->epoch && task->attempt >= note->token.attempt && task->known))
        sim_fail(history->sim, "P5: task %u of %s: token (%u, %llu) after (%u, %llu)",
                 note->token.index, plan->name, note->token.attempt,
                 (unsigned long long)note->token.epoch, task->attempt,
                 (unsigned long long)task->epoch);
    if (!plan->retried)
        check_after(history, plan);
    if (plan->halted)
        sim_fail(history->sim, "task %u of %s is leased although %u tasks failed, its limit",
                 note->token.index, plan->name, plan->fail_max);
    task->leased = true;
    task->known = true;
    task->leases++;
    task->expired = false;
    task->attempt = note->token.attempt;
    task->epoch = note->token.epoch;
    task->session = note->session;
}

/* Was this very result acknowledged earlier, perhaps before a retry of the job? */
static bool
accepted_before(const struct history *history, const struct wire_token *token)
{
    const struct wire_token *tokens = (const void *)history->accepted.data;

    for (size_t i = 0; i < history->accepted.bytes / sizeof(*tokens); i++)
        if (tokens[i].job == token->job && tokens[i].index == token->index &&
            token_is(&tokens[i], token->attempt, token->epoch))
            return true;
    return false;
}

/* A result was acknowledged as the one of its task. */
static void
apply_accepted(struct history *history, const struct note *note, struct plan *plan,
               struct hist_task *task)
{
    const struct hist_session *session = session_of(history, note->session);
    uint32_t                   attempts = plan->attempts_max > 0 ? plan->attempts_max : 1;

    if (accepted_before(history, &note->token))
        return;                        /* the answer got lost and was given again */
    if (task->done)
        sim_fail(history->sim, "P5: a second result of task %u of %s is acknowledged",
                 note->token.index, plan->name);
    if (!task->leased || !token_is(&note->token, task->attempt, task->epoch))
        sim_fail(history->sim, "P7: the result of lease (%u, %llu) of task %u of %s counts, but "
                 "(%u, %llu) is valid", note->token.attempt,
                 (unsigned long long)note->token.epoch, note->token.index, plan->name,
                 task->attempt, (unsigned long long)task->epoch);
    if (task->expired || note->turn_ms > session->heard_ms + LEASE_MS + HIST_SLACK_MS)
        sim_fail(history->sim, "P7: the result of task %u of %s counts although its lease had "
                 "run out", note->token.index, plan->name);
    task->accepted = true;
    buffer_append(&history->accepted, &note->token, sizeof(note->token));
    /* What was to be cancelled counts as cancelled, however it ends. */
    task->outcome = plan->stopped || task->stopped ? OUTCOME_CANCELLED : note->outcome;
    task->leased = false;
    if (task->outcome != OUTCOME_SUCCEEDED && task->outcome != OUTCOME_CANCELLED)
        task->failures++;
    task->done = task->outcome == OUTCOME_SUCCEEDED || task->outcome == OUTCOME_CANCELLED ||
                 task->failures >= attempts;
    plan->halted |= plan_halts(plan);
    plan->stopped |= plan->halted;
    plan->cancelled |= plan->stopped;
}

static void
apply_finished(struct history *history, const struct note *note)
{
    struct plan *plan = history_plan_of(history, note->job);

    if (note->answer != MUSTER_OK) {
        history->stale++;
        if (history->sim->weather.restarts_only && note->answer == MUSTER_ERR_STALE)
            sim_fail(history->sim, "P17: the result of task %u of job %llu is refused though "
                     "only the manager was restarted", note->token.index,
                     (unsigned long long)note->job);
        return;
    }
    plan = plan_for(history, note, "a result");
    apply_accepted(history, note, plan, &plan->tasks[note->token.index]);
}

static void
apply_retried(struct history *history, const struct note *note)
{
    struct plan *plan = plan_for(history, note, "a retry");

    plan->retried = true;
    plan->halted = false;
    plan->cancelled = false;
    plan->stopped = false;
    for (uint32_t i = 0; i < plan->total; i++) {
        struct hist_task *task = &plan->tasks[i];

        if ((task->done && note->failed_only && task->outcome == OUTCOME_SUCCEEDED &&
             !plan->session_bound) || (!note->all && (i < note->first || i > note->last)))
            continue;
        task->stopped = false;
        task->done = false;
        task->failures = 0;
    }
}

static void
apply_pruned(struct history *history, const struct note *note)
{
    struct plan *plan = plan_for(history, note, "pruning");
    bool         may_stop = plan->cancelled || plan->session_bound || plan->after_count > 0 ||
                            plan->poison || plan->retried || plan->abandoned ||
                            plan->fail_max > 0;

    plan->pruned = true;
    for (uint32_t i = 0; i < plan->total && !may_stop; i++)
        if (!plan->tasks[i].accepted && plan->tasks[i].leases < HIST_LOST_MIN)
            sim_fail(history->sim, "P1: %s is pruned before its task %u has ended", plan->name,
                     i);
}

static void
apply_cancelled(struct history *history, const struct note *note)
{
    struct plan *plan = plan_for(history, note, "a cancel");

    plan->cancelled = true;
    if (note->waiting_only)
        return;
    plan->stopped |= note->all;
    for (uint32_t i = note->first; !note->all && i < plan->total && i <= note->last; i++)
        plan->tasks[i].stopped = true;
}

void
history_apply(struct history *history, struct notes *notes)
{
    for (uint32_t i = 0; i < notes->count; i++) {
        const struct note *note = &notes->items[i];

        switch (note->type) {
        case NOTE_ENDED:
            session_of(history, note->session)->heard_ms = 0;
            /* fall through */
        case NOTE_ASKED:
        case NOTE_ANSWERED:
        case NOTE_SEEN:
        case NOTE_AWAY:
        case NOTE_BACK:
        case NOTE_SLOW:
            history_objects_apply(history->objects, note,
                                  slice_cut(buffer_slice(&notes->bytes), note->offset,
                                            note->bytes));
            break;
        case NOTE_KEYED:
        case NOTE_KEY:       hist_keys_apply(history, note); break;
        case NOTE_HEARD:     apply_heard(history, note); break;
        case NOTE_SUBMITTED: apply_submitted(history, note); break;
        case NOTE_LEASED:    apply_leased(history, note); break;
        case NOTE_FINISHED:  apply_finished(history, note); break;
        case NOTE_RETRIED:   apply_retried(history, note); break;
        case NOTE_PRUNED:    apply_pruned(history, note); break;
        case NOTE_CANCELLED: apply_cancelled(history, note); break;
        }
    }
    hist_keys_check(history);
    history_notes_drop(notes);
}
