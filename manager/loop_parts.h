/* loop_parts.h - the loop's inside, shared by its three files alone
 *
 *   loop_open.c    start and stop
 *   loop_input.c   link -> wire decode -> admit -> core step
 *   loop.c         turns, commits, answers, signals
 */
#ifndef MANAGER_LOOP_PARTS_H
#define MANAGER_LOOP_PARTS_H

#include "answer.h"
#include "core.h"
#include "link.h"
#include "log_tail.h"
#include "loop.h"
#include "map.h"

enum {
    /* A turn that gathers more than this waits for the one before it: what
     * peers send beyond stays in their sockets. */
    LOOP_TURN_STEPS_MAX = 32768,
    LOOP_TURN_BYTES_MAX = 16 * 1024 * 1024,
    /* Answers that one frame may ask for: requests are small, answers are not. */
    LOOP_FRAME_ANSWERS_MAX = 8 * 1024 * 1024,
    /* Work (core_work) that one frame may make, and a turn, which takes no more
     * frames then: others want their answers. */
    LOOP_FRAME_WORK_MAX = 4 * 1000 * 1000,
    LOOP_TURN_WORK_MAX = 8 * 1000 * 1000,
    /* So many changed things make a checkpoint, however short the log is: the turn that
     * writes them is answered some tens of milliseconds later than others. */
    LOOP_CHECKPOINT_MAX = 16384,
    /* Lines of our own that wait for the core to take them. */
    LOOP_LOG_BYTES_MAX = 1024 * 1024,
};

enum loop_source { LOOP_LINK, LOOP_STORE, LOOP_SIGNAL, LOOP_LIFELINE };

struct loop {
    const struct config *config;
    struct key          *key;
    struct link_server  *link;
    struct admit        *admit;
    struct core         *core;
    struct store        *store;
    struct outbox       *outbox;
    struct answer       *answer;
    struct log_tail     *tail;          /* what this process logs */
    uint64_t             tail_seen;     /* the core has the lines up to this one */
    struct map           peers;         /* peer -> struct link_peer *, to look keys up again */
    struct effects       effects[2];
    struct effects      *gathering;     /* the turn being made */
    struct effects      *committing;    /* the turn being committed; NULL: none */
    uint64_t             turn;          /* its number */
    uint32_t             steps;         /* taken by the gathering turn */
    uint64_t             frame_begin;   /* loop_answers() when the frame at hand came */
    uint64_t             frame_work;    /* core_work() then, and when the turn began */
    uint64_t             turn_work;
    uint64_t             started_ms;
    uint32_t             connections_max;
    int                  epoll_fd;
    int                  signal_fd;
    bool                 stopping;
    bool                 backlog;       /* a slow peer has frames waiting */
    bool                 delivered;     /* in this round, so what waits was tried */
    bool                 eased;         /* in this round a peer took what waited for it */
};

/* Take in what peers have sent, until the turn is full. */
void loop_receive(struct loop *loop);
/* Forget connections that have ended; their sessions may come back. */
void loop_gone(struct loop *loop);
/* End a peer's session and its connection. */
void loop_cut(struct loop *loop, uint64_t now_ms, uint64_t peer, muster_err why);

#endif
