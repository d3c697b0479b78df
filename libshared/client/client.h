/* client.h - what the files of this folder share: sessions, calls, waiters
 *
 *   application threads                       the thread that drives (drive.c, pump.c)
 *   ask, feed, results ... --> unsent calls -> frames -> link
 *        ^                                                 |
 *        `---- waiter <---- call->done() <---- answers <---'
 *
 * 1. Everything in a session is guarded by session->lock, but for what is
 *    constant after the start and what belongs to the thread that drives (marked).
 *    That one lets go of the lock only while it polls.
 * 2. A call is one request: it is encoded once and sent until it is answered,
 *    over any number of connections.  Every request may be repeated safely.
 * 3. call->done() runs exactly once for a call that was submitted and not
 *    abandoned, on the thread that drives, under the lock.  It may submit calls
 *    and free its own, and must not block.  Blocking calls, pipelines, and
 *    whatever waits in another way are built on it.
 * 4. `unsent` and `sent` are in the order of request numbers, so that what is
 *    sent again arrives in the order in which it was first asked.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include <muster/muster.h>

#include "auth.h"
#include "clock.h"
#include "fork.h"
#include "heap.h"
#include "link.h"
#include "list.h"
#include "machine.h"
#include "map.h"
#include "seen.h"
#include "wire.h"

#define CLIENT_NEVER UINT64_MAX

/* ---- calls (call.c) ---- */

enum call_state { CALL_NEW, CALL_UNSENT, CALL_SENT, CALL_DONE };

struct call;
typedef void call_done(struct call *call);
typedef void call_piece(struct call *call, uint16_t type, struct slice body);
/* Is this error one to wait out and ask again? */
typedef bool call_retry(const struct call *call, muster_err code);
/* What some calls do besides. */
struct call_hooks {
    /* It goes on the wire as soon as there is room, perhaps again (call->sends > 0). */
    void (*sending)(struct call *call, uint64_t now_ms);
    /* Its deadline has come.  True: it has another now; else it ends with
     * call->error, or as timed out when that is not set. */
    bool (*expired)(struct call *call, uint64_t now_ms);
    /* Shall it, and all behind it, stay unsent for now?  Whatever ends that runs in the
     * session's thread. */
    bool (*holds)(const struct call *call);
};

struct call {
    struct list         link;            /* in unsent or sent */
    struct heap_node    deadline;
    struct muster_session *session;
    uint64_t            request;
    uint64_t            not_before_ms;   /* BUSY: not again before that */
    uint64_t            deadline_ms;     /* CLIENT_NEVER: none */
    enum call_state     state;
    struct buffer       message;         /* header and body */
    call_done          *done;
    /* Set for a stream: takes every message with this request number until the
     * call is abandoned; only an error ends it. */
    call_piece         *piece;
    call_retry         *retry;           /* NULL: only BUSY */
    const struct call_hooks *hooks;      /* may be NULL */
    bool                bound;           /* to the manager's session: ends with it */
    bool                once;            /* not sent again on another connection */
    uint32_t            sends;           /* so often it went on the wire */
    void               *context;         /* of done and piece */
    /* OK, then the answer; else why there is none. */
    struct muster_error error;
    uint16_t            answer_type;
    struct buffer       answer;
};

/* Encode; `call` is all zero or was freed. */
void call_make(struct call *call, uint16_t type, const union wire_any *m);
/* With the lock held.  `timeout_ms` MUSTER_FOREVER: none. */
void call_submit(struct muster_session *session, struct call *call, uint32_t timeout_ms);
/* Forget it, whatever its state; done() will not run. */
void call_abandon(struct call *call);
/* End it: done() runs now.  NULL error: answered. */
void call_end(struct call *call, const struct muster_error *error);
/* Give it another deadline. */
void call_defer(struct call *call, uint64_t deadline_ms);
/* Send it again, not before that time. */
void call_again(struct call *call, uint64_t not_before_ms);
void call_free(struct call *call);
/* Decode its answer, or give its error; another type than `type` is INTERNAL.
 * Slices live as long as the call. */
muster_err call_answer(const struct call *call, uint16_t type, union wire_any *m_out,
                       struct muster_error *error);

/* ---- threads that wait ---- */

struct waiter {
    struct list    link;
    pthread_cond_t cond;
    const void    *subject;              /* what it waits for */
    int            fd;                   /* an eventfd that is told, too; -1: none */
    uint64_t       interrupts;           /* as counted when the public call began */
    bool           sleeping;             /* on cond; else it drives, or waits elsewhere */
    bool           woken;
};

/* With the lock held.  begin: interruptions count from here on. */
void       waiter_begin(struct muster_session *session, struct waiter *waiter, const void *subject);
/* Lets go of the lock meanwhile.  OK when woken (for whatever reason: look again),
 * TIMEOUT, INTERRUPTED. */
muster_err waiter_wait(struct muster_session *session, struct waiter *waiter, uint64_t deadline_ms);
void       waiter_end(struct waiter *waiter);
void       waiter_wake(struct waiter *waiter);
void       waiters_wake(struct muster_session *session, const void *subject);  /* NULL: all */

/* ---- calls of several requests ----
 * Interruptions count from the beginning of the public call, not of each request. */

struct scope {
    const struct muster_session *session;
    uint64_t                     interrupts;
    struct scope                *outer;  /* of this thread */
};

struct scope *scope_begin(struct scope *scope, struct muster_session *session);
void       scope_end(struct scope *scope);
/* The first declaration of a function; it holds up to its end. */
#define CALL_SCOPE(session)                                                     \
    struct scope  scope_ __attribute__((cleanup(scope_end)));                   \
    struct scope *in_scope_ __attribute__((unused)) = scope_begin(&scope_, (session))
/* The rest of it undoes what was done: what interrupted that does not interrupt this. */
void       scope_afresh(struct scope *scope);
/* As counted when the present public call began. */
uint64_t   scope_interrupts(struct muster_session *session);

uint64_t   deadline_after(uint32_t timeout_ms);          /* from now */
/* TIMEOUT or INTERRUPTED, with what the session was doing. */
muster_err session_wait_error(struct muster_session *session, muster_err err, const char *what,
                              uint32_t timeout_ms, struct muster_error *error);

/* ---- one request, one answer, blocking ---- */

struct ask {
    struct call    call;                 /* holds the bytes of m */
    union wire_any m;                    /* the answer */
};

/* On OK the caller frees with ask_free(); on an error there is nothing to free. */
muster_err ask(struct muster_session *session, uint16_t type, const union wire_any *request,
               uint16_t answer_type, uint32_t timeout_ms, struct ask *ask_out,
               struct muster_error *error);
/* For requests that ACK answers. */
muster_err ask_ack(struct muster_session *session, uint16_t type, const union wire_any *request,
                   uint32_t timeout_ms, uint64_t *value_out, struct muster_error *error);
void       ask_free(struct ask *ask);

/* ---- what a session keeps for shared objects (object.c) ---- */

struct objects {
    uint64_t    generation;      /* counts the manager's sessions of this session */
    uint64_t    of_session;      /* the manager's number of the present one; 0: none yet */
    struct list asked;           /* struct asked: unanswered, by rising number */
    struct map  opened;          /* object -> struct opened */
    struct list closing;         /* struct closing: to be closed when no OPEN is under way */
    uint32_t    opens, closes;   /* under way */
    uint64_t    answered_max;    /* the highest number that was answered */
    struct seen seen;            /* to be told */
    uint64_t    plain_last;      /* the last call that is no batch (queue_async.c) */
    uint64_t    puts_last;       /* the last batch of puts, of acknowledgements */
    uint64_t    acks_last;
    uint64_t    seen_at_ms;      /* SEEN goes alone then; CLIENT_NEVER: nothing to tell */
};

/* ---- the application's callbacks (callback.c) ---- */

struct callbacks {
    struct list    waiting;      /* struct callback */
    uint64_t       posted, ran;
    pthread_t      thread;
    pthread_t      runner;       /* in whom one runs */
    pthread_cond_t cond;         /* there are some, or the end; and: one has returned */
    int            fd;           /* -1: the thread runs them */
    bool           started;      /* the thread */
    bool           running;      /* one of them, somewhere */
    bool           ending;
};

/* ---- who drives the session (drive.c) ---- */

struct drive {
    const void    *driver;       /* the session: its own thread; a waiter; NULL: nobody */
    pthread_cond_t idle;         /* the session's thread sleeps here when it does not drive */
    uint64_t       drives;       /* by threads that wait */
    uint64_t       drives_seen;  /* of them, by the session's thread */
    bool           wanted;       /* the session's thread drives as soon as nobody does */
    bool           deep;         /* it sleeps until it is told */
    bool           turning;      /* in a turn: no need to wake anyone */
    bool           woken;        /* wake_fd was written and not yet read */
    unsigned       told;         /* by the last poll, for the next turn (drive.h) */
    bool           asking;       /* who submits now waits for it himself */
};

/* ---- the session ---- */

struct muster_session {
    /* constant after the start */
    char               *address;
    char               *authkey_file;
    struct key         *key;
    int                 wake_fd;
    pthread_t           thread;
    pthread_mutex_t     lock;

    _Atomic uint64_t    interrupts;      /* counted in signal handlers */

    /* guarded by the lock */
    struct machine      machine;
    struct list         waiters;
    struct list         unsent;
    struct list         sent;
    struct map          calls;           /* request -> unsent or sent call */
    struct heap         deadlines;
    uint64_t            request_last;
    struct map          feeds;           /* job -> struct feed (feed.h) */
    struct map          collectors;      /* job -> struct collector (collect.h) */
    uint64_t            collected_bytes; /* of results that futures hold */
    struct list         processes;       /* struct muster_process: started, not freed */
    struct objects      objects;
    struct callbacks    callbacks;
    uint64_t            async_calls;     /* of queues: until their callbacks return */
    uint64_t            async_bytes;     /* of items that are put so */
    struct drive        drive;
    bool                closing;
    uint64_t            close_by_ms;
    struct fork_owner   forks;
    bool                forked;          /* a child's copy: constant there */

    /* of the thread that drives alone */
    struct link_client *link;
    uint64_t            hello_request;
    uint64_t            goodbye_request;
    uint64_t            interrupts_told;
    struct buffer       frame;           /* being built, or waiting for the link */
    struct buffer       seen_ids;        /* of an OBJECT_SEEN */
    uint32_t            frame_messages;
    bool                frame_stuck;     /* the link's queue was full */
};

/* A text into a fixed array; what does not fit is left out. */
void text_put(char *out, size_t out_bytes, struct slice text);

/* With the lock held: have whoever drives look at things soon. */
void session_wake(struct muster_session *session);
/* FAILED already? */
bool session_failed(const struct muster_session *session, struct muster_error *error);
/* Is this the parent's session, in a child of fork()?  It has FAILED then, nobody drives
 * it, and what it shares with the parent is not touched.  Also without the lock. */
bool session_forked(const struct muster_session *session, struct muster_error *error);
/* drive.c */
void  drive_start(struct muster_session *session);
void  drive_free(struct muster_session *session);
void *drive_run(void *session);          /* the session's thread */

/* object.c, with the lock held */
void     objects_start(struct muster_session *session);
void     objects_free(struct muster_session *session);
/* The manager greeted us, or has ended its session: is it still the same? */
void     objects_check_session(struct muster_session *session);
/* Connected anew: SEEN is told again. */
void     objects_resumed(struct muster_session *session);
/* Is SEEN to be said, in front of what is sent now, or (`alone`) by itself? */
bool     objects_seen_due(const struct muster_session *session, uint64_t now_ms, bool alone);
/* Its body, which counts as said; `ids` holds the list.  False: all is said. */
bool     objects_seen(struct muster_session *session, struct msg_object_seen *m_out,
                      struct buffer *ids);

/* callback.c */
void     callbacks_start(struct muster_session *session);
/* Runs what waits, then no more.  Without the lock, when the session's thread is gone. */
void     callbacks_end(struct muster_session *session);

#endif
