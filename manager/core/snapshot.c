/* snapshot.c - durable state as objects (manager/STATES.md lists their bytes)
 *
 *   meta      1        ids given out, epoch
 *   session   id       who, and a worker's last finished tokens: snapshot_sessions.c
 *   job       id       everything but its references
 *   refs + k  id << 24 | chunk    REFS_CHUNK references of kind k
 *   8 .. 11                       shared objects: snapshot_objects.c
 *   12        job                 keys of its tasks: lent.c
 *
 * 1. An object is a function of durable state alone, in one canonical form:
 *    equal states give equal bytes (core_digest rests on it).
 * 2. Decoding is strict; objects may come in any order.  One that refers to
 *    another that has not come yet makes a stub of it; a stub that is left
 *    when the facts begin is an error.
 * 3. References only grow, but for outputs that a retry disowns, so a
 *    checkpoint writes the chunks from the last one that was not full.
 */
#include "apply.h"
#include "object.h"

enum { OBJECT_VERSION = 1, META_VERSION = 2, JOB_VERSION = 2, CHUNK_SHIFT = 24 };

/* ---- encode ---- */

static void
put_meta(const struct core *core, struct buffer *out)
{
    write_u8(out, META_VERSION);
    write_varint(out, core->epoch);
    write_varint(out, core->session_last);
    write_varint(out, core->job_last);
    snapshot_put_meta_objects(core, out);
}

static void
put_ref(const struct ref *ref, struct buffer *out)
{
    write_varint(out, ref->body);
    write_varint(out, ref->a);
    write_varint(out, ref->b);
    write_varint(out, ref->c);
}

enum { LIVE_LEASED = 1, LIVE_STOPPING = 2 };

static void
put_live(const struct core *core, const struct job *job, struct buffer *out)
{
    struct task_walk walk;

    write_varint(out, job->active != NULL ? job->active->live_count : 0);
    if (job->active == NULL || job->active->live_count == 0)
        return;
    task_walk_begin(&walk, core, job, 0, UINT32_MAX - 1);
    for (uint32_t i = 0; i < walk.live_count; i++) {
        const struct task *task = walk.live[i];
        bool               leased = task->state == TASK_LEASED;

        write_varint(out, task->index);
        write_varint(out, task->failures);
        write_varint(out, task->losses);
        write_u8(out, (uint8_t)((leased ? LIVE_LEASED : 0) | (task->stopping ? LIVE_STOPPING : 0)));
        write_varint(out, task->mark);
        write_varint(out, leased ? task->worker->session->id : 0);
        write_varint(out, task->output != NULL ? task->output->count : 0);
        for (uint32_t j = 0; task->output != NULL && j < task->output->count; j++)
            put_ref(&task->output->items[j], out);
    }
    task_walk_end(&walk);
}

static void
put_after(const struct job *job, struct buffer *out)
{
    const struct after *after = job->after;

    write_varint(out, after != NULL ? after->count : 0);
    if (after == NULL)
        return;
    for (uint32_t i = 0; i < after->count; i++)
        write_varint(out, after->edges[i].on);
    write_varint(out, after->waits);
}

/* The numbers of a job, in the order in which they are stored. */
#define JOB_NUMBERS(X)                                                                        \
    X(dedup_hi, UINT64_MAX) X(dedup_lo, UINT64_MAX) X(content_hash, UINT64_MAX)               \
    X(submitted_unix_ms, UINT64_MAX) X(ended_unix_ms, UINT64_MAX)                             \
    X(ready_unix_ms, UINT64_MAX) X(number_first, UINT64_MAX) X(number_step, UINT64_MAX)       \
    X(session, UINT64_MAX) X(total, TASKS_PER_JOB_MAX) X(succeeded, TASKS_PER_JOB_MAX)        \
    X(failed, TASKS_PER_JOB_MAX) X(cancelled, TASKS_PER_JOB_MAX)                              \
    X(cursor, TASKS_PER_JOB_MAX) X(cut, UINT32_MAX) X(body_next, UINT32_MAX)                  \
    X(running_max, TASKS_PER_JOB_MAX) X(fail_max, TASKS_PER_JOB_MAX)                          \
    X(retry_delay_ms, DELAY_MS_MAX) X(stdin_bytes, STDIN_BYTES_MAX)                           \
    X(stdin_have, STDIN_BYTES_MAX) X(output_bytes, OUTPUT_BYTES_MAX)                          \
    X(attempts_max, ATTEMPTS_MAX) X(lost_max, ATTEMPTS_MAX) X(fail_percent, 100)              \
    X(state, JOB_STATE_COUNT - 1) X(items, 1) X(closed, 1) X(cut_failed, 1)

static void
put_job(const struct core *core, const struct job *job, struct buffer *out)
{
    write_u8(out, JOB_VERSION);
    record_put_bytes(out, job->user->name);
    record_put_bytes(out, slice_text(job->name));
    record_put_bytes(out, slice_text(job->reason != NULL ? job->reason : ""));
    record_put_bytes(out, job->class->bytes);
#define JOB_PUT(name, max) write_varint(out, job->name);
    JOB_NUMBERS(JOB_PUT)
    write_varint(out, (uint64_t)(job->priority + PRIORITY_MAX));
    write_varint(out, job->cap_with);
    put_after(job, out);
    write_u8(out, job->marks != NULL);
    if (job->marks != NULL) {
        idset_write(&job->marks->failed, out);
        idset_write(&job->marks->cancelled, out);
        idset_write(&job->marks->again, out);
    }
    put_live(core, job, out);
}

static void
put_chunk(const struct refs *refs, uint32_t chunk, struct buffer *out)
{
    uint32_t first = chunk * REFS_CHUNK;
    uint32_t count = refs->count - first < REFS_CHUNK ? refs->count - first : REFS_CHUNK;

    write_u8(out, OBJECT_VERSION);
    write_varint(out, count);
    for (uint32_t i = 0; i < count; i++)
        put_ref(&refs->items[first + i], out);
}

static uint32_t
chunk_count(uint32_t refs)
{
    return (refs + REFS_CHUNK - 1) / REFS_CHUNK;
}

void
snapshot_put_all(const struct core *core, struct buffer *out)
{
    put_meta(core, out);
    for (uint32_t i = 0; i < core->session_order.count; i++) {
        uint64_t id = order_at(&core->session_order, i);

        write_varint(out, id);
        snapshot_put_session(map_get(&core->sessions, id), out);
    }
    for (uint32_t i = 0; i < core->job_order.count; i++) {
        uint64_t          id = order_at(&core->job_order, i);
        const struct job *job = job_find(core, id);

        write_varint(out, id);
        put_job(core, job, out);
        if (job->own_key)
            lent_put(core, job, out);
        for (uint32_t kind = 0; kind < REFS_KINDS; kind++) {
            for (uint32_t j = 0; j < chunk_count(refs_count(job->refs[kind])); j++)
                put_chunk(job->refs[kind], j, out);
        }
    }
    snapshot_put_objects(core, out);
}

/* ---- checkpoint ---- */

void
snapshot_gone(struct core *core, uint32_t kind, uint64_t id)
{
    write_u32(&core->gone, kind);
    write_u64(&core->gone, id);
}

void
snapshot_job_gone(struct core *core, const struct job *job)
{
    if (!job->stored)
        return;
    snapshot_gone(core, OBJECT_JOB, job->id);
    if (job->own_key)
        snapshot_gone(core, OBJECT_KEYS, job->id);
    for (uint32_t kind = 0; kind < REFS_KINDS; kind++) {
        uint32_t saved = job->refs[kind] != NULL ? job->refs[kind]->saved : 0;

        for (uint32_t i = 0; i < chunk_count(saved); i++)
            snapshot_gone(core, OBJECT_REFS + kind, job->id << CHUNK_SHIFT | i);
    }
}

static void
checkpoint_job(struct core *core, struct job *job, core_object_fn *each, void *context)
{
    struct buffer *out = &core->scratch;

    for (uint32_t kind = 0; kind < REFS_KINDS; kind++) {
        struct refs *refs = job->refs[kind];
        uint32_t     chunk;

        if (refs == NULL || (refs->saved == refs->count && !refs->changed))
            continue;
        for (chunk = refs->changed ? 0 : refs->saved / REFS_CHUNK; chunk < chunk_count(refs->count);
             chunk++) {
            buffer_clear(out);
            put_chunk(refs, chunk, out);
            each(context, OBJECT_REFS + kind, job->id << CHUNK_SHIFT | chunk, buffer_slice(out));
        }
        refs->saved = refs->count;
        refs->changed = false;
    }
    buffer_clear(out);
    put_job(core, job, out);
    each(context, OBJECT_JOB, job->id, buffer_slice(out));
    if (job->own_key) {
        buffer_clear(out);
        lent_put(core, job, out);
        each(context, OBJECT_KEYS, job->id, buffer_slice(out));
    }
    job->stored = true;
}

void
core_checkpoint(struct core *core, core_object_fn *each, void *context)
{
    struct buffer *out = &core->scratch;
    struct reader  gone = reader_of(buffer_slice(&core->gone));

    assert(core->started);
    while (read_left(&gone) > 0) {
        uint32_t kind = read_u32(&gone);

        each(context, kind, read_u64(&gone), slice_of(NULL, 0));
    }
    buffer_clear(&core->gone);
    if (core->dirty) {
        buffer_clear(out);
        put_meta(core, out);
        each(context, OBJECT_META, 1, buffer_slice(out));
        core->dirty = false;
    }
    while (!list_empty(&core->dirty_sessions)) {
        struct session *session = CONTAINER(core->dirty_sessions.next, struct session, dirty);

        list_remove(&session->dirty);
        buffer_clear(out);
        snapshot_put_session(session, out);
        each(context, OBJECT_SESSION, session->id, buffer_slice(out));
        session->stored = true;
    }
    while (!list_empty(&core->dirty_jobs)) {
        struct job *job = CONTAINER(core->dirty_jobs.next, struct job, dirty);

        list_remove(&job->dirty);
        core->changed--;
        checkpoint_job(core, job, each, context);
    }
    snapshot_checkpoint_objects(core, each, context);
    assert(core->changed == 0);
}

uint64_t
core_changed(const struct core *core)
{
    enum { GONE_BYTES = sizeof(uint32_t) + sizeof(uint64_t) };

    return core->changed + core->gone.bytes / GONE_BYTES;
}

uint64_t
core_digest(const struct core *core)
{
    struct buffer all = { 0 };
    uint64_t      digest;

    snapshot_put_all(core, &all);
    digest = map_hash(buffer_slice(&all));
    buffer_free(&all);
    return digest;
}

/* ---- decode ---- */

uint64_t
snapshot_number(struct reader *in, uint64_t max)
{
    uint64_t value = read_varint(in);

    if (value > max)
        read_fail(in);
    return in->bad ? 0 : value;
}

static bool
load_meta(struct core *core, uint64_t id, struct reader *in)
{
    uint8_t version = read_u8(in);

    if (id != 1 || version == 0 || version > META_VERSION)
        return false;
    core->epoch = snapshot_number(in, UINT64_MAX >> CORE_EPOCH_SHIFT);
    core->session_last = read_varint(in);
    core->job_last = snapshot_number(in, UINT64_MAX >> JOB_KEY_SHIFT);
    if (version >= 2 && !snapshot_load_meta_objects(core, in))
        return false;
    return read_ended(in);
}

static bool
get_ref(struct reader *in, struct ref *ref_out)
{
    ref_out->body = (uint32_t)snapshot_number(in, UINT32_MAX - 1);
    ref_out->a = (uint32_t)snapshot_number(in, UINT32_MAX);
    ref_out->b = (uint32_t)snapshot_number(in, UINT32_MAX);
    ref_out->c = (uint32_t)snapshot_number(in, UINT32_MAX);
    return !in->bad && ref_out->body > 0;
}

static struct worker *
load_holder(struct core *core, uint64_t id)
{
    struct session *session = map_get(&core->sessions, id);

    if (session == NULL) {
        session = session_new(core, id);
        session->stub = true;
        session->role = ROLE_WORKER;
        worker_new(core, session);
    }
    return session->worker;
}

static bool
load_output(struct task *task, struct reader *in)
{
    uint64_t   count = read_varint(in);
    struct ref ref;

    for (uint64_t i = 0; i < count; i++) {
        struct output *output = task->output;

        if (!get_ref(in, &ref) || ref.a != task->index)
            return false;
        if (output == NULL)
            output = task->output = base_alloc(sizeof(*output));
        base_grow((void **)&output->items, &output->capacity, output->count + 1,
                  sizeof(*output->items));
        output->items[output->count++] = ref;
    }
    return !in->bad;
}

static bool
load_task(struct core *core, struct job *job, struct reader *in)
{
    uint32_t       index = (uint32_t)snapshot_number(in, TASKS_PER_JOB_MAX);
    uint16_t       failures = (uint16_t)snapshot_number(in, ATTEMPTS_MAX);
    uint16_t       losses = (uint16_t)snapshot_number(in, ATTEMPTS_MAX);
    uint8_t        flags = read_u8(in);
    uint64_t       mark = read_varint(in);
    uint64_t       holder = read_varint(in);
    struct task   *task;
    struct worker *worker;

    if (in->bad || index >= job->cursor || task_find(core, job->id, index) != NULL ||
        failures >= job->attempts_max || losses >= job->lost_max ||
        flags > (LIVE_LEASED | LIVE_STOPPING) || ((flags & LIVE_LEASED) != 0) != (holder != 0) ||
        flags == LIVE_STOPPING)
        return false;
    task = task_new(core, job, index);
    task->failures = failures;
    task->losses = losses;
    task->mark = mark;
    if (flags & LIVE_LEASED) {
        worker = load_holder(core, holder);
        if (worker == NULL)
            return false;
        task_move(task, TASK_LEASED);
        task->stopping = (flags & LIVE_STOPPING) != 0;
        worker_take(core, worker, task);
        job->running++;
        core->counters.tasks_running++;
    } else if (mark > 0) {
        task->state = TASK_WAITING;
    } else {
        list_append(&job->active->ready, &task->link);
        job->active->ready_count++;
    }
    return load_output(task, in);
}

static bool
load_after(struct job *job, struct reader *in)
{
    uint32_t count = (uint32_t)snapshot_number(in, AFTER_MAX);

    if (in->bad || count == 0)
        return !in->bad;
    job->after = base_alloc(sizeof(*job->after) + count * sizeof(job->after->edges[0]));
    job->after->count = count;
    for (uint32_t i = 0; i < count; i++)
        job->after->edges[i] = (struct edge){ .waiter = job, .on = read_varint(in), .bit = i };
    job->after->waits = read_varint(in);
    return !in->bad && (count == 64 || job->after->waits >> count == 0);
}

static bool
load_marks(struct job *job, struct reader *in)
{
    uint8_t present = read_u8(in);

    if (in->bad || present > 1 || (present && job_is_single(job)))
        return false;
    return !present ||
           (idset_read(&job_marks(job)->failed, in) && idset_read(&job_marks(job)->cancelled, in) &&
            idset_read(&job_marks(job)->again, in));
}

/* Never leased and not marked: between cursor and the end, but for what is cancelled. */
static uint32_t
load_fresh(const struct job *job)
{
    uint32_t end = job->cut < job->total ? job->cut : job->total;
    uint32_t fresh = end > job->cursor ? end - job->cursor : 0;
    uint64_t at = job->cursor;
    uint32_t start;

    while (job->marks != NULL && at < end &&
           idset_next(&job->marks->cancelled, (uint32_t)at, &start) && start < end) {
        at = idset_run_end(&job->marks->cancelled, start);
        fresh -= (uint32_t)((at < end ? at : end) - start);
    }
    return fresh;
}

static bool
load_numbers(struct job *job, uint8_t version, struct reader *in)
{
#define JOB_GET(name, max) job->name = (__typeof__(job->name))snapshot_number(in, max);
    JOB_NUMBERS(JOB_GET)
    job->priority = (int16_t)((int32_t)snapshot_number(in, 2 * PRIORITY_MAX) - PRIORITY_MAX);
    if (version >= 2)
        job->cap_with = read_varint(in);
    return !in->bad && job->state >= JOB_QUEUED && job->state != JOB_RUNNING &&
           job->cursor <= job->total && job->stdin_have <= job->stdin_bytes && job->body_next > 0;
}

/* A job as it was before its object came: what a chunk of references made of it. */
static struct job *
load_stub(struct core *core, uint64_t id)
{
    struct job *job = map_get(&core->jobs, id);

    if (job == NULL) {
        job = base_alloc(sizeof(*job));
        job->id = id;
        job->stub = true;
        map_put(&core->jobs, id, job);
    }
    return job;
}

static bool
load_job(struct core *core, uint64_t id, struct reader *in)
{
    struct job       *job;
    struct slice      user, name, reason;
    struct wire_needs needs;
    uint64_t          live;
    uint8_t           version = read_u8(in);

    if (id == 0 || id >> (64 - JOB_KEY_SHIFT) != 0 || job_find(core, id) != NULL ||
        version == 0 || version > JOB_VERSION)
        return false;
    user = record_get_bytes(in, NAME_BYTES_MAX);
    name = record_get_bytes(in, NAME_BYTES_MAX);
    reason = record_get_bytes(in, TEXT_BYTES_MAX);
    if (wire_decode_item_needs(record_get_bytes(in, RECORD_BYTES_MAX), &needs) || in->bad)
        return false;
    job = load_stub(core, id);
    job->stub = false;
    job->stored = true;
    job->user = user_take(core, user);
    job->class = class_take(core, &needs);
    job->name = base_text_copy(name);
    job->reason = reason.bytes > 0 ? base_text_copy(reason) : NULL;
    order_add(&core->job_order, id);
    order_add(&job->user->jobs, id);
    core->counters.jobs++;
    if (!load_numbers(job, version, in) || !load_after(job, in) || !load_marks(job, in)) {
        job_dedup_add(core, job);           /* so that freeing it finds it there */
        return false;
    }
    job_dedup_add(core, job);
    job->fresh = load_fresh(job);
    live = read_varint(in);
    for (uint64_t i = 0; i < live; i++) {
        if (!load_task(core, job, in))
            return false;
    }
    return read_ended(in);
}

static bool
load_chunk(struct core *core, enum refs_kind kind, uint64_t id, struct reader *in)
{
    uint64_t    chunk = id & ((1u << CHUNK_SHIFT) - 1);
    struct job *job;
    uint32_t    count;
    struct ref  ref;

    if (id >> CHUNK_SHIFT == 0 || read_u8(in) != OBJECT_VERSION)
        return false;
    count = (uint32_t)snapshot_number(in, REFS_CHUNK);
    job = load_stub(core, id >> CHUNK_SHIFT);
    /* Full chunks first: no store gives them in another order. */
    if (in->bad || count == 0 || refs_count(job->refs[kind]) != chunk * REFS_CHUNK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!get_ref(in, &ref))
            return false;
        refs_add(&job->refs[kind], &ref);
    }
    job->refs[kind]->saved = job->refs[kind]->count;
    return read_ended(in);
}

muster_err
core_load(struct core *core, uint32_t kind, uint64_t id, struct slice bytes)
{
    struct reader in = reader_of(bytes);
    bool          good = false;

    assert(!core->started);
    if (kind == OBJECT_META)
        good = load_meta(core, id, &in);
    else if (kind == OBJECT_SESSION)
        good = snapshot_load_session(core, id, &in);
    else if (kind == OBJECT_JOB)
        good = load_job(core, id, &in);
    else if (kind >= OBJECT_REFS && kind < OBJECT_REFS + REFS_KINDS)
        good = load_chunk(core, (enum refs_kind)(kind - OBJECT_REFS), id, &in);
    else if (kind >= OBJECT_HEAD && kind <= OBJECT_ANSWERS)
        good = snapshot_load_object(core, kind, id, bytes);
    else if (kind == OBJECT_KEYS)
        good = lent_load(core, id, bytes);
    return good ? MUSTER_OK : MUSTER_ERR_INVALID;
}
