/* functions.h - calls of functions: handed to children, watched, their ends put into words
 *
 * Beside the runner, which does the same for commands.
 *
 *   START --> waiting --hand over--> handed --begun--> running --> ended
 *               ^                      |
 *               `----- taken back -----'        waiting for long: unstarted
 *
 * Calls of one description form a group.  The agent starts as many of them as fit, and,
 * when they are quick, more in advance (see agent.h); a group has as many lanes as it
 * has started ones that fit, which is the number of children that may work for it.
 *
 * 1. A child works for one group at a time, and is handed more calls than one only as
 *    long as they take a millisecond or two together: so that what lies behind a call
 *    that takes longer than those before it is soon taken back and run elsewhere.
 * 2. A call is begun at most once, and fails alone: when a child dies, the call that was
 *    begun and has no result is the one that did it.  The others go to another child.
 * 3. Functions may be broken or worse.  What a child says is checked against what the
 *    worker knows: the calls it was handed, when that was seen, its pid.  A child that says
 *    nonsense, begins nothing or does not end is killed, and nothing here waits for one.
 * 4. When the hatchery is killed, or is stopped and does not answer, all children die with
 *    it.  Who did that cannot be told: the calls that ran are lost, an attempt of each, as
 *    for a lost worker (manager/STATES.md); those that did not are given back unpunished.
 */
#ifndef WORKER_FUNCTIONS_H
#define WORKER_FUNCTIONS_H

#include "capture.h"
#include "child.h"
#include "list.h"
#include "map.h"

/* What it needs of the loop. */
struct functions_calls {
    void *context;
    void (*watch_child)(void *context, int fd, uint32_t number);
    void (*ended)(void *context, uint64_t task, const struct wire_result *result);
    void (*failed)(void *context, uint64_t task, const char *why);    /* not the call's fault */
    void (*lost)(void *context, uint64_t task, const char *why);      /* perhaps its fault */
    void (*unstarted)(void *context, uint64_t task);       /* not begun: take it back */
    void (*started)(void *context, uint64_t task, uint32_t pid);
    void (*output)(void *context, const struct msg_task_output *m);
    /* Keep the output of an ended task (both captures are the callee's then). */
    void (*keep)(void *context, uint64_t task, struct capture captures[2]);
};

struct functions {
    struct functions_calls calls;
    int          hatchery;            /* its socket; -1: there is none */
    pid_t        hatchery_pid;
    bool         pinged;              /* it owes us an answer ... */
    uint64_t     ping_at_ms;          /* ... until then; else it is asked then */
    const char  *worker, *host, *scratch;
    const char  *address;             /* of the manager, for calls with a key */
    uint32_t     output_max, grace_ms;
    uint32_t     calls_per_child_max; /* 0 = any number */
    uint32_t     start_limit_ms;      /* start hooks of a child may take so long */
    struct list  servers, groups;     /* see functions_parts.h */
    struct map   by_child;            /* number of a child -> struct server */
    struct map   by_task;             /* task -> struct call */
    uint64_t     child_last, group_last;
};

/* A call to be started.  Slices live until its end. */
struct function_start {
    uint64_t                task;
    struct wire_token       token;
    const struct wire_spec *spec;
    struct slice            input;
    int                     argument_fd;  /* -1; or the argument, that of all calls of its
                                           * description; owned from now on */
    bool                    ahead;        /* beyond what fits */
    const char             *key_file;     /* of its own; NULL: none */
};

void functions_init(struct functions *functions);
void functions_free(struct functions *functions);
void functions_start(struct functions *functions, const struct function_start *start);
/* False: it has no such call. */
bool functions_kill(struct functions *functions, uint64_t task, bool hard, uint64_t now_ms);
bool functions_watch(struct functions *functions, uint64_t task, bool on);
/* A descriptor given to watch_child is readable. */
void functions_readable(struct functions *functions, uint32_t number, uint64_t now_ms);
/* The hatchery said something.  False: it is gone. */
bool functions_hatchery(struct functions *functions, uint64_t now_ms);
/* It is gone: nothing runs any more. */
void functions_all_gone(struct functions *functions);
/* Hand over what was started, look at what runs; at the end of each turn. */
void functions_turn(struct functions *functions, uint64_t now_ms);
/* functions_turn() has something to do then; UINT64_MAX: whenever. */
uint64_t functions_wake_ms(const struct functions *functions);

#endif
