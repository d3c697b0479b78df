/* history_audit.c - see history.h: what clients were told and what they read */
#include <stdio.h>
#include <stdlib.h>

#include "history_objects.h"
#include "history_state.h"

void
history_told(struct history *history, struct plan *plan, uint64_t job)
{
    if (plan->job != job && !plan->again)
        sim_fail(history->sim, "P4: the client of %s was told job %llu, but it is job %llu",
                 plan->name, (unsigned long long)job, (unsigned long long)plan->job);
    plan->told = true;
}

void
history_followed(struct history *history, struct plan *plan, uint64_t cursor,
                 struct slice entries)
{
    (void)history;
    if (cursor == 0)
        buffer_clear(&plan->followed);
    buffer_append_slice(&plan->followed, entries);
}

/* ---- the stream of an ended job ---- */

struct audit {
    struct history *history;
    struct plan    *plan;
    uint32_t        total;
    uint32_t       *entries;           /* per task */
    uint8_t        *outcomes;          /* of the newest entry */
};

static void
audit_output(const struct audit *audit, const struct wire_entry *entry)
{
    const struct wire_token token = { audit->plan->job, entry->index, entry->attempt, 0 };
    const struct slice     *texts[2] = { &entry->result.out, &entry->result.err };

    for (uint8_t stream = 0; stream < 2; stream++) {
        const uint8_t *bytes = texts[stream]->data;

        for (size_t i = 0; i < texts[stream]->bytes; i++)
            if (bytes[i] != history_output(&token, stream, i))
                sim_fail(audit->history->sim, "task %u of %s: byte %zu of its output is another",
                         entry->index, audit->plan->name, i);
    }
}

/* An entry that came from a run: is it that run's, and of the valid lease? */
static void
audit_run(const struct audit *audit, const struct wire_entry *entry)
{
    struct sim            *sim = audit->history->sim;
    const struct plan     *plan = audit->plan;
    const struct hist_run *run;

    if (entry->result.pid > audit->history->run_count)
        sim_fail(sim, "an entry of %s names run %u, which never was", plan->name,
                 entry->result.pid);
    run = &audit->history->runs[entry->result.pid - 1];
    if (run->plan != plan || run->token.index != entry->index ||
        run->token.attempt != entry->attempt || !slice_equals_text(entry->worker, run->worker))
        sim_fail(sim, "P5: the entry of task %u of %s (attempt %u, worker %.*s) holds the result "
                 "of task %u of %s (attempt %u, worker %s)", entry->index, plan->name,
                 entry->attempt, (int)entry->worker.bytes, (const char *)entry->worker.data,
                 run->token.index, run->plan->name, run->token.attempt, run->worker);
    if (entry->result.outcome != OUTCOME_CANCELLED && entry->result.outcome != run->outcome)
        sim_fail(sim, "P5: the entry of task %u of %s says %s, its run ended as %s", entry->index,
                 plan->name, wire_outcome_name(entry->result.outcome),
                 wire_outcome_name(run->outcome));
    audit_output(audit, entry);
}

static void
audit_entry(const struct audit *audit, const struct wire_entry *entry)
{
    struct sim        *sim = audit->history->sim;
    const struct plan *plan = audit->plan;

    if (entry->count == 0 || entry->index >= audit->total ||
        entry->count > audit->total - entry->index)
        sim_fail(sim, "an entry of %s tells of tasks %u and %u after it", plan->name,
                 entry->index, entry->count - 1);
    for (uint32_t i = entry->index; i < entry->index + entry->count; i++) {
        audit->entries[i]++;
        audit->outcomes[i] = entry->result.outcome;
    }
    if (entry->result.pid != 0)
        audit_run(audit, entry);
    else if (entry->result.outcome == OUTCOME_SUCCEEDED)
        sim_fail(sim, "task %u of %s succeeded without a run", entry->index, plan->name);
}

static void
audit_task(const struct audit *audit, uint32_t index)
{
    struct sim             *sim = audit->history->sim;
    const struct plan      *plan = audit->plan;
    const struct hist_task *task = &plan->tasks[index];

    if (audit->entries[index] == 0)
        sim_fail(sim, "P1: %s has ended without a result of its task %u", plan->name, index);
    if (audit->entries[index] > 1 && !plan->retried)
        sim_fail(sim, "P5: task %u of %s has %u results", index, plan->name,
                 audit->entries[index]);
    if (task->done && task->outcome != audit->outcomes[index] &&
        audit->outcomes[index] != OUTCOME_CANCELLED)
        sim_fail(sim, "P5: the result %s of task %u of %s was acknowledged, the stream says %s",
                 wire_outcome_name(task->outcome), index, plan->name,
                 wire_outcome_name(audit->outcomes[index]));
    if (!task->accepted && audit->outcomes[index] == OUTCOME_SUCCEEDED)
        sim_fail(sim, "P5: task %u of %s succeeded, but no result of it was acknowledged", index,
                 plan->name);
}

static void
audit_state(const struct audit *audit, uint8_t state)
{
    struct sim        *sim = audit->history->sim;
    const struct plan *plan = audit->plan;
    uint32_t           succeeded = 0;

    for (uint32_t i = 0; i < audit->total; i++)
        succeeded += audit->outcomes[i] == OUTCOME_SUCCEEDED;
    /* A cancel may come when all that there was to do is done. */
    if (state == JOB_SUCCEEDED && succeeded != audit->total)
        sim_fail(sim, "%s has succeeded with %u of %u tasks", plan->name, succeeded,
                 audit->total);
    if (state != JOB_SUCCEEDED && succeeded == plan->total && !plan->cancelled &&
        !plan->session_bound)
        sim_fail(sim, "%s is %s, but all its tasks succeeded", plan->name,
                 wire_job_state_name(state));
}

/* Only a job that was stopped may have fewer tasks than were planned. */
static void
audit_total(const struct audit *audit)
{
    const struct plan *plan = audit->plan;
    bool may_stop = plan->source == SOURCE_ITEMS &&
                    (plan->cancelled || plan->retried || plan->session_bound ||
                     plan->after_count > 0 || plan->abandoned || plan->fail_max > 0);

    if (audit->total > plan->total || (audit->total < plan->total && !may_stop))
        sim_fail(audit->history->sim, "P1: %s has ended with %u tasks instead of %u", plan->name,
                 audit->total, plan->total);
}

void
history_audit(struct history *history, struct plan *plan, uint8_t state, uint32_t total,
              struct slice entries)
{
    struct audit      audit = { history, plan, total, NULL, NULL };
    struct reader     in = reader_of(entries);
    struct wire_entry entry;

    /* What a client has read stays in front of whatever came later. */
    if (!slice_equal(slice_cut(entries, 0, plan->followed.bytes), buffer_slice(&plan->followed)))
        sim_fail(history->sim, "P1: results of %s that its client has read are others now",
                 plan->name);
    plan->audited = true;
    audit_total(&audit);
    audit.entries = base_array(plan->total, sizeof(*audit.entries));
    audit.outcomes = base_array(plan->total, sizeof(*audit.outcomes));
    while (read_left(&in) > 0) {
        if (!wire_get_entry(&in, &entry))
            sim_fail(history->sim, "the results of %s cannot be read", plan->name);
        audit_entry(&audit, &entry);
    }
    for (uint32_t i = 0; i < total; i++)
        audit_task(&audit, i);
    audit_state(&audit, state);
    free(audit.entries);
    free(audit.outcomes);
}

/* ---- the end ---- */

void
history_finish(struct history *history)
{
    for (uint32_t i = 0; i < history->plan_count; i++) {
        const struct plan *plan = history->plans[i];
        uint32_t           lost_max = plan->lost_max > 0 ? plan->lost_max : LOST_ATTEMPTS_DEFAULT;

        if (plan->told && !plan->audited && !plan->pruned)
            sim_fail(history->sim, "P1: the acknowledged job %llu (%s) is gone",
                     (unsigned long long)plan->job, plan->name);
        /* A manager that restarts does not know which process a session had. */
        if (plan->poison && !plan->retried && !plan->again &&
            plan->poisoned > lost_max + history->restarts)
            sim_fail(history->sim, "P10: %s took down %u workers, %u are its limit", plan->name,
                     plan->poisoned, lost_max);
    }
    history_objects_finish(history->objects);
    sim_trace(history->sim, "%u jobs, %u runs, %llu results refused", history->plan_count,
              history->run_count, (unsigned long long)history->stale);
}

void
history_unfinished(struct history *history)
{
    for (uint32_t i = 0; i < history->plan_count; i++) {
        const struct plan *plan = history->plans[i];

        if (plan->job == 0 || plan->audited || plan->pruned)
            continue;
        printf("%s (job %llu, %u tasks%s%s) is left:", plan->name, (unsigned long long)plan->job,
               plan->total, plan->cancelled ? ", cancelled" : "",
               plan->abandoned ? ", abandoned" : "");
        for (uint32_t k = 0; k < plan->total; k++)
            if (!plan->tasks[k].done)
                printf(" %u%s", k, plan->tasks[k].leased ? "(leased)" : "");
        putchar('\n');
    }
}
