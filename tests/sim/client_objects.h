/* client_objects.h - an actor: a thread of a client that uses shared objects; for client_*.c
 *
 * An actor has one request under way at a time.  Its script is called with each
 * answer, and when it has rested; it then asks, rests, or ends its round.
 */
#ifndef SIM_CLIENT_OBJECTS_H
#define SIM_CLIENT_OBJECTS_H

#include "client_node.h"
#include "history_objects.h"

struct actor;
struct speaker;

/* The answer to what it asked; `m` NULL: it has rested.  CANCELED: it gave up. */
typedef void actor_script(struct actor *actor, muster_err error, const struct msg_object_done *m);

struct actor {
    struct list            link;
    struct client_node    *node;
    enum shared            shared;
    actor_script          *script;
    uint64_t               thread;
    uint32_t               rounds_left;
    uint32_t               phase;          /* 0: a new round */
    uint32_t               opened;         /* bits: objects open in this session */
    uint32_t               opening;
    struct client_request *request;        /* under way; NULL: none */
    bool                   given_up;       /* and that is a CANCEL */
    struct sim_event       wake;           /* it has rested, or its patience ends */
    int64_t                number;         /* the script's own */
    struct buffer          ids;
    struct speaker        *speaker;        /* at an end of a pipe; NULL: at none */
};

uint64_t actor_random(struct actor *actor, uint64_t below);
/* Ask for a verb and go on in `phase` with the answer. */
void actor_do(struct actor *actor, enum shared shared, struct msg_object_do *m, uint32_t phase);
void actor_do_at(struct actor *actor, struct hist_object *object, struct msg_object_do *m,
                 uint32_t phase);
/* Ask beside what is under way: `answer` is called, as with client_ask_bound(), and has
 * to call actor_answered(). */
struct client_request *actor_ask_beside(struct actor *actor, struct hist_object *object,
                                        struct msg_object_do *m, client_answer_fn *answer,
                                        void *context);
void actor_answered(struct client_request *request);
struct hist_object *actor_object(const struct actor *actor);
/* The manager may have forgotten whatever was done to its object. */
bool actor_forgotten(const struct actor *actor);
/* Does no other actor of this client use the same object? */
bool actor_alone(const struct actor *actor);
void actor_close(struct actor *actor, struct hist_object *object, uint32_t phase);
/* Open one more object; the phase stays. */
void actor_open(struct actor *actor, struct hist_object *object);
void actor_rest(struct actor *actor, uint64_t ms_max, uint32_t phase);
void actor_round_ends(struct actor *actor);
_Noreturn void actor_fail(struct actor *actor, muster_err error);

/* By what they use. */
extern actor_script *const actor_scripts[SHARED_COUNT];
actor_script script_audit;
/* A script's parts, for others like it. */
uint32_t     some_wait_ms(struct actor *actor);
/* The end of a wait, or of patience: a round without an effect. */
bool         went_away(muster_err error);
void         ask(struct actor *actor, enum shared shared, uint32_t verb, uint32_t wait_ms,
                 uint32_t phase);
int64_t      number_of(struct slice bytes);
void         put_number(struct buffer *out, int64_t number);
/* The block of expected and new. */
void         put_exchange(struct buffer *out, int64_t expected, int64_t next);
/* ---- client_lists.c ---- */
actor_script script_list, script_array;
/* ---- client_calls.c ---- */
actor_script script_service;
/* ---- client_pipes.c ---- */
actor_script script_pipe, script_listener;
void         speaker_free(struct actor *actor);
/* Does another actor of this client use the same pipe? */
bool         speaker_alone(const struct actor *actor);

#endif
