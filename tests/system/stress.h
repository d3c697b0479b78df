/* stress.h - what the files of the stress test share
 *
 *   stress --seconds N --seed S [--threads N] [--sessions N] --calm FILE
 *
 * Many threads on several sessions make every kind of call that waits, while sessions
 * are interrupted, connections are cut, and (by test_stress.sh) the manager is killed.
 *
 * 1. Every call ends, with a result or with an error that its header names; one that
 *    does not is named by the watch, which ends the program.
 * 2. What was put is found once: never lost, never twice (the ledger).
 * 3. Two never hold a lock at once, and fencing tokens rise.
 */
#ifndef STRESS_H
#define STRESS_H

#include <muster/muster.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ACTORS_MAX = 256, SESSIONS_MAX = 16, PIPES = 4, PERMITS = 3, PARTIES = 3,
    ITEMS_MAX  = 4 * 1000 * 1000, BOUND = 16, ASYNC_MAX = 2000,
    CALM_MS    = 60000,                  /* of calls after the end of all trouble */
};

/* One session, and its handles; its threads share them. */
struct shop {
    struct muster_session   *session;
    struct muster_queue     *mail, *work, *bounded;
    struct muster_lock      *door, *gate, *often;
    struct muster_condition *change;     /* on `gate` */
    struct muster_semaphore *permits;
    struct muster_event     *event;
    struct muster_barrier   *barrier;
    struct muster_dict      *dict;
    struct muster_value     *value;
    struct muster_pool      *pool;
};

/* A thread. */
struct actor {
    pthread_t            thread;
    unsigned             number;
    uint64_t             random;
    struct shop         *shop;
    struct muster_error  error;          /* of the last call */
    _Atomic(const char *) doing;         /* the call it is in; NULL: none */
    _Atomic uint64_t     since_ms;
    uint64_t             calls;
};

extern struct shop   shops[SESSIONS_MAX];
extern unsigned      shop_count;
extern _Atomic bool  calm;               /* no more trouble: the actors end */

uint64_t now_ms(void);
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t any(struct actor *actor, uint64_t below);     /* 0 .. below - 1 */
uint32_t any_timeout(struct actor *actor);

/* Every call is made between these two.  Errors that any call may give are always
 * fine, `also` (bits of numbers) is what this one may give besides. */
void       begin(struct actor *actor, const char *what);
muster_err end(struct actor *actor, muster_err err, uint64_t also);
#define CALL(actor, also, call) (begin(actor, #call), end(actor, (call), also))
#define BIT(name)               (UINT64_C(1) << MUSTER_ERR_##name)

/* ---- the ledger ---- */

enum ledger { LEDGER_MAIL, LEDGER_WORK, LEDGER_BOUNDED, LEDGERS };

uint32_t item_new(enum ledger ledger);               /* its number */
size_t   item_text(uint32_t number, char *out, size_t bytes);
/* What became of putting it.  Of an error nobody knows whether it is there. */
void     item_put(enum ledger ledger, uint32_t number, muster_err err);
/* Somebody has it for good; or (`sure` false) may have taken it. */
void     item_taken(enum ledger ledger, const void *data, size_t bytes, bool sure);
void     ledger_check(void);

/* ---- stress_calls.c ---- */

/* One call, or a few that belong together. */
void act(struct actor *actor);
/* The callbacks that are still to come have come; permits are back. */
void calls_check(void);
extern _Atomic uint32_t async_open;      /* callbacks that are to come */

/* ---- stress_far.c ---- */

/* Both ends of pipe `number`, until the calm. */
void pipes_start(void);
void pipe_send(struct actor *actor, unsigned number);
void pipe_receive(struct actor *actor, unsigned number);
void pool(struct actor *actor);
void pool_async(struct actor *actor);

/* `error` is there. */
#define MUST(call)                                                                \
    do {                                                                          \
        if ((call) != MUSTER_OK)                                                  \
            wrong("%s: %s", #call, error.detail);                                 \
    } while (0)

#endif
