/* history_model.h - the checker's picture of shared objects; for history_*.c only */
#ifndef SIM_HISTORY_MODEL_H
#define SIM_HISTORY_MODEL_H

#include "history_objects.h"
#include "map.h"

enum {
    MODEL_HOLDERS_MAX  = 64,           /* sessions that a run can have */
    MODEL_PERMITS      = 2,
    MODEL_SLACK_MS     = 2000,         /* the manager looks at terms when a turn ends */
    MODEL_NUMBER       = 100,          /* a value begins with it */
    MODEL_ARRAY_ITEMS  = SHARED_ARRAY_ITEMS,
    MODEL_TIMED_MAX    = 6,            /* items in the queue that is bounded */
    MODEL_PIPE_ENDS    = 2,
};

struct hist_objects;

struct hist_session_of {               /* a client's session */
    uint64_t session;
    uint64_t away_ms;                  /* its connection is lost since; 0: it is there */
    bool     slow;
    bool     left;                     /* its client has another one, or is gone */
    bool     ended;
};

struct hist_item {
    uint64_t serial;                   /* its content */
    uint64_t id;                       /* 0: not known yet */
    uint64_t times;                    /* given */
    uint32_t priority;
    bool     given;
    bool     gone;
    bool     reserved;
    uint64_t session, request;         /* that it was given to */
    uint64_t term_ms;                  /* reserved: the end of its term, world time */
    uint64_t ready_ms;                 /* not given before; 0: at once */
    uint64_t over_ms;                  /* not given after; 0: it lives for ever */
};

/* One that was put into a service. */
struct hist_call {
    struct hist_op *op;                /* of its caller */
    uint64_t        number;            /* 0: not given yet, else */
    uint64_t        server;            /* to this session */
    bool            gone;              /* answered, or its caller has left */
    bool            replied;
    muster_err      error;             /* replied: that its caller gets */
};

/* What was sent in one direction of a pipe, by the end that sends. */
struct hist_flow {
    struct hist_part {
        uint64_t              session; /* that sent it; 0: nobody yet */
        uint64_t              restarts;/* of the manager, when it accepted it */
        const struct hist_op *op;
        bool                  loose;   /* who sent it has left */
    } *parts;                          /* number - 1 */
    uint32_t count, capacity;
    uint64_t asked_taken;              /* parts below it were taken, as a client said ... */
    uint64_t taken;                    /* ... and the manager heard since its restart */
    bool     mixed;                    /* more than one program sent at a time */
};

struct hist_end {                      /* of a pipe: who is attached */
    uint64_t sessions[MODEL_HOLDERS_MAX];
    uint32_t count;
    bool     opened;
};

struct hist_generation {               /* of a barrier */
    uint64_t number;
    uint64_t places;                   /* bits */
    uint64_t entries[64];              /* of who has the place */
};

struct hist_object {
    struct hist_objects *objects;
    enum shared          shared;
    char                 name[16];
    uint8_t              noun;
    bool                 transient;
    uint64_t             a, b;
    uint64_t             id;           /* 0: not made yet */
    struct list          waiting;      /* struct hist_op */
    union {
        struct {                       /* locks */
            uint64_t session, thread, token;
            uint64_t highest;          /* token ever, before the last restart too */
            uint32_t depth;            /* 0: free */
        } lock;
        struct {
            uint64_t token;            /* the highest ever */
            uint32_t left;
            struct { uint64_t session; uint32_t permits; } held[MODEL_HOLDERS_MAX];
            uint32_t holders;
        } semaphore;
        struct {
            bool set;
        } event;
        struct {
            uint64_t notified;         /* as the manager said */
            uint64_t told;             /* waits that ended so, and had not to be taken back */
            uint64_t dropped;          /* entries that left before they had seen their answer */
        } condition;
        struct {
            struct hist_generation *generations;
            uint32_t count, capacity;
            uint64_t left;             /* entries that left before they were told */
        } barrier;
        struct {
            int64_t now;               /* value, and the counter in the dict */
            bool    there;
        } number;
        struct {
            struct hist_item *items;
            uint32_t count, capacity;
            uint64_t unfinished;
        } queue;
        struct {
            int64_t *items;
            uint32_t count, capacity;
        } list;
        int64_t array[MODEL_ARRAY_ITEMS];
        struct {
            struct hist_call *calls;
            uint32_t count, capacity;
            uint64_t servers[MODEL_HOLDERS_MAX];
            uint32_t server_count;
        } service;
        struct {
            struct hist_end  ends[MODEL_PIPE_ENDS];
            struct hist_flow flows[MODEL_PIPE_ENDS];
            bool accepted, connected;  /* told so; a pipe with a name: neither */
        } pipe;
    };
};

struct hist_objects {
    struct sim             *sim;
    struct hist_object      fixed[SHARED_COUNT];   /* the one of SHARED_PIPE is not used */
    struct hist_object    **all;       /* those of `fixed`, then pipes */
    uint32_t                count, capacity;
    struct hist_object     *named;     /* the pipe that has a name now; NULL: none yet */
    uint64_t                restarts;  /* of the manager */
    struct map              ops;       /* op_key() -> struct hist_op */
    struct hist_session_of *sessions;
    uint32_t                session_count, session_capacity;
    uint64_t                arrivals, entries, items;
    uint64_t                at_ms;     /* when the manager decided what is applied */
};

/* A kind of object.  All may be NULL. */
struct hist_rules {
    /* It is as it was made: at first, and after a restart when it is transient. */
    void (*made)(struct hist_object *object);
    /* The manager took the request in; may be called again after a restart. */
    void (*asked)(struct hist_object *object, struct hist_op *op);
    /* An answer that changed something, the first time, or one that changes nothing. */
    void (*done)(struct hist_object *object, struct hist_op *op, const struct msg_object_done *m);
    void (*refused)(struct hist_object *object, struct hist_op *op, muster_err error);
    /* It was done, and is taken back before it was seen.  False: a part of it could
     * not be, so it counts as done. */
    bool (*undone)(struct hist_object *object, struct hist_op *op);
    /* It had entered, and leaves without an answer. */
    void (*left)(struct hist_object *object, struct hist_op *op);
    void (*seen)(struct hist_object *object, struct hist_op *op);
    void (*session_ended)(struct hist_object *object, uint64_t session);
    /* Does the session hold anything? */
    bool (*holds)(const struct hist_object *object, uint64_t session);
    void (*restarted)(struct hist_object *object);     /* the manager was */
    void (*finish)(struct hist_object *object);
    void (*release)(struct hist_object *object);
};

extern const struct hist_rules hist_lock, hist_semaphore, hist_event, hist_condition, hist_barrier,
    hist_value, hist_dict, hist_queue, hist_list, hist_array, hist_service, hist_listener,
    hist_pipe;

_Noreturn void model_fail(const struct hist_object *object, const struct hist_op *op,
                          const char *format, ...) __attribute__((format(printf, 3, 4)));
struct hist_op *model_op(const struct hist_objects *objects, uint64_t session, uint64_t request);
/* The condition's lock. */
void model_lock_take(struct hist_object *lock, const struct hist_op *op, uint64_t token);
void model_lock_drop(struct hist_object *lock, const struct hist_op *op);
void model_lock_undo(struct hist_object *lock, const struct hist_op *op, uint64_t token);
int64_t model_number(struct slice bytes);

/* ---- history_objects.c ---- */
const struct hist_rules *rules_of(const struct hist_object *object);
struct hist_session_of  *session_known(const struct hist_objects *objects, uint64_t session);
/* One more pipe; name "": it was made by a listener. */
struct hist_object *model_pipe(struct hist_objects *objects, const char *name, bool duplex);

/* ---- history_answers.c ---- */
void op_waits_no_more(struct hist_op *op);
/* The manager took it in.  One that waits keeps its place. */
void op_asked(struct hist_objects *objects, struct hist_op *op);
/* It will have had no effect: its session has ended, or it was given up in time. */
void op_undo(struct hist_op *op);
void op_answered(struct hist_objects *objects, struct hist_op *op, const struct note *note,
                 struct slice bytes);

/* ---- history_pipes.c ---- */
void model_pipe_hold(struct hist_object *pipe, unsigned end, uint64_t session);

#endif
