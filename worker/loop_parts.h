/* loop_parts.h - what the files of the loop share
 *
 *   loop.c          events and turns
 *   loop_act.c      the agent's actions, and the parts that the loop puts together
 */
#ifndef WORKER_LOOP_PARTS_H
#define WORKER_LOOP_PARTS_H

#include "logs.h"
#include "loop.h"
#include "outbox.h"
#include "runner.h"
#include "stdin.h"

enum {
    WATCH_FRAMES, WATCH_STATE, WATCH_SIGNALS, WATCH_LIFELINE, WATCH_NURSERY, WATCH_HATCHERY,
    WATCH_CHILDREN, WATCH_SLOTS,
};

enum { LOOP_RECONNECT_MS_MIN = 100, LOOP_RECONNECT_MS_MAX = 5000 };

struct loop {
    const struct config *config;
    const struct key    *key;
    struct nursery      *nursery;
    const struct hatched_functions *hatched;
    const char          *scratch;
    const char         **base_env;
    uint32_t             running_max;
    uint64_t             manager;         /* hash of the manager's key */
    int                  epoll, signals;
    struct link_client  *link;
    uint64_t             connections;
    uint64_t             opened_ms;
    uint64_t             hold_until_ms;   /* 0 = nothing is held back */
    bool                 again_started;   /* see loop.h */
    bool                 link_up, draining, restart, exiting, again;
    bool                 nobody_said, joined_said, joined;
    struct muster_error  exit_error;
    struct agent        *agent;
    struct agent_actions actions;
    struct runner        runner;
    struct functions     functions;
    struct stdin_cache   stdins;
    struct task_keys     keys;
    struct outbox        outbox;
    struct logs          logs;
    struct spool         spool;
    struct buffer        scratch_message;
};

/* ---- loop.c ---- */
muster_err loop_connect(struct loop *loop, struct muster_error *error);
void       loop_disconnect(struct loop *loop);
void       loop_watch_slot(void *context, int fd, uint32_t kind, uint32_t number);
void       loop_watch_child(void *context, int fd, uint32_t number);

/* ---- loop_act.c ---- */
muster_err loop_open_parts(struct loop *loop, const struct spawn_user *user,
                           struct muster_error *error);
void       loop_act(struct loop *loop, uint64_t now_ms);
bool       loop_read_kept(void *context, uint64_t task, uint8_t stream, uint32_t offset,
                          uint32_t bytes, struct buffer *out);

#endif
