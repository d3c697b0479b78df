/* client_node.h - clients that submit and follow jobs, and the auditor of the end
 *
 *   client_node.c   the session: connects, says HELLO, repeats what was not answered
 *   client_jobs.c   a plan from its submission to its end
 *   client_objects.c  actors that use shared objects, and what a session has seen
 *   client_scripts.c  what the actors do
 *   auditor.c       waits until all work has ended and reads every result
 *
 * The session's life is the library's own state machine (client/machine.c).
 */
#ifndef SIM_CLIENT_NODE_H
#define SIM_CLIENT_NODE_H

#include "history.h"
#include "list.h"
#include "machine.h"
#include "network.h"

struct client_node;
struct client_request;

typedef void client_answer_fn(struct client_request *request, uint16_t type,
                              const union wire_any *m);

/* A question that is asked again until it is answered. */
struct client_request {
    struct list         link;
    struct client_node *node;
    uint64_t            id;
    struct buffer       message;       /* header and body */
    bool                sent;          /* on the present connection */
    uint64_t            not_before_ms;
    bool                bound;         /* of this session, not to be asked in another */
    uint64_t            wait_until_ms; /* bound, in line: the end of its wait; 0: none */
    uint64_t            gives_up;      /* OBJECT_CANCEL: the request; else 0 */
    client_answer_fn   *answer;
    void               *context;
};

struct auditor;

struct client_node {
    struct net_side   side;
    struct sim       *sim;
    uint32_t          number;
    char              name[16];
    bool              running;         /* false: the process is down */
    struct machine    machine;
    struct net_packer packer;
    struct buffer     message;
    struct list       requests;
    uint64_t          request_last;
    uint64_t          hello_request;
    uint64_t          boot_ms;
    struct sim_event  tick;
    struct sim_event  start;
    struct sim_event  submit;          /* time for another plan */
    struct list       jobs;
    uint32_t          plans_left;
    struct list       actors;
    uint32_t          actors_made;
    struct sim_event  seen;            /* time for an OBJECT_SEEN */
    uint64_t          bound_session;   /* of the requests that are bound; 0: none yet */
    uint64_t          answered_max;    /* in it */
    struct auditor   *auditor;         /* NULL: an ordinary client */
};

struct client_node *client_node_new(struct sim *sim, uint32_t number);
struct client_node *client_auditor_new(struct sim *sim);
void                client_node_free(struct client_node *node);     /* NULL is allowed */

void client_crash(struct client_node *node, uint64_t down_ms);
void client_freeze(struct client_node *node, uint64_t ms);
void client_heal(struct client_node *node);
/* Nothing is left that it would do. */
bool client_idle(const struct client_node *node);
bool client_audit_done(const struct client_node *node);

/* ---- for client_jobs.c and auditor.c ---- */
/* Ask; `answer` is called once.  BUSY, FULL and NO_SPACE are asked again. */
void client_ask(struct client_node *node, uint16_t type, const union wire_any *m,
                uint64_t not_before_ms, client_answer_fn *answer, void *context);
/* The same in the present session alone, which must be there: BUSY and NO_SPACE are
 * asked again, everything else is an answer. */
struct client_request *client_ask_bound(struct client_node *node, uint16_t type,
                                        const union wire_any *m, client_answer_fn *answer,
                                        void *context);
/* Say what is not answered; it must be READY. */
void client_tell(struct client_node *node, uint16_t type, const union wire_any *m);
/* Not to be asked any more, and not to be answered. */
void client_forget(struct client_request *request);
void client_jobs_start(struct client_node *node);
void client_jobs_abandon(struct client_node *node);
bool client_jobs_idle(const struct client_node *node);
/* ---- client_objects.c ---- */
void client_objects_new(struct client_node *node);
void client_objects_start(struct client_node *node);
/* The session is another, or none: what was bound to it is over. */
void client_objects_lost(struct client_node *node);
void client_objects_resumed(struct client_node *node);
void client_objects_stop(struct client_node *node);    /* the process is gone */
void client_objects_free(struct client_node *node);
void client_objects_audit(struct client_node *node);   /* read them all, and empty the queue */
bool client_objects_idle(const struct client_node *node);

struct auditor *auditor_new(struct client_node *node);
void auditor_start(struct client_node *node);
void auditor_free(struct auditor *auditor);
bool auditor_done(const struct auditor *auditor);

#endif
