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
#include "logs.h"
#include "map.h"
#include "parse.h"
#include "record.h"
#include "siphash.h"
#include "treap.h"

/* A token's epoch: the manager's in the upper bits, the turn's below it, so
 * that a task given back and leased again never has a token twice. */
#define CORE_EPOCH_SHIFT 40

enum {
    JOB_KEY_SHIFT     = 30,        /* (job, index) in 64 bits */
    REFS_CHUNK        = 4096,      /* references in one stored object */
    DONE_MAX          = 256,       /* tokens remembered per worker, for repeated FINISHes */
    RESULT_BLOCKS_MAX = 32,        /* offered to one RESULTS_GET */
    CHUNKS_MAX        = 32768,     /* of both streams of a lease, when they are filled */
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
    uint32_t     clients;          /* sessions of role client */
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
    uint64_t      looked;          /* (v) core->room_clock when none had; 0: look at all */
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
    struct heap  turns;            /* (v) its shares that have jobs */
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
    struct heap_node turn;         /* (v) in cap->turns */
    struct list      aside;        /* (v) in core->shares_aside instead: its class is aside */
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
    struct list      polls, watches, log_waits;  /* (v) */
    uint32_t         poll_count, watch_count;  /* (v) polls and log_waits; watches */
    struct heap_node timer;        /* (v) */
    struct list      ties;         /* struct tie, in the order in which they were made */
    struct treap     kept;         /* struct kept, by request */
    uint64_t         kept_bytes;   /* (d) of memory */
    uint64_t         request_high; /* (v) of all that made an answer or a wait */
    struct list      waits;        /* (v) struct wait, in the order in which they came */
    struct map       wait_map;     /* (v) by wait_key() */
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
    bool             roomy;        /* in core->roomy and core->grown */
    uint64_t         grew;         /* core->room_clock when it had more room the last time */
    uint64_t         hold_round;
    uint64_t         fault_until_ms;
    char            *fault_text;   /* what it says of its fault; NULL = nothing */
    struct heap_node fault;
    struct list      room, grown;
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
    uint64_t         log_last;     /* the last line that we have of its process log_pid */
    uint64_t         log_room, log_room_ms;    /* bytes it may log, and since when */
    uint32_t         log_pid;
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
    struct list  grown;            /* of the roomy, those that may have more room first */
    uint64_t     room_clock;       /* counts such changes */
    bool         grant_ahead;      /* what TASKS_LEASED grants now is beyond what fits */
    bool         schedule;         /* something changed that the scheduler should see */
    struct class *reserved_for;    /* NULL: nothing is reserved */
    struct worker *reserved;
    uint64_t     reserve_at_ms;    /* look for a worker to reserve; UINT64_MAX: no need */
    uint64_t     served;           /* of the owner served last */
    struct list  touched;
    struct list  dirty_jobs, dirty_sessions, dirty_objects, dirty_ties, dirty_answers;
    uint64_t     changed;          /* jobs, objects and pieces that are dirty */
    bool         dirty;            /* ids or epoch changed */
    struct buffer gone;            /* u32 kind, u64 id of objects to drop */
    struct map   watched;          /* (job, index) -> ring of watches */
    struct buffer watch_news;      /* keys of leased tasks whose workers must hear of followers */
    struct list  shares_aside;     /* of caps, until the round is over */
    struct list  objects_touched, waits_woken;     /* to be looked at */
    struct list  objects_late;     /* the same, some of it each turn */
    uint32_t     late_left;        /* waits of them to be looked at in this turn */
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
    struct logs  logs;
    struct buffer scratch, scratch2;
    struct core_counters counters;
};

static inline uint64_t
core_unix_ms(const struct core *core)
{
    return core->now_ms + core->unix_offset;
}

#define SLICE_ARGS(s) (int)(s).bytes, (const char *)(s).data

#include "calls.h"

#endif
