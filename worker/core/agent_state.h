/* agent_state.h - what an agent knows; for the files of this folder only
 *
 *   agent.c          messages and the session: greeting, joining, beats
 *   agent_turn.c     what time brings: starts, returns, drains, the end
 *   agent_tasks.c    leases: queue, end, return, kill
 *   agent_start.c    which of them start, and what they take
 *   agent_keys.c     keys of tasks, asked for before they start
 *   agent_results.c  finished results until they are settled
 */
#ifndef AGENT_STATE_H
#define AGENT_STATE_H

#include "agent.h"
#include "list.h"
#include "map.h"

enum agent_state { STATE_APART, STATE_GREETING, STATE_JOINING, STATE_JOINED, STATE_LEAVING };

enum { JOIN_PARTS_MAX = 64 };    /* of LIST_ITEMS_MAX tokens: more than can be held */

enum held_state { HELD_QUEUED, HELD_KEYING, HELD_RUNNING, HELD_ENDING, HELD_FINISHED };

/* The description of a job, shared by its tasks. */
struct job_spec {
    uint32_t         users;              /* tasks, and 1 while it is the job's newest */
    uint64_t         job;
    struct buffer    bytes;
    struct wire_spec spec;               /* slices into `bytes` */
    bool             impossible;         /* needs more than this worker has at all */
    bool             is_function;
    uint32_t         granted;            /* of its tasks that run: those that took what they need */
    uint32_t         ahead_count;        /* and those that were started ahead */
    struct list      ahead;              /* oldest first */
    uint64_t         quick_us;           /* of a call, lately; 0 = not known */
    uint64_t         amounts[RESOURCES_MAX];   /* of the worker's resources, in its order */
};

/* The key of a task whose job asked for keys. */
struct held_key {
    struct list  link;                   /* in agent->keys while the manager is to say its word */
    struct held *held;
    uint64_t     request;                /* of its TASK_KEY; 0 = not sent */
    uint64_t     send_ms;                /* send it (again) then */
    uint8_t      key[KEY_PUBLIC_BYTES];
    bool         granted;
};

/* A lease that this worker holds, or a result that it still owes. */
struct held {
    struct list       link;              /* queue, running or finished */
    uint64_t          number;
    struct wire_token token;
    enum held_state   state;
    struct job_spec  *job;               /* NULL once finished, and for restored ones */
    struct held_key  *key;               /* NULL: none (yet) */
    uint64_t          since_ms;          /* QUEUED: leased at */
    uint32_t          pid;
    struct list       ahead;             /* RUNNING, ENDING: in its job's `ahead` */
    bool              told;              /* RUNNING: the manager knows its pid */
    bool              cancelled;         /* RUNNING: TASK_KILL came */
    bool              watched;           /* someone follows its output */
    bool              returns;           /* ENDING: goes back when it is dead */
    bool              spooled;           /* FINISHED */
    bool              sent;              /* FINISHED: in this joining */
    uint64_t          sent_ms;
    uint32_t          kept[2], inlined[2];   /* FINISHED: of stdout and stderr */
    struct buffer     result;            /* FINISHED: an encoded wire_result */
    struct slice      input;             /* into the same allocation */
};

struct agent {
    struct agent_config config;
    enum agent_state state;
    bool        joined_once;
    bool        draining;                /* by SIGTERM */
    bool        drained;                 /* by the manager */
    bool        refused;                 /* exit with exit_err when nothing runs */
    bool        exited;
    bool        lost_said;
    bool        retry_said;
    bool        dirty;                   /* something could start */
    struct muster_error exit_error;

    /* session */
    uint64_t    session, secret, random;
    uint32_t    beat_ms, lease_ms;
    uint64_t    request_last;            /* even numbers; odd ones are FINISH of number / 2 */
    uint64_t    hello_request, join_request, goodbye_request;
    uint64_t    join_open;               /* a bit per JOIN or HOLDS not yet answered */
    uint64_t    state_ms;                /* when the present state was entered */
    uint64_t    join_sent_ms;
    uint64_t    valid_ms;                /* leases count from here */
    uint64_t    beat_sent_ms;
    uint64_t    hello_at_ms;             /* GREETING: say HELLO (again) then; 0 = said */
    uint32_t    backoff_ms;
    uint64_t    drain_until_ms;
    uint64_t    drained_ms;              /* nothing ran or waited any more; 0 = not yet */
    uint64_t    heard_ms;                /* the last message of the manager */
    bool        drain_terminated, drain_killed;
    uint64_t    idle_since_ms;

    /* tasks */
    uint64_t    number_last;
    struct map  by_number, by_token, jobs;
    struct list queue, running, finished;    /* finished: those sent longest ago first */
    struct list keys;                    /* struct held_key, not answered yet */
    uint32_t    queued_count, running_count, finished_count;
    uint32_t    ahead_count;             /* of those that run: started ahead, */
    uint32_t    retried_count;           /* and not in their first attempt */
    uint64_t    wary_until_ms;
    size_t      unsent_bytes;
    uint32_t    cpus_free_milli;
    uint64_t    mem_free;
    uint64_t    free[RESOURCES_MAX];
    struct buffer scratch, scratch2;
    struct agent_counters counters;
};

#define HELD_OF(node)  CONTAINER(node, struct held, link)
#define AHEAD_OF(node) CONTAINER(node, struct held, ahead)

/* ---- agent_actions.c ---- */
struct agent_action *agent_act(struct agent_actions *actions, enum agent_action_type type,
                               const struct held *held);
void agent_act_text(struct agent_actions *actions, enum agent_action_type type, muster_err err,
                    const char *text);
void agent_note(struct agent_actions *actions, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Begin a message to the manager; agent_send_end() makes it an action. */
size_t agent_send_begin(struct agent_actions *actions, uint16_t type, uint64_t request);
struct agent_action *agent_send_end(struct agent_actions *actions, size_t begin);

/* ---- agent.c, agent_turn.c ---- */
bool   agent_intake_closed(const struct agent *agent);
uint64_t agent_term_ms(const struct agent *agent);
void   agent_enter(struct agent *agent, enum agent_state next, uint64_t now_ms);
void   agent_exit(struct agent *agent, muster_err err, const char *text,
                  struct agent_actions *actions);
void   agent_expire(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void   agent_say_hello(struct agent *agent, struct agent_actions *actions);
void   agent_say_join(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void   agent_say_beat(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void   agent_reconnect(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);

/* ---- agent_start.c ---- */
void tasks_fill(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
/* The task begins now. */
void held_run(struct agent *agent, struct held *held, struct agent_actions *actions);
/* Give back what the task took, or hand it on: it is dead. */
void held_release(struct agent *agent, struct held *held);

/* ---- agent_tasks.c ---- */
void         queue_remove(struct agent *agent, struct held *held);
uint64_t     held_key(const struct wire_token *token);
struct held *held_find(const struct agent *agent, const struct wire_token *token);
struct held *held_new(struct agent *agent, const struct wire_token *token, struct slice input);
void         held_free(struct agent *agent, struct held *held);
void held_end_now(struct agent *agent, struct held *held, bool returns,
                  struct agent_actions *actions);
void tasks_lease(struct agent *agent, uint64_t now_ms, const struct msg_task_lease *m,
                 struct agent_actions *actions);
void tasks_kill(struct agent *agent, uint64_t now_ms, const struct msg_task_kill *m,
                struct agent_actions *actions);
void tasks_lost(struct agent *agent, struct wire_list lost, struct agent_actions *actions);
void tasks_return_late(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void tasks_return_queue(struct agent *agent, enum wire_return reason,
                        struct agent_actions *actions);
/* Forget the queue and kill what runs; `returns`: offer it again once dead. */
void tasks_abandon(struct agent *agent, bool returns, struct agent_actions *actions);
void tasks_refresh(struct agent *agent, uint64_t now_ms);

/* ---- agent_keys.c ---- */
/* Must this task wait for a key before it runs? */
bool keys_wanted(const struct held *held);
void keys_ask(struct held *held, struct agent_actions *actions);
/* Nothing is to be said of it any more. */
void keys_forget(struct held *held);
void keys_send_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void keys_unsend(struct agent *agent);
uint64_t keys_wake_ms(const struct agent *agent);
/* Give back all that wait for a key. */
void keys_return(struct agent *agent, struct agent_actions *actions);
/* Nothing, when it answers no TASK_KEY. */
void keys_answer(struct agent *agent, uint64_t now_ms, uint64_t request, muster_err err,
                 const struct msg_error *m, struct agent_actions *actions);
void keys_check(const struct agent *agent);

/* ---- agent_results.c ---- */
void results_add(struct agent *agent, uint64_t now_ms, struct held *held, struct slice encoded,
                 const struct wire_result *result, struct agent_actions *actions);
void results_send_due(struct agent *agent, uint64_t now_ms, struct agent_actions *actions);
void results_unsend(struct agent *agent);
void results_spool(struct agent *agent, struct agent_actions *actions);
void results_settle(struct agent *agent, struct held *held, struct agent_actions *actions);
void results_answer(struct agent *agent, uint64_t now_ms, struct held *held, muster_err err,
                    struct slice detail, struct agent_actions *actions);
uint64_t results_wake_ms(const struct agent *agent);

#endif
