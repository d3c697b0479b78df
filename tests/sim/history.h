/* history.h - what was planned, what happened, and whether it was allowed
 *
 * The checker keeps its own small picture of every job and task, fed from what
 * peers could see: leases that were granted, results that were acknowledged,
 * tasks that workers started, entries that clients read.
 *
 * 1. What the manager decides is noted in the turn it belongs to and counts
 *    when that turn's answers leave.  A crash drops the notes of turns whose
 *    answers never left, as the manager promised nothing by them.
 * 2. A rule names the promise it checks: P1 what was acknowledged stays, P4
 *    submitting twice is harmless, P5 one result per task, from the valid lease,
 *    P6 what a dead worker held is taken from it in time, P7 a late result is
 *    refused, P10 a task that kills workers stops, P17 a restart alone starts
 *    nothing twice.  Beside these: no more tasks run than a cap allows, nothing
 *    is leased of a job that was halted, a worker gets what it has room for, and
 *    the key of a task is good for nothing once its lease has ended.
 */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "wire.h"
#include "world.h"

enum { PLAN_AFTER_MAX = 2, PLAN_NAME_BYTES = 24, SIM_ZONES = 2, SIM_GPUS = 2 };

/* A job that a client means to submit. */
struct plan {
    uint32_t number;                   /* 1, 2, 3 ... */
    char     name[PLAN_NAME_BYTES];
    uint8_t  source;
    uint32_t total;                    /* tasks */
    uint32_t attempts_max, lost_max, running_max;
    uint64_t delay_ms, retry_delay_ms;
    uint32_t fail_max;                 /* halts at so many failures; 0 = never */
    uint32_t cpus_milli;
    uint32_t gpus;                     /* a resource of which each worker has SIM_GPUS */
    int32_t  zone;                     /* a label: of workers with such a number; -1: any */
    int32_t  priority;
    bool     session_bound;
    struct plan *cap_with;             /* whose running_max it shares; NULL: its own */
    struct plan *cap;                  /* and whose that one shares */
    struct plan *after[PLAN_AFTER_MAX];
    uint32_t after_count;
    /* What its tasks do. */
    uint32_t fail_per_mille;
    uint32_t kept_per_mille;           /* write more than goes inline */
    bool     poison;                   /* kills its worker */
    uint64_t task_ms_max;
    /* What its client does beside following it. */
    uint64_t cancel_after_ms;          /* 0 = never */
    bool     retries;                  /* asks for a retry once it has ended */
    /* What became of it. */
    uint64_t job;                      /* 0: no submission is known to be durable */
    bool     abandoned;                /* its client is gone */
    bool     cancelled;                /* asked for, by anybody or anything */
    bool     stopped;                  /* and what was leased, too */
    bool     halted;                   /* too many of its tasks failed */
    bool     retried;
    bool     pruned;
    bool     again;                    /* submitted once more after it was pruned */
    bool     told;                     /* a client was given its job id */
    uint32_t poisoned;                 /* workers it took down */
    struct hist_task *tasks;
    struct buffer     followed;        /* entries as its client read them */
    bool     audited;
};

enum note_type {
    NOTE_HEARD,                        /* anything from a worker's session */
    NOTE_SUBMITTED, NOTE_LEASED, NOTE_FINISHED, NOTE_CANCELLED, NOTE_RETRIED, NOTE_PRUNED,
    NOTE_KEYED,                        /* the key `number` is that of the lease `token` */
    NOTE_KEY,                          /* and who holds it may come in, or no more */
    /* Of shared objects; `session` and perhaps `request` say whose. */
    NOTE_ASKED, NOTE_ANSWERED, NOTE_SEEN, NOTE_ENDED,
    NOTE_AWAY, NOTE_BACK, NOTE_SLOW,   /* SLOW: `all` is whether it is */
};

struct note {
    enum note_type type;
    uint64_t       at_ms;              /* the world's time */
    uint64_t       turn_ms;            /* of the last turn before it */
    uint64_t       session;
    uint64_t       job;
    struct wire_token token;
    struct plan   *plan;               /* SUBMITTED */
    bool           existed;
    muster_err     answer;             /* FINISHED */
    uint8_t        outcome;
    bool           failed_only;        /* RETRIED */
    bool           all;                /* CANCELLED, RETRIED: else a part of the tasks: */
    uint32_t       first, last;
    uint64_t       number;             /* KEYED, KEY: of a key */
    bool           valid;              /* KEY */
    uint64_t       request;            /* ASKED, ANSWERED */
    uint16_t       wire_type;          /* ANSWERED, SEEN: the message, */
    uint32_t       offset, bytes;      /* in notes->bytes */
    bool           waiting_only;       /* CANCELLED */
};

struct notes {
    struct note  *items;
    uint32_t      count, capacity;
    struct buffer bytes;               /* of messages */
};

struct history *history_new(struct sim *sim);
void            history_free(struct history *history);

struct plan *history_plan(struct history *history);
struct plan *history_plan_at(struct history *history, uint32_t at);      /* NULL: no more */
struct plan *history_plan_named(struct history *history, struct slice name);
struct plan *history_plan_of(struct history *history, uint64_t job);     /* NULL: none */

/* ---- the manager's decisions ---- */
void history_note(struct notes *notes, const struct note *note);
void history_note_message(struct notes *notes, struct note note, struct slice body);
void history_apply(struct history *history, struct notes *notes);        /* and empties them */
void history_notes_drop(struct notes *notes);
void history_notes_free(struct notes *notes);
/* P6: at the end of a turn no more tasks are leased than their workers' terms allow. */
void history_check_terms(struct history *history, uint64_t turn_ms, uint64_t running);
/* The manager gives every session a fresh term: it restarted, or stood still. */
void history_restarted(struct history *history);
void history_fresh_terms(struct history *history);

/* ---- what workers do ---- */
/* A task was started; returns the number of the run, > 0. */
uint32_t history_start(struct history *history, const char *worker,
                       const struct wire_token *token, const struct wire_spec *spec,
                       struct slice input);
void     history_ended(struct history *history, uint32_t run, uint8_t outcome);
/* Its process is gone with its worker, or never was. */
void     history_gone(struct history *history, uint32_t run);
/* The text that a task's input must be, and a byte of what a run writes. */
struct slice history_input(char text[static 64], const struct plan *plan, uint32_t index);
uint8_t  history_output(const struct wire_token *token, uint8_t stream, uint64_t offset);

/* ---- what clients see ---- */
void history_told(struct history *history, struct plan *plan, uint64_t job);
void history_followed(struct history *history, struct plan *plan, uint64_t cursor,
                      struct slice entries);
/* The whole stream of an ended job of `total` tasks. */
void history_audit(struct history *history, struct plan *plan, uint8_t state, uint32_t total,
                   struct slice entries);
void history_finish(struct history *history);
void history_unfinished(struct history *history);      /* print what is left */

#endif
