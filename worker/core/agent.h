/* agent.h - what a worker does next: sessions, leases, slots, beats, results
 *
 * Pure: no I/O, no clock, no randomness of its own; the same object file runs
 * in muster-worker and in the simulator.  Events go in with the time, actions
 * come out, in order; whoever drives it carries all of them out.
 *
 *            HELLO            WELCOME, JOIN          JOINED
 *   APART ----------> GREETING ----------> JOINING ----------> JOINED
 *     ^                  |  ^                 |                  |
 *     |    link down     |  | session ended   |                  |
 *     `------------------+--+-----------------+------------------'
 *                                     goodbye |
 *                                             v
 *                                          LEAVING -> exit
 *
 *            start              exit               ACK or STALE
 *   QUEUED ----------> RUNNING ----------> FINISHED ----------> gone
 *     |  return           |  returned, expired, lost: no result is sent
 *     v                   v
 *    gone               ENDING ----------> gone
 *
 * Between QUEUED and RUNNING a task that gets a key of its own is KEYING: agent_keys.c.
 *
 * 1. A lease is valid for lease_ms from when the last acknowledged beat was
 *    SENT.  LEASE_MARGIN_MS before that end the worker kills the children, by
 *    its own clock, as long as it believes to be joined: a stopped worker that
 *    wakes up late kills first and talks then.  Each event checks this first.
 * 2. While the connection is down the manager is away: what runs goes on (see
 *    on_manager_lost), results are kept and spooled, and WORKER_JOIN tells the
 *    manager afterwards what this worker still holds.  What the manager calls
 *    lost is killed.
 * 3. A result is kept and sent again until ACK or STALE answers its FINISH.
 * 4. A lease that cannot start within AGENT_WAIT_MS goes back unpunished.
 * 5. Resources of a task are taken from START to its end event, whatever
 *    becomes of its lease in between.
 * 6. Calls of a function that are quick are started in advance, beyond what fits
 *    (`ahead`), so that whoever runs them never waits for the next one.  They take
 *    nothing: when a call ends, the oldest one of its job that was started ahead takes
 *    over what it had.  So never more of them run at once than fit.
 * 7. A worker that was started anew, because what ran its tasks was killed, is wary: of
 *    tasks that were tried before it runs one at a time.  One of them may have done it, and
 *    each that ran beside it has lost an attempt (manager/STATES.md): they shall not run
 *    beside it again.  This lapses when there was none of them for AGENT_WARY_MS.
 */
#ifndef AGENT_H
#define AGENT_H

#include "wire.h"

enum {
    AGENT_WAIT_MS            = 250,      /* a lease waits so long for a start */
    AGENT_RESEND_MS          = 5000,     /* FINISH or JOIN without an answer */
    AGENT_HELLO_MS           = 5000,     /* HELLO without an answer: connect anew */
    AGENT_BACKOFF_MS_MIN     = 250,
    AGENT_BACKOFF_MS_MAX     = 30000,
    AGENT_GOODBYE_MS         = 2000,     /* wait so long for the answer to GOODBYE */
    AGENT_SILENT_MS          = 2500,     /* a drained worker waits so long for a word (> a beat) */
    AGENT_KILL_MS            = 2000,     /* SIGTERM to SIGKILL at the end of a drain */
    AGENT_UNSENT_BYTES_MAX   = 64 * 1024 * 1024,  /* more results waiting: start nothing */
    AGENT_AHEAD_US           = 20000,    /* so much work is started ahead, per call that fits */
    AGENT_AHEAD_MAX          = 1024,     /* calls started ahead, per call that fits */
    AGENT_WARY_MS            = 600000,
};

enum agent_lost {
    AGENT_LOST_WAIT,       /* go on with everything that was leased, wait for ever */
    AGENT_LOST_FINISH,     /* finish what runs, then exit */
    AGENT_LOST_STOP,       /* kill what runs when its lease runs out, then exit */
};

struct agent_config {                     /* all borrowed for the life of the agent */
    const char *name, *host, *software;
    uint32_t    pid;
    uint32_t    cpus_milli;
    uint64_t    mem_bytes;
    uint32_t    window;                   /* leases taken beyond what runs */
    uint32_t    running_max;              /* tasks at once, whatever they need */
    const struct wire_resource *resources;
    uint32_t    resource_count;
    const char *const *labels;
    uint32_t    label_count;
    const char *const *queues;
    uint32_t    queue_count;
    const char *const *functions;         /* that it can call */
    uint32_t    function_count;
    enum agent_lost on_manager_lost;
    uint32_t    grace_ms;                 /* running tasks may go on so long in a drain */
    uint64_t    idle_ms;                  /* exit after so long without work; 0 = never */
    uint64_t    session;                  /* of an earlier run, to be resumed; 0 = none */
    uint64_t    secret;                   /* random; that of `session` if there is one */
    uint64_t    random;                   /* seeds the jitter */
    bool        wary;                     /* see 7. */
};

enum agent_action_type {
    AGENT_SEND,            /* an encoded message (header and body): out[offset .. +bytes] */
    AGENT_CHUNK,           /* send RESULT_CHUNKs of the kept output of a stream, from `offset` on */
    AGENT_KEY,             /* make a key pair; answer with agent_key() or agent_failed() */
    AGENT_START,           /* run a task; answer with agent_started() and agent_ended() */
    AGENT_KILL,            /* a running task: soft = SIGTERM, hard = SIGKILL to its tree */
    AGENT_WATCH,           /* send live output of a running task (on) or stop that */
    AGENT_SPOOL,           /* make a finished result durable */
    AGENT_RELEASE,         /* a task is settled: forget its output, its spool file and its key */
    AGENT_RECONNECT,       /* the connection seems dead: close it and open it anew */
    AGENT_EXIT,            /* end the program, text at out[offset]; nothing follows */
    AGENT_NOTE,            /* something for the log: text at out[offset] */
};

/* `task` numbers are the agent's own and never reused.  Pointers live until the
 * next call of the agent, those of START until agent_ended() of that task. */
struct agent_action {
    enum agent_action_type  type;
    uint64_t                task;
    struct wire_token       token;
    size_t                  offset;       /* SEND, EXIT, NOTE: into out; CHUNK: into what is kept */
    size_t                  bytes;        /* SEND, CHUNK; EXIT and NOTE end with a zero byte */
    bool                    bulk;         /* SEND: must follow the CHUNKs in front of it */
    uint8_t                 stream;       /* CHUNK */
    bool                    hard;         /* KILL */
    bool                    on;           /* WATCH */
    bool                    ahead;        /* START: beyond what fits, see 6. */
    const struct wire_spec *spec;         /* START */
    struct slice            input;        /* START */
    struct slice            result;       /* SPOOL: an encoded wire_result */
    muster_err              err;          /* EXIT: OK = as asked */
};

struct agent_actions {
    struct agent_action *items;
    uint32_t             count, capacity;
    struct buffer        out;
};

void agent_actions_clear(struct agent_actions *actions);   /* keeps the memory */
void agent_actions_free(struct agent_actions *actions);

struct agent;

struct agent *agent_new(const struct agent_config *config, uint64_t now_ms);
void          agent_free(struct agent *agent);

/* A result that an earlier run left in the spool.  Before the first link up. */
void agent_restore(struct agent *agent, const struct wire_token *token, struct slice result,
                   uint64_t *task_out);

/* ---- events ---- */
/* The connection stands (again): says HELLO.  A second call without a down
 * between them means a connection that was replaced unseen. */
void agent_link_up(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void agent_link_down(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
/* A message from the manager, decoded. */
void agent_message(struct agent *agent, uint64_t now_ms, uint64_t request, uint16_t type,
                   const union wire_any *m, struct agent_actions *actions);
/* The public half of the key that was made for a task; its START follows when the manager
 * knows it. */
void agent_key(struct agent *agent, uint64_t now_ms, uint64_t task,
               const uint8_t key[KEY_PUBLIC_BYTES], struct agent_actions *actions);
void agent_started(struct agent *agent, uint64_t now_ms, uint64_t task, uint32_t pid);
/* A task that was started ended, or could not be started (OUTCOME_NOT_STARTED). */
void agent_ended(struct agent *agent, uint64_t now_ms, uint64_t task,
                 const struct wire_result *result, struct agent_actions *actions);
/* Not the task's fault (no keeper, no scratch space): goes back unpunished; `why` is for
 * people who wonder why it waits. */
void agent_failed(struct agent *agent, uint64_t now_ms, uint64_t task, const char *why,
                  struct agent_actions *actions);
/* What ran it was killed under it, perhaps by it: it goes back, an attempt lost. */
void agent_lost(struct agent *agent, uint64_t now_ms, uint64_t task, const char *why,
                struct agent_actions *actions);
/* A call of a function that was started will not begin soon: those that run take longer
 * than they did.  It waits here again, and goes back when it waited for too long. */
void agent_unstarted(struct agent *agent, uint64_t now_ms, uint64_t task,
                     struct agent_actions *actions);
/* First SIGTERM: no new leases, `grace_ms` for what runs, then goodbye. */
void agent_drain(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
/* Second SIGTERM, end of the lifeline: kill everything, return it, goodbye. */
void agent_stop(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
/* The manager will never let us in (refused key, another manager): kill
 * everything, then exit with this error. */
void agent_refused(struct agent *agent, uint64_t now_ms, muster_err err, const char *detail,
                   struct agent_actions *actions);
/* Time has passed; call it at agent_wake_ms() at the latest, and when a batch
 * of other events has been given (it starts tasks and sends what is due). */
void agent_tick(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);

/* ---- questions ---- */
uint64_t agent_wake_ms(const struct agent *agent);     /* UINT64_MAX: whenever */
bool     agent_joined(const struct agent *agent);
uint64_t agent_session(const struct agent *agent);     /* to be resumed later; 0 = none */
uint64_t agent_secret(const struct agent *agent);
/* A number for a request of the driver's own (STDIN_GET). */
uint64_t agent_request(struct agent *agent);
/* Aborts when an invariant is broken; for the simulator and the tests. */
void     agent_check(const struct agent *agent);

struct agent_counters {
    uint32_t queued, running, finished;   /* now; finished = not yet acknowledged */
    uint64_t leased, started, delivered, returned, stale, expired;   /* ever */
};
void agent_count(const struct agent *agent, struct agent_counters *out);

#endif
