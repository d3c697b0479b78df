/* client_jobs.c - a plan from its submission to its end
 *
 *   SUBMIT -> (ITEMS -> ... -> CLOSE) -> FOLLOW -> ... -> ended
 *                                          ^  RETRY  |
 *                                          `---------'
 *
 * One request of the pipeline is under way at a time; a cancel and a repeated
 * submission may run beside it.
 */
#include <stdlib.h>

#include "client_node.h"

enum {
    JOBS_NEXT_MS    = 8000,        /* between two plans */
    JOBS_BLOCK_MAX  = 12,          /* items in a block */
    JOBS_REPEAT     = 150,         /* per 1,000 submissions: the same again */
    JOBS_CONFLICT   = 50,          /* the same key with other content */
    JOBS_PARTLY     = 400,         /* cancels and retries: only some of the tasks */
    JOBS_SHARE      = 400,         /* plans: they share the cap of another */
};

struct client_job {
    struct list         link;
    struct client_node *node;
    struct plan        *plan;
    uint64_t            job;       /* 0: not told yet */
    uint32_t            items;     /* acknowledged */
    uint64_t            cursor;
    bool                retried;
    bool                ended;
    struct sim_event    cancel;
};

static void job_submit(struct client_job *job, bool other_content, client_answer_fn *answer);
static void job_items(struct client_job *job);
static void on_conflict(struct client_request *request, uint16_t type, const union wire_any *m);
static void job_follow(struct client_job *job);

/* May the manager have ended it for a reason of its own? */
static bool
job_may_be_over(const struct client_job *job)
{
    const struct plan *plan = job->plan;

    return plan->cancelled || plan->session_bound || plan->after_count > 0 ||
           plan->cancel_after_ms > 0 || plan->fail_max > 0;
}

/* Was it pruned?  Then its key may have become that of another. */
static bool
job_is_gone(const struct client_job *job)
{
    return job->plan->pruned || job->plan->again;
}

static void
job_end(struct client_job *job)
{
    job->ended = true;
    sim_cancel(job->node->sim, &job->cancel);
}

/* An error that ends a step: was it to be expected? */
static void
job_refused(struct client_job *job, const char *what, const union wire_any *m)
{
    muster_err err = error_from_number(m->error.code);

    if (err == MUSTER_ERR_NOT_FOUND && job_is_gone(job)) {
        job_end(job);
        return;
    }
    if (err == MUSTER_ERR_NOT_FOUND || !job_may_be_over(job))
        sim_fail(job->node->sim, "P1: %s of %s (job %llu) is refused: %s: %.*s", what,
                 job->plan->name, (unsigned long long)job->job, muster_err_name(err),
                 (int)m->error.detail.bytes, (const char *)m->error.detail.data);
    job_follow(job);
}

/* ---- submitting ---- */

static void
on_submitted(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;

    if (type != MSG_TYPE_JOB_SUBMITTED) {
        /* A job that it waits for was pruned meanwhile, or whose cap it shares has ended. */
        if (job->plan->after_count > 0 || job->plan->cap != NULL) {
            job->plan->abandoned = true;
            job_end(job);
            return;
        }
        sim_fail(job->node->sim, "%s is refused: %s: %.*s", job->plan->name,
                 muster_err_name(error_from_number(m->error.code)), (int)m->error.detail.bytes,
                 (const char *)m->error.detail.data);
    }
    history_told(job->node->sim->history, job->plan, m->job_submitted.job);
    job->job = m->job_submitted.job;
    job->items = m->job_submitted.items;
    if (sim_chance(job->node->sim, JOBS_CONFLICT))
        job_submit(job, true, on_conflict);
    if (job->plan->cancel_after_ms > 0)
        sim_at(job->node->sim, &job->cancel,
               job->node->sim->now_ms + job->plan->cancel_after_ms);
    if (job->plan->source == SOURCE_ITEMS)
        job_items(job);
    else
        job_follow(job);
}

static void
on_repeated(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;

    if (type == MSG_TYPE_JOB_SUBMITTED)
        history_told(job->node->sim->history, job->plan, m->job_submitted.job);
    else if (!job_is_gone(job) && !(job->plan->after_count > 0) && job->plan->cap == NULL)
        sim_fail(job->node->sim, "P4: a repeated submission of %s is refused: %s",
                 job->plan->name, muster_err_name(error_from_number(m->error.code)));
}

static void
on_conflict(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;

    if (job_is_gone(job) || job->plan->cap != NULL)
        return;
    if (type != MSG_TYPE_ERROR || m->error.code != MUSTER_ERR_CONFLICT)
        sim_fail(job->node->sim, "P4: other content under the key of %s is not refused as such",
                 job->plan->name);
}

static void
put_spec(struct buffer *out, const struct plan *plan, struct slice gpus)
{
    struct buffer    args = { 0 };
    struct wire_spec spec = { .grace_ms = 1000, .output_bytes = OUTPUT_BYTES_DEFAULT,
                              .cpus_milli = plan->cpus_milli,
                              .own_key = plan->number % 3 == 0,
                              .resources = { gpus, plan->gpus > 0 } };

    wire_put_text(&args, &(struct wire_text){ slice_text(plan->name) });
    spec.args = (struct wire_list){ buffer_slice(&args), 1 };
    wire_put_spec(out, &spec);
    buffer_free(&args);
}

static void
job_submit(struct client_job *job, bool other_content, client_answer_fn *answer)
{
    const struct plan *plan = job->plan;
    struct buffer      after = { 0 };
    struct buffer      spec = { 0 };
    struct buffer      gpus = { 0 };
    struct buffer      labels = { 0 };
    union wire_any     m;

    for (uint32_t i = 0; i < plan->after_count; i++)
        wire_put_id(&after, &(struct wire_id){ plan->after[i]->job });
    if (plan->gpus > 0)
        wire_put_resource(&gpus, &(struct wire_resource){ slice_text("gpus"), plan->gpus });
    if (plan->zone >= 0)
        wire_put_text(&labels, &(struct wire_text){
                                   slice_text(plan->zone == 0 ? "zone=0" : "zone=1") });
    put_spec(&spec, plan, buffer_slice(&gpus));
    m.job_submit = (struct msg_job_submit){
        .dedup_hi = job->node->sim->options.seed + 1,
        .dedup_lo = plan->number,
        .content_hash = plan->number + (other_content ? 1000000 : 0),
        .name = slice_text(plan->name),
        .source = plan->source,
        .count = plan->source == SOURCE_COUNTED ? plan->total : 0,
        .priority = plan->priority,
        .attempts_max = plan->attempts_max,
        .lost_max = plan->lost_max,
        .running_max = plan->running_max,
        .delay_ms = plan->delay_ms,
        .retry_delay_ms = plan->retry_delay_ms,
        .after = { buffer_slice(&after), plan->after_count },
        .session_bound = plan->session_bound,
        .fail_max = plan->fail_max,
        .needs = { .cpus_milli = plan->cpus_milli,
                   .resources = { buffer_slice(&gpus), plan->gpus > 0 },
                   .labels = { buffer_slice(&labels), plan->zone >= 0 } },
        .spec = buffer_slice(&spec),
        .cap_with = plan->cap_with != NULL ? plan->cap_with->job : 0,
    };
    client_ask(job->node, MSG_TYPE_JOB_SUBMIT, &m, 0, answer, job);
    buffer_free(&after);
    buffer_free(&spec);
    buffer_free(&gpus);
    buffer_free(&labels);
}

/* ---- items ---- */

static void
on_closed(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;

    if (type == MSG_TYPE_ERROR)
        job_refused(job, "closing", m);
    else
        job_follow(job);
}

static void
on_items(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;

    if (type == MSG_TYPE_ERROR) {
        job_refused(job, "input", m);
        return;
    }
    if (m->ack.value < job->items || m->ack.value > job->plan->total)
        sim_fail(job->node->sim, "P1: %s has %llu items, %u were acknowledged", job->plan->name,
                 (unsigned long long)m->ack.value, job->items);
    job->items = (uint32_t)m->ack.value;
    job_items(job);
}

static void
job_items(struct client_job *job)
{
    struct sim       *sim = job->node->sim;
    struct wire_block block = { 0 };
    struct buffer     bytes = { 0 };
    uint32_t          left = job->plan->total - job->items;
    uint64_t          pause_ms = sim_chance(sim, 200) ? sim_random(sim, 3000) : 0;
    char              text[64];
    union wire_any    m;

    if (left == 0) {
        m.job_close = (struct msg_job_close){ job->job, job->plan->total };
        client_ask(job->node, MSG_TYPE_JOB_CLOSE, &m, 0, on_closed, job);
        return;
    }
    if (left > JOBS_BLOCK_MAX)
        left = (uint32_t)sim_between(sim, 1, JOBS_BLOCK_MAX);
    for (uint32_t i = 0; i < left; i++)
        wire_block_add(&block, history_input(text, job->plan, job->items + i));
    wire_block_put(&bytes, &block);
    m.job_items = (struct msg_job_items){ job->job, job->items, left, buffer_slice(&bytes) };
    client_ask(job->node, MSG_TYPE_JOB_ITEMS, &m, sim->now_ms + pause_ms, on_items, job);
    wire_block_free(&block);
    buffer_free(&bytes);
}

/* ---- parts of a job ---- */

/* Are all its tasks with the manager? */
static bool
job_is_whole(const struct client_job *job)
{
    return job->plan->source == SOURCE_COUNTED || job->items == job->plan->total;
}

static struct wire_list
some_range(struct client_job *job, struct buffer *out)
{
    struct sim       *sim = job->node->sim;
    struct wire_range range = { .first = (uint32_t)sim_random(sim, job->plan->total) };

    range.last = (uint32_t)sim_between(sim, range.first, job->plan->total - 1);
    wire_put_range(out, &range);
    return (struct wire_list){ buffer_slice(out), 1 };
}

/* ---- following ---- */

static void
on_retried(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;

    if (type == MSG_TYPE_ACK && m->ack.value > 0)
        job_follow(job);
    else
        job_end(job);
}

static void
on_results(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;
    struct buffer      range = { 0 };

    if (type == MSG_TYPE_ERROR) {
        if (error_from_number(m->error.code) != MUSTER_ERR_NOT_FOUND || !job_is_gone(job))
            sim_fail(job->node->sim, "P1: the results of %s (job %llu) are refused: %s",
                     job->plan->name, (unsigned long long)job->job,
                     muster_err_name(error_from_number(m->error.code)));
        job_end(job);
        return;
    }
    history_followed(job->node->sim->history, job->plan, job->cursor, m->results.entries);
    job->cursor = m->results.cursor;
    if (!m->results.ended) {
        job_follow(job);
        return;
    }
    if (m->results.state == JOB_FAILED && job->plan->retries && !job->retried) {
        union wire_any retry = { .job_retry = { .job = job->job, .failed_only = 1 } };

        job->retried = true;
        if (job_is_whole(job) && sim_chance(job->node->sim, JOBS_PARTLY))
            retry.job_retry.tasks = some_range(job, &range);
        client_ask(job->node, MSG_TYPE_JOB_RETRY, &retry, 0, on_retried, job);
        buffer_free(&range);
        return;
    }
    job_end(job);
}

static void
job_follow(struct client_job *job)
{
    union wire_any m = { .results_get = { .job = job->job, .cursor = job->cursor } };

    m.results_get.wait_ms = (uint32_t)sim_random(job->node->sim, WAIT_MS_MAX);
    client_ask(job->node, MSG_TYPE_RESULTS_GET, &m, 0, on_results, job);
}

/* ---- cancelling ---- */

static void
on_cancelled(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct client_job *job = request->context;
    muster_err         err = type == MSG_TYPE_ERROR ? error_from_number(m->error.code) : MUSTER_OK;

    if (err == MUSTER_ERR_NOT_FOUND && !job_is_gone(job))
        sim_fail(job->node->sim, "P1: %s (job %llu) is not known when it is cancelled",
                 job->plan->name, (unsigned long long)job->job);
}

static void
fire_cancel(struct sim_event *event)
{
    struct client_job *job = CONTAINER(event, struct client_job, cancel);
    struct buffer      range = { 0 };
    union wire_any     m = { .job_cancel = { .job = job->job } };

    m.job_cancel.hard = (uint8_t)sim_random(job->node->sim, 2);
    m.job_cancel.waiting_only = sim_chance(job->node->sim, 300);
    if (job_is_whole(job) && sim_chance(job->node->sim, JOBS_PARTLY))
        m.job_cancel.tasks = some_range(job, &range);
    sim_trace(job->node->sim, "%s cancels %s", job->node->name, job->plan->name);
    client_ask(job->node, MSG_TYPE_JOB_CANCEL, &m, 0, on_cancelled, job);
    buffer_free(&range);
}

/* ---- the client's jobs ---- */

static void
choose_after(struct client_node *node, struct plan *plan)
{
    for (struct list *at = node->jobs.next; at != &node->jobs; at = at->next) {
        struct client_job *job = CONTAINER(at, struct client_job, link);

        if (plan->after_count < PLAN_AFTER_MAX && job->job != 0 && sim_chance(node->sim, 150))
            plan->after[plan->after_count++] = job->plan;
    }
}

/* Some share the cap of a job that went before, or of one that shares it itself. */
static void
choose_cap(struct client_node *node, struct plan *plan)
{
    struct sim *sim = node->sim;

    for (struct list *at = node->jobs.next; at != &node->jobs; at = at->next) {
        struct client_job *job = CONTAINER(at, struct client_job, link);

        if (job->job == 0 || job->plan->running_max == 0 || job->plan->again ||
            sim->weather.history_jobs < 1000 || !sim_chance(sim, JOBS_SHARE))
            continue;
        plan->cap_with = job->plan;
        plan->cap = job->plan->cap != NULL ? job->plan->cap : job->plan;
        plan->running_max = job->plan->running_max;
        return;
    }
}

static void
fire_submit(struct sim_event *event)
{
    struct client_node *node = CONTAINER(event, struct client_node, submit);
    struct sim         *sim = node->sim;
    struct client_job  *job;

    if (node->plans_left == 0)
        return;
    node->plans_left--;
    job = base_alloc(sizeof(*job));
    job->node = node;
    job->plan = history_plan(sim->history);
    job->cancel.fire = fire_cancel;
    choose_after(node, job->plan);
    choose_cap(node, job->plan);
    list_append(&node->jobs, &job->link);
    sim_trace(sim, "%s submits %s: %u tasks", node->name, job->plan->name, job->plan->total);
    job_submit(job, false, on_submitted);
    if (sim_chance(sim, JOBS_REPEAT))
        job_submit(job, false, on_repeated);
    sim_at(sim, event, sim->now_ms + sim_random(sim, JOBS_NEXT_MS));
}

void
client_jobs_start(struct client_node *node)
{
    node->submit.fire = fire_submit;
    sim_at(node->sim, &node->submit, node->sim->now_ms + sim_random(node->sim, JOBS_NEXT_MS));
}

void
client_jobs_abandon(struct client_node *node)
{
    while (!list_empty(&node->jobs)) {
        struct client_job *job = CONTAINER(node->jobs.next, struct client_job, link);

        if (!job->ended)
            job->plan->abandoned = true;
        sim_cancel(node->sim, &job->cancel);
        list_remove(&job->link);
        free(job);
    }
}

bool
client_jobs_idle(const struct client_node *node)
{
    for (struct list *at = node->jobs.next; at != &node->jobs; at = at->next)
        if (!CONTAINER(at, struct client_job, link)->ended)
            return false;
    return node->plans_left == 0 && list_empty(&node->requests);
}
