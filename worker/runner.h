/* runner.h - tasks in slots: started, watched, their ends put into words
 *
 * Between the agent, which knows leases and no processes, and the slots, which
 * know processes and no leases.  Calls of functions go on to functions.h.
 *
 * 1. A slot belongs to one task from START until agent_ended() or
 *    agent_failed(); idle slots and their keepers are kept and used again.
 * 2. Kept output beyond the inline part, and the name of a spool file, live in
 *    a `kept` from the end of the task until the agent says RELEASE.
 */
#ifndef WORKER_RUNNER_H
#define WORKER_RUNNER_H

#include "agent.h"
#include "capture.h"
#include "command.h"
#include "functions.h"
#include "map.h"
#include "slot.h"
#include "spool.h"
#include "stdin.h"
#include "task_keys.h"

/* What the runner needs of the loop. */
struct runner_calls {
    void *context;
    void (*watch_fd)(void *context, int fd, uint32_t kind, uint32_t number);
    void (*ended)(void *context, uint64_t task, const struct wire_result *result);
    void (*failed)(void *context, uint64_t task, const char *why);    /* not its fault */
    void (*lost)(void *context, uint64_t task, const char *why);      /* perhaps its fault */
    void (*started)(void *context, uint64_t task, uint32_t pid);
    void (*output)(void *context, const struct msg_task_output *m);
};

/* Kinds of descriptors given to watch_fd. */
enum { RUNNER_SOCKET, RUNNER_STDOUT, RUNNER_STDERR };

struct place {                        /* a slot and the task in it */
    struct slot             slot;
    struct capture          captures[2];
    uint64_t                task;     /* 0 = none */
    struct wire_token       token;
    const struct wire_spec *spec;     /* the agent's, until the task's end */
    struct slice            input;
    bool                    watched;
    bool                    stacked;  /* on the stack of idle ones */
};

struct kept {
    struct capture captures[2];
    bool           has_captures;
    uint64_t       spool_id;          /* 0 = not spooled */
};

struct runner {
    struct runner_calls  calls;
    struct nursery      *nursery;
    struct spool        *spool;       /* folder == NULL: none */
    struct stdin_cache  *stdins;
    struct functions    *functions;
    struct task_keys    *keys;
    const char          *scratch, *host, *worker;
    const char          *address;     /* of the manager, for tasks with a key */
    const char *const   *base_env;
    uint32_t             output_max, grace_ms;
    struct place       **places;
    uint32_t             count, capacity;
    uint32_t            *idle;        /* numbers of idle places, a stack */
    uint32_t             idle_count, idle_capacity;
    struct map           running;     /* task -> struct place */
    struct map           kept;        /* task -> struct kept */
    struct buffer        strings, piece;
};

void runner_free(struct runner *runner);
/* START.  The task waits for its standard input when that is still on its way. */
void runner_start(struct runner *runner, uint64_t task, const struct wire_token *token,
                  const struct wire_spec *spec, struct slice input, bool ahead);
/* Output of an ended task that is more than its result carries. */
void runner_keep(struct runner *runner, uint64_t task, struct capture captures[2]);
void runner_kill(struct runner *runner, uint64_t task, bool hard);
void runner_watch(struct runner *runner, uint64_t task, bool on);
/* A descriptor given to watch_fd is readable. */
void runner_readable(struct runner *runner, uint32_t kind, uint32_t number);
/* The nursery says that a keeper is gone with everything below it. */
void runner_gone(struct runner *runner, uint32_t number);
/* The nursery is dead and swept: no task runs any more. */
void runner_all_gone(struct runner *runner);

/* SPOOL, RELEASE and the chunks of kept output. */
muster_err runner_spool(struct runner *runner, uint64_t task, const struct spool_record *record,
                        struct muster_error *error);
void runner_release(struct runner *runner, uint64_t task);
void runner_restored(struct runner *runner, uint64_t task, uint64_t spool_id);
bool runner_read(struct runner *runner, uint64_t task, uint8_t stream, uint32_t offset,
                 uint32_t bytes, struct buffer *out);

#endif
