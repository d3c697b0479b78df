/* client_node.h - clients that submit and follow jobs, and the auditor of the end
 *
 *   client_node.c   the session: connects, says HELLO, repeats what was not answered
 *   client_jobs.c   a plan from its submission to its end
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
void client_jobs_start(struct client_node *node);
void client_jobs_abandon(struct client_node *node);
bool client_jobs_idle(const struct client_node *node);
struct auditor *auditor_new(struct client_node *node);
void auditor_start(struct client_node *node);
void auditor_free(struct auditor *auditor);
bool auditor_done(const struct auditor *auditor);

#endif
