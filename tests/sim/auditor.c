/* auditor.c - waits until all work has ended and reads every result
 *
 * 1. It lists all jobs until every client is idle and every job has ended; a
 *    job whose client is gone before it closed the input is cancelled.
 * 2. Then it reads the stream of each job from the start, and what tasks kept
 *    beyond the inline part, and hands both to the checker.
 */
#include <stdlib.h>

#include "client_node.h"

enum { AUDITOR_LOOK_MS = 500, AUDITOR_OUTPUTS_MAX = 3 };

struct auditor {
    struct client_node *node;
    bool                done;
    uint32_t            at;            /* plan being read */
    uint64_t            cursor;
    struct buffer       entries;
    struct buffer       outputs;       /* struct auditor_output: still to be read */
};

struct auditor_output {
    struct plan *plan;
    uint32_t     index, attempt;
    uint64_t     offset, kept;
};

static void auditor_look(struct auditor *auditor);
static void auditor_read(struct auditor *auditor);

struct auditor *
auditor_new(struct client_node *node)
{
    struct auditor *auditor = base_alloc(sizeof(*auditor));

    auditor->node = node;
    return auditor;
}

void
auditor_free(struct auditor *auditor)
{
    if (auditor == NULL)
        return;
    buffer_free(&auditor->entries);
    buffer_free(&auditor->outputs);
    free(auditor);
}

bool
auditor_done(const struct auditor *auditor)
{
    return auditor->done;
}

void
auditor_start(struct client_node *node)
{
    auditor_look(node->auditor);
}

/* ---- kept outputs ---- */

static void
on_body(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct auditor              *auditor = request->context;
    struct sim                  *sim = auditor->node->sim;
    const struct auditor_output *output = (const void *)auditor->outputs.data;
    const struct wire_token token = { output->plan->job, output->index, output->attempt, 0 };
    const uint8_t          *bytes = m->body.data.data;

    if (type != MSG_TYPE_BODY || m->body.total != output->kept ||
        m->body.offset + m->body.data.bytes != output->kept)
        sim_fail(sim, "P1: the kept output of task %u of %s is not there: %s", output->index,
                 output->plan->name,
                 type == MSG_TYPE_ERROR ? muster_err_name(error_from_number(m->error.code))
                                        : "cut");
    for (size_t i = 0; i < m->body.data.bytes; i++)
        if (bytes[i] != history_output(&token, 0, m->body.offset + i))
            sim_fail(sim, "the kept output of task %u of %s is another's", output->index,
                     output->plan->name);
    buffer_consume(&auditor->outputs, sizeof(*output));
    auditor_read(auditor);
}

/* The last entry of a task decides what its output is. */
static void
auditor_note_outputs(struct auditor *auditor, struct plan *plan)
{
    struct reader     in = reader_of(buffer_slice(&auditor->entries));
    struct wire_entry entry;
    uint32_t          count = 0;

    while (!plan->retried && count < AUDITOR_OUTPUTS_MAX && read_left(&in) > 0 &&
           wire_get_entry(&in, &entry)) {
        struct auditor_output output = { plan, entry.index, entry.attempt,
                                         entry.result.out.bytes, entry.result.out_kept };

        if (output.kept <= output.offset)
            continue;
        buffer_append(&auditor->outputs, &output, sizeof(output));
        count++;
    }
}

/* ---- streams ---- */

static void
on_stream(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct auditor *auditor = request->context;
    struct sim     *sim = auditor->node->sim;
    struct plan    *plan = history_plan_at(sim->history, auditor->at);

    if (type != MSG_TYPE_RESULTS) {
        if (!plan->pruned)
            sim_fail(sim, "P1: the results of %s cannot be read: %s", plan->name,
                     muster_err_name(error_from_number(m->error.code)));
        auditor->at++;
    } else {
        buffer_append_slice(&auditor->entries, m->results.entries);
        auditor->cursor = m->results.cursor;
        if (m->results.ended) {
            history_audit(sim->history, plan, m->results.state, m->results.counts.total,
                          buffer_slice(&auditor->entries));
            auditor_note_outputs(auditor, plan);
            auditor->at++;
        }
    }
    if (type != MSG_TYPE_RESULTS || m->results.ended) {
        auditor->cursor = 0;
        buffer_clear(&auditor->entries);
    }
    auditor_read(auditor);
}

static void
auditor_read(struct auditor *auditor)
{
    struct history *history = auditor->node->sim->history;
    struct plan    *plan;
    union wire_any  m;

    if (auditor->outputs.bytes > 0) {
        const struct auditor_output *output = (const void *)auditor->outputs.data;

        m.output_get = (struct msg_output_get){ .job = output->plan->job,
                                                .index = output->index,
                                                .offset = output->offset };
        client_ask(auditor->node, MSG_TYPE_OUTPUT_GET, &m, 0, on_body, auditor);
        return;
    }
    while ((plan = history_plan_at(history, auditor->at)) != NULL &&
           (plan->job == 0 || plan->pruned))
        auditor->at++;
    if (plan == NULL) {
        auditor->done = true;
        client_objects_audit(auditor->node);
        return;
    }
    m.results_get = (struct msg_results_get){ .job = plan->job, .cursor = auditor->cursor };
    client_ask(auditor->node, MSG_TYPE_RESULTS_GET, &m, 0, on_stream, auditor);
}

/* ---- the list of jobs ---- */

static void
on_cancelled(struct client_request *request, uint16_t type, const union wire_any *m)
{
    (void)request;
    (void)type;
    (void)m;
}

/* One job of the list; true when it has ended. */
static bool
auditor_job(struct auditor *auditor, const struct wire_job *job)
{
    struct sim    *sim = auditor->node->sim;
    struct plan   *plan = history_plan_named(sim->history, job->name);
    union wire_any m = { .job_cancel = { .job = job->job, .hard = 1 } };

    if (plan == NULL)
        sim_fail(sim, "job %llu was never planned", (unsigned long long)job->job);
    if (plan->job != job->job)
        sim_fail(sim, "P4: %s is job %llu and job %llu", plan->name,
                 (unsigned long long)plan->job, (unsigned long long)job->job);
    if (job->state >= JOB_SUCCEEDED)
        return true;
    if (job->open && plan->abandoned)
        client_ask(auditor->node, MSG_TYPE_JOB_CANCEL, &m, 0, on_cancelled, auditor);
    return false;
}

static void
on_list(struct client_request *request, uint16_t type, const union wire_any *m)
{
    struct auditor *auditor = request->context;
    struct sim     *sim = auditor->node->sim;
    struct reader   in = reader_of(m->job_list.jobs.bytes);
    bool            ended = true;

    if (type != MSG_TYPE_JOB_LIST || m->job_list.more)
        sim_fail(sim, "the jobs cannot be listed");
    for (uint32_t i = 0; i < m->job_list.jobs.count; i++) {
        struct wire_job job;

        if (!wire_get_job(&in, &job))
            sim_fail(sim, "the list of jobs cannot be read");
        ended &= auditor_job(auditor, &job);
    }
    for (uint32_t i = 0; i < sim->client_count; i++)
        ended &= client_idle(sim->clients[i]);
    if (ended)
        auditor_read(auditor);
    else
        auditor_look(auditor);
}

static void
auditor_look(struct auditor *auditor)
{
    union wire_any m = { .job_list_get = { .max = LIST_ITEMS_MAX, .everyone = 1 } };

    client_ask(auditor->node, MSG_TYPE_JOB_LIST_GET, &m,
               auditor->node->sim->now_ms + AUDITOR_LOOK_MS, on_list, auditor);
}
