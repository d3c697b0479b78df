/* core.h - what happens next: jobs, tasks, leases, workers, sessions
 *
 * Pure: no I/O, no clock, no randomness, no threads; the same object files run
 * in the daemon and in the simulator.  STATES.md is the specification.
 *
 * 1. A step decides (reads only), emits facts and replies into `effects`, and
 *    changes memory only by core_apply() of those facts.  A restart loads
 *    objects and replays facts through the same function.
 * 2. Volatile state (who is connected, long polls, scheduling windows, beats,
 *    pids) is derived or forgotten: a restart without it loses nothing that
 *    was promised.
 * 3. Ids are never reused: the epoch rises at each start, job ids and session
 *    ids rise for ever.
 * 4. Cost per task is independent of the number of tasks queued: tasks of a
 *    job are expanded when they are leased.
 * 5. The same calls give the same effects: nothing depends on addresses.
 * 6. Errors from outside are answers; assertions are for defects of ours.
 *
 * Bodies (bytes that the core never reads) are named (job, number).  Number 0
 * of a job is its spec; items, standard input, outputs and result blocks take
 * the numbers after it as they come.
 */
#ifndef CORE_H
#define CORE_H

#include "effects.h"
#include "wire.h"

struct core;

struct core_config {
    uint32_t beat_ms, lease_ms, session_ms;  /* told in WELCOME */
    uint32_t history_jobs;        /* finished jobs kept; older ones are pruned */
    uint32_t jobs_per_user_max;   /* unfinished */
    uint32_t sessions_max;
    uint32_t polls_per_session_max;
    uint32_t objects_max;         /* shared objects */
    uint64_t object_bytes_max;    /* of what they hold, of waits and of answers not yet seen */
    uint32_t waits_per_session_max;
    uint32_t answers_kept_max;    /* of one session, not yet seen by it */
    uint64_t log_kept_bytes;      /* of lines that workers and the manager logged; 0 = few */
    uint64_t seed[2];             /* random: what clients choose does not collide in tables;
                                   * nothing that is told or stored depends on it */
    const char *software;         /* borrowed; told in WELCOME and STATUS */
};

/* Who asks.  Proven by the layers in front of the core. */
struct core_from {
    uint64_t       session;       /* 0 until HELLO was answered */
    enum wire_role role;
    struct slice   user;          /* name of its key */
    struct slice   address;       /* numeric; "" = not TCP */
    struct slice   key;           /* HELLO: the public key, if it is one of a task; else empty */
};

struct core *core_new(const struct core_config *config);
void         core_free(struct core *core);

/* ---- restart: load objects (in any order), replay facts, then start ----
 * INVALID: the bytes are not what this version writes, or do not fit together.
 * After it the core is only good for core_free(). */
muster_err core_load(struct core *core, uint32_t kind, uint64_t id, struct slice bytes);
muster_err core_replay(struct core *core, struct slice facts);   /* of one turn */
/* Begin a new epoch (a fact of the first turn), give every recovered lease and
 * session a fresh term. */
void       core_start(struct core *core, uint64_t now_ms, uint64_t unix_ms, struct effects *fx);

/* ---- live: any number of these calls make one turn ---- */
/* One request.  HELLO needs from->session == 0; everything else a session of
 * the same role and user.  fx->opened tells the loop which session a HELLO got. */
void core_step(struct core *core, uint64_t now_ms, const struct core_from *from,
               uint64_t request, uint16_t type, const union wire_any *m, struct effects *fx);
/* The connection of a session was lost (it may come back) ... */
void core_away(struct core *core, uint64_t now_ms, uint64_t session);
/* ... or must end now: key revoked, too many bad messages. */
void core_expel(struct core *core, uint64_t now_ms, uint64_t session, muster_err why,
                struct effects *fx);
/* A peer is slow (true): give its session no leases and no poll answers. */
void core_slow(struct core *core, uint64_t session, bool slow);
/* New work is refused with NO_SPACE while true. */
void core_space(struct core *core, bool low);
/* The manager itself logged a line: at most TEXT_BYTES_MAX bytes of valid UTF-8. */
void core_log(struct core *core, uint64_t unix_ms, uint8_t level, struct slice text);
/* Ends a turn: expire, schedule, answer polls, close result blocks, prune. */
void core_turn(struct core *core, uint64_t now_ms, uint64_t unix_ms, struct effects *fx);
/* When core_turn() wants to be called at the latest; UINT64_MAX: whenever. */
uint64_t core_wake_ms(const struct core *core);
/* Told in WELCOME and STATUS. */
uint64_t core_epoch(const struct core *core);
/* Counts the starts of this manager. */
uint64_t core_epoch(const struct core *core);
/* Work that requests made beyond their own size since the start: items that were
 * searched, sorted, moved, waits that were looked at; about 10 ns each.  The loop
 * bounds it per frame and turn. */
uint64_t core_work(const struct core *core);
/* A client asked for SHUTDOWN. */
bool core_stopping(const struct core *core);

/* ---- checkpoint: every object that changed since the last one ---- */
/* bytes.data NULL: the object is gone. */
typedef void core_object_fn(void *context, uint32_t kind, uint64_t id, struct slice bytes);
void core_checkpoint(struct core *core, core_object_fn *each, void *context);
/* How many it would be told of, about: everyone's answers wait for them. */
uint64_t core_changed(const struct core *core);

/* ---- for the simulator and the tests: aborts when an invariant is broken ---- */
void core_check(const struct core *core);
/* A digest of all durable state: equal after replay, whatever was volatile. */
uint64_t core_digest(const struct core *core);

struct core_counters {
    uint64_t jobs, jobs_unfinished, tasks_running, tasks_finished, tasks_failed, leases,
             leases_expired, returns, stale, sessions, workers, polls, retries, refused, objects,
             object_bytes, object_waits, object_answers;
};
void core_count(const struct core *core, struct core_counters *out);

#endif
