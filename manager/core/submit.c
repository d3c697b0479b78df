/* submit.c - jobs come in: submission, items, standard input, close
 *
 * 1. Everything is checked before anything is emitted: a refused request
 *    leaves no trace.
 * 2. Every request may be repeated: a submission is known by its key, a block
 *    of items by its first index, a piece of input by its offset.
 */
#include <stdarg.h>
#include <stdio.h>

#include "plant.h"
#include "state.h"

/* ---- the description ---- */

/* Errors with their text, and where it is put. */
struct refusal {
    muster_err code;
    char       text[TEXT_BYTES_MAX];
};

static bool __attribute__((format(printf, 3, 4)))
refuse(struct refusal *refusal, muster_err code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(refusal->text, sizeof(refusal->text), format, args);
    va_end(args);
    refusal->code = code;
    return false;
}

static bool
check_env(const struct wire_spec *spec, struct refusal *refusal)
{
    struct reader    in = reader_of(spec->env.bytes);
    struct wire_text text;

    for (uint32_t i = 0; i < spec->env.count; i++) {
        const char *equals;

        if (!wire_get_text(&in, &text))
            return refuse(refusal, MUSTER_ERR_INVALID, "the environment cannot be read");
        equals = memchr(text.text.data, '=', text.text.bytes);
        if (equals == NULL || equals == (const char *)text.text.data)
            return refuse(refusal, MUSTER_ERR_INVALID, "environment %u is not NAME=VALUE", i + 1);
    }
    return true;
}

/* A job is of a function or of a command. */
static bool
check_function(const struct msg_job_submit *m, const struct wire_spec *spec,
               struct refusal *refusal)
{
    struct reader     in = reader_of(spec->named.bytes);
    struct wire_named named[NAMED_MAX];

    if (!slice_equal(spec->function, m->needs.function))
        return refuse(refusal, MUSTER_ERR_INVALID, "what the description says of the function "
                      "differs from what the job needs");
    if (spec->function.bytes == 0)
        return spec->named.count == 0 ||
               refuse(refusal, MUSTER_ERR_INVALID, "named values are for functions");
    if (spec->args.count > 0 || spec->cwd.bytes > 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "a job is of a function or of a command, not "
                      "of both");
    if (m->source == SOURCE_ITEMS && spec->stdin_bytes > 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "the argument of a function is either the item "
                      "or given with the job, not both");
    for (uint32_t i = 0; i < spec->named.count; i++) {
        if (!wire_get_named(&in, &named[i]) || named[i].name.bytes == 0)
            return refuse(refusal, MUSTER_ERR_INVALID, "named value %u has no name", i + 1);
        for (uint32_t j = 0; j < i; j++) {
            if (slice_equal(named[i].name, named[j].name))
                return refuse(refusal, MUSTER_ERR_INVALID, "two values are named %.*s",
                              SLICE_ARGS(named[i].name));
        }
    }
    return true;
}

static bool
check_spec(const struct msg_job_submit *m, const struct wire_spec *spec, struct refusal *refusal)
{
    if (spec->args.count == 0 && spec->function.bytes == 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "the job has no command");
    if (spec->stdin_bytes > spec->stdin_inline.bytes && spec->stdin_inline.bytes > 0)
        return refuse(refusal, MUSTER_ERR_INVALID,
                      "standard input travels either inside the job or behind it, not both");
    if (spec->input_is_stdin && spec->stdin_bytes > 0)
        return refuse(refusal, MUSTER_ERR_INVALID,
                      "standard input is either the item or given with the job, not both");
    if (spec->cpus_milli != m->needs.cpus_milli || spec->mem_bytes != m->needs.mem_bytes ||
        spec->resources.count != m->needs.resources.count ||
        !slice_equal(spec->resources.bytes, m->needs.resources.bytes))
        return refuse(refusal, MUSTER_ERR_INVALID,
                      "what the description says of cpus, memory and resources differs from what "
                      "the job needs");
    return check_function(m, spec, refusal) && check_env(spec, refusal);
}

static bool
check_numbers(const struct msg_job_submit *m, struct refusal *refusal)
{
    if (m->dedup_hi == 0 && m->dedup_lo == 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "the deduplication key is zero");
    if (m->source == SOURCE_COUNTED && m->count == 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "a counted job needs at least one task");
    if (m->source == SOURCE_ITEMS && m->count != 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "a job with items begins with none");
    if (m->priority < -PRIORITY_MAX || m->priority > PRIORITY_MAX)
        return refuse(refusal, MUSTER_ERR_INVALID, "priority %d is not within -%d and %d",
                      m->priority, PRIORITY_MAX, PRIORITY_MAX);
    return true;
}

/* Every job in AFTER must be the caller's; named once each. */
static bool
check_after(const struct core *core, const struct session *session, const struct msg_job_submit *m,
            struct refusal *refusal, const struct job **failed_out)
{
    struct reader  in = reader_of(m->after.bytes);
    struct wire_id ids[AFTER_MAX];

    *failed_out = NULL;
    for (uint32_t i = 0; i < m->after.count; i++) {
        const struct job *job;

        if (!wire_get_id(&in, &ids[i]))
            return refuse(refusal, MUSTER_ERR_INVALID, "the jobs to wait for cannot be read");
        job = job_find(core, ids[i].id);
        if (job == NULL || (job->user != session->user && session->role != ROLE_ADMIN))
            return refuse(refusal, MUSTER_ERR_NOT_FOUND, "no job %llu to wait for",
                          (unsigned long long)ids[i].id);
        for (uint32_t j = 0; j < i; j++) {
            if (ids[j].id == ids[i].id)
                return refuse(refusal, MUSTER_ERR_INVALID, "job %llu is waited for twice",
                              (unsigned long long)ids[i].id);
        }
        if (*failed_out == NULL && job_ended(job) && job->state != JOB_SUCCEEDED)
            *failed_out = job;
    }
    return true;
}

/* The lead of the cap that the job wants to share, which gives running_max, too,
 * unless it was said. */
static bool
check_cap(const struct core *core, const struct session *session, const struct msg_job_submit *m,
          struct refusal *refusal, struct record_job_submitted *it, uint64_t *lead_out)
{
    const struct cap  *cap = m->cap_with != 0 ? cap_of(core, m->cap_with) : NULL;
    const struct job  *job = job_find(core, m->cap_with);
    const struct user *user = cap != NULL ? cap->user : job != NULL ? job->user : NULL;
    uint32_t           max = cap != NULL ? cap->max : job != NULL ? job->running_max : 0;

    it->running_max = m->running_max;
    if (m->cap_with == 0)
        return true;
    if (user == NULL || (user != session->user && session->role != ROLE_ADMIN))
        return refuse(refusal, MUSTER_ERR_NOT_FOUND, "no job %llu to share a cap with",
                      (unsigned long long)m->cap_with);
    if (user != session->user)
        return refuse(refusal, MUSTER_ERR_DENIED,
                      "job %llu is of user %.*s: a cap is shared by jobs of one user",
                      (unsigned long long)m->cap_with, SLICE_ARGS(user->name));
    if (max == 0)
        return refuse(refusal, MUSTER_ERR_INVALID, "job %llu has no cap to share",
                      (unsigned long long)m->cap_with);
    if (m->running_max != 0 && m->running_max != max)
        return refuse(refusal, MUSTER_ERR_INVALID,
                      "at most %u at once, but the cap of job %llu is %u", m->running_max,
                      (unsigned long long)m->cap_with, max);
    it->running_max = max;
    *lead_out = cap != NULL ? cap->lead : m->cap_with;
    return true;
}

static bool
check_intake(const struct core *core, const struct session *session, struct refusal *refusal)
{
    if (core->stopping)
        return refuse(refusal, MUSTER_ERR_CLOSED, "the manager is stopping");
    if (core->low)
        return refuse(refusal, MUSTER_ERR_NO_SPACE, "the manager's disk is nearly full");
    if (session->user->unfinished >= core->config.jobs_per_user_max)
        return refuse(refusal, MUSTER_ERR_FULL, "user %.*s has %u unfinished jobs, the limit",
                      SLICE_ARGS(session->user->name), session->user->unfinished);
    return true;
}

/* ---- submission ---- */

static void
submit_answer(struct core *core, const struct step *step, const struct job *job, bool existed)
{
    struct buffer  warning = { 0 };
    union wire_any m = { .job_submitted = { .job = job->id,
                                            .existed = existed,
                                            .items = job->items ? job->total : 0 } };

    if (!job_ended(job))
        why_never(core, job->class, &warning);
    m.job_submitted.warning = slice_cut(buffer_slice(&warning), 0, TEXT_BYTES_MAX);
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_JOB_SUBMITTED, &m);
    buffer_free(&warning);
}

static struct job *
submit_known(const struct core *core, const struct user *user, const struct msg_job_submit *m)
{
    struct job *job = map_get(&core->dedup, job_dedup_hash(core, user, m->dedup_hi, m->dedup_lo));

    while (job != NULL && PLANT_OTHER_KEY(job->user != user || job->dedup_hi != m->dedup_hi ||
                                          job->dedup_lo != m->dedup_lo))
        job = job->dedup_next;
    return job;
}

static void
submit_again(struct core *core, const struct step *step, const struct job *job,
             const struct msg_job_submit *m)
{
    if (job->content_hash == m->content_hash)
        submit_answer(core, step, job, true);
    else
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_CONFLICT,
                      "job %llu has this deduplication key and another content",
                      (unsigned long long)job->id);
}

static void
submit_record(const struct core *core, const struct session *session,
              const struct msg_job_submit *m, const struct wire_spec *spec,
              struct record_job_submitted *it)
{
    uint64_t unix_ms = core_unix_ms(core);

    it->job = core->job_last + 1;
    it->owner = session->user->name;
    it->name = m->name;
    it->dedup_hi = m->dedup_hi;
    it->dedup_lo = m->dedup_lo;
    it->content_hash = m->content_hash;
    it->source = m->source;
    it->count = m->count;
    it->priority = (uint64_t)(m->priority + PRIORITY_MAX);
    it->attempts_max = m->attempts_max > 0 ? m->attempts_max : 1;
    it->lost_max = m->lost_max > 0 ? m->lost_max : LOST_ATTEMPTS_DEFAULT;
    it->fail_max = m->fail_max;
    it->fail_percent = m->fail_percent;
    it->submitted_unix_ms = unix_ms;
    it->ready_unix_ms = m->delay_ms > 0 ? unix_ms + m->delay_ms : 0;
    it->retry_delay_ms = m->retry_delay_ms;
    it->session = m->session_bound ? session->id : 0;
    it->number_first = spec->number_first;
    it->number_step = spec->number_step;
    it->stdin_bytes = spec->stdin_bytes > spec->stdin_inline.bytes ? spec->stdin_bytes : 0;
    it->output_bytes = spec->output_bytes;
    it->after = m->after.bytes;
}

static void
submit_keyed(struct core *core, const struct job *job, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_JOB_KEYED };

    record.job_keyed.job = job->id;
    core_fact(core, fx, &record);
}

static void
submit_capped(struct core *core, const struct job *job, uint64_t lead, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_JOB_CAPPED };

    record.job_capped.job = job->id;
    record.job_capped.lead = lead;
    core_fact(core, fx, &record);
}

static void
submit_fail(struct core *core, struct job *job, const struct job *dependency, struct effects *fx)
{
    job_reason(core, job, fx, "job %llu, which it waits for, %s",
               (unsigned long long)dependency->id,
               dependency->state == JOB_FAILED ? "failed" : "was cancelled");
    job_stop(core, job, 0, job->total > 0 ? job->total - 1 : 0, TASK_FAILED, OUTCOME_DEPENDENCY,
             true, JOB_TERM, job->reason, fx);
}

void
step_job_submit(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_job_submit *m = &any->job_submit;
    struct record     record = { .type = RECORD_TYPE_JOB_SUBMITTED };
    struct refusal    refusal = { .code = MUSTER_ERR_INVALID,
                                  .text = "the job's description does not follow the protocol" };
    struct buffer     needs = { 0 };
    const struct job *failed = NULL;
    const char       *what = NULL;
    struct job       *job = submit_known(core, step->session->user, m);
    uint64_t          lead = 0;
    struct wire_spec  spec;

    if (job != NULL) {
        submit_again(core, step, job, m);
        return;
    }
    if (wire_decode_item_spec(m->spec, &spec) || !check_numbers(m, &refusal) ||
        !check_spec(m, &spec, &refusal) || !check_intake(core, step->session, &refusal) ||
        !check_after(core, step->session, m, &refusal, &failed) ||
        !check_cap(core, step->session, m, &refusal, &record.job_submitted, &lead))
        goto out;
    if (class_canonical(&m->needs, &needs, &what)) {
        refuse(&refusal, MUSTER_ERR_INVALID, "%s", what);
        goto out;
    }
    refusal.code = MUSTER_OK;
    submit_record(core, step->session, m, &spec, &record.job_submitted);
    record.job_submitted.needs = buffer_slice(&needs);
    effects_body(step->fx, record.job_submitted.job, 0, m->spec);
    core_fact(core, step->fx, &record);
    job = job_find(core, record.job_submitted.job);
    if (lead != 0)
        submit_capped(core, job, lead, step->fx);
    if (spec.own_key)
        submit_keyed(core, job, step->fx);
    job_wait(core, job);
    if (failed != NULL)
        submit_fail(core, job, failed, step->fx);
    class_refresh(core, job);
    submit_answer(core, step, job, false);
out:
    if (refusal.code != MUSTER_OK) {
        core->counters.refused++;
        effects_error(step->fx, step->session->id, step->request, refusal.code, "%s",
                      refusal.text);
    }
    buffer_free(&needs);
}

/* ---- input of a job ---- */

/* The job, if it takes input; else answers. */
static struct job *
input_job(struct core *core, const struct step *step, uint64_t id)
{
    struct job *job = job_asked(core, step->session, step->request, id, step->fx);

    if (job == NULL)
        return NULL;
    if (job->closed && job->reason != NULL) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_CANCELED,
                      "job %llu: %s", (unsigned long long)id, job->reason);
        return NULL;
    }
    return job;
}

static bool
input_room(const struct core *core, const struct step *step)
{
    if (!core->low)
        return true;
    effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NO_SPACE,
                  "the manager's disk is nearly full");
    return false;
}

void
step_job_items(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_job_items *m = &any->job_items;
    struct record  record = { .type = RECORD_TYPE_ITEMS_ADDED };
    struct job    *job = input_job(core, step, m->job);
    uint64_t       session = step->session->id;

    if (job == NULL)
        return;
    if (!job->items) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_STATE,
                      "job %llu was submitted with a count, not for items",
                      (unsigned long long)m->job);
    } else if (m->count == 0 || wire_block_check(m->block, m->count)) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_INVALID,
                      "the block of %u items for job %llu is malformed", m->count,
                      (unsigned long long)m->job);
    } else if ((uint64_t)m->first + m->count <= job->total) {
        effects_ack(step->fx, session, step->request, job->total);      /* a repeat */
    } else if (m->first != job->total) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_STATE,
                      "items from %u on, but job %llu has %u", m->first,
                      (unsigned long long)m->job, job->total);
    } else if (job->closed) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_STATE,
                      "the input of job %llu is closed", (unsigned long long)m->job);
    } else if (job->total + m->count > TASKS_PER_JOB_MAX) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_FULL,
                      "job %llu would have more than %d tasks", (unsigned long long)m->job,
                      TASKS_PER_JOB_MAX);
    } else if (input_room(core, step)) {
        record.items_added.job = job->id;
        record.items_added.body = job->body_next;
        record.items_added.count = m->count;
        effects_body(step->fx, job->id, job->body_next, m->block);
        core_fact(core, step->fx, &record);
        effects_ack(step->fx, session, step->request, job->total);
    }
}

void
step_job_stdin(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_job_stdin *m = &any->job_stdin;
    struct record record = { .type = RECORD_TYPE_STDIN_ADDED };
    struct job   *job = input_job(core, step, m->job);
    uint64_t      session = step->session->id;
    uint64_t      end = (uint64_t)m->offset + m->data.bytes;

    if (job == NULL)
        return;
    if (end <= job->stdin_have) {
        effects_ack(step->fx, session, step->request, job->stdin_have);     /* a repeat */
    } else if (m->offset != job->stdin_have || end > job->stdin_bytes) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_STATE,
                      "input at %llu to %llu, but job %llu has %u of %u bytes",
                      (unsigned long long)m->offset, (unsigned long long)end,
                      (unsigned long long)m->job, job->stdin_have, job->stdin_bytes);
    } else if (input_room(core, step)) {
        record.stdin_added.job = job->id;
        record.stdin_added.body = job->body_next;
        record.stdin_added.bytes = m->data.bytes;
        effects_body(step->fx, job->id, job->body_next, m->data);
        core_fact(core, step->fx, &record);
        job_touch(core, job);       /* all of its tasks may have been cancelled meanwhile */
        effects_ack(step->fx, session, step->request, job->stdin_have);
    }
}

void
step_job_close(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_job_close *m = &any->job_close;
    struct record record = { .type = RECORD_TYPE_JOB_CLOSED };
    struct job   *job = input_job(core, step, m->job);

    if (job == NULL)
        return;
    if (m->count != job->total && (job->items || m->count != 0)) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_STATE,
                      "job %llu has %u items, not %u", (unsigned long long)m->job, job->total,
                      m->count);
        return;
    }
    if (job->stdin_have < job->stdin_bytes) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_STATE,
                      "job %llu has %u of %u bytes of its standard input",
                      (unsigned long long)m->job, job->stdin_have, job->stdin_bytes);
        return;
    }
    if (!job->closed) {
        record.job_closed.job = job->id;
        core_fact(core, step->fx, &record);
        job_check_halt(core, job, step->fx);
        job_touch(core, job);
    }
    effects_ack(step->fx, step->session->id, step->request, job->total);
}

/* ---- cancel and retry ---- */

/* The next range of a request, cut to the job's tasks; all of them when none
 * was named.  False: no more. */
static bool
range_next(const struct job *job, const struct wire_list *list, struct reader *in, uint32_t *at,
           struct wire_range *range_out)
{
    if (list->count == 0) {
        *range_out = (struct wire_range){ 0, job->total > 0 ? job->total - 1 : 0 };
        return (*at)++ == 0;
    }
    while ((*at)++ < list->count && wire_get_range(in, range_out)) {
        if (range_out->first >= job->total)
            continue;
        if (range_out->last >= job->total)
            range_out->last = job->total - 1;
        return true;
    }
    return false;
}

static bool
ranges_good(const struct step *step, const struct wire_list *list)
{
    struct reader     in = reader_of(list->bytes);
    struct wire_range range;

    for (uint32_t i = 0; i < list->count; i++) {
        if (wire_get_range(&in, &range) && range.first <= range.last)
            continue;
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                      "range %u ends before it begins", i + 1);
        return false;
    }
    return true;
}

void
step_job_cancel(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_job_cancel *m = &any->job_cancel;
    struct job       *job = job_asked(core, step->session, step->request, m->job, step->fx);
    struct reader     in = reader_of(m->tasks.bytes);
    enum job_force    force = m->waiting_only ? JOB_LET_RUN : m->hard ? JOB_KILL : JOB_TERM;
    bool              all = m->tasks.count == 0;
    uint64_t          count = 0;
    uint32_t          at = 0;
    struct wire_range range;

    if (job == NULL || !ranges_good(step, &m->tasks))
        return;
    while (!job_ended(job) && range_next(job, &m->tasks, &in, &at, &range)) {
        if (all && job->reason == NULL && !job_complete(job))
            job_reason(core, job, step->fx, "cancelled by %.*s",
                       SLICE_ARGS(step->session->user->name));
        count += job_stop(core, job, range.first, range.last, TASK_CANCELLED, OUTCOME_CANCELLED,
                          all, force, "cancelled", step->fx);
    }
    effects_ack(step->fx, step->session->id, step->request, count);
}

void
step_job_retry(struct core *core, const struct step *step, const union wire_any *any)
{
    const struct msg_job_retry *m = &any->job_retry;
    struct record     record = { .type = RECORD_TYPE_TASKS_RETRIED };
    struct job       *job = job_asked(core, step->session, step->request, m->job, step->fx);
    struct reader     in = reader_of(m->tasks.bytes);
    uint64_t          before;
    uint32_t          at = 0;
    struct wire_range range;

    if (job == NULL || !ranges_good(step, &m->tasks) || !input_room(core, step))
        return;
    before = (uint64_t)job->succeeded + job->failed + job->cancelled;
    /* What its last turn ended must be in the stream before it begins anew. */
    result_close(core, job, step->fx);
    while (job->total > 0 && range_next(job, &m->tasks, &in, &at, &range)) {
        record.tasks_retried.job = job->id;
        record.tasks_retried.first = range.first;
        record.tasks_retried.last = range.last;
        record.tasks_retried.failed_only = m->failed_only;
        core_fact(core, step->fx, &record);
    }
    job_touch(core, job);
    effects_ack(step->fx, step->session->id, step->request,
                before - ((uint64_t)job->succeeded + job->failed + job->cancelled));
}
