/* state.h - what the core remembers (private to this folder)
 *
 * 1. Durable state changes in apply.c, and in what it calls, and nowhere else.
 *    Volatile members are marked (v): a restart without them loses nothing.
 * 2. What is derived from durable state is marked (d): load and replay make it
 *    again.
 */
#ifndef STATE_H
#define STATE_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "heap.h"
#include "idset.h"
#include "list.h"
#include "map.h"
#include "parse.h"
#include "record.h"

/* A token's epoch: the manager's in the upper bits, the turn's below it, so
 * that a task given back and leased again never has a token twice. */
#define CORE_EPOCH_SHIFT 40

enum {
    JOB_KEY_SHIFT     = 30,        /* (job, index) in 64 bits */
    REFS_CHUNK        = 4096,      /* references in one stored object */
    DONE_MAX          = 256,       /* tokens remembered per worker, for repeated FINISHes */
    RESULT_BLOCKS_MAX = 32,        /* offered to one RESULTS_GET */
    CHUNKS_MAX        = 8192,      /* of both streams of a lease: twice what whole ones need */
    FAULT_MS          = 2000,      /* a worker that cannot run anything is left alone so long */
    QUICK_US          = 20 * 1000, /* a finish below it widens the window of its worker ... */
    LONG_US           = 100 * 1000,/* ... one above it closes the window */
    CLASS_RESERVE_MS  = 1000,      /* a class that found no room for so long gets a reservation */
    STALL_MS          = 1000,      /* called so much too late, the core extends all terms */
};

static_assert(TASKS_PER_JOB_MAX <= 1 << JOB_KEY_SHIFT, "an index must fit its key");
static_assert(CHUNKS_MAX >= 2 * (OUTPUT_BYTES_MAX / CHUNK_BYTES_MAX + 1),
              "the largest output must fit its chunks");

/* ---- names: queues, labels, resources; interned while someone uses them ---- */
struct name {
    struct name *next;             /* of the same hash */
    uint64_t     number;
    uint32_t     refs;
    struct slice text;             /* 0-terminated */
};

/* ---- ids in ascending order, for lists of jobs ---- */
struct order {
    uint64_t *ids;                 /* those in use begin at `head` */
    uint32_t  head, count, capacity;
};

struct user {                      /* (d) */
    struct user *next;             /* of the same hash */
    uint64_t     number;
    uint32_t     unfinished;
    struct order jobs;
    uint64_t     served;           /* (v) cost of what was leased to it, for fair share */
    uint32_t     lines;            /* (v) of it that have ready work */
    struct slice name;             /* 0-terminated */
};

/* ---- growing lists of bodies; append-only, stored in objects of REFS_CHUNK ---- */
enum refs_kind { REFS_ITEMS, REFS_RESULTS, REFS_OUTPUTS, REFS_STDIN, REFS_KINDS };

/*            a              b              c
 *   items    first index    count          -
 *   results  lowest index   highest index  -
 *   outputs  index          offset         bytes << 1 | stream
 *   stdin    offset         bytes          -                        */
struct ref {
    uint32_t body, a, b, c;
};

struct refs {
    uint32_t   count, capacity;
    uint32_t   saved;              /* (v) in objects of an earlier checkpoint */
    bool       changed;            /* (v) so were those that are saved */
    struct ref items[];
};

/* ---- classes: tasks of equal needs ---- */
struct need {
    struct name *name;
    uint64_t     amount;
};

struct class {                     /* (d) */
    struct class *next;            /* of the same hash */
    uint64_t      number, hash;
    uint32_t      refs;            /* jobs */
    uint32_t      slot;            /* index into worker->fits */
    struct slice  bytes;           /* canonical wire_needs */
    struct name  *queue;
    struct name  *function;        /* NULL: commands */
    uint32_t      cpus_milli;
    uint64_t      mem_bytes;
    struct need   needs[RESOURCES_MAX];
    uint32_t      need_count;
    struct name  *labels[LABELS_MAX];
    uint32_t      label_count;
    struct map    line_map;        /* (v) user and priority -> line */
    struct heap   lines;           /* (v) that have ready jobs; best first */
    struct heap_node place;        /* (v) in core->classes while it has ready lines */
    struct list   aside;           /* (v) blocked in this round */
    uint64_t      blocked_ms;      /* (v) no worker has had room for it since; 0 = had */
};

struct line {                      /* (v) ready jobs of one class, owner and priority */
    struct class    *class;
    struct user     *user;
    uint64_t         rank;         /* 0 = highest priority */
    struct heap      jobs;         /* oldest first; without those that share a cap */
    struct heap      shares;       /* of caps that have room; oldest job first */
    struct heap_node place;        /* in class->lines */
};

/* ---- caps: jobs that share a running_max; see cap.c ---- */
struct cap {                       /* (d) */
    uint64_t     lead;             /* the job that it is named after */
    struct user *user;
    uint32_t     max, running;
    uint32_t     members;          /* its jobs, ended ones, too */
    struct list  shares;
    uint32_t     ready;            /* (v) jobs in its shares */
    uint64_t     turn;             /* (v) given out last */
    bool         open;             /* (v) it had room when its shares were looked at */
};

struct share {                     /* (d) of a cap in a line */
    struct cap      *cap;
    struct line     *line;
    uint32_t         members;
    struct list      link;         /* in cap->shares */
    struct heap      jobs, turns;  /* (v) */
    struct heap_node place;        /* (v) in line->shares */
};

struct member {                    /* (d) what a job of a cap has besides */
    struct cap      *cap;
    struct job      *job;
    struct share    *share;
    struct heap_node turn;         /* (v) in share->turns */
};

/* ---- jobs ---- */
struct edge {                      /* (d) `waiter` has `on` in its AFTER */
    struct list link;
    struct job *waiter;
    uint64_t    on;
    uint32_t    bit;
};

struct after {
    uint64_t    waits;             /* bit i: edges[i].on has not succeeded yet */
    uint32_t    count;
    struct edge edges[];
};

struct marks {                     /* of tasks that were leased or skipped */
    struct idset failed, cancelled, again;
};

struct gather {                    /* (v) result entries of this turn */
    struct gather *next;           /* in the pool */
    struct buffer  bytes;
    uint32_t       first, last;
};

/* What only a job has of which something runs, waits or is watched. */
struct active {                    /* (d) */
    struct list      live;         /* tasks: leased, ready again, waiting for a retry */
    struct list      ready;        /* of them, in the order in which they came back */
    uint32_t         live_count, ready_count;
    struct gather   *gather;       /* (v) */
    struct list      polls;        /* (v) */
    struct list      touched;      /* (v) to be looked at when the turn ends */
    struct heap_node timer;        /* (v) its delay */
    struct job      *job;
    uint32_t         item_hint;    /* (v) where the last item was found */
};

struct job {
    uint64_t       id;
    struct user   *user;
    struct class  *class;
    char          *name;
    char          *reason;         /* NULL: ended plainly, or not at all */
    struct after  *after;          /* NULL: none */
    struct marks  *marks;          /* NULL: all empty */
    struct active *active;         /* NULL: nothing */
    struct member *member;         /* (d) NULL: running_max is for it alone */
    struct refs   *refs[REFS_KINDS];
    uint64_t       dedup_hi, dedup_lo, content_hash;
    struct job    *dedup_next;     /* (d) of the same hash */
    uint64_t       submitted_unix_ms, ended_unix_ms, ready_unix_ms;
    uint64_t       number_first, number_step;
    uint64_t       cap_with;       /* lead of its cap; 0 = it leads or is alone */
    uint64_t       session;        /* bound to; 0 = none */
    struct list    link;           /* (d) in its session's jobs; ended: in core->finished */
    struct list    dirty;          /* (v) changed since the last checkpoint */
    struct heap_node ready;        /* (v) in its line, or in its share of a cap */
    uint32_t       total;          /* tasks known so far */
    uint32_t       running, succeeded, failed, cancelled;
    uint32_t       cursor;         /* tasks below it were leased, or are in marks */
    uint32_t       cut;            /* tasks from here on were stopped without running */
    uint32_t       fresh;          /* (d) in cursor .. cut, not marked: never leased */
    uint32_t       body_next;
    uint32_t       running_max, fail_max, retry_delay_ms;
    uint32_t       stdin_bytes, stdin_have, output_bytes;
    uint32_t       ended_turn;     /* (v) low bits of the turn in which it ended */
    uint16_t       attempts_max, lost_max;
    int16_t        priority;
    uint8_t        fail_percent;
    uint8_t        state;          /* a final one, or JOB_QUEUED: see job_state() */
    bool           items;          /* SOURCE_ITEMS */
    bool           closed;         /* no more items come */
    bool           cut_failed;     /* what was cut failed; else: was cancelled */
    bool           own_key;        /* each of its tasks gets a key: lent.c */
    bool           delayed;        /* (v) its timer runs */
    bool           stub;           /* (v) its object has not been loaded yet */
    bool           stored;         /* (v) has an object in the store */
};

/* ---- tasks that live: see task.c ---- */
struct output {                    /* chunks of a leased task, not yet of the job */
    struct ref *items;
    uint32_t    count, capacity;
};

struct task {
    struct job    *job;
    struct worker *worker;         /* LEASED */
    union {
        struct list      link;     /* LEASED: in the worker's leases; READY: in active->ready */
        struct heap_node timer;    /* WAITING (v) */
    };
    struct list    job_link;       /* in active->live */
    struct output *output;         /* NULL: none */
    uint64_t       mark;           /* LEASED: the token's epoch, else ready at this unix time */
    uint64_t       since_ms;       /* (v) */
    uint32_t       index;
    uint32_t       pid;            /* (v) 0 = not started as far as we know */
    uint16_t       failures, losses;
    uint8_t        state;          /* enum wire_task_state */
    bool           stopping : 1;   /* to be cancelled when its lease ends */
    bool           keyed : 1;      /* LEASED: it has a key, see lent.c */
    bool           ahead : 1;      /* (v) leased beyond what fits: in worker->ahead */
    bool           watched : 1;    /* (v) someone follows its output */
};

static_assert(sizeof(struct task) <= 96, "a live task must stay small");

/* ---- sessions and workers ---- */
struct session {
    uint64_t         id, secret;
    enum wire_role   role;
    struct user     *user;
    struct worker   *worker;       /* role worker, else NULL */
    struct lent     *lent;         /* the key that opened it, of a task; NULL: one that stays */
    struct list      lent_link;    /* in lent->sessions */
    struct list      jobs;         /* (d) bound to it, unfinished */
    struct list      dirty;        /* (v) */
    struct list      polls, watches;  /* (v) */
    uint32_t         poll_count, watch_count;  /* (v) */
    struct heap_node timer;        /* (v) */
    struct list      ties;         /* struct tie, in the order in which they were made */
    struct tree      kept;         /* struct kept, by request */
    uint64_t         kept_bytes;   /* (d) of memory */
    uint64_t         request_high; /* (v) of all that made an answer or a wait */
    struct list      waits;        /* (v) struct wait, in the order in which they came */
    struct map       wait_map;     /* (v) by request */
    struct list      ties_dirty, answers_dirty;    /* (v) */
    uint64_t         heard_ms;     /* (v) */
    uint32_t         pid;          /* (v) */
    bool             connected, slow;  /* (v) */
    bool             reborn;       /* (v) resumed by another process than it had */
    bool             stub, stored; /* (v) as in struct job */
    bool             ties_stored, answers_stored;  /* (v) */
    char             host[NAME_BYTES_MAX + 1];  /* (v) */
};

struct stock {
    struct name *name;
    uint64_t     amount, free;
};

struct worker {
    struct session  *session;
    char             name[NAME_BYTES_MAX + 1];
    struct wire_token *done;       /* ring of DONE_MAX, allocated when needed */
    uint32_t         done_count, done_next;
    struct list      all;          /* in core->workers (d) */
    struct list      leases;       /* that fit */
    struct list      ahead;        /* beyond, oldest first; after a restart all are in `leases` */
    uint32_t         lease_count, ahead_count;
    /* all below (v) */
    bool             joined;       /* has told what it holds */
    bool             joining;      /* is telling */
    bool             draining;     /* by its own word */
    bool             drained;      /* by an admin's */
    bool             roomy;        /* in core->roomy */
    uint64_t         hold_round;
    uint64_t         fault_until_ms;
    char            *fault_text;   /* what it says of its fault; NULL = nothing */
    struct heap_node fault;
    struct list      room;
    uint32_t         cpus_milli;
    int64_t          cpus_free_milli;
    uint64_t         mem_bytes, mem_free;
    struct stock     stock[RESOURCES_MAX];
    struct name     *labels[LABELS_MAX];
    struct name     *queues[QUEUES_MAX];
    uint32_t         stock_count, label_count, queue_count;
    struct name    **functions;    /* that it can call */
    uint32_t         function_count, function_capacity;
    uint32_t         window, allowance;
    uint64_t         finished;
    struct map       holds;        /* tokens named while joining: task -> task */
    uint8_t         *fits;         /* by class slot: 0 unknown, 1 yes, 2 no */
    uint32_t         fits_count;
};

/* ---- keys of tasks: see lent.c ---- */
enum { LENT_ADDRESS_BYTES_MAX = 63 };

struct lent {
    struct task *task;             /* LEASED */
    struct list  sessions;         /* that it opened, in this order */
    uint8_t      key[KEY_PUBLIC_BYTES];
    char         address[LENT_ADDRESS_BYTES_MAX + 1];   /* of the worker that made it */
};

/* ---- long polls and followers (v) ---- */
struct poll {
    struct session  *session;
    struct job      *job;
    uint64_t         request, cursor;
    struct heap_node timer;
    struct list      job_link, session_link;
    bool             brief;
};

struct watch {
    struct session *session;
    uint64_t        request;
    uint64_t        job;
    uint32_t        index;
    struct list     task_link;     /* in the ring of its task */
    struct list     session_link;
};

struct core {
    struct core_config config;
    uint64_t     epoch;
    uint64_t     job_last, session_last;
    struct map   sessions, jobs;   /* by id */
    struct map   names, users, class_map, dedup;   /* by hash (d) */
    struct map   caps;             /* by the id of the lead (d) */
    struct map   tasks;            /* by job and index (d) */
    struct list  workers;          /* (d) */
    struct map   waiters;          /* job -> ring of edges (d) */
    struct map   lent_keys, lent_tasks;            /* (d) by key, by job and index */
    struct order session_order, job_order;         /* (d) */
    struct list  finished;         /* (d) jobs, in the order in which they ended */
    uint64_t     name_last, user_last, class_last;
    struct class **class_slots;    /* (d) by slot, NULL = free */
    uint32_t     class_slot_count, class_slot_capacity;
    uint64_t     object_last, tie_last, body_owner_last;
    struct map   objects, object_names;    /* (d) by id, by number of the name */
    struct map   ties;             /* by hash of session and object (d) */
    struct order object_order;     /* (d) that have names; object_lost of them are gone */
    uint32_t     object_lost;
    uint64_t     object_bytes, answer_bytes;       /* (d) of all contents, all kept answers */
    struct map   loose_bodies;     /* owners of bodies of transient objects: what a restart drops */
    struct task *task_free;        /* (v) linked by job_link.next */
    void       **slabs;
    uint32_t     slab_count, slab_capacity;
    /* all below (v) */
    bool         linked;           /* all objects are loaded and connected */
    bool         started, low, stopping;
    uint64_t     now_ms, unix_offset;  /* unix = now + offset, wrapping */
    uint64_t     started_ms;
    uint64_t     turn, lease_epoch;
    struct heap  terms, delays, retries, deadlines, faults;
    struct heap  classes;          /* that have ready work */
    struct list  roomy;            /* workers that may have room */
    uint32_t     roomy_count;
    bool         grant_ahead;      /* what TASKS_LEASED grants now is beyond what fits */
    bool         schedule;         /* something changed that the scheduler should see */
    struct class *reserved_for;    /* NULL: nothing is reserved */
    struct worker *reserved;
    uint64_t     reserve_at_ms;    /* look for a worker to reserve; UINT64_MAX: no need */
    uint64_t     served;           /* of the owner served last */
    struct list  touched;
    struct list  dirty_jobs, dirty_sessions, dirty_objects, dirty_ties, dirty_answers;
    bool         dirty;            /* ids or epoch changed */
    struct buffer gone;            /* u32 kind, u64 id of objects to drop */
    struct map   watched;          /* (job, index) -> ring of watches */
    struct buffer watch_news;      /* keys of leased tasks whose workers must hear of followers */
    struct list  objects_touched, waits_woken;     /* to be looked at */
    struct list  objects_dead;     /* to be freed */
    struct buffer dying;           /* ids: perhaps nobody needs them any more */
    struct heap  wait_ends, alarms;    /* by now_ms, and by the wall clock */
    uint64_t     wait_last, wait_bytes;    /* place given out last; of all waits */
    uint32_t     wait_count;
    struct wait *wait_hint;        /* the one that came back last */
    struct list *settle_at;        /* the lane link to be looked at next */
    struct did  *did;              /* the fact being applied: object.c */
    uint64_t     work;             /* core_work() */
    const struct object *deciding; /* the object of the decide that runs */
    struct buffer bodies_gone, loose_news; /* u64 owners; u64 owner, u64 gone: by objects_settle */
    uint64_t     loose_last;       /* owners given to transient objects in this epoch */
    bool         bad;              /* a noun refused a fact */
    struct buffer loaded;          /* objects that wait for all others: snapshot_objects.c */
    struct buffer lent_loaded;     /* the same of lent.c */
    struct gather *gather_pool;
    struct buffer scratch, scratch2;
    struct core_counters counters;
};

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
struct job   *cap_turn(const struct share *share);
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
uint64_t       job_dedup_hash(const struct user *user, uint64_t hi, uint64_t lo);
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
        step_task_key;
/* A token that is no lease: answers STALE. */
void lease_stale(struct core *core, const struct step *step, const struct wire_token *token);
void session_hello(struct core *core, const struct core_from *from, uint64_t request,
                   const struct msg_hello *m, struct effects *fx);

static inline uint64_t
core_unix_ms(const struct core *core)
{
    return core->now_ms + core->unix_offset;
}

#define SLICE_ARGS(s) (int)(s).bytes, (const char *)(s).data

#endif
