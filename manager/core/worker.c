/* worker.c - workers: what they can do, what they hold, when they take leases
 *
 *              HELLO                JOIN, HOLDS
 *   (none) ----------> AWAY <-------------------> ACTIVE <-----> DRAINING
 *                       |   connection lost          |              |
 *                       | lease_ms unheard           | GOODBYE      |
 *                       `---------> (session ended) <---------------'
 *
 * 1. Leases are granted to ACTIVE workers only: connected, and having told
 *    since then what they hold.
 * 2. A lease that the manager has and a rejoining worker does not name never
 *    arrived: it is offered again, unpunished.  One that the worker names and
 *    the manager does not have is told back as lost.
 * 3. cpus_free etc. are what the leases in `leases` leave; leases in `ahead`
 *    take nothing until the room that others leave promotes them, oldest first.
 */
#include <stdio.h>

#include "state.h"

void
worker_new(struct core *core, struct session *session)
{
    struct worker *worker = base_alloc(sizeof(*worker));

    assert(session->worker == NULL);
    worker->session = session;
    session->worker = worker;
    list_init(&worker->leases);
    list_init(&worker->ahead);
    list_append(&core->workers, &worker->all);
    core->counters.workers++;
}

static void
worker_forget_names(struct core *core, struct worker *worker)
{
    for (uint32_t i = 0; i < worker->stock_count; i++)
        name_drop(core, worker->stock[i].name);
    for (uint32_t i = 0; i < worker->label_count; i++)
        name_drop(core, worker->labels[i]);
    for (uint32_t i = 0; i < worker->queue_count; i++)
        name_drop(core, worker->queues[i]);
    for (uint32_t i = 0; i < worker->function_count; i++)
        name_drop(core, worker->functions[i]);
    worker->function_count = 0;
    worker->stock_count = 0;
    worker->label_count = 0;
    worker->queue_count = 0;
    if (worker->fits != NULL)
        memset(worker->fits, 0, worker->fits_count);
}

void
worker_free(struct core *core, struct worker *worker)
{
    assert(worker->lease_count + worker->ahead_count == 0);
    worker->joined = false;
    worker_refresh(core, worker);
    if (core->reserved == worker)
        schedule_unreserve(core);
    if (worker->fault.place > 0)
        heap_remove(&core->faults, &worker->fault);
    worker_forget_names(core, worker);
    list_remove(&worker->all);
    map_free(&worker->holds);
    free(worker->done);
    free(worker->fits);
    free(worker->functions);
    free(worker->fault_text);
    worker->session->worker = NULL;
    core->counters.workers--;
    free(worker);
}

/* ---- room ---- */

bool
worker_willing(const struct core *core, const struct worker *worker)
{
    return worker->joined && worker->session->connected && !worker->session->slow &&
           !worker->draining && !worker->drained && worker->fault_until_ms <= core->now_ms;
}

void
worker_grown(struct core *core, struct worker *worker)
{
    if (!worker->roomy)
        return;
    worker->grew = ++core->room_clock;
    list_remove(&worker->grown);
    list_prepend(&core->grown, &worker->grown);
}

void
worker_refresh(struct core *core, struct worker *worker)
{
    bool roomy = worker_willing(core, worker) &&
                 (worker->cpus_free_milli > 0 || worker->ahead_count < worker->allowance);

    if (roomy && !worker->roomy) {
        list_append(&core->roomy, &worker->room);
        list_prepend(&core->grown, &worker->grown);
        core->roomy_count++;
    } else if (!roomy && worker->roomy) {
        list_remove(&worker->room);
        list_remove(&worker->grown);
        core->roomy_count--;
    }
    worker->roomy = roomy;
    if (roomy) {
        core->schedule = true;
        worker_grown(core, worker);
    }
}

/* sign 1: a lease of the class takes what it needs; -1: it gives it back. */
static void
worker_count(struct worker *worker, const struct class *class, int sign)
{
    worker->cpus_free_milli -= sign * (int64_t)class->cpus_milli;
    worker->mem_free -= (uint64_t)(int64_t)sign * class->mem_bytes;
    for (uint32_t i = 0; i < class->need_count; i++) {
        for (uint32_t j = 0; j < worker->stock_count; j++) {
            if (worker->stock[j].name == class->needs[i].name)
                worker->stock[j].free -= (uint64_t)(int64_t)sign * class->needs[i].amount;
        }
    }
}

void
worker_take(struct core *core, struct worker *worker, struct task *task)
{
    task->worker = worker;
    task->ahead = core->grant_ahead;
    if (task->ahead) {
        list_append(&worker->ahead, &task->link);
        worker->ahead_count++;
        return;
    }
    list_append(&worker->leases, &task->link);
    worker->lease_count++;
    if (worker->joined)
        worker_count(worker, task->job->class, 1);
}

/* What was leased ahead takes the room that became free. */
static void
worker_promote(struct worker *worker)
{
    while (worker->ahead_count > 0) {
        struct task *task = CONTAINER(worker->ahead.next, struct task, link);

        if (class_room(task->job->class, worker) == 0)
            return;
        list_remove(&task->link);
        list_append(&worker->leases, &task->link);
        task->ahead = false;
        worker->ahead_count--;
        worker->lease_count++;
        worker_count(worker, task->job->class, 1);
    }
}

void
worker_release(struct core *core, struct worker *worker, struct task *task)
{
    assert(task->worker == worker);
    list_remove(&task->link);
    if (task->ahead) {
        assert(worker->ahead_count > 0);
        worker->ahead_count--;
        task->ahead = false;
    } else {
        assert(worker->lease_count > 0);
        worker->lease_count--;
        if (worker->joined) {
            worker_count(worker, task->job->class, -1);
            worker_promote(worker);
        }
    }
    if (core->started)
        worker_refresh(core, worker);
}

/* ---- tokens of finished leases ---- */

void
worker_done(struct worker *worker, const struct wire_token *token)
{
    if (worker->done == NULL)
        worker->done = base_array(DONE_MAX, sizeof(*worker->done));
    worker->done[worker->done_next] = *token;
    worker->done_next = (worker->done_next + 1) % DONE_MAX;
    if (worker->done_count < DONE_MAX)
        worker->done_count++;
}

bool
worker_was_done(const struct worker *worker, const struct wire_token *token)
{
    for (uint32_t i = 0; i < worker->done_count; i++) {
        if (token_equal(&worker->done[i], token))
            return true;
    }
    return false;
}

/* ---- away, lost ---- */

/* The connection is gone, or is a new one: it takes no leases until it has
 * told what it holds. */
void
worker_away(struct core *core, struct worker *worker)
{
    worker->joined = false;
    worker->joining = false;
    worker->allowance = 0;
    map_free(&worker->holds);
    if (core->reserved == worker)
        schedule_unreserve(core);
    worker_refresh(core, worker);
}

/* Its term ran out. */
void
worker_lose(struct core *core, struct worker *worker, struct effects *fx)
{
    worker->joined = false;
    worker_refresh(core, worker);
    while (!list_empty(&worker->leases))
        lease_lost(core, CONTAINER(worker->leases.next, struct task, link), fx);
    /* Those leased ahead too: they may run by now, had the worker no time left
     * to say so, and a task that kills its workers must come to its end. */
    while (!list_empty(&worker->ahead))
        lease_lost(core, CONTAINER(worker->ahead.next, struct task, link), fx);
}

/* ---- JOIN ---- */

static bool
join_stock(struct core *core, struct worker *worker, const struct wire_list *list)
{
    struct reader        in = reader_of(list->bytes);
    struct wire_resource resource;

    for (uint32_t i = 0; i < list->count; i++) {
        struct name *name;

        if (!wire_get_resource(&in, &resource) || !parse_name(resource.name, NAME_BYTES_MAX))
            return false;
        name = name_take(core, resource.name);
        for (uint32_t j = 0; j < worker->stock_count; j++) {
            if (worker->stock[j].name == name) {
                name_drop(core, name);
                return false;
            }
        }
        worker->stock[worker->stock_count++] =
            (struct stock){ name, resource.amount, resource.amount };
    }
    return true;
}

static bool
join_names(struct core *core, struct name **names, uint32_t *count, const struct wire_list *list,
           size_t bytes_max, bool plain)
{
    struct reader    in = reader_of(list->bytes);
    struct wire_text text;

    for (uint32_t i = 0; i < list->count; i++) {
        if (!wire_get_text(&in, &text) || text.text.bytes == 0 || text.text.bytes > bytes_max ||
            (plain && !parse_name(text.text, bytes_max)))
            return false;
        names[(*count)++] = name_take(core, text.text);
    }
    return true;
}

static bool
join_functions(struct core *core, struct worker *worker, const struct wire_list *list)
{
    base_grow((void **)&worker->functions, &worker->function_capacity, list->count,
              sizeof(*worker->functions));
    return join_names(core, worker->functions, &worker->function_count, list, NAME_BYTES_MAX,
                      true);
}

/* False: a name in it is not one; the worker is left able to do nothing. */
static bool
join_describe(struct core *core, struct worker *worker, const struct msg_worker_join *m)
{
    bool good;

    worker_forget_names(core, worker);
    worker->cpus_milli = m->cpus_milli;
    worker->cpus_free_milli = m->cpus_milli;
    worker->mem_bytes = m->mem_bytes;
    worker->mem_free = m->mem_bytes;
    worker->window = m->window;
    if (worker->allowance > worker->window)
        worker->allowance = worker->window;
    worker->draining = m->draining;
    good = parse_name(m->name, NAME_BYTES_MAX) && join_stock(core, worker, &m->resources) &&
           join_names(core, worker->labels, &worker->label_count, &m->labels, LABEL_BYTES_MAX,
                      false) &&
           join_names(core, worker->queues, &worker->queue_count, &m->queues, NAME_BYTES_MAX,
                      true) &&
           join_functions(core, worker, &m->functions);
    if (good && worker->queue_count == 0)
        worker->queues[worker->queue_count++] = name_take(core, slice_text("default"));
    if (!good)
        worker_forget_names(core, worker);
    return good;
}

static void
join_name(struct core *core, struct worker *worker, struct slice name, struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_WORKER_NAMED };

    if (slice_equals_text(name, worker->name))
        return;
    record.worker_named.session = worker->session->id;
    record.worker_named.name = name;
    core_fact(core, fx, &record);
}

/* Which of these are its leases?  The others go into `lost`. */
static uint32_t
join_holds(struct core *core, struct worker *worker, const struct wire_list *holds,
           struct buffer *lost)
{
    struct reader     in = reader_of(holds->bytes);
    struct wire_token token, mine;
    uint32_t          count = 0;

    for (uint32_t i = 0; i < holds->count && wire_get_token(&in, &token); i++) {
        struct task *task = token.job >> (64 - JOB_KEY_SHIFT) == 0
                                ? task_find(core, token.job, token.index)
                                : NULL;

        if (task != NULL && task->state == TASK_LEASED && task->worker == worker) {
            mine = task_token(task);
            if (token_equal(&mine, &token)) {
                map_put(&worker->holds, task_key(token.job, token.index), task);
                continue;
            }
        }
        wire_put_token(lost, &token);
        count++;
    }
    return count;
}

/* It has told all: take back what never arrived, say again what is to be killed. */
static void
join_settle(struct core *core, struct worker *worker, struct effects *fx)
{
    struct list *rings[] = { &worker->leases, &worker->ahead };
    struct list *next;

    for (uint32_t i = 0; i < 2; i++) {
        for (struct list *at = rings[i]->next; at != rings[i]; at = next) {
            struct task *task = CONTAINER(at, struct task, link);

            next = at->next;
            /* What the same process does not hold never reached it.  A process
             * that died may have died of any of them: its last answers may be missing. */
            if (map_get(&worker->holds, task_key(task->job->id, task->index)) == NULL)
                (worker->session->reborn ? lease_lost : lease_returned)(core, task, fx);
            else if (task->stopping)
                effects_send(fx, worker->session->id, 0, MSG_TYPE_TASK_KILL,
                             &(union wire_any){ .task_kill = { .token = task_token(task) } });
        }
    }
    worker->session->reborn = false;
    map_free(&worker->holds);
}

/* What it holds takes its room, as far as it fits; the rest counts as ahead. */
static void
join_measure(struct core *core, struct worker *worker)
{
    struct list *next;

    worker->joined = true;
    worker->joining = false;
    for (struct list *at = worker->ahead.next; at != &worker->ahead; at = next) {
        struct task *task = CONTAINER(at, struct task, link);

        next = at->next;
        list_remove(at);
        list_append(&worker->leases, at);
        task->ahead = false;
        worker->ahead_count--;
        worker->lease_count++;
    }
    for (struct list *at = worker->leases.next; at != &worker->leases; at = next) {
        struct task *task = CONTAINER(at, struct task, link);

        next = at->next;
        if (class_room(task->job->class, worker) > 0) {
            worker_count(worker, task->job->class, 1);
            continue;
        }
        list_remove(at);
        list_append(&worker->ahead, at);
        task->ahead = true;
        worker->lease_count--;
        worker->ahead_count++;
    }
    worker_refresh(core, worker);
}

static void
join_part(struct core *core, const struct step *step, const struct wire_list *holds, bool more)
{
    struct worker *worker = step->session->worker;
    struct buffer  lost = { 0 };
    uint32_t       count = join_holds(core, worker, holds, &lost);
    union wire_any m = { .worker_joined = { .lost = { buffer_slice(&lost), count } } };

    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_WORKER_JOINED, &m);
    buffer_free(&lost);
    if (more)
        return;
    if (worker->joining) {
        join_settle(core, worker, step->fx);
        join_measure(core, worker);
    }
    map_free(&worker->holds);
}

/* On a connection that has joined already it only describes the worker anew:
 * leases may be on their way that it does not know of. */
void
step_worker_join(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_worker_join *join = &m->worker_join;
    struct worker                *worker = step->session->worker;
    bool                          again = worker->joined;

    map_free(&worker->holds);
    worker->joined = false;
    worker_refresh(core, worker);
    if (!join_describe(core, worker, join)) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_INVALID,
                      "a name, queue, label, function or resource of this worker is empty, too "
                      "long, named twice or has characters other than letters, digits, '.', '_' "
                      "and '-'");
        return;
    }
    join_name(core, worker, join->name, step->fx);
    worker->joining = !again;
    if (again)
        join_measure(core, worker);
    join_part(core, step, &join->holds, join->holds_more);
}

void
step_worker_holds(struct core *core, const struct step *step, const union wire_any *m)
{
    join_part(core, step, &m->worker_holds.holds, m->worker_holds.holds_more);
}

/* ---- drain ---- */

void
step_worker_drain(struct core *core, const struct step *step, const union wire_any *m)
{
    struct worker *worker = step->session->worker;

    worker->draining = m->worker_drain.draining;
    if (core->reserved == worker && worker->draining)
        schedule_unreserve(core);
    worker_refresh(core, worker);
    effects_ack(step->fx, step->session->id, step->request, 0);
}

void
step_drain(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_drain_set *set = &m->drain_set;
    union wire_any              told = { .worker_drain = { .draining = set->draining } };
    uint32_t                    count = 0;

    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, all);

        if (!slice_equals_text(set->worker, worker->name))
            continue;
        count++;
        worker->drained = set->draining;
        if (core->reserved == worker && worker->drained)
            schedule_unreserve(core);
        worker_refresh(core, worker);
        if (worker->session->connected)
            effects_send(step->fx, worker->session->id, 0, MSG_TYPE_WORKER_DRAIN, &told);
    }
    if (count > 0)
        effects_ack(step->fx, step->session->id, step->request, count);
    else
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "no worker is named %.*s", SLICE_ARGS(set->worker));
}
