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
};

uint64_t actor_random(struct actor *actor, uint64_t below);
/* Ask for a verb and go on in `phase` with the answer. */
void actor_do(struct actor *actor, enum shared shared, struct msg_object_do *m, uint32_t phase);
/* Does no other actor of this client use the same object? */
bool actor_alone(const struct actor *actor);
void actor_close(struct actor *actor, uint32_t phase);
/* Open one more object; the phase stays. */
void actor_open(struct actor *actor, enum shared shared);
void actor_rest(struct actor *actor, uint64_t ms_max, uint32_t phase);
void actor_round_ends(struct actor *actor);
_Noreturn void actor_fail(struct actor *actor, muster_err error);

/* By what they use. */
extern actor_script *const actor_scripts[SHARED_COUNT];
actor_script script_audit;

#endif
