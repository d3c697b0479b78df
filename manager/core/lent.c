/* lent.c - keys of tasks: who may speak for a job's owner while a task of it runs
 *
 *            TASK_KEY              its lease ends
 *   (none) -----------> LENT ---------------------------> (none)
 *                         |   its sessions end before it
 *                         `-- HELLO: a session of this key
 *
 * 1. A key is lent to one lease, of a job that asked for keys, and a lease has at
 *    most one.  It is gone with its lease, in whatever way that ends.
 * 2. A session of a key is resumed with this key alone, and ends before the key.
 * 3. Tasks of other jobs pay nothing for it but a bit of theirs.
 * 4. The core knows bytes: what a key proves is for those who asked for the proof.
 */
#include "apply.h"
#include "plant.h"

/* Public keys are uniform, or their holder has chosen them so: then he gets CONFLICT. */
static uint64_t
lent_hash(struct slice key)
{
    uint64_t first;

    assert(key.bytes == KEY_PUBLIC_BYTES);
    memcpy(&first, key.data, sizeof(first));
    return first;
}

static struct slice
lent_bytes(const struct lent *lent)
{
    return slice_of(lent->key, sizeof(lent->key));
}

static struct lent *
lent_of(const struct core *core, const struct task *task)
{
    struct lent *lent = map_get(&core->lent_tasks, task_key(task->job->id, task->index));

    assert(lent != NULL && lent->task == task);
    return lent;
}

struct lent *
lent_find(const struct core *core, struct slice key)
{
    struct lent *lent = key.bytes == KEY_PUBLIC_BYTES ? map_get(&core->lent_keys, lent_hash(key))
                                                      : NULL;

    return lent != NULL && slice_equal(lent_bytes(lent), key) ? lent : NULL;
}

/* Another lease may have the key by now, of a job of somebody else: whoever came in
 * before is still the one that the key was good for then. */
bool
lent_admits(const struct lent *lent, const struct core_from *from)
{
    return lent != NULL && from->role == ROLE_CLIENT &&
           slice_equal(lent->task->job->user->name, from->user);
}

/* ---- TASK_KEY ---- */

static bool
key_good(struct slice key)
{
    const uint8_t *bytes = key.data;
    uint8_t        any = 0;

    for (size_t i = 0; i < key.bytes; i++)
        any |= bytes[i];
    return key.bytes == KEY_PUBLIC_BYTES && any != 0;
}

static void
lent_told(const struct lent *lent, bool valid, struct effects *fx)
{
    effects_key(fx, valid, lent_bytes(lent), lent->task->job->user->name,
                slice_text(lent->address));
}

/* It is good, and nobody's yet. */
static void
lent_new(struct core *core, const struct step *step, struct task *task, struct slice key)
{
    struct record record = { .type = RECORD_TYPE_TASK_KEYED };

    record.task_keyed.job = task->job->id;
    record.task_keyed.index = task->index;
    record.task_keyed.key = key;
    record.task_keyed.address = slice_cut(step->from->address, 0, LENT_ADDRESS_BYTES_MAX);
    core_fact(core, step->fx, &record);
    lent_told(lent_of(core, task), true, step->fx);
}

void
step_task_key(struct core *core, const struct step *step, const union wire_any *m)
{
    const struct msg_task_key *it = &m->task_key;
    struct task *task = lease_find(core, step->session->worker, &it->token);
    uint64_t     session = step->session->id;

    if (task == NULL) {
        lease_stale(core, step, &it->token);
    } else if (!task->job->own_key) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_DENIED,
                      "job %llu did not ask for keys for its tasks",
                      (unsigned long long)it->token.job);
    } else if (!key_good(it->key)) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_INVALID,
                      "a public key has %d bytes, not all of them zero", KEY_PUBLIC_BYTES);
    } else if (task->keyed && slice_equal(lent_bytes(lent_of(core, task)), it->key)) {
        effects_ack(step->fx, session, step->request, 0);       /* a repeat */
    } else if (task->keyed || map_get(&core->lent_keys, lent_hash(it->key)) != NULL) {
        effects_error(step->fx, session, step->request, MUSTER_ERR_CONFLICT,
                      task->keyed ? "task %u of job %llu has another key"
                                  : "the key for task %u of job %llu is somebody's already",
                      it->token.index, (unsigned long long)it->token.job);
    } else {
        lent_new(core, step, task, it->key);
        effects_ack(step->fx, session, step->request, 0);
    }
}

/* ---- sessions ---- */

void
lent_opened(struct core *core, const struct session *session, const struct lent *lent,
            struct effects *fx)
{
    struct record record = { .type = RECORD_TYPE_SESSION_KEYED };

    record.session_keyed.session = session->id;
    record.session_keyed.job = lent->task->job->id;
    record.session_keyed.index = lent->task->index;
    core_fact(core, fx, &record);
}

void
lent_end(struct core *core, struct task *task, struct effects *fx)
{
    struct lent *lent = lent_of(core, task);

    while (!list_empty(&lent->sessions)) {
        struct session *session = CONTAINER(lent->sessions.next, struct session, lent_link);

        effects_error(fx, session->id, 0, MUSTER_ERR_AUTH,
                      "the task that the key was made for has ended");
        session_end(core, session, fx);
    }
    lent_told(lent, PLANT_GOOD(false), fx);
}

void
lent_start(const struct core *core, struct effects *fx)
{
    const struct lent *lent;
    size_t             cursor = 0;

    while ((lent = map_next(&core->lent_tasks, &cursor, NULL)) != NULL)
        lent_told(lent, true, fx);
}

/* ---- facts ---- */

bool
check_job_keyed(const struct core *core, const struct record_job_keyed *it)
{
    const struct job *job = job_find(core, it->job);

    return job != NULL && !job_ended(job) && !job->own_key;
}

void
apply_job_keyed(struct core *core, const struct record_job_keyed *it)
{
    struct job *job = job_find(core, it->job);

    job->own_key = true;
    job_dirty(core, job);
}

static bool
lent_fits(const struct core *core, const struct task *task, struct slice key,
          struct slice address)
{
    return task != NULL && task->state == TASK_LEASED && task->job->own_key && !task->keyed &&
           key_good(key) && address.bytes <= LENT_ADDRESS_BYTES_MAX &&
           memchr(address.data, 0, address.bytes) == NULL &&
           map_get(&core->lent_keys, lent_hash(key)) == NULL;
}

static struct task *
lent_task(const struct core *core, uint64_t job, uint64_t index)
{
    if (job >> (64 - JOB_KEY_SHIFT) != 0 || index >= TASKS_PER_JOB_MAX)
        return NULL;
    return task_find(core, job, (uint32_t)index);
}

bool
check_task_keyed(const struct core *core, const struct record_task_keyed *it)
{
    return lent_fits(core, lent_task(core, it->job, it->index), it->key, it->address);
}

static struct lent *
lent_add(struct core *core, struct task *task, struct slice key, struct slice address)
{
    struct lent *lent = base_alloc(sizeof(*lent));

    lent->task = task;
    memcpy(lent->key, key.data, sizeof(lent->key));
    memcpy(lent->address, address.data, address.bytes);
    list_init(&lent->sessions);
    task->keyed = true;
    map_put(&core->lent_keys, lent_hash(key), lent);
    map_put(&core->lent_tasks, task_key(task->job->id, task->index), lent);
    return lent;
}

void
apply_task_keyed(struct core *core, const struct record_task_keyed *it)
{
    struct task *task = lent_task(core, it->job, it->index);

    lent_add(core, task, it->key, it->address);
    job_dirty(core, task->job);
}

static bool
session_fits(const struct session *session, const struct task *task)
{
    return session != NULL && task != NULL && task->keyed && session->lent == NULL &&
           session->role == ROLE_CLIENT && session->user == task->job->user;
}

bool
check_session_keyed(const struct core *core, const struct record_session_keyed *it)
{
    return session_fits(map_get(&core->sessions, it->session),
                        lent_task(core, it->job, it->index));
}

static void
session_bind(struct session *session, struct lent *lent)
{
    session->lent = lent;
    list_append(&lent->sessions, &session->lent_link);
}

void
apply_session_keyed(struct core *core, const struct record_session_keyed *it)
{
    struct task *task = lent_task(core, it->job, it->index);

    session_bind(map_get(&core->sessions, it->session), lent_of(core, task));
    job_dirty(core, task->job);
}

void
lent_session_gone(struct core *core, struct session *session)
{
    if (session->lent == NULL)
        return;
    list_remove(&session->lent_link);
    job_dirty(core, session->lent->task->job);
    session->lent = NULL;
}

bool
lent_may_end(const struct core *core, const struct task *task)
{
    return !task->keyed || list_empty(&lent_of(core, task)->sessions);
}

/* The lease that had it ended. */
void
lent_drop(struct core *core, struct task *task)
{
    struct lent *lent = lent_of(core, task);

    assert(list_empty(&lent->sessions));
    map_remove(&core->lent_tasks, task_key(task->job->id, task->index));
    map_remove(&core->lent_keys, lent_hash(lent_bytes(lent)));
    task->keyed = false;
    free(lent);
}

void
lent_free(struct core *core)
{
    struct lent *lent;
    size_t       cursor = 0;

    while ((lent = map_next(&core->lent_tasks, &cursor, NULL)) != NULL) {
        while (!list_empty(&lent->sessions)) {
            struct session *session = CONTAINER(lent->sessions.next, struct session, lent_link);

            list_remove(&session->lent_link);
            session->lent = NULL;
        }
        lent->task->keyed = false;
        free(lent);
    }
    map_free(&core->lent_tasks);
    map_free(&core->lent_keys);
    buffer_free(&core->lent_loaded);
}

/* ---- the object of a job that asked for keys ---- */

enum { LENT_VERSION = 1 };

static void
put_one(const struct lent *lent, struct buffer *out)
{
    uint64_t sessions = 0;

    for (const struct list *at = lent->sessions.next; at != &lent->sessions; at = at->next)
        sessions++;
    write_varint(out, lent->task->index);
    buffer_append(out, lent->key, sizeof(lent->key));
    record_put_bytes(out, slice_text(lent->address));
    write_varint(out, sessions);
    for (const struct list *at = lent->sessions.next; at != &lent->sessions; at = at->next)
        write_varint(out, CONTAINER(at, struct session, lent_link)->id);
}

void
lent_put(const struct core *core, const struct job *job, struct buffer *out)
{
    struct task_walk walk = { 0 };
    uint64_t         count = 0;

    if (job->total > 0)
        task_walk_begin(&walk, core, job, 0, job->total - 1);
    for (uint32_t i = 0; i < walk.live_count; i++)
        count += walk.live[i]->keyed;
    write_u8(out, LENT_VERSION);
    write_varint(out, count);
    for (uint32_t i = 0; i < walk.live_count; i++) {
        if (walk.live[i]->keyed)
            put_one(lent_of(core, walk.live[i]), out);
    }
    task_walk_end(&walk);
}

/* Is it as lent_put() writes it? */
static bool
shape_good(struct slice bytes)
{
    struct reader in = reader_of(bytes);
    uint8_t       version = read_u8(&in);
    uint64_t      count = read_varint(&in);

    for (uint64_t i = 0; i < count && !in.bad; i++) {
        uint64_t sessions;

        (void)read_varint(&in);
        (void)read_raw(&in, KEY_PUBLIC_BYTES);
        (void)record_get_bytes(&in, LENT_ADDRESS_BYTES_MAX);
        sessions = read_varint(&in);
        for (uint64_t j = 0; j < sessions && !in.bad; j++)
            (void)read_varint(&in);
    }
    return version == LENT_VERSION && read_ended(&in);
}

/* Jobs, their tasks and the sessions may come behind it. */
bool
lent_load(struct core *core, uint64_t id, struct slice bytes)
{
    if (!shape_good(bytes))
        return false;
    write_u64(&core->lent_loaded, id);
    write_bytes(&core->lent_loaded, bytes);
    return true;
}

static bool
load_one(struct core *core, struct job *job, struct reader *in)
{
    uint64_t     index = read_varint(in);
    struct slice key = read_raw(in, KEY_PUBLIC_BYTES);
    struct slice address = record_get_bytes(in, LENT_ADDRESS_BYTES_MAX);
    uint64_t     sessions = read_varint(in);
    struct task *task = in->bad ? NULL : lent_task(core, job->id, index);
    struct lent *lent;

    if (!lent_fits(core, task, key, address))
        return false;
    lent = lent_add(core, task, key, address);
    for (uint64_t i = 0; i < sessions; i++) {
        struct session *session = map_get(&core->sessions, read_varint(in));

        if (in->bad || !session_fits(session, task))
            return false;
        session_bind(session, lent);
    }
    return true;
}

static bool
load_job(struct core *core, uint64_t id, struct slice bytes)
{
    struct reader in = reader_of(bytes);
    struct job   *job = job_find(core, id);
    uint64_t      count;

    if (job == NULL || job->own_key)
        return false;
    job->own_key = true;
    (void)read_u8(&in);             /* its shape was looked at before */
    count = read_varint(&in);
    for (uint64_t i = 0; i < count; i++) {
        if (!load_one(core, job, &in))
            return false;
    }
    return read_ended(&in);
}

bool
lent_link(struct core *core)
{
    struct reader in = reader_of(buffer_slice(&core->lent_loaded));
    bool          good = true;

    while (good && read_left(&in) > 0) {
        uint64_t id = read_u64(&in);

        good = load_job(core, id, read_bytes(&in, SIZE_MAX));
    }
    buffer_free(&core->lent_loaded);
    return good;
}

/* ---- invariants ---- */

void
lent_verify(const struct core *core)
{
    const struct lent *lent;
    size_t             cursor = 0, sessions = 0;

    assert(core->lent_tasks.count == core->lent_keys.count);
    while ((lent = map_next(&core->lent_tasks, &cursor, NULL)) != NULL) {
        const struct task *task = lent->task;

        assert(lent_of(core, task) == lent && lent_find(core, lent_bytes(lent)) == lent);
        assert(task->keyed && task->state == TASK_LEASED && task->job->own_key);
        for (const struct list *at = lent->sessions.next; at != &lent->sessions; at = at->next) {
            const struct session *session = CONTAINER(at, struct session, lent_link);

            assert(session->lent == lent && session->user == task->job->user);
            sessions++;
        }
    }
    for (uint32_t i = 0; i < core->session_order.count; i++) {
        const struct session *session = map_get(&core->sessions,
                                                order_at(&core->session_order, i));

        sessions -= session->lent != NULL;
    }
    assert(sessions == 0);
}
