/* apply.c - facts change memory here and nowhere else: sessions and jobs
 *
 * A live turn and a restart go through the same functions.
 *
 * 1. Every fact has a check that is true for whatever a live core emits; what
 *    comes from a store is refused when its check fails.
 * 2. Applying a checked fact cannot fail.
 * 3. What is volatile follows only while the core is started.
 */
#include "apply.h"
#include "object.h"

/* ---- the manager and its sessions ---- */

static bool
check_started(const struct core *core, const struct record_started *it)
{
    return it->epoch == core->epoch + 1 && it->epoch >> (64 - CORE_EPOCH_SHIFT) == 0;
}

static void
apply_started(struct core *core, const struct record_started *it)
{
    core->epoch = it->epoch;
    core->loose_last = 0;
    map_free(&core->loose_bodies);     /* the start that this is dropped them */
    core->dirty = true;
}

static bool
check_session_opened(const struct core *core, const struct record_session_opened *it)
{
    return it->session == core->session_last + 1 && it->role > ROLE_NONE &&
           it->role < ROLE_COUNT && it->user.bytes <= NAME_BYTES_MAX;
}

static void
apply_session_opened(struct core *core, const struct record_session_opened *it)
{
    struct session *session = session_new(core, it->session);

    session->secret = it->secret;
    session_belongs(core, session, (enum wire_role)it->role, it->user);
    core->session_last = it->session;
    core->dirty = true;
    if (session->role == ROLE_WORKER)
        worker_new(core, session);
    session_dirty(core, session);
}

static bool
check_session_ended(const struct core *core, const struct record_session_ended *it)
{
    const struct session *session = map_get(&core->sessions, it->session);

    if (session == NULL)
        return false;
    return session->worker == NULL ||
           session->worker->lease_count + session->worker->ahead_count == 0;
}

static void
apply_session_ended(struct core *core, const struct record_session_ended *it)
{
    struct session *session = map_get(&core->sessions, it->session);

    /* Jobs that were bound to it are stopped by then; their leases end later. */
    while (!list_empty(&session->jobs)) {
        struct job *job = CONTAINER(session->jobs.next, struct job, link);

        list_remove(&job->link);
        job->session = 0;
        job_dirty(core, job);
    }
    session_objects_end(core, session);
    session_free(core, session);
    objects_die_off(core);
}

static bool
check_worker_named(const struct core *core, const struct record_worker_named *it)
{
    const struct session *session = map_get(&core->sessions, it->session);

    return session != NULL && session->worker != NULL && it->name.bytes <= NAME_BYTES_MAX;
}

static void
apply_worker_named(struct core *core, const struct record_worker_named *it)
{
    struct session *session = map_get(&core->sessions, it->session);
    struct worker  *worker = session->worker;

    memcpy(worker->name, it->name.data, it->name.bytes);
    worker->name[it->name.bytes] = '\0';
    session_dirty(core, session);
}

/* ---- jobs begin ---- */

static bool
check_job_submitted(const struct core *core, const struct record_job_submitted *it)
{
    struct wire_needs needs;

    if (it->job != core->job_last + 1 || it->job >> (64 - JOB_KEY_SHIFT) != 0)
        return false;
    if (it->owner.bytes > NAME_BYTES_MAX || it->name.bytes > NAME_BYTES_MAX ||
        it->source >= SOURCE_COUNT || it->count > TASKS_PER_JOB_MAX ||
        it->priority > 2 * PRIORITY_MAX || it->attempts_max == 0 ||
        it->attempts_max > ATTEMPTS_MAX || it->lost_max == 0 || it->lost_max > ATTEMPTS_MAX ||
        it->running_max > TASKS_PER_JOB_MAX || it->fail_max > TASKS_PER_JOB_MAX ||
        it->fail_percent > 100 || it->retry_delay_ms > DELAY_MS_MAX ||
        it->stdin_bytes > STDIN_BYTES_MAX || it->output_bytes > OUTPUT_BYTES_MAX)
        return false;
    if (it->after.bytes % sizeof(uint64_t) != 0 || it->after.bytes / sizeof(uint64_t) > AFTER_MAX)
        return false;
    if (it->session != 0 && map_get(&core->sessions, it->session) == NULL)
        return false;
    return wire_decode_item_needs(it->needs, &needs) == MUSTER_OK;
}

static struct after *
after_new(const struct core *core, struct job *job, struct slice ids)
{
    uint32_t      count = (uint32_t)(ids.bytes / sizeof(uint64_t));
    struct reader in = reader_of(ids);
    struct after *after;

    if (count == 0)
        return NULL;
    after = base_alloc(sizeof(*after) + count * sizeof(after->edges[0]));
    after->count = count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t          on = read_u64(&in);
        const struct job *other = job_find(core, on);

        after->edges[i] = (struct edge){ .waiter = job, .on = on, .bit = i };
        if (other != NULL && other->state != JOB_SUCCEEDED)
            after->waits |= (uint64_t)1 << i;
    }
    return after;
}

static void
job_fill(struct core *core, struct job *job, const struct record_job_submitted *it)
{
    struct wire_needs needs = { 0 };

    (void)wire_decode_item_needs(it->needs, &needs);     /* the check decoded it */
    job->user = user_take(core, it->owner);
    job->class = class_take(core, &needs);
    job->name = base_text_copy(it->name);
    job->after = after_new(core, job, it->after);
    job->dedup_hi = it->dedup_hi;
    job->dedup_lo = it->dedup_lo;
    job->content_hash = it->content_hash;
    job->submitted_unix_ms = it->submitted_unix_ms;
    job->ready_unix_ms = it->ready_unix_ms;
    job->number_first = it->number_first;
    job->number_step = it->number_step;
    job->session = it->session;
    job->items = it->source == SOURCE_ITEMS;
    job->total = job->items ? 0 : (uint32_t)it->count;
    job->fresh = job->total;
    job->cut = UINT32_MAX;
    job->body_next = 1;
    job->running_max = (uint32_t)it->running_max;
    job->fail_max = (uint32_t)it->fail_max;
    job->fail_percent = (uint8_t)it->fail_percent;
    job->retry_delay_ms = (uint32_t)it->retry_delay_ms;
    job->stdin_bytes = (uint32_t)it->stdin_bytes;
    job->output_bytes = (uint32_t)it->output_bytes;
    job->attempts_max = (uint16_t)it->attempts_max;
    job->lost_max = (uint16_t)it->lost_max;
    job->priority = (int16_t)((int32_t)it->priority - PRIORITY_MAX);
    job->state = JOB_QUEUED;
    job->closed = !job->items && job->stdin_bytes == 0;
}

/* An unfinished job counts, is bound to its session and holds what it waits for. */
void
apply_job_begin(struct core *core, struct job *job)
{
    struct session *session = job->session != 0 ? map_get(&core->sessions, job->session) : NULL;

    assert(!job_ended(job));
    job->user->unfinished++;
    core->counters.jobs_unfinished++;
    if (session != NULL)
        list_append(&session->jobs, &job->link);
    job_edges_add(core, job);
}

static void
apply_job_submitted(struct core *core, const struct record_job_submitted *it)
{
    struct job *job = base_alloc(sizeof(*job));

    job->id = it->job;
    core->job_last = it->job;
    core->dirty = true;
    map_put(&core->jobs, job->id, job);
    order_add(&core->job_order, job->id);
    job_fill(core, job, it);
    order_add(&job->user->jobs, job->id);
    job_dedup_add(core, job);
    apply_job_begin(core, job);
    core->counters.jobs++;
    apply_changed(core, job);
}

static bool
check_job_capped(const struct core *core, const struct record_job_capped *it)
{
    const struct job *job = job_find(core, it->job);

    return job != NULL && !job_ended(job) && job->running == 0 && job->cap_with == 0 &&
           (cap_of(core, it->lead) != NULL || job_find(core, it->lead) != NULL) &&
           cap_possible(core, job, it->lead);
}

static void
apply_job_capped(struct core *core, const struct record_job_capped *it)
{
    struct job *job = job_find(core, it->job);

    cap_join(core, job, it->lead);
    apply_changed(core, job);
}

/* ---- input ---- */

static struct job *
unfinished_find(const struct core *core, uint64_t id)
{
    struct job *job = job_find(core, id);

    return job != NULL && !job_ended(job) ? job : NULL;
}

static bool
body_new(const struct job *job, uint64_t body)
{
    return body >= job->body_next && body < UINT32_MAX;
}

static bool
check_items_added(const struct core *core, const struct record_items_added *it)
{
    const struct job *job = unfinished_find(core, it->job);

    return job != NULL && job->items && !job->closed && body_new(job, it->body) &&
           it->count > 0 && it->count <= BLOCK_ITEMS_MAX &&
           job->total + it->count <= TASKS_PER_JOB_MAX;
}

static void
apply_items_added(struct core *core, const struct record_items_added *it)
{
    struct job *job = job_find(core, it->job);

    refs_add(&job->refs[REFS_ITEMS],
             &(struct ref){ .body = (uint32_t)it->body,
                            .a = job->total,
                            .b = (uint32_t)it->count });
    job->total += (uint32_t)it->count;
    job->fresh += (uint32_t)it->count;
    job->body_next = (uint32_t)it->body + 1;
    apply_changed(core, job);
}

static bool
check_stdin_added(const struct core *core, const struct record_stdin_added *it)
{
    const struct job *job = unfinished_find(core, it->job);

    return job != NULL && body_new(job, it->body) && it->bytes > 0 &&
           it->bytes <= job->stdin_bytes - job->stdin_have;
}

static void
apply_stdin_added(struct core *core, const struct record_stdin_added *it)
{
    struct job *job = job_find(core, it->job);

    refs_add(&job->refs[REFS_STDIN], &(struct ref){ .body = (uint32_t)it->body,
                                                    .a = job->stdin_have,
                                                    .b = (uint32_t)it->bytes });
    job->stdin_have += (uint32_t)it->bytes;
    job->body_next = (uint32_t)it->body + 1;
    if (!job->items && job->stdin_have == job->stdin_bytes)
        job->closed = true;
    apply_changed(core, job);
}

static bool
check_job_closed(const struct core *core, const struct record_job_closed *it)
{
    const struct job *job = unfinished_find(core, it->job);

    return job != NULL && !job->closed;
}

static void
apply_job_closed(struct core *core, const struct record_job_closed *it)
{
    struct job *job = job_find(core, it->job);

    job->closed = true;
    apply_changed(core, job);
}

/* ---- results ---- */

static bool
check_results_added(const struct core *core, const struct record_results_added *it)
{
    const struct job *job = job_find(core, it->job);

    return job != NULL && body_new(job, it->body) && it->first <= it->last && it->last < job->total;
}

static void
apply_results_added(struct core *core, const struct record_results_added *it)
{
    struct job *job = job_find(core, it->job);

    refs_add(&job->refs[REFS_RESULTS], &(struct ref){ .body = (uint32_t)it->body,
                                                      .a = (uint32_t)it->first,
                                                      .b = (uint32_t)it->last });
    job->body_next = (uint32_t)it->body + 1;
    apply_changed(core, job);
}

/* ---- jobs end ---- */

static bool
check_job_reason(const struct core *core, const struct record_job_reason *it)
{
    return unfinished_find(core, it->job) != NULL && it->text.bytes <= TEXT_BYTES_MAX;
}

static void
apply_job_reason(struct core *core, const struct record_job_reason *it)
{
    struct job *job = job_find(core, it->job);

    free(job->reason);
    job->reason = base_text_copy(it->text);
    apply_changed(core, job);
}

static bool
check_job_ended(const struct core *core, const struct record_job_ended *it)
{
    const struct job *job = unfinished_find(core, it->job);

    return job != NULL && job_complete(job) && it->state >= JOB_SUCCEEDED &&
           it->state < JOB_STATE_COUNT;
}

static void
apply_release(struct core *core, const struct job *job)
{
    struct list *ring = map_get(&core->waiters, job->id);

    if (ring == NULL || job->state != JOB_SUCCEEDED)
        return;
    for (struct list *at = ring->next; at != ring; at = at->next) {
        struct edge *edge = CONTAINER(at, struct edge, link);

        edge->waiter->after->waits &= ~((uint64_t)1 << edge->bit);
        apply_changed(core, edge->waiter);
    }
}

static void
apply_job_ended(struct core *core, const struct record_job_ended *it)
{
    struct job *job = job_find(core, it->job);

    job->state = (uint8_t)it->state;
    job->ended_unix_ms = it->unix_ms;
    job->ended_turn = (uint32_t)core->turn;
    job->user->unfinished--;
    core->counters.jobs_unfinished--;
    if (list_linked(&job->link))
        list_remove(&job->link);
    list_append(&core->finished, &job->link);
    job_edges_remove(core, job);
    apply_release(core, job);
    apply_changed(core, job);
    job_forget_active(core, job);
}

static bool
check_job_pruned(const struct core *core, const struct record_job_pruned *it)
{
    const struct job *job = job_find(core, it->job);

    return job != NULL && job_ended(job) && map_get(&core->waiters, it->job) == NULL;
}

static void
apply_job_pruned(struct core *core, const struct record_job_pruned *it)
{
    struct job *job = job_find(core, it->job);

    snapshot_job_gone(core, job);
    core->counters.jobs--;
    job_free(core, job);
}

/* ---- the table ---- */

bool
apply_check(const struct core *core, const struct record *record)
{
    switch (record->type) {
#define APPLY_CHECK(NAME, name, code) \
    case code:                        \
        return check_##name(core, &record->name);
        RECORDS(APPLY_CHECK)
    case RECORD_TYPE_COUNT:
    default:
        return false;
    }
}

void
apply_record(struct core *core, const struct record *record)
{
    switch (record->type) {
#define APPLY_CASE(NAME, name, code)        \
    case code:                              \
        apply_##name(core, &record->name);  \
        break;
        RECORDS(APPLY_CASE)
    case RECORD_TYPE_COUNT:
        break;
    }
}

/* The job must be checkpointed, and may have become runnable or ceased to be. */
void
apply_changed(struct core *core, struct job *job)
{
    job_dirty(core, job);
    class_refresh(core, job);
}

void
core_fact(struct core *core, struct effects *fx, const struct record *record)
{
    assert(apply_check(core, record));
    record_put(&fx->facts, record);
    apply_record(core, record);
}
