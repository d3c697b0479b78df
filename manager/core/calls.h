/* calls.h - what the files of this folder call of each other (private to it)
 *
 * Included by state.h, behind what it says; each part belongs to the file that it
 * is named after.
 */
#ifndef CALLS_H
#define CALLS_H

/* So many things were looked at or moved beyond what a request brought: core_work(). */
static inline void
core_worked(struct core *core, uint64_t count)
{
    core->work += count;
}

/* The hash of bytes that others choose: they cannot make them collide. */
static inline uint64_t
core_hash(const struct core *core, struct slice bytes)
{
    return siphash(core->config.seed, bytes);
}

/* ---- names.c: what is looked up by name ---- */
struct name *name_take(struct core *core, struct slice text);     /* interns, counts */
struct name *name_find(const struct core *core, struct slice text);
void         name_drop(struct core *core, struct name *name);
struct user *user_take(struct core *core, struct slice name);
struct user *user_find(const struct core *core, struct slice name);
void         order_add(struct order *order, uint64_t id);
void         order_remove(struct order *order, uint64_t id);
static inline uint64_t
order_at(const struct order *order, uint32_t at)
{
    assert(at < order->count);
    return order->ids[order->head + at];
}
/* Place of the first id >= `id`. */
uint32_t     order_find(const struct order *order, uint64_t id);
void         names_free(struct core *core);

/* ---- refs.c ---- */
void              refs_add(struct refs **refs, const struct ref *ref);
static inline uint32_t
refs_count(const struct refs *refs)
{
    return refs != NULL ? refs->count : 0;
}
/* The last one whose `a` is <= at; NULL when there is none. For items and stdin. */
const struct ref *refs_find(const struct refs *refs, uint32_t at, uint32_t *hint);

/* ---- class.c ---- */
struct class *class_take(struct core *core, const struct wire_needs *needs);
void          class_drop(struct core *core, struct class *class);
/* Put a decoded wire_needs into the form in which equal needs are equal bytes.
 * INVALID: *what_out says why. */
muster_err    class_canonical(const struct wire_needs *needs, struct buffer *out,
                              const char **what_out);
/* Could this worker ever run it? */
bool          class_suits(struct class *class, struct worker *worker);
/* How many more tasks fit now. */
uint32_t      class_room(const struct class *class, const struct worker *worker);
/* The job's place in its line follows from its state: call after each change. */
void          class_refresh(struct core *core, struct job *job);
/* Out of its line until the next class_refresh(). */
void          class_leave(struct core *core, struct job *job);
/* The line in which it stands when it can run. */
struct line  *class_line(const struct job *job);
/* Jobs or shares came or left. */
void          class_line_changed(struct core *core, struct line *line);
/* Back among the classes that may be served. */
void          class_restore(struct core *core, struct class *class);
/* The best line of a class after its owners' shares were brought up to date. */
struct line  *class_best(struct core *core, struct class *class);
void          classes_free(struct core *core);

/* ---- cap.c ---- */
/* The cap that the job shares or led; NULL: none (yet). */
const struct cap *cap_of(const struct core *core, uint64_t job);
/* May the job, which shares none, share that of the lead? */
bool          cap_possible(const struct core *core, const struct job *job, uint64_t lead);
/* From now on the job, and its lead if it is still there, share a cap. */
void          cap_join(struct core *core, struct job *job, uint64_t lead);
void          cap_leave(struct core *core, struct job *job);   /* when it is forgotten */
void          cap_enter(struct core *core, struct job *job);   /* it can run ... */
void          cap_exit(struct core *core, struct job *job);    /* ... or cannot any more */
void          cap_changed(struct core *core, struct job *job); /* how many of it run */
void          caps_start(struct core *core);                   /* before its jobs enter */
/* The job to serve instead of any of the share's, perhaps of another class. */
struct job   *cap_turn(struct core *core, const struct share *share);
void          caps_restore(struct core *core);                 /* the round is over */
/* Tasks that the job whose turn it is may start: there is room for one. */
uint32_t      cap_room(const struct cap *cap);
void          cap_served(struct job *job);

/* ---- task.c ---- */
static inline uint64_t
task_key(uint64_t job, uint32_t index)
{
    return job << JOB_KEY_SHIFT | index;
}
struct task *task_new(struct core *core, struct job *job, uint32_t index);
void         task_free(struct core *core, struct task *task);
static inline struct task *
task_find(const struct core *core, uint64_t job, uint32_t index)
{
    return map_get(&core->tasks, task_key(job, index));
}
/* The only function that assigns task->state after creation. */
void         task_move(struct task *task, enum wire_task_state next);
static inline uint32_t
task_attempt(const struct task *task)
{
    return (uint32_t)task->failures + task->losses + 1;
}
struct wire_token task_token(const struct task *task);
bool         token_equal(const struct wire_token *mine, const struct wire_token *shown);

/* Tasks of a job as runs in the same state, in the order of their indexes. */
struct task_run {
    uint32_t            first, last;
    enum wire_task_state state;
    const struct task  *task;          /* NULL: not alive */
};
struct task_walk {
    const struct core  *core;
    const struct job   *job;
    const struct task **live;          /* sorted by index */
    uint32_t            live_count, live_at;
    uint64_t            next, end;
};
/* Costs O(n log n) for those that live, or O(last - first) when that is less. */
void task_walk_begin(struct task_walk *walk, const struct core *core, const struct job *job,
                     uint32_t first, uint32_t last);
bool task_walk_next(struct task_walk *walk, struct task_run *run_out);
void task_walk_end(struct task_walk *walk);

/* ---- job.c ---- */
struct job  *job_find(const struct core *core, uint64_t id);
static inline bool
job_ended(const struct job *job)
{
    return job->state >= JOB_SUCCEEDED;
}
enum wire_job_state job_state(const struct core *core, const struct job *job);
struct wire_counts  job_counts(const struct job *job);
struct active *job_active(struct job *job);
struct marks  *job_marks(struct job *job);
bool           job_is_single(const struct job *job);
bool           job_complete(const struct job *job);
bool           job_runnable(const struct core *core, const struct job *job);
/* Tasks that could be leased now, were there no running_max. */
uint64_t       job_ready_count(const struct job *job);
void           job_touch(struct core *core, struct job *job);
void           job_dirty(struct core *core, struct job *job);
void           job_forget_active(struct core *core, struct job *job);
void           job_free(struct core *core, struct job *job);
void           job_wait(struct core *core, struct job *job);    /* starts the timer of its delay */
void           job_edges_add(struct core *core, struct job *job);
void           job_edges_remove(struct core *core, struct job *job);
void           job_dedup_add(struct core *core, struct job *job);
uint64_t       job_dedup_hash(const struct core *core, const struct user *user, uint64_t hi,
                              uint64_t lo);
/* The job if `session` may see it; else answers NOT_FOUND. */
struct job    *job_asked(struct core *core, const struct session *session, uint64_t request,
                         uint64_t id, struct effects *fx);
/* What becomes of those that are leased. */
enum job_force { JOB_TERM, JOB_KILL, JOB_LET_RUN };
/* Stop tasks first..last, which must be in the job; `state` is CANCELLED or
 * FAILED.  Returns how many. */
uint64_t       job_stop(struct core *core, struct job *job, uint32_t first, uint32_t last,
                        enum wire_task_state state, enum wire_outcome outcome, bool close,
                        enum job_force force, const char *reason, struct effects *fx);
void           job_reason(struct core *core, struct job *job, struct effects *fx,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));
void           job_check_halt(struct core *core, struct job *job, struct effects *fx);
/* End it if nothing is left to do; fail or release those that wait for it. */
void           job_settle(struct core *core, struct job *job, struct effects *fx);
void           job_prune(struct core *core, struct effects *fx);

/* ---- session.c, worker.c ---- */
struct session *session_new(struct core *core, uint64_t id);
/* Whose it is: once, when that is known. */
void     session_belongs(struct core *core, struct session *session, enum wire_role role,
                         struct slice user);
void     session_free(struct core *core, struct session *session);
void     session_dirty(struct core *core, struct session *session);
void     session_end(struct core *core, struct session *session, struct effects *fx);
void     session_expire(struct core *core, struct effects *fx);
void     session_term(struct core *core, struct session *session);
void     worker_new(struct core *core, struct session *session);
void     worker_free(struct core *core, struct worker *worker);
/* It is reachable and willing to take leases. */
bool     worker_willing(const struct core *core, const struct worker *worker);
void     worker_refresh(struct core *core, struct worker *worker);   /* its place in core->roomy */
/* Classes that found no room there may find some now. */
void     worker_grown(struct core *core, struct worker *worker);
/* `core->grant_ahead` says whether the lease is one beyond what fits. */
void     worker_take(struct core *core, struct worker *worker, struct task *task);
void     worker_release(struct core *core, struct worker *worker, struct task *task);
void     worker_done(struct worker *worker, const struct wire_token *token);
bool     worker_was_done(const struct worker *worker, const struct wire_token *token);
void     worker_away(struct core *core, struct worker *worker);
void     worker_lose(struct core *core, struct worker *worker, struct effects *fx);

/* ---- result.c ---- */
void result_add(struct core *core, struct job *job, uint32_t index, uint32_t count,
                uint32_t attempt, struct slice worker, const struct wire_result *result,
                struct effects *fx);
void result_close(struct core *core, struct job *job, struct effects *fx);
void result_answer(struct core *core, struct job *job, struct effects *fx);
void result_deadlines(struct core *core, struct effects *fx);
void poll_free(struct core *core, struct poll *poll);
void result_free_pool(struct core *core);

/* ---- follow.c ---- */
void watch_free(struct core *core, struct watch *watch);
void watch_leased(struct core *core, struct task *task);
void watch_ended(struct core *core, struct task *task, struct effects *fx);
void watch_tell(struct core *core, struct effects *fx);

/* ---- lent.c: keys of tasks ---- */
struct lent *lent_find(const struct core *core, struct slice key);   /* NULL: nobody's */
/* May who proved this key open a session with it?  `lent` NULL: no. */
bool lent_admits(const struct lent *lent, const struct core_from *from);
/* HELLO with this key opened a session. */
void lent_opened(struct core *core, const struct session *session, const struct lent *lent,
                 struct effects *fx);
/* The lease of a task with a key is about to end: its sessions end before. */
void lent_end(struct core *core, struct task *task, struct effects *fx);
bool lent_may_end(const struct core *core, const struct task *task);
void lent_drop(struct core *core, struct task *task);
void lent_session_gone(struct core *core, struct session *session);
/* Tells the keys of all recovered leases. */
void lent_start(const struct core *core, struct effects *fx);
void lent_put(const struct core *core, const struct job *job, struct buffer *out);
bool lent_load(struct core *core, uint64_t id, struct slice bytes);
bool lent_link(struct core *core);
void lent_verify(const struct core *core);
void lent_free(struct core *core);

/* ---- logs.c ---- */
void log_wait_free(struct core *core, struct log_wait *wait);
void logs_turn(struct core *core, struct effects *fx);

/* ---- schedule.c, lease.c ---- */
/* The task that the token proves a lease of, NULL: none of this worker. */
struct task *lease_find(const struct core *core, const struct worker *worker,
                        const struct wire_token *token);
void schedule_run(struct core *core, struct effects *fx);
void schedule_unreserve(struct core *core);
void lease_timers(struct core *core);
void lease_wait(struct core *core, struct task *task);    /* starts the timer of its retry */
/* A lease ended without a result. */
void lease_lost(struct core *core, struct task *task, struct effects *fx);
void lease_returned(struct core *core, struct task *task, struct effects *fx);

/* ---- why.c ---- */
/* Appends why no connected worker could ever run the class; nothing if one could. */
void why_never(struct core *core, struct class *class, struct buffer *out);

/* ---- apply.c ---- */
/* Encode a fact into the turn and apply it. */
void core_fact(struct core *core, struct effects *fx, const struct record *record);
/* Does the fact fit the state?  For what is read from a store. */
bool apply_check(const struct core *core, const struct record *record);
void apply_record(struct core *core, const struct record *record);

/* ---- snapshot.c ---- */
enum object_kind {
    OBJECT_META = 1, OBJECT_SESSION = 2, OBJECT_JOB = 3,
    OBJECT_REFS = 4,               /* .. 4 + REFS_KINDS - 1; id = job << 24 | chunk */
    OBJECT_HEAD = 8, OBJECT_PIECE = 9,     /* of a shared object; id = object << 24 | piece */
    OBJECT_TIES = 10, OBJECT_ANSWERS = 11, /* of a session */
    OBJECT_KEYS = 12,              /* of the tasks of a job that asked for them */
};
/* A varint of at most `max`; else the reader is bad. */
uint64_t snapshot_number(struct reader *in, uint64_t max);
/* snapshot_sessions.c */
void snapshot_put_session(const struct session *session, struct buffer *out);
bool snapshot_load_session(struct core *core, uint64_t id, struct reader *in);
void snapshot_put_all(const struct core *core, struct buffer *out);
void snapshot_gone(struct core *core, uint32_t kind, uint64_t id);
void snapshot_job_gone(struct core *core, const struct job *job);

/* ---- handlers of messages, one table in core.c ---- */
struct step {
    struct session         *session;
    uint64_t                request;
    struct effects         *fx;
    const struct core_from *from;
};
typedef void step_fn(struct core *core, const struct step *step, const union wire_any *m);
step_fn step_goodbye, step_beat, step_worker_join, step_worker_holds, step_worker_drain,
        step_task_finish, step_task_return, step_task_output, step_result_chunk, step_stdin_get,
        step_job_submit, step_job_items, step_job_stdin, step_job_close, step_job_cancel,
        step_job_retry, step_job_get, step_job_list, step_results, step_result, step_output,
        step_task_list, step_follow, step_why, step_worker_list, step_drain, step_shutdown,
        step_task_key, step_log_put,
        step_log_get;
/* A token that is no lease: answers STALE. */
void lease_stale(struct core *core, const struct step *step, const struct wire_token *token);
void session_hello(struct core *core, const struct core_from *from, uint64_t request,
                   const struct msg_hello *m, struct effects *fx);

#endif
