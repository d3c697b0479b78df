/* jobs.c - what became of jobs and tasks; cancel, retry, why */
#include "client.h"

#include <stdlib.h>

static_assert(MUSTER_OUTPUT_BYTES_MAX == OUTPUT_BYTES_MAX, "the public limit is that of the wire");
static_assert((int)MUSTER_JOB_CANCELLED + 1 == (int)JOB_STATE_COUNT,
              "public states are those that travel");
static_assert((int)MUSTER_TASK_CANCELLED + 1 == (int)TASK_STATE_COUNT,
              "public states are those that travel");
static_assert((int)MUSTER_OUTCOME_DEPENDENCY + 1 == (int)OUTCOME_COUNT,
              "public outcomes are those that travel");

const char *
muster_job_state_name(enum muster_job_state state)
{
    return wire_job_state_name((unsigned)state);
}

const char *
muster_task_state_name(enum muster_task_state state)
{
    return wire_task_state_name((unsigned)state);
}

const char *
muster_outcome_name(enum muster_outcome outcome)
{
    return wire_outcome_name((unsigned)outcome);
}

/* ---- one job ---- */

static char **
job_texts(const struct wire_list *list)
{
    char        **texts = base_array((size_t)list->count + 1, sizeof(*texts));
    struct reader in = reader_of(list->bytes);

    for (uint32_t i = 0; i < list->count; i++) {
        struct wire_text text;

        if (!wire_get_text(&in, &text))
            break;
        texts[i] = base_text_copy(text.text);
    }
    return texts;
}

static char **
job_named(const struct wire_list *list)
{
    char        **names = base_array((size_t)list->count + 1, sizeof(*names));
    struct reader in = reader_of(list->bytes);

    for (uint32_t i = 0; i < list->count; i++) {
        struct wire_named named;

        if (!wire_get_named(&in, &named))
            break;
        names[i] = base_text_copy(named.name);
    }
    return names;
}

static void
job_head(struct muster_job_info *info, const struct wire_job *job)
{
    *info = (struct muster_job_info){
        .job = job->job,
        .state = (enum muster_job_state)job->state,
        .open = job->open,
        .priority = job->priority,
        .submitted_unix_ms = job->submitted_unix_ms,
        .ended_unix_ms = job->ended_unix_ms,
        .number_first = job->number_first,
        .number_step = job->number_step,
        .running_max = job->running_max,
        .cap_with = job->cap_with,
        .attempts_max = job->attempts_max,
        .cpus_milli = job->needs.cpus_milli,
        .mem_bytes = job->needs.mem_bytes,
        .counts = { .total = job->counts.total,
                    .running = job->counts.running,
                    .succeeded = job->counts.succeeded,
                    .failed = job->counts.failed,
                    .cancelled = job->counts.cancelled },
    };
    text_put(info->name, sizeof(info->name), job->name);
    text_put(info->owner, sizeof(info->owner), job->owner);
    text_put(info->queue, sizeof(info->queue),
             job->needs.queue.bytes > 0 ? job->needs.queue : slice_text("default"));
    text_put(info->reason, sizeof(info->reason), job->reason);
}

static void
job_lists(struct muster_job_info *info, const struct wire_job *job)
{
    struct reader in = reader_of(job->after.bytes);

    info->labels = job_texts(&job->needs.labels);
    info->after = base_array(job->after.count, sizeof(*info->after));
    for (; info->after_count < job->after.count; info->after_count++) {
        struct wire_id id;

        if (!wire_get_id(&in, &id))
            break;
        info->after[info->after_count] = id.id;
    }
    in = reader_of(job->needs.resources.bytes);
    info->resources = base_array(job->needs.resources.count, sizeof(*info->resources));
    for (; info->resource_count < job->needs.resources.count; info->resource_count++) {
        struct wire_resource resource;

        if (!wire_get_resource(&in, &resource))
            break;
        info->resources[info->resource_count].name = base_text_copy(resource.name);
        info->resources[info->resource_count].amount = resource.amount;
    }
}

muster_err
muster_job_get(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
               struct muster_job_info *info_out, struct muster_error *error)
{
    union wire_any   m = { .job_get = { .job = job } };
    struct ask       answer;
    struct wire_spec spec;
    muster_err       err;

    err = ask(session, MSG_TYPE_JOB_GET, &m, MSG_TYPE_JOB_INFO, timeout_ms, &answer, error);
    if (err)
        return err;
    if (wire_decode_item_spec(answer.m.job_info.spec, &spec) != MUSTER_OK) {
        err = error_set(error, MUSTER_ERR_INTERNAL,
                        "the manager sent a description of job %llu that cannot be read",
                        (unsigned long long)job);
    } else {
        job_head(info_out, &answer.m.job_info.job);
        job_lists(info_out, &answer.m.job_info.job);
        info_out->args = job_texts(&spec.args);
        info_out->env = job_texts(&spec.env);
        info_out->cwd = base_text_copy(spec.cwd);
        info_out->time_limit_ms = spec.time_limit_ms;
        info_out->grace_ms = spec.grace_ms;
        info_out->output_bytes = spec.output_bytes;
        info_out->function = base_text_copy(spec.function);
        info_out->named = job_named(&spec.named);
    }
    ask_free(&answer);
    return err;
}

static void
texts_free(char **texts)
{
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        free(texts[i]);
    free(texts);
}

void
muster_job_info_free(struct muster_job_info *info)
{
    texts_free(info->args);
    texts_free(info->env);
    texts_free(info->labels);
    texts_free(info->named);
    free(info->cwd);
    free(info->function);
    for (size_t i = 0; i < info->resource_count; i++)
        free((char *)(uintptr_t)info->resources[i].name);
    free(info->resources);
    free(info->after);
    *info = (struct muster_job_info){ 0 };
}

/* ---- lists ---- */

muster_err
muster_job_list(struct muster_session *session, uint64_t before, uint32_t max, bool unfinished,
                bool everyone, uint32_t timeout_ms, struct muster_job_info **infos_out,
                size_t *count_out, struct muster_error *error)
{
    struct muster_job_info *infos = NULL;
    uint32_t                capacity = 0;
    uint32_t                count = 0;
    bool                    more = true;

    while (more && count < max) {
        uint32_t       left = max - count;
        union wire_any m = { .job_list_get = { .before = before,
                                               .max = left < LIST_ITEMS_MAX ? left : LIST_ITEMS_MAX,
                                               .unfinished = unfinished,
                                               .everyone = everyone } };
        struct ask     answer;
        struct reader  in;
        uint32_t       got = 0;
        muster_err     err = ask(session, MSG_TYPE_JOB_LIST_GET, &m, MSG_TYPE_JOB_LIST, timeout_ms,
                                 &answer, error);

        if (err) {
            free(infos);
            return err;
        }
        in = reader_of(answer.m.job_list.jobs.bytes);
        base_grow((void **)&infos, &capacity, count + answer.m.job_list.jobs.count + 1,
                  sizeof(*infos));
        for (; got < answer.m.job_list.jobs.count && count < max; got++) {
            struct wire_job job;

            if (!wire_get_job(&in, &job))
                break;
            job_head(&infos[count++], &job);
            before = job.job;
        }
        more = answer.m.job_list.more && got > 0;
        ask_free(&answer);
    }
    *infos_out = infos;
    *count_out = count;
    return MUSTER_OK;
}

static void
task_info(struct muster_task_info *info, const struct wire_task *task)
{
    *info = (struct muster_task_info){ .index = task->index,
                                       .count = task->count,
                                       .state = (enum muster_task_state)task->state,
                                       .attempt = task->attempt,
                                       .pid = task->pid,
                                       .since_ms = task->since_ms };
    text_put(info->worker, sizeof(info->worker), task->worker);
}

muster_err
muster_job_tasks(struct muster_session *session, uint64_t job, uint32_t timeout_ms,
                 struct muster_task_info **infos_out, size_t *count_out, struct muster_error *error)
{
    CALL_SCOPE(session);
    struct muster_task_info *infos = NULL;
    uint32_t                 capacity = 0;
    uint32_t                 count = 0;
    uint32_t                 from = 0;

    do {
        union wire_any m = { .task_list_get = { .job = job, .from = from } };
        struct ask     answer;
        struct reader  in;
        muster_err     err = ask(session, MSG_TYPE_TASK_LIST_GET, &m, MSG_TYPE_TASK_LIST,
                                 timeout_ms, &answer, error);

        if (err) {
            free(infos);
            return err;
        }
        in = reader_of(answer.m.task_list.tasks.bytes);
        base_grow((void **)&infos, &capacity, count + answer.m.task_list.tasks.count + 1,
                  sizeof(*infos));
        for (uint32_t i = 0; i < answer.m.task_list.tasks.count; i++) {
            struct wire_task task;

            if (!wire_get_task(&in, &task))
                break;
            task_info(&infos[count++], &task);
        }
        /* Going back would never end. */
        from = answer.m.task_list.next > from ? answer.m.task_list.next : 0;
        ask_free(&answer);
    } while (from != 0);
    *infos_out = infos;
    *count_out = count;
    return MUSTER_OK;
}

/* ---- changes ---- */

static muster_err
put_ranges(struct buffer *out, const struct muster_range *ranges, size_t count,
           struct wire_list *list_out, struct muster_error *error)
{
    if (count > RANGES_MAX)
        return error_set(error, MUSTER_ERR_TOO_LARGE, "more than %u ranges of tasks at once",
                         (unsigned)RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].first > ranges[i].last || ranges[i].last > TASKS_PER_JOB_MAX)
            return error_set(error, MUSTER_ERR_INVALID, "the range of tasks %u to %u is none",
                             ranges[i].first, ranges[i].last);
        wire_put_range(out, &(struct wire_range){ ranges[i].first, ranges[i].last });
    }
    *list_out = (struct wire_list){ buffer_slice(out), (uint32_t)count };
    return MUSTER_OK;
}

muster_err
muster_job_cancel(struct muster_session *session, uint64_t job, const struct muster_range *ranges,
                  size_t range_count, bool hard, uint32_t timeout_ms, uint64_t *cancelled_out,
                  struct muster_error *error)
{
    struct buffer  list = { 0 };
    union wire_any m = { .job_cancel = { .job = job, .hard = hard } };
    muster_err     err = put_ranges(&list, ranges, range_count, &m.job_cancel.tasks, error);

    if (!err)
        err = ask_ack(session, MSG_TYPE_JOB_CANCEL, &m, timeout_ms, cancelled_out, error);
    buffer_free(&list);
    return err;
}

muster_err
muster_job_retry(struct muster_session *session, uint64_t job, const struct muster_range *ranges,
                 size_t range_count, bool failed_only, uint32_t timeout_ms, uint64_t *queued_out,
                 struct muster_error *error)
{
    struct buffer  list = { 0 };
    union wire_any m = { .job_retry = { .job = job, .failed_only = failed_only } };
    muster_err     err = put_ranges(&list, ranges, range_count, &m.job_retry.tasks, error);

    if (!err)
        err = ask_ack(session, MSG_TYPE_JOB_RETRY, &m, timeout_ms, queued_out, error);
    buffer_free(&list);
    return err;
}

/* ---- why ---- */

muster_err
muster_job_why(struct muster_session *session, uint64_t job, const uint32_t *index,
               uint32_t timeout_ms, struct muster_why *why_out, struct muster_error *error)
{
    union wire_any    m = { .why_get = { .job = job,
                                         .one_task = index != NULL,
                                         .index = index != NULL ? *index : 0 } };
    struct ask        answer;
    struct reader     in;
    struct muster_why why = { 0 };
    muster_err        err;

    err = ask(session, MSG_TYPE_WHY_GET, &m, MSG_TYPE_WHY, timeout_ms, &answer, error);
    if (err)
        return err;
    in = reader_of(answer.m.why.reasons.bytes);
    why.lines = base_array(answer.m.why.reasons.count, sizeof(*why.lines));
    while (why.count < answer.m.why.reasons.count) {
        struct wire_reason reason;

        if (!wire_get_reason(&in, &reason))
            break;
        why.lines[why.count++] = base_text_copy(reason.text);
    }
    ask_free(&answer);
    *why_out = why;
    return MUSTER_OK;
}

void
muster_why_free(struct muster_why *why)
{
    for (size_t i = 0; i < why->count; i++)
        free(why->lines[i]);
    free(why->lines);
    *why = (struct muster_why){ 0 };
}
