/* worker_node.h - a worker: its pure agent, tasks that take their time, a spool */
#ifndef SIM_WORKER_NODE_H
#define SIM_WORKER_NODE_H

#include "world.h"

struct worker_node *worker_node_new(struct sim *sim, uint32_t number);
void                worker_node_free(struct worker_node *node);

/* kill -9 of the worker and its tasks; it is started again after down_ms. */
void worker_crash(struct worker_node *node, uint64_t down_ms);
void worker_freeze(struct worker_node *node, uint64_t ms);     /* its tasks go on */
void worker_drain(struct worker_node *node);                   /* SIGTERM */
void worker_heal(struct worker_node *node);
struct net_side *worker_side(struct worker_node *node);

#endif
