/* functions_parts.h - calls, groups and servers (private to functions*.c)
 *
 *   functions.c         groups: what waits, and who gets it next
 *   functions_server.c  servers: what children say, how calls and children end
 *   functions_look.c    what time brings: limits, calls that block others
 */
#ifndef WORKER_FUNCTIONS_PARTS_H
#define WORKER_FUNCTIONS_PARTS_H

#include "functions.h"

enum {
    FUNCTIONS_HANDED_MAX   = 256,          /* calls at one child */
    FUNCTIONS_HANDED_US    = 2000,         /* of expected work at one child */
    FUNCTIONS_HANDED_BYTES = 256 * 1024,   /* of arguments at one child, beyond the first */
    FUNCTIONS_LOOK_MS      = 2,            /* look at a child with several calls */
    FUNCTIONS_SLOW_MS      = 20,           /* what lies behind a longer call is taken back */
    FUNCTIONS_STARTED_MS   = 100,          /* the manager hears of a call that runs so long */
    FUNCTIONS_MEMORY_MS    = 100,          /* how often memory and prints are looked at */
    FUNCTIONS_IDLE_MS      = 1000,         /* look at a child without calls */
    FUNCTIONS_UNSTARTED_MS = 50,           /* no progress for so long: what waits goes back */
    FUNCTIONS_PRINTED_MAX  = 64 * 1024 * 1024,   /* of one call on standard output */
    FUNCTIONS_PING_MS      = 5000,         /* how often the hatchery must say that it lives, */
    FUNCTIONS_PONG_MS      = 10000,        /* and how long that may take */
    FUNCTIONS_ASLEEP_MS    = 1000,         /* so late it was not the hatchery who slept */
};

/* Why a child was told to end, or its present call to stop. */
enum stop { STOP_NONE, STOP_CANCEL, STOP_TIME, STOP_MEMORY, STOP_PRINTED, STOP_BROKEN };

struct call {
    struct list       link;                /* in group->waiting or server->handed */
    struct group     *group;
    struct server    *server;              /* NULL: it waits */
    uint64_t          task;
    struct wire_token token;
    struct slice      input;
    const char       *key_file;            /* NULL: none */
    uint32_t          number;              /* at its server, */
    size_t            bytes;               /* and of its argument there */
    bool              watched, told;
    struct capture   *captures;            /* two; NULL: nothing came yet */
};

struct group {
    struct list             link;
    uint64_t                number;
    const struct wire_spec *spec;
    uint64_t                job;
    int                     argument_fd;   /* the argument of all its calls; -1 */
    uint32_t                outstanding;   /* calls: waiting and handed */
    uint32_t                lanes, busy;   /* children it may have, and has */
    struct list             waiting;
    uint32_t                waiting_count;
    uint64_t                quick_us;      /* of a call, lately; 0 = not known */
    uint64_t                progress_ms;   /* the last start or end of one of its calls */
};

struct server {
    struct list   link;
    struct child  child;
    struct group *group;                   /* NULL: idle */
    uint64_t      spec_group;              /* whose description it has */
    struct list   handed;                  /* calls, in their order */
    uint32_t      handed_count, given;
    size_t        handed_bytes;
    uint64_t      results;
    uint32_t      begun;                   /* highest call that we saw begun ... */
    uint64_t      begun_us;                /* ... and when we looked at it first; 0 = not yet */
    uint64_t      still_ms;                /* handed calls, none begun, since then; 0 = no */
    uint64_t      leave_at_ms;             /* it has no more calls: it must be gone then */
    bool          slow;                    /* its present call takes long */
    bool          blocked;                 /* its socket took no more */
    int           signal;                  /* the hatchery had no room for it yet; 0 = no */
    bool          ending;                  /* it is being killed: no more calls */
    enum stop     stop;
    uint32_t      stop_call;
    uint64_t      kill_at_ms;              /* SIGKILL then; 0 = no */
    uint64_t      look_at_ms;              /* UINT64_MAX: nothing to look at */
    uint64_t      opened_ms;
    uint64_t      memory_at_ms;
    char          fault[TEXT_BYTES_MAX + 1];   /* why it cannot serve; "" = not known */
};

#define CALL_OF(node)   CONTAINER(node, struct call, link)
#define GROUP_OF(node)  CONTAINER(node, struct group, link)
#define SERVER_OF(node) CONTAINER(node, struct server, link)

/* ---- functions.c ---- */
uint32_t function_output_limit(const struct functions *functions, const struct wire_spec *spec);
/* A call of a server (or none) ended or goes back to where it came from. */
void call_forget(struct functions *functions, struct call *call);
/* Off its server, in front of those that wait. */
void call_take_back(struct call *call);
/* Those that are handed over and not begun. */
void server_take_back(struct server *server);
void call_end(struct functions *functions, struct call *call, struct wire_result *result);
void call_fail(struct functions *functions, struct call *call, const char *why);
/* What ran it is gone, perhaps because of it. */
void call_lost(struct functions *functions, struct call *call, const char *why);

/* ---- functions_server.c ---- */
/* NULL: it cannot be had. */
struct server *server_open(struct functions *functions, struct muster_error *error);
void server_free(struct functions *functions, struct server *server);
/* It takes calls, of whatever group. */
bool server_usable(const struct functions *functions, const struct server *server);
void server_listen(struct functions *functions, struct server *server, uint64_t now_ms);
void server_kill(struct functions *functions, struct server *server, int signal);
/* Have the hatchery send what it had no room for. */
void server_signal(struct functions *functions, struct server *server);
/* Kill it because of its present call. */
void server_stop(struct functions *functions, struct server *server, enum stop stop, int signal,
                 uint64_t kill_at_ms);
void server_gone(struct functions *functions, struct server *server, int32_t status,
                 uint64_t now_ms);
/* The call that runs there, NULL: none as far as can be seen. */
struct call *server_running(struct server *server);
/* The call that may run there, whatever its page says. */
struct call *server_suspect(const struct server *server);
/* When the call began that was begun last: never later than when it was first asked so. */
uint64_t     server_started_us(struct server *server, uint64_t now_us);

/* ---- functions_look.c ---- */
/* The hatchery must answer: one that was stopped makes no children and kills none. */
void hatchery_look(struct functions *functions, uint64_t now_ms);
void hatchery_answered(struct functions *functions, uint64_t now_ms);
void server_look(struct functions *functions, struct server *server, uint64_t now_ms);
void group_look(struct functions *functions, struct group *group, uint64_t now_ms);

#endif
