/* core.c - the core as a whole: made, restarted, stepped, turned
 *
 * What happens in one turn, in this order:
 *
 *   steps      requests, as they come; answers that need no body leave at once
 *   expire     sessions that were not heard of
 *   timers     delays that are over
 *   objects    waits that are over, alarms of shared objects; who waits goes on
 *   settle     result blocks are closed, jobs end, those that wait for them go on
 *   schedule   leases
 *   polls      long polls that have something to hear, or are due
 *   prune      the oldest ended jobs beyond the history
 */
#include "apply.h"
#include "object.h"

struct core *
core_new(const struct core_config *config)
{
    struct core *core = base_alloc(sizeof(*core));

    assert(config->beat_ms > 0 && config->lease_ms > config->beat_ms);
    assert(config->session_ms > 0 && config->polls_per_session_max > 0);
    assert(config->objects_max > 0 && config->object_bytes_max > 0);
    assert(config->waits_per_session_max > 0 && config->answers_kept_max > 0);
    core->config = *config;
    list_init(&core->finished);
    list_init(&core->workers);
    list_init(&core->roomy);
    list_init(&core->grown);
    list_init(&core->touched);
    list_init(&core->shares_aside);
    list_init(&core->dirty_jobs);
    list_init(&core->dirty_sessions);
    list_init(&core->objects_touched);
    list_init(&core->objects_late);
    list_init(&core->waits_woken);
    list_init(&core->objects_dead);
    list_init(&core->dirty_objects);
    list_init(&core->dirty_ties);
    list_init(&core->dirty_answers);
    core->reserve_at_ms = UINT64_MAX;
    logs_init(&core->logs, config->log_kept_bytes);
    return core;
}

/* Jobs first: their tasks are in the rings of workers. */
static void
free_objects(struct core *core)
{
    size_t cursor = 0;
    void  *value;

    while ((value = map_next(&core->jobs, &cursor, NULL)) != NULL) {
        struct job  *job = value;
        struct task *task;

        while (job->active != NULL && !list_empty(&job->active->live)) {
            task = CONTAINER(job->active->live.next, struct task, job_link);
            if (task->state == TASK_LEASED)
                worker_release(core, task->worker, task);
            else if (task->state == TASK_READY && list_linked(&task->link))
                list_remove(&task->link);
            else if (task->state == TASK_WAITING && task->timer.place > 0)
                heap_remove(&core->retries, &task->timer);
            task_free(core, task);
        }
        job_free(core, job);
    }
    while (core->session_order.count > 0)
        session_free(core, map_get(&core->sessions, order_at(&core->session_order, 0)));
}

void
core_free(struct core *core)
{
    if (core == NULL)
        return;
    objects_free(core);
    lent_free(core);
    free_objects(core);
    logs_free(&core->logs);
    result_free_pool(core);
    classes_free(core);
    names_free(core);
    map_free(&core->sessions);
    map_free(&core->jobs);
    map_free(&core->dedup);
    map_free(&core->caps);
    map_free(&core->tasks);
    map_free(&core->waiters);
    map_free(&core->watched);
    heap_free(&core->terms);
    heap_free(&core->delays);
    heap_free(&core->retries);
    heap_free(&core->deadlines);
    heap_free(&core->faults);
    for (uint32_t i = 0; i < core->slab_count; i++)
        free(core->slabs[i]);
    free(core->slabs);
    free(core->session_order.ids);
    free(core->job_order.ids);
    buffer_free(&core->gone);
    buffer_free(&core->watch_news);
    buffer_free(&core->scratch);
    buffer_free(&core->scratch2);
    free(core);
}

/* ---- restart ---- */

static int
ended_compare(const void *a, const void *b)
{
    const struct job *x = *(const struct job *const *)a;
    const struct job *y = *(const struct job *const *)b;

    if (x->ended_unix_ms != y->ended_unix_ms)
        return x->ended_unix_ms < y->ended_unix_ms ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static bool
link_job_good(const struct job *job)
{
    const struct refs *items = job->refs[REFS_ITEMS];
    uint32_t           have = 0;

    if (job->stub || (job->session != 0 && job_ended(job) && job->active != NULL))
        return false;
    for (uint32_t i = 0; i < refs_count(items); i++) {
        if (items->items[i].a != have || items->items[i].b > TASKS_PER_JOB_MAX - have)
            return false;
        have += items->items[i].b;
    }
    return !job->items || have == job->total;
}

static bool
link_caps(struct core *core)
{
    for (uint32_t i = 0; i < core->job_order.count; i++) {
        struct job *job = job_find(core, order_at(&core->job_order, i));
        uint64_t    lead = job->cap_with;

        if (lead == 0)
            continue;
        if (!cap_possible(core, job, lead))
            return false;
        cap_join(core, job, lead);
        if (job->member->cap->running > job->member->cap->max)
            return false;
    }
    return true;
}

/* All objects are there: connect them.  False when something is missing. */
static bool
core_link(struct core *core)
{
    struct job **ended = base_array(core->jobs.count, sizeof(struct job *));
    uint32_t     count = 0;
    bool         good = true;
    size_t       cursor = 0;
    struct job  *job;

    core->linked = true;
    while ((job = map_next(&core->jobs, &cursor, NULL)) != NULL)
        good = good && link_job_good(job);
    for (uint32_t i = 0; good && i < core->session_order.count; i++) {
        struct session *session = map_get(&core->sessions, order_at(&core->session_order, i));

        good = !session->stub;
    }
    for (uint32_t i = 0; good && i < core->job_order.count; i++) {
        job = job_find(core, order_at(&core->job_order, i));
        if (job_ended(job))
            ended[count++] = job;
        else
            apply_job_begin(core, job);
    }
    qsort(ended, count, sizeof(struct job *), ended_compare);
    for (uint32_t i = 0; i < count; i++)
        list_append(&core->finished, &ended[i]->link);
    free(ended);
    return good && link_caps(core) && lent_link(core) && snapshot_objects_link(core);
}

muster_err
core_replay(struct core *core, struct slice facts)
{
    struct reader in = reader_of(facts);
    struct record record;

    assert(!core->started);
    if (!core->linked && !core_link(core))
        return MUSTER_ERR_INVALID;
    while (read_left(&in) > 0) {
        if (!record_get(&in, &record) || !apply_check(core, &record))
            return MUSTER_ERR_INVALID;
        apply_record(core, &record);
        objects_reap(core);
        if (core->bad)
            return MUSTER_ERR_INVALID;
    }
    return MUSTER_OK;
}

static void
start_job(struct core *core, struct job *job)
{
    if (job_ended(job))
        return;
    job_wait(core, job);
    for (struct list *at = job->active != NULL ? job->active->live.next : NULL;
         at != NULL && at != &job->active->live; at = at->next) {
        struct task *task = CONTAINER(at, struct task, job_link);

        task->since_ms = core->now_ms;
        if (task->state == TASK_WAITING)
            lease_wait(core, task);
    }
    if (job_complete(job))
        job_touch(core, job);
    class_refresh(core, job);
}

void
core_start(struct core *core, uint64_t now_ms, uint64_t unix_ms, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_STARTED };
    bool          good = core->linked || core_link(core);

    /* With facts to replay this was told there; a store whose objects alone do
     * not fit together is past helping. */
    assert(good);
    assert(!core->started);
    core->now_ms = now_ms;
    core->unix_offset = unix_ms - now_ms;
    core->started = true;
    core->started_ms = now_ms;
    objects_bodies_drop(core, fx);
    record.started.epoch = core->epoch + 1;
    core_fact(core, fx, &record);
    core->lease_epoch = core->epoch << CORE_EPOCH_SHIFT;
    core->logs.last = core->epoch << CORE_EPOCH_SHIFT;
    for (uint32_t i = 0; i < core->session_order.count; i++)
        session_term(core, map_get(&core->sessions, order_at(&core->session_order, i)));
    caps_start(core);
    for (uint32_t i = 0; i < core->job_order.count; i++)
        start_job(core, job_find(core, order_at(&core->job_order, i)));
    objects_start(core, fx);
    lent_start(core, fx);
    core->schedule = true;
}

/* ---- steps ---- */

static step_fn *const step_table[MSG_TYPE_LIMIT] = {
    [MSG_TYPE_GOODBYE]         = step_goodbye,
    [MSG_TYPE_BEAT]            = step_beat,
    [MSG_TYPE_WORKER_JOIN]     = step_worker_join,
    [MSG_TYPE_WORKER_HOLDS]    = step_worker_holds,
    [MSG_TYPE_WORKER_DRAIN]    = step_worker_drain,
    [MSG_TYPE_TASK_FINISH]     = step_task_finish,
    [MSG_TYPE_TASK_RETURN]     = step_task_return,
    [MSG_TYPE_TASK_OUTPUT]     = step_task_output,
    [MSG_TYPE_RESULT_CHUNK]    = step_result_chunk,
    [MSG_TYPE_STDIN_GET]       = step_stdin_get,
    [MSG_TYPE_TASK_KEY]        = step_task_key,
    [MSG_TYPE_JOB_SUBMIT]      = step_job_submit,
    [MSG_TYPE_JOB_ITEMS]       = step_job_items,
    [MSG_TYPE_JOB_STDIN]       = step_job_stdin,
    [MSG_TYPE_JOB_CLOSE]       = step_job_close,
    [MSG_TYPE_JOB_CANCEL]      = step_job_cancel,
    [MSG_TYPE_JOB_RETRY]       = step_job_retry,
    [MSG_TYPE_JOB_GET]         = step_job_get,
    [MSG_TYPE_JOB_LIST_GET]    = step_job_list,
    [MSG_TYPE_RESULTS_GET]     = step_results,
    [MSG_TYPE_RESULT_GET]      = step_result,
    [MSG_TYPE_OUTPUT_GET]      = step_output,
    [MSG_TYPE_TASK_LIST_GET]   = step_task_list,
    [MSG_TYPE_OUTPUT_FOLLOW]   = step_follow,
    [MSG_TYPE_WHY_GET]         = step_why,
    [MSG_TYPE_WORKER_LIST_GET] = step_worker_list,
    [MSG_TYPE_DRAIN_SET]       = step_drain,
    [MSG_TYPE_SHUTDOWN]        = step_shutdown,
    [MSG_TYPE_LOG_PUT]         = step_log_put,
    [MSG_TYPE_LOG_GET]         = step_log_get,
    [MSG_TYPE_OBJECT_OPEN]     = step_object_open,
    [MSG_TYPE_OBJECT_CLOSE]    = step_object_close,
    [MSG_TYPE_OBJECT_DELETE]   = step_object_delete,
    [MSG_TYPE_OBJECT_DO]       = step_object_do,
    [MSG_TYPE_OBJECT_CANCEL]   = step_object_cancel,
    [MSG_TYPE_OBJECT_SEEN]     = step_object_seen,
    [MSG_TYPE_OBJECT_LIST_GET] = step_object_list,
};

void
core_step(struct core *core, uint64_t now_ms, const struct core_from *from, uint64_t request,
          uint16_t type, const union wire_any *m, struct effects *fx)
{
    const struct wire_rule *rule = wire_rule(type);
    struct session         *session = map_get(&core->sessions, from->session);

    assert(core->started);
    assert(from->role > ROLE_NONE && from->role < ROLE_COUNT);
    core->now_ms = now_ms;
    if (rule == NULL || (rule->from & 1u << from->role) == 0) {
        effects_error(fx, from->session, request, MUSTER_ERR_DENIED,
                      "a %s may not send message 0x%02x", wire_role_name(from->role), type);
        return;
    }
    if (type == MSG_TYPE_HELLO && from->session == 0) {
        session_hello(core, from, request, &m->hello, fx);
        return;
    }
    if (session == NULL || session->role != from->role ||
        !slice_equal(session->user->name, from->user)) {
        effects_error(fx, from->session, request, MUSTER_ERR_SESSION,
                      "session %llu has ended; open a new one",
                      (unsigned long long)from->session);
        return;
    }
    session->heard_ms = now_ms;
    if (step_table[type] == NULL) {
        effects_error(fx, session->id, request, MUSTER_ERR_STATE, "%s is not possible here",
                      rule->name);
        return;
    }
    step_table[type](core, &(struct step){ session, request, fx, from }, m);
    objects_settle(core, fx);
}

/* ---- turns ---- */

/* Called much later than asked for, it was us who slept: whoever could not be
 * heard meanwhile gets a fresh term, as after a restart. */
static void
turn_stalled(struct core *core)
{
    const struct heap_node *first = heap_first(&core->terms);

    if (first == NULL || core->now_ms <= first->key + STALL_MS)
        return;
    for (uint32_t i = 0; i < core->session_order.count; i++)
        session_term(core, map_get(&core->sessions, order_at(&core->session_order, i)));
}

static void
turn_settle(struct core *core, struct effects *fx)
{
    while (!list_empty(&core->touched)) {
        struct active *active = CONTAINER(core->touched.next, struct active, touched);
        struct job    *job = active->job;

        list_remove(&active->touched);
        job_settle(core, job, fx);
        result_answer(core, job, fx);
        if (job_ended(job))
            job_forget_active(core, job);
    }
}

void
core_turn(struct core *core, uint64_t now_ms, uint64_t unix_ms, struct effects *fx)
{
    assert(core->started);
    assert(now_ms >= core->started_ms);
    core->now_ms = now_ms;
    core->unix_offset = unix_ms - now_ms;
    core->turn++;
    turn_stalled(core);
    session_expire(core, fx);
    lease_timers(core);
    objects_turn(core, fx);
    turn_settle(core, fx);
    watch_tell(core, fx);
    do
        schedule_run(core, fx);
    while (core->schedule);
    turn_settle(core, fx);
    result_deadlines(core, fx);
    logs_turn(core, fx);
    job_prune(core, fx);
}

uint64_t
core_wake_ms(const struct core *core)
{
    const struct heap *heaps[] = { &core->terms, &core->delays, &core->retries, &core->deadlines,
                                   &core->faults, &core->logs.ends };
    uint64_t           objects_ms = objects_wake_ms(core);
    uint64_t           wake_ms = core->reserve_at_ms < objects_ms ? core->reserve_at_ms
                                                                  : objects_ms;

    if (core->schedule || !list_empty(&core->touched) || core->watch_news.bytes > 0 ||
        (core->logs.news && !list_empty(&core->logs.waits)))
        return core->now_ms;
    for (size_t i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++) {
        const struct heap_node *first = heap_first(heaps[i]);

        if (first != NULL && first->key < wake_ms)
            wake_ms = first->key;
    }
    return wake_ms;
}

/* ---- small questions ---- */

uint64_t
core_epoch(const struct core *core)
{
    assert(core != NULL);
    return core->epoch;
}

uint64_t
core_work(const struct core *core)
{
    assert(core != NULL);
    return core->work;
}

bool
core_stopping(const struct core *core)
{
    assert(core != NULL);
    return core->stopping;
}

void
core_space(struct core *core, bool low)
{
    assert(core != NULL);
    core->low = low;
}
