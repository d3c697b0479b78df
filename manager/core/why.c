/* why.c - why something waits, in sentences for people
 *
 * Most telling first: the first thing that keeps it is what to change first.
 */
#include <stdarg.h>
#include <stdio.h>

#include "state.h"

struct why {
    struct core  *core;
    struct buffer list;            /* encoded wire_reason items */
    uint32_t      count;
};

enum { WHY_NAMES_MAX = 8, WHY_FUNCTIONS_MAX = 32, WHY_LINES_MAX = 64 };

static void __attribute__((format(printf, 3, 4)))
why_add(struct why *why, enum wire_why code, const char *format, ...)
{
    char    text[TEXT_BYTES_MAX];
    va_list args;

    if (why->count == WHY_LINES_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    wire_put_reason(&why->list,
                    &(struct wire_reason){ .code = (uint8_t)code, .text = slice_text(text) });
    why->count++;
}

/* Workers that have told what they are, connected now. */
static bool
worker_known(const struct worker *worker)
{
    return worker->joined && worker->session->connected;
}

static uint32_t
workers_known(const struct core *core)
{
    uint32_t count = 0;

    for (struct list *at = core->workers.next; at != &core->workers; at = at->next)
        count += worker_known(CONTAINER(at, struct worker, all));
    return count;
}

static bool
worker_serves(const struct worker *worker, const struct name *queue)
{
    for (uint32_t i = 0; i < worker->queue_count; i++) {
        if (worker->queues[i] == queue)
            return true;
    }
    return false;
}

static bool
worker_has_label(const struct worker *worker, const struct name *label)
{
    for (uint32_t i = 0; i < worker->label_count; i++) {
        if (worker->labels[i] == label)
            return true;
    }
    return false;
}

static const struct stock *
worker_stock(const struct worker *worker, const struct name *name)
{
    for (uint32_t i = 0; i < worker->stock_count; i++) {
        if (worker->stock[i].name == name)
            return &worker->stock[i];
    }
    return NULL;
}

/* "a, b and 3 more", at most what fits; of workers for which `has` is true. */
typedef bool why_has_fn(struct worker *worker, const void *what);

static void
why_names(const struct core *core, why_has_fn *has, const void *what, char text[static 256])
{
    size_t   used = 0;
    uint32_t named = 0, more = 0;

    text[0] = '\0';
    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, all);

        if (!worker_known(worker) || (has != NULL && !has(worker, what)))
            continue;
        if (named == WHY_NAMES_MAX || used + strlen(worker->name) + 20 > 256) {
            more++;
            continue;
        }
        used += (size_t)snprintf(text + used, 256 - used, "%s%s", named > 0 ? ", " : "",
                                 worker->name);
        named++;
    }
    if (more > 0)
        snprintf(text + used, 256 - used, " and %u more", more);
}

static bool
has_class(struct worker *worker, const void *what)
{
    return class_suits((struct class *)(uintptr_t)what, worker);
}

/* ---- what no worker has ---- */

static bool
why_queue(struct why *why, const struct class *class)
{
    char names[256];

    for (struct list *at = why->core->workers.next; at != &why->core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        if (worker_known(worker) && worker_serves(worker, class->queue))
            return false;
    }
    why_names(why->core, NULL, NULL, names);
    why_add(why, WHY_QUEUE, "no worker serves queue %.*s (workers: %s)",
            SLICE_ARGS(class->queue->text), names);
    return true;
}

static bool
why_label(struct why *why, const struct class *class, const struct name *label)
{
    char names[256];

    for (struct list *at = why->core->workers.next; at != &why->core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        if (worker_known(worker) && worker_serves(worker, class->queue) &&
            worker_has_label(worker, label))
            return false;
    }
    why_names(why->core, NULL, NULL, names);
    why_add(why, WHY_LABEL, "no worker of queue %.*s has label %.*s (workers: %s)",
            SLICE_ARGS(class->queue->text), SLICE_ARGS(label->text), names);
    return true;
}

/* Names of the functions that workers of the queue have, each once, as far as they fit. */
static void
why_functions(const struct core *core, const struct class *class, char text[static 256])
{
    const struct name *named[WHY_FUNCTIONS_MAX] = { NULL };
    uint32_t           count = 0, more = 0;
    size_t             used = 0;

    text[0] = '\0';
    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        if (!worker_known(worker) || !worker_serves(worker, class->queue))
            continue;
        for (uint32_t i = 0; i < worker->function_count; i++) {
            const struct name *name = worker->functions[i];
            uint32_t           seen = 0;

            while (seen < count && named[seen] != name)
                seen++;
            if (seen < count)
                continue;
            if (count == WHY_FUNCTIONS_MAX || used + name->text.bytes + 20 > 256) {
                more++;
                continue;
            }
            used += (size_t)snprintf(text + used, 256 - used, "%s%.*s", count > 0 ? ", " : "",
                                     SLICE_ARGS(name->text));
            named[count++] = name;
        }
    }
    if (more > 0)
        snprintf(text + used, 256 - used, " and more");
}

static bool
why_function(struct why *why, const struct class *class)
{
    char names[256];

    if (class->function == NULL)
        return false;
    for (struct list *at = why->core->workers.next; at != &why->core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        for (uint32_t i = 0; worker_known(worker) && worker_serves(worker, class->queue) &&
                             i < worker->function_count; i++) {
            if (worker->functions[i] == class->function)
                return false;
        }
    }
    why_functions(why->core, class, names);
    why_add(why, WHY_FUNCTION, "no worker has the function %.*s now; known: %s",
            SLICE_ARGS(class->function->text), names[0] != '\0' ? names : "none");
    return true;
}

/* The worker that has most of something, among those that serve the queue. */
static const struct worker *
why_most(const struct core *core, const struct class *class, const struct name *resource,
         uint64_t *most_out)
{
    const struct worker *best = NULL;

    *most_out = 0;
    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);
        const struct stock  *stock;
        uint64_t             have;

        if (!worker_known(worker) || !worker_serves(worker, class->queue))
            continue;
        stock = resource != NULL ? worker_stock(worker, resource) : NULL;
        have = resource == NULL ? worker->cpus_milli : stock != NULL ? stock->amount : 0;
        if (best == NULL || have > *most_out) {
            best = worker;
            *most_out = have;
        }
    }
    return best;
}

static bool
why_resource(struct why *why, const struct class *class, const struct need *need)
{
    uint64_t             most;
    const struct worker *best = why_most(why->core, class, need->name, &most);

    if (best == NULL || most >= need->amount)
        return false;
    why_add(why, WHY_RESOURCE, "needs %.*s=%llu: the most is %s with %.*s=%llu",
            SLICE_ARGS(need->name->text), (unsigned long long)need->amount, best->name,
            SLICE_ARGS(need->name->text), (unsigned long long)most);
    return true;
}

static bool
why_cpus(struct why *why, const struct class *class)
{
    uint64_t             most;
    const struct worker *best = why_most(why->core, class, NULL, &most);

    if (best == NULL || most >= class->cpus_milli)
        return false;
    why_add(why, WHY_RESOURCE, "needs %g cpus: the most is %s with %g", class->cpus_milli / 1000.0,
            best->name, (double)most / 1000.0);
    return true;
}

static bool
why_memory(struct why *why, const struct class *class)
{
    const struct worker *best = NULL;
    char                 need[16], have[16];

    for (struct list *at = why->core->workers.next; at != &why->core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        if (!worker_known(worker) || !worker_serves(worker, class->queue))
            continue;
        if (worker->mem_bytes == 0 || worker->mem_bytes >= class->mem_bytes)
            return false;
        if (best == NULL || worker->mem_bytes > best->mem_bytes)
            best = worker;
    }
    if (best == NULL)
        return false;
    why_add(why, WHY_RESOURCE, "needs %s of memory: the most is %s with %s",
            format_size(need, class->mem_bytes), best->name, format_size(have, best->mem_bytes));
    return true;
}

/* True when no worker that is connected could ever run it. */
static bool
why_impossible(struct why *why, struct class *class)
{
    bool told = false;

    for (struct list *at = why->core->workers.next; at != &why->core->workers; at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, all);

        if (worker_known(worker) && class_suits(class, worker))
            return false;
    }
    if (workers_known(why->core) == 0) {
        why_add(why, WHY_NO_WORKER, "no worker is connected");
        return true;
    }
    if (why_queue(why, class) || why_function(why, class))
        return true;
    for (uint32_t i = 0; i < class->label_count; i++)
        told |= why_label(why, class, class->labels[i]);
    for (uint32_t i = 0; i < class->need_count; i++)
        told |= why_resource(why, class, &class->needs[i]);
    told |= why_cpus(why, class);
    told |= why_memory(why, class);
    if (!told)
        why_add(why, WHY_RESOURCE, "no single worker has all that it needs together");
    return true;
}

/* Every part of the answer looks at all workers, and at what they have. */
static void
why_count(struct core *core, const struct class *class)
{
    uint64_t parts = 5 + class->label_count + class->need_count;
    uint64_t things = 0;

    for (struct list *at = core->workers.next; at != &core->workers; at = at->next) {
        const struct worker *worker = CONTAINER(at, struct worker, all);

        things += 2 + worker->queue_count + worker->label_count + worker->stock_count +
                  (class->function != NULL ? worker->function_count : 0);
    }
    core_worked(core, things * parts);
}

void
why_never(struct core *core, struct class *class, struct buffer *out)
{
    struct why         why = { .core = core };
    struct reader      in;
    struct wire_reason reason;

    if (why_impossible(&why, class)) {
        why_count(core, class);
        in = reader_of(buffer_slice(&why.list));
        for (uint32_t i = 0; i < why.count && wire_get_reason(&in, &reason); i++) {
            if (out->bytes + reason.text.bytes + 2 > TEXT_BYTES_MAX)
                break;
            buffer_append_text(out, i > 0 ? "; " : "");
            buffer_append_slice(out, reason.text);
        }
    }
    buffer_free(&why.list);
}

/* ---- what is in the way now ---- */

static void
why_busy(struct why *why, struct class *class, struct worker *worker)
{
    struct core *core = why->core;

    if (!class_suits(class, worker))
        return;
    if (worker->draining || worker->drained)
        why_add(why, WHY_BUSY, "would fit on %s, but it is draining", worker->name);
    else if (worker->fault_until_ms > core->now_ms)
        why_add(why, WHY_BUSY, "would fit on %s, but it could not start tasks just now%s%s",
                worker->name, worker->fault_text != NULL ? ": " : "",
                worker->fault_text != NULL ? worker->fault_text : "");
    else if (core->reserved == worker && core->reserved_for != class)
        why_add(why, WHY_BUSY, "would fit on %s, but it is kept free for a larger task",
                worker->name);
    else if (class->cpus_milli > worker->cpus_free_milli)
        why_add(why, WHY_BUSY, "would fit on %s, but it is busy: %g of %g cpus in use",
                worker->name, (double)(worker->cpus_milli - worker->cpus_free_milli) / 1000.0,
                worker->cpus_milli / 1000.0);
    else if (class_room(class, worker) == 0)
        why_add(why, WHY_BUSY, "would fit on %s, but what it needs is in use there", worker->name);
    else
        why_add(why, WHY_BUSY, "fits on %s: its turn comes after older or more important work",
                worker->name);
}

/* `held`: by something of its own, so that it is not the workers that it waits for. */
static void
why_workers(struct why *why, struct class *class, bool held)
{
    struct core *core = why->core;
    char         names[256];

    if (why_impossible(why, class))
        return;
    for (struct list *at = core->workers.next; !held && at != &core->workers; at = at->next) {
        struct worker *worker = CONTAINER(at, struct worker, all);

        if (worker_known(worker))
            why_busy(why, class, worker);
    }
    why_names(core, has_class, class, names);
    why_add(why, WHY_COULD_RUN, "could run on: %s", names);
}

static void
why_after(struct why *why, const struct job *job)
{
    for (uint32_t i = 0; job->after != NULL && i < job->after->count; i++) {
        const struct job *on;

        if ((job->after->waits >> i & 1) == 0)
            continue;
        on = job_find(why->core, job->after->edges[i].on);
        why_add(why, WHY_DEPENDENCY, "waits for job %llu (%s)",
                (unsigned long long)job->after->edges[i].on,
                on != NULL ? wire_job_state_name(job_state(why->core, on)) : "gone");
    }
}

static void
why_limits(struct why *why, const struct job *job)
{
    char     text[16];
    uint64_t now_ms = why->core->now_ms;

    if (job->delayed)
        why_add(why, WHY_DELAY, "its delay ends in %s",
                format_duration(text, job->active->timer.key > now_ms
                                          ? job->active->timer.key - now_ms
                                          : 0));
    if (job->stdin_have < job->stdin_bytes)
        why_add(why, WHY_INPUT_OPEN, "waits for its standard input: %u of %u bytes are here",
                job->stdin_have, job->stdin_bytes);
    if (job->member != NULL && job->member->cap->running >= job->member->cap->max)
        why_add(why, WHY_RUNNING_MAX,
                "at most %u of it and of the jobs that share its cap run at once",
                job->running_max);
    else if (job->running_max > 0 && job->running >= job->running_max)
        why_add(why, WHY_RUNNING_MAX, "at most %u of it run at once", job->running_max);
}

/* A reason that begins with the state says it all. */
static void
why_ended(struct why *why, const struct job *job)
{
    const char *state = wire_job_state_name(job->state);

    if (job->reason == NULL)
        why_add(why, WHY_FINISHED, "it has ended: %s", state);
    else if (strncmp(job->reason, state, strlen(state)) == 0)
        why_add(why, WHY_FINISHED, "it has ended: %s", job->reason);
    else
        why_add(why, WHY_FINISHED, "it has ended: %s: %s", state, job->reason);
}

static void
why_job(struct why *why, const struct job *job)
{
    bool held;

    if (job_ended(job)) {
        why_ended(why, job);
        return;
    }
    why_after(why, job);
    why_limits(why, job);
    held = why->count > 0;
    if (job->running > 0)
        why_add(why, WHY_RUNNING, "%u of its tasks are leased to workers", job->running);
    if (job_ready_count(job) > 0) {
        why_workers(why, job->class, held);
    } else if (job->active != NULL && job->active->live_count > job->running) {
        why_add(why, WHY_DELAY, "%u tasks failed and wait for their next attempt",
                job->active->live_count - job->running);
    } else if (!job->closed) {
        why_add(why, WHY_INPUT_OPEN, "waits for more input: its input has not been closed");
    }
}

static void
why_task(struct why *why, const struct job *job, uint32_t index)
{
    struct task_walk walk;
    struct task_run  run = { .state = TASK_READY };

    task_walk_begin(&walk, why->core, job, index, index);
    (void)task_walk_next(&walk, &run);
    task_walk_end(&walk);
    if (run.state >= TASK_SUCCEEDED) {
        why_add(why, WHY_FINISHED, "it has ended: %s", wire_task_state_name(run.state));
    } else if (run.state == TASK_LEASED && run.task->pid != 0) {
        why_add(why, WHY_RUNNING, "it runs on %s as process %u, attempt %u",
                run.task->worker->name, run.task->pid, task_attempt(run.task));
    } else if (run.state == TASK_LEASED) {
        why_add(why, WHY_RUNNING, "it is leased to %s, attempt %u", run.task->worker->name,
                task_attempt(run.task));
    } else if (run.state == TASK_WAITING && run.task != NULL) {
        why_add(why, WHY_DELAY, "it failed %u times and waits for its next attempt",
                run.task->failures);
    } else {
        why_after(why, job);
        why_limits(why, job);
        why_workers(why, job->class, why->count > 0);
    }
}

void
step_why(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_why_get *get = &m->why_get;
    struct job    *job = job_asked(core, step->session, step->request, get->job, step->fx);
    struct why     why = { .core = core };
    union wire_any answer = { .why = { .reasons.count = 0 } };

    if (job == NULL)
        return;
    if (get->one_task && get->index >= job->total) {
        effects_error(step->fx, step->session->id, step->request, MUSTER_ERR_NOT_FOUND,
                      "job %llu has no task with index %u", (unsigned long long)job->id,
                      get->index);
        return;
    }
    why_count(core, job->class);
    if (get->one_task)
        why_task(&why, job, get->index);
    else
        why_job(&why, job);
    answer.why.reasons = (struct wire_list){ buffer_slice(&why.list), why.count };
    effects_send(step->fx, step->session->id, step->request, MSG_TYPE_WHY, &answer);
    buffer_free(&why.list);
}
