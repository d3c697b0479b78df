/* service.h - the inside of a service: methods that programs offer to others
 *
 *   CALL --> QUEUED ---- NEXT ----> GIVEN ---- REPLY ----> DONE --> CALL is answered
 *              |                      |                     ^
 *              | nobody serves: END   `-- server died ------'  (REMOTE)
 *              `--------------------------------------------'
 *   a caller that gives up or ends takes its call with it, wherever that is
 *
 * 1. A call is given once: what its server did before it died cannot be known,
 *    so nobody else gets it.
 * 2. Servers are alike: each NEXT takes the oldest call that is queued.  There is
 *    one list of methods, the one published last.
 * 3. Calls are kept in slots, and a slot is a piece of the stored object: the
 *    lowest one that is free, so that a replay finds the same.
 */
#ifndef NOUN_SERVICE_H
#define NOUN_SERVICE_H

#include "object.h"

enum { CALLS_MAX = 65536 };

enum call_state { CALL_QUEUED, CALL_GIVEN, CALL_DONE, CALL_STATES };

struct call {
    struct heap_node place;        /* QUEUED: in service->queue, by number */
    struct call     *next;         /* of the same hash */
    uint64_t         number;
    uint64_t         session, request;           /* of the caller */
    uint64_t         server;       /* GIVEN: session */
    uint32_t         slot;
    uint8_t          state;        /* enum call_state */
    uint8_t          error;        /* DONE: enum muster_err */
    struct buffer    method;       /* not DONE */
    struct buffer    value;        /* arguments; DONE: what the caller gets */
};

struct service {
    uint64_t      seed;            /* of the hashes in `callers` */
    struct buffer methods;         /* a block */
    uint32_t      method_count;
    uint64_t     *servers;         /* sessions, ascending */
    uint32_t      server_count, server_capacity;
    uint64_t      last;            /* number of a call */
    struct call **calls;           /* by slot */
    uint32_t      call_capacity;
    struct idset  slots;           /* in use */
    struct heap   queue;
    struct map    numbers;         /* number -> call */
    struct map    callers;         /* hash of session and request -> call */
};

/* ---- service_calls.c ---- */
struct call *call_find(const struct service *service, uint64_t session, uint64_t request);
/* It is to be stored; the content of the service grew by so many bytes. */
void         call_changed(struct core *core, struct object *object, const struct call *call,
                          int64_t bytes);
/* Into all that finds it, and into the queue if it is QUEUED. */
void         call_enter(struct service *service, struct call *call);
void         call_free(struct call *call);
void         call_remove(struct core *core, struct object *object, struct call *call);
/* The caller gets this; it is told as soon as it is there. */
void         call_done(struct core *core, struct object *object, struct call *call,
                       muster_err error, struct slice value);
bool         server_is(const struct service *service, uint64_t session);
void         server_add(struct service *service, uint64_t session);    /* if it is none yet */
/* Calls that wait for a server wait for the next one, if there is one. */
void         server_remove(struct core *core, struct object *object, uint64_t session);
/* Is it a block of so many names? */
bool         methods_good(struct slice block, uint64_t count);
void         service_put(const struct core *core, const struct object *object,
                         struct buffer *out);
bool         service_get(struct core *core, struct object *object, struct reader *in);
uint32_t     service_next_piece(const struct core *core, const struct object *object,
                                uint32_t from);
void         service_put_piece(const struct core *core, const struct object *object,
                               uint32_t piece, struct buffer *out);
bool         service_get_piece(struct core *core, struct object *object, uint32_t piece,
                               struct reader *in);

#endif
